/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../kernels.h"
#include "vec.h"

/* A band of a group's input rows with zero padding. Every tap is a load at its own offset, so nothing has to be packed.
 * With stride 2, even and odd columns are stored separately, so that neighbouring outputs read neighbouring inputs,
 * too. */
typedef struct {
  float *rows;
  size_t row_floats, channel_floats;
  unsigned n_rows; /* number of input rows */
  unsigned step;   /* stride */
} Band;

/* Splits a row into even columns, at out, and odd columns, at out + half. */
static inline void
split_row (const float *restrict in, size_t w, float *restrict out, size_t half)
{
  size_t i = 0;

  for (; 2 * i + 2 * VL + 1 <= w; i += VL) { /* odd columns read one float further */
    store (out + i, load_even (in + 2 * i));
    store (out + half + i, load_even (in + 2 * i + 1));
  }
  for (; 2 * i < w; i++) {
    out[i] = in[2 * i];
    if (2 * i + 1 < w)
      out[half + i] = in[2 * i + 1];
  }
}

/* Copies input rows from @first, which may be -1, of all the group's channels. */
static inline void
enter_band (const DicenetPlanes *x, unsigned first_channel, unsigned channels, long first, const Band *band)
{
  for (unsigned c = 0; c < channels; c++) {
    for (unsigned r = 0; r < band->n_rows; r++) {
      const long row = first + (long) r;
      float *to = band->rows + c * band->channel_floats + r * band->row_floats + DICENET_PAD;
      const float *plane = dicenet_plane (x, first_channel + c);
      if (row < 0 || row >= (long) x->h)
        continue; /* already zeroed by the caller */
      if (band->step == 1)
        copy_row (to, plane + row * (long) x->w, x->w);
      else
        split_row (plane + row * (long) x->w, x->w, to, band->row_floats / 2);
    }
  }
}

static inline void
find_offsets (const Band *band, unsigned channels, size_t *offsets)
{
  const size_t odd = band->row_floats / 2;
  const size_t columns[2][3] = { { DICENET_PAD - 1, DICENET_PAD, DICENET_PAD + 1 },
                                 { odd + DICENET_PAD - 1, DICENET_PAD, odd + DICENET_PAD } };

  for (unsigned c = 0; c < channels; c++)
    for (unsigned a = 0; a < 3; a++)
      for (unsigned b = 0; b < 3; b++)
        *offsets++ = c * band->channel_floats + a * band->row_floats + columns[band->step - 1][b];
}
