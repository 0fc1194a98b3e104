/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/session.h>
#include "../graph/graph.h"
#include "../kernels/pack.h"

G_BEGIN_DECLS

/* What the CPU can compute dense convolutions in. One more is one more row of the table, with its packer and kernels;
 * everything else is float32 in all of them. */
typedef struct {
  DicenetPrecision precision;
  const char *weights; /* what an error calls them */
  int (*is_there) (unsigned mask);
  void (*take) (DicenetKernels *kernels); /* puts its kernels in the place of float32's */
  gboolean has_winograd;
  /* Weights of a dense convolution: floats that they take the room of, and from plain order. */
  gsize (*floats) (const DicenetDense *conv);
  void (*pack) (const DicenetDense *conv, const float *plain, gpointer to);
  void (*set) (DicenetConv *conv, gconstpointer packed); /* has its kernels find them */
  unsigned (*blocks) (unsigned cout, unsigned groups);   /* per group */
} DicenetCpuPrecision;

/* The row, whether or not this processor has it; NULL for what the CPU does not compute in. */
const DicenetCpuPrecision *dicenet_cpu_precision (DicenetPrecision precision);

/* As dense convolutions are packed; FALSE for all else. */
gboolean dicenet_cpu_dense (const DicenetGraph *graph, const DicenetNode *node, DicenetDense *out);
gboolean dicenet_cpu_is_winograd (const DicenetCpuPrecision *precision, const DicenetDense *conv);

G_END_DECLS
