/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenettracker.h"
#include "gstdicenetassign.h"

#include <math.h>
#include <string.h>

/* Bounds the time of a crowd: objects that are looked at for a track, those with the nearest centre first, and how many
 * of them, the best, may be assigned to it. */
#define MAX_LOOKS      1024
#define MAX_CANDIDATES 16

/* Coordinates beyond are no pixels of any frame. */
#define MAX_COORDINATE 1e6

/* The least overlap of a doubtful object with a track that nothing else matched. */
#define MIN_IOU_LOW 0.4

/* In the last round, boxes grow to each side by as many standard deviations of where the track is expected, but not by
 * more than a fraction of their size: a new track's velocity isn't known, so its boxes may not overlap. */
#define GROWTH     1.0
#define MAX_GROWTH 0.5

/* A track that was found at the last update may be matched after a gap of this many seconds, even if that is more than
 * max_lost: the detector was slow. */
#define MAX_GAP 10.0

/* How many seconds ahead boxes are moved. */
#define MAX_AHEAD 2.0

typedef struct {
  guint64 id; /* 0 until it was found often enough */
  guint hits;
  guint64 update;    /* that found it last */
  gdouble time;      /* of that */
  GRefString *label; /* interned, or NULL */
  GstDicenetMotion motion;
} Track;

struct _GstDicenetTracker {
  guint64 *last_id;
  GPtrArray *tracks;
  GHashTable *numbered; /* tracks by their id */
  guint64 update;       /* number of the last one */
  gdouble time;         /* and its time */
};

/* A measurement that is being matched. */
typedef struct {
  GstDicenetTracker *tracker;
  const GstDicenetTrackerSettings *settings;
  gdouble time;
  const GstDicenetObserved *objects;
  GRefString **labels; /* of each object, interned, or NULL */
  guint64 *ids;
} Update;

typedef struct {
  gdouble center;
  guint column; /* position in the list of objects that are to be matched */
} Place;

typedef struct {
  gdouble iou;
  guint column;
} Candidate;

static void
track_free (gpointer data)
{
  Track *track = data;

  g_clear_pointer (&track->label, g_ref_string_release);
  g_free (track);
}

GstDicenetTracker *
gst_dicenet_tracker_new (guint64 *last_id)
{
  GstDicenetTracker *self = g_new0 (GstDicenetTracker, 1);

  self->last_id = last_id;
  self->tracks = g_ptr_array_new_with_free_func (track_free);
  self->numbered = g_hash_table_new (g_int64_hash, g_int64_equal);
  return self;
}

void
gst_dicenet_tracker_forget (GstDicenetTracker *self)
{
  g_hash_table_remove_all (self->numbered);
  g_ptr_array_set_size (self->tracks, 0);
  self->time = 0;
}

void
gst_dicenet_tracker_free (GstDicenetTracker *self)
{
  if (!self)
    return;
  g_hash_table_unref (self->numbered);
  g_ptr_array_unref (self->tracks);
  g_free (self);
}

/* --- overlap --- */

static gdouble
center_of (const GstDicenetBox *box)
{
  return box->x + box->w / 2;
}

static gint
compare_places (gconstpointer a, gconstpointer b)
{
  const gdouble first = ((const Place *) a)->center, second = ((const Place *) b)->center;

  return (first > second) - (first < second);
}

/* The first place whose centre isn't left of @center. */
static guint
find_place (const GArray *places, gdouble center)
{
  guint from = 0, to = places->len;

  while (from < to) {
    const guint middle = from + (to - from) / 2;
    if (g_array_index (places, Place, middle).center < center)
      from = middle + 1;
    else
      to = middle;
  }
  return from;
}

/* Keeps the best, in order. */
static guint
keep_candidate (Candidate *best, guint n, Candidate candidate)
{
  guint i = n < MAX_CANDIDATES ? n : MAX_CANDIDATES - 1;

  if (n == MAX_CANDIDATES && best[i].iou >= candidate.iou)
    return n;
  for (; i > 0 && best[i - 1].iou < candidate.iou; i--)
    best[i] = best[i - 1];
  best[i] = candidate;
  return MIN (n + 1, MAX_CANDIDATES);
}

