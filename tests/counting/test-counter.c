/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rules of docs/counting.md, one by one. */

#include <string.h>
#include "common.h"

#define ACROSS "door:0.2,0.5,0.8,0.5" /* from left to right */
#define ROOM   "room:0.3,0.3,0.7,0.3,0.7,0.7,0.3,0.7"
#define SECOND G_GINT64_CONSTANT (1000000000)

static const GstDicenetCrossing *
event_of (const Scene *scene, guint i)
{
  ck_assert_uint_lt (i, scene->events->len);
  return &g_array_index (scene->events, GstDicenetCrossing, i);
}

/* --- lines --- */

START_TEST (test_directions)
{
  Scene scene;

  scene_init (&scene, ACROSS "; up: 0.5,0.9,0.5,0.1", NULL);
  walk (&scene, 1, 300, 400, 300, 600); /* down: to the right of somebody who walks from left to right */
  expect_counts (&scene, 0, 1, 0);
  expect_counts (&scene, 1, 0, 0);
  ck_assert_int_eq (event_of (&scene, 0)->kind, GST_DICENET_CROSSED_FORWARD);
  ck_assert_uint_eq (event_of (&scene, 0)->track_id, 1);
  ck_assert_str_eq (event_of (&scene, 0)->label, "person");
  ck_assert_double_eq_tol (event_of (&scene, 0)->at.x, 0.3, 1e-9);
  ck_assert_double_eq_tol (event_of (&scene, 0)->at.y, 0.5 + 0.01 + 0.015, 1e-9); /* the third box behind the margin */

  walk (&scene, 2, 300, 600, 700, 600); /* from left to right: forward over the line that goes up */
  expect_counts (&scene, 0, 1, 0);
  expect_counts (&scene, 1, 1, 0);
  walk (&scene, 3, 700, 600, 300, 600);
  expect_counts (&scene, 1, 1, 1);
  ck_assert_uint_eq (scene.events->len, 3);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_standing_on_the_line)
{
  Scene scene;
  GRand *rand = g_rand_new_with_seed (1);

  scene_init (&scene, ACROSS, NULL);
  walk (&scene, 1, 500, 400, 500, 500);
  for (guint i = 0; i < 10000; i++) /* up to the margin of 10 pixels on both sides */
    show_one (&scene, 1, 500, 500 + g_rand_double_range (rand, -10, 10));
  expect_counts (&scene, 0, 0, 0);
  walk (&scene, 1, 500, 500, 500, 400); /* back */
  expect_counts (&scene, 0, 0, 0);
  walk (&scene, 1, 500, 400, 500, 600);
  expect_counts (&scene, 0, 1, 0);
  scene_clear (&scene);
  g_rand_free (rand);
}
END_TEST

START_TEST (test_outliers)
{
  Scene scene;

  scene_init (&scene, ACROSS, NULL);
  walk (&scene, 1, 500, 400, 500, 480);
  for (guint i = 0; i < 1000; i++) /* two in a row are not enough */
    show_one (&scene, 1, 500, i % 3 == 0 ? 480 : 530);
  expect_counts (&scene, 0, 0, 0);
  scene.settings.confirmations = 2;
  for (guint i = 0; i < 3; i++)
    show_one (&scene, 1, 500, 530);
  expect_counts (&scene, 0, 1, 0);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_there_and_back)
{
  Scene scene;

  scene_init (&scene, ACROSS, NULL);
  for (guint64 i = 1; i <= 5; i++) {
    walk (&scene, 7, 500, 400, 500, 600);
    expect_counts (&scene, 0, i, i - 1);
    walk (&scene, 7, 500, 600, 500, 400);
    expect_counts (&scene, 0, i, i);
  }
  scene_clear (&scene);
}
END_TEST

