/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All formats, odd sizes and padded rows: the result depends on the picture only, and pixels are not modified. */

#include "common.h"

static const gchar *const FORMATS[] = { "RGB",  "BGR",   "RGBx", "BGRx", "xRGB", "xBGR", "RGBA", "BGRA", "ARGB",
                                        "ABGR", "GRAY8", "NV12", "NV21", "I420", "YV12", "YUY2", "UYVY" };
static const gint SIZES[][2] = { { 64, 48 }, { 61, 47 }, { 33, 35 }, { 7, 5 } };

/* Pushes a frame, checks that it is unmodified, and returns its mask. */
static GBytes *
mask_of (GstHarness *h, GstBuffer *frame)
{
  GBytes *before = bytes_of (frame);
  GstBuffer *out = gst_harness_push_and_pull (h, frame);

  fail_unless (out != NULL);
  GBytes *after = bytes_of (out);
  fail_unless (g_bytes_equal (before, after), "pixels were touched");
  GBytes *mask = g_bytes_ref (result_of (out, GST_DICENET_TASK_SEGMENT)->result->mask);
  g_bytes_unref (before);
  g_bytes_unref (after);
  gst_buffer_unref (out);
  return mask;
}

static GBytes *
mask_of_format (GstHarness *h, const gchar *format, gint width, gint height, Layout layout)
{
  set_caps (h, format, width, height);
  GBytes *mask = mask_of (h, frame_new (format, width, height, layout, 1, 0));

  fail_unless_equals_int (g_bytes_get_size (mask), 64 * 48);
  return mask;
}

GST_START_TEST (test_strides)
{
  const gchar *format = FORMATS[__i__];
  GstHarness *h = harness_new ("dicenetsegment", "inference-size=64x48", format, 64, 48);

  for (guint i = 0; i < G_N_ELEMENTS (SIZES); i++) {
    GBytes *tight = mask_of_format (h, format, SIZES[i][0], SIZES[i][1], LAYOUT_TIGHT);
    GBytes *padded = mask_of_format (h, format, SIZES[i][0], SIZES[i][1], LAYOUT_PADDED);

    fail_unless (count_labels (tight) > 1, "%s: a mask of one class would prove nothing", format);
    fail_unless (g_bytes_equal (tight, padded), "%s %dx%d: padding changed the mask", format, SIZES[i][0], SIZES[i][1]);
    g_bytes_unref (tight);
    g_bytes_unref (padded);
  }
  harness_free (h);
}
GST_END_TEST;

/* Formats that hold the same values in a different order. */
static const gchar *const FAMILIES[][11] = {
  { "RGB", "BGR", "RGBx", "BGRx", "xRGB", "xBGR", "RGBA", "BGRA", "ARGB", "ABGR", NULL },
  { "I420", "YV12", "NV12", "NV21", NULL },
  { "YUY2", "UYVY", NULL },
};

GST_START_TEST (test_families)
{
  const gchar *const *family = FAMILIES[__i__];
  GstHarness *h = harness_new ("dicenetsegment", "inference-size=64x48", family[0], 64, 48);

  for (guint i = 0; i < G_N_ELEMENTS (SIZES); i++) {
    GBytes *first = mask_of_format (h, family[0], SIZES[i][0], SIZES[i][1], LAYOUT_TIGHT);
    for (guint f = 1; family[f]; f++) {
      GBytes *other = mask_of_format (h, family[f], SIZES[i][0], SIZES[i][1], LAYOUT_TIGHT);
      fail_unless (g_bytes_equal (first, other), "%s and %s differ at %dx%d", family[0], family[f], SIZES[i][0],
                   SIZES[i][1]);
      g_bytes_unref (other);
    }
    g_bytes_unref (first);
  }
  harness_free (h);
}
GST_END_TEST;

static GBytes *
mask_with_colorimetry (const gchar *colorimetry)
{
  GstHarness *h = harness_new ("dicenetsegment", "inference-size=64x48", "I420", 64, 48);
  gchar *caps =
      g_strdup_printf ("video/x-raw,format=I420,width=64,height=48,framerate=30/1,colorimetry=%s", colorimetry);

  gst_harness_set_src_caps_str (h, caps);
  g_free (caps);
  GBytes *mask = mask_of (h, frame_new ("I420", 64, 48, LAYOUT_TIGHT, 1, 0));
  harness_free (h);
  return mask;
}

