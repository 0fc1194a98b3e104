/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GStreamer's log: model and device, processing times of frames, and messages of libdicenet. */

#include <string.h>
#include "common.h"

static GString *lines; /* "category level message" */
static guint n_glib;

static void
keep_line (GstDebugCategory *category, GstDebugLevel level, const gchar *file, const gchar *function, gint line,
           GObject *object, GstDebugMessage *message, gpointer data)
{
  const gchar *name = gst_debug_category_get_name (category);

  if (g_str_has_prefix (name, "dicenet"))
    g_string_append_printf (lines, "%s %s %s\n", name, gst_debug_level_get_name (level),
                            gst_debug_message_get (message));
}

static void
count_line (const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
  n_glib++;
}

static void
start_log (GstDebugLevel level)
{
  lines = g_string_new (NULL);
  gst_debug_set_default_threshold (GST_LEVEL_NONE);
  gst_debug_set_threshold_for_name ("dicenet*", level);
  gst_debug_set_active (TRUE);
  gst_debug_add_log_function (keep_line, NULL, NULL);
}

static void
end_log (void)
{
  gst_debug_remove_log_function (keep_line);
  gst_debug_set_threshold_for_name ("dicenet*", GST_LEVEL_NONE);
  g_string_free (lines, TRUE);
}

/* Number of lines that match a regular expression. */
static guint
count (const gchar *pattern)
{
  GRegex *regex = g_regex_new (pattern, G_REGEX_MULTILINE, 0, NULL);
  GMatchInfo *match;
  guint n = 0;

  fail_unless (regex != NULL, "%s", pattern);
  for (g_regex_match (regex, lines->str, 0, &match); g_match_info_matches (match); g_match_info_next (match, NULL))
    n++;
  g_match_info_free (match);
  g_regex_unref (regex);
  return n;
}

static void
expect (guint n, const gchar *pattern)
{
  fail_unless (count (pattern) == n, "expected %u of '%s', found %u in:\n%s", n, pattern, count (pattern), lines->str);
}

static void
push (GstHarness *h, guint index)
{
  gst_harness_push (h, frame_like (h, index));
  gst_buffer_unref (gst_harness_pull (h));
}

GST_START_TEST (test_info)
{
  gchar *path = model_path ("detect"), *quoted = g_regex_escape_string (path, -1);
  gchar *model = g_strdup_printf ("^dicenetinference INFO *model %s, backend=cpu \\((avx512|avx2|baseline|ref)\\), "
                                  "precision=float32, threads=1: opened in [0-9.]+ ms$",
                                  quoted);

  start_log (GST_LEVEL_INFO);
  GstHarness *h = harness_new ("dicenetdetect", "backend=cpu", "I420", 320, 240);
  for (guint i = 0; i < 3; i++)
    push (h, i);
  expect (1, model);
  expect (1, "^dicenetinference INFO *frames of 320x240, inference at 85x64, (not )?live: video/x-raw.*I420");
  set_caps (h, "NV12", 64, 128);
  push (h, 3);
  expect (1, model);
  expect (1, "^dicenetinference INFO *frames of 64x128, inference at 64x128, .*NV12");
  /* No message per frame. */
  expect (0, "DEBUG|LOG|: frame|WARN|ERROR");
  expect (3, "^dicenetinference");
  harness_free (h);
  end_log ();
  g_free (model);
  g_free (quoted);
  g_free (path);
}
GST_END_TEST;

