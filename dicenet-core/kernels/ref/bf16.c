/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../bf16.h"
#include "ref.h"

/* A tap of a channel for one output pixel; zero in the padding. */
static float
input_of (const DicenetPlanes *x, const DicenetConv *conv, unsigned channel, unsigned tap, unsigned i, unsigned j)
{
  const long pad = (long) (conv->kernel - 1) / 2;
  const long row = (long) i * conv->stride + tap / conv->kernel - pad;
  const long column = (long) j * conv->stride + tap % conv->kernel - pad;

  return dicenet_ref_input (x, channel, row, column);
}

static void
conv_pixel (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned co, unsigned i,
            unsigned j)
{
  const unsigned group_in = x->c / conv->groups, group_out = y->c / conv->groups, group = co / group_out;
  const unsigned channel = co % group_out, taps = conv->kernel * conv->kernel;
  const size_t block = (size_t) group * dicenet_bf16_blocks (y->c, conv->groups) + channel / DICENET_BF16_BLOCK;
  const DicenetBf16 *w =
      conv->bf16 + block * dicenet_bf16_pairs (x->c, conv->groups, conv->kernel) * 2 * DICENET_BF16_BLOCK;
  float sum = conv->bias ? conv->bias[co] : 0;

  for (unsigned c = 0; c < group_in; c++) {
    for (unsigned t = 0; t < taps; t++) {
      const float in = input_of (x, conv, group * group_in + c, t, i, j);
      const size_t pair = (size_t) c / 2 * taps + t;
      sum += dicenet_bf16_value (w[(pair * DICENET_BF16_BLOCK + channel % DICENET_BF16_BLOCK) * 2 + c % 2]) *
             dicenet_bf16_value (dicenet_bf16_round (in));
    }
  }
  dicenet_plane (y, co)[(size_t) i * y->w + j] = dicenet_ref_activated (sum, conv, co);
}

void
dicenet_bf16_ref_conv_pointwise (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,
                                 const DicenetTile *tile, float *scratch)
{
  const unsigned group_out = y->c / conv->groups, blocks = dicenet_bf16_blocks (y->c, conv->groups);

  (void) scratch;
  for (unsigned block = tile->first_block; block < tile->end_block; block++) {
    const unsigned first = block % blocks * DICENET_BF16_BLOCK;
    for (unsigned c = first; c < first + DICENET_BF16_BLOCK && c < group_out; c++)
      for (size_t p = tile->first_pixel; p < tile->end_pixel; p++)
        conv_pixel (x, y, conv, block / blocks * group_out + c, (unsigned) (p / y->w), (unsigned) (p % y->w));
  }
}

void
dicenet_bf16_ref_conv_dense3x3 (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                                unsigned end, float *scratch)
{
  const DicenetTile tile = { 0, conv->groups * dicenet_bf16_blocks (y->c, conv->groups), (size_t) begin * y->w,
                             (size_t) end * y->w };
  dicenet_bf16_ref_conv_pointwise (x, y, conv, &tile, scratch);
}

void
dicenet_bf16_ref_gemv (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                       unsigned end, float *scratch)
{
  const DicenetTile tile = { begin, end, 0, 1 };
  dicenet_bf16_ref_conv_pointwise (x, y, conv, &tile, scratch);
}
