/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/error.h>
#include <dicenet/session.h>
#include <dicenet/text.h>
#include <pthread.h>
#include "../prepost/preprocess-layout.h"
#include "decode.h"
#include "model-private.h"
#include "options-private.h"
#include "request-private.h"
#include "session-private.h"

/* Locking: a thread that reads a picture holds @submitting, and a thread that computes sets @is_busy, so that the next
 * picture can be read meanwhile. @lock is only held briefly. Locks are pthread's, and references are counted here,
 * because ThreadSanitizer does not see synchronisation inside GLib. */

struct _DicenetSession {
  GObject parent_instance;
  DicenetModel *model;
  const DicenetNetwork *program;
  DicenetExecutor *executor;
  DicenetDecoder decoder;

  pthread_mutex_t submitting;
  pthread_mutex_t lock; /* protects the following fields and the state of submissions */
  pthread_cond_t changed;
  GQueue pending;      /* DicenetSubmission, oldest first */
  guint n_submissions; /* those that have not been waited for */
  gboolean is_busy;    /* a submission is being computed */
  gboolean is_closing;
  GThread *worker; /* or NULL */
};

G_DEFINE_FINAL_TYPE (DicenetSession, dicenet_session, G_TYPE_OBJECT)

typedef enum {
  PENDING,
  COMPUTING,
  DONE,
  TOLD,
} State;

struct _DicenetSubmission {
  gint n_refs;
  DicenetSession *session;
  DicenetJob *job;
  DicenetRequest *request;
  State state;
  /* In state DONE, one of them is set: */
  DicenetResult *result;
  GError *error;
};

G_DEFINE_BOXED_TYPE (DicenetSubmission, dicenet_submission, dicenet_submission_ref, dicenet_submission_unref)

/* --- computing --- */

static DicenetResult *
compute (DicenetSession *self, DicenetSubmission *submission, GError **error)
{
  DicenetFound found = { .masks = NULL };

  if (!self->executor->ops->wait (self->executor, submission->job, &found, error))
    return NULL;
  return dicenet_decode (&self->decoder, self->model, submission->job, &found, submission->request, error);
}

/* Releases the lock while computing. Requires that the session is not busy and a submission is pending. */
static void
compute_oldest (DicenetSession *self)
{
  DicenetSubmission *submission = g_queue_pop_head (&self->pending);

  submission->state = COMPUTING;
  self->is_busy = TRUE;
  pthread_mutex_unlock (&self->lock);
  submission->result = compute (self, submission, &submission->error);
  dicenet_executor_release (self->executor, g_steal_pointer (&submission->job));
  pthread_mutex_lock (&self->lock);
  submission->state = DONE;
  self->is_busy = FALSE;
  pthread_cond_broadcast (&self->changed);
}

static gpointer
work (gpointer data)
{
  DicenetSession *self = data;

  pthread_mutex_lock (&self->lock);
  while (!self->is_closing) {
    if (!self->is_busy && !g_queue_is_empty (&self->pending))
      compute_oldest (self);
    else
      pthread_cond_wait (&self->changed, &self->lock);
  }
  pthread_mutex_unlock (&self->lock);
  return NULL;
}

/* Called with the lock held. */
static void
finish (DicenetSubmission *submission)
{
  DicenetSession *session = submission->session;

  while (submission->state < DONE) {
    if (session->worker == NULL && !session->is_busy)
      compute_oldest (session);
    else
      pthread_cond_wait (&session->changed, &session->lock);
  }
}

/* --- opening and closing --- */

