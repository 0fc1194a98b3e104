/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "axis.h"

/* Position of output i between the inputs, with aligned corners. Double precision, because at position 4096 a float has
 * only 11 bits left for the fraction. */
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

/* Cells with fewer inputs than taps begin earlier at the end of the axis, so that all taps are inside. */
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

static guint
count_taps (guint in, guint out, DicenetResize mode)
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

#define REGISTER 16 /* floats in the widest vector register */

typedef struct {
  DicenetAxis axis;
  DicenetResize mode;
  DicenetComposedAxis *composed; /* scaling up by this axis and back; NULL until requested */
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
  if (e->composed)
    g_free ((gpointer) e->composed->weight);
  g_free (e->composed);
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
  const guint taps = count_taps (in, out, mode);
  /* Kernels load whole registers. */
  gint *start = g_new0 (gint, out + REGISTER);
  gfloat *weight = g_new0 (gfloat, (gsize) taps * out + REGISTER);
  Entry *e = g_new (Entry, 1);

  *e = (Entry){ { in, out, taps, start, weight }, mode, NULL };
  if (taps == 1) { /* unscaled, or a single input */
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

static Entry *
find_entry (GHashTable *cache, guint in, guint out, DicenetResize mode)
{
  const Entry wanted = { .axis = { .in = in, .out = out }, .mode = mode };
  Entry *e = g_hash_table_lookup (cache, &wanted);

  if (e == NULL) {
    e = entry_new (in, out, mode);
    g_hash_table_add (cache, e);
  }
  return e;
}

const DicenetAxis *
dicenet_axis_get (GHashTable *cache, guint in, guint out, DicenetResize mode)
{
  return &find_entry (cache, in, out, mode)->axis;
}

/* Maximum distance of an output's inputs from its position. Larger than needed; find_reach() finds the actual
 * distance. */
#define REACH 8

/* Adds the contribution of in[i + k - REACH] to output i through tap a of the kernel to sums[i][k]. */
static void
add_composed (const DicenetAxis *up, const DicenetAxis *down, gint a, gdouble (*sums)[2 * REACH + 1])
{
  for (guint i = 0; i < down->out; i++) {
    for (guint d = 0; d < down->taps; d++) {
      const gint at = down->start[i] + (gint) d + a - 1; /* on the larger scale, which is padded with zeros */
      for (guint u = 0; at >= 0 && at < (gint) up->out && u < up->taps; u++) {
        const gdouble weight =
            (gdouble) down->weight[d * down->out + i] * (gdouble) up->weight[u * up->out + (guint) at];
        if (weight != 0)
          sums[i][up->start[at] + (gint) u - (gint) i + REACH] += weight;
      }
    }
  }
}

/* Finds the range of the 2 * REACH + 1 taps that are not 0 for all outputs. */
static void
find_reach (guint n, gdouble (*sums)[2 * REACH + 1], guint *begin, guint *end)
{
  *begin = 2 * REACH + 1;
  *end = 0;
  for (guint i = 0; i < n; i++) {
    for (guint k = 0; k < 2 * REACH + 1; k++) {
      if (sums[i][k] != 0) {
        *begin = MIN (*begin, k);
        *end = MAX (*end, k + 1);
      }
    }
  }
  if (*end == 0) /* with a single position, a kernel's outer taps only see padding */
    *begin = *end = REACH;
}

static DicenetComposedAxis *
composed_new (const DicenetAxis *up, const DicenetAxis *down)
{
  typedef gdouble Sums[2 * REACH + 1];
  const guint n = up->in;
  const gsize stride = dicenet_composed_stride (n);
  g_autofree Sums *sums = g_new0 (Sums, 3 * (gsize) n);
  DicenetComposedAxis *composed = g_new0 (DicenetComposedAxis, 1);
  guint first = REACH - 1;

  for (guint a = 0; a < 3; a++) {
    add_composed (up, down, (gint) a, sums + a * n);
    find_reach (n, sums + a * n, &composed->part[a].begin, &composed->part[a].end);
    first = MIN (first, MIN (composed->part[a].begin, 2 * REACH + 1 - composed->part[a].end));
  }
  *composed = (DicenetComposedAxis){
    n, 2 * (REACH - first) + 1, (gint) first - REACH, { composed->part[0], composed->part[1], composed->part[2] }, NULL
  };
  g_assert (composed->taps <= DICENET_COMPOSED_TAPS);
  gfloat *weight = g_new0 (gfloat, 3 * composed->taps * stride);
  for (guint a = 0; a < 3; a++) {
    for (guint t = 0; t < composed->taps; t++)
      for (guint i = 0; i < n; i++)
        weight[(a * composed->taps + t) * stride + i] = (gfloat) sums[a * n + i][first + t];
    composed->part[a].begin -= first;
    composed->part[a].end -= first;
  }
  composed->weight = weight;
  return composed;
}

const DicenetComposedAxis *
dicenet_composed_axis_get (GHashTable *cache, guint n, guint larger)
{
  Entry *up = find_entry (cache, n, larger, DICENET_RESIZE_UP);

  if (up->composed == NULL)
    up->composed = composed_new (&up->axis, dicenet_axis_get (cache, larger, n, DICENET_RESIZE_DOWN));
  return up->composed;
}
