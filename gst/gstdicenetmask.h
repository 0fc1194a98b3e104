/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_DICENET_MASK (gst_dicenet_mask_get_type ())
G_DECLARE_FINAL_TYPE (GstDicenetMask, gst_dicenet_mask, GST, DICENET_MASK, GstBaseTransform)
GST_ELEMENT_REGISTER_DECLARE (dicenetmask)

G_END_DECLS
