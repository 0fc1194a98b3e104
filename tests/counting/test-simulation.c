/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Counts in scenes whose truth is known: objects walk along paths; boxes jitter, are missing, and come in any order.
 * What is expected is computed from the paths without noise, by other formulas than the counter's.
 *
 *   test-counting-simulation [SCENES]
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common.h"

/* Objects are of this size in pixels, in frames of WIDTH x HEIGHT. */
#define BOX_W  40.0
#define BOX_H  100.0
#define JITTER 0.09 /* of the box, on each side; the margin is 0.1 */

#define MAX_CORNERS 12
#define N_OBJECTS   30

static guint n_scenes = 40;

typedef struct {
  double x, y;
} Point;

typedef struct {
  Point path[MAX_CORNERS];
  guint n, at;    /* corners, and the next one */
  Point position; /* without noise */
  double speed;   /* pixels per frame */
  gint start;     /* first frame */
  double missing; /* probability that a box is missing */
  gint hidden;    /* frames for which it still can't be seen */
  const char *label;
} Walker;

typedef struct {
  guint64 n[2];
} Truth;

/* --- truth --- */

static double
side_of (Point a, Point b, Point p)
{
  return (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x);
}

/* Crossings of the line from @a to @b on the way from @p to @q: by the signs of areas. */
static void
count_crossing (Truth *truth, Point a, Point b, Point p, Point q)
{
  const gboolean p_right = side_of (a, b, p) > 0, q_right = side_of (a, b, q) > 0;
  const gboolean a_right = side_of (p, q, a) > 0, b_right = side_of (p, q, b) > 0;

  if (p_right != q_right && a_right != b_right)
    truth->n[p_right]++;
}

/* Whether a convex polygon, clockwise on the screen, contains a point. */
static gboolean
contains (const Point *corners, guint n, Point p)
{
  for (guint i = 0; i < n; i++) {
    if (side_of (corners[i], corners[(i + 1) % n], p) < 0)
      return FALSE;
  }
  return TRUE;
}

