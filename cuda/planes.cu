/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device.cuh"
#include "launch.cuh"
#include "resize.cuh"

/* Pooling, scaling and layout: operations between convolutions. Neighbouring threads compute neighbouring pixels. */

#define THREADS 256u
#define WARP    32u

/* --- pooling --- */

/* All output pixels of a channel are one row of threads, so that blocks are also full for small maps. */
template <bool IS_MAX>
static __global__ void
pool_kernel (DicenetCudaTensor x, DicenetCudaTensor y)
{
  const unsigned at = blockIdx.x * THREADS + threadIdx.x, pixels = y.h * y.w, c = at / pixels;

  if (c >= y.c)
    return;
  const int pixel = (int) (at % pixels), i = pixel / (int) y.w, j = pixel % (int) y.w;
  const float *plane = plane_of (x, blockIdx.z, c);
  float result = IS_MAX ? -3.402823466e+38f : 0;
#pragma unroll
  for (int a = -1; a <= 1; a++) {
#pragma unroll
    for (int b = -1; b <= 1; b++) {
      const int row = 2 * i + a, column = 2 * j + b;
      if (row < 0 || row >= (int) x.h || column < 0 || column >= (int) x.w)
        continue;
      const float value = plane[row * (int) x.w + column];
      result = IS_MAX ? max (result, value) : result + value;
    }
  }
  plane_of (y, blockIdx.z, c)[pixel] = IS_MAX ? result : result / 9; /* padding counts in the mean */
}

static dim3
grid_of (const DicenetCudaTensor *y)
{
  return dim3 (divide_up (y->c * y->h * y->w, THREADS), 1, y->n);
}

cudaError_t
dicenet_cuda_max_pool (const DicenetCudaTensor *x, const DicenetCudaTensor *y, cudaStream_t stream)
{
  return launch (pool_kernel<true>, grid_of (y), THREADS, stream, *x, *y);
}

cudaError_t
dicenet_cuda_avg_pool (const DicenetCudaTensor *x, const DicenetCudaTensor *y, cudaStream_t stream)
{
  return launch (pool_kernel<false>, grid_of (y), THREADS, stream, *x, *y);
}

/* --- means --- */

/* One block per channel. A tree of sums over many threads, each of few numbers, is as accurate as one sum in double
 * precision. */
static __global__ void
global_avg_pool_kernel (DicenetCudaTensor x, DicenetCudaTensor y)
{
  __shared__ float sums[WARP];
  const unsigned pixels = x.h * x.w, lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  const float *plane = plane_of (x, blockIdx.z, blockIdx.x);
  float sum = 0;

  for (unsigned p = threadIdx.x; p < pixels; p += blockDim.x)
    sum += plane[p];
  sum = warp_sum (sum);
  if (lane == 0)
    sums[warp] = sum;
  __syncthreads ();
  if (warp > 0)
    return;
  sum = warp_sum (lane < blockDim.x / WARP ? sums[lane] : 0);
  if (lane == 0)
    *plane_of (y, blockIdx.z, blockIdx.x) = sum / (float) pixels;
}

cudaError_t
dicenet_cuda_global_avg_pool (const DicenetCudaTensor *x, const DicenetCudaTensor *y, cudaStream_t stream)
{
  /* Eight numbers per thread. Blocks may be a single warp, as a multiprocessor runs many of them. */
  const unsigned warps = divide_up (x->h * x->w, 8 * WARP);
  return launch (global_avg_pool_kernel, dim3 (x->c, 1, x->n), dim3 (WARP * (warps < WARP ? warps : WARP)), stream, *x,
                 *y);
}

/* --- scaling --- */

/* Channels per thread, which computes the positions and weights of its pixels only once for all of them. */
#define CHANNELS 4u

static dim3
scaling_grid (const DicenetCudaTensor &y)
{
  return dim3 (divide_up (y.h * y.w, THREADS), divide_up (y.c, CHANNELS), y.n);
}

static __global__ void
resize_kernel (DicenetCudaTensor x, DicenetCudaTensor y, DicenetCudaAxis rows, DicenetCudaAxis columns)
{
  const unsigned pixel = blockIdx.x * THREADS + threadIdx.x, first = blockIdx.y * CHANNELS;
  float values[CHANNELS];

  if (pixel >= y.h * y.w)
    return;
  resample<CHANNELS> (x, blockIdx.z, first, rows, columns, pixel / y.w, pixel % y.w, values);
#pragma unroll
  for (unsigned k = 0; k < CHANNELS; k++)
    if (first + k < y.c)
      plane_of (y, blockIdx.z, first + k)[pixel] = values[k];
}

