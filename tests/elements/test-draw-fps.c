/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Frames and inferences per second: how they are counted, and where they are drawn. */

#include <gst/check/gstcheck.h>
#include <gst/dicenet/gstdicenetmeta.h>
#include "overlay/gstdicenetdrawfps.h"
#include "video/gstdicenetrate.h"

#define SECOND G_USEC_PER_SEC
#define START  (G_GINT64_CONSTANT (12345) * SECOND) /* any time */

static void
expect_rate (gdouble found, gdouble expected)
{
  fail_unless (ABS (found - expected) < 1e-3, "expected %g, found %g", expected, found);
}

GST_START_TEST (test_rate)
{
  GstDicenetRate rate = { 0 };

  expect_rate (gst_dicenet_rate_get (&rate, START), 0);
  for (gint i = 0; i <= 25; i++)
    gst_dicenet_rate_add (&rate, START + i * SECOND / 25);
  expect_rate (gst_dicenet_rate_get (&rate, START + SECOND), 25);
  /* It changes after each second. */
  for (gint i = 1; i <= 10; i++) {
    expect_rate (gst_dicenet_rate_get (&rate, START + SECOND + i * SECOND / 10 - 1), 25);
    gst_dicenet_rate_add (&rate, START + SECOND + i * SECOND / 10);
  }
  expect_rate (gst_dicenet_rate_get (&rate, START + 2 * SECOND), 10);
  /* It ends where nothing happens any more. */
  expect_rate (gst_dicenet_rate_get (&rate, START + 4 * SECOND), 10);
  expect_rate (gst_dicenet_rate_get (&rate, START + 5 * SECOND), 0);
}
GST_END_TEST;

/* Every five seconds: neither none nor many. */
GST_START_TEST (test_slow_rate)
{
  GstDicenetRate rate = { 0 };

  for (gint i = 0; i < 3; i++)
    gst_dicenet_rate_add (&rate, START + i * 5 * SECOND);
  expect_rate (gst_dicenet_rate_get (&rate, START + 10 * SECOND), 0.2);
  expect_rate (gst_dicenet_rate_get (&rate, START + 19 * SECOND), 0.2);
  expect_rate (gst_dicenet_rate_get (&rate, START + 30 * SECOND), 0);
}
GST_END_TEST;

/* One that just began does not divide by nothing. */
GST_START_TEST (test_first_events)
{
  GstDicenetRate rate = { 0 };

  for (gint i = 0; i < 4; i++)
    gst_dicenet_rate_add (&rate, START);
  expect_rate (gst_dicenet_rate_get (&rate, START), 0);
  expect_rate (gst_dicenet_rate_get (&rate, START + SECOND / 2), 6);
}
GST_END_TEST;

static GstVideoOverlayComposition *
show (GstDicenetFpsRenderer *renderer, guint age, gint64 now)
{
  static const gchar *const labels[] = { "background", "car", NULL };
  GstVideoInfo info;
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "made", labels, 0);
  GstBuffer *buffer = gst_buffer_new ();
  const GstDicenetMeta *meta = gst_buffer_add_dicenet_meta (
      buffer, result, 320, 240, g_array_new (FALSE, FALSE, sizeof (GstDicenetDetection)), age);

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_BGRx, 320, 240);
  gst_dicenet_fps_renderer_count (renderer, &meta, 1, now);
  GstVideoOverlayComposition *composition = gst_dicenet_fps_renderer_compose (renderer, &info, NULL, now);
  fail_unless (gst_dicenet_fps_renderer_get_problem (renderer) == NULL);
  gst_buffer_unref (buffer);
  gst_dicenet_result_unref (result);
  return composition;
}

static GstBuffer *
pixels_of (GstVideoOverlayComposition *composition)
{
  GstVideoOverlayRectangle *rectangle = gst_video_overlay_composition_get_rectangle (composition, 0);
  gint x, y;
  guint w, h;

  fail_unless_equals_int (gst_video_overlay_composition_n_rectangles (composition), 1);
  gst_video_overlay_rectangle_get_render_rectangle (rectangle, &x, &y, &w, &h);
  fail_unless (x >= 0 && x < 20 && x + (gint) w <= 320, "x %d, width %u", x, w);
  fail_unless (y > 120 && y + (gint) h <= 240 && y + (gint) h > 220, "y %d, height %u", y, h);
  return gst_video_overlay_rectangle_get_pixels_unscaled_raw (rectangle,
                                                              GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
}

/* Ten frames per second with a new result on each @interval-th: the picture of the numbers. */
static GstVideoOverlayComposition *
show_seconds (GstDicenetFpsRenderer *renderer, guint interval, guint latency)
{
  GstVideoOverlayComposition *composition = NULL;

  for (guint i = 0; i <= 30; i++) {
    g_clear_pointer (&composition, gst_video_overlay_composition_unref);
    composition = show (renderer, i % interval + latency, START + i * SECOND / 10);
    fail_unless_equals_int (composition != NULL, i >= 10); /* nothing is known in the first second */
  }
  return composition;
}

/* What is drawn for each pair of rates is another picture, in the same corner; the age of results does not matter. */
GST_START_TEST (test_drawing)
{
  const struct {
    guint interval, latency;
  } cases[] = { { 1, 0 }, { 1, 3 }, { 5, 0 } };
  GstDicenetFpsRenderer *renderers[3];
  GstVideoOverlayComposition *compositions[3];
  GBytes *bytes[3];

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstMapInfo map;
    renderers[i] = gst_dicenet_fps_renderer_new ();
    compositions[i] = show_seconds (renderers[i], cases[i].interval, cases[i].latency);
    GstBuffer *pixels = pixels_of (compositions[i]);
    fail_unless (gst_buffer_map (pixels, &map, GST_MAP_READ));
    bytes[i] = g_bytes_new (map.data, map.size);
    gst_buffer_unmap (pixels, &map);
  }
  fail_unless (g_bytes_equal (bytes[0], bytes[1]));
  fail_if (g_bytes_equal (bytes[0], bytes[2]));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_bytes_unref (bytes[i]);
    gst_video_overlay_composition_unref (compositions[i]);
    gst_dicenet_fps_renderer_free (renderers[i]);
  }
}
GST_END_TEST;

static Suite *
draw_fps_suite (void)
{
  Suite *suite = suite_create ("draw-fps");
  TCase *tests = tcase_create ("draw-fps");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, test_rate);
  tcase_add_test (tests, test_slow_rate);
  tcase_add_test (tests, test_first_events);
  tcase_add_test (tests, test_drawing);
  return suite;
}

GST_CHECK_MAIN (draw_fps)
