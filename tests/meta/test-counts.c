/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GstDicenetCountMeta: copies, and shapes that move with the picture. */

#include <gst/check/gstcheck.h>
#include <gst/dicenet/gstdicenetcountmeta.h>
#include <string.h>

#define W 200
#define H 100

#if GLIB_SIZEOF_VOID_P == 8
G_STATIC_ASSERT (sizeof (GstDicenetCountTally) == 96);
G_STATIC_ASSERT (G_STRUCT_OFFSET (GstDicenetCountTally, mean_dwell) == 48);
G_STATIC_ASSERT (sizeof (GstDicenetCountEvent) == 96);
G_STATIC_ASSERT (G_STRUCT_OFFSET (GstDicenetCountEvent, dwell) == 48);
G_STATIC_ASSERT (sizeof (GstDicenetCountVisit) == 72);
G_STATIC_ASSERT (G_STRUCT_OFFSET (GstDicenetCountShape, total) == 40);
G_STATIC_ASSERT (G_STRUCT_OFFSET (GstDicenetCountMeta, frame_height) == 20);
#endif

static const GstDicenetCountPoint line[] = { { 0.1, 0.5 }, { 0.9, 0.5 } };
static const GstDicenetCountPoint zone[] = { { 0, 0 }, { 0.5, 0 }, { 0.5, 1 } };

static GstDicenetCountMeta *
add_counts (GstBuffer *buffer)
{
  /* Strings that do not stay: everything is copied. */
  gchar name[] = "door", label[] = "person", till[] = "till";
  const GstDicenetCountTally classes[] = { { .label = label, .forward = 2, .backward = 1 } };
  const GstDicenetCountShape shapes[] = {
    { .name = name,
      .n_points = 2,
      .points = line,
      .n_classes = 1,
      .classes = classes,
      .total = { .forward = 2, .backward = 1 } },
    { .name = till,
      .is_zone = TRUE,
      .n_points = 3,
      .points = zone,
      .total = { .entered = 5, .left = 4, .inside = 1, .mean_dwell = 7 } },
  };
  const GstDicenetCountEvent events[] = {
    { .kind = GST_DICENET_COUNT_FORWARD, .shape = name, .track_id = 7, .label = label, .x = 0.5, .y = 0.75, .dwell = 1 }
  };
  const GstDicenetCountVisit visits[] = { { .zone = till, .track_id = 8, .label = label, .dwell = 9 } };
  GstDicenetCountMeta *meta = gst_buffer_add_dicenet_count_meta (buffer, W, H, shapes, 2, events, 1, visits, 1);

  memset (name, 'x', 4);
  memset (label, 'x', 6);
  memset (till, 'x', 4);
  return meta;
}

static GstBuffer *
buffer_new (void)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, W * H, NULL);

  add_counts (buffer);
  return buffer;
}

static GstDicenetCountMeta *
counts_of (GstBuffer *buffer)
{
  gpointer state = NULL;

  return gst_buffer_iterate_dicenet_count_meta (buffer, &state);
}

static void
expect_point (const GstDicenetCountMeta *meta, guint shape, guint index, gdouble x, gdouble y)
{
  gdouble got_x, got_y;

  gst_dicenet_count_shape_get_point (gst_dicenet_count_meta_get_shape (meta, shape), index, &got_x, &got_y);
  fail_unless (ABS (got_x - x) < 1e-9 && ABS (got_y - y) < 1e-9, "%g %g instead of %g %g", got_x, got_y, x, y);
}

static void
expect_counts (const GstDicenetCountMeta *meta)
{
  fail_unless_equals_int (gst_dicenet_count_meta_get_n_shapes (meta), 2);
  const GstDicenetCountShape *door = gst_dicenet_count_meta_find_shape (meta, "door");
  const GstDicenetCountShape *till = gst_dicenet_count_meta_get_shape (meta, 1);
  fail_unless (door && !door->is_zone && door->total.forward == 2 && door->total.backward == 1 && door->n_classes == 1);
  fail_unless_equals_string (gst_dicenet_count_shape_get_class (door, 0)->label, "person");
  fail_unless (strcmp (till->name, "till") == 0 && till->is_zone && till->total.inside == 1 &&
               till->total.mean_dwell == 7);
  fail_unless (gst_dicenet_count_meta_find_shape (meta, "other") == NULL);
  fail_unless (gst_dicenet_count_meta_get_n_events (meta) == 1 && gst_dicenet_count_meta_get_n_visits (meta) == 1);
  const GstDicenetCountEvent *event = gst_dicenet_count_meta_get_event (meta, 0);
  fail_unless (strcmp (event->shape, "door") == 0 && strcmp (event->label, "person") == 0 && event->track_id == 7);
  const GstDicenetCountVisit *visit = gst_dicenet_count_meta_get_visit (meta, 0);
  fail_unless (strcmp (visit->zone, "till") == 0 && strcmp (visit->label, "person") == 0 && visit->dwell == 9);
}

