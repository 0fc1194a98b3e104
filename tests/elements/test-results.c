/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Results of the three elements: metas, regions of interest and messages, and the properties that select results. */

#include "common.h"

#define WIDTH  96
#define HEIGHT 64

static GstBuffer *
push_one (GstHarness *h, guint index)
{
  GstBuffer *out = gst_harness_push_and_pull (h, frame_like (h, index));

  fail_unless (out != NULL);
  return out;
}

static guint
push_and_count (GstHarness *h)
{
  static guint index = 0;
  GstBuffer *out = push_one (h, index++);
  guint n = gst_dicenet_meta_get_n_detections (result_of (out, GST_DICENET_TASK_DETECT));

  gst_buffer_unref (out);
  return n;
}

/* --- detection --- */

static void
expect_region (GstBuffer *buffer, const GstDicenetMeta *meta, const GstDicenetDetection *detection)
{
  GstVideoRegionOfInterestMeta *region = gst_buffer_get_video_region_of_interest_meta_id (buffer, detection->id);
  const gchar *label;
  gdouble confidence;
  gint label_id;

  fail_unless (region != NULL);
  fail_unless (ABS (region->x - detection->x) <= 1 && ABS (region->y - detection->y) <= 1);
  fail_unless (ABS (region->w - detection->w) <= 1 && ABS (region->h - detection->h) <= 1);
  GstStructure *param = gst_video_region_of_interest_meta_get_param (region, "detection");
  fail_unless (param != NULL);
  label = gst_structure_get_string (param, "label");
  fail_unless (gst_structure_get_int (param, "label_id", &label_id));
  fail_unless (gst_structure_get_double (param, "confidence", &confidence));
  fail_unless_equals_string (label, gst_dicenet_result_get_label (meta->result, detection->label_id));
  fail_unless_equals_int (label_id, detection->label_id);
  fail_unless_equals_float (confidence, detection->confidence);
}

GST_START_TEST (test_detections)
{
  GstHarness *h = harness_new ("dicenetdetect", "threshold=0.2 iou-threshold=1", "RGB", WIDTH, HEIGHT);
  GstBuffer *out = push_one (h, 0);
  GstDicenetMeta *meta = result_of (out, GST_DICENET_TASK_DETECT);
  guint n = gst_dicenet_meta_get_n_detections (meta);
  gdouble last = 1;

  fail_unless (n > 0 && n <= 100, "%u detections", n);
  fail_unless_equals_int (count_metas (out, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE), n);
  for (guint i = 0; i < n; i++) {
    const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, i);
    fail_unless (d->x >= 0 && d->y >= 0 && d->x + d->w <= WIDTH && d->y + d->h <= HEIGHT, "a box leaves the frame");
    fail_unless (d->w > 0 && d->h > 0);
    fail_unless (d->confidence >= 0.2 && d->confidence <= last);
    fail_unless (d->label_id > 0, "background is no object");
    last = d->confidence;
    expect_region (out, meta, d);
  }
  gst_buffer_unref (out);
  harness_free (h);
}
GST_END_TEST;

GST_START_TEST (test_thresholds_while_playing)
{
  const gchar *extra = "threshold=0 iou-threshold=1 cross-class-iou-threshold=1 max-detections=0";
  GstHarness *h = harness_new ("dicenetdetect", extra, "RGB", WIDTH, HEIGHT);
  guint all = push_and_count (h);

  fail_unless (all > 10, "%u detections are too few for this test", all);
  g_object_set (h->element, "max-detections", 3, NULL);
  fail_unless_equals_int (push_and_count (h), 3);
  g_object_set (h->element, "max-detections", 0, "iou-threshold", 0.1, NULL);
  fail_unless (push_and_count (h) < all);
  g_object_set (h->element, "iou-threshold", 1.0, "threshold", 1.0, NULL);
  fail_unless_equals_int (push_and_count (h), 0);
  g_object_set (h->element, "threshold", 0.0, NULL);
  fail_unless_equals_int (push_and_count (h), all);
  harness_free (h);
}
GST_END_TEST;

static gdouble
overlap_of (const GstDicenetDetection *a, const GstDicenetDetection *b)
{
  gdouble w = MIN (a->x + a->w, b->x + b->w) - MAX (a->x, b->x);
  gdouble h = MIN (a->y + a->h, b->y + b->h) - MAX (a->y, b->y);
  gdouble shared = MAX (w, 0) * MAX (h, 0);

  return shared / (a->w * a->h + b->w * b->h - shared);
}

