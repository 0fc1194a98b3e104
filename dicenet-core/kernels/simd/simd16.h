/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vec.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* Registers of 2 * VL 16-bit words or VL 32-bit numbers, and the operations that pixel kernels need: multiply-add of
 * pairs of words, and interleaving, which works within parts of 128 bits. Compilers do not generate these
 * instructions. */

typedef int16_t vw __attribute__ ((vector_size (VL * 4), may_alias));
typedef uint32_t vu __attribute__ ((vector_size (VL * 4), may_alias)); /* wraps around */
typedef int16_t vwu __attribute__ ((vector_size (VL * 4), may_alias, aligned (1)));
typedef uint32_t vuu __attribute__ ((vector_size (VL * 4), may_alias, aligned (2)));
typedef uint8_t vbytes __attribute__ ((vector_size (VL * 2), may_alias, aligned (1)));

#define WORDS (2 * VL)

INLINE vw
load_words (const void *p)
{
  return *(const vwu *) p;
}

INLINE void
store_words (void *p, vw x)
{
  *(vwu *) p = x;
}

INLINE vu
load_pairs (const void *p)
{
  return *(const vuu *) p;
}

INLINE vw
all_words (int x)
{
  return (int16_t) x - (vw){ 0 };
}

INLINE vu
all_pairs (uint32_t x)
{
  return x - (vu){ 0 };
}

/* A pair of two words in all places. */
INLINE vw
all_of_pair (int even, int odd)
{
  return (vw) all_pairs ((uint16_t) even | (uint32_t) odd << 16);
}

#if VL == 16
#define ISA_OP(name) _mm512_##name
typedef __m512i vx;
#elif VL == 8
#define ISA_OP(name) _mm256_##name
typedef __m256i vx;
#elif defined(__SSE2__)
#define ISA_OP(name) _mm_##name
typedef __m128i vx;
#endif

#if defined(ISA_OP)
/* even word * even word + odd word * odd word */
INLINE vu
multiply_pairs (vw a, vw b)
{
  return (vu) ISA_OP (madd_epi16) ((vx) a, (vx) b);
}

/* Interleaves the first, or the second, halves of each part: a0 b0 a1 b1 ... */
INLINE vw
zip_words_low (vw a, vw b)
{
  return (vw) ISA_OP (unpacklo_epi16) ((vx) a, (vx) b);
}

INLINE vw
zip_words_high (vw a, vw b)
{
  return (vw) ISA_OP (unpackhi_epi16) ((vx) a, (vx) b);
}

INLINE vu
zip_pairs_low (vu a, vu b)
{
  return (vu) ISA_OP (unpacklo_epi32) ((vx) a, (vx) b);
}

INLINE vu
zip_pairs_high (vu a, vu b)
{
  return (vu) ISA_OP (unpackhi_epi32) ((vx) a, (vx) b);
}

INLINE vu
zip_quads_low (vu a, vu b)
{
  return (vu) ISA_OP (unpacklo_epi64) ((vx) a, (vx) b);
}

INLINE vu
zip_quads_high (vu a, vu b)
{
  return (vu) ISA_OP (unpackhi_epi64) ((vx) a, (vx) b);
}

/* Inverse of zip_words_low() and zip_words_high(); numbers are saturated to 0 .. 255. */
INLINE vw
unzip_bytes (vi low, vi high)
{
  const vx words = ISA_OP (packs_epi32) ((vx) low, (vx) high);
  return (vw) ISA_OP (max_epi16) (ISA_OP (min_epi16) (words, (vx) all_words (255)), (vx) all_words (0));
}
#else
INLINE vu
multiply_pairs (vw a, vw b)
{
  const vi even = ((vi) a << 16 >> 16) * ((vi) b << 16 >> 16), odd = ((vi) a >> 16) * ((vi) b >> 16);
  return (vu) even + (vu) odd;
}

INLINE vw
zip_words_low (vw a, vw b)
{
  return __builtin_shufflevector (a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

INLINE vw
zip_words_high (vw a, vw b)
{
  return __builtin_shufflevector (a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

INLINE vu
zip_pairs_low (vu a, vu b)
{
  return __builtin_shufflevector (a, b, 0, 4, 1, 5);
}

INLINE vu
zip_pairs_high (vu a, vu b)
{
  return __builtin_shufflevector (a, b, 2, 6, 3, 7);
}

INLINE vu
zip_quads_low (vu a, vu b)
{
  return __builtin_shufflevector (a, b, 0, 1, 4, 5);
}

INLINE vu
zip_quads_high (vu a, vu b)
{
  return __builtin_shufflevector (a, b, 2, 3, 6, 7);
}

INLINE vi
cut_to_byte (vi x)
{
  x &= ~(x < 0);
  return (x & ~(x > 255)) | ((x > 255) & 255);
}

INLINE vw
unzip_bytes (vi low, vi high)
{
  return __builtin_shufflevector ((vw) cut_to_byte (low), (vw) cut_to_byte (high), 0, 2, 4, 6, 8, 10, 12, 14);
}
#endif

/* WORDS bytes, widened to words. */
INLINE vw
load_bytes (const uint8_t *p)
{
#if VL == 16
  return (vw) _mm512_cvtepu8_epi16 (_mm256_loadu_si256 ((const void *) p));
#elif VL == 8
  return (vw) _mm256_cvtepu8_epi16 (_mm_loadu_si128 ((const void *) p));
#elif defined(__SSE2__)
  return (vw) _mm_unpacklo_epi8 (_mm_loadl_epi64 ((const void *) p), _mm_setzero_si128 ());
#else
  return __builtin_convertvector(*(const vbytes *) p, vw);
#endif
}
