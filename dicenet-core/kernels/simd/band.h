/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../kernels.h"
#include "vec.h"

/* A band of a group's input rows between zeros, in which every tap is a load at an offset of its own: nothing is
 * packed. With stride 2, even and odd columns stand apart, so that neighbouring outputs read neighbours there, too. */
typedef struct {
  float *rows;
  size_t row_floats, channel_floats;
  unsigned n_rows; /* of input */
  unsigned step;   /* the stride */
} Band;

/* The columns of a row of which every second is taken: even ones from out, odd ones from out + half. */
static inline void
split_row (const float *restrict in, size_t w, float *restrict out, size_t half)
{
  size_t i = 0;

  for (; 2 * i + 2 * VL + 1 <= w; i += VL) { /* the odd ones read one further */
    store (out + i, load_even (in + 2 * i));
    store (out + half + i, load_even (in + 2 * i + 1));
  }
  for (; 2 * i < w; i++) {
    out[i] = in[2 * i];
    if (2 * i + 1 < w)
      out[half + i] = in[2 * i + 1];
  }
}

/* Input rows from @first, which may be -1, of all the group's channels. */
static inline void
enter_band (const DicenetPlanes *x, unsigned first_channel, unsigned channels, long first, const Band *band)
{
  for (unsigned c = 0; c < channels; c++) {
    for (unsigned r = 0; r < band->n_rows; r++) {
      const long row = first + (long) r;
      float *to = band->rows + c * band->channel_floats + r * band->row_floats + DICENET_PAD;
      const float *plane = dicenet_plane (x, first_channel + c);
      if (row < 0 || row >= (long) x->h)
        continue; /* the band was zeroed */
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
