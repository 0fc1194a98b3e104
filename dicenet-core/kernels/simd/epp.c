/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simd.h"
#include "conv3x3.h"

/* The EPP unit, channel by channel, some rows at a time. For scales above the input's, scaling up, the convolution and
 * scaling down are combined to a few taps per axis (DicenetComposedAxis). Each input row becomes three rows, one per
 * column of the kernel, which are then summed with the kernel's rows. The plane at the larger scale, up to four times
 * the input, is never stored. */

#define RING DICENET_EPP_RING /* >= DICENET_COMPOSED_TAPS + ENTER - 1 */

#define WIDE 2 /* registers of columns at a time */

/* Number of rows that enter the ring at a time. */
#if VL == 16
#define ENTER 4
#else
#define ENTER 2
#endif

/* Buffers of the kernel. The rows in progress begin at padded row @first - 1; there are DICENET_EPP_ROWS + 2 of
 * them. */
typedef struct {
  const DicenetEpp *p;
  unsigned channels, c, h, w; /* c: current channel */
  size_t stride;
  float *padded;                       /* the channel with zero padding */
  float *taps[DICENET_EPP_BRANCHES];   /* above the input's scale: [column of the kernel][tap][padded h] */
  float *before[DICENET_EPP_BRANCHES]; /* below: padded planes of that scale before and after the convolution */
  float *after[DICENET_EPP_BRANCHES];
  float *wide[DICENET_EPP_BRANCHES];    /* below: with columns scaled back */
  float *scratch[DICENET_EPP_BRANCHES]; /* below: scratch of resize */
  float *ring;                          /* [column of the kernel][RING] rows */
  float *rows[DICENET_EPP_BRANCHES];
} Work;

static float *
take (float **at, size_t n)
{
  float *here = *at;
  *at += n;
  return here;
}

/* Divides the scratch, whose size is dicenet_epp_scratch(). */
static void
lay_out (Work *k, float *at)
{
  k->padded = take (&at, dicenet_padded_floats (k->h, k->w));
  for (unsigned s = 0; s < DICENET_EPP_IDENTITY; s++)
    k->taps[s] = take (&at, 3 * DICENET_COMPOSED_TAPS * dicenet_composed_stride (k->h));
  for (unsigned s = 0; s < DICENET_EPP_BRANCHES; s++)
    k->rows[s] = take (&at, (DICENET_EPP_ROWS + 2) * k->stride) + DICENET_PAD;
  k->ring = take (&at, 3 * RING * k->stride + 3 * DICENET_PAD) + DICENET_PAD; /* zeros follow the last row, too */
  for (unsigned s = DICENET_EPP_IDENTITY + 1; s < DICENET_EPP_BRANCHES; s++) {
    const unsigned h = k->p->branches[s].h, w = k->p->branches[s].w;
    k->before[s] = take (&at, dicenet_padded_floats (h, w));
    k->after[s] = take (&at, dicenet_padded_floats (h, w));
    k->wide[s] = take (&at, h * k->stride);
    k->scratch[s] = take (&at, dicenet_epp_resize_scratch (k->w, w));
  }
}

/* --- scales above the input's --- */

/* Combines the kernel's rows with both scalings: taps[b][t][i] = sum over a of kernel[a][b] * composed
 * axis[a][t][i]. */
static void
multiply_taps (const float *kernel, const DicenetComposedAxis *composed, float *taps)
{
  const size_t n = dicenet_composed_stride (composed->n);

  for (unsigned b = 0; b < 3; b++) {
    for (size_t at = 0; at < composed->taps * n; at += VL) {
      vf sum = { 0 };
      for (unsigned a = 0; a < 3; a++)
        sum += all (kernel[3 * a + b]) * load (composed->weight + a * composed->taps * n + at);
      store (taps + b * composed->taps * n + at, sum);
    }
  }
}

/* The taps of each column of the kernel that are not 0 if scales are exactly 2 and 1.5. */
#define NARROW_BEGIN(taps, b) ((taps) == 5 ? (b) : (b) == 2)
#define NARROW_END(taps, b)   ((taps) == 5 ? (b) + 3 : (b) == 0 ? 2 : 3)

