/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "description.h"

#include <dicenet/error.h>
#include <dicenet/image.h>
#include <math.h>
#include <string.h>
#include "json.h"

#define MAX_CLASSES 65535

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

/* What comes to the multiply-adds of the paper's Table I (docs/networks.md). */
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

const DicenetWidths *
dicenet_widths_find (DicenetBackbone backbone, gdouble scale)
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
}

/* One reader per kind of value; each leaves @out as it was when the key is absent and may be. */
typedef struct {
  const DicenetSafetensors *file;
  GError **error;
} Reader;

static gboolean
bad_value (Reader *r, const char *key, const char *expected, const char *found)
{
  g_autofree char *shown = found ? dicenet_text_excerpt (found) : NULL;
  g_set_error (r->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
               "%s: __metadata__: \"%s\": expected %s, found %s%s%s", r->file->path, key, expected, shown ? "\"" : "",
               shown ? shown : "nothing", shown ? "\"" : "");
  return FALSE;
}

static const char *
value_of (Reader *r, const char *key)
{
  return g_hash_table_lookup (r->file->metadata, key);
}

static gboolean
read_int (Reader *r, const char *key, gint64 min, gint64 max, gboolean required, gint *out)
{
  const char *text = value_of (r, key);
  gint64 value;

  if (text == NULL && !required)
    return TRUE;
  if (text == NULL || !g_ascii_string_to_signed (text, 10, min, max, &value, NULL)) {
    g_autofree char *expected =
        g_strdup_printf ("a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, min, max);
    return bad_value (r, key, expected, text);
  }
  *out = (gint) value;
  return TRUE;
}

static gboolean
read_fraction (Reader *r, const char *key, gfloat *out)
{
  const char *text = value_of (r, key);
  char *end = NULL;

  if (text == NULL)
    return TRUE;
  const gdouble value = g_ascii_strtod (text, &end);
  if (end == text || *end != '\0' || !(value >= 0 && value <= 1))
    return bad_value (r, key, "a number from 0 to 1", text);
  *out = (gfloat) value;
  return TRUE;
}

static gboolean
read_bool (Reader *r, const char *key, gboolean *out)
{
  const char *text = value_of (r, key);
  if (text == NULL)
    return TRUE;
  if (!g_str_equal (text, "true") && !g_str_equal (text, "false"))
    return bad_value (r, key, "true or false", text);
  *out = g_str_equal (text, "true");
  return TRUE;
}

gboolean
dicenet_parse_size (const char *text, guint *width, guint *height)
{
  g_auto (GStrv) parts = g_strsplit (text, "x", 3);
  guint64 w, h;

  if (g_strv_length (parts) != 2 ||
      !g_ascii_string_to_unsigned (parts[0], 10, DICENET_MIN_SIZE, DICENET_MAX_SIZE, &w, NULL) ||
      !g_ascii_string_to_unsigned (parts[1], 10, DICENET_MIN_SIZE, DICENET_MAX_SIZE, &h, NULL))
    return FALSE;
  *width = (guint) w;
  *height = (guint) h;
  return TRUE;
}

static gboolean
read_size (Reader *r, const char *key, guint *width, guint *height)
{
  const char *text = value_of (r, key);

  if (text != NULL && dicenet_parse_size (text, width, height))
    return TRUE;
  g_autofree char *expected = g_strdup_printf ("WxH from %dx%d to %dx%d", DICENET_MIN_SIZE, DICENET_MIN_SIZE,
                                               DICENET_MAX_SIZE, DICENET_MAX_SIZE);
  return bad_value (r, key, expected, text);
}

/* Steps into the array that the text must be. NULL if it is none; @error is set where it is not even JSON. */
static const char *
enter_array (const char *text, GError **error)
{
  if (!dicenet_json_check (text, strlen (text), error) || dicenet_json_type (text) != '[')
    return NULL;
  dicenet_json_enter (&text);
  return text;
}

static gboolean
read_numbers (Reader *r, const char *key, guint n, gdouble min, gdouble max, const char *expected, gfloat *out)
{
  const char *text = value_of (r, key);
  if (text == NULL)
    return TRUE;

  const char *at = enter_array (text, NULL);
  guint found = 0;
  for (; at && dicenet_json_next (&at); found++) {
    g_autofree char *number = dicenet_json_read_number (&at);
    const gdouble value = number ? g_ascii_strtod (number, NULL) : NAN;
    if (found == n || !(value >= min && value <= max))
      return bad_value (r, key, expected, text);
    out[found] = (gfloat) value;
  }
  return found == n || bad_value (r, key, expected, text);
}

/* Where a file says nothing, they follow from the size that the model is meant for as in SSD (paper, 7.1): evenly
 * spaced between 10 % and 105 % of it. */
static gboolean
read_prior_sizes (Reader *r, DicenetDescription *d)
{
  static const char expected[] = "seven numbers from 1 to 8192, each larger than the one before";
  const gdouble size = MIN (d->width, d->height), low = ceil (0.1 * size), high = ceil (1.05 * size);

  for (guint k = 0; k <= DICENET_N_MAPS; k++)
    d->prior_sizes[k] = (gfloat) floor (low + (high - low) * k / DICENET_N_MAPS);
  if (!read_numbers (r, "prior_sizes", G_N_ELEMENTS (d->prior_sizes), 1, 2 * DICENET_MAX_SIZE, expected,
                     d->prior_sizes))
    return FALSE;
  for (guint k = 0; k < DICENET_N_MAPS; k++) {
    if (d->prior_sizes[k + 1] <= d->prior_sizes[k])
      return bad_value (r, "prior_sizes", expected, value_of (r, "prior_sizes"));
  }
  return TRUE;
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
read_labels (Reader *r, DicenetDescription *d)
{
  const char *text = value_of (r, "labels");
  if (text == NULL) {
    d->labels = numbered_labels (d->n_classes);
    return TRUE;
  }

  g_autoptr (GError) reason = NULL;
  const char *at = enter_array (text, &reason);
  if (reason != NULL) {
    g_set_error (r->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
                 "%s: __metadata__: \"labels\": expected a JSON array of strings: %s", r->file->path, reason->message);
    return FALSE;
  }
  if (at == NULL)
    return bad_value (r, "labels", "a JSON array of strings", text);
  d->labels = g_new0 (char *, d->n_classes + 1);
  guint found = 0;
  for (; dicenet_json_next (&at); found++) {
    char *label = dicenet_json_type (at) == '"' ? dicenet_json_read_string (&at, NULL) : NULL;
    if (label == NULL || strlen (label) > DICENET_MAX_LABEL_BYTES) {
      g_free (label);
      return bad_value (r, "labels", MAX_LABEL_TEXT, "another value in it");
    }
    if (found < d->n_classes)
      d->labels[found] = label;
    else
      g_free (label);
  }
  if (found == d->n_classes)
    return TRUE;
  g_set_error (r->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
               "%s: __metadata__: expected %u labels, one per class, found %u", r->file->path, d->n_classes, found);
  return FALSE;
}

static gboolean
read_task (Reader *r, DicenetDescription *d)
{
  static const char *const names[] = {
    [DICENET_TASK_CLASSIFY] = "classify", [DICENET_TASK_DETECT] = "detect", [DICENET_TASK_SEGMENT] = "segment"
  };
  const char *format = value_of (r, "format"), *task = value_of (r, "task");
  gint version = 0;

  if (g_strcmp0 (format, "dicenet") != 0) {
    g_set_error (r->error, DICENET_ERROR, DICENET_ERROR_UNSUPPORTED,
                 "%s: a safetensors file, but not a DiCENet model (no format \"dicenet\" in its __metadata__); convert "
                 "checkpoints with models/convert.py",
                 r->file->path);
    return FALSE;
  }
  if (!read_int (r, "format_version", 1, G_MAXINT, TRUE, &version))
    return FALSE;
  if (version != 1) {
    g_set_error (r->error, DICENET_ERROR, DICENET_ERROR_UNSUPPORTED,
                 "%s: format_version is %d, this version reads 1: use a newer version of this library", r->file->path,
                 version);
    return FALSE;
  }
  for (guint i = 0; task && i < G_N_ELEMENTS (names); i++) {
    if (g_str_equal (task, names[i])) {
      d->task = (DicenetTask) i;
      return TRUE;
    }
  }
  return bad_value (r, "task", "classify, detect or segment", task);
}

static gboolean
read_backbone (Reader *r, DicenetDescription *d)
{
  const char *text = value_of (r, "backbone");

  if (text == NULL)
    return TRUE;
  for (guint i = 0; i < DICENET_N_BACKBONES; i++)
    if (g_str_equal (text, dicenet_backbone_names[i]))
      d->backbone = (DicenetBackbone) i;
  if (!g_str_equal (text, dicenet_backbone_names[d->backbone]))
    return bad_value (r, "backbone", "dicenet, mobilenet or resnet", text);
  return d->backbone == DICENET_BACKBONE_DICENET || d->task == DICENET_TASK_CLASSIFY ||
         bad_value (r, "backbone", "dicenet for this task (classify has others)", text);
}

static gboolean
read_scale (Reader *r, DicenetDescription *d)
{
  const char *text = value_of (r, "scale");
  char *end = NULL;
  const gdouble scale = text ? g_ascii_strtod (text, &end) : 0;
  const DicenetWidths *widths = text && end != text && *end == '\0' ? dicenet_widths_find (d->backbone, scale) : NULL;

  if (widths == NULL)
    return bad_value (r, "scale", widths_tables[d->backbone].scales, text);
  d->widths = *widths;
  return TRUE;
}

static gboolean
read_task_keys (Reader *r, DicenetDescription *d)
{
  gint decoder = 16;

  switch (d->task) {
  case DICENET_TASK_CLASSIFY:
    if (!read_bool (r, "multi_label", &d->multi_label))
      return FALSE;
    /* Tags are yes or no each; classes that exclude each other are a ranking, of which there is always a first. */
    d->threshold = d->multi_label ? 0.5f : 0;
    return read_fraction (r, "threshold", &d->threshold);
  case DICENET_TASK_DETECT:
    d->threshold = 0.5f;
    return read_bool (r, "pyramid", &d->pyramid) && read_prior_sizes (r, d) &&
           read_fraction (r, "threshold", &d->threshold);
  case DICENET_TASK_SEGMENT:
    if (!read_int (r, "decoder_width", 1, 256, FALSE, &decoder))
      return FALSE;
    d->decoder_width = (guint) decoder;
    return TRUE;
  default:
    g_return_val_if_reached (FALSE);
  }
}

static gboolean
read_all (Reader *r, DicenetDescription *d)
{
  gint classes = 0;

  if (!read_task (r, d) || !read_backbone (r, d) || !read_scale (r, d))
    return FALSE;
  /* A mask is 8 bits per pixel; a detector needs one class beside the background. */
  const gint least = d->task == DICENET_TASK_CLASSIFY ? 1 : 2,
             most = d->task == DICENET_TASK_SEGMENT ? 256 : MAX_CLASSES;
  if (!read_int (r, "classes", least, most, TRUE, &classes))
    return FALSE;
  d->n_classes = (guint) classes;
  d->background = d->task == DICENET_TASK_DETECT ? 0 : -1;
  if (d->task == DICENET_TASK_SEGMENT && !read_int (r, "background", -1, classes - 1, FALSE, &d->background))
    return FALSE;
  return read_size (r, "size", &d->width, &d->height) &&
         read_size (r, "kernel_size", &d->kernel_width, &d->kernel_height) &&
         read_numbers (r, "mean", 3, -1e3, 1e3, "three numbers [r,g,b]", d->mean) &&
         read_numbers (r, "std", 3, 1e-6, 1e3, "three positive numbers [r,g,b]", d->std) && read_task_keys (r, d) &&
         read_labels (r, d);
}

gboolean
dicenet_description_read (DicenetDescription *out, const DicenetSafetensors *file, GError **error)
{
  /* ImageNet's statistics, which every published checkpoint was trained with. */
  *out = (DicenetDescription){ .mean = { 0.485f, 0.456f, 0.406f }, .std = { 0.229f, 0.224f, 0.225f } };
  Reader reader = { file, error };

  if (read_all (&reader, out))
    return TRUE;
  dicenet_description_clear (out);
  return FALSE;
}
