/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* inference-region=objects: results of parts of the frame, which objects they are for, and when they are used again. */

#include "common.h"

#include <gst/dicenet/gstdicenetobject.h>
#include <math.h>
#include <gst/video/gstvideometa.h>

#define WIDTH  160
#define HEIGHT 120

static const gchar *const labels[] = { "background", "person", "car", "dog", NULL };
enum { PERSON = 1, CAR, DOG };

static GstHarness *
objects_new (const gchar *element, const gchar *extra)
{
  gchar *all = g_strdup_printf ("inference-region=objects %s", extra ? extra : "");
  GstHarness *h = harness_new (element, all, "RGB", WIDTH, HEIGHT);

  g_free (all);
  return h;
}

/* Attaches objects as a detector does. */
static void
add_objects (GstBuffer *frame, const GstDicenetDetection *objects, guint n)
{
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "first", labels, 0);

  gst_buffer_add_dicenet_meta_from_array (frame, result, WIDTH, HEIGHT, objects, n, 0);
  gst_dicenet_result_unref (result);
}

static GstVideoRegionOfInterestMeta *
add_foreign (GstBuffer *frame, const gchar *label, guint x, guint y, guint w, guint h)
{
  GstVideoRegionOfInterestMeta *roi = gst_buffer_add_video_region_of_interest_meta (frame, label, x, y, w, h);

  roi->id = (gint) count_metas (frame, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
  return roi;
}

static GstBuffer *
push (GstHarness *h, GstBuffer *frame)
{
  GstBuffer *out = gst_harness_push_and_pull (h, frame);

  fail_unless (out != NULL, "no frame came out");
  return out;
}

static GstBuffer *
push_objects (GstHarness *h, guint index, const GstDicenetDetection *objects, guint n)
{
  GstBuffer *frame = frame_like (h, index);

  add_objects (frame, objects, n);
  return push (h, frame);
}

static const GstDicenetDetection *
object_of (GstBuffer *buffer, guint index)
{
  return gst_dicenet_meta_get_detection (gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_DETECT), index);
}

/* The only result of an object; NULL if it has none. */
static GstDicenetResult *
classes_of (GstBuffer *buffer, guint index)
{
  const GstDicenetDetection *d = object_of (buffer, index);
  const guint n = gst_dicenet_detection_get_n_results (d);

  fail_unless (n <= 1, "%u results", n);
  return n > 0 ? gst_dicenet_detection_get_result (d, 0) : NULL;
}

static GstElement *
element_with_bus (const gchar *line)
{
  GstElement *element = gst_parse_launch (line, NULL);
  GstBus *bus = gst_bus_new ();

  gst_element_set_bus (element, bus);
  gst_object_unref (bus);
  return element;
}

/* The meta of this task that belongs to an object. */
static GstDicenetMeta *
meta_in (GstBuffer *buffer, GstDicenetTask task, gint parent_id)
{
  gpointer state = NULL;

  for (GstDicenetMeta *meta; (meta = gst_buffer_iterate_dicenet_meta (buffer, &state));) {
    if (meta->result->task == task && meta->parent_id == parent_id)
      return meta;
  }
  return NULL;
}

/* --- the region's result is that of the cropped frame --- */

typedef struct {
  const gchar *format;
  guint x, y, w, h;
} Crop;

static const Crop crops[] = {
  { "RGB", 32, 16, 64, 48 },  { "RGB", 0, 0, WIDTH, HEIGHT }, { "BGRx", 33, 17, 21, 75 }, { "GRAY8", 159, 119, 1, 1 },
  { "NV12", 32, 16, 64, 48 }, { "NV12", 33, 17, 61, 49 },     { "I420", 100, 20, 60, 7 }, { "YUY2", 30, 60, 40, 40 },
};

/* What the network finds in a frame of the region alone. */
static GstBuffer *
crop_and_infer (const gchar *element, const Crop *crop, const gchar *extra)
{
  gchar *launch = launch_line (element, extra);
  gchar *line = g_strdup_printf ("videocrop left=%u top=%u right=%u bottom=%u ! %s", crop->x, crop->y,
                                 WIDTH - crop->x - crop->w, HEIGHT - crop->y - crop->h, launch);
  GstHarness *h = harness_for (line);

  set_caps (h, crop->format, WIDTH, HEIGHT);
  GstBuffer *out = push (h, frame_new (crop->format, WIDTH, HEIGHT, LAYOUT_TIGHT, 3, 0));
  harness_free (h);
  g_free (line);
  g_free (launch);
  return out;
}

static GstBuffer *
infer_region (const gchar *element, const Crop *crop, const gchar *extra)
{
  const GstDicenetDetection object = {
    .label_id = DOG, .confidence = 0.5, .x = crop->x, .y = crop->y, .w = crop->w, .h = crop->h
  };
  gchar *all = g_strdup_printf ("inference-region=objects %s", extra);
  GstHarness *h = harness_new (element, all, crop->format, WIDTH, HEIGHT);
  GstBuffer *frame = frame_new (crop->format, WIDTH, HEIGHT, LAYOUT_PADDED, 3, 0);

  add_objects (frame, &object, 1);
  GstBuffer *out = push (h, frame);
  expect_no_message (h);
  harness_free (h);
  g_free (all);
  return out;
}

