/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include "ref.h"

/* Published checkpoints have PReLU slopes from -2 to 3, so max (x, slope * x) would be wrong. */
static float
activate (float x, const DicenetConv *conv, unsigned channel)
{
  switch (conv->activation) {
  case DICENET_ACTIVATION_PRELU:
    return x > 0 ? x : conv->slope[channel] * x;
  case DICENET_ACTIVATION_RELU:
    return x > 0 ? x : 0;
  case DICENET_ACTIVATION_SIGMOID:
    return 1 / (1 + expf (-x));
  case DICENET_ACTIVATION_NONE:
    break;
  }
  return x;
}

float
dicenet_ref_activated (float sum, const DicenetConv *conv, unsigned co)
{
  return activate (sum, conv, co) * (conv->gate ? *dicenet_plane (conv->gate, co) : 1);
}

/* The weight of output channel co for its group's k-th input (channel, row, column). */
static float
weight_of (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned co, size_t k)
{
  const size_t inputs = (size_t) x->c / conv->groups * conv->kernel * conv->kernel;

  if (!dicenet_conv_is_dense (y->c, conv->groups, conv->kernel))
    return conv->weight[co * inputs + k];
  const unsigned group_out = y->c / conv->groups, blocks = dicenet_conv_blocks (y->c, conv->groups);
  const size_t block = (size_t) (co / group_out) * blocks + co % group_out / DICENET_BLOCK;
  return conv->weight[(block * inputs + k) * DICENET_BLOCK + co % group_out % DICENET_BLOCK];
}

/* y[co,i,j] = gate * activation (bias + sum over c, a, b of weight[c,a,b] * x[c, i * stride + a - pad, j * stride + b -
 * pad])
 */
static void
conv_pixel (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned co, unsigned i,
            unsigned j)
{
  const unsigned group_in = x->c / conv->groups, group_out = y->c / conv->groups, k = conv->kernel;
  const int pad = (int) (k - 1) / 2;
  float sum = conv->bias ? conv->bias[co] : 0;

  for (unsigned c = 0; c < group_in; c++)
    for (unsigned a = 0; a < k; a++)
      for (unsigned b = 0; b < k; b++)
        sum += weight_of (x, y, conv, co, ((size_t) c * k + a) * k + b) *
               dicenet_ref_input (x, co / group_out * group_in + c, (long) i * conv->stride + a - pad,
                                  (long) j * conv->stride + b - pad);
  dicenet_plane (y, co)[(size_t) i * y->w + j] = dicenet_ref_activated (sum, conv, co);
}

void
dicenet_ref_conv_pointwise (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,
                            const DicenetTile *tile, float *scratch)
{
  const unsigned group_out = y->c / conv->groups, blocks = dicenet_conv_blocks (y->c, conv->groups);

  (void) scratch;
  for (unsigned block = tile->first_block; block < tile->end_block; block++) {
    const unsigned first = block % blocks * DICENET_BLOCK;
    for (unsigned c = first; c < first + DICENET_BLOCK && c < group_out; c++)
      for (size_t p = tile->first_pixel; p < tile->end_pixel; p++)
        conv_pixel (x, y, conv, block / blocks * group_out + c, (unsigned) (p / y->w), (unsigned) (p % y->w));
  }
}

void
dicenet_ref_gemv (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin, unsigned end,
                  float *scratch)
{
  const DicenetTile tile = { begin, end, 0, 1 };
  dicenet_ref_conv_pointwise (x, y, conv, &tile, scratch);
}

void
dicenet_ref_conv_dense3x3 (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                           unsigned end, float *scratch)
{
  (void) scratch;
  for (unsigned c = 0; c < y->c; c++)
    for (unsigned i = begin; i < end; i++)
      for (unsigned j = 0; j < y->w; j++)
        conv_pixel (x, y, conv, c, i, j);
}

/* B' d B */
static void
transform_tile (const DicenetPlanes *x, unsigned c, long row, long column, float out[4][4])
{
  static const float b[4][4] = { { 1, 0, -1, 0 }, { 0, 1, 1, 0 }, { 0, -1, 1, 0 }, { 0, 1, 0, -1 } };

  for (int i = 0; i < 4; i++) {
    for (int j = 0; j < 4; j++) {
      out[i][j] = 0;
      for (int k = 0; k < 4; k++)
        for (int l = 0; l < 4; l++)
          out[i][j] += b[i][k] * dicenet_ref_input (x, c, row - 1 + k, column - 1 + l) * b[j][l];
    }
  }
}

/* m = sum over channels of U * B' d B, element by element; y = A' m A */
static void
winograd_tile (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned co, unsigned row,
               unsigned column)
{
  static const float a[2][4] = { { 1, 1, 1, 0 }, { 0, 1, -1, -1 } };
  const unsigned group_in = x->c / conv->groups, group_out = y->c / conv->groups, group = co / group_out,
                 block = group * dicenet_conv_blocks (y->c, conv->groups) + co % group_out / DICENET_BLOCK;
  float m[4][4] = { { 0 } }, tile[4][4];

  for (unsigned c = 0; c < group_in; c++) {
    transform_tile (x, group * group_in + c, row, column, tile);
    for (unsigned k = 0; k < 16; k++)
      m[k / 4][k % 4] +=
          conv->weight[(((size_t) block * 16 + k) * group_in + c) * DICENET_BLOCK + co % group_out % DICENET_BLOCK] *
          tile[k / 4][k % 4];
  }
  for (unsigned i = 0; i < 2 && row + i < y->h; i++) {
    for (unsigned j = 0; j < 2 && column + j < y->w; j++) {
      float sum = conv->bias ? conv->bias[co] : 0;
      for (int k = 0; k < 4; k++)
        for (int l = 0; l < 4; l++)
          sum += a[i][k] * m[k][l] * a[j][l];
      dicenet_plane (y, co)[(size_t) (row + i) * y->w + column + j] = dicenet_ref_activated (sum, conv, co);
    }
  }
}

void
dicenet_ref_conv_winograd (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                           unsigned end, float *scratch)
{
  (void) scratch;
  for (unsigned c = 0; c < y->c; c++)
    for (unsigned row = 2 * begin; row < 2 * end && row < y->h; row += 2)
      for (unsigned column = 0; column < y->w; column += 2)
        winograd_tile (x, y, conv, c, row, column);
}

void
dicenet_ref_conv_grouped (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                          unsigned end, float *scratch)
{
  (void) scratch;
  for (unsigned c = begin; c < end; c++)
    for (unsigned i = 0; i < y->h; i++)
      for (unsigned j = 0; j < y->w; j++)
        conv_pixel (x, y, conv, c, i, j);
}
