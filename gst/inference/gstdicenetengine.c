/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "video/gstdicenetaspect.h"
#include "gstdicenetcuda.h"
#include "gstdicenetengine.h"
#include "gstdicenetimage.h"
#include <math.h>

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_engine_debug);
#define GST_CAT_DEFAULT gst_dicenet_engine_debug
GST_DEBUG_CATEGORY_STATIC (gst_dicenet_library_debug);

typedef enum {
  SIZE_AUTO,
  SIZE_MODEL,
  SIZE_NATIVE,
  SIZE_FIXED,
} SizeMode;

struct _GstDicenetEngine {
  GObject parent;

  DicenetModel *model;
  gchar **labels;
  DicenetOptions *options;
  DicenetBackend backend;
  gint device_id;
  SizeMode size_mode;
  guint fixed_width, fixed_height;

  /* Used only by the thread that runs the engine. */
  DicenetSession *session;
  GstObject *context;     /* of the session; NULL: CPU, or the GPU's primary context */
  gboolean keeps_context; /* can't read memory of other contexts: their frames go through system memory */
};

G_DEFINE_FINAL_TYPE (GstDicenetEngine, gst_dicenet_engine, G_TYPE_OBJECT)

/* --- log --- */

static gdouble
ms_since (gint64 begin)
{
  return (gdouble) (g_get_monotonic_time () - begin) / 1000;
}

#ifndef GST_DISABLE_GST_DEBUG
static void
log_for_library (GLogLevelFlags level, const char *message)
{
  GST_CAT_LEVEL_LOG (gst_dicenet_library_debug,
                     level == G_LOG_LEVEL_DEBUG  ? GST_LEVEL_DEBUG
                     : level == G_LOG_LEVEL_INFO ? GST_LEVEL_INFO
                                                 : GST_LEVEL_WARNING,
                     NULL, "%s", message);
}
#endif

static void
init_log (void)
{
  GST_DEBUG_CATEGORY_INIT (gst_dicenet_engine_debug, "dicenetengine", 0, "models and what they run on");
  GST_DEBUG_CATEGORY_INIT (gst_dicenet_library_debug, "dicenet", 0, "libdicenet, which the elements run models with");
#ifndef GST_DISABLE_GST_DEBUG
  dicenet_set_log_func (log_for_library);
#endif
}

/* --- errors --- */

static GstResourceError
resource_code (DicenetError code)
{
  switch (code) {
  case DICENET_ERROR_OPEN:
    return GST_RESOURCE_ERROR_OPEN_READ;
  case DICENET_ERROR_INVALID_MODEL:
    return GST_RESOURCE_ERROR_READ;
  case DICENET_ERROR_UNSUPPORTED:
  case DICENET_ERROR_LABELS:
  case DICENET_ERROR_BACKEND:
  case DICENET_ERROR_ARGUMENT:
    return GST_RESOURCE_ERROR_SETTINGS;
  case DICENET_ERROR_NO_MEMORY:
    return GST_RESOURCE_ERROR_NO_SPACE_LEFT;
  case DICENET_ERROR_NOT_FOUND:
    return GST_RESOURCE_ERROR_NOT_FOUND;
  case DICENET_ERROR_DEVICE:
    break;
  }
  return GST_RESOURCE_ERROR_FAILED;
}

/* Converts an error of the core to GStreamer's domains and adds @remedy, advice that only the element can give. Takes
 * @core. */
static void
propagate (GError **error, GError *core, const gchar *remedy)
{
  g_set_error (error, GST_RESOURCE_ERROR, (gint) resource_code ((DicenetError) core->code), "%s%s%s", core->message,
               remedy ? ". " : "", remedy ? remedy : "");
  g_error_free (core);
}

void
gst_dicenet_post_error (GstElement *element, GError *error)
{
  if (error->domain == DICENET_ERROR) {
    GError *core = g_steal_pointer (&error);
    propagate (&error, core, NULL);
  }
  /* File names may contain any bytes, but messages must be UTF-8: Python's bindings fail otherwise. */
  gst_element_message_full (element, GST_MESSAGE_ERROR, error->domain, error->code,
                            g_utf8_make_valid (error->message, -1), NULL, __FILE__, GST_FUNCTION, __LINE__);
  g_error_free (error);
}

/* --- inference size --- */

