/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "../kernels/pixels.h"

/* How one dimension is scaled: output i is made of inputs start[i] .. start[i] + n[i] - 1. Neither start[i] nor
 * start[i] + n[i] gets smaller as i grows, so that inputs can be read once, in order. */
typedef struct {
  DicenetTaps taps;
  guint *n;
  guint most; /* the largest n */
} DicenetFilter;

/* The triangle filter that takes @in samples to @out samples, both at least 1. Where the sizes are equal, every output
 * has one tap, of weight 1. */
void dicenet_filter_init (DicenetFilter *self, guint in, guint out);
void dicenet_filter_clear (DicenetFilter *self);
