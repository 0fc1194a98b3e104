/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A box's edges are never still, so a line that is compared with them is crossed on every other frame by an object that
 * stands on it. Each object has, for each line, a side, which changes only after the object was behind a margin in
 * several observations in a row: a Schmitt trigger. For a zone, the thresholds are its edge and a margin outside of it,
 * as a zone may be smaller than the margin.
 */

#include "gstdicenetcounter.h"

#include <math.h>
#include <string.h>

/* Objects that are followed at a time: 10 KiB each with 128 shapes. */
#define MAX_TRACKS 4096

/* Labels of other elements may be any text, so their number is limited; others are counted together. */
#define MAX_LABELS      256
#define MAX_LABEL_BYTES 256
#define OTHER_CLASSES   "other classes"

/* A box of which a part was hidden may jump this far, in its own sizes. */
#define MAX_JUMP 0.5

/* Pixels: what is nearer to an edge is on it, but for rounding. */
#define ON_EDGE 1e-6

#define SECOND 1e9

/* An object's relation to a line or zone. */
typedef struct {
  gint8 side;     /* -1 left of the line or outside of the zone, 1 right or inside, 0 not known yet */
  gint8 next;     /* the other side, if the last observations were there */
  gboolean known; /* there was an observation */
  guint n_next;   /* number of the last observations on the other side */
  guint label;    /* class that the object had when it entered the zone */
  gint64 since;   /* time of the first observation on the other side */
  gint64 entered;
  gint64 last;           /* time of the last observation */
  GstDicenetPosition at; /* position then */
  gdouble crossed_at;    /* where the path last crossed the line: 0 is its first point, 1 its second */
} State;

typedef struct {
  guint64 id;
  gint64 seen;           /* time of the last frame with the object */
  gint64 observed;       /* time of the last observation */
  GstDicenetPosition at; /* position then */
  gdouble size;          /* the longer side of its box, in pixels */
  State states[];        /* per shape */
} Track;

struct _GstDicenetCounter {
  GPtrArray *shapes;
  GPtrArray *labels; /* of all classes so far */
  GArray **tallies;  /* GstDicenetTally, per shape */
  GTree *tracks;     /* by id, so that events of a frame are in a definite order */
  gint64 now;
};

/* What is needed to judge an object on a frame. */
typedef struct {
  GstDicenetCounter *counter;
  const GstDicenetCountSettings *settings;
  gdouble width, height;
  const GstDicenetSighting *seen;
  Track *track;
  GstDicenetPosition at;
  GArray *events;
} Frame;

/* --- counters --- */

static gint
compare_ids (gconstpointer a, gconstpointer b, gpointer data)
{
  const guint64 *first = a, *second = b;

  return (*first > *second) - (*first < *second);
}

static void
new_tracks (GstDicenetCounter *self)
{
  g_clear_pointer (&self->tracks, g_tree_unref);
  self->tracks = g_tree_new_full (compare_ids, NULL, NULL, g_free);
}

static void
new_tallies (GstDicenetCounter *self)
{
  const GstDicenetTally all = { 0 };

  for (guint i = 0; i < self->shapes->len; i++) {
    g_clear_pointer (&self->tallies[i], g_array_unref);
    self->tallies[i] = g_array_new (FALSE, TRUE, sizeof (GstDicenetTally));
    g_array_append_val (self->tallies[i], all);
  }
}

GstDicenetCounter *
gst_dicenet_counter_new (GPtrArray *shapes)
{
  GstDicenetCounter *self = g_new0 (GstDicenetCounter, 1);

  self->shapes = shapes;
  self->labels = g_ptr_array_new_with_free_func (g_free);
  self->tallies = g_new0 (GArray *, shapes->len);
  gst_dicenet_counter_reset (self);
  return self;
}

void
gst_dicenet_counter_reset (GstDicenetCounter *self)
{
  new_tracks (self);
  new_tallies (self);
  self->now = G_MININT64;
}

