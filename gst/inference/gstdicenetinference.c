/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Common base of the three inference elements. Design decisions:
 *
 * Inference size: the default is the frame's display aspect ratio, with the short side that the model is meant for;
 * smaller frames are scaled up. No side is ever below 32 pixels: "native" scales smaller frames up to it.
 *
 * Interval: frames between two inferences carry the last result again, with its age in frames, so that an overlay does
 * not flicker and every frame has a result. After new caps, a flush, a seek or a new segment, the first frame is
 * inferred. GAP buffers have no picture: they pass without a result and are not counted.
 *
 * Mode: in "newest", the streaming thread only converts a frame into the network's input, if the network is free, and a
 * worker runs the network. One frame is under way at a time, so memory is bounded, and the interval is the least
 * distance between two. Frames take the newest result along, unless it is older than max-age. After a flush, a new
 * segment or new caps, neither earlier results nor the one under way are used; new caps wait for the latter, whose
 * memory they need. At EOS the last inference ends first, for its message; READY and NULL wait for it, too. The worker
 * posts messages and errors when they occur; after an error, the next frame fails.
 *
 * Objects (inference-region=objects): the model runs on regions around the objects that were detected before, in the
 * streaming thread, one after the other, as a network keeps all threads busy. max-objects and reclassify-interval bound
 * the time, not the mode. Latency is measured on frames with such objects.
 *
 * QoS is off by default (property qos of the base class): late frames keep their results. With qos=true, frames that
 * are late at the sink are dropped before inference, and QoS messages report how many.
 *
 * Latency: the element reports 1.25 times the moving average of the time that an inferred frame waits. In a live
 * pipeline it measures this on a blank frame when it gets caps; if frames take longer than reported, a LATENCY message
 * asks the application to redistribute the latency. The reported latency shrinks only with new caps, because every
 * change is visible and audible.
 *
 * GPU memory: a session on a GPU moves to the CUDA context of incoming frames and reads them without a copy. In all
 * other cases (a session on the CPU, frames on another GPU) frames are mapped for the CPU, which copies them.
 */

#include "gstdicenetinference-private.h"
#include "gstdicenetcuda.h"
#include "gstdicenetimage.h"
#include "video/gstdicenetlive.h"

GST_DEBUG_CATEGORY (gst_dicenet_inference_debug);
#define GST_CAT_DEFAULT gst_dicenet_inference_debug

enum {
  PROP_INFERENCE_MODE = GST_DICENET_REGION_SETTINGS_END,
  PROP_INFERENCE_INTERVAL,
  PROP_MAX_AGE,
  PROP_OVERLAY,
  PROP_SHOW_FPS,
  PROP_POST_MESSAGES,
  PROP_ANALYTICS,
  PROP_STATS,
};

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (GstDicenetInference, gst_dicenet_inference, GST_TYPE_DICENET_VIDEO)

GstDicenetInferencePrivate *
gst_dicenet_inference_get_private (GstDicenetInference *self)
{
  return gst_dicenet_inference_get_instance_private (self);
}

static GType
gst_dicenet_inference_mode_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    { MODE_EVERY_FRAME, "A frame waits for its own result, or for its interval's", "every-frame" },
    { MODE_NEWEST, "Frames never wait: each carries the newest result that is there", "newest" },
    { 0, NULL, NULL },
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstDicenetInferenceMode", values));
  return type;
}

gchar **
gst_dicenet_inference_dup_labels (GstDicenetInference *self)
{
  GST_OBJECT_LOCK (self);
  GstDicenetEngine *engine = PRIV (self)->engine;
  gchar **labels = engine ? g_strdupv ((gchar **) gst_dicenet_engine_get_labels (engine)) : NULL;
  GST_OBJECT_UNLOCK (self);
  return labels;
}

/* --- log --- */

static const gchar *
nick_of (GType type, gint value)
{
  GEnumClass *klass = g_type_class_ref (type);
  const gchar *nick = g_enum_get_value (klass, value)->value_nick;

  g_type_class_unref (klass);
  return nick;
}

