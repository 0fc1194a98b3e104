/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dicenetjson: the lines it writes, read back with a JSON parser. */

#include <dicenet/text.h>
#include <math.h>
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/video/video.h>
#include <json-glib/json-glib.h>
#include <locale.h>
#include <string.h>

#define W    320
#define H    240
#define CAPS "video/x-raw,format=I420,width=320,height=240,framerate=30/1"

static const gchar *const labels[] = { "background", "person", "a \"car\"\n\\ \xc3\xa9 \xff", NULL };

static GstBuffer *
frame_new (guint index)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, W * H * 3 / 2, NULL);

  GST_BUFFER_PTS (buffer) = index * GST_SECOND;
  GST_BUFFER_DURATION (buffer) = GST_SECOND;
  return buffer;
}

static void
add_detections (GstBuffer *buffer, guint n, guint age)
{
  const GstDicenetDetection boxes[] = {
    { .label_id = 1, .confidence = 0.84, .x = 32, .y = 24, .w = 160, .h = 120 },
    { .label_id = 2, .confidence = 0.5, .x = 100.4, .y = 0, .w = 19.8, .h = 12.6 },
  };
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "det", labels, 0);

  gst_buffer_add_dicenet_meta_from_array (buffer, result, W, H, boxes, n, age);
  gst_dicenet_result_unref (result);
}

static void
add_classes (GstBuffer *buffer)
{
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, "cls", labels, -1);

  gst_dicenet_result_add_class (result, 1, 0.75);
  gst_dicenet_result_add_class (result, 2, 0.125);
  gst_buffer_add_dicenet_meta (buffer, result, W, H, NULL, 0);
  gst_dicenet_result_unref (result);
}

static void
add_mask (GstBuffer *buffer)
{
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_SEGMENT, "seg", labels, 0);
  GBytes *mask = g_bytes_new_static ("\0\0\1\1\0\0\0\2", 8);

  gst_dicenet_result_set_mask (result, mask, 4, 2);
  g_bytes_unref (mask);
  gst_buffer_add_dicenet_meta (buffer, result, W, H, NULL, 7);
  gst_dicenet_result_unref (result);
}

static GstHarness *
harness_new (const gchar *launch)
{
  GstHarness *h = gst_harness_new_parse (launch);

  gst_harness_set_src_caps_str (h, CAPS);
  return h;
}

/* The line in a buffer, which must not contain another line end. */
static gchar *
text_of (GstBuffer *buffer)
{
  gsize size = gst_buffer_get_size (buffer);
  gchar *text = g_malloc0 (size + 1);

  fail_unless_equals_int (gst_buffer_extract (buffer, 0, text, size), size);
  fail_unless (strlen (text) == size && size > 0);
  fail_unless (strchr (text, '\n') == text + size - 1, "not one line: %s", text);
  fail_unless (g_utf8_validate (text, -1, NULL));
  return text;
}

static JsonNode *
parse (GstBuffer *buffer)
{
  GError *error = NULL;
  gchar *text = text_of (buffer);
  JsonNode *node = json_from_string (text, &error);

  fail_unless (node != NULL, "%s: %s", error ? error->message : "", text);
  g_free (text);
  return node;
}

static JsonNode *
push (GstHarness *h, GstBuffer *frame)
{
  GstBuffer *out = gst_harness_push_and_pull (h, frame);

  fail_unless (out != NULL);
  JsonNode *node = parse (out);
  gst_buffer_unref (out);
  return node;
}

/* The only match of a path. */
static JsonNode *
get (JsonNode *root, const gchar *path)
{
  JsonNode *matches = json_path_query (path, root, NULL);
  JsonArray *array = json_node_get_array (matches);

  fail_unless (json_array_get_length (array) == 1, "%u matches of %s", json_array_get_length (array), path);
  JsonNode *node = json_node_copy (json_array_get_element (array, 0));
  json_node_unref (matches);
  return node;
}

static void
expect_number (JsonNode *root, const gchar *path, gdouble number)
{
  JsonNode *node = get (root, path);
  gdouble found =
      json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node) : json_node_get_double (node);

  fail_unless (ABS (found - number) < 1e-6, "%s is %g, not %g", path, found, number);
  json_node_unref (node);
}

static void
expect_string (JsonNode *root, const gchar *path, const gchar *string)
{
  JsonNode *node = get (root, path);

  fail_unless_equals_string (json_node_get_string (node), string);
  json_node_unref (node);
}

