/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where messages are, the oldest first: sent, waiting, spool. A message of the spool stays in the file until it is
 * acknowledged; while the file has any, new messages go there. So those in memory that are not in the file are older
 * than all that are. */

#include "gstdicenetoutbox.h"

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_publish_debug);
#define GST_CAT_DEFAULT gst_dicenet_publish_debug

/* How many messages the library may have. More would be faster over long distances, but can't be dropped or spooled. */
#define WINDOW 100
/* After this time without an acknowledgement, something is wrong, whatever the library believes. */
#define PATIENCE (10 * G_TIME_SPAN_SECOND)
/* How long stopping waits for the client to say goodbye. It may be waiting for a name server, say. */
#define GOODBYE   (500 * G_TIME_SPAN_MILLISECOND)
#define MAX_TEXTS 8

typedef struct {
  GBytes *bytes;
  gboolean spooled;
  gint64 id; /* in the spool */
  guint64 tag;
  gboolean done; /* acknowledged, but an older one is not */
} Message;

struct _GstDicenetOutbox {
  GstDicenetClientFuncs funcs;
  gpointer client;
  gchar *broker;
  guint max_messages;
  guint64 max_bytes;
  GThread *thread;

  GMutex lock; /* of all that follows */
  GCond changed;
  GstElement *element; /* not owned; NULL when it must not be used any more */
  gboolean stopping, ended, flushing, open;

  GQueue sent, waiting; /* of Message */
  guint64 waiting_bytes;
  GstDicenetSpool *spool;
  gint64 spool_retry; /* monotonic time */
  guint64 n_pending;  /* not acknowledged, wherever they are */
  guint64 n_acknowledged, n_dropped;
  guint64 dropped_before; /* what n_dropped was before the drops that a warning told about */
  gboolean dropping;      /* that was told */
  gboolean told_leftover; /* what is pending at the end */
  gint64 progress;        /* monotonic time of the last acknowledgement, or since when messages are pending */
  GHashTable *texts;      /* reported in this outage */
  GQueue posts;           /* of GstMessage, to be posted without the lock */
};

static void
message_free (gpointer data)
{
  Message *message = data;

  g_bytes_unref (message->bytes);
  g_free (message);
}

static void
outbox_clear (gpointer data)
{
  GstDicenetOutbox *outbox = data;

  if (outbox->client)
    outbox->funcs.free (outbox->client);
  g_queue_clear_full (&outbox->sent, message_free);
  g_queue_clear_full (&outbox->waiting, message_free);
  g_queue_clear_full (&outbox->posts, (GDestroyNotify) gst_message_unref);
  g_hash_table_unref (outbox->texts);
  g_free (outbox->broker);
  g_mutex_clear (&outbox->lock);
  g_cond_clear (&outbox->changed);
}

GstDicenetOutbox *
gst_dicenet_outbox_ref (GstDicenetOutbox *outbox)
{
  return g_atomic_rc_box_acquire (outbox);
}

void
gst_dicenet_outbox_unref (GstDicenetOutbox *outbox)
{
  g_atomic_rc_box_release_full (outbox, outbox_clear);
}

/* --- messages on the bus --- */

/* They are kept for unlock(). */

G_GNUC_PRINTF (3, 4)
static void
add_warning (GstDicenetOutbox *outbox, GstResourceError code, const gchar *format, ...)
{
  va_list arguments;

  if (!outbox->element)
    return;
  va_start (arguments, format);
  GError *error = g_error_new_valist (GST_RESOURCE_ERROR, (gint) code, format, arguments);
  va_end (arguments);
  GST_WARNING_OBJECT (outbox->element, "%s", error->message);
  g_queue_push_tail (&outbox->posts, gst_message_new_warning (GST_OBJECT (outbox->element), error, NULL));
  g_error_free (error);
}

