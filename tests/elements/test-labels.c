/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* class-thresholds and object-class, parsed with a model's labels. */

#include <gst/check/gstcheck.h>
#include <time.h>
#include "inference/gstdicenetlabels.h"

static void
expect (const gchar *const *labels, guint first, const gchar *class_thresholds, const gchar *object_class,
        const gfloat *expected, guint n)
{
  GError *error = NULL;
  gfloat *found = gst_dicenet_labels_parse_thresholds (labels, first, class_thresholds, object_class, &error);

  fail_unless (found != NULL, "%s", error ? error->message : "");
  for (guint i = 0; i < n; i++)
    fail_unless (found[i] == expected[i], "class %u: %g", i, found[i]);
  g_free (found);
}

/* Labels are compared without case; of equal labels the first one counts; -1 if not set, 2 if excluded. */
GST_START_TEST (test_names)
{
  static const gchar *const labels[] = { "none", "b", "A", "a", "C", "b2", "", NULL };

  expect (labels, 1, NULL, NULL, (const gfloat[]){ -1, -1, -1, -1, -1, -1, -1 }, 7);
  expect (labels, 1, "a=0.5, c = 0.25 ,B=1", "", (const gfloat[]){ -1, 1, 0.5f, -1, 0.25f, -1, -1 }, 7);
  expect (labels, 1, "b=0.5,c=0.5", "A,,C", (const gfloat[]){ 2, 2, -1, 2, 0.5f, 2, 2 }, 7);
  expect (labels, 1, "b=0.5,b=0.25", "B2", (const gfloat[]){ 2, 2, 2, 2, 2, -1, 2 }, 7);
  expect (labels, 1, "=0.5", NULL, (const gfloat[]){ -1, -1, -1, -1, -1, -1, 0.5f }, 7);
  expect (labels, 0, "None=0.5,b=1", NULL, (const gfloat[]){ 0.5f, 1, -1, -1, -1, -1, -1 }, 7);
  for (guint i = 0; i < 4; i++) {
    static const gchar *const bad[] = { "none", "b3", "aa", "0" };
    GError *error = NULL;
    fail_unless (gst_dicenet_labels_parse_thresholds (labels, 1, NULL, bad[i], &error) == NULL);
    fail_unless (strstr (error->message, bad[i]) != NULL, "%s", error->message);
    g_clear_error (&error);
  }
}
GST_END_TEST;

/* Names come from a file: control characters for terminals are removed from messages. */
GST_START_TEST (test_names_in_errors)
{
  static const gchar *const labels[] = { "b\n\x1b[2J", "car\x1b[1m", NULL };
  static const gchar *const names[] = { "b\n\x1b[2J", "c\x1b[1m" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    GError *error = NULL;
    fail_unless (gst_dicenet_labels_parse_thresholds (labels, 1, NULL, names[i], &error) == NULL);
    for (const gchar *at = error->message; *at; at++)
      fail_unless (!g_ascii_iscntrl (*at), "%s", error->message);
    g_clear_error (&error);
  }
}
GST_END_TEST;

/* The maximum number of classes, each set twice: the time is not the product of both numbers. */
GST_START_TEST (test_many)
{
#ifdef DICENET_SANITIZED
  const guint n = 1000; /* each of the texts takes it a millisecond */
#else
  const guint n = 65535;
#endif
  gchar **labels = g_new0 (gchar *, n + 1);
  GString *thresholds = g_string_new (NULL), *allowed = g_string_new (NULL);
  GError *error = NULL;

  for (guint i = 0; i < n; i++)
    labels[i] = g_strdup_printf ("a class of some length %u", (i * 7919) % 65536);
  for (guint i = 1; i < n; i++) {
    g_string_append_printf (thresholds, "%s=0.25,%s=0.5,", labels[i], labels[i]);
    g_string_append_printf (allowed, "%s,", labels[n - i]);
  }
  const clock_t start = clock (); /* CPU time of this process, as others may be busy */
  gfloat *found =
      gst_dicenet_labels_parse_thresholds ((const gchar *const *) labels, 1, thresholds->str, allowed->str, &error);
  const glong took = (clock () - start) * 1000 / CLOCKS_PER_SEC;
  fail_unless (found != NULL, "%s", error ? error->message : "");
  for (guint i = 1; i < n; i++)
    if (found[i] != 0.5f)
      fail ("class %u: %g", i, found[i]);
  fail_unless (took < 5000, "%ld ms", took);
  g_free (found);
  g_strfreev (labels);
  g_string_free (thresholds, TRUE);
  g_string_free (allowed, TRUE);
}
GST_END_TEST;

static Suite *
labels_suite (void)
{
  Suite *suite = suite_create ("labels");
  TCase *tests = tcase_create ("labels");

  suite_add_tcase (suite, tests);
  tcase_add_test (tests, test_names);
  tcase_add_test (tests, test_names_in_errors);
  tcase_add_test (tests, test_many);
  return suite;
}

GST_CHECK_MAIN (labels);
