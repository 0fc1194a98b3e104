/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Assignment, motion and matching, without GStreamer's frames. */

#include "tracking/gstdicenetassign.h"
#include "tracking/gstdicenettracker.h"
#include <gst/check/gstcheck.h>
#include <math.h>

static const GstDicenetTrackerSettings SETTINGS = {
  .high = 0.5, .low = 0.1, .start = 0.6, .min_iou = 0.25, .class_aware = TRUE, .min_hits = 1, .max_lost = 1
};

/* --- assignment --- */

#define SIDE 6

/* The highest sum of gains, by trying all. */
static gdouble
try_all (gdouble gains[SIDE][SIDE], guint row, guint taken)
{
  if (row == SIDE)
    return 0;
  gdouble best = try_all (gains, row + 1, taken);
  for (guint column = 0; column < SIDE; column++) {
    if (gains[row][column] > 0 && !(taken & 1u << column))
      best = MAX (best, gains[row][column] + try_all (gains, row + 1, taken | 1u << column));
  }
  return best;
}

static gdouble
sum_of_gains (gdouble gains[SIDE][SIDE], const gint *columns)
{
  guint taken = 0;
  gdouble sum = 0;

  for (guint row = 0; row < SIDE; row++) {
    if (columns[row] < 0)
      continue;
    fail_unless (columns[row] < SIDE && gains[row][columns[row]] > 0 && !(taken & 1u << columns[row]));
    taken |= 1u << columns[row];
    sum += gains[row][columns[row]];
  }
  return sum;
}

GST_START_TEST (test_assign_best)
{
  GRand *random = g_rand_new_with_seed (1);

  for (guint i = 0; i < 3000; i++) {
    gdouble gains[SIDE][SIDE];
    GArray *pairs = g_array_new (FALSE, FALSE, sizeof (GstDicenetPair));
    const gdouble density = g_rand_double (random);
    const gboolean coarse = g_rand_boolean (random); /* many equal gains */
    for (guint row = 0; row < SIDE; row++) {
      for (guint column = 0; column < SIDE; column++) {
        const gdouble gain = coarse ? g_rand_int_range (random, 1, 4) / 4.0 : g_rand_double_range (random, 1e-6, 1);
        gains[row][column] = g_rand_double (random) < density ? gain : 0;
        const GstDicenetPair pair = { row, column, gains[row][column] };
        if (pair.gain > 0)
          g_array_append_val (pairs, pair);
      }
    }
    gint columns[SIDE];
    gst_dicenet_assign ((const GstDicenetPair *) pairs->data, pairs->len, SIDE, SIDE, columns);
    fail_unless (fabs (sum_of_gains (gains, columns) - try_all (gains, 0, 0)) < 1e-9, "case %u", i);
    g_array_unref (pairs);
  }
  g_rand_free (random);
}
GST_END_TEST

GST_START_TEST (test_assign_nothing)
{
  gint columns[3] = { 7, 7, 7 };

  gst_dicenet_assign (NULL, 0, 3, 0, columns);
  for (guint i = 0; i < 3; i++)
    fail_unless_equals_int (columns[i], -1);
  gst_dicenet_assign (NULL, 0, 0, 0, columns);
}
GST_END_TEST

/* As many pairs as a frame can have, all connected, with gains that make every path long: more steps than are allowed.
 */
GST_START_TEST (test_assign_many)
{
  const guint n = GST_DICENET_MAX_TRACKS, each = 16;
  GstDicenetPair *pairs = g_new (GstDicenetPair, n * each);
  gint *columns = g_new (gint, n);
  guint8 *taken = g_new0 (guint8, n);
  guint n_assigned = 0;

  for (guint i = 0; i < n * each; i++) {
    const guint row = i / each, column = (row + i % each) % n;
    pairs[i] = (GstDicenetPair){ row, column, 1 - 0.9 * ((gdouble) row / n) * ((gdouble) column / n) };
  }
  gst_dicenet_assign (pairs, n * each, n, n, columns);
  for (guint row = 0; row < n; row++) {
    if (columns[row] < 0)
      continue;
    fail_unless (!taken[columns[row]]);
    taken[columns[row]] = 1;
    n_assigned++;
  }
  fail_unless (n_assigned > n / 2, "%u", n_assigned);
  g_free (taken);
  g_free (columns);
  g_free (pairs);
}
GST_END_TEST

/* --- motion --- */

