/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device.cuh"
#include "launch.cuh"
#include "pixels.h"

/* Two kernels. The first converts rows of the picture to RGB, scales them horizontally and rounds to bytes, in scratch
 * that fits the second-level cache. The second scales columns and writes the tensor. All sums are integers, so that
 * results are identical to the CPU's in any order. In between, a pixel is one word, shared by three multiplications. */

#define COLUMNS 128  /* of the tensor; one per thread */
#define CHUNK   1024 /* pixels of a row that are converted at a time */

static __device__ __forceinline__ uint32_t
pack (unsigned r, unsigned g, unsigned b)
{
  return r | g << 8 | b << 16;
}

/* The source samples of a row. Chroma rows of 4:2:0 are located between two rows of luma, so a luma row's chroma is
 * interpolated from the two nearest chroma rows, with a weight of one quarter for the more distant one. */
struct Row {
  const uint8_t *near[3], *far[3];
  unsigned last_pair;
};

static __device__ __forceinline__ const uint8_t *
samples_of (const DicenetCudaPicture &picture, const DicenetCudaSamples &samples, unsigned row)
{
  return picture.planes[samples.plane] + (ptrdiff_t) row * picture.strides[samples.plane] + samples.first;
}

static __device__ Row
find_row (const DicenetCudaPreprocess &p, const DicenetCudaPicture &picture, unsigned row)
{
  const unsigned last = (p.vertical.in - 1) / 2, beside = row % 2 ? min (row / 2 + 1, last) : max (row / 2, 1u) - 1;
  const bool halved = p.colour == DICENET_CUDA_420;
  Row found = {};

  found.near[0] = samples_of (picture, p.samples[0], row);
  found.last_pair = (p.horizontal.in - 1) / 2;
  for (unsigned c = 1; c < 3 && p.colour != DICENET_CUDA_GREY; c++) {
    found.near[c] = samples_of (picture, p.samples[c], halved ? row / 2 : row);
    found.far[c] = samples_of (picture, p.samples[c], halved ? beside : row);
  }
  return found;
}

/* Chroma of a pair of pixels, scaled to 4 * (x - 128). */
static __device__ __forceinline__ int
pair_chroma (const Row &row, unsigned c, unsigned at)
{
  return 3 * row.near[c][at] + row.far[c][at] - 4 * 128;
}

/* Chroma of a pixel, scaled by 8; the mean of the neighbouring pairs' for odd pixels. */
static __device__ __forceinline__ int
pixel_chroma (const DicenetCudaPreprocess &p, const Row &row, unsigned c, unsigned x)
{
  const unsigned pair = x / 2, step = p.samples[c].step;
  const int here = pair_chroma (row, c, pair * step);

  return x % 2 ? here + pair_chroma (row, c, min (pair + 1, row.last_pair) * step) : 2 * here;
}

static __device__ __forceinline__ unsigned
to_byte (int value)
{
  return (unsigned) min (max (value >> DICENET_YUV_BITS, 0), 255);
}

static __device__ __forceinline__ uint32_t
pixel_of (const DicenetCudaPreprocess &p, const Row &row, unsigned x)
{
  const DicenetYuv &k = p.yuv;
  const unsigned first = row.near[0][x * p.samples[0].step];
  const int grey = (int) first * k.y + 16 * k.bias;
  int c[2] = { 0, 0 };

  if (p.colour == DICENET_CUDA_RGB)
    return pack (first, row.near[1][x * p.samples[1].step], row.near[2][x * p.samples[2].step]);
  if (p.colour != DICENET_CUDA_GREY) {
    c[0] = pixel_chroma (p, row, 1, x);
    c[1] = pixel_chroma (p, row, 2, x);
  }
  return pack (to_byte (grey + c[0] * k.r[0] + c[1] * k.r[1]), to_byte (grey + c[0] * k.g[0] + c[1] * k.g[1]),
               to_byte (grey + c[0] * k.b[0] + c[1] * k.b[1]));
}

struct Sums {
  uint32_t r, g, b;
};