/* Whether a box of another class among the first @n of @meta overlaps @object by more than @most. */
static gboolean
is_elsewhere (const GstDicenetDetection *object, const GstDicenetMeta *meta, guint n, gdouble most)
{
  for (guint i = 0; i < n; i++) {
    const GstDicenetDetection *other = gst_dicenet_meta_get_detection (meta, i);
    if (other->label_id != object->label_id && other->confidence >= object->confidence &&
        overlap_of (object, other) > most)
      return TRUE;
  }
  return FALSE;
}

/* An object has one class, that which is the most confident: of all boxes, those are left out that overlap a stronger
 * one of another class too far. */
GST_START_TEST (test_one_class_per_object)
{
  static const gfloat limits[] = { 0.8f, 0.5f, 0.2f, 0 };
  const gchar *extra = "threshold=0 iou-threshold=0.9 cross-class-iou-threshold=1 max-detections=0";
  GstHarness *h = harness_new ("dicenetdetect", extra, "RGB", WIDTH, HEIGHT);
  GstBuffer *everything = push_one (h, 0);
  const GstDicenetMeta *all = result_of (everything, GST_DICENET_TASK_DETECT);
  guint n_all = gst_dicenet_meta_get_n_detections (all), before = n_all;

  for (guint k = 0; k < G_N_ELEMENTS (limits); k++) {
    g_object_set (h->element, "cross-class-iou-threshold", limits[k], NULL);
    GstBuffer *out = push_one (h, 0);
    const GstDicenetMeta *meta = result_of (out, GST_DICENET_TASK_DETECT);
    guint n = gst_dicenet_meta_get_n_detections (meta), next = 0;

    fail_unless (n > 0 && n < before, "%g leaves %u of %u", limits[k], n, before);
    for (guint i = 0; i < n_all; i++) {
      const GstDicenetDetection *object = gst_dicenet_meta_get_detection (all, i);
      const GstDicenetDetection *kept = next < n ? gst_dicenet_meta_get_detection (meta, next) : NULL;
      gboolean is_kept = kept && kept->label_id == object->label_id && kept->x == object->x && kept->y == object->y &&
                         kept->w == object->w && kept->h == object->h;
      if (is_kept)
        fail_if (is_elsewhere (object, meta, next, limits[k] + 1e-4));
      else
        fail_unless (is_elsewhere (object, meta, next, limits[k] - 1e-4), "box %u is missing", i);
      next += is_kept;
    }
    fail_unless_equals_int (next, n);
    before = n;
    gst_buffer_unref (out);
  }
  gst_buffer_unref (everything);
  harness_free (h);
}
GST_END_TEST;

/* The default threshold is the model's, or 0.5 if it has none. */
GST_START_TEST (test_threshold_of_the_model)
{
  const struct {
    const gchar *model;
    gfloat threshold;
  } cases[] = { { "detect", 0.5f }, { "eager", 0.2f } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    gchar *path = model_path (cases[i].model);
    gchar *extra = g_strdup_printf ("model=\"%s\" max-detections=0", path);
    GstHarness *h = harness_new ("dicenetdetect", extra, "RGB", WIDTH, HEIGHT);
    GstBuffer *out = push_one (h, 0);
    GstDicenetMeta *meta = result_of (out, GST_DICENET_TASK_DETECT);
    guint n = gst_dicenet_meta_get_n_detections (meta);

    fail_unless (n > 0, "%s finds nothing", cases[i].model);
    fail_unless (gst_dicenet_meta_get_detection (meta, n - 1)->confidence >= cases[i].threshold);
    gst_buffer_unref (out);
    for (gint k = -1; k <= 1; k++) {
      g_object_set (h->element, "threshold", cases[i].threshold + k * 0.1f, NULL);
      out = push_one (h, 0);
      guint now = gst_dicenet_meta_get_n_detections (result_of (out, GST_DICENET_TASK_DETECT));
      fail_unless (k < 0 ? now > n : k > 0 ? now < n : now == n, "%s: %u, and %u by itself", cases[i].model, now, n);
      gst_buffer_unref (out);
    }
    harness_free (h);
    g_free (extra);
    g_free (path);
  }
}
GST_END_TEST;

