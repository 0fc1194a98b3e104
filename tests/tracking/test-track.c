/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dicenettrack: whose objects it numbers, when a measurement counts, and what makes it forget. */

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/dicenet/gstdicenetobject.h>
#include <gst/video/video.h>
#include <math.h>

#define CAPS(more) "video/x-raw,format=I420," more
#define USUAL      CAPS ("width=640,height=480,framerate=25/1")
#define FRAME      (GST_SECOND / 25)

static const gchar *const LABELS[] = { "background", "person", "car", NULL };

static GstHarness *
harness_new (const gchar *launch)
{
  GstHarness *h = gst_harness_new_parse (launch);

  gst_harness_set_src_caps_str (h, USUAL);
  return h;
}

static GstDicenetResult *
result_new (const gchar *model)
{
  return gst_dicenet_result_new (GST_DICENET_TASK_DETECT, model, LABELS, 0);
}

static GstBuffer *
frame_at (GstClockTime pts)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, 16, NULL); /* pixels that nobody reads */

  GST_BUFFER_PTS (buffer) = pts;
  return buffer;
}

static GstDicenetDetection
person_at (gdouble x, gdouble y)
{
  return (GstDicenetDetection){ .label_id = 1, .confidence = 0.9, .x = x, .y = y, .w = 40, .h = 80 };
}

/* Attaches what was found when the stream was at @source. */
static void
add_result (GstBuffer *buffer, GstDicenetResult *result, const GstDicenetDetection *found, guint n, guint age)
{
  GstDicenetMeta *meta = gst_buffer_add_dicenet_meta_from_array (buffer, result, 640, 480, found, n, age);

  meta->age_time = age * FRAME;
  meta->source_pts = GST_BUFFER_PTS (buffer) - meta->age_time;
}

/* A frame on which @n objects were found just now. */
static GstBuffer *
frame_with (GstClockTime pts, const GstDicenetDetection *found, guint n)
{
  GstBuffer *buffer = frame_at (pts);
  GstDicenetResult *result = result_new ("some");

  gst_buffer_add_dicenet_meta_from_array (buffer, result, 640, 480, found, n, 0);
  gst_dicenet_result_unref (result);
  return buffer;
}

static GstDicenetObject
object_of (GstBuffer *buffer, guint index)
{
  GArray *objects = gst_buffer_get_dicenet_objects (buffer);

  fail_unless (index < objects->len, "%u objects", objects->len);
  GstDicenetObject object = g_array_index (objects, GstDicenetObject, index);
  g_array_unref (objects);
  return object;
}

static guint64
id_of (GstBuffer *buffer, guint index)
{
  return object_of (buffer, index).track_id;
}

static GstBuffer *
pass (GstHarness *h, GstBuffer *buffer)
{
  GstBuffer *out = gst_harness_push_and_pull (h, buffer);

  fail_unless (out != NULL);
  return out;
}

/* Pushes a frame with someone at x, and returns the number. */
static guint64
pass_person (GstHarness *h, GstClockTime pts, gdouble x)
{
  const GstDicenetDetection person = person_at (x, 100);
  GstBuffer *out = pass (h, frame_with (pts, &person, 1));
  const guint64 id = id_of (out, 0);

  gst_buffer_unref (out);
  return id;
}

/* Someone who stands at x = 100 has number 1 on three frames from @index on. */
static void
settle (GstHarness *h, guint index)
{
  pass_person (h, index * FRAME, 100);
  for (guint i = 1; i < 3; i++)
    fail_unless_equals_uint64 (pass_person (h, (index + i) * FRAME, 100), 1);
}

static void
expect_stats (GstHarness *h, guint alive, guint64 total)
{
  GstElement *element = gst_harness_find_element (h, "dicenettrack");
  GstStructure *stats;
  guint64 total_found;
  guint alive_found;

  g_object_get (element, "stats", &stats, NULL);
  fail_unless (
      gst_structure_get (stats, "alive", G_TYPE_UINT, &alive_found, "total", G_TYPE_UINT64, &total_found, NULL));
  fail_unless (alive_found == alive && total_found == total, "%u of %" G_GUINT64_FORMAT, alive_found, total_found);
  gst_structure_free (stats);
  gst_object_unref (element);
}

