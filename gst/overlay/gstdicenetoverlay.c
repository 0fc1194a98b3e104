/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-dicenetoverlay
 * @title: dicenetoverlay
 * @see_also: dicenetclassify, dicenetdetect, dicenetsegment, dicenettrack, dicenetcount
 *
 * Draws all results that dicenetclassify, dicenetdetect and dicenetsegment attached to a frame: coloured masks with a
 * legend, boxes with labels, the most likely classes; and the lines and zones of dicenetcount with their counts, lines
 * with an arrow that points forward. If downstream supports overlay compositions, as most video sinks do, the
 * composition is attached to the frame, whose pixels are not modified; otherwise it is blended into the frame.
 * Boxes that other elements attached as GstVideoRegionOfInterestMeta or, from GStreamer 1.24 on, as GstAnalyticsODMtd
 * are drawn, too. Frames without results pass through unmodified.
 *
 * With #GstDicenetOverlay:trail, a line shows the way of each object with a number (track_id, as given by dicenettrack)
 * during the last seconds, to the middle of its box's lower edge, where dicenetcount takes it to be. Frames need
 * timestamps. Up to 1000 objects have trails. They are forgotten after a flush, with a new segment or stream, and when
 * the size of frames changes.
 *
 * With #GstDicenetOverlay:show-fps, the lower left corner tells how many frames pass per second, and how many of them
 * bring a new result, over the last second.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert ! dicenetsegment !
 * dicenetdetect ! dicenetoverlay ! videoconvert ! autovideosink
 * gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert ! dicenetdetect threshold=0.2 !
 * dicenettrack ! dicenetoverlay trail=3000000000 ! videoconvert ! autovideosink
 * ]|
 */

#include "gstdicenetoverlay.h"
#include "gstdicenetoverlayhelper.h"
#include "gstdicenettext.h"
#include "gstdicenettrail.h"
#include "video/gstdicenetothers.h"

#include <gst/dicenet/gstdicenetcountmeta.h>

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_overlay_debug);
#define GST_CAT_DEFAULT gst_dicenet_overlay_debug

enum {
  PROP_0,
  PROP_OPACITY,
  PROP_TRAIL,
  PROP_SHOW_FPS,
};

#define DEFAULT_OPACITY 0.5
#define DEFAULT_TRAIL   0

struct _GstDicenetOverlay {
  GstDicenetVideo parent;

  GstDicenetOverlayHelper *helper;

  /* Protected by the object lock. */
  gdouble opacity;
  GstClockTime stay; /* how long positions stay in the trail */

  GstDicenetTrail *trail; /* NULL while it is off */

  /* Class names of other elements' objects, in the order in which they were seen, so that each keeps its colour. */
  GPtrArray *names;
  GstDicenetResult *others; /* with these labels; NULL while there are none */
};

G_DEFINE_FINAL_TYPE (GstDicenetOverlay, gst_dicenet_overlay, GST_TYPE_DICENET_VIDEO)
GST_ELEMENT_REGISTER_DEFINE (dicenetoverlay, "dicenetoverlay", GST_RANK_NONE, GST_TYPE_DICENET_OVERLAY)

static gdouble
get_opacity (GstDicenetOverlay *self)
{
  GST_OBJECT_LOCK (self);
  gdouble opacity = self->opacity;
  GST_OBJECT_UNLOCK (self);
  return opacity;
}

/* Beyond, it starts again. */
#define MAX_NAMES 1000

static void
forget_names (GstDicenetOverlay *self)
{
  g_ptr_array_set_size (self->names, 0);
  g_clear_pointer (&self->others, gst_dicenet_result_unref);
}

static guint
id_of_name (GstDicenetOverlay *self, const gchar *name)
{
  guint id;

  if (g_ptr_array_find_with_equal_func (self->names, name, g_str_equal, &id))
    return id;
  g_clear_pointer (&self->others, gst_dicenet_result_unref);
  g_ptr_array_add (self->names, g_strdup (name));
  return self->names->len - 1;
}

