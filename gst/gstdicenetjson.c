/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-dicenetjson
 * @title: dicenetjson
 * @see_also: dicenetclassify, dicenetdetect, dicenetsegment, dicenetcount
 *
 * Converts the results that dicenetclassify, dicenetdetect and dicenetsegment attached to frames to JSON Lines: one
 * line of JSON per frame. The layout is that of DL Streamer's gvametaconvert, with some additional members, which
 * docs/metadata.md lists. Each output buffer holds one line with its line end and has the frame's timestamps, so that
 * `jq` and other programs can read the file that filesink writes while it grows.
 *
 * A frame without results produces a line as well, so that line N is frame N, unless #GstDicenetJson:add-empty-results
 * is false. The element does not read pixels: frames may have any format and be in any memory.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert ! dicenetdetect ! dicenetjson !
 * filesink location=clip.jsonl
 * ]|
 */

#include "gstdicenetjson.h"

#include "gstdicenetwallclock.h"
#include "video/gstdicenetlive.h"
#include "video/gstdicenetothers.h"

#include <dicenet/text.h>
#include <gst/dicenet/gstdicenetcountmeta.h>
#include <gst/dicenet/gstdicenetmeta.h>
#include <gst/video/video.h>
#include <math.h>

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_json_debug);
#define GST_CAT_DEFAULT gst_dicenet_json_debug

enum {
  PROP_0,
  PROP_SOURCE,
  PROP_TAGS,
  PROP_ADD_EMPTY_RESULTS,
};

#define DEFAULT_ADD_EMPTY_RESULTS TRUE

struct _GstDicenetJson {
  GstElement parent;

  GstPad *sinkpad, *srcpad;

  /* Protected by the object lock. */
  gchar *source;
  gchar *tags;
  gboolean add_empty_results;

  /* Streaming thread only. */
  GstVideoInfo info;
  GstSegment segment;
  gboolean asked, live; /* whether upstream said whether it is live, and what it said */
  gchar *head;          /* the "source" and "tags" members of each line */
};

G_DEFINE_FINAL_TYPE (GstDicenetJson, gst_dicenet_json, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (dicenetjson, "dicenetjson", GST_RANK_NONE, GST_TYPE_DICENET_JSON)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                             GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE_WITH_FEATURES ("ANY", GST_VIDEO_FORMATS_ALL)));

static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("application/x-ndjson"));

/* --- writing JSON --- */

static void
put_string (GString *out, const gchar *text)
{
  g_autofree gchar *quoted = dicenet_json_quote (text ? text : "");

  g_string_append (out, quoted);
}