/* There are no submissions any more, because they hold references to the session. */
static void
dicenet_session_finalize (GObject *object)
{
  DicenetSession *self = DICENET_SESSION (object);

  if (self->worker) {
    pthread_mutex_lock (&self->lock);
    self->is_closing = TRUE;
    pthread_cond_broadcast (&self->changed);
    pthread_mutex_unlock (&self->lock);
    g_thread_join (self->worker);
  }
  dicenet_executor_close (self->executor);
  g_free (self->decoder.scratch);
  pthread_mutex_destroy (&self->submitting);
  pthread_mutex_destroy (&self->lock);
  pthread_cond_destroy (&self->changed);
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
  pthread_mutex_init (&self->submitting, NULL);
  pthread_mutex_init (&self->lock, NULL);
  pthread_cond_init (&self->changed, NULL);
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

static gboolean
open_executor (DicenetSession *self, const DicenetOptions *options, GError **error)
{
  DicenetDeviceOptions target = options->target;
  const char *set;

  target.cpu_mask = dicenet_cpu_mask ();
  self->executor = dicenet_executor_open (options->backend, self->program, &target, error);
  self->decoder = (DicenetDecoder){ .executor = self->executor,
                                    .kernels = dicenet_kernels_get (target.cpu_mask, &set),
                                    .pixels = dicenet_pixel_kernels_get (target.cpu_mask, &set) };
  return self->executor != NULL;
}

static gboolean
start_worker (DicenetSession *self, const DicenetOptions *options, GError **error)
{
  GError *reason = NULL;

  if (!options->worker || self->executor->ops->is_asynchronous)
    return TRUE;
  self->worker = g_thread_try_new ("dicenet", work, self, &reason);
  if (self->worker != NULL)
    return TRUE;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY, "a thread for a session can't be started: %s",
               reason->message);
  g_error_free (reason);
  return FALSE;
}

/* g_object_new(), which language bindings may call, makes a session that is not. */
static gboolean
is_open (DicenetSession *self)
{
  return DICENET_IS_SESSION (self) && self->executor != NULL;
}

DicenetSession *
dicenet_session_new (DicenetModel *model, const DicenetOptions *options, GError **error)
{
  g_return_val_if_fail (dicenet_model_is_loaded (model), NULL);

  if (!check_environment (error))
    return NULL;
  if (options == NULL)
    options = &dicenet_options_default;
  g_autoptr (DicenetSession) self = g_object_new (DICENET_TYPE_SESSION, NULL);
  self->model = g_object_ref (model);
  self->program = dicenet_model_get_program (model);
  return open_executor (self, options, error) && start_worker (self, options, error) ? g_steal_pointer (&self) : NULL;
}

/* --- properties --- */

DicenetExecutor *
dicenet_session_get_executor (DicenetSession *self)
{
  return self->executor;
}

DicenetModel *
dicenet_session_get_model (DicenetSession *self)
{
  g_return_val_if_fail (is_open (self), NULL);
  return self->model;
}

DicenetBackend
dicenet_session_get_backend (DicenetSession *self)
{
  g_return_val_if_fail (is_open (self), DICENET_BACKEND_CPU);
  return self->executor->ops->kind;
}

DicenetPrecision
dicenet_session_get_precision (DicenetSession *self)
{
  g_return_val_if_fail (is_open (self), DICENET_PRECISION_FLOAT32);
  return self->executor->precision;
}

const char *
dicenet_session_get_warning (DicenetSession *self)
{
  g_return_val_if_fail (is_open (self), NULL);
  return self->executor->warning;
}

guint
dicenet_session_get_n_threads (DicenetSession *self)
{
  g_return_val_if_fail (is_open (self), 0);
  return self->executor->ops->n_threads (self->executor);
}

const char *
dicenet_session_get_device (DicenetSession *self)
{
  g_return_val_if_fail (is_open (self), NULL);
  return self->executor->device;
}

gsize
dicenet_session_get_arena_bytes (DicenetSession *self)
{
  g_return_val_if_fail (is_open (self), 0);
  return self->executor->ops->arena_bytes (self->executor);
}

/* --- preparing --- */

static void
set_busy (DicenetSession *self, gboolean is_busy)
{
  pthread_mutex_lock (&self->lock);
  while (is_busy && self->is_busy)
    pthread_cond_wait (&self->changed, &self->lock);
  self->is_busy = is_busy;
  pthread_cond_broadcast (&self->changed);
  pthread_mutex_unlock (&self->lock);
}

static gboolean
check_batch (guint batch, GError **error)
{
  if (batch >= 1)
    return TRUE;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "expected a batch of at least 1, found 0");
  return FALSE;
}

gboolean
dicenet_session_prepare (DicenetSession *self, guint width, guint height, guint batch, GError **error)
{
  g_return_val_if_fail (is_open (self), FALSE);

  if (!dicenet_request_check_size (width, height, error) || !check_batch (batch, error))
    return FALSE;
  pthread_mutex_lock (&self->submitting);
  set_busy (self, TRUE);
  const DicenetSize *size = dicenet_executor_prepare (self->executor, width, height, batch, error);
  const gboolean is_ready = size != NULL && dicenet_decoder_prepare (&self->decoder, size, error);
  set_busy (self, FALSE);
  pthread_mutex_unlock (&self->submitting);
  return is_ready;
}

