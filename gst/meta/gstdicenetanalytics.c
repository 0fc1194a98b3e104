/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Results as GstAnalytics, GStreamer's own metadata for analytics from 1.24 on: a GstAnalyticsRelationMeta is a graph
 * of object detections (OD), classifications, tracks and masks, which other elements may share.
 *
 * That library can add to the graph, but neither change nor remove: to move an object, the graph is built anew.
 */

#include "gstdicenetanalytics.h"

#include <gst/analytics/analytics.h>
#include <math.h>
#include <string.h>

#include "gstdicenetmeta-private.h"

/* A relation takes a byte for each pair of entries: more objects would take megabytes per frame. */
#define MAX_OBJECTS 256

#define HAVE_MASKS GST_CHECK_VERSION (1, 26, 0)

static GstAnalyticsRelationMeta *
get_graph (GstBuffer *buffer)
{
  return gst_buffer_get_analytics_relation_meta (buffer);
}

/* The first entry of @type that @id has a relation to; FALSE if there is none. */
static gboolean
get_related (GstAnalyticsRelationMeta *graph, guint id, GstAnalyticsMtdType type, GstAnalyticsMtd *related)
{
  return gst_analytics_relation_meta_get_direct_related (
      graph, id, GST_ANALYTICS_REL_TYPE_RELATE_TO | GST_ANALYTICS_REL_TYPE_CONTAIN, type, NULL, related);
}

/* --- which ODs are ours --- */

typedef struct {
  guint id;
  GQuark type;
  gint x, y, w, h;
  gfloat confidence;
  const GstDicenetMeta *meta; /* NULL: not ours */
  gint index;                 /* of the detection; -1 if a crop removed it */
} Od;

static GArray *
read_ods (GstAnalyticsRelationMeta *graph)
{
  GArray *ods = g_array_new (FALSE, FALSE, sizeof (Od));
  gpointer state = NULL;
  GstAnalyticsMtd mtd;

  while (gst_analytics_relation_meta_iterate (graph, &state, gst_analytics_od_mtd_get_mtd_type (), &mtd)) {
    Od od = { .id = mtd.id, .type = gst_analytics_od_mtd_get_obj_type (&mtd) };
    gst_analytics_od_mtd_get_location (&mtd, &od.x, &od.y, &od.w, &od.h, &od.confidence);
    g_array_append_val (ods, od);
  }
  return ods;
}

/* An OD has its id until a transformation leaves out another entry (GStreamer 1.28). Its type and confidence never
 * change. */
static Od *
find_made_from (GArray *ods, GQuark type, gfloat confidence, guint id, gboolean any_id)
{
  for (guint i = 0; i < ods->len; i++) {
    Od *od = &g_array_index (ods, Od, i);
    if ((any_id || od->id == id) && !od->meta && od->type == type && od->confidence == confidence)
      return od;
  }
  return NULL;
}

static void
claim (GArray *ods, const GstDicenetMeta *meta, gint index, guint label_id, gdouble confidence, guint od_id)
{
  GQuark type = g_quark_try_string (gst_dicenet_result_get_label (meta->result, label_id));
  Od *od;

  if (od_id == GST_DICENET_OD_NONE)
    return;
  od = find_made_from (ods, type, (gfloat) confidence, od_id, FALSE);
  if (!od)
    od = find_made_from (ods, type, (gfloat) confidence, od_id, TRUE);
  if (od) {
    od->meta = meta;
    od->index = index;
  }
}

static void
claim_all (GArray *ods, const GstDicenetMeta *meta)
{
  const GArray *lost = gst_dicenet_meta_get_lost (meta);

  for (guint i = 0; i < gst_dicenet_meta_get_n_detections (meta); i++) {
    const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, i);
    claim (ods, meta, i, d->label_id, d->confidence, gst_dicenet_detection_get_od (d));
  }
  for (guint i = 0; lost && i < lost->len; i++) {
    const GstDicenetLost *d = &g_array_index (lost, GstDicenetLost, i);
    claim (ods, meta, -1, d->label_id, d->confidence, d->od);
  }
}

/* All ODs of @buffer in order; empty if there are none. */
static GArray *
get_ods (GstBuffer *buffer)
{
  GstAnalyticsRelationMeta *graph = get_graph (buffer);
  GArray *ods = graph ? read_ods (graph) : g_array_new (FALSE, FALSE, sizeof (Od));
  gpointer state = NULL;

  for (GstDicenetMeta *meta; ods->len > 0 && (meta = gst_buffer_iterate_dicenet_meta (buffer, &state));)
    claim_all (ods, meta);
  return ods;
}

