/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../core/common.h"

#include <math.h>
#include <string.h>
#include "prepost/decode.h"
#include "sessions.h"

/* Sessions on the CUDA backend, in the emulator: their results, and their errors if the GPU is not usable
 * (DICENET_EMULATED_GPU). */

static const char *const models[] = {
  "classify", "detect", "pyramid", "anchor-free", "segment", "mobilenet", "resnet"
};

static DicenetSession *
open_session (DicenetModel *model, DicenetBackend backend, DicenetPrecision precision)
{
  return test_open (model, backend, precision, 1);
}

static DicenetSession *
open_gpu (DicenetModel *model)
{
  return open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
}

static DicenetSession *
open_cpu (DicenetModel *model)
{
  return open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);
}

static DicenetResult *
run_noise (DicenetSession *session, guint batch, guint width, guint height)
{
  return test_run_noise (session, batch, width, height, width * height);
}

/* With noise as the input. */
static gfloat
difference_of (DicenetSession *a, DicenetSession *b, guint batch, guint width, guint height)
{
  g_autoptr (DicenetResult) x = run_noise (a, batch, width, height), y = run_noise (b, batch, width, height);
  return difference (x, y, batch - 1, batch - 1);
}

START_TEST (equals_the_processor)
{
  static const guint sizes[][2] = { { 64, 48 }, { 33, 47 }, { 97, 131 }, { 32, 301 } };

  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    g_autoptr (DicenetSession) gpu = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
    g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);
    ck_assert_int_eq (dicenet_session_get_backend (gpu), DICENET_BACKEND_CUDA);
    ck_assert_str_eq (dicenet_session_get_device (gpu), "Emulated GPU (GPU 0, compute capability 9.0)");
    /* The last two models have no additional operations. */
    for (guint i = 0; i < (m < 4 ? G_N_ELEMENTS (sizes) : 1); i++) {
      const gfloat found = difference_of (gpu, cpu, 1, sizes[i][0], sizes[i][1]);
      ck_assert_msg (found < 1e-4f, "%s at %u x %u: %g", models[m], sizes[i][0], sizes[i][1], (gdouble) found);
    }
  }
}
END_TEST

START_TEST (precisions_are_near_float32)
{
  static const struct {
    DicenetPrecision precision;
    gfloat limit;
  } cases[] = { { DICENET_PRECISION_TF32, 2e-2f },
                { DICENET_PRECISION_FLOAT16, 2e-2f },
                { DICENET_PRECISION_BFLOAT16, 0.1f } };
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DicenetSession) gpu = open_session (model, DICENET_BACKEND_CUDA, cases[i].precision);
    const gfloat found = difference_of (gpu, cpu, 1, 64, 64);
    ck_assert_int_eq (dicenet_session_get_precision (gpu), cases[i].precision);
    ck_assert_msg (found > 0 && found < cases[i].limit, "precision %d: %g", cases[i].precision, (gdouble) found);
  }
}
END_TEST

START_TEST (int8_is_told_and_computes_in_float32)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (DicenetSession) single = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
  g_autoptr (DicenetSession) gpu = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_INT8);
  const char *warning = dicenet_session_get_warning (gpu);

  ck_assert_int_eq (dicenet_session_get_precision (gpu), DICENET_PRECISION_FLOAT32);
  ck_assert (warning && strstr (warning, "int8") && strstr (warning, "float32"));
  ck_assert_float_eq (difference_of (gpu, single, 1, 64, 64), 0);
}
END_TEST

START_TEST (batches_equal_single_pictures)
{
  for (guint m = 0; m < 4; m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    g_autoptr (DicenetSession) many = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
    g_autoptr (DicenetSession) one = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);
    const gsize n = 3 * 64 * 48;
    g_autofree gfloat *input = test_noise (3 * n, 7);
    g_autoptr (DicenetResult) all = test_run_tensor (many, input, 3, 64, 48);
    for (guint i = 0; i < 3; i++) {
      g_autoptr (DicenetResult) alone = test_run_tensor (one, input + i * n, 1, 64, 48);
      ck_assert (difference (all, alone, i, 0) < 1e-4f);
    }
  }
}
END_TEST