/* Velocity is per second, however long the steps are. */
GST_START_TEST (test_motion_steps)
{
  static const gdouble steps[][2] = { { 0.04, 0.04 }, { 0.2, 0.2 }, { 0.01, 0.3 } };
  GstDicenetMotion motion;
  gdouble t = 0;

  gst_dicenet_motion_init (&motion, &(GstDicenetBox){ 100, 200, 40, 80 });
  for (guint i = 0; i < 60; i++) {
    const gdouble step = steps[__i__][i % 2];
    t += step;
    gst_dicenet_motion_predict (&motion, step);
    gst_dicenet_motion_correct (&motion, &(GstDicenetBox){ 100 + 90 * t, 200 - 30 * t, 40 + 2 * t, 80 });
  }
  const GstDicenetBox change = gst_dicenet_motion_get_change (&motion, 0.5);
  fail_unless (fabs (change.x - 45) < 1 && fabs (change.y + 15) < 1, "%g, %g", change.x, change.y);
  fail_unless (fabs (change.w - 1) < 0.2 && fabs (change.h) < 0.2, "%g, %g", change.w, change.h);
  gst_dicenet_motion_keep_size (&motion);
  fail_unless (gst_dicenet_motion_get_change (&motion, 0.5).w == 0);
}
GST_END_TEST

/* --- tracks --- */

static GstDicenetObserved
person_at (gdouble x, gdouble y, gdouble confidence)
{
  return (GstDicenetObserved){ { x, y, 40, 80 }, confidence, "person" };
}

static guint64
update_one (GstDicenetTracker *tracker, const GstDicenetTrackerSettings *settings, gdouble time,
            GstDicenetObserved object)
{
  guint64 id = 99;

  gst_dicenet_tracker_update (tracker, settings, time, &object, 1, &id);
  return id;
}

/* Two who meet and pass, at times of any distance. */
GST_START_TEST (test_crossing)
{
  guint64 last_id = 0;
  GstDicenetTracker *tracker = gst_dicenet_tracker_new (&last_id);
  GRand *random = g_rand_new_with_seed (3);

  for (gdouble t = 0; t < 8; t += g_rand_double_range (random, 0.02, 0.2)) {
    GstDicenetObserved both[] = { person_at (100 + 60 * t, 200, 0.9), person_at (600 - 65 * t, 210, 0.9) };
    guint64 ids[2];
    const gboolean swapped = g_rand_boolean (random); /* their order means nothing */
    if (swapped) {
      const GstDicenetObserved first = both[0];
      both[0] = both[1];
      both[1] = first;
    }
    gst_dicenet_tracker_update (tracker, &SETTINGS, t, both, 2, ids);
    if (t == 0) {
      fail_unless_equals_uint64 (ids[0] + ids[1], 3);
      last_id = 2;
    }
    static guint64 of_first;
    if (t == 0)
      of_first = ids[swapped];
    fail_unless_equals_uint64 (ids[swapped], of_first);
    fail_unless_equals_uint64 (ids[!swapped], 3 - of_first);
  }
  fail_unless_equals_uint64 (last_id, 2);
  g_rand_free (random);
  gst_dicenet_tracker_free (tracker);
}
GST_END_TEST

GST_START_TEST (test_thresholds)
{
  guint64 last_id = 0;
  GstDicenetTracker *tracker = gst_dicenet_tracker_new (&last_id);

  /* Not confident enough to begin a track, though to continue one. */
  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 0, person_at (100, 100, 0.55)), 0);
  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 0.04, person_at (100, 100, 0.6)), 1);
  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 0.08, person_at (101, 100, 0.55)), 1);
  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 0.12, person_at (102, 100, 0.1)), 1);
  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 0.16, person_at (102, 100, 0.09)), 0);
  /* Lost now: only a confident object brings it back. */
  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 0.2, person_at (102, 100, 0.3)), 0);
  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 0.24, person_at (102, 100, 0.7)), 1);
  /* Too far away. */
  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 0.28, person_at (300, 100, 0.7)), 2);
  gst_dicenet_tracker_free (tracker);
}
GST_END_TEST

GST_START_TEST (test_min_hits)
{
  GstDicenetTrackerSettings settings = SETTINGS;
  guint64 last_id = 0;
  GstDicenetTracker *tracker = gst_dicenet_tracker_new (&last_id);

  settings.min_hits = 3;
  fail_unless_equals_uint64 (update_one (tracker, &settings, 0, person_at (100, 100, 0.9)), 0);
  fail_unless_equals_uint64 (update_one (tracker, &settings, 0.1, person_at (100, 100, 0.9)), 0);
  fail_unless_equals_int (gst_dicenet_tracker_get_n_tracks (tracker), 0);
  gst_dicenet_tracker_update (tracker, &settings, 0.2, NULL, 0, NULL); /* a false alarm so far */
  for (guint i = 0; i < 2; i++)
    fail_unless_equals_uint64 (update_one (tracker, &settings, 0.3 + 0.1 * i, person_at (100, 100, 0.9)), 0);
  fail_unless_equals_uint64 (update_one (tracker, &settings, 0.5, person_at (100, 100, 0.9)), 1);
  fail_unless_equals_int (gst_dicenet_tracker_get_n_tracks (tracker), 1);
  gst_dicenet_tracker_free (tracker);
}
GST_END_TEST