static void
make_result (GstDicenetOverlay *self)
{
  if (self->others)
    return;
  g_ptr_array_add (self->names, NULL);
  self->others = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, NULL, (const gchar *const *) self->names->pdata, -1);
  gst_dicenet_result_set_analytics (self->others, FALSE);
  g_ptr_array_set_size (self->names, self->names->len - 1);
}

static void
add_classes (GstDicenetMeta *meta, guint index, GstBuffer *buffer, const GstDicenetObject *object)
{
  GList *results = gst_buffer_get_dicenet_object_results (buffer, object);

  for (GList *l = results; l; l = l->next)
    gst_dicenet_meta_add_detection_result (meta, index, l->data);
  g_list_free_full (results, (GDestroyNotify) gst_dicenet_result_unref);
}

/* Describes objects that other elements detected as a result of ours, on a buffer without memory. NULL if there are
 * none. */
static GstBuffer *
describe_others (GstDicenetOverlay *self, GstBuffer *buffer, const GstVideoInfo *info)
{
  g_autoptr (GArray) objects = gst_buffer_get_dicenet_objects (buffer);
  g_autoptr (GArray) others = gst_dicenet_others_get (buffer, objects, info->width, info->height);

  if (others->len == 0)
    return NULL;
  if (self->names->len > MAX_NAMES)
    forget_names (self);
  GArray *detections = g_array_new (FALSE, FALSE, sizeof (GstDicenetDetection));
  for (guint i = 0; i < others->len; i++) {
    const GstDicenetObject *object = &g_array_index (others, GstDicenetObject, i);
    const GstDicenetDetection d = { .label_id = id_of_name (self, object->label),
                                    .confidence = object->confidence,
                                    .x = object->x,
                                    .y = object->y,
                                    .w = object->w,
                                    .h = object->h,
                                    .track_id = object->track_id };
    g_array_append_val (detections, d);
  }
  make_result (self);
  GstBuffer *described = gst_buffer_new ();
  GstDicenetMeta *meta =
      gst_buffer_add_dicenet_meta (described, self->others, (guint) info->width, (guint) info->height, detections, 0);
  /* All are on the frame, so that none was dropped. */
  for (guint i = 0; i < MIN (others->len, gst_dicenet_meta_get_n_detections (meta)); i++)
    add_classes (meta, i, buffer, &g_array_index (others, GstDicenetObject, i));
  return described;
}

/* --- trail --- */

static void
forget_trail (GstDicenetOverlay *self)
{
  g_clear_pointer (&self->trail, gst_dicenet_trail_free);
}

/* The part of the picture that the frame shows. */
static GstVideoRectangle
get_view (GstBuffer *buffer, const GstVideoInfo *info)
{
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta (buffer);

  return (GstVideoRectangle){ crop ? (gint) crop->x : 0, crop ? (gint) crop->y : 0, info->width, info->height };
}

static void
add_to_trail (GstDicenetTrail *trail, const GstDicenetMeta *meta)
{
  for (guint i = 0; i < gst_dicenet_meta_get_n_detections (meta); i++) {
    const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, i);
    if (d->track_id != 0)
      gst_dicenet_trail_add (trail, meta->result->model, d->track_id, d->x + d->w / 2, d->y + d->h,
                             gst_dicenet_class_color (d->label_id));
  }
}

