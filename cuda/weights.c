/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "weights.h"

#include "../dicenet-core/backend/packing.h"
#include "../dicenet-core/base/block.h"
#include "../dicenet-core/base/memory-error.h"
#include "../dicenet-core/kernels/pack.h"
#include "error.h"

struct _CudaWeights {
  const DicenetWeights *model; /* whose weights these are */
  int device;
  gpointer context;
  guint n_users;
  CudaNodeWeights *nodes;
  guint n_nodes;
  float *block;
};

static GMutex lock;
static GPtrArray *all; /* CudaWeights */

/* --- packing --- */

static void
pack_weight (DicenetPacking *p, const DicenetGraph *graph, const DicenetNode *node, const DicenetArray *weight,
             CudaNodeWeights *out)
{
  if (node->op != DICENET_OP_CONV || !dicenet_conv_is_dense (node->channels, node->groups, node->kernel)) {
    out->weight = dicenet_packing_copy (p, weight);
    return;
  }
  const DicenetDense conv = { dicenet_node_channels (graph, node->inputs[0]), node->channels, node->groups,
                              node->kernel, node->stride };
  float *to = dicenet_packing_take (p, dicenet_blocks_floats (&conv), &out->weight);
  if (to != NULL)
    dicenet_pack_blocks (&conv, weight->values, to);
}

/* DimConv's kernels of rows and columns are not packed here, as their tables depend on the size. */
static void
keep_branches (const DicenetNode *node, const DicenetNodeWeights *w, CudaNodeWeights *out)
{
  out->height = g_memdup2 (w->height.values, w->height.n * sizeof (float));
  out->width = g_new (float, w->width.n);
  dicenet_pack_transposed (node->kernel_width, w->width.values, out->width);
}

static void
pack_node (DicenetPacking *p, const DicenetGraph *graph, guint i, const DicenetNodeWeights *w, gpointer data)
{
  const DicenetNode *node = dicenet_graph_node (graph, i);
  CudaNodeWeights *nodes = data, counted, *out = nodes ? &nodes[i] : &counted;

  pack_weight (p, graph, node, &w->weight, out);
  out->bias = dicenet_packing_copy (p, &w->bias);
  out->scale = dicenet_packing_copy (p, &w->scale);
  out->slope = dicenet_packing_copy (p, &w->slope);
  out->branch_scale = dicenet_packing_copy (p, &w->branch_scale);
  out->branch_bias = dicenet_packing_copy (p, &w->branch_bias);
  out->branch_slope = dicenet_packing_copy (p, &w->branch_slope);
  out->fuse_weight = dicenet_packing_copy (p, &w->fuse_weight);
  out->fuse_bias = dicenet_packing_copy (p, &w->fuse_bias);
  if (node->op == DICENET_OP_DICE && nodes)
    keep_branches (node, w, out);
}

/* --- the copy --- */

static gboolean
upload (float *to, const float *from, gsize bytes, cudaStream_t stream, GError **error)
{
  return cuda_check (cudaMemcpyAsync (to, from, bytes, cudaMemcpyHostToDevice, stream), "copying weights", error) &&
         cuda_check (cudaStreamSynchronize (stream), "copying weights", error); /* before other streams read them */
}

static void
weights_free (CudaWeights *self, cudaStream_t stream)
{
  cudaFreeAsync (self->block, stream);
  for (guint i = 0; i < self->n_nodes; i++) {
    g_free (self->nodes[i].height);
    g_free (self->nodes[i].width);
  }
  g_free (self->nodes);
  g_free (self);
}

/* Arguments for packing. */
typedef struct {
  const DicenetNetwork *program;
  int device;
  gpointer context;
  cudaStream_t stream;
} Place;

static gboolean
fill (CudaWeights *self, DicenetWeights *weights, const Place *place, GError **error)
{
  const DicenetGraph *graph = place->program->graph;
  const gsize bytes = dicenet_packing_measure (graph, pack_node, NULL) * sizeof (float);

  if (!cuda_allocate ((gpointer *) &self->block, MAX (bytes, 1), "weights", place->stream, error))
    return FALSE;
  float *host = dicenet_block_new (bytes);
  DicenetPacking packing = { .block = host, .base = self->block };
  const gboolean ok = host == NULL ? dicenet_no_memory (error, bytes, "weights", DICENET_MORE_MEMORY)
                                   : dicenet_packing_fill (&packing, weights, graph, pack_node, self->nodes, error) &&
                                         upload (self->block, host, bytes, place->stream, error);
  dicenet_block_free (host, bytes);
  return ok;
}

static gpointer
weights_new (DicenetWeights *weights, gpointer data, GError **error)
{
  const Place *place = data;
  CudaWeights *self = g_new0 (CudaWeights, 1);

  self->model = weights;
  self->device = place->device;
  self->context = place->context;
  self->n_nodes = place->program->graph->nodes->len;
  self->nodes = g_new0 (CudaNodeWeights, self->n_nodes);
  if (fill (self, weights, place, error))
    return self;
  weights_free (self, place->stream);
  return NULL;
}

static CudaWeights *
find (const DicenetWeights *model, int device, gpointer context)
{
  for (guint i = 0; i < all->len; i++) {
    CudaWeights *self = all->pdata[i];
    if (self->model == model && self->device == device && self->context == context)
      return self;
  }
  return NULL;
}

CudaWeights *
cuda_weights_ref (const DicenetNetwork *program, int device, gpointer context, cudaStream_t stream, GError **error)
{
  Place place = { program, device, context, stream };

  g_mutex_lock (&lock);
  if (all == NULL)
    all = g_ptr_array_new ();
  CudaWeights *found = find (program->weights, device, context);
  if (found == NULL &&
      (found = dicenet_weights_pack (program->weights, NULL, weights_new, NULL, &place, error)) != NULL)
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

const CudaNodeWeights *
cuda_weights_node (const CudaWeights *self, guint node)
{
  return &self->nodes[node];
}
