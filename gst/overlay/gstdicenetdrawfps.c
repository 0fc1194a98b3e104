/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetdrawfps.h"

#include "gstdicenettext.h"
#include "video/gstdicenetrate.h"

struct _GstDicenetFpsRenderer {
  GstDicenetTextCache *texts;
  gboolean lacks_memory;
  GstDicenetRate frames, inferences;
  gint64 index;  /* of the next frame */
  gint64 newest; /* frame that was inferred; less than any before the first */
};

GstDicenetFpsRenderer *
gst_dicenet_fps_renderer_new (void)
{
  GstDicenetFpsRenderer *self = g_new0 (GstDicenetFpsRenderer, 1);

  self->newest = G_MININT64;
  return self;
}

void
gst_dicenet_fps_renderer_free (GstDicenetFpsRenderer *self)
{
  g_clear_pointer (&self->texts, gst_dicenet_text_cache_free);
  g_free (self);
}

const gchar *
gst_dicenet_fps_renderer_get_problem (const GstDicenetFpsRenderer *self)
{
  if (self->lacks_memory)
    return "No memory for drawing frames per second";
  return self->texts ? gst_dicenet_text_cache_get_problem (self->texts) : NULL;
}

void
gst_dicenet_fps_renderer_count (GstDicenetFpsRenderer *self, const GstDicenetMeta *const *metas, guint n_metas,
                                gint64 now)
{
  gint64 newest = self->newest;

  for (guint i = 0; i < n_metas; i++)
    newest = MAX (newest, self->index - (gint64) metas[i]->age);
  if (newest > self->newest)
    gst_dicenet_rate_add (&self->inferences, now);
  self->newest = newest;
  self->index++;
  gst_dicenet_rate_add (&self->frames, now);
}

static void
add_row (GPtrArray *rows, const gchar *name, gdouble rate)
{
  gst_dicenet_rows_add (rows, 0, name, g_strdup_printf ("%.1f", rate));
}

GstVideoOverlayComposition *
gst_dicenet_fps_renderer_compose (GstDicenetFpsRenderer *self, const GstVideoInfo *info,
                                  GstVideoOverlayComposition *results, gint64 now)
{
  g_autoptr (GPtrArray) rows = gst_dicenet_rows_new ();
  GstDicenetStyle style;

  self->lacks_memory = FALSE;
  if (self->frames.last <= 0)
    return results;
  if (!self->texts)
    self->texts = gst_dicenet_text_cache_new ();
  gst_dicenet_style_init (&style, info, FALSE);
  add_row (rows, "fps", gst_dicenet_rate_get (&self->frames, now));
  add_row (rows, "inference fps", gst_dicenet_rate_get (&self->inferences, now));
  const GstDicenetTextBox *box = gst_dicenet_text_cache_get_list (self->texts, &style, rows, FALSE);
  if (!box || !box->pixels) {
    self->lacks_memory = TRUE;
    return results;
  }
  GstVideoOverlayRectangle *rectangle = gst_video_overlay_rectangle_new_raw (
      box->pixels, 2 * style.pad, MAX (info->height - box->height - 2 * style.pad, 0), (guint) box->width,
      (guint) box->height, GST_VIDEO_OVERLAY_FORMAT_FLAG_PREMULTIPLIED_ALPHA);
  GstVideoOverlayComposition *all = gst_video_overlay_composition_new (NULL);
  for (guint i = 0; results && i < gst_video_overlay_composition_n_rectangles (results); i++)
    gst_video_overlay_composition_add_rectangle (all, gst_video_overlay_composition_get_rectangle (results, i));
  gst_video_overlay_composition_add_rectangle (all, rectangle);
  gst_video_overlay_rectangle_unref (rectangle);
  gst_dicenet_text_cache_trim (self->texts);
  g_clear_pointer (&results, gst_video_overlay_composition_unref);
  return all;
}
