/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages on their way, with a client that does what a test says. */

#include "gstdicenetoutbox.h"

#include "common.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>

typedef struct {
  Arrivals arrivals; /* tags are their indices */
  GstDicenetSendResult result;
  GstDicenetOutbox *outbox;
  gint stubborn, ended; /* it does not stop; it has */
} Client;

static gchar *folder, *path;
static GstElement *element;
static Client *client;

static GstDicenetSendResult
client_send (gpointer data, GBytes *message, guint64 *tag)
{
  if (client->result == GST_DICENET_SENT) {
    *tag = client->arrivals.texts->len;
    arrivals_add (&client->arrivals, g_bytes_get_data (message, NULL), g_bytes_get_size (message));
  }
  return client->result;
}

static void
client_run (gpointer data, GstDicenetOutbox *outbox)
{
  while (!gst_dicenet_outbox_is_stopping (outbox) || g_atomic_int_get (&client->stubborn))
    g_usleep (1000);
  g_atomic_int_set (&client->ended, TRUE);
}

static void
client_free (gpointer data)
{
}

static const GstDicenetClientFuncs funcs = { client_send, client_run, client_free };

static void
setup (void)
{
  folder = folder_new ();
  path = g_build_filename (folder, "spool", NULL);
  element = element_new ("fakesink");
}

static void
teardown (void)
{
  gst_object_unref (element);
  g_free (path);
  folder_remove (folder);
}

/* With a spool unless @spool_bytes is 0. */
static GstDicenetOutbox *
start (guint max_messages, guint64 spool_bytes)
{
  const GstDicenetOutboxSettings settings = { max_messages, 1 << 20, "nobody" };
  GstDicenetSpool *spool = spool_bytes > 0 ? gst_dicenet_spool_open (path, spool_bytes, NULL) : NULL;

  client = g_new0 (Client, 1);
  arrivals_init (&client->arrivals);
  return client->outbox = gst_dicenet_outbox_new (element, &settings, spool, &funcs, client);
}

static void
client_clear (void)
{
  arrivals_clear (&client->arrivals);
  g_free (client);
}

static void
stop (void)
{
  gst_dicenet_outbox_stop (client->outbox);
  client_clear ();
}

static void
push (guint from, guint to)
{
  for (guint i = from; i < to; i++) {
    g_autofree gchar *text = g_strdup_printf ("%u", i);
    GBytes *bytes = g_bytes_new (text, strlen (text));
    gst_dicenet_outbox_push (client->outbox, bytes);
    g_bytes_unref (bytes);
  }
}

static guint64
stat_of (const gchar *name)
{
  GstStructure *stats = gst_dicenet_outbox_get_stats (client->outbox);
  guint64 value = 0;

  fail_unless (gst_structure_get_uint64 (stats, name, &value));
  gst_structure_free (stats);
  return value;
}

/* Acknowledges all that was sent, until there is no more. */
static void
acknowledge_all (void)
{
  for (guint i = 0; i < client->arrivals.texts->len; i++)
    gst_dicenet_outbox_acknowledge (client->outbox, i);
}

/* All that is left at the end is there, and sent once, after the next start, wherever it was: sent, in memory, in the
 * spool. Then nothing is left. */
GST_START_TEST (test_leftover)
{
  const guint n = (guint[]){ 1, 50, 150, 1000 }[__i__];

  start (200, 1 << 20);
  gst_dicenet_outbox_set_open (client->outbox, TRUE);
  push (0, n);
  fail_unless_equals_int (client->arrivals.texts->len, MIN (n, 100));
  stop ();
  start (200, 1 << 20);
  fail_unless_equals_uint64 (stat_of ("pending"), n);
  gst_dicenet_outbox_set_open (client->outbox, TRUE);
  acknowledge_all ();
  arrivals_check_numbers (&client->arrivals, 0, n, FALSE);
  fail_unless_equals_uint64 (stat_of ("pending"), 0);
  fail_unless_equals_uint64 (stat_of ("spooled"), 0);
  stop ();
  start (200, 1 << 20);
  fail_unless_equals_uint64 (stat_of ("pending"), 0);
  stop ();
}
GST_END_TEST;

