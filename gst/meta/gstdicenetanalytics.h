/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/dicenet/gstdicenetobject.h>

G_BEGIN_DECLS

/** The same number for tracks that others count from 0, which is our "none". */
#define GST_DICENET_ANALYTICS_TRACK_0 G_MAXINT

/** An object detection (OD) in the relation meta of a buffer is known by its place among all ODs. */
#define GST_DICENET_ANALYTICS_NONE G_MAXUINT

#ifdef HAVE_GST_ANALYTICS

/** Makes sure that the relation meta comes before that of @result, which has @n detections, so that it is transformed
 * first: see _follow(). */
void gst_dicenet_analytics_prepare (GstBuffer *buffer, const GstDicenetResult *result, guint n);

/** Writes a new @meta of @buffer. */
void gst_dicenet_analytics_attach (GstBuffer *buffer, GstDicenetMeta *meta);

/** Makes what @buffer says in GstAnalytics agree with @meta, which was cropped, scaled or flipped on the way from
 * @before. */
void gst_dicenet_analytics_follow (GstBuffer *buffer, GstDicenetMeta *meta, GstBuffer *before);

/** Appends objects that are not ours, and tells ours in @objects which tracks others found for them. */
void gst_dicenet_analytics_append_objects (GArray *objects, GstBuffer *buffer);

/** The OD of a detection, or GST_DICENET_ANALYTICS_NONE. */
guint gst_dicenet_analytics_find (GstBuffer *buffer, const GstDicenetMeta *meta, guint index);

/* These do nothing if there is no such @od. */
void gst_dicenet_analytics_set_track_id (GstBuffer *buffer, guint od, guint64 track_id);
void gst_dicenet_analytics_add_result (GstBuffer *buffer, guint od, const GstDicenetResult *result);

/** Moves @objects (element-type GstDicenetObject) to their boxes. */
void gst_dicenet_analytics_move (GstBuffer *buffer, const GArray *objects);

/** (transfer full) (element-type GstDicenetResult): classifications of the object. */
GList *gst_dicenet_analytics_get_results (GstBuffer *buffer, guint od);

#else

static inline void
gst_dicenet_analytics_prepare (GstBuffer *buffer, const GstDicenetResult *result, guint n)
{
}

static inline void
gst_dicenet_analytics_attach (GstBuffer *buffer, GstDicenetMeta *meta)
{
}

static inline void
gst_dicenet_analytics_follow (GstBuffer *buffer, GstDicenetMeta *meta, GstBuffer *before)
{
}

static inline void
gst_dicenet_analytics_append_objects (GArray *objects, GstBuffer *buffer)
{
}

static inline guint
gst_dicenet_analytics_find (GstBuffer *buffer, const GstDicenetMeta *meta, guint index)
{
  return GST_DICENET_ANALYTICS_NONE;
}

static inline void
gst_dicenet_analytics_set_track_id (GstBuffer *buffer, guint od, guint64 track_id)
{
}

static inline void
gst_dicenet_analytics_move (GstBuffer *buffer, const GArray *objects)
{
}

static inline void
gst_dicenet_analytics_add_result (GstBuffer *buffer, guint od, const GstDicenetResult *result)
{
}

static inline GList *
gst_dicenet_analytics_get_results (GstBuffer *buffer, guint od)
{
  return NULL;
}

#endif

G_END_DECLS
