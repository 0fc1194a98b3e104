/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "precision.h"

/* --- float32 --- */

static int
always (unsigned mask)
{
  return TRUE;
}

static void
take_nothing (DicenetKernels *kernels)
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

/* bfloat16 has no Winograd kernels: its sums would be rounded to 8 bits, and direct products take no longer. */
static const DicenetCpuPrecision precisions[] = {
  { DICENET_PRECISION_FLOAT32, "weights", always, take_nothing, TRUE, float32_floats, float32_pack, float32_set,
    dicenet_conv_blocks, dicenet_conv_pointwise_scratch, dicenet_conv_dense3x3_scratch },
  { DICENET_PRECISION_BFLOAT16, "bfloat16 weights", dicenet_bf16_is_there, dicenet_bf16_take, FALSE, bf16_floats,
    bf16_pack, bf16_set, dicenet_bf16_blocks, dicenet_bf16_pointwise_scratch, dicenet_bf16_dense3x3_scratch },
};

const DicenetCpuPrecision *
dicenet_cpu_precision (DicenetPrecision precision)
{
  for (guint i = 0; i < G_N_ELEMENTS (precisions); i++)
    if (precisions[i].precision == precision)
      return &precisions[i];
  return NULL;
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
