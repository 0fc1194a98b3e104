/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "description.h"

#include <dicenet/error.h>
#include <math.h>
#include <string.h>
#include "json.h"

const char *const dicenet_backbone_names[DICENET_N_BACKBONES] = {
  [DICENET_BACKBONE_DICENET] = "dicenet",
  [DICENET_BACKBONE_MOBILENET] = "mobilenet",
  [DICENET_BACKBONE_RESNET] = "resnet",
};

/* Paper, Table VIII; 0.75 to 2.4 as in the published checkpoints. */
static const DicenetWidths dicenet_widths[] = {
  { 0.1, 8, 8, 16, 32, 64, 512 },        { 0.2, 16, 16, 32, 64, 128, 1024 },    { 0.5, 24, 24, 48, 96, 192, 1024 },
  { 0.75, 24, 24, 86, 172, 344, 1024 },  { 1.0, 24, 24, 116, 232, 464, 1024 },  { 1.25, 24, 24, 144, 288, 576, 1024 },
  { 1.5, 24, 24, 176, 352, 704, 1024 },  { 1.75, 24, 24, 210, 420, 840, 1024 }, { 2.0, 24, 24, 244, 488, 976, 1024 },
  { 2.4, 24, 24, 278, 556, 1112, 1280 },
};

/* Chosen to match the multiply-adds of the paper's Table I (docs/networks.md). */
static const DicenetWidths mobilenet_widths[] = {
  { 0.3, 20, 40, 80, 160, 320, 0 },
  { 1.75, 112, 224, 448, 896, 1792, 0 },
  { 2.8, 180, 360, 720, 1440, 2880, 0 },
};
static const DicenetWidths resnet_widths[] = {
  { 0.16, 24, 40, 80, 160, 320, 0 },
  { 0.28, 24, 72, 144, 288, 576, 0 },
  { 0.48, 24, 124, 248, 496, 992, 0 },
};

static const struct {
  const DicenetWidths *rows;
  guint n;
  const char *scales; /* for messages */
} widths_tables[DICENET_N_BACKBONES] = {
  [DICENET_BACKBONE_DICENET] = { dicenet_widths, G_N_ELEMENTS (dicenet_widths),
                                 "one of 0.1, 0.2, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.4" },
  [DICENET_BACKBONE_MOBILENET] = { mobilenet_widths, G_N_ELEMENTS (mobilenet_widths), "one of 0.3, 1.75, 2.8" },
  [DICENET_BACKBONE_RESNET] = { resnet_widths, G_N_ELEMENTS (resnet_widths), "one of 0.16, 0.28, 0.48" },
};

/* NULL if the backbone's table has no row for @scale. */
static const DicenetWidths *
find_widths (DicenetBackbone backbone, gdouble scale)
{
  const DicenetWidths *rows = widths_tables[backbone].rows;

  for (guint i = 0; i < widths_tables[backbone].n; i++)
    if (fabs (rows[i].scale - scale) < 1e-6)
      return &rows[i];
  return NULL;
}

void
dicenet_description_clear (DicenetDescription *self)
{
  g_clear_pointer (&self->labels, g_strfreev);
  g_clear_pointer (&self->thresholds, g_free);
  g_clear_pointer (&self->int8_ranges, g_array_unref);
  g_clear_pointer (&self->int8_means, g_ptr_array_unref);
}

gboolean
dicenet_description_read_thresholds (DicenetDescription *self, const DicenetMetadata *m, gfloat fallback)
{
  self->threshold = fallback;
  if (!dicenet_metadata_read_fraction (m, "threshold", &self->threshold))
    return FALSE;
  if (dicenet_metadata_get (m, "thresholds") == NULL)
    return TRUE;
  g_autofree char *expected =
      g_strdup_printf ("a JSON array of %u numbers from 0 to 1, one per class", self->n_classes);
  self->thresholds = g_new0 (gfloat, self->n_classes);
  return dicenet_metadata_read_numbers (m, "thresholds", self->n_classes, 0, 1, expected, self->thresholds);
}

static char **
numbered_labels (guint n)
{
  char **labels = g_new0 (char *, n + 1);
  for (guint i = 0; i < n; i++)
    labels[i] = g_strdup_printf ("class %u", i);
  return labels;
}

