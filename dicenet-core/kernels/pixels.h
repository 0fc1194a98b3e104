/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The work before and after a network: pixels to its input, its output to a mask or to boxes. Pure functions on
 * pointers, as in kernels.h. What makes the input is integer arithmetic, so that every version of it gives the same
 * bits:
 *
 *   source row -> [chroma_*, yuv | rgb] -> R, G, B -> [shrink] -> R, G, B at the target's width
 *   the scaled rows that an output row is made of -> [finish] -> one channel's row of floats
 *
 * Samples are 8 bits wide and lie in 16, which is what vector instructions multiply. */

/* A row of samples is followed by so many more that kernels may read, whatever they are, and write. Whole registers
 * need no conditions then. Rows of bytes in somebody's picture have nothing like it and are neither read nor written
 * past their ends. */
#define DICENET_PIXEL_PAD 64

/* From one channel's samples to the next one's, where a row's three channels lie one after the other. */
static inline size_t
dicenet_pixel_stride (unsigned width)
{
  return ((size_t) width + DICENET_PIXEL_PAD - 1) / DICENET_PIXEL_PAD * DICENET_PIXEL_PAD + DICENET_PIXEL_PAD;
}

/* R'G'B' from Y'CbCr in fixed point with DICENET_YUV_BITS after the point. With luma a byte and c[0], c[1] the two
 * chroma components, 8 times as large and less 8 * 128: red = (y * luma + 16 * bias + r[0] * c[0] + r[1] * c[1]) >>
 * DICENET_YUV_BITS, cut to a byte; green and blue alike. 16 bits with sign are what vector instructions like; hence
 * the sixteenth of what rounds and takes the offset of luma away. */
typedef struct {
  int16_t y, bias;
  int16_t r[2], g[2], b[2];
} DicenetYuv;

#define DICENET_YUV_BITS 14

/* Where luma lies in a row of bytes. */
typedef enum {
  DICENET_LUMA_PLANAR,
  DICENET_LUMA_EVEN, /* every other byte, beginning with the first */
  DICENET_LUMA_ODD,  /* ... with the second */
} DicenetLuma;

/* Bits after the point of the coefficients that a picture is scaled with: with 8 bits of sample and some room for
 * rounding they fill 32. */
#define DICENET_TAPS_BITS 22
/* They come in two parts, so that each fits 16 bits: coefficient = high << DICENET_TAPS_SPLIT | low. */
#define DICENET_TAPS_SPLIT 11

/* How one dimension is scaled. Output i is made of 2 * @pairs inputs from start[i]; numbers 2k and 2k + 1 have their
 * coefficients at [k * stride + i], the even one in the lower half. Unused ones are 0. @stride is @out and more, so
 * that whole registers can be read: start goes on there with what it had last, coefficients with 0. Coefficients are
 * never negative, and those of an output add up to 1 but for rounding. start[i] + 2 * @pairs is at most one past the
 * last input. */
typedef struct {
  unsigned out, pairs, stride;
  const int32_t *start;
  const uint32_t *high, *low;
} DicenetTaps;

#define DICENET_TAPS_STRIDE 16 /* of which @stride is a multiple */

/* SSD's variances (network.md, "Decode"): what locations were divided by in training. */
#define DICENET_CENTER_VARIANCE 0.1f
#define DICENET_SIZE_VARIANCE   0.2f

/* name, arguments; see DICENET_KERNELS. */
#define DICENET_PIXEL_KERNELS(K)                                                                                       \
  /* A row's chroma, for @n pairs of pixels: 4 times as large and less 4 * 128, the two components of a pair side by   \
   * side, and the last once more at the end. @near and @far are the rows that count three quarters and one quarter:   \
   * both components in turn; */                                                                                       \
  K (chroma_semiplanar, (const uint8_t *near, const uint8_t *far, int16_t *out, size_t n))                             \
  /* each component in a row of its own; */                                                                            \
  K (chroma_planar, (const uint8_t *const near[2], const uint8_t *const far[2], int16_t *out, size_t n))               \
  /* or a packed row, whose luma is not looked at. */                                                                  \
  K (chroma_packed, (const uint8_t *src, DicenetLuma luma, int16_t *out, size_t n))                                    \
  /* A row's R, G, B from @luma and (width + 1) / 2 pairs of @chroma and the last again. Between two pairs of pixels,  \
   * chroma is the mean of theirs. */                                                                                  \
  K (yuv, (const DicenetYuv *yuv, const uint8_t *luma, DicenetLuma where, const int16_t *chroma, uint16_t *out,        \
           unsigned width))                                                                                            \
  /* The same from packed pixels of @step (3 or 4) bytes; @at: which of them is R, G, B. */                            \
  K (rgb, (const uint8_t *src, unsigned step, const uint8_t at[3], uint16_t *out, unsigned width))                     \
  /* A row's R, G, B to those of taps->out pixels. @stride: from channel to channel of @src; @out has its own. */      \
  K (resize_horizontal, (const DicenetTaps *taps, const uint16_t *src, size_t stride, uint16_t *out))                  \
  /* One channel of output row @i: out[j] = table[sum over t < 2 * taps->pairs of coefficient t * rows[t][j]]. */      \
  K (resize_vertical_normalise, (const DicenetTaps *taps, unsigned i, const uint16_t *const *rows,                     \
                                 const float table[256], float *out, unsigned width))                                  \
  /* out[i] = the class c with the largest weight[0] * a[c * stride + i] + weight[1] * b[c * stride + i], the first    \
   * of equals; at most 256 classes. @stride is a multiple of 16, and all of it can be read. */                        \
  K (argmax, (const float *a, const float *b, size_t stride, const float weight[2], unsigned classes, uint8_t *out,    \
              unsigned width))                                                                                         \
  /* Which of @n rows of @classes floats have one of the classes from 1 at least @least above class 0: their numbers.  \
   */                                                                                                                  \
  K (select_candidates,                                                                                                \
     (const float *x, unsigned classes, unsigned n, float least, uint32_t *found, unsigned *n_found))                  \
  /* p[i] = exp (x[i]) over the sum of them all; room for a multiple of 16 in @p. */                                   \
  K (softmax, (const float *x, unsigned n, float *p))                                                                  \
  /* Whether @box (left, top, right, bottom) overlaps one of @n others by more than @iou, intersection over union. The \
   * numbers of those in rows @stride floats apart, with a fifth for their areas; 16 beyond the last can be read. */   \
  K (iou_above, (const float box[4], const float *others, size_t stride, unsigned n, float iou, int *found))

typedef struct {
#define K(name, arguments) void (*name) arguments;
  DICENET_PIXEL_KERNELS (K)
#undef K
} DicenetPixelKernels;

/* The readable reference in plain C. */
extern const DicenetPixelKernels dicenet_pixel_kernels_ref;

/* As dicenet_kernels_get(). */
const DicenetPixelKernels *dicenet_pixel_kernels_get (unsigned mask, const char **name);
