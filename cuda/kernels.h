/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cuda_runtime_api.h>
#include <stddef.h>

#include "../dicenet-core/kernels/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Arithmetic on planes in GPU memory. Each function enqueues one kernel in a stream and returns immediately. It does
 * not allocate or synchronise, and can be captured in a graph. All pointers below are to device memory, except those to
 * the structures themselves, which are only read during the call.
 *
 * Structures that have a counterpart in dicenet-core/kernels/kernels.h are documented there. */

/* Capacity of a device. Kernels divide their work so that all of it is used. */
typedef struct {
  unsigned processors; /* streaming multiprocessors */
  unsigned threads;    /* maximum number of threads on each of them */
} DicenetCudaDevice;

/* Queries the device with this index. */
cudaError_t dicenet_cuda_device_read (DicenetCudaDevice *device, int number);

/* Tensors of several pictures in an arena: plane c of picture n is h x w floats with contiguous rows, at
 * base + n * stride + planes[c]. */
typedef struct {
  float *base;
  const unsigned *planes;
  unsigned c, h, w, n;
  size_t stride; /* distance of pictures in floats */
} DicenetCudaTensor;

/* Number format of the products of pointwise convolutions; sums are always float32. */
typedef enum {
  DICENET_CUDA_FLOAT32,
  DICENET_CUDA_TF32,     /* 11 bits of precision; compute capability 8.0 */
  DICENET_CUDA_FLOAT16,  /* 11 bits of precision, values up to 65504 */
  DICENET_CUDA_BFLOAT16, /* 8 bits of precision; compute capability 8.0 */
} DicenetCudaComputeType;

typedef struct {
  DicenetCudaTensor x, y;
  const float *weight; /* see DicenetConv: in blocks if dense, but never transformed for Winograd */
  const float *bias, *slope;
  unsigned kernel, stride, groups;
  DicenetActivation activation;
  DicenetCudaTensor gate; /* y.c x 1 x 1; base NULL: none */
  DicenetCudaComputeType compute_type;
} DicenetCudaConv;

/* 1 x 1, stride 1. */
cudaError_t dicenet_cuda_conv_pointwise (const DicenetCudaConv *conv, const DicenetCudaDevice *device,
                                         cudaStream_t stream);
/* 3 x 3, any groups and stride. */
cudaError_t dicenet_cuda_conv_direct (const DicenetCudaConv *conv, cudaStream_t stream);
/* 1 x 1 on one pixel per picture: matrix-vector product (GEMV), with at most this many inputs. */
#define DICENET_CUDA_GEMV_INPUTS 4096
cudaError_t dicenet_cuda_gemv (const DicenetCudaConv *conv, cudaStream_t stream);

/* One branch of DimConv along an axis of @n positions, including dynamic scaling (paper 3.3). Scaling to the kernels'
 * size, the kernels and scaling back are linear along the axis, so they are combined: position i of the branch is the
 * sum over t < taps, over channels d = -1..1 and over the other axis e = -1..1 of
 * weight[((i * taps + t) * 3 + d + 1) * 3 + e + 1] * x[c + d, start[i] + t, j + e].
 * Without scaling there is one tap, at i. start[i] .. start[i] + taps - 1 are valid positions. */
typedef struct {
  unsigned n, taps;
  const int *start;
  const float *weight;
} DicenetCudaBranch;

/* The DiCE unit's DimConv + BatchNorm + PReLU + local fusion (paper 3.1, 3.2), in one kernel (3.4, Figure 7(b)). */
typedef struct {
  DicenetCudaTensor x, y;
  const float *depth; /* [c][3][3], multiplied by BatchNorm's scale */
  DicenetCudaBranch height, width;
  /* See DicenetFusion. */
  const float *branch_scale, *branch_bias, *branch_slope, *fuse_weight, *fuse_bias, *fuse_slope;
  float *sums; /* [picture][c][dicenet_cuda_dice_parts()]: sums of y over the pixels of each part; NULL: not computed */
} DicenetCudaDice;

