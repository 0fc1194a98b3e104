/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "gstdicenetspool.h"

#include <gst/gst.h>

G_BEGIN_DECLS

/** Messages on their way to a broker, in order: those the client library has and the broker has not acknowledged, those
 * that wait in memory, and those that wait in the spool. Has a thread, which runs the client. All functions may be
 * called from any thread; none waits for the network but gst_dicenet_outbox_drain(). */
typedef struct _GstDicenetOutbox GstDicenetOutbox;

typedef enum {
  GST_DICENET_SENT,    /**< the library has a copy */
  GST_DICENET_LATER,   /**< not now: it is asked again later */
  GST_DICENET_REFUSED, /**< never: the message is too large, say */
} GstDicenetSendResult;

/** The client of a broker: a library's, with what it needs. */
typedef struct {
  /** Hands a message to the library, without waiting. Sets @tag, by which gst_dicenet_outbox_acknowledge() names it.
   * The outbox is locked: calls none of its functions. */
  GstDicenetSendResult (*send) (gpointer client, GBytes *message, guint64 *tag);
  /** Connects and keeps connected, until gst_dicenet_outbox_is_stopping(). Called once, in the outbox's thread. */
  void (*run) (gpointer client, GstDicenetOutbox *outbox);
  void (*free) (gpointer client); /**< called in the thread, after run(); or if there is no thread */
} GstDicenetClientFuncs;

typedef struct {
  guint max_messages;  /**< that wait in memory */
  guint64 max_bytes;   /**< of those */
  const gchar *broker; /**< how messages name it */
} GstDicenetOutboxSettings;

/** Takes @spool (NULL: none) and @client, and starts. @element posts messages until gst_dicenet_outbox_stop(). */
GstDicenetOutbox *gst_dicenet_outbox_new (GstElement *element, const GstDicenetOutboxSettings *settings,
                                          GstDicenetSpool *spool, const GstDicenetClientFuncs *funcs, gpointer client);

/** Ends it, and gives the reference up. What has not been acknowledged is in the spool afterwards, or lost, which the
 * element says. The client may need longer to end, but knows nothing of the element any more. */
void gst_dicenet_outbox_stop (GstDicenetOutbox *outbox);

GstDicenetOutbox *gst_dicenet_outbox_ref (GstDicenetOutbox *outbox);
void gst_dicenet_outbox_unref (GstDicenetOutbox *outbox);

/** Adds a message at the end; drops the oldest if there is no room. */
void gst_dicenet_outbox_push (GstDicenetOutbox *outbox, GBytes *message);

/** Waits until all is acknowledged, for @timeout (us) at most or until gst_dicenet_outbox_set_flushing(). */
void gst_dicenet_outbox_drain (GstDicenetOutbox *outbox, gint64 timeout);
void gst_dicenet_outbox_set_flushing (GstDicenetOutbox *outbox, gboolean flushing);

/** What the property "stats" shows (transfer full). */
GstStructure *gst_dicenet_outbox_get_stats (GstDicenetOutbox *outbox);

/* --- for clients --- */

gboolean gst_dicenet_outbox_is_stopping (GstDicenetOutbox *outbox);

/** Waits for @time (us), or until it is stopping. */
void gst_dicenet_outbox_wait (GstDicenetOutbox *outbox, gint64 time);

/** Whether messages can be sent. */
void gst_dicenet_outbox_set_open (GstDicenetOutbox *outbox, gboolean open);

/** To be called now and then: sends what the library did not take before, and warns if the broker takes nothing. */
void gst_dicenet_outbox_iterate (GstDicenetOutbox *outbox);

/** The broker has a message. Others with this tag don't matter. */
void gst_dicenet_outbox_acknowledge (GstDicenetOutbox *outbox, guint64 tag);

/** The broker will never take a message. */
void gst_dicenet_outbox_refuse (GstDicenetOutbox *outbox, guint64 tag);

/** The library has forgotten all messages that were not acknowledged: they will be sent again. */
void gst_dicenet_outbox_return_all (GstDicenetOutbox *outbox);

/** Posts a warning that says what keeps messages from being sent, and what to do; each text once until messages are
 * acknowledged again. */
void gst_dicenet_outbox_report (GstDicenetOutbox *outbox, GstResourceError code, const gchar *format, ...)
    G_GNUC_PRINTF (3, 4);

G_END_DECLS
