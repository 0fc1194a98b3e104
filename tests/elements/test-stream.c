/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Stream handling: buffers pass unmodified through caps changes, flushes, seeks, EOS and state changes. */

#include "common.h"

static const gchar *const ELEMENTS[] = { "dicenetclassify", "dicenetdetect", "dicenetsegment" };

static GstBuffer *
marked_frame (GstHarness *h)
{
  GstBuffer *frame = frame_like (h, 7);

  GST_BUFFER_DTS (frame) = 5 * GST_MSECOND;
  GST_BUFFER_OFFSET (frame) = 70;
  GST_BUFFER_OFFSET_END (frame) = 71;
  GST_BUFFER_FLAG_SET (frame, GST_BUFFER_FLAG_DISCONT | GST_BUFFER_FLAG_MARKER | GST_BUFFER_FLAG_CORRUPTED |
                                  GST_VIDEO_BUFFER_FLAG_INTERLACED);
  gst_buffer_add_video_time_code_meta_full (frame, 30, 1, NULL, GST_VIDEO_TIME_CODE_FLAGS_NONE, 1, 2, 3, 4, 0);
  return frame;
}

static void
check_untouched (const gchar *element, gboolean shared)
{
  GstHarness *h = harness_new (element, NULL, "I420", 64, 48);
  GstBuffer *in = marked_frame (h);
  GstBuffer *reference = gst_buffer_copy_deep (in);
  GstMemory *memory = gst_buffer_peek_memory (in, 0);

  if (shared)
    gst_buffer_ref (in);
  GstBuffer *out = gst_harness_push_and_pull (h, in);

  fail_unless_equals_uint64 (GST_BUFFER_PTS (out), GST_BUFFER_PTS (reference));
  fail_unless_equals_uint64 (GST_BUFFER_DTS (out), GST_BUFFER_DTS (reference));
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (out), GST_BUFFER_DURATION (reference));
  fail_unless_equals_uint64 (GST_BUFFER_OFFSET (out), GST_BUFFER_OFFSET (reference));
  fail_unless_equals_uint64 (GST_BUFFER_OFFSET_END (out), GST_BUFFER_OFFSET_END (reference));
  fail_unless_equals_int (GST_BUFFER_FLAGS (out) & ~GST_BUFFER_FLAG_TAG_MEMORY,
                          GST_BUFFER_FLAGS (reference) & ~GST_BUFFER_FLAG_TAG_MEMORY);
  fail_unless (gst_buffer_get_video_time_code_meta (out) != NULL);
  fail_unless (gst_buffer_peek_memory (out, 0) == memory, "the pixels were copied");
  fail_unless_equals_int (count_metas (out, GST_DICENET_META_API_TYPE), 1);
  if (shared) {
    fail_unless_equals_int (count_metas (in, GST_DICENET_META_API_TYPE), 0);
    gst_buffer_unref (in);
  }
  gst_buffer_unref (out);
  gst_buffer_unref (reference);
  harness_free (h);
}

GST_START_TEST (test_buffers_untouched)
{
  check_untouched (ELEMENTS[__i__], FALSE);
  check_untouched (ELEMENTS[__i__], TRUE);
}
GST_END_TEST;

static void
expect_frame_size (GstHarness *h, GstDicenetTask task, const gchar *format, guint width, guint height)
{
  gchar *text = video_caps (format, (gint) width, (gint) height);
  GstCaps *caps = gst_caps_from_string (text);

  /* New caps without a new segment. */
  fail_unless (gst_harness_push_event (h, gst_event_new_caps (caps)));
  gst_caps_unref (caps);
  g_free (text);
  GstBuffer *out = gst_harness_push_and_pull (h, frame_like (h, 0));
  GstDicenetMeta *meta = result_of (out, task);

  fail_unless_equals_int (meta->frame_width, width);
  fail_unless_equals_int (meta->frame_height, height);
  fail_unless_equals_int (meta->age, 0);
  if (task == GST_DICENET_TASK_SEGMENT) {
    fail_unless_equals_int (meta->result->mask_width, MAX (width, 32));
    fail_unless_equals_int (meta->result->mask_height, MAX (height, 32));
  }
  gst_buffer_unref (out);
}

