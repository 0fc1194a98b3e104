/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/image.h>

#include "../base/request.h"
#include "../kernels/pixels.h"

typedef enum {
  DICENET_CHROMA_NONE,
  DICENET_CHROMA_PAIRS,  /* 4:2:0, both components interleaved in the second plane */
  DICENET_CHROMA_PLANES, /* 4:2:0, one component each in the second and third plane */
  DICENET_CHROMA_PACKED, /* 4:2:2, interleaved with luma */
} DicenetChroma;

/* Positions of a format's samples. */
typedef struct {
  guint8 n_planes;
  guint8 step;  /* RGB: bytes per pixel; 0: Y'CbCr */
  guint8 at[3]; /* RGB: positions of R, G, B in a pixel */
  DicenetLuma luma;
  DicenetChroma chroma;
  gboolean v_first; /* Cr comes before Cb */
} DicenetPixelLayout;

/* NULL if the format is unknown. */
const DicenetPixelLayout *dicenet_pixel_layout_get (DicenetPixelFormat format);

/* FALSE with @error set if the picture is invalid. */
gboolean dicenet_image_check (const DicenetImage *image, GError **error);

/* Makes a picture of the requested part, in the same memory. In packed Y'CbCr formats, luma and chroma of an odd column
 * begin at different bytes: plane 1 is then the position of chroma. FALSE with @error set if the picture is invalid or
 * the part is not inside it. */
gboolean dicenet_image_part (DicenetImage *part, const DicenetImage *image, const DicenetRequest *request,
                             GError **error);