/* Sizes change, to smaller and larger ones; no data of another size remains. */
START_TEST (sizes_alternate)
{
  static const guint sizes[] = { 64, 32, 160, 64, 33, 160, 48, 80, 96, 112, 128, 144, 64 };
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autoptr (DicenetSession) gpu = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
  g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    ck_assert (difference_of (gpu, cpu, 1 + i % 2, sizes[i], 48) < 1e-4f);
}
END_TEST

START_TEST (pictures_equal_the_processor_s)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autoptr (DicenetSession) gpu = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
  g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *pixels = g_malloc (3 * 100 * 80);

  for (guint i = 0; i < 3 * 100 * 80; i++)
    pixels[i] = (guint8) (i * 7 + i / 91);
  g_autoptr (GBytes) bytes = g_bytes_new (pixels, 3 * 100 * 80);
  g_autoptr (DicenetRequest) request = test_request (64, 48);
  g_autoptr (DicenetResult) a =
      dicenet_session_run_bytes (gpu, bytes, DICENET_PIXEL_FORMAT_RGB, 100, 80, request, &error);
  g_autoptr (DicenetResult) b =
      dicenet_session_run_bytes (cpu, bytes, DICENET_PIXEL_FORMAT_RGB, 100, 80, request, &error);
  ck_assert (difference (a, b, 0, 0) < 1e-4f);
}
END_TEST

START_TEST (a_processor_cannot_read_the_device_s_memory)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);
  g_autoptr (GError) error = NULL;
  const DicenetImage image = {
    .format = DICENET_PIXEL_FORMAT_GRAY8, .width = 64, .height = 48, .memory = DICENET_MEMORY_DEVICE
  };

  ck_assert_ptr_null (dicenet_session_run_image (cpu, &image, NULL, &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "a GPU's memory", "system memory", "backend=cuda");
}
END_TEST

/* Masks are computed on the device; they equal the argmax of the logits, scaled here, up to rounding. */
START_TEST (masks_are_the_largest_logits)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autoptr (DicenetSession) session = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
  const guint w = 97, h = 131, classes = 21;
  g_autofree gfloat *logits = g_new (gfloat, (gsize) classes * w * h);
  g_autoptr (DicenetResult) result = run_noise (session, 2, w, h);
  guint wrong = 0;

  for (guint picture = 0; picture < 2; picture++) {
    const guint8 *mask = g_bytes_get_data (dicenet_result_get_mask (result, picture), NULL);
    ck_assert (dicenet_result_scale_logits (result, picture, logits, NULL));
    for (guint p = 0; p < w * h; p++) {
      guint best = 0;
      for (guint c = 1; c < classes; c++)
        best = logits[c * w * h + p] > logits[best * w * h + p] ? c : best;
      wrong += mask[p] != best;
    }
  }
  ck_assert_uint_le (wrong, 2 * w * h / 1000);
}
END_TEST

/* Asserts that the boxes of a picture in a batch of two equal those that the CPU makes of the same raw outputs with
 * @params. Returns their number. */
static guint
assert_boxes (DicenetSession *session, DicenetRequest *request, guint picture, const DicenetDetectParams *params)
{
  g_autofree gfloat *input = test_noise (2 * 3 * 64 * 80, 5);
  gsize n_priors;
  const char *set;
  guint n;

  dicenet_request_set_max_detections (request, params->max_detections);
  dicenet_request_set_max_per_class (request, 0);
  dicenet_request_set_cross_class_iou_threshold (request, 1); /* what follows the decoding on every backend */
  g_autoptr (DicenetResult) result = dicenet_session_run_tensor (session, input, 2 * 3 * 64 * 80, 2, request, NULL);
  const DicenetBox *made = dicenet_result_get_boxes (result, picture, &n);
  const gfloat *priors = dicenet_result_get_priors (result, &n_priors);
  g_autoptr (GArray) expected =
      dicenet_decode_boxes (dicenet_model_get_head (dicenet_session_get_model (session)),
                            dicenet_result_get_output (result, "confidences", picture, NULL),
                            dicenet_result_get_output (result, "locations", picture, NULL), priors,
                            (guint) n_priors / 4, 5, params, dicenet_pixel_kernels_get (DICENET_CPU_ALL, &set));
  ck_assert_uint_eq (n, expected->len);
  for (guint k = 0; k < n; k++) {
    const DicenetBox *a = &made[k], *b = &g_array_index (expected, DicenetBox, k);
    ck_assert_uint_eq (a->label_id, b->label_id);
    ck_assert (fabsf (a->confidence - b->confidence) < 1e-5f && fabsf (a->x0 - b->x0) < 1e-5f &&
               fabsf (a->y1 - b->y1) < 1e-5f);
  }
  return n;
}

