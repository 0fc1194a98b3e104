/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernels.h"

cudaError_t
dicenet_cuda_device_read (DicenetCudaDevice *device, int number)
{
  int processors = 0, threads = 0;
  cudaError_t error = cudaDeviceGetAttribute (&processors, cudaDevAttrMultiProcessorCount, number);

  if (error == cudaSuccess)
    error = cudaDeviceGetAttribute (&threads, cudaDevAttrMaxThreadsPerMultiProcessor, number);
  device->processors = (unsigned) processors;
  device->threads = (unsigned) threads;
  return error;
}
