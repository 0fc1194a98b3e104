/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/dicenet/gstdicenetmeta.h>

G_BEGIN_DECLS

/**
 * GstDicenetObject:
 * @label: name of the class; valid as long as the buffer
 * @confidence: 0 to 1; 1 if the source says none
 * @x: left edge in pixels of the frame
 * @y: top edge in pixels
 * @w: width in pixels
 * @h: height in pixels
 * @track_id: identifies the same object in all frames, set by any tracker; 0 if there is none. Trackers of GStreamer
 * count from 0: their 0 is 2147483647
 * @region_id: `id` of the #GstDicenetDetection, #GstVideoRegionOfInterestMeta or #GstAnalyticsODMtd
 * @age: #GstDicenetMeta.age; 0 for objects of other elements
 * @age_time: #GstDicenetMeta.age_time; 0 for objects of other elements
 * @source_pts: #GstDicenetMeta.source_pts; %GST_CLOCK_TIME_NONE for objects of other elements
 * @result: (nullable): #GstDicenetMeta.result, valid as long as the buffer: objects with the same result, on any
 * frames, were found by one inference. %NULL for objects of other elements
 *
 * An object on a frame, whoever detected it: a detection of a #GstDicenetMeta, or a #GstVideoRegionOfInterestMeta or,
 * from GStreamer 1.24 on, a #GstAnalyticsODMtd of another element. A copy of what the buffer says: to change the
 * object, use the functions below. Only the library creates objects.
 */
typedef struct {
  const gchar *label;
  gdouble confidence;
  gdouble x, y, w, h;
  guint64 track_id;
  gint region_id;
  guint age;
  GstClockTime age_time;
  GstClockTime source_pts;
  GstDicenetResult *result;

  /*< private >*/
  gpointer _meta; /* that describes the object */
  guint _index;   /* of the object in it */
  gpointer _gst_reserved[8];
} GstDicenetObject;

#define GST_TYPE_DICENET_OBJECT (gst_dicenet_object_get_type ())
GST_DICENET_META_EXPORT GType gst_dicenet_object_get_type (void);

/**
 * gst_buffer_get_dicenet_objects: (skip)
 * @buffer: a buffer
 *
 * Each object appears once, however many metas describe it: detections in the order of
 * gst_buffer_iterate_dicenet_meta(), then regions of interest and #GstAnalyticsODMtd of other elements.
 *
 * The objects are valid until metas are added to or removed from @buffer by other functions than those for objects.
 *
 * Returns: (transfer full) (element-type GstDicenetObject): the objects of @buffer
 */
GST_DICENET_META_EXPORT GArray *gst_buffer_get_dicenet_objects (GstBuffer *buffer);

/**
 * gst_buffer_dup_dicenet_objects: (rename-to gst_buffer_get_dicenet_objects)
 * @buffer: a buffer
 *
 * Variant of gst_buffer_get_dicenet_objects() for language bindings, which do not support #GArray.
 *
 * Returns: (transfer full) (element-type GstDicenetMeta.DicenetObject): the objects of @buffer; free with
 * g_list_free_full() and g_free()
 */
GST_DICENET_META_EXPORT GList *gst_buffer_dup_dicenet_objects (GstBuffer *buffer);

/**
 * gst_buffer_set_dicenet_track_id:
 * @buffer: a writable buffer
 * @object: one of gst_buffer_get_dicenet_objects()
 * @track_id: the same number for the same object in all frames; 0 for none
 *
 * Sets the track_id wherever @buffer describes the object: in the detection, and in the region of interest, as DL
 * Streamer does, as the param `object_id` with the field `id` (int; omitted if the number is larger), and as
 * #GstAnalyticsTrackingMtd. Copies of the buffer are not affected.
 */
GST_DICENET_META_EXPORT void gst_buffer_set_dicenet_track_id (GstBuffer *buffer, const GstDicenetObject *object,
                                                              guint64 track_id);

/**
 * gst_buffer_move_dicenet_object:
 * @buffer: a writable buffer
 * @object: one of gst_buffer_get_dicenet_objects()
 * @x: left edge in pixels of the frame
 * @y: top edge in pixels
 * @w: width in pixels
 * @h: height in pixels
 *
 * Sets the position wherever @buffer describes the object, clipped to the frame; for instance to one that a tracker
 * predicts. Copies of the buffer are not affected.
 *
 * Returns: %FALSE if nothing of the box lies in the frame; the object then stays where it was
 */
GST_DICENET_META_EXPORT gboolean gst_buffer_move_dicenet_object (GstBuffer *buffer, const GstDicenetObject *object,
                                                                 gdouble x, gdouble y, gdouble w, gdouble h);

/**
 * gst_buffer_move_dicenet_objects: (skip)
 * @buffer: a writable buffer
 * @objects: (array length=n): copies of some of gst_buffer_get_dicenet_objects(), with new `x`, `y`, `w` and `h`
 * @n: number of @objects
 *
 * Like gst_buffer_move_dicenet_object() for each, but faster.
 *
 * Returns: number of objects that were moved
 */
GST_DICENET_META_EXPORT guint gst_buffer_move_dicenet_objects (GstBuffer *buffer, const GstDicenetObject *objects,
                                                               guint n);

/**
 * gst_buffer_add_dicenet_object_result:
 * @buffer: a writable buffer
 * @object: one of gst_buffer_get_dicenet_objects()
 * @result: result of a second-stage model for this object; a reference is taken
 *
 * Adds the result wherever @buffer describes the object: to the detection (gst_dicenet_detection_get_result()), and, if
 * it is a classification, its first class to the region of interest, as DL Streamer does, as a param `classification`
 * with the fields `label`, `model_name` (string), `label_id` (int) and `confidence` (double), and all of them as
 * #GstAnalyticsClsMtd. Copies of the buffer are not affected.
 */
GST_DICENET_META_EXPORT void gst_buffer_add_dicenet_object_result (GstBuffer *buffer, const GstDicenetObject *object,
                                                                   GstDicenetResult *result);

/**
 * gst_buffer_get_dicenet_object_results:
 * @buffer: a buffer
 * @object: one of gst_buffer_get_dicenet_objects()
 *
 * What second-stage models said about the object. Of objects of other elements, classifications only: these have the
 * class names in use for labels, and often no model name.
 *
 * Returns: (transfer full) (element-type GstDicenetMeta.DicenetResult): the results
 */
GST_DICENET_META_EXPORT GList *gst_buffer_get_dicenet_object_results (GstBuffer *buffer,
                                                                      const GstDicenetObject *object);

G_END_DECLS
