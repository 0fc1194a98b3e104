/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "../base/ops.h"

/* Arithmetic on planes: pure functions on pointers, without allocation, state or threads.
 *
 * A tensor is @c planes of h x w floats, rows without gap between; plane i starts at base + planes[i]. Kernels that
 * take a range compute that part of the output only, so that threads can share a tensor: every output float is computed
 * by one call, in an order that does not depend on the range. Input and output never overlap. */

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

/* Dense convolutions keep the weights of so many output channels together: [group][block][cin / groups * k * k][8],
 * zeros where a group's channels end. */
#define DICENET_BLOCK 8

typedef struct {
  const float *weight; /* dense: in blocks, maybe transformed; grouped: [cout][cin / groups][k][k] */
  const float *bias;   /* [cout], or NULL for zeros */
  const float *slope;  /* [cout] PReLU slopes, where @activation is PReLU */
  unsigned kernel;     /* 1 or 3, padding (kernel - 1) / 2 */
  unsigned stride;
  unsigned groups;
  DicenetActivation activation;
  const DicenetPlanes *gate; /* one factor per output channel, after the activation; or NULL */
  const uint16_t *bf16;      /* in place of @weight for the kernels of bf16.h; else NULL */
} DicenetConv;

/* Whether a convolution is dense, that is best done as a matrix product: blocks would be mostly zeros otherwise. */
static inline int
dicenet_conv_is_dense (unsigned cout, unsigned groups, unsigned kernel)
{
  return kernel == 1 || cout / groups >= DICENET_BLOCK;
}

/* Whether a dense 3 x 3 convolution is worth Winograd's transform. Its weights are then in blocks of transformed ones:
 * [group][block][16][cin / groups][8], sixteen being the 4 x 4 of G g G' row by row. */
static inline int
dicenet_conv_is_winograd (unsigned cin, unsigned cout, unsigned groups, unsigned kernel, unsigned stride)
{
  return kernel == 3 && stride == 1 && cin / groups >= 16 && cout / groups >= DICENET_BLOCK;
}

static inline unsigned
dicenet_conv_blocks (unsigned cout, unsigned groups)
{
  return (cout / groups + DICENET_BLOCK - 1) / DICENET_BLOCK; /* per group */
}

/* Which part of a pointwise convolution's output: blocks of channels, counted over all groups, and pixels. */
typedef struct {
  unsigned first_block, end_block;
  size_t first_pixel, end_pixel;
} DicenetTile;

/* Floats of scratch that conv_pointwise wants: inputs of pixels side by side, as many as the caches like, and at least
 * 48 pixels (three of the widest registers). */
static inline size_t
dicenet_conv_pointwise_scratch (unsigned cin, unsigned groups)
{
  const size_t least = (size_t) cin / groups * 48;
  return least > 32768 ? least : 32768;
}

/* A padded plane stands in zeros: a row above and below, and DICENET_PAD floats or more between the ends of rows and
 * the beginnings of the next. Kernels need no conditions at borders and may load whole registers, three of which at the
 * end still lie within. */
#define DICENET_PAD 16

static inline size_t
dicenet_padded_stride (unsigned w)
{
  return ((size_t) w + 15) / 16 * 16 + DICENET_PAD;
}

static inline size_t
dicenet_padded_floats (unsigned h, unsigned w)
{
  return dicenet_padded_stride (w) * ((size_t) h + 2) + 3 * DICENET_PAD;
}

/* conv_dense3x3 reads bands of padded input rows, of all channels of a group; with stride 2, even and odd columns stand
 * apart, each between zeros. Floats of such a row for @w output columns, and how many output rows a band is made for:
 * so many that it stays in the second-level cache. */
static inline size_t
dicenet_band_row (unsigned w, unsigned stride)
{
  return stride * dicenet_padded_stride (w);
}

