/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/image.h>

/* Test pictures of all formats. Their memory ends with the picture: the last row of a plane has no padding, so that a
 * sanitizer or valgrind detects every read beyond it. */

typedef enum {
  ROWS_TIGHT,    /* without padding */
  ROWS_PADDED,   /* with padding */
  ROWS_BACKWARD, /* padded, last row first: negative strides */
} RowOrder;

typedef struct {
  DicenetImage image;
  guint n_planes;
  guint rows[3];      /* of each plane */
  guint row_bytes[3]; /* without padding */
  guint8 *memory[3];
} Picture;

extern const DicenetPixelFormat all_formats[17];

const char *format_name (DicenetPixelFormat format);
/* DICENET_PIXEL_FORMAT_UNKNOWN if there is no format of this name. */
DicenetPixelFormat format_from_name (const char *name);
gboolean format_is_yuv (DicenetPixelFormat format); /* has chroma */

/* Filled from @random, including padding. */
Picture *picture_new (DicenetPixelFormat format, guint width, guint height, RowOrder order, GRand *random);
void picture_free (Picture *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Picture, picture_free)

/* The byte of component @c (R, G, B or Y, Cb, Cr; 0 for GRAY8) at a position; for chroma, in the chroma plane. */
guint8 *picture_sample (Picture *self, guint c, guint column, guint row);
/* Width and height of component @c. */
void picture_component_size (const Picture *self, guint c, guint *columns, guint *rows);

/* A copy of a part of a picture, with the chroma that GStreamer's videocrop gives it: from the first pixel's on. */
Picture *picture_crop (Picture *self, guint x, guint y, guint width, guint height);
