/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Objects of a frame, whoever detected them. */

#include <gst/check/gstcheck.h>
#include <gst/dicenet/gstdicenetobject.h>
#include <math.h>

#define W 320
#define H 240

static const gchar *const labels[] = { "background", "person", "car", NULL };

static void
add_detections (GstBuffer *buffer)
{
  static const GstDicenetDetection some[] = {
    { .label_id = 1, .confidence = 0.9, .x = 40, .y = 60, .w = 80, .h = 120 },
    { .label_id = 2, .confidence = 0.8, .x = 200, .y = 100, .w = 60.5, .h = 100 },
  };
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "det", labels, 0);

  gst_buffer_add_dicenet_meta_from_array (buffer, result, W, H, some, G_N_ELEMENTS (some), 3);
  gst_dicenet_result_unref (result);
}

/* As another element does. */
static GstVideoRegionOfInterestMeta *
add_region (GstBuffer *buffer, const gchar *label, gint id)
{
  GstVideoRegionOfInterestMeta *region = gst_buffer_add_video_region_of_interest_meta (buffer, label, 10, 20, 30, 40);

  region->id = id;
  gst_video_region_of_interest_meta_add_param (
      region, gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.5, "x_min", G_TYPE_DOUBLE, 10. / W, NULL));
  return region;
}

static GstBuffer *
frame_new (void)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, W * H, NULL);

  add_detections (buffer);
  add_region (buffer, "dog", 7);
  return buffer;
}

/* An object of @buffer; fails unless there are @n. */
static GstDicenetObject
object_at (GstBuffer *buffer, guint index, guint n)
{
  GArray *objects = gst_buffer_get_dicenet_objects (buffer);

  fail_unless_equals_int (objects->len, n);
  GstDicenetObject object = g_array_index (objects, GstDicenetObject, index);
  g_array_unref (objects);
  return object;
}

static void
expect_box (const GstDicenetObject *object, gdouble x, gdouble y, gdouble w, gdouble h)
{
  fail_unless_equals_float (object->x, x);
  fail_unless_equals_float (object->y, y);
  fail_unless_equals_float (object->w, w);
  fail_unless_equals_float (object->h, h);
}

static void
expect_label (GstBuffer *buffer, guint index, guint n, const gchar *label)
{
  GstDicenetObject object = object_at (buffer, index, n);

  fail_unless_equals_string (object.label, label);
}

static GstVideoRegionOfInterestMeta *
region_of (GstBuffer *buffer, const GstDicenetObject *object)
{
  GstVideoRegionOfInterestMeta *region = gst_buffer_get_video_region_of_interest_meta_id (buffer, object->region_id);

  fail_unless (region != NULL);
  return region;
}

static void
expect_region_box (const GstVideoRegionOfInterestMeta *region, guint x, guint y, guint w, guint h)
{
  fail_unless_equals_int (region->x, x);
  fail_unless_equals_int (region->y, y);
  fail_unless_equals_int (region->w, w);
  fail_unless_equals_int (region->h, h);
}

static GstBuffer *
scaled (GstBuffer *buffer, guint width, guint height)
{
  GstBuffer *dest = gst_buffer_new ();
  GstVideoInfo in, out;
  GstVideoMetaTransform scale = { .in_info = &in, .out_info = &out };
  gpointer state = NULL;

  gst_video_info_set_format (&in, GST_VIDEO_FORMAT_GRAY8, W, H);
  gst_video_info_set_format (&out, GST_VIDEO_FORMAT_GRAY8, width, height);
  for (GstMeta *meta; (meta = gst_buffer_iterate_meta (buffer, &state));)
    meta->info->transform_func (dest, meta, buffer, gst_video_meta_transform_scale_get_quark (), &scale);
  return dest;
}

GST_START_TEST (test_reading)
{
  GstBuffer *buffer = frame_new (), *empty = gst_buffer_new ();
  GstDicenetObject person = object_at (buffer, 0, 3), car = object_at (buffer, 1, 3), dog = object_at (buffer, 2, 3);
  GArray *none = gst_buffer_get_dicenet_objects (empty);

  fail_unless_equals_string (person.label, "person");
  fail_unless_equals_float (person.confidence, 0.9);
  fail_unless_equals_int (person.age, 3);
  fail_unless_equals_uint64 (person.age_time, GST_CLOCK_TIME_NONE);
  fail_unless (person.result == gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_DETECT)->result);
  fail_unless_equals_int (person.region_id, 1);
  expect_box (&car, 200, 100, 60.5, 100);
  fail_unless_equals_string (dog.label, "dog");
  fail_unless_equals_float (dog.confidence, 0.5);
  fail_unless_equals_int (dog.region_id, 7);
  fail_unless_equals_int (dog.age, 0);
  fail_unless_equals_uint64 (dog.age_time, 0);
  fail_unless_equals_uint64 (dog.source_pts, GST_CLOCK_TIME_NONE);
  fail_unless (dog.result == NULL);
  fail_unless_equals_uint64 (dog.track_id, 0);
  expect_box (&dog, 10, 20, 30, 40);
  fail_unless_equals_int (none->len, 0);
  g_array_unref (none);
  gst_buffer_unref (empty);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