GST_START_TEST (test_copies)
{
  GstBuffer *buffer = buffer_new (), *copy = gst_buffer_copy (buffer);
  GstBuffer *part = gst_buffer_copy_region (buffer, GST_BUFFER_COPY_ALL, 0, 10);
  const GstDicenetCountShape *shape = gst_dicenet_count_meta_get_shape (counts_of (buffer), 0);
  GstDicenetCountShape *kept = g_boxed_copy (GST_TYPE_DICENET_COUNT_SHAPE, shape);
  GstDicenetCountTally *tally =
      g_boxed_copy (GST_TYPE_DICENET_COUNT_TALLY, gst_dicenet_count_shape_get_class (shape, 0));
  GstDicenetCountEvent *event =
      g_boxed_copy (GST_TYPE_DICENET_COUNT_EVENT, gst_dicenet_count_meta_get_event (counts_of (buffer), 0));
  GstDicenetCountVisit *visit =
      g_boxed_copy (GST_TYPE_DICENET_COUNT_VISIT, gst_dicenet_count_meta_get_visit (counts_of (buffer), 0));

  expect_counts (counts_of (buffer));
  gst_buffer_unref (buffer);
  expect_counts (counts_of (copy));
  fail_unless (counts_of (part) == NULL);
  gst_buffer_unref (part);
  gst_buffer_unref (copy);
  /* Copies of parts stay valid. */
  fail_unless_equals_string (kept->name, "door");
  fail_unless (kept->points[1].x == 0.9);
  fail_unless_equals_string (tally->label, "person");
  fail_unless_equals_string (event->shape, "door");
  fail_unless_equals_string (visit->zone, "till");
  g_boxed_free (GST_TYPE_DICENET_COUNT_SHAPE, kept);
  g_boxed_free (GST_TYPE_DICENET_COUNT_TALLY, tally);
  g_boxed_free (GST_TYPE_DICENET_COUNT_EVENT, event);
  g_boxed_free (GST_TYPE_DICENET_COUNT_VISIT, visit);
}
GST_END_TEST;

static void
transform (GstBuffer *to, GstBuffer *from, GQuark type, gpointer data)
{
  GstDicenetCountMeta *meta = counts_of (from);

  meta->meta.info->transform_func (to, &meta->meta, from, type, data);
}

GST_START_TEST (test_scale)
{
  GstBuffer *buffer = buffer_new (), *scaled = gst_buffer_new ();
  GstVideoInfo in, out;
  GstVideoMetaTransform t = { &in, &out };

  gst_video_info_set_format (&in, GST_VIDEO_FORMAT_GRAY8, W, H);
  gst_video_info_set_format (&out, GST_VIDEO_FORMAT_GRAY8, 2 * W, 2 * H);
  transform (scaled, buffer, gst_video_meta_transform_scale_get_quark (), &t);
  GstDicenetCountMeta *meta = counts_of (scaled);
  fail_unless (meta->frame_width == 2 * W && meta->frame_height == 2 * H);
  expect_counts (meta);
  expect_point (meta, 0, 0, 0.1, 0.5);
  expect_point (meta, 1, 2, 0.5, 1);
  gst_buffer_unref (scaled);

  /* A transformation that nobody knows. */
  scaled = gst_buffer_new ();
  transform (scaled, buffer, g_quark_from_static_string ("unknown"), NULL);
  fail_unless (counts_of (scaled) == NULL);
  gst_buffer_unref (scaled);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

GST_START_TEST (test_crop)
{
  GstBuffer *buffer = buffer_new ();
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (buffer);

  crop->x = 100;
  crop->y = 25;
  crop->width = 100;
  crop->height = 50;
  GstBuffer *cropped = gst_buffer_apply_crop_to_dicenet_meta (buffer);
  GstDicenetCountMeta *meta = counts_of (cropped);
  fail_unless (meta && meta != counts_of (buffer));
  fail_unless (meta->frame_width == 100 && meta->frame_height == 50);
  expect_counts (meta);
  expect_point (meta, 0, 0, (20 - 100) / 100.0, 0.5); /* outside of what is left */
  expect_point (meta, 0, 1, 0.8, 0.5);
  expect_point (meta, 1, 0, -1, -0.5);
  const GstDicenetCountEvent *event = gst_dicenet_count_meta_get_event (meta, 0);
  fail_unless (ABS (event->x - 0) < 1e-9 && ABS (event->y - 1) < 1e-9);
  gst_buffer_unref (cropped);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

#if GST_CHECK_VERSION(1, 28, 0)
/* In a mirror, left and right of a line change sides: it is read from its other end, so that forward stays forward. */
GST_START_TEST (test_mirror)
{
  GstBuffer *buffer = buffer_new (), *mirrored = gst_buffer_new ();
  GstVideoInfo in;
  GstVideoRectangle all = { 0, 0, W, H };
  const gfloat matrix[3][3] = { { -1, 0, W - 1 }, { 0, 1, 0 }, { 0, 0, 1 } };
  GstVideoMetaTransformMatrix t;

  gst_video_info_set_format (&in, GST_VIDEO_FORMAT_GRAY8, W, H);
  gst_video_meta_transform_matrix_init (&t, &in, &all, &in, &all);
  memcpy (t.matrix, matrix, sizeof matrix);
  transform (mirrored, buffer, gst_video_meta_transform_matrix_get_quark (), &t);
  GstDicenetCountMeta *meta = counts_of (mirrored);
  expect_counts (meta);
  expect_point (meta, 0, 0, 0.1, 0.5); /* the image of the second point, 0.9 */
  expect_point (meta, 0, 1, 0.9, 0.5);
  expect_point (meta, 1, 1, 0.5, 0);
  expect_point (meta, 1, 0, 1, 0);
  gst_buffer_unref (mirrored);
  gst_buffer_unref (buffer);
}
GST_END_TEST;
#endif

static Suite *
counts_suite (void)
{
  Suite *suite = suite_create ("counts");
  TCase *tests = tcase_create ("counts");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, test_copies);
  tcase_add_test (tests, test_scale);
  tcase_add_test (tests, test_crop);
#if GST_CHECK_VERSION(1, 28, 0)
  tcase_add_test (tests, test_mirror);
#endif
  return suite;
}

GST_CHECK_MAIN (counts)
