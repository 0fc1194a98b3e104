/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Processing before and after a network: from pixels to its input, from its output to a mask or boxes. Pure functions
 * on pointers, as in kernels.h. Preprocessing is integer arithmetic, so that all implementations give identical
 * results:
 *
 *   source row -> [chroma_*, yuv | rgb] -> R, G, B -> [resize_horizontal] -> R, G, B at the target's width
 *   the scaled rows for an output row -> [resize_vertical_normalise] -> one channel's row of floats
 *
 * Samples have 8 bits and are stored in 16, which vector instructions can multiply. */

/* Rows of samples are followed by this many more, which kernels may read, whatever their values, and write. Whole
 * registers then need no conditions. Rows of bytes in the caller's picture have no such padding, and are never accessed
 * beyond their ends. */
#define DICENET_PIXEL_PAD 64

/* Distance between the channels of a row of samples, which are stored one after the other. */
static inline size_t
dicenet_pixel_stride (unsigned width)
{
  return ((size_t) width + DICENET_PIXEL_PAD - 1) / DICENET_PIXEL_PAD * DICENET_PIXEL_PAD + DICENET_PIXEL_PAD;
}

/* Conversion from Y'CbCr to R'G'B' in fixed point, with DICENET_YUV_BITS fractional bits. Luma is a byte; c[0] and c[1]
 * are the chroma components, scaled to 8 * (x - 128). Red is (y * luma + 16 * bias + r[0] * c[0] + r[1] * c[1]) >>
 * DICENET_YUV_BITS, saturated to a byte; green and blue are computed in the same way. All factors fit signed 16 bits
 * for vector instructions, so bias, which contains rounding and the offset of luma, is divided by 16. */
typedef struct {
  int16_t y, bias;
  int16_t r[2], g[2], b[2];
} DicenetYuv;

#define DICENET_YUV_BITS 14

/* Position of luma in a row of bytes. */
typedef enum {
  DICENET_LUMA_PLANAR,
  DICENET_LUMA_EVEN, /* every other byte, beginning with the first */
  DICENET_LUMA_ODD,  /* ... with the second */
} DicenetLuma;

/* Fractional bits of the coefficients for scaling pictures. With samples of 8 bits and some room for rounding, products
 * take 32 bits. */
#define DICENET_TAPS_BITS 22
/* Coefficients are split so that both parts fit 16 bits: coefficient = high << DICENET_TAPS_SPLIT | low. */
#define DICENET_TAPS_SPLIT 11

/* How one dimension is scaled. Output i is a sum of 2 * @pairs inputs from start[i] on. The coefficients of inputs 2k
 * and 2k + 1 are at [k * stride + i], the even one in the lower half. Unused coefficients are 0. @stride is at least
 * @out, so that whole registers can be read: the padding repeats the last start, and has coefficients of 0.
 * Coefficients are never negative, and those of an output sum to 1 except for rounding. start[i] + 2 * @pairs is at
 * most one past the last input. */
typedef struct {
  unsigned out, pairs, stride;
  const int32_t *start;
  const uint32_t *high, *low;
} DicenetTaps;

#define DICENET_TAPS_STRIDE 16 /* of which @stride is a multiple */

/* SSD's variances, by which locations were divided in training. */
#define DICENET_CENTER_VARIANCE 0.1f
#define DICENET_SIZE_VARIANCE   0.2f

/* The anchor-free head clamps locations to minus this to this before their exponential. */
#define DICENET_MOST_LOCATION 6.0f

/* name, arguments; see DICENET_KERNELS. */
#define DICENET_PIXEL_KERNELS(K)                                                                                       \
  /* Chroma of a row, for @n pairs of pixels, scaled to 4 * (x - 128). The two components of a pair are interleaved,   \
   * and the last pair is repeated. @near and @far are the rows with weights of three quarters and one quarter: with   \
   * interleaved components; */                                                                                        \
  K (chroma_semiplanar, (const uint8_t *near, const uint8_t *far, int16_t *out, size_t n))                             \
  /* each component in its own row; */                                                                                 \
  K (chroma_planar, (const uint8_t *const near[2], const uint8_t *const far[2], int16_t *out, size_t n))               \
  /* or a packed row, whose luma is ignored. */                                                                        \
  K (chroma_packed, (const uint8_t *src, DicenetLuma luma, int16_t *out, size_t n))                                    \
  /* R, G, B of a row from @luma and (width + 1) / 2 pairs of @chroma followed by the repeated last pair. Odd pixels   \
   * have the mean of two neighbouring pairs' chroma. */                                                               \
  K (yuv, (const DicenetYuv *yuv, const uint8_t *luma, DicenetLuma where, const int16_t *chroma, uint16_t *out,        \
           unsigned width))                                                                                            \
  /* The same from packed pixels of @step (3 or 4) bytes; @at: the positions of R, G, B. */                            \
  K (rgb, (const uint8_t *src, unsigned step, const uint8_t at[3], uint16_t *out, unsigned width))                     \
  /* Scales a row's R, G, B to taps->out pixels. @stride: distance of channels in @src; @out has its own. */           \
  K (resize_horizontal, (const DicenetTaps *taps, const uint16_t *src, size_t stride, uint16_t *out))                  \
  /* One channel of output row @i: out[j] = table[sum over t < 2 * taps->pairs of coefficient t * rows[t][j]]. */      \
  K (resize_vertical_normalise, (const DicenetTaps *taps, unsigned i, const uint16_t *const *rows,                     \
                                 const float table[256], float *out, unsigned width))                                  \
  /* out[i] = argmax over classes c of weight[0] * a[c * stride + i] + weight[1] * b[c * stride + i], the first if     \
   * equal; at most 256 classes. @stride is a multiple of 16, all of which is readable. */                             \
  K (argmax, (const float *a, const float *b, size_t stride, const float weight[2], unsigned classes, uint8_t *out,    \
              unsigned width))                                                                                         \
  /* Finds the rows, of @n rows of @classes floats, in which a class exceeds the background by at least @least, and    \
   * returns their indices. The background is class 0 if @has_background, else 0. */                                   \
  K (select_candidates, (const float *x, unsigned classes, int has_background, unsigned n, float least,                \
                         uint32_t *found, unsigned *n_found))                                                          \
  /* p[i] = exp (x[i]) / sum of exp (x[k]); @p has room for a multiple of 16. */                                       \
  K (softmax, (const float *x, unsigned n, float *p))                                                                  \
  /* Whether @box (left, top, right, bottom) overlaps any of @n others with an intersection over union above @iou.     \
   * The others' coordinates are in four rows @stride floats apart, their areas in a fifth; 16 floats beyond the last  \
   * are readable. */                                                                                                  \
  K (iou_above, (const float box[4], const float *others, size_t stride, unsigned n, float iou, int *found))

typedef struct {
#define K(name, arguments) void (*name) arguments;
  DICENET_PIXEL_KERNELS (K)
#undef K
} DicenetPixelKernels;

/* The reference implementation in plain C. */
extern const DicenetPixelKernels dicenet_pixel_kernels_ref;

/* See dicenet_kernels_get(). */
const DicenetPixelKernels *dicenet_pixel_kernels_get (unsigned mask, const char **name);
