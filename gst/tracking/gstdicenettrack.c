/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-dicenettrack
 * @title: dicenettrack
 * @see_also: dicenetdetect, dicenetoverlay, dicenetjson
 *
 * Gives each object a number that it keeps from frame to frame: `track_id` of #GstDicenetDetection, `id` in the
 * `object_id` param of #GstVideoRegionOfInterestMeta. Objects may come from dicenetdetect or from any element that
 * attaches regions of interest. What different models found is followed separately.
 *
 * Objects are matched by the overlap of their boxes with those that a Kalman filter expects, the confident ones first
 * and then the others (ByteTrack). The element does not read pixels: frames may have any format and be in any memory.
 * A lower #GstDicenetDetect:threshold, such as 0.2, lets it follow objects through moments in which the detector is in
 * doubt.
 *
 * Frames that carry an older result (inference-interval above 1, inference-mode=newest) get its boxes moved to where
 * the objects are expected by now, unless #GstDicenetTrack:predict is false.
 *
 * A flush (a seek) and a new stream make the element forget all objects; numbers go on and are never used twice.
 * Gaps, lost frames, DISCONT, new segments and changes of the frame's size and rate do not, unless they are longer
 * than #GstDicenetTrack:max-lost.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert ! dicenetdetect ! dicenettrack !
 * dicenetoverlay ! videoconvert ! autovideosink
 * ]|
 */

#include "gstdicenettrack.h"
#include "gstdicenetsources.h"
#include "video/gstdicenetaspect.h"

#include <math.h>

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_track_debug);
#define GST_CAT_DEFAULT gst_dicenet_track_debug

enum {
  PROP_0,
  PROP_HIGH_THRESHOLD,
  PROP_LOW_THRESHOLD,
  PROP_NEW_THRESHOLD,
  PROP_MATCH_IOU,
  PROP_CLASS_AWARE,
  PROP_MIN_HITS,
  PROP_MAX_LOST,
  PROP_PREDICT,
  PROP_STATS,
};

/* docs/tracking.md tells how they were chosen. */
#define DEFAULT_HIGH_THRESHOLD 0.2
#define DEFAULT_LOW_THRESHOLD  0.1
#define DEFAULT_NEW_THRESHOLD  0.35
#define DEFAULT_MATCH_IOU      0.25
#define DEFAULT_CLASS_AWARE    TRUE
#define DEFAULT_MIN_HITS       2
#define DEFAULT_MAX_LOST       (2 * GST_SECOND)
#define DEFAULT_PREDICT        TRUE

/* Where neither timestamps nor caps say. */
#define DEFAULT_FRAME_SECONDS (1.0 / 25)

/* Pictures of other shapes show something else. */
#define SAME_SHAPE 0.02

struct _GstDicenetTrack {
  GstDicenetVideo parent;

  /* Protected by the object lock. */
  GstDicenetTrackerSettings settings;
  gboolean predict;
  guint n_tracks; /* as of the last frame, and the last number given */
  guint64 last_id;

  /* Streaming thread only. */
  GstDicenetSources *sources;
  gchar *stream;             /* its id */
  gdouble width, height;     /* of frames; 0 if unknown */
  gdouble shape;             /* their display aspect ratio */
  gdouble frame_seconds;     /* by the caps */
  gdouble now;               /* seconds, never decreases */
  gboolean has_running_time; /* whether the next is known: */
  gdouble running_time;      /* of the last frame in seconds */
};

G_DEFINE_FINAL_TYPE (GstDicenetTrack, gst_dicenet_track, GST_TYPE_DICENET_VIDEO)
GST_ELEMENT_REGISTER_DEFINE (dicenettrack, "dicenettrack", GST_RANK_NONE, GST_TYPE_DICENET_TRACK)

/* --- time --- */

static void
update_stats (GstDicenetTrack *self)
{
  GST_OBJECT_LOCK (self);
  self->n_tracks = gst_dicenet_sources_get_n_tracks (self->sources);
  self->last_id = gst_dicenet_sources_get_last_id (self->sources);
  GST_OBJECT_UNLOCK (self);
}

