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

#include "gstdicenetinference.h"
#include "gstdicenetcuda.h"
#include "gstdicenetengine.h"
#include "gstdicenetimage.h"
#include "gstdicenetlateness.h"
#include "gstdicenetregions.h"
#include "gstdicenetsettings.h"
#include "gstdicenetworker.h"
#include "overlay/gstdicenetoverlayhelper.h"

GST_DEBUG_CATEGORY (gst_dicenet_inference_debug);
#define GST_CAT_DEFAULT gst_dicenet_inference_debug

enum {
  PROP_INFERENCE_MODE = GST_DICENET_REGION_SETTINGS_END,
  PROP_INFERENCE_INTERVAL,
  PROP_MAX_AGE,
  PROP_OVERLAY,
  PROP_POST_MESSAGES,
  PROP_ANALYTICS,
  PROP_STATS,
};

typedef enum {
  MODE_EVERY_FRAME,
  MODE_NEWEST,
} InferenceMode;

/* The frame of an inference. */
typedef struct {
  guint64 index;
  GstClockTime pts, running_time, stream_time;
  guint width, height;
} Frame;

/* An inference that has begun. */
typedef struct {
  DicenetSubmission *submission;
  Frame frame;
  gint64 start, submitted; /* monotonic times */
} Job;

/* An inference that has ended. */
typedef struct {
  Frame frame;
  GstDicenetResult *result; /* NULL if it failed */
  GArray *detections;
} Outcome;

typedef struct {
  /* Properties, protected by the object lock. */
  GstDicenetSettings settings;
  GstDicenetRegionSettings region_settings;
  InferenceMode mode;
  GstClockTime max_age; /* 0: any */
  guint interval;
  gboolean post_messages;
  gboolean analytics;

  /* Valid from start() to stop(). Changed under the object lock; the streaming thread reads without it. */
  GstDicenetEngine *engine; /* NULL if none is open */

  GstDicenetOverlayHelper *overlay;

  /* CUDA context from neighbouring elements, if one was requested; set by GStreamer's CUDA library. */
  GstObject *cuda_context;

  /* inference-mode=newest, from start() to stop(): runs the network. It uses the engine while it is busy, and only
   * reads it; the streaming thread then leaves the engine alone. */
  GstDicenetWorker *worker;

  /* Streaming thread only. */
  guint width, height;    /* inference size for the current caps */
  guint64 index;          /* of the current frame */
  Outcome *newest;        /* the last inference, or NULL */
  gboolean has_begun;     /* an inference since the last flush or new caps */
  guint64 last_begun;     /* index of the last frame for which one began */
  gboolean inferred;      /* whether an inference of the current frame has begun */
  gboolean on_objects;    /* inference-region=objects, from start() to stop() */
  GstDicenetLooks *looks; /* what it found before */
  gboolean told_no_tracks;
  gboolean live;
  GstDicenetLateness lateness;

  /* Protected by the object lock. */
  guint64 n_frames;
  guint64 n_begun;    /* inferences */
  guint64 n_inferred; /* of these, those that have ended */
  guint64 n_regions;  /* objects that were inferred */
  guint64 n_left_out; /* objects that were due, but not inferred (max-objects) */
  guint64 n_aged;     /* results of known age on frames */
  GstClockTime total_age;
  GstClockTime total_time;
  GstClockTime last_time;
  GstClockTime mean_time; /* moving average */
  GstClockTime latency;   /* latency reported in the LATENCY query */
  GstClockTime allowed;   /* latency of the whole pipeline, from its LATENCY event */
} GstDicenetInferencePrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (GstDicenetInference, gst_dicenet_inference, GST_TYPE_DICENET_VIDEO)

#define PRIV(self) ((GstDicenetInferencePrivate *) gst_dicenet_inference_get_instance_private (self))

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

static void
outcome_free (gpointer data)
{
  Outcome *self = data;

  g_clear_pointer (&self->result, gst_dicenet_result_unref);
  g_clear_pointer (&self->detections, g_array_unref);
  g_free (self);
}