/* --- whose objects --- */

/* The number is in the detection and in the region that was made from it. */
GST_START_TEST (test_numbers)
{
  GstHarness *h = harness_new ("dicenettrack");

  for (guint i = 0; i < 20; i++) {
    const GstDicenetDetection found[] = { person_at (100 + 4 * i, 100), person_at (400 - 3 * i, 300) };
    GstBuffer *out = pass (h, frame_with (i * FRAME, found, 2));
    const guint64 one = i < 1 ? 0 : 1, two = i < 1 ? 0 : 2;
    GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (out, GST_DICENET_TASK_DETECT);
    fail_unless_equals_uint64 (gst_dicenet_meta_get_detection (meta, 0)->track_id, one);
    fail_unless_equals_uint64 (gst_dicenet_meta_get_detection (meta, 1)->track_id, two);
    fail_unless (gst_dicenet_meta_get_detection (meta, 0)->x == found[0].x, "a new box moved");
    GstVideoRegionOfInterestMeta *region = gst_buffer_get_video_region_of_interest_meta_id (out, 2);
    GstStructure *param = gst_video_region_of_interest_meta_get_param (region, "object_id");
    gint id = 0;
    fail_unless (i == 0 ? param == NULL : gst_structure_get_int (param, "id", &id) && id == 2);
    gst_buffer_unref (out);
  }
  expect_stats (h, 2, 2);
  gst_harness_teardown (h);
}
GST_END_TEST

/* An object that can't be followed takes no number from the others. */
GST_START_TEST (test_no_confidence)
{
  GstHarness *h = harness_new ("dicenettrack");
  GstDicenetDetection found[] = { person_at (300, 100), person_at (100, 100) };

  found[0].confidence = NAN;
  for (guint i = 0; i < 3; i++) {
    GstBuffer *out = pass (h, frame_with (i * FRAME, found, 2));
    fail_unless_equals_uint64 (id_of (out, 0), 0);
    fail_unless_equals_uint64 (id_of (out, 1), i > 0);
    gst_buffer_unref (out);
  }
  gst_harness_teardown (h);
}
GST_END_TEST;

/* Regions of elements that know nothing of us, on every second frame. */
GST_START_TEST (test_regions)
{
  GstHarness *h = harness_new ("dicenettrack");

  for (guint i = 0; i < 20; i++) {
    GstBuffer *frame = frame_at (i * FRAME);
    if (i % 2 == 0)
      gst_buffer_add_video_region_of_interest_meta (frame, "face", 100 + i, 100, 50, 50);
    GstBuffer *out = pass (h, frame);
    if (i % 2 == 0)
      fail_unless_equals_uint64 (id_of (out, 0), i >= 2);
    gst_buffer_unref (out);
  }
  expect_stats (h, 1, 1);
  /* After max-lost, a frame without regions says that nothing is there. */
  gst_buffer_unref (pass (h, frame_at (4 * GST_SECOND)));
  expect_stats (h, 0, 1);
  gst_harness_teardown (h);
}
GST_END_TEST

/* Each model's objects are followed by themselves: one of them looks at every third frame only. */
GST_START_TEST (test_models)
{
  GstHarness *h = harness_new ("dicenettrack");
  GstDicenetResult *slow = NULL;
  const GstDicenetDetection person = person_at (100, 100);

  for (guint i = 0; i < 12; i++) {
    GstBuffer *frame = frame_with (i * FRAME, &person, 1);
    if (i % 3 == 0) {
      g_clear_pointer (&slow, gst_dicenet_result_unref);
      slow = result_new ("slow");
    }
    add_result (frame, slow, &person, 1, i % 3);
    GstBuffer *out = pass (h, frame);
    fail_unless_equals_uint64 (id_of (out, 0), i > 0);
    fail_unless_equals_uint64 (id_of (out, 1), i > 2 ? 2 : 0);
    gst_buffer_unref (out);
  }
  expect_stats (h, 2, 2);
  gst_dicenet_result_unref (slow);
  gst_harness_teardown (h);
}
GST_END_TEST

