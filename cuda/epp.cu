/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <type_traits>
#include "device.cuh"
#include "launch.cuh"

/* The EPP unit in two kernels. The first scales the input down and convolves it, which gives small planes. The second
 * does everything else without intermediate storage: scales above the input's, with tables that combine scaling up, the
 * kernel and scaling down (DicenetComposedAxis); the input's own scale; scaling up the small planes; and the 3 x 3
 * convolution of all five. */

#define OWN   DICENET_EPP_IDENTITY
#define BELOW (DICENET_EPP_BRANCHES - OWN - 1)

using Scale = std::remove_extent_t<decltype (DicenetCudaEpp::branches)>;

/* The convolved planes of the smaller scales, channel by channel. */
static __device__ __forceinline__ float *
small_plane (const DicenetCudaEpp &p, unsigned picture, unsigned c, unsigned k)
{
  const unsigned half = p.branches[OWN + 1].h * p.branches[OWN + 1].w,
                 tenth = p.branches[OWN + 2].h * p.branches[OWN + 2].w;
  return p.scratch + picture * p.x.stride + c * (half + tenth) + (k == 0 ? 0 : half);
}

/* --- scales below the input's --- */

#define SMALL_THREADS 256u
#define TILE          8u         /* rows and columns that a block convolves */
#define HALO          (TILE + 2) /* rows and columns of means that it needs */

/* A lane's part of the mean at row i, column j of the small plane: every LANES-th column. */
template <unsigned LANES>
static __device__ __forceinline__ float
part_of_mean (const float *x, unsigned w, const Scale &s, unsigned i, unsigned j)
{
  const float *cell = x + (unsigned) s.rows.start[i] * w + (unsigned) s.columns.start[j];
  float sum = 0;

  for (unsigned b = threadIdx.x % LANES; b < s.columns.taps; b += LANES) {
    float column = 0;
#pragma unroll 4
    for (unsigned a = 0; a < s.rows.taps; a++)
      column += s.rows.weight[a * s.rows.out + i] * cell[a * w + b];
    sum += s.columns.weight[b * s.columns.out + j] * column;
  }
  return sum;
}

/* Scales a part of the plane down, beginning at @row and @column, with zero padding. */
template <unsigned LANES>
static __device__ __forceinline__ void
scale_down (const float *x, unsigned w, const Scale &s, int row, int column, float *tile)
{
  for (unsigned begin = 0; begin < HALO * HALO; begin += SMALL_THREADS / LANES) {
    const unsigned at = begin + threadIdx.x / LANES;
    const int i = row + (int) (at / HALO), j = column + (int) (at % HALO);
    const bool is_inside = at < HALO * HALO && i >= 0 && i < (int) s.h && j >= 0 && j < (int) s.w;
    float sum = is_inside ? part_of_mean<LANES> (x, w, s, (unsigned) i, (unsigned) j) : 0;
    for (unsigned lanes = LANES / 2; lanes > 0; lanes /= 2)
      sum += __shfl_xor_sync (0xffffffffu, sum, (int) lanes);
    if (threadIdx.x % LANES == 0 && at < HALO * HALO)
      tile[at] = sum;
  }
  __syncthreads ();
}

static __device__ __forceinline__ float
convolved (const float *tile, const float *kernel)
{
  float sum = 0;

#pragma unroll
  for (unsigned t = 0; t < 9; t++)
    sum += kernel[t] * tile[t / 3 * HALO + t % 3];
  return sum;
}

static __host__ __device__ __forceinline__ unsigned
tiles_of (const Scale &s)
{
  return (s.h + TILE - 1) / TILE * ((s.w + TILE - 1) / TILE);
}

/* Computes tile @block of scale OWN + 1 + k. */
template <unsigned LANES>
static __device__ __forceinline__ void
make_tile (const DicenetCudaEpp &p, unsigned k, unsigned block)
{
  __shared__ float tile[HALO * HALO];
  const Scale &s = p.branches[OWN + 1 + k];
  const unsigned across = (s.w + TILE - 1) / TILE, row = block / across * TILE, column = block % across * TILE;
  const unsigned c = blockIdx.y, i = threadIdx.x / TILE, j = threadIdx.x % TILE;

  scale_down<LANES> (plane_of (p.x, blockIdx.z, c), p.x.w, s, (int) row - 1, (int) column - 1, tile);
  if (i < TILE && row + i < s.h && column + j < s.w)
    small_plane (p, blockIdx.z, c, k)[(row + i) * s.w + column + j] =
        convolved (tile + i * HALO + j, p.weight + ((OWN + 1 + k) * p.x.c + c) * 9);
}

