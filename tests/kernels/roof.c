/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "roof.h"

#include <string.h>
#include <time.h>
#include "kernels/kernels.h"

/* Best of several short trials, because other programs may use the core. */
#define TRIALS 7
#define TRIAL  0.007 /* seconds */

/* A multiply-add has a latency of 4 cycles (7 as a product and a sum) and two can start per cycle: this number of
 * chains keeps both units busy, and fits in 16 registers with the two constants. The compiler contracts product and sum
 * if the instruction set has FMA. */
#define CHAINS 14
#define STEPS  4096

#define FLOPS(name, attribute, width)                                                                                  \
  typedef float name##_vector __attribute__ ((vector_size (width)));                                                   \
  attribute static void name (volatile float *sink)                                                                    \
  {                                                                                                                    \
    const float a = sink[0], b = sink[1];                                                                              \
    const name##_vector scale = a - (name##_vector){ 0 }, add = b - (name##_vector){ 0 };                              \
    name##_vector sum[CHAINS], all = add;                                                                              \
    for (int k = 0; k < CHAINS; k++)                                                                                   \
      sum[k] = add * (float) k;                                                                                        \
    for (int i = 0; i < STEPS; i++)                                                                                    \
      for (int k = 0; k < CHAINS; k++)                                                                                 \
        sum[k] = sum[k] * scale + add;                                                                                 \
    for (int k = 0; k < CHAINS; k++)                                                                                   \
      all += sum[k];                                                                                                   \
    sink[2] = all[0];                                                                                                  \
  }

FLOPS (flops_baseline, , 16)
#if defined(__x86_64__)
FLOPS (flops_avx2, __attribute__ ((target ("avx2,fma"))), 32)
FLOPS (flops_avx512, __attribute__ ((target ("avx512f"))), 64)
#endif

double
thread_seconds (void)
{
  struct timespec t;
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &t);
  return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

double
roof_gflops (guint mask)
{
  void (*run) (volatile float *) = flops_baseline;
  guint lanes = 4;
  volatile float sink[3] = { 0.999f, 1e-3f, 0 };
  double best = 0;

#if defined(__x86_64__)
  if (mask == DICENET_CPU_AVX2) {
    run = flops_avx2;
    lanes = 8;
  } else if (mask == DICENET_CPU_AVX512) {
    run = flops_avx512;
    lanes = 16;
  }
#endif
  for (int trial = 0; trial < TRIALS; trial++) {
    const double begin = thread_seconds ();
    double seconds;
    guint runs = 0;
    do {
      run (sink);
      runs++;
      seconds = thread_seconds () - begin;
    } while (seconds < TRIAL);
    best = MAX (best, 2.0 * CHAINS * STEPS * lanes * runs / seconds / 1e9);
  }
  return best;
}

double
roof_copy (gsize bytes)
{
  const gsize half = bytes / 2;
  g_autofree char *from = g_malloc0 (half), *to = g_malloc0 (half);
  double best = 0;

  memset (from, 1, half); /* otherwise all of its pages would map to the same one */
  memcpy (to, from, half);
  for (int trial = 0; trial < TRIALS; trial++) {
    const double begin = thread_seconds ();
    double seconds;
    guint runs = 0;
    do {
      memcpy (to, from, half);
      __asm__ volatile("" ::"r"(to) : "memory");
      runs++;
      seconds = half > 65536 || runs % 16 == 0 ? thread_seconds () - begin
                                               : 0; /* reading the clock takes as long as a small copy */
    } while (seconds < TRIAL);
    best = MAX (best, 2.0 * (double) half * runs / seconds / 1e9);
  }
  return best;
}
