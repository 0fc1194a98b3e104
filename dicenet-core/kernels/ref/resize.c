/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ref.h"

/* y[i,j] = sum over a, b of rows.weight[a,i] * columns.weight[b,j] * x[rows.start[i] + a, columns.start[j] + b] */
float
dicenet_ref_resized (const float *x, size_t x_stride, const DicenetAxis *rows, const DicenetAxis *columns, unsigned i,
                     unsigned j)
{
  float sum = 0;

  for (unsigned a = 0; a < rows->taps; a++)
    for (unsigned b = 0; b < columns->taps; b++)
      sum += rows->weight[(size_t) a * rows->out + i] * columns->weight[(size_t) b * columns->out + j] *
             x[((size_t) rows->start[i] + a) * x_stride + (size_t) columns->start[j] + b];
  return sum;
}

void
dicenet_ref_resize (const float *x, size_t x_stride, float *y, size_t y_stride, const DicenetAxis *rows,
                    const DicenetAxis *columns, float *scratch)
{
  (void) scratch;
  for (unsigned i = 0; i < rows->out; i++)
    for (unsigned j = 0; j < columns->out; j++)
      y[i * y_stride + j] = dicenet_ref_resized (x, x_stride, rows, columns, i, j);
}

void
dicenet_ref_upsample_add (const DicenetPlanes *x0, const DicenetPlanes *x1, const DicenetPlanes *y,
                          const DicenetUpsampleAdd *m, unsigned begin, unsigned end, float *scratch)
{
  (void) scratch;
  for (unsigned c = begin; c < end; c++) {
    const float gate = m->gate ? *dicenet_plane (m->gate, c) : 1, scale = dicenet_channel_or (m->scale, c, 1),
                bias = dicenet_channel_or (m->bias, c, 0), slope = dicenet_channel_or (m->slope, c, 1);
    for (unsigned i = 0; i < y->h; i++) {
      for (unsigned j = 0; j < y->w; j++) {
        const size_t at = (size_t) i * y->w + j;
        const float coarse = dicenet_ref_resized (dicenet_plane (x0, c), x0->w, m->rows, m->columns, i, j);
        const float value = scale * (coarse + gate * dicenet_plane (x1, c)[at]) + bias;
        dicenet_plane (y, c)[at] = value > 0 ? value : slope * value;
      }
    }
  }
}
