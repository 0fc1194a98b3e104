/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Unusual frames that streams may have: aspect ratios, frame rates, views, fields, strides and alpha of all kinds. */

#include "common.h"

#include <math.h>

/* All elements in sequence, including those that draw. */
static GstHarness *
chain_new (const gchar *rest, const gchar *caps)
{
  gchar *classify = launch_line ("dicenetclassify", NULL), *segment = launch_line ("dicenetsegment", NULL);
  gchar *model = model_path ("eager");
  gchar *line = g_strdup_printf ("%s ! %s ! dicenetdetect model=\"%s\" threads=1 ! %s", classify, segment, model, rest);
  GstHarness *h = harness_for (line);

  gst_harness_set_src_caps_str (h, caps);
  g_free (line);
  g_free (classify);
  g_free (segment);
  g_free (model);
  return h;
}

/* Checks the three results: all numbers are finite, and the inference size is bounded. */
static void
check_results (GstBuffer *out, const gchar *what)
{
  fail_unless (out != NULL, "%s: no frame came out", what);
  GstDicenetMeta *classes = gst_buffer_get_dicenet_meta (out, GST_DICENET_TASK_CLASSIFY),
                 *boxes = gst_buffer_get_dicenet_meta (out, GST_DICENET_TASK_DETECT),
                 *mask = gst_buffer_get_dicenet_meta (out, GST_DICENET_TASK_SEGMENT);
  fail_unless (classes && boxes && mask, "%s: a result is missing", what);
  fail_unless (gst_dicenet_result_get_n_classes (classes->result) > 0);
  for (guint i = 0; i < gst_dicenet_meta_get_n_detections (boxes); i++) {
    const GstDicenetDetection *d = gst_dicenet_meta_get_detection (boxes, i);
    fail_unless (isfinite (d->confidence) && d->x >= 0 && d->y >= 0 && d->x + d->w <= boxes->frame_width + 1e-3 &&
                     d->y + d->h <= boxes->frame_height + 1e-3,
                 "%s: a box outside of the frame", what);
  }
  fail_unless (mask->result->mask_width * mask->result->mask_height <= 4096 * 32, "%s: inferred at %ux%u", what,
               mask->result->mask_width, mask->result->mask_height);
}

/* A frame, and one with a crop that all readers of results must apply. */
static void
run_all (const gchar *caps)
{
  static const gchar *const rests[] = { "identity", "dicenetoverlay", "dicenetjson", "dicenetmask", "dicenettrack" };

  for (guint i = 0; i < G_N_ELEMENTS (rests); i++) {
    GstHarness *h = chain_new (rests[i], caps);
    for (guint k = 0; k < 2; k++) {
      GstBuffer *frame = frame_like (h, k);
      if (k == 1) {
        GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (frame);
        crop->x = crop->y = 1;
        crop->width = 20;
        crop->height = 9;
      }
      GstBuffer *out = gst_harness_push_and_pull (h, frame);
      fail_unless (out != NULL, "%s to %s: nothing came out", caps, rests[i]);
      if (i < 2)
        check_results (out, caps);
      gst_buffer_unref (out);
    }
    harness_free (h);
  }
}

static void
refuse (const gchar *element, const gchar *caps, const gchar *part, const gchar *part2)
{
  const gboolean has_model = !g_str_equal (element, "dicenetoverlay") && !g_str_equal (element, "dicenettrack");
  gchar *line = has_model ? launch_line (element, NULL) : g_strdup (element);
  GstHarness *h = harness_for (line);

  gst_harness_set_src_caps_str (h, caps);
  fail_unless_equals_int (gst_harness_push (h, gst_buffer_new ()), GST_FLOW_NOT_NEGOTIATED);
  expect_message (bus_of (h), GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, part, part2);
  harness_free (h);
  g_free (line);
}

static const gchar *const ELEMENTS[] = { "dicenetclassify", "dicenetdetect", "dicenetsegment", "dicenetoverlay",
                                         "dicenettrack" };

#define CAPS(more) "video/x-raw,format=I420,width=64,height=48," more

/* Results do not depend on the frame rate. */
GST_START_TEST (test_rates)
{
  run_all (CAPS ("framerate=0/1,max-framerate=2147483647/1"));
  run_all (CAPS ("framerate=2147483647/1"));
  run_all (CAPS ("framerate=1/2147483647"));
}
GST_END_TEST;

/* Implausible aspect ratios in the caps are ignored, with and without cropping. */
GST_START_TEST (test_aspects)
{
  static const gchar *const ratios[] = { "1/1000000", "20000000/1",           "0/1", "2147483647/1", "1/2147483647",
                                         "8/1",       "2147483647/2147483646" };

  for (guint i = 0; i < G_N_ELEMENTS (ratios); i++) {
    gchar *caps = g_strdup_printf (CAPS ("framerate=30/1,pixel-aspect-ratio=%s"), ratios[i]);
    run_all (caps);
    g_free (caps);
  }
}
GST_END_TEST;

