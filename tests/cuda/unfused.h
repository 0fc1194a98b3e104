/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../../cuda/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The DiCE unit with separate kernels for DimConv (paper Figure 7(a)), as frameworks run it: branches and scaled
 * tensors are written to memory and read again. The fused kernel is tested and timed against this. */
typedef struct {
  DicenetCudaTensor x, y;
  const float *depth;  /* [c][3][3] */
  const float *height; /* [rows.out or h][channel][column] */
  const float *width;  /* [columns.out or w][channel][row] */
  /* From x's rows and columns to those of the kernels, and back; @taps 0 if they are equal (no dynamic scaling). */
  DicenetCudaAxis rows, rows_back, columns, columns_back;
  /* As in DicenetFusion. */
  const float *branch_scale, *branch_bias, *branch_slope, *fuse_weight, *fuse_bias, *fuse_slope;
  float *scratch; /* dicenet_cuda_unfused_scratch() floats */
} DicenetCudaUnfused;

/* The kernels are for @rows x @columns. */
size_t dicenet_cuda_unfused_scratch (unsigned n, unsigned c, unsigned h, unsigned w, unsigned rows, unsigned columns);
/* Enqueues four kernels, and two more for each axis that is scaled. */
cudaError_t dicenet_cuda_unfused (const DicenetCudaUnfused *unfused, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
