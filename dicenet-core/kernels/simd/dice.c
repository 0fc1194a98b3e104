/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simd.h"
#include "conv3x3.h"
#include "narrow.h"

/* The DiCE unit (paper 3.1 and 3.2), channel by channel: the height and the width branch to planes in the cache, then
 * the depth branch, BatchNorm, PReLU and local fusion in one pass, so that no tensor of 3C channels is stored. One pass
 * over all 27 taps would need more registers than there are. */

#if VL == 16 /* see narrow.h; shuffles are always better done with those */
void dicenet_dice_narrow (const DicenetDice *dice, const DicenetPlanes *y, const DicenetFusion *fusion,
                          unsigned channel);
void dicenet_dimconv_height_narrow (const DicenetDice *dice, float *out);
void dicenet_dimconv_width_narrow (const DicenetDice *dice, float *out);
void dicenet_resize_rows_narrow (const float *x, float *y, unsigned w, const DicenetAxis *rows);
void dicenet_transpose_narrow (const float *x, float *y, unsigned h, unsigned w);
#endif

void
KERNEL (pad) (const float *x, unsigned h, unsigned w, float *padded)
{
  float *origin = dicenet_padded_origin (padded, w);

  for (unsigned i = 0; i < h; i++)
    copy_row (origin + i * dicenet_padded_stride (w), x + (size_t) i * w, w);
}

INLINE void
load_columns (const float *width, size_t stride, vf k[9])
{
  UNROLL
  for (int tap = 0; tap < 9; tap++)
    k[tap] = load (width + (size_t) tap * stride);
}

/* Sums over the channels of one register, for the left, centre and right columns. */
INLINE void
sum_channels (const float *const p[3], size_t at, const vf k[9], vf sums[3])
{
  const vf before = once (load (p[0] + at)), here = once (load (p[1] + at)), after = once (load (p[2] + at));

  UNROLL
  for (int j = 0; j < 3; j++)
    sums[j] = k[j] * before + k[3 + j] * here + k[6 + j] * after;
}

/* Uses three loads and two shifts for nine taps, because loads at every column would cross cache lines. */
void
KERNEL (dimconv_height) (const DicenetDice *d, float *out)
{
  NARROW (d->w, dimconv_height, d, out)
  const size_t stride = dicenet_padded_stride (d->w);

  for (size_t i = 0; i < d->h; i++, out += stride) {
    const size_t row = (i + 1) * stride + DICENET_PAD;
    const float *const p[3] = { d->around[0] + row, d->around[1] + row, d->around[2] + row };
    vf k[9], sums[3], next[3], left = all (0);
    size_t j = 0;
    UNROLL
    for (int tap = 0; tap < 9; tap++)
      k[tap] = all (d->height[9 * i + (size_t) tap]);
    sum_channels (p, 0, k, sums);
    for (; j + VL < d->w; j += VL) {
      sum_channels (p, j + VL, k, next);
      store (out + j, sums[1] + shift_up (left, sums[0]) + shift_down (sums[2], next[2]));
      left = sums[0];
      sums[0] = next[0], sums[1] = next[1], sums[2] = next[2];
    }
    store (out + j, sums[1] + shift_up (left, sums[0]) + shift_down (sums[2], all (0))); /* zeros follow the row */
  }
}

/* @n rows of a register, which share loads. @p: the first of them in each channel's plane. */
INLINE void
width_rows (const float *const p[3], size_t stride, const vf k[9], float *out, const int n)
{
  vf sum[4] = { { 0 } };

  UNROLL
  for (int channel = 0; channel < 3; channel++)
    UNROLL
  for (int r = 0; r < n + 2; r++) {
    const vf x = once (load (p[channel] + (r - 1) * (long) stride));
    UNROLL
    for (int o = 0; o < n; o++)
      if (r - o >= 0 && r - o < 3)
        sum[o] += k[3 * (r - o) + channel] * x;
  }
  UNROLL
  for (int o = 0; o < n; o++)
    store (out + o * (long) stride, sum[o]);
}

void
KERNEL (dimconv_width) (const DicenetDice *d, float *out)
{
  NARROW (d->w, dimconv_width, d, out)
  const size_t stride = dicenet_padded_stride (d->w);

  for (size_t j = 0; j < d->w; j += VL) {
    const size_t first = stride + DICENET_PAD + j;
    const float *p[3] = { d->around[0] + first, d->around[1] + first, d->around[2] + first };
    float *to = out + j;
    size_t i = 0;
    vf k[9];
    load_columns (d->width + j, stride, k);
    for (; i + 4 <= d->h; i += 4, to += 4 * stride) {
      width_rows (p, stride, k, to, 4);
      p[0] += 4 * stride, p[1] += 4 * stride, p[2] += 4 * stride;
    }
    for (; i < d->h; i++, to += stride) {
      width_rows (p, stride, k, to, 1);
      p[0] += stride, p[1] += stride, p[2] += stride;
    }
  }
}

INLINE void
resample (const float *x, float *y, unsigned w, const DicenetAxis *rows, const size_t taps)
{
  const size_t stride = dicenet_padded_stride (w);

  for (size_t i = 0; i < rows->out; i++, y += stride) {
    const float *from = x + (size_t) rows->start[i] * stride, *weight = rows->weight + i;
    for (size_t j = 0; j < w; j += VL) {
      vf sum = all (weight[0]) * load (from + j);
      UNROLL
      for (size_t t = 1; t < taps; t++)
        sum += all (weight[t * rows->out]) * load (from + t * stride + j);
      store (y + j, sum);
    }
  }
}

