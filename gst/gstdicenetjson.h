/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_DICENET_JSON (gst_dicenet_json_get_type ())
G_DECLARE_FINAL_TYPE (GstDicenetJson, gst_dicenet_json, GST, DICENET_JSON, GstElement)
GST_ELEMENT_REGISTER_DECLARE (dicenetjson)

G_END_DECLS
