/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "gstdicenetoutbox.h"

#include <gst/base/gstbasesink.h>

G_BEGIN_DECLS

/** Each plugin has a copy of this class, and says what the type is called, because names are unique in a process, and
 * what the property "uri" is. */
extern const gchar gst_dicenet_publish_sink_name[], gst_dicenet_publish_sink_uri[];

#define GST_TYPE_DICENET_PUBLISH_SINK            (gst_dicenet_publish_sink_get_type ())
#define GST_DICENET_PUBLISH_SINK(sink)           ((GstDicenetPublishSink *) (sink))
#define GST_DICENET_PUBLISH_SINK_CLASS(klass)    ((GstDicenetPublishSinkClass *) (klass))
#define GST_DICENET_PUBLISH_SINK_GET_CLASS(sink) ((GstDicenetPublishSinkClass *) G_OBJECT_GET_CLASS (sink))

/** Where and how to connect, as the properties say. */
typedef struct {
  gchar *address; /**< host, host:port or a list of them */
  gchar *topic;
  gboolean tls;
  gchar *client_id;                      /**< NULL: the library's default */
  gchar *ca_file, *cert_file, *key_file; /**< NULL or readable */
  gchar *user, *password;                /**< NULL: none */
  guint max_reconnect_interval;          /**< seconds */
} GstDicenetBroker;

void gst_dicenet_broker_free (GstDicenetBroker *broker);

typedef struct _GstDicenetPublishSink GstDicenetPublishSink;
typedef struct _GstDicenetPublishSinkClass GstDicenetPublishSinkClass;

struct _GstDicenetPublishSink {
  GstBaseSink parent;

  /* Protected by the object lock. */
  gchar *uri, *client_id, *ca_file, *cert_file, *key_file, *user, *password_file, *password_env, *spool_file;
  guint max_reconnect_interval, max_queue_messages, flush_timeout;
  guint64 max_queue_bytes, max_spool_bytes;
  gboolean whole_buffers;
  GstDicenetOutbox *outbox; /* between start and stop */
};

struct _GstDicenetPublishSinkClass {
  GstBaseSinkClass parent_class;

  const gchar *protocol;   /**< as messages say it: MQTT */
  const gchar *schemes[2]; /**< of URIs: plain, and with TLS */
  const gchar *example;    /**< a URI */
  const GstDicenetClientFuncs *funcs;
  /** Makes the client from @broker, which it takes, and the properties, without waiting for the network. The object is
   * locked. */
  gpointer (*open) (GstDicenetPublishSink *self, GstDicenetBroker *broker, GError **error);
};

GType gst_dicenet_publish_sink_get_type (void);

G_END_DECLS
