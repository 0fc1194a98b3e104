/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dicenetcount: what it makes of frames, segments and events. tests/counting has the rules of counting. */

#include <gst/dicenet/gstdicenetcountmeta.h>
#include <gst/dicenet/gstdicenetobject.h>
#include <stdio.h>
#include <string.h>
#include "common.h"

#define W 200
#define H 100

static const gchar *const labels[] = { "background", "person", "car", NULL };

typedef struct {
  GstHarness *h;
  GstClockTime pts, step;
  guint label_id;
  gdouble confidence;
} Camera;

static void
camera_init (Camera *self, const gchar *launch)
{
  *self = (Camera){ .h = harness_for (launch), .step = GST_SECOND / 30, .label_id = 1, .confidence = 0.9 };
  set_caps (self->h, "GRAY8", W, H);
}

static GstBuffer *
frame_with (Camera *self, guint64 track_id, gdouble x, gdouble y, guint age)
{
  GstBuffer *frame = gst_buffer_new_allocate (NULL, W * H, NULL);
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "det", labels, 0);
  const GstDicenetDetection d = { .label_id = self->label_id,
                                  .confidence = self->confidence,
                                  .x = x - 5,
                                  .y = y - 20,
                                  .w = 10,
                                  .h = 20,
                                  .track_id = track_id };

  gst_buffer_memset (frame, 0, 0, W * H);
  GST_BUFFER_PTS (frame) = self->pts;
  gst_buffer_add_dicenet_meta_from_array (frame, result, W, H, &d, x > 0, age);
  gst_dicenet_result_unref (result);
  if (GST_CLOCK_TIME_IS_VALID (self->pts))
    self->pts += self->step;
  return frame;
}

static GstBuffer *
show (Camera *self, guint64 track_id, gdouble x, gdouble y)
{
  GstBuffer *out = gst_harness_push_and_pull (self->h, frame_with (self, track_id, x, y, 0));

  fail_unless (out != NULL);
  return out;
}

/* Returns the last frame. */
static GstBuffer *
walk (Camera *self, guint64 track_id, gdouble x, gdouble y0, gdouble y1)
{
  GstBuffer *last = NULL;

  for (gdouble y = y0; y0 < y1 ? y <= y1 : y >= y1; y += y0 < y1 ? 2 : -2) {
    gst_clear_buffer (&last);
    last = show (self, track_id, x, y);
  }
  return last;
}

static GstDicenetCountMeta *
counts_of (GstBuffer *buffer)
{
  g_autoptr (GPtrArray) metas = gst_buffer_get_dicenet_count_metas (buffer);

  fail_unless_equals_int (metas->len, 1);
  return g_ptr_array_index (metas, 0);
}

static const GstDicenetCountTally *
total_of (GstBuffer *buffer, const gchar *name)
{
  const GstDicenetCountShape *shape = gst_dicenet_count_meta_find_shape (counts_of (buffer), name);

  fail_unless (shape != NULL);
  return &shape->total;
}

static void
expect_line (GstBuffer *buffer, guint64 forward, guint64 backward)
{
  fail_unless_equals_uint64 (total_of (buffer, "door")->forward, forward);
  fail_unless_equals_uint64 (total_of (buffer, "door")->backward, backward);
  gst_buffer_unref (buffer);
}

#define DOOR "dicenetcount lines=door:0.1,0.5,0.9,0.5"

/* --- results --- */

