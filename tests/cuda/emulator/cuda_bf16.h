/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cuda_fp16.h"

struct __nv_bfloat16 {
  float value;
};

static inline __nv_bfloat16
__float2bfloat16_rn (float x)
{
  return { emulated_round (x, 8, -133, INFINITY) };
}
