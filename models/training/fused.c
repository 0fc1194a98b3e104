/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Forward and backward functions of fused.py for training on a CPU: float32, contiguous NCHW.
 *
 * All steps on a plane run while it is in the L1 cache. Sums have the same order whatever the number of threads: a
 * photo or a channel belongs to one thread, and weight gradients are returned per photo and summed by the caller. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16

typedef float Vector __attribute__ ((vector_size (4 * LANES), aligned (4), may_alias));
typedef int Indices __attribute__ ((vector_size (4 * LANES)));

static inline Vector
get (const float *p)
{
  return *(const Vector *) p;
}

static inline void
put (float *p, Vector v)
{
  *(Vector *) p = v;
}

/* A plane surrounded by zeros, which serve as a convolution's padding: the distance of rows is a multiple of LANES,
 * with at least one zero after each row. */

typedef struct {
  int h, w, stride;
  float *at; /* row 0, column 0 */
} Plane;

static Plane
plane_new (int h, int w)
{
  Plane p = { .h = h, .w = w, .stride = (w + LANES) / LANES * LANES };
  size_t size = ((size_t) (h + 2) * p.stride + 2 * LANES) * sizeof (float);
  float *memory = aligned_alloc (64, (size + 63) / 64 * 64);
  if (memory == NULL)
    abort ();
  memset (memory, 0, size);
  p.at = memory + p.stride + LANES;
  return p;
}

static void
plane_free (Plane p)
{
  free (p.at - p.stride - LANES);
}

static void
plane_clear (Plane p)
{
  memset (p.at, 0, (size_t) p.h * p.stride * sizeof (float));
}

/* Rows are short: calling memcpy() would take longer than the copy. The last vector overlaps the one before. */
static inline void
copy_row (float *to, const float *from, int w)
{
  int j = 0;
  for (; j + LANES <= w; j += LANES)
    put (to + j, get (from + j));
  if (j < w && w > LANES)
    put (to + w - LANES, get (from + w - LANES));
  else
    for (; j < w; j++)
      to[j] = from[j];
}

/* Writes the `h` x `w` values at `x` to every `step`-th row and column. */
static void
load (Plane p, const float *x, int h, int w, int step)
{
  for (int r = 0; r < h; r++, x += w) {
    float *to = p.at + (size_t) r * step * p.stride;
    if (step == 1)
      copy_row (to, x, w);
    else
      for (int j = 0; j < w; j++)
        to[(size_t) j * step] = x[j];
  }
}

/* The reverse; with `add`, accumulates. */
static void
store (Plane p, float *x, int h, int w, int step, int add)
{
  for (int r = 0; r < h; r++, x += w) {
    const float *from = p.at + (size_t) r * step * p.stride;
    if (step == 1 && !add)
      copy_row (x, from, w);
    else
      for (int j = 0; j < w; j++)
        x[j] = from[(size_t) j * step] + (add ? x[j] : 0);
  }
}

/* Which elements of two vectors form a new one, where blocks of `half` elements are swapped between them. */
#define SWAPPED(i, half, high) (((i) & (half) ? (i) - (half) + LANES : (i)) + ((high) ? (half) : 0))
#define SWAPPED_4(i, half, high)                                                                                       \
  SWAPPED (i, half, high), SWAPPED (i + 1, half, high), SWAPPED (i + 2, half, high), SWAPPED (i + 3, half, high)
#define SWAPPED_ALL(half, high)                                                                                        \
  {                                                                                                                    \
    SWAPPED_4 (0, half, high), SWAPPED_4 (4, half, high), SWAPPED_4 (8, half, high), SWAPPED_4 (12, half, high)        \
  }

/* Transposes a block of LANES rows: swaps halves, then quarters, and so on. */
static inline void
turn_block (Vector v[LANES])
{
  static const Indices low[] = { SWAPPED_ALL (8, 0), SWAPPED_ALL (4, 0), SWAPPED_ALL (2, 0), SWAPPED_ALL (1, 0) };
  static const Indices high[] = { SWAPPED_ALL (8, 1), SWAPPED_ALL (4, 1), SWAPPED_ALL (2, 1), SWAPPED_ALL (1, 1) };
#pragma GCC unroll 4
  for (int k = 0; k < 4; k++)
#pragma GCC unroll 16
    for (int r = 0; r < LANES; r++)
      if (!(r & LANES >> (k + 1))) {
        Vector first = v[r], second = v[r + (LANES >> (k + 1))];
        v[r] = __builtin_shuffle (first, second, low[k]);
        v[r + (LANES >> (k + 1))] = __builtin_shuffle (first, second, high[k]);
      }
}

/* Transposes a plane. */
static void
turn (Plane in, Plane out)
{
  for (int r = 0; r < in.h; r += LANES)
    for (int j = 0; j < in.w; j += LANES) {
      Vector v[LANES];
#pragma GCC unroll 16
      for (int k = 0; k < LANES; k++)
        v[k] = r + k < in.h ? get (in.at + (size_t) (r + k) * in.stride + j) : (Vector){ 0 };
      turn_block (v);
#pragma GCC unroll 16
      for (int k = 0; k < LANES; k++)
        if (j + k < in.w)
          put (out.at + (size_t) (j + k) * out.stride + r, v[k]);
    }
}

/* 3 x 3 convolutions with padding. Sources are three pointers: to the previous, current and next row of a plane, or to
 * the previous, current and next plane. */

static inline void
around (Plane p, const float *sources[3])
{
  for (int a = 0; a < 3; a++)
    sources[a] = p.at + (a - 1) * p.stride;
}

/* `next` is the distance in floats of the kernels of successive rows: 9, or 0 if all rows share one. */
static void
convolve (const float *const sources[3], const float *kernel, int next, Plane out, int add)
{
  for (int r = 0; r < out.h; r++, kernel += next)
    for (int j = 0; j < out.stride; j += LANES) {
      size_t at = (size_t) r * out.stride + j;
      Vector sum = add ? get (out.at + at) : (Vector){ 0 };
      for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
          sum += kernel[3 * a + b] * get (sources[a] + at + b - 1);
      put (out.at + at, sum);
    }
}

/* Adds the gradients of the kernels to `sums`, 9 x LANES for each; `d` is the gradient of the output. */
static void
correlate (const float *const sources[3], Plane d, int next, float *sums)
{
  for (int r = 0; r < d.h; r++, sums += next * LANES) {
    Vector sum[9];
    for (int k = 0; k < 9; k++)
      sum[k] = get (sums + k * LANES);
    for (int j = 0; j < d.stride; j += LANES) {
      size_t at = (size_t) r * d.stride + j;
      Vector v = get (d.at + at);
      for (int k = 0; k < 9; k++)
        sum[k] += v * get (sources[k / 3] + at + k % 3 - 1);
    }
    for (int k = 0; k < 9; k++)
      put (sums + k * LANES, sum[k]);
  }
}

static void
add_lanes (const float *sums, int count, float *out)
{
  for (int k = 0; k < count; k++) {
    float sum = 0;
    for (int i = 0; i < LANES; i++)
      sum += sums[k * LANES + i];
    out[k] = sum;
  }
}

/* Resizing along one axis as a sparse matrix: each row has few weights, also in the transpose, for the backward
 * pass. */

enum { UP, DOWN };

typedef struct {
  int in, out;
  int *first, *end; /* range of a row's weights */
  float *weights;
} Map;

/* Bilinear with aligned corners, or adaptive average pooling. */
static Map
map_new (int in, int out, int how, int transposed)
{
  Map m = { .in = transposed ? out : in, .out = transposed ? in : out };
  m.weights = calloc ((size_t) in * out, sizeof (float));
  m.first = calloc (2 * m.out, sizeof (int));
  if (m.weights == NULL || m.first == NULL)
    abort ();
  m.end = m.first + m.out;
  for (int o = 0; o < out; o++) {
    double at = out > 1 ? (double) o * (in - 1) / (out - 1) : 0;
    int first = how == UP ? (int) at : (int) ((long) o * in / out);
    int end = how == UP ? first + 2 : (int) (((long) (o + 1) * in + out - 1) / out);
    for (int i = first; i < end && i < in; i++) {
      int row = transposed ? i : o, column = transposed ? o : i;
      double weight = how == DOWN ? 1.0 / (end - first) : i == first ? 1 - (at - first) : at - first;
      m.weights[(size_t) row * m.in + column] = weight;
      if (m.end[row] == 0)
        m.first[row] = column;
      m.end[row] = column + 1;
    }
  }
  return m;
}

static void
map_free (Map m)
{
  free (m.weights);
  free (m.first);
}

static void
resize_rows (Map m, Plane in, Plane out)
{
  for (int r = 0; r < m.out; r++)
    for (int j = 0; j < out.stride; j += LANES) {
      Vector sum = { 0 };
      for (int i = m.first[r]; i < m.end[r]; i++)
        sum += m.weights[(size_t) r * m.in + i] * get (in.at + (size_t) i * in.stride + j);
      put (out.at + (size_t) r * out.stride + j, sum);
    }
}

/* Both axes: rows, then columns as the rows of the transposed plane. */

typedef struct {
  Map rows, columns;
  Plane high, turned, wide;
} Resizer;

static Resizer
resizer_new (int h, int w, int out_h, int out_w, int how, int transposed)
{
  Resizer r = { .rows = map_new (h, out_h, how, transposed), .columns = map_new (w, out_w, how, transposed) };
  r.high = plane_new (r.rows.out, r.columns.in);
  r.turned = plane_new (r.columns.in, r.rows.out);
  r.wide = plane_new (r.columns.out, r.rows.out);
  return r;
}

