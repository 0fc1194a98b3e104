/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder.h"

/* ESPNetv2's decoder on levels 1 to 4 (paper 7.2). The network's last step, scaling the logits to the input's size, is
 * not in the graph: whoever reads the result does it row by row (prepost/mask.h), which saves the largest tensor of
 * all. */

/* Efficient weighting of an encoder map: expansion times a gate got from the map's means. */
static guint
build_weighting (DicenetGraph *g, const char *name, guint x, guint cout)
{
  const guint cin = dicenet_node_channels (g, x);
  g_autofree char *expansion = g_strconcat (name, ".expansion_layer", NULL),
                  *weight = g_strconcat (name, ".wt_layer.1", NULL);

  const guint expanded = dicenet_build_cbr (g, expansion, x, cout, 3, 1, dicenet_common_groups (cin, cout));
  guint gate = dicenet_build_simple (g, DICENET_OP_MEAN, name, x);
  gate = dicenet_build_fc (g, weight, gate, cout, 1, FALSE, DICENET_ACTIVATION_SIGMOID);
  return dicenet_build_gate (g, name, expanded, gate);
}

/* One step up: d = BR(up(d) + weighting(e)). */
static guint
build_merge (DicenetGraph *g, const char *stage, guint d, guint e)
{
  g_autofree char *proj = g_strconcat ("proj_enc_", stage, NULL);
  g_autofree char *norm = g_strdup_printf ("bu_br_%s.0", stage), *prelu = g_strdup_printf ("bu_br_%s.1", stage);
  const guint weighted = build_weighting (g, proj, e, dicenet_node_channels (g, d));
  return dicenet_build_norm (g, norm, prelu, dicenet_build_resize (g, DICENET_OP_UP, d, e, 0), weighted);
}

void
dicenet_build_segment (DicenetGraph *g, const DicenetDescription *d)
{
  const guint b = d->decoder_width, p = MIN (d->n_classes / 2, b);
  guint level[5];
  dicenet_build_backbone (g, d, "base_net.", 4, level);

  guint x = dicenet_build_pyramid_pool (g, "eff_pool_16x16", level[3], p, 4 * b, FALSE);
  x = build_merge (g, "32x32", x, level[2]);
  x = dicenet_build_pyramid_pool (g, "eff_pool_32x32", x, p, 3 * b, FALSE);
  x = build_merge (g, "64x64", x, level[1]);
  x = dicenet_build_pyramid_pool (g, "eff_pool_64x64", x, p, 2 * b, FALSE);
  x = build_merge (g, "128x128", x, level[0]);
  x = dicenet_build_pyramid_pool (g, "eff_pool_128x128", x, p, d->n_classes, TRUE);
  g->outputs[g->n_outputs++] = (DicenetGraphOutput){ "logits", x };
}
