/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "activate.h"
#include "band.h"

/* Dense convolutions as matrix products of units: 32 bits that hold the same tap of some neighbouring channels, rounded
 * to bfloat16 or int8. bf16.h and int8.h describe them and the layout of weights.
 *
 * Both operands are stored alike: strips of pixels, [unit of inputs][part][STRIP], and blocks of output channels, [unit
 * of inputs][16]. A tile multiplies a few elements of one operand, broadcast, with some registers of the other.
 * Registers hold pixels while channels are broadcast, which needs no transposition of the result. With wide registers
 * it is the other way round for the last few pixels of a map, which would leave most of a register unused: 7 x 7 is 48
 * and one. Both sum in the same order, so the results are identical.
 *
 * A source defines, before it includes this:
 *   PER_UNIT    channels of a unit
 *   PARTS       registers that a register of units of pixels takes, because the instructions need them prepared so
 *   ROWS, WIDE  the tile: ROWS * WIDE sums, WIDE * PARTS registers of pixels and what add_products() needs should fit
 *               the registers
 *   ZERO_ADDS   whether products with weights of zero are not zero
 *   Sum         a register of sums: vf or vi
 *   Rounding    how inputs are rounded
 */

#define STRIP VL
#define BLOCK 16

typedef uint32_t vu __attribute__ ((vector_size (VL * 4), may_alias)); /* wraps around */

typedef uint32_t Unit __attribute__ ((may_alias));

/* The units of a register of pixels. */
typedef struct {
  vi part[PARTS];
} Inputs;

/* The channels of one group that a call computes, and their weights. */
typedef struct {
  const DicenetPlanes *y;
  const DicenetConv *conv;
  const Unit *weight; /* of the group */
  size_t units;
  unsigned index, first_channel, n_channels; /* of the group */
} Group;

/* Epilogues of a block of channels: what sums begin with, as the bits of a lane, and what follows. */
typedef struct {
  Unit start[BLOCK];
  float scale[BLOCK], bias[BLOCK], slope[BLOCK];
} Ends;

/* And it defines these functions:
 * the weights of all groups, @cout output channels; */
static const Unit *weights_of (const DicenetConv *conv, unsigned cout);

INLINE Rounding rounding (const DicenetConv *conv);

/* units of PER_UNIT registers of pixels, one for each channel; */
INLINE Inputs unite (const vf *channels, const Rounding *rounding);

/* adds the products of a unit of inputs and one of weights, lane by lane; */
INLINE Sum add_products (Sum sum, Inputs inputs, vi weights);

/* sets @start and @scale for the block that begins with @channel, an index in the group; @bias is set; */
INLINE void begin_sums (const Group *g, unsigned channel, Ends *ends);

/* the value of a sum, before the activation. */
INLINE vf end_sum (Sum sum, vf scale, vf bias);

INLINE vi
all_units (Unit x)
{
  return (vi){ 0 } + (int32_t) x;
}

INLINE vi
load_units (const Unit *p)
{
  vi x;
  memcpy (&x, p, sizeof x);
  return x;
}

INLINE void
store_units (Unit *p, vi x)
{
  memcpy (p, &x, sizeof x);
}

/* Parts are @part units apart. */
INLINE Inputs
load_inputs (const Unit *p, size_t part)
{
  Inputs in;

  UNROLL
  for (int i = 0; i < PARTS; i++)
    in.part[i] = load_units (p + (size_t) i * part);
  return in;
}

INLINE void
store_inputs (Unit *p, size_t part, Inputs in)
{
  UNROLL
  for (int i = 0; i < PARTS; i++)
    store_units (p + (size_t) i * part, in.part[i]);
}

/* --- products --- */

/* Prefetch distance of weights in units. A network's weights do not fit the second-level cache, and the hardware
 * prefetcher stops at page boundaries of 4 KiB, which are 64 units. */
#define AHEAD 32

/* Neighbouring pixels: unit k of strip v is at first[v * strip + k * PARTS * STRIP] or, with @offsets, at first[v *
 * STRIP + offsets[k]]; its parts are @part units apart. */
