/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "common.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

/* The machine may be busy. */
#define PATIENCE (30 * G_TIME_SPAN_SECOND)

gchar *
folder_new (void)
{
  gchar *folder = g_dir_make_tmp ("dicenet-publish-XXXXXX", NULL);

  fail_unless (folder != NULL);
  return folder;
}

void
folder_remove (gchar *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (dir))) {
    g_autofree gchar *path = g_build_filename (folder, name, NULL);
    g_unlink (path);
  }
  g_dir_close (dir);
  fail_unless_equals_int (g_rmdir (folder), 0);
  g_free (folder);
}

void
run_openssl (const gchar *folder, const gchar *arguments)
{
  g_autofree gchar *command = g_strdup_printf ("'%s' %s", g_getenv ("DICENET_TEST_OPENSSL"), arguments);
  g_auto (GStrv) words = NULL;
  gint status = -1;

  fail_unless (g_shell_parse_argv (command, NULL, &words, NULL));
  fail_unless (g_spawn_sync (folder, words, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL, &status, NULL) &&
                   status == 0,
               "%s failed", command);
}

guint16
free_port (void)
{
  GSocketListener *listener = g_socket_listener_new ();
  GInetAddress *local = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  GSocketAddress *address = g_inet_socket_address_new (local, 0), *effective = NULL;

  fail_unless (g_socket_listener_add_address (listener, address, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL,
                                              &effective, NULL));
  const guint16 port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (effective));
  g_socket_listener_close (listener);
  g_object_unref (effective);
  g_object_unref (address);
  g_object_unref (local);
  g_object_unref (listener);
  return port;
}

void
wait_for_port (guint16 port)
{
  GSocketClient *client = g_socket_client_new ();
  GSocketConnection *connection = NULL;

  g_socket_client_set_enable_proxy (client, FALSE);
  for (guint i = 0; !connection && i < 1000; i++) {
    connection = g_socket_client_connect_to_host (client, "127.0.0.1", port, NULL, NULL);
    if (!connection)
      g_usleep (20000);
  }
  fail_unless (connection != NULL, "nobody listens on port %u", port);
  g_object_unref (connection);
  g_object_unref (client);
}

GstElement *
element_new (const gchar *launch)
{
  GError *error = NULL;
  GstElement *sink = gst_parse_launch_full (launch, NULL, GST_PARSE_FLAG_NO_SINGLE_ELEMENT_BINS, &error);
  GstBus *bus = gst_bus_new ();

  fail_unless (error == NULL, "%s", error ? error->message : "");
  gst_element_set_bus (sink, bus);
  gst_object_unref (bus);
  return sink;
}

GstHarness *
sink_new (const gchar *launch)
{
  GstElement *sink = element_new (launch);
  GstHarness *h = gst_harness_new_with_element (sink, "sink", NULL);

  gst_object_unref (sink);
  gst_harness_set_src_caps_str (h, "application/x-ndjson");
  return h;
}

void
sink_free (GstHarness *h)
{
  GstElement *sink = gst_object_ref (h->element);

  gst_element_set_state (sink, GST_STATE_NULL);
  gst_element_set_bus (sink, NULL);
  gst_harness_teardown (h);
  ASSERT_OBJECT_REFCOUNT (sink, "the sink", 1);
  gst_object_unref (sink);
}

void
push_text (GstHarness *h, const gchar *text)
{
  GstBuffer *buffer = gst_buffer_new_memdup (text, strlen (text));

  fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_OK);
}

void
push_numbers (GstHarness *h, guint first, guint last)
{
  for (guint i = first; i < last; i++) {
    g_autofree gchar *text = g_strdup_printf ("%u\n", i);
    push_text (h, text);
  }
}

guint64
get_stat (GstHarness *h, const gchar *name)
{
  GstStructure *stats = NULL;
  guint64 value = 0;

  g_object_get (h->element, "stats", &stats, NULL);
  fail_unless (stats && gst_structure_get_uint64 (stats, name, &value), "no statistics of %s", name);
  gst_structure_free (stats);
  return value;
}

void
wait_for_stat (GstHarness *h, const gchar *name, guint64 value)
{
  const gint64 deadline = g_get_monotonic_time () + PATIENCE;

  while (get_stat (h, name) != value && g_get_monotonic_time () < deadline)
    g_usleep (10000);
  fail_unless_equals_uint64 (get_stat (h, name), value);
}

