/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The meta alone, and with elements that transform the frame. */

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/dicenet/gstdicenetmeta.h>
#include <string.h>

#define W 320
#define H 240

static const gchar *const labels[] = { "background", "person", "car", NULL };

static void
fail_unless_near (gdouble value, gdouble expected, gdouble tolerance)
{
  fail_unless (value >= expected - tolerance && value <= expected + tolerance, "%g is not %g", value, expected);
}

/* 8 x 6: class 1 in the left half, class 2 in the lower right quarter. */
static GstDicenetResult *
mask_new (gint background)
{
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_SEGMENT, "seg", labels, background);
  guint8 *mask = g_malloc0 (8 * 6);

  for (guint i = 0; i < 8 * 6; i++)
    mask[i] = i % 8 < 4 ? 1 : i / 8 >= 3 ? 2 : 0;
  GBytes *bytes = g_bytes_new_take (mask, 8 * 6);
  gst_dicenet_result_set_mask (result, bytes, 8, 6);
  g_bytes_unref (bytes);
  return result;
}

static GArray *
detections_new (void)
{
  const GstDicenetDetection some[] = {
    { .label_id = 1, .confidence = 0.9, .x = 40, .y = 60, .w = 80, .h = 120 },
    { .label_id = 2, .confidence = 0.8, .x = -20, .y = 200, .w = 60, .h = 100 },  /* extends beyond the frame */
    { .label_id = 2, .confidence = 0.7, .x = W + 5, .y = 0, .w = 10, .h = 10 },   /* outside of the frame */
    { .label_id = 9, .confidence = 0.6, .x = W - 30, .y = 0, .w = 30, .h = 30.5 } /* has no name */
  };
  GArray *array = g_array_new (FALSE, FALSE, sizeof *some);

  return g_array_append_vals (array, some, G_N_ELEMENTS (some));
}

static void
add_detections (GstBuffer *buffer)
{
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "det", labels, 0);

  gst_buffer_add_dicenet_meta (buffer, result, W, H, detections_new (), 3);
  gst_dicenet_result_unref (result);
}

static void
add_mask (GstBuffer *buffer, gint background)
{
  GstDicenetResult *result = mask_new (background);

  gst_buffer_add_dicenet_meta (buffer, result, W, H, NULL, 0);
  gst_dicenet_result_unref (result);
}

/* A white frame with detections and a mask. */
static GstBuffer *
frame_new (void)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, W * H, NULL);

  gst_buffer_memset (buffer, 0, 255, W * H);
  GST_BUFFER_PTS (buffer) = 0;
  add_detections (buffer);
  add_mask (buffer, 0);
  return buffer;
}

static void
expect_detection (GstBuffer *buffer, guint index, gdouble x, gdouble y, gdouble w, gdouble h)
{
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_DETECT);

  fail_unless (meta != NULL, "no detections");
  fail_unless (index < gst_dicenet_meta_get_n_detections (meta));
  const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, index);
  fail_unless_near (d->x, x, 1e-3);
  fail_unless_near (d->y, y, 1e-3);
  fail_unless_near (d->w, w, 1e-3);
  fail_unless_near (d->h, h, 1e-3);
}

/* Checks the class of a pixel in the mask at frame size. */
static void
expect_class (GstBuffer *buffer, guint x, guint y, guint label_id)
{
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_SEGMENT);

  fail_unless (meta != NULL, "no mask");
  GBytes *mask = gst_dicenet_meta_get_mask (meta, 0, 0);
  fail_unless_equals_int (g_bytes_get_size (mask), meta->frame_width * meta->frame_height);
  fail_unless_equals_int (((const guint8 *) g_bytes_get_data (mask, NULL))[y * meta->frame_width + x], label_id);
  g_bytes_unref (mask);
}

GST_START_TEST (test_result)
{
  gchar *other[] = { g_strdup ("background"), g_strdup ("person"), g_strdup ("car"), NULL };
  GstDicenetResult *a = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, "model", labels, -1);
  GstDicenetResult *b = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, "model", (const gchar *const *) other, -1);
  GstDicenetResult *none = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, NULL, NULL, -1);

  fail_unless (a->labels == b->labels, "the same names must not be stored twice");
  fail_unless (a->labels != (gchar **) labels);
  fail_unless_equals_int (a->n_labels, 3);
  fail_unless_equals_string (a->model, "model");
  fail_unless_equals_string (gst_dicenet_result_get_label (a, 2), "car");
  fail_unless_equals_string (gst_dicenet_result_get_label (a, 7), "class 7");
  fail_unless_equals_int (none->n_labels, 0);
  fail_unless_equals_string (none->model, "");

  fail_unless_equals_int (gst_dicenet_result_get_n_classes (a), 0);
  gst_dicenet_result_add_class (a, 2, 0.75);
  gst_dicenet_result_add_class (a, 1, 0.25);
  fail_unless_equals_int (gst_dicenet_result_get_n_classes (a), 2);
  fail_unless_equals_int (gst_dicenet_result_get_class (a, 1)->label_id, 1);
  fail_unless_equals_float (gst_dicenet_result_get_class (a, 0)->confidence, 0.75);

  gst_dicenet_result_unref (a);
  gst_dicenet_result_unref (b);
  gst_dicenet_result_unref (none);
  for (guint i = 0; i < 3; i++)
    g_free (other[i]);
}
GST_END_TEST;

/* More sets of labels than are cached: each result must still have its own. */
GST_START_TEST (test_many_label_sets)
{
  GstDicenetResult *results[40];

  for (guint i = 0; i < G_N_ELEMENTS (results); i++) {
    gchar *name = g_strdup_printf ("only %u", i);
    const gchar *names[] = { name, NULL };
    results[i] = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, name, names, -1);
    g_free (name);
  }
  for (guint i = 0; i < G_N_ELEMENTS (results); i++) {
    fail_unless_equals_string (gst_dicenet_result_get_label (results[i], 0), results[i]->model);
    gst_dicenet_result_unref (results[i]);
  }
}
GST_END_TEST;

