/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Large frames with little memory: an error or a warning says so, and nothing else happens. This program's malloc()
 * refuses blocks above a limit; in the last tests the system does. */

#include "../refusing.h"
#include "common.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define MIB ((gsize) 1 << 20)

static gsize limit = G_MAXSIZE;
static gint n_refused;

static gboolean
is_refused (size_t n)
{
  if (n <= limit)
    return FALSE;
  g_atomic_int_inc (&n_refused);
  return TRUE;
}

/* Whether the bus has an error or a warning about memory. */
static gboolean
was_told (GstBus *bus)
{
  GstMessage *message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  GError *error = NULL;
  gchar *details = NULL;

  if (!message)
    return FALSE;
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, &details);
  else
    gst_message_parse_warning (message, &error, &details);
  fail_unless (g_ascii_strncasecmp (error->message, "no memory for ", 14) == 0, "%s (%s)", error->message, details);
  g_error_free (error);
  g_free (details);
  gst_message_unref (message);
  return TRUE;
}

static const struct {
  const gchar *element, *more, *format;
} CASES[] = {
  { "dicenetclassify", "inference-size=1024x1024", "I420" },
  { "dicenetdetect", "inference-size=1024x1024 threshold=0 max-detections=0 overlay=true", "BGRx" },
  { "dicenetsegment", "inference-size=2048x2048 overlay=true opacity=1", "I420" },
  { "dicenetsegment", "inference-size=64x64 overlay=true", "RGBA" },
  { "dicenetmask", NULL, "I420" },
  { "dicenetjson", NULL, "I420" },
  { "dicenetoverlay", NULL, "NV12" },
  { "dicenetoverlay", NULL, "I420_10LE" }, /* GStreamer's blender scales the mask */
};

static gboolean
is_network (const gchar *element)
{
  return strstr (element, "classify") || strstr (element, "detect") || strstr (element, "segment");
}

static void
add_results (GstBuffer *buffer, gint side)
{
  static const gchar *const labels[] = { "background", "thing", "other", NULL };
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_SEGMENT, "seg", labels, 0);
  guint8 mask[64 * 64];

  for (guint i = 0; i < sizeof mask; i++)
    mask[i] = i / 8 % 3;
  GBytes *bytes = g_bytes_new (mask, sizeof mask);
  gst_dicenet_result_set_mask (result, bytes, 64, 64);
  gst_buffer_add_dicenet_meta (buffer, result, (guint) side, (guint) side, NULL, 0);
  g_bytes_unref (bytes);
  gst_dicenet_result_unref (result);
}

typedef struct {
  GstHarness *h;
  GstBuffer *frame;
  gchar *caps;
} Job;

static void
job_init (Job *job, guint i, gint side)
{
  gchar *line =
      is_network (CASES[i].element) ? launch_line (CASES[i].element, CASES[i].more) : g_strdup (CASES[i].element);

  job->h = harness_for (line);
  job->caps = video_caps (CASES[i].format, side, side);
  job->frame = frame_new (CASES[i].format, side, side, LAYOUT_TIGHT, 1, 0);
  if (!is_network (CASES[i].element))
    add_results (job->frame, side);
  g_free (line);
}

/* Returns whether the frame came out; if not, or not completely, the bus has a message. */
static gboolean
job_run (Job *job)
{
  gst_harness_set_src_caps_str (job->h, job->caps);
  const GstFlowReturn ret = gst_harness_push (job->h, g_steal_pointer (&job->frame));

  if (ret != GST_FLOW_OK)
    return FALSE;
  gst_buffer_unref (gst_harness_pull (job->h));
  return TRUE;
}

static void
job_clear (Job *job)
{
  g_free (job->caps);
  harness_free (job->h);
}

GST_START_TEST (test_large_blocks)
{
  guint n_told = 0;

  for (gsize most = MIB;; most *= 4) {
    Job job;
    job_init (&job, __i__, 2048);
    n_refused = 0;
    limit = most;
    const gboolean ok = job_run (&job);
    limit = G_MAXSIZE;
    const gboolean told = was_told (bus_of (job.h));
    fail_unless (ok || told, "%s: no frame, and no word of it", CASES[__i__].element);
    n_told += told;
    job_clear (&job);
    if (g_atomic_int_get (&n_refused) == 0)
      break;
    fail_unless (most < 1024 * MIB);
  }
  fail_if (n_told == 0 && !g_str_equal (CASES[__i__].element, "dicenetjson") && __i__ != 6,
           "%s: no large block was wanted, which proves nothing", CASES[__i__].element);
}
GST_END_TEST;