GST_START_TEST (test_meta)
{
  Camera camera;

  camera_init (&camera, DOOR " zones=\"till:person:0,0.59,1,0.59,1,1,0,1\"");
  GstBuffer *last = walk (&camera, 7, 100, 30, 52);
  GstDicenetCountMeta *meta = counts_of (last);
  fail_unless (meta->frame_width == W && meta->frame_height == H);
  fail_unless_equals_int (gst_dicenet_count_meta_get_n_shapes (meta), 2);
  fail_unless_equals_int (gst_dicenet_count_meta_get_n_events (meta), 0);
  gst_buffer_unref (last);

  /* Behind the margin of 2 pixels are 54, 56 and 58. */
  last = walk (&camera, 7, 100, 54, 58);
  meta = counts_of (last);
  const GstDicenetCountShape *door = gst_dicenet_count_meta_get_shape (meta, 0);
  fail_unless (!door->is_zone && strcmp (door->name, "door") == 0 && door->n_points == 2 && door->n_classes == 1);
  gdouble x, y;
  gst_dicenet_count_shape_get_point (door, 1, &x, &y);
  fail_unless (x == 0.9 && y == 0.5);
  fail_unless_equals_uint64 (door->total.forward, 1);
  const GstDicenetCountTally *person = gst_dicenet_count_shape_get_class (door, 0);
  fail_unless (strcmp (person->label, "person") == 0 && person->forward == 1 && person->backward == 0);
  fail_unless_equals_int (gst_dicenet_count_meta_get_n_events (meta), 1);
  const GstDicenetCountEvent *event = gst_dicenet_count_meta_get_event (meta, 0);
  fail_unless (event->kind == GST_DICENET_COUNT_FORWARD && event->track_id == 7 && strcmp (event->shape, "door") == 0 &&
               strcmp (event->label, "person") == 0 && event->x == 0.5 && ABS (event->y - 0.58) < 1e-9 &&
               event->dwell == GST_CLOCK_TIME_NONE);
  gst_buffer_unref (last);

  last = walk (&camera, 7, 100, 60, 80);
  meta = counts_of (last);
  const GstDicenetCountShape *till = gst_dicenet_count_meta_get_shape (meta, 1);
  fail_unless (till->is_zone && till->n_points == 4 && till->total.entered == 1 && till->total.inside == 1 &&
               till->total.left == 0 && till->total.mean_dwell == GST_CLOCK_TIME_NONE);
  fail_unless_equals_int (gst_dicenet_count_meta_get_n_visits (meta), 1);
  const GstDicenetCountVisit *visit = gst_dicenet_count_meta_get_visit (meta, 0);
  fail_unless (visit->track_id == 7 && strcmp (visit->zone, "till") == 0 && strcmp (visit->label, "person") == 0);
  fail_unless_equals_uint64 (visit->dwell, 10 * camera.step); /* since 60 */
  gst_buffer_unref (last);

  last = walk (&camera, 7, 100, 80, 30);
  meta = counts_of (last);
  till = gst_dicenet_count_meta_get_shape (meta, 1);
  /* From 60 to 56, the first behind the margin. */
  fail_unless_equals_uint64 (till->total.mean_dwell, 23 * camera.step);
  fail_unless (till->total.entered == 1 && till->total.inside == 0 && till->total.left == 1);
  expect_line (last, 1, 1);
  harness_free (camera.h);
}
GST_END_TEST;

GST_START_TEST (test_messages)
{
  Camera camera;

  camera_init (&camera, DOOR " zones=till:0,0.6,1,0.6,1,1,0,1 post-messages=true");
  GstBus *bus = bus_of (camera.h);
  gst_buffer_unref (walk (&camera, 7, 100, 30, 80));
  gst_buffer_unref (walk (&camera, 7, 100, 80, 30));
  static const gchar *const expected[] = { "forward", "entered", "left", "backward" };
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
    GstMessage *message = next_message (bus, GST_MESSAGE_ELEMENT);
    fail_unless (message != NULL);
    const GstStructure *s = gst_message_get_structure (message);
    fail_unless_equals_string (gst_structure_get_name (s), "dicenet-count");
    fail_unless_equals_string (gst_structure_get_string (s, "event"), expected[i]);
    fail_unless_equals_string (gst_structure_get_string (s, "label"), "person");
    guint64 id, pts, running_time, count, dwell;
    gdouble x;
    fail_unless (gst_structure_get (s, "track-id", G_TYPE_UINT64, &id, "pts", G_TYPE_UINT64, &pts, "running-time",
                                    G_TYPE_UINT64, &running_time, "x", G_TYPE_DOUBLE, &x, NULL));
    fail_unless (id == 7 && pts == running_time && x == 0.5);
    const gboolean of_line = i == 0 || i == 3;
    fail_unless_equals_string (gst_structure_get_string (s, of_line ? "line" : "zone"), of_line ? "door" : "till");
    fail_unless (gst_structure_get_uint64 (s, expected[i], &count) && count == 1);
    fail_unless (gst_structure_get_uint64 (s, "dwell", &dwell) == (i == 2));
    gst_message_unref (message);
  }
  fail_unless (next_message (bus, GST_MESSAGE_ELEMENT) == NULL);
  harness_free (camera.h);
}
GST_END_TEST;

