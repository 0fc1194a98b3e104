/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GStreamer's own elements for analytics work with our results, and ours with theirs: pixels and numbers of the frames
 * that come out. The argument names the element of theirs. */

#include "../elements/common.h"

#include <gst/dicenet/gstdicenetobject.h>
#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#define W 320
#define H 240

/* 13 classes. */
static const gchar *const LABELS[] = { "background", "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", NULL };

static GstHarness *
harness_new_for (const gchar *element, const gchar *extra, const gchar *theirs)
{
  g_autofree gchar *ours = launch_line (element, extra);
  g_autofree gchar *line = g_strdup_printf ("%s ! %s", ours, theirs);
  GstHarness *h = harness_for (line);

  set_caps (h, "BGRx", W, H);
  return h;
}

/* Whether each pixel differs between two BGRx frames. */
static gboolean *
compare (GBytes *before, GBytes *after)
{
  const guint32 *a = g_bytes_get_data (before, NULL), *b = g_bytes_get_data (after, NULL);
  gboolean *differs = g_new (gboolean, W * H);

  fail_unless_equals_int (g_bytes_get_size (before), W * H * 4);
  fail_unless_equals_int (g_bytes_get_size (after), W * H * 4);
  for (guint i = 0; i < W * H; i++)
    differs[i] = (GUINT32_FROM_LE (a[i]) & 0xffffff) != (GUINT32_FROM_LE (b[i]) & 0xffffff);
  return differs;
}

/* Pushes a frame, and returns which pixels were changed. */
static gboolean *
changed_by (GstHarness *h, GstBuffer **out)
{
  GstBuffer *in = frame_like (h, 0);
  GBytes *before = bytes_of (in);

  *out = gst_harness_push_and_pull (h, in);
  fail_unless (*out != NULL);
  GBytes *after = bytes_of (*out);
  gboolean *differs = compare (before, after);
  g_bytes_unref (before);
  g_bytes_unref (after);
  return differs;
}

/* Distance in pixels of a point from the edges of a box. */
static gdouble
distance (const GstDicenetDetection *d, gdouble x, gdouble y)
{
  gdouble left = x - d->x, right = d->x + d->w - x, top = y - d->y, bottom = d->y + d->h - y;
  gdouble nearest = MIN (MIN (left, right), MIN (top, bottom));

  return nearest >= 0 ? nearest : -nearest;
}

static gboolean
is_at_edge (const GstDicenetMeta *meta, guint x, guint y)
{
  for (guint i = 0; i < gst_dicenet_meta_get_n_detections (meta); i++) {
    if (distance (gst_dicenet_meta_get_detection (meta, i), x + 0.5, y + 0.5) <= 4)
      return TRUE;
  }
  return FALSE;
}

/* Whether something near a point was drawn. */
static gboolean
is_drawn (const gboolean *changed, gdouble x, gdouble y)
{
  for (gint j = MAX (y - 4, 0); j <= MIN (y + 4, H - 1); j++) {
    for (gint i = MAX (x - 4, 0); i <= MIN (x + 4, W - 1); i++) {
      if (changed[j * W + i])
        return TRUE;
    }
  }
  return FALSE;
}

/* Something is drawn at the middle of each edge of each box, and nothing elsewhere. */
GST_START_TEST (test_objectdetectionoverlay)
{
  GstHarness *h = harness_new_for ("dicenetdetect", "threshold=0.1 max-detections=4",
                                   "objectdetectionoverlay draw-labels=false "
                                   "object-detection-outline-color=0xff00ff00");
  GstBuffer *out;
  gboolean *changed = changed_by (h, &out);
  const GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (out, GST_DICENET_TASK_DETECT);

  fail_unless_equals_int (gst_dicenet_meta_get_n_detections (meta), 4);
  for (guint i = 0; i < 4; i++) {
    const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, i);
    fail_unless (is_drawn (changed, d->x, d->y + d->h / 2), "left edge of box %u", i);
    fail_unless (is_drawn (changed, d->x + d->w, d->y + d->h / 2), "right edge of box %u", i);
    fail_unless (is_drawn (changed, d->x + d->w / 2, d->y), "top edge of box %u", i);
    fail_unless (is_drawn (changed, d->x + d->w / 2, d->y + d->h), "bottom edge of box %u", i);
  }
  for (guint y = 0; y < H; y++) {
    for (guint x = 0; x < W; x++)
      fail_if (changed[y * W + x] && !is_at_edge (meta, x, y), "drawn at %u, %u", x, y);
  }
  g_free (changed);
  gst_buffer_unref (out);
  harness_free (h);

  h = harness_new_for ("dicenetdetect", "threshold=0.1 analytics=false", "objectdetectionoverlay");
  changed = changed_by (h, &out);
  for (guint i = 0; i < W * H; i++)
    fail_if (changed[i], "drawn though turned off");
  g_free (changed);
  gst_buffer_unref (out);
  harness_free (h);
}
GST_END_TEST;