static inline unsigned
dicenet_band_rows (unsigned channels, unsigned w, unsigned stride)
{
  const size_t rows = 65536 / (channels * dicenet_band_row (w, stride)) / stride;
  return rows < 2 ? 1 : rows > 32 ? 32 : (unsigned) rows - 1;
}

/* Floats of scratch that conv_dense3x3 wants: such a band, an offset for each input, and room for loads at the end. */
static inline size_t
dicenet_conv_dense3x3_scratch (unsigned cin, unsigned groups, unsigned w, unsigned stride)
{
  const unsigned channels = cin / groups;
  const size_t rows = (dicenet_band_rows (channels, w, stride) - 1) * stride + 3;
  return channels * (rows * dicenet_band_row (w, stride) + 9 * sizeof (size_t) / sizeof (float)) + 3 * DICENET_PAD;
}

/* Floats of scratch that conv_winograd wants: a band for tiles of two columns, and transformed inputs of 48 tiles. */
static inline size_t
dicenet_conv_winograd_scratch (unsigned cin, unsigned groups, unsigned w)
{
  const unsigned channels = cin / groups, across = (w + 1) / 2;
  const size_t rows = 2 * (size_t) dicenet_band_rows (channels, across, 2) + 2;
  return channels * (rows * dicenet_band_row (across, 2) + 16 * 48) + (16 + 3) * DICENET_PAD;
}

/* Floats of padded rows that stay in the first-level cache. */
#define DICENET_CACHED 8192

/* How many padded input rows of each channel of a group conv_grouped works on at a time: all, or what the cache keeps
 * of them, and at least what four output rows are made of. */
static inline unsigned
dicenet_conv_grouped_rows (unsigned cin, unsigned groups, unsigned h, unsigned w)
{
  const size_t fit = DICENET_CACHED / (cin / groups * dicenet_padded_stride (w));
  return fit < 6 ? 6 : fit < h + 2 ? (unsigned) fit : h + 2;
}

static inline size_t
dicenet_conv_grouped_scratch (unsigned cin, unsigned groups, unsigned h, unsigned w)
{
  return (size_t) cin / groups * dicenet_conv_grouped_rows (cin, groups, h, w) * dicenet_padded_stride (w) +
         3 * DICENET_PAD;
}

/* The first of the w x h floats within. */
static inline float *
dicenet_padded_origin (float *padded, unsigned w)
{
  return padded + dicenet_padded_stride (w) + DICENET_PAD;
}

/* The DiCE unit's DimConv and local fusion for one channel. */
typedef struct {
  const float *around[3]; /* padded planes of the channels before, this one and after; zeros where there is none */
  unsigned h, w;
  const float *depth;     /* [3][3], scaled */
  const float *height;    /* [h][3][3]; NULL: the branch is in @branch[1] */
  const float *width;     /* [3][3][dicenet_padded_stride (w)], column by column; NULL: the branch is in @branch[2] */
  const float *branch[3]; /* h rows of w floats, dicenet_padded_stride() apart; [0] unused */
} DicenetDice;

/* What is added up after the three branches of DimConv; arrays of 3 x c are branch by branch: depth, height, width. */
typedef struct {
  const float *branch_scale, *branch_bias, *branch_slope;
  const float *fuse_weight;
  const float *fuse_bias, *fuse_slope; /* [c] */
} DicenetFusion;

/* A resampling of one axis: out[i] = sum over t < taps of weight[t * out + i] * in[start[i] + t]. Bilinear scaling and
 * adaptive average pooling are both this for rows and for columns. All of start[i] + t are valid positions. */
typedef struct {
  unsigned in, out, taps;
  const int *start;
  const float *weight;
} DicenetAxis;

/* Floats of scratch that resize wants; none where one axis stays as it is. */
static inline size_t
dicenet_resize_scratch (const DicenetAxis *rows, const DicenetAxis *columns)
{
  if (rows->in == rows->out || columns->in == columns->out)
    return 0;
  return rows->out < rows->in ? columns->in : ((size_t) rows->taps + 1) * columns->out;
}

