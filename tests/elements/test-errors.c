/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Invalid models and settings: the right error with a message that says what to do, after which the element can be
 * used. */

#include <glib/gstdio.h>
#include <unistd.h>
#include "common.h"

static const gchar *const TASKS[] = { "classify", "detect", "segment" };

static GstElement *
element_new (const gchar *name)
{
  GstElement *element = gst_element_factory_make (name, NULL);
  GstBus *bus = gst_bus_new ();

  fail_unless (element != NULL, "no element %s: is GST_PLUGIN_PATH set?", name);
  gst_element_set_bus (element, bus);
  gst_object_unref (bus);
  return element;
}

static void
element_free (GstElement *element)
{
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
}

static void
expect_start_error (GstElement *element, GstResourceError code, const gchar *part, const gchar *part2)
{
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  expect_message (GST_ELEMENT_BUS (element), GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, (gint) code, part, part2);
  fail_unless (next_message (GST_ELEMENT_BUS (element), GST_MESSAGE_ERROR) == NULL, "one mistake, one error");
  gst_element_set_state (element, GST_STATE_NULL);
}

static void
expect_start (GstElement *element)
{
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state (element, GST_STATE_NULL);
}

static void
set_model (GstElement *element, const gchar *task)
{
  gchar *path = model_path (task);

  g_object_set (element, "model", path, NULL);
  g_free (path);
}

/* Writes a file, which the caller removes. */
static gchar *
temporary_file (const gchar *contents, gsize size)
{
  gchar *path = NULL;
  gint fd = g_file_open_tmp ("dicenet-test-XXXXXX", &path, NULL);

  fail_unless (fd >= 0);
  g_close (fd, NULL);
  fail_unless (g_file_set_contents (path, contents, (gssize) size, NULL));
  return path;
}

static void
expect_bad_model (const gchar *contents, gsize size, GstResourceError code)
{
  GstElement *element = element_new ("dicenetsegment");
  gchar *path = temporary_file (contents, size);

  g_object_set (element, "model", path, NULL);
  expect_start_error (element, code, path, NULL);
  g_remove (path);
  g_free (path);
  /* The element works again. */
  set_model (element, "segment");
  expect_start (element);
  element_free (element);
}

GST_START_TEST (test_missing_model)
{
  GstElement *element = element_new ("dicenetclassify");

  g_object_set (element, "model", "/nonexistent/model.safetensors", NULL);
  expect_start_error (element, GST_RESOURCE_ERROR_NOT_FOUND, "/nonexistent/model.safetensors", "property model");
  g_setenv ("DICENET_MODEL_PATH", "/nonexistent", TRUE);
  g_object_set (element, "model", "no-such-model", NULL);
  expect_start_error (element, GST_RESOURCE_ERROR_NOT_FOUND, "/nonexistent", "DICENET_MODEL_PATH");
  expect_start_error (element, GST_RESOURCE_ERROR_NOT_FOUND, "'no-such-model'", "property model to a classification");
  g_unsetenv ("DICENET_MODEL_PATH");
  set_model (element, "classify");
  expect_start (element);
  element_free (element);
}
GST_END_TEST;

/* Error messages must be UTF-8. */
GST_START_TEST (test_name_that_is_no_text)
{
  GstElement *element = element_new ("dicenetclassify");

  g_object_set (element, "model", "/nonexistent/\xff.safetensors", NULL);
  expect_start_error (element, GST_RESOURCE_ERROR_NOT_FOUND, "/nonexistent/\xef\xbf\xbd.safetensors", "property model");
  element_free (element);
}
GST_END_TEST;

/* A folder with the small models under the names of the default models. */
static gchar *
default_models_new (void)
{
  gchar *folder = g_dir_make_tmp ("dicenet-test-XXXXXX", NULL);

  for (guint t = 0; t < G_N_ELEMENTS (TASKS); t++) {
    gchar *name = g_strdup_printf ("%s/dicenet-%s.safetensors", folder, TASKS[t]);
    gchar *path = model_path (TASKS[t]);
    fail_unless_equals_int (symlink (path, name), 0);
    g_free (path);
    g_free (name);
  }
  return folder;
}