/* Number of objects per class of the model: background, person, car, dog, cat. */
static void
count_per_class (GstHarness *h, guint counts[5])
{
  GstBuffer *out = push_one (h, 0);
  GstDicenetMeta *meta = result_of (out, GST_DICENET_TASK_DETECT);

  memset (counts, 0, 5 * sizeof *counts);
  for (guint i = 0; i < gst_dicenet_meta_get_n_detections (meta); i++)
    counts[gst_dicenet_meta_get_detection (meta, i)->label_id]++;
  gst_buffer_unref (out);
}

/* Sets threshold (-1: the model's) and class-thresholds; the objects are then those that reach @expected. */
static void
expect_thresholds (GstHarness *h, gfloat threshold, const gchar *class_thresholds, const gchar *expected)
{
  guint found[5], wanted[5];

  g_object_set (h->element, "threshold", 1.0f, "class-thresholds", expected, NULL);
  count_per_class (h, wanted);
  g_object_set (h->element, "threshold", threshold, "class-thresholds", class_thresholds, NULL);
  count_per_class (h, found);
  for (guint i = 0; i < 5; i++)
    fail_unless (found[i] == wanted[i], "class %u: %u, expected %u", i, found[i], wanted[i]);
}

GST_START_TEST (test_thresholds_of_the_model)
{
  gchar *path = model_path ("choosy");
  gchar *extra = g_strdup_printf ("model=\"%s\" iou-threshold=1 cross-class-iou-threshold=1 max-detections=0", path);
  GstHarness *h = harness_new ("dicenetdetect", extra, "RGB", WIDTH, HEIGHT);
  guint own[5], all[5];

  count_per_class (h, own);
  fail_unless (own[1] > 0 && own[2] == 0 && own[3] > 0 && own[4] > 0);
  expect_thresholds (h, -1, NULL, "person=0.1,car=0.9,dog=0.3,cat=0.2");
  expect_thresholds (h, -1, "car=0.05,cat=1", "person=0.1,car=0.05,dog=0.3,cat=1");
  /* One for all classes replaces the model's, and those of single classes stay. */
  expect_thresholds (h, 0.15f, NULL, "person=0.15,car=0.15,dog=0.15,cat=0.15");
  expect_thresholds (h, 0.15f, "dog=0.05", "person=0.15,car=0.15,dog=0.05,cat=0.15");
  g_object_set (h->element, "threshold", 0.0f, "class-thresholds", NULL, NULL);
  count_per_class (h, all);
  fail_unless (all[1] > own[1] && all[2] > 0 && all[3] > own[3] && all[4] > own[4], "the model leaves nothing out");
  g_object_set (h->element, "threshold", -1.0f, "object-class", "dog", NULL);
  count_per_class (h, all);
  fail_unless (all[1] == 0 && all[3] == own[3] && all[4] == 0);
  harness_free (h);
  g_free (extra);
  g_free (path);
}
GST_END_TEST;

GST_START_TEST (test_classes_while_playing)
{
  const gchar *extra = "threshold=0.01 iou-threshold=1 cross-class-iou-threshold=1 max-detections=0";
  GstHarness *h = harness_new ("dicenetdetect", extra, "RGB", WIDTH, HEIGHT);
  guint all[5], some[5];

  count_per_class (h, all);
  fail_unless (all[0] == 0 && all[1] > 0 && all[2] > 0 && all[3] > 0 && all[4] > 0);

  g_object_set (h->element, "object-class", "car,DOG", NULL);
  count_per_class (h, some);
  fail_unless (some[1] == 0 && some[2] == all[2] && some[3] == all[3] && some[4] == 0);

  /* A threshold does not enable a class that is excluded. */
  g_object_set (h->element, "class-thresholds", "person=0,car=1", NULL);
  count_per_class (h, some);
  fail_unless (some[1] == 0 && some[2] == 0 && some[3] == all[3] && some[4] == 0);

  g_object_set (h->element, "object-class", NULL, NULL);
  count_per_class (h, some);
  fail_unless (some[1] >= all[1] && some[2] == 0 && some[3] == all[3] && some[4] == all[4]);

  /* An invalid value is refused and changes nothing. */
  expect_kept (h, "class-thresholds", "person=0,car=1", "elephant=0.5", "no class 'elephant'", "person");
  count_per_class (h, some);
  fail_unless (some[2] == 0 && some[3] == all[3]);
  harness_free (h);
}
GST_END_TEST;

