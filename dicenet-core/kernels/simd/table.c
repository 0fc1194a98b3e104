/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simd.h"

extern const DicenetKernels SIMD_JOIN (dicenet_kernels, DICENET_ISA);
extern const DicenetPixelKernels SIMD_JOIN (dicenet_pixel_kernels, DICENET_ISA);

const DicenetKernels SIMD_JOIN (dicenet_kernels, DICENET_ISA) = {
#define K(name, arguments) .name = SIMD_JOIN (dicenet_##name, DICENET_ISA),
  DICENET_KERNELS (K)
#undef K
};

const DicenetPixelKernels SIMD_JOIN (dicenet_pixel_kernels, DICENET_ISA) = {
#define K(name, arguments) .name = SIMD_JOIN (dicenet_##name, DICENET_ISA),
  DICENET_PIXEL_KERNELS (K)
#undef K
};
