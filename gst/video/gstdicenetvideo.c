/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Overlay negotiation on top of GstBaseTransform.
 *
 * Whether downstream draws compositions by itself can only be asked after it has seen the caps (its answer to the
 * ALLOCATION query may depend on them). So caps with the composition feature are sent first where downstream accepts
 * them, and before the first frame the query decides: if the answer is no, plain caps follow and frames are blended.
 * GstBaseTransform sends no ALLOCATION query for elements that work in place, so it is sent here.
 */

#include "gstdicenetvideo.h"
#include "gstdicenetaspect.h"
#include "gstdicenetmemory.h"

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_video_debug);
#define GST_CAT_DEFAULT gst_dicenet_video_debug

/* Sides in pixels: libdicenet's limit for pictures, and cairo's. */
#define GST_DICENET_MAX_FRAME 32767

#define FEATURE GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION

typedef enum {
  DRAW_NOTHING,
  DRAW_ATTACH,
  DRAW_BLEND,
} DrawMode;

typedef struct {
  GstVideoInfo info;
  gboolean have_info;
  GstDicenetDrawer *drawer;

  DrawMode mode;
  gboolean undecided; /* caps were negotiated, @mode is not known yet */
  gboolean refused;   /* downstream took the caps, but does not draw compositions */
  const gchar *told;  /* of the drawer's problems: each is told once */
} GstDicenetVideoPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (GstDicenetVideo, gst_dicenet_video, GST_TYPE_BASE_TRANSFORM)

#define PRIV(self) ((GstDicenetVideoPrivate *) gst_dicenet_video_get_instance_private (self))

const GstVideoInfo *
gst_dicenet_video_get_info (GstDicenetVideo *self)
{
  return &PRIV (self)->info;
}

void
gst_dicenet_video_overlay_changed (GstDicenetVideo *self)
{
  gst_base_transform_reconfigure_src (GST_BASE_TRANSFORM (self));
}

static gboolean
wants_overlay (GstDicenetVideo *self)
{
  return GST_DICENET_VIDEO_GET_CLASS (self)->wants_overlay (self);
}

/* --- caps --- */

static gboolean
has_feature (GstCaps *caps, guint i)
{
  GstCapsFeatures *features = gst_caps_get_features (caps, i);

  return !gst_caps_features_is_any (features) && gst_caps_features_contains (features, FEATURE);
}

/* Pixels can be blended where they lie in plain memory: no "memory:" feature but the system's. */
static gboolean
is_system_memory (GstCaps *caps)
{
  GstCapsFeatures *features = gst_caps_get_features (caps, 0);

  for (guint i = 0; i < gst_caps_features_get_size (features); i++) {
    const gchar *name = gst_caps_features_get_nth (features, i);
    if (g_str_has_prefix (name, "memory:") && !g_str_equal (name, GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY))
      return FALSE;
  }
  return TRUE;
}

/* Every structure of @caps as it is, and those without the feature (@add) or with it (!@add) once more the other way.
 */
static GstCaps *
with_feature_toggled (GstCaps *caps, gboolean add)
{
  GstCaps *ret = gst_caps_copy (caps);

  for (guint i = 0; i < gst_caps_get_size (caps); i++) {
    GstCapsFeatures *features = gst_caps_get_features (caps, i);
    if (gst_caps_features_is_any (features) || gst_caps_features_contains (features, FEATURE) == add)
      continue;
    features = gst_caps_features_copy (features);
    if (add)
      gst_caps_features_add (features, FEATURE);
    else
      gst_caps_features_remove (features, FEATURE);
    ret = gst_caps_merge_structure_full (ret, gst_structure_copy (gst_caps_get_structure (caps, i)), features);
  }
  return ret;
}

