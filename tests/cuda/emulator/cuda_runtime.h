/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of CUDA that kernels use. The threads of a block are fibers of one CPU thread and run in turn from barrier
 * to barrier; blocks run in sequence. */

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <functional>
#include "cuda_runtime_api.h"

#define __global__
#define __device__
#define __host__
#define __shared__      static /* per block: blocks and launches run in sequence */
#define __forceinline__ inline
#define __launch_bounds__(...)

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  dim3 (unsigned x = 1, unsigned y = 1, unsigned z = 1) : x (x), y (y), z (z)
  {
  }
};

struct alignas (8) float2 {
  float x, y;
};

struct alignas (16) float4 {
  float x, y, z, w;
};

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

/* Barriers of a block; the threads of a warp synchronise when they exchange values. */
void __syncthreads ();
void __syncwarp (unsigned mask = 0xffffffffu);
float emulated_shuffle (float value, unsigned lane);

static inline float
__shfl_xor_sync (unsigned, float value, int lanes)
{
  return emulated_shuffle (value, (threadIdx.x % 32) ^ (unsigned) lanes);
}

static inline float
__shfl_down_sync (unsigned, float value, unsigned lanes)
{
  const unsigned lane = threadIdx.x % 32;
  return emulated_shuffle (value, lane + lanes < 32 ? lane + lanes : lane);
}

static inline float
__shfl_up_sync (unsigned, float value, unsigned lanes)
{
  const unsigned lane = threadIdx.x % 32;
  return emulated_shuffle (value, lane >= lanes ? lane - lanes : lane);
}

static inline float
__shfl_sync (unsigned, float value, unsigned lane)
{
  return emulated_shuffle (value, lane);
}

unsigned emulated_ballot (int predicate);

static inline unsigned
__ballot_sync (unsigned, int predicate)
{
  return emulated_ballot (predicate);
}

static inline int
__popc (unsigned bits)
{
  return __builtin_popcount (bits);
}

/* Only one thread runs at a time. */
template <typename T>
static inline T
atomicAdd (T *at, T value)
{
  const T before = *at;
  *at += value;
  return before;
}

template <typename T>
static inline T
__ldg (const T *at)
{
  return *at;
}

/* Rounded separately, never contracted to a fused multiply-add. */
static inline float
__fadd_rn (float a, float b)
{
  return a + b;
}

static inline float
__fsub_rn (float a, float b)
{
  return a - b;
}

static inline float
__fmul_rn (float a, float b)
{
  return a * b;
}

template <typename To, typename From>
static inline To
emulated_bits (From from)
{
  To to;
  static_assert (sizeof to == sizeof from, "");
  memcpy (&to, &from, sizeof to);
  return to;
}

static inline float
__int_as_float (int bits)
{
  return emulated_bits<float> (bits);
}

static inline int
__float_as_int (float value)
{
  return emulated_bits<int> (value);
}

template <typename T>
static inline T
min (T a, T b)
{
  return b < a ? b : a;
}

template <typename T>
static inline T
max (T a, T b)
{
  return a < b ? b : a;
}

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes; /* must be 0: kernels only use arrays of fixed size */
  cudaStream_t stream;
  void *attrs;
  unsigned numAttrs;
};

cudaError_t emulated_launch (const cudaLaunchConfig_t *config, std::function<void ()> kernel);

template <typename... P, typename... A>
static inline cudaError_t
cudaLaunchKernelEx (const cudaLaunchConfig_t *config, void (*kernel) (P...), A... arguments)
{
  return emulated_launch (config, [=] { kernel (arguments...); });
}
