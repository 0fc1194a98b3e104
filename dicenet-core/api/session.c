/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/error.h>
#include <dicenet/session.h>
#include <dicenet/text.h>
#include "../base/memory-error.h"
#include "model-private.h"
#include "../prepost/decode.h"
#include "../backend/axis.h"
#include "../backend/backend.h"
#include "session-private.h"

struct _DicenetSession {
  GObject parent_instance;
  DicenetModel *model;
  const DicenetProgram *program;
  DicenetExecutor *executor;
  /* Of the last prepare or run; 0 before the first and after one that failed. */
  guint batch, width, height;
  gboolean has_run;
  DicenetUpscale upscale; /* segment, as the following */
  gfloat *scratch;
};

G_DEFINE_FINAL_TYPE (DicenetSession, dicenet_session, G_TYPE_OBJECT)

static void
dicenet_session_finalize (GObject *object)
{
  DicenetSession *self = DICENET_SESSION (object);

  dicenet_executor_close (self->executor);
  g_free (self->scratch);
  g_clear_object (&self->model); /* last: the executor uses its weights */
  G_OBJECT_CLASS (dicenet_session_parent_class)->finalize (object);
}

static void
dicenet_session_class_init (DicenetSessionClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = dicenet_session_finalize;
}

static void
dicenet_session_init (DicenetSession *self)
{
}

static gboolean
check_environment (GError **error)
{
  const char *fault = dicenet_cpu_mask_fault ();

  if (fault == NULL)
    return TRUE;
  g_autofree char *shown = dicenet_text_excerpt (fault);
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
               "the environment variable DICENET_CPU_MASK is \"%s\": expected a number from 0 to %d, 3 say for nothing "
               "newer than AVX2, or leave it unset",
               shown, DICENET_CPU_ALL);
  return FALSE;
}

static DicenetSession *
session_new (DicenetModel *model, DicenetBackend backend, const DicenetTarget *target, GError **error)
{
  if (!check_environment (error))
    return NULL;
  g_autoptr (DicenetSession) self = g_object_new (DICENET_TYPE_SESSION, NULL);
  self->model = g_object_ref (model);
  self->program = dicenet_model_get_program (model);
  self->executor = dicenet_executor_open (backend, self->program, target, error);
  return self->executor ? g_steal_pointer (&self) : NULL;
}

DicenetSession *
dicenet_session_new (DicenetModel *model, DicenetBackend backend, gint device_id, DicenetPrecision precision,
                     guint n_threads, GError **error)
{
  g_return_val_if_fail (DICENET_IS_MODEL (model), NULL);

  const DicenetTarget target = { .device_id = device_id, .precision = precision, .n_threads = n_threads };
  return session_new (model, backend, &target, error);
}

DicenetSession *
dicenet_session_new_in_cuda_context (DicenetModel *model, gpointer context, DicenetPrecision precision, GError **error)
{
  g_return_val_if_fail (DICENET_IS_MODEL (model), NULL);
  g_return_val_if_fail (context != NULL, NULL);

  const DicenetTarget target = { .device_id = -1, .cuda_context = context, .precision = precision };
  return session_new (model, DICENET_BACKEND_CUDA, &target, error);
}

DicenetExecutor *
dicenet_session_get_executor (DicenetSession *self)
{
  return self->executor;
}

DicenetModel *
dicenet_session_get_model (DicenetSession *self)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), NULL);
  return self->model;
}

DicenetBackend
dicenet_session_get_backend (DicenetSession *self)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), DICENET_BACKEND_CPU);
  return self->executor->ops->kind;
}

DicenetPrecision
dicenet_session_get_precision (DicenetSession *self)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), DICENET_PRECISION_FLOAT32);
  return self->executor->precision;
}

const char *
dicenet_session_get_warning (DicenetSession *self)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), NULL);
  return self->executor->warning;
}

guint
dicenet_session_get_n_threads (DicenetSession *self)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), 0);
  return self->executor->ops->n_threads (self->executor);
}

gsize
dicenet_session_get_arena_bytes (DicenetSession *self)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), 0);
  return self->executor->ops->arena_bytes (self->executor);
}

/* From the size of the logits to the picture's. FALSE with @error set where there is no memory. */
static gboolean
make_upscale (DicenetSession *self, GError **error)
{
  const DicenetSize *size = self->executor->size;
  DicenetUpscale *scale = &self->upscale;
  const char *set;

  *scale = (DicenetUpscale){ dicenet_kernels_get (dicenet_cpu_mask (), &set),
                             dicenet_pixel_kernels_get (dicenet_cpu_mask (), &set), size->rows, size->columns,
                             size->classes };
  const gsize n = dicenet_session_get_n_threads (self) * dicenet_upscale_scratch (scale);
  gfloat *resized = g_try_realloc_n (self->scratch, n, sizeof (gfloat));
  if (resized == NULL)
    return dicenet_no_memory (error, n * sizeof (gfloat), "room to make results in",
                              "choose a smaller inference size or fewer threads");
  self->scratch = resized;
  return TRUE;
}

