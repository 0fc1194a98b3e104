/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cuda_runtime_api.h>
#include <glib.h>
#include "../dicenet-core/backend/backend.h"

/* A model's weights in GPU memory: one copy for all executors of the model in the same CUDA context. */
typedef struct _CudaWeights CudaWeights;

/* Weights of one node; on the device, except for the last two. Unused pointers are NULL. */
typedef struct {
  const float *weight; /* CONV: see DicenetCudaConv; otherwise see DicenetNodeWeights, also for the following */
  const float *bias, *scale, *slope;
  const float *branch_scale, *branch_bias, *branch_slope;
  const float *fuse_weight, *fuse_bias;
  float *height, *width; /* DICE, on the host: [H0][3][3] and [W0][3][3], for cuda_branch_new() */
} CudaNodeWeights;

/* Returns the existing weights or uploads them, on @stream, for the current device, whose index is @device, and the
 * current context (NULL: the device's primary one). NULL with @error set. */
CudaWeights *cuda_weights_ref (const DicenetNetwork *program, int device, gpointer context, cudaStream_t stream,
                               GError **error);
/* The last reference frees them, on @stream. */
void cuda_weights_unref (CudaWeights *self, cudaStream_t stream);

const CudaNodeWeights *cuda_weights_node (const CudaWeights *self, guint node);