GST_START_TEST (test_max_lost)
{
  guint64 last_id = 0;
  GstDicenetTracker *tracker = gst_dicenet_tracker_new (&last_id);

  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 0, person_at (100, 100, 0.9)), 1);
  gst_dicenet_tracker_update (tracker, &SETTINGS, 0.5, NULL, 0, NULL);
  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 0.99, person_at (100, 100, 0.9)), 1);
  gst_dicenet_tracker_update (tracker, &SETTINGS, 1.5, NULL, 0, NULL);
  fail_unless_equals_int (gst_dicenet_tracker_get_n_tracks (tracker), 1);
  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 2.1, person_at (100, 100, 0.9)), 2);
  fail_unless_equals_int (gst_dicenet_tracker_get_n_tracks (tracker), 1);
  /* A slow detector: it was there the last time anybody looked. */
  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 5.1, person_at (100, 100, 0.9)), 2);
  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 500, person_at (100, 100, 0.9)), 3);
  gst_dicenet_tracker_forget (tracker);
  fail_unless_equals_int (gst_dicenet_tracker_get_n_tracks (tracker), 0);
  fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, 500.1, person_at (100, 100, 0.9)), 4);
  gst_dicenet_tracker_free (tracker);
}
GST_END_TEST

GST_START_TEST (test_classes)
{
  GstDicenetTrackerSettings settings = SETTINGS;
  const GstDicenetObserved car = { { 100, 100, 80, 40 }, 0.9, "car" }, bus = { { 100, 100, 80, 40 }, 0.9, "bus" },
                           unknown = { { 100, 100, 80, 40 }, 0.9, NULL };
  guint64 last_id = 0;
  GstDicenetTracker *tracker = gst_dicenet_tracker_new (&last_id);

  fail_unless_equals_uint64 (update_one (tracker, &settings, 0, car), 1);
  fail_unless_equals_uint64 (update_one (tracker, &settings, 0.1, bus), 2);
  fail_unless_equals_uint64 (update_one (tracker, &settings, 0.2, unknown), 3);
  settings.class_aware = FALSE;
  guint64 ids[3];
  gst_dicenet_tracker_update (tracker, &settings, 0.3, (GstDicenetObserved[]){ bus, bus, bus }, 3, ids);
  fail_unless_equals_uint64 (ids[0] + ids[1] + ids[2], 6);
  gst_dicenet_tracker_free (tracker);
}
GST_END_TEST

/* A car that turns, as dicenet-detect saw it five times in two seconds: its size in the picture jumps about. */
GST_START_TEST (test_uncertain_size)
{
  static const GstDicenetBox boxes[] = {
    { 66, 129, 108, 141 }, { 84, 103, 92, 131 }, { 97, 76, 75, 120 }, { 98, 98, 65, 72 },
    { 74, 44, 82, 98 },    { 36, 32, 106, 86 },  { 2, 37, 115, 68 },
  };
  guint64 last_id = 0;
  GstDicenetTracker *tracker = gst_dicenet_tracker_new (&last_id);

  for (guint i = 0; i < G_N_ELEMENTS (boxes); i++) {
    const gdouble time = i * 5 / 12.0;
    fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, time, (GstDicenetObserved){ boxes[i], 0.7, "car" }), 1);
    GstDicenetBox moved = boxes[i];
    fail_unless (gst_dicenet_tracker_move (tracker, 1, time + 4 / 12.0, &moved));
    fail_unless (moved.h > 0.8 * boxes[i].h && moved.h < 1.2 * boxes[i].h, "%u: %g to %g", i, boxes[i].h, moved.h);
  }
  gst_dicenet_tracker_free (tracker);
}
GST_END_TEST