/* Boxes are in pixels of the frame: doubling the frame doubles the box. */
GST_START_TEST (test_box_scale)
{
  GstHarness *h = harness_new ("dicenetdetect", "threshold=0.2 inference-size=64x64", "GRAY8", 100, 80);
  GstBuffer *small = gst_buffer_new_allocate (NULL, 100 * 80, NULL);
  GstBuffer *large = gst_buffer_new_allocate (NULL, 200 * 160, NULL);

  /* A uniform grey, so that the picture is the same at both sizes; 100 and 200 need no padding in GRAY8. */
  gst_buffer_memset (small, 0, 90, 100 * 80);
  gst_buffer_memset (large, 0, 90, 200 * 160);
  GstBuffer *out = gst_harness_push_and_pull (h, small);
  set_caps (h, "GRAY8", 200, 160);
  GstBuffer *out2 = gst_harness_push_and_pull (h, large);
  GstDicenetMeta *meta = result_of (out, GST_DICENET_TASK_DETECT), *meta2 = result_of (out2, GST_DICENET_TASK_DETECT);

  fail_unless (gst_dicenet_meta_get_n_detections (meta) > 0);
  fail_unless_equals_int (gst_dicenet_meta_get_n_detections (meta), gst_dicenet_meta_get_n_detections (meta2));
  for (guint i = 0; i < gst_dicenet_meta_get_n_detections (meta); i++) {
    const GstDicenetDetection *a = gst_dicenet_meta_get_detection (meta, i);
    const GstDicenetDetection *b = gst_dicenet_meta_get_detection (meta2, i);
    fail_unless (ABS (2 * a->x - b->x) < 0.01 && ABS (2 * a->y - b->y) < 0.01);
    fail_unless (ABS (2 * a->w - b->w) < 0.01 && ABS (2 * a->h - b->h) < 0.01);
  }
  gst_buffer_unref (out);
  gst_buffer_unref (out2);
  harness_free (h);
}
GST_END_TEST;

/* --- classification --- */

GST_START_TEST (test_top_k)
{
  GstHarness *h = harness_new ("dicenetclassify", NULL, "RGB", WIDTH, HEIGHT);
  GstBuffer *out = push_one (h, 0);
  const GstDicenetResult *result = result_of (out, GST_DICENET_TASK_CLASSIFY)->result;
  gdouble sum = 0, last = 1;

  fail_unless_equals_int (gst_dicenet_result_get_n_classes (result), 5);
  for (guint i = 0; i < 5; i++) {
    const GstDicenetClass *class = gst_dicenet_result_get_class (result, i);
    fail_unless (class->confidence > 0 && class->confidence <= last && class->label_id < 21);
    last = class->confidence;
  }
  gst_buffer_unref (out);

  g_object_set (h->element, "top-k", 0, NULL);
  out = push_one (h, 1);
  result = result_of (out, GST_DICENET_TASK_CLASSIFY)->result;
  fail_unless_equals_int (gst_dicenet_result_get_n_classes (result), 21);
  for (guint i = 0; i < 21; i++)
    sum += gst_dicenet_result_get_class (result, i)->confidence;
  fail_unless (ABS (sum - 1) < 1e-5, "confidences add up to %f", sum);
  gdouble best = gst_dicenet_result_get_class (result, 0)->confidence;
  gst_buffer_unref (out);

  g_object_set (h->element, "threshold", (gfloat) best - 1e-4f, NULL);
  out = push_one (h, 2);
  fail_unless_equals_int (gst_dicenet_result_get_n_classes (result_of (out, GST_DICENET_TASK_CLASSIFY)->result), 1);
  gst_buffer_unref (out);
  harness_free (h);
}
GST_END_TEST;

/* Single-label models always report a class; multi-label models report those above the threshold, unless it is set. */
GST_START_TEST (test_tags)
{
  gchar *path = model_path ("tags");
  gchar *extra = g_strdup_printf ("model=\"%s\" top-k=0", path);
  GstHarness *h = harness_new ("dicenetclassify", extra, "RGB", WIDTH, HEIGHT);
  GstBuffer *out = push_one (h, 0);
  const GstDicenetResult *result = result_of (out, GST_DICENET_TASK_CLASSIFY)->result;
  guint n = gst_dicenet_result_get_n_classes (result);

  fail_unless (n > 0 && n < 21, "%u of 21", n);
  fail_unless (gst_dicenet_result_get_class (result, n - 1)->confidence >= 0.5);
  gst_buffer_unref (out);

  g_object_set (h->element, "threshold", 0.0f, NULL);
  out = push_one (h, 0);
  result = result_of (out, GST_DICENET_TASK_CLASSIFY)->result;
  fail_unless_equals_int (gst_dicenet_result_get_n_classes (result), 21);
  fail_unless (gst_dicenet_result_get_class (result, n)->confidence < 0.5);
  gst_buffer_unref (out);
  harness_free (h);
  g_free (extra);
  g_free (path);
}
GST_END_TEST;