GST_START_TEST (test_caps_change)
{
  GstHarness *h = harness_new (ELEMENTS[__i__], "inference-size=native inference-interval=100", "I420", 64, 48);
  GstDicenetTask task = (GstDicenetTask) __i__;

  expect_frame_size (h, task, "I420", 64, 48);
  expect_frame_size (h, task, "I420", 96, 50);
  expect_frame_size (h, task, "RGB", 33, 35);
  expect_frame_size (h, task, "NV12", 8, 8);
  expect_frame_size (h, task, "I420", 64, 48);
  harness_free (h);
}
GST_END_TEST;

static guint
push_for_age (GstHarness *h, guint index, GstDicenetResult **result)
{
  GstBuffer *out = gst_harness_push_and_pull (h, frame_like (h, index));

  fail_unless (out != NULL);
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (out, GST_DICENET_TASK_DETECT);
  guint age = meta->age;
  fail_unless_equals_uint64 (meta->age_time, GST_BUFFER_PTS (out) - meta->source_pts);
  fail_unless_equals_uint64 (meta->source_pts, gst_util_uint64_scale (index - age, GST_SECOND, 30));
  if (result)
    *result = meta->result;
  gst_buffer_unref (out);
  return age;
}

static gdouble
fps_of (GstHarness *h)
{
  GstStructure *stats;
  gdouble fps = -1;

  g_object_get (h->element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_double (stats, "fps", &fps));
  gst_structure_free (stats);
  return fps;
}

/* Inferences per second: of every second frame of ten per second at most. */
GST_START_TEST (test_fps)
{
  GstHarness *h = harness_new ("dicenetdetect", "inference-interval=2", "I420", 64, 48);
  const gint64 begin = g_get_monotonic_time ();
  guint i = 0;

  fail_unless (fps_of (h) == 0);
  while (g_get_monotonic_time () - begin < 1300 * G_TIME_SPAN_MILLISECOND) {
    gst_buffer_unref (gst_harness_push_and_pull (h, frame_like (h, i++)));
    g_usleep (G_USEC_PER_SEC / 10);
  }
  fail_unless (fps_of (h) > 0 && fps_of (h) <= 5, "%g", fps_of (h));
  harness_free (h);
}
GST_END_TEST;

GST_START_TEST (test_interval)
{
  GstHarness *h = harness_new ("dicenetdetect", "inference-interval=3", "I420", 64, 48);
  GstDicenetResult *at_0 = NULL, *at_1 = NULL, *at_2 = NULL;
  guint64 frames, inferred;
  GstStructure *stats;

  fail_unless_equals_int (push_for_age (h, 0, &at_0), 0);
  fail_unless_equals_int (push_for_age (h, 1, &at_1), 1);
  fail_unless_equals_int (push_for_age (h, 2, &at_2), 2);
  fail_unless (at_0 && at_0 == at_1 && at_0 == at_2);
  fail_unless_equals_int (push_for_age (h, 3, NULL), 0);
  fail_unless_equals_int (push_for_age (h, 4, NULL), 1);
  g_object_get (h->element, "stats", &stats, NULL);
  fail_unless (gst_structure_get (stats, "frames", G_TYPE_UINT64, &frames, "inferred", G_TYPE_UINT64, &inferred, NULL));
  fail_unless_equals_uint64 (frames, 5);
  fail_unless_equals_uint64 (inferred, 2);
  gst_structure_free (stats);

  /* The property can change while playing. */
  g_object_set (h->element, "inference-interval", 1, NULL);
  fail_unless_equals_int (push_for_age (h, 5, NULL), 0);
  fail_unless_equals_int (push_for_age (h, 6, NULL), 0);
  harness_free (h);
}
GST_END_TEST;

