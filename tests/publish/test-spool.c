/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The file in which messages wait. */

#include "gstdicenetspool.h"

#include "common.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static gchar *folder, *path;

static void
setup (void)
{
  folder = folder_new ();
  path = g_build_filename (folder, "spool", NULL);
}

static void
teardown (void)
{
  g_free (path);
  folder_remove (folder);
}

static GstDicenetSpool *
spool_open (guint64 max_bytes)
{
  GError *error = NULL;
  GstDicenetSpool *spool = gst_dicenet_spool_open (path, max_bytes, &error);

  fail_unless (spool != NULL, "%s", error ? error->message : "");
  return spool;
}

/* Returns how many were dropped. */
static guint64
append (GstDicenetSpool *spool, const gchar *text)
{
  GBytes *message = g_bytes_new (text, strlen (text));
  guint64 n_dropped = 0;
  GError *error = NULL;

  fail_unless (gst_dicenet_spool_append (spool, message, &n_dropped, &error), "%s", error ? error->message : "");
  g_bytes_unref (message);
  return n_dropped;
}

static gint64
expect_next (GstDicenetSpool *spool, const gchar *text)
{
  gint64 id = 0;
  GBytes *message = gst_dicenet_spool_take (spool, &id, NULL);

  if (!text) {
    fail_unless (message == NULL);
    return 0;
  }
  fail_unless (message != NULL, "no message, but %s was expected", text);
  g_autofree gchar *found = g_strndup (g_bytes_get_data (message, NULL), g_bytes_get_size (message));
  fail_unless_equals_string (found, text);
  g_bytes_unref (message);
  return id;
}

/* What was taken but not removed is there after a restart, and what was removed is not. */
GST_START_TEST (test_order)
{
  GstDicenetSpool *spool = spool_open (1000);
  struct stat status;

  fail_unless (g_stat (path, &status) == 0 && (status.st_mode & 0777) == 0600);
  fail_unless_equals_int (append (spool, "a") + append (spool, "b") + append (spool, "c"), 0);
  const gint64 a = expect_next (spool, "a");
  expect_next (spool, "b");
  fail_unless (gst_dicenet_spool_remove (spool, a, NULL));
  gst_dicenet_spool_close (spool);

  spool = spool_open (1000);
  fail_unless_equals_uint64 (gst_dicenet_spool_get_n_messages (spool), 2);
  fail_unless_equals_uint64 (gst_dicenet_spool_get_n_bytes (spool), 2);
  append (spool, "d");
  expect_next (spool, "b");
  expect_next (spool, "c");
  fail_unless (gst_dicenet_spool_remove (spool, expect_next (spool, "d"), NULL));
  expect_next (spool, NULL);
  fail_unless_equals_uint64 (gst_dicenet_spool_get_n_messages (spool), 0);
  gst_dicenet_spool_close (spool);
}
GST_END_TEST;

/* What was in memory at the end is older than what is in the file. */
GST_START_TEST (test_prepend)
{
  GstDicenetSpool *spool = spool_open (4);
  GPtrArray *messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  guint64 n_dropped = 0;

  append (spool, "y");
  append (spool, "z");
  for (const gchar *text = "abc"; *text; text++)
    g_ptr_array_add (messages, g_bytes_new (text, 1));
  fail_unless (gst_dicenet_spool_prepend (spool, messages, &n_dropped, NULL));
  fail_unless_equals_uint64 (n_dropped, 1);
  g_ptr_array_unref (messages);
  gst_dicenet_spool_close (spool);
  spool = spool_open (4);
  for (const gchar *const *text = (const gchar *const[]){ "b", "c", "y", "z", NULL }; *text; text++)
    expect_next (spool, *text);
  expect_next (spool, NULL);
  gst_dicenet_spool_close (spool);
}
GST_END_TEST;

