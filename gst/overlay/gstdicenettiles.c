/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A canvas of the frame's size would have to be uploaded and blended completely for every frame, and a slanting line
 * has no small rectangle around it. So the frame is divided into tiles, of which those are drawn that something passes
 * through. Each stays the same until its strokes change.
 */

#include "gstdicenettiles.h"

#include <cairo.h>
#include <math.h>
#include <string.h>
#include "gstdicenettext.h"

/* Side of a tile in pixels, unless there would be more of them than that per side of the frame. */
#define TILE      64
#define MAX_TILES 32

/* Width of the dark edges on either side. */
#define EDGE 1

typedef struct {
  GArray *strokes; /* GstDicenetStroke: those that pass through; NULL: none */
  GstVideoOverlayRectangle *drawn;
} Tile;

typedef struct {
  gint side, columns, rows, width, height, thickness;
} Grid;

struct _GstDicenetTiles {
  Grid grid;
  GArray *tiles; /* Tile: row by row */
};

/* --- tiles --- */

static void
tile_clear (gpointer data)
{
  Tile *tile = data;

  g_clear_pointer (&tile->strokes, g_array_unref);
  g_clear_pointer (&tile->drawn, gst_video_overlay_rectangle_unref);
}

static GArray *
new_tiles (const Grid *grid)
{
  const guint n = (guint) (grid->columns * grid->rows);
  GArray *tiles = g_array_sized_new (FALSE, TRUE, sizeof (Tile), n);

  g_array_set_clear_func (tiles, tile_clear);
  return g_array_set_size (tiles, n);
}

GstDicenetTiles *
gst_dicenet_tiles_new (void)
{
  GstDicenetTiles *self = g_new0 (GstDicenetTiles, 1);

  self->tiles = new_tiles (&self->grid);
  return self;
}

void
gst_dicenet_tiles_free (GstDicenetTiles *self)
{
  g_array_unref (self->tiles);
  g_free (self);
}

/* --- strokes --- */

/* Narrows @from and @to, shares of the way from @a to @b, to what lies between @low and @high. */
static gboolean
clip (gdouble a, gdouble b, gdouble low, gdouble high, gdouble *from, gdouble *to)
{
  if (a == b)
    return a >= low && a <= high;
  const gdouble s = (low - a) / (b - a), t = (high - a) / (b - a);
  *from = MAX (*from, MIN (s, t));
  *to = MIN (*to, MAX (s, t));
  return *from < *to;
}

void
gst_dicenet_strokes_add (GArray *strokes, const GstVideoInfo *info, gdouble rim, gdouble x0, gdouble y0, gdouble x1,
                         gdouble y1, guint32 color)
{
  gdouble from = 0, to = 1;

  if (!clip (x0, x1, -rim, info->width + rim, &from, &to) || !clip (y0, y1, -rim, info->height + rim, &from, &to))
    return;
  const GstDicenetStroke stroke = { (gfloat) (x0 + from * (x1 - x0)), (gfloat) (y0 + from * (y1 - y0)),
                                    (gfloat) (x0 + to * (x1 - x0)), (gfloat) (y0 + to * (y1 - y0)), color };
  g_array_append_val (strokes, stroke);
}

/* How far from its middle a stroke is visible, antialiasing included. */
static gdouble
reach (const Grid *grid)
{
  return grid->thickness / 2.0 + EDGE + 1;
}

/* The tile that @at is in, along an axis with @n of them. */
static gint
tile_at (const Grid *grid, gdouble at, gint n)
{
  return (gint) CLAMP (floor (at / grid->side), 0, n - 1);
}

static void
add_to_tile (GArray *tiles, guint index, const GstDicenetStroke *stroke)
{
  Tile *tile = &g_array_index (tiles, Tile, index);

  if (!tile->strokes)
    tile->strokes = g_array_new (FALSE, FALSE, sizeof (GstDicenetStroke));
  g_array_append_vals (tile->strokes, stroke, 1);
}

/* Row by row, so that a stroke across the frame is in few tiles: some in vain, none is missed. */
static void
add_to_tiles (GArray *tiles, const Grid *grid, const GstDicenetStroke *stroke)
{
  const gdouble around = reach (grid);
  const gint first = tile_at (grid, MIN (stroke->y0, stroke->y1) - around, grid->rows);
  const gint last = tile_at (grid, MAX (stroke->y0, stroke->y1) + around, grid->rows);

  for (gint row = first; row <= last; row++) {
    gdouble from = 0, to = 1;
    if (!clip (stroke->y0, stroke->y1, row * grid->side - around, (row + 1) * grid->side + around, &from, &to))
      continue;
    const gdouble a = stroke->x0 + from * (stroke->x1 - stroke->x0), b = stroke->x0 + to * (stroke->x1 - stroke->x0);
    const gint end = tile_at (grid, MAX (a, b) + around, grid->columns);
    for (gint column = tile_at (grid, MIN (a, b) - around, grid->columns); column <= end; column++)
      add_to_tile (tiles, (guint) (row * grid->columns + column), stroke);
  }
}