static void
forget (GstDicenetTrack *self, const gchar *why)
{
  GST_INFO_OBJECT (self, "%s: all objects are forgotten", why);
  gst_dicenet_sources_forget (self->sources);
  self->has_running_time = FALSE;
  update_stats (self);
}

/* Running time goes on over new segments, and over loops of a file. */
static gboolean
get_running_time (GstDicenetTrack *self, GstBuffer *buffer, gdouble *seconds)
{
  gint64 time;
  const gboolean is_known = gst_dicenet_video_get_running_time (GST_DICENET_VIDEO (self), buffer, &time);

  *seconds = (gdouble) time / GST_SECOND;
  return is_known;
}

/* Seconds since the last frame. Where timestamps say nothing sensible, the duration of a frame. */
static gdouble
advance (GstDicenetTrack *self, GstBuffer *buffer, gdouble max_lost)
{
  gdouble running_time, step = self->frame_seconds;

  if (!get_running_time (self, buffer, &running_time)) {
    self->running_time += step;
    return step;
  }
  if (self->has_running_time) {
    const gdouble since = running_time - self->running_time;
    if (since >= 0)
      step = since;
    else if (-since > max_lost)
      forget (self, "time went backwards");
    else
      GST_DEBUG_OBJECT (self, "time went back by %.3f s", -since);
  }
  self->running_time = running_time;
  self->has_running_time = TRUE;
  return step;
}

/* --- frames --- */

static gdouble
get_rate (GstDicenetTrack *self)
{
  const gdouble rate = fabs (GST_BASE_TRANSFORM (self)->segment.rate);

  return rate > 0 ? rate : 1;
}

static GstFlowReturn
gst_dicenet_track_process_frame (GstDicenetVideo *video, GstBuffer *buffer)
{
  GstDicenetTrack *self = GST_DICENET_TRACK (video);

  GST_OBJECT_LOCK (self);
  const GstDicenetTrackerSettings settings = self->settings;
  const gboolean predict = self->predict;
  GST_OBJECT_UNLOCK (self);

  self->now += advance (self, buffer, settings.max_lost);
  const GstDicenetMoment moment = { self->now, self->frame_seconds, get_rate (self) };
  gst_dicenet_sources_process (self->sources, &settings, predict, &moment, buffer);
  update_stats (self);
  GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": %u tracks, last number %" G_GUINT64_FORMAT,
                    GST_TIME_ARGS (GST_BUFFER_PTS (buffer)), self->n_tracks, self->last_id);
  return GST_FLOW_OK;
}

/* Frames of another size, but of the same shape, show the same picture. */
static gboolean
gst_dicenet_track_set_info (GstDicenetVideo *video, GstCaps *caps, const GstVideoInfo *info)
{
  GstDicenetTrack *self = GST_DICENET_TRACK (video);
  const gdouble width = info->width, height = info->height;
  const gdouble shape = width / height * gst_dicenet_pixel_aspect (info);

  if (self->width > 0 && fabs (shape / self->shape - 1) > SAME_SHAPE)
    forget (self, "the frame's shape changed");
  else if (self->width > 0)
    gst_dicenet_sources_scale (self->sources, width / self->width, height / self->height);
  self->width = width;
  self->height = height;
  self->shape = shape;
  self->frame_seconds = info->fps_n > 0 ? (gdouble) info->fps_d / info->fps_n : DEFAULT_FRAME_SECONDS;
  return TRUE;
}

static void
stream_started (GstDicenetTrack *self, GstEvent *event)
{
  const gchar *stream;

  gst_event_parse_stream_start (event, &stream);
  if (self->stream && g_strcmp0 (self->stream, stream) != 0)
    forget (self, "another stream");
  g_free (self->stream);
  self->stream = g_strdup (stream);
}

static gboolean
gst_dicenet_track_sink_event (GstBaseTransform *trans, GstEvent *event)
{
  GstDicenetTrack *self = GST_DICENET_TRACK (trans);

  if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP)
    forget (self, "flush");
  else if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START)
    stream_started (self, event);
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_track_parent_class)->sink_event (trans, event);
}

