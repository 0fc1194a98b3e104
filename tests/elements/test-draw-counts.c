/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How lines, zones and their counts are drawn. */

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/dicenet/gstdicenetcountmeta.h>
#include <string.h>
#include "overlay/gstdicenetdrawcounts.h"
#include "overlay/gstdicenettext.h"

#define GRAY 0x606060

static const GstDicenetCountPoint down[] = { { 0.5, 0.1 }, { 0.5, 0.9 } };
static const GstDicenetCountPoint square[] = { { 0.1, 0.5 }, { 0.3, 0.5 }, { 0.3, 0.8 }, { 0.1, 0.8 } };

static GstBuffer *
frame_new (GstVideoInfo *info, guint width, guint height)
{
  GstMapInfo map;

  gst_video_info_set_format (info, GST_VIDEO_FORMAT_BGRx, width, height);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (info), NULL);
  gst_buffer_memset (buffer, 0, 0x60, GST_VIDEO_INFO_SIZE (info));
  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gsize i = 3; i < map.size; i += 4) /* which the blender takes for alpha */
    map.data[i] = 255;
  gst_buffer_unmap (buffer, &map);
  return buffer;
}

static void
add_shapes (GstBuffer *buffer, const GstVideoInfo *info, guint64 forward)
{
  const GstDicenetCountShape shapes[] = {
    { .name = "door", .n_points = 2, .points = down, .total.forward = forward },
    { .name = "till", .is_zone = TRUE, .n_points = 4, .points = square, .total.inside = 3 },
  };

  gst_buffer_add_dicenet_count_meta (buffer, (guint) info->width, (guint) info->height, shapes, 2, NULL, 0, NULL, 0);
}

static GstVideoOverlayComposition *
compose (GstDicenetCountRenderer *renderer, GstBuffer *buffer, const GstVideoInfo *info)
{
  g_autoptr (GPtrArray) metas = gst_buffer_get_dicenet_count_metas (buffer);

  return gst_dicenet_count_renderer_compose (renderer, metas, info, NULL);
}

static void
blend (GstVideoOverlayComposition *composition, GstBuffer *buffer, const GstVideoInfo *info)
{
  GstVideoFrame frame;

  fail_unless (gst_video_frame_map (&frame, info, buffer, GST_MAP_READWRITE));
  fail_unless (gst_video_overlay_composition_blend (composition, &frame));
  gst_video_frame_unmap (&frame);
}

static guint32
pixel_at (GstBuffer *buffer, const GstVideoInfo *info, gdouble x, gdouble y)
{
  guint8 bgr[3];
  const gsize offset = ((gsize) (y * info->height) * (gsize) info->width + (gsize) (x * info->width)) * 4;

  gst_buffer_extract (buffer, offset, bgr, 3);
  return (guint32) (bgr[2] << 16 | bgr[1] << 8 | bgr[0]);
}

GST_START_TEST (test_places)
{
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, 1000, 1000);
  GstDicenetCountRenderer *renderer = gst_dicenet_count_renderer_new ();
  const guint32 red = gst_dicenet_class_color (0), green = gst_dicenet_class_color (1);

  add_shapes (buffer, &info, 12);
  GstVideoOverlayComposition *composition = compose (renderer, buffer, &info);
  blend (composition, buffer, &info);
  fail_unless (gst_dicenet_count_renderer_get_problem (renderer) == NULL);
  for (gdouble y = 0.11; y < 0.9; y += 0.01)
    fail_unless_equals_int_hex (pixel_at (buffer, &info, 0.5, y), red);
  /* The line leads down, so forward is to the left; the arrow is 1.6 times the font of 25 pixels long. */
  fail_unless_equals_int_hex (pixel_at (buffer, &info, 0.47, 0.5), red);
  fail_unless_equals_int_hex (pixel_at (buffer, &info, 0.45, 0.5), GRAY);
  fail_unless (pixel_at (buffer, &info, 0.53, 0.5) != GRAY); /* the text is on the other side */
  for (gdouble x = 0.11; x < 0.3; x += 0.01) {
    fail_unless_equals_int_hex (pixel_at (buffer, &info, x, 0.5), green);
    fail_unless_equals_int_hex (pixel_at (buffer, &info, x, 0.8), green);
  }
  fail_unless_equals_int_hex (pixel_at (buffer, &info, 0.2, 0.6), GRAY); /* not filled */
  fail_unless_equals_int_hex (pixel_at (buffer, &info, 0.9, 0.2), GRAY);
  gst_video_overlay_composition_unref (composition);
  gst_dicenet_count_renderer_free (renderer);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

/* Shapes that did not change are the same rectangles, which sinks have cached; only texts are new. */
GST_START_TEST (test_reuse)
{
  GstVideoInfo info;
  GstDicenetCountRenderer *renderer = gst_dicenet_count_renderer_new ();
  GstVideoOverlayComposition *compositions[2];

  for (guint i = 0; i < 2; i++) {
    GstBuffer *buffer = frame_new (&info, 640, 480);
    add_shapes (buffer, &info, i);
    compositions[i] = compose (renderer, buffer, &info);
    gst_buffer_unref (buffer);
  }
  guint n = gst_video_overlay_composition_n_rectangles (compositions[0]), n_same = 0;
  fail_unless (n > 5 && n < 60, "%u rectangles", n);
  fail_unless_equals_int (gst_video_overlay_composition_n_rectangles (compositions[1]), n);
  for (guint i = 0; i < n; i++)
    n_same += gst_video_overlay_composition_get_rectangle (compositions[0], i) ==
              gst_video_overlay_composition_get_rectangle (compositions[1], i);
  fail_unless_equals_int (n_same, n - 2);
  gst_video_overlay_composition_unref (compositions[0]);
  gst_video_overlay_composition_unref (compositions[1]);
  gst_dicenet_count_renderer_free (renderer);
}
GST_END_TEST;

