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

/* Registers of output columns from j of @n rows, if their inputs fit two registers. Inputs are permuted within
 * registers, which is several times faster than loading them one by one. Returns 0 if they do not fit. */
INLINE int
resize_window (const float *x, size_t x_stride, float *y, size_t y_stride, unsigned n, const DicenetAxis *a, unsigned j,
               const unsigned taps)
{
  const float *weight = a->weight + j;
  const unsigned last = j + VL <= a->out ? j + VL - 1 : a->out - 1;
  const int first = a->start[j], wanted = a->start[last] + (int) taps - first;
  const size_t left = (size_t) ((int) a->in - first), places = a->out - j;
  const vi at = (vi) load ((const float *) a->start + j) - first;

  if (wanted > 2 * VL)
    return 0;
  x += first;
  y += j;
  if (wanted <= VL)
    for (unsigned i = 0; i < n; i++, x += x_stride, y += y_stride) {
      const vf low = load_part (x, left);
      vf sum = load (weight) * look_up_low (low, at);
      UNROLL
      for (unsigned t = 1; t < taps; t++)
        sum += load (weight + (size_t) t * a->out) * look_up_low (low, at + (int) t);
      store_part (y, sum, places);
    }
  else
    for (unsigned i = 0; i < n; i++, x += x_stride, y += y_stride) {
      const vf low = load (x), high = load_part (x + VL, left - VL);
      vf sum = load (weight) * look_up (low, high, at);
      UNROLL
      for (unsigned t = 1; t < taps; t++)
        sum += load (weight + (size_t) t * a->out) * look_up (low, high, at + (int) t);
      store_part (y, sum, places);
    }
  return 1;
}
#else
INLINE int
resize_window (const float *x, size_t x_stride, float *y, size_t y_stride, unsigned n, const DicenetAxis *a, unsigned j,
               const unsigned taps)
{
  (void) x, (void) x_stride, (void) y, (void) y_stride, (void) n, (void) a, (void) j, (void) taps;
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
resize_taps (const float *x, size_t x_stride, float *y, size_t y_stride, unsigned n, const DicenetAxis *a,
             const unsigned taps)
{
  for (unsigned j = 0; j < a->out; j += VL)
    if (!resize_window (x, x_stride, y, y_stride, n, a, j, taps))
      for (size_t i = 0; i < n; i++)
        resize_columns (x + i * x_stride, y + i * y_stride, a, j, j + VL < a->out ? j + VL : a->out);
}

/* Several rows, which share the permutations. */
static void
resize_rows (const float *x, size_t x_stride, float *y, size_t y_stride, unsigned n, const DicenetAxis *a)
{
  if (a->in == a->out)
    for (size_t i = 0; i < n; i++)
      copy_row (y + i * y_stride, x + i * x_stride, a->out);
  else if (a->taps == 2)
    resize_taps (x, x_stride, y, y_stride, n, a, 2);
  else if (a->taps == 3)
    resize_taps (x, x_stride, y, y_stride, n, a, 3);
  else
    resize_taps (x, x_stride, y, y_stride, n, a, a->taps);
}

/* Source rows with resized columns; row r is at base + r % places * stride. */
typedef struct {
  float *base;
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
  const size_t start = (size_t) a->start[i];
  const float *weight = a->weight + i;

  if (a->taps == 2) {
    const float *r0 = row_of (rows, start), *r1 = row_of (rows, start + 1);
    const vf w0 = all (weight[0]), w1 = all (weight[a->out]);
    for (unsigned j = 0; j < n; j += VL)
      store_part (y + j, w0 * load_part (r0 + j, n - j) + w1 * load_part (r1 + j, n - j), n - j);
    return;
  }
  for (unsigned j = 0; j < n; j += VL) {
    vf sum = { 0 };
    for (unsigned t = 0; t < a->taps; t++)
      sum += all (weight[(size_t) t * a->out]) * load_part (row_of (rows, start + t) + j, n - j);
    store_part (y + j, sum, n - j);
  }
}

/* Scaling up needs the last rows entered, and as many enter at a time. Long rows, which come from memory, enter one by
 * one. */
#define LONG 192

static Rows
new_ring (float *scratch, unsigned w)
{
  return (Rows){ scratch, w > LONG ? 2 : 2 * DICENET_RESIZE_ROWS, dicenet_padded_stride (w) };
}

/* Enters the rows for output row @i that are missing, from @next on, with resized columns into the ring, and some that
 * follow; returns the next row to enter. */
static unsigned
enter_rows (const float *x, size_t x_stride, const Rows *ring, const DicenetAxis *rows, const DicenetAxis *columns,
            unsigned i, unsigned next)
{
  const unsigned first = (unsigned) rows->start[i], end = first + rows->taps;

  next = next > first ? next : first; /* starts are ascending */
  while (next < end) {
    const unsigned at_once = (unsigned) ring->places / 2, batch = at_once - next % at_once,
                   n = rows->in - next < batch ? rows->in - next : batch;
    resize_rows (x + next * x_stride, x_stride, ring->base + next % ring->places * ring->stride, ring->stride, n,
                 columns);
    next += n;
  }
  return next;
}

/* Rows first, some at a time, so that columns share the permutations. */
static void
resize_down (const Rows *source, float *y, size_t y_stride, const DicenetAxis *rows, const DicenetAxis *columns,
             float *scratch)
{
  const size_t stride = dicenet_padded_stride (columns->in);

  for (unsigned i = 0; i < rows->out; i += DICENET_RESIZE_ROWS, y += DICENET_RESIZE_ROWS * y_stride) {
    const unsigned n = rows->out - i < DICENET_RESIZE_ROWS ? rows->out - i : DICENET_RESIZE_ROWS;
    for (unsigned k = 0; k < n; k++)
      blend_rows (source, rows, i + k, scratch + k * stride, columns->in);
    resize_rows (scratch, stride, y, y_stride, n, columns);
  }
}

void
KERNEL (resize) (const float *x, size_t x_stride, float *y, size_t y_stride, const DicenetAxis *rows,
                 const DicenetAxis *columns, float *scratch)
{
  const Rows source = { (float *) x, rows->in, x_stride }, ring = new_ring (scratch, columns->out);
  unsigned next = 0;

  if (rows->in == rows->out)
    resize_rows (x, x_stride, y, y_stride, rows->out, columns);
  else if (columns->in == columns->out)
    for (unsigned i = 0; i < rows->out; i++)
      blend_rows (&source, rows, i, y + i * y_stride, columns->out);
  else if (rows->out < rows->in)
    resize_down (&source, y, y_stride, rows, columns, scratch);
  else
    for (unsigned i = 0; i < rows->out; i++) {
      next = enter_rows (x, x_stride, &ring, rows, columns, i, next);
      blend_rows (&ring, rows, i, y + i * y_stride, columns->out);
    }
}

/* Parameters of one channel. */
typedef struct {
  float gate, scale, bias, slope;
} Merge;

/* One row: w0 * r0 + w1 * r1, added to @fine times its gate, then BatchNorm and PReLU. */
INLINE void
upsample_add_row (const float *r0, const float *r1, float w0, float w1, const float *fine, float *out, unsigned n,
                  const Merge *m)
{
  const vf coarse0 = all (m->scale * w0), coarse1 = all (m->scale * w1), gate = all (m->scale * m->gate),
           bias = all (m->bias), slope = all (m->slope);

  for (unsigned j = 0; j < n; j += VL) {
    const size_t left = n - j;
    const vf sum = bias + coarse0 * load_part (r0 + j, left) + coarse1 * load_part (r1 + j, left) +
                   gate * load_part (fine + j, left);
    store_part (out + j, prelu (sum, slope), left);
  }
}

void
KERNEL (upsample_add) (const DicenetPlanes *x0, const DicenetPlanes *x1, const DicenetPlanes *y,
                       const DicenetUpsampleAdd *merge, unsigned begin, unsigned end, float *scratch)
{
  const DicenetAxis *rows = merge->rows;
  const Rows ring = new_ring (scratch, y->w);
  const int two = rows->taps == 2; /* otherwise one: unscaled, or only one row */

  for (unsigned c = begin; c < end; c++) {
    const Merge m = { merge->gate ? *dicenet_plane (merge->gate, c) : 1, dicenet_channel_or (merge->scale, c, 1),
                      dicenet_channel_or (merge->bias, c, 0), dicenet_channel_or (merge->slope, c, 1) };
    unsigned next = 0;
    for (unsigned i = 0; i < y->h; i++) {
      const size_t first = (size_t) rows->start[i], at = (size_t) i * y->w;
      next = enter_rows (dicenet_plane (x0, c), x0->w, &ring, rows, merge->columns, i, next);
      upsample_add_row (row_of (&ring, first), row_of (&ring, first + two), rows->weight[i],
                        two ? rows->weight[y->h + i] : 0, dicenet_plane (x1, c) + at, dicenet_plane (y, c) + at, y->w,
                        &m);
    }
  }
}
