/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* inference-mode=newest: no frame waits for the network; each carries the newest result, and none that belongs to
 * another part of the stream. A large inference size makes the network slow. */

#include "common.h"

#define SLOW "inference-mode=newest inference-size=1024x1024"
#define FAST "inference-mode=newest inference-size=64x64"

static const gchar *const ELEMENTS[] = { "dicenetclassify", "dicenetdetect", "dicenetsegment" };

static GstClockTime
pts_of (guint index)
{
  return gst_util_uint64_scale (index, GST_SECOND, 30);
}

static guint
index_of (GstClockTime pts)
{
  return (guint) gst_util_uint64_scale_round (pts, 30, GST_SECOND);
}

/* Every frame has another picture. */
static GstBuffer *
pass (GstHarness *h, guint index)
{
  GstBuffer *out = gst_harness_push_and_pull (h, frame_new ("I420", 64, 48, LAYOUT_TIGHT, index, index));

  fail_unless (out != NULL);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (out), pts_of (index));
  return out;
}

/* The result on a frame, whose age must be right; NULL if it has none. */
static GstDicenetMeta *
find_result (GstBuffer *frame)
{
  gpointer state = NULL;
  GstDicenetMeta *meta = gst_buffer_iterate_dicenet_meta (frame, &state);

  if (!meta)
    return NULL;
  fail_unless (gst_buffer_iterate_dicenet_meta (frame, &state) == NULL);
  fail_unless_equals_uint64 (meta->age_time, GST_BUFFER_PTS (frame) - meta->source_pts);
  fail_unless_equals_int (meta->age, index_of (GST_BUFFER_PTS (frame)) - index_of (meta->source_pts));
  fail_unless (meta->age > 0, "a frame waited for its own result");
  return meta;
}

/* Passes frames from *@index on until one carries a result, and returns that one. */
static GstBuffer *
pass_until_result (GstHarness *h, guint *index)
{
  for (guint i = 0; i < 10000; i++) {
    GstBuffer *out = pass (h, (*index)++);
    if (find_result (out))
      return out;
    gst_buffer_unref (out);
    g_usleep (5000);
  }
  fail ("no result in 50 seconds");
  return NULL;
}

/* Passes a frame that an inference begins with, and returns its index. */
static guint
begin_inference (GstHarness *h, guint *index)
{
  for (guint i = 0; i < 10000; i++) {
    const guint64 before = stat_of (h, "skipped");
    gst_buffer_unref (pass (h, (*index)++));
    if (stat_of (h, "skipped") == before)
      return *index - 1;
    g_usleep (5000);
  }
  fail ("no inference in 50 seconds");
  return 0;
}

GST_START_TEST (test_never_waits)
{
  GstHarness *h = harness_new (ELEMENTS[__i__], SLOW, "I420", 64, 48);
  guint index = 0, n_shared = 0;

  GstBuffer *early = pass (h, index++);
  fail_unless_equals_int (count_metas (early, GST_DICENET_META_API_TYPE), 0);
  fail_unless_equals_uint64 (stat_of (h, "inferred"), 0);
  gst_buffer_unref (early);
  GstBuffer *out = pass_until_result (h, &index);
  fail_unless_equals_uint64 (find_result (out)->source_pts, 0);
  /* Frames share a result until the next is there. */
  while (n_shared == 0) {
    GstBuffer *next = pass (h, index++);
    n_shared += find_result (next)->result == find_result (out)->result;
    fail_unless ((find_result (next)->result == find_result (out)->result) == (find_result (next)->source_pts == 0));
    gst_buffer_unref (next);
  }
  gst_buffer_unref (out);
  fail_unless_equals_uint64 (stat_of (h, "frames"), index);
  fail_unless (stat_of (h, "skipped") >= index - stat_of (h, "inferred") - 1);
  fail_unless (stat_of (h, "skipped") <= index - stat_of (h, "inferred"));
  fail_unless (stat_of (h, "mean-age") >= pts_of (1));
  harness_free (h);
}
GST_END_TEST;