START_TEST (test_around_the_end)
{
  Scene scene;

  scene_init (&scene, ACROSS, NULL);
  walk (&scene, 1, 850, 400, 850, 600); /* past the end */
  walk (&scene, 1, 850, 600, 700, 600);
  expect_counts (&scene, 0, 0, 0);
  walk (&scene, 1, 700, 600, 700, 400); /* and back through the door */
  expect_counts (&scene, 0, 0, 1);
  walk (&scene, 2, 100, 600, 195, 400);
  walk (&scene, 3, 100, 600, 305, 400); /* at x = 203: just inside */
  expect_counts (&scene, 0, 0, 2);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_first_seen_on_the_line)
{
  Scene scene;

  scene_init (&scene, ACROSS, NULL);
  walk (&scene, 1, 500, 505, 500, 600); /* where it came from is unknown */
  expect_counts (&scene, 0, 0, 0);
  walk (&scene, 1, 500, 600, 500, 400);
  expect_counts (&scene, 0, 0, 1);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_number_goes_to_another_object)
{
  Scene scene;

  scene_init (&scene, ACROSS, NULL);
  walk (&scene, 1, 500, 300, 500, 400);
  walk (&scene, 1, 700, 600, 700, 700); /* 280 pixels in a frame, with a box of 100 */
  expect_counts (&scene, 0, 0, 0);
  scene.settings.max_speed = 0; /* no limit */
  walk (&scene, 1, 700, 400, 700, 380);
  expect_counts (&scene, 0, 0, 1);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_fast_objects_and_gaps)
{
  Scene scene;

  scene_init (&scene, ACROSS, NULL);
  for (guint i = 0; i <= 10; i++) /* 60 pixels per frame: 18 sizes per second are too fast, 0.6 at once are not */
    show_one (&scene, 1, 500, 200 + 60 * i);
  expect_counts (&scene, 0, 1, 0);
  walk (&scene, 2, 500, 300, 500, 400);
  show_nothing (&scene, 50); /* hidden for 1.7 s on the line */
  walk (&scene, 2, 500, 600, 500, 700);
  expect_counts (&scene, 0, 2, 0);
  walk (&scene, 3, 500, 300, 500, 400);
  show_nothing (&scene, 61); /* more than lost_time */
  walk (&scene, 3, 500, 600, 500, 700);
  expect_counts (&scene, 0, 2, 0);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_lines_near_each_other)
{
  Scene scene;

  scene_init (&scene, "a:0.2,0.5,0.8,0.5;b:0.2,0.505,0.8,0.505;c:0.8,0.505,0.2,0.505", NULL);
  walk (&scene, 1, 500, 400, 500, 600);
  expect_counts (&scene, 0, 1, 0);
  expect_counts (&scene, 1, 1, 0);
  expect_counts (&scene, 2, 0, 1);      /* the same the other way round */
  walk (&scene, 2, 500, 400, 500, 502); /* between them, and back */
  walk (&scene, 2, 500, 502, 500, 400);
  expect_counts (&scene, 0, 1, 0);
  expect_counts (&scene, 1, 1, 0);
  scene_clear (&scene);
}
END_TEST

/* Boxes between two inferences are no evidence, wherever a tracker moved them. */
START_TEST (test_repeated_and_predicted_boxes)
{
  Scene scene;

  scene_init (&scene, ACROSS, ROOM);
  walk (&scene, 1, 500, 100, 500, 250);
  GstDicenetSighting box = box_at (&scene, 1, 500, 250);
  box.time = scene.now;
  for (guint i = 0; i < 30; i++) {
    box.y += 20;
    show (&scene, &box, 1);
  }
  expect_counts (&scene, 0, 0, 0);
  expect_counts (&scene, 1, 0, 0);
  for (guint i = 0; i < 100; i++) { /* it is not lost, though, while it is shown */
    box.time = scene.now - 100 * FRAME;
    show (&scene, &box, 1);
  }
  ck_assert_uint_eq (gst_dicenet_counter_get_n_tracks (scene.counter), 1);
  scene_clear (&scene);
}
END_TEST

/* --- zones --- */

