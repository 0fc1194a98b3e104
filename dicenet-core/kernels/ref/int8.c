/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include "../int8.h"
#include "ref.h"

/* A tap of a channel for one output pixel, q - zero; zero in the padding. */
static int32_t
input_of (const DicenetPlanes *x, const DicenetConv *conv, unsigned channel, unsigned tap, unsigned i, unsigned j)
{
  const long pad = (long) (conv->kernel - 1) / 2;
  const long row = (long) i * conv->stride + tap / conv->kernel - pad;
  const long column = (long) j * conv->stride + tap % conv->kernel - pad;
  const float low = (float) -conv->input->zero, high = (float) (255 - conv->input->zero);
  float value = dicenet_ref_input (x, channel, row, column) * conv->input->inverse;

  value = value > low ? value : low;
  value = value < high ? value : high;
  return (int32_t) lrintf (value); /* to the nearest, ties to even */
}

static void
conv_pixel (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned co, unsigned i,
            unsigned j)
{
  const unsigned group_in = x->c / conv->groups, group_out = y->c / conv->groups, group = co / group_out;
  const unsigned taps = conv->kernel * conv->kernel, lane = co % group_out % DICENET_INT8_BLOCK;
  const size_t blocks = dicenet_int8_blocks (y->c, conv->groups), channels = conv->groups * blocks * DICENET_INT8_BLOCK;
  const size_t block = group * blocks + co % group_out / DICENET_INT8_BLOCK;
  const size_t units = dicenet_int8_units (x->c, conv->groups, conv->kernel);
  const float *scales = conv->int8;
  const int8_t *w = (const int8_t *) (scales + 2 * channels) + block * units * 4 * DICENET_INT8_BLOCK;
  int64_t sum = 0;

  for (unsigned c = 0; c < group_in; c++)
    for (unsigned t = 0; t < taps; t++)
      sum += w[((c / 4 * taps + t) * DICENET_INT8_BLOCK + lane) * 4 + c % 4] *
             input_of (x, conv, group * group_in + c, t, i, j);
  const float scale = scales[block * DICENET_INT8_BLOCK + lane] * conv->input->scale;
  const float value = (float) (int32_t) sum * scale + (conv->bias ? conv->bias[co] : 0);
  dicenet_plane (y, co)[(size_t) i * y->w + j] = dicenet_ref_activated (value, conv, co);
}

void
dicenet_int8_ref_conv_pointwise (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,
                                 const DicenetTile *tile, float *scratch)
{
  const unsigned group_out = y->c / conv->groups, blocks = dicenet_int8_blocks (y->c, conv->groups);

  (void) scratch;
  for (unsigned block = tile->first_block; block < tile->end_block; block++) {
    const unsigned first = block % blocks * DICENET_INT8_BLOCK;
    for (unsigned c = first; c < first + DICENET_INT8_BLOCK && c < group_out; c++)
      for (size_t p = tile->first_pixel; p < tile->end_pixel; p++)
        conv_pixel (x, y, conv, block / blocks * group_out + c, (unsigned) (p / y->w), (unsigned) (p % y->w));
  }
}

void
dicenet_int8_ref_conv_dense3x3 (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                                unsigned end, float *scratch)
{
  const DicenetTile tile = { 0, conv->groups * dicenet_int8_blocks (y->c, conv->groups), (size_t) begin * y->w,
                             (size_t) end * y->w };
  dicenet_int8_ref_conv_pointwise (x, y, conv, &tile, scratch);
}
