/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "video/gstdicenetvideo.h"

G_BEGIN_DECLS

#define GST_TYPE_DICENET_TRACK (gst_dicenet_track_get_type ())
G_DECLARE_FINAL_TYPE (GstDicenetTrack, gst_dicenet_track, GST, DICENET_TRACK, GstDicenetVideo)
GST_ELEMENT_REGISTER_DECLARE (dicenettrack)

G_END_DECLS
