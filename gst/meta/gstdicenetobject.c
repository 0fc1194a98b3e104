/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The objects of a frame: one interface to all metas that describe objects. */

#include <gst/dicenet/gstdicenetobject.h>
#include <math.h>

#include "gstdicenetanalytics.h"
#include "gstdicenetmeta-private.h"
#include "gstdicenetregion.h"

static GstDicenetObject *
object_copy (GstDicenetObject *self)
{
  return g_memdup2 (self, sizeof *self);
}

G_DEFINE_BOXED_TYPE (GstDicenetObject, gst_dicenet_object, object_copy, g_free)

/* --- reading --- */

/* What a region has from the detection that it was made from. */
static gint64
region_key (gint id, GQuark type)
{
  return (gint64) ((guint64) type << 32 | (guint32) id);
}

static void
add_key (GHashTable *keys, const GstDicenetMeta *meta, gint id, guint label_id, GstDicenetObject *object)
{
  GQuark type = g_quark_try_string (gst_dicenet_result_get_label (meta->result, label_id));
  gint64 key = region_key (id, type);

  if (type != 0)
    g_hash_table_insert (keys, g_memdup2 (&key, sizeof key), object);
}

/* Keys of the regions that describe our detections, with the object in @objects, or did before a crop removed these,
 * with NULL. */
static GHashTable *
keys_of_detections (GstBuffer *buffer, GArray *objects)
{
  GHashTable *keys = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  gpointer state = NULL;
  guint n = 0;

  for (GstDicenetMeta *meta; (meta = gst_buffer_iterate_dicenet_meta (buffer, &state));) {
    for (guint i = 0; i < gst_dicenet_meta_get_n_detections (meta); i++) {
      const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, i);
      add_key (keys, meta, d->id, d->label_id, &g_array_index (objects, GstDicenetObject, n++));
    }
    const GArray *lost = gst_dicenet_meta_get_lost (meta);
    for (guint i = 0; lost && i < lost->len; i++) {
      const GstDicenetLost *d = &g_array_index (lost, GstDicenetLost, i);
      add_key (keys, meta, d->id, d->label_id, NULL);
    }
  }
  return keys;
}

static void
append_detections (GArray *objects, GstDicenetMeta *meta)
{
  for (guint i = 0; i < gst_dicenet_meta_get_n_detections (meta); i++) {
    const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, i);
    GstDicenetObject object = {
      .label = gst_dicenet_result_get_label (meta->result, d->label_id),
      .confidence = d->confidence,
      .x = d->x,
      .y = d->y,
      .w = d->w,
      .h = d->h,
      .track_id = d->track_id,
      .region_id = d->id,
      .age = meta->age,
      .age_time = meta->age_time,
      .source_pts = meta->source_pts,
      .result = meta->result,
      ._meta = meta,
      ._index = i,
    };
    g_array_append_val (objects, object);
  }
}

/* Appends the regions of others. Another element may have tracked our detection as a region. */
static void
append_regions (GArray *objects, GArray *detections, GstBuffer *buffer)
{
  g_autoptr (GHashTable) ours = NULL;
  GstVideoRegionOfInterestMeta *region;
  gpointer state = NULL, of_region;

  while ((region = gst_dicenet_region_iterate (buffer, &state))) {
    if (!ours)
      ours = keys_of_detections (buffer, detections);
    gint64 key = region_key (region->id, region->roi_type);
    GstDicenetObject object = gst_dicenet_region_read (region), *detection;
    if (g_hash_table_lookup_extended (ours, &key, NULL, &of_region)) {
      detection = of_region;
      if (detection && detection->track_id == 0)
        detection->track_id = object.track_id;
    } else if (region->w > 0 && region->h > 0) {
      g_array_append_val (objects, object);
    }
  }
}

GArray *
gst_buffer_get_dicenet_objects (GstBuffer *buffer)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);

  GArray *objects = g_array_new (FALSE, FALSE, sizeof (GstDicenetObject));
  g_autoptr (GArray) others = g_array_new (FALSE, FALSE, sizeof (GstDicenetObject));
  gpointer state = NULL;
  for (GstDicenetMeta *meta; (meta = gst_buffer_iterate_dicenet_meta (buffer, &state));)
    append_detections (objects, meta);
  append_regions (others, objects, buffer);
  g_array_append_vals (objects, others->data, others->len);
  gst_dicenet_analytics_append_objects (objects, buffer);
  return objects;
}

GList *
gst_buffer_dup_dicenet_objects (GstBuffer *buffer)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);

  g_autoptr (GArray) objects = gst_buffer_get_dicenet_objects (buffer);
  GList *copies = NULL;
  for (guint i = objects->len; i > 0; i--)
    copies = g_list_prepend (copies, object_copy (&g_array_index (objects, GstDicenetObject, i - 1)));
  return copies;
}

/* --- changing --- */

/* What describes an object; NULL where there is none. */
typedef struct {
  GstDicenetMeta *meta;
  GstVideoRegionOfInterestMeta *region;
  guint od; /* GST_DICENET_ANALYTICS_NONE where there is none */
} Metas;

static gboolean
buffer_has_meta (GstBuffer *buffer, gconstpointer wanted)
{
  gpointer state = NULL;

  for (GstMeta *meta; (meta = gst_buffer_iterate_meta (buffer, &state));) {
    if (meta == wanted)
      return TRUE;
  }
  return FALSE;
}

