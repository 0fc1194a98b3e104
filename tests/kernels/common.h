/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include "kernels/bf16.h"
#include "kernels/int8.h"
#include "kernels/kernels.h"
#include "kernels/pack.h"

/* Random operands of kernels, for tests and timings. */

#define GUARD       64
#define GUARD_VALUE 12345.678f

extern GRand *random_;

guint random_int (guint low, guint high);

/* Random sizes, often at the ends of registers and panels. */
guint random_size (guint most);

float random_value (void);
float *random_floats (gsize n);

/* Likewise, without values above 1, whose products would hide errors of others. */
float *small_floats (gsize n);

DicenetBf16 *random_bf16 (gsize n);

/* Packed weights of a convolution in int8; @plain: as of dicenet_pack_int8(). */
float *int8_weights (const DicenetDense *conv, const float *plain);

/* The kernels for int8: the mask that chooses them where they are, and that of float kernels with the same registers.
 */
typedef struct {
  const char *name;
  guint mask, float_mask;
} Int8Set;

#define N_INT8_SETS 6
extern const Int8Set int8_sets[N_INT8_SETS];

/* A padded plane: random values surrounded by zeros. */
float *random_padded (guint h, guint w);

/* Planes in one block of memory, in any order, with guards around each. */
typedef struct {
  DicenetPlanes planes;
  gsize *offsets;
  gsize n;
} Tensor;

/* @fill: with random values; otherwise with GUARD_VALUE. */
Tensor tensor_new (guint c, guint h, guint w, gboolean fill);
Tensor small_tensor (guint c, guint h, guint w);

/* The same layout of planes, not initialised. */
Tensor tensor_like (const Tensor *t);
void tensor_free (Tensor *t);

/* Number of weights of a dense convolution in blocks. */
gsize blocked_floats (guint cin, guint cout, guint groups, guint kernel);

/* The five branches of efficient pyramid pooling at h x w; @cache owns their tables. */
void fill_branches (DicenetEpp *p, guint h, guint w, GHashTable *cache);
