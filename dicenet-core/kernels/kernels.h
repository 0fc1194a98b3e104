/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "../base/ops.h"

/* Arithmetic on planes: pure functions on pointers, without allocation, state or threads.
 *
 * A tensor is @c planes of h x w floats with contiguous rows; plane i is at base + planes[i]. Kernels that take a range
 * only compute that part of the output, so that threads can share a tensor. Every output float is computed by one call,
 * in an order that does not depend on the range. Input and output never overlap. */

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

/* Dense convolutions store the weights of this many output channels together: [group][block][cin / groups * k * k][8],
 * padded with zeros at the end of a group's channels. */
#define DICENET_BLOCK 8

/* How the input of a convolution in int8 is quantised: q = round (x * inverse) + zero, limited to 0 to 255. See int8.h.
 */
typedef struct {
  float scale, inverse; /* the value of a step, and 1 over it */
  int32_t zero;         /* 0 to 255 */
} DicenetInt8Input;

typedef struct {
  const float *weight; /* dense: in blocks, possibly transformed; grouped: [cout][cin / groups][k][k] */
  const float *bias;   /* [cout], or NULL for zeros */
  const float *slope;  /* [cout] PReLU slopes, if @activation is PReLU */
  unsigned kernel;     /* 1 or 3, padding (kernel - 1) / 2 */
  unsigned stride;
  unsigned groups;
  DicenetActivation activation;
  const DicenetPlanes *gate; /* one factor per output channel, after the activation; or NULL */
  const uint16_t *bf16;      /* replaces @weight for the kernels of bf16.h; otherwise NULL */
  const void *int8;          /* replaces @weight for the kernels of int8.h, with @input; otherwise NULL */
  const DicenetInt8Input *input;
} DicenetConv;

/* Whether a convolution is dense, that is, computed as a matrix product. With fewer channels per group, blocks would be
 * mostly zeros. */
static inline int
dicenet_conv_is_dense (unsigned cout, unsigned groups, unsigned kernel)
{
  return kernel == 1 || cout / groups >= DICENET_BLOCK;
}

/* Whether a dense 3 x 3 convolution benefits from Winograd's transform. Its weights are then blocks of transformed
 * weights, [group][block][16][cin / groups][8], where 16 are the rows of the 4 x 4 matrix G g G'. */
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

/* Part of a pointwise convolution's output: a range of blocks of channels, counted over all groups, and a range of
 * pixels. */
typedef struct {
  unsigned first_block, end_block;
  size_t first_pixel, end_pixel;
} DicenetTile;

/* Floats of scratch for conv_pointwise: the packed inputs of as many pixels as fit the caches, but at least 48 (three
 * of the widest registers). */
static inline size_t
dicenet_conv_pointwise_scratch (unsigned cin, unsigned groups)
{
  const size_t least = (size_t) cin / groups * 48;
  return least > 32768 ? least : 32768;
}

/* A padded plane has a row of zeros above and below, and at least DICENET_PAD zeros between the end of a row and the
 * beginning of the next. Kernels need no conditions at borders and may load whole registers: three of them at the end
 * are still inside. */
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

/* conv_dense3x3 reads bands of padded input rows of all channels of a group. With stride 2, even and odd columns are
 * separate, each with padding. Floats of such a row for @w output columns; and the number of output rows of a band,
 * chosen so that it fits the second-level cache. */
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

/* Floats of scratch for conv_dense3x3: a band, an offset for each input, and padding for loads at the end. */
static inline size_t
dicenet_conv_dense3x3_scratch (unsigned cin, unsigned groups, unsigned w, unsigned stride)
{
  const unsigned channels = cin / groups;
  const size_t rows = (dicenet_band_rows (channels, w, stride) - 1) * stride + 3;
  return channels * (rows * dicenet_band_row (w, stride) + 9 * sizeof (size_t) / sizeof (float)) + 3 * DICENET_PAD;
}

/* Floats of scratch for conv_winograd: a band for tiles of two columns, and the transformed inputs of 48 tiles. */
static inline size_t
dicenet_conv_winograd_scratch (unsigned cin, unsigned groups, unsigned w)
{
  const unsigned channels = cin / groups, across = (w + 1) / 2;
  const size_t rows = 2 * (size_t) dicenet_band_rows (channels, across, 2) + 2;
  return channels * (rows * dicenet_band_row (across, 2) + 16 * 48) + (16 + 3) * DICENET_PAD;
}

/* Floats of padded rows that fit the first-level cache. */
#define DICENET_CACHED 8192

/* How many padded input rows of each channel of a group conv_grouped works on at a time: all, or as many as fit the
 * cache, but at least those of four output rows. */
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

