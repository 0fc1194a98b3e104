/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <math.h>
#include "prepost/decode.h"
#include "graph/priors.h"

START_TEST (softmax_and_top_k)
{
  const gfloat logits[] = { 0, logf (2), logf (5), -INFINITY, logf (2) }; /* ratios 1 : 2 : 5 : 0 : 2 */
  g_autoptr (GArray) all = dicenet_decode_classes (logits, 5, FALSE, 0, &(DicenetDetectParams){ .threshold = 0.05f });
  g_autoptr (GArray) top = dicenet_decode_classes (logits, 5, FALSE, 2, &(DicenetDetectParams){ 0 });
  g_autoptr (GArray) multi = dicenet_decode_classes (logits, 5, TRUE, 0, &(DicenetDetectParams){ .threshold = 0.6f });

  ck_assert_uint_eq (all->len, 4);
  ck_assert_uint_eq (g_array_index (all, DicenetClass, 0).label_id, 2);
  ck_assert_float_eq_tol (g_array_index (all, DicenetClass, 0).confidence, 0.5f, 1e-6f);
  ck_assert_uint_eq (g_array_index (all, DicenetClass, 1).label_id, 1); /* of equals, the lower index first */
  ck_assert_uint_eq (g_array_index (all, DicenetClass, 2).label_id, 4);
  ck_assert_uint_eq (top->len, 2);
  ck_assert_uint_eq (multi->len, 3);
  ck_assert_float_eq_tol (g_array_index (multi, DicenetClass, 0).confidence, 5.0f / 6, 1e-6f);
}
END_TEST

/* At 1/2, 2/3, 5/6, 0 and 2/3. */
START_TEST (a_threshold_for_each_class)
{
  const gfloat logits[] = { 0, logf (2), logf (5), -INFINITY, logf (2) };
  const gfloat thresholds[] = { 0.4f, 0.7f, 2, 0, 0.6f }; /* class 2 left out */
  const DicenetDetectParams params = { .threshold = 1, .class_thresholds = thresholds };
  g_autoptr (GArray) found = dicenet_decode_classes (logits, 5, TRUE, 0, &params);

  ck_assert_uint_eq (found->len, 3);
  ck_assert_uint_eq (g_array_index (found, DicenetClass, 0).label_id, 4);
  ck_assert_uint_eq (g_array_index (found, DicenetClass, 1).label_id, 0);
  ck_assert_uint_eq (g_array_index (found, DicenetClass, 2).label_id, 3);
  ck_assert_float_eq (dicenet_lowest_threshold (&params, 5), 0);
  ck_assert_float_eq (dicenet_lowest_threshold (&params, 3), 0.7f); /* without class 0, the background */
}
END_TEST

/* Computed by hand from the definition of the detector: at 300 pixels, sides of 30 and 77. */
START_TEST (priors_of_the_first_cell)
{
  const DicenetShape maps[] = { { 0, 38, 67 }, { 0, 19, 34 }, { 0, 10, 17 }, { 0, 5, 9 }, { 0, 3, 5 }, { 0, 1, 1 } };
  static const gfloat sizes[] = { 30, 77, 125, 172, 220, 267, 315 };
  const guint n = dicenet_priors (maps, sizes, 533, 300, NULL);
  g_autofree gfloat *p = g_new (gfloat, 4 * n);
  const double wide = 30 * sqrt (2);

  ck_assert_uint_eq (n, 20538);
  dicenet_priors (maps, sizes, 533, 300, p);
  ck_assert_float_eq_tol (p[0], 4 / 533.0f, 1e-6f);
  ck_assert_float_eq_tol (p[1], 4 / 300.0f, 1e-6f);
  ck_assert_float_eq_tol (p[2], 30 / 533.0f, 1e-6f);
  ck_assert_float_eq_tol (p[3], 0.1f, 1e-6f);
  ck_assert_float_eq_tol (p[6], sqrtf (30 * 77) / 533, 1e-6f);
  ck_assert_float_eq_tol (p[10], (gfloat) wide / 533, 1e-6f);
  ck_assert_float_eq_tol (p[11], (gfloat) (30 / sqrt (2) / 300), 1e-6f);
  ck_assert_float_eq_tol (p[4 * (n - 6)], 0.5f, 1e-6f); /* the single cell of the last map is centred */
  for (guint i = 0; i < 4 * n; i++)
    ck_assert (p[i] >= 0 && p[i] <= 1);
}
END_TEST

/* Priors in a row; prior i has a class with some confidence. */
typedef struct {
  gfloat confidences[4 * 3], locations[4 * 4], priors[4 * 4];
} Scene;