/* Three taps of one axis of a kernel that works on a larger scale, scaling to it and back included: all of it is
 * linear, so tap a of the larger scale is, at position i of n, the sum over t < taps of
 * weight[(a * taps + t) * dicenet_composed_stride (n) + i] * in[i + first + t]. Weights of positions outside are 0. */
#define DICENET_COMPOSED_TAPS 5 /* at most */

typedef struct {
  unsigned n, taps;
  int first;
  struct {
    unsigned begin, end; /* which of the taps are not 0 everywhere */
  } part[3];
  const float *weight;
} DicenetComposedAxis;

static inline size_t
dicenet_composed_stride (unsigned n)
{
  return ((size_t) n + 15) / 16 * 16;
}

typedef struct {
  unsigned h, w; /* what the scale's kernel works on */
  /* There and back; unused for the input's own scale. */
  const DicenetAxis *rows, *columns, *rows_back, *columns_back;
  /* The same and the kernel's taps in one, for scales above the input's. */
  const DicenetComposedAxis *composed_rows, *composed_columns;
} DicenetEppBranch;

typedef struct {
  DicenetEppBranch branches[DICENET_EPP_BRANCHES];
  const float *weight, *bias, *slope;                   /* [scale][c][3][3], [scale][c], [scale][c] */
  const float *merge_weight, *merge_bias, *merge_slope; /* [c][scale][3][3], [c], [c] */
} DicenetEpp;

/* Output rows of an EPP unit that are computed together, so that what they are made of stays in the caches; and rows
 * of a scale above the input's that are kept: what one is made of, and some that enter with its last. */
#define DICENET_EPP_ROWS 32
#define DICENET_EPP_RING 8

/* Floats of scratch that pyramid wants: the padded input; per scale above it the taps of both axes in one; per scale
 * below its plane before and after the convolution and with the columns scaled back; the rows worked on. */
static inline size_t
dicenet_epp_scratch (unsigned h, unsigned w, const DicenetEppBranch branches[DICENET_EPP_BRANCHES])
{
  const size_t stride = dicenet_padded_stride (w);
  size_t n = dicenet_padded_floats (h, w) +
             DICENET_EPP_IDENTITY * 3 * DICENET_COMPOSED_TAPS * dicenet_composed_stride (h) +
             (DICENET_EPP_BRANCHES * (DICENET_EPP_ROWS + 2) + 3 * DICENET_EPP_RING) * stride + 3 * DICENET_PAD;

  for (unsigned k = DICENET_EPP_IDENTITY + 1; k < DICENET_EPP_BRANCHES; k++)
    n += 2 * dicenet_padded_floats (branches[k].h, branches[k].w) + branches[k].h * stride + w +
         3 * (size_t) branches[k].w;
  return n;
}

/* What is added up where a coarse map meets a finer one. */
typedef struct {
  const DicenetAxis *rows, *columns; /* from the coarse map's size */
  const DicenetPlanes *gate;         /* one factor per channel of the finer map */
  const float *scale, *bias, *slope; /* per channel */
} DicenetUpsampleAdd;

/* name, arguments. One list makes the prototypes and the tables, so that a kernel can't be in one and not in another.
 */
