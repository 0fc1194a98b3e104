/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "depthwise.h"
#include "simd.h"
#include "conv3x3.h"

/* 3 x 3 convolution with few channels per group. As many rows of a group's channels as fit the first-level cache are
 * copied with zero padding, so that borders need no conditions, and then used by all output channels of the group. With
 * one input channel per group, depthwise.c needs no copy. */

#define ROWS 4 /* output rows at a time with stride 1; half as many with stride 2 */

#define WIDE 2 /* registers of columns at a time */

typedef struct {
  const DicenetPlanes *x, *y;
  const DicenetConv *conv;
  float *padded;     /* rows of the group's channels, separated by zeros */
  unsigned rows;     /* number of rows of each channel */
  unsigned group_in; /* input channels of a group */
  size_t stride;
} Sparse;

/* Copies rows of the group's channels from @first, which may be -1; zeros outside the picture. */
static void
enter_rows (const Sparse *s, unsigned group, long first)
{
  const unsigned w = s->x->w;

  for (unsigned c = 0; c < s->group_in; c++) {
    const float *plane = dicenet_plane (s->x, group * s->group_in + c);
    float *to = s->padded + c * s->rows * s->stride + DICENET_PAD;
    for (long row = first; row < first + (long) s->rows; row++, to += s->stride) {
      if (row >= 0 && row < (long) s->x->h)
        copy_row (to, plane + row * w, w);
      else
        memset (to, 0, w * sizeof *to);
    }
  }
}

/* Parameters of one output channel. */
typedef struct {
  const float *weight; /* [group_in][3][3] */
  Epilogue epilogue;
} Channel;

/* Columns [at, at + wide * VL) of @n output rows. The first is computed from padded row @row on; output row o is at out
 * + o * y->w. */
INLINE void
columns (const Sparse *s, const Channel *c, unsigned row, float *out, size_t at, const int n, const int wide,
         const int step)
{
  const float *rows = s->padded + row * s->stride + DICENET_PAD;
  const size_t w = s->y->w;
  const vf gate = c->epilogue.gate;
  vf sum[ROWS * WIDE];

  UNROLL
  for (int i = 0; i < n * wide; i++)
    sum[i] = all (0);
  for (unsigned i = 0; i < s->group_in; i++, rows += s->rows * s->stride) {
    Tap taps[9];
    load_kernel (c->weight + 9 * (size_t) i, taps);
    conv3x3 (rows, s->stride, at, taps, sum, n, wide, step);
  }
  UNROLL
  for (int o = 0; o < n; o++)
    UNROLL
  for (int v = 0; v < wide; v++) {
    const size_t from = at + (size_t) (v * VL);
    store_part (out + o * w + from, prelu (sum[o * wide + v] + c->epilogue.bias, c->epilogue.slope) * gate, w - from);
  }
}

INLINE void
output_rows (const Sparse *s, const Channel *c, unsigned i, float *out, const int n, const int step)
{
  const size_t w = s->y->w;
  size_t at = 0;

  out += (size_t) i * w;
  for (; at + (WIDE - 1) * VL < w; at += WIDE * VL)
    columns (s, c, i * step, out, at, n, WIDE, step);
  for (; at < w; at += VL)
    columns (s, c, i * step, out, register_at (at, w), n, 1, step);
}

/* @rows output rows, the first of which is computed from the first padded row on. */
INLINE void
output_band (const Sparse *s, const Channel *channel, float *out, unsigned rows, const int step)
{
  const Channel c = *channel;
  const unsigned n = ROWS / step;
  unsigned i = 0;

  for (; i + n <= rows; i += n)
    output_rows (s, &c, i, out, n, step);
  if (i < rows && rows >= n) /* the last n, some of which are computed again */
    output_rows (s, &c, rows - n, out, n, step);
  else
    for (; i < rows; i++)
      output_rows (s, &c, i, out, 1, step);
}

/* Output rows [begin, end) of one channel, from the rows copied by enter_rows(). */
static void
channel_band (const Sparse *s, unsigned channel, unsigned begin, unsigned end)
{
  const Channel c = { s->conv->weight + 9 * (size_t) channel * s->group_in, plain_epilogue (s->conv, channel) };
  float *out = dicenet_plane (s->y, channel) + (size_t) begin * s->y->w;

  if (s->conv->stride == 1)
    output_band (s, &c, out, end - begin, 1);
  else
    output_band (s, &c, out, end - begin, 2);
}

/* Output channels [begin, end), in bands of rows. */
static void
sparse (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin, unsigned end,
        float *scratch)
{
  const unsigned group_in = x->c / conv->groups, group_out = y->c / conv->groups, step = conv->stride;
  const unsigned rows = dicenet_conv_grouped_rows (x->c, conv->groups, x->h, x->w);
  const Sparse s = { x, y, conv, scratch, rows, group_in, dicenet_padded_stride (x->w) };
  const unsigned fit = (rows - 3) / step + 1, at_once = ROWS / step, band = fit < y->h ? fit / at_once * at_once : y->h;

  memset (scratch, 0, dicenet_conv_grouped_scratch (x->c, conv->groups, x->h, x->w) * sizeof *scratch);
  for (unsigned group = begin / group_out; group * group_out < end; group++) {
    const unsigned first = group * group_out > begin ? group * group_out : begin,
                   last = (group + 1) * group_out < end ? (group + 1) * group_out : end;
    for (unsigned i = 0; i < y->h; i += band) {
      enter_rows (&s, group, (long) i * step - 1);
      for (unsigned c = first; c < last; c++)
        channel_band (&s, c, i, i + band < y->h ? i + band : y->h);
    }
  }
}

static void
apply_sigmoid (const DicenetPlanes *y, const DicenetConv *conv, unsigned channel)
{
  float *out = dicenet_plane (y, channel);
  const float gate = gate_of (conv, channel);

  for (size_t i = 0; i < (size_t) y->h * y->w; i++)
    out[i] = sigmoid (out[i]) * gate;
}

void
KERNEL (conv_grouped) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                       unsigned end, float *scratch)
{
  if (conv->groups == x->c)
    for (unsigned c = begin; c < end; c++)
      KERNEL (depthwise) (x, y, conv, c);
  else
    sparse (x, y, conv, begin, end, scratch);
  if (conv->activation == DICENET_ACTIVATION_SIGMOID)
    for (unsigned c = begin; c < end; c++)
      apply_sigmoid (y, conv, c);
}
