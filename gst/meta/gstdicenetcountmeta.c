/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <gst/dicenet/gstdicenetcountmeta.h>

#include "gstdicenetmapping.h"

/* What a meta says. Never changes, so that metas and copies of its parts share it. */
typedef struct {
  gatomicrefcount ref;
  GstDicenetCountShape *shapes;
  GstDicenetCountEvent *events;
  GstDicenetCountVisit *visits;
  guint n_shapes, n_events, n_visits;
  GStringChunk *strings;
} Counts;

static Counts *
counts_ref (Counts *self)
{
  if (self)
    g_atomic_ref_count_inc (&self->ref);
  return self;
}

static void
counts_unref (Counts *self)
{
  if (!self || !g_atomic_ref_count_dec (&self->ref))
    return;
  for (guint i = 0; i < self->n_shapes; i++) {
    g_free ((gpointer) self->shapes[i].points);
    g_free ((gpointer) self->shapes[i].classes);
  }
  g_free (self->shapes);
  g_free (self->events);
  g_free (self->visits);
  g_string_chunk_free (self->strings);
  g_free (self);
}

/* --- parts --- */

/* The parts point into what they are of, so a copy holds it. */
#define DEFINE_PART(Type, type)                                                                                        \
  static Type *type##_copy (Type *self)                                                                                \
  {                                                                                                                    \
    counts_ref (self->_owner);                                                                                         \
    return g_memdup2 (self, sizeof *self);                                                                             \
  }                                                                                                                    \
  static void type##_free (Type *self)                                                                                 \
  {                                                                                                                    \
    counts_unref (self->_owner);                                                                                       \
    g_free (self);                                                                                                     \
  }                                                                                                                    \
  G_DEFINE_BOXED_TYPE (Type, type, type##_copy, type##_free)

DEFINE_PART (GstDicenetCountTally, gst_dicenet_count_tally)
DEFINE_PART (GstDicenetCountShape, gst_dicenet_count_shape)
DEFINE_PART (GstDicenetCountEvent, gst_dicenet_count_event)
DEFINE_PART (GstDicenetCountVisit, gst_dicenet_count_visit)

void
gst_dicenet_count_shape_get_point (const GstDicenetCountShape *self, guint index, gdouble *x, gdouble *y)
{
  g_return_if_fail (self && index < self->n_points);

  *x = self->points[index].x;
  *y = self->points[index].y;
}

const GstDicenetCountTally *
gst_dicenet_count_shape_get_class (const GstDicenetCountShape *self, guint index)
{
  g_return_val_if_fail (self && index < self->n_classes, NULL);

  return &self->classes[index];
}

/* --- copying, also to other coordinates --- */

static const gchar *
keep (Counts *self, const gchar *text)
{
  return text ? g_string_chunk_insert_const (self->strings, text) : NULL;
}

static GstDicenetCountTally
copy_count (Counts *self, const GstDicenetCountTally *from)
{
  GstDicenetCountTally count = *from;

  count.label = keep (self, from->label);
  count._owner = self;
  return count;
}

/* From fractions of one frame to fractions of the other. */
static void
map_point (const GstDicenetMapping *m, const GstDicenetCountMeta *frame, gdouble *x, gdouble *y)
{
  if (!m)
    return;
  const gdouble in_x = *x * frame->frame_width, in_y = *y * frame->frame_height;
  *x = (m->xx * in_x + m->xy * in_y + m->x0) / m->width;
  *y = (m->yx * in_x + m->yy * in_y + m->y0) / m->height;
}

static void
copy_shape (Counts *self, GstDicenetCountShape *to, const GstDicenetCountShape *from, const GstDicenetMapping *m,
            const GstDicenetCountMeta *frame)
{
  GstDicenetCountPoint *points = g_memdup2 (from->points, from->n_points * sizeof *points);
  GstDicenetCountTally *classes = g_new (GstDicenetCountTally, from->n_classes);

  *to = *from;
  to->_owner = self;
  to->name = keep (self, from->name);
  to->total = copy_count (self, &from->total);
  for (guint i = 0; i < from->n_classes; i++)
    classes[i] = copy_count (self, &from->classes[i]);
  for (guint i = 0; i < from->n_points; i++)
    map_point (m, frame, &points[i].x, &points[i].y);
  /* In a mirror, left is right: what was forward remains so if the line is read from its other end. */
  if (m && m->xx * m->yy - m->xy * m->yx < 0 && from->n_points == 2) {
    const GstDicenetCountPoint first = points[0];
    points[0] = points[1];
    points[1] = first;
  }
  to->points = points;
  to->classes = classes;
}

/* Copies @from to the coordinates of the output frame, if @m is not NULL. */
static Counts *
counts_copy (const Counts *from, const GstDicenetMapping *m, const GstDicenetCountMeta *frame)
{
  Counts *self = g_new0 (Counts, 1);

  g_atomic_ref_count_init (&self->ref);
  self->strings = g_string_chunk_new (256);
  self->n_shapes = from->n_shapes;
  self->shapes = g_new0 (GstDicenetCountShape, from->n_shapes);
  for (guint i = 0; i < from->n_shapes; i++)
    copy_shape (self, &self->shapes[i], &from->shapes[i], m, frame);
  self->n_events = from->n_events;
  self->events = g_memdup2 (from->events, from->n_events * sizeof *from->events);
  for (guint i = 0; i < self->n_events; i++) {
    GstDicenetCountEvent *event = &self->events[i];
    event->_owner = self;
    event->shape = keep (self, event->shape);
    event->label = keep (self, event->label);
    map_point (m, frame, &event->x, &event->y);
  }
  self->n_visits = from->n_visits;
  self->visits = g_memdup2 (from->visits, from->n_visits * sizeof *from->visits);
  for (guint i = 0; i < self->n_visits; i++) {
    GstDicenetCountVisit *visit = &self->visits[i];
    visit->_owner = self;
    visit->zone = keep (self, visit->zone);
    visit->label = keep (self, visit->label);
  }
  return self;
}

/* --- the meta --- */

GType
gst_dicenet_count_meta_api_get_type (void)
{
  static GType type = 0;
  static const gchar *tags[] = { GST_META_TAG_VIDEO_STR, GST_META_TAG_VIDEO_SIZE_STR,
                                 GST_META_TAG_VIDEO_ORIENTATION_STR, NULL };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, gst_meta_api_type_register ("GstDicenetCountMetaAPI", tags));
  return type;
}