/* Means at half the size have few inputs, those at a tenth about a hundred. */
static __global__ void
small_kernel (DicenetCudaEpp p)
{
  const unsigned tiles = tiles_of (p.branches[OWN + 1]);

  if (blockIdx.x < tiles)
    make_tile<2> (p, 0, blockIdx.x);
  else
    make_tile<8> (p, 1, blockIdx.x - tiles);
}

/* --- everything else ---
 *
 * A thread walks down a column of a channel, row by row of the input, and adds each value to all outputs that depend on
 * it. No thread reads a value twice, and only the last step needs its neighbours' sums. The threads at both ends of a
 * section of WIDTH threads only compute these sums for their neighbours. */

#define THREADS   128u
#define MOST_ROWS 32u /* in a strip, along which a thread walks */
#define REACH     2   /* maximum distance of a composed axis's taps */
#define SPAN      (2 * REACH + 1)
#define LEAD      (REACH + 1) /* rows read before the first and after the last row of a strip */

/* Parameters of a step that all threads share: for row r of the input, and for row r - REACH of the scales' values. */
struct alignas (16) Row {
  float composed[OWN][16]; /* [m * 3 + a]: weight of row r in tap a of the value at row r - REACH + m */
  struct {
    unsigned above, below; /* offsets of the smaller plane's rows above and below */
    float above_weight, below_weight;
  } small[BELOW];
};

/* The weight in tap @a of a composed axis, for position @i of n and the input at @offset from it. */
static __device__ __forceinline__ float
composed_weight (const DicenetCudaComposedAxis &composed, unsigned n, unsigned a, int i, int offset)
{
  const int t = offset - composed.first;
  const bool is_there = i >= 0 && i < (int) n && t >= 0 && t < (int) composed.taps;
  return is_there ? composed.weight[(a * composed.taps + (unsigned) t) * ((n + 15) / 16 * 16) + (unsigned) i] : 0;
}

/* The positions of a smaller plane around row or column @i, and their weights. */
static __device__ __forceinline__ void
find_between (const DicenetCudaAxis &axis, int i, unsigned *before, unsigned *after, float *before_weight,
              float *after_weight)
{
  const bool is_inside = i >= 0 && i < (int) axis.out, is_between = is_inside && axis.taps > 1;

  *before = is_inside ? (unsigned) axis.start[i] : 0;
  *after = *before + is_between;
  *before_weight = is_inside ? axis.weight[i] : 0;
  *after_weight = is_between ? axis.weight[axis.out + (unsigned) i] : 0;
}

/* @first: input row of the first step. */
static __device__ __forceinline__ void
fill_rows (const DicenetCudaEpp &p, int first, unsigned n, Row *rows)
{
  for (unsigned at = threadIdx.x; at < n * 16; at += THREADS) {
    const unsigned m = at % 16 / 3, a = at % 16 % 3;
    const int r = first + (int) (at / 16);
#pragma unroll
    for (unsigned k = 0; k < OWN; k++)
      rows[at / 16].composed[k][at % 16] =
          m < SPAN ? composed_weight (p.branches[k].composed_rows, p.x.h, a, r - REACH + (int) m, REACH - (int) m) : 0;
  }
  for (unsigned at = threadIdx.x; at < n; at += THREADS) {
    const int i = first + (int) at - REACH;
#pragma unroll
    for (unsigned k = 0; k < BELOW; k++) {
      auto &small = rows[at].small[k];
      find_between (p.branches[OWN + 1 + k].rows_back, i, &small.above, &small.below, &small.above_weight,
                    &small.below_weight);
      small.above *= p.branches[OWN + 1 + k].w;
      small.below *= p.branches[OWN + 1 + k].w;
    }
  }
  __syncthreads ();
}

/* A scale above the input's: its kernel combined with the columns' scaling, and the values that still lack
 * contributions from rows to come. */
struct Above {
  float taps[3][SPAN], pending[SPAN - 1];
};

