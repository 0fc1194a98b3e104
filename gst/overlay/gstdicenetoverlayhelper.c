/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Whether downstream draws compositions is known only after it received caps, because its answer to the ALLOCATION
 * query may depend on them. Therefore caps with the composition feature are sent first if downstream accepts them, and
 * the query is sent before the first frame. If downstream does not draw compositions, plain caps follow and frames are
 * blended. GstBaseTransform sends no ALLOCATION query for in-place elements, so it is sent here.
 */

#include "gstdicenetoverlayhelper.h"
#include "gstdicenetdraw.h"
#include "gstdicenetdrawcounts.h"
#include "gstdicenetdrawfps.h"
#include "gstdicenetdrawtrail.h"
#include "video/gstdicenetmemory.h"

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_overlay_helper_debug);
#define GST_CAT_DEFAULT gst_dicenet_overlay_helper_debug

#define FEATURE GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION

typedef enum {
  DRAW_NOTHING,
  DRAW_ATTACH,
  DRAW_BLEND,
} DrawMode;

struct _GstDicenetOverlayHelper {
  GstBaseTransform *element;
  gint active;   /* atomic */
  gint show_fps; /* atomic */

  /* Streaming thread only. */
  GstDicenetRenderer *renderer;
  GstDicenetCountRenderer *counts;
  GstDicenetTrailRenderer *trails;
  GstDicenetFpsRenderer *fps; /* NULL while it is off */
  DrawMode mode;
  gboolean undecided; /* caps were negotiated, but @mode is not known yet */
  gboolean refused;   /* downstream accepted the caps, but does not draw compositions */
  const gchar *told;  /* the last problem that was reported; each is reported once */
};

GstDicenetOverlayHelper *
gst_dicenet_overlay_helper_new (GstBaseTransform *element)
{
  static gsize once = 0;
  GstDicenetOverlayHelper *self = g_new0 (GstDicenetOverlayHelper, 1);

  if (g_once_init_enter (&once)) {
    GST_DEBUG_CATEGORY_INIT (gst_dicenet_overlay_helper_debug, "dicenetoverlay", 0, "drawing of DiCENet results");
    g_once_init_leave (&once, 1);
  }
  self->element = element;
  self->renderer = gst_dicenet_renderer_new ();
  self->counts = gst_dicenet_count_renderer_new ();
  self->trails = gst_dicenet_trail_renderer_new ();
  return self;
}

void
gst_dicenet_overlay_helper_free (GstDicenetOverlayHelper *self)
{
  gst_dicenet_renderer_free (self->renderer);
  gst_dicenet_count_renderer_free (self->counts);
  gst_dicenet_trail_renderer_free (self->trails);
  g_clear_pointer (&self->fps, gst_dicenet_fps_renderer_free);
  g_free (self);
}

void
gst_dicenet_overlay_helper_set_active (GstDicenetOverlayHelper *self, gboolean active)
{
  g_atomic_int_set (&self->active, active);
  gst_base_transform_reconfigure_src (self->element);
}

gboolean
gst_dicenet_overlay_helper_is_active (const GstDicenetOverlayHelper *self)
{
  return g_atomic_int_get (&self->active);
}

void
gst_dicenet_overlay_helper_set_show_fps (GstDicenetOverlayHelper *self, gboolean show)
{
  g_atomic_int_set (&self->show_fps, show);
}

gboolean
gst_dicenet_overlay_helper_get_show_fps (const GstDicenetOverlayHelper *self)
{
  return g_atomic_int_get (&self->show_fps);
}

void
gst_dicenet_overlay_helper_reset (GstDicenetOverlayHelper *self)
{
  gst_dicenet_renderer_free (self->renderer);
  self->renderer = gst_dicenet_renderer_new ();
  gst_dicenet_count_renderer_free (self->counts);
  self->counts = gst_dicenet_count_renderer_new ();
  gst_dicenet_trail_renderer_free (self->trails);
  self->trails = gst_dicenet_trail_renderer_new ();
  g_clear_pointer (&self->fps, gst_dicenet_fps_renderer_free);
  self->mode = DRAW_NOTHING;
  self->told = NULL;
}