static void
resizer_free (Resizer r)
{
  map_free (r.rows);
  map_free (r.columns);
  plane_free (r.high);
  plane_free (r.turned);
  plane_free (r.wide);
}

static void
resize (Resizer *r, Plane in, Plane out)
{
  resize_rows (r->rows, in, r->high);
  turn (r->high, r->turned);
  resize_rows (r->columns, r->turned, r->wide);
  turn (r->wide, out);
}

/* A branch of efficient pyramid pooling: resizing to `high` x `wide`, depthwise convolution, and resizing back. The
 * plane of channel c is number c * `stages` + `stage` of a photo. */

void
stage_forward (int n, int c, int h, int w, int high, int wide, int how, const float *x, const float *kernel, int stages,
               int stage, float *y, int threads)
{
#pragma omp parallel num_threads(threads)
  {
    Resizer there = resizer_new (h, w, high, wide, how, 0), back = resizer_new (high, wide, h, w, !how, 0);
    Plane in = plane_new (h, w), middle = plane_new (high, wide), found = plane_new (high, wide),
          out = plane_new (h, w);
    const float *sources[3];
    around (middle, sources);
#pragma omp for
    for (int i = 0; i < n * c; i++) {
      load (in, x + (size_t) i * h * w, h, w, 1);
      resize (&there, in, middle);
      convolve (sources, kernel + 9 * (i % c), 0, found, 0);
      resize (&back, found, out);
      store (out, y + ((size_t) i * stages + stage) * h * w, h, w, 1, 0);
    }
    plane_free (in);
    plane_free (middle);
    plane_free (found);
    plane_free (out);
    resizer_free (there);
    resizer_free (back);
  }
}

/* `flipped` is the flipped kernel; adds to `dx`; `dkernel` is n x c x 9. */
void
stage_backward (int n, int c, int h, int w, int high, int wide, int how, const float *x, const float *flipped,
                int stages, int stage, const float *dy, float *dx, float *dkernel, int threads)
{
#pragma omp parallel num_threads(threads)
  {
    Resizer there = resizer_new (h, w, high, wide, how, 0), back = resizer_new (high, wide, h, w, !how, 1);
    Resizer home = resizer_new (h, w, high, wide, how, 1);
    Plane in = plane_new (h, w), middle = plane_new (high, wide), d = plane_new (high, wide);
    Plane found = plane_new (high, wide), out = plane_new (h, w);
    const float *sources[3], *d_sources[3];
    around (middle, sources);
    around (d, d_sources);
#pragma omp for
    for (int i = 0; i < n * c; i++) {
      float sums[9 * LANES] = { 0 };
      load (in, x + (size_t) i * h * w, h, w, 1);
      resize (&there, in, middle);
      load (in, dy + ((size_t) i * stages + stage) * h * w, h, w, 1);
      resize (&back, in, d);
      correlate (sources, d, 0, sums);
      add_lanes (sums, 9, dkernel + (size_t) i * 9);
      convolve (d_sources, flipped + 9 * (i % c), 0, found, 0);
      resize (&home, found, out);
      store (out, dx + (size_t) i * h * w, h, w, 1, 1);
    }
    plane_free (in);
    plane_free (middle);
    plane_free (d);
    plane_free (found);
    plane_free (out);
    resizer_free (there);
    resizer_free (back);
    resizer_free (home);
  }
}

/* Loads a plane, transposed by way of `flat` if `transposed`. */

static void
load_turned (Plane p, Plane flat, const float *x, int transposed)
{
  load (transposed ? flat : p, x, flat.h, flat.w, 1);
  if (transposed)
    turn (flat, p);
}

static void
store_turned (Plane p, Plane flat, float *x, int transposed, int add)
{
  if (transposed)
    turn (p, flat);
  store (transposed ? flat : p, x, flat.h, flat.w, 1, add);
}

/* DimConv's branch along an axis. Planes of `h` rows (or of `w` columns, treated as rows) are resized to `kernels`
 * rows; row r of channels c - 1, c and c + 1 is convolved with kernel r to row r of channel c; the result is resized
 * back. Planes of a photo's channels are `pitch` planes apart in `y`. */

void
axis_forward (int n, int c, int h, int w, int kernels, int transposed, const float *x, const float *kernel, int pitch,
              float *y, int threads)
{
  int high = transposed ? w : h, wide = transposed ? h : w;
  Map there = map_new (high, kernels, high < kernels ? UP : DOWN, 0);
  Map back = map_new (kernels, high, high < kernels ? DOWN : UP, 0);
#pragma omp parallel for num_threads(threads)
  for (int i = 0; i < n; i++) {
    Plane in = plane_new (high, wide), out = plane_new (high, wide), found = plane_new (kernels, wide), ring[3];
    Plane flat = plane_new (h, w);
    for (int k = 0; k < 3; k++)
      ring[k] = plane_new (kernels, wide);
    for (int k = 0; k <= c; k++) { /* loads channel k, computes channel k - 1 */
      if (k < c) {
        load_turned (in, flat, x + ((size_t) i * c + k) * h * w, transposed);
        resize_rows (there, in, ring[k % 3]);
      } else
        plane_clear (ring[k % 3]);
      if (k == 0)
        continue;
      const float *sources[3] = { ring[(k + 1) % 3].at, ring[(k + 2) % 3].at, ring[k % 3].at };
      convolve (sources, kernel, 9, found, 0);
      resize_rows (back, found, out);
      store_turned (out, flat, y + ((size_t) i * c + k - 1) * pitch * h * w, transposed, 0);
    }
    plane_free (flat);
    plane_free (in);
    plane_free (out);
    plane_free (found);
    for (int k = 0; k < 3; k++)
      plane_free (ring[k]);
  }
  map_free (there);
  map_free (back);
}

/* Adds to `dx`; `dkernel` is n x kernels x 9. */
void
axis_backward (int n, int c, int h, int w, int kernels, int transposed, const float *x, const float *flipped, int pitch,
               const float *dy, float *dx, float *dkernel, int threads)
{
  int high = transposed ? w : h, wide = transposed ? h : w;
  Map there = map_new (high, kernels, high < kernels ? UP : DOWN, 0);
  Map home = map_new (high, kernels, high < kernels ? UP : DOWN, 1);
  Map back = map_new (kernels, high, high < kernels ? DOWN : UP, 1);
#pragma omp parallel for num_threads(threads)
  for (int i = 0; i < n; i++) {
    Plane in = plane_new (high, wide), out = plane_new (high, wide), found = plane_new (kernels, wide);
    Plane ring[3], d_ring[3], flat = plane_new (h, w);
    for (int k = 0; k < 3; k++) {
      ring[k] = plane_new (kernels, wide);
      d_ring[k] = plane_new (kernels, wide);
    }
    float *sums = calloc ((size_t) kernels * 9 * LANES, sizeof (float));
    if (sums == NULL)
      abort ();
    for (int k = 0; k <= c; k++) {
      if (k < c) {
        load_turned (in, flat, x + ((size_t) i * c + k) * h * w, transposed);
        resize_rows (there, in, ring[k % 3]);
        load_turned (in, flat, dy + ((size_t) i * c + k) * pitch * h * w, transposed);
        resize_rows (back, in, d_ring[k % 3]);
      } else {
        plane_clear (ring[k % 3]);
        plane_clear (d_ring[k % 3]);
      }
      if (k == 0)
        continue;
      int before = (k + 1) % 3, here = (k + 2) % 3, after = k % 3;
      const float *sources[3] = { ring[before].at, ring[here].at, ring[after].at };
      const float *d_sources[3] = { d_ring[before].at, d_ring[here].at, d_ring[after].at };
      correlate (sources, d_ring[here], 9, sums);
      convolve (d_sources, flipped, 9, found, 0);
      resize_rows (home, found, out);
      store_turned (out, flat, dx + ((size_t) i * c + k - 1) * h * w, transposed, 1);
    }
    add_lanes (sums, kernels * 9, dkernel + (size_t) i * kernels * 9);
    free (sums);
    plane_free (flat);
    plane_free (in);
    plane_free (out);
    plane_free (found);
    for (int k = 0; k < 3; k++) {
      plane_free (ring[k]);
      plane_free (d_ring[k]);
    }
  }
  map_free (there);
  map_free (home);
  map_free (back);
}

/* Grouped 3 x 3 convolutions with few inputs and outputs per group. With a stride, skipped outputs are computed as
 * well, which costs less than gathering elements. The channels of `y` are `pitch` planes apart. */

void
planes_forward (int n, int groups, int inputs, int outputs, int h, int w, int step, const float *x, const float *kernel,
                int pitch, float *y, int threads)
{
  int out_h = (h - 1) / step + 1, out_w = (w - 1) / step + 1;
#pragma omp parallel num_threads(threads)
  {
    Plane in = plane_new (h, w), found[outputs];
    for (int o = 0; o < outputs; o++)
      found[o] = plane_new (h, w);
    const float *sources[3];
    around (in, sources);
#pragma omp for
    for (int i = 0; i < n * groups; i++) {
      const float *k = kernel + (size_t) (i % groups) * outputs * inputs * 9;
      for (int p = 0; p < inputs; p++) {
        load (in, x + ((size_t) i * inputs + p) * h * w, h, w, 1);
        for (int o = 0; o < outputs; o++)
          convolve (sources, k + (o * inputs + p) * 9, 0, found[o], p > 0);
      }
      for (int o = 0; o < outputs; o++)
        store (found[o], y + ((size_t) i * outputs + o) * pitch * out_h * out_w, out_h, out_w, step, 0);
    }
    plane_free (in);
    for (int o = 0; o < outputs; o++)
      plane_free (found[o]);
  }
}

