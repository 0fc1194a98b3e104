/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ref.h"

/* Where output index i of n lies between the m inputs when the corners are aligned. In double: at 4096 columns a float
 * position has only 11 bits left for the fraction. */
static unsigned
position (unsigned i, unsigned n, unsigned m, float *fraction)
{
  const double at = n > 1 ? (double) i * (m - 1) / (n - 1) : 0;
  unsigned low = (unsigned) at;
  if (low + 1 >= m)
    low = m > 1 ? m - 2 : 0;
  *fraction = m > 1 ? (float) (at - low) : 0;
  return low;
}

void
dicenet_ref_up (const float *x, unsigned h, unsigned w, float *y, unsigned oh, unsigned ow)
{
  const unsigned next = w > 1 ? 1 : 0;

  for (unsigned i = 0; i < oh; i++) {
    float v;
    const unsigned row = position (i, oh, h, &v);
    const float *top = x + (size_t) row * w, *bottom = h > 1 ? top + w : top;
    for (unsigned j = 0; j < ow; j++) {
      float u;
      const unsigned column = position (j, ow, w, &u);
      const float a = top[column] + u * (top[column + next] - top[column]);
      const float b = bottom[column] + u * (bottom[column + next] - bottom[column]);
      y[(size_t) i * ow + j] = a + v * (b - a);
    }
  }
}

/* Cell i of n covers inputs [floor (i * m / n), ceil ((i + 1) * m / n)). */
static unsigned
cell_begin (unsigned i, unsigned n, unsigned m)
{
  return (unsigned) ((unsigned long) i * m / n);
}

static unsigned
cell_end (unsigned i, unsigned n, unsigned m)
{
  return (unsigned) (((unsigned long) (i + 1) * m + n - 1) / n);
}

void
dicenet_ref_down (const float *x, unsigned h, unsigned w, float *y, unsigned oh, unsigned ow)
{
  for (unsigned i = 0; i < oh; i++) {
    const unsigned top = cell_begin (i, oh, h), bottom = cell_end (i, oh, h);
    for (unsigned j = 0; j < ow; j++) {
      const unsigned left = cell_begin (j, ow, w), right = cell_end (j, ow, w);
      float sum = 0;
      for (unsigned a = top; a < bottom; a++)
        for (unsigned b = left; b < right; b++)
          sum += x[(size_t) a * w + b];
      y[(size_t) i * ow + j] = sum / (float) ((bottom - top) * (right - left));
    }
  }
}
