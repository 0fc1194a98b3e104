/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/image.h>

/* Pictures of every format for the tests, in memory that ends where the picture ends: the last row of a plane has no
 * padding behind it, so that a sanitizer or valgrind sees every byte that is read too much. */

typedef enum {
  ROWS_TIGHT,    /* one after the other */
  ROWS_PADDED,   /* with some bytes between them */
  ROWS_BACKWARD, /* padded, the first row last: negative strides */
} RowOrder;

typedef struct {
  DicenetImage image;
  guint n_planes;
  guint rows[3];      /* of each plane */
  guint row_bytes[3]; /* that belong to the picture */
  guint8 *memory[3];
} Picture;

extern const DicenetPixelFormat all_formats[17];

const char *format_name (DicenetPixelFormat format);
/* DICENET_PIXEL_FORMAT_UNKNOWN if there is none of this name. */
DicenetPixelFormat format_from_name (const char *name);
gboolean format_is_yuv (DicenetPixelFormat format); /* has chroma */

/* With bytes from @random; padding bytes are too. */
Picture *picture_new (DicenetPixelFormat format, guint width, guint height, RowOrder order, GRand *random);
void picture_free (Picture *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Picture, picture_free)

/* The byte of component @c (R, G, B or Y, Cb, Cr; 0 for GRAY8) that goes with a pixel: for chroma, column and row are
 * of the chroma plane. */
guint8 *picture_sample (Picture *self, guint c, guint column, guint row);
/* Columns and rows of component @c. */
void picture_component_size (const Picture *self, guint c, guint *columns, guint *rows);

/* A copy of the part of a picture, row by row as GStreamer's videocrop takes it: chroma from its first pixel's. */
Picture *picture_crop (Picture *self, guint x, guint y, guint width, guint height);