static gboolean
parse_size (GstDicenetEngine *self, const gchar *text, GError **error)
{
  if (!text || !*text || g_str_equal (text, "auto")) {
    self->size_mode = SIZE_AUTO;
  } else if (g_str_equal (text, "model")) {
    self->size_mode = SIZE_MODEL;
  } else if (g_str_equal (text, "native")) {
    self->size_mode = SIZE_NATIVE;
  } else if (dicenet_parse_size (text, &self->fixed_width, &self->fixed_height)) {
    self->size_mode = SIZE_FIXED;
  } else {
    g_autofree gchar *shown = dicenet_text_excerpt (text);
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                 "inference-size is '%s', but should be auto, model, native, or WIDTHxHEIGHT with both from %d to %d, "
                 "for example 384x256",
                 shown, DICENET_MIN_SIZE, DICENET_MAX_SIZE);
    return FALSE;
  }
  return TRUE;
}

static gdouble
display_aspect (const GstVideoInfo *info)
{
  return GST_VIDEO_INFO_WIDTH (info) * gst_dicenet_pixel_aspect (info) / GST_VIDEO_INFO_HEIGHT (info);
}

gboolean
gst_dicenet_engine_choose_size (const GstDicenetEngine *self, const GstVideoInfo *info, guint *width, guint *height,
                                GError **error)
{
  switch (self->size_mode) {
  case SIZE_AUTO:
    dicenet_model_fit_size (self->model, display_aspect (info), width, height);
    break;
  case SIZE_MODEL:
    dicenet_model_get_size (self->model, width, height);
    break;
  case SIZE_NATIVE:
    if (GST_VIDEO_INFO_WIDTH (info) > DICENET_MAX_SIZE || GST_VIDEO_INFO_HEIGHT (info) > DICENET_MAX_SIZE) {
      g_set_error (
          error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
          "frames of %dx%d are too large for inference-size=native, which goes up to %dx%d: set inference-size "
          "to auto or to a size",
          GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info), DICENET_MAX_SIZE, DICENET_MAX_SIZE);
      return FALSE;
    }
    *width = MAX (GST_VIDEO_INFO_WIDTH (info), DICENET_MIN_SIZE);
    *height = MAX (GST_VIDEO_INFO_HEIGHT (info), DICENET_MIN_SIZE);
    break;
  case SIZE_FIXED:
    *width = self->fixed_width;
    *height = self->fixed_height;
    break;
  }
  return TRUE;
}

/* Shapes of regions, in steps of the square root of 2: from 1:2.8 to 2.8:1. */
#define MAX_STEP 3

static void
fit_region (DicenetModel *model, gdouble aspect, guint *width, guint *height)
{
  const gdouble rounded = exp2 (CLAMP (round (2 * log2 (aspect)), -MAX_STEP, MAX_STEP) / 2);
  guint w, h;

  dicenet_model_get_size (model, &w, &h);
  const gdouble side = sqrt ((gdouble) w * h);
  *width = (guint) CLAMP (round (side * sqrt (rounded)), DICENET_MIN_SIZE, DICENET_MAX_SIZE);
  *height = (guint) CLAMP (round (side / sqrt (rounded)), DICENET_MIN_SIZE, DICENET_MAX_SIZE);
}

void
gst_dicenet_engine_choose_region_size (const GstDicenetEngine *self, const GstVideoInfo *info,
                                       const GstVideoRectangle *region, guint *width, guint *height)
{
  if (self->size_mode == SIZE_FIXED) {
    *width = self->fixed_width;
    *height = self->fixed_height;
  } else if (self->size_mode == SIZE_MODEL) {
    dicenet_model_get_size (self->model, width, height);
  } else {
    fit_region (self->model, region->w * gst_dicenet_pixel_aspect (info) / region->h, width, height);
  }
}

gboolean
gst_dicenet_engine_check_regions (const GstDicenetEngine *self, GError **error)
{
  if (self->size_mode != SIZE_NATIVE)
    return TRUE;
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
               "inference-size=native is not possible with inference-region=objects, because each object has another "
               "size: set inference-size to auto, model, or WIDTHxHEIGHT");
  return FALSE;
}

/* --- opening --- */

G_STATIC_ASSERT ((int) GST_DICENET_TASK_CLASSIFY == (int) DICENET_TASK_CLASSIFY);
G_STATIC_ASSERT ((int) GST_DICENET_TASK_DETECT == (int) DICENET_TASK_DETECT);
G_STATIC_ASSERT ((int) GST_DICENET_TASK_SEGMENT == (int) DICENET_TASK_SEGMENT);

