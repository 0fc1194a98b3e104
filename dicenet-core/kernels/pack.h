/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bf16.h"
#include "int8.h"

/* Reorders weights from plain order to the orders described in kernels.h, bf16.h and int8.h. Padding, after a group's
 * last channel or a row's last column, is filled with zeros. */

/* A dense convolution: plain weights are [cout][cin / groups][kernel][kernel]. */
typedef struct {
  unsigned cin, cout, groups, kernel, stride;
} DicenetDense;

/* Blocks of DICENET_BLOCK channels: the size in floats, and packing. */
size_t dicenet_blocks_floats (const DicenetDense *conv);
void dicenet_pack_blocks (const DicenetDense *conv, const float *plain, float *to);

/* Blocks of transformed weights, G g G', for conv_winograd. */
size_t dicenet_winograd_floats (const DicenetDense *conv);
void dicenet_pack_winograd (const DicenetDense *conv, const float *plain, float *to);

/* Pairs in blocks of DICENET_BF16_BLOCK channels; writes dicenet_bf16_weights() numbers. */
void dicenet_pack_bf16 (const DicenetDense *conv, const float *plain, DicenetBf16 *to);

/* Quantised; writes dicenet_int8_floats(). */
void dicenet_pack_int8 (const DicenetDense *conv, const float *plain, void *to);
/* Adds to the bias of each output channel what quantising its weights takes from its sum on average, if the inputs have
 * these @means, one per input channel; at borders, padding makes the difference a little less. */
void dicenet_correct_int8 (const DicenetDense *conv, const float *plain, const float *means, float *bias);

/* DimConv's width kernels: from [n][3][3] to [3][3][dicenet_padded_stride (n)], so that a register has the same tap of
 * neighbouring columns. */
void dicenet_pack_columns (unsigned n, const float *plain, float *to);
/* The DiCE unit's parameters after DimConv. Arrays of [3][c] are branch by branch. */
typedef struct {
  const float *branch_scale, *branch_bias, *branch_slope, *fuse_weight; /* [3][c] */
  const float *fuse_bias, *fuse_slope;                                  /* [c] */
} DicenetBranches;

void dicenet_pack_fusion (unsigned channels, const DicenetBranches *plain, DicenetFusion *to);
/* Width kernels for a transposed plane, on which rows are columns, like height kernels. */
void dicenet_pack_transposed (unsigned n, const float *plain, float *to);
