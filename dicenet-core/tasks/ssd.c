/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include "../graph/builder.h"
#include "../graph/priors.h"
#include "head.h"

/* SSD on levels 3 to 5 and three extra levels (paper 7.1). */

/* --- the model file --- */

/* Sizes of default boxes for files without this key, as in SSD (paper 7.1): evenly spaced from 10 % to 105 % of the
 * default inference size. */
static gboolean
read_prior_sizes (const DicenetMetadata *m, DicenetDescription *d)
{
  static const char expected[] = "seven numbers from 1 to 8192, each larger than the one before";
  const gdouble size = MIN (d->width, d->height), low = ceil (0.1 * size), high = ceil (1.05 * size);

  for (guint k = 0; k <= DICENET_N_MAPS; k++)
    d->prior_sizes[k] = (gfloat) floor (low + (high - low) * k / DICENET_N_MAPS);
  if (!dicenet_metadata_read_numbers (m, "prior_sizes", G_N_ELEMENTS (d->prior_sizes), 1, 2 * DICENET_MAX_SIZE,
                                      expected, d->prior_sizes))
    return FALSE;
  for (guint k = 0; k < DICENET_N_MAPS; k++) {
    if (d->prior_sizes[k + 1] <= d->prior_sizes[k])
      return dicenet_metadata_refuse (m, "prior_sizes", expected, dicenet_metadata_get (m, "prior_sizes"));
  }
  return TRUE;
}

static gboolean
read_keys (const DicenetMetadata *m, DicenetDescription *d)
{
  return dicenet_metadata_read_boolean (m, "pyramid", &d->pyramid) && read_prior_sizes (m, d);
}

static guint
describe (const DicenetDescription *d, DicenetFact *facts)
{
  facts[0] = (DicenetFact){ DICENET_FACT_BOOLEAN, "pyramid", "with feature pyramid", .is_true = d->pyramid };
  facts[1] = (DicenetFact){ DICENET_FACT_NUMBERS, "prior_sizes", .numbers = d->prior_sizes,
                            .n_numbers = G_N_ELEMENTS (d->prior_sizes) };
  return 2;
}

/* --- the network --- */

static guint
build_extra (DicenetGraph *g, const char *name, guint x, guint cout)
{
  const guint c = dicenet_node_channels (g, x);
  g_autofree char *depthwise = g_strconcat (name, ".layer.0", NULL), *pointwise = g_strconcat (name, ".layer.1", NULL);
  return dicenet_build_cbr (g, pointwise, dicenet_build_cbr (g, depthwise, x, c, 3, 2, c), cout, 1, 1, 1);
}

/* The feature pyramid: starting from extra7, each finer map is replaced by the output of an EPP unit on it and the
 * coarser map. */
static void
build_pyramid (DicenetGraph *g, guint maps[DICENET_N_MAPS])
{
  static const char *const names[] = { "base_net.bu_19x19_38x38", "base_net.bu_10x10_19x19", "base_net.bu_5x5_10x10",
                                       "base_net.bu_3x3_5x5" };
  guint coarser = maps[4];
  for (gint k = 3; k >= 0; k--) {
    const guint c = dicenet_node_channels (g, maps[k]);
    const guint up = dicenet_build_upsample (g, coarser, maps[k]);
    coarser = maps[k] =
        dicenet_build_epp (g, names[k], dicenet_build_concat (g, (guint[]){ up, maps[k] }, 2), c / 5, c, FALSE);
  }
}

static guint
build_heads (DicenetGraph *g, const char *kind, const guint maps[DICENET_N_MAPS], guint values)
{
  guint heads[DICENET_N_MAPS];
  for (guint k = 0; k < DICENET_N_MAPS; k++) {
    g_autofree char *name = g_strdup_printf ("%s.%u", kind, k);
    heads[k] = dicenet_build_conv (g, name, maps[k], DICENET_BOXES_PER_CELL * values, 1, 1, TRUE);
  }
  return dicenet_build_flatten (g, kind, heads, DICENET_N_MAPS, DICENET_BOXES_PER_CELL);
}

static void
build (DicenetGraph *g, const DicenetDescription *d)
{
  guint level[5], *maps = g->maps;
  dicenet_build_backbone (g, d, "base_net.basenet.", 5, level);

  maps[0] = level[2];
  maps[1] = level[3];
  maps[2] = level[4];
  maps[3] = build_extra (g, "base_net.extra_level6", maps[2], 1024);
  maps[4] = build_extra (g, "base_net.extra_level7", maps[3], 512);
  maps[5] = dicenet_build_fully_connected (
      g, "base_net.extra_level8.1",
      dicenet_build_simple (g, DICENET_OP_GLOBAL_AVG_POOL, "base_net.extra_level8", maps[4]), 256, 1, FALSE,
      DICENET_ACTIVATION_RELU);
  if (d->pyramid)
    build_pyramid (g, maps);
  g->outputs[g->n_outputs++] =
      (DicenetGraphOutput){ .name = "confidences", .node = build_heads (g, "cls_layers", maps, d->n_classes) };
  g->outputs[g->n_outputs++] =
      (DicenetGraphOutput){ .name = "locations", .node = build_heads (g, "loc_layers", maps, 4) };
}

static guint
place (const DicenetDescription *d, const DicenetShape maps[DICENET_N_MAPS], guint width, guint height, gfloat *priors)
{
  return dicenet_priors (maps, d->prior_sizes, width, height, priors);
}

const DicenetHeadOps dicenet_head_ssd = {
  .name = "ssd",
  .read = read_keys,
  .describe = describe,
  .build = build,
  .place = place,
};