/* --- caps --- */

static gboolean
has_feature (GstCaps *caps, guint i)
{
  GstCapsFeatures *features = gst_caps_get_features (caps, i);

  return !gst_caps_features_is_any (features) && gst_caps_features_contains (features, FEATURE);
}

/* Blending requires mapped system memory: no other "memory:" feature. */
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

/* Returns all structures of @caps, plus copies of those without the feature that have it (@add), or of those with it
 * that do not (!@add). */
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

GstCaps *
gst_dicenet_overlay_helper_transform_caps (GstDicenetOverlayHelper *self, GstPadDirection direction, GstCaps *caps,
                                           GstCaps *filter)
{
  GstCaps *ret = gst_dicenet_overlay_helper_is_active (self) ? with_feature_toggled (caps, direction == GST_PAD_SINK)
                                                             : gst_caps_ref (caps);

  if (filter) {
    GstCaps *all = ret;
    ret = gst_caps_intersect_full (filter, all, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref (all);
  }
  return ret;
}

GstCaps *
gst_dicenet_overlay_helper_fixate_caps (GstDicenetOverlayHelper *self, GstPadDirection direction, GstCaps *caps,
                                        GstCaps *othercaps)
{
  guint pick = 0;

  if (direction == GST_PAD_SINK) {
    gboolean want = has_feature (caps, 0) || !self->refused;
    for (guint i = 0; i < gst_caps_get_size (othercaps); i++) {
      if (has_feature (othercaps, i) == want) {
        pick = i;
        break;
      }
    }
    self->undecided = TRUE;
  }
  GstCaps *picked = gst_caps_copy_nth (othercaps, pick);
  gst_caps_unref (othercaps);
  return gst_caps_fixate (picked);
}

/* --- how to draw --- */

static gboolean
downstream_composes (GstDicenetOverlayHelper *self, GstCaps *caps)
{
  GstQuery *query = gst_query_new_allocation (caps, FALSE);
  gboolean composes = gst_pad_peer_query (GST_BASE_TRANSFORM_SRC_PAD (self->element), query) &&
                      gst_query_find_allocation_meta (query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);

  gst_query_unref (query);
  return composes;
}

static GstFlowReturn
fall_back_to_plain_caps (GstDicenetOverlayHelper *self)
{
  GstBaseTransform *trans = self->element;

  self->refused = TRUE;
  gst_base_transform_reconfigure_src (trans);
  gboolean ok = gst_base_transform_reconfigure (trans);
  self->refused = FALSE;
  if (ok)
    return GST_FLOW_OK;
  return GST_PAD_IS_FLUSHING (GST_BASE_TRANSFORM_SRC_PAD (trans)) ? GST_FLOW_FLUSHING : GST_FLOW_NOT_NEGOTIATED;
}

static GstFlowReturn
error_cannot_draw (GstDicenetOverlayHelper *self, GstCaps *caps)
{
  GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
                     ("Can't draw on these frames: they are not in system memory, and what follows '%s' does not draw "
                      "overlay compositions. Insert an element that downloads the frames (gldownload, vapostproc, "
                      "cudadownload ...) and videoconvert before '%s', or set overlay=false.",
                      GST_OBJECT_NAME (self->element), GST_OBJECT_NAME (self->element)),
                     ("caps: %" GST_PTR_FORMAT, caps));
  return GST_FLOW_NOT_NEGOTIATED;
}

static GstFlowReturn
decide_with_caps (GstDicenetOverlayHelper *self, GstCaps *incaps, GstCaps *outcaps)
{
  GstPad *srcpad = GST_BASE_TRANSFORM_SRC_PAD (self->element);
  gboolean composes = FALSE;

  if (has_feature (outcaps, 0) && !has_feature (incaps, 0) && is_system_memory (incaps)) {
    composes = downstream_composes (self, outcaps);
    /* A query that failed because of flushing says nothing about downstream: send it again for the next frame. */
    if (!composes && GST_PAD_IS_FLUSHING (srcpad))
      return GST_FLOW_FLUSHING;
  } else {
    composes = has_feature (outcaps, 0);
  }

  if (composes) {
    self->mode = DRAW_ATTACH;
  } else if (!is_system_memory (incaps)) {
    return error_cannot_draw (self, incaps);
  } else if (has_feature (outcaps, 0)) {
    GstFlowReturn ret = fall_back_to_plain_caps (self);
    if (ret != GST_FLOW_OK)
      return ret;
    GstCaps *now = gst_pad_get_current_caps (srcpad);
    /* Still with the feature if downstream accepts no other caps. */
    self->mode = now && has_feature (now, 0) ? DRAW_ATTACH : DRAW_BLEND;
    gst_clear_caps (&now);
  } else {
    self->mode = DRAW_BLEND;
  }
  return GST_FLOW_OK;
}

