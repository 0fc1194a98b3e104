/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "simd.h"
#include "conv3x3.h"

/* The EPP unit, channel by channel, some rows at a time. For scales above the input's, scaling up, the convolution and
 * scaling down are combined to a few taps per axis (DicenetComposedAxis). Rows are combined first, with the kernel's
 * rows, to three registers, one per column of the kernel, and these with their neighbours in the row. The plane at the
 * larger scale, up to four times the input, is never stored. */

#define WIDE 2 /* registers of columns at a time */

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

/* Number of taps of each column b of the kernel, from tap b on, that are not 0 if the scale is exactly 2. */
#define NARROW_TAPS 3

static int
is_narrow (const DicenetComposedAxis *columns)
{
  for (unsigned b = 0; b < 3; b++)
    if (columns->part[b].begin < b || columns->part[b].end > b + NARROW_TAPS)
      return 0;
  return columns->taps == 5;
}

/* A register of output row i before its columns are combined, for each column of the kernel. */
INLINE void
sum_rows (const float *const *rows, size_t at, const vf *weight, const int taps, vf sums[3])
{
  UNROLL
  for (int b = 0; b < 3; b++)
    sums[b] = all (0);
  UNROLL
  for (int t = 0; t < taps; t++) {
    const vf x = once (load (rows[t] + at));
    UNROLL
    for (int b = 0; b < 3; b++)
      sums[b] += weight[b * taps + t] * x;
  }
}

/* Combines columns: @before, @here and @after are neighbouring registers; @weight is at the columns' place. */
INLINE vf
sum_columns (const vf before[3], const vf here[3], const vf after[3], const float *weight, size_t n, const int taps,
             const int narrow, vf bias)
{
  const int used = narrow ? NARROW_TAPS : taps;
  vf sum[2] = { bias, { 0 } };

  UNROLL
  for (int b = 0; b < 3; b++)
    UNROLL
  for (int u = 0; u < used; u++) {
    const int t = narrow ? b + u : u;
    const vf x = shifted (before[b], here[b], after[b], t - taps / 2);
    sum[(b + t) % 2] += load (weight + (size_t) (b * taps + t) * n) * x;
  }
  return sum[0] + sum[1];
}

/* Computes row i of scale @s. rows[t] is the padded input's row for tap t. */
INLINE void
up_row (const Work *k, unsigned s, unsigned i, const float *const *rows, float *out, const int taps,
        const int column_taps, const int narrow)
{
  const float *columns = k->p->branches[s].composed_columns->weight;
  const size_t n = dicenet_composed_stride (k->h), m = dicenet_composed_stride (k->w),
               channel = (size_t) s * k->channels + k->c;
  const vf bias = all (k->p->bias[channel]), slope = all (k->p->slope[channel]);
  vf weight[3 * DICENET_COMPOSED_TAPS], before[3] = { { 0 } }, here[3], after[3];

  UNROLL
  for (int t = 0; t < 3 * taps; t++)
    weight[t] = all (k->taps[s][(size_t) t * n + i]);
  sum_rows (rows, 0, weight, taps, here);
  for (size_t at = 0; at < k->w; at += VL) {
    sum_rows (rows, at + VL, weight, taps, after); /* zeros follow the row */
    store_part (out + at, prelu (sum_columns (before, here, after, columns + at, m, column_taps, narrow, bias), slope),
                k->w - at);
    UNROLL
    for (int b = 0; b < 3; b++) {
      before[b] = here[b];
      here[b] = after[b];
    }
  }
}

/* Computes rows [begin, end) of scale @s; out is row @begin. */
INLINE void
up_rows_with (const Work *k, unsigned s, unsigned begin, unsigned end, float *out, const int taps,
              const int column_taps, const int narrow)
{
  for (unsigned i = begin; i < end; i++, out += k->stride) {
    const float *rows[DICENET_COMPOSED_TAPS];
    for (int t = 0; t < taps; t++) {
      const long row = (long) i + t - taps / 2, inside = row < 0 ? 0 : row < (long) k->h ? row : (long) k->h - 1;
      rows[t] = dicenet_padded_origin (k->padded, k->w) + (size_t) inside * k->stride; /* if clamped, the weight is 0 */
    }
    up_row (k, s, i, rows, out, taps, column_taps, narrow);
  }
}

static void
up_rows (const Work *k, unsigned s, unsigned begin, unsigned end, float *out)
{
  const DicenetComposedAxis *columns = k->p->branches[s].composed_columns;
  const unsigned taps = k->p->branches[s].composed_rows->taps;

  if (taps == 3 && columns->taps == 3)
    up_rows_with (k, s, begin, end, out, 3, 3, 0);
  else if (taps == 3)
    up_rows_with (k, s, begin, end, out, 3, 5, 0);
  else if (columns->taps == 3)
    up_rows_with (k, s, begin, end, out, 5, 3, 0);
  else if (is_narrow (columns))
    up_rows_with (k, s, begin, end, out, 5, 5, 1);
  else
    up_rows_with (k, s, begin, end, out, 5, 5, 0);
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
