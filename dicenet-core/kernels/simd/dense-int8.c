/* SPDX-License-Identifier: LGPL-2.1-or-later */
#if defined(__aarch64__)
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif
#include "../int8.h"
#include "compare.h"

/* Dense convolutions with products of integers, compiled for each instruction set. int8.h describes the arithmetic.
 *
 * VPDPBUSD multiplies quads of q by weights. SDOT multiplies signed bytes, x = q - 128; so do SMULL and SADALP, for two
 * products fit 16 bits: 128 * 127 * 2. PMADDUBSW would saturate: q and w take 17 bits and a sign. But it can multiply
 * |x| and weights, of which those where x is negative are complemented, with sign = x < 0 ? -1 : 0:
 *
 *     x * w = |x| * (w ^ sign) - (|x| if x < 0)
 *
 * as -w = (w ^ -1) + 1, and two of these products fit as well. The last term, which is not multiplied by the weight, is
 * what weights of zero add up to; it is the same for all channels. SSE2, which lacks PMADDUBSW, has PMADDWD on numbers
 * of 16 bits, q - zero. */

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define VNNI 1
#else
#define VNNI 0
#endif
#define SIGNS (!VNNI && VL > 4)

/* What is stored instead of q - zero: q, x, or that itself. */
#if VNNI
#define OFFSET(zero) (zero)
#elif SIGNS || defined(__aarch64__)
#define OFFSET(zero) ((zero) -128)
#else
#define OFFSET(zero) 0
#endif

#define PER_UNIT  DICENET_INT8_QUAD
#define ZERO_ADDS SIGNS
#if VNNI || defined(__aarch64__)
#define PARTS 1
#else
#define PARTS 2
#endif

#if VL == 16 || defined(__aarch64__) /* 32 registers */
#define ROWS 8
#else
#define ROWS 4
#endif
#if PARTS == 1
#define WIDE 3
#else
#define WIDE 2
#endif

typedef vi Sum;
typedef struct {
  vf inverse, low, high;
  vi zero; /* in all bytes */
} Rounding;

#include "units.h"

_Static_assert(BLOCK == DICENET_INT8_BLOCK && WIDE * STRIP <= DICENET_INT8_PANEL, "as packed");

static const Unit *
weights_of (const DicenetConv *conv, unsigned cout)
{
  return (const Unit *) conv->int8 + (size_t) 2 * conv->groups * dicenet_int8_blocks (cout, conv->groups) * BLOCK;
}

INLINE vi
rounded (vf x)
{
#if VL == 16
  return (vi) _mm512_cvtps_epi32 ((__m512) x);
#elif VL == 8
  return (vi) _mm256_cvtps_epi32 ((__m256) x);
#elif defined(__aarch64__)
  return (vi) vcvtnq_s32_f32 ((float32x4_t) x);
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
#elif defined(__aarch64__)
  return (vf) vcvtq_f32_s32 ((int32x4_t) x);
#else
  return (vf) _mm_cvtepi32_ps ((__m128i) x);
#endif
}

INLINE Rounding
rounding (const DicenetConv *conv)
{
  const DicenetInt8Input *in = conv->input;
  return (Rounding){ all (in->inverse), all ((float) -in->zero), all ((float) (255 - in->zero)),
                     all_units ((Unit) in->zero * 0x01010101) };
}

/* q - zero */
INLINE vi
quantised (vf x, const Rounding *how)
{
  return rounded (smaller (larger (x * how->inverse, how->low), how->high));
}

#if VL > 4 || defined(__aarch64__)
/* Numbers that fit bytes, each plus @how->zero. */
INLINE vi
bytes_of (const vi *q, const Rounding *how)
{
  return (vi) ((vu) q[0] + ((vu) q[1] << 8) + ((vu) q[2] << 16) + ((vu) q[3] << 24) + (vu) how->zero);
}
#endif