typedef struct {
  const Unit *first;
  const size_t *offsets;
  size_t strip, part, units;
} Pixels;

/* sums[r][v] += products of weight[k * step + r] and the pixels of strip v, over units k. */
INLINE void
multiply_pixels (const Unit *restrict weight, const size_t step, const Pixels *x, const int rows, const int wide,
                 const int packed, Sum *sums)
{
  const Unit *restrict first = x->first;
  const size_t *offsets = x->offsets, strip = packed ? x->strip : STRIP, part = packed ? STRIP : x->part,
               units = x->units;

  for (size_t k = 0; k < units; k++, weight += step) {
    const Unit *at = packed ? first + k * (PARTS * STRIP) : first + offsets[k];
    Inputs in[WIDE];

    __builtin_prefetch (weight + AHEAD * step, 0, 3);
    UNROLL
    for (int v = 0; v < wide; v++)
      in[v] = load_inputs (at + (size_t) v * strip, part);
    UNROLL
    for (int r = 0; r < rows; r++) {
      const vi one = all_units (weight[r]);
      UNROLL
      for (int v = 0; v < wide; v++)
        sums[r * wide + v] = add_products (sums[r * wide + v], in[v], one);
    }
  }
}

/* What weights of zero add up to: sums begin without it. */
INLINE void
excess_of_pixels (const Pixels *x, const int wide, const int packed, Sum *excess)
{
  static const Unit zero;

  UNROLL
  for (int v = 0; v < wide; v++)
    excess[v] = (Sum){ 0 };
  if (ZERO_ADDS)
    multiply_pixels (&zero, 0, x, 1, wide, packed, excess);
}

INLINE Sum
begin_sum (vi start, Sum excess)
{
  if (ZERO_ADDS)
    return (Sum) start - excess;
  return (Sum) start;
}

/* --- packing pixels --- */

/* Packs some channels of @n pixels from @at on; channels that don't exist are zeros. */
INLINE Inputs
pack_strip (const float *const *channels, unsigned count, size_t at, size_t n, const Rounding *how)
{
  vf in[PER_UNIT];

  UNROLL
  for (unsigned k = 0; k < PER_UNIT; k++)
    in[k] = k < count ? load_part (channels[k] + at, n) : all (0);
  return unite (in, how);
}

/* Packs one unit of @n pixels; strips are @strip units apart. */
INLINE void
pack_unit (const float *const *channels, unsigned count, size_t n, Unit *out, size_t strip, size_t part,
           const Rounding *how)
{
  for (size_t i = 0; i < n; i += STRIP, out += strip)
    store_inputs (out, part, pack_strip (channels, count, i, n - i, how));
}

/* The channels of a unit, of which the group may have fewer. Returns how many it has. */
INLINE unsigned
unit_channels (const DicenetPlanes *x, unsigned first_channel, unsigned channels, unsigned c, size_t at,
               const float *out[PER_UNIT])
{
  const unsigned count = channels - c < PER_UNIT ? channels - c : PER_UNIT;

  for (unsigned k = 0; k < count; k++)
    out[k] = dicenet_plane (x, first_channel + c + k) + at;
  return count;
}

/* Packs the pixels of @channels channels as strips. */
static void
pack (const DicenetPlanes *x, unsigned first_channel, unsigned channels, size_t pixel, size_t n, Unit *out,
      size_t strip, const DicenetConv *conv)
{
  const Rounding how = rounding (conv);

  for (unsigned c = 0; c < channels; c += PER_UNIT, out += PARTS * STRIP) {
    const float *in[PER_UNIT] = { NULL };
    const unsigned count = unit_channels (x, first_channel, channels, c, pixel, in);
    if (count == PER_UNIT)
      pack_unit (in, PER_UNIT, n, out, strip, STRIP, &how);
    else
      pack_unit (in, count, n, out, strip, STRIP, &how);
  }
}

/* --- a group's channels --- */

