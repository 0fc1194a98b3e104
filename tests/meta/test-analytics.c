/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Results as GstAnalytics, and objects of other elements in it. */

#include <gst/analytics/analytics.h>
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/dicenet/gstdicenetobject.h>
#include <math.h>

#define W          320
#define H          240
#define HAVE_MASKS GST_CHECK_VERSION (1, 26, 0)

static const gchar *const labels[] = { "background", "person", "car", NULL };

static GstDicenetResult *
classes_new (void)
{
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, "cls", labels, -1);

  gst_dicenet_result_add_class (result, 2, 0.75);
  gst_dicenet_result_add_class (result, 1, 0.25);
  return result;
}

/* A person on the left, a car on the right. */
static void
add_detections (GstBuffer *buffer)
{
  static const GstDicenetDetection some[] = {
    { .label_id = 1, .confidence = 0.9, .x = 40.4, .y = 60, .w = 80, .h = 120 },
    { .label_id = 2, .confidence = 0.8, .x = 200, .y = 100, .w = 60, .h = 100 },
  };
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "det", labels, 0);

  gst_buffer_add_dicenet_meta_from_array (buffer, result, W, H, some, G_N_ELEMENTS (some), 0);
  gst_dicenet_result_unref (result);
}

static GstBuffer *
frame_new (void)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, W * H, NULL);

  gst_buffer_memset (buffer, 0, 255, W * H);
  GST_BUFFER_PTS (buffer) = 7;
  return buffer;
}

static GstAnalyticsRelationMeta *
graph_of (GstBuffer *buffer)
{
  GstAnalyticsRelationMeta *graph = gst_buffer_get_analytics_relation_meta (buffer);

  fail_unless (graph != NULL);
  return graph;
}

/* The n-th entry of a type; FALSE if there are fewer. */
static gboolean
entry (GstBuffer *buffer, GstAnalyticsMtdType type, guint n, GstAnalyticsMtd *mtd)
{
  gpointer state = NULL;

  while (gst_analytics_relation_meta_iterate (graph_of (buffer), &state, type, mtd)) {
    if (n-- == 0)
      return TRUE;
  }
  return FALSE;
}

static guint
count (GstBuffer *buffer, GstAnalyticsMtdType type)
{
  GstAnalyticsMtd mtd;
  guint n = 0;

  while (entry (buffer, type, n, &mtd))
    n++;
  return n;
}

static GstAnalyticsMtd
od_at (GstBuffer *buffer, guint n)
{
  GstAnalyticsMtd od;

  fail_unless (entry (buffer, gst_analytics_od_mtd_get_mtd_type (), n, &od), "no OD %u", n);
  return od;
}

static void
expect_od (GstBuffer *buffer, guint n, const gchar *type, gint x, gint y, gint w, gint h)
{
  GstAnalyticsMtd od = od_at (buffer, n);
  gint at[4];

  fail_unless (gst_analytics_od_mtd_get_location (&od, &at[0], &at[1], &at[2], &at[3], NULL));
  fail_unless_equals_string (g_quark_to_string (gst_analytics_od_mtd_get_obj_type (&od)), type);
  fail_unless (at[0] == x && at[1] == y && at[2] == w && at[3] == h, "%s is at %d, %d, %d x %d", type, at[0], at[1],
               at[2], at[3]);
}

static void
expect_n_ods (GstBuffer *buffer, guint n)
{
  fail_unless_equals_int (count (buffer, gst_analytics_od_mtd_get_mtd_type ()), n);
}

static GstDicenetObject
object_at (GstBuffer *buffer, guint index, guint n)
{
  GArray *objects = gst_buffer_get_dicenet_objects (buffer);

  fail_unless_equals_int (objects->len, n);
  GstDicenetObject object = g_array_index (objects, GstDicenetObject, index);
  g_array_unref (objects);
  return object;
}

