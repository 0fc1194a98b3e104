/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cuda_runtime.h>
#include <utility>

/* Enqueues a kernel in a stream. Replaces <<< >>>, which only nvcc supports: tests also compile these sources for the
 * CPU. */
template <typename... Parameters, typename... Arguments>
static inline cudaError_t
launch (void (*kernel) (Parameters...), dim3 grid, dim3 block, cudaStream_t stream, Arguments... arguments)
{
  cudaLaunchConfig_t config = {};

  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  return cudaLaunchKernelEx (&config, kernel, arguments...);
}

static inline unsigned
divide_up (unsigned n, unsigned by)
{
  return (n + by - 1) / by;
}
