/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstbasetransform.h>
#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/video/video.h>
#include "gstdicenettrail.h"

G_BEGIN_DECLS

/**
 * GstDicenetOverlayHelper:
 *
 * Draws results on the frames of a #GstBaseTransform that works in place and owns the helper. Drawing is negotiated: if
 * downstream supports #GstVideoOverlayComposition, a composition is attached and no pixel is modified; otherwise it is
 * blended.
 *
 * Functions must be called from the streaming thread unless documented otherwise.
 */
typedef struct _GstDicenetOverlayHelper GstDicenetOverlayHelper;

/**
 * gst_dicenet_overlay_helper_new:
 * @element: the element, which owns the helper; no reference is taken
 *
 * Returns: (transfer full): a helper that is inactive until gst_dicenet_overlay_helper_set_active()
 */
GstDicenetOverlayHelper *gst_dicenet_overlay_helper_new (GstBaseTransform *element);
void gst_dicenet_overlay_helper_free (GstDicenetOverlayHelper *self);

/** Turns drawing on or off, and renegotiates if that changed. Thread-safe; do not call with the element's lock held. */
void gst_dicenet_overlay_helper_set_active (GstDicenetOverlayHelper *self, gboolean active);
/** Thread-safe. */
gboolean gst_dicenet_overlay_helper_is_active (const GstDicenetOverlayHelper *self);

/** Turns the drawing of frames and inferences per second on or off. Thread-safe. */
void gst_dicenet_overlay_helper_set_show_fps (GstDicenetOverlayHelper *self, gboolean show);
/** Thread-safe. */
gboolean gst_dicenet_overlay_helper_get_show_fps (const GstDicenetOverlayHelper *self);

/** Call this from start() and stop(): discards negotiated and cached state. */
void gst_dicenet_overlay_helper_reset (GstDicenetOverlayHelper *self);

/** For transform_caps(): the caps that are possible on the other pad, with and without the composition feature. */
GstCaps *gst_dicenet_overlay_helper_transform_caps (GstDicenetOverlayHelper *self, GstPadDirection direction,
                                                    GstCaps *caps, GstCaps *filter);
/** For fixate_caps(): prefers caps with the composition feature if downstream accepts them. Takes @othercaps. */
GstCaps *gst_dicenet_overlay_helper_fixate_caps (GstDicenetOverlayHelper *self, GstPadDirection direction,
                                                 GstCaps *caps, GstCaps *othercaps);
/**
 * For prepare_output_buffer(), before chaining up: decides how to draw if caps are new. Renegotiation must be complete
 * before an output buffer is allocated. If it returns anything but %GST_FLOW_OK or %GST_FLOW_FLUSHING, an error was
 * posted.
 */
GstFlowReturn gst_dicenet_overlay_helper_negotiate (GstDicenetOverlayHelper *self);

/**
 * gst_dicenet_overlay_helper_draw:
 * @self: a helper
 * @buffer: a writable frame
 * @info: format of the frame
 * @metas: what to draw, in the coordinates of @info
 * @n_metas: number of @metas
 * @opacity: opacity of masks, 0 to 1
 * @counts: (nullable) (element-type GstDicenetCountMeta): lines and zones to draw, in the coordinates of @info
 * @trail: (nullable): where objects were, likewise
 *
 * Draws on a frame, if the helper is active.
 *
 * Returns: %GST_FLOW_OK, or the reason why the frame can't be pushed; an error was posted in that case
 */
GstFlowReturn gst_dicenet_overlay_helper_draw (GstDicenetOverlayHelper *self, GstBuffer *buffer,
                                               const GstVideoInfo *info, const GstDicenetMeta *const *metas,
                                               guint n_metas, gdouble opacity, GPtrArray *counts,
                                               const GstDicenetTrail *trail);

G_END_DECLS
