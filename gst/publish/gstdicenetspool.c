/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetspool.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <unistd.h>

/* Tells our databases from others: "dice". */
#define APPLICATION_ID 0x64696365

struct _GstDicenetSpool {
  sqlite3 *database;
  sqlite3_stmt *insert, *next, *drop, *remove;
  guint64 max_bytes, n_messages, n_bytes;
  gint64 first, last; /* ids; first is one after last if it is empty */
  gint64 taken;       /* last id that was taken */
  gint64 removable;   /* all up to this id are to be removed */
};

/* Messages are removed in groups, since each removal is a write. */
#define GROUP 50

static gboolean
fail (GstDicenetSpool *spool, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR,
                       sqlite3_errcode (spool->database) == SQLITE_FULL ? G_IO_ERROR_NO_SPACE : G_IO_ERROR_FAILED,
                       sqlite3_errmsg (spool->database));
  return FALSE;
}

static gboolean
execute (GstDicenetSpool *spool, const gchar *sql, GError **error)
{
  return sqlite3_exec (spool->database, sql, NULL, NULL, NULL) == SQLITE_OK || fail (spool, error);
}

/* The integers of the only row that @sql selects. */
static gboolean
query (GstDicenetSpool *spool, const gchar *sql, gint64 *values, guint n, GError **error)
{
  sqlite3_stmt *statement = NULL;
  gboolean ok = sqlite3_prepare_v2 (spool->database, sql, -1, &statement, NULL) == SQLITE_OK &&
                sqlite3_step (statement) == SQLITE_ROW;

  for (guint i = 0; ok && i < n; i++)
    values[i] = sqlite3_column_int64 (statement, (int) i);
  if (!ok)
    fail (spool, error);
  sqlite3_finalize (statement);
  return ok;
}

/* --- removing --- */

/* Runs a statement that deletes. Returns how many messages it deleted, or -1. */
static gint64
run_delete (GstDicenetSpool *spool, sqlite3_stmt *statement, gint64 id, GError **error)
{
  gint64 n = 0;
  int result;

  sqlite3_bind_int64 (statement, 1, id);
  while ((result = sqlite3_step (statement)) == SQLITE_ROW) {
    n++;
    spool->n_messages--;
    spool->n_bytes -= (guint64) sqlite3_column_int64 (statement, 0);
  }
  if (result != SQLITE_DONE)
    fail (spool, error);
  sqlite3_reset (statement);
  return result == SQLITE_DONE ? n : -1;
}

static gboolean
remove_group (GstDicenetSpool *spool, GError **error)
{
  if (spool->removable < spool->first)
    return TRUE;
  if (run_delete (spool, spool->remove, spool->removable, error) < 0)
    return FALSE;
  spool->first = spool->removable + 1;
  /* The file shrinks when it costs nothing. */
  return spool->n_messages > 0 || execute (spool, "PRAGMA incremental_vacuum", error);
}

/* --- opening --- */

static gboolean
make_table (GstDicenetSpool *spool, GError **error)
{
  g_autofree gchar *sql = g_strdup_printf ("PRAGMA auto_vacuum=INCREMENTAL; PRAGMA application_id=%d;"
                                           "CREATE TABLE messages (id INTEGER PRIMARY KEY, payload BLOB NOT NULL)",
                                           APPLICATION_ID);

  return execute (spool, sql, error);
}

/* Makes the table in an empty file; any other file must have been made so. */
static gboolean
check_kind (GstDicenetSpool *spool, GError **error)
{
  gint64 pages, application;

  if (!query (spool, "PRAGMA page_count", &pages, 1, error) ||
      !query (spool, "PRAGMA application_id", &application, 1, error))
    return FALSE;
  if (pages == 0)
    return make_table (spool, error);
  if (application == APPLICATION_ID)
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "it is a database of something else");
  return FALSE;
}

