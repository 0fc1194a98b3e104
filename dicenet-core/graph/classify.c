/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder.h"

/* Classification: global average pool, grouped FC to c5, FC to the classes; no activation between. */
void
dicenet_build_classify (DicenetGraph *g, const DicenetDescription *d)
{
  guint level[5];
  dicenet_build_backbone (g, d, "", 5, level);

  guint x = dicenet_build_simple (g, DICENET_OP_MEAN, "global_pool", level[4]);
  x = dicenet_build_fc (g, "classifier.0", x, d->widths.c5, 4, FALSE, DICENET_ACTIVATION_NONE);
  x = dicenet_build_fc (g, "classifier.2", x, d->n_classes, 1, TRUE, DICENET_ACTIVATION_NONE);
  g->outputs[g->n_outputs++] = (DicenetGraphOutput){ "logits", x };
}
