/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What sinks that publish messages have in common: properties, buffers to messages, and an outbox while they are
 * started. */

#include "gstdicenetpublishsink.h"

#include <string.h>

enum {
  PROP_0,
  PROP_URI,
  PROP_CLIENT_ID,
  PROP_CA_FILE,
  PROP_CERT_FILE,
  PROP_KEY_FILE,
  PROP_USER,
  PROP_PASSWORD_FILE,
  PROP_PASSWORD_ENV,
  PROP_MAX_RECONNECT_INTERVAL,
  PROP_MAX_QUEUE_MESSAGES,
  PROP_MAX_QUEUE_BYTES,
  PROP_SPOOL_FILE,
  PROP_MAX_SPOOL_BYTES,
  PROP_FLUSH_TIMEOUT,
  PROP_STATS,
};

#define DEFAULT_MAX_RECONNECT_INTERVAL 30
#define DEFAULT_MAX_QUEUE_MESSAGES     10000
#define DEFAULT_MAX_QUEUE_BYTES        (10 * 1024 * 1024)
#define DEFAULT_MAX_SPOOL_BYTES        (100 * 1024 * 1024)
#define DEFAULT_FLUSH_TIMEOUT          5000

/* A password is shorter, and a file that was named by mistake may be large. */
#define MAX_PASSWORD 4096

static GObjectClass *parent_class;

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                             GST_STATIC_CAPS ("application/x-ndjson; application/json; text/plain; text/x-raw"));

/* --- where to connect --- */

void
gst_dicenet_broker_free (GstDicenetBroker *broker)
{
  g_free (broker->address);
  g_free (broker->topic);
  g_free (broker->client_id);
  g_free (broker->ca_file);
  g_free (broker->cert_file);
  g_free (broker->key_file);
  g_free (broker->user);
  g_free (broker->password);
  g_free (broker);
}

G_GNUC_PRINTF (2, 3)
static gboolean
fail (GError **error, const gchar *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  if (error)
    *error = g_error_new_valist (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, format, arguments);
  va_end (arguments);
  return FALSE;
}

/* scheme://address/topic. The address may be a list, which other parsers refuse. */
static gboolean
parse_uri (GstDicenetPublishSinkClass *klass, const gchar *uri, GstDicenetBroker *broker, GError **error)
{
  if (!uri)
    return fail (error, "Property uri is not set: it says where to publish, as in uri=%s", klass->example);
  if (strchr (uri, '@'))
    return fail (error, "Property uri has a user name before @, where a password would be visible: set user and "
                        "password-file or password-env, and write @ in a topic as %%40");
  g_autofree gchar *scheme = g_uri_parse_scheme (uri);
  const gchar *rest = scheme ? uri + strlen (scheme) + 1 : "", *slash = strchr (rest + strspn (rest, "/"), '/');
  broker->tls = g_strcmp0 (scheme, klass->schemes[1]) == 0;
  if ((!broker->tls && g_strcmp0 (scheme, klass->schemes[0]) != 0) || !g_str_has_prefix (rest, "//") || !slash ||
      slash - rest < 3)
    return fail (error, "Property uri is '%s', but must be like %s, or %s://... with TLS", uri, klass->example,
                 klass->schemes[1]);
  broker->address = g_strndup (rest + 2, (gsize) (slash - rest - 2));
  broker->topic = g_uri_unescape_string (slash + 1, NULL);
  if (!broker->topic || !*broker->topic || strpbrk (slash + 1, "?#"))
    return fail (error, "Property uri is '%s': the topic, after the address and /, is %s, as in uri=%s", uri,
                 slash[1] ? "not valid (%3F stands for ?, %23 for #)" : "missing", klass->example);
  return TRUE;
}

/* A property's value, if it names a file that can be read. */
static gboolean
check_file (const gchar *property, const gchar *path, gchar **copy, GError **error)
{
  g_autoptr (GFile) file = path ? g_file_new_for_path (path) : NULL;
  g_autoptr (GError) cause = NULL;
  g_autoptr (GFileInputStream) stream = path ? g_file_read (file, NULL, &cause) : NULL;

  if (path && !stream)
    return fail (error, "Property %s: %s", property, cause->message);
  *copy = g_strdup (path);
  return TRUE;
}