static gboolean
prepare (GstDicenetSpool *spool, GError **error)
{
  const struct {
    sqlite3_stmt **statement;
    const gchar *sql;
  } all[] = {
    { &spool->insert, "INSERT INTO messages VALUES (?, ?)" },
    { &spool->next, "SELECT id, payload FROM messages WHERE id > ? ORDER BY id LIMIT 1" },
    { &spool->drop, "DELETE FROM messages WHERE id = (SELECT min(id) FROM messages WHERE id > ?) "
                    "RETURNING length(payload)" },
    { &spool->remove, "DELETE FROM messages WHERE id <= ? RETURNING length(payload)" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    if (sqlite3_prepare_v2 (spool->database, all[i].sql, -1, all[i].statement, NULL) != SQLITE_OK)
      return fail (spool, error);
  }
  return TRUE;
}

/* What earlier runs left. */
static gboolean
count (GstDicenetSpool *spool, GError **error)
{
  gint64 values[4];

  if (!query (spool,
              "SELECT count(*), ifnull(sum(length(payload)), 0), ifnull(min(id), 1), ifnull(max(id), 0) FROM messages",
              values, G_N_ELEMENTS (values), error))
    return FALSE;
  spool->n_messages = (guint64) values[0];
  spool->n_bytes = (guint64) values[1];
  spool->first = values[2];
  spool->last = values[3];
  spool->taken = spool->removable = spool->first - 1;
  return TRUE;
}

static gboolean
open_database (GstDicenetSpool *spool, const gchar *path, GError **error)
{
  /* A new file would be readable for all. */
  const int file = g_open (path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

  if (file < 0) {
    g_set_error_literal (error, G_IO_ERROR, (gint) g_io_error_from_errno (errno), g_strerror (errno));
    return FALSE;
  }
  close (file);
  if (sqlite3_open_v2 (path, &spool->database, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
    return fail (spool, error);
  sqlite3_extended_result_codes (spool->database, 0);
  /* A transaction needs no fsync(): after a power cut, the last ones may be missing, as a whole. */
  return check_kind (spool, error) && execute (spool, "PRAGMA locking_mode=EXCLUSIVE", error) &&
         execute (spool, "PRAGMA journal_mode=WAL", error) && execute (spool, "PRAGMA synchronous=NORMAL", error) &&
         execute (spool, "BEGIN EXCLUSIVE; COMMIT", error) && prepare (spool, error) && count (spool, error);
}

GstDicenetSpool *
gst_dicenet_spool_open (const gchar *path, guint64 max_bytes, GError **error)
{
  GstDicenetSpool *spool = g_new0 (GstDicenetSpool, 1);
  GError *cause = NULL;

  spool->max_bytes = max_bytes;
  if (open_database (spool, path, &cause))
    return spool;
  const int code = spool->database ? sqlite3_errcode (spool->database) : SQLITE_OK;
  if (code == SQLITE_BUSY)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_BUSY, "another sink has it open");
  else if (code == SQLITE_NOTADB)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "the file exists and is something else");
  else
    g_propagate_error (error, g_steal_pointer (&cause));
  g_clear_error (&cause);
  gst_dicenet_spool_close (spool);
  return NULL;
}

void
gst_dicenet_spool_close (GstDicenetSpool *spool)
{
  if (spool->remove)
    remove_group (spool, NULL);
  sqlite3_finalize (spool->insert);
  sqlite3_finalize (spool->next);
  sqlite3_finalize (spool->drop);
  sqlite3_finalize (spool->remove);
  sqlite3_close (spool->database);
  g_free (spool);
}

guint64
gst_dicenet_spool_get_n_messages (GstDicenetSpool *spool)
{
  return spool->n_messages;
}

guint64
gst_dicenet_spool_get_n_bytes (GstDicenetSpool *spool)
{
  return spool->n_bytes;
}

/* --- messages --- */

static gboolean
insert (GstDicenetSpool *spool, gint64 id, GBytes *message, GError **error)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (message, &size);

  sqlite3_bind_int64 (spool->insert, 1, id);
  sqlite3_bind_blob64 (spool->insert, 2, data ? data : "", size, SQLITE_STATIC);
  const gboolean ok = sqlite3_step (spool->insert) == SQLITE_DONE || fail (spool, error);
  sqlite3_reset (spool->insert);
  sqlite3_clear_bindings (spool->insert);
  if (ok) {
    spool->n_messages++;
    spool->n_bytes += size;
  }
  return ok;
}

/* Drops the oldest messages that were not taken until @size bytes have room. Returns whether they have. */
static gboolean
make_room (GstDicenetSpool *spool, gsize size, guint64 *n_dropped, GError **error)
{
  while (spool->n_bytes + size > spool->max_bytes) {
    const gint64 n = run_delete (spool, spool->drop, spool->taken, error);
    if (n <= 0)
      return FALSE;
    *n_dropped += (guint64) n;
  }
  return TRUE;
}

gboolean
gst_dicenet_spool_append (GstDicenetSpool *spool, GBytes *message, guint64 *n_dropped, GError **error)
{
  GError *cause = NULL;

  if (!make_room (spool, g_bytes_get_size (message), n_dropped, &cause)) {
    if (!cause)
      ++*n_dropped;
  } else if (insert (spool, spool->last + 1, message, &cause)) {
    spool->last++;
  }
  if (cause)
    g_propagate_error (error, cause);
  return cause == NULL;
}

/* Returns how many of the oldest had no room, or -1. */
static gint64
prepend (GstDicenetSpool *spool, GPtrArray *messages, GError **error)
{
  guint i = messages->len;

  for (; i > 0; i--) {
    GBytes *message = g_ptr_array_index (messages, i - 1);
    if (spool->n_bytes + g_bytes_get_size (message) > spool->max_bytes)
      break;
    if (!insert (spool, spool->first - 1, message, error))
      return -1;
    spool->first--;
  }
  return i;
}

gboolean
gst_dicenet_spool_prepend (GstDicenetSpool *spool, GPtrArray *messages, guint64 *n_dropped, GError **error)
{
  if (!remove_group (spool, error) || !execute (spool, "BEGIN", error))
    return FALSE;
  const GstDicenetSpool before = *spool;
  const gint64 n = prepend (spool, messages, error);
  if (n < 0 || !execute (spool, "COMMIT", error)) {
    execute (spool, "ROLLBACK", NULL);
    *spool = before;
    return FALSE;
  }
  *n_dropped += (guint64) n;
  spool->removable = spool->first - 1;
  if (before.n_messages == 0)
    spool->taken = spool->first - 1;
  return TRUE;
}

GBytes *
gst_dicenet_spool_take (GstDicenetSpool *spool, gint64 *id, GError **error)
{
  GBytes *message = NULL;

  sqlite3_bind_int64 (spool->next, 1, spool->taken);
  const int result = sqlite3_step (spool->next);
  if (result == SQLITE_ROW) {
    *id = spool->taken = sqlite3_column_int64 (spool->next, 0);
    message = g_bytes_new (sqlite3_column_blob (spool->next, 1), (gsize) sqlite3_column_bytes (spool->next, 1));
  } else if (result != SQLITE_DONE) {
    fail (spool, error);
  }
  sqlite3_reset (spool->next);
  return message;
}

gboolean
gst_dicenet_spool_remove (GstDicenetSpool *spool, gint64 id, GError **error)
{
  spool->removable = id;
  return (id < spool->last && id - spool->first + 1 < GROUP) || remove_group (spool, error);
}