/* The place of the OD with this id; none if it was not made from a detection of this type and confidence. */
static guint
find_by_id (GstAnalyticsRelationMeta *graph, guint id, GQuark type, gfloat confidence)
{
  gpointer state = NULL;
  GstAnalyticsMtd od;
  gfloat found;

  for (guint place = 0; gst_analytics_relation_meta_iterate (graph, &state, gst_analytics_od_mtd_get_mtd_type (), &od);
       place++) {
    if (od.id != id)
      continue;
    return gst_analytics_od_mtd_get_obj_type (&od) == type && gst_analytics_od_mtd_get_confidence_lvl (&od, &found) &&
                   found == confidence
               ? place
               : GST_DICENET_ANALYTICS_NONE;
  }
  return GST_DICENET_ANALYTICS_NONE;
}

static guint
find_among_all (GstBuffer *buffer, const GstDicenetMeta *meta, guint index)
{
  g_autoptr (GArray) ods = get_ods (buffer);

  for (guint i = 0; i < ods->len; i++) {
    const Od *od = &g_array_index (ods, Od, i);
    if (od->meta == meta && od->index == (gint) index)
      return i;
  }
  return GST_DICENET_ANALYTICS_NONE;
}

guint
gst_dicenet_analytics_find (GstBuffer *buffer, const GstDicenetMeta *meta, guint index)
{
  const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, index);
  GQuark type = g_quark_try_string (gst_dicenet_result_get_label (meta->result, d->label_id));
  GstAnalyticsRelationMeta *graph = get_graph (buffer);
  guint id = gst_dicenet_detection_get_od (d);

  if (!graph || id == GST_DICENET_OD_NONE)
    return GST_DICENET_ANALYTICS_NONE;
  guint place = find_by_id (graph, id, type, (gfloat) d->confidence);
  return place != GST_DICENET_ANALYTICS_NONE ? place : find_among_all (buffer, meta, index);
}

/* Returns FALSE if there is no such OD. */
static gboolean
get_od (GstBuffer *buffer, guint place, GstAnalyticsRelationMeta **graph, GstAnalyticsMtd *od)
{
  gpointer state = NULL;

  *graph = get_graph (buffer);
  if (!*graph || place == GST_DICENET_ANALYTICS_NONE)
    return FALSE;
  while (gst_analytics_relation_meta_iterate (*graph, &state, gst_analytics_od_mtd_get_mtd_type (), od)) {
    if (place-- == 0)
      return TRUE;
  }
  return FALSE;
}

/* --- adding --- */

static void
to_pixels (const GstDicenetDetection *d, gint *x, gint *y, gint *w, gint *h)
{
  *x = lround (d->x);
  *y = lround (d->y);
  *w = MAX (lround (d->x + d->w) - *x, 1);
  *h = MAX (lround (d->y + d->h) - *y, 1);
}

/* Returns FALSE if @result is no classification. */
static gboolean
add_classes (GstAnalyticsRelationMeta *graph, const GstDicenetResult *result, GstAnalyticsMtd *mtd)
{
  guint n = gst_dicenet_result_get_n_classes (result);
  g_autofree gfloat *levels = g_new (gfloat, n);
  g_autofree GQuark *names = g_new (GQuark, n);

  for (guint i = 0; i < n; i++) {
    const GstDicenetClass *c = gst_dicenet_result_get_class (result, i);
    levels[i] = c->confidence;
    names[i] = g_quark_from_string (gst_dicenet_result_get_label (result, c->label_id));
  }
  return n > 0 && gst_analytics_relation_meta_add_cls_mtd (graph, n, levels, names, mtd);
}

/* To the overlays of GStreamer a class is related, to DL Streamer it is contained. A second call would overwrite. */
static void
add_classes_of_od (GstAnalyticsRelationMeta *graph, guint od, const GstDicenetResult *result)
{
  GstAnalyticsMtd classes;

  if (gst_dicenet_result_get_analytics (result) && add_classes (graph, result, &classes))
    gst_analytics_relation_meta_set_relation (graph, GST_ANALYTICS_REL_TYPE_RELATE_TO | GST_ANALYTICS_REL_TYPE_CONTAIN,
                                              od, classes.id);
}

