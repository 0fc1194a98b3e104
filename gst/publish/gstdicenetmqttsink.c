/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-dicenetmqttsink
 * @title: dicenetmqttsink
 * @see_also: dicenetjson, dicenetkafkasink
 *
 * Publishes each line of text that it gets, such as dicenetjson's, as a message of MQTT 3.1.1. A broker that is absent,
 * slow or lost never stops the pipeline: messages wait in a queue, then in a file, and are sent in order when it is
 * back. docs/publishing.md says what happens when.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! dicenetdetect ! dicenetjson source=north !
 * dicenetmqttsink uri=mqtt://localhost/cameras/north
 * ]|
 */

#include "gstdicenetpublishsink.h"

#include <errno.h>
#include <mosquitto.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>

#if LIBMOSQUITTO_VERSION_NUMBER < 2001000 /* mosquitto.h includes it since 2.1 */
#include <mqtt_protocol.h>
#endif

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_mqtt_sink_debug);
#define GST_CAT_DEFAULT gst_dicenet_mqtt_sink_debug

const gchar gst_dicenet_publish_sink_name[] = "GstDicenetMqttBaseSink";
const gchar gst_dicenet_publish_sink_uri[] =
    "Broker and topic: mqtt://host:port/topic, or with TLS mqtts://host:port/topic "
    "(default ports: 1883, 8883)";

/* Seconds; a dead connection is noticed after twice this time at most. */
#define KEEP_ALIVE  30
#define MAX_SENT    100 /* as many as an outbox hands over */
#define FIRST_DELAY (500 * G_TIME_SPAN_MILLISECOND)

enum {
  PROP_0,
  PROP_QOS,
};

#define DEFAULT_QOS 1

typedef struct {
  GstDicenetPublishSink parent;
  gint qos; /* protected by the object lock */
} GstDicenetMqttSink;

typedef GstDicenetPublishSinkClass GstDicenetMqttSinkClass;

GType gst_dicenet_mqtt_sink_get_type (void);
G_DEFINE_TYPE (GstDicenetMqttSink, gst_dicenet_mqtt_sink, GST_TYPE_DICENET_PUBLISH_SINK)
GST_ELEMENT_REGISTER_DECLARE (dicenetmqttsink)
GST_ELEMENT_REGISTER_DEFINE (dicenetmqttsink, "dicenetmqttsink", GST_RANK_NONE, gst_dicenet_mqtt_sink_get_type ())

typedef struct {
  struct mosquitto *mosquitto; /* does not change while the outbox is open */
  GstDicenetBroker *broker;
  gchar *host;
  gint port, qos;

  /* The outbox's thread only. */
  GstDicenetOutbox *outbox;
  gint answer;       /* the broker's, to the attempt to connect; -1: none yet */
  gchar *error;      /* the last that the library told */
  gint error_number; /* the last of the system */

  /* With QoS 2, the broker remembers numbers of messages. They must be those that the library remembers: it forgets old
   * ones in a first connection; and if it forgets those that are on their way, we begin again. */
  gboolean forget; /* this connection is only to make it forget */
  gboolean known;  /* there was a connection that was not */
  gboolean forgotten;
} Client;

/* --- sending --- */

static GstDicenetSendResult
client_send (gpointer data, GBytes *message, guint64 *tag)
{
  Client *client = data;
  gsize size;
  gconstpointer text = g_bytes_get_data (message, &size);
  int id = 0;

  if (size > MQTT_MAX_PAYLOAD)
    return GST_DICENET_REFUSED;
  const int result =
      mosquitto_publish (client->mosquitto, &id, client->broker->topic, (int) size, text, client->qos, false);
  *tag = (guint64) id;
  /* Without a connection, the library keeps what must be acknowledged, and sends it with the next one. */
  if (result == MOSQ_ERR_SUCCESS || (result == MOSQ_ERR_NO_CONN && client->qos > 0))
    return GST_DICENET_SENT;
  return result == MOSQ_ERR_PAYLOAD_SIZE || result == MOSQ_ERR_OVERSIZE_PACKET ? GST_DICENET_REFUSED
                                                                               : GST_DICENET_LATER;
}

