/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simd.h"
#include "vec.h"

/* The DiCE unit's 27 taps: three planes of channels, three rows, three columns, of which each branch takes nine
 * (paper 3.1). One pass computes the branches, BatchNorm, PReLU and local fusion; nothing of 3C channels is ever
 * stored. */

void
KERNEL (pad) (const float *x, unsigned h, unsigned w, float *padded)
{
  float *origin = dicenet_padded_origin (padded, w);

  for (unsigned i = 0; i < h; i++)
    copy_row (origin + i * dicenet_padded_stride (w), x + (size_t) i * w, w);
}

/* depth: kc[i][j] over rows and columns of this channel. @p: the pixel in this channel's plane. */
INLINE vf
depth_branch (const float *p, size_t stride, const float *k)
{
  vf sum = { 0 };
  UNROLL
  for (int i = -1; i <= 1; i++)
    UNROLL
  for (int j = -1; j <= 1; j++)
    sum += all (k[3 * (i + 1) + j + 1]) * load (p + i * (long) stride + j);
  return sum;
}

/* height: kh[h][i][j] over channels and columns of this row. @p: the pixel in each channel's plane. */
INLINE vf
height_branch (const float *const p[3], const float *k)
{
  vf sum = { 0 };
  UNROLL
  for (int i = 0; i < 3; i++)
    UNROLL
  for (int j = 0; j < 3; j++)
    sum += all (k[3 * i + j]) * load (p[i] + j - 1);
  return sum;
}

/* width: kw[w][i][j] over rows and channels of this column. @k: the kernels of these columns. */
INLINE vf
width_branch (const float *const p[3], size_t stride, const vf k[9])
{
  vf sum = { 0 };
  UNROLL
  for (int i = 0; i < 3; i++)
    UNROLL
  for (int j = 0; j < 3; j++)
    sum += k[3 * i + j] * load (p[j] + (i - 1) * (long) stride);
  return sum;
}

INLINE void
load_columns (const float *width, size_t stride, vf k[9])
{
  UNROLL
  for (int tap = 0; tap < 9; tap++)
    k[tap] = load (width + (size_t) tap * stride);
}

/* Where a row's register at @j begins: the last one where it is full, if the row is that long. */
INLINE size_t
register_at (size_t j, size_t w)
{
  return j + VL <= w || w < VL ? j : w - VL;
}

void
KERNEL (dimconv_height) (const DicenetDice *d, float *out)
{
  const size_t stride = dicenet_padded_stride (d->w);

  for (size_t i = 0; i < d->h; i++) {
    const size_t row = (i + 1) * stride + DICENET_PAD;
    for (size_t j = 0; j < d->w; j += VL) { /* rows are padded to whole registers, those of @out too */
      const float *const p[3] = { d->around[0] + row + j, d->around[1] + row + j, d->around[2] + row + j };
      store (out + i * stride + j, height_branch (p, d->height + 9 * i));
    }
  }
}

void
KERNEL (dimconv_width) (const DicenetDice *d, float *out)
{
  const size_t stride = dicenet_padded_stride (d->w);

  for (size_t j = 0; j < d->w; j += VL) {
    vf columns[9];
    load_columns (d->width + j, stride, columns);
    for (size_t i = 0; i < d->h; i++) {
      const size_t at = (i + 1) * stride + DICENET_PAD + j;
      const float *const p[3] = { d->around[0] + at, d->around[1] + at, d->around[2] + at };
      store (out + i * stride + j, width_branch (p, stride, columns));
    }
  }
}

/* One branch's share of the local fusion: weight * PReLU (scale * x + bias). */
INLINE vf
fuse (vf x, const DicenetFusion *f, size_t i)
{
  return all (f->fuse_weight[i]) *
         prelu (x * all (f->branch_scale[i]) + all (f->branch_bias[i]), all (f->branch_slope[i]));
}

/* Columns by columns of one register: the width kernels, which differ from column to column, stay in registers, and
 * down the rows there is nothing to set up. */
INLINE void
dice_plane (const DicenetDice *d, const DicenetPlanes *y, const DicenetFusion *f, unsigned c, const int has_height,
            const int has_width)
{
  const size_t stride = dicenet_padded_stride (d->w), w = d->w, rows = d->h;
  float depth[9];

  memcpy (depth, d->depth, sizeof depth);
  for (size_t j = 0; j < w; j += VL) {
    const size_t at = register_at (j, w);
    const float *p[3], *height = d->height, *branch[3] = { NULL, NULL, NULL };
    float *out = dicenet_plane (y, c) + at;
    vf columns[9];

    for (int k = 0; k < 3; k++)
      p[k] = d->around[k] + stride + DICENET_PAD + at;
    if (has_width)
      load_columns (d->width + at, stride, columns);
    else
      branch[2] = d->branch[2] + at;
    if (!has_height)
      branch[1] = d->branch[1] + at;
    for (size_t i = 0; i < rows; i++) {
      vf sum = all (f->fuse_bias[c]) + fuse (depth_branch (p[1], stride, depth), f, c);
      sum += fuse (has_height ? height_branch (p, height) : load (branch[1]), f, y->c + c);
      sum += fuse (has_width ? width_branch (p, stride, columns) : load (branch[2]), f, 2 * (size_t) y->c + c);
      sum = prelu (sum, all (f->fuse_slope[c]));
      if (w < VL)
        store_first (out, sum, w);
      else
        store (out, sum);
      p[0] += stride, p[1] += stride, p[2] += stride;
      if (has_height)
        height += 9;
      else
        branch[1] += stride;
      if (!has_width)
        branch[2] += stride;
      out += w;
    }
  }
}

void
KERNEL (dice) (const DicenetDice *d, const DicenetPlanes *y, const DicenetFusion *f, unsigned c)
{
  if (d->height && d->width)
    dice_plane (d, y, f, c, 1, 1);
  else if (d->height)
    dice_plane (d, y, f, c, 1, 0);
  else if (d->width)
    dice_plane (d, y, f, c, 0, 1);
  else
    dice_plane (d, y, f, c, 0, 0);
}
