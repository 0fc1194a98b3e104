/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include "gstdicenetblend.h"

G_BEGIN_DECLS

/**
 * GstDicenetRenderer:
 *
 * Turns results into pictures: boxes with labels, a text box with the top classes, a coloured mask with a
 * legend. It keeps what it rendered for the next frames. Not thread-safe: one renderer belongs to one streaming thread.
 */
typedef struct _GstDicenetRenderer GstDicenetRenderer;

/**
 * gst_dicenet_renderer_new:
 *
 * Returns: (transfer full): a renderer with empty caches
 */
GstDicenetRenderer *gst_dicenet_renderer_new (void);

/**
 * gst_dicenet_renderer_free:
 * @self: (nullable): a renderer
 *
 * Compositions that were made earlier stay valid.
 */
void gst_dicenet_renderer_free (GstDicenetRenderer *self);

/**
 * gst_dicenet_renderer_get_problem:
 * @self: a renderer
 *
 * Returns: (nullable): why something could not be drawn as it should, in words for the user; static
 */
const gchar *gst_dicenet_renderer_get_problem (const GstDicenetRenderer *self);

/** To be called where what was composed could not be blended for lack of memory: a problem like others. */
void gst_dicenet_renderer_lacks_memory (GstDicenetRenderer *self);

/**
 * gst_dicenet_renderer_compose:
 * @self: a renderer
 * @metas: what to draw, in the coordinates of @info
 * @n_metas: how many
 * @info: format and size of the frame
 * @opacity: 0 to 1: how much of the picture the colours of a mask hide. Boxes and text are not affected
 * @layers: (element-type GstDicenetLayer) (nullable): what masks are appended to, for the caller to blend before the
 * composition; %NULL: they are in the composition
 *
 * Rectangles are in the frame's coordinates, in %GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB. They may be
 * shared with earlier compositions, which lets a sink keep their textures: attach or blend the composition as it is,
 * and copy it with gst_video_overlay_composition_copy() before adding to it.
 *
 * Returns: (transfer full) (nullable): what to attach or to blend; %NULL if there is nothing to draw
 */
GstVideoOverlayComposition *gst_dicenet_renderer_compose (GstDicenetRenderer *self, const GstDicenetMeta *const *metas,
                                                          guint n_metas, const GstVideoInfo *info, gdouble opacity,
                                                          GPtrArray *layers);

G_END_DECLS