/* Nothing is wrong any more. gst-launch-1.0 shows only the details of such a message. */
G_GNUC_PRINTF (2, 3)
static void
add_info (GstDicenetOutbox *outbox, const gchar *format, ...)
{
  va_list arguments;

  if (!outbox->element)
    return;
  va_start (arguments, format);
  GError *error = g_error_new_valist (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, format, arguments);
  va_end (arguments);
  GST_INFO_OBJECT (outbox->element, "%s", error->message);
  g_queue_push_tail (&outbox->posts, gst_message_new_info (GST_OBJECT (outbox->element), error, error->message));
  g_error_free (error);
}

/* Posts what was kept: handlers of the bus may call the element. */
static void
unlock (GstDicenetOutbox *outbox)
{
  GstElement *element = outbox->element && !g_queue_is_empty (&outbox->posts) ? gst_object_ref (outbox->element) : NULL;
  GQueue posts = outbox->posts;

  g_queue_init (&outbox->posts);
  g_mutex_unlock (&outbox->lock);
  for (GstMessage *message; (message = g_queue_pop_head (&posts));) {
    if (element)
      gst_element_post_message (element, message);
    else
      gst_message_unref (message);
  }
  if (element)
    gst_object_unref (element);
}

/* --- losing messages --- */

static const gchar *
why_dropped (GstDicenetOutbox *outbox)
{
  if (g_get_monotonic_time () < outbox->spool_retry)
    return "the oldest first, because the queue is full, and the spool can't be written";
  return outbox->spool
             ? "the oldest first, because the spool is full. A larger max-spool-bytes would keep more"
             : "the oldest first, because the queue is full. Larger max-queue-messages and max-queue-bytes, or a "
               "spool-file, would keep more";
}

/* Counts dropped messages, and tells of the first. */
static void
count_dropped (GstDicenetOutbox *outbox, guint64 n, const gchar *why)
{
  if (n == 0)
    return;
  if (!outbox->dropping) {
    outbox->dropping = TRUE;
    outbox->dropped_before = outbox->n_dropped;
    add_warning (outbox, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "Messages for %s are dropped: %s", outbox->broker, why);
  }
  outbox->n_dropped += n;
  outbox->n_pending -= n;
}

static void
report (GstDicenetOutbox *outbox, GstResourceError code, const gchar *text)
{
  if (g_hash_table_size (outbox->texts) >= MAX_TEXTS || !g_hash_table_add (outbox->texts, g_strdup (text)))
    return;
  add_warning (outbox, code, "%s", text);
}

static void
report_spool (GstDicenetOutbox *outbox, GError *error)
{
  g_autofree gchar *text = g_strdup_printf ("The spool of messages for %s fails: %s", outbox->broker, error->message);

  report (outbox, GST_RESOURCE_ERROR_WRITE, text);
  g_error_free (error);
}

/* The broker takes messages. */
static void
tell_progress (GstDicenetOutbox *outbox)
{
  outbox->progress = g_get_monotonic_time ();
  if (g_hash_table_size (outbox->texts) > 0) {
    g_hash_table_remove_all (outbox->texts);
    add_info (outbox, "Messages are sent again to %s; %" G_GUINT64_FORMAT " wait", outbox->broker, outbox->n_pending);
  }
  if (outbox->dropping && outbox->n_pending == 0) {
    outbox->dropping = FALSE;
    add_info (outbox, "No message for %s waits any more; %" G_GUINT64_FORMAT " were dropped", outbox->broker,
              outbox->n_dropped - outbox->dropped_before);
  }
}

/* Whatever the library believes, a broker that takes nothing for long is worth a warning. */
static void
check_patience (GstDicenetOutbox *outbox)
{
  if (outbox->n_pending == 0)
    outbox->progress = g_get_monotonic_time ();
  else if (g_hash_table_size (outbox->texts) == 0 && g_get_monotonic_time () - outbox->progress > PATIENCE) {
    g_autofree gchar *text = g_strdup_printf (
        "No message was taken by %s for %d s. Is it reachable and not overloaded, does the topic exist, and "
        "may this user write there? Messages wait",
        outbox->broker, (gint) (PATIENCE / G_TIME_SPAN_SECOND));
    report (outbox, GST_RESOURCE_ERROR_WRITE, text);
  }
}

