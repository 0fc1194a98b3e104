/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/dicenet/gstdicenetobject.h>

G_BEGIN_DECLS

/** The next region of @buffer from @state on, which points to NULL at first; NULL after the last one. */
GstVideoRegionOfInterestMeta *gst_dicenet_region_iterate (GstBuffer *buffer, gpointer *state);

/** The region that was made from the detection; NULL if it was removed. */
GstVideoRegionOfInterestMeta *gst_dicenet_region_find (GstBuffer *buffer, const GstDicenetMeta *meta,
                                                       const GstDicenetDetection *d);

/** Attaches the detection as a region. */
void gst_dicenet_region_add (GstBuffer *buffer, const GstDicenetMeta *meta, const GstDicenetDetection *d);

/** What the region says about an object. */
GstDicenetObject gst_dicenet_region_read (const GstVideoRegionOfInterestMeta *region);

void gst_dicenet_region_set_track_id (GstVideoRegionOfInterestMeta *region, guint64 track_id);

/** Whole pixels, at least one, within the frame's @width and @height. The box must be, too. */
void gst_dicenet_region_move (GstVideoRegionOfInterestMeta *region, gdouble x, gdouble y, gdouble w, gdouble h,
                              guint width, guint height);

void gst_dicenet_region_add_result (GstVideoRegionOfInterestMeta *region, const GstDicenetResult *result);

/** (transfer full) (element-type GstDicenetResult): classifications of the object. */
GList *gst_dicenet_region_get_results (const GstVideoRegionOfInterestMeta *region);

G_END_DECLS