#define MAX_LABEL_TEXT                                                                                                 \
  "a JSON array of strings without U+0000, each of at most " G_STRINGIFY (DICENET_MAX_LABEL_BYTES) " bytes"

static gboolean
read_labels (const DicenetMetadata *m, DicenetDescription *d)
{
  const char *text = dicenet_metadata_get (m, "labels");
  if (text == NULL) {
    d->labels = numbered_labels (d->n_classes);
    return TRUE;
  }

  g_autoptr (GError) reason = NULL;
  const char *at = dicenet_metadata_enter_array (text, &reason);
  if (reason != NULL) {
    g_set_error (m->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
                 "%s: __metadata__: \"labels\": expected a JSON array of strings: %s", m->file->path, reason->message);
    return FALSE;
  }
  if (at == NULL)
    return dicenet_metadata_refuse (m, "labels", "a JSON array of strings", text);
  d->labels = g_new0 (char *, d->n_classes + 1);
  guint found = 0;
  for (; dicenet_json_next (&at); found++) {
    char *label = dicenet_json_type (at) == '"' ? dicenet_json_read_string (&at, NULL) : NULL;
    if (label == NULL || strlen (label) > DICENET_MAX_LABEL_BYTES) {
      g_free (label);
      g_set_error (m->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
                   "%s: __metadata__: \"labels\": expected " MAX_LABEL_TEXT "; the one at %u is none, counted from 0",
                   m->file->path, found);
      return FALSE;
    }
    if (found < d->n_classes)
      d->labels[found] = label;
    else
      g_free (label);
  }
  if (found == d->n_classes)
    return TRUE;
  g_set_error (m->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
               "%s: __metadata__: expected %u labels, one per class, found %u", m->file->path, d->n_classes, found);
  return FALSE;
}

static gboolean
read_ranges (const DicenetMetadata *m, DicenetDescription *d)
{
  if (dicenet_metadata_get (m, "int8_ranges") == NULL)
    return TRUE;
  d->int8_ranges = g_array_new (FALSE, FALSE, sizeof (DicenetRange));
  return dicenet_metadata_read_ranges (m, "int8_ranges", DICENET_MAX_RANGES,
                                       "a JSON array of pairs [low, high] from -1e30 to 0 and from 0 to 1e30",
                                       d->int8_ranges);
}

static gboolean
read_means (const DicenetMetadata *m, DicenetDescription *d)
{
  if (dicenet_metadata_get (m, "int8_means") == NULL)
    return TRUE;
  d->int8_means = g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref);
  return dicenet_metadata_read_lists (m, "int8_means", DICENET_MAX_RANGES, DICENET_MAX_MEANS,
                                      "a JSON array of arrays of numbers from -1e30 to 1e30", d->int8_means);
}

static gboolean
check_format (const DicenetMetadata *m)
{
  gint version = 0;

  if (g_strcmp0 (dicenet_metadata_get (m, "format"), "dicenet") != 0) {
    g_set_error (m->error, DICENET_ERROR, DICENET_ERROR_UNSUPPORTED,
                 "%s: a safetensors file, but not a DiCENet model (no format \"dicenet\" in its __metadata__); convert "
                 "checkpoints with models/convert.py",
                 m->file->path);
    return FALSE;
  }
  if (!dicenet_metadata_read_int (m, "format_version", 1, G_MAXINT, TRUE, &version))
    return FALSE;
  if (version != 1) {
    g_set_error (m->error, DICENET_ERROR, DICENET_ERROR_UNSUPPORTED,
                 "%s: format_version is %d, this version reads 1: use a newer version of this library", m->file->path,
                 version);
    return FALSE;
  }
  return TRUE;
}

/* "classify, detect or segment" */
static char *
join_names (const DicenetTaskKeys *const *tasks, guint n)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", tasks[i]->name);
  return g_string_free (text, FALSE);
}

