/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <pthread.h>
#include <string.h>

/* Asynchronous runs, and results. */

#define N 6

static DicenetSession *
open_session (const char *name, gboolean worker)
{
  g_autoptr (DicenetModel) model = test_model_load (name);
  g_autoptr (DicenetOptions) options = test_options (DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32, 2);
  g_autoptr (GError) error = NULL;

  dicenet_options_set_worker (options, worker);
  DicenetSession *session = dicenet_session_new (model, options, &error);
  assert_no_error (error);
  return session;
}

/* The i-th of some pictures with different sizes and inference sizes; freed after submission. */
static DicenetSubmission *
submit (DicenetSession *session, guint i, GError **error)
{
  const guint width = 50 + 9 * (i % 3), height = 40;
  g_autoptr (DicenetRequest) request = test_request (64 + 8 * (i % 2), 48);
  g_autofree guint8 *pixels = g_malloc (width * height);
  const DicenetImage image = { .format = DICENET_PIXEL_FORMAT_GRAY8,
                               .width = width,
                               .height = height,
                               .planes = { pixels },
                               .strides = { (gint) width } };

  for (guint k = 0; k < width * height; k++)
    pixels[k] = (guint8) (k * (3 + i) + k / 77);
  DicenetSubmission *submission = dicenet_session_submit_image (session, &image, request, error);
  memset (pixels, 0, width * height);
  return submission;
}

static DicenetResult *
wait_for (DicenetSubmission *submission)
{
  g_autoptr (GError) error = NULL;
  DicenetResult *result = dicenet_submission_wait (submission, &error);
  assert_no_error (error);
  ck_assert_ptr_nonnull (result);
  return result;
}

static void
assert_same (DicenetResult *a, DicenetResult *b)
{
  gsize n, m;
  const gfloat *x = dicenet_result_get_output (a, "logits", 0, &n), *y = dicenet_result_get_output (b, "logits", 0, &m);
  ck_assert_uint_gt (n, 0);
  ck_assert_uint_eq (n, m);
  ck_assert_mem_eq (x, y, n * sizeof (gfloat));
}

/* Expected results of N separate runs, from a session that is then freed. */
static void
run_alone (const char *name, DicenetResult *expected[N])
{
  for (guint i = 0; i < N; i++) {
    g_autoptr (DicenetSession) session = open_session (name, FALSE);
    g_autoptr (DicenetSubmission) submission = submit (session, i, NULL);
    expected[i] = wait_for (submission);
  }
}

static void
free_all (DicenetResult *results[N])
{
  for (guint i = 0; i < N; i++)
    dicenet_result_unref (results[i]);
}

START_TEST (any_order_gives_the_same)
{
  static const char *const names[] = { "classify", "segment" };

  for (guint k = 0; k < 2 * G_N_ELEMENTS (names); k++) {
    g_autoptr (DicenetSession) session = open_session (names[k / 2], k % 2);
    DicenetSubmission *submissions[N];
    DicenetResult *expected[N];
    run_alone (names[k / 2], expected);
    for (guint i = 0; i < N; i++)
      submissions[i] = submit (session, i, NULL);
    for (guint i = 0; i < N; i++) {
      const guint at = (5 * i + 3) % N;
      g_autoptr (DicenetResult) found = wait_for (submissions[at]);
      assert_same (found, expected[at]);
      dicenet_submission_unref (submissions[at]);
    }
    free_all (expected);
  }
}
END_TEST

