/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fold.h"

#include <dicenet/error.h>
#include <math.h>
#include <string.h>
#include "../base/block.h"
#include "../base/memory-error.h"
#include "../file/json.h"

#define BATCH_NORM_EPSILON 1e-5 /* PyTorch's default, used to train the checkpoints */

/* The packed weights of one backend. */
typedef struct {
  gconstpointer key;
  gpointer packed;
  GDestroyNotify destroy;
} Packed;

struct _DicenetWeights {
  const DicenetGraph *graph;
  DicenetFile *file;
  GMutex lock; /* of the following */
  DicenetSafetensors *tensors;
  GArray *packed; /* Packed */
  guint64 n_parameters;
};

/* State of folding one node. */
typedef struct {
  const DicenetGraph *graph;
  const DicenetSafetensors *file; /* NULL: list all tensors with @list instead of reading them */
  DicenetTensorFunc list;
  gpointer list_data;
  guint node;
  GHashTable *used; /* names of the tensors read so far, or NULL */
  guint64 n_parameters;
  DicenetNodeWeights *out;
  GError **error;
} Folder;

/* --- sizes --- */

static void
measure_conv (DicenetNodeWeights *w, const DicenetNode *node, guint cin)
{
  w->weight.n = (gsize) node->channels * (cin / node->groups) * node->kernel * node->kernel;
  w->bias.n = node->norm || node->bias ? node->channels : 0;
  w->slope.n = node->prelu ? node->channels : 0;
}

static void
measure_upsample_add (DicenetNodeWeights *w, const DicenetNode *node)
{
  w->scale.n = w->bias.n = node->norm ? node->channels : 0;
  w->slope.n = node->prelu ? node->channels : 0;
}

static void
measure_dice (DicenetNodeWeights *w, const DicenetNode *node)
{
  w->weight.n = 9 * (gsize) node->channels;
  w->height.n = 9 * (gsize) node->kernel_height;
  w->width.n = 9 * (gsize) node->kernel_width;
  w->branch_scale.n = w->branch_bias.n = w->branch_slope.n = w->fuse_weight.n = 3 * (gsize) node->channels;
  w->fuse_bias.n = w->slope.n = node->channels;
}

static void
measure_epp (DicenetNodeWeights *w, const DicenetNode *node)
{
  const gsize planes = DICENET_EPP_BRANCHES * (gsize) node->channels;

  w->weight.n = w->fuse_weight.n = 9 * planes;
  w->bias.n = w->branch_slope.n = planes;
  w->fuse_bias.n = w->slope.n = node->channels;
}

void
dicenet_node_weights_measure (DicenetNodeWeights *self, const DicenetGraph *graph, guint node)
{
  const DicenetNode *n = dicenet_graph_node (graph, node);

  *self = (DicenetNodeWeights){ .block = NULL };
  if (n->op == DICENET_OP_CONV)
    measure_conv (self, n, dicenet_node_channels (graph, n->inputs[0]));
  else if (n->op == DICENET_OP_DICE)
    measure_dice (self, n);
  else if (n->op == DICENET_OP_EPP)
    measure_epp (self, n);
  else if (n->op == DICENET_OP_UPSAMPLE_ADD)
    measure_upsample_add (self, n);
}

void
dicenet_node_weights_clear (DicenetNodeWeights *self)
{
  dicenet_block_free (self->block, self->block_bytes);
  self->block = NULL;
}

/* --- tensors of the file --- */

static gboolean
check_tensor (Folder *f, const DicenetTensor *tensor, const char *name, const guint64 *dims, guint n_dims)
{
  if (tensor == NULL) {
    g_autofree char *expected = dicenet_tensor_shape_string (dims, n_dims);
    g_set_error (f->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
                 "%s: tensor \"%s\" %s is missing: the file is not the network that its description says",
                 f->file->path, name, expected);
    return FALSE;
  }
  if (tensor->dtype != DICENET_DTYPE_F32 && tensor->dtype != DICENET_DTYPE_F16) {
    g_set_error (f->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
                 "%s: tensor \"%s\": expected type F32 or F16, found %s", f->file->path, name,
                 dicenet_dtype_name (tensor->dtype));
    return FALSE;
  }
  if (tensor->n_dims != n_dims || memcmp (tensor->dims, dims, n_dims * sizeof *dims) != 0) {
    g_autofree char *expected = dicenet_tensor_shape_string (dims, n_dims);
    g_autofree char *found = dicenet_tensor_shape_string (tensor->dims, tensor->n_dims);
    g_set_error (f->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL, "%s: tensor \"%s\": expected shape %s, found %s",
                 f->file->path, name, expected, found);
    return FALSE;
  }
  return TRUE;
}

