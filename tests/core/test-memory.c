/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* syscall() */
#include "common.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "../refusing.h"
#include "file/safetensors.h"

/* If there is not enough memory for a file or a request, an error says so and nothing else happens. This program's
 * malloc() refuses large blocks from the n-th on, for each possible n. */

#define LARGE ((size_t) 1 << 20)

static gint armed, allowed, n_refused;

static gboolean
is_refused (size_t n)
{
  if (n <= LARGE || !g_atomic_int_get (&armed) || g_atomic_int_add (&allowed, -1) > 0)
    return FALSE;
  g_atomic_int_inc (&n_refused);
  return TRUE;
}

/* block.c allocates large blocks with mmap(). */
void *
mmap (void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
  if ((flags & MAP_ANONYMOUS) && refuse (n))
    return MAP_FAILED;
  return (void *) syscall (SYS_mmap, at, n, protection, flags, fd, offset);
}

/* Returns TRUE, or FALSE with @error set. */
typedef gboolean (*Work) (gpointer data, GError **error);

/* Repeats @work, with one more allocation allowed each time, until it succeeds; fails the test if an error is not about
 * memory. */
static void
starve (Work work, gpointer data, guint least)
{
  for (guint n = 0;; n++) {
    g_autoptr (GError) error = NULL;
    g_atomic_int_set (&allowed, (gint) n);
    g_atomic_int_set (&n_refused, 0);
    g_atomic_int_set (&armed, 1);
    const gboolean ok = work (data, &error);
    g_atomic_int_set (&armed, 0);
    if (g_atomic_int_get (&n_refused) == 0) {
      assert_no_error (error);
      ck_assert (ok);
      ck_assert_msg (n >= least, "only %u large blocks: is it still the size that counts?", n);
      return;
    }
    ck_assert_msg (!ok || error == NULL, "both a result and an error");
    if (!ok)
      assert_error (error, DICENET_ERROR_NO_MEMORY, "no memory for ");
  }
}

static gboolean
load (gpointer path, GError **error)
{
  g_autoptr (DicenetModel) model = dicenet_model_load (path, error);

  return model != NULL;
}

/* A copy of a model with one key of its metadata set. */
static char *
copy_with (const char *folder, const char *model, const char *key, const char *value)
{
  g_autofree char *from = test_model_path (model);
  char *to = g_build_filename (folder, "copy.safetensors", NULL);
  g_autoptr (DicenetSafetensors) file = dicenet_safetensors_open (from, NULL);
  g_autoptr (GArray) tensors = g_array_new (FALSE, FALSE, sizeof (DicenetTensor));

  for (GTreeNode *n = g_tree_node_first (file->tensors); n; n = g_tree_node_next (n))
    g_array_append_vals (tensors, g_tree_node_value (n), 1);
  g_hash_table_insert (file->metadata, g_strdup (key), g_strdup (value));
  ck_assert (dicenet_safetensors_write (to, (DicenetTensor *) tensors->data, tensors->len, file->metadata, NULL));
  return to;
}

START_TEST (large_models)
{
  g_autofree char *many = test_model_path ("many");
  char *folder = test_folder_new ();
  /* A header, a text in it, and a tensor that does not belong to the model. */
  g_autofree char *notes = g_strnfill (3 << 20, 'n'), *noted = copy_with (folder, "classify", "notes", notes);

  starve (load, many, 5);
  starve (load, noted, 2);
  test_folder_remove (folder);
}
END_TEST

typedef struct {
  DicenetModel *model;
  DicenetSession *session;
  guint width, height;
} Job;

static gboolean
run (const Job *job, DicenetSession *session, GError **error)
{
  static guint8 pixels[1024 * 1024];
  const DicenetImage image = {
    .format = DICENET_PIXEL_FORMAT_GRAY8, .width = 1024, .height = 1024, .planes = { pixels }, .strides = { 1024 }
  };
  g_autoptr (DicenetRequest) request = test_request (job->width, job->height);
  guint n;

  dicenet_request_set_threshold (request, 0);
  dicenet_request_set_iou_threshold (request, 1);
  dicenet_request_set_cross_class_iou_threshold (request, 1);
  dicenet_request_set_max_per_class (request, 0);
  dicenet_request_set_max_detections (request, 0);
  g_autoptr (DicenetResult) result = dicenet_session_run_image (session, &image, request, error);
  if (result != NULL && dicenet_model_get_task (job->model) == DICENET_TASK_DETECT) {
    dicenet_result_get_boxes (result, 0, &n);
    ck_assert_uint_eq (n, DICENET_MAX_BOXES);
  }
  return result != NULL;
}

