/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <immintrin.h>
#include "../bf16.h"
#include "activate.h"
#include "band.h"

/* Dense convolutions as matrix products with VDPBF16PS, which adds the products of two pairs to each of 16 sums.
 *
 * Both operands have the same layout: strips of 16 pixels or output channels, [pair of inputs][16][2]. A tile
 * multiplies a few elements of one operand, broadcast, with some strips of the other. So registers may hold pixels
 * while channels are broadcast, or vice versa. The first needs no transposition of the result. The second is used for
 * the last few pixels of a map, which would leave most of a register unused: 7 x 7 is 48 and one. Both sum in the same
 * order, bias first, then pair by pair, so the results are identical. */

#define STRIP 16
#define ROWS  8 /* ROWS * WIDE sums, WIDE strips and one more fit the 32 registers */
#define WIDE  3

/* Two bfloat16 numbers. */
typedef uint32_t Pair __attribute__ ((may_alias));

/* Strips that are loaded into registers: pair k of strip v is at x[v * stride + k * STRIP] or, with @offsets, at x[v *
 * STRIP + offsets[k]]. */
typedef struct {
  const Pair *x;
  const size_t *offsets;
  size_t stride, pairs;
} Along;

/* Prefetch distance of weights in pairs. A network's weights do not fit the second-level cache, and the hardware
 * prefetcher stops at page boundaries of 4 KiB, which are 64 pairs. */
#define AHEAD 32

/* acc[r][v] += across[k][r] * along[v][k], summed over pairs k. */
INLINE void
gemm (const Pair *restrict across, const Along *along, const int rows, const int wide, const int packed, __m512 *acc)
{
  const Pair *restrict x = along->x;
  const size_t *offsets = along->offsets, stride = packed ? along->stride : STRIP, pairs = along->pairs;

  for (size_t k = 0; k < pairs; k++, across += STRIP) {
    const Pair *at = packed ? x + k * STRIP : x + offsets[k];
    __m512bh in[WIDE];

    _mm_prefetch ((const char *) (across + AHEAD * STRIP), _MM_HINT_T0);
    UNROLL
    for (int v = 0; v < wide; v++)
      in[v] = (__m512bh) _mm512_loadu_si512 (at + (size_t) v * stride);
    UNROLL
    for (int r = 0; r < rows; r++) {
      const __m512bh one = (__m512bh) _mm512_set1_epi32 ((int) across[r]);
      UNROLL
      for (int v = 0; v < wide; v++)
        acc[r * wide + v] = _mm512_dpbf16_ps (acc[r * wide + v], one, in[v]);
    }
  }
}

INLINE __mmask16
strip_mask (size_t n)
{
  return (__mmask16) (n < STRIP ? (1u << n) - 1 : 0xffff);
}

/* --- packing pixels as pairs --- */

/* Pairs of two rows of pixels. */
INLINE __m512i
interleave (__m512 even, __m512 odd)
{
  static const uint16_t order[] = { 0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                    8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31 };
  return _mm512_permutexvar_epi16 (_mm512_loadu_si512 (order), (__m512i) _mm512_cvtne2ps_pbh (odd, even));
}

/* Packs one pair of inputs of @n pixels; strips are @stride pairs apart. */
INLINE void
pack_pair (const float *even, const float *odd, size_t n, Pair *out, size_t stride)
{
  for (size_t i = 0; i < n; i += STRIP, out += stride) {
    const __mmask16 mask = strip_mask (n - i);
    const __m512 b = odd ? _mm512_maskz_loadu_ps (mask, odd + i) : _mm512_setzero_ps ();
    _mm512_storeu_si512 (out, interleave (_mm512_maskz_loadu_ps (mask, even + i), b));
  }
}

/* Packs the pixels of @channels channels as strips. */
static void
pack (const DicenetPlanes *x, unsigned first_channel, unsigned channels, size_t pixel, size_t n, Pair *out,
      size_t stride)
{
  for (unsigned c = 0; c < channels; c += 2, out += STRIP) {
    const float *even = dicenet_plane (x, first_channel + c) + pixel;
    const float *odd = c + 1 < channels ? dicenet_plane (x, first_channel + c + 1) + pixel : NULL;
    pack_pair (even, odd, n, out, stride);
  }
}

/* --- storing a tile --- */

/* The channels of one group that a call computes, and their weights. */
typedef struct {
  const DicenetPlanes *y;
  const DicenetConv *conv;
  const Pair *weight; /* of the group */
  size_t pairs;
  unsigned first_channel, n_channels; /* of the group */
} Group;

/* PReLU, which covers all activations except the sigmoid. The sigmoid and the gate are rare and are applied in memory
 * afterwards. */
