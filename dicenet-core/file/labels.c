/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "labels.h"

#include <dicenet/error.h>
#include <dicenet/text.h>
#include <string.h>
#include "../base/memory-error.h"
#include "json.h"
#include "readfile.h"

/* Labels of a thousand classes with long names are some dozen KiB. A larger file is not a labels file. */
#define MAX_LABELS_BYTES (4u << 20)

static char **
fail (GError **error, const char *path, char *what)
{
  g_autofree char *shown = dicenet_path_excerpt (path);

  g_set_error (error, DICENET_ERROR, DICENET_ERROR_LABELS, "%s: %s", shown, what);
  g_free (what);
  return NULL;
}

/* Returns the file's text, NUL-terminated; NULL with @error set. */
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
  g_autofree char *text = g_try_malloc0 ((gsize) size + 1);
  if (text == NULL) {
    dicenet_no_memory (error, (gsize) size, "labels", DICENET_MORE_MEMORY);
    return NULL;
  }
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

/* Returns the number of lines. If one is too long, @what describes the error. */
static guint
count_lines (const char *text, char **what)
{
  guint n = 0;

  for (const char *end; *text != '\0'; text = *end ? end + 1 : end) {
    end = text + strcspn (text, "\n");
    n++;
    if (*what == NULL && end - text > DICENET_MAX_LABEL_BYTES)
      *what = g_strdup_printf ("line %u has %td bytes: expected a label of at most %d", n, end - text,
                               DICENET_MAX_LABEL_BYTES);
  }
  return n;
}

/* Users of a detector usually list the objects' classes only, without the background. */
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
dicenet_labels_read (const char *path, const DicenetDescription *d, const char *model_path, GError **error)
{
  g_autofree char *text = read_text (path, error);
  if (text == NULL)
    return NULL;
  /* Some editors write a byte order mark. */
  const char *first = text + (g_str_has_prefix (text, "\xef\xbb\xbf") ? 3 : 0);
  g_strchomp (text);
  char *what = NULL;
  const guint n = count_lines (first, &what), wanted = d->n_classes;
  const gboolean lacks_background = d->background_is_implied && n + 1 == wanted;
  if (what != NULL)
    return fail (error, path, what);
  if (n != wanted && !lacks_background) {
    g_autofree char *model = dicenet_path_excerpt (model_path);
    return fail (error, path, g_strdup_printf ("expected %u labels, one per class of %s, found %u", wanted, model, n));
  }
  char **lines = g_strsplit (first, "\n", -1);
  for (guint i = 0; i < n; i++)
    g_strstrip (lines[i]); /* carriage returns too */
  return lacks_background ? prepend_background (lines) : lines;
}
