/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/video/video.h>

/* What main() of each test does. */
int run_tests (int argc, char **argv, const gchar *name, TCase *tests);

/** Path of the small random model for a task: "classify", "detect" or "segment". */
gchar *model_path (const gchar *task);

/** "dicenetsegment model=... threads=1 EXTRA": an element with the model of its task, for gst_parse_launch(). */
gchar *launch_line (const gchar *element, const gchar *extra);

/** An element, or several, in a harness with a bus. It waits for caps. */
GstHarness *harness_for (const gchar *line);
/** The element with its model in a harness, with a bus, and with video caps of this format and size. */
GstHarness *harness_new (const gchar *element, const gchar *extra, const gchar *format, gint width, gint height);
void harness_free (GstHarness *h);
/** "video/x-raw,format=...,width=...": 30 frames per second. */
gchar *video_caps (const gchar *format, gint width, gint height);
void set_caps (GstHarness *h, const gchar *format, gint width, gint height);
GstBus *bus_of (GstHarness *h);

/** How the memory of a test frame differs from what its caps alone say. */
typedef enum {
  LAYOUT_TIGHT,  /* GstVideoInfo's own strides, no meta */
  LAYOUT_PADDED, /* longer rows, and planes that start later: only a GstVideoMeta tells */
} Layout;

/**
 * A frame with a picture that depends on @seed, and with other bytes wherever no pixel is: a reader that goes astray
 * gets another result. Frame number @index gives the timestamps.
 */
GstBuffer *frame_new (const gchar *format, gint width, gint height, Layout layout, guint seed, guint index);
GstBuffer *frame_like (GstHarness *h, guint index);

/** All bytes of a buffer. */
GBytes *bytes_of (GstBuffer *buffer);

/** The only result of a kind that must be on the buffer. */
GstDicenetMeta *result_of (GstBuffer *buffer, GstDicenetTask task);
guint count_metas (GstBuffer *buffer, GType api);

/** Number of different labels in a mask. */
guint count_labels (GBytes *mask);

/** Fails unless the bus has an error (or a warning) of this code whose text has both parts in it. */
void expect_message (GstBus *bus, GstMessageType type, GQuark domain, gint code, const gchar *part, const gchar *part2);
/** Next message of a type, NULL if there is none. */
GstMessage *next_message (GstBus *bus, GstMessageType type);