/* However fast frames come, the network runs once at a time, and the others are not kept. */
GST_START_TEST (test_no_queue)
{
  GstHarness *h = harness_new ("dicenetdetect", SLOW " post-messages=true", "I420", 64, 48);
  guint n = 0;

  for (guint i = 0; i < 300; i++)
    gst_buffer_unref (pass (h, i));
  const guint64 skipped = stat_of (h, "skipped");
  fail_unless (skipped > 200, "%" G_GUINT64_FORMAT " of 300 skipped", skipped);
  /* The last inference ends before EOS passes, and its message comes before. */
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  fail_unless_equals_uint64 (stat_of (h, "inferred"), 300 - skipped);
  for (GstMessage *m; (m = next_message (bus_of (h), GST_MESSAGE_ELEMENT)); gst_message_unref (m))
    n++;
  fail_unless_equals_int (n, 300 - skipped);
  harness_free (h);
}
GST_END_TEST;

/* A file that is read as fast as possible gets hardly any results; one that is played at its own pace as many as it can
 * have. */
GST_START_TEST (test_pace)
{
  const gboolean played = __i__ == 1;
  g_autofree gchar *line = launch_line ("dicenetdetect", "inference-mode=newest inference-size=2048x2048");
  GstHarness *h = harness_for (line);

  gst_harness_set_live (h, FALSE);
  set_caps (h, "I420", 64, 48);
  for (guint i = 0; i < (played ? 15 : 100); i++) {
    gst_buffer_unref (pass (h, i));
    if (played)
      g_usleep (33333);
  }
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  if (!played)
    expect_message (bus_of (h), GST_MESSAGE_WARNING, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "of 100 frames",
                    "inference-mode=every-frame");
  expect_no_message (h);
  harness_free (h);
}
GST_END_TEST;

static void
expect_equal (const GstDicenetMeta *a, const GstDicenetMeta *b)
{
  fail_unless_equals_int (gst_dicenet_meta_get_n_detections (a), gst_dicenet_meta_get_n_detections (b));
  for (guint i = 0; i < gst_dicenet_meta_get_n_detections (a); i++) {
    const GstDicenetDetection *p = gst_dicenet_meta_get_detection (a, i), *q = gst_dicenet_meta_get_detection (b, i);
    fail_unless (p->label_id == q->label_id && p->confidence == q->confidence);
    fail_unless (p->x == q->x && p->y == q->y && p->w == q->w && p->h == q->h);
  }
  fail_unless_equals_int (gst_dicenet_result_get_n_classes (a->result), gst_dicenet_result_get_n_classes (b->result));
  for (guint i = 0; i < gst_dicenet_result_get_n_classes (a->result); i++) {
    const GstDicenetClass *p = gst_dicenet_result_get_class (a->result, i);
    const GstDicenetClass *q = gst_dicenet_result_get_class (b->result, i);
    fail_unless (p->label_id == q->label_id && p->confidence == q->confidence);
  }
  fail_unless (!a->result->mask == !b->result->mask);
  fail_unless (!a->result->mask || g_bytes_equal (a->result->mask, b->result->mask));
}

/* The results are those that the frames get when they wait. */
GST_START_TEST (test_same_results)
{
  GstHarness *h = harness_new (ELEMENTS[__i__], FAST, "I420", 64, 48);
  GstHarness *waiting = harness_new (ELEMENTS[__i__], "inference-size=64x64", "I420", 64, 48);
  GstClockTime last = GST_CLOCK_TIME_NONE;

  for (guint index = 0, n_compared = 0; n_compared < 5;) {
    GstBuffer *out = pass_until_result (h, &index);
    const GstDicenetMeta *meta = find_result (out);
    if (meta->source_pts != last) {
      last = meta->source_pts;
      n_compared++;
      GstBuffer *own = pass (waiting, index_of (last));
      expect_equal (meta, result_of (own, (GstDicenetTask) __i__));
      gst_buffer_unref (own);
    }
    gst_buffer_unref (out);
  }
  harness_free (waiting);
  harness_free (h);
}
GST_END_TEST;

typedef enum {
  FLUSH,
  SEGMENT,
} Jump;

