/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* dicenetkafkasink, with librdkafka's own mock of a cluster. */

#include "common.h"

#include <gio/gio.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>

#define BROKER       1
#define PRODUCE      0 /* a request's number */
#define N_PARTITIONS 4

static rd_kafka_t *owner;
static rd_kafka_mock_cluster_t *cluster;
static gchar *folder, *spool;

static rd_kafka_conf_t *
quiet_conf (void)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new ();

  rd_kafka_conf_set_log_cb (conf, NULL);
  return conf;
}

static void
setup (void)
{
  folder = folder_new ();
  spool = g_build_filename (folder, "spool", NULL);
  owner = rd_kafka_new (RD_KAFKA_PRODUCER, quiet_conf (), NULL, 0);
  cluster = rd_kafka_mock_cluster_new (owner, 1);
  fail_unless (cluster != NULL);
  rd_kafka_mock_topic_create (cluster, "cameras", N_PARTITIONS, 1);
}

static void
teardown (void)
{
  rd_kafka_mock_cluster_destroy (cluster);
  rd_kafka_destroy (owner);
  g_free (spool);
  folder_remove (folder);
}

static GstHarness *
kafka_sink_new (const gchar *topic, const gchar *properties)
{
  g_autofree gchar *launch =
      g_strdup_printf ("dicenetkafkasink uri=kafka://%s/%s max-reconnect-interval=1 key=north %s",
                       rd_kafka_mock_cluster_bootstraps (cluster), topic, properties);

  return sink_new (launch);
}

/* What is in the topic, until @last has arrived; checks that all is in one partition. */
static void
consume (Arrivals *arrivals, const gchar *last)
{
  rd_kafka_conf_t *conf = quiet_conf ();
  rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new (N_PARTITIONS);
  gint32 partition = -1;
  gboolean done = FALSE;

  rd_kafka_conf_set (conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps (cluster), NULL, 0);
  rd_kafka_conf_set (conf, "group.id", "test", NULL, 0);
  rd_kafka_t *consumer = rd_kafka_new (RD_KAFKA_CONSUMER, conf, NULL, 0);
  rd_kafka_poll_set_consumer (consumer);
  for (gint32 i = 0; i < N_PARTITIONS; i++)
    rd_kafka_topic_partition_list_add (partitions, "cameras", i)->offset = RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_assign (consumer, partitions);
  rd_kafka_topic_partition_list_destroy (partitions);
  for (const gint64 deadline = g_get_monotonic_time () + 30 * G_TIME_SPAN_SECOND;
       !done && g_get_monotonic_time () < deadline;) {
    rd_kafka_message_t *message = rd_kafka_consumer_poll (consumer, 100);
    if (message && message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      fail_unless (partition == -1 || message->partition == partition);
      fail_unless (message->key_len == 5 && memcmp (message->key, "north", 5) == 0);
      partition = message->partition;
      arrivals_add (arrivals, message->payload, message->len);
      done = message->len == strlen (last) && memcmp (message->payload, last, message->len) == 0;
    }
    if (message)
      rd_kafka_message_destroy (message);
  }
  rd_kafka_consumer_close (consumer);
  rd_kafka_destroy (consumer);
  fail_unless (done, "%s did not arrive, but %u messages", last, arrivals->texts->len);
}

static void
expect_numbers (guint to)
{
  g_autofree gchar *last = g_strdup_printf ("%u", to - 1);
  Arrivals arrivals;

  arrivals_init (&arrivals);
  consume (&arrivals, last);
  arrivals_check_numbers (&arrivals, 0, to, FALSE);
  arrivals_clear (&arrivals);
}

static const gchar *const acks[] = { "acks=-1", "acks=1", "acks=0" };

GST_START_TEST (test_lines)
{
  GstHarness *h = kafka_sink_new ("cameras", acks[__i__]);

  push_text (h, "0\n1\n\n2");
  push_numbers (h, 3, 100);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  fail_unless_equals_uint64 (get_stat (h, "acknowledged"), 100);
  expect_numbers (100);
  fail_unless_equals_int (count_messages (h->element, GST_MESSAGE_WARNING, ""), 0);
  sink_free (h);
}
GST_END_TEST;

