/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/error.h>
#include <dicenet/model.h>
#include <string.h>
#include "readfile.h"

/* A thousand long names are some dozen KiB; a larger file was meant for something else. */
#define MAX_LABELS_BYTES (4u << 20)

static char **
fail (GError **error, const char *path, char *what)
{
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_LABELS, "%s: %s", path, what);
  g_free (what);
  return NULL;
}

/* The text of the file, NUL-terminated; NULL with @error set. */
static char *
read_text (const char *path, GError **error)
{
  g_auto (DicenetFile) file = { .fd = -1 };

  if (!dicenet_file_open (&file, path, error)) {
    g_prefix_error (error, "labels: ");
    return NULL;
  }
  const goffset size = file.info.st_size;
  if (size == 0 || size > MAX_LABELS_BYTES) {
    fail (error, path,
          g_strdup_printf ("expected UTF-8 text of one label per line, at most %u bytes, found %" G_GOFFSET_FORMAT
                           " bytes",
                           MAX_LABELS_BYTES, size));
    return NULL;
  }
  g_autofree char *text = g_malloc0 ((gsize) size + 1);
  if (!dicenet_file_read (&file, text, (gsize) size, error) || !dicenet_file_is_unchanged (&file, error))
    return NULL;
  const char *invalid;
  if (!g_utf8_validate (text, size, &invalid)) {
    fail (error, path,
          g_strdup_printf ("expected UTF-8 text of one label per line, found byte 0x%02x at offset %td",
                           (guint8) *invalid, invalid - text));
    return NULL;
  }
  return g_steal_pointer (&text);
}

static void
trim_lines (char **lines)
{
  guint n = g_strv_length (lines);
  for (guint i = 0; i < n; i++)
    g_strstrip (lines[i]); /* carriage returns too */
  while (n > 0 && lines[n - 1][0] == '\0')
    g_clear_pointer (&lines[--n], g_free);
}

/* A detector's users count the objects' classes and leave the background out. */
static char **
prepend_background (char **lines)
{
  const guint n = g_strv_length (lines);
  char **out = g_new0 (char *, n + 2);
  out[0] = g_strdup ("background");
  memcpy (out + 1, lines, n * sizeof *out);
  g_free (lines);
  return out;
}

char **
dicenet_model_load_labels (DicenetModel *self, const char *path, GError **error)
{
  g_return_val_if_fail (DICENET_IS_MODEL (self), NULL);
  g_return_val_if_fail (path != NULL, NULL);

  g_autofree char *text = read_text (path, error);
  if (text == NULL)
    return NULL;
  /* Some editors begin a text with a byte order mark. */
  g_auto (GStrv) lines = g_strsplit (text + (g_str_has_prefix (text, "\xef\xbb\xbf") ? 3 : 0), "\n", -1);
  trim_lines (lines);
  const guint n = g_strv_length (lines), wanted = dicenet_model_get_n_classes (self);
  if (dicenet_model_get_task (self) == DICENET_TASK_DETECT && n + 1 == wanted)
    return prepend_background (g_steal_pointer (&lines));
  if (n != wanted)
    return fail (error, path,
                 g_strdup_printf ("expected %u labels, one per class of %s, found %u", wanted,
                                  dicenet_model_get_path (self), n));
  return g_steal_pointer (&lines);
}