static gboolean
is_all_finite (const float *values, gsize n)
{
  guint32 infinite = 0; /* accumulated without branches, which would take longer than reading the file */

  for (gsize i = 0; i < n; i++) {
    guint32 bits;
    memcpy (&bits, &values[i], sizeof bits);
    infinite |= (bits & 0x7f800000u) == 0x7f800000u;
  }
  return !infinite;
}

static gboolean
check_finite (Folder *f, const DicenetTensor *tensor, const float *values)
{
  if (is_all_finite (values, tensor->n_elements))
    return TRUE;
  for (gsize i = 0; i < tensor->n_elements; i++) {
    if (!isfinite (values[i])) {
      g_set_error (f->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
                   "%s: tensor \"%s\": element %" G_GSIZE_FORMAT " is not a finite number", f->file->path, tensor->name,
                   i);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
fail_without_memory (Folder *f, gsize n_floats)
{
  dicenet_no_memory (f->error, n_floats * sizeof (float), "weights", DICENET_MORE_MEMORY);
  if (f->file)
    g_prefix_error (f->error, "%s: ", f->file->path);
  return FALSE;
}

static float *
list_tensor (Folder *f, const char *name, gboolean is_parameter, float *to, const guint64 *dims, guint n_dims)
{
  gsize n = 1;

  f->list (f->node, name, dims, n_dims, is_parameter, f->list_data);
  for (guint i = 0; i < n_dims; i++)
    n *= dims[i];
  float *values = to ? to : g_try_new0 (float, n); /* the values in @to are not used */
  if (values == NULL)
    fail_without_memory (f, n);
  return values;
}

/* Loads a tensor as floats into @to; if NULL, into new memory to be freed with g_free(). NULL with the error set. */
static float *
load (Folder *f, const char *name, gboolean is_parameter, float *to, const guint64 *dims, guint n_dims)
{
  if (f->file == NULL)
    return list_tensor (f, name, is_parameter, to, dims, n_dims);
  const DicenetTensor *tensor = dicenet_safetensors_find (f->file, name);
  if (!check_tensor (f, tensor, name, dims, n_dims))
    return NULL;

  if (f->used)
    g_hash_table_add (f->used, tensor->name);
  f->n_parameters += is_parameter ? tensor->n_elements : 0;
  float *values = to ? to : g_try_new (float, tensor->n_elements);
  if (values == NULL) {
    fail_without_memory (f, tensor->n_elements);
    return NULL;
  }
  dicenet_tensor_to_float (tensor, values);
  if (check_finite (f, tensor, values))
    return values;
  if (to == NULL)
    g_free (values);
  return NULL;
}

#define DIMS(...)          (const guint64[]){ __VA_ARGS__ }, G_N_ELEMENTS (((const guint64[]){ __VA_ARGS__ }))
#define LOAD(f, name, ...) load (f, name, TRUE, NULL, DIMS (__VA_ARGS__))
/* Loads into the tensor's final place. */
#define LOAD_INTO(f, array, name, ...) (load (f, name, TRUE, (float *) (array)->values, DIMS (__VA_ARGS__)) != NULL)

static float *
load_part (Folder *f, const char *prefix, const char *suffix, guint n)
{
  g_autofree char *name = g_strconcat (prefix, suffix, NULL);
  return load (f, name, !g_str_has_prefix (suffix, ".running"), NULL, DIMS (n));
}

/* BatchNorm at inference is y = scale * x + bias. */
static gboolean
load_norm (Folder *f, const char *prefix, guint n, double *scale, double *bias)
{
  g_autofree float *weight = load_part (f, prefix, ".weight", n);
  g_autofree float *shift = weight ? load_part (f, prefix, ".bias", n) : NULL;
  g_autofree float *mean = shift ? load_part (f, prefix, ".running_mean", n) : NULL;
  g_autofree float *var = mean ? load_part (f, prefix, ".running_var", n) : NULL;

  if (var == NULL)
    return FALSE;
  for (guint i = 0; i < n; i++) {
    if (var[i] < 0) {
      g_set_error (f->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
                   "%s: tensor \"%s.running_var\": element %u is negative, which no variance is", f->file->path, prefix,
                   i);
      return FALSE;
    }
    scale[i] = weight[i] / sqrt ((double) var[i] + BATCH_NORM_EPSILON);
    bias[i] = shift[i] - scale[i] * mean[i];
  }
  return TRUE;
}

/* --- folding into the arrays of the node --- */

/* Allocates one block for all measured arrays. */
static gboolean
allocate (Folder *f)
{
  DicenetNodeWeights *w = f->out;
  DicenetArray *const arrays[] = { &w->weight,       &w->bias,        &w->scale,        &w->slope,
                                   &w->height,       &w->width,       &w->branch_scale, &w->branch_bias,
                                   &w->branch_slope, &w->fuse_weight, &w->fuse_bias };
  gsize n = 0;

  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++)
    n += arrays[i]->n;
  w->block_bytes = n * sizeof (float);
  w->block = n > 0 ? dicenet_block_new (w->block_bytes) : NULL;
  if (w->block == NULL && n > 0)
    return fail_without_memory (f, n);
  n = 0;
  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++) {
    arrays[i]->values = arrays[i]->n > 0 ? w->block + n : NULL;
    n += arrays[i]->n;
  }
  return TRUE;
}

static float *
place (const DicenetArray *array)
{
  return (float *) array->values; /* in the node's block, which is writable */
}

static void
store (const DicenetArray *array, const double *values)
{
  for (gsize i = 0; i < array->n; i++)
    place (array)[i] = (float) values[i];
}

/* Multiplies each of @n rows by its scale. */
static void
rescale (const DicenetArray *array, guint n, const double *scale)
{
  const gsize m = array->n / n;

  for (gsize i = 0; i < array->n; i++)
    place (array)[i] = (float) (place (array)[i] * scale[i / m]);
}

static gboolean
load_slope (Folder *f, const char *name, const DicenetArray *array)
{
  return LOAD_INTO (f, array, name, array->n);
}

static gboolean
fold_conv (Folder *f, const DicenetNode *node)
{
  const guint n = node->channels, cin = dicenet_node_channels (f->graph, node->inputs[0]) / node->groups;
  DicenetNodeWeights *w = f->out;
  g_autofree double *scale = node->norm ? g_new (double, n) : NULL, *bias = node->norm ? g_new (double, n) : NULL;

  if (!LOAD_INTO (f, &w->weight, node->weight, n, cin, node->kernel, node->kernel) ||
      (node->bias && !LOAD_INTO (f, &w->bias, node->bias, n)))
    return FALSE;
  if (node->norm) {
    if (!load_norm (f, node->norm, n, scale, bias))
      return FALSE;
    rescale (&w->weight, n, scale);
    store (&w->bias, bias);
  }
  return node->prelu == NULL || load_slope (f, node->prelu, &w->slope);
}

static gboolean
fold_upsample_add (Folder *f, const DicenetNode *node)
{
  const guint n = node->channels;
  g_autofree double *scale = g_new (double, n), *bias = g_new (double, n);

  if (node->norm) {
    if (!load_norm (f, node->norm, n, scale, bias))
      return FALSE;
    store (&f->out->scale, scale);
    store (&f->out->bias, bias);
  }
  return node->prelu == NULL || load_slope (f, node->prelu, &f->out->slope);
}

/* The local fusion's weights are [c][3] in the file; they are stored branch by branch, like the others. */
static gboolean
fold_local_fusion (Folder *f, const DicenetNode *node)
{
  const guint c = node->channels;
  g_autofree float *fuse = LOAD (f, node->fuse_weight, c, 3, 1, 1);
  g_autofree double *scale = g_new (double, c), *bias = g_new (double, c), *branchwise = g_new (double, 3 * (gsize) c);

  if (fuse == NULL || !load_norm (f, node->fuse_norm, c, scale, bias))
    return FALSE;
  for (guint i = 0; i < c; i++)
    for (guint b = 0; b < 3; b++)
      branchwise[b * c + i] = fuse[3 * i + b] * scale[i];
  store (&f->out->fuse_weight, branchwise);
  store (&f->out->fuse_bias, bias);
  return load_slope (f, node->fuse_prelu, &f->out->slope);
}

static gboolean
fold_dice (Folder *f, const DicenetNode *node)
{
  const guint c = node->channels;
  DicenetNodeWeights *w = f->out;
  g_autofree double *scale = g_new (double, 3 * (gsize) c), *bias = g_new (double, 3 * (gsize) c);

  if (!LOAD_INTO (f, &w->weight, node->weight, c, 1, 3, 3) ||
      !LOAD_INTO (f, &w->height, node->weight_height, node->kernel_height, 1, 3, 3) ||
      !LOAD_INTO (f, &w->width, node->weight_width, node->kernel_width, 1, 3, 3) ||
      !load_norm (f, node->norm, 3 * c, scale, bias))
    return FALSE;
  rescale (&w->weight, c, scale);
  for (guint i = 0; i < c; i++)
    scale[i] = 1; /* already folded into the depth branch's kernels */
  store (&w->branch_scale, scale);
  store (&w->branch_bias, bias);
  return load_slope (f, node->prelu, &w->branch_slope) && fold_local_fusion (f, node);
}

/* The depthwise kernels of all scales, multiplied by their BatchNorm's @scale. */
static gboolean
fold_scales (Folder *f, const DicenetNode *node, const double *scale)
{
  const guint c = node->channels;
  const gsize n = 9 * (gsize) c;

  for (guint k = 0; k < DICENET_EPP_BRANCHES; k++) {
    g_autofree char *name = g_strdup_printf ("%s.%u.weight", node->weight, k);
    if (!LOAD_INTO (f, &((DicenetArray){ f->out->weight.values + k * n, n }), name, c, 1, 3, 3))
      return FALSE;
  }
  rescale (&f->out->weight, DICENET_EPP_BRANCHES * c, scale);
  return TRUE;
}

static gboolean
fold_epp (Folder *f, const DicenetNode *node)
{
  const guint c = node->channels, n = DICENET_EPP_BRANCHES * c;
  g_autofree double *scale = g_new (double, n), *bias = g_new (double, n);

  if (!load_norm (f, node->norm, n, scale, bias) || !fold_scales (f, node, scale) ||
      !load_slope (f, node->prelu, &f->out->branch_slope))
    return FALSE;
  store (&f->out->bias, bias);
  if (!LOAD_INTO (f, &f->out->fuse_weight, node->fuse_weight, c, DICENET_EPP_BRANCHES, 3, 3) ||
      !load_norm (f, node->fuse_norm, c, scale, bias))
    return FALSE;
  rescale (&f->out->fuse_weight, c, scale);
  store (&f->out->fuse_bias, bias);
  return load_slope (f, node->fuse_prelu, &f->out->slope);
}

static gboolean
fold_node (Folder *f, guint i)
{
  const DicenetNode *node = dicenet_graph_node (f->graph, i);

  f->node = i;
  dicenet_node_weights_measure (f->out, f->graph, i);
  if (!allocate (f))
    return FALSE;
  switch (node->op) {
  case DICENET_OP_CONV:
    return fold_conv (f, node);
  case DICENET_OP_UPSAMPLE_ADD:
    return fold_upsample_add (f, node);
  case DICENET_OP_DICE:
    return fold_dice (f, node);
  case DICENET_OP_EPP:
    return fold_epp (f, node);
  default:
    return TRUE;
  }
}

gboolean
dicenet_graph_list_tensors (const DicenetGraph *graph, DicenetTensorFunc func, gpointer data, GError **error)
{
  Folder f = { .graph = graph, .list = func, .list_data = data, .error = error };

  for (guint i = 0; i < graph->nodes->len; i++) {
    g_auto (DicenetNodeWeights) zeros = { .block = NULL };
    f.out = &zeros;
    if (!fold_node (&f, i))
      return FALSE;
  }
  return TRUE;
}

/* --- a model's --- */

/* A tensor that no layer uses means that the description is wrong, or that the file hides data. */
static gboolean
check_all_used (const Folder *f)
{
  for (GTreeNode *n = g_tree_node_first (f->file->tensors); n; n = g_tree_node_next (n)) {
    const char *name = g_tree_node_key (n);
    if (!g_hash_table_contains (f->used, name)) {
      g_set_error (f->error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
                   "%s: tensor \"%s\" belongs to no layer of the network that the file describes", f->file->path, name);
      return FALSE;
    }
  }
  return TRUE;
}

/* Folds all nodes once, which validates all tensors. */
static gboolean
check_all (DicenetWeights *self, GError **error)
{
  g_autoptr (GHashTable) used = g_hash_table_new (g_str_hash, g_str_equal);
  Folder f = { .graph = self->graph, .file = self->tensors, .used = used, .error = error };

  for (guint i = 0; i < self->graph->nodes->len; i++) {
    g_auto (DicenetNodeWeights) checked = { .block = NULL };
    f.out = &checked;
    if (!fold_node (&f, i))
      return FALSE;
  }
  self->n_parameters = f.n_parameters;
  return check_all_used (&f);
}

static void
packed_clear (gpointer data)
{
  const Packed *packed = data;
  packed->destroy (packed->packed);
}

DicenetWeights *
dicenet_weights_new (const DicenetGraph *graph, DicenetFile *file, DicenetSafetensors *tensors, GError **error)
{
  g_autoptr (DicenetWeights) self = g_new0 (DicenetWeights, 1);

  self->graph = graph;
  self->file = file;
  self->tensors = tensors;
  g_mutex_init (&self->lock);
  self->packed = g_array_new (FALSE, FALSE, sizeof (Packed));
  g_array_set_clear_func (self->packed, packed_clear);
  return check_all (self, error) ? g_steal_pointer (&self) : NULL;
}

void
dicenet_weights_free (DicenetWeights *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->packed);
  dicenet_safetensors_free (self->tensors);
  g_mutex_clear (&self->lock);
  g_free (self);
}

