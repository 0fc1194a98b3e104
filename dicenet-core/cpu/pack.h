/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../graph/program.h"
#include "precision.h"

G_BEGIN_DECLS

/* A model's weights as the CPU's kernels take them, in one precision: made by the first session that wants them, once
 * per model, and kept as long as it. */

/* One node's share. Unused pointers are NULL. */
typedef struct {
  gconstpointer dense; /* CONV, dense: as the precision packs them */
  const float *weight; /* CONV, grouped; DICE, EPP: as DicenetNodeWeights says, like all below that */
  const float *bias, *scale, *slope;
  const float *height, *width; /* DICE: as DicenetDice says */
  const float *width_rows;     /* the width kernels as the height kernels of a transposed plane */
  const float *branch_scale, *branch_bias, *branch_slope;
  const float *fuse_weight, *fuse_bias;
} DicenetCpuWeights;

/* One per node. NULL with @error set. */
const DicenetCpuWeights *dicenet_cpu_weights (const DicenetNetwork *program, const DicenetCpuPrecision *precision,
                                              GError **error);

/* How many bytes they take, or would take. */
gsize dicenet_cpu_weight_bytes (const DicenetGraph *graph, const DicenetCpuPrecision *precision);

G_END_DECLS
