/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstdicenetinference.h"

G_BEGIN_DECLS

#define GST_TYPE_DICENET_DETECT (gst_dicenet_detect_get_type ())
G_DECLARE_FINAL_TYPE (GstDicenetDetect, gst_dicenet_detect, GST, DICENET_DETECT, GstDicenetInference)
GST_ELEMENT_REGISTER_DECLARE (dicenetdetect)

G_END_DECLS