/* What can't be removed is left without a relation, as GStreamer's tracker leaves lost tracks. */
static void
set_track (GstAnalyticsRelationMeta *graph, guint od, guint64 track_id, GstClockTime time)
{
  const guint64 number = track_id == GST_DICENET_ANALYTICS_TRACK_0 ? 0 : track_id;
  GstAnalyticsMtd track;
  guint64 before;

  while (get_related (graph, od, gst_analytics_tracking_mtd_get_mtd_type (), &track)) {
    if (track_id != 0 && gst_analytics_tracking_mtd_get_info (&track, &before, NULL, NULL, NULL) && before == number)
      return;
    gst_analytics_relation_meta_set_relation (graph, GST_ANALYTICS_REL_TYPE_NONE, od, track.id);
  }
  if (track_id != 0 && gst_analytics_relation_meta_add_tracking_mtd (graph, number, time, &track))
    gst_analytics_relation_meta_set_relation (graph, GST_ANALYTICS_REL_TYPE_RELATE_TO, od, track.id);
}

static void
add_detection (GstAnalyticsRelationMeta *graph, GstBuffer *buffer, GstDicenetMeta *meta, guint index)
{
  const GstDicenetDetection *d = gst_dicenet_meta_get_detection (meta, index);
  GQuark type = g_quark_from_string (gst_dicenet_result_get_label (meta->result, d->label_id));
  gint x, y, w, h;
  GstAnalyticsMtd od;

  to_pixels (d, &x, &y, &w, &h);
  if (!gst_analytics_relation_meta_add_od_mtd (graph, type, x, y, w, h, d->confidence, &od))
    return;
  set_track (graph, od.id, d->track_id, GST_BUFFER_PTS (buffer));
  for (guint i = 0; i < gst_dicenet_detection_get_n_results (d); i++)
    add_classes_of_od (graph, od.id, gst_dicenet_detection_get_result (d, i));
  gst_dicenet_meta_set_od (meta, index, od.id);
}

/* --- masks --- */

#if HAVE_MASKS
/* GStreamer's overlay never paints 0, takes the width for the stride, and does not check values. */
static guint
mask_value (const GstDicenetResult *result, guint label_id)
{
  if ((gint) label_id == result->background || label_id == GST_DICENET_MASK_NONE || label_id >= result->n_labels)
    return 0;
  return result->background == 0 ? label_id : label_id + 1;
}

typedef struct {
  guint x, y, w, h;
} Part;

/* All of the mask, or @part of it. */
static GstBuffer *
mask_new (const GstDicenetResult *result, Part part)
{
  const guint8 *from = g_bytes_get_data (result->mask, NULL);
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 };
  gint stride[GST_VIDEO_MAX_PLANES] = { part.w };
  gsize size = (gsize) part.w * part.h;
  guint8 *to = g_try_malloc (size), values[256];

  if (!to)
    return NULL;
  for (guint i = 0; i < 256; i++)
    values[i] = mask_value (result, i);
  for (guint y = 0; y < part.h; y++) {
    const guint8 *row = from + (gsize) (part.y + y) * result->mask_width + part.x;
    for (guint x = 0; x < part.w; x++)
      to[(gsize) y * part.w + x] = values[row[x]];
  }
  GstBuffer *mask = gst_buffer_new_wrapped (to, size);
  gst_buffer_add_video_meta_full (mask, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, part.w, part.h, 1, offset,
                                  stride);
  return mask;
}

/* The part of the mask that the frame shows, in whole pixels of the mask; nothing if it shows none. */
static Part
visible_part (const GstDicenetMeta *meta)
{
  gint w = meta->result->mask_width, h = meta->result->mask_height;
  gint x0 = CLAMP (floor (meta->view_x * w), 0, w), x1 = CLAMP (ceil ((meta->view_x + meta->view_w) * w), 0, w);
  gint y0 = CLAMP (floor (meta->view_y * h), 0, h), y1 = CLAMP (ceil ((meta->view_y + meta->view_h) * h), 0, h);

  return x1 > x0 && y1 > y0 ? (Part){ x0, y0, x1 - x0, y1 - y0 } : (Part){ 0 };
}

/* Where @part lies on the frame. */
static GstVideoRectangle
place_of (const GstDicenetMeta *meta, Part part)
{
  gdouble w = meta->result->mask_width, h = meta->result->mask_height;
  gdouble sx = meta->frame_width / meta->view_w, sy = meta->frame_height / meta->view_h;
  gint x0 = lround (CLAMP ((part.x / w - meta->view_x) * sx, 0, meta->frame_width));
  gint x1 = lround (CLAMP (((part.x + part.w) / w - meta->view_x) * sx, 0, meta->frame_width));
  gint y0 = lround (CLAMP ((part.y / h - meta->view_y) * sy, 0, meta->frame_height));
  gint y1 = lround (CLAMP (((part.y + part.h) / h - meta->view_y) * sy, 0, meta->frame_height));

  return (GstVideoRectangle){ x0, y0, MAX (x1 - x0, 1), MAX (y1 - y0, 1) };
}