static GstCaps *
gst_dicenet_video_transform_caps (GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps, GstCaps *filter)
{
  GstCaps *ret = wants_overlay (GST_DICENET_VIDEO (trans)) ? with_feature_toggled (caps, direction == GST_PAD_SINK)
                                                           : gst_caps_ref (caps);

  if (filter) {
    GstCaps *all = ret;
    ret = gst_caps_intersect_full (filter, all, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref (all);
  }
  return ret;
}

/* Of what downstream takes, the caps with the feature are tried first. */
static GstCaps *
gst_dicenet_video_fixate_caps (GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps, GstCaps *othercaps)
{
  GstDicenetVideoPrivate *priv = PRIV (GST_DICENET_VIDEO (trans));
  guint pick = 0;

  if (direction == GST_PAD_SINK) {
    gboolean want = has_feature (caps, 0) || !priv->refused;
    for (guint i = 0; i < gst_caps_get_size (othercaps); i++) {
      if (has_feature (othercaps, i) == want) {
        pick = i;
        break;
      }
    }
    priv->undecided = TRUE;
  }
  GstCaps *picked = gst_caps_copy_nth (othercaps, pick);
  gst_caps_unref (othercaps);
  return gst_caps_fixate (picked);
}

/* What results are of and what is drawn on is one whole picture per buffer. */
static gboolean
check_frames (GstDicenetVideo *self, const GstVideoInfo *info)
{
  const gchar *name = GST_OBJECT_NAME (self);

  if (info->interlace_mode == GST_VIDEO_INTERLACE_MODE_ALTERNATE ||
      info->interlace_mode == GST_VIDEO_INTERLACE_MODE_FIELDS) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
                       ("Fields come apart (interlace-mode=%s), and '%s' needs whole frames: insert deinterlace before "
                        "it.",
                        gst_video_interlace_mode_to_string (info->interlace_mode), name),
                       (NULL));
    return FALSE;
  }
  if (GST_VIDEO_INFO_MULTIVIEW_MODE (info) == GST_VIDEO_MULTIVIEW_MODE_SEPARATED) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
                       ("Each buffer has %d separate views, and '%s' needs one picture: insert glviewconvert before "
                        "it, with output-mode-override=mono or another mode of one picture.",
                        info->views, name),
                       (NULL));
    return FALSE;
  }
  if (info->width > GST_DICENET_MAX_FRAME || info->height > GST_DICENET_MAX_FRAME) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
                       ("Frames of %dx%d are too large for '%s', which takes up to %dx%d: insert videoscale before it.",
                        info->width, info->height, name, GST_DICENET_MAX_FRAME, GST_DICENET_MAX_FRAME),
                       (NULL));
    return FALSE;
  }
  return TRUE;
}

static gboolean
gst_dicenet_video_set_caps (GstBaseTransform *trans, GstCaps *incaps, GstCaps *outcaps)
{
  GstDicenetVideo *self = GST_DICENET_VIDEO (trans);
  GstDicenetVideoClass *klass = GST_DICENET_VIDEO_GET_CLASS (self);
  GstDicenetVideoPrivate *priv = PRIV (self);
  GstVideoInfo info;

  if (!gst_video_info_from_caps (&info, incaps)) {
    GST_ERROR_OBJECT (self, "not video caps: %" GST_PTR_FORMAT, incaps);
    return FALSE;
  }
  if (!check_frames (self, &info))
    return FALSE;
  /* The same frames again, with or without the feature: what was learnt about them stays. */
  if (priv->have_info && gst_video_info_is_equal (&info, &priv->info))
    return TRUE;

  if (info.par_n > 0 && info.par_d > 0 && !gst_dicenet_pixel_aspect_is_sane (&info))
    GST_ELEMENT_WARNING (self, STREAM, FORMAT,
                         ("The stream says that its pixels are %d:%d, which can't be: they are taken to be square. "
                          "Insert a capssetter with the right pixel-aspect-ratio before '%s' if they are not.",
                          info.par_n, info.par_d, GST_OBJECT_NAME (self)),
                         (NULL));
  priv->have_info = !klass->set_info || klass->set_info (self, incaps, &info);
  priv->info = info;
  return priv->have_info;
}