static void
default_models_free (gchar *folder)
{
  for (guint t = 0; t < G_N_ELEMENTS (TASKS); t++) {
    gchar *name = g_strdup_printf ("%s/dicenet-%s.safetensors", folder, TASKS[t]);
    g_remove (name);
    g_free (name);
  }
  g_rmdir (folder);
  g_free (folder);
}

static void
expect_model (GstElement *element, const gchar *name)
{
  gchar *model;

  g_object_get (element, "model", &model, NULL);
  fail_unless_equals_string (model, name);
  g_free (model);
}

/* Each element has a default model, whose name the property returns, and finds other models by name. */
GST_START_TEST (test_default_model)
{
  gchar *folder = default_models_new ();

  g_setenv ("DICENET_MODEL_PATH", folder, TRUE);
  for (guint t = 0; t < G_N_ELEMENTS (TASKS); t++) {
    gchar *name = g_strconcat ("dicenet", TASKS[t], NULL);
    gchar *model = g_strconcat ("dicenet-", TASKS[t], NULL);
    const gchar *other = t == 0 ? "dicenet-detect" : "dicenet-classify";
    GstElement *element = element_new (name);
    expect_model (element, model);
    expect_start (element);
    g_object_set (element, "model", other, NULL);
    expect_model (element, other);
    expect_start_error (element, GST_RESOURCE_ERROR_SETTINGS, other, "use dicenet");
    g_object_set (element, "model", "", NULL);
    expect_model (element, model);
    expect_start (element);
    g_object_set (element, "model", model, NULL);
    expect_start (element);
    g_object_set (element, "model", NULL, NULL);
    expect_model (element, model);
    element_free (element);
    g_free (model);
    g_free (name);
  }
  g_unsetenv ("DICENET_MODEL_PATH");
  default_models_free (folder);
}
GST_END_TEST;

/* The error names the default model even if the property was never set. */
GST_START_TEST (test_default_model_of_another_task)
{
  gchar *folder = g_dir_make_tmp ("dicenet-test-XXXXXX", NULL);
  gchar *file = g_build_filename (folder, "dicenet-detect.safetensors", NULL), *path = model_path ("segment");
  GstElement *element = element_new ("dicenetdetect");

  fail_unless_equals_int (symlink (path, file), 0);
  g_setenv ("DICENET_MODEL_PATH", folder, TRUE);
  expect_start_error (element, GST_RESOURCE_ERROR_SETTINGS, "'dicenet-detect' is a segmentation model",
                      "use dicenetsegment");
  g_unsetenv ("DICENET_MODEL_PATH");
  element_free (element);
  g_remove (file);
  g_rmdir (folder);
  g_free (path);
  g_free (file);
  g_free (folder);
}
GST_END_TEST;

GST_START_TEST (test_missing_default_model)
{
  for (guint t = 0; t < G_N_ELEMENTS (TASKS); t++) {
    gchar *name = g_strconcat ("dicenet", TASKS[t], NULL);
    gchar *file = g_strdup_printf ("dicenet-%s.safetensors", TASKS[t]);
    gchar *installed = g_build_filename (g_getenv ("DICENET_TEST_INSTALLED"), file, NULL);
    GstElement *element = element_new (name);
    if (!g_file_test (installed, G_FILE_TEST_EXISTS)) /* otherwise the default model is not missing */
      expect_start_error (element, GST_RESOURCE_ERROR_NOT_FOUND, file, g_getenv ("DICENET_TEST_INSTALLED"));
    set_model (element, TASKS[t]);
    expect_start (element);
    element_free (element);
    g_free (installed);
    g_free (file);
    g_free (name);
  }
}
GST_END_TEST;

GST_START_TEST (test_unreadable_model)
{
  GstElement *element = element_new ("dicenetsegment");

  g_object_set (element, "model", g_get_tmp_dir (), NULL);
  expect_start_error (element, GST_RESOURCE_ERROR_OPEN_READ, g_get_tmp_dir (), NULL);
  element_free (element);
}
GST_END_TEST;

GST_START_TEST (test_corrupt_model)
{
  gchar *path = model_path ("segment");
  gchar *contents;
  gsize size;

  fail_unless (g_file_get_contents (path, &contents, &size, NULL));
  expect_bad_model ("", 0, GST_RESOURCE_ERROR_READ);
  expect_bad_model ("this is not a model", 19, GST_RESOURCE_ERROR_READ);
  expect_bad_model (contents, size / 2, GST_RESOURCE_ERROR_READ);
  expect_bad_model (contents, size - 1, GST_RESOURCE_ERROR_READ);
  g_free (contents);
  g_free (path);
}
GST_END_TEST;