GST_START_TEST (test_attach)
{
  GstBuffer *buffer = gst_buffer_new ();

  gst_buffer_add_video_region_of_interest_meta (buffer, "other", 0, 0, 1, 1)->id = 41;
  add_detections (buffer);
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_DETECT);
  fail_unless (gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_CLASSIFY) == NULL);
  fail_unless_equals_int (meta->age, 3);
  fail_unless_equals_int (gst_dicenet_meta_get_n_detections (meta), 3);
  expect_detection (buffer, 0, 40, 60, 80, 120);
  expect_detection (buffer, 1, 0, 200, 40, 40);
  expect_detection (buffer, 2, W - 30, 0, 30, 30.5);

  const gchar *const names[] = { "person", "car", "class 9" };
  for (guint i = 0; i < 3; i++) {
    const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, i);
    GstVideoRegionOfInterestMeta *roi = gst_buffer_get_video_region_of_interest_meta_id (buffer, 42 + i);
    fail_unless (roi != NULL);
    fail_unless_equals_int (d->id, 42 + i);
    fail_unless_equals_string (g_quark_to_string (roi->roi_type), names[i]);
    fail_unless (roi->w > 0 && roi->h > 0 && roi->x + roi->w <= W && roi->y + roi->h <= H);

    GstStructure *param = gst_video_region_of_interest_meta_get_param (roi, "detection");
    gint label_id;
    gdouble confidence, x_min, x_max, y_min, y_max;
    fail_unless (gst_structure_get (param, "label_id", G_TYPE_INT, &label_id, "confidence", G_TYPE_DOUBLE, &confidence,
                                    "x_min", G_TYPE_DOUBLE, &x_min, "x_max", G_TYPE_DOUBLE, &x_max, "y_min",
                                    G_TYPE_DOUBLE, &y_min, "y_max", G_TYPE_DOUBLE, &y_max, NULL));
    fail_unless_equals_string (gst_structure_get_string (param, "label"), names[i]);
    fail_unless_equals_int (label_id, d->label_id);
    fail_unless_near (confidence, d->confidence, 1e-9);
    fail_unless_near (x_min * W, d->x, 1e-6);
    fail_unless_near (x_max * W, d->x + d->w, 1e-6);
    fail_unless_near (y_min * H, d->y, 1e-6);
    fail_unless_near (y_max * H, d->y + d->h, 1e-6);
  }
  gst_buffer_unref (buffer);
}
GST_END_TEST;

/* How old a result is stays known through copies, scaling and cropping. */
GST_START_TEST (test_age)
{
  GstBuffer *buffer = gst_buffer_new ();
  GstVideoInfo in, out;

  GST_BUFFER_PTS (buffer) = 7;
  add_mask (buffer, 0);
  add_detections (buffer);
  GstDicenetMeta *now = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_SEGMENT);
  fail_unless (now->age == 0 && now->age_time == 0 && now->source_pts == 7);
  GstDicenetMeta *old = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_DETECT);
  fail_unless (old->age == 3 && old->age_time == GST_CLOCK_TIME_NONE && old->source_pts == GST_CLOCK_TIME_NONE);
  old->age_time = 5;
  old->source_pts = 2;
  gst_video_info_set_format (&in, GST_VIDEO_FORMAT_GRAY8, W, H);
  gst_video_info_set_format (&out, GST_VIDEO_FORMAT_GRAY8, 2 * W, 2 * H);
  GstVideoMetaTransform scale = { .in_info = &in, .out_info = &out };
  GstBuffer *copies[] = { gst_buffer_copy (buffer), gst_buffer_new () };
  fail_unless (old->meta.info->transform_func (copies[1], &old->meta, buffer,
                                               gst_video_meta_transform_scale_get_quark (), &scale));
  for (guint i = 0; i < G_N_ELEMENTS (copies); i++) {
    const GstDicenetMeta *copy = gst_buffer_get_dicenet_meta (copies[i], GST_DICENET_TASK_DETECT);
    fail_unless (copy->age == 3 && copy->age_time == 5 && copy->source_pts == 2);
    gst_buffer_unref (copies[i]);
  }
  gst_buffer_unref (buffer);
}
GST_END_TEST;

GST_START_TEST (test_mask)
{
  GstBuffer *buffer = gst_buffer_new ();
  guint8 pixels[3 * 10];
  gdouble shares[256];

  add_mask (buffer, 0);
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_SEGMENT);
  fail_unless_equals_int (gst_dicenet_meta_get_n_detections (meta), 0);
  gst_dicenet_meta_get_shares (meta, shares);
  fail_unless_near (shares[0], 0.25, 1e-12);
  fail_unless_near (shares[1], 0.5, 1e-12);
  fail_unless_near (shares[2], 0.25, 1e-12);
  fail_unless_near (shares[3], 0, 0);

  memset (pixels, 77, sizeof pixels);
  gst_dicenet_meta_read_mask (meta, pixels, 4, 3, 10);
  const guint8 rows[3][4] = { { 1, 1, 0, 0 }, { 1, 1, 2, 2 }, { 1, 1, 2, 2 } };
  for (guint y = 0; y < 3; y++) {
    fail_unless (memcmp (pixels + 10 * y, rows[y], 4) == 0, "row %u", y);
    fail_unless_equals_int (pixels[10 * y + 4], 77);
  }
  gst_buffer_unref (buffer);
}
GST_END_TEST;

