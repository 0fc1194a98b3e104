/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetmapping.h"
#include <math.h>

GstDicenetRect
gst_dicenet_rect_intersect (GstDicenetRect a, GstDicenetRect b)
{
  return (GstDicenetRect){ MAX (a.x0, b.x0), MAX (a.y0, b.y0), MIN (a.x1, b.x1), MIN (a.y1, b.y1) };
}

GstDicenetRect
gst_dicenet_mapping_apply (const GstDicenetMapping *m, GstDicenetRect r)
{
  gdouble ax = m->xx * r.x0 + m->xy * r.y0 + m->x0, bx = m->xx * r.x1 + m->xy * r.y1 + m->x0;
  gdouble ay = m->yx * r.x0 + m->yy * r.y0 + m->y0, by = m->yx * r.x1 + m->yy * r.y1 + m->y0;

  return (GstDicenetRect){ MIN (ax, bx), MIN (ay, by), MAX (ax, bx), MAX (ay, by) };
}

void
gst_dicenet_mapping_invert (const GstDicenetMapping *m, gdouble x, gdouble y, gdouble *in_x, gdouble *in_y)
{
  x -= m->x0;
  y -= m->y0;
  *in_x = m->xx != 0 ? x / m->xx : y / m->yx;
  *in_y = m->yy != 0 ? y / m->yy : x / m->xy;
}

/* Maps the rectangle @in of the input frame to the rectangle @out of the output frame. */
static void
mapping_init_rects (GstDicenetMapping *m, GstDicenetRect in, GstDicenetRect out, guint width, guint height)
{
  *m = (GstDicenetMapping){ .width = width, .height = height };
  m->xx = (out.x1 - out.x0) / (in.x1 - in.x0);
  m->yy = (out.y1 - out.y0) / (in.y1 - in.y0);
  m->x0 = out.x0 - m->xx * in.x0;
  m->y0 = out.y0 - m->yy * in.y0;
  m->content = gst_dicenet_rect_intersect (out, (GstDicenetRect){ 0, 0, width, height });
}

#if GST_CHECK_VERSION(1, 28, 0)
/* The matrix of a flip maps pixel indices. Edges, which are mapped here, are one further if the direction is
 * reversed. */
static gdouble
edge_offset (gdouble a, gdouble b)
{
  return a < 0 || b < 0 ? 1 : 0;
}

static gboolean
mapping_init_from_matrix (GstDicenetMapping *m, const GstVideoMetaTransformMatrix *t)
{
  const gfloat (*a)[3] = t->matrix;
  const GstVideoRectangle *in = &t->in_rectangle, *out = &t->out_rectangle;
  gboolean straight = a[0][1] == 0 && a[1][0] == 0, turned = a[0][0] == 0 && a[1][1] == 0;
  gdouble scale = a[2][2];

  /* Boxes stay boxes unless the matrix has a shear or a perspective part. */
  if (a[2][0] != 0 || a[2][1] != 0 || scale == 0 || straight == turned)
    return FALSE;
  *m =
      (GstDicenetMapping){ .width = GST_VIDEO_INFO_WIDTH (t->out_info), .height = GST_VIDEO_INFO_HEIGHT (t->out_info) };
  m->xx = a[0][0] / scale;
  m->xy = a[0][1] / scale;
  m->yx = a[1][0] / scale;
  m->yy = a[1][1] / scale;
  m->x0 = a[0][2] / scale - m->xx * in->x - m->xy * in->y + out->x + edge_offset (m->xx, m->xy);
  m->y0 = a[1][2] / scale - m->yx * in->x - m->yy * in->y + out->y + edge_offset (m->yx, m->yy);
  if (m->xx * m->yy - m->xy * m->yx == 0)
    return FALSE;
  m->content = gst_dicenet_rect_intersect ((GstDicenetRect){ out->x, out->y, out->x + out->w, out->y + out->h },
                                           (GstDicenetRect){ 0, 0, m->width, m->height });
  return TRUE;
}
#else
/* Total width and height of the borders that videoscale adds to preserve the display aspect ratio. Before GStreamer
 * 1.28 it does not pass them on, but adds them by default, computed from the sizes as here. */
static void
guess_borders (const GstVideoInfo *in, const GstVideoInfo *out, guint *horizontal, guint *vertical)
{
  gint in_n, in_d, out_n, out_d, n, d;

  *horizontal = *vertical = 0;
  if (in->par_n <= 0 || in->par_d <= 0 || out->par_n <= 0 || out->par_d <= 0)
    return;
  if (!gst_util_fraction_multiply (in->width, in->height, in->par_n, in->par_d, &in_n, &in_d) ||
      !gst_util_fraction_multiply (out->width, out->height, out->par_n, out->par_d, &out_n, &out_d) ||
      (in_n == out_n && in_d == out_d) || in_n <= 0 ||
      !gst_util_fraction_multiply (in_n, in_d, out->par_d, out->par_n, &n, &d))
    return;
  gint height = gst_util_uint64_scale_int (out->width, d, n);
  gint width = gst_util_uint64_scale_int (out->height, n, d);
  if (height > 0 && height <= out->height)
    *vertical = out->height - height;
  else if (width > 0 && width <= out->width)
    *horizontal = out->width - width;
}
#endif

static gboolean
mapping_init_from_scale (GstDicenetMapping *m, const GstVideoMetaTransform *t)
{
  guint w = GST_VIDEO_INFO_WIDTH (t->out_info), h = GST_VIDEO_INFO_HEIGHT (t->out_info);
  GstDicenetRect in = { 0, 0, GST_VIDEO_INFO_WIDTH (t->in_info), GST_VIDEO_INFO_HEIGHT (t->in_info) };
  guint horizontal = 0, vertical = 0;

  if (in.x1 <= 0 || in.y1 <= 0 || w == 0 || h == 0)
    return FALSE;
#if !GST_CHECK_VERSION(1, 28, 0)
  guess_borders (t->in_info, t->out_info, &horizontal, &vertical);
#endif
  guint left = horizontal / 2, top = vertical / 2;
  mapping_init_rects (m, in, (GstDicenetRect){ left, top, left + w - horizontal, top + h - vertical }, w, h);
  return TRUE;
}

static gboolean
mapping_init_from_crop (GstDicenetMapping *m, const GstVideoCropMeta *crop)
{
  if (crop->width == 0 || crop->height == 0)
    return FALSE;
  mapping_init_rects (
      m, (GstDicenetRect){ crop->x, crop->y, (gdouble) crop->x + crop->width, (gdouble) crop->y + crop->height },
      (GstDicenetRect){ 0, 0, crop->width, crop->height }, crop->width, crop->height);
  return TRUE;
}

GQuark
gst_dicenet_crop_quark (void)
{
  return g_quark_from_static_string ("gst-dicenet-crop");
}

gboolean
gst_dicenet_mapping_init (GstDicenetMapping *m, GQuark type, gpointer data)
{
  if (GST_VIDEO_META_TRANSFORM_IS_SCALE (type))
    return mapping_init_from_scale (m, data);
#if GST_CHECK_VERSION(1, 28, 0)
  if (GST_VIDEO_META_TRANSFORM_IS_MATRIX (type))
    return mapping_init_from_matrix (m, data);
#endif
  return type == gst_dicenet_crop_quark () && mapping_init_from_crop (m, data);
}

gboolean
gst_dicenet_copy_is_whole (const GstMetaTransformCopy *copy, GstBuffer *buffer)
{
  return !copy->region ||
         (copy->offset == 0 && (copy->size == (gsize) -1 || copy->size == gst_buffer_get_size (buffer)));
}
