/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../kernels.h"

#define K(name, arguments) void dicenet_ref_##name arguments;
DICENET_KERNELS (K)
#undef K