/* --- how to draw --- */

static gboolean
downstream_composes (GstDicenetVideo *self, GstCaps *caps)
{
  GstQuery *query = gst_query_new_allocation (caps, FALSE);
  gboolean composes = gst_pad_peer_query (GST_BASE_TRANSFORM_SRC_PAD (self), query) &&
                      gst_query_find_allocation_meta (query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);

  gst_query_unref (query);
  return composes;
}

static GstFlowReturn
fall_back_to_plain_caps (GstDicenetVideo *self)
{
  GstBaseTransform *trans = GST_BASE_TRANSFORM (self);
  GstDicenetVideoPrivate *priv = PRIV (self);

  priv->refused = TRUE;
  gst_base_transform_reconfigure_src (trans);
  gboolean ok = gst_base_transform_reconfigure (trans);
  priv->refused = FALSE;
  if (ok)
    return GST_FLOW_OK;
  return GST_PAD_IS_FLUSHING (GST_BASE_TRANSFORM_SRC_PAD (trans)) ? GST_FLOW_FLUSHING : GST_FLOW_NOT_NEGOTIATED;
}

static GstFlowReturn
error_cannot_draw (GstDicenetVideo *self, GstCaps *caps)
{
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
                     ("Can't draw on these frames: they are not in system memory, and what follows '%s' does not draw "
                      "overlay compositions. Insert an element that downloads the frames (gldownload, vapostproc, "
                      "cudadownload ...) and videoconvert before '%s', or set overlay=false.",
                      GST_OBJECT_NAME (self), GST_OBJECT_NAME (self)),
                     ("caps: %" GST_PTR_FORMAT, caps));
  return GST_FLOW_NOT_NEGOTIATED;
}

static GstFlowReturn
decide_with_caps (GstDicenetVideo *self, GstCaps *incaps, GstCaps *outcaps)
{
  GstPad *srcpad = GST_BASE_TRANSFORM_SRC_PAD (self);
  GstDicenetVideoPrivate *priv = PRIV (self);
  gboolean composes = FALSE;

  if (has_feature (outcaps, 0) && !has_feature (incaps, 0) && is_system_memory (incaps)) {
    composes = downstream_composes (self, outcaps);
    /* A query fails while flushing, which says nothing about downstream: ask again for the next frame. */
    if (!composes && GST_PAD_IS_FLUSHING (srcpad))
      return GST_FLOW_FLUSHING;
  } else {
    composes = has_feature (outcaps, 0);
  }

  if (composes) {
    priv->mode = DRAW_ATTACH;
  } else if (!is_system_memory (incaps)) {
    return error_cannot_draw (self, incaps);
  } else if (has_feature (outcaps, 0)) {
    GstFlowReturn ret = fall_back_to_plain_caps (self);
    if (ret != GST_FLOW_OK)
      return ret;
    GstCaps *now = gst_pad_get_current_caps (srcpad);
    /* Still there: downstream takes nothing but caps with the feature. */
    priv->mode = now && has_feature (now, 0) ? DRAW_ATTACH : DRAW_BLEND;
    gst_clear_caps (&now);
  } else {
    priv->mode = DRAW_BLEND;
  }
  return GST_FLOW_OK;
}

static GstFlowReturn
decide_mode (GstDicenetVideo *self)
{
  GstBaseTransform *trans = GST_BASE_TRANSFORM (self);
  GstDicenetVideoPrivate *priv = PRIV (self);
  GstFlowReturn ret = GST_FLOW_OK;

  priv->mode = DRAW_NOTHING;
  if (wants_overlay (self)) {
    GstCaps *incaps = gst_pad_get_current_caps (GST_BASE_TRANSFORM_SINK_PAD (trans));
    GstCaps *outcaps = gst_pad_get_current_caps (GST_BASE_TRANSFORM_SRC_PAD (trans));

    /* Pads lose their caps when they are deactivated. */
    ret = incaps && outcaps ? decide_with_caps (self, incaps, outcaps) : GST_FLOW_FLUSHING;
    gst_clear_caps (&incaps);
    gst_clear_caps (&outcaps);
  }
  priv->undecided = ret != GST_FLOW_OK;
  GST_DEBUG_OBJECT (self, "drawing: %s (%s)",
                    priv->mode == DRAW_ATTACH  ? "attach"
                    : priv->mode == DRAW_BLEND ? "blend"
                                               : "nothing",
                    gst_flow_get_name (ret));
  return ret;
}