static void
jump (GstHarness *h, Jump how)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  if (how == FLUSH) {
    fail_unless (gst_harness_push_event (h, gst_event_new_flush_start ()));
    fail_unless (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
  }
  fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
}

static void
drop_messages (GstHarness *h)
{
  for (GstMessage *m; (m = next_message (bus_of (h), GST_MESSAGE_ELEMENT));)
    gst_message_unref (m);
}

/* No result of before a flush or a new segment comes after it, whether it was there or still under way; nor a
 * message. */
static void
check_jump (Jump how, gboolean has_result)
{
  GstHarness *h = harness_new ("dicenetdetect", SLOW " post-messages=true", "I420", 64, 48);
  guint index = 0;

  if (has_result)
    gst_buffer_unref (pass_until_result (h, &index));
  begin_inference (h, &index);
  jump (h, how);
  drop_messages (h);
  const guint begin = index;
  GstBuffer *out = pass (h, index++);
  fail_unless_equals_int (count_metas (out, GST_DICENET_META_API_TYPE), 0);
  gst_buffer_unref (out);
  out = pass_until_result (h, &index);
  fail_unless (find_result (out)->source_pts >= pts_of (begin), "a result of before");
  gst_buffer_unref (out);
  for (GstMessage *m; (m = next_message (bus_of (h), GST_MESSAGE_ELEMENT)); gst_message_unref (m)) {
    guint64 pts;
    fail_unless (gst_structure_get_uint64 (gst_message_get_structure (m), "pts", &pts) && pts >= pts_of (begin));
  }
  harness_free (h);
}

GST_START_TEST (test_jumps)
{
  check_jump (__i__ & 1 ? FLUSH : SEGMENT, __i__ & 2);
}
GST_END_TEST;

/* A result fits the frames that carry it. */
GST_START_TEST (test_new_caps)
{
  GstHarness *h = harness_new ("dicenetsegment", "inference-mode=newest inference-size=native", "GRAY8", 1024, 768);

  gst_buffer_unref (gst_harness_push_and_pull (h, frame_like (h, 0)));
  set_caps (h, "GRAY8", 320, 240);
  for (guint i = 1, n_results = 0; n_results < 3; i++) {
    GstBuffer *out = gst_harness_push_and_pull (h, frame_like (h, i));
    const GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (out, GST_DICENET_TASK_SEGMENT);
    if (meta) {
      fail_unless (meta->frame_width == 320 && meta->frame_height == 240 && meta->source_pts >= pts_of (1));
      fail_unless (meta->result->mask_width == 320 && meta->result->mask_height == 240);
      n_results++;
    }
    gst_buffer_unref (out);
    g_usleep (2000);
  }
  harness_free (h);
}
GST_END_TEST;

/* One message per inference, with the times of its frame. */
GST_START_TEST (test_messages)
{
  GstHarness *h = harness_new (ELEMENTS[__i__], FAST " post-messages=true", "I420", 64, 48);
  guint index = 0;
  guint64 pts, running_time, stream_time, last = 0;
  guint width, n = 0;

  for (guint i = 0; i < 5; i++)
    gst_buffer_unref (pass_until_result (h, &index));
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  for (GstMessage *m; (m = next_message (bus_of (h), GST_MESSAGE_ELEMENT)); gst_message_unref (m), n++) {
    const GstStructure *s = gst_message_get_structure (m);
    fail_unless (gst_structure_get (s, "pts", G_TYPE_UINT64, &pts, "running-time", G_TYPE_UINT64, &running_time,
                                    "stream-time", G_TYPE_UINT64, &stream_time, "width", G_TYPE_UINT, &width, NULL));
    fail_unless (pts == running_time && pts == stream_time && width == 64);
    fail_unless (n == 0 ? pts == 0 : pts > last);
    fail_unless (gst_structure_has_field (s, "classes") || gst_structure_has_field (s, "objects"));
    last = pts;
  }
  fail_unless_equals_uint64 (n, stat_of (h, "inferred"));
  harness_free (h);
}
GST_END_TEST;

