/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dicenetmqttsink, with a broker that comes and goes: mosquitto, which the environment variable DICENET_TEST_MOSQUITTO
 * names. */

#include "common.h"

#include <gio/gio.h>
#include <mosquitto.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

/* --- the broker --- */

typedef struct {
  gchar *folder, *config;
  guint16 port;
  GSubprocess *process;
} Broker;

static Broker broker;
static gchar *spool;

/* @more: further lines of its configuration, after its listener. It keeps what it must deliver when it ends. */
static void
broker_configure (const gchar *more)
{
  g_autofree gchar *text =
      g_strdup_printf ("user root\npersistence true\npersistence_location %s/\nmax_queued_messages 0\n"
                       "max_inflight_messages 0\nlistener %u 127.0.0.1\n%s\n",
                       broker.folder, broker.port, more);

  fail_unless (g_file_set_contents (broker.config, text, -1, NULL));
}

static void
broker_start (void)
{
  broker.process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL,
                                     g_getenv ("DICENET_TEST_MOSQUITTO"), "-c", broker.config, NULL);
  fail_unless (broker.process != NULL);
  wait_for_port (broker.port);
}

static void
broker_stop (int signal)
{
  g_subprocess_send_signal (broker.process, signal);
  fail_unless (g_subprocess_wait (broker.process, NULL, NULL));
  g_clear_object (&broker.process);
}

/* Returns when it does nothing any more. */
static void
broker_pause (void)
{
  g_autofree gchar *path = g_strdup_printf ("/proc/%s/stat", g_subprocess_get_identifier (broker.process));
  gboolean stopped = FALSE;

  g_subprocess_send_signal (broker.process, SIGSTOP);
  for (guint i = 0; !stopped && i < 1000; i++) {
    g_autofree gchar *text = NULL;
    fail_unless (g_file_get_contents (path, &text, NULL, NULL));
    stopped = strstr (text, ") T ") != NULL;
    g_usleep (10000);
  }
  fail_unless (stopped);
}

static void
setup (void)
{
  broker.folder = folder_new ();
  broker.config = g_build_filename (broker.folder, "mosquitto.conf", NULL);
  broker.port = free_port ();
  spool = g_build_filename (broker.folder, "spool", NULL);
  broker_configure ("allow_anonymous true");
}

static void
teardown (void)
{
  if (broker.process)
    broker_stop (SIGKILL);
  g_clear_pointer (&broker.config, g_free);
  g_clear_pointer (&spool, g_free);
  folder_remove (g_steal_pointer (&broker.folder));
}

static GstHarness *
mqtt_sink_new (const gchar *properties)
{
  g_autofree gchar *launch = g_strdup_printf (
      "dicenetmqttsink uri=mqtt://127.0.0.1:%u/cameras/north max-reconnect-interval=1 %s", broker.port, properties);

  return sink_new (launch);
}

/* --- a subscriber whose messages the broker keeps while it is away --- */

typedef struct {
  Arrivals arrivals;
  struct mosquitto *mosquitto;
  gint ready;
} Subscriber;

static void
on_message (struct mosquitto *mosquitto, void *data, const struct mosquitto_message *message)
{
  Subscriber *subscriber = data;

  fail_unless_equals_string (message->topic, "cameras/north");
  fail_if (message->retain);
  arrivals_add (&subscriber->arrivals, message->payload, (gsize) message->payloadlen);
}

static void
on_connect (struct mosquitto *mosquitto, void *data, int result)
{
  mosquitto_subscribe (mosquitto, NULL, "#", 2);
}

static void
on_subscribe (struct mosquitto *mosquitto, void *data, int id, int n, const int *qos)
{
  g_atomic_int_set (&((Subscriber *) data)->ready, TRUE);
}

