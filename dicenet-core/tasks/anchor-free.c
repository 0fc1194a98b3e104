/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../graph/builder.h"
#include "../graph/priors.h"
#include "head.h"

/* The anchor-free head (docs/networks.md) on levels 3 and 4: one box for each cell of maps at 1/8 to 1/64. */

/* --- the model file --- */

static gboolean
read_width (const DicenetMetadata *m, const char *key, guint *out)
{
  gint width = 0;

  if (!dicenet_metadata_read_int (m, key, 1, DICENET_MAX_HEAD_WIDTH, TRUE, &width))
    return FALSE;
  *out = (guint) width;
  return TRUE;
}

static gboolean
read_keys (const DicenetMetadata *m, DicenetDescription *d)
{
  return read_width (m, "head_width", &d->head_width) && read_width (m, "context_width", &d->context_width);
}

static guint
describe (const DicenetDescription *d, DicenetFact *facts)
{
  facts[0] = (DicenetFact){ DICENET_FACT_NUMBER, "head_width", .number = d->head_width };
  facts[1] = (DicenetFact){ DICENET_FACT_NUMBER, "context_width", .number = d->context_width };
  return 2;
}

/* --- the network --- */

static guint
build_pointwise (DicenetGraph *g, const char *list, guint k, guint x, guint cout)
{
  g_autofree char *name = g_strdup_printf ("%s.%u", list, k);
  return dicenet_build_cbr (g, name, x, cout, 1, 1, 1);
}

/* Depthwise, then pointwise; block @k of the list of this name. */
static guint
build_separable (DicenetGraph *g, const char *list, guint k, guint x, guint cout, guint stride)
{
  const guint c = dicenet_node_channels (g, x);
  g_autofree char *depthwise = g_strdup_printf ("%s.%u.0", list, k), *pointwise = g_strdup_printf ("%s.%u.1", list, k);
  return dicenet_build_cbr (g, pointwise, dicenet_build_cbr (g, depthwise, x, c, 3, stride, c), cout, 1, 1, 1);
}

/* @fine + @coarse, scaled up if it is smaller. */
static guint
build_sum (DicenetGraph *g, guint coarse, guint fine)
{
  return dicenet_build_upsample_add (g, NULL, NULL, coarse, fine, DICENET_NONE);
}

static guint
build_context (DicenetGraph *g, const DicenetDescription *d, guint x)
{
  x = build_separable (g, "context", 0, x, d->context_width, 2);
  x = build_separable (g, "context", 1, x, d->context_width, 1);
  x = build_separable (g, "context", 2, x, d->context_width, 1);
  return build_pointwise (g, "context", 3, x, d->head_width);
}

/* The maps p3 to p6: from coarse to fine, and back. */
static void
build_maps (DicenetGraph *g, const DicenetDescription *d, const guint level[5], guint p[DICENET_N_CELL_MAPS])
{
  const guint w = d->head_width;

  p[0] = build_pointwise (g, "lateral", 0, level[2], w);
  p[1] = build_pointwise (g, "lateral", 1, level[3], w);
  p[2] = build_context (g, d, level[3]);
  p[1] = build_separable (g, "top_down", 1, build_sum (g, p[2], p[1]), w, 1);
  p[0] = build_separable (g, "top_down", 0, build_sum (g, p[1], p[0]), w, 1);
  for (guint k = 1; k < DICENET_N_CELL_MAPS; k++) {
    const guint down = build_separable (g, "bottom_up", k - 1, p[k - 1], w, 2);
    p[k] = k < DICENET_N_CELL_MAPS - 1 ? build_separable (g, "fuse", k - 1, build_sum (g, down, p[k]), w, 1) : down;
  }
}

static guint
build_branch (DicenetGraph *g, const char *kind, guint k, guint x, guint values)
{
  const guint w = dicenet_node_channels (g, x);
  g_autofree char *list = g_strdup_printf ("%s.%u", kind, k), *last = g_strdup_printf ("%s.2", list);

  x = build_separable (g, list, 0, x, w, 1);
  x = build_separable (g, list, 1, x, w, 1);
  return dicenet_build_conv (g, last, x, values, 1, 1, TRUE);
}

/* One output: @values for each cell of all maps. */
static void
build_output (DicenetGraph *g, const char *output, const char *kind, guint values)
{
  guint branches[DICENET_N_CELL_MAPS];

  for (guint k = 0; k < DICENET_N_CELL_MAPS; k++)
    branches[k] = build_branch (g, kind, k, g->maps[k], values);
  const guint rows = dicenet_build_flatten (g, kind, branches, DICENET_N_CELL_MAPS, 1);
  g->outputs[g->n_outputs++] = (DicenetGraphOutput){ .name = output, .node = rows };
}

/* The background has no logit. */
static void
build (DicenetGraph *g, const DicenetDescription *d)
{
  guint level[5];

  dicenet_build_backbone (g, d, "base_net.", 4, level);
  build_maps (g, d, level, g->maps);
  build_output (g, "confidences", "cls", d->n_classes - 1);
  build_output (g, "locations", "loc", 4);
}

static guint
place (const DicenetDescription *d, const DicenetShape maps[DICENET_N_MAPS], guint width, guint height, gfloat *priors)
{
  return dicenet_cells (maps, width, height, priors);
}

const DicenetHeadOps dicenet_head_anchor_free = {
  .name = "anchor-free",
  .words = "anchor-free",
  .read = read_keys,
  .describe = describe,
  .build = build,
  .place = place,
};
