/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A canvas of the frame's size would have to be uploaded and blended completely for every frame, and a slanting line
 * has no small rectangle around it. So the frame is divided into tiles, of which those are drawn that something passes
 * through. They stay the same until shapes change.
 */

#include "gstdicenetdrawcounts.h"

#include <cairo.h>
#include <gst/dicenet/gstdicenetcountmeta.h>
#include <math.h>
#include <string.h>
#include "gstdicenettext.h"

/* Side of a tile in pixels, unless there would be more of them than that per side of the frame. */
#define TILE      64
#define MAX_TILES 32

typedef struct {
  gdouble x0, y0, x1, y1; /* pixels */
  guint32 color;
} Stroke;

typedef struct {
  gint x, y, w, h;
} Place;

struct _GstDicenetCountRenderer {
  GstDicenetTextCache *texts;
  gboolean lacks_memory;
  GPtrArray *tiles; /* GstVideoOverlayRectangle */
  GByteArray *key;  /* of the tiles: all that determines them */
};

/* State while a frame is drawn. */
typedef struct {
  GstDicenetCountRenderer *renderer;
  GstDicenetStyle style;
  gint width, height;
  GstVideoOverlayComposition *composition;
  GArray *taken; /* Place: of texts */
} Canvas;

GstDicenetCountRenderer *
gst_dicenet_count_renderer_new (void)
{
  return g_new0 (GstDicenetCountRenderer, 1);
}

void
gst_dicenet_count_renderer_free (GstDicenetCountRenderer *self)
{
  g_clear_pointer (&self->texts, gst_dicenet_text_cache_free);
  g_clear_pointer (&self->tiles, g_ptr_array_unref);
  g_clear_pointer (&self->key, g_byte_array_unref);
  g_free (self);
}

