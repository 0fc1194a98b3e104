/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetothers.h"

/* Returns FALSE if nothing of @object is left. */
static gboolean
clip (GstDicenetObject *object, const GstVideoCropMeta *crop, gint width, gint height)
{
  gdouble x0 = object->x - (crop ? crop->x : 0), y0 = object->y - (crop ? crop->y : 0);
  gdouble x1 = MIN (x0 + object->w, width), y1 = MIN (y0 + object->h, height);

  object->x = MAX (x0, 0);
  object->y = MAX (y0, 0);
  object->w = x1 - object->x;
  object->h = y1 - object->y;
  return object->w > 0 && object->h > 0;
}

GArray *
gst_dicenet_others_get (GstBuffer *buffer, const GArray *objects, gint width, gint height)
{
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta (buffer);
  GArray *others = g_array_new (FALSE, FALSE, sizeof (GstDicenetObject));

  for (guint i = 0; i < objects->len; i++) {
    GstDicenetObject object = g_array_index (objects, GstDicenetObject, i);
    if (!object.result && clip (&object, crop, width, height))
      g_array_append_val (others, object);
  }
  return others;
}

static gboolean
has_label (const GstDicenetResult *result, const gchar *name)
{
  for (guint i = 0; i < result->n_labels; i++) {
    if (g_ascii_strcasecmp (result->labels[i], name) == 0)
      return TRUE;
  }
  return FALSE;
}

gboolean
gst_dicenet_class_is_known (const GArray *objects, const gchar *name)
{
  const GstDicenetResult *last = NULL;

  for (guint i = 0; i < objects->len; i++) {
    const GstDicenetObject *object = &g_array_index (objects, GstDicenetObject, i);
    const GstDicenetResult *result = object->result;
    if (!result || result->n_labels == 0 || g_ascii_strcasecmp (object->label, name) == 0)
      return TRUE;
    if (result != last && has_label (result, name))
      return TRUE;
    last = result;
  }
  return FALSE;
}