static void
log_engine (GstDicenetInference *self, GstDicenetEngine *engine, gint64 begin)
{
  DicenetSession *session = gst_dicenet_engine_get_session (engine);

  GST_INFO_OBJECT (self, "model %s, backend=%s (%s), precision=%s, threads=%u: opened in %.1f ms",
                   dicenet_model_get_path (gst_dicenet_engine_get_model (engine)),
                   nick_of (GST_TYPE_DICENET_BACKEND, dicenet_session_get_backend (session)),
                   dicenet_session_get_device (session),
                   nick_of (GST_TYPE_DICENET_PRECISION, dicenet_session_get_precision (session)),
                   dicenet_session_get_n_threads (session), (gdouble) (g_get_monotonic_time () - begin) / 1000);
}

/* --- opening and closing --- */

/* Takes @engine. */
static void
set_engine (GstDicenetInference *self, GstDicenetEngine *engine)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  GST_OBJECT_LOCK (self);
  GstDicenetEngine *old = priv->engine;
  priv->engine = engine;
  GST_OBJECT_UNLOCK (self);
  g_clear_object (&old);
}

static void
reset_statistics (GstDicenetInference *self)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  GST_OBJECT_LOCK (self);
  priv->knows_classes = FALSE;
  priv->n_frames = priv->n_begun = priv->n_inferred = priv->n_aged = priv->n_regions = priv->n_left_out = 0;
  priv->rate = (GstDicenetRate){ 0 };
  priv->total_age = priv->total_time = priv->last_time = priv->mean_time = priv->latency = priv->allowed = 0;
  GST_OBJECT_UNLOCK (self);
}

static gboolean
open_engine (GstDicenetInference *self, GError **error)
{
  GstDicenetInferenceClass *klass = GST_DICENET_INFERENCE_GET_CLASS (self);
  GstDicenetInferencePrivate *priv = PRIV (self);
  const gint64 begin = g_get_monotonic_time ();
  GstDicenetSettings settings;

  GST_OBJECT_LOCK (self);
  gst_dicenet_settings_copy (&settings, &priv->settings);
  priv->on_objects = priv->region_settings.inference_region == GST_DICENET_INFERENCE_REGION_OBJECTS;
  if (priv->on_objects && priv->class_error)
    *error = g_error_copy (priv->class_error);
  GST_OBJECT_UNLOCK (self);
  if (*error) {
    gst_dicenet_settings_clear (&settings);
    return FALSE;
  }
  GstDicenetEngine *engine = gst_dicenet_engine_new (&settings, klass->task, error);
  gst_dicenet_settings_clear (&settings);
  if (!engine)
    return FALSE;
  set_engine (self, engine);
  log_engine (self, engine, begin);
  const gchar *warning = dicenet_session_get_warning (gst_dicenet_engine_get_session (engine));
  if (warning)
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS, ("%s", warning), (NULL));
  if (priv->on_objects && !gst_dicenet_engine_check_regions (engine, error))
    return FALSE;
  return !klass->labels_changed || klass->labels_changed (self, gst_dicenet_engine_get_labels (engine), error);
}

static gboolean
gst_dicenet_inference_start (GstBaseTransform *trans)
{
  GstDicenetInference *self = GST_DICENET_INFERENCE (trans);
  GError *error = NULL;

  if (!GST_BASE_TRANSFORM_CLASS (gst_dicenet_inference_parent_class)->start (trans))
    return FALSE;
  gst_dicenet_inference_forget_result (self);
  gst_dicenet_overlay_helper_reset (PRIV (self)->overlay);
  reset_statistics (self);
  PRIV (self)->told_no_tracks = FALSE;
  if (!open_engine (self, &error) || !gst_dicenet_inference_start_worker (self, &error)) {
    set_engine (self, NULL);
    gst_dicenet_post_error (GST_ELEMENT (self), error);
    return FALSE;
  }
  return TRUE;
}

