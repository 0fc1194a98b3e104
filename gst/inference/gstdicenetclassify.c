/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-dicenetclassify
 * @title: dicenetclassify
 * @see_also: dicenetoverlay, dicenetjson
 *
 * Classifies each frame with a DiCENet classification model and attaches the most likely classes as a #GstDicenetMeta.
 * Frames pass through in their own format and size; their pixels are not modified unless overlay is true.
 *
 * The default model, dicenet-classify, is installed with the plugin and knows the 20 classes of PASCAL VOC. The model
 * property selects another one: a file, or the name of a model in a folder of the environment variable
 * DICENET_MODEL_PATH.
 *
 * Every frame gets a result, and waits for it; with inference-mode=newest it leaves at once, with the newest result
 * that is there. With qos=true, frames that are late at the sink are dropped before the model runs; by default they are
 * not. In a live pipeline the element reports the time that frames wait in the LATENCY query.
 *
 * With inference-region=objects, the model looks at each object that an element before this one detected, instead of at
 * the frame: its classes are added to the object, and tracked objects keep them for
 * #GstDicenetClassify:reclassify-interval frames.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert ! dicenetclassify overlay=true !
 * videoconvert ! autovideosink
 * ]|
 *
 * With post-messages=true each inference posts an element message `dicenet-classify` with the fields pts, running-time,
 * stream-time, width, height, model, and `classes`, an array of structures with label, label-id and confidence.
 * With inference-region=objects there is one message per frame, with `objects`, whose structures are of objects.
 */

#include "gstdicenetclassify.h"
#include "gstdicenetregions.h"
#include "gstdicenetthresholds.h"

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_classify_debug);
#define GST_CAT_DEFAULT gst_dicenet_classify_debug

enum {
  PROP_0,
  PROP_TOP_K,
  PROP_THRESHOLD,
  PROP_CLASS_THRESHOLDS,
  PROP_RECLASSIFY_INTERVAL,
};

#define DEFAULT_TOP_K     5
#define DEFAULT_THRESHOLD -1.0f

struct _GstDicenetClassify {
  GstDicenetInference parent;

  /* Protected by the object lock. */
  guint top_k;
  GstDicenetThresholds classes;
};

G_DEFINE_FINAL_TYPE (GstDicenetClassify, gst_dicenet_classify, GST_TYPE_DICENET_INFERENCE)
GST_ELEMENT_REGISTER_DEFINE (dicenetclassify, "dicenetclassify", GST_RANK_NONE, GST_TYPE_DICENET_CLASSIFY)

static void
gst_dicenet_classify_ask (GstDicenetInference *inference, DicenetModel *model, DicenetRequest *request)
{
  GstDicenetClassify *self = GST_DICENET_CLASSIFY (inference);

  GST_OBJECT_LOCK (self);
  dicenet_request_set_top_k (request, self->top_k);
  gst_dicenet_thresholds_ask (&self->classes, request);
  GST_OBJECT_UNLOCK (self);
}

static GArray *
gst_dicenet_classify_read (GstDicenetInference *inference, DicenetResult *found, const GstVideoRectangle *area,
                           GstDicenetResult *result)
{
  guint n;
  const DicenetClass *classes = dicenet_result_get_classes (found, 0, &n);

  for (guint i = 0; i < n; i++)
    gst_dicenet_result_add_class (result, classes[i].label_id, classes[i].confidence);
  GST_DEBUG_OBJECT (inference, "%u classes", n);
  return NULL;
}

static void
gst_dicenet_classify_describe (GstDicenetInference *filter, const GstDicenetMeta *meta, GstStructure *message)
{
  const GstDicenetResult *result = meta->result;
  GValue classes = G_VALUE_INIT;

  g_value_init (&classes, GST_TYPE_ARRAY);
  for (guint i = 0; i < gst_dicenet_result_get_n_classes (result); i++) {
    const GstDicenetClass *class = gst_dicenet_result_get_class (result, i);
    gst_dicenet_inference_append_structure (
        &classes, gst_structure_new ("class", "label", G_TYPE_STRING,
                                     gst_dicenet_result_get_label (result, class->label_id), "label-id", G_TYPE_UINT,
                                     class->label_id, "confidence", G_TYPE_DOUBLE, class->confidence, NULL));
  }
  gst_structure_take_value (message, "classes", &classes);
}