const GstDicenetTaskNames *
gst_dicenet_task_get_names (GstDicenetTask task)
{
  static const GstDicenetTaskNames names[] = {
    [GST_DICENET_TASK_CLASSIFY] = { "classification", "dicenetclassify", "dicenet-classify" },
    [GST_DICENET_TASK_DETECT] = { "detection", "dicenetdetect", "dicenet-detect" },
    [GST_DICENET_TASK_SEGMENT] = { "segmentation", "dicenetsegment", "dicenet-segment" },
  };

  return &names[task];
}

static gboolean
open_model (GstDicenetEngine *self, const gchar *path, GstDicenetTask task, GError **error)
{
  const gchar *wanted = path ? path : gst_dicenet_task_get_names (task)->name;
  const gint64 begin = g_get_monotonic_time ();
  GError *core = NULL;

  self->model = dicenet_model_load (wanted, &core);
  if (!self->model) {
    g_autofree gchar *remedy = g_strdup_printf ("Set the property model to a %s model's file or name",
                                                gst_dicenet_task_get_names (task)->noun);
    propagate (error, core, core->code == DICENET_ERROR_NOT_FOUND ? remedy : NULL);
    return FALSE;
  }
  const GstDicenetTask actual = (GstDicenetTask) dicenet_model_get_task (self->model);
  if (actual != task) {
    const GstDicenetTaskNames *found = gst_dicenet_task_get_names (actual);
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
                 "'%s' is a %s model, and this element needs one for %s: use %s for it", wanted, found->noun,
                 gst_dicenet_task_get_names (task)->noun, found->element);
    return FALSE;
  }
  GST_DEBUG ("%s: had after %.1f ms", dicenet_model_get_path (self->model), ms_since (begin));
  return TRUE;
}

static gboolean
open_labels (GstDicenetEngine *self, const gchar *path, GError **error)
{
  GError *core = NULL;

  if (!path || !*path) {
    self->labels = g_strdupv ((gchar **) dicenet_model_get_labels (self->model));
    return TRUE;
  }
  self->labels = dicenet_model_load_labels (self->model, path, &core);
  if (!self->labels)
    propagate (error, core, "Check the property labels-file");
  return self->labels != NULL;
}

/* A session's memory belongs to its context, which must be current. */
static void
close_session (DicenetSession *session, GstObject *context)
{
  const gboolean is_entered = context && gst_dicenet_cuda_enter (context);

  g_clear_object (&session);
  if (is_entered)
    gst_dicenet_cuda_leave ();
  gst_clear_object (&context);
}

static DicenetSession *
new_session (const GstDicenetEngine *self, const DicenetOptions *options, GError **error)
{
  GError *core = NULL;
  DicenetSession *session = dicenet_session_new (self->model, options, &core);

  if (!session)
    propagate (error, core, NULL);
  return session;
}

static gboolean
open_session (GstDicenetEngine *self, const GstDicenetSettings *settings, GError **error)
{
  const gint64 begin = g_get_monotonic_time ();

  self->backend = settings->backend;
  self->device_id = settings->device_id;
  self->options = dicenet_options_new ();
  dicenet_options_set_backend (self->options, settings->backend);
  dicenet_options_set_device (self->options, settings->device_id);
  dicenet_options_set_precision (self->options, settings->precision);
  dicenet_options_set_threads (self->options, settings->threads);
  self->session = new_session (self, self->options, error);
  if (self->session)
    GST_DEBUG ("session %p opened in %.1f ms", self->session, ms_since (begin));
  return self->session != NULL;
}

GstDicenetEngine *
gst_dicenet_engine_new (const GstDicenetSettings *settings, GstDicenetTask task, GError **error)
{
  GstDicenetEngine *self = g_object_new (GST_TYPE_DICENET_ENGINE, NULL);

  if (parse_size (self, settings->inference_size, error) && open_model (self, settings->model, task, error) &&
      open_labels (self, settings->labels_file, error) && open_session (self, settings, error))
    return self;
  g_object_unref (self);
  return NULL;
}

static void
gst_dicenet_engine_finalize (GObject *object)
{
  GstDicenetEngine *self = GST_DICENET_ENGINE (object);

  close_session (self->session, self->context);
  g_clear_pointer (&self->options, dicenet_options_free);
  g_clear_object (&self->model);
  g_strfreev (self->labels);
  G_OBJECT_CLASS (gst_dicenet_engine_parent_class)->finalize (object);
}