START_TEST (test_zone)
{
  Scene scene;
  guint n;

  scene_init (&scene, NULL, ROOM);
  walk (&scene, 1, 100, 500, 500, 500);
  expect_counts (&scene, 0, 1, 0);
  GArray *visits = g_array_new (FALSE, FALSE, sizeof (GstDicenetVisit));
  gst_dicenet_counter_get_visits (scene.counter, visits, 10);
  ck_assert_uint_eq (visits->len, 1);
  const GstDicenetVisit *visit = &g_array_index (visits, GstDicenetVisit, 0);
  ck_assert (visit->track_id == 1 && visit->shape == 0 && strcmp (visit->label, "person") == 0);
  ck_assert_int_eq (visit->dwell, 40 * FRAME); /* from 300 to 500 in steps of 5 pixels */
  g_array_unref (visits);

  walk (&scene, 1, 505, 500, 900, 500);
  expect_counts (&scene, 0, 1, 1);
  /* From 300 to 705 (steps of 5 pixels), behind the margin of 4 pixels. */
  const gint64 dwell = 81 * FRAME;
  ck_assert_int_eq (event_of (&scene, 1)->kind, GST_DICENET_ZONE_LEFT);
  ck_assert_int_eq (event_of (&scene, 1)->dwell, dwell);
  ck_assert_uint_eq (gst_dicenet_counter_get_tallies (scene.counter, 0, &n)->dwell, (guint64) dwell);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_edge_of_a_zone)
{
  Scene scene;
  GRand *rand = g_rand_new_with_seed (2);

  scene_init (&scene, NULL, ROOM);
  walk (&scene, 1, 500, 600, 500, 700);
  for (guint i = 0; i < 10000; i++) /* less than the margin of 10 pixels outside */
    show_one (&scene, 1, 500, 700 + g_rand_double_range (rand, -30, 10));
  expect_counts (&scene, 0, 1, 0);
  for (guint i = 0; i < 100; i++) /* two in a row are not enough */
    show_one (&scene, 1, 500, i % 3 == 0 ? 690 : 750);
  expect_counts (&scene, 0, 1, 0);
  walk (&scene, 1, 500, 700, 500, 800);
  expect_counts (&scene, 0, 1, 1);
  scene_clear (&scene);
  g_rand_free (rand);
}
END_TEST

/* The frame cuts off the feet of who is near: they are on its edge. */
START_TEST (test_zone_to_the_edge_of_the_frame)
{
  Scene scene;

  scene_init (&scene, NULL, "front:0.2,0.6,0.8,0.6,0.8,1,0.2,1");
  walk (&scene, 1, 300, HEIGHT, 500, HEIGHT);
  expect_counts (&scene, 0, 1, 0);
  walk (&scene, 2, 100, HEIGHT, 150, HEIGHT);
  expect_counts (&scene, 0, 1, 0);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_lost_in_a_zone)
{
  Scene scene;

  scene_init (&scene, NULL, ROOM);
  walk (&scene, 1, 500, 500, 500, 600); /* appears in the zone */
  expect_counts (&scene, 0, 1, 0);
  show_nothing (&scene, 60);
  expect_counts (&scene, 0, 1, 0);
  show_nothing (&scene, 1);
  expect_counts (&scene, 0, 1, 1);
  ck_assert_int_eq (event_of (&scene, 1)->dwell, 20 * FRAME); /* until it was last seen */
  ck_assert_double_eq_tol (event_of (&scene, 1)->at.y, 0.6, 1e-9);
  ck_assert_uint_eq (gst_dicenet_counter_get_n_tracks (scene.counter), 0);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_number_leaves_a_zone)
{
  Scene scene;

  scene_init (&scene, NULL, ROOM ";other:0.8,0.8,1,0.8,1,1,0.8,1");
  walk (&scene, 1, 400, 500, 400, 600);
  walk (&scene, 1, 900, 900, 900, 950); /* another object */
  expect_counts (&scene, 0, 1, 1);
  expect_counts (&scene, 1, 1, 0);
  ck_assert_int_eq (event_of (&scene, 1)->dwell, 20 * FRAME);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_shapes_of_zones)
{
  Scene scene;

  /* A U, whose gap is not part of it, and a zone smaller than the margin. */
  scene_init (&scene, NULL,
              "u:0.1,0.1,0.3,0.1,0.3,0.7,0.7,0.7,0.7,0.1,0.9,0.1,0.9,0.9,0.1,0.9;dot:0.5,0.3,0.506,0.3,0.503,0.306");
  walk (&scene, 1, 500, 100, 500, 500);
  expect_counts (&scene, 0, 0, 0);
  for (guint i = 0; i < 3; i++)
    show_one (&scene, 2, 503, 302);
  expect_counts (&scene, 1, 1, 0);
  walk (&scene, 1, 500, 500, 500, 950);
  expect_counts (&scene, 0, 1, 1);
  scene_clear (&scene);
}
END_TEST

