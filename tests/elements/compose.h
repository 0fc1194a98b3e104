/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "overlay/gstdicenetdraw.h"

/* gst_dicenet_drawer_compose() of all results on @buffer. */
static inline GstVideoOverlayComposition *
compose_all (GstDicenetDrawer *drawer, GstBuffer *buffer, const GstVideoInfo *info, gdouble opacity, GPtrArray *layers)
{
  g_autoptr (GPtrArray) metas = g_ptr_array_new ();
  gpointer state = NULL;

  for (GstMeta *meta; (meta = gst_buffer_iterate_meta_filtered (buffer, &state, GST_DICENET_META_API_TYPE));)
    g_ptr_array_add (metas, meta);
  return gst_dicenet_drawer_compose (drawer, (const GstDicenetMeta *const *) metas->pdata, metas->len, info, opacity,
                                     layers);
}