static Subscriber *
subscriber_new (void)
{
  Subscriber *subscriber = g_new0 (Subscriber, 1);

  arrivals_init (&subscriber->arrivals);
  subscriber->mosquitto = mosquitto_new ("subscriber", false, subscriber);
  mosquitto_connect_callback_set (subscriber->mosquitto, on_connect);
  mosquitto_subscribe_callback_set (subscriber->mosquitto, on_subscribe);
  mosquitto_message_callback_set (subscriber->mosquitto, on_message);
  fail_unless_equals_int (mosquitto_connect (subscriber->mosquitto, "127.0.0.1", broker.port, 60), MOSQ_ERR_SUCCESS);
  fail_unless_equals_int (mosquitto_loop_start (subscriber->mosquitto), MOSQ_ERR_SUCCESS);
  for (guint i = 0; i < 1000 && !g_atomic_int_get (&subscriber->ready); i++)
    g_usleep (10000);
  fail_unless (g_atomic_int_get (&subscriber->ready));
  return subscriber;
}

static void
subscriber_free (Subscriber *subscriber)
{
  mosquitto_disconnect (subscriber->mosquitto);
  mosquitto_loop_stop (subscriber->mosquitto, false);
  mosquitto_destroy (subscriber->mosquitto);
  arrivals_clear (&subscriber->arrivals);
  g_free (subscriber);
}

/* --- tests --- */

static const gchar *const qualities[] = { "mqtt-qos=0", "mqtt-qos=1", "mqtt-qos=2 client-id=north" };

/* Lines become messages; a JSON text that is not a line stays whole. The end of the stream waits for the broker. */
GST_START_TEST (test_lines)
{
  broker_start ();
  Subscriber *subscriber = subscriber_new ();
  GstHarness *h = mqtt_sink_new (qualities[__i__]);

  push_text (h, "{\"a\":1}\n");
  push_text (h, "\n{\"b\":2}\r\n\n{\"c\":3}");
  gst_harness_set_src_caps_str (h, "application/json");
  push_text (h, "{\n}\n");
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  fail_unless_equals_uint64 (get_stat (h, "acknowledged"), 4);
  fail_unless_equals_uint64 (get_stat (h, "pending"), 0);
  arrivals_wait (&subscriber->arrivals, "{\n}");
  const gchar *const expected[] = { "{\"a\":1}", "{\"b\":2}", "{\"c\":3}", "{\n}" };
  for (guint i = 0; i < 4; i++)
    fail_unless_equals_string (g_ptr_array_index (subscriber->arrivals.texts, i), expected[i]);
  fail_unless_equals_int (count_messages (h->element, GST_MESSAGE_WARNING, ""), 0);
  sink_free (h);
  subscriber_free (subscriber);
}
GST_END_TEST;

/* 10,000 messages pass a broker that is absent at the start, restarted, and killed. None is lost, all come in order. */
GST_START_TEST (test_outages)
{
  g_autofree gchar *properties = g_strdup_printf ("max-queue-messages=50 spool-file=%s flush-timeout=30000", spool);

  broker_start ();
  Subscriber *subscriber = subscriber_new ();
  broker_stop (SIGTERM);
  GstHarness *h = mqtt_sink_new (properties);
  push_numbers (h, 0, 3000);
  fail_unless_equals_int (wait_for_message (h, GST_MESSAGE_WARNING, "No connection"), 1);
  broker_start ();
  wait_for_message (h, GST_MESSAGE_INFO, "are sent again");
  push_numbers (h, 3000, 6000);
  broker_stop (SIGTERM);
  push_numbers (h, 6000, 8000);
  broker_start ();
  push_numbers (h, 8000, 10000);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  fail_unless_equals_uint64 (get_stat (h, "acknowledged"), 10000);
  fail_unless_equals_uint64 (get_stat (h, "dropped"), 0);
  arrivals_wait (&subscriber->arrivals, "9999");
  arrivals_check_numbers (&subscriber->arrivals, 0, 10000, TRUE);
  sink_free (h);
  subscriber_free (subscriber);
}
GST_END_TEST;

/* With QoS 2, each message arrives once, though another client takes the connection away again and again. If it takes
 * the session, too, which the broker then forgets, some may arrive twice, but none is lost. */
