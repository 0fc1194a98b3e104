/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "activate.h"
#include "simd.h"

/* 3 x 3 convolution with few channels per group: a stencil over padded planes, so that borders need no conditions. */

static void
pad (const float *x, unsigned h, unsigned w, float *padded)
{
  float *origin = dicenet_padded_origin (padded, w);

  for (unsigned i = 0; i < h; i++)
    memcpy (origin + i * dicenet_padded_stride (w), x + (size_t) i * w, w * sizeof *x);
}

#define WIDE 4 /* registers at a time: each is one chain of sums, which would wait for itself */

INLINE void
stencil (const float *row, size_t stride, const float *k, vf *sum, const int wide, const int step)
{
  UNROLL
  for (int a = 0; a < 3; a++)
    UNROLL
  for (int b = 0; b < 3; b++) {
    const vf weight = all (k[3 * a + b]);
    UNROLL
    for (int v = 0; v < wide; v++) {
      const float *p = row + (size_t) a * stride + v * VL * step + b - 1;
      sum[v] += weight * (step == 1 ? load (p) : load_even (p));
    }
  }
}

typedef struct {
  const float *rows; /* the first of three padded rows of the group's first channel, at its first column */
  size_t plane, stride;
  unsigned group_in;
  const float *weight;
  const DicenetConv *conv;
  unsigned channel;
} Sparse;

/* Output columns [at, at + n), n <= wide * VL; all registers but the last are full. */
INLINE void
columns (const Sparse *s, float *out, size_t at, size_t n, const int wide, const int step)
{
  vf sum[WIDE];

  UNROLL
  for (int v = 0; v < wide; v++)
    sum[v] = all (s->conv->bias ? s->conv->bias[s->channel] : 0);
  for (unsigned c = 0; c < s->group_in; c++)
    stencil (s->rows + c * s->plane + (size_t) step * at, s->stride, s->weight + 9 * (size_t) c, sum, wide, step);
  UNROLL
  for (int v = 0; v < wide; v++) {
    const vf value = activate (sum[v], s->conv, s->channel);
    if ((size_t) (v + 1) * VL <= n)
      store (out + at + v * VL, value);
    else
      store_first (out + at + v * VL, value, n - (size_t) v * VL);
  }
}

INLINE void
sparse_row (const Sparse *s, float *out, unsigned width, const int step)
{
  size_t at = 0;

  for (; at + WIDE * VL <= width; at += WIDE * VL)
    columns (s, out, at, WIDE * VL, WIDE, step);
  const size_t left = width - at;
  if (left > 3 * VL)
    columns (s, out, at, left, 4, step);
  else if (left > 2 * VL)
    columns (s, out, at, left, 3, step);
  else if (left > VL)
    columns (s, out, at, left, 2, step);
  else if (left > 0)
    columns (s, out, at, left, 1, step);
}

void
KERNEL (conv_sparse) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                      unsigned end, float *scratch)
{
  const unsigned group_in = x->c / conv->groups, group_out = y->c / conv->groups;
  const size_t plane = dicenet_padded_floats (x->h, x->w), stride = dicenet_padded_stride (x->w);
  unsigned padded_group = (unsigned) -1;

  memset (scratch, 0, group_in * plane * sizeof *scratch);
  for (unsigned co = begin; co < end; co++) {
    const unsigned group = co / group_out;
    float *out = dicenet_plane (y, co);
    for (unsigned c = 0; c < group_in && group != padded_group; c++)
      pad (dicenet_plane (x, group * group_in + c), x->h, x->w, scratch + c * plane);
    padded_group = group;
    for (unsigned i = 0; i < y->h; i++) {
      const Sparse sparse = {
        .rows = scratch + (size_t) i * conv->stride * stride + DICENET_PAD,
        .plane = plane,
        .stride = stride,
        .group_in = group_in,
        .weight = conv->weight + 9 * (size_t) co * group_in,
        .conv = conv,
        .channel = co,
      };
      if (conv->stride == 1)
        sparse_row (&sparse, out + (size_t) i * y->w, y->w, 1);
      else
        sparse_row (&sparse, out + (size_t) i * y->w, y->w, 2);
    }
  }
}
