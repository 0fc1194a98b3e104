/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <string.h>
#include "../preprocess/pictures.h"

/* Results for parts of pictures are bit-exact with those for copies of the parts. DICENET_TEST_BACKEND selects the
 * backend. */

#define WIDTH  90
#define HEIGHT 71
#define SIZE   32

typedef struct {
  guint x, y, width, height;
} Rectangle;

static const Rectangle rectangles[] = {
  { 0, 0, WIDTH, HEIGHT }, { 1, 1, WIDTH - 1, HEIGHT - 1 }, { 3, 5, 40, 33 }, { 7, 8, 41, 32 }, { 8, 7, 33, 20 },
  { 10, 10, 12, 13 },      { WIDTH - 1, HEIGHT - 1, 1, 1 }, { 89, 0, 1, 71 }, { 0, 70, 90, 1 }, { 13, 21, 64, 48 },
};

static DicenetBackend
backend (void)
{
  return g_strcmp0 (g_getenv ("DICENET_TEST_BACKEND"), "cuda") == 0 ? DICENET_BACKEND_CUDA : DICENET_BACKEND_CPU;
}

static DicenetSession *
open_session (const char *name, guint threads)
{
  g_autoptr (DicenetModel) model = test_model_load (name);
  return test_open (model, backend (), DICENET_PRECISION_FLOAT32, threads);
}

static DicenetRequest *
request_of (const Rectangle *r)
{
  DicenetRequest *request = test_request (SIZE, SIZE);

  dicenet_request_set_rectangle (request, r->x, r->y, r->width, r->height);
  return request;
}

static DicenetResult *
run (DicenetSession *session, const DicenetImage *image, const DicenetRequest *request)
{
  g_autoptr (GError) error = NULL;
  DicenetResult *result = dicenet_session_run_image (session, image, request, &error);
  assert_no_error (error);
  return result;
}

static void
assert_same (DicenetResult *a, DicenetResult *b, const char *name, gboolean expected)
{
  gsize n, m;
  const gfloat *x = dicenet_result_get_output (a, name, 0, &n), *y = dicenet_result_get_output (b, name, 0, &m);

  ck_assert_uint_gt (n, 0);
  ck_assert_uint_eq (n, m);
  ck_assert_int_eq (memcmp (x, y, n * sizeof (gfloat)) == 0, expected);
}

START_TEST (equal_copies)
{
  g_autoptr (DicenetSession) session = open_session ("classify", 2);
  g_autoptr (DicenetRequest) whole = test_request (SIZE, SIZE);
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  const gboolean is_slow = backend () == DICENET_BACKEND_CUDA; /* the emulator */

  for (guint f = 0; f < G_N_ELEMENTS (all_formats); f++) {
    for (RowOrder order = ROWS_TIGHT; order <= ROWS_BACKWARD; order++) {
      if (is_slow && (order != f % 3 || (f > 0 && f < 10))) /* all chroma formats, and one RGB format */
        continue;
      g_autoptr (Picture) picture = picture_new (all_formats[f], WIDTH, HEIGHT, order, random);
      picture->image.matrix = order == ROWS_PADDED ? DICENET_COLOR_MATRIX_BT709 : DICENET_COLOR_MATRIX_BT601;
      g_autoptr (DicenetResult) all = run (session, &picture->image, whole);
      for (guint i = is_slow; i < (is_slow ? 3 : G_N_ELEMENTS (rectangles)); i++) {
        const Rectangle *r = &rectangles[i];
        g_autoptr (Picture) copy = picture_crop (picture, r->x, r->y, r->width, r->height);
        g_autoptr (DicenetRequest) request = request_of (r);
        g_autoptr (DicenetResult) of_part = run (session, &picture->image, request);
        g_autoptr (DicenetResult) of_copy = run (session, &copy->image, whole);
        assert_same (of_part, of_copy, "logits", TRUE);
        assert_same (of_part, all, "logits", i == 0);
      }
    }
  }
}
END_TEST

