/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder.h"

/* ResNet-50 with one DiCE unit in place of the 3 x 3 and the last pointwise convolution of each bottleneck (paper
 * 3.4). The unit has no stride: a level begins with average pooling, as in DiCENet, before both the shortcut and the
 * branch. */

static guint
build_bottleneck (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel_height, guint kernel_width)
{
  g_autofree char *shortcut = g_strconcat (name, ".shortcut", NULL), *act = g_strconcat (name, ".act", NULL);
  g_autofree char *layer0 = g_strconcat (name, ".layer.0", NULL), *layer1 = g_strconcat (name, ".layer.1", NULL);

  const guint y = dicenet_build_cbr (g, layer0, x, cout / 4, 1, 1, 1);
  if (dicenet_node_channels (g, x) != cout)
    x = dicenet_build_cbr (g, shortcut, x, cout, 1, 1, 1);
  return dicenet_build_residual_dice (g, layer1, act, y, x, kernel_height, kernel_width);
}

guint
dicenet_build_resnet (DicenetGraph *g, const DicenetDescription *d)
{
  static const guint blocks[] = { 3, 4, 6, 3 };
  const guint channels[] = { d->widths.c1, d->widths.c2, d->widths.c3, d->widths.c4 };

  guint x = dicenet_build_cbr (g, "level1", dicenet_build_input (g), d->widths.c0, 3, 2, 1);
  for (guint k = 0; k < G_N_ELEMENTS (blocks); k++) {
    const guint level = k + 2;
    x = dicenet_build_simple (g, level == 2 ? DICENET_OP_MAX_POOL : DICENET_OP_AVG_POOL, "pool", x);
    for (guint i = 1; i <= blocks[k]; i++) {
      g_autofree char *name = g_strdup_printf ("level%u.%u", level, i);
      x = build_bottleneck (g, name, x, channels[k], dicenet_level_size (d->kernel_height, level),
                            dicenet_level_size (d->kernel_width, level));
    }
  }
  return x;
}
