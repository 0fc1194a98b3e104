/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/** Notices when frames of a live source leave later and later. Used by one thread. */
typedef struct {
  /*< private >*/
  GstClockTimeDiff least, before; /* minimum lateness in this window and in the previous one */
  GstClockTime window;            /* start of this window, clock time as running time; NONE before the first frame */
  guint n_grown;                  /* number of consecutive windows with growing lateness */
  gboolean told;
} GstDicenetLateness;

/** Forgets earlier frames, at the begin of a stream or after a jump in it. */
void gst_dicenet_lateness_reset (GstDicenetLateness *self);

/**
 * gst_dicenet_lateness_watch:
 * @self: the lateness so far
 * @element: the element that a frame of a live source leaves now
 * @segment: segment of the frame
 * @pts: its timestamp
 * @allowed: latency of the pipeline, after which the frame is late
 * @waits: whether frames wait for inference
 *
 * Call it for each frame. While @element is in PLAYING, measures how late the frame is. If lateness grows for some
 * seconds, posts a warning and an element message `dicenet-late`: once, and again only after frames were in time.
 */
void gst_dicenet_lateness_watch (GstDicenetLateness *self, GstElement *element, const GstSegment *segment,
                                 GstClockTime pts, GstClockTime allowed, gboolean waits);

G_END_DECLS