static size_t
group_units (unsigned channels, unsigned kernel)
{
  return ((size_t) channels + PER_UNIT - 1) / PER_UNIT * kernel * kernel;
}

static unsigned
group_blocks (unsigned channels)
{
  return (channels + BLOCK - 1) / BLOCK;
}

static Group
find_group (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned index)
{
  const unsigned channels = y->c / conv->groups;
  const size_t units = group_units (x->c / conv->groups, conv->kernel);

  return (Group){ y,       conv,  weights_of (conv, y->c) + (size_t) index * group_blocks (channels) * BLOCK * units,
                  units,   index, index * channels,
                  channels };
}

static unsigned
block_channels (const Group *g, unsigned block)
{
  const unsigned left = g->n_channels - block * BLOCK;
  return left < BLOCK ? left : BLOCK;
}

INLINE void
find_ends (const Group *g, unsigned block, Ends *ends)
{
  const DicenetConv *conv = g->conv;
  const unsigned channel = block * BLOCK, count = block_channels (g, block);

  UNROLL
  for (unsigned i = 0; i < BLOCK; i += VL) {
    const size_t left = count > i ? count - i : 0;
    const unsigned at = g->first_channel + channel + i;
    store (ends->bias + i, conv->bias ? load_part (conv->bias + at, left) : all (0));
    store (ends->slope + i, conv->activation == DICENET_ACTIVATION_PRELU ? load_part (conv->slope + at, left)
                                                                         : all (slope_of (conv, 0)));
  }
  begin_sums (g, channel, ends);
}

/* PReLU covers all activations except the sigmoid, which is rare, as is the gate: they are applied in memory
 * afterwards. */
static void
finish_rarities (const Group *g, unsigned first, unsigned end, size_t pixel, size_t n)
{
  const int is_sigmoid = g->conv->activation == DICENET_ACTIVATION_SIGMOID;

  for (unsigned c = first; (is_sigmoid || g->conv->gate) && c < end; c++) {
    const float gate = gate_of (g->conv, g->first_channel + c);
    float *out = dicenet_plane (g->y, g->first_channel + c) + pixel;
    for (size_t i = 0; i < n; i++)
      out[i] = (is_sigmoid ? sigmoid (out[i]) : out[i]) * gate;
  }
}

/* --- pixels in registers --- */

INLINE vf
finished (Sum sum, const Ends *ends, unsigned i)
{
  return prelu (end_sum (sum, all (ends->scale[i]), all (ends->bias[i])), all (ends->slope[i]));
}

/* Up to @rows channels of a block from its channel @row on; the @n pixels from @pixel on. */
INLINE void
tile_along_pixels (const Group *g, unsigned block, unsigned row, const Ends *ends, const Pixels *x, const Sum *excess,
                   size_t pixel, size_t n, const int rows, const int wide, const int packed)
{
  const unsigned first = g->first_channel + block * BLOCK + row, count = block_channels (g, block) - row;
  Sum sums[ROWS * WIDE];

  UNROLL
  for (int r = 0; r < rows; r++)
    UNROLL
  for (int v = 0; v < wide; v++)
    sums[r * wide + v] = begin_sum (all_units (ends->start[row + (unsigned) r]), excess[v]);
  multiply_pixels (g->weight + block * g->units * BLOCK + row, BLOCK, x, rows, wide, packed, sums);
  UNROLL
  for (int r = 0; r < rows; r++) {
    if ((unsigned) r < count) {
      float *out = dicenet_plane (g->y, first + (unsigned) r) + pixel;
      UNROLL
      for (int v = 0; v < wide - 1; v++)
        store (out + v * STRIP, finished (sums[r * wide + v], ends, row + (unsigned) r));
      store_part (out + (wide - 1) * STRIP, finished (sums[r * wide + wide - 1], ends, row + (unsigned) r),
                  n - (size_t) (wide - 1) * STRIP);
    }
  }
}

