/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device.cuh"
#include "launch.cuh"

/* 3 x 3 convolutions, computed directly: depthwise convolutions and those with small groups, most convolutions of
 * DiCENet, are bound by memory. */

#define THREADS 128u

/* A pixel's nine taps of a plane; zeros in the padding. */
static __device__ __forceinline__ void
take_taps (const DicenetCudaConv &conv, unsigned picture, unsigned channel, unsigned at, float taps[9])
{
  const float *plane = plane_of (conv.x, picture, channel);
  const int row = (int) (at / conv.y.w * conv.stride) - 1, column = (int) (at % conv.y.w * conv.stride) - 1;

#pragma unroll
  for (int t = 0; t < 9; t++) {
    const int i = row + t / 3, j = column + t % 3;
    const bool is_inside = i >= 0 && i < (int) conv.x.h && j >= 0 && j < (int) conv.x.w;
    taps[t] = is_inside ? plane[i * (int) conv.x.w + j] : 0;
  }
}

/* For few outputs per group: a thread computes one output. */
static __global__ void
__launch_bounds__ (THREADS) sparse_kernel (DicenetCudaConv conv)
{
  const unsigned at = blockIdx.x * THREADS + threadIdx.x, channel = blockIdx.y, picture = blockIdx.z;
  const unsigned group_in = conv.x.c / conv.groups, first = channel / (conv.y.c / conv.groups) * group_in;
  float sum = 0, taps[9];

  if (at >= conv.y.h * conv.y.w)
    return;
  for (unsigned c = 0; c < group_in; c++) {
    const float *weight = conv.weight + ((size_t) channel * group_in + c) * 9;
    take_taps (conv, picture, first + c, at, taps);
#pragma unroll
    for (int t = 0; t < 9; t++)
      sum += weight[t] * taps[t];
  }
  finish (conv, picture, channel, at, sum);
}

/* For many outputs per group: a thread computes a block of them from the same taps. */
static __global__ void
__launch_bounds__ (THREADS) dense_kernel (DicenetCudaConv conv)
{
  const unsigned at = blockIdx.x * THREADS + threadIdx.x, block = blockIdx.y, picture = blockIdx.z;
  const unsigned group_in = conv.x.c / conv.groups, group_out = conv.y.c / conv.groups;
  const unsigned blocks = (group_out + DICENET_BLOCK - 1) / DICENET_BLOCK, group = block / blocks;
  const unsigned first = block % blocks * DICENET_BLOCK;
  const float *weight = conv.weight + (size_t) block * group_in * 9 * DICENET_BLOCK;
  float sums[DICENET_BLOCK] = {}, taps[9];

  if (at >= conv.y.h * conv.y.w)
    return;
  for (unsigned c = 0; c < group_in; c++) {
    take_taps (conv, picture, group * group_in + c, at, taps);
#pragma unroll
    for (int t = 0; t < 9; t++)
#pragma unroll
      for (int o = 0; o < DICENET_BLOCK; o++)
        sums[o] += weight[(c * 9 + t) * DICENET_BLOCK + o] * taps[t];
  }
#pragma unroll
  for (int o = 0; o < DICENET_BLOCK; o++)
    if (first + o < group_out)
      finish (conv, picture, group * group_out + first + o, at, sums[o]);
}

cudaError_t
dicenet_cuda_conv_direct (const DicenetCudaConv *conv, cudaStream_t stream)
{
  const unsigned parts = divide_up (conv->y.h * conv->y.w, THREADS);

  if (!dicenet_conv_is_dense (conv->y.c, conv->groups, conv->kernel))
    return launch (sparse_kernel, dim3 (parts, conv->y.c, conv->y.n), THREADS, stream, *conv);
  const unsigned blocks = dicenet_conv_blocks (conv->y.c, conv->groups) * conv->groups;
  return launch (dense_kernel, dim3 (parts, blocks, conv->y.n), THREADS, stream, *conv);
}
