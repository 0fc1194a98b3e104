/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <dicenet/image.h>
#include <dicenet/model.h>
#include <dicenet/results.h>

G_BEGIN_DECLS

/**
 * DicenetBackend:
 * @DICENET_BACKEND_AUTO: the fastest one that works on this machine
 * @DICENET_BACKEND_CPU: the processor
 * @DICENET_BACKEND_CUDA: an NVIDIA GPU; an error where there is none
 */
typedef enum {
  DICENET_BACKEND_AUTO,
  DICENET_BACKEND_CPU,
  DICENET_BACKEND_CUDA,
} DicenetBackend;

/**
 * DicenetPrecision:
 * @DICENET_PRECISION_AUTO: the fastest one that the machine has
 * @DICENET_PRECISION_FLOAT32: single precision throughout
 * @DICENET_PRECISION_BFLOAT16: inputs and weights of convolutions over all channels are rounded to bfloat16 (8 bits of
 *   precision), which has the range of single precision; sums and everything else are single precision. On the CPU this
 *   needs AVX512-BF16, on a GPU compute capability 8.0
 * @DICENET_PRECISION_FLOAT16: the same with half precision (11 bits of precision, numbers up to 65504), on GPUs
 * @DICENET_PRECISION_TF32: the same with NVIDIA's TensorFloat-32 (11 bits of precision, the range of single precision),
 *   on GPUs from compute capability 8.0
 *
 * What is computed with. docs/numerics.md says what bfloat16 changes in the results.
 */
typedef enum {
  DICENET_PRECISION_AUTO,
  DICENET_PRECISION_FLOAT32,
  DICENET_PRECISION_BFLOAT16,
  DICENET_PRECISION_FLOAT16,
  DICENET_PRECISION_TF32,
} DicenetPrecision;

/**
 * DicenetSession:
 *
 * Runs one model on one device. A session holds the memory for activations and the plans for the sizes it has seen; the
 * weights belong to the model. One thread at a time may use a session; different sessions, of the same model too, run
 * in parallel.
 */
#define DICENET_TYPE_SESSION (dicenet_session_get_type ())
DICENET_API
G_DECLARE_FINAL_TYPE (DicenetSession, dicenet_session, DICENET, SESSION, GObject)

/**
 * dicenet_session_new:
 * @model: a model; the session takes a reference of its own
 * @backend: what to run on
 * @device_id: which GPU, from 0; -1 for the default one. Not looked at by the CPU
 * @precision: what to compute with. Where the machine lacks it, the session computes in single precision, and
 *   dicenet_session_get_warning() says so
 * @n_threads: threads to compute with, the caller's among them; 0 for one per processor that this process may use
 * @error: return location for a #GError of domain %DICENET_ERROR
 *
 * Returns: (transfer full): the session, or %NULL with @error set
 */
DICENET_API DicenetSession *dicenet_session_new (DicenetModel *model, DicenetBackend backend, gint device_id,
                                                 DicenetPrecision precision, guint n_threads, GError **error);

/**
 * dicenet_session_new_in_cuda_context: (skip)
 * @model: a model; the session takes a reference of its own
 * @context: a CUcontext, made by whoever decodes on the GPU, say. It must be current to the calling thread in this call
 *   and in all others with the session, its last g_object_unref() among them, and must outlive the session
 * @precision: as in dicenet_session_new()
 * @error: return location for a #GError of domain %DICENET_ERROR
 *
 * A session on the GPU of a CUDA context that the application has, so that pictures in that context's memory are read
 * where they lie (%DICENET_MEMORY_CUDA). dicenet_session_new() computes in the GPU's primary context, which CUDA's
 * runtime uses by itself.
 *
 * Returns: (transfer full): the session, or %NULL with @error set
 */
DICENET_API DicenetSession *dicenet_session_new_in_cuda_context (DicenetModel *model, gpointer context,
                                                                 DicenetPrecision precision, GError **error);

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
 * Makes the plan and the memory for a size, so that the next run of it allocates nothing. Runs do it by themselves when
 * needed; call this where the first frame must not wait.
 *
 * Returns: whether it worked
 */
DICENET_API gboolean dicenet_session_prepare (DicenetSession *self, guint width, guint height, guint batch,
                                              GError **error);

/**
 * dicenet_session_run_image:
 * @self: a session
 * @image: a picture of any size
 * @width: inference width in pixels, %DICENET_MIN_SIZE to %DICENET_MAX_SIZE
 * @height: inference height in pixels, likewise
 * @error: return location for a #GError
 *
 * Scales and normalises the picture as the networks were trained with, and runs the network. The results are read with
 * the dicenet_session_get functions until the next run.
 *
 * Returns: whether it worked
 */
