/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "activate.h"
#include "simd.h"

/* 3 x 3 convolution with few channels per group: a stencil over rows between zeros, so that borders need no conditions.
 */

#define WIDE 4 /* registers at a time: each is one chain of sums, which would wait for itself */

INLINE void
stencil (const float *const rows[3], size_t at, const float *k, vf *sum, const int wide, const int step)
{
  UNROLL
  for (int a = 0; a < 3; a++)
    UNROLL
  for (int b = 0; b < 3; b++) {
    const vf weight = all (k[3 * a + b]);
    UNROLL
    for (int v = 0; v < wide; v++) {
      const float *p = rows[a] + at + v * VL * step + b - 1;
      sum[v] += weight * (step == 1 ? load (p) : load_even (p));
    }
  }
}

/* Rows of the group's channels between zeros: row r of channel c at ring + (c * RING + r % RING) * stride, its first
 * column DICENET_PAD further. */
#define RING 4

typedef struct {
  const float *rows[3]; /* of the first channel */
  size_t channel_floats;
  unsigned group_in;
  const float *weight;
  Epilogue epilogue;
} Sparse;

/* Output columns [at, at + n), n <= wide * VL; all registers but the last are full. */
INLINE void
columns (const Sparse *s, float *out, size_t at, size_t n, const int wide, const int step)
{
  vf sum[WIDE];

  UNROLL
  for (int v = 0; v < wide; v++)
    sum[v] = all (0);
  for (unsigned c = 0; c < s->group_in; c++)
    stencil (s->rows, c * s->channel_floats + (size_t) step * at, s->weight + 9 * (size_t) c, sum, wide, step);
  UNROLL
  for (int v = 0; v < wide; v++) {
    const vf value = activate (sum[v], &s->epilogue);
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

/* Row @row of the group's channels into the ring; zeros where there is no such row. */
static void
enter_row (const DicenetPlanes *x, unsigned first_channel, unsigned channels, unsigned row, float *ring)
{
  const size_t stride = dicenet_padded_stride (x->w);

  for (unsigned c = 0; c < channels; c++) {
    float *to = ring + ((size_t) c * RING + row % RING) * stride + DICENET_PAD;
    if (row < x->h)
      copy_row (to, dicenet_plane (x, first_channel + c) + (size_t) row * x->w, x->w);
    else
      memset (to, 0, x->w * sizeof *to);
  }
}

static void
sparse_channel (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned channel, float *ring)
{
  const unsigned group_in = x->c / conv->groups, group_out = y->c / conv->groups,
                 first = channel / group_out * group_in;
  const size_t stride = dicenet_padded_stride (x->w);
  float *out = dicenet_plane (y, channel);
  unsigned next = 0;

  for (unsigned c = 0; c < group_in; c++) /* above the first row: where row -1 would be */
    memset (ring + ((size_t) c * RING + RING - 1) * stride + DICENET_PAD, 0, x->w * sizeof *ring);
  for (unsigned i = 0; i < y->h; i++) {
    Sparse s = {
      .channel_floats = RING * stride,
      .group_in = group_in,
      .weight = conv->weight + 9 * (size_t) channel * group_in,
      .epilogue = epilogue (conv, channel),
    };
    for (; next <= i * conv->stride + 1; next++)
      enter_row (x, first, group_in, next, ring);
    for (unsigned a = 0; a < 3; a++)
      s.rows[a] = ring + (i * conv->stride + a + RING - 1) % RING * stride + DICENET_PAD;
    if (conv->stride == 1)
      sparse_row (&s, out + (size_t) i * y->w, y->w, 1);
    else
      sparse_row (&s, out + (size_t) i * y->w, y->w, 2);
  }
}

/* A depthwise convolution of a small plane, all of it between zeros. */
INLINE void
depthwise_plane (const float *padded, unsigned w, const DicenetPlanes *y, const DicenetConv *conv, unsigned channel,
                 const int step)
{
  const size_t stride = dicenet_padded_stride (w);
  const Epilogue e = epilogue (conv, channel);
  float *out = dicenet_plane (y, channel), k[9];

  memcpy (k, conv->weight + 9 * (size_t) channel, sizeof k);
  for (unsigned i = 0; i < y->h; i++, out += y->w) {
    const float *row = padded + (size_t) step * i * stride + DICENET_PAD;
    const float *const rows[3] = { row, row + stride, row + 2 * stride };
    for (size_t j = 0; j < y->w; j += VL) {
      vf sum = all (0);
      stencil (rows, (size_t) step * j, k, &sum, 1, step);
      const vf value = activate (sum, &e);
      if (j + VL <= y->w)
        store (out + j, value);
      else
        store_first (out + j, value, y->w - j);
    }
  }
}

void
KERNEL (conv_sparse) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                      unsigned end, float *scratch)
{
  const int whole = conv->groups == x->c && x->c == y->c && dicenet_padded_floats (x->h, x->w) <= DICENET_SMALL_PLANE;

  memset (scratch, 0, dicenet_conv_sparse_scratch (x->c, conv->groups, x->h, x->w) * sizeof *scratch);
  for (unsigned c = begin; c < end; c++) {
    if (!whole) {
      sparse_channel (x, y, conv, c, scratch);
      continue;
    }
    KERNEL (pad) (dicenet_plane (x, c), x->h, x->w, scratch);
    if (conv->stride == 1)
      depthwise_plane (scratch, x->w, y, conv, c, 1);
    else
      depthwise_plane (scratch, x->w, y, conv, c, 2);
  }
}