/* --- adding messages --- */

static Message *
message_new (GBytes *bytes)
{
  Message *message = g_new0 (Message, 1);

  message->bytes = bytes;
  return message;
}

static gboolean
spool_is_in_use (GstDicenetOutbox *outbox)
{
  return outbox->spool && gst_dicenet_spool_get_n_messages (outbox->spool) > 0;
}

static void
append_to_spool (GstDicenetOutbox *outbox, GBytes *bytes)
{
  guint64 n_dropped = 0;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *why = NULL;

  if (!gst_dicenet_spool_append (outbox->spool, bytes, &n_dropped, &error)) {
    n_dropped++;
    why = g_strdup_printf ("the spool can't be written: %s", error->message);
  }
  count_dropped (outbox, n_dropped, why ? why : why_dropped (outbox));
}

static Message *
pop_waiting (GstDicenetOutbox *outbox)
{
  Message *message = g_queue_pop_head (&outbox->waiting);

  if (message)
    outbox->waiting_bytes -= g_bytes_get_size (message->bytes);
  return message;
}

static gboolean
has_room (GstDicenetOutbox *outbox, gsize size)
{
  return g_queue_get_length (&outbox->waiting) < outbox->max_messages &&
         outbox->waiting_bytes + size <= outbox->max_bytes;
}

static void
add_to_queue (GstDicenetOutbox *outbox, GBytes *bytes)
{
  const gsize size = g_bytes_get_size (bytes);
  Message *oldest;

  while (!has_room (outbox, size) && (oldest = pop_waiting (outbox))) {
    message_free (oldest);
    count_dropped (outbox, 1, why_dropped (outbox));
  }
  if (!has_room (outbox, size)) {
    count_dropped (outbox, 1, why_dropped (outbox));
    return;
  }
  g_queue_push_tail (&outbox->waiting, message_new (g_bytes_ref (bytes)));
  outbox->waiting_bytes += size;
}

/* Adds those that are in memory only. */
static void
collect (GPtrArray *messages, GQueue *queue)
{
  for (GList *l = queue->head; l; l = l->next) {
    Message *message = l->data;
    if (!message->spooled && !message->done)
      g_ptr_array_add (messages, message->bytes);
  }
}

/* Puts messages into the spool, before what is there; all or none. */
static gboolean
save (GstDicenetOutbox *outbox, GPtrArray *messages)
{
  guint64 n_dropped = 0;
  GError *error = NULL;

  if (gst_dicenet_spool_prepend (outbox->spool, messages, &n_dropped, &error))
    count_dropped (outbox, n_dropped, why_dropped (outbox));
  else
    report_spool (outbox, error);
  return error == NULL;
}

/* When the queue has no room. A spool that fails is tried again some time later. */
static gboolean
move_to_spool (GstDicenetOutbox *outbox)
{
  GPtrArray *messages;

  if (g_get_monotonic_time () < outbox->spool_retry)
    return FALSE;
  messages = g_ptr_array_new ();
  collect (messages, &outbox->waiting);
  const gboolean ok = save (outbox, messages);
  g_ptr_array_unref (messages);
  if (ok) {
    g_queue_clear_full (&outbox->waiting, message_free);
    outbox->waiting_bytes = 0;
  } else {
    outbox->spool_retry = g_get_monotonic_time () + PATIENCE;
  }
  return ok;
}

static void
add_message (GstDicenetOutbox *outbox, GBytes *bytes)
{
  const gboolean in_memory =
      !outbox->spool ||
      (!spool_is_in_use (outbox) && (has_room (outbox, g_bytes_get_size (bytes)) || !move_to_spool (outbox)));

  if (in_memory)
    add_to_queue (outbox, bytes);
  else
    append_to_spool (outbox, bytes);
}

