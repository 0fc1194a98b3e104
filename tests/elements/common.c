/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common.h"

int
run_tests (int argc, char **argv, const gchar *name, TCase *tests)
{
  gst_check_init (&argc, &argv);
  Suite *suite = suite_create (name);
  suite_add_tcase (suite, tests);
  tcase_set_timeout (tests, 180);
  return gst_check_run_suite (suite, name, __FILE__);
}

gchar *
model_path (const gchar *task)
{
  const gchar *folder = g_getenv ("DICENET_TEST_MODELS");
  gchar *name = g_strconcat (task, ".safetensors", NULL);
  gchar *path = g_build_filename (folder ? folder : ".", name, NULL);

  g_free (name);
  return path;
}

gchar *
launch_line (const gchar *element, const gchar *extra)
{
  gchar *model = model_path (element + strlen ("dicenet"));
  gchar *line = g_strdup_printf ("%s model=\"%s\" threads=1 precision=float32 %s", element, model, extra ? extra : "");

  g_free (model);
  return line;
}

gchar *
video_caps (const gchar *format, gint width, gint height)
{
  return g_strdup_printf ("video/x-raw,format=%s,width=%d,height=%d,framerate=30/1", format, width, height);
}

void
set_caps (GstHarness *h, const gchar *format, gint width, gint height)
{
  gchar *caps = video_caps (format, width, height);

  gst_harness_set_src_caps_str (h, caps);
  g_free (caps);
}

/* A single element is the harness's element itself, so that its properties can be set; several are put in a bin. */
GstHarness *
harness_for (const gchar *line)
{
  GError *error = NULL;
  GstElement *element =
      strchr (line, '!') ? gst_parse_bin_from_description (line, TRUE, &error) : gst_parse_launch (line, &error);
  GstBus *bus = gst_bus_new ();

  fail_unless (element && !error, "%s: %s", line, error ? error->message : "");
  GstHarness *h = gst_harness_new_with_element (element, "sink", "src");
  gst_object_unref (element);
  gst_element_set_bus (h->element, bus);
  gst_object_unref (bus);
  return h;
}

GstHarness *
harness_new (const gchar *element, const gchar *extra, const gchar *format, gint width, gint height)
{
  gchar *line = launch_line (element, extra);
  GstHarness *h = harness_for (line);

  set_caps (h, format, width, height);
  g_free (line);
  return h;
}

void
harness_free (GstHarness *h)
{
  gst_element_set_bus (h->element, NULL);
  gst_harness_teardown (h);
}

GstBus *
bus_of (GstHarness *h)
{
  return GST_ELEMENT_BUS (h->element);
}

/* Edges at many scales, so that shifting, swapping or cutting the picture changes the network's result. */
static guint8
sample (guint seed, guint component, gint x, gint y)
{
  guint value = (guint) (x * 5 + y * 3) + component * 67 + seed * 29;

  if (((x >> 3) ^ (y >> 3)) & 1)
    value += 90;
  if ((x / 17 + y / 11 + (gint) seed) % 3 == 0)
    value ^= 0x55 + component * 21;
  return (guint8) (value % 256);
}

static void
draw_picture (GstVideoFrame *frame, guint seed)
{
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (frame); c++) {
    guint8 *data = GST_VIDEO_FRAME_COMP_DATA (frame, c);
    gint stride = GST_VIDEO_FRAME_COMP_STRIDE (frame, c);
    gint step = GST_VIDEO_FRAME_COMP_PSTRIDE (frame, c);
    gint step_x = 1 << GST_VIDEO_FORMAT_INFO_W_SUB (frame->info.finfo, c);
    gint step_y = 1 << GST_VIDEO_FORMAT_INFO_H_SUB (frame->info.finfo, c);

    for (gint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT (frame, c); y++) {
      for (gint x = 0; x < GST_VIDEO_FRAME_COMP_WIDTH (frame, c); x++)
        data[y * stride + x * step] = sample (seed, c, x * step_x, y * step_y);
    }
  }
}

static GstBuffer *
allocate (const GstVideoInfo *info, Layout layout)
{
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 };
  gint stride[GST_VIDEO_MAX_PLANES] = { 0 };
  gsize size = GST_VIDEO_INFO_SIZE (info);
  GstBuffer *buffer;

  if (layout == LAYOUT_PADDED) {
    size = 0;
    for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++) {
      gsize rows = (gsize) GST_VIDEO_INFO_HEIGHT (info) + 7;
      stride[p] = GST_VIDEO_INFO_PLANE_STRIDE (info, p) + 20 + 12 * (gint) p;
      offset[p] = size + 36 + p * 4;
      size = offset[p] + rows * (gsize) stride[p];
    }
  }
  buffer = gst_buffer_new_allocate (NULL, size, NULL);
  gst_buffer_memset (buffer, 0, layout == LAYOUT_PADDED ? 0xa5 : 0x3c, size);
  if (layout == LAYOUT_PADDED)
    gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (info),
                                    (guint) GST_VIDEO_INFO_WIDTH (info), (guint) GST_VIDEO_INFO_HEIGHT (info),
                                    GST_VIDEO_INFO_N_PLANES (info), offset, stride);
  return buffer;
}