void
gst_dicenet_counter_free (GstDicenetCounter *self)
{
  for (guint i = 0; i < self->shapes->len; i++)
    g_array_unref (self->tallies[i]);
  g_free (self->tallies);
  g_tree_unref (self->tracks);
  g_ptr_array_unref (self->labels);
  g_ptr_array_unref (self->shapes);
  g_free (self);
}

GPtrArray *
gst_dicenet_counter_get_shapes (const GstDicenetCounter *self)
{
  return self->shapes;
}

guint
gst_dicenet_counter_get_n_tracks (const GstDicenetCounter *self)
{
  return (guint) g_tree_nnodes (self->tracks);
}

const GstDicenetTally *
gst_dicenet_counter_get_tallies (const GstDicenetCounter *self, guint shape, guint *n)
{
  *n = self->tallies[shape]->len;
  return (const GstDicenetTally *) self->tallies[shape]->data;
}

static const GstDicenetShape *
shape_at (const GstDicenetCounter *self, guint i)
{
  return g_ptr_array_index (self->shapes, i);
}

/* --- classes --- */

/* Index of a label; that of the last one for all that there is no room for. */
static guint
find_label (GstDicenetCounter *self, const gchar *label)
{
  const gsize n = strnlen (label, MAX_LABEL_BYTES);
  g_autofree gchar *valid = label[n] || !g_utf8_validate (label, -1, NULL) ? g_utf8_make_valid (label, n) : NULL;

  if (valid)
    label = valid;
  for (guint i = 0; i < self->labels->len; i++) {
    if (g_str_equal (g_ptr_array_index (self->labels, i), label))
      return i;
  }
  if (self->labels->len < MAX_LABELS)
    g_ptr_array_add (self->labels, g_strdup (self->labels->len < MAX_LABELS - 1 ? label : OTHER_CLASSES));
  return self->labels->len - 1;
}

static gboolean
counts_class (const GstDicenetShape *shape, const gchar *label)
{
  if (!shape->classes)
    return TRUE;
  for (guint i = 0; shape->classes[i]; i++) {
    if (g_ascii_strcasecmp (shape->classes[i], label) == 0)
      return TRUE;
  }
  return FALSE;
}

/* Labels are compared by address: the table has each of them once. */
static GstDicenetTally *
tally_of (GstDicenetCounter *self, guint shape, const gchar *label)
{
  GArray *tallies = self->tallies[shape];
  const GstDicenetTally none = { .label = label };

  for (guint i = 1; i < tallies->len; i++) {
    GstDicenetTally *tally = &g_array_index (tallies, GstDicenetTally, i);
    if (tally->label == label)
      return tally;
  }
  g_array_append_val (tallies, none);
  return &g_array_index (tallies, GstDicenetTally, tallies->len - 1);
}

static void
count (GstDicenetCounter *self, GArray *events, GstDicenetCrossing event)
{
  const gboolean second = event.kind == GST_DICENET_CROSSED_BACKWARD || event.kind == GST_DICENET_ZONE_LEFT;
  GstDicenetTally *by_class = tally_of (self, event.shape, event.label);
  GstDicenetTally *all = &g_array_index (self->tallies[event.shape], GstDicenetTally, 0);

  by_class->n[second]++;
  by_class->dwell += (guint64) event.dwell;
  all->n[second]++;
  all->dwell += (guint64) event.dwell;
  g_array_append_val (events, event);
}

/* --- geometry, in pixels --- */

static GstDicenetPosition
scale (const Frame *frame, GstDicenetPosition at)
{
  return (GstDicenetPosition){ at.x * frame->width, at.y * frame->height };
}

/* The box's extent in the direction of a unit vector. */
static gdouble
extent (const Frame *frame, gdouble x, gdouble y)
{
  return fabs (x) * frame->seen->w + fabs (y) * frame->seen->h;
}

typedef struct {
  GstDicenetPosition start;
  gdouble length;
  gdouble x, y; /* unit vector */
} Line;

