/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "graph.h"

#include <math.h>

const char *const dicenet_op_names[DICENET_N_OPS] = {
  [DICENET_OP_INPUT] = "input",         [DICENET_OP_CONV] = "convolution",      [DICENET_OP_DICE] = "DimConv",
  [DICENET_OP_MAX_POOL] = "max pool",   [DICENET_OP_AVG_POOL] = "average pool", [DICENET_OP_GLOBAL_AVG_POOL] = "mean",
  [DICENET_OP_UPSAMPLE] = "upsampling", [DICENET_OP_EPP] = "EPP unit",          [DICENET_OP_UPSAMPLE_ADD] = "merge",
  [DICENET_OP_FLATTEN] = "rows",        [DICENET_OP_CONCAT] = "concatenation",  [DICENET_OP_SHUFFLE] = "shuffle",
  [DICENET_OP_SLICE] = "slice",
};

static void
node_free (gpointer data)
{
  DicenetNode *node = data;
  g_free (node->name);
  g_free (node->weight);
  g_free (node->bias);
  g_free (node->norm);
  g_free (node->prelu);
  g_free (node->weight_height);
  g_free (node->weight_width);
  g_free (node->fuse_weight);
  g_free (node->fuse_norm);
  g_free (node->fuse_prelu);
  g_free (node);
}

DicenetGraph *
dicenet_graph_new (void)
{
  DicenetGraph *g = g_new0 (DicenetGraph, 1);
  g->nodes = g_ptr_array_new_with_free_func (node_free);
  return g;
}

void
dicenet_graph_free (DicenetGraph *g)
{
  if (g == NULL)
    return;
  g_ptr_array_unref (g->nodes);
  g_free (g);
}

/* k x k with padding (k - 1) / 2, k odd. */
static guint
strided (guint size, guint stride)
{
  return (size - 1) / stride + 1;
}

guint
dicenet_epp_size (guint size, guint k)
{
  static const gdouble ratios[DICENET_EPP_BRANCHES] = { 2.0, 1.5, 1.0, 0.5, 0.1 };
  return k == DICENET_EPP_IDENTITY ? size : MAX (5, (guint) ceil (size * ratios[k]));
}

static DicenetShape
rows_shape (const DicenetNode *node, const DicenetShape *shapes)
{
  guint rows = 0;
  for (guint i = 0; i < node->n_inputs; i++)
    rows += shapes[node->inputs[i]].h * shapes[node->inputs[i]].w * node->boxes;
  return (DicenetShape){ 1, rows, shapes[node->inputs[0]].c / node->boxes };
}

static DicenetShape
node_shape (const DicenetNode *node, const DicenetShape *shapes)
{
  const DicenetShape in = shapes[node->inputs[0]];

  switch (node->op) {
  case DICENET_OP_CONV:
    return (DicenetShape){ node->channels, strided (in.h, node->stride), strided (in.w, node->stride) };
  case DICENET_OP_MAX_POOL:
  case DICENET_OP_AVG_POOL:
    return (DicenetShape){ node->channels, strided (in.h, 2), strided (in.w, 2) };
  case DICENET_OP_GLOBAL_AVG_POOL:
    return (DicenetShape){ node->channels, 1, 1 };
  case DICENET_OP_UPSAMPLE:
    return (DicenetShape){ node->channels, shapes[node->like].h, shapes[node->like].w };
  case DICENET_OP_UPSAMPLE_ADD:
    return (DicenetShape){ node->channels, shapes[node->inputs[1]].h, shapes[node->inputs[1]].w };
  case DICENET_OP_FLATTEN:
    return rows_shape (node, shapes);
  default:
    return (DicenetShape){ node->channels, in.h, in.w };
  }
}

DicenetShape *
dicenet_shapes (const DicenetGraph *g, guint width, guint height)
{
  DicenetShape *shapes = g_new (DicenetShape, g->nodes->len);
  for (guint i = 0; i < g->nodes->len; i++) {
    const DicenetNode *node = dicenet_graph_node (g, i);
    shapes[i] = node->op == DICENET_OP_INPUT ? (DicenetShape){ 3, height, width } : node_shape (node, shapes);
  }
  return shapes;
}