/* The first float inside the padding. */
static inline float *
dicenet_padded_origin (float *padded, unsigned w)
{
  return padded + dicenet_padded_stride (w) + DICENET_PAD;
}

/* A resampling of one axis: out[i] = sum over t < taps of weight[t * out + i] * in[start[i] + t]. Covers bilinear
 * scaling and adaptive average pooling, separately for rows and columns. All of start[i] + t are valid positions. */
typedef struct {
  unsigned in, out, taps;
  const int *start;
  const float *weight;
} DicenetAxis;

/* The DiCE unit's DimConv and local fusion for one channel. */
typedef struct {
  const float *around[3]; /* padded planes of the previous, this and the next channel; zeros if there is none */
  unsigned h, w;
  const float *depth;  /* [3][3], scaled */
  const float *height; /* [h][3][3] */
  const float *width;  /* [3][3][dicenet_padded_stride (w)], interleaved by column */
  /* The height and the width branch: rows of w floats, dicenet_padded_stride() apart. */
  const float *tall, *wide;
  const DicenetAxis *rows; /* scales @tall to h rows; NULL if it has as many */
} DicenetDice;

/* A channel's BatchNorm, PReLU and local fusion of the branches (depth, height, width). A branch contributes t *
 * positive or t * negative, by the sign of t = x + offset. Then follow the bias and PReLU. */
typedef struct {
  float offset[3], positive[3], negative[3], bias, slope;
} DicenetFusion;

/* Rows whose columns are scaled together. */
#define DICENET_RESIZE_ROWS 4

/* Floats of scratch for scaling up rows of @w floats: two batches of rows, as far apart as padded ones, because powers
 * of two would map them to the same sets of the first-level cache. */
static inline size_t
dicenet_scale_up_scratch (unsigned w)
{
  return 2 * DICENET_RESIZE_ROWS * dicenet_padded_stride (w);
}

/* Floats of scratch for resize; none if only one axis is scaled. */
static inline size_t
dicenet_resize_scratch (const DicenetAxis *rows, const DicenetAxis *columns)
{
  if (rows->in == rows->out || columns->in == columns->out)
    return 0;
  return rows->out < rows->in ? DICENET_RESIZE_ROWS * dicenet_padded_stride (columns->in)
                              : dicenet_scale_up_scratch (columns->out);
}

/* One axis of a 3 x 3 kernel that works on a larger scale, combined with scaling up to it and back. All of it is
 * linear: tap a on the larger scale becomes, at position i of n, the sum over t < taps of
 * weight[(a * taps + t) * dicenet_composed_stride (n) + i] * in[i + first + t]. Weights of positions outside are 0.
 * There are three or five taps, as many before a position as after it. */
#define DICENET_COMPOSED_TAPS 5 /* maximum */

typedef struct {
  unsigned n, taps;
  int first;
  struct {
    unsigned begin, end; /* range of taps that are not 0 everywhere */
  } part[3];
  const float *weight;
} DicenetComposedAxis;

static inline size_t
dicenet_composed_stride (unsigned n)
{
  return ((size_t) n + 15) / 16 * 16;
}

typedef struct {
  unsigned h, w; /* size that the scale's kernel works at */
  /* Scaling to that size and back; unused for the input's own scale. */
  const DicenetAxis *rows, *columns, *rows_back, *columns_back;
  /* The same combined with the kernel's taps, for scales above the input's. */
  const DicenetComposedAxis *composed_rows, *composed_columns;
} DicenetEppBranch;

typedef struct {
  DicenetEppBranch branches[DICENET_EPP_BRANCHES];
  const float *weight, *bias, *slope;                   /* [scale][c][3][3], [scale][c], [scale][c] */
  const float *merge_weight, *merge_bias, *merge_slope; /* [c][scale][3][3], [c], [c] */
} DicenetEpp;

/* Output rows of an EPP unit that are computed together, so that their inputs stay in the caches. */
#define DICENET_EPP_ROWS 32

/* Floats of scratch for scaling to a scale below the input's: the minimum size of a scale may be above the input's. */
static inline size_t
dicenet_epp_resize_scratch (unsigned w, unsigned scaled_w)
{
  const size_t down = DICENET_RESIZE_ROWS * dicenet_padded_stride (w), up = dicenet_scale_up_scratch (scaled_w);
  return down > up ? down : up;
}

/* Floats of scratch for epp: the padded input; per scale above it, the combined taps of both axes; per scale below it,
 * its plane before and after the convolution and with columns scaled back; the rows in progress. */
