/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preprocess-layout.h"

/* clang-format off */
#define RGB_LAYOUT(step, r, g, b)      { 1, step, { r, g, b }, DICENET_LUMA_PLANAR, DICENET_CHROMA_NONE, FALSE }
#define YUV_LAYOUT(n, luma, chroma, v_first) { n, 0, { 0 }, DICENET_LUMA_##luma, DICENET_CHROMA_##chroma, v_first }

static const DicenetPixelLayout layouts[] = {
  [DICENET_PIXEL_FORMAT_RGB] = RGB_LAYOUT (3, 0, 1, 2),
  [DICENET_PIXEL_FORMAT_BGR] = RGB_LAYOUT (3, 2, 1, 0),
  [DICENET_PIXEL_FORMAT_RGBX] = RGB_LAYOUT (4, 0, 1, 2),
  [DICENET_PIXEL_FORMAT_BGRX] = RGB_LAYOUT (4, 2, 1, 0),
  [DICENET_PIXEL_FORMAT_XRGB] = RGB_LAYOUT (4, 1, 2, 3),
  [DICENET_PIXEL_FORMAT_XBGR] = RGB_LAYOUT (4, 3, 2, 1),
  [DICENET_PIXEL_FORMAT_RGBA] = RGB_LAYOUT (4, 0, 1, 2),
  [DICENET_PIXEL_FORMAT_BGRA] = RGB_LAYOUT (4, 2, 1, 0),
  [DICENET_PIXEL_FORMAT_ARGB] = RGB_LAYOUT (4, 1, 2, 3),
  [DICENET_PIXEL_FORMAT_ABGR] = RGB_LAYOUT (4, 3, 2, 1),
  [DICENET_PIXEL_FORMAT_GRAY8] = YUV_LAYOUT (1, PLANAR, NONE, FALSE),
  [DICENET_PIXEL_FORMAT_NV12] = YUV_LAYOUT (2, PLANAR, PAIRS, FALSE),
  [DICENET_PIXEL_FORMAT_NV21] = YUV_LAYOUT (2, PLANAR, PAIRS, TRUE),
  [DICENET_PIXEL_FORMAT_I420] = YUV_LAYOUT (3, PLANAR, PLANES, FALSE),
  [DICENET_PIXEL_FORMAT_YV12] = YUV_LAYOUT (3, PLANAR, PLANES, TRUE),
  [DICENET_PIXEL_FORMAT_YUY2] = YUV_LAYOUT (1, EVEN, PACKED, FALSE),
  [DICENET_PIXEL_FORMAT_UYVY] = YUV_LAYOUT (1, ODD, PACKED, FALSE),
};
/* clang-format on */

const DicenetPixelLayout *
dicenet_pixel_layout_get (DicenetPixelFormat format)
{
  if ((guint) format >= G_N_ELEMENTS (layouts) || layouts[format].n_planes == 0)
    return NULL;
  return &layouts[format];
}
