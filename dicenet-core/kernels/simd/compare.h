/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "vec.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* Comparisons for which compilers do not find the best instructions. */

/* a > b ? a : b, lane by lane; b if one is NaN. */
INLINE vf
larger (vf a, vf b)
{
#if VL == 16
  return (vf) _mm512_max_ps ((__m512) a, (__m512) b);
#elif VL == 8
  return (vf) _mm256_max_ps ((__m256) a, (__m256) b);
#elif defined(__SSE2__)
  return (vf) _mm_max_ps ((__m128) a, (__m128) b);
#else
  const vi more = a > b;
  return (vf) (((vi) a & more) | ((vi) b & ~more));
#endif
}

/* a < b ? a : b, lane by lane; b if one is NaN. */
INLINE vf
smaller (vf a, vf b)
{
#if VL == 16
  return (vf) _mm512_min_ps ((__m512) a, (__m512) b);
#elif VL == 8
  return (vf) _mm256_min_ps ((__m256) a, (__m256) b);
#elif defined(__SSE2__)
  return (vf) _mm_min_ps ((__m128) a, (__m128) b);
#else
  const vi less = a < b;
  return (vf) (((vi) a & less) | ((vi) b & ~less));
#endif
}

/* a > b ? yes : no */
INLINE vi
where_larger (vf a, vf b, vi yes, vi no)
{
#if VL == 16
  return (vi) _mm512_mask_mov_epi32 ((__m512i) no, _mm512_cmp_ps_mask ((__m512) a, (__m512) b, _CMP_GT_OQ),
                                     (__m512i) yes);
#else
  const vi more = a > b;
  return (yes & more) | (no & ~more);
#endif
}

/* Whether any lane is not 0. */
INLINE int
any (vi which)
{
#if VL == 16
  return _mm512_test_epi32_mask ((__m512i) which, (__m512i) which) != 0;
#else
  int32_t either = 0;
  for (int i = 0; i < VL; i++)
    either |= which[i];
  return either != 0;
#endif
}