static gboolean
gst_dicenet_inference_stop (GstBaseTransform *trans)
{
  GstDicenetInference *self = GST_DICENET_INFERENCE (trans);

  gst_dicenet_inference_forget_result (self);
  g_clear_pointer (&PRIV (self)->worker, gst_dicenet_worker_free);
  gst_dicenet_overlay_helper_reset (PRIV (self)->overlay);
  set_engine (self, NULL);
  gst_clear_object (&PRIV (self)->cuda_context);
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_inference_parent_class)->stop (trans);
}

/* --- latency and lateness --- */

/* The average follows a change within some frames, but a single slow frame must not raise the latency of the pipeline
 * for long. */
static gboolean
update_latency (GstDicenetInference *self, GstClockTime elapsed)
{
  GstDicenetInferencePrivate *priv = PRIV (self);
  gboolean grown = FALSE;

  GST_OBJECT_LOCK (self);
  priv->mean_time = priv->mean_time ? (7 * priv->mean_time + elapsed) / 8 : elapsed;
  if (priv->mean_time > priv->latency) {
    priv->latency = priv->mean_time + priv->mean_time / 4;
    grown = TRUE;
  }
  GST_OBJECT_UNLOCK (self);
  return grown;
}

static void
post_latency (GstDicenetInference *self)
{
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
}

static void
watch_lateness (GstDicenetInference *self, GstBuffer *buffer)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  GST_OBJECT_LOCK (self);
  const GstClockTime allowed = MAX (priv->allowed, priv->latency);
  GST_OBJECT_UNLOCK (self);
  gst_dicenet_lateness_watch (&priv->lateness, GST_ELEMENT (self), &GST_BASE_TRANSFORM (self)->segment,
                              GST_BUFFER_PTS (buffer), allowed, !priv->worker);
}

static gboolean
gst_dicenet_inference_src_event (GstBaseTransform *trans, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_LATENCY) {
    GST_OBJECT_LOCK (trans);
    gst_event_parse_latency (event, &PRIV (GST_DICENET_INFERENCE (trans))->allowed);
    GST_OBJECT_UNLOCK (trans);
  }
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_inference_parent_class)->src_event (trans, event);
}

static GstFlowReturn
gst_dicenet_inference_transform_ip (GstBaseTransform *trans, GstBuffer *buffer)
{
  GstDicenetInference *self = GST_DICENET_INFERENCE (trans);
  GstDicenetInferencePrivate *priv = PRIV (self);
  gint64 start = g_get_monotonic_time ();

  priv->inferred = FALSE;
  GstFlowReturn ret = GST_BASE_TRANSFORM_CLASS (gst_dicenet_inference_parent_class)->transform_ip (trans, buffer);
  if (priv->inferred && update_latency (self, gst_dicenet_time_since (start)))
    post_latency (self);
  if (ret == GST_FLOW_OK && priv->live)
    watch_lateness (self, buffer);
  return ret;
}

/* --- new caps --- */

/* A live pipeline needs the latency before it shows the first frame, and the first frame must not be late: run once on
 * a blank frame. Other pipelines do not need this. */
static gboolean
warm_up (GstDicenetInference *self, GstObject *context, const GstVideoInfo *info, GError **error)
{
  GstBuffer *blank = context ? gst_dicenet_cuda_blank_frame (context, info) : NULL;

  if (!blank) {
    guint8 *black = g_try_malloc0 (GST_VIDEO_INFO_SIZE (info));
    if (!black) {
      g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
                   "no memory for a frame of %dx%d, %" G_GSIZE_FORMAT " bytes", GST_VIDEO_INFO_WIDTH (info),
                   GST_VIDEO_INFO_HEIGHT (info), GST_VIDEO_INFO_SIZE (info));
      return FALSE;
    }
    blank = gst_buffer_new_wrapped (black, GST_VIDEO_INFO_SIZE (info));
  }
  gint64 start = g_get_monotonic_time ();
  gboolean ok = gst_dicenet_inference_run_blank (self, blank, info, error);
  gst_buffer_unref (blank);
  if (ok && update_latency (self, gst_dicenet_time_since (start)))
    post_latency (self);
  GST_DEBUG_OBJECT (self, "a blank frame took %.2f ms", (gdouble) gst_dicenet_time_since (start) / GST_MSECOND);
  return ok;
}

