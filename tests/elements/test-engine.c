/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The engine: lives as long as references to it, and a failure to open leaves nothing behind. */

#include <gst/check/gstcheck.h>
#include <unistd.h>
#include "inference/gstdicenetengine.h"

static gchar *
model_path (const gchar *name)
{
  return g_strdup_printf ("%s/%s.safetensors", g_getenv ("DICENET_TEST_MODELS"), name);
}

static GstDicenetEngine *
engine_open (const gchar *name, GstDicenetTask task, const gchar *size, GError **error)
{
  g_autofree gchar *path = model_path (name);
  const GstDicenetSettings settings = { .model = path,
                                        .backend = DICENET_BACKEND_CPU,
                                        .device_id = -1,
                                        .precision = DICENET_PRECISION_FLOAT32,
                                        .threads = 1,
                                        .inference_size = (gchar *) size };

  return gst_dicenet_engine_new (&settings, task, error);
}

static void
run_once (GstDicenetEngine *engine)
{
  GstVideoInfo info;
  guint width, height;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGB, 96, 64);
  g_autoptr (GstBuffer) frame = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&info), NULL);
  gst_buffer_memset (frame, 0, 100, GST_VIDEO_INFO_SIZE (&info));
  fail_unless (gst_dicenet_engine_choose_size (engine, &info, &width, &height, NULL));
  fail_unless (gst_dicenet_engine_enter (engine, NULL));
  g_autoptr (DicenetRequest) request = dicenet_request_new ();
  dicenet_request_set_size (request, width, height);
  g_autoptr (DicenetSubmission) submission = gst_dicenet_engine_submit (engine, frame, &info, request, NULL);
  g_autoptr (DicenetResult) result = dicenet_submission_wait (submission, NULL);
  fail_unless (result != NULL);
  gst_dicenet_engine_leave (engine);
}

/* The owner may close it while another thread runs it. */
GST_START_TEST (test_reference)
{
  GstDicenetEngine *engine = engine_open ("detect", GST_DICENET_TASK_DETECT, "auto", NULL);
  gpointer watched = engine;

  fail_unless (engine != NULL);
  g_object_add_weak_pointer (G_OBJECT (engine), &watched);
  GstDicenetEngine *held = g_object_ref (engine);
  g_object_unref (engine);
  run_once (held);
  fail_unless_equals_string (gst_dicenet_engine_get_labels (held)[1], "person");
  fail_unless_equals_int (gst_dicenet_engine_get_device_id (held), -1);
  fail_unless (dicenet_session_get_model (gst_dicenet_engine_get_session (held)) ==
               gst_dicenet_engine_get_model (held));
  g_object_unref (held);
  fail_unless (watched == NULL, "the engine outlives its last reference");
}
GST_END_TEST;

GST_START_TEST (test_errors)
{
  GError *error = NULL;

  fail_unless (engine_open ("detect", GST_DICENET_TASK_SEGMENT, "auto", &error) == NULL);
  fail_unless (g_error_matches (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  fail_unless (strstr (error->message, "dicenetdetect") != NULL, "%s", error->message);
  g_clear_error (&error);
  fail_unless (engine_open ("nothing", GST_DICENET_TASK_DETECT, "auto", &error) == NULL);
  fail_unless (error != NULL && error->domain == GST_RESOURCE_ERROR);
  g_clear_error (&error);
  fail_unless (engine_open ("detect", GST_DICENET_TASK_DETECT, "8x8", &error) == NULL);
  fail_unless (g_error_matches (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  g_clear_error (&error);
}
GST_END_TEST;

/* A default model can have the wrong task, too: the error contains its name. */
GST_START_TEST (test_wrong_default)
{
  g_autofree gchar *folder = g_dir_make_tmp ("dicenet-XXXXXX", NULL);
  g_autofree gchar *name = g_build_filename (folder, "dicenet-segment.safetensors", NULL);
  g_autofree gchar *detector = model_path ("detect");
  const GstDicenetSettings settings = { .backend = DICENET_BACKEND_CPU, .device_id = -1, .threads = 1 };
  GError *error = NULL;

  fail_unless (symlink (detector, name) == 0);
  g_setenv ("DICENET_MODEL_PATH", folder, TRUE);
  fail_unless (gst_dicenet_engine_new (&settings, GST_DICENET_TASK_SEGMENT, &error) == NULL);
  fail_unless (g_str_has_prefix (error->message, "'dicenet-segment' is a detection model"), "%s", error->message);
  g_clear_error (&error);
  g_unsetenv ("DICENET_MODEL_PATH");
  fail_unless (unlink (name) == 0 && rmdir (folder) == 0);
}
GST_END_TEST;

static Suite *
engine_suite (void)
{
  Suite *suite = suite_create ("dicenetengine");
  TCase *tests = tcase_create ("engine");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, test_reference);
  tcase_add_test (tests, test_errors);
  tcase_add_test (tests, test_wrong_default);
  return suite;
}

GST_CHECK_MAIN (engine)