static gchar *
counts_as_text (GstElement *element)
{
  GstStructure *counts = NULL;

  g_object_get (element, "counts", &counts, NULL);
  if (!counts)
    return NULL;
  g_autofree gchar *text = gst_structure_to_string (counts);
  gst_structure_free (counts);
  g_auto (GStrv) parts = g_strsplit (text, "\\", -1); /* without the escapes of nested structures */
  return g_strjoinv (NULL, parts);
}

GST_START_TEST (test_property_and_reset)
{
  Camera camera;

  camera_init (&camera, DOOR " zones=till:0,0.6,1,0.6,1,1,0,1");
  GstElement *element = gst_harness_find_element (camera.h, "dicenetcount");
  gst_buffer_unref (walk (&camera, 7, 100, 30, 80));
  g_autofree gchar *counts = counts_as_text (element);
  for (const gchar *const *part = (const gchar *const[]){ "dicenet-counts", "lines", "door", "forward=(guint64)1",
                                                          "backward=(guint64)0", "zones", "till", "entered=(guint64)1",
                                                          "inside=(guint64)1", "label=(string)person", NULL };
       *part; part++)
    fail_unless (strstr (counts, *part) != NULL, "no %s in %s", *part, counts);
  g_signal_emit_by_name (element, "reset");
  g_autofree gchar *after = counts_as_text (element);
  fail_unless (!strstr (after, "(guint64)1") && strstr (after, "door"), "%s", after);
  /* Those inside enter anew. */
  GstBuffer *last = walk (&camera, 7, 100, 80, 84);
  fail_unless_equals_uint64 (total_of (last, "till")->entered, 1);
  expect_line (last, 0, 0);
  gst_object_unref (element);
  harness_free (camera.h);
}
GST_END_TEST;

GST_START_TEST (test_json)
{
  Camera camera;
  gchar text[4096];

  camera_init (&camera, DOOR " zones=\"a \\\"till\\\":0,0.6,1,0.6,1,1,0,1\" ! dicenetjson");
  GstBuffer *last = walk (&camera, 7, 100, 30, 64);
  gsize n = gst_buffer_extract (last, 0, text, sizeof text - 1);
  text[n] = '\0';
  const gchar *at = strstr (text, "],\"lines\":");
  fail_unless (at != NULL, "%s", text);
  fail_unless_equals_string (
      at, "],\"lines\":[{\"name\":\"door\",\"forward\":1,\"backward\":0,"
          "\"classes\":[{\"label\":\"person\",\"forward\":1,\"backward\":0}]}],"
          "\"zones\":[{\"name\":\"a \\\"till\\\"\",\"entered\":1,\"left\":0,\"inside\":1,"
          "\"classes\":[{\"label\":\"person\",\"entered\":1,\"left\":0,\"inside\":1}],"
          "\"objects\":[{\"label\":\"person\",\"id\":7,\"dwell\":66666666}]}],"
          "\"events\":[{\"event\":\"entered\",\"zone\":\"a \\\"till\\\"\",\"label\":\"person\",\"id\":7,"
          "\"x\":0.5,\"y\":0.64}]}\n");
  gst_buffer_unref (last);
  harness_free (camera.h);
}
GST_END_TEST;

