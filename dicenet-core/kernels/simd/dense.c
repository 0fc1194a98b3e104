/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "band.h"
#include "gemm.h"
#include "simd.h"

/* Dense convolutions as matrix products, in which each input is one tap of one channel. */

/* Eight channels of one pixel. */
typedef float Block __attribute__ ((vector_size (DICENET_BLOCK * 4), may_alias, aligned (4)));

/* A few pixels at the end would leave most of a register unused. Up to MAX_TAIL of them are computed with a register of
 * channels for each pixel instead, in TAIL independent sums. The order of summation of each output is the same. */
#if VL >= 8
#define TAIL     8
#define MAX_TAIL (VL / 2)
#else
#define TAIL     0
#define MAX_TAIL 0
#endif

#if TAIL
/* Some packed pixels of some blocks. There are enough of them to hide the latency of the additions. */
INLINE void
gemm_tail (const float *restrict w, size_t block_floats, const Inputs *inputs, float *restrict sums, const int blocks,
           const int pixels)
{
  const float *restrict x = inputs->x;
  Block acc[TAIL] = { { 0 } };

  for (size_t k = 0; k < inputs->n; k++, w += DICENET_BLOCK, x += TAIL)
    UNROLL
  for (int b = 0; b < blocks; b++) {
    const Block weight = *(const Block *) (w + (size_t) b * block_floats);
    UNROLL
    for (int p = 0; p < pixels; p++)
      acc[b * pixels + p] += weight * x[p];
  }
  for (int b = 0; b < blocks; b++)
    for (int p = 0; p < pixels; p++)
      for (int r = 0; r < DICENET_BLOCK; r++)
        sums[(b * DICENET_BLOCK + r) * TAIL + p] = acc[b * pixels + p][r];
}
#endif

/* Neighbouring pixels that are computed together: some registers, or a tail if @wide is 0. */
typedef struct {
  Inputs inputs;
  size_t pixel, n;
  unsigned wide;
} Panel;

static unsigned
block_channels (unsigned group_out, unsigned b)
{
  const unsigned left = group_out - b * DICENET_BLOCK;
  return left < DICENET_BLOCK ? left : DICENET_BLOCK;
}

static const float *
block_weights (const DicenetPlanes *y, const DicenetConv *conv, unsigned group, unsigned b, size_t inputs)
{
  const unsigned blocks = dicenet_conv_blocks (y->c, conv->groups);
  return conv->weight + ((size_t) group * blocks + b) * inputs * DICENET_BLOCK;
}

/* Stores the first panel->n sums of each of a block's channels; channels are @stride apart. */
static void
finish_block (const DicenetPlanes *y, const DicenetConv *conv, unsigned group, unsigned b, const Panel *panel,
              const float *sums, size_t stride)
{
  const unsigned group_out = y->c / conv->groups, count = block_channels (group_out, b);

  for (unsigned r = 0; r < count; r++) {
    const unsigned channel = group * group_out + b * DICENET_BLOCK + r;
    finish (sums + r * stride, conv, channel, dicenet_plane (y, channel) + panel->pixel, panel->n);
  }
}

/* Channels of a block whose epilogue is applied in registers; those after the last one go to @unused. */
static void
find_finishes (const DicenetPlanes *y, const DicenetConv *conv, unsigned first, unsigned count, size_t pixel,
               float *unused, Finish out[DICENET_BLOCK])
{
  for (unsigned r = 0; r < count; r++)
    out[r] = (Finish){ dicenet_plane (y, first + r) + pixel, conv->bias ? conv->bias[first + r] : 0,
                       slope_of (conv, first + r) };
  for (unsigned r = count; r < DICENET_BLOCK; r++)
    out[r] = (Finish){ unused, 0, 1 };
}

