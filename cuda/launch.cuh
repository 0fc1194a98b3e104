/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cuda_runtime.h>
#include <utility>

/* Puts a kernel into a stream. A function in place of <<< >>>, which only nvcc understands: the tests compile these
 * sources for the processor, too. */
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