/* --- submitting --- */

/* Reserves a submission; FALSE with @error set if there are too many. */
static gboolean
take_place (DicenetSession *self, GError **error)
{
  pthread_mutex_lock (&self->lock);
  const gboolean is_there = self->n_submissions < DICENET_MAX_SUBMISSIONS;
  self->n_submissions += is_there;
  pthread_mutex_unlock (&self->lock);
  if (!is_there)
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "nobody has waited for the last %d submissions of this session: wait for one before the next",
                 DICENET_MAX_SUBMISSIONS);
  return is_there;
}

static void
give_place (DicenetSession *self)
{
  pthread_mutex_lock (&self->lock);
  self->n_submissions--;
  pthread_mutex_unlock (&self->lock);
}

static DicenetSubmission *
submission_new (DicenetSession *self, DicenetJob *job, DicenetRequest *request)
{
  DicenetSubmission *submission = g_new0 (DicenetSubmission, 1);

  submission->n_refs = 1;
  submission->session = g_object_ref (self);
  submission->job = job;
  submission->request = request;
  pthread_mutex_lock (&self->lock);
  g_queue_push_tail (&self->pending, submission);
  pthread_cond_broadcast (&self->changed);
  pthread_mutex_unlock (&self->lock);
  return submission;
}

/* Takes ownership of @request, which is resolved. */
static DicenetSubmission *
submit (DicenetSession *self, DicenetRun *run, DicenetRequest *request, GError **error)
{
  DicenetSubmission *submission = NULL;

  run->request = request;
  if (take_place (self, error)) {
    pthread_mutex_lock (&self->submitting); /* held until the submission is queued, so that both queues have the same
                                             * order */
    DicenetJob *job = dicenet_executor_submit (self->executor, run, error);
    if (job != NULL)
      submission = submission_new (self, job, g_steal_pointer (&request));
    pthread_mutex_unlock (&self->submitting);
    if (job == NULL)
      give_place (self);
  }
  dicenet_request_free (request);
  return submission;
}

static gboolean
check_memory (DicenetSession *self, const DicenetImage *image, GError **error)
{
  if (image->memory == DICENET_MEMORY_SYSTEM || dicenet_session_get_backend (self) != DICENET_BACKEND_CPU)
    return TRUE;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
               "the picture is in a GPU's memory, and this session computes on the processor: copy the picture to "
               "system memory first, or open the session with backend=cuda");
  return FALSE;
}

DicenetSubmission *
dicenet_session_submit_image (DicenetSession *self, const DicenetImage *image, const DicenetRequest *request,
                              GError **error)
{
  g_return_val_if_fail (is_open (self), NULL);
  g_return_val_if_fail (image != NULL, NULL);

  DicenetImage part;
  g_autoptr (DicenetRequest) complete = dicenet_request_resolve (request, self->program->description, error);
  if (complete == NULL || !check_memory (self, image, error) || !dicenet_image_part (&part, image, complete, error))
    return NULL;
  return submit (self, &(DicenetRun){ .batch = 1, .image = &part }, g_steal_pointer (&complete), error);
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

DicenetSubmission *
dicenet_session_submit_bytes (DicenetSession *self, GBytes *pixels, DicenetPixelFormat format, guint width,
                              guint height, const DicenetRequest *request, GError **error)
{
  g_return_val_if_fail (is_open (self), NULL);
  g_return_val_if_fail (pixels != NULL, NULL);

  const guint64 stride = (guint64) width * bytes_per_pixel (format), wanted = stride * height;
  if (bytes_per_pixel (format) == 0) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "expected a format of one plane (RGB family or GRAY8), found format %d", (int) format);
    return NULL;
  }
  if (stride > G_MAXINT || g_bytes_get_size (pixels) != wanted) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "expected the %" G_GUINT64_FORMAT " bytes of a picture of %u x %u pixels, found %" G_GSIZE_FORMAT,
                 wanted, width, height, g_bytes_get_size (pixels));
    return NULL;
  }
  const DicenetImage image = {
    .format = format,
    .range = DICENET_COLOR_RANGE_FULL,
    .width = width,
    .height = height,
    .planes = { g_bytes_get_data (pixels, NULL) },
    .strides = { (gint) stride },
  };
  return dicenet_session_submit_image (self, &image, request, error);
}