/* With add-empty-results=false, counts alone make no line; events do. */
GST_START_TEST (test_json_of_events)
{
  Camera camera;
  guint n = 0;

  camera_init (&camera, "dicenetcount zones=till:0,0.6,1,0.6,1,1,0,1 ! dicenetjson add-empty-results=false");
  for (guint i = 0; i < 3; i++)
    gst_harness_push (camera.h, frame_with (&camera, 7, 100, 80, 0));
  n = gst_harness_buffers_received (camera.h);
  fail_unless_equals_int (n, 3); /* with objects */
  for (guint i = 0; i < 70; i++)
    gst_harness_push (camera.h, frame_with (&camera, 7, 0, 0, 0));
  fail_unless_equals_int (gst_harness_buffers_received (camera.h), n + 1); /* it is lost after two seconds */
  harness_free (camera.h);
}
GST_END_TEST;

/* --- time --- */

GST_START_TEST (test_no_timestamps)
{
  Camera camera;

  camera_init (&camera, "dicenetcount zones=till:0,0.6,1,0.6,1,1,0,1");
  camera.pts = GST_CLOCK_TIME_NONE; /* 30 frames per second, by caps */
  GstBuffer *last = walk (&camera, 7, 100, 60, 90);
  fail_unless_equals_uint64 (gst_dicenet_count_meta_get_visit (counts_of (last), 0)->dwell, 15 * (GST_SECOND / 30));
  gst_buffer_unref (last);
  fail_unless (next_message (bus_of (camera.h), GST_MESSAGE_WARNING) == NULL);

  gst_harness_set_src_caps_str (camera.h, "video/x-raw,format=GRAY8,width=200,height=100,framerate=0/1");
  gst_buffer_unref (show (&camera, 7, 100, 90));
  gst_buffer_unref (show (&camera, 7, 100, 90));
  expect_message (bus_of (camera.h), GST_MESSAGE_WARNING, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
                  "neither timestamps nor a frame rate", "30 per second");
  fail_unless (next_message (bus_of (camera.h), GST_MESSAGE_WARNING) == NULL);
  harness_free (camera.h);
}
GST_END_TEST;

static void
push_segment (Camera *self, GstClockTime start, gdouble rate)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.rate = rate;
  segment.start = segment.position = segment.time = start;
  gst_harness_push_event (self->h, gst_event_new_segment (&segment));
}

GST_START_TEST (test_seek)
{
  Camera camera;

  camera_init (&camera, DOOR " zones=till:0,0.6,1,0.6,1,1,0,1");
  expect_line (walk (&camera, 7, 100, 30, 80), 1, 0);
  gst_harness_push_event (camera.h, gst_event_new_flush_start ());
  gst_harness_push_event (camera.h, gst_event_new_flush_stop (TRUE));
  push_segment (&camera, 3600 * GST_SECOND, 1);
  camera.pts = 3600 * GST_SECOND;
  /* The same number on the other side of the line: counts stay, positions don't. */
  GstBuffer *last = show (&camera, 7, 100, 30);
  fail_unless_equals_uint64 (total_of (last, "till")->left, 1);
  const GstDicenetCountEvent *event = gst_dicenet_count_meta_get_event (counts_of (last), 0);
  fail_unless (event && event->kind == GST_DICENET_COUNT_LEFT && event->dwell == 10 * camera.step);
  expect_line (last, 1, 0);
  expect_line (walk (&camera, 7, 100, 30, 40), 1, 0);
  expect_line (walk (&camera, 7, 100, 40, 70), 2, 0);
  /* Another stream, whose time starts anew. */
  gst_harness_push_event (camera.h, gst_event_new_stream_start ("other"));
  set_caps (camera.h, "GRAY8", W, H);
  push_segment (&camera, 0, 1);
  camera.pts = 0;
  expect_line (walk (&camera, 7, 100, 30, 40), 2, 0);
  expect_line (walk (&camera, 7, 100, 40, 70), 3, 0);
  harness_free (camera.h);
}
GST_END_TEST;

