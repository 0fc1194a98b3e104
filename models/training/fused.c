/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What fused.py computes in training on a processor, forward and backward:
 * float32, contiguous NCHW.
 *
 * All of a plane's steps run while it is in the nearest cache. Sums have the
 * same order whatever the number of threads: a photo or a channel belongs to
 * one thread, and gradients of weights come for each photo and are added up by
 * the caller.
 */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16

typedef float Vector __attribute__ ((vector_size (4 * LANES), aligned (4), may_alias));

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

/* Planes with zeros around them, which stand in for a convolution's padding:
 * rows are a multiple of LANES apart and have at least one zero after them. */

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

/* The `h` x `w` values at `x` become every `step`-th of rows and columns, or of
 * columns and rows. */
static void
load (Plane p, const float *x, int h, int w, int step, int transposed)
{
  int down = transposed ? step : step * p.stride, across = transposed ? step * p.stride : step;
  for (int r = 0; r < h; r++, x += w) {
    float *to = p.at + (size_t) r * down;
    if (across == 1)
      memcpy (to, x, w * sizeof (float));
    else
      for (int j = 0; j < w; j++)
        to[(size_t) j * across] = x[j];
  }
}

/* The reverse; `add` to what is there. */
static void
store (Plane p, float *x, int h, int w, int step, int transposed, int add)
{
  int down = transposed ? step : step * p.stride, across = transposed ? step * p.stride : step;
  for (int r = 0; r < h; r++, x += w) {
    const float *from = p.at + (size_t) r * down;
    if (across == 1)
      for (int j = 0; j < w; j++)
        x[j] = from[j] + (add ? x[j] : 0);
    else
      for (int j = 0; j < w; j++)
        x[j] = from[(size_t) j * across] + (add ? x[j] : 0);
  }
}

/* 3 x 3 convolutions with padding. Sources are three pointers: to the rows
 * above, at and below in a plane, or to the planes before, at and after. */

static inline void
around (Plane p, const float *sources[3])
{
  for (int a = 0; a < 3; a++)
    sources[a] = p.at + (a - 1) * p.stride;
}

/* Kernels follow one another `next` floats apart by row: 9, or 0 for the same
 * one in all rows. */
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

/* Adds the kernels' gradients to `sums`, 9 x LANES for each; `d` is the
 * outputs'. */
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

/* Resizing along one axis as a matrix of few weights in each row, which its
 * transpose, the way back, has, too. */

enum { UP, DOWN };

typedef struct {
  int in, out;
  int *first, *end; /* where a row's weights are */
  float *weights;
} Map;

/* Bilinear, first on first and last on last; or adaptive average pooling. */
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

/* Both axes: rows, and then columns as rows of what is transposed. */

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
turn (Plane in, Plane out)
{
  for (int r = 0; r < in.h; r++)
    for (int j = 0; j < in.w; j++)
      out.at[(size_t) j * out.stride + r] = in.at[(size_t) r * in.stride + j];
}

static void
resize (Resizer *r, Plane in, Plane out)
{
  resize_rows (r->rows, in, r->high);
  turn (r->high, r->turned);
  resize_rows (r->columns, r->turned, r->wide);
  turn (r->wide, out);
}

/* A stage of efficient pyramid pooling: to `high` x `wide`, depth-wise
 * convolution, and back. Channel c's plane is number c * `stages` + `stage` of
 * a photo. */

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
      load (in, x + (size_t) i * h * w, h, w, 1, 0);
      resize (&there, in, middle);
      convolve (sources, kernel + 9 * (i % c), 0, found, 0);
      resize (&back, found, out);
      store (out, y + ((size_t) i * stages + stage) * h * w, h, w, 1, 0, 0);
    }
    plane_free (in);
    plane_free (middle);
    plane_free (found);
    plane_free (out);
    resizer_free (there);
    resizer_free (back);
  }
}

/* `flipped` is the kernel back to front; adds to `dx`; `dkernel` is n x c x 9.
 */
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
      load (in, x + (size_t) i * h * w, h, w, 1, 0);
      resize (&there, in, middle);
      load (in, dy + ((size_t) i * stages + stage) * h * w, h, w, 1, 0);
      resize (&back, in, d);
      correlate (sources, d, 0, sums);
      add_lanes (sums, 9, dkernel + (size_t) i * 9);
      convolve (d_sources, flipped + 9 * (i % c), 0, found, 0);
      resize (&home, found, out);
      store (out, dx + (size_t) i * h * w, h, w, 1, 0, 1);
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

