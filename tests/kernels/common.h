/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include "kernels/bf16.h"
#include "kernels/kernels.h"

/* Random operands of kernels, for tests and timings. */

#define GUARD       64
#define GUARD_VALUE 12345.678f

extern GRand *random_;

guint random_int (guint low, guint high);

/* Sizes at which registers and panels end, as often as any other. */
guint random_size (guint most);

float random_value (void);
float *random_floats (gsize n);

/* The same without numbers above 1, whose products would hide the errors of others. */
float *small_floats (gsize n);

DicenetBf16 *random_bf16 (gsize n);

/* A padded plane, zeros around random values. */
float *random_padded (guint h, guint w);

/* Planes in one piece of memory, in any order, with a band around each. */
typedef struct {
  DicenetPlanes planes;
  gsize *offsets;
  gsize n;
} Tensor;

/* @fill: with random values; else all is GUARD_VALUE. */
Tensor tensor_new (guint c, guint h, guint w, gboolean fill);
Tensor small_tensor (guint c, guint h, guint w);

/* The same planes at the same places, unwritten. */
Tensor tensor_like (const Tensor *t);
void tensor_free (Tensor *t);

/* How many weights a dense convolution has in blocks. */
gsize blocked_floats (guint cin, guint cout, guint groups, guint kernel);

/* The five branches of efficient pyramid pooling at h x w; @cache owns their tables. */
void fill_branches (DicenetEpp *p, guint h, guint w, GHashTable *cache);