/* As a detector of GStreamer's, with a track and a class. */
static guint
add_other (GstBuffer *buffer, GQuark type, guint64 track_id)
{
  GstAnalyticsRelationMeta *graph = gst_buffer_add_analytics_relation_meta (buffer);
  GstAnalyticsMtd od, track, class;

  gst_analytics_relation_meta_add_od_mtd (graph, type, 10, 20, 30, 40, 0.5, &od);
  gst_analytics_relation_meta_add_tracking_mtd (graph, track_id, 0, &track);
  gst_analytics_relation_meta_set_relation (graph, GST_ANALYTICS_REL_TYPE_RELATE_TO, od.id, track.id);
  gst_analytics_relation_meta_add_one_cls_mtd (graph, 0.75, g_quark_from_string ("brown"), &class);
  gst_analytics_relation_meta_set_relation (graph, GST_ANALYTICS_REL_TYPE_RELATE_TO, od.id, class.id);
  return od.id;
}

static GstBuffer *
through (GstBuffer *buffer, const gchar *pipeline)
{
  GstHarness *h = gst_harness_new_parse (pipeline);

  gst_harness_set_src_caps_str (h,
                                "video/x-raw,format=GRAY8,width=320,height=240,framerate=30/1,pixel-aspect-ratio=1/1");
  GstBuffer *out = gst_harness_push_and_pull (h, buffer);
  fail_unless (out != NULL);
  gst_harness_teardown (h);
  return out;
}

