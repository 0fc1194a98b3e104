/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tables.h"
#include "weights.h"

/* A network at one size and batch on the GPU: the sequence of kernels, and their tables. Activations are not part of
 * it: they are in an arena that all plans of an executor share. */
typedef struct _CudaPlan CudaPlan;

/* Whether an operation is supported, and the scratch that it needs. */
gboolean cuda_plan_supports (DicenetOp op);
gsize cuda_plan_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data);

/* Creates and uploads the tables, on @stream; @size and @device must outlive the plan. NULL with @error set. */
CudaPlan *cuda_plan_new (const DicenetNetwork *program, const CudaWeights *weights, const DicenetSize *size,
                         const DicenetCudaDevice *device, cudaStream_t stream, GError **error);
void cuda_plan_free (CudaPlan *self, cudaStream_t stream);

/* Size in bytes of the arena that the plan needs. */
gsize cuda_plan_get_bytes (const CudaPlan *self);

/* The network's input in @arena. */
DicenetCudaTensor cuda_plan_get_input (const CudaPlan *self, gfloat *arena);

/* Segmentation: enqueues in @stream the decoding of all pictures' logits to masks. Their address is
 * cuda_plan_get_masks(); they are contiguous. */
gboolean cuda_plan_enqueue_masks (const CudaPlan *self, gfloat *arena, cudaStream_t stream, GError **error);
const guint8 *cuda_plan_get_masks (const CudaPlan *self, const gfloat *arena);

/* Detection: parameters and results, with the same layout on the host and on the device. */
#define CUDA_MAX_BOXES 1024 /* maximum number of boxes */

typedef struct {
  DicenetCudaDetectParams params;
  guint32 n_boxes;
  DicenetCudaBox boxes[CUDA_MAX_BOXES];
  gfloat thresholds[];
} CudaBoxes;

gsize cuda_plan_get_boxes_bytes (const CudaPlan *self);
/* Enqueues in @stream: copying @host's parameters and thresholds to the device, decoding the boxes of picture @image,
 * and copying them to @host. */
gboolean cuda_plan_enqueue_boxes (const CudaPlan *self, gfloat *arena, guint image, CudaBoxes *host,
                                  cudaStream_t stream, GError **error);

/* Enqueues step @step of the layout in @stream. Does nothing for steps that an earlier one includes. */
gboolean cuda_plan_enqueue (const CudaPlan *self, guint step, gfloat *arena, DicenetCudaComputeType compute_type,
                            cudaStream_t stream, GError **error);
