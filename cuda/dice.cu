/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device.cuh"
#include "launch.cuh"

/* The DiCE unit in one kernel (paper 3.4, Figure 7(b)): a thread computes one pixel of several neighbouring channels,
 * from the input to the fused output, so that branches are never stored. Channels share loads: in the height and width
 * branches, a value of plane c is a tap of channels c - 1, c and c + 1. Neighbouring threads compute neighbouring
 * pixels, whose taps overlap in the first-level cache. */

#define THREADS 128u

/* Channels per thread: more of them share more loads, fewer give enough threads for small pictures. */
#define MANY 8
#define FEW  2

unsigned
dicenet_cuda_dice_parts (unsigned h, unsigned w)
{
  return divide_up (h * w, THREADS);
}

/* One pixel and the partial sums of its three branches. */
template <int CHANNELS> struct Pixel {
  int i, j;  /* row and column */
  int first; /* channel */
  float depth[CHANNELS], height[CHANNELS], width[CHANNELS];
};

/* Value of plane @channel at row, column; zero outside the tensor. */
static __device__ __forceinline__ float
tap (const DicenetCudaTensor &x, unsigned picture, int channel, int row, int column)
{
  const bool is_inside =
      channel >= 0 && channel < (int) x.c && row >= 0 && row < (int) x.h && column >= 0 && column < (int) x.w;
  return is_inside ? plane_of (x, picture, (unsigned) channel)[row * (int) x.w + column] : 0;
}

/* Adds the contributions of @value, which belongs to plane first + k, to the branches of the neighbouring channels.
 * @taps are those for channel offsets d = -1, 0 and 1, STEP apart. */
template <int CHANNELS, int STEP>
static __device__ __forceinline__ void
spread (float sums[CHANNELS], int k, float value, const float *taps)
{
#pragma unroll
  for (int d = -1; d <= 1; d++)
    if (k - d >= 0 && k - d < CHANNELS)
      sums[k - d] += taps[(d + 1) * STEP] * value;
}

/* All branches of a unit at its trained size. They share the nine values around the pixel. */
template <int CHANNELS>
static __device__ __forceinline__ void
add_static (const DicenetCudaDice &dice, unsigned picture, Pixel<CHANNELS> &p)
{
  float height[9], width[9];

#pragma unroll
  for (int t = 0; t < 9; t++) {
    height[t] = dice.height.weight[p.i * 9 + t];
    width[t] = dice.width.weight[p.j * 9 + t];
  }
#pragma unroll
  for (int k = -1; k <= CHANNELS; k++) {
#pragma unroll
    for (int a = -1; a <= 1; a++) {
#pragma unroll
      for (int b = -1; b <= 1; b++) {
        const bool is_corner = a != 0 && b != 0;
        if (is_corner && (k < 0 || k >= CHANNELS))
          continue;
        const float value = tap (dice.x, picture, p.first + k, p.i + a, p.j + b);
        if (k >= 0 && k < CHANNELS && p.first + k < (int) dice.x.c)
          p.depth[k] += dice.depth[(p.first + k) * 9 + (a + 1) * 3 + b + 1] * value;
        if (a == 0)
          spread<CHANNELS, 3> (p.height, k, value, height + b + 1);
        if (b == 0)
          spread<CHANNELS, 3> (p.width, k, value, width + a + 1);
      }
    }
  }
}

/* One branch whose axis is scaled: rows if IS_HEIGHT, otherwise columns. */
template <int CHANNELS, bool IS_HEIGHT>
static __device__ __forceinline__ void
add_scaled (const DicenetCudaDice &dice, unsigned picture, const Pixel<CHANNELS> &p, float sums[CHANNELS])
{
  const DicenetCudaBranch &branch = IS_HEIGHT ? dice.height : dice.width;
  const int at = IS_HEIGHT ? p.i : p.j, start = branch.start[at];

  for (int t = 0; t < (int) branch.taps; t++) {
    const float *weight = branch.weight + ((size_t) at * branch.taps + (unsigned) t) * 9;
#pragma unroll
    for (int e = -1; e <= 1; e++) {
      const int row = IS_HEIGHT ? start + t : p.i + e, column = IS_HEIGHT ? p.j + e : start + t;
      const float taps[3] = { weight[e + 1], weight[3 + e + 1], weight[6 + e + 1] };
#pragma unroll
      for (int k = -1; k <= CHANNELS; k++)
        spread<CHANNELS, 1> (sums, k, tap (dice.x, picture, p.first + k, row, column), taps);
    }
  }
}

