/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "graph.h"

/* Pieces that networks are built from. Each appends nodes to the graph and returns the index of the last; @name is the
 * layer's name in the checkpoint. What they compute is written in the paper's terms beside each. */

guint dicenet_build_input (DicenetGraph *g);

/* CBR(cin, cout, k, s, groups): convolution, BatchNorm, PReLU. @name has .cbr.0, .cbr.1 and .cbr.2. */
guint dicenet_build_cbr (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel, guint stride,
                         guint groups);
/* The same with stride 1, times one value per channel: @gate. */
guint dicenet_build_gated_cbr (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel, guint groups,
                               guint gate);
/* A bare convolution, stride 1: @name.weight, and @name.bias if @bias. */
guint dicenet_build_conv (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel, guint groups,
                          gboolean bias);
/* A fully connected layer on one vector per picture: a 1 x 1 convolution on one cell. */
guint dicenet_build_fully_connected (DicenetGraph *g, const char *name, guint x, guint cout, guint groups,
                                     gboolean bias, DicenetActivation activation);
/* BatchNorm @norm, unless NULL, and PReLU @prelu over the sum of @coarse, scaled up, and @fine times @gate's one value
 * per channel.
 */
guint dicenet_build_upsample_add (DicenetGraph *g, const char *norm, const char *prelu, guint coarse, guint fine,
                                  guint gate);
guint dicenet_build_simple (DicenetGraph *g, DicenetOp op, const char *name, guint x);
guint dicenet_build_upsample (DicenetGraph *g, guint x, guint like);
guint dicenet_build_flatten (DicenetGraph *g, const char *name, const guint *maps, guint n_maps, guint boxes);
guint dicenet_build_concat (DicenetGraph *g, const guint *inputs, guint n);
guint dicenet_build_shuffle (DicenetGraph *g, guint x, guint groups);
guint dicenet_build_slice (DicenetGraph *g, guint x, guint first, guint channels);

/* How many groups a 3 x 3 convolution between so many channels has. */
guint dicenet_common_groups (guint cin, guint cout);

/* The DiCE unit (paper 3.1 to 3.3), whose DimConv kernels are for kernel_height rows and kernel_width columns. */
guint dicenet_build_dice (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel_height,
                          guint kernel_width);
/* PReLU @prelu over the sum of @shortcut and such a unit, which has as many channels. */
guint dicenet_build_residual_dice (DicenetGraph *g, const char *name, const char *prelu, guint x, guint shortcut,
                                   guint kernel_height, guint kernel_width);

/* Rows or columns of a backbone's level, of @size pixels: its DiCE units have a kernel for each at the trained size. */
static inline guint
dicenet_level_size (guint size, guint level)
{
  return (size + (1u << level) - 1) >> level;
}

/* DiCENet's levels 1 to @levels (4 or 5); out[k] is the output of level k + 1. */
void dicenet_build_backbone (DicenetGraph *g, const DicenetDescription *d, const char *prefix, guint levels,
                             guint out[5]);

/* The others' (docs/networks.md), without prefix, and their last map. */
guint dicenet_build_mobilenet (DicenetGraph *g, const DicenetDescription *d);
guint dicenet_build_resnet (DicenetGraph *g, const DicenetDescription *d);

/* Efficient pyramid pooling (ESPNetv2): five scales of depthwise convolution. @last: bias and nothing after it. */
guint dicenet_build_epp (DicenetGraph *g, const char *name, guint x, guint p, guint cout, gboolean last);
