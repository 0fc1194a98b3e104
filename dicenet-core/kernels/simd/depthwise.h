/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "activate.h"

/* One output channel of a 3 x 3 convolution with one input channel per group, without sigmoid. */
void KERNEL (depthwise) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned channel);
#if VL == 16
void dicenet_depthwise_narrow (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,
                               unsigned channel);
#endif
