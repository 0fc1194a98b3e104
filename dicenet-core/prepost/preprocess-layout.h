/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/image.h>

#include "../base/request.h"
#include "../kernels/pixels.h"

typedef enum {
  DICENET_CHROMA_NONE,
  DICENET_CHROMA_PAIRS,  /* 4:2:0, both components in the second plane */
  DICENET_CHROMA_PLANES, /* 4:2:0, one each in the second and the third */
  DICENET_CHROMA_PACKED, /* 4:2:2, between luma */
} DicenetChroma;

/* Where the samples of a format lie. */
typedef struct {
  guint8 n_planes;
  guint8 step;  /* RGB: bytes of a pixel; 0: Y'CbCr */
  guint8 at[3]; /* RGB: which of them are R, G, B */
  DicenetLuma luma;
  DicenetChroma chroma;
  gboolean v_first; /* Cr comes before Cb */
} DicenetPixelLayout;

/* NULL for an unknown format. */
const DicenetPixelLayout *dicenet_pixel_layout_get (DicenetPixelFormat format);

/* FALSE with @error set for a picture that cannot be read. */
gboolean dicenet_image_check (const DicenetImage *image, GError **error);

/* What of a picture is asked for, as a picture of its own in the same memory; of packed formats, whose luma and chroma
 * begin at different bytes at an odd column, with the chroma's place as plane 1. FALSE with @error set for a picture
 * that cannot be read, or where the part is not inside it. */
gboolean dicenet_image_part (DicenetImage *part, const DicenetImage *image, const DicenetRequest *request,
                             GError **error);
