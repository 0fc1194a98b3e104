/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-dicenetkafkasink
 * @title: dicenetkafkasink
 * @see_also: dicenetjson, dicenetmqttsink
 *
 * Publishes each line of text that it gets, such as dicenetjson's, as a message to a topic of Apache Kafka. Brokers
 * that are absent, slow or lost never stop the pipeline: messages wait in a queue, then in a file, and are sent in
 * order when they are back. docs/publishing.md says what happens when.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! dicenetdetect ! dicenetjson source=north !
 * dicenetkafkasink uri=kafka://localhost/cameras key=north
 * ]|
 */

#include "gstdicenetpublishsink.h"

#include <librdkafka/rdkafka.h>
#include <string.h>

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_kafka_sink_debug);
#define GST_CAT_DEFAULT gst_dicenet_kafka_sink_debug

const gchar gst_dicenet_publish_sink_name[] = "GstDicenetKafkaBaseSink";
const gchar gst_dicenet_publish_sink_uri[] = "Brokers and topic: kafka://host:port,host:port/topic, or with TLS "
                                             "kafka+ssl://host:port/topic (default port: 9092)";

#define FIRST_DELAY_MS 500

enum {
  PROP_0,
  PROP_ACKS,
  PROP_KEY,
  PROP_SASL_MECHANISM,
};

#define DEFAULT_ACKS           -1
#define DEFAULT_SASL_MECHANISM "PLAIN"

typedef struct {
  GstDicenetPublishSink parent;

  /* Protected by the object lock. */
  gint acks;
  gchar *key, *sasl_mechanism;
} GstDicenetKafkaSink;

typedef GstDicenetPublishSinkClass GstDicenetKafkaSinkClass;

GType gst_dicenet_kafka_sink_get_type (void);
G_DEFINE_TYPE (GstDicenetKafkaSink, gst_dicenet_kafka_sink, GST_TYPE_DICENET_PUBLISH_SINK)
GST_ELEMENT_REGISTER_DECLARE (dicenetkafkasink)
GST_ELEMENT_REGISTER_DEFINE (dicenetkafkasink, "dicenetkafkasink", GST_RANK_NONE, gst_dicenet_kafka_sink_get_type ())

typedef struct {
  rd_kafka_conf_t *conf;
  GstDicenetBroker *broker;
  gchar *key;
  gint64 max_delay; /* between attempts with a new producer, in us */

  rd_kafka_t *producer; /* at the start and while the outbox is open */
  guintptr last_tag;    /* protected by the outbox's lock */

  /* The outbox's thread only. */
  GstDicenetOutbox *outbox;
  gboolean broken, worked; /* the producer must be replaced; it has delivered something */
  gboolean one_by_one;     /* no messages are sent together */
  rd_kafka_resp_err_t error;
  gchar *error_text; /* the last error of a broker */
} Client;

/* --- sending --- */

static GstDicenetSendResult
client_send (gpointer data, GBytes *message, guint64 *tag)
{
  Client *client = data;
  gsize size;
  gconstpointer text = g_bytes_get_data (message, &size);

  const rd_kafka_resp_err_t result = rd_kafka_producev (
      client->producer, RD_KAFKA_V_TOPIC (client->broker->topic), RD_KAFKA_V_VALUE ((void *) text, size),
      RD_KAFKA_V_KEY (client->key, client->key ? strlen (client->key) : 0), RD_KAFKA_V_MSGFLAGS (RD_KAFKA_MSG_F_COPY),
      RD_KAFKA_V_OPAQUE ((void *) (client->last_tag + 1)), RD_KAFKA_V_END);
  if (result == RD_KAFKA_RESP_ERR_NO_ERROR) {
    *tag = ++client->last_tag;
    return GST_DICENET_SENT;
  }
  GST_DEBUG ("%s", rd_kafka_err2str (result));
  return result == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? GST_DICENET_REFUSED : GST_DICENET_LATER;
}

/* --- callbacks, in the outbox's thread --- */