GST_START_TEST (test_session)
{
  const gboolean forget = __i__ == 1;

  broker_start ();
  Subscriber *subscriber = subscriber_new ();
  GstHarness *h = mqtt_sink_new (qualities[2]);
  struct mosquitto *other = mosquitto_new ("north", forget, NULL);

  push_numbers (h, 0, 1);
  wait_for_stat (h, "acknowledged", 1);
  for (guint i = 1; i < 3000; i += 1000) {
    push_numbers (h, i, i + 500);
    fail_unless_equals_int (mosquitto_connect (other, "127.0.0.1", broker.port, 60), MOSQ_ERR_SUCCESS);
    for (guint k = 0; k < 10; k++)
      mosquitto_loop (other, 10, 1);
    mosquitto_disconnect (other);
    push_numbers (h, i + 500, i + 1000);
    wait_for_message (h, GST_MESSAGE_INFO, "are sent again");
  }
  wait_for_stat (h, "acknowledged", 3001);
  arrivals_wait (&subscriber->arrivals, "3000");
  arrivals_check_numbers (&subscriber->arrivals, 0, 3001, forget);
  mosquitto_destroy (other);
  sink_free (h);
  subscriber_free (subscriber);
}
GST_END_TEST;

/* Without a spool the oldest are dropped, which is told once, and again only after recovery. */
GST_START_TEST (test_drop)
{
  GstHarness *h = mqtt_sink_new ("max-queue-messages=10");

  push_numbers (h, 0, 200);
  fail_unless_equals_uint64 (get_stat (h, "dropped"), 190);
  fail_unless_equals_uint64 (get_stat (h, "pending"), 10);
  fail_unless_equals_int (count_messages (h->element, GST_MESSAGE_WARNING, "dropped"), 1);
  broker_start ();
  wait_for_message (h, GST_MESSAGE_INFO, "190 were dropped");
  wait_for_stat (h, "acknowledged", 10);
  broker_stop (SIGKILL);
  wait_for_message (h, GST_MESSAGE_WARNING, "No connection");
  push_numbers (h, 200, 300);
  fail_unless_equals_int (count_messages (h->element, GST_MESSAGE_WARNING, "dropped"), 1);
  sink_free (h);

  /* By bytes. */
  h = mqtt_sink_new ("max-queue-bytes=10");
  push_text (h, "12345\n67890\nabc\nlarger than the queue\n");
  fail_unless_equals_uint64 (get_stat (h, "dropped"), 4);
  sink_free (h);
}
GST_END_TEST;

/* What was not sent is sent after the next start, before what is new. */
GST_START_TEST (test_restart)
{
  g_autofree gchar *properties =
      g_strdup_printf ("max-queue-messages=%u spool-file=%s flush-timeout=100", __i__ == 0 ? 1000 : 20, spool);

  broker_start ();
  Subscriber *subscriber = subscriber_new ();
  broker_stop (SIGTERM);
  GstHarness *h = mqtt_sink_new (properties);
  push_numbers (h, 0, 100);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  wait_for_message (h, GST_MESSAGE_WARNING, "100 messages");
  sink_free (h);
  h = mqtt_sink_new (properties);
  push_numbers (h, 100, 200);
  fail_unless_equals_uint64 (get_stat (h, "pending"), 200);
  sink_free (h);
  broker_start ();
  h = mqtt_sink_new (properties);
  push_numbers (h, 200, 300);
  wait_for_stat (h, "acknowledged", 300);
  wait_for_stat (h, "spooled", 0);
  arrivals_wait (&subscriber->arrivals, "299");
  arrivals_check_numbers (&subscriber->arrivals, 0, 300, FALSE);
  sink_free (h);
  subscriber_free (subscriber);
}
GST_END_TEST;

/* A disk that is full: what can't be written is dropped and counted, and told once. */
GST_START_TEST (test_full_disk)
{
  g_autofree gchar *properties = g_strdup_printf ("max-queue-messages=50 spool-file=%s", spool);
  const struct rlimit limit = { 256 * 1024, RLIM_INFINITY };
  struct rlimit before;

  getrlimit (RLIMIT_FSIZE, &before);
  signal (SIGXFSZ, SIG_IGN);
  GstHarness *h = mqtt_sink_new (properties);
  fail_unless_equals_int (setrlimit (RLIMIT_FSIZE, &limit), 0);
  for (guint i = 0; i < 1000; i++)
    push_text (h,
               "A message that is long enough for a thousand of them not to have room in a small file, even if SQLite "
               "needs nothing for itself, because it has three hundred bytes, or nearly, and so they have nearly 300 "
               "KiB; it is not JSON, but the sink does not care what is in the lines that it publishes.\n");
  const guint64 n_dropped = get_stat (h, "dropped");
  fail_unless (n_dropped > 0);
  fail_unless_equals_uint64 (get_stat (h, "pending"), 1000 - n_dropped);
  fail_unless_equals_int (count_messages (h->element, GST_MESSAGE_WARNING, "the spool can't be written"), 1);
  setrlimit (RLIMIT_FSIZE, &before);
  broker_start ();
  wait_for_stat (h, "acknowledged", 1000 - n_dropped);
  sink_free (h);
}
GST_END_TEST;

