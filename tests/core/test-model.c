/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/model-private.h"
#include "cpu/precision.h"
#include "file/safetensors.h"

/* A modified copy of a model; NULL fields change nothing. */
typedef struct {
  const char *key, *value; /* metadata; value NULL removes the key */
  const char *drop;        /* names of tensors to drop */
  const char *rename, *new_name;
  const char *reshape; /* name of a tensor to reshape to one dimension */
  const char *poison;  /* name of a tensor whose first element becomes poison_with */
  float poison_with;
} Change;

static DicenetModel *
load_changed (const char *folder, const char *model, const Change *change, GError **error)
{
  g_autofree char *from = test_model_path (model), *to = g_build_filename (folder, "changed.safetensors", NULL);
  g_autoptr (DicenetSafetensors) file = dicenet_safetensors_open (from, NULL);
  g_autoptr (GArray) tensors = g_array_new (FALSE, FALSE, sizeof (DicenetTensor));
  g_autofree float *poisoned = NULL;

  ck_assert_ptr_nonnull (file);
  for (GTreeNode *n = g_tree_node_first (file->tensors); n; n = g_tree_node_next (n)) {
    DicenetTensor t = *(DicenetTensor *) g_tree_node_value (n);
    if (g_strcmp0 (t.name, change->drop) == 0)
      continue;
    if (g_strcmp0 (t.name, change->reshape) == 0) {
      t.dims[0] = t.n_elements;
      t.n_dims = 1;
    }
    if (g_strcmp0 (t.name, change->poison) == 0) {
      poisoned = g_memdup2 (t.data, t.n_elements * sizeof (float));
      poisoned[0] = change->poison_with;
      t.data = (const guint8 *) poisoned;
    }
    if (g_strcmp0 (t.name, change->rename) == 0)
      t.name = (char *) change->new_name;
    g_array_append_val (tensors, t);
  }
  if (change->key && change->value)
    g_hash_table_insert (file->metadata, g_strdup (change->key), g_strdup (change->value));
  else if (change->key)
    g_hash_table_remove (file->metadata, change->key);
  ck_assert (dicenet_safetensors_write (to, (DicenetTensor *) tensors->data, tensors->len, file->metadata, NULL));
  return dicenet_model_load (to, error);
}

/* Each of the values (NULL-terminated) for the key makes the detector invalid; the error contains these words. */
static void
assert_values_refused (const char *folder, const char *key, const char *const *values, const char *says)
{
  for (guint i = 0; values[i]; i++) {
    g_autoptr (GError) error = NULL;
    const Change change = { .key = key, .value = values[i] };
    ck_assert_msg (load_changed (folder, "detect", &change, &error) == NULL, "%s", values[i]);
    assert_error (error, DICENET_ERROR_INVALID_MODEL, says, values[i]);
  }
}

START_TEST (describes_itself)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  guint width, height;

  ck_assert_int_eq (dicenet_model_get_task (model), DICENET_TASK_SEGMENT);
  ck_assert_uint_eq (dicenet_model_get_n_classes (model), 21);
  ck_assert_str_eq (dicenet_model_get_name (model), "core-segment");
  ck_assert (dicenet_model_get_scale (model) == 0.1);
  ck_assert_int_eq (dicenet_model_get_background (model), 0);
  dicenet_model_get_size (model, &width, &height);
  ck_assert (width == 64 && height == 48);
  ck_assert_uint_eq (g_strv_length ((char **) dicenet_model_get_labels (model)), 21);

  dicenet_model_fit_size (model, 16.0 / 9, &width, &height);
  ck_assert (width == 85 && height == 48);
  dicenet_model_fit_size (model, 9.0 / 16, &width, &height);
  ck_assert (width == 48 && height == 85);
  dicenet_model_fit_size (model, 4, &width, &height);
  ck_assert (width == 192 && height == 48);
  dicenet_model_fit_size (model, 8, &width, &height); /* about as many pixels, with the picture's aspect ratio */
  ck_assert (width == 272 && height == 34);
  dicenet_model_fit_size (model, 1 / 8.0, &width, &height);
  ck_assert (width == 34 && height == 272);
  dicenet_model_fit_size (model, 1e6, &width, &height);
  ck_assert (width == DICENET_MAX_SIZE && height == DICENET_MIN_SIZE);
}
END_TEST

