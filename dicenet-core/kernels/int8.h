/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include "kernels.h"

/* Convolutions with 8-bit products and exact 32-bit integer sums. Weights are quantised per output channel, inputs per
 * tensor with a zero point; bias, activation and output are float:
 *
 *     y = activation (sum of w * (q - zero) * (scale of the channel * scale of the input) + bias)
 *
 * where w is -127 to 127 and q is 0 to 255. Every float operation rounds by itself (-ffp-contract=off), so outputs are
 * equal to the last bit on all instruction sets.
 *
 * Inputs are stored in units of 32 bits: the same tap of some neighbouring channels of a group, padded at the end. A
 * quad has four bytes q, for AVX512-VNNI; a pair has two 16-bit numbers q - zero, for PMADDWD. PMADDUBSW, which has
 * more products, would saturate. The order is units, then taps. */

/* Channels per unit. */
#define DICENET_INT8_QUADS 4
#define DICENET_INT8_PAIRS 2

/* Layout of a convolution's packed weights: a scale for each output channel, the sum of its weights, the weights. All
 * are in blocks of 16 output channels, padded with zeros at the end of a group's channels: float [group][block][16],
 * int32_t [group][block][16], [group][block][unit of inputs][16][channels of the unit]. */
#define DICENET_INT8_BLOCK 16

static inline size_t
dicenet_int8_units (unsigned cin, unsigned groups, unsigned kernel, unsigned per_unit)
{
  return ((size_t) cin / groups + per_unit - 1) / per_unit * kernel * kernel;
}

static inline unsigned
dicenet_int8_blocks (unsigned cout, unsigned groups)
{
  return (cout / groups + DICENET_INT8_BLOCK - 1) / DICENET_INT8_BLOCK; /* per group */
}

/* Size of the packed weights in floats. */
static inline size_t
dicenet_int8_floats (unsigned cin, unsigned cout, unsigned groups, unsigned kernel, unsigned per_unit)
{
  return (size_t) groups * dicenet_int8_blocks (cout, groups) * DICENET_INT8_BLOCK *
         (2 + dicenet_int8_units (cin, groups, kernel, per_unit));
}

/* More terms of a sum might not fit 32 bits: 65536 * 255 * 127 does. */
#define DICENET_INT8_TERMS 65536

/* Maximum number of pixels that are packed at a time: three registers. */
#define DICENET_INT8_PANEL 48

/* Floats of scratch for conv_pointwise; a unit takes one float. */
static inline size_t
dicenet_int8_pointwise_scratch (unsigned cin, unsigned groups, unsigned per_unit)
{
  return dicenet_int8_units (cin, groups, 1, per_unit) * DICENET_INT8_PANEL;
}

/* Floats of scratch for conv_dense3x3. */
static inline size_t
dicenet_int8_dense3x3_scratch (unsigned cin, unsigned groups, unsigned w, unsigned stride, unsigned per_unit)
{
  return dicenet_conv_dense3x3_scratch ((unsigned) dicenet_int8_units (cin, groups, 1, per_unit), 1, w, stride);
}

/* How to quantise values of [low, high], which contains 0: that is represented exactly, as padding needs it. */
static inline DicenetInt8Input
dicenet_int8_input (float low, float high)
{
  const float scale = (high - low) / 255;

  if (!(scale > 1e-30f && scale < 1e30f)) /* nothing but zeros, or numbers whose products overflow */
    return (DicenetInt8Input){ .scale = 1, .inverse = 0, .zero = 0 };
  return (DicenetInt8Input){ .scale = scale, .inverse = 1 / scale, .zero = (int32_t) (-low / scale + 0.5f) };
}

/* The subset of DICENET_KERNELS that exists for int8. Tiles and ranges count blocks of DICENET_INT8_BLOCK channels. */
#define DICENET_INT8_KERNELS(K)                                                                                        \
  K (conv_pointwise, (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,                         \
                      const DicenetTile *tile, float *scratch))                                                        \
  K (conv_dense3x3, (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,          \
                     unsigned end, float *scratch))

#define K(name, arguments)                                                                                             \
  void dicenet_int8_ref_##name arguments;      /* quads */                                                             \
  void dicenet_int8_vnni_##name arguments;     /* quads, AVX512-VNNI */                                                \
  void dicenet_int8_avx512_##name arguments;   /* pairs */                                                             \
  void dicenet_int8_avx2_##name arguments;     /* pairs */                                                             \
  void dicenet_int8_baseline_##name arguments; /* pairs, SSE2 */
DICENET_INT8_KERNELS (K)
#undef K

/* For either layout: whether this processor has kernels that @mask (DICENET_CPU_*) allows; the function that replaces
 * the float kernels by the fastest of them, and their name. The reference is for quads, with a mask of 0. */
int dicenet_int8_is_there (unsigned mask, unsigned per_unit);
const char *dicenet_int8_take (DicenetKernels *kernels, unsigned mask, unsigned per_unit);
