/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/** Objects that are remembered at a time: beyond, those that were not seen for longest are forgotten. */
#define GST_DICENET_MAX_TRAILS 1000

/** Positions of an object, and of all together: if there are more in the time, those kept are farther apart. The newest
 *  of each comes in addition. */
#define GST_DICENET_MAX_TRAIL_POINTS     256
#define GST_DICENET_MAX_ALL_TRAIL_POINTS 5000

/**
 * GstDicenetTrail:
 *
 * Where numbered objects were during the last seconds. Memory, and time for drawing, are bounded, whatever the
 * stream says: see the limits above. Not thread-safe.
 */
typedef struct _GstDicenetTrail GstDicenetTrail;

/** A position in pixels of the frame, and when the object was there last, in running time. */
typedef struct {
  gfloat x, y;
  gint64 time;
} GstDicenetTrailPoint;

/** Called with at least two @points, the newest last; @color is that of the last gst_dicenet_trail_add(). */
typedef void (*GstDicenetTrailFunc) (const GstDicenetTrailPoint *points, guint n, guint32 color, gpointer data);

GstDicenetTrail *gst_dicenet_trail_new (void);
void gst_dicenet_trail_free (GstDicenetTrail *self);
void gst_dicenet_trail_forget (GstDicenetTrail *self);

/**
 * gst_dicenet_trail_begin:
 * @self: a trail
 * @now: running time of the frame in ns; may be negative
 * @stay: how long positions stay, in ns
 * @view: what part of the picture the frame shows; if that changes, all is forgotten
 *
 * Begins a frame: forgets positions that are older than @stay, and all if time went back by more than that.
 */
void gst_dicenet_trail_begin (GstDicenetTrail *self, gint64 now, guint64 stay, const GstVideoRectangle *view);

/**
 * gst_dicenet_trail_add:
 * @self: a trail
 * @source: (nullable): who gave the number: the same number of another source is another object
 * @id: number of the object
 * @x: where it is on this frame
 * @y: likewise
 * @color: 0xRRGGBB
 *
 * Adds an object of the frame. If there are several of the same source and number, the first counts.
 */
void gst_dicenet_trail_add (GstDicenetTrail *self, const gchar *source, guint64 id, gdouble x, gdouble y,
                            guint32 color);

/** Those that were not seen for longest come first. */
void gst_dicenet_trail_foreach (const GstDicenetTrail *self, GstDicenetTrailFunc func, gpointer data);

/** Number of objects that are remembered. */
guint gst_dicenet_trail_get_n_objects (const GstDicenetTrail *self);

G_END_DECLS