/* After a flush, the first frame is inferred, because the last result belongs to another position. */
GST_START_TEST (test_flush)
{
  GstHarness *h = harness_new ("dicenetdetect", "inference-interval=10", "I420", 64, 48);
  GstSegment segment;

  fail_unless_equals_int (push_for_age (h, 0, NULL), 0);
  fail_unless_equals_int (push_for_age (h, 1, NULL), 1);
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_start ()));
  fail_unless_equals_int (gst_harness_push (h, frame_like (h, 2)), GST_FLOW_FLUSHING);
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
  fail_unless_equals_int (push_for_age (h, 3, NULL), 0);
  fail_unless_equals_int (push_for_age (h, 4, NULL), 1);
  /* Another segment, as of the next file, without a flush. */
  fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
  fail_unless_equals_int (push_for_age (h, 5, NULL), 0);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  fail_unless (next_message (bus_of (h), GST_MESSAGE_ERROR) == NULL);
  harness_free (h);
}
GST_END_TEST;

/* A gap has no picture: it passes without a result. */
GST_START_TEST (test_gap)
{
  GstHarness *h = harness_new ("dicenetdetect", NULL, "I420", 64, 48);
  GstBuffer *gap = frame_like (h, 0);

  GST_BUFFER_FLAG_SET (gap, GST_BUFFER_FLAG_GAP);
  GstBuffer *out = gst_harness_push_and_pull (h, gap);
  fail_unless (GST_BUFFER_FLAG_IS_SET (out, GST_BUFFER_FLAG_GAP));
  fail_unless_equals_int (count_metas (out, GST_DICENET_META_API_TYPE), 0);
  gst_buffer_unref (out);
  harness_free (h);
}
GST_END_TEST;

/* A buffer that is smaller than its caps imply is an error, not a read beyond its end. */
GST_START_TEST (test_short_buffer)
{
  GstHarness *h = harness_new ("dicenetsegment", NULL, "I420", 64, 48);

  fail_unless_equals_int (gst_harness_push (h, gst_buffer_new_allocate (NULL, 100, NULL)), GST_FLOW_ERROR);
  expect_message (bus_of (h), GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
                  "smaller than the caps say", NULL);
  harness_free (h);
}
GST_END_TEST;

GST_START_TEST (test_too_large_for_native)
{
  GstHarness *h = harness_new ("dicenetsegment", "inference-size=native", "GRAY8", 64, 48);

  set_caps (h, "GRAY8", 5000, 32);
  fail_if (gst_harness_push (h, frame_new ("GRAY8", 5000, 32, LAYOUT_TIGHT, 1, 0)) == GST_FLOW_OK);
  expect_message (bus_of (h), GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "5000x32", "4096");
  harness_free (h);
}
GST_END_TEST;

/* --- latency and QoS --- */

GST_START_TEST (test_latency)
{
  gchar *line = launch_line ("dicenetsegment", NULL);
  GstHarness *h = harness_for (line);
  guint64 last;
  GstStructure *stats;

  gst_harness_set_upstream_latency (h, 10 * GST_MSECOND);
  set_caps (h, "I420", 64, 48);
  /* A live pipeline gets a LATENCY message before the first frame, and another one when the latency changes. */
  GstMessage *message = next_message (bus_of (h), GST_MESSAGE_LATENCY);
  fail_unless (message != NULL);
  gst_message_unref (message);
  fail_unless (gst_harness_query_latency (h) > 10 * GST_MSECOND);

  gst_buffer_unref (gst_harness_push_and_pull (h, frame_like (h, 0)));
  g_object_get (h->element, "stats", &stats, NULL);
  fail_unless (gst_structure_get (stats, "last-latency", G_TYPE_UINT64, &last, NULL));
  fail_unless (last > 0);
  gst_structure_free (stats);
  harness_free (h);
  g_free (line);
}
GST_END_TEST;