GST_START_TEST (test_classes_of_region)
{
  const Crop *crop = &crops[__i__];
  GstBuffer *alone = crop_and_infer ("dicenetclassify", crop, "inference-size=64x64 top-k=0");
  GstBuffer *part = infer_region ("dicenetclassify", crop, "inference-size=64x64 top-k=0");
  const GstDicenetResult *expected = result_of (alone, GST_DICENET_TASK_CLASSIFY)->result;
  const GstDicenetResult *found = classes_of (part, 0);
  const guint n = gst_dicenet_result_get_n_classes (expected);

  fail_unless (found && n == 21 && gst_dicenet_result_get_n_classes (found) == n);
  for (guint i = 0; i < n; i++) {
    const GstDicenetClass *a = gst_dicenet_result_get_class (expected, i), *b = gst_dicenet_result_get_class (found, i);
    fail_unless (a->label_id == b->label_id && a->confidence == b->confidence, "class %u: %g, and %g in the region", i,
                 a->confidence, b->confidence);
  }
  fail_unless_equals_int (count_metas (part, GST_DICENET_META_API_TYPE), 1);
  GstVideoRegionOfInterestMeta *roi = gst_buffer_get_video_region_of_interest_meta_id (part, object_of (part, 0)->id);
  const GstStructure *param = gst_video_region_of_interest_meta_get_param (roi, "classification");
  fail_unless_equals_string (
      gst_structure_get_string (param, "label"),
      gst_dicenet_result_get_label (expected, gst_dicenet_result_get_class (expected, 0)->label_id));
  gst_buffer_unref (alone);
  gst_buffer_unref (part);
}
GST_END_TEST;

/* Whether the centre of a pixel lies on the edge between two pixels of a mask, where rounding decides. */
static gboolean
is_between (guint pixel, guint n, guint mask_n)
{
  const gdouble at = (pixel + 0.5) * mask_n / n;

  return ABS (at - round (at)) < 1e-6;
}

GST_START_TEST (test_mask_of_region)
{
  const Crop *crop = &crops[__i__];
  GstBuffer *alone = crop_and_infer ("dicenetsegment", crop, "inference-size=96x64");
  GstBuffer *part = infer_region ("dicenetsegment", crop, "inference-size=96x64");
  const GstDicenetMeta *expected = result_of (alone, GST_DICENET_TASK_SEGMENT);
  const GstDicenetMeta *found = meta_in (part, GST_DICENET_TASK_SEGMENT, object_of (part, 0)->id);

  fail_unless (found != NULL);
  fail_unless (g_bytes_equal (found->result->mask, expected->result->mask));
  /* On the frame, it is where the object is. */
  GBytes *frame = gst_dicenet_meta_get_mask (found, 0, 0), *there = gst_dicenet_meta_get_mask (expected, 0, 0);
  const guint8 *pixels = g_bytes_get_data (frame, NULL), *other = g_bytes_get_data (there, NULL);
  for (guint y = 0; y < HEIGHT; y++) {
    for (guint x = 0; x < WIDTH; x++) {
      const gboolean is_inside = x - crop->x < crop->w && y - crop->y < crop->h;
      const guint outside = found->result->background < 0 ? GST_DICENET_MASK_NONE : (guint) found->result->background;
      const guint wanted = is_inside ? other[(y - crop->y) * crop->w + x - crop->x] : outside;
      if (is_inside && (is_between (x - crop->x, crop->w, 96) || is_between (y - crop->y, crop->h, 64)))
        continue;
      fail_unless (pixels[y * WIDTH + x] == wanted, "%u, %u: %u is not %u", x, y, pixels[y * WIDTH + x], wanted);
    }
  }
  g_bytes_unref (frame);
  g_bytes_unref (there);
  gst_buffer_unref (alone);
  gst_buffer_unref (part);
}
GST_END_TEST;

GST_START_TEST (test_boxes_of_region)
{
  const Crop *crop = &crops[__i__];
  const gchar *extra = "inference-size=64x64 threshold=0.2 iou-threshold=1";
  GstBuffer *alone = crop_and_infer ("dicenetdetect", crop, extra);
  GstBuffer *part = infer_region ("dicenetdetect", crop, extra);
  const GstDicenetMeta *expected = result_of (alone, GST_DICENET_TASK_DETECT);
  const gint parent_id = object_of (part, 0)->id;
  const GstDicenetMeta *found = meta_in (part, GST_DICENET_TASK_DETECT, parent_id);
  const guint n = gst_dicenet_meta_get_n_detections (expected);

  fail_unless (found && n > 0 && gst_dicenet_meta_get_n_detections (found) == n);
  for (guint i = 0; i < n; i++) {
    const GstDicenetDetection *a = gst_dicenet_meta_get_detection (expected, i);
    const GstDicenetDetection *b = gst_dicenet_meta_get_detection (found, i);
    fail_unless (a->label_id == b->label_id && a->confidence == b->confidence);
    fail_unless (ABS (a->x + crop->x - b->x) < 1e-4 && ABS (a->y + crop->y - b->y) < 1e-4 && ABS (a->w - b->w) < 1e-4 &&
                     ABS (a->h - b->h) < 1e-4,
                 "box %u at %g, %g of the region is at %g, %g of the frame", i, a->x, a->y, b->x, b->y);
    GstVideoRegionOfInterestMeta *roi = gst_buffer_get_video_region_of_interest_meta_id (part, b->id);
    fail_unless (roi && roi->parent_id == parent_id);
  }
  gst_buffer_unref (alone);
  gst_buffer_unref (part);
}
GST_END_TEST;

/* --- which parts of the frame --- */

