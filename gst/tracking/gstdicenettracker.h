/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include "gstdicenetmotion.h"

G_BEGIN_DECLS

/** Objects that are tracked at a time; further ones get no number. */
#define GST_DICENET_MAX_TRACKS 16384

/**
 * GstDicenetTracker:
 *
 * Follows the objects that one detector finds: objects of the next measurement are matched to tracks by the overlap of
 * boxes where each track is expected at that time. Confident objects are matched first, then the others to the tracks
 * that are left (ByteTrack). Not thread-safe.
 */
typedef struct _GstDicenetTracker GstDicenetTracker;

/** A detected object. Objects without a box of finite, positive size, or without a confidence, get no number. */
typedef struct {
  GstDicenetBox box;
  gdouble confidence;
  const gchar *label; /* nullable */
} GstDicenetObserved;

/**
 * GstDicenetTrackerSettings:
 * @high: objects of at least this confidence are matched first
 * @low: objects below are ignored; those from here to @high are matched to the tracks that are left
 * @start: objects of at least this confidence that match no track begin one
 * @min_iou: the least overlap (intersection over union) of an object with a track
 * @class_aware: objects only match tracks of their label
 * @min_hits: a track gets its number when it was found as often
 * @max_lost: seconds after which a track that isn't found is forgotten
 */
typedef struct {
  gdouble high, low, start;
  gdouble min_iou;
  gboolean class_aware;
  guint min_hits;
  gdouble max_lost;
} GstDicenetTrackerSettings;

/**
 * gst_dicenet_tracker_new:
 * @last_id: the last number that was given to a track. Several trackers may share one; must outlive them
 *
 * Returns: (transfer full): a tracker without tracks
 */
GstDicenetTracker *gst_dicenet_tracker_new (guint64 *last_id);

/** Frees a tracker. */
void gst_dicenet_tracker_free (GstDicenetTracker *self);

/** Forgets all tracks. Numbers go on. */
void gst_dicenet_tracker_forget (GstDicenetTracker *self);

/**
 * gst_dicenet_tracker_update:
 * @self: a tracker
 * @settings: what decides
 * @time: in seconds; times before the last update's count as that
 * @objects: all objects that were found at that time
 * @n_objects: number of @objects
 * @ids: (out caller-allocates): for each object the number of its track; 0 if it has none (yet)
 *
 * Matches the objects of a measurement.
 */
void gst_dicenet_tracker_update (GstDicenetTracker *self, const GstDicenetTrackerSettings *settings, gdouble time,
                                 const GstDicenetObserved *objects, guint n_objects, guint64 *ids);

/**
 * gst_dicenet_tracker_move:
 * @self: a tracker
 * @id: number of a track
 * @time: in seconds
 * @box: (inout): the object's box at the last update
 *
 * Moves a box to where the track is expected at @time, at most for some seconds after the last update. Does not change
 * the track.
 *
 * Returns: whether there is such a track
 */
gboolean gst_dicenet_tracker_move (GstDicenetTracker *self, guint64 id, gdouble time, GstDicenetBox *box);

/** Adapts the tracks to frames whose width and height changed by these factors. */
void gst_dicenet_tracker_scale (GstDicenetTracker *self, gdouble x, gdouble y);

/** Number of tracks that have a number, those included that are not found at present. */
guint gst_dicenet_tracker_get_n_tracks (const GstDicenetTracker *self);

/** Time of the last update in seconds. */
gdouble gst_dicenet_tracker_get_time (const GstDicenetTracker *self);

G_END_DECLS