static GstFlowReturn
decide_mode (GstDicenetOverlayHelper *self)
{
  GstBaseTransform *trans = self->element;
  GstFlowReturn ret = GST_FLOW_OK;

  self->mode = DRAW_NOTHING;
  if (gst_dicenet_overlay_helper_is_active (self)) {
    GstCaps *incaps = gst_pad_get_current_caps (GST_BASE_TRANSFORM_SINK_PAD (trans));
    GstCaps *outcaps = gst_pad_get_current_caps (GST_BASE_TRANSFORM_SRC_PAD (trans));

    /* Pads lose their caps when they are deactivated. */
    ret = incaps && outcaps ? decide_with_caps (self, incaps, outcaps) : GST_FLOW_FLUSHING;
    gst_clear_caps (&incaps);
    gst_clear_caps (&outcaps);
  }
  self->undecided = ret != GST_FLOW_OK;
  GST_DEBUG_OBJECT (self->element, "drawing: %s (%s)",
                    self->mode == DRAW_ATTACH  ? "attach"
                    : self->mode == DRAW_BLEND ? "blend"
                                               : "nothing",
                    gst_flow_get_name (ret));
  return ret;
}

GstFlowReturn
gst_dicenet_overlay_helper_negotiate (GstDicenetOverlayHelper *self)
{
  return self->undecided ? decide_mode (self) : GST_FLOW_OK;
}

/* --- frames --- */

static void
add_rectangles (GstVideoOverlayComposition *to, GstVideoOverlayComposition *from)
{
  for (guint i = 0; i < gst_video_overlay_composition_n_rectangles (from); i++)
    gst_video_overlay_composition_add_rectangle (to, gst_video_overlay_composition_get_rectangle (from, i));
}

/* Many sinks only look at the first composition of a buffer, so append to an existing one. Rectangles are shared, not
 * copied, so that a sink recognises those that it has cached. */
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

/* GStreamer's blending functions write 32-bit words and require rows to be aligned to them. */
static gboolean
rows_are_words (const GstVideoFrame *frame)
{
  for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES (frame); p++) {
    if (GST_VIDEO_FRAME_PLANE_STRIDE (frame, p) % 4 != 0 || (guintptr) GST_VIDEO_FRAME_PLANE_DATA (frame, p) % 4 != 0)
      return FALSE;
  }
  return TRUE;
}

/* Checks memory for the largest rectangle; they are scaled one at a time. */
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

/* Allocates a frame of the same format with aligned rows. Returns NULL if there is not enough memory. */
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

/* If there is not enough memory, the frame passes through without the composition. */
static gboolean
blend_composition (GstDicenetOverlayHelper *self, GstVideoOverlayComposition *composition, GstVideoFrame *frame)
{
  GstVideoInfo info;
  GstBuffer *copy = NULL;

  if (!can_stretch (composition) || (!rows_are_words (frame) && !(copy = buffer_like (frame, &info)))) {
    gst_dicenet_renderer_lacks_memory (self->renderer);
    return TRUE;
  }
  gboolean ok =
      copy ? blend_in_copy (composition, frame, copy, &info) : gst_video_overlay_composition_blend (composition, frame);
  gst_clear_buffer (&copy);
  return ok;
}

