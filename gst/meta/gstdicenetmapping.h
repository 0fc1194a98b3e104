/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

G_BEGIN_DECLS

/* Coordinates of cropped, scaled and flipped frames. */

typedef struct {
  gdouble x0, y0, x1, y1;
} GstDicenetRect;

/* Maps input to output coordinates: (x, y) -> (xx x + xy y + x0, yx x + yy y + y0). One factor of each pair is zero. */
typedef struct {
  gdouble xx, xy, x0;
  gdouble yx, yy, y0;
  GstDicenetRect content; /* the part of the output frame that shows the input frame; the rest is border */
  guint width, height;
} GstDicenetMapping;

/** @type and @data are of a transformation of metas: a scaling, a matrix (GStreamer 1.28), or gst_dicenet_crop_quark().
 * %FALSE for others. */
gboolean gst_dicenet_mapping_init (GstDicenetMapping *m, GQuark type, gpointer data);

/** To coordinates of the output; neither is clipped. */
GstDicenetRect gst_dicenet_mapping_apply (const GstDicenetMapping *m, GstDicenetRect r);
/** To coordinates of the input. */
void gst_dicenet_mapping_invert (const GstDicenetMapping *m, gdouble x, gdouble y, gdouble *in_x, gdouble *in_y);

GstDicenetRect gst_dicenet_rect_intersect (GstDicenetRect a, GstDicenetRect b);

/** Type of a transformation whose data is a #GstVideoCropMeta. */
GQuark gst_dicenet_crop_quark (void);

/** Whether the whole buffer, or all of its memory, is copied. */
gboolean gst_dicenet_copy_is_whole (const GstMetaTransformCopy *copy, GstBuffer *buffer);

G_END_DECLS
