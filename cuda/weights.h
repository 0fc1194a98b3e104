/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cuda_runtime_api.h>
#include <glib.h>
#include "../dicenet-core/backend/backend.h"

/* A model's weights in a GPU's memory: one copy for all executors that run the model there in the same CUDA context. */
typedef struct _CudaWeights CudaWeights;

/* Finds or uploads them, on @stream, for the current device, which is number @device, and the current context (NULL:
 * the device's primary one). NULL with @error set. */
CudaWeights *cuda_weights_ref (const DicenetProgram *program, int device, gpointer context, cudaStream_t stream,
                               GError **error);
/* The last one frees them, on @stream. */
void cuda_weights_unref (CudaWeights *self, cudaStream_t stream);

/* Where on the device @host lies, a pointer into the model's block of weights; NULL for NULL. */
const float *cuda_weights_at (const CudaWeights *self, const float *host);
/* The weights of a convolution, as DicenetCudaConv takes them. */
const float *cuda_weights_conv (const CudaWeights *self, guint node);
