/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "activate.h"
#include "simd.h"

/* Dense convolutions as matrix products: output channels x inputs times inputs x pixels, where an input is one tap of
 * one channel. Whoever calls the inner loops lays inputs out such that input k of neighbouring pixels is one load. */

/* The inner loops hold so many channels times registers of pixels. 24 sums, three inputs and a weight fit 32 registers,
 * twelve sums fit 16. */
#if VL == 16 || defined(__aarch64__)
#define ROWS DICENET_BLOCK
#else
#define ROWS (DICENET_BLOCK / 2)
#endif
#define WIDE 3
#define NR   (WIDE * VL)

/* Eight channels of one pixel. */
typedef float Block __attribute__ ((vector_size (DICENET_BLOCK * 4), may_alias, aligned (4)));

/* A few pixels at the end would waste most of a register: so many are better done with a register of channels each,
 * as eight sums that do not wait for each other. Each number is summed up in the same order either way. */
#if VL == 16
#define TAIL 8
#else
#define TAIL 0
#endif

/* Weights are read once per frame and come from afar: so many floats before they are wanted, they are asked for. */
#define AHEAD 1024

/* What the inner loops read: input k of pixel p at x[offsets[k] + p], or, packed, at x[k * stride + p]. */
typedef struct {
  const float *x;
  const size_t *offsets;
  size_t n, stride;
} Inputs;

/* sums[r][p] = sum over k of w[k][r] * x[k][p]. Sums go through memory once per block, which costs nothing beside n
 * steps; kept in registers across the epilogue, the compiler spills them within the loop. */
INLINE void
multiply (const float *restrict w, const Inputs *inputs, float *restrict sums, const int rows, const int wide,
          const int packed)
{
  const float *restrict x = inputs->x;
  const size_t n = inputs->n;
  vf acc[ROWS * WIDE];

  UNROLL
  for (int i = 0; i < rows * wide; i++)
    acc[i] = all (0);
  for (size_t k = 0; k < n; k++, w += DICENET_BLOCK) {
    const float *at = packed ? x : x + inputs->offsets[k];
    __builtin_prefetch (w + AHEAD, 0, 2);
    vf in[WIDE];
    UNROLL
    for (int v = 0; v < wide; v++)
      in[v] = load (at + v * VL);
    UNROLL
    for (int r = 0; r < rows; r++) {
      const vf weight = all (w[r]);
      UNROLL
      for (int v = 0; v < wide; v++)
        acc[r * wide + v] += weight * in[v];
    }
    if (packed)
      x += inputs->stride;
  }
  UNROLL
  for (int r = 0; r < rows; r++)
    UNROLL
  for (int v = 0; v < wide; v++)
    store (sums + r * NR + v * VL, acc[r * wide + v]);
}

/* Apart, so that each has the registers for itself. */
#define MULTIPLY(rows, wide, packed)                                                                                   \
  static void __attribute__ ((noinline))                                                                               \
  multiply_##rows##_##wide##_##packed (const float *w, const Inputs *inputs, float *sums)                              \
  {                                                                                                                    \
    multiply (w, inputs, sums, rows, wide, packed);                                                                    \
  }
#define MULTIPLIES(rows)                                                                                               \
  MULTIPLY (rows, 1, 0)                                                                                                \
  MULTIPLY (rows, 2, 0) MULTIPLY (rows, 3, 0) MULTIPLY (rows, 1, 1) MULTIPLY (rows, 2, 1) MULTIPLY (rows, 3, 1)
typedef void (*Multiply) (const float *w, const Inputs *inputs, float *sums);

MULTIPLIES (4)
static const Multiply multiply_half[2][WIDE] = {
  { multiply_4_1_0, multiply_4_2_0, multiply_4_3_0 },
  { multiply_4_1_1, multiply_4_2_1, multiply_4_3_1 },
};
#if ROWS == DICENET_BLOCK
MULTIPLIES (8)
static const Multiply multiply_whole[2][WIDE] = {
  { multiply_8_1_0, multiply_8_2_0, multiply_8_3_0 },
  { multiply_8_1_1, multiply_8_2_1, multiply_8_3_1 },
};
#endif

