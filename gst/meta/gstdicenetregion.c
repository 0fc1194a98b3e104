/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Objects as GStreamer's regions of interest, with the params that DL Streamer gives them. */

#include "gstdicenetregion.h"
#include <math.h>

GstVideoRegionOfInterestMeta *
gst_dicenet_region_iterate (GstBuffer *buffer, gpointer *state)
{
  return (GstVideoRegionOfInterestMeta *) gst_buffer_iterate_meta_filtered (buffer, state,
                                                                            GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
}

GstVideoRegionOfInterestMeta *
gst_dicenet_region_find (GstBuffer *buffer, const GstDicenetMeta *meta, const GstDicenetDetection *d)
{
  GQuark type = g_quark_try_string (gst_dicenet_result_get_label (meta->result, d->label_id));
  GstVideoRegionOfInterestMeta *region;
  gpointer state = NULL;

  while ((region = gst_dicenet_region_iterate (buffer, &state))) {
    if (region->id == d->id && region->roi_type == type)
      break;
  }
  return region;
}

static void
set_box (GstVideoRegionOfInterestMeta *region, gdouble x, gdouble y, gdouble w, gdouble h, guint width, guint height)
{
  region->x = MIN (lround (x), width - 1);
  region->y = MIN (lround (y), height - 1);
  region->w = MAX (lround (x + w), region->x + 1) - region->x;
  region->h = MAX (lround (y + h), region->y + 1) - region->y;
}

static void
set_fractions (GstStructure *detection, gdouble x, gdouble y, gdouble w, gdouble h, guint width, guint height)
{
  gst_structure_set (detection, "x_min", G_TYPE_DOUBLE, x / width, "x_max", G_TYPE_DOUBLE, (x + w) / width, "y_min",
                     G_TYPE_DOUBLE, y / height, "y_max", G_TYPE_DOUBLE, (y + h) / height, NULL);
}

void
gst_dicenet_region_add (GstBuffer *buffer, const GstDicenetMeta *meta, const GstDicenetDetection *d)
{
  const gchar *label = gst_dicenet_result_get_label (meta->result, d->label_id);
  GstVideoRegionOfInterestMeta *region = gst_buffer_add_video_region_of_interest_meta (buffer, label, 0, 0, 0, 0);
  GstStructure *detection = gst_structure_new ("detection", "label", G_TYPE_STRING, label, "label_id", G_TYPE_INT,
                                               (gint) d->label_id, "confidence", G_TYPE_DOUBLE, d->confidence, NULL);

  region->id = d->id;
  region->parent_id = meta->parent_id;
  set_box (region, d->x, d->y, d->w, d->h, meta->frame_width, meta->frame_height);
  set_fractions (detection, d->x, d->y, d->w, d->h, meta->frame_width, meta->frame_height);
  gst_video_region_of_interest_meta_add_param (region, detection);
  gst_dicenet_region_set_track_id (region, d->track_id);
  for (guint i = 0; i < gst_dicenet_detection_get_n_results (d); i++)
    gst_dicenet_region_add_result (region, gst_dicenet_detection_get_result (d, i));
}

GstDicenetObject
gst_dicenet_region_read (const GstVideoRegionOfInterestMeta *region)
{
  GstVideoRegionOfInterestMeta *self = (GstVideoRegionOfInterestMeta *) region; /* get_param() has no const */
  const gchar *label = g_quark_to_string (region->roi_type);
  const GstStructure *detection = gst_video_region_of_interest_meta_get_param (self, "detection");
  const GstStructure *object_id = gst_video_region_of_interest_meta_get_param (self, "object_id");
  GstDicenetObject object = {
    .label = label ? label : "",
    .confidence = 1,
    .x = region->x,
    .y = region->y,
    .w = region->w,
    .h = region->h,
    .region_id = region->id,
    .source_pts = GST_CLOCK_TIME_NONE,
    ._meta = self,
  };
  gdouble confidence;
  gint id;

  if (detection && gst_structure_get_double (detection, "confidence", &confidence) && confidence >= 0)
    object.confidence = MIN (confidence, 1);
  if (object_id && gst_structure_get_int (object_id, "id", &id) && id > 0)
    object.track_id = id;
  return object;
}

void
gst_dicenet_region_set_track_id (GstVideoRegionOfInterestMeta *region, guint64 track_id)
{
  GstStructure *old = gst_video_region_of_interest_meta_get_param (region, "object_id");

  if (old) {
    region->params = g_list_remove (region->params, old);
    gst_structure_free (old);
  }
  if (track_id > 0 && track_id <= G_MAXINT)
    gst_video_region_of_interest_meta_add_param (
        region, gst_structure_new ("object_id", "id", G_TYPE_INT, (gint) track_id, NULL));
}

void
gst_dicenet_region_move (GstVideoRegionOfInterestMeta *region, gdouble x, gdouble y, gdouble w, gdouble h, guint width,
                         guint height)
{
  GstStructure *detection = gst_video_region_of_interest_meta_get_param (region, "detection");

  set_box (region, x, y, w, h, width, height);
  /* Other elements' params may lack the fields. */
  if (detection && gst_structure_has_field (detection, "x_min"))
    set_fractions (detection, x, y, w, h, width, height);
}

void
gst_dicenet_region_add_result (GstVideoRegionOfInterestMeta *region, const GstDicenetResult *result)
{
  const GstDicenetClass *c =
      gst_dicenet_result_get_n_classes (result) > 0 ? gst_dicenet_result_get_class (result, 0) : NULL;

  if (c)
    gst_video_region_of_interest_meta_add_param (
        region,
        gst_structure_new ("classification", "label", G_TYPE_STRING, gst_dicenet_result_get_label (result, c->label_id),
                           "label_id", G_TYPE_INT, (gint) c->label_id, "confidence", G_TYPE_DOUBLE, c->confidence,
                           "model_name", G_TYPE_STRING, result->model, NULL));
}

static GstDicenetResult *
result_from_param (const GstStructure *param)
{
  const gchar *names[] = { gst_structure_get_string (param, "label"), NULL };
  GstDicenetResult *result =
      gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, gst_structure_get_string (param, "model_name"), names, -1);
  gdouble confidence = 1;

  gst_structure_get_double (param, "confidence", &confidence);
  gst_dicenet_result_add_class (result, 0, confidence);
  return result;
}

GList *
gst_dicenet_region_get_results (const GstVideoRegionOfInterestMeta *region)
{
  GList *results = NULL;

  /* DL Streamer names the params after layers of the network. */
  for (const GList *l = region->params; l; l = l->next) {
    const GstStructure *param = l->data;
    if (!gst_structure_has_name (param, "detection") && gst_structure_get_string (param, "label"))
      results = g_list_prepend (results, result_from_param (param));
  }
  return g_list_reverse (results);
}