/* A moment of a measurement is the only one that changes tracks. */
GST_START_TEST (test_move)
{
  guint64 last_id = 0;
  GstDicenetTracker *tracker = gst_dicenet_tracker_new (&last_id);
  GstDicenetBox box;

  for (guint i = 0; i < 40; i++)
    fail_unless_equals_uint64 (update_one (tracker, &SETTINGS, i * 0.1, person_at (100 + i * 10, 100, 0.9)), 1);
  for (guint i = 0; i < 3; i++) {
    box = (GstDicenetBox){ 490, 100, 40, 80 };
    fail_unless (gst_dicenet_tracker_move (tracker, 1, 4.1, &box));
    fail_unless (fabs (box.x - 510) < 1 && fabs (box.y - 100) < 1 && fabs (box.w - 40) < 1, "%g", box.x);
  }
  /* Not into the past, and not far into the future. */
  box = (GstDicenetBox){ 490, 100, 40, 80 };
  fail_unless (gst_dicenet_tracker_move (tracker, 1, 1, &box) && box.x == 490);
  fail_unless (gst_dicenet_tracker_move (tracker, 1, 1e9, &box) && box.x < 1000);
  fail_unless (!gst_dicenet_tracker_move (tracker, 2, 4, &box));
  gst_dicenet_tracker_scale (tracker, 2, 0.5);
  fail_unless_equals_uint64 (
      update_one (tracker, &SETTINGS, 4, (GstDicenetObserved){ { 1000, 50, 80, 40 }, 0.9, "person" }), 1);
  gst_dicenet_tracker_free (tracker);
}
GST_END_TEST

/* --- what no camera sees --- */

static gdouble
random_number (GRand *random)
{
  static const gdouble odd[] = { NAN,    INFINITY, -INFINITY, 0,      -0.0,     1e-320, 1e308,
                                 -1e308, 1e6,      1e-3,      -1e-12, G_MAXINT, 1e6 + 1 };

  if (g_rand_int_range (random, 0, 4) == 0)
    return odd[g_rand_int_range (random, 0, G_N_ELEMENTS (odd))];
  return g_rand_double_range (random, -100, 2000);
}

static GstDicenetObserved
random_object (GRand *random)
{
  static const gchar *const labels[] = { "person", "car", NULL, "", "\xff\xfe" };
  const gboolean sane = g_rand_int_range (random, 0, 3) > 0;
  GstDicenetObserved object = { .label = labels[g_rand_int_range (random, 0, G_N_ELEMENTS (labels))] };

  object.box = sane ? (GstDicenetBox){ g_rand_double_range (random, 0, 300), g_rand_double_range (random, 0, 200),
                                       g_rand_double_range (random, 5, 100), g_rand_double_range (random, 5, 100) }
                    : (GstDicenetBox){ random_number (random), random_number (random), random_number (random),
                                       random_number (random) };
  object.confidence = sane ? g_rand_double (random) : random_number (random);
  return object;
}

/* No number twice, and none without a track that says something sensible. */
static gboolean
ids_are_sound (GstDicenetTracker *tracker, const guint64 *ids, guint n, guint64 last_id, gdouble time)
{
  gboolean ok = TRUE;

  for (guint i = 0; i < n; i++) {
    GstDicenetBox box = { 10, 20, 30, 40 };
    for (guint j = 0; j < i; j++)
      ok = ok && (ids[i] == 0 || ids[i] != ids[j]);
    ok = ok && ids[i] <= last_id && gst_dicenet_tracker_move (tracker, ids[i], time + 1, &box) == (ids[i] != 0);
    ok = ok && isfinite (box.x + box.y) && isfinite (box.w + box.h) && box.w > 0 && box.h > 0;
  }
  return ok;
}

GST_START_TEST (test_random)
{
  GRand *random = g_rand_new_with_seed (10 + __i__);
  guint64 last_id = 0, before = 0;
  GstDicenetTracker *tracker = gst_dicenet_tracker_new (&last_id);
  gdouble time = 0;

  for (guint i = 0; i < 2000; i++) {
    GstDicenetObserved objects[40];
    guint64 ids[40];
    const guint n = g_rand_int_range (random, 0, 41);
    const GstDicenetTrackerSettings settings = { .high = g_rand_double (random),
                                                 .low = g_rand_double (random),
                                                 .start = g_rand_double (random),
                                                 .min_iou = g_rand_double_range (random, 0, 1.001),
                                                 .class_aware = g_rand_boolean (random),
                                                 .min_hits = g_rand_int_range (random, 1, 4),
                                                 .max_lost = g_rand_double_range (random, 0, 3) };
    for (guint j = 0; j < n; j++)
      objects[j] = random_object (random);
    time += g_rand_int_range (random, 0, 50) == 0 ? g_rand_double_range (random, -5, 5000)
                                                  : g_rand_double_range (random, 0, 0.2);
    gst_dicenet_tracker_update (tracker, &settings, time, objects, n, ids);
    fail_unless (last_id >= before);
    before = last_id;
    fail_unless (ids_are_sound (tracker, ids, n, last_id, time), "update %u", i);
    if (g_rand_int_range (random, 0, 200) == 0)
      gst_dicenet_tracker_scale (tracker, g_rand_double_range (random, 0.1, 10), g_rand_double_range (random, 0.1, 10));
  }
  fail_unless (last_id > 100);
  gst_dicenet_tracker_free (tracker);
  g_rand_free (random);
}
GST_END_TEST