START_TEST (refuses_bad_metadata)
{
  static const struct {
    Change change;
    DicenetError code;
    const char *says;
  } cases[] = {
    { { .key = "format", .value = NULL }, DICENET_ERROR_UNSUPPORTED, "not a DiCENet model" },
    { { .key = "format_version", .value = "2" }, DICENET_ERROR_UNSUPPORTED, "newer version" },
    { { .key = "format_version", .value = "x" }, DICENET_ERROR_INVALID_MODEL, "format_version" },
    { { .key = "task", .value = "dream" }, DICENET_ERROR_INVALID_MODEL, "classify, detect or segment" },
    { { .key = "backbone", .value = "vgg" }, DICENET_ERROR_INVALID_MODEL, "dicenet, mobilenet or resnet" },
    { { .key = "backbone", .value = "resnet" }, DICENET_ERROR_INVALID_MODEL, "dicenet for this task" },
    { { .key = "scale", .value = "0.3" }, DICENET_ERROR_INVALID_MODEL, "found \"0.3\"" },
    { { .key = "scale", .value = "" }, DICENET_ERROR_INVALID_MODEL, "scale" },
    { { .key = "scale", .value = "0x1p-1" }, DICENET_ERROR_INVALID_MODEL, "found \"0x1p-1\"" },
    { { .key = "scale", .value = " 0.5" }, DICENET_ERROR_INVALID_MODEL, "found \" 0.5\"" },
    { { .key = "classes", .value = "0" }, DICENET_ERROR_INVALID_MODEL, "whole number from 2 to 256" },
    { { .key = "classes", .value = "257" }, DICENET_ERROR_INVALID_MODEL, "found \"257\"" },
    { { .key = "classes", .value = "99999999999999999999" }, DICENET_ERROR_INVALID_MODEL, "classes" },
    { { .key = "background", .value = "21" }, DICENET_ERROR_INVALID_MODEL, "background" },
    { { .key = "labels", .value = "[\"one\"]" }, DICENET_ERROR_INVALID_MODEL, "expected 21 labels" },
    { { .key = "labels", .value = "[[[[[[[[[[[[" }, DICENET_ERROR_INVALID_MODEL, "labels" },
    { { .key = "labels", .value = "[\"a\",1]" }, DICENET_ERROR_INVALID_MODEL, "the one at 1 is none" },
    { { .key = "labels", .value = "[\"a\\u0000\"]" }, DICENET_ERROR_INVALID_MODEL, "without U+0000, each of at most" },
    { { .key = "labels", .value = "{" }, DICENET_ERROR_INVALID_MODEL, "labels" },
    { { .key = "mean", .value = "[0.5,0.5]" }, DICENET_ERROR_INVALID_MODEL, "three numbers" },
    { { .key = "mean", .value = "[5000,1,1]" }, DICENET_ERROR_INVALID_MODEL, "from -1000 to 1000" },
    { { .key = "std", .value = "[1e999,1,1]" }, DICENET_ERROR_INVALID_MODEL, "from 0.000001 to 1000" },
    { { .key = "std", .value = "[1,0,1]" }, DICENET_ERROR_INVALID_MODEL, "positive" },
    { { .key = "std", .value = "[1,\"a\",1]" }, DICENET_ERROR_INVALID_MODEL, "positive" },
    { { .key = "size", .value = "64" }, DICENET_ERROR_INVALID_MODEL, "WxH from 32x32 to 4096x4096" },
    { { .key = "size", .value = "64x9999" }, DICENET_ERROR_INVALID_MODEL, "64x9999" },
    { { .key = "kernel_size", .value = NULL }, DICENET_ERROR_INVALID_MODEL, "found nothing" },
    { { .key = "kernel_size", .value = "256x224" }, DICENET_ERROR_INVALID_MODEL, "conv_width.weight" },
    { { .key = "decoder_width", .value = "17" }, DICENET_ERROR_INVALID_MODEL, "expected shape" },
    { { .key = "decoder_width", .value = "-1" }, DICENET_ERROR_INVALID_MODEL, "decoder_width" },
    { { .key = "task", .value = "classify" }, DICENET_ERROR_INVALID_MODEL, "is missing" },
    { { .key = "classes", .value = "20" }, DICENET_ERROR_INVALID_MODEL, "20" },
  };
  char *folder = test_folder_new ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    ck_assert_msg (load_changed (folder, "segment", &cases[i].change, &error) == NULL, "case %u", i);
    assert_error (error, cases[i].code, cases[i].says, "changed.safetensors");
  }
  test_folder_remove (folder);
}
END_TEST

/* Without prior sizes in the file, SSD's are used: at 64 pixels, 7 + 61 k / 6, truncated. */
START_TEST (has_prior_sizes)
{
  static const struct {
    const char *value;
    gfloat expected[DICENET_N_MAPS + 1];
  } good[] = {
    { NULL, { 7, 17, 27, 37, 47, 57, 68 } },
    { "[4, 9.5, 20, 31, 44, 60, 8192]", { 4, 9.5f, 20, 31, 44, 60, 8192 } },
  };
  static const char *const bad[] = { "[1,2,3,4,5,6]",
                                     "[1,2,3,4,5,6,7,8]",
                                     "[1,2,3,4,5,6,6]",
                                     "[0.5,2,3,4,5,6,7]",
                                     "[1,2,3,4,5,6,8193]",
                                     "[1,2,3,4,5,6,\"7\"]",
                                     "7",
                                     "",
                                     NULL };
  char *folder = test_folder_new ();

  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    g_autoptr (GError) error = NULL;
    const Change change = { .key = "prior_sizes", .value = good[i].value };
    g_autoptr (DicenetModel) model = load_changed (folder, "detect", &change, &error);
    assert_no_error (error);
    for (guint k = 0; k <= DICENET_N_MAPS; k++)
      ck_assert (dicenet_model_get_program (model)->description->prior_sizes[k] == good[i].expected[k]);
  }
  assert_values_refused (folder, "prior_sizes", bad, "\"prior_sizes\": expected seven numbers");
  test_folder_remove (folder);
}
END_TEST

