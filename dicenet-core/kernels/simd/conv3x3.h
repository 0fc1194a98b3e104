/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vec.h"

/* 3 x 3 stencils over rows with zero padding, for several output rows and registers of columns at a time. A loaded
 * register is a tap of up to three rows, so that there are fewer loads, half of which cross cache lines, than
 * multiply-adds. The order of summation does not depend on how many outputs are computed together. */

/* Number of input rows for @n output rows. */
#define CONV3X3_INPUTS(n, step) (((n) -1) * (step) + 3)

/* A kernel in registers, if there are enough of them; otherwise, its columns are taken from memory, one at a time. */
#if defined(__AVX512VL__) || defined(__aarch64__)
#define BY_ROWS 1
typedef vf Tap;
#else
#define BY_ROWS 0
typedef float Tap;
#endif

INLINE void
load_kernel (const float *kernel, Tap taps[9])
{
#if BY_ROWS
  UNROLL
  for (int i = 0; i < 9; i++)
    taps[i] = all (kernel[i]);
#else
  memcpy (taps, kernel, 9 * sizeof *taps);
#endif
}

/* A register of columns for column b of the kernel. */
INLINE vf
load_tap (const float *p, const int b, const int step)
{
  return once (step == 1 ? load (p + b - 1) : b == 2 ? load_odd (p) : load_even (p + b - 1));
}

/* Adds input row r's products with column b of the kernel. */
INLINE void
add_products (vf x, const Tap taps[9], vf *sum, const int r, const int b, const int n, const int wide, const int step)
{
  UNROLL
  for (int o = 0; o < n; o++)
    if (r - o * step >= 0 && r - o * step < 3)
      sum[o * wide] += taps[3 * (r - o * step) + b] * x;
}

/* Adds the products with columns [begin, end) of the kernel. */
INLINE void
add_columns (const float *row, size_t stride, const Tap taps[9], vf *sum, const int n, const int wide, const int step,
             const int begin, const int end)
{
  UNROLL
  for (int r = 0; r < CONV3X3_INPUTS (n, step); r++, row += stride)
    UNROLL
  for (int v = 0; v < wide; v++) {
    vf x[3];
    UNROLL
    for (int b = begin; b < end; b++)
      x[b] = load_tap (row + step * v * VL, b, step);
    UNROLL
    for (int b = begin; b < end; b++)
      add_products (x[b], taps, sum + v, r, b, n, wide, step);
  }
}

/* sum[o * wide + v] += the stencil of output row o, columns from at + v * VL. Column 0 of input row r is at row + r *
 * stride. */
INLINE void
conv3x3 (const float *row, size_t stride, size_t at, const Tap taps[9], vf *sum, const int n, const int wide,
         const int step)
{
  row += at * (size_t) step;
  if (BY_ROWS || step == 2) { /* with stride 2, columns share loads */
    add_columns (row, stride, taps, sum, n, wide, step, 0, 3);
    return;
  }
  add_columns (row, stride, taps, sum, n, wide, step, 0, 1);
  add_columns (row, stride, taps, sum, n, wide, step, 1, 2);
  add_columns (row, stride, taps, sum, n, wide, step, 2, 3);
}