/* One second of frames that leave @late after they were due. */
static void
push_late (GstHarness *h, guint second, GstClockTime late)
{
  GstClock *clock = gst_element_get_clock (h->element);

  for (guint i = second * 4; i < second * 4 + 4; i++) {
    GstBuffer *frame = frame_like (h, 0);
    GST_BUFFER_PTS (frame) = i * GST_SECOND / 4;
    gst_harness_set_time (h, MAX (gst_clock_get_time (clock), i * GST_SECOND / 4 + late));
    gst_buffer_unref (gst_harness_push_and_pull (h, frame));
  }
  gst_object_unref (clock);
}

/* Counts messages about lateness, each preceded by a warning. */
static guint
late_messages (GstHarness *h)
{
  const GstMessageType types = GST_MESSAGE_ELEMENT | GST_MESSAGE_WARNING;
  guint n = 0, n_warnings = 0;

  for (GstMessage *message; (message = next_message (bus_of (h), types)); gst_message_unref (message)) {
    n += gst_message_has_name (message, "dicenet-late");
    n_warnings += GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING;
    fail_unless (n <= n_warnings && n_warnings <= n + 1);
  }
  fail_unless_equals_int (n_warnings, n);
  return n;
}

/* Lateness that grows for seconds is reported once; a short delay and constant lateness are not. */
GST_START_TEST (test_lateness)
{
  GstHarness *h = harness_new ("dicenetdetect", NULL, "I420", 64, 48);

  gst_harness_use_testclock (h);
  for (guint s = 0; s < 20; s++)
    push_late (h, s, s == 10 ? 5 * GST_SECOND : 2 * GST_SECOND);
  fail_unless_equals_int (late_messages (h), 0);
  for (guint s = 20; s < 60; s++)
    push_late (h, s, (s - 17) * GST_SECOND);
  fail_unless_equals_int (late_messages (h), 1);
  harness_free (h);
}
GST_END_TEST;

/* The warning says what helps, which depends on the mode. */
GST_START_TEST (test_lateness_advice)
{
  static const gchar *const modes[] = { "every-frame", "newest" };
  static const gchar *const advice[] = { "Set inference-mode=newest on 'e'", "though they don't wait for inference" };

  for (guint i = 0; i < G_N_ELEMENTS (modes); i++) {
    gchar *extra = g_strdup_printf ("name=e inference-mode=%s", modes[i]);
    GstHarness *h = harness_new ("dicenetdetect", extra, "I420", 64, 48);
    gst_harness_use_testclock (h);
    for (guint s = 0; s < 40; s++)
      push_late (h, s, s * GST_SECOND);
    expect_message (bus_of (h), GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY, advice[i], NULL);
    harness_free (h);
    g_free (extra);
  }
}
GST_END_TEST;

/* If a frame takes seconds, the stream advances slowly: the report does not take longer. */
GST_START_TEST (test_lateness_of_slow_frames)
{
  GstHarness *h = harness_new ("dicenetdetect", NULL, "I420", 64, 48);
  GstClockTime now = 0;
  guint n = 0;

  gst_harness_use_testclock (h);
  for (guint i = 0; n == 0 && now < 60 * GST_SECOND; i++) {
    GstBuffer *frame = frame_like (h, 0);
    GST_BUFFER_PTS (frame) = i * GST_SECOND / 30;
    now = (i + 1) * 3 * GST_SECOND;
    gst_harness_set_time (h, now);
    gst_buffer_unref (gst_harness_push_and_pull (h, frame));
    n = late_messages (h);
  }
  fail_unless_equals_int (n, 1);
  fail_unless (now <= 20 * GST_SECOND, "told after %" GST_TIME_FORMAT, GST_TIME_ARGS (now));
  harness_free (h);
}
GST_END_TEST;

