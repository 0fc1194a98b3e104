/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "weights.h"

#include <dicenet/error.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "../base/memory-error.h"
#include "../base/memory.h"
#include "../kernels/kernels.h"

#define BATCH_NORM_EPSILON 1e-5 /* PyTorch's default, which the checkpoints were trained with */

/* Two passes with the same code: the first checks every tensor's type and shape and counts the floats, the second reads
 * them and fills the block. */
typedef struct {
  const DicenetGraph *graph;
  const DicenetSafetensors *file;
  GError **error;
  GHashTable *used;
  DicenetWeights *out;
  float *block; /* NULL in the first pass */
  gsize n_floats;
  guint64 n_parameters;
} Folder;

static float *
reserve (Folder *f, gsize n)
{
  float *at = f->block ? f->block + f->n_floats : NULL;
  f->n_floats += dicenet_align_floats (n);
  return at;
}

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
  guint32 infinite = 0; /* one result for all: branches would be slower than reading the file */

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
  g_prefix_error (f->error, "%s: ", f->file->path);
  return FALSE;
}

/* A tensor as floats, zeros in the first pass, to be freed with g_free(); NULL with the error set. */
static float *
load (Folder *f, const char *name, gboolean is_parameter, const guint64 *dims, guint n_dims)
{
  const DicenetTensor *tensor = dicenet_safetensors_find (f->file, name);
  if (!check_tensor (f, tensor, name, dims, n_dims))
    return NULL;

  g_hash_table_add (f->used, tensor->name);
  f->n_parameters += is_parameter ? tensor->n_elements : 0;
  float *values = g_try_new0 (float, tensor->n_elements);
  if (values == NULL)
    fail_without_memory (f, tensor->n_elements);
  if (values == NULL || f->block == NULL)
    return values;
  dicenet_tensor_to_float (tensor, values);
  if (!check_finite (f, tensor, values))
    g_clear_pointer (&values, g_free);
  return values;
}

#define LOAD(f, name, ...)                                                                                             \
  load (f, name, TRUE, (const guint64[]){ __VA_ARGS__ }, G_N_ELEMENTS (((const guint64[]){ __VA_ARGS__ })))