START_TEST (told_once)
{
  g_autoptr (DicenetSession) session = open_session ("classify", FALSE);
  g_autoptr (DicenetSubmission) submission = submit (session, 0, NULL);
  g_autoptr (GError) error = NULL;

  dicenet_result_unref (wait_for (submission));
  ck_assert_ptr_null (dicenet_submission_wait (submission, &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "told already");
}
END_TEST

/* Submissions hold a reference to their session; those that are never waited for do not leak (checked by the
 * sanitizer). */
START_TEST (dropped)
{
  for (guint worker = 0; worker < 2; worker++) {
    DicenetSession *session = open_session ("segment", worker);
    g_autoptr (DicenetSubmission) kept = NULL;
    for (guint i = 0; i < 20; i++)
      dicenet_submission_unref (submit (session, i, NULL));
    DicenetSubmission *last = submit (session, 0, NULL);
    kept = submit (session, 1, NULL);
    dicenet_submission_unref (dicenet_submission_ref (kept));
    g_object_unref (session);
    g_autoptr (DicenetResult) result = wait_for (kept);
    ck_assert_ptr_nonnull (dicenet_result_get_mask (result, 0));
    dicenet_submission_unref (last);
  }
}
END_TEST

START_TEST (not_without_end)
{
  g_autoptr (DicenetSession) session = open_session ("classify", FALSE);
  DicenetSubmission *submissions[DICENET_MAX_SUBMISSIONS];
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < DICENET_MAX_SUBMISSIONS; i++)
    submissions[i] = submit (session, i, NULL);
  ck_assert_ptr_null (submit (session, 0, &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "nobody has waited for the last 8 submissions", "wait for one");
  dicenet_result_unref (wait_for (submissions[0]));
  g_autoptr (DicenetSubmission) another = submit (session, 0, &error);
  assert_no_error (error);
  ck_assert_ptr_nonnull (another);
  for (guint i = 0; i < DICENET_MAX_SUBMISSIONS; i++)
    dicenet_submission_unref (submissions[i]);
}
END_TEST

/* --- threads --- */

/* With pthread locks, because ThreadSanitizer does not know GLib's. */
typedef struct {
  DicenetSession *session;
  GQueue queue; /* DicenetSubmission */
  pthread_mutex_t lock;
  pthread_cond_t changed;
} Line;

static void
push (Line *line, DicenetSubmission *submission)
{
  pthread_mutex_lock (&line->lock);
  g_queue_push_tail (&line->queue, submission);
  pthread_cond_signal (&line->changed);
  pthread_mutex_unlock (&line->lock);
}

static DicenetSubmission *
pop (Line *line)
{
  pthread_mutex_lock (&line->lock);
  while (g_queue_is_empty (&line->queue))
    pthread_cond_wait (&line->changed, &line->lock);
  DicenetSubmission *submission = g_queue_pop_head (&line->queue);
  pthread_mutex_unlock (&line->lock);
  return submission;
}

#define FRAMES 60

static gpointer
submit_all (gpointer data)
{
  Line *line = data;

  for (guint i = 0; i < FRAMES;) {
    DicenetSubmission *submission = submit (line->session, i, NULL);
    if (submission == NULL) { /* all have been submitted */
      g_usleep (100);
      continue;
    }
    push (line, submission);
    i++;
  }
  return NULL;
}

START_TEST (one_thread_submits_and_one_waits)
{
  for (guint worker = 0; worker < 2; worker++) {
    Line line = { open_session ("classify", worker), G_QUEUE_INIT, PTHREAD_MUTEX_INITIALIZER,
                  PTHREAD_COND_INITIALIZER };
    DicenetResult *expected[N];
    run_alone ("classify", expected);
    GThread *thread = g_thread_new ("submit", submit_all, &line);
    for (guint i = 0; i < FRAMES; i++) {
      g_autoptr (DicenetSubmission) submission = pop (&line);
      if (i % 7 == 6) /* not all are waited for */
        continue;
      if (i % 11 == 10)
        ck_assert (dicenet_session_prepare (line.session, 80 + i, 64, 1, NULL));
      g_autoptr (DicenetResult) found = wait_for (submission);
      if (i < N)
        assert_same (found, expected[i]);
    }
    g_thread_join (thread);
    free_all (expected);
    g_object_unref (line.session);
  }
}
END_TEST

static gpointer
submit_and_wait (gpointer session)
{
  for (guint i = 0; i < 10; i++) {
    g_autoptr (DicenetSubmission) submission = submit (session, i, NULL);
    g_autoptr (DicenetResult) result = submission ? wait_for (submission) : NULL;
    if (result == NULL)
      return GINT_TO_POINTER (1);
  }
  return NULL;
}

START_TEST (threads_share_a_session)
{
  for (guint worker = 0; worker < 2; worker++) {
    g_autoptr (DicenetSession) session = open_session ("classify", worker);
    GThread *threads[4];
    for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
      threads[i] = g_thread_new ("both", submit_and_wait, session);
    for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
      ck_assert_ptr_null (g_thread_join (threads[i]));
  }
}
END_TEST

/* --- requests --- */

START_TEST (requests)
{
  g_autoptr (DicenetSession) session = open_session ("classify", FALSE);
  g_autoptr (DicenetRequest) request = dicenet_request_new ();
  g_autofree gfloat *input = test_noise (3 * 64 * 64, 1);
  guint n, width, height;

  dicenet_request_set_threshold (request, 0);
  for (guint k = 0; k < 4; k++) {
    dicenet_request_set_top_k (request, k);
    g_autoptr (DicenetResult) result = dicenet_session_run_tensor (session, input, 3 * 64 * 64, 1, request, NULL);
    const DicenetClass *classes = dicenet_result_get_classes (result, 0, &n);
    ck_assert_uint_eq (n, k > 0 ? k : 21);
    ck_assert (n == 1 || classes[0].confidence >= classes[1].confidence);
    ck_assert_ptr_null (dicenet_result_get_output (result, "logits", 0, NULL));
    dicenet_result_get_size (result, &width, &height);
    ck_assert (width == 64 && height == 64); /* the model's default */
  }
  dicenet_request_set_threshold (request, 2);
  g_autoptr (DicenetResult) none = dicenet_session_run_tensor (session, input, 3 * 64 * 64, 1, request, NULL);
  dicenet_result_get_classes (none, 0, &n);
  ck_assert_uint_eq (n, 0);
}
END_TEST

START_TEST (class_thresholds)
{
  const gfloat all_but_two[] = { 0, 0.05f, 1.5f, 0.05f, 0.05f };
  g_autoptr (DicenetSession) session = open_session ("detect", FALSE);
  g_autoptr (DicenetRequest) request = test_request (64, 64);
  g_autofree gfloat *input = test_noise (3 * 64 * 64, 1);
  g_autoptr (GError) error = NULL;
  guint n, seen = 0;

  dicenet_request_set_class_thresholds (request, all_but_two, 4);
  ck_assert_ptr_null (dicenet_session_run_tensor (session, input, 3 * 64 * 64, 1, request, &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "each of the model's 5 classes, found 4");
  dicenet_request_set_class_thresholds (request, all_but_two, 5);
  g_autoptr (DicenetRequest) copy = dicenet_request_copy (request);
  dicenet_request_set_class_thresholds (request, NULL, 0);
  g_autoptr (DicenetResult) result = dicenet_session_run_tensor (session, input, 3 * 64 * 64, 1, copy, &error);
  assert_no_error (error);
  const DicenetBox *boxes = dicenet_result_get_boxes (result, 0, &n);
  for (guint i = 0; i < n; i++)
    seen |= 1u << boxes[i].label_id;
  ck_assert_uint_eq (seen, 1u << 1 | 1u << 3 | 1u << 4);
}
END_TEST

/* Asserts that @request gives the same boxes as @expected for every class does. Returns their number. */
static guint
assert_thresholds (DicenetSession *session, DicenetRequest *request, const gfloat *expected)
{
  g_autoptr (DicenetRequest) explicit = dicenet_request_copy (request);
  g_autofree gfloat *input = test_noise (3 * 64 * 64, 1);
  guint n, m;

  dicenet_request_set_class_thresholds (explicit, expected, 5);
  g_autoptr (DicenetResult) a = dicenet_session_run_tensor (session, input, 3 * 64 * 64, 1, request, NULL);
  g_autoptr (DicenetResult) b = dicenet_session_run_tensor (session, input, 3 * 64 * 64, 1, explicit, NULL);
  const DicenetBox *found = dicenet_result_get_boxes (a, 0, &n), *wanted = dicenet_result_get_boxes (b, 0, &m);
  ck_assert_uint_eq (n, m);
  ck_assert_uint_gt (n, 0);
  ck_assert_mem_eq (found, wanted, n * sizeof *found);
  return n;
}

START_TEST (thresholds_of_the_model)
{
  const gfloat own[] = { 0, 0.05f, 0.9f, 0.1f, 0.2f }, all[] = { 0, 0.15f, 0.15f, 0.15f, 0.15f },
               one[] = { -1, -1, 0.1f, -1, 1.5f }, own_but_two[] = { 0, 0.05f, 0.1f, 0.1f, 1.5f },
               all_but_two[] = { 0, 0.15f, 0.1f, 0.15f, 1.5f }, not_set[] = { -1, -1, -1, -1, -1 };
  g_autoptr (DicenetSession) session = open_session ("choosy", FALSE);
  g_autoptr (DicenetRequest) request = dicenet_request_new ();

  dicenet_request_set_max_detections (request, 0);
  const guint by_itself = assert_thresholds (session, request, own);
  dicenet_request_set_class_thresholds (request, not_set, 5);
  ck_assert_uint_eq (assert_thresholds (session, request, own), by_itself);
  dicenet_request_set_class_thresholds (request, one, 5);
  ck_assert_uint_ne (assert_thresholds (session, request, own_but_two), by_itself);
  /* One for all classes replaces the model's. */
  dicenet_request_set_threshold (request, 0.15f);
  assert_thresholds (session, request, all_but_two);
  dicenet_request_set_class_thresholds (request, NULL, 0);
  ck_assert_uint_ne (assert_thresholds (session, request, all), by_itself);
}
END_TEST

/* Classes that are not set have the model's only threshold. */
START_TEST (threshold_of_the_model)
{
  const gfloat some[] = { -1, 0.05f, -1, 0.1f, -1 }, expected[] = { 0.5f, 0.05f, 0.5f, 0.1f, 0.5f };
  g_autoptr (DicenetSession) session = open_session ("detect", FALSE);
  g_autoptr (DicenetRequest) request = dicenet_request_new ();

  dicenet_request_set_class_thresholds (request, some, 5);
  assert_thresholds (session, request, expected);
}
END_TEST

/* The label ids of a classifier's result, in order, as bits. */
static guint
classes_of (DicenetSession *session, DicenetRequest *request)
{
  g_autofree gfloat *input = test_noise (3 * 64 * 64, 1);
  guint n, seen = 0;

  g_autoptr (DicenetResult) result = dicenet_session_run_tensor (session, input, 3 * 64 * 64, 1, request, NULL);
  const DicenetClass *classes = dicenet_result_get_classes (result, 0, &n);
  for (guint i = 0; i < n; i++)
    seen |= 1u << classes[i].label_id;
  return seen;
}

START_TEST (thresholds_of_a_classifier)
{
  const gfloat last_only[] = { 1, 1, 2, 0 }, not_the_first[] = { 2, -1, -1, -1 };
  g_autoptr (DicenetSession) session = open_session ("tags", FALSE);
  g_autoptr (DicenetRequest) request = dicenet_request_new ();

  /* The model's are 0, 1, 0.02 and 0.98. */
  ck_assert_uint_eq (classes_of (session, NULL), 1u << 0 | 1u << 2);
  ck_assert_uint_eq (classes_of (session, request), 1u << 0 | 1u << 2);
  dicenet_request_set_class_thresholds (request, not_the_first, 4);
  ck_assert_uint_eq (classes_of (session, request), 1u << 2);
  dicenet_request_set_class_thresholds (request, last_only, 4);
  ck_assert_uint_eq (classes_of (session, request), 1u << 3);
  dicenet_request_set_class_thresholds (request, NULL, 0);
  dicenet_request_set_threshold (request, 0);
  ck_assert_uint_eq (classes_of (session, request), 15);
}
END_TEST

START_TEST (options_are_copied)
{
  g_autoptr (DicenetModel) model = test_model_load ("classify");
  g_autoptr (DicenetOptions) options = test_options (DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32, 3);
  g_autoptr (DicenetOptions) copy = dicenet_options_copy (options);
  g_autoptr (GError) error = NULL;

  dicenet_options_set_context (options, &error);
  ck_assert_ptr_null (dicenet_session_new (model, options, &error));
  assert_error (error, DICENET_ERROR_BACKEND, "the processor has no contexts");
  g_autoptr (DicenetSession) session = dicenet_session_new (model, copy, &error);
  assert_no_error (error);
  ck_assert_uint_eq (dicenet_session_get_n_threads (session), 3);
  g_autoptr (DicenetSession) initial = dicenet_session_new (model, NULL, &error);
  assert_no_error (error);
  ck_assert_int_eq (dicenet_session_get_precision (initial), DICENET_PRECISION_FLOAT32);
  ck_assert_ptr_null (dicenet_session_get_warning (initial));
}
END_TEST

TEST_MAIN ("submissions", any_order_gives_the_same, told_once, dropped, not_without_end,
           one_thread_submits_and_one_waits, threads_share_a_session, requests, class_thresholds,
           thresholds_of_the_model, threshold_of_the_model, thresholds_of_a_classifier, options_are_copied)