/* Computes all of a block's channels for a panel. */
static void
block (const DicenetPlanes *y, const DicenetConv *conv, unsigned group, unsigned b, const Panel *panel)
{
  const unsigned group_out = y->c / conv->groups, count = block_channels (group_out, b);
  const float *w = block_weights (y, conv, group, b, panel->inputs.n);
  float sums[DICENET_BLOCK * NR] __attribute__ ((aligned (64)));

  if (panel->n == panel->wide * (size_t) VL && !conv->gate && conv->activation != DICENET_ACTIVATION_SIGMOID) {
    Finish out[DICENET_BLOCK];
    find_finishes (y, conv, group * group_out + b * DICENET_BLOCK, count, panel->pixel, sums, out);
    gemm_block (w, &panel->inputs, count, panel->wide, out, sums);
    return;
  }
  gemm_block (w, &panel->inputs, count, panel->wide, NULL, sums);
  finish_block (y, conv, group, b, panel, sums, NR);
}

#if TAIL
/* Computes the tail of blocks [b, end), as many blocks at a time as give eight sums. */
static void
tail_blocks (const DicenetPlanes *y, const DicenetConv *conv, unsigned group, unsigned b, unsigned end,
             const Panel *panel)
{
  const unsigned pixels = panel->n > 4 ? 8 : panel->n > 2 ? 4 : panel->n > 1 ? 2 : 1;
  const size_t block_floats = panel->inputs.n * DICENET_BLOCK;
  float sums[TAIL * DICENET_BLOCK * TAIL + VL] = { 0 };

  while (b < end) {
    const float *w = block_weights (y, conv, group, b, panel->inputs.n);
    unsigned n = 8 / pixels;
    if (end - b < n) { /* the last blocks one at a time */
      n = 1;
      gemm_tail (w, block_floats, &panel->inputs, sums, 1, TAIL);
    } else if (pixels == 1)
      gemm_tail (w, block_floats, &panel->inputs, sums, TAIL, 1);
    else if (pixels == 2)
      gemm_tail (w, block_floats, &panel->inputs, sums, TAIL / 2, 2);
    else if (pixels == 4)
      gemm_tail (w, block_floats, &panel->inputs, sums, TAIL / 4, 4);
    else
      gemm_tail (w, block_floats, &panel->inputs, sums, 1, TAIL);
    for (unsigned i = 0; i < n; i++, b++)
      finish_block (y, conv, group, b, panel, sums + i * DICENET_BLOCK * TAIL, TAIL);
  }
}
#else
static void
tail_blocks (const DicenetPlanes *y, const DicenetConv *conv, unsigned group, unsigned b, unsigned end,
             const Panel *panel)
{
  (void) y, (void) conv, (void) group, (void) b, (void) end, (void) panel;
}
#endif

/* How many of the next @n registers a panel takes: two of the last four, as a panel of one would wait for its
 * weights. */
static unsigned
next_registers (size_t n)
{
  return n == WIDE + 1 ? 2 : n < WIDE ? (unsigned) n : WIDE;
}

/* Sets how many of the next @left pixels a panel takes, and how they are computed. */
static void
size_panel (Panel *panel, size_t left)
{
  const unsigned wide = next_registers (left / VL + (left % VL > MAX_TAIL));
  const size_t n = wide * (size_t) VL;

  *panel = (Panel){ .n = wide > 0 && n < left ? n : left, .wide = wide };
}

/* --- 1 x 1 --- */

static float *
pack_panel (const DicenetPlanes *x, unsigned first_channel, Panel *panel, float *out)
{
  const size_t width = panel->wide > 0 ? panel->wide * (size_t) VL : TAIL, whole = panel->n / VL * VL;

  panel->inputs.x = out;
  panel->inputs.stride = width;
  for (size_t k = 0; k < panel->inputs.n; k++, out += width) {
    const float *in = dicenet_plane (x, first_channel + (unsigned) k) + panel->pixel;
    size_t i = 0;
    for (; i < whole; i += VL)
      store (out + i, load (in + i));
    if (panel->wide > 0 && i < panel->n)
      store (out + i, load_first (in + i, panel->n - i));
    else
      for (; i < width; i++)
        out[i] = i < panel->n ? in[i] : 0;
  }
  return out;
}

/* Maximum number of panels that are packed at a time. The scratch, which fits the second-level cache, may hold
 * fewer. */
#define MAX_PANELS 32

/* With so few blocks per panel, packing costs more than it saves: full panels are read directly from the planes. */
#define FEW_BLOCKS 2