/* --- objects --- */

START_TEST (test_centre)
{
  Scene scene;

  scene_init (&scene, ACROSS, NULL);
  scene.settings.center = TRUE;
  walk (&scene, 1, 500, 400, 500, 545); /* the centre is 50 pixels higher */
  expect_counts (&scene, 0, 0, 0);
  walk (&scene, 1, 500, 545, 500, 600);
  expect_counts (&scene, 0, 1, 0);
  scene_clear (&scene);
}
END_TEST

/* The size of frames may change: positions are fractions. */
START_TEST (test_frame_size)
{
  Scene scene;

  scene_init (&scene, ACROSS, NULL);
  walk (&scene, 1, 500, 400, 500, 480);
  for (guint i = 0; i < 4; i++) {
    const GstDicenetSighting box = { 1, "person", 240, 200 + 5 * i, 20, 50, scene.now += FRAME };
    gst_dicenet_counter_update (scene.counter, &scene.settings, WIDTH / 2, HEIGHT / 2, scene.now, &box, 1,
                                scene.events);
  }
  expect_counts (&scene, 0, 0, 0);
  for (guint i = 0; i < 4; i++) {
    const GstDicenetSighting box = { 1, "person", 240, 215 + 5 * i, 20, 50, scene.now += FRAME };
    gst_dicenet_counter_update (scene.counter, &scene.settings, WIDTH / 2, HEIGHT / 2, scene.now, &box, 1,
                                scene.events);
  }
  expect_counts (&scene, 0, 1, 0);
  scene_clear (&scene);
}
END_TEST

static void
walk_as (Scene *scene, guint64 id, const char *label, double y0, double y1)
{
  for (double y = y0; y <= y1; y += 5) {
    GstDicenetSighting box = box_at (scene, id, 500, y);
    box.label = label;
    show (scene, &box, 1);
  }
}

