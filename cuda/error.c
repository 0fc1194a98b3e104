/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"

#include <dicenet/error.h>

gboolean
cuda_check (cudaError_t result, const char *doing, GError **error)
{
  if (result == cudaSuccess)
    return TRUE;
  cudaGetLastError (); /* clears the error, so that the next call does not return it again */
  if (result == cudaErrorMemoryAllocation)
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY,
                 "%s: the GPU has no memory left: choose a smaller inference size or batch, or end other programs that "
                 "use it (nvidia-smi lists them)",
                 doing);
  else if (result == cudaErrorNoKernelImageForDevice)
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_BACKEND,
                 "%s: this build has no code for this GPU: build with -Dgpu-architectures of its compute capability",
                 doing);
  else
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_DEVICE,
                 "%s: the GPU failed (%s). After such a failure a process cannot use the GPU any more: start it again; "
                 "if that does not help, see what the driver says (dmesg), or use backend=cpu",
                 doing, cudaGetErrorString (result));
  return FALSE;
}

gboolean
cuda_allocate (gpointer *out, gsize bytes, const char *what, cudaStream_t stream, GError **error)
{
  g_autofree char *doing = g_strdup_printf ("taking %.1f MiB for %s", (gdouble) bytes / (1 << 20), what);

  *out = NULL;
  return cuda_check (cudaMallocAsync (out, bytes, stream), doing, error);
}
