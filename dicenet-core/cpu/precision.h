/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/session.h>
#include "../graph/graph.h"
#include "../kernels/pack.h"

G_BEGIN_DECLS

/* A precision of dense convolutions on the CPU. To add one, add a row to the table, with its packing and kernels. All
 * other operations use float32. */
typedef struct _DicenetCpuPrecision DicenetCpuPrecision;

struct _DicenetCpuPrecision {
  DicenetPrecision precision;
  const char *weights; /* name for error messages */
  int (*is_there) (unsigned mask);
  void (*take) (DicenetKernels *kernels, unsigned mask); /* replaces the float32 kernels */
  gboolean has_winograd;
  gboolean has_gemv;    /* otherwise conv_pointwise computes single pixels */
  gboolean needs_range; /* inputs are quantised: see DicenetConv.input */
  /* Whether it computes a dense convolution; otherwise float32 does. NULL: all. */
  gboolean (*covers) (const DicenetGraph *graph, const DicenetNode *node);
  /* Weights of a dense convolution: size in floats, and packing from plain order. */
  gsize (*floats) (const DicenetDense *conv);
  void (*pack) (const DicenetDense *conv, const float *plain, gpointer to);
  void (*set) (DicenetConv *conv, gconstpointer packed); /* sets the kernels' weight pointer */
  unsigned (*blocks) (unsigned cout, unsigned groups);   /* per group */
  /* Floats of scratch per thread. */
  size_t (*pointwise_scratch) (unsigned cin, unsigned groups);
  size_t (*dense3x3_scratch) (unsigned cin, unsigned groups, unsigned w, unsigned stride);
};

/* The table's row, whether or not this processor supports it; NULL for precisions that the CPU backend lacks. */
const DicenetCpuPrecision *dicenet_cpu_precision (DicenetPrecision precision);

/* The same; NULL also if this processor does not support it or @mask does not allow it. */
const DicenetCpuPrecision *dicenet_cpu_precision_there (DicenetPrecision precision, unsigned mask);

/* The row that computes @node with @precision: itself, or float32 for those that it leaves out. */
const DicenetCpuPrecision *dicenet_cpu_precision_of (const DicenetCpuPrecision *precision, const DicenetGraph *graph,
                                                     const DicenetNode *node);

/* Whether int8 computes @node. */
gboolean dicenet_cpu_is_int8 (const DicenetGraph *graph, const DicenetNode *node);

/* How many of the nodes before node @end it computes: the place of @end's range in a model's int8_ranges. */
guint dicenet_cpu_n_int8 (const DicenetGraph *graph, guint end);

/* The model's means of the input channels of node @node, which it computes; NULL if there are none. */
const gfloat *dicenet_cpu_int8_means (const DicenetDescription *d, const DicenetGraph *graph, guint node);

/* Whether @d has no ranges for int8, or one for each convolution that it computes, and the same for the means of all
 * their channels. FALSE with @error set (INVALID_MODEL); @path: the model's file, for the message. */
gboolean dicenet_cpu_check_int8 (const DicenetDescription *d, const DicenetGraph *graph, const char *path,
                                 GError **error);

/* Parameters for packing a dense convolution; FALSE for all other nodes. */
gboolean dicenet_cpu_dense (const DicenetGraph *graph, const DicenetNode *node, DicenetDense *out);

G_END_DECLS
