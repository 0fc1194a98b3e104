/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-dicenetdetect
 * @title: dicenetdetect
 * @see_also: dicenetoverlay, dicenetjson
 *
 * Detects objects in each frame with a DiCENet-SSD model: boxes with a class and a confidence, attached as a
 * #GstDicenetMeta and as #GstVideoRegionOfInterestMeta with a `detection` param (label, label_id, confidence). Frames
 * pass through in their own format and size; their pixels are not modified unless overlay is true. Boxes are in pixels
 * of the frame and clipped to it.
 *
 * The default model, dicenet-detect, is installed with the plugin and knows the 20 classes of PASCAL VOC. The model
 * property selects another one: a file, or the name of a model in a folder of the environment variable
 * DICENET_MODEL_PATH.
 *
 * Every frame gets a result, and waits for it; with inference-mode=newest it leaves at once, with the newest result
 * that is there. With qos=true, frames that are late at the sink are dropped before the model runs; by default they are
 * not. In a live pipeline the element reports the time that frames wait in the LATENCY query.
 *
 * With inference-region=objects, the model looks at each object that an element before this one detected, instead of at
 * the frame: the boxes that it finds there are a #GstDicenetMeta of their own, whose
 * parent_id is the object's id.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert ! dicenetdetect threshold=0.4
 * class-thresholds="person=0.6" overlay=true ! videoconvert ! autovideosink
 * ]|
 *
 * With post-messages=true each inference posts an element message `dicenet-detect` with the fields pts, running-time,
 * stream-time, width, height, model, and `objects`, an array of structures with label, label-id, confidence, x, y, w
 * and h.
 * With inference-region=objects there is one message per frame, with `objects`, whose structures are of objects.
 */

#include "gstdicenetdetect.h"
#include "gstdicenetregions.h"
#include "gstdicenetthresholds.h"

#include <math.h>

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_detect_debug);
#define GST_CAT_DEFAULT gst_dicenet_detect_debug

enum {
  PROP_0,
  PROP_THRESHOLD,
  PROP_CLASS_THRESHOLDS,
  PROP_IOU_THRESHOLD,
  PROP_CROSS_CLASS_IOU_THRESHOLD,
  PROP_MAX_DETECTIONS,
  PROP_OBJECT_CLASS,
  PROP_REGION_CLASS,
};

#define DEFAULT_THRESHOLD      -1.0f
#define DEFAULT_IOU_THRESHOLD  0.45f
#define DEFAULT_MAX_DETECTIONS 100

/* Chosen on photos (docs/evaluation.md). */
#define DEFAULT_CROSS_CLASS_IOU_THRESHOLD 0.8f

/* Same as in the published evaluation. */
#define MAX_PER_CLASS 200

struct _GstDicenetDetect {
  GstDicenetInference parent;

  /* Protected by the object lock. */
  gfloat iou_threshold;
  gfloat cross_class_iou_threshold;
  guint max_detections;
  GstDicenetThresholds classes;
};

G_DEFINE_FINAL_TYPE (GstDicenetDetect, gst_dicenet_detect, GST_TYPE_DICENET_INFERENCE)
GST_ELEMENT_REGISTER_DEFINE (dicenetdetect, "dicenetdetect", GST_RANK_NONE, GST_TYPE_DICENET_DETECT)

/* --- results --- */

static void
gst_dicenet_detect_ask (GstDicenetInference *inference, DicenetModel *model, DicenetRequest *request)
{
  GstDicenetDetect *self = GST_DICENET_DETECT (inference);

  GST_OBJECT_LOCK (self);
  gst_dicenet_thresholds_ask (&self->classes, request);
  dicenet_request_set_iou_threshold (request, self->iou_threshold);
  dicenet_request_set_cross_class_iou_threshold (request, self->cross_class_iou_threshold);
  dicenet_request_set_max_detections (request, self->max_detections);
  GST_OBJECT_UNLOCK (self);
  dicenet_request_set_max_per_class (request, MAX_PER_CLASS);
}