static void
expect_quick_end (GstHarness *h)
{
  const gint64 start = g_get_monotonic_time ();

  gst_element_set_state (h->element, GST_STATE_NULL);
  const gint64 time = g_get_monotonic_time () - start;
  fail_unless (time < 2 * G_TIME_SPAN_SECOND, "it took %d ms", (gint) (time / 1000));
}

/* A broker that hangs holds up neither the stream nor the end. */
GST_START_TEST (test_paused)
{
  g_autofree gchar *properties = g_strdup_printf ("max-queue-messages=50 spool-file=%s", spool);

  broker_start ();
  Subscriber *subscriber = subscriber_new ();
  GstHarness *h = mqtt_sink_new (properties);
  push_numbers (h, 0, 100);
  wait_for_stat (h, "acknowledged", 100);
  broker_pause ();
  push_numbers (h, 100, 1000);
  fail_unless_equals_uint64 (get_stat (h, "pending"), 900);
  expect_quick_end (h);
  sink_free (h);
  h = mqtt_sink_new (properties); /* connects, but nobody answers */
  g_usleep (300 * G_TIME_SPAN_MILLISECOND);
  expect_quick_end (h);
  sink_free (h);
  g_subprocess_send_signal (broker.process, SIGCONT);
  h = mqtt_sink_new (properties);
  wait_for_stat (h, "pending", 0);
  /* Those on their way when it hung arrive twice. */
  arrivals_wait (&subscriber->arrivals, "999");
  arrivals_check_numbers (&subscriber->arrivals, 0, 1000, TRUE);
  sink_free (h);
  subscriber_free (subscriber);
}
GST_END_TEST;

/* A host that does not even refuse: a queue of connections that is full. */
GST_START_TEST (test_black_hole)
{
  GInetAddress *local = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  GSocketAddress *address = g_inet_socket_address_new (local, broker.port);
  GSocket *sockets[8];

  for (guint i = 0; i < G_N_ELEMENTS (sockets); i++) {
    sockets[i] = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
    g_socket_set_blocking (sockets[i], FALSE);
    g_socket_set_listen_backlog (sockets[i], 0);
    if (i == 0)
      fail_unless (g_socket_bind (sockets[i], address, TRUE, NULL) && g_socket_listen (sockets[i], NULL));
    else
      g_socket_connect (sockets[i], address, NULL, NULL);
  }
  GstHarness *h = mqtt_sink_new ("flush-timeout=200");
  push_numbers (h, 0, 10);
  g_usleep (300 * G_TIME_SPAN_MILLISECOND);
  fail_unless_equals_uint64 (get_stat (h, "pending"), 10);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  fail_unless_equals_int (count_messages (h->element, GST_MESSAGE_WARNING, "10 messages"), 1);
  expect_quick_end (h);
  sink_free (h);
  for (guint i = 0; i < G_N_ELEMENTS (sockets); i++)
    g_object_unref (sockets[i]);
  g_object_unref (address);
  g_object_unref (local);
}
GST_END_TEST;

static gpointer
push_eos (gpointer data)
{
  gst_harness_push_event (data, gst_event_new_eos ());
  return NULL;
}

/* The end of the stream waits for the broker, but not when the pipeline is stopped. */
GST_START_TEST (test_stop_while_draining)
{
  GstHarness *h = mqtt_sink_new ("flush-timeout=60000");

  push_numbers (h, 0, 10);
  GThread *thread = g_thread_new ("eos", push_eos, h);
  g_usleep (300 * G_TIME_SPAN_MILLISECOND);
  expect_quick_end (h);
  g_thread_join (thread);
  sink_free (h);
}
GST_END_TEST;

