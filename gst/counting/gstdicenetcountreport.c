/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetcountreport.h"

#include <gst/dicenet/gstdicenetcountmeta.h>

static const GstDicenetShape *
shape_of (const GstDicenetCounter *counter, guint i)
{
  return g_ptr_array_index (gst_dicenet_counter_get_shapes (counter), i);
}

const gchar *
gst_dicenet_count_report_get_kind (const GstDicenetCrossing *event)
{
  static const gchar *const kinds[] = { "forward", "backward", "entered", "left" };

  return kinds[event->kind];
}

const gchar *
gst_dicenet_count_report_get_what (const GstDicenetShape *shape)
{
  return shape->is_zone ? "zone" : "line";
}

static GstClockTime
mean_dwell (const GstDicenetTally *tally)
{
  return tally->n[1] > 0 ? tally->dwell / tally->n[1] : GST_CLOCK_TIME_NONE;
}

/* --- metadata --- */

static GstDicenetCountTally
count_from (const GstDicenetTally *tally, gboolean is_zone)
{
  if (!is_zone)
    return (GstDicenetCountTally){
      .label = tally->label, .forward = tally->n[0], .backward = tally->n[1], .mean_dwell = GST_CLOCK_TIME_NONE
    };
  return (GstDicenetCountTally){ .label = tally->label,
                                 .entered = tally->n[0],
                                 .left = tally->n[1],
                                 .inside = tally->n[0] - tally->n[1],
                                 .mean_dwell = mean_dwell (tally) };
}

static GstDicenetCountShape
shape_from (const GstDicenetCounter *counter, guint i)
{
  const GstDicenetShape *shape = shape_of (counter, i);
  guint n;
  const GstDicenetTally *tallies = gst_dicenet_counter_get_tallies (counter, i, &n);
  GstDicenetCountTally *classes = g_new (GstDicenetCountTally, n);

  for (guint j = 1; j < n; j++)
    classes[j - 1] = count_from (&tallies[j], shape->is_zone);
  G_STATIC_ASSERT (sizeof (GstDicenetPosition) == sizeof (GstDicenetCountPoint));
  return (GstDicenetCountShape){ .name = shape->name,
                                 .is_zone = shape->is_zone,
                                 .n_points = shape->n_points,
                                 .points = (const GstDicenetCountPoint *) shape->points,
                                 .n_classes = n - 1,
                                 .classes = classes,
                                 .total = count_from (&tallies[0], shape->is_zone) };
}

static GstDicenetCountEvent
event_from (const GstDicenetCounter *counter, const GstDicenetCrossing *event)
{
  const gboolean has_dwell = event->kind == GST_DICENET_ZONE_LEFT;

  return (GstDicenetCountEvent){ .kind = (GstDicenetCountKind) event->kind,
                                 .shape = shape_of (counter, event->shape)->name,
                                 .track_id = event->track_id,
                                 .label = event->label,
                                 .x = event->at.x,
                                 .y = event->at.y,
                                 .dwell = has_dwell ? (GstClockTime) event->dwell : GST_CLOCK_TIME_NONE };
}

void
gst_dicenet_count_report_attach (const GstDicenetCounter *counter, const GArray *events, GstBuffer *buffer, guint width,
                                 guint height)
{
  const guint n_shapes = gst_dicenet_counter_get_shapes (counter)->len,
              n_events = MIN (events->len, GST_DICENET_MAX_LISTED);
  GArray *inside = g_array_new (FALSE, FALSE, sizeof (GstDicenetVisit));
  gst_dicenet_counter_get_visits (counter, inside, GST_DICENET_MAX_LISTED);
  GstDicenetCountShape *shapes = g_new (GstDicenetCountShape, n_shapes);
  GstDicenetCountEvent *happened = g_new (GstDicenetCountEvent, n_events);
  GstDicenetCountVisit *visits = g_new (GstDicenetCountVisit, inside->len);

  for (guint i = 0; i < n_shapes; i++)
    shapes[i] = shape_from (counter, i);
  for (guint i = 0; i < n_events; i++)
    happened[i] = event_from (counter, &g_array_index (events, GstDicenetCrossing, i));
  for (guint i = 0; i < inside->len; i++) {
    const GstDicenetVisit *visit = &g_array_index (inside, GstDicenetVisit, i);
    visits[i] = (GstDicenetCountVisit){ .zone = shape_of (counter, visit->shape)->name,
                                        .track_id = visit->track_id,
                                        .label = visit->label,
                                        .dwell = (GstClockTime) visit->dwell };
  }
  gst_buffer_add_dicenet_count_meta (buffer, width, height, shapes, n_shapes, happened, n_events, visits, inside->len);
  for (guint i = 0; i < n_shapes; i++)
    g_free ((gpointer) shapes[i].classes);
  g_free (shapes);
  g_free (happened);
  g_free (visits);
  g_array_unref (inside);
}