static gboolean
check_tensor (gsize n, guint batch, const DicenetRequest *request, GError **error)
{
  if (!check_batch (batch, error))
    return FALSE;
  if (request->part.width > 0 || request->part.height > 0) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "tensors have no parts: leave out the rectangle, or run on a picture");
    return FALSE;
  }
  if (n / batch == 3 * (gsize) request->width * request->height && n % batch == 0)
    return TRUE;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
               "expected %u x 3 x %u x %u numbers, found %" G_GSIZE_FORMAT, batch, request->height, request->width, n);
  return FALSE;
}

DicenetSubmission *
dicenet_session_submit_tensor (DicenetSession *self, const gfloat *data, gsize n, guint batch,
                               const DicenetRequest *request, GError **error)
{
  g_return_val_if_fail (is_open (self), NULL);
  g_return_val_if_fail (data != NULL, NULL);

  g_autoptr (DicenetRequest) complete = dicenet_request_resolve (request, self->program->description, error);
  if (complete == NULL || !check_tensor (n, batch, complete, error))
    return NULL;
  return submit (self, &(DicenetRun){ .batch = batch, .tensor = data }, g_steal_pointer (&complete), error);
}

/* --- waiting --- */

DicenetSubmission *
dicenet_submission_ref (DicenetSubmission *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_atomic_int_inc (&self->n_refs);
  return self;
}

/* Cancels a submission that was not waited for, unless it has started. */
static void
call_off (DicenetSubmission *self)
{
  DicenetSession *session = self->session;

  pthread_mutex_lock (&session->lock);
  if (self->state == PENDING)
    g_queue_remove (&session->pending, self);
  else
    finish (self);
  session->n_submissions -= self->state != TOLD;
  pthread_mutex_unlock (&session->lock);
}

void
dicenet_submission_unref (DicenetSubmission *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_int_dec_and_test (&self->n_refs))
    return;
  call_off (self);
  if (self->job)
    dicenet_executor_release (self->session->executor, self->job);
  if (self->result)
    dicenet_result_unref (self->result);
  g_clear_error (&self->error);
  dicenet_request_free (self->request);
  g_object_unref (self->session);
  g_free (self);
}

DicenetResult *
dicenet_submission_wait (DicenetSubmission *self, GError **error)
{
  g_return_val_if_fail (self != NULL, NULL);

  DicenetSession *session = self->session;
  pthread_mutex_lock (&session->lock);
  finish (self);
  session->n_submissions -= self->state != TOLD;
  if (self->state == TOLD)
    g_set_error (&self->error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "the result of this submission was told already: wait once, and keep the result");
  self->state = TOLD;
  DicenetResult *result = g_steal_pointer (&self->result);
  GError *failed = g_steal_pointer (&self->error);
  pthread_mutex_unlock (&session->lock);
  if (failed)
    g_propagate_error (error, failed);
  return result;
}

/* --- submitting and waiting --- */

/* Takes ownership of @submission. */
static DicenetResult *
wait_for (DicenetSubmission *submission, GError **error)
{
  g_autoptr (DicenetSubmission) held = submission;
  return held ? dicenet_submission_wait (held, error) : NULL;
}

DicenetResult *
dicenet_session_run_image (DicenetSession *self, const DicenetImage *image, const DicenetRequest *request,
                           GError **error)
{
  return wait_for (dicenet_session_submit_image (self, image, request, error), error);
}

DicenetResult *
dicenet_session_run_bytes (DicenetSession *self, GBytes *pixels, DicenetPixelFormat format, guint width, guint height,
                           const DicenetRequest *request, GError **error)
{
  return wait_for (dicenet_session_submit_bytes (self, pixels, format, width, height, request, error), error);
}

DicenetResult *
dicenet_session_run_tensor (DicenetSession *self, const gfloat *data, gsize n, guint batch,
                            const DicenetRequest *request, GError **error)
{
  return wait_for (dicenet_session_submit_tensor (self, data, n, batch, request, error), error);
}