static gboolean
has_member (JsonNode *root, const gchar *name)
{
  return json_object_has_member (json_node_get_object (root), name);
}

static guint
n_objects (JsonNode *root)
{
  return json_array_get_length (json_object_get_array_member (json_node_get_object (root), "objects"));
}

GST_START_TEST (test_detections)
{
  GstHarness *h = harness_new ("dicenetjson");
  GstBuffer *frame = frame_new (5);

  add_detections (frame, 2, 3);
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (frame, GST_DICENET_TASK_DETECT);
  meta->age_time = GST_SECOND / 10;
  meta->source_pts = GST_BUFFER_PTS (frame) - meta->age_time;
  GstBuffer *out = gst_harness_push_and_pull (h, frame);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (out), 5 * GST_SECOND);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (out), GST_SECOND);
  JsonNode *line = parse (out);
  gst_buffer_unref (out);

  expect_number (line, "$.resolution.width", W);
  expect_number (line, "$.resolution.height", H);
  expect_number (line, "$.timestamp", 5e9);
  expect_number (line, "$.pts", 5e9);
  fail_unless (!has_member (line, "source") && !has_member (line, "tags") && !has_member (line, "segmentation"));
  fail_unless_equals_int (n_objects (line), 2);
  expect_number (line, "$.objects[0].x", 32);
  expect_number (line, "$.objects[0].y", 24);
  expect_number (line, "$.objects[0].w", 160);
  expect_number (line, "$.objects[0].h", 120);
  expect_number (line, "$.objects[0].region_id", 1);
  expect_string (line, "$.objects[0].roi_type", "person");
  expect_number (line, "$.objects[0].detection.bounding_box.x_min", 0.1);
  expect_number (line, "$.objects[0].detection.bounding_box.y_min", 0.1);
  expect_number (line, "$.objects[0].detection.bounding_box.x_max", 0.6);
  expect_number (line, "$.objects[0].detection.bounding_box.y_max", 0.6);
  expect_number (line, "$.objects[0].detection.confidence", 0.84);
  expect_number (line, "$.objects[0].detection.label_id", 1);
  expect_string (line, "$.objects[0].detection.label", "person");
  expect_string (line, "$.objects[0].detection.model.name", "det");
  expect_number (line, "$.objects[0].detection.age", 3);
  expect_number (line, "$.objects[0].detection.age_time", 1e8);
  expect_number (line, "$.objects[0].detection.source_pts", 4.9e9);
  /* Edges are rounded separately: 100.4 to 120.2 is 100 to 120. */
  expect_number (line, "$.objects[1].x", 100);
  expect_number (line, "$.objects[1].w", 20);
  expect_number (line, "$.objects[1].h", 13);
  expect_string (line, "$.objects[1].detection.label", "a \"car\"\n\\ \xc3\xa9 \xef\xbf\xbd");
  json_node_unref (line);
  gst_harness_teardown (h);
}
GST_END_TEST;

static void
add_second_stage (GstDicenetMeta *meta, guint index, const gchar *model, guint label_id)
{
  static const gchar *const colours[] = { "red", "blue", NULL };
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, model, colours, -1);

  gst_dicenet_result_add_class (result, label_id, 0.75);
  gst_dicenet_result_add_class (result, 1 - label_id, 0.25);
  gst_dicenet_meta_add_detection_result (meta, index, result);
  gst_dicenet_result_unref (result);
}

/* Results of a tracker and of second-stage models, and no members without them. */
GST_START_TEST (test_second_stage)
{
  GstHarness *h = harness_new ("dicenetjson");
  GstBuffer *frame = frame_new (0);

  add_detections (frame, 2, 0);
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (frame, GST_DICENET_TASK_DETECT);
  gst_dicenet_meta_set_track_id (meta, 1, G_MAXUINT32 + G_GUINT64_CONSTANT (1));
  add_second_stage (meta, 1, "colour", 1);
  add_second_stage (meta, 1, "make", 0);
  JsonNode *line = push (h, frame);
  JsonNode *first = get (line, "$.objects[0]");
  fail_unless (!has_member (first, "id") && !has_member (first, "classification"));
  json_node_unref (first);
  expect_number (line, "$.objects[1].id", 4294967296.0);
  expect_string (line, "$.objects[1].classification.label", "blue");
  expect_number (line, "$.objects[1].classification.label_id", 1);
  expect_number (line, "$.objects[1].classification.confidence", 0.75);
  expect_string (line, "$.objects[1].classification.model.name", "colour");
  expect_string (line, "$.objects[1].classification.classes[1].label", "red");
  expect_string (line, "$.objects[1].classification_2.model.name", "make");
  expect_string (line, "$.objects[1].classification_2.label", "red");
  expect_string (line, "$.objects[1].detection.model.name", "det");
  json_node_unref (line);
  gst_harness_teardown (h);
}
GST_END_TEST;

