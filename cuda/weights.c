/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "weights.h"

#include "error.h"

struct _CudaWeights {
  const DicenetWeights *host;
  int device;
  gpointer context;
  guint n_users;
  float *block;  /* as host->block */
  float *plain;  /* convolutions that the CPU keeps transformed, as they are */
  gsize *places; /* of nodes in @plain, or NOT_PLAIN */
};

#define NOT_PLAIN G_MAXSIZE

static GMutex lock;
static GPtrArray *all; /* CudaWeights */

/* --- weights without Winograd's transform --- */

static guint
inputs_of (const DicenetGraph *graph, const DicenetNode *node)
{
  return dicenet_node_channels (graph, node->inputs[0]);
}

static gboolean
is_transformed (const DicenetGraph *graph, const DicenetNode *node)
{
  return node->op == DICENET_OP_CONV &&
         dicenet_conv_is_winograd (inputs_of (graph, node), node->channels, node->groups, node->kernel, node->stride);
}

static gsize
plain_floats (const DicenetGraph *graph, const DicenetNode *node)
{
  return (gsize) node->groups * dicenet_conv_blocks (node->channels, node->groups) *
         (inputs_of (graph, node) / node->groups) * 9 * DICENET_BLOCK;
}

static void
fill_plain (const DicenetGraph *graph, const DicenetNode *node, const float *transformed, float *to)
{
  const guint group_in = inputs_of (graph, node) / node->groups;
  const guint blocks = node->groups * dicenet_conv_blocks (node->channels, node->groups);

  for (guint block = 0; block < blocks; block++)
    for (guint c = 0; c < group_in; c++)
      for (guint tap = 0; tap < 9; tap++)
        for (guint o = 0; o < DICENET_BLOCK; o++)
          to[(((gsize) block * group_in + c) * 9 + tap) * DICENET_BLOCK + o] = dicenet_winograd_weight (
              transformed + (gsize) block * 16 * group_in * DICENET_BLOCK, group_in, c, tap, o);
}

static float *
make_plain (CudaWeights *self, const DicenetProgram *program, gsize *n_floats)
{
  const DicenetGraph *graph = program->graph;
  gsize n = 0;

  self->places = g_new (gsize, graph->nodes->len);
  for (guint i = 0; i < graph->nodes->len; i++) {
    const DicenetNode *node = dicenet_graph_node (graph, i);
    self->places[i] = is_transformed (graph, node) ? n : NOT_PLAIN;
    n += is_transformed (graph, node) ? plain_floats (graph, node) : 0;
  }
  float *plain = g_new (float, n);
  for (guint i = 0; i < graph->nodes->len; i++)
    if (self->places[i] != NOT_PLAIN)
      fill_plain (graph, dicenet_graph_node (graph, i), self->host->nodes[i].weight, plain + self->places[i]);
  *n_floats = n;
  return plain;
}

/* --- the copy --- */

static float *
upload (const float *from, gsize bytes, cudaStream_t stream, GError **error)
{
  float *to;

  if (!cuda_allocate ((gpointer *) &to, MAX (bytes, 1), "weights", stream, error))
    return NULL;
  if (cuda_check (cudaMemcpyAsync (to, from, bytes, cudaMemcpyHostToDevice, stream), "copying weights", error) &&
      cuda_check (cudaStreamSynchronize (stream), "copying weights", error)) /* before others' streams read them */
    return to;
  cudaFreeAsync (to, stream);
  return NULL;
}

static void
weights_free (CudaWeights *self, cudaStream_t stream)
{
  cudaFreeAsync (self->block, stream);
  cudaFreeAsync (self->plain, stream);
  g_free (self->places);
  g_free (self);
}

static CudaWeights *
weights_new (const DicenetProgram *program, int device, gpointer context, cudaStream_t stream, GError **error)
{
  CudaWeights *self = g_new0 (CudaWeights, 1);
  gsize n;

  self->host = program->weights;
  self->device = device;
  self->context = context;
  g_autofree float *plain = make_plain (self, program, &n);
  self->block = upload (self->host->block, self->host->block_bytes, stream, error);
  self->plain = self->block ? upload (plain, n * sizeof (float), stream, error) : NULL;
  if (self->plain != NULL)
    return self;
  weights_free (self, stream);
  return NULL;
}

CudaWeights *
cuda_weights_ref (const DicenetProgram *program, int device, gpointer context, cudaStream_t stream, GError **error)
{
  CudaWeights *found = NULL;

  g_mutex_lock (&lock);
  if (all == NULL)
    all = g_ptr_array_new ();
  for (guint i = 0; i < all->len; i++) {
    CudaWeights *self = all->pdata[i];
    if (self->host == program->weights && self->device == device && self->context == context)
      found = self;
  }
  if (found == NULL && (found = weights_new (program, device, context, stream, error)) != NULL)
    g_ptr_array_add (all, found);
  if (found != NULL)
    found->n_users++;
  g_mutex_unlock (&lock);
  return found;
}

void
cuda_weights_unref (CudaWeights *self, cudaStream_t stream)
{
  if (self == NULL)
    return;
  g_mutex_lock (&lock);
  if (--self->n_users == 0) {
    g_ptr_array_remove_fast (all, self);
    weights_free (self, stream);
  }
  g_mutex_unlock (&lock);
}

const float *
cuda_weights_at (const CudaWeights *self, const float *host)
{
  return host ? self->block + (host - self->host->block) : NULL;
}

const float *
cuda_weights_conv (const CudaWeights *self, guint node)
{
  if (self->places[node] != NOT_PLAIN)
    return self->plain + self->places[node];
  return cuda_weights_at (self, self->host->nodes[node].weight);
}
