/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dicenetmask: the labels of a mask as GRAY8 video. */

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/video/video.h>
#include <string.h>

static const gchar *const labels[] = { "background", "person", "car", "dog", NULL };

/* 4 x 3: column number, and 0 in the last row. */
static void
add_mask (GstBuffer *buffer, guint width, guint height, gint background)
{
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_SEGMENT, "seg", labels, background);
  GBytes *mask = g_bytes_new_static ("\0\1\2\3\0\1\2\3\0\0\0\0", 12);

  gst_dicenet_result_set_mask (result, mask, 4, 3);
  g_bytes_unref (mask);
  gst_buffer_add_dicenet_meta (buffer, result, width, height, NULL, 0);
  gst_dicenet_result_unref (result);
}

static guint
expected_at (guint width, guint height, guint x, guint y)
{
  return (2 * y + 1) * 3 / (2 * height) == 2 ? 0 : (2 * x + 1) * 4 / (2 * width);
}

static void
set_caps (GstHarness *h, const gchar *format, guint width, guint height)
{
  gchar *caps = g_strdup_printf ("video/x-raw,format=%s,width=%u,height=%u,framerate=25/1,pixel-aspect-ratio=12/11",
                                 format, width, height);

  gst_harness_set_src_caps_str (h, caps);
  g_free (caps);
}

static GstBuffer *
frame_new (GstHarness *h)
{
  GstCaps *caps = gst_pad_get_current_caps (h->srcpad);
  GstVideoInfo info;

  fail_unless (gst_video_info_from_caps (&info, caps));
  gst_caps_unref (caps);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&info), NULL);
  GST_BUFFER_PTS (buffer) = 3 * GST_SECOND;
  GST_BUFFER_DURATION (buffer) = GST_SECOND / 25;
  return buffer;
}

/* Maps the output for reading. */
static void
map_output (GstHarness *h, GstBuffer *out, GstVideoFrame *frame)
{
  GstCaps *caps = gst_pad_get_current_caps (h->sinkpad);
  GstVideoInfo info;

  fail_unless (gst_video_info_from_caps (&info, caps));
  gst_caps_unref (caps);
  fail_unless_equals_int (GST_VIDEO_INFO_FORMAT (&info), GST_VIDEO_FORMAT_GRAY8);
  fail_unless (gst_video_frame_map (frame, &info, out, GST_MAP_READ));
}

static guint
value_at (GstVideoFrame *frame, guint x, guint y)
{
  return ((guint8 *) GST_VIDEO_FRAME_PLANE_DATA (frame, 0))[y * GST_VIDEO_FRAME_PLANE_STRIDE (frame, 0) + x];
}

static const struct {
  const gchar *format;
  guint width, height;
} cases[] = {
  { "I420", 320, 240 }, { "NV12", 33, 47 }, { "BGRx", 1, 1 }, { "GRAY8", 641, 31 }, { "P010_10LE", 64, 48 }
};

GST_START_TEST (test_labels)
{
  GstHarness *h = gst_harness_new ("dicenetmask");
  guint w = cases[__i__].width, hgt = cases[__i__].height;
  GstVideoFrame frame;
  guint wrong = 0;

  set_caps (h, cases[__i__].format, w, hgt);
  GstBuffer *in = frame_new (h);
  add_mask (in, w, hgt, 0);
  GstBuffer *out = gst_harness_push_and_pull (h, in);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (out), 3 * GST_SECOND);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (out), GST_SECOND / 25);
  map_output (h, out, &frame);
  fail_unless_equals_int (GST_VIDEO_FRAME_WIDTH (&frame), w);
  fail_unless_equals_int (GST_VIDEO_FRAME_HEIGHT (&frame), hgt);
  fail_unless (frame.info.fps_n == 25 && frame.info.fps_d == 1 && frame.info.par_n == 12 && frame.info.par_d == 11);
  for (guint y = 0; y < hgt; y++) {
    for (guint x = 0; x < w; x++)
      wrong += value_at (&frame, x, y) != expected_at (w, hgt, x, y);
  }
  fail_unless_equals_int (wrong, 0);
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_scale_to_visible)
{
  GstHarness *h = gst_harness_new ("dicenetmask");
  GstVideoFrame frame;

  g_object_set (h->element, "scale-to-visible", TRUE, NULL);
  set_caps (h, "I420", 40, 30);
  GstBuffer *in = frame_new (h);
  add_mask (in, 40, 30, 0);
  GstBuffer *out = gst_harness_push_and_pull (h, in);
  map_output (h, out, &frame);
  for (guint i = 0; i < 4; i++)
    fail_unless_equals_int (value_at (&frame, i * 10, 0), i * 85);
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}
GST_END_TEST;

static guint
count_warnings (GstBus *bus)
{
  guint n = 0;

  for (GstMessage *message; (message = gst_bus_pop_filtered (bus, GST_MESSAGE_WARNING)); n++)
    gst_message_unref (message);
  return n;
}