/* The part of the frame that a mask of an object covers. */
static void
expect_area (GstBuffer *buffer, guint index, gdouble x, gdouble y, gdouble w, gdouble h)
{
  const GstDicenetMeta *meta = meta_in (buffer, GST_DICENET_TASK_SEGMENT, object_of (buffer, index)->id);

  fail_unless (meta != NULL, "object %u has no mask", index);
  const gdouble found[] = { -meta->view_x * WIDTH / meta->view_w, -meta->view_y * HEIGHT / meta->view_h,
                            WIDTH / meta->view_w, HEIGHT / meta->view_h };
  fail_unless (ABS (found[0] - x) + ABS (found[1] - y) + ABS (found[2] - w) + ABS (found[3] - h) < 1e-6,
               "object %u: %g x %g at %g, %g", index, found[2], found[3], found[0], found[1]);
}

GST_START_TEST (test_margin)
{
  const GstDicenetDetection objects[] = {
    { .label_id = DOG, .confidence = 0.9, .x = 40, .y = 40, .w = 40, .h = 20 },
    { .label_id = DOG, .confidence = 0.8, .x = 0, .y = 100, .w = 20, .h = 20 },     /* at a corner */
    { .label_id = DOG, .confidence = 0.7, .x = 10.4, .y = 10.6, .w = 0.1, .h = 50 } /* less than a pixel */
  };
  GstHarness *h = objects_new ("dicenetsegment", "inference-size=64x64");
  GstBuffer *out = push_objects (h, 0, objects, G_N_ELEMENTS (objects));

  expect_area (out, 0, 40, 40, 40, 20);
  expect_area (out, 1, 0, 100, 20, 20);
  expect_area (out, 2, 10, 11, 1, 50);
  gst_buffer_unref (out);
  g_object_set (h->element, "object-margin", 0.1, NULL);
  out = push_objects (h, 1, objects, G_N_ELEMENTS (objects));
  expect_area (out, 0, 36, 38, 48, 24);
  expect_area (out, 1, 0, 98, 22, 22);
  expect_area (out, 2, 10, 6, 1, 60);
  gst_buffer_unref (out);
  g_object_set (h->element, "object-margin", 10.0, NULL);
  out = push_objects (h, 2, objects, G_N_ELEMENTS (objects));
  expect_area (out, 0, 0, 0, WIDTH, HEIGHT);
  gst_buffer_unref (out);
  harness_free (h);
}
GST_END_TEST;

GST_START_TEST (test_which_objects)
{
  const GstDicenetDetection objects[] = {
    { .label_id = PERSON, .confidence = 0.9, .w = 40, .h = 20 },
    { .label_id = CAR, .confidence = 0.8, .w = 19, .h = 90 },
    { .label_id = DOG, .confidence = 0.7, .w = 160, .h = 30 },
    { .label_id = 9, .confidence = 0.6, .w = 20, .h = 20 } /* has no name */
  };
  const struct {
    const gchar *classes;
    guint min_size;
    const gchar *expected; /* which objects have a result */
  } cases[] = {
    { NULL, 0, "yyyy" },          { "", 20, "y-yy" },   { "dog, PERSON,", 0, "y-y-" },
    { "dog,person", 21, "--y-" }, { "cat", 0, "----" }, { "class 9,car", 20, "---y" },
    { "car", 19, "-y--" },
  };
  GstHarness *h = objects_new ("dicenetclassify", NULL);
  gchar *text;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_object_set (h->element, "object-class", cases[i].classes, "object-min-size", cases[i].min_size, NULL);
    GstBuffer *out = push_objects (h, i, objects, G_N_ELEMENTS (objects));
    for (guint k = 0; k < G_N_ELEMENTS (objects); k++)
      fail_unless ((classes_of (out, k) != NULL) == (cases[i].expected[k] == 'y'), "'%s', %u: object %u",
                   cases[i].classes, cases[i].min_size, k);
    gst_buffer_unref (out);
  }
  g_object_set (h->element, "object-class", "  dog ,, car", NULL);
  g_object_get (h->element, "object-class", &text, NULL);
  fail_unless_equals_string (text, "dog,car");
  g_free (text);
  harness_free (h);
}
GST_END_TEST;

/* dicenetdetect's object-class says what to report. */
GST_START_TEST (test_region_class)
{
  const GstDicenetDetection objects[] = { { .label_id = CAR, .confidence = 0.9, .w = 40, .h = 20 },
                                          { .label_id = DOG, .confidence = 0.8, .w = 60, .h = 60 } };
  GstHarness *h = objects_new ("dicenetdetect", "threshold=0.01 region-class=dog object-class=cat,person");
  GstBuffer *out = push_objects (h, 0, objects, 2);
  gchar *text;

  fail_unless (meta_in (out, GST_DICENET_TASK_DETECT, object_of (out, 0)->id) == NULL);
  const GstDicenetMeta *meta = meta_in (out, GST_DICENET_TASK_DETECT, object_of (out, 1)->id);
  fail_unless (gst_dicenet_meta_get_n_detections (meta) > 0);
  for (guint i = 0; i < gst_dicenet_meta_get_n_detections (meta); i++) {
    const guint label_id = gst_dicenet_meta_get_detection (meta, i)->label_id;
    fail_unless (label_id == 1 || label_id == 4, "class %u", label_id);
  }
  gst_buffer_unref (out);
  g_object_get (h->element, "object-class", &text, NULL);
  fail_unless_equals_string (text, "cat,person");
  g_free (text);
  g_object_get (h->element, "region-class", &text, NULL);
  fail_unless_equals_string (text, "dog");
  g_free (text);
  harness_free (h);
}
GST_END_TEST;