GST_START_TEST (test_frames)
{
  static const gchar *const elements[] = { "dicenetclassify", "dicenetdetect", "dicenetsegment" };

  for (guint i = 0; i < G_N_ELEMENTS (elements); i++) {
    start_log (GST_LEVEL_DEBUG);
    GstHarness *h = harness_new (elements[i], "inference-interval=2 overlay=true", "I420", 320, 240);
    for (guint frame = 0; frame < 4; frame++)
      push (h, frame);
    expect (2, "^dicenetinference DEBUG *frame 0:00:00\\.(000|066)\\d*: preprocessing \\d+\\.\\d\\d ms, "
               "network and its result \\d+\\.\\d\\d ms$");
    expect (2, "^dicenetinference DEBUG *frame 0:00:00\\.(000|066)\\d*: result of age 0, "
               "drawing \\d+\\.\\d\\d ms$");
    expect (2, "^dicenetinference DEBUG *frame 0:00:00\\.(033|100)\\d*: result of age 1, "
               "drawing \\d+\\.\\d\\d ms$");
    gchar *own = g_strdup_printf ("^%s DEBUG *(\\d+ classes$|\\d+ objects$|mask of 85x64$)", elements[i]);
    expect (2, own);
    GstBuffer *gap = frame_like (h, 4);
    GST_BUFFER_FLAG_SET (gap, GST_BUFFER_FLAG_GAP);
    gst_harness_push (h, gap);
    gst_buffer_unref (gst_harness_pull (h));
    expect (1, "^dicenetvideo DEBUG *frame 0:00:00\\.133\\d*: a gap");
    expect (6, "^dicenetinference DEBUG *frame ");
    harness_free (h);
    end_log ();
    g_free (own);
  }
}
GST_END_TEST;

GST_START_TEST (test_dropped)
{
  start_log (GST_LEVEL_DEBUG);
  GstHarness *h = harness_new ("dicenetclassify", "qos=true", "I420", 64, 64);

  push (h, 0);
  gst_harness_push_upstream_event (h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1, 10 * GST_SECOND, 0));
  gst_harness_push (h, frame_like (h, 1));
  fail_unless_equals_int (gst_harness_buffers_received (h), 1);
  expect (1, "^dicenetvideo DEBUG *frame 0:00:00\\.033\\d*: dropped, too late for the sink \\(qos\\)$");
  harness_free (h);
  end_log ();
}
GST_END_TEST;

/* libdicenet's messages go to GStreamer's log, once, and no longer to GLib's. */
GST_START_TEST (test_library)
{
  const GLogFunc before = g_log_set_default_handler (count_line, NULL);
  start_log (GST_LEVEL_DEBUG);
  GstHarness *h = harness_new ("dicenetclassify", NULL, "I420", 64, 64);

  expect (1, "^dicenet DEBUG *kernels: (avx512|avx2|baseline|ref)$");
  fail_unless_equals_int (n_glib, 0);
  harness_free (h);
  end_log ();
  g_log_set_default_handler (before, NULL);
}
GST_END_TEST;

/* The other elements have their own categories. */
GST_START_TEST (test_other_elements)
{
  start_log (GST_LEVEL_DEBUG);
  gchar *line =
      launch_line ("dicenetsegment", "! tee name=t ! queue ! dicenetoverlay ! fakesink "
                                     "t. ! queue ! dicenetmask ! fakesink t. ! queue ! dicenetjson ! fakesink");
  gchar *all =
      g_strdup_printf ("videotestsrc num-buffers=3 ! video/x-raw,width=64,height=64,framerate=30/1 ! %s", line);
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (all, &error);

  fail_unless (pipeline && !error, "%s", error ? error->message : "");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstMessage *message =
      gst_bus_timed_pop_filtered (GST_ELEMENT_BUS (pipeline), GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  fail_unless_equals_int (GST_MESSAGE_TYPE (message), GST_MESSAGE_EOS);
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  expect (3, "^dicenetoverlay DEBUG *frame .*: 1 results, drawing \\d+\\.\\d\\d ms$");
  expect (3, "^dicenetmask DEBUG *frame .*: mask of 64x64$");
  expect (3, "^dicenetjson DEBUG *frame .*: \\d+ bytes$");
  expect (1, "^dicenetjson INFO *results of frames of 64x64$");
  end_log ();
  g_free (all);
  g_free (line);
}
GST_END_TEST;

int
main (int argc, char **argv)
{
  TCase *tests = tcase_create ("log");

  tcase_add_test (tests, test_info);
  tcase_add_test (tests, test_frames);
  tcase_add_test (tests, test_dropped);
  tcase_add_test (tests, test_library);
  tcase_add_test (tests, test_other_elements);
  return run_tests (argc, argv, "dicenet-log", tests);
}
