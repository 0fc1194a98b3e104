/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder.h"

static guint
build_features (DicenetGraph *g, const DicenetDescription *d)
{
  guint level[5];

  if (d->backbone == DICENET_BACKBONE_MOBILENET)
    return dicenet_build_mobilenet (g, d);
  if (d->backbone == DICENET_BACKBONE_RESNET)
    return dicenet_build_resnet (g, d);
  dicenet_build_backbone (g, d, "", 5, level);
  return level[4];
}

/* Classification: global average pool, DiCENet's grouped FC to c5, FC to the classes; no activation between. */
void
dicenet_build_classify (DicenetGraph *g, const DicenetDescription *d)
{
  guint x = dicenet_build_simple (g, DICENET_OP_MEAN, "global_pool", build_features (g, d));
  if (d->widths.c5 > 0)
    x = dicenet_build_fc (g, "classifier.0", x, d->widths.c5, 4, FALSE, DICENET_ACTIVATION_NONE);
  x = dicenet_build_fc (g, "classifier.2", x, d->n_classes, 1, TRUE, DICENET_ACTIVATION_NONE);
  g->outputs[g->n_outputs++] = (DicenetGraphOutput){ "logits", x };
}