static __device__ __forceinline__ void
above_start (Above *s, const DicenetCudaComposedAxis &composed, const float *kernel, unsigned w, int j)
{
#pragma unroll
  for (int u = 0; u < SPAN; u++) {
    float columns[3];
#pragma unroll
    for (unsigned b = 0; b < 3; b++)
      columns[b] = composed_weight (composed, w, b, j, u - REACH);
#pragma unroll
    for (int a = 0; a < 3; a++)
      s->taps[a][u] = kernel[3 * a] * columns[0] + kernel[3 * a + 1] * columns[1] + kernel[3 * a + 2] * columns[2];
  }
#pragma unroll
  for (int m = 0; m < SPAN - 1; m++)
    s->pending[m] = 0;
}

/* Adds a row of the input; returns the value that is now complete, REACH rows above. */
static __device__ __forceinline__ float
above_step (Above *s, const float x[SPAN], const float *row_weights)
{
  alignas (16) float weights[16];
  float taps[3], values[SPAN];

#pragma unroll
  for (int a = 0; a < 3; a++) {
    taps[a] = 0;
#pragma unroll
    for (int u = 0; u < SPAN; u++)
      taps[a] += s->taps[a][u] * x[u];
  }
#pragma unroll
  for (int q = 0; q < 4; q++)
    reinterpret_cast<float4 *> (weights)[q] = reinterpret_cast<const float4 *> (row_weights)[q];
#pragma unroll
  for (int m = 0; m < SPAN; m++) {
    values[m] = m < SPAN - 1 ? s->pending[m] : 0;
#pragma unroll
    for (int a = 0; a < 3; a++)
      values[m] += weights[3 * m + a] * taps[a];
  }
#pragma unroll
  for (int m = 0; m < SPAN - 1; m++)
    s->pending[m] = values[m + 1];
  return values[0];
}

/* The input's own scale, whose values are complete one row earlier than those of scales above. */
struct Own {
  float taps[3][3], pending[2], complete;
};

/* Taps on columns outside the picture are zero, because x then contains other columns. */
static __device__ __forceinline__ void
own_start (Own *s, const float *kernel, unsigned w, int j)
{
#pragma unroll
  for (int t = 0; t < 9; t++) {
    const int column = j + t % 3 - 1;
    s->taps[t / 3][t % 3] = column >= 0 && column < (int) w ? kernel[t] : 0;
  }
  s->pending[0] = s->pending[1] = s->complete = 0;
}

static __device__ __forceinline__ float
own_step (Own *s, const float x[SPAN])
{
  const float result = s->complete;
  float taps[3];

#pragma unroll
  for (int a = 0; a < 3; a++)
    taps[a] = s->taps[a][0] * x[REACH - 1] + s->taps[a][1] * x[REACH] + s->taps[a][2] * x[REACH + 1];
  s->complete = s->pending[0] + taps[2];
  s->pending[0] = s->pending[1] + taps[1];
  s->pending[1] = taps[0];
  return result;
}

/* A scale below the input's. */
struct Small {
  const float *plane;
  unsigned left, right;
  float left_weight, right_weight;
};

static __device__ __forceinline__ float
small_value (const Small &s, unsigned row)
{
  return s.left_weight * s.plane[row + s.left] + s.right_weight * s.plane[row + s.right];
}

/* The convolution of all scales' values, with separate sums for each column of the kernel. */
struct Merge {
  float taps[DICENET_EPP_BRANCHES][9], pending[2][3];
};

static __device__ __forceinline__ void
upsample_add_start (Merge *m, const float *weight)
{
#pragma unroll
  for (int k = 0; k < DICENET_EPP_BRANCHES; k++)
#pragma unroll
    for (int t = 0; t < 9; t++)
      m->taps[k][t] = weight[9 * k + t];
#pragma unroll
  for (int b = 0; b < 3; b++)
    m->pending[0][b] = m->pending[1][b] = 0;
}

/* Adds a row of values; returns the sum that is now complete, that of the row above. All threads of a warp must take
 * part. */
static __device__ __forceinline__ float
upsample_add_step (Merge *m, const float values[DICENET_EPP_BRANCHES])
{
  float sums[3];

#pragma unroll
  for (int b = 0; b < 3; b++) {
    float rows[3] = { 0, m->pending[1][b], m->pending[0][b] };
#pragma unroll
    for (int k = 0; k < DICENET_EPP_BRANCHES; k++)
#pragma unroll
      for (int a = 0; a < 3; a++)
        rows[a] += m->taps[k][3 * a + b] * values[k];
    m->pending[1][b] = rows[0];
    m->pending[0][b] = rows[1];
    sums[b] = rows[2];
  }
  return sums[1] + __shfl_up_sync (0xffffffffu, sums[0], 1) + __shfl_down_sync (0xffffffffu, sums[2], 1);
}