/* Regions of other elements may be anywhere. */
GST_START_TEST (test_foreign_objects)
{
  static const struct {
    guint x, y, w, h;
    gboolean is_on_frame;
  } places[] = { { 10, 20, 30, 40, TRUE },     { 159, 119, 1, 1, TRUE },
                 { 160, 0, 10, 10, FALSE },    { 150, 110, 5000, 5000, TRUE },
                 { 20, 20, 0, 0, FALSE },      { G_MAXUINT, G_MAXUINT, G_MAXUINT, G_MAXUINT, FALSE },
                 { 0, 0, G_MAXUINT, 1, TRUE }, { 0, G_MAXINT, 100, 100, FALSE } };
  static const gchar *const elements[] = { "dicenetclassify", "dicenetsegment", "dicenetdetect" };

  for (guint e = 0; e < G_N_ELEMENTS (elements); e++) {
    GstHarness *h = objects_new (elements[e], "object-margin=0.5");
    GstBuffer *frame = frame_like (h, 0);
    guint n_on_frame = 0;

    for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
      add_foreign (frame, "face", places[i].x, places[i].y, places[i].w, places[i].h);
      n_on_frame += places[i].is_on_frame;
    }
    GstBuffer *out = push (h, frame);
    fail_unless_equals_uint64 (stat_of (h, "regions"), n_on_frame);
    fail_unless_equals_int (count_metas (out, GST_DICENET_META_API_TYPE), e == 0 ? 0 : n_on_frame);
    for (guint i = 0; e == 0 && i < G_N_ELEMENTS (places); i++) {
      GstVideoRegionOfInterestMeta *roi = gst_buffer_get_video_region_of_interest_meta_id (out, (gint) i + 1);
      const GstStructure *param = gst_video_region_of_interest_meta_get_param (roi, "classification");
      fail_unless ((param != NULL) == places[i].is_on_frame, "region %u", i);
    }
    expect_no_message (h);
    gst_buffer_unref (out);
    harness_free (h);
  }
}
GST_END_TEST;

/* Without objects there is nothing to do, and no result for the frame. */
GST_START_TEST (test_no_objects)
{
  GstHarness *h = objects_new ("dicenetclassify", NULL);
  GstBuffer *out = push (h, frame_like (h, 0));

  fail_unless_equals_int (count_metas (out, GST_DICENET_META_API_TYPE), 0);
  gst_buffer_unref (out);
  gst_buffer_unref (push_objects (h, 1, NULL, 0));
  fail_unless_equals_uint64 (stat_of (h, "frames"), 2);
  fail_unless_equals_uint64 (stat_of (h, "inferred"), 0);
  fail_unless_equals_uint64 (stat_of (h, "regions"), 0);
  harness_free (h);
}
GST_END_TEST;

static GstDicenetDetection *
grid (guint n, guint first_track)
{
  GstDicenetDetection *objects = g_new0 (GstDicenetDetection, n);

  for (guint i = 0; i < n; i++)
    objects[i] = (GstDicenetDetection){ .label_id = CAR,
                                        .confidence = (i + 1) / (n + 1.0),
                                        .x = i % 40 * 4,
                                        .y = i / 40 * 4,
                                        .w = 4,
                                        .h = 4,
                                        .track_id = first_track ? first_track + i : 0 };
  return objects;
}

GST_START_TEST (test_max_objects)
{
  g_autofree GstDicenetDetection *objects = grid (12, 0);
  GstHarness *h = objects_new ("dicenetclassify", "max-objects=5");
  GstBuffer *out = push_objects (h, 0, objects, 12);

  for (guint i = 0; i < 12; i++)
    fail_unless ((classes_of (out, i) != NULL) == (i >= 7), "the most confident ones are the last");
  fail_unless_equals_uint64 (stat_of (h, "regions"), 5);
  fail_unless_equals_uint64 (stat_of (h, "left-out"), 7);
  fail_unless_equals_uint64 (stat_of (h, "inferred"), 1);
  gst_buffer_unref (out);
  harness_free (h);
}
GST_END_TEST;

/* Objects take turns: new ones first, then those with the oldest result, which they keep until then. */
GST_START_TEST (test_turns)
{
  g_autofree GstDicenetDetection *objects = grid (6, 1);
  GstHarness *h = objects_new ("dicenetclassify", "max-objects=2");
  GstDicenetResult *results[6] = { NULL };

  for (guint i = 0; i < 9; i++) {
    GstBuffer *out = push_objects (h, i, objects, 6);
    for (guint k = 0; k < 6; k++) {
      GstDicenetResult *now = classes_of (out, k);
      const gboolean is_turn = (5 - k) / 2 == i % 3; /* the last ones are the most confident */
      fail_unless ((now != NULL) == ((5 - k) / 2 <= i), "frame %u: object %u", i, k);
      fail_unless ((now != results[k]) == is_turn, "frame %u: object %u", i, k);
      g_clear_pointer (&results[k], gst_dicenet_result_unref);
      results[k] = now ? gst_dicenet_result_ref (now) : NULL;
    }
    gst_buffer_unref (out);
  }
  fail_unless_equals_uint64 (stat_of (h, "regions"), 18);
  fail_unless_equals_uint64 (stat_of (h, "left-out"), 36);
  for (guint k = 0; k < 6; k++)
    gst_dicenet_result_unref (results[k]);
  harness_free (h);
}
GST_END_TEST;

