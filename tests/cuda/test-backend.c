/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../core/common.h"

#include <math.h>
#include <string.h>
#include "prepost/decode.h"
#include "sessions.h"

/* Sessions on the CUDA backend, which the environment makes the emulator's: what they compute, and what they say where
 * the GPU is not as it should be (DICENET_EMULATED_GPU). */

static const char *const models[] = { "classify", "detect", "pyramid", "segment", "mobilenet", "resnet" };

static DicenetSession *
open_session (DicenetModel *model, DicenetBackend backend, DicenetPrecision precision)
{
  g_autoptr (GError) error = NULL;
  DicenetSession *session = dicenet_session_new (model, backend, -1, precision, 1, &error);
  assert_no_error (error);
  return session;
}

static void
run_noise (DicenetSession *session, guint batch, guint width, guint height)
{
  g_autofree gfloat *input = test_noise (3 * (gsize) batch * width * height, width * height);
  g_autoptr (GError) error = NULL;
  dicenet_session_run_tensor (session, input, 3 * (gsize) batch * width * height, batch, width, height, &error);
  assert_no_error (error);
}

START_TEST (equals_the_processor)
{
  static const guint sizes[][2] = { { 64, 48 }, { 33, 47 }, { 97, 131 }, { 32, 301 } };

  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    g_autoptr (DicenetSession) gpu = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
    g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);
    ck_assert_int_eq (dicenet_session_get_backend (gpu), DICENET_BACKEND_CUDA);
    /* The last two models have no operation of their own. */
    for (guint i = 0; i < (m < 4 ? G_N_ELEMENTS (sizes) : 1); i++) {
      run_noise (gpu, 1, sizes[i][0], sizes[i][1]);
      run_noise (cpu, 1, sizes[i][0], sizes[i][1]);
      const gfloat found = difference (gpu, cpu, 0, 0);
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

  run_noise (cpu, 1, 64, 64);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DicenetSession) gpu = open_session (model, DICENET_BACKEND_CUDA, cases[i].precision);
    run_noise (gpu, 1, 64, 64);
    const gfloat found = difference (gpu, cpu, 0, 0);
    ck_assert_int_eq (dicenet_session_get_precision (gpu), cases[i].precision);
    ck_assert_msg (found > 0 && found < cases[i].limit, "precision %d: %g", cases[i].precision, (gdouble) found);
  }
}
END_TEST

START_TEST (batches_equal_single_pictures)
{
  for (guint m = 0; m < 4; m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    g_autoptr (DicenetSession) many = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
    g_autoptr (DicenetSession) one = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);
    g_autoptr (GError) error = NULL;
    const gsize n = 3 * 64 * 48;
    g_autofree gfloat *input = test_noise (3 * n, 7);
    ck_assert (dicenet_session_run_tensor (many, input, 3 * n, 3, 64, 48, &error));
    for (guint i = 0; i < 3; i++) {
      ck_assert (dicenet_session_run_tensor (one, input + i * n, n, 1, 64, 48, &error));
      ck_assert (difference (many, one, i, 0) < 1e-4f);
    }
  }
}
END_TEST

/* Sizes come and go, smaller and larger ones; no result of another size is left over. */
START_TEST (sizes_alternate)
{
  static const guint sizes[] = { 64, 32, 160, 64, 33, 160, 48, 80, 96, 112, 128, 144, 64 };
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autoptr (DicenetSession) gpu = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
  g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    run_noise (gpu, 1 + i % 2, sizes[i], 48);
    run_noise (cpu, 1 + i % 2, sizes[i], 48);
    ck_assert (difference (gpu, cpu, i % 2, i % 2) < 1e-4f);
  }
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
  ck_assert (dicenet_session_run_bytes (gpu, bytes, DICENET_PIXEL_FORMAT_RGB, 100, 80, 64, 48, &error));
  ck_assert (dicenet_session_run_bytes (cpu, bytes, DICENET_PIXEL_FORMAT_RGB, 100, 80, 64, 48, &error));
  ck_assert (difference (gpu, cpu, 0, 0) < 1e-4f);
}
END_TEST

