/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compare.h"
#include "simd.h"

typedef uint8_t vclasses __attribute__ ((vector_size (VL)));

typedef struct {
  const float *a, *b;
  size_t stride;
  vf weight[2];
  unsigned classes;
} Rows;

/* Argmax of VL pixels, beginning at pixel i. */
INLINE vclasses
strongest (const Rows *r, size_t i)
{
  vf best = r->weight[0] * load (r->a + i) + r->weight[1] * load (r->b + i);
  vi class = { 0 };

  for (unsigned c = 1; c < r->classes; c++) {
    const size_t at = c * r->stride + i;
    const vf value = r->weight[0] * load (r->a + at) + r->weight[1] * load (r->b + at);
    class = where_larger (value, best, (int) c - (vi){ 0 }, class);
    best = larger (value, best);
  }
  return __builtin_convertvector(class, vclasses);
}

void
KERNEL (argmax) (const float *a, const float *b, size_t stride, const float weight[2], unsigned classes, uint8_t *out,
                 unsigned width)
{
  const Rows r = { a, b, stride, { all (weight[0]), all (weight[1]) }, classes };
  size_t i = 0;

  for (; i + VL <= width; i += VL) {
    const vclasses found = strongest (&r, i);
    memcpy (out + i, &found, VL);
  }
  if (i == width)
    return;
  const vclasses found = strongest (&r, i);
  memcpy (out + i, &found, width - i);
}