/* The mask of @meta and its @place on the frame; NULL if the frame shows none, or without memory. */
static GstBuffer *
make_mask (GstDicenetMeta *meta, GstVideoRectangle *place)
{
  GstDicenetResult *result = meta->result;
  Part part = visible_part (meta);

  if (part.w == 0)
    return NULL;
  *place = place_of (meta, part);
  if (part.w < result->mask_width || part.h < result->mask_height)
    return mask_new (result, part);
  /* Frames between two inferences have the same result, and share its mask. */
  GstBuffer *mask = gst_dicenet_result_get_analytics_mask (result);
  if (!mask && (mask = mask_new (result, part)))
    mask = gst_dicenet_result_set_analytics_mask (result, mask);
  return mask;
}

/* Classification whose n-th class is that of the value n in masks. */
static gboolean
add_mask_classes (GstAnalyticsRelationMeta *graph, const GstDicenetResult *result, guint n, GstAnalyticsMtd *mtd)
{
  gfloat levels[256];
  GQuark names[256];

  for (guint i = 0; i < 256; i++)
    levels[i] = -1; /* undefined */
  names[0] = g_quark_from_string (result->background >= 0 ? gst_dicenet_result_get_label (result, result->background)
                                                          : "none");
  for (guint i = 0; i < MIN (result->n_labels, 255); i++) {
    guint value = mask_value (result, i);
    if (value > 0)
      names[value] = g_quark_from_string (result->labels[i]);
    else if (i > 0)
      names[i + 1] = names[0]; /* a background that is not the first class */
  }
  return gst_analytics_relation_meta_add_cls_mtd (graph, n, levels, names, mtd);
}

static void
add_mask (GstAnalyticsRelationMeta *graph, GstDicenetMeta *meta)
{
  const guint n = MIN (meta->result->n_labels + (meta->result->background == 0 ? 0 : 1), 256);
  GstVideoRectangle place;
  GstBuffer *mask = meta->result->n_labels > 0 ? make_mask (meta, &place) : NULL;
  GstAnalyticsMtd mtd, classes;
  guint ids[256];

  if (!mask)
    return;
  for (guint i = 0; i < n; i++)
    ids[i] = i;
  gst_dicenet_meta_set_analytics_mask (meta, mask);
  if (gst_analytics_relation_meta_add_segmentation_mtd (graph, gst_buffer_ref (mask), GST_SEGMENTATION_TYPE_SEMANTIC, n,
                                                        ids, place.x, place.y, place.w, place.h, &mtd) &&
      add_mask_classes (graph, meta->result, n, &classes))
    gst_analytics_relation_meta_set_relation (graph, GST_ANALYTICS_REL_TYPE_N_TO_N, mtd.id, classes.id);
  gst_buffer_unref (mask);
}
#endif

/* --- attaching --- */

void
gst_dicenet_analytics_prepare (GstBuffer *buffer, const GstDicenetResult *result, guint n)
{
  /* It grows by the same number, for instance for tracks. */
  GstAnalyticsRelationMetaInitParams sizes = { MIN (n, MAX_OBJECTS) + 4, 1024 };

  if (gst_dicenet_result_get_analytics (result))
    gst_buffer_add_analytics_relation_meta_full (buffer, &sizes);
}

void
gst_dicenet_analytics_attach (GstBuffer *buffer, GstDicenetMeta *meta)
{
  GstAnalyticsRelationMeta *graph = get_graph (buffer);
  GstAnalyticsMtd mtd;

  if (!gst_dicenet_result_get_analytics (meta->result))
    return;
  for (guint i = 0; i < MIN (gst_dicenet_meta_get_n_detections (meta), MAX_OBJECTS); i++)
    add_detection (graph, buffer, meta, i);
  if (meta->parent_id < 0)
    add_classes (graph, meta->result, &mtd);
#if HAVE_MASKS
  if (meta->result->mask)
    add_mask (graph, meta);
#endif
}

/* --- building a graph anew --- */

typedef struct {
  enum { KEEP, REMOVE, MOVE } what;
  gint x, y, w, h; /* where to */
  GstBuffer *mask; /* at this place; NULL for ODs */
} Edit;

