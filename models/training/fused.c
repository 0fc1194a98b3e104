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
  float *memory = calloc ((size_t) (h + 2) * p.stride + 2 * LANES, sizeof (float));
  if (memory == NULL)
    abort ();
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

/* Rows are short: calling memcpy() would take longer than the copy. */
static inline void
copy_row (float *to, const float *from, int w)
{
  int j = 0;
  for (; j + LANES <= w; j += LANES)
    put (to + j, get (from + j));
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

/* Transposes a block of LANES rows: swaps halves, then quarters, and so on. */
static inline void
turn_block (Vector v[LANES])
{
#pragma GCC unroll 4
  for (int half = LANES / 2; half > 0; half /= 2) {
    Indices low, high;
    for (int i = 0; i < LANES; i++) {
      low[i] = i & half ? i - half + LANES : i;
      high[i] = i & half ? i + LANES : i + half;
    }
#pragma GCC unroll 16
    for (int r = 0; r < LANES; r++)
      if (!(r & half)) {
        Vector first = v[r], second = v[r + half];
        v[r] = __builtin_shuffle (first, second, low);
        v[r + half] = __builtin_shuffle (first, second, high);
      }
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

/* Maps `inputs` planes of `size` values to `outputs` planes, for n photos; the kernel is outputs x inputs, or inputs x
 * outputs when `transposed`. */
void
points_product (int n, int inputs, int outputs, int size, int transposed, const float *x, const float *kernel, float *y,
                int threads)
{
  uint32_t *weights = pack_kernel (kernel, inputs, outputs, transposed);
  int pairs = (inputs + 1) / 2, blocks = (size + BLOCK - 1) / BLOCK;
#pragma omp parallel num_threads(threads)
  {
    uint32_t *columns = allocate ((size_t) pairs * BLOCK * sizeof (uint32_t));
#pragma omp for
    for (int b = 0; b < n * blocks; b++) {
      int i = b / blocks, j = b % blocks * BLOCK, count = size - j < BLOCK ? size - j : BLOCK;
      pack_columns (x + (size_t) i * inputs * size + j, inputs, size, count, columns);
      for (int o = 0; o < outputs; o += TILE)
        multiply_tile (weights + (size_t) o * pairs, columns, pairs, y + ((size_t) i * outputs + o) * size + j, size,
                       outputs - o, count);
    }
    free (columns);
  }
  free (weights);
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

#else

int
has_bf16 (int threads)
{
  (void) threads;
  return 0;
}

#endif
