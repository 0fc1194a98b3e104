/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compare.h"
#include "simd.h"

/* Operations between convolutions. */

#define LEAST (-3.402823466e38f)

INLINE vf
combine (vf a, vf b, const int is_max)
{
  if (is_max)
    return larger (a, b);
  return a + b;
}

/* Three input rows of a 3 x 3 pool with stride 2 and padding 1; those outside are NULL. */
typedef struct {
  const float *above, *here, *below;
  unsigned w;
} PoolRows;

/* VL floats from p on, of which @left are inside the row. */
INLINE vf
pool_input (const float *p, size_t left, const int is_max)
{
  static const float outside[2 * VL] = { [VL... 2 * VL - 1] = LEAST };

  if (left >= VL)
    return load (p);
  const vf value = load_first (p, left);
  if (!is_max)
    return value;
  return value + load (outside + VL - left);
}

/* The columns from @at on, of all rows. */
INLINE vf
pool_rows (const PoolRows *rows, size_t at, const int is_max)
{
  const size_t left = at < rows->w ? rows->w - at : 0;
  vf value = pool_input (rows->here + at, left, is_max);

  if (rows->above)
    value = combine (value, pool_input (rows->above + at, left, is_max), is_max);
  if (rows->below)
    value = combine (value, pool_input (rows->below + at, left, is_max), is_max);
  return value;
}

/* A row of the output, which is in a plane that ends at @end. */
INLINE void
pool_row (const PoolRows *rows, float *out, unsigned w, const float *end, const int is_max)
{
  vf before = all (is_max ? LEAST : 0);

  for (size_t j = 0; j < w; j += VL) {
    const vf a = pool_rows (rows, 2 * j, is_max), b = pool_rows (rows, 2 * j + VL, is_max);
    const vf even = even_of (a, b), odd = odd_of (a, b);
    vf value = combine (combine (shift_up (before, odd), even, is_max), odd, is_max);
    if (!is_max)
      value *= all (1.0f / 9); /* padding counts in the mean */
    store_end (out + j, value, w - j, end);
    before = odd;
  }
}

INLINE void
pool (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end, const int is_max)
{
  for (unsigned c = begin; c < end; c++) {
    float *out = dicenet_plane (y, c), *plane_end = out + (size_t) y->h * y->w;
    for (unsigned i = 0; i < y->h; i++, out += y->w) {
      const float *here = dicenet_plane (x, c) + 2 * (size_t) i * x->w;
      const PoolRows rows = { i > 0 ? here - x->w : NULL, here, 2 * i + 1 < x->h ? here + x->w : NULL, x->w };
      pool_row (&rows, out, y->w, plane_end, is_max);
    }
  }
}

void
KERNEL (max_pool) (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end)
{
  pool (x, y, begin, end, 1);
}

void
KERNEL (avg_pool) (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end)
{
  pool (x, y, begin, end, 0);
}

/* The sum of all lanes, by halving. */
INLINE float
sum_lanes (vf v)
{
  UNROLL
  for (int n = VL / 2; n >= 1; n /= 2)
    for (int k = 0; k < n; k++)
      v[k] += v[k + n];
  return v[0];
}

/* Float sums of this many numbers are added in double precision: a large map has more elements than float has precision
 * for. */
#define PIECE 4096

static float
sum_piece (const float *in, size_t n)
{
  vf sum[2] = { { 0 } };
  size_t i = 0;

  for (; i + 2 * VL <= n; i += 2 * VL) {
    sum[0] += load (in + i);
    sum[1] += load (in + i + VL);
  }
  if (i + VL <= n) {
    sum[0] += load (in + i);
    i += VL;
  }
  if (i < n)
    sum[1] += load_first (in + i, n - i);
  return sum_lanes (sum[0] + sum[1]);
}

void
KERNEL (global_avg_pool) (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end)
{
  const size_t n = (size_t) x->h * x->w;

  for (unsigned c = begin; c < end; c++) {
    double total = 0;
    for (size_t at = 0; at < n; at += PIECE)
      total += (double) sum_piece (dicenet_plane (x, c) + at, n - at < PIECE ? n - at : PIECE);
    *dicenet_plane (y, c) = (float) (total / (double) n);
  }
}

/* Eight channels at a time, because a cell's channels are adjacent in the output. */
/* Independent minima and maxima, which hide their latency. */
#define CHAINS 4

void
KERNEL (range) (const DicenetPlanes *x, unsigned begin, unsigned end, float range[2])
{
  const size_t n = (size_t) x->h * x->w;
  vf low[CHAINS], high[CHAINS];

  for (int k = 0; k < CHAINS; k++)
    low[k] = high[k] = all (0);
  for (unsigned c = begin; c < end; c++) {
    const float *in = dicenet_plane (x, c);
    size_t i = 0;
    for (; i + CHAINS * VL <= n; i += CHAINS * VL) {
      UNROLL
      for (int k = 0; k < CHAINS; k++) {
        const vf value = load (in + i + k * VL);
        low[k] = smaller (value, low[k]);
        high[k] = larger (value, high[k]);
      }
    }
    for (; i < n; i += VL) {
      const vf value = load_part (in + i, n - i);
      low[0] = smaller (value, low[0]);
      high[0] = larger (value, high[0]);
    }
  }
  range[0] = range[1] = 0;
  for (int k = 0; k < CHAINS; k++) {
    for (int i = 0; i < VL; i++) {
      range[0] = low[k][i] < range[0] ? low[k][i] : range[0];
      range[1] = high[k][i] > range[1] ? high[k][i] : range[1];
    }
  }
}

void
KERNEL (flatten) (const DicenetPlanes *x, float *out, unsigned begin, unsigned end)
{
  const unsigned c = x->c;

  for (unsigned v = 0; v < c; v += 8) {
    const unsigned m = c - v < 8 ? c - v : 8;
    for (size_t cell = (size_t) begin * x->w; cell < (size_t) end * x->w; cell++)
      for (unsigned k = 0; k < m; k++)
        out[cell * c + v + k] = dicenet_plane (x, v + k)[cell];
  }
}
