/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cost.h"

#include <string.h>

const char *const dicenet_cost_names[DICENET_N_COSTS] = {
  [DICENET_COST_FIRST_CONV] = "first_conv",
  [DICENET_COST_POINTWISE] = "pointwise",
  [DICENET_COST_DEPTHWISE] = "depthwise",
  [DICENET_COST_DIMCONV_DEPTH] = "dimconv_depth",
  [DICENET_COST_DIMCONV_HEIGHT] = "dimconv_height",
  [DICENET_COST_DIMCONV_WIDTH] = "dimconv_width",
  [DICENET_COST_LOCAL_FUSION] = "local_fusion",
  [DICENET_COST_VECTORS] = "vectors",
  [DICENET_COST_BIAS] = "bias",
};

static DicenetCostKind
conv_kind (const DicenetGraph *graph, const DicenetNode *node)
{
  if (node->kernel > 1)
    return dicenet_graph_node (graph, node->inputs[0])->op == DICENET_OP_INPUT ? DICENET_COST_FIRST_CONV
                                                                               : DICENET_COST_DEPTHWISE;
  if (node->groups > 1)
    return DICENET_COST_LOCAL_FUSION;
  return node->is_fully_connected ? DICENET_COST_VECTORS : DICENET_COST_POINTWISE;
}

/* Adds the node's cost to @macs. Returns the number of outputs with a bias. */
static guint64
add_node (const DicenetGraph *graph, const DicenetShape *shapes, guint i, guint64 macs[DICENET_N_COSTS])
{
  const DicenetNode *node = dicenet_graph_node (graph, i);
  const guint64 c = shapes[i].c, h = shapes[i].h, w = shapes[i].w;

  if (node->op == DICENET_OP_CONV) {
    const guint64 per_output =
        (guint64) dicenet_node_channels (graph, node->inputs[0]) / node->groups * node->kernel * node->kernel;
    macs[conv_kind (graph, node)] += c * h * w * per_output;
    return node->bias ? c * h * w : 0;
  }
  if (node->op == DICENET_OP_DICE) {
    macs[DICENET_COST_DIMCONV_DEPTH] += 9 * c * h * w;
    macs[DICENET_COST_DIMCONV_HEIGHT] += 9 * c * node->kernel_height * w;
    macs[DICENET_COST_DIMCONV_WIDTH] += 9 * c * h * node->kernel_width;
    macs[DICENET_COST_LOCAL_FUSION] += 3 * c * h * w;
  } else if (node->op == DICENET_OP_EPP) {
    macs[DICENET_COST_DEPTHWISE] += 9 * DICENET_EPP_BRANCHES * c * h * w;
    for (guint k = 0; k < DICENET_EPP_BRANCHES; k++)
      macs[DICENET_COST_DEPTHWISE] += 9 * c * dicenet_epp_size ((guint) h, k) * dicenet_epp_size ((guint) w, k);
  }
  return 0;
}

gdouble
dicenet_node_cost (const DicenetGraph *graph, const DicenetShape *shapes, guint node)
{
  guint64 macs[DICENET_N_COSTS] = { 0 };
  gdouble total = (gdouble) add_node (graph, shapes, node, macs) / 2;

  for (guint k = 0; k < DICENET_N_COSTS; k++)
    total += (gdouble) macs[k];
  return total;
}

guint64
dicenet_cost (const DicenetGraph *graph, guint width, guint height, guint64 macs[DICENET_N_COSTS])
{
  g_autofree DicenetShape *shapes = dicenet_shapes (graph, width, height);
  guint64 total = 0, bias_outputs = 0;

  memset (macs, 0, DICENET_N_COSTS * sizeof *macs);
  for (guint i = 0; i < graph->nodes->len; i++)
    bias_outputs += add_node (graph, shapes, i, macs);
  macs[DICENET_COST_BIAS] = bias_outputs / 2;
  for (guint k = 0; k < DICENET_N_COSTS; k++)
    total += macs[k];
  return total;
}
