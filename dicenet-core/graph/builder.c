/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder.h"

static DicenetNode *
append (DicenetGraph *g, DicenetOp op, const char *name, guint channels)
{
  DicenetNode *node = g_new0 (DicenetNode, 1);
  node->op = op;
  node->name = g_strdup (name);
  node->channels = channels;
  g_ptr_array_add (g->nodes, node);
  return node;
}

static void
add_input (DicenetNode *node, guint input)
{
  g_assert (node->n_inputs < DICENET_MAX_INPUTS);
  node->inputs[node->n_inputs++] = input;
}

static guint
last (const DicenetGraph *g)
{
  return g->nodes->len - 1;
}

guint
dicenet_build_input (DicenetGraph *g)
{
  append (g, DICENET_OP_INPUT, "input", 3);
  return last (g);
}

guint
dicenet_build_cbr (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel, guint stride, guint groups)
{
  DicenetNode *node = append (g, DICENET_OP_CONV, name, cout);
  add_input (node, x);
  node->kernel = kernel;
  node->stride = stride;
  node->groups = groups;
  node->activation = DICENET_ACTIVATION_PRELU;
  node->weight = g_strconcat (name, ".cbr.0.weight", NULL);
  node->norm = g_strconcat (name, ".cbr.1", NULL);
  node->prelu = g_strconcat (name, ".cbr.2.weight", NULL);
  return last (g);
}

/* CBR with stride 1, multiplied by @gate, one factor per channel. */
static guint
build_gated_cbr (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel, guint groups, guint gate)
{
  const guint conv = dicenet_build_cbr (g, name, x, cout, kernel, 1, groups);
  add_input (g->nodes->pdata[conv], gate);
  return conv;
}

static DicenetNode *
append_conv (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel, guint groups, gboolean bias)
{
  DicenetNode *node = append (g, DICENET_OP_CONV, name, cout);
  add_input (node, x);
  node->kernel = kernel;
  node->stride = 1;
  node->groups = groups;
  node->weight = g_strconcat (name, ".weight", NULL);
  node->bias = bias ? g_strconcat (name, ".bias", NULL) : NULL;
  return node;
}

guint
dicenet_build_conv (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel, guint groups, gboolean bias)
{
  append_conv (g, name, x, cout, kernel, groups, bias);
  return last (g);
}

guint
dicenet_build_fully_connected (DicenetGraph *g, const char *name, guint x, guint cout, guint groups, gboolean bias,
                               DicenetActivation activation)
{
  DicenetNode *node = append_conv (g, name, x, cout, 1, groups, bias);
  node->activation = activation;
  node->is_fully_connected = TRUE;
  return last (g);
}

guint
dicenet_build_upsample_add (DicenetGraph *g, const char *norm, const char *prelu, guint coarse, guint fine, guint gate)
{
  DicenetNode *node = append (g, DICENET_OP_UPSAMPLE_ADD, prelu ? prelu : "add", dicenet_node_channels (g, fine));
  add_input (node, coarse);
  add_input (node, fine);
  if (gate != DICENET_NONE)
    add_input (node, gate);
  node->activation = prelu ? DICENET_ACTIVATION_PRELU : DICENET_ACTIVATION_NONE;
  node->norm = g_strdup (norm);
  node->prelu = prelu ? g_strconcat (prelu, ".weight", NULL) : NULL;
  return last (g);
}

guint
dicenet_build_simple (DicenetGraph *g, DicenetOp op, const char *name, guint x)
{
  add_input (append (g, op, name, dicenet_node_channels (g, x)), x);
  return last (g);
}

guint
dicenet_build_upsample (DicenetGraph *g, guint x, guint like)
{
  DicenetNode *node = append (g, DICENET_OP_UPSAMPLE, "up", dicenet_node_channels (g, x));
  add_input (node, x);
  node->like = like;
  return last (g);
}

guint
dicenet_build_flatten (DicenetGraph *g, const char *name, const guint *maps, guint n_maps, guint boxes)
{
  DicenetNode *node = append (g, DICENET_OP_FLATTEN, name, 1);
  node->boxes = boxes;
  for (guint i = 0; i < n_maps; i++)
    add_input (node, maps[i]);
  return last (g);
}

guint
dicenet_build_concat (DicenetGraph *g, const guint *inputs, guint n)
{
  DicenetNode *node = append (g, DICENET_OP_CONCAT, "concat", 0);
  for (guint i = 0; i < n; i++) {
    add_input (node, inputs[i]);
    node->channels += dicenet_node_channels (g, inputs[i]);
  }
  return last (g);
}

guint
dicenet_build_shuffle (DicenetGraph *g, guint x, guint groups)
{
  DicenetNode *node = append (g, DICENET_OP_SHUFFLE, "shuffle", dicenet_node_channels (g, x));
  add_input (node, x);
  node->groups = groups;
  return last (g);
}

guint
dicenet_build_slice (DicenetGraph *g, guint x, guint first, guint channels)
{
  DicenetNode *node = append (g, DICENET_OP_SLICE, "slice", channels);
  add_input (node, x);
  node->first = first;
  return last (g);
}

