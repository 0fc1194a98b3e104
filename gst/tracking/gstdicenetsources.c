/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetsources.h"

#include <gst/dicenet/gstdicenetobject.h>
#include <math.h>

/* Models that are followed at a time. Beyond, the one that wasn't there for longest is forgotten. */
#define MAX_SOURCES 16

/* An object of a result, by which it is found again on later frames: metas may lose objects, but keep their order. */
typedef struct {
  gdouble confidence;
  guint64 id;
} Numbered;

/* A result on the last frame of its source. */
typedef struct {
  GstDicenetResult *result; /* a reference, so that no other result gets its address */
  GArray *objects;          /* Numbered */
} Seen;

typedef struct {
  gchar *model; /* NULL: objects of other elements */
  GstDicenetTracker *tracker;
  GPtrArray *seen; /* Seen */
  guint64 frame;   /* the last one with objects of this source */
  gdouble time;    /* of that */
} Source;

struct _GstDicenetSources {
  guint64 last_id;
  guint64 frame; /* number of the last one */
  GPtrArray *sources;
};

/* Objects that were found together: those of a meta, or all of other elements. */
typedef struct {
  GstDicenetResult *result; /* NULL: of other elements */
  const GstDicenetObject *objects;
  guint n;
  gdouble time; /* when they were where they are */
  Source *source;
  Seen *seen; /* NULL if they are new */
} Group;

/* A frame that is being numbered. */
typedef struct {
  GstDicenetSources *sources;
  const GstDicenetTrackerSettings *settings;
  gboolean predict;
  const GstDicenetMoment *moment;
  GstBuffer *buffer;
  GArray *moved; /* GstDicenetObject, where they are by now */
} Frame;

static void
seen_free (gpointer data)
{
  Seen *seen = data;

  gst_dicenet_result_unref (seen->result);
  g_array_unref (seen->objects);
  g_free (seen);
}

static void
source_free (gpointer data)
{
  Source *source = data;

  gst_dicenet_tracker_free (source->tracker);
  g_ptr_array_unref (source->seen);
  g_free (source->model);
  g_free (source);
}

GstDicenetSources *
gst_dicenet_sources_new (void)
{
  GstDicenetSources *self = g_new0 (GstDicenetSources, 1);

  self->sources = g_ptr_array_new_with_free_func (source_free);
  return self;
}

void
gst_dicenet_sources_free (GstDicenetSources *self)
{
  g_ptr_array_unref (self->sources);
  g_free (self);
}

void
gst_dicenet_sources_forget (GstDicenetSources *self)
{
  g_ptr_array_set_size (self->sources, 0);
}

void
gst_dicenet_sources_scale (GstDicenetSources *self, gdouble x, gdouble y)
{
  for (guint i = 0; i < self->sources->len; i++)
    gst_dicenet_tracker_scale (((Source *) g_ptr_array_index (self->sources, i))->tracker, x, y);
}

guint
gst_dicenet_sources_get_n_tracks (const GstDicenetSources *self)
{
  guint n = 0;

  for (guint i = 0; i < self->sources->len; i++)
    n += gst_dicenet_tracker_get_n_tracks (((Source *) g_ptr_array_index (self->sources, i))->tracker);
  return n;
}

guint64
gst_dicenet_sources_get_last_id (const GstDicenetSources *self)
{
  return self->last_id;
}

/* --- sources --- */

static void
remove_oldest (GstDicenetSources *self)
{
  guint oldest = 0;

  for (guint i = 1; i < self->sources->len; i++) {
    const Source *source = g_ptr_array_index (self->sources, i), *other = g_ptr_array_index (self->sources, oldest);
    if (source->time < other->time)
      oldest = i;
  }
  g_ptr_array_remove_index_fast (self->sources, oldest);
}

static Source *
find_source (GstDicenetSources *self, const gchar *model)
{
  for (guint i = 0; i < self->sources->len; i++) {
    Source *source = g_ptr_array_index (self->sources, i);
    if (g_strcmp0 (source->model, model) == 0)
      return source;
  }
  return NULL;
}

