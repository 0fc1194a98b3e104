/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/image.h>

#include "preprocess-filter.h"
#include "preprocess-layout.h"

/* The backend-independent part of preprocessing: everything that depends on the properties of the pictures and on the
 * tensor's size, but not on pixels. */
typedef struct {
  DicenetImage image; /* properties of the pictures; planes and strides are unused */
  guint width, height;
  const DicenetPixelLayout *layout;
  DicenetYuv yuv;
  DicenetFilter horizontal, vertical;
  gfloat normalise[3][256]; /* table from an R, G or B sample to the tensor's value */
} DicenetPreprocessPlan;

/* See dicenet_preprocess_new(). FALSE with @error set for an unsupported format or size; @self then need not be
 * cleared. */
gboolean dicenet_preprocess_plan_init (DicenetPreprocessPlan *self, const DicenetImage *image, guint width,
                                       guint height, const gfloat mean[3], const gfloat std[3], GError **error);
void dicenet_preprocess_plan_clear (DicenetPreprocessPlan *self);

/* Whether @self was made for pictures with the properties of @image and for this tensor size. */
gboolean dicenet_preprocess_plan_fits (const DicenetPreprocessPlan *self, const DicenetImage *image, guint width,
                                       guint height);
