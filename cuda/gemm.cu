/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>
#include "device.cuh"
#include "launch.cuh"

/* Pointwise convolutions: (outputs x inputs) times (inputs x pixels). Planes may be anywhere in memory, because
 * concatenation, shuffle and slice only select planes. This implementation reads through the list of planes, and
 * applies bias, activation and gate in its epilogue; a library's GEMM would first need copies of its inputs, and
 * another kernel afterwards. */

#define DEPTH 16 /* inputs in shared memory at a time */

/* Position of a tile: rows are output channels of one group, columns are pixels of all pictures, one picture after the
 * other. */
struct Tile {
  unsigned group, first_row, first_pixel;
  unsigned group_in, group_out, pixels; /* pixels: of one picture */
};

static __device__ __forceinline__ Tile
tile_of (const DicenetCudaConv &conv, unsigned rows, unsigned columns)
{
  Tile t;

  t.group_in = conv.x.c / conv.groups;
  t.group_out = conv.y.c / conv.groups;
  t.pixels = conv.y.h * conv.y.w;
  const unsigned tiles = (t.group_out + rows - 1) / rows;
  t.group = blockIdx.y / tiles;
  t.first_row = blockIdx.y % tiles * rows;
  t.first_pixel = blockIdx.x * columns;
  return t;
}

/* The weight of row @row of a group for its @k-th input; zero beyond the last. Weights are in blocks of DICENET_BLOCK
 * rows, that is, 32 contiguous bytes, the size of a memory transaction. */
static __device__ __forceinline__ float
weight_at (const DicenetCudaConv &conv, const Tile &t, unsigned row, unsigned k)
{
  const unsigned blocks = (t.group_out + DICENET_BLOCK - 1) / DICENET_BLOCK;
  if (row >= t.group_out || k >= t.group_in)
    return 0;
  return conv.weight[((size_t) (t.group * blocks + row / DICENET_BLOCK) * t.group_in + k) * DICENET_BLOCK +
                     row % DICENET_BLOCK];
}

/* A column of the tile: a pixel of a picture. */
struct Column {
  unsigned picture, at;
  bool is_inside;
};

static __device__ __forceinline__ Column
column_of (const DicenetCudaConv &conv, const Tile &t, unsigned column)
{
  const unsigned pixel = t.first_pixel + column;
  return { pixel / t.pixels, pixel % t.pixels, pixel < t.pixels * conv.x.n };
}

static __device__ __forceinline__ float
input_at (const DicenetCudaConv &conv, const Tile &t, const Column &column, unsigned k)
{
  return column.is_inside && k < t.group_in ? plane_of (conv.x, column.picture, t.group * t.group_in + k)[column.at]
                                            : 0;
}

/* Each thread computes PER_ROW x PER_COLUMN outputs. Its columns are interleaved with those of other threads, so that
 * neighbouring threads store neighbouring pixels. */
template <int ROWS, int COLUMNS, int PER_ROW, int PER_COLUMN>
static __global__ void
__launch_bounds__ (ROWS / PER_ROW * COLUMNS / PER_COLUMN) gemm_kernel (DicenetCudaConv conv)
{
  constexpr unsigned ACROSS = COLUMNS / PER_COLUMN, THREADS = ROWS / PER_ROW * ACROSS;
  __shared__ float weights[DEPTH][ROWS], inputs[DEPTH][COLUMNS];
  const Tile tile = tile_of (conv, ROWS, COLUMNS);
  const unsigned across = threadIdx.x % ACROSS, down = threadIdx.x / ACROSS * PER_ROW;
  const Column mine = column_of (conv, tile, threadIdx.x % COLUMNS);
  float sums[PER_ROW][PER_COLUMN] = {};

  for (unsigned k0 = 0; k0 < tile.group_in; k0 += DEPTH) {
    for (unsigned i = threadIdx.x; i < DEPTH * ROWS; i += THREADS)
      weights[i / ROWS][i % ROWS] = weight_at (conv, tile, tile.first_row + i % ROWS, k0 + i / ROWS);
    for (unsigned k = threadIdx.x / COLUMNS; k < DEPTH; k += THREADS / COLUMNS)
      inputs[k][threadIdx.x % COLUMNS] = input_at (conv, tile, mine, k0 + k);
    __syncthreads ();
#pragma unroll
    for (int k = 0; k < DEPTH; k++) {
      float w[PER_ROW], x[PER_COLUMN];
#pragma unroll
      for (int r = 0; r < PER_ROW; r++)
        w[r] = weights[k][down + r];
#pragma unroll
      for (int c = 0; c < PER_COLUMN; c++)
        x[c] = inputs[k][across + c * ACROSS];
#pragma unroll
      for (int r = 0; r < PER_ROW; r++)
#pragma unroll
        for (int c = 0; c < PER_COLUMN; c++)
          sums[r][c] += w[r] * x[c];
    }
    __syncthreads ();
  }
#pragma unroll
  for (int c = 0; c < PER_COLUMN; c++) {
    const Column column = column_of (conv, tile, across + c * ACROSS);
#pragma unroll
    for (int r = 0; r < PER_ROW; r++) {
      const unsigned row = tile.first_row + down + r;
      if (column.is_inside && row < tile.group_out)
        finish (conv, column.picture, tile.group * tile.group_out + row, column.at, sums[r][c]);
    }
  }
}