#define DICENET_KERNELS(K)                                                                                             \
  /* 1 x 1, stride 1. */                                                                                               \
  K (conv_pointwise, (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,                         \
                      const DicenetTile *tile, float *scratch))                                                        \
  /* Dense 3 x 3; output rows [begin, end). */                                                                         \
  K (conv_dense3x3, (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,          \
                     unsigned end, float *scratch))                                                                    \
  /* The same with Winograd's transform, stride 1; rows [begin, end) of tiles, which are two rows of the output. */    \
  K (conv_winograd, (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,          \
                     unsigned end, float *scratch))                                                                    \
  /* Dense on one pixel: matrix-vector product (GEMV). Blocks [begin, end); @scratch: x->c floats. */                  \
  K (gemv, (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin, unsigned end,     \
            float *scratch))                                                                                           \
  /* Grouped or depthwise 3 x 3; output channels [begin, end). */                                                      \
  K (conv_grouped, (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,           \
                    unsigned end, float *scratch))                                                                     \
  /* Copies a plane into the middle of a padded one. */                                                                \
  K (pad, (const float *x, unsigned h, unsigned w, float *padded))                                                     \
  /* The height branch of DimConv (paper 3.1) alone, before BatchNorm: rows of w floats dicenet_padded_stride() apart. \
   * On transposed planes it is the width branch. */                                                                   \
  K (dimconv_height, (const DicenetDice *dice, float *out))                                                            \
  /* Rows of @w floats resampled. All rows are dicenet_padded_stride (w) apart and read and written in whole           \
   * registers. */                                                                                                     \
  K (resize_rows, (const float *x, float *y, unsigned w, const DicenetAxis *rows))                                     \
  /* y[j][i] = x[i][j]. Rows are dicenet_padded_stride() of their widths apart; those of y are filled up with zeros    \
   * to whole registers. */                                                                                            \
  K (transpose, (const float *x, float *y, unsigned h, unsigned w))                                                    \
  /* The branches that @dice has kernels for, then BatchNorm, PReLU and local fusion (3.2) into y's channel. */        \
  K (dice, (const DicenetDice *dice, const DicenetPlanes *y, const DicenetFusion *fusion, unsigned channel))           \
  K (max_pool, (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end))                         \
  K (avg_pool, (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end))                         \
  K (global_avg_pool, (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end))                  \
  /* y = PReLU (scale * (x0 scaled up to y's size + gate * x1) + bias). @scratch: 3 rows of y. */                      \
  K (upsample_add, (const DicenetPlanes *x0, const DicenetPlanes *x1, const DicenetPlanes *y,                          \
                    const DicenetUpsampleAdd *merge, unsigned begin, unsigned end, float *scratch))                    \
  /* One plane; its rows and the output's are strides apart. @scratch: dicenet_resize_scratch() floats. */             \
  K (resize, (const float *x, size_t x_stride, float *y, size_t y_stride, const DicenetAxis *rows,                     \
              const DicenetAxis *columns, float *scratch))                                                             \
  /* Output channels [begin, end). */                                                                                  \
  K (epp, (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetEpp *p, unsigned begin, unsigned end,          \
           float *scratch))                                                                                            \
  /* Channels last: out[(i * w + j) * c + k] = x[k, i, j], map rows [begin, end). */                                   \
  K (flatten, (const DicenetPlanes *x, float *out, unsigned begin, unsigned end))

typedef struct {
#define K(name, arguments) void (*name) arguments;
  DICENET_KERNELS (K)
#undef K
} DicenetKernels;

/* The readable reference in plain C, which every other implementation is tested against. */
extern const DicenetKernels dicenet_kernels_ref;

/* The fastest for this processor that @mask allows: one bit per set, DICENET_CPU_*; and its name. */
enum {
  DICENET_CPU_BASELINE = 1, /* x86-64: SSE2; aarch64: NEON */
  DICENET_CPU_AVX2 = 2,
  DICENET_CPU_AVX512 = 4,
  DICENET_CPU_AVX512_BF16 = 8, /* beside AVX512: bf16.h */
  DICENET_CPU_ALL = 15,
};

const DicenetKernels *dicenet_kernels_get (unsigned mask, const char **name);

/* The mask in force: the environment's DICENET_CPU_MASK; all where it is not set, empty, or no mask. */
unsigned dicenet_cpu_mask (void);

/* DICENET_CPU_MASK if it is set to what is no number from 0 to DICENET_CPU_ALL, else NULL. Sessions refuse to open. */
const char *dicenet_cpu_mask_fault (void);