/* inference-size=auto: the region's shape, one of seven, with as many pixels as the model's size, 64 x 64. */
GST_START_TEST (test_sizes)
{
  static const struct {
    guint w, h, mask_w, mask_h;
  } cases[] = {
    { 50, 50, 64, 64 },  { 50, 45, 64, 64 }, { 60, 40, 76, 54 }, { 40, 20, 91, 45 },   { 100, 30, 108, 38 },
    { 150, 1, 108, 38 }, { 20, 40, 45, 91 }, { 1, 1, 64, 64 },   { 30, 100, 38, 108 }, { 1, 100, 38, 108 },
  };
  const gchar *square = "video/x-raw,format=RGB,framerate=30/1,width=160,height=120,pixel-aspect-ratio=2/1";
  GstHarness *h = objects_new ("dicenetsegment", NULL);

  for (guint wide = 0; wide < 2; wide++) {
    if (wide)
      gst_harness_set_src_caps_str (h, square);
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
      const GstDicenetDetection object = { .label_id = DOG,
                                           .w = wide ? cases[i].w / 2.0 : cases[i].w,
                                           .h = cases[i].h };
      if (wide && cases[i].w % 2)
        continue;
      GstBuffer *out = push_objects (h, i, &object, 1);
      const GstDicenetResult *result = meta_in (out, GST_DICENET_TASK_SEGMENT, object_of (out, 0)->id)->result;
      fail_unless (result->mask_width == cases[i].mask_w && result->mask_height == cases[i].mask_h,
                   "%u x %u: inferred at %u x %u", cases[i].w, cases[i].h, result->mask_width, result->mask_height);
      gst_buffer_unref (out);
    }
  }
  harness_free (h);

  h = objects_new ("dicenetsegment", "inference-size=model");
  const GstDicenetDetection object = { .label_id = DOG, .w = 20, .h = 100 };
  GstBuffer *out = push_objects (h, 0, &object, 1);
  const GstDicenetResult *result = meta_in (out, GST_DICENET_TASK_SEGMENT, object_of (out, 0)->id)->result;
  fail_unless (result->mask_width == 64 && result->mask_height == 64);
  gst_buffer_unref (out);
  harness_free (h);
}
GST_END_TEST;

/* --- using results again --- */

static const GstDicenetDetection tracked[] = {
  { .label_id = CAR, .confidence = 0.9, .w = 40, .h = 20, .track_id = 3 },
  { .label_id = DOG, .confidence = 0.8, .w = 60, .h = 60, .track_id = 4 }
};

GST_START_TEST (test_reclassify_interval)
{
  GstHarness *h = objects_new ("dicenetclassify", "reclassify-interval=3");
  GstDicenetResult *last = NULL;

  for (guint i = 0; i < 8; i++) {
    GstDicenetDetection now[] = { tracked[0], tracked[1] };
    now[0].x = i * 10; /* a track id is enough, wherever the object is */
    GstBuffer *out = push_objects (h, i, now, 2);
    GstDicenetResult *result = classes_of (out, 0);
    fail_unless (result && classes_of (out, 1));
    fail_unless ((result == last) == (i % 3 != 0), "frame %u", i);
    fail_unless_equals_uint64 (stat_of (h, "regions"), 2 * (i / 3 + 1));
    g_clear_pointer (&last, gst_dicenet_result_unref);
    last = gst_dicenet_result_ref (result);
    gst_buffer_unref (out);
  }
  gst_dicenet_result_unref (last);
  fail_unless_equals_uint64 (stat_of (h, "inferred"), 3);
  expect_no_message (h);

  g_object_set (h->element, "reclassify-interval", 0, NULL); /* never again */
  for (guint i = 8; i < 40; i++)
    gst_buffer_unref (push_objects (h, i, tracked, 2));
  fail_unless_equals_uint64 (stat_of (h, "regions"), 6);
  g_object_set (h->element, "reclassify-interval", 1, NULL); /* always */
  gst_buffer_unref (push_objects (h, 40, tracked, 2));
  fail_unless_equals_uint64 (stat_of (h, "regions"), 8);
  harness_free (h);
}
GST_END_TEST;

/* max-age: a result that is too old is none; the object is looked at when the next frame is due. */
GST_START_TEST (test_max_age)
{
  GstHarness *h = objects_new ("dicenetclassify", "reclassify-interval=0 max-age=110000000"); /* 3 frames */

  for (guint i = 0; i < 9; i++) {
    GstBuffer *out = push_objects (h, i, tracked, 2);
    fail_unless (classes_of (out, 0) && classes_of (out, 1));
    fail_unless_equals_uint64 (stat_of (h, "regions"), 2 * (i / 4 + 1));
    gst_buffer_unref (out);
  }
  g_object_set (h->element, "inference-interval", 10, NULL);
  for (guint i = 9; i < 14; i++) {
    GstBuffer *out = push_objects (h, i, tracked, 2);
    fail_unless ((classes_of (out, 0) != NULL) == (i <= 11), "frame %u", i);
    gst_buffer_unref (out);
  }
  harness_free (h);
}
GST_END_TEST;