static __device__ __forceinline__ void
weigh (Sums &sums, uint32_t weight, uint32_t pixel)
{
  sums.r += weight * (pixel & 255);
  sums.g += weight * (pixel >> 8 & 255);
  sums.b += weight * (pixel >> 16);
}

static __device__ __forceinline__ unsigned
round_sum (uint32_t sum)
{
  return min ((sum + (1u << (DICENET_TAPS_BITS - 1))) >> DICENET_TAPS_BITS, 255u);
}

/* A block computes some columns of one row of one picture. Neighbouring outputs share inputs, which all threads convert
 * once, to shared memory, as many at a time as fit. */
static __global__ void
__launch_bounds__ (COLUMNS)
    scale_across (DicenetCudaPreprocess p, const DicenetCudaPicture *pictures, uint32_t *scratch)
{
  __shared__ uint32_t pixels[CHUNK];
  const DicenetCudaFilter &f = p.horizontal;
  const unsigned column = blockIdx.x * COLUMNS + threadIdx.x, last = min ((blockIdx.x + 1) * COLUMNS, f.out) - 1,
                 own = min (column, last); /* threads beyond the last column only convert */
  const unsigned begin = f.start[blockIdx.x * COLUMNS], end = f.start[last] + f.taps, start = f.start[own];
  const Row row = find_row (p, pictures[blockIdx.z], blockIdx.y);
  Sums sums = {};

  for (unsigned chunk = begin; chunk < end; chunk += CHUNK) {
    const unsigned chunk_end = min (chunk + CHUNK, end);

    for (unsigned x = chunk + threadIdx.x; x < chunk_end; x += COLUMNS)
      pixels[x - chunk] = pixel_of (p, row, x);
    __syncthreads ();
    for (unsigned x = max (start, chunk); x < min (start + f.taps, chunk_end); x++)
      weigh (sums, f.weight[(x - start) * f.out + own], pixels[x - chunk]);
    __syncthreads ();
  }
  if (column <= last)
    scratch[((size_t) blockIdx.z * p.vertical.in + blockIdx.y) * f.out + column] =
        pack (round_sum (sums.r), round_sum (sums.g), round_sum (sums.b));
}

static __global__ void
__launch_bounds__ (COLUMNS) scale_down (DicenetCudaPreprocess p, const uint32_t *scratch, DicenetCudaTensor y)
{
  const DicenetCudaFilter &f = p.vertical;
  const unsigned column = blockIdx.x * COLUMNS + threadIdx.x, row = blockIdx.y, at = row * y.w + column;
  const uint32_t *x = scratch + ((size_t) blockIdx.z * f.in + f.start[row]) * y.w + column;
  Sums sums = {};

  if (column >= y.w)
    return;
  for (unsigned t = 0; t < f.taps; t++)
    weigh (sums, f.weight[t * f.out + row], x[(size_t) t * y.w]);
  plane_of (y, blockIdx.z, 0)[at] = p.normalise[round_sum (sums.r)];
  plane_of (y, blockIdx.z, 1)[at] = p.normalise[256 + round_sum (sums.g)];
  plane_of (y, blockIdx.z, 2)[at] = p.normalise[512 + round_sum (sums.b)];
}

size_t
dicenet_cuda_preprocess_scratch (const DicenetCudaPreprocess *p, unsigned n)
{
  return (size_t) n * p->vertical.in * p->horizontal.out * sizeof (uint32_t);
}

cudaError_t
dicenet_cuda_preprocess (const DicenetCudaPreprocess *p, const DicenetCudaPicture *pictures, const DicenetCudaTensor *y,
                         void *scratch, cudaStream_t stream)
{
  const unsigned blocks = divide_up (y->w, COLUMNS);
  uint32_t *rows = static_cast<uint32_t *> (scratch);
  cudaError_t error;

  error = launch (scale_across, dim3 (blocks, p->vertical.in, y->n), COLUMNS, stream, *p, pictures, rows);
  if (error != cudaSuccess)
    return error;
  return launch (scale_down, dim3 (blocks, y->h, y->n), COLUMNS, stream, *p, rows, *y);
}