static int
is_narrow (const DicenetComposedAxis *composed)
{
  for (unsigned b = 0; b < 3; b++)
    if (composed->part[b].begin < (unsigned) NARROW_BEGIN (composed->taps, b) ||
        composed->part[b].end > (unsigned) NARROW_END (composed->taps, b))
      return 0;
  return 1;
}

/* Enters ENTER rows of the input, stride apart: each becomes three rows of the ring, one per column of the kernel. */
INLINE void
enter_rows (const DicenetComposedAxis *composed, const float *rows, size_t stride, float *const *to,
            const unsigned taps, const int narrow)
{
  const size_t n = dicenet_composed_stride (composed->n);

  for (size_t at = 0; at < n; at += VL) {
    vf sum[ENTER][3] = { { { 0 } } };
    UNROLL
    for (unsigned t = 0; t < taps; t++) {
      const float *from = rows + (long) at + composed->first + (int) t;
      vf x[ENTER];
      UNROLL
      for (unsigned i = 0; i < ENTER; i++)
        x[i] = once (load (from + i * stride));
      UNROLL
      for (unsigned b = 0; b < 3; b++) {
        if (narrow && ((int) t < NARROW_BEGIN (taps, (int) b) || (int) t >= NARROW_END (taps, (int) b)))
          continue;
        const vf weight = once (load (composed->weight + (b * taps + t) * n + at));
        UNROLL
        for (unsigned i = 0; i < ENTER; i++)
          sum[i][b] += weight * x[i];
      }
    }
    UNROLL
    for (unsigned i = 0; i < ENTER; i++)
      UNROLL
    for (unsigned b = 0; b < 3; b++)
      store (to[i] + b * RING * stride + at, sum[i][b]);
  }
}

/* Enters rows [next, end); up to ENTER - 1 unused rows may follow. */
static unsigned
fill_ring (const Work *k, const DicenetComposedAxis *composed, int narrow, unsigned next, unsigned end)
{
  for (; next < end; next += ENTER) {
    const float *rows = k->padded + (next + 1) * k->stride + DICENET_PAD;
    float *to[ENTER];
    for (unsigned i = 0; i < ENTER; i++)
      to[i] = k->ring + (next + i) % RING * k->stride;
    if (composed->taps == 3 && narrow)
      enter_rows (composed, rows, k->stride, to, 3, 1);
    else if (composed->taps == 5 && narrow)
      enter_rows (composed, rows, k->stride, to, 5, 1);
    else if (composed->taps == 5)
      enter_rows (composed, rows, k->stride, to, 5, 0);
    else
      enter_rows (composed, rows, k->stride, to, composed->taps, 0);
  }
  return next;
}

/* Computes row i from the ring; rows[t] is the ring's row for tap t and the kernel's first column. */
INLINE void
up_row (const Work *k, unsigned s, unsigned i, const float *const *rows, float *out, const unsigned taps)
{
  const size_t n = dicenet_composed_stride (k->h), channel = (size_t) s * k->channels + k->c;
  const vf bias = all (k->p->bias[channel]), slope = all (k->p->slope[channel]);
  vf weight[3 * DICENET_COMPOSED_TAPS];

  UNROLL
  for (unsigned t = 0; t < 3 * taps; t++)
    weight[t] = all (k->taps[s][t * n + i]);
  for (size_t at = 0; at < k->w; at += VL) {
    vf sum[2] = { bias, { 0 } };
    UNROLL
    for (unsigned b = 0; b < 3; b++)
      UNROLL
    for (unsigned t = 0; t < taps; t++)
      sum[(b * taps + t) % 2] += weight[b * taps + t] * load (rows[t] + b * RING * k->stride + at);
    store_part (out + at, prelu (sum[0] + sum[1], slope), k->w - at);
  }
}