static Scene
make_scene (void)
{
  Scene s = { .priors = { 0.30f, 0.5f, 0.2f, 0.2f, 0.32f, 0.5f, 0.2f, 0.2f, 0.70f, 0.5f, 0.2f, 0.2f, 0.31f, 0.5f, 0.2f,
                          0.2f } };
  const gfloat strength[] = { 3, 2, 1, 2.5f };
  const guint class_of[] = { 1, 1, 1, 2 };
  for (guint i = 0; i < 4; i++)
    s.confidences[3 * i + class_of[i]] = strength[i];
  return s;
}

static GArray *
decode (const Scene *s, const DicenetDetectParams *params)
{
  const char *set;
  return dicenet_decode_boxes (DICENET_HEAD_SSD, s->confidences, s->locations, s->priors, 4, 3, params,
                               dicenet_pixel_kernels_get (DICENET_CPU_ALL, &set));
}

START_TEST (suppression_is_per_class)
{
  const Scene s = make_scene ();
  g_autoptr (GArray) boxes = decode (&s, &(DicenetDetectParams){ .threshold = 0.3f, .iou_threshold = 0.45f });

  /* The second box of class 1 is suppressed, the one of class 2 at the same position is not. */
  ck_assert_uint_eq (boxes->len, 3);
  ck_assert_uint_eq (g_array_index (boxes, DicenetBox, 0).label_id, 1);
  ck_assert_uint_eq (g_array_index (boxes, DicenetBox, 1).label_id, 2);
  ck_assert_float_eq_tol (g_array_index (boxes, DicenetBox, 0).x0, 0.2f, 1e-6f);
  ck_assert_float_eq_tol (g_array_index (boxes, DicenetBox, 2).x1, 0.8f, 1e-6f);
  ck_assert_float_eq_tol (g_array_index (boxes, DicenetBox, 0).confidence, expf (3) / (expf (3) + 2), 1e-6f);

  g_autoptr (GArray) overlapping = decode (&s, &(DicenetDetectParams){ .threshold = 0.3f, .iou_threshold = 0.9f });
  ck_assert_uint_eq (overlapping->len, 4);
}
END_TEST

START_TEST (limits_and_thresholds)
{
  const Scene s = make_scene ();
  const gfloat thresholds[] = { 0, 2, 0.3f }; /* background, class left out, 0.3 */

  g_autoptr (GArray) one =
      decode (&s, &(DicenetDetectParams){ .threshold = 0.3f, .iou_threshold = 0.45f, .max_detections = 1 });
  ck_assert_uint_eq (one->len, 1);
  ck_assert_uint_eq (g_array_index (one, DicenetBox, 0).label_id, 1);
  g_autoptr (GArray) each =
      decode (&s, &(DicenetDetectParams){ .threshold = 0.3f, .iou_threshold = 0.45f, .max_per_class = 1 });
  ck_assert_uint_eq (each->len, 2);
  g_autoptr (GArray) allowed =
      decode (&s, &(DicenetDetectParams){ .iou_threshold = 0.45f, .class_thresholds = thresholds });
  ck_assert_uint_eq (allowed->len, 1);
  ck_assert_uint_eq (g_array_index (allowed, DicenetBox, 0).label_id, 2);
  g_autoptr (GArray) none = decode (&s, &(DicenetDetectParams){ .threshold = 0.99f, .iou_threshold = 0.45f });
  ck_assert_uint_eq (none->len, 0);
  /* The shortcut that skips priors below the threshold must not lose any above it. */
  g_autoptr (GArray) exact =
      decode (&s, &(DicenetDetectParams){ .threshold = expf (1) / (expf (1) + 2) - 1e-6f, .iou_threshold = 1 });
  ck_assert_uint_eq (exact->len, 4);
}
END_TEST

START_TEST (locations_move_boxes)
{
  Scene s = make_scene ();
  s.locations[8] = 2;             /* moves centre x by 0.1 * 2 * 0.2 */
  s.locations[10] = 5 * logf (2); /* twice as wide */
  g_autoptr (GArray) boxes = decode (&s, &(DicenetDetectParams){ .threshold = 0.3f, .iou_threshold = 0.45f });
  const DicenetBox *moved = &g_array_index (boxes, DicenetBox, 2);
  ck_assert_float_eq_tol (moved->x0, 0.54f, 1e-5f);
  ck_assert_float_eq_tol (moved->x1, 0.94f, 1e-5f);

  s.locations[10] = 1e6f; /* a box whose width overflows is dropped */
  g_autoptr (GArray) finite = decode (&s, &(DicenetDetectParams){ .threshold = 0.3f, .iou_threshold = 0.45f });
  ck_assert_uint_eq (finite->len, 2);
}
END_TEST

TEST_MAIN ("decode", softmax_and_top_k, a_threshold_for_each_class, priors_of_the_first_cell, suppression_is_per_class,
           limits_and_thresholds, locations_move_boxes)
