/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/dicenet/gstdicenetobject.h>

G_BEGIN_DECLS

/** (transfer full) (element-type GstDicenetObject): those of the @objects of @buffer that other elements detected, on
 *  the part of the frame that a GstVideoCropMeta shows, clipped to its size. */
GArray *gst_dicenet_others_get (GstBuffer *buffer, const GArray *objects, gint width, gint height);

/** Whether one of @objects (GstDicenetObject) has the class @name, or a model that found one of them knows it, or it
 * can't be told: others' objects may have any class. */
gboolean gst_dicenet_class_is_known (const GArray *objects, const gchar *name);

G_END_DECLS
