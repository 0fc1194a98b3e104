/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>
#include "gstdicenettrail.h"

G_BEGIN_DECLS

/**
 * GstDicenetTrailRenderer:
 *
 * Draws where objects were, as lines. Parts of the picture in which nothing changed are reused. Not thread-safe.
 */
typedef struct _GstDicenetTrailRenderer GstDicenetTrailRenderer;

GstDicenetTrailRenderer *gst_dicenet_trail_renderer_new (void);
void gst_dicenet_trail_renderer_free (GstDicenetTrailRenderer *self);

/** (nullable): why the last drawing is incomplete, as a message to the user; a static string. */
const gchar *gst_dicenet_trail_renderer_get_problem (const GstDicenetTrailRenderer *self);

/**
 * gst_dicenet_trail_renderer_compose:
 * @self: a renderer
 * @trail: what to draw, in the coordinates of @info
 * @info: format and size of the frame
 * @results: (nullable) (transfer full): results, to be drawn over the lines
 *
 * Returns: (transfer full) (nullable): @results with the lines; not to be changed
 */
GstVideoOverlayComposition *gst_dicenet_trail_renderer_compose (GstDicenetTrailRenderer *self,
                                                                const GstDicenetTrail *trail, const GstVideoInfo *info,
                                                                GstVideoOverlayComposition *results);

G_END_DECLS