/* With QoS 0 the message is written, else the broker has it. */
static void
on_publish (struct mosquitto *mosquitto, void *data, int id)
{
  Client *client = data;

  if (!client->forgotten)
    gst_dicenet_outbox_acknowledge (client->outbox, (guint64) id);
}

/* Before it returns to client_run(), the library sends again what was not acknowledged: new messages must come later.
 */
static void
on_connect (struct mosquitto *mosquitto, void *data, int answer, int flags)
{
  Client *client = data;
  const gboolean has_session = flags & 1;

  client->answer = answer;
  client->forgotten = answer == 0 && client->qos == 2 && client->known && !has_session;
}

/* May be called with locks of the outbox and of the library. */
static void
on_log (struct mosquitto *mosquitto, void *data, int level, const char *text)
{
  Client *client = data;

  GST_LOG ("%s", text);
  if (level == MOSQ_LOG_ERR) { /* by functions that connect, in the outbox's thread */
    g_free (client->error);
    client->error = g_strdup (text);
  }
}

/* --- the library's instance --- */

/* OpenSSL would ask for the password of an encrypted key on the terminal. */
static int
no_password (char *buffer, int size, int write, void *data)
{
  return 0;
}

static gboolean
set_tls (struct mosquitto *mosquitto, const GstDicenetBroker *broker)
{
  if (!broker->ca_file && mosquitto_int_option (mosquitto, MOSQ_OPT_TLS_USE_OS_CERTS, 1) != MOSQ_ERR_SUCCESS)
    return FALSE;
  /* The library wants to be told of a folder, too, before it takes the client's certificate. */
  return (!broker->ca_file && !broker->cert_file) ||
         mosquitto_tls_set (mosquitto, broker->ca_file, broker->ca_file ? NULL : "/etc/ssl/certs", broker->cert_file,
                            broker->key_file, no_password) == MOSQ_ERR_SUCCESS;
}

static gboolean
set_up (Client *client)
{
  const GstDicenetBroker *broker = client->broker;
  struct mosquitto *mosquitto = mosquitto_new (broker->client_id, client->qos < 2 || client->forget, client);

  if (!mosquitto)
    return FALSE;
  mosquitto_threaded_set (mosquitto, true);
  mosquitto_max_inflight_messages_set (mosquitto, MAX_SENT);
  mosquitto_connect_with_flags_callback_set (mosquitto, on_connect);
  mosquitto_publish_callback_set (mosquitto, on_publish);
  mosquitto_log_callback_set (mosquitto, on_log);
  if (mosquitto_username_pw_set (mosquitto, broker->user, broker->password) == MOSQ_ERR_SUCCESS &&
      (!broker->tls || set_tls (mosquitto, broker)))
    client->mosquitto = mosquitto;
  else
    mosquitto_destroy (mosquitto);
  return client->mosquitto != NULL;
}

/* --- connecting --- */

/* What went wrong, without a full stop. */
static gchar *
describe (Client *client, int result)
{
  const gchar *text = client->error;

  if (client->answer > 0)
    text = mosquitto_connack_string (client->answer);
  else if (!text && result == MOSQ_ERR_EAI)
    text = gai_strerror (client->error_number);
  else if (!text && result == MOSQ_ERR_ERRNO)
    text = g_strerror (client->error_number);
  else if (!text)
    text = mosquitto_strerror (result);
  return g_strndup (text, strlen (text) - (g_str_has_suffix (text, ".") ? 1 : 0));
}

/* Says why there is no connection. Returns whether trying again soon makes sense. */
static gboolean
report (Client *client, int result)
{
  g_autofree gchar *what = describe (client, result);

  if (client->answer > 0) {
    gst_dicenet_outbox_report (client->outbox, GST_RESOURCE_ERROR_NOT_AUTHORIZED,
                               "The MQTT broker at %s refuses: %s. Check user, password-file or password-env, and "
                               "client-id. Messages wait",
                               client->broker->address, what);
    return FALSE;
  }
  if (result == MOSQ_ERR_TLS || client->error) {
    gst_dicenet_outbox_report (
        client->outbox, GST_RESOURCE_ERROR_OPEN_WRITE,
        "No TLS connection to the MQTT broker at %s: %s. Check that ca-file has the certificate that "
        "signed the broker's, which must be for this host and in date. Messages wait",
        client->broker->address, what);
    return FALSE;
  }
  gst_dicenet_outbox_report (client->outbox, GST_RESOURCE_ERROR_OPEN_WRITE,
                             "No connection to the MQTT broker at %s: %s. Messages wait", client->broker->address,
                             what);
  return TRUE;
}