static double
distance_to (Point a, Point b, Point p)
{
  const double dx = b.x - a.x, dy = b.y - a.y;
  const double t = CLAMP (((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy), 0, 1);

  return hypot (p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/* --- scenes --- */

static Point
random_point (GRand *rand)
{
  return (Point){ g_rand_double_range (rand, 50, 950), g_rand_double_range (rand, 120, 950) };
}

/* The lines and the zone of all scenes. */
static const Point lines[][2] = { { { 200, 500 }, { 800, 500 } },
                                  { { 200, 520 }, { 800, 520 } }, /* near the first */
                                  { { 500, 900 }, { 500, 150 } },
                                  { { 250, 850 }, { 850, 250 } } };
static const Point zone[] = { { 300, 300 }, { 700, 350 }, { 650, 700 }, { 320, 650 } };
#define SHAPES_LINES                                                                                                   \
  "a:0.2,0.5,0.8,0.5;b:0.2,0.52,0.8,0.52;c:0.5,0.9,0.5,0.15;"                                                          \
  "d:0.25,0.85,0.85,0.25"
#define SHAPES_ZONE "z:0.3,0.3,0.7,0.35,0.65,0.7,0.32,0.65"
#define N_LINES     G_N_ELEMENTS (lines)

/* A way must not pass near the end of a line or the corner of the zone. */
static gboolean
is_definite (Point p, Point q)
{
  for (guint i = 0; i < N_LINES; i++) {
    if (distance_to (p, q, lines[i][0]) < 40 || distance_to (p, q, lines[i][1]) < 40)
      return FALSE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (zone); i++) {
    if (distance_to (p, q, zone[i]) < 60)
      return FALSE;
  }
  return TRUE;
}

/* A corner must be clear of every line and of the zone's edge: whether it is crossed would be a matter of opinion. */
static gboolean
is_clear (Point p)
{
  for (guint i = 0; i < N_LINES; i++) {
    const Point a = lines[i][0], b = lines[i][1];
    const double length = hypot (b.x - a.x, b.y - a.y);
    if (fabs (side_of (a, b, p)) / length < 40)
      return FALSE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (zone); i++) {
    if (distance_to (zone[i], zone[(i + 1) % G_N_ELEMENTS (zone)], p) < 40 ||
        hypot (p.x - zone[i].x, p.y - zone[i].y) < 60)
      return FALSE;
  }
  return TRUE;
}

static void
walker_init (Walker *self, GRand *rand)
{
  *self = (Walker){ .n = (guint) g_rand_int_range (rand, 2, MAX_CORNERS + 1), .at = 1 };
  for (guint i = 0; i < self->n; i++) {
    do
      self->path[i] = random_point (rand);
    while (!is_clear (self->path[i]) || (i > 0 && !is_definite (self->path[i - 1], self->path[i])));
  }
  self->position = self->path[0];
  self->speed = g_rand_double_range (rand, 1, 8);
  self->start = g_rand_int_range (rand, 0, 100);
  self->missing = g_rand_double_range (rand, 0, 0.4);
  self->label = g_rand_boolean (rand) ? "person" : "dog";
}

/* Waits at corners, so that each part of the path is confirmed. Returns FALSE at the end. */
static gboolean
walker_step (Walker *self, guint *waiting)
{
  const Point to = self->path[self->at];
  const double left = hypot (to.x - self->position.x, to.y - self->position.y);

  if (*waiting > 0) {
    --*waiting;
    return TRUE;
  }
  if (left <= self->speed) {
    self->position = to;
    *waiting = 20;
    return ++self->at < self->n;
  }
  self->position.x += (to.x - self->position.x) / left * self->speed;
  self->position.y += (to.y - self->position.y) / left * self->speed;
  return TRUE;
}

/* Some boxes are missing here and there, and some for up to half a second. */
static gboolean
is_missing (Walker *self, GRand *rand)
{
  if (self->hidden == 0 && g_rand_double (rand) < 0.01)
    self->hidden = g_rand_int_range (rand, 1, 15);
  if (self->hidden > 0) {
    self->hidden--;
    return TRUE;
  }
  return g_rand_double (rand) < self->missing;
}

static double
jitter (GRand *rand, double size)
{
  return g_rand_double_range (rand, -JITTER, JITTER) * size;
}

static void
add_truth (Truth *truth, const Walker *walker)
{
  for (guint i = 0; i + 1 < walker->n; i++) {
    const Point p = walker->path[i], q = walker->path[i + 1];
    for (guint j = 0; j < N_LINES; j++)
      count_crossing (&truth[j], lines[j][0], lines[j][1], p, q);
    /* A way may lead through the convex zone, so edges are counted instead of its ends: inside is to their right. */
    for (guint j = 0; j < G_N_ELEMENTS (zone); j++)
      count_crossing (&truth[N_LINES], zone[j], zone[(j + 1) % G_N_ELEMENTS (zone)], p, q);
  }
  truth[N_LINES].n[0] += contains (zone, G_N_ELEMENTS (zone), walker->path[0]);
}

static void
shuffle (GRand *rand, GstDicenetSighting *boxes, guint n)
{
  for (guint i = n; i > 1; i--) {
    const guint j = (guint) g_rand_int_range (rand, 0, (gint32) i);
    const GstDicenetSighting box = boxes[i - 1];
    boxes[i - 1] = boxes[j];
    boxes[j] = box;
  }
}

/* Runs a scene to its end. */
static void
run_walkers (Scene *scene, GRand *rand, Walker *walkers, guint64 first_id)
{
  guint waiting[N_OBJECTS], n_left = N_OBJECTS;

  for (guint i = 0; i < N_OBJECTS; i++)
    waiting[i] = 20;
  for (gint frame = 0; n_left > 0; frame++) {
    GstDicenetSighting boxes[N_OBJECTS];
    guint n = 0;
    n_left = 0;
    for (guint i = 0; i < N_OBJECTS; i++) {
      Walker *walker = &walkers[i];
      const gboolean ends = walker->at == walker->n && waiting[i] == 0;
      if (frame < walker->start || ends) {
        n_left += !ends;
        continue;
      }
      n_left++;
      if (walker->at < walker->n)
        walker_step (walker, &waiting[i]);
      else
        waiting[i]--;
      if (is_missing (walker, rand))
        continue;
      boxes[n] = box_at (scene, first_id + i, walker->position.x + jitter (rand, BOX_W),
                         walker->position.y + jitter (rand, BOX_H));
      boxes[n++].label = walker->label;
    }
    shuffle (rand, boxes, n);
    show (scene, boxes, n);
  }
}

static guint64
count_of_class (const Scene *scene, guint shape, const char *label)
{
  guint n;
  const GstDicenetTally *tallies = gst_dicenet_counter_get_tallies (scene->counter, shape, &n);

  for (guint i = 1; i < n; i++) {
    if (strcmp (tallies[i].label, label) == 0)
      return tallies[i].n[0] + tallies[i].n[1];
  }
  return 0;
}

START_TEST (test_walks)
{
  guint64 total = 0;

  for (guint seed = 0; seed < n_scenes; seed++) {
    GRand *rand = g_rand_new_with_seed (seed);
    Walker walkers[N_OBJECTS];
    Truth truth[N_LINES + 1] = { 0 }, dogs[N_LINES + 1] = { 0 };
    guint n_in_zone = 0;
    Scene scene;

    scene_init (&scene, SHAPES_LINES, SHAPES_ZONE);
    for (guint i = 0; i < N_OBJECTS; i++) {
      walker_init (&walkers[i], rand);
      add_truth (truth, &walkers[i]);
      n_in_zone += contains (zone, G_N_ELEMENTS (zone), walkers[i].path[walkers[i].n - 1]);
      if (strcmp (walkers[i].label, "dog") == 0)
        add_truth (dogs, &walkers[i]);
    }
    run_walkers (&scene, rand, walkers, 1 + seed * 1000);
    for (guint i = 0; i < N_LINES; i++) {
      expect_counts (&scene, i, truth[i].n[0], truth[i].n[1]);
      ck_assert_uint_eq (count_of_class (&scene, i, "dog"), dogs[i].n[0] + dogs[i].n[1]);
      total += truth[i].n[0] + truth[i].n[1];
    }
    show_nothing (&scene, 70); /* those that end in the zone leave it when they are lost */
    expect_counts (&scene, N_LINES, truth[N_LINES].n[0], truth[N_LINES].n[1] + n_in_zone);
    ck_assert_uint_eq (count_of_class (&scene, N_LINES, "dog"), 2 * dogs[N_LINES].n[0]);
    scene_clear (&scene);
    g_rand_free (rand);
  }
  printf ("%" G_GUINT64_FORMAT " crossings of lines in %u scenes\n", total, n_scenes);
  ck_assert_uint_gt (total, 100 * n_scenes);
}
END_TEST

/* Objects come from one side, walk about at random on the line, and leave to one or the other: however often they were
 * on either side of it meanwhile, each crosses once, or not at all. */
START_TEST (test_random_walks_on_a_line)
{
  GRand *rand = g_rand_new_with_seed (5);
  guint64 forward = 0, backward = 0;
  guint flips = 0;
  Scene scene;

  scene_init (&scene, "a:0.2,0.5,0.8,0.5", NULL);
  for (guint64 id = 1; id <= 3000; id++) {
    const gboolean from_above = g_rand_boolean (rand), to_above = g_rand_boolean (rand);
    double x = g_rand_double_range (rand, 400, 600), y = 500;
    walk (&scene, id, x, from_above ? 420 : 580, x, 500);
    for (guint i = 0; i < 100; i++) {
      const gboolean below = y > 500;
      x = CLAMP (x + g_rand_double_range (rand, -2, 2), 300, 700);
      y = CLAMP (y + g_rand_double_range (rand, -3, 3), 495, 505);
      flips += below != (y > 500);
      if (g_rand_double (rand) < 0.8)
        show_one (&scene, id, x, y + g_rand_double_range (rand, -5, 5));
    }
    walk (&scene, id, x, y, x, to_above ? 420 : 580);
    forward += from_above && !to_above;
    backward += !from_above && to_above;
    expect_counts (&scene, 0, forward, backward);
  }
  ck_assert_uint_gt (flips, 10000);
  scene_clear (&scene);
  g_rand_free (rand);
}
END_TEST

static void
add_tests (TCase *tests)
{
  tcase_add_test (tests, test_walks);
  tcase_add_test (tests, test_random_walks_on_a_line);
}

int
main (int argc, char **argv)
{
  if (argc > 1)
    n_scenes = (guint) atoi (argv[1]);
  return run_suite (argc, argv, "simulation", add_tests);
}