/* The file's first line. */
static gboolean
read_password (const gchar *path, gchar **password, GError **error)
{
  gchar text[MAX_PASSWORD + 1];
  gsize size = 0;
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GError) cause = NULL;
  g_autoptr (GFileInputStream) stream = g_file_read (file, NULL, &cause);

  if (!stream || !g_input_stream_read_all (G_INPUT_STREAM (stream), text, MAX_PASSWORD, &size, NULL, &cause))
    return fail (error, "Property password-file: %s", cause->message);
  text[size] = '\0';
  text[strcspn (text, "\r\n")] = '\0';
  if (!*text || size == MAX_PASSWORD)
    return fail (error, "Property password-file: the first line of '%s' must be the password; it is %s", path,
                 *text ? "too long" : "empty");
  *password = g_strdup (text);
  return TRUE;
}

static gboolean
get_password (GstDicenetPublishSink *self, gchar **password, GError **error)
{
  const gchar *value = self->password_env ? g_getenv (self->password_env) : NULL;

  if (self->password_env && self->password_file)
    return fail (error, "Properties password-file and password-env are both set: one must say what the password is");
  if (self->password_env && !value)
    return fail (error, "Property password-env: there is no environment variable '%s'", self->password_env);
  if ((self->password_env || self->password_file) && !self->user)
    return fail (error, "There is a password, but no user: set user");
  *password = g_strdup (value);
  return !self->password_file || read_password (self->password_file, password, error);
}

static gboolean
fill_broker (GstDicenetPublishSink *self, GstDicenetBroker *broker, GError **error)
{
  broker->client_id = g_strdup (self->client_id);
  broker->user = g_strdup (self->user);
  broker->max_reconnect_interval = self->max_reconnect_interval;
  if (!parse_uri (GST_DICENET_PUBLISH_SINK_GET_CLASS (self), self->uri, broker, error) ||
      !check_file ("ca-file", self->ca_file, &broker->ca_file, error) ||
      !check_file ("cert-file", self->cert_file, &broker->cert_file, error) ||
      !check_file ("key-file", self->key_file, &broker->key_file, error) ||
      !get_password (self, &broker->password, error))
    return FALSE;
  if (!broker->tls && (broker->ca_file || broker->cert_file || broker->key_file))
    return fail (error,
                 "Properties ca-file, cert-file and key-file are for TLS, which the uri '%s' does without: it must "
                 "begin with %s://",
                 self->uri, GST_DICENET_PUBLISH_SINK_GET_CLASS (self)->schemes[1]);
  if (!broker->cert_file != !broker->key_file)
    return fail (error, "Properties cert-file and key-file belong together: set both or none");
  return TRUE;
}

/* --- starting and stopping --- */

/* With the object lock. */
static gpointer
make_client (GstDicenetPublishSink *self, gchar **name, GError **error)
{
  GstDicenetPublishSinkClass *klass = GST_DICENET_PUBLISH_SINK_GET_CLASS (self);
  GstDicenetBroker *broker = g_new0 (GstDicenetBroker, 1);

  if (!fill_broker (self, broker, error)) {
    gst_dicenet_broker_free (broker);
    return NULL;
  }
  *name = g_strdup_printf ("the %s broker at %s", klass->protocol, broker->address);
  return klass->open (self, broker, error);
}

static GstDicenetOutbox *
make_outbox (GstDicenetPublishSink *self, GError **error)
{
  const GstDicenetClientFuncs *funcs = GST_DICENET_PUBLISH_SINK_GET_CLASS (self)->funcs;
  g_autofree gchar *name = NULL;
  GstDicenetSpool *spool = NULL;

  GST_OBJECT_LOCK (self);
  gpointer client = make_client (self, &name, error);
  const GstDicenetOutboxSettings settings = { self->max_queue_messages, self->max_queue_bytes, name };
  g_autofree gchar *path = g_strdup (self->spool_file);
  const guint64 max_spool_bytes = self->max_spool_bytes;
  GST_OBJECT_UNLOCK (self);

  if (client && path) {
    g_autoptr (GError) cause = NULL;
    spool = gst_dicenet_spool_open (path, max_spool_bytes, &cause);
    if (!spool) {
      fail (error, "Property spool-file: '%s' can't be used: %s", path, cause->message);
      funcs->free (g_steal_pointer (&client));
    }
  }
  return client ? gst_dicenet_outbox_new (GST_ELEMENT (self), &settings, spool, funcs, client) : NULL;
}

static gboolean
start (GstDicenetPublishSink *self)
{
  g_autoptr (GError) error = NULL;
  GstDicenetOutbox *outbox = make_outbox (self, &error);

  if (!outbox) {
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", error->message), (NULL));
    return FALSE;
  }
  GST_OBJECT_LOCK (self);
  self->outbox = outbox;
  GST_OBJECT_UNLOCK (self);
  self->whole_buffers = FALSE;
  return TRUE;
}