/* --- sending --- */

static Message *
next_message (GstDicenetOutbox *outbox)
{
  GError *error = NULL;
  gint64 id;

  if (!g_queue_is_empty (&outbox->waiting))
    return pop_waiting (outbox);
  GBytes *bytes = outbox->spool ? gst_dicenet_spool_take (outbox->spool, &id, &error) : NULL;
  if (error)
    report_spool (outbox, error);
  if (!bytes)
    return NULL;
  Message *message = message_new (bytes);
  message->spooled = TRUE;
  message->id = id;
  return message;
}

/* Frees what is done, up to the oldest that is not. */
static void
free_done (GstDicenetOutbox *outbox)
{
  Message *message;
  gboolean spooled = FALSE;
  gint64 id = 0;
  GError *error = NULL;

  while ((message = g_queue_peek_head (&outbox->sent)) && message->done) {
    if (message->spooled) {
      spooled = TRUE;
      id = message->id;
    }
    message_free (g_queue_pop_head (&outbox->sent));
  }
  if (spooled && !gst_dicenet_spool_remove (outbox->spool, id, &error))
    report_spool (outbox, error);
}

static void
drop_refused (GstDicenetOutbox *outbox, Message *message)
{
  g_autofree gchar *why =
      g_strdup_printf ("it refuses one of %" G_GSIZE_FORMAT " bytes. What is the largest that it takes?",
                       g_bytes_get_size (message->bytes));

  message->done = TRUE;
  count_dropped (outbox, 1, why);
}

static void
send_messages (GstDicenetOutbox *outbox)
{
  Message *message;

  while (outbox->open && g_queue_get_length (&outbox->sent) < WINDOW && (message = next_message (outbox))) {
    const GstDicenetSendResult result = outbox->funcs.send (outbox->client, message->bytes, &message->tag);
    if (result == GST_DICENET_LATER) {
      g_queue_push_head (&outbox->waiting, message);
      outbox->waiting_bytes += g_bytes_get_size (message->bytes);
      return;
    }
    g_queue_push_tail (&outbox->sent, message);
    if (result == GST_DICENET_REFUSED) {
      drop_refused (outbox, message);
      free_done (outbox);
    }
  }
}

static Message *
find_sent (GstDicenetOutbox *outbox, guint64 tag)
{
  for (GList *l = outbox->sent.head; l; l = l->next) {
    Message *message = l->data;
    if (message->tag == tag && !message->done)
      return message;
  }
  return NULL;
}

static void
finish (GstDicenetOutbox *outbox, guint64 tag, gboolean refused)
{
  g_mutex_lock (&outbox->lock);
  Message *message = find_sent (outbox, tag);
  if (message && refused) {
    drop_refused (outbox, message);
  } else if (message) {
    message->done = TRUE;
    outbox->n_acknowledged++;
    outbox->n_pending--;
  }
  if (message) {
    free_done (outbox);
    tell_progress (outbox);
    send_messages (outbox);
    g_cond_broadcast (&outbox->changed);
  }
  unlock (outbox);
}

void
gst_dicenet_outbox_acknowledge (GstDicenetOutbox *outbox, guint64 tag)
{
  finish (outbox, tag, FALSE);
}

void
gst_dicenet_outbox_refuse (GstDicenetOutbox *outbox, guint64 tag)
{
  finish (outbox, tag, TRUE);
}

void
gst_dicenet_outbox_return_all (GstDicenetOutbox *outbox)
{
  Message *message;

  g_mutex_lock (&outbox->lock);
  while ((message = g_queue_pop_tail (&outbox->sent))) {
    if (message->done) {
      message_free (message);
      continue;
    }
    g_queue_push_head (&outbox->waiting, message);
    outbox->waiting_bytes += g_bytes_get_size (message->bytes);
  }
  g_mutex_unlock (&outbox->lock);
}

