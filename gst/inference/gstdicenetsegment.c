/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-dicenetsegment
 * @title: dicenetsegment
 * @see_also: dicenetmask, dicenetoverlay, dicenetjson
 *
 * Segments each frame with a DiCENet segmentation model: a mask with one class per pixel, attached as a
 * #GstDicenetMeta. Frames pass through in their own format and size; their pixels are not modified unless overlay is
 * true. dicenetmask converts the mask to video.
 *
 * The default model, dicenet-segment, is installed with the plugin and knows the 20 classes of PASCAL VOC. The model
 * property selects another one: a file, or the name of a model in a folder of the environment variable
 * DICENET_MODEL_PATH.
 *
 * Every frame gets a result, and waits for it; with inference-mode=newest it leaves at once, with the newest result
 * that is there. With qos=true, frames that are late at the sink are dropped before the model runs; by default they are
 * not. In a live pipeline the element reports the time that frames wait in the LATENCY query.
 *
 * With inference-region=objects, the model looks at each object that an element before this one detected, instead of at
 * the frame: the mask of its region is a #GstDicenetMeta of its own, whose parent_id is the
 * object's id.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert ! dicenetsegment overlay=true !
 * videoconvert ! autovideosink
 * ]|
 *
 * With post-messages=true each inference posts an element message `dicenet-segment` with the fields pts, running-time,
 * stream-time, width, height, model, and `classes`, an array of structures with label, label-id and share (the share of
 * the frame's pixels, 0 to 1), one for each class in the frame.
 * With inference-region=objects there is one message per frame, with `objects`, whose structures are of objects.
 */

#include "gstdicenetsegment.h"

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_segment_debug);
#define GST_CAT_DEFAULT gst_dicenet_segment_debug

enum {
  PROP_0,
  PROP_OPACITY,
};

#define DEFAULT_OPACITY 0.5

struct _GstDicenetSegment {
  GstDicenetInference parent;

  gdouble opacity; /* protected by the object lock */
};

G_DEFINE_FINAL_TYPE (GstDicenetSegment, gst_dicenet_segment, GST_TYPE_DICENET_INFERENCE)
GST_ELEMENT_REGISTER_DEFINE (dicenetsegment, "dicenetsegment", GST_RANK_NONE, GST_TYPE_DICENET_SEGMENT)

static GArray *
gst_dicenet_segment_read (GstDicenetInference *inference, DicenetResult *found, const GstVideoRectangle *area,
                          GstDicenetResult *result)
{
  guint width, height;

  dicenet_result_get_size (found, &width, &height);
  gst_dicenet_result_set_mask (result, dicenet_result_get_mask (found, 0), width, height);
  GST_DEBUG_OBJECT (inference, "mask of %ux%u", width, height);
  return NULL;
}

static void
gst_dicenet_segment_describe (GstDicenetInference *filter, const GstDicenetMeta *meta, GstStructure *message)
{
  gdouble shares[256];
  GValue classes = G_VALUE_INIT;

  gst_dicenet_meta_get_shares (meta, shares);
  g_value_init (&classes, GST_TYPE_ARRAY);
  for (guint id = 0; id < G_N_ELEMENTS (shares); id++) {
    if (shares[id] <= 0)
      continue;
    gst_dicenet_inference_append_structure (
        &classes, gst_structure_new ("class", "label", G_TYPE_STRING, gst_dicenet_result_get_label (meta->result, id),
                                     "label-id", G_TYPE_UINT, id, "share", G_TYPE_DOUBLE, shares[id], NULL));
  }
  gst_structure_take_value (message, "classes", &classes);
}

static gdouble
gst_dicenet_segment_get_opacity (GstDicenetInference *filter)
{
  GstDicenetSegment *self = GST_DICENET_SEGMENT (filter);

  GST_OBJECT_LOCK (self);
  gdouble opacity = self->opacity;
  GST_OBJECT_UNLOCK (self);
  return opacity;
}

static void
gst_dicenet_segment_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  switch (id) {
  case PROP_OPACITY:
    GST_OBJECT_LOCK (object);
    GST_DICENET_SEGMENT (object)->opacity = g_value_get_double (value);
    GST_OBJECT_UNLOCK (object);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
}

static void
gst_dicenet_segment_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  switch (id) {
  case PROP_OPACITY:
    g_value_set_double (value, gst_dicenet_segment_get_opacity (GST_DICENET_INFERENCE (object)));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
}

static void
gst_dicenet_segment_class_init (GstDicenetSegmentClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstDicenetInferenceClass *inference_class = GST_DICENET_INFERENCE_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_dicenet_segment_debug, "dicenetsegment", 0, "masks of DiCENet models");

  object_class->set_property = gst_dicenet_segment_set_property;
  object_class->get_property = gst_dicenet_segment_get_property;
  g_object_class_install_property (
      object_class, PROP_OPACITY,
      g_param_spec_double ("opacity", "Opacity", "Opacity of the mask that overlay=true draws", 0, 1, DEFAULT_OPACITY,
                           G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));

  gst_element_class_set_static_metadata (
      GST_ELEMENT_CLASS (klass), "DiCENet semantic segmenter", "Filter/Analyzer/Video",
      "Segments video frames and attaches a mask of classes as metadata", "The dicenet developers");
  gst_dicenet_inference_class_add_templates (GST_ELEMENT_CLASS (klass));

  inference_class->task = GST_DICENET_TASK_SEGMENT;
  inference_class->read = gst_dicenet_segment_read;
  inference_class->describe = gst_dicenet_segment_describe;
  inference_class->get_opacity = gst_dicenet_segment_get_opacity;
}

static void
gst_dicenet_segment_init (GstDicenetSegment *self)
{
  self->opacity = DEFAULT_OPACITY;
}