/* The ABI: applications built with one version read the metas of another, see docs/metadata.md. */
#if GLIB_SIZEOF_VOID_P == 8
G_STATIC_ASSERT (sizeof (GstDicenetDetection) == 128);
G_STATIC_ASSERT (G_STRUCT_OFFSET (GstDicenetDetection, confidence) == 8);
G_STATIC_ASSERT (G_STRUCT_OFFSET (GstDicenetDetection, track_id) == 48);
G_STATIC_ASSERT (sizeof (GstDicenetClass) == 32);
G_STATIC_ASSERT (G_STRUCT_OFFSET (GstDicenetMeta, age) == 64);
G_STATIC_ASSERT (G_STRUCT_OFFSET (GstDicenetMeta, source_pts) == 80);
G_STATIC_ASSERT (G_STRUCT_OFFSET (GstDicenetResult, mask_height) == 44);
#endif

GST_START_TEST (test_all_of_a_frame)
{
  GstBuffer *buffer = frame_new ();
  gpointer state = NULL;

  add_detections (buffer);
  GPtrArray *metas = gst_buffer_get_dicenet_metas (buffer);
  fail_unless_equals_int (metas->len, 3);
  for (guint i = 0; i < metas->len; i++)
    fail_unless (gst_buffer_iterate_dicenet_meta (buffer, &state) == g_ptr_array_index (metas, i));
  fail_unless (gst_buffer_iterate_dicenet_meta (buffer, &state) == NULL);
  const GstDicenetMeta *first = g_ptr_array_index (metas, 0), *last = g_ptr_array_index (metas, 2);
  fail_unless (first->result->task == GST_DICENET_TASK_DETECT && last->result->task == GST_DICENET_TASK_DETECT);
  fail_unless (gst_dicenet_meta_get_detection (first, 0)->id != gst_dicenet_meta_get_detection (last, 0)->id);
  g_ptr_array_unref (metas);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

static GstDicenetResult *
colour_new (void)
{
  static const gchar *const colours[] = { "red", "blue", NULL };
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, "colour", colours, -1);

  gst_dicenet_result_add_class (result, 1, 0.75);
  return result;
}

static void
expect_second_stage (GstBuffer *buffer, guint64 track_id, guint n_results)
{
  const GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_DETECT);
  const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, 1);

  fail_unless_equals_uint64 (gst_dicenet_meta_get_detection (meta, 0)->track_id, 0);
  fail_unless_equals_uint64 (d->track_id, track_id);
  fail_unless_equals_int (gst_dicenet_detection_get_n_results (d), n_results);
  for (guint i = 0; i < n_results; i++)
    fail_unless_equals_string (gst_dicenet_result_get_label (gst_dicenet_detection_get_result (d, i), 1), "blue");
}

/* Additions of a tracker and of a second stage stay with the object through copies and scaling; older copies lack
 * them. */
GST_START_TEST (test_second_stage)
{
  GstBuffer *buffer = frame_new (), *before = gst_buffer_copy (buffer);
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_DETECT);
  GstDicenetResult *colour = colour_new ();

  gst_dicenet_meta_set_track_id (meta, 1, 42);
  gst_dicenet_meta_add_detection_result (meta, 1, colour);
  gst_dicenet_meta_add_detection_result (meta, 1, colour);
  gst_dicenet_result_unref (colour);
  expect_second_stage (buffer, 42, 2);
  expect_second_stage (before, 0, 0);
  GstBuffer *after = gst_buffer_copy (buffer);
  GstDicenetDetection *kept = g_boxed_copy (GST_TYPE_DICENET_DETECTION, gst_dicenet_meta_get_detection (meta, 1));
  gst_dicenet_meta_set_track_id (gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_DETECT), 1, 7);
  gst_buffer_add_video_crop_meta (after);
  *gst_buffer_get_video_crop_meta (after) =
      (GstVideoCropMeta){ .meta = gst_buffer_get_video_crop_meta (after)->meta, .width = W, .height = H };
  GstBuffer *cropped = gst_buffer_apply_crop_to_dicenet_meta (after);
  gst_buffer_unref (buffer);
  gst_buffer_unref (after);
  gst_buffer_unref (before);
  expect_second_stage (cropped, 42, 2);
  gst_buffer_unref (cropped);
  fail_unless_equals_int (gst_dicenet_detection_get_n_results (kept), 2);
  g_boxed_free (GST_TYPE_DICENET_DETECTION, kept);
}
GST_END_TEST;

/* Each thread sets track ids on its own copy of the frame, concurrently. */
static gpointer
track (gpointer shared)
{
  GstDicenetResult *colour = colour_new ();

  for (guint i = 1; i <= 2000; i++) {
    GstBuffer *own = gst_buffer_copy (shared);
    GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (own, GST_DICENET_TASK_DETECT);
    gst_dicenet_meta_set_track_id (meta, 1, i);
    gst_dicenet_meta_add_detection_result (meta, 1, colour);
    expect_second_stage (own, i, 1);
    expect_second_stage (shared, 0, 0);
    gst_buffer_unref (own);
  }
  gst_dicenet_result_unref (colour);
  return NULL;
}

GST_START_TEST (test_tracks_of_copies)
{
  GstBuffer *shared = frame_new ();
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("track", track, shared);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  gst_buffer_unref (shared);
}
GST_END_TEST;

/* Results of a part of the frame: a mask of 80 x 60 at (160, 120), boxes, and the object that they belong to. */
static GstBuffer *
frame_with_region (void)
{
  const GstVideoRectangle region = { 160, 120, 80, 60 };
  GstBuffer *buffer = gst_buffer_new ();
  GstDicenetResult *mask = mask_new (0), *boxes = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "det", labels, 0);

  gst_buffer_add_dicenet_meta_in_region (buffer, mask, W, H, &region, 7, NULL, 0);
  gst_buffer_add_dicenet_meta_in_region (buffer, boxes, W, H, &region, 8, detections_new (), 0);
  gst_dicenet_result_unref (mask);
  gst_dicenet_result_unref (boxes);
  return buffer;
}