/* Thresholds may change between calls, and without a limit there can be more boxes than fit in the device's buffer. */
static void
assert_same_boxes (const char *name)
{
  g_autoptr (DicenetModel) model = test_model_load (name);
  g_autoptr (DicenetSession) session = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
  guint found = 0;

  for (guint i = 0; i < 4; i++) {
    const DicenetDetectParams params = { .threshold = 0.1f + 0.05f * (gfloat) i,
                                         .iou_threshold = 0.45f,
                                         .max_detections = i == 2   ? 3
                                                           : i == 3 ? 0
                                                                    : 100 };
    g_autoptr (DicenetRequest) request = test_request (64, 80);
    dicenet_request_set_threshold (request, params.threshold);
    found += assert_boxes (session, request, i % 2, &params);
  }
  ck_assert_uint_gt (found, 10);
}

START_TEST (boxes_are_the_processor_s)
{
  assert_same_boxes ("detect");
  assert_same_boxes ("anchor-free");
}
END_TEST

START_TEST (boxes_reach_the_model_s_thresholds)
{
  g_autoptr (DicenetModel) model = test_model_load ("choosy");
  g_autoptr (DicenetSession) session = open_gpu (model);
  g_autoptr (DicenetRequest) request = test_request (64, 80);
  const DicenetDetectParams params = { .iou_threshold = 0.45f,
                                       .class_thresholds = dicenet_model_get_thresholds (model, NULL) };

  ck_assert_uint_gt (assert_boxes (session, request, 1, &params), 10);
}
END_TEST

static gpointer
run_many (gpointer model)
{
  g_autoptr (DicenetSession) session = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
  g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);

  for (guint i = 0; i < 4; i++)
    if (!(difference_of (session, cpu, 1, 64, 32 + 16 * i) < 1e-4f))
      return GINT_TO_POINTER (1); /* NULL if all are equal */
  return NULL;
}

START_TEST (sessions_share_the_device)
{
  g_autoptr (DicenetModel) model = test_model_load ("detect");
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("session", run_many, model);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    ck_assert_ptr_null (g_thread_join (threads[i]));
}
END_TEST

/* --- errors --- */

static void
be (const char *gpu)
{
  g_setenv ("DICENET_EMULATED_GPU", gpu, TRUE);
}

static DicenetSession *
try_device (DicenetModel *model, gint device, GError **error)
{
  g_autoptr (DicenetOptions) options = test_options (DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32, 1);

  dicenet_options_set_device (options, device);
  return dicenet_session_new (model, options, error);
}

START_TEST (auto_takes_the_processor_where_there_is_no_gpu)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (GError) error = NULL;

  be ("none");
  g_autoptr (DicenetSession) session = open_session (model, DICENET_BACKEND_AUTO, DICENET_PRECISION_FLOAT32);
  ck_assert_int_eq (dicenet_session_get_backend (session), DICENET_BACKEND_CPU);
  ck_assert_ptr_null (try_device (model, -1, &error));
  assert_error (error, DICENET_ERROR_BACKEND, "no NVIDIA driver", "backend=cpu");
  be ("");
  g_autoptr (DicenetSession) later = open_session (model, DICENET_BACKEND_AUTO, DICENET_PRECISION_FLOAT32);
  ck_assert_int_eq (dicenet_session_get_backend (later), DICENET_BACKEND_CUDA);
}
END_TEST

START_TEST (errors_say_what_to_do)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (GError) error = NULL;

  be ("old-driver");
  ck_assert_ptr_null (try_device (model, -1, &error));
  assert_error (error, DICENET_ERROR_BACKEND, "too old", "CUDA 10.0", "13.0", "update the driver");
  be ("");
  ck_assert_ptr_null (try_device (model, 3, &error));
  assert_error (error, DICENET_ERROR_BACKEND, "GPU 3", "0 to 0");
  be ("memory=1000");
  ck_assert_ptr_null (try_device (model, -1, &error));
  assert_error (error, DICENET_ERROR_NO_MEMORY, "weights", "smaller");
}
END_TEST

