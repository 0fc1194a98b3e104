/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX__)
#include <immintrin.h>
#endif

/* A small vector type on top of the compiler's vector extension. Sources are compiled once per instruction set, with
 * that set's compiler flags, and with DICENET_ISA as suffix of names; the flags determine the register width.
 * DICENET_NARROW: registers of half the width, for rows that would leave much of a whole register unused; there are
 * still 32 of them. */

#if defined(__AVX512F__) && !defined(DICENET_NARROW)
#define VL 16
#elif defined(__AVX__)
#define VL 8
#else
#define VL 4 /* SSE2, NEON */
#endif

typedef float vf __attribute__ ((vector_size (VL * 4), may_alias));
typedef int32_t vi __attribute__ ((vector_size (VL * 4), may_alias));
/* The same without alignment. */
typedef float vfu __attribute__ ((vector_size (VL * 4), may_alias, aligned (4)));

#define JOIN_(a, b)  a##_##b
#define JOIN(a, b)   JOIN_ (a, b)
#define KERNEL(name) JOIN (dicenet_##name, DICENET_ISA)

#define INLINE static inline __attribute__ ((always_inline))

#if defined(__clang__)
#define UNROLL _Pragma ("unroll")
#else
#define UNROLL _Pragma ("GCC unroll 16")
#endif

INLINE vf
load (const float *p)
{
  return *(const vfu *) p;
}

INLINE void
store (float *p, vf v)
{
  *(vfu *) p = v;
}

INLINE vf
all (float x)
{
  return x - (vf){ 0 };
}

