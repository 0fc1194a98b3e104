/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What happens to a frame in an inference element: in which thread and when the network runs on it, and the result that
 * it leaves with. gstdicenetinference.c describes the design. */

#include "gstdicenetcuda.h"
#include "gstdicenetinference-private.h"
#include "video/gstdicenetothers.h"

#include <dicenet/text.h>

GST_DEBUG_CATEGORY_EXTERN (gst_dicenet_inference_debug);
#define GST_CAT_DEFAULT gst_dicenet_inference_debug

/* --- one inference --- */

static void
outcome_free (gpointer data)
{
  GstDicenetOutcome *self = data;

  g_clear_pointer (&self->result, gst_dicenet_result_unref);
  g_clear_pointer (&self->detections, g_array_unref);
  g_free (self);
}

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

gboolean
gst_dicenet_inference_prepare (GstDicenetInference *self, GstObject *context, GError **error)
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

static GstDicenetOutcome *
outcome_new (GstDicenetInference *self, const GstDicenetFrame *frame, DicenetResult *found)
{
  const GstVideoRectangle area = { .w = (gint) frame->width, .h = (gint) frame->height };
  GstDicenetOutcome *outcome = g_new0 (GstDicenetOutcome, 1);

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

static void
count_inference (GstDicenetInference *self, GstClockTime elapsed)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  GST_OBJECT_LOCK (self);
  priv->n_inferred++;
  gst_dicenet_rate_add (&priv->rate, g_get_monotonic_time ());
  priv->total_time += elapsed;
  priv->last_time = elapsed;
  GST_OBJECT_UNLOCK (self);
}

static GstDicenetFrame
describe_frame (GstDicenetInference *self, GstBuffer *buffer, const GstVideoInfo *info)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  const gboolean is_known = segment->format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID (pts);

  return (GstDicenetFrame){
    .index = PRIV (self)->index,
    .pts = pts,
    .running_time = is_known ? gst_segment_to_running_time (segment, GST_FORMAT_TIME, pts) : GST_CLOCK_TIME_NONE,
    .stream_time = is_known ? gst_segment_to_stream_time (segment, GST_FORMAT_TIME, pts) : GST_CLOCK_TIME_NONE,
    .width = (guint) GST_VIDEO_INFO_WIDTH (info),
    .height = (guint) GST_VIDEO_INFO_HEIGHT (info),
  };
}

/* Converts the frame into the network's input, after which the frame itself is not needed. NULL after an error. */
static GstDicenetJob *
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
  GstDicenetJob *job = g_new (GstDicenetJob, 1);
  *job = (GstDicenetJob){ submission, describe_frame (self, buffer, info), start, g_get_monotonic_time () };
  return job;
}

/* Runs the network. Times are in milliseconds; on a GPU, preprocessing counts as part of the network's time. */
static gpointer
finish_inference (gpointer data, gpointer user_data)
{
  GstDicenetInference *self = user_data;
  g_autofree GstDicenetJob *job = data;
  GError *error = NULL;
  g_autoptr (DicenetResult) found = wait_for (self, job->submission, &error);

  if (found)
    count_inference (self, gst_dicenet_time_since (job->start));
  else
    gst_dicenet_post_error (GST_ELEMENT (self), error);
  GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": preprocessing %.2f ms, network and its result %.2f ms",
                    GST_TIME_ARGS (job->frame.pts), (gdouble) (job->submitted - job->start) / 1000,
                    (gdouble) (g_get_monotonic_time () - job->submitted) / 1000);
  return outcome_new (self, &job->frame, found);
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
attach (GstBuffer *buffer, const GstDicenetOutcome *outcome)
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
message_new (GstDicenetInference *self, const GstDicenetFrame *frame)
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
  const GstDicenetOutcome *outcome = data;

  if (!outcome->result || !wants_messages (self))
    return;
  GstStructure *message = message_new (self, &outcome->frame);
  GstBuffer *buffer = gst_buffer_new ();
  GST_DICENET_INFERENCE_GET_CLASS (self)->describe (self, attach (buffer, outcome), message);
  gst_buffer_unref (buffer);
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), message));
}

static const GstDicenetWorkerFuncs worker_funcs = { finish_inference, post_outcome, outcome_free };

gboolean
gst_dicenet_inference_start_worker (GstDicenetInference *self, GError **error)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  GST_OBJECT_LOCK (self);
  const GstDicenetInferenceMode mode = priv->mode;
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

void
gst_dicenet_inference_forget_result (GstDicenetInference *self)
{
  GstDicenetInferencePrivate *priv = PRIV (self);

  if (priv->worker)
    gst_dicenet_worker_forget (priv->worker);
  g_clear_pointer (&priv->newest, outcome_free);
  priv->has_begun = FALSE;
  gst_dicenet_looks_forget (priv->looks);
}

/* Takes @outcome; FALSE if the inference failed, of which the bus knows already. */
static gboolean
keep_outcome (GstDicenetInference *self, GstDicenetOutcome *outcome)
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
  GstDicenetJob *job = begin_inference (self, buffer, info);
  if (!job)
    return FALSE;
  GstDicenetOutcome *outcome = finish_inference (job, self);
  post_outcome (outcome, self);
  return keep_outcome (self, outcome);
}