/* Six significant digits, the precision of float32. The decimal point does not depend on the locale. */
static void
put_number (GString *out, gdouble number)
{
  gchar text[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (out, isfinite (number) ? g_ascii_formatd (text, sizeof text, "%.6g", number) : "null");
}

static void
put_model (GString *out, const GstDicenetResult *result)
{
  g_string_append (out, "\"model\":{\"name\":");
  put_string (out, result->model);
  g_string_append_c (out, '}');
}

/* Writes "label_id", "label", and @number as the member @what. */
static void
put_class (GString *out, const GstDicenetResult *result, guint label_id, const gchar *what, gdouble number)
{
  g_string_append_printf (out, "\"label_id\":%u,\"label\":", label_id);
  put_string (out, gst_dicenet_result_get_label (result, label_id));
  g_string_append_printf (out, ",\"%s\":", what);
  put_number (out, number);
}

/* Separates the elements of an array. */
static void
put_comma (GString *out)
{
  if (out->len > 0 && out->str[out->len - 1] != '[')
    g_string_append_c (out, ',');
}

/* --- results --- */

static void
put_bounding_box (GString *out, gdouble x, gdouble y, gdouble w, gdouble h, gdouble frame_width, gdouble frame_height)
{
  const struct {
    const gchar *name;
    gdouble value;
  } edges[] = {
    { "x_min", x / frame_width },
    { "y_min", y / frame_height },
    { "x_max", (x + w) / frame_width },
    { "y_max", (y + h) / frame_height },
  };

  g_string_append (out, "\"bounding_box\":{");
  for (guint i = 0; i < G_N_ELEMENTS (edges); i++) {
    g_string_append_printf (out, "%s\"%s\":", i > 0 ? "," : "", edges[i].name);
    put_number (out, edges[i].value);
  }
  g_string_append_c (out, '}');
}

/* The members of a classification, without braces. */
static void
put_classes (GString *out, const GstDicenetResult *result)
{
  const GstDicenetClass *best = gst_dicenet_result_get_class (result, 0);

  put_class (out, result, best->label_id, "confidence", best->confidence);
  g_string_append_c (out, ',');
  put_model (out, result);
  g_string_append (out, ",\"classes\":[");
  for (guint i = 0; i < gst_dicenet_result_get_n_classes (result); i++) {
    const GstDicenetClass *c = gst_dicenet_result_get_class (result, i);
    put_comma (out);
    g_string_append_c (out, '{');
    put_class (out, result, c->label_id, "confidence", c->confidence);
    g_string_append_c (out, '}');
  }
  g_string_append_c (out, ']');
}

/* Results of second-stage models for an object. */
static void
put_second_stage (GString *out, const GstDicenetDetection *d)
{
  guint n_written = 0;

  for (guint i = 0; i < gst_dicenet_detection_get_n_results (d); i++) {
    const GstDicenetResult *result = gst_dicenet_detection_get_result (d, i);
    if (gst_dicenet_result_get_n_classes (result) == 0)
      continue;
    g_string_append (out, ",\"classification");
    if (n_written++ > 0)
      g_string_append_printf (out, "_%u", n_written);
    g_string_append (out, "\":{");
    put_classes (out, result);
    g_string_append_c (out, '}');
  }
}

static void
put_age (GString *out, const GstDicenetMeta *meta)
{
  g_string_append_printf (out, ",\"age\":%u", meta->age);
  if (GST_CLOCK_TIME_IS_VALID (meta->age_time))
    g_string_append_printf (out, ",\"age_time\":%" G_GUINT64_FORMAT, meta->age_time);
  if (GST_CLOCK_TIME_IS_VALID (meta->source_pts))
    g_string_append_printf (out, ",\"source_pts\":%" G_GUINT64_FORMAT, meta->source_pts);
}

static void
put_segmentation (GString *out, const GstDicenetMeta *meta, guint index, gboolean in_object)
{
  gdouble shares[256];

  gst_dicenet_meta_get_shares (meta, shares);
  g_string_append (out, ",\"segmentation");
  if (index > 0)
    g_string_append_printf (out, "_%u", index + 1);
  g_string_append (out, "\":{");
  put_model (out, meta->result);
  g_string_append (out, ",\"classes\":[");
  for (guint i = 0; i < 256; i++) {
    if (shares[i] == 0 || (i == GST_DICENET_MASK_NONE && i >= meta->result->n_labels))
      continue;
    put_comma (out);
    g_string_append_c (out, '{');
    put_class (out, meta->result, i, "share", shares[i]);
    g_string_append_c (out, '}');
  }
  g_string_append_c (out, ']');
  if (meta->parent_id >= 0 && !in_object)
    g_string_append_printf (out, ",\"parent_id\":%d", meta->parent_id);
  put_age (out, meta);
  g_string_append_c (out, '}');
}

/* Masks of the region around an object. Those that are written are removed from @masks. */
static void
put_masks_in (GString *out, GPtrArray *masks, gint id)
{
  guint n_written = 0;

  for (guint i = 0; i < masks->len;) {
    const GstDicenetMeta *meta = g_ptr_array_index (masks, i);
    if (meta->parent_id >= 0 && meta->parent_id == id) {
      put_segmentation (out, meta, n_written++, TRUE);
      g_ptr_array_remove_index (masks, i);
    } else {
      i++;
    }
  }
}

/* Begins an object: everything up to its class and confidence. @parent_id is negative if there is none. */
static void
put_object (GString *out, const GstDicenetObject *object, gint parent_id, guint frame_width, guint frame_height)
{
  glong x = lround (object->x), y = lround (object->y);

  put_comma (out);
  g_string_append_printf (out, "{\"x\":%ld,\"y\":%ld,\"w\":%ld,\"h\":%ld,\"region_id\":%d,\"roi_type\":", x, y,
                          lround (object->x + object->w) - x, lround (object->y + object->h) - y, object->region_id);
  put_string (out, object->label);
  if (object->track_id != 0)
    g_string_append_printf (out, ",\"id\":%" G_GUINT64_FORMAT, object->track_id);
  if (parent_id >= 0)
    g_string_append_printf (out, ",\"parent_id\":%d", parent_id);
  g_string_append (out, ",\"detection\":{");
  put_bounding_box (out, object->x, object->y, object->w, object->h, frame_width, frame_height);
  g_string_append_c (out, ',');
}

/* The number that any tracker gave a detection. */
static guint64
find_track (const GArray *objects, const GstDicenetMeta *meta, const GstDicenetDetection *d)
{
  for (guint i = 0; d->track_id == 0 && i < objects->len; i++) {
    const GstDicenetObject *object = &g_array_index (objects, GstDicenetObject, i);
    if (object->result == meta->result && object->region_id == d->id)
      return object->track_id;
  }
  return d->track_id;
}

static void
put_detection (GString *out, const GstDicenetMeta *meta, const GstDicenetDetection *d, const GArray *objects,
               GPtrArray *masks)
{
  const GstDicenetObject object = {
    .label = gst_dicenet_result_get_label (meta->result, d->label_id),
    .x = d->x,
    .y = d->y,
    .w = d->w,
    .h = d->h,
    .track_id = find_track (objects, meta, d),
    .region_id = d->id,
  };

  put_object (out, &object, meta->parent_id, meta->frame_width, meta->frame_height);
  put_class (out, meta->result, d->label_id, "confidence", d->confidence);
  g_string_append_c (out, ',');
  put_model (out, meta->result);
  put_age (out, meta);
  g_string_append_c (out, '}');
  put_second_stage (out, d);
  put_masks_in (out, masks, d->id);
  g_string_append_c (out, '}');
}

/* Classes of an object that another element detected. What it calls their ids is unknown. */
static void
put_others_classes (GString *out, GstBuffer *buffer, const GstDicenetObject *object)
{
  GList *results = gst_buffer_get_dicenet_object_results (buffer, object);
  guint n_written = 0;

  for (GList *l = results; l; l = l->next) {
    const GstDicenetResult *result = l->data;
    const GstDicenetClass *best = gst_dicenet_result_get_class (result, 0);
    g_string_append (out, ",\"classification");
    if (n_written++ > 0)
      g_string_append_printf (out, "_%u", n_written);
    g_string_append (out, "\":{\"label\":");
    put_string (out, gst_dicenet_result_get_label (result, best->label_id));
    g_string_append (out, ",\"confidence\":");
    put_number (out, best->confidence);
    if (*result->model) {
      g_string_append_c (out, ',');
      put_model (out, result);
    }
    g_string_append_c (out, '}');
  }
  g_list_free_full (results, (GDestroyNotify) gst_dicenet_result_unref);
}

static void
put_others (GString *out, GstBuffer *buffer, const GArray *objects, const GstVideoInfo *info, GPtrArray *masks)
{
  g_autoptr (GArray) others = gst_dicenet_others_get (buffer, objects, info->width, info->height);

  for (guint i = 0; i < others->len; i++) {
    const GstDicenetObject *object = &g_array_index (others, GstDicenetObject, i);
    put_object (out, object, -1, info->width, info->height);
    g_string_append (out, "\"label\":");
    put_string (out, object->label);
    g_string_append (out, ",\"confidence\":");
    put_number (out, object->confidence);
    g_string_append_c (out, '}');
    put_others_classes (out, buffer, object);
    put_masks_in (out, masks, object->region_id);
    g_string_append_c (out, '}');
  }
}

/* Like gvametaconvert, represents a result for the whole frame as an object of the frame's size. */
static void
put_classification (GString *out, const GstDicenetMeta *meta)
{
  if (gst_dicenet_result_get_n_classes (meta->result) == 0)
    return;
  put_comma (out);
  g_string_append_printf (out, "{\"x\":0,\"y\":0,\"w\":%u,\"h\":%u,\"classification\":{", meta->frame_width,
                          meta->frame_height);
  put_classes (out, meta->result);
  put_age (out, meta);
  g_string_append (out, "}}");
}

static GPtrArray *
masks_of (GstBuffer *buffer)
{
  GPtrArray *masks = g_ptr_array_new ();
  gpointer state = NULL;

  for (GstDicenetMeta *meta; (meta = gst_buffer_iterate_dicenet_meta (buffer, &state));) {
    if (meta->result->mask)
      g_ptr_array_add (masks, meta);
  }
  return masks;
}

/* Appends "objects" and "segmentation" of @frame; @buffer has the results of what it shows. Returns whether there were
 * any results. */
static gboolean
put_results (GString *out, GstBuffer *buffer, GstBuffer *frame, const GstVideoInfo *info)
{
  g_autoptr (GArray) objects = gst_buffer_get_dicenet_objects (frame);
  GPtrArray *masks = masks_of (buffer);
  gpointer state = NULL;
  GstDicenetMeta *meta;

  g_string_append (out, ",\"objects\":[");
  gsize empty = out->len;
  while ((meta = gst_buffer_iterate_dicenet_meta (buffer, &state))) {
    for (guint i = 0; i < gst_dicenet_meta_get_n_detections (meta); i++)
      put_detection (out, meta, gst_dicenet_meta_get_detection (meta, i), objects, masks);
    put_classification (out, meta);
  }
  put_others (out, frame, objects, info, masks);
  const gboolean any = out->len > empty || masks->len > 0;
  g_string_append_c (out, ']');
  for (guint i = 0; i < masks->len; i++)
    put_segmentation (out, g_ptr_array_index (masks, i), i, FALSE);
  g_ptr_array_unref (masks);
  return any;
}

/* --- counts of lines and zones --- */

static void
put_tally (GString *out, const GstDicenetCountTally *tally, gboolean is_zone)
{
  if (!is_zone) {
    g_string_append_printf (out, "\"forward\":%" G_GUINT64_FORMAT ",\"backward\":%" G_GUINT64_FORMAT, tally->forward,
                            tally->backward);
    return;
  }
  g_string_append_printf (
      out, "\"entered\":%" G_GUINT64_FORMAT ",\"left\":%" G_GUINT64_FORMAT ",\"inside\":%" G_GUINT64_FORMAT,
      tally->entered, tally->left, tally->inside);
  if (GST_CLOCK_TIME_IS_VALID (tally->mean_dwell))
    g_string_append_printf (out, ",\"mean_dwell\":%" G_GUINT64_FORMAT, tally->mean_dwell);
}

static void
put_named (GString *out, const gchar *what, const gchar *name)
{
  g_string_append_printf (out, "\"%s\":", what);
  put_string (out, name);
  g_string_append_c (out, ',');
}

/* The objects that are in a zone now. */
static void
put_visits (GString *out, const GstDicenetCountMeta *meta, const gchar *zone)
{
  g_string_append (out, ",\"objects\":[");
  for (guint i = 0; i < gst_dicenet_count_meta_get_n_visits (meta); i++) {
    const GstDicenetCountVisit *visit = gst_dicenet_count_meta_get_visit (meta, i);
    if (!g_str_equal (visit->zone, zone))
      continue;
    put_comma (out);
    g_string_append_c (out, '{');
    put_named (out, "label", visit->label);
    g_string_append_printf (out, "\"id\":%" G_GUINT64_FORMAT ",\"dwell\":%" G_GUINT64_FORMAT "}", visit->track_id,
                            visit->dwell);
  }
  g_string_append_c (out, ']');
}

static void
put_shape (GString *out, const GstDicenetCountMeta *meta, const GstDicenetCountShape *shape)
{
  put_comma (out);
  g_string_append_c (out, '{');
  put_named (out, "name", shape->name);
  put_tally (out, &shape->total, shape->is_zone);
  g_string_append (out, ",\"classes\":[");
  for (guint i = 0; i < shape->n_classes; i++) {
    const GstDicenetCountTally *tally = gst_dicenet_count_shape_get_class (shape, i);
    put_comma (out);
    g_string_append_c (out, '{');
    put_named (out, "label", tally->label);
    put_tally (out, tally, shape->is_zone);
    g_string_append_c (out, '}');
  }
  g_string_append_c (out, ']');
  if (shape->is_zone)
    put_visits (out, meta, shape->name);
  g_string_append_c (out, '}');
}

static void
put_shapes (GString *out, GstBuffer *buffer, gboolean zones)
{
  gpointer state = NULL;

  g_string_append_printf (out, ",\"%s\":[", zones ? "zones" : "lines");
  for (GstDicenetCountMeta *meta; (meta = gst_buffer_iterate_dicenet_count_meta (buffer, &state));) {
    for (guint i = 0; i < gst_dicenet_count_meta_get_n_shapes (meta); i++) {
      const GstDicenetCountShape *shape = gst_dicenet_count_meta_get_shape (meta, i);
      if (!shape->is_zone == !zones)
        put_shape (out, meta, shape);
    }
  }
  g_string_append_c (out, ']');
}

static void
put_event (GString *out, const GstDicenetCountEvent *event)
{
  static const gchar *const kinds[] = { "forward", "backward", "entered", "left" };
  const gboolean is_zone = event->kind == GST_DICENET_COUNT_ENTERED || event->kind == GST_DICENET_COUNT_LEFT;

  put_comma (out);
  g_string_append_printf (out, "{\"event\":\"%s\",", kinds[event->kind]);
  put_named (out, is_zone ? "zone" : "line", event->shape);
  put_named (out, "label", event->label);
  g_string_append_printf (out, "\"id\":%" G_GUINT64_FORMAT ",\"x\":", event->track_id);
  put_number (out, event->x);
  g_string_append (out, ",\"y\":");
  put_number (out, event->y);
  if (GST_CLOCK_TIME_IS_VALID (event->dwell))
    g_string_append_printf (out, ",\"dwell\":%" G_GUINT64_FORMAT, event->dwell);
  g_string_append_c (out, '}');
}

/* Appends "lines", "zones" and "events" of all dicenetcount elements. Returns whether there were events: counts alone,
 * which every frame has, are nothing new. */
static gboolean
put_counts (GString *out, GstBuffer *buffer)
{
  gpointer state = NULL;

  if (!gst_buffer_iterate_dicenet_count_meta (buffer, &state))
    return FALSE;
  put_shapes (out, buffer, FALSE);
  put_shapes (out, buffer, TRUE);
  g_string_append (out, ",\"events\":[");
  const gsize empty = out->len;
  state = NULL;
  for (GstDicenetCountMeta *meta; (meta = gst_buffer_iterate_dicenet_count_meta (buffer, &state));) {
    for (guint i = 0; i < gst_dicenet_count_meta_get_n_events (meta); i++)
      put_event (out, gst_dicenet_count_meta_get_event (meta, i));
  }
  const gboolean any = out->len > empty;
  g_string_append_c (out, ']');
  return any;
}

static gboolean
is_live (GstDicenetJson *self)
{
  if (!self->asked)
    self->asked = gst_dicenet_pad_is_live (self->sinkpad, &self->live);
  return self->live;
}

static void
put_wall_clock (GstDicenetJson *self, GString *out, GstBuffer *buffer)
{
  const guint64 time = gst_dicenet_wall_clock_time (GST_ELEMENT (self), is_live (self), &self->segment, buffer);

  if (time == 0)
    return;
  g_autofree gchar *text = gst_dicenet_wall_clock_format (time);
  g_string_append_printf (out, ",\"system_timestamp\":\"%s\"", text);
}

static void
put_times (GstDicenetJson *self, GString *out, GstBuffer *buffer)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer), stream_time = GST_CLOCK_TIME_NONE;

  if (self->segment.format == GST_FORMAT_TIME)
    stream_time = gst_segment_to_stream_time (&self->segment, GST_FORMAT_TIME, pts);
  if (GST_CLOCK_TIME_IS_VALID (stream_time))
    g_string_append_printf (out, ",\"timestamp\":%" G_GUINT64_FORMAT, stream_time);
  if (GST_CLOCK_TIME_IS_VALID (pts))
    g_string_append_printf (out, ",\"pts\":%" G_GUINT64_FORMAT, pts);
  put_wall_clock (self, out, buffer);
}

