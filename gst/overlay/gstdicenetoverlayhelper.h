/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstbasetransform.h>
#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/**
 * GstDicenetOverlayHelper:
 *
 * Draws results on the frames of an element that lets them pass: a #GstBaseTransform that works in place, of which the
 * helper is a part. Drawing is negotiated: where downstream takes a #GstVideoOverlayComposition, it is attached and no
 * pixel is touched; else it is blended.
 *
 * Its functions are for the streaming thread, but for those that say so.
 */
typedef struct _GstDicenetOverlayHelper GstDicenetOverlayHelper;

/**
 * gst_dicenet_overlay_helper_new:
 * @element: the element; it owns the helper, and no reference to it is taken
 *
 * Returns: (transfer full): a helper that draws nothing until gst_dicenet_overlay_helper_set_active()
 */
GstDicenetOverlayHelper *gst_dicenet_overlay_helper_new (GstBaseTransform *element);
void gst_dicenet_overlay_helper_free (GstDicenetOverlayHelper *self);

/** Whether to draw; negotiates anew where that changes. Thread-safe, not to be called under the element's lock. */
void gst_dicenet_overlay_helper_set_active (GstDicenetOverlayHelper *self, gboolean active);
/** Thread-safe. */
gboolean gst_dicenet_overlay_helper_is_active (const GstDicenetOverlayHelper *self);

/** To be called by start() and stop(): forgets what was negotiated and rendered. */
void gst_dicenet_overlay_helper_reset (GstDicenetOverlayHelper *self);

/** For transform_caps(): what of @caps can be on the other side, with and without the composition feature. */
GstCaps *gst_dicenet_overlay_helper_transform_caps (GstDicenetOverlayHelper *self, GstPadDirection direction,
                                                    GstCaps *caps, GstCaps *filter);
/** For fixate_caps(): of what downstream takes, the caps with the feature are tried first. Takes @othercaps. */
GstCaps *gst_dicenet_overlay_helper_fixate_caps (GstDicenetOverlayHelper *self, GstPadDirection direction,
                                                 GstCaps *caps, GstCaps *othercaps);
/**
 * For prepare_output_buffer(), before the base class's: decides how to draw where caps are new. Renegotiation must be
 * over before there is an output buffer. An error was posted unless it returns %GST_FLOW_OK or flushing.
 */
GstFlowReturn gst_dicenet_overlay_helper_negotiate (GstDicenetOverlayHelper *self);

/**
 * gst_dicenet_overlay_helper_draw:
 * @self: a helper
 * @buffer: a writable frame
 * @info: its format
 * @metas: what to draw, in the coordinates of @info
 * @n_metas: how many
 * @opacity: 0 to 1: how much of the picture a mask hides
 *
 * Draws on a frame, if drawing is on.
 *
 * Returns: %GST_FLOW_OK, or why the frame can't go on; an error was posted then
 */
GstFlowReturn gst_dicenet_overlay_helper_draw (GstDicenetOverlayHelper *self, GstBuffer *buffer,
                                               const GstVideoInfo *info, const GstDicenetMeta *const *metas,
                                               guint n_metas, gdouble opacity);

G_END_DECLS