/* inference-mode=newest: a mask for which there is no memory ends the stream with one error, after the frame that was
 * inferred has left. */
GST_START_TEST (test_worker)
{
  GstHarness *h = harness_new ("dicenetsegment", "inference-mode=newest inference-size=2048x2048", "I420", 64, 64);
  GstFlowReturn ret = GST_FLOW_OK;

  n_refused = 0;
  limit = 3 * MIB;
  gst_buffer_unref (gst_harness_push_and_pull (h, frame_like (h, 0)));
  for (guint i = 1; i < 10000 && ret == GST_FLOW_OK; i++) {
    g_usleep (5000);
    ret = gst_harness_push (h, frame_like (h, i));
  }
  limit = G_MAXSIZE;
  fail_unless_equals_int (ret, GST_FLOW_ERROR);
  fail_unless (g_atomic_int_get (&n_refused) > 0 && was_told (bus_of (h)));
  fail_unless (!was_told (bus_of (h)), "told twice");
  for (GstBuffer *out; (out = gst_harness_try_pull (h)); gst_buffer_unref (out))
    fail_unless_equals_int (count_metas (out, GST_DICENET_META_API_TYPE), 0);
  harness_free (h);
}
GST_END_TEST;

/* The process's address space is nearly full. */
GST_START_TEST (test_address_space)
{
  Job job;
  gchar *status;

  job_init (&job, __i__, 8192);
  fail_unless (g_file_get_contents ("/proc/self/statm", &status, NULL, NULL));
  const rlim_t now = (rlim_t) g_ascii_strtoull (status, NULL, 10) * (rlim_t) sysconf (_SC_PAGESIZE);
  const struct rlimit little = { now + 12 * MIB, RLIM_INFINITY };
  g_free (status);
  fail_unless (setrlimit (RLIMIT_AS, &little) == 0);
  if (!job_run (&job))
    fail_unless (was_told (bus_of (job.h)));
  job_clear (&job);
}
GST_END_TEST;

static gint no_threads;

/* Replaces the C library's. */
int
pthread_create (pthread_t *thread, const pthread_attr_t *attributes, void *(*func) (void *), void *data)
{
  int (*real) (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *) =
      (int (*) (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *)) dlsym (RTLD_NEXT, "pthread_create");

  return g_atomic_int_get (&no_threads) ? EAGAIN : real (thread, attributes, func, data);
}

/* As with ulimit -u 1: requesting several threads is an error, and text is left out. */
GST_START_TEST (test_no_threads)
{
  static const gchar *const elements[] = { "dicenetclassify", "dicenetdetect", "dicenetsegment" };

  g_atomic_int_set (&no_threads, 1);
  for (guint i = 0; i < G_N_ELEMENTS (elements); i++) {
    gchar *line = launch_line (elements[i], "");
    GstElement *element = gst_parse_launch (line, NULL);
    GstBus *bus = gst_bus_new ();
    gst_element_set_bus (element, bus);
    g_object_set (element, "threads", 4, NULL);
    fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    expect_message (bus, GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "only 1 of 4 threads",
                    "ulimit -u");
    gst_element_set_state (element, GST_STATE_NULL);
    g_object_set (element, "threads", 1, NULL);
    gst_util_set_object_arg (G_OBJECT (element), "inference-mode", "newest");
    fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    expect_message (bus, GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
                    "inference-mode=newest", "ulimit -u");
    gst_element_set_state (element, GST_STATE_NULL);
    gst_element_set_bus (element, NULL);
    gst_object_unref (bus);
    gst_object_unref (element);
    g_free (line);

    GstHarness *h = harness_new (elements[i], "overlay=true", "I420", 64, 64);
    gst_buffer_unref (gst_harness_push_and_pull (h, frame_like (h, 0)));
    if (i != 1) /* has no detections here */
      expect_message (bus_of (h), GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED,
                      "labels are left out", "ulimit -u");
    harness_free (h);
  }
}
GST_END_TEST;

int
main (int argc, char **argv)
{
  TCase *tests = tcase_create ("memory");

  tcase_add_loop_test (tests, test_large_blocks, 0, G_N_ELEMENTS (CASES));
  tcase_add_test (tests, test_worker);
  tcase_add_test (tests, test_no_threads);
  tcase_add_loop_test (tests, test_address_space, 0, G_N_ELEMENTS (CASES));
  return run_tests (argc, argv, "memory", tests);
}