static void
forget_result (GstDicenetInference *self)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  if (priv->worker)
    gst_dicenet_worker_forget (priv->worker);
  g_clear_pointer (&priv->newest, outcome_free);
  priv->has_begun = FALSE;
  gst_dicenet_looks_forget (priv->looks);
}

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
  priv->n_frames = priv->n_begun = priv->n_inferred = priv->n_aged = priv->n_regions = priv->n_left_out = 0;
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
  GST_OBJECT_UNLOCK (self);
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

static const GstDicenetWorkerFuncs worker_funcs;

static gboolean
start_worker (GstDicenetInference *self, GError **error)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  GST_OBJECT_LOCK (self);
  const InferenceMode mode = priv->mode;
  GST_OBJECT_UNLOCK (self);
  if (mode == MODE_NEWEST && priv->on_objects) {
    g_set_error (
        error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
        "inference-mode=newest is for whole frames, and inference-region is objects: set one of them. If objects "
        "take too long, set max-objects to what a frame has time for, and reclassify-interval, with "
        "dicenettrack before this element");
    return FALSE;
  }
  if (mode == MODE_NEWEST)
    priv->worker = gst_dicenet_worker_new (&worker_funcs, self, error);
  return mode == MODE_EVERY_FRAME || priv->worker;
}

static gboolean
gst_dicenet_inference_start (GstBaseTransform *trans)
{
  GstDicenetInference *self = GST_DICENET_INFERENCE (trans);
  GError *error = NULL;

  if (!GST_BASE_TRANSFORM_CLASS (gst_dicenet_inference_parent_class)->start (trans))
    return FALSE;
  forget_result (self);
  gst_dicenet_overlay_helper_reset (PRIV (self)->overlay);
  reset_statistics (self);
  PRIV (self)->told_no_tracks = FALSE;
  if (!open_engine (self, &error) || !start_worker (self, &error)) {
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

  forget_result (self);
  g_clear_pointer (&PRIV (self)->worker, gst_dicenet_worker_free);
  gst_dicenet_overlay_helper_reset (PRIV (self)->overlay);
  set_engine (self, NULL);
  gst_clear_object (&PRIV (self)->cuda_context);
  return GST_BASE_TRANSFORM_CLASS (gst_dicenet_inference_parent_class)->stop (trans);
}

/* --- one frame --- */

/* Moves the session to the CUDA context of the next frames, if they have one, and makes it current on this thread until
 * leave(). */
static gboolean
enter (GstDicenetInference *self, GstObject *context, GError **error)
{
  GstDicenetEngine *engine = PRIV (self)->engine;

  return gst_dicenet_engine_use_context (engine, context, error) && gst_dicenet_engine_enter (engine, error);
}

static void
leave (GstDicenetInference *self)
{
  gst_dicenet_engine_leave (PRIV (self)->engine);
}

static gboolean
prepare (GstDicenetInference *self, GstObject *context, GError **error)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  if (!enter (self, context, error))
    return FALSE;
  gboolean ok =
      dicenet_session_prepare (gst_dicenet_engine_get_session (priv->engine), priv->width, priv->height, 1, error);
  leave (self);
  return ok;
}

static DicenetRequest *
make_request (GstDicenetInference *self, gboolean decode)
{
  GstDicenetInferenceClass *klass = GST_DICENET_INFERENCE_GET_CLASS (self);
  GstDicenetInferencePrivate *priv = PRIV (self);
  DicenetRequest *request = dicenet_request_new ();

  dicenet_request_set_size (request, priv->width, priv->height);
  dicenet_request_set_decode (request, decode);
  if (klass->ask)
    klass->ask (self, gst_dicenet_engine_get_model (priv->engine), request);
  return request;
}

static gboolean
wants_analytics (GstDicenetInference *self)
{
  GST_OBJECT_LOCK (self);
  gboolean wants = PRIV (self)->analytics;
  GST_OBJECT_UNLOCK (self);
  return wants;
}