/* More objects than are followed, most of which overlap. */
GST_START_TEST (test_crowd)
{
  const guint n = GST_DICENET_MAX_TRACKS + 1000;
  GstDicenetObserved *objects = g_new (GstDicenetObserved, n);
  guint64 *ids = g_new (guint64, n), last_id = 0;
  GstDicenetTracker *tracker = gst_dicenet_tracker_new (&last_id);
  GRand *random = g_rand_new_with_seed (4);

  for (guint i = 0; i < n; i++)
    objects[i] =
        person_at (__i__ ? g_rand_double_range (random, 0, 200) : i % 128 * 30, __i__ ? 50 : i / 128 * 20, 0.9);
  for (guint frame = 0; frame < 3; frame++) {
    gst_dicenet_tracker_update (tracker, &SETTINGS, frame * 0.04, objects, n, ids);
    fail_unless (ids[n - 1] == 0);
  }
  if (!__i__) /* spread over the frame, each keeps its number */
    fail_unless_equals_uint64 (last_id, GST_DICENET_MAX_TRACKS);
  /* Others come while these are lost. */
  for (guint i = 0; i < n; i++)
    objects[i].box.x += 10000;
  gst_dicenet_tracker_update (tracker, &SETTINGS, 0.12, objects, n, ids);
  fail_unless (gst_dicenet_tracker_get_n_tracks (tracker) <= GST_DICENET_MAX_TRACKS);
  gst_dicenet_tracker_update (tracker, &SETTINGS, 2, objects, n, ids);
  fail_unless (ids[0] > GST_DICENET_MAX_TRACKS / 2);
  g_rand_free (random);
  gst_dicenet_tracker_free (tracker);
  g_free (ids);
  g_free (objects);
}
GST_END_TEST

/* Labels that never come again leave nothing behind. */
#if defined(__GLIBC__) && !defined(DICENET_SANITIZED)
#include <malloc.h>

GST_START_TEST (test_labels)
{
  guint64 last_id = 0;
  GstDicenetTracker *tracker = gst_dicenet_tracker_new (&last_id);
  gsize before = 0;

  for (guint i = 0; i < 20000; i++) {
    g_autofree gchar *label = g_strdup_printf ("a label that was never seen before, %u", i);
    update_one (tracker, &SETTINGS, i * 0.04, (GstDicenetObserved){ { 100, 100, 40, 40 }, 0.9, label });
    if (i == 10000)
      before = mallinfo2 ().uordblks;
  }
  const gsize after = mallinfo2 ().uordblks;
  fail_unless (after < before + 16384, "from %" G_GSIZE_FORMAT " to %" G_GSIZE_FORMAT " bytes", before, after);
  gst_dicenet_tracker_free (tracker);
}
GST_END_TEST
#endif

int
main (int argc, char **argv)
{
  Suite *suite = suite_create ("tracker");
  TCase *tests = tcase_create ("tracker");

  gst_check_init (&argc, &argv);
  tcase_add_test (tests, test_assign_best);
  tcase_add_test (tests, test_assign_nothing);
  tcase_add_test (tests, test_assign_many);
  tcase_add_loop_test (tests, test_motion_steps, 0, 3);
  tcase_add_test (tests, test_crossing);
  tcase_add_test (tests, test_thresholds);
  tcase_add_test (tests, test_min_hits);
  tcase_add_test (tests, test_max_lost);
  tcase_add_test (tests, test_classes);
  tcase_add_test (tests, test_uncertain_size);
  tcase_add_test (tests, test_move);
  tcase_add_loop_test (tests, test_random, 0, 5);
  tcase_add_loop_test (tests, test_crowd, 0, 2);
#if defined(__GLIBC__) && !defined(DICENET_SANITIZED)
  tcase_add_test (tests, test_labels);
#endif
  suite_add_tcase (suite, tests);
  return gst_check_run_suite (suite, "tracker", __FILE__);
}