/* 10,000 messages pass a broker that is absent at the start and lost later: all arrive, once, in order. */
GST_START_TEST (test_outages)
{
  g_autofree gchar *properties = g_strdup_printf ("max-queue-messages=50 spool-file=%s flush-timeout=30000", spool);

  rd_kafka_mock_broker_set_down (cluster, BROKER);
  GstHarness *h = kafka_sink_new ("cameras", properties);
  push_numbers (h, 0, 3000);
  wait_for_message (h, GST_MESSAGE_WARNING, "No connection");
  rd_kafka_mock_broker_set_up (cluster, BROKER);
  wait_for_message (h, GST_MESSAGE_INFO, "are sent again");
  push_numbers (h, 3000, 6000);
  rd_kafka_mock_broker_set_down (cluster, BROKER);
  push_numbers (h, 6000, 8000);
  rd_kafka_mock_broker_set_up (cluster, BROKER);
  push_numbers (h, 8000, 10000);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  fail_unless_equals_uint64 (get_stat (h, "acknowledged"), 10000);
  fail_unless_equals_uint64 (get_stat (h, "dropped"), 0);
  expect_numbers (10000);
  sink_free (h);
}
GST_END_TEST;

/* What was not sent is sent after the next start. A broker that is down holds up neither stream nor end. */
GST_START_TEST (test_restart)
{
  g_autofree gchar *properties = g_strdup_printf ("spool-file=%s flush-timeout=100", spool);

  rd_kafka_mock_broker_set_down (cluster, BROKER);
  GstHarness *h = kafka_sink_new ("cameras", properties);
  push_numbers (h, 0, 300);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  wait_for_message (h, GST_MESSAGE_WARNING, "300 messages");
  const gint64 start = g_get_monotonic_time ();
  gst_element_set_state (h->element, GST_STATE_NULL);
  fail_unless (g_get_monotonic_time () - start < 2 * G_TIME_SPAN_SECOND);
  sink_free (h);
  rd_kafka_mock_broker_set_up (cluster, BROKER);
  h = kafka_sink_new ("cameras", properties);
  push_numbers (h, 300, 400);
  wait_for_stat (h, "acknowledged", 400);
  sink_free (h);
  expect_numbers (400);
}
GST_END_TEST;

