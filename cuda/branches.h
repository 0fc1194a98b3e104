/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include "../dicenet-core/backend/axis.h"

/* DimConv's kernels along one axis of @n positions, combined with scaling to @n_kernels positions and back: see
 * DicenetCudaBranch. */
typedef struct {
  guint n, taps;
  gint *start;    /* [n] */
  gfloat *weight; /* [n][taps][3][3] */
} CudaBranch;

/* @kernels: [n_kernels][channel][other axis]. @axes: see dicenet_axis_cache_new(). Free with cuda_branch_free(). */
CudaBranch *cuda_branch_new (const gfloat *kernels, guint n_kernels, guint n, GHashTable *axes);
void cuda_branch_free (CudaBranch *self);
