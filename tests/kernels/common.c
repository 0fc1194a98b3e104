/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include "backend/axis.h"
#include "common.h"

GRand *random_;

guint
random_int (guint low, guint high)
{
  return (guint) g_rand_int_range (random_, (gint) low, (gint) high + 1);
}

guint
random_size (guint most)
{
  static const guint special[] = { 1, 2, 3, 4, 5, 7, 8, 9, 14, 15, 16, 17, 28, 31, 32, 33, 47, 48, 49, 56, 64, 65 };
  const guint size = random_int (0, 1) ? special[random_int (0, G_N_ELEMENTS (special) - 1)] : random_int (1, most);
  return MIN (size, most);
}

float
random_value (void)
{
  switch (random_int (0, 40)) {
  case 0:
    return 0;
  case 1:
    return -0.0f;
  case 2:
    return 1e-39f; /* denormal */
  case 3:
    return (float) g_rand_double_range (random_, -100, 100);
  default:
    return (float) g_rand_double_range (random_, -1, 1);
  }
}

float *
random_floats (gsize n)
{
  float *x = g_new (float, n + 1);
  for (gsize i = 0; i < n; i++)
    x[i] = random_value ();
  return x;
}

float *
small_floats (gsize n)
{
  float *x = random_floats (n);
  for (gsize i = 0; i < n; i++)
    x[i] = fabsf (x[i]) > 1 ? x[i] / 100 : x[i];
  return x;
}

Tensor
tensor_new (guint c, guint h, guint w, gboolean fill)
{
  const gsize plane = (gsize) h * w, step = plane + GUARD;
  Tensor t = { .offsets = g_new (gsize, c), .n = c * step + GUARD };

  float *base = g_new (float, t.n);
  for (gsize i = 0; i < t.n; i++)
    base[i] = GUARD_VALUE;
  for (guint i = 0; i < c; i++)
    t.offsets[i] = GUARD + i * step;
  for (guint i = c; i > 1; i--) { /* shuffled */
    const guint k = random_int (0, i - 1);
    const gsize swap = t.offsets[i - 1];
    t.offsets[i - 1] = t.offsets[k];
    t.offsets[k] = swap;
  }
  t.planes = (DicenetPlanes){ base, t.offsets, c, h, w };
  for (guint i = 0; fill && i < c; i++)
    for (gsize k = 0; k < plane; k++)
      base[t.offsets[i] + k] = random_value ();
  return t;
}

Tensor
small_tensor (guint c, guint h, guint w)
{
  Tensor t = tensor_new (c, h, w, TRUE);
  for (guint i = 0; i < c; i++)
    for (gsize k = 0; k < (gsize) h * w; k++)
      if (fabsf (t.planes.base[t.offsets[i] + k]) > 1)
        t.planes.base[t.offsets[i] + k] /= 100;
  return t;
}

Tensor
tensor_like (const Tensor *t)
{
  Tensor copy = *t;
  copy.offsets = g_memdup2 (t->offsets, t->planes.c * sizeof (gsize));
  copy.planes.planes = copy.offsets;
  copy.planes.base = g_new (float, t->n);
  for (gsize i = 0; i < t->n; i++)
    copy.planes.base[i] = GUARD_VALUE;
  return copy;
}

void
tensor_free (Tensor *t)
{
  g_free (t->planes.base);
  g_free (t->offsets);
}

gsize
blocked_floats (guint cin, guint cout, guint groups, guint kernel)
{
  return (gsize) groups * dicenet_conv_blocks (cout, groups) * DICENET_BLOCK * (cin / groups) * kernel * kernel;
}

float *
random_padded (guint h, guint w)
{
  float *padded = g_new0 (float, dicenet_padded_floats (h, w));
  for (guint i = 0; i < h; i++)
    for (guint j = 0; j < w; j++)
      dicenet_padded_origin (padded, w)[i * dicenet_padded_stride (w) + j] = random_value ();
  return padded;
}

DicenetBf16 *
random_bf16 (gsize n)
{
  DicenetBf16 *x = g_new (DicenetBf16, n);
  for (gsize i = 0; i < n; i++)
    x[i] = dicenet_bf16_round (random_value ());
  return x;
}

const Int8Set int8_sets[N_INT8_SETS] = {
  { "int8-baseline", DICENET_CPU_BASELINE, DICENET_CPU_BASELINE },
  { "int8-dotprod", DICENET_CPU_BASELINE | DICENET_CPU_DOTPROD, DICENET_CPU_BASELINE },
  { "int8-avx2", DICENET_CPU_AVX2, DICENET_CPU_AVX2 },
  { "int8-avxvnni", DICENET_CPU_AVX2 | DICENET_CPU_AVX_VNNI, DICENET_CPU_AVX2 },
  { "int8-avx512", DICENET_CPU_AVX512, DICENET_CPU_AVX512 },
  { "int8-vnni", DICENET_CPU_AVX512 | DICENET_CPU_AVX512_VNNI, DICENET_CPU_AVX512 },
};

float *
int8_weights (const DicenetDense *conv, const float *plain)
{
  float *packed = g_new (float, dicenet_int8_floats (conv->cin, conv->cout, conv->groups, conv->kernel));
  dicenet_pack_int8 (conv, plain, packed);
  return packed;
}

void
fill_branches (DicenetEpp *p, guint h, guint w, GHashTable *cache)
{
  static const gdouble ratios[DICENET_EPP_BRANCHES] = { 2.0, 1.5, 1.0, 0.5, 0.1 };

  for (guint k = 0; k < DICENET_EPP_BRANCHES; k++) {
    const guint sh = MAX (5, (guint) ceil (h * ratios[k])), sw = MAX (5, (guint) ceil (w * ratios[k]));
    const gboolean up = k < DICENET_EPP_IDENTITY;
    const DicenetResize there = up ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN,
                        back = up ? DICENET_RESIZE_DOWN : DICENET_RESIZE_UP;
    p->branches[k] = (DicenetEppBranch){ k == DICENET_EPP_IDENTITY ? h : sh,
                                         k == DICENET_EPP_IDENTITY ? w : sw,
                                         dicenet_axis_get (cache, h, sh, there),
                                         dicenet_axis_get (cache, w, sw, there),
                                         dicenet_axis_get (cache, sh, h, back),
                                         dicenet_axis_get (cache, sw, w, back),
                                         up ? dicenet_composed_axis_get (cache, h, sh) : NULL,
                                         up ? dicenet_composed_axis_get (cache, w, sw) : NULL };
  }
}