/* Regions of others may say little, or anything. */
GST_START_TEST (test_bare_regions)
{
  GstBuffer *buffer = gst_buffer_new ();
  GstVideoRegionOfInterestMeta *region = gst_buffer_add_video_region_of_interest_meta (buffer, "a", 1, 2, 3, 4);

  gst_buffer_add_video_region_of_interest_meta_id (buffer, 0, 1, 2, 3, 4);
  gst_buffer_add_video_region_of_interest_meta (buffer, "nothing", 1, 2, 0, 4);
  gst_video_region_of_interest_meta_add_param (
      region, gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, (gdouble) NAN, NULL));
  gst_video_region_of_interest_meta_add_param (region, gst_structure_new ("object_id", "id", G_TYPE_INT, -3, NULL));
  GstDicenetObject object = object_at (buffer, 0, 2);
  fail_unless_equals_float (object.confidence, 1);
  fail_unless_equals_uint64 (object.track_id, 0);
  expect_label (buffer, 1, 2, "");
  fail_unless (gst_buffer_move_dicenet_object (buffer, &object, -5, 1, 20, 1e300));
  expect_region_box (region, 0, 1, 15, G_MAXINT - 1);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

/* Each object once, after copying and scaling, too: GStreamer drops the params of a scaled region. */
GST_START_TEST (test_copies)
{
  GstBuffer *buffer = frame_new (), *copy = gst_buffer_copy (buffer), *half = scaled (buffer, W / 2, H / 2);
  GstDicenetObject person = object_at (half, 0, 3), dog = object_at (half, 2, 3);

  gst_buffer_unref (buffer);
  expect_box (&person, 20, 30, 40, 60);
  expect_box (&dog, 5, 10, 15, 20);
  expect_label (copy, 0, 3, "person");
  expect_label (copy, 2, 3, "dog");
  gst_buffer_unref (copy);
  gst_buffer_unref (half);
}
GST_END_TEST;