GST_START_TEST (test_dimensions)
{
  static const gint sizes[][2] = { { 1, 1 }, { 1, 480 }, { 640, 1 }, { 32767, 1 }, { 1, 32767 }, { 3, 2 } };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    gchar *caps = video_caps ("I420", sizes[i][0], sizes[i][1]);
    run_all (caps);
    g_free (caps);
  }
  for (guint i = 0; i < G_N_ELEMENTS (ELEMENTS); i++) {
    refuse (ELEMENTS[i], "video/x-raw,format=I420,width=32768,height=2,framerate=30/1", "Frames of 32768x2",
            "videoscale");
    refuse (ELEMENTS[i], "video/x-raw,format=I420,width=2,height=32768,framerate=30/1", "Frames of 2x32768",
            "32767x32767");
  }
}
GST_END_TEST;

/* Several views in one picture are treated as one picture; separate views are refused. */
GST_START_TEST (test_views)
{
  run_all (CAPS ("framerate=30/1,multiview-mode=side-by-side,multiview-flags=half-aspect"));
  run_all (CAPS ("framerate=30/1,multiview-mode=top-bottom"));
  run_all (CAPS ("framerate=30/1,multiview-mode=frame-by-frame,views=2"));
  for (guint i = 0; i < G_N_ELEMENTS (ELEMENTS); i++)
    refuse (ELEMENTS[i], CAPS ("framerate=30/1,multiview-mode=separated,views=2"), "2 separate views", "glviewconvert");
}
GST_END_TEST;

/* Output for a frame with everything drawn. */
static GBytes *
drawn_with (const gchar *caps)
{
  GstHarness *h = chain_new ("dicenetoverlay", caps);
  GstBuffer *in = frame_like (h, 0), *out;
  GBytes *before = bytes_of (in), *after;

  out = gst_harness_push_and_pull (h, in);
  check_results (out, caps);
  after = bytes_of (out);
  fail_if (g_bytes_equal (before, after), "nothing was drawn, which proves nothing");
  g_bytes_unref (before);
  gst_buffer_unref (out);
  harness_free (h);
  return after;
}

/* Interleaved fields are treated as one frame, whatever the caps and the frame's flags are; separate fields are
 * refused. */
GST_START_TEST (test_fields)
{
  GBytes *plain = drawn_with (CAPS ("framerate=30/1")),
         *woven = drawn_with (CAPS ("framerate=30/1,interlace-mode=interleaved,field-order=top-field-first")),
         *mixed = drawn_with (CAPS ("framerate=30/1,interlace-mode=mixed"));

  fail_unless (g_bytes_equal (plain, woven) && g_bytes_equal (plain, mixed));
  g_bytes_unref (plain);
  g_bytes_unref (woven);
  g_bytes_unref (mixed);
  /* These read results only. */
  for (guint i = 0; i < 2; i++) {
    GstHarness *h = harness_for (i ? "dicenetmask" : "dicenetjson");
    gst_harness_set_src_caps_str (h, "video/x-raw(format:Interlaced),format=I420,width=64,height=48,framerate=30/1,"
                                     "interlace-mode=alternate");
    gst_buffer_unref (gst_harness_push_and_pull (h, gst_buffer_new ()));
    harness_free (h);
  }
  for (guint i = 0; i < G_N_ELEMENTS (ELEMENTS); i++)
    refuse (ELEMENTS[i], CAPS ("framerate=30/1,interlace-mode=fields"), "interlace-mode=fields", "insert deinterlace");
  /* One field per buffer has different caps, which the inference elements do not accept. */
  refuse ("dicenetoverlay",
          "video/x-raw(format:Interlaced),format=I420,width=64,height=48,framerate=30/1,interlace-mode=alternate",
          "interlace-mode=alternate", "insert deinterlace");
}
GST_END_TEST;

/* The same picture with negative strides, and gaps between rows. */
static GstBuffer *
upside_down (const GstVideoInfo *info, GstBuffer *plain)
{
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 }, size = 0;
  gint stride[GST_VIDEO_MAX_PLANES] = { 0 };
  GstVideoFrame from, to;

  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++) {
    const gint rows = GST_VIDEO_INFO_COMP_HEIGHT (info, p), step = GST_VIDEO_INFO_PLANE_STRIDE (info, p) + 4;
    offset[p] = size + (gsize) (rows - 1) * (gsize) step;
    stride[p] = -step;
    size += (gsize) rows * (gsize) step;
  }
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (info),
                                  (guint) GST_VIDEO_INFO_WIDTH (info), (guint) GST_VIDEO_INFO_HEIGHT (info),
                                  GST_VIDEO_INFO_N_PLANES (info), offset, stride);
  fail_unless (gst_video_frame_map (&from, info, plain, GST_MAP_READ));
  fail_unless (gst_video_frame_map (&to, info, buffer, GST_MAP_WRITE));
  fail_unless (gst_video_frame_copy (&to, &from));
  gst_video_frame_unmap (&from);
  gst_video_frame_unmap (&to);
  return buffer;
}