static guint
reported_classes (GstHarness *h)
{
  GstBuffer *out = push_one (h, 0);
  const GstDicenetResult *result = result_of (out, GST_DICENET_TASK_CLASSIFY)->result;
  guint found = 0;

  for (guint i = 0; i < gst_dicenet_result_get_n_classes (result); i++)
    found |= 1u << gst_dicenet_result_get_class (result, i)->label_id;
  gst_buffer_unref (out);
  return found;
}

/* Class 5 has the threshold 0; the first five have 1, and are never reported by default. */
GST_START_TEST (test_tags_with_thresholds)
{
  static const gfloat thresholds[] = { 1, 1, 1, 1, 1, 0, 0.9f, 0.9f, 0.9f, 0.9f, 0.1f, 0.1f, 0.1f, 0.1f };
  gchar *path = model_path ("choosy-tags");
  gchar *extra = g_strdup_printf ("model=\"%s\" top-k=0 threshold=0", path);
  GstHarness *h = harness_new ("dicenetclassify", extra, "RGB", WIDTH, HEIGHT);
  GstBuffer *out = push_one (h, 0);
  const GstDicenetResult *result = result_of (out, GST_DICENET_TASK_CLASSIFY)->result;
  guint expected = 0;

  fail_unless_equals_int (gst_dicenet_result_get_n_classes (result), 21);
  for (guint i = 0; i < 21; i++) {
    const GstDicenetClass *class = gst_dicenet_result_get_class (result, i);
    const gfloat threshold = class->label_id < G_N_ELEMENTS (thresholds) ? thresholds[class->label_id] : 0.5f;
    if (class->confidence >= (gdouble) threshold)
      expected |= 1u << class->label_id;
  }
  gst_buffer_unref (out);
  fail_unless ((expected & (1u << 5)) && !(expected & 1u));

  g_object_set (h->element, "threshold", -1.0f, NULL);
  guint found = reported_classes (h);
  fail_unless (found == expected, "classes %x, expected %x", found, expected);

  /* Those of single classes, the first one's, too, which is no background. */
  g_object_set (h->element, "class-thresholds", "class 0=0", NULL);
  found = reported_classes (h);
  fail_unless (found == (expected | 1u), "classes %x, expected %x", found, expected | 1u);
  expect_kept (h, "class-thresholds", "class 0=0", "elephant=0.5", "no class 'elephant'", "class 0");
  harness_free (h);
  g_free (extra);
  g_free (path);
}
GST_END_TEST;

/* --- messages --- */

static GstStructure *
message_of (const gchar *element, const gchar *extra, const gchar *name)
{
  GstHarness *h = harness_new (element, extra, "RGB", WIDTH, HEIGHT);
  guint64 pts, running_time;
  guint width, height;

  gst_buffer_unref (push_one (h, 0));
  fail_unless (next_message (bus_of (h), GST_MESSAGE_ELEMENT) == NULL, "a message without post-messages");
  g_object_set (h->element, "post-messages", TRUE, "inference-interval", 2, NULL);
  gst_buffer_unref (push_one (h, 1));
  fail_unless (next_message (bus_of (h), GST_MESSAGE_ELEMENT) == NULL, "a message without an inference");
  gst_buffer_unref (push_one (h, 2));
  GstMessage *message = next_message (bus_of (h), GST_MESSAGE_ELEMENT);
  fail_unless (message != NULL);
  const GstStructure *structure = gst_message_get_structure (message);
  fail_unless_equals_string (gst_structure_get_name (structure), name);
  fail_unless (gst_structure_get (structure, "pts", G_TYPE_UINT64, &pts, "running-time", G_TYPE_UINT64, &running_time,
                                  "width", G_TYPE_UINT, &width, "height", G_TYPE_UINT, &height, NULL));
  fail_unless_equals_uint64 (pts, gst_util_uint64_scale (2, GST_SECOND, 30));
  fail_unless_equals_uint64 (running_time, pts);
  fail_unless (width == WIDTH && height == HEIGHT);
  fail_unless (gst_structure_get_string (structure, "model") != NULL);
  GstStructure *copy = gst_structure_copy (structure);
  gst_message_unref (message);
  harness_free (h);
  return copy;
}