cudaError_t
dicenet_cuda_resize (const DicenetCudaTensor *x, const DicenetCudaTensor *y, const DicenetCudaAxis *rows,
                     const DicenetCudaAxis *columns, cudaStream_t stream)
{
  return launch (resize_kernel, scaling_grid (*y), THREADS, stream, *x, *y, *rows, *columns);
}

static __device__ __forceinline__ float
channel_or (const float *values, unsigned c, float otherwise)
{
  return values ? values[c] : otherwise;
}

static __global__ void
upsample_add_kernel (DicenetCudaUpsampleAdd m)
{
  const unsigned pixel = blockIdx.x * THREADS + threadIdx.x, first = blockIdx.y * CHANNELS, picture = blockIdx.z;
  float coarse[CHANNELS];

  if (pixel >= m.y.h * m.y.w)
    return;
  resample<CHANNELS> (m.x0, picture, first, m.rows, m.columns, pixel / m.y.w, pixel % m.y.w, coarse);
#pragma unroll
  for (unsigned k = 0; k < CHANNELS; k++) {
    const unsigned c = first + k;
    if (c >= m.y.c)
      break;
    const float gate = m.gate.base ? *plane_of (m.gate, picture, c) : 1,
                value = channel_or (m.scale, c, 1) * (coarse[k] + gate * plane_of (m.x1, picture, c)[pixel]) +
                        channel_or (m.bias, c, 0);
    plane_of (m.y, picture, c)[pixel] = prelu (value, channel_or (m.slope, c, 1));
  }
}

cudaError_t
dicenet_cuda_upsample_add (const DicenetCudaUpsampleAdd *merge, cudaStream_t stream)
{
  return launch (upsample_add_kernel, scaling_grid (merge->y), THREADS, stream, *merge);
}

/* --- a detector's rows --- */

#define MOST_MAPS 6
#define TILE      32u /* cells and channels per block */
#define ROWS      8u  /* rows of a tile that a block reads or writes at a time */

struct Maps {
  DicenetCudaTensor maps[MOST_MAPS];
  unsigned first_block[MOST_MAPS];
  unsigned first_row[MOST_MAPS]; /* in y, in floats */
  unsigned n;
};

/* Channels last: a tile is transposed in shared memory, so that both reads and writes are along rows; the odd pitch
 * avoids bank conflicts. */
static __global__ void
flatten_kernel (Maps all, DicenetCudaTensor y)
{
  __shared__ float tile[TILE][TILE + 1];
  unsigned k = 0;

  while (k + 1 < all.n && blockIdx.x >= all.first_block[k + 1])
    k++;
  const DicenetCudaTensor &x = all.maps[k];
  const unsigned cells = x.h * x.w, block = blockIdx.x - all.first_block[k], across = (cells + TILE - 1) / TILE;
  const unsigned cell = block % across * TILE, channel = block / across * TILE;

  for (unsigned i = threadIdx.y; i < TILE; i += ROWS)
    if (channel + i < x.c && cell + threadIdx.x < cells)
      tile[i][threadIdx.x] = plane_of (x, blockIdx.z, channel + i)[cell + threadIdx.x];
  __syncthreads ();
  float *out = plane_of (y, blockIdx.z, 0) + all.first_row[k];
  for (unsigned i = threadIdx.y; i < TILE; i += ROWS)
    if (channel + threadIdx.x < x.c && cell + i < cells)
      out[(cell + i) * x.c + channel + threadIdx.x] = tile[threadIdx.x][i];
}

cudaError_t
dicenet_cuda_flatten (const DicenetCudaTensor *maps, unsigned n_maps, const DicenetCudaTensor *y, cudaStream_t stream)
{
  Maps all = {};
  unsigned blocks = 0, floats = 0;

  if (n_maps > MOST_MAPS)
    return cudaErrorInvalidValue;
  all.n = n_maps;
  for (unsigned k = 0; k < n_maps; k++) {
    const unsigned cells = maps[k].h * maps[k].w;
    all.maps[k] = maps[k];
    all.first_block[k] = blocks;
    all.first_row[k] = floats;
    blocks += divide_up (cells, TILE) * divide_up (maps[k].c, TILE);
    floats += cells * maps[k].c;
  }
  return launch (flatten_kernel, dim3 (blocks, 1, y->n), dim3 (TILE, ROWS), stream, all, *y);
}
