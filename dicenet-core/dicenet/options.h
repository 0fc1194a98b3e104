/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <dicenet/visibility.h>

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
 * DicenetOptions:
 *
 * What a session runs on, and how. New options are right for most: the fastest backend that works, single precision,
 * one thread per processor. A session copies what it is given.
 */
typedef struct _DicenetOptions DicenetOptions;

#define DICENET_TYPE_OPTIONS (dicenet_options_get_type ())
DICENET_API GType dicenet_options_get_type (void);

/**
 * dicenet_options_new:
 *
 * Returns: (transfer full): the default options; free with dicenet_options_free()
 */
DICENET_API DicenetOptions *dicenet_options_new (void);

/**
 * dicenet_options_copy:
 * @self: options
 *
 * Returns: (transfer full): a copy
 */
DICENET_API DicenetOptions *dicenet_options_copy (const DicenetOptions *self);

/**
 * dicenet_options_free:
 * @self: options
 */
DICENET_API void dicenet_options_free (DicenetOptions *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetOptions, dicenet_options_free)

/**
 * dicenet_options_set_backend:
 * @self: options
 * @backend: what to run on; %DICENET_BACKEND_AUTO by default
 */
DICENET_API void dicenet_options_set_backend (DicenetOptions *self, DicenetBackend backend);

/**
 * dicenet_options_set_device:
 * @self: options
 * @device: which of the backend's devices, from 0; -1, the default, for its default one. The processor is one only
 */
DICENET_API void dicenet_options_set_device (DicenetOptions *self, gint device);

/**
 * dicenet_options_set_context: (skip)
 * @self: options
 * @context: (nullable): for %DICENET_BACKEND_CUDA a CUcontext, made by whoever decodes on the GPU, say. %NULL, the
 *   default, for the device's own
 *
 * Lets a session compute in a context that the application has on a device, so that pictures in that context's memory
 * are read where they lie (%DICENET_MEMORY_DEVICE); it names the device as well. It must be current to the calling
 * thread in every call with the session, its submissions and results that are not there yet, the last unref among them,
 * and must outlive the session. Backends without contexts refuse it.
 */
DICENET_API void dicenet_options_set_context (DicenetOptions *self, gpointer context);

/**
 * dicenet_options_set_precision:
 * @self: options
 * @precision: what to compute with; %DICENET_PRECISION_FLOAT32 by default. Where the machine lacks it, the session
 *   computes in single precision, and dicenet_session_get_warning() says so
 */
DICENET_API void dicenet_options_set_precision (DicenetOptions *self, DicenetPrecision precision);

/**
 * dicenet_options_set_threads:
 * @self: options
 * @n_threads: threads to compute with, the caller's among them; 0, the default, for one per processor that this process
 *   may use
 */
DICENET_API void dicenet_options_set_threads (DicenetOptions *self, guint n_threads);

/**
 * dicenet_options_set_worker:
 * @self: options
 * @worker: whether a thread of the session's own computes what is submitted, from then on; %FALSE, the default: the
 *   thread that waits for it. A GPU computes from then on by itself, and needs none
 */
DICENET_API void dicenet_options_set_worker (DicenetOptions *self, gboolean worker);

G_END_DECLS