GST_START_TEST (test_wrong_task)
{
  for (guint e = 0; e < 3; e++) {
    for (guint m = 0; m < 3; m++) {
      gchar *name = g_strconcat ("dicenet", TASKS[e], NULL);
      gchar *fits = g_strconcat ("use dicenet", TASKS[m], NULL);
      GstElement *element = element_new (name);
      set_model (element, TASKS[m]);
      if (e == m)
        expect_start (element);
      else
        expect_start_error (element, GST_RESOURCE_ERROR_SETTINGS, fits, TASKS[m]);
      element_free (element);
      g_free (name);
      g_free (fits);
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_labels_file)
{
  GstElement *element = element_new ("dicenetsegment");
  gchar *path = temporary_file ("one\ntwo\n", 8);

  set_model (element, "segment");
  g_object_set (element, "labels-file", path, NULL);
  expect_start_error (element, GST_RESOURCE_ERROR_SETTINGS, path, "labels-file");
  g_remove (path);
  expect_start_error (element, GST_RESOURCE_ERROR_OPEN_READ, path, "labels-file");
  g_object_set (element, "labels-file", NULL, NULL);
  expect_start (element);
  g_free (path);
  element_free (element);
}
GST_END_TEST;

GST_START_TEST (test_inference_size)
{
  static const gchar *const bad[] = { "big",   "64",      "64x",   "x64",     "64x64x64",       "-64x64",
                                      "31x64", "64x4097", "6 x 6", "64.0x64", "999999999999x64" };
  static const gchar *const good[] = { "auto", "model", "native", "64x64", "32x4096", "" };
  GstElement *element = element_new ("dicenetsegment");

  set_model (element, "segment");
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_object_set (element, "inference-size", bad[i], NULL);
    expect_start_error (element, GST_RESOURCE_ERROR_SETTINGS, bad[i], "WIDTHxHEIGHT");
  }
  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    g_object_set (element, "inference-size", good[i], NULL);
    expect_start (element);
  }
  element_free (element);
}
GST_END_TEST;

GST_START_TEST (test_class_settings)
{
  static const struct {
    const gchar *property, *value, *part, *part2;
  } bad[] = {
    { "class-thresholds", "persn=0.4", "no class 'persn'", "nearest name is 'person'" },
    { "class-thresholds", "person=0.4,car", "'car'", "label=threshold" },
    { "class-thresholds", "person=1.4", "'person=1.4'", "from 0 to 1" },
    { "class-thresholds", "person=high", "'person=high'", "from 0 to 1" },
    { "class-thresholds", "person=nan", "'person=nan'", "from 0 to 1" },
    { "class-thresholds", "=0.4", "no class ''", "person" },
    { "class-thresholds", "background=0.4", "class-thresholds: ", "'background' is its background" },
    { "object-class", "car,zebra", "no class 'zebra'", "dog" },
    { "object-class", "backgroun", "no class 'backgroun'", "classes are: person, car" },
    { "object-class", "car,Background", "object-class: ", "'Background' is its background" },
    { "object-class", ",", "object-class", "an empty text for all" },
    { "object-class", " , ,", "object-class", "an empty text for all" },
    { "object-class", " ", "object-class", "an empty text for all" },
  };
  GstElement *element = element_new ("dicenetdetect");

  set_model (element, "detect");
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_object_set (element, bad[i].property, bad[i].value, NULL);
    expect_start_error (element, GST_RESOURCE_ERROR_SETTINGS, bad[i].part, bad[i].part2);
    g_object_set (element, bad[i].property, NULL, NULL);
  }
  g_object_set (element, "class-thresholds", " Person = 0.6 ,car=.4,", "object-class", "person,, car,", NULL);
  expect_start (element);
  element_free (element);
}
GST_END_TEST;

