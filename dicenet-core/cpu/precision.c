/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "precision.h"

#include <dicenet/error.h>

/* --- float32 --- */

static int
always (unsigned mask)
{
  return TRUE;
}

static void
take_nothing (DicenetKernels *kernels, unsigned mask)
{
}

static gboolean
is_transformed (const DicenetDense *c)
{
  return dicenet_conv_is_winograd (c->cin, c->cout, c->groups, c->kernel, c->stride);
}

static gsize
float32_floats (const DicenetDense *conv)
{
  return is_transformed (conv) ? dicenet_winograd_floats (conv) : dicenet_blocks_floats (conv);
}

static void
float32_pack (const DicenetDense *conv, const float *plain, gpointer to)
{
  if (is_transformed (conv))
    dicenet_pack_winograd (conv, plain, to);
  else
    dicenet_pack_blocks (conv, plain, to);
}

static void
float32_set (DicenetConv *conv, gconstpointer packed)
{
  conv->weight = packed;
}

/* --- bfloat16 --- */

/* Two numbers take one float. Blocks are multiples of a cache line. */
static gsize
bf16_floats (const DicenetDense *conv)
{
  return dicenet_bf16_weights (conv->cin, conv->cout, conv->groups, conv->kernel) / 2;
}

static void
bf16_pack (const DicenetDense *conv, const float *plain, gpointer to)
{
  dicenet_pack_bf16 (conv, plain, to);
}

static void
bf16_set (DicenetConv *conv, gconstpointer packed)
{
  conv->bf16 = packed;
}

static void
bf16_take (DicenetKernels *kernels, unsigned mask)
{
  dicenet_bf16_take (kernels);
}

/* --- int8 --- */

/* Left out are fully connected layers, which take hardly any time. */
static gboolean
int8_covers (const DicenetGraph *graph, const DicenetNode *node)
{
  const gsize terms =
      (gsize) dicenet_node_channels (graph, node->inputs[0]) / node->groups * node->kernel * node->kernel;

  return !node->is_fully_connected && terms <= DICENET_INT8_TERMS;
}

static void
int8_set (DicenetConv *conv, gconstpointer packed)
{
  conv->int8 = packed;
}

static void
int8_take (DicenetKernels *kernels, unsigned mask)
{
  dicenet_int8_take (kernels, mask);
}

static gsize
int8_floats (const DicenetDense *conv)
{
  return dicenet_int8_floats (conv->cin, conv->cout, conv->groups, conv->kernel);
}

/* Winograd's transform only pays off in float32: in bfloat16 its sums would be rounded to 8 bits, and direct products
 * take no longer; in int8 its sums don't fit 8 bits. */
static const DicenetCpuPrecision precisions[] = {
  { .precision = DICENET_PRECISION_FLOAT32,
    .weights = "weights",
    .is_there = always,
    .take = take_nothing,
    .has_winograd = TRUE,
    .has_gemv = TRUE,
    .floats = float32_floats,
    .pack = float32_pack,
    .set = float32_set,
    .blocks = dicenet_conv_blocks,
    .pointwise_scratch = dicenet_conv_pointwise_scratch,
    .dense3x3_scratch = dicenet_conv_dense3x3_scratch },
  { .precision = DICENET_PRECISION_BFLOAT16,
    .weights = "bfloat16 weights",
    .is_there = dicenet_bf16_is_there,
    .take = bf16_take,
    .has_gemv = TRUE,
    .floats = bf16_floats,
    .pack = bf16_pack,
    .set = bf16_set,
    .blocks = dicenet_bf16_blocks,
    .pointwise_scratch = dicenet_bf16_pointwise_scratch,
    .dense3x3_scratch = dicenet_bf16_dense3x3_scratch },
  { .precision = DICENET_PRECISION_INT8,
    .weights = "int8 weights",
    .is_there = dicenet_int8_is_there,
    .take = int8_take,
    .needs_range = TRUE,
    .covers = int8_covers,
    .floats = int8_floats,
    .pack = dicenet_pack_int8,
    .set = int8_set,
    .blocks = dicenet_int8_blocks,
    .pointwise_scratch = dicenet_int8_pointwise_scratch,
    .dense3x3_scratch = dicenet_int8_dense3x3_scratch },
};