/* --- a round of matching --- */

typedef struct {
  gdouble min_iou;
  gboolean grown;
} Round;

static gboolean
may_match (const Update *update, const Track *track, guint object)
{
  return !update->settings->class_aware || track->label == update->labels[object];
}

/* The objects of @columns that overlap with a track, the best first. */
static guint
find_candidates (const Update *update, const Track *track, const GArray *columns, const GArray *places, gdouble widest,
                 const Round *round, Candidate *best)
{
  const GstDicenetBox expected = gst_dicenet_motion_get_box (&track->motion);
  const gdouble growth = round->grown ? MIN (GROWTH * gst_dicenet_motion_get_doubt (&track->motion), MAX_GROWTH) : 0;
  const gdouble center = center_of (&expected), reach = (1 + 2 * growth) * (expected.w + widest) / 2;
  guint right = find_place (places, center), left = right, n = 0;

  for (guint looks = 0; looks < MAX_LOOKS && (left > 0 || right < places->len); looks++) {
    const gdouble to_left = left > 0 ? center - g_array_index (places, Place, left - 1).center : INFINITY;
    const gdouble to_right = right < places->len ? g_array_index (places, Place, right).center - center : INFINITY;
    if (MIN (to_left, to_right) > reach)
      break;
    const guint column = g_array_index (places, Place, to_left < to_right ? --left : right++).column;
    const guint object = g_array_index (columns, guint, column);
    if (!may_match (update, track, object))
      continue;
    const gdouble iou = gst_dicenet_box_overlap (&expected, &update->objects[object].box, growth);
    if (iou > round->min_iou)
      n = keep_candidate (best, n, (Candidate){ iou, column });
  }
  return n;
}

static GArray *
find_pairs (const Update *update, const GPtrArray *rows, const GArray *columns, const Round *round)
{
  GArray *pairs = g_array_new (FALSE, FALSE, sizeof (GstDicenetPair));
  g_autoptr (GArray) places = g_array_sized_new (FALSE, FALSE, sizeof (Place), columns->len);
  gdouble widest = 0;

  for (guint i = 0; i < columns->len; i++) {
    const GstDicenetBox *box = &update->objects[g_array_index (columns, guint, i)].box;
    const Place place = { center_of (box), i };
    g_array_append_val (places, place);
    widest = MAX (widest, box->w);
  }
  g_array_sort (places, compare_places);
  for (guint row = 0; row < rows->len; row++) {
    Candidate best[MAX_CANDIDATES];
    const guint n = find_candidates (update, g_ptr_array_index (rows, row), columns, places, widest, round, best);
    for (guint i = 0; i < n; i++) {
      const GstDicenetPair pair = { row, best[i].column, best[i].iou - round->min_iou };
      g_array_append_val (pairs, pair);
    }
  }
  return pairs;
}

static void
give_number (GstDicenetTracker *self, Track *track)
{
  track->id = ++*self->last_id;
  g_hash_table_insert (self->numbered, &track->id, track);
}

static void
match (const Update *update, Track *track, guint object)
{
  gst_dicenet_motion_correct (&track->motion, &update->objects[object].box);
  track->update = update->tracker->update;
  track->time = update->time;
  track->hits++;
  if (track->id == 0 && track->hits >= update->settings->min_hits)
    give_number (update->tracker, track);
  update->ids[object] = track->id;
}

