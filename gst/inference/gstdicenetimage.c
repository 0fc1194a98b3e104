/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetimage.h"

static DicenetPixelFormat
pixel_format (GstVideoFormat format)
{
  switch (format) {
  case GST_VIDEO_FORMAT_RGB:
    return DICENET_PIXEL_FORMAT_RGB;
  case GST_VIDEO_FORMAT_BGR:
    return DICENET_PIXEL_FORMAT_BGR;
  case GST_VIDEO_FORMAT_RGBx:
    return DICENET_PIXEL_FORMAT_RGBX;
  case GST_VIDEO_FORMAT_BGRx:
    return DICENET_PIXEL_FORMAT_BGRX;
  case GST_VIDEO_FORMAT_xRGB:
    return DICENET_PIXEL_FORMAT_XRGB;
  case GST_VIDEO_FORMAT_xBGR:
    return DICENET_PIXEL_FORMAT_XBGR;
  case GST_VIDEO_FORMAT_RGBA:
    return DICENET_PIXEL_FORMAT_RGBA;
  case GST_VIDEO_FORMAT_BGRA:
    return DICENET_PIXEL_FORMAT_BGRA;
  case GST_VIDEO_FORMAT_ARGB:
    return DICENET_PIXEL_FORMAT_ARGB;
  case GST_VIDEO_FORMAT_ABGR:
    return DICENET_PIXEL_FORMAT_ABGR;
  case GST_VIDEO_FORMAT_GRAY8:
    return DICENET_PIXEL_FORMAT_GRAY8;
  case GST_VIDEO_FORMAT_NV12:
    return DICENET_PIXEL_FORMAT_NV12;
  case GST_VIDEO_FORMAT_NV21:
    return DICENET_PIXEL_FORMAT_NV21;
  case GST_VIDEO_FORMAT_I420:
    return DICENET_PIXEL_FORMAT_I420;
  case GST_VIDEO_FORMAT_YV12:
    return DICENET_PIXEL_FORMAT_YV12;
  case GST_VIDEO_FORMAT_YUY2:
    return DICENET_PIXEL_FORMAT_YUY2;
  case GST_VIDEO_FORMAT_UYVY:
    return DICENET_PIXEL_FORMAT_UYVY;
  default:
    return DICENET_PIXEL_FORMAT_UNKNOWN;
  }
}

static DicenetColorMatrix
color_matrix (const GstVideoInfo *info)
{
  switch (GST_VIDEO_INFO_COLORIMETRY (info).matrix) {
  case GST_VIDEO_COLOR_MATRIX_BT709:
  case GST_VIDEO_COLOR_MATRIX_SMPTE240M:
  case GST_VIDEO_COLOR_MATRIX_BT2020:
    return DICENET_COLOR_MATRIX_BT709;
  default:
    return DICENET_COLOR_MATRIX_BT601;
  }
}

static DicenetColorRange
color_range (const GstVideoInfo *info)
{
  switch (GST_VIDEO_INFO_COLORIMETRY (info).range) {
  case GST_VIDEO_COLOR_RANGE_0_255:
    return DICENET_COLOR_RANGE_FULL;
  case GST_VIDEO_COLOR_RANGE_16_235:
    return DICENET_COLOR_RANGE_LIMITED;
  default:
    /* Same defaults as GStreamer's. */
    return GST_VIDEO_INFO_IS_GRAY (info) ? DICENET_COLOR_RANGE_FULL : DICENET_COLOR_RANGE_LIMITED;
  }
}

void
gst_dicenet_image_from_frame (DicenetImage *image, const GstVideoFrame *frame)
{
  memset (image, 0, sizeof *image);
  image->format = pixel_format (GST_VIDEO_FRAME_FORMAT (frame));
  image->matrix = color_matrix (&frame->info);
  image->range = color_range (&frame->info);
  image->width = (guint) GST_VIDEO_FRAME_WIDTH (frame);
  image->height = (guint) GST_VIDEO_FRAME_HEIGHT (frame);
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES (frame); i++) {
    image->planes[i] = GST_VIDEO_FRAME_PLANE_DATA (frame, i);
    image->strides[i] = GST_VIDEO_FRAME_PLANE_STRIDE (frame, i);
  }
}