/* The oldest messages are dropped, but not those on their way; the file is bounded, and shrinks. */
GST_START_TEST (test_bounds)
{
  GstDicenetSpool *spool = spool_open (100 * 1024);
  g_autofree gchar *text = g_strnfill (1024, 'x');
  gint64 id = 0;
  guint64 n_dropped = 0;
  struct stat status;

  append (spool, "first");
  expect_next (spool, "first");
  append (spool, "second");
  for (guint i = 0; i < 5000; i++)
    n_dropped += append (spool, text);
  fail_unless_equals_uint64 (n_dropped, 5001 - 99);
  fail_unless (g_stat (path, &status) == 0 && status.st_size < 400 * 1024, "%d bytes", (gint) status.st_size);
  g_autofree gchar *large = g_strnfill (200 * 1024, 'x');
  fail_unless (append (spool, large) > 0);
  append (spool, "last");
  for (GBytes *message; (message = gst_dicenet_spool_take (spool, &id, NULL)); g_bytes_unref (message))
    fail_unless (gst_dicenet_spool_remove (spool, id, NULL));
  fail_unless_equals_uint64 (gst_dicenet_spool_get_n_messages (spool), 0);
  fail_unless_equals_uint64 (gst_dicenet_spool_get_n_bytes (spool), 0);
  gst_dicenet_spool_close (spool);
  fail_unless (g_stat (path, &status) == 0 && status.st_size < 32 * 1024, "%d bytes", (gint) status.st_size);
}
GST_END_TEST;

static void
expect_refused (const gchar *file, const gchar *text)
{
  GError *error = NULL;

  fail_unless (gst_dicenet_spool_open (file, 1000, &error) == NULL);
  fail_unless (strstr (error->message, text), "%s", error->message);
  g_error_free (error);
}

/* Files of others stay as they are. */
GST_START_TEST (test_other_files)
{
  g_autofree gchar *content = g_strnfill (5000, 'x'), *after = NULL, *missing = g_strconcat (folder, "/no/spool", NULL);
  gchar *arguments[] = { (gchar *) "sqlite3", path, (gchar *) "CREATE TABLE photos (name)", NULL };
  gint status = 0;

  fail_unless (g_file_set_contents (path, content, -1, NULL));
  expect_refused (path, "is something else");
  fail_unless (g_file_get_contents (path, &after, NULL, NULL));
  fail_unless_equals_string (content, after);
  expect_refused (folder, "directory");
  expect_refused (missing, "No such file");

  g_unlink (path);
  if (g_spawn_sync (NULL, arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL))
    expect_refused (path, "something else");
  g_unlink (path);
  GstDicenetSpool *spool = spool_open (1000);
  expect_refused (path, "another sink");
  gst_dicenet_spool_close (spool);
}
GST_END_TEST;

/* Appends numbers until it is killed. */
static void
append_until_killed (int ready)
{
  GstDicenetSpool *spool = gst_dicenet_spool_open (path, 1 << 30, NULL);

  for (guint i = 0;; i++) {
    g_autofree gchar *text = g_strdup_printf ("%u", i);
    append (spool, text);
    if (i == 200 && write (ready, "x", 1) != 1)
      _exit (1);
  }
}

/* Opens it: the first messages are there, without gaps. */
static guint
count_numbers (void)
{
  GstDicenetSpool *spool = spool_open (1 << 30);
  const guint n = (guint) gst_dicenet_spool_get_n_messages (spool);

  for (guint i = 0; i < n; i++) {
    g_autofree gchar *text = g_strdup_printf ("%u", i);
    expect_next (spool, text);
  }
  expect_next (spool, NULL);
  gst_dicenet_spool_close (spool);
  return n;
}

/* A process that dies loses nothing that it wrote; a power cut may leave a part of the last write. */
GST_START_TEST (test_killed)
{
  g_autofree gchar *log = g_strconcat (path, "-wal", NULL);
  int ready[2];
  char byte;
  struct stat status;

  fail_unless (pipe (ready) == 0);
  const pid_t child = fork ();
  if (child == 0)
    append_until_killed (ready[1]);
  fail_unless_equals_int (read (ready[0], &byte, 1), 1);
  kill (child, SIGKILL);
  waitpid (child, NULL, 0);
  close (ready[0]);
  close (ready[1]);
  fail_unless (g_stat (log, &status) == 0 && status.st_size > 5000);
  fail_unless_equals_int (truncate (log, status.st_size - 1000), 0);
  const guint n = count_numbers ();
  fail_unless (n >= 200, "%u messages", n);
}
GST_END_TEST;

static Suite *
spool_suite (void)
{
  Suite *suite = suite_create ("spool");
  TCase *tests = tcase_create ("spool");

  suite_add_tcase (suite, tests);
  tcase_add_checked_fixture (tests, setup, teardown);
  tcase_add_test (tests, test_order);
  tcase_add_test (tests, test_prepend);
  tcase_add_test (tests, test_bounds);
  tcase_add_test (tests, test_other_files);
  tcase_add_test (tests, test_killed);
  return suite;
}

GST_CHECK_MAIN (spool);
