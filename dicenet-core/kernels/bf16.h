/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include "kernels.h"

/* Convolutions with bfloat16 products and float sums: inputs and weights are rounded to the nearest bfloat16, ties to
 * even; bias, activation and output are float. A bfloat16 is the upper half of a float, with its range and 8 bits of
 * precision.
 *
 * AVX512-BF16 computes two products per lane, so inputs are stored in pairs: the same tap of channels 2 i and 2 i + 1
 * of a group, padded with a zero if the number of channels is odd. The order is channel pairs, then taps. */

typedef uint16_t DicenetBf16;

/* Layout of weights: [group][block of 16 output channels][pair of inputs][16][2], so that a register has a pair for
 * each channel. Padded with zeros at the end of a group's channels. */
#define DICENET_BF16_BLOCK 16

static inline size_t
dicenet_bf16_pairs (unsigned cin, unsigned groups, unsigned kernel)
{
  return ((size_t) cin / groups + 1) / 2 * kernel * kernel;
}

static inline unsigned
dicenet_bf16_blocks (unsigned cout, unsigned groups)
{
  return (cout / groups + DICENET_BF16_BLOCK - 1) / DICENET_BF16_BLOCK; /* per group */
}

/* Number of weights of a convolution, including zeros. */
static inline size_t
dicenet_bf16_weights (unsigned cin, unsigned cout, unsigned groups, unsigned kernel)
{
  return (size_t) groups * dicenet_bf16_blocks (cout, groups) * dicenet_bf16_pairs (cin, groups, kernel) *
         (2 * DICENET_BF16_BLOCK);
}

/* Maximum number of pixels that are packed at a time: three registers. */
#define DICENET_BF16_PANEL 48

/* Floats of scratch for conv_pointwise. */
static inline size_t
dicenet_bf16_pointwise_scratch (unsigned cin, unsigned groups)
{
  return dicenet_bf16_pairs (cin, groups, 1) * DICENET_BF16_PANEL;
}

/* Floats of scratch for conv_dense3x3: a pair takes one float. */
static inline size_t
dicenet_bf16_dense3x3_scratch (unsigned cin, unsigned groups, unsigned w, unsigned stride)
{
  return dicenet_conv_dense3x3_scratch ((cin / groups + 1) / 2, 1, w, stride);
}

/* The subset of DICENET_KERNELS that exists for bfloat16. Tiles and ranges count blocks of DICENET_BF16_BLOCK
 * channels. */
#define DICENET_BF16_KERNELS(K)                                                                                        \
  K (conv_pointwise, (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,                         \
                      const DicenetTile *tile, float *scratch))                                                        \
  K (conv_dense3x3, (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,          \
                     unsigned end, float *scratch))                                                                    \
  K (gemv, (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin, unsigned end,     \
            float *scratch))

#define K(name, arguments)                                                                                             \
  void dicenet_bf16_ref_##name arguments;                                                                              \
  void dicenet_bf16_avx512_##name arguments;
DICENET_BF16_KERNELS (K)
#undef K

/* Whether this processor supports them and @mask (DICENET_CPU_*) allows them; and the function that replaces the float
 * kernels. */
int dicenet_bf16_is_there (unsigned mask);
void dicenet_bf16_take (DicenetKernels *kernels);

/* Rounds to nearest, ties to even. NaN is not supported. */
static inline DicenetBf16
dicenet_bf16_round (float x)
{
  union {
    float value;
    uint32_t bits;
  } u = { x };
  return (DicenetBf16) ((u.bits + 0x7fff + (u.bits >> 16 & 1)) >> 16);
}

static inline float
dicenet_bf16_value (DicenetBf16 x)
{
  union {
    uint32_t bits;
    float value;
  } u = { (uint32_t) x << 16 };
  return u.value;
}
