/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* CUDA's driver (libcuda.so.1) on the CPU, as far as GStreamer's CUDA library needs it: contexts, memory, copies and
 * streams, so that frames in memory:CUDAMemory exist without a GPU. Functions for graphics or computation return that
 * they are not supported. Names and types are those of NVIDIA's documentation of the CUDA driver API, with the names
 * that the library looks up (..._v2). There is one device, and copies are synchronous.
 *
 * emulated_copies() counts copies, for tests. */

#include "driver.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_CONTEXT = 201,
  CUDA_ERROR_NOT_SUPPORTED = 801,
};

typedef unsigned long long Address; /* CUdeviceptr */

#define PITCH    512 /* pitch of cuMemAllocPitch(), and texture alignment */
#define MOST     16  /* depth of a thread's context stack */
#define EXPORTED __attribute__ ((visibility ("default")))

struct CUctx_st {
  int device;
};

static __thread struct CUctx_st *stack[MOST];
static __thread int depth;
static int copies;

EXPORTED int
emulated_copies (void)
{
  return __atomic_load_n (&copies, __ATOMIC_SEQ_CST);
}

/* With DICENET_EMULATED_GPU=none there is no device. */
static int
has_device (void)
{
  const char *all = getenv ("DICENET_EMULATED_GPU");
  return !all || !strstr (all, "none");
}

/* --- devices --- */

