/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>
#include "gstdicenetcounter.h"

G_BEGIN_DECLS

/* What a counter says, as metadata, as a property and as messages. */

/* Events and objects in zones that are told of, per frame. More would fill memory, of downstream's queues, too. */
#define GST_DICENET_MAX_LISTED 1000

/** Attaches the counts so far and @events (GstDicenetCrossing) to a writable buffer. */
void gst_dicenet_count_report_attach (const GstDicenetCounter *counter, const GArray *events, GstBuffer *buffer,
                                      guint width, guint height);

/** (transfer full): `dicenet-counts`, with arrays of `lines` and `zones`. */
GstStructure *gst_dicenet_count_report_new_counts (const GstDicenetCounter *counter);

/** (transfer full): `dicenet-count`, without times. */
GstStructure *gst_dicenet_count_report_new_event (const GstDicenetCounter *counter, const GstDicenetCrossing *event);

/** A static string. */
const gchar *gst_dicenet_count_report_get_kind (const GstDicenetCrossing *event);

/** A static string: "line" or "zone". */
const gchar *gst_dicenet_count_report_get_what (const GstDicenetShape *shape);

G_END_DECLS