/* Messages are short and fast, however long the text is. */
GST_START_TEST (test_long_texts)
{
  static const gchar *const properties[] = { "class-thresholds", "object-class", "inference-size", "model",
                                             "labels-file" };
  gchar *text = g_strnfill (100000, 'x'), *pair = g_strconcat (text, "=0.5", NULL);

  for (guint i = 0; i <= G_N_ELEMENTS (properties); i++) {
    const gboolean as_pair = i == G_N_ELEMENTS (properties);
    GstElement *element = element_new ("dicenetdetect");
    set_model (element, "detect");
    g_object_set (element, as_pair ? "class-thresholds" : properties[i], as_pair ? pair : text, NULL);
    fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
    GstMessage *message = gst_bus_pop_filtered (GST_ELEMENT_BUS (element), GST_MESSAGE_ERROR);
    fail_unless (message != NULL);
    GError *error;
    gchar *debug;
    gst_message_parse_error (message, &error, &debug);
    fail_unless (strlen (error->message) < 10000 && strstr (error->message, "xxxx"), "%" G_GSIZE_FORMAT " bytes",
                 strlen (error->message));
    fail_unless (debug == NULL || strlen (debug) < 10000);
    g_error_free (error);
    g_free (debug);
    gst_message_unref (message);
    element_free (element);
  }
  g_free (pair);
  g_free (text);
}
GST_END_TEST;

/* Settings of a running model can't change: they are refused with a warning, and the value stays. */
GST_START_TEST (test_ready_properties)
{
  GstElement *element = element_new ("dicenetdetect");
  gchar *before, *after;
  guint threads;

  set_model (element, "detect");
  g_object_set (element, "threads", 1, NULL);
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  g_object_get (element, "model", &before, NULL);
  g_object_set (element, "model", "other.safetensors", NULL);
  expect_message (GST_ELEMENT_BUS (element), GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                  "property model", "READY");
  g_object_get (element, "model", &after, NULL);
  fail_unless_equals_string (after, before);
  g_object_set (element, "threads", 2, NULL);
  g_object_get (element, "threads", &threads, NULL);
  fail_unless_equals_int (threads, 1);

  gst_element_set_state (element, GST_STATE_READY);
  g_object_set (element, "threads", 2, NULL);
  g_object_get (element, "threads", &threads, NULL);
  fail_unless_equals_int (threads, 2);
  g_free (before);
  g_free (after);
  element_free (element);
}
GST_END_TEST;

/* An unsupported precision is no error: inference uses single precision, with a warning. */
GST_START_TEST (test_precision_that_is_not_there)
{
  GstElement *element = element_new ("dicenetdetect");
  GParamSpec *property = g_object_class_find_property (G_OBJECT_GET_CLASS (element), "precision");
  const GParamSpecEnum *values = G_PARAM_SPEC_ENUM (property);

  set_model (element, "detect");
  fail_unless_equals_string (g_enum_get_value (values->enum_class, values->default_value)->value_nick, "auto");
  g_setenv ("DICENET_CPU_MASK", "7", TRUE);
  gst_util_set_object_arg (G_OBJECT (element), "precision", "bfloat16");
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  expect_message (GST_ELEMENT_BUS (element), GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                  "bfloat16", "float32");
  gst_element_set_state (element, GST_STATE_NULL);
  gst_util_set_object_arg (G_OBJECT (element), "precision", "auto");
  expect_start (element);
  g_unsetenv ("DICENET_CPU_MASK");
  element_free (element);
}
GST_END_TEST;

int
main (int argc, char **argv)
{
  TCase *tests = tcase_create ("errors");

  g_unsetenv ("DICENET_MODEL_PATH"); /* set by `meson devenv` */
  tcase_add_test (tests, test_missing_model);
  tcase_add_test (tests, test_name_that_is_no_text);
  tcase_add_test (tests, test_default_model);
  tcase_add_test (tests, test_default_model_of_another_task);
  tcase_add_test (tests, test_missing_default_model);
  tcase_add_test (tests, test_unreadable_model);
  tcase_add_test (tests, test_corrupt_model);
  tcase_add_test (tests, test_wrong_task);
  tcase_add_test (tests, test_labels_file);
  tcase_add_test (tests, test_inference_size);
  tcase_add_test (tests, test_class_settings);
  tcase_add_test (tests, test_long_texts);
  tcase_add_test (tests, test_ready_properties);
  tcase_add_test (tests, test_precision_that_is_not_there);
  return run_tests (argc, argv, "errors", tests);
}
