/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simd.h"
#include "vec.h"

/* The axis that reduces the data first: if rows are scaled up, columns are scaled first, into a ring of as many rows as
 * an output row needs; if rows are scaled down, they are scaled before columns. If only one axis is scaled, the other
 * step is skipped. */

#if VL >= 8
INLINE vf
look_up_low (vf low, vi at)
{
#if VL == 16
  return (vf) _mm512_permutexvar_ps ((__m512i) at, (__m512) low);
#else
  return (vf) _mm256_permutevar8x32_ps ((__m256) low, (__m256i) at);
#endif
}

/* For each lane, the float at an index into two adjacent registers. */
INLINE vf
look_up (vf low, vf high, vi at)
{
#if VL == 16
  return (vf) _mm512_permutex2var_ps ((__m512) low, (__m512i) at, (__m512) high);
#else
  const vf a = look_up_low (low, at), b = look_up_low (high, at);
  return (vf) _mm256_blendv_ps ((__m256) a, (__m256) b,
                                (__m256) (at << 28)); /* bit 3 of the index selects the register */
#endif
}

/* A register of output columns from j, if its inputs fit two registers. Inputs are permuted within registers, which is
 * several times faster than loading them one by one. Returns 0 if they do not fit. */
INLINE int
resize_window (const float *x, const DicenetAxis *a, unsigned j, vf *out, const unsigned taps)
{
  const float *weight = a->weight + j;
  const unsigned last = j + VL <= a->out ? j + VL - 1 : a->out - 1, n = a->out;
  const int first = a->start[j], wanted = a->start[last] + (int) taps - first;
  const size_t left = (size_t) ((int) a->in - first);

  if (wanted > 2 * VL)
    return 0;
  vi at = (vi) load ((const float *) a->start + j) - first;
  const vf low = load_part (x + first, left);
  vf sum = { 0 };
  if (wanted <= VL) {
    UNROLL
    for (unsigned t = 0; t < taps; t++, at += 1)
      sum += load (weight + (size_t) t * n) * look_up_low (low, at);
  } else {
    const vf high = load_part (x + first + VL, left - VL);
    UNROLL
    for (unsigned t = 0; t < taps; t++, at += 1)
      sum += load (weight + (size_t) t * n) * look_up (low, high, at);
  }
  *out = sum;
  return 1;
}
#else
INLINE int
resize_window (const float *x, const DicenetAxis *a, unsigned j, vf *out, const unsigned taps)
{
  (void) x, (void) a, (void) j, (void) out, (void) taps;
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

INLINE void
resize_taps (const float *restrict x, float *restrict y, const DicenetAxis *a, const unsigned taps)
{
  const unsigned n = a->out;

  for (unsigned j = 0; j < n; j += VL) {
    vf value;
    if (resize_window (x, a, j, &value, taps))
      store_part (y + j, value, n - j);
    else
      resize_columns (x, y, a, j, j + VL < n ? j + VL : n);
  }
}

static void
resize_row (const float *x, float *y, const DicenetAxis *a)
{
  if (a->in == a->out)
    copy_row (y, x, a->out);
  else if (a->taps == 2)
    resize_taps (x, y, a, 2);
  else
    resize_taps (x, y, a, a->taps);
}

/* Source rows with resized columns; row r is at base + r % places * stride. */
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
  const float *first = row_of (rows, (size_t) a->start[i]), *end = rows->base + rows->places * rows->stride;

  for (unsigned j = 0; j < n; j += VL) {
    const float *row = first;
    vf sum = { 0 };
    for (unsigned t = 0; t < a->taps; t++) {
      sum += all (a->weight[(size_t) t * a->out + i]) * load_part (row + j, n - j);
      row = row + rows->stride < end ? row + rows->stride : rows->base;
    }
    store_part (y + j, sum, n - j);
  }
}

/* Enters the rows for output row @i that are missing, from @next on, with resized columns into the ring; returns the
 * next row to enter. */
static unsigned
enter_rows (const float *x, size_t x_stride, float *ring, const DicenetAxis *rows, const DicenetAxis *columns,
            unsigned i, unsigned next)
{
  const unsigned first = (unsigned) rows->start[i], end = first + rows->taps;

  for (next = next > first ? next : first; next < end; next++) /* starts are ascending */
    resize_row (x + next * x_stride, ring + next % (rows->taps + 1) * columns->out, columns);
  return next;
}

void
KERNEL (resize) (const float *x, size_t x_stride, float *y, size_t y_stride, const DicenetAxis *rows,
                 const DicenetAxis *columns, float *scratch)
{
  const Rows source = { x, rows->in, x_stride }, ring = { scratch, (size_t) rows->taps + 1, columns->out };
  unsigned next = 0;

  for (unsigned i = 0; i < rows->out; i++, y += y_stride) {
    if (rows->in == rows->out)
      resize_row (x + i * x_stride, y, columns);
    else if (columns->in == columns->out)
      blend_rows (&source, rows, i, y, columns->out);
    else if (rows->out < rows->in) {
      blend_rows (&source, rows, i, scratch, columns->in);
      resize_row (scratch, y, columns);
    } else {
      next = enter_rows (x, x_stride, scratch, rows, columns, i, next);
      blend_rows (&ring, rows, i, y, columns->out);
    }
  }
}

/* Parameters of one channel. */
typedef struct {
  float gate, scale, bias, slope;
} Merge;

/* One row: coarse = w0 * r0 + w1 * r1, added to @fine times its gate, then BatchNorm and PReLU. */
INLINE void
upsample_add_row (const float *r0, const float *r1, float w0, float w1, const float *fine, float *out, unsigned n,
                  const Merge *m)
{
  for (unsigned j = 0; j < n; j += VL) {
    const size_t left = n - j;
    const vf coarse = w0 * load_part (r0 + j, left) + w1 * load_part (r1 + j, left),
             sum = coarse + m->gate * load_part (fine + j, left);
    store_part (out + j, prelu (m->scale * sum + m->bias, all (m->slope)), left);
  }
}

void
KERNEL (upsample_add) (const DicenetPlanes *x0, const DicenetPlanes *x1, const DicenetPlanes *y,
                       const DicenetUpsampleAdd *merge, unsigned begin, unsigned end, float *scratch)
{
  const DicenetAxis *rows = merge->rows;
  const Rows ring = { scratch, (size_t) rows->taps + 1, y->w };
  const int two = rows->taps == 2; /* otherwise one: unscaled, or only one row */

  for (unsigned c = begin; c < end; c++) {
    const Merge m = { merge->gate ? *dicenet_plane (merge->gate, c) : 1, dicenet_channel_or (merge->scale, c, 1),
                      dicenet_channel_or (merge->bias, c, 0), dicenet_channel_or (merge->slope, c, 1) };
    unsigned next = 0;
    for (unsigned i = 0; i < y->h; i++) {
      const size_t first = (size_t) rows->start[i], at = (size_t) i * y->w;
      next = enter_rows (dicenet_plane (x0, c), x0->w, scratch, rows, merge->columns, i, next);
      upsample_add_row (row_of (&ring, first), row_of (&ring, first + two), rows->weight[i],
                        two ? rows->weight[y->h + i] : 0, dicenet_plane (x1, c) + at, dicenet_plane (y, c) + at, y->w,
                        &m);
    }
  }
}
