/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include "compare.h"
#include "simd.h"

/* Whether any of @n numbers is at least @least. */
INLINE int
reaches (const float *x, unsigned n, float least)
{
  unsigned i = 0;

  if (n >= VL) {
    vf most = all (-INFINITY);
    for (; i + VL <= n; i += VL)
      most = larger (load (x + i), most);
    most = larger (load (x + n - VL), most); /* the last register overlaps the previous one */
    return any (most >= all (least));
  }
  for (; i < n; i++)
    if (x[i] >= least)
      return 1;
  return 0;
}

void
KERNEL (select_candidates) (const float *x, unsigned classes, int has_background, unsigned n, float least,
                            uint32_t *found, unsigned *n_found)
{
  const unsigned first = has_background ? 1 : 0;
  unsigned count = 0;

  for (unsigned i = 0; i < n; i++) {
    const float *row = x + (size_t) i * classes;
    found[count] = i;
    count += (unsigned) reaches (row + first, classes - first, has_background ? row[0] + least : least);
  }
  *n_found = count;
}

/* exp (x) for x <= 0: 2^n times the Taylor series of the rest, |r| <= log (2) / 2. */
INLINE vf
exponential (vf x)
{
  x = larger (x, all (-87));
  const vi n = __builtin_convertvector(x * 1.44269504f - 0.5f, vi);
  const vf whole = __builtin_convertvector(n, vf);
  const vf r = x - whole * 0.693359375f + whole * 2.12194440e-4f; /* log (2) as a sum of two constants */
  vf sum = r * (1.0f / 5040) + 1.0f / 720;
  sum = sum * r + 1.0f / 120;
  sum = sum * r + 1.0f / 24;
  sum = sum * r + 1.0f / 6;
  sum = sum * r + 0.5f;
  sum = sum * r * r + r + 1;
  return sum * (vf) ((n + 127) << 23);
}

/* Register @i of @n numbers, padded with numbers that are never the largest. */
INLINE vf
load_or (const float *x, unsigned i, unsigned n)
{
  float rest[VL];

  if (i + VL <= n)
    return load (x + i);
  for (unsigned k = 0; k < VL; k++)
    rest[k] = i + k < n ? x[i + k] : -INFINITY;
  return load (rest);
}

void
KERNEL (softmax) (const float *x, unsigned n, float *p)
{
  vf most = all (-INFINITY), sum = { 0 };
  float largest = -INFINITY, total = 0;

  for (unsigned i = 0; i < n; i += VL)
    most = larger (load_or (x, i, n), most);
  for (int i = 0; i < VL; i++)
    largest = most[i] > largest ? most[i] : largest;
  for (unsigned i = 0; i < n; i += VL) {
    const vf part = exponential (load_or (x, i, n) - largest);
    store (p + i, part);
    for (unsigned k = n - i; k < VL; k++)
      p[i + k] = 0;
    sum += load (p + i);
  }
  for (int i = 0; i < VL; i++)
    total += sum[i];
  for (unsigned i = 0; i < n; i += VL)
    store (p + i, load (p + i) / total);
}

INLINE vi
numbers_from (unsigned first)
{
  vi n;
  for (int i = 0; i < VL; i++)
    n[i] = (int) first + i;
  return n;
}

void
KERNEL (iou_above) (const float box[4], const float *others, size_t stride, unsigned n, float iou, int *found)
{
  const vf left = all (box[0]), top = all (box[1]), right = all (box[2]), bottom = all (box[3]);
  const vf area = all ((box[2] - box[0]) * (box[3] - box[1]));
  vi hit = { 0 };

  for (unsigned i = 0; i < n; i += VL) {
    const float *other = others + i;
    const vf w = smaller (right, load (other + 2 * stride)) - larger (left, load (other)),
             h = smaller (bottom, load (other + 3 * stride)) - larger (top, load (other + stride));
    const vf both = w * h, either = area + load (other + 4 * stride) - both;
    hit |= (w > 0) & (h > 0) & (both > iou * either) & (numbers_from (i) < (int) n);
  }
  *found = any (hit);
}