static GstDicenetResult *
read_result (GstDicenetInference *self, DicenetResult *found, const GstVideoRectangle *area, GArray **detections)
{
  GstDicenetInferenceClass *klass = GST_DICENET_INFERENCE_GET_CLASS (self);
  GstDicenetEngine *engine = PRIV (self)->engine;
  DicenetModel *model = gst_dicenet_engine_get_model (engine);
  GstDicenetResult *result =
      gst_dicenet_result_new (klass->task, dicenet_model_get_name (model), gst_dicenet_engine_get_labels (engine),
                              dicenet_model_get_background (model));

  gst_dicenet_result_set_analytics (result, wants_analytics (self));
  *detections = klass->read (self, found, area, result);
  return result;
}

static Outcome *
outcome_new (GstDicenetInference *self, const Frame *frame, DicenetResult *found)
{
  const GstVideoRectangle area = { .w = (gint) frame->width, .h = (gint) frame->height };
  Outcome *outcome = g_new0 (Outcome, 1);

  outcome->frame = *frame;
  if (found)
    outcome->result = read_result (self, found, &area, &outcome->detections);
  return outcome;
}

static DicenetSubmission *
submit (GstDicenetInference *self, GstBuffer *buffer, const GstVideoInfo *info, gboolean decode, GError **error)
{
  GstDicenetInferencePrivate *priv = PRIV (self);
  g_autoptr (DicenetRequest) request = make_request (self, decode);

  if (!enter (self, gst_dicenet_cuda_buffer_context (buffer, gst_dicenet_engine_get_device_id (priv->engine)), error))
    return NULL;
  DicenetSubmission *submission = gst_dicenet_engine_submit (priv->engine, buffer, info, request, error);
  leave (self);
  return submission;
}

/* Takes @submission. On a processor, its network does not run any more. */
static gboolean
drop_submission (GstDicenetInference *self, DicenetSubmission *submission, GError **error)
{
  const gboolean is_entered = gst_dicenet_engine_enter (PRIV (self)->engine, error);

  dicenet_submission_unref (submission);
  if (is_entered)
    leave (self);
  return is_entered;
}

/* Takes @submission. */
static DicenetResult *
wait_for (GstDicenetInference *self, DicenetSubmission *submission, GError **error)
{
  if (!gst_dicenet_engine_enter (PRIV (self)->engine, error)) {
    dicenet_submission_unref (submission);
    return NULL;
  }
  DicenetResult *found = dicenet_submission_wait (submission, error);
  dicenet_submission_unref (submission);
  leave (self);
  return found;
}

static GstClockTime
time_since (gint64 start)
{
  return (GstClockTime) (g_get_monotonic_time () - start) * GST_USECOND;
}

static void
count_inference (GstDicenetInference *self, GstClockTime elapsed)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  GST_OBJECT_LOCK (self);
  priv->n_inferred++;
  priv->total_time += elapsed;
  priv->last_time = elapsed;
  GST_OBJECT_UNLOCK (self);
}

static Frame
describe_frame (GstDicenetInference *self, GstBuffer *buffer, const GstVideoInfo *info)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  const gboolean is_known = segment->format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID (pts);

  return (Frame){
    .index = PRIV (self)->index,
    .pts = pts,
    .running_time = is_known ? gst_segment_to_running_time (segment, GST_FORMAT_TIME, pts) : GST_CLOCK_TIME_NONE,
    .stream_time = is_known ? gst_segment_to_stream_time (segment, GST_FORMAT_TIME, pts) : GST_CLOCK_TIME_NONE,
    .width = (guint) GST_VIDEO_INFO_WIDTH (info),
    .height = (guint) GST_VIDEO_INFO_HEIGHT (info),
  };
}