/* The context of frames that have not arrived yet, so that the session need not move when the first one does. */
static GstObject *
expected_context (GstDicenetInference *self, GstCaps *caps)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  if (!gst_caps_features_contains (gst_caps_get_features (caps, 0), GST_DICENET_CUDA_MEMORY) ||
      dicenet_session_get_backend (gst_dicenet_engine_get_session (priv->engine)) != DICENET_BACKEND_CUDA ||
      !gst_dicenet_cuda_ensure_context (GST_ELEMENT (self), gst_dicenet_engine_get_device_id (priv->engine),
                                        &priv->cuda_context))
    return NULL;
  return priv->cuda_context;
}

/* Regions have other sizes; this is the one of square ones. */
static gboolean
choose_size (GstDicenetInference *self, const GstVideoInfo *info, GError **error)
{
  GstDicenetInferencePrivate *priv = PRIV (self);
  const GstVideoRectangle square = { .w = GST_VIDEO_INFO_HEIGHT (info), .h = GST_VIDEO_INFO_HEIGHT (info) };

  if (!priv->on_objects)
    return gst_dicenet_engine_choose_size (priv->engine, info, &priv->width, &priv->height, error);
  gst_dicenet_engine_choose_region_size (priv->engine, info, &square, &priv->width, &priv->height);
  return TRUE;
}

static gboolean
gst_dicenet_inference_set_info (GstDicenetVideo *video, GstCaps *caps, const GstVideoInfo *info)
{
  GstDicenetInference *self = GST_DICENET_INFERENCE (video);
  GstDicenetInferencePrivate *priv = PRIV (self);
  GError *error = NULL;

  gst_dicenet_inference_forget_result (self);
  /* The inference under way uses the session, and the size of its frame. */
  if (priv->worker)
    gst_dicenet_worker_wait (priv->worker);
  if (!choose_size (self, info, &error)) {
    gst_dicenet_post_error (GST_ELEMENT (self), error);
    return FALSE;
  }
  GST_OBJECT_LOCK (self);
  priv->mean_time = priv->latency = 0;
  GST_OBJECT_UNLOCK (self);
  GstObject *context = expected_context (self, caps);
  gst_dicenet_pad_is_live (GST_BASE_TRANSFORM_SINK_PAD (self), &priv->live);
  GST_INFO_OBJECT (self, "frames of %dx%d, inference at %ux%u, %s: %" GST_PTR_FORMAT, GST_VIDEO_INFO_WIDTH (info),
                   GST_VIDEO_INFO_HEIGHT (info), priv->width, priv->height, priv->live ? "live" : "not live", caps);
  gst_dicenet_lateness_reset (&priv->lateness);
  if (!gst_dicenet_inference_prepare (self, context, &error) ||
      (priv->live && !warm_up (self, context, info, &error))) {
    gst_dicenet_post_error (GST_ELEMENT (self), error);
    return FALSE;
  }
  return TRUE;
}

/* A file that is not played at its own pace runs past the network. */
static void
warn_of_pace (GstDicenetInference *self)
{
  GstDicenetInferencePrivate *priv = PRIV (self);
  const GstVideoInfo *info = gst_dicenet_video_get_info (GST_DICENET_VIDEO (self));

  GST_OBJECT_LOCK (self);
  const guint64 n_frames = priv->n_frames, n_begun = priv->n_begun, n_due = n_frames / priv->interval;
  GST_OBJECT_UNLOCK (self);
  if (priv->live || info->fps_n <= 0 || n_begun >= n_due / 2)
    return;
  const GstClockTime length = gst_util_uint64_scale (n_frames, GST_SECOND * (guint) info->fps_d, (guint) info->fps_n);
  if (gst_dicenet_time_since (priv->first_frame) < length / 2)
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
                         ("The network ran on %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                          " frames only: these came faster than they are played, and inference-mode=newest lets none "
                          "wait. Set inference-mode=every-frame on '%s' for files, or sync=true on the sink.",
                          n_begun, n_frames, GST_OBJECT_NAME (self)),
                         (NULL));
}