static void
group_tile (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, const DicenetTile *tile,
            unsigned group, unsigned first, unsigned end, float *scratch)
{
  const size_t inputs = x->c / conv->groups, panel_floats = inputs * NR;
  const float *scratch_end = scratch + dicenet_conv_pointwise_scratch (x->c, conv->groups);
  const size_t *planes = x->planes + group * inputs;
  size_t at = tile->first_pixel;

  for (; end - first <= FEW_BLOCKS && at + NR <= tile->end_pixel; at += NR) {
    const Panel panel = { { x->base + at, planes, inputs, 0 }, at, NR, WIDE };
    for (unsigned b = first; b < end; b++)
      block (y, conv, group, b, &panel);
  }
  while (at < tile->end_pixel) {
    Panel panels[MAX_PANELS];
    unsigned n = 0;
    for (float *to = scratch; n < MAX_PANELS && at < tile->end_pixel && (size_t) (scratch_end - to) >= panel_floats;
         n++) {
      size_panel (&panels[n], tile->end_pixel - at);
      panels[n].pixel = at;
      panels[n].inputs.n = inputs;
      to = pack_panel (x, group * (unsigned) inputs, &panels[n], to);
      at += panels[n].n;
    }
    const unsigned whole = panels[n - 1].wide > 0 ? n : n - 1;
    for (unsigned b = first; b < end; b++) /* the weights stay in the cache for all panels */
      for (unsigned i = 0; i < whole; i++)
        block (y, conv, group, b, &panels[i]);
    if (whole < n)
      tail_blocks (y, conv, group, first, end, &panels[whole]);
  }
}

void
KERNEL (conv_pointwise) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,
                         const DicenetTile *tile, float *scratch)
{
  const unsigned blocks = dicenet_conv_blocks (y->c, conv->groups);

  for (unsigned b = tile->first_block; b < tile->end_block;) {
    const unsigned group = b / blocks, first = b % blocks;
    const unsigned end = tile->end_block - b < blocks - first ? first + tile->end_block - b : blocks;
    group_tile (x, y, conv, tile, group, first, end, scratch);
    b += end - first;
  }
}

/* --- 3 x 3 --- */

/* Computes row i of the output, all channels of a group. */
static void
full_row (const DicenetPlanes *y, const DicenetConv *conv, unsigned group, unsigned i, const float *rows,
          const size_t *offsets, size_t n)
{
  const unsigned blocks = dicenet_conv_blocks (y->c, conv->groups);

  for (size_t j = 0; j < y->w;) {
    const unsigned wide = next_registers ((y->w - j + VL - 1) / VL);
    const size_t full = wide * (size_t) VL, left = y->w - j;
    const Panel panel = { { rows + j, offsets, n, 0 }, (size_t) i * y->w + j, left < full ? left : full, wide };
    for (unsigned b = 0; b < blocks; b++)
      block (y, conv, group, b, &panel);
    j += panel.n;
  }
}

void
KERNEL (conv_dense3x3) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                        unsigned end, float *scratch)
{
  const unsigned channels = x->c / conv->groups, step = conv->stride, height = dicenet_band_rows (channels, y->w, step);
  const size_t n = 9 * (size_t) channels, row_floats = dicenet_band_row (y->w, step);
  size_t *offsets = (size_t *) scratch;
  Band band = { scratch + n * sizeof *offsets / sizeof *scratch, row_floats, 0, 0, step };

  for (unsigned group = 0; group < conv->groups; group++) {
    for (unsigned i = begin; i < end; i += height) {
      const unsigned stop = end - i < height ? end : i + height;
      band.n_rows = (stop - i - 1) * step + 3;
      band.channel_floats = band.n_rows * row_floats;
      memset (band.rows, 0, (channels * band.channel_floats + NR) * sizeof *band.rows);
      find_offsets (&band, channels, offsets);
      enter_band (x, group * channels, channels, (long) i * step - 1, &band);
      for (unsigned row = i; row < stop; row++)
        full_row (y, conv, group, row, band.rows + (row - i) * step * row_floats, offsets, n);
    }
  }
}

/* --- on one pixel --- */

/* Number of independent sums, which hides the latency of the additions. */
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
KERNEL (gemv) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin, unsigned end,
               float *scratch)
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
