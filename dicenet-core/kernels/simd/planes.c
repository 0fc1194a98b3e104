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

/* Row i of a 3 x 3 pool with stride 2 and padding 1: reduces three input rows to one line. */
INLINE void
pool_rows (const float *x, unsigned h, unsigned w, unsigned i, float *line, const int is_max)
{
  const float *above = x + (size_t) (i > 0 ? 2 * i - 1 : 0) * w, *here = x + 2 * (size_t) i * w,
              *below = 2 * i + 1 < h ? here + w : here;
  const int has_above = i > 0, has_below = 2 * i + 1 < h;
  const float outside = is_max ? LEAST : 0;

  for (size_t j = 0; j < w; j += VL) {
    vf sum = load_part (here + j, w - j);
    if (has_above)
      sum = combine (sum, load_part (above + j, w - j), is_max);
    if (has_below)
      sum = combine (sum, load_part (below + j, w - j), is_max);
    store (line + j, sum);
  }
  line[-1] = line[w] = line[w + 1] = outside;
}

/* Reduces three columns to one, with stride 2. */
INLINE void
pool_columns (const float *line, float *out, unsigned ow, const int is_max)
{
  for (size_t j = 0; j < ow; j += VL) {
    const vf a = load_even (line + 2 * j - 1), b = load_even (line + 2 * j), c = load_even (line + 2 * j + 1);
    vf value = combine (combine (a, b, is_max), c, is_max);
    if (!is_max)
      value /= all (9); /* padding counts in the mean */
    store_part (out + j, value, ow - j);
  }
}

/* Several rows are reduced before their columns, because loads that overlap recent stores at different addresses
 * stall. */
#define LINES 8192

INLINE void
pool (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end, const int is_max)
{
  const size_t stride = (size_t) x->w + 4 * VL;
  float lines[LINES];
  const unsigned n_lines = (unsigned) (LINES / stride); /* level 1's rows are 2048 wide at the maximum inference size */

  for (unsigned c = begin; c < end; c++) {
    float *out = dicenet_plane (y, c);
    for (unsigned i = 0; i < y->h; i += n_lines) {
      const unsigned n = y->h - i < n_lines ? y->h - i : n_lines;
      for (unsigned k = 0; k < n; k++)
        pool_rows (dicenet_plane (x, c), x->h, x->w, i + k, lines + k * stride + VL, is_max);
      for (unsigned k = 0; k < n; k++)
        pool_columns (lines + k * stride + VL, out + (size_t) (i + k) * y->w, y->w, is_max);
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