INLINE __m512
bend (__m512 x, __m512 slope)
{
  return _mm512_mask_mul_ps (x, _mm512_cmp_ps_mask (x, _mm512_setzero_ps (), _CMP_NGT_UQ), x, slope);
}

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

/* Pixels in registers: up to @rows channels from @channel on (index in the group), @n pixels from @pixel on. */
INLINE void
tile_along_pixels (const Group *g, unsigned channel, const Along *along, size_t pixel, size_t n, const int rows,
                   const int wide, const int packed)
{
  const Pair *w = g->weight + channel / STRIP * g->pairs * STRIP + channel % STRIP;
  const unsigned first = g->first_channel + channel, count = g->n_channels - channel;
  __m512 acc[ROWS * WIDE];

  UNROLL
  for (int r = 0; r < rows; r++) {
    const float bias = g->conv->bias && (unsigned) r < count ? g->conv->bias[first + (unsigned) r] : 0;
    UNROLL
    for (int v = 0; v < wide; v++)
      acc[r * wide + v] = _mm512_set1_ps (bias);
  }
  gemm (w, along, rows, wide, packed, acc);
  UNROLL
  for (int r = 0; r < rows; r++) {
    if ((unsigned) r < count) {
      float *out = dicenet_plane (g->y, first + (unsigned) r) + pixel;
      const __m512 slope = _mm512_set1_ps (slope_of (g->conv, first + (unsigned) r));
      UNROLL
      for (int v = 0; v < wide - 1; v++)
        _mm512_storeu_ps (out + v * STRIP, bend (acc[r * wide + v], slope));
      _mm512_mask_storeu_ps (out + (wide - 1) * STRIP, strip_mask (n - (size_t) (wide - 1) * STRIP),
                             bend (acc[r * wide + wide - 1], slope));
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
#define CASES(rows)                                                                                                    \
  if (n > 2 * STRIP)                                                                                                   \
    CASE (rows, 3);                                                                                                    \
  else if (n > STRIP)                                                                                                  \
    CASE (rows, 2);                                                                                                    \
  else                                                                                                                 \
    CASE (rows, 1)
    if (end - c > ROWS / 2)
      CASES (ROWS);
    else
      CASES (ROWS / 2);
#undef CASES
#undef CASE
  }
}

/* The slopes of channels [channel, channel + count), indices in the group. */
INLINE __m512
slopes_of (const Group *g, unsigned channel, __mmask16 mask)
{
  if (g->conv->activation == DICENET_ACTIVATION_PRELU)
    return _mm512_maskz_loadu_ps (mask, g->conv->slope + g->first_channel + channel);
  return _mm512_set1_ps (slope_of (g->conv, 0));
}

INLINE void
store_channel (__m256 x, const Group *g, unsigned channel, unsigned i, unsigned count, size_t pixel, __mmask8 mask)
{
  if (i < count)
    _mm256_mask_storeu_ps (dicenet_plane (g->y, g->first_channel + channel + i) + pixel, mask, x);
}

/* Transposes registers of 16 channels for each of 8 pixels to half registers of 8 pixels for each channel. */
INLINE void
store_transposed (const __m512 in[8], const Group *g, unsigned channel, unsigned count, size_t pixel, __mmask8 mask)
{
  __m512 a[8], b[8];

  UNROLL
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm512_unpacklo_ps (in[i], in[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps (in[i], in[i + 1]);
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

/* Channels in registers: @wide blocks from @block on, @n <= @rows pixels. */
INLINE void
tile_along_channels (const Group *g, unsigned block, const Pair *panel, size_t pixel, size_t n, const int rows,
                     const int wide)
{
  const size_t stride = g->pairs * STRIP;
  const Along along = { g->weight + block * stride, NULL, stride, g->pairs };
  __m512 acc[ROWS * WIDE];

  UNROLL
  for (int v = 0; v < wide; v++) {
    const unsigned channel = (block + (unsigned) v) * STRIP;
    const __m512 bias = g->conv->bias ? _mm512_maskz_loadu_ps (strip_mask (g->n_channels - channel),
                                                               g->conv->bias + g->first_channel + channel)
                                      : _mm512_setzero_ps ();
    UNROLL
    for (int r = 0; r < rows; r++)
      acc[r * wide + v] = bias;
  }
  gemm (panel, &along, rows, wide, 1, acc);
  UNROLL
  for (int v = 0; v < wide; v++) {
    const unsigned channel = (block + (unsigned) v) * STRIP;
    const unsigned count = g->n_channels - channel < STRIP ? g->n_channels - channel : STRIP;
    const __m512 slopes = slopes_of (g, channel, strip_mask (count));
    __m512 in[ROWS];
    UNROLL
    for (int r = 0; r < ROWS; r++)
      in[r] = r < rows ? bend (acc[r * wide + v], slopes) : _mm512_setzero_ps ();
    store_transposed (in, g, channel, count, pixel, (__mmask8) ((1u << n) - 1));
  }
}

/* @n <= WIDE blocks, for all pixels of a panel. */
static void
blocks_along_channels (const Group *g, unsigned block, unsigned n, const Pair *panel, size_t pixel, size_t pixels)
{
  for (size_t p = 0; p < pixels; p += ROWS) {
    const Pair *at = panel + p / STRIP * g->pairs * STRIP + p % STRIP;
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

static unsigned
end_channel (const Group *g, unsigned end_block)
{
  return end_block * STRIP < g->n_channels ? end_block * STRIP : g->n_channels;
}

static Group
find_group (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned group)
{
  const unsigned channels = y->c / conv->groups;
  const size_t pairs = dicenet_bf16_pairs (x->c, conv->groups, conv->kernel);
  const size_t size = dicenet_bf16_blocks (y->c, conv->groups) * pairs * STRIP;

  return (Group){ y, conv, (const Pair *) conv->bf16 + group * size, pairs, group * channels, channels };
}

/* --- 1 x 1 --- */

/* At most this many pixels at the end of a map are computed with channels in registers, as they would leave most of a
 * register of pixels unused. */
#define TAIL 12

/* How many of the next @left pixels are computed together. */
static size_t
panel_pixels (size_t left)
{
  const size_t rest = left % STRIP;

  if (left >= DICENET_BF16_PANEL)
    return DICENET_BF16_PANEL;
  return left > STRIP && rest <= TAIL ? left - rest : left;
}

/* Blocks [first, end) of a group. */
static void
group_tile (const Group *g, const DicenetPlanes *x, unsigned group, const DicenetTile *tile, unsigned first,
            unsigned end, Pair *panel)
{
  const unsigned channels = x->c / g->conv->groups;
  const Along along = { panel, NULL, g->pairs * STRIP, g->pairs };

  for (size_t p = tile->first_pixel, n; p < tile->end_pixel; p += n) {
    n = panel_pixels (tile->end_pixel - p);
    pack (x, group * channels, channels, p, n, panel, along.stride);
    if (n <= TAIL)
      for (unsigned b = first; b < end; b += WIDE)
        blocks_along_channels (g, b, end - b < WIDE ? end - b : WIDE, panel, p, n);
    else
      channels_along_pixels (g, first * STRIP, end_channel (g, end), &along, p, n, 1);
    finish_rarities (g, first * STRIP, end_channel (g, end), p, n);
  }
}

void
dicenet_bf16_avx512_conv_pointwise (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,
                                    const DicenetTile *tile, float *scratch)
{
  const unsigned blocks = dicenet_bf16_blocks (y->c, conv->groups);

  for (unsigned b = tile->first_block; b < tile->end_block;) {
    const unsigned group = b / blocks, first = b % blocks;
    const unsigned end = tile->end_block - b < blocks - first ? first + tile->end_block - b : blocks;
    const Group g = find_group (x, y, conv, group);
    group_tile (&g, x, group, tile, first, end, (Pair *) scratch);
    b += end - first;
  }
}

/* --- 3 x 3 --- */

/* Splits the first n of 32 floats into even and odd elements. */
INLINE void
split (const float *in, size_t n, __m512 *even, __m512 *odd)
{
  const __m512i evens = _mm512_setr_epi32 (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odds = _mm512_setr_epi32 (1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  const __m512 a = _mm512_maskz_loadu_ps (strip_mask (n), in);
  const __m512 b = _mm512_maskz_loadu_ps (strip_mask (n > STRIP ? n - STRIP : 0), in + STRIP);

  *even = _mm512_permutex2var_ps (a, evens, b);
  *odd = _mm512_permutex2var_ps (a, odds, b);
}

/* Packs a row with stride 2; @b may be NULL. Whole strips are written, filled up with zeros. */
static void
split_pair (const float *a, const float *b, size_t w, Pair *out, size_t half)
{
  for (size_t i = 0; i < w; i += 2 * STRIP, out += STRIP) {
    __m512 even[2], odd[2];
    split (a + i, w - i, &even[0], &odd[0]);
    even[1] = odd[1] = _mm512_setzero_ps ();
    if (b)
      split (b + i, w - i, &even[1], &odd[1]);
    _mm512_storeu_si512 (out, interleave (even[0], even[1]));
    _mm512_storeu_si512 (out + half, interleave (odd[0], odd[1]));
  }
}

/* Packs input rows from @first, which may be -1, of all the group's channels in pairs. */
static void
enter_pairs (const DicenetPlanes *x, unsigned first_channel, unsigned channels, long first, const Band *band)
{
  for (unsigned c = 0; c < channels; c += 2) {
    for (unsigned r = 0; r < band->n_rows; r++) {
      const long row = first + (long) r;
      Pair *to = (Pair *) band->rows + c / 2 * band->channel_floats + r * band->row_floats + DICENET_PAD;
      if (row < 0 || row >= (long) x->h)
        continue; /* already zeroed by the caller */
      const float *a = dicenet_plane (x, first_channel + c) + row * (long) x->w;
      const float *b = c + 1 < channels ? dicenet_plane (x, first_channel + c + 1) + row * (long) x->w : NULL;
      if (band->step == 1)
        pack_pair (a, b, x->w, to, STRIP);
      else
        split_pair (a, b, x->w, to, band->row_floats / 2);
    }
  }
}

static void
full_row (const Group *g, unsigned i, const Pair *rows, const size_t *offsets)
{
  const size_t w = g->y->w, first = i * w;

  for (size_t j = 0; j < w; j += WIDE * STRIP) {
    const Along along = { rows + j, offsets, 0, g->pairs };
    const size_t n = w - j < WIDE * STRIP ? w - j : WIDE * STRIP;
    channels_along_pixels (g, 0, g->n_channels, &along, first + j, n, 0);
  }
  finish_rarities (g, 0, g->n_channels, first, w);
}

void
dicenet_bf16_avx512_conv_dense3x3 (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,
                                   unsigned begin, unsigned end, float *scratch)
{
  const unsigned channels = x->c / conv->groups, pairs = (channels + 1) / 2;
  const unsigned step = conv->stride, height = dicenet_band_rows (pairs, y->w, step);
  const size_t row = dicenet_band_row (y->w, step);
  size_t *offsets = (size_t *) scratch;
  Band band = { scratch + 9 * pairs * (sizeof *offsets / sizeof *scratch), row, 0, 0, step };

  for (unsigned group = 0; group < conv->groups; group++) {
    const Group g = find_group (x, y, conv, group);
    for (unsigned i = begin; i < end; i += height) {
      const unsigned stop = end - i < height ? end : i + height;
      band.n_rows = (stop - i - 1) * step + 3;
      band.channel_floats = band.n_rows * row;
      memset (band.rows, 0, (pairs * band.channel_floats + WIDE * STRIP) * sizeof *band.rows);
      find_offsets (&band, pairs, offsets);
      enter_pairs (x, group * channels, channels, (long) i * step - 1, &band);
      for (unsigned k = i; k < stop; k++)
        full_row (&g, k, (const Pair *) band.rows + (k - i) * step * row, offsets);
    }
  }
}

/* --- on one pixel --- */

/* Number of independent sums, which hides the latency of the additions. */
#define CHAINS 8

static __m512
vector_block (const Pair *w, const Pair *x, size_t pairs)
{
  __m512 sum[CHAINS];
  size_t k = 0;

  UNROLL
  for (int c = 0; c < CHAINS; c++)
    sum[c] = _mm512_setzero_ps ();
#define ADD(c, k)                                                                                                      \
  sum[c] = _mm512_dpbf16_ps (sum[c], (__m512bh) _mm512_loadu_si512 (w + (k) *STRIP),                                   \
                             (__m512bh) _mm512_set1_epi32 ((int) x[k]))
  for (; k + CHAINS <= pairs; k += CHAINS) {
    UNROLL
    for (size_t c = 0; c < CHAINS; c++)
      ADD (c, k + c);
  }
  for (; k < pairs; k++)
    ADD (0, k);
#undef ADD
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

void
dicenet_bf16_avx512_gemv (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                          unsigned end, float *scratch)
{
  const unsigned group_in = x->c / conv->groups, group_out = y->c / conv->groups;
  const unsigned blocks = dicenet_bf16_blocks (y->c, conv->groups);
  const size_t pairs = dicenet_bf16_pairs (x->c, conv->groups, 1);
  DicenetBf16 *in = (DicenetBf16 *) scratch; /* pairs, group by group */

  for (unsigned g = 0; g < conv->groups; g++) {
    for (unsigned c = 0; c < group_in; c++)
      in[2 * pairs * g + c] = dicenet_bf16_round (*dicenet_plane (x, g * group_in + c));
    if (group_in % 2)
      in[2 * pairs * g + group_in] = 0;
  }
  for (unsigned b = begin; b < end; b++) {
    const unsigned group = b / blocks, channel = b % blocks * STRIP;
    const unsigned first = group * group_out + channel,
                   count = group_out - channel < STRIP ? group_out - channel : STRIP;
    float sum[STRIP];
    _mm512_storeu_ps (sum, vector_block ((const Pair *) conv->bf16 + (size_t) b * pairs * STRIP,
                                         (const Pair *) scratch + group * pairs, pairs));
    for (unsigned r = 0; r < count; r++)
      *dicenet_plane (y, first + r) = activate_one (sum[r] + (conv->bias ? conv->bias[first + r] : 0), conv, first + r);
  }
}
