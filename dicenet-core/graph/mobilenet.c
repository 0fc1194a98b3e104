/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder.h"

/* MobileNet with a DiCE unit in place of each separable convolution (paper 3.4). The unit has no stride: where
 * MobileNet's convolution has one, it is preceded by average pooling, as in DiCENet. */

static guint
build_unit (DicenetGraph *g, const DicenetDescription *d, guint level, guint i, guint x, guint cout)
{
  g_autofree char *name = g_strdup_printf ("level%u.%u", level, i);
  return dicenet_build_dice (g, name, x, cout, dicenet_level_size (d->kernel_height, level),
                             dicenet_level_size (d->kernel_width, level));
}

guint
dicenet_build_mobilenet (DicenetGraph *g, const DicenetDescription *d)
{
  static const guint units[] = { 2, 2, 6, 2 };
  const guint channels[] = { d->widths.c1, d->widths.c2, d->widths.c3, d->widths.c4 };

  guint x = dicenet_build_cbr (g, "level1.0", dicenet_build_input (g), d->widths.c0 / 2, 3, 2, 1);
  x = build_unit (g, d, 1, 1, x, d->widths.c0);
  for (guint k = 0; k < G_N_ELEMENTS (units); k++) {
    x = dicenet_build_simple (g, DICENET_OP_AVG_POOL, "pool", x);
    for (guint i = 1; i <= units[k]; i++)
      x = build_unit (g, d, k + 2, i, x, channels[k]);
  }
  return x;
}
