/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * DicenetBackend:
 * @DICENET_BACKEND_AUTO: the fastest one that works on this machine
 * @DICENET_BACKEND_CPU: the CPU
 * @DICENET_BACKEND_CUDA: an NVIDIA GPU; an error if there is none
 *
 * What a session runs on.
 */
typedef enum {
  DICENET_BACKEND_AUTO,
  DICENET_BACKEND_CPU,
  DICENET_BACKEND_CUDA,
} DicenetBackend;

/**
 * DicenetPrecision:
 * @DICENET_PRECISION_AUTO: the fastest one that the machine supports, but not int8
 * @DICENET_PRECISION_FLOAT32: single precision throughout
 * @DICENET_PRECISION_BFLOAT16: inputs and weights of dense convolutions are rounded to bfloat16 (8 bits of precision,
 *   the range of single precision); sums and everything else are single precision. Requires AVX512-BF16 on the CPU,
 *   compute capability 8.0 on a GPU
 * @DICENET_PRECISION_FLOAT16: the same with half precision (11 bits of precision, values up to 65504); GPU only
 * @DICENET_PRECISION_TF32: the same with NVIDIA's TensorFloat-32 (11 bits of precision, the range of single precision);
 *   GPU only, compute capability 8.0
 * @DICENET_PRECISION_INT8: inputs and weights of most dense convolutions are rounded to 8-bit integers, in the range of
 *   the tensor or of the output channel; sums are exact, everything else is single precision. CPU only
 *
 * Precision of the computation. docs/numerics.md describes how bfloat16 and int8 affect the results.
 */
typedef enum {
  DICENET_PRECISION_AUTO,
  DICENET_PRECISION_FLOAT32,
  DICENET_PRECISION_BFLOAT16,
  DICENET_PRECISION_FLOAT16,
  DICENET_PRECISION_TF32,
  DICENET_PRECISION_INT8,
} DicenetPrecision;

/**
 * DicenetOptions:
 *
 * What a session runs on, and how. The defaults suit most uses: the fastest backend that works, single precision, one
 * thread per processor. A session copies its options.
 */
typedef struct _DicenetOptions DicenetOptions;

#define DICENET_TYPE_OPTIONS (dicenet_options_get_type ())
DICENET_API GType dicenet_options_get_type (void);

/**
 * dicenet_options_new:
 *
 * Creates options with the defaults.
 *
 * Returns: (transfer full): the default options; free with dicenet_options_free()
 */
DICENET_API DicenetOptions *dicenet_options_new (void);

/**
 * dicenet_options_copy: (skip)
 * @self: options
 *
 * Copies options.
 *
 * Returns: (transfer full): a copy
 */
DICENET_API DicenetOptions *dicenet_options_copy (const DicenetOptions *self);

/**
 * dicenet_options_free: (skip)
 * @self: (transfer full): options
 *
 * Frees options.
 */
DICENET_API void dicenet_options_free (DicenetOptions *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetOptions, dicenet_options_free)

/**
 * dicenet_options_set_backend:
 * @self: options
 * @backend: what to run on; %DICENET_BACKEND_AUTO by default
 *
 * Sets what to run on.
 */
DICENET_API void dicenet_options_set_backend (DicenetOptions *self, DicenetBackend backend);

/**
 * dicenet_options_set_device:
 * @self: options
 * @device: index of one of the backend's devices, from 0; -1, the default, for its default device. The CPU backend,
 *   which has a single device, ignores it
 *
 * Sets which of the backend's devices to run on.
 */
DICENET_API void dicenet_options_set_device (DicenetOptions *self, gint device);

/**
 * dicenet_options_set_context: (skip)
 * @self: options
 * @context: (nullable): for %DICENET_BACKEND_CUDA, a CUcontext, for example that of a decoder on the GPU. %NULL, the
 *   default, for the device's primary context
 *
 * Makes a session compute in an existing device context of the application, so that pictures in that context's memory
 * are read without a copy (%DICENET_MEMORY_DEVICE). The context also determines the device. It must be current to the
 * calling thread in every call on the session and on submissions that are not complete, including the last unref, and
 * it must outlive the session. Backends without contexts reject it.
 */
DICENET_API void dicenet_options_set_context (DicenetOptions *self, gpointer context);

/**
 * dicenet_options_set_precision:
 * @self: options
 * @precision: precision of the computation; %DICENET_PRECISION_FLOAT32 by default. If the machine does not support it,
 *   the session computes in single precision and dicenet_session_get_warning() says so
 *
 * Sets the precision of the computation.
 */
DICENET_API void dicenet_options_set_precision (DicenetOptions *self, DicenetPrecision precision);

/**
 * dicenet_options_set_threads:
 * @self: options
 * @n_threads: threads to compute with, including the caller's; 0, the default, for one per processor that this process
 *   may use
 *
 * Sets the number of threads that compute.
 */
DICENET_API void dicenet_options_set_threads (DicenetOptions *self, guint n_threads);

/**
 * dicenet_options_set_worker:
 * @self: options
 * @worker: %TRUE to compute submissions in a thread of the session, as soon as they are submitted; %FALSE, the default,
 *   to compute them in the thread that waits. A GPU computes asynchronously and needs no worker
 *
 * Sets which thread computes submissions on the CPU.
 */
DICENET_API void dicenet_options_set_worker (DicenetOptions *self, gboolean worker);

G_END_DECLS