static void
make_password_file (const gchar *name, const gchar *user, const gchar *password)
{
  g_autofree gchar *path = g_build_filename (broker.folder, name, NULL),
                   *text = g_strdup_printf ("%s:%s\n", user, password);
  gchar *command[] = { (gchar *) g_getenv ("DICENET_TEST_MOSQUITTO_PASSWD"), (gchar *) "-U", path, NULL };
  gint status = -1;

  fail_unless (g_file_set_contents (path, text, -1, NULL));
  fail_unless (g_spawn_sync (NULL, command, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL, &status, NULL) &&
               status == 0);
}

/* A refused password is told, without the password, and the pipeline goes on. */
GST_START_TEST (test_password)
{
  g_autofree gchar *lines = g_strdup_printf ("allow_anonymous false\npassword_file %s/users", broker.folder);
  g_autofree gchar *file = g_build_filename (broker.folder, "password", NULL);
  g_autofree gchar *properties = g_strdup_printf ("user=cam password-file=%s", file);

  make_password_file ("users", "cam", "secret1");
  broker_configure (lines);
  broker_start ();
  fail_unless (g_file_set_contents (file, "secret2\n", -1, NULL));
  GstHarness *h = mqtt_sink_new (properties);
  push_numbers (h, 0, 10);
  fail_unless_equals_int (wait_for_message (h, GST_MESSAGE_WARNING, "password-file"), 1);
  push_numbers (h, 10, 20);
  fail_unless_equals_uint64 (get_stat (h, "pending"), 20);
  sink_free (h);

  fail_unless (g_file_set_contents (file, "secret1\nanother line\n", -1, NULL));
  h = mqtt_sink_new (properties);
  push_numbers (h, 0, 10);
  wait_for_stat (h, "acknowledged", 10);
  sink_free (h);
  g_setenv ("DICENET_TEST_PASSWORD", "secret1", TRUE);
  h = mqtt_sink_new ("user=cam password-env=DICENET_TEST_PASSWORD");
  push_numbers (h, 0, 10);
  wait_for_stat (h, "acknowledged", 10);
  sink_free (h);
}
GST_END_TEST;

/* @ca: the name of a file, without .pem; NULL: the system's. */
static GstHarness *
tls_sink_new (const gchar *host, const gchar *ca)
{
  g_autofree gchar *file = ca ? g_strdup_printf ("ca-file=%s/%s.pem", broker.folder, ca) : g_strdup ("");
  g_autofree gchar *launch = g_strdup_printf (
      "dicenetmqttsink uri=mqtts://%s:%u/cameras/north max-reconnect-interval=1 %s", host, broker.port, file);

  return sink_new (launch);
}

/* Only a broker whose certificate is for this host, and signed by who we trust, gets messages. */
GST_START_TEST (test_tls)
{
  g_autofree gchar *lines = g_strdup_printf ("allow_anonymous true\ncertfile %s/broker.pem\nkeyfile %s/broker.key",
                                             broker.folder, broker.folder);

  run_openssl (broker.folder, "req -x509 -newkey rsa:2048 -nodes -subj /CN=ours -keyout ca.key -out ca.pem -days 1");
  run_openssl (broker.folder,
               "req -x509 -newkey rsa:2048 -nodes -subj /CN=theirs -keyout other.key -out other.pem -days 1");
  run_openssl (broker.folder, "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout broker.key -out broker.csr");
  run_openssl (broker.folder,
               "x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out broker.pem -days 1");
  broker_configure (lines);
  broker_start ();

  GstHarness *h = tls_sink_new ("localhost", "other");
  push_numbers (h, 0, 10);
  fail_unless_equals_int (wait_for_message (h, GST_MESSAGE_WARNING, "ca-file"), 1);
  sink_free (h);
  h = tls_sink_new ("127.0.0.1", "ca");
  push_numbers (h, 0, 10);
  wait_for_message (h, GST_MESSAGE_WARNING, "for this host");
  fail_unless_equals_uint64 (get_stat (h, "pending"), 10);
  sink_free (h);

  g_autofree gchar *system = g_strdup_printf ("%s/ca.pem", broker.folder);
  g_setenv ("SSL_CERT_FILE", system, TRUE);
  h = tls_sink_new ("localhost", NULL);
  push_numbers (h, 0, 10);
  wait_for_stat (h, "acknowledged", 10);
  sink_free (h);
  g_unsetenv ("SSL_CERT_FILE");

  h = tls_sink_new ("localhost", "ca");
  push_numbers (h, 0, 10);
  wait_for_stat (h, "acknowledged", 10);
  /* Writing to a connection that is gone must not end the process. */
  broker_stop (SIGKILL);
  push_numbers (h, 10, 100);
  broker_start ();
  push_numbers (h, 100, 200);
  wait_for_stat (h, "acknowledged", 200);
  sink_free (h);
}
GST_END_TEST;