/* Writes the line of a frame. Returns whether the frame has results. */
static gboolean
put_line (GstDicenetJson *self, GString *out, GstBuffer *buffer)
{
  GstBuffer *shown = gst_buffer_apply_crop_to_dicenet_meta (buffer);

  g_string_append_printf (out, "{\"resolution\":{\"width\":%d,\"height\":%d}", self->info.width, self->info.height);
  put_times (self, out, buffer);
  g_string_append (out, self->head);
  gboolean any = put_results (out, shown, buffer, &self->info);
  any |= put_counts (out, shown);
  g_string_append (out, "}\n");
  gst_buffer_unref (shown);
  return any;
}

/* --- streaming --- */

static gboolean
wants_empty_results (GstDicenetJson *self)
{
  GST_OBJECT_LOCK (self);
  gboolean wants = self->add_empty_results;
  GST_OBJECT_UNLOCK (self);
  return wants;
}

static GstFlowReturn
gst_dicenet_json_chain (GstPad *pad, GstObject *parent, GstBuffer *frame)
{
  GstDicenetJson *self = GST_DICENET_JSON (parent);

  if (self->info.width == 0) {
    gst_buffer_unref (frame);
    return GST_FLOW_NOT_NEGOTIATED;
  }
  GString *line = g_string_new (NULL);
  GstFlowReturn ret = GST_FLOW_OK;
  if (put_line (self, line, frame) || wants_empty_results (self)) {
    gsize size = line->len;
    GstBuffer *out = gst_buffer_new_wrapped (g_string_free (line, FALSE), size);
    gst_buffer_copy_into (out, frame, GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
    GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": %" G_GSIZE_FORMAT " bytes",
                      GST_TIME_ARGS (GST_BUFFER_PTS (frame)), size);
    GST_BUFFER_FLAGS (out) |= GST_BUFFER_FLAGS (frame) & GST_BUFFER_FLAG_DISCONT;
    ret = gst_pad_push (self->srcpad, out);
  } else {
    g_string_free (line, TRUE);
    GST_DEBUG_OBJECT (self, "frame %" GST_TIME_FORMAT ": no results, no line (add-empty-results)",
                      GST_TIME_ARGS (GST_BUFFER_PTS (frame)));
    /* Tells downstream that time advances, so that it need not wait for the first line to preroll. */
    if (GST_BUFFER_PTS_IS_VALID (frame))
      gst_pad_push_event (self->srcpad, gst_event_new_gap (GST_BUFFER_PTS (frame), GST_BUFFER_DURATION (frame)));
  }
  gst_buffer_unref (frame);
  return ret;
}