DICENET_API gboolean dicenet_session_run_image (DicenetSession *self, const DicenetImage *image, guint width,
                                                guint height, GError **error);

/**
 * dicenet_session_run_bytes:
 * @self: a session
 * @pixels: rows without padding, top to bottom
 * @format: a format of one plane: the RGB family, or GRAY8 (full range)
 * @width: the picture's width
 * @height: the picture's height
 * @inference_width: as in dicenet_session_run_image()
 * @inference_height: as in dicenet_session_run_image()
 * @error: return location for a #GError
 *
 * dicenet_session_run_image() for languages in which a #DicenetImage's pointers cannot be set.
 *
 * Returns: whether it worked
 */
DICENET_API gboolean dicenet_session_run_bytes (DicenetSession *self, GBytes *pixels, DicenetPixelFormat format,
                                                guint width, guint height, guint inference_width,
                                                guint inference_height, GError **error);

/**
 * dicenet_session_run_tensor:
 * @self: a session
 * @data: (array length=n): batch x 3 x height x width numbers, RGB, normalised with the model's mean and std; only read
 * @n: how many numbers these are
 * @batch: number of pictures
 * @width: width in pixels
 * @height: height in pixels
 * @error: return location for a #GError
 *
 * Runs the network on tensors that the caller made.
 *
 * Returns: whether it worked
 */
DICENET_API gboolean dicenet_session_run_tensor (DicenetSession *self, const gfloat *data, gsize n, guint batch,
                                                 guint width, guint height, GError **error);

/**
 * dicenet_session_get_output:
 * @self: a session that has run
 * @name: classification: "logits" (classes); segmentation: "logits" (classes x h x w, h and w being half of the
 * input's, rounded up: the network's last scaling is done by dicenet_session_get_mask()); detection: "confidences"
 * (priors x classes, before softmax) and "locations" (priors x 4)
 * @image: index in the batch
 * @n: (out) (optional): number of floats
 *
 * Returns: (transfer none) (nullable) (array length=n): the last run's raw output for one picture, valid until the next
 *   run; %NULL if there is no output of this name or nothing has run
 */
DICENET_API const gfloat *dicenet_session_get_output (DicenetSession *self, const char *name, guint image, gsize *n);

/**
 * dicenet_session_get_priors:
 * @self: a detection session that has run
 * @n: (out): number of floats, 4 per prior
 *
 * Returns: (transfer none) (nullable) (array length=n): the prior boxes of the last run's size: centre x, centre y,
 *   width, height as fractions of the picture; %NULL if this is no detector or nothing has run
 */
DICENET_API const gfloat *dicenet_session_get_priors (DicenetSession *self, gsize *n);

/**
 * dicenet_session_get_classes:
 * @self: a classification session that has run
 * @image: index in the batch
 * @top_k: how many at most; 0 for all
 * @threshold: leave out what is below this confidence
 *
 * Returns: (transfer container) (element-type DicenetClass): classes, most confident first; empty if there are none.
 *   Free with g_array_unref()
 */
DICENET_API GArray *dicenet_session_get_classes (DicenetSession *self, guint image, guint top_k, gfloat threshold);

/**
 * dicenet_session_get_boxes:
 * @self: a detection session that has run
 * @image: index in the batch
 * @params: thresholds and limits
 *
 * Returns: (transfer container) (nullable) (element-type DicenetBox): boxes, most confident first; empty if there are
 *   none, %NULL if there is no memory for all that reach a threshold. Free with g_array_unref()
 */
DICENET_API GArray *dicenet_session_get_boxes (DicenetSession *self, guint image, const DicenetDetectParams *params);

/**
 * dicenet_session_get_mask: (skip)
 * @self: a segmentation session that has run
 * @image: index in the batch
 * @mask: stride * height bytes; gets the most likely class of each pixel of the inference size
 * @stride: bytes from one row of @mask to the next, at least the inference width
 */
DICENET_API void dicenet_session_get_mask (DicenetSession *self, guint image, guint8 *mask, gsize stride);

/**
 * dicenet_session_dup_mask:
 * @self: a segmentation session that has run
 * @image: index in the batch
 *
 * dicenet_session_get_mask() into memory of its own.
 *
 * Returns: (transfer full) (nullable): inference width x inference height bytes, a class each; %NULL if there is no
 * memory for them
 */
DICENET_API GBytes *dicenet_session_dup_mask (DicenetSession *self, guint image);

/**
 * dicenet_session_get_logits: (skip)
 * @self: a segmentation session that has run
 * @image: index in the batch
 * @logits: classes x height x width floats at the inference size
 *
 * The scores that dicenet_session_get_mask() takes the largest of.
 */
DICENET_API void dicenet_session_get_logits (DicenetSession *self, guint image, gfloat *logits);

G_END_DECLS