/* SSD by default. The widths of the other head are those of its tensors. */
START_TEST (has_a_head)
{
  static const struct {
    const char *model, *value;
    DicenetHead expected;
  } good[] = { { "detect", NULL, DICENET_HEAD_SSD },
               { "detect", "ssd", DICENET_HEAD_SSD },
               { "segment", "none of this task", DICENET_HEAD_SSD },
               { "anchor-free", "anchor-free", DICENET_HEAD_ANCHOR_FREE } };
  static const struct {
    const char *key, *value, *says[2];
  } bad[] = {
    { "head", "yolo", { "\"head\": expected ssd or anchor-free", "yolo" } },
    { "head", NULL, { "base_net.basenet.level1", "is missing" } },
    { "head_width", NULL, { "\"head_width\": expected a whole number from 1 to 1024", "nothing" } },
    { "head_width", "0", { "\"head_width\": expected a whole number from 1 to 1024", "\"0\"" } },
    { "context_width", "1025", { "\"context_width\": expected a whole number from 1 to 1024", "\"1025\"" } },
    { "head_width", "17", { "lateral.0.cbr.0.weight", "expected shape [17" } },
    { "context_width", "23", { "context.0.1.cbr.0.weight", "expected shape [23" } },
    { "classes", "6", { "cls.0.2.weight", "expected shape [5," } },
  };
  char *folder = test_folder_new ();

  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    g_autoptr (GError) error = NULL;
    const Change change = { .key = "head", .value = good[i].value };
    g_autoptr (DicenetModel) model = load_changed (folder, good[i].model, &change, &error);
    assert_no_error (error);
    ck_assert_msg (dicenet_model_get_head (model) == good[i].expected, "case %u", i);
  }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    const Change change = { .key = bad[i].key, .value = bad[i].value };
    ck_assert_msg (load_changed (folder, "anchor-free", &change, &error) == NULL, "case %u", i);
    assert_error (error, DICENET_ERROR_INVALID_MODEL, bad[i].says[0], bad[i].says[1], "changed.safetensors");
  }
  test_folder_remove (folder);
}
END_TEST

/* Invalid confidences are rejected; without one in the file, the default depends on the task. */
START_TEST (has_a_threshold)
{
  static const struct {
    const char *model, *key, *value;
    gfloat expected;
  } good[] = {
    { "detect", "threshold", NULL, 0.5f },       { "detect", "threshold", "0.35", 0.35f },
    { "classify", "threshold", NULL, 0 },        { "classify", "threshold", "1", 1 },
    { "classify", "multi_label", "true", 0.5f }, { "segment", "threshold", "0.35", 0 },
  };
  static const char *const bad[] = { "-0.1", "1.5", "0.5 ", "half", "nan", "", NULL };
  char *folder = test_folder_new ();

  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    g_autoptr (GError) error = NULL;
    const Change change = { .key = good[i].key, .value = good[i].value };
    g_autoptr (DicenetModel) model = load_changed (folder, good[i].model, &change, &error);
    assert_no_error (error);
    ck_assert_msg (dicenet_model_get_threshold (model) == good[i].expected, "case %u", i);
  }
  assert_values_refused (folder, "threshold", bad, "\"threshold\": expected a number from 0 to 1");
  test_folder_remove (folder);
}
END_TEST

