/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Effect of `precision` on a session. On a processor without bfloat16, the tests that need it run in float32 instead;
 * test-kernels and the golden files report whether it is available. */

#include "common.h"

#include <math.h>
#include <string.h>

static const char *const models[] = { "anchor-free", "classify", "detect", "pyramid", "segment" };

/* Of the largest output: these networks have random weights, which amplify rounding. */
#define INT8_BOUND 0.5f

static DicenetSession *
open_session (DicenetModel *model, DicenetPrecision precision, guint threads)
{
  return test_open (model, DICENET_BACKEND_CPU, precision, threads);
}

static const char *
output_name (DicenetModel *model)
{
  return dicenet_model_get_task (model) == DICENET_TASK_DETECT ? "confidences" : "logits";
}

/* Outputs for a picture of noise. */
static GArray *
run (DicenetSession *session, guint width, guint height)
{
  g_autoptr (DicenetResult) result = test_run_noise (session, 1, width, height, 3);
  gsize n;
  const gfloat *values = dicenet_result_get_output (result, output_name (dicenet_session_get_model (session)), 0, &n);
  GArray *out = g_array_new (FALSE, FALSE, sizeof (gfloat));
  g_array_append_vals (out, values, (guint) n);
  ck_assert_uint_gt (out->len, 0);
  return out;
}

/* Largest difference relative to the largest value. */
static gfloat
difference (const GArray *a, const GArray *b)
{
  gfloat most = 0, largest = 0;

  ck_assert_uint_eq (a->len, b->len);
  for (guint i = 0; i < a->len; i++) {
    most = MAX (most, fabsf (g_array_index (a, gfloat, i) - g_array_index (b, gfloat, i)));
    largest = MAX (largest, fabsf (g_array_index (a, gfloat, i)));
  }
  return most / largest;
}

START_TEST (auto_takes_what_there_is)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autoptr (DicenetSession) fastest = open_session (model, DICENET_PRECISION_AUTO, 1);
  g_autoptr (DicenetSession) single = open_session (model, DICENET_PRECISION_FLOAT32, 1);
  g_autoptr (DicenetSession) half = open_session (model, DICENET_PRECISION_BFLOAT16, 1);
  const DicenetPrecision found = dicenet_session_get_precision (fastest);

  ck_assert (found == DICENET_PRECISION_FLOAT32 || found == DICENET_PRECISION_BFLOAT16);
  ck_assert_int_eq (dicenet_session_get_precision (single), DICENET_PRECISION_FLOAT32);
  ck_assert_int_eq (dicenet_session_get_precision (half), found);
  ck_assert_ptr_null (dicenet_session_get_warning (fastest));
  ck_assert_ptr_null (dicenet_session_get_warning (single));
  ck_assert_int_eq (dicenet_session_get_warning (half) == NULL, found == DICENET_PRECISION_BFLOAT16);
}
END_TEST

/* Rounding to 8 bits changes the results, but only slightly. */
START_TEST (bfloat16_is_near_float32)
{
  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    g_autoptr (DicenetSession) single = open_session (model, DICENET_PRECISION_FLOAT32, 1);
    g_autoptr (DicenetSession) half = open_session (model, DICENET_PRECISION_BFLOAT16, 1);
    g_autoptr (GArray) a = run (single, 75, 61), b = run (half, 75, 61);
    const gfloat found = difference (a, b);

    if (dicenet_session_get_warning (half) != NULL)
      ck_assert_float_eq (found, 0);
    else
      ck_assert_msg (found > 1e-5f && found < 0.1f, "%s: %g of the largest", models[m], (double) found);
  }
}
END_TEST

