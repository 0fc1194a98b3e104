/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../graph/program.h"
#include "precision.h"

G_BEGIN_DECLS

/* A model's weights in the layout of the CPU's kernels, in one precision: packed by the first session that needs them,
 * once per model, and freed with it. */

/* Weights of one node. Unused pointers are NULL. */
typedef struct {
  gconstpointer dense; /* CONV, dense: packed for the precision */
  const float *weight; /* CONV, grouped; DICE, EPP: see DicenetNodeWeights, also for the following */
  const float *bias, *scale, *slope;
  const float *height, *width;                         /* DICE: see DicenetDice */
  const float *fusion;                                 /* DICE: a DicenetFusion for each channel */
  const float *branch_slope, *fuse_weight, *fuse_bias; /* EPP */
} DicenetCpuWeights;

/* Returns an array with one element per node. NULL with @error set. */
const DicenetCpuWeights *dicenet_cpu_weights (const DicenetNetwork *program, const DicenetCpuPrecision *precision,
                                              GError **error);

/* Size of the packed weights in bytes, whether or not they exist. */
gsize dicenet_cpu_weight_bytes (const DicenetGraph *graph, const DicenetCpuPrecision *precision);

G_END_DECLS