/* What the library gives back is sent again, before all that is newer. */
GST_START_TEST (test_returned)
{
  const guint64 spool_bytes = __i__ == 0 ? 0 : 1 << 20;

  start (__i__ == 0 ? 1000 : 20, spool_bytes);
  gst_dicenet_outbox_set_open (client->outbox, TRUE);
  push (0, 300);
  gst_dicenet_outbox_set_open (client->outbox, FALSE);
  for (guint i = 0; i < 30; i++)
    gst_dicenet_outbox_acknowledge (client->outbox, i);
  gst_dicenet_outbox_return_all (client->outbox);
  push (300, 400);
  g_ptr_array_set_size (client->arrivals.texts, 30);
  gst_dicenet_outbox_set_open (client->outbox, TRUE);
  for (guint i = 30; i < client->arrivals.texts->len; i++)
    gst_dicenet_outbox_acknowledge (client->outbox, i);
  arrivals_check_numbers (&client->arrivals, 0, 400, FALSE);
  fail_unless_equals_uint64 (stat_of ("pending"), 0);
  fail_unless_equals_uint64 (stat_of ("spooled"), 0);
  fail_unless_equals_uint64 (stat_of ("dropped"), 0);
  stop ();
}
GST_END_TEST;

/* A library that needs long to end may acknowledge messages that are saved for the next start already. */
GST_START_TEST (test_late_acknowledgement)
{
  Client *late;

  start (20, 1 << 20);
  push (0, 300);
  gst_dicenet_outbox_set_open (client->outbox, TRUE);
  late = client;
  g_atomic_int_set (&late->stubborn, TRUE);
  gst_dicenet_outbox_ref (late->outbox);
  gst_dicenet_outbox_stop (late->outbox);
  acknowledge_all ();
  gst_dicenet_outbox_set_open (late->outbox, TRUE);
  gst_dicenet_outbox_iterate (late->outbox);
  gst_dicenet_outbox_report (late->outbox, GST_RESOURCE_ERROR_WRITE, "nobody hears this");
  fail_unless_equals_int (late->arrivals.texts->len, 100);
  g_atomic_int_set (&late->stubborn, FALSE);
  while (!g_atomic_int_get (&late->ended))
    g_usleep (1000);
  gst_dicenet_outbox_unref (late->outbox);
  start (20, 1 << 20);
  fail_unless_equals_uint64 (stat_of ("pending"), 300);
  stop ();
  arrivals_clear (&late->arrivals);
  g_free (late);
}
GST_END_TEST;

/* Messages that the library refuses are dropped; those that it takes later wait. */
GST_START_TEST (test_refused)
{
  start (20, __i__ == 0 ? 0 : 1 << 20);
  client->result = GST_DICENET_LATER;
  gst_dicenet_outbox_set_open (client->outbox, TRUE);
  push (0, 15);
  fail_unless_equals_uint64 (stat_of ("pending"), 15);
  client->result = GST_DICENET_REFUSED;
  gst_dicenet_outbox_iterate (client->outbox);
  fail_unless_equals_uint64 (stat_of ("pending"), 0);
  fail_unless_equals_uint64 (stat_of ("dropped"), 15);
  fail_unless_equals_int (count_messages (element, GST_MESSAGE_WARNING, "refuses"), 1);
  client->result = GST_DICENET_SENT;
  push (15, 30);
  gst_dicenet_outbox_refuse (client->outbox, 0);
  acknowledge_all ();
  fail_unless_equals_uint64 (stat_of ("dropped"), 16);
  fail_unless_equals_uint64 (stat_of ("acknowledged"), 14);
  fail_unless_equals_uint64 (stat_of ("pending"), 0);
  stop ();
}
GST_END_TEST;

/* If the spool can't be written, memory still holds the newest messages. */
GST_START_TEST (test_full_disk)
{
  const struct rlimit limit = { 30 * 1024, RLIM_INFINITY };
  struct rlimit before;

  getrlimit (RLIMIT_FSIZE, &before);
  signal (SIGXFSZ, SIG_IGN);
  start (10000, 1 << 20);
  fail_unless_equals_int (setrlimit (RLIMIT_FSIZE, &limit), 0);
  push (0, 20000);
  setrlimit (RLIMIT_FSIZE, &before);
  fail_unless_equals_uint64 (stat_of ("dropped"), 10000);
  gst_dicenet_outbox_set_open (client->outbox, TRUE);
  acknowledge_all ();
  arrivals_check_numbers (&client->arrivals, 10000, 20000, FALSE);
  fail_unless_equals_uint64 (stat_of ("pending"), 0);
  stop ();
}
GST_END_TEST;

static Suite *
outbox_suite (void)
{
  Suite *suite = suite_create ("outbox");
  TCase *tests = tcase_create ("outbox");

  suite_add_tcase (suite, tests);
  tcase_add_checked_fixture (tests, setup, teardown);
  tcase_add_loop_test (tests, test_leftover, 0, 4);
  tcase_add_loop_test (tests, test_returned, 0, 2);
  tcase_add_test (tests, test_late_acknowledgement);
  tcase_add_loop_test (tests, test_refused, 0, 2);
  tcase_add_test (tests, test_full_disk);
  return suite;
}

GST_CHECK_MAIN (outbox);
