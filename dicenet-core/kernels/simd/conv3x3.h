/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vec.h"

/* 3 x 3 stencils over rows with zero padding, for several output rows and registers of columns at a time. A loaded
 * register is a tap of up to three rows, so that there are fewer loads, half of which cross cache lines, than
 * multiply-adds. The order of summation does not depend on how many outputs are computed together. */

/* Number of input rows for @n output rows. */
#define CONV3X3_INPUTS(n, step) (((n) -1) * (step) + 3)

INLINE void
broadcast_taps (const float *kernel, vf weight[9])
{
  UNROLL
  for (int i = 0; i < 9; i++)
    weight[i] = all (kernel[i]);
}

/* Loads a register of columns and its left and right neighbours. */
INLINE void
load_taps (const float *p, vf x[3], const int step)
{
  UNROLL
  for (int b = 0; b < 3; b++)
    x[b] = once (step == 1 ? load (p + b - 1) : b == 2 ? load_odd (p) : load_even (p + b - 1));
}

/* sum[o * wide + v] += the stencil of output row o, columns from at + v * VL. Column 0 of input row r is at row + r *
 * stride. */
INLINE void
conv3x3 (const float *row, size_t stride, size_t at, const vf weight[9], vf *sum, const int n, const int wide,
         const int step)
{
  row += at * (size_t) step;
  UNROLL
  for (int r = 0; r < CONV3X3_INPUTS (n, step); r++, row += stride)
    UNROLL
  for (int v = 0; v < wide; v++) {
    vf x[3];
    load_taps (row + step * v * VL, x, step);
    UNROLL
    for (int b = 0; b < 3; b++)
      UNROLL
    for (int o = 0; o < n; o++)
      if (r - o * step >= 0 && r - o * step < 3)
        sum[o * wide + v] += weight[3 * (r - o * step) + b] * x[b];
  }
}