static gboolean
set_caps (GstDicenetJson *self, GstCaps *caps)
{
  if (!gst_video_info_from_caps (&self->info, caps)) {
    GST_ERROR_OBJECT (self, "not video caps: %" GST_PTR_FORMAT, caps);
    return FALSE;
  }
  GST_INFO_OBJECT (self, "results of frames of %dx%d", self->info.width, self->info.height);
  GstCaps *lines = gst_static_pad_template_get_caps (&src_template);
  gboolean ok = gst_pad_set_caps (self->srcpad, lines);
  gst_caps_unref (lines);
  return ok;
}

static gboolean
gst_dicenet_json_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstDicenetJson *self = GST_DICENET_JSON (parent);
  GstCaps *caps;

  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_CAPS: {
    gst_event_parse_caps (event, &caps);
    gboolean ok = set_caps (self, caps);
    gst_event_unref (event);
    return ok;
  }
  case GST_EVENT_SEGMENT:
    gst_event_copy_segment (event, &self->segment);
    self->asked = FALSE;
    break;
  case GST_EVENT_FLUSH_STOP:
    gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
    break;
  default:
    break;
  }
  return gst_pad_event_default (pad, parent, event);
}

/* Pixels are not read: any layout is accepted, and a crop by GstVideoCropMeta is applied to the results. */
static gboolean
gst_dicenet_json_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return gst_pad_query_default (pad, parent, query);
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  gst_query_add_allocation_meta (query, GST_VIDEO_CROP_META_API_TYPE, NULL);
  return TRUE;
}

