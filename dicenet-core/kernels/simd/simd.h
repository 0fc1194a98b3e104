/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../kernels.h"
#include "../pixels.h"

/* Prototypes of one instruction set's kernels; DICENET_ISA is their names' suffix. */

#define SIMD_JOIN_(a, b)   a##_##b
#define SIMD_JOIN(a, b)    SIMD_JOIN_ (a, b)
#define K(name, arguments) void SIMD_JOIN (dicenet_##name, DICENET_ISA) arguments;
DICENET_KERNELS (K)
DICENET_PIXEL_KERNELS (K)
#undef K
