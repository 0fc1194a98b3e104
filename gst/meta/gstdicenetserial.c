/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Serialises the meta for elements that pass buffers to other processes, such as unixfdsink. The format is a
 * little-endian GVariant, because GLib validates what it reads. The data may come from an untrusted process: anything
 * that this library could not have written is rejected.
 */

#include "gstdicenetmeta-private.h"

#if GST_CHECK_VERSION(1, 24, 0)
#include <math.h>
#include <string.h>

/* Version 0 had neither age in time, source pts nor parent. */
#define VERSION 1

/* Limits of models, frames and results, so that readers need not handle more. */
#define MAX_CLASSES     65535
#define MAX_LABEL_BYTES 4096
#define MAX_FRAME       32767
#define MAX_DETECTIONS  16384
#define MAX_VIEW        1e9

/* Task, model, labels, background, classes, mask width and height, mask. */
#define RESULT "(isasia(ud)uuay)"
/* Label, id, confidence, x, y, w, h, track id, second-stage results. */
#define DETECTION "(uidddddta" RESULT ")"
/* Frame size, view, age, age in time, source pts, parent, result, detections. */
#define META   "(uuddddutti" RESULT "a" DETECTION ")"
#define META_0 "(uuddddu" RESULT "a" DETECTION ")"

static GVariant *
result_to_variant (const GstDicenetResult *result)
{
  g_autofree gchar *model = g_utf8_make_valid (result->model, -1);
  gsize size = result->mask ? (gsize) result->mask_width * result->mask_height : 0;
  GVariantBuilder classes;

  g_variant_builder_init (&classes, G_VARIANT_TYPE ("a(ud)"));
  for (guint i = 0; i < gst_dicenet_result_get_n_classes (result); i++) {
    const GstDicenetClass *c = gst_dicenet_result_get_class (result, i);
    g_variant_builder_add (&classes, "(ud)", c->label_id, c->confidence);
  }
  return g_variant_new ("(is@asia(ud)uu@ay)", (gint) result->task, model,
                        g_variant_new_strv ((const gchar *const *) result->labels, result->n_labels),
                        result->background, &classes, result->mask_width, result->mask_height,
                        g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE,
                                                   size > 0 ? g_bytes_get_data (result->mask, NULL) : NULL, size, 1));
}

static GVariant *
detection_to_variant (const GstDicenetDetection *d)
{
  GVariantBuilder results;

  g_variant_builder_init (&results, G_VARIANT_TYPE ("a" RESULT));
  for (guint i = 0; i < gst_dicenet_detection_get_n_results (d); i++)
    g_variant_builder_add_value (&results, result_to_variant (gst_dicenet_detection_get_result (d, i)));
  return g_variant_new ("(uidddddta" RESULT ")", d->label_id, d->id, d->confidence, d->x, d->y, d->w, d->h, d->track_id,
                        &results);
}

static GVariant *
swapped_if_big_endian (GVariant *variant)
{
#if G_BYTE_ORDER == G_BIG_ENDIAN
  GVariant *swapped = g_variant_byteswap (variant);
  g_variant_unref (variant);
  return swapped;
#else
  return variant;
#endif
}

gboolean
gst_dicenet_meta_serialize (const GstMeta *meta, GstByteArrayInterface *data, guint8 *version)
{
  const GstDicenetMeta *self = (const GstDicenetMeta *) meta;
  GVariantBuilder detections;

  g_variant_builder_init (&detections, G_VARIANT_TYPE ("a" DETECTION));
  for (guint i = 0; i < gst_dicenet_meta_get_n_detections (self); i++)
    g_variant_builder_add_value (&detections, detection_to_variant (gst_dicenet_meta_get_detection (self, i)));
  GVariant *variant = g_variant_ref_sink (
      g_variant_new ("(uuddddutti@" RESULT "a" DETECTION ")", self->frame_width, self->frame_height, self->view_x,
                     self->view_y, self->view_w, self->view_h, self->age, self->age_time, self->source_pts,
                     self->parent_id, result_to_variant (self->result), &detections));
  variant = swapped_if_big_endian (variant);
  *version = VERSION;
  gboolean ok = gst_byte_array_interface_append_data (data, g_variant_get_data (variant), g_variant_get_size (variant));
  g_variant_unref (variant);
  return ok;
}

static gboolean
check_text (const gchar *text)
{
  return strlen (text) <= MAX_LABEL_BYTES;
}

static gboolean
check_labels (const gchar *const *labels, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    if (!check_text (labels[i]))
      return FALSE;
  }
  return n <= MAX_CLASSES;
}

static gboolean
check_class (guint label_id, gdouble confidence)
{
  return label_id < MAX_CLASSES && isfinite (confidence);
}

/* Copies @classes to @result; returns FALSE if one of them is invalid. */
static gboolean
read_classes (GstDicenetResult *result, GVariant *classes)
{
  GVariantIter iter;
  guint label_id;
  gdouble confidence;

  g_variant_iter_init (&iter, classes);
  while (g_variant_iter_next (&iter, "(ud)", &label_id, &confidence)) {
    if (!check_class (label_id, confidence))
      return FALSE;
    gst_dicenet_result_add_class (result, label_id, confidence);
  }
  return TRUE;
}

static gboolean
read_mask (GstDicenetResult *result, GVariant *mask, guint width, guint height)
{
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (mask);
  gsize size = g_bytes_get_size (bytes);

  if (size != (guint64) width * height)
    return FALSE;
  if (size > 0)
    gst_dicenet_result_set_mask (result, bytes, width, height);
  return TRUE;
}

