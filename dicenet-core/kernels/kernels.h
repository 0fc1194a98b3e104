/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* Arithmetic on planes: pure functions on pointers, without allocation, state or threads.
 *
 * A tensor is @c planes of h x w floats, rows without gap between; plane i starts at base + planes[i]. Kernels that
 * take a range work on channels [begin, end) of the output, so that threads can share a tensor: every output float is
 * computed by one call, in an order that does not depend on the range. Input and output never overlap. */

typedef struct {
  float *base;
  const size_t *planes;
  unsigned c, h, w;
} DicenetPlanes;

static inline float *
dicenet_plane (const DicenetPlanes *t, unsigned c)
{
  return t->base + t->planes[c];
}

typedef struct {
  const float *weight; /* [cout][cin / groups][k][k] */
  const float *bias;   /* [cout], or NULL for zeros */
  const float *slope;  /* [cout] PReLU slopes, where @activation is PReLU */
  unsigned kernel;     /* 1 or 3, padding (kernel - 1) / 2 */
  unsigned stride;
  unsigned groups;
  int activation; /* DicenetActivation */
} DicenetConv;

/* What is added up after the three branches of DimConv; arrays of 3 x c are branch by branch: depth, height, width. */
typedef struct {
  const float *branch_scale, *branch_bias, *branch_slope;
  const float *fuse_weight;
  const float *fuse_bias, *fuse_slope; /* [c] */
} DicenetFusion;

/* name, arguments. One list makes the prototypes and the table, so that a kernel can't be in one and not in the other.
 */
#define DICENET_KERNELS(K)                                                                                             \
  /* Convolution of any kernel, stride and groups, with its epilogue. */                                               \
  K (conv, (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin, unsigned end))    \
  /* Dense 1 x 1 convolution, the product that most multiply-adds are in. */                                           \
  K (conv_pointwise,                                                                                                   \
     (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin, unsigned end))          \
  /* DimConv's branches for one channel (paper 3.1), before BatchNorm; planes of h x w. @x: the planes of the channel  \
   * before, this one and the one after, NULL where there is none. @kernels: height [h][3][3], width [w][3][3]. */     \
  K (dimconv_depth, (const float *x, unsigned h, unsigned w, const float kernel[9], float *out))                       \
  K (dimconv_height, (const float *const x[3], unsigned h, unsigned w, const float *kernels, float *out))              \
  K (dimconv_width, (const float *const x[3], unsigned h, unsigned w, const float *kernels, float *out))               \
  /* BatchNorm and PReLU of three branch planes of n floats and their local fusion (paper 3.2) into y's channel. */    \
  K (local_fusion,                                                                                                     \
     (const float *const branches[3], const DicenetPlanes *y, const DicenetFusion *fusion, unsigned channel))          \
  K (max_pool, (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end))                         \
  K (avg_pool, (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end))                         \
  K (mean, (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end))                             \
  /* y = x * gate, one gate value per channel. */                                                                      \
  K (gate, (const DicenetPlanes *x, const DicenetPlanes *gate, const DicenetPlanes *y, unsigned begin, unsigned end))  \
  /* y = PReLU (scale * (x0 + x1) + bias); x1 may be NULL. */                                                          \
  K (norm, (const DicenetPlanes *x0, const DicenetPlanes *x1, const DicenetPlanes *y, const float *scale,              \
            const float *bias, const float *slope, unsigned begin, unsigned end))                                      \
  /* One plane from h x w to oh x ow: bilinear with align_corners; adaptive average pooling. */                        \
  K (up, (const float *x, unsigned h, unsigned w, float *y, unsigned oh, unsigned ow))                                 \
  K (down, (const float *x, unsigned h, unsigned w, float *y, unsigned oh, unsigned ow))                               \
  /* Channels last: out[(i * w + j) * c + k] = x[k, i, j], map rows [begin, end). */                                   \
  K (rows, (const DicenetPlanes *x, float *out, unsigned begin, unsigned end))

typedef struct {
#define K(name, arguments) void (*name) arguments;
  DICENET_KERNELS (K)
#undef K
} DicenetKernels;

/* The readable reference in plain C, which every other implementation is tested against. */
extern const DicenetKernels dicenet_kernels_ref;