START_TEST (test_classes)
{
  Scene scene;
  guint n;

  scene_init (&scene, "all:0.2,0.5,0.8,0.5;some:car, Person:0.2,0.5,0.8,0.5", NULL);
  walk_as (&scene, 1, "person", 400, 600);
  walk_as (&scene, 2, "dog", 400, 600);
  walk_as (&scene, 3, "person", 400, 600);
  const GstDicenetTally *tallies = gst_dicenet_counter_get_tallies (scene.counter, 0, &n);
  ck_assert_uint_eq (n, 3);
  ck_assert (strcmp (tallies[1].label, "person") == 0 && tallies[1].n[0] == 2);
  ck_assert (strcmp (tallies[2].label, "dog") == 0 && tallies[2].n[0] == 1);
  expect_counts (&scene, 0, 3, 0);
  expect_counts (&scene, 1, 2, 0);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_changing_class)
{
  Scene scene;
  guint n;

  scene_init (&scene, NULL, "all:0.3,0.3,0.7,0.3,0.7,0.7,0.3,0.7;people:person:0.3,0.3,0.7,0.3,0.7,0.7,0.3,0.7");
  walk_as (&scene, 1, "person", 400, 600);
  for (guint i = 0; i < 70; i++) /* now it is a dog, for longer than lost_time */
    walk_as (&scene, 1, "dog", 600, 600);
  expect_counts (&scene, 0, 1, 0);
  expect_counts (&scene, 1, 1, 1);
  walk_as (&scene, 1, "dog", 600, 800);
  const GstDicenetTally *tallies = gst_dicenet_counter_get_tallies (scene.counter, 0, &n);
  ck_assert_uint_eq (n, 2); /* it leaves as what it entered */
  ck_assert (strcmp (tallies[1].label, "person") == 0 && tallies[1].n[0] == 1 && tallies[1].n[1] == 1);
  expect_counts (&scene, 1, 1, 1);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_odd_labels)
{
  Scene scene;
  guint n;
  char *huge = g_strnfill (100000, 'x');

  scene_init (&scene, ACROSS, NULL);
  walk_as (&scene, 1, huge, 400, 600);
  walk_as (&scene, 2, "\xff\xfe", 400, 600);
  walk_as (&scene, 3, "", 400, 600);
  for (guint i = 0; i < 300; i++) {
    g_autofree char *label = g_strdup_printf ("label %u", i);
    walk_as (&scene, 10 + i, label, 470, 530);
  }
  expect_counts (&scene, 0, 303, 0);
  const GstDicenetTally *tallies = gst_dicenet_counter_get_tallies (scene.counter, 0, &n);
  ck_assert_uint_eq (n, 1 + 256);
  for (guint i = 1; i < n; i++)
    ck_assert (g_utf8_validate (tallies[i].label, -1, NULL) && strlen (tallies[i].label) <= 256 * 3);
  ck_assert_str_eq (tallies[n - 1].label, "other classes");
  ck_assert_uint_eq (tallies[n - 1].n[0], 303 - 255);
  scene_clear (&scene);
  g_free (huge);
}
END_TEST

START_TEST (test_bad_boxes)
{
  Scene scene;
  const double odd[] = { G_MAXDOUBLE, -G_MAXDOUBLE, 1e300, -1e300, 0, 1e-300, 500 };

  scene_init (&scene, ACROSS, ROOM);
  for (guint i = 0; i < 10000; i++) {
    const double nan = 0.0 / 0.0, inf = 1.0 / 0.0;
    const double x = i % 11 == 0 ? nan : odd[i % 7], y = i % 13 == 0 ? inf : odd[i / 7 % 7];
    const GstDicenetSighting box = { i % 5, "x", x, y, odd[i / 49 % 7], odd[i / 3 % 7], scene.now };
    show (&scene, &box, 1);
  }
  scene_clear (&scene);
}
END_TEST

/* --- time and memory --- */

START_TEST (test_forget_and_reset)
{
  Scene scene;

  scene_init (&scene, ACROSS, ROOM);
  walk (&scene, 1, 500, 400, 500, 600);
  expect_counts (&scene, 0, 1, 0);
  expect_counts (&scene, 1, 1, 0);
  gst_dicenet_counter_forget (scene.counter, scene.events);
  expect_counts (&scene, 0, 1, 0);
  expect_counts (&scene, 1, 1, 1);
  scene.now = 0; /* after a seek, time may be anything */
  walk (&scene, 1, 500, 600, 500, 400);
  expect_counts (&scene, 0, 1, 1);
  expect_counts (&scene, 1, 2, 1);
  gst_dicenet_counter_reset (scene.counter);
  expect_counts (&scene, 0, 0, 0);
  expect_counts (&scene, 1, 0, 0);
  walk (&scene, 1, 500, 400, 500, 420); /* still there: enters anew */
  expect_counts (&scene, 1, 1, 0);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_time_goes_back)
{
  Scene scene;

  scene_init (&scene, NULL, ROOM);
  walk (&scene, 1, 500, 400, 500, 500);
  scene.now -= SECOND;
  walk (&scene, 1, 500, 500, 500, 600);
  scene.now += SECOND;
  walk (&scene, 1, 500, 600, 500, 900);
  expect_counts (&scene, 0, 1, 1);
  ck_assert_int_ge (event_of (&scene, 1)->dwell, 0);
  scene_clear (&scene);
}
END_TEST