static void
clear (GstDicenetTrack *self)
{
  g_clear_pointer (&self->sources, gst_dicenet_sources_free);
  g_clear_pointer (&self->stream, g_free);
}

static gboolean
gst_dicenet_track_start (GstBaseTransform *trans)
{
  GstDicenetTrack *self = GST_DICENET_TRACK (trans);

  clear (self);
  self->sources = gst_dicenet_sources_new ();
  self->width = self->now = 0;
  self->has_running_time = FALSE;
  update_stats (self);
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_track_parent_class)->start (trans);
}

static gboolean
gst_dicenet_track_stop (GstBaseTransform *trans)
{
  clear (GST_DICENET_TRACK (trans));
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_track_parent_class)->stop (trans);
}

/* --- properties --- */

static void
gst_dicenet_track_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDicenetTrack *self = GST_DICENET_TRACK (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_HIGH_THRESHOLD:
    self->settings.high = g_value_get_double (value);
    break;
  case PROP_LOW_THRESHOLD:
    self->settings.low = g_value_get_double (value);
    break;
  case PROP_NEW_THRESHOLD:
    self->settings.start = g_value_get_double (value);
    break;
  case PROP_MATCH_IOU:
    self->settings.min_iou = g_value_get_double (value);
    break;
  case PROP_CLASS_AWARE:
    self->settings.class_aware = g_value_get_boolean (value);
    break;
  case PROP_MIN_HITS:
    self->settings.min_hits = g_value_get_uint (value);
    break;
  case PROP_MAX_LOST:
    self->settings.max_lost = (gdouble) g_value_get_uint64 (value) / GST_SECOND;
    break;
  case PROP_PREDICT:
    self->predict = g_value_get_boolean (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static GstStructure *
make_stats (const GstDicenetTrack *self)
{
  return gst_structure_new ("dicenettrack-stats", "alive", G_TYPE_UINT, self->n_tracks, "total", G_TYPE_UINT64,
                            self->last_id, NULL);
}

static void
gst_dicenet_track_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDicenetTrack *self = GST_DICENET_TRACK (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_HIGH_THRESHOLD:
    g_value_set_double (value, self->settings.high);
    break;
  case PROP_LOW_THRESHOLD:
    g_value_set_double (value, self->settings.low);
    break;
  case PROP_NEW_THRESHOLD:
    g_value_set_double (value, self->settings.start);
    break;
  case PROP_MATCH_IOU:
    g_value_set_double (value, self->settings.min_iou);
    break;
  case PROP_CLASS_AWARE:
    g_value_set_boolean (value, self->settings.class_aware);
    break;
  case PROP_MIN_HITS:
    g_value_set_uint (value, self->settings.min_hits);
    break;
  case PROP_MAX_LOST:
    g_value_set_uint64 (value, llround (self->settings.max_lost * GST_SECOND));
    break;
  case PROP_PREDICT:
    g_value_set_boolean (value, self->predict);
    break;
  case PROP_STATS:
    g_value_take_boxed (value, make_stats (self));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
install_thresholds (GObjectClass *klass, GParamFlags flags)
{
  g_object_class_install_property (
      klass, PROP_HIGH_THRESHOLD,
      g_param_spec_double ("high-threshold", "High threshold",
                           "Objects of at least this confidence are matched first, to all tracks", 0, 1,
                           DEFAULT_HIGH_THRESHOLD, flags));
  g_object_class_install_property (
      klass, PROP_LOW_THRESHOLD,
      g_param_spec_double ("low-threshold", "Low threshold",
                           "Objects from this confidence to high-threshold only continue tracks that are still without "
                           "an object; those below get no number",
                           0, 1, DEFAULT_LOW_THRESHOLD, flags));
  g_object_class_install_property (
      klass, PROP_NEW_THRESHOLD,
      g_param_spec_double ("new-threshold", "New threshold",
                           "Objects of at least this confidence that match no track begin a new one; not below "
                           "high-threshold",
                           0, 1, DEFAULT_NEW_THRESHOLD, flags));
  g_object_class_install_property (
      klass, PROP_MATCH_IOU,
      g_param_spec_double ("match-iou", "Match IoU",
                           "How much an object must overlap with where its track is expected (intersection over union)",
                           0, 1, DEFAULT_MATCH_IOU, flags));
}

static void
install_properties (GObjectClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  install_thresholds (klass, flags);
  g_object_class_install_property (
      klass, PROP_CLASS_AWARE,
      g_param_spec_boolean ("class-aware", "Class-aware",
                            "An object keeps its class: those of other classes don't match its track. Switch it off if "
                            "the detector confuses classes, such as car and bus",
                            DEFAULT_CLASS_AWARE, flags));
  g_object_class_install_property (
      klass, PROP_MIN_HITS,
      g_param_spec_uint ("min-hits", "Minimum hits",
                         "An object gets its number when it was found in as many inferences, one after the other: more "
                         "than 1 keeps false alarms without",
                         1, 1000, DEFAULT_MIN_HITS, flags));
  g_object_class_install_property (
      klass, PROP_MAX_LOST,
      g_param_spec_uint64 (
          "max-lost", "Maximum lost",
          "An object that isn't found for longer is forgotten, and has another number if it comes back "
          "(in nanoseconds)",
          0, 3600 * GST_SECOND, DEFAULT_MAX_LOST, flags));
  g_object_class_install_property (
      klass, PROP_PREDICT,
      g_param_spec_boolean ("predict", "Predict",
                            "Move the boxes of older results (inference-interval, inference-mode=newest) to where the "
                            "objects are expected on this frame",
                            DEFAULT_PREDICT, flags));
  g_object_class_install_property (
      klass, PROP_STATS,
      g_param_spec_boxed (
          "stats", "Statistics",
          "Number of objects that are followed now, those included that are hidden for a moment (alive, "
          "uint), and of all since the start (total, uint64)",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

/* --- element --- */

static void
gst_dicenet_track_finalize (GObject *object)
{
  clear (GST_DICENET_TRACK (object));
  G_OBJECT_CLASS (gst_dicenet_track_parent_class)->finalize (object);
}

static void
add_templates (GstElementClass *klass)
{
  static GstStaticCaps static_caps = GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE_WITH_FEATURES ("ANY", GST_VIDEO_FORMATS_ALL));
  GstCaps *caps = gst_static_caps_get (&static_caps);

  gst_element_class_add_pad_template (klass, gst_pad_template_new ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template (klass, gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref (caps);
}

static void
gst_dicenet_track_class_init (GstDicenetTrackClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_dicenet_track_debug, "dicenettrack", 0, "numbers of objects over time");

  object_class->set_property = gst_dicenet_track_set_property;
  object_class->get_property = gst_dicenet_track_get_property;
  object_class->finalize = gst_dicenet_track_finalize;
  install_properties (object_class);

  gst_element_class_set_static_metadata (GST_ELEMENT_CLASS (klass), "Object tracker", "Filter/Analyzer/Video",
                                         "Gives each detected object a number that it keeps from frame to frame",
                                         "The dicenet developers");
  add_templates (GST_ELEMENT_CLASS (klass));

  trans_class->start = gst_dicenet_track_start;
  trans_class->stop = gst_dicenet_track_stop;
  trans_class->sink_event = gst_dicenet_track_sink_event;
  GST_DICENET_VIDEO_CLASS (klass)->set_info = gst_dicenet_track_set_info;
  GST_DICENET_VIDEO_CLASS (klass)->process_frame = gst_dicenet_track_process_frame;
}

static void
gst_dicenet_track_init (GstDicenetTrack *self)
{
  self->settings = (GstDicenetTrackerSettings){
    .high = DEFAULT_HIGH_THRESHOLD,
    .low = DEFAULT_LOW_THRESHOLD,
    .start = DEFAULT_NEW_THRESHOLD,
    .min_iou = DEFAULT_MATCH_IOU,
    .class_aware = DEFAULT_CLASS_AWARE,
    .min_hits = DEFAULT_MIN_HITS,
    .max_lost = (gdouble) DEFAULT_MAX_LOST / GST_SECOND,
  };
  self->predict = DEFAULT_PREDICT;
  self->frame_seconds = DEFAULT_FRAME_SECONDS;
}