/* All classes but the background are painted, each where the mask has it. */
GST_START_TEST (test_segmentationoverlay)
{
  GstHarness *h = harness_new_for ("dicenetsegment", NULL, "segmentationoverlay hint-maximum-segment-type=21");
  GstBuffer *out;
  gboolean *changed = changed_by (h, &out);
  const GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (out, GST_DICENET_TASK_SEGMENT);
  const GstDicenetResult *result = meta->result;
  const guint8 *mask = g_bytes_get_data (result->mask, NULL);
  guint n_painted = 0, n_same = 0, n_background = 0;

  for (guint y = 0; y < H; y++) {
    for (guint x = 0; x < W; x++) {
      /* The overlay's way to scale. */
      guint8 label = mask[y * result->mask_height / H * result->mask_width + x * result->mask_width / W];
      gboolean background = label == result->background || label == GST_DICENET_MASK_NONE;
      n_background += background;
      n_painted += !background;
      n_same += !background && !changed[y * W + x];
      fail_if (background && changed[y * W + x], "painted at %u, %u", x, y);
    }
  }
  fail_unless (n_painted > W * H / 10, "only %u pixels to paint, %u of background", n_painted, n_background);
  /* A colour may be that of the frame. */
  fail_unless (n_same <= n_painted / 50, "%u of %u pixels are not painted", n_same, n_painted);
  g_free (changed);
  gst_buffer_unref (out);
  harness_free (h);
}
GST_END_TEST;

/* The background stays as it is, and a class beyond the default hint is painted. */
GST_START_TEST (test_segmentationoverlay_background)
{
  GstHarness *h = harness_for ("segmentationoverlay hint-maximum-segment-type=21");
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_SEGMENT, "m", LABELS, 0);
  GBytes *mask = g_bytes_new_static ("\0\0\13\13", 4);

  gst_dicenet_result_set_mask (result, mask, 4, 1);
  set_caps (h, "BGRx", W, H);
  GstBuffer *in = frame_like (h, 0);
  gst_buffer_add_dicenet_meta (in, result, W, H, NULL, 0);
  GBytes *before = bytes_of (in);
  GstBuffer *out = gst_harness_push_and_pull (h, in);
  GBytes *after = bytes_of (out);
  gboolean *changed = compare (before, after);
  for (guint i = 0; i < W * H; i++)
    fail_unless_equals_int (changed[i], i % W >= W / 2);
  g_free (changed);
  g_bytes_unref (before);
  g_bytes_unref (after);
  g_bytes_unref (mask);
  gst_dicenet_result_unref (result);
  gst_buffer_unref (out);
  harness_free (h);
}
GST_END_TEST;

/* Our objects have the numbers that GStreamer's tracker gave them. */
GST_START_TEST (test_ioutracker)
{
  GstHarness *h = harness_new_for ("dicenetdetect", "threshold=0.1 max-detections=4", "ioutracker");
  guint64 tracks[4] = { 0 };

  for (guint n = 0; n < 3; n++) {
    GstBuffer *frame = frame_like (h, 0);
    GST_BUFFER_PTS (frame) = n * GST_SECOND / 30;
    GstBuffer *out = gst_harness_push_and_pull (h, frame);
    GArray *objects = gst_buffer_get_dicenet_objects (out);
    fail_unless_equals_int (objects->len, 4);
    for (guint i = 0; i < objects->len; i++) {
      guint64 track = g_array_index (objects, GstDicenetObject, i).track_id;
      fail_unless (track > 0, "object %u of frame %u has no track", i, n);
      fail_unless (n == 0 || track == tracks[i]);
      for (guint j = 0; j < i; j++)
        fail_if (track == tracks[j]);
      tracks[i] = track;
    }
    g_array_unref (objects);
    gst_buffer_unref (out);
  }
  harness_free (h);
}
GST_END_TEST;