/* NULL with @error set. */
static const DicenetTaskKeys *
find_task (const DicenetMetadata *m, const DicenetTaskKeys *const *tasks, guint n)
{
  const char *name = dicenet_metadata_get (m, "task");

  for (guint i = 0; name && i < n; i++)
    if (g_str_equal (name, tasks[i]->name))
      return tasks[i];
  g_autofree char *expected = join_names (tasks, n);
  dicenet_metadata_refuse (m, "task", expected, name);
  return NULL;
}

/* Sets the error for a task that only supports DiCENet. */
static gboolean
refuse_backbone (const DicenetMetadata *m, const DicenetTaskKeys *const *tasks, guint n, const char *found)
{
  guint i = 0;

  while (i + 1 < n && !tasks[i]->has_backbones)
    i++;
  g_autofree char *expected = g_strdup_printf ("dicenet for this task (%s has others)", tasks[i]->name);
  return dicenet_metadata_refuse (m, "backbone", expected, found);
}

static gboolean
read_backbone (const DicenetMetadata *m, DicenetDescription *d)
{
  const char *text = dicenet_metadata_get (m, "backbone");

  if (text == NULL)
    return TRUE;
  for (guint i = 0; i < DICENET_N_BACKBONES; i++)
    if (g_str_equal (text, dicenet_backbone_names[i]))
      d->backbone = (DicenetBackbone) i;
  return g_str_equal (text, dicenet_backbone_names[d->backbone]) ||
         dicenet_metadata_refuse (m, "backbone", "dicenet, mobilenet or resnet", text);
}

static gboolean
read_scale (const DicenetMetadata *m, DicenetDescription *d)
{
  const char *text = dicenet_metadata_get (m, "scale");
  gdouble scale;
  const DicenetWidths *widths = text && dicenet_parse_number (text, &scale) ? find_widths (d->backbone, scale) : NULL;

  if (widths == NULL)
    return dicenet_metadata_refuse (m, "scale", widths_tables[d->backbone].scales, text);
  d->widths = *widths;
  return TRUE;
}

/* Keys common to all tasks. */
static gboolean
read_common (const DicenetMetadata *m, const DicenetTaskKeys *task, DicenetDescription *d)
{
  gint classes = 0;

  if (!read_scale (m, d) ||
      !dicenet_metadata_read_int (m, "classes", task->min_classes, task->max_classes, TRUE, &classes))
    return FALSE;
  d->n_classes = (guint) classes;
  return dicenet_metadata_read_size (m, "size", &d->width, &d->height) &&
         dicenet_metadata_read_size (m, "kernel_size", &d->kernel_width, &d->kernel_height) &&
         dicenet_metadata_read_numbers (m, "mean", 3, -1e3, 1e3, "three numbers from -1000 to 1000, [r,g,b]",
                                        d->mean) &&
         dicenet_metadata_read_numbers (m, "std", 3, 1e-6, 1e3, "three positive numbers from 0.000001 to 1000, [r,g,b]",
                                        d->std);
}

static gboolean
read_all (const DicenetMetadata *m, const DicenetTaskKeys *const *tasks, guint n_tasks, DicenetDescription *d)
{
  const DicenetTaskKeys *task = check_format (m) ? find_task (m, tasks, n_tasks) : NULL;

  if (task == NULL || !read_backbone (m, d))
    return FALSE;
  if (d->backbone != DICENET_BACKBONE_DICENET && !task->has_backbones)
    return refuse_backbone (m, tasks, n_tasks, dicenet_backbone_names[d->backbone]);
  d->task = task->task;
  return read_common (m, task, d) && task->read (m, d) && read_labels (m, d) && read_ranges (m, d) && read_means (m, d);
}

gboolean
dicenet_description_read (DicenetDescription *out, const DicenetSafetensors *file, const DicenetTaskKeys *const *tasks,
                          guint n_tasks, GError **error)
{
  /* ImageNet's statistics, which all published checkpoints were trained with. */
  *out =
      (DicenetDescription){ .mean = { 0.485f, 0.456f, 0.406f }, .std = { 0.229f, 0.224f, 0.225f }, .background = -1 };
  const DicenetMetadata metadata = { file, error };

  if (read_all (&metadata, tasks, n_tasks, out))
    return TRUE;
  dicenet_description_clear (out);
  return FALSE;
}
