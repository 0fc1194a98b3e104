/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../cuda/device.cuh"
#include "../../cuda/launch.cuh"
#include "unfused.h"

/* DimConv with one kernel per branch. Each thread computes one output, in a loop over nine taps. */

#define THREADS 256u

/* An intermediate tensor: [n][c][h][w]. */
struct Dense {
  float *at;
  unsigned n, c, h, w;
};

/* The output of a thread. */
struct Place {
  bool is_there;
  unsigned picture;
  int c, i, j;
  size_t at; /* index in a dense tensor */
};

static __device__ __forceinline__ Place
find_place (unsigned c, unsigned h, unsigned w)
{
  const unsigned at = blockIdx.x * THREADS + threadIdx.x, pixel = at % (h * w);
  return { at < c * h * w,    blockIdx.z,        (int) (at / (h * w)),
           (int) (pixel / w), (int) (pixel % w), (size_t) blockIdx.z * c * h * w + at };
}

static dim3
grid_of (unsigned n, unsigned c, unsigned h, unsigned w)
{
  return dim3 (divide_up (c * h * w, THREADS), 1, n);
}

/* Inputs of kernels: the input tensor, whose planes may be anywhere, or an intermediate tensor. */
static __device__ __forceinline__ float
tap (const DicenetCudaTensor &x, unsigned picture, int c, int i, int j)
{
  const bool is_inside = c >= 0 && c < (int) x.c && i >= 0 && i < (int) x.h && j >= 0 && j < (int) x.w;
  return is_inside ? plane_of (x, picture, (unsigned) c)[i * (int) x.w + j] : 0;
}

static __device__ __forceinline__ float
tap (const Dense &x, unsigned picture, int c, int i, int j)
{
  const bool is_inside = c >= 0 && c < (int) x.c && i >= 0 && i < (int) x.h && j >= 0 && j < (int) x.w;
  return is_inside ? x.at[(((size_t) picture * x.c + (unsigned) c) * x.h + (unsigned) i) * x.w + (unsigned) j] : 0;
}

/* --- the branches --- */

static __global__ void
depth_kernel (DicenetCudaTensor x, Dense y, const float *weight)
{
  const Place p = find_place (y.c, y.h, y.w);
  float sum = 0;

  if (!p.is_there)
    return;
  for (int t = 0; t < 9; t++)
    sum += weight[9 * p.c + t] * tap (x, p.picture, p.c, p.i + t / 3 - 1, p.j + t % 3 - 1);
  y.at[p.at] = sum;
}

/* One kernel per row, over channels and columns. */
template <typename Input>
static __global__ void
height_kernel (Input x, Dense y, const float *weight)
{
  const Place p = find_place (y.c, y.h, y.w);
  float sum = 0;

  if (!p.is_there)
    return;
  for (int t = 0; t < 9; t++)
    sum += weight[9 * p.i + t] * tap (x, p.picture, p.c + t / 3 - 1, p.i, p.j + t % 3 - 1);
  y.at[p.at] = sum;
}

/* One kernel per column, over channels and rows. */
template <typename Input>
static __global__ void
width_kernel (Input x, Dense y, const float *weight)
{
  const Place p = find_place (y.c, y.h, y.w);
  float sum = 0;

  if (!p.is_there)
    return;
  for (int t = 0; t < 9; t++)
    sum += weight[9 * p.j + t] * tap (x, p.picture, p.c + t / 3 - 1, p.i + t % 3 - 1, p.j);
  y.at[p.at] = sum;
}

/* --- dynamic scaling (paper 3.3) --- */

template <typename Input>
static __global__ void
scale_rows_kernel (Input x, Dense y, DicenetCudaAxis rows)
{
  const Place p = find_place (y.c, y.h, y.w);
  float sum = 0;

  if (!p.is_there)
    return;
  for (unsigned t = 0; t < rows.taps; t++)
    sum += rows.weight[t * rows.out + (unsigned) p.i] * tap (x, p.picture, p.c, rows.start[p.i] + (int) t, p.j);
  y.at[p.at] = sum;
}

template <typename Input>
static __global__ void
scale_columns_kernel (Input x, Dense y, DicenetCudaAxis columns)
{
  const Place p = find_place (y.c, y.h, y.w);
  float sum = 0;

  if (!p.is_there)
    return;
  for (unsigned t = 0; t < columns.taps; t++)
    sum +=
        columns.weight[t * columns.out + (unsigned) p.j] * tap (x, p.picture, p.c, p.i, columns.start[p.j] + (int) t);
  y.at[p.at] = sum;
}