GST_START_TEST (test_sizes)
{
  static const guint sizes[][2] = { { 1, 1 }, { 1, 300 }, { 16, 16 }, { 161, 121 }, { 3840, 2160 }, { 32767, 8 } };
  GstDicenetCountRenderer *renderer = gst_dicenet_count_renderer_new ();

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    GstVideoInfo info;
    GstBuffer *buffer = frame_new (&info, sizes[i][0], sizes[i][1]);
    add_shapes (buffer, &info, G_MAXUINT64);
    GstVideoOverlayComposition *composition = compose (renderer, buffer, &info);
    fail_unless (gst_video_overlay_composition_n_rectangles (composition) < 1100);
    blend (composition, buffer, &info);
    gst_video_overlay_composition_unref (composition);
    gst_buffer_unref (buffer);
  }
  gst_dicenet_count_renderer_free (renderer);
}
GST_END_TEST;

/* Shapes that a crop left far outside, and as many as there may be. */
GST_START_TEST (test_extreme_shapes)
{
  static const gdouble places[] = { -1e12, -33000, -1, 0, 0.5, 1, 33000, 1e12 };
  const guint n_places = G_N_ELEMENTS (places);
  GstDicenetCountRenderer *renderer = gst_dicenet_count_renderer_new ();
  GstDicenetCountShape shapes[128];
  GstDicenetCountPoint points[128][3];
  GRand *rand = g_rand_new_with_seed (1);

  for (guint round = 0; round < 30; round++) {
    GstVideoInfo info;
    GstBuffer *buffer = frame_new (&info, 320, 240);
    for (guint i = 0; i < 128; i++) {
      for (guint j = 0; j < 3; j++)
        points[i][j] = (GstDicenetCountPoint){ places[g_rand_int_range (rand, 0, (gint32) n_places)],
                                               places[g_rand_int_range (rand, 0, (gint32) n_places)] };
      shapes[i] =
          (GstDicenetCountShape){ .name = "a shape", .is_zone = i % 2, .n_points = i % 2 ? 3 : 2, .points = points[i] };
    }
    gst_buffer_add_dicenet_count_meta (buffer, 320, 240, shapes, 128, NULL, 0, NULL, 0);
    GstVideoOverlayComposition *composition = compose (renderer, buffer, &info);
    blend (composition, buffer, &info);
    gst_video_overlay_composition_unref (composition);
    gst_buffer_unref (buffer);
  }
  gst_dicenet_count_renderer_free (renderer);
  g_rand_free (rand);
}
GST_END_TEST;

/* Counts are drawn over the results, which stay. */
GST_START_TEST (test_with_results)
{
  GstVideoInfo info;
  GstBuffer *buffer = frame_new (&info, 320, 240);
  guint32 *pixels;
  GstBuffer *pixel = gst_dicenet_pixels_new (1, 1, &pixels);
  GstDicenetCountRenderer *renderer = gst_dicenet_count_renderer_new ();
  GPtrArray *none = g_ptr_array_new ();

  *pixels = 0xffffffff;
  GstVideoOverlayRectangle *rectangle =
      gst_video_overlay_rectangle_new_raw (pixel, 300, 10, 1, 1, GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
  GstVideoOverlayComposition *results = gst_video_overlay_composition_new (rectangle);
  fail_unless (gst_dicenet_count_renderer_compose (renderer, none, &info, results) == results);
  add_shapes (buffer, &info, 1);
  g_autoptr (GPtrArray) metas = gst_buffer_get_dicenet_count_metas (buffer);
  GstVideoOverlayComposition *all = gst_dicenet_count_renderer_compose (renderer, metas, &info, results);
  blend (all, buffer, &info);
  fail_unless_equals_int_hex (pixel_at (buffer, &info, 300.5 / 320, 10.5 / 240), 0xffffff);
  fail_unless_equals_int_hex (pixel_at (buffer, &info, 0.5, 0.3), gst_dicenet_class_color (0));
  gst_video_overlay_composition_unref (all);
  gst_video_overlay_rectangle_unref (rectangle);
  gst_buffer_unref (pixel);
  gst_buffer_unref (buffer);
  g_ptr_array_unref (none);
  gst_dicenet_count_renderer_free (renderer);
}
GST_END_TEST;

GST_START_TEST (test_element)
{
  GstVideoInfo info;
  GstHarness *h = gst_harness_new_parse ("dicenetcount lines=door:0.5,0.1,0.5,0.9 ! dicenetoverlay");
  GstBuffer *buffer = frame_new (&info, 320, 240);

  gst_harness_set_src_caps_str (h, "video/x-raw,format=BGRx,width=320,height=240,framerate=30/1");
  GstBuffer *out = gst_harness_push_and_pull (h, buffer);
  fail_unless (out != NULL);
  fail_unless_equals_int_hex (pixel_at (out, &info, 0.5, 0.3), gst_dicenet_class_color (0));
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}
GST_END_TEST;

static Suite *
draw_counts_suite (void)
{
  Suite *suite = suite_create ("draw-counts");
  TCase *tests = tcase_create ("draw-counts");

  suite_add_tcase (suite, tests);
  tcase_set_timeout (tests, 180);
  tcase_add_test (tests, test_places);
  tcase_add_test (tests, test_reuse);
  tcase_add_test (tests, test_sizes);
  tcase_add_test (tests, test_extreme_shapes);
  tcase_add_test (tests, test_with_results);
  tcase_add_test (tests, test_element);
  return suite;
}

GST_CHECK_MAIN (draw_counts)