/* Matrix and range in the caps are used: the same bytes represent different colours. */
GST_START_TEST (test_colorimetry)
{
  GBytes *bt601 = mask_with_colorimetry ("bt601");
  GBytes *bt709 = mask_with_colorimetry ("bt709");
  GBytes *bt2020 = mask_with_colorimetry ("bt2020");
  GBytes *jpeg = mask_with_colorimetry ("1:4:0:0"); /* full range, BT.601 */

  fail_if (g_bytes_equal (bt601, bt709));
  fail_if (g_bytes_equal (bt601, jpeg));
  fail_unless (g_bytes_equal (bt709, bt2020), "BT.2020 should be read as BT.709");
  g_bytes_unref (bt601);
  g_bytes_unref (bt709);
  g_bytes_unref (bt2020);
  g_bytes_unref (jpeg);
}
GST_END_TEST;

static void
expect_mask_size (const gchar *size, const gchar *caps, guint width, guint height)
{
  gchar *extra = g_strdup_printf ("inference-size=%s", size);
  GstHarness *h = harness_new ("dicenetsegment", extra, "GRAY8", 100, 50);

  gst_harness_set_src_caps_str (h, caps);
  GstBuffer *out = gst_harness_push_and_pull (h, frame_like (h, 0));
  const GstDicenetResult *result = result_of (out, GST_DICENET_TASK_SEGMENT)->result;
  fail_unless (result->mask_width == width && result->mask_height == height,
               "inference-size=%s, %s: expected %ux%u, found %ux%u", size, caps, width, height, result->mask_width,
               result->mask_height);
  gst_buffer_unref (out);
  harness_free (h);
  g_free (extra);
}

/* The model is meant for 64 x 64. */
GST_START_TEST (test_inference_size)
{
  expect_mask_size ("auto", "video/x-raw,format=GRAY8,width=200,height=100,framerate=30/1", 128, 64);
  expect_mask_size ("auto", "video/x-raw,format=GRAY8,width=100,height=200,framerate=30/1", 64, 128);
  /* Pixels twice as wide as high: the picture's aspect ratio is 4. */
  expect_mask_size ("auto", "video/x-raw,format=GRAY8,width=200,height=100,pixel-aspect-ratio=2/1,framerate=30/1", 256,
                    64);
  expect_mask_size ("model", "video/x-raw,format=GRAY8,width=200,height=100,framerate=30/1", 64, 64);
  expect_mask_size ("native", "video/x-raw,format=GRAY8,width=75,height=41,framerate=30/1", 75, 41);
  expect_mask_size ("native", "video/x-raw,format=GRAY8,width=75,height=3,framerate=30/1", 75, 32);
  expect_mask_size ("40x33", "video/x-raw,format=GRAY8,width=75,height=41,framerate=30/1", 40, 33);
}
GST_END_TEST;

/* Like frame_new(), but rows are not aligned. */
static GstBuffer *
odd_frame_new (const GstVideoInfo *info, GstBuffer *tight)
{
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 }, size = 1;
  gint stride[GST_VIDEO_MAX_PLANES] = { 0 };
  GstVideoFrame from, to;

  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++) {
    offset[p] = size;
    stride[p] = GST_VIDEO_INFO_PLANE_STRIDE (info, p) + 5;
    size += (gsize) stride[p] * (gsize) GST_VIDEO_INFO_HEIGHT (info);
  }
  GstBuffer *odd = gst_buffer_new_allocate (NULL, size, NULL);
  gst_buffer_add_video_meta_full (odd, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (info),
                                  (guint) GST_VIDEO_INFO_WIDTH (info), (guint) GST_VIDEO_INFO_HEIGHT (info),
                                  GST_VIDEO_INFO_N_PLANES (info), offset, stride);
  fail_unless (gst_video_frame_map (&from, info, tight, GST_MAP_READ));
  fail_unless (gst_video_frame_map (&to, info, odd, GST_MAP_WRITE));
  fail_unless (gst_video_frame_copy (&to, &from));
  gst_video_frame_unmap (&from);
  gst_video_frame_unmap (&to);
  return odd;
}

