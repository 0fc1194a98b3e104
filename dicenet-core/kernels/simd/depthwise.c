/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "depthwise.h"
#include "narrow.h"
#include "conv3x3.h"

/* 3 x 3 convolution with one input channel per group, straight from its plane: borders are masks, shifts, and rows that
 * are left out. Copying the plane with padding first takes as long as the products if it is small. */

#define ROWS 4 /* output rows at a time with stride 1; half as many with stride 2 */

typedef struct {
  const float *x;
  float *y;
  unsigned h, w, out_h, out_w;
  Tap taps[9];
  Epilogue epilogue;
} Plane;

/* A register of output columns: where it begins, and whether it is the first or the last one of its row. */
typedef struct {
  size_t at;
  int is_first, is_last;
} Columns;

/* The inputs of a register for the three columns of the kernel; @left: number of the row's floats from @row on. */
INLINE void
load_columns (const float *row, size_t left, const Columns c, const int step, vf x[3])
{
  const vf before = all (c.is_first ? 0 : row[-1]);

  if (step == 1) {
    x[1] = once (c.is_last ? load_first (row, left < VL ? left : VL) : load (row));
    x[0] = c.is_first ? shift_up (before, x[1]) : once (c.is_last ? load_part (row - 1, left + 1) : load (row - 1));
    x[2] = c.is_last ? shift_down (x[1], all (0)) : once (load (row + 1));
  } else {
    const vf a = c.is_last ? load_part (row, left) : load (row);
    const vf b = !c.is_last ? load (row + VL) : left > VL ? load_part (row + VL, left - VL) : all (0);
    x[1] = even_of (a, b);
    x[2] = odd_of (a, b);
    x[0] = shift_up (before, x[2]);
  }
}

/* Adds the products to the sums of output rows i .. i + n - 1. */
INLINE void
add_inputs (const Plane *p, unsigned i, const Columns c, vf *sum, const int n, const int step)
{
  const size_t column = c.at * (size_t) step;

  UNROLL
  for (int r = 0; r < CONV3X3_INPUTS (n, step); r++) {
    const unsigned row = i * (unsigned) step + (unsigned) r - 1; /* wraps around above the plane */
    vf x[3];
    if (row >= p->h)
      continue;
    load_columns (p->x + (size_t) row * p->w + column, p->w - column, c, step, x);
    UNROLL
    for (int b = 0; b < 3; b++)
      add_products (x[b], p->taps, sum, r, b, n, 1, step);
  }
}

INLINE void
tile (const Plane *p, unsigned i, const Columns c, const int n, const int step)
{
  float *out = p->y + (size_t) i * p->out_w + c.at;
  vf sum[ROWS];

  UNROLL
  for (int o = 0; o < n; o++)
    sum[o] = p->epilogue.bias;
  add_inputs (p, i, c, sum, n, step);
  UNROLL
  for (int o = 0; o < n; o++, out += p->out_w) {
    const vf value = prelu (sum[o], p->epilogue.slope) * p->epilogue.gate;
    if (c.is_last)
      store_end (out, value, p->out_w - c.at, p->y + (size_t) p->out_h * p->out_w);
    else
      store (out, value);
  }
}

INLINE void
output_rows (const Plane *p, unsigned i, const int n, const int step)
{
  size_t at = (p->out_w - 1) / VL * VL;

  if (at == 0) {
    tile (p, i, (Columns){ 0, 1, 1 }, n, step);
    return;
  }
  tile (p, i, (Columns){ at, 0, 1 }, n, step);
  for (at -= VL; at > 0; at -= VL)
    tile (p, i, (Columns){ at, 0, 0 }, n, step);
  tile (p, i, (Columns){ 0, 1, 0 }, n, step);
}

INLINE void
convolve (const Plane *plane, const int step)
{
  const Plane p = *plane;
  const unsigned n = ROWS / step;
  unsigned i = 0;

  for (; i + n <= p.out_h; i += n)
    output_rows (&p, i, n, step);
  if (i < p.out_h && p.out_h >= n) /* the last n, some of which are computed again */
    output_rows (&p, p.out_h - n, n, step);
  else
    for (; i < p.out_h; i++)
      output_rows (&p, i, 1, step);
}

void
KERNEL (depthwise) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned channel)
{
  NARROW (y->w, depthwise, x, y, conv, channel)
  Plane p = { .x = dicenet_plane (x, channel / (y->c / conv->groups)),
              .y = dicenet_plane (y, channel),
              .h = x->h,
              .w = x->w,
              .out_h = y->h,
              .out_w = y->w,
              .epilogue = plain_epilogue (conv, channel) };

  load_kernel (conv->weight + 9 * (size_t) channel, p.taps);
  if (conv->stride == 1)
    convolve (&p, 1);
  else
    convolve (&p, 2);
}
