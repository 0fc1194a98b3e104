/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Effect of `precision` on a session. On a processor without bfloat16, the tests that need it run in float32 instead;
 * test-kernels and the golden files report whether it is available. */

#include "common.h"

#include <math.h>
#include <string.h>
#include "api/model-private.h"
#include "api/session-private.h"
#include "cpu/precision.h"

static const char *const models[] = { "anchor-free", "classify", "detect", "pyramid", "segment" };

/* Of the largest output: these networks have random weights, which amplify rounding. */
#define INT8_BOUND 0.5f

static DicenetSession *
open_session (DicenetModel *model, DicenetPrecision precision, guint threads)
{
  return test_open (model, DICENET_BACKEND_CPU, precision, threads);
}

static void
append_output (GArray *out, DicenetResult *result, const char *name)
{
  gsize n;
  const gfloat *values = dicenet_result_get_output (result, name, 0, &n);

  ck_assert_uint_gt (n, 0);
  g_array_append_vals (out, values, (guint) n);
}

/* Takes ownership of @result. */
static GArray *
outputs_of (DicenetSession *session, DicenetResult *result)
{
  GArray *out = g_array_new (FALSE, FALSE, sizeof (gfloat));

  if (dicenet_model_get_task (dicenet_session_get_model (session)) == DICENET_TASK_DETECT) {
    append_output (out, result, "confidences");
    append_output (out, result, "locations");
  } else {
    append_output (out, result, "logits");
  }
  dicenet_result_unref (result);
  return out;
}

/* Outputs for a picture of noise. */
static GArray *
run (DicenetSession *session, guint width, guint height)
{
  return outputs_of (session, test_run_noise (session, 1, width, height, 3));
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

/* Of the instruction sets of x86-64 processors and, from the baseline on, ARM's. */
static const char *const masks[] = { "0", "1", "3", "7", "31", "35", "65", "127" };

static DicenetSession *
open_with_mask (DicenetModel *model, const char *mask, DicenetPrecision precision, guint threads)
{
  g_setenv ("DICENET_CPU_MASK", mask, TRUE);
  DicenetSession *session = open_session (model, precision, threads);
  g_unsetenv ("DICENET_CPU_MASK");
  return session;
}

#if defined(__x86_64__) || defined(__aarch64__)
#define HAS_INT8 TRUE
#else
#define HAS_INT8 FALSE /* but for the reference */
#endif

/* On every instruction set, and slightly different results. */
START_TEST (int8_is_near_float32)
{
  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    for (guint i = 0; i < G_N_ELEMENTS (masks); i++) {
      g_autoptr (DicenetSession) single = open_with_mask (model, masks[i], DICENET_PRECISION_FLOAT32, 1);
      g_autoptr (DicenetSession) rounded = open_with_mask (model, masks[i], DICENET_PRECISION_INT8, 1);
      g_autoptr (GArray) a = run (single, 75, 61), b = run (rounded, 75, 61);
      const gfloat found = difference (a, b);

      if (!HAS_INT8 && dicenet_session_get_precision (rounded) == DICENET_PRECISION_FLOAT32) {
        ck_assert (strstr (dicenet_session_get_warning (rounded), "x86-64"));
        ck_assert_float_eq (found, 0);
      } else {
        ck_assert_int_eq (dicenet_session_get_precision (rounded), DICENET_PRECISION_INT8);
        ck_assert (strstr (dicenet_session_get_warning (rounded), "models/quantize.py MODEL PHOTOS"));
        ck_assert_msg (found > 1e-4f && found < INT8_BOUND, "%s, mask %s: %g of the largest", models[m], masks[i],
                       (double) found);
      }
    }
  }
}
END_TEST

/* The value of int8_ranges with the very ranges of a run, each bound times @factor. */
static char *
ranges_of_run (DicenetSession *session, guint width, guint height, gfloat factor)
{
  const DicenetGraph *graph = dicenet_model_get_program (dicenet_session_get_model (session))->graph;
  const guint n = dicenet_cpu_n_int8 (graph, graph->nodes->len);
  g_autofree DicenetHistogram *histograms = g_new0 (DicenetHistogram, n);
  GString *text = g_string_new ("[");

  dicenet_session_get_executor (session)->histograms = histograms;
  g_array_unref (run (session, width, height));
  dicenet_session_get_executor (session)->histograms = NULL;
  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s[%.9g, %.9g]", i ? ", " : "", (double) (histograms[i].low * factor),
                            (double) (histograms[i].high * factor));
  return g_string_free (g_string_append_c (text, ']'), FALSE);
}

