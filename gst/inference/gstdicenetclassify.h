/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstdicenetinference.h"

G_BEGIN_DECLS

#define GST_TYPE_DICENET_CLASSIFY (gst_dicenet_classify_get_type ())
G_DECLARE_FINAL_TYPE (GstDicenetClassify, gst_dicenet_classify, GST, DICENET_CLASSIFY, GstDicenetInference)
GST_ELEMENT_REGISTER_DECLARE (dicenetclassify)

G_END_DECLS
