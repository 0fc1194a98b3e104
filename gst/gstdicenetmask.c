/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-dicenetmask
 * @title: dicenetmask
 * @see_also: dicenetsegment, dicenetjson
 *
 * Converts the mask that dicenetsegment attached to a frame to video: GRAY8 of the frame's size and rate, where each
 * pixel is the label_id of its class (nearest neighbour, because classes can't be averaged), with the frame's
 * timestamps. The element does not read the frame's pixels: frames may have any format and be in any memory.
 *
 * Masks of objects (inference-region=objects) are written together.
 *
 * Pixels outside of the mask, in the borders of a letterboxed frame, are the background class, or 255 if the model has
 * none. The output for a frame without a mask is black (0); the element posts a warning for the first one.
 *
 * Pixels that hold label ids look almost black: #GstDicenetMask:scale-to-visible spreads the ids over 0 to 255.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert ! dicenetsegment ! dicenetmask
 * scale-to-visible=true ! videoconvert ! autovideosink
 * ]|
 * |[
 * gst-launch-1.0 filesrc location=photo.jpg ! jpegdec ! videoconvert ! dicenetsegment ! dicenetmask !
 * pngenc ! filesink location=mask.png
 * ]|
 */

#include "gstdicenetmask.h"
#include "video/gstdicenetmemory.h"

#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/video/video.h>
#include <math.h>
#include <string.h>

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_mask_debug);
#define GST_CAT_DEFAULT gst_dicenet_mask_debug

enum {
  PROP_0,
  PROP_SCALE_TO_VISIBLE,
};

struct _GstDicenetMask {
  GstBaseTransform parent;

  GstVideoInfo info;     /* output format */
  gboolean warned;       /* about frames without a mask */
  gint scale_to_visible; /* atomic */
};

G_DEFINE_FINAL_TYPE (GstDicenetMask, gst_dicenet_mask, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (dicenetmask, "dicenetmask", GST_RANK_NONE, GST_TYPE_DICENET_MASK)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                             GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE_WITH_FEATURES ("ANY", GST_VIDEO_FORMATS_ALL)));

static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE ("GRAY8")));

static void
gst_dicenet_mask_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDicenetMask *self = GST_DICENET_MASK (object);

  switch (id) {
  case PROP_SCALE_TO_VISIBLE:
    g_atomic_int_set (&self->scale_to_visible, g_value_get_boolean (value));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
}

static void
gst_dicenet_mask_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDicenetMask *self = GST_DICENET_MASK (object);

  switch (id) {
  case PROP_SCALE_TO_VISIBLE:
    g_value_set_boolean (value, g_atomic_int_get (&self->scale_to_visible));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
}

static gboolean
gst_dicenet_mask_start (GstBaseTransform *trans)
{
  GST_DICENET_MASK (trans)->warned = FALSE;
  return TRUE;
}

/* Size, pixel aspect ratio and frame rate are the same on both sides; all other caps fields differ. */
static GstCaps *
gst_dicenet_mask_transform_caps (GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps, GstCaps *filter)
{
  static const gchar *const kept[] = { "width", "height", "pixel-aspect-ratio", "framerate", "max-framerate" };
  GstCaps *other = gst_caps_new_empty ();

  for (guint i = 0; i < gst_caps_get_size (caps); i++) {
    const GstStructure *from = gst_caps_get_structure (caps, i);
    GstStructure *to = gst_structure_new_empty ("video/x-raw");
    for (guint j = 0; j < G_N_ELEMENTS (kept); j++) {
      const GValue *value = gst_structure_get_value (from, kept[j]);
      if (value)
        gst_structure_set_value (to, kept[j], value);
    }
    if (direction == GST_PAD_SINK)
      gst_structure_set (to, "format", G_TYPE_STRING, "GRAY8", NULL);
    other = gst_caps_merge_structure_full (other, to, direction == GST_PAD_SINK ? NULL : gst_caps_features_new_any ());
  }
  if (filter) {
    GstCaps *all = other;
    other = gst_caps_intersect_full (filter, all, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref (all);
  }
  return other;
}

static gboolean
gst_dicenet_mask_set_caps (GstBaseTransform *trans, GstCaps *incaps, GstCaps *outcaps)
{
  GST_INFO_OBJECT (trans, "masks as %" GST_PTR_FORMAT, outcaps);
  return gst_video_info_from_caps (&GST_DICENET_MASK (trans)->info, outcaps);
}

/* The output size follows from the caps only, because input frames may be padded. */
static gboolean
gst_dicenet_mask_transform_size (GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps, gsize size,
                                 GstCaps *othercaps, gsize *othersize)
{
  GstVideoInfo info;

  if (!gst_video_info_from_caps (&info, othercaps))
    return FALSE;
  *othersize = GST_VIDEO_INFO_SIZE (&info);
  return TRUE;
}

/* Pixels are not read: any layout is accepted, and a crop by GstVideoCropMeta is applied to the mask. */
static gboolean
gst_dicenet_mask_propose_allocation (GstBaseTransform *trans, GstQuery *decide_query, GstQuery *query)
{
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  gst_query_add_allocation_meta (query, GST_VIDEO_CROP_META_API_TYPE, NULL);
  return TRUE;
}

/* GStreamer's allocator aborts the process when it runs out of memory, so try the allocation first. */
static gboolean
check_memory (GstDicenetMask *self)
{
  const gboolean ok = gst_dicenet_has_memory_for_picture (GST_VIDEO_INFO_SIZE (&self->info));

  if (!ok)
    GST_ELEMENT_ERROR (self, RESOURCE, NO_SPACE_LEFT,
                       ("No memory for masks of %dx%d, %" G_GSIZE_FORMAT
                        " MiB each: insert videoscale before the network.",
                        self->info.width, self->info.height, GST_VIDEO_INFO_SIZE (&self->info) >> 20),
                       (NULL));
  return ok;
}

/* Rows of a pool's buffers may be padded; GstVideoMeta gives their stride, which mapped frames respect. */
static gboolean
gst_dicenet_mask_decide_allocation (GstBaseTransform *trans, GstQuery *query)
{
  GstBufferPool *pool = NULL;

  if (!check_memory (GST_DICENET_MASK (trans)) ||
      !GST_BASE_TRANSFORM_CLASS (gst_dicenet_mask_parent_class)->decide_allocation (trans, query))
    return FALSE;
  if (gst_query_get_n_allocation_pools (query) > 0)
    gst_query_parse_nth_allocation_pool (query, 0, &pool, NULL, NULL, NULL);
  if (pool && gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL)) {
    GstStructure *config = gst_buffer_pool_get_config (pool);
    gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_META);
    gst_buffer_pool_set_config (pool, config);
  }
  gst_clear_object (&pool);
  return TRUE;
}