/* --- BatchNorm, PReLU and local fusion --- */

/* @branches: depth, height and width, concatenated. */
static __global__ void
fuse_kernel (DicenetCudaUnfused u, Dense branches)
{
  const Place p = find_place (u.y.c, u.y.h, u.y.w);
  const size_t branch = (size_t) branches.n * branches.c * branches.h * branches.w;

  if (!p.is_there)
    return;
  float sum = u.fuse_bias[p.c];
  for (unsigned b = 0; b < 3; b++) {
    const unsigned bc = b * u.y.c + (unsigned) p.c;
    const float value = u.branch_scale[bc] * branches.at[b * branch + p.at] + u.branch_bias[bc];
    sum += u.fuse_weight[bc] * prelu (value, u.branch_slope[bc]);
  }
  plane_of (u.y, p.picture, (unsigned) p.c)[p.i * (int) u.y.w + p.j] = prelu (sum, u.fuse_slope[p.c]);
}

/* --- launches --- */

static size_t
floats (const Dense &t)
{
  return (size_t) t.n * t.c * t.h * t.w;
}

template <typename... Parameters, typename... Arguments>
static cudaError_t
fill (void (*kernel) (Parameters...), const Dense &y, cudaStream_t stream, Arguments... arguments)
{
  return launch (kernel, grid_of (y.n, y.c, y.h, y.w), THREADS, stream, arguments...);
}

static cudaError_t
height_branch (const DicenetCudaUnfused *u, const Dense &y, float *scratch, cudaStream_t stream)
{
  const Dense before = { scratch, y.n, y.c, u->rows.out, y.w },
              after = { scratch + floats (before), y.n, y.c, before.h, y.w };
  cudaError_t error;

  if (u->rows.taps == 0)
    return fill (height_kernel<DicenetCudaTensor>, y, stream, u->x, y, u->height);
  error = fill (scale_rows_kernel<DicenetCudaTensor>, before, stream, u->x, before, u->rows);
  if (error == cudaSuccess)
    error = fill (height_kernel<Dense>, after, stream, before, after, u->height);
  return error == cudaSuccess ? fill (scale_rows_kernel<Dense>, y, stream, after, y, u->rows_back) : error;
}

static cudaError_t
width_branch (const DicenetCudaUnfused *u, const Dense &y, float *scratch, cudaStream_t stream)
{
  const Dense before = { scratch, y.n, y.c, y.h, u->columns.out },
              after = { scratch + floats (before), y.n, y.c, y.h, before.w };
  cudaError_t error;

  if (u->columns.taps == 0)
    return fill (width_kernel<DicenetCudaTensor>, y, stream, u->x, y, u->width);
  error = fill (scale_columns_kernel<DicenetCudaTensor>, before, stream, u->x, before, u->columns);
  if (error == cudaSuccess)
    error = fill (width_kernel<Dense>, after, stream, before, after, u->width);
  return error == cudaSuccess ? fill (scale_columns_kernel<Dense>, y, stream, after, y, u->columns_back) : error;
}

size_t
dicenet_cuda_unfused_scratch (unsigned n, unsigned c, unsigned h, unsigned w, unsigned rows, unsigned columns)
{
  const size_t tall = (size_t) rows * w, wide = (size_t) h * columns; /* used in turn */
  return (size_t) n * c * (3 * (size_t) h * w + 2 * (tall > wide ? tall : wide));
}

cudaError_t
dicenet_cuda_unfused (const DicenetCudaUnfused *u, cudaStream_t stream)
{
  const Dense depth = { u->scratch, u->x.n, u->x.c, u->x.h, u->x.w };
  Dense height = depth, width = depth;
  cudaError_t error;

  height.at += floats (depth);
  width.at += 2 * floats (depth);
  float *rest = width.at + floats (depth);
  error = fill (depth_kernel, depth, stream, u->x, depth, u->depth);
  if (error == cudaSuccess)
    error = height_branch (u, height, rest, stream);
  if (error == cudaSuccess)
    error = width_branch (u, width, rest, stream);
  return error == cudaSuccess ? fill (fuse_kernel, depth, stream, *u, depth) : error;
}