static void
stop (GstDicenetPublishSink *self)
{
  GST_OBJECT_LOCK (self);
  GstDicenetOutbox *outbox = g_steal_pointer (&self->outbox);
  GST_OBJECT_UNLOCK (self);
  if (outbox)
    gst_dicenet_outbox_stop (outbox);
}

/* GstBaseSink's start() comes with READY, where properties may still change. */
static GstStateChangeReturn
gst_dicenet_publish_sink_change_state (GstElement *element, GstStateChange transition)
{
  GstDicenetPublishSink *self = GST_DICENET_PUBLISH_SINK (element);

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !start (self))
    return GST_STATE_CHANGE_FAILURE;
  const GstStateChangeReturn ret = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED && ret == GST_STATE_CHANGE_FAILURE))
    stop (self);
  return ret;
}

static GstDicenetOutbox *
get_outbox (GstDicenetPublishSink *self)
{
  GST_OBJECT_LOCK (self);
  GstDicenetOutbox *outbox = self->outbox ? gst_dicenet_outbox_ref (self->outbox) : NULL;
  GST_OBJECT_UNLOCK (self);
  return outbox;
}

static void
set_flushing (GstDicenetPublishSink *self, gboolean flushing)
{
  GstDicenetOutbox *outbox = get_outbox (self);

  if (outbox) {
    gst_dicenet_outbox_set_flushing (outbox, flushing);
    gst_dicenet_outbox_unref (outbox);
  }
}

static gboolean
gst_dicenet_publish_sink_unlock (GstBaseSink *sink)
{
  set_flushing (GST_DICENET_PUBLISH_SINK (sink), TRUE);
  return TRUE;
}

static gboolean
gst_dicenet_publish_sink_unlock_stop (GstBaseSink *sink)
{
  set_flushing (GST_DICENET_PUBLISH_SINK (sink), FALSE);
  return TRUE;
}

/* --- streaming --- */

/* A line's end belongs to no message, and an empty line is none. */
static void
push_message (GstDicenetPublishSink *self, const gchar *text, gsize size)
{
  while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
    size--;
  if (size == 0)
    return;
  GBytes *message = g_bytes_new (text, size);
  gst_dicenet_outbox_push (self->outbox, message);
  g_bytes_unref (message);
}

static GstFlowReturn
gst_dicenet_publish_sink_render (GstBaseSink *sink, GstBuffer *buffer)
{
  GstDicenetPublishSink *self = GST_DICENET_PUBLISH_SINK (sink);
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ)) {
    GST_ELEMENT_ERROR (self, RESOURCE, READ, ("The buffer's memory can't be read"), (NULL));
    return GST_FLOW_ERROR;
  }
  const gchar *text = (const gchar *) map.data, *end = text + map.size;
  while (text < end) {
    const gchar *line_end = self->whole_buffers ? NULL : memchr (text, '\n', (gsize) (end - text));
    const gchar *next = line_end ? line_end + 1 : end;
    push_message (self, text, (gsize) (next - text));
    text = next;
  }
  gst_buffer_unmap (buffer, &map);
  return GST_FLOW_OK;
}

/* A JSON text may have line ends in it. */
static gboolean
gst_dicenet_publish_sink_set_caps (GstBaseSink *sink, GstCaps *caps)
{
  GST_DICENET_PUBLISH_SINK (sink)->whole_buffers =
      gst_structure_has_name (gst_caps_get_structure (caps, 0), "application/json");
  return TRUE;
}

static gboolean
gst_dicenet_publish_sink_event (GstBaseSink *sink, GstEvent *event)
{
  GstDicenetPublishSink *self = GST_DICENET_PUBLISH_SINK (sink);

  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    GST_OBJECT_LOCK (self);
    const gint64 timeout = self->flush_timeout * (gint64) G_TIME_SPAN_MILLISECOND;
    GST_OBJECT_UNLOCK (self);
    gst_dicenet_outbox_drain (self->outbox, timeout);
  }
  return GST_BASE_SINK_CLASS (parent_class)->event (sink, event);
}

/* --- properties --- */