static gboolean
gst_dicenet_count_meta_init (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  GstDicenetCountMeta *self = (GstDicenetCountMeta *) meta;

  self->_counts = NULL;
  self->frame_width = self->frame_height = 0;
  return TRUE;
}

static void
gst_dicenet_count_meta_free (GstMeta *meta, GstBuffer *buffer)
{
  counts_unref (((GstDicenetCountMeta *) meta)->_counts);
}

/* Takes @counts. */
static GstDicenetCountMeta *
add_meta (GstBuffer *buffer, guint width, guint height, Counts *counts)
{
  GstDicenetCountMeta *self = (GstDicenetCountMeta *) gst_buffer_add_meta (buffer, GST_DICENET_COUNT_META_INFO, NULL);

  self->frame_width = width;
  self->frame_height = height;
  self->_counts = counts;
  return self;
}

static gboolean
gst_dicenet_count_meta_transform (GstBuffer *dest, GstMeta *meta, GstBuffer *buffer, GQuark type, gpointer data)
{
  const GstDicenetCountMeta *self = (const GstDicenetCountMeta *) meta;
  GstDicenetMapping m;

  if (GST_META_TRANSFORM_IS_COPY (type)) {
    /* A part of the memory is not the picture that the shapes are on. */
    if (gst_dicenet_copy_is_whole (data, buffer))
      add_meta (dest, self->frame_width, self->frame_height, counts_ref (self->_counts));
    return TRUE;
  }
  if (!gst_dicenet_mapping_init (&m, type, data))
    return FALSE;
  add_meta (dest, m.width, m.height, counts_copy (self->_counts, &m, self));
  return TRUE;
}