struct Column {
  const float *plane;
  unsigned at[SPAN]; /* the surrounding columns, clamped to the picture */
  bool is_inside;    /* whether the column itself is inside the picture */
  Above above[OWN];
  Own own;
  Small small[BELOW];
  float bias[DICENET_EPP_BRANCHES], slope[DICENET_EPP_BRANCHES];
  Merge merge;
};

static __device__ __forceinline__ void
column_start (Column *column, const DicenetCudaEpp &p, unsigned c, int j)
{
  const unsigned w = p.x.w;

  column->plane = plane_of (p.x, blockIdx.z, c);
  column->is_inside = j >= 0 && j < (int) w;
#pragma unroll
  for (int u = 0; u < SPAN; u++)
    column->at[u] = (unsigned) min (max (j + u - REACH, 0), (int) w - 1);
#pragma unroll
  for (unsigned k = 0; k < DICENET_EPP_BRANCHES; k++) {
    const float *kernel = p.weight + (k * p.x.c + c) * 9;
    column->bias[k] = p.bias[k * p.x.c + c];
    column->slope[k] = p.slope[k * p.x.c + c];
    if (k < OWN)
      above_start (&column->above[k], p.branches[k].composed_columns, kernel, w, j);
    else if (k == OWN)
      own_start (&column->own, kernel, w, j);
    else {
      Small *s = &column->small[k - OWN - 1];
      s->plane = small_plane (p, blockIdx.z, c, k - OWN - 1);
      find_between (p.branches[k].columns_back, j, &s->left, &s->right, &s->left_weight, &s->right_weight);
    }
  }
  upsample_add_start (&column->merge, p.merge_weight + c * DICENET_EPP_BRANCHES * 9);
}

/* Reads the row around the column; zeros above and below the picture. Left and right of it, values are arbitrary, as
 * their weights are zero. */
static __device__ __forceinline__ void
read_row (const Column &column, unsigned h, unsigned w, int r, float row[SPAN])
{
  const bool is_inside = r >= 0 && r < (int) h;
  const float *line = column.plane + (is_inside ? (unsigned) r : 0) * w;

#pragma unroll
  for (int u = 0; u < SPAN; u++) {
    const float value = line[column.at[u]];
    row[u] = is_inside ? value : 0;
  }
}

/* Completes the values of all scales for a row, with BatchNorm and PReLU; zeros outside the picture. */
static __device__ __forceinline__ void
activate (const Column &column, const Row &row, bool is_row_inside, float values[DICENET_EPP_BRANCHES])
{
#pragma unroll
  for (unsigned k = 0; k < BELOW; k++) {
    const Small &s = column.small[k];
    const auto &between = row.small[k];
    values[OWN + 1 + k] =
        between.above_weight * small_value (s, between.above) + between.below_weight * small_value (s, between.below);
  }
#pragma unroll
  for (unsigned k = 0; k < DICENET_EPP_BRANCHES; k++)
    values[k] = column.is_inside && is_row_inside ? prelu (values[k] + column.bias[k], column.slope[k]) : 0;
}

/* Computes rows [first, first + n) of the output. @out: the first row, or NULL for threads without an output. */
static __device__ __forceinline__ void
go_down (Column *column, const DicenetCudaEpp &p, const Row *rows, unsigned c, int first, int n, float *out)
{
  const float bias = p.merge_bias[c], slope = p.merge_slope[c];
  float next[SPAN];

  read_row (*column, p.x.h, p.x.w, first - LEAD, next);
#pragma unroll 1
  for (int r = first - LEAD; r < first + n + LEAD; r++, rows++) {
    const int i = r - REACH; /* row of the values that are complete now; the merged sum is that of the row above */
    float x[SPAN], values[DICENET_EPP_BRANCHES];
#pragma unroll
    for (int u = 0; u < SPAN; u++)
      x[u] = next[u];
    read_row (*column, p.x.h, p.x.w, r + 1, next); /* loads early, to hide latency */
#pragma unroll
    for (unsigned k = 0; k < OWN; k++)
      values[k] = above_step (&column->above[k], x, rows->composed[k]);
    values[OWN] = own_step (&column->own, x);
    if (i < first - 1)
      continue;
    activate (*column, *rows, i >= 0 && i < (int) p.x.h, values);
    const float sum = upsample_add_step (&column->merge, values) + bias;
    if (out && i > first)
      out[(unsigned) (i - 1 - first) * p.x.w] = prelu (sum, slope);
  }
}

