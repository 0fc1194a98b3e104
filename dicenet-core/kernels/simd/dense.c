/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "activate.h"
#include "simd.h"

/* Dense convolution as a matrix product: output channels x inputs times inputs x pixels, where an input is one tap of
 * one channel. Columns are packed side by side (some registers of pixels wide), so that the inner loop reads both
 * operands in order; each packed piece is used by all blocks of output channels while it is in the cache. */

/* Registers of pixels, such that accumulators, inputs and a weight fit the registers there are: 8 x 2 of 32, 4 x 3
 * of 16. 8 x 3 would fit 32 on paper, but the compiler then keeps some in memory, which costs a quarter of the speed.
 */
#if VL == 16 || defined(__aarch64__)
#define ROWS DICENET_BLOCK
#define WIDE 2
#else
#define ROWS (DICENET_BLOCK / 2)
#define WIDE 3
#endif
#define NR (WIDE * VL)

/* The inputs of one panel: packed, or, where @planes is not NULL, at @x from the start of each plane. */
typedef struct {
  const float *x;
  const size_t *planes;
  size_t n;
} Inputs;

/* acc[r][v] += w[r] * x[v] */
INLINE void
add_products (const float *restrict w, const float *restrict x, const int rows, const int wide, vf *acc)
{
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

INLINE void
multiply (const float *restrict w, const Inputs *inputs, const int rows, const int wide, const int packed, vf *acc)
{
  const float *restrict x = inputs->x;
  const size_t *planes = inputs->planes, n = inputs->n;

  if (packed)
    for (size_t k = 0; k < n; k++, w += DICENET_BLOCK, x += NR)
      add_products (w, x, rows, wide, acc);
  else
    for (size_t k = 0; k < n; k++, w += DICENET_BLOCK)
      add_products (w, x + planes[k], rows, wide, acc);
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
block_of (const float *w, const Inputs *inputs, const DicenetPlanes *y, const DicenetConv *conv, unsigned channel,
          unsigned count, size_t pixel, size_t n, const int rows, const int wide, const int packed)
{
  vf acc[ROWS * WIDE];

  UNROLL
  for (int r = 0; r < rows; r++) {
    const vf bias = all (conv->bias && (unsigned) r < count ? conv->bias[channel + (unsigned) r] : 0);
    UNROLL
    for (int v = 0; v < wide; v++)
      acc[r * WIDE + v] = bias;
  }
  multiply (w, inputs, rows, wide, packed, acc);
  UNROLL
  for (int r = 0; r < rows; r++)
    if ((unsigned) r < count)
      finish (y, conv, channel + (unsigned) r, pixel, n, acc + r * WIDE, wide);
}

/* For the number of channels and of pixels that there are. */
static void
block (const float *w, const Inputs *inputs, const DicenetPlanes *y, const DicenetConv *conv, unsigned channel,
       unsigned count, size_t pixel, size_t n)
{
#define CASE(rows, wide, packed) block_of (w, inputs, y, conv, channel, count, pixel, n, rows, wide, packed)
#if ROWS == DICENET_BLOCK
  if (count > DICENET_BLOCK / 2) {
    if (inputs->planes)
      CASE (DICENET_BLOCK, WIDE, 0);
    else if (n > VL)
      CASE (DICENET_BLOCK, WIDE, 1);
    else
      CASE (DICENET_BLOCK, 1, 1);
    return;
  }
#endif
  if (inputs->planes)
    CASE (DICENET_BLOCK / 2, WIDE, 0);
  else if (n > 2 * VL)
    CASE (DICENET_BLOCK / 2, WIDE, 1);
  else if (n > VL)
    CASE (DICENET_BLOCK / 2, 2, 1);
  else
    CASE (DICENET_BLOCK / 2, 1, 1);
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

/* Pixels of a panel that stand in one row. */
typedef struct {
  long row, column;
  size_t n;
} Segment;

static unsigned
find_segments (const DicenetPlanes *y, size_t pixel, size_t n, Segment segments[NR])
{
  unsigned count = 0;

  for (size_t row = pixel / y->w, column = pixel % y->w; n > 0; row++, column = 0) {
    const size_t m = n < y->w - column ? n : y->w - column;
    segments[count++] = (Segment){ (long) row, (long) column, m };
    n -= m;
  }
  return count;
}

/* One tap of one channel. */
INLINE void
pack_tap (const DicenetPlanes *x, const float *plane, const Segment *segments, unsigned count, long dy, long dx,
          float *restrict out, const long stride)
{
  for (unsigned i = 0; i < count; i++) {
    const Segment *s = &segments[i];
    const long from = s->row * stride + dy;

    if (from < 0 || from >= (long) x->h)
      memset (out, 0, s->n * sizeof *out);
    else
      pack_segment (plane + from * (long) x->w, x->w, s->column, dx, s->n, out, stride);
    out += s->n;
  }
}

/* Columns of inputs for n <= NR pixels: [inputs][NR]. */
static void
pack (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned first_channel, size_t pixel,
      size_t n, float *out)
{
  const unsigned channels = x->c / conv->groups;
  const long pad = (long) (conv->kernel - 1) / 2, k = (long) conv->kernel;

  if (k == 1 && conv->stride == 1) {
    for (unsigned c = 0; c < channels; c++, out += NR)
      memcpy (out, dicenet_plane (x, first_channel + c) + pixel, n * sizeof *out);
    return;
  }
  Segment segments[NR];
  const unsigned count = find_segments (y, pixel, n, segments);
  for (unsigned c = 0; c < channels; c++) {
    const float *plane = dicenet_plane (x, first_channel + c);
    for (long a = -pad; a < k - pad; a++) {
      for (long b = -pad; b < k - pad; b++, out += NR) {
        if (conv->stride == 1)
          pack_tap (x, plane, segments, count, a, b, out, 1);
        else
          pack_tap (x, plane, segments, count, a, b, out, conv->stride);
      }
    }
  }
}

/* Blocks [first, end) of one group for n <= NR pixels. */
static void
panel_blocks (const Inputs *inputs, const DicenetPlanes *y, const DicenetConv *conv, unsigned group, unsigned first,
              unsigned end, size_t pixel, size_t n)
{
  const unsigned group_out = y->c / conv->groups, blocks = dicenet_conv_blocks (y->c, conv->groups);

  for (unsigned b = first; b < end; b++) {
    const float *w = conv->weight + ((size_t) group * blocks + b) * inputs->n * DICENET_BLOCK;
    for (unsigned channel = b * DICENET_BLOCK, half = 0; half < DICENET_BLOCK && channel < group_out;
         half += ROWS, channel += ROWS) {
      const unsigned count = group_out - channel < ROWS ? group_out - channel : ROWS;
      block (w + half, inputs, y, conv, group * group_out + channel, count, pixel, n);
    }
  }
}

/* Where few blocks share a panel, packing it costs more than it saves: full panels are read from the planes. */
#define FEW_BLOCKS 2

static void
group_part (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, const DicenetPart *part,
            unsigned group, unsigned first, unsigned end, float *scratch)
{
  const unsigned group_in = x->c / conv->groups;
  const size_t inputs = (size_t) group_in * conv->kernel * conv->kernel, panel = inputs * NR;
  const size_t panels = dicenet_conv_dense_scratch (x->c, conv->groups, conv->kernel) / panel;
  const int direct = conv->kernel == 1 && conv->stride == 1 && end - first <= FEW_BLOCKS;
  size_t at = part->first_pixel;

  for (; direct && at + NR <= part->end_pixel; at += NR) {
    const Inputs in = { x->base + at, x->planes + group * group_in, inputs };
    panel_blocks (&in, y, conv, group, first, end, at, NR);
  }
  for (; at < part->end_pixel; at += panels * NR) {
    const size_t stop = part->end_pixel - at < panels * NR ? part->end_pixel : at + panels * NR;
    for (size_t p = at; p < stop; p += NR)
      pack (x, y, conv, group * group_in, p, stop - p < NR ? stop - p : NR, scratch + (p - at) / NR * panel);
    for (unsigned b = first; b < end; b++) { /* a block's weights stay in the cache for all panels */
      for (size_t p = at; p < stop; p += NR) {
        const Inputs in = { scratch + (p - at) / NR * panel, NULL, inputs };
        panel_blocks (&in, y, conv, group, b, b + 1, p, stop - p < NR ? stop - p : NR);
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