/* A camera's clock that is set back must not keep objects in zones until it is that late again. */
START_TEST (test_clock_is_set_back)
{
  Scene scene;

  scene_init (&scene, ACROSS, ROOM);
  scene.now = 3600 * SECOND;
  walk (&scene, 1, 500, 400, 500, 480);
  expect_counts (&scene, 1, 1, 0);
  scene.now = 0;
  walk (&scene, 2, 500, 400, 500, 600);
  expect_counts (&scene, 0, 1, 0);
  expect_counts (&scene, 1, 2, 1);
  show_nothing (&scene, 61);
  expect_counts (&scene, 1, 2, 2);
  ck_assert_uint_eq (gst_dicenet_counter_get_n_tracks (scene.counter), 0);
  for (guint i = 0; i < scene.events->len; i++)
    ck_assert_int_le (event_of (&scene, i)->dwell, 2 * SECOND);
  scene_clear (&scene);
}
END_TEST

START_TEST (test_number_of_objects)
{
  Scene scene;
  GstDicenetSighting boxes[5000];

  scene_init (&scene, ACROSS, NULL);
  for (guint i = 0; i < 5000; i++)
    boxes[i] = box_at (&scene, i + 1, 500, 400);
  ck_assert (
      !gst_dicenet_counter_update (scene.counter, &scene.settings, WIDTH, HEIGHT, FRAME, boxes, 5000, scene.events));
  ck_assert_uint_eq (gst_dicenet_counter_get_n_tracks (scene.counter), 4096);
  scene.now = FRAME;
  show_nothing (&scene, 61);
  for (guint64 i = 0; i < 200000; i++) { /* two hours of new objects: those of the last 2 s are remembered */
    show_one (&scene, 10000 + i, 500, 400);
    if (i > 100)
      ck_assert_uint_le (gst_dicenet_counter_get_n_tracks (scene.counter), 61);
  }
  scene_clear (&scene);
}
END_TEST

static void
add_tests (TCase *tests)
{
  tcase_add_test (tests, test_directions);
  tcase_add_test (tests, test_standing_on_the_line);
  tcase_add_test (tests, test_outliers);
  tcase_add_test (tests, test_there_and_back);
  tcase_add_test (tests, test_around_the_end);
  tcase_add_test (tests, test_first_seen_on_the_line);
  tcase_add_test (tests, test_number_goes_to_another_object);
  tcase_add_test (tests, test_fast_objects_and_gaps);
  tcase_add_test (tests, test_lines_near_each_other);
  tcase_add_test (tests, test_repeated_and_predicted_boxes);
  tcase_add_test (tests, test_zone);
  tcase_add_test (tests, test_edge_of_a_zone);
  tcase_add_test (tests, test_zone_to_the_edge_of_the_frame);
  tcase_add_test (tests, test_lost_in_a_zone);
  tcase_add_test (tests, test_number_leaves_a_zone);
  tcase_add_test (tests, test_shapes_of_zones);
  tcase_add_test (tests, test_centre);
  tcase_add_test (tests, test_frame_size);
  tcase_add_test (tests, test_classes);
  tcase_add_test (tests, test_changing_class);
  tcase_add_test (tests, test_odd_labels);
  tcase_add_test (tests, test_bad_boxes);
  tcase_add_test (tests, test_forget_and_reset);
  tcase_add_test (tests, test_time_goes_back);
  tcase_add_test (tests, test_clock_is_set_back);
  tcase_add_test (tests, test_number_of_objects);
}

int
main (int argc, char **argv)
{
  return run_suite (argc, argv, "counter", add_tests);
}
