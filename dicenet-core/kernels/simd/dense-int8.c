/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <immintrin.h>
#include "../int8.h"
#include "activate.h"
#include "band.h"
#include "compare.h"

/* Dense convolutions as matrix products of integers, compiled for each instruction set: with AVX512-VNNI four products
 * per lane, else two. int8.h describes the arithmetic.
 *
 * Both operands have the same layout: strips of pixels, [unit of inputs][STRIP], and blocks of output channels, [unit
 * of inputs][16]. A tile multiplies a few elements of one operand, broadcast, with some registers of the other.
 * Registers hold pixels while channels are broadcast, which needs no transposition of the result. With 16 lanes it is
 * the other way round for the last few pixels of a map, which would leave most of a register unused: 7 x 7 is 48 and
 * one. */

#if defined(__AVX512VNNI__)
#define PER_UNIT     DICENET_INT8_QUADS
#define INT8(name)   dicenet_int8_vnni_##name
#define OFFSET(zero) (zero) /* bytes are unsigned: the zero point is subtracted from sums */
#else
#define PER_UNIT     DICENET_INT8_PAIRS
#define INT8(name)   JOIN (JOIN (dicenet_int8, DICENET_ISA), name)
#define OFFSET(zero) 0
#endif

#define STRIP VL
#define BLOCK DICENET_INT8_BLOCK

/* ROWS * WIDE sums, WIDE registers of the other operand and one or two more fit the 32 or 16 registers. */
#if VL == 16
#define ROWS 8
#define WIDE 3
#else
#define ROWS 4
#define WIDE 2
#endif

typedef uint32_t vu __attribute__ ((vector_size (VL * 4), may_alias)); /* wraps around */

/* Some neighbouring channels' quantised values. */
typedef uint32_t Unit __attribute__ ((may_alias));

/* Registers of the operand that is not broadcast: unit k of register v is at x[v * stride + k * STRIP] or, with
 * @offsets, at x[v * STRIP + offsets[k]]. */
typedef struct {
  const Unit *x;
  const size_t *offsets;
  size_t stride, units;
} Along;

/* Prefetch distance of weights in units. A network's weights do not fit the second-level cache, and the hardware
 * prefetcher stops at page boundaries of 4 KiB, which are 64 units. */
#define AHEAD 32

INLINE vi
all_units (uint32_t x)
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

/* Adds the products of a unit of inputs and one of weights, lane by lane. */
INLINE vi
add_products (vi sum, vi inputs, vi weights)
{
#if defined(__AVX512VNNI__)
  return (vi) _mm512_dpbusd_epi32 ((__m512i) sum, (__m512i) inputs, (__m512i) weights);
#elif VL == 16
  return sum + (vi) _mm512_madd_epi16 ((__m512i) inputs, (__m512i) weights);
#elif VL == 8
  return sum + (vi) _mm256_madd_epi16 ((__m256i) inputs, (__m256i) weights);
#else
  return sum + (vi) _mm_madd_epi16 ((__m128i) inputs, (__m128i) weights);
#endif
}

INLINE vi
rounded (vf x)
{
#if VL == 16
  return (vi) _mm512_cvtps_epi32 ((__m512) x);
#elif VL == 8
  return (vi) _mm256_cvtps_epi32 ((__m256) x);
#else
  return (vi) _mm_cvtps_epi32 ((__m128) x);
#endif
}

INLINE vf
to_float (vi x)
{
#if VL == 16
  return (vf) _mm512_cvtepi32_ps ((__m512i) x);
#elif VL == 8
  return (vf) _mm256_cvtepi32_ps ((__m256i) x);
#else
  return (vf) _mm_cvtepi32_ps ((__m128i) x);
#endif
}

/* acc[r][v] += products of across[k][r] and along[v][k], summed over units k. @is_weight: of which operand @across is.
 */