/* Takes ownership of @value. */
static DicenetModel *
model_with_ranges (const char *name, const char *folder, char *value)
{
  g_autofree char *ranges = value;
  g_autoptr (GError) error = NULL;
  DicenetModel *model = test_model_with (name, folder, "int8_ranges", ranges, &error);

  assert_no_error (error);
  return model;
}

/* The model's ranges give the same as the same ranges that were found on the way, and others something else. */
static void
compare_ranges (const char *name, const char *mask, const char *folder)
{
  g_autoptr (DicenetModel) model = test_model_load (name);
  g_autoptr (DicenetSession) without = open_with_mask (model, mask, DICENET_PRECISION_INT8, 2);
  if (dicenet_session_get_precision (without) == DICENET_PRECISION_FLOAT32)
    return;
  g_autoptr (GArray) expected = run (without, 75, 61);
  g_autoptr (DicenetModel) same = model_with_ranges (name, folder, ranges_of_run (without, 75, 61, 1));
  g_autoptr (DicenetModel) narrow = model_with_ranges (name, folder, ranges_of_run (without, 75, 61, 0.75f));

  for (guint threads = 1; threads <= 3; threads++) {
    g_autoptr (DicenetSession) with = open_with_mask (same, mask, DICENET_PRECISION_INT8, threads);
    g_autoptr (DicenetSession) limited = open_with_mask (narrow, mask, DICENET_PRECISION_INT8, threads);
    g_autoptr (GArray) found = run (with, 75, 61), other = run (limited, 75, 61);
    ck_assert_ptr_null (dicenet_session_get_warning (with));
    ck_assert_uint_eq (found->len, expected->len);
    ck_assert_msg (memcmp (found->data, expected->data, found->len * sizeof (gfloat)) == 0, "%s, mask %s, %u threads",
                   name, mask, threads);
    ck_assert_msg (difference (expected, other) > 1e-4f, "%s, mask %s", name, mask);
  }
}

START_TEST (ranges_of_the_model)
{
  char *folder = test_folder_new ();

  for (guint m = 0; m < G_N_ELEMENTS (models); m++)
    for (guint i = 0; i < G_N_ELEMENTS (masks); i++)
      compare_ranges (models[m], masks[i], folder);
  test_folder_remove (folder);
}
END_TEST

/* If nothing but zero is in range, all pictures look the same. Float32 ignores the ranges. */
START_TEST (ranges_are_limits)
{
  char *folder = test_folder_new ();
  g_autoptr (DicenetModel) plain = test_model_load ("segment");
  g_autoptr (DicenetSession) without = open_session (plain, DICENET_PRECISION_FLOAT32, 1);
  g_autoptr (DicenetModel) model = model_with_ranges ("segment", folder, ranges_of_run (without, 64, 48, 0));
  g_autoptr (DicenetSession) rounded = open_session (model, DICENET_PRECISION_INT8, 1);
  g_autoptr (DicenetSession) single = open_session (model, DICENET_PRECISION_FLOAT32, 1);
  g_autoptr (DicenetResult) a = test_run_noise (rounded, 1, 64, 48, 1), b = test_run_noise (rounded, 1, 64, 48, 2);
  g_autoptr (GArray) c = run (single, 75, 61), d = run (without, 75, 61);
  gsize n, m;
  const gfloat *first = dicenet_result_get_output (a, "logits", 0, &n),
               *second = dicenet_result_get_output (b, "logits", 0, &m);

  ck_assert_uint_eq (n, m);
  if (dicenet_session_get_precision (rounded) == DICENET_PRECISION_INT8)
    ck_assert_mem_eq (first, second, n * sizeof (gfloat));
  ck_assert_float_eq (difference (c, d), 0);
  ck_assert_ptr_null (dicenet_session_get_warning (single));
  test_folder_remove (folder);
}
END_TEST

