/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../file/readfile.h"
#include "../file/safetensors.h"
#include "graph.h"

G_BEGIN_DECLS

/* A network's weights, of no backend in particular: float32 in plain order, with BatchNorm folded into convolutions (in
 * double precision: published variances are as small as 6e-45). They are folded node by node, for a backend that packs
 * them for its kernels; nobody keeps all of them. */

/* @values is NULL where only the size is known; a node without such weights has none. */
typedef struct {
  const float *values;
  gsize n;
} DicenetArray;

/* One node's. */
typedef struct {
  DicenetArray weight; /* CONV: [cout][cin / groups][k][k]; DICE, depth: [c][3][3]; EPP: [scale][c][3][3]; scaled */
  DicenetArray bias;   /* CONV, UPSAMPLE_ADD: per channel, none: zeros; EPP: [scale][c] */
  DicenetArray scale;  /* UPSAMPLE_ADD: per channel */
  DicenetArray slope;  /* PReLU, per channel of the output; DICE, EPP: of the fused output */

  /* DICE. The height and width kernels are shared by all channels, so their BatchNorm stays apart. */
  DicenetArray height, width;             /* [H0][3][3], [W0][3][3]: by channel, then along the other axis */
  DicenetArray branch_scale, branch_bias; /* depth, height, width: [3][c]; the depth branch's scale is in its kernels */
  DicenetArray branch_slope;              /* [3][c]; EPP: [scale][c] */
  DicenetArray fuse_weight, fuse_bias;    /* DICE: [3][c], [c]; EPP: [c][scale][3][3], [c] */

  float *block; /* what all values are in */
  gsize block_bytes;
} DicenetNodeWeights;

/* What the node has: sizes, no values. */
void dicenet_node_weights_measure (DicenetNodeWeights *self, const DicenetGraph *graph, guint node);
void dicenet_node_weights_clear (DicenetNodeWeights *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DicenetNodeWeights, dicenet_node_weights_clear)

/* Where a model's weights come from, and what backends made of them. */
typedef struct _DicenetWeights DicenetWeights;

/* Checks that @tensors are those of @graph, all of them and no others, with their shapes and finite numbers. Takes
 * @tensors, which are dropped when they have been packed, and read from @file once more when they are wanted again;
 * @graph and @file, which is open, must live longer. NULL with @error set. */
DicenetWeights *dicenet_weights_new (const DicenetGraph *graph, DicenetFile *file, DicenetSafetensors *tensors,
                                     GError **error);
void dicenet_weights_free (DicenetWeights *self);

/* A tensor that a node of a graph takes from a model file. @is_trained: it counts as parameters, as papers count;
 * running statistics do not. */
typedef void (*DicenetTensorFunc) (guint node, const char *name, const guint64 *dims, guint n_dims, gboolean is_trained,
                                   gpointer data);

/* Calls @func for all tensors of a network, in the order of computation, without any file. FALSE with @error set
 * (NO_MEMORY). */
gboolean dicenet_graph_list_tensors (const DicenetGraph *graph, DicenetTensorFunc func, gpointer data, GError **error);

/* As papers count: no running statistics. */
guint64 dicenet_weights_get_n_parameters (const DicenetWeights *self);

/* Packs all nodes' weights, by dicenet_weights_fold(). NULL with @error set. */
typedef gpointer (*DicenetPackFunc) (DicenetWeights *weights, gpointer data, GError **error);

/* Lets @pack make what a backend wants. Any thread may call; one packs at a time. With a @key the result is made once
 * for it, kept as long as @self, and then freed by @destroy; with NULL it is the caller's. NULL with @error set: by
 * @pack, or where the weights are gone, because the file was rewritten in place since (OPEN). */
gpointer dicenet_weights_pack (DicenetWeights *self, gconstpointer key, DicenetPackFunc pack, GDestroyNotify destroy,
                               gpointer data, GError **error);

/* One node's weights, within a DicenetPackFunc; clear them with dicenet_node_weights_clear(). FALSE with @error set. */
gboolean dicenet_weights_fold (DicenetWeights *self, guint node, DicenetNodeWeights *out, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetWeights, dicenet_weights_free)

G_END_DECLS