/* `dkernel` is n x groups x outputs x inputs x 9. */
void
planes_backward (int n, int groups, int inputs, int outputs, int h, int w, int step, const float *x,
                 const float *flipped, int pitch, const float *dy, float *dx, float *dkernel, int threads)
{
  int out_h = (h - 1) / step + 1, out_w = (w - 1) / step + 1;
#pragma omp parallel num_threads(threads)
  {
    Plane in = plane_new (h, w), found = plane_new (h, w), d[outputs];
    for (int o = 0; o < outputs; o++)
      d[o] = plane_new (h, w);
    const float *sources[3], *d_sources[3];
    around (in, sources);
#pragma omp for
    for (int i = 0; i < n * groups; i++) {
      size_t k = (size_t) (i % groups) * outputs * inputs * 9;
      for (int o = 0; o < outputs; o++)
        load (d[o], dy + ((size_t) i * outputs + o) * pitch * out_h * out_w, out_h, out_w, step);
      for (int p = 0; p < inputs; p++) {
        load (in, x + ((size_t) i * inputs + p) * h * w, h, w, 1);
        for (int o = 0; o < outputs; o++) {
          float sums[9 * LANES] = { 0 };
          correlate (sources, d[o], 0, sums);
          add_lanes (sums, 9, dkernel + (((size_t) i * outputs + o) * inputs + p) * 9);
          around (d[o], d_sources);
          convolve (d_sources, flipped + k + (o * inputs + p) * 9, 0, found, o > 0);
        }
        store (found, dx + ((size_t) i * inputs + p) * h * w, h, w, 1, 0);
      }
    }
    plane_free (in);
    plane_free (found);
    for (int o = 0; o < outputs; o++)
      plane_free (d[o]);
  }
}

/* BatchNorm and PReLU. Planes are in shuffled order if parameters are in `groups` of c / groups channels. `fold` planes
 * are multiplied by their `mix` and summed, and the sum is multiplied by its photo's `scale`. */

typedef struct {
  int n, c, size, groups, fold, training;
  const float *weight, *bias, *slope, *mix, *scale; /* the last two may be NULL */
  float *mean, *inverse;                            /* of the planes' channels; 1 / standard deviation */
} Norm;

/* Index of the parameters of channel k. */
static int
place (const Norm *m, int k)
{
  return k % m->groups * (m->c / m->groups) + k / m->groups;
}

/* Mean and variance, from each plane's deviations from its own mean, to avoid differences of large numbers. */
static void
statistics (const float *x, const Norm *m, double *mean, double *variance)
{
  double squares = 0;
  *mean = 0;
  for (int i = 0; i < m->n; i++, x += (size_t) m->c * m->size) {
    float sum = 0, square = 0;
    for (int j = 0; j < m->size; j++)
      sum += x[j];
    float middle = sum / m->size;
    for (int j = 0; j < m->size; j++)
      square += (x[j] - middle) * (x[j] - middle);
    double off = middle - *mean;
    squares += square + off * off * m->size * i / (i + 1);
    *mean += off / (i + 1);
  }
  *variance = squares / ((double) m->n * m->size);
}

/* In training, updates the running statistics; otherwise uses them. `means`, of each plane of `y`, may be NULL. */
void
norm_forward (const Norm *m, const float *x, float *running_mean, float *running_variance, float momentum,
              float epsilon, float *y, float *means, int threads)
{
  int outputs = m->c / m->fold, size = m->size;
  double count = (double) m->n * size;
#pragma omp parallel for num_threads(threads)
  for (int o = 0; o < outputs; o++)
    for (int f = 0; f < m->fold; f++) {
      int k = o * m->fold + f, p = place (m, k);
      double mean = running_mean[p], variance = running_variance[p];
      if (m->training) {
        statistics (x + (size_t) k * size, m, &mean, &variance);
        running_mean[p] += momentum * (mean - running_mean[p]);
        running_variance[p] += momentum * (variance * count / (count - 1) - running_variance[p]);
      }
      m->mean[k] = mean;
      m->inverse[k] = 1 / sqrt (variance + epsilon);
      float gain = m->weight[p] * m->inverse[k], offset = m->bias[p] - m->mean[k] * gain, slope = m->slope[p];
      for (int i = 0; i < m->n; i++) {
        const float *from = x + ((size_t) i * m->c + k) * size;
        float *to = y + ((size_t) i * outputs + o) * size, sum = 0;
        float times = (m->mix ? m->mix[k] : 1) * (m->scale ? m->scale[(size_t) i * outputs + o] : 1);
        for (int j = 0; j < size; j++) {
          float z = from[j] * gain + offset;
          float v = times * (z > 0 ? z : slope * z) + (f > 0 ? to[j] : 0);
          to[j] = v;
          sum += v;
        }
        if (means)
          means[(size_t) i * outputs + o] = sum / size;
      }
    }
}

/* `dmeans` (or NULL), `dmix` and `dscale` (NULL without mix and scale) as in forward; the others like the
 * parameters. */
void
norm_backward (const Norm *m, const float *x, const float *dy, const float *dmeans, float *dx, float *dweight,
               float *dbias, float *dslope, float *dmix, float *dscale, int threads)
{
  int outputs = m->c / m->fold, size = m->size;
  double count = (double) m->n * size;
#pragma omp parallel for num_threads(threads)
  for (int o = 0; o < outputs; o++)
    for (int f = 0; f < m->fold; f++) {
      int k = o * m->fold + f, p = place (m, k);
      float mean = m->mean[k], inverse = m->inverse[k], weight = m->weight[p], bias = m->bias[p], slope = m->slope[p];
      float mix = m->mix ? m->mix[k] : 1;
      double sum = 0, dot = 0, slopes = 0, mixed = 0;
      for (int i = 0; i < m->n; i++) {
        size_t at = (size_t) i * outputs + o;
        const float *v = x + ((size_t) i * m->c + k) * size, *d = dy + at * size;
        float scale = m->scale ? m->scale[at] : 1, shift = dmeans ? dmeans[at] / size : 0;
        float above = 0, below = 0, above_dot = 0, below_dot = 0;
        for (int j = 0; j < size; j++) {
          float normal = (v[j] - mean) * inverse, z = normal * weight + bias, g = d[j] + shift;
          float g_above = z > 0 ? g : 0, g_below = z > 0 ? 0 : g;
          above += g_above;
          below += g_below;
          above_dot += g_above * normal;
          below_dot += g_below * normal;
        }
        float negative = weight * below_dot + bias * below;
        float active = weight * above_dot + bias * above + slope * negative;
        sum += scale * (above + slope * below);
        dot += scale * (above_dot + slope * below_dot);
        slopes += scale * negative;
        mixed += scale * active;
        if (dscale)
          dscale[at] = mix * active + (f > 0 ? dscale[at] : 0);
      }
      dbias[p] = mix * sum;
      dweight[p] = mix * dot;
      dslope[p] = mix * slopes;
      if (dmix)
        dmix[k] = mixed;
      float less = m->training ? mix * sum / count : 0, less_dot = m->training ? mix * dot / count : 0;
      for (int i = 0; i < m->n; i++) {
        size_t at = (size_t) i * outputs + o, from = ((size_t) i * m->c + k) * size;
        const float *v = x + from, *d = dy + at * size;
        float times = mix * (m->scale ? m->scale[at] : 1), shift = dmeans ? dmeans[at] / size : 0;
        for (int j = 0; j < size; j++) {
          float normal = (v[j] - mean) * inverse, z = normal * weight + bias, g = times * (d[j] + shift);
          dx[from + j] = weight * inverse * ((z > 0 ? g : slope * g) - less - normal * less_dot);
        }
      }
    }
}

/* Maximum of 3 x 3 with stride 2 and padding; `where` is the index of the first maximum among the nine. */

void
pool_forward (int count, int h, int w, const float *x, float *y, uint8_t *where, int threads)
{
  int out_h = (h - 1) / 2 + 1, out_w = (w - 1) / 2 + 1;
#pragma omp parallel for num_threads(threads)
  for (int r = 0; r < count * out_h; r++) {
    float *best = y + (size_t) r * out_w;
    uint8_t *at = where + (size_t) r * out_w;
    for (int j = 0; j < out_w; j++)
      best[j] = -INFINITY;
    for (int k = 0; k < 9; k++) {
      int row = r % out_h * 2 + k / 3 - 1, left = k % 3 - 1, first = left < 0;
      if (row < 0 || row >= h)
        continue;
      const float *from = x + ((size_t) (r / out_h) * h + row) * w + left;
      for (int j = first; j < out_w - (left == 1 && w % 2 == 1); j++) {
        int better = !(from[2 * j] <= best[j]); /* also true for NaN */
        best[j] = better ? from[2 * j] : best[j];
        at[j] = better ? k : at[j];
      }
    }
  }
}

void
pool_backward (int count, int h, int w, const float *dy, const uint8_t *where, float *dx, int threads)
{
  int out_h = (h - 1) / 2 + 1, out_w = (w - 1) / 2 + 1;
#pragma omp parallel for num_threads(threads)
  for (int i = 0; i < count; i++) {
    float *to = dx + (size_t) i * h * w;
    memset (to, 0, (size_t) h * w * sizeof (float));
    for (int r = 0; r < out_h; r++)
      for (int j = 0; j < out_w; j++) {
        size_t at = ((size_t) i * out_h + r) * out_w + j;
        to[(2 * r + where[at] / 3 - 1) * w + 2 * j + where[at] % 3 - 1] += dy[at];
      }
  }
}

