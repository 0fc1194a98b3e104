/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ref.h"

const DicenetKernels dicenet_kernels_ref = {
#define K(name, arguments) .name = dicenet_ref_##name,
  DICENET_KERNELS (K)
#undef K
};

const DicenetPixelKernels dicenet_pixel_kernels_ref = {
#define K(name, arguments) .name = dicenet_ref_##name,
  DICENET_PIXEL_KERNELS (K)
#undef K
};