/* Converts the frame into the network's input, after which the frame itself is not needed. NULL after an error. */
static Job *
begin_inference (GstDicenetInference *self, GstBuffer *buffer, const GstVideoInfo *info)
{
  GstDicenetInferencePrivate *priv = PRIV (self);
  const gint64 start = g_get_monotonic_time ();
  GError *error = NULL;
  DicenetSubmission *submission = submit (self, buffer, info, TRUE, &error);

  if (!submission) {
    gst_dicenet_post_error (GST_ELEMENT (self), error);
    return NULL;
  }
  GST_OBJECT_LOCK (self);
  priv->n_begun++;
  GST_OBJECT_UNLOCK (self);
  priv->inferred = priv->has_begun = TRUE;
  priv->last_begun = priv->index;
  Job *job = g_new (Job, 1);
  *job = (Job){ submission, describe_frame (self, buffer, info), start, g_get_monotonic_time () };
  return job;
}

/* Runs the network. Times are in milliseconds; on a GPU, preprocessing counts as part of the network's time. */
static gpointer
finish_inference (gpointer data, gpointer user_data)
{
  GstDicenetInference *self = user_data;
  g_autofree Job *job = data;
  GError *error = NULL;
  g_autoptr (DicenetResult) found = wait_for (self, job->submission, &error);

  if (found)
    count_inference (self, time_since (job->start));
  else
    gst_dicenet_post_error (GST_ELEMENT (self), error);
  GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": preprocessing %.2f ms, network and its result %.2f ms",
                    GST_TIME_ARGS (job->frame.pts), (gdouble) (job->submitted - job->start) / 1000,
                    (gdouble) (g_get_monotonic_time () - job->submitted) / 1000);
  return outcome_new (self, &job->frame, found);
}

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

void
gst_dicenet_inference_append_structure (GValue *array, GstStructure *structure)
{
  GValue value = G_VALUE_INIT;

  g_value_init (&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed (&value, structure);
  gst_value_array_append_and_take_value (array, &value);
}

static GstDicenetMeta *
attach (GstBuffer *buffer, const Outcome *outcome)
{
  return gst_buffer_add_dicenet_meta (buffer, outcome->result, outcome->frame.width, outcome->frame.height,
                                      outcome->detections ? g_array_copy (outcome->detections) : NULL, 0);
}

static gboolean
wants_messages (GstDicenetInference *self)
{
  GST_OBJECT_LOCK (self);
  const gboolean wants = PRIV (self)->post_messages;
  GST_OBJECT_UNLOCK (self);
  return wants;
}

static GstStructure *
message_new (GstDicenetInference *self, const Frame *frame)
{
  DicenetModel *model = gst_dicenet_engine_get_model (PRIV (self)->engine);

  return gst_structure_new (gst_dicenet_task_get_names (GST_DICENET_INFERENCE_GET_CLASS (self)->task)->name, "pts",
                            G_TYPE_UINT64, frame->pts, "running-time", G_TYPE_UINT64, frame->running_time,
                            "stream-time", G_TYPE_UINT64, frame->stream_time, "width", G_TYPE_UINT, frame->width,
                            "height", G_TYPE_UINT, frame->height, "model", G_TYPE_STRING,
                            dicenet_model_get_name (model), NULL);
}

/* The message is made from metadata. The frame has left by now, if it has not waited: a buffer without memory stands in
 * for it. */
static void
post_outcome (gpointer data, gpointer user_data)
{
  GstDicenetInference *self = user_data;
  const Outcome *outcome = data;

  if (!outcome->result || !wants_messages (self))
    return;
  GstStructure *message = message_new (self, &outcome->frame);
  GstBuffer *buffer = gst_buffer_new ();
  GST_DICENET_INFERENCE_GET_CLASS (self)->describe (self, attach (buffer, outcome), message);
  gst_buffer_unref (buffer);
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), message));
}

static const GstDicenetWorkerFuncs worker_funcs = { finish_inference, post_outcome, outcome_free };

