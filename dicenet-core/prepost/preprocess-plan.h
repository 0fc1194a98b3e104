/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/image.h>

#include "preprocess-filter.h"
#include "preprocess-layout.h"

/* What preprocessing computes, apart from who does it: all that depends on what pictures are like and on the tensor's
 * size, but not on a picture's bytes. */
typedef struct {
  DicenetImage image; /* what the pictures are like; its planes and strides mean nothing */
  guint width, height;
  const DicenetPixelLayout *layout;
  DicenetYuv yuv;
  DicenetFilter horizontal, vertical;
  gfloat normalise[3][256]; /* a sample of R, G, B to the tensor's number */
} DicenetPreprocessPlan;

/* As dicenet_preprocess_new(). FALSE with @error set for a format or size that cannot be handled: nothing is to be
 * cleared then. */
gboolean dicenet_preprocess_plan_init (DicenetPreprocessPlan *self, const DicenetImage *image, guint width,
                                       guint height, const gfloat mean[3], const gfloat std[3], GError **error);
void dicenet_preprocess_plan_clear (DicenetPreprocessPlan *self);

/* Whether @self was made for pictures like @image and for this tensor size. */
gboolean dicenet_preprocess_plan_fits (const DicenetPreprocessPlan *self, const DicenetImage *image, guint width,
                                       guint height);
