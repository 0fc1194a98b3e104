/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../kernels.h"
#include "../pixels.h"

#define K(name, arguments) void dicenet_ref_##name arguments;
DICENET_KERNELS (K)
DICENET_PIXEL_KERNELS (K)
#undef K

/* One number of a resized plane. */
float dicenet_ref_resized (const float *x, size_t x_stride, const DicenetAxis *rows, const DicenetAxis *columns,
                           unsigned i, unsigned j);
