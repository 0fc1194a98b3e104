/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include "../../graph/graph.h"
#include "ref.h"

/* PReLU's slopes run from -2 to 3 in the published checkpoints, so max (x, slope * x) would be wrong. */
static void
activate (float *y, size_t n, const DicenetConv *conv, unsigned channel)
{
  switch (conv->activation) {
  case DICENET_ACTIVATION_PRELU:
    for (size_t i = 0; i < n; i++)
      y[i] = y[i] > 0 ? y[i] : conv->slope[channel] * y[i];
    break;
  case DICENET_ACTIVATION_RELU:
    for (size_t i = 0; i < n; i++)
      y[i] = y[i] > 0 ? y[i] : 0;
    break;
  case DICENET_ACTIVATION_SIGMOID:
    for (size_t i = 0; i < n; i++)
      y[i] = 1 / (1 + expf (-y[i]));
    break;
  default:
    break;
  }
}

static void
fill (float *y, size_t n, float value)
{
  for (size_t i = 0; i < n; i++)
    y[i] = value;
}

/* y += k * (row of x, seen through one column of the kernel): out[j] += k * x[j * stride + shift]. */
static void
add_row (const float *restrict x, unsigned w, float *restrict y, unsigned ow, unsigned stride, int shift, float k)
{
  const unsigned begin = shift < 0 ? ((unsigned) -shift + stride - 1) / stride : 0;
  unsigned end = ow;
  while (end > begin && (long) (end - 1) * stride + shift >= (long) w)
    end--;
  if (stride == 1)
    for (unsigned j = begin; j < end; j++)
      y[j] += k * x[(int) j + shift];
  else
    for (unsigned j = begin; j < end; j++)
      y[j] += k * x[(long) j * stride + shift];
}

/* One input plane through one k x k kernel, added to one output plane; zeros outside. */
static void
add_plane (const float *x, unsigned h, unsigned w, float *y, unsigned oh, unsigned ow, const float *k, unsigned kernel,
           unsigned stride)
{
  const int pad = (int) (kernel - 1) / 2;

  for (unsigned i = 0; i < oh; i++) {
    for (unsigned a = 0; a < kernel; a++) {
      const long row = (long) i * stride + a - pad;
      if (row < 0 || row >= (long) h)
        continue;
      for (unsigned b = 0; b < kernel; b++)
        add_row (x + (size_t) row * w, w, y + (size_t) i * ow, ow, stride, (int) b - pad, k[a * kernel + b]);
    }
  }
}

void
dicenet_ref_conv (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin, unsigned end)
{
  const unsigned group_in = x->c / conv->groups, group_out = y->c / conv->groups, taps = conv->kernel * conv->kernel;
  const size_t n = (size_t) y->h * y->w;

  for (unsigned co = begin; co < end; co++) {
    const float *weight = conv->weight + (size_t) co * group_in * taps;
    float *out = dicenet_plane (y, co);
    fill (out, n, conv->bias ? conv->bias[co] : 0);
    for (unsigned ci = 0; ci < group_in; ci++)
      add_plane (dicenet_plane (x, co / group_out * group_in + ci), x->h, x->w, out, y->h, y->w, weight + ci * taps,
                 conv->kernel, conv->stride);
    activate (out, n, conv, co);
  }
}

/* So many pixels at a time that the input of all channels stays in the second-level cache. */
#define PIXELS 256

void
dicenet_ref_conv_pointwise (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                            unsigned end)
{
  const size_t n = (size_t) y->h * y->w;

  for (size_t at = 0; at < n; at += PIXELS) {
    const size_t m = n - at < PIXELS ? n - at : PIXELS;
    for (unsigned co = begin; co < end; co++) {
      float *restrict out = dicenet_plane (y, co) + at;
      fill (out, m, conv->bias ? conv->bias[co] : 0);
      for (unsigned ci = 0; ci < x->c; ci++) {
        const float *restrict in = dicenet_plane (x, ci) + at;
        const float k = conv->weight[(size_t) co * x->c + ci];
        for (size_t i = 0; i < m; i++)
          out[i] += k * in[i];
      }
      activate (out, m, conv, co);
    }
  }
}