/* However many there are. */
GST_START_TEST (test_many_models)
{
  GstHarness *h = harness_new ("dicenettrack min-hits=1");
  const GstDicenetDetection person = person_at (100, 100);

  for (guint i = 0; i < 50; i++) {
    GstBuffer *frame = frame_at (i * FRAME);
    for (guint j = 0; j < 20; j++) {
      g_autofree gchar *name = g_strdup_printf ("model %u", i * 20 + j);
      GstDicenetResult *result = result_new (name);
      add_result (frame, result, &person, 1, 0);
      gst_dicenet_result_unref (result);
    }
    gst_buffer_unref (pass (h, frame));
  }
  expect_stats (h, 16, 1000);
  gst_harness_teardown (h);
}
GST_END_TEST

/* A frame that somebody else looks at, too, stays as it is. */
GST_START_TEST (test_shared_frame)
{
  GstHarness *h = harness_new ("dicenettrack min-hits=1");
  const GstDicenetDetection person = person_at (100, 100);
  GstBuffer *frame = frame_with (0, &person, 1), *out;

  gst_buffer_ref (frame);
  out = pass (h, frame);
  fail_unless_equals_uint64 (id_of (out, 0), 1);
  fail_unless_equals_uint64 (id_of (frame, 0), 0);
  fail_unless (gst_buffer_peek_memory (out, 0) == gst_buffer_peek_memory (frame, 0), "pixels were copied");
  gst_buffer_unref (frame);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}
GST_END_TEST

/* Numbers of another tracker are replaced: one that is not ours would look like one. */
GST_START_TEST (test_numbered_before)
{
  GstHarness *h = harness_new ("dicenettrack");
  const GstDicenetDetection person = person_at (100, 100);
  GstBuffer *frame = frame_with (0, &person, 1);

  gst_dicenet_meta_set_track_id (gst_buffer_get_dicenet_meta (frame, GST_DICENET_TASK_DETECT), 0, 77);
  GstBuffer *out = pass (h, frame);
  fail_unless_equals_uint64 (id_of (out, 0), 0);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}
GST_END_TEST

/* --- older results --- */

/* Results on every fifth frame. Each counts once: repeating it is no second hit, and moves on no track. */
static void
pass_walk (GstHarness *h, gboolean predict, gboolean with_time)
{
  GstDicenetResult *result = NULL;
  GstDicenetDetection person;

  for (guint i = 0; i < 50; i++) {
    GstBuffer *frame = frame_at (i * FRAME);
    if (i % 5 == 0) {
      g_clear_pointer (&result, gst_dicenet_result_unref);
      result = result_new ("some");
      person = person_at (100 + 5 * i, 100);
    }
    add_result (frame, result, &person, 1, i % 5);
    if (!with_time)
      gst_buffer_get_dicenet_meta (frame, GST_DICENET_TASK_DETECT)->age_time = GST_CLOCK_TIME_NONE;
    GstBuffer *out = pass (h, frame);
    const GstDicenetObject object = object_of (out, 0);
    fail_unless_equals_uint64 (object.track_id, i >= 5);
    const gdouble expected = predict ? 100 + 5 * i : person.x;
    fail_unless (i < 15 || fabs (object.x - expected) < (predict ? 2 : 1e-9), "frame %u: %g, not %g", i, object.x,
                 expected);
    gst_buffer_unref (out);
  }
  gst_dicenet_result_unref (result);
}

GST_START_TEST (test_interval)
{
  static const gchar *const launch[] = { "dicenettrack", "dicenettrack predict=false", "dicenettrack" };
  GstHarness *h = harness_new (launch[__i__]);

  pass_walk (h, __i__ != 1, __i__ != 2);
  expect_stats (h, 1, 1);
  gst_harness_teardown (h);
}
GST_END_TEST

/* inference-mode=newest: a result is seen first when it is old already. Who walks 5 pixels per frame has that velocity,
 * measured at the times when frames were captured, and is where a frame shows him. */