static gchar **
string_of (GstDicenetPublishSink *self, guint id)
{
  switch (id) {
  case PROP_URI:
    return &self->uri;
  case PROP_CLIENT_ID:
    return &self->client_id;
  case PROP_CA_FILE:
    return &self->ca_file;
  case PROP_CERT_FILE:
    return &self->cert_file;
  case PROP_KEY_FILE:
    return &self->key_file;
  case PROP_USER:
    return &self->user;
  case PROP_PASSWORD_FILE:
    return &self->password_file;
  case PROP_PASSWORD_ENV:
    return &self->password_env;
  case PROP_SPOOL_FILE:
    return &self->spool_file;
  default:
    return NULL;
  }
}

static void
gst_dicenet_publish_sink_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDicenetPublishSink *self = GST_DICENET_PUBLISH_SINK (object);
  gchar **string = string_of (self, id);

  GST_OBJECT_LOCK (self);
  if (string) {
    g_free (*string);
    *string = g_value_dup_string (value);
  } else if (id == PROP_MAX_RECONNECT_INTERVAL) {
    self->max_reconnect_interval = g_value_get_uint (value);
  } else if (id == PROP_MAX_QUEUE_MESSAGES) {
    self->max_queue_messages = g_value_get_uint (value);
  } else if (id == PROP_MAX_QUEUE_BYTES) {
    self->max_queue_bytes = g_value_get_uint64 (value);
  } else if (id == PROP_MAX_SPOOL_BYTES) {
    self->max_spool_bytes = g_value_get_uint64 (value);
  } else if (id == PROP_FLUSH_TIMEOUT) {
    self->flush_timeout = g_value_get_uint (value);
  } else {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
  GST_OBJECT_UNLOCK (self);
}

static void
get_stats (GstDicenetPublishSink *self, GValue *value)
{
  GstDicenetOutbox *outbox = get_outbox (self);

  if (outbox) {
    g_value_take_boxed (value, gst_dicenet_outbox_get_stats (outbox));
    gst_dicenet_outbox_unref (outbox);
  }
}

static void
gst_dicenet_publish_sink_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDicenetPublishSink *self = GST_DICENET_PUBLISH_SINK (object);
  gchar **string = string_of (self, id);

  if (id == PROP_STATS) {
    get_stats (self, value);
    return;
  }
  GST_OBJECT_LOCK (self);
  if (string)
    g_value_set_string (value, *string);
  else if (id == PROP_MAX_RECONNECT_INTERVAL)
    g_value_set_uint (value, self->max_reconnect_interval);
  else if (id == PROP_MAX_QUEUE_MESSAGES)
    g_value_set_uint (value, self->max_queue_messages);
  else if (id == PROP_MAX_QUEUE_BYTES)
    g_value_set_uint64 (value, self->max_queue_bytes);
  else if (id == PROP_MAX_SPOOL_BYTES)
    g_value_set_uint64 (value, self->max_spool_bytes);
  else if (id == PROP_FLUSH_TIMEOUT)
    g_value_set_uint (value, self->flush_timeout);
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_dicenet_publish_sink_finalize (GObject *object)
{
  for (guint id = PROP_URI; id <= PROP_STATS; id++) {
    gchar **string = string_of (GST_DICENET_PUBLISH_SINK (object), id);
    if (string)
      g_free (*string);
  }
  parent_class->finalize (object);
}

#define READY (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)

