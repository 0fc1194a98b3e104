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
 * Draws results: boxes with labels, a text box with the top classes, a coloured mask with a legend. Rendered pictures
 * are cached for the next frames. Not thread-safe: a renderer belongs to one streaming thread.
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
 * Frees a renderer. Compositions that it returned stay valid.
 */
void gst_dicenet_renderer_free (GstDicenetRenderer *self);

/**
 * gst_dicenet_renderer_get_problem:
 * @self: a renderer
 *
 * Returns: (nullable): why the last drawing is incomplete or wrong, as a message to the user; a static string
 */
const gchar *gst_dicenet_renderer_get_problem (const GstDicenetRenderer *self);

/** Records that there was not enough memory to blend a composition; see gst_dicenet_renderer_get_problem(). */
void gst_dicenet_renderer_lacks_memory (GstDicenetRenderer *self);

/**
 * gst_dicenet_renderer_compose:
 * @self: a renderer
 * @metas: what to draw, in the coordinates of @info
 * @n_metas: number of @metas
 * @info: format and size of the frame
 * @opacity: opacity of masks, 0 to 1. Does not affect boxes and text
 * @layers: (element-type GstDicenetLayer) (nullable): masks are appended to this array, for the caller to blend before
 * the composition; if %NULL, they are part of the composition
 *
 * Rectangles are in the frame's coordinates and %GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB. They may be shared with
 * earlier compositions, so that a sink can reuse textures: attach or blend the composition unmodified, or copy it with
 * gst_video_overlay_composition_copy() first.
 *
 * Returns: (transfer full) (nullable): the composition; %NULL if there is nothing to draw
 */
GstVideoOverlayComposition *gst_dicenet_renderer_compose (GstDicenetRenderer *self, const GstDicenetMeta *const *metas,
                                                          guint n_metas, const GstVideoInfo *info, gdouble opacity,
                                                          GPtrArray *layers);

G_END_DECLS
