/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetvideo.h"
#include "gstdicenetaspect.h"

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_video_debug);
#define GST_CAT_DEFAULT gst_dicenet_video_debug

/* Maximum width and height in pixels: the limit of libdicenet and of cairo. */
#define GST_DICENET_MAX_FRAME 32767

typedef struct {
  GstVideoInfo info;
  gboolean have_info;
} GstDicenetVideoPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (GstDicenetVideo, gst_dicenet_video, GST_TYPE_BASE_TRANSFORM)

#define PRIV(self) ((GstDicenetVideoPrivate *) gst_dicenet_video_get_instance_private (self))

const GstVideoInfo *
gst_dicenet_video_get_info (GstDicenetVideo *self)
{
  return &PRIV (self)->info;
}

gboolean
gst_dicenet_video_get_running_time (GstDicenetVideo *self, GstBuffer *buffer, gint64 *time)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  guint64 distance = 0;
  gint sign = 0;

  if (segment->format == GST_FORMAT_TIME && GST_BUFFER_PTS_IS_VALID (buffer))
    sign = gst_segment_to_running_time_full (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer), &distance);
  *time = sign * (gint64) MIN (distance, (guint64) G_MAXINT64);
  return sign != 0;
}

/* Results and drawing require one whole picture per buffer. */
static gboolean
check_frames (GstDicenetVideo *self, const GstVideoInfo *info)
{
  const gchar *name = GST_OBJECT_NAME (self);

  if (info->interlace_mode == GST_VIDEO_INTERLACE_MODE_ALTERNATE ||
      info->interlace_mode == GST_VIDEO_INTERLACE_MODE_FIELDS) {
    GST_ELEMENT_ERROR (
        self, STREAM, FORMAT,
        ("The stream has separate fields (interlace-mode=%s), but '%s' needs whole frames: insert deinterlace before "
         "it.",
         gst_video_interlace_mode_to_string (info->interlace_mode), name),
        (NULL));
    return FALSE;
  }
  if (GST_VIDEO_INFO_MULTIVIEW_MODE (info) == GST_VIDEO_MULTIVIEW_MODE_SEPARATED) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
                       ("Each buffer has %d separate views, but '%s' needs one picture: insert glviewconvert before "
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
  /* The same frames with or without the overlay composition feature: keep the state. */
  if (priv->have_info && gst_video_info_is_equal (&info, &priv->info))
    return TRUE;

  if (info.par_n > 0 && info.par_d > 0 && !gst_dicenet_pixel_aspect_is_sane (&info))
    GST_ELEMENT_WARNING (
        self, STREAM, FORMAT,
        ("The stream says that its pixels are %d:%d, which is implausible: they are treated as square. "
         "Insert a capssetter with the right pixel-aspect-ratio before '%s' if they are not.",
         info.par_n, info.par_d, GST_OBJECT_NAME (self)),
        (NULL));
  priv->have_info = !klass->set_info || klass->set_info (self, incaps, &info);
  priv->info = info;
  return priv->have_info;
}

/* The base class drops frames that are too late, if the property qos is set. */
static GstFlowReturn
gst_dicenet_video_submit_input_buffer (GstBaseTransform *trans, gboolean is_discont, GstBuffer *buffer)
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  GstFlowReturn ret =
      GST_BASE_TRANSFORM_CLASS (gst_dicenet_video_parent_class)->submit_input_buffer (trans, is_discont, buffer);

  if (ret == GST_BASE_TRANSFORM_FLOW_DROPPED)
    GST_DEBUG_OBJECT (trans, "frame %" GST_TIME_FORMAT ": dropped, too late for the sink (qos)", GST_TIME_ARGS (pts));
  return ret;
}

static GstFlowReturn
gst_dicenet_video_transform_ip (GstBaseTransform *trans, GstBuffer *buffer)
{
  GstDicenetVideo *self = GST_DICENET_VIDEO (trans);

  /* A gap buffer has no picture. */
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP) || gst_buffer_n_memory (buffer) == 0) {
    GST_DEBUG_OBJECT (trans, "frame %" GST_TIME_FORMAT ": a gap, left as it is",
                      GST_TIME_ARGS (GST_BUFFER_PTS (buffer)));
    return GST_FLOW_OK;
  }
  return GST_DICENET_VIDEO_GET_CLASS (self)->process_frame (self, buffer);
}

/* Frames pass through, so upstream may use downstream's pool. GstVideoCropMeta is removed: boxes and drawings are in
 * the coordinates of the frame size in the caps. */
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
  PRIV (GST_DICENET_VIDEO (trans))->have_info = FALSE;
  return TRUE;
}

static gboolean
gst_dicenet_video_stop (GstBaseTransform *trans)
{
  PRIV (GST_DICENET_VIDEO (trans))->have_info = FALSE;
  return TRUE;
}

static void
gst_dicenet_video_class_init (GstDicenetVideoClass *klass)
{
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_dicenet_video_debug, "dicenetvideo", 0, "base of the DiCENet video elements");

  trans_class->start = gst_dicenet_video_start;
  trans_class->stop = gst_dicenet_video_stop;
  trans_class->set_caps = gst_dicenet_video_set_caps;
  trans_class->propose_allocation = gst_dicenet_video_propose_allocation;
  trans_class->submit_input_buffer = gst_dicenet_video_submit_input_buffer;
  trans_class->transform_ip = gst_dicenet_video_transform_ip;

  gst_type_mark_as_plugin_api (GST_TYPE_DICENET_VIDEO, 0);
}

static void
gst_dicenet_video_init (GstDicenetVideo *self)
{
  GstBaseTransform *trans = GST_BASE_TRANSFORM (self);

  gst_base_transform_set_in_place (trans, TRUE);
  gst_base_transform_set_gap_aware (trans, TRUE);
  /* QoS is off by default: no result is dropped unless the user asks for it. */
  gst_base_transform_set_qos_enabled (trans, FALSE);
}
