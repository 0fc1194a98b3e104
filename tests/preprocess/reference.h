/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pictures.h"

/* A simple and slow reference of the preprocessing: whole pictures, doubles, each output computed from all inputs.
 * Pictures are three planes, R, G, B. */

/* Full-range colour in floating point, 0..255, not rounded. Chroma is interpolated: its columns are at the even columns
 * of luma, its rows (4:2:0) half way between two rows of luma. */
void reference_colour (Picture *picture, guint x, guint y, double rgb[3]);

/* reference_colour() of all pixels, rounded. */
guint8 *reference_rgb (Picture *picture);

/* Pillow's BILINEAR of three planes. */
guint8 *reference_scale (const guint8 *planes, guint from_width, guint from_height, guint width, guint height);

/* Writes @colour (0..255, full-range RGB at column x, row y) to a picture of any format. */
typedef void (*ReferenceColourFunc) (guint x, guint y, double rgb[3]);
void reference_paint (Picture *picture, ReferenceColourFunc colour);