GST_START_TEST (test_region)
{
  GstBuffer *buffer = frame_with_region ();
  GstBuffer *copy = gst_buffer_copy (buffer);
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (copy, GST_DICENET_TASK_SEGMENT);
  gdouble shares[256];

  fail_unless_equals_int (meta->parent_id, 7);
  expect_class (copy, 159, 150, 0);
  expect_class (copy, 160, 150, 1);
  expect_class (copy, 199, 120, 1);
  expect_class (copy, 200, 150, 2);
  expect_class (copy, 239, 179, 2);
  expect_class (copy, 200, 149, 0);
  expect_class (copy, 240, 179, 0);
  expect_class (copy, 160, 119, 0);
  gst_dicenet_meta_get_shares (meta, shares); /* of the region */
  fail_unless (shares[0] == 0.25 && shares[1] == 0.5 && shares[2] == 0.25);

  meta = gst_buffer_get_dicenet_meta (copy, GST_DICENET_TASK_DETECT);
  fail_unless_equals_int (meta->parent_id, 8);
  fail_unless_equals_int (gst_dicenet_meta_get_n_detections (meta), 3);
  GstVideoRegionOfInterestMeta *roi = gst_buffer_get_video_region_of_interest_meta_id (copy, 1);
  fail_unless (roi && roi->parent_id == 8);
  gst_buffer_unref (copy);
  gst_buffer_unref (buffer);

  buffer = frame_new ();
  gpointer state = NULL;
  while ((meta = gst_buffer_iterate_dicenet_meta (buffer, &state)))
    fail_unless_equals_int (meta->parent_id, -1);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

/* The mask follows its part of the frame. */
GST_START_TEST (test_region_of_cropped_frame)
{
  GstBuffer *buffer = frame_with_region ();
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (buffer);
  gdouble shares[256];

  crop->x = 200;
  crop->y = 60;
  crop->width = 100;
  crop->height = 120;
  GstBuffer *cropped = gst_buffer_apply_crop_to_dicenet_meta (buffer);
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (cropped, GST_DICENET_TASK_SEGMENT);
  fail_unless_equals_int (meta->parent_id, 7);
  expect_class (cropped, 0, 90, 2);
  expect_class (cropped, 39, 119, 2);
  expect_class (cropped, 40, 119, 0);
  expect_class (cropped, 0, 89, 0);
  gst_dicenet_meta_get_shares (meta, shares); /* of what is left of the region */
  fail_unless (shares[0] == 0.5 && shares[1] == 0 && shares[2] == 0.5);
  gst_buffer_unref (cropped);

  crop->x = 0; /* nothing is left */
  crop->width = 160;
  cropped = gst_buffer_apply_crop_to_dicenet_meta (buffer);
  meta = gst_buffer_get_dicenet_meta (cropped, GST_DICENET_TASK_SEGMENT);
  gst_dicenet_meta_get_shares (meta, shares);
  fail_unless (shares[0] == 0 && shares[1] == 0 && shares[2] == 0);
  gst_buffer_unref (cropped);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

#if GST_CHECK_VERSION(1, 24, 0)
static GByteArray *
bytes_of_metas (GstBuffer *buffer)
{
  GByteArray *bytes = g_byte_array_new ();
  gpointer state = NULL;

  for (GstDicenetMeta *meta; (meta = gst_buffer_iterate_dicenet_meta (buffer, &state));)
    fail_unless (gst_meta_serialize_simple ((GstMeta *) meta, bytes));
  return bytes;
}

/* Deserialises all metas; reading twice gives the same result. */
static GstBuffer *
metas_of_bytes (const guint8 *data, gsize size)
{
  GstBuffer *buffer = gst_buffer_new ();
  guint32 used = 0;

  while (size > 0 && gst_meta_deserialize (buffer, data, size, &used) && used > 0 && used <= size) {
    data += used;
    size -= used;
  }
  return buffer;
}

/* Serialisation and back preserve everything except regions of interest. */
GST_START_TEST (test_serialisation)
{
  GstBuffer *buffer = frame_new ();
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_DETECT);
  GstDicenetResult *colour = colour_new ();

  gst_dicenet_meta_set_track_id (meta, 1, 42);
  gst_dicenet_meta_add_detection_result (meta, 1, colour);
  meta->age_time = 100;
  meta->source_pts = 23;
  meta->parent_id = 9;
  gst_buffer_add_dicenet_meta (buffer, colour, W, H, NULL, 5);
  gst_dicenet_result_unref (colour);
  GByteArray *bytes = bytes_of_metas (buffer);
  GstBuffer *read = metas_of_bytes (bytes->data, bytes->len);
  GByteArray *again = bytes_of_metas (read);
  fail_unless (bytes->len == again->len && memcmp (bytes->data, again->data, bytes->len) == 0);
  expect_second_stage (read, 42, 1);
  const GstDicenetMeta *found = gst_buffer_get_dicenet_meta (read, GST_DICENET_TASK_DETECT);
  fail_unless_equals_int (gst_dicenet_meta_get_n_detections (found), 3);
  fail_unless_equals_int (gst_dicenet_meta_get_detection (found, 2)->id, gst_dicenet_meta_get_detection (meta, 2)->id);
  fail_unless (found->age == 3 && found->age_time == 100 && found->source_pts == 23 && found->parent_id == 9);
  fail_unless_equals_string (found->result->model, "det");
  found = gst_buffer_get_dicenet_meta (read, GST_DICENET_TASK_CLASSIFY);
  fail_unless_equals_string (gst_dicenet_result_get_label (found->result, 0), "red");
  fail_unless_equals_float (gst_dicenet_result_get_class (found->result, 0)->confidence, 0.75);
  found = gst_buffer_get_dicenet_meta (read, GST_DICENET_TASK_SEGMENT);
  fail_unless (g_bytes_equal (found->result->mask,
                              gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_SEGMENT)->result->mask));
  g_byte_array_unref (bytes);
  g_byte_array_unref (again);
  gst_buffer_unref (read);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

/* Serialised by an earlier version, which had neither age in time, source pts nor parent. */
GST_START_TEST (test_old_serialisation)
{
  GstBuffer *buffer = gst_buffer_new ();
  const GstMetaInfo *info = GST_DICENET_META_INFO;
  GVariant *old = g_variant_ref_sink (
      g_variant_new_parsed ("(uint32 64, uint32 48, 0.0, 0.0, 1.0, 1.0, uint32 3, "
                            "(1, 'det', ['person'], -1, @a(ud) [], uint32 0, uint32 0, @ay []), "
                            "[(uint32 0, 1, 0.5, 1.0, 2.0, 3.0, 4.0, uint64 0, @a(isasia(ud)uuay) [])])"));
  GVariant *little = G_BYTE_ORDER == G_BIG_ENDIAN ? g_variant_byteswap (old) : g_variant_ref (old);
  const GstDicenetMeta *meta = (const GstDicenetMeta *) info->deserialize_func (
      info, buffer, g_variant_get_data (little), g_variant_get_size (little), 0);
  fail_unless (meta && gst_dicenet_meta_get_n_detections (meta) == 1);
  fail_unless (meta->age == 3 && meta->age_time == GST_CLOCK_TIME_NONE && meta->source_pts == GST_CLOCK_TIME_NONE &&
               meta->parent_id == -1);
  fail_unless (!info->deserialize_func (info, buffer, g_variant_get_data (little), g_variant_get_size (little), 2));
  g_variant_unref (little);
  g_variant_unref (old);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

static gboolean
survives (guint width, guint label_id, gint background, guint n_boxes, gsize label_bytes)
{
  GstBuffer *buffer = gst_buffer_new ();
  g_autofree gchar *label = g_strnfill (label_bytes, 'x');
  const gchar *const names[] = { label, NULL };
  g_autofree GstDicenetDetection *boxes = g_new0 (GstDicenetDetection, n_boxes);
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "det", names, background);

  for (guint i = 0; i < n_boxes; i++)
    boxes[i] = (GstDicenetDetection){ .label_id = label_id, .confidence = 0.5, .w = 1, .h = 1 };
  gst_buffer_add_dicenet_meta_from_array (buffer, result, width, 1, boxes, n_boxes, 0);
  gst_dicenet_result_unref (result);
  GByteArray *bytes = bytes_of_metas (buffer);
  GstBuffer *read = metas_of_bytes (bytes->data, bytes->len);
  const gboolean found = gst_buffer_get_dicenet_meta (read, GST_DICENET_TASK_DETECT) != NULL;
  gst_buffer_unref (read);
  gst_buffer_unref (buffer);
  g_byte_array_unref (bytes);
  return found;
}

/* Data from another process can't cause unbounded memory use or drawing. */
GST_START_TEST (test_bounds)
{
  fail_unless (survives (32767, 65534, 65534, 100, 4096));
  fail_unless (!survives (32768, 0, 0, 1, 1));
  fail_unless (!survives (100, 65535, 0, 1, 1));
  fail_unless (!survives (100, 0, 65535, 1, 1));
  fail_unless (!survives (100, 0, -2, 1, 1));
  fail_unless (!survives (100, 0, 0, 16385, 1));
  fail_unless (!survives (100, 0, 0, 1, 4097));
}
GST_END_TEST;

/* Untrusted bytes, truncated and modified anywhere. Metas that are accepted can be used. */
GST_START_TEST (test_wild_bytes)
{
  GstBuffer *buffer = frame_new ();
  GByteArray *bytes = bytes_of_metas (buffer);
  GRand *rand = g_rand_new_with_seed (7);

  for (guint i = 0; i < bytes->len; i++) {
    guint8 *part = g_memdup2 (bytes->data, i);
    gst_buffer_unref (metas_of_bytes (part, i));
    g_free (part);
  }
  for (guint i = 0; i < 20000; i++) {
    g_autofree guint8 *changed = g_memdup2 (bytes->data, bytes->len);
    for (guint n = g_rand_int_range (rand, 1, 5); n > 0; n--)
      changed[g_rand_int_range (rand, 0, bytes->len)] = g_rand_int (rand);
    GstBuffer *read = metas_of_bytes (changed, bytes->len);
    gpointer state = NULL;
    for (GstDicenetMeta *meta; (meta = gst_buffer_iterate_dicenet_meta (read, &state));) {
      GBytes *mask = gst_dicenet_meta_get_mask (meta, 16, 16);
      gdouble shares[256];
      fail_unless (meta->result && meta->frame_width > 0 && meta->frame_height > 0);
      for (guint j = 0; j < gst_dicenet_meta_get_n_detections (meta); j++) {
        const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, j);
        fail_unless (d->x >= 0 && d->y >= 0 && d->w > 0 && d->h > 0 && d->x + d->w <= meta->frame_width + 1e-6);
      }
      if (mask)
        gst_dicenet_meta_get_shares (meta, shares);
      g_clear_pointer (&mask, g_bytes_unref);
    }
    gst_buffer_unref (read);
  }
  g_rand_free (rand);
  g_byte_array_unref (bytes);
  gst_buffer_unref (buffer);
}
GST_END_TEST;
#endif

