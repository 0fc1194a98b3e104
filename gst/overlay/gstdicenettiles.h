/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/**
 * GstDicenetStroke:
 * @x0: where it begins, in pixels of the frame
 * @y0: likewise
 * @x1: where it ends
 * @y1: likewise
 * @color: 0xRRGGBB
 *
 * A straight line. One that begins where the stroke before it ends, in the same colour, continues its path.
 */
typedef struct {
  gfloat x0, y0, x1, y1;
  guint32 color;
} GstDicenetStroke;

/**
 * GstDicenetTiles:
 *
 * Draws strokes with dark edges. Tiles in which nothing changed since the last frame are reused. Not thread-safe.
 */
typedef struct _GstDicenetTiles GstDicenetTiles;

GstDicenetTiles *gst_dicenet_tiles_new (void);
void gst_dicenet_tiles_free (GstDicenetTiles *self);

/**
 * gst_dicenet_tiles_draw:
 * @self: tiles
 * @strokes: (element-type GstDicenetStroke): what to draw
 * @info: size of the frame
 * @thickness: of strokes, in pixels
 * @composition: the rectangles are appended to it
 *
 * Returns: %FALSE if there was not enough memory for all of it
 */
gboolean gst_dicenet_tiles_draw (GstDicenetTiles *self, const GArray *strokes, const GstVideoInfo *info, gint thickness,
                                 GstVideoOverlayComposition *composition);

/** The part of the line from @x0, @y0 to @x1, @y1 that is on the frame or up to @rim pixels beside it, if there is one:
 *  a line may extend far beyond a cropped frame, farther than cairo's numbers. */
void gst_dicenet_strokes_add (GArray *strokes, const GstVideoInfo *info, gdouble rim, gdouble x0, gdouble y0,
                              gdouble x1, gdouble y1, guint32 color);

G_END_DECLS
