/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/dicenet/gstdicenetmeta.h>

G_BEGIN_DECLS

/** gst_buffer_add_dicenet_meta() for detections that keep their ids and get no regions of interest. */
GstDicenetMeta *gst_dicenet_meta_restore (GstBuffer *buffer, GstDicenetResult *result, guint frame_width,
                                          guint frame_height, const GstDicenetDetection *detections,
                                          guint n_detections);

/** FALSE for a copy of the public structure alone, which language bindings can allocate. */
gboolean gst_dicenet_result_is_complete (const GstDicenetResult *self);

#if GST_CHECK_VERSION(1, 24, 0)
gboolean gst_dicenet_meta_serialize (const GstMeta *meta, GstByteArrayInterface *data, guint8 *version);
GstMeta *gst_dicenet_meta_deserialize (const GstMetaInfo *info, GstBuffer *buffer, const guint8 *data, gsize size,
                                       guint8 version);
#endif

G_END_DECLS
