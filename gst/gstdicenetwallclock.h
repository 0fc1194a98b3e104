/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/** When a frame was captured, in ns since 1970 (UTC); 0 if unknown.
 *
 * Says what a GstReferenceTimestampMeta with a Unix or NTP time says. Without one, frames of a @live pipeline were
 * captured at their running time on the clock of @element, which the system's time is compared with now; others, from a
 * file, say, have no such time. */
guint64 gst_dicenet_wall_clock_time (GstElement *element, gboolean live, const GstSegment *segment, GstBuffer *frame);

/** @time, in ns since 1970, as RFC 3339 writes it: 2026-05-04T03:02:01.123Z. Free with g_free(). */
gchar *gst_dicenet_wall_clock_format (guint64 time);

G_END_DECLS