/* Outputs for a picture of one colour. */
static GArray *
run_flat (DicenetSession *session)
{
  const guint side = 160, pixels = side * side;
  g_autofree gfloat *tensor = g_new (gfloat, 3 * pixels);

  for (guint i = 0; i < 3 * pixels; i++)
    tensor[i] = 1.3f - 0.9f * (gfloat) (i / pixels);
  return outputs_of (session, test_run_tensor (session, tensor, 1, side, side));
}

static void
append_means (GString *text, const DicenetHistogram *histogram, guint channels)
{
  gdouble values = 0;

  for (guint bin = 0; bin < G_N_ELEMENTS (histogram->counts); bin++)
    values += (gdouble) histogram->counts[bin];
  for (guint c = 0; c < channels; c++)
    g_string_append_printf (text, "%s%.9g", c ? "," : "", histogram->sums[c] / values * channels);
}

/* The value of int8_means with the means of a run on that picture. */
static char *
means_of_run (DicenetSession *session)
{
  const DicenetGraph *graph = dicenet_model_get_program (dicenet_session_get_model (session))->graph;
  const guint n = dicenet_cpu_n_int8 (graph, graph->nodes->len);
  g_autofree DicenetHistogram *histograms = g_new0 (DicenetHistogram, n);
  GString *text = g_string_new ("[");

  for (guint i = 0; i < n; i++)
    histograms[i].sums = g_new0 (gdouble, 8192);
  dicenet_session_get_executor (session)->histograms = histograms;
  g_array_unref (run_flat (session));
  dicenet_session_get_executor (session)->histograms = NULL;
  for (guint i = 0; i < graph->nodes->len; i++) {
    const DicenetNode *node = dicenet_graph_node (graph, i);
    if (!dicenet_cpu_is_int8 (graph, node))
      continue;
    g_string_append (text, text->len > 1 ? ",[" : "[");
    append_means (text, &histograms[dicenet_cpu_n_int8 (graph, i)], dicenet_node_channels (graph, node->inputs[0]));
    g_string_append_c (text, ']');
  }
  for (guint i = 0; i < n; i++)
    g_free (histograms[i].sums);
  return g_string_free (g_string_append_c (text, ']'), FALSE);
}

static gdouble
squared_error (const GArray *a, const GArray *b)
{
  gdouble error = 0, size = 0;

  for (guint i = 0; i < a->len; i++) {
    error += pow ((gdouble) (g_array_index (a, gfloat, i) - g_array_index (b, gfloat, i)), 2);
    size += pow ((gdouble) g_array_index (a, gfloat, i), 2);
  }
  return error / size;
}

/* With the means of its inputs, int8 is nearer to float32: here, inputs are hardly anything else. Float32 ignores them.
 * Detectors with random weights amplify what is left too much. */
START_TEST (means_correct_weights)
{
  static const char *const names[] = { "classify", "segment" };
  char *folder = test_folder_new ();

  for (guint m = 0; m < G_N_ELEMENTS (names); m++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DicenetModel) model = test_model_load (names[m]);
    g_autoptr (DicenetSession) single = open_session (model, DICENET_PRECISION_FLOAT32, 2);
    g_autoptr (DicenetSession) rounded = open_session (model, DICENET_PRECISION_INT8, 2);
    g_autofree char *means = means_of_run (single);
    g_autoptr (DicenetModel) other = test_model_with (names[m], folder, "int8_means", means, &error);
    assert_no_error (error);
    g_autoptr (DicenetSession) corrected = open_session (other, DICENET_PRECISION_INT8, 2);
    g_autoptr (DicenetSession) same = open_session (other, DICENET_PRECISION_FLOAT32, 2);
    g_autoptr (GArray) a = run_flat (single), b = run_flat (rounded), c = run_flat (corrected), d = run_flat (same);
    const gdouble without = squared_error (a, b), with = squared_error (a, c);
    ck_assert_float_eq (difference (a, d), 0);
    ck_assert_msg (with == 0 || with < 0.7 * without, "%s: %g with the means, %g without", names[m], with, without);
  }
  test_folder_remove (folder);
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

TEST_MAIN ("precision", auto_takes_what_there_is, bfloat16_is_near_float32, int8_is_near_float32, ranges_of_the_model,
           ranges_are_limits, means_correct_weights, threads_change_nothing, sessions_open_in_parallel,
           a_lack_is_told_and_computes_in_float32)