static inline size_t
dicenet_epp_scratch (unsigned h, unsigned w, const DicenetEppBranch branches[DICENET_EPP_BRANCHES])
{
  const size_t stride = dicenet_padded_stride (w);
  size_t n = dicenet_padded_floats (h, w) +
             DICENET_EPP_IDENTITY * 3 * DICENET_COMPOSED_TAPS * dicenet_composed_stride (h) +
             DICENET_EPP_BRANCHES * (DICENET_EPP_ROWS + 2) * stride + 3 * DICENET_PAD;

  for (unsigned k = DICENET_EPP_IDENTITY + 1; k < DICENET_EPP_BRANCHES; k++)
    n += 2 * dicenet_padded_floats (branches[k].h, branches[k].w) + branches[k].h * stride +
         dicenet_epp_resize_scratch (w, branches[k].w);
  return n;
}

/* Parameters of merging a coarse map into a finer one. */
typedef struct {
  const DicenetAxis *rows, *columns; /* from the coarse map's size */
  const DicenetPlanes *gate;         /* one factor per channel of the finer map, or NULL for ones */
  const float *scale, *bias, *slope; /* per channel; each may be NULL, for ones, zeros and ones */
} DicenetUpsampleAdd;

static inline float
dicenet_channel_or (const float *values, unsigned c, float otherwise)
{
  return values ? values[c] : otherwise;
}

/* name, arguments. The prototypes and the tables are generated from this list, so that they can't differ. */
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
  /* The height or the width branch of DimConv (paper 3.1), before BatchNorm. Output: rows of w floats,                \
   * dicenet_padded_stride() apart. */                                                                                 \
  K (dimconv_height, (const DicenetDice *dice, float *out))                                                            \
  K (dimconv_width, (const DicenetDice *dice, float *out))                                                             \
  /* Resamples rows of @w floats, dicenet_padded_stride (w) apart; reads and writes whole registers. */                \
  K (resize_rows, (const float *x, float *y, unsigned w, const DicenetAxis *rows))                                     \
  /* y[j][i] = x[i][j]. Rows are dicenet_padded_stride() of their widths apart; those of y are padded with zeros to    \
   * whole registers. */                                                                                               \
  K (transpose, (const float *x, float *y, unsigned h, unsigned w))                                                    \
  /* The depth branch, then BatchNorm and PReLU of all three and local fusion (3.2) to @channel of y, whose @fusion it \
   * is. */                                                                                                            \
  K (dice, (const DicenetDice *dice, const DicenetPlanes *y, const DicenetFusion *fusion, unsigned channel))           \
  K (max_pool, (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end))                         \
  K (avg_pool, (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end))                         \
  K (global_avg_pool, (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end))                  \
  /* The smallest and the largest of 0 and all values of channels [begin, end), but NaN. */                            \
  K (range, (const DicenetPlanes *x, unsigned begin, unsigned end, float range[2]))                                    \
  /* y = PReLU (scale * (x0 scaled up to y's size + gate * x1) + bias). @scratch: dicenet_scale_up_scratch() floats.   \
   */                                                                                                                  \
  K (upsample_add, (const DicenetPlanes *x0, const DicenetPlanes *x1, const DicenetPlanes *y,                          \
                    const DicenetUpsampleAdd *merge, unsigned begin, unsigned end, float *scratch))                    \
  /* One plane; @x_stride and @y_stride are the distances of rows. @scratch: dicenet_resize_scratch() floats. */       \
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

/* The reference implementation in plain C, which all others are tested against. */
extern const DicenetKernels dicenet_kernels_ref;

/* Returns the fastest kernels for this processor that @mask allows, which has one bit per set, DICENET_CPU_*; and their
 * name. */
enum {
  DICENET_CPU_BASELINE = 1, /* x86-64: SSE2; aarch64: NEON */
  DICENET_CPU_AVX2 = 2,
  DICENET_CPU_AVX512 = 4,
  DICENET_CPU_AVX512_BF16 = 8,  /* in addition to AVX512: bf16.h */
  DICENET_CPU_AVX512_VNNI = 16, /* in addition to AVX512: int8.h */
  DICENET_CPU_AVX_VNNI = 32,    /* in addition to AVX2: int8.h */
  DICENET_CPU_DOTPROD = 64,     /* aarch64, in addition to the baseline: int8.h */
  DICENET_CPU_ALL = 127,
};

const DicenetKernels *dicenet_kernels_get (unsigned mask, const char **name);

/* The mask in effect: the environment variable DICENET_CPU_MASK; all bits if it is unset, empty or invalid. */
unsigned dicenet_cpu_mask (void);

/* The value of DICENET_CPU_MASK if it is not a number from 0 to DICENET_CPU_ALL, otherwise NULL. If invalid, sessions
 * refuse to open. */
const char *dicenet_cpu_mask_fault (void);
