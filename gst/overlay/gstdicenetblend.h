/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/**
 * GstDicenetLayer:
 * @mask: a class per pixel, rows of @width without gap
 * @width: of the mask
 * @height: of the mask
 * @palette: colour of each class, 0xAARRGGBB; 0 for those that are not to be seen
 * @x: which part of the mask the frame shows, as a fraction of the mask's width: left edge
 * @y: top edge, of the height
 * @w: width, 1 for the whole
 * @h: height, 1 for the whole
 *
 * A mask that is to be blended into a frame.
 */
typedef struct {
  GBytes *mask;
  gint width, height;
  guint32 palette[256];
  gdouble x, y, w, h;
} GstDicenetLayer;

void gst_dicenet_layer_free (GstDicenetLayer *self);

/**
 * gst_dicenet_layer_can_blend:
 * @info: what frames are like
 *
 * Returns: whether gst_dicenet_layer_blend() knows the format: 8 bits per sample, not multiplied with alpha
 */
gboolean gst_dicenet_layer_can_blend (const GstVideoInfo *info);

/**
 * gst_dicenet_layer_blend:
 * @self: a mask
 * @frame: a frame of a format that can be blended, mapped for reading and writing
 *
 * Stretches the mask over the frame, its colours interpolated, and blends it in the frame's own format, in one pass
 * over the part of the frame in which there is something to see. A frame's alpha stays as it is: a mask colours the
 * picture, and what of it is transparent stays so.
 *
 * Returns: %FALSE if there is no memory for it, and some of the mask is missing
 */
gboolean gst_dicenet_layer_blend (const GstDicenetLayer *self, GstVideoFrame *frame);

G_END_DECLS
