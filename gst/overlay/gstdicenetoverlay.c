/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-dicenetoverlay
 * @title: dicenetoverlay
 * @see_also: dicenetclassify, dicenetdetect, dicenetsegment
 *
 * Draws what dicenetclassify, dicenetdetect and dicenetsegment found, all that a frame carries at once: coloured masks
 * with a legend, boxes with labels, the most likely classes. Where downstream draws overlay compositions (most video
 * sinks do), pixels are not touched and the composition is attached; else it is blended into the frame. Frames without
 * results pass as they are.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert ! dicenetsegment !
 * dicenetdetect ! dicenetoverlay ! videoconvert ! autovideosink
 * ]|
 */

#include "gstdicenetoverlay.h"

enum {
  PROP_0,
  PROP_OPACITY,
};

#define DEFAULT_OPACITY 0.5

struct _GstDicenetOverlay {
  GstDicenetVideo parent;

  gdouble opacity; /* under the object lock */
};

G_DEFINE_FINAL_TYPE (GstDicenetOverlay, gst_dicenet_overlay, GST_TYPE_DICENET_VIDEO)

static gboolean
gst_dicenet_overlay_wants_overlay (GstDicenetVideo *video)
{
  return TRUE;
}

static gdouble
get_opacity (GstDicenetOverlay *self)
{
  GST_OBJECT_LOCK (self);
  gdouble opacity = self->opacity;
  GST_OBJECT_UNLOCK (self);
  return opacity;
}

static GstVideoOverlayComposition *
gst_dicenet_overlay_compose (GstDicenetVideo *video, GstDicenetDrawer *drawer, GstBuffer *buffer, GPtrArray *layers)
{
  return gst_dicenet_drawer_compose (drawer, buffer, gst_dicenet_video_get_info (video),
                                     get_opacity (GST_DICENET_OVERLAY (video)), layers);
}

static void
gst_dicenet_overlay_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  switch (id) {
  case PROP_OPACITY:
    GST_OBJECT_LOCK (object);
    GST_DICENET_OVERLAY (object)->opacity = g_value_get_double (value);
    GST_OBJECT_UNLOCK (object);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
}

static void
gst_dicenet_overlay_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  switch (id) {
  case PROP_OPACITY:
    g_value_set_double (value, get_opacity (GST_DICENET_OVERLAY (object)));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
}

static void
add_templates (GstElementClass *klass)
{
  /* Frames in any other memory can't be blended, but a composition can be attached to them. */
  static GstStaticCaps static_caps = GST_STATIC_CAPS (
      GST_VIDEO_CAPS_MAKE (GST_VIDEO_OVERLAY_COMPOSITION_BLEND_FORMATS) ";" GST_VIDEO_CAPS_MAKE_WITH_FEATURES (
          "ANY", GST_VIDEO_FORMATS_ALL));
  GstCaps *caps = gst_static_caps_get (&static_caps);

  gst_element_class_add_pad_template (klass, gst_pad_template_new ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template (klass, gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref (caps);
}

static void
gst_dicenet_overlay_class_init (GstDicenetOverlayClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstDicenetVideoClass *video_class = GST_DICENET_VIDEO_CLASS (klass);

  object_class->set_property = gst_dicenet_overlay_set_property;
  object_class->get_property = gst_dicenet_overlay_get_property;
  g_object_class_install_property (
      object_class, PROP_OPACITY,
      g_param_spec_double ("opacity", "Opacity", "How much of the picture a mask hides", 0, 1, DEFAULT_OPACITY,
                           G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));

  gst_element_class_set_static_metadata (
      GST_ELEMENT_CLASS (klass), "DiCENet results overlay", "Analyzer/Visualization/Video",
      "Draws classes, boxes and masks that DiCENet elements found", "The dicenet developers");
  add_templates (GST_ELEMENT_CLASS (klass));

  video_class->wants_overlay = gst_dicenet_overlay_wants_overlay;
  video_class->compose = gst_dicenet_overlay_compose;
}

static void
gst_dicenet_overlay_init (GstDicenetOverlay *self)
{
  self->opacity = DEFAULT_OPACITY;
}