/* Adds the objects of a frame. Returns the trail to draw on it; NULL if there is none. */
static const GstDicenetTrail *
update_trail (GstDicenetOverlay *self, GstBuffer *buffer, const GPtrArray *metas)
{
  const GstVideoRectangle view = get_view (buffer, gst_dicenet_video_get_info (GST_DICENET_VIDEO (self)));
  gint64 now;

  GST_OBJECT_LOCK (self);
  const GstClockTime stay = self->stay;
  GST_OBJECT_UNLOCK (self);
  if (stay == 0) {
    forget_trail (self);
    return NULL;
  }
  if (!gst_dicenet_video_get_running_time (GST_DICENET_VIDEO (self), buffer, &now))
    return NULL;
  if (!self->trail)
    self->trail = gst_dicenet_trail_new ();
  gst_dicenet_trail_begin (self->trail, now, stay, &view);
  for (guint i = 0; i < metas->len; i++)
    add_to_trail (self->trail, g_ptr_array_index (metas, i));
  return self->trail;
}

static gboolean
gst_dicenet_overlay_sink_event (GstBaseTransform *trans, GstEvent *event)
{
  /* After a flush, too, there is a new segment. */
  if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START || GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
    forget_trail (GST_DICENET_OVERLAY (trans));
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_overlay_parent_class)->sink_event (trans, event);
}

/* --- frames --- */

static GstFlowReturn
gst_dicenet_overlay_process_frame (GstDicenetVideo *video, GstBuffer *buffer)
{
  GstDicenetOverlay *self = GST_DICENET_OVERLAY (video);
  GstBuffer *cropped = gst_buffer_get_video_crop_meta (buffer) ? gst_buffer_apply_crop_to_dicenet_meta (buffer) : NULL;
  GPtrArray *metas = gst_buffer_get_dicenet_metas (cropped ? cropped : buffer);
  g_autoptr (GPtrArray) counts = gst_buffer_get_dicenet_count_metas (cropped ? cropped : buffer);
  GstBuffer *others = describe_others (self, buffer, gst_dicenet_video_get_info (video));
  const gint64 begin = g_get_monotonic_time ();
  if (others)
    g_ptr_array_add (metas, gst_buffer_get_dicenet_meta (others, GST_DICENET_TASK_DETECT));
  const GstDicenetTrail *trail = update_trail (self, buffer, metas);
  GstFlowReturn ret = gst_dicenet_overlay_helper_draw (self->helper, buffer, gst_dicenet_video_get_info (video),
                                                       (const GstDicenetMeta *const *) metas->pdata, metas->len,
                                                       get_opacity (self), counts, trail);

  GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": %u results, drawing %.2f ms",
                    GST_TIME_ARGS (GST_BUFFER_PTS (buffer)), metas->len,
                    (gdouble) (g_get_monotonic_time () - begin) / 1000);
  g_ptr_array_unref (metas);
  gst_clear_buffer (&cropped);
  gst_clear_buffer (&others);
  return ret;
}

static gboolean
gst_dicenet_overlay_start (GstBaseTransform *trans)
{
  gst_dicenet_overlay_helper_reset (GST_DICENET_OVERLAY (trans)->helper);
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_overlay_parent_class)->start (trans);
}

static gboolean
gst_dicenet_overlay_stop (GstBaseTransform *trans)
{
  gst_dicenet_overlay_helper_reset (GST_DICENET_OVERLAY (trans)->helper);
  forget_names (GST_DICENET_OVERLAY (trans));
  forget_trail (GST_DICENET_OVERLAY (trans));
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_overlay_parent_class)->stop (trans);
}

static GstCaps *
gst_dicenet_overlay_transform_caps (GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps, GstCaps *filter)
{
  return gst_dicenet_overlay_helper_transform_caps (GST_DICENET_OVERLAY (trans)->helper, direction, caps, filter);
}

static GstCaps *
gst_dicenet_overlay_fixate_caps (GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps, GstCaps *othercaps)
{
  return gst_dicenet_overlay_helper_fixate_caps (GST_DICENET_OVERLAY (trans)->helper, direction, caps, othercaps);
}

