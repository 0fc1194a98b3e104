/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/image.h>

#include "preprocess-filter.h"

/* The work on one row, in steps that can each be replaced by code for an instruction set. They are integer arithmetic
 * and table look-ups, so every version of a step gives the same bits.
 *
 *   source row -> [upsample_chroma, unpack] -> pixels -> [scale] -> R, G, B planes of bytes at the target's width
 *   the scaled rows that an output row is made of -> [finish] -> one plane's row of floats
 *
 * A pixel is a number, R | G << 8 | B << 16: what comes out of a colour matrix is 32 bits wide, and is vectorised well
 * if it is stored so. */

/* @width pixels of a packed RGB format. */
typedef void (*DicenetUnpackRgbFunc) (const guint8 *src, guint32 *dst, guint width);

/* One chroma component of a row of pixels, times 8 so that nothing is rounded away before it is a colour. @near and
 * @far are the rows of the component that count three quarters and one quarter, @n samples some bytes apart. @dst gets
 * two numbers for each: the sample itself, and the mean of it and the next one. */
typedef void (*DicenetUpsampleChromaFunc) (const guint8 *near, const guint8 *far, guint16 *dst, guint n);

#define DICENET_NEUTRAL_CHROMA (8 * 128)

/* R'G'B' from Y'CbCr in fixed point with DICENET_YUV_BITS after the point. The factors, and what they are multiplied
 * with (luma less @y_offset; 8 times chroma less 128), fit 16 bits with sign, which vector instructions like. */
typedef struct {
  gint16 y_offset;
  gint16 y;
  gint16 r_v;
  gint16 g_u;
  gint16 g_v;
  gint16 b_u;
} DicenetYuvFactors;

#define DICENET_YUV_BITS 14

/* @width pixels, with a sample of each chroma component for each. */
typedef void (*DicenetUnpackYuvFunc) (const DicenetYuvFactors *factors, const guint8 *y, const guint16 *u,
                                      const guint16 *v, guint32 *dst, guint width);

/* Pixels at @src to planes of @width bytes, one after the other, at @dst. */
typedef void (*DicenetScaleRowFunc) (const DicenetFilter *filter, const guint32 *src, guint8 *dst, guint width);

/* dst[i] = table[sum over @n rows of coefficients[t] * rows[t][offset + i], rounded to 8 bits]. */
typedef void (*DicenetFinishRowFunc) (const guint8 *const *rows, gsize offset, const guint32 *coefficients, guint n,
                                      const gfloat table[256], gfloat *dst, guint width);

/* Where the samples of a format lie. */
typedef struct {
  guint8 n_planes;
  /* RGB formats */
  DicenetUnpackRgbFunc unpack_rgb;
  /* the others */
  DicenetUnpackYuvFunc unpack_yuv;
  guint8 y_offset;
  DicenetUpsampleChromaFunc upsample_chroma; /* NULL: no chroma */
  guint8 chroma_shift;                       /* 1: a row of chroma goes with two rows of luma */
  struct {
    guint8 plane;
    guint8 offset;
  } u, v;
} DicenetPixelLayout;

/* NULL for an unknown format. */
const DicenetPixelLayout *dicenet_pixel_layout_get (DicenetPixelFormat format);

void dicenet_scale_row_c (const DicenetFilter *filter, const guint32 *src, guint8 *dst, guint width);
/* For rows that have the target's width. */
void dicenet_split_row_c (const DicenetFilter *filter, const guint32 *src, guint8 *dst, guint width);
void dicenet_finish_row_c (const guint8 *const *rows, gsize offset, const guint32 *coefficients, guint n,
                           const gfloat table[256], gfloat *dst, guint width);