static GstVideoRegionOfInterestMeta *
add_region (GstBuffer *frame, const gchar *label, guint x, guint y, guint w, guint h)
{
  GstVideoRegionOfInterestMeta *region = gst_buffer_add_video_region_of_interest_meta (frame, label, x, y, w, h);

  region->id = 50;
  gst_video_region_of_interest_meta_add_param (region, gst_structure_new ("object_id", "id", G_TYPE_INT, 9, NULL));
  return region;
}

/* Other elements' regions are objects, too; those that describe our detections are not written twice, but may say
 * what another tracker calls them. */
GST_START_TEST (test_others)
{
  GstHarness *h = harness_new ("dicenetjson");
  GstBuffer *frame = frame_new (0);

  add_detections (frame, 2, 0);
  GstVideoRegionOfInterestMeta *ours = gst_buffer_get_video_region_of_interest_meta_id (frame, 2);
  gst_video_region_of_interest_meta_add_param (ours, gst_structure_new ("object_id", "id", G_TYPE_INT, 8, NULL));
  GstVideoRegionOfInterestMeta *dog = add_region (frame, "d\"og", W - 20, 10, 30, 40);
  gst_video_region_of_interest_meta_add_param (
      dog, gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.5, "label_id", G_TYPE_INT, 3, NULL));
  gst_video_region_of_interest_meta_add_param (dog, gst_structure_new ("layer.1", "label", G_TYPE_STRING, "brown",
                                                                       "confidence", G_TYPE_DOUBLE, 0.25, "model_name",
                                                                       G_TYPE_STRING, "fur", NULL));
  add_region (frame, "outside", W, 0, 10, 10);
  JsonNode *line = push (h, frame);
  fail_unless_equals_int (n_objects (line), 3);
  expect_number (line, "$.objects[1].id", 8);
  expect_string (line, "$.objects[2].roi_type", "d\"og");
  expect_number (line, "$.objects[2].x", W - 20);
  expect_number (line, "$.objects[2].w", 20);
  expect_number (line, "$.objects[2].region_id", 50);
  expect_number (line, "$.objects[2].id", 9);
  expect_number (line, "$.objects[2].detection.confidence", 0.5);
  expect_number (line, "$.objects[2].detection.bounding_box.x_max", 1);
  expect_number (line, "$.objects[2].detection.bounding_box.y_max", 50.0 / H);
  expect_string (line, "$.objects[2].classification.label", "brown");
  expect_number (line, "$.objects[2].classification.confidence", 0.25);
  expect_string (line, "$.objects[2].classification.model.name", "fur");
  json_node_unref (line);
  gst_harness_teardown (h);
}
GST_END_TEST;

static void
add_mask_in (GstBuffer *buffer, gint parent_id, const gchar *model)
{
  const GstVideoRectangle region = { 10, 10, 4, 2 };
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_SEGMENT, model, labels, 0);
  GBytes *mask = g_bytes_new_static ("\1\1\1\1\1\1\2\2", 8);

  gst_dicenet_result_set_mask (result, mask, 4, 2);
  g_bytes_unref (mask);
  gst_buffer_add_dicenet_meta_in_region (buffer, result, W, H, &region, parent_id, NULL, 0);
  gst_dicenet_result_unref (result);
}