static Line
line_between (GstDicenetPosition a, GstDicenetPosition b)
{
  const gdouble length = hypot (b.x - a.x, b.y - a.y);

  return (Line){ a, length, (b.x - a.x) / length, (b.y - a.y) / length };
}

/* Distance from the infinite line; positive to its right, as y points down. */
static gdouble
distance_right (const Line *line, GstDicenetPosition at)
{
  return line->x * (at.y - line->start.y) - line->y * (at.x - line->start.x);
}

/* How far along the line a position is; 0 is its start, 1 its end. */
static gdouble
share_along (const Line *line, GstDicenetPosition at)
{
  return (line->x * (at.x - line->start.x) + line->y * (at.y - line->start.y)) / line->length;
}

static gboolean
is_inside (const Frame *frame, const GstDicenetShape *zone, GstDicenetPosition at)
{
  gboolean inside = FALSE;

  for (guint i = 0, j = zone->n_points - 1; i < zone->n_points; j = i++) {
    const GstDicenetPosition a = scale (frame, zone->points[i]), b = scale (frame, zone->points[j]);
    if ((a.y > at.y) != (b.y > at.y) && at.x < (b.x - a.x) * (at.y - a.y) / (b.y - a.y) + a.x)
      inside = !inside;
  }
  return inside;
}

/* From the nearest point of the zone's edge to @at. */
static GstDicenetPosition
way_from_edge (const Frame *frame, const GstDicenetShape *zone, GstDicenetPosition at)
{
  GstDicenetPosition nearest = { G_MAXDOUBLE, 0 };

  for (guint i = 0, j = zone->n_points - 1; i < zone->n_points; j = i++) {
    const Line edge = line_between (scale (frame, zone->points[j]), scale (frame, zone->points[i]));
    const gdouble along = CLAMP (share_along (&edge, at), 0, 1) * edge.length;
    const GstDicenetPosition way = { at.x - edge.start.x - along * edge.x, at.y - edge.start.y - along * edge.y };
    if (hypot (way.x, way.y) < hypot (nearest.x, nearest.y))
      nearest = way;
  }
  return nearest;
}

/* --- lines and zones --- */

/* Whether @side, of a new observation, is now confirmed as another one than before. It is 0 if the observation decides
 * nothing. */
static gboolean
confirm (const Frame *frame, State *state, gint8 side)
{
  if (side == 0 || side == state->side) {
    state->n_next = 0;
    return FALSE;
  }
  if (state->n_next == 0 || side != state->next) {
    state->next = side;
    state->n_next = 0;
    state->since = frame->track->observed;
  }
  if (++state->n_next < frame->settings->confirmations)
    return FALSE;
  state->n_next = 0;
  state->side = side;
  return TRUE;
}

static void
note_crossing (const Frame *frame, const Line *line, State *state)
{
  const GstDicenetPosition from = scale (frame, state->at), to = scale (frame, frame->at);
  const gdouble before = distance_right (line, from), after = distance_right (line, to);

  if (!state->known || (before < 0) == (after < 0))
    return;
  const gdouble share = before / (before - after);
  state->crossed_at =
      share_along (line, (GstDicenetPosition){ from.x + share * (to.x - from.x), from.y + share * (to.y - from.y) });
}

static const gchar *
label_of (const Frame *frame)
{
  const guint i = find_label (frame->counter, frame->seen->label); /* may add it */

  return g_ptr_array_index (frame->counter->labels, i);
}

static void
observe_line (Frame *frame, guint shape, State *state)
{
  const GstDicenetPosition *points = shape_at (frame->counter, shape)->points;
  const Line line = line_between (scale (frame, points[0]), scale (frame, points[1]));
  const gdouble right = distance_right (&line, scale (frame, frame->at));
  const gdouble margin = frame->settings->margin * extent (frame, line.y, line.x);
  const gint8 before = state->side;

  note_crossing (frame, &line, state);
  if (!confirm (frame, state, right > margin ? 1 : right < -margin ? -1 : 0))
    return;
  /* Past an end of the line, sides change without a crossing. */
  if (before != 0 && state->crossed_at >= 0 && state->crossed_at <= 1)
    count (frame->counter, frame->events,
           (GstDicenetCrossing){ state->side > 0 ? GST_DICENET_CROSSED_FORWARD : GST_DICENET_CROSSED_BACKWARD, shape,
                                 frame->track->id, label_of (frame), frame->at, 0 });
}