/* When the broker does not let us write, messages wait; they are sent when it does. */
GST_START_TEST (test_refused)
{
  rd_kafka_mock_push_request_errors (cluster, PRODUCE, 2, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                                     RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  GstHarness *h = kafka_sink_new ("cameras", "");
  push_numbers (h, 0, 200);
  fail_unless_equals_int (wait_for_message (h, GST_MESSAGE_WARNING, "'cameras'"), 1);
  wait_for_stat (h, "acknowledged", 200);
  fail_unless_equals_uint64 (get_stat (h, "dropped"), 0);
  sink_free (h);
  expect_numbers (200);
}
GST_END_TEST;

/* Whatever the reason, a broker that takes nothing is told about: here, its partitions have no leader. */
GST_START_TEST (test_silence)
{
  for (gint32 i = 0; i < N_PARTITIONS; i++)
    rd_kafka_mock_partition_set_leader (cluster, "cameras", i, -1);
  GstHarness *h = kafka_sink_new ("cameras", "");
  push_numbers (h, 0, 200);
  fail_unless_equals_int (wait_for_message (h, GST_MESSAGE_WARNING, "for 10 s"), 1);
  for (gint32 i = 0; i < N_PARTITIONS; i++)
    rd_kafka_mock_partition_set_leader (cluster, "cameras", i, BROKER);
  wait_for_message (h, GST_MESSAGE_INFO, "are sent again");
  wait_for_stat (h, "acknowledged", 200);
  sink_free (h);
  expect_numbers (200);
}
GST_END_TEST;

/* A message that the broker or the library will never take is dropped, which is told; others go on. */
GST_START_TEST (test_too_large)
{
  GstHarness *h = kafka_sink_new ("cameras", "");
  g_autofree gchar *large = g_strnfill (2 * 1000 * 1000, 'x');

  push_numbers (h, 0, 10);
  wait_for_stat (h, "acknowledged", 10);
  push_text (h, large);
  fail_unless_equals_int (count_messages (h->element, GST_MESSAGE_WARNING, "2000000 bytes"), 1);
  /* Messages travel together: each is refused only when it was alone. */
  rd_kafka_mock_push_request_errors (cluster, PRODUCE, 2, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                     RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  push_text (h, "refused");
  wait_for_stat (h, "dropped", 2);
  push_numbers (h, 10, 20);
  wait_for_stat (h, "acknowledged", 20);
  fail_unless_equals_uint64 (get_stat (h, "pending"), 0);
  sink_free (h);
  expect_numbers (20);
}
GST_END_TEST;

/* Messages that are too large together are sent one by one. */
GST_START_TEST (test_too_large_together)
{
  GstHarness *h = kafka_sink_new ("cameras", "");

  rd_kafka_mock_push_request_errors (cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  push_numbers (h, 0, 300);
  wait_for_stat (h, "acknowledged", 300);
  fail_unless_equals_uint64 (get_stat (h, "dropped"), 0);
  sink_free (h);
  expect_numbers (300);
}
GST_END_TEST;

/* A server whose certificate nobody whom we trust has signed. */
GST_START_TEST (test_tls)
{
  const guint16 port = free_port ();
  g_autofree gchar *address = g_strdup_printf ("%u", port);
  g_autofree gchar *certificate = g_build_filename (folder, "broker.pem", NULL);
  g_autofree gchar *key = g_build_filename (folder, "broker.key", NULL);
  g_autofree gchar *launch =
      g_strdup_printf ("dicenetkafkasink uri=kafka+ssl://localhost:%u/cameras ca-file=%s/other.pem", port, folder);

  run_openssl (folder,
               "req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout broker.key -out broker.pem -days 1");
  run_openssl (folder, "req -x509 -newkey rsa:2048 -nodes -subj /CN=other -keyout other.key -out other.pem -days 1");
  GSubprocess *server = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL,
                                          g_getenv ("DICENET_TEST_OPENSSL"), "s_server", "-quiet", "-accept", address,
                                          "-cert", certificate, "-key", key, NULL);
  fail_unless (server != NULL);
  wait_for_port (port);
  GstHarness *h = sink_new (launch);
  push_numbers (h, 0, 10);
  fail_unless_equals_int (wait_for_message (h, GST_MESSAGE_WARNING, "ca-file"), 1);
  fail_unless_equals_uint64 (get_stat (h, "pending"), 10);
  sink_free (h);
  g_subprocess_force_exit (server);
  g_subprocess_wait (server, NULL, NULL);
  g_object_unref (server);
}
GST_END_TEST;

GST_START_TEST (test_settings)
{
  static const struct {
    const gchar *properties, *text;
  } cases[] = {
    { "uri=mqtt://localhost/a", "kafka://localhost/cameras" },
    { "uri=kafka://localhost", "kafka://localhost/cameras" },
    { "uri=kafka+ssl://localhost/a ca-file=/dev/null", "ssl.ca.location" },
    { "uri=kafka://localhost/a user=a sasl-mechanism=wrong", "wrong" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    expect_not_started ("dicenetkafkasink", cases[i].properties, cases[i].text);
}
GST_END_TEST;

static Suite *
kafka_suite (void)
{
  Suite *suite = suite_create ("dicenetkafkasink");
  TCase *tests = tcase_create ("kafka");

  suite_add_tcase (suite, tests);
  tcase_add_checked_fixture (tests, setup, teardown);
  tcase_add_loop_test (tests, test_lines, 0, G_N_ELEMENTS (acks));
  tcase_add_test (tests, test_outages);
  tcase_add_test (tests, test_restart);
  tcase_add_test (tests, test_refused);
  tcase_add_test (tests, test_silence);
  tcase_add_test (tests, test_too_large);
  tcase_add_test (tests, test_too_large_together);
  tcase_add_test (tests, test_tls);
  tcase_add_test (tests, test_settings);
  return suite;
}

int
main (int argc, char **argv)
{
  if (!g_getenv ("DICENET_TEST_OPENSSL")) {
    g_printerr ("openssl is missing: Debian's package openssl has it\n");
    return 77;
  }
  gst_check_init (&argc, &argv);
  return gst_check_run_suite (kafka_suite (), "kafka", __FILE__);
}