GST_START_TEST (test_late)
{
  GstHarness *h = harness_new ("dicenettrack");
  GstDicenetResult *result = NULL;
  GstDicenetDetection person;
  guint source = 0;

  for (guint i = 4; i < 80; i++) {
    GstBuffer *frame = frame_at (i * FRAME);
    if (i % 4 == 0) { /* it comes 3 or 4 frames late, and stays for four */
      g_clear_pointer (&result, gst_dicenet_result_unref);
      result = result_new ("some");
      source = i - 3 - i / 4 % 2;
      person = person_at (50 + 5 * source, 100);
    }
    add_result (frame, result, &person, 1, i - source);
    GstBuffer *out = pass (h, frame);
    const GstDicenetObject object = object_of (out, 0);
    fail_unless_equals_uint64 (object.track_id, i >= 8);
    fail_unless (i < 24 || fabs (object.x - (50 + 5 * i)) < 3, "frame %u: %g, not %u", i, object.x, 50 + 5 * i);
    gst_buffer_unref (out);
  }
  gst_dicenet_result_unref (result);
  gst_harness_teardown (h);
}
GST_END_TEST

/* A crop on the way removed an object from the frame's copy of an older result: the others keep their numbers. */
GST_START_TEST (test_lost_detection)
{
  GstHarness *h = harness_new ("dicenettrack min-hits=1");
  GstDicenetDetection found[] = { person_at (50, 100), person_at (200, 100), person_at (400, 100) };
  GstDicenetResult *result = result_new ("some");
  GstBuffer *frame = frame_at (0), *out;

  for (guint i = 0; i < 3; i++)
    found[i].confidence -= 0.1 * i;
  add_result (frame, result, found, 3, 0);
  out = pass (h, frame);
  for (guint i = 0; i < 3; i++)
    fail_unless_equals_uint64 (id_of (out, i), i + 1);
  gst_buffer_unref (out);
  frame = frame_at (FRAME);
  add_result (frame, result, found + 1, 2, 1);
  out = pass (h, frame);
  for (guint i = 0; i < 2; i++)
    fail_unless_equals_uint64 (id_of (out, i), i + 2);
  gst_buffer_unref (out);
  gst_dicenet_result_unref (result);
  gst_harness_teardown (h);
}
GST_END_TEST

/* --- time --- */

/* What goes on, and what begins anew. Numbers never come back. */
GST_START_TEST (test_flush)
{
  GstHarness *h = harness_new ("dicenettrack");

  settle (h, 0);
  gst_harness_push_event (h, gst_event_new_flush_start ());
  gst_harness_push_event (h, gst_event_new_flush_stop (TRUE));
  expect_stats (h, 0, 1);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  fail_unless_equals_uint64 (pass_person (h, 3 * FRAME, 100), 0);
  fail_unless_equals_uint64 (pass_person (h, 4 * FRAME, 100), 2);
  gst_harness_teardown (h);
}
GST_END_TEST

GST_START_TEST (test_streams)
{
  GstHarness *h = gst_harness_new ("dicenettrack");
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  for (guint i = 0; i < 4; i++) {
    gst_harness_push_event (h, gst_event_new_stream_start (i < 2 ? "first" : "second"));
    gst_harness_set_src_caps_str (h, USUAL);
    gst_harness_push_event (h, gst_event_new_segment (&segment));
    pass_person (h, 2 * i * FRAME, 100);
    fail_unless_equals_uint64 (pass_person (h, (2 * i + 1) * FRAME, 100), i < 2 ? 1 : 2);
  }
  gst_harness_teardown (h);
}
GST_END_TEST

/* A source that begins a new segment, from timestamp 0, without a pause in running time. */
GST_START_TEST (test_segment)
{
  GstHarness *h = harness_new ("dicenettrack");
  GstSegment segment;

  settle (h, 0);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.base = 3 * FRAME;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  fail_unless_equals_uint64 (pass_person (h, 0, 100), 1);
  /* Twice as fast: what is a second old was that in half a second of running time. */
  segment.base = 4 * FRAME;
  segment.rate = segment.applied_rate = 2;
  gst_harness_push_event (h, gst_event_new_segment (&segment));
  fail_unless_equals_uint64 (pass_person (h, 0, 100), 1);
  gst_harness_teardown (h);
}
GST_END_TEST

