/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "graph.h"

G_BEGIN_DECLS

/* A network's weights in the form that kernels take: BatchNorm folded into convolutions (in double precision: published
 * variances are as small as 6e-45), everything float, in one block. */

/* One node's share. Unused pointers are NULL. */
typedef struct {
  const float *weight; /* CONV: as DicenetConv says; DICE depth: [c][3][3], PYRAMID: [scale][c][3][3], scaled */
  const float *bias;   /* CONV, MERGE: per channel, or NULL for zeros; PYRAMID: [scale][c] */
  const float *scale;  /* MERGE: per channel */
  const float *slope;  /* PReLU, per channel of the output; DICE, PYRAMID: of the fused output */

  /* DICE. The height and width kernels are shared by all channels, so their BatchNorm stays apart. Arrays of 3 are
   * depth, height, width; [b][c]. */
  const float *height, *width;             /* as DicenetDice says */
  const float *width_rows;                 /* the width kernels as the height kernels of a transposed plane */
  const float *branch_scale, *branch_bias; /* [3][c]; the depth branch's scale is in its kernels */
  const float *branch_slope;               /* [3][c]; PYRAMID: [scale][c] */
  const float *fuse_weight, *fuse_bias;    /* DICE: [3][c], [c]; PYRAMID: [c][scale][3][3], [c] */
} DicenetNodeWeights;

typedef struct _DicenetWeightsBf16 DicenetWeightsBf16;

typedef struct {
  DicenetNodeWeights *nodes; /* one per node of the graph */
  DicenetWeightsBf16 *bf16;  /* weights-bf16.h */
  float *block;
  gsize block_bytes;
  guint64 n_parameters; /* as papers count: no running statistics */
} DicenetWeights;

/* Checks that @file holds the tensors of @graph, all of them and no others, with their shapes and finite numbers, and
 * folds them. NULL with @error set. */
DicenetWeights *dicenet_weights_new (const DicenetGraph *graph, const DicenetSafetensors *file, GError **error);
void dicenet_weights_free (DicenetWeights *self);

DicenetWeightsBf16 *dicenet_weights_bf16_new (void);
void dicenet_weights_bf16_free (DicenetWeightsBf16 *self);

/* A 3 x 3 weight back from Winograd's transform, to rounding: @tap of input @c of @cin for output @o of a block, which
 * is as conv_winograd takes it. */
float dicenet_winograd_weight (const float *block, guint cin, guint c, guint tap, guint o);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetWeights, dicenet_weights_free)

G_END_DECLS
