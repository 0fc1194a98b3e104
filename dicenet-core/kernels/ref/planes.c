/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ref.h"

/* Pooling and layout: operations between convolutions. */

/* 3 x 3, stride 2, padding 1. */
static float
window (const float *x, unsigned h, unsigned w, unsigned i, unsigned j, int is_max)
{
  float result = is_max ? -__FLT_MAX__ : 0;
  for (int a = -1; a <= 1; a++) {
    for (int b = -1; b <= 1; b++) {
      const long row = 2 * (long) i + a, column = 2 * (long) j + b;
      if (row < 0 || row >= (long) h || column < 0 || column >= (long) w)
        continue;
      const float value = x[row * w + column];
      result = is_max ? (value > result ? value : result) : result + value;
    }
  }
  return is_max ? result : result / 9; /* padding counts in the mean */
}

static void
pool (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end, int is_max)
{
  for (unsigned c = begin; c < end; c++)
    for (unsigned i = 0; i < y->h; i++)
      for (unsigned j = 0; j < y->w; j++)
        dicenet_plane (y, c)[(size_t) i * y->w + j] = window (dicenet_plane (x, c), x->h, x->w, i, j, is_max);
}

void
dicenet_ref_max_pool (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end)
{
  pool (x, y, begin, end, 1);
}

void
dicenet_ref_avg_pool (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end)
{
  pool (x, y, begin, end, 0);
}

void
dicenet_ref_global_avg_pool (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end)
{
  const size_t n = (size_t) x->h * x->w;

  for (unsigned c = begin; c < end; c++) {
    const float *in = dicenet_plane (x, c);
    double sum = 0; /* a 2048 x 2048 map has more elements than float has precision for */
    for (size_t i = 0; i < n; i++)
      sum += in[i];
    *dicenet_plane (y, c) = (float) (sum / (double) n);
  }
}

void
dicenet_ref_range (const DicenetPlanes *x, unsigned begin, unsigned end, float range[2])
{
  range[0] = range[1] = 0;
  for (unsigned c = begin; c < end; c++) {
    for (size_t i = 0; i < (size_t) x->h * x->w; i++) {
      const float value = dicenet_plane (x, c)[i];
      range[0] = value < range[0] ? value : range[0];
      range[1] = value > range[1] ? value : range[1];
    }
  }
}

void
dicenet_ref_flatten (const DicenetPlanes *x, float *out, unsigned begin, unsigned end)
{
  for (size_t cell = (size_t) begin * x->w; cell < (size_t) end * x->w; cell++)
    for (unsigned v = 0; v < x->c; v++)
      out[cell * x->c + v] = dicenet_plane (x, v)[cell];
}