static const GstStructure *
first_entry (const GstStructure *message, const gchar *field, guint *n)
{
  const GValue *array = gst_structure_get_value (message, field);

  fail_unless (array && GST_VALUE_HOLDS_ARRAY (array));
  *n = gst_value_array_get_size (array);
  fail_unless (*n > 0);
  return gst_value_get_structure (gst_value_array_get_value (array, 0));
}

GST_START_TEST (test_messages)
{
  guint n, label_id;
  gdouble confidence, share, w, h;
  const GstStructure *entry;

  GstStructure *message = message_of ("dicenetclassify", "top-k=3", "dicenet-classify");
  entry = first_entry (message, "classes", &n);
  fail_unless_equals_int (n, 3);
  fail_unless (
      gst_structure_get (entry, "label-id", G_TYPE_UINT, &label_id, "confidence", G_TYPE_DOUBLE, &confidence, NULL));
  fail_unless (gst_structure_has_field_typed (entry, "label", G_TYPE_STRING));
  gst_structure_free (message);

  message = message_of ("dicenetdetect", "threshold=0.1", "dicenet-detect");
  entry = first_entry (message, "objects", &n);
  fail_unless (gst_structure_get (entry, "label-id", G_TYPE_UINT, &label_id, "confidence", G_TYPE_DOUBLE, &confidence,
                                  "w", G_TYPE_DOUBLE, &w, "h", G_TYPE_DOUBLE, &h, NULL));
  fail_unless (w > 0 && w <= WIDTH && h > 0 && h <= HEIGHT);
  gst_structure_free (message);

  message = message_of ("dicenetsegment", NULL, "dicenet-segment");
  entry = first_entry (message, "classes", &n);
  fail_unless (n > 1);
  fail_unless (gst_structure_get (entry, "label-id", G_TYPE_UINT, &label_id, "share", G_TYPE_DOUBLE, &share, NULL));
  fail_unless (share > 0 && share < 1);
  gst_structure_free (message);
}
GST_END_TEST;

/* --- properties set by another thread --- */

static gpointer
change_properties (gpointer data)
{
  GstElement *element = data;

  for (guint i = 0; i < 300; i++) {
    gchar *text = g_strdup_printf ("person=0.%u,car=0.%u", i % 10, (i + 5) % 10);
    GstStructure *stats;
    g_object_set (element, "threshold", (i % 10) / 10.0, "overlay", i % 3 == 0, "class-thresholds", text,
                  "object-class", i % 2 ? "person,dog" : NULL, "inference-interval", 1 + i % 3, NULL);
    g_object_get (element, "stats", &stats, NULL);
    gst_structure_free (stats);
    g_free (text);
    g_usleep (200);
  }
  return NULL;
}

GST_START_TEST (test_properties_from_thread)
{
  GstHarness *h = harness_new ("dicenetdetect", NULL, "RGB", WIDTH, HEIGHT);
  GThread *thread = g_thread_new ("properties", change_properties, h->element);

  for (guint i = 0; i < 60; i++) {
    GstBuffer *out = push_one (h, i);
    result_of (out, GST_DICENET_TASK_DETECT);
    gst_buffer_unref (out);
  }
  g_thread_join (thread);
  fail_unless (next_message (bus_of (h), GST_MESSAGE_ERROR | GST_MESSAGE_WARNING) == NULL);
  harness_free (h);
}
GST_END_TEST;

int
main (int argc, char **argv)
{
  TCase *tests = tcase_create ("results");

  tcase_add_test (tests, test_detections);
  tcase_add_test (tests, test_thresholds_while_playing);
  tcase_add_test (tests, test_one_class_per_object);
  tcase_add_test (tests, test_threshold_of_the_model);
  tcase_add_test (tests, test_thresholds_of_the_model);
  tcase_add_test (tests, test_classes_while_playing);
  tcase_add_test (tests, test_box_scale);
  tcase_add_test (tests, test_top_k);
  tcase_add_test (tests, test_tags);
  tcase_add_test (tests, test_tags_with_thresholds);
  tcase_add_test (tests, test_messages);
  tcase_add_test (tests, test_properties_from_thread);
  return run_tests (argc, argv, "results", tests);
}