GstBuffer *
frame_new (const gchar *format, gint width, gint height, Layout layout, guint seed, guint index)
{
  GstVideoInfo info;
  GstVideoFrame frame;

  gst_video_info_set_format (&info, gst_video_format_from_string (format), (guint) width, (guint) height);
  GstBuffer *buffer = allocate (&info, layout);
  fail_unless (gst_video_frame_map (&frame, &info, buffer, GST_MAP_WRITE));
  draw_picture (&frame, seed);
  gst_video_frame_unmap (&frame);
  GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (index, GST_SECOND, 30);
  GST_BUFFER_DURATION (buffer) = GST_SECOND / 30;
  return buffer;
}

GstBuffer *
frame_like (GstHarness *h, guint index)
{
  GstCaps *caps = gst_pad_get_current_caps (h->srcpad);
  GstVideoInfo info;

  fail_unless (caps && gst_video_info_from_caps (&info, caps));
  gst_caps_unref (caps);
  return frame_new (gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (&info)), GST_VIDEO_INFO_WIDTH (&info),
                    GST_VIDEO_INFO_HEIGHT (&info), LAYOUT_TIGHT, 1, index);
}

GBytes *
bytes_of (GstBuffer *buffer)
{
  gpointer data;
  gsize size;

  gst_buffer_extract_dup (buffer, 0, (gsize) -1, &data, &size);
  return g_bytes_new_take (data, size);
}

guint
count_metas (GstBuffer *buffer, GType api)
{
  return gst_buffer_get_n_meta (buffer, api);
}

GstDicenetMeta *
result_of (GstBuffer *buffer, GstDicenetTask task)
{
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (buffer, task);

  fail_unless (meta != NULL, "no result on the buffer");
  fail_unless_equals_int (count_metas (buffer, GST_DICENET_META_API_TYPE), 1);
  return meta;
}

guint
count_labels (GBytes *mask)
{
  gboolean seen[256] = { FALSE };
  guint n = 0;
  gsize size;
  const guint8 *data = g_bytes_get_data (mask, &size);

  for (gsize i = 0; i < size; i++) {
    n += !seen[data[i]];
    seen[data[i]] = TRUE;
  }
  return n;
}

GstMessage *
next_message (GstBus *bus, GstMessageType type)
{
  return gst_bus_pop_filtered (bus, type);
}

void
expect_no_message (GstHarness *h)
{
  fail_unless (next_message (bus_of (h), GST_MESSAGE_ERROR | GST_MESSAGE_WARNING) == NULL, "an unexpected message");
}

guint64
stat_of (GstHarness *h, const gchar *field)
{
  GstStructure *stats;
  guint64 value = 0;

  g_object_get (h->element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, field, &value), "no %s", field);
  gst_structure_free (stats);
  return value;
}

void
expect_message (GstBus *bus, GstMessageType type, GQuark domain, gint code, const gchar *part, const gchar *part2)
{
  GstMessage *message = next_message (bus, type);
  GError *error = NULL;

  fail_unless (message != NULL, "no message with '%s'", part);
  if (type == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  else
    gst_message_parse_warning (message, &error, NULL);
  fail_unless (error->domain == domain && error->code == code, "expected %s %d, found %s %d: %s",
               g_quark_to_string (domain), code, g_quark_to_string (error->domain), error->code, error->message);
  fail_unless (strstr (error->message, part) != NULL, "expected '%s' in: %s", part, error->message);
  fail_unless (!part2 || strstr (error->message, part2) != NULL, "expected '%s' in: %s", part2, error->message);
  fail_unless (strstr (error->message, "(null)") == NULL, "expected a name in: %s", error->message);
  GST_INFO ("%s", error->message);
  g_error_free (error);
  gst_message_unref (message);
}

void
expect_kept (GstHarness *h, const gchar *property, const gchar *kept, const gchar *refused, const gchar *part,
             const gchar *part2)
{
  gchar *text;

  g_object_set (h->element, property, refused, NULL);
  expect_message (bus_of (h), GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, part, part2);
  g_object_get (h->element, property, &text, NULL);
  fail_unless_equals_string (text, kept);
  g_free (text);
}