/* A result is not reused after a seek or for a new segment: the next frame is inferred. */
static gboolean
gst_dicenet_inference_sink_event (GstBaseTransform *trans, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP || GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT) {
    gst_dicenet_inference_forget_result (GST_DICENET_INFERENCE (trans));
    gst_dicenet_lateness_reset (&PRIV (GST_DICENET_INFERENCE (trans))->lateness);
  }
  /* The last result has no frame to go with, but a message, which should come before EOS, as should an error. */
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS && PRIV (GST_DICENET_INFERENCE (trans))->worker) {
    warn_of_pace (GST_DICENET_INFERENCE (trans));
    gst_dicenet_worker_wait (PRIV (GST_DICENET_INFERENCE (trans))->worker);
  }
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_inference_parent_class)->sink_event (trans, event);
}

static gboolean
gst_dicenet_inference_query (GstBaseTransform *trans, GstPadDirection direction, GstQuery *query)
{
  GstDicenetInference *self = GST_DICENET_INFERENCE (trans);
  GstClockTime min, max;
  gboolean live;

  if (GST_QUERY_TYPE (query) == GST_QUERY_CONTEXT &&
      gst_dicenet_cuda_answer (GST_ELEMENT (self), query, PRIV (self)->cuda_context))
    return TRUE;
  if (!GST_BASE_TRANSFORM_CLASS (gst_dicenet_inference_parent_class)->query (trans, direction, query))
    return FALSE;
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY && direction == GST_PAD_SRC) {
    GST_OBJECT_LOCK (self);
    GstClockTime latency = PRIV (self)->latency;
    GST_OBJECT_UNLOCK (self);
    gst_query_parse_latency (query, &live, &min, &max);
    gst_query_set_latency (query, live, min + latency, GST_CLOCK_TIME_IS_VALID (max) ? max + latency : max);
  }
  return TRUE;
}

static void
gst_dicenet_inference_set_context (GstElement *element, GstContext *context)
{
  GstDicenetInferencePrivate *priv = PRIV (GST_DICENET_INFERENCE (element));

  GST_OBJECT_LOCK (element);
  gint device_id = priv->settings.device_id;
  GST_OBJECT_UNLOCK (element);
  gst_dicenet_cuda_set_context (element, context, device_id, &priv->cuda_context);
  GST_ELEMENT_CLASS (gst_dicenet_inference_parent_class)->set_context (element, context);
}

/* --- drawing --- */

static GstCaps *
gst_dicenet_inference_transform_caps (GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps,
                                      GstCaps *filter)
{
  return gst_dicenet_overlay_helper_transform_caps (PRIV (GST_DICENET_INFERENCE (trans))->overlay, direction, caps,
                                                    filter);
}

static GstCaps *
gst_dicenet_inference_fixate_caps (GstBaseTransform *trans, GstPadDirection direction, GstCaps *caps,
                                   GstCaps *othercaps)
{
  return gst_dicenet_overlay_helper_fixate_caps (PRIV (GST_DICENET_INFERENCE (trans))->overlay, direction, caps,
                                                 othercaps);
}

static GstFlowReturn
gst_dicenet_inference_prepare_output_buffer (GstBaseTransform *trans, GstBuffer *input, GstBuffer **output)
{
  GstFlowReturn ret = gst_dicenet_overlay_helper_negotiate (PRIV (GST_DICENET_INFERENCE (trans))->overlay);

  if (ret != GST_FLOW_OK)
    return ret;
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_inference_parent_class)->prepare_output_buffer (trans, input, output);
}

/* --- properties --- */

/* Settings that are read when the model is opened can't change while it is open: warn instead of ignoring them
 * silently. */
