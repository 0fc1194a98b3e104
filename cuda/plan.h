/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tables.h"
#include "weights.h"

/* A network at one size and batch on the GPU: which kernels run in which order, and the tables that they read. Holds no
 * activations: those are in an arena that all plans of an executor share. */
typedef struct _CudaPlan CudaPlan;

/* Whether there are kernels for an operation, and the scratch that it wants. */
gboolean cuda_plan_supports (DicenetOp op);
gsize cuda_plan_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data);

/* Makes its tables and uploads them, on @stream; @size and @device must live longer. NULL with @error set. */
CudaPlan *cuda_plan_new (const DicenetNetwork *program, const CudaWeights *weights, const DicenetSize *size,
                         const DicenetCudaDevice *device, cudaStream_t stream, GError **error);
void cuda_plan_free (CudaPlan *self, cudaStream_t stream);

/* Bytes of the arena that the plan needs. */
gsize cuda_plan_get_bytes (const CudaPlan *self);

/* The network's input, in @arena. */
DicenetCudaTensor cuda_plan_get_input (const CudaPlan *self, gfloat *arena);

/* Segmentation: puts the scaling of all pictures' logits to masks into @stream, which are then at
 * cuda_plan_get_masks(), one after the other, without gaps. */
gboolean cuda_plan_enqueue_masks (const CudaPlan *self, gfloat *arena, cudaStream_t stream, GError **error);
const guint8 *cuda_plan_get_masks (const CudaPlan *self, const gfloat *arena);

/* Detection: what is asked, and the answer, side by side on the host and on the device. */
#define CUDA_MAX_BOXES 1024 /* boxes */

typedef struct {
  DicenetCudaDetectParams params;
  guint32 n_boxes;
  DicenetCudaBox boxes[CUDA_MAX_BOXES];
  gfloat thresholds[];
} CudaBoxes;

gsize cuda_plan_get_boxes_bytes (const CudaPlan *self);
/* Puts into @stream: @host's params and thresholds to the device, picture @image's boxes, and those to @host. */
gboolean cuda_plan_enqueue_boxes (const CudaPlan *self, gfloat *arena, guint image, CudaBoxes *host,
                                  cudaStream_t stream, GError **error);

/* Puts what step @step of the layout does into @stream. Some do nothing, because the one before did it, too. */
gboolean cuda_plan_enqueue (const CudaPlan *self, guint step, gfloat *arena, DicenetCudaComputeType compute_type,
                            cudaStream_t stream, GError **error);
