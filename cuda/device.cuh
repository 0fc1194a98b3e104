/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cuda_runtime.h>
#include "kernels.h"

/* Functions shared by kernels. */

static __device__ __forceinline__ float *
plane_of (const DicenetCudaTensor &t, unsigned picture, unsigned channel)
{
  return t.base + picture * t.stride + t.planes[channel];
}

/* Slopes may be negative or above 1, so this cannot be written as a maximum. */
static __device__ __forceinline__ float
prelu (float x, float slope)
{
  return x > 0 ? x : slope * x;
}

static __device__ __forceinline__ float
activated (float x, DicenetActivation activation, const float *slope, unsigned channel)
{
  switch (activation) {
  case DICENET_ACTIVATION_PRELU:
    return prelu (x, slope[channel]);
  case DICENET_ACTIVATION_RELU:
    return x > 0 ? x : 0;
  case DICENET_ACTIVATION_SIGMOID:
    return 1 / (1 + expf (-x));
  default:
    return x;
  }
}

/* The epilogue of an output channel's sum at a pixel. */
static __device__ __forceinline__ void
finish (const DicenetCudaConv &conv, unsigned picture, unsigned channel, unsigned at, float sum)
{
  float value = activated (sum + (conv.bias ? conv.bias[channel] : 0), conv.activation, conv.slope, channel);

  if (conv.gate.base)
    value *= *plane_of (conv.gate, picture, channel);
  plane_of (conv.y, picture, channel)[at] = value;
}

/* The sum over the 32 threads of a warp, returned to the first of them; all must take part. */
static __device__ __forceinline__ float
warp_sum (float x)
{
  for (unsigned lanes = 16; lanes > 0; lanes /= 2)
    x += __shfl_down_sync (0xffffffffu, x, lanes);
  return x;
}