/* Takes the message. Whether it is of this type and has the text. */
static gboolean
matches (GstMessage *message, GstMessageType type, const gchar *text)
{
  GError *error = NULL;

  if (GST_MESSAGE_TYPE (message) != type) {
    gst_message_unref (message);
    return FALSE;
  }
  if (type == GST_MESSAGE_WARNING)
    gst_message_parse_warning (message, &error, NULL);
  else if (type == GST_MESSAGE_INFO)
    gst_message_parse_info (message, &error, NULL);
  else
    gst_message_parse_error (message, &error, NULL);
  const gboolean found = strstr (error->message, text) != NULL;
  GST_INFO ("message: %s", error->message);
  fail_if (strstr (error->message, "secret"), "a password is told: %s", error->message);
  g_error_free (error);
  gst_message_unref (message);
  return found;
}

guint
wait_for_message (GstHarness *h, GstMessageType type, const gchar *text)
{
  GstBus *bus = gst_element_get_bus (h->element);
  GstMessage *message;
  guint n = 0;
  gboolean found = FALSE;

  while (!found && (message = gst_bus_timed_pop_filtered (bus, PATIENCE * 1000, type))) {
    found = matches (message, type, text);
    n++;
  }
  fail_unless (found, "no message with '%s', but %u others", text, n);
  gst_object_unref (bus);
  return n;
}

guint
count_messages (GstElement *element, GstMessageType type, const gchar *text)
{
  GstBus *bus = gst_element_get_bus (element);
  GstMessage *message;
  guint n = 0;

  while ((message = gst_bus_pop (bus)))
    n += matches (message, type, text);
  gst_object_unref (bus);
  return n;
}

/* --- what arrives --- */

void
arrivals_init (Arrivals *arrivals)
{
  g_mutex_init (&arrivals->lock);
  g_cond_init (&arrivals->changed);
  arrivals->texts = g_ptr_array_new_with_free_func (g_free);
}

void
arrivals_clear (Arrivals *arrivals)
{
  g_ptr_array_unref (arrivals->texts);
  g_mutex_clear (&arrivals->lock);
  g_cond_clear (&arrivals->changed);
}

void
arrivals_add (Arrivals *arrivals, const void *text, gsize size)
{
  g_mutex_lock (&arrivals->lock);
  g_ptr_array_add (arrivals->texts, g_strndup (text, size));
  g_cond_broadcast (&arrivals->changed);
  g_mutex_unlock (&arrivals->lock);
}

/* With the lock. */
static gboolean
has_arrived (Arrivals *arrivals, const gchar *text)
{
  for (guint i = arrivals->texts->len; i > 0; i--) {
    if (g_str_equal (g_ptr_array_index (arrivals->texts, i - 1), text))
      return TRUE;
  }
  return FALSE;
}

void
arrivals_wait (Arrivals *arrivals, const gchar *text)
{
  const gint64 deadline = g_get_monotonic_time () + PATIENCE;

  g_mutex_lock (&arrivals->lock);
  while (!has_arrived (arrivals, text) && g_cond_wait_until (&arrivals->changed, &arrivals->lock, deadline))
    ;
  fail_unless (has_arrived (arrivals, text), "%s did not arrive, but %u messages", text, arrivals->texts->len);
  g_mutex_unlock (&arrivals->lock);
}

void
arrivals_check_numbers (Arrivals *arrivals, guint from, guint to, gboolean twice)
{
  guint next = from;

  g_mutex_lock (&arrivals->lock);
  for (guint i = 0; i < arrivals->texts->len; i++) {
    const guint number = (guint) g_ascii_strtoull (g_ptr_array_index (arrivals->texts, i), NULL, 10);
    fail_unless (number == next || (twice && number < next), "%u arrived, not %u", number, next);
    /* What comes again is followed by what followed it. */
    next = number + 1;
  }
  fail_unless_equals_int (next, to);
  fail_unless (twice || arrivals->texts->len == to - from);
  g_mutex_unlock (&arrivals->lock);
}

void
expect_not_started (const gchar *element, const gchar *properties, const gchar *text)
{
  g_autofree gchar *launch = g_strdup_printf ("%s %s", element, properties);
  GstElement *sink = element_new (launch);

  fail_unless_equals_int (gst_element_set_state (sink, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  fail_unless (count_messages (sink, GST_MESSAGE_ERROR, text) == 1, "%s: no error with '%s'", properties, text);
  gst_element_set_state (sink, GST_STATE_NULL);
  gst_object_unref (sink);
}