static gboolean
is_about_access (rd_kafka_resp_err_t error)
{
  return error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
         error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
         error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

static void
report (Client *client, rd_kafka_resp_err_t error, const gchar *text)
{
  if (is_about_access (error))
    gst_dicenet_outbox_report (client->outbox, GST_RESOURCE_ERROR_NOT_AUTHORIZED,
                               "The Kafka broker at %s refuses: %s. Check user, password-file or password-env, "
                               "sasl-mechanism, and what the user may write. Messages wait",
                               client->broker->address, text);
  else if (error == RD_KAFKA_RESP_ERR__SSL)
    gst_dicenet_outbox_report (
        client->outbox, GST_RESOURCE_ERROR_OPEN_WRITE,
        "No TLS connection to the Kafka broker at %s: %s. Check that ca-file has the certificate that "
        "signed the broker's, which must be for this host and in date. Messages wait",
        client->broker->address, text);
  else
    gst_dicenet_outbox_report (client->outbox, GST_RESOURCE_ERROR_OPEN_WRITE,
                               "No connection to the Kafka broker at %s: %s. Messages wait", client->broker->address,
                               text);
}

/* The library tries again by itself. One lost broker of several does not matter. */
static void
on_error (rd_kafka_t *producer, int error, const char *text, void *data)
{
  Client *client = data;

  GST_INFO ("%s", text);
  if (error == RD_KAFKA_RESP_ERR__FATAL) { /* of an idempotent producer: another takes its place */
    client->broken = TRUE;
  } else if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    report (client, client->error, client->error_text ? client->error_text : text);
  } else {
    const gchar *how_long = strstr (text, " (after ");
    /* Of two errors of a handshake, which the library reports in any order, only one has its code. */
    client->error = strstr (text, " in state SSL_HANDSHAKE") ? RD_KAFKA_RESP_ERR__SSL : error;
    g_free (client->error_text);
    client->error_text = how_long ? g_strndup (text, (gsize) (how_long - text)) : g_strdup (text);
    if (is_about_access (error))
      report (client, error, client->error_text);
  }
}

static gboolean
is_about_message (rd_kafka_resp_err_t error)
{
  return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
         error == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE || error == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

static void
on_delivery (rd_kafka_t *producer, const rd_kafka_message_t *message, void *data)
{
  Client *client = data;
  const guint64 tag = (guintptr) message->_private;

  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    client->worked = TRUE;
    gst_dicenet_outbox_acknowledge (client->outbox, tag);
  } else if (client->broken) {
    GST_DEBUG ("will be sent again: %s", rd_kafka_err2str (message->err));
  } else if (is_about_message (message->err) && client->one_by_one) {
    gst_dicenet_outbox_refuse (client->outbox, tag);
  } else if (is_about_message (message->err)) {
    /* It may be all that were sent together that are too large. */
    GST_INFO ("%s: messages are sent one by one from now on", rd_kafka_err2str (message->err));
    client->one_by_one = client->broken = TRUE;
  } else {
    /* The library gave the message up: the topic does not exist, say. All are sent again, in order, by a new producer.
     */
    client->broken = TRUE;
    gst_dicenet_outbox_report (
        client->outbox, GST_RESOURCE_ERROR_WRITE,
        "The Kafka broker at %s does not take messages for the topic '%s': %s. Does the topic exist, "
        "and may the user write there? Messages wait",
        client->broker->address, client->broker->topic, rd_kafka_err2str (message->err));
  }
}

static void
on_log (const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
  GST_LOG ("%s: %s", facility, text);
}

/* --- running --- */

static gboolean
make_producer (Client *client, GError **error)
{
  gchar text[512];
  rd_kafka_conf_t *conf = rd_kafka_conf_dup (client->conf);

  if (client->one_by_one)
    rd_kafka_conf_set (conf, "batch.num.messages", "1", NULL, 0);
  client->producer = rd_kafka_new (RD_KAFKA_PRODUCER, conf, text, sizeof text);
  if (!client->producer) {
    rd_kafka_conf_destroy (conf);
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "librdkafka refuses its settings: %s", text);
  }
  return client->producer != NULL;
}

