/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/video/video.h>

/* Common main() of the tests. */
int run_tests (int argc, char **argv, const gchar *name, TCase *tests);

/** Path of the small random model for a task: "classify", "detect" or "segment". */
gchar *model_path (const gchar *task);

/** "dicenetsegment model=... threads=1 precision=float32 EXTRA": an element with the model of its task, for
 * gst_parse_launch(); it computes the same on every processor. */
gchar *launch_line (const gchar *element, const gchar *extra);

/** An element or several in a harness with a bus, without caps. */
GstHarness *harness_for (const gchar *line);
/** The element with its model in a harness with a bus, with video caps of this format and size. */
GstHarness *harness_new (const gchar *element, const gchar *extra, const gchar *format, gint width, gint height);
void harness_free (GstHarness *h);
/** "video/x-raw,format=...,width=...": 30 frames per second. */
gchar *video_caps (const gchar *format, gint width, gint height);
void set_caps (GstHarness *h, const gchar *format, gint width, gint height);
GstBus *bus_of (GstHarness *h);

/** How the memory layout of a test frame differs from what its caps imply. */
typedef enum {
  LAYOUT_TIGHT,  /* GstVideoInfo's own strides, no meta */
  LAYOUT_PADDED, /* padded rows, and planes with gaps: described by GstVideoMeta only */
} Layout;

/**
 * A frame with a picture that depends on @seed, and different bytes outside of the pixels, so that a wrong read changes
 * the result. Timestamps follow from the frame number @index.
 */
GstBuffer *frame_new (const gchar *format, gint width, gint height, Layout layout, guint seed, guint index);
GstBuffer *frame_like (GstHarness *h, guint index);

/** All bytes of a buffer. */
GBytes *bytes_of (GstBuffer *buffer);

/** The only result of this task on the buffer; fails the test if there is not exactly one. */
GstDicenetMeta *result_of (GstBuffer *buffer, GstDicenetTask task);
guint count_metas (GstBuffer *buffer, GType api);

/** A number of the element's property stats. */
guint64 stat_of (GstHarness *h, const gchar *field);

/** Number of different labels in a mask. */
guint count_labels (GBytes *mask);

/** Fails unless the bus has an error (or a warning) with this code whose text contains both parts. */
void expect_message (GstBus *bus, GstMessageType type, GQuark domain, gint code, const gchar *part, const gchar *part2);
/** Sets a property to a text that is refused: fails unless a warning says both parts and the property still is @kept.
 */
void expect_kept (GstHarness *h, const gchar *property, const gchar *kept, const gchar *refused, const gchar *part,
                  const gchar *part2);
/** Fails if there is an error or a warning. */
void expect_no_message (GstHarness *h);
/** The next message of a type, or NULL. */
GstMessage *next_message (GstBus *bus, GstMessageType type);
