/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../file/readfile.h"
#include "../file/safetensors.h"
#include "graph.h"

G_BEGIN_DECLS

/* Weights of a network, independent of the backend: float32 in plain order, with BatchNorm folded into convolutions.
 * Folding uses double precision, because published variances are as small as 6e-45. Weights are folded node by node
 * while a backend packs them for its kernels, so that the folded weights of the whole network are never in memory. */

/* @values is NULL if only the size is known. @n is 0 if the node has no such weights. */
typedef struct {
  const float *values;
  gsize n;
} DicenetArray;

/* The weights of one node. */
typedef struct {
  DicenetArray weight; /* CONV: [cout][cin / groups][k][k]; DICE, depth: [c][3][3]; EPP: [scale][c][3][3]; with
                        * BatchNorm's scale */
  DicenetArray bias;   /* CONV, UPSAMPLE_ADD: per channel, or none (zeros); EPP: [scale][c] */
  DicenetArray scale;  /* UPSAMPLE_ADD: per channel, or none (ones) */
  DicenetArray slope;  /* PReLU, per channel of the output, or none; DICE, EPP: of the fused output */

  /* DICE. The height and width kernels are shared by all channels, so BatchNorm can't be folded into them. */
  DicenetArray height, width;             /* [H0][3][3], [W0][3][3]: channel, then the other axis */
  DicenetArray branch_scale, branch_bias; /* depth, height, width: [3][c]; the depth branch's scale is folded into
                                           * its kernels */
  DicenetArray branch_slope;              /* [3][c]; EPP: [scale][c] */
  DicenetArray fuse_weight, fuse_bias;    /* DICE: [3][c], [c]; EPP: [c][scale][3][3], [c] */

  float *block; /* contains all values */
  gsize block_bytes;
} DicenetNodeWeights;

/* Sets the sizes of the node's arrays, without values. */
void dicenet_node_weights_measure (DicenetNodeWeights *self, const DicenetGraph *graph, guint node);
void dicenet_node_weights_clear (DicenetNodeWeights *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DicenetNodeWeights, dicenet_node_weights_clear)

/* The source of a model's weights, and what backends packed from them. */
typedef struct _DicenetWeights DicenetWeights;

/* Checks that @tensors are exactly those of @graph, with the right shapes and finite values. Takes ownership of
 * @tensors. They are freed once they have been packed, and read again from @file when needed; @graph and @file, which
 * is open, must outlive the result. NULL with @error set. */
DicenetWeights *dicenet_weights_new (const DicenetGraph *graph, DicenetFile *file, DicenetSafetensors *tensors,
                                     GError **error);
void dicenet_weights_free (DicenetWeights *self);

/* Called for a tensor that a node reads from a model file. @is_trained: it counts as parameters; running statistics do
 * not. */
typedef void (*DicenetTensorFunc) (guint node, const char *name, const guint64 *dims, guint n_dims, gboolean is_trained,
                                   gpointer data);

/* Calls @func for all tensors of a network, in order of computation, without a file. FALSE with @error set
 * (NO_MEMORY). */
gboolean dicenet_graph_list_tensors (const DicenetGraph *graph, DicenetTensorFunc func, gpointer data, GError **error);

/* Number of trained parameters, without running statistics, as in papers. */
guint64 dicenet_weights_get_n_parameters (const DicenetWeights *self);

/* Packs the weights of all nodes, using dicenet_weights_fold(). NULL with @error set. */
typedef gpointer (*DicenetPackFunc) (DicenetWeights *weights, gpointer data, GError **error);

/* Packs weights with @pack. Thread-safe; calls are serialised. With a @key, the result is made once per key, kept as
 * long as @self and then freed with @destroy; with NULL, it belongs to the caller. NULL with @error set: by @pack, or
 * because the file was modified in place, so that the weights can't be read again (OPEN). */
gpointer dicenet_weights_pack (DicenetWeights *self, gconstpointer key, DicenetPackFunc pack, GDestroyNotify destroy,
                               gpointer data, GError **error);

/* Folds one node's weights, within a DicenetPackFunc; clear them with dicenet_node_weights_clear(). FALSE with @error
 * set. */
gboolean dicenet_weights_fold (DicenetWeights *self, guint node, DicenetNodeWeights *out, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetWeights, dicenet_weights_free)

G_END_DECLS