static gboolean
refuse_while_open (GstDicenetInference *self, GParamSpec *pspec)
{
  GST_OBJECT_LOCK (self);
  gboolean open = PRIV (self)->engine != NULL;
  GST_OBJECT_UNLOCK (self);

  if (!open || !(pspec->flags & GST_PARAM_MUTABLE_READY))
    return FALSE;
  GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
                       ("The property %s of '%s' can't change while a model is open, and stays as it was: set the "
                        "element to READY first.",
                        pspec->name, GST_OBJECT_NAME (self)),
                       (NULL));
  return TRUE;
}

void
gst_dicenet_inference_set_region_setting (GstDicenetInference *self, guint id, const GValue *value)
{
  GstDicenetInferencePrivate *priv = PRIV (self);
  GError *error = NULL;

  GST_OBJECT_LOCK (self);
  gst_dicenet_region_settings_set (&priv->region_settings, id, value, &error);
  if (id == GST_DICENET_REGION_SETTING_OBJECT_CLASS) {
    priv->knows_classes = FALSE;
    g_clear_error (&priv->class_error);
  }
  /* Before the start there may be no bus for a warning. */
  if (error && !priv->engine)
    priv->class_error = g_steal_pointer (&error);
  GST_OBJECT_UNLOCK (self);
  if (error)
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
                         ("%s. The property of '%s' stays as it was.", error->message, GST_OBJECT_NAME (self)), (NULL));
  g_clear_error (&error);
}

void
gst_dicenet_inference_get_region_setting (GstDicenetInference *self, guint id, GValue *value)
{
  GST_OBJECT_LOCK (self);
  gst_dicenet_region_settings_get (&PRIV (self)->region_settings, id, value);
  GST_OBJECT_UNLOCK (self);
}

static gboolean
is_region_setting (guint id)
{
  return id >= GST_DICENET_SETTINGS_END && id < GST_DICENET_REGION_SETTINGS_END;
}