/* A size that is too large is rejected; sizes that fit still work. */
START_TEST (memory_may_run_out)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (DicenetSession) session = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
  g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);
  g_autoptr (GError) error = NULL;

  g_autoptr (DicenetResult) expected = run_noise (cpu, 1, 64, 64);
  be ("memory=40000000");
  g_autoptr (DicenetResult) before = run_noise (session, 1, 64, 64);
  ck_assert (!dicenet_session_prepare (session, 2048, 2048, 4, &error));
  assert_error (error, DICENET_ERROR_NO_MEMORY, "activations", "smaller inference size");
  g_autoptr (DicenetResult) after = run_noise (session, 1, 64, 64);
  ck_assert (difference (before, expected, 0, 0) < 1e-4f);
  ck_assert (difference (after, expected, 0, 0) < 1e-4f);
}
END_TEST

static DicenetSubmission *
submit_noise (DicenetSession *session, guint seed, GError **error)
{
  g_autofree gfloat *input = test_noise (3 * 64 * 64, seed);
  g_autoptr (DicenetRequest) request = test_request (64, 64);
  return dicenet_session_submit_tensor (session, input, 3 * 64 * 64, 1, request, error);
}

START_TEST (a_lost_device_is_an_error)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (DicenetSession) session = open_gpu (model);
  g_autoptr (GError) error = NULL;

  dicenet_result_unref (run_noise (session, 1, 64, 64));
  be ("lost");
  ck_assert_ptr_null (submit_noise (session, 1, &error));
  assert_error (error, DICENET_ERROR_DEVICE, "the GPU failed", "backend=cpu");
  g_autoptr (DicenetSession) other = open_session (model, DICENET_BACKEND_AUTO, DICENET_PRECISION_FLOAT32);
  ck_assert_int_eq (dicenet_session_get_backend (other), DICENET_BACKEND_CPU);
}
END_TEST

/* For each task, a lost device is an error, and never the same as no detections. */
START_TEST (a_device_lost_meanwhile_is_an_error_of_each)
{
  static const char *const tasks[] = { "classify", "detect", "segment" };

  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++) {
    be ("");
    g_autoptr (DicenetModel) model = test_model_load (tasks[i]);
    g_autoptr (DicenetSession) session = open_gpu (model);
    g_autoptr (GError) error = NULL;
    g_autoptr (DicenetResult) earlier = run_noise (session, 1, 64, 64);
    g_autoptr (DicenetSubmission) first = submit_noise (session, 1, &error), second = submit_noise (session, 2, &error),
                                  dropped = submit_noise (session, 3, &error);
    assert_no_error (error);
    be (i % 2 ? "dies" : "lost");
    g_clear_pointer (&dropped, dicenet_submission_unref);
    ck_assert_ptr_null (dicenet_submission_wait (first, &error));
    assert_error (error, DICENET_ERROR_DEVICE, "the GPU failed");
    ck_assert_ptr_null (dicenet_submission_wait (first, &error));
    assert_error (error, DICENET_ERROR_ARGUMENT, "told already");
    ck_assert_ptr_null (dicenet_submission_wait (second, &error));
    assert_error (error, DICENET_ERROR_DEVICE, "the GPU failed");
    ck_assert (difference (earlier, earlier, 0, 0) == 0); /* existing results stay valid */
  }
}
END_TEST