static void
fill (GstVideoFrame *out, guint8 value)
{
  guint8 *row = GST_VIDEO_FRAME_PLANE_DATA (out, 0);

  for (gint y = 0; y < GST_VIDEO_FRAME_HEIGHT (out); y++, row += GST_VIDEO_FRAME_PLANE_STRIDE (out, 0))
    memset (row, value, GST_VIDEO_FRAME_WIDTH (out));
}

static void
spread_values (GstVideoFrame *out, guint n_labels)
{
  guint8 *row = GST_VIDEO_FRAME_PLANE_DATA (out, 0), spread[256];

  for (guint i = 0; i < 256; i++)
    spread[i] = n_labels > 1 ? MIN (i * 255 / (n_labels - 1), 255) : i;
  for (gint y = 0; y < GST_VIDEO_FRAME_HEIGHT (out); y++, row += GST_VIDEO_FRAME_PLANE_STRIDE (out, 0)) {
    for (gint x = 0; x < GST_VIDEO_FRAME_WIDTH (out); x++)
      row[x] = spread[row[x]];
  }
}

static guint8
outside_of (const GstDicenetResult *result)
{
  return result->background >= 0 ? (guint8) result->background : GST_DICENET_MASK_NONE;
}

/* The columns (or rows) of a frame that a mask covers, of @n. Views may be arbitrarily large. */
static void
covered_range (gdouble view_start, gdouble view_size, gint n, gint *from, gint *to)
{
  *from = (gint) CLAMP (floor (-view_start / view_size * n), 0, n);
  *to = (gint) CLAMP (ceil ((1 - view_start) / view_size * n), 0, n);
}