template <int ROWS, int COLUMNS>
static dim3
gemm_grid (const DicenetCudaConv *conv)
{
  return dim3 (divide_up (conv->y.h * conv->y.w * conv->y.n, COLUMNS),
               divide_up (conv->y.c / conv->groups, ROWS) * conv->groups);
}

template <int ROWS, int COLUMNS, int PER_ROW, int PER_COLUMN>
static cudaError_t
launch_gemm (const DicenetCudaConv *conv, cudaStream_t stream)
{
  return launch (gemm_kernel<ROWS, COLUMNS, PER_ROW, PER_COLUMN>, gemm_grid<ROWS, COLUMNS> (conv),
                 ROWS / PER_ROW * COLUMNS / PER_COLUMN, stream, *conv);
}

/* Whether there are two tiles per multiprocessor. If not, smaller tiles leave less of the device idle. */
template <int ROWS, int COLUMNS>
static bool
is_enough (const DicenetCudaConv *conv, const DicenetCudaDevice *device)
{
  const dim3 grid = gemm_grid<ROWS, COLUMNS> (conv);
  return grid.x * grid.y >= 2 * device->processors;
}

/* --- tensor cores --- */

using namespace nvcuda;

/* Before compute capability 8.0, tensor cores only support float16; the executor does not request the others. */
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define HAS_TF32 1
#else
#define HAS_TF32 0
#endif

/* Number formats of tensor cores, and the number of inputs per instruction. */
struct Tf32 {
#if HAS_TF32
  using Stored = float;
  using Multiplied = wmma::precision::tf32;
  static constexpr int INPUTS = 8;
  static __device__ float round (float x)
  {
    return wmma::__float_to_tf32 (x);
  }
#endif
};

struct Float16 {
  using Stored = __half;
  using Multiplied = __half;
  static constexpr int INPUTS = 16;
  static __device__ __half round (float x)
  {
    return __float2half_rn (x);
  }
};

struct Bfloat16 {
#if HAS_TF32
  using Stored = __nv_bfloat16;
  using Multiplied = __nv_bfloat16;
  static constexpr int INPUTS = 16;
  static __device__ __nv_bfloat16 round (float x)
  {
    return __float2bfloat16_rn (x);
  }
#endif
};

/* Four warps compute a tile of 64 x 64, each a quarter of 2 x 2 fragments. */
#define SIDE     64
#define FRAGMENT 16
#define WARPS    4
#define PITCH    (SIDE + 8) /* of rows in shared memory; the padding avoids bank conflicts */

