/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builder.h"

/* DiCENet's backbone: ShuffleNetV2 with the DiCE unit (paper 3.4 and Table VIII). */

/* StridedDICE: halves the size and doubles the channels. */
static guint
build_strided_dice (DicenetGraph *g, const char *name, guint x, guint kernel_height, guint kernel_width)
{
  const guint c = dicenet_node_channels (g, x);
  g_autofree char *left0 = g_strconcat (name, ".left_layer.0", NULL),
                  *left1 = g_strconcat (name, ".left_layer.1", NULL);
  g_autofree char *right1 = g_strconcat (name, ".right_layer.1", NULL),
                  *right2 = g_strconcat (name, ".right_layer.2", NULL);

  guint left = dicenet_build_cbr (g, left0, x, c, 3, 2, c);
  left = dicenet_build_cbr (g, left1, left, c, 1, 1, 1);
  guint right = dicenet_build_simple (g, DICENET_OP_AVG_POOL, name, x);
  right = dicenet_build_dice (g, right1, right, c, kernel_height, kernel_width);
  right = dicenet_build_cbr (g, right2, right, c, 1, 1, 1);
  return dicenet_build_shuffle (g, dicenet_build_concat (g, (guint[]){ left, right }, 2), 2);
}

/* Python's round(): ties to even. The published channel widths were split with it. */
static guint
round_half (guint channels)
{
  const guint half = channels / 2;
  return channels % 2 == 0 ? half : half + half % 2;
}

/* ShuffleDICEBlock: some channels pass through unchanged, the others go through a pointwise convolution and a DiCE
 * unit. */
static guint
build_shuffle_dice (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel_height, guint kernel_width)
{
  const guint cin = dicenet_node_channels (g, x), pass = round_half (cin);
  g_autofree char *right0 = g_strconcat (name, ".layer_right.0", NULL),
                  *right1 = g_strconcat (name, ".layer_right.1", NULL);

  const guint passed = dicenet_build_slice (g, x, 0, pass);
  guint right = dicenet_build_slice (g, x, pass, cin - pass);
  right = dicenet_build_cbr (g, right0, right, cout - pass, 1, 1, 1);
  right = dicenet_build_dice (g, right1, right, cout - pass, kernel_height, kernel_width);
  return dicenet_build_shuffle (g, dicenet_build_concat (g, (guint[]){ passed, right }, 2), 2);
}

static guint
build_level (DicenetGraph *g, const char *prefix, guint level, guint x, guint cout, guint repeats, guint kernel_height,
             guint kernel_width)
{
  g_autofree char *strided = g_strdup_printf ("%slevel%u.0", prefix, level);
  x = build_strided_dice (g, strided, x, kernel_height, kernel_width);
  for (guint i = 1; i <= repeats; i++) {
    g_autofree char *block = g_strdup_printf ("%slevel%u.%u", prefix, level, i);
    x = build_shuffle_dice (g, block, x, cout, kernel_height, kernel_width);
  }
  return x;
}

void
dicenet_build_backbone (DicenetGraph *g, const DicenetDescription *d, const char *prefix, guint levels, guint out[5])
{
  static const guint repeats[] = { 3, 7, 3 };
  const guint channels[] = { d->widths.c2, d->widths.c3, d->widths.c4 };
  g_autofree char *level1 = g_strconcat (prefix, "level1", NULL);

  out[0] = dicenet_build_cbr (g, level1, dicenet_build_input (g), d->widths.c0, 3, 2, 1);
  out[1] = dicenet_build_simple (g, DICENET_OP_MAX_POOL, "level2", out[0]);
  for (guint k = 0; k + 3 <= levels; k++) {
    const guint h = dicenet_level_size (d->kernel_height, k + 3), w = dicenet_level_size (d->kernel_width, k + 3);
    out[k + 2] = build_level (g, prefix, k + 3, out[k + 1], channels[k], repeats[k], h, w);
  }
}