/* --- frames --- */

static void
add_rectangles (GstVideoOverlayComposition *to, GstVideoOverlayComposition *from)
{
  for (guint i = 0; i < gst_video_overlay_composition_n_rectangles (from); i++)
    gst_video_overlay_composition_add_rectangle (to, gst_video_overlay_composition_get_rectangle (from, i));
}

/* Many sinks look at the first composition of a buffer only, so there is one: what was there, and ours above it. The
 * rectangles themselves are shared, so that a sink recognises those that it has seen. */
static void
attach (GstBuffer *buffer, GstVideoOverlayComposition *ours)
{
  GstVideoOverlayCompositionMeta *meta =
      (GstVideoOverlayCompositionMeta *) gst_buffer_get_meta (buffer, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE);

  if (!meta) {
    gst_buffer_add_video_overlay_composition_meta (buffer, ours);
    return;
  }
  GstVideoOverlayComposition *merged = gst_video_overlay_composition_new (NULL);
  add_rectangles (merged, meta->overlay);
  add_rectangles (merged, ours);
  gst_video_overlay_composition_unref (meta->overlay);
  meta->overlay = merged;
}

/* GStreamer's functions that blend write whole words of four bytes, as if each row began with one. */
static gboolean
rows_are_words (const GstVideoFrame *frame)
{
  for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES (frame); p++) {
    if (GST_VIDEO_FRAME_PLANE_STRIDE (frame, p) % 4 != 0 || (guintptr) GST_VIDEO_FRAME_PLANE_DATA (frame, p) % 4 != 0)
      return FALSE;
  }
  return TRUE;
}

/* For the largest of the rectangles, which are stretched one by one. */
static gboolean
can_stretch (GstVideoOverlayComposition *composition)
{
  gsize most = 0;

  for (guint i = 0; i < gst_video_overlay_composition_n_rectangles (composition); i++) {
    gint x, y;
    guint w, h;
    gst_video_overlay_rectangle_get_render_rectangle (gst_video_overlay_composition_get_rectangle (composition, i), &x,
                                                      &y, &w, &h);
    most = MAX (most, (gsize) w * h * 4);
  }
  return gst_dicenet_has_memory_for_picture (most);
}

/* A frame of the same kind, rows beginning with words; NULL if there is no memory for it. */
static GstBuffer *
buffer_like (const GstVideoFrame *frame, GstVideoInfo *info)
{
  gst_video_info_set_format (info, GST_VIDEO_FRAME_FORMAT (frame), (guint) GST_VIDEO_FRAME_WIDTH (frame),
                             (guint) GST_VIDEO_FRAME_HEIGHT (frame));
  info->colorimetry = frame->info.colorimetry;
  info->chroma_site = frame->info.chroma_site;
  gpointer data = g_try_malloc (GST_VIDEO_INFO_SIZE (info));
  return data ? gst_buffer_new_wrapped (data, GST_VIDEO_INFO_SIZE (info)) : NULL;
}

static gboolean
blend_in_copy (GstVideoOverlayComposition *composition, GstVideoFrame *frame, GstBuffer *buffer, GstVideoInfo *info)
{
  GstVideoFrame copy;

  if (!gst_video_frame_map (&copy, info, buffer, GST_MAP_READWRITE))
    return FALSE;
  gboolean ok = gst_video_frame_copy (&copy, frame) && gst_video_overlay_composition_blend (composition, &copy) &&
                gst_video_frame_copy (frame, &copy);
  gst_video_frame_unmap (&copy);
  return ok;
}