/* After frames were in time, lateness is reported again; a flush or a new segment also resets it. */
GST_START_TEST (test_lateness_again)
{
  GstHarness *h = harness_new ("dicenetdetect", NULL, "I420", 64, 48);
  GstSegment segment;
  guint s = 0;

  gst_harness_use_testclock (h);
  for (; s < 20; s++)
    push_late (h, s, s * GST_SECOND);
  fail_unless_equals_int (late_messages (h), 1);
  /* Stays late, which was reported already. */
  for (guint late = s; s < 30; s++)
    push_late (h, s, late * GST_SECOND);
  for (; s < 60; s++)
    push_late (h, s, s * GST_SECOND);
  fail_unless_equals_int (late_messages (h), 0);
  /* The clock does not go back: use timestamps in the future. */
  for (s = 130; s < 140; s++)
    push_late (h, s, 0);
  for (; s < 160; s++)
    push_late (h, s, (s - 139) * GST_SECOND);
  fail_unless_equals_int (late_messages (h), 1);

  for (s = 200; s < 210; s++)
    push_late (h, s, 0);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  for (guint i = 0; i < 5; i++) { /* growing, but too short */
    gst_harness_push_event (h, gst_event_new_flush_start ());
    gst_harness_push_event (h, gst_event_new_flush_stop (FALSE));
    gst_harness_push_event (h, gst_event_new_segment (&segment));
    for (guint k = 0; k < 3; k++, s++)
      push_late (h, s, (s - 200) * GST_SECOND);
  }
  fail_unless_equals_int (late_messages (h), 0);
  harness_free (h);
}
GST_END_TEST;

/* In PAUSED, lateness does not grow. */
GST_START_TEST (test_lateness_paused)
{
  GstHarness *h = harness_new ("dicenetdetect", NULL, "I420", 64, 48);

  gst_harness_use_testclock (h);
  for (guint s = 0; s < 20; s++) {
    push_late (h, s, 0);
    GstClock *clock = gst_element_get_clock (h->element);
    const GstClockTime base = gst_element_get_base_time (h->element);
    gst_element_set_state (h->element, GST_STATE_PAUSED);
    gst_harness_set_time (h, gst_clock_get_time (clock) + 10 * GST_SECOND);
    gst_element_set_base_time (h->element, base + 10 * GST_SECOND);
    gst_element_set_state (h->element, GST_STATE_PLAYING);
    gst_object_unref (clock);
  }
  fail_unless_equals_int (late_messages (h), 0);
  harness_free (h);
}
GST_END_TEST;

/* Without a live source, frames are always late, but never too late. */
GST_START_TEST (test_lateness_of_files)
{
  gchar *line = launch_line ("dicenetdetect", NULL);
  GstHarness *h = harness_for (line);

  gst_harness_set_live (h, FALSE);
  set_caps (h, "I420", 64, 48);
  gst_harness_use_testclock (h);
  for (guint s = 0; s < 40; s++)
    push_late (h, s, s * GST_SECOND);
  fail_unless_equals_int (late_messages (h), 0);
  harness_free (h);
  g_free (line);
}
GST_END_TEST;

static void
send_late (GstHarness *h, GstClockTime now)
{
  /* "The frame due at @now - 1 s was 1 s late": frames before @now are too late as well. */
  gst_harness_push_upstream_event (
      h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2.0, (GstClockTimeDiff) GST_SECOND / 2, now - GST_SECOND / 2));
}

GST_START_TEST (test_qos)
{
  GstHarness *h = harness_new ("dicenetdetect", NULL, "I420", 64, 48);
  gboolean qos;

  g_object_get (h->element, "qos", &qos, NULL);
  fail_unless (!qos);
  gst_buffer_unref (gst_harness_push_and_pull (h, frame_like (h, 0)));
  send_late (h, 10 * GST_SECOND);
  GstBuffer *late = gst_harness_push_and_pull (h, frame_like (h, 1));
  fail_unless (late && count_metas (late, GST_DICENET_META_API_TYPE) == 1, "a late frame lost its result unasked");
  gst_buffer_unref (late);

  g_object_set (h->element, "qos", TRUE, NULL);
  send_late (h, 10 * GST_SECOND);
  fail_unless_equals_int (gst_harness_push (h, frame_like (h, 2)), GST_FLOW_OK);
  fail_unless_equals_int (gst_harness_buffers_in_queue (h), 0);
  GstMessage *message = next_message (bus_of (h), GST_MESSAGE_QOS);
  fail_unless (message != NULL);
  gst_message_unref (message);
  harness_free (h);
}
GST_END_TEST;