static void
install_strings (GObjectClass *object_class)
{
  static const struct {
    guint id;
    const gchar *name, *nick, *text;
  } strings[] = {
    { PROP_URI, "uri", "URI", gst_dicenet_publish_sink_uri },
    { PROP_CLIENT_ID, "client-id", "Client ID",
      "What the broker knows this client as (unset: made up by the library)" },
    { PROP_CA_FILE, "ca-file", "CA file",
      "File (PEM) with the certificates that the broker's is checked against, for TLS (unset: the system's)" },
    { PROP_CERT_FILE, "cert-file", "Certificate file", "File (PEM) with the client's certificate, for TLS" },
    { PROP_KEY_FILE, "key-file", "Key file", "File (PEM) with the key of the client's certificate, not encrypted" },
    { PROP_USER, "user", "User", "User name" },
    { PROP_PASSWORD_FILE, "password-file", "Password file", "File whose first line is the password" },
    { PROP_PASSWORD_ENV, "password-env", "Password variable", "Name of the environment variable with the password" },
    { PROP_SPOOL_FILE, "spool-file", "Spool file",
      "File for what has no room in the queue, and what was not sent at the end, which is sent after the next start "
      "(unset: the oldest messages are dropped)" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (strings); i++)
    g_object_class_install_property (
        object_class, strings[i].id,
        g_param_spec_string (strings[i].name, strings[i].nick, strings[i].text, NULL, READY));
}

static void
install_numbers (GObjectClass *object_class)
{
  g_object_class_install_property (
      object_class, PROP_MAX_RECONNECT_INTERVAL,
      g_param_spec_uint ("max-reconnect-interval", "Max reconnect interval",
                         "Longest time between attempts to connect, in seconds; the first follow sooner", 1, 3600,
                         DEFAULT_MAX_RECONNECT_INTERVAL, READY));
  g_object_class_install_property (object_class, PROP_MAX_QUEUE_MESSAGES,
                                   g_param_spec_uint ("max-queue-messages", "Max queue messages",
                                                      "How many messages wait in memory at most", 1, G_MAXINT,
                                                      DEFAULT_MAX_QUEUE_MESSAGES, READY));
  g_object_class_install_property (object_class, PROP_MAX_QUEUE_BYTES,
                                   g_param_spec_uint64 ("max-queue-bytes", "Max queue bytes",
                                                        "How many bytes of messages wait in memory at most", 1,
                                                        G_MAXINT64, DEFAULT_MAX_QUEUE_BYTES, READY));
  g_object_class_install_property (
      object_class, PROP_MAX_SPOOL_BYTES,
      g_param_spec_uint64 ("max-spool-bytes", "Max spool bytes",
                           "How many bytes of messages wait in the spool file at most; then the oldest are dropped", 1,
                           G_MAXINT64, DEFAULT_MAX_SPOOL_BYTES, READY));
  g_object_class_install_property (
      object_class, PROP_FLUSH_TIMEOUT,
      g_param_spec_uint ("flush-timeout", "Flush timeout",
                         "How long the end of the stream waits until all messages are acknowledged, in ms", 0, G_MAXINT,
                         DEFAULT_FLUSH_TIMEOUT, READY));
  g_object_class_install_property (
      object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
                          "Numbers of messages since the start (uint64): acknowledged, dropped; pending, of which some "
                          "are spooled",
                          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

/* --- class --- */

static void
gst_dicenet_publish_sink_class_init (gpointer klass, gpointer data)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSinkClass *sink_class = GST_BASE_SINK_CLASS (klass);

  parent_class = g_type_class_peek_parent (klass);
  object_class->set_property = gst_dicenet_publish_sink_set_property;
  object_class->get_property = gst_dicenet_publish_sink_get_property;
  object_class->finalize = gst_dicenet_publish_sink_finalize;
  install_strings (object_class);
  install_numbers (object_class);

  element_class->change_state = gst_dicenet_publish_sink_change_state;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  sink_class->unlock = gst_dicenet_publish_sink_unlock;
  sink_class->unlock_stop = gst_dicenet_publish_sink_unlock_stop;
  sink_class->set_caps = gst_dicenet_publish_sink_set_caps;
  sink_class->event = gst_dicenet_publish_sink_event;
  sink_class->render = gst_dicenet_publish_sink_render;
}

static void
gst_dicenet_publish_sink_init (GTypeInstance *instance, gpointer klass)
{
  GstDicenetPublishSink *self = GST_DICENET_PUBLISH_SINK (instance);

  gst_base_sink_set_sync (GST_BASE_SINK (self), FALSE); /* messages are sent when they come */
  gst_base_sink_set_last_sample_enabled (GST_BASE_SINK (self), FALSE);
  self->max_reconnect_interval = DEFAULT_MAX_RECONNECT_INTERVAL;
  self->max_queue_messages = DEFAULT_MAX_QUEUE_MESSAGES;
  self->max_queue_bytes = DEFAULT_MAX_QUEUE_BYTES;
  self->max_spool_bytes = DEFAULT_MAX_SPOOL_BYTES;
  self->flush_timeout = DEFAULT_FLUSH_TIMEOUT;
}

GType
gst_dicenet_publish_sink_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type)) {
    const GTypeInfo info = {
      .class_size = sizeof (GstDicenetPublishSinkClass),
      .class_init = gst_dicenet_publish_sink_class_init,
      .instance_size = sizeof (GstDicenetPublishSink),
      .instance_init = gst_dicenet_publish_sink_init,
    };
    g_once_init_leave (
        &type, g_type_register_static (GST_TYPE_BASE_SINK, gst_dicenet_publish_sink_name, &info, G_TYPE_FLAG_ABSTRACT));
  }
  return type;
}
