/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A stub of NVIDIA's decoder library (libnvcuvid.so.1) that supports no codec: without the library, GStreamer's nvcodec
 * plugin has no elements, not even cudaupload and cudadownload. */

#define NOT_SUPPORTED(name)                                                                                            \
  __attribute__ ((visibility ("default"))) int name (void)                                                             \
  {                                                                                                                    \
    return 801; /* CUDA_ERROR_NOT_SUPPORTED */                                                                         \
  }

NOT_SUPPORTED (cuvidCreateDecoder)
NOT_SUPPORTED (cuvidCreateVideoParser)
NOT_SUPPORTED (cuvidCtxLock)
NOT_SUPPORTED (cuvidCtxLockCreate)
NOT_SUPPORTED (cuvidCtxLockDestroy)
NOT_SUPPORTED (cuvidCtxUnlock)
NOT_SUPPORTED (cuvidDecodePicture)
NOT_SUPPORTED (cuvidDestroyDecoder)
NOT_SUPPORTED (cuvidDestroyVideoParser)
NOT_SUPPORTED (cuvidGetDecoderCaps)
NOT_SUPPORTED (cuvidMapVideoFrame64)
NOT_SUPPORTED (cuvidParseVideoData)
NOT_SUPPORTED (cuvidReconfigureDecoder)
NOT_SUPPORTED (cuvidUnmapVideoFrame64)