/* Without memory for it, the frame goes on as it is. */
static gboolean
blend_composition (GstDicenetVideo *self, GstVideoOverlayComposition *composition, GstVideoFrame *frame)
{
  GstVideoInfo info;
  GstBuffer *copy = NULL;

  if (!can_stretch (composition) || (!rows_are_words (frame) && !(copy = buffer_like (frame, &info)))) {
    gst_dicenet_drawer_lacks_memory (PRIV (self)->drawer);
    return TRUE;
  }
  gboolean ok =
      copy ? blend_in_copy (composition, frame, copy, &info) : gst_video_overlay_composition_blend (composition, frame);
  gst_clear_buffer (&copy);
  return ok;
}

static GstFlowReturn
blend (GstDicenetVideo *self, GstBuffer *buffer, GPtrArray *layers, GstVideoOverlayComposition *composition)
{
  GstVideoFrame frame;

  if (!gst_video_frame_map (&frame, &PRIV (self)->info, buffer, GST_MAP_READWRITE)) {
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE, ("Can't draw on a frame: its memory can't be mapped for writing."),
                       ("%" GST_PTR_FORMAT, buffer));
    return GST_FLOW_ERROR;
  }
  for (guint i = 0; layers && i < layers->len; i++) {
    if (!gst_dicenet_layer_blend (g_ptr_array_index (layers, i), &frame))
      gst_dicenet_drawer_lacks_memory (PRIV (self)->drawer);
  }
  gboolean ok = !composition || blend_composition (self, composition, &frame);
  gst_video_frame_unmap (&frame);
  if (!ok) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
                       ("Can't draw on %s frames. Insert videoconvert before '%s', or set overlay=false.",
                        gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (&PRIV (self)->info)),
                        GST_OBJECT_NAME (self)),
                       (NULL));
    return GST_FLOW_ERROR;
  }
  return GST_FLOW_OK;
}

static void
warn_of_problem (GstDicenetVideo *self)
{
  GstDicenetVideoPrivate *priv = PRIV (self);
  const gchar *problem = gst_dicenet_drawer_get_problem (priv->drawer);

  if (problem && problem != priv->told)
    GST_ELEMENT_WARNING (self, RESOURCE, FAILED, ("%s.", problem), (NULL));
  priv->told = problem;
}

static GstFlowReturn
draw (GstDicenetVideo *self, GstBuffer *buffer)
{
  GstDicenetVideoPrivate *priv = PRIV (self);
  GstFlowReturn ret = GST_FLOW_OK;
  gboolean own = priv->mode == DRAW_BLEND && gst_dicenet_layer_can_blend (&priv->info);
  GPtrArray *layers = own ? g_ptr_array_new_with_free_func ((GDestroyNotify) gst_dicenet_layer_free) : NULL;
  GstVideoOverlayComposition *composition =
      GST_DICENET_VIDEO_GET_CLASS (self)->compose (self, priv->drawer, buffer, layers);

  if (priv->mode == DRAW_ATTACH && composition)
    attach (buffer, composition);
  else if (priv->mode == DRAW_BLEND && (composition || (layers && layers->len > 0)))
    ret = blend (self, buffer, layers, composition);
  warn_of_problem (self);
  g_clear_pointer (&composition, gst_video_overlay_composition_unref);
  g_clear_pointer (&layers, g_ptr_array_unref);
  return ret;
}

/* Renegotiation must be over before there is an output buffer, so this is the place to decide how to draw. */
static GstFlowReturn
gst_dicenet_video_prepare_output_buffer (GstBaseTransform *trans, GstBuffer *input, GstBuffer **output)
{
  GstDicenetVideo *self = GST_DICENET_VIDEO (trans);

  if (PRIV (self)->undecided) {
    GstFlowReturn ret = decide_mode (self);
    if (ret != GST_FLOW_OK)
      return ret;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_video_parent_class)->prepare_output_buffer (trans, input, output);
}

