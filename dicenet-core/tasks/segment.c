/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../graph/builder.h"
#include "tasks.h"

/* A class per pixel: ESPNetv2's decoder on levels 1 to 4 (paper 7.2). The network's last step, scaling the logits to
 * the input's size, is not in the graph: whoever reads the result does it row by row (prepost/mask.h), which saves the
 * largest tensor of all. */

/* --- the model file --- */

static gboolean
read_keys (const DicenetMetadata *m, DicenetDescription *d)
{
  gint decoder = 16;

  if (!dicenet_metadata_read_int (m, "background", -1, (gint) d->n_classes - 1, FALSE, &d->background) ||
      !dicenet_metadata_read_int (m, "decoder_width", 1, 256, FALSE, &decoder))
    return FALSE;
  d->decoder_width = (guint) decoder;
  return TRUE;
}

/* --- the network --- */

/* One step up: d = BR(up(d) + weighting(e)), where efficient weighting is an expansion of the encoder's map times a
 * gate got from its means. The means come after the expansion, which waits less for a map that is no longer in the
 * caches.
 */
static guint
build_merge (DicenetGraph *g, const char *stage, guint d, guint e)
{
  const guint cin = dicenet_node_channels (g, e), cout = dicenet_node_channels (g, d);
  g_autofree char *proj = g_strconcat ("proj_enc_", stage, NULL),
                  *expansion = g_strconcat (proj, ".expansion_layer", NULL),
                  *weight = g_strconcat (proj, ".wt_layer.1", NULL);
  g_autofree char *norm = g_strdup_printf ("bu_br_%s.0", stage), *prelu = g_strdup_printf ("bu_br_%s.1", stage);

  const guint expanded = dicenet_build_cbr (g, expansion, e, cout, 3, 1, dicenet_common_groups (cin, cout));
  guint gate = dicenet_build_simple (g, DICENET_OP_MEAN, proj, e);
  gate = dicenet_build_fc (g, weight, gate, cout, 1, FALSE, DICENET_ACTIVATION_SIGMOID);
  return dicenet_build_merge (g, norm, prelu, d, expanded, gate);
}

static void
build (DicenetGraph *g, const DicenetDescription *d)
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

/* --- what it is --- */

static guint
describe (const DicenetDescription *d, DicenetFact facts[DICENET_MAX_FACTS])
{
  facts[0] = (DicenetFact){ DICENET_FACT_NUMBER, "decoder_width", .number = d->decoder_width };
  return 1;
}

const DicenetTaskOps dicenet_task_segment = {
  .keys = { .task = DICENET_TASK_SEGMENT,
            .name = "segment",
            .min_classes = 2,
            .max_classes = 256, /* a mask has 8 bits per pixel */
            .read = read_keys },
  .build = build,
  .describe = describe,
};