/* Registers of pixels, of the block's first @count channels. */
static void
multiply_block (const float *w, const Inputs *inputs, unsigned count, unsigned wide, float *sums)
{
  const int packed = inputs->offsets == NULL;

#if ROWS == DICENET_BLOCK
  if (count > DICENET_BLOCK / 2) {
    multiply_whole[packed][wide - 1](w, inputs, sums);
    return;
  }
#endif
  multiply_half[packed][wide - 1](w, inputs, sums);
  if (count > DICENET_BLOCK / 2)
    multiply_half[packed][wide - 1](w + DICENET_BLOCK / 2, inputs, sums + DICENET_BLOCK / 2 * NR);
}

#if TAIL
/* Some pixels, packed, of some blocks, so many together that the chains of sums don't wait for themselves. */
INLINE void
multiply_tail (const float *restrict w, size_t block_floats, const Inputs *inputs, float *restrict sums,
               const int blocks, const int pixels)
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

/* n sums of a channel: bias, activation, and out. */
static inline void
finish (const float *sums, const DicenetConv *conv, unsigned channel, float *out, size_t n)
{
  const Epilogue e = epilogue (conv, channel);

  if (n == NR) { /* nearly always */
    UNROLL
    for (int v = 0; v < WIDE; v++)
      store (out + v * VL, activate (load (sums + v * VL), &e));
    return;
  }
  for (size_t at = 0; at < n; at += VL) {
    const vf value = activate (load (sums + at), &e);
    if (at + VL <= n)
      store (out + at, value);
    else
      store_first (out + at, value, n - at);
  }
}

/* Pixels side by side that are computed together: some registers, or, where @wide is 0, a tail. */
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

/* The first sums of each of a block's channels, @stride apart. */
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

/* All of a block's channels of a panel. */
static void
block (const DicenetPlanes *y, const DicenetConv *conv, unsigned group, unsigned b, const Panel *panel)
{
  float sums[DICENET_BLOCK * NR] __attribute__ ((aligned (64)));

  multiply_block (block_weights (y, conv, group, b, panel->inputs.n), &panel->inputs,
                  block_channels (y->c / conv->groups, b), panel->wide, sums);
  finish_block (y, conv, group, b, panel, sums, NR);
}

#if TAIL
/* The tail of blocks [b, end): as many at a time as there is one chain of sums for each of their pixels. */
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
    if (end - b < n) { /* the last ones one by one */
      n = 1;
      multiply_tail (w, block_floats, &panel->inputs, sums, 1, TAIL);
    } else if (pixels == 1)
      multiply_tail (w, block_floats, &panel->inputs, sums, TAIL, 1);
    else if (pixels == 2)
      multiply_tail (w, block_floats, &panel->inputs, sums, TAIL / 2, 2);
    else if (pixels == 4)
      multiply_tail (w, block_floats, &panel->inputs, sums, TAIL / 4, 4);
    else
      multiply_tail (w, block_floats, &panel->inputs, sums, 1, TAIL);
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

/* How many of the next @left pixels one panel takes, and how. */
static void
size_panel (Panel *panel, size_t left)
{
  const size_t full = left / VL, rest = left % VL;

  if (left >= NR)
    *panel = (Panel){ .n = NR, .wide = WIDE };
  else if (full > 0 && rest > 0 && rest <= TAIL)
    *panel = (Panel){ .n = full * VL, .wide = (unsigned) full };
  else if (rest > 0 && rest <= TAIL)
    *panel = (Panel){ .n = rest };
  else
    *panel = (Panel){ .n = left, .wide = (unsigned) (full + (rest > 0)) };
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

/* Panels that are packed at a time: as much as the scratch holds, which stays in the second-level cache. */
#define MAX_PANELS 32

/* Where few blocks share a panel, packing it costs more than it saves: full panels are read from the planes. */
#define FEW_BLOCKS 2

static void
group_part (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, const DicenetPart *part,
            unsigned group, unsigned first, unsigned end, float *scratch)
{
  const size_t inputs = x->c / conv->groups, panel_floats = inputs * NR;
  const float *scratch_end = scratch + dicenet_conv_pointwise_scratch (x->c, conv->groups);
  const size_t *planes = x->planes + group * inputs;
  size_t at = part->first_pixel;

  for (; end - first <= FEW_BLOCKS && at + NR <= part->end_pixel; at += NR) {
    const Panel panel = { { x->base + at, planes, inputs, 0 }, at, NR, WIDE };
    for (unsigned b = first; b < end; b++)
      block (y, conv, group, b, &panel);
  }
  while (at < part->end_pixel) {
    Panel panels[MAX_PANELS];
    unsigned n = 0;
    for (float *to = scratch; n < MAX_PANELS && at < part->end_pixel && (size_t) (scratch_end - to) >= panel_floats;
         n++) {
      size_panel (&panels[n], part->end_pixel - at);
      panels[n].pixel = at;
      panels[n].inputs.n = inputs;
      to = pack_panel (x, group * (unsigned) inputs, &panels[n], to);
      at += panels[n].n;
    }
    const unsigned whole = panels[n - 1].wide > 0 ? n : n - 1;
    for (unsigned b = first; b < end; b++) /* a block's weights stay in the cache for all panels */
      for (unsigned i = 0; i < whole; i++)
        block (y, conv, group, b, &panels[i]);
    if (whole < n)
      tail_blocks (y, conv, group, first, end, &panels[whole]);
  }
}

void
KERNEL (conv_pointwise) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,
                         const DicenetPart *part, float *scratch)
{
  const unsigned blocks = dicenet_conv_blocks (y->c, conv->groups);

  for (unsigned b = part->first_block; b < part->end_block;) {
    const unsigned group = b / blocks, first = b % blocks;
    const unsigned end = part->end_block - b < blocks - first ? first + part->end_block - b : blocks;
    group_part (x, y, conv, part, group, first, end, scratch);
    b += end - first;
  }
}

