/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device.cuh"
#include "launch.cuh"

/* Operations on one vector per picture: means over pixels, and products with matrices. */

#define WARP    32u
#define THREADS 256u

struct Matrix {
  const float *weight, *bias, *slope;
  unsigned inputs, outputs, groups;
  DicenetActivation activation;
};

/* A warp computes one block of DICENET_BLOCK outputs from @in: eight outputs in parallel, each by four threads that
 * take every fourth input. The first eight threads return the results; @output is the thread's output, or m.outputs if
 * there is none. */
static __device__ float
block_of_outputs (const Matrix &m, unsigned block, const float *in, unsigned *output)
{
  const unsigned lane = threadIdx.x % WARP, column = lane % DICENET_BLOCK, slice = lane / DICENET_BLOCK;
  const unsigned group_in = m.inputs / m.groups, group_out = m.outputs / m.groups;
  const unsigned blocks = (group_out + DICENET_BLOCK - 1) / DICENET_BLOCK, group = block / blocks;
  const float *weight = m.weight + (size_t) block * group_in * DICENET_BLOCK + column;
  float sum = 0;

  for (unsigned k = slice; k < group_in; k += WARP / DICENET_BLOCK)
    sum += weight[k * DICENET_BLOCK] * in[group * group_in + k];
  sum += __shfl_xor_sync (0xffffffffu, sum, 16);
  sum += __shfl_xor_sync (0xffffffffu, sum, 8);
  const unsigned in_group = block % blocks * DICENET_BLOCK + column;
  *output = in_group < group_out ? group * group_out + in_group : m.outputs;
  if (lane >= DICENET_BLOCK || *output == m.outputs)
    return 0;
  return activated (sum + (m.bias ? m.bias[*output] : 0), m.activation, m.slope, *output);
}

static __host__ __device__ unsigned
n_blocks (unsigned outputs, unsigned groups)
{
  return (outputs / groups + DICENET_BLOCK - 1) / DICENET_BLOCK * groups;
}

/* --- the channel weights of a DiCE unit --- */

static __device__ float
mean_of_pixels (const DicenetCudaTensor &x, unsigned picture, unsigned channel)
{
  const float *plane = plane_of (x, picture, channel);
  const unsigned n = x.h * x.w;
  float sum = 0;

  for (unsigned p = threadIdx.x % WARP; p < n; p += WARP)
    sum += plane[p];
  return warp_sum (sum) / (float) n;
}

/* Each warp computes the means of some channels, from the sums of their parts or from their pixels. */
static __device__ void
find_means (const DicenetCudaGate &gate, unsigned picture, float *means)
{
  const unsigned lane = threadIdx.x % WARP;

  for (unsigned c = threadIdx.x / WARP; c < gate.x.c; c += THREADS / WARP) {
    float mean;
    if (gate.sums) {
      const float *sums = gate.sums + ((size_t) picture * gate.x.c + c) * gate.parts;
      float sum = 0;
      for (unsigned i = lane; i < gate.parts; i += WARP)
        sum += sums[i];
      mean = warp_sum (sum) / (float) (gate.x.h * gate.x.w);
    } else
      mean = mean_of_pixels (gate.x, picture, c);
    if (lane == 0)
      means[c] = mean;
  }
  __syncthreads ();
}

static __device__ void
multiply (const Matrix &m, const float *in, float *out)
{
  for (unsigned block = threadIdx.x / WARP; block < n_blocks (m.outputs, m.groups); block += THREADS / WARP) {
    unsigned output;
    const float value = block_of_outputs (m, block, in, &output);
    if (threadIdx.x % WARP < DICENET_BLOCK && output < m.outputs)
      out[output] = value;
  }
  __syncthreads ();
}

static __global__ void
__launch_bounds__ (THREADS) gate_kernel (DicenetCudaGate gate)
{
  __shared__ float vectors[2][DICENET_CUDA_GATE_CHANNELS];
  const unsigned picture = blockIdx.x;
  unsigned inputs = gate.x.c;

  find_means (gate, picture, vectors[0]);
  for (unsigned k = 0; k < gate.n_matrices; k++) {
    const Matrix m = { gate.matrices[k].weight, gate.matrices[k].bias,      nullptr, inputs, gate.matrices[k].channels,
                       gate.matrices[k].groups, gate.matrices[k].activation };
    multiply (m, vectors[k % 2], vectors[(k + 1) % 2]);
    inputs = m.outputs;
  }
  for (unsigned c = threadIdx.x; c < gate.y.c; c += THREADS)
    *plane_of (gate.y, picture, c) = vectors[gate.n_matrices % 2][c];
}

cudaError_t
dicenet_cuda_gate (const DicenetCudaGate *gate, cudaStream_t stream)
{
  return launch (gate_kernel, gate->y.n, THREADS, stream, *gate);
}

/* --- large matrices: one warp per block of outputs --- */

static __global__ void
__launch_bounds__ (THREADS) vector_kernel (DicenetCudaConv conv)
{
  const Matrix m = { conv.weight, conv.bias, conv.slope, conv.x.c, conv.y.c, conv.groups, conv.activation };
  const unsigned picture = blockIdx.y, block = blockIdx.x * (THREADS / WARP) + threadIdx.x / WARP;
  __shared__ float in[DICENET_CUDA_GEMV_INPUTS];

  for (unsigned c = threadIdx.x; c < conv.x.c; c += THREADS)
    in[c] = *plane_of (conv.x, picture, c);
  __syncthreads ();
  if (block >= n_blocks (m.outputs, m.groups))
    return;
  unsigned output;
  float value = block_of_outputs (m, block, in, &output);
  if (threadIdx.x % WARP >= DICENET_BLOCK || output >= m.outputs)
    return;
  if (conv.gate.base)
    value *= *plane_of (conv.gate, picture, output);
  *plane_of (conv.y, picture, output) = value;
}

cudaError_t
dicenet_cuda_gemv (const DicenetCudaConv *conv, cudaStream_t stream)
{
  const dim3 grid (divide_up (n_blocks (conv->y.c, conv->groups), THREADS / WARP), conv->y.n);
  return launch (vector_kernel, grid, THREADS, stream, *conv);
}