/* Returns FALSE if @object is not of @buffer, for instance of the buffer that @buffer is a copy of. */
static gboolean
find_metas (GstBuffer *buffer, const GstDicenetObject *object, gboolean with_od, Metas *metas)
{
  *metas = (Metas){ .od = GST_DICENET_ANALYTICS_NONE };
  if (!buffer_has_meta (buffer, object->_meta))
    return FALSE;
  GType api = ((GstMeta *) object->_meta)->info->api;
  if (api == GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE) {
    metas->region = object->_meta;
    return TRUE;
  }
  if (api != GST_DICENET_META_API_TYPE) {
    metas->od = object->_index;
    return TRUE;
  }
  metas->meta = object->_meta;
  if (object->_index >= gst_dicenet_meta_get_n_detections (metas->meta))
    return FALSE;
  metas->region =
      gst_dicenet_region_find (buffer, metas->meta, gst_dicenet_meta_get_detection (metas->meta, object->_index));
  if (with_od)
    metas->od = gst_dicenet_analytics_find (buffer, metas->meta, object->_index);
  return TRUE;
}

void
gst_buffer_set_dicenet_track_id (GstBuffer *buffer, const GstDicenetObject *object, guint64 track_id)
{
  Metas metas;

  g_return_if_fail (GST_IS_BUFFER (buffer) && gst_buffer_is_writable (buffer));
  g_return_if_fail (object && find_metas (buffer, object, TRUE, &metas));

  if (metas.meta)
    gst_dicenet_meta_set_track_id (metas.meta, object->_index, track_id);
  if (metas.region)
    gst_dicenet_region_set_track_id (metas.region, track_id);
  gst_dicenet_analytics_set_track_id (buffer, metas.od, track_id);
}

/* Of the frame that the object is on; G_MAXINT if unknown. */
static void
get_frame_size (GstBuffer *buffer, const Metas *metas, guint *width, guint *height)
{
  const GstDicenetMeta *meta = metas->meta;
  const GstVideoMeta *video = gst_buffer_get_video_meta (buffer);
  gpointer state = NULL;

  if (!meta)
    meta = gst_buffer_iterate_dicenet_meta (buffer, &state);
  *width = meta ? meta->frame_width : video ? video->width : G_MAXINT;
  *height = meta ? meta->frame_height : video ? video->height : G_MAXINT;
}

/* Clips the box of @object; returns FALSE if nothing is left. */
static gboolean
clip (GstDicenetObject *object, guint width, guint height)
{
  gdouble x1 = object->x + object->w, y1 = object->y + object->h;

  if (isnan (x1) || isnan (y1)) /* MIN and MAX would hide it */
    return FALSE;
  object->x = MAX (object->x, 0);
  object->y = MAX (object->y, 0);
  object->w = MIN (x1, width) - object->x;
  object->h = MIN (y1, height) - object->y;
  return object->w > 0 && object->h > 0;
}

/* Returns FALSE if the object stays where it was. Entries of GstAnalytics are left to the caller. */
static gboolean
move (GstBuffer *buffer, GstDicenetObject *object)
{
  guint width, height;
  Metas metas;

  g_return_val_if_fail (find_metas (buffer, object, FALSE, &metas), FALSE);

  get_frame_size (buffer, &metas, &width, &height);
  if (!clip (object, width, height))
    return FALSE;
  if (metas.meta)
    gst_dicenet_meta_move_detection (metas.meta, object->_index, object->x, object->y, object->w, object->h);
  if (metas.region)
    gst_dicenet_region_move (metas.region, object->x, object->y, object->w, object->h, width, height);
  return TRUE;
}

guint
gst_buffer_move_dicenet_objects (GstBuffer *buffer, const GstDicenetObject *objects, guint n)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer) && gst_buffer_is_writable (buffer), 0);
  g_return_val_if_fail (objects || n == 0, 0);

  g_autoptr (GArray) moved = g_array_new (FALSE, FALSE, sizeof (GstDicenetObject));
  for (guint i = 0; i < n; i++) {
    GstDicenetObject object = objects[i];
    if (move (buffer, &object))
      g_array_append_val (moved, object);
  }
  gst_dicenet_analytics_move (buffer, moved);
  return moved->len;
}

gboolean
gst_buffer_move_dicenet_object (GstBuffer *buffer, const GstDicenetObject *object, gdouble x, gdouble y, gdouble w,
                                gdouble h)
{
  g_return_val_if_fail (object, FALSE);

  GstDicenetObject moved = *object;
  moved.x = x;
  moved.y = y;
  moved.w = w;
  moved.h = h;
  return gst_buffer_move_dicenet_objects (buffer, &moved, 1) > 0;
}

void
gst_buffer_add_dicenet_object_result (GstBuffer *buffer, const GstDicenetObject *object, GstDicenetResult *result)
{
  Metas metas;

  g_return_if_fail (GST_IS_BUFFER (buffer) && gst_buffer_is_writable (buffer));
  g_return_if_fail (gst_dicenet_result_is_complete (result));
  g_return_if_fail (object && find_metas (buffer, object, TRUE, &metas));

  if (metas.meta)
    gst_dicenet_meta_add_detection_result (metas.meta, object->_index, result);
  if (metas.region)
    gst_dicenet_region_add_result (metas.region, result);
  gst_dicenet_analytics_add_result (buffer, metas.od, result);
}

GList *
gst_buffer_get_dicenet_object_results (GstBuffer *buffer, const GstDicenetObject *object)
{
  GList *results = NULL;
  Metas metas;

  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);
  g_return_val_if_fail (object && find_metas (buffer, object, TRUE, &metas), NULL);

  if (metas.meta) {
    const GstDicenetDetection *d = gst_dicenet_meta_get_detection (metas.meta, object->_index);
    for (guint i = gst_dicenet_detection_get_n_results (d); i > 0; i--)
      results = g_list_prepend (results, gst_dicenet_result_ref (gst_dicenet_detection_get_result (d, i - 1)));
    return results;
  }
  return metas.region ? gst_dicenet_region_get_results (metas.region)
                      : gst_dicenet_analytics_get_results (buffer, metas.od);
}
