/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

#define GST_TYPE_DICENET_VIDEO (gst_dicenet_video_get_type ())
G_DECLARE_DERIVABLE_TYPE (GstDicenetVideo, gst_dicenet_video, GST, DICENET_VIDEO, GstBaseTransform)

/**
 * GstDicenetVideoClass:
 * @set_info: (nullable): frames of this format and size come next, in the memory that the caps tell; posts an element
 * error and returns %FALSE if it can't work with them
 * @process_frame: looks at a frame; may add metas to it, and draw. The buffer is writable, its memory perhaps not. Gaps
 * are left out
 *
 * An element that lets frames pass in their own format and size.
 */
struct _GstDicenetVideoClass {
  GstBaseTransformClass parent_class;

  gboolean (*set_info) (GstDicenetVideo *self, GstCaps *caps, const GstVideoInfo *info);
  GstFlowReturn (*process_frame) (GstDicenetVideo *self, GstBuffer *buffer);
};

/** Format and size of the frames; for the streaming thread. */
const GstVideoInfo *gst_dicenet_video_get_info (GstDicenetVideo *self);

G_END_DECLS