/* Views of photos: windows of uint8 planes, resampled, colour-jittered and normalised, as in augment.py. */

enum { TAPS = 4 };

/* For `count` outputs along an axis of a photo of `size` pixels, the source positions in a window from `start` of
 * `length` pixels: bilinear between two pixels, or (`fine`) the mean of two such points. */
typedef struct {
  int count, taps, low, high; /* pixels from low to high - 1 are used */
  int *at;                    /* taps x count */
  float *weights;
} Axis;

static Axis
axis_new (int count, int side, float size, float start, float length, int flip, int fine)
{
  Axis a = { .count = count, .taps = fine ? 4 : 2, .low = side };
  a.at = malloc ((size_t) TAPS * count * sizeof (int));
  a.weights = malloc ((size_t) TAPS * count * sizeof (float));
  if (a.at == NULL || a.weights == NULL)
    abort ();
  int points = a.taps / 2;
  for (int i = 0; i < count; i++)
    for (int p = 0; p < points; p++) {
      float u = (i * points + p + 0.5f) / (count * points), x = start + (flip ? 1 - u : u) * length;
      x = fminf (fmaxf (x, 0.5f), size - 0.5f) - 0.5f;
      int first = (int) x, next = first + 1 < side ? first + 1 : first;
      float rest = x - first;
      a.at[2 * p * count + i] = first;
      a.at[(2 * p + 1) * count + i] = next;
      a.weights[2 * p * count + i] = (1 - rest) / points;
      a.weights[(2 * p + 1) * count + i] = rest / points;
      a.low = first < a.low ? first : a.low;
      a.high = next + 1 > a.high ? next + 1 : a.high;
    }
  return a;
}

static void
axis_free (Axis a)
{
  free (a.at);
  free (a.weights);
}

/* The view of a plane; `row` is a buffer for a row of the photo. */
static void
resample (const uint8_t *photo, int side, Axis down, Axis across, float *row, float *y)
{
  for (int r = 0; r < down.count; r++, y += across.count) {
    memset (row + across.low, 0, (across.high - across.low) * sizeof (float));
    for (int t = 0; t < down.taps; t++) {
      const uint8_t *from = photo + (size_t) down.at[t * down.count + r] * side;
      float weight = down.weights[t * down.count + r];
      for (int j = across.low; j < across.high; j++)
        row[j] += weight * from[j];
    }
    const int *at = across.at;
    const float *weights = across.weights;
    int n = across.count;
    if (across.taps == 2)
      for (int j = 0; j < n; j++)
        y[j] = weights[j] * row[at[j]] + weights[n + j] * row[at[n + j]];
    else
      for (int j = 0; j < n; j++)
        y[j] = weights[j] * row[at[j]] + weights[n + j] * row[at[n + j]] + weights[2 * n + j] * row[at[2 * n + j]] +
               weights[3 * n + j] * row[at[3 * n + j]];
  }
}