/* Computes rows [begin, end) of scale s; out is row @begin. */
static void
up_rows (const Work *k, unsigned s, unsigned begin, unsigned end, float *out)
{
  const DicenetComposedAxis *composed = k->p->branches[s].composed_rows, *columns = k->p->branches[s].composed_columns;
  const unsigned taps = composed->taps;
  const int narrow = is_narrow (columns);
  long next = (long) begin + composed->first > 0 ? (long) begin + composed->first : 0;

  for (unsigned i = begin; i < end; i++, out += k->stride) {
    const float *rows[DICENET_COMPOSED_TAPS];
    const long first = (long) i + composed->first, last = first + (long) taps;
    next = fill_ring (k, columns, narrow, (unsigned) next, last < (long) k->h ? (unsigned) last : k->h);
    for (unsigned t = 0; t < taps; t++) {
      const long row = first + (long) t, inside = row < 0 ? 0 : row < (long) k->h ? row : (long) k->h - 1;
      rows[t] = k->ring + (size_t) (inside % RING) * k->stride; /* if clamped, the weight is 0 */
    }
    if (taps == 3)
      up_row (k, s, i, rows, out, 3);
    else if (taps == 5)
      up_row (k, s, i, rows, out, 5);
    else
      up_row (k, s, i, rows, out, taps);
  }
}

/* --- convolution --- */

typedef struct {
  const float *planes[DICENET_EPP_BRANCHES]; /* the row above the first output row */
  size_t stride;
  const float *weight; /* [plane][3][3] */
  float bias, slope;
  float *out;
  size_t out_stride;
  unsigned w;
} Convolution;

/* Computes rows row .. row + n - 1. */
INLINE void
convolve_rows (const Convolution *v, unsigned row, const Tap weight[9], const unsigned n_planes, const int n,
               const int wide)
{
  for (size_t at = 0; at < v->w; at += wide * VL) {
    vf sum[4 * WIDE];
    UNROLL
    for (int i = 0; i < n * wide; i++)
      sum[i] = all (v->bias);
    if (n_planes == 1)
      conv3x3 (v->planes[0] + row * v->stride, v->stride, at, weight, sum, n, wide, 1);
    else
      for (unsigned s = 0; s < n_planes; s++) {
        Tap taps[9];
        load_kernel (v->weight + 9 * (size_t) s, taps);
        conv3x3 (v->planes[s] + row * v->stride, v->stride, at, taps, sum, n, wide, 1);
      }
    UNROLL
    for (int i = 0; i < n * wide; i++) {
      const size_t from = at + (size_t) (i % wide * VL);
      if (from < v->w)
        store_part (v->out + (row + (unsigned) (i / wide)) * v->out_stride + from, prelu (sum[i], all (v->slope)),
                    v->w - from);
    }
  }
}

INLINE void
convolve (const Convolution *v, unsigned rows, const unsigned n_planes, const int wide)
{
  unsigned i = 0;
  Tap weight[9];

  load_kernel (v->weight, weight);
  for (; i + 4 <= rows; i += 4)
    convolve_rows (v, i, weight, n_planes, 4, wide);
  if (i < rows && rows >= 4) /* the last four, some of which are computed again */
    convolve_rows (v, rows - 4, weight, n_planes, 4, wide);
  else
    for (; i < rows; i++)
      convolve_rows (v, i, weight, n_planes, 1, wide);
}

/* --- scales below the input's --- */

static void
prepare_down (const Work *k, const float *x, unsigned s)
{
  const DicenetEppBranch *scale = &k->p->branches[s];
  const size_t stride = dicenet_padded_stride (scale->w);
  const DicenetAxis same = { .in = scale->h, .out = scale->h };
  const Convolution v = { { k->before[s] + DICENET_PAD },
                          stride,
                          k->p->weight + 9 * ((size_t) s * k->channels + k->c),
                          0,
                          1,
                          k->after[s],
                          stride,
                          scale->w };

  KERNEL (resize)
  (x, k->w, dicenet_padded_origin (k->before[s], scale->w), stride, scale->rows, scale->columns, k->scratch[s]);
  convolve (&v, scale->h, 1, 1);
  KERNEL (resize) (k->after[s], stride, k->wide[s], k->stride, &same, scale->columns_back, NULL);
}