GST_START_TEST (test_backwards)
{
  GstHarness *h = harness_new ("dicenettrack max-lost=1000000000");

  settle (h, 50);
  fail_unless_equals_uint64 (pass_person (h, 50 * FRAME, 100), 1); /* a little */
  fail_unless_equals_uint64 (pass_person (h, 51 * FRAME, 100), 1);
  fail_unless_equals_uint64 (pass_person (h, 20 * FRAME, 100), 0); /* more than max-lost: somewhere else */
  fail_unless_equals_uint64 (pass_person (h, 21 * FRAME, 100), 2);
  gst_harness_teardown (h);
}
GST_END_TEST

/* Lost frames, DISCONT and gaps. */
GST_START_TEST (test_gaps)
{
  GstHarness *h = harness_new ("dicenettrack");
  const GstDicenetDetection person = person_at (100, 100);

  settle (h, 0);
  GstBuffer *frame = frame_with (20 * FRAME, &person, 1);
  GST_BUFFER_FLAG_SET (frame, GST_BUFFER_FLAG_DISCONT);
  GstBuffer *out = pass (h, frame);
  fail_unless_equals_uint64 (id_of (out, 0), 1);
  gst_buffer_unref (out);
  frame = gst_buffer_new ();
  GST_BUFFER_PTS (frame) = 21 * FRAME;
  GST_BUFFER_FLAG_SET (frame, GST_BUFFER_FLAG_GAP);
  gst_buffer_unref (pass (h, frame));
  fail_unless_equals_uint64 (pass_person (h, 22 * FRAME, 100), 1);
  /* Nothing there for longer than max-lost. */
  gst_buffer_unref (pass (h, frame_with (23 * FRAME, NULL, 0)));
  gst_buffer_unref (pass (h, frame_with (100 * FRAME, NULL, 0)));
  expect_stats (h, 0, 1);
  gst_harness_teardown (h);
}
GST_END_TEST

/* Without timestamps, frames are as far apart as the caps say: 25 in a second, or 5. */
GST_START_TEST (test_no_timestamps)
{
  GstHarness *h = gst_harness_new_parse ("dicenettrack max-lost=1000000000");
  const gboolean slow = __i__;

  gst_harness_set_src_caps_str (h, slow ? CAPS ("width=640,height=480,framerate=5/1") : USUAL);
  pass_person (h, GST_CLOCK_TIME_NONE, 100);
  fail_unless_equals_uint64 (pass_person (h, GST_CLOCK_TIME_NONE, 100), 1);
  for (guint i = 0; i < 10; i++)
    gst_buffer_unref (pass (h, frame_with (GST_CLOCK_TIME_NONE, NULL, 0)));
  fail_unless_equals_uint64 (pass_person (h, GST_CLOCK_TIME_NONE, 100), slow ? 0 : 1);
  gst_harness_teardown (h);
}
GST_END_TEST

/* A camera that changes its resolution; and one that shows another part. */
GST_START_TEST (test_sizes)
{
  GstHarness *h = harness_new ("dicenettrack");
  const GstDicenetDetection larger = { .label_id = 1, .confidence = 0.9, .x = 200, .y = 200, .w = 80, .h = 160 };

  settle (h, 0);
  gst_harness_set_src_caps_str (h, CAPS ("width=1280,height=960,framerate=10/1"));
  GstBuffer *frame = frame_at (4 * FRAME);
  GstDicenetResult *result = result_new ("some");
  gst_buffer_add_dicenet_meta_from_array (frame, result, 1280, 960, &larger, 1, 0);
  GstBuffer *out = pass (h, frame);
  fail_unless_equals_uint64 (id_of (out, 0), 1);
  gst_buffer_unref (out);
  gst_dicenet_result_unref (result);
  /* Only the pixels' shape is other. */
  gst_harness_set_src_caps_str (h, CAPS ("width=640,height=960,pixel-aspect-ratio=2/1,framerate=10/1"));
  const GstDicenetDetection narrow = { .label_id = 1, .confidence = 0.9, .x = 100, .y = 200, .w = 40, .h = 160 };
  out = pass (h, frame_with (5 * FRAME, &narrow, 1));
  fail_unless_equals_uint64 (id_of (out, 0), 1);
  gst_buffer_unref (out);
  gst_harness_set_src_caps_str (h, CAPS ("width=640,height=360,framerate=10/1"));
  expect_stats (h, 0, 1);
  gst_harness_teardown (h);
}
GST_END_TEST