INLINE void
gemm (const Unit *restrict across, const size_t step, const Along *along, const int rows, const int wide,
      const int packed, const int is_weight, vi *acc)
{
  const Unit *restrict x = along->x;
  const size_t *offsets = along->offsets, stride = packed ? along->stride : STRIP, units = along->units;

  for (size_t k = 0; k < units; k++, across += step) {
    const Unit *at = packed ? x + k * STRIP : x + offsets[k];
    vi in[WIDE];

    _mm_prefetch ((const char *) (across + AHEAD * step), _MM_HINT_T0);
    UNROLL
    for (int v = 0; v < wide; v++)
      in[v] = load_units (at + (size_t) v * stride);
    UNROLL
    for (int r = 0; r < rows; r++) {
      const vi one = all_units (across[r]);
      UNROLL
      for (int v = 0; v < wide; v++)
        acc[r * wide + v] =
            is_weight ? add_products (acc[r * wide + v], in[v], one) : add_products (acc[r * wide + v], one, in[v]);
    }
  }
}

/* --- quantising pixels --- */

typedef struct {
  vf inverse, low, high;
  vi zero; /* in all of a unit's values */
} Quantiser;

static Unit
unit_of (int32_t value)
{
  return PER_UNIT == DICENET_INT8_QUADS ? (Unit) value * 0x01010101 : (Unit) value * 0x00010001;
}

INLINE Quantiser
quantiser (const DicenetInt8Input *input)
{
  return (Quantiser){ all (input->inverse), all ((float) -input->zero), all ((float) (255 - input->zero)),
                      all_units (unit_of (OFFSET (input->zero))) };
}

/* q - zero */
INLINE vi
quantised (vf x, const Quantiser *q)
{
  return rounded (smaller (larger (x * q->inverse, q->low), q->high));
}

/* The units of a register of pixels, from PER_UNIT registers. */
INLINE vi
unite (const vf *in, const Quantiser *q)
{
#if PER_UNIT == DICENET_INT8_QUADS
  /* The sum of both parts, q - zero and zero, is q in each byte. */
  return (vi) ((vu) quantised (in[0], q) + ((vu) quantised (in[1], q) << 8) + ((vu) quantised (in[2], q) << 16) +
               ((vu) quantised (in[3], q) << 24) + (vu) q->zero);
#else
  return (quantised (in[0], q) & all_units (0xffff)) | (vi) ((vu) quantised (in[1], q) << 16);
#endif
}

/* Packs some channels of a strip of @n pixels from @at on; channels that don't exist are zeros. */
INLINE vi
pack_strip (const float *const *channels, unsigned count, size_t at, size_t n, const Quantiser *q)
{
  vf in[PER_UNIT];

  UNROLL
  for (unsigned k = 0; k < PER_UNIT; k++)
    in[k] = k < count ? load_part (channels[k] + at, n) : all (0);
  return unite (in, q);
}

/* Packs one unit of @n pixels; strips are @stride units apart. */
INLINE void
pack_unit (const float *const *channels, unsigned count, size_t n, Unit *out, size_t stride, const Quantiser *q)
{
  for (size_t i = 0; i < n; i += STRIP, out += stride)
    store_units (out, pack_strip (channels, count, i, n - i, q));
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
      size_t stride, const DicenetInt8Input *input)
{
  const Quantiser q = quantiser (input);

  for (unsigned c = 0; c < channels; c += PER_UNIT, out += STRIP) {
    const float *in[PER_UNIT] = { NULL };
    const unsigned count = unit_channels (x, first_channel, channels, c, pixel, in);
    if (count == PER_UNIT)
      pack_unit (in, PER_UNIT, n, out, stride, &q);
    else
      pack_unit (in, count, n, out, stride, &q);
  }
}

/* --- storing a tile --- */

/* The channels of one group that a call computes, and their weights. */
typedef struct {
  const DicenetPlanes *y;
  const DicenetConv *conv;
  const Unit *weight; /* of the group, as the following */
  const float *scale;
  const int32_t *sum;
  size_t units;
  unsigned first_channel, n_channels;
} Group;

