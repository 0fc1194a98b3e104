/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/dicenet.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/** Formats that gst_dicenet_image_from_frame() supports, for caps. */
#define GST_DICENET_IMAGE_FORMATS                                                                                      \
  "{ RGB, BGR, RGBx, BGRx, xRGB, xBGR, RGBA, BGRA, ARGB, ABGR, GRAY8, NV12, NV21, I420, YV12, YUY2, UYVY }"

/**
 * gst_dicenet_image_from_frame:
 * @image: (out caller-allocates): a view of @frame for the core, valid as long as @frame is mapped
 * @frame: a mapped frame of one of the formats above, with any strides
 *
 * A colour matrix that the core does not support is replaced by the nearest one: BT.2020 and SMPTE 240M by BT.709, FCC
 * by BT.601.
 */
void gst_dicenet_image_from_frame (DicenetImage *image, const GstVideoFrame *frame);

G_END_DECLS