GST_START_TEST (test_states)
{
  Camera camera;

  camera_init (&camera, DOOR);
  expect_line (walk (&camera, 7, 100, 30, 80), 1, 0);
  GstElement *element = gst_harness_find_element (camera.h, "dicenetcount");
  gst_element_set_state (element, GST_STATE_READY);
  g_autofree gchar *kept = counts_as_text (element); /* for those who ask at the end */
  fail_unless (strstr (kept, "forward=(guint64)1") != NULL, "%s", kept);
  g_object_set (element, "lines", "gate:0,0,1,1", NULL);
  gst_element_set_state (element, GST_STATE_PLAYING);
  g_autofree gchar *anew = counts_as_text (element);
  fail_unless (strstr (anew, "gate") && !strstr (anew, "door") && !strstr (anew, "(guint64)1"), "%s", anew);
  gst_object_unref (element);
  harness_free (camera.h);
}
GST_END_TEST;

/* --- which boxes count --- */

static GstBuffer *
walk_with_interval (Camera *self, guint64 track_id, gdouble y0, gdouble y1, gboolean with_time)
{
  GstBuffer *last = NULL;
  gint64 source = 0;

  for (guint i = 0; y0 + 2 * i <= y1; i++) {
    /* A tracker moves boxes on, between inferences, and too far. */
    GstBuffer *frame = frame_with (self, track_id, 100, y0 + 2 * i + 20 * (i % 4), i % 4);
    GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (frame, GST_DICENET_TASK_DETECT);
    if (i % 4 == 0)
      source = (gint64) GST_BUFFER_PTS (frame);
    meta->age_time = with_time ? GST_BUFFER_PTS (frame) - (GstClockTime) source : GST_CLOCK_TIME_NONE;
    gst_clear_buffer (&last);
    last = gst_harness_push_and_pull (self->h, frame);
  }
  return last;
}

GST_START_TEST (test_boxes_between_inferences)
{
  for (guint with_time = 0; with_time < 2; with_time++) {
    Camera camera;
    camera_init (&camera, DOOR);
    expect_line (walk_with_interval (&camera, 7, 10, 48, with_time), 0, 0);
    expect_line (walk_with_interval (&camera, 7, 48, 80, with_time), 1, 0);
    harness_free (camera.h);
  }
}
GST_END_TEST;

/* As with inference-mode=newest: each result is first seen when it is two frames old, and comes again. */
GST_START_TEST (test_late_results)
{
  Camera camera;
  GstBuffer *last = NULL;

  camera_init (&camera, DOOR);
  for (guint i = 0; i < 60; i++) {
    GstBuffer *frame = frame_with (&camera, 7, 100, 30 + 6.0 * (i / 6), 2 + i % 6);
    GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (frame, GST_DICENET_TASK_DETECT);
    meta->age_time = meta->age * camera.step;
    gst_clear_buffer (&last);
    last = gst_harness_push_and_pull (camera.h, frame);
    /* 30, 36, 42, 48, 54, 60, 66: the seventh result is the third behind the line. */
    fail_unless_equals_uint64 (total_of (last, "door")->forward, i >= 6 * 6);
  }
  expect_line (last, 1, 0);
  harness_free (camera.h);
}
GST_END_TEST;