INLINE void
strips_along_pixels (const Group *g, unsigned first, unsigned end, const Pixels *x, size_t pixel, size_t n,
                     const int wide, const int packed)
{
  Sum excess[WIDE];

  excess_of_pixels (x, wide, packed, excess);
  for (unsigned b = first; b < end; b++) {
    const unsigned count = block_channels (g, b);
    Ends ends;
    find_ends (g, b, &ends);
    for (unsigned row = 0; row < count; row += ROWS) {
      if (count - row > ROWS / 2)
        tile_along_pixels (g, b, row, &ends, x, excess, pixel, n, ROWS, wide, packed);
      else
        tile_along_pixels (g, b, row, &ends, x, excess, pixel, n, ROWS / 2, wide, packed);
    }
  }
}

/* Blocks [first, end) of a group for @n <= WIDE * STRIP pixels. */
INLINE void
blocks_along_pixels (const Group *g, unsigned first, unsigned end, const Pixels *x, size_t pixel, size_t n,
                     const int packed)
{
#if WIDE == 3
  if (n > 2 * STRIP)
    strips_along_pixels (g, first, end, x, pixel, n, 3, packed);
  else
#endif
      if (n > STRIP)
    strips_along_pixels (g, first, end, x, pixel, n, 2, packed);
  else
    strips_along_pixels (g, first, end, x, pixel, n, 1, packed);
}

/* --- channels in registers --- */

/* At most this many pixels at the end of a map are computed with channels in registers, of which a tile has CHANNELS:
 * several blocks, or one. */
#if VL == 16
#define TAIL     12
#define CHANNELS WIDE
#elif VL == 8
#define TAIL     4
#define CHANNELS (BLOCK / VL)
#else
#define TAIL 0
#endif

#if TAIL
#define TILE_BLOCKS (CHANNELS * VL / BLOCK)

/* sums[r][v] += products of pixel r, packed, and register v of weights, over units k. */
INLINE void
multiply_channels (const Unit *restrict x, const Unit *restrict weight, const size_t step, const size_t stride,
                   size_t units, const int rows, const int wide, Sum *sums)
{
  for (size_t k = 0; k < units; k++, x += PARTS * STRIP, weight += step) {
    vi w[CHANNELS];

    UNROLL
    for (int v = 0; v < wide; v++) {
      __builtin_prefetch (weight + (size_t) v * stride + AHEAD * step, 0, 3);
      w[v] = load_units (weight + (size_t) v * stride);
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
      Inputs one;
      UNROLL
      for (int i = 0; i < PARTS; i++)
        one.part[i] = all_units (x[i * STRIP + r]);
      UNROLL
      for (int v = 0; v < wide; v++)
        sums[r * wide + v] = add_products (sums[r * wide + v], one, w[v]);
    }
  }
}

INLINE void
excess_of_channels (const Unit *x, size_t units, const int rows, Sum *excess)
{
  static const Unit zeros[VL];

  UNROLL
  for (int r = 0; r < rows; r++)
    excess[r] = (Sum){ 0 };
  if (ZERO_ADDS)
    multiply_channels (x, zeros, 0, 0, units, rows, 1, excess);
}

#if VL == 16
INLINE void
store_channel (__m256 x, const Group *g, unsigned channel, unsigned i, unsigned count, size_t pixel, __mmask8 mask)
{
  if (i < count)
    _mm256_mask_storeu_ps (dicenet_plane (g->y, g->first_channel + channel + i) + pixel, mask, x);
}