/* Matches tracks and objects, and takes them off the lists. */
static void
match_round (const Update *update, GPtrArray *rows, GArray *columns, const Round *round)
{
  guint n_rows = 0, n_columns = 0;

  if (rows->len == 0 || columns->len == 0)
    return;
  g_autoptr (GArray) pairs = find_pairs (update, rows, columns, round);
  g_autofree gint *column_of = g_new (gint, rows->len);
  g_autofree gboolean *matched = g_new0 (gboolean, columns->len);
  gst_dicenet_assign ((const GstDicenetPair *) pairs->data, pairs->len, rows->len, columns->len, column_of);
  for (guint i = 0; i < rows->len; i++) {
    Track *track = g_ptr_array_index (rows, i);
    if (column_of[i] < 0) {
      rows->pdata[n_rows++] = track;
      continue;
    }
    match (update, track, g_array_index (columns, guint, column_of[i]));
    matched[column_of[i]] = TRUE;
  }
  for (guint i = 0; i < columns->len; i++) {
    if (!matched[i])
      g_array_index (columns, guint, n_columns++) = g_array_index (columns, guint, i);
  }
  g_ptr_array_set_size (rows, n_rows);
  g_array_set_size (columns, n_columns);
}

/* --- tracks --- */

static void
start_track (const Update *update, guint object)
{
  GstDicenetTracker *self = update->tracker;

  if (self->tracks->len >= GST_DICENET_MAX_TRACKS)
    return;
  Track *track = g_new0 (Track, 1);
  gst_dicenet_motion_init (&track->motion, &update->objects[object].box);
  track->label = update->labels[object] ? g_ref_string_acquire (update->labels[object]) : NULL;
  track->update = self->update;
  track->time = update->time;
  track->hits = 1;
  g_ptr_array_add (self->tracks, track);
  if (track->hits >= update->settings->min_hits)
    give_number (self, track);
  update->ids[object] = track->id;
}

static gboolean
was_found (const Update *update, const Track *track)
{
  return track->update + 1 == update->tracker->update;
}

static gboolean
is_forgotten (const Update *update, const Track *track)
{
  const gdouble since = update->time - track->time;

  return since > (was_found (update, track) ? MAX (update->settings->max_lost, MAX_GAP) : update->settings->max_lost);
}

static void
remove_track (GstDicenetTracker *self, guint index)
{
  Track *track = g_ptr_array_index (self->tracks, index);

  if (track->id)
    g_hash_table_remove (self->numbered, &track->id);
  g_ptr_array_remove_index_fast (self->tracks, index);
}

/* Where the tracks are at the time of the update; those that were lost for too long are forgotten. */
static void
expect_tracks (const Update *update)
{
  GstDicenetTracker *self = update->tracker;

  for (guint i = self->tracks->len; i-- > 0;) {
    Track *track = g_ptr_array_index (self->tracks, i);
    if (is_forgotten (update, track))
      remove_track (self, i);
    else
      gst_dicenet_motion_predict (&track->motion, update->time - self->time);
  }
}

/* A track without a number that isn't found again was a false alarm. */
static void
lose_tracks (GstDicenetTracker *self)
{
  for (guint i = self->tracks->len; i-- > 0;) {
    Track *track = g_ptr_array_index (self->tracks, i);
    if (track->update == self->update)
      continue;
    if (track->id == 0)
      remove_track (self, i);
    else
      gst_dicenet_motion_keep_size (&track->motion);
  }
}

/* --- an update --- */

static gboolean
is_box (const GstDicenetBox *box)
{
  /* False for NaN, too. */
  return fabs (box->x) <= MAX_COORDINATE && fabs (box->y) <= MAX_COORDINATE && box->w > 0 && box->w <= MAX_COORDINATE &&
         box->h > 0 && box->h <= MAX_COORDINATE;
}

static void
list_objects (const Update *update, guint n_objects, GArray *high, GArray *low)
{
  for (guint i = 0; i < n_objects && high->len + low->len < GST_DICENET_MAX_TRACKS; i++) {
    const GstDicenetObserved *object = &update->objects[i];
    if (!is_box (&object->box))
      continue;
    if (object->confidence >= update->settings->high)
      g_array_append_val (high, i);
    else if (object->confidence >= update->settings->low)
      g_array_append_val (low, i);
  }
}