/* Errors say what to set. */
GST_START_TEST (test_settings)
{
  static const struct {
    const gchar *properties, *text;
  } cases[] = {
    { "", "uri is not set" },
    { "uri=http://localhost/a", "mqtt://localhost/cameras/north" },
    { "uri=mqtt:a", "mqtt://localhost/cameras/north" },
    { "uri=mqtt://localhost", "mqtt://localhost/cameras/north" },
    { "uri=mqtt://localhost/", "missing" },
    { "uri=mqtt://cam:secret@localhost/a", "password-file" },
    { "uri=mqtt://localhost:99999/a", "99999" },
    { "uri=mqtt://localhost/a/%2B", "+" },
    { "uri=mqtt://localhost/%FF", "topic" },
    { "uri=mqtt://localhost/a mqtt-qos=2", "client-id" },
    { "uri=mqtt://localhost/a ca-file=/no/file", "/no/file" },
    { "uri=mqtt://localhost/a ca-file=/dev/null", "mqtts://" },
    { "uri=mqtts://localhost/a cert-file=/dev/null", "key-file" },
    { "uri=mqtt://localhost/a password-env=PATH", "set user" },
    { "uri=mqtt://localhost/a user=a password-env=DICENET_TEST_NOTHING", "DICENET_TEST_NOTHING" },
    { "uri=mqtt://localhost/a user=a password-file=/dev/null", "empty" },
    { "uri=mqtt://localhost/a user=a password-file=/dev/zero", "password-file" },
    { "uri=mqtt://localhost/a user=a password-file=/no/file", "/no/file" },
    { "uri=mqtt://localhost/a user=a password-file=/a password-env=PATH", "both" },
    { "uri=mqtt://localhost/a spool-file=/no/spool", "/no/spool" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    expect_not_started ("dicenetmqttsink", cases[i].properties, cases[i].text);
}
GST_END_TEST;

static Suite *
mqtt_suite (void)
{
  Suite *suite = suite_create ("dicenetmqttsink");
  TCase *tests = tcase_create ("mqtt");

  suite_add_tcase (suite, tests);
  tcase_add_checked_fixture (tests, setup, teardown);
  tcase_add_loop_test (tests, test_lines, 0, G_N_ELEMENTS (qualities));
  tcase_add_test (tests, test_outages);
  tcase_add_loop_test (tests, test_session, 0, 2);
  tcase_add_test (tests, test_drop);
  tcase_add_loop_test (tests, test_restart, 0, 2);
  tcase_add_test (tests, test_full_disk);
  tcase_add_test (tests, test_paused);
  tcase_add_test (tests, test_black_hole);
  tcase_add_test (tests, test_stop_while_draining);
  tcase_add_test (tests, test_password);
  tcase_add_test (tests, test_tls);
  tcase_add_test (tests, test_settings);
  return suite;
}

int
main (int argc, char **argv)
{
  if (!g_getenv ("DICENET_TEST_MOSQUITTO") || !g_getenv ("DICENET_TEST_MOSQUITTO_PASSWD") ||
      !g_getenv ("DICENET_TEST_OPENSSL")) {
    g_printerr (
        "mosquitto, mosquitto_passwd or openssl is missing: Debian's packages mosquitto and openssl have them\n");
    return 77;
  }
  gst_check_init (&argc, &argv);
  mosquitto_lib_init ();
  return gst_check_run_suite (mqtt_suite (), "mqtt", __FILE__);
}
