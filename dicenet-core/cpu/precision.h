/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/session.h>
#include "../graph/graph.h"
#include "../kernels/pack.h"

G_BEGIN_DECLS

/* A precision of dense convolutions on the CPU. To add one, add a row to the table, with its packing and kernels. All
 * other operations use float32. */
typedef struct {
  DicenetPrecision precision;
  const char *weights; /* name for error messages */
  int (*is_there) (unsigned mask);
  void (*take) (DicenetKernels *kernels); /* replaces the float32 kernels */
  gboolean has_winograd;
  /* Weights of a dense convolution: size in floats, and packing from plain order. */
  gsize (*floats) (const DicenetDense *conv);
  void (*pack) (const DicenetDense *conv, const float *plain, gpointer to);
  void (*set) (DicenetConv *conv, gconstpointer packed); /* sets the kernels' weight pointer */
  unsigned (*blocks) (unsigned cout, unsigned groups);   /* per group */
  /* Floats of scratch per thread. */
  size_t (*pointwise_scratch) (unsigned cin, unsigned groups);
  size_t (*dense3x3_scratch) (unsigned cin, unsigned groups, unsigned w, unsigned stride);
} DicenetCpuPrecision;

/* The table's row, whether or not this processor supports it; NULL for precisions that the CPU backend lacks. */
const DicenetCpuPrecision *dicenet_cpu_precision (DicenetPrecision precision);

/* Parameters for packing a dense convolution; FALSE for all other nodes. */
gboolean dicenet_cpu_dense (const DicenetGraph *graph, const DicenetNode *node, DicenetDense *out);

G_END_DECLS