static inline float
limited (float value)
{
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/* Changes brightness, contrast and saturation of three planes. */
static void
recolour (float *y, size_t size, const float *factors)
{
  double sum = 0;
  for (size_t j = 0; j < 3 * size; j++)
    sum += y[j];
  float brightness = factors[0], contrast = factors[1], saturation = factors[2];
  float middle = brightness * (float) (sum / (3 * size));
  for (size_t j = 0; j < size; j++) {
    float c[3];
    for (int k = 0; k < 3; k++)
      c[k] = middle + (y[k * size + j] * brightness - middle) * contrast;
    float grey = (c[0] + c[1] + c[2]) / 3;
    for (int k = 0; k < 3; k++)
      y[k * size + j] = limited (grey + (c[k] - grey) * saturation);
  }
}

/* Normalises; sets pixels outside of the photo to 0 and the others in `inside`. */
static void
finish (float *y, int height, int width, const float *window, const float *size, int flip, const float *mean,
        const float *deviation, uint8_t *inside)
{
  for (int r = 0; r < height; r++) {
    float v = window[1] + (r + 0.5f) / height * window[3];
    for (int j = 0; j < width; j++) {
      float u = (j + 0.5f) / width, x = window[0] + (flip ? 1 - u : u) * window[2];
      inside[(size_t) r * width + j] = (v >= 0) & (v < size[1]) & (x >= 0) & (x < size[0]);
    }
  }
  size_t area = (size_t) height * width;
  for (int c = 0; c < 3; c++, y += area)
    for (size_t j = 0; j < area; j++)
      y[j] = inside[j] ? (y[j] - mean[c]) / deviation[c] : 0;
}

/* `canvas` is n x 3 x side x side; `windows` n x 4: x, y, width, height; `factors` n x 3, or NULL; `fine` and `flip`
 * are one byte per photo. */
void
views (int n, int side, int height, int width, const uint8_t *canvas, const float *sizes, const float *windows,
       const uint8_t *flip, const uint8_t *fine, const float *factors, const float *mean, const float *deviation,
       float *y, uint8_t *inside, int threads)
{
  size_t area = (size_t) height * width;
#pragma omp parallel num_threads(threads)
  {
    float *row = malloc (side * sizeof (float));
    if (row == NULL)
      abort ();
#pragma omp for
    for (int i = 0; i < n; i++) {
      const float *size = sizes + 2 * i, *window = windows + 4 * i;
      Axis across = axis_new (width, side, size[0], window[0], window[2], flip[i], fine[i]);
      Axis down = axis_new (height, side, size[1], window[1], window[3], 0, fine[i]);
      float *to = y + i * 3 * area;
      for (int c = 0; c < 3; c++)
        resample (canvas + ((size_t) i * 3 + c) * side * side, side, down, across, row, to + c * area);
      if (factors)
        recolour (to, area, factors + 3 * i);
      finish (to, height, width, window, size, flip[i], mean, deviation, inside + i * area);
      axis_free (across);
      axis_free (down);
    }
    free (row);
  }
}

/* Greedy NMS of `count` boxes, by decreasing score (`boxes` has all left edges, then the top, right and bottom ones):
 * sets `gone` for each box whose overlap with an earlier box that is kept exceeds `threshold`. */
void
suppress (int count, const float *boxes, float threshold, int32_t *gone, int threads)
{
  (void) threads;
  const float *x0 = boxes, *y0 = x0 + count, *x1 = y0 + count, *y1 = x1 + count;
  memset (gone, 0, count * sizeof (int32_t));
  for (int i = 0; i < count; i++) {
    if (gone[i])
      continue;
    float left = x0[i], top = y0[i], right = x1[i], bottom = y1[i];
    float size = fmaxf (right - left, 0) * fmaxf (bottom - top, 0);
    for (int j = i + 1; j < count; j++) {
      float w = (right < x1[j] ? right : x1[j]) - (left > x0[j] ? left : x0[j]);
      float h = (bottom < y1[j] ? bottom : y1[j]) - (top > y0[j] ? top : y0[j]);
      float common = (w > 0 ? w : 0) * (h > 0 ? h : 0), wide = x1[j] - x0[j], high = y1[j] - y0[j];
      float together = size + (wide > 0 ? wide : 0) * (high > 0 ? high : 0) - common;
      gone[j] |= common > threshold * (together > 1e-12f ? together : 1e-12f);
    }
  }
}

/* 1 x 1 convolutions as matrix products with factors rounded to bf16, if the CPU supports it: twice as fast as
 * float32. */

#ifdef __AVX512BF16__

#include <immintrin.h>

enum { TILE = 8, BLOCK = 3 * LANES, SIDE = 4 }; /* rows and columns in registers; both, for gradients */

typedef union {
  __m512bh factors;
  __m512i bits;
} Pairs;

int
has_bf16 (int threads)
{
  (void) threads;
  return 1;
}

static void *
allocate (size_t size)
{
  void *memory = aligned_alloc (64, (size + 63) / 64 * 64);
  if (memory == NULL)
    abort ();
  return memory;
}

static inline __m512
get_some (const float *p, int count)
{
  return count >= LANES ? _mm512_loadu_ps (p) : _mm512_maskz_loadu_ps (count > 0 ? (1u << count) - 1 : 0, p);
}

/* Interleaves the values of two rows. */
static inline __m512i
interleaved (__m512 first, __m512 second)
{
  static const uint16_t order[32] = { 0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31 };
  Pairs both = { .factors = _mm512_cvtne2ps_pbh (second, first) };
  return _mm512_permutexvar_epi16 (_mm512_loadu_si512 (order), both.bits);
}

/* Packs the kernel (outputs x inputs, or inputs x outputs when `transposed`) in tiles of TILE outputs, by pairs of
 * inputs, padded with zeros. */
static uint32_t *
pack_kernel (const float *kernel, int inputs, int outputs, int transposed)
{
  int pairs = (inputs + 1) / 2, tiles = (outputs + TILE - 1) / TILE;
  uint32_t *packed = allocate ((size_t) tiles * pairs * TILE * sizeof (uint32_t));
  for (int t = 0; t < tiles; t++)
    for (int k = 0; k < pairs; k++) {
      float values[2][LANES] = { { 0 } };
      for (int half = 0; half < 2; half++)
        for (int r = 0; r < TILE; r++) {
          int o = t * TILE + r, p = 2 * k + half;
          if (o < outputs && p < inputs)
            values[half][r] = transposed ? kernel[(size_t) p * outputs + o] : kernel[(size_t) o * inputs + p];
        }
      __m512i found = interleaved (_mm512_loadu_ps (values[0]), _mm512_loadu_ps (values[1]));
      _mm256_store_si256 ((__m256i *) (packed + ((size_t) t * pairs + k) * TILE), _mm512_castsi512_si256 (found));
    }
  return packed;
}

/* Packs BLOCK columns of all inputs, of which `count` exist. */
static void
pack_columns (const float *x, int inputs, size_t size, int count, uint32_t *packed)
{
  for (int p = 0; p < inputs; p += 2, packed += BLOCK)
    for (int j = 0; j < BLOCK; j += LANES) {
      __m512 first = get_some (x + p * size + j, count - j), second = _mm512_setzero_ps ();
      if (p + 1 < inputs)
        second = get_some (x + (p + 1) * size + j, count - j);
      _mm512_store_si512 (packed + j, interleaved (first, second));
    }
}

/* Computes `rows` rows of the tile and `count` columns. */
static void
multiply_tile (const uint32_t *kernel, const uint32_t *columns, int pairs, float *y, size_t size, int rows, int count)
{
  __m512 sums[TILE][BLOCK / LANES];
  for (int r = 0; r < TILE; r++)
    for (int v = 0; v < BLOCK / LANES; v++)
      sums[r][v] = _mm512_setzero_ps ();
  for (int k = 0; k < pairs; k++, kernel += TILE, columns += BLOCK) {
    Pairs here[BLOCK / LANES];
    for (int v = 0; v < BLOCK / LANES; v++)
      here[v].bits = _mm512_load_si512 (columns + v * LANES);
#pragma GCC unroll 8
    for (int r = 0; r < TILE; r++) {
      Pairs weight = { .bits = _mm512_set1_epi32 (kernel[r]) };
      for (int v = 0; v < BLOCK / LANES; v++)
        sums[r][v] = _mm512_dpbf16_ps (sums[r][v], weight.factors, here[v].factors);
    }
  }
  for (int r = 0; r < TILE; r++)
    for (int v = 0; v < BLOCK / LANES; v++) {
      int some = count - v * LANES;
      if (r < rows && some > 0)
        _mm512_mask_storeu_ps (y + r * size + v * LANES, some >= LANES ? 0xffff : (1u << some) - 1, sums[r][v]);
    }
}

/* Columns from j on of the product of a photo; `columns` is a buffer. */
static void
product_block (const uint32_t *weights, int inputs, int outputs, int size, int j, const float *x, float *y,
               uint32_t *columns)
{
  int pairs = (inputs + 1) / 2, count = size - j < BLOCK ? size - j : BLOCK;
  pack_columns (x + j, inputs, size, count, columns);
  for (int o = 0; o < outputs; o += TILE)
    multiply_tile (weights + (size_t) o * pairs, columns, pairs, y + (size_t) o * size + j, size, outputs - o, count);
}

/* Maps `inputs` planes of `size` values to `outputs` planes, for n photos; the kernel is outputs x inputs, or inputs x
 * outputs when `transposed`. */
void
points_product (int n, int inputs, int outputs, int size, int transposed, const float *x, const float *kernel, float *y,
                int threads)
{
  uint32_t *weights = pack_kernel (kernel, inputs, outputs, transposed);
  int blocks = (size + BLOCK - 1) / BLOCK;
#pragma omp parallel num_threads(threads)
  {
    uint32_t *columns = allocate ((size_t) (inputs + 1) / 2 * BLOCK * sizeof (uint32_t));
#pragma omp for
    for (int b = 0; b < n * blocks; b++) {
      size_t i = b / blocks;
      product_block (weights, inputs, outputs, size, b % blocks * BLOCK, x + i * inputs * size, y + i * outputs * size,
                     columns);
    }
    free (columns);
  }
  free (weights);
}

/* Likewise for one photo, with a packed kernel. */
static void
points_of_photo (const uint32_t *weights, int inputs, int outputs, int size, const float *x, float *y)
{
  uint32_t *columns = allocate ((size_t) (inputs + 1) / 2 * BLOCK * sizeof (uint32_t));
  for (int j = 0; j < size; j += BLOCK)
    product_block (weights, inputs, outputs, size, j, x, y, columns);
  free (columns);
}

/* Packs rows of `size` values as bf16, padded with zeros to `stride` and to a multiple of SIDE rows. */
static void
pack_rows (const float *x, int rows, size_t size, size_t stride, uint16_t *packed)
{
  for (int r = 0; r < rows; r++)
    for (size_t j = 0; j < stride; j += 2 * LANES) {
      int count = (int) size - (int) j;
      const float *from = x + r * size + j;
      Pairs both = { .factors = _mm512_cvtne2ps_pbh (get_some (from + LANES, count - LANES), get_some (from, count)) };
      _mm512_store_si512 (packed + r * stride + j, both.bits);
    }
  memset (packed + rows * stride, 0, (-rows & (SIDE - 1)) * stride * sizeof (uint16_t));
}

static void
correlate_tile (const uint16_t *a, const uint16_t *b, size_t stride, float sums[SIDE][SIDE])
{
  __m512 found[SIDE][SIDE];
  for (int r = 0; r < SIDE; r++)
    for (int c = 0; c < SIDE; c++)
      found[r][c] = _mm512_setzero_ps ();
  for (size_t j = 0; j < stride; j += 2 * LANES) {
    Pairs left[SIDE], right[SIDE];
    for (int r = 0; r < SIDE; r++) {
      left[r].bits = _mm512_load_si512 (a + r * stride + j);
      right[r].bits = _mm512_load_si512 (b + r * stride + j);
    }
    for (int r = 0; r < SIDE; r++)
      for (int c = 0; c < SIDE; c++)
        found[r][c] = _mm512_dpbf16_ps (found[r][c], left[r].factors, right[c].factors);
  }
  for (int r = 0; r < SIDE; r++)
    for (int c = 0; c < SIDE; c++)
      sums[r][c] = _mm512_reduce_add_ps (found[r][c]);
}

/* `dkernel` is n x outputs x inputs. */
void
points_gradient (int n, int inputs, int outputs, int size, const float *x, const float *dy, float *dkernel, int threads)
{
  size_t stride = (size + 2 * LANES - 1) / (2 * LANES) * (2 * LANES);
#pragma omp parallel num_threads(threads)
  {
    uint16_t *left = allocate ((outputs + SIDE) * stride * sizeof (uint16_t));
    uint16_t *right = allocate ((inputs + SIDE) * stride * sizeof (uint16_t));
#pragma omp for
    for (int i = 0; i < n; i++) {
      pack_rows (dy + (size_t) i * outputs * size, outputs, size, stride, left);
      pack_rows (x + (size_t) i * inputs * size, inputs, size, stride, right);
      for (int o = 0; o < outputs; o += SIDE)
        for (int p = 0; p < inputs; p += SIDE) {
          float sums[SIDE][SIDE], *to = dkernel + ((size_t) i * outputs + o) * inputs + p;
          correlate_tile (left + o * stride, right + p * stride, stride, sums);
          for (int r = 0; r < SIDE && o + r < outputs; r++)
            for (int c = 0; c < SIDE && p + c < inputs; c++)
              to[(size_t) r * inputs + c] = sums[r][c];
        }
    }
    free (left);
    free (right);
  }
}

/* Whole parts of a network whose BatchNorm uses fixed statistics, so that photos are independent: all of a part's
 * steps for one photo, then the next photo. What lies between steps stays in the cache, and most of it is computed
 * again for the backward pass, which takes less time than fetching it from memory. */

enum { POINTS, PLANES, POOL, UNIT }; /* convolutions with BatchNorm and PReLU; average pooling; the DiCE unit */

typedef struct {
  const float *weight, *bias, *slope, *mean, *variance;
} Fixed;

typedef struct {
  int kind, inputs, outputs, groups, step;
  int rows, columns, hidden;                                          /* UNIT: its kernels, and channels of its gate */
  const float *kernel, *depth, *height, *width, *mix, *shrink, *grow; /* all but the first: UNIT */
  Fixed norm, branches, fusion;                                       /* of `kernel`; UNIT: before it */
  float epsilon[3];
} Step;

/* Its kernels as they are used. */
typedef struct {
  const Step *step;
  uint32_t *packed, *packed_back;
  float *flipped, *depth_flipped, *height_flipped, *width, *width_flipped;
} Ready;

/* The steps from the channels of x from `first` on to those of y from `to` on, before y is shuffled. */
typedef struct {
  int first, inputs, to, outputs, count;
  const Step *steps;
} Path;

/* Planes of a photo from number `to` on of `total`, which are shuffled in `groups`. */
typedef struct {
  float *at;
  int to, total, groups;
  size_t size;
} Planes;

static float *
plane_at (Planes p, int k)
{
  int row = p.total / p.groups;
  k += p.to;
  return p.at + (size_t) (k % row * p.groups + k / row) * p.size;
}

static float *
floats (size_t count)
{
  return allocate ((count > 0 ? count : 1) * sizeof (float));
}

static float *
take (float **from, size_t count)
{
  float *taken = *from;
  *from += count;
  return taken;
}

static int
strided (int size, int step)
{
  return (size - 1) / step + 1;
}

/* Flips 3 x 3 kernels. */
static float *
flipped (const float *kernels, int count)
{
  float *found = floats ((size_t) count * 9);
  for (int k = 0; k < count; k++)
    for (int i = 0; i < 9; i++)
      found[k * 9 + i] = kernels[k * 9 + 8 - i];
  return found;
}

/* Transposes 3 x 3 kernels. */
static void
turn_kernels (const float *kernels, int count, float *turned)
{
  for (int k = 0; k < count; k++)
    for (int i = 0; i < 9; i++)
      turned[k * 9 + i] = kernels[k * 9 + i % 3 * 3 + i / 3];
}

static Ready
ready_new (const Step *s, int backward)
{
  Ready r = { .step = s };
  if (s->kind == POINTS) {
    r.packed = pack_kernel (s->kernel, s->inputs, s->outputs, 0);
    r.packed_back = backward ? pack_kernel (s->kernel, s->outputs, s->inputs, 1) : NULL;
  } else if (s->kind != POOL && backward)
    r.flipped = flipped (s->kernel, s->outputs * (s->inputs / s->groups));
  if (s->kind == UNIT) {
    r.width = floats ((size_t) s->columns * 9);
    turn_kernels (s->width, s->columns, r.width);
    r.depth_flipped = flipped (s->depth, s->inputs);
    r.height_flipped = flipped (s->height, s->rows);
    r.width_flipped = flipped (r.width, s->columns);
  }
  if (s->kind == POOL) { /* averages of 3 x 3 with padding, as a convolution */
    r.flipped = floats ((size_t) s->inputs * 9);
    for (int i = 0; i < 9 * s->inputs; i++)
      r.flipped[i] = 1.0f / 9;
  }
  return r;
}

static void
ready_free (Ready r)
{
  free (r.packed);
  free (r.packed_back);
  free (r.flipped);
  free (r.depth_flipped);
  free (r.height_flipped);
  free (r.width);
  free (r.width_flipped);
}

/* BatchNorm and PReLU of a channel. */

typedef struct {
  float mean, inverse, weight, bias, slope;
} Channel;

static Channel
channel_of (const Fixed *f, float epsilon, int k)
{
  float inverse = 1 / sqrt (f->variance[k] + (double) epsilon);
  return (Channel){ f->mean[k], inverse, f->weight[k], f->bias[k], f->slope[k] };
}

/* y = `times` times the result, or adds that. */
static void
activate (Channel a, const float *x, float times, float *y, int add, int count)
{
  float gain = a.weight * a.inverse, offset = a.bias - a.mean * gain, below = times * a.slope;
  if (add)
    for (int j = 0; j < count; j++) {
      float z = x[j] * gain + offset;
      y[j] += (z > 0 ? times : below) * z;
    }
  else
    for (int j = 0; j < count; j++) {
      float z = x[j] * gain + offset;
      y[j] = (z > 0 ? times : below) * z;
    }
}

/* Gradients of `times` times the results `dy`: of x and, at index k, of the parameters. Returns that of `times`. */
static float
activate_backward (Channel a, const float *x, float times, const float *dy, float *dx, int count, int k, float *dweight,
                   float *dbias, float *dslope)
{
  float above = 0, below = 0, above_dot = 0, below_dot = 0, gain = a.weight * a.inverse * times;
  for (int j = 0; j < count; j++) {
    float normal = (x[j] - a.mean) * a.inverse, z = normal * a.weight + a.bias;
    float over = z > 0 ? dy[j] : 0, under = dy[j] - over;
    above += over;
    below += under;
    above_dot += over * normal;
    below_dot += under * normal;
    dx[j] = gain * (over + a.slope * under);
  }
  float negative = a.weight * below_dot + a.bias * below;
  dbias[k] = times * (above + a.slope * below);
  dweight[k] = times * (above_dot + a.slope * below_dot);
  dslope[k] = times * negative;
  return a.weight * above_dot + a.bias * above + a.slope * negative;
}

/* Sets the columns after each row, which may have any values, to 0. All are in its last vector. */
static void
plane_mask (Plane p)
{
  Indices inside;
  for (int i = 0; i < LANES; i++)
    inside[i] = i < p.w - (p.stride - LANES) ? -1 : 0;
  for (float *at = p.at + p.stride - LANES; at < p.at + (size_t) p.h * p.stride; at += p.stride)
    put (at, (Vector) ((Indices) get (at) & inside));
}

static void
plane_add (Plane p, float value)
{
  for (int j = 0; j < p.h * p.stride; j++)
    p.at[j] += value;
  plane_mask (p);
}

static float
plane_sum (Plane p)
{
  float sum = 0;
  for (int j = 0; j < p.h * p.stride; j++)
    sum += p.at[j];
  return sum;
}

/* DimConv's branch along an axis, as in axis_forward(), for channels in sequence. */

typedef struct {
  int turned;
  Map there, back, there_back, back_back; /* to the kernels' size and from it; their backward passes */
  const float *kernel, *flipped;
  Plane source, found, wide, last; /* wide: high x wide; last: of the photo's shape */
  Plane ring[3], d_ring[3];
  float *sums;
} Branch;

static Branch
branch_new (int h, int w, int kernels, int turned, const float *kernel, const float *back)
{
  int high = turned ? w : h, wide = turned ? h : w, how = high < kernels ? UP : DOWN;
  Branch b = { .turned = turned, .kernel = kernel, .flipped = back };
  b.there = map_new (high, kernels, how, 0);
  b.there_back = map_new (high, kernels, how, 1);
  b.back = map_new (kernels, high, !how, 0);
  b.back_back = map_new (kernels, high, !how, 1);
  b.source = plane_new (high, wide);
  b.found = plane_new (kernels, wide);
  b.wide = plane_new (high, wide);
  b.last = plane_new (h, w);
  for (int k = 0; k < 3; k++) {
    b.ring[k] = plane_new (kernels, wide);
    b.d_ring[k] = plane_new (kernels, wide);
  }
  b.sums = floats ((size_t) kernels * 9 * LANES);
  memset (b.sums, 0, (size_t) kernels * 9 * LANES * sizeof (float));
  return b;
}

static void
branch_free (Branch b)
{
  Map maps[] = { b.there, b.there_back, b.back, b.back_back };
  for (int k = 0; k < 4; k++)
    map_free (maps[k]);
  Plane planes[] = { b.source,  b.found,   b.wide,      b.last,      b.ring[0],
                     b.ring[1], b.ring[2], b.d_ring[0], b.d_ring[1], b.d_ring[2] };
  for (int k = 0; k < 10; k++)
    plane_free (planes[k]);
  free (b.sums);
}

/* Channel k as rows of the branch, resized. */
static void
branch_enter (const Branch *b, Map m, Plane in, Plane out)
{
  if (b->turned)
    turn (in, b->source);
  resize_rows (m, b->turned ? b->source : in, out);
}

/* Convolves channel k of the ring and resizes the result. */
static void
branch_leave (const Branch *b, const Plane *ring, int k, const float *kernel, Map m, Plane out)
{
  const float *sources[3] = { ring[(k + 2) % 3].at, ring[k % 3].at, ring[(k + 1) % 3].at };
  convolve (sources, kernel, 9, b->found, 0);
  resize_rows (m, b->found, b->turned ? b->wide : out);
  if (b->turned)
    turn (b->wide, out);
}

static void
branch_correlate (const Branch *b, int k)
{
  const float *sources[3] = { b->ring[(k + 2) % 3].at, b->ring[k % 3].at, b->ring[(k + 1) % 3].at };
  correlate (sources, b->d_ring[k % 3], 9, b->sums);
}

/* The DiCE unit */

typedef struct {
  const Step *step;
  const Ready *ready;
  int h, w, size, count; /* count: of a plane with its padding */
  Branch height, width;
  Plane in[2], out[3], fused, active, last, d, d_last, d_out[3], d_in[2];
} Unit;

enum { UNIT_PLANES = 14 };

static Unit
unit_new (const Ready *r, int h, int w)
{
  const Step *s = r->step;
  Unit u = { .step = s, .ready = r, .h = h, .w = w, .size = h * w };
  u.height = branch_new (h, w, s->rows, 0, s->height, r->height_flipped);
  u.width = branch_new (h, w, s->columns, 1, r->width, r->width_flipped);
  Plane *planes[UNIT_PLANES] = { &u.in[0], &u.in[1], &u.out[0], &u.out[1],   &u.out[2],   &u.fused,    &u.active,
                                 &u.last,  &u.d,     &u.d_last, &u.d_out[0], &u.d_out[1], &u.d_out[2], &u.d_in[0] };
  for (int k = 0; k < UNIT_PLANES; k++)
    *planes[k] = plane_new (h, w);
  u.d_in[1] = plane_new (h, w);
  u.count = h * u.last.stride;
  return u;
}

static void
unit_free (Unit u)
{
  branch_free (u.height);
  branch_free (u.width);
  Plane planes[] = { u.in[0], u.in[1],  u.out[0],   u.out[1],   u.out[2],   u.fused,   u.active, u.last,
                     u.d,     u.d_last, u.d_out[0], u.d_out[1], u.d_out[2], u.d_in[0], u.d_in[1] };
  for (int k = 0; k < UNIT_PLANES + 1; k++)
    plane_free (planes[k]);
}

/* What is kept of a photo. */
typedef struct {
  float *fused, *means, *hidden, *scale;
} Kept;

static Kept
kept_of (const Step *s, int size, float *memory)
{
  Kept k = { .fused = take (&memory, (size_t) s->inputs * size), .means = take (&memory, s->inputs) };
  k.hidden = take (&memory, s->hidden);
  k.scale = memory;
  return k;
}

/* The number of values that are kept of a step for the backward pass. */
static size_t
kept_size (const Step *s, int h, int w)
{
  size_t size = (size_t) h * w;
  if (s->kind == UNIT)
    return s->inputs * size + s->inputs + s->hidden + s->outputs;
  return s->kind == POINTS ? s->outputs * size : 0;
}

/* Reads channel k, or zeros after the last one. */
static void
unit_enter (Unit *u, int k, const float *x)
{
  if (k < u->step->inputs) {
    load (u->in[k % 2], x + (size_t) k * u->size, u->h, u->w, 1);
    branch_enter (&u->height, u->height.there, u->in[k % 2], u->height.ring[k % 3]);
    branch_enter (&u->width, u->width.there, u->in[k % 2], u->width.ring[k % 3]);
  } else {
    plane_clear (u->height.ring[k % 3]);
    plane_clear (u->width.ring[k % 3]);
  }
}

/* The three branches of channel k. */
static void
unit_branches (Unit *u, int k)
{
  const float *sources[3];
  around (u->in[k % 2], sources);
  convolve (sources, u->step->depth + 9 * k, 0, u->out[0], 0);
  branch_leave (&u->height, u->height.ring, k, u->height.kernel, u->height.back, u->out[1]);
  branch_leave (&u->width, u->width.ring, k, u->width.kernel, u->width.back, u->out[2]);
}

/* From the fused channel k to its plane before the last BatchNorm. */
static void
unit_last (Unit *u, int k, const Kept *kept)
{
  const Step *s = u->step;
  const float *sources[3];
  load (u->fused, kept->fused + (size_t) k * u->size, u->h, u->w, 1);
  activate (channel_of (&s->fusion, s->epsilon[2], k), u->fused.at, 1, u->active.at, 0, u->count);
  plane_mask (u->active);
  around (u->active, sources);
  convolve (sources, s->kernel + 9 * k, 0, u->last, 0);
}

/* out = matrix (rows x columns) times x */
static void
times_vector (const float *matrix, int rows, int columns, const float *x, float *out)
{
  for (int r = 0; r < rows; r++, matrix += columns) {
    float sum = 0;
    for (int k = 0; k < columns; k++)
      sum += matrix[k] * x[k];
    out[r] = sum;
  }
}

/* Gradients of the matrix, d x, and of the vector, its transpose times d. */
static void
vector_backward (const float *matrix, int rows, int columns, const float *x, const float *d, float *dmatrix, float *dx)
{
  memset (dx, 0, columns * sizeof (float));
  for (int r = 0; r < rows; r++)
    for (int k = 0; k < columns; k++) {
      dmatrix[(size_t) r * columns + k] = d[r] * x[k];
      dx[k] += d[r] * matrix[(size_t) r * columns + k];
    }
}

static void
gate_forward (const Step *s, const Kept *k)
{
  times_vector (s->shrink, s->hidden, s->inputs, k->means, k->hidden);
  for (int i = 0; i < s->hidden; i++)
    k->hidden[i] = k->hidden[i] > 0 ? k->hidden[i] : 0;
  times_vector (s->grow, s->outputs, s->hidden, k->hidden, k->scale);
  for (int o = 0; o < s->outputs; o++)
    k->scale[o] = 1 / (1 + expf (-k->scale[o]));
}

/* `dscale` is replaced. */
static void
gate_backward (const Step *s, const Kept *k, float *dscale, float *dmeans, float *dshrink, float *dgrow)
{
  float *dhidden = floats (s->hidden);
  for (int o = 0; o < s->outputs; o++)
    dscale[o] *= k->scale[o] * (1 - k->scale[o]);
  vector_backward (s->grow, s->outputs, s->hidden, k->hidden, dscale, dgrow, dhidden);
  for (int i = 0; i < s->hidden; i++)
    dhidden[i] = k->hidden[i] > 0 ? dhidden[i] : 0;
  vector_backward (s->shrink, s->hidden, s->inputs, k->means, dhidden, dshrink, dmeans);
  free (dhidden);
}

static Channel
branch_channel (const Step *s, int branch, int k)
{
  return channel_of (&s->branches, s->epsilon[1], branch * s->inputs + k);
}

static void
unit_forward (Unit *u, const float *x, const Kept *kept)
{
  const Step *s = u->step;
  for (int k = 0; k <= s->inputs; k++) { /* reads channel k, computes channel `here` */
    unit_enter (u, k, x);
    if (k == 0)
      continue;
    int here = k - 1;
    unit_branches (u, here);
    for (int b = 0; b < 3; b++)
      activate (branch_channel (s, b, here), u->out[b].at, s->mix[3 * here + b], u->fused.at, b > 0, u->count);
    store (u->fused, kept->fused + (size_t) here * u->size, u->h, u->w, 1, 0);
    activate (channel_of (&s->fusion, s->epsilon[2], here), u->fused.at, 1, u->active.at, 0, u->count);
    plane_mask (u->active);
    kept->means[here] = plane_sum (u->active) / u->size;
  }
  gate_forward (s, kept);
}

static void
unit_finish (Unit *u, const Kept *kept, Planes y)
{
  const Step *s = u->step;
  for (int k = 0; k < s->outputs; k++) {
    unit_last (u, k, kept);
    activate (channel_of (&s->norm, s->epsilon[0], k), u->last.at, kept->scale[k], u->last.at, 0, u->count);
    store (u->last, plane_at (y, k), u->h, u->w, 1, 0);
  }
}

static void
planes_correlate (Plane x, Plane d, float *dkernel)
{
  const float *sources[3];
  float sums[9 * LANES] = { 0 };
  around (x, sources);
  correlate (sources, d, 0, sums);
  add_lanes (sums, 9, dkernel);
}

/* Gradients are in the order of the parameters of Step in fused.py. */
static void
unit_backward (Unit *u, const float *x, const Kept *kept, Planes dy, float *dx, float **gradients)
{
  const Step *s = u->step;
  int c = s->inputs, size = u->size, count = u->count;
  float *dkernel = take (gradients, 9 * c), *dweight = take (gradients, c), *dbias = take (gradients, c);
  float *dslope = take (gradients, c), *ddepth = take (gradients, 9 * c), *dheight = take (gradients, 9 * s->rows);
  float *dwidth = take (gradients, 9 * s->columns), *dmix = take (gradients, 3 * c);
  float *dshrink = take (gradients, s->hidden * c), *dgrow = take (gradients, c * s->hidden);
  float *b_weight = take (gradients, 3 * c), *b_bias = take (gradients, 3 * c), *b_slope = take (gradients, 3 * c);
  float *f_weight = take (gradients, c), *f_bias = take (gradients, c), *f_slope = take (gradients, c);
  float *dscale = floats (c), *dmeans = floats (c), *dactive = floats ((size_t) c * size);
  const float *sources[3];

  for (int k = 0; k < c; k++) {
    unit_last (u, k, kept);
    load (u->d, plane_at (dy, k), u->h, u->w, 1);
    dscale[k] = activate_backward (channel_of (&s->norm, s->epsilon[0], k), u->last.at, kept->scale[k], u->d.at,
                                   u->d_last.at, count, k, dweight, dbias, dslope);
    planes_correlate (u->active, u->d_last, dkernel + 9 * k);
    around (u->d_last, sources);
    convolve (sources, u->ready->flipped + 9 * k, 0, u->last, 0);
    store (u->last, dactive + (size_t) k * size, u->h, u->w, 1, 0);
  }
  gate_backward (s, kept, dscale, dmeans, dshrink, dgrow);

  for (int k = 0; k <= c + 1; k++) { /* reads channel k, computes channels `here` and `there` */
    int here = k - 1, there = k - 2;
    if (k <= c)
      unit_enter (u, k, x);
    if (here >= 0 && here < c) {
      unit_branches (u, here);
      load (u->fused, kept->fused + (size_t) here * size, u->h, u->w, 1);
      load (u->d, dactive + (size_t) here * size, u->h, u->w, 1);
      plane_add (u->d, dmeans[here] / size);
      activate_backward (channel_of (&s->fusion, s->epsilon[2], here), u->fused.at, 1, u->d.at, u->d.at, count, here,
                         f_weight, f_bias, f_slope);
      for (int b = 0; b < 3; b++)
        dmix[3 * here + b] =
            activate_backward (branch_channel (s, b, here), u->out[b].at, s->mix[3 * here + b], u->d.at, u->d_out[b].at,
                               count, b * c + here, b_weight, b_bias, b_slope);
      planes_correlate (u->in[here % 2], u->d_out[0], ddepth + 9 * here);
      around (u->d_out[0], sources);
      convolve (sources, u->ready->depth_flipped + 9 * here, 0, u->d_in[here % 2], 0);
      branch_enter (&u->height, u->height.back_back, u->d_out[1], u->height.d_ring[here % 3]);
      branch_enter (&u->width, u->width.back_back, u->d_out[2], u->width.d_ring[here % 3]);
      branch_correlate (&u->height, here);
      branch_correlate (&u->width, here);
    } else if (here == c) {
      plane_clear (u->height.d_ring[here % 3]);
      plane_clear (u->width.d_ring[here % 3]);
    }
    if (there >= 0) {
      Plane to = u->d_in[there % 2];
      Branch *branches[2] = { &u->height, &u->width };
      for (int i = 0; i < 2; i++) {
        Branch *b = branches[i];
        branch_leave (b, b->d_ring, there, b->flipped, b->there_back, b->last);
        for (int j = 0; j < count; j++)
          to.at[j] += b->last.at[j];
      }
      store (to, dx + (size_t) there * size, u->h, u->w, 1, 0);
    }
  }
  add_lanes (u->height.sums, 9 * s->rows, dheight);
  float *turned = floats ((size_t) 9 * s->columns);
  add_lanes (u->width.sums, 9 * s->columns, turned);
  turn_kernels (turned, s->columns, dwidth);
  free (turned);
  free (dscale);
  free (dmeans);
  free (dactive);
}

/* A step */

static void
norm_planes (const Step *s, const float *x, size_t size, Planes y)
{
  for (int k = 0; k < s->outputs; k++)
    activate (channel_of (&s->norm, s->epsilon[0], k), x + k * size, 1, plane_at (y, k), 0, size);
}

static void
step_planes (const Ready *r, int h, int w, const float *x, float *y)
{
  const Step *s = r->step;
  const float *kernel = s->kind == POOL ? r->flipped : s->kernel;
  planes_forward (1, s->groups, s->inputs / s->groups, s->outputs / s->groups, h, w, s->step, x, kernel, 1, y, 1);
}

/* Fills `kept` unless it is `known`; `y` may be NULL. */
static void
step_forward (const Ready *r, int h, int w, const float *x, float *kept, int known, Planes *y)
{
  const Step *s = r->step;
  size_t size = (size_t) strided (h, s->step) * strided (w, s->step);
  if (s->kind == UNIT && (y || !known)) {
    Unit u = unit_new (r, h, w);
    Kept k = kept_of (s, size, kept);
    if (!known)
      unit_forward (&u, x, &k);
    if (y)
      unit_finish (&u, &k, *y);
    unit_free (u);
  } else if (s->kind == POINTS) {
    if (!known)
      points_of_photo (r->packed, s->inputs, s->outputs, size, x, kept);
    if (y)
      norm_planes (s, kept, size, *y);
  } else if (s->kind == POOL && y) {
    float *made = y->groups == 1 ? y->at : floats (s->outputs * size);
    step_planes (r, h, w, x, made);
    for (int k = 0; k < s->outputs && made != y->at; k++)
      memcpy (plane_at (*y, k), made + k * size, size * sizeof (float));
    if (made != y->at)
      free (made);
  } else if (s->kind == PLANES && y) {
    float *made = floats (s->outputs * size);
    step_planes (r, h, w, x, made);
    norm_planes (s, made, size, *y);
    free (made);
  }
}

static void
step_backward (const Ready *r, int h, int w, const float *x, float *kept, Planes dy, float *dx, float **gradients)
{
  const Step *s = r->step;
  int out_h = strided (h, s->step), out_w = strided (w, s->step), inputs = s->inputs / s->groups;
  size_t size = (size_t) out_h * out_w, all = s->outputs * size;
  if (s->kind == UNIT) {
    Unit u = unit_new (r, h, w);
    Kept k = kept_of (s, size, kept);
    unit_backward (&u, x, &k, dy, dx, gradients);
    unit_free (u);
    return;
  }
  float *d = floats (all), *made = s->kind == PLANES ? floats (all) : NULL;
  if (s->kind == POOL) {
    float *unused = floats ((size_t) s->inputs * 9);
    for (int k = 0; k < s->outputs; k++)
      memcpy (d + k * size, plane_at (dy, k), size * sizeof (float));
    planes_backward (1, s->groups, 1, 1, h, w, s->step, x, r->flipped, 1, d, dx, unused, 1);
    free (unused);
  } else {
    float *dkernel = take (gradients, (size_t) s->outputs * inputs * (made ? 9 : 1));
    float *dweight = take (gradients, s->outputs), *dbias = take (gradients, s->outputs);
    float *dslope = take (gradients, s->outputs);
    if (made)
      step_planes (r, h, w, x, made);
    for (int k = 0; k < s->outputs; k++)
      activate_backward (channel_of (&s->norm, s->epsilon[0], k), (made ? made : kept) + k * size, 1, plane_at (dy, k),
                         d + k * size, size, k, dweight, dbias, dslope);
    if (made)
      planes_backward (1, s->groups, inputs, s->outputs / s->groups, h, w, s->step, x, r->flipped, 1, d, dx, dkernel,
                       1);
    else {
      points_of_photo (r->packed_back, s->outputs, s->inputs, size, d, dx);
      points_gradient (1, s->inputs, s->outputs, size, x, d, dkernel, 1);
    }
  }
  free (d);
  free (made);
}

/* A path */

static void
path_forward (const Path *p, const Ready *ready, int h, int w, const float *x, float *kept, Planes y)
{
  float *made = NULL;
  for (int i = 0; i < p->count; i++) {
    const Step *s = p->steps + i;
    int out_h = strided (h, s->step), out_w = strided (w, s->step);
    size_t size = (size_t) out_h * out_w;
    Planes next = { .total = s->outputs, .groups = 1, .size = size };
    if (i == p->count - 1)
      next = y;
    else
      next.at = floats (s->outputs * size);
    step_forward (ready + i, h, w, made ? made : x, kept, 0, &next);
    kept += kept_size (s, h, w);
    free (made);
    made = i == p->count - 1 ? NULL : next.at;
    h = out_h;
    w = out_w;
  }
  for (int k = 0; k < p->outputs && p->count == 0; k++)
    memcpy (plane_at (y, k), x + k * y.size, y.size * sizeof (float));
}

/* Adds to dx if `add`. */
static void
path_backward (const Path *p, const Ready *ready, int h, int w, const float *x, float *kept, Planes dy, float *dx,
               int add, float **gradients)
{
  int heights[p->count + 1], widths[p->count + 1], count = p->count;
  const float *inputs[p->count + 1];
  float *keeps[p->count + 1];
  heights[0] = h;
  widths[0] = w;
  inputs[0] = x;
  for (int i = 0; i < count; i++) {
    const Step *s = p->steps + i;
    heights[i + 1] = strided (heights[i], s->step);
    widths[i + 1] = strided (widths[i], s->step);
    keeps[i] = kept;
    kept += kept_size (s, heights[i], widths[i]);
    if (i == count - 1)
      break;
    size_t size = (size_t) heights[i + 1] * widths[i + 1];
    Planes y = { .at = floats (s->outputs * size), .total = s->outputs, .groups = 1, .size = size };
    step_forward (ready + i, heights[i], widths[i], inputs[i], keeps[i], 1, &y);
    inputs[i + 1] = y.at;
  }
  for (int i = count - 1; i >= 0; i--) {
    int inside = i > 0, channels = p->steps[i].inputs;
    size_t size = (size_t) heights[i] * widths[i];
    float *next = inside || add ? floats (channels * size) : dx;
    step_backward (ready + i, heights[i], widths[i], inputs[i], keeps[i], dy, next, gradients);
    if (i < count - 1)
      free (dy.at);
    if (inside)
      free ((float *) inputs[i]);
    dy = (Planes){ .at = next, .total = channels, .groups = 1, .size = size };
  }
  size_t size = (size_t) h * w;
  for (int k = 0; k < p->inputs && (count == 0 || add); k++) {
    float *from = plane_at (dy, k), *to = dx + k * size;
    for (size_t j = 0; j < size; j++)
      to[j] = from[j] + (add ? to[j] : 0);
  }
  if (count > 0 && add)
    free (dy.at);
}

static Ready *
ready_all (const Path *paths, int count, int backward)
{
  int steps = 0;
  for (int k = 0; k < count; k++)
    steps += paths[k].count;
  Ready *ready = allocate ((steps + 1) * sizeof (Ready)), *next = ready;
  for (int k = 0; k < count; k++)
    for (int i = 0; i < paths[k].count; i++)
      *next++ = ready_new (paths[k].steps + i, backward);
  *next = (Ready){ 0 };
  return ready;
}

static void
ready_free_all (Ready *ready)
{
  for (Ready *r = ready; r->step; r++)
    ready_free (*r);
  free (ready);
}

static size_t
path_kept (const Path *p, int h, int w)
{
  size_t kept = 0;
  for (int i = 0; i < p->count; i++) {
    kept += kept_size (p->steps + i, h, w);
    h = strided (h, p->steps[i].step);
    w = strided (w, p->steps[i].step);
  }
  return kept;
}

/* `y` has `total` planes of `size` values, shuffled in `groups`; `kept`, n x `keep`, is for the backward pass, or
 * NULL. */
void
paths_forward (int n, int channels, int h, int w, int count, const Path *paths, int total, int groups, int size,
               int keep, const float *x, float *kept, float *y, int threads)
{
  Ready *ready = ready_all (paths, count, 0);
#pragma omp parallel num_threads(threads)
  {
    float *memory = kept ? NULL : floats (keep);
#pragma omp for
    for (int i = 0; i < n; i++) {
      float *here = kept ? kept + (size_t) i * keep : memory;
      const Ready *steps = ready;
      for (int k = 0; k < count; k++) {
        const Path *p = paths + k;
        Planes to = { y + (size_t) i * total * size, p->to, total, groups, size };
        path_forward (p, steps, h, w, x + ((size_t) i * channels + p->first) * h * w, here, to);
        here += path_kept (p, h, w);
        steps += p->count;
      }
    }
    free (memory);
  }
  ready_free_all (ready);
}

/* `gradients` is n x `parameters`: those of all steps of all paths, of a path the last step's first. Each path begins
 * with the first channel or after the channels of those before it. */
void
paths_backward (int n, int channels, int h, int w, int count, const Path *paths, int total, int groups, int size,
                int keep, const float *x, float *kept, float *dy, float *dx, int parameters, float *gradients,
                int threads)
{
  Ready *ready = ready_all (paths, count, 1);
#pragma omp parallel for num_threads(threads)
  for (int i = 0; i < n; i++) {
    float *here = kept + (size_t) i * keep, *to = gradients + (size_t) i * parameters;
    const Ready *steps = ready;
    for (int k = 0; k < count; k++) {
      const Path *p = paths + k;
      size_t at = ((size_t) i * channels + p->first) * h * w;
      Planes from = { dy + (size_t) i * total * size, p->to, total, groups, size };
      path_backward (p, steps, h, w, x + at, here, from, dx + at, k > 0 && p->first == 0, &to);
      here += path_kept (p, h, w);
      steps += p->count;
    }
  }
  ready_free_all (ready);
}

#else

int
has_bf16 (int threads)
{
  (void) threads;
  return 0;
}

#endif
