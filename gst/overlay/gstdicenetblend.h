/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/**
 * GstDicenetLayer:
 * @mask: one class per pixel, rows of @width bytes without padding
 * @width: width of the mask
 * @height: height of the mask
 * @palette: colour of each class, 0xAARRGGBB; 0 for classes that are not drawn
 * @x: left edge of the part of the mask that the frame shows, as a fraction of the mask's width
 * @y: top edge of that part, as a fraction of the mask's height
 * @w: width of that part; 1 is the whole mask
 * @h: height of that part; 1 is the whole mask
 *
 * A mask to be blended into a frame.
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
 * @info: format of the frames
 *
 * Returns: whether gst_dicenet_layer_blend() supports the format: 8 bits per sample, alpha not premultiplied
 */
gboolean gst_dicenet_layer_can_blend (const GstVideoInfo *info);

/**
 * gst_dicenet_layer_blend:
 * @self: a mask
 * @frame: a frame of a format that can be blended, mapped for reading and writing
 *
 * Scales the mask to the frame, interpolates its colours, and blends it in the frame's own format, in one pass over the
 * part of the frame with visible classes. The frame's alpha does not change.
 *
 * Returns: %FALSE if there is not enough memory; the mask is then drawn in part or not at all
 */
gboolean gst_dicenet_layer_blend (const GstDicenetLayer *self, GstVideoFrame *frame);

G_END_DECLS