START_TEST (a_processor_cannot_read_the_device_s_memory)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);
  g_autoptr (GError) error = NULL;
  const DicenetImage image = {
    .format = DICENET_PIXEL_FORMAT_GRAY8, .width = 64, .height = 48, .memory = DICENET_MEMORY_CUDA
  };

  ck_assert (!dicenet_session_run_image (cpu, &image, 64, 48, &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "a GPU's memory", "system memory", "backend=cuda");
}
END_TEST

/* Masks are made on the device; the largest of the logits, scaled up here, are the same but for rounding. */
START_TEST (masks_are_the_largest_logits)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autoptr (DicenetSession) session = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
  const guint w = 97, h = 131, classes = 21;
  g_autofree gfloat *logits = g_new (gfloat, (gsize) classes * w * h);
  g_autofree guint8 *mask = g_malloc0 ((w + 5) * h);
  guint wrong = 0;

  run_noise (session, 2, w, h);
  for (guint image = 0; image < 2; image++) {
    dicenet_session_get_mask (session, image, mask, w + 5);
    dicenet_session_get_logits (session, image, logits);
    for (guint p = 0; p < w * h; p++) {
      guint best = 0;
      for (guint c = 1; c < classes; c++)
        best = logits[c * w * h + p] > logits[best * w * h + p] ? c : best;
      wrong += mask[p / w * (w + 5) + p % w] != best;
    }
    ck_assert_uint_eq (mask[w], 0);
  }
  ck_assert_uint_le (wrong, 2 * w * h / 1000);
}
END_TEST

/* Boxes, too, from the same raw outputs as the CPU's; thresholds may change from call to call. */
START_TEST (boxes_are_the_processor_s)
{
  g_autoptr (DicenetModel) model = test_model_load ("detect");
  g_autoptr (DicenetSession) session = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
  guint found = 0;

  run_noise (session, 2, 64, 80);
  for (guint i = 0; i < 8; i++) {
    const DicenetDetectParams params = { .threshold = 0.1f + 0.05f * (gfloat) i,
                                         .iou_threshold = 0.45f,
                                         .max_detections = i == 2   ? 3
                                                           : i == 3 ? 0
                                                                    : 100 };
    const guint image = i % 2;
    gsize n_priors;
    g_autoptr (GArray) made = dicenet_session_get_boxes (session, image, &params);
    const gfloat *priors = dicenet_session_get_priors (session, &n_priors);
    g_autoptr (GArray) expected = dicenet_decode_boxes (
        dicenet_session_get_output (session, "confidences", image, NULL),
        dicenet_session_get_output (session, "locations", image, NULL), priors, (guint) n_priors / 4, 5, &params);
    ck_assert_uint_eq (made->len, expected->len);
    for (guint k = 0; k < made->len; k++) {
      const DicenetBox *a = &g_array_index (made, DicenetBox, k), *b = &g_array_index (expected, DicenetBox, k);
      ck_assert_uint_eq (a->class_id, b->class_id);
      ck_assert (fabsf (a->confidence - b->confidence) < 1e-5f && fabsf (a->x0 - b->x0) < 1e-5f &&
                 fabsf (a->y1 - b->y1) < 1e-5f);
    }
    found += made->len;
  }
  ck_assert_uint_gt (found, 10);
}
END_TEST

static gpointer
run_many (gpointer model)
{
  g_autoptr (DicenetSession) session = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
  g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);

  for (guint i = 0; i < 4; i++) {
    run_noise (session, 1, 64, 32 + 16 * i);
    run_noise (cpu, 1, 64, 32 + 16 * i);
    if (!(difference (session, cpu, 0, 0) < 1e-4f))
      return GINT_TO_POINTER (1); /* NULL: all are equal */
  }
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

/* --- what goes wrong --- */

static void
be (const char *gpu)
{
  g_setenv ("DICENET_EMULATED_GPU", gpu, TRUE);
}