static void
down_rows (const Work *k, unsigned s, unsigned begin, unsigned end, float *out)
{
  const DicenetAxis *rows = k->p->branches[s].rows_back;
  const size_t channel = (size_t) s * k->channels + k->c;
  const float bias = k->p->bias[channel], slope = k->p->slope[channel];

  for (unsigned i = begin; i < end; i++, out += k->stride) {
    const int two = rows->taps == 2; /* otherwise one: unscaled, or only one row */
    const float *r0 = k->wide[s] + (size_t) rows->start[i] * k->stride, *r1 = r0 + (two ? k->stride : 0);
    const float w0 = rows->weight[i], w1 = two ? rows->weight[k->h + i] : 0;
    for (size_t at = 0; at < k->w; at += VL) {
      const vf value = w0 * load (r0 + at) + (w1 * load (r1 + at) + all (bias));
      store_part (out + at, prelu (value, all (slope)), k->w - at);
    }
  }
}

/* --- all --- */

static void
own_rows (const Work *k, unsigned begin, unsigned end, float *out)
{
  const size_t channel = (size_t) DICENET_EPP_IDENTITY * k->channels + k->c;
  const Convolution v = { { k->padded + begin * k->stride + DICENET_PAD },
                          k->stride,
                          k->p->weight + 9 * channel,
                          k->p->bias[channel],
                          k->p->slope[channel],
                          out,
                          k->stride,
                          k->w };

  convolve (&v, end - begin, 1, 1);
}

/* Computes rows [begin, end) of scale s at k->rows[s] + (row - first + 1) * stride. */
static void
scale_rows (const Work *k, unsigned s, unsigned first, unsigned begin, unsigned end)
{
  float *out = k->rows[s] + (begin - first + 1) * k->stride;

  if (s < DICENET_EPP_IDENTITY)
    up_rows (k, s, begin, end, out);
  else if (s == DICENET_EPP_IDENTITY)
    own_rows (k, begin, end, out);
  else
    down_rows (k, s, begin, end, out);
  if (end == k->h)
    memset (out + (end - begin) * k->stride, 0, k->w * sizeof *out);
}

static void
epp_band (const Work *k, unsigned first, float *out)
{
  const unsigned n = first + DICENET_EPP_ROWS < k->h ? DICENET_EPP_ROWS : k->h - first,
                 end = first + n < k->h ? first + n + 1 : k->h;
  Convolution v = { .stride = k->stride,
                    .weight = k->p->merge_weight + 9 * (size_t) k->c * DICENET_EPP_BRANCHES,
                    .bias = k->p->merge_bias[k->c],
                    .slope = k->p->merge_slope[k->c],
                    .out = out + (size_t) first * k->w,
                    .out_stride = k->w,
                    .w = k->w };

  for (unsigned s = 0; s < DICENET_EPP_BRANCHES; s++) {
    if (first == 0)
      memset (k->rows[s], 0, k->w * sizeof *k->rows[s]);
    else /* the last two rows of the previous band */
      memcpy (k->rows[s], k->rows[s] + DICENET_EPP_ROWS * k->stride, (k->stride + k->w) * sizeof *k->rows[s]);
    scale_rows (k, s, first, first == 0 ? 0 : first + 1, end);
    v.planes[s] = k->rows[s];
  }
  convolve (&v, n, DICENET_EPP_BRANCHES, WIDE);
}

void
KERNEL (epp) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetEpp *p, unsigned begin, unsigned end,
              float *scratch)
{
  Work k = { .p = p, .channels = x->c, .h = x->h, .w = x->w, .stride = dicenet_padded_stride (x->w) };

  lay_out (&k, scratch);
  memset (scratch, 0, dicenet_epp_scratch (x->h, x->w, p->branches) * sizeof *scratch);
  for (k.c = begin; k.c < end; k.c++) {
    const float *plane = dicenet_plane (x, k.c);
    KERNEL (pad) (plane, k.h, k.w, k.padded);
    for (unsigned s = 0; s < DICENET_EPP_IDENTITY; s++)
      multiply_taps (p->weight + 9 * ((size_t) s * x->c + k.c), p->branches[s].composed_rows, k.taps[s]);
    for (unsigned s = DICENET_EPP_IDENTITY + 1; s < DICENET_EPP_BRANCHES; s++)
      prepare_down (&k, plane, s);
    for (unsigned first = 0; first < k.h; first += DICENET_EPP_ROWS)
      epp_band (&k, first, dicenet_plane (y, k.c));
  }
}
