/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <math.h>

/* Rounds @x to @bits bits of precision, down to an exponent of @least, clamped to @most. */
static inline float
emulated_round (float x, int bits, int least, float most)
{
  int exponent;

  if (x == 0 || !isfinite (x))
    return x;
  frexpf (x, &exponent);
  const float unit = ldexpf (1, exponent - bits > least ? exponent - bits : least);
  const float rounded = nearbyintf (x / unit) * unit;
  return fabsf (rounded) > most ? copysignf (INFINITY, rounded) : rounded;
}

struct __half {
  float value;
};

static inline __half
__float2half_rn (float x)
{
  return { emulated_round (x, 11, -24, 65504) };
}