/* Until the connection is lost or has done its work, or the outbox is stopping. Returns what the library says. */
static int
serve (Client *client)
{
  int result = mosquitto_connect (client->mosquitto, client->host, client->port, KEEP_ALIVE);
  gboolean open = FALSE;

  client->error_number = errno;
  while (result == MOSQ_ERR_SUCCESS && !gst_dicenet_outbox_is_stopping (client->outbox)) {
    result = mosquitto_loop (client->mosquitto, 100, 1);
    client->error_number = errno;
    gst_dicenet_outbox_iterate (client->outbox);
    if (!open && result == MOSQ_ERR_SUCCESS && client->answer == 0) {
      if (client->forget || client->forgotten)
        break;
      GST_INFO ("connected to %s", client->broker->address);
      open = client->known = TRUE;
      gst_dicenet_outbox_set_open (client->outbox, TRUE);
    }
  }
  gst_dicenet_outbox_set_open (client->outbox, FALSE);
  return result;
}

static void
say_goodbye (Client *client)
{
  if (mosquitto_disconnect (client->mosquitto) == MOSQ_ERR_SUCCESS)
    mosquitto_loop (client->mosquitto, 0, 1);
}

/* Another instance of the library's, which remembers nothing. */
static void
renew (Client *client, gboolean forget)
{
  say_goodbye (client);
  mosquitto_destroy (g_steal_pointer (&client->mosquitto));
  gst_dicenet_outbox_return_all (client->outbox);
  client->forget = forget;
  client->known = client->forgotten = FALSE;
  set_up (client); /* without memory, connecting fails */
}

/* One connection, and what must be done before the next. Returns how long to wait for that. */
static gint64
connect_once (Client *client, gint64 delay)
{
  const gint64 max_delay = client->broker->max_reconnect_interval * G_TIME_SPAN_SECOND;

  client->answer = -1;
  g_clear_pointer (&client->error, g_free);
  const int result = serve (client);
  if (gst_dicenet_outbox_is_stopping (client->outbox))
    return 0;
  if (result == MOSQ_ERR_SUCCESS) {
    renew (client, client->forgotten);
    return 0;
  }
  /* Without acknowledgements, the library forgets what it did not write. */
  if (client->qos == 0)
    gst_dicenet_outbox_return_all (client->outbox);
  if (!report (client, result))
    return max_delay;
  return client->answer == 0 ? FIRST_DELAY : MIN (MAX (2 * delay, FIRST_DELAY), max_delay);
}

/* The library's own thread would end when a name can't be resolved, say. */
static void
client_run (gpointer data, GstDicenetOutbox *outbox)
{
  Client *client = data;
  gint64 delay = 0;
  sigset_t pipe;

  /* Writing to a closed connection is an error here, not the end of the process. */
  sigemptyset (&pipe);
  sigaddset (&pipe, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &pipe, NULL);
  client->outbox = outbox;
  while (!gst_dicenet_outbox_is_stopping (outbox)) {
    delay = connect_once (client, delay);
    gst_dicenet_outbox_wait (outbox, delay);
  }
  say_goodbye (client);
}

/* --- the client --- */

static void
client_free (gpointer data)
{
  Client *client = data;

  if (client->mosquitto)
    mosquitto_destroy (client->mosquitto);
  gst_dicenet_broker_free (client->broker);
  g_free (client->host);
  g_free (client->error);
  g_free (client);
}

/* host, host:port or [address]:port */
static gboolean
parse_address (Client *client)
{
  g_autofree gchar *uri = g_strdup_printf ("mqtt://%s", client->broker->address);

  return g_uri_split_network (uri, G_URI_FLAGS_NONE, NULL, &client->host, &client->port, NULL) && client->host &&
         *client->host && client->port != 0;
}