GST_START_TEST (test_negative_strides)
{
  GstHarness *h = chain_new ("dicenetoverlay", CAPS ("framerate=30/1"));
  GstVideoInfo info;
  GstVideoFrame frames[2];

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_I420, 64, 48);
  GstBuffer *plain = frame_like (h, 0), *turned = upside_down (&info, plain);
  plain = gst_harness_push_and_pull (h, plain);
  turned = gst_harness_push_and_pull (h, turned);
  check_results (plain, "plain");
  check_results (turned, "upside down");
  fail_unless (gst_video_frame_map (&frames[0], &info, plain, GST_MAP_READ));
  fail_unless (gst_video_frame_map (&frames[1], &info, turned, GST_MAP_READ));
  for (guint c = 0; c < 3; c++) {
    for (gint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT (&frames[0], c); y++) {
      const guint8 *rows[2];
      for (guint i = 0; i < 2; i++)
        rows[i] =
            (guint8 *) GST_VIDEO_FRAME_COMP_DATA (&frames[i], c) + y * GST_VIDEO_FRAME_COMP_STRIDE (&frames[i], c);
      fail_unless (memcmp (rows[0], rows[1], (gsize) GST_VIDEO_FRAME_COMP_WIDTH (&frames[0], c)) == 0,
                   "component %u, row %d", c, y);
    }
  }
  gst_video_frame_unmap (&frames[0]);
  gst_video_frame_unmap (&frames[1]);
  gst_buffer_unref (plain);
  gst_buffer_unref (turned);
  harness_free (h);
}
GST_END_TEST;

/* --- alpha --- */

#define SIDE 200
#define GRAY 0x70

/* The mask covers the left half of the frame, the box is in the right half. */
static void
add_results (GstBuffer *buffer)
{
  static const gchar *const labels[] = { "background", "thing", NULL };
  const GstDicenetDetection box = { .label_id = 1, .confidence = 0.5, .x = 120, .y = 60, .w = 60, .h = 100 };
  guint8 mask[SIDE * SIDE] = { 0 };

  for (guint i = 0; i < SIDE * SIDE; i++)
    mask[i] = i % SIDE < SIDE / 2;
  GstDicenetResult *segment = gst_dicenet_result_new (GST_DICENET_TASK_SEGMENT, "seg", labels, 0),
                   *detect = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "det", labels, 0);
  GBytes *bytes = g_bytes_new (mask, sizeof mask);
  gst_dicenet_result_set_mask (segment, bytes, SIDE, SIDE);
  gst_buffer_add_dicenet_meta (buffer, segment, SIDE, SIDE, NULL, 0);
  gst_buffer_add_dicenet_meta_from_array (buffer, detect, SIDE, SIDE, &box, 1, 0);
  g_bytes_unref (bytes);
  gst_dicenet_result_unref (segment);
  gst_dicenet_result_unref (detect);
}

static guint8 *
component_at (GstVideoFrame *frame, guint c, gint x, gint y)
{
  return (guint8 *) GST_VIDEO_FRAME_COMP_DATA (frame, c) +
         (y >> frame->info.finfo->h_sub[c]) * GST_VIDEO_FRAME_COMP_STRIDE (frame, c) +
         (x >> frame->info.finfo->w_sub[c]) * GST_VIDEO_FRAME_COMP_PSTRIDE (frame, c);
}

static gboolean
is_lower (gint y)
{
  return y >= SIDE / 2;
}

/* All colours are GRAY; opaque at the top, transparent at the bottom. */
static GstBuffer *
half_transparent (const GstVideoInfo *info)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (info), NULL);
  GstVideoFrame frame;

  gst_buffer_memset (buffer, 0, GRAY, GST_VIDEO_INFO_SIZE (info));
  fail_unless (gst_video_frame_map (&frame, info, buffer, GST_MAP_WRITE));
  for (gint y = 0; y < SIDE; y++)
    for (gint x = 0; x < SIDE; x++)
      *component_at (&frame, GST_VIDEO_COMP_A, x, y) = is_lower (y) ? 0 : 255;
  gst_video_frame_unmap (&frame);
  return buffer;
}