guint
dicenet_common_groups (guint cin, guint cout)
{
  return cout == 0 ? cin : dicenet_common_groups (cout, cin % cout);
}

/* DimConv, BatchNorm, PReLU, shuffle and local fusion are one node, because they take one pass over the tensor. */
static guint
build_dimconv (DicenetGraph *g, const char *name, guint x, guint kernel_height, guint kernel_width)
{
  DicenetNode *node = append (g, DICENET_OP_DICE, name, dicenet_node_channels (g, x));
  add_input (node, x);
  node->kernel_height = kernel_height;
  node->kernel_width = kernel_width;
  node->activation = DICENET_ACTIVATION_PRELU;
  node->weight = g_strconcat (name, ".conv_channel.weight", NULL);
  node->weight_height = g_strconcat (name, ".conv_height.weight", NULL);
  node->weight_width = g_strconcat (name, ".conv_width.weight", NULL);
  node->norm = g_strconcat (name, ".br_act.br.0", NULL);
  node->prelu = g_strconcat (name, ".br_act.br.1.weight", NULL);
  node->fuse_weight = g_strconcat (name, ".weight_avg_layer.cbr.0.weight", NULL);
  node->fuse_norm = g_strconcat (name, ".weight_avg_layer.cbr.1", NULL);
  node->fuse_prelu = g_strconcat (name, ".weight_avg_layer.cbr.2.weight", NULL);
  return last (g);
}

/* The DiCE unit's gate: channel weights, computed from @u, that multiply its spatial convolution. */
static guint
build_channel_weights (DicenetGraph *g, const char *name, guint u, guint cout)
{
  g_autofree char *squeeze = g_strconcat (name, ".linear_comb_layer.1", NULL);
  g_autofree char *excite = g_strconcat (name, ".linear_comb_layer.3", NULL);

  guint s = dicenet_build_simple (g, DICENET_OP_GLOBAL_AVG_POOL, name, u);
  s = dicenet_build_fully_connected (g, squeeze, s, dicenet_node_channels (g, u) / 4, 1, FALSE,
                                     DICENET_ACTIVATION_RELU);
  return dicenet_build_fully_connected (g, excite, s, cout, 1, FALSE, DICENET_ACTIVATION_SIGMOID);
}

guint
dicenet_build_dice (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel_height, guint kernel_width)
{
  const guint groups = dicenet_common_groups (dicenet_node_channels (g, x), cout);
  g_autofree char *proj = g_strconcat (name, ".proj_layer", NULL);

  /* The gate is computed first, so that the convolution can apply it in its epilogue. */
  const guint u = build_dimconv (g, name, x, kernel_height, kernel_width);
  const guint s = build_channel_weights (g, name, u, cout);
  return build_gated_cbr (g, proj, u, cout, 3, groups, s);
}

guint
dicenet_build_residual_dice (DicenetGraph *g, const char *name, const char *prelu, guint x, guint shortcut,
                             guint kernel_height, guint kernel_width)
{
  const guint cout = dicenet_node_channels (g, shortcut);
  const guint groups = dicenet_common_groups (dicenet_node_channels (g, x), cout);
  g_autofree char *proj = g_strconcat (name, ".proj_layer", NULL);

  const guint u = build_dimconv (g, name, x, kernel_height, kernel_width);
  const guint s = build_channel_weights (g, name, u, cout);
  return dicenet_build_upsample_add (g, NULL, prelu, shortcut, dicenet_build_cbr (g, proj, u, cout, 3, 1, groups), s);
}

/* An EPP unit without its pointwise convolutions. It is one node, because a channel's five scales depend on that
 * channel only, so that it takes one pass over the tensor. */
static guint
build_scales (DicenetGraph *g, const char *name, guint x)
{
  DicenetNode *node = append (g, DICENET_OP_EPP, name, dicenet_node_channels (g, x));
  add_input (node, x);
  node->activation = DICENET_ACTIVATION_PRELU;
  node->weight = g_strconcat (name, ".stages", NULL);
  node->norm = g_strconcat (name, ".merge_layer.0.br.0", NULL);
  node->prelu = g_strconcat (name, ".merge_layer.0.br.1.weight", NULL);
  node->fuse_weight = g_strconcat (name, ".merge_layer.2.cbr.0.weight", NULL);
  node->fuse_norm = g_strconcat (name, ".merge_layer.2.cbr.1", NULL);
  node->fuse_prelu = g_strconcat (name, ".merge_layer.2.cbr.2.weight", NULL);
  return last (g);
}

guint
dicenet_build_epp (DicenetGraph *g, const char *name, guint x, guint p, guint cout, gboolean is_last)
{
  g_autofree char *project = g_strconcat (name, ".projection_layer", NULL),
                  *expand = g_strconcat (name, ".merge_layer.3", NULL);

  const guint scales = build_scales (g, name, dicenet_build_cbr (g, project, x, p, 1, 1, 1));
  DicenetNode *node = append_conv (g, expand, scales, cout, 1, 1, is_last);
  if (!is_last) {
    node->activation = DICENET_ACTIVATION_PRELU;
    node->norm = g_strconcat (name, ".br.br.0", NULL);
    node->prelu = g_strconcat (name, ".br.br.1.weight", NULL);
  }
  return last (g);
}