/* Clips a box to the part of the frame that the model saw; FALSE if nothing is left. */
static gboolean
clip (DicenetBox *box)
{
  if (isnan (box->x0) || isnan (box->y0) || isnan (box->x1) || isnan (box->y1)) /* MIN and MAX would hide it */
    return FALSE;
  box->x0 = MAX (box->x0, 0);
  box->y0 = MAX (box->y0, 0);
  box->x1 = MIN (box->x1, 1);
  box->y1 = MIN (box->y1, 1);
  return box->x1 > box->x0 && box->y1 > box->y0;
}

static GArray *
gst_dicenet_detect_read (GstDicenetInference *inference, DicenetResult *found, const GstVideoRectangle *area,
                         GstDicenetResult *result)
{
  guint n;
  const DicenetBox *boxes = dicenet_result_get_boxes (found, 0, &n);
  GArray *detections = g_array_sized_new (FALSE, TRUE, sizeof (GstDicenetDetection), n);

  for (guint i = 0; i < n; i++) {
    DicenetBox box = boxes[i];
    if (!clip (&box))
      continue;
    GstDicenetDetection detection = {
      .label_id = box.label_id,
      .confidence = box.confidence,
      .x = area->x + box.x0 * area->w,
      .y = area->y + box.y0 * area->h,
      .w = (box.x1 - box.x0) * area->w,
      .h = (box.y1 - box.y0) * area->h,
    };
    g_array_append_val (detections, detection);
  }
  GST_DEBUG_OBJECT (inference, "%u objects", detections->len);
  return detections;
}

static void
gst_dicenet_detect_describe (GstDicenetInference *filter, const GstDicenetMeta *meta, GstStructure *message)
{
  GValue objects = G_VALUE_INIT;

  g_value_init (&objects, GST_TYPE_ARRAY);
  for (guint i = 0; i < gst_dicenet_meta_get_n_detections (meta); i++) {
    const GstDicenetDetection *object = gst_dicenet_meta_get_detection (meta, i);
    gst_dicenet_inference_append_structure (
        &objects, gst_structure_new ("object", "label", G_TYPE_STRING,
                                     gst_dicenet_result_get_label (meta->result, object->label_id), "label-id",
                                     G_TYPE_UINT, object->label_id, "confidence", G_TYPE_DOUBLE, object->confidence,
                                     "x", G_TYPE_DOUBLE, object->x, "y", G_TYPE_DOUBLE, object->y, "w", G_TYPE_DOUBLE,
                                     object->w, "h", G_TYPE_DOUBLE, object->h, NULL));
  }
  gst_structure_take_value (message, "objects", &objects);
}

/* --- classes --- */

static gboolean
gst_dicenet_detect_labels_changed (GstDicenetInference *filter, const gchar *const *labels, GError **error)
{
  return gst_dicenet_thresholds_parse (&GST_DICENET_DETECT (filter)->classes, filter, labels, error);
}

/* --- properties --- */

