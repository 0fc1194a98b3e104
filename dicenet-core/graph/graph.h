/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../base/ops.h"
#include "../file/description.h"

G_BEGIN_DECLS

/* A network as a list of operations on C x H x W tensors, in an order in which they can run. It knows channels and
 * names of weights, but no sizes and no numbers: shapes come with dicenet_shapes(), weights with dicenet_fold(). */

#define DICENET_MAX_INPUTS  6
#define DICENET_MAX_OUTPUTS 2
#define DICENET_NONE        G_MAXUINT /* no node */

typedef enum {
  DICENET_OP_INPUT,    /* the network's input tensor */
  DICENET_OP_CONV,     /* k x k convolution with its BatchNorm, bias and activation; times one value per channel of the
                          second input, if there is one */
  DICENET_OP_DICE,     /* DimConv + BatchNorm + PReLU + shuffle + local fusion of a DiCE unit */
  DICENET_OP_MAX_POOL, /* 3 x 3, stride 2, padding 1 */
  DICENET_OP_AVG_POOL, /* 3 x 3, stride 2, padding 1, padding counted */
  DICENET_OP_GLOBAL_AVG_POOL, /* mean over height and width: C x 1 x 1 */
  DICENET_OP_UPSAMPLE,        /* to the size of node @like: bilinear, align_corners */
  DICENET_OP_EPP, /* depthwise 3 x 3 at five scales, BatchNorm + PReLU, shuffle, and the 3 x 3 convolution of each
                         channel's five into one, with its BatchNorm + PReLU */
  DICENET_OP_UPSAMPLE_ADD, /* first input, as UPSAMPLE to the second's size, plus second times third's one value per
                       channel; then BatchNorm and PReLU */
  DICENET_OP_FLATTEN,      /* maps of H x W x (6 boxes x n) laid out as priors x n, map by map */
  /* Views: no arithmetic and no memory, only which plane is which channel. */
  DICENET_OP_CONCAT,  /* along channels */
  DICENET_OP_SHUFFLE, /* groups: (g, C/g) -> (C/g, g) */
  DICENET_OP_SLICE,   /* channels [first, first + channels) */
  DICENET_N_OPS,
} DicenetOp;

/* "convolution", ... */
extern const char *const dicenet_op_names[DICENET_N_OPS];

typedef struct {
  DicenetOp op;
  char *name; /* of the layer in the checkpoint, for messages */
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

  /* Weights' names in the model file, NULL for what the node does not have. For DICE and EPP, norm and prelu are
   * those of the planes before the fusion into C, which has fuse_*; EPP's weight is followed by ".0.weight" to
   * ".4.weight". */
  char *weight, *bias, *norm, *prelu;
  char *weight_height, *weight_width, *fuse_weight, *fuse_norm, *fuse_prelu;
} DicenetNode;

typedef struct {
  const char *name;
  guint node;
  gboolean is_scaled; /* whoever reads it scales it to the input's size, row by row: no tensor is as large */
} DicenetGraphOutput;

typedef struct {
  GPtrArray *nodes; /* DicenetNode */
  DicenetGraphOutput outputs[DICENET_MAX_OUTPUTS];
  guint n_outputs;
  guint maps[DICENET_N_MAPS]; /* detect: the feature maps that the priors stand on */
} DicenetGraph;

/* Empty: builder.h has what fills it. */
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

/* The size that an EPP unit's scale k works at. */
guint dicenet_epp_size (guint size, guint k);

/* Shape of every node's output (FLATTEN: c = 1, h = priors, w = values) for an input of 3 x height x width. Free with
 * g_free(). */
DicenetShape *dicenet_shapes (const DicenetGraph *graph, guint width, guint height);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetGraph, dicenet_graph_free)

G_END_DECLS