START_TEST (has_thresholds)
{
  static const struct {
    const char *model, *value;
    gsize n;
    gfloat first, last;
  } good[] = {
    { "detect", NULL, 0, 0, 0 },
    { "detect", "[0, 0.25, 1, 5e-1, 0.125]", 5, 0, 0.125f },
    { "tags", "[1,0,0.5,0.75]", 4, 1, 0.75f },
    { "mobilenet", "[0.25,0,0.5]", 3, 0.25f, 0.5f },
    { "segment", "nonsense", 0, 0, 0 }, /* an unknown key */
  };
  static const struct {
    const char *value, *says;
  } bad[] = {
    { "[0.1,0.2,0.3,0.4]", "found 4 in" },
    { "[0.1,0.2,0.3,0.4,0.5,0.6]", "found 6 in" },
    { "[]", "found 0 in" },
    { "[0.1,0.2,0.3,0.4,1.5]", "found something else at 4, counted from 0, of" },
    { "[0.1,-0.2,0.3,0.4,0.5]", "something else at 1" },
    { "[0.1,0.2,\"0.3\",0.4,0.5]", "something else at 2" },
    { "[0.1,0.2,[],0.4,0.5]", "something else at 2" },
    { "[0.1,0.2,0.3,null,0.5]", "something else at 3" },
    { "[1e999,0.2,0.3,0.4,0.5]", "something else at 0" },
    { "[0.1,0.2,0.3,0.4,0.5", "found \"[0.1" },
    { "[0.1,0.2,0.3,0.4,0.5,]", "found \"[0.1" },
    { "[0.1,0.2,0.3,0.4,nan]", "found \"[0.1" },
    { "{\"person\": 0.5}", "found \"{" },
    { "0.5", "found \"0.5\"" },
    { "", "found \"\"" },
  };
  char *folder = test_folder_new ();

  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    g_autoptr (GError) error = NULL;
    const Change change = { .key = "thresholds", .value = good[i].value };
    g_autoptr (DicenetModel) model = load_changed (folder, good[i].model, &change, &error);
    gsize n = 7;
    assert_no_error (error);
    const gfloat *thresholds = dicenet_model_get_thresholds (model, &n);
    ck_assert_ptr_eq (thresholds, dicenet_model_get_thresholds (model, NULL));
    ck_assert_uint_eq (n, good[i].n);
    ck_assert ((thresholds != NULL) == (n > 0));
    ck_assert (n == 0 || (thresholds[0] == good[i].first && thresholds[n - 1] == good[i].last));
  }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    const Change change = { .key = "thresholds", .value = bad[i].value };
    ck_assert_msg (load_changed (folder, "detect", &change, &error) == NULL, "%s", bad[i].value);
    assert_error (error, DICENET_ERROR_INVALID_MODEL,
                  "\"thresholds\": expected a JSON array of 5 numbers from 0 to 1, one per class", bad[i].says);
  }
  test_folder_remove (folder);
}
END_TEST

/* The first range as often as @n says. */
static char *
ranges_text (guint n, const char *range)
{
  GString *text = g_string_new ("[");

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s%s", i ? "," : "", range);
  return g_string_free (g_string_append_c (text, ']'), FALSE);
}

static void
assert_int8_refused (const char *folder, const char *key, const char *value, const char *says)
{
  g_autoptr (GError) error = NULL;
  const Change change = { .key = key, .value = value };

  ck_assert_msg (load_changed (folder, "detect", &change, &error) == NULL, "%s", value);
  assert_error (error, DICENET_ERROR_INVALID_MODEL, "__metadata__", key, "expected ", says);
}

START_TEST (has_int8_ranges)
{
  static const char *const all[] = { "anchor-free", "classify", "detect", "mobilenet", "resnet", "segment" };
  static const struct {
    const char *value, *says;
  } bad[] = {
    { "", "found \"\"" },
    { "0.5", "found \"0.5\"" },
    { "{\"conv\": [0, 1]}", "found \"{" },
    { "[[0,1],[0,1]", "found \"[[0,1],[0,1]\"" },
    { "[[0,nan]]", "found \"[[0,nan]]\"" },
    { "[0,1]", "something else at 0, counted from 0, of" },
    { "[[0,1],[0]]", "something else at 1" },
    { "[[0,1],[]]", "something else at 1" },
    { "[[0,1],[0,1,2]]", "something else at 1" },
    { "[[0,1],null]", "something else at 1" },
    { "[[0,1],[0,\"1\"]]", "something else at 1" },
    { "[[0,1],[[0],1]]", "something else at 1" },
    { "[[0,1],[0.5,1]]", "something else at 1" },
    { "[[0,1],[-2,-1]]", "something else at 1" },
    { "[[0,1],[1,0]]", "something else at 1" },
    { "[[0,1],[-1e999,1]]", "something else at 1" },
    { "[[0,1],[0,1.1e30]]", "something else at 1" },
    { "[]", "elements, one for each convolution that int8 computes, found 0: write it anew with models/quantize.py" },
    { "[[0,1]]", "elements, one for each convolution that int8 computes, found 1" },
  };
  char *folder = test_folder_new ();

  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DicenetModel) plain = test_model_load (all[i]);
    ck_assert_ptr_null (dicenet_model_get_program (plain)->description->int8_ranges);
    const DicenetGraph *graph = dicenet_model_get_program (plain)->graph;
    const guint n = dicenet_cpu_n_int8 (graph, graph->nodes->len);
    g_autofree char *value = ranges_text (n, "[-0.25, 1e30]"), *more = ranges_text (n + 1, "[0,1]");
    g_autoptr (DicenetModel) model =
        load_changed (folder, all[i], &(Change){ .key = "int8_ranges", .value = value }, &error);
    assert_no_error (error);
    const DicenetDescription *d = dicenet_model_get_program (model)->description;
    ck_assert_uint_eq (d->int8_ranges->len, n);
    const DicenetRange last = g_array_index (d->int8_ranges, DicenetRange, n - 1);
    ck_assert (last.low == -0.25f && last.high == 1e30f);
    ck_assert_ptr_null (load_changed (folder, all[i], &(Change){ .key = "int8_ranges", .value = more }, &error));
    assert_error (error, DICENET_ERROR_INVALID_MODEL, "\"int8_ranges\": expected ", "changed.safetensors");
  }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_int8_refused (folder, "int8_ranges", bad[i].value, bad[i].says);
  g_autofree char *many = ranges_text (DICENET_MAX_RANGES + 1, "[0,1]");
  assert_int8_refused (folder, "int8_ranges", many, "something else at 4096");
  test_folder_remove (folder);
}
END_TEST