const gchar *
gst_dicenet_count_renderer_get_problem (const GstDicenetCountRenderer *self)
{
  if (self->lacks_memory)
    return "No memory for drawing all lines and zones: some are missing";
  return self->texts ? gst_dicenet_text_cache_get_problem (self->texts) : NULL;
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

/* A shape may extend far beyond a cropped frame, farther than cairo's numbers. */
static void
add_stroke (GArray *strokes, const Canvas *canvas, gdouble x0, gdouble y0, gdouble x1, gdouble y1, guint32 color)
{
  const gdouble rim = 2 * canvas->style.font;
  gdouble from = 0, to = 1;

  if (!clip (x0, x1, -rim, canvas->width + rim, &from, &to) || !clip (y0, y1, -rim, canvas->height + rim, &from, &to))
    return;
  const Stroke stroke = { x0 + from * (x1 - x0), y0 + from * (y1 - y0), x0 + to * (x1 - x0), y0 + to * (y1 - y0),
                          color };
  g_array_append_val (strokes, stroke);
}

/* Unit vector that points forward on the screen: to the right of the line. */
static void
get_forward (const Canvas *canvas, const GstDicenetCountShape *line, gdouble *x, gdouble *y)
{
  const gdouble dx = (line->points[1].x - line->points[0].x) * canvas->width / canvas->style.stretch;
  const gdouble dy = (line->points[1].y - line->points[0].y) * canvas->height;
  const gdouble length = MAX (hypot (dx, dy), 1e-9);

  *x = -dy / length;
  *y = dx / length;
}

static void
add_arrow (GArray *strokes, const Canvas *canvas, const GstDicenetCountShape *line, guint32 color)
{
  const gdouble x = (line->points[0].x + line->points[1].x) / 2 * canvas->width;
  const gdouble y = (line->points[0].y + line->points[1].y) / 2 * canvas->height;
  const gdouble length = 1.6 * canvas->style.font, head = 0.6 * canvas->style.font, stretch = canvas->style.stretch;
  gdouble fx, fy;

  get_forward (canvas, line, &fx, &fy);
  const gdouble tip_x = x + length * fx * stretch, tip_y = y + length * fy;
  add_stroke (strokes, canvas, x, y, tip_x, tip_y, color);
  for (gint side = -1; side <= 1; side += 2)
    add_stroke (strokes, canvas, tip_x, tip_y, tip_x - head * (fx - side * fy) * stretch,
                tip_y - head * (fy + side * fx), color);
}

static void
add_shape (GArray *strokes, const Canvas *canvas, const GstDicenetCountShape *shape, guint index)
{
  const guint32 color = gst_dicenet_class_color (index);

  for (guint i = 0; i < shape->n_points - !shape->is_zone; i++) {
    const GstDicenetCountPoint a = shape->points[i], b = shape->points[(i + 1) % shape->n_points];
    add_stroke (strokes, canvas, a.x * canvas->width, a.y * canvas->height, b.x * canvas->width, b.y * canvas->height,
                color);
  }
  if (!shape->is_zone)
    add_arrow (strokes, canvas, shape, color);
}

/* --- tiles --- */

/* A circle around the tile: some tiles in vain, none is missed. */
static gboolean
touches (const Stroke *stroke, Place tile, gdouble width)
{
  const gdouble dx = stroke->x1 - stroke->x0, dy = stroke->y1 - stroke->y0;
  const gdouble x = tile.x + tile.w / 2.0 - stroke->x0, y = tile.y + tile.h / 2.0 - stroke->y0;
  const gdouble along = CLAMP ((x * dx + y * dy) / MAX (dx * dx + dy * dy, 1e-9), 0, 1);

  return hypot (x - along * dx, y - along * dy) <= hypot (tile.w, tile.h) / 2 + width;
}

static void
set_color (cairo_t *cr, guint32 rgb, gdouble alpha)
{
  cairo_set_source_rgba (cr, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0, alpha);
}

/* Dark edges make colours visible on any picture. */
static void
draw_strokes (cairo_t *cr, const GArray *strokes, Place tile, gdouble width)
{
  cairo_set_line_cap (cr, CAIRO_LINE_CAP_ROUND);
  cairo_translate (cr, -tile.x, -tile.y);
  for (guint dark = 2; dark-- > 0;) {
    cairo_set_line_width (cr, dark ? width + 2 : width);
    for (guint i = 0; i < strokes->len; i++) {
      const Stroke *stroke = &g_array_index (strokes, Stroke, i);
      if (!touches (stroke, tile, width + 2))
        continue;
      set_color (cr, dark ? 0 : stroke->color, dark ? 0.6 : 1);
      cairo_move_to (cr, stroke->x0, stroke->y0);
      cairo_line_to (cr, stroke->x1, stroke->y1);
      cairo_stroke (cr);
    }
  }
}

static gboolean
is_empty (const GArray *strokes, Place tile, gdouble width)
{
  for (guint i = 0; i < strokes->len; i++) {
    if (touches (&g_array_index (strokes, Stroke, i), tile, width + 2))
      return FALSE;
  }
  return TRUE;
}

static void
draw_tile (Canvas *canvas, const GArray *strokes, Place tile)
{
  guint32 *pixels;
  GstBuffer *buffer = gst_dicenet_pixels_new ((guint) tile.w, (guint) tile.h, &pixels);

  if (!buffer) {
    canvas->renderer->lacks_memory = TRUE;
    return;
  }
  memset (pixels, 0, (gsize) tile.w * tile.h * sizeof *pixels);
  cairo_surface_t *surface =
      cairo_image_surface_create_for_data ((guchar *) pixels, CAIRO_FORMAT_ARGB32, tile.w, tile.h, tile.w * 4);
  cairo_t *cr = cairo_create (surface);
  draw_strokes (cr, strokes, tile, canvas->style.line);
  cairo_surface_flush (surface);
  cairo_destroy (cr);
  cairo_surface_destroy (surface);
  g_ptr_array_add (canvas->renderer->tiles,
                   gst_video_overlay_rectangle_new_raw (buffer, tile.x, tile.y, (guint) tile.w, (guint) tile.h,
                                                        GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA));
  gst_buffer_unref (buffer);
}

static void
draw_tiles (Canvas *canvas, const GArray *strokes)
{
  const gint side = MAX (TILE, 2 * (MAX (canvas->width, canvas->height) / (2 * MAX_TILES) + 1));

  g_clear_pointer (&canvas->renderer->tiles, g_ptr_array_unref);
  canvas->renderer->tiles = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_video_overlay_rectangle_unref);
  for (gint y = 0; y < canvas->height; y += side) {
    for (gint x = 0; x < canvas->width; x += side) {
      const Place tile = { x, y, MIN (side, canvas->width - x), MIN (side, canvas->height - y) };
      if (!is_empty (strokes, tile, canvas->style.line))
        draw_tile (canvas, strokes, tile);
    }
  }
}

