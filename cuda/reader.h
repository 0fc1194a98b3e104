/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tables.h"

/* Copies frames to the GPU, unless they are already there, and computes the network's input. A reader is for frames of
 * the same memory, format, size and colours, and for one inference size; planes and strides may differ between frames.
 * It may be reused any number of times. */
typedef struct _CudaReader CudaReader;

/* NULL with @error set for unsupported properties or sizes, or if out of memory. */
CudaReader *cuda_reader_new (const DicenetImage *image, guint width, guint height, const gfloat mean[3],
                             const gfloat std[3], cudaStream_t stream, GError **error);
void cuda_reader_free (CudaReader *self, cudaStream_t stream);

gboolean cuda_reader_fits (const CudaReader *self, const DicenetImage *image, guint width, guint height);

/* Size of the input in page-locked memory: the frame, or its description if it is in device memory. */
gsize cuda_reader_get_bytes (const CudaReader *self);
/* Copies it to @input, which must not be in use. The frame is then no longer needed, unless it is in device memory. */
void cuda_reader_take (const CudaReader *self, const DicenetImage *image, guint8 *input);

/* Enqueues in @stream the computation of @y, 3 x height x width, from @input. */
gboolean cuda_reader_enqueue (const CudaReader *self, const guint8 *input, const DicenetCudaTensor *y,
                              cudaStream_t stream, GError **error);
