/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bf16.h"

/* From weights in plain order to the orders that kernels.h and bf16.h say. What is beyond a group's last channel, or a
 * row's last column, becomes zeros. */

/* A dense convolution: plain weights are [cout][cin / groups][kernel][kernel]. */
typedef struct {
  unsigned cin, cout, groups, kernel, stride;
} DicenetDense;

/* Blocks of DICENET_BLOCK channels, and how many floats they take. */
size_t dicenet_blocks_floats (const DicenetDense *conv);
void dicenet_pack_blocks (const DicenetDense *conv, const float *plain, float *to);

/* G g G' of 3 x 3 weights in blocks, as conv_winograd takes them. */
size_t dicenet_winograd_floats (const DicenetDense *conv);
void dicenet_pack_winograd (const DicenetDense *conv, const float *plain, float *to);

/* Pairs in blocks of DICENET_BF16_BLOCK channels; dicenet_bf16_weights() numbers. */
void dicenet_pack_bf16 (const DicenetDense *conv, const float *plain, DicenetBf16 *to);

/* DimConv's width kernels: from [n][3][3] to [3][3][dicenet_padded_stride (n)], where a register takes the same tap of
 * neighbouring columns. */
void dicenet_pack_columns (unsigned n, const float *plain, float *to);
/* Transposed, a width kernel's rows are channels and its columns rows of the plane, as a height kernel's are. */
void dicenet_pack_transposed (unsigned n, const float *plain, float *to);