/* The latency is what frames wait for: not the network. */
GST_START_TEST (test_latency)
{
  GstHarness *h = harness_new ("dicenetsegment", SLOW, "I420", 64, 48);
  guint index = 0;

  gst_buffer_unref (pass_until_result (h, &index));
  const GstClockTime latency = gst_harness_query_latency (h), network = stat_of (h, "last-latency");
  fail_unless (latency > 0 && latency < network / 2, "%" GST_TIME_FORMAT " of %" GST_TIME_FORMAT,
               GST_TIME_ARGS (latency), GST_TIME_ARGS (network));
  harness_free (h);
}
GST_END_TEST;

GST_START_TEST (test_interval)
{
  GstHarness *h = harness_new ("dicenetdetect", FAST " inference-interval=7", "I420", 64, 48);
  guint index = 0;

  guint before = begin_inference (h, &index);
  fail_unless_equals_int (before, 0);
  for (guint i = 0; i < 5; i++) {
    const guint next = begin_inference (h, &index);
    fail_unless (next - before >= 7, "%u after %u", next, before);
    before = next;
  }
  g_object_set (h->element, "inference-interval", 2, NULL);
  for (guint i = 0; i < 100 && begin_inference (h, &index) - before >= 7; i++)
    before = index - 1;
  fail_unless (index - 1 - before < 7, "the new interval was not used");
  harness_free (h);
}
GST_END_TEST;

/* Frames carry no result that is too old. */
GST_START_TEST (test_max_age)
{
  GstHarness *h = harness_new ("dicenetdetect", FAST " inference-interval=1000000", "I420", 64, 48);
  guint index = 0;

  gst_buffer_unref (pass_until_result (h, &index));
  g_object_set (h->element, "max-age", pts_of (index + 2), NULL);
  for (guint i = 0; i < 10; i++) {
    GstBuffer *out = pass (h, index);
    fail_unless ((find_result (out) != NULL) == (i <= 2), "frame %u", i);
    gst_buffer_unref (out);
    index++;
  }
  g_object_set (h->element, "max-age", (guint64) 0, NULL);
  GstBuffer *out = pass (h, index);
  fail_unless (find_result (out) != NULL);
  gst_buffer_unref (out);
  harness_free (h);
}
GST_END_TEST;

/* A gap has no picture: it is neither inferred nor counted, and carries no result. */
GST_START_TEST (test_gap)
{
  GstHarness *h = harness_new ("dicenetdetect", FAST, "I420", 64, 48);
  guint index = 0;

  gst_buffer_unref (pass_until_result (h, &index));
  GstBuffer *gap = frame_like (h, index);
  GST_BUFFER_FLAG_SET (gap, GST_BUFFER_FLAG_GAP);
  GstBuffer *out = gst_harness_push_and_pull (h, gap);
  fail_unless_equals_int (count_metas (out, GST_DICENET_META_API_TYPE), 0);
  gst_buffer_unref (out);
  fail_unless_equals_uint64 (stat_of (h, "frames"), index);
  gst_buffer_unref (pass (h, index));
  harness_free (h);
}
GST_END_TEST;

/* Frames without timestamps carry results of unknown age in time. */
GST_START_TEST (test_no_timestamps)
{
  GstHarness *h = harness_new ("dicenetdetect", FAST " max-age=1", "I420", 64, 48);
  const GstDicenetMeta *meta = NULL;

  for (guint i = 0; i < 10000 && !meta; i++) {
    GstBuffer *frame = frame_like (h, 0);
    GST_BUFFER_PTS (frame) = GST_CLOCK_TIME_NONE;
    GstBuffer *out = gst_harness_push_and_pull (h, frame);
    meta = gst_buffer_get_dicenet_meta (out, GST_DICENET_TASK_DETECT);
    if (meta)
      fail_unless (meta->age > 0 && meta->age_time == GST_CLOCK_TIME_NONE && meta->source_pts == GST_CLOCK_TIME_NONE);
    gst_buffer_unref (out);
    g_usleep (2000);
  }
  fail_unless (meta != NULL);
  harness_free (h);
}
GST_END_TEST;