static gboolean
check_size (guint width, guint height, guint batch, GError **error)
{
  if (MIN (width, height) >= DICENET_MIN_SIZE && MAX (width, height) <= DICENET_MAX_SIZE && batch >= 1)
    return TRUE;
  g_set_error (
      error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
      "an inference size from %dx%d to %dx%d and a batch of at least 1 are possible, %ux%u and %u were asked for",
      DICENET_MIN_SIZE, DICENET_MIN_SIZE, DICENET_MAX_SIZE, DICENET_MAX_SIZE, width, height, batch);
  return FALSE;
}

/* What the executor was made ready for. */
static gboolean
set_size (DicenetSession *self, GError **error)
{
  const DicenetSize *size = self->executor->size;

  if (self->width == size->width && self->height == size->height && self->batch == size->batch)
    return TRUE;
  self->width = self->height = self->batch = 0;
  if (self->program->description->task == DICENET_TASK_SEGMENT && !make_upscale (self, error))
    return FALSE;
  self->width = size->width;
  self->height = size->height;
  self->batch = size->batch;
  return TRUE;
}

gboolean
dicenet_session_prepare (DicenetSession *self, guint width, guint height, guint batch, GError **error)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), FALSE);

  self->has_run = FALSE;
  return check_size (width, height, batch, error) &&
         dicenet_executor_prepare (self->executor, width, height, batch, error) && set_size (self, error);
}

static gboolean
run (DicenetSession *self, const DicenetRun *what, GError **error)
{
  self->has_run = FALSE;
  self->has_run = check_size (what->width, what->height, what->batch, error) &&
                  dicenet_executor_run (self->executor, what, error) && set_size (self, error);
  return self->has_run;
}

gboolean
dicenet_session_run_image (DicenetSession *self, const DicenetImage *image, guint width, guint height, GError **error)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), FALSE);
  g_return_val_if_fail (image != NULL, FALSE);

  if (image->memory == DICENET_MEMORY_CUDA && dicenet_session_get_backend (self) != DICENET_BACKEND_CUDA) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "the picture is in a GPU's memory, and this session computes on the processor: copy the picture to "
                 "system memory first, or open the session with backend=cuda");
    return FALSE;
  }
  return run (self, &(DicenetRun){ .batch = 1, .width = width, .height = height, .image = image }, error);
}

static guint
bytes_per_pixel (DicenetPixelFormat format)
{
  if (format == DICENET_PIXEL_FORMAT_GRAY8)
    return 1;
  if (format == DICENET_PIXEL_FORMAT_RGB || format == DICENET_PIXEL_FORMAT_BGR)
    return 3;
  return format >= DICENET_PIXEL_FORMAT_RGBX && format <= DICENET_PIXEL_FORMAT_ABGR ? 4 : 0;
}

gboolean
dicenet_session_run_bytes (DicenetSession *self, GBytes *pixels, DicenetPixelFormat format, guint width, guint height,
                           guint inference_width, guint inference_height, GError **error)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), FALSE);
  g_return_val_if_fail (pixels != NULL, FALSE);

  const guint64 stride = (guint64) width * bytes_per_pixel (format), wanted = stride * height;
  if (wanted == 0 || wanted > G_MAXINT || g_bytes_get_size (pixels) != wanted) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "expected the %" G_GUINT64_FORMAT
                 " bytes of a %u x %u picture in a format of one plane (RGB family or "
                 "GRAY8), found %" G_GSIZE_FORMAT,
                 wanted, width, height, g_bytes_get_size (pixels));
    return FALSE;
  }
  const DicenetImage image = {
    .format = format,
    .range = DICENET_COLOR_RANGE_FULL,
    .width = width,
    .height = height,
    .planes = { g_bytes_get_data (pixels, NULL) },
    .strides = { (gint) stride },
  };
  return dicenet_session_run_image (self, &image, inference_width, inference_height, error);
}

gboolean
dicenet_session_run_tensor (DicenetSession *self, const gfloat *data, gsize n, guint batch, guint width, guint height,
                            GError **error)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), FALSE);
  g_return_val_if_fail (data != NULL, FALSE);

  if (!check_size (width, height, batch, error))
    return FALSE;
  if (n / batch != 3 * (gsize) width * height || n % batch != 0) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "expected %u x 3 x %u x %u numbers, found %" G_GSIZE_FORMAT, batch, height, width, n);
    return FALSE;
  }
  return run (self, &(DicenetRun){ .batch = batch, .width = width, .height = height, .tensor = data }, error);
}