/* Regions of interest of other elements, with DL Streamer's numbers. */
GST_START_TEST (test_other_objects)
{
  Camera camera;
  GstBuffer *last = NULL;

  camera_init (&camera, DOOR);
  for (guint y = 20; y <= 80; y += 2) {
    GstBuffer *frame = frame_with (&camera, 0, 0, 0, 0);
    GstVideoRegionOfInterestMeta *region =
        gst_buffer_add_video_region_of_interest_meta (frame, "dog", 95, y - 20, 10, 20);
    gst_video_region_of_interest_meta_add_param (region, gst_structure_new ("object_id", "id", G_TYPE_INT, 3, NULL));
    gst_clear_buffer (&last);
    last = gst_harness_push_and_pull (camera.h, frame);
  }
  const GstDicenetCountShape *door = gst_dicenet_count_meta_get_shape (counts_of (last), 0);
  fail_unless_equals_string (gst_dicenet_count_shape_get_class (door, 0)->label, "dog");
  expect_line (last, 1, 0);
  harness_free (camera.h);
}
GST_END_TEST;

GST_START_TEST (test_anchor)
{
  Camera camera;

  camera_init (&camera, DOOR " anchor=center confirmations=1 margin=0");
  expect_line (walk (&camera, 7, 100, 30, 60), 0, 0); /* the centre is at 50, on the line */
  expect_line (show (&camera, 7, 100, 62), 1, 0);
  harness_free (camera.h);
}
GST_END_TEST;

/* --- errors and warnings --- */

GST_START_TEST (test_no_numbers)
{
  Camera camera;

  camera_init (&camera, DOOR);
  for (guint i = 0; i < 100; i++)
    gst_buffer_unref (show (&camera, 0, 100, 50));
  expect_message (bus_of (camera.h), GST_MESSAGE_WARNING, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED,
                  "have no numbers (track_id)", "insert dicenettrack before it");
  fail_unless (next_message (bus_of (camera.h), GST_MESSAGE_WARNING) == NULL);
  harness_free (camera.h);

  camera_init (&camera, DOOR); /* a short stream */
  for (guint i = 0; i < 5; i++)
    gst_buffer_unref (show (&camera, 0, 100, 50));
  gst_harness_push_event (camera.h, gst_event_new_eos ());
  expect_message (bus_of (camera.h), GST_MESSAGE_WARNING, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "have no numbers",
                  "dicenettrack");
  harness_free (camera.h);

  camera_init (&camera, DOOR); /* objects that a tracker ignores, and one that it takes for an object in the end */
  camera.confidence = 0.3;
  for (guint i = 0; i < 200; i++)
    gst_buffer_unref (show (&camera, i > 190 ? 3 : 0, 100, 50));
  gst_harness_push_event (camera.h, gst_event_new_eos ());
  fail_unless (next_message (bus_of (camera.h), GST_MESSAGE_WARNING) == NULL);
  harness_free (camera.h);

  camera_init (&camera, DOOR); /* a tracker that needs a while */
  for (guint i = 0; i < 100; i++)
    gst_buffer_unref (show (&camera, i > 5 ? 3 : 0, 100, 50));
  gst_harness_push_event (camera.h, gst_event_new_eos ());
  fail_unless (next_message (bus_of (camera.h), GST_MESSAGE_WARNING) == NULL);
  harness_free (camera.h);
}
GST_END_TEST;

GST_START_TEST (test_unknown_class)
{
  Camera camera;

  camera_init (&camera, "dicenetcount lines=\"door:persn,CAR:0.1,0.5,0.9,0.5\"");
  gst_buffer_unref (walk (&camera, 7, 100, 30, 80));
  expect_message (bus_of (camera.h), GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                  "class 'persn', which the model 'det' doesn't know", "background, person, car");
  fail_unless (next_message (bus_of (camera.h), GST_MESSAGE_WARNING) == NULL);
  camera.label_id = 2;
  expect_line (walk (&camera, 8, 100, 30, 80), 1, 0);
  harness_free (camera.h);
}
GST_END_TEST;

static void
expect_refused (const gchar *properties, const gchar *part, const gchar *part2)
{
  g_autofree gchar *line = g_strdup_printf ("dicenetcount name=counter %s", properties);
  GstElement *element = gst_parse_launch (line, NULL);
  GstBus *bus = gst_bus_new ();

  gst_element_set_bus (element, bus);
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  expect_message (bus, GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, part, part2);
  gst_element_set_bus (element, NULL);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_object_unref (element);
  gst_object_unref (bus);
}

