/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Bits after the point of a filter's coefficients: with 8 bits of sample and some room for rounding they fill 32. */
#define DICENET_FILTER_BITS 22

/* How one dimension is scaled: output i is the sum of coefficients[i * n_taps + t] * input[start[i] + t], t < n[i].
 * Coefficients are never negative. Neither start[i] nor start[i] + n[i] gets smaller as i grows, so that inputs can be
 * read once, in order. */
typedef struct {
  guint *start;
  guint *n;
  guint32 *coefficients;
  guint n_taps; /* the largest n */
} DicenetFilter;

/* The triangle filter that takes @in samples to @out samples, both at least 1. Where the sizes are equal, every output
 * has one tap, of weight 1. */
void dicenet_filter_init (DicenetFilter *self, guint in, guint out);
void dicenet_filter_clear (DicenetFilter *self);
