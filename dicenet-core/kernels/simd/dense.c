/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "activate.h"
#include "simd.h"

/* Dense convolution as a matrix product: output channels x inputs times inputs x pixels, where an input is one tap of
 * one channel. Columns are packed side by side (three registers of pixels wide), so that the inner loop reads both
 * operands in order; each packed piece is used by all blocks of output channels while it is in the cache. */

#define WIDE 3 /* registers of pixels */
#define NR   (WIDE * VL)

/* Half a block where there are 16 registers: 4 x 3 accumulators, 3 inputs and a weight fill them. */
#if VL == 16 || defined(__aarch64__)
#define ROWS DICENET_BLOCK
#else
#define ROWS (DICENET_BLOCK / 2)
#endif

/* acc[r][v] += w[k][r] * x[k][v] */
INLINE void
multiply (const float *restrict w, const float *restrict x, size_t n, const int rows, const int wide, vf *acc)
{
  for (size_t k = 0; k < n; k++, w += DICENET_BLOCK, x += NR) {
    vf in[WIDE];
    UNROLL
    for (int v = 0; v < wide; v++)
      in[v] = load (x + v * VL);
    UNROLL
    for (int r = 0; r < rows; r++) {
      const vf weight = all (w[r]);
      UNROLL
      for (int v = 0; v < wide; v++)
        acc[r * WIDE + v] += weight * in[v];
    }
  }
}

INLINE void
finish (const DicenetPlanes *y, const DicenetConv *conv, unsigned channel, size_t pixel, size_t n, const vf *acc,
        const int wide)
{
  float *out = dicenet_plane (y, channel) + pixel;

  UNROLL
  for (int v = 0; v < wide; v++) {
    const size_t at = (size_t) v * VL;
    const vf value = activate (acc[v], conv, channel);
    if (at + VL <= n)
      store (out + at, value);
    else if (at < n)
      store_first (out + at, value, n - at);
  }
}

/* Channels [channel, channel + count) of a block, count <= rows, and n <= wide * VL pixels. */
INLINE void
block_of (const float *w, const float *x, size_t inputs, const DicenetPlanes *y, const DicenetConv *conv,
          unsigned channel, unsigned count, size_t pixel, size_t n, const int rows, const int wide)
{
  vf acc[ROWS * WIDE];

  UNROLL
  for (int r = 0; r < rows; r++) {
    const vf bias = all (conv->bias && (unsigned) r < count ? conv->bias[channel + (unsigned) r] : 0);
    UNROLL
    for (int v = 0; v < wide; v++)
      acc[r * WIDE + v] = bias;
  }
  multiply (w, x, inputs, rows, wide, acc);
  UNROLL
  for (int r = 0; r < rows; r++)
    if ((unsigned) r < count)
      finish (y, conv, channel + (unsigned) r, pixel, n, acc + r * WIDE, wide);
}

static void
block (const float *w, const float *x, size_t inputs, const DicenetPlanes *y, const DicenetConv *conv, unsigned channel,
       unsigned count, size_t pixel, size_t n)
{
#define CASE(rows, wide) block_of (w, x, inputs, y, conv, channel, count, pixel, n, rows, wide)
#if ROWS == DICENET_BLOCK
  if (count > DICENET_BLOCK / 2) {
    if (n > 2 * VL)
      CASE (8, 3);
    else if (n > VL)
      CASE (8, 2);
    else
      CASE (8, 1);
    return;
  }
#endif
  if (n > 2 * VL)
    CASE (4, 3);
  else if (n > VL)
    CASE (4, 2);
  else
    CASE (4, 1);
#undef CASE
}

/* out[i] = in[(column + i) * stride + dx] where that is within w, else 0. */
INLINE void
pack_segment (const float *restrict in, long w, long column, long dx, size_t n, float *restrict out, const long stride)
{
  const long first = column * stride + dx;
  const size_t begin = first < 0 ? (size_t) ((-first + stride - 1) / stride) : 0;
  size_t end = first < w ? (size_t) ((w - first + stride - 1) / stride) : 0, i = 0;

  end = end < n ? end : n;
  for (; i < begin && i < n; i++)
    out[i] = 0;
  for (; i < end; i++)
    out[i] = in[first + (long) i * stride];
  for (; i < n; i++)
    out[i] = 0;
}

/* One tap of one channel for output pixels [pixel, pixel + n). */
static void
pack_tap (const DicenetPlanes *x, const float *plane, const DicenetPlanes *y, const DicenetConv *conv, int dy, int dx,
          size_t pixel, size_t n, float *restrict out)
{
  while (n > 0) {
    const size_t row = pixel / y->w, column = pixel % y->w, m = n < y->w - column ? n : y->w - column;
    const long from = (long) (row * conv->stride) + dy;

    if (from < 0 || from >= (long) x->h)
      memset (out, 0, m * sizeof *out);
    else if (conv->stride == 1)
      pack_segment (plane + from * (long) x->w, x->w, (long) column, dx, m, out, 1);
    else if (conv->stride == 2)
      pack_segment (plane + from * (long) x->w, x->w, (long) column, dx, m, out, 2);
    else
      pack_segment (plane + from * (long) x->w, x->w, (long) column, dx, m, out, (long) conv->stride);
    pixel += m;
    out += m;
    n -= m;
  }
}

