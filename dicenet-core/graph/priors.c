/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "priors.h"

#include <math.h>

/* The first four maps have 1/8 to 1/64 of the input's size; the cells of the last two divide the picture evenly. */
#define N_STRIDED 4

static gfloat *
put (gfloat *out, double cx, double cy, double w, double h)
{
  *out++ = (gfloat) CLAMP (cx, 0, 1);
  *out++ = (gfloat) CLAMP (cy, 0, 1);
  *out++ = (gfloat) CLAMP (w, 0, 1);
  *out++ = (gfloat) CLAMP (h, 0, 1);
  return out;
}

/* The boxes of one cell, in pixels of a width x height picture: two squares, then both orientations of 2:1 and 3:1. */
static gfloat *
put_cell (gfloat *out, double cx, double cy, double min, double max, double width, double height)
{
  const double geometric = sqrt (min * max);

  out = put (out, cx, cy, min / width, min / height);
  out = put (out, cx, cy, geometric / width, geometric / height);
  for (guint ratio = 2; ratio <= 3; ratio++) {
    const double root = sqrt (ratio);
    out = put (out, cx, cy, min * root / width, min / root / height);
    out = put (out, cx, cy, min / root / width, min * root / height);
  }
  return out;
}

guint
dicenet_priors (const DicenetShape maps[DICENET_N_MAPS], const gfloat sizes[DICENET_N_MAPS + 1], guint width,
                guint height, gfloat *priors)
{
  guint n = 0;

  for (guint k = 0; k < DICENET_N_MAPS; k++) {
    const double stride = 8u << k;
    const double step_x = k < N_STRIDED ? stride / width : 1.0 / maps[k].w,
                 step_y = k < N_STRIDED ? stride / height : 1.0 / maps[k].h;
    for (guint i = 0; priors && i < maps[k].h; i++)
      for (guint j = 0; j < maps[k].w; j++)
        priors = put_cell (priors, (j + 0.5) * step_x, (i + 0.5) * step_y, sizes[k], sizes[k + 1], width, height);
    n += DICENET_BOXES_PER_CELL * maps[k].h * maps[k].w;
  }
  return n;
}

static gfloat *
put_map_cells (gfloat *out, DicenetShape map, double step_x, double step_y)
{
  for (guint i = 0; i < map.h; i++) {
    for (guint j = 0; j < map.w; j++) {
      *out++ = (gfloat) ((j + 0.5) * step_x);
      *out++ = (gfloat) ((i + 0.5) * step_y);
      *out++ = (gfloat) step_x;
      *out++ = (gfloat) step_y;
    }
  }
  return out;
}

guint
dicenet_cells (const DicenetShape maps[DICENET_N_CELL_MAPS], guint width, guint height, gfloat *cells)
{
  guint n = 0;

  for (guint k = 0; k < DICENET_N_CELL_MAPS; k++) {
    const double stride = 8u << k;
    if (cells)
      cells = put_map_cells (cells, maps[k], stride / width, stride / height);
    n += maps[k].h * maps[k].w;
  }
  return n;
}