START_TEST (auto_takes_the_processor_where_there_is_no_gpu)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (GError) error = NULL;

  be ("none");
  g_autoptr (DicenetSession) session = open_session (model, DICENET_BACKEND_AUTO, DICENET_PRECISION_FLOAT32);
  ck_assert_int_eq (dicenet_session_get_backend (session), DICENET_BACKEND_CPU);
  ck_assert_ptr_null (dicenet_session_new (model, DICENET_BACKEND_CUDA, -1, DICENET_PRECISION_FLOAT32, 1, &error));
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
  ck_assert_ptr_null (dicenet_session_new (model, DICENET_BACKEND_CUDA, -1, DICENET_PRECISION_FLOAT32, 1, &error));
  assert_error (error, DICENET_ERROR_BACKEND, "too old", "CUDA 10.0", "13.0", "update the driver");
  be ("");
  ck_assert_ptr_null (dicenet_session_new (model, DICENET_BACKEND_CUDA, 3, DICENET_PRECISION_FLOAT32, 1, &error));
  assert_error (error, DICENET_ERROR_BACKEND, "GPU 3", "0 to 0");
  be ("memory=1000");
  ck_assert_ptr_null (dicenet_session_new (model, DICENET_BACKEND_CUDA, -1, DICENET_PRECISION_FLOAT32, 1, &error));
  assert_error (error, DICENET_ERROR_NO_MEMORY, "weights", "smaller");
}
END_TEST

/* A size that is too large is refused; those that fit still run. */
START_TEST (memory_may_run_out)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (DicenetSession) session = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
  g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32);
  g_autoptr (GError) error = NULL;

  run_noise (cpu, 1, 64, 64);
  be ("memory=40000000");
  run_noise (session, 1, 64, 64);
  ck_assert (!dicenet_session_prepare (session, 2048, 2048, 4, &error));
  assert_error (error, DICENET_ERROR_NO_MEMORY, "activations", "smaller inference size");
  ck_assert_ptr_null (dicenet_session_get_output (session, "logits", 0, NULL));
  run_noise (session, 1, 64, 64);
  ck_assert (difference (session, cpu, 0, 0) < 1e-4f);
}
END_TEST

START_TEST (a_lost_device_is_an_error)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (DicenetSession) session = open_session (model, DICENET_BACKEND_CUDA, DICENET_PRECISION_FLOAT32);
  g_autofree gfloat *input = test_noise (3 * 64 * 64, 1);
  g_autoptr (GError) error = NULL;

  run_noise (session, 1, 64, 64);
  be ("lost");
  ck_assert (!dicenet_session_run_tensor (session, input, 3 * 64 * 64, 1, 64, 64, &error));
  assert_error (error, DICENET_ERROR_BACKEND, "the GPU failed", "backend=cpu");
  g_autoptr (DicenetSession) other = open_session (model, DICENET_BACKEND_AUTO, DICENET_PRECISION_FLOAT32);
  ck_assert_int_eq (dicenet_session_get_backend (other), DICENET_BACKEND_CPU);
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

START_TEST (another_version_s_module_is_refused)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (GError) error = NULL;

  g_setenv ("DICENET_CUDA_MODULE", "/nowhere/libdicenet-cuda.so", TRUE);
  ck_assert_ptr_null (dicenet_session_new (model, DICENET_BACKEND_CUDA, -1, DICENET_PRECISION_FLOAT32, 1, &error));
  assert_error (error, DICENET_ERROR_BACKEND, "/nowhere/libdicenet-cuda.so cannot be opened");
  g_setenv ("DICENET_CUDA_MODULE", "libm.so.6", TRUE);
  ck_assert_ptr_null (dicenet_session_new (model, DICENET_BACKEND_CUDA, -1, DICENET_PRECISION_FLOAT32, 1, &error));
  assert_error (error, DICENET_ERROR_BACKEND, "libm.so.6 belongs to another version");
}
END_TEST

/* Each test is a process of its own: the environment's settings end with it. */
TEST_MAIN ("cuda-backend", equals_the_processor, precisions_are_near_float32, batches_equal_single_pictures,
           sizes_alternate, pictures_equal_the_processor_s, a_processor_cannot_read_the_device_s_memory,
           masks_are_the_largest_logits, boxes_are_the_processor_s, sessions_share_the_device,
           auto_takes_the_processor_where_there_is_no_gpu, errors_say_what_to_do, memory_may_run_out,
           a_lost_device_is_an_error, what_the_gpu_lacks_is_computed_in_float32, another_version_s_module_is_refused)