/* A start begins with 1 again. */
GST_START_TEST (test_restart)
{
  GstHarness *h = harness_new ("dicenettrack");

  settle (h, 0);
  expect_stats (h, 1, 1);
  gst_element_set_state (h->element, GST_STATE_READY);
  gst_element_set_state (h->element, GST_STATE_PLAYING);
  expect_stats (h, 0, 0);
  gst_harness_teardown (h);
}
GST_END_TEST

/* --- days --- */

#if defined(__GLIBC__) && !defined(DICENET_SANITIZED)
#include <malloc.h>

static gsize
used (void)
{
  return mallinfo2 ().uordblks;
}
#else
static gsize
used (void)
{
  return 0;
}
#endif

/* People come and go, detectors are wrong: half of the memory's growth in a stream is none in another. */
static void
pass_crowd (GstHarness *h, GRand *random, guint from, guint to)
{
  for (guint i = from; i < to; i++) {
    GstDicenetDetection found[6];
    for (guint j = 0; j < G_N_ELEMENTS (found); j++) {
      found[j] = person_at ((i * (j + 1) + 100 * j) % 600, 60 * j);
      found[j].confidence = g_rand_double (random);
    }
    gst_buffer_unref (pass (h, frame_with (i * FRAME, found, g_rand_int_range (random, 0, 7))));
  }
}

GST_START_TEST (test_days)
{
  const gchar *wanted = g_getenv ("DICENET_TEST_FRAMES");
  const guint n = wanted ? (guint) g_ascii_strtoull (wanted, NULL, 10) : 50000;
  GstHarness *h = harness_new ("dicenettrack");
  GRand *random = g_rand_new_with_seed (5);

  pass_crowd (h, random, 0, n / 10);
  const gsize before = used ();
  pass_crowd (h, random, n / 10, n);
  const gsize after = used ();
  fail_unless (after < before + 16384, "from %" G_GSIZE_FORMAT " to %" G_GSIZE_FORMAT " bytes", before, after);
  g_print ("%u frames: from %" G_GSIZE_FORMAT " to %" G_GSIZE_FORMAT " bytes\n", n, before, after);
  g_rand_free (random);
  gst_harness_teardown (h);
}
GST_END_TEST

int
main (int argc, char **argv)
{
  Suite *suite = suite_create ("dicenettrack");
  TCase *tests = tcase_create ("dicenettrack");

  gst_check_init (&argc, &argv);
  tcase_add_test (tests, test_numbers);
  tcase_add_test (tests, test_no_confidence);
  tcase_add_test (tests, test_regions);
  tcase_add_test (tests, test_models);
  tcase_add_test (tests, test_many_models);
  tcase_add_test (tests, test_shared_frame);
  tcase_add_test (tests, test_numbered_before);
  tcase_add_loop_test (tests, test_interval, 0, 3);
  tcase_add_test (tests, test_late);
  tcase_add_test (tests, test_lost_detection);
  tcase_add_test (tests, test_flush);
  tcase_add_test (tests, test_streams);
  tcase_add_test (tests, test_segment);
  tcase_add_test (tests, test_backwards);
  tcase_add_test (tests, test_gaps);
  tcase_add_loop_test (tests, test_no_timestamps, 0, 2);
  tcase_add_test (tests, test_sizes);
  tcase_add_test (tests, test_restart);
  tcase_add_test (tests, test_days);
  suite_add_tcase (suite, tests);
  return gst_check_run_suite (suite, "dicenettrack", __FILE__);
}
