/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../kernels.h"
#include "../pixels.h"

#define K(name, arguments) void dicenet_ref_##name arguments;
DICENET_KERNELS (K)
DICENET_PIXEL_KERNELS (K)
#undef K

/* x[channel, row, column]; zeros in the padding. */
static inline float
dicenet_ref_input (const DicenetPlanes *x, unsigned channel, long row, long column)
{
  const int inside = row >= 0 && row < (long) x->h && column >= 0 && column < (long) x->w;
  return inside ? dicenet_plane (x, channel)[row * (long) x->w + column] : 0;
}

/* The epilogue of output channel @co: gate * activation (sum); @sum includes the bias. */
float dicenet_ref_activated (float sum, const DicenetConv *conv, unsigned co);

/* One element of a resized plane. */
float dicenet_ref_resized (const float *x, size_t x_stride, const DicenetAxis *rows, const DicenetAxis *columns,
                           unsigned i, unsigned j);