template <int CHANNELS>
static __device__ __forceinline__ void
add_depth (const DicenetCudaDice &dice, unsigned picture, Pixel<CHANNELS> &p)
{
#pragma unroll
  for (int k = 0; k < CHANNELS; k++) {
    if (p.first + k >= (int) dice.x.c)
      break;
#pragma unroll
    for (int t = 0; t < 9; t++)
      p.depth[k] +=
          dice.depth[(p.first + k) * 9 + t] * tap (dice.x, picture, p.first + k, p.i + t / 3 - 1, p.j + t % 3 - 1);
  }
}

/* BatchNorm and PReLU of the three branches, and local fusion (3.2). */
static __device__ __forceinline__ float
fused (const DicenetCudaDice &dice, unsigned channel, float depth, float height, float width)
{
  const float branches[3] = { depth, height, width };
  float sum = dice.fuse_bias[channel];

#pragma unroll
  for (unsigned b = 0; b < 3; b++) {
    const unsigned at = b * dice.x.c + channel;
    sum += dice.fuse_weight[at] *
           prelu (dice.branch_scale[at] * branches[b] + dice.branch_bias[at], dice.branch_slope[at]);
  }
  return prelu (sum, dice.fuse_slope[channel]);
}

/* Sums over the block's pixels, in a fixed order. */
template <int CHANNELS>
static __device__ __forceinline__ void
keep_sums (const DicenetCudaDice &dice, unsigned picture, unsigned first, const float values[CHANNELS])
{
  __shared__ float warps[CHANNELS][THREADS / 32];

#pragma unroll
  for (int k = 0; k < CHANNELS; k++) {
    const float sum = warp_sum (values[k]);
    if (threadIdx.x % 32 == 0)
      warps[k][threadIdx.x / 32] = sum;
  }
  __syncthreads ();
  if (threadIdx.x < CHANNELS && first + threadIdx.x < dice.y.c) {
    float sum = 0;
    for (unsigned i = 0; i < THREADS / 32; i++)
      sum += warps[threadIdx.x][i];
    dice.sums[((size_t) picture * dice.y.c + first + threadIdx.x) * gridDim.x + blockIdx.x] = sum;
  }
}

template <int CHANNELS, bool IS_STATIC>
static __global__ void
__launch_bounds__ (THREADS) dice_kernel (DicenetCudaDice dice)
{
  const unsigned at = blockIdx.x * THREADS + threadIdx.x, picture = blockIdx.z;
  const bool is_inside = at < dice.y.h * dice.y.w;
  Pixel<CHANNELS> p = { (int) (at / dice.y.w), (int) (at % dice.y.w), (int) blockIdx.y * CHANNELS, {}, {}, {} };

  if (is_inside && IS_STATIC)
    add_static (dice, picture, p);
  if (is_inside && !IS_STATIC) {
    add_depth (dice, picture, p);
    add_scaled<CHANNELS, true> (dice, picture, p, p.height);
    add_scaled<CHANNELS, false> (dice, picture, p, p.width);
  }
  float values[CHANNELS] = {};
#pragma unroll
  for (int k = 0; k < CHANNELS; k++) {
    const unsigned channel = (unsigned) (p.first + k);
    if (!is_inside || channel >= dice.y.c)
      continue;
    values[k] = fused (dice, channel, p.depth[k], p.height[k], p.width[k]);
    plane_of (dice.y, picture, channel)[at] = values[k];
  }
  if (dice.sums)
    keep_sums<CHANNELS> (dice, picture, (unsigned) p.first, values);
}

template <int CHANNELS>
static cudaError_t
launch_dice (const DicenetCudaDice *dice, cudaStream_t stream)
{
  const bool is_static = dice->height.taps == 1 && dice->width.taps == 1;
  const dim3 grid (dicenet_cuda_dice_parts (dice->y.h, dice->y.w), divide_up (dice->y.c, CHANNELS), dice->y.n);

  return launch (is_static ? dice_kernel<CHANNELS, true> : dice_kernel<CHANNELS, false>, grid, THREADS, stream, *dice);
}

/* Half of the threads that a device can hold are enough to keep it busy. */
cudaError_t
dicenet_cuda_dice (const DicenetCudaDice *dice, const DicenetCudaDevice *device, cudaStream_t stream)
{
  const size_t busy = (size_t) device->processors * device->threads / 2;
  const size_t threads = (size_t) dice->y.h * dice->y.w * dice->y.n * divide_up (dice->y.c, MANY);
  return threads >= busy ? launch_dice<MANY> (dice, stream) : launch_dice<FEW> (dice, stream);
}
