/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "bf16.h"
#include "int8.h"
#include "pixels.h"

/* Selects kernels for this processor. The compiler's builtin is used, because it also checks whether the operating
 * system saves the registers, which CPUID alone does not tell. */

extern const DicenetKernels dicenet_kernels_baseline;
extern const DicenetPixelKernels dicenet_pixel_kernels_baseline;
#if defined(__x86_64__)
extern const DicenetKernels dicenet_kernels_avx2, dicenet_kernels_avx512;
extern const DicenetPixelKernels dicenet_pixel_kernels_avx2, dicenet_pixel_kernels_avx512;

static int
has_avx2 (void)
{
  return __builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma");
}

static int
has_avx512 (void)
{
  return has_avx2 () && __builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512bw") &&
         __builtin_cpu_supports ("avx512dq") && __builtin_cpu_supports ("avx512vl");
}

/* The builtin does not know it with all compilers. Its registers are those of AVX2. */
static int
has_avx_vnni (void)
{
  unsigned eax, ebx, ecx, edx;

  return has_avx2 () && __get_cpuid_count (7, 0, &eax, &ebx, &ecx, &edx) && eax >= 1 &&
         __get_cpuid_count (7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1);
}
#elif defined(__aarch64__)
static int
has_dotprod (void)
{
#if defined(__linux__)
  return (getauxval (AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return 0;
#endif
}
#endif

int
dicenet_bf16_is_there (unsigned mask)
{
#if defined(__x86_64__)
  const unsigned wanted = DICENET_CPU_AVX512 | DICENET_CPU_AVX512_BF16;
  return (mask & wanted) == wanted && has_avx512 () && __builtin_cpu_supports ("avx512bf16");
#else
  (void) mask;
  return 0;
#endif
}

void
dicenet_bf16_take (DicenetKernels *kernels)
{
#if defined(__x86_64__)
#define K(name, arguments) kernels->name = dicenet_bf16_avx512_##name;
  DICENET_BF16_KERNELS (K)
#undef K
#else
  (void) kernels;
#endif
}

typedef struct {
  const char *name;
  const DicenetKernels *kernels;
  const DicenetPixelKernels *pixels;
} Set;

static Set
best_set (unsigned mask)
{
#if defined(__x86_64__)
  if ((mask & DICENET_CPU_AVX512) && has_avx512 ())
    return (Set){ "avx512", &dicenet_kernels_avx512, &dicenet_pixel_kernels_avx512 };
  if ((mask & DICENET_CPU_AVX2) && has_avx2 ())
    return (Set){ "avx2", &dicenet_kernels_avx2, &dicenet_pixel_kernels_avx2 };
#endif
  if (mask & DICENET_CPU_BASELINE)
    return (Set){ "baseline", &dicenet_kernels_baseline, &dicenet_pixel_kernels_baseline };
  return (Set){ "ref", &dicenet_kernels_ref, &dicenet_pixel_kernels_ref };
}

const DicenetKernels *
dicenet_kernels_get (unsigned mask, const char **name)
{
  const Set set = best_set (mask);
  *name = set.name;
  return set.kernels;
}

const DicenetPixelKernels *
dicenet_pixel_kernels_get (unsigned mask, const char **name)
{
  const Set set = best_set (mask);
  *name = set.name;
  return set.pixels;
}

/* --- int8 --- */

#define TAKE(suffix)                                                                                                   \
  do {                                                                                                                 \
    kernels->conv_pointwise = dicenet_int8_##suffix##_conv_pointwise;                                                  \
    kernels->conv_dense3x3 = dicenet_int8_##suffix##_conv_dense3x3;                                                    \
    return "int8-" #suffix;                                                                                            \
  } while (0)

const char *
dicenet_int8_take (DicenetKernels *kernels, unsigned mask)
{
#if defined(__x86_64__)
  const int may_avx512 = (mask & DICENET_CPU_AVX512) && has_avx512 ();

  if (may_avx512 && (mask & DICENET_CPU_AVX512_VNNI) && __builtin_cpu_supports ("avx512vnni"))
    TAKE (vnni);
  if ((mask & DICENET_CPU_AVX2) && (mask & DICENET_CPU_AVX_VNNI) && has_avx_vnni ())
    TAKE (avxvnni);
  if (may_avx512)
    TAKE (avx512);
  if ((mask & DICENET_CPU_AVX2) && has_avx2 ())
    TAKE (avx2);
  if (mask & DICENET_CPU_BASELINE)
    TAKE (baseline);
#elif defined(__aarch64__)
  if ((mask & DICENET_CPU_BASELINE) && (mask & DICENET_CPU_DOTPROD) && has_dotprod ())
    TAKE (dotprod);
  if (mask & DICENET_CPU_BASELINE)
    TAKE (baseline);
#endif
  if (best_set (mask).kernels == &dicenet_kernels_ref)
    TAKE (ref);
  return NULL;
}
#undef TAKE

int
dicenet_int8_is_there (unsigned mask)
{
  DicenetKernels kernels;
  return dicenet_int8_take (&kernels, mask) != NULL;
}

/* --- the mask --- */

/* Parses a decimal number, or a hexadecimal one with 0x. Returns whether it is a valid mask. */
static int
read_mask (const char *text, unsigned *mask)
{
  char *end;
  const unsigned long value = strtoul (text, &end, 0);

  *mask = (unsigned) value;
  return *text >= '0' && *text <= '9' && *end == '\0' && value <= DICENET_CPU_ALL;
}

unsigned
dicenet_cpu_mask (void)
{
  const char *text = getenv ("DICENET_CPU_MASK");
  unsigned mask;

  return text && read_mask (text, &mask) ? mask : DICENET_CPU_ALL;
}

const char *
dicenet_cpu_mask_fault (void)
{
  const char *text = getenv ("DICENET_CPU_MASK");
  unsigned mask;

  return text && *text && !read_mask (text, &mask) ? text : NULL;
}
