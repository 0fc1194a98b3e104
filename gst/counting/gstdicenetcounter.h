/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include "gstdicenetshapes.h"

G_BEGIN_DECLS

/**
 * GstDicenetCounter:
 *
 * Counts tracked objects that cross lines, and those in zones; docs/counting.md has the rules. Memory is bounded by
 * limits on objects that are followed at a time and on classes. Not thread-safe.
 */
typedef struct _GstDicenetCounter GstDicenetCounter;

/**
 * GstDicenetCountSettings:
 * @center: whether an object is where its box's centre is; otherwise where the middle of its lower edge is
 * @margin: how far behind a line, or outside of a zone, an object must be, as a fraction of its size in that direction
 * @confirmations: how many observations in a row must agree, 1 or more
 * @max_speed: an object that moves faster, in its own sizes per second, is another one; 0 for no limit
 * @lost_time: how long an object is remembered after it was last seen, in ns
 */
typedef struct {
  gboolean center;
  gdouble margin;
  guint confirmations;
  gdouble max_speed;
  gint64 lost_time;
} GstDicenetCountSettings;

/**
 * GstDicenetSighting:
 * @track_id: the object, not 0
 * @label: its class; any bytes
 * @x: left edge in pixels
 * @y: top edge in pixels
 * @w: width in pixels
 * @h: height in pixels
 * @time: when the object was observed, in ns. The same as for an earlier frame, or earlier, if the box is repeated or
 * predicted
 *
 * An object on a frame.
 */
typedef struct {
  guint64 track_id;
  const gchar *label;
  gdouble x, y, w, h;
  gint64 time;
} GstDicenetSighting;

typedef enum {
  GST_DICENET_CROSSED_FORWARD, /* from the left of the line to its right, on the way from its first to its second point
                                */
  GST_DICENET_CROSSED_BACKWARD,
  GST_DICENET_ZONE_ENTERED,
  GST_DICENET_ZONE_LEFT,
} GstDicenetCountEventKind;

/**
 * GstDicenetCrossing:
 * @kind: what happened
 * @shape: index of the line or zone
 * @track_id: the object
 * @label: its class, valid as long as the counter
 * @at: where the object is, or was last
 * @dwell: for %GST_DICENET_ZONE_LEFT, the time in the zone in ns
 */
typedef struct {
  GstDicenetCountEventKind kind;
  guint shape;
  guint64 track_id;
  const gchar *label;
  GstDicenetPosition at;
  gint64 dwell;
} GstDicenetCrossing;

/**
 * GstDicenetTally:
 * @label: class; %NULL for all classes. Valid as long as the counter
 * @n: for a line, objects that crossed forward and backward; for a zone, those that entered and left. The difference is
 * in the zone now
 * @dwell: total time in the zone of those that left, in ns
 */
typedef struct {
  const gchar *label;
  guint64 n[2];
  guint64 dwell;
} GstDicenetTally;

/** An object in a zone. */
typedef struct {
  guint shape;
  guint64 track_id;
  const gchar *label;
  gint64 dwell; /* so far, in ns */
} GstDicenetVisit;

/**
 * gst_dicenet_counter_new:
 * @shapes: (transfer full) (element-type GstDicenetShape): lines and zones
 */
GstDicenetCounter *gst_dicenet_counter_new (GPtrArray *shapes);
void gst_dicenet_counter_free (GstDicenetCounter *self);

/** The lines and zones, owned by @self. */
GPtrArray *gst_dicenet_counter_get_shapes (const GstDicenetCounter *self);

/**
 * gst_dicenet_counter_update:
 * @self: a counter
 * @settings: what counts
 * @width: width of the frame in pixels
 * @height: height of the frame in pixels
 * @now: time of the frame in ns; earlier ones than before are taken for the same
 * @seen: (array length=n_seen): the objects on the frame
 * @n_seen: number of @seen
 * @events: (element-type GstDicenetCrossing): what happened is appended
 *
 * To be called for each frame, in order. Returns %FALSE if some new objects are not followed, because there are too
 * many.
 */
gboolean gst_dicenet_counter_update (GstDicenetCounter *self, const GstDicenetCountSettings *settings, guint width,
                                     guint height, gint64 now, const GstDicenetSighting *seen, guint n_seen,
                                     GArray *events);

/** Forgets where objects are: those in zones leave. Counts stay. */
void gst_dicenet_counter_forget (GstDicenetCounter *self, GArray *events);

/** Sets all counts to 0, and forgets where objects are. */
void gst_dicenet_counter_reset (GstDicenetCounter *self);

/** The counts of a line or zone: first those of all classes, then by class. Owned by @self, valid until the next call
 * of another function. */
const GstDicenetTally *gst_dicenet_counter_get_tallies (const GstDicenetCounter *self, guint shape, guint *n);

/** Appends objects in zones to @visits (GstDicenetVisit), until it has @most. */
void gst_dicenet_counter_get_visits (const GstDicenetCounter *self, GArray *visits, guint most);

/** Number of objects that are remembered. */
guint gst_dicenet_counter_get_n_tracks (const GstDicenetCounter *self);

G_END_DECLS