/* The pixels without padding, row by row. */
static GBytes *
pixels_of (const GstVideoInfo *info, GstBuffer *buffer)
{
  GByteArray *pixels = g_byte_array_new ();
  GstVideoFrame frame;

  fail_unless (gst_video_frame_map (&frame, info, buffer, GST_MAP_READ));
  for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES (&frame); p++) {
    gint components[GST_VIDEO_MAX_COMPONENTS];
    gst_video_format_info_component (frame.info.finfo, p, components);
    const gint c = components[0];
    const guint bytes = (guint) (GST_VIDEO_FRAME_COMP_WIDTH (&frame, c) * GST_VIDEO_FRAME_COMP_PSTRIDE (&frame, c));
    for (gint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT (&frame, c); y++)
      g_byte_array_append (pixels,
                           (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (&frame, p) +
                               (gssize) y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, p),
                           bytes);
  }
  gst_video_frame_unmap (&frame);
  return g_byte_array_free_to_bytes (pixels);
}

/* GStreamer's blending functions crash on such rows. */
GST_START_TEST (test_drawing_on_odd_rows)
{
  const gchar *format = FORMATS[__i__];
  gchar *model = model_path ("eager");
  gchar *line = g_strdup_printf ("dicenetdetect model=\"%s\" threads=1 overlay=true", model);
  GstHarness *h = harness_for (line);
  GstVideoInfo info;

  set_caps (h, format, 76, 48);
  gst_video_info_set_format (&info, gst_video_format_from_string (format), 76, 48);
  GstBuffer *plain = frame_new (format, 76, 48, LAYOUT_TIGHT, 1, 0);
  GstBuffer *odd = odd_frame_new (&info, plain);
  GBytes *before = pixels_of (&info, plain);
  plain = gst_harness_push_and_pull (h, plain);
  odd = gst_harness_push_and_pull (h, odd);
  fail_unless (plain && odd);
  GBytes *after = pixels_of (&info, plain), *odd_after = pixels_of (&info, odd);

  fail_if (g_bytes_equal (before, after), "%s: nothing was drawn, which proves nothing", format);
  fail_unless (g_bytes_equal (after, odd_after), "%s: the rows changed the drawing", format);
  g_bytes_unref (before);
  g_bytes_unref (after);
  g_bytes_unref (odd_after);
  gst_buffer_unref (plain);
  gst_buffer_unref (odd);
  harness_free (h);
  g_free (line);
  g_free (model);
}
GST_END_TEST;

GST_START_TEST (test_plugin)
{
  GstPlugin *plugin = gst_registry_find_plugin (gst_registry_get (), "dicenet");

  fail_unless (plugin != NULL, "no plugin: is GST_PLUGIN_PATH set?");
  fail_unless_equals_string (gst_plugin_get_version (plugin), g_getenv ("DICENET_TEST_VERSION"));
  fail_unless_equals_string (gst_plugin_get_source (plugin), "dicenet");
  fail_unless_equals_string (gst_plugin_get_package (plugin), g_getenv ("DICENET_TEST_PACKAGE"));
  fail_unless_equals_string (gst_plugin_get_origin (plugin), g_getenv ("DICENET_TEST_ORIGIN"));
  gst_object_unref (plugin);
}
GST_END_TEST;

int
main (int argc, char **argv)
{
  TCase *tests = tcase_create ("formats");

  tcase_add_loop_test (tests, test_strides, 0, G_N_ELEMENTS (FORMATS));
  tcase_add_loop_test (tests, test_families, 0, G_N_ELEMENTS (FAMILIES));
  tcase_add_test (tests, test_colorimetry);
  tcase_add_test (tests, test_inference_size);
  tcase_add_loop_test (tests, test_drawing_on_odd_rows, 0, G_N_ELEMENTS (FORMATS));
  tcase_add_test (tests, test_plugin);
  return run_tests (argc, argv, "formats", tests);
}
