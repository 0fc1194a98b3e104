/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "activate.h"

/* Inner loops of matrix products: (output channels x inputs) times (inputs x pixels). Callers arrange inputs so that
 * input k of neighbouring pixels is one load. */

/* Size of the tile in registers: channels, and registers of pixels. 24 sums, three inputs and a weight fit 32
 * registers; twelve sums fit 16. */
#if VL == 16 || defined(__aarch64__)
#define ROWS DICENET_BLOCK
#else
#define ROWS (DICENET_BLOCK / 2)
#endif
#define WIDE 3
#define NR   (WIDE * VL)

/* Prefetch distance of weights in floats. Weights are read once per frame, so they are not in the cache. */
#define AHEAD 1024

/* Input k of pixel p is at x[offsets[k] + p] or, if packed, at x[k * stride + p]. */
typedef struct {
  const float *x;
  const size_t *offsets;
  size_t n, stride;
} Inputs;

/* sums[r][p] = sum over k of w[k][r] * x[k][p]. Sums are passed in memory, once per block, which costs nothing compared
 * with n steps. If they were kept in registers for the epilogue, the compiler would spill them inside the loop. */
INLINE void
gemm (const float *restrict w, const Inputs *inputs, float *restrict sums, const int rows, const int wide,
      const int packed)
{
  const float *restrict x = inputs->x;
  const size_t n = inputs->n;
  vf acc[ROWS * WIDE];

  UNROLL
  for (int i = 0; i < rows * wide; i++)
    acc[i] = all (0);
  for (size_t k = 0; k < n; k++, w += DICENET_BLOCK) {
    const float *at = packed ? x : x + inputs->offsets[k];
    __builtin_prefetch (w + AHEAD, 0, 2);
    vf in[WIDE];
    UNROLL
    for (int v = 0; v < wide; v++)
      in[v] = load (at + v * VL);
    UNROLL
    for (int r = 0; r < rows; r++) {
      const vf weight = all (w[r]);
      UNROLL
      for (int v = 0; v < wide; v++)
        acc[r * wide + v] += weight * in[v];
    }
    if (packed)
      x += inputs->stride;
  }
  UNROLL
  for (int r = 0; r < rows; r++)
    UNROLL
  for (int v = 0; v < wide; v++)
    store (sums + r * NR + v * VL, acc[r * wide + v]);
}

/* Separate functions, so that the compiler allocates registers for each of them independently. */
#define GEMM(rows, wide, packed)                                                                                       \
  static void __attribute__ ((noinline))                                                                               \
  gemm_##rows##_##wide##_##packed (const float *w, const Inputs *inputs, float *sums)                                  \
  {                                                                                                                    \
    gemm (w, inputs, sums, rows, wide, packed);                                                                        \
  }
#define MULTIPLIES(rows)                                                                                               \
  GEMM (rows, 1, 0)                                                                                                    \
  GEMM (rows, 2, 0) GEMM (rows, 3, 0) GEMM (rows, 1, 1) GEMM (rows, 2, 1) GEMM (rows, 3, 1)
typedef void (*Gemm) (const float *w, const Inputs *inputs, float *sums);

MULTIPLIES (4)
static const Gemm gemm_half[2][WIDE] = {
  { gemm_4_1_0, gemm_4_2_0, gemm_4_3_0 },
  { gemm_4_1_1, gemm_4_2_1, gemm_4_3_1 },
};
#if ROWS == DICENET_BLOCK
MULTIPLIES (8)
static const Gemm gemm_whole[2][WIDE] = {
  { gemm_8_1_0, gemm_8_2_0, gemm_8_3_0 },
  { gemm_8_1_1, gemm_8_2_1, gemm_8_3_1 },
};
#endif

/* Computes registers of pixels of the block's first @count channels. */
static void
gemm_block (const float *w, const Inputs *inputs, unsigned count, unsigned wide, float *sums)
{
  const int packed = inputs->offsets == NULL;

#if ROWS == DICENET_BLOCK
  if (count > DICENET_BLOCK / 2) {
    gemm_whole[packed][wide - 1](w, inputs, sums);
    return;
  }
#endif
  gemm_half[packed][wide - 1](w, inputs, sums);
  if (count > DICENET_BLOCK / 2)
    gemm_half[packed][wide - 1](w + DICENET_BLOCK / 2, inputs, sums + DICENET_BLOCK / 2 * NR);
}

/* Stores n sums of a channel with bias and activation applied. */
static inline void
finish (const float *sums, const DicenetConv *conv, unsigned channel, float *out, size_t n)
{
  const Epilogue e = epilogue (conv, channel);

  if (n == NR) { /* the common case */
    UNROLL
    for (int v = 0; v < WIDE; v++)
      store (out + v * VL, activate (load (sums + v * VL), &e));
    return;
  }
  for (size_t at = 0; at < n; at += VL)
    store_part (out + at, activate (load (sums + at), &e), n - at);
}
