/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "activate.h"

/* The inner loops of matrix products: output channels x inputs times inputs x pixels. Whoever calls them lays inputs
 * out such that input k of neighbouring pixels is one load. */

/* The inner loops hold so many channels times registers of pixels. 24 sums, three inputs and a weight fit 32 registers,
 * twelve sums fit 16. */
#if VL == 16 || defined(__aarch64__)
#define ROWS DICENET_BLOCK
#else
#define ROWS (DICENET_BLOCK / 2)
#endif
#define WIDE 3
#define NR   (WIDE * VL)

/* Weights are read once per frame and come from afar: so many floats before they are wanted, they are asked for. */
#define AHEAD 1024

/* What the inner loops read: input k of pixel p at x[offsets[k] + p], or, packed, at x[k * stride + p]. */
typedef struct {
  const float *x;
  const size_t *offsets;
  size_t n, stride;
} Inputs;

/* sums[r][p] = sum over k of w[k][r] * x[k][p]. Sums go through memory once per block, which costs nothing beside n
 * steps; kept in registers across the epilogue, the compiler spills them within the loop. */
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

/* Apart, so that each has the registers for itself. */
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

/* Registers of pixels, of the block's first @count channels. */
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

/* n sums of a channel: bias, activation, and out. */
static inline void
finish (const float *sums, const DicenetConv *conv, unsigned channel, float *out, size_t n)
{
  const Epilogue e = epilogue (conv, channel);

  if (n == NR) { /* nearly always */
    UNROLL
    for (int v = 0; v < WIDE; v++)
      store (out + v * VL, activate (load (sums + v * VL), &e));
    return;
  }
  for (size_t at = 0; at < n; at += VL)
    store_part (out + at, activate (load (sums + at), &e), n - at);
}
