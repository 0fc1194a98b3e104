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
  gdouble confidence;
  guint od;
} GstDicenetLost;

/** The id of a detection in the buffer's relation meta (GstAnalytics), or GST_DICENET_OD_NONE. */
#define GST_DICENET_OD_NONE G_MAXUINT
static inline guint
gst_dicenet_detection_get_od (const GstDicenetDetection *self)
{
  return GPOINTER_TO_UINT (self->_od) - 1;
}
void gst_dicenet_meta_set_od (GstDicenetMeta *self, guint index, guint od);

/** After those of the lost detections were removed. The meta must be new, and in no other thread's hands. */
void gst_dicenet_meta_forget_lost_ods (GstDicenetMeta *self);

/** (transfer none) (nullable): the mask in the buffer's relation meta that was made from this one. */
GstBuffer *gst_dicenet_meta_get_analytics_mask (const GstDicenetMeta *self);
void gst_dicenet_meta_set_analytics_mask (GstDicenetMeta *self, GstBuffer *mask);

gboolean gst_dicenet_result_get_analytics (const GstDicenetResult *self);

/** (transfer full) (nullable): the whole mask of the result for GstAnalytics, if it was made before. */
GstBuffer *gst_dicenet_result_get_analytics_mask (GstDicenetResult *self);

/** Keeps @mask (transfer full) unless another thread was faster. Returns (transfer full): the one that is kept. */
GstBuffer *gst_dicenet_result_set_analytics_mask (GstDicenetResult *self, GstBuffer *mask);

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
