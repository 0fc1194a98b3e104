/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../graph/fold.h"

G_BEGIN_DECLS

/* All of a model's weights in one block, as a backend's kernels take them. Two passes with the same code: the first
 * counts floats, without weights; the second fills. */
typedef struct {
  float *block;      /* what is filled; NULL: counting */
  const float *base; /* where kernels will find it: @block itself, or memory of a device */
  gsize n_floats;    /* so far */
} DicenetPacking;

/* Room for @n floats, on a cache line of its own; NULL while counting, or for none. @place: where kernels will find it.
 */
float *dicenet_packing_take (DicenetPacking *self, gsize n, const float **place);
/* The array as it is. Returns where kernels will find it. */
const float *dicenet_packing_copy (DicenetPacking *self, const DicenetArray *array);

/* Packs node @node of @graph; @w's values are NULL while counting. */
typedef void (*DicenetPackNode) (DicenetPacking *self, const DicenetGraph *graph, guint node,
                                 const DicenetNodeWeights *w, gpointer data);

/* How many floats all nodes take. */
gsize dicenet_packing_measure (const DicenetGraph *graph, DicenetPackNode pack, gpointer data);
/* Fills @block, which has so many, within a DicenetPackFunc. FALSE with @error set. */
gboolean dicenet_packing_fill (DicenetPacking *self, DicenetWeights *weights, const DicenetGraph *graph,
                               DicenetPackNode pack, gpointer data, GError **error);

G_END_DECLS
