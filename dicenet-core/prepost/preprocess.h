/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/image.h>

/* Converts a picture to the input tensor: colour conversion, scaling and normalisation in one pass over the picture.
 * Scaling is Pillow's BILINEAR, which the networks were trained with: a triangle filter whose support grows with the
 * reduction factor, applied horizontally, then vertically, with rounding to 8 bits after each step, and coefficients in
 * 22-bit fixed point. */
typedef struct _DicenetPreprocess DicenetPreprocess;

/* Creates the tables and row buffers for pictures with the format, matrix, range, width and height of @image, whose
 * planes and strides are ignored, and for tensors of 3 x height x width. @mean and @std are per channel R, G, B on a
 * 0..1 scale. @n_bands: number of parts that threads can compute concurrently; limited to the number of rows.
 * @cpu_mask: as for dicenet_pixel_kernels_get(). NULL with @error set for an unsupported format or size. Free with
 * dicenet_preprocess_free(). */
DicenetPreprocess *dicenet_preprocess_new (const DicenetImage *image, guint width, guint height, const gfloat mean[3],
                                           const gfloat std[3], guint n_bands, guint cpu_mask, GError **error);
void dicenet_preprocess_free (DicenetPreprocess *self);

/* Whether @self was made for pictures with the properties of @image and for this tensor size. */
gboolean dicenet_preprocess_fits (const DicenetPreprocess *self, const DicenetImage *image, guint width, guint height);

/* Fills @tensor (3 x height x width floats, planes R, G, B). @image must fit, see dicenet_preprocess_fits(). Does not
 * allocate. */
void dicenet_preprocess_run (DicenetPreprocess *self, const DicenetImage *image, gfloat *tensor);

/* The same in bands: disjoint ranges of the tensor's rows. Results do not depend on the number of bands. */
guint dicenet_preprocess_get_n_bands (const DicenetPreprocess *self);
void dicenet_preprocess_run_band (DicenetPreprocess *self, const DicenetImage *image, gfloat *tensor, guint band);
