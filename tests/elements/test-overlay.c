/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Drawing: attached if downstream draws compositions, otherwise blended, an error if neither is possible. */

#include "common.h"

#define FEATURE      GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION
#define WITH_FEATURE "video/x-raw(" GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY "," FEATURE ")"

static void
downstream_composes (GstHarness *h)
{
  gst_harness_add_propose_allocation_meta (h, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
}

static GstVideoOverlayComposition *
composition_of (GstBuffer *buffer)
{
  GstMeta *meta = gst_buffer_get_meta (buffer, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE);

  return meta ? ((GstVideoOverlayCompositionMeta *) meta)->overlay : NULL;
}

static gboolean
output_has_feature (GstHarness *h)
{
  GstCaps *caps = gst_pad_get_current_caps (h->sinkpad);
  gboolean has = gst_caps_features_contains (gst_caps_get_features (caps, 0), FEATURE);

  gst_caps_unref (caps);
  return has;
}

/* Pushes a frame whose memory has another reference; returns whether the pixels of the output were modified. */
static GstBuffer *
push_shared (GstHarness *h, guint index, gboolean *drawn)
{
  GstBuffer *in = frame_like (h, index);
  GBytes *before = bytes_of (in);
  GstBuffer *out = gst_harness_push_and_pull (h, gst_buffer_ref (in));

  fail_unless (out != NULL);
  GBytes *held = bytes_of (in), *after = bytes_of (out);
  fail_unless (g_bytes_equal (before, held), "another holder's pixels were changed");
  *drawn = !g_bytes_equal (before, after);
  g_bytes_unref (before);
  g_bytes_unref (held);
  g_bytes_unref (after);
  gst_buffer_unref (in);
  return out;
}

static void
expect_drawing (GstHarness *h, guint index, gboolean attached, gboolean blended)
{
  gboolean drawn;
  GstBuffer *out = push_shared (h, index, &drawn);

  fail_unless_equals_int (composition_of (out) != NULL, attached);
  fail_unless_equals_int (drawn, blended);
  fail_unless_equals_int (output_has_feature (h), attached);
  gst_buffer_unref (out);
}

static const gchar *const FORMATS[] = { "RGB",  "BGR",   "RGBx", "BGRx", "xRGB", "xBGR", "RGBA", "BGRA", "ARGB",
                                        "ABGR", "GRAY8", "NV12", "NV21", "I420", "YV12", "YUY2", "UYVY" };

GST_START_TEST (test_blend)
{
  GstHarness *h = harness_new ("dicenetsegment", "overlay=true", FORMATS[__i__], 99, 65);

  expect_drawing (h, 0, FALSE, TRUE);
  expect_drawing (h, 1, FALSE, TRUE);
  harness_free (h);
}
GST_END_TEST;

/* Compositions can be attached to all formats, and pixels are not modified. */
GST_START_TEST (test_attach)
{
  GstHarness *h = harness_new ("dicenetsegment", "overlay=true", FORMATS[__i__], 99, 65);

  downstream_composes (h);
  expect_drawing (h, 0, TRUE, FALSE);
  expect_drawing (h, 1, TRUE, FALSE);
  harness_free (h);
}
GST_END_TEST;

/* Downstream accepts only caps without the feature, whatever it answers to the ALLOCATION query. */
GST_START_TEST (test_plain_caps_only)
{
  GstHarness *h = harness_new ("dicenetsegment", "overlay=true", "RGB", 64, 48);

  gst_harness_set_sink_caps_str (h, "video/x-raw");
  downstream_composes (h);
  expect_drawing (h, 0, FALSE, TRUE);
  harness_free (h);
}
GST_END_TEST;

/* Downstream accepts only caps with the feature: attach even if the ALLOCATION query fails. */
GST_START_TEST (test_feature_caps_only)
{
  GstHarness *h = harness_new ("dicenetsegment", "overlay=true", "RGB", 64, 48);

  gst_harness_set_sink_caps_str (h, WITH_FEATURE);
  expect_drawing (h, 0, TRUE, FALSE);
  expect_drawing (h, 1, TRUE, FALSE);
  harness_free (h);
}
GST_END_TEST;

GST_START_TEST (test_switch_while_playing)
{
  GstHarness *h = harness_new ("dicenetdetect", "threshold=0", "RGB", 64, 48);

  downstream_composes (h);
  expect_drawing (h, 0, FALSE, FALSE);
  g_object_set (h->element, "overlay", TRUE, NULL);
  expect_drawing (h, 1, TRUE, FALSE);
  g_object_set (h->element, "overlay", FALSE, NULL);
  expect_drawing (h, 2, FALSE, FALSE);
  harness_free (h);
}
GST_END_TEST;

/* During the stream, downstream is replaced by an element that does not draw compositions. */
GST_START_TEST (test_reconfigure)
{
  GstHarness *h = harness_new ("dicenetdetect", "threshold=0 overlay=true", "RGB", 64, 48);

  downstream_composes (h);
  expect_drawing (h, 0, TRUE, FALSE);
  gst_harness_set_sink_caps_str (h, "video/x-raw");
  expect_drawing (h, 1, FALSE, TRUE);
  gst_harness_set_sink_caps_str (h, WITH_FEATURE);
  expect_drawing (h, 2, TRUE, FALSE);
  harness_free (h);
}
GST_END_TEST;

static GstVideoOverlayComposition *
foreign_composition (void)
{
  GstBuffer *pixels = gst_buffer_new_allocate (NULL, 8 * 8 * 4, NULL);

  gst_buffer_memset (pixels, 0, 0xff, 8 * 8 * 4);
  gst_buffer_add_video_meta (pixels, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, 8, 8);
  GstVideoOverlayRectangle *rectangle =
      gst_video_overlay_rectangle_new_raw (pixels, 3, 4, 8, 8, GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
  GstVideoOverlayComposition *composition = gst_video_overlay_composition_new (rectangle);
  gst_video_overlay_rectangle_unref (rectangle);
  gst_buffer_unref (pixels);
  return composition;
}

/* A composition that an element upstream attached stays, below ours. */
GST_START_TEST (test_upsample_add)
{
  GstHarness *h = harness_new ("dicenetsegment", "overlay=true", "RGB", 64, 48);
  GstVideoOverlayComposition *foreign = foreign_composition ();

  downstream_composes (h);
  gst_harness_set_src_caps_str (h, WITH_FEATURE ",format=RGB,width=64,height=48,framerate=30/1");
  GstBuffer *in = frame_like (h, 0);
  gst_buffer_add_video_overlay_composition_meta (in, foreign);
  GstBuffer *out = gst_harness_push_and_pull (h, in);
  fail_unless_equals_int (count_metas (out, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE), 1);
  GstVideoOverlayComposition *merged = composition_of (out);
  fail_unless (gst_video_overlay_composition_n_rectangles (merged) > 1);
  fail_unless (gst_video_overlay_composition_get_rectangle (merged, 0) ==
               gst_video_overlay_composition_get_rectangle (foreign, 0));
  fail_unless_equals_int (gst_video_overlay_composition_n_rectangles (foreign), 1);
  gst_buffer_unref (out);
  gst_video_overlay_composition_unref (foreign);
  harness_free (h);
}
GST_END_TEST;

/* --- dicenetoverlay --- */

static GstHarness *
overlay_harness_new (const gchar *before)
{
  gchar *line = before ? g_strconcat (before, " ! dicenetoverlay", NULL) : g_strdup ("dicenetoverlay");
  GstHarness *h = harness_for (line);

  set_caps (h, "RGB", 64, 48);
  g_free (line);
  return h;
}

GST_START_TEST (test_overlay_element)
{
  gchar *segment = launch_line ("dicenetsegment", NULL);
  GstHarness *h = overlay_harness_new (segment);

  expect_drawing (h, 0, FALSE, TRUE);
  harness_free (h);
  h = overlay_harness_new (segment);
  downstream_composes (h);
  expect_drawing (h, 0, TRUE, FALSE);
  harness_free (h);
  g_free (segment);
}
GST_END_TEST;

static GBytes *
drawn_with_opacity (const gchar *before, gdouble opacity)
{
  gchar *line = g_strdup_printf ("%s ! dicenetoverlay opacity=%f", before, opacity);
  GstHarness *h = harness_for (line);

  set_caps (h, "RGB", 64, 48);
  GstBuffer *out = gst_harness_push_and_pull (h, frame_like (h, 0));
  GBytes *bytes = bytes_of (out);
  gst_buffer_unref (out);
  harness_free (h);
  g_free (line);
  return bytes;
}

GST_START_TEST (test_overlay_opacity)
{
  gchar *segment = launch_line ("dicenetsegment", NULL);
  GBytes *weak = drawn_with_opacity (segment, 0.1), *strong = drawn_with_opacity (segment, 0.9);

  fail_if (g_bytes_equal (weak, strong));
  g_bytes_unref (weak);
  g_bytes_unref (strong);
  g_free (segment);
}
GST_END_TEST;

/* Frames without results pass unmodified, without a copy. */
GST_START_TEST (test_overlay_without_results)
{
  GstHarness *h = overlay_harness_new (NULL);
  GstBuffer *in = frame_like (h, 0);
  GstMemory *memory = gst_buffer_peek_memory (in, 0);
  GstBuffer *out = gst_harness_push_and_pull (h, in);

  fail_unless (gst_buffer_peek_memory (out, 0) == memory);
  fail_unless (composition_of (out) == NULL);
  gst_buffer_unref (out);
  harness_free (h);
}
GST_END_TEST;

/* Memory that can't be blended to: attach if possible, otherwise an error that says what to do. */
GST_START_TEST (test_overlay_foreign_memory)
{
  const gchar *caps = "video/x-raw(memory:Elsewhere),format=RGB,width=64,height=48,framerate=30/1";
  GstHarness *h = overlay_harness_new (NULL);

  gst_harness_set_src_caps_str (h, caps);
  GstBuffer *out = gst_harness_push_and_pull (h, frame_like (h, 0));
  fail_unless (out && output_has_feature (h));
  gst_buffer_unref (out);
  harness_free (h);

  h = overlay_harness_new (NULL);
  gst_harness_set_sink_caps_str (h, "video/x-raw(memory:Elsewhere)");
  gst_harness_set_src_caps_str (h, caps);
  fail_unless_equals_int (gst_harness_push (h, frame_new ("RGB", 64, 48, LAYOUT_TIGHT, 1, 0)), GST_FLOW_NOT_NEGOTIATED);
  expect_message (bus_of (h), GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "Can't draw",
                  "videoconvert");
  harness_free (h);
}
GST_END_TEST;

static guint
count_rectangles (const gchar *line)
{
  GstHarness *h = harness_for (line);

  downstream_composes (h);
  set_caps (h, "I420", 64, 48);
  GstBuffer *out = gst_harness_push_and_pull (h, frame_like (h, 0));
  fail_unless_equals_int (count_metas (out, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE), 1);
  fail_unless (output_has_feature (h));
  guint n = gst_video_overlay_composition_n_rectangles (composition_of (out));
  gst_buffer_unref (out);
  harness_free (h);
  return n;
}

/* Two elements that draw, in sequence: each draws its own results, and nothing is drawn twice. */
GST_START_TEST (test_two_in_a_row)
{
  gchar *segment = launch_line ("dicenetsegment", "overlay=true");
  gchar *detect = launch_line ("dicenetdetect", "overlay=true threshold=0.1");
  gchar *both = g_strdup_printf ("%s ! %s", segment, detect);

  fail_unless_equals_int (count_rectangles (both), count_rectangles (segment) + count_rectangles (detect));
  g_free (both);
  g_free (segment);
  g_free (detect);
}
GST_END_TEST;

/* A frame cropped by GstVideoCropMeta keeps all results: they are drawn at their positions in the visible part. */
GST_START_TEST (test_overlay_of_crop)
{
  GstHarness *h = harness_for ("dicenetoverlay");
  GstBuffer *in = gst_buffer_new_allocate (NULL, 640 * 480 * 4, NULL);
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "m", NULL, -1);
  const GstDicenetDetection box = { .label_id = 1, .confidence = 0.9, .x = 200, .y = 160, .w = 240, .h = 200 };
  gint x, y;
  guint width, height;

  set_caps (h, "BGRx", 320, 240);
  downstream_composes (h);
  gst_buffer_add_dicenet_meta_from_array (in, result, 640, 480, &box, 1, 0);
  gst_dicenet_result_unref (result);
  gst_buffer_add_video_crop_meta (in);
  GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta (in);
  crop->x = 100;
  crop->y = 60;
  crop->width = 320;
  crop->height = 240;
  GstBuffer *out = gst_harness_push_and_pull (h, in);
  GstVideoOverlayComposition *composition = composition_of (out);
  fail_unless (composition != NULL, "nothing was drawn");
  gst_video_overlay_rectangle_get_render_rectangle (gst_video_overlay_composition_get_rectangle (composition, 0), &x,
                                                    &y, &width, &height);
  fail_unless_equals_int (x, 100);
  fail_unless_equals_int (y, 100);
  fail_unless_equals_int (width, 220);
  gst_buffer_unref (out);
  harness_free (h);
}
GST_END_TEST;

/* Boxes of other elements are drawn, and ours once, although a region describes them, too. */
GST_START_TEST (test_overlay_of_others)
{
  const guint of_a_box = 5; /* edges and label */
  GstHarness *h = harness_for ("dicenetoverlay");
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "m", NULL, -1);
  const GstDicenetDetection box = { .label_id = 1, .confidence = 0.9, .x = 200, .y = 160, .w = 100, .h = 60 };

  set_caps (h, "BGRx", 640, 480);
  downstream_composes (h);
  for (guint n = 0; n < 4; n++) {
    GstBuffer *in = gst_buffer_new_allocate (NULL, 640 * 480 * 4, NULL);
    if (n > 0)
      gst_buffer_add_dicenet_meta_from_array (in, result, 640, 480, &box, 1, 0);
    for (guint i = 1; i < n; i++)
      gst_buffer_add_video_region_of_interest_meta (in, i == 1 ? "dog" : "cat", 200 * i, 300, 100, 100);
    gst_buffer_add_video_region_of_interest_meta (in, "outside", 640, 0, 10, 10);
    GstBuffer *out = gst_harness_push_and_pull (h, in);
    GstVideoOverlayComposition *composition = composition_of (out);
    fail_unless_equals_int (composition ? gst_video_overlay_composition_n_rectangles (composition) : 0, n * of_a_box);
    gst_buffer_unref (out);
  }
  gst_dicenet_result_unref (result);
  harness_free (h);
}
GST_END_TEST;

