/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../base/ops.h"
#include "../file/description.h"

G_BEGIN_DECLS

/* A network as a list of operations on C x H x W tensors, in execution order. It has channels and names of weights, but
 * no sizes and values: shapes come from dicenet_shapes(), weights from dicenet_weights_fold(). */

#define DICENET_MAX_INPUTS  6
#define DICENET_MAX_OUTPUTS 2
#define DICENET_NONE        G_MAXUINT /* no node */

typedef enum {
  DICENET_OP_INPUT,           /* the network's input tensor */
  DICENET_OP_CONV,            /* k x k convolution with its BatchNorm, bias and activation, multiplied by one factor per
                               * channel from the second input, if there is one */
  DICENET_OP_DICE,            /* DimConv + BatchNorm + PReLU + shuffle + local fusion of a DiCE unit */
  DICENET_OP_MAX_POOL,        /* 3 x 3, stride 2, padding 1 */
  DICENET_OP_AVG_POOL,        /* 3 x 3, stride 2, padding 1; padding counts in the mean */
  DICENET_OP_GLOBAL_AVG_POOL, /* mean over height and width: C x 1 x 1 */
  DICENET_OP_UPSAMPLE,        /* to the size of node @like: bilinear, align_corners */
  DICENET_OP_EPP, /* depthwise 3 x 3 at five scales, BatchNorm + PReLU, shuffle, and a 3 x 3 convolution of each
                   * channel's five planes into one, with its BatchNorm + PReLU */
  DICENET_OP_UPSAMPLE_ADD, /* PReLU (BatchNorm (x0 scaled up to the size of x1 + x1 * x2)); x2 has one factor per
                            * channel. x2, BatchNorm and PReLU may be absent */
  DICENET_OP_FLATTEN,      /* maps of H x W x (boxes x n) rearranged as priors x n, map by map */
  /* Views have no arithmetic and no memory: they only determine which plane is which channel. */
  DICENET_OP_CONCAT,  /* along channels */
  DICENET_OP_SHUFFLE, /* groups: (g, C/g) -> (C/g, g) */
  DICENET_OP_SLICE,   /* channels [first, first + channels) */
  DICENET_N_OPS,
} DicenetOp;

/* "convolution", ... */
extern const char *const dicenet_op_names[DICENET_N_OPS];

typedef struct {
  DicenetOp op;
  char *name; /* name of the layer in the checkpoint, for messages */
  guint n_inputs;
  guint inputs[DICENET_MAX_INPUTS]; /* indices of earlier nodes */
  guint channels;                   /* of the output */

  /* CONV; groups is SHUFFLE's as well */
  guint kernel, stride, groups;
  DicenetActivation activation;
  gboolean is_fully_connected; /* a 1 x 1 convolution on one vector per picture */

  guint first; /* SLICE */

  guint like;                        /* UPSAMPLE */
  guint kernel_height, kernel_width; /* DICE: H0, W0 */
  guint boxes;                       /* FLATTEN: boxes per cell */

  /* Names of the weights in the model file, NULL for those that the node does not have. For DICE and EPP, norm and
   * prelu apply to the planes before the fusion to C channels, which has fuse_*. EPP appends ".0.weight" to ".4.weight"
   * to weight. */
  char *weight, *bias, *norm, *prelu;
  char *weight_height, *weight_width, *fuse_weight, *fuse_norm, *fuse_prelu;
} DicenetNode;

typedef struct {
  const char *name;
  guint node;
  gboolean is_scaled; /* must still be scaled to the input's size, which readers do row by row: the full tensor would
                       * be the largest of all */
} DicenetGraphOutput;

typedef struct {
  GPtrArray *nodes; /* DicenetNode */
  DicenetGraphOutput outputs[DICENET_MAX_OUTPUTS];
  guint n_outputs;
  guint maps[DICENET_N_MAPS]; /* detect: the feature maps that the priors are placed on; anchor-free: the first
                               * DICENET_N_CELL_MAPS */
} DicenetGraph;

/* An empty graph, to be filled with the functions of builder.h. */
DicenetGraph *dicenet_graph_new (void);
void dicenet_graph_free (DicenetGraph *self);

static inline const DicenetNode *
dicenet_graph_node (const DicenetGraph *self, guint i)
{
  return (const DicenetNode *) self->nodes->pdata[i];
}

static inline guint
dicenet_node_channels (const DicenetGraph *self, guint i)
{
  return dicenet_graph_node (self, i)->channels;
}

static inline gboolean
dicenet_op_is_view (DicenetOp op)
{
  return op >= DICENET_OP_CONCAT;
}

typedef struct {
  guint c, h, w;
} DicenetShape;

/* Size at which scale k of an EPP unit works. */
guint dicenet_epp_size (guint size, guint k);

/* Shape of every node's output (FLATTEN: c = 1, h = priors, w = values) for an input of 3 x height x width. Free with
 * g_free(). */
DicenetShape *dicenet_shapes (const DicenetGraph *graph, guint width, guint height);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetGraph, dicenet_graph_free)

G_END_DECLS