static Source *
ensure_source (GstDicenetSources *self, const gchar *model)
{
  Source *source = find_source (self, model);

  if (source)
    return source;
  source = g_new0 (Source, 1);
  source->model = g_strdup (model);
  source->tracker = gst_dicenet_tracker_new (&self->last_id);
  source->seen = g_ptr_array_new_with_free_func (seen_free);
  g_ptr_array_add (self->sources, source);
  return source;
}

static Seen *
find_seen (const Source *source, const GstDicenetResult *result)
{
  for (guint i = 0; i < source->seen->len; i++) {
    Seen *seen = g_ptr_array_index (source->seen, i);
    if (seen->result == result)
      return seen;
  }
  return NULL;
}

/* --- groups of objects --- */

/* When the frame was captured that a model ran on. */
static gdouble
time_of_result (const Frame *frame, const GstDicenetMeta *meta)
{
  const GstDicenetMoment *moment = frame->moment;

  if (meta->age == 0)
    return moment->now;
  if (GST_CLOCK_TIME_IS_VALID (meta->age_time))
    return moment->now - (gdouble) meta->age_time / GST_SECOND / moment->rate;
  return moment->now - meta->age * moment->frame_seconds;
}

/* Detections come before the objects of other elements, in the order of the metas. */
static GArray *
list_groups (const Frame *frame, const GArray *objects)
{
  GArray *groups = g_array_new (FALSE, FALSE, sizeof (Group));
  gpointer state = NULL;
  guint at = 0;

  for (GstDicenetMeta *meta; (meta = gst_buffer_iterate_dicenet_meta (frame->buffer, &state));) {
    if (meta->result->task != GST_DICENET_TASK_DETECT)
      continue;
    Group group = { .result = meta->result,
                    .n = gst_dicenet_meta_get_n_detections (meta),
                    .time = time_of_result (frame, meta) };
    if (group.n > 0)
      group.objects = &g_array_index (objects, GstDicenetObject, at);
    g_array_append_val (groups, group);
    at += group.n;
  }
  if (at < objects->len) {
    const Group group = { .objects = &g_array_index (objects, GstDicenetObject, at),
                          .n = objects->len - at,
                          .time = frame->moment->now };
    g_array_append_val (groups, group);
  }
  return groups;
}

/* Finds out where each group is from, and which ones are new. */
static void
assign_sources (const Frame *frame, GArray *groups)
{
  GstDicenetSources *self = frame->sources;

  for (guint i = 0; i < groups->len; i++) {
    Group *group = &g_array_index (groups, Group, i);
    const gchar *model = group->result ? group->result->model ? group->result->model : "" : NULL;
    group->source = ensure_source (self, model);
    group->source->frame = self->frame;
    group->source->time = frame->moment->now;
    group->seen = group->result ? find_seen (group->source, group->result) : NULL;
  }
}

/* --- numbers --- */

static void
set_id (const Frame *frame, const GstDicenetObject *object, guint64 id)
{
  if (object->track_id != id)
    gst_buffer_set_dicenet_track_id (frame->buffer, object, id);
}

static void
move_object (const Frame *frame, const Group *group, const GstDicenetObject *object, guint64 id)
{
  GstDicenetBox box = { object->x, object->y, object->w, object->h };

  if (id == 0 || !gst_dicenet_tracker_move (group->source->tracker, id, frame->moment->now, &box))
    return;
  GstDicenetObject moved = *object;
  moved.x = box.x;
  moved.y = box.y;
  moved.w = box.w;
  moved.h = box.h;
  g_array_append_val (frame->moved, moved);
}

/* Also of objects without a confidence (NaN). */
static gboolean
is_same (gdouble a, gdouble b)
{
  return a == b || (isnan (a) && isnan (b));
}

static void
number_group (const Frame *frame, const Group *group, const GArray *numbers)
{
  guint at = 0;

  for (guint i = 0; i < group->n; i++) {
    const GstDicenetObject *object = &group->objects[i];
    while (at < numbers->len && !is_same (g_array_index (numbers, Numbered, at).confidence, object->confidence))
      at++;
    const guint64 id = at < numbers->len ? g_array_index (numbers, Numbered, at++).id : 0;
    set_id (frame, object, id);
    if (frame->predict && group->time < frame->moment->now)
      move_object (frame, group, object, id);
  }
}

