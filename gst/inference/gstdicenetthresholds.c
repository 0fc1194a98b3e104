/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetthresholds.h"
#include "gstdicenetlabels.h"

gboolean
gst_dicenet_thresholds_parse (GstDicenetThresholds *self, GstDicenetInference *element, const gchar *const *labels,
                              GError **error)
{
  GST_OBJECT_LOCK (element);
  gfloat *thresholds =
      gst_dicenet_labels_parse_thresholds (labels, self->first, self->pairs, self->object_class, error);
  if (thresholds) {
    g_free (self->thresholds);
    self->thresholds = thresholds;
    self->n = g_strv_length ((gchar **) labels);
  }
  GST_OBJECT_UNLOCK (element);
  return thresholds != NULL;
}

void
gst_dicenet_thresholds_set (GstDicenetThresholds *self, GstDicenetInference *element, gchar **field,
                            const GValue *value)
{
  gchar **labels = gst_dicenet_inference_dup_labels (element);
  GError *error = NULL;

  GST_OBJECT_LOCK (element);
  gchar *before = *field;
  *field = g_value_dup_string (value);
  GST_OBJECT_UNLOCK (element);
  if (labels && !gst_dicenet_thresholds_parse (self, element, (const gchar *const *) labels, &error)) {
    GST_OBJECT_LOCK (element);
    gchar *refused = *field;
    *field = g_steal_pointer (&before);
    GST_OBJECT_UNLOCK (element);
    GST_ELEMENT_WARNING (element, RESOURCE, SETTINGS, ("%s. The property stays as it was.", error->message), (NULL));
    g_error_free (error);
    g_free (refused);
  }
  g_free (before);
  g_strfreev (labels);
}

void
gst_dicenet_thresholds_ask (const GstDicenetThresholds *self, DicenetRequest *request)
{
  dicenet_request_set_threshold (request, self->threshold);
  dicenet_request_set_class_thresholds (request, self->thresholds, self->n);
}

void
gst_dicenet_thresholds_clear (GstDicenetThresholds *self)
{
  g_free (self->pairs);
  g_free (self->object_class);
  g_free (self->thresholds);
}

GParamSpec *
gst_dicenet_thresholds_spec (void)
{
  return g_param_spec_string ("class-thresholds", "Class thresholds",
                              "Thresholds that override threshold, or the model's own, for some classes, as "
                              "comma-separated label=value pairs, for example person=0.6,car=0.4",
                              NULL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);
}
