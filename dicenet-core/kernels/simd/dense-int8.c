/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <immintrin.h>
#include "../int8.h"
#include "compare.h"

/* Dense convolutions with products of integers, compiled for each instruction set: with AVX512-VNNI four products per
 * lane, else two. int8.h describes the arithmetic. */

#if defined(__AVX512VNNI__)
#define PER_UNIT     DICENET_INT8_QUADS
#define INT8(name)   dicenet_int8_vnni_##name
#define OFFSET(zero) (zero) /* bytes are unsigned: the zero point is subtracted from sums */
#else
#define PER_UNIT     DICENET_INT8_PAIRS
#define INT8(name)   JOIN (JOIN (dicenet_int8, DICENET_ISA), name)
#define OFFSET(zero) 0
#endif

#define PARTS     1
#define ZERO_ADDS 0
#if VL == 16
#define ROWS 8
#define WIDE 3
#else
#define ROWS 4
#define WIDE 2
#endif

typedef vi Sum;
typedef struct {
  vf inverse, low, high;
  vi zero; /* in all of a unit's values */
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

INLINE Rounding
rounding (const DicenetConv *conv)
{
  const DicenetInt8Input *in = conv->input;
  return (Rounding){ all (in->inverse), all ((float) -in->zero), all ((float) (255 - in->zero)),
                     all_units ((Unit) OFFSET (in->zero) * 0x01010101) };
}

/* q - zero */
INLINE vi
quantised (vf x, const Rounding *how)
{
  return rounded (smaller (larger (x * how->inverse, how->low), how->high));
}

INLINE Inputs
unite (const vf *channels, const Rounding *how)
{
  vi q[PER_UNIT];

  UNROLL
  for (int i = 0; i < PER_UNIT; i++)
    q[i] = quantised (channels[i], how);
#if PER_UNIT == DICENET_INT8_QUADS
  /* The sum of both parts, q - zero and zero, is q in each byte. */
  return (Inputs){ { (vi) ((vu) q[0] + ((vu) q[1] << 8) + ((vu) q[2] << 16) + ((vu) q[3] << 24) + (vu) how->zero) } };
#else
  return (Inputs){ { (q[0] & all_units (0xffff)) | (vi) ((vu) q[1] << 16) } };
#endif
}

INLINE Sum
add_products (Sum sum, Inputs inputs, vi weights)
{
#if defined(__AVX512VNNI__)
  return (vi) _mm512_dpbusd_epi32 ((__m512i) sum, (__m512i) inputs.part[0], (__m512i) weights);
#elif VL == 16
  return sum + (vi) _mm512_madd_epi16 ((__m512i) inputs.part[0], (__m512i) weights);
#elif VL == 8
  return sum + (vi) _mm256_madd_epi16 ((__m256i) inputs.part[0], (__m256i) weights);
#else
  return sum + (vi) _mm_madd_epi16 ((__m128i) inputs.part[0], (__m128i) weights);
#endif
}

/* Sums begin without what the offset of the inputs adds to them. */
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