static gboolean
copy_unchanged (GstBuffer *to, GstBuffer *from, GstAnalyticsMtd *mtd, GstAnalyticsMtd *copy)
{
  const GstAnalyticsMtdImpl *impl = (const GstAnalyticsMtdImpl *) gst_analytics_mtd_get_mtd_type (mtd);
  gsize size = gst_analytics_mtd_get_size (mtd);
  GstMetaTransformCopy all = { .region = FALSE, .offset = 0, .size = -1 };
  gpointer data = gst_analytics_relation_meta_add_mtd (get_graph (to), impl, size, copy);

  if (!data)
    return FALSE;
  memcpy (data, gst_analytics_relation_meta_get_mtd_data (mtd->meta, mtd->id), size);
  /* References what the data point to. What it returns is wrong in 1.28.0 to 1.28.2. */
  if (impl->mtd_meta_transform)
    impl->mtd_meta_transform (to, copy, from, g_quark_from_string ("gst-copy"), &all);
  return TRUE;
}

#if HAVE_MASKS
static gboolean
copy_mask (GstAnalyticsRelationMeta *to, GstAnalyticsMtd *mtd, const Edit *edit, GstAnalyticsMtd *copy)
{
  gsize n = gst_analytics_segmentation_mtd_get_region_count (mtd);
  g_autofree guint *ids = g_new (guint, n);

  for (gsize i = 0; i < n; i++)
    ids[i] = gst_analytics_segmentation_mtd_get_region_id (mtd, i);
  return gst_analytics_relation_meta_add_segmentation_mtd (to, gst_buffer_ref (edit->mask),
                                                           GST_SEGMENTATION_TYPE_SEMANTIC, n, ids, edit->x, edit->y,
                                                           edit->w, edit->h, copy);
}
#endif

/* Copies an entry as @edit (nullable) says. Returns FALSE if there is nothing to copy. */
static gboolean
copy_entry (GstBuffer *to, GstBuffer *from, GstAnalyticsMtd *mtd, const Edit *edit, GstAnalyticsMtd *copy)
{
  gfloat confidence = 0;

  if (gst_analytics_mtd_get_mtd_type (mtd) == 0) /* left out by an earlier transformation */
    return FALSE;
  if (!edit || edit->what == KEEP)
    return copy_unchanged (to, from, mtd, copy);
  if (edit->what == REMOVE)
    return FALSE;
#if HAVE_MASKS
  if (edit->mask)
    return copy_mask (get_graph (to), mtd, edit, copy);
#endif
  gst_analytics_od_mtd_get_confidence_lvl (mtd, &confidence);
  return gst_analytics_relation_meta_add_od_mtd (get_graph (to), gst_analytics_od_mtd_get_obj_type (mtd), edit->x,
                                                 edit->y, edit->w, edit->h, confidence, copy);
}

static void
copy_relations (GstAnalyticsRelationMeta *to, GstAnalyticsRelationMeta *from, const guint *ids, guint n)
{
  GstAnalyticsMtd related;

  for (guint i = 0; i < n; i++) {
    gpointer state = NULL;
    while (ids[i] != G_MAXUINT &&
           gst_analytics_relation_meta_get_direct_related (from, i, GST_ANALYTICS_REL_TYPE_ANY,
                                                           GST_ANALYTICS_MTD_TYPE_ANY, &state, &related)) {
      if (related.id < n && ids[related.id] != G_MAXUINT)
        gst_analytics_relation_meta_set_relation (to, gst_analytics_relation_meta_get_relation (from, i, related.id),
                                                  ids[i], ids[related.id]);
    }
  }
}

/* Copies all entries to the empty graph of @to, with @edits (nullable, indexed by id). */
static void
copy_graph (GstBuffer *to, GstBuffer *from, const Edit *edits)
{
  GstAnalyticsRelationMeta *graph = get_graph (from);
  guint n = gst_analytics_relation_get_length (graph);
  g_autofree guint *ids = g_new (guint, n);

  for (guint i = 0; i < n; i++) {
    GstAnalyticsMtd mtd = { .id = i, .meta = graph }, copy;
    ids[i] = copy_entry (to, from, &mtd, edits ? &edits[i] : NULL, &copy) ? copy.id : G_MAXUINT;
  }
  copy_relations (get_graph (to), graph, ids, n);
}

static void
rebuild (GstBuffer *buffer, const Edit *edits)
{
  GstMeta *graph = (GstMeta *) get_graph (buffer);
  GstAnalyticsRelationMetaInitParams sizes = { MAX (gst_analytics_relation_get_length (get_graph (buffer)), 1), 4096 };
  GstBuffer *edited = gst_buffer_new ();

  gst_buffer_add_analytics_relation_meta_full (edited, &sizes);
  copy_graph (edited, buffer, edits);
  graph->info->clear_func (buffer, graph);
  copy_graph (buffer, edited, NULL);
  gst_buffer_unref (edited);
}

