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
 * Four numbers of 8 bits make a unit of 32 bits, a quad: the same tap of some neighbouring channels of a group, padded
 * at the end. The order is quads, then taps. */

/* Channels per unit. */
#define DICENET_INT8_QUAD 4

/* Layout of a convolution's packed weights: a scale for each output channel, the sum of its weights, the weights. All
 * are in blocks of 16 output channels, padded with zeros at the end of a group's channels: float [group][block][16],
 * int32_t [group][block][16], int8_t [group][block][unit of inputs][16][4]. */
#define DICENET_INT8_BLOCK 16

static inline size_t
dicenet_int8_units (unsigned cin, unsigned groups, unsigned kernel)
{
  return ((size_t) cin / groups + DICENET_INT8_QUAD - 1) / DICENET_INT8_QUAD * kernel * kernel;
}

static inline unsigned
dicenet_int8_blocks (unsigned cout, unsigned groups)
{
  return (cout / groups + DICENET_INT8_BLOCK - 1) / DICENET_INT8_BLOCK; /* per group */
}

/* Size of the packed weights in floats. */
static inline size_t
dicenet_int8_floats (unsigned cin, unsigned cout, unsigned groups, unsigned kernel)
{
  return (size_t) groups * dicenet_int8_blocks (cout, groups) * DICENET_INT8_BLOCK *
         (2 + dicenet_int8_units (cin, groups, kernel));
}

/* More terms of a sum might not fit 32 bits: 65536 * 255 * 127 does. */
#define DICENET_INT8_TERMS 65536

/* Maximum number of pixels that are packed at a time: three registers. */
#define DICENET_INT8_PANEL 48

/* Units of inputs take this many floats of scratch on some instruction sets, one on others. */
#define DICENET_INT8_PARTS 2

/* Floats of scratch for conv_pointwise. */
static inline size_t
dicenet_int8_pointwise_scratch (unsigned cin, unsigned groups)
{
  return dicenet_int8_units (cin, groups, 1) * DICENET_INT8_PARTS * DICENET_INT8_PANEL;
}

/* Floats of scratch for conv_dense3x3. */
static inline size_t
dicenet_int8_dense3x3_scratch (unsigned cin, unsigned groups, unsigned w, unsigned stride)
{
  const unsigned units = (unsigned) dicenet_int8_units (cin, groups, 1);
  const size_t one = dicenet_conv_dense3x3_scratch (units, 1, w, stride),
               all = dicenet_conv_dense3x3_scratch (DICENET_INT8_PARTS * units, 1, w, stride);
  return (one > all ? one : all) + DICENET_PAD; /* the height of bands depends on what a unit takes */
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
  void dicenet_int8_ref_##name arguments;                                                                              \
  void dicenet_int8_vnni_##name arguments; /* AVX512-VNNI */                                                           \
  void dicenet_int8_avx512_##name arguments;                                                                           \
  void dicenet_int8_avxvnni_##name arguments; /* AVX-VNNI */                                                           \
  void dicenet_int8_avx2_##name arguments;                                                                             \
  void dicenet_int8_dotprod_##name arguments;  /* SDOT */                                                              \
  void dicenet_int8_baseline_##name arguments; /* SSE2, NEON */
DICENET_INT8_KERNELS (K)
#undef K

/* Whether this processor has kernels that @mask (DICENET_CPU_*) allows; the function that replaces the float kernels by
 * the fastest of them, and their name. */
int dicenet_int8_is_there (unsigned mask);
const char *dicenet_int8_take (DicenetKernels *kernels, unsigned mask);
