/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pictures.h"

/* What preprocessing has to come to, written the slow and obvious way: whole pictures, doubles, every input looked at
 * for every output. Pictures here are three planes, R, G, B. */

/* Full-range colour in floating point, 0..255 but not rounded. Chroma is interpolated: its columns lie on the even
 * columns of luma, its rows (4:2:0) half way between two. */
void reference_colour (Picture *picture, guint x, guint y, double rgb[3]);

/* reference_colour() of all pixels, rounded. */
guint8 *reference_rgb (Picture *picture);

/* Pillow's BILINEAR of three planes. */
guint8 *reference_scale (const guint8 *planes, guint from_width, guint from_height, guint width, guint height);

/* Writes @colour (0..255, full-range RGB at column x, row y) to a picture, whatever its format. */
typedef void (*ReferenceColourFunc) (guint x, guint y, double rgb[3]);
void reference_paint (Picture *picture, ReferenceColourFunc colour);