static void
gst_dicenet_detect_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDicenetDetect *self = GST_DICENET_DETECT (object);

  if (id == PROP_REGION_CLASS) {
    gst_dicenet_inference_set_region_setting (GST_DICENET_INFERENCE (object), GST_DICENET_REGION_SETTING_OBJECT_CLASS,
                                              value);
    return;
  }
  if (id == PROP_CLASS_THRESHOLDS || id == PROP_OBJECT_CLASS) {
    gst_dicenet_thresholds_set (&self->classes, GST_DICENET_INFERENCE (self),
                                id == PROP_OBJECT_CLASS ? &self->classes.object_class : &self->classes.pairs, value);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_THRESHOLD:
    self->classes.threshold = g_value_get_float (value);
    break;
  case PROP_IOU_THRESHOLD:
    self->iou_threshold = g_value_get_float (value);
    break;
  case PROP_CROSS_CLASS_IOU_THRESHOLD:
    self->cross_class_iou_threshold = g_value_get_float (value);
    break;
  case PROP_MAX_DETECTIONS:
    self->max_detections = g_value_get_uint (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_dicenet_detect_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDicenetDetect *self = GST_DICENET_DETECT (object);

  if (id == PROP_REGION_CLASS) {
    gst_dicenet_inference_get_region_setting (GST_DICENET_INFERENCE (object), GST_DICENET_REGION_SETTING_OBJECT_CLASS,
                                              value);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_THRESHOLD:
    g_value_set_float (value, self->classes.threshold);
    break;
  case PROP_CLASS_THRESHOLDS:
    g_value_set_string (value, self->classes.pairs);
    break;
  case PROP_IOU_THRESHOLD:
    g_value_set_float (value, self->iou_threshold);
    break;
  case PROP_CROSS_CLASS_IOU_THRESHOLD:
    g_value_set_float (value, self->cross_class_iou_threshold);
    break;
  case PROP_MAX_DETECTIONS:
    g_value_set_uint (value, self->max_detections);
    break;
  case PROP_OBJECT_CLASS:
    g_value_set_string (value, self->classes.object_class);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_dicenet_detect_finalize (GObject *object)
{
  GstDicenetDetect *self = GST_DICENET_DETECT (object);

  gst_dicenet_thresholds_clear (&self->classes);
  G_OBJECT_CLASS (gst_dicenet_detect_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (
      klass, PROP_THRESHOLD,
      g_param_spec_float ("threshold", "Threshold",
                          "Minimum confidence of reported objects; negative for the model's own, which may "
                          "differ by class, or 0.5 if it has none",
                          -1, 1, DEFAULT_THRESHOLD, flags));
  g_object_class_install_property (klass, PROP_CLASS_THRESHOLDS, gst_dicenet_thresholds_spec ());
  g_object_class_install_property (
      klass, PROP_IOU_THRESHOLD,
      g_param_spec_float (
          "iou-threshold", "IoU threshold",
          "If two objects of the same class overlap by more than this (intersection over union), only the "
          "more confident one is reported",
          0, 1, DEFAULT_IOU_THRESHOLD, flags));
  g_object_class_install_property (
      klass, PROP_CROSS_CLASS_IOU_THRESHOLD,
      g_param_spec_float ("cross-class-iou-threshold", "Cross-class IoU threshold",
                          "If two objects of different classes overlap by more than this (intersection over union), "
                          "only the more confident one is reported; 1 for both",
                          0, 1, DEFAULT_CROSS_CLASS_IOU_THRESHOLD, flags));
  g_object_class_install_property (
      klass, PROP_MAX_DETECTIONS,
      g_param_spec_uint ("max-detections", "Maximum detections",
                         "Maximum number of objects to report per frame, most confident first; 0 for all, up to 16384",
                         0, G_MAXUINT, DEFAULT_MAX_DETECTIONS, flags));
  g_object_class_install_property (
      klass, PROP_OBJECT_CLASS,
      g_param_spec_string ("object-class", "Object class",
                           "Comma-separated labels of the classes to report; empty for all", NULL, flags));
  g_object_class_install_property (
      klass, PROP_REGION_CLASS,
      g_param_spec_string ("region-class", "Region class",
                           "inference-region=objects: comma-separated labels of the objects to look at, which another "
                           "element detected; empty for all. What other elements call object-class",
                           NULL, flags));
}

static void
gst_dicenet_detect_class_init (GstDicenetDetectClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstDicenetInferenceClass *inference_class = GST_DICENET_INFERENCE_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_dicenet_detect_debug, "dicenetdetect", 0, "objects of DiCENet models");

  object_class->set_property = gst_dicenet_detect_set_property;
  object_class->get_property = gst_dicenet_detect_get_property;
  object_class->finalize = gst_dicenet_detect_finalize;
  install_properties (object_class);

  gst_element_class_set_static_metadata (GST_ELEMENT_CLASS (klass), "DiCENet object detector", "Filter/Analyzer/Video",
                                         "Detects objects in video frames and attaches them as metadata",
                                         "The dicenet developers");
  gst_dicenet_inference_class_add_templates (GST_ELEMENT_CLASS (klass));

  inference_class->task = GST_DICENET_TASK_DETECT;
  inference_class->labels_changed = gst_dicenet_detect_labels_changed;
  inference_class->ask = gst_dicenet_detect_ask;
  inference_class->read = gst_dicenet_detect_read;
  inference_class->describe = gst_dicenet_detect_describe;
}

static void
gst_dicenet_detect_init (GstDicenetDetect *self)
{
  self->classes.first = 1;
  self->classes.threshold = DEFAULT_THRESHOLD;
  self->iou_threshold = DEFAULT_IOU_THRESHOLD;
  self->cross_class_iou_threshold = DEFAULT_CROSS_CLASS_IOU_THRESHOLD;
  self->max_detections = DEFAULT_MAX_DETECTIONS;
}