EXPORTED int
cuInit (unsigned flags)
{
  return has_device () ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

EXPORTED int
cuDriverGetVersion (int *version)
{
  *version = 13000;
  return CUDA_SUCCESS;
}

EXPORTED int
cuGetErrorName (int error, const char **name)
{
  *name = error == CUDA_SUCCESS ? "CUDA_SUCCESS" : "CUDA_ERROR";
  return CUDA_SUCCESS;
}

EXPORTED int
cuGetErrorString (int error, const char **text)
{
  *text = error == CUDA_SUCCESS ? "no error" : "an error of the emulated driver";
  return CUDA_SUCCESS;
}

EXPORTED int
cuDeviceGetCount (int *count)
{
  *count = has_device ();
  return CUDA_SUCCESS;
}

EXPORTED int
cuDeviceGet (int *device, int ordinal)
{
  *device = ordinal;
  return ordinal == 0 && has_device () ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

EXPORTED int
cuDeviceGetName (char *name, int size, int device)
{
  strncpy (name, "Emulated GPU", (size_t) size);
  return CUDA_SUCCESS;
}

/* CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT and _TEXTURE_PITCH_ALIGNMENT, and the compute capability. */
EXPORTED int
cuDeviceGetAttribute (int *value, int attribute, int device)
{
  *value = attribute == 14 || attribute == 51 ? PITCH : attribute == 75 ? 9 : 0;
  return CUDA_SUCCESS;
}

EXPORTED int
cuDeviceCanAccessPeer (int *can, int device, int peer)
{
  *can = 0;
  return CUDA_SUCCESS;
}

/* --- contexts --- */

EXPORTED int
cuCtxPushCurrent_v2 (struct CUctx_st *context)
{
  if (depth == MOST)
    return CUDA_ERROR_INVALID_CONTEXT;
  stack[depth++] = context;
  return CUDA_SUCCESS;
}

EXPORTED int
cuCtxPopCurrent_v2 (struct CUctx_st **context)
{
  if (depth == 0)
    return CUDA_ERROR_INVALID_CONTEXT;
  depth--;
  if (context != NULL)
    *context = stack[depth];
  return CUDA_SUCCESS;
}

EXPORTED int
cuCtxGetCurrent (struct CUctx_st **context)
{
  *context = depth > 0 ? stack[depth - 1] : NULL;
  return CUDA_SUCCESS;
}

/* Replaces the current context, if there is one. */
EXPORTED int
cuCtxSetCurrent (struct CUctx_st *context)
{
  if (depth == 0)
    return context ? cuCtxPushCurrent_v2 (context) : CUDA_SUCCESS;
  stack[depth - 1] = context;
  return CUDA_SUCCESS;
}

EXPORTED int
cuCtxCreate_v2 (struct CUctx_st **context, unsigned flags, int device)
{
  *context = calloc (1, sizeof **context);
  (*context)->device = device;
  return cuCtxPushCurrent_v2 (*context);
}

EXPORTED int
cuCtxDestroy_v2 (struct CUctx_st *context)
{
  free (context);
  return CUDA_SUCCESS;
}

EXPORTED int
cuCtxEnablePeerAccess (struct CUctx_st *peer, unsigned flags)
{
  return CUDA_ERROR_NOT_SUPPORTED;
}

EXPORTED int
cuCtxDisablePeerAccess (struct CUctx_st *peer)
{
  return CUDA_ERROR_NOT_SUPPORTED;
}

/* --- memory --- */

static int
allocate (void **out, size_t size)
{
  if (depth == 0)
    return CUDA_ERROR_INVALID_CONTEXT;
  *out = malloc (size);
  return *out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

EXPORTED int
cuMemAlloc_v2 (Address *out, size_t size)
{
  void *memory = NULL;
  int result = allocate (&memory, size);
  *out = (Address) (size_t) memory;
  return result;
}

EXPORTED int
cuMemAllocPitch_v2 (Address *out, size_t *pitch, size_t width, size_t height, unsigned element)
{
  *pitch = (width + PITCH - 1) / PITCH * PITCH;
  return cuMemAlloc_v2 (out, *pitch * height);
}

EXPORTED int
cuMemFree_v2 (Address memory)
{
  free ((void *) (size_t) memory);
  return depth > 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

EXPORTED int
cuMemAllocHost_v2 (void **out, size_t size)
{
  return allocate (out, size);
}

EXPORTED int
cuMemFreeHost (void *memory)
{
  free (memory);
  return depth > 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

/* CUDA_MEMCPY2D */
typedef struct {
  size_t src_x, src_y;
  int src_type; /* 1: host, 2: device */
  const void *src_host;
  Address src_device;
  void *src_array;
  size_t src_pitch;
  size_t dst_x, dst_y;
  int dst_type;
  void *dst_host;
  Address dst_device;
  void *dst_array;
  size_t dst_pitch;
  size_t width, height;
} Copy2D;

EXPORTED int
cuMemcpy2D_v2 (const Copy2D *copy)
{
  if (depth == 0)
    return CUDA_ERROR_INVALID_CONTEXT;
  if (copy->src_type < 1 || copy->src_type > 2 || copy->dst_type < 1 || copy->dst_type > 2)
    return CUDA_ERROR_INVALID_VALUE;
  const char *from = copy->src_type == 1 ? copy->src_host : (const char *) (size_t) copy->src_device;
  char *to = copy->dst_type == 1 ? copy->dst_host : (char *) (size_t) copy->dst_device;
  __atomic_add_fetch (&copies, 1, __ATOMIC_SEQ_CST);
  for (size_t row = 0; row < copy->height; row++)
    memcpy (to + (copy->dst_y + row) * copy->dst_pitch + copy->dst_x,
            from + (copy->src_y + row) * copy->src_pitch + copy->src_x, copy->width);
  return CUDA_SUCCESS;
}

EXPORTED int
cuMemcpyHtoD_v2 (Address to, const void *from, size_t size)
{
  memcpy ((void *) (size_t) to, from, size);
  return depth > 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

EXPORTED int
cuMemcpy2DAsync_v2 (const Copy2D *copy, void *stream)
{
  return cuMemcpy2D_v2 (copy);
}

/* --- streams --- */

EXPORTED int
cuStreamCreate (void **stream, unsigned flags)
{
  return allocate (stream, 1);
}

EXPORTED int
cuStreamDestroy_v2 (void *stream)
{
  free (stream);
  return CUDA_SUCCESS;
}

EXPORTED int
cuStreamDestroy (void *stream)
{
  return cuStreamDestroy_v2 (stream);
}

EXPORTED int
cuStreamSynchronize (void *stream)
{
  return depth > 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

EXPORTED int
cuStreamQuery (void *stream)
{
  return CUDA_SUCCESS;
}

/* --- not supported --- */

#define NOT_SUPPORTED(name)                                                                                            \
  EXPORTED int name (void)                                                                                             \
  {                                                                                                                    \
    return CUDA_ERROR_NOT_SUPPORTED;                                                                                   \
  }

NOT_SUPPORTED (cuCtxGetLimit)
NOT_SUPPORTED (cuCtxSetLimit)
NOT_SUPPORTED (cuCtxSynchronize)
NOT_SUPPORTED (cuDestroyExternalMemory)
NOT_SUPPORTED (cuDestroyExternalSemaphore)
NOT_SUPPORTED (cuEventCreate)
NOT_SUPPORTED (cuEventDestroy_v2)
NOT_SUPPORTED (cuEventRecord)
NOT_SUPPORTED (cuEventSynchronize)
NOT_SUPPORTED (cuExternalMemoryGetMappedBuffer)
NOT_SUPPORTED (cuExternalMemoryGetMappedMipmappedArray)
NOT_SUPPORTED (cuGLGetDevices_v2)
NOT_SUPPORTED (cuGraphicsGLRegisterBuffer)
NOT_SUPPORTED (cuGraphicsGLRegisterImage)
NOT_SUPPORTED (cuGraphicsMapResources)
NOT_SUPPORTED (cuGraphicsResourceGetMappedPointer_v2)
NOT_SUPPORTED (cuGraphicsResourceSetMapFlags_v2)
NOT_SUPPORTED (cuGraphicsSubResourceGetMappedArray)
NOT_SUPPORTED (cuGraphicsUnmapResources)
NOT_SUPPORTED (cuGraphicsUnregisterResource)
NOT_SUPPORTED (cuImportExternalMemory)
NOT_SUPPORTED (cuImportExternalSemaphore)
NOT_SUPPORTED (cuIpcCloseMemHandle)
NOT_SUPPORTED (cuIpcGetEventHandle)
NOT_SUPPORTED (cuIpcGetMemHandle)
NOT_SUPPORTED (cuIpcOpenEventHandle)
NOT_SUPPORTED (cuIpcOpenMemHandle)
NOT_SUPPORTED (cuLaunchKernel)
NOT_SUPPORTED (cuMemAddressFree)
NOT_SUPPORTED (cuMemAddressReserve)
NOT_SUPPORTED (cuMemAllocAsync)
NOT_SUPPORTED (cuMemAllocFromPoolAsync)
NOT_SUPPORTED (cuMemCreate)
NOT_SUPPORTED (cuMemExportToShareableHandle)
NOT_SUPPORTED (cuMemFreeAsync)
NOT_SUPPORTED (cuMemGetAccess)
NOT_SUPPORTED (cuMemGetAllocationGranularity)
NOT_SUPPORTED (cuMemGetAllocationPropertiesFromHandle)
NOT_SUPPORTED (cuMemImportFromShareableHandle)
NOT_SUPPORTED (cuMemMap)
NOT_SUPPORTED (cuMemPoolCreate)
NOT_SUPPORTED (cuMemPoolDestroy)
NOT_SUPPORTED (cuMemPoolGetAttribute)
NOT_SUPPORTED (cuMemPoolSetAttribute)
NOT_SUPPORTED (cuMemRelease)
NOT_SUPPORTED (cuMemRetainAllocationHandle)
NOT_SUPPORTED (cuMemSetAccess)
NOT_SUPPORTED (cuMemUnmap)
NOT_SUPPORTED (cuMemcpyDtoDAsync_v2)
NOT_SUPPORTED (cuMemcpyDtoD_v2)
NOT_SUPPORTED (cuMemcpyDtoHAsync_v2)
NOT_SUPPORTED (cuMemcpyDtoH_v2)
NOT_SUPPORTED (cuMemcpyHtoDAsync_v2)
NOT_SUPPORTED (cuMemsetD2D16Async)
NOT_SUPPORTED (cuMemsetD2D16_v2)
NOT_SUPPORTED (cuMemsetD2D32Async)
NOT_SUPPORTED (cuMemsetD2D32_v2)
NOT_SUPPORTED (cuMemsetD2D8Async)
NOT_SUPPORTED (cuMemsetD2D8_v2)
NOT_SUPPORTED (cuModuleGetFunction)
NOT_SUPPORTED (cuModuleLoadData)
NOT_SUPPORTED (cuModuleUnload)
NOT_SUPPORTED (cuSignalExternalSemaphoresAsync)
NOT_SUPPORTED (cuTexObjectCreate)
NOT_SUPPORTED (cuTexObjectDestroy)
NOT_SUPPORTED (cuWaitExternalSemaphoresAsync)