GST_START_TEST (test_copies)
{
  GstBuffer *buffer = frame_new ();
  GstBuffer *copy = gst_buffer_copy (buffer);
  GstBuffer *whole = gst_buffer_copy_region (buffer, GST_BUFFER_COPY_ALL, 0, W * H);
  GstBuffer *part = gst_buffer_copy_region (buffer, GST_BUFFER_COPY_ALL, W, W * 10);
  GstDicenetMeta *from = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_SEGMENT);
  GstDicenetMeta *to = gst_buffer_get_dicenet_meta (copy, GST_DICENET_TASK_SEGMENT);

  fail_unless (to && to != from && to->result == from->result);
  gst_buffer_unref (buffer);
  expect_detection (copy, 1, 0, 200, 40, 40);
  expect_detection (whole, 1, 0, 200, 40, 40);
  fail_unless_equals_int (gst_buffer_get_dicenet_meta (copy, GST_DICENET_TASK_DETECT)->age, 3);
  expect_class (copy, 0, 0, 1);
  expect_class (copy, W - 1, H - 1, 2);
  fail_unless (gst_buffer_get_dicenet_meta (part, GST_DICENET_TASK_DETECT) == NULL, "half a frame is another picture");
  gst_buffer_unref (copy);
  gst_buffer_unref (whole);
  gst_buffer_unref (part);
}
GST_END_TEST;

