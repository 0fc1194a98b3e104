/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/** Messages in a file, which survive the process: a table `messages` (`id`, `payload`) of an SQLite database. What a
 * power cut leaves half-written, SQLite drops when the file is opened. Functions aren't thread-safe. */
typedef struct _GstDicenetSpool GstDicenetSpool;

/** Opens the spool @path, or makes it with permissions for the user only; one at a time can have it open. @max_bytes
 * bounds the messages in it; the file is some percent larger. Fails on files that are something else. */
GstDicenetSpool *gst_dicenet_spool_open (const gchar *path, guint64 max_bytes, GError **error);

/** Closes it; messages that were taken but not removed stay in it. */
void gst_dicenet_spool_close (GstDicenetSpool *spool);

guint64 gst_dicenet_spool_get_n_messages (GstDicenetSpool *spool);
guint64 gst_dicenet_spool_get_n_bytes (GstDicenetSpool *spool);

/** Adds a message at the end. If it has no room, the oldest that were not taken are dropped, and @n_dropped grows; if
 * that is not enough, it is dropped itself. FALSE: it could not be written. */
gboolean gst_dicenet_spool_append (GstDicenetSpool *spool, GBytes *message, guint64 *n_dropped, GError **error);

/** Adds @messages (GBytes), the oldest first, before all that are there, of which none may have been taken and not
 * removed if others are to be taken; without room for all, the oldest are dropped. FALSE: none could be written. */
gboolean gst_dicenet_spool_prepend (GstDicenetSpool *spool, GPtrArray *messages, guint64 *n_dropped, GError **error);

/** The oldest message that was not taken yet (transfer full), which stays in the file until it is removed; NULL if
 * there is none, or, with @error, if it can't be read. */
GBytes *gst_dicenet_spool_take (GstDicenetSpool *spool, gint64 *id, GError **error);

/** Removes messages up to @id, in groups: some stay until later ones are removed, or until it is closed. */
gboolean gst_dicenet_spool_remove (GstDicenetSpool *spool, gint64 id, GError **error);

G_END_DECLS