/* --- drawing --- */

static void
set_color (cairo_t *cr, guint32 rgb, gdouble alpha)
{
  cairo_set_source_rgba (cr, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0, alpha);
}

static gboolean
continues (const GstDicenetStroke *stroke, const GstDicenetStroke *before)
{
  return stroke->x0 == before->x1 && stroke->y0 == before->y1 && stroke->color == before->color;
}

/* Dark edges make colours visible on any picture. */
static void
draw_strokes (cairo_t *cr, const GArray *strokes, gint thickness)
{
  cairo_set_line_cap (cr, CAIRO_LINE_CAP_ROUND);
  cairo_set_line_join (cr, CAIRO_LINE_JOIN_ROUND);
  for (guint dark = 2; dark-- > 0;) {
    cairo_set_line_width (cr, dark ? thickness + 2 * EDGE : thickness);
    for (guint i = 0; i < strokes->len; i++) {
      const GstDicenetStroke *stroke = &g_array_index (strokes, GstDicenetStroke, i);
      if (i == 0 || !continues (stroke, stroke - 1)) {
        cairo_stroke (cr);
        cairo_move_to (cr, stroke->x0, stroke->y0);
        set_color (cr, dark ? 0 : stroke->color, dark ? 0.6 : 1);
      }
      cairo_line_to (cr, stroke->x1, stroke->y1);
    }
    cairo_stroke (cr);
  }
}

/* Returns NULL if there is not enough memory. */
static GstVideoOverlayRectangle *
draw_tile (const Grid *grid, guint index, const GArray *strokes)
{
  const gint x = (gint) index % grid->columns * grid->side, y = (gint) index / grid->columns * grid->side;
  const gint w = MIN (grid->side, grid->width - x), h = MIN (grid->side, grid->height - y);
  guint32 *pixels;
  GstBuffer *buffer = gst_dicenet_pixels_new ((guint) w, (guint) h, &pixels);

  if (!buffer)
    return NULL;
  memset (pixels, 0, (gsize) w * h * sizeof *pixels);
  cairo_surface_t *surface = cairo_image_surface_create_for_data ((guchar *) pixels, CAIRO_FORMAT_ARGB32, w, h, w * 4);
  cairo_t *cr = cairo_create (surface);
  cairo_translate (cr, -x, -y);
  draw_strokes (cr, strokes, grid->thickness);
  cairo_surface_flush (surface);
  cairo_destroy (cr);
  cairo_surface_destroy (surface);
  GstVideoOverlayRectangle *drawn = gst_video_overlay_rectangle_new_raw (
      buffer, x, y, (guint) w, (guint) h, GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
  gst_buffer_unref (buffer);
  return drawn;
}

static Grid
make_grid (const GstVideoInfo *info, gint thickness)
{
  const gint side = MAX (TILE, 2 * (MAX (info->width, info->height) / (2 * MAX_TILES) + 1));

  return (Grid){ side,     (info->width + side - 1) / side, (info->height + side - 1) / side, info->width, info->height,
                 thickness };
}

static gboolean
same_strokes (const GArray *a, const GArray *b)
{
  return a && b && a->len == b->len && memcmp (a->data, b->data, a->len * sizeof (GstDicenetStroke)) == 0;
}

gboolean
gst_dicenet_tiles_draw (GstDicenetTiles *self, const GArray *strokes, const GstVideoInfo *info, gint thickness,
                        GstVideoOverlayComposition *composition)
{
  const Grid grid = make_grid (info, thickness);
  const gboolean same_grid = memcmp (&grid, &self->grid, sizeof grid) == 0;
  GArray *tiles = new_tiles (&grid);
  gboolean all = TRUE;

  for (guint i = 0; i < strokes->len; i++)
    add_to_tiles (tiles, &grid, &g_array_index (strokes, GstDicenetStroke, i));
  for (guint i = 0; i < tiles->len; i++) {
    Tile *tile = &g_array_index (tiles, Tile, i), *old = same_grid ? &g_array_index (self->tiles, Tile, i) : NULL;
    if (!tile->strokes)
      continue;
    tile->drawn = old && same_strokes (tile->strokes, old->strokes) ? g_steal_pointer (&old->drawn) : NULL;
    if (!tile->drawn)
      tile->drawn = draw_tile (&grid, i, tile->strokes);
    if (tile->drawn)
      gst_video_overlay_composition_add_rectangle (composition, tile->drawn);
    else
      all = FALSE;
  }
  g_array_unref (self->tiles);
  self->tiles = tiles;
  self->grid = grid;
  return all;
}