/* Transposes registers of 16 channels for each of 8 pixels to half registers of 8 pixels for each channel. */
INLINE void
store_transposed (const vf in[ROWS], const Group *g, unsigned channel, unsigned count, size_t pixel, size_t n)
{
  const __mmask8 mask = (__mmask8) ((1u << n) - 1);
  __m512 a[8], b[8];

  UNROLL
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm512_unpacklo_ps ((__m512) in[i], (__m512) in[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps ((__m512) in[i], (__m512) in[i + 1]);
  }
  UNROLL
  for (int i = 0; i < 8; i += 4) {
    for (int k = 0; k < 2; k++) {
      b[i + 2 * k] = (__m512) _mm512_unpacklo_pd ((__m512d) a[i + k], (__m512d) a[i + k + 2]);
      b[i + 2 * k + 1] = (__m512) _mm512_unpackhi_pd ((__m512d) a[i + k], (__m512d) a[i + k + 2]);
    }
  }
  /* Quarter q of b[j] has pixels 0 to 3 of channel 4 q + j, of b[4 + j] pixels 4 to 7. */
  const __m512i low = _mm512_setr_epi64 (0, 1, 8, 9, 2, 3, 10, 11),
                high = _mm512_setr_epi64 (4, 5, 12, 13, 6, 7, 14, 15);
  UNROLL
  for (unsigned j = 0; j < 4; j++) {
    const __m512 l = (__m512) _mm512_permutex2var_pd ((__m512d) b[j], low, (__m512d) b[4 + j]);
    const __m512 h = (__m512) _mm512_permutex2var_pd ((__m512d) b[j], high, (__m512d) b[4 + j]);
    store_channel (_mm512_castps512_ps256 (l), g, channel, j, count, pixel, mask);
    store_channel (_mm512_extractf32x8_ps (l, 1), g, channel, 4 + j, count, pixel, mask);
    store_channel (_mm512_castps512_ps256 (h), g, channel, 8 + j, count, pixel, mask);
    store_channel (_mm512_extractf32x8_ps (h, 1), g, channel, 12 + j, count, pixel, mask);
  }
}
#else
INLINE void
store_transposed (const vf in[ROWS], const Group *g, unsigned channel, unsigned count, size_t pixel, size_t n)
{
  for (unsigned c = 0; c < count && c < VL; c++) {
    float *out = dicenet_plane (g->y, g->first_channel + channel + c) + pixel;
    for (size_t i = 0; i < n; i++)
      out[i] = in[i][c];
  }
}
#endif

/* @wide registers of channels from @block on, @n <= @rows pixels. */
INLINE void
tile_along_channels (const Group *g, unsigned block, const Unit *x, const Sum *excess, size_t pixel, size_t n,
                     const int rows, const int wide)
{
  const size_t stride = VL == BLOCK ? g->units * BLOCK : VL;
  Ends ends[TILE_BLOCKS];
  Sum sums[ROWS * CHANNELS];

  for (int b = 0; b < wide * VL / BLOCK; b++)
    find_ends (g, block + (unsigned) b, &ends[b]);
  UNROLL
  for (int v = 0; v < wide; v++) {
    const vi start = load_units (ends[v * VL / BLOCK].start + v * VL % BLOCK);
    UNROLL
    for (int r = 0; r < rows; r++)
      sums[r * wide + v] = begin_sum (start, excess[r]);
  }
  multiply_channels (x, g->weight + block * g->units * BLOCK, BLOCK, stride, g->units, rows, wide, sums);
  UNROLL
  for (int v = 0; v < wide; v++) {
    const unsigned channel = block * BLOCK + (unsigned) v * VL;
    const Ends *e = &ends[v * VL / BLOCK];
    const int i = v * VL % BLOCK;
    vf values[ROWS] = { { 0 } };
    UNROLL
    for (int r = 0; r < rows; r++)
      values[r] = prelu (end_sum (sums[r * wide + v], load (e->scale + i), load (e->bias + i)), load (e->slope + i));
    if (channel < g->n_channels)
      store_transposed (values, g, channel, g->n_channels - channel, pixel, n);
  }
}

INLINE void
rows_along_channels (const Group *g, unsigned first, unsigned end, const Unit *x, size_t pixel, size_t n,
                     const int rows)
{
  Sum excess[ROWS];

  excess_of_channels (x, g->units, rows, excess);
  for (unsigned b = first; b < end; b += TILE_BLOCKS) {
#if VL == BLOCK
    if (end - b == 1)
      tile_along_channels (g, b, x, excess, pixel, n, rows, 1);
    else if (end - b == 2)
      tile_along_channels (g, b, x, excess, pixel, n, rows, 2);
    else
#endif
      tile_along_channels (g, b, x, excess, pixel, n, rows, CHANNELS);
  }
}

/* Blocks [first, end) of a group for @n <= TAIL pixels. */
static void
blocks_along_channels (const Group *g, unsigned first, unsigned end, const Unit *panel, size_t pixel, size_t n)
{
  for (size_t p = 0; p < n; p += ROWS) {
    const Unit *x = panel + p / STRIP * g->units * (PARTS * STRIP) + p % STRIP;
    const size_t m = n - p < ROWS ? n - p : ROWS;
    if (m > ROWS / 2)
      rows_along_channels (g, first, end, x, pixel + p, m, ROWS);
    else if (m > 1)
      rows_along_channels (g, first, end, x, pixel + p, m, ROWS / 2);
    else
      rows_along_channels (g, first, end, x, pixel + p, m, 1);
  }
}
#else
static void
blocks_along_channels (const Group *g, unsigned first, unsigned end, const Unit *panel, size_t pixel, size_t n)
{
}
#endif

/* --- 1 x 1 --- */

/* How many of the next @left pixels are computed together. */
static size_t
panel_pixels (size_t left)
{
  const size_t rest = left % STRIP;

  if (left >= WIDE * STRIP)
    return WIDE * STRIP;
  return left > STRIP && rest <= TAIL ? left - rest : left;
}

/* Blocks [first, end) of a group. */
static void
group_tile (const Group *g, const DicenetPlanes *x, const DicenetTile *tile, unsigned first, unsigned end, Unit *panel)
{
  const unsigned channels = x->c / g->conv->groups,
                 end_channel = end * BLOCK < g->n_channels ? end * BLOCK : g->n_channels;
  const Pixels packed = { panel, NULL, g->units * (PARTS * STRIP), STRIP, g->units };

  for (size_t p = tile->first_pixel, n; p < tile->end_pixel; p += n) {
    n = panel_pixels (tile->end_pixel - p);
    pack (x, g->index * channels, channels, p, n, panel, packed.strip, g->conv);
    if (n <= TAIL)
      blocks_along_channels (g, first, end, panel, p, n);
    else
      blocks_along_pixels (g, first, end, &packed, p, n, 1);
    finish_rarities (g, first * BLOCK, end_channel, p, n);
  }
}

static void
conv_pointwise (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, const DicenetTile *tile,
                float *scratch)
{
  const unsigned blocks = group_blocks (y->c / conv->groups);

  for (unsigned b = tile->first_block; b < tile->end_block;) {
    const unsigned group = b / blocks, first = b % blocks;
    const unsigned end = tile->end_block - b < blocks - first ? first + tile->end_block - b : blocks;
    const Group g = find_group (x, y, conv, group);
    group_tile (&g, x, tile, first, end, (Unit *) scratch);
    b += end - first;
  }
}

/* --- 3 x 3 --- */

/* Even and odd elements of the first n of 2 * STRIP floats. */
INLINE void
split (const float *in, size_t n, vf *even, vf *odd)
{
  float whole[2 * STRIP];

  if (n < 2 * STRIP) {
    store (whole, load_part (in, n));
    store (whole + STRIP, n > STRIP ? load_part (in + STRIP, n - STRIP) : all (0));
    in = whole;
  }
  *even = load_even (in);
  *odd = load_odd (in);
}

/* Packs a row with stride 2. Whole strips are written, filled up with zeros. */
INLINE void
split_unit (const float *const *channels, unsigned count, size_t w, Unit *out, size_t half, size_t part,
            const Rounding *how)
{
  for (size_t i = 0; i < w; i += 2 * STRIP, out += STRIP) {
    vf even[PER_UNIT], odd[PER_UNIT];
    UNROLL
    for (unsigned k = 0; k < PER_UNIT; k++) {
      even[k] = odd[k] = all (0);
      if (k < count)
        split (channels[k] + i, w - i, &even[k], &odd[k]);
    }
    store_inputs (out, part, unite (even, how));
    store_inputs (out + half, part, unite (odd, how));
  }
}

/* A band's rows are those of all units' first parts, then of their second ones. The last row of each is followed by
 * padding, as the others are. */
static size_t
band_part (const Band *band, unsigned channels)
{
  return group_units (channels, 1) * band->channel_floats + DICENET_PAD;
}

/* Packs one unit of a row. */
INLINE void
enter_unit (const float *const *channels, unsigned count, size_t w, Unit *to, const Band *band, size_t part,
            const Rounding *how)
{
  if (band->step == 1)
    pack_unit (channels, count, w, to, STRIP, part, how);
  else
    split_unit (channels, count, w, to, band->row_floats / 2, part, how);
}

/* Packs input rows from @first, which may be -1, of all the group's channels in units. */
static void
enter_units (const DicenetPlanes *x, unsigned first_channel, unsigned channels, long first, const Band *band,
             const Rounding *how)
{
  const size_t part = band_part (band, channels);

  for (unsigned c = 0; c < channels; c += PER_UNIT) {
    for (unsigned r = 0; r < band->n_rows; r++) {
      const long row = first + (long) r;
      Unit *to = (Unit *) band->rows + c / PER_UNIT * band->channel_floats + r * band->row_floats + DICENET_PAD;
      const float *in[PER_UNIT] = { NULL };
      if (row < 0 || row >= (long) x->h)
        continue; /* already zeroed by the caller */
      const unsigned count = unit_channels (x, first_channel, channels, c, (size_t) row * x->w, in);
      if (count == PER_UNIT)
        enter_unit (in, PER_UNIT, x->w, to, band, part, how);
      else
        enter_unit (in, count, x->w, to, band, part, how);
    }
  }
}

/* Fills a band, and what is loaded beyond its end, with units of zeros. */
static void
clear_band (const Band *band, unsigned channels, const Rounding *how)
{
  const vf zeros[PER_UNIT] = { { 0 } };
  const Inputs in = unite (zeros, how);
  const size_t part = band_part (band, channels);
  Unit *to = (Unit *) band->rows;

  for (int i = 0; i < PARTS; i++, to += part) {
    const Unit unit = (Unit) in.part[i][0];
    for (size_t k = 0; k < part + 2 * DICENET_PAD; k++)
      to[k] = unit;
  }
}

static void
full_row (const Group *g, unsigned i, const Unit *rows, size_t part, const size_t *offsets)
{
  const size_t w = g->y->w, first = i * w;

  for (size_t j = 0; j < w; j += WIDE * STRIP) {
    const Pixels x = { rows + j, offsets, STRIP, part, g->units };
    const size_t n = w - j < WIDE * STRIP ? w - j : WIDE * STRIP;
    blocks_along_pixels (g, 0, group_blocks (g->n_channels), &x, first + j, n, 0);
  }
  finish_rarities (g, 0, g->n_channels, first, w);
}

static void
conv_dense3x3 (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin, unsigned end,
               float *scratch)
{
  const unsigned channels = x->c / conv->groups, units = (unsigned) group_units (channels, 1);
  const unsigned step = conv->stride, height = dicenet_band_rows (PARTS * units, y->w, step);
  const size_t row = dicenet_band_row (y->w, step);
  const Rounding how = rounding (conv);
  size_t *offsets = (size_t *) scratch;
  Band band = { scratch + 9 * units * (sizeof *offsets / sizeof *scratch), row, 0, 0, step };

  for (unsigned group = 0; group < conv->groups; group++) {
    const Group g = find_group (x, y, conv, group);
    for (unsigned i = begin; i < end; i += height) {
      const unsigned stop = end - i < height ? end : i + height;
      band.n_rows = (stop - i - 1) * step + 3;
      band.channel_floats = band.n_rows * row;
      clear_band (&band, channels, &how);
      find_offsets (&band, units, offsets);
      enter_units (x, group * channels, channels, (long) i * step - 1, &band, &how);
      for (unsigned k = i; k < stop; k++)
        full_row (&g, k, (const Unit *) band.rows + (k - i) * step * row, band_part (&band, channels), offsets);
    }
  }
}
