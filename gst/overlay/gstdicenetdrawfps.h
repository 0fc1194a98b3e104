/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/**
 * GstDicenetFpsRenderer:
 *
 * Counts frames and inferences, and draws how many there are per second. Times are those of g_get_monotonic_time(). Not
 * thread-safe.
 */
typedef struct _GstDicenetFpsRenderer GstDicenetFpsRenderer;

GstDicenetFpsRenderer *gst_dicenet_fps_renderer_new (void);
void gst_dicenet_fps_renderer_free (GstDicenetFpsRenderer *self);

/** (nullable): why the last drawing is incomplete or wrong, as a message to the user; a static string. */
const gchar *gst_dicenet_fps_renderer_get_problem (const GstDicenetFpsRenderer *self);

/** Counts the frame of @now, and an inference if any of its results is newer than those of the frames before. */
void gst_dicenet_fps_renderer_count (GstDicenetFpsRenderer *self, const GstDicenetMeta *const *metas, guint n_metas,
                                     gint64 now);

/**
 * gst_dicenet_fps_renderer_compose:
 * @self: a renderer
 * @info: format and size of the frame
 * @results: (nullable) (transfer full): results, to be drawn under the numbers
 * @now: the time
 *
 * Draws both rates in the lower left corner.
 *
 * Returns: (transfer full) (nullable): @results with the rates; without, while they are unknown. Not to be changed
 */
GstVideoOverlayComposition *gst_dicenet_fps_renderer_compose (GstDicenetFpsRenderer *self, const GstVideoInfo *info,
                                                              GstVideoOverlayComposition *results, gint64 now);

G_END_DECLS