const DicenetCpuPrecision *
dicenet_cpu_precision (DicenetPrecision precision)
{
  for (guint i = 0; i < G_N_ELEMENTS (precisions); i++)
    if (precisions[i].precision == precision)
      return &precisions[i];
  return NULL;
}

const DicenetCpuPrecision *
dicenet_cpu_precision_there (DicenetPrecision precision, unsigned mask)
{
  const DicenetCpuPrecision *row = dicenet_cpu_precision (precision);
  return row && row->is_there (mask) ? row : NULL;
}

const DicenetCpuPrecision *
dicenet_cpu_precision_of (const DicenetCpuPrecision *precision, const DicenetGraph *graph, const DicenetNode *node)
{
  DicenetDense conv;
  const gboolean is_covered =
      precision->covers == NULL || (dicenet_cpu_dense (graph, node, &conv) && precision->covers (graph, node));
  return is_covered ? precision : dicenet_cpu_precision (DICENET_PRECISION_FLOAT32);
}

gboolean
dicenet_cpu_dense (const DicenetGraph *graph, const DicenetNode *node, DicenetDense *out)
{
  if (node->op != DICENET_OP_CONV || !dicenet_conv_is_dense (node->channels, node->groups, node->kernel))
    return FALSE;
  *out = (DicenetDense){ dicenet_node_channels (graph, node->inputs[0]), node->channels, node->groups, node->kernel,
                         node->stride };
  return TRUE;
}

gboolean
dicenet_cpu_is_int8 (const DicenetGraph *graph, const DicenetNode *node)
{
  return dicenet_cpu_precision_of (dicenet_cpu_precision (DICENET_PRECISION_INT8), graph, node)->precision ==
         DICENET_PRECISION_INT8;
}

guint
dicenet_cpu_n_int8 (const DicenetGraph *graph, guint end)
{
  guint n = 0;

  for (guint i = 0; i < end; i++)
    n += (guint) dicenet_cpu_is_int8 (graph, dicenet_graph_node (graph, i));
  return n;
}

const gfloat *
dicenet_cpu_int8_means (const DicenetDescription *d, const DicenetGraph *graph, guint node)
{
  const GArray *means = d->int8_means ? d->int8_means->pdata[dicenet_cpu_n_int8 (graph, node)] : NULL;
  return means ? (const gfloat *) (gpointer) means->data : NULL;
}

G_GNUC_PRINTF (3, 4)
static gboolean
refuse (GError **error, const char *path, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_INVALID_MODEL,
               "%s: __metadata__: %s: write it anew with models/quantize.py", path, what);
  return FALSE;
}

static gboolean
check_count (const char *key, guint found, guint expected, const char *path, GError **error)
{
  return found == expected ||
         refuse (error, path, "\"%s\": expected %u elements, one for each convolution that int8 computes, found %u",
                 key, expected, found);
}

static gboolean
check_channels (const DicenetDescription *d, const DicenetGraph *graph, const char *path, GError **error)
{
  guint n = 0;

  for (guint i = 0; i < graph->nodes->len; i++) {
    const DicenetNode *node = dicenet_graph_node (graph, i);
    if (!dicenet_cpu_is_int8 (graph, node))
      continue;
    const GArray *means = d->int8_means->pdata[n++];
    const guint expected = dicenet_node_channels (graph, node->inputs[0]);
    if (means->len != expected)
      return refuse (error, path,
                     "\"int8_means\": expected %u numbers for the input of %s, found %u at %u, counted from 0",
                     expected, node->name, means->len, n - 1);
  }
  return TRUE;
}

gboolean
dicenet_cpu_check_int8 (const DicenetDescription *d, const DicenetGraph *graph, const char *path, GError **error)
{
  const guint n = dicenet_cpu_n_int8 (graph, graph->nodes->len);

  if (d->int8_ranges != NULL && !check_count ("int8_ranges", d->int8_ranges->len, n, path, error))
    return FALSE;
  return d->int8_means == NULL ||
         (check_count ("int8_means", d->int8_means->len, n, path, error) && check_channels (d, graph, path, error));
}
