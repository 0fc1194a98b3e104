/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

#define GST_TYPE_DICENET_VIDEO (gst_dicenet_video_get_type ())
G_DECLARE_DERIVABLE_TYPE (GstDicenetVideo, gst_dicenet_video, GST, DICENET_VIDEO, GstBaseTransform)

/**
 * GstDicenetVideoClass:
 * @set_info: (nullable): called before frames of a new format, size or memory, as in the caps; posts an element error
 * and returns %FALSE if they are not supported
 * @process_frame: processes a frame; may add metas and draw. The buffer is writable, but not necessarily its memory.
 * Not called for gaps
 *
 * Base class of elements that pass frames through in their own format and size.
 */
struct _GstDicenetVideoClass {
  GstBaseTransformClass parent_class;

  gboolean (*set_info) (GstDicenetVideo *self, GstCaps *caps, const GstVideoInfo *info);
  GstFlowReturn (*process_frame) (GstDicenetVideo *self, GstBuffer *buffer);
};

/** Format and size of the frames; streaming thread only. */
const GstVideoInfo *gst_dicenet_video_get_info (GstDicenetVideo *self);

/**
 * gst_dicenet_video_get_running_time:
 * @self: an element
 * @buffer: a frame
 * @time: (out): its running time in nanoseconds, negative before the segment
 *
 * For the streaming thread.
 *
 * Returns: whether it has one
 */
gboolean gst_dicenet_video_get_running_time (GstDicenetVideo *self, GstBuffer *buffer, gint64 *time);

G_END_DECLS
