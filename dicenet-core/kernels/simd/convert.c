/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simd.h"
#include "simd16.h"

/* Source rows may end at the end of mapped memory: what is left after the last whole register is copied to a buffer
 * first. Rows of samples have room for whole registers (DICENET_PIXEL_PAD). */

INLINE vw
between (vw near, vw far)
{
  return near + near + near + far - 4 * 128;
}

static void
repeat_last (int16_t *out, size_t n)
{
  out[2 * n] = out[2 * n - 2];
  out[2 * n + 1] = out[2 * n - 1];
}

void
KERNEL (chroma_semiplanar) (const uint8_t *near, const uint8_t *far, int16_t *out, size_t n)
{
  uint8_t rest[2][WORDS] = { { 0 } };
  size_t i = 0;

  for (; i + WORDS <= 2 * n; i += WORDS)
    store_words (out + i, between (load_bytes (near + i), load_bytes (far + i)));
  memcpy (rest[0], near + i, 2 * n - i);
  memcpy (rest[1], far + i, 2 * n - i);
  store_words (out + i, between (load_bytes (rest[0]), load_bytes (rest[1])));
  repeat_last (out, n);
}

void
KERNEL (chroma_planar) (const uint8_t *const near[2], const uint8_t *const far[2], int16_t *restrict out, size_t n)
{
  const uint8_t *restrict near0 = near[0], *restrict near1 = near[1], *restrict far0 = far[0], *restrict far1 = far[1];

  for (size_t i = 0; i < n; i++) {
    out[2 * i] = (int16_t) (3 * near0[i] + far0[i] - 4 * 128);
    out[2 * i + 1] = (int16_t) (3 * near1[i] + far1[i] - 4 * 128);
  }
  repeat_last (out, n);
}

void
KERNEL (chroma_packed) (const uint8_t *restrict src, DicenetLuma luma, int16_t *restrict out, size_t n)
{
  const size_t first = luma == DICENET_LUMA_EVEN ? 1 : 0;

  for (size_t i = 0; i < 2 * n; i++)
    out[i] = (int16_t) (4 * src[2 * i + first] - 4 * 128);
  repeat_last (out, n);
}

/* One colour channel of two registers of pixels. The products of luma are given. */
INLINE vw
channel (vu low, vu high, vw chroma_low, vw chroma_high, vw factors)
{
  return unzip_bytes ((vi) (low + multiply_pairs (chroma_low, factors)) >> DICENET_YUV_BITS,
                      (vi) (high + multiply_pairs (chroma_high, factors)) >> DICENET_YUV_BITS);
}

typedef struct {
  vw grey, r, g, b;
} Factors;

/* Converts WORDS pixels. Chroma pairs are handled as 32-bit numbers: for even pixels they are doubled, for odd pixels
 * they are the sum of two neighbours. Interleaved, they match the two halves of luma. */
INLINE void
convert (const Factors *f, vw luma, const int16_t *chroma, uint16_t *out, size_t stride)
{
  const vw sixteen = all_words (16), here = load_words (chroma), next = load_words (chroma + 2);
  const vu even = (vu) (here + here), odd = (vu) (here + next);
  const vw low = (vw) zip_pairs_low (even, odd), high = (vw) zip_pairs_high (even, odd);
  const vu grey_low = multiply_pairs (zip_words_low (luma, sixteen), f->grey),
           grey_high = multiply_pairs (zip_words_high (luma, sixteen), f->grey);

  store_words (out, channel (grey_low, grey_high, low, high, f->r));
  store_words (out + stride, channel (grey_low, grey_high, low, high, f->g));
  store_words (out + 2 * stride, channel (grey_low, grey_high, low, high, f->b));
}

INLINE vw
load_luma (const uint8_t *p, DicenetLuma where)
{
  if (where == DICENET_LUMA_PLANAR)
    return load_bytes (p);
  const vw both = load_words (p);
  return where == DICENET_LUMA_EVEN ? both & 255 : (both >> 8) & 255;
}

INLINE void
convert_row (const Factors *f, const uint8_t *luma, DicenetLuma where, const int16_t *chroma, uint16_t *out,
             unsigned width)
{
  const size_t stride = dicenet_pixel_stride (width), step = where == DICENET_LUMA_PLANAR ? 1 : 2;
  uint8_t rest[2 * WORDS] = { 0 };
  size_t i = 0;

  for (; i + WORDS <= width; i += WORDS)
    convert (f, load_luma (luma + step * i, where), chroma + i, out + i, stride);
  if (i == width)
    return;
  memcpy (rest, luma + step * i, step * (width - i));
  convert (f, load_luma (rest, where), chroma + i, out + i, stride);
}

void
KERNEL (yuv) (const DicenetYuv *yuv, const uint8_t *luma, DicenetLuma where, const int16_t *chroma, uint16_t *out,
              unsigned width)
{
  const Factors f = { all_of_pair (yuv->y, yuv->bias), all_of_pair (yuv->r[0], yuv->r[1]),
                      all_of_pair (yuv->g[0], yuv->g[1]), all_of_pair (yuv->b[0], yuv->b[1]) };

  if (where == DICENET_LUMA_PLANAR)
    convert_row (&f, luma, DICENET_LUMA_PLANAR, chroma, out, width);
  else if (where == DICENET_LUMA_EVEN)
    convert_row (&f, luma, DICENET_LUMA_EVEN, chroma, out, width);
  else
    convert_row (&f, luma, DICENET_LUMA_ODD, chroma, out, width);
}

/* To be called with constants for all arguments except pointers and width, so that the compiler sees fixed strides. */
INLINE void
separate (const uint8_t *restrict src, unsigned step, unsigned r, unsigned g, unsigned b, uint16_t *restrict out,
          unsigned width)
{
  uint16_t *restrict green = out + dicenet_pixel_stride (width), *restrict blue = green + dicenet_pixel_stride (width);

  for (size_t i = 0; i < width; i++) {
    out[i] = src[step * i + r];
    green[i] = src[step * i + g];
    blue[i] = src[step * i + b];
  }
}

void
KERNEL (rgb) (const uint8_t *src, unsigned step, const uint8_t at[3], uint16_t *out, unsigned width)
{
  /* BGR orders are RGB orders with two channels swapped. An unused leading byte is skipped. */
  const int reversed = at[0] > at[2];
  if (step == 3 && !reversed)
    separate (src, 3, 0, 1, 2, out, width);
  else if (step == 3)
    separate (src, 3, 2, 1, 0, out, width);
  else if (at[1] == 1 && !reversed)
    separate (src, 4, 0, 1, 2, out, width);
  else if (at[1] == 1)
    separate (src, 4, 2, 1, 0, out, width);
  else if (!reversed)
    separate (src, 4, 1, 2, 3, out, width);
  else
    separate (src, 4, 3, 2, 1, out, width);
}