static void
list_tracks (GstDicenetTracker *self, GPtrArray *numbered, GPtrArray *others)
{
  for (guint i = 0; i < self->tracks->len; i++) {
    Track *track = g_ptr_array_index (self->tracks, i);
    g_ptr_array_add (track->id ? numbered : others, track);
  }
}

/* Tracks of @rows that were found at the last update. */
static GPtrArray *
found_before (const Update *update, const GPtrArray *rows)
{
  GPtrArray *found = g_ptr_array_new ();

  for (guint i = 0; i < rows->len; i++) {
    Track *track = g_ptr_array_index (rows, i);
    if (was_found (update, track))
      g_ptr_array_add (found, track);
  }
  return found;
}

static void
match_all (const Update *update, guint n_objects)
{
  const Round by_iou = { update->settings->min_iou, FALSE },
              doubtful = { MAX (update->settings->min_iou, MIN_IOU_LOW), FALSE },
              grown = { update->settings->min_iou, TRUE };
  g_autoptr (GArray) high = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GArray) low = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GPtrArray) numbered = g_ptr_array_new ();
  g_autoptr (GPtrArray) others = g_ptr_array_new ();

  list_objects (update, n_objects, high, low);
  list_tracks (update->tracker, numbered, others);
  match_round (update, numbered, high, &by_iou);
  g_autoptr (GPtrArray) found = found_before (update, numbered);
  match_round (update, found, low, &doubtful);
  match_round (update, others, high, &by_iou);
  match_round (update, found, high, &grown);
  match_round (update, others, high, &grown);
  lose_tracks (update->tracker);
  for (guint i = 0; i < high->len; i++) {
    const guint object = g_array_index (high, guint, i);
    if (update->objects[object].confidence >= update->settings->start)
      start_track (update, object);
  }
}

static GRefString *
intern (const gchar *label)
{
  return label ? g_ref_string_new_intern (label) : NULL;
}

void
gst_dicenet_tracker_update (GstDicenetTracker *self, const GstDicenetTrackerSettings *settings, gdouble time,
                            const GstDicenetObserved *objects, guint n_objects, guint64 *ids)
{
  g_autofree GRefString **labels = g_new0 (GRefString *, n_objects + 1);
  const Update update = { self, settings, MAX (time, self->time), objects, labels, ids };

  for (guint i = 0; i < n_objects; i++) {
    labels[i] = intern (objects[i].label);
    ids[i] = 0;
  }
  self->update++;
  expect_tracks (&update);
  match_all (&update, n_objects);
  self->time = update.time;
  for (guint i = 0; i < n_objects; i++)
    g_clear_pointer (&labels[i], g_ref_string_release);
}

gboolean
gst_dicenet_tracker_move (GstDicenetTracker *self, guint64 id, gdouble time, GstDicenetBox *box)
{
  const Track *track = g_hash_table_lookup (self->numbered, &id);

  if (!track)
    return FALSE;
  const GstDicenetBox change = gst_dicenet_motion_get_change (&track->motion, CLAMP (time - self->time, 0, MAX_AHEAD));
  /* At least a tenth of the size stays. */
  const gdouble w = MAX (box->w + change.w, box->w / 10), h = MAX (box->h + change.h, box->h / 10);
  box->x += change.x + (box->w + change.w - w) / 2;
  box->y += change.y + (box->h + change.h - h) / 2;
  box->w = w;
  box->h = h;
  return TRUE;
}

void
gst_dicenet_tracker_scale (GstDicenetTracker *self, gdouble x, gdouble y)
{
  for (guint i = 0; i < self->tracks->len; i++)
    gst_dicenet_motion_scale (&((Track *) g_ptr_array_index (self->tracks, i))->motion, x, y);
}

guint
gst_dicenet_tracker_get_n_tracks (const GstDicenetTracker *self)
{
  return g_hash_table_size (self->numbered);
}

gdouble
gst_dicenet_tracker_get_time (const GstDicenetTracker *self)
{
  return self->time;
}