static void
gst_dicenet_inference_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDicenetInference *self = GST_DICENET_INFERENCE (object);
  GstDicenetInferencePrivate *priv = PRIV (self);

  if (refuse_while_open (self, pspec))
    return;
  if (id == PROP_OVERLAY) {
    gst_dicenet_overlay_helper_set_active (priv->overlay, g_value_get_boolean (value));
    return;
  }
  if (id == PROP_SHOW_FPS) {
    gst_dicenet_overlay_helper_set_show_fps (priv->overlay, g_value_get_boolean (value));
    return;
  }
  if (is_region_setting (id)) {
    gst_dicenet_inference_set_region_setting (self, id, value);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_INFERENCE_MODE:
    priv->mode = g_value_get_enum (value);
    break;
  case PROP_INFERENCE_INTERVAL:
    priv->interval = g_value_get_uint (value);
    break;
  case PROP_MAX_AGE:
    priv->max_age = g_value_get_uint64 (value);
    break;
  case PROP_POST_MESSAGES:
    priv->post_messages = g_value_get_boolean (value);
    break;
  case PROP_ANALYTICS:
    priv->analytics = g_value_get_boolean (value);
    break;
  default:
    if (!gst_dicenet_settings_set (&priv->settings, id, value))
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static GstStructure *
make_stats (const GstDicenetInferencePrivate *priv)
{
  const GstClockTime mean = priv->n_inferred ? priv->total_time / priv->n_inferred : 0;
  const GstClockTime mean_age = priv->n_aged ? priv->total_age / priv->n_aged : 0;

  return gst_structure_new ("dicenet-stats", "frames", G_TYPE_UINT64, priv->n_frames, "inferred", G_TYPE_UINT64,
                            priv->n_inferred, "skipped", G_TYPE_UINT64, priv->n_frames - priv->n_begun, "mean-latency",
                            G_TYPE_UINT64, mean, "last-latency", G_TYPE_UINT64, priv->last_time, "mean-age",
                            G_TYPE_UINT64, mean_age, "regions", G_TYPE_UINT64, priv->n_regions, "left-out",
                            G_TYPE_UINT64, priv->n_left_out, "fps", G_TYPE_DOUBLE,
                            gst_dicenet_rate_get (&priv->rate, g_get_monotonic_time ()), NULL);
}

static void
gst_dicenet_inference_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDicenetInference *self = GST_DICENET_INFERENCE (object);
  GstDicenetInferencePrivate *priv = PRIV (self);
  GstDicenetTask task = GST_DICENET_INFERENCE_GET_CLASS (self)->task;

  if (is_region_setting (id)) {
    gst_dicenet_inference_get_region_setting (self, id, value);
    return;
  }
  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_INFERENCE_MODE:
    g_value_set_enum (value, priv->mode);
    break;
  case PROP_INFERENCE_INTERVAL:
    g_value_set_uint (value, priv->interval);
    break;
  case PROP_MAX_AGE:
    g_value_set_uint64 (value, priv->max_age);
    break;
  case PROP_OVERLAY:
    g_value_set_boolean (value, gst_dicenet_overlay_helper_is_active (priv->overlay));
    break;
  case PROP_SHOW_FPS:
    g_value_set_boolean (value, gst_dicenet_overlay_helper_get_show_fps (priv->overlay));
    break;
  case PROP_POST_MESSAGES:
    g_value_set_boolean (value, priv->post_messages);
    break;
  case PROP_ANALYTICS:
    g_value_set_boolean (value, priv->analytics);
    break;
  case PROP_STATS:
    g_value_take_boxed (value, make_stats (priv));
    break;
  default:
    if (!gst_dicenet_settings_get (&priv->settings, task, id, value))
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_dicenet_inference_finalize (GObject *object)
{
  GstDicenetInference *self = GST_DICENET_INFERENCE (object);
  GstDicenetInferencePrivate *priv = PRIV (self);

  gst_dicenet_inference_forget_result (self);
  set_engine (self, NULL);
  gst_clear_object (&priv->cuda_context);
  gst_dicenet_settings_clear (&priv->settings);
  gst_dicenet_region_settings_clear (&priv->region_settings);
  g_clear_error (&priv->class_error);
  gst_dicenet_looks_free (priv->looks);
  gst_dicenet_overlay_helper_free (priv->overlay);
  G_OBJECT_CLASS (gst_dicenet_inference_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *klass)
{
  const GParamFlags ready = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;
  const GParamFlags playing = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (
      klass, PROP_INFERENCE_MODE,
      g_param_spec_enum ("inference-mode", "Inference mode",
                         "Whether frames wait for the model: with newest they don't, so that live sources stay live, "
                         "however slow it is",
                         gst_dicenet_inference_mode_get_type (), MODE_EVERY_FRAME, ready));
  g_object_class_install_property (
      klass, PROP_INFERENCE_INTERVAL,
      g_param_spec_uint ("inference-interval", "Inference interval",
                         "Run the model on every Nth frame, or less often with inference-mode=newest; the other frames "
                         "carry the last result and its age",
                         1, G_MAXUINT, 1, playing));
  g_object_class_install_property (
      klass, PROP_MAX_AGE,
      g_param_spec_uint64 ("max-age", "Maximum age",
                           "Frames carry no result older than this, in nanoseconds by timestamps; 0 for no limit", 0,
                           G_MAXUINT64, 0, playing));
  g_object_class_install_property (
      klass, PROP_OVERLAY,
      g_param_spec_boolean ("overlay", "Overlay", "Draw the results on the frames", FALSE, playing));
  g_object_class_install_property (
      klass, PROP_SHOW_FPS,
      g_param_spec_boolean ("show-fps", "Show FPS",
                            "Draw frames and inferences per second in the lower left corner; only with overlay=true",
                            FALSE, playing));
  g_object_class_install_property (
      klass, PROP_POST_MESSAGES,
      g_param_spec_boolean ("post-messages", "Post messages",
                            "Post the results of each inference as an element message on the bus", FALSE, playing));
  g_object_class_install_property (
      klass, PROP_ANALYTICS,
      g_param_spec_boolean ("analytics", "Analytics",
                            "Attach results as GstAnalyticsRelationMeta, too, which GStreamer's own elements read; no "
                            "effect if built for a GStreamer before 1.24",
                            TRUE, playing));
  g_object_class_install_property (
      klass, PROP_STATS,
      g_param_spec_boxed (
          "stats", "Statistics",
          "Statistics since start: frames, inferred and skipped (numbers of frames); mean-latency and last-latency of "
          "an inference, and mean-age of the results on frames, in nanoseconds; fps, inferences per second, over the "
          "last second. With inference-region=objects, all "
          "objects of a frame are one inference; regions is the number of objects that were inferred, left-out that of "
          "those that max-objects kept from it",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_dicenet_inference_class_init (GstDicenetInferenceClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);
  GstDicenetVideoClass *video_class = GST_DICENET_VIDEO_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_dicenet_inference_debug, "dicenetinference", 0,
                           "base of the DiCENet inference elements");

  object_class->set_property = gst_dicenet_inference_set_property;
  object_class->get_property = gst_dicenet_inference_get_property;
  object_class->finalize = gst_dicenet_inference_finalize;
  gst_dicenet_settings_install (object_class);
  gst_dicenet_region_settings_install (object_class);
  install_properties (object_class);

  GST_ELEMENT_CLASS (klass)->set_context = gst_dicenet_inference_set_context;
  trans_class->start = gst_dicenet_inference_start;
  trans_class->stop = gst_dicenet_inference_stop;
  trans_class->transform_caps = gst_dicenet_inference_transform_caps;
  trans_class->fixate_caps = gst_dicenet_inference_fixate_caps;
  trans_class->prepare_output_buffer = gst_dicenet_inference_prepare_output_buffer;
  trans_class->transform_ip = gst_dicenet_inference_transform_ip;
  trans_class->src_event = gst_dicenet_inference_src_event;
  trans_class->sink_event = gst_dicenet_inference_sink_event;
  trans_class->query = gst_dicenet_inference_query;
  video_class->set_info = gst_dicenet_inference_set_info;
  video_class->process_frame = gst_dicenet_inference_process_frame;

  gst_type_mark_as_plugin_api (GST_TYPE_DICENET_INFERENCE, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_DICENET_BACKEND, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_DICENET_PRECISION, 0);
  gst_type_mark_as_plugin_api (gst_dicenet_inference_mode_get_type (), 0);
  gst_type_mark_as_plugin_api (GST_TYPE_DICENET_INFERENCE_REGION, 0);
}

static void
gst_dicenet_inference_init (GstDicenetInference *self)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  gst_dicenet_settings_init (&priv->settings);
  gst_dicenet_region_settings_init (&priv->region_settings);
  priv->looks = gst_dicenet_looks_new ();
  priv->interval = 1;
  priv->analytics = TRUE;
  priv->overlay = gst_dicenet_overlay_helper_new (GST_BASE_TRANSFORM (self));
}

void
gst_dicenet_inference_class_add_templates (GstElementClass *klass)
{
  static GstStaticCaps system_caps =
      GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (GST_DICENET_IMAGE_FORMATS) ";" GST_VIDEO_CAPS_MAKE_WITH_FEATURES (
          GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY "," GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION,
          GST_DICENET_IMAGE_FORMATS));
  static GstStaticCaps cuda_caps = GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE_WITH_FEATURES (
      GST_DICENET_CUDA_MEMORY,
      GST_DICENET_CUDA_FORMATS) ";" GST_VIDEO_CAPS_MAKE_WITH_FEATURES (GST_DICENET_CUDA_MEMORY
                                                                       "," GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION,
                                                                       GST_DICENET_CUDA_FORMATS));
  GstCaps *caps = gst_static_caps_get (&system_caps);

  /* Lets decoders on a GPU keep their frames there. */
  if (gst_dicenet_cuda_is_built ()) {
    GstCaps *all = gst_caps_make_writable (gst_static_caps_get (&cuda_caps));
    gst_caps_append (all, caps);
    caps = all;
  }
  gst_element_class_add_pad_template (klass, gst_pad_template_new ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template (klass, gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref (caps);
}
