/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pack.h"

#include <string.h>
#include "../backend/packing.h"
#include "../base/block.h"
#include "../base/memory-error.h"

typedef struct {
  DicenetCpuWeights *nodes;
  float *block;
  gsize bytes;
} Packed;

typedef struct {
  const DicenetNetwork *program;
  const DicenetCpuPrecision *precision;
  DicenetCpuWeights *nodes; /* NULL while counting */
} Packer;

static void
pack_weight (DicenetPacking *p, const Packer *packer, const DicenetGraph *graph, const DicenetNode *node,
             const DicenetArray *weight, DicenetCpuWeights *out)
{
  DicenetDense conv;
  const float *place;

  if (!dicenet_cpu_dense (graph, node, &conv)) {
    out->weight = dicenet_packing_copy (p, weight);
    return;
  }
  const DicenetCpuPrecision *precision = dicenet_cpu_precision_of (packer->precision, graph, node);
  float *to = dicenet_packing_take (p, precision->floats (&conv), &place);
  if (to != NULL)
    precision->pack (&conv, weight->values, to);
  out->dense = place;
}

/* Corrected for int8, if the means of its inputs are known. */
static const float *
pack_bias (DicenetPacking *p, const Packer *packer, const DicenetGraph *graph, guint i, const DicenetNodeWeights *w)
{
  const DicenetNode *node = dicenet_graph_node (graph, i);
  DicenetDense conv;
  const float *place;

  if (packer->precision->precision != DICENET_PRECISION_INT8 || !dicenet_cpu_is_int8 (graph, node))
    return dicenet_packing_copy (p, &w->bias);
  float *to = dicenet_packing_take (p, node->channels, &place);
  if (to == NULL)
    return place;
  memset (to, 0, node->channels * sizeof (float));
  if (w->bias.n > 0)
    memcpy (to, w->bias.values, w->bias.n * sizeof (float));
  const gfloat *means = dicenet_cpu_int8_means (packer->program->description, graph, i);
  if (means != NULL && dicenet_cpu_dense (graph, node, &conv))
    dicenet_correct_int8 (&conv, w->weight.values, means, to);
  return place;
}

static void
pack_width (DicenetPacking *p, const DicenetNode *node, const DicenetArray *width, DicenetCpuWeights *out)
{
  float *columns = dicenet_packing_take (p, 9 * dicenet_padded_stride (node->kernel_width), &out->width);

  if (columns != NULL)
    dicenet_pack_columns (node->kernel_width, width->values, columns);
}

static void
pack_fusion (DicenetPacking *p, const DicenetNode *node, const DicenetNodeWeights *w, DicenetCpuWeights *out)
{
  const DicenetBranches plain = { w->branch_scale.values, w->branch_bias.values, w->branch_slope.values,
                                  w->fuse_weight.values,  w->fuse_bias.values,   w->slope.values };
  float *to = dicenet_packing_take (p, node->channels * sizeof (DicenetFusion) / sizeof (float), &out->fusion);

  if (to != NULL)
    dicenet_pack_fusion (node->channels, &plain, (gpointer) to);
}

static void
pack_epp (DicenetPacking *p, const DicenetNodeWeights *w, DicenetCpuWeights *out)
{
  out->branch_slope = dicenet_packing_copy (p, &w->branch_slope);
  out->fuse_weight = dicenet_packing_copy (p, &w->fuse_weight);
  out->fuse_bias = dicenet_packing_copy (p, &w->fuse_bias);
}

static void
pack_node (DicenetPacking *p, const DicenetGraph *graph, guint i, const DicenetNodeWeights *w, gpointer data)
{
  const Packer *packer = data;
  const DicenetNode *node = dicenet_graph_node (graph, i);
  DicenetCpuWeights counted, *out = packer->nodes ? &packer->nodes[i] : &counted;

  pack_weight (p, packer, graph, node, &w->weight, out);
  out->bias = pack_bias (p, packer, graph, i, w);
  out->scale = dicenet_packing_copy (p, &w->scale);
  out->slope = dicenet_packing_copy (p, &w->slope);
  out->height = dicenet_packing_copy (p, &w->height);
  if (node->op == DICENET_OP_DICE) {
    pack_width (p, node, &w->width, out);
    pack_fusion (p, node, w, out);
  } else if (node->op == DICENET_OP_EPP)
    pack_epp (p, w, out);
}

gsize
dicenet_cpu_weight_bytes (const DicenetGraph *graph, const DicenetCpuPrecision *precision)
{
  Packer packer = { .precision = precision };
  return dicenet_packing_measure (graph, pack_node, &packer) * sizeof (float);
}

static void
packed_free (gpointer data)
{
  Packed *self = data;

  dicenet_block_free (self->block, self->bytes);
  g_free (self->nodes);
  g_free (self);
}

static gpointer
pack_all (DicenetWeights *weights, gpointer data, GError **error)
{
  Packer *packer = data;
  const DicenetGraph *graph = packer->program->graph;
  Packed *self = g_new0 (Packed, 1);

  self->bytes = dicenet_cpu_weight_bytes (graph, packer->precision);
  self->nodes = packer->nodes = g_new0 (DicenetCpuWeights, graph->nodes->len);
  self->block = dicenet_block_new (self->bytes);
  DicenetPacking packing = { .block = self->block, .base = self->block };
  const gboolean is_packed =
      self->block ? dicenet_packing_fill (&packing, weights, graph, pack_node, packer, error)
                  : dicenet_no_memory (error, self->bytes, packer->precision->weights, DICENET_MORE_MEMORY);
  if (!is_packed)
    g_clear_pointer (&self, packed_free);
  return self;
}

const DicenetCpuWeights *
dicenet_cpu_weights (const DicenetNetwork *program, const DicenetCpuPrecision *precision, GError **error)
{
  Packer packer = { program, precision, NULL };
  const Packed *packed = dicenet_weights_pack (program->weights, precision, pack_all, packed_free, &packer, error);
  return packed ? packed->nodes : NULL;
}