static void
leave (GstDicenetCounter *self, const Track *track, guint shape, State *state, gint64 when, GArray *events)
{
  state->side = -1;
  count (self, events,
         (GstDicenetCrossing){ GST_DICENET_ZONE_LEFT, shape, track->id, g_ptr_array_index (self->labels, state->label),
                               state->at, MAX (when - state->entered, 0) });
}

static void
observe_zone (Frame *frame, guint shape, State *state)
{
  const GstDicenetShape *zone = shape_at (frame->counter, shape);
  const GstDicenetPosition at = scale (frame, frame->at);
  gint8 side = 1;

  if (!is_inside (frame, zone, at)) {
    const GstDicenetPosition way = way_from_edge (frame, zone, at);
    const gdouble far = hypot (way.x, way.y);
    if (far > ON_EDGE)
      side = far > frame->settings->margin * extent (frame, way.x / far, way.y / far) ? -1 : 0;
  }
  state->side = state->side ? state->side : -1;
  if (!confirm (frame, state, side))
    return;
  if (side < 0) {
    leave (frame->counter, frame->track, shape, state, state->since, frame->events);
    return;
  }
  state->entered = state->since;
  state->label = find_label (frame->counter, frame->seen->label);
  count (frame->counter, frame->events,
         (GstDicenetCrossing){ GST_DICENET_ZONE_ENTERED, shape, frame->track->id, label_of (frame), frame->at, 0 });
}

/* --- objects --- */

static gboolean
is_in_zone (const GstDicenetCounter *self, guint shape, const State *state)
{
  return shape_at (self, shape)->is_zone && state->side > 0;
}

/* An object that is gone was in its zones until it was last observed. */
static void
leave_zones (GstDicenetCounter *self, Track *track, GArray *events)
{
  for (guint i = 0; i < self->shapes->len; i++) {
    State *state = &track->states[i];
    if (is_in_zone (self, i, state))
      leave (self, track, i, state, state->last, events);
  }
}

/* Whether an object can't have moved that far: its number was given to another object. */
static gboolean
jumped (const Frame *frame, gdouble size)
{
  const Track *track = frame->track;
  const GstDicenetPosition from = scale (frame, track->at), to = scale (frame, frame->at);
  const gdouble seconds = (gdouble) (frame->seen->time - track->observed) / SECOND;
  const gdouble most = MAX (size, track->size) * (MAX_JUMP + frame->settings->max_speed * seconds);

  return frame->settings->max_speed > 0 && hypot (to.x - from.x, to.y - from.y) > most;
}

static void
observe (Frame *frame, gboolean is_new)
{
  GstDicenetCounter *self = frame->counter;
  Track *track = frame->track;
  const gdouble size = MAX (frame->seen->w, frame->seen->h);

  if (!is_new && jumped (frame, size)) {
    leave_zones (self, track, frame->events);
    memset (track->states, 0, self->shapes->len * sizeof *track->states);
  }
  track->observed = frame->seen->time;
  track->at = frame->at;
  track->size = size;
  for (guint i = 0; i < self->shapes->len; i++) {
    State *state = &track->states[i];
    if (!counts_class (shape_at (self, i), frame->seen->label))
      continue;
    if (shape_at (self, i)->is_zone)
      observe_zone (frame, i, state);
    else
      observe_line (frame, i, state);
    state->known = TRUE;
    state->at = frame->at;
    state->last = track->observed;
  }
}

static Track *
add_track (GstDicenetCounter *self, guint64 id)
{
  Track *track = g_malloc0 (sizeof *track + self->shapes->len * sizeof *track->states);

  track->id = id;
  g_tree_insert (self->tracks, &track->id, track);
  return track;
}

