/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../graph/fold.h"

G_BEGIN_DECLS

/* Packs all of a model's weights into one block, in the order of a backend's kernels. The same code runs twice: first
 * without weights, to count floats, then to fill the block. */
typedef struct {
  float *block;      /* the block to fill; NULL: count only */
  const float *base; /* address of the block for kernels: @block itself, or device memory */
  gsize n_floats;    /* so far */
} DicenetPacking;

/* Reserves @n floats, aligned to a cache line; NULL while counting, or if @n is 0. @place: their address for
 * kernels. */
float *dicenet_packing_take (DicenetPacking *self, gsize n, const float **place);
/* Copies the array unchanged. Returns its address for kernels. */
const float *dicenet_packing_copy (DicenetPacking *self, const DicenetArray *array);

/* Packs node @node of @graph; the values of @w are NULL while counting. */
typedef void (*DicenetPackNode) (DicenetPacking *self, const DicenetGraph *graph, guint node,
                                 const DicenetNodeWeights *w, gpointer data);

/* Number of floats of all nodes. */
gsize dicenet_packing_measure (const DicenetGraph *graph, DicenetPackNode pack, gpointer data);
/* Fills @block, which has dicenet_packing_measure() floats, within a DicenetPackFunc. FALSE with @error set. */
gboolean dicenet_packing_fill (DicenetPacking *self, DicenetWeights *weights, const DicenetGraph *graph,
                               DicenetPackNode pack, gpointer data, GError **error);

G_END_DECLS