/* Boxes are fractions of the part, and masks cover the part only. */
START_TEST (results_are_relative)
{
  static const char *const tasks[] = { "detect", "segment" };
  const Rectangle r = { 13, 21, 64, 48 };
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  g_autoptr (Picture) picture = picture_new (DICENET_PIXEL_FORMAT_NV12, WIDTH, HEIGHT, ROWS_PADDED, random);
  g_autoptr (Picture) copy = picture_crop (picture, r.x, r.y, r.width, r.height);

  for (guint t = 0; t < G_N_ELEMENTS (tasks); t++) {
    g_autoptr (DicenetSession) session = open_session (tasks[t], 1);
    g_autoptr (DicenetRequest) part = request_of (&r), whole = test_request (SIZE, SIZE);
    guint n, m;
    dicenet_request_set_threshold (part, 0.25f);
    dicenet_request_set_threshold (whole, 0.25f);
    g_autoptr (DicenetResult) a = run (session, &picture->image, part), b = run (session, &copy->image, whole);
    if (t == 0) {
      const DicenetBox *x = dicenet_result_get_boxes (a, 0, &n), *y = dicenet_result_get_boxes (b, 0, &m);
      ck_assert_uint_gt (n, 0);
      ck_assert_uint_eq (n, m);
      ck_assert_mem_eq (x, y, n * sizeof *x);
    } else {
      ck_assert_uint_eq (g_bytes_get_size (dicenet_result_get_mask (a, 0)), SIZE * SIZE);
      ck_assert (g_bytes_equal (dicenet_result_get_mask (a, 0), dicenet_result_get_mask (b, 0)));
    }
  }
}
END_TEST

START_TEST (outside_is_refused)
{
  static const Rectangle outside[] = {
    { 0, 0, WIDTH + 1, 10 },
    { 1, 0, WIDTH, 10 },
    { 0, 1, 10, HEIGHT },
    { WIDTH, 0, 1, 1 },
    { 0, HEIGHT, 1, 1 },
    { 5, 5, 0, 10 },
    { 5, 5, 10, 0 },
    { G_MAXUINT, 0, 1, 1 },
    { 0, G_MAXUINT, 1, 1 },
    { 1, 1, G_MAXUINT, 1 },
    { G_MAXUINT, 1, G_MAXUINT, 1 },
  };
  g_autoptr (DicenetSession) session = open_session ("classify", 1);
  g_autoptr (Picture) picture = picture_new (DICENET_PIXEL_FORMAT_I420, WIDTH, HEIGHT, ROWS_TIGHT, NULL);
  g_autofree gfloat *tensor = test_noise (3 * SIZE * SIZE, 1);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (outside); i++) {
    g_autoptr (DicenetRequest) request = request_of (&outside[i]);
    ck_assert_ptr_null (dicenet_session_run_image (session, &picture->image, request, &error));
    assert_error (error, DICENET_ERROR_ARGUMENT, "rectangle", "not inside the picture, which has 90 x 71");
  }
  g_autoptr (DicenetRequest) request = request_of (&rectangles[2]);
  ck_assert_ptr_null (dicenet_session_run_tensor (session, tensor, 3 * SIZE * SIZE, 1, request, &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "tensors have no parts");
}
END_TEST

/* Uses more sizes of parts and inferences than tables are cached. */
START_TEST (sizes_come_and_go)
{
  g_autoptr (DicenetSession) session = open_session ("classify", 1);
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  g_autoptr (Picture) picture = picture_new (DICENET_PIXEL_FORMAT_NV12, WIDTH, HEIGHT, ROWS_TIGHT, random);
  DicenetResult *first[18]; /* 16 are cached */

  for (guint round = 0; round < 2; round++) {
    for (guint i = 0; i < G_N_ELEMENTS (first); i++) {
      const Rectangle r = { i, i, 20 + i, 30 - i };
      g_autoptr (DicenetRequest) request = request_of (&r);
      dicenet_request_set_size (request, SIZE + i % 5, SIZE);
      DicenetResult *result = run (session, &picture->image, request);
      if (round == 0) {
        first[i] = result;
        continue;
      }
      assert_same (result, first[i], "logits", TRUE);
      dicenet_result_unref (result);
    }
  }
  for (guint i = 0; i < G_N_ELEMENTS (first); i++)
    dicenet_result_unref (first[i]);
}
END_TEST

TEST_MAIN ("rectangles", equal_copies, results_are_relative, outside_is_refused, sizes_come_and_go)
