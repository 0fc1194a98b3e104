/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/error.h>
#include <dicenet/model.h>
#include <string.h>

/* A thousand long names are some dozen KiB; a larger file was meant for something else. */
#define MAX_LABELS_BYTES (4u << 20)

static char **
fail (GError **error, const char *path, char *what)
{
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_LABELS, "%s: %s", path, what);
  g_free (what);
  return NULL;
}

/* Maps, which is enough to look at the length before anything is read. */
static GMappedFile *
map_labels (const char *path, GError **error)
{
  g_autoptr (GError) reason = NULL;

  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "%s: there is no such labels file", path);
    return NULL;
  }
  if (!g_file_test (path, G_FILE_TEST_IS_REGULAR)) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN,
                 "%s: expected a labels file, found something that is not a file", path);
    return NULL;
  }
  GMappedFile *file = g_mapped_file_new (path, FALSE, &reason);
  if (file == NULL)
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "%s: the labels cannot be read: %s", path, reason->message);
  return file;
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

  g_autoptr (GMappedFile) file = map_labels (path, error);
  if (file == NULL)
    return NULL;
  const gsize size = g_mapped_file_get_length (file);
  const char *text = g_mapped_file_get_contents (file);
  if (size == 0 || size > MAX_LABELS_BYTES || !g_utf8_validate (text, (gssize) size, NULL))
    return fail (error, path,
                 g_strdup_printf ("expected UTF-8 text of one label per line, found %" G_GSIZE_FORMAT " bytes %s", size,
                                  size > 0 && size <= MAX_LABELS_BYTES ? "that are not UTF-8" : ""));

  g_autofree char *copy = g_strndup (text, size);
  g_auto (GStrv) lines = g_strsplit (copy, "\n", -1);
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