/* DimConv's branch along an axis: planes of `h` rows, or of `w` columns that
 * are taken for rows, are resized to `kernels` rows; row r of channels c - 1, c
 * and c + 1 with kernel r makes row r of channel c; and back. Planes of a
 * photo's channels are `pitch` planes apart in `y`. */

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
    for (int k = 0; k < 3; k++)
      ring[k] = plane_new (kernels, wide);
    for (int k = 0; k <= c; k++) { /* channel k arrives, channel k - 1 is made */
      if (k < c) {
        load (in, x + ((size_t) i * c + k) * h * w, h, w, 1, transposed);
        resize_rows (there, in, ring[k % 3]);
      } else
        plane_clear (ring[k % 3]);
      if (k == 0)
        continue;
      const float *sources[3] = { ring[(k + 1) % 3].at, ring[(k + 2) % 3].at, ring[k % 3].at };
      convolve (sources, kernel, 9, found, 0);
      resize_rows (back, found, out);
      store (out, y + ((size_t) i * c + k - 1) * pitch * h * w, h, w, 1, transposed, 0);
    }
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
    Plane ring[3], d_ring[3];
    for (int k = 0; k < 3; k++) {
      ring[k] = plane_new (kernels, wide);
      d_ring[k] = plane_new (kernels, wide);
    }
    float *sums = calloc ((size_t) kernels * 9 * LANES, sizeof (float));
    if (sums == NULL)
      abort ();
    for (int k = 0; k <= c; k++) {
      if (k < c) {
        load (in, x + ((size_t) i * c + k) * h * w, h, w, 1, transposed);
        resize_rows (there, in, ring[k % 3]);
        load (in, dy + ((size_t) i * c + k) * pitch * h * w, h, w, 1, transposed);
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
      store (out, dx + ((size_t) i * c + k - 1) * h * w, h, w, 1, transposed, 1);
    }
    add_lanes (sums, kernels * 9, dkernel + (size_t) i * kernels * 9);
    free (sums);
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

/* Grouped 3 x 3 convolutions with few inputs and outputs to a group. What a
 * stride skips is computed as well, which costs less than picking elements. The
 * channels of `y` are `pitch` planes apart. */

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
        load (in, x + ((size_t) i * inputs + p) * h * w, h, w, 1, 0);
        for (int o = 0; o < outputs; o++)
          convolve (sources, k + (o * inputs + p) * 9, 0, found[o], p > 0);
      }
      for (int o = 0; o < outputs; o++)
        store (found[o], y + ((size_t) i * outputs + o) * pitch * out_h * out_w, out_h, out_w, step, 0, 0);
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
        load (d[o], dy + ((size_t) i * outputs + o) * pitch * out_h * out_w, out_h, out_w, step, 0);
      for (int p = 0; p < inputs; p++) {
        load (in, x + ((size_t) i * inputs + p) * h * w, h, w, 1, 0);
        for (int o = 0; o < outputs; o++) {
          float sums[9 * LANES] = { 0 };
          correlate (sources, d[o], 0, sums);
          add_lanes (sums, 9, dkernel + (((size_t) i * outputs + o) * inputs + p) * 9);
          around (d[o], d_sources);
          convolve (d_sources, flipped + k + (o * inputs + p) * 9, 0, found, o > 0);
        }
        store (found, dx + ((size_t) i * inputs + p) * h * w, h, w, 1, 0, 0);
      }
    }
    plane_free (in);
    plane_free (found);
    for (int o = 0; o < outputs; o++)
      plane_free (d[o]);
  }
}

/* BatchNorm and PReLU. Parameters of `groups` x c / groups channels are for
 * planes in shuffled order; `fold` planes, each times its `mix`, are added to
 * one, which is multiplied by its photo's `scale`. */

typedef struct {
  int n, c, size, groups, fold, training;
  const float *weight, *bias, *slope, *mix, *scale; /* the last two may be NULL */
  float *mean, *inverse;                            /* of the planes' channels; 1 / deviation */
} Norm;

/* Where channel k's parameters are. */
static int
place (const Norm *m, int k)
{
  return k % m->groups * (m->c / m->groups) + k / m->groups;
}

/* Mean and variance, plane by plane with its own mean: no difference of large
 * numbers. */
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

/* Updates the running statistics in training, and uses them otherwise. `means`,
 * of each plane of `y`, may be NULL. */
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

/* `dmeans` (NULL), `dmix` and `dscale` (NULL without mix and scale) as in
 * forward; the others as the parameters. */
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

/* Maximum of 3 x 3 with stride 2 and padding; `where` is the first of the nine
 * that has it. */

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
        int better = !(from[2 * j] <= best[j]); /* not a number wins, too */
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