GST_START_TEST (test_refused)
{
  expect_refused ("", "'counter' has nothing to count", "lines=door:0.1,0.5,0.9,0.5");
  expect_refused ("lines=door", "Property lines of 'counter': expected NAME:X1,Y1,X2,Y2", "found 'door'");
  expect_refused ("zones=till:0,0,1,1,1,0,0,1", "Property zones of 'counter': zone 'till'", "cross");
  expect_refused ("lines=a:0,0,1,1 zones=a:0,0,1,0,1,1", "Property zones", "another line of this name");
  expect_refused ("file=/nowhere/shapes.json", "Property file of 'counter': /nowhere/shapes.json: cannot be opened",
                  "No such file");
}
GST_END_TEST;

/* What is read at the start does not change meanwhile, and that is said. */
GST_START_TEST (test_shapes_while_playing)
{
  static const gchar *const names[] = { "lines", "zones", "file" };
  Camera camera;

  camera_init (&camera, DOOR);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree gchar *before = NULL;
    g_object_get (camera.h->element, names[i], &before, NULL);
    expect_kept (camera.h, names[i], before, "gate:0.2,0.5,0.8,0.5", names[i], "set the element to READY first");
  }
  g_object_set (camera.h->element, "margin", 0.2, NULL);
  fail_unless (next_message (bus_of (camera.h), GST_MESSAGE_WARNING) == NULL);
  gst_element_set_state (camera.h->element, GST_STATE_READY);
  g_object_set (camera.h->element, "lines", "gate:0.2,0.5,0.8,0.5", NULL);
  fail_unless (next_message (bus_of (camera.h), GST_MESSAGE_WARNING) == NULL);
  harness_free (camera.h);
}
GST_END_TEST;

/* --- the meta elsewhere --- */

GST_START_TEST (test_through_elements)
{
  Camera camera;
  gdouble x, y;

  camera_init (&camera, DOOR " ! videoscale ! video/x-raw,width=100,height=100 ! identity");
  GstBuffer *last = walk (&camera, 7, 100, 30, 80);
  GstDicenetCountMeta *meta = counts_of (last);
  fail_unless (meta->frame_width == 100 && meta->frame_height == 100);
  gst_dicenet_count_shape_get_point (gst_dicenet_count_meta_get_shape (meta, 0), 0, &x, &y);
  fail_unless (ABS (x - 0.1) < 1e-9 && ABS (y - 0.5) < 1e-9, "%g %g", x, y); /* borders above and below */
  GstBuffer *copy = gst_buffer_copy_deep (last);
  fail_unless (counts_of (copy) != meta);
  expect_line (last, 1, 0);
  expect_line (copy, 1, 0);
  harness_free (camera.h);
}
GST_END_TEST;

int
main (int argc, char **argv)
{
  TCase *tests = tcase_create ("count");

  tcase_add_test (tests, test_meta);
  tcase_add_test (tests, test_messages);
  tcase_add_test (tests, test_property_and_reset);
  tcase_add_test (tests, test_json);
  tcase_add_test (tests, test_json_of_events);
  tcase_add_test (tests, test_no_timestamps);
  tcase_add_test (tests, test_seek);
  tcase_add_test (tests, test_states);
  tcase_add_test (tests, test_boxes_between_inferences);
  tcase_add_test (tests, test_late_results);
  tcase_add_test (tests, test_other_objects);
  tcase_add_test (tests, test_anchor);
  tcase_add_test (tests, test_no_numbers);
  tcase_add_test (tests, test_unknown_class);
  tcase_add_test (tests, test_refused);
  tcase_add_test (tests, test_shapes_while_playing);
  tcase_add_test (tests, test_through_elements);
  return run_tests (argc, argv, "count", tests);
}
