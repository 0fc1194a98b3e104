/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <immintrin.h>
#include "../bf16.h"
#include "vec.h"

/* Dense convolutions with VDPBF16PS, which adds the products of two pairs to each of 16 sums. Sums begin with the bias.
 */

#define PER_UNIT  2
#define PARTS     1
#define ROWS      8
#define WIDE      3
#define ZERO_ADDS 0

typedef vf Sum;
typedef struct {
  char unused; /* there is nothing to know */
} Rounding;

#include "units.h"

_Static_assert(BLOCK == DICENET_BF16_BLOCK && WIDE * STRIP <= DICENET_BF16_PANEL, "as packed");

static const Unit *
weights_of (const DicenetConv *conv, unsigned cout)
{
  return (const Unit *) conv->bf16;
}

INLINE Rounding
rounding (const DicenetConv *conv)
{
  return (Rounding){ 0 };
}

INLINE Inputs
unite (const vf *channels, const Rounding *how)
{
  static const uint16_t order[] = { 0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                    8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31 };
  return (Inputs){ { (vi) _mm512_permutexvar_epi16 (
      _mm512_loadu_si512 (order), (__m512i) _mm512_cvtne2ps_pbh ((__m512) channels[1], (__m512) channels[0])) } };
}

INLINE Sum
add_products (Sum sum, Inputs inputs, vi weights)
{
  return (vf) _mm512_dpbf16_ps ((__m512) sum, (__m512bh) inputs.part[0], (__m512bh) weights);
}

INLINE void
begin_sums (const Group *g, unsigned channel, Ends *ends)
{
  memcpy (ends->start, ends->bias, sizeof ends->start);
}

INLINE vf
end_sum (Sum sum, vf scale, vf bias)
{
  return sum;
}

void
dicenet_bf16_avx512_conv_pointwise (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,
                                    const DicenetTile *tile, float *scratch)
{
  conv_pointwise (x, y, conv, tile, scratch);
}

void
dicenet_bf16_avx512_conv_dense3x3 (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,
                                   unsigned begin, unsigned end, float *scratch)
{
  conv_dense3x3 (x, y, conv, begin, end, scratch);
}

/* --- on one pixel --- */

/* Number of independent sums, which hides the latency of the additions. */
#define CHAINS 8

static __m512
vector_block (const Unit *w, const Unit *x, size_t pairs)
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
    _mm512_storeu_ps (sum, vector_block ((const Unit *) conv->bf16 + (size_t) b * pairs * STRIP,
                                         (const Unit *) scratch + group * pairs, pairs));
    for (unsigned r = 0; r < count; r++)
      *dicenet_plane (y, first + r) = activate_one (sum[r] + (conv->bias ? conv->bias[first + r] : 0), conv, first + r);
  }
}