/* A new object is looked at at once, one that comes back is known for a while. */
GST_START_TEST (test_tracks_come_and_go)
{
  GstHarness *h = objects_new ("dicenetclassify", "reclassify-interval=0");

  gst_buffer_unref (push_objects (h, 0, tracked, 1));
  gst_buffer_unref (push_objects (h, 1, tracked, 2));
  fail_unless_equals_uint64 (stat_of (h, "regions"), 2);
  for (guint i = 2; i < 300; i++)
    gst_buffer_unref (push_objects (h, i, tracked + 1, 1));
  fail_unless_equals_uint64 (stat_of (h, "regions"), 2);
  gst_buffer_unref (push_objects (h, 300, tracked, 2));
  fail_unless_equals_uint64 (stat_of (h, "regions"), 2);
  for (guint i = 301; i < 620; i++)
    gst_buffer_unref (push_objects (h, i, tracked + 1, 1));
  fail_unless_equals_uint64 (stat_of (h, "regions"), 2);
  gst_buffer_unref (push_objects (h, 620, tracked, 2));
  fail_unless_equals_uint64 (stat_of (h, "regions"), 3);
  harness_free (h);
}
GST_END_TEST;

/* Of more tracks than are remembered, those that were not seen for longest are forgotten. */
GST_START_TEST (test_many_tracks)
{
  g_autofree GstDicenetDetection *early = grid (600, 1), *late = grid (600, 1001);
  GstHarness *h = objects_new ("dicenetclassify", "reclassify-interval=0 max-objects=1000 inference-size=32x32");

  gst_buffer_unref (push_objects (h, 0, early, 600));
  gst_buffer_unref (push_objects (h, 1, late, 600));
  fail_unless_equals_uint64 (stat_of (h, "regions"), 1200);
  gst_buffer_unref (push_objects (h, 2, late, 600));
  fail_unless_equals_uint64 (stat_of (h, "regions"), 1200);
  gst_buffer_unref (push_objects (h, 3, early, 600));
  fail_unless_equals_uint64 (stat_of (h, "regions"), 1400);
  harness_free (h);
}
GST_END_TEST;

static void
start_new_segment (GstHarness *h)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = GST_SECOND;
  fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
}

static void
flush (GstHarness *h)
{
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_start ()));
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
  start_new_segment (h);
}

static void
resize (GstHarness *h)
{
  set_caps (h, "RGB", WIDTH * 2, HEIGHT);
}

/* After a jump in the stream, or other frames, nothing is known. */
GST_START_TEST (test_forgets)
{
  static void (*const jumps[]) (GstHarness *) = { start_new_segment, flush, resize };
  GstHarness *h = objects_new ("dicenetclassify", "reclassify-interval=0");

  gst_buffer_unref (push_objects (h, 30, tracked, 2));
  for (guint i = 0; i < G_N_ELEMENTS (jumps); i++) {
    gst_buffer_unref (push_objects (h, 30, tracked, 2));
    fail_unless_equals_uint64 (stat_of (h, "regions"), 2 * (i + 1));
    jumps[i](h);
    gst_buffer_unref (push_objects (h, 30, tracked, 2));
    fail_unless_equals_uint64 (stat_of (h, "regions"), 2 * (i + 2));
  }
  harness_free (h);
}
GST_END_TEST;

/* A class that is misspelt is never found. */
GST_START_TEST (test_unknown_class)
{
  const GstDicenetDetection unnamed = { .label_id = 9, .confidence = 0.6, .w = 20, .h = 20 };
  GstHarness *h = objects_new ("dicenetclassify", "object-class=car,persn");

  gst_buffer_unref (push_objects (h, 0, NULL, 0));
  expect_no_message (h);
  for (guint i = 1; i < 3; i++)
    gst_buffer_unref (push_objects (h, i, tracked, 2));
  expect_message (bus_of (h), GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                  "class 'persn', which the model 'first' doesn't know", "car");
  expect_no_message (h);
  g_object_set (h->element, "object-class", "CAR", NULL);
  gst_buffer_unref (push_objects (h, 3, tracked, 2));
  expect_no_message (h);
  g_object_set (h->element, "object-class", "lorry", NULL);
  gst_buffer_unref (push_objects (h, 4, tracked, 2));
  expect_message (bus_of (h), GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "class 'lorry'",
                  "first");
  g_object_set (h->element, "object-class", "class 9", NULL);
  gst_buffer_unref (push_objects (h, 5, &unnamed, 1));
  expect_no_message (h);
  harness_free (h);
}
GST_END_TEST;

GST_START_TEST (test_no_track_ids)
{
  GstDicenetDetection untracked[] = { tracked[0], tracked[1] };
  GstHarness *h = objects_new ("dicenetclassify", "reclassify-interval=5");

  untracked[0].track_id = untracked[1].track_id = 0;
  gst_buffer_unref (push_objects (h, 0, NULL, 0));
  expect_no_message (h);
  for (guint i = 0; i < 29; i++)
    gst_buffer_unref (push_objects (h, i, untracked, 2));
  expect_no_message (h);
  for (guint i = 29; i < 60; i++)
    gst_buffer_unref (push_objects (h, i, untracked, 2));
  fail_unless_equals_uint64 (stat_of (h, "regions"), 2 * 60);
  expect_message (bus_of (h), GST_MESSAGE_WARNING, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "reclassify-interval=5",
                  "dicenettrack");
  expect_no_message (h);
  harness_free (h);
}
GST_END_TEST;

/* A tracker gives an object its number when it was found often enough, and none to doubtful ones. */
GST_START_TEST (test_late_track_ids)
{
  GstDicenetDetection now[] = { tracked[0], tracked[1] };
  GstHarness *h = objects_new ("dicenetclassify", "reclassify-interval=5");

  now[1].track_id = 0;
  for (guint i = 0; i < 60; i++) {
    now[0].track_id = i == 2 ? 3 : 0;
    gst_buffer_unref (push_objects (h, i, now, 2));
  }
  expect_no_message (h);
  harness_free (h);
}
GST_END_TEST;

