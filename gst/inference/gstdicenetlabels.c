/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include <dicenet/text.h>
#include <gst/gst.h>
#include "gstdicenetlabels.h"

/* Maximum number of labels in an error message: enough for the usual sets (VOC has 21), and still readable. */
#define MAX_LISTED 25

/* Number of bytes that are compared to find the nearest name. */
#define MAX_COMPARED 64

#define LEFT_OUT 2.0f
#define NOT_SET  -1.0f

/* Levenshtein distance of the names' first bytes, ignoring case. */
static guint
edit_distance (const gchar *a, const gchar *b)
{
  gsize m = strnlen (a, MAX_COMPARED), n = strnlen (b, MAX_COMPARED);
  guint row[MAX_COMPARED + 1];

  for (gsize j = 0; j <= n; j++)
    row[j] = (guint) j;
  for (gsize i = 0; i < m; i++) {
    guint diagonal = row[0];
    row[0] = (guint) i + 1;
    for (gsize j = 0; j < n; j++) {
      guint substituted = diagonal + (g_ascii_tolower (a[i]) != g_ascii_tolower (b[j]));
      diagonal = row[j + 1];
      row[j + 1] = MIN (substituted, MIN (row[j], row[j + 1]) + 1);
    }
  }
  return row[n];
}

static void
set_unknown_label_error (GError **error, const gchar *const *labels, const gchar *name)
{
  GString *list = g_string_new (NULL);
  g_autofree gchar *shown = dicenet_text_excerpt (name);
  const gchar *nearest = "";
  guint best = G_MAXUINT, n = 0;

  for (; labels[n]; n++) {
    guint distance = edit_distance (name, labels[n]);
    if (distance < best) {
      best = distance;
      nearest = labels[n];
    }
    if (n < MAX_LISTED) {
      g_autofree gchar *label = dicenet_text_excerpt (labels[n]);
      g_string_append_printf (list, "%s%s", n ? ", " : "", label);
    }
  }
  if (n > MAX_LISTED)
    g_string_append_printf (list, " and %u more", n - MAX_LISTED);
  g_autofree gchar *shown_nearest = dicenet_text_excerpt (nearest);
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
               "the model has no class '%s'; the nearest name is '%s'. Its classes are: %s", shown, shown_nearest,
               list->str);
  g_string_free (list, TRUE);
}

/* There may be tens of thousands of labels and of names to look up, hence a binary search. A hash table would be as
 * slow as a linear search if labels are crafted to collide. */
typedef struct {
  const gchar *const *labels;
  guint first;   /* class that is reported */
  guint *sorted; /* indices of these classes, by name; equal names by index */
  guint n;
} Index;

static gint
compare_labels (gconstpointer a, gconstpointer b, gpointer data)
{
  const guint *i = a, *j = b;
  const gchar *const *labels = data;
  const gint order = g_ascii_strcasecmp (labels[*i], labels[*j]);

  return order ? order : *i < *j ? -1 : *i > *j;
}

static void
index_init (Index *self, const gchar *const *labels, guint first)
{
  const guint n = g_strv_length ((gchar **) labels);

  *self = (Index){ .labels = labels, .first = first, .n = MAX (n, first) - first };
  self->sorted = g_new (guint, self->n);
  for (guint i = 0; i < self->n; i++)
    self->sorted[i] = i + first;
  g_qsort_with_data (self->sorted, (gint) self->n, sizeof *self->sorted, compare_labels, (gpointer) labels);
}

static gint
find_label (const Index *index, const gchar *name, GError **error)
{
  guint low = 0, high = index->n;

  while (low < high) { /* finds the first label not before @name */
    const guint middle = low + (high - low) / 2;
    if (g_ascii_strcasecmp (index->labels[index->sorted[middle]], name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  if (low < index->n && g_ascii_strcasecmp (index->labels[index->sorted[low]], name) == 0)
    return (gint) index->sorted[low];
  if (index->first == 0 || g_ascii_strcasecmp (index->labels[0], name) != 0) {
    set_unknown_label_error (error, index->labels + index->first, name);
    return -1;
  }
  g_autofree gchar *shown = dicenet_text_excerpt (name);
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
               "the model's class '%s' is its background, which is never reported: leave it out", shown);
  return -1;
}

static gboolean
parse_pair (const Index *index, gchar *pair, gfloat *thresholds, GError **error)
{
  gchar *equals = strrchr (pair, '=');
  gchar *end = NULL;
  gdouble value = equals ? g_ascii_strtod (g_strchug (equals + 1), &end) : -1;

  if (!equals || end == equals + 1 || *g_strchug (end) || !(value >= 0 && value <= 1)) {
    g_autofree gchar *shown = dicenet_text_excerpt (pair);
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                 "class-thresholds has '%s' where label=threshold is expected, with a threshold from 0 to 1: "
                 "for example person=0.6,car=0.4",
                 shown);
    return FALSE;
  }
  *equals = '\0';
  gint label = find_label (index, g_strstrip (pair), error);
  if (label < 0) {
    g_prefix_error (error, "class-thresholds: ");
    return FALSE;
  }
  /* A class that object-class excludes stays excluded. */
  if (thresholds[label] != LEFT_OUT)
    thresholds[label] = (gfloat) value;
  return TRUE;
}

static gboolean
parse_allowed (const Index *index, gchar **names, gfloat *thresholds, GError **error)
{
  gboolean any = FALSE;

  for (gsize i = 0; index->labels[i]; i++)
    thresholds[i] = LEFT_OUT;
  for (gsize i = 0; names[i]; i++) {
    if (!*g_strstrip (names[i]))
      continue;
    gint label = find_label (index, names[i], error);
    if (label < 0) {
      g_prefix_error (error, "object-class: ");
      return FALSE;
    }
    thresholds[label] = NOT_SET;
    any = TRUE;
  }
  if (!any)
    g_set_error (
        error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "object-class has commas and spaces only, which would exclude all classes: expected labels, separated by "
        "commas, for example person,car, or an empty text for all classes");
  return any;
}

gfloat *
gst_dicenet_labels_parse_thresholds (const gchar *const *labels, guint first, const gchar *class_thresholds,
                                     const gchar *object_class, GError **error)
{
  gchar **allowed = g_strsplit (object_class ? object_class : "", ",", -1);
  gchar **pairs = g_strsplit (class_thresholds ? class_thresholds : "", ",", -1);
  guint n = g_strv_length ((gchar **) labels);
  gfloat *thresholds = g_new (gfloat, n + 1);
  gboolean ok = TRUE;
  Index index;

  index_init (&index, labels, first);
  for (guint i = 0; i < n; i++)
    thresholds[i] = NOT_SET;
  if (object_class && *object_class)
    ok = parse_allowed (&index, allowed, thresholds, error);
  for (gsize i = 0; ok && pairs[i]; i++)
    ok = !*g_strstrip (pairs[i]) || parse_pair (&index, pairs[i], thresholds, error);

  g_free (index.sorted);
  g_strfreev (allowed);
  g_strfreev (pairs);
  if (!ok)
    g_clear_pointer (&thresholds, g_free);
  return thresholds;
}
