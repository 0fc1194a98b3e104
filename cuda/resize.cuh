/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "device.cuh"

/* Computes the pixel at row @i, column @j of @x resampled along both axes, for CHANNELS channels from @first on, which
 * share positions and weights. @values beyond the last channel are undefined. */
template <unsigned CHANNELS>
static __device__ __forceinline__ void
resample (const DicenetCudaTensor &x, unsigned picture, unsigned first, const DicenetCudaAxis &rows,
          const DicenetCudaAxis &columns, unsigned i, unsigned j, float values[CHANNELS])
{
  const unsigned row = (unsigned) rows.start[i], column = (unsigned) columns.start[j];
  const float *plane[CHANNELS];

#pragma unroll
  for (unsigned k = 0; k < CHANNELS; k++) {
    plane[k] = plane_of (x, picture, min (first + k, x.c - 1)) + row * x.w + column;
    values[k] = 0;
  }
  for (unsigned a = 0; a < rows.taps; a++) {
    const float row_weight = rows.weight[a * rows.out + i];
    for (unsigned b = 0; b < columns.taps; b++) {
      const float weight = row_weight * columns.weight[b * columns.out + j];
#pragma unroll
      for (unsigned k = 0; k < CHANNELS; k++)
        values[k] += weight * plane[k][a * x.w + b];
    }
  }
}
