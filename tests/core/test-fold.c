/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include "api/model-private.h"
#include "file/safetensors.h"

/* Folded weights as backends get them, also if another backend requests them later. */

/* All arrays of all nodes, concatenated. */
static gpointer
collect (DicenetWeights *weights, gpointer data, GError **error)
{
  const DicenetGraph *graph = data;
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (gfloat));

  for (guint i = 0; i < graph->nodes->len; i++) {
    g_auto (DicenetNodeWeights) w = { .block = NULL };
    DicenetNodeWeights measured;
    if (!dicenet_weights_fold (weights, i, &w, error))
      return NULL;
    dicenet_node_weights_measure (&measured, graph, i);
    const DicenetArray *arrays = &w.weight, *sizes = &measured.weight;
    for (const DicenetArray *a = arrays; a <= &w.fuse_bias; a++) {
      ck_assert_uint_eq (a->n, sizes[a - arrays].n);
      ck_assert_int_eq (a->values == NULL, a->n == 0);
      g_array_append_vals (all, a->values, (guint) a->n);
    }
  }
  return g_steal_pointer (&all);
}

static GArray *
fold_all (DicenetModel *model, GError **error)
{
  const DicenetNetwork *program = dicenet_model_get_program (model);
  return dicenet_weights_pack (program->weights, NULL, collect, NULL, (gpointer) program->graph, error);
}

static const gfloat *
values_of (const DicenetSafetensors *file, const char *name, gfloat **out)
{
  const DicenetTensor *tensor = dicenet_safetensors_find (file, name);
  *out = g_new (gfloat, tensor->n_elements);
  dicenet_tensor_to_float (tensor, *out);
  return *out;
}

static gpointer
compare_first (DicenetWeights *weights, gpointer data, GError **error)
{
  g_autofree char *path = test_model_path ("segment");
  g_autoptr (DicenetSafetensors) file = dicenet_safetensors_open (path, NULL);
  const DicenetGraph *graph = data;
  const DicenetNode *node = dicenet_graph_node (graph, 1); /* level 1: a convolution with BatchNorm */
  g_autofree char *scale_name = g_strconcat (node->norm, ".weight", NULL),
                  *shift_name = g_strconcat (node->norm, ".bias", NULL),
                  *mean_name = g_strconcat (node->norm, ".running_mean", NULL),
                  *var_name = g_strconcat (node->norm, ".running_var", NULL);
  g_autofree gfloat *weight = NULL, *scale = NULL, *shift = NULL, *mean = NULL, *var = NULL;
  g_auto (DicenetNodeWeights) w = { .block = NULL };

  ck_assert (dicenet_weights_fold (weights, 1, &w, error));
  values_of (file, node->weight, &weight);
  values_of (file, scale_name, &scale);
  values_of (file, shift_name, &shift);
  values_of (file, mean_name, &mean);
  values_of (file, var_name, &var);
  ck_assert_uint_eq (w.weight.n, node->channels * 27);
  for (guint c = 0; c < node->channels; c++) {
    const double factor = (double) scale[c] / sqrt ((double) var[c] + 1e-5);
    ck_assert_double_eq_tol ((double) w.bias.values[c], (double) shift[c] - factor * (double) mean[c],
                             1e-6 * fabs ((double) w.bias.values[c]));
    for (guint i = 27 * c; i < 27 * c + 27; i++)
      ck_assert_double_eq_tol ((double) w.weight.values[i], (double) weight[i] * factor,
                               1e-6 * fabs ((double) w.weight.values[i]));
  }
  return data;
}

START_TEST (folded_in_plain_order)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  const DicenetNetwork *program = dicenet_model_get_program (model);

  ck_assert_ptr_nonnull (
      dicenet_weights_pack (program->weights, NULL, compare_first, NULL, (gpointer) program->graph, NULL));
}
END_TEST

static void
copy (const char *model, const char *to)
{
  g_autofree char *from = test_model_path (model), *data = NULL;
  gsize n;

  ck_assert (g_file_get_contents (from, &data, &n, NULL));
  FILE *file = fopen (to, "wb"); /* in place */
  ck_assert_ptr_nonnull (file);
  ck_assert_uint_eq (fwrite (data, 1, n, file), n);
  ck_assert_int_eq (fclose (file), 0);
}

static void
assert_same (const GArray *a, const GArray *b)
{
  ck_assert_uint_eq (a->len, b->len);
  ck_assert_mem_eq (a->data, b->data, a->len * sizeof (gfloat));
}

/* Later requests read from the file that was loaded, even if it was renamed or replaced. */
START_TEST (wanted_again_they_are_the_same)
{
  static const char *const models[] = {
    "anchor-free", "classify", "detect", "mobilenet", "pyramid", "resnet", "segment"
  };
  char *folder = test_folder_new ();
  g_autofree char *path = g_build_filename (folder, "model.safetensors", NULL),
                  *other = g_build_filename (folder, "other.safetensors", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autoptr (GError) error = NULL;
    copy (models[i], path);
    g_autoptr (DicenetModel) model = dicenet_model_load (path, &error);
    assert_no_error (error);
    g_autoptr (GArray) first = fold_all (model, &error);
    assert_no_error (error);
    copy ("many", other);
    ck_assert_int_eq (g_rename (other, path), 0);
    g_autoptr (GArray) second = fold_all (model, &error);
    assert_no_error (error);
    assert_same (first, second);
    g_remove (path);
    g_autoptr (GArray) third = fold_all (model, &error);
    assert_no_error (error);
    assert_same (first, third);
  }
  test_folder_remove (folder);
}
END_TEST

/* After the file is rewritten in place, existing packed weights still work, but further requests fail. */
START_TEST (rewritten_in_place_they_are_gone)
{
  char *folder = test_folder_new ();
  g_autofree char *path = g_build_filename (folder, "model.safetensors", NULL);
  g_autoptr (GError) error = NULL;

  copy ("segment", path);
  g_autoptr (DicenetModel) model = dicenet_model_load (path, &error);
  assert_no_error (error);
  copy ("classify", path); /* before the first session, when nothing is lost yet */
  g_autoptr (DicenetSession) session = test_open (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32, 1);
  ck_assert_ptr_null (fold_all (model, &error));
  assert_error (error, DICENET_ERROR_OPEN, "model.safetensors", "was rewritten since it was loaded", "load it anew");
  dicenet_result_unref (test_run_noise (session, 1, 64, 64, 3));
  g_autoptr (DicenetSession) another = test_open (model, DICENET_BACKEND_CPU, DICENET_PRECISION_FLOAT32, 1);
  dicenet_result_unref (test_run_noise (another, 1, 64, 64, 3));
  test_folder_remove (folder);
}
END_TEST

TEST_MAIN ("fold", folded_in_plain_order, wanted_again_they_are_the_same, rewritten_in_place_they_are_gone)