const GstMetaInfo *
gst_dicenet_count_meta_get_info (void)
{
  static const GstMetaInfo *info = NULL;

  if (g_once_init_enter ((GstMetaInfo **) &info))
    g_once_init_leave ((GstMetaInfo **) &info,
                       (GstMetaInfo *) gst_meta_register (
                           GST_DICENET_COUNT_META_API_TYPE, "GstDicenetCountMeta", sizeof (GstDicenetCountMeta),
                           gst_dicenet_count_meta_init, gst_dicenet_count_meta_free, gst_dicenet_count_meta_transform));
  return info;
}

GstDicenetCountMeta *
gst_buffer_add_dicenet_count_meta (GstBuffer *buffer, guint frame_width, guint frame_height,
                                   const GstDicenetCountShape *shapes, guint n_shapes,
                                   const GstDicenetCountEvent *events, guint n_events,
                                   const GstDicenetCountVisit *visits, guint n_visits)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer) && gst_buffer_is_writable (buffer), NULL);
  g_return_val_if_fail (frame_width > 0 && frame_height > 0, NULL);

  const Counts given = { .shapes = (GstDicenetCountShape *) shapes,
                         .events = (GstDicenetCountEvent *) events,
                         .visits = (GstDicenetCountVisit *) visits,
                         .n_shapes = n_shapes,
                         .n_events = n_events,
                         .n_visits = n_visits };
  return add_meta (buffer, frame_width, frame_height, counts_copy (&given, NULL, NULL));
}

GstDicenetCountMeta *
gst_buffer_iterate_dicenet_count_meta (GstBuffer *buffer, gpointer *state)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);

  return (GstDicenetCountMeta *) gst_buffer_iterate_meta_filtered (buffer, state, GST_DICENET_COUNT_META_API_TYPE);
}

GPtrArray *
gst_buffer_get_dicenet_count_metas (GstBuffer *buffer)
{
  GPtrArray *metas = g_ptr_array_new ();
  gpointer state = NULL;

  for (GstDicenetCountMeta *meta; (meta = gst_buffer_iterate_dicenet_count_meta (buffer, &state));)
    g_ptr_array_add (metas, meta);
  return metas;
}

guint
gst_dicenet_count_meta_get_n_shapes (const GstDicenetCountMeta *self)
{
  g_return_val_if_fail (self && self->_counts, 0);

  return ((const Counts *) self->_counts)->n_shapes;
}

const GstDicenetCountShape *
gst_dicenet_count_meta_get_shape (const GstDicenetCountMeta *self, guint index)
{
  g_return_val_if_fail (index < gst_dicenet_count_meta_get_n_shapes (self), NULL);

  return &((const Counts *) self->_counts)->shapes[index];
}

const GstDicenetCountShape *
gst_dicenet_count_meta_find_shape (const GstDicenetCountMeta *self, const gchar *name)
{
  g_return_val_if_fail (name, NULL);

  for (guint i = 0; i < gst_dicenet_count_meta_get_n_shapes (self); i++) {
    const GstDicenetCountShape *shape = gst_dicenet_count_meta_get_shape (self, i);
    if (g_str_equal (shape->name, name))
      return shape;
  }
  return NULL;
}

guint
gst_dicenet_count_meta_get_n_events (const GstDicenetCountMeta *self)
{
  g_return_val_if_fail (self && self->_counts, 0);

  return ((const Counts *) self->_counts)->n_events;
}

const GstDicenetCountEvent *
gst_dicenet_count_meta_get_event (const GstDicenetCountMeta *self, guint index)
{
  g_return_val_if_fail (index < gst_dicenet_count_meta_get_n_events (self), NULL);

  return &((const Counts *) self->_counts)->events[index];
}

guint
gst_dicenet_count_meta_get_n_visits (const GstDicenetCountMeta *self)
{
  g_return_val_if_fail (self && self->_counts, 0);

  return ((const Counts *) self->_counts)->n_visits;
}

const GstDicenetCountVisit *
gst_dicenet_count_meta_get_visit (const GstDicenetCountMeta *self, guint index)
{
  g_return_val_if_fail (index < gst_dicenet_count_meta_get_n_visits (self), NULL);

  return &((const Counts *) self->_counts)->visits[index];
}
