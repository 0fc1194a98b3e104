/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <dicenet/image.h>
#include <dicenet/model.h>
#include <dicenet/options.h>
#include <dicenet/request.h>
#include <dicenet/results.h>

G_BEGIN_DECLS

/* Submissions of a session that nobody has waited for, at most. */
#define DICENET_MAX_SUBMISSIONS 8

/**
 * DicenetSession:
 *
 * Runs one model on one device. A session holds the memory for activations and the plans for the sizes it has seen; the
 * weights belong to the model.
 *
 * Runs are submitted and waited for, which dicenet_session_run_image() and its siblings do in one: the picture is read
 * when a submission is made, and the network runs after that, in the order of the submissions. Any thread may submit,
 * and any may wait, for any submission: threads that submit wait for each other, those that wait do, and one that
 * submits does not wait for one that waits. Different sessions, of the same model too, run in parallel.
 */
#define DICENET_TYPE_SESSION (dicenet_session_get_type ())
DICENET_API
G_DECLARE_FINAL_TYPE (DicenetSession, dicenet_session, DICENET, SESSION, GObject)

/**
 * dicenet_session_new:
 * @model: a model; the session takes a reference of its own
 * @options: (nullable): what to run on, and how; %NULL for the defaults
 * @error: return location for a #GError of domain %DICENET_ERROR
 *
 * Returns: (transfer full): the session, or %NULL with @error set
 */
DICENET_API DicenetSession *dicenet_session_new (DicenetModel *model, const DicenetOptions *options, GError **error);

/**
 * dicenet_session_get_model:
 *
 * Returns: (transfer none): the session's model
 */
DICENET_API DicenetModel *dicenet_session_get_model (DicenetSession *self);

/**
 * dicenet_session_get_backend:
 * @self: a session
 *
 * Returns: the backend that the session runs on, never %DICENET_BACKEND_AUTO.
 */
DICENET_API DicenetBackend dicenet_session_get_backend (DicenetSession *self);

/**
 * dicenet_session_get_precision:
 * @self: a session
 *
 * Returns: the precision in effect, never %DICENET_PRECISION_AUTO.
 */
DICENET_API DicenetPrecision dicenet_session_get_precision (DicenetSession *self);

/**
 * dicenet_session_get_warning:
 * @self: a session
 *
 * Returns: (nullable): what about the session is not as it was asked for, and why, for users to read; %NULL if all is.
 */
DICENET_API const char *dicenet_session_get_warning (DicenetSession *self);

/**
 * dicenet_session_get_n_threads:
 * @self: a session
 *
 * Returns: number of threads that the session computes with.
 */
DICENET_API guint dicenet_session_get_n_threads (DicenetSession *self);

/**
 * dicenet_session_get_device:
 * @self: a session
 *
 * Returns: what the session computes on, for users to read: the instruction set of the CPU's kernels ("avx512", "avx2",
 * "baseline"; "ref" for plain C), or the GPU.
 */
DICENET_API const char *dicenet_session_get_device (DicenetSession *self);

/**
 * dicenet_session_get_arena_bytes:
 * @self: a session
 *
 * Returns: bytes of activation memory that the session holds at the moment.
 */
DICENET_API gsize dicenet_session_get_arena_bytes (DicenetSession *self);

/**
 * dicenet_session_prepare:
 * @self: a session
 * @width: inference width in pixels
 * @height: inference height in pixels
 * @batch: number of pictures that run together, at least 1
 * @error: return location for a #GError
 *
 * Makes the plan and the memory for a size, so that the next run of it allocates no more than its result. Runs do it by
 * themselves when needed; call this where the first frame must not wait. Waits for what is being computed.
 *
 * Returns: whether it worked
 */
DICENET_API gboolean dicenet_session_prepare (DicenetSession *self, guint width, guint height, guint batch,
                                              GError **error);

/**
 * DicenetSubmission:
 *
 * A run that was submitted to a session, which it keeps alive. Whoever lets go of the last reference without having
 * waited for it calls it off, or waits until it is over where it has begun.
 */
typedef struct _DicenetSubmission DicenetSubmission;

#define DICENET_TYPE_SUBMISSION (dicenet_submission_get_type ())
DICENET_API GType dicenet_submission_get_type (void);

/**
 * dicenet_submission_ref:
 * @self: a submission
 *
 * Returns: (transfer full): the submission, with another reference
 */