#ifdef HAVE_GST_ANALYTICS
/* As GStreamer's detectors do. */
static GstBuffer *
frame_with_od (GstHarness *h, guint index, gint x)
{
  GstBuffer *frame = frame_like (h, index);
  GstAnalyticsMtd od;

  gst_analytics_relation_meta_add_od_mtd (gst_buffer_add_analytics_relation_meta (frame), g_quark_from_string ("dog"),
                                          x, 100, 80, 60, 0.75, &od);
  return frame;
}

/* A box of another detector is drawn by us, at its edges and above it. */
GST_START_TEST (test_dicenetoverlay)
{
  GstHarness *h = harness_for ("dicenetoverlay");

  set_caps (h, "BGRx", W, H);
  GstBuffer *in = frame_with_od (h, 0, 60);
  GBytes *before = bytes_of (in);
  GstBuffer *out = gst_harness_push_and_pull (h, in);
  GBytes *after = bytes_of (out);
  gboolean *changed = compare (before, after);
  for (guint x = 60; x < 140; x++)
    fail_unless (changed[101 * W + x] && changed[158 * W + x], "column %u", x);
  for (guint y = 100; y < 160; y++)
    fail_unless (changed[y * W + 61] && changed[y * W + 138], "row %u", y);
  fail_unless (is_drawn (changed, 64, 94), "no label");
  fail_if (is_drawn (changed, 100, 130));
  g_free (changed);
  g_bytes_unref (before);
  g_bytes_unref (after);
  gst_buffer_unref (out);
  harness_free (h);
}
GST_END_TEST;

GST_START_TEST (test_dicenettrack)
{
  GstHarness *h = harness_for ("dicenettrack");
  guint64 track = 0;

  set_caps (h, "BGRx", W, H);
  for (guint n = 0; n < 6; n++) {
    GstBuffer *out = gst_harness_push_and_pull (h, frame_with_od (h, n, 60 + 4 * n));
    GArray *objects = gst_buffer_get_dicenet_objects (out);
    fail_unless_equals_int (objects->len, 1);
    const GstDicenetObject *dog = &g_array_index (objects, GstDicenetObject, 0);
    GstAnalyticsMtd related;
    if (dog->track_id != 0) {
      fail_unless (track == 0 || dog->track_id == track);
      track = dog->track_id;
      fail_unless (gst_analytics_relation_meta_get_direct_related (
          gst_buffer_get_analytics_relation_meta (out), dog->region_id, GST_ANALYTICS_REL_TYPE_RELATE_TO,
          gst_analytics_tracking_mtd_get_mtd_type (), NULL, &related));
    }
    g_array_unref (objects);
    gst_buffer_unref (out);
  }
  fail_unless (track != 0, "never tracked");
  harness_free (h);
}
GST_END_TEST;
#endif

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  const gchar *element = argc > 1 ? argv[1] : "";
#ifndef HAVE_GST_ANALYTICS
  g_print ("skipped: built without GStreamer's library for analytics, which 1.24 or later has\n");
  return 77;
#endif
  GstElementFactory *factory = gst_element_factory_find (element);
  if (!factory) {
    g_print ("skipped: GStreamer %d.%d has no element '%s' here\n", GST_VERSION_MAJOR, GST_VERSION_MINOR, element);
    return 77;
  }
  gst_object_unref (factory);
  TCase *tests = tcase_create ("interop");
#ifdef HAVE_GST_ANALYTICS
  if (g_str_equal (element, "dicenetoverlay"))
    tcase_add_test (tests, test_dicenetoverlay);
  if (g_str_equal (element, "dicenettrack"))
    tcase_add_test (tests, test_dicenettrack);
#endif
  if (g_str_equal (element, "objectdetectionoverlay"))
    tcase_add_test (tests, test_objectdetectionoverlay);
  if (g_str_equal (element, "segmentationoverlay")) {
    tcase_add_test (tests, test_segmentationoverlay);
    tcase_add_test (tests, test_segmentationoverlay_background);
  }
  if (g_str_equal (element, "ioutracker"))
    tcase_add_test (tests, test_ioutracker);
  return run_tests (argc, argv, element, tests);
}