/* Takes @outcome; FALSE if the inference failed, of which the bus knows already. */
static gboolean
keep_outcome (GstDicenetInference *self, Outcome *outcome)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  g_clear_pointer (&priv->newest, outcome_free);
  if (outcome->result) {
    priv->newest = outcome;
    return TRUE;
  }
  outcome_free (outcome);
  priv->has_begun = FALSE;
  return FALSE;
}

static gboolean
is_due (GstDicenetInference *self)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  GST_OBJECT_LOCK (self);
  const guint interval = priv->interval;
  GST_OBJECT_UNLOCK (self);
  return !priv->has_begun || priv->index - priv->last_begun >= interval;
}

/* inference-mode=every-frame */
static gboolean
infer_and_wait (GstDicenetInference *self, GstBuffer *buffer, const GstVideoInfo *info)
{
  if (!is_due (self))
    return TRUE;
  Job *job = begin_inference (self, buffer, info);
  if (!job)
    return FALSE;
  Outcome *outcome = finish_inference (job, self);
  post_outcome (outcome, self);
  return keep_outcome (self, outcome);
}

/* inference-mode=newest: the worker infers this frame if it has nothing else to do. */
static gboolean
infer_meanwhile (GstDicenetInference *self, GstBuffer *buffer, const GstVideoInfo *info)
{
  GstDicenetInferencePrivate *priv = PRIV (self);
  Outcome *outcome = gst_dicenet_worker_take (priv->worker);

  if (outcome && !keep_outcome (self, outcome))
    return FALSE;
  if (!is_due (self) || !gst_dicenet_worker_is_free (priv->worker))
    return TRUE;
  Job *job = begin_inference (self, buffer, info);
  if (job)
    gst_dicenet_worker_start (priv->worker, job);
  return job != NULL;
}

/* Timestamps decrease in reverse playback. */
static GstClockTime
time_between (GstClockTime a, GstClockTime b)
{
  if (!GST_CLOCK_TIME_IS_VALID (a) || !GST_CLOCK_TIME_IS_VALID (b))
    return GST_CLOCK_TIME_NONE;
  return a > b ? a - b : b - a;
}

/* FALSE if the frame gets no result because it would be too old. */
static gboolean
count_result (GstDicenetInference *self, GstClockTime age)
{
  GstDicenetInferencePrivate *priv = PRIV (self);
  const gboolean is_known = GST_CLOCK_TIME_IS_VALID (age);

  GST_OBJECT_LOCK (self);
  const gboolean is_wanted = priv->max_age == 0 || !is_known || age <= priv->max_age;
  if (is_wanted && is_known) {
    priv->n_aged++;
    priv->total_age += age;
  }
  GST_OBJECT_UNLOCK (self);
  return is_wanted;
}

/* NULL if there is no result, or only one that is too old. */
static GstDicenetMeta *
add_result (GstDicenetInference *self, GstBuffer *buffer)
{
  const GstDicenetInferencePrivate *priv = PRIV (self);
  const Outcome *newest = priv->newest;

  if (!newest)
    return NULL;
  const guint64 age = priv->index - newest->frame.index;
  const GstClockTime age_time = age > 0 ? time_between (GST_BUFFER_PTS (buffer), newest->frame.pts) : 0;
  if (!count_result (self, age_time))
    return NULL;
  GstDicenetMeta *meta = attach (buffer, newest);
  meta->age = (guint) MIN (age, G_MAXUINT);
  meta->age_time = age_time;
  meta->source_pts = newest->frame.pts;
  return meta;
}

/* Draws only this element's result: an inference element upstream may have drawn its own already. */
static GstFlowReturn
draw (GstDicenetInference *self, GstBuffer *buffer, const GstVideoInfo *info, const GstDicenetMeta *const *metas,
      guint n)
{
  GstDicenetInferenceClass *klass = GST_DICENET_INFERENCE_GET_CLASS (self);

  return gst_dicenet_overlay_helper_draw (PRIV (self)->overlay, buffer, info, metas, n,
                                          klass->get_opacity ? klass->get_opacity (self) : 1, NULL);
}

