/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <math.h>
#include <string.h>

static const char *const models[] = { "anchor-free", "classify", "detect", "pyramid", "segment" };

static DicenetSession *
open_session (DicenetModel *model, guint threads)
{
  return test_open (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32, threads);
}

/* All outputs of a picture, concatenated. */
static GArray *
outputs (DicenetResult *result, guint picture)
{
  static const char *const names[] = { "logits", "confidences", "locations" };
  GArray *all = g_array_new (FALSE, FALSE, sizeof (gfloat));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    gsize n;
    const gfloat *values = dicenet_result_get_output (result, names[i], picture, &n);
    if (values != NULL)
      g_array_append_vals (all, values, (guint) n);
  }
  ck_assert_uint_gt (all->len, 0);
  return all;
}

static GArray *
outputs_of_noise (DicenetSession *session, guint batch, guint width, guint height, guint32 seed)
{
  g_autoptr (DicenetResult) result = test_run_noise (session, batch, width, height, seed);
  return outputs (result, 0);
}

static void
assert_same (GArray *a, GArray *b)
{
  ck_assert_uint_eq (a->len, b->len);
  ck_assert_mem_eq (a->data, b->data, a->len * sizeof (gfloat));
}

START_TEST (runs_at_any_size)
{
  static const guint sizes[][2] = { { 32, 32 }, { 33, 47 }, { 64, 48 }, { 31 + 66, 131 }, { 4096, 32 }, { 32, 1031 } };

  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    g_autoptr (DicenetSession) session = open_session (model, 2);
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
      g_autoptr (GArray) all = outputs_of_noise (session, 1, sizes[i][0], sizes[i][1], i);
      for (guint k = 0; k < all->len; k++)
        ck_assert_msg (isfinite (g_array_index (all, gfloat, k)), "%s at %ux%u", models[m], sizes[i][0], sizes[i][1]);
    }
  }
}
END_TEST

START_TEST (refuses_sizes_out_of_range)
{
  static const guint sizes[][3] = { { 1, 31, 64 }, { 1, 64, 31 }, { 1, 4097, 64 }, { 1, 64, 100000 }, { 0, 64, 64 } };
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autoptr (DicenetSession) session = open_session (model, 1);
  g_autoptr (GError) error = NULL;
  gfloat unread = 0;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (DicenetRequest) request = test_request (sizes[i][1], sizes[i][2]);
    ck_assert (!dicenet_session_run_tensor (session, &unread, 1, sizes[i][0], request, &error));
    assert_error (error, DICENET_ERROR_ARGUMENT, i < 4 ? "from 32x32 to 4096x4096" : "a batch of at least 1");
    ck_assert (!dicenet_session_prepare (session, sizes[i][1], sizes[i][2], sizes[i][0], &error));
    assert_error (error, DICENET_ERROR_ARGUMENT, i < 4 ? "from 32x32 to 4096x4096" : "a batch of at least 1");
  }
  g_autoptr (DicenetRequest) request = test_request (64, 64);
  ck_assert (!dicenet_session_run_tensor (session, &unread, 1, 1, request, &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "expected 1 x 3 x 64 x 64 numbers, found 1");
  g_autoptr (DicenetResult) result = test_run_noise (session, 1, 64, 64, 1);
  ck_assert_ptr_nonnull (dicenet_result_get_output (result, "logits", 0, NULL));
  ck_assert_ptr_null (dicenet_result_get_output (result, "logits", 1, NULL));
  ck_assert_ptr_null (dicenet_result_get_output (result, "boxes", 0, NULL));
}
END_TEST

START_TEST (batch_equals_single)
{
  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    g_autoptr (DicenetSession) together = open_session (model, 2), alone = open_session (model, 2);
    const gsize n = 3 * 50 * 38;
    g_autofree gfloat *input = test_noise (3 * n, 5);
    g_autoptr (DicenetResult) all = test_run_tensor (together, input, 3, 50, 38);

    ck_assert_uint_eq (dicenet_result_get_n_pictures (all), 3);
    for (guint i = 0; i < 3; i++) {
      g_autoptr (DicenetResult) one = test_run_tensor (alone, input + i * n, 1, 50, 38);
      g_autoptr (GArray) a = outputs (all, i), b = outputs (one, 0);
      assert_same (a, b);
    }
  }
}
END_TEST