static Edit *
edits_new (GstAnalyticsRelationMeta *graph)
{
  return g_new0 (Edit, gst_analytics_relation_get_length (graph));
}

/* --- cropped and scaled frames --- */

/* Returns whether anything changes. */
static gboolean
edit_ods (GstBuffer *buffer, const GstDicenetMeta *meta, Edit *edits)
{
  g_autoptr (GArray) ods = get_ods (buffer);
  gboolean any = FALSE;

  for (guint i = 0; i < ods->len; i++) {
    const Od *od = &g_array_index (ods, Od, i);
    Edit *edit = &edits[od->id];
    if (od->meta != meta)
      continue;
    if (od->index < 0) {
      edit->what = REMOVE;
      any = TRUE;
      continue;
    }
    to_pixels (gst_dicenet_meta_get_detection (meta, od->index), &edit->x, &edit->y, &edit->w, &edit->h);
    if (edit->x != od->x || edit->y != od->y || edit->w != od->w || edit->h != od->h) {
      edit->what = MOVE;
      any = TRUE;
    }
  }
  return any;
}

#if HAVE_MASKS
/* Replaces the mask of the frame before the transformation; the caller unrefs edit->mask. Returns NULL if it is gone.
 */
static Edit *
edit_mask (GstAnalyticsRelationMeta *graph, GstDicenetMeta *meta, Edit *edits)
{
  GstBuffer *before = gst_dicenet_meta_get_analytics_mask (meta);
  gpointer state = NULL;
  GstAnalyticsMtd mtd;

  while (before &&
         gst_analytics_relation_meta_iterate (graph, &state, gst_analytics_segmentation_mtd_get_mtd_type (), &mtd)) {
    GstBuffer *mask = gst_analytics_segmentation_mtd_get_mask (&mtd, NULL, NULL, NULL, NULL);
    gboolean ours = mask == before;
    gst_clear_buffer (&mask);
    if (!ours)
      continue;
    Edit *edit = &edits[mtd.id];
    GstVideoRectangle place = { 0 };
    edit->mask = make_mask (meta, &place);
    edit->what = edit->mask ? MOVE : REMOVE;
    edit->x = place.x;
    edit->y = place.y;
    edit->w = place.w;
    edit->h = place.h;
    return edit;
  }
  return NULL;
}

#if GST_CHECK_VERSION(1, 28, 0)
/* GStreamer drops the mask of a frame that is flipped or turned, but keeps a reference (1.28.0 to 1.28.8, at least):
 * whether this one does is tried once. */
static gboolean
flips_leak (void)
{
  GstBuffer *from = gst_buffer_new (), *to = gst_buffer_new (), *mask = gst_buffer_new ();
  GstAnalyticsRelationMeta *graph = gst_buffer_add_analytics_relation_meta (from);
  const GstVideoRectangle all = { 0, 0, 4, 4 };
  GstVideoInfo info;
  GstAnalyticsMtd mtd;
  guint id = 0;

  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_GRAY8, all.w, all.h);
  GstVideoMetaTransformMatrix flip = { .in_info = &info,
                                       .in_rectangle = all,
                                       .out_info = &info,
                                       .out_rectangle = all,
                                       .matrix = { { -1, 0, 3 }, { 0, 1, 0 }, { 0, 0, 1 } } };
  gst_buffer_add_video_meta (mask, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, all.w, all.h);
  gst_analytics_relation_meta_add_segmentation_mtd (graph, gst_buffer_ref (mask), GST_SEGMENTATION_TYPE_SEMANTIC, 1,
                                                    &id, 0, 0, all.w, all.h, &mtd);
  ((GstMeta *) graph)
      ->info->transform_func (to, (GstMeta *) graph, from, gst_video_meta_transform_matrix_get_quark (), &flip);
  gst_buffer_unref (from);
  gst_buffer_unref (to);
  gboolean leaks = GST_MINI_OBJECT_REFCOUNT_VALUE (mask) > 1;
  if (leaks)
    gst_buffer_unref (mask);
  gst_buffer_unref (mask);
  return leaks;
}

/* The entry that GStreamer dropped has no type any more, but still its data. */
static gboolean
is_dropped_copy (GstAnalyticsRelationMeta *graph, GstAnalyticsMtd *mtd)
{
  const GstAnalyticsMtd copy = { .id = mtd->id, .meta = graph };
  gsize size = gst_analytics_mtd_get_size (mtd);

  return mtd->id < gst_analytics_relation_get_length (graph) && gst_analytics_mtd_get_mtd_type (&copy) == 0 &&
         gst_analytics_mtd_get_size (&copy) == size &&
         memcmp (gst_analytics_relation_meta_get_mtd_data (graph, mtd->id),
                 gst_analytics_relation_meta_get_mtd_data (mtd->meta, mtd->id), size) == 0;
}

