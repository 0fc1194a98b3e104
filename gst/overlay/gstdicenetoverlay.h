/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "video/gstdicenetvideo.h"

G_BEGIN_DECLS

#define GST_TYPE_DICENET_OVERLAY (gst_dicenet_overlay_get_type ())
G_DECLARE_FINAL_TYPE (GstDicenetOverlay, gst_dicenet_overlay, GST, DICENET_OVERLAY, GstDicenetVideo)
GST_ELEMENT_REGISTER_DECLARE (dicenetoverlay)

G_END_DECLS
