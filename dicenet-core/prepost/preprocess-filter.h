/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "../kernels/pixels.h"

/* How one dimension is scaled: output i is computed from inputs start[i] .. start[i] + n[i] - 1. Both start[i] and
 * start[i] + n[i] are ascending, so that inputs can be read once, in order. */
typedef struct {
  DicenetTaps taps;
  guint *n;
  guint most; /* the largest n */
} DicenetFilter;

/* The triangle filter for scaling @in samples to @out samples, both at least 1. If they are equal, every output has one
 * tap of weight 1. */
void dicenet_filter_init (DicenetFilter *self, guint in, guint out);
void dicenet_filter_clear (DicenetFilter *self);