static void
release_dropped_mask (GstAnalyticsRelationMeta *graph, GstBuffer *mask, GstBuffer *before)
{
  static gsize leaks = 0;
  gpointer state = NULL;
  GstAnalyticsMtd mtd;

  if (g_once_init_enter (&leaks))
    g_once_init_leave (&leaks, flips_leak () ? 1 : 2);
  while (leaks == 1 && get_graph (before) &&
         gst_analytics_relation_meta_iterate (get_graph (before), &state,
                                              gst_analytics_segmentation_mtd_get_mtd_type (), &mtd)) {
    GstBuffer *found = gst_analytics_segmentation_mtd_get_mask (&mtd, NULL, NULL, NULL, NULL);
    if (found == mask && is_dropped_copy (graph, &mtd)) {
      memset (gst_analytics_relation_meta_get_mtd_data (graph, mtd.id), 0,
              gst_analytics_mtd_get_size (&mtd)); /* once */
      gst_buffer_unref (mask);
    }
    gst_buffer_unref (found);
  }
}
#endif

/* GStreamer drops the mask of a frame that is flipped. */
static void
follow_mask (GstAnalyticsRelationMeta *graph, GstDicenetMeta *meta, Edit *edit)
{
  if (edit) {
    gst_dicenet_meta_set_analytics_mask (meta, edit->mask);
    gst_clear_buffer (&edit->mask);
  } else if (gst_dicenet_meta_get_analytics_mask (meta)) {
    gst_dicenet_meta_set_analytics_mask (meta, NULL);
    add_mask (graph, meta);
  }
}
#endif

void
gst_dicenet_analytics_follow (GstBuffer *buffer, GstDicenetMeta *meta, GstBuffer *before)
{
  GstAnalyticsRelationMeta *graph = get_graph (buffer);

  if (!graph || gst_analytics_relation_get_length (graph) == 0)
    return;
  g_autofree Edit *edits = edits_new (graph);
  gboolean any = edit_ods (buffer, meta, edits);
#if HAVE_MASKS
  Edit *mask = edit_mask (graph, meta, edits);
  any |= mask != NULL;
#endif
#if GST_CHECK_VERSION(1, 28, 0)
  if (!mask && gst_dicenet_meta_get_analytics_mask (meta))
    release_dropped_mask (graph, gst_dicenet_meta_get_analytics_mask (meta), before);
#endif
  if (any)
    rebuild (buffer, edits);
#if HAVE_MASKS
  follow_mask (graph, meta, mask);
#endif
  gst_dicenet_meta_forget_lost_ods (meta);
}

/* --- objects --- */

static guint64
get_track (GstAnalyticsRelationMeta *graph, guint od)
{
  GstAnalyticsMtd track;
  guint64 id;

  if (!get_related (graph, od, gst_analytics_tracking_mtd_get_mtd_type (), &track) ||
      !gst_analytics_tracking_mtd_get_info (&track, &id, NULL, NULL, NULL))
    return 0;
  return id == 0 ? GST_DICENET_ANALYTICS_TRACK_0 : id;
}

/* An OD without a type, as of a detector of faces only, may have a class. */
static const gchar *
get_label (GstAnalyticsRelationMeta *graph, const Od *od)
{
  GstAnalyticsMtd classes;
  GQuark type = od->type;

  if (type == 0 && get_related (graph, od->id, gst_analytics_cls_mtd_get_mtd_type (), &classes) &&
      gst_analytics_cls_mtd_get_length (&classes) > 0)
    type = gst_analytics_cls_mtd_get_quark (&classes, 0);
  return type != 0 ? g_quark_to_string (type) : "";
}

/* Another element may have tracked our detection. */
static void
tell_track (GArray *objects, const Od *od, guint64 track_id)
{
  for (guint i = 0; track_id != 0 && i < objects->len; i++) {
    GstDicenetObject *object = &g_array_index (objects, GstDicenetObject, i);
    if (object->_meta == od->meta && (gint) object->_index == od->index && object->track_id == 0)
      object->track_id = track_id;
  }
}

