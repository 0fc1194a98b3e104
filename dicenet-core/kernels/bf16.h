/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include "kernels.h"

/* Convolutions whose products are of bfloat16 numbers and whose sums are float: inputs and weights are rounded to the
 * nearest bfloat16, ties to even; bias, activation and output are float as ever. A bfloat16 is the upper half of a
 * float: its range, and 8 bits of precision.
 *
 * Processors with AVX512-BF16 take two products per lane, so inputs go in pairs: the same tap of channels 2 i and
 * 2 i + 1 of a group, with zero beside an odd last one. Pairs of channels follow each other, tap by tap each. */

typedef uint16_t DicenetBf16;

/* Weights lie as [group][block of 16 output channels][pair of inputs][16][2]: a register is a pair of each channel.
 * Zeros where a group's channels end. */
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

/* How many weights a convolution takes, zeros included. */
static inline size_t
dicenet_bf16_weights (unsigned cin, unsigned cout, unsigned groups, unsigned kernel)
{
  return (size_t) groups * dicenet_bf16_blocks (cout, groups) * dicenet_bf16_pairs (cin, groups, kernel) *
         (2 * DICENET_BF16_BLOCK);
}

/* Pixels that are packed at a time, at most: three registers. */
#define DICENET_BF16_PANEL 48

/* Floats of scratch that conv_pointwise wants. */
static inline size_t
dicenet_bf16_pointwise_scratch (unsigned cin, unsigned groups)
{
  return dicenet_bf16_pairs (cin, groups, 1) * DICENET_BF16_PANEL;
}

/* Floats of scratch that conv_dense3x3 wants: a pair takes the room of a float. */
static inline size_t
dicenet_bf16_dense3x3_scratch (unsigned cin, unsigned groups, unsigned w, unsigned stride)
{
  return dicenet_conv_dense3x3_scratch ((cin / groups + 1) / 2, 1, w, stride);
}

/* The kernels of DICENET_KERNELS that there are for bfloat16. Parts count blocks of DICENET_BF16_BLOCK channels. */
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

/* Whether this processor has them and @mask (DICENET_CPU_*) allows them; and puts them in the place of float's. */
int dicenet_bf16_is_there (unsigned mask);
void dicenet_bf16_take (DicenetKernels *kernels);

/* To the nearest, ties to even. Not for NaN. */
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
