/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <dicenet/image.h>
#include <dicenet/model.h>
#include <dicenet/options.h>
#include <dicenet/request.h>
#include <dicenet/results.h>

G_BEGIN_DECLS

/**
 * DICENET_MAX_SUBMISSIONS:
 *
 * Maximum number of submissions of a session that have not been waited for.
 */
#define DICENET_MAX_SUBMISSIONS 8

/**
 * DicenetSession:
 *
 * Runs one model on one device. A session owns the activation memory and the plans for the sizes it has run at; the
 * weights belong to the model.
 *
 * A run is submitted, then waited for; dicenet_session_run_image() and its variants do both. The picture is read during
 * submission. The network runs afterwards, in the order of submission. Any thread may submit, and any thread may wait
 * for any submission. Submissions are serialised among each other, and so are waits, but submitting does not block on a
 * thread that waits. Different sessions, also of the same model, run in parallel.
 */
#define DICENET_TYPE_SESSION (dicenet_session_get_type ())
DICENET_API
G_DECLARE_FINAL_TYPE (DicenetSession, dicenet_session, DICENET, SESSION, GObject)

/**
 * dicenet_session_new:
 * @model: a model; the session holds a reference to it
 * @options: (nullable): what to run on, and how; %NULL for the defaults
 * @error: return location for a #GError of domain %DICENET_ERROR
 *
 * Prepares a model for running.
 *
 * Returns: (transfer full): the session, or %NULL with @error set
 */
DICENET_API DicenetSession *dicenet_session_new (DicenetModel *model, const DicenetOptions *options, GError **error);

/**
 * dicenet_session_get_model:
 *
 * Gets the session's model.
 *
 * Returns: (transfer none): the session's model
 */
DICENET_API DicenetModel *dicenet_session_get_model (DicenetSession *self);

/**
 * dicenet_session_get_backend:
 * @self: a session
 *
 * Gets what the session runs on.
 *
 * Returns: the backend in use, never %DICENET_BACKEND_AUTO.
 */
DICENET_API DicenetBackend dicenet_session_get_backend (DicenetSession *self);

/**
 * dicenet_session_get_precision:
 * @self: a session
 *
 * Gets the precision of the computation.
 *
 * Returns: the precision in effect, never %DICENET_PRECISION_AUTO.
 */
DICENET_API DicenetPrecision dicenet_session_get_precision (DicenetSession *self);

/**
 * dicenet_session_get_warning:
 * @self: a session
 *
 * Tells how the session differs from what was asked for.
 *
 * Returns: (nullable): a message for users that says which option could not be satisfied, and why; %NULL if all were.
 */
DICENET_API const char *dicenet_session_get_warning (DicenetSession *self);

/**
 * dicenet_session_get_n_threads:
 * @self: a session
 *
 * Gets the number of threads that compute.
 *
 * Returns: number of threads that the session computes with.
 */
DICENET_API guint dicenet_session_get_n_threads (DicenetSession *self);

/**
 * dicenet_session_get_device:
 * @self: a session
 *
 * Gets the name of the device.
 *
 * Returns: a description of the device for users: the instruction set of the CPU kernels ("avx512", "avx2", "baseline";
 *   "ref" for plain C), or the GPU.
 */
DICENET_API const char *dicenet_session_get_device (DicenetSession *self);

/**
 * dicenet_session_get_arena_bytes:
 * @self: a session
 *
 * Gets the size of the memory for activations.
 *
 * Returns: size in bytes of the activation memory that the session currently holds.
 */
DICENET_API gsize dicenet_session_get_arena_bytes (DicenetSession *self);

/**
 * dicenet_session_prepare:
 * @self: a session
 * @width: inference width in pixels
 * @height: inference height in pixels
 * @batch: number of pictures in a batch, at least 1
 * @error: return location for a #GError
 *
 * Creates the plan and allocates the memory for a size, so that the next run at this size only allocates its result.
 * Runs do this when needed; call this function to keep it out of the first run. Blocks until the run in progress is
 * complete.
 *
 * Returns: %TRUE on success, %FALSE with @error set
 */
DICENET_API gboolean dicenet_session_prepare (DicenetSession *self, guint width, guint height, guint batch,
                                              GError **error);

/**
 * DicenetSubmission:
 *
 * A run that was submitted to a session. It holds a reference to the session. Dropping the last reference without
 * having waited cancels the run, or blocks until it ends if it has already started.
 */
typedef struct _DicenetSubmission DicenetSubmission;

#define DICENET_TYPE_SUBMISSION (dicenet_submission_get_type ())
DICENET_API GType dicenet_submission_get_type (void);

/**
 * dicenet_submission_ref: (skip)
 * @self: a submission
 *
 * Takes a reference.
 *
 * Returns: (transfer full): the submission, with another reference
 */
DICENET_API DicenetSubmission *dicenet_submission_ref (DicenetSubmission *self);

/**
 * dicenet_submission_unref: (skip)
 * @self: (transfer full): a submission
 *
 * Drops a reference; the last one cancels a submission that nobody waited for.
 */