/* Means of all inputs: zeros, but @odd for the last convolution if it isn't NULL. */
static char *
means_text (const DicenetGraph *graph, const char *odd)
{
  GString *text = g_string_new ("[");
  const guint n = dicenet_cpu_n_int8 (graph, graph->nodes->len);
  guint k = 0;

  for (guint i = 0; i < graph->nodes->len; i++) {
    const DicenetNode *node = dicenet_graph_node (graph, i);
    if (!dicenet_cpu_is_int8 (graph, node))
      continue;
    g_autofree char *list = ranges_text (dicenet_node_channels (graph, node->inputs[0]), "-0.5");
    g_string_append_printf (text, "%s%s", k ? "," : "", odd && k + 1 == n ? odd : list);
    k++;
  }
  return g_string_free (g_string_append_c (text, ']'), FALSE);
}

START_TEST (has_int8_means)
{
  static const char *const all[] = { "anchor-free", "classify", "detect", "mobilenet", "resnet", "segment" };
  static const struct {
    const char *value, *says;
  } bad[] = {
    { "", "found \"\"" },
    { "7", "found \"7\"" },
    { "[[0.5]", "found \"[[0.5]\"" },
    { "[0.5]", "something else at 0, counted from 0, of" },
    { "[[0.5],null]", "something else at 1" },
    { "[[0.5],[\"0.5\"]]", "something else at 1" },
    { "[[0.5],[[0.5]]]", "something else at 1" },
    { "[[0.5],[1e31]]", "something else at 1" },
    { "[[0.5],[-1e999]]", "something else at 1" },
    { "[]", "elements, one for each convolution that int8 computes, found 0" },
    { "[[0.5]]", "elements, one for each convolution that int8 computes, found 1" },
  };
  char *folder = test_folder_new ();

  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DicenetModel) plain = test_model_load (all[i]);
    const DicenetGraph *graph = dicenet_model_get_program (plain)->graph;
    const guint n = dicenet_cpu_n_int8 (graph, graph->nodes->len);
    g_autofree char *value = means_text (graph, NULL), *odd = means_text (graph, "[1]");
    g_autoptr (DicenetModel) model =
        load_changed (folder, all[i], &(Change){ .key = "int8_means", .value = value }, &error);
    assert_no_error (error);
    const DicenetDescription *d = dicenet_model_get_program (model)->description;
    ck_assert_uint_eq (d->int8_means->len, n);
    ck_assert (g_array_index ((GArray *) d->int8_means->pdata[n - 1], gfloat, 0) == -0.5f);
    ck_assert_ptr_null (load_changed (folder, all[i], &(Change){ .key = "int8_means", .value = odd }, &error));
    assert_error (error, DICENET_ERROR_INVALID_MODEL, "\"int8_means\": expected ", "numbers for the input of ",
                  "found 1 at ", "changed.safetensors");
  }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_int8_refused (folder, "int8_means", bad[i].value, bad[i].says);
  g_autofree char *many = ranges_text (DICENET_MAX_RANGES + 1, "[]"), *list = ranges_text (DICENET_MAX_MEANS + 1, "0"),
                  *long_one = g_strdup_printf ("[[1],%s]", list);
  assert_int8_refused (folder, "int8_means", many, "something else at 4096");
  assert_int8_refused (folder, "int8_means", long_one, "something else at 1");
  test_folder_remove (folder);
}
END_TEST