/* On every instruction set of an x86-64 processor, and slightly different results. */
START_TEST (int8_is_near_float32)
{
  static const char *const masks[] = { "0", "1", "3", "7", "31" };

  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    for (guint i = 0; i < G_N_ELEMENTS (masks); i++) {
      g_setenv ("DICENET_CPU_MASK", masks[i], TRUE);
      g_autoptr (DicenetSession) single = open_session (model, DICENET_PRECISION_FLOAT32, 1);
      g_autoptr (DicenetSession) rounded = open_session (model, DICENET_PRECISION_INT8, 1);
      g_unsetenv ("DICENET_CPU_MASK");
      g_autoptr (GArray) a = run (single, 75, 61), b = run (rounded, 75, 61);
      const gfloat found = difference (a, b);

      if (dicenet_session_get_warning (rounded) != NULL) {
        ck_assert (strstr (dicenet_session_get_warning (rounded), "x86-64"));
        ck_assert_int_eq (dicenet_session_get_precision (rounded), DICENET_PRECISION_FLOAT32);
        ck_assert_float_eq (found, 0);
      } else {
        ck_assert_int_eq (dicenet_session_get_precision (rounded), DICENET_PRECISION_INT8);
        ck_assert_msg (found > 1e-4f && found < INT8_BOUND, "%s, mask %s: %g of the largest", models[m], masks[i],
                       (double) found);
      }
    }
  }
}
END_TEST

static void
compare_threads (DicenetModel *model, DicenetPrecision precision, guint width, guint height)
{
  g_autoptr (DicenetSession) one = open_session (model, precision, 1);
  g_autoptr (GArray) expected = run (one, width, height);

  for (guint threads = 2; threads <= 5; threads++) {
    g_autoptr (DicenetSession) session = open_session (model, precision, threads);
    g_autoptr (GArray) found = run (session, width, height);
    ck_assert_uint_eq (found->len, expected->len);
    ck_assert_mem_eq (found->data, expected->data, found->len * sizeof (gfloat));
  }
}

START_TEST (threads_change_nothing)
{
  static const guint sizes[][2] = { { 75, 61 }, { 64, 64 }, { 224, 160 } };

  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
      compare_threads (model, DICENET_PRECISION_AUTO, sizes[i][0], sizes[i][1]);
      compare_threads (model, DICENET_PRECISION_INT8, sizes[i][0], sizes[i][1]);
    }
  }
}
END_TEST

static gpointer
open_and_run (gpointer data)
{
  g_autoptr (DicenetSession) session = open_session (data, DICENET_PRECISION_AUTO, 1);
  return run (session, 64, 48);
}

/* The first session creates the weights, once. */
START_TEST (sessions_open_in_parallel)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  GThread *threads[4];
  GArray *found[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("session", open_and_run, model);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    found[i] = g_thread_join (threads[i]);
  for (guint i = 1; i < G_N_ELEMENTS (threads); i++)
    ck_assert_float_eq (difference (found[0], found[i]), 0);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_array_unref (found[i]);
}
END_TEST

/* On a processor without the instructions. */
START_TEST (a_lack_is_told_and_computes_in_float32)
{
  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    g_autoptr (DicenetSession) single = open_session (model, DICENET_PRECISION_FLOAT32, 2);

    g_setenv ("DICENET_CPU_MASK", "7", TRUE);
    g_autoptr (DicenetSession) fastest = open_session (model, DICENET_PRECISION_AUTO, 2);
    g_autoptr (DicenetSession) half = open_session (model, DICENET_PRECISION_BFLOAT16, 2);
    g_unsetenv ("DICENET_CPU_MASK");
    const char *warning = dicenet_session_get_warning (half);
    g_autoptr (GArray) expected = run (single, 75, 61), found = run (half, 75, 61);

    ck_assert_ptr_nonnull (warning);
    ck_assert (strstr (warning, "bfloat16") && strstr (warning, "AVX512-BF16") && strstr (warning, "float32"));
    ck_assert_ptr_null (dicenet_session_get_warning (fastest));
    ck_assert_int_eq (dicenet_session_get_precision (fastest), DICENET_PRECISION_FLOAT32);
    ck_assert_int_eq (dicenet_session_get_precision (half), DICENET_PRECISION_FLOAT32);
    ck_assert_mem_eq (expected->data, found->data, expected->len * sizeof (gfloat));
  }
}
END_TEST

TEST_MAIN ("precision", auto_takes_what_there_is, bfloat16_is_near_float32, int8_is_near_float32,
           threads_change_nothing, sessions_open_in_parallel, a_lack_is_told_and_computes_in_float32)