/* --- 3 x 3 --- */

/* A band of a group's input rows between zeros, in which every tap is a load at an offset of its own: nothing is
 * packed. With stride 2, even and odd columns stand apart, so that neighbouring outputs read neighbours there, too. */
typedef struct {
  float *rows;
  size_t row_floats, channel_floats;
  unsigned n_rows; /* of input */
  unsigned step;   /* the stride */
} Band;

/* The columns of a row of which every second is taken: even ones from out, odd ones from out + half. */
static void
split_row (const float *restrict in, size_t w, float *restrict out, size_t half)
{
  size_t i = 0;

  for (; 2 * i + 2 * VL + 1 <= w; i += VL) { /* the odd ones read one further */
    store (out + i, load_even (in + 2 * i));
    store (out + half + i, load_even (in + 2 * i + 1));
  }
  for (; 2 * i < w; i++) {
    out[i] = in[2 * i];
    if (2 * i + 1 < w)
      out[half + i] = in[2 * i + 1];
  }
}

/* Input rows from @first, which may be -1, of all the group's channels. */
static void
enter_band (const DicenetPlanes *x, unsigned first_channel, unsigned channels, long first, const Band *band)
{
  for (unsigned c = 0; c < channels; c++) {
    for (unsigned r = 0; r < band->n_rows; r++) {
      const long row = first + (long) r;
      float *to = band->rows + c * band->channel_floats + r * band->row_floats + DICENET_PAD;
      const float *plane = dicenet_plane (x, first_channel + c);
      if (row < 0 || row >= (long) x->h)
        continue; /* the band was zeroed */
      if (band->step == 1)
        copy_row (to, plane + row * (long) x->w, x->w);
      else
        split_row (plane + row * (long) x->w, x->w, to, band->row_floats / 2);
    }
  }
}

static void
find_offsets (const Band *band, unsigned channels, size_t *offsets)
{
  const size_t odd = band->row_floats / 2;
  const size_t columns[2][3] = { { DICENET_PAD - 1, DICENET_PAD, DICENET_PAD + 1 },
                                 { odd + DICENET_PAD - 1, DICENET_PAD, odd + DICENET_PAD } };

  for (unsigned c = 0; c < channels; c++)
    for (unsigned a = 0; a < 3; a++)
      for (unsigned b = 0; b < 3; b++)
        *offsets++ = c * band->channel_floats + a * band->row_floats + columns[band->step - 1][b];
}

/* Row i of the output, all channels of a group. */
static void
full_row (const DicenetPlanes *y, const DicenetConv *conv, unsigned group, unsigned i, const float *rows,
          const size_t *offsets, size_t n)
{
  const unsigned blocks = dicenet_conv_blocks (y->c, conv->groups);

  for (size_t j = 0; j < y->w;) {
    const size_t left = y->w - j, full = left < NR ? left : NR;
    const Panel panel = { { rows + j, offsets, n, 0 }, (size_t) i * y->w + j, full, (unsigned) ((full + VL - 1) / VL) };
    for (unsigned b = 0; b < blocks; b++)
      block (y, conv, group, b, &panel);
    j += full;
  }
}

void
KERNEL (conv_full) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
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

/* Several chains of sums are under way at a time, because each would wait for itself. */
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