/* Between two inferences, an object keeps its result: by its track id, or by its label and place. */
GST_START_TEST (test_inference_interval)
{
  static const gchar *const elements[] = { "dicenetsegment", "dicenetdetect" };
  static const GstDicenetTask tasks[] = { GST_DICENET_TASK_SEGMENT, GST_DICENET_TASK_DETECT };

  for (guint e = 0; e < G_N_ELEMENTS (elements); e++) {
    GstDicenetDetection now[] = { { .label_id = CAR, .confidence = 0.9, .x = 10, .y = 10, .w = 40, .h = 20 },
                                  { .label_id = DOG, .confidence = 0.8, .x = 90, .y = 20, .w = 60, .h = 60 },
                                  { .label_id = DOG, .confidence = 0.7, .w = 20, .h = 20, .track_id = 4 } };
    GstHarness *h = objects_new (elements[e], "inference-interval=4");
    if (e == 1)
      g_object_set (h->element, "threshold", 0.1, NULL);
    GstBuffer *before = push_objects (h, 0, now, 3);
    now[0].x += 5;            /* is still the same object */
    now[1].label_id = CAR;    /* is not */
    now[2].x = now[2].y = 80; /* is */
    GstBuffer *out = push_objects (h, 1, now, 3);
    fail_unless_equals_uint64 (stat_of (h, "regions"), 3);
    for (guint i = 0; i < 3; i++) {
      const gint id = object_of (out, i)->id;
      const GstDicenetMeta *old = meta_in (before, tasks[e], id), *meta = meta_in (out, tasks[e], id);
      fail_unless ((meta != NULL) == (i != 1), "object %u", i);
      if (!meta)
        continue;
      fail_unless (old->age == 0 && meta->age == 1 && meta->result == old->result);
      fail_unless_equals_uint64 (meta->source_pts, GST_BUFFER_PTS (before));
      fail_unless_equals_uint64 (meta->age_time, GST_BUFFER_PTS (out) - GST_BUFFER_PTS (before));
      if (e == 0)
        continue;
      const gdouble dx = i == 0 ? 5 : 80, dy = i == 0 ? 0 : 80;
      fail_unless (gst_dicenet_meta_get_n_detections (meta) > 0);
      const GstDicenetDetection *a = gst_dicenet_meta_get_detection (old, 0),
                                *b = gst_dicenet_meta_get_detection (meta, 0);
      fail_unless (ABS (a->x + dx - b->x) < 1e-6 && ABS (a->y + dy - b->y) < 1e-6 && ABS (a->w - b->w) < 1e-6);
    }
    gst_buffer_unref (before);
    gst_buffer_unref (out);
    now[0].x = 100; /* is elsewhere */
    out = push_objects (h, 2, now, 1);
    fail_unless (meta_in (out, tasks[e], object_of (out, 0)->id) == NULL);
    gst_buffer_unref (out);
    gst_buffer_unref (push_objects (h, 3, now, 3));
    fail_unless_equals_uint64 (stat_of (h, "regions"), 3);
    gst_buffer_unref (push_objects (h, 4, now, 3));
    fail_unless_equals_uint64 (stat_of (h, "regions"), 6);
    harness_free (h);
  }
}
GST_END_TEST;

/* --- settings, messages --- */

GST_START_TEST (test_errors)
{
  GstHarness *h = objects_new ("dicenetclassify", "object-class=dog");

  expect_kept (h, "object-class", "dog", " , ,", "commas and spaces only", "person,car");
  gst_util_set_object_arg (G_OBJECT (h->element), "inference-region", "full-frame");
  expect_message (bus_of (h), GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "inference-region",
                  "READY");
  harness_free (h);

  /* A pipeline sets properties before it has a bus. */
  g_autofree gchar *blank = launch_line ("dicenetclassify", "inference-region=objects object-class=\",\"");
  GstElement *element = element_with_bus (blank);
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  expect_message (GST_ELEMENT_BUS (element), GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                  "commas and spaces only", "person,car");
  gst_element_set_state (element, GST_STATE_NULL);
  g_object_set (element, "object-class", "dog", NULL);
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);

  g_autofree gchar *line = launch_line ("dicenetclassify", "inference-region=objects inference-size=native");
  element = element_with_bus (line);
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  expect_message (GST_ELEMENT_BUS (element), GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                  "inference-size=native", "inference-region=objects");
  gst_element_set_state (element, GST_STATE_NULL);
  gst_util_set_object_arg (G_OBJECT (element), "inference-mode", "newest");
  g_object_set (element, "inference-size", "model", NULL);
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  expect_message (GST_ELEMENT_BUS (element), GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                  "inference-mode=newest", "max-objects");
  gst_element_set_state (element, GST_STATE_NULL);
  gst_util_set_object_arg (G_OBJECT (element), "inference-mode", "every-frame");
  g_object_set (element, "inference-size", "auto", NULL);
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
}
GST_END_TEST;