/* Concurrent submissions have separate memory, whatever their order and sizes. */
START_TEST (several_are_in_flight)
{
  static const char *const tasks[] = { "classify", "detect", "segment" };
  static const guint sizes[][2] = { { 64, 48 }, { 96, 64 }, { 33, 47 }, { 64, 48 } }; /* of pictures */

  for (guint t = 0; t < G_N_ELEMENTS (tasks); t++) {
    g_autoptr (DicenetModel) model = test_model_load (tasks[t]);
    g_autoptr (DicenetSession) gpu = open_gpu (model), cpu = open_cpu (model);
    DicenetSubmission *submissions[4];
    DicenetResult *expected[4];

    for (guint i = 0; i < 4; i++) {
      const guint w = sizes[i][0], h = sizes[i][1];
      g_autofree guint8 *pixels = g_malloc (w * h);
      g_autoptr (DicenetRequest) request = test_request (48, i % 2 ? 64 : 32);
      const DicenetImage image = {
        .format = DICENET_PIXEL_FORMAT_GRAY8, .width = w, .height = h, .planes = { pixels }, .strides = { (gint) w }
      };
      for (guint k = 0; k < w * h; k++)
        pixels[k] = (guint8) (k * (7 + i) + k / 91);
      submissions[i] = dicenet_session_submit_image (gpu, &image, request, NULL);
      expected[i] = dicenet_session_run_image (cpu, &image, request, NULL);
      memset (pixels, 0, w * h);
    }
    for (guint i = 0; i < 4; i++) {
      const guint k = (i + 2) % 4;
      g_autoptr (GError) error = NULL;
      g_autoptr (DicenetResult) found = dicenet_submission_wait (submissions[k], &error);
      assert_no_error (error);
      ck_assert (difference (found, expected[k], 0, 0) < 1e-4f);
      dicenet_submission_unref (submissions[k]);
      dicenet_result_unref (expected[k]);
    }
  }
}
END_TEST

START_TEST (what_the_gpu_lacks_is_computed_in_float32)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");

  be ("sm=75");
  g_autoptr (DicenetSession) session = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_TF32);
  ck_assert_int_eq (dicenet_session_get_precision (session), DICENET_PRECISION_FLOAT32);
  ck_assert (strstr (dicenet_session_get_warning (session), "8.0") != NULL);
  g_autoptr (DicenetSession) fastest = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_AUTO);
  ck_assert_int_eq (dicenet_session_get_precision (fastest), DICENET_PRECISION_FLOAT16);
  ck_assert_ptr_null (dicenet_session_get_warning (fastest));
}
END_TEST

/* Kernels split their work according to the device, and compute the same on each. */
START_TEST (every_device_computes_the_same)
{
  static const char *const devices[] = { "processors=1 sm=75", "processors=16 sm=86", "processors=132 sm=90" };

  for (guint m = 0; m < 4; m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    g_autoptr (DicenetSession) cpu = open_cpu (model);
    g_autoptr (DicenetResult) expected = run_noise (cpu, 1, 131, 97);
    for (guint i = 0; i < G_N_ELEMENTS (devices); i++) {
      be (devices[i]);
      g_autoptr (DicenetSession) gpu = open_gpu (model);
      g_autoptr (DicenetResult) result = run_noise (gpu, 1, 131, 97);
      const gfloat found = difference (result, expected, 0, 0);
      ck_assert_msg (found < 1e-4f, "%s on %s: %g", models[m], devices[i], (gdouble) found);
    }
  }
}
END_TEST

START_TEST (another_version_s_module_is_refused)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (GError) error = NULL;

  g_setenv ("DICENET_CUDA_MODULE", "/nowhere/libdicenet-cuda.so", TRUE);
  ck_assert_ptr_null (try_device (model, -1, &error));
  assert_error (error, DICENET_ERROR_BACKEND, "/nowhere/libdicenet-cuda.so cannot be opened");
  g_setenv ("DICENET_CUDA_MODULE", "libm.so.6", TRUE);
  ck_assert_ptr_null (try_device (model, -1, &error));
  assert_error (error, DICENET_ERROR_BACKEND, "libm.so.6 belongs to another version");
}
END_TEST

/* Each test runs in a separate process, so that changes of the environment end with it. */
TEST_MAIN ("cuda-backend", equals_the_processor, precisions_are_near_float32, int8_is_told_and_computes_in_float32,
           batches_equal_single_pictures, sizes_alternate, pictures_equal_the_processor_s,
           a_processor_cannot_read_the_device_s_memory, masks_are_the_largest_logits, boxes_are_the_processor_s,
           boxes_reach_the_model_s_thresholds, sessions_share_the_device,
           auto_takes_the_processor_where_there_is_no_gpu, errors_say_what_to_do, memory_may_run_out,
           a_lost_device_is_an_error, a_device_lost_meanwhile_is_an_error_of_each, several_are_in_flight,
           what_the_gpu_lacks_is_computed_in_float32, every_device_computes_the_same,
           another_version_s_module_is_refused)
