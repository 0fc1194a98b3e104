/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simd.h"
#include "vec.h"

/* What stands between convolutions. Plain loops, which the compiler turns into vector code. */

#define LEAST (-3.402823466e38f)

INLINE float
combine (float a, float b, const int is_max)
{
  return is_max ? (a > b ? a : b) : a + b;
}

INLINE vf
largest (vf a, vf b)
{
  const vi first = a > b;
  return (vf) (((vi) a & first) | ((vi) b & ~first));
}

/* Row i of a 3 x 3, stride 2, padding 1 pool: first the three rows into one, then every second of three columns. */
INLINE void
pool_row (const float *x, unsigned h, unsigned w, unsigned i, float *restrict line, float *restrict out, unsigned ow,
          const int is_max)
{
  const unsigned first = i > 0 ? 2 * i - 1 : 0, end = 2 * i + 2 < h ? 2 * i + 2 : h;
  const float outside = is_max ? LEAST : 0;

  memcpy (line + 1, x + (size_t) first * w, w * sizeof *line);
  for (unsigned r = first + 1; r < end; r++)
    for (unsigned j = 0; j < w; j++)
      line[j + 1] = combine (line[j + 1], x[(size_t) r * w + j], is_max);
  line[0] = line[w + 1] = line[w + 2] = outside;
  unsigned j = 0;
  for (; j + VL <= ow; j += VL) {
    const vf a = load_even (line + 2 * j), b = load_even (line + 2 * j + 1), c = load_even (line + 2 * j + 2);
    store (out + j, is_max ? largest (largest (a, b), c) : (vf) ((a + b + c) / all (9)));
  }
  for (; j < ow; j++) {
    const float value = combine (combine (line[2 * j], line[2 * j + 1], is_max), line[2 * j + 2], is_max);
    out[j] = is_max ? value : value / 9; /* the padding counts in the mean */
  }
}

#define LINE (2048 + 3 + 2 * 16) /* level 1's row at the largest input, its borders, and a register */

INLINE void
pool (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end, const int is_max)
{
  float line[LINE];

  for (unsigned c = begin; c < end; c++)
    for (unsigned i = 0; i < y->h; i++)
      pool_row (dicenet_plane (x, c), x->h, x->w, i, line, dicenet_plane (y, c) + (size_t) i * y->w, y->w, is_max);
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

/* Sums of some thousand numbers in float, and those in double: a large map has more elements than a float can count. */
#define PIECE 4096

void
KERNEL (mean) (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end)
{
  const size_t n = (size_t) x->h * x->w;

  for (unsigned c = begin; c < end; c++) {
    const float *in = dicenet_plane (x, c);
    double total = 0;
    for (size_t at = 0; at < n; at += PIECE) {
      const size_t stop = n - at < PIECE ? n : at + PIECE;
      vf sum[2] = { { 0 } };
      size_t i = at;
      for (; i + 2 * VL <= stop; i += 2 * VL) {
        sum[0] += load (in + i);
        sum[1] += load (in + i + VL);
      }
      sum[0] += sum[1];
      for (int k = 0; k < VL; k++)
        total += (double) sum[0][k];
      for (; i < stop; i++)
        total += (double) in[i];
    }
    *dicenet_plane (y, c) = (float) (total / (double) n);
  }
}

void
KERNEL (gate) (const DicenetPlanes *x, const DicenetPlanes *gate, const DicenetPlanes *y, unsigned begin, unsigned end)
{
  const size_t n = (size_t) y->h * y->w;

  for (unsigned c = begin; c < end; c++) {
    const float *restrict in = dicenet_plane (x, c), g = *dicenet_plane (gate, c);
    float *restrict out = dicenet_plane (y, c);
    for (size_t i = 0; i < n; i++)
      out[i] = in[i] * g;
  }
}

void
KERNEL (norm) (const DicenetPlanes *x0, const DicenetPlanes *x1, const DicenetPlanes *y, const float *scale,
               const float *bias, const float *slope, unsigned begin, unsigned end)
{
  const size_t n = (size_t) y->h * y->w;

  for (unsigned c = begin; c < end; c++) {
    const float *restrict a = dicenet_plane (x0, c), *restrict b = x1 ? dicenet_plane (x1, c) : NULL;
    float *restrict out = dicenet_plane (y, c);
    const float s = scale[c], t = bias[c], p = slope[c];
    if (b) {
      for (size_t i = 0; i < n; i++) {
        const float value = s * (a[i] + b[i]) + t;
        out[i] = value > 0 ? value : p * value;
      }
    } else {
      for (size_t i = 0; i < n; i++) {
        const float value = s * a[i] + t;
        out[i] = value > 0 ? value : p * value;
      }
    }
  }
}

/* Eight channels at a time: a cell's channels are neighbours in the output. */
void
KERNEL (rows) (const DicenetPlanes *x, float *out, unsigned begin, unsigned end)
{
  const unsigned c = x->c;

  for (unsigned v = 0; v < c; v += 8) {
    const unsigned m = c - v < 8 ? c - v : 8;
    for (size_t cell = (size_t) begin * x->w; cell < (size_t) end * x->w; cell++)
      for (unsigned k = 0; k < m; k++)
        out[cell * c + v + k] = dicenet_plane (x, v + k)[cell];
  }
}