void
KERNEL (resize_rows) (const float *x, float *y, unsigned w, const DicenetAxis *rows)
{
  NARROW (w, resize_rows, x, y, w, rows)
  if (rows->taps == 2)
    resample (x, y, w, rows, 2);
  else if (rows->taps == 3)
    resample (x, y, w, rows, 3);
  else
    resample (x, y, w, rows, rows->taps);
}

#if VL == 16
void
KERNEL (transpose) (const float *x, float *y, unsigned h, unsigned w)
{
  dicenet_transpose_narrow (x, y, h, w);
}
#else
/* Transposes a square of registers: each round interleaves the first half of the rows with the second. */
INLINE void
transpose_square (vf rows[VL])
{
  vf mixed[VL];

  UNROLL
  for (int round = 1; round < VL; round *= 2) {
    UNROLL
    for (int i = 0; i < VL / 2; i++) {
      mixed[2 * i] = zip_low (rows[i], rows[i + VL / 2]);
      mixed[2 * i + 1] = zip_high (rows[i], rows[i + VL / 2]);
    }
    UNROLL
    for (int i = 0; i < VL; i++)
      rows[i] = mixed[i];
  }
}

void
KERNEL (transpose) (const float *x, float *y, unsigned h, unsigned w)
{
  const size_t x_stride = dicenet_padded_stride (w), y_stride = dicenet_padded_stride (h);

  for (size_t i = 0; i < h; i += VL) {
    for (size_t j = 0; j < w; j += VL) {
      const size_t n_rows = h - i < VL ? h - i : VL, n_columns = w - j < VL ? w - j : VL;
      vf square[VL];
      if (n_rows == VL) {
        UNROLL
        for (size_t k = 0; k < VL; k++)
          square[k] = load (x + (i + k) * x_stride + j);
      } else {
        for (size_t k = 0; k < VL; k++)
          square[k] = k < n_rows ? load (x + (i + k) * x_stride + j) : all (0);
      }
      transpose_square (square);
      if (n_columns == VL) {
        UNROLL
        for (size_t k = 0; k < VL; k++)
          store (y + (j + k) * y_stride + i, square[k]);
      } else {
        for (size_t k = 0; k < n_columns; k++)
          store (y + (j + k) * y_stride + i, square[k]);
      }
    }
  }
}
#endif

/* Row i of the height branch, scaled back, is added to @sum. @tall: the column in the branch's first row. */
INLINE vf
scaled_back (vf sum, const float *tall, size_t stride, const DicenetAxis *rows, size_t i)
{
  const float *from = tall + (size_t) rows->start[i] * stride, *weight = rows->weight + i;

  for (unsigned t = 0; t < rows->taps; t++, from += stride, weight += rows->out)
    sum += all (*weight) * load (from);
  return sum;
}

/* Adds a branch's contribution to @n rows, which share its parameters. */
INLINE void
fuse_rows (vf *sum, const vf *t, const DicenetFusion *f, const int branch, const int n)
{
  const vf positive = all (f->positive[branch]), negative = all (f->negative[branch]);

  UNROLL
  for (int r = 0; r < n; r++)
    sum[r] += t[r] * by_sign (t[r], positive, negative);
}

/* Rows i .. i + n - 1 of the columns from @column on; @depth: the kernel. */
INLINE void
dice_rows (const DicenetDice *d, const Tap depth[9], const DicenetFusion *f, float *out, size_t i, size_t column,
           const int n, const int is_scaled)
{
  const size_t stride = dicenet_padded_stride (d->w);
  vf t[4], sum[4];

  UNROLL
  for (int r = 0; r < n; r++) {
    t[r] = all (f->offset[0]);
    sum[r] = all (f->bias);
  }
  conv3x3 (d->around[1] + i * stride + DICENET_PAD, stride, column, depth, t, n, 1, 1);
  fuse_rows (sum, t, f, 0, n);
  UNROLL
  for (int r = 0; r < n; r++) {
    t[r] = all (f->offset[1]);
    if (is_scaled)
      t[r] = scaled_back (t[r], d->tall + column, stride, d->rows, i + (size_t) r);
    else
      t[r] += load (d->tall + (i + (size_t) r) * stride + column);
  }
  fuse_rows (sum, t, f, 1, n);
  UNROLL
  for (int r = 0; r < n; r++)
    t[r] = all (f->offset[2]) + load (d->wide + (i + (size_t) r) * stride + column);
  fuse_rows (sum, t, f, 2, n);
  UNROLL
  for (int r = 0; r < n; r++)
    store_end (out + (i + (size_t) r) * d->w + column, sum[r] * by_sign (sum[r], all (1), all (f->slope)),
               d->w - column, out + (size_t) d->h * d->w);
}

INLINE void
dice_plane (const DicenetDice *dice, const DicenetFusion *fusion, float *out, const int is_scaled)
{
  const DicenetDice d = *dice;
  const DicenetFusion f = *fusion;
  Tap depth[9];

  load_kernel (d.depth, depth);
  for (size_t j = 0; j < d.w; j += VL) {
    const size_t column = register_at (j, d.w);
    size_t i = 0;

    for (; i + 4 <= d.h; i += 4)
      dice_rows (&d, depth, &f, out, i, column, 4, is_scaled);
    if (i + 2 <= d.h) {
      dice_rows (&d, depth, &f, out, i, column, 2, is_scaled);
      i += 2;
    }
    if (i < d.h)
      dice_rows (&d, depth, &f, out, i, column, 1, is_scaled);
  }
}

void
KERNEL (dice) (const DicenetDice *d, const DicenetPlanes *y, const DicenetFusion *f, unsigned c)
{
  NARROW (d->w, dice, d, y, f, c)
  if (d->rows)
    dice_plane (d, f, dicenet_plane (y, c), 1);
  else
    dice_plane (d, f, dicenet_plane (y, c), 0);
}