static Group
find_group (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned group)
{
  const unsigned channels = y->c / conv->groups;
  const size_t units = dicenet_int8_units (x->c, conv->groups, conv->kernel, PER_UNIT);
  const size_t padded = (size_t) dicenet_int8_blocks (y->c, conv->groups) * BLOCK, all_padded = conv->groups * padded;
  const float *scales = conv->int8;

  return (Group){ y,
                  conv,
                  (const Unit *) (scales + 2 * all_padded) + group * padded * units,
                  scales + group * padded,
                  (const int32_t *) (scales + all_padded) + group * padded,
                  units,
                  group * channels,
                  channels };
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

/* What the offset of the inputs has added to a channel's sum. */
static int32_t
surplus (const Group *g, unsigned channel)
{
  return OFFSET (g->conv->input->zero) * g->sum[channel];
}

/* Pixels in registers: up to @rows channels from @channel on (index in the group), @n pixels from @pixel on. */
INLINE void
tile_along_pixels (const Group *g, unsigned channel, const Along *along, size_t pixel, size_t n, const int rows,
                   const int wide, const int packed)
{
  const unsigned first = g->first_channel + channel, count = g->n_channels - channel;
  vi acc[ROWS * WIDE];

  UNROLL
  for (int r = 0; r < rows; r++)
    UNROLL
  for (int v = 0; v < wide; v++)
    acc[r * wide + v] = all_units ((Unit) -surplus (g, channel + (unsigned) r));
  gemm (g->weight + channel / BLOCK * g->units * BLOCK + channel % BLOCK, BLOCK, along, rows, wide, packed, 1, acc);
  UNROLL
  for (int r = 0; r < rows; r++) {
    if ((unsigned) r < count) {
      float *out = dicenet_plane (g->y, first + (unsigned) r) + pixel;
      const vf scale = all (g->scale[channel + (unsigned) r] * g->conv->input->scale);
      const vf bias = all (g->conv->bias ? g->conv->bias[first + (unsigned) r] : 0);
      const vf slope = all (slope_of (g->conv, first + (unsigned) r));
      UNROLL
      for (int v = 0; v < wide - 1; v++)
        store (out + v * STRIP, prelu (to_float (acc[r * wide + v]) * scale + bias, slope));
      store_part (out + (wide - 1) * STRIP, prelu (to_float (acc[r * wide + wide - 1]) * scale + bias, slope),
                  n - (size_t) (wide - 1) * STRIP);
    }
  }
}

/* Channels [first, end) of a group for @n <= WIDE * STRIP pixels. */
INLINE void
channels_along_pixels (const Group *g, unsigned first, unsigned end, const Along *along, size_t pixel, size_t n,
                       const int packed)
{
  for (unsigned c = first; c < end; c += ROWS) {
#define CASE(rows, wide) tile_along_pixels (g, c, along, pixel, n, rows, wide, packed)
#if WIDE == 3
#define CASES(rows)                                                                                                    \
  if (n > 2 * STRIP)                                                                                                   \
    CASE (rows, 3);                                                                                                    \
  else if (n > STRIP)                                                                                                  \
    CASE (rows, 2);                                                                                                    \
  else                                                                                                                 \
    CASE (rows, 1)
#else
#define CASES(rows)                                                                                                    \
  if (n > STRIP)                                                                                                       \
    CASE (rows, 2);                                                                                                    \
  else                                                                                                                 \
    CASE (rows, 1)
#endif
    if (end - c > ROWS / 2)
      CASES (ROWS);
    else
      CASES (ROWS / 2);
#undef CASES
#undef CASE
  }
}

/* At most this many pixels at the end of a map are computed with channels in registers. */
#if VL == 16
#define TAIL 12

/* Channels in registers: @wide blocks from @block on, @n <= @rows pixels. */
INLINE void
tile_along_channels (const Group *g, unsigned block, const Unit *panel, size_t pixel, size_t n, const int rows,
                     const int wide)
{
  const size_t stride = g->units * BLOCK;
  const Along along = { g->weight + block * stride, NULL, stride, g->units };
  vi acc[ROWS * WIDE];

  UNROLL
  for (int v = 0; v < wide; v++) {
    const vi sums = load_units ((const Unit *) g->sum + (block + (unsigned) v) * BLOCK);
    UNROLL
    for (int r = 0; r < rows; r++)
      acc[r * wide + v] = -(sums * OFFSET (g->conv->input->zero));
  }
  gemm (panel, STRIP, &along, rows, wide, 1, 0, acc);
  UNROLL
  for (int v = 0; v < wide; v++) {
    const unsigned channel = (block + (unsigned) v) * BLOCK;
    const unsigned count = g->n_channels - channel < BLOCK ? g->n_channels - channel : BLOCK;
    const vf scale = load (g->scale + channel) * all (g->conv->input->scale);
    const vf bias = g->conv->bias ? load_part (g->conv->bias + g->first_channel + channel, count) : all (0);
    const vf slope = g->conv->activation == DICENET_ACTIVATION_PRELU
                         ? load_part (g->conv->slope + g->first_channel + channel, count)
                         : all (slope_of (g->conv, 0));
    float values[ROWS][BLOCK];
    UNROLL
    for (int r = 0; r < rows; r++)
      store (values[r], prelu (to_float (acc[r * wide + v]) * scale + bias, slope));
    for (unsigned c = 0; c < count; c++) {
      float *out = dicenet_plane (g->y, g->first_channel + channel + c) + pixel;
      for (size_t i = 0; i < n; i++)
        out[i] = values[i][c];
    }
  }
}

/* @n <= WIDE blocks, for all pixels of a panel. */
static void
blocks_along_channels (const Group *g, unsigned block, unsigned n, const Unit *panel, size_t pixel, size_t pixels)
{
  for (size_t p = 0; p < pixels; p += ROWS) {
    const Unit *at = panel + p / STRIP * g->units * STRIP + p % STRIP;
    const size_t m = pixels - p < ROWS ? pixels - p : ROWS;
#define CASE(rows, wide) tile_along_channels (g, block, at, pixel + p, m, rows, wide)
#define CASES(wide)                                                                                                    \
  if (m > ROWS / 2)                                                                                                    \
    CASE (ROWS, wide);                                                                                                 \
  else if (m > 1)                                                                                                      \
    CASE (ROWS / 2, wide);                                                                                             \
  else                                                                                                                 \
    CASE (1, wide)
    if (n == 3)
      CASES (3);
    else if (n == 2)
      CASES (2);
    else
      CASES (1);
#undef CASES
#undef CASE
  }
}
#else
#define TAIL 0

static void
blocks_along_channels (const Group *g, unsigned block, unsigned n, const Unit *panel, size_t pixel, size_t pixels)
{
  (void) g, (void) block, (void) n, (void) panel, (void) pixel, (void) pixels;
}
#endif

static unsigned
end_channel (const Group *g, unsigned end_block)
{
  return end_block * BLOCK < g->n_channels ? end_block * BLOCK : g->n_channels;
}

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
group_tile (const Group *g, const DicenetPlanes *x, unsigned group, const DicenetTile *tile, unsigned first,
            unsigned end, Unit *panel)
{
  const unsigned channels = x->c / g->conv->groups;
  const Along along = { panel, NULL, g->units * STRIP, g->units };

  for (size_t p = tile->first_pixel, n; p < tile->end_pixel; p += n) {
    n = panel_pixels (tile->end_pixel - p);
    pack (x, group * channels, channels, p, n, panel, along.stride, g->conv->input);
    if (n <= TAIL)
      for (unsigned b = first; b < end; b += WIDE)
        blocks_along_channels (g, b, end - b < WIDE ? end - b : WIDE, panel, p, n);
    else
      channels_along_pixels (g, first * BLOCK, end_channel (g, end), &along, p, n, 1);
    finish_rarities (g, first * BLOCK, end_channel (g, end), p, n);
  }
}

void
INT8 (conv_pointwise) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, const DicenetTile *tile,
                       float *scratch)
{
  const unsigned blocks = dicenet_int8_blocks (y->c, conv->groups);

  for (unsigned b = tile->first_block; b < tile->end_block;) {
    const unsigned group = b / blocks, first = b % blocks;
    const unsigned end = tile->end_block - b < blocks - first ? first + tile->end_block - b : blocks;
    const Group g = find_group (x, y, conv, group);
    group_tile (&g, x, group, tile, first, end, (Unit *) scratch);
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
split_unit (const float *const *channels, unsigned count, size_t w, Unit *out, size_t half, const Quantiser *q)
{
  for (size_t i = 0; i < w; i += 2 * STRIP, out += STRIP) {
    vf even[PER_UNIT], odd[PER_UNIT];
    UNROLL
    for (unsigned k = 0; k < PER_UNIT; k++) {
      even[k] = odd[k] = all (0);
      if (k < count)
        split (channels[k] + i, w - i, &even[k], &odd[k]);
    }
    store_units (out, unite (even, q));
    store_units (out + half, unite (odd, q));
  }
}

/* Packs input rows from @first, which may be -1, of all the group's channels in units. */
static void
enter_units (const DicenetPlanes *x, unsigned first_channel, unsigned channels, long first, const Band *band,
             const DicenetInt8Input *input)
{
  const Quantiser q = quantiser (input);

  for (unsigned c = 0; c < channels; c += PER_UNIT) {
    for (unsigned r = 0; r < band->n_rows; r++) {
      const long row = first + (long) r;
      Unit *to = (Unit *) band->rows + c / PER_UNIT * band->channel_floats + r * band->row_floats + DICENET_PAD;
      const float *in[PER_UNIT] = { NULL };
      if (row < 0 || row >= (long) x->h)
        continue; /* already set to zero by the caller */
      const unsigned count = unit_channels (x, first_channel, channels, c, (size_t) row * x->w, in);
      if (band->step == 1)
        pack_unit (in, count, x->w, to, STRIP, &q);
      else
        split_unit (in, count, x->w, to, band->row_floats / 2, &q);
    }
  }
}

static void
full_row (const Group *g, unsigned i, const Unit *rows, const size_t *offsets)
{
  const size_t w = g->y->w, first = i * w;

  for (size_t j = 0; j < w; j += WIDE * STRIP) {
    const Along along = { rows + j, offsets, 0, g->units };
    const size_t n = w - j < WIDE * STRIP ? w - j : WIDE * STRIP;
    channels_along_pixels (g, 0, g->n_channels, &along, first + j, n, 0);
  }
  finish_rarities (g, 0, g->n_channels, first, w);
}

static void
fill (Unit *to, Unit value, size_t n)
{
  for (size_t i = 0; i < n; i++)
    to[i] = value;
}

void
INT8 (conv_dense3x3) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                      unsigned end, float *scratch)
{
  const unsigned channels = x->c / conv->groups, units = (channels + PER_UNIT - 1) / PER_UNIT;
  const unsigned step = conv->stride, height = dicenet_band_rows (units, y->w, step);
  const size_t row = dicenet_band_row (y->w, step);
  size_t *offsets = (size_t *) scratch;
  Band band = { scratch + 9 * units * (sizeof *offsets / sizeof *scratch), row, 0, 0, step };

  for (unsigned group = 0; group < conv->groups; group++) {
    const Group g = find_group (x, y, conv, group);
    for (unsigned i = begin; i < end; i += height) {
      const unsigned stop = end - i < height ? end : i + height;
      band.n_rows = (stop - i - 1) * step + 3;
      band.channel_floats = band.n_rows * row;
      fill ((Unit *) band.rows, unit_of (OFFSET (conv->input->zero)), units * band.channel_floats + 3 * DICENET_PAD);
      find_offsets (&band, units, offsets);
      enter_units (x, group * channels, channels, (long) i * step - 1, &band, conv->input);
      for (unsigned k = i; k < stop; k++)
        full_row (&g, k, (const Unit *) band.rows + (k - i) * step * row, offsets);
    }
  }
}