/* inference-mode=newest: the worker infers this frame if it has nothing else to do. */
static gboolean
infer_meanwhile (GstDicenetInference *self, GstBuffer *buffer, const GstVideoInfo *info)
{
  GstDicenetInferencePrivate *priv = PRIV (self);
  GstDicenetOutcome *outcome = gst_dicenet_worker_take (priv->worker);

  if (outcome && !keep_outcome (self, outcome))
    return FALSE;
  if (!is_due (self) || !gst_dicenet_worker_is_free (priv->worker))
    return TRUE;
  GstDicenetJob *job = begin_inference (self, buffer, info);
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
  const GstDicenetOutcome *newest = priv->newest;

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
                                          klass->get_opacity ? klass->get_opacity (self) : 1, NULL, NULL);
}

/* Does with a blank frame what frames wait for. */
gboolean
gst_dicenet_inference_run_blank (GstDicenetInference *self, GstBuffer *blank, const GstVideoInfo *info, GError **error)
{
  DicenetSubmission *submission = submit (self, blank, info, FALSE, error);

  if (!submission)
    return FALSE;
  if (PRIV (self)->worker)
    return drop_submission (self, submission, error);
  g_autoptr (DicenetResult) found = wait_for (self, submission, error);
  return found != NULL;
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
                        "know which of them it has seen before. Put dicenettrack, or another tracker, before it, or, "
                        "if it is there, lower its thresholds.",
                        reclassify_interval, GST_OBJECT_NAME (self)),
                       (NULL));
}

static GstClockTime
get_max_age (GstDicenetInference *self)
{
  GST_OBJECT_LOCK (self);
  const GstClockTime max_age = PRIV (self)->max_age;
  GST_OBJECT_UNLOCK (self);
  return max_age;
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

  if (!gst_dicenet_looks_recall (priv->looks, regions, settings->reclassify_interval, GST_BUFFER_PTS (buffer),
                                 get_max_age (self)) &&
      keeps_tracks)
    tell_no_tracks (self, settings->reclassify_interval);
  if (!is_frame_due)
    return TRUE;
  const guint n_due = count_due (regions);
  if (!infer_regions (self, buffer, info, regions, settings->max_objects, &n, &error)) {
    gst_dicenet_post_error (GST_ELEMENT (self), error);
    return FALSE;
  }
  gst_dicenet_looks_remember (priv->looks, regions, GST_BUFFER_PTS (buffer), keeps_tracks);
  count_regions (self, n, n_due - n, gst_dicenet_time_since (start));
  GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": %u of %u objects inferred, %u left out, in %.2f ms",
                    GST_TIME_ARGS (GST_BUFFER_PTS (buffer)), n, regions->len, n_due - n,
                    (gdouble) gst_dicenet_time_since (start) / GST_MSECOND);
  return TRUE;
}

static GstStructure *
describe_region (GstDicenetInference *self, const GstDicenetRegion *region, const GstDicenetFrame *frame)
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
post_regions (GstDicenetInference *self, const GstDicenetFrame *frame, const GArray *regions)
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

static void
warn_of_class (GstDicenetInference *self, const gchar *name, const GstDicenetResult *result)
{
  g_autofree gchar *labels = g_strjoinv (", ", result->labels);
  g_autofree gchar *shown = dicenet_text_excerpt (labels);

  GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
                       ("'%s' is to look at objects of class '%s', which the model '%s' doesn't know. Its classes are: "
                        "%s",
                        GST_OBJECT_NAME (self), name, result->model, shown),
                       (NULL));
}

/* Names of classes can be checked only when there are objects. */
static void
look_for_classes (GstDicenetInference *self, GstBuffer *buffer, gchar **classes)
{
  GstDicenetInferencePrivate *priv = PRIV (self);
  g_autoptr (GArray) objects = gst_buffer_get_dicenet_objects (buffer);

  if (objects->len == 0)
    return;
  GST_OBJECT_LOCK (self);
  priv->knows_classes = TRUE;
  GST_OBJECT_UNLOCK (self);
  for (guint i = 0; classes && classes[i]; i++) {
    if (!gst_dicenet_class_is_known (objects, classes[i]))
      warn_of_class (self, classes[i], g_array_index (objects, GstDicenetObject, 0).result);
  }
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
  const gboolean knows_classes = priv->knows_classes;
  GST_OBJECT_UNLOCK (self);
  if (!knows_classes)
    look_for_classes (self, buffer, settings.object_class);
  GArray *regions = gst_dicenet_regions_find (buffer, info, &settings);
  if (look_at (self, buffer, info, regions, &settings, interval)) {
    gst_dicenet_regions_attach (regions, buffer, info);
    if (priv->inferred && wants_messages (self)) {
      const GstDicenetFrame frame = describe_frame (self, buffer, info);
      post_regions (self, &frame, regions);
    }
    ret = draw_regions (self, buffer, info, regions);
  }
  g_array_unref (regions);
  gst_dicenet_region_settings_clear (&settings);
  return ret;
}

/* --- frames --- */

GstFlowReturn
gst_dicenet_inference_process_frame (GstDicenetVideo *video, GstBuffer *buffer)
{
  GstDicenetInference *self = GST_DICENET_INFERENCE (video);
  GstDicenetInferencePrivate *priv = PRIV (self);
  const GstVideoInfo *info = gst_dicenet_video_get_info (video);

  GST_OBJECT_LOCK (self);
  if (priv->n_frames++ == 0)
    priv->first_frame = g_get_monotonic_time ();
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
    return draw (self, buffer, info, NULL, 0);
  }
  const guint age = meta->age;
  const gint64 begin = g_get_monotonic_time ();
  GstFlowReturn ret = draw (self, buffer, info, (const GstDicenetMeta *const[]){ meta }, 1);
  GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": result of age %u, drawing %.2f ms",
                    GST_TIME_ARGS (GST_BUFFER_PTS (buffer)), age, (gdouble) (g_get_monotonic_time () - begin) / 1000);
  return ret;
}
