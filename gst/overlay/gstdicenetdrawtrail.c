/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetdrawtrail.h"

#include "gstdicenettext.h"
#include "gstdicenettiles.h"

struct _GstDicenetTrailRenderer {
  GstDicenetTiles *tiles;
  gboolean lacks_memory;
};

/* State while a frame is drawn. */
typedef struct {
  const GstVideoInfo *info;
  GstDicenetStyle style;
  GArray *strokes;
} Canvas;

GstDicenetTrailRenderer *
gst_dicenet_trail_renderer_new (void)
{
  GstDicenetTrailRenderer *self = g_new0 (GstDicenetTrailRenderer, 1);

  self->tiles = gst_dicenet_tiles_new ();
  return self;
}

void
gst_dicenet_trail_renderer_free (GstDicenetTrailRenderer *self)
{
  gst_dicenet_tiles_free (self->tiles);
  g_free (self);
}

const gchar *
gst_dicenet_trail_renderer_get_problem (const GstDicenetTrailRenderer *self)
{
  return self->lacks_memory ? "No memory for drawing all trails: some are missing" : NULL;
}

static void
add_path (const GstDicenetTrailPoint *points, guint n, guint32 color, gpointer data)
{
  const Canvas *canvas = data;

  for (guint i = 1; i < n; i++)
    gst_dicenet_strokes_add (canvas->strokes, canvas->info, canvas->style.font, points[i - 1].x, points[i - 1].y,
                             points[i].x, points[i].y, color);
}

GstVideoOverlayComposition *
gst_dicenet_trail_renderer_compose (GstDicenetTrailRenderer *self, const GstDicenetTrail *trail,
                                    const GstVideoInfo *info, GstVideoOverlayComposition *results)
{
  g_autoptr (GArray) strokes = g_array_new (FALSE, FALSE, sizeof (GstDicenetStroke));
  Canvas canvas = { .info = info, .strokes = strokes };

  gst_dicenet_style_init (&canvas.style, info, FALSE);
  gst_dicenet_trail_foreach (trail, add_path, &canvas);
  self->lacks_memory = FALSE;
  if (strokes->len == 0)
    return results;
  GstVideoOverlayComposition *composition = gst_video_overlay_composition_new (NULL);
  self->lacks_memory = !gst_dicenet_tiles_draw (self->tiles, strokes, info, canvas.style.line, composition);
  for (guint i = 0; results && i < gst_video_overlay_composition_n_rectangles (results); i++)
    gst_video_overlay_composition_add_rectangle (composition, gst_video_overlay_composition_get_rectangle (results, i));
  g_clear_pointer (&results, gst_video_overlay_composition_unref);
  return composition;
}