const gfloat *
dicenet_session_get_output (DicenetSession *self, const char *name, guint image, gsize *n)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), NULL);

  if (n)
    *n = 0;
  for (guint k = 0; self->has_run && image < self->batch && k < self->program->graph->n_outputs; k++) {
    if (!g_str_equal (self->program->graph->outputs[k].name, name))
      continue;
    if (n)
      *n = dicenet_view_floats (dicenet_size_output (self->executor->size, self->program->graph, k));
    return self->executor->ops->output (self->executor, k, image);
  }
  return NULL;
}

const gfloat *
dicenet_session_get_priors (DicenetSession *self, gsize *n)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), NULL);
  const DicenetSize *size = self->has_run ? self->executor->size : NULL;
  if (n)
    *n = size ? 4 * (gsize) size->n_priors : 0;
  return size ? size->priors : NULL;
}

static gboolean
can_read (DicenetSession *self, DicenetTask task, guint image)
{
  return self->has_run && self->program->description->task == task && image < self->batch;
}

GArray *
dicenet_session_get_classes (DicenetSession *self, guint image, guint top_k, gfloat threshold)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), NULL);
  g_return_val_if_fail (can_read (self, DICENET_TASK_CLASSIFY, image), NULL);

  const DicenetDescription *d = self->program->description;
  return dicenet_decode_classes (self->executor->ops->output (self->executor, 0, image), d->n_classes, d->multi_label,
                                 top_k, threshold);
}

GArray *
dicenet_session_get_boxes (DicenetSession *self, guint image, const DicenetDetectParams *params)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), NULL);
  g_return_val_if_fail (params != NULL, NULL);
  g_return_val_if_fail (can_read (self, DICENET_TASK_DETECT, image), NULL);

  const DicenetBackendOps *ops = self->executor->ops;
  GArray *made = ops->boxes ? ops->boxes (self->executor, image, params) : NULL;
  if (made != NULL)
    return made;
  const gfloat *confidences = ops->output (self->executor, 0, image);
  const gfloat *locations = ops->output (self->executor, 1, image);
  const DicenetSize *size = self->executor->size;
  return dicenet_decode_boxes (confidences, locations, size->priors, size->n_priors,
                               self->program->description->n_classes, params);
}

/* A mask that threads share: each makes some rows. */
typedef struct {
  const DicenetSession *session;
  const gfloat *logits;
  guint8 *mask;
  gsize stride;
  guint n_parts;
} MaskJob;

static void
decode_part (gpointer data, guint i, guint seat)
{
  const MaskJob *job = data;
  const DicenetUpscale *scale = &job->session->upscale;
  const guint rows = scale->rows->out;

  dicenet_decode_mask (scale, job->logits, rows * i / job->n_parts, rows * (i + 1) / job->n_parts, job->mask,
                       job->stride, job->session->scratch + seat * dicenet_upscale_scratch (scale));
}

static void
decode_mask (DicenetSession *self, guint image, guint8 *mask, gsize stride)
{
  const DicenetBackendOps *ops = self->executor->ops;
  MaskJob job = { self, ops->output (self->executor, 0, image), mask, stride, dicenet_session_get_n_threads (self) };

  if (ops->share)
    ops->share (self->executor, job.n_parts, decode_part, &job);
  else
    for (guint i = 0; i < job.n_parts; i++)
      decode_part (&job, i, 0);
}

void
dicenet_session_get_mask (DicenetSession *self, guint image, guint8 *mask, gsize stride)
{
  g_return_if_fail (DICENET_IS_SESSION (self));
  g_return_if_fail (mask != NULL && stride >= self->width);
  g_return_if_fail (can_read (self, DICENET_TASK_SEGMENT, image));

  if (self->executor->ops->mask)
    self->executor->ops->mask (self->executor, image, mask, stride);
  else
    decode_mask (self, image, mask, stride);
}

GBytes *
dicenet_session_dup_mask (DicenetSession *self, guint image)
{
  g_return_val_if_fail (DICENET_IS_SESSION (self), NULL);
  g_return_val_if_fail (can_read (self, DICENET_TASK_SEGMENT, image), NULL);

  const gsize n = (gsize) self->width * self->height;
  guint8 *mask = g_try_malloc (n);
  if (mask == NULL)
    return NULL;
  dicenet_session_get_mask (self, image, mask, self->width);
  return g_bytes_new_take (mask, n);
}

void
dicenet_session_get_logits (DicenetSession *self, guint image, gfloat *logits)
{
  g_return_if_fail (DICENET_IS_SESSION (self));
  g_return_if_fail (logits != NULL);
  g_return_if_fail (can_read (self, DICENET_TASK_SEGMENT, image));

  dicenet_decode_logits (&self->upscale, self->executor->ops->output (self->executor, 0, image), logits, self->scratch);
}