/* --- element --- */

/* Builds the part that is the same in all lines. Posts an error and returns FALSE if the tags are not valid JSON. */
static gboolean
make_head (GstDicenetJson *self)
{
  GString *head = g_string_new (NULL);
  GError *error = NULL;

  GST_OBJECT_LOCK (self);
  gchar *source = g_strdup (self->source), *tags = g_strdup (self->tags);
  GST_OBJECT_UNLOCK (self);

  if (source) {
    g_string_append (head, ",\"source\":");
    put_string (head, source);
  }
  if (tags) {
    /* Minify to a single line; numbers stay as written. */
    g_autofree gchar *text = dicenet_json_minify (tags, &error);
    if (text) {
      g_string_append_printf (head, ",\"tags\":%s", text);
    } else {
      g_autofree gchar *shown = dicenet_text_excerpt (tags);
      GST_ELEMENT_ERROR (
          self, RESOURCE, SETTINGS,
          ("Property tags of '%s' is not JSON: %s. It must be a JSON text like {\"camera\": \"north\"}; it is: %s",
           GST_OBJECT_NAME (self), error->message, shown),
          (NULL));
      g_clear_error (&error);
      g_string_free (head, TRUE);
      head = NULL;
    }
  }
  g_free (self->head);
  self->head = head ? g_string_free (head, FALSE) : NULL;
  g_free (source);
  g_free (tags);
  return self->head != NULL;
}