/* What a crop removed does not come back as another element's region. */
GST_START_TEST (test_crop)
{
  GstBuffer *buffer = frame_new (), *tracked;
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (buffer);
  GstDicenetObject car;

  crop->x = 150;
  crop->y = 50;
  crop->width = 100;
  crop->height = 100;
  for (guint i = 0; i < 2; i++) { /* the second time of what was cropped */
    GstBuffer *shown = gst_buffer_apply_crop_to_dicenet_meta (buffer);
    GstVideoCropMeta *again = gst_buffer_add_video_crop_meta (shown);
    again->width = again->height = 100;
    /* Not all elements crop regions. */
    add_region (shown, "person", 1);
    gst_buffer_unref (buffer);
    buffer = shown;
  }
  expect_label (buffer, 0, 1, "car");
  tracked = gst_buffer_copy (buffer);
  car = object_at (tracked, 0, 1);
  gst_buffer_set_dicenet_track_id (tracked, &car, 5);
  expect_label (tracked, 0, 1, "car");
  expect_label (buffer, 0, 1, "car");
  gst_buffer_unref (tracked);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

GST_START_TEST (test_tracking)
{
  GstBuffer *buffer = frame_new (), *before = gst_buffer_copy (buffer);
  GstDicenetObject car = object_at (buffer, 1, 3), dog = object_at (buffer, 2, 3);
  gint id;

  for (gint i = 41; i <= 42; i++) {
    gst_buffer_set_dicenet_track_id (buffer, &car, i);
    gst_buffer_set_dicenet_track_id (buffer, &dog, i + 1);
  }
  fail_unless_equals_uint64 (object_at (buffer, 1, 3).track_id, 42);
  fail_unless_equals_uint64 (object_at (buffer, 2, 3).track_id, 43);
  GstStructure *param = gst_video_region_of_interest_meta_get_param (region_of (buffer, &car), "object_id");
  fail_unless (param && gst_structure_get_int (param, "id", &id) && id == 42);
  param = gst_video_region_of_interest_meta_get_param (region_of (buffer, &dog), "object_id");
  fail_unless (param && gst_structure_get_int (param, "id", &id) && id == 43);
  fail_unless_equals_int (g_list_length (region_of (buffer, &dog)->params), 2);

  gst_buffer_set_dicenet_track_id (buffer, &car, G_GUINT64_CONSTANT (1) << 40);
  fail_unless_equals_uint64 (object_at (buffer, 1, 3).track_id, G_GUINT64_CONSTANT (1) << 40);
  fail_if (gst_video_region_of_interest_meta_get_param (region_of (buffer, &car), "object_id"));
  gst_buffer_set_dicenet_track_id (buffer, &dog, 0);
  fail_unless_equals_uint64 (object_at (buffer, 2, 3).track_id, 0);
  for (guint i = 0; i < 3; i++)
    fail_unless_equals_uint64 (object_at (before, i, 3).track_id, 0);
  gst_buffer_unref (before);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

GST_START_TEST (test_moving)
{
  GstBuffer *buffer = frame_new (), *before = gst_buffer_copy (buffer);
  GstDicenetObject car = object_at (buffer, 1, 3), dog = object_at (buffer, 2, 3), old = object_at (before, 1, 3);
  gdouble x_max;

  fail_unless (gst_buffer_move_dicenet_object (buffer, &car, 280.25, -20, 60, 50));
  fail_unless (gst_buffer_move_dicenet_object (buffer, &dog, 11, 22, 1000, 5));
  car = object_at (buffer, 1, 3);
  dog = object_at (buffer, 2, 3);
  expect_box (&car, 280.25, 0, W - 280.25, 30);
  expect_box (&dog, 11, 22, W - 11, 5);
  expect_region_box (region_of (buffer, &car), 280, 0, 40, 30);
  GstStructure *param = gst_video_region_of_interest_meta_get_param (region_of (buffer, &car), "detection");
  fail_unless (gst_structure_get_double (param, "x_max", &x_max) && fabs (x_max - 1) < 1e-9);
  old = object_at (before, 1, 3);
  expect_box (&old, 200, 100, 60.5, 100);
  expect_region_box (region_of (before, &old), 200, 100, 61, 100);

  /* Nothing of these is on the frame. */
  static const gdouble boxes[][4] = { { W, 0, 10, 10 },
                                      { 0, -10, 10, 10 },
                                      { 5, 5, 0, 10 },
                                      { 5, 5, 10, -1 },
                                      { NAN, 0, 10, 10 },
                                      { 0, 0, 10, NAN },
                                      { -INFINITY, 0, INFINITY, 10 } };
  for (guint i = 0; i < G_N_ELEMENTS (boxes); i++) {
    const gdouble *b = boxes[i];
    fail_if (gst_buffer_move_dicenet_object (buffer, &car, b[0], b[1], b[2], b[3]), "box %u", i);
  }
  GstDicenetObject still = object_at (buffer, 1, 3);
  expect_box (&still, car.x, car.y, car.w, car.h);
  gst_buffer_unref (before);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

GST_START_TEST (test_second_stage)
{
  GstBuffer *buffer = frame_new (), *before = gst_buffer_copy (buffer);
  GstDicenetResult *colour = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, "colour", labels, -1);
  GstDicenetResult *unclear = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, "colour", labels, -1);

  gst_dicenet_result_add_class (colour, 2, 0.75);
  for (guint i = 1; i <= 2; i++) {
    GstDicenetObject object = object_at (buffer, i, 3);
    gst_buffer_add_dicenet_object_result (buffer, &object, colour);
    gst_buffer_add_dicenet_object_result (buffer, &object, unclear);
    GstStructure *param = gst_video_region_of_interest_meta_get_param (region_of (buffer, &object), "classification");
    gdouble confidence;
    gint id;
    fail_unless (param != NULL);
    fail_unless_equals_string (gst_structure_get_string (param, "label"), "car");
    fail_unless_equals_string (gst_structure_get_string (param, "model_name"), "colour");
    fail_unless (gst_structure_get_int (param, "label_id", &id) && id == 2);
    fail_unless (gst_structure_get_double (param, "confidence", &confidence) && confidence == 0.75);
    fail_unless_equals_int (g_list_length (region_of (buffer, &object)->params), 2);
    fail_unless_equals_int (g_list_length (region_of (before, &object)->params), 1);
  }
  for (guint i = 1; i <= 2; i++) {
    GstDicenetObject object = object_at (buffer, i, 3);
    GList *results = gst_buffer_get_dicenet_object_results (buffer, &object);
    GstDicenetResult *said = g_list_nth_data (results, 0);
    fail_unless_equals_int (g_list_length (results), i == 1 ? 2 : 1);
    fail_unless_equals_string (said->model, "colour");
    fail_unless_equals_float (gst_dicenet_result_get_class (said, 0)->confidence, 0.75);
    fail_unless_equals_string (gst_dicenet_result_get_label (said, gst_dicenet_result_get_class (said, 0)->label_id),
                               "car");
    g_list_free_full (results, (GDestroyNotify) gst_dicenet_result_unref);
  }
  gst_dicenet_result_unref (unclear);
  gst_dicenet_result_unref (colour);
  const GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_DETECT);
  fail_unless_equals_int (gst_dicenet_detection_get_n_results (gst_dicenet_meta_get_detection (meta, 1)), 2);
  fail_unless_equals_int (gst_dicenet_detection_get_n_results (gst_dicenet_meta_get_detection (meta, 0)), 0);

  /* A result that is attached with all this says the same. */
  GstBuffer *again = gst_buffer_new ();
  GstDicenetDetection d = *gst_dicenet_meta_get_detection (meta, 1);
  d.track_id = 8;
  gst_buffer_add_dicenet_meta_from_array (again, meta->result, W, H, &d, 1, 0);
  GstDicenetObject object = object_at (again, 0, 1);
  fail_unless (gst_video_region_of_interest_meta_get_param (region_of (again, &object), "classification"));
  fail_unless (gst_video_region_of_interest_meta_get_param (region_of (again, &object), "object_id"));
  gst_buffer_unref (again);
  gst_buffer_unref (before);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

/* A tracker of others may number our detection as a region. */
GST_START_TEST (test_tracks_of_others)
{
  GstBuffer *buffer = frame_new ();
  GstDicenetObject car = object_at (buffer, 1, 3);

  gst_video_region_of_interest_meta_add_param (region_of (buffer, &car),
                                               gst_structure_new ("object_id", "id", G_TYPE_INT, 12, NULL));
  fail_unless_equals_uint64 (object_at (buffer, 1, 3).track_id, 12);
  fail_unless_equals_uint64 (object_at (buffer, 0, 3).track_id, 0);
  gst_buffer_set_dicenet_track_id (buffer, &car, 13);
  fail_unless_equals_uint64 (object_at (buffer, 1, 3).track_id, 13);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

/* Ids stay unique where regions are gone, for instance in another process. */
GST_START_TEST (test_ids)
{
  GstBuffer *buffer = gst_buffer_new ();
  GstMeta *region;

  add_detections (buffer);
  while ((region = gst_buffer_get_meta (buffer, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)))
    gst_buffer_remove_meta (buffer, region);
  add_detections (buffer);
  for (gint i = 0; i < 4; i++)
    fail_unless_equals_int (object_at (buffer, i, 4).region_id, i + 1);
  add_region (buffer, "dog", G_MAXINT);
  add_detections (buffer);
  fail_unless_equals_int (object_at (buffer, 0, 7).region_id, 1);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

static void
count_critical (const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer count)
{
  fail_unless (level & G_LOG_LEVEL_CRITICAL, "%s", message);
  ++*(guint *) count;
}

/* An object of another buffer is refused, not written to; so is a buffer in use. */
GST_START_TEST (test_other_buffer)
{
  GstBuffer *buffer = frame_new (), *copy = gst_buffer_copy (buffer);
  GstDicenetObject person = object_at (buffer, 0, 3);
  guint n = 0;
  guint handler = g_log_set_handler ("GstDicenetMeta", G_LOG_LEVEL_MASK, count_critical, &n);

  gst_buffer_set_dicenet_track_id (copy, &person, 4);
  gst_buffer_move_dicenet_object (copy, &person, 0, 0, 1, 1);
  fail_unless_equals_int (n, 2);
  gst_buffer_ref (buffer);
  gst_buffer_set_dicenet_track_id (buffer, &person, 4);
  gst_buffer_unref (buffer);
  fail_unless_equals_int (n, 3);
  g_log_remove_handler ("GstDicenetMeta", handler);
  fail_unless_equals_uint64 (object_at (buffer, 0, 3).track_id, 0);
  fail_unless_equals_uint64 (object_at (copy, 0, 3).track_id, 0);
  gst_buffer_unref (copy);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

static Suite *
objects_suite (void)
{
  Suite *suite = suite_create ("dicenetobjects");
  TCase *tests = tcase_create ("general");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, test_reading);
  tcase_add_test (tests, test_bare_regions);
  tcase_add_test (tests, test_copies);
  tcase_add_test (tests, test_crop);
  tcase_add_test (tests, test_tracking);
  tcase_add_test (tests, test_moving);
  tcase_add_test (tests, test_second_stage);
  tcase_add_test (tests, test_tracks_of_others);
  tcase_add_test (tests, test_ids);
  tcase_add_test (tests, test_other_buffer);
  return suite;
}

GST_CHECK_MAIN (objects)