/* --- pipelines --- */

static GstElement *
pipeline_new (const gchar *element, guint n_buffers)
{
  gchar *filter = launch_line (element, "name=filter inference-interval=4 inference-size=32x32");
  gchar *line = g_strdup_printf ("videotestsrc num-buffers=%u ! video/x-raw,format=I420,width=64,height=48 ! %s ! "
                                 "fakesink name=sink sync=false",
                                 n_buffers, filter);
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);

  fail_unless (pipeline && !error, "%s", error ? error->message : line);
  g_free (filter);
  g_free (line);
  return pipeline;
}

static void
wait_for_eos (GstElement *pipeline)
{
  GstMessage *message =
      gst_bus_timed_pop_filtered (GST_ELEMENT_BUS (pipeline), 30 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

  fail_unless (message != NULL, "the pipeline hangs");
  fail_unless_equals_string (GST_MESSAGE_TYPE_NAME (message), "eos");
  gst_message_unref (message);
}

static guint64
frames_of (GstElement *pipeline)
{
  GstElement *filter = gst_bin_get_by_name (GST_BIN (pipeline), "filter");
  GstStructure *stats;
  guint64 frames = 0;

  g_object_get (filter, "stats", &stats, NULL);
  gst_structure_get (stats, "frames", G_TYPE_UINT64, &frames, NULL);
  gst_structure_free (stats);
  gst_object_unref (filter);
  return frames;
}

typedef struct {
  GstElement *pipeline;
  guint n_late;
  guint64 lateness;
} Watched;

static void
watched_init (Watched *self, gboolean is_live, guint rate, guint sleep, const gchar *extra)
{
  gchar *filter = launch_line ("dicenetdetect", extra);
  gchar *line = g_strdup_printf ("videotestsrc is-live=%d ! video/x-raw,format=I420,width=64,height=48,framerate=%u/1 "
                                 "! identity sleep-time=%u ! %s ! fakesink sync=true",
                                 is_live, rate, sleep, filter);
  GError *error = NULL;

  *self = (Watched){ .pipeline = gst_parse_launch (line, &error) };
  fail_unless (self->pipeline && !error, "%s", error ? error->message : line);
  fail_if (gst_element_set_state (self->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE);
  g_free (filter);
  g_free (line);
}

static void
watched_read (Watched *self)
{
  GstMessage *message;

  for (; (message = next_message (GST_ELEMENT_BUS (self->pipeline), GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR));
       gst_message_unref (message)) {
    fail_if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR);
    if (!gst_message_has_name (message, "dicenet-late"))
      continue;
    self->n_late++;
    gst_structure_get_uint64 (gst_message_get_structure (message), "lateness", &self->lateness);
  }
}

static void
watched_clear (Watched *self)
{
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  gst_object_unref (self->pipeline);
}

/* 20 frames per second, of which at most 16 can be processed, compared with pipelines that are as slow but not late.
 * Runs until lateness is reported. */
GST_START_TEST (test_lateness_in_pipelines)
{
  Watched late, file, in_time, dropping;

  watched_init (&late, TRUE, 20, 60000, "");
  watched_init (&file, FALSE, 20, 60000, "");
  watched_init (&in_time, TRUE, 5, 0, "");
  /* Frames that are late at the sink are dropped without inference: the throughput is the same, but the frames are in
   * time. */
  watched_init (&dropping, TRUE, 20, 0, "qos=true");
  for (guint tenth = 0; tenth < 300 && late.n_late == 0; tenth++) {
    g_usleep (G_USEC_PER_SEC / 10);
    watched_read (&late);
    if (tenth % 30 == 10)
      gst_element_set_state (in_time.pipeline, GST_STATE_PAUSED);
    else if (tenth % 30 == 15)
      gst_element_set_state (in_time.pipeline, GST_STATE_PLAYING);
  }
  watched_read (&file);
  watched_read (&in_time);
  watched_read (&dropping);
  fail_unless_equals_int (late.n_late, 1);
  fail_unless (late.lateness > GST_SECOND && late.lateness < 60 * GST_SECOND);
  fail_unless_equals_int (file.n_late + in_time.n_late + dropping.n_late, 0);
  watched_clear (&late);
  watched_clear (&file);
  watched_clear (&in_time);
  watched_clear (&dropping);
}
GST_END_TEST;

GST_START_TEST (test_eos)
{
  GstElement *pipeline = pipeline_new (ELEMENTS[__i__], 10);

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_eos (pipeline);
  fail_unless_equals_uint64 (frames_of (pipeline), 10);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}
GST_END_TEST;

GST_START_TEST (test_seek)
{
  GstElement *pipeline = pipeline_new ("dicenetsegment", 1000);
  GstState state;

  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  fail_unless_equals_int (gst_element_get_state (pipeline, &state, NULL, 30 * GST_SECOND), GST_STATE_CHANGE_SUCCESS);
  for (guint i = 0; i < 10; i++) {
    fail_unless (gst_element_seek (pipeline, 1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET,
                                   i * GST_SECOND / 3, GST_SEEK_TYPE_SET, (i + 1) * GST_SECOND));
    fail_unless_equals_int (gst_element_get_state (pipeline, &state, NULL, 30 * GST_SECOND), GST_STATE_CHANGE_SUCCESS);
  }
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_eos (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}
GST_END_TEST;

/* Every second time only to READY and back; sometimes in mid-stream. */
GST_START_TEST (test_state_cycles)
{
  GstElement *pipeline = pipeline_new (ELEMENTS[__i__], 3);

  for (guint i = 0; i < 50; i++) {
    fail_if (gst_element_set_state (pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE);
    if (i % 5 != 4) {
      wait_for_eos (pipeline);
      fail_unless_equals_uint64 (frames_of (pipeline), 3);
    }
    fail_unless_equals_int (gst_element_set_state (pipeline, i % 2 ? GST_STATE_NULL : GST_STATE_READY),
                            GST_STATE_CHANGE_SUCCESS);
    gst_bus_set_flushing (GST_ELEMENT_BUS (pipeline), TRUE);
    gst_bus_set_flushing (GST_ELEMENT_BUS (pipeline), FALSE);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}
GST_END_TEST;

int
main (int argc, char **argv)
{
  TCase *tests = tcase_create ("stream");
  const int n = G_N_ELEMENTS (ELEMENTS);

  tcase_add_loop_test (tests, test_buffers_untouched, 0, n);
  tcase_add_loop_test (tests, test_caps_change, 0, n);
  tcase_add_test (tests, test_fps);
  tcase_add_test (tests, test_interval);
  tcase_add_test (tests, test_flush);
  tcase_add_test (tests, test_gap);
  tcase_add_test (tests, test_short_buffer);
  tcase_add_test (tests, test_too_large_for_native);
  tcase_add_test (tests, test_latency);
  tcase_add_test (tests, test_lateness);
  tcase_add_test (tests, test_lateness_advice);
  tcase_add_test (tests, test_lateness_of_slow_frames);
  tcase_add_test (tests, test_lateness_again);
  tcase_add_test (tests, test_lateness_paused);
  tcase_add_test (tests, test_lateness_of_files);
  tcase_add_test (tests, test_lateness_in_pipelines);
  tcase_add_test (tests, test_qos);
  tcase_add_loop_test (tests, test_eos, 0, n);
  tcase_add_test (tests, test_seek);
  tcase_add_loop_test (tests, test_state_cycles, 0, n);
  return run_tests (argc, argv, "stream", tests);
}
