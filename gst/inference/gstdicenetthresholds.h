/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstdicenetinference.h"

G_BEGIN_DECLS

/* The properties of an element that say which classes are reported: threshold, class-thresholds, and object-class if it
 * has it. Protected by the element's object lock. */
typedef struct {
  guint first;      /* class that can be reported: 1 after a background */
  gfloat threshold; /* negative: the model's default */
  gchar *pairs, *object_class;
  gfloat *thresholds; /* both, parsed with the labels of the open model: one for each class, or NULL */
  guint n;
} GstDicenetThresholds;

/* Parses both texts with the labels of a model that is opened; the element's labels_changed(). */
gboolean gst_dicenet_thresholds_parse (GstDicenetThresholds *self, GstDicenetInference *element,
                                       const gchar *const *labels, GError **error);

/* Sets @field, one of @self's texts. While a model is open, a value that does not fit it is refused with a warning;
 * otherwise it is checked when a model is opened. Call without the object lock. */
void gst_dicenet_thresholds_set (GstDicenetThresholds *self, GstDicenetInference *element, gchar **field,
                                 const GValue *value);

/* Call with the object lock. */
void gst_dicenet_thresholds_ask (const GstDicenetThresholds *self, DicenetRequest *request);

void gst_dicenet_thresholds_clear (GstDicenetThresholds *self);

/* The property class-thresholds. */
GParamSpec *gst_dicenet_thresholds_spec (void);

G_END_DECLS
