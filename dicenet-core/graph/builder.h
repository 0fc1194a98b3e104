/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "graph.h"

/* Building blocks of networks. Each function appends nodes to the graph and returns the index of the last one. @name is
 * the layer's name in the checkpoint. The comments describe what a block computes in the paper's terms. */

guint dicenet_build_input (DicenetGraph *g);

/* CBR(cin, cout, k, s, groups): convolution, BatchNorm, PReLU. @name has .cbr.0, .cbr.1 and .cbr.2. */
guint dicenet_build_cbr (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel, guint stride,
                         guint groups);
/* A convolution without BatchNorm and activation, stride 1: @name.weight, and @name.bias if @bias. */
guint dicenet_build_conv (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel, guint groups,
                          gboolean bias);
/* A fully connected layer on one vector per picture, implemented as a 1 x 1 convolution on one pixel. */
guint dicenet_build_fully_connected (DicenetGraph *g, const char *name, guint x, guint cout, guint groups,
                                     gboolean bias, DicenetActivation activation);
/* PReLU (BatchNorm (@coarse scaled up + @gate * @fine)), where @gate has one factor per channel. @prelu and @norm are
 * names. Each of the three may be absent: NULL, or DICENET_NONE for @gate. */
guint dicenet_build_upsample_add (DicenetGraph *g, const char *norm, const char *prelu, guint coarse, guint fine,
                                  guint gate);
guint dicenet_build_simple (DicenetGraph *g, DicenetOp op, const char *name, guint x);
guint dicenet_build_upsample (DicenetGraph *g, guint x, guint like);
guint dicenet_build_flatten (DicenetGraph *g, const char *name, const guint *maps, guint n_maps, guint boxes);
guint dicenet_build_concat (DicenetGraph *g, const guint *inputs, guint n);
guint dicenet_build_shuffle (DicenetGraph *g, guint x, guint groups);
guint dicenet_build_slice (DicenetGraph *g, guint x, guint first, guint channels);

/* Number of groups of a 3 x 3 convolution between that many channels. */
guint dicenet_common_groups (guint cin, guint cout);

/* The DiCE unit (paper 3.1 to 3.3). Its DimConv kernels are trained for kernel_height rows and kernel_width columns. */
guint dicenet_build_dice (DicenetGraph *g, const char *name, guint x, guint cout, guint kernel_height,
                          guint kernel_width);
/* PReLU @prelu of the sum of @shortcut and a DiCE unit with the same number of channels. */
guint dicenet_build_residual_dice (DicenetGraph *g, const char *name, const char *prelu, guint x, guint shortcut,
                                   guint kernel_height, guint kernel_width);

/* Rows or columns of a backbone's level for an input of @size pixels. At the trained size, this is the number of
 * kernels of its DiCE units. */
static inline guint
dicenet_level_size (guint size, guint level)
{
  return (size + (1u << level) - 1) >> level;
}

/* DiCENet's levels 1 to @levels (4 or 5); out[k] is the output of level k + 1. */
void dicenet_build_backbone (DicenetGraph *g, const DicenetDescription *d, const char *prefix, guint levels,
                             guint out[5]);

/* The other backbones (docs/networks.md), whose layer names have no prefix; return the last feature map. */
guint dicenet_build_mobilenet (DicenetGraph *g, const DicenetDescription *d);
guint dicenet_build_resnet (DicenetGraph *g, const DicenetDescription *d);

/* Efficient pyramid pooling (ESPNetv2): depthwise convolutions at five scales. @last: the last convolution has a bias,
 * but no BatchNorm and activation. */
guint dicenet_build_epp (DicenetGraph *g, const char *name, guint x, guint p, guint cout, gboolean last);