/* Writes the mask of an object over what is there. Returns FALSE if there is not enough memory. */
static gboolean
paint_object (const GstDicenetMeta *meta, GstVideoFrame *out)
{
  const gint width = GST_VIDEO_FRAME_WIDTH (out), height = GST_VIDEO_FRAME_HEIGHT (out);
  const guint8 outside = outside_of (meta->result);
  GstDicenetMeta part = *meta; /* only to be read here */
  gint x0, x1, y0, y1;

  covered_range (meta->view_x, meta->view_w, width, &x0, &x1);
  covered_range (meta->view_y, meta->view_h, height, &y0, &y1);
  if (x1 <= x0 || y1 <= y0)
    return TRUE;
  const guint w = (guint) (x1 - x0), h = (guint) (y1 - y0);
  g_autofree guint8 *mask = g_try_malloc ((gsize) w * h);
  if (!mask)
    return FALSE;
  part.view_x += part.view_w * x0 / width;
  part.view_y += part.view_h * y0 / height;
  part.view_w *= (gdouble) w / width;
  part.view_h *= (gdouble) h / height;
  gst_dicenet_meta_read_mask (&part, mask, w, h, w);
  for (guint y = 0; y < h; y++) {
    guint8 *row = (guint8 *) GST_VIDEO_FRAME_PLANE_DATA (out, 0) +
                  (gsize) (y0 + (gint) y) * (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (out, 0) + x0;
    for (guint x = 0; x < w; x++)
      row[x] = mask[(gsize) y * w + x] != outside ? mask[(gsize) y * w + x] : row[x];
  }
  return TRUE;
}

/* All masks of objects, the most confident object, which is the first, on top. */
static void
paint_objects (GstDicenetMask *self, GstBuffer *buffer, const GstDicenetMeta *first, GstVideoFrame *out)
{
  g_autoptr (GPtrArray) metas = gst_buffer_get_dicenet_metas (buffer);
  gboolean ok = TRUE;

  fill (out, outside_of (first->result));
  for (guint i = metas->len; i-- > 0;) {
    const GstDicenetMeta *meta = g_ptr_array_index (metas, i);
    if (meta->result->mask && meta->parent_id >= 0)
      ok &= paint_object (meta, out);
  }
  if (!ok)
    GST_ELEMENT_WARNING (self, RESOURCE, NO_SPACE_LEFT, ("No memory for the masks of all objects: some are left out."),
                         (NULL));
}

static void
write_mask (GstDicenetMask *self, GstBuffer *buffer, const GstDicenetMeta *meta, GstVideoFrame *out)
{
  if (meta->parent_id >= 0)
    paint_objects (self, buffer, meta, out);
  else
    gst_dicenet_meta_read_mask (meta, GST_VIDEO_FRAME_PLANE_DATA (out, 0), GST_VIDEO_FRAME_WIDTH (out),
                                GST_VIDEO_FRAME_HEIGHT (out), GST_VIDEO_FRAME_PLANE_STRIDE (out, 0));
  if (g_atomic_int_get (&self->scale_to_visible))
    spread_values (out, meta->result->n_labels);
}

static void
warn_of_missing_mask (GstDicenetMask *self, GstBuffer *inbuf)
{
  if (self->warned || GST_BUFFER_FLAG_IS_SET (inbuf, GST_BUFFER_FLAG_GAP))
    return;
  self->warned = TRUE;
  GST_ELEMENT_WARNING (
      self, STREAM, FAILED,
      ("A frame has no mask and comes out black. Put dicenetsegment before '%s', with no element between "
       "them that drops metadata. With inference-region=objects, frames without objects have no mask.",
       GST_OBJECT_NAME (self)),
      ("first frame without: pts %" GST_TIME_FORMAT, GST_TIME_ARGS (GST_BUFFER_PTS (inbuf))));
}

static GstFlowReturn
gst_dicenet_mask_transform (GstBaseTransform *trans, GstBuffer *inbuf, GstBuffer *outbuf)
{
  GstDicenetMask *self = GST_DICENET_MASK (trans);
  GstVideoFrame out;

  if (!gst_video_frame_map (&out, &self->info, outbuf, GST_MAP_READWRITE)) {
    GST_ELEMENT_ERROR (self, RESOURCE, WRITE, ("Can't write a mask: the memory that downstream gave can't be mapped."),
                       ("%" GST_PTR_FORMAT, outbuf));
    return GST_FLOW_ERROR;
  }
  GstBuffer *shown = gst_buffer_apply_crop_to_dicenet_meta (inbuf);
  GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (shown, GST_DICENET_TASK_SEGMENT);
  if (meta && meta->result->mask) {
    GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": mask of %ux%u", GST_TIME_ARGS (GST_BUFFER_PTS (inbuf)),
                      meta->result->mask_width, meta->result->mask_height);
    write_mask (self, shown, meta, &out);
  } else {
    GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": no mask, black", GST_TIME_ARGS (GST_BUFFER_PTS (inbuf)));
    fill (&out, 0);
    warn_of_missing_mask (self, inbuf);
  }
  gst_buffer_unref (shown);
  gst_video_frame_unmap (&out);
  return GST_FLOW_OK;
}

static void
gst_dicenet_mask_class_init (GstDicenetMaskClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_dicenet_mask_debug, "dicenetmask", 0, "DiCENet masks as video");

  object_class->set_property = gst_dicenet_mask_set_property;
  object_class->get_property = gst_dicenet_mask_get_property;
  g_object_class_install_property (
      object_class, PROP_SCALE_TO_VISIBLE,
      g_param_spec_boolean (
          "scale-to-visible", "Scale to visible",
          "Spread the label ids over 0 to 255 to make them visible; otherwise each pixel is its label id", FALSE,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "DiCENet mask to video", "Converter/Analyzer/Video",
                                         "Converts the segmentation masks attached to frames to GRAY8 video",
                                         "The dicenet developers");

  trans_class->start = gst_dicenet_mask_start;
  trans_class->transform_caps = gst_dicenet_mask_transform_caps;
  trans_class->set_caps = gst_dicenet_mask_set_caps;
  trans_class->transform_size = gst_dicenet_mask_transform_size;
  trans_class->propose_allocation = gst_dicenet_mask_propose_allocation;
  trans_class->decide_allocation = gst_dicenet_mask_decide_allocation;
  trans_class->transform = gst_dicenet_mask_transform;
}

static void
gst_dicenet_mask_init (GstDicenetMask *self)
{
  gst_video_info_init (&self->info);
  /* QoS is off by default: no mask is dropped unless the user asks for it. */
  gst_base_transform_set_qos_enabled (GST_BASE_TRANSFORM (self), FALSE);
}