INLINE Inputs
unite (const vf *channels, const Rounding *how)
{
  vi q[PER_UNIT];

  UNROLL
  for (int i = 0; i < PER_UNIT; i++)
    q[i] = quantised (channels[i], how);
#if VNNI
  return (Inputs){ { bytes_of (q, how) } };
#elif defined(__aarch64__)
  return (Inputs){ { bytes_of (q, how) ^ all_units (0x80808080) } };
#elif VL == 16
  const __m512i x = (__m512i) (bytes_of (q, how) ^ all_units (0x80808080));
  return (Inputs){ { (vi) _mm512_abs_epi8 (x), (vi) _mm512_movm_epi8 (_mm512_movepi8_mask (x)) } };
#elif VL == 8
  const __m256i x = (__m256i) (bytes_of (q, how) ^ all_units (0x80808080));
  return (Inputs){ { (vi) _mm256_abs_epi8 (x), (vi) _mm256_cmpgt_epi8 (_mm256_setzero_si256 (), x) } };
#else
  return (Inputs){ { (q[0] & all_units (0xffff)) | (vi) ((vu) q[2] << 16),
                     (q[1] & all_units (0xffff)) | (vi) ((vu) q[3] << 16) } };
#endif
}

INLINE Sum
add_products (Sum sum, Inputs inputs, vi weights)
{
#if defined(__AVX512VNNI__)
  return (vi) _mm512_dpbusd_epi32 ((__m512i) sum, (__m512i) inputs.part[0], (__m512i) weights);
#elif defined(__AVXVNNI__)
  return (vi) _mm256_dpbusd_avx_epi32 ((__m256i) sum, (__m256i) inputs.part[0], (__m256i) weights);
#elif defined(__ARM_FEATURE_DOTPROD)
  return (vi) vdotq_s32 ((int32x4_t) sum, (int8x16_t) inputs.part[0], (int8x16_t) weights);
#elif defined(__aarch64__)
  const int8x16_t x = (int8x16_t) inputs.part[0], w = (int8x16_t) weights;
  const int16x8_t low = vmull_s8 (vget_low_s8 (x), vget_low_s8 (w)), high = vmull_high_s8 (x, w);
  return (vi) vpadalq_s16 ((int32x4_t) sum, vpaddq_s16 (low, high));
#elif VL == 16
  const __m512i pairs = _mm512_maddubs_epi16 ((__m512i) inputs.part[0], (__m512i) (weights ^ inputs.part[1]));
  return sum + (vi) _mm512_madd_epi16 (pairs, _mm512_set1_epi16 (1));
#elif VL == 8
  const __m256i pairs = _mm256_maddubs_epi16 ((__m256i) inputs.part[0], (__m256i) (weights ^ inputs.part[1]));
  return sum + (vi) _mm256_madd_epi16 (pairs, _mm256_set1_epi16 (1));
#else
  const __m128i even = _mm_srai_epi16 (_mm_slli_epi16 ((__m128i) weights, 8), 8),
                odd = _mm_srai_epi16 ((__m128i) weights, 8);
  return sum + (vi) _mm_madd_epi16 ((__m128i) inputs.part[0], even) +
         (vi) _mm_madd_epi16 ((__m128i) inputs.part[1], odd);
#endif
}

/* Sums begin without what the offset adds to them. */
INLINE void
begin_sums (const Group *g, unsigned channel, Ends *ends)
{
  const size_t padded = (size_t) dicenet_int8_blocks (g->n_channels, 1) * BLOCK, at = g->index * padded + channel;
  const float *scales = (const float *) g->conv->int8 + at;
  const Unit *sums = (const Unit *) scales + g->conv->groups * padded;

  UNROLL
  for (int i = 0; i < BLOCK; i += VL) {
    store (ends->scale + i, load (scales + i) * all (g->conv->input->scale));
    store_units (ends->start + i, -(load_units (sums + i) * OFFSET (g->conv->input->zero)));
  }
}

INLINE vf
end_sum (Sum sum, vf scale, vf bias)
{
  return to_float (sum) * scale + bias;
}

#define INT8(name) JOIN (JOIN (dicenet_int8, DICENET_ISA), name)

void
INT8 (conv_pointwise) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, const DicenetTile *tile,
                       float *scratch)
{
  conv_pointwise (x, y, conv, tile, scratch);
}

void
INT8 (conv_dense3x3) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv, unsigned begin,
                      unsigned end, float *scratch)
{
  conv_dense3x3 (x, y, conv, begin, end, scratch);
}