/* A second of frames, ten of them. */
static void
push_second (GstHarness *h, guint first)
{
  for (guint i = 0; i < 10; i++) {
    gst_buffer_unref (gst_harness_push_and_pull (h, frame_like (h, first + i)));
    g_usleep (G_USEC_PER_SEC / 9);
  }
}

static guint
n_drawn (GstHarness *h, guint index)
{
  gboolean drawn;
  GstBuffer *out = push_shared (h, index, &drawn);
  GstVideoOverlayComposition *composition = composition_of (out);
  const guint n = composition ? gst_video_overlay_composition_n_rectangles (composition) : 0;

  gst_buffer_unref (out);
  return n;
}

/* Not until a second has passed, not after it was switched off, and counted anew after a stop. The first is drawn by an
 * inference element with its results, the second by the overlay on frames without any. */
GST_START_TEST (test_show_fps)
{
  GstHarness *h =
      __i__ == 0 ? harness_new ("dicenetclassify", "overlay=true", "RGB", 320, 240) : overlay_harness_new (NULL);
  gboolean shows;

  g_object_get (h->element, "show-fps", &shows, NULL);
  fail_if (shows);
  downstream_composes (h);
  const guint without = n_drawn (h, 0);
  push_second (h, 1);
  fail_unless_equals_int (n_drawn (h, 11), without);
  g_object_set (h->element, "show-fps", TRUE, NULL);
  fail_unless_equals_int (n_drawn (h, 12), without);
  push_second (h, 13);
  fail_unless_equals_int (n_drawn (h, 23), without + 1);
  g_object_set (h->element, "show-fps", FALSE, NULL);
  fail_unless_equals_int (n_drawn (h, 24), without);
  harness_free (h);
}
GST_END_TEST;

int
main (int argc, char **argv)
{
  TCase *tests = tcase_create ("overlay");

  tcase_add_loop_test (tests, test_blend, 0, G_N_ELEMENTS (FORMATS));
  tcase_add_loop_test (tests, test_attach, 0, G_N_ELEMENTS (FORMATS));
  tcase_add_test (tests, test_plain_caps_only);
  tcase_add_test (tests, test_feature_caps_only);
  tcase_add_test (tests, test_switch_while_playing);
  tcase_add_test (tests, test_reconfigure);
  tcase_add_test (tests, test_upsample_add);
  tcase_add_test (tests, test_overlay_element);
  tcase_add_test (tests, test_overlay_opacity);
  tcase_add_test (tests, test_overlay_without_results);
  tcase_add_test (tests, test_overlay_foreign_memory);
  tcase_add_test (tests, test_overlay_of_crop);
  tcase_add_test (tests, test_overlay_of_others);
  tcase_add_test (tests, test_two_in_a_row);
  tcase_add_loop_test (tests, test_show_fps, 0, 2);
  return run_tests (argc, argv, "overlay", tests);
}
