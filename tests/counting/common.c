/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <math.h>
#include <stdlib.h>

const GstDicenetCountSettings usual = {
  .margin = 0.1, .confirmations = 3, .max_speed = 10, .lost_time = 2 * G_GINT64_CONSTANT (1000000000)
};

void
scene_init (Scene *self, const char *lines, const char *zones)
{
  GPtrArray *shapes = gst_dicenet_shapes_new ();
  GError *error = NULL;

  ck_assert_msg (!lines || gst_dicenet_shapes_add_text (shapes, FALSE, lines, &error), "%s",
                 error ? error->message : "");
  ck_assert_msg (!zones || gst_dicenet_shapes_add_text (shapes, TRUE, zones, &error), "%s",
                 error ? error->message : "");
  *self = (Scene){ .counter = gst_dicenet_counter_new (shapes),
                   .settings = usual,
                   .events = g_array_new (FALSE, FALSE, sizeof (GstDicenetCrossing)) };
}

void
scene_clear (Scene *self)
{
  gst_dicenet_counter_free (self->counter);
  g_array_unref (self->events);
}

GstDicenetSighting
box_at (const Scene *self, guint64 id, double x, double y)
{
  return (GstDicenetSighting){ id, "person", x - 20, y - 100, 40, 100, self->now + FRAME };
}

void
show (Scene *self, const GstDicenetSighting *seen, guint n)
{
  self->now += FRAME;
  ck_assert (
      gst_dicenet_counter_update (self->counter, &self->settings, WIDTH, HEIGHT, self->now, seen, n, self->events));
}

void
show_one (Scene *self, guint64 id, double x, double y)
{
  const GstDicenetSighting box = box_at (self, id, x, y);

  show (self, &box, 1);
}

void
show_nothing (Scene *self, guint n_frames)
{
  for (guint i = 0; i < n_frames; i++)
    show (self, NULL, 0);
}

void
walk (Scene *self, guint64 id, double x0, double y0, double x1, double y1)
{
  const guint n = (guint) ceil (hypot (x1 - x0, y1 - y0) / 5);

  for (guint i = 0; i <= n; i++)
    show_one (self, id, x0 + (x1 - x0) * i / n, y0 + (y1 - y0) * i / n);
}

void
expect_counts (const Scene *self, guint shape, guint64 first, guint64 second)
{
  guint n;
  const GstDicenetTally *tallies = gst_dicenet_counter_get_tallies (self->counter, shape, &n);
  guint64 sums[2] = { 0, 0 };

  ck_assert_uint_eq (tallies[0].n[0], first);
  ck_assert_uint_eq (tallies[0].n[1], second);
  for (guint i = 1; i < n; i++) {
    sums[0] += tallies[i].n[0];
    sums[1] += tallies[i].n[1];
  }
  ck_assert (sums[0] == first && sums[1] == second);
}

int
run_suite (int argc, char **argv, const char *name, void (*add_tests) (TCase *))
{
  Suite *suite = suite_create (name);
  TCase *tests = tcase_create (name);

  suite_add_tcase (suite, tests);
  add_tests (tests);
  SRunner *runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  const int n_failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