/* --- for the element --- */

void
gst_dicenet_outbox_push (GstDicenetOutbox *outbox, GBytes *bytes)
{
  g_mutex_lock (&outbox->lock);
  check_patience (outbox);
  outbox->n_pending++;
  add_message (outbox, bytes);
  send_messages (outbox);
  unlock (outbox);
}

void
gst_dicenet_outbox_set_flushing (GstDicenetOutbox *outbox, gboolean flushing)
{
  g_mutex_lock (&outbox->lock);
  outbox->flushing = flushing;
  g_cond_broadcast (&outbox->changed);
  g_mutex_unlock (&outbox->lock);
}

static void
tell_leftover (GstDicenetOutbox *outbox, gboolean has_spool)
{
  if (has_spool)
    add_warning (outbox, GST_RESOURCE_ERROR_WRITE,
                 "%" G_GUINT64_FORMAT " messages for %s stay in the spool, for the next start", outbox->n_pending,
                 outbox->broker);
  else
    add_warning (outbox, GST_RESOURCE_ERROR_WRITE,
                 "%" G_GUINT64_FORMAT
                 " messages for %s could not be sent, and are lost. A larger flush-timeout would wait "
                 "longer for the broker; a spool-file would keep them for the next start",
                 outbox->n_pending, outbox->broker);
}

void
gst_dicenet_outbox_drain (GstDicenetOutbox *outbox, gint64 timeout)
{
  const gint64 deadline = g_get_monotonic_time () + timeout;

  g_mutex_lock (&outbox->lock);
  while (outbox->n_pending > 0 && !outbox->flushing && !outbox->stopping &&
         g_cond_wait_until (&outbox->changed, &outbox->lock, deadline))
    ;
  if (outbox->n_pending > 0 && !outbox->flushing) {
    tell_leftover (outbox, outbox->spool != NULL);
    outbox->told_leftover = TRUE;
  }
  unlock (outbox);
}

GstStructure *
gst_dicenet_outbox_get_stats (GstDicenetOutbox *outbox)
{
  g_mutex_lock (&outbox->lock);
  GstStructure *stats =
      gst_structure_new ("stats", "acknowledged", G_TYPE_UINT64, outbox->n_acknowledged, "dropped", G_TYPE_UINT64,
                         outbox->n_dropped, "pending", G_TYPE_UINT64, outbox->n_pending, "spooled", G_TYPE_UINT64,
                         outbox->spool ? gst_dicenet_spool_get_n_messages (outbox->spool) : (guint64) 0, NULL);
  g_mutex_unlock (&outbox->lock);
  return stats;
}

/* --- starting and stopping --- */

static gpointer
run (gpointer data)
{
  GstDicenetOutbox *outbox = data;

  outbox->funcs.run (outbox->client, outbox);
  g_mutex_lock (&outbox->lock);
  outbox->open = FALSE;
  outbox->ended = TRUE;
  g_cond_broadcast (&outbox->changed);
  gpointer client = g_steal_pointer (&outbox->client);
  unlock (outbox);
  outbox->funcs.free (client);
  gst_dicenet_outbox_unref (outbox);
  return NULL;
}

