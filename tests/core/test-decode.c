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

/* At 65 x 33 pixels, maps have 9 x 5, 5 x 3, 3 x 2 and 2 x 1 cells. */
START_TEST (cells_of_all_maps)
{
  const DicenetShape maps[] = { { 0, 5, 9 }, { 0, 3, 5 }, { 0, 2, 3 }, { 0, 1, 2 } };
  const guint n = dicenet_cells (maps, 65, 33, NULL);
  g_autofree gfloat *p = g_new (gfloat, 4 * n);
  static const struct {
    guint cell;
    double x, y, stride;
  } expected[] = { { 0, 4, 4, 8 },   { 8, 68, 4, 8 },    { 9, 4, 12, 8 },    { 44, 68, 36, 8 },
                   { 45, 8, 8, 16 }, { 60, 16, 16, 32 }, { 66, 32, 32, 64 }, { 67, 96, 32, 64 } };

  ck_assert_uint_eq (n, 45 + 15 + 6 + 2);
  ck_assert_uint_eq (dicenet_cells (maps, 65, 33, p), n);
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++) {
    const gfloat *cell = p + 4 * expected[i].cell;
    ck_assert_float_eq_tol (cell[0], (gfloat) (expected[i].x / 65), 1e-6f);
    ck_assert_float_eq_tol (cell[1], (gfloat) (expected[i].y / 33), 1e-6f);
    ck_assert_float_eq_tol (cell[2], (gfloat) (expected[i].stride / 65), 1e-6f);
    ck_assert_float_eq_tol (cell[3], (gfloat) (expected[i].stride / 33), 1e-6f);
  }
}
END_TEST

static GArray *
decode_cells (const gfloat *confidences, const gfloat *locations, const DicenetDetectParams *params)
{
  static const gfloat cells[] = { 0.3f, 0.5f, 0.1f, 0.2f, 0.5f, 0.5f, 0.1f, 0.2f, 0.9f, 1.1f, 0.1f, 0.2f };
  const char *set;
  return dicenet_decode_boxes (DICENET_HEAD_ANCHOR_FREE, confidences, locations, cells, 3, 3, params,
                               dicenet_pixel_kernels_get (DICENET_CPU_ALL, &set));
}

/* A cell may have several classes; boxes are clipped, before suppression. */
START_TEST (boxes_of_cells)
{
  const gfloat confidences[] = { 2, -9, 1, 3, -1, 0 };
  gfloat locations[] = { 0, logf (2), logf (2), 0, 9, -9, 0, 1, 0, 0, 0, 0 };
  const DicenetDetectParams params = { .threshold = 0.5f, .iou_threshold = 0.45f };
  static const DicenetBox expected[] = {
    { 0, 0.5f, 0.6f, 1, 2, 0.95257413f },     /* 0.5 - 0.1 exp (6), 0.5 - 0.2 exp (-6), 0.5 + 0.1, 0.5 + 0.2 exp (1) */
    { 0.2f, 0.1f, 0.5f, 0.7f, 1, 0.880797f }, /* 0.3 - 0.1, 0.5 - 0.4, 0.3 + 0.2, 0.5 + 0.2 */
    { 0, 0.5f, 0.6f, 1, 1, 0.7310586f },
    { 0.8f, 0.9f, 1, 1, 2, 0.5f }, /* the centre is below the picture */
  };
  g_autoptr (GArray) boxes = decode_cells (confidences, locations, &params);

  ck_assert_uint_eq (boxes->len, G_N_ELEMENTS (expected));
  for (guint i = 0; i < boxes->len; i++) {
    const DicenetBox *box = &g_array_index (boxes, DicenetBox, i);
    ck_assert_uint_eq (box->label_id, expected[i].label_id);
    ck_assert_float_eq_tol (box->confidence, expected[i].confidence, 1e-6f);
    ck_assert_float_eq_tol (box->x0, expected[i].x0, 1e-6f);
    ck_assert_float_eq_tol (box->y0, expected[i].y0, 1e-3f);
    ck_assert_float_eq_tol (box->x1, expected[i].x1, 1e-6f);
    ck_assert_float_eq_tol (box->y1, expected[i].y1, 1e-6f);
  }
  locations[0] = NAN; /* no box of the first cell */
  g_autoptr (GArray) finite = decode_cells (confidences, locations, &params);
  ck_assert_uint_eq (finite->len, 3);
}
END_TEST

START_TEST (thresholds_of_cells)
{
  const gfloat confidences[] = { 2, -9, 1, 3, NAN, -INFINITY }, locations[12] = { 0 }, thresholds[] = { 0, 2, 0.3f };
  const gfloat reached = 1 / (1 + expf (-2));

  for (gint ulps = -1; ulps <= 1; ulps++) {
    const gfloat threshold = ulps == 0 ? reached : nextafterf (reached, ulps > 0 ? 1 : 0);
    g_autoptr (GArray) boxes =
        decode_cells (confidences, locations, &(DicenetDetectParams){ .threshold = threshold, .iou_threshold = 1 });
    ck_assert_uint_eq (boxes->len, ulps > 0 ? 1 : 2);
  }
  g_autoptr (GArray) allowed =
      decode_cells (confidences, locations, &(DicenetDetectParams){ .class_thresholds = thresholds });
  ck_assert_uint_eq (allowed->len, 1);
  ck_assert_uint_eq (g_array_index (allowed, DicenetBox, 0).label_id, 2);
  /* What is not a number reaches no threshold, not even 0. */
  g_autoptr (GArray) all = decode_cells (confidences, locations, &(DicenetDetectParams){ .iou_threshold = 1 });
  ck_assert_uint_eq (all->len, 5);
  g_autoptr (GArray) none = decode_cells (confidences, locations, &(DicenetDetectParams){ .threshold = 1 });
  ck_assert_uint_eq (none->len, 0);
}
END_TEST

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

TEST_MAIN ("decode", softmax_and_top_k, a_threshold_for_each_class, priors_of_the_first_cell, cells_of_all_maps,
           boxes_of_cells, thresholds_of_cells, suppression_is_per_class, limits_and_thresholds, locations_move_boxes)