/* --- objects --- */

static void
read_region (gpointer user, DicenetResult *found, GstDicenetRegion *region)
{
  region->result = read_result (user, found, &region->area, &region->detections);
}

static gboolean
infer_regions (GstDicenetInference *self, GstBuffer *buffer, const GstVideoInfo *info, GArray *regions, guint max,
               guint *n_inferred, GError **error)
{
  GstDicenetInferencePrivate *priv = PRIV (self);
  g_autoptr (DicenetRequest) request = make_request (self, TRUE);

  if (!enter (self, gst_dicenet_cuda_buffer_context (buffer, gst_dicenet_engine_get_device_id (priv->engine)), error))
    return FALSE;
  const gboolean ok = gst_dicenet_regions_infer (regions, max, priv->engine, buffer, info, request, read_region, self,
                                                 n_inferred, error);
  leave (self);
  return ok;
}

static guint
count_due (const GArray *regions)
{
  guint n = 0;

  for (guint i = 0; i < regions->len; i++)
    n += g_array_index (regions, GstDicenetRegion, i).is_due != FALSE;
  return n;
}

static void
count_regions (GstDicenetInference *self, guint n, guint left_out, GstClockTime elapsed)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  GST_OBJECT_LOCK (self);
  priv->n_regions += n;
  priv->n_left_out += left_out;
  priv->n_begun += n > 0;
  GST_OBJECT_UNLOCK (self);
  priv->inferred = n > 0;
  if (n > 0)
    count_inference (self, elapsed);
}

static void
tell_no_tracks (GstDicenetInference *self, guint reclassify_interval)
{
  if (PRIV (self)->told_no_tracks)
    return;
  PRIV (self)->told_no_tracks = TRUE;
  GST_ELEMENT_WARNING (self, STREAM, FAILED,
                       ("reclassify-interval=%u has no effect: the objects have no track ids, so that '%s' does not "
                        "know which of them it has seen before. Put dicenettrack, or another tracker, before it.",
                        reclassify_interval, GST_OBJECT_NAME (self)),
                       (NULL));
}

/* Infers what is due; objects that are not, or that there is no time for, have their results of earlier frames. FALSE
 * after an error. */
static gboolean
look_at (GstDicenetInference *self, GstBuffer *buffer, const GstVideoInfo *info, GArray *regions,
         const GstDicenetRegionSettings *settings, guint interval)
{
  GstDicenetInferencePrivate *priv = PRIV (self);
  const gint64 start = g_get_monotonic_time ();
  const gboolean is_frame_due = gst_dicenet_looks_next_frame (priv->looks, interval);
  const gboolean keeps_tracks = settings->reclassify_interval != 1;
  GError *error = NULL;
  guint n;

  if (gst_dicenet_looks_recall (priv->looks, regions, settings->reclassify_interval) && keeps_tracks)
    tell_no_tracks (self, settings->reclassify_interval);
  if (!is_frame_due)
    return TRUE;
  const guint n_due = count_due (regions);
  if (!infer_regions (self, buffer, info, regions, settings->max_objects, &n, &error)) {
    gst_dicenet_post_error (GST_ELEMENT (self), error);
    return FALSE;
  }
  gst_dicenet_looks_remember (priv->looks, regions, GST_BUFFER_PTS (buffer), keeps_tracks);
  count_regions (self, n, n_due - n, time_since (start));
  GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": %u of %u objects inferred, %u left out, in %.2f ms",
                    GST_TIME_ARGS (GST_BUFFER_PTS (buffer)), n, regions->len, n_due - n,
                    (gdouble) time_since (start) / GST_MSECOND);
  return TRUE;
}

