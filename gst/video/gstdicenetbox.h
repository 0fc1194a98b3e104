/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** Pixels; @x and @y are the upper left corner. */
typedef struct {
  gdouble x, y, w, h;
} GstDicenetBox;

/** Intersection over union of two boxes with an area, if each grows on all sides by a fraction of its size. */
static inline gdouble
gst_dicenet_box_overlap (const GstDicenetBox *a, const GstDicenetBox *b, gdouble growth)
{
  const gdouble grown = 1 + 2 * growth;
  const gdouble w =
      MIN (a->x + a->w * (1 + growth), b->x + b->w * (1 + growth)) - MAX (a->x - a->w * growth, b->x - b->w * growth);
  const gdouble h =
      MIN (a->y + a->h * (1 + growth), b->y + b->h * (1 + growth)) - MAX (a->y - a->h * growth, b->y - b->h * growth);

  if (!(w > 0 && h > 0))
    return 0;
  return w * h / (grown * grown * (a->w * a->h + b->w * b->h) - w * h);
}

G_END_DECLS
