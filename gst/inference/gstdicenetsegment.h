/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstdicenetinference.h"

G_BEGIN_DECLS

#define GST_TYPE_DICENET_SEGMENT (gst_dicenet_segment_get_type ())
G_DECLARE_FINAL_TYPE (GstDicenetSegment, gst_dicenet_segment, GST, DICENET_SEGMENT, GstDicenetInference)
GST_ELEMENT_REGISTER_DECLARE (dicenetsegment)

G_END_DECLS
