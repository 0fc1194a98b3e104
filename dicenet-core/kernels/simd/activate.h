/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <math.h>
#include "../kernels.h"
#include "vec.h"

/* What follows a convolution. */

static inline float
sigmoid (float x)
{
  return 1 / (1 + expf (-x));
}

INLINE vf
activate (vf x, const DicenetConv *conv, unsigned channel)
{
  if (conv->activation == DICENET_ACTIVATION_PRELU)
    return prelu (x, all (conv->slope[channel]));
  if (conv->activation == DICENET_ACTIVATION_RELU)
    return prelu (x, all (0));
  if (conv->activation == DICENET_ACTIVATION_SIGMOID)
    for (int i = 0; i < VL; i++)
      x[i] = sigmoid (x[i]);
  return x;
}

static inline float
activate_one (float x, const DicenetConv *conv, unsigned channel)
{
  switch (conv->activation) {
  case DICENET_ACTIVATION_PRELU:
    return x > 0 ? x : conv->slope[channel] * x;
  case DICENET_ACTIVATION_RELU:
    return x > 0 ? x : 0;
  case DICENET_ACTIVATION_SIGMOID:
    return sigmoid (x);
  case DICENET_ACTIVATION_NONE:
    break;
  }
  return x;
}