static GstStructure *
describe_region (GstDicenetInference *self, const GstDicenetRegion *region, const Frame *frame)
{
  const GstDicenetObject *object = &region->object;
  GstStructure *description =
      gst_structure_new ("object", "label", G_TYPE_STRING, object->label, "region-id", G_TYPE_INT, object->region_id,
                         "track-id", G_TYPE_UINT64, object->track_id, "x", G_TYPE_DOUBLE, object->x, "y", G_TYPE_DOUBLE,
                         object->y, "w", G_TYPE_DOUBLE, object->w, "h", G_TYPE_DOUBLE, object->h, NULL);
  GstBuffer *buffer = gst_buffer_new ();
  const GstDicenetMeta *meta = gst_buffer_add_dicenet_meta_in_region (
      buffer, region->result, frame->width, frame->height, &region->area, MAX (object->region_id, 0),
      region->detections ? g_array_copy (region->detections) : NULL, 0);

  GST_DICENET_INFERENCE_GET_CLASS (self)->describe (self, meta, description);
  gst_buffer_unref (buffer);
  return description;
}

/* One message for all objects that were inferred on this frame. */
static void
post_regions (GstDicenetInference *self, const Frame *frame, const GArray *regions)
{
  GstStructure *message = message_new (self, frame);
  GValue objects = G_VALUE_INIT;

  g_value_init (&objects, GST_TYPE_ARRAY);
  for (guint i = 0; i < regions->len; i++) {
    const GstDicenetRegion *region = &g_array_index (regions, GstDicenetRegion, i);
    if (region->result && region->age == 0)
      gst_dicenet_inference_append_structure (&objects, describe_region (self, region, frame));
  }
  gst_structure_take_value (message, "objects", &objects);
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), message));
}

static GstFlowReturn
draw_regions (GstDicenetInference *self, GstBuffer *buffer, const GstVideoInfo *info, const GArray *regions)
{
  if (!gst_dicenet_overlay_helper_is_active (PRIV (self)->overlay))
    return GST_FLOW_OK;
  g_autoptr (GPtrArray) metas = gst_dicenet_regions_get_metas (regions, buffer);
  return draw (self, buffer, info, (const GstDicenetMeta *const *) metas->pdata, metas->len);
}

static GstFlowReturn
process_objects (GstDicenetInference *self, GstBuffer *buffer, const GstVideoInfo *info)
{
  GstDicenetInferencePrivate *priv = PRIV (self);
  GstDicenetRegionSettings settings;
  GstFlowReturn ret = GST_FLOW_ERROR;

  GST_OBJECT_LOCK (self);
  gst_dicenet_region_settings_copy (&settings, &priv->region_settings);
  const guint interval = priv->interval;
  GST_OBJECT_UNLOCK (self);
  GArray *regions = gst_dicenet_regions_find (buffer, info, &settings);
  if (look_at (self, buffer, info, regions, &settings, interval)) {
    gst_dicenet_regions_attach (regions, buffer, info);
    if (priv->inferred && wants_messages (self)) {
      const Frame frame = describe_frame (self, buffer, info);
      post_regions (self, &frame, regions);
    }
    ret = draw_regions (self, buffer, info, regions);
  }
  g_array_unref (regions);
  gst_dicenet_region_settings_clear (&settings);
  return ret;
}

/* --- frames --- */

static GstFlowReturn
gst_dicenet_inference_process_frame (GstDicenetVideo *video, GstBuffer *buffer)
{
  GstDicenetInference *self = GST_DICENET_INFERENCE (video);
  GstDicenetInferencePrivate *priv = PRIV (self);
  const GstVideoInfo *info = gst_dicenet_video_get_info (video);

  GST_OBJECT_LOCK (self);
  priv->n_frames++;
  GST_OBJECT_UNLOCK (self);
  priv->index++;
  if (priv->on_objects)
    return process_objects (self, buffer, info);
  if (!(priv->worker ? infer_meanwhile : infer_and_wait) (self, buffer, info))
    return GST_FLOW_ERROR;
  GstDicenetMeta *meta = add_result (self, buffer);
  if (!meta) {
    GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": no result yet, or one that is too old (max-age)",
                      GST_TIME_ARGS (GST_BUFFER_PTS (buffer)));
    return GST_FLOW_OK;
  }
  const guint age = meta->age;
  const gint64 begin = g_get_monotonic_time ();
  GstFlowReturn ret = draw (self, buffer, info, (const GstDicenetMeta *const[]){ meta }, 1);
  GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": result of age %u, drawing %.2f ms",
                    GST_TIME_ARGS (GST_BUFFER_PTS (buffer)), age, (gdouble) (g_get_monotonic_time () - begin) / 1000);
  return ret;
}