static gboolean
open_and_prepare (gpointer data, GError **error)
{
  const Job *job = data;
  g_autoptr (DicenetOptions) options = test_options (DICENET_BACKEND_CPU, DICENET_PRECISION_AUTO, 2);
  g_autoptr (DicenetSession) session = dicenet_session_new (job->model, options, error);

  return session && dicenet_session_prepare (session, job->width, job->height, 1, error);
}

static gboolean
run_again (gpointer data, GError **error)
{
  const Job *job = data;

  return run (job, job->session, error);
}

START_TEST (largest_size)
{
  static const char *const models[] = { "anchor-free", "pyramid", "segment" };

  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    Job job = { .model = model, .width = DICENET_MAX_SIZE, .height = DICENET_MAX_SIZE };
    starve (open_and_prepare, &job, 2);
  }
}
END_TEST

/* After a failure, a session works again as soon as there is memory. */
START_TEST (sessions_recover)
{
  static const struct {
    const char *model;
    guint width, height;
  } cases[] = {
    { "classify", 320, 256 },
    { "detect", 640, 512 },
    { "many", 64, 64 },
    { "segment", 320, 256 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DicenetModel) model = test_model_load (cases[i].model);
    g_autoptr (DicenetSession) session = test_open (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32, 2);
    Job job = { model, session, cases[i].width / 2, cases[i].height };
    starve (run_again, &job, 1);
    job.width = cases[i].width;
    starve (run_again, &job, 1);
  }
}
END_TEST

typedef struct {
  DicenetModel *model;
  char *path;
} Labels;

static gboolean
load_labels (gpointer data, GError **error)
{
  const Labels *labels = data;
  g_auto (GStrv) names = dicenet_model_load_labels (labels->model, labels->path, error);

  return names != NULL || g_error_matches (*error, DICENET_ERROR, DICENET_ERROR_LABELS);
}

START_TEST (large_labels)
{
  static const char fills[] = { 'x', '\n', ' ' };
  char *folder = test_folder_new ();
  g_autoptr (DicenetModel) model = test_model_load ("detect");
  g_autofree char *path = g_build_filename (folder, "labels.txt", NULL);
  Labels labels = { model, path };

  for (guint i = 0; i < G_N_ELEMENTS (fills); i++) {
    g_autofree char *text = g_strnfill (4 << 20, fills[i]);
    g_autoptr (GError) error = NULL;
    memcpy (text, "a\nb\nc\nd\ne", 9);
    text[(4 << 20) - 1] = 'z';
    ck_assert (g_file_set_contents (path, text, 4 << 20, NULL));
    for (guint n = 0; n < 8; n++) {
      g_clear_error (&error);
      g_atomic_int_set (&allowed, (gint) n);
      g_atomic_int_set (&armed, 1);
      const gboolean ok = load_labels (&labels, &error);
      g_atomic_int_set (&armed, 0);
      if (n == 0)
        assert_error (error, DICENET_ERROR_NO_MEMORY, "no memory for 4 MiB of labels");
      else
        ck_assert (ok && error);
    }
    assert_error (error, DICENET_ERROR_LABELS, "labels.txt");
  }
  test_folder_remove (folder);
}
END_TEST

/* Allocation failures by the system, with an address space that is full. */
START_TEST (address_space)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autofree char *many = test_model_path ("many");
  g_autoptr (GError) error = NULL;
  g_autoptr (DicenetSession) session = test_open (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32, 2);
  g_autofree char *status = NULL;

  ck_assert (dicenet_session_prepare (session, 64, 48, 1, &error));
  ck_assert (g_file_get_contents ("/proc/self/statm", &status, NULL, NULL));
  const rlim_t now = (rlim_t) (g_ascii_strtoull (status, NULL, 10) * 4096);
  const struct rlimit little = { now + (16 << 20), RLIM_INFINITY };
  ck_assert_int_eq (setrlimit (RLIMIT_AS, &little), 0);

  ck_assert (dicenet_model_load (many, &error) == NULL);
  assert_error (error, DICENET_ERROR_NO_MEMORY, "core-many.safetensors", "no memory for 46 MiB of the file");
  ck_assert (!dicenet_session_prepare (session, 2048, 2048, 1, &error));
  assert_error (error, DICENET_ERROR_NO_MEMORY, "MiB of activations", "smaller inference size");
  const Job job = { .model = model, .width = 64, .height = 48 };
  ck_assert (run (&job, session, &error));
  assert_no_error (error);
}
END_TEST

TEST_MAIN ("memory", large_models, largest_size, sessions_recover, large_labels, address_space)
