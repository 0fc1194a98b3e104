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

/* Where a channel's results go, and its epilogue. */
typedef struct {
  float *to;
  float bias, slope;
} Finish;

/* sums[r][p] = sum over k of w[k][r] * x[k][p]; or, if @fused, the same with epilogues to the channels of @out, without
 * storing and loading the sums: with few inputs, that takes much of the time. */
INLINE void
gemm (const float *restrict w, const Inputs *inputs, const Finish *restrict out, float *restrict sums, const int rows,
      const int wide, const int packed, const int fused)
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
  for (int v = 0; v < wide; v++) {
    const vf sum = acc[r * wide + v];
    if (fused)
      store (out[r].to + v * VL, prelu (sum + all (out[r].bias), all (out[r].slope)));
    else
      store (sums + r * NR + v * VL, sum);
  }
}

/* Separate functions, so that the compiler allocates registers for each of them independently. */
#define GEMM(rows, wide, packed, fused)                                                                                \
  static void __attribute__ ((noinline))                                                                               \
  gemm_##rows##_##wide##_##packed##_##fused (const float *w, const Inputs *inputs, const Finish *out, float *sums)     \
  {                                                                                                                    \
    gemm (w, inputs, out, sums, rows, wide, packed, fused);                                                            \
  }
#define GEMMS(rows, packed, fused)                                                                                     \
  GEMM (rows, 1, packed, fused) GEMM (rows, 2, packed, fused) GEMM (rows, 3, packed, fused)
#define ALL_GEMMS(rows) GEMMS (rows, 0, 0) GEMMS (rows, 0, 1) GEMMS (rows, 1, 0) GEMMS (rows, 1, 1)
#define NAMES(rows, packed, fused)                                                                                     \
  {                                                                                                                    \
    gemm_##rows##_1_##packed##_##fused, gemm_##rows##_2_##packed##_##fused, gemm_##rows##_3_##packed##_##fused         \
  }
#define ALL_NAMES(rows)                                                                                                \
  {                                                                                                                    \
    { NAMES (rows, 0, 0), NAMES (rows, 0, 1) },                                                                        \
    {                                                                                                                  \
      NAMES (rows, 1, 0), NAMES (rows, 1, 1)                                                                           \
    }                                                                                                                  \
  }
typedef void (*Gemm) (const float *w, const Inputs *inputs, const Finish *out, float *sums);

/* By rows, @packed, @fused, and width. */
ALL_GEMMS (2)
ALL_GEMMS (4)
#if ROWS == DICENET_BLOCK
ALL_GEMMS (8)
static const Gemm gemms[][2][2][WIDE] = { ALL_NAMES (2), ALL_NAMES (4), ALL_NAMES (8) };
#else
static const Gemm gemms[][2][2][WIDE] = { ALL_NAMES (2), ALL_NAMES (4) };
#endif

/* Computes registers of pixels of the block's first @count channels: sums, or, if @out is not NULL, results. Rows that
 * follow the last channel's are computed, too, up to the block's end. */
static void
gemm_block (const float *w, const Inputs *inputs, unsigned count, unsigned wide, const Finish *out, float *sums)
{
  const int packed = inputs->offsets == NULL;

  for (unsigned r = 0, i; r < count; r += 2u << i) {
    i = count - r <= 2 ? 0 : count - r <= 4 || ROWS == 4 ? 1 : 2;
    gemms[i][packed][out != NULL][wide - 1](w + r, inputs, out ? out + r : NULL, sums + r * NR);
  }
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