/* --- lateness --- */

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
  if (priv->inferred && update_latency (self, time_since (start)))
    post_latency (self);
  if (ret == GST_FLOW_OK && priv->live)
    watch_lateness (self, buffer);
  return ret;
}

/* --- new caps --- */

static gboolean
is_live (GstDicenetInference *self)
{
  GstQuery *query = gst_query_new_latency ();
  gboolean live = FALSE;

  if (gst_pad_peer_query (GST_BASE_TRANSFORM_SINK_PAD (self), query))
    gst_query_parse_latency (query, &live, NULL, NULL);
  gst_query_unref (query);
  return live;
}

/* Does with a blank frame what frames wait for. */
static gboolean
run_blank (GstDicenetInference *self, GstBuffer *blank, const GstVideoInfo *info, GError **error)
{
  DicenetSubmission *submission = submit (self, blank, info, FALSE, error);

  if (!submission)
    return FALSE;
  if (PRIV (self)->worker)
    return drop_submission (self, submission, error);
  g_autoptr (DicenetResult) found = wait_for (self, submission, error);
  return found != NULL;
}

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
  gboolean ok = run_blank (self, blank, info, error);
  gst_buffer_unref (blank);
  if (ok && update_latency (self, time_since (start)))
    post_latency (self);
  GST_DEBUG_OBJECT (self, "a blank frame took %.2f ms", (gdouble) time_since (start) / GST_MSECOND);
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

  forget_result (self);
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
  priv->live = is_live (self);
  GST_INFO_OBJECT (self, "frames of %dx%d, inference at %ux%u, %s: %" GST_PTR_FORMAT, GST_VIDEO_INFO_WIDTH (info),
                   GST_VIDEO_INFO_HEIGHT (info), priv->width, priv->height, priv->live ? "live" : "not live", caps);
  gst_dicenet_lateness_reset (&priv->lateness);
  if (!prepare (self, context, &error) || (priv->live && !warm_up (self, context, info, &error))) {
    gst_dicenet_post_error (GST_ELEMENT (self), error);
    return FALSE;
  }
  return TRUE;
}

/* A result is not reused after a seek or for a new segment: the next frame is inferred. */
static gboolean
gst_dicenet_inference_sink_event (GstBaseTransform *trans, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP || GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT) {
    forget_result (GST_DICENET_INFERENCE (trans));
    gst_dicenet_lateness_reset (&PRIV (GST_DICENET_INFERENCE (trans))->lateness);
  }
  /* The last result has no frame to go with, but a message, which should come before EOS, as should an error. */
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS && PRIV (GST_DICENET_INFERENCE (trans))->worker)
    gst_dicenet_worker_wait (PRIV (GST_DICENET_INFERENCE (trans))->worker);
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
  GError *error = NULL;

  GST_OBJECT_LOCK (self);
  gst_dicenet_region_settings_set (&PRIV (self)->region_settings, id, value, &error);
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
                            G_TYPE_UINT64, priv->n_left_out, NULL);
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

  forget_result (self);
  set_engine (self, NULL);
  gst_clear_object (&priv->cuda_context);
  gst_dicenet_settings_clear (&priv->settings);
  gst_dicenet_region_settings_clear (&priv->region_settings);
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
          "an inference, and mean-age of the results on frames, in nanoseconds. With inference-region=objects, all "
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