static void
gst_dicenet_engine_class_init (GstDicenetEngineClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = gst_dicenet_engine_finalize;
  init_log (); /* before any call into the library */
}

static void
gst_dicenet_engine_init (GstDicenetEngine *self)
{
}

DicenetModel *
gst_dicenet_engine_get_model (const GstDicenetEngine *self)
{
  return self->model;
}

DicenetSession *
gst_dicenet_engine_get_session (const GstDicenetEngine *self)
{
  return self->session;
}

const gchar *const *
gst_dicenet_engine_get_labels (const GstDicenetEngine *self)
{
  return (const gchar *const *) self->labels;
}

gint
gst_dicenet_engine_get_device_id (const GstDicenetEngine *self)
{
  return self->device_id;
}

/* --- CUDA contexts --- */

static gboolean
enter (GstObject *context, GError **error)
{
  if (!context || gst_dicenet_cuda_enter (context))
    return TRUE;
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED,
               "the CUDA context of the frames can't be used: the GPU, or its driver, has failed. Start the program "
               "again; if that does not help, insert cudadownload before this element, or use backend=cpu");
  return FALSE;
}

gboolean
gst_dicenet_engine_enter (const GstDicenetEngine *self, GError **error)
{
  return enter (self->context, error);
}

void
gst_dicenet_engine_leave (const GstDicenetEngine *self)
{
  if (self->context)
    gst_dicenet_cuda_leave ();
}

static DicenetSession *
open_in_context (const GstDicenetEngine *self, GstObject *context, GError **error)
{
  g_autoptr (DicenetOptions) options = dicenet_options_copy (self->options);

  if (!enter (context, error))
    return NULL;
  dicenet_options_set_backend (options, DICENET_BACKEND_CUDA);
  dicenet_options_set_context (options, gst_dicenet_cuda_get_handle (context));
  DicenetSession *session = new_session (self, options, error);
  gst_dicenet_cuda_leave ();
  return session;
}

gboolean
gst_dicenet_engine_use_context (GstDicenetEngine *self, GstObject *context, GError **error)
{
  GError *reason = NULL;

  if (!context || context == self->context || self->keeps_context ||
      dicenet_session_get_backend (self->session) != DICENET_BACKEND_CUDA)
    return TRUE;
  DicenetSession *session = open_in_context (self, context, &reason);
  if (session) {
    close_session (self->session, self->context);
    self->session = session;
    self->context = gst_object_ref (context);
    GST_INFO ("session %p computes in the frames' %" GST_PTR_FORMAT ": %s", session, context,
              dicenet_session_get_device (session));
    return TRUE;
  }
  if (self->backend != DICENET_BACKEND_AUTO) {
    g_propagate_error (error, reason);
    return FALSE;
  }
  GST_INFO ("frames in the GPU's memory are copied through system memory: %s", reason->message);
  g_error_free (reason);
  self->keeps_context = TRUE;
  return TRUE;
}

gboolean
gst_dicenet_engine_map (const GstDicenetEngine *self, GstDicenetPicture *picture, GstBuffer *buffer,
                        const GstVideoInfo *info, GError **error)
{
  const gboolean in_place = self->context && gst_dicenet_cuda_buffer_context (buffer, -1) == self->context;

  if (in_place ? !gst_dicenet_cuda_map (&picture->frame, info, buffer)
               : !gst_video_frame_map (&picture->frame, info, buffer, GST_MAP_READ)) {
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
                 "Can't read a frame: its memory can't be mapped, or is smaller than the caps say. If the frames are "
                 "not in system memory, insert an element that downloads them before this one");
    return FALSE;
  }
  gst_dicenet_image_from_frame (&picture->image, &picture->frame);
  picture->image.memory = in_place ? DICENET_MEMORY_DEVICE : DICENET_MEMORY_SYSTEM;
  return TRUE;
}

DicenetSubmission *
gst_dicenet_engine_submit (const GstDicenetEngine *self, GstBuffer *buffer, const GstVideoInfo *info,
                           const DicenetRequest *request, GError **error)
{
  GstDicenetPicture picture;

  if (!gst_dicenet_engine_map (self, &picture, buffer, info, error))
    return NULL;
  DicenetSubmission *submission = dicenet_session_submit_image (self->session, &picture.image, request, error);
  gst_video_frame_unmap (&picture.frame);
  return submission;
}
