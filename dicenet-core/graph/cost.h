/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "graph.h"

G_BEGIN_DECLS

/* Multiply-adds, as the paper's and network.md's tables count them: a convolution's weights times its output positions,
 * at the size that it really works on; half a multiply-add per output of a bias; nothing for BatchNorm, activations,
 * pooling and resizing. */
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

/* Of one node, whose graph has @shapes: may end in a half. */
gdouble dicenet_node_cost (const DicenetGraph *graph, const DicenetShape *shapes, guint node);

/* Fills @macs, one number per kind, for one picture of width x height; returns the total. */
guint64 dicenet_cost (const DicenetGraph *graph, guint width, guint height, guint64 macs[DICENET_N_COSTS]);

G_END_DECLS