DICENET_API DicenetSubmission *dicenet_submission_ref (DicenetSubmission *self);

/**
 * dicenet_submission_unref:
 * @self: (transfer full): a submission
 */
DICENET_API void dicenet_submission_unref (DicenetSubmission *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetSubmission, dicenet_submission_unref)

/**
 * dicenet_submission_wait:
 * @self: a submission
 * @error: return location for a #GError: %DICENET_ERROR_DEVICE where the device failed, %DICENET_ERROR_NO_MEMORY where
 *   there is none for activations or for the result
 *
 * Waits for the result; on the processor the calling thread computes it, and what was submitted before it, unless the
 * session has a worker (dicenet_options_set_worker()). What became of a submission, result or error, is told once: the
 * second time is an error (%DICENET_ERROR_ARGUMENT).
 *
 * Returns: (transfer full): the result, or %NULL with @error set; free with dicenet_result_unref()
 */
DICENET_API DicenetResult *dicenet_submission_wait (DicenetSubmission *self, GError **error);

/**
 * dicenet_session_submit_image:
 * @self: a session
 * @image: a picture of any size
 * @request: (nullable): what is asked for; %NULL for the defaults
 * @error: return location for a #GError
 *
 * Scales and normalises the picture as the networks were trained with, and lets the network run on it. The picture is
 * not needed any more when this returns. Of submissions that nobody has waited for a session takes
 * %DICENET_MAX_SUBMISSIONS; one more is an error (%DICENET_ERROR_ARGUMENT).
 *
 * Returns: (transfer full): what to wait for, or %NULL with @error set; free with dicenet_submission_unref()
 */
DICENET_API DicenetSubmission *dicenet_session_submit_image (DicenetSession *self, const DicenetImage *image,
                                                             const DicenetRequest *request, GError **error);

/**
 * dicenet_session_submit_bytes:
 * @self: a session
 * @pixels: rows without padding, top to bottom
 * @format: a format of one plane: the RGB family, or GRAY8 (full range)
 * @width: the picture's width
 * @height: the picture's height
 * @request: (nullable): what is asked for; %NULL for the defaults
 * @error: return location for a #GError
 *
 * dicenet_session_submit_image() for languages in which a #DicenetImage's pointers cannot be set.
 *
 * Returns: (transfer full): what to wait for, or %NULL with @error set
 */
DICENET_API DicenetSubmission *dicenet_session_submit_bytes (DicenetSession *self, GBytes *pixels,
                                                             DicenetPixelFormat format, guint width, guint height,
                                                             const DicenetRequest *request, GError **error);

/**
 * dicenet_session_submit_tensor:
 * @self: a session
 * @data: (array length=n): batch x 3 x height x width numbers, RGB, normalised with the model's mean and std; width and
 *   height are the request's
 * @n: how many numbers these are
 * @batch: number of pictures
 * @request: (nullable): what is asked for; %NULL for the defaults
 * @error: return location for a #GError
 *
 * Lets the network run on tensors that the caller made, which are not needed any more when this returns.
 *
 * Returns: (transfer full): what to wait for, or %NULL with @error set
 */
DICENET_API DicenetSubmission *dicenet_session_submit_tensor (DicenetSession *self, const gfloat *data, gsize n,
                                                              guint batch, const DicenetRequest *request,
                                                              GError **error);

/**
 * dicenet_session_run_image:
 * @self: a session
 * @image: a picture of any size
 * @request: (nullable): what is asked for; %NULL for the defaults
 * @error: return location for a #GError
 *
 * dicenet_session_submit_image() and dicenet_submission_wait() in one.
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
 * @request: (nullable): what is asked for; %NULL for the defaults
 * @error: return location for a #GError
 *
 * dicenet_session_submit_bytes() and dicenet_submission_wait() in one.
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
 * @request: (nullable): what is asked for; %NULL for the defaults
 * @error: return location for a #GError
 *
 * dicenet_session_submit_tensor() and dicenet_submission_wait() in one.
 *
 * Returns: (transfer full): the result, or %NULL with @error set
 */
DICENET_API DicenetResult *dicenet_session_run_tensor (DicenetSession *self, const gfloat *data, gsize n, guint batch,
                                                       const DicenetRequest *request, GError **error);

G_END_DECLS