/* --- through elements --- */

static gboolean
have_element (const gchar *name)
{
  GstElementFactory *factory = gst_element_factory_find (name);

  if (!factory) {
    GST_ERROR ("no element '%s': not tested", name);
    return FALSE;
  }
  gst_object_unref (factory);
  return TRUE;
}

static GstBuffer *
through (const gchar *launch, gboolean downstream_crops)
{
  GstHarness *h = gst_harness_new_parse (launch);

  if (downstream_crops) {
    gst_harness_add_propose_allocation_meta (h, GST_VIDEO_META_API_TYPE, NULL);
    gst_harness_add_propose_allocation_meta (h, GST_VIDEO_CROP_META_API_TYPE, NULL);
  }
  gst_harness_set_src_caps_str (h,
                                "video/x-raw,format=GRAY8,width=320,height=240,framerate=30/1,pixel-aspect-ratio=1/1");
  GstBuffer *out = gst_harness_push_and_pull (h, frame_new ());
  fail_unless (out != NULL, "'%s' gave no buffer", launch);
  gst_harness_teardown (h);
  return out;
}

GST_START_TEST (test_scale)
{
  if (!have_element ("videoscale"))
    return;
  GstBuffer *out =
      through ("videoscale ! capsfilter caps=video/x-raw,width=640,height=480,pixel-aspect-ratio=1/1", FALSE);

  expect_detection (out, 0, 80, 120, 160, 240);
  expect_detection (out, 1, 0, 400, 80, 80);
  expect_class (out, 0, 479, 1);
  expect_class (out, 639, 0, 0);
  expect_class (out, 639, 479, 2);
  gst_buffer_unref (out);

  /* Non-square pixels preserve the display aspect ratio: no borders. */
  out = through ("videoscale ! capsfilter caps=video/x-raw,width=640,height=240,pixel-aspect-ratio=1/2", FALSE);
  expect_detection (out, 0, 80, 60, 160, 120);
  expect_class (out, 320, 239, 2);
  gst_buffer_unref (out);
}
GST_END_TEST;

/* The borders of the mask match those of the picture: the frame is white, borders are black. */
static void
expect_mask_follows_picture (GstBuffer *buffer, guint width, guint height)
{
  GstMapInfo map;
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_SEGMENT);

  fail_unless (meta != NULL);
  fail_unless_equals_int (meta->frame_width, width);
  fail_unless_equals_int (meta->frame_height, height);
  GBytes *mask = gst_dicenet_meta_get_mask (meta, width, height);
  const guint8 *labels_of = g_bytes_get_data (mask, NULL);
  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  guint stride = GST_ROUND_UP_4 (width);
  guint wrong = 0;
  for (guint y = 0; y < height; y++) {
    for (guint x = 0; x < width; x++) {
      gboolean picture = map.data[y * stride + x] > 128;
      /* The left half has class 1 only. On the right, the picture contains background as well. */
      wrong += x < width / 2 ? picture != (labels_of[y * width + x] == 1) : !picture && labels_of[y * width + x] != 0;
    }
  }
  fail_unless_equals_int (wrong, 0);
  gst_buffer_unmap (buffer, &map);
  g_bytes_unref (mask);
}

GST_START_TEST (test_letterbox)
{
  if (!have_element ("videoscale"))
    return;
  GstBuffer *out =
      through ("videoscale ! capsfilter caps=video/x-raw,width=640,height=640,pixel-aspect-ratio=1/1", FALSE);
  expect_detection (out, 0, 80, 80 + 120, 160, 240);
  expect_class (out, 0, 40, 0);
  expect_class (out, 0, 81, 1);
  expect_class (out, 639, 558, 2);
  expect_class (out, 639, 600, 0);
  expect_mask_follows_picture (out, 640, 640);
  gst_buffer_unref (out);

  out = through ("videoscale ! capsfilter caps=video/x-raw,width=401,height=101,pixel-aspect-ratio=1/1", FALSE);
  expect_mask_follows_picture (out, 401, 101);
  gst_buffer_unref (out);

  /* Scaled back, with borders around it: the frame is in the middle quarter. */
  out = through ("videoscale ! capsfilter caps=video/x-raw,width=640,height=640,pixel-aspect-ratio=1/1 ! "
                 "videoscale ! capsfilter caps=video/x-raw,width=1280,height=640,pixel-aspect-ratio=1/1",
                 FALSE);
  expect_detection (out, 0, 320 + 80, 80 + 120, 160, 240);
  expect_class (out, 330, 320, 1);
  expect_class (out, 310, 320, 0);
  gst_buffer_unref (out);
}
GST_END_TEST;

GST_START_TEST (test_mask_without_background)
{
  GstBuffer *buffer = gst_buffer_new ();
  GstVideoInfo in, out;
  const GstMetaInfo *info = GST_DICENET_META_INFO;

  gst_video_info_set_format (&in, GST_VIDEO_FORMAT_GRAY8, W, H);
  gst_video_info_set_format (&out, GST_VIDEO_FORMAT_GRAY8, W, H * 2);
  add_mask (buffer, -1);
  GstMeta *meta = (GstMeta *) gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_SEGMENT);
  GstBuffer *scaled = gst_buffer_new ();
  GstVideoMetaTransform transform = { &in, &out };
  fail_unless (info->transform_func (scaled, meta, buffer, gst_video_meta_transform_scale_get_quark (), &transform));