template <typename Numbers> struct Fragments {
  using Stored = typename Numbers::Stored;
  using Multiplied = typename Numbers::Multiplied;
  wmma::fragment<wmma::matrix_a, FRAGMENT, FRAGMENT, Numbers::INPUTS, Multiplied, wmma::col_major> weights[2];
  wmma::fragment<wmma::matrix_b, FRAGMENT, FRAGMENT, Numbers::INPUTS, Multiplied, wmma::row_major> inputs[2];
  wmma::fragment<wmma::accumulator, FRAGMENT, FRAGMENT, Numbers::INPUTS, float> sums[2][2];

  __device__ void clear ()
  {
    for (int r = 0; r < 2; r++)
      for (int c = 0; c < 2; c++)
        wmma::fill_fragment (sums[r][c], 0.0f);
  }

  /* Adds the product of INPUTS inputs; both arrays begin at the warp's quarter. */
  __device__ void multiply (const Stored *w, const Stored *x)
  {
    for (int i = 0; i < 2; i++) {
      wmma::load_matrix_sync (weights[i], w + i * FRAGMENT, PITCH);
      wmma::load_matrix_sync (inputs[i], x + i * FRAGMENT, PITCH);
    }
    for (int r = 0; r < 2; r++)
      for (int c = 0; c < 2; c++)
        wmma::mma_sync (sums[r][c], weights[r], inputs[c], sums[r][c]);
  }

  __device__ void store (float *to)
  {
    for (int r = 0; r < 2; r++)
      for (int c = 0; c < 2; c++)
        wmma::store_matrix_sync (to + r * FRAGMENT * PITCH + c * FRAGMENT, sums[r][c], PITCH, wmma::mem_row_major);
  }
};

template <typename Numbers>
static __device__ void
tensor_tile (const DicenetCudaConv &conv)
{
  using Stored = typename Numbers::Stored;
  alignas (32) __shared__ Stored weights[DEPTH * PITCH], inputs[DEPTH * PITCH];
  alignas (32) __shared__ float sums[SIDE * PITCH];
  const Tile tile = tile_of (conv, SIDE, SIDE);
  const Column mine = column_of (conv, tile, threadIdx.x % SIDE);
  const unsigned row = threadIdx.x / 32 / 2 * SIDE / 2, column = threadIdx.x / 32 % 2 * SIDE / 2;
  Fragments<Numbers> fragments;

  fragments.clear ();
  for (unsigned k0 = 0; k0 < tile.group_in; k0 += DEPTH) {
    for (unsigned k = threadIdx.x / SIDE; k < DEPTH; k += WARPS * 32 / SIDE) {
      const unsigned i = threadIdx.x % SIDE;
      weights[k * PITCH + i] = Numbers::round (weight_at (conv, tile, tile.first_row + i, k0 + k));
      inputs[k * PITCH + i] = Numbers::round (input_at (conv, tile, mine, k0 + k));
    }
    __syncthreads ();
    for (int k = 0; k < DEPTH; k += Numbers::INPUTS)
      fragments.multiply (weights + k * PITCH + row, inputs + k * PITCH + column);
    __syncthreads ();
  }
  fragments.store (sums + row * PITCH + column);
  __syncthreads ();
  for (unsigned r = threadIdx.x / SIDE; r < SIDE && tile.first_row + r < tile.group_out; r += WARPS * 32 / SIDE)
    if (mine.is_inside)
      finish (conv, mine.picture, tile.group * tile.group_out + tile.first_row + r, mine.at,
              sums[r * PITCH + threadIdx.x % SIDE]);
}

template <typename Numbers>
static __global__ void
__launch_bounds__ (WARPS * 32) tensor_kernel (DicenetCudaConv conv)
{
#if HAS_TF32
  tensor_tile<Numbers> (conv);
#endif
}

static __global__ void
__launch_bounds__ (WARPS * 32) float16_kernel (DicenetCudaConv conv)
{
  tensor_tile<Float16> (conv);
}

static cudaError_t
launch_tensor (const DicenetCudaConv *conv, cudaStream_t stream)
{
  void (*kernel) (DicenetCudaConv) = conv->compute_type == DICENET_CUDA_FLOAT16 ? float16_kernel
                                     : conv->compute_type == DICENET_CUDA_TF32  ? tensor_kernel<Tf32>
                                                                                : tensor_kernel<Bfloat16>;
  return launch (kernel, gemm_grid<SIDE, SIDE> (conv), WARPS * 32, stream, *conv);
}

cudaError_t
dicenet_cuda_conv_pointwise (const DicenetCudaConv *conv, const DicenetCudaDevice *device, cudaStream_t stream)
{
  if (conv->compute_type != DICENET_CUDA_FLOAT32)
    return launch_tensor (conv, stream);
  if (is_enough<128, 128> (conv, device))
    return launch_gemm<128, 128, 8, 8> (conv, stream);
  if (is_enough<64, 64> (conv, device))
    return launch_gemm<64, 64, 4, 4> (conv, stream);
  return launch_gemm<32, 32, 2, 2> (conv, stream);
}