/* The output is black, with a single warning for any number of frames. A gap causes no warning. */
GST_START_TEST (test_no_mask)
{
  GstHarness *h = gst_harness_new ("dicenetmask");
  GstBus *bus = gst_bus_new ();
  GstVideoFrame frame;

  gst_element_set_bus (h->element, bus);
  set_caps (h, "I420", 40, 30);
  GstBuffer *in = frame_new (h);
  GST_BUFFER_FLAG_SET (in, GST_BUFFER_FLAG_GAP);
  gst_buffer_unref (gst_harness_push_and_pull (h, in));
  fail_unless_equals_int (count_warnings (bus), 0);
  for (guint i = 0; i < 3; i++) {
    GstBuffer *out = gst_harness_push_and_pull (h, frame_new (h));
    map_output (h, out, &frame);
    for (guint at = 0; at < 40 * 30; at++)
      fail_unless_equals_int (value_at (&frame, at % 40, at / 40), 0);
    gst_video_frame_unmap (&frame);
    gst_buffer_unref (out);
    fail_unless_equals_int (count_warnings (bus), i == 0);
  }
  gst_element_set_bus (h->element, NULL);
  gst_object_unref (bus);
  gst_harness_teardown (h);
}
GST_END_TEST;

static void
add_mask_in (GstBuffer *buffer, GstVideoRectangle region, gint parent_id, gint background)
{
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_SEGMENT, "seg", labels, background);
  GBytes *mask = g_bytes_new_static ("\0\1\2\3\0\1\2\3\0\0\0\0", 12);

  gst_dicenet_result_set_mask (result, mask, 4, 3);
  g_bytes_unref (mask);
  gst_buffer_add_dicenet_meta_in_region (buffer, result, 320, 240, &region, parent_id, NULL, 0);
  gst_dicenet_result_unref (result);
}

/* Masks of objects are written together, each where its object is; what is background in one may be more in another,
 * and of two, the first object's is on top. */
GST_START_TEST (test_objects)
{
  for (gint background = -1; background <= 0; background++) {
    GstHarness *h = gst_harness_new ("dicenetmask");
    const guint outside = background < 0 ? GST_DICENET_MASK_NONE : 0;
    GstVideoFrame frame;

    set_caps (h, "I420", 320, 240);
    GstBuffer *in = frame_new (h);
    add_mask_in (in, (GstVideoRectangle){ 100, 60, 80, 60 }, 1, background);
    add_mask_in (in, (GstVideoRectangle){ 140, 60, 80, 60 }, 2, background);
    add_mask_in (in, (GstVideoRectangle){ 300, 220, 80, 60 }, 3, background); /* reaches beyond the frame */
    GstBuffer *out = gst_harness_push_and_pull (h, in);
    map_output (h, out, &frame);
    const struct {
      guint x, y, value;
    } expected[] = {
      { 0, 0, outside },
      { 99, 60, outside },
      { 120, 60, 1 },
      { 139, 99, 1 },
      { 140, 60, 2 },
      { 160, 60, 3 },
      { 179, 99, 3 },
      { 180, 60, 2 },
      { 219, 99, 3 },
      { 220, 60, outside },
      { 160, 120, outside },
      { 319, 219, outside },
      { 130, 110, background == 0 ? outside : 0 },
      { 319, 239, background == 0 ? outside : 0 },
    };
    for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
      fail_unless (value_at (&frame, expected[i].x, expected[i].y) == expected[i].value, "%u, %u is %u", expected[i].x,
                   expected[i].y, value_at (&frame, expected[i].x, expected[i].y));
    gst_video_frame_unmap (&frame);
    gst_buffer_unref (out);
    gst_harness_teardown (h);
  }
}
GST_END_TEST;

GST_START_TEST (test_crop)
{
  GstElementFactory *factory = gst_element_factory_find ("videocrop");
  GstVideoFrame frame;

  if (!factory)
    return;
  gst_object_unref (factory);
  GstHarness *h = gst_harness_new_parse ("videocrop left=10 right=20 ! dicenetmask");
  set_caps (h, "I420", 40, 30);
  GstBuffer *in = frame_new (h);
  add_mask (in, 40, 30, 0);
  GstBuffer *out = gst_harness_push_and_pull (h, in);
  map_output (h, out, &frame);
  fail_unless_equals_int (GST_VIDEO_FRAME_WIDTH (&frame), 10);
  fail_unless_equals_int (value_at (&frame, 0, 0), 1);
  fail_unless_equals_int (value_at (&frame, 9, 0), 1);
  gst_video_frame_unmap (&frame);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_size_change)
{
  GstHarness *h = gst_harness_new ("dicenetmask");

  for (guint i = 0; i < 4; i++) {
    guint w = i % 2 ? 33 : 320, hgt = i % 2 ? 17 : 240;
    GstVideoFrame frame;
    set_caps (h, i % 2 ? "NV12" : "RGB", w, hgt);
    GstBuffer *in = frame_new (h);
    add_mask (in, w, hgt, 0);
    GstBuffer *out = gst_harness_push_and_pull (h, in);
    map_output (h, out, &frame);
    fail_unless_equals_int (GST_VIDEO_FRAME_WIDTH (&frame), w);
    fail_unless_equals_int (value_at (&frame, w - 1, 0), 3);
    gst_video_frame_unmap (&frame);
    gst_buffer_unref (out);
  }
  gst_harness_teardown (h);
}
GST_END_TEST;

static Suite *
mask_suite (void)
{
  Suite *suite = suite_create ("dicenetmask");
  TCase *tests = tcase_create ("mask");

  suite_add_tcase (suite, tests);
  tcase_add_loop_test (tests, test_labels, 0, G_N_ELEMENTS (cases));
  tcase_add_test (tests, test_scale_to_visible);
  tcase_add_test (tests, test_no_mask);
  tcase_add_test (tests, test_objects);
  tcase_add_test (tests, test_crop);
  tcase_add_test (tests, test_size_change);
  return suite;
}

GST_CHECK_MAIN (mask);