static GstDicenetResult *
result_from_variant (GVariant *variant)
{
  g_autoptr (GVariant) labels = NULL, classes = NULL, mask = NULL;
  const gchar *model;
  gint task, background;
  guint width, height;
  gsize n_labels;

  g_variant_get (variant, "(i&s@asi@a(ud)uu@ay)", &task, &model, &labels, &background, &classes, &width, &height,
                 &mask);
  g_autofree const gchar **names = g_variant_get_strv (labels, &n_labels);
  if (task < GST_DICENET_TASK_CLASSIFY || task > GST_DICENET_TASK_SEGMENT || background < -1 ||
      background >= MAX_CLASSES || !check_text (model) || !check_labels (names, n_labels))
    return NULL;
  GstDicenetResult *result = gst_dicenet_result_new ((GstDicenetTask) task, model, names, background);
  if (read_classes (result, classes) && read_mask (result, mask, width, height))
    return result;
  gst_dicenet_result_unref (result);
  return NULL;
}

static void
clear_detection (gpointer data)
{
  GstDicenetDetection *d = data;

  g_clear_pointer ((GPtrArray **) &d->_results, g_ptr_array_unref);
}

static gboolean
read_own_results (GstDicenetDetection *d, GVariant *results)
{
  gsize n = g_variant_n_children (results);

  if (n > 0)
    d->_results = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_dicenet_result_unref);
  for (gsize i = 0; i < n; i++) {
    g_autoptr (GVariant) child = g_variant_get_child_value (results, i);
    GstDicenetResult *result = result_from_variant (child);
    if (!result)
      return FALSE;
    g_ptr_array_add (d->_results, result);
  }
  return TRUE;
}

/* Returns NULL if a detection is invalid. gst_dicenet_meta_restore() clips them to the frame. */
static GArray *
detections_from_variant (GVariant *variant)
{
  GArray *detections = g_array_new (FALSE, TRUE, sizeof (GstDicenetDetection));
  gsize n = g_variant_n_children (variant);

  g_array_set_clear_func (detections, clear_detection);
  for (gsize i = 0; i < n; i++) {
    g_autoptr (GVariant) child = g_variant_get_child_value (variant, i);
    g_autoptr (GVariant) results = NULL;
    GstDicenetDetection d = { 0 };

    g_variant_get (child, "(uidddddt@a" RESULT ")", &d.label_id, &d.id, &d.confidence, &d.x, &d.y, &d.w, &d.h,
                   &d.track_id, &results);
    gboolean ok = check_class (d.label_id, d.confidence) && read_own_results (&d, results);
    g_array_append_val (detections, d);
    if (!ok) {
      g_array_unref (detections);
      return NULL;
    }
  }
  return detections;
}

static gboolean
check_view (gdouble start, gdouble size)
{
  return fabs (start) <= MAX_VIEW && size > 0 && size <= MAX_VIEW;
}

static GstDicenetMeta *
meta_from_variant (GstBuffer *buffer, GVariant *variant, guint8 version)
{
  g_autoptr (GVariant) result_variant = NULL, detections_variant = NULL;
  gdouble x, y, w, h;
  guint width, height, age;
  gint parent_id = -1;
  GstClockTime age_time = GST_CLOCK_TIME_NONE, source_pts = GST_CLOCK_TIME_NONE;

  if (version == 0)
    g_variant_get (variant, "(uuddddu@" RESULT "@a" DETECTION ")", &width, &height, &x, &y, &w, &h, &age,
                   &result_variant, &detections_variant);
  else
    g_variant_get (variant, "(uuddddutti@" RESULT "@a" DETECTION ")", &width, &height, &x, &y, &w, &h, &age, &age_time,
                   &source_pts, &parent_id, &result_variant, &detections_variant);
  if (width == 0 || height == 0 || width > MAX_FRAME || height > MAX_FRAME || !check_view (x, w) ||
      !check_view (y, h) || g_variant_n_children (detections_variant) > MAX_DETECTIONS)
    return NULL;
  GstDicenetResult *result = result_from_variant (result_variant);
  if (!result)
    return NULL;
  GArray *detections = detections_from_variant (detections_variant);
  GstDicenetMeta *self = NULL;
  if (detections) {
    self = gst_dicenet_meta_restore (buffer, result, width, height, (const GstDicenetDetection *) detections->data,
                                     detections->len);
    self->view_x = x;
    self->view_y = y;
    self->view_w = w;
    self->view_h = h;
    self->age = age;
    self->age_time = age > 0 ? age_time : 0;
    self->source_pts = source_pts;
    self->parent_id = MAX (parent_id, -1);
    g_array_unref (detections);
  }
  gst_dicenet_result_unref (result);
  return self;
}

GstMeta *
gst_dicenet_meta_deserialize (const GstMetaInfo *info, GstBuffer *buffer, const guint8 *data, gsize size,
                              guint8 version)
{
  if (version > VERSION) {
    GST_WARNING ("a result of version %u is ignored: this library reads versions up to %d", version, VERSION);
    return NULL;
  }
  const GVariantType *type = version == 0 ? G_VARIANT_TYPE (META_0) : G_VARIANT_TYPE (META);
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  GVariant *variant = g_variant_ref_sink (g_variant_new_from_bytes (type, bytes, FALSE));
  /* A GVariant that is not in normal form would be read with some values replaced by zeros. */
  gboolean ok = g_variant_is_normal_form (variant);
  variant = swapped_if_big_endian (variant);
  GstDicenetMeta *self = ok ? meta_from_variant (buffer, variant, version) : NULL;
  g_variant_unref (variant);
  if (!self)
    GST_WARNING ("%" G_GSIZE_FORMAT " bytes are not a valid result, and are ignored", size);
  return (GstMeta *) self;
}
#endif