/* The objects of all new groups of a source, which are one measurement. */
static GArray *
observe (const GArray *groups, const Source *source, gdouble *time)
{
  GArray *observed = g_array_new (FALSE, FALSE, sizeof (GstDicenetObserved));

  *time = -INFINITY;
  for (guint i = 0; i < groups->len; i++) {
    const Group *group = &g_array_index (groups, Group, i);
    if (group->source != source || group->seen)
      continue;
    *time = MAX (*time, group->time);
    for (guint j = 0; j < group->n; j++) {
      const GstDicenetObject *object = &group->objects[j];
      const GstDicenetObserved entry = { { object->x, object->y, object->w, object->h },
                                         object->confidence,
                                         object->label };
      g_array_append_val (observed, entry);
    }
  }
  return observed;
}

static GArray *
take_numbers (const Group *group, const guint64 *ids)
{
  GArray *numbers = g_array_sized_new (FALSE, FALSE, sizeof (Numbered), group->n);

  for (guint i = 0; i < group->n; i++) {
    const Numbered number = { group->objects[i].confidence, ids[i] };
    g_array_append_val (numbers, number);
  }
  return numbers;
}

static void
remember (GPtrArray *list, GstDicenetResult *result, GArray *numbers)
{
  Seen *seen = g_new (Seen, 1);

  seen->result = gst_dicenet_result_ref (result);
  seen->objects = g_array_ref (numbers);
  g_ptr_array_add (list, seen);
}

/* Numbers the groups of a source; those that are new get @ids. Only the results on this frame can be on the next. */
static void
number_source (const Frame *frame, const GArray *groups, Source *source, const guint64 *ids)
{
  g_autoptr (GPtrArray) now_seen = g_ptr_array_new_with_free_func (seen_free);

  for (guint i = 0; i < groups->len; i++) {
    const Group *group = &g_array_index (groups, Group, i);
    if (group->source != source)
      continue;
    g_autoptr (GArray) numbers = group->seen ? g_array_ref (group->seen->objects) : take_numbers (group, ids);
    if (!group->seen)
      ids += group->n;
    number_group (frame, group, numbers);
    if (group->result)
      remember (now_seen, group->result, numbers);
  }
  g_ptr_array_unref (source->seen);
  source->seen = g_steal_pointer (&now_seen);
}

static void
process_source (const Frame *frame, const GArray *groups, Source *source)
{
  gdouble time;
  g_autoptr (GArray) observed = observe (groups, source, &time);
  g_autofree guint64 *ids = g_new0 (guint64, observed->len + 1);

  if (time > -INFINITY)
    gst_dicenet_tracker_update (source->tracker, frame->settings, time, (const GstDicenetObserved *) observed->data,
                                observed->len, ids);
  number_source (frame, groups, source, ids);
}

/* A frame without objects of other elements may be one that these didn't look at, so it says nothing; but not for
 * longer than tracks may be lost. */
static void
forget_others (const Frame *frame)
{
  GstDicenetSources *self = frame->sources;
  Source *others = find_source (self, NULL);

  if (others && frame->moment->now - others->time > frame->settings->max_lost)
    g_ptr_array_remove_fast (self->sources, others);
}

void
gst_dicenet_sources_process (GstDicenetSources *self, const GstDicenetTrackerSettings *settings, gboolean predict,
                             const GstDicenetMoment *moment, GstBuffer *buffer)
{
  g_autoptr (GArray) moved = g_array_new (FALSE, FALSE, sizeof (GstDicenetObject));
  const Frame frame = { self, settings, predict, moment, buffer, moved };
  g_autoptr (GArray) objects = gst_buffer_get_dicenet_objects (buffer);
  g_autoptr (GArray) groups = list_groups (&frame, objects);

  self->frame++;
  assign_sources (&frame, groups);
  for (guint i = 0; i < self->sources->len; i++) {
    Source *source = g_ptr_array_index (self->sources, i);
    if (source->frame == self->frame)
      process_source (&frame, groups, source);
  }
  if (moved->len > 0)
    gst_buffer_move_dicenet_objects (buffer, (const GstDicenetObject *) moved->data, moved->len);
  forget_others (&frame);
  while (self->sources->len > MAX_SOURCES)
    remove_oldest (self);
}