static GstFlowReturn
blend (GstDicenetOverlayHelper *self, GstBuffer *buffer, const GstVideoInfo *info, GPtrArray *layers,
       GstVideoOverlayComposition *composition)
{
  GstVideoFrame frame;

  if (!gst_video_frame_map (&frame, info, buffer, GST_MAP_READWRITE)) {
    GST_ELEMENT_ERROR (self->element, RESOURCE, WRITE,
                       ("Can't draw on a frame: its memory can't be mapped for writing."),
                       ("%" GST_PTR_FORMAT, buffer));
    return GST_FLOW_ERROR;
  }
  for (guint i = 0; layers && i < layers->len; i++) {
    if (!gst_dicenet_layer_blend (g_ptr_array_index (layers, i), &frame))
      gst_dicenet_renderer_lacks_memory (self->renderer);
  }
  gboolean ok = !composition || blend_composition (self, composition, &frame);
  gst_video_frame_unmap (&frame);
  if (!ok) {
    GST_ELEMENT_ERROR (self->element, STREAM, FORMAT,
                       ("Can't draw on %s frames. Insert videoconvert before '%s', or set overlay=false.",
                        gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (info)), GST_OBJECT_NAME (self->element)),
                       (NULL));
    return GST_FLOW_ERROR;
  }
  return GST_FLOW_OK;
}

static void
warn_of_problem (GstDicenetOverlayHelper *self)
{
  const gchar *problem = gst_dicenet_renderer_get_problem (self->renderer);

  if (!problem)
    problem = gst_dicenet_count_renderer_get_problem (self->counts);
  if (!problem)
    problem = gst_dicenet_trail_renderer_get_problem (self->trails);
  if (!problem && self->fps)
    problem = gst_dicenet_fps_renderer_get_problem (self->fps);
  if (problem && problem != self->told)
    GST_ELEMENT_WARNING (self->element, RESOURCE, FAILED, ("%s.", problem), (NULL));
  self->told = problem;
}

static GstVideoOverlayComposition *
draw_fps (GstDicenetOverlayHelper *self, const GstDicenetMeta *const *metas, guint n_metas, const GstVideoInfo *info,
          GstVideoOverlayComposition *composition)
{
  const gint64 now = g_get_monotonic_time ();

  if (!gst_dicenet_overlay_helper_get_show_fps (self)) {
    g_clear_pointer (&self->fps, gst_dicenet_fps_renderer_free);
    return composition;
  }
  if (!self->fps)
    self->fps = gst_dicenet_fps_renderer_new ();
  gst_dicenet_fps_renderer_count (self->fps, metas, n_metas, now);
  return gst_dicenet_fps_renderer_compose (self->fps, info, composition, now);
}

GstFlowReturn
gst_dicenet_overlay_helper_draw (GstDicenetOverlayHelper *self, GstBuffer *buffer, const GstVideoInfo *info,
                                 const GstDicenetMeta *const *metas, guint n_metas, gdouble opacity, GPtrArray *counts,
                                 const GstDicenetTrail *trail)
{
  if (self->mode == DRAW_NOTHING || !gst_dicenet_overlay_helper_is_active (self))
    return GST_FLOW_OK;

  GstFlowReturn ret = GST_FLOW_OK;
  gboolean own = self->mode == DRAW_BLEND && gst_dicenet_layer_can_blend (info);
  GPtrArray *layers = own ? g_ptr_array_new_with_free_func ((GDestroyNotify) gst_dicenet_layer_free) : NULL;
  GstVideoOverlayComposition *composition =
      gst_dicenet_renderer_compose (self->renderer, metas, n_metas, info, opacity, layers);

  if (trail)
    composition = gst_dicenet_trail_renderer_compose (self->trails, trail, info, composition);
  if (counts)
    composition = gst_dicenet_count_renderer_compose (self->counts, counts, info, composition);
  composition = draw_fps (self, metas, n_metas, info, composition);
  if (self->mode == DRAW_ATTACH && composition)
    attach (buffer, composition);
  else if (self->mode == DRAW_BLEND && (composition || (layers && layers->len > 0)))
    ret = blend (self, buffer, info, layers, composition);
  warn_of_problem (self);
  g_clear_pointer (&composition, gst_video_overlay_composition_unref);
  g_clear_pointer (&layers, g_ptr_array_unref);
  return ret;
}