/* --- texts --- */

static gboolean
overlaps (Place a, Place b)
{
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

static gchar *
format_counts (const GstDicenetCountShape *shape)
{
  const GstDicenetCountTally *total = &shape->total;

  if (shape->is_zone)
    return g_strdup_printf ("%s: %" G_GUINT64_FORMAT " inside, %" G_GUINT64_FORMAT " entered", shape->name,
                            total->inside, total->entered);
  return g_strdup_printf ("%s: %" G_GUINT64_FORMAT " forward, %" G_GUINT64_FORMAT " backward", shape->name,
                          total->forward, total->backward);
}

/* Where the middle of a shape's text should be: behind a line, opposite to its arrow; above a zone's highest corner. */
static void
get_text_position (const Canvas *canvas, const GstDicenetCountShape *shape, gint w, gint h, gdouble *x, gdouble *y)
{
  const gdouble gap = canvas->style.pad + canvas->style.line;

  if (shape->is_zone) {
    guint top = 0;
    for (guint i = 1; i < shape->n_points; i++)
      top = shape->points[i].y < shape->points[top].y ? i : top;
    *x = shape->points[top].x * canvas->width;
    *y = shape->points[top].y * canvas->height - gap - h / 2.0;
    return;
  }
  gdouble fx, fy;
  get_forward (canvas, shape, &fx, &fy);
  *x = (shape->points[0].x + shape->points[1].x) / 2 * canvas->width - fx * (w / 2.0 + gap);
  *y = (shape->points[0].y + shape->points[1].y) / 2 * canvas->height - fy * (h / 2.0 + gap);
}

/* Below texts that are in the way; over them if there is no room. */
static Place
place_text (const Canvas *canvas, gdouble x, gdouble y, gint w, gint h)
{
  Place at = { 0, 0, w, h };

  at.x = (gint) CLAMP (x - w / 2.0, 0, MAX (canvas->width - w, 0));
  at.y = (gint) CLAMP (y - h / 2.0, 0, MAX (canvas->height - h, 0));
  for (guint i = 0; i < canvas->taken->len; i++) {
    const Place other = g_array_index (canvas->taken, Place, i);
    if (overlaps (at, other) && other.y + other.h + h <= canvas->height) {
      at.y = other.y + other.h;
      i = (guint) -1; /* it only moves down, so this ends */
    }
  }
  return at;
}

static void
draw_text (Canvas *canvas, const GstDicenetCountShape *shape, guint index)
{
  g_autofree gchar *text = format_counts (shape);
  const GstDicenetTextBox *box =
      gst_dicenet_text_cache_get_label (canvas->renderer->texts, &canvas->style, text, index, canvas->width);
  gdouble x, y;

  if (!box || !box->pixels) {
    canvas->renderer->lacks_memory = TRUE;
    return;
  }
  get_text_position (canvas, shape, box->width, box->height, &x, &y);
  const Place at = place_text (canvas, x, y, box->width, box->height);
  GstVideoOverlayRectangle *rectangle = gst_video_overlay_rectangle_new_raw (
      box->pixels, at.x, at.y, (guint) at.w, (guint) at.h, GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
  gst_video_overlay_composition_add_rectangle (canvas->composition, rectangle);
  gst_video_overlay_rectangle_unref (rectangle);
  g_array_append_val (canvas->taken, at);
}

/* --- composition --- */

typedef void (*ShapeFunc) (gpointer data, const Canvas *canvas, const GstDicenetCountShape *shape, guint index);

static void
for_each_shape (const Canvas *canvas, GPtrArray *metas, ShapeFunc func, gpointer data)
{
  guint index = 0;

  for (guint i = 0; i < metas->len; i++) {
    const GstDicenetCountMeta *meta = g_ptr_array_index (metas, i);
    for (guint j = 0; j < gst_dicenet_count_meta_get_n_shapes (meta); j++)
      func (data, canvas, gst_dicenet_count_meta_get_shape (meta, j), index++);
  }
}

static void
add_to_key (gpointer data, const Canvas *canvas, const GstDicenetCountShape *shape, guint index)
{
  const guint32 head[] = { shape->is_zone, shape->n_points };

  g_byte_array_append (data, (const guint8 *) head, sizeof head);
  g_byte_array_append (data, (const guint8 *) shape->points, shape->n_points * (guint) sizeof *shape->points);
}

static void
add_to_strokes (gpointer data, const Canvas *canvas, const GstDicenetCountShape *shape, guint index)
{
  add_shape (data, canvas, shape, index);
}

static void
add_to_texts (gpointer data, const Canvas *canvas, const GstDicenetCountShape *shape, guint index)
{
  draw_text (data, shape, index);
}

static void
update_tiles (Canvas *canvas, GPtrArray *metas, const GstVideoInfo *info)
{
  GstDicenetCountRenderer *self = canvas->renderer;
  const gint frame[] = { info->width, info->height, info->par_n, info->par_d };
  GByteArray *key = g_byte_array_new ();

  g_byte_array_append (key, (const guint8 *) frame, sizeof frame);
  for_each_shape (canvas, metas, add_to_key, key);
  if (self->key && self->key->len == key->len && memcmp (self->key->data, key->data, key->len) == 0) {
    g_byte_array_unref (key);
    return;
  }
  g_clear_pointer (&self->key, g_byte_array_unref);
  self->key = key;
  g_autoptr (GArray) strokes = g_array_new (FALSE, FALSE, sizeof (Stroke));
  for_each_shape (canvas, metas, add_to_strokes, strokes);
  draw_tiles (canvas, strokes);
}

GstVideoOverlayComposition *
gst_dicenet_count_renderer_compose (GstDicenetCountRenderer *self, GPtrArray *metas, const GstVideoInfo *info,
                                    GstVideoOverlayComposition *results)
{
  Canvas canvas = { .renderer = self, .width = info->width, .height = info->height };

  if (metas->len == 0)
    return results;
  if (!self->texts)
    self->texts = gst_dicenet_text_cache_new ();
  gst_dicenet_style_init (&canvas.style, info, FALSE);
  update_tiles (&canvas, metas, info);
  canvas.composition = gst_video_overlay_composition_new (NULL);
  canvas.taken = g_array_new (FALSE, FALSE, sizeof (Place));
  for (guint i = 0; i < self->tiles->len; i++)
    gst_video_overlay_composition_add_rectangle (canvas.composition, g_ptr_array_index (self->tiles, i));
  for (guint i = 0; results && i < gst_video_overlay_composition_n_rectangles (results); i++)
    gst_video_overlay_composition_add_rectangle (canvas.composition,
                                                 gst_video_overlay_composition_get_rectangle (results, i));
  for_each_shape (&canvas, metas, add_to_texts, &canvas);
  gst_dicenet_text_cache_trim (self->texts);
  g_array_unref (canvas.taken);
  g_clear_pointer (&results, gst_video_overlay_composition_unref);
  return canvas.composition;
}