START_TEST (refuses_bad_tensors)
{
#define CONV "base_net.level3.1.layer_right.1.conv_channel.weight"
#define VAR  "bu_br_64x64.0.running_var"
  static const struct {
    Change change;
    const char *says[2];
  } cases[] = {
    { { .drop = CONV }, { CONV, "is missing" } },
    { { .drop = "base_net.level1.cbr.2.weight" }, { "base_net.level1.cbr.2.weight", "[8]" } },
    { { .reshape = CONV }, { CONV, "found [" } },
    { { .rename = CONV, .new_name = "stranger" }, { CONV, "is missing" } },
    { { .poison = CONV, .poison_with = NAN }, { CONV, "element 0 is not a finite number" } },
    { { .poison = CONV, .poison_with = INFINITY }, { CONV, "finite" } },
    { { .poison = VAR, .poison_with = -1 }, { VAR, "negative" } },
  };
  char *folder = test_folder_new ();
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    ck_assert_msg (load_changed (folder, "segment", &cases[i].change, &error) == NULL, "case %u", i);
    assert_error (error, DICENET_ERROR_INVALID_MODEL, cases[i].says[0], cases[i].says[1], "changed.safetensors");
  }
  /* A detector with a pyramid that its metadata does not mention. */
  ck_assert (load_changed (folder, "pyramid", &(Change){ .key = "pyramid", .value = "false" }, &error) == NULL);
  assert_error (error, DICENET_ERROR_INVALID_MODEL, "base_net.bu_", "belongs to no layer");
  test_folder_remove (folder);
}
END_TEST

START_TEST (is_loaded_once)
{
  char *folder = test_folder_new ();
  g_autoptr (GError) error = NULL;
  const Change nothing = { .key = NULL }, labels = { .key = "labels" };

  DicenetModel *first = load_changed (folder, "segment", &nothing, &error);
  assert_no_error (error);
  g_autofree char *path = g_strdup (dicenet_model_get_path (first));
  g_autoptr (DicenetModel) again = dicenet_model_load (path, &error);
  ck_assert_ptr_eq (first, again);

  /* The file was replaced: the new one is loaded, and the old model is still valid. */
  g_autoptr (DicenetModel) other = load_changed (folder, "segment", &labels, &error);
  assert_no_error (error);
  ck_assert_ptr_ne (other, first);

  /* The cache does not hold references to models that are not in use. */
  gpointer gone = first;
  g_object_add_weak_pointer (G_OBJECT (first), &gone);
  g_clear_object (&again);
  g_object_unref (first);
  ck_assert_ptr_null (gone);
  test_folder_remove (folder);
}
END_TEST

static void
set_time (const char *path)
{
  const struct timespec times[2] = { { 0 } };
  ck_assert_int_eq (utimensat (AT_FDCWD, path, times, 0), 0);
}

/* Rewrites in place, keeping size and modification time, as a copy that preserves times may do. */
static void
patch (const char *path, const char *from, const char *to)
{
  g_autofree char *text = NULL;
  gsize n;

  ck_assert (g_file_get_contents (path, &text, &n, NULL));
  char *at = g_strstr_len (text + 8, (gssize) n - 8, from); /* after the length of the header */
  ck_assert_ptr_nonnull (at);
  memcpy (at, to, strlen (to));
  const int fd = g_open (path, O_WRONLY, 0);
  ck_assert_int_eq (write (fd, text, n), (gssize) n);
  ck_assert (g_close (fd, NULL));
  set_time (path);
}

START_TEST (is_loaded_anew_whatever_its_time)
{
  char *folder = test_folder_new ();
  g_autoptr (GError) error = NULL;
  const Change change = { .key = "threshold", .value = "0.25" };

  g_autoptr (DicenetModel) written = load_changed (folder, "detect", &change, &error);
  assert_no_error (error);
  const char *path = dicenet_model_get_path (written);
  set_time (path);
  g_autoptr (DicenetModel) first = dicenet_model_load (path, &error);
  assert_no_error (error);
  patch (path, "\"0.25\"", "\"0.75\"");
  g_autoptr (DicenetModel) second = dicenet_model_load (path, &error);
  assert_no_error (error);
  ck_assert (dicenet_model_get_threshold (first) == 0.25f && dicenet_model_get_threshold (second) == 0.75f);
  test_folder_remove (folder);
}
END_TEST

static gpointer
load_and_drop (gpointer path)
{
  for (guint i = 0; i < 30; i++) {
    g_autoptr (DicenetModel) model = dicenet_model_load (path, NULL);
    ck_assert_uint_eq (dicenet_model_get_n_classes (model), 21);
  }
  return NULL;
}

START_TEST (loads_from_many_threads)
{
  g_autofree char *path = test_model_path ("segment");
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("load", load_and_drop, path);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}
END_TEST

static char **
load_labels (DicenetModel *model, const char *folder, const char *text, gsize n, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "labels.txt", NULL);
  ck_assert (g_file_set_contents (path, text, (gssize) n, NULL));
  return dicenet_model_load_labels (model, path, error);
}

