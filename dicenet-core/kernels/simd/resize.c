/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simd.h"
#include "vec.h"

/* Columns first, into a ring of as many rows as an output row is made of, then rows; either alone where that is all. */

#if defined(__AVX512F__)
#define WINDOW (2 * VL)

/* One register of output columns from j, if the inputs that it is made of fit two registers: taken from them by
 * permutation, which is several times faster than from memory one by one. */
static inline int
resize_window (const float *restrict x, float *restrict y, const DicenetAxis *a, unsigned j)
{
  const int first = a->start[j], end = a->start[j + VL - 1] + (int) a->taps;

  if (end - first > WINDOW)
    return 0;
  /* Not past the last input: rows end where memory may. */
  const int base = first + WINDOW <= (int) a->in ? first : (int) a->in - WINDOW;
  if (base < 0)
    return 0;
  const __m512 low = _mm512_loadu_ps (x + base), high = _mm512_loadu_ps (x + base + VL);
  __m512i at = _mm512_sub_epi32 (_mm512_loadu_si512 (a->start + j), _mm512_set1_epi32 (base));
  __m512 sum = _mm512_setzero_ps ();
  for (unsigned t = 0; t < a->taps; t++) {
    sum = _mm512_fmadd_ps (_mm512_loadu_ps (a->weight + (size_t) t * a->out + j),
                           _mm512_permutex2var_ps (low, at, high), sum);
    at = _mm512_add_epi32 (at, _mm512_set1_epi32 (1));
  }
  _mm512_storeu_ps (y + j, sum);
  return 1;
}
#else
static inline int
resize_window (const float *restrict x, float *restrict y, const DicenetAxis *a, unsigned j)
{
  (void) x, (void) y, (void) a, (void) j;
  return 0;
}
#endif

static void
resize_columns (const float *restrict x, float *restrict y, const DicenetAxis *a, unsigned begin, unsigned end)
{
  const float *restrict w = a->weight;
  const int *restrict start = a->start;

  for (unsigned j = begin; j < end; j++)
    y[j] = w[j] * x[start[j]];
  for (unsigned t = 1; t < a->taps; t++) {
    w += a->out;
    for (unsigned j = begin; j < end; j++)
      y[j] += w[j] * x[start[j] + (int) t];
  }
}

static void
resize_row (const float *restrict x, float *restrict y, const DicenetAxis *a)
{
  if (a->taps == 1 && a->in == a->out) {
    memcpy (y, x, a->out * sizeof *y);
    return;
  }
  unsigned j = 0;
  for (; j + VL <= a->out; j += VL)
    if (!resize_window (x, y, a, j))
      resize_columns (x, y, a, j, j + VL);
  if (j == a->out)
    return;
  if (a->out < VL || !resize_window (x, y, a, a->out - VL)) /* the last register begins where it is full */
    resize_columns (x, y, a, j, a->out);
}

/* Source rows with their columns resized, row r at base + r % places * stride. */
typedef struct {
  const float *base;
  size_t places, stride;
} Rows;

static const float *
row_of (const Rows *rows, size_t r)
{
  return rows->base + r % rows->places * rows->stride;
}

static void
blend_rows (const Rows *rows, const DicenetAxis *a, unsigned i, float *restrict y, unsigned n)
{
  const size_t first = (size_t) a->start[i];
  const float *restrict r0 = row_of (rows, first), w0 = a->weight[i];

  if (a->taps == 2) { /* bilinear */
    const float *restrict r1 = row_of (rows, first + 1), w1 = a->weight[a->out + i];
    for (unsigned j = 0; j < n; j++)
      y[j] = w0 * r0[j] + w1 * r1[j];
    return;
  }
  for (unsigned j = 0; j < n; j++)
    y[j] = w0 * r0[j];
  for (unsigned t = 1; t < a->taps; t++) {
    const float *restrict r = row_of (rows, first + t), w = a->weight[(size_t) t * a->out + i];
    for (unsigned j = 0; j < n; j++)
      y[j] += w * r[j];
  }
}

void
KERNEL (resize) (const float *x, size_t x_stride, float *y, size_t y_stride, const DicenetAxis *rows,
                 const DicenetAxis *columns, float *scratch)
{
  const unsigned n = columns->out;

  if (rows->in == rows->out) { /* columns only */
    for (unsigned i = 0; i < rows->out; i++)
      resize_row (x + i * x_stride, y + i * y_stride, columns);
    return;
  }
  if (columns->in == columns->out) { /* rows only */
    const Rows source = { x, rows->in, x_stride };
    for (unsigned i = 0; i < rows->out; i++)
      blend_rows (&source, rows, i, y + i * y_stride, n);
    return;
  }
  const Rows ring = { scratch, (size_t) rows->taps + 1, n };
  unsigned next = 0; /* source row that enters the ring next; starts never go back */
  for (unsigned i = 0; i < rows->out; i++) {
    const unsigned first = (unsigned) rows->start[i], end = first + rows->taps;
    next = next > first ? next : first;
    for (; next < end; next++)
      resize_row (x + next * x_stride, scratch + next % ring.places * n, columns);
    blend_rows (&ring, rows, i, y + i * y_stride, n);
  }
}