DICENET_API void dicenet_submission_unref (DicenetSubmission *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetSubmission, dicenet_submission_unref)

/**
 * dicenet_submission_wait:
 * @self: a submission
 * @error: return location for a #GError: %DICENET_ERROR_DEVICE if the device failed, %DICENET_ERROR_NO_MEMORY if
 *   activations or the result could not be allocated
 *
 * Waits for the result. On the CPU, the calling thread computes it, and all earlier submissions, unless the session has
 * a worker (dicenet_options_set_worker()). The result, or the error, is returned once: waiting again is an error
 * (%DICENET_ERROR_ARGUMENT).
 *
 * Returns: (transfer full): the result, or %NULL with @error set; free with dicenet_result_unref()
 */
DICENET_API DicenetResult *dicenet_submission_wait (DicenetSubmission *self, GError **error);

/**
 * dicenet_session_submit_image:
 * @self: a session
 * @image: a picture of any size
 * @request: (nullable): the parameters of the run; %NULL for the defaults
 * @error: return location for a #GError
 *
 * Scales and normalises the picture in the same way as in training, and submits a run on it. The picture is no longer
 * needed when this returns. A session accepts %DICENET_MAX_SUBMISSIONS submissions that have not been waited for; one
 * more is an error (%DICENET_ERROR_ARGUMENT).
 *
 * Returns: (transfer full): the submission, or %NULL with @error set; free with dicenet_submission_unref()
 */
DICENET_API DicenetSubmission *dicenet_session_submit_image (DicenetSession *self, const DicenetImage *image,
                                                             const DicenetRequest *request, GError **error);

/**
 * dicenet_session_submit_bytes:
 * @self: a session
 * @pixels: rows without padding, top to bottom
 * @format: a packed RGB format, or GRAY8 (full range)
 * @width: the picture's width
 * @height: the picture's height
 * @request: (nullable): the parameters of the run; %NULL for the defaults
 * @error: return location for a #GError
 *
 * Variant of dicenet_session_submit_image() for language bindings that cannot set the pointers of a #DicenetImage.
 *
 * Returns: (transfer full): the submission, or %NULL with @error set
 */
DICENET_API DicenetSubmission *dicenet_session_submit_bytes (DicenetSession *self, GBytes *pixels,
                                                             DicenetPixelFormat format, guint width, guint height,
                                                             const DicenetRequest *request, GError **error);

/**
 * dicenet_session_submit_tensor:
 * @self: a session
 * @data: (array length=n): batch x 3 x height x width numbers, RGB, normalised with the model's mean and std; width and
 *   height are those of @request
 * @n: number of floats in @data
 * @batch: number of pictures
 * @request: (nullable): the parameters of the run; %NULL for the defaults
 * @error: return location for a #GError
 *
 * Submits a run on tensors that the caller has prepared. They are no longer needed when this returns.
 *
 * Returns: (transfer full): the submission, or %NULL with @error set
 */
DICENET_API DicenetSubmission *dicenet_session_submit_tensor (DicenetSession *self, const gfloat *data, gsize n,
                                                              guint batch, const DicenetRequest *request,
                                                              GError **error);

/**
 * dicenet_session_run_image:
 * @self: a session
 * @image: a picture of any size
 * @request: (nullable): the parameters of the run; %NULL for the defaults
 * @error: return location for a #GError
 *
 * Combines dicenet_session_submit_image() and dicenet_submission_wait().
 *
 * Returns: (transfer full): the result, or %NULL with @error set
 */
DICENET_API DicenetResult *dicenet_session_run_image (DicenetSession *self, const DicenetImage *image,
                                                      const DicenetRequest *request, GError **error);

/**
 * dicenet_session_run_bytes:
 * @self: a session
 * @pixels: as in dicenet_session_submit_bytes()
 * @format: likewise
 * @width: likewise
 * @height: likewise
 * @request: (nullable): the parameters of the run; %NULL for the defaults
 * @error: return location for a #GError
 *
 * Combines dicenet_session_submit_bytes() and dicenet_submission_wait().
 *
 * Returns: (transfer full): the result, or %NULL with @error set
 */
DICENET_API DicenetResult *dicenet_session_run_bytes (DicenetSession *self, GBytes *pixels, DicenetPixelFormat format,
                                                      guint width, guint height, const DicenetRequest *request,
                                                      GError **error);

/**
 * dicenet_session_run_tensor:
 * @self: a session
 * @data: (array length=n): as in dicenet_session_submit_tensor()
 * @n: likewise
 * @batch: likewise
 * @request: (nullable): the parameters of the run; %NULL for the defaults
 * @error: return location for a #GError
 *
 * Combines dicenet_session_submit_tensor() and dicenet_submission_wait().
 *
 * Returns: (transfer full): the result, or %NULL with @error set
 */
DICENET_API DicenetResult *dicenet_session_run_tensor (DicenetSession *self, const gfloat *data, gsize n, guint batch,
                                                       const DicenetRequest *request, GError **error);

G_END_DECLS
