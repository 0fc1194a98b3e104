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

/* Of one channel. All but the sigmoid are a PReLU of some slope. */
typedef struct {
  vf bias, slope;
  int is_sigmoid;
} Epilogue;

INLINE Epilogue
epilogue (const DicenetConv *conv, unsigned channel)
{
  const float slope = conv->activation == DICENET_ACTIVATION_PRELU  ? conv->slope[channel]
                      : conv->activation == DICENET_ACTIVATION_RELU ? 0
                                                                    : 1;
  return (Epilogue){ all (conv->bias ? conv->bias[channel] : 0), all (slope),
                     conv->activation == DICENET_ACTIVATION_SIGMOID };
}

INLINE vf
activate (vf x, const Epilogue *e)
{
  x += e->bias;
  if (e->is_sigmoid)
    for (int i = 0; i < VL; i++)
      x[i] = sigmoid (x[i]);
  return prelu (x, e->slope);
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
