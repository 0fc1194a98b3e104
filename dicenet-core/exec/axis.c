/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "axis.h"

/* Where output i lies between the inputs when the corners are aligned. In double: at 4096 positions a float has only 11
 * bits left for the fraction. */
static void
fill_up (guint in, guint out, gint *start, gfloat *weight)
{
  for (guint i = 0; i < out; i++) {
    const gdouble at = out > 1 ? (gdouble) i * (in - 1) / (out - 1) : 0;
    start[i] = (gint) MIN ((guint) at, in - 2);
    weight[out + i] = (gfloat) (at - start[i]);
    weight[i] = (gfloat) (1 - (at - start[i]));
  }
}

/* Cell i covers inputs [floor (i * in / out), ceil ((i + 1) * in / out)). */
static guint
cell_begin (guint i, guint in, guint out)
{
  return (guint) ((guint64) i * in / out);
}

static guint
cell_end (guint i, guint in, guint out)
{
  return (guint) (((guint64) (i + 1) * in + out - 1) / out);
}

/* Cells with fewer inputs than taps begin earlier at the end of the line, so that no tap is outside. */
static void
fill_down (guint in, guint out, guint taps, gint *start, gfloat *weight)
{
  for (guint i = 0; i < out; i++) {
    const guint begin = cell_begin (i, in, out), end = cell_end (i, in, out), first = MIN (begin, in - taps);
    start[i] = (gint) first;
    for (guint t = 0; t < taps; t++)
      weight[t * out + i] = first + t >= begin && first + t < end ? 1 / (gfloat) (end - begin) : 0;
  }
}

guint
dicenet_axis_taps (guint in, guint out, DicenetResize mode)
{
  guint taps = 1;

  if (in == out || in == 1)
    return 1;
  if (mode == DICENET_RESIZE_UP)
    return 2;
  for (guint i = 0; i < out; i++)
    taps = MAX (taps, cell_end (i, in, out) - cell_begin (i, in, out));
  return taps;
}

typedef struct {
  DicenetAxis axis;
  DicenetResize mode;
} Entry;

static guint
entry_hash (gconstpointer key)
{
  const Entry *e = key;
  return e->axis.in * 31 + e->axis.out * 2 + e->mode;
}

static gboolean
entry_equal (gconstpointer a, gconstpointer b)
{
  const Entry *x = a, *y = b;
  return x->axis.in == y->axis.in && x->axis.out == y->axis.out && x->mode == y->mode;
}

static void
entry_free (gpointer data)
{
  Entry *e = data;
  g_free ((gpointer) e->axis.start);
  g_free ((gpointer) e->axis.weight);
  g_free (e);
}

GHashTable *
dicenet_axis_cache_new (void)
{
  return g_hash_table_new_full (entry_hash, entry_equal, entry_free, NULL);
}

static Entry *
entry_new (guint in, guint out, DicenetResize mode)
{
  const guint taps = dicenet_axis_taps (in, out, mode);
  gint *start = g_new0 (gint, out);
  gfloat *weight = g_new (gfloat, (gsize) taps * out);
  Entry *e = g_new (Entry, 1);

  *e = (Entry){ { in, out, taps, start, weight }, mode };
  if (taps == 1) { /* the same size, or one input for all */
    for (guint i = 0; i < out; i++) {
      start[i] = in == 1 ? 0 : (gint) (mode == DICENET_RESIZE_DOWN ? cell_begin (i, in, out) : i);
      weight[i] = 1;
    }
  } else if (mode == DICENET_RESIZE_UP)
    fill_up (in, out, start, weight);
  else
    fill_down (in, out, taps, start, weight);
  return e;
}

const DicenetAxis *
dicenet_axis_get (GHashTable *cache, guint in, guint out, DicenetResize mode)
{
  const Entry wanted = { .axis = { .in = in, .out = out }, .mode = mode };
  Entry *e = g_hash_table_lookup (cache, &wanted);

  if (e == NULL) {
    e = entry_new (in, out, mode);
    g_hash_table_add (cache, e);
  }
  return &e->axis;
}
