/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simd.h"
#include "simd16.h"

/* Pairs of samples are multiplied by pairs of coefficients. The sums of the two parts of coefficients are kept apart
 * until the end. */

typedef struct {
  vu high, low;
} Sum;

INLINE void
add_pairs (Sum *sum, vu samples, vu high, vu low)
{
  sum->high += multiply_pairs ((vw) samples, (vw) high);
  sum->low += multiply_pairs ((vw) samples, (vw) low);
}

/* One half, so that truncation at the end rounds. */
INLINE Sum
sum_of_nothing (void)
{
  return (Sum){ { 0 }, all_pairs (1u << (DICENET_TAPS_BITS - 1)) };
}

INLINE vi
round_sum (const Sum *sum)
{
  return (vi) (((sum->high << DICENET_TAPS_SPLIT) + sum->low) >> DICENET_TAPS_BITS);
}

/* VL numbers, saturated to bytes, as words. */
INLINE void
store_samples (uint16_t *out, vi x)
{
#if VL == 16
  _mm256_storeu_si256 ((void *) out, _mm512_cvtepi32_epi16 (_mm512_min_epi32 ((__m512i) x, _mm512_set1_epi32 (255))));
#elif VL == 8
  const vw both = unzip_bytes (x, x);
  _mm_storeu_si128 ((void *) out, _mm256_castsi256_si128 (_mm256_permute4x64_epi64 ((__m256i) both, 8)));
#else
  const vw both = unzip_bytes (x, x);
  memcpy (out, &both, VL * sizeof *out);
#endif
}

/* --- columns --- */

/* Loads four pairs of samples of an output; each 128-bit part of the register has those of another output. */
INLINE vu
load_parts (const uint16_t *x, const int32_t *start)
{
#define PART(i) _mm_loadu_si128 ((const void *) (x + start[i]))
#if VL == 16
  const __m256i low = _mm256_inserti128_si256 (_mm256_castsi128_si256 (PART (0)), PART (4), 1),
                high = _mm256_inserti128_si256 (_mm256_castsi128_si256 (PART (8)), PART (12), 1);
  return (vu) _mm512_inserti64x4 (_mm512_castsi256_si512 (low), high, 1);
#elif VL == 8
  return (vu) _mm256_inserti128_si256 (_mm256_castsi128_si256 (PART (0)), PART (4), 1);
#else
  return load_pairs (x + start[0]);
#endif
#undef PART
}

/* Adds up to four pairs of VL outputs, transposed from loads that each have four pairs of some outputs. */
INLINE void
sum_pairs (Sum *sum, const uint16_t *x, const int32_t *start, const uint32_t *high, const uint32_t *low, size_t stride,
           unsigned pairs)
{
  const vu a = load_parts (x, start), b = load_parts (x, start + 1), c = load_parts (x, start + 2),
           d = load_parts (x, start + 3);
  const vu ab = zip_pairs_low (a, b), cd = zip_pairs_low (c, d);

  add_pairs (sum, zip_quads_low (ab, cd), load_pairs (high), load_pairs (low));
  if (pairs > 1)
    add_pairs (sum, zip_quads_high (ab, cd), load_pairs (high + stride), load_pairs (low + stride));
  if (pairs <= 2)
    return;
  const vu ab_high = zip_pairs_high (a, b), cd_high = zip_pairs_high (c, d);
  add_pairs (sum, zip_quads_low (ab_high, cd_high), load_pairs (high + 2 * stride), load_pairs (low + 2 * stride));
  if (pairs > 3)
    add_pairs (sum, zip_quads_high (ab_high, cd_high), load_pairs (high + 3 * stride), load_pairs (low + 3 * stride));
}

/* Three channels of VL outputs. */
static void
resize_scattered (const DicenetTaps *taps, const uint16_t *src, size_t stride, uint16_t *out, unsigned j)
{
  const size_t out_stride = dicenet_pixel_stride (taps->out), row = taps->stride;

  for (size_t c = 0; c < 3; c++) {
    const uint16_t *x = src + c * stride;
    Sum sum = sum_of_nothing ();
    unsigned k = 0;
    for (; k + 4 <= taps->pairs; k += 4)
      sum_pairs (&sum, x + 2 * (size_t) k, taps->start + j, taps->high + k * row + j, taps->low + k * row + j, row, 4);
    if (k < taps->pairs)
      sum_pairs (&sum, x + 2 * (size_t) k, taps->start + j, taps->high + k * row + j, taps->low + k * row + j, row,
                 taps->pairs - k);
    store_samples (out + c * out_stride + j, round_sum (&sum));
  }
}

