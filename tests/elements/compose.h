/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "overlay/gstdicenetdraw.h"

/* gst_dicenet_renderer_compose() of all results on @buffer. */
static inline GstVideoOverlayComposition *
compose_all (GstDicenetRenderer *renderer, GstBuffer *buffer, const GstVideoInfo *info, gdouble opacity,
             GPtrArray *layers)
{
  g_autoptr (GPtrArray) metas = gst_buffer_get_dicenet_metas (buffer);

  return gst_dicenet_renderer_compose (renderer, (const GstDicenetMeta *const *) metas->pdata, metas->len, info,
                                       opacity, layers);
}