/* The old result is drawn. */
GST_START_TEST (test_overlay)
{
  GstHarness *h = harness_new ("dicenetsegment", FAST " overlay=true", "I420", 64, 48);

  for (guint index = 0, n_drawn = 0; n_drawn < 3; index++) {
    GstBuffer *plain = frame_new ("I420", 64, 48, LAYOUT_TIGHT, index, index), *out = pass (h, index);
    GBytes *before = bytes_of (plain), *after = bytes_of (out);
    const gboolean has_result = find_result (out) != NULL;
    fail_unless (g_bytes_equal (before, after) != has_result, "frame %u", index);
    n_drawn += has_result;
    g_bytes_unref (before);
    g_bytes_unref (after);
    gst_buffer_unref (plain);
    gst_buffer_unref (out);
    g_usleep (2000);
  }
  harness_free (h);
}
GST_END_TEST;

/* To READY or NULL and back while the network runs. Nothing of before comes after. */
GST_START_TEST (test_states)
{
  GstHarness *h = harness_new (ELEMENTS[__i__], SLOW, "I420", 64, 48);

  for (guint i = 0; i < 4; i++) {
    guint index = 100 * i;
    if (i == 2)
      gst_buffer_unref (pass_until_result (h, &index));
    begin_inference (h, &index);
    fail_unless_equals_int (gst_element_set_state (h->element, i & 1 ? GST_STATE_READY : GST_STATE_NULL),
                            GST_STATE_CHANGE_SUCCESS);
    fail_if (gst_element_set_state (h->element, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE);
    gst_harness_play (h);
    set_caps (h, "I420", 64, 48);
    index = 100 * (i + 1) - 1;
    GstBuffer *out = pass (h, index);
    fail_unless_equals_int (count_metas (out, GST_DICENET_META_API_TYPE), 0);
    gst_buffer_unref (out);
  }
  fail_unless (next_message (bus_of (h), GST_MESSAGE_ERROR) == NULL);
  harness_free (h);
}
GST_END_TEST;

/* A frame that can't be read is an error, as in the other mode. */
GST_START_TEST (test_short_buffer)
{
  GstHarness *h = harness_new ("dicenetsegment", FAST, "I420", 64, 48);

  fail_unless_equals_int (gst_harness_push (h, gst_buffer_new_allocate (NULL, 100, NULL)), GST_FLOW_ERROR);
  expect_message (bus_of (h), GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
                  "smaller than the caps say", NULL);
  fail_unless (next_message (bus_of (h), GST_MESSAGE_ERROR) == NULL);
  harness_free (h);
}
GST_END_TEST;

/* The mode can't change while the element is open. */
GST_START_TEST (test_mode_while_open)
{
  GstHarness *h = harness_new ("dicenetdetect", FAST, "I420", 64, 48);
  gint mode;

  gst_util_set_object_arg (G_OBJECT (h->element), "inference-mode", "every-frame");
  expect_message (bus_of (h), GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "inference-mode",
                  "READY");
  g_object_get (h->element, "inference-mode", &mode, NULL);
  fail_unless_equals_int (mode, 1);
  harness_free (h);
}
GST_END_TEST;

int
main (int argc, char **argv)
{
  TCase *tests = tcase_create ("newest");
  const int n = G_N_ELEMENTS (ELEMENTS);

  tcase_add_loop_test (tests, test_never_waits, 0, n);
  tcase_add_test (tests, test_no_queue);
  tcase_add_loop_test (tests, test_pace, 0, 2);
  tcase_add_loop_test (tests, test_same_results, 0, n);
  tcase_add_loop_test (tests, test_jumps, 0, 4);
  tcase_add_test (tests, test_new_caps);
  tcase_add_loop_test (tests, test_messages, 0, n);
  tcase_add_test (tests, test_latency);
  tcase_add_test (tests, test_interval);
  tcase_add_test (tests, test_max_age);
  tcase_add_test (tests, test_gap);
  tcase_add_test (tests, test_no_timestamps);
  tcase_add_test (tests, test_overlay);
  tcase_add_loop_test (tests, test_states, 0, n);
  tcase_add_test (tests, test_short_buffer);
  tcase_add_test (tests, test_mode_while_open);
  return run_tests (argc, argv, "newest", tests);
}