static gboolean
is_topic (const gchar *text)
{
  return mosquitto_pub_topic_check (text) == MOSQ_ERR_SUCCESS &&
         mosquitto_validate_utf8 (text, (int) strlen (text)) == MOSQ_ERR_SUCCESS;
}

static gpointer
gst_dicenet_mqtt_sink_open (GstDicenetPublishSink *sink, GstDicenetBroker *broker, GError **error)
{
  Client *client = g_new0 (Client, 1);
  g_autofree gchar *wrong = NULL;

  client->broker = broker;
  client->qos = ((GstDicenetMqttSink *) sink)->qos;
  client->forget = client->qos == 2;
  if (!parse_address (client))
    wrong = g_strdup_printf ("Property uri: '%s' is not an address like localhost, localhost:1883 or [::1]:1883",
                             broker->address);
  else if (!is_topic (broker->topic))
    wrong = g_strdup_printf (
        "Property uri: nothing can be published to the topic '%s', which has + or #, is too long or is "
        "no UTF-8",
        broker->topic);
  else if (client->qos == 2 && !broker->client_id)
    wrong =
        g_strdup ("Property mqtt-qos=2 needs client-id, a name of its own by which the broker remembers what it has");
  else if (!set_up (client))
    wrong =
        g_strdup ("libmosquitto refuses client-id, user, password or files for TLS: are they too long, or no UTF-8?");
  if (wrong) {
    g_set_error_literal (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, wrong);
    client_free (client);
    return NULL;
  }
  if (client->port < 0)
    client->port = broker->tls ? 8883 : 1883;
  return client;
}

/* --- element --- */

static void
gst_dicenet_mqtt_sink_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GST_OBJECT_LOCK (object);
  if (id == PROP_QOS)
    ((GstDicenetMqttSink *) object)->qos = g_value_get_int (value);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  GST_OBJECT_UNLOCK (object);
}

static void
gst_dicenet_mqtt_sink_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GST_OBJECT_LOCK (object);
  if (id == PROP_QOS)
    g_value_set_int (value, ((GstDicenetMqttSink *) object)->qos);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  GST_OBJECT_UNLOCK (object);
}

static const GstDicenetClientFuncs client_funcs = { client_send, client_run, client_free };

static void
gst_dicenet_mqtt_sink_class_init (GstDicenetMqttSinkClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->set_property = gst_dicenet_mqtt_sink_set_property;
  object_class->get_property = gst_dicenet_mqtt_sink_get_property;
  g_object_class_install_property (
      object_class, PROP_QOS,
      g_param_spec_int ("mqtt-qos", "MQTT quality of service",
                        "0: messages on their way get lost with the connection; 1: none does, but some may arrive "
                        "twice; 2: each arrives once, while broker and process live (needs client-id)",
                        0, 2, DEFAULT_QOS, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY));

  klass->protocol = "MQTT";
  klass->schemes[0] = "mqtt";
  klass->schemes[1] = "mqtts";
  klass->example = "mqtt://localhost/cameras/north";
  klass->funcs = &client_funcs;
  klass->open = gst_dicenet_mqtt_sink_open;
  gst_element_class_set_static_metadata (GST_ELEMENT_CLASS (klass), "MQTT sink for lines of text", "Sink/Network",
                                         "Publishes each line of text, such as dicenetjson's, to an MQTT broker",
                                         "The dicenet developers");
}

static void
gst_dicenet_mqtt_sink_init (GstDicenetMqttSink *self)
{
  self->qos = DEFAULT_QOS;
}

static gboolean
plugin_init (GstPlugin *plugin)
{
  GST_DEBUG_CATEGORY_INIT (gst_dicenet_mqtt_sink_debug, "dicenetmqttsink", 0, "Messages to an MQTT broker");
  mosquitto_lib_init ();
  return GST_ELEMENT_REGISTER (dicenetmqttsink, plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, dicenetmqtt, "Publishes lines of text by MQTT", plugin_init,
                   VERSION, "LGPL", GST_PACKAGE_NAME, GST_PACKAGE_ORIGIN)
