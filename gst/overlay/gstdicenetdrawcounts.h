/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/**
 * GstDicenetCountRenderer:
 *
 * Draws lines with an arrow that points forward, outlines of zones, and their counts. The drawing of shapes that did
 * not change is reused. Not thread-safe.
 */
typedef struct _GstDicenetCountRenderer GstDicenetCountRenderer;

GstDicenetCountRenderer *gst_dicenet_count_renderer_new (void);
void gst_dicenet_count_renderer_free (GstDicenetCountRenderer *self);

/** (nullable): why the last drawing is incomplete or wrong, as a message to the user; a static string. */
const gchar *gst_dicenet_count_renderer_get_problem (const GstDicenetCountRenderer *self);

/**
 * gst_dicenet_count_renderer_compose:
 * @self: a renderer
 * @metas: (element-type GstDicenetCountMeta): what to draw, in the coordinates of @info
 * @info: format and size of the frame
 * @results: (nullable) (transfer full): results, to be drawn over shapes and under counts
 *
 * Returns: (transfer full) (nullable): @results with shapes and counts; not to be changed
 */
GstVideoOverlayComposition *gst_dicenet_count_renderer_compose (GstDicenetCountRenderer *self, GPtrArray *metas,
                                                                const GstVideoInfo *info,
                                                                GstVideoOverlayComposition *results);

G_END_DECLS