START_TEST (reads_labels)
{
  char *folder = test_folder_new ();
  g_autoptr (DicenetModel) model = test_model_load ("detect"); /* 5 classes including the background */
  g_autoptr (GError) error = NULL;

  g_auto (GStrv) all = load_labels (model, folder, "none\r\na\r\nb\nc\nd\n\n", 16, &error);
  assert_no_error (error);
  ck_assert_str_eq (all[0], "none");
  ck_assert_str_eq (all[4], "d");
  g_auto (GStrv) objects = load_labels (model, folder, "a\nb\nc\nd", 7, &error);
  ck_assert_str_eq (objects[0], "background");
  ck_assert_str_eq (objects[4], "d");
  g_auto (GStrv) marked = load_labels (model, folder, "\xef\xbb\xbfnone\na\nb\nc\nd", 15, &error);
  ck_assert_str_eq (marked[0], "none");

  ck_assert (load_labels (model, folder, "a\nb\n", 4, &error) == NULL);
  assert_error (error, DICENET_ERROR_LABELS, "expected 5 labels", "found 2", "labels.txt");
  ck_assert (load_labels (model, folder, "\xff\xfe", 2, &error) == NULL);
  assert_error (error, DICENET_ERROR_LABELS, "UTF-8");
  g_autofree char *long_line = g_strnfill (4097, 'x'), *long_text = g_strconcat ("none\na\nb\nc\n", long_line, NULL);
  ck_assert (load_labels (model, folder, long_text, strlen (long_text), &error) == NULL);
  assert_error (error, DICENET_ERROR_LABELS, "line 5 has 4097 bytes", "at most 4096");
  ck_assert (load_labels (model, folder, "", 0, &error) == NULL);
  assert_error (error, DICENET_ERROR_LABELS, "0 bytes");
  ck_assert (dicenet_model_load_labels (model, folder, &error) == NULL);
  assert_error (error, DICENET_ERROR_OPEN, "expected a file");
  ck_assert (dicenet_model_load_labels (model, "/nonexistent.txt", &error) == NULL);
  assert_error (error, DICENET_ERROR_OPEN, "/nonexistent.txt", "No such");
  test_folder_remove (folder);
}
END_TEST

/* A link that leads nowhere is not said to be missing. */
START_TEST (names_broken_links)
{
  char *folder = test_folder_new ();
  g_autofree char *path = g_build_filename (folder, "lost.safetensors", NULL);
  g_autoptr (GError) by_name = NULL, by_path = NULL;

  ck_assert_int_eq (symlink (path, path), 0);
  g_setenv ("DICENET_MODEL_PATH", folder, TRUE);
  ck_assert (dicenet_model_load ("lost", &by_name) == NULL);
  g_unsetenv ("DICENET_MODEL_PATH");
  assert_error (by_name, DICENET_ERROR_NOT_FOUND, path, "leads nowhere");
  ck_assert (dicenet_model_load (path, &by_path) == NULL);
  assert_error (by_path, DICENET_ERROR_NOT_FOUND, path, "leads nowhere");
  ck_assert_int_eq (unlink (path), 0);
  test_folder_remove (folder);
}
END_TEST

/* DICENET_MODEL_PATH in order, then where models are installed; a path is nobody's name. */
START_TEST (is_found_by_name)
{
  char *folder = test_folder_new (), *other = test_folder_new ();
  g_autofree char *segment = test_model_path ("segment"), *detect = test_model_path ("detect");
  g_autofree char *file = g_build_filename (folder, "our-model.v2.safetensors", NULL);
  g_autofree char *later = g_build_filename (other, "our-model.v2.safetensors", NULL);
  g_autofree char *folders = g_strdup_printf ("/nonexistent::%s:%s", folder, other);
  g_autoptr (GError) error = NULL;

  ck_assert (symlink (segment, file) == 0 && symlink (detect, later) == 0);
  g_setenv ("DICENET_MODEL_PATH", folders, TRUE);
  g_autoptr (DicenetModel) model = dicenet_model_load ("our-model.v2", &error);
  assert_no_error (error);
  ck_assert_str_eq (dicenet_model_get_name (model), "our-model.v2");
  ck_assert_str_eq (dicenet_model_get_path (model), file);
  ck_assert_int_eq (dicenet_model_get_task (model), DICENET_TASK_SEGMENT);
  g_clear_object (&model);

  ck_assert_ptr_null (dicenet_model_load ("our-model.v2.safetensors", &error));
  assert_error (error, DICENET_ERROR_NOT_FOUND, "no model file 'our-model.v2.safetensors'");
  ck_assert_ptr_null (dicenet_model_load ("./our-model.v2", &error));
  assert_error (error, DICENET_ERROR_NOT_FOUND, "no model file './our-model.v2'");
  ck_assert_ptr_null (dicenet_model_load ("", &error));
  assert_error (error, DICENET_ERROR_NOT_FOUND, "''");
  ck_assert_ptr_null (dicenet_model_load ("our-model", &error));
  assert_error (error, DICENET_ERROR_NOT_FOUND, "our-model.safetensors", folder, other, "/dicenet/models",
                "DICENET_MODEL_PATH");
  g_unsetenv ("DICENET_MODEL_PATH");
  ck_assert_ptr_null (dicenet_model_load ("our-model.v2", &error));
  assert_error (error, DICENET_ERROR_NOT_FOUND, "our-model.v2.safetensors", "/dicenet/models");
  test_folder_remove (folder);
  test_folder_remove (other);
}
END_TEST

