/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "video/gstdicenetvideo.h"
#include <dicenet/dicenet.h>
#include <gst/dicenet/gstdicenetmeta.h>

G_BEGIN_DECLS

#define GST_TYPE_DICENET_INFERENCE (gst_dicenet_inference_get_type ())
G_DECLARE_DERIVABLE_TYPE (GstDicenetInference, gst_dicenet_inference, GST, DICENET_INFERENCE, GstDicenetVideo)

/**
 * GstDicenetInferenceClass:
 * @task: task of the element's models
 * @labels_changed: (nullable): called by start() when the labels are known, before the first frame; checks the
 *   element's own properties against them
 * @ask: (nullable): fills the request from the element's properties
 * @read: fills the result from what the core returned for a part of the frame. Returns the boxes, #GstDicenetDetection
 *   in pixels of the frame (detection), or %NULL
 * @describe: adds the result to the bus message
 * @get_opacity: (nullable): opacity for drawing a mask
 *
 * Base class of the inference elements: everything that classification, detection and segmentation have in common.
 */
struct _GstDicenetInferenceClass {
  GstDicenetVideoClass parent_class;

  GstDicenetTask task;
  gboolean (*labels_changed) (GstDicenetInference *self, const gchar *const *labels, GError **error);
  void (*ask) (GstDicenetInference *self, DicenetModel *model, DicenetRequest *request);
  GArray *(*read) (GstDicenetInference *self, DicenetResult *found, const GstVideoRectangle *area,
                   GstDicenetResult *result);
  void (*describe) (GstDicenetInference *self, const GstDicenetMeta *meta, GstStructure *message);
  gdouble (*get_opacity) (GstDicenetInference *self);
};

/**
 * gst_dicenet_inference_dup_labels:
 * @self: an inference element
 *
 * Returns: (transfer full) (nullable): the labels in use, or %NULL while no model is open. Thread-safe
 */
gchar **gst_dicenet_inference_dup_labels (GstDicenetInference *self);

/** Sets one of the settings for regions, for a property of the element. Thread-safe. */
void gst_dicenet_inference_set_region_setting (GstDicenetInference *self, guint id, const GValue *value);
/** Gets it. Thread-safe. */
void gst_dicenet_inference_get_region_setting (GstDicenetInference *self, guint id, GValue *value);

/** Appends @structure to @array, a GST_TYPE_ARRAY. Takes @structure. */
void gst_dicenet_inference_append_structure (GValue *array, GstStructure *structure);

/** Adds the pad templates of all inference elements: the formats that the core reads, with and without the overlay
 * composition feature. */
void gst_dicenet_inference_class_add_templates (GstElementClass *klass);

G_END_DECLS
