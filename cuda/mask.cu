/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device.cuh"
#include "launch.cuh"
#include "pixels.h"

/* Scales the logits and compares classes in one kernel, so that the logits at full size are never in memory. A thread
 * computes a few vertically adjacent pixels. Masks are larger than logits, so these pixels share most of their inputs.
 *
 * Products and sums are rounded separately, as in the CPU's reference, and not contracted to fused multiply-adds: if
 * two classes are nearly equal, the last bit decides. */

#define COLUMNS 128 /* per block, one per thread */
#define ROWS    4   /* per thread */

/* Position of a pixel on an axis of the logits: between two of them or, if the axis has one tap, on one. */
struct Place {
  unsigned start;
  float weight[2];
};

static __device__ __forceinline__ Place
place_on (const DicenetCudaAxis &axis, unsigned i)
{
  return { (unsigned) axis.start[i], { axis.weight[i], axis.taps > 1 ? axis.weight[axis.out + i] : 0 } };
}

static __device__ __forceinline__ float
scaled_across (const float *row, const DicenetCudaAxis &axis, const Place &column)
{
  const float first = __fmul_rn (column.weight[0], row[column.start]);

  return axis.taps > 1 ? __fadd_rn (first, __fmul_rn (column.weight[1], row[column.start + 1])) : first;
}

/* The logits of one class for ROWS pixels. Each row of logits is scaled horizontally only once. */
static __device__ __forceinline__ void
scaled (const float *plane, const DicenetCudaMask &m, const Place &column, const Place rows[ROWS], float values[ROWS])
{
  const bool mixed = m.rows.taps > 1;
  unsigned at = ~0u; /* the row in @upper */
  float upper = 0, lower = 0;

  for (unsigned r = 0; r < ROWS; r++) {
    const unsigned start = rows[r].start;

    if (start != at) {
      const float *row = plane + start * m.columns.in;
      upper = mixed && r > 0 && start == at + 1 ? lower : scaled_across (row, m.columns, column);
      lower = mixed ? scaled_across (row + m.columns.in, m.columns, column) : upper;
      at = start;
    }
    values[r] = __fadd_rn (__fmul_rn (rows[r].weight[0], upper), __fmul_rn (rows[r].weight[1], lower));
  }
}

static __global__ void
__launch_bounds__ (COLUMNS) largest_class (DicenetCudaMask m)
{
  const unsigned j = blockIdx.x * COLUMNS + threadIdx.x, first = blockIdx.y * ROWS;
  float best[ROWS], values[ROWS];
  uint8_t found[ROWS] = {};
  Place rows[ROWS];

  if (j >= m.columns.out)
    return;
  const Place column = place_on (m.columns, j);
  for (unsigned r = 0; r < ROWS; r++)
    rows[r] = place_on (m.rows, min (first + r, m.rows.out - 1));
  scaled (plane_of (m.logits, blockIdx.z, 0), m, column, rows, best);
  for (unsigned c = 1; c < m.logits.c; c++) {
    scaled (plane_of (m.logits, blockIdx.z, c), m, column, rows, values);
    for (unsigned r = 0; r < ROWS; r++)
      if (values[r] > best[r]) {
        best[r] = values[r];
        found[r] = (uint8_t) c;
      }
  }
  for (unsigned r = 0; r < ROWS; r++)
    if (first + r < m.rows.out)
      m.masks[blockIdx.z * m.picture_stride + (first + r) * m.row_stride + j] = found[r];
}

cudaError_t
dicenet_cuda_mask (const DicenetCudaMask *m, cudaStream_t stream)
{
  const dim3 grid (divide_up (m->columns.out, COLUMNS), divide_up (m->rows.out, ROWS), m->logits.n);

  return launch (largest_class, grid, COLUMNS, stream, *m);
}