GST_START_TEST (test_messages)
{
  static const struct {
    const gchar *element, *field;
  } cases[] = { { "dicenetclassify", "classes" }, { "dicenetsegment", "classes" }, { "dicenetdetect", "objects" } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *h = objects_new (cases[i].element, "post-messages=true");
    const gchar *label;
    guint64 track_id;
    gdouble x;
    gint id;

    gst_buffer_unref (push_objects (h, 0, NULL, 0));
    fail_unless (next_message (bus_of (h), GST_MESSAGE_ELEMENT) == NULL, "nothing was inferred");
    gst_buffer_unref (push_objects (h, 1, tracked, 2));
    GstMessage *message = next_message (bus_of (h), GST_MESSAGE_ELEMENT);
    fail_unless (message != NULL);
    const GValue *objects = gst_structure_get_value (gst_message_get_structure (message), "objects");
    fail_unless_equals_int (gst_value_array_get_size (objects), 2);
    const GstStructure *last = gst_value_get_structure (gst_value_array_get_value (objects, 1));
    fail_unless (gst_structure_get (last, "label", G_TYPE_STRING, &label, "region-id", G_TYPE_INT, &id, "track-id",
                                    G_TYPE_UINT64, &track_id, "x", G_TYPE_DOUBLE, &x, NULL));
    fail_unless_equals_string (label, "dog");
    fail_unless (id == 2 && track_id == 4 && x == 0);
    fail_unless (GST_VALUE_HOLDS_ARRAY (gst_structure_get_value (last, cases[i].field)));
    fail_unless (next_message (bus_of (h), GST_MESSAGE_ELEMENT) == NULL, "one message per frame");
    g_free ((gchar *) label);
    gst_message_unref (message);
    harness_free (h);
  }
}
GST_END_TEST;

/* --- all together --- */

static void
add_random_objects (GstBuffer *frame, GRand *rand)
{
  GstDicenetDetection objects[20];
  const guint n = (guint) g_rand_int_range (rand, 0, 20);

  for (guint i = 0; i < n; i++)
    objects[i] = (GstDicenetDetection){ .label_id = (guint) g_rand_int_range (rand, 0, 6),
                                        .confidence = g_rand_double (rand),
                                        .x = g_rand_double_range (rand, -50, WIDTH + 50),
                                        .y = g_rand_double_range (rand, -50, HEIGHT + 50),
                                        .w = g_rand_double_range (rand, 0, 200),
                                        .h = g_rand_double_range (rand, 0, 200),
                                        .track_id = (guint64) g_rand_int_range (rand, 0, 12) };
  add_objects (frame, objects, n);
  for (guint i = 0; i < n / 4; i++)
    add_foreign (frame, "face", g_rand_int (rand), g_rand_int (rand), g_rand_int (rand), g_rand_int (rand));
}

/* Objects in objects, drawn and written, with properties that change. */
GST_START_TEST (test_random_objects)
{
  static const gchar *const rests[] = { "dicenetoverlay", "dicenetjson", "dicenetmask", "identity" };
  GRand *rand = g_rand_new_with_seed (11);

  for (guint r = 0; r < G_N_ELEMENTS (rests); r++) {
    g_autofree gchar *segment = launch_line ("dicenetsegment", "inference-region=objects overlay=true"),
                     *detect = launch_line ("dicenetdetect", "inference-region=objects threshold=0.3 overlay=true"),
                     *classify = launch_line ("dicenetclassify",
                                              "name=classify inference-region=objects overlay=true object-margin=0.2");
    g_autofree gchar *line = g_strdup_printf ("%s ! %s ! %s ! %s", segment, detect, classify, rests[r]);
    GstHarness *h = harness_for (line);

    set_caps (h, "NV12", WIDTH, HEIGHT);
    GstElement *element = gst_bin_get_by_name (GST_BIN (h->element), "classify");
    for (guint i = 0; i < 25; i++) {
      GstBuffer *frame = frame_like (h, i);
      add_random_objects (frame, rand);
      g_object_set (element, "reclassify-interval", i % 4, "inference-interval", 1 + i % 3, "object-min-size",
                    i % 5 * 10, "max-objects", 1 + i % 7 * 10, NULL);
      gst_buffer_unref (push (h, frame));
    }
    gst_object_unref (element);
    fail_unless (next_message (bus_of (h), GST_MESSAGE_ERROR) == NULL);
    harness_free (h);
  }
  g_rand_free (rand);
}
GST_END_TEST;

int
main (int argc, char **argv)
{
  TCase *tests = tcase_create ("regions");

  tcase_add_loop_test (tests, test_classes_of_region, 0, G_N_ELEMENTS (crops));
  tcase_add_loop_test (tests, test_mask_of_region, 0, G_N_ELEMENTS (crops));
  tcase_add_loop_test (tests, test_boxes_of_region, 0, G_N_ELEMENTS (crops));
  tcase_add_test (tests, test_margin);
  tcase_add_test (tests, test_which_objects);
  tcase_add_test (tests, test_region_class);
  tcase_add_test (tests, test_foreign_objects);
  tcase_add_test (tests, test_no_objects);
  tcase_add_test (tests, test_max_objects);
  tcase_add_test (tests, test_turns);
  tcase_add_test (tests, test_sizes);
  tcase_add_test (tests, test_reclassify_interval);
  tcase_add_test (tests, test_max_age);
  tcase_add_test (tests, test_tracks_come_and_go);
  tcase_add_test (tests, test_many_tracks);
  tcase_add_test (tests, test_forgets);
  tcase_add_test (tests, test_unknown_class);
  tcase_add_test (tests, test_no_track_ids);
  tcase_add_test (tests, test_late_track_ids);
  tcase_add_test (tests, test_inference_interval);
  tcase_add_test (tests, test_errors);
  tcase_add_test (tests, test_messages);
  tcase_add_test (tests, test_random_objects);
  return run_tests (argc, argv, "regions", tests);
}
