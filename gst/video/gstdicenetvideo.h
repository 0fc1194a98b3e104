/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>
#include "overlay/gstdicenetdraw.h"

G_BEGIN_DECLS

#define GST_TYPE_DICENET_VIDEO (gst_dicenet_video_get_type ())
G_DECLARE_DERIVABLE_TYPE (GstDicenetVideo, gst_dicenet_video, GST, DICENET_VIDEO, GstBaseTransform)

/**
 * GstDicenetVideoClass:
 * @wants_overlay: whether something may be drawn; asked at any time, from any thread
 * @set_info: (nullable): frames of this format and size come next, in the memory that the caps tell; posts an element
 * error and returns %FALSE if it can't work with them
 * @process_frame: (nullable): looks at a frame and may add metas to it. The buffer is writable, its memory perhaps not
 * @compose: what to draw on a frame, after @process_frame; %NULL for nothing. Masks go to the last argument where it is
 * not %NULL, as for gst_dicenet_drawer_compose(). Only called where @wants_overlay says yes
 *
 * An element that lets frames pass in their own format and size, and that may draw on them. Drawing is negotiated:
 * where downstream takes a #GstVideoOverlayComposition, it is attached and no pixel is touched; else it is blended.
 */
struct _GstDicenetVideoClass {
  GstBaseTransformClass parent_class;

  gboolean (*wants_overlay) (GstDicenetVideo *self);
  gboolean (*set_info) (GstDicenetVideo *self, GstCaps *caps, const GstVideoInfo *info);
  GstFlowReturn (*process_frame) (GstDicenetVideo *self, GstBuffer *buffer);
  GstVideoOverlayComposition *(*compose) (GstDicenetVideo *self, GstDicenetDrawer *drawer, GstBuffer *buffer,
                                          GPtrArray *layers);
};

/** Format and size of the frames; for the streaming thread. */
const GstVideoInfo *gst_dicenet_video_get_info (GstDicenetVideo *self);

/** To be called after what @wants_overlay answers has changed; thread-safe. */
void gst_dicenet_video_overlay_changed (GstDicenetVideo *self);

G_END_DECLS