static gboolean
has_changed (GstVideoFrame *frame, gint x, gint y)
{
  for (guint c = 0; c < 3; c++)
    if (*component_at (frame, c, x, y) != GRAY)
      return TRUE;
  return FALSE;
}

static void
expect_pixel (GstVideoFrame *frame, gint x, gint y, gboolean changed, guint8 alpha)
{
  const guint8 found = *component_at (frame, GST_VIDEO_COMP_A, x, y);

  fail_unless (has_changed (frame, x, y) == changed && found == alpha, "%s, pixel %d, %d: %s, alpha %u",
               frame->info.finfo->name, x, y, has_changed (frame, x, y) ? "drawn on" : "as it was", found);
}

/* A mask colours the picture and leaves transparent parts transparent. Boxes and text are opaque. */
GST_START_TEST (test_alpha)
{
  static const GstVideoFormat formats[] = { GST_VIDEO_FORMAT_RGBA, GST_VIDEO_FORMAT_BGRA, GST_VIDEO_FORMAT_ARGB,
                                            GST_VIDEO_FORMAT_ABGR, GST_VIDEO_FORMAT_AYUV, GST_VIDEO_FORMAT_A420 };
  const gchar *format = gst_video_format_to_string (formats[__i__]);
  const gchar *keep = g_getenv ("DICENET_TEST_KEEP");
  GstHarness *h = gst_harness_new ("dicenetoverlay");
  gchar *caps = video_caps (format, SIDE, SIDE);
  GstVideoInfo info;
  GstVideoFrame frame;

  gst_harness_set_src_caps_str (h, caps);
  gst_video_info_set_format (&info, formats[__i__], SIDE, SIDE);
  GstBuffer *buffer = half_transparent (&info);
  add_results (buffer);
  buffer = gst_harness_push_and_pull (h, buffer);
  fail_unless (buffer != NULL);
  fail_unless (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ));
  expect_pixel (&frame, 50, 50, TRUE, 255);   /* mask */
  expect_pixel (&frame, 50, 150, TRUE, 0);    /* invisible pixels may be coloured */
  expect_pixel (&frame, 150, 90, FALSE, 255); /* neither */
  expect_pixel (&frame, 150, 150, FALSE, 0);
  expect_pixel (&frame, 120, 90, TRUE, 255); /* the box's left edge */
  expect_pixel (&frame, 120, 140, TRUE, 255);
  expect_pixel (&frame, 150, 159, TRUE, 255); /* its bottom edge */
  if (keep) {                                 /* to be looked at */
    gchar *path = g_strdup_printf ("%s/%s.raw", keep, format);
    GBytes *bytes = bytes_of (buffer);
    g_file_set_contents (path, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes), NULL);
    g_bytes_unref (bytes);
    g_free (path);
  }
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (buffer);
  gst_harness_teardown (h);
  g_free (caps);
}
GST_END_TEST;

/* Transparent pixels have colours, which the network sees: alpha does not change results. */
GST_START_TEST (test_alpha_is_not_seen)
{
  GstHarness *h = harness_new ("dicenetclassify", "top-k=0 threshold=0", "RGBA", 64, 64);
  GstDicenetResult *results[2];

  for (guint i = 0; i < 2; i++) {
    GstBuffer *frame = frame_like (h, i);
    GstMapInfo map;
    fail_unless (gst_buffer_map (frame, &map, GST_MAP_WRITE));
    for (gsize k = 3; k < map.size; k += 4)
      map.data[k] = i ? 0 : 255;
    gst_buffer_unmap (frame, &map);
    frame = gst_harness_push_and_pull (h, frame);
    results[i] = gst_dicenet_result_ref (result_of (frame, GST_DICENET_TASK_CLASSIFY)->result);
    gst_buffer_unref (frame);
  }
  for (guint i = 0; i < gst_dicenet_result_get_n_classes (results[0]); i++)
    fail_unless (gst_dicenet_result_get_class (results[0], i)->confidence ==
                 gst_dicenet_result_get_class (results[1], i)->confidence);
  gst_dicenet_result_unref (results[0]);
  gst_dicenet_result_unref (results[1]);
  harness_free (h);
}
GST_END_TEST;

int
main (int argc, char **argv)
{
  TCase *tests = tcase_create ("frames");

  tcase_add_test (tests, test_rates);
  tcase_add_test (tests, test_aspects);
  tcase_add_test (tests, test_dimensions);
  tcase_add_test (tests, test_views);
  tcase_add_test (tests, test_fields);
  tcase_add_test (tests, test_negative_strides);
  tcase_add_loop_test (tests, test_alpha, 0, 6);
  tcase_add_test (tests, test_alpha_is_not_seen);
  return run_tests (argc, argv, "frames", tests);
}
