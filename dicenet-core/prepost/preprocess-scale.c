/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preprocess-kernels.h"

#define HALF (1u << (DICENET_FILTER_BITS - 1))

/* Coefficients are not negative, so only their rounding can take a sum out of the range, upwards, and that needs more
 * than 16,000 of them. */
static inline guint8
round_sum (guint32 sum)
{
  return (guint8) MIN (sum >> DICENET_FILTER_BITS, 255);
}

void
dicenet_scale_row_c (const DicenetFilter *filter, const guint32 *restrict src, guint8 *restrict dst, guint width)
{
  guint8 *restrict dst_g = dst + width;
  guint8 *restrict dst_b = dst_g + width;

  for (gsize i = 0; i < width; i++) {
    const guint32 *pixels = src + filter->start[i];
    const guint32 *coefficients = filter->coefficients + i * filter->n_taps;
    guint32 r = HALF, g = HALF, b = HALF;

    for (guint t = 0; t < filter->n[i]; t++) {
      r += coefficients[t] * (pixels[t] & 0xff);
      g += coefficients[t] * (pixels[t] >> 8 & 0xff);
      b += coefficients[t] * (pixels[t] >> 16);
    }
    dst[i] = round_sum (r);
    dst_g[i] = round_sum (g);
    dst_b[i] = round_sum (b);
  }
}

void
dicenet_split_row_c (const DicenetFilter *filter, const guint32 *restrict src, guint8 *restrict dst, guint width)
{
  guint8 *restrict dst_g = dst + width;
  guint8 *restrict dst_b = dst_g + width;

  for (gsize i = 0; i < width; i++) {
    dst[i] = (guint8) src[i];
    dst_g[i] = (guint8) (src[i] >> 8);
    dst_b[i] = (guint8) (src[i] >> 16);
  }
}

/* Few enough sums to stay in the first-level cache, many enough to make up for the loop around them. */
#define CHUNK 256

static void
add_row (guint32 *restrict sums, const guint8 *restrict row, guint32 coefficient, guint n)
{
  for (guint i = 0; i < n; i++)
    sums[i] += coefficient * row[i];
}

void
dicenet_finish_row_c (const guint8 *const *rows, gsize offset, const guint32 *coefficients, guint n,
                      const gfloat table[256], gfloat *restrict dst, guint width)
{
  guint32 sums[CHUNK];

  for (guint from = 0; from < width; from += CHUNK) {
    guint length = MIN (width - from, CHUNK);

    for (guint i = 0; i < length; i++)
      sums[i] = HALF;
    for (guint t = 0; t < n; t++)
      add_row (sums, rows[t] + offset + from, coefficients[t], length);
    for (guint i = 0; i < length; i++)
      dst[from + i] = table[round_sum (sums[i])];
  }
}
