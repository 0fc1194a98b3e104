/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenettrail.h"

#include <math.h>
#include <string.h>

/* Shorter ways than this share of the frame's longer side are left out, and boxes that tremble draw nothing. */
#define STEP (1.0 / 400)

/* Times within these can be added and subtracted. */
#define FIRST_TIME (G_MININT64 / 4)
#define LAST_TIME  (G_MAXINT64 / 4)

typedef struct {
  GRefString *source; /* interned; NULL: none */
  guint64 id;
} Key;

typedef struct {
  Key key;
  guint32 color;
  guint64 frame;  /* the last one with the object */
  GArray *points; /* GstDicenetTrailPoint; the last is where it was then */
  GList link;     /* of the queue */
} Track;

struct _GstDicenetTrail {
  GHashTable *tracks; /* Key to Track */
  GQueue queue;       /* of the same, the one not seen for longest first */
  guint64 frame;
  gint64 now, interval; /* the least time between positions */
  gdouble step;         /* the least distance in pixels */
  GstVideoRectangle view;
};

static guint
key_hash (gconstpointer data)
{
  const Key *key = data;

  return g_int64_hash (&key->id) ^ g_direct_hash (key->source);
}

static gboolean
key_equal (gconstpointer a, gconstpointer b)
{
  const Key *first = a, *second = b;

  return first->id == second->id && first->source == second->source;
}

static void
track_free (gpointer data)
{
  Track *track = data;

  g_clear_pointer (&track->key.source, g_ref_string_release);
  g_array_unref (track->points);
  g_free (track);
}

void
gst_dicenet_trail_forget (GstDicenetTrail *self)
{
  g_queue_init (&self->queue);
  g_hash_table_remove_all (self->tracks);
  self->now = FIRST_TIME;
}

GstDicenetTrail *
gst_dicenet_trail_new (void)
{
  GstDicenetTrail *self = g_new0 (GstDicenetTrail, 1);

  self->tracks = g_hash_table_new_full (key_hash, key_equal, NULL, track_free);
  gst_dicenet_trail_forget (self);
  return self;
}

void
gst_dicenet_trail_free (GstDicenetTrail *self)
{
  g_hash_table_unref (self->tracks); /* links of the queue are part of the tracks */
  g_free (self);
}

guint
gst_dicenet_trail_get_n_objects (const GstDicenetTrail *self)
{
  return g_hash_table_size (self->tracks);
}

static void
remove_track (GstDicenetTrail *self, Track *track)
{
  g_queue_unlink (&self->queue, &track->link);
  g_hash_table_remove (self->tracks, &track->key);
}

/* --- time --- */

/* Removes positions from before @oldest; returns FALSE if none is left. */
static gboolean
expire (Track *track, gint64 oldest)
{
  guint n = 0;

  while (n < track->points->len && g_array_index (track->points, GstDicenetTrailPoint, n).time < oldest)
    n++;
  g_array_remove_range (track->points, 0, n);
  return track->points->len > 0;
}

/* Of each object. All add as many in the time, however the number of objects changes. */
static guint
max_points (const GstDicenetTrail *self)
{
  const guint n = MAX (gst_dicenet_trail_get_n_objects (self), 1);

  return MIN (GST_DICENET_MAX_TRAIL_POINTS, GST_DICENET_MAX_ALL_TRAIL_POINTS / n);
}

void
gst_dicenet_trail_begin (GstDicenetTrail *self, gint64 now, guint64 stay, const GstVideoRectangle *view)
{
  const gint64 kept = (gint64) MIN (stay, (guint64) LAST_TIME);

  now = CLAMP (now, FIRST_TIME, LAST_TIME);
  if (memcmp (view, &self->view, sizeof *view) != 0 || now < self->now - kept)
    gst_dicenet_trail_forget (self);
  self->view = *view;
  self->now = MAX (now, self->now); /* timestamps of cameras may go back a little */
  self->frame++;
  self->step = MAX (view->w, view->h) * STEP;
  for (GList *l = self->queue.head, *next; l; l = next) {
    next = l->next;
    if (!expire (l->data, self->now - kept))
      remove_track (self, l->data);
  }
  self->interval = kept / max_points (self);
}

/* --- positions --- */

static Track *
track_new (GstDicenetTrail *self, const Key *key)
{
  Track *track = g_new0 (Track, 1);

  track->key = (Key){ key->source ? g_ref_string_acquire (key->source) : NULL, key->id };
  track->points = g_array_new (FALSE, FALSE, sizeof (GstDicenetTrailPoint));
  track->link.data = track;
  g_hash_table_insert (self->tracks, &track->key, track);
  g_queue_push_tail_link (&self->queue, &track->link);
  return track;
}

/* Returns NULL if it is on this frame already, or if so many others are. */
static Track *
ensure_track (GstDicenetTrail *self, const Key *key)
{
  Track *track = g_hash_table_lookup (self->tracks, key);

  if (track && track->frame == self->frame)
    return NULL;
  if (track) {
    g_queue_unlink (&self->queue, &track->link);
    g_queue_push_tail_link (&self->queue, &track->link);
    return track;
  }
  if (g_hash_table_size (self->tracks) >= GST_DICENET_MAX_TRAILS) {
    Track *oldest = g_queue_peek_head (&self->queue);
    if (oldest->frame == self->frame)
      return NULL;
    remove_track (self, oldest);
  }
  return track_new (self, key);
}

static gboolean
is_away (const GstDicenetTrail *self, const GstDicenetTrailPoint *a, const GstDicenetTrailPoint *b)
{
  return hypot (b->x - a->x, b->y - a->y) >= self->step;
}

/* The last position follows the object until it is far enough from the one before, which lasts while the object stays
 * there. */
static void
move_to (const GstDicenetTrail *self, GArray *points, GstDicenetTrailPoint at)
{
  if (points->len >= 2) {
    GstDicenetTrailPoint *last = &g_array_index (points, GstDicenetTrailPoint, points->len - 1), *before = last - 1;
    const gboolean away = is_away (self, before, last);
    if (!away)
      before->time = last->time;
    if (!away || last->time - before->time < self->interval) {
      *last = at;
      return;
    }
  }
  g_array_append_val (points, at);
  if (points->len > GST_DICENET_MAX_TRAIL_POINTS)
    g_array_remove_index (points, 0);
}

void
gst_dicenet_trail_add (GstDicenetTrail *self, const gchar *source, guint64 id, gdouble x, gdouble y, guint32 color)
{
  if (!isfinite (x) || !isfinite (y))
    return;
  const Key key = { source ? g_ref_string_new_intern (source) : NULL, id };
  Track *track = ensure_track (self, &key);
  if (track) {
    track->frame = self->frame;
    track->color = color;
    move_to (self, track->points, (GstDicenetTrailPoint){ (gfloat) x, (gfloat) y, self->now });
  }
  if (key.source)
    g_ref_string_release (key.source);
}

void
gst_dicenet_trail_foreach (const GstDicenetTrail *self, GstDicenetTrailFunc func, gpointer data)
{
  for (const GList *l = self->queue.head; l; l = l->next) {
    const Track *track = l->data;
    const GstDicenetTrailPoint *points = (const GstDicenetTrailPoint *) track->points->data;
    const guint n = track->points->len;
    if (n > 2 || (n == 2 && is_away (self, &points[0], &points[1])))
      func (points, n, track->color, data);
  }
}