template <unsigned WIDTH>
static __global__ void
__launch_bounds__ (THREADS) strip_kernel (DicenetCudaEpp p, unsigned strip)
{
  __shared__ Row rows[MOST_ROWS + 2 * LEAD];
  const unsigned lane = threadIdx.x % WIDTH, section = (blockIdx.x * THREADS + threadIdx.x) / WIDTH;
  const unsigned across = (p.x.w + WIDTH - 3) / (WIDTH - 2), c = min (section / across, p.x.c - 1);
  const unsigned first = blockIdx.y * strip, n = min (strip, p.x.h - first);
  const int j = (int) (section % across * (WIDTH - 2) + lane) - 1;
  const bool is_wanted = section / across < p.x.c && lane > 0 && lane < WIDTH - 1 && j < (int) p.x.w;
  Column column;

  fill_rows (p, (int) first - LEAD, n + 2 * LEAD, rows);
  column_start (&column, p, c, j);
  float *out = is_wanted ? plane_of (p.y, blockIdx.z, c) + first * p.x.w + j : nullptr;
  go_down (&column, p, rows, c, (int) first, (int) n, out);
}

/* --- launches --- */

size_t
dicenet_cuda_epp_scratch (unsigned c, unsigned h, unsigned w)
{
  size_t n = 0;

  /* Equals dicenet_epp_size() of these scales. */
  for (unsigned by = 2; by <= 10; by += 8)
    n += (size_t) (divide_up (h, by) < 5 ? 5 : divide_up (h, by)) * (divide_up (w, by) < 5 ? 5 : divide_up (w, by));
  return c * n;
}

/* Warps that keep a multiprocessor busy: two for each of its four schedulers. */
#define BUSY 8u

template <unsigned WIDTH>
static cudaError_t
launch_strips (const DicenetCudaEpp *p, const DicenetCudaDevice *device, cudaStream_t stream)
{
  const unsigned threads = divide_up (p->x.w, WIDTH - 2) * WIDTH * p->x.c;
  const size_t busy = (size_t) BUSY * device->processors;
  unsigned strip = MOST_ROWS;

  /* Shorter strips give more threads, but more of their rows are read and scaled twice. */
  while (strip > 4 && (size_t) divide_up (threads, 32) * divide_up (p->x.h, strip) * p->x.n < busy)
    strip /= 2;
  const dim3 grid (divide_up (threads, THREADS), divide_up (p->x.h, strip), p->x.n);
  return launch (strip_kernel<WIDTH>, grid, THREADS, stream, *p, strip);
}

/* Uses the section width that leaves the fewest threads without an output. */
static cudaError_t
launch_sections (const DicenetCudaEpp *p, const DicenetCudaDevice *device, cudaStream_t stream)
{
  const unsigned wide = divide_up (p->x.w, 30) * 32, medium = divide_up (p->x.w, 14) * 16,
                 narrow = divide_up (p->x.w, 6) * 8;

  if (wide <= medium && wide <= narrow)
    return launch_strips<32> (p, device, stream);
  return medium <= narrow ? launch_strips<16> (p, device, stream) : launch_strips<8> (p, device, stream);
}

static bool
is_within_reach (const DicenetCudaComposedAxis &composed)
{
  return composed.first >= -REACH && composed.first + (int) composed.taps <= REACH + 1;
}

cudaError_t
dicenet_cuda_epp (const DicenetCudaEpp *epp, const DicenetCudaDevice *device, cudaStream_t stream)
{
  const dim3 grid (tiles_of (epp->branches[OWN + 1]) + tiles_of (epp->branches[OWN + 2]), epp->x.c, epp->x.n);

  for (unsigned k = 0; k < OWN; k++)
    if (!is_within_reach (epp->branches[k].composed_rows) || !is_within_reach (epp->branches[k].composed_columns))
      return cudaErrorInvalidValue;
  const cudaError_t error = launch (small_kernel, grid, SMALL_THREADS, stream, *epp);
  return error == cudaSuccess ? launch_sections (epp, device, stream) : error;
}