static GstStateChangeReturn
gst_dicenet_json_change_state (GstElement *element, GstStateChange transition)
{
  GstDicenetJson *self = GST_DICENET_JSON (element);

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
    gst_video_info_init (&self->info);
    if (!make_head (self))
      return GST_STATE_CHANGE_FAILURE;
  }
  return GST_ELEMENT_CLASS (gst_dicenet_json_parent_class)->change_state (element, transition);
}

static void
set_text (gchar **text, const GValue *value)
{
  g_free (*text);
  *text = g_value_dup_string (value);
}

static void
gst_dicenet_json_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstDicenetJson *self = GST_DICENET_JSON (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_SOURCE:
    set_text (&self->source, value);
    break;
  case PROP_TAGS:
    set_text (&self->tags, value);
    break;
  case PROP_ADD_EMPTY_RESULTS:
    self->add_empty_results = g_value_get_boolean (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_dicenet_json_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstDicenetJson *self = GST_DICENET_JSON (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
  case PROP_SOURCE:
    g_value_set_string (value, self->source);
    break;
  case PROP_TAGS:
    g_value_set_string (value, self->tags);
    break;
  case PROP_ADD_EMPTY_RESULTS:
    g_value_set_boolean (value, self->add_empty_results);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    break;
  }
  GST_OBJECT_UNLOCK (self);
}

static void
gst_dicenet_json_finalize (GObject *object)
{
  GstDicenetJson *self = GST_DICENET_JSON (object);

  g_free (self->source);
  g_free (self->tags);
  g_free (self->head);
  G_OBJECT_CLASS (gst_dicenet_json_parent_class)->finalize (object);
}

static void
install_properties (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;

  g_object_class_install_property (
      object_class, PROP_SOURCE,
      g_param_spec_string ("source", "Source",
                           "Name of the source, a camera's, say, written to each line as \"source\"", NULL,
                           flags | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (object_class, PROP_TAGS,
                                   g_param_spec_string ("tags", "Tags", "JSON text, written to each line as \"tags\"",
                                                        NULL, flags | GST_PARAM_MUTABLE_READY));
  g_object_class_install_property (object_class, PROP_ADD_EMPTY_RESULTS,
                                   g_param_spec_boolean ("add-empty-results", "Add empty results",
                                                         "Also write a line for frames without results",
                                                         DEFAULT_ADD_EMPTY_RESULTS, flags | GST_PARAM_MUTABLE_PLAYING));
}

static void
gst_dicenet_json_class_init (GstDicenetJsonClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_dicenet_json_debug, "dicenetjson", 0, "DiCENet results as JSON lines");

  object_class->set_property = gst_dicenet_json_set_property;
  object_class->get_property = gst_dicenet_json_get_property;
  object_class->finalize = gst_dicenet_json_finalize;
  install_properties (object_class);

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (
      element_class, "DiCENet results to JSON", "Converter/Analyzer/Video",
      "Converts the results that DiCENet elements attached to frames to JSON, one line per frame",
      "The dicenet developers");
  element_class->change_state = gst_dicenet_json_change_state;
}

static void
gst_dicenet_json_init (GstDicenetJson *self)
{
  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  GST_PAD_SET_ACCEPT_INTERSECT (self->sinkpad); /* as the other elements do: applications may leave out the framerate */
  gst_pad_set_chain_function (self->sinkpad, gst_dicenet_json_chain);
  gst_pad_set_event_function (self->sinkpad, gst_dicenet_json_sink_event);
  gst_pad_set_query_function (self->sinkpad, gst_dicenet_json_sink_query);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_use_fixed_caps (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);

  self->add_empty_results = DEFAULT_ADD_EMPTY_RESULTS;
  gst_video_info_init (&self->info);
}