static GstFlowReturn
gst_dicenet_video_transform_ip (GstBaseTransform *trans, GstBuffer *buffer)
{
  GstDicenetVideo *self = GST_DICENET_VIDEO (trans);
  GstDicenetVideoClass *klass = GST_DICENET_VIDEO_GET_CLASS (self);

  /* A gap has no picture to look at. */
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP) || gst_buffer_n_memory (buffer) == 0)
    return GST_FLOW_OK;

  GstFlowReturn ret = klass->process_frame ? klass->process_frame (self, buffer) : GST_FLOW_OK;
  if (ret == GST_FLOW_OK && PRIV (self)->mode != DRAW_NOTHING && wants_overlay (self))
    ret = draw (self, buffer);
  return ret;
}

/* Frames pass through, so downstream's pool is upstream's to use. Cropping by meta is taken out: boxes and drawings are
 * in the coordinates of the frame that the caps tell. */
static gboolean
gst_dicenet_video_propose_allocation (GstBaseTransform *trans, GstQuery *decide_query, GstQuery *query)
{
  guint index;

  if (!GST_BASE_TRANSFORM_CLASS (gst_dicenet_video_parent_class)->propose_allocation (trans, decide_query, query))
    return FALSE;
  while (gst_query_find_allocation_meta (query, GST_VIDEO_CROP_META_API_TYPE, &index))
    gst_query_remove_nth_allocation_meta (query, index);
  return TRUE;
}

static gboolean
gst_dicenet_video_start (GstBaseTransform *trans)
{
  GstDicenetVideoPrivate *priv = PRIV (GST_DICENET_VIDEO (trans));

  g_clear_pointer (&priv->drawer, gst_dicenet_drawer_free);
  priv->drawer = gst_dicenet_drawer_new ();
  priv->mode = DRAW_NOTHING;
  priv->have_info = FALSE;
  priv->told = NULL;
  return TRUE;
}

static gboolean
gst_dicenet_video_stop (GstBaseTransform *trans)
{
  GstDicenetVideoPrivate *priv = PRIV (GST_DICENET_VIDEO (trans));

  g_clear_pointer (&priv->drawer, gst_dicenet_drawer_free);
  priv->have_info = FALSE;
  return TRUE;
}

static void
gst_dicenet_video_finalize (GObject *object)
{
  g_clear_pointer (&PRIV (GST_DICENET_VIDEO (object))->drawer, gst_dicenet_drawer_free);
  G_OBJECT_CLASS (gst_dicenet_video_parent_class)->finalize (object);
}

static void
gst_dicenet_video_class_init (GstDicenetVideoClass *klass)
{
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_dicenet_video_debug, "dicenetvideo", 0, "base of the DiCENet video elements");

  G_OBJECT_CLASS (klass)->finalize = gst_dicenet_video_finalize;
  trans_class->start = gst_dicenet_video_start;
  trans_class->stop = gst_dicenet_video_stop;
  trans_class->transform_caps = gst_dicenet_video_transform_caps;
  trans_class->fixate_caps = gst_dicenet_video_fixate_caps;
  trans_class->set_caps = gst_dicenet_video_set_caps;
  trans_class->propose_allocation = gst_dicenet_video_propose_allocation;
  trans_class->prepare_output_buffer = gst_dicenet_video_prepare_output_buffer;
  trans_class->transform_ip = gst_dicenet_video_transform_ip;

  gst_type_mark_as_plugin_api (GST_TYPE_DICENET_VIDEO, 0);
}

static void
gst_dicenet_video_init (GstDicenetVideo *self)
{
  GstBaseTransform *trans = GST_BASE_TRANSFORM (self);

  gst_base_transform_set_in_place (trans, TRUE);
  gst_base_transform_set_gap_aware (trans, TRUE);
  /* Late frames must not lose their results unasked. */
  gst_base_transform_set_qos_enabled (trans, FALSE);
}