/* Results of objects' regions: masks are members of the object, boxes objects with a parent. */
GST_START_TEST (test_results_in_objects)
{
  GstHarness *h = harness_new ("dicenetjson");
  GstBuffer *frame = frame_new (0);
  const GstVideoRectangle region = { 10, 10, 4, 2 };
  GstDicenetDetection face = { .label_id = 1, .confidence = 0.5, .x = 11, .y = 11, .w = 2, .h = 1 };
  GstDicenetResult *faces = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "faces", labels, 0);
  GArray *boxes = g_array_new (FALSE, FALSE, sizeof face);

  add_detections (frame, 2, 0);
  const gint parent =
      gst_dicenet_meta_get_detection (gst_buffer_get_dicenet_meta (frame, GST_DICENET_TASK_DETECT), 1)->id;
  add_mask_in (frame, parent, "parts");
  add_mask_in (frame, parent, "clothes");
  add_mask_in (frame, 77, "others"); /* of an object that has gone */
  add_mask_in (frame, 50, "animals");
  add_region (frame, "dog", 0, 0, 10, 10);
  gst_buffer_add_dicenet_meta_in_region (frame, faces, W, H, &region, parent, g_array_append_val (boxes, face), 0);
  gst_dicenet_result_unref (faces);
  JsonNode *line = push (h, frame);
  fail_unless_equals_int (n_objects (line), 4);
  expect_string (line, "$.objects[1].segmentation.model.name", "parts");
  expect_string (line, "$.objects[1].segmentation_2.model.name", "clothes");
  JsonNode *mask = get (line, "$.objects[1].segmentation");
  fail_unless (!has_member (mask, "parent_id"), "the object itself is the parent");
  json_node_unref (mask);
  expect_number (line, "$.objects[1].segmentation.classes[0].share", 0.75);
  expect_number (line, "$.objects[1].segmentation.classes[1].share", 0.25);
  expect_string (line, "$.segmentation.model.name", "others");
  expect_number (line, "$.segmentation.parent_id", 77);
  expect_number (line, "$.objects[2].parent_id", parent);
  expect_string (line, "$.objects[2].detection.model.name", "faces");
  expect_string (line, "$.objects[3].segmentation.model.name", "animals");
  JsonNode *first = get (line, "$.objects[0]");
  fail_unless (!has_member (first, "segmentation") && !has_member (first, "parent_id"));
  json_node_unref (first);
  fail_unless (!has_member (line, "segmentation_2"));
  json_node_unref (line);
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_classes_and_mask)
{
  GstHarness *h = harness_new ("dicenetjson");
  GstBuffer *frame = frame_new (0);

  add_mask (frame);
  add_classes (frame);
  add_mask (frame);
  JsonNode *line = push (h, frame);
  fail_unless_equals_int (n_objects (line), 1);
  expect_number (line, "$.objects[0].w", W);
  expect_number (line, "$.objects[0].h", H);
  expect_string (line, "$.objects[0].classification.label", "person");
  expect_number (line, "$.objects[0].classification.confidence", 0.75);
  expect_string (line, "$.objects[0].classification.model.name", "cls");
  expect_number (line, "$.objects[0].classification.classes[1].label_id", 2);
  expect_number (line, "$.objects[0].classification.classes[1].confidence", 0.125);
  expect_string (line, "$.segmentation.model.name", "seg");
  expect_number (line, "$.segmentation.age", 7);
  JsonNode *mask = get (line, "$.segmentation");
  fail_unless (!has_member (mask, "age_time") && !has_member (mask, "source_pts"), "an unknown time");
  json_node_unref (mask);
  expect_string (line, "$.segmentation.classes[0].label", "background");
  expect_number (line, "$.segmentation.classes[0].share", 0.625);
  expect_number (line, "$.segmentation.classes[1].share", 0.25);
  expect_number (line, "$.segmentation.classes[2].share", 0.125);
  expect_number (line, "$.segmentation_2.classes[2].share", 0.125);
  json_node_unref (line);
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_empty_results)
{
  GstHarness *h = harness_new ("dicenetjson");
  GstBuffer *frame = frame_new (0);
  GstElement *element = gst_harness_find_element (h, "dicenetjson");
  GstEvent *event;
  gboolean gap = FALSE;

  add_detections (frame, 0, 0);
  JsonNode *line = push (h, frame);
  fail_unless_equals_int (n_objects (line), 0);
  json_node_unref (line);
  line = push (h, frame_new (1));
  fail_unless_equals_int (n_objects (line), 0);
  json_node_unref (line);

  g_object_set (element, "add-empty-results", FALSE, NULL);
  fail_unless_equals_int (gst_harness_push (h, frame_new (2)), GST_FLOW_OK);
  fail_unless_equals_int (gst_harness_buffers_in_queue (h), 0);
  while ((event = gst_harness_try_pull_event (h))) {
    gap |= GST_EVENT_TYPE (event) == GST_EVENT_GAP;
    gst_event_unref (event);
  }
  fail_unless (gap, "downstream must learn that time goes on");
  frame = frame_new (3);
  add_classes (frame);
  line = push (h, frame);
  fail_unless_equals_int (n_objects (line), 1);
  json_node_unref (line);
  gst_object_unref (element);
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_source_and_tags)
{
  GstHarness *h = gst_harness_new ("dicenetjson");

  g_object_set (h->element, "source", "a \"name\"", "tags", "{ \"camera\" : \"north\",\n \"list\": [1, 2.5, null] }",
                NULL);
  gst_harness_set_src_caps_str (h, CAPS);
  gst_element_set_state (h->element, GST_STATE_READY);
  gst_element_set_state (h->element, GST_STATE_PLAYING);
  gst_harness_set_src_caps_str (h, CAPS);
  JsonNode *line = push (h, frame_new (0));
  expect_string (line, "$.source", "a \"name\"");
  expect_string (line, "$.tags.camera", "north");
  expect_number (line, "$.tags.list[1]", 2.5);
  json_node_unref (line);
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_bad_tags)
{
  const gchar *const bad[] = { "{\"camera\": }", "north", "" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    GstElement *element = gst_element_factory_make ("dicenetjson", NULL);
    GstBus *bus = gst_bus_new ();
    GError *error = NULL;

    gst_element_set_bus (element, bus);
    g_object_set (element, "tags", bad[i], NULL);
    fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    fail_unless (message != NULL);
    gst_message_parse_error (message, &error, NULL);
    fail_unless (g_error_matches (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
    fail_unless (strstr (error->message, "tags") && strstr (error->message, bad[i]), "%s", error->message);
    g_error_free (error);
    gst_message_unref (message);

    /* The property can be corrected. */
    g_object_set (element, "tags", "[1]", NULL);
    fail_unless (gst_element_set_state (element, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE);
    gst_element_set_state (element, GST_STATE_NULL);
    gst_element_set_bus (element, NULL);
    gst_object_unref (bus);
    gst_object_unref (element);
  }
}
GST_END_TEST;

/* Stream time is the position in the clip, independent of timestamps. */
GST_START_TEST (test_times)
{
  GstHarness *h = harness_new ("dicenetjson");
  GstSegment segment;
  GstBuffer *frame = frame_new (0);

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = 100 * GST_SECOND;
  segment.time = 7 * GST_SECOND;
  fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
  JsonNode *line = push (h, frame_new (102));
  expect_number (line, "$.timestamp", 9e9);
  expect_number (line, "$.pts", 102e9);
  json_node_unref (line);

  GST_BUFFER_PTS (frame) = GST_CLOCK_TIME_NONE;
  line = push (h, frame);
  fail_unless (!has_member (line, "timestamp") && !has_member (line, "pts"));
  json_node_unref (line);
  gst_harness_teardown (h);
}
GST_END_TEST;

static void
expect_wall_clock (GstHarness *h, GstBuffer *frame, const gchar *text)
{
  JsonNode *line = push (h, frame);

  if (text)
    expect_string (line, "$.system_timestamp", text);
  else
    fail_if (has_member (line, "system_timestamp"));
  json_node_unref (line);
}

static GstBuffer *
frame_with_reference (const gchar *reference, GstClockTime time)
{
  GstBuffer *frame = frame_new (0);
  GstCaps *caps = gst_caps_from_string (reference);

  gst_buffer_add_reference_timestamp_meta (frame, caps, time, GST_CLOCK_TIME_NONE);
  gst_caps_unref (caps);
  return frame;
}

/* What a meta says, if it is a time of day. */
GST_START_TEST (test_reference_timestamps)
{
  const GstClockTime unix_time = 1777863721 * GST_SECOND + 123987654, to_ntp = 2208988800 * GST_SECOND;
  GstHarness *h = harness_new ("dicenetjson");

  /* A harness says it is live; without a clock in use, the pipeline's time is unknown. */
  gst_element_set_clock (h->element, NULL);
  expect_wall_clock (h, frame_with_reference ("timestamp/x-unix", unix_time), "2026-05-04T03:02:01.123Z");
  expect_wall_clock (h, frame_with_reference ("timestamp/x-ntp", unix_time + to_ntp), "2026-05-04T03:02:01.123Z");
  expect_wall_clock (h, frame_with_reference ("timestamp/x-ntp, host=(string)clock", unix_time + to_ntp),
                     "2026-05-04T03:02:01.123Z");
  expect_wall_clock (h, frame_with_reference ("timestamp/x-ntp", 5), NULL);
  expect_wall_clock (h, frame_with_reference ("timestamp/x-unix", GST_CLOCK_TIME_NONE - 1), "2554-07-21T23:34:33.709Z");
  expect_wall_clock (h, frame_with_reference ("timestamp/x-drone", unix_time), NULL);
  expect_wall_clock (h, frame_with_reference ("ANY", unix_time), NULL);
  expect_wall_clock (h, frame_new (0), NULL);
  gst_harness_teardown (h);
}
GST_END_TEST;

/* The time since 1970 that the only line of a pipeline has, in ms; -1 if it has none. */
static gint64
wall_clock_of (const gchar *source)
{
  g_autofree gchar *launch =
      g_strdup_printf ("%s ! video/x-raw,format=I420,width=64,height=48,framerate=30/1 ! dicenetjson ! "
                       "appsink name=out sync=false",
                       source);
  GstElement *pipeline = gst_parse_launch (launch, NULL), *out = gst_bin_get_by_name (GST_BIN (pipeline), "out");
  GstSample *sample = NULL;
  gint64 time = -1;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_signal_emit_by_name (out, "pull-sample", &sample);
  fail_unless (sample != NULL, "no line from %s", source);
  JsonNode *line = parse (gst_sample_get_buffer (sample));
  if (has_member (line, "system_timestamp")) {
    JsonNode *text = get (line, "$.system_timestamp");
    GDateTime *date = g_date_time_new_from_iso8601 (json_node_get_string (text), NULL);
    time = g_date_time_to_unix (date) * 1000 + g_date_time_get_microsecond (date) / 1000;
    g_date_time_unref (date);
    json_node_unref (text);
  }
  json_node_unref (line);
  gst_sample_unref (sample);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (out);
  gst_object_unref (pipeline);
  return time;
}

/* A live pipeline's clock is converted to the system's time; frames of a file have no time of day. */
GST_START_TEST (test_wall_clock)
{
  const gint64 before = g_get_real_time () / 1000;
  const gint64 time = wall_clock_of ("videotestsrc num-buffers=1 is-live=true"), after = g_get_real_time () / 1000;

  fail_unless (time >= before - 50 && time <= after,
               "%" G_GINT64_FORMAT " is not in %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, time, before, after);
  fail_unless_equals_int64 (wall_clock_of ("videotestsrc num-buffers=1"), -1);
}
GST_END_TEST;

GST_START_TEST (test_size_change)
{
  GstHarness *h = harness_new ("dicenetjson");

  json_node_unref (push (h, frame_new (0)));
  gst_harness_set_src_caps_str (h, "video/x-raw,format=NV12,width=64,height=48,framerate=30/1");
  JsonNode *line = push (h, gst_buffer_new_allocate (NULL, 64 * 48 * 3 / 2, NULL));
  expect_number (line, "$.resolution.width", 64);
  json_node_unref (line);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  gst_harness_teardown (h);
}
GST_END_TEST;

/* As applications give them. */
GST_START_TEST (test_caps_without_framerate)
{
  GstHarness *h = gst_harness_new ("dicenetjson");

  gst_harness_set_src_caps_str (h, "video/x-raw,format=RGB,width=64,height=48");
  JsonNode *line = push (h, gst_buffer_new_allocate (NULL, 64 * 48 * 3, NULL));
  expect_number (line, "$.resolution.width", 64);
  json_node_unref (line);
  gst_harness_teardown (h);
}
GST_END_TEST;

/* videocrop can leave the cropping to us, and the results follow. */
GST_START_TEST (test_crop)
{
  GstElementFactory *factory = gst_element_factory_find ("videocrop");

  if (!factory)
    return;
  gst_object_unref (factory);
  GstHarness *h = harness_new ("videocrop left=32 top=64 ! dicenetjson");
  GstBuffer *frame = frame_new (0);
  add_detections (frame, 2, 0);
  add_region (frame, "dog", 22, 84, 20, 10);
  add_region (frame, "cropped", 0, 0, 20, 20);
  JsonNode *line = push (h, frame);
  expect_number (line, "$.resolution.width", W - 32);
  expect_number (line, "$.resolution.height", H - 64);
  fail_unless_equals_int (n_objects (line), 2);
  expect_number (line, "$.objects[1].x", 0);
  expect_number (line, "$.objects[1].y", 20);
  expect_number (line, "$.objects[1].w", 10);
  expect_number (line, "$.objects[0].x", 0);
  expect_number (line, "$.objects[0].y", 0);
  expect_number (line, "$.objects[0].h", 80);
  expect_number (line, "$.objects[0].detection.bounding_box.x_max", 160.0 / (W - 32));
  json_node_unref (line);
  gst_harness_teardown (h);
}
GST_END_TEST;

/* In a locale with a decimal comma, JSON still has decimal points. */
GST_START_TEST (test_decimal_point)
{
  GstHarness *h = harness_new ("dicenetjson");
  GstBuffer *frame = frame_new (0);
  add_detections (frame, 1, 0);
  JsonNode *line = push (h, frame);
  expect_number (line, "$.objects[0].detection.confidence", 0.84);
  json_node_unref (line);
  gst_harness_teardown (h);
}
GST_END_TEST;

/* Numbers stay as written, and invalid JSON is refused with the position of the error. */
GST_START_TEST (test_strict_tags)
{
  const gchar *const bad[][2] = {
    { "{\"gain\":010}", "character 10" },   { "{\"gain\":0x10}", "character 10" }, { "{'a':1}", "character 2" },
    { "{\"a\":1} {}", "character 9" },      { "{\"a\":/**/1}", "character 6" },    { "[1,]", "character 4" },
    { "{\"a\":1,\"a\":2}", "character 8" },
  };
  GstHarness *h = harness_new ("dicenetjson tags=\"{\\\"gain\\\": 1e-10, \\\"n\\\": 12345678901234567890123}\"");

  gst_harness_push (h, frame_new (0));
  GstBuffer *buffer = gst_harness_pull (h);
  gchar *text = text_of (buffer);
  fail_unless (strstr (text, "\"tags\":{\"gain\":1e-10,\"n\":12345678901234567890123}"), "%s", text);
  g_free (text);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    GstElement *element = gst_element_factory_make ("dicenetjson", NULL);
    GstBus *bus = gst_bus_new ();
    GError *error = NULL;
    gst_element_set_bus (element, bus);
    g_object_set (element, "tags", bad[i][0], NULL);
    fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    gst_message_parse_error (message, &error, NULL);
    fail_unless (strstr (error->message, bad[i][1]), "%s", error->message);
    g_error_free (error);
    gst_message_unref (message);
    gst_element_set_state (element, GST_STATE_NULL);
    gst_element_set_bus (element, NULL);
    gst_object_unref (bus);
    gst_object_unref (element);
  }
}
GST_END_TEST;

/* Random characters, mostly ones that break lines and quotes. */
static gchar *
random_text (GRand *rand)
{
  static const gunichar nasty[] = { 1, 0x1f, '"', '\\', '\n', 0x7f, 0x85, 0x2028, 0x2029, 0xfffe, 0x1f600, 0x10ffff };
  GString *text = g_string_new (NULL);

  for (gint n = g_rand_int_range (rand, 0, 12); n > 0; n--) {
    gunichar c = (gunichar) g_rand_int_range (rand, 1, 0x110000);
    if (g_rand_boolean (rand) || !g_unichar_validate (c))
      c = nasty[g_rand_int_range (rand, 0, G_N_ELEMENTS (nasty))];
    g_string_append_unichar (text, c);
  }
  return g_string_free (text, FALSE);
}

/* As a JSON string with every character escaped, without our own functions. */
static gchar *
escape_all (const gchar *text)
{
  glong n;
  g_autofree gunichar2 *units = g_utf8_to_utf16 (text, -1, NULL, &n, NULL);
  GString *out = g_string_new ("\"");

  for (glong i = 0; i < n; i++)
    g_string_append_printf (out, "\\u%04x", units[i]);
  return g_string_free (g_string_append_c (out, '"'), FALSE);
}

/* Escapes only what JSON requires. */
static gchar *
escape_least (const gchar *text)
{
  GString *out = g_string_new ("\"");

  for (const gchar *p = text; *p; p++) {
    if ((guint8) *p < ' ')
      g_string_append_printf (out, "\\u%04x", (guint8) *p);
    else
      g_string_append_printf (out, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
  }
  return g_string_free (g_string_append_c (out, '"'), FALSE);
}

/* The line of a frame with these labels, for an element with this source, which is in the tags as well. */
static gchar *
line_with (const gchar *const *names, const gchar *model, const gchar *source, guint i)
{
  static const gfloat confidences[] = { 0.5f, NAN, INFINITY, -INFINITY, 1e-30f };
  GstHarness *h = harness_new ("dicenetjson name=json");
  GstElement *json = gst_harness_find_element (h, "dicenetjson");
  GstBuffer *frame = frame_new (0);
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, model, names, -1);
  g_autofree gchar *escaped = i % 2 ? escape_all (source) : escape_least (source),
                   *tags = g_strdup_printf ("{\"number\": -12.5e+3, \"text\":\t%s}", escaped);

  for (guint k = 0; k < 3; k++)
    gst_dicenet_result_add_class (result, k, confidences[(i + k) % G_N_ELEMENTS (confidences)]);
  gst_buffer_add_dicenet_meta (frame, result, W, H, NULL, 0);
  gst_dicenet_result_unref (result);
  gst_element_set_state (json, GST_STATE_READY);
  g_object_set (json, "source", source, "tags", tags, NULL);
  gst_element_set_state (json, GST_STATE_PLAYING);
  gst_harness_set_src_caps_str (h, CAPS);
  gst_harness_push (h, frame);
  GstBuffer *buffer = gst_harness_pull (h);
  gchar *text = text_of (buffer);
  gst_buffer_unref (buffer);
  gst_object_unref (json);
  gst_harness_teardown (h);
  return text;
}

/* Checked by Python's parser. */
GST_START_TEST (test_any_text)
{
  const gchar *const judge[] = { g_getenv ("DICENET_TEST_PYTHON"), g_getenv ("DICENET_TEST_JUDGE"), NULL };
  GRand *rand = g_rand_new_with_seed (7);
  GString *lines = g_string_new (NULL);
  GError *error = NULL;
  gchar *verdict = NULL;

  for (guint i = 0; i < 300; i++) {
    g_autofree gchar *label = random_text (rand), *model = random_text (rand), *source = random_text (rand);
    const gchar *const names[] = { label, "\x1f", "\xff", NULL };
    g_autofree gchar *line = line_with (names, model, source, i);
    g_string_append (lines, line); /* with its line end */
    for (const gchar *p = source; *p; p++)
      g_string_append_printf (lines, "%02x", (guint8) *p);
    g_string_append_c (lines, '\n');
  }
  g_rand_free (rand);
  fail_unless (judge[0] && judge[1], "run the tests through meson");
  GSubprocess *process =
      g_subprocess_newv (judge, G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  fail_unless (process != NULL, "%s", error ? error->message : "");
  GBytes *input = g_string_free_to_bytes (lines), *output = NULL;
  fail_unless (g_subprocess_communicate (process, input, NULL, &output, NULL, NULL));
  fail_unless (g_subprocess_get_successful (process), "it is not JSON: see above");
  verdict = g_strndup (g_bytes_get_data (output, NULL), g_bytes_get_size (output));
  fail_unless_equals_string (verdict, "300\n");
  g_free (verdict);
  g_bytes_unref (input);
  g_bytes_unref (output);
  g_object_unref (process);
}
GST_END_TEST;

static Suite *
json_suite (void)
{
  Suite *suite = suite_create ("dicenetjson");
  TCase *tests = tcase_create ("json");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, test_detections);
  tcase_add_test (tests, test_second_stage);
  tcase_add_test (tests, test_others);
  tcase_add_test (tests, test_results_in_objects);
  tcase_add_test (tests, test_classes_and_mask);
  tcase_add_test (tests, test_empty_results);
  tcase_add_test (tests, test_source_and_tags);
  tcase_add_test (tests, test_bad_tags);
  tcase_add_test (tests, test_strict_tags);
  tcase_add_test (tests, test_any_text);
  tcase_add_test (tests, test_times);
  tcase_add_test (tests, test_reference_timestamps);
  tcase_add_test (tests, test_wall_clock);
  tcase_add_test (tests, test_size_change);
  tcase_add_test (tests, test_caps_without_framerate);
  tcase_add_test (tests, test_crop);
  tcase_add_test (tests, test_decimal_point);
  return suite;
}

/* In the environment's locale; with "comma", in one with a decimal comma. */
int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  if (argc > 1 && strcmp (argv[1], "comma") == 0 && strcmp (localeconv ()->decimal_point, ",") != 0) {
    g_printerr (
        "there is no locale de_DE.UTF-8, and none can be made: localedef or Debian's package locales is missing\n");
    return 77;
  }
  gst_check_init (&argc, &argv);
  return gst_check_run_suite (json_suite (), "json", __FILE__);
}