unsigned dicenet_cuda_dice_parts (unsigned h, unsigned w);
cudaError_t dicenet_cuda_dice (const DicenetCudaDice *dice, const DicenetCudaDevice *device, cudaStream_t stream);

/* The channel weights of a DiCE unit (3.2): means of x over pixels, from @sums in @parts (x itself is then not read)
 * or, if @sums is NULL, from x; followed by one or two matrices with their activations. Uses one thread block per
 * picture, so that intermediate results stay in shared memory; meant for small matrices. */
#define DICENET_CUDA_GATE_CHANNELS 2048 /* maximum number of channels of x and of outputs of the matrices */
typedef struct {
  DicenetCudaTensor x, y;
  const float *sums;
  unsigned parts, n_matrices;
  struct {
    const float *weight, *bias; /* see DicenetConv, as for a pointwise convolution */
    unsigned channels, groups;
    DicenetActivation activation; /* not PReLU */
  } matrices[2];
} DicenetCudaGate;

cudaError_t dicenet_cuda_gate (const DicenetCudaGate *gate, cudaStream_t stream);

/* DicenetAxis, with tables on the device. */
typedef struct {
  unsigned in, out, taps;
  const int *start;
  const float *weight;
} DicenetCudaAxis;

/* 3 x 3, stride 2, padding 1, over all channels of x. */
cudaError_t dicenet_cuda_max_pool (const DicenetCudaTensor *x, const DicenetCudaTensor *y, cudaStream_t stream);
cudaError_t dicenet_cuda_avg_pool (const DicenetCudaTensor *x, const DicenetCudaTensor *y, cudaStream_t stream);
/* y: c x 1 x 1. */
cudaError_t dicenet_cuda_global_avg_pool (const DicenetCudaTensor *x, const DicenetCudaTensor *y, cudaStream_t stream);
/* Both axes, each bilinear up or means down. */
cudaError_t dicenet_cuda_resize (const DicenetCudaTensor *x, const DicenetCudaTensor *y, const DicenetCudaAxis *rows,
                                 const DicenetCudaAxis *columns, cudaStream_t stream);
/* A detector's rows: all of its maps, channels last, one map after the other. */
cudaError_t dicenet_cuda_flatten (const DicenetCudaTensor *maps, unsigned n_maps, const DicenetCudaTensor *y,
                                  cudaStream_t stream);

/* See DicenetUpsampleAdd; x0 is the coarse map. */
typedef struct {
  DicenetCudaTensor x0, x1, y;
  DicenetCudaTensor gate; /* base NULL: none */
  DicenetCudaAxis rows, columns;
  const float *scale, *bias, *slope;
} DicenetCudaUpsampleAdd;

cudaError_t dicenet_cuda_upsample_add (const DicenetCudaUpsampleAdd *merge, cudaStream_t stream);

/* See DicenetComposedAxis. */
typedef struct {
  unsigned taps;
  int first;
  const float *weight;
} DicenetCudaComposedAxis;

/* See DicenetEpp. */
typedef struct {
  DicenetCudaTensor x, y;
  struct {
    unsigned h, w;
    DicenetCudaAxis rows, columns, rows_back, columns_back;  /* scales below the input's */
    DicenetCudaComposedAxis composed_rows, composed_columns; /* scales above it */
  } branches[DICENET_EPP_BRANCHES];
  const float *weight, *bias, *slope, *merge_weight, *merge_bias, *merge_slope;
  float *scratch; /* dicenet_cuda_epp_scratch() floats for each picture, x.stride apart */
} DicenetCudaEpp;

/* Floats for one picture: the convolved planes of the scales below the input's. */
size_t dicenet_cuda_epp_scratch (unsigned c, unsigned h, unsigned w);
cudaError_t dicenet_cuda_epp (const DicenetCudaEpp *epp, const DicenetCudaDevice *device, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
