/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <math.h>
#include "../kernels.h"
#include "vec.h"

/* The epilogue of a convolution. */

static inline float
sigmoid (float x)
{
  return 1 / (1 + expf (-x));
}

/* Epilogue of one channel. All activations except the sigmoid are a PReLU with some slope. */
typedef struct {
  vf bias, slope, gate;
  int is_sigmoid;
} Epilogue;

static inline float
gate_of (const DicenetConv *conv, unsigned channel)
{
  return conv->gate ? *dicenet_plane (conv->gate, channel) : 1;
}

/* The slope of the activation as a PReLU; sigmoids come before it. */
static inline float
slope_of (const DicenetConv *conv, unsigned channel)
{
  return conv->activation == DICENET_ACTIVATION_PRELU  ? conv->slope[channel]
         : conv->activation == DICENET_ACTIVATION_RELU ? 0
                                                       : 1;
}

INLINE Epilogue
epilogue (const DicenetConv *conv, unsigned channel)
{
  return (Epilogue){ all (conv->bias ? conv->bias[channel] : 0), all (slope_of (conv, channel)),
                     all (gate_of (conv, channel)), conv->activation == DICENET_ACTIVATION_SIGMOID };
}

/* The same without a sigmoid and the gate that follows it, which are applied later: a function call would prevent loops
 * from keeping values in registers. */
INLINE Epilogue
plain_epilogue (const DicenetConv *conv, unsigned channel)
{
  Epilogue e = epilogue (conv, channel);

  if (e.is_sigmoid)
    e.gate = all (1);
  return e;
}

INLINE vf
activate (vf x, const Epilogue *e)
{
  x += e->bias;
  if (e->is_sigmoid)
    for (int i = 0; i < VL; i++)
      x[i] = sigmoid (x[i]);
  return prelu (x, e->slope) * e->gate;
}

static inline float
activate_one (float x, const DicenetConv *conv, unsigned channel)
{
  if (conv->activation == DICENET_ACTIVATION_PRELU)
    x = x > 0 ? x : conv->slope[channel] * x;
  else if (conv->activation == DICENET_ACTIVATION_RELU)
    x = x > 0 ? x : 0;
  else if (conv->activation == DICENET_ACTIVATION_SIGMOID)
    x = sigmoid (x);
  return x * gate_of (conv, channel);
}
