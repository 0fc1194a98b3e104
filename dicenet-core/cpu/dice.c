/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include "../base/memory.h"
#include "bind.h"

/* The DiCE unit. A thread's scratch holds padded planes of three neighbouring channels and one of zeros, in three
 * versions: unscaled; scaled to the height kernels' rows; scaled to the width kernels' columns. Scaling is only needed
 * if sizes differ (dynamic scaling, paper 3.3). The rest is the two branches and what scaling columns needs. */
typedef struct {
  gfloat *center[4], *tall[4], *wide[4];
  gfloat *height, *width, *width_back; /* branches; and after scaling columns back */
  gfloat *turned[2];
  gsize zeroed; /* number of floats at the start that must be zeroed */
} DiceScratch;

static gfloat *
take (gfloat **at, gsize *n, gsize size)
{
  gfloat *here = *at ? *at + *n : NULL;
  *n += dicenet_align_floats (size);
  return here;
}

/* Lays out the scratch at @at, which may be NULL; returns its size in floats. */
static gsize
lay_out (guint h0, guint w0, guint h, guint w, gfloat *at, DiceScratch *out)
{
  const gsize center = dicenet_padded_floats (h, w);
  const gsize tall = h != h0 ? dicenet_padded_floats (h0, w) : 0, wide = w != w0 ? dicenet_padded_floats (h, w0) : 0;
  gsize n = 0;

  for (guint i = 0; i < 4; i++) {
    out->center[i] = take (&at, &n, center);
    out->tall[i] = take (&at, &n, tall);
    out->wide[i] = take (&at, &n, wide);
  }
  out->zeroed = n;
  out->height = take (&at, &n, dicenet_padded_floats (h0, w));
  out->width = take (&at, &n, dicenet_padded_floats (h, w0));
  out->width_back = take (&at, &n, wide ? center : 0);
  for (guint i = 0; i < 2; i++)
    out->turned[i] = take (&at, &n, wide ? dicenet_padded_floats (MAX (w, w0), h) : 0);
  return n;
}

/* Scales the columns of all rows. Few columns of many are averages of distant ones, which are cheaper to compute as
 * rows. */
static void
scale_columns (const DicenetCpuStep *s, const DiceScratch *scratch, const gfloat *x, gfloat *y,
               const DicenetAxis *columns)
{
  const DicenetKernels *k = s->kernels;
  const guint h = s->x[0].h;

  if (2 * columns->in <= 3 * columns->out) {
    k->resize (x, dicenet_padded_stride (columns->in), y, dicenet_padded_stride (columns->out), s->dice.same_rows,
               columns, NULL);
    return;
  }
  k->transpose (x, scratch->turned[0], h, columns->in);
  k->resize_rows (scratch->turned[0], scratch->turned[1], h, columns);
  k->transpose (scratch->turned[1], y, columns->out, h);
}

/* Copies and scales channel @c into its slot of the three, unless there is no such channel. */
static void
enter_channel (const DicenetCpuStep *s, const DiceScratch *scratch, guint c)
{
  const DicenetPlanes *x = &s->x[0];
  const DicenetKernels *k = s->kernels;

  if (c >= x->c)
    return;
  gfloat *center = scratch->center[c % 3];
  k->pad (dicenet_plane (x, c), x->h, x->w, center);
  center = dicenet_padded_origin (center, x->w);
  if (s->dice.rows)
    k->resize_rows (center, dicenet_padded_origin (scratch->tall[c % 3], x->w), x->w, s->dice.rows);
  if (s->dice.columns)
    scale_columns (s, scratch, center, dicenet_padded_origin (scratch->wide[c % 3], s->dice.w0), s->dice.columns);
}

/* Returns the planes of channels c - 1, c and c + 1; the plane of zeros for channels that do not exist. */
static void
neighbours (gfloat *const planes[4], guint c, guint n_channels, const gfloat *out[3])
{
  for (guint i = 0; i < 3; i++) {
    const guint channel = c + i - 1; /* wraps around below 0 */
    out[i] = planes[channel < n_channels ? channel % 3 : 3];
  }
}

static void
dice_channel (const DicenetCpuStep *s, const DiceScratch *scratch, guint c)
{
  const DicenetKernels *k = s->kernels;
  const DicenetPlanes *x = &s->x[0];
  const DicenetCpuDice *dice = &s->dice;
  DicenetDice d = { .h = x->h,
                    .w = x->w,
                    .depth = dice->depth + 9 * (gsize) c,
                    .tall = scratch->height,
                    .wide = scratch->width,
                    .rows = dice->rows_back },
              tall = { .h = dice->h0, .w = x->w, .height = dice->height },
              wide = { .h = x->h, .w = dice->w0, .width = dice->width };

  neighbours (scratch->center, c, x->c, d.around);
  neighbours (dice->rows ? scratch->tall : scratch->center, c, x->c, tall.around);
  neighbours (dice->columns ? scratch->wide : scratch->center, c, x->c, wide.around);
  k->dimconv_height (&tall, scratch->height);
  k->dimconv_width (&wide, scratch->width);
  if (dice->columns) {
    scale_columns (s, scratch, scratch->width, scratch->width_back, dice->columns_back);
    d.wide = scratch->width_back;
  }
  k->dice (&d, &s->y, &dice->fusion[c], c);
}

static void
dice_task (const DicenetCpuStep *s, gsize begin, gsize n, gfloat *at)
{
  DiceScratch scratch;

  lay_out (s->dice.h0, s->dice.w0, s->x[0].h, s->x[0].w, at, &scratch);
  memset (at, 0, scratch.zeroed * sizeof *at);
  enter_channel (s, &scratch, (guint) begin - 1); /* wraps around below 0: no such channel */
  enter_channel (s, &scratch, (guint) begin);
  for (guint c = (guint) begin; c < begin + n; c++) {
    enter_channel (s, &scratch, c + 1);
    dice_channel (s, &scratch, c);
  }
}

void
dicenet_cpu_bind_dice (DicenetCpuStep *s, const DicenetCpuBinding *b)
{
  const guint h = s->x[0].h, w = s->x[0].w, h0 = b->node->kernel_height, w0 = b->node->kernel_width;
  const DicenetCpuWeights *from = b->w;

  s->task = dice_task;
  s->n = s->y.c;
  s->dice = (DicenetCpuDice){ .h0 = h0,
                              .w0 = w0,
                              .depth = from->weight,
                              .height = from->height,
                              .width = from->width,
                              .fusion = (gconstpointer) from->fusion };
  if (h != h0) {
    s->dice.rows = dicenet_axis_get (b->axes, h, h0, h < h0 ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN);
    s->dice.rows_back = dicenet_axis_get (b->axes, h0, h, h < h0 ? DICENET_RESIZE_DOWN : DICENET_RESIZE_UP);
  }
  if (w != w0) {
    s->dice.same_rows = dicenet_axis_get (b->axes, h, h, DICENET_RESIZE_UP);
    s->dice.columns = dicenet_axis_get (b->axes, w, w0, w < w0 ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN);
    s->dice.columns_back = dicenet_axis_get (b->axes, w0, w, w < w0 ? DICENET_RESIZE_DOWN : DICENET_RESIZE_UP);
  }
}

gsize
dicenet_cpu_dice_scratch (const DicenetNode *node, guint h, guint w)
{
  DiceScratch scratch;
  return lay_out (node->kernel_height, node->kernel_width, h, w, NULL, &scratch);
}