static void
destroy_producer (Client *client)
{
  rd_kafka_purge (client->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_destroy (g_steal_pointer (&client->producer));
}

/* Until the producer is broken, or the outbox is stopping. */
static void
serve (Client *client)
{
  g_autoptr (GError) error = NULL;

  if (!client->producer && !make_producer (client, &error)) {
    report (client, RD_KAFKA_RESP_ERR__INVALID_ARG, error->message);
    return;
  }
  gst_dicenet_outbox_set_open (client->outbox, TRUE);
  while (!client->broken && !gst_dicenet_outbox_is_stopping (client->outbox)) {
    rd_kafka_poll (client->producer, 100);
    gst_dicenet_outbox_iterate (client->outbox);
  }
  gst_dicenet_outbox_set_open (client->outbox, FALSE);
  destroy_producer (client);
}

static void
client_run (gpointer data, GstDicenetOutbox *outbox)
{
  Client *client = data;
  gint64 delay = FIRST_DELAY_MS * G_TIME_SPAN_MILLISECOND;

  client->outbox = outbox;
  while (!gst_dicenet_outbox_is_stopping (outbox)) {
    client->broken = client->worked = FALSE;
    serve (client);
    if (gst_dicenet_outbox_is_stopping (outbox))
      break;
    gst_dicenet_outbox_return_all (outbox);
    delay = client->worked ? FIRST_DELAY_MS * G_TIME_SPAN_MILLISECOND : MIN (2 * delay, client->max_delay);
    gst_dicenet_outbox_wait (outbox, delay);
  }
}

/* --- the client --- */

static void
client_free (gpointer data)
{
  Client *client = data;

  if (client->producer)
    destroy_producer (client);
  rd_kafka_conf_destroy (client->conf);
  g_free (client->error_text);
  gst_dicenet_broker_free (client->broker);
  g_free (client->key);
  g_free (client);
}

/* Sets what is not NULL. */
static gboolean
set (Client *client, const gchar *name, const gchar *value, GError **error)
{
  char text[512];

  if (!value || rd_kafka_conf_set (client->conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
    return TRUE;
  if (strcmp (name, "sasl.password") == 0)
    g_strlcpy (text, "the password is not valid", sizeof text);
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, "librdkafka refuses its setting %s: %s", name,
               text);
  return FALSE;
}

static gboolean
set_number (Client *client, const gchar *name, gint64 value, GError **error)
{
  g_autofree gchar *text = g_strdup_printf ("%" G_GINT64_FORMAT, value);

  return set (client, name, text, error);
}

static gboolean
set_security (Client *client, const GstDicenetBroker *broker, const gchar *mechanism, GError **error)
{
  const gchar *const protocols[2][2] = { { "plaintext", "ssl" }, { "sasl_plaintext", "sasl_ssl" } };

  return set (client, "security.protocol", protocols[broker->user != NULL][broker->tls], error) &&
         set (client, "ssl.ca.location", broker->ca_file, error) &&
         set (client, "ssl.certificate.location", broker->cert_file, error) &&
         set (client, "ssl.key.location", broker->key_file, error) &&
         (!broker->user || set (client, "sasl.mechanism", mechanism, error)) &&
         set (client, "sasl.username", broker->user, error) && set (client, "sasl.password", broker->password, error);
}

/* Messages stay in order, and never expire in the library. */
static gboolean
set_delivery (Client *client, gint acks, guint max_reconnect_interval, GError **error)
{
  return set_number (client, "acks", acks, error) &&
         set (client, "enable.idempotence", acks == -1 ? "true" : "false", error) &&
         (acks == -1 || set (client, "max.in.flight.requests.per.connection", "1", error)) &&
         set (client, "message.timeout.ms", "0", error) && set (client, "socket.keepalive.enable", "true", error) &&
         set_number (client, "reconnect.backoff.ms", FIRST_DELAY_MS, error) &&
         set_number (client, "reconnect.backoff.max.ms", max_reconnect_interval * G_GINT64_CONSTANT (1000), error);
}

static gpointer
gst_dicenet_kafka_sink_open (GstDicenetPublishSink *sink, GstDicenetBroker *broker, GError **error)
{
  GstDicenetKafkaSink *self = (GstDicenetKafkaSink *) sink;
  Client *client = g_new0 (Client, 1);

  client->conf = rd_kafka_conf_new ();
  client->broker = broker;
  client->key = g_strdup (self->key);
  client->max_delay = broker->max_reconnect_interval * G_TIME_SPAN_SECOND;
  rd_kafka_conf_set_opaque (client->conf, client);
  rd_kafka_conf_set_error_cb (client->conf, on_error);
  rd_kafka_conf_set_dr_msg_cb (client->conf, on_delivery);
  rd_kafka_conf_set_log_cb (client->conf, on_log);
  if (set (client, "bootstrap.servers", broker->address, error) &&
      set (client, "client.id", broker->client_id, error) &&
      set_security (client, broker, self->sasl_mechanism, error) &&
      set_delivery (client, self->acks, broker->max_reconnect_interval, error) && make_producer (client, error))
    return client;
  client_free (client);
  return NULL;
}

/* --- element --- */

static void
gst_dicenet_kafka_sink_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDicenetKafkaSink *self = (GstDicenetKafkaSink *) object;

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_ACKS:
    self->acks = g_value_get_int (value);
    break;
  case PROP_KEY:
    g_free (self->key);
    self->key = g_value_dup_string (value);
    break;
  case PROP_SASL_MECHANISM:
    g_free (self->sasl_mechanism);
    self->sasl_mechanism = g_value_dup_string (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_dicenet_kafka_sink_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDicenetKafkaSink *self = (GstDicenetKafkaSink *) object;

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_ACKS:
    g_value_set_int (value, self->acks);
    break;
  case PROP_KEY:
    g_value_set_string (value, self->key);
    break;
  case PROP_SASL_MECHANISM:
    g_value_set_string (value, self->sasl_mechanism);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_dicenet_kafka_sink_finalize (GObject *object)
{
  GstDicenetKafkaSink *self = (GstDicenetKafkaSink *) object;

  g_free (self->key);
  g_free (self->sasl_mechanism);
  G_OBJECT_CLASS (gst_dicenet_kafka_sink_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (
      object_class, PROP_ACKS,
      g_param_spec_int (
          "acks", "Acknowledgements",
          "How many brokers must have a message: 0: messages get lost with the connection; 1: the leader; "
          "-1: all that are in sync, and none arrives twice",
          -1, 1, DEFAULT_ACKS, flags));
  g_object_class_install_property (
      object_class, PROP_KEY,
      g_param_spec_string ("key", "Key",
                           "Key of all messages: those with the same key stay in one partition, and in order (unset: "
                           "none)",
                           NULL, flags));
  g_object_class_install_property (
      object_class, PROP_SASL_MECHANISM,
      g_param_spec_string ("sasl-mechanism", "SASL mechanism",
                           "How user and password are sent: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
                           DEFAULT_SASL_MECHANISM, flags));
}

static const GstDicenetClientFuncs client_funcs = { client_send, client_run, client_free };

static void
gst_dicenet_kafka_sink_class_init (GstDicenetKafkaSinkClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = gst_dicenet_kafka_sink_set_property;
  object_class->get_property = gst_dicenet_kafka_sink_get_property;
  object_class->finalize = gst_dicenet_kafka_sink_finalize;
  install_properties (object_class);

  klass->protocol = "Kafka";
  klass->schemes[0] = "kafka";
  klass->schemes[1] = "kafka+ssl";
  klass->example = "kafka://localhost/cameras";
  klass->funcs = &client_funcs;
  klass->open = gst_dicenet_kafka_sink_open;
  gst_element_class_set_static_metadata (
      GST_ELEMENT_CLASS (klass), "Kafka sink for lines of text", "Sink/Network",
      "Publishes each line of text, such as dicenetjson's, to a topic of Apache Kafka", "The dicenet developers");
}

static void
gst_dicenet_kafka_sink_init (GstDicenetKafkaSink *self)
{
  self->acks = DEFAULT_ACKS;
  self->sasl_mechanism = g_strdup (DEFAULT_SASL_MECHANISM);
}

static gboolean
plugin_init (GstPlugin *plugin)
{
  GST_DEBUG_CATEGORY_INIT (gst_dicenet_kafka_sink_debug, "dicenetkafkasink", 0, "Messages to Kafka brokers");
  return GST_ELEMENT_REGISTER (dicenetkafkasink, plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, dicenetkafka, "Publishes lines of text to Kafka", plugin_init,
                   VERSION, "LGPL", GST_PACKAGE_NAME, GST_PACKAGE_ORIGIN)