void
gst_dicenet_analytics_append_objects (GArray *objects, GstBuffer *buffer)
{
  GstAnalyticsRelationMeta *graph = get_graph (buffer);
  g_autoptr (GArray) ods = get_ods (buffer);

  for (guint i = 0; i < ods->len; i++) {
    const Od *od = &g_array_index (ods, Od, i);
    if (od->meta)
      tell_track (objects, od, get_track (graph, od->id));
    if (od->meta || od->w <= 0 || od->h <= 0)
      continue;
    GstDicenetObject object = {
      .label = get_label (graph, od),
      .confidence = od->confidence >= 0 ? MIN (od->confidence, 1) : 1,
      .x = od->x,
      .y = od->y,
      .w = od->w,
      .h = od->h,
      .track_id = get_track (graph, od->id),
      .region_id = od->id,
      .source_pts = GST_CLOCK_TIME_NONE,
      ._meta = graph,
      ._index = i,
    };
    g_array_append_val (objects, object);
  }
}

void
gst_dicenet_analytics_set_track_id (GstBuffer *buffer, guint place, guint64 track_id)
{
  GstAnalyticsRelationMeta *graph;
  GstAnalyticsMtd od;

  if (get_od (buffer, place, &graph, &od))
    set_track (graph, od.id, track_id, GST_BUFFER_PTS (buffer));
}

/* The OD of any object; NULL if there is none. */
static const Od *
find_od (const GArray *ods, const GstAnalyticsRelationMeta *graph, const GstDicenetObject *object)
{
  const Od *all = (const Od *) ods->data;

  if (object->_meta == graph)
    return object->_index < ods->len ? &all[object->_index] : NULL;
  for (guint i = 0; i < ods->len; i++) {
    if (all[i].meta == object->_meta && all[i].index == (gint) object->_index)
      return &all[i];
  }
  return NULL;
}

void
gst_dicenet_analytics_move (GstBuffer *buffer, const GArray *objects)
{
  GstAnalyticsRelationMeta *graph = get_graph (buffer);
  gboolean any = FALSE;

  if (!graph)
    return;
  g_autoptr (GArray) ods = get_ods (buffer);
  g_autofree Edit *edits = edits_new (graph);
  for (guint i = 0; i < objects->len; i++) {
    const GstDicenetObject *object = &g_array_index (objects, GstDicenetObject, i);
    const Od *od = find_od (ods, graph, object);
    const GstDicenetDetection box = { .x = object->x, .y = object->y, .w = object->w, .h = object->h };
    if (!od)
      continue;
    Edit *edit = &edits[od->id];
    edit->what = MOVE;
    to_pixels (&box, &edit->x, &edit->y, &edit->w, &edit->h);
    any = TRUE;
  }
  if (any)
    rebuild (buffer, edits);
}

void
gst_dicenet_analytics_add_result (GstBuffer *buffer, guint place, const GstDicenetResult *result)
{
  GstAnalyticsRelationMeta *graph;
  GstAnalyticsMtd od;

  if (get_od (buffer, place, &graph, &od))
    add_classes_of_od (graph, od.id, result);
}

static GstDicenetResult *
result_from_classes (GstAnalyticsMtd *classes)
{
  GPtrArray *names = g_ptr_array_new ();
  gsize n = gst_analytics_cls_mtd_get_length (classes);

  for (gsize i = 0; i < n; i++) {
    const gchar *name = g_quark_to_string (gst_analytics_cls_mtd_get_quark (classes, i));
    g_ptr_array_add (names, (gpointer) (name ? name : ""));
  }
  g_ptr_array_add (names, NULL);
  GstDicenetResult *result =
      gst_dicenet_result_new (GST_DICENET_TASK_CLASSIFY, NULL, (const gchar *const *) names->pdata, -1);
  for (gsize i = 0; i < n; i++)
    gst_dicenet_result_add_class (result, i, gst_analytics_cls_mtd_get_level (classes, i));
  g_ptr_array_unref (names);
  return result;
}

GList *
gst_dicenet_analytics_get_results (GstBuffer *buffer, guint place)
{
  GList *results = NULL;
  gpointer state = NULL;
  GstAnalyticsRelationMeta *graph;
  GstAnalyticsMtd od, classes;

  if (!get_od (buffer, place, &graph, &od))
    return NULL;
  const GQuark type = gst_analytics_od_mtd_get_obj_type (&od);
  while (gst_analytics_relation_meta_get_direct_related (
      graph, od.id, GST_ANALYTICS_REL_TYPE_RELATE_TO | GST_ANALYTICS_REL_TYPE_CONTAIN,
      gst_analytics_cls_mtd_get_mtd_type (), &state, &classes)) {
    /* Some detectors say the object's class again. */
    if (gst_analytics_cls_mtd_get_length (&classes) > 0 && gst_analytics_cls_mtd_get_quark (&classes, 0) != type)
      results = g_list_prepend (results, result_from_classes (&classes));
  }
  return g_list_reverse (results);
}