START_TEST (threads_change_nothing)
{
  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    g_autoptr (DicenetSession) one = open_session (model, 1);
    g_autoptr (GArray) expected = outputs_of_noise (one, 1, 75, 61, 3);
    for (guint threads = 2; threads <= 5; threads++) {
      g_autoptr (DicenetSession) session = open_session (model, threads);
      ck_assert_uint_eq (dicenet_session_get_n_threads (session), threads);
      g_autoptr (GArray) found = outputs_of_noise (session, 1, 75, 61, 3);
      assert_same (expected, found);
    }
  }
}
END_TEST

START_TEST (threads_make_the_same_mask)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autoptr (DicenetSession) one = open_session (model, 1);
  g_autoptr (DicenetResult) expected = test_run_noise (one, 1, 75, 61, 3);

  for (guint threads = 2; threads <= 70; threads += 17) { /* up to more threads than rows */
    g_autoptr (DicenetSession) session = open_session (model, threads);
    g_autoptr (DicenetResult) found = test_run_noise (session, 1, 75, 61, 3);
    ck_assert (g_bytes_equal (dicenet_result_get_mask (expected, 0), dicenet_result_get_mask (found, 0)));
  }
}
END_TEST

/* Another size in between: reused plans and memory must give the same results. */
START_TEST (sizes_alternate)
{
  g_autoptr (DicenetModel) model = test_model_load ("pyramid");
  g_autoptr (DicenetSession) session = open_session (model, 2);
  g_autoptr (GArray) expected = outputs_of_noise (session, 1, 64, 64, 9);

  for (guint i = 0; i < 20; i++) /* more sizes than plans are cached */
    dicenet_result_unref (test_run_noise (session, 1 + i % 2, 64 + i, 80 - i, i));
  g_autoptr (GArray) found = outputs_of_noise (session, 1, 64, 64, 9);
  assert_same (expected, found);
}
END_TEST

typedef struct {
  DicenetModel *model;
  GArray *expected;
} Parallel;

static gpointer
run_parallel (gpointer data)
{
  Parallel *p = data;
  g_autoptr (DicenetSession) session = open_session (p->model, 2);
  for (guint i = 0; i < 5; i++) {
    g_autoptr (GArray) found = outputs_of_noise (session, 1, 64, 48, 11);
    assert_same (p->expected, found);
  }
  return NULL;
}

START_TEST (sessions_run_in_parallel)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autoptr (DicenetSession) session = open_session (model, 1);
  GThread *threads[4];

  Parallel p = { model, outputs_of_noise (session, 1, 64, 48, 11) };
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("session", run_parallel, &p);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_array_unref (p.expected);
}
END_TEST