static GstFlowReturn
gst_dicenet_overlay_prepare_output_buffer (GstBaseTransform *trans, GstBuffer *input, GstBuffer **output)
{
  GstFlowReturn ret = gst_dicenet_overlay_helper_negotiate (GST_DICENET_OVERLAY (trans)->helper);

  if (ret != GST_FLOW_OK)
    return ret;
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_overlay_parent_class)->prepare_output_buffer (trans, input, output);
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
  case PROP_TRAIL:
    GST_OBJECT_LOCK (object);
    GST_DICENET_OVERLAY (object)->stay = g_value_get_uint64 (value);
    GST_OBJECT_UNLOCK (object);
    break;
  case PROP_SHOW_FPS:
    gst_dicenet_overlay_helper_set_show_fps (GST_DICENET_OVERLAY (object)->helper, g_value_get_boolean (value));
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
  case PROP_TRAIL:
    GST_OBJECT_LOCK (object);
    g_value_set_uint64 (value, GST_DICENET_OVERLAY (object)->stay);
    GST_OBJECT_UNLOCK (object);
    break;
  case PROP_SHOW_FPS:
    g_value_set_boolean (value, gst_dicenet_overlay_helper_get_show_fps (GST_DICENET_OVERLAY (object)->helper));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
}

static void
gst_dicenet_overlay_finalize (GObject *object)
{
  GstDicenetOverlay *self = GST_DICENET_OVERLAY (object);

  forget_names (self);
  forget_trail (self);
  g_ptr_array_unref (self->names);
  gst_dicenet_overlay_helper_free (self->helper);
  G_OBJECT_CLASS (gst_dicenet_overlay_parent_class)->finalize (object);
}

static void
add_templates (GstElementClass *klass)
{
  /* Frames in other memory can't be blended to, but a composition can be attached to them. */
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
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_dicenet_overlay_debug, "dicenetoverlay", 0, "drawing of DiCENet results");

  object_class->finalize = gst_dicenet_overlay_finalize;
  object_class->set_property = gst_dicenet_overlay_set_property;
  object_class->get_property = gst_dicenet_overlay_get_property;
  g_object_class_install_property (
      object_class, PROP_OPACITY,
      g_param_spec_double ("opacity", "Opacity", "Opacity of masks", 0, 1, DEFAULT_OPACITY,
                           G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (
      object_class, PROP_TRAIL,
      g_param_spec_uint64 (
          "trail", "Trail",
          "How long the way of each object with a number (see dicenettrack) is shown as a line (ns; 0: "
          "not at all)",
          0, 3600 * GST_SECOND, DEFAULT_TRAIL, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (
      object_class, PROP_SHOW_FPS,
      g_param_spec_boolean ("show-fps", "Show FPS",
                            "Draw frames per second, and how many of them bring a new result, in the lower left corner",
                            FALSE, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));

  gst_element_class_set_static_metadata (
      GST_ELEMENT_CLASS (klass), "DiCENet results overlay", "Analyzer/Visualization/Video",
      "Draws the classes, boxes, masks and counts that DiCENet elements attached to frames, and boxes of others",
      "The dicenet developers");
  add_templates (GST_ELEMENT_CLASS (klass));

  trans_class->start = gst_dicenet_overlay_start;
  trans_class->stop = gst_dicenet_overlay_stop;
  trans_class->sink_event = gst_dicenet_overlay_sink_event;
  trans_class->transform_caps = gst_dicenet_overlay_transform_caps;
  trans_class->fixate_caps = gst_dicenet_overlay_fixate_caps;
  trans_class->prepare_output_buffer = gst_dicenet_overlay_prepare_output_buffer;
  GST_DICENET_VIDEO_CLASS (klass)->process_frame = gst_dicenet_overlay_process_frame;
}

static void
gst_dicenet_overlay_init (GstDicenetOverlay *self)
{
  self->opacity = DEFAULT_OPACITY;
  self->stay = DEFAULT_TRAIL;
  self->names = g_ptr_array_new_with_free_func (g_free);
  self->helper = gst_dicenet_overlay_helper_new (GST_BASE_TRANSFORM (self));
  gst_dicenet_overlay_helper_set_active (self->helper, TRUE);
}
