/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/dicenet/gstdicenetmeta.h>

G_BEGIN_DECLS

/** gst_buffer_add_dicenet_meta() for detections that keep their ids and get no regions of interest. */
GstDicenetMeta *gst_dicenet_meta_restore (GstBuffer *buffer, GstDicenetResult *result, guint frame_width,
                                          guint frame_height, const GstDicenetDetection *detections,
                                          guint n_detections);

/** A detection that a crop removed, though not necessarily other metas made from it. */
typedef struct {
  gint id;
  guint label_id;
} GstDicenetLost;

/** GstDicenetLost; NULL if there are none. Valid as long as the meta. */
const GArray *gst_dicenet_meta_get_lost (const GstDicenetMeta *self);

/** The box must lie within the frame. See gst_dicenet_meta_set_track_id(). */
void gst_dicenet_meta_move_detection (GstDicenetMeta *self, guint index, gdouble x, gdouble y, gdouble w, gdouble h);

/** FALSE for a copy of the public structure alone, which language bindings can allocate. */
gboolean gst_dicenet_result_is_complete (const GstDicenetResult *self);

#if GST_CHECK_VERSION(1, 24, 0)
gboolean gst_dicenet_meta_serialize (const GstMeta *meta, GstByteArrayInterface *data, guint8 *version);
GstMeta *gst_dicenet_meta_deserialize (const GstMetaInfo *info, GstBuffer *buffer, const guint8 *data, gsize size,
                                       guint8 version);
#endif

G_END_DECLS