static float *
load_part (Folder *f, const char *prefix, const char *suffix, guint n)
{
  g_autofree char *name = g_strconcat (prefix, suffix, NULL);
  return load (f, name, !g_str_has_prefix (suffix, ".running"), (const guint64[]){ n }, 1);
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

static gboolean
load_slope (Folder *f, const char *name, guint n, const float **out)
{
  g_autofree float *slope = LOAD (f, name, n);
  if (slope == NULL)
    return FALSE;
  float *at = reserve (f, n);
  if (at)
    memcpy (at, slope, n * sizeof (float));
  *out = at;
  return TRUE;
}

/* Converts with the scale of each of n rows of m numbers. */
static const float *
store_scaled (Folder *f, const float *values, guint n, gsize m, const double *scale)
{
  float *at = reserve (f, n * m);
  for (gsize i = 0; at && i < n * m; i++)
    at[i] = (float) (values[i] * (scale ? scale[i / m] : 1.0));
  return at;
}

static const float *
store (Folder *f, const double *values, gsize n)
{
  float *at = reserve (f, n);
  for (gsize i = 0; at && i < n; i++)
    at[i] = (float) values[i];
  return at;
}

/* The same in the blocks that dense convolutions take: see DicenetConv. */
static const float *
store_blocks (Folder *f, const float *values, guint n, guint groups, gsize m, const double *scale)
{
  const guint group = n / groups, blocks = dicenet_conv_blocks (n, groups);
  const gsize size = (gsize) groups * blocks * m * DICENET_BLOCK;
  float *at = reserve (f, size);

  if (at == NULL)
    return NULL;
  memset (at, 0, size * sizeof (float));
  for (guint i = 0; i < n; i++) {
    const guint in_group = i % group;
    const gsize block = (gsize) (i / group) * blocks + in_group / DICENET_BLOCK;
    for (gsize k = 0; k < m; k++)
      at[(block * m + k) * DICENET_BLOCK + in_group % DICENET_BLOCK] =
          (float) (values[i * m + k] * (scale ? scale[i] : 1.0));
  }
  return at;
}

/* G g G' of 3 x 3 weights, and in the blocks that conv_winograd takes. */
static const float *
store_winograd (Folder *f, const float *values, guint n, guint groups, guint channels, const double *scale)
{
  static const double g[4][3] = { { 1, 0, 0 }, { 0.5, 0.5, 0.5 }, { 0.5, -0.5, 0.5 }, { 0, 0, 1 } };
  const guint group = n / groups, blocks = dicenet_conv_blocks (n, groups);
  const gsize size = (gsize) groups * blocks * 16 * channels * DICENET_BLOCK;
  float *at = reserve (f, size);

  if (at == NULL)
    return NULL;
  memset (at, 0, size * sizeof (float));
  for (guint i = 0; i < n; i++) {
    const gsize block = (gsize) (i / group) * blocks + i % group / DICENET_BLOCK;
    for (guint k = 0; k < 16 * channels; k++) {
      const float *w = values + ((gsize) i * channels + k % channels) * 9;
      double sum = 0;
      for (guint a = 0; a < 3; a++)
        for (guint b = 0; b < 3; b++)
          sum += g[k / channels / 4][a] * w[3 * a + b] * g[k / channels % 4][b];
      at[(block * 16 * channels + k) * DICENET_BLOCK + i % group % DICENET_BLOCK] =
          (float) (sum * (scale ? scale[i] : 1.0));
    }
  }
  return at;
}

/* One dimension of the transform backwards: g0 = u0, g1 = u1 - u2, g2 = u3. */
float
dicenet_winograd_weight (const float *block, guint cin, guint c, guint tap, guint o)
{
  static const gint8 rows[3][2] = { { 0, -1 }, { 1, 2 }, { 3, -1 } };
  float sum = 0;

  for (guint i = 0; i < 2; i++) {
    for (guint j = 0; j < 2; j++) {
      const gint row = rows[tap / 3][i], column = rows[tap % 3][j];
      if (row >= 0 && column >= 0)
        sum += (i == j ? 1.0f : -1.0f) * block[((gsize) (4 * row + column) * cin + c) * DICENET_BLOCK + o];
    }
  }
  return sum;
}

static const float *
store_weights (Folder *f, const DicenetNode *node, const float *values, guint channels, const double *scale)
{
  const guint n = node->channels, groups = node->groups;
  const gsize inputs = (gsize) channels * node->kernel * node->kernel;

  if (!dicenet_conv_is_dense (n, groups, node->kernel))
    return store_scaled (f, values, n, inputs, scale);
  if (dicenet_conv_is_winograd (channels * groups, n, groups, node->kernel, node->stride))
    return store_winograd (f, values, n, groups, channels, scale);
  return store_blocks (f, values, n, groups, inputs, scale);
}

static gboolean
fold_conv (Folder *f, const DicenetNode *node, DicenetNodeWeights *w)
{
  const guint n = node->channels, cin = dicenet_node_channels (f->graph, node->inputs[0]) / node->groups;
  g_autofree float *weight = LOAD (f, node->weight, n, cin, node->kernel, node->kernel);
  g_autofree float *plain_bias = weight && node->bias ? LOAD (f, node->bias, n) : NULL;
  g_autofree double *scale = node->norm ? g_new (double, n) : NULL, *bias = node->norm ? g_new (double, n) : NULL;

  if (weight == NULL || (node->bias && plain_bias == NULL) ||
      (node->norm && !load_norm (f, node->norm, n, scale, bias)))
    return FALSE;
  w->weight = store_weights (f, node, weight, cin, scale);
  w->bias = node->norm ? store (f, bias, n) : plain_bias ? store_scaled (f, plain_bias, n, 1, NULL) : NULL;
  return node->prelu == NULL || load_slope (f, node->prelu, n, &w->slope);
}

static gboolean
fold_merge (Folder *f, const DicenetNode *node, DicenetNodeWeights *w)
{
  const guint n = node->channels;
  g_autofree double *scale = g_new (double, n), *bias = g_new0 (double, n);

  for (guint i = 0; i < n; i++)
    scale[i] = 1;
  if (node->norm && !load_norm (f, node->norm, n, scale, bias))
    return FALSE;
  w->scale = store (f, scale, n);
  w->bias = store (f, bias, n);
  return load_slope (f, node->prelu, n, &w->slope);
}

/* The local fusion's weights are [c][3] in the file; kernels take them branch by branch like the rest. */
static gboolean
fold_local_fusion (Folder *f, const DicenetNode *node, DicenetNodeWeights *w)
{
  const guint c = node->channels;
  g_autofree float *fuse = LOAD (f, node->fuse_weight, c, 3, 1, 1);
  g_autofree double *scale = g_new (double, c), *bias = g_new (double, c), *branchwise = g_new (double, 3 * (gsize) c);

  if (fuse == NULL || !load_norm (f, node->fuse_norm, c, scale, bias))
    return FALSE;
  for (guint i = 0; i < c; i++)
    for (guint b = 0; b < 3; b++)
      branchwise[b * c + i] = fuse[3 * i + b] * scale[i];
  w->fuse_weight = store (f, branchwise, 3 * (gsize) c);
  w->fuse_bias = store (f, bias, c);
  return load_slope (f, node->fuse_prelu, c, &w->slope);
}

/* From [W0][3][3] to [3][3][padded W0]: a register takes the same tap of neighbouring columns. */
static const float *
store_columns (Folder *f, const float *values, guint n)
{
  const gsize stride = dicenet_padded_stride (n);
  float *at = reserve (f, 9 * stride);

  for (gsize tap = 0; at && tap < 9; tap++)
    for (gsize i = 0; i < stride; i++)
      at[tap * stride + i] = i < n ? values[9 * i + tap] : 0;
  return at;
}

/* Transposed, a width kernel's rows are channels and its columns rows of the plane, as a height kernel's are. */
static const float *
store_transposed (Folder *f, const float *values, guint n)
{
  float *at = reserve (f, 9 * (gsize) n);

  for (gsize i = 0; at && i < 9 * (gsize) n; i++)
    at[i] = values[i / 9 * 9 + i % 3 * 3 + i % 9 / 3];
  return at;
}

static gboolean
fold_dice (Folder *f, const DicenetNode *node, DicenetNodeWeights *w)
{
  const guint c = node->channels;
  g_autofree float *depth = LOAD (f, node->weight, c, 1, 3, 3);
  g_autofree float *height = depth ? LOAD (f, node->weight_height, node->kernel_height, 1, 3, 3) : NULL;
  g_autofree float *width = height ? LOAD (f, node->weight_width, node->kernel_width, 1, 3, 3) : NULL;
  g_autofree double *scale = g_new (double, 3 * (gsize) c), *bias = g_new (double, 3 * (gsize) c);

  if (width == NULL || !load_norm (f, node->norm, 3 * c, scale, bias))
    return FALSE;
  w->weight = store_scaled (f, depth, c, 9, scale);
  w->height = store_scaled (f, height, node->kernel_height, 9, NULL);
  w->width = store_columns (f, width, node->kernel_width);
  w->width_rows = store_transposed (f, width, node->kernel_width);
  for (guint i = 0; i < c; i++)
    scale[i] = 1; /* now in the depth branch's kernels */
  w->branch_scale = store (f, scale, 3 * (gsize) c);
  w->branch_bias = store (f, bias, 3 * (gsize) c);
  return load_slope (f, node->prelu, 3 * c, &w->branch_slope) && fold_local_fusion (f, node, w);
}

/* The depth-wise kernels of all scales, [scale][c][3][3] with their BatchNorm's @scale. */
static gboolean
fold_scales (Folder *f, const DicenetNode *node, const double *scale, DicenetNodeWeights *w)
{
  const guint c = node->channels;
  g_autofree float *kernels = g_new (float, 9 * DICENET_SCALES * (gsize) c);

  for (guint k = 0; k < DICENET_SCALES; k++) {
    g_autofree char *name = g_strdup_printf ("%s.%u.weight", node->weight, k);
    g_autofree float *kernel = LOAD (f, name, c, 1, 3, 3);
    if (kernel == NULL)
      return FALSE;
    memcpy (kernels + 9 * (gsize) k * c, kernel, 9 * c * sizeof *kernels);
  }
  w->weight = store_scaled (f, kernels, DICENET_SCALES * c, 9, scale);
  return TRUE;
}

static gboolean
fold_pyramid (Folder *f, const DicenetNode *node, DicenetNodeWeights *w)
{
  const guint c = node->channels, n = DICENET_SCALES * c;
  g_autofree double *scale = g_new (double, n), *bias = g_new (double, n);

  if (!load_norm (f, node->norm, n, scale, bias) || !fold_scales (f, node, scale, w) ||
      !load_slope (f, node->prelu, n, &w->branch_slope))
    return FALSE;
  w->bias = store (f, bias, n);
  g_autofree float *fuse = LOAD (f, node->fuse_weight, c, DICENET_SCALES, 3, 3);
  if (fuse == NULL || !load_norm (f, node->fuse_norm, c, scale, bias))
    return FALSE;
  w->fuse_weight = store_scaled (f, fuse, c, 9 * DICENET_SCALES, scale);
  w->fuse_bias = store (f, bias, c);
  return load_slope (f, node->fuse_prelu, c, &w->slope);
}

static gboolean
fold_all (Folder *f)
{
  f->n_floats = 0;
  f->n_parameters = 0;
  for (guint i = 0; i < f->graph->nodes->len; i++) {
    const DicenetNode *node = dicenet_graph_node (f->graph, i);
    DicenetNodeWeights *w = &f->out->nodes[i];
    if ((node->op == DICENET_OP_CONV && !fold_conv (f, node, w)) ||
        (node->op == DICENET_OP_MERGE && !fold_merge (f, node, w)) ||
        (node->op == DICENET_OP_DICE && !fold_dice (f, node, w)) ||
        (node->op == DICENET_OP_PYRAMID && !fold_pyramid (f, node, w)))
      return FALSE;
  }
  return TRUE;
}

/* A tensor that no layer takes means that the description is wrong, or that the file hides something. */
static gboolean
check_all_used (Folder *f)
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

static float *
allocate_block (Folder *f)
{
  DicenetWeights *out = f->out;
  out->block_bytes = f->n_floats * sizeof (float);
  out->block = out->block_bytes ? dicenet_block_new (out->block_bytes) : NULL;
  if (out->block == NULL)
    fail_without_memory (f, f->n_floats);
  return out->block;
}

DicenetWeights *
dicenet_weights_new (const DicenetGraph *graph, const DicenetSafetensors *file, GError **error)
{
  g_autoptr (DicenetWeights) out = g_new0 (DicenetWeights, 1);
  g_autoptr (GHashTable) used = g_hash_table_new (g_str_hash, g_str_equal);
  out->nodes = g_new0 (DicenetNodeWeights, graph->nodes->len);
  out->bf16 = dicenet_weights_bf16_new ();
  Folder f = { .graph = graph, .file = file, .error = error, .used = used, .out = out };

  if (!fold_all (&f) || !check_all_used (&f) || (f.block = allocate_block (&f)) == NULL || !fold_all (&f))
    return NULL;
  out->n_parameters = f.n_parameters;
  return g_steal_pointer (&out);
}

void
dicenet_weights_free (DicenetWeights *self)
{
  if (self == NULL)
    return;
  dicenet_block_free (self->block, self->block_bytes);
  dicenet_weights_bf16_free (self->bf16);
  g_free (self->nodes);
  g_free (self);
}
