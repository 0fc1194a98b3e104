/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode.h"

/* Each row of logits is scaled horizontally once, for all classes. Interpolation between two rows is part of the
 * argmax. The logits at full size, which would be the largest tensor of all, are never stored. */

/* Distance of classes in a scaled row, in floats. */
static gsize
row_stride (const DicenetUpsample *scale)
{
  return ((gsize) scale->columns->out + 15) / 16 * 16;
}

gsize
dicenet_upsample_scratch (const DicenetUpsample *scale)
{
  return MAX (2 * scale->classes->in * row_stride (scale), dicenet_resize_scratch (scale->rows, scale->columns));
}

void
dicenet_decode_logits (const DicenetUpsample *scale, const gfloat *logits, gfloat *out, gfloat *scratch)
{
  const DicenetAxis *rows = scale->rows, *columns = scale->columns;

  for (guint c = 0; c < scale->classes->in; c++)
    scale->kernels->resize (logits + (gsize) c * rows->in * columns->in, columns->in,
                            out + (gsize) c * rows->out * columns->out, columns->out, rows, columns, scratch);
}

/* Scales row @row of all classes into its slot. */
static const gfloat *
scale_row (const DicenetUpsample *scale, const gfloat *logits, guint row, gfloat *scratch)
{
  const DicenetAxis *columns = scale->columns;
  gfloat *slot = scratch + row % 2 * scale->classes->in * row_stride (scale);

  scale->kernels->resize (logits + (gsize) row * columns->in, (gsize) scale->rows->in * columns->in, slot,
                          row_stride (scale), scale->classes, columns, NULL);
  return slot;
}

void
dicenet_decode_mask (const DicenetUpsample *scale, const gfloat *logits, guint begin, guint end, guint8 *mask,
                     gsize stride, gfloat *scratch)
{
  const DicenetAxis *rows = scale->rows;
  const gfloat *slots[2] = { NULL, NULL };
  guint next = 0;

  for (guint i = begin; i < end; i++) {
    const guint first = (guint) rows->start[i], last = first + rows->taps - 1;
    for (next = MAX (next, first); next <= last; next++)
      slots[next % 2] = scale_row (scale, logits, next, scratch);
    const gfloat weight[2] = { rows->weight[i], rows->taps > 1 ? rows->weight[rows->out + i] : 0 };
    scale->pixels->argmax (slots[first % 2], slots[last % 2], row_stride (scale), weight, scale->classes->in,
                           mask + i * stride, scale->columns->out);
  }
}
