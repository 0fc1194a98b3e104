/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ref.h"

void
dicenet_ref_pad (const float *x, unsigned h, unsigned w, float *padded)
{
  for (unsigned i = 0; i < h; i++)
    for (unsigned j = 0; j < w; j++)
      dicenet_padded_origin (padded, w)[i * dicenet_padded_stride (w) + j] = x[(size_t) i * w + j];
}

/* x[c + i, h + j, w + k], the channels around c; zeros in the padding. */
static float
at (const DicenetDice *d, int i, unsigned h, int j, unsigned w, int k)
{
  const size_t stride = dicenet_padded_stride (d->w);
  return d->around[i + 1][((size_t) h + 1) * stride + DICENET_PAD + w + (size_t) ((long) j * (long) stride + k)];
}

/* d[c,h,w] = sum over i, j of kc[c,i,j] * x[c, h+i, w+j] */
static float
depth_branch (const DicenetDice *d, unsigned h, unsigned w)
{
  float sum = 0;
  for (int i = -1; i <= 1; i++)
    for (int j = -1; j <= 1; j++)
      sum += d->depth[3 * (i + 1) + j + 1] * at (d, 0, h, i, w, j);
  return sum;
}

/* y[c,h,w] = sum over i, j of kh[h,i,j] * x[c+i, h, w+j]: a kernel per row, over channels and width */
static float
height_branch (const DicenetDice *d, unsigned h, unsigned w)
{
  float sum = 0;
  for (int i = -1; i <= 1; i++)
    for (int j = -1; j <= 1; j++)
      sum += d->height[9 * (size_t) h + (size_t) (3 * (i + 1) + j + 1)] * at (d, i, h, 0, w, j);
  return sum;
}

/* z[c,h,w] = sum over i, j of kw[w,i,j] * x[c+j, h+i, w]: a kernel per column, over height and channels */
static float
width_branch (const DicenetDice *d, unsigned h, unsigned w)
{
  const size_t stride = dicenet_padded_stride (d->w);
  float sum = 0;
  for (int i = -1; i <= 1; i++)
    for (int j = -1; j <= 1; j++)
      sum += d->width[(size_t) (3 * (i + 1) + j + 1) * stride + w] * at (d, j, h, i, w, 0);
  return sum;
}

void
dicenet_ref_dimconv_height (const DicenetDice *d, float *out)
{
  for (unsigned h = 0; h < d->h; h++)
    for (unsigned w = 0; w < d->w; w++)
      out[h * dicenet_padded_stride (d->w) + w] = height_branch (d, h, w);
}

void
dicenet_ref_dimconv_width (const DicenetDice *d, float *out)
{
  for (unsigned h = 0; h < d->h; h++)
    for (unsigned w = 0; w < d->w; w++)
      out[h * dicenet_padded_stride (d->w) + w] = width_branch (d, h, w);
}

static float
resampled (const float *x, size_t stride, const DicenetAxis *rows, unsigned i, unsigned j)
{
  float sum = 0;
  for (unsigned t = 0; t < rows->taps; t++)
    sum += rows->weight[(size_t) t * rows->out + i] * x[((size_t) rows->start[i] + t) * stride + j];
  return sum;
}

void
dicenet_ref_resize_rows (const float *x, float *y, unsigned w, const DicenetAxis *rows)
{
  const size_t stride = dicenet_padded_stride (w);

  for (unsigned i = 0; i < rows->out; i++)
    for (unsigned j = 0; j < w; j++)
      y[i * stride + j] = resampled (x, stride, rows, i, j);
}

void
dicenet_ref_transpose (const float *x, float *y, unsigned h, unsigned w)
{
  const size_t filled = dicenet_padded_stride (h) - DICENET_PAD;

  for (unsigned j = 0; j < w; j++)
    for (unsigned i = 0; i < filled; i++)
      y[j * dicenet_padded_stride (h) + i] = i < h ? x[i * dicenet_padded_stride (w) + j] : 0;
}

void
dicenet_ref_dice (const DicenetDice *d, const DicenetPlanes *y, const DicenetFusion *f, unsigned c)
{
  const size_t stride = dicenet_padded_stride (d->w);

  for (unsigned h = 0; h < d->h; h++) {
    for (unsigned w = 0; w < d->w; w++) {
      const float branches[3] = {
        depth_branch (d, h, w),
        d->rows ? resampled (d->tall, stride, d->rows, h, w) : d->tall[h * stride + w],
        d->wide[h * stride + w],
      };
      float sum = f->bias;
      for (unsigned b = 0; b < 3; b++) {
        const float t = branches[b] + f->offset[b];
        sum += t * (t < 0 ? f->negative[b] : f->positive[b]);
      }
      dicenet_plane (y, c)[(size_t) h * d->w + w] = sum > 0 ? sum : f->slope * sum;
    }
  }
}
