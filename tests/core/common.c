/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <glib/gstdio.h>
#include "file/safetensors.h"

char *
test_model_path (const char *name)
{
  const char *folder = g_getenv ("DICENET_TEST_MODELS");
  ck_assert_msg (folder != NULL, "DICENET_TEST_MODELS is not set: run the tests through meson");
  return g_strdup_printf ("%s/core-%s.safetensors", folder, name);
}

DicenetModel *
test_model_load (const char *name)
{
  g_autofree char *path = test_model_path (name);
  g_autoptr (GError) error = NULL;
  DicenetModel *model = dicenet_model_load (path, &error);
  assert_no_error (error);
  return model;
}

DicenetModel *
test_model_with (const char *name, const char *folder, const char *key, const char *value, GError **error)
{
  g_autofree char *from = test_model_path (name), *to = g_build_filename (folder, "changed.safetensors", NULL);
  g_autoptr (DicenetSafetensors) file = dicenet_safetensors_open (from, NULL);
  g_autoptr (GArray) tensors = g_array_new (FALSE, FALSE, sizeof (DicenetTensor));

  ck_assert_ptr_nonnull (file);
  for (GTreeNode *n = g_tree_node_first (file->tensors); n; n = g_tree_node_next (n))
    g_array_append_vals (tensors, g_tree_node_value (n), 1);
  g_hash_table_insert (file->metadata, g_strdup (key), g_strdup (value));
  ck_assert (
      dicenet_safetensors_write (to, (DicenetTensor *) (gpointer) tensors->data, tensors->len, file->metadata, NULL));
  return dicenet_model_load (to, error);
}

char *
test_folder_new (void)
{
  char *folder = g_dir_make_tmp ("dicenet-test-XXXXXX", NULL);
  ck_assert_ptr_nonnull (folder);
  return folder;
}

void
test_folder_remove (char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_remove (path);
  }
  g_clear_pointer (&dir, g_dir_close);
  g_rmdir (folder);
  g_free (folder);
}

gfloat *
test_noise (gsize n, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  gfloat *data = g_new (gfloat, n);
  for (gsize i = 0; i < n; i++)
    data[i] = (gfloat) g_rand_double_range (rand, -2, 2);
  return data;
}

DicenetOptions *
test_options (DicenetBackend backend, DicenetPrecision precision, guint n_threads)
{
  DicenetOptions *options = dicenet_options_new ();

  dicenet_options_set_backend (options, backend);
  dicenet_options_set_precision (options, precision);
  dicenet_options_set_threads (options, n_threads);
  return options;
}

DicenetSession *
test_open (DicenetModel *model, DicenetBackend backend, DicenetPrecision precision, guint n_threads)
{
  g_autoptr (DicenetOptions) options = test_options (backend, precision, n_threads);
  g_autoptr (GError) error = NULL;
  DicenetSession *session = dicenet_session_new (model, options, &error);
  assert_no_error (error);
  return session;
}

DicenetRequest *
test_request (guint width, guint height)
{
  DicenetRequest *request = dicenet_request_new ();

  dicenet_request_set_size (request, width, height);
  dicenet_request_set_outputs (request, TRUE);
  return request;
}

DicenetResult *
test_run_tensor (DicenetSession *session, const gfloat *tensor, guint batch, guint width, guint height)
{
  g_autoptr (DicenetRequest) request = test_request (width, height);
  g_autoptr (GError) error = NULL;
  DicenetResult *result =
      dicenet_session_run_tensor (session, tensor, 3 * (gsize) batch * width * height, batch, request, &error);
  assert_no_error (error);
  return result;
}

DicenetResult *
test_run_noise (DicenetSession *session, guint batch, guint width, guint height, guint32 seed)
{
  g_autofree gfloat *input = test_noise (3 * (gsize) batch * width * height, seed);
  return test_run_tensor (session, input, batch, width, height);
}

int
test_run (const char *name, const TTest *const *tests, guint n)
{
  Suite *suite = suite_create (name);
  TCase *tcase = tcase_create (name);
  for (guint i = 0; i < n; i++)
    tcase_add_test (tcase, tests[i]);
  tcase_set_timeout (tcase, 300);
  suite_add_tcase (suite, tcase);
  SRunner *runner = srunner_create (suite);
  srunner_run_all (runner, CK_ENV);
  const int failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed == 0 ? 0 : 1;
}
