/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "video/gstdicenetvideo.h"

G_BEGIN_DECLS

#define GST_TYPE_DICENET_COUNT (gst_dicenet_count_get_type ())
G_DECLARE_FINAL_TYPE (GstDicenetCount, gst_dicenet_count, GST, DICENET_COUNT, GstDicenetVideo)
GST_ELEMENT_REGISTER_DECLARE (dicenetcount)

G_END_DECLS