/* Returns FALSE if there is no room for a new object. */
static gboolean
see (Frame *frame)
{
  GstDicenetCounter *self = frame->counter;
  const GstDicenetSighting *seen = frame->seen;
  const gdouble y = frame->settings->center ? seen->y + seen->h / 2 : seen->y + seen->h;

  frame->at = (GstDicenetPosition){ (seen->x + seen->w / 2) / frame->width, y / frame->height };
  if (seen->track_id == 0 || !isfinite (frame->at.x) || !isfinite (frame->at.y) || !(seen->w >= 0 && seen->h >= 0))
    return TRUE;
  frame->track = g_tree_lookup (self->tracks, &seen->track_id);
  const gboolean is_new = !frame->track;
  if (is_new && g_tree_nnodes (self->tracks) >= MAX_TRACKS)
    return FALSE;
  if (is_new)
    frame->track = add_track (self, seen->track_id);
  frame->track->seen = self->now;
  if (is_new || seen->time > frame->track->observed)
    observe (frame, is_new);
  return TRUE;
}

/* An object may have changed to a class that a zone does not count. */
static void
leave_by_class (GstDicenetCounter *self, Track *track, gint64 lost_time, GArray *events)
{
  for (guint i = 0; i < self->shapes->len; i++) {
    State *state = &track->states[i];
    if (is_in_zone (self, i, state) && track->observed - state->last > lost_time)
      leave (self, track, i, state, state->last, events);
  }
}

static void
forget_lost (GstDicenetCounter *self, gint64 lost_time, GArray *events)
{
  g_autoptr (GPtrArray) lost = g_ptr_array_new ();

  for (GTreeNode *node = g_tree_node_first (self->tracks); node; node = g_tree_node_next (node)) {
    Track *track = g_tree_node_value (node);
    if (self->now - track->seen > lost_time)
      g_ptr_array_add (lost, track);
    else
      leave_by_class (self, track, lost_time, events);
  }
  for (guint i = 0; i < lost->len; i++) {
    Track *track = g_ptr_array_index (lost, i);
    leave_zones (self, track, events);
    g_tree_remove (self->tracks, &track->id);
  }
}

gboolean
gst_dicenet_counter_update (GstDicenetCounter *self, const GstDicenetCountSettings *settings, guint width, guint height,
                            gint64 now, const GstDicenetSighting *seen, guint n_seen, GArray *events)
{
  Frame frame = { .counter = self, .settings = settings, .width = width, .height = height, .events = events };
  gboolean all = TRUE;

  g_return_val_if_fail (width > 0 && height > 0, TRUE);
  /* A clock was set back: objects would be lost only when it is that late again. */
  if (now < self->now && self->now - now > settings->lost_time)
    gst_dicenet_counter_forget (self, events);
  self->now = MAX (self->now, now);
  forget_lost (self, settings->lost_time, events);
  for (guint i = 0; i < n_seen; i++) {
    frame.seen = &seen[i];
    all &= see (&frame);
  }
  return all;
}

void
gst_dicenet_counter_forget (GstDicenetCounter *self, GArray *events)
{
  for (GTreeNode *node = g_tree_node_first (self->tracks); node; node = g_tree_node_next (node))
    leave_zones (self, g_tree_node_value (node), events);
  new_tracks (self);
  self->now = G_MININT64;
}

void
gst_dicenet_counter_get_visits (const GstDicenetCounter *self, GArray *visits, guint most)
{
  for (GTreeNode *node = g_tree_node_first (self->tracks); node; node = g_tree_node_next (node)) {
    const Track *track = g_tree_node_value (node);
    for (guint i = 0; i < self->shapes->len; i++) {
      const State *state = &track->states[i];
      if (visits->len >= most || !is_in_zone (self, i, state))
        continue;
      const GstDicenetVisit visit = { i, track->id, g_ptr_array_index (self->labels, state->label),
                                      MAX (self->now - state->entered, 0) };
      g_array_append_val (visits, visit);
    }
  }
}