#if defined(__AVX2__)
INLINE __m256i
first_lanes (size_t n)
{
  return _mm256_cmpgt_epi32 (_mm256_set1_epi32 ((int) n), _mm256_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

/* Stores the first n lanes, n <= VL: for ends of rows. */
INLINE void
store_first (float *p, vf v, size_t n)
{
#if VL == 16
  _mm512_mask_storeu_ps (p, (__mmask16) ((1u << n) - 1), (__m512) v);
#elif defined(__AVX512VL__)
  _mm256_mask_storeu_ps (p, (__mmask8) ((1u << n) - 1), (__m256) v);
#elif defined(__AVX2__)
  _mm256_maskstore_ps (p, first_lanes (n), (__m256) v);
#else
  float lanes[VL];
  store (lanes, v);
  for (size_t i = 0; i < n; i++)
    p[i] = lanes[i];
#endif
}

/* Loads the first n lanes, n <= VL; the others are zeros. */
INLINE vf
load_first (const float *p, size_t n)
{
#if VL == 16
  return (vf) _mm512_maskz_loadu_ps ((__mmask16) ((1u << n) - 1), p);
#elif defined(__AVX512VL__)
  return (vf) _mm256_maskz_loadu_ps ((__mmask8) ((1u << n) - 1), p);
#elif defined(__AVX2__)
  return (vf) _mm256_maskload_ps (p, first_lanes (n));
#else
  vf v = { 0 };
  for (size_t i = 0; i < n; i++)
    v[i] = p[i];
  return v;
#endif
}

/* All lanes, or the first n if n < VL. */
INLINE void
store_part (float *p, vf v, size_t n)
{
  if (n >= VL)
    store (p, v);
  else
    store_first (p, v, n);
}

INLINE vf
load_part (const float *p, size_t n)
{
  return n >= VL ? load (p) : load_first (p, n);
}

/* Stores the last n lanes of a row in a plane that ends at @end. If storing a part is expensive, and there is room, the
 * other lanes are stored, too: what follows the row in memory must be stored later. */
INLINE void
store_end (float *p, vf v, size_t n, const float *end)
{
#if !defined(__AVX512VL__)
  if (p + VL <= end)
    n = VL;
#else
  (void) end;
#endif
  store_part (p, v, n);
}

/* Position of a row's register @j. If storing a part is expensive, the last register overlaps the previous one, so that
 * it is full, unless the row is shorter than a register. Otherwise, loads do not cross cache lines. */
INLINE size_t
register_at (size_t j, size_t w)
{
#if defined(__AVX512VL__)
  (void) w;
  return j;
#else
  return j + VL <= w || w < VL ? j : w - VL;
#endif
}

/* Forces a single load. Compilers otherwise repeat it for each multiply-add, which can have a memory operand. */
INLINE vf
once (vf x)
{
#if defined(__x86_64__)
  __asm__("" : "+v"(x));
#elif defined(__aarch64__)
  __asm__("" : "+w"(x));
#endif
  return x;
}

INLINE vf
prelu (vf x, vf slope)
{
#if VL == 16
  const __m512 v = (__m512) x;
  return (vf) _mm512_mask_mul_ps (v, _mm512_cmp_ps_mask (v, _mm512_setzero_ps (), _CMP_NGT_UQ), v, (__m512) slope);
#elif defined(__AVX512VL__)
  const __m256 v = (__m256) x;
  return (vf) _mm256_mask_mul_ps (v, _mm256_cmp_ps_mask (v, _mm256_setzero_ps (), _CMP_NGT_UQ), v, (__m256) slope);
#elif defined(__AVX__)
  return (vf) _mm256_blendv_ps ((__m256) x, (__m256) (x * slope), (__m256) x); /* by the sign bit */
#else
  const vi positive = x > 0;
  return (vf) (((vi) x & positive) | ((vi) (x * slope) & ~positive));
#endif
}

/* @positive or @negative, by the sign bit of x: unlike a comparison, this leaves the units that multiply alone. */
INLINE vf
by_sign (vf x, vf positive, vf negative)
{
#if VL == 16
  return (vf) _mm512_mask_blend_ps (_mm512_movepi32_mask ((__m512i) x), (__m512) positive, (__m512) negative);
#elif defined(__AVX512VL__)
  return (vf) _mm256_mask_blend_ps (_mm256_movepi32_mask ((__m256i) x), (__m256) positive, (__m256) negative);
#elif defined(__AVX__)
  return (vf) _mm256_blendv_ps ((__m256) positive, (__m256) negative, (__m256) x);
#else
  const vi is_negative = (vi) x < 0;
  return (vf) (((vi) negative & is_negative) | ((vi) positive & ~is_negative));
#endif
}

/* VL lanes of a and b in a row, from lane n of a on; n is a constant. */
#if VL == 16
#define LANES_FROM(n, a, b) ((vf) _mm512_alignr_epi32 ((__m512i) (b), (__m512i) (a), n))
#elif VL == 8
#define LANES_FROM(n, a, b)                                                                                            \
  ((vf) __builtin_shufflevector (a, b, (n), (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5, (n) + 6, (n) + 7))
#else
#define LANES_FROM(n, a, b) ((vf) __builtin_shufflevector (a, b, (n), (n) + 1, (n) + 2, (n) + 3))
#endif

/* The last lane of before, followed by all but the last of x; and all but the first of x, followed by the first lane of
 * after. */
INLINE vf
shift_up (vf before, vf x)
{
  return LANES_FROM (VL - 1, before, x);
}

INLINE vf
shift_down (vf x, vf after)
{
  return LANES_FROM (1, x, after);
}

/* The lanes @by places after those of @here, -2 to 2, in a row of three registers. */
INLINE vf
shifted (vf before, vf here, vf after, const int by)
{
  return by == -2   ? LANES_FROM (VL - 2, before, here)
         : by == -1 ? shift_up (before, here)
         : by == 1  ? shift_down (here, after)
         : by == 2  ? LANES_FROM (2, here, after)
                    : here;
}

/* Every second lane of two registers, beginning with the first or the second. */
INLINE vf
even_of (vf a, vf b)
{
#if VL == 16
  return (vf) __builtin_shufflevector (a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
#elif VL == 8
  return (vf) __builtin_shufflevector (a, b, 0, 2, 4, 6, 8, 10, 12, 14);
#else
  return (vf) __builtin_shufflevector (a, b, 0, 2, 4, 6);
#endif
}

INLINE vf
odd_of (vf a, vf b)
{
#if VL == 16
  return (vf) __builtin_shufflevector (a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
#elif VL == 8
  return (vf) __builtin_shufflevector (a, b, 1, 3, 5, 7, 9, 11, 13, 15);
#else
  return (vf) __builtin_shufflevector (a, b, 1, 3, 5, 7);
#endif
}

/* p[0], p[2], p[4] ...; reads 2 * VL floats. */
INLINE vf
load_even (const float *p)
{
  return even_of (load (p), load (p + VL));
}

/* p[1], p[3], p[5] ...; reads the same 2 * VL floats. */
INLINE vf
load_odd (const float *p)
{
  return odd_of (load (p), load (p + VL));
}

/* a[0], b[0], a[1], b[1] ... of the first halves, or of the second. */
INLINE vf
zip_low (vf a, vf b)
{
#if VL == 16
  return (vf) __builtin_shufflevector (a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
#elif VL == 8
  return (vf) __builtin_shufflevector (a, b, 0, 8, 1, 9, 2, 10, 3, 11);
#else
  return (vf) __builtin_shufflevector (a, b, 0, 4, 1, 5);
#endif
}

INLINE vf
zip_high (vf a, vf b)
{
#if VL == 16
  return (vf) __builtin_shufflevector (a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif VL == 8
  return (vf) __builtin_shufflevector (a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
  return (vf) __builtin_shufflevector (a, b, 2, 6, 3, 7);
#endif
}

/* Copies a short row without a function call, and without accesses beyond its end. */
INLINE void
copy_row (float *restrict to, const float *restrict from, size_t n)
{
  size_t i = 0;

  for (; i + VL <= n; i += VL)
    store (to + i, once (load (from + i))); /* no call of memcpy() */
  if (i == n)
    return;
#if defined(__AVX512VL__)
  store_first (to + i, load_first (from + i, n - i), n - i);
#else
  if (n >= VL) {
    store (to + n - VL, load (from + n - VL));
    return;
  }
  for (; i < n; i++)
    to[i] = from[i];
#endif
}
