/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "graph.h"

G_BEGIN_DECLS

/* Multiply-adds, counted as in the tables of the paper and docs/networks.md: the weights of a convolution times its
 * output positions, at the size that it actually works on; half a multiply-add for the bias of each output; nothing for
 * BatchNorm, activations, pooling and resizing. */
typedef enum {
  DICENET_COST_FIRST_CONV,    /* level 1 */
  DICENET_COST_POINTWISE,     /* dense 1 x 1 on maps */
  DICENET_COST_DEPTHWISE,     /* 3 x 3, one or few channels per group */
  DICENET_COST_DIMCONV_DEPTH, /* DimConv's three branches */
  DICENET_COST_DIMCONV_HEIGHT,
  DICENET_COST_DIMCONV_WIDTH,
  DICENET_COST_LOCAL_FUSION, /* grouped 1 x 1 */
  DICENET_COST_VECTORS,      /* dense layers on one vector per picture */
  DICENET_COST_BIAS,
  DICENET_N_COSTS,
} DicenetCostKind;

/* "first_conv", ... */
extern const char *const dicenet_cost_names[DICENET_N_COSTS];

/* Cost of one node of a graph with @shapes; may be a multiple of 0.5. */
gdouble dicenet_node_cost (const DicenetGraph *graph, const DicenetShape *shapes, guint node);

/* Fills @macs, one number per kind, for one picture of width x height pixels; returns the total. */
guint64 dicenet_cost (const DicenetGraph *graph, guint width, guint height, guint64 macs[DICENET_N_COSTS]);

G_END_DECLS
