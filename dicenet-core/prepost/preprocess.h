/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/image.h>

/* Picture to input tensor: colour conversion, scaling and normalisation in one pass over the picture. The scaling is
 * Pillow's BILINEAR, which the networks were trained with: a triangle filter whose support grows with the shrink
 * factor, horizontally then vertically, rounded to 8 bits after each, coefficients in 22-bit fixed point. */
typedef struct _DicenetPreprocess DicenetPreprocess;

/* Makes the tables and row buffers for pictures like @image (its format, matrix, range, width and height; planes and
 * strides are not looked at) and tensors of 3 x height x width. @mean and @std are per channel R, G, B on a 0..1 scale.
 * @n_bands: parts that several threads can make at the same time; there are at most as many as rows. @cpu_mask: as
 * dicenet_pixel_kernels_get(). NULL with @error set for a format or size that cannot be handled. Free with
 * dicenet_preprocess_free(). */
DicenetPreprocess *dicenet_preprocess_new (const DicenetImage *image, guint width, guint height, const gfloat mean[3],
                                           const gfloat std[3], guint n_bands, guint cpu_mask, GError **error);
void dicenet_preprocess_free (DicenetPreprocess *self);

/* Whether @self was made for pictures like @image and for this tensor size. */
gboolean dicenet_preprocess_fits (const DicenetPreprocess *self, const DicenetImage *image, guint width, guint height);

/* Fills @tensor (3 x height x width floats, planes R, G, B). @image must fit. Allocates nothing. */
void dicenet_preprocess_run (DicenetPreprocess *self, const DicenetImage *image, gfloat *tensor);

/* The same in parts: rows of the tensor that no other band writes. Bits do not depend on how many bands there are. */
guint dicenet_preprocess_get_n_bands (const DicenetPreprocess *self);
void dicenet_preprocess_run_band (DicenetPreprocess *self, const DicenetImage *image, gfloat *tensor, guint band);