GstDicenetOutbox *
gst_dicenet_outbox_new (GstElement *element, const GstDicenetOutboxSettings *settings, GstDicenetSpool *spool,
                        const GstDicenetClientFuncs *funcs, gpointer client)
{
  GstDicenetOutbox *outbox = g_atomic_rc_box_new0 (GstDicenetOutbox);

  GST_DEBUG_CATEGORY_INIT (gst_dicenet_publish_debug, "dicenetpublish", 0, "Messages on their way to brokers");
  g_mutex_init (&outbox->lock);
  g_cond_init (&outbox->changed);
  g_queue_init (&outbox->sent);
  g_queue_init (&outbox->waiting);
  g_queue_init (&outbox->posts);
  outbox->element = element;
  outbox->funcs = *funcs;
  outbox->client = client;
  outbox->broker = g_strdup (settings->broker);
  outbox->max_messages = settings->max_messages;
  outbox->max_bytes = settings->max_bytes;
  outbox->spool = spool;
  outbox->texts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  outbox->progress = g_get_monotonic_time ();
  if (spool && (outbox->n_pending = gst_dicenet_spool_get_n_messages (spool)) > 0)
    GST_INFO_OBJECT (element, "%" G_GUINT64_FORMAT " messages of earlier runs are in the spool", outbox->n_pending);
  outbox->thread = g_thread_new ("dicenetpublish", run, gst_dicenet_outbox_ref (outbox));
  return outbox;
}

/* What is in memory only is saved, or lost. Whatever the client still does, finds nothing any more. */
static void
empty (GstDicenetOutbox *outbox)
{
  if (outbox->spool) {
    GPtrArray *messages = g_ptr_array_new ();
    collect (messages, &outbox->sent);
    collect (messages, &outbox->waiting);
    if (!save (outbox, messages))
      count_dropped (outbox, messages->len, "the spool can't be written");
    g_ptr_array_unref (messages);
    gst_dicenet_spool_close (g_steal_pointer (&outbox->spool));
  }
  g_queue_clear_full (&outbox->sent, message_free);
  g_queue_clear_full (&outbox->waiting, message_free);
}

void
gst_dicenet_outbox_stop (GstDicenetOutbox *outbox)
{
  const gint64 deadline = g_get_monotonic_time () + GOODBYE;

  g_mutex_lock (&outbox->lock);
  outbox->stopping = TRUE;
  g_cond_broadcast (&outbox->changed);
  while (!outbox->ended && g_cond_wait_until (&outbox->changed, &outbox->lock, deadline))
    ;
  outbox->open = FALSE;
  const gboolean has_spool = outbox->spool != NULL;
  empty (outbox);
  if (outbox->n_pending > 0 && !outbox->told_leftover)
    tell_leftover (outbox, has_spool);
  unlock (outbox);
  g_mutex_lock (&outbox->lock);
  outbox->element = NULL;
  const gboolean ended = outbox->ended;
  g_mutex_unlock (&outbox->lock);
  if (ended)
    g_thread_join (outbox->thread);
  else
    g_thread_unref (outbox->thread);
  gst_dicenet_outbox_unref (outbox);
}

/* --- for clients --- */

gboolean
gst_dicenet_outbox_is_stopping (GstDicenetOutbox *outbox)
{
  g_mutex_lock (&outbox->lock);
  const gboolean stopping = outbox->stopping;
  g_mutex_unlock (&outbox->lock);
  return stopping;
}

void
gst_dicenet_outbox_wait (GstDicenetOutbox *outbox, gint64 time)
{
  const gint64 deadline = g_get_monotonic_time () + time;

  g_mutex_lock (&outbox->lock);
  while (!outbox->stopping && g_cond_wait_until (&outbox->changed, &outbox->lock, deadline))
    ;
  g_mutex_unlock (&outbox->lock);
}

void
gst_dicenet_outbox_set_open (GstDicenetOutbox *outbox, gboolean open)
{
  g_mutex_lock (&outbox->lock);
  outbox->open = open && !outbox->stopping;
  send_messages (outbox);
  unlock (outbox);
}

void
gst_dicenet_outbox_iterate (GstDicenetOutbox *outbox)
{
  g_mutex_lock (&outbox->lock);
  check_patience (outbox);
  send_messages (outbox);
  unlock (outbox);
}

void
gst_dicenet_outbox_report (GstDicenetOutbox *outbox, GstResourceError code, const gchar *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_autofree gchar *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_mutex_lock (&outbox->lock);
  report (outbox, code, text);
  unlock (outbox);
}