#if VL == 16
#define WINDOW (2 * WORDS)

/* Three channels of VL outputs whose inputs fit two registers. Inputs are permuted within registers, which is faster
 * than loading them one by one. */
static int
resize_window (const DicenetTaps *taps, const uint16_t *src, size_t stride, uint16_t *out, unsigned j)
{
  const int first = taps->start[j], end = taps->start[j + VL - 1] + 2 * (int) taps->pairs;
  const size_t out_stride = dicenet_pixel_stride (taps->out);
  Sum sum[3] = { sum_of_nothing (), sum_of_nothing (), sum_of_nothing () };
  vx near[3], far[3];

  if (end - first > WINDOW)
    return 0;
  UNROLL
  for (unsigned c = 0; c < 3; c++) {
    near[c] = (vx) load_words (src + c * stride + first);
    far[c] = (vx) load_words (src + c * stride + first + WORDS);
  }
  /* Indices of the words of each output's pair. */
  vu at = (load_pairs (taps->start + j) - (uint32_t) first) * 0x10001u + 0x10000u;
  for (unsigned k = 0; k < taps->pairs; k++) {
    const vu high = load_pairs (taps->high + k * taps->stride + j), low = load_pairs (taps->low + k * taps->stride + j);
    UNROLL
    for (unsigned c = 0; c < 3; c++)
      add_pairs (&sum[c], (vu) _mm512_permutex2var_epi16 (near[c], (vx) at, far[c]), high, low);
    at += 0x20002u;
  }
  UNROLL
  for (unsigned c = 0; c < 3; c++)
    store_samples (out + c * out_stride + j, round_sum (&sum[c]));
  return 1;
}
#else
static int
resize_window (const DicenetTaps *taps, const uint16_t *src, size_t stride, uint16_t *out, unsigned j)
{
  (void) taps, (void) src, (void) stride, (void) out, (void) j;
  return 0;
}
#endif

void
KERNEL (resize_horizontal) (const DicenetTaps *taps, const uint16_t *src, size_t stride, uint16_t *out)
{
  for (unsigned j = 0; j < taps->out; j += VL)
    if (!resize_window (taps, src, stride, out, j))
      resize_scattered (taps, src, stride, out, j);
}

/* --- rows --- */

/* Samples between scaling and the table lookup; few enough to stay in the first-level cache. */
#define CHUNK 512

/* @n samples of output row @i, beginning at sample @first. */
static void
blend_rows (const DicenetTaps *taps, unsigned i, const uint16_t *const *rows, size_t first, uint16_t *restrict out,
            unsigned n)
{
  for (size_t j = 0; j < n; j += WORDS) {
    Sum left = sum_of_nothing (), right = left;
    for (unsigned k = 0; k < taps->pairs; k++) {
      const vw even = load_words (rows[2 * k] + first + j), odd = load_words (rows[2 * k + 1] + first + j);
      const vu high = all_pairs (taps->high[k * taps->stride + i]), low = all_pairs (taps->low[k * taps->stride + i]);
      add_pairs (&left, (vu) zip_words_low (even, odd), high, low);
      add_pairs (&right, (vu) zip_words_high (even, odd), high, low);
    }
    store_words (out + j, unzip_bytes (round_sum (&left), round_sum (&right)));
  }
}

void
KERNEL (resize_vertical_normalise) (const DicenetTaps *taps, unsigned i, const uint16_t *const *rows,
                                    const float table[256], float *out, unsigned width)
{
  uint16_t samples[CHUNK];

  for (unsigned first = 0; first < width; first += CHUNK) {
    const unsigned n = width - first < CHUNK ? width - first : CHUNK;
    blend_rows (taps, i, rows, first, samples, n);
    for (unsigned j = 0; j < n; j++)
      out[first + j] = table[samples[j]];
  }
}
