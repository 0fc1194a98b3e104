/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include "ref.h"

static int16_t
between (unsigned near, unsigned far)
{
  return (int16_t) (3 * near + far - 4 * 128);
}

static void
repeat_last (int16_t *out, size_t n)
{
  out[2 * n] = out[2 * n - 2];
  out[2 * n + 1] = out[2 * n - 1];
}

void
dicenet_ref_chroma_semiplanar (const uint8_t *near, const uint8_t *far, int16_t *out, size_t n)
{
  for (size_t i = 0; i < 2 * n; i++)
    out[i] = between (near[i], far[i]);
  repeat_last (out, n);
}

void
dicenet_ref_chroma_planar (const uint8_t *const near[2], const uint8_t *const far[2], int16_t *out, size_t n)
{
  for (size_t c = 0; c < 2; c++)
    for (size_t i = 0; i < n; i++)
      out[2 * i + c] = between (near[c][i], far[c][i]);
  repeat_last (out, n);
}

void
dicenet_ref_chroma_packed (const uint8_t *src, DicenetLuma luma, int16_t *out, size_t n)
{
  const size_t first = luma == DICENET_LUMA_EVEN ? 1 : 0;

  for (size_t i = 0; i < 2 * n; i++)
    out[i] = between (src[2 * i + first], src[2 * i + first]);
  repeat_last (out, n);
}

static uint16_t
to_byte (int value)
{
  value >>= DICENET_YUV_BITS;
  return (uint16_t) (value < 0 ? 0 : value > 255 ? 255 : value);
}

void
dicenet_ref_yuv (const DicenetYuv *yuv, const uint8_t *luma, DicenetLuma where, const int16_t *chroma, uint16_t *out,
                 unsigned width)
{
  const size_t stride = dicenet_pixel_stride (width), step = where == DICENET_LUMA_PLANAR ? 1 : 2,
               first = where == DICENET_LUMA_ODD ? 1 : 0;

  for (size_t i = 0; i < width; i++) {
    const int16_t *here = chroma + i / 2 * 2, *next = i % 2 ? here + 2 : here;
    const int c0 = here[0] + next[0], c1 = here[1] + next[1];
    const int grey = luma[step * i + first] * yuv->y + 16 * yuv->bias;
    out[i] = to_byte (grey + c0 * yuv->r[0] + c1 * yuv->r[1]);
    out[stride + i] = to_byte (grey + c0 * yuv->g[0] + c1 * yuv->g[1]);
    out[2 * stride + i] = to_byte (grey + c0 * yuv->b[0] + c1 * yuv->b[1]);
  }
}

void
dicenet_ref_rgb (const uint8_t *src, unsigned step, const uint8_t at[3], uint16_t *out, unsigned width)
{
  for (size_t c = 0; c < 3; c++)
    for (size_t i = 0; i < width; i++)
      out[c * dicenet_pixel_stride (width) + i] = src[step * i + at[c]];
}

static uint32_t
weigh_pair (uint32_t high, uint32_t low, uint32_t even, uint32_t odd)
{
  const uint32_t first = (high & 0xffff) << DICENET_TAPS_SPLIT | (low & 0xffff);
  const uint32_t second = high >> 16 << DICENET_TAPS_SPLIT | low >> 16;
  return first * even + second * odd;
}

/* Coefficients are not negative, so a sum can only exceed the range upwards, through rounding of more than 16,000
 * coefficients. */
static uint16_t
round_sum (uint32_t sum)
{
  const uint32_t value = (sum + (1u << (DICENET_TAPS_BITS - 1))) >> DICENET_TAPS_BITS;
  return (uint16_t) (value > 255 ? 255 : value);
}

void
dicenet_ref_resize_horizontal (const DicenetTaps *taps, const uint16_t *src, size_t stride, uint16_t *out)
{
  for (size_t c = 0; c < 3; c++) {
    for (size_t i = 0; i < taps->out; i++) {
      const uint16_t *x = src + c * stride + taps->start[i];
      uint32_t sum = 0;
      for (size_t k = 0; k < taps->pairs; k++)
        sum += weigh_pair (taps->high[k * taps->stride + i], taps->low[k * taps->stride + i], x[2 * k], x[2 * k + 1]);
      out[c * dicenet_pixel_stride (taps->out) + i] = round_sum (sum);
    }
  }
}

void
dicenet_ref_resize_vertical_normalise (const DicenetTaps *taps, unsigned i, const uint16_t *const *rows,
                                       const float table[256], float *out, unsigned width)
{
  for (size_t j = 0; j < width; j++) {
    uint32_t sum = 0;
    for (size_t k = 0; k < taps->pairs; k++)
      sum += weigh_pair (taps->high[k * taps->stride + i], taps->low[k * taps->stride + i], rows[2 * k][j],
                         rows[2 * k + 1][j]);
    out[j] = table[round_sum (sum)];
  }
}

void
dicenet_ref_argmax (const float *a, const float *b, size_t stride, const float weight[2], unsigned classes,
                    uint8_t *out, unsigned width)
{
  for (size_t i = 0; i < width; i++) {
    float best = weight[0] * a[i] + weight[1] * b[i];
    out[i] = 0;
    for (size_t c = 1; c < classes; c++) {
      const float value = weight[0] * a[c * stride + i] + weight[1] * b[c * stride + i];
      if (value > best) {
        best = value;
        out[i] = (uint8_t) c;
      }
    }
  }
}

void
dicenet_ref_select_candidates (const float *x, unsigned classes, int has_background, unsigned n, float least,
                               uint32_t *found, unsigned *n_found)
{
  *n_found = 0;
  for (unsigned i = 0; i < n; i++) {
    const float *row = x + (size_t) i * classes;
    for (unsigned c = has_background ? 1 : 0; c < classes; c++) {
      if (row[c] >= (has_background ? row[0] : 0) + least) {
        found[(*n_found)++] = i;
        break;
      }
    }
  }
}

void
dicenet_ref_softmax (const float *x, unsigned n, float *p)
{
  float largest = x[0];
  double sum = 0;

  for (unsigned i = 1; i < n; i++)
    largest = x[i] > largest ? x[i] : largest;
  for (unsigned i = 0; i < n; i++)
    sum += expf (x[i] - largest);
  for (unsigned i = 0; i < n; i++)
    p[i] = (float) (expf (x[i] - largest) / sum);
}

static int
overlaps (const float box[4], const float *other, size_t stride, float iou)
{
  const float x0 = fmaxf (box[0], other[0]), y0 = fmaxf (box[1], other[stride]), x1 = fminf (box[2], other[2 * stride]),
              y1 = fminf (box[3], other[3 * stride]);
  const float both = (x1 - x0) * (y1 - y0), area = (box[2] - box[0]) * (box[3] - box[1]);

  return x1 > x0 && y1 > y0 && both > iou * (area + other[4 * stride] - both);
}

void
dicenet_ref_iou_above (const float box[4], const float *others, size_t stride, unsigned n, float iou, int *found)
{
  *found = 0;
  for (unsigned i = 0; i < n && !*found; i++)
    *found = overlaps (box, others + i, stride, iou);
}