/* The message must be valid and printable text, whatever bytes a path or an environment variable contains. */
static void
assert_readable (GError **error, const char *part)
{
  ck_assert_ptr_nonnull (*error);
  ck_assert_msg (g_utf8_validate ((*error)->message, -1, NULL), "%s", (*error)->message);
  ck_assert_msg (strstr ((*error)->message, part) != NULL, "\"%s\" is not in: %s", part, (*error)->message);
  ck_assert_uint_lt (strlen ((*error)->message), 3 * 4096 + 1000);
  g_clear_error (error);
}

START_TEST (messages_are_text)
{
  g_autofree char *base = test_folder_new (), *folder = g_build_filename (base, "\xff\n\x80", NULL);
  g_autofree char *path = g_build_filename (folder, "file.safetensors", NULL);
  g_autofree char *good_path = test_model_path ("detect"), *good = NULL;
  g_autofree char *link = g_build_filename (folder, "good\xfe.safetensors", NULL);
  g_autofree char *long_text = g_strnfill (100000, '\xff');
  g_autoptr (GError) error = NULL;
  gsize n;

  ck_assert_int_eq (g_mkdir (folder, 0700), 0);
  ck_assert_int_eq (symlink (good_path, link), 0);
  ck_assert (g_file_get_contents (good_path, &good, &n, NULL));
  ck_assert (dicenet_model_load (path, &error) == NULL);
  assert_readable (&error, "no model file");
  for (gsize cut = 0; cut < n; cut = 2 * cut + 7) {
    ck_assert (g_file_set_contents (path, good, (gssize) cut, NULL));
    ck_assert (dicenet_model_load (path, &error) == NULL);
    assert_readable (&error, "\xef\xbf\xbd\\u000a\xef\xbf\xbd/file.safetensors: ");
  }
  ck_assert (dicenet_model_load (folder, &error) == NULL);
  assert_readable (&error, "found a folder");

  g_autoptr (DicenetModel) model = dicenet_model_load (link, &error);
  assert_no_error (error);
  ck_assert_str_eq (dicenet_model_get_path (model), link);
  ck_assert_str_eq (dicenet_model_get_name (model), "good\xef\xbf\xbd");
  ck_assert (dicenet_model_load_labels (model, path, &error) == NULL);
  assert_readable (&error, "file.safetensors: expected UTF-8 text");
  ck_assert (dicenet_model_load_labels (model, folder, &error) == NULL);
  assert_readable (&error, "found a folder");
  ck_assert (g_file_set_contents (path, "a\nb", 3, NULL));
  ck_assert (dicenet_model_load_labels (model, path, &error) == NULL);
  assert_readable (&error, "found 2");

  g_setenv ("DICENET_MODEL_PATH", long_text, TRUE);
  ck_assert (dicenet_model_load ("nobody", &error) == NULL);
  assert_readable (&error, "nobody.safetensors");
  ck_assert (dicenet_model_load (long_text, &error) == NULL);
  assert_readable (&error, "(100000 bytes)");
  g_unsetenv ("DICENET_MODEL_PATH");
  g_autoptr (DicenetOptions) on_cpu = test_options (DICENET_BACKEND_CPU, DICENET_PRECISION_AUTO, 1);
  g_autoptr (DicenetOptions) on_gpu = test_options (DICENET_BACKEND_CUDA, DICENET_PRECISION_AUTO, 1);
  g_setenv ("DICENET_CPU_MASK", long_text, TRUE);
  ck_assert (dicenet_session_new (model, on_cpu, &error) == NULL);
  assert_readable (&error, "DICENET_CPU_MASK");
  g_unsetenv ("DICENET_CPU_MASK");
  g_setenv ("DICENET_CUDA_MODULE", link, TRUE);
  ck_assert (dicenet_session_new (model, on_gpu, &error) == NULL);
  assert_readable (&error, "good\xef\xbf\xbd.safetensors");
  g_unsetenv ("DICENET_CUDA_MODULE");
  test_folder_remove (g_steal_pointer (&folder));
  test_folder_remove (g_steal_pointer (&base));
}
END_TEST

TEST_MAIN ("model", describes_itself, refuses_bad_metadata, has_prior_sizes, has_a_head, has_a_threshold,
           has_thresholds, has_int8_ranges, has_int8_means, refuses_bad_tensors, is_loaded_once,
           is_loaded_anew_whatever_its_time, loads_from_many_threads, reads_labels, is_found_by_name,
           names_broken_links, messages_are_text)
