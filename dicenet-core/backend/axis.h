/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include "../kernels/kernels.h"

/* Resampling tables, created once per plan. */

typedef enum {
  DICENET_RESIZE_UP,   /* bilinear, corners aligned */
  DICENET_RESIZE_DOWN, /* adaptive average pooling */
} DicenetResize;

/* Tables by size and mode, shared if equal. Free with g_hash_table_unref(). */
GHashTable *dicenet_axis_cache_new (void);
const DicenetAxis *dicenet_axis_get (GHashTable *cache, guint in, guint out, DicenetResize mode);

/* Table that combines scaling n positions up to @larger (at least 1.5 n), the three taps of a kernel, and scaling
 * back. */
const DicenetComposedAxis *dicenet_composed_axis_get (GHashTable *cache, guint n, guint larger);