/* Columns of inputs for n <= NR pixels: [inputs][NR]. */
static void
pack (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned first_channel, size_t pixel,
      size_t n, float *out)
{
  const unsigned channels = x->c / conv->groups;
  const int pad = (int) (conv->kernel - 1) / 2, k = (int) conv->kernel;

  for (unsigned c = 0; c < channels; c++) {
    const float *plane = dicenet_plane (x, first_channel + c);
    if (k == 1 && conv->stride == 1) {
      memcpy (out, plane + pixel, n * sizeof *out);
      out += NR;
      continue;
    }
    for (int a = 0; a < k; a++)
      for (int b = 0; b < k; b++, out += NR)
        pack_tap (x, plane, y, conv, a - pad, b - pad, pixel, n, out);
  }
}

/* Blocks [first, end) of one group. */
static void
group_part (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, const DicenetPart *part,
            unsigned group, unsigned first, unsigned end, float *scratch)
{
  const unsigned group_in = x->c / conv->groups, group_out = y->c / conv->groups;
  const unsigned blocks = dicenet_conv_blocks (y->c, conv->groups);
  const size_t inputs = (size_t) group_in * conv->kernel * conv->kernel, panel = inputs * NR;
  const size_t panels = dicenet_conv_dense_scratch (x->c, conv->groups, conv->kernel) / panel;

  for (size_t at = part->first_pixel; at < part->end_pixel; at += panels * NR) {
    const size_t stop = part->end_pixel - at < panels * NR ? part->end_pixel : at + panels * NR;
    for (size_t p = at; p < stop; p += NR)
      pack (x, y, conv, group * group_in, p, stop - p < NR ? stop - p : NR, scratch + (p - at) / NR * panel);
    for (unsigned b = first; b < end; b++) {
      const float *w = conv->weight + ((size_t) group * blocks + b) * inputs * DICENET_BLOCK;
      for (unsigned half = 0; half < DICENET_BLOCK; half += ROWS) {
        const unsigned channel = b * DICENET_BLOCK + half;
        if (channel >= group_out)
          break;
        const unsigned count = group_out - channel < ROWS ? group_out - channel : ROWS;
        for (size_t p = at; p < stop; p += NR)
          block (w + half, scratch + (p - at) / NR * panel, inputs, y, conv, group * group_out + channel, count, p,
                 stop - p < NR ? stop - p : NR);
      }
    }
  }
}

void
KERNEL (conv_dense) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, const DicenetPart *part,
                     float *scratch)
{
  const unsigned blocks = dicenet_conv_blocks (y->c, conv->groups);

  for (unsigned b = part->first_block; b < part->end_block;) {
    const unsigned group = b / blocks, first = b % blocks;
    const unsigned end = part->end_block - b < blocks - first ? first + part->end_block - b : blocks;
    group_part (x, y, conv, part, group, first, end, scratch);
    b += end - first;
  }
}

/* A block is eight sums, in one register or two; several such chains are under way at a time, because each would wait
 * for itself. */
typedef float Block __attribute__ ((vector_size (DICENET_BLOCK * 4), may_alias, aligned (4)));

#define CHAINS 4

static void
vector_block (const float *restrict w, const float *restrict x, size_t n, float sum[DICENET_BLOCK])
{
  Block part[CHAINS] = { { 0 } };
  size_t k = 0;

  for (; k + CHAINS <= n; k += CHAINS) {
    UNROLL
    for (size_t c = 0; c < CHAINS; c++)
      part[c] += *(const Block *) (w + (k + c) * DICENET_BLOCK) * x[k + c];
  }
  for (; k < n; k++)
    part[0] += *(const Block *) (w + k * DICENET_BLOCK) * x[k];
  part[0] += part[1] + (part[2] + part[3]);
  memcpy (sum, &part[0], sizeof part[0]);
}

void
KERNEL (conv_vector) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                      unsigned end, float *scratch)
{
  const unsigned group_in = x->c / conv->groups, group_out = y->c / conv->groups;
  const unsigned blocks = dicenet_conv_blocks (y->c, conv->groups);

  for (unsigned c = 0; c < x->c; c++)
    scratch[c] = *dicenet_plane (x, c);
  for (unsigned b = begin; b < end; b++) {
    const unsigned group = b / blocks, channel = b % blocks * DICENET_BLOCK;
    float sum[DICENET_BLOCK];
    vector_block (conv->weight + (size_t) b * group_in * DICENET_BLOCK, scratch + group * group_in, group_in, sum);
    for (unsigned r = 0; r < DICENET_BLOCK && channel + r < group_out; r++) {
      const unsigned c = group * group_out + channel + r;
      *dicenet_plane (y, c) = activate_one (sum[r] + (conv->bias ? conv->bias[c] : 0), conv, c);
    }
  }
}
