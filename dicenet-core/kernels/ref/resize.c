/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ref.h"

void
dicenet_ref_resize (const float *x, size_t x_stride, float *y, size_t y_stride, const DicenetAxis *rows,
                    const DicenetAxis *columns, float *scratch)
{
  (void) scratch;
  for (unsigned i = 0; i < rows->out; i++) {
    for (unsigned j = 0; j < columns->out; j++) {
      float sum = 0;
      for (unsigned a = 0; a < rows->taps; a++)
        for (unsigned b = 0; b < columns->taps; b++)
          sum += rows->weight[(size_t) a * rows->out + i] * columns->weight[(size_t) b * columns->out + j] *
                 x[((size_t) rows->start[i] + a) * x_stride + (size_t) columns->start[j] + b];
      y[i * y_stride + j] = sum;
    }
  }
}
