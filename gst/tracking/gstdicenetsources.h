/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>
#include "gstdicenettracker.h"

G_BEGIN_DECLS

/**
 * GstDicenetSources:
 *
 * Numbers the objects of frames. What different models found is followed separately, as each has its own pace; what
 * other elements found is one more source. Numbers are unique among all of them. Not thread-safe.
 */
typedef struct _GstDicenetSources GstDicenetSources;

/**
 * GstDicenetMoment:
 * @now: time of the frame in seconds, which never decreases
 * @frame_seconds: duration of a frame
 * @rate: by how much faster than timestamps that time goes
 */
typedef struct {
  gdouble now;
  gdouble frame_seconds;
  gdouble rate;
} GstDicenetMoment;

/** Returns: (transfer full): without any tracks; the first number will be 1 */
GstDicenetSources *gst_dicenet_sources_new (void);

/** Frees them. */
void gst_dicenet_sources_free (GstDicenetSources *self);

/** Forgets all tracks. Numbers go on. */
void gst_dicenet_sources_forget (GstDicenetSources *self);

/** Adapts the tracks to frames whose width and height changed by these factors. */
void gst_dicenet_sources_scale (GstDicenetSources *self, gdouble x, gdouble y);

/**
 * gst_dicenet_sources_process:
 * @self: the sources
 * @settings: what decides
 * @predict: whether objects of older results are moved to where they are expected at the time of the frame
 * @moment: when the frame is
 * @buffer: a writable frame
 *
 * Sets the track_id of all objects on a frame. A result that several frames carry counts once, at the time of the frame
 * that was inferred.
 */
void gst_dicenet_sources_process (GstDicenetSources *self, const GstDicenetTrackerSettings *settings, gboolean predict,
                                  const GstDicenetMoment *moment, GstBuffer *buffer);

/** Number of tracks that have a number, those included that are not found at present. */
guint gst_dicenet_sources_get_n_tracks (const GstDicenetSources *self);

/** The last number that was given. */
guint64 gst_dicenet_sources_get_last_id (const GstDicenetSources *self);

G_END_DECLS