GST_START_TEST (test_writing)
{
  GstBuffer *buffer = frame_new ();
  GstDicenetResult *classes = classes_new ();
  GstAnalyticsMtd mtd, od;
  gfloat confidence;

  add_detections (buffer);
  gst_buffer_add_dicenet_meta (buffer, classes, W, H, NULL, 0);
  gst_dicenet_result_unref (classes);
  expect_n_ods (buffer, 2);
  expect_od (buffer, 0, "person", 40, 60, 80, 120);
  expect_od (buffer, 1, "car", 200, 100, 60, 100);
  od = od_at (buffer, 1);
  fail_unless (gst_analytics_od_mtd_get_confidence_lvl (&od, &confidence) && confidence == (gfloat) 0.8);
  fail_unless (entry (buffer, gst_analytics_cls_mtd_get_mtd_type (), 0, &mtd));
  fail_unless_equals_int (gst_analytics_cls_mtd_get_length (&mtd), 2);
  fail_unless_equals_string (g_quark_to_string (gst_analytics_cls_mtd_get_quark (&mtd, 0)), "car");
  fail_unless_equals_float (gst_analytics_cls_mtd_get_level (&mtd, 1), 0.25);
  object_at (buffer, 0, 2);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

GST_START_TEST (test_turned_off)
{
  GstBuffer *buffer = frame_new ();
  GstDicenetResult *classes = classes_new ();

  gst_dicenet_result_set_analytics (classes, FALSE);
  gst_buffer_add_dicenet_meta (buffer, classes, W, H, NULL, 0);
  fail_if (gst_buffer_get_analytics_relation_meta (buffer));
  gst_dicenet_result_unref (classes);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

GST_START_TEST (test_objects_of_others)
{
  GstBuffer *buffer = frame_new ();

  guint id = add_other (buffer, g_quark_from_string ("dog"), 5);
  add_detections (buffer);
  add_other (buffer, 0, 0);
  GstDicenetObject dog = object_at (buffer, 2, 4), nameless = object_at (buffer, 3, 4);
  fail_unless_equals_string (dog.label, "dog");
  fail_unless_equals_float (dog.confidence, 0.5);
  fail_unless_equals_uint64 (dog.track_id, 5);
  fail_unless_equals_int (dog.region_id, id);
  fail_unless (dog.x == 10 && dog.y == 20 && dog.w == 30 && dog.h == 40 && !dog.result);
  fail_unless_equals_string (nameless.label, "brown");
  fail_unless_equals_uint64 (nameless.track_id, G_MAXINT);
  fail_unless_equals_string (object_at (buffer, 0, 4).label, "person");
  gst_buffer_unref (buffer);
}
GST_END_TEST;

/* The name of the first class of the n-th result of an object; NULL if there are fewer. */
static const gchar *
class_of (GstBuffer *buffer, const GstDicenetObject *object, guint n)
{
  GList *results = gst_buffer_get_dicenet_object_results (buffer, object);
  GstDicenetResult *result = g_list_nth_data (results, n);
  const gchar *name = result ? g_intern_string (gst_dicenet_result_get_label (result, 0)) : NULL;

  g_list_free_full (results, (GDestroyNotify) gst_dicenet_result_unref);
  return name;
}

/* Classes that others gave their objects, but not the object's own once more; and tracks that they gave ours. */
GST_START_TEST (test_classes_of_others)
{
  GstBuffer *buffer = frame_new ();
  GstAnalyticsMtd track;

  add_detections (buffer);
  add_other (buffer, g_quark_from_string ("dog"), 5);
  add_other (buffer, g_quark_from_string ("brown"), 6);
  gst_analytics_relation_meta_add_tracking_mtd (graph_of (buffer), 31, 0, &track);
  gst_analytics_relation_meta_set_relation (graph_of (buffer), GST_ANALYTICS_REL_TYPE_RELATE_TO, od_at (buffer, 1).id,
                                            track.id);
  GstDicenetObject car = object_at (buffer, 1, 4), dog = object_at (buffer, 2, 4), brown = object_at (buffer, 3, 4);
  fail_unless_equals_string (class_of (buffer, &dog, 0), "brown");
  fail_unless (class_of (buffer, &dog, 1) == NULL);
  fail_unless (class_of (buffer, &brown, 0) == NULL);
  fail_unless_equals_uint64 (car.track_id, 31);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

/* The one track that an OD is related to; 0 if there is none. */
static guint64
track_of (GstBuffer *buffer, guint n)
{
  GstAnalyticsMtd od = od_at (buffer, n), track, other;
  gpointer state = NULL;
  guint64 id;

  if (!gst_analytics_relation_meta_get_direct_related (graph_of (buffer), od.id, GST_ANALYTICS_REL_TYPE_RELATE_TO,
                                                       gst_analytics_tracking_mtd_get_mtd_type (), &state, &track))
    return 0;
  fail_unless (gst_analytics_tracking_mtd_get_info (&track, &id, NULL, NULL, NULL));
  fail_if (gst_analytics_relation_meta_get_direct_related (graph_of (buffer), od.id, GST_ANALYTICS_REL_TYPE_ANY,
                                                           gst_analytics_tracking_mtd_get_mtd_type (), &state, &other));
  return id;
}

GST_START_TEST (test_tracking)
{
  GstBuffer *buffer = frame_new ();

  add_detections (buffer);
  add_other (buffer, g_quark_from_string ("dog"), 5);
  GstBuffer *before = gst_buffer_copy (buffer);
  for (guint64 id = 3; id > 0; id--) {
    for (guint i = 0; i < 3; i++) {
      GstDicenetObject object = object_at (buffer, i, 3);
      gst_buffer_set_dicenet_track_id (buffer, &object, id - 1 > 0 ? id - 1 + 10 * i : 0);
      gst_buffer_set_dicenet_track_id (buffer, &object, id - 1 > 0 ? id - 1 + 10 * i : 0);
      fail_unless_equals_uint64 (track_of (buffer, i), id - 1 > 0 ? id - 1 + 10 * i : 0);
      fail_unless_equals_uint64 (object_at (buffer, i, 3).track_id, id - 1 > 0 ? id - 1 + 10 * i : 0);
    }
  }
  fail_unless_equals_uint64 (track_of (before, 2), 5);
  fail_unless_equals_uint64 (track_of (before, 0), 0);
  gst_buffer_unref (before);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

GST_START_TEST (test_second_stage)
{
  GstBuffer *buffer = frame_new ();
  GstDicenetResult *classes = classes_new ();
  GstAnalyticsMtd class;

  add_detections (buffer);
  GstDicenetObject car = object_at (buffer, 1, 2);
  gst_buffer_add_dicenet_object_result (buffer, &car, classes);
  gst_dicenet_result_unref (classes);
  fail_unless (entry (buffer, gst_analytics_cls_mtd_get_mtd_type (), 0, &class));
  fail_unless_equals_int (gst_analytics_relation_meta_get_relation (graph_of (buffer), od_at (buffer, 1).id, class.id),
                          GST_ANALYTICS_REL_TYPE_RELATE_TO | GST_ANALYTICS_REL_TYPE_CONTAIN);
  fail_unless_equals_int (gst_analytics_relation_meta_get_relation (graph_of (buffer), od_at (buffer, 0).id, class.id),
                          GST_ANALYTICS_REL_TYPE_NONE);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

/* What others wrote stays: objects, relations, and masks without leaking them. */
GST_START_TEST (test_moving)
{
  GstBuffer *buffer = frame_new ();
  GstAnalyticsMtd class;

  add_other (buffer, g_quark_from_string ("dog"), 5);
  add_detections (buffer);
  add_other (buffer, g_quark_from_string ("cat"), 6);
#if HAVE_MASKS
  GstBuffer *mask = gst_buffer_new_allocate (NULL, 16, NULL);
  GstAnalyticsMtd seg;
  guint ids[] = { 0, 1 };
  gst_buffer_add_video_meta (mask, 0, GST_VIDEO_FORMAT_GRAY8, 4, 4);
  gst_analytics_relation_meta_add_segmentation_mtd (graph_of (buffer), gst_buffer_ref (mask),
                                                    GST_SEGMENTATION_TYPE_SEMANTIC, 2, ids, 0, 0, W, H, &seg);
#endif
  GstBuffer *before = gst_buffer_copy (buffer);
  GstDicenetObject car = object_at (buffer, 1, 4), dog = object_at (buffer, 2, 4), person = object_at (buffer, 0, 4);
  gst_buffer_set_dicenet_track_id (buffer, &person, 77);
  fail_unless (gst_buffer_move_dicenet_object (buffer, &car, 280.25, -20, 60, 50));
  fail_unless (gst_buffer_move_dicenet_object (buffer, &dog, 1, 2, 3, 4));
  expect_n_ods (buffer, 4);
  expect_od (buffer, 0, "dog", 1, 2, 3, 4);
  expect_od (buffer, 1, "person", 40, 60, 80, 120);
  expect_od (buffer, 2, "car", 280, 0, 40, 30);
  expect_od (buffer, 3, "cat", 10, 20, 30, 40);
  fail_unless_equals_uint64 (track_of (buffer, 0), 5);
  fail_unless_equals_uint64 (track_of (buffer, 1), 77);
  fail_unless_equals_uint64 (track_of (buffer, 3), 6);
  fail_unless (gst_analytics_relation_meta_get_direct_related (graph_of (buffer), od_at (buffer, 3).id,
                                                               GST_ANALYTICS_REL_TYPE_RELATE_TO,
                                                               gst_analytics_cls_mtd_get_mtd_type (), NULL, &class));
  fail_unless_equals_int (count (buffer, gst_analytics_cls_mtd_get_mtd_type ()), 2);
  expect_od (before, 2, "car", 200, 100, 60, 100);
  GArray *all = gst_buffer_get_dicenet_objects (buffer);
  for (guint i = 0; i < all->len; i++)
    g_array_index (all, GstDicenetObject, i).w = i == 2 ? -1.0 : 6.0 + i; /* none moves the dog */
  fail_unless_equals_int (gst_buffer_move_dicenet_objects (buffer, (const GstDicenetObject *) all->data, all->len), 3);
  g_array_unref (all);
  expect_od (buffer, 0, "dog", 1, 2, 3, 4);
  expect_od (buffer, 1, "person", 40, 60, 6, 120);
  expect_od (buffer, 3, "cat", 10, 20, 9, 40);
  fail_unless_equals_float (object_at (buffer, 1, 4).w, 7);
#if HAVE_MASKS
  fail_unless_equals_int (count (buffer, gst_analytics_segmentation_mtd_get_mtd_type ()), 1);
  gst_buffer_unref (before);
  gst_buffer_unref (buffer);
  fail_unless_equals_int (GST_MINI_OBJECT_REFCOUNT_VALUE (mask), 1);
  gst_buffer_unref (mask);
#else
  gst_buffer_unref (before);
  gst_buffer_unref (buffer);
#endif
}
GST_END_TEST;

/* A relation takes a byte per pair: only the first objects are written, and the others still work. */
GST_START_TEST (test_many)
{
  GArray *detections = g_array_new (FALSE, FALSE, sizeof (GstDicenetDetection));
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "det", labels, 0);
  GstBuffer *buffer = frame_new ();

  for (guint i = 0; i < 3000; i++) {
    const GstDicenetDetection d = { .label_id = 1, .confidence = 0.5, .x = i % 300, .y = 1, .w = 9, .h = 9 };
    g_array_append_val (detections, d);
  }
  gst_buffer_add_dicenet_meta (buffer, result, W, H, detections, 0);
  expect_n_ods (buffer, 256);
  GstDicenetObject last = object_at (buffer, 2999, 3000), equal = object_at (buffer, 255, 3000);
  gst_buffer_set_dicenet_track_id (buffer, &last, 9);
  fail_unless (gst_buffer_move_dicenet_object (buffer, &last, 1, 1, 1, 1));
  fail_unless (gst_buffer_move_dicenet_object (buffer, &equal, 1, 1, 1, 1));
  expect_od (buffer, 254, "person", 254, 1, 9, 9);
  expect_od (buffer, 255, "person", 1, 1, 1, 1);
  fail_unless_equals_uint64 (object_at (buffer, 2999, 3000).track_id, 9);
  gst_dicenet_result_unref (result);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

/* Both describe the scaled frame, with its borders, though GStreamer before 1.28 does not tell of them. */
GST_START_TEST (test_scaling)
{
  GstBuffer *buffer = frame_new ();

  add_other (buffer, g_quark_from_string ("dog"), 5);
  add_detections (buffer);
  GstBuffer *out =
      through (buffer, "videoscale ! capsfilter caps=video/x-raw,width=320,height=120,pixel-aspect-ratio=1/1");
  GstDicenetObject person = object_at (out, 0, 3), car = object_at (out, 1, 3);
  fail_unless_equals_float (round (person.x * 10), 1002);
  expect_od (out, 1, "person", 100, 30, 40, 60);
  expect_od (out, 2, "car", 180, 50, 30, 50);
  fail_unless_equals_float (car.x, 180);
  gst_buffer_set_dicenet_track_id (out, &person, 4);
  fail_unless_equals_uint64 (track_of (out, 1), 4);
  fail_unless_equals_uint64 (track_of (out, 0), 5);
  gst_buffer_unref (out);

  buffer = frame_new ();
  add_detections (buffer);
  out = through (buffer, "videoconvertscale ! capsfilter caps=video/x-raw,width=640,height=480,format=I420");
  expect_od (out, 0, "person", 81, 120, 160, 240);
  expect_od (out, 1, "car", 400, 200, 120, 200);
  object_at (out, 1, 2);
  gst_buffer_unref (out);
}
GST_END_TEST;

#if GST_CHECK_VERSION(1, 28, 0)
/* Boxes outside of the frame are gone; GStreamer alone would keep them. */
GST_START_TEST (test_cropping)
{
  GstBuffer *buffer = frame_new ();

  add_detections (buffer);
  add_other (buffer, g_quark_from_string ("dog"), 5);
  GstBuffer *out = through (buffer, "videocrop left=180");
  expect_od (out, 0, "car", 20, 100, 60, 100);
  GstDicenetObject car = object_at (out, 0, 2), dog = object_at (out, 1, 2);
  fail_unless_equals_string (car.label, "car");
  fail_unless_equals_string (dog.label, "dog");
  fail_unless (gst_buffer_move_dicenet_object (out, &car, 1, 2, 3, 4));
  expect_od (out, 0, "car", 1, 2, 3, 4);
  gst_buffer_unref (out);

  buffer = frame_new ();
  add_detections (buffer);
  out = through (buffer, "videoconvert ! capsfilter caps=video/x-raw,format=I420 ! aspectratiocrop aspect-ratio=1/1");
  expect_od (out, 0, "person", 0, 60, 80, 120);
  expect_od (out, 1, "car", 160, 100, 60, 100);
  object_at (out, 1, 2);
  gst_buffer_unref (out);
}
GST_END_TEST;
#endif

#if HAVE_MASKS
/* 8 x 6: class 1 in the left half, class 2 in the lower right quarter, nothing in the corner. */
static void
add_mask (GstBuffer *buffer, gint background)
{
  const gchar *const names[] = { "road", "person", "car", NULL };
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_SEGMENT, "seg", names, background);
  guint8 *mask = g_malloc0 (8 * 6);

  for (guint i = 0; i < 8 * 6; i++)
    mask[i] = i % 8 < 4 ? 1 : i / 8 >= 3 ? 2 : 0;
  mask[7] = GST_DICENET_MASK_NONE;
  mask[6] = 9; /* no class of the model: GStreamer's overlay would read beyond its table */
  GBytes *bytes = g_bytes_new_take (mask, 8 * 6);
  gst_dicenet_result_set_mask (result, bytes, 8, 6);
  g_bytes_unref (bytes);
  gst_buffer_add_dicenet_meta (buffer, result, W, H, NULL, 0);
  gst_dicenet_result_unref (result);
}

static GstAnalyticsMtd
mask_of (GstBuffer *buffer)
{
  GstAnalyticsMtd mtd;

  fail_unless (entry (buffer, gst_analytics_segmentation_mtd_get_mtd_type (), 0, &mtd));
  fail_unless_equals_int (count (buffer, gst_analytics_segmentation_mtd_get_mtd_type ()), 1);
  return mtd;
}

/* Checks the place of the mask on the frame, and its first and last row. */
static void
expect_mask (GstBuffer *buffer, gint x, gint y, guint w, guint h, const gchar *top, const gchar *bottom)
{
  GstAnalyticsMtd mtd = mask_of (buffer);
  GstMapInfo map;
  gint at_x, at_y;
  guint at_w, at_h;
  GstBuffer *mask = gst_analytics_segmentation_mtd_get_mask (&mtd, &at_x, &at_y, &at_w, &at_h);
  const GstVideoMeta *video = gst_buffer_get_video_meta (mask);
  GString *rows[2];

  fail_unless (at_x == x && at_y == y && at_w == w && at_h == h, "mask at %d, %d, %u x %u", at_x, at_y, at_w, at_h);
  fail_unless (video && video->format == GST_VIDEO_FORMAT_GRAY8 && video->stride[0] == (gint) video->width);
  fail_unless (gst_buffer_map (mask, &map, GST_MAP_READ));
  fail_unless_equals_int (map.size, video->width * video->height);
  for (guint r = 0; r < 2; r++) {
    rows[r] = g_string_new (NULL);
    for (guint i = 0; i < video->width; i++)
      g_string_append_printf (rows[r], "%d", map.data[r * (video->height - 1) * video->width + i]);
  }
  fail_unless_equals_string (rows[0]->str, top);
  fail_unless_equals_string (rows[1]->str, bottom);
  gst_buffer_unmap (mask, &map);
  gst_buffer_unref (mask);
  for (guint r = 0; r < 2; r++)
    g_string_free (rows[r], TRUE);
}

/* Class n of the related classification is that of the value n. */
static void
expect_names (GstBuffer *buffer, const gchar *names)
{
  GstAnalyticsMtd mtd = mask_of (buffer), classes;
  g_autoptr (GString) found = g_string_new (NULL);

  fail_unless (gst_analytics_relation_meta_get_direct_related (graph_of (buffer), mtd.id, GST_ANALYTICS_REL_TYPE_N_TO_N,
                                                               gst_analytics_cls_mtd_get_mtd_type (), NULL, &classes));
  for (gsize i = 0; i < gst_analytics_cls_mtd_get_length (&classes); i++) {
    g_string_append_printf (found, "%s ", g_quark_to_string (gst_analytics_cls_mtd_get_quark (&classes, i)));
    fail_unless_equals_int (gst_analytics_segmentation_mtd_get_region_id (&mtd, i), i);
  }
  fail_unless_equals_int (gst_analytics_segmentation_mtd_get_region_count (&mtd),
                          gst_analytics_cls_mtd_get_length (&classes));
  fail_unless_equals_string (found->str, names);
}

/* 0 is never painted, so it must be the background, whichever class that is. */
GST_START_TEST (test_masks)
{
  static const struct {
    gint background;
    const gchar *top, *bottom, *names;
  } cases[] = {
    { 0, "11110000", "11112222", "road person car " },
    { -1, "22221100", "22223333", "none road person car " },
    { 1, "00001100", "00003333", "person road person car " },
    { 2, "22221100", "22220000", "car road person car " },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstBuffer *buffer = frame_new ();
    add_mask (buffer, cases[i].background);
    expect_mask (buffer, 0, 0, W, H, cases[i].top, cases[i].bottom);
    expect_names (buffer, cases[i].names);
    gst_buffer_unref (buffer);
  }
}
GST_END_TEST;

/* The mask of a part of the frame lies there. */
GST_START_TEST (test_masks_of_regions)
{
  const GstVideoRectangle region = { 100, 50, 80, 60 };
  GstBuffer *whole = frame_new (), *buffer = frame_new ();

  add_mask (whole, 0);
  gst_buffer_add_dicenet_meta_in_region (buffer, gst_buffer_get_dicenet_meta (whole, GST_DICENET_TASK_SEGMENT)->result,
                                         W, H, &region, 1, NULL, 0);
  expect_mask (buffer, 100, 50, 80, 60, "11110000", "11112222");
  gst_buffer_unref (buffer);
  gst_buffer_unref (whole);
}
GST_END_TEST;

/* Frames of one result share its mask, and copies keep it. */
GST_START_TEST (test_masks_of_copies)
{
  GstBuffer *buffer = frame_new (), *other = frame_new ();

  add_mask (buffer, 0);
  gst_buffer_add_dicenet_meta (other, gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_SEGMENT)->result, W, H,
                               NULL, 1);
  GstBuffer *copy = gst_buffer_copy (buffer);
  GstAnalyticsMtd a = mask_of (other), b = mask_of (copy);
  gst_buffer_unref (buffer);
  GstBuffer *of_other = gst_analytics_segmentation_mtd_get_mask (&a, NULL, NULL, NULL, NULL);
  GstBuffer *of_copy = gst_analytics_segmentation_mtd_get_mask (&b, NULL, NULL, NULL, NULL);
  fail_unless (of_other == of_copy);
  gst_buffer_unref (other);
  gst_buffer_unref (copy);
  fail_unless_equals_int (GST_MINI_OBJECT_REFCOUNT_VALUE (of_copy), 2);
  gst_buffer_unref (of_other);
  gst_buffer_unref (of_copy);
}
GST_END_TEST;

GST_START_TEST (test_scaled_masks)
{
  GstBuffer *buffer = frame_new ();

  add_mask (buffer, 0);
  buffer = through (buffer, "videoscale ! capsfilter caps=video/x-raw,width=320,height=120,pixel-aspect-ratio=1/1");
  expect_mask (buffer, 80, 0, 160, 120, "11110000", "11112222");
  expect_names (buffer, "road person car ");
  gst_buffer_unref (buffer);
}
GST_END_TEST;

#if GST_CHECK_VERSION(1, 28, 0)
GST_START_TEST (test_cropped_masks)
{
  GstBuffer *buffer = frame_new ();

  add_mask (buffer, 0);
  buffer =
      through (buffer, "videocrop left=120 bottom=40 ! videoscale ! capsfilter caps=video/x-raw,width=100,height=100");
  expect_mask (buffer, 0, 0, 100, 100, "10000", "12222");
  expect_names (buffer, "road person car ");
  gst_buffer_unref (buffer);
}
GST_END_TEST;

GST_START_TEST (test_flipped_masks)
{
  GstBuffer *buffer = frame_new ();

  add_mask (buffer, 0);
  add_detections (buffer);
  GstAnalyticsMtd mtd = mask_of (buffer);
  GstBuffer *before = gst_analytics_segmentation_mtd_get_mask (&mtd, NULL, NULL, NULL, NULL);
  buffer = through (buffer, "videoflip method=horizontal-flip");
  expect_mask (buffer, 0, 0, W, H, "00001111", "22221111");
  expect_names (buffer, "road person car ");
  expect_n_ods (buffer, 2);
  object_at (buffer, 0, 2);
  gst_buffer_unref (buffer);
  fail_unless_equals_int (GST_MINI_OBJECT_REFCOUNT_VALUE (before), 1);
  gst_buffer_unref (before);
}
GST_END_TEST;

/* Two metas with one mask: the references that GStreamer forgets are released once each. */
GST_START_TEST (test_flipped_twice)
{
  GstBuffer *buffer = frame_new ();

  add_mask (buffer, 0);
  GstAnalyticsMtd mtd = mask_of (buffer);
  GstBuffer *before = gst_analytics_segmentation_mtd_get_mask (&mtd, NULL, NULL, NULL, NULL);
  gst_buffer_add_dicenet_meta (buffer, gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_SEGMENT)->result, W, H,
                               NULL, 0);
  GstBuffer *copy = gst_buffer_copy (buffer);
  gst_buffer_unref (through (buffer, "videoflip method=clockwise"));
  gst_buffer_unref (through (copy, "videoflip method=vertical-flip"));
  fail_unless_equals_int (GST_MINI_OBJECT_REFCOUNT_VALUE (before), 1);
  gst_buffer_unref (before);
}
GST_END_TEST;
#endif
#endif

static Suite *
analytics_suite (void)
{
  Suite *suite = suite_create ("dicenetanalytics");
  TCase *tests = tcase_create ("general");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, test_writing);
  tcase_add_test (tests, test_turned_off);
  tcase_add_test (tests, test_objects_of_others);
  tcase_add_test (tests, test_classes_of_others);
  tcase_add_test (tests, test_tracking);
  tcase_add_test (tests, test_second_stage);
  tcase_add_test (tests, test_moving);
  tcase_add_test (tests, test_many);
  tcase_add_test (tests, test_scaling);
#if GST_CHECK_VERSION(1, 28, 0)
  tcase_add_test (tests, test_cropping);
  tcase_add_test (tests, test_cropped_masks);
  tcase_add_test (tests, test_flipped_masks);
  tcase_add_test (tests, test_flipped_twice);
#endif
#if HAVE_MASKS
  tcase_add_test (tests, test_masks);
  tcase_add_test (tests, test_masks_of_regions);
  tcase_add_test (tests, test_masks_of_copies);
  tcase_add_test (tests, test_scaled_masks);
#endif
  return suite;
}

GST_CHECK_MAIN (analytics)