#if !GST_CHECK_VERSION(1, 28, 0)
  gdouble shares[256];
  expect_class (scaled, 0, 0, GST_DICENET_MASK_NONE);
  expect_class (scaled, 0, H, 1);
  gst_dicenet_meta_get_shares (gst_buffer_get_dicenet_meta (scaled, GST_DICENET_TASK_SEGMENT), shares);
  fail_unless_near (shares[1], 0.25, 1e-12);
  fail_unless_near (shares[GST_DICENET_MASK_NONE], 0, 0);
#endif
  gst_buffer_unref (scaled);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

GST_START_TEST (test_elements_that_keep_the_frame)
{
  const gchar *const elements[] = { "identity", "queue", "videoconvert ! capsfilter caps=video/x-raw,format=I420",
                                    "videobalance hue=0.5" };

  for (guint i = 0; i < G_N_ELEMENTS (elements); i++) {
    gchar *name = g_strdup (elements[i]);
    if (have_element (g_strdelimit (name, " ", '\0'))) {
      gchar *launch = g_strdup_printf (
          "%s%s", i == 3 ? "videoconvert ! capsfilter caps=video/x-raw,format=I420 ! " : "", elements[i]);
      GstBuffer *out = through (launch, FALSE);
      expect_detection (out, 0, 40, 60, 80, 120);
      expect_class (out, 0, 0, 1);
      gst_buffer_unref (out);
      g_free (launch);
    }
    g_free (name);
  }
}
GST_END_TEST;

/* Downstream crops by GstVideoCropMeta: the frame and its results stay whole. */
GST_START_TEST (test_crop_meta)
{
  if (!have_element ("videocrop"))
    return;
  GstBuffer *out = through ("videocrop left=60 top=100 right=20 bottom=60", TRUE);
  GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta (out);

  fail_unless (crop && crop->x == 60 && crop->y == 100 && crop->width == 240 && crop->height == 80);
  expect_detection (out, 0, 40, 60, 80, 120);
  GstBuffer *shown = gst_buffer_apply_crop_to_dicenet_meta (out);
  fail_unless (shown != out);
  expect_detection (shown, 0, 0, 0, 60, 80);
  fail_unless_equals_int (
      gst_dicenet_meta_get_n_detections (gst_buffer_get_dicenet_meta (shown, GST_DICENET_TASK_DETECT)), 1);
  expect_class (shown, 99, 19, 1);
  expect_class (shown, 100, 19, 0);
  expect_class (shown, 100, 20, 2);
  gst_buffer_unref (shown);
  gst_buffer_unref (out);

  GstBuffer *plain = frame_new ();
  shown = gst_buffer_apply_crop_to_dicenet_meta (plain);
  fail_unless (shown == plain);
  gst_buffer_unref (shown);
  gst_buffer_unref (plain);
}
GST_END_TEST;

/* GstVideoCropMeta may have any value; processing it must be fast. */
GST_START_TEST (test_wild_crop)
{
  GstBuffer *frame = frame_new ();
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (frame);

  crop->x = 1;
  crop->width = crop->height = G_MAXUINT;
  GstBuffer *shown = gst_buffer_apply_crop_to_dicenet_meta (frame);
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (shown, GST_DICENET_TASK_SEGMENT);

  fail_unless (meta != NULL && meta->result->mask != NULL);
  fail_unless ((guint64) meta->result->mask_width * meta->result->mask_height <= 1 << 20);
  fail_unless_equals_uint64 (g_bytes_get_size (meta->result->mask),
                             (guint64) meta->result->mask_width * meta->result->mask_height);
  gst_buffer_unref (shown);
  gst_buffer_unref (frame);
}
GST_END_TEST;

static gpointer
make_results (gpointer data)
{
  static const gchar *const names[] = { "background", "person", NULL };

  for (guint i = 0; i < 200000; i++) {
    GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, data, names, 0);
    if (!g_str_equal (result->model, data) || !g_str_equal (result->labels[1], "person"))
      g_error ("another's result");
    gst_dicenet_result_unref (result);
  }
  return NULL;
}

/* Pipelines with the same model: results are freed while other threads create new ones. */
GST_START_TEST (test_results_in_threads)
{
  gchar name[] = "one of several threads";
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("results", make_results, name);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}
GST_END_TEST;

/* Before GStreamer 1.28, elements that crop or flip by copying do not pass on the transformation: results must be
 * dropped instead of being wrong. */
GST_START_TEST (test_crop_and_flip)
{
  const gchar *const launches[] = { "videocrop left=60 top=100 right=20 bottom=60", "videoflip video-direction=horiz" };

  for (guint i = 0; i < G_N_ELEMENTS (launches); i++) {
    if (!have_element (i == 0 ? "videocrop" : "videoflip"))
      continue;
    GstBuffer *out = through (launches[i], FALSE);
#if GST_CHECK_VERSION(1, 28, 0)
    if (i == 0) {
      expect_detection (out, 0, 0, 0, 60, 80);
      expect_class (out, 100, 20, 2);
    } else {
      expect_detection (out, 0, W - 120, 60, 80, 120);
      expect_class (out, W - 1, 0, 1);
      expect_class (out, 0, H - 1, 2);
    }
#else
    fail_unless (gst_buffer_get_dicenet_meta (out, GST_DICENET_TASK_DETECT) == NULL);
    fail_unless (gst_buffer_get_dicenet_meta (out, GST_DICENET_TASK_SEGMENT) == NULL);
#endif
    gst_buffer_unref (out);
  }
}
GST_END_TEST;

#if GST_CHECK_VERSION(1, 28, 0)
typedef struct {
  gint width, height; /* of the output */
  GstVideoRectangle in, out;
  gfloat matrix[3][3];
  gdouble box[4]; /* expected position of the first detection */
  struct {
    guint x, y, label_id;
  } pixels[4];
} MatrixCase;

