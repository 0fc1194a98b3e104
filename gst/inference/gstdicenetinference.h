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
 * @task: what the models of this element do
 * @labels_changed: (nullable): the labels are known now; checks the element's own properties against them. Called by
 *   start, before the first frame
 * @ask: (nullable): asks for what the element's properties say now
 * @read: puts what was found into the result, and returns the boxes in pixels of the frame, #GstDicenetDetection
 *   (detection), or %NULL
 * @describe: puts what was found into the message for the bus
 * @get_opacity: (nullable): how strongly a mask is drawn
 *
 * An element that runs a model on frames: everything that classification, detection and segmentation have in common.
 */
struct _GstDicenetInferenceClass {
  GstDicenetVideoClass parent_class;

  GstDicenetTask task;
  gboolean (*labels_changed) (GstDicenetInference *self, const gchar *const *labels, GError **error);
  void (*ask) (GstDicenetInference *self, DicenetModel *model, DicenetRequest *request);
  GArray *(*read) (GstDicenetInference *self, DicenetResult *found, GstDicenetResult *result);
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

/** Appends @structure to @array, a GST_TYPE_ARRAY. Takes @structure. */
void gst_dicenet_inference_append_structure (GValue *array, GstStructure *structure);

/** Pad templates of all of them: the formats that the core reads, with and without the composition feature. */
void gst_dicenet_inference_class_add_templates (GstElementClass *klass);

G_END_DECLS
