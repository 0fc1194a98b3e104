/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tables.h"

/* Brings a frame to the GPU, if it is not there yet, and makes the network's input of it. Frames of one kind (memory,
 * format, size, colours) and one inference size, from any number of calls; planes and strides may differ from frame to
 * frame. */
typedef struct _CudaReader CudaReader;

/* NULL with @error set for a kind or size that cannot be handled, or where there is no memory. */
CudaReader *cuda_reader_new (const DicenetImage *image, guint width, guint height, const gfloat mean[3],
                             const gfloat std[3], cudaStream_t stream, GError **error);
void cuda_reader_free (CudaReader *self, cudaStream_t stream);

gboolean cuda_reader_fits (const CudaReader *self, const DicenetImage *image, guint width, guint height);

/* What of a frame is in memory that the device can read: the frame, or where it lies in the device's memory. */
gsize cuda_reader_get_bytes (const CudaReader *self);
/* Copies it to @input, which must not be in use, and lets go of the frame, unless that is in the device's memory. */
void cuda_reader_take (const CudaReader *self, const DicenetImage *image, guint8 *input);

/* Puts into @stream what makes @y, 3 x height x width, of what was taken. */
gboolean cuda_reader_enqueue (const CudaReader *self, const guint8 *input, const DicenetCudaTensor *y,
                              cudaStream_t stream, GError **error);