static const MatrixCase matrix_cases[] = {
  /* Crop. */
  { 240,
    80,
    { 60, 100, 240, 80 },
    { 0, 0, 240, 80 },
    { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } },
    { 0, 0, 60, 80 },
    { { 99, 19, 1 }, { 100, 19, 0 }, { 100, 20, 2 }, { 99, 20, 1 } } },
  /* Letterbox. */
  { 640,
    640,
    { 0, 0, W, H },
    { 0, 80, 640, 480 },
    { { 2, 0, 0 }, { 0, 2, 0 }, { 0, 0, 1 } },
    { 80, 200, 160, 240 },
    { { 0, 79, 0 }, { 0, 80, 1 }, { 639, 559, 2 }, { 639, 560, 0 } } },
  /* Cropped at the left, with a border at the right. */
  { W,
    H,
    { 100, 0, 220, H },
    { 0, 0, 220, H },
    { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } },
    { 0, 60, 20, 120 },
    { { 59, 200, 1 }, { 60, 200, 2 }, { 219, 239, 2 }, { 221, 239, 0 } } },
  /* Mirrored, with videoflip's matrix. */
  { W,
    H,
    { 0, 0, W, H },
    { 0, 0, W, H },
    { { -1, 0, W - 1 }, { 0, 1, 0 }, { 0, 0, 1 } },
    { W - 120, 60, 80, 120 },
    { { W - 1, 0, 1 }, { 0, 0, 0 }, { 0, H - 1, 2 }, { W / 2, 0, 1 } } },
  /* Rotated clockwise by 90 degrees. */
  { H,
    W,
    { 0, 0, W, H },
    { 0, 0, H, W },
    { { 0, -1, H - 1 }, { 1, 0, 0 }, { 0, 0, 1 } },
    { H - 180, 40, 120, 80 },
    { { 0, 0, 1 }, { H - 1, 0, 1 }, { 0, W - 1, 2 }, { H - 1, W - 1, 0 } } },
  /* Transposed. */
  { H,
    W,
    { 0, 0, W, H },
    { 0, 0, H, W },
    { { 0, 1, 0 }, { 1, 0, 0 }, { 0, 0, 1 } },
    { 60, 40, 120, 80 },
    { { 0, 0, 1 }, { H - 1, W - 1, 2 }, { 0, W - 1, 0 }, { H - 1, 0, 1 } } },
};

static GstBuffer *
transform_by_matrix (GstBuffer *buffer, GstVideoMetaTransformMatrix *transform, gboolean *known)
{
  GstBuffer *out = gst_buffer_new ();
  gpointer state = NULL;

  *known = TRUE;
  for (GstMeta *meta; (meta = gst_buffer_iterate_meta_filtered (buffer, &state, GST_DICENET_META_API_TYPE));)
    *known &= meta->info->transform_func (out, meta, buffer, gst_video_meta_transform_matrix_get_quark (), transform);
  return out;
}

GST_START_TEST (test_matrix)
{
  const MatrixCase *c = &matrix_cases[__i__];
  GstBuffer *buffer = frame_new ();
  GstVideoInfo in, out;
  gboolean known;

  gst_video_info_set_format (&in, GST_VIDEO_FORMAT_GRAY8, W, H);
  gst_video_info_set_format (&out, GST_VIDEO_FORMAT_GRAY8, c->width, c->height);
  GstVideoMetaTransformMatrix transform = {
    .in_info = &in, .in_rectangle = c->in, .out_info = &out, .out_rectangle = c->out
  };
  memcpy (transform.matrix, c->matrix, sizeof transform.matrix);
  GstBuffer *mapped = transform_by_matrix (buffer, &transform, &known);
  fail_unless (known);
  expect_detection (mapped, 0, c->box[0], c->box[1], c->box[2], c->box[3]);
  for (guint i = 0; i < G_N_ELEMENTS (c->pixels); i++)
    expect_class (mapped, c->pixels[i].x, c->pixels[i].y, c->pixels[i].label_id);
  gst_buffer_unref (mapped);

  /* Transformations that do not preserve boxes are rejected. */
  transform.matrix[0][1] += 0.5;
  transform.matrix[0][0] += 0.25;
  mapped = transform_by_matrix (buffer, &transform, &known);
  fail_unless (!known);
  gst_buffer_unref (mapped);
  gst_buffer_unref (buffer);
}
GST_END_TEST;
#endif

static Suite *
meta_suite (void)
{
  Suite *suite = suite_create ("dicenetmeta");
  TCase *tests = tcase_create ("meta");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, test_result);
  tcase_add_test (tests, test_many_label_sets);
  tcase_add_test (tests, test_attach);
  tcase_add_test (tests, test_mask);
  tcase_add_test (tests, test_age);
  tcase_add_test (tests, test_copies);
  tcase_add_test (tests, test_all_of_a_frame);
  tcase_add_test (tests, test_second_stage);
  tcase_add_test (tests, test_tracks_of_copies);
  tcase_add_test (tests, test_region);
  tcase_add_test (tests, test_region_of_cropped_frame);
#if GST_CHECK_VERSION(1, 24, 0)
  tcase_add_test (tests, test_serialisation);
  tcase_add_test (tests, test_old_serialisation);
  tcase_add_test (tests, test_bounds);
  tcase_add_test (tests, test_wild_bytes);
#endif
  tcase_add_test (tests, test_scale);
  tcase_add_test (tests, test_letterbox);
  tcase_add_test (tests, test_mask_without_background);
  tcase_add_test (tests, test_elements_that_keep_the_frame);
  tcase_add_test (tests, test_crop_meta);
  tcase_add_test (tests, test_wild_crop);
  tcase_add_test (tests, test_results_in_threads);
  tcase_add_test (tests, test_crop_and_flip);
#if GST_CHECK_VERSION(1, 28, 0)
  tcase_add_loop_test (tests, test_matrix, 0, G_N_ELEMENTS (matrix_cases));
#endif
  return suite;
}

GST_CHECK_MAIN (meta);