guint64
dicenet_weights_get_n_parameters (const DicenetWeights *self)
{
  return self->n_parameters;
}

/* Reads the file again, unless it was modified since it was checked. */
static gboolean
read_again (DicenetWeights *self, GError **error)
{
  if (!dicenet_file_is_unchanged (self->file, NULL)) {
    g_autofree char *shown = dicenet_path_excerpt (self->file->path);
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN,
                 "%s: was rewritten since it was loaded, and its weights are wanted again, for another precision or "
                 "device: load it anew. A file that is renamed to its name when it is whole leaves the one in use as "
                 "it is",
                 shown);
    return FALSE;
  }
  self->tensors = dicenet_safetensors_read (self->file, error);
  return self->tensors != NULL;
}

static gpointer
pack_locked (DicenetWeights *self, gconstpointer key, DicenetPackFunc pack, GDestroyNotify destroy, gpointer data,
             GError **error)
{
  for (guint i = 0; key != NULL && i < self->packed->len; i++) {
    const Packed *found = &g_array_index (self->packed, Packed, i);
    if (found->key == key)
      return found->packed;
  }
  if (self->tensors == NULL && !read_again (self, error))
    return NULL;
  gpointer packed = pack (self, data, error);
  g_clear_pointer (&self->tensors, dicenet_safetensors_free);
  if (packed != NULL && key != NULL)
    g_array_append_val (self->packed, ((Packed){ key, packed, destroy }));
  return packed;
}

gpointer
dicenet_weights_pack (DicenetWeights *self, gconstpointer key, DicenetPackFunc pack, GDestroyNotify destroy,
                      gpointer data, GError **error)
{
  g_mutex_lock (&self->lock);
  gpointer packed = pack_locked (self, key, pack, destroy, data, error);
  g_mutex_unlock (&self->lock);
  return packed;
}

gboolean
dicenet_weights_fold (DicenetWeights *self, guint node, DicenetNodeWeights *out, GError **error)
{
  Folder f = { .graph = self->graph, .file = self->tensors, .out = out, .error = error };

  if (fold_node (&f, node))
    return TRUE;
  dicenet_node_weights_clear (out);
  return FALSE;
}