START_TEST (images_equal_tensors)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (DicenetSession) session = open_session (model, 1);
  g_autoptr (GError) error = NULL;
  guint8 pixels[40 * 44 * 3];
  gfloat tensor[3 * 40 * 44];
  const gfloat mean[] = { 0.485f, 0.456f, 0.406f }, std[] = { 0.229f, 0.224f, 0.225f };

  for (guint i = 0; i < sizeof pixels; i++) {
    pixels[i] = (guint8) (i * 7919 >> 3);
    tensor[i % 3 * (40 * 44) + i / 3] = (pixels[i] / 255.0f - mean[i % 3]) / std[i % 3];
  }
  const DicenetImage image = {
    .format = DICENET_PIXEL_FORMAT_RGB, .width = 40, .height = 44, .planes = { pixels }, .strides = { 120 }
  };
  g_autoptr (DicenetRequest) request = test_request (40, 44);
  g_autoptr (DicenetResult) of_image = dicenet_session_run_image (session, &image, request, &error);
  assert_no_error (error);
  g_autoptr (DicenetResult) of_tensor = test_run_tensor (session, tensor, 1, 40, 44);
  g_autoptr (GArray) a = outputs (of_image, 0), b = outputs (of_tensor, 0);
  for (guint i = 0; i < a->len; i++)
    ck_assert_float_eq_tol (g_array_index (a, gfloat, i), g_array_index (b, gfloat, i), 1e-4f);

  DicenetImage unknown = image;
  unknown.format = DICENET_PIXEL_FORMAT_UNKNOWN;
  ck_assert (!dicenet_session_run_image (session, &unknown, request, &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "format");
  DicenetImage empty = image;
  empty.planes[0] = NULL;
  ck_assert (!dicenet_session_run_image (session, &empty, request, &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "plane 0 of the picture is NULL");
}
END_TEST

START_TEST (mask_is_the_largest_logit)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autoptr (DicenetSession) session = open_session (model, 2);
  const guint width = 301, height = 37, classes = 21;
  g_autofree gfloat *logits = g_new (gfloat, classes * width * height);
  g_autoptr (DicenetResult) result = test_run_noise (session, 1, width, height, 4);
  gsize n;
  const guint8 *mask = g_bytes_get_data (dicenet_result_get_mask (result, 0), &n);

  ck_assert_uint_eq (n, width * height);
  ck_assert (dicenet_result_scale_logits (result, 0, logits, NULL));
  for (guint i = 0; i < height; i++) {
    for (guint j = 0; j < width; j++) {
      guint best = 0;
      for (guint c = 1; c < classes; c++)
        if (logits[(c * height + i) * width + j] > logits[(best * height + i) * width + j])
          best = c;
      ck_assert_uint_eq (mask[i * width + j], best);
    }
  }
}
END_TEST

/* Denormals are flushed while a network runs, and only in its threads. */
START_TEST (floating_point_state_is_left_alone)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autoptr (DicenetSession) session = open_session (model, 2);
  volatile float tiny = 2e-38f, smaller;

  dicenet_result_unref (test_run_noise (session, 1, 64, 48, 2));
  smaller = tiny / 1000;
  ck_assert (smaller != 0);
}
END_TEST

START_TEST (cuda_says_that_it_is_not_there)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (GError) error = NULL;

  g_autoptr (DicenetSession) session = dicenet_session_new (model, NULL, &error);
  assert_no_error (error);
  if (dicenet_session_get_backend (session) == DICENET_BACKEND_CUDA)
    return;
  g_autoptr (DicenetOptions) options = test_options (DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32, 1);
  ck_assert (dicenet_session_new (model, options, &error) == NULL);
  assert_error (error, DICENET_ERROR_BACKEND, "CUDA", "backend=cpu");
}
END_TEST

START_TEST (cpu_mask_is_checked)
{
  static const char *const bad[] = { "abc", "128", "-1", "7x", " 7", "avx2", "99999999999999999999" };
  static const char *const good[] = { "", "0", "7", "15", "31", "127", "0x3" };
  g_autoptr (DicenetModel) model = test_model_load ("classify");

  for (guint i = 0; i < G_N_ELEMENTS (bad) + G_N_ELEMENTS (good); i++) {
    const gboolean is_bad = i < G_N_ELEMENTS (bad);
    const char *text = is_bad ? bad[i] : good[i - G_N_ELEMENTS (bad)];
    g_autoptr (GError) error = NULL;
    g_setenv ("DICENET_CPU_MASK", text, TRUE);
    g_autoptr (DicenetOptions) options = test_options (DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32, 1);
    g_autoptr (DicenetSession) session = dicenet_session_new (model, options, &error);
    ck_assert_msg ((session == NULL) == is_bad, "%s", text);
    if (is_bad)
      assert_error (error, DICENET_ERROR_ARGUMENT, "DICENET_CPU_MASK", text);
  }
  g_unsetenv ("DICENET_CPU_MASK");
}
END_TEST

TEST_MAIN ("session", cpu_mask_is_checked, runs_at_any_size, refuses_sizes_out_of_range, batch_equals_single,
           threads_change_nothing, threads_make_the_same_mask, sizes_alternate, sessions_run_in_parallel,
           images_equal_tensors, mask_is_the_largest_logit, floating_point_state_is_left_alone,
           cuda_says_that_it_is_not_there)