static gboolean
gst_dicenet_classify_labels_changed (GstDicenetInference *filter, const gchar *const *labels, GError **error)
{
  return gst_dicenet_thresholds_parse (&GST_DICENET_CLASSIFY (filter)->classes, filter, labels, error);
}

static void
gst_dicenet_classify_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDicenetClassify *self = GST_DICENET_CLASSIFY (object);

  if (id == PROP_RECLASSIFY_INTERVAL) {
    gst_dicenet_inference_set_region_setting (GST_DICENET_INFERENCE (self),
                                              GST_DICENET_REGION_SETTING_RECLASSIFY_INTERVAL, value);
    return;
  }
  if (id == PROP_CLASS_THRESHOLDS) {
    gst_dicenet_thresholds_set (&self->classes, GST_DICENET_INFERENCE (self), &self->classes.pairs, value);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_TOP_K:
    self->top_k = g_value_get_uint (value);
    break;
  case PROP_THRESHOLD:
    self->classes.threshold = g_value_get_float (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_dicenet_classify_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDicenetClassify *self = GST_DICENET_CLASSIFY (object);

  if (id == PROP_RECLASSIFY_INTERVAL) {
    gst_dicenet_inference_get_region_setting (GST_DICENET_INFERENCE (self),
                                              GST_DICENET_REGION_SETTING_RECLASSIFY_INTERVAL, value);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_TOP_K:
    g_value_set_uint (value, self->top_k);
    break;
  case PROP_THRESHOLD:
    g_value_set_float (value, self->classes.threshold);
    break;
  case PROP_CLASS_THRESHOLDS:
    g_value_set_string (value, self->classes.pairs);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_dicenet_classify_finalize (GObject *object)
{
  gst_dicenet_thresholds_clear (&GST_DICENET_CLASSIFY (object)->classes);
  G_OBJECT_CLASS (gst_dicenet_classify_parent_class)->finalize (object);
}

static void
gst_dicenet_classify_class_init (GstDicenetClassifyClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstDicenetInferenceClass *inference_class = GST_DICENET_INFERENCE_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_dicenet_classify_debug, "dicenetclassify", 0, "classes of DiCENet models");

  object_class->set_property = gst_dicenet_classify_set_property;
  object_class->get_property = gst_dicenet_classify_get_property;
  object_class->finalize = gst_dicenet_classify_finalize;
  g_object_class_install_property (
      object_class, PROP_TOP_K,
      g_param_spec_uint ("top-k", "Top k", "Maximum number of classes to report, most likely first; 0 for all", 0,
                         G_MAXUINT, DEFAULT_TOP_K, flags));
  g_object_class_install_property (object_class, PROP_THRESHOLD,
                                   g_param_spec_float ("threshold", "Threshold",
                                                       "Minimum confidence of reported classes; negative for the "
                                                       "model's own, which may differ by class, or if it has none, "
                                                       "0.5 for multi-label models and 0 for others",
                                                       -1, 1, DEFAULT_THRESHOLD, flags));
  g_object_class_install_property (object_class, PROP_CLASS_THRESHOLDS, gst_dicenet_thresholds_spec ());
  g_object_class_install_property (
      object_class, PROP_RECLASSIFY_INTERVAL,
      g_param_spec_uint ("reclassify-interval", "Reclassify interval",
                         "inference-region=objects: classify a tracked object again after this number of frames; until "
                         "then it keeps its classes. 0 for never again. Needs track ids (dicenettrack)",
                         0, G_MAXUINT, 1, flags));

  gst_element_class_set_static_metadata (GST_ELEMENT_CLASS (klass), "DiCENet image classifier", "Filter/Analyzer/Video",
                                         "Classifies video frames and attaches the classes as metadata",
                                         "The dicenet developers");
  gst_dicenet_inference_class_add_templates (GST_ELEMENT_CLASS (klass));

  inference_class->task = GST_DICENET_TASK_CLASSIFY;
  inference_class->labels_changed = gst_dicenet_classify_labels_changed;
  inference_class->ask = gst_dicenet_classify_ask;
  inference_class->read = gst_dicenet_classify_read;
  inference_class->describe = gst_dicenet_classify_describe;
}

static void
gst_dicenet_classify_init (GstDicenetClassify *self)
{
  self->top_k = DEFAULT_TOP_K;
  self->classes.threshold = DEFAULT_THRESHOLD;
}
