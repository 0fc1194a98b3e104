/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "weights-bf16.h"

#include <string.h>
#include "../base/block.h"
#include "../base/memory-error.h"

struct _DicenetWeightsBf16 {
  GMutex lock;
  DicenetBf16 **nodes; /* NULL until made */
  DicenetBf16 *block;
  gsize block_bytes;
};

DicenetWeightsBf16 *
dicenet_weights_bf16_new (void)
{
  DicenetWeightsBf16 *self = g_new0 (DicenetWeightsBf16, 1);
  g_mutex_init (&self->lock);
  return self;
}

void
dicenet_weights_bf16_free (DicenetWeightsBf16 *self)
{
  dicenet_block_free (self->block, self->block_bytes);
  g_free (self->nodes);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* How many numbers a node takes, a whole number of cache lines (one register of pairs is one). */
static gsize
node_weights (const DicenetGraph *graph, const DicenetNode *node)
{
  if (node->op != DICENET_OP_CONV || !dicenet_conv_is_dense (node->channels, node->groups, node->kernel))
    return 0;
  return dicenet_bf16_weights (dicenet_node_channels (graph, node->inputs[0]), node->channels, node->groups,
                               node->kernel);
}

gsize
dicenet_weights_bf16_bytes (const DicenetGraph *graph)
{
  gsize n = 0;
  for (guint i = 0; i < graph->nodes->len; i++)
    n += node_weights (graph, dicenet_graph_node (graph, i));
  return n * sizeof (DicenetBf16);
}

/* Where a node's float weights lie, and how. */
typedef struct {
  const DicenetNode *node;
  const float *blocks;
  guint cin; /* per group */
  gboolean is_winograd;
} Source;

/* The folded weight of output channel @i for tap @tap of channel @c of its group. */
static float
weight_of (const Source *s, guint i, guint c, guint tap)
{
  const guint taps = s->node->kernel * s->node->kernel, group_out = s->node->channels / s->node->groups;
  const guint blocks = dicenet_conv_blocks (s->node->channels, s->node->groups);
  const gsize b = (gsize) (i / group_out) * blocks + i % group_out / DICENET_BLOCK;
  const gsize size = (gsize) s->cin * (s->is_winograd ? 16 : taps) * DICENET_BLOCK;
  const guint o = i % group_out % DICENET_BLOCK;
  const float *block = s->blocks + b * size;

  return s->is_winograd ? dicenet_winograd_weight (block, s->cin, c, tap, o)
                        : block[((gsize) c * taps + tap) * DICENET_BLOCK + o];
}

/* @to is zeros. */
static void
convert (const Source *s, DicenetBf16 *to)
{
  const DicenetNode *node = s->node;
  const guint group_out = node->channels / node->groups, taps = node->kernel * node->kernel;
  const guint blocks = dicenet_bf16_blocks (node->channels, node->groups);
  const gsize size = dicenet_bf16_pairs (s->cin, 1, node->kernel) * 2 * DICENET_BF16_BLOCK;

  for (guint i = 0; i < node->channels; i++) {
    const guint channel = i % group_out;
    DicenetBf16 *block = to + ((gsize) (i / group_out) * blocks + channel / DICENET_BF16_BLOCK) * size;
    for (guint c = 0; c < s->cin; c++) {
      for (guint t = 0; t < taps; t++) {
        const gsize pair = (gsize) c / 2 * taps + t;
        block[(pair * DICENET_BF16_BLOCK + channel % DICENET_BF16_BLOCK) * 2 + c % 2] =
            dicenet_bf16_round (weight_of (s, i, c, t));
      }
    }
  }
}

static void
make (DicenetWeightsBf16 *self, const DicenetWeights *weights, const DicenetGraph *graph)
{
  DicenetBf16 *at = self->block;

  self->nodes = g_new0 (DicenetBf16 *, graph->nodes->len);
  for (guint i = 0; i < graph->nodes->len; i++) {
    const DicenetNode *node = dicenet_graph_node (graph, i);
    const gsize n = node_weights (graph, node);
    if (n == 0)
      continue;
    const guint cin = dicenet_node_channels (graph, node->inputs[0]);
    const Source source = { node, weights->nodes[i].weight, cin / node->groups,
                            dicenet_conv_is_winograd (cin, node->channels, node->groups, node->kernel, node->stride) };
    convert (&source, at);
    self->nodes[i] = at;
    at += n;
  }
}

const DicenetBf16 *const *
dicenet_weights_bf16 (const DicenetWeights *weights, const DicenetGraph *graph, GError **error)
{
  DicenetWeightsBf16 *self = weights->bf16;

  g_mutex_lock (&self->lock);
  if (self->nodes == NULL) {
    const gsize bytes = dicenet_weights_bf16_bytes (graph);
    self->block = dicenet_block_new (bytes);
    self->block_bytes = bytes;
    if (self->block != NULL) {
      memset (self->block, 0, bytes);
      make (self, weights, graph);
    } else
      dicenet_no_memory (error, bytes, "bfloat16 weights", "choose precision float32");
  }
  g_mutex_unlock (&self->lock);
  return (const DicenetBf16 *const *) self->nodes;
}
