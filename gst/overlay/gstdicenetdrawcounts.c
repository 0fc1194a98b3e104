/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetdrawcounts.h"

#include <gst/dicenet/gstdicenetcountmeta.h>
#include <math.h>
#include "gstdicenettext.h"
#include "gstdicenettiles.h"

typedef struct {
  gint x, y, w, h;
} Place;

struct _GstDicenetCountRenderer {
  GstDicenetTextCache *texts;
  gboolean lacks_memory;
  GstDicenetTiles *tiles;
};

/* State while a frame is drawn. */
typedef struct {
  GstDicenetCountRenderer *renderer;
  GstDicenetStyle style;
  const GstVideoInfo *info;
  gint width, height;
  GstVideoOverlayComposition *composition;
  GArray *taken; /* Place: of texts */
} Canvas;

GstDicenetCountRenderer *
gst_dicenet_count_renderer_new (void)
{
  GstDicenetCountRenderer *self = g_new0 (GstDicenetCountRenderer, 1);

  self->tiles = gst_dicenet_tiles_new ();
  return self;
}

void
gst_dicenet_count_renderer_free (GstDicenetCountRenderer *self)
{
  g_clear_pointer (&self->texts, gst_dicenet_text_cache_free);
  gst_dicenet_tiles_free (self->tiles);
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

static void
add_stroke (GArray *strokes, const Canvas *canvas, gdouble x0, gdouble y0, gdouble x1, gdouble y1, guint32 color)
{
  gst_dicenet_strokes_add (strokes, canvas->info, 2 * canvas->style.font, x0, y0, x1, y1, color);
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
  g_autofree gchar *name = gst_dicenet_text_isolate (shape->name);

  if (shape->is_zone)
    return g_strdup_printf ("%s: %" G_GUINT64_FORMAT " inside, %" G_GUINT64_FORMAT " entered", name, total->inside,
                            total->entered);
  return g_strdup_printf ("%s: %" G_GUINT64_FORMAT " forward, %" G_GUINT64_FORMAT " backward", name, total->forward,
                          total->backward);
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
draw_shapes (Canvas *canvas, GPtrArray *metas)
{
  g_autoptr (GArray) strokes = g_array_new (FALSE, FALSE, sizeof (GstDicenetStroke));

  for_each_shape (canvas, metas, add_to_strokes, strokes);
  if (!gst_dicenet_tiles_draw (canvas->renderer->tiles, strokes, canvas->info, canvas->style.line, canvas->composition))
    canvas->renderer->lacks_memory = TRUE;
}

GstVideoOverlayComposition *
gst_dicenet_count_renderer_compose (GstDicenetCountRenderer *self, GPtrArray *metas, const GstVideoInfo *info,
                                    GstVideoOverlayComposition *results)
{
  Canvas canvas = { .renderer = self, .info = info, .width = info->width, .height = info->height };

  if (metas->len == 0)
    return results;
  if (!self->texts)
    self->texts = gst_dicenet_text_cache_new ();
  gst_dicenet_style_init (&canvas.style, info, FALSE);
  canvas.composition = gst_video_overlay_composition_new (NULL);
  draw_shapes (&canvas, metas);
  canvas.taken = g_array_new (FALSE, FALSE, sizeof (Place));
  for (guint i = 0; results && i < gst_video_overlay_composition_n_rectangles (results); i++)
    gst_video_overlay_composition_add_rectangle (canvas.composition,
                                                 gst_video_overlay_composition_get_rectangle (results, i));
  for_each_shape (&canvas, metas, add_to_texts, &canvas);
  gst_dicenet_text_cache_trim (self->texts);
  g_array_unref (canvas.taken);
  g_clear_pointer (&results, gst_video_overlay_composition_unref);
  return canvas.composition;
}
