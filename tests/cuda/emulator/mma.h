/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cuda_bf16.h"
#include "cuda_runtime.h"

/* Tensor cores: the first thread of a warp holds the fragments and does the work of the whole warp. */

namespace nvcuda::wmma
{

struct matrix_a {
};
struct matrix_b {
};
struct accumulator {
};
struct row_major {
};
struct col_major {
};
enum layout_t { mem_row_major, mem_col_major };

namespace precision
{
struct tf32 {
};
} // namespace precision

static inline float
__float_to_tf32 (float x)
{
  return emulated_round (x, 11, -136, INFINITY);
}

static inline float
emulated_value (float x)
{
  return x;
}

template <typename T>
static inline float
emulated_value (const T &x)
{
  return x.value;
}

template <typename Use, int M, int N, int K> struct emulated_size;
template <int M, int N, int K> struct emulated_size<matrix_a, M, N, K> {
  static constexpr int rows = M, columns = K;
};
template <int M, int N, int K> struct emulated_size<matrix_b, M, N, K> {
  static constexpr int rows = K, columns = N;
};
template <int M, int N, int K> struct emulated_size<accumulator, M, N, K> {
  static constexpr int rows = M, columns = N;
};

template <typename Use, int M, int N, int K, typename T, typename Layout = void> struct fragment {
  float at[emulated_size<Use, M, N, K>::rows][emulated_size<Use, M, N, K>::columns];
};

static inline bool
emulated_leads ()
{
  return threadIdx.x % 32 == 0;
}

template <typename Use, int M, int N, int K, typename T, typename Layout>
static inline void
fill_fragment (fragment<Use, M, N, K, T, Layout> &f, float value)
{
  for (auto &row : f.at)
    for (float &x : row)
      x = value;
}

template <typename Use, int M, int N, int K, typename T, typename Layout, typename Stored>
static inline void
load_matrix_sync (fragment<Use, M, N, K, T, Layout> &f, const Stored *from, unsigned pitch)
{
  constexpr bool is_row_major = __is_same(Layout, row_major);

  for (int i = 0; emulated_leads () && i < emulated_size<Use, M, N, K>::rows; i++)
    for (int j = 0; j < emulated_size<Use, M, N, K>::columns; j++)
      f.at[i][j] = emulated_value (from[is_row_major ? i * (int) pitch + j : j * (int) pitch + i]);
}

template <int M, int N, int K, typename T, typename A, typename B>
static inline void
mma_sync (fragment<accumulator, M, N, K, float> &d, const fragment<matrix_a, M, N, K, T, A> &a,
          const fragment<matrix_b, M, N, K, T, B> &b, const fragment<accumulator, M, N, K, float> &c)
{
  for (int i = 0; emulated_leads () && i < M; i++) {
    for (int j = 0; j < N; j++) {
      float sum = c.at[i][j];
      for (int k = 0; k < K; k++)
        sum += a.at[i][k] * b.at[k][j];
      d.at[i][j] = sum;
    }
  }
}

template <int M, int N, int K>
static inline void
store_matrix_sync (float *to, const fragment<accumulator, M, N, K, float> &f, unsigned pitch, layout_t)
{
  for (int i = 0; emulated_leads () && i < M; i++)
    for (int j = 0; j < N; j++)
      to[i * (int) pitch + j] = f.at[i][j];
}

} // namespace nvcuda::wmma