/* --- structures --- */

static void
add_numbers (GstStructure *to, const GstDicenetTally *tally, gboolean is_zone)
{
  if (!is_zone) {
    gst_structure_set (to, "forward", G_TYPE_UINT64, tally->n[0], "backward", G_TYPE_UINT64, tally->n[1], NULL);
    return;
  }
  gst_structure_set (to, "entered", G_TYPE_UINT64, tally->n[0], "left", G_TYPE_UINT64, tally->n[1], "inside",
                     G_TYPE_UINT64, tally->n[0] - tally->n[1], NULL);
  if (tally->n[1] > 0)
    gst_structure_set (to, "mean-dwell", G_TYPE_UINT64, mean_dwell (tally), NULL);
}

static void
append_structure (GValue *array, GstStructure *structure)
{
  GValue value = G_VALUE_INIT;

  g_value_init (&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed (&value, structure);
  gst_value_array_append_and_take_value (array, &value);
}

static GstStructure *
new_shape (const GstDicenetCounter *counter, guint i)
{
  const GstDicenetShape *shape = shape_of (counter, i);
  guint n;
  const GstDicenetTally *tallies = gst_dicenet_counter_get_tallies (counter, i, &n);
  GstStructure *self =
      gst_structure_new (gst_dicenet_count_report_get_what (shape), "name", G_TYPE_STRING, shape->name, NULL);
  GValue classes = G_VALUE_INIT;

  g_value_init (&classes, GST_TYPE_ARRAY);
  add_numbers (self, &tallies[0], shape->is_zone);
  for (guint j = 1; j < n; j++) {
    GstStructure *of_class = gst_structure_new ("class", "label", G_TYPE_STRING, tallies[j].label, NULL);
    add_numbers (of_class, &tallies[j], shape->is_zone);
    append_structure (&classes, of_class);
  }
  gst_structure_take_value (self, "classes", &classes);
  return self;
}

GstStructure *
gst_dicenet_count_report_new_counts (const GstDicenetCounter *counter)
{
  GstStructure *self = gst_structure_new_empty ("dicenet-counts");
  GValue lines = G_VALUE_INIT, zones = G_VALUE_INIT;

  g_value_init (&lines, GST_TYPE_ARRAY);
  g_value_init (&zones, GST_TYPE_ARRAY);
  for (guint i = 0; i < gst_dicenet_counter_get_shapes (counter)->len; i++)
    append_structure (shape_of (counter, i)->is_zone ? &zones : &lines, new_shape (counter, i));
  gst_structure_take_value (self, "lines", &lines);
  gst_structure_take_value (self, "zones", &zones);
  return self;
}

GstStructure *
gst_dicenet_count_report_new_event (const GstDicenetCounter *counter, const GstDicenetCrossing *event)
{
  const GstDicenetShape *shape = shape_of (counter, event->shape);
  guint n;
  GstStructure *self = gst_structure_new (
      "dicenet-count", "event", G_TYPE_STRING, gst_dicenet_count_report_get_kind (event),
      gst_dicenet_count_report_get_what (shape), G_TYPE_STRING, shape->name, "track-id", G_TYPE_UINT64, event->track_id,
      "label", G_TYPE_STRING, event->label, "x", G_TYPE_DOUBLE, event->at.x, "y", G_TYPE_DOUBLE, event->at.y, NULL);

  if (event->kind == GST_DICENET_ZONE_LEFT)
    gst_structure_set (self, "dwell", G_TYPE_UINT64, (guint64) event->dwell, NULL);
  add_numbers (self, gst_dicenet_counter_get_tallies (counter, event->shape, &n), shape->is_zone);
  return self;
}
