/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cuda_runtime_api.h>
#include <glib.h>
#include "../dicenet-core/backend/backend.h"

/* A model's weights in a GPU's memory: one copy for all executors that run the model there in the same CUDA context. */
typedef struct _CudaWeights CudaWeights;

/* One node's share, on the device but for the last two. Unused pointers are NULL. */
typedef struct {
  const float *weight; /* CONV: as DicenetCudaConv says; else as DicenetNodeWeights, like the following */
  const float *bias, *scale, *slope;
  const float *branch_scale, *branch_bias, *branch_slope;
  const float *fuse_weight, *fuse_bias;
  float *height, *width; /* DICE, on the host: [H0][3][3] and [W0][3][3], as cuda_branch_new() takes them */
} CudaNodeWeights;

/* Finds or uploads them, on @stream, for the current device, which is number @device, and the current context (NULL:
 * the device's primary one). NULL with @error set. */
CudaWeights *cuda_weights_ref (const DicenetNetwork *program, int device, gpointer context, cudaStream_t stream,
                               GError **error);
/* The last one frees them, on @stream. */
void cuda_weights_unref (CudaWeights *self, cudaStream_t stream);

const CudaNodeWeights *cuda_weights_node (const CudaWeights *self, guint node);
