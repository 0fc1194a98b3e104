/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Anamorphic video is below 2, two views packed at half size are at 2. Containers can state any ratio up to 2^32. */
#define GST_DICENET_MAX_PIXEL_ASPECT 8.0

/** Whether the pixel aspect ratio of the caps is plausible. */
static inline gboolean
gst_dicenet_pixel_aspect_is_sane (const GstVideoInfo *info)
{
  const gdouble n = info->par_n, d = info->par_d;

  return n > 0 && d > 0 && n <= GST_DICENET_MAX_PIXEL_ASPECT * d && d <= GST_DICENET_MAX_PIXEL_ASPECT * n;
}

/** Width of a pixel divided by its height; 1 if the caps have no plausible value. */
static inline gdouble
gst_dicenet_pixel_aspect (const GstVideoInfo *info)
{
  return gst_dicenet_pixel_aspect_is_sane (info) ? (gdouble) info->par_n / info->par_d : 1;
}

G_END_DECLS
