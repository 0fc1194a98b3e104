/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every kernel of every instruction set that this processor has, against the readable reference: random shapes and
 * those around register widths, random parts, special values, and bands around outputs that must stay as they were. The
 * same program times them:
 *
 *     test-kernels [SEED [ROUNDS]]     a seed of 0 is a random one
 *     test-kernels --bench
 *     test-kernels --roof     only what the machine can do, for scripts
 */

#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/axis.h"
#include "base/threads.h"
#include "kernels/bf16.h"
#include "kernels/kernels.h"
#include "roof.h"

#define ROUNDS      200
#define GUARD       64
#define GUARD_VALUE 12345.678f
/* A sum of n products in another order differs by rounding, which grows with the size of its terms: 1e-5 of them. */
#define TOLERANCE 2e-5f

static GRand *rand_;
static const DicenetKernels *ref = &dicenet_kernels_ref, *tested;
static DicenetKernels bf16; /* where this processor has them */
static const char *isa;
static guint failures, checks;

static guint
random_int (guint low, guint high)
{
  return (guint) g_rand_int_range (rand_, (gint) low, (gint) high + 1);
}

/* Sizes at which registers and panels end, as often as any other. */
static guint
random_size (guint most)
{
  static const guint special[] = { 1, 2, 3, 4, 5, 7, 8, 9, 14, 15, 16, 17, 28, 31, 32, 33, 47, 48, 49, 56, 64, 65 };
  const guint size = random_int (0, 1) ? special[random_int (0, G_N_ELEMENTS (special) - 1)] : random_int (1, most);
  return MIN (size, most);
}

static float
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
    return (float) g_rand_double_range (rand_, -100, 100);
  default:
    return (float) g_rand_double_range (rand_, -1, 1);
  }
}

static float *
random_floats (gsize n)
{
  float *x = g_new (float, n + 1);
  for (gsize i = 0; i < n; i++)
    x[i] = random_value ();
  return x;
}

/* The same without numbers above 1, whose products would hide the errors of others. */
static float *
small_floats (gsize n)
{
  float *x = random_floats (n);
  for (gsize i = 0; i < n; i++)
    x[i] = fabsf (x[i]) > 1 ? x[i] / 100 : x[i];
  return x;
}

/* Planes in one piece of memory, in any order, with a band around each. */
typedef struct {
  DicenetPlanes planes;
  gsize *offsets;
  gsize n;
} Tensor;

static Tensor
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

static Tensor
small_tensor (guint c, guint h, guint w)
{
  Tensor t = tensor_new (c, h, w, TRUE);
  for (guint i = 0; i < c; i++)
    for (gsize k = 0; k < (gsize) h * w; k++)
      if (fabsf (t.planes.base[t.offsets[i] + k]) > 1)
        t.planes.base[t.offsets[i] + k] /= 100;
  return t;
}

/* The same planes at the same places, unwritten. */
static Tensor
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

static void
tensor_free (Tensor *t)
{
  g_free (t->planes.base);
  g_free (t->offsets);
}

/* All of the memory: where the reference wrote nothing, nothing may have been written. */
static void
compare (const char *kernel, const float *expected, const float *found, gsize n, float size, const char *shape)
{
  checks++;
  for (gsize i = 0; i < n; i++) {
    const float bound = expected[i] == GUARD_VALUE ? 0 : TOLERANCE * (size + fabsf (expected[i]));
    if (!(fabsf (expected[i] - found[i]) <= bound)) {
      if (failures++ < 20)
        printf ("FAIL %s, %s, %s: float %zu: expected %g, found %g\n", kernel, isa, shape, i, (double) expected[i],
                (double) found[i]);
      return;
    }
  }
}

static void
compare_tensors (const char *kernel, const Tensor *a, const Tensor *b, float size, const char *shape)
{
  compare (kernel, a->planes.base, b->planes.base, a->n, size, shape);
}

static gsize
blocked_floats (guint cin, guint cout, guint groups, guint kernel)
{
  return (gsize) groups * dicenet_conv_blocks (cout, groups) * DICENET_BLOCK * (cin / groups) * kernel * kernel;
}

/* Weights are made for whoever reads them: Winograd's are 16 numbers for nine. */
static void
test_winograd (void)
{
  const guint groups = random_int (1, 3), cin = groups * random_int (1, 40), cout = groups * random_int (8, 30);
  const guint h = random_size (20), w = random_size (110), rows = (h + 1) / 2, begin = random_int (0, rows - 1),
              end = random_int (begin + 1, rows);
  g_autofree float *weight = random_floats (16 * blocked_floats (cin, cout, groups, 1)), *bias = random_floats (cout),
                   *slope = random_floats (cout);
  Tensor gate = tensor_new (cout, 1, 1, TRUE);
  const DicenetConv conv = { .weight = weight,
                             .bias = random_int (0, 3) ? bias : NULL,
                             .slope = slope,
                             .kernel = 3,
                             .stride = 1,
                             .groups = groups,
                             .activation = (DicenetActivation) random_int (0, 3),
                             .gate = random_int (0, 1) ? &gate.planes : NULL };
  Tensor x = tensor_new (cin, h, w, TRUE), y = tensor_new (cout, h, w, FALSE), z = tensor_like (&y);
  g_autofree float *scratch = random_floats (dicenet_conv_winograd_scratch (cin, groups, w));
  g_autofree char *shape = g_strdup_printf ("%u x %u x %u to %u, groups %u", cin, h, w, cout, groups);

  ref->conv_winograd (&x.planes, &y.planes, &conv, begin, end, scratch);
  tested->conv_winograd (&x.planes, &z.planes, &conv, begin, end, scratch);
  compare_tensors ("conv_winograd", &y, &z, sqrtf ((float) (cin / groups * 16)) * 400 * (conv.gate ? 100 : 1), shape);
  tensor_free (&x);
  tensor_free (&y);
  tensor_free (&z);
  tensor_free (&gate);
}

static void
test_conv (void)
{
  const guint kernel = random_int (0, 1) ? 1 : 3, stride = kernel == 1 ? 1 : random_int (1, 2),
              groups = random_int (1, 3);
  const guint group_in = random_int (0, 3) ? random_size (40) : 1,
              group_out = group_in > 1 ? random_size (40) : random_int (1, 2), cin = groups * group_in,
              cout = groups * group_out;
  const guint h = random_size (20), w = random_size (70), oh = (h - 1) / stride + 1, ow = (w - 1) / stride + 1;
  const gboolean dense = dicenet_conv_is_dense (cout, groups, kernel);
  const gsize n_weights = dense ? blocked_floats (cin, cout, groups, kernel) : (gsize) cout * group_in * 9;
  g_autofree float *weight = random_floats (n_weights), *bias = random_floats (cout), *slope = random_floats (cout);
  Tensor gate = tensor_new (cout, 1, 1, TRUE);
  const DicenetConv conv = { weight,
                             random_int (0, 3) ? bias : NULL,
                             slope,
                             kernel,
                             stride,
                             groups,
                             (DicenetActivation) random_int (0, 3),
                             random_int (0, 1) ? &gate.planes : NULL,
                             NULL };
  Tensor x = tensor_new (cin, h, w, TRUE), y = tensor_new (cout, oh, ow, FALSE), z = tensor_like (&y);
  const float size = sqrtf ((float) (group_in * kernel * kernel)) * 20 * (conv.gate ? 100 : 1);
  g_autofree char *shape =
      g_strdup_printf ("%u x %u x %u to %u, kernel %u, stride %u, groups %u, activation %d%s", cin, h, w, cout, kernel,
                       stride, groups, (int) conv.activation, conv.gate ? ", gate" : "");

  if (dense && kernel == 1) {
    const guint blocks = groups * dicenet_conv_blocks (cout, groups);
    const gsize pixels = (gsize) oh * ow;
    DicenetPart part = { random_int (0, blocks - 1), 0, random_int (0, (guint) pixels - 1), 0 };
    part.end_block = random_int (part.first_block + 1, blocks);
    part.end_pixel = random_int (0, 1) ? pixels : random_int ((guint) part.first_pixel + 1, (guint) pixels);
    g_autofree float *scratch = random_floats (dicenet_conv_pointwise_scratch (cin, groups));
    ref->conv_pointwise (&x.planes, &y.planes, &conv, &part, scratch);
    tested->conv_pointwise (&x.planes, &z.planes, &conv, &part, scratch);
    compare_tensors ("conv_pointwise", &y, &z, size, shape);
  } else if (dense) {
    const guint begin = random_int (0, oh - 1), end = random_int (begin + 1, oh);
    g_autofree float *scratch = random_floats (dicenet_conv_full_scratch (cin, groups, ow, stride));
    ref->conv_full (&x.planes, &y.planes, &conv, begin, end, scratch);
    tested->conv_full (&x.planes, &z.planes, &conv, begin, end, scratch);
    compare_tensors ("conv_full", &y, &z, size, shape);
  } else {
    const guint begin = random_int (0, cout - 1), end = random_int (begin + 1, cout);
    g_autofree float *scratch = random_floats (dicenet_conv_sparse_scratch (cin, groups, h, w));
    ref->conv_sparse (&x.planes, &y.planes, &conv, begin, end, scratch);
    tested->conv_sparse (&x.planes, &z.planes, &conv, begin, end, scratch);
    compare_tensors ("conv_sparse", &y, &z, size, shape);
  }
  tensor_free (&x);
  tensor_free (&y);
  tensor_free (&z);
  tensor_free (&gate);
}

static void
test_vector (void)
{
  const guint groups = random_int (1, 4), cin = groups * random_size (150), cout = groups * random_size (60);
  const guint blocks = groups * dicenet_conv_blocks (cout, groups), begin = random_int (0, blocks - 1),
              end = random_int (begin + 1, blocks);
  g_autofree float *weight = random_floats (blocked_floats (cin, cout, groups, 1)), *bias = random_floats (cout),
                   *slope = random_floats (cout);
  g_autofree float *scratch = random_floats (cin);
  const DicenetConv conv = { weight, bias, slope, 1, 1, groups, (DicenetActivation) random_int (0, 3), NULL, NULL };
  Tensor x = tensor_new (cin, 1, 1, TRUE), y = tensor_new (cout, 1, 1, FALSE), z = tensor_like (&y);
  g_autofree char *shape = g_strdup_printf ("%u to %u, groups %u", cin, cout, groups);

  ref->conv_vector (&x.planes, &y.planes, &conv, begin, end, scratch);
  tested->conv_vector (&x.planes, &z.planes, &conv, begin, end, scratch);
  compare_tensors ("conv_vector", &y, &z, 20 * sqrtf ((float) cin), shape);
  tensor_free (&x);
  tensor_free (&y);
  tensor_free (&z);
}

static float *
random_padded (guint h, guint w)
{
  float *padded = g_new0 (float, dicenet_padded_floats (h, w));
  for (guint i = 0; i < h; i++)
    for (guint j = 0; j < w; j++)
      dicenet_padded_origin (padded, w)[i * dicenet_padded_stride (w) + j] = random_value ();
  return padded;
}

static DicenetBf16 *
random_bf16 (gsize n)
{
  DicenetBf16 *x = g_new (DicenetBf16, n);
  for (gsize i = 0; i < n; i++)
    x[i] = dicenet_bf16_round (random_value ());
  return x;
}

/* Zero beside an odd last channel, which there is none of. */
static void
clear_odd_weights (DicenetBf16 *weight, guint cin, guint cout, guint groups, guint kernel)
{
  const gsize pairs = dicenet_bf16_pairs (cin, groups, kernel), taps = (gsize) kernel * kernel;

  if (cin / groups % 2 == 0)
    return;
  for (gsize block = 0; block < (gsize) groups * dicenet_bf16_blocks (cout, groups); block++)
    for (gsize pair = pairs - taps; pair < pairs; pair++)
      for (gsize c = 0; c < DICENET_BF16_BLOCK; c++)
        weight[((block * pairs + pair) * DICENET_BF16_BLOCK + c) * 2 + 1] = 0;
}

/* Scratch with a band at its end. */
static float *
guarded_scratch (gsize n)
{
  float *scratch = random_floats (n + GUARD);
  for (gsize i = 0; i < GUARD; i++)
    scratch[n + i] = GUARD_VALUE;
  return scratch;
}

static void
check_guard (const float *scratch, gsize n, const char *shape)
{
  checks++;
  for (gsize i = 0; i < GUARD; i++) {
    if (scratch[n + i] != GUARD_VALUE) {
      if (failures++ < 20)
        printf ("FAIL %s, %s: wrote beyond its scratch\n", isa, shape);
      return;
    }
  }
}

static void
test_bf16 (void)
{
  const guint kernel = random_int (0, 1) ? 1 : 3, stride = kernel == 1 ? 1 : random_int (1, 2);
  const guint groups = random_int (1, 3), cin = groups * random_size (40), cout = groups * random_size (70);
  const gboolean vector = kernel == 1 && random_int (0, 3) == 0;
  const guint h = vector ? 1 : random_size (20), w = vector ? 1 : random_size (130);
  const guint oh = (h - 1) / stride + 1, ow = (w - 1) / stride + 1,
              blocks = groups * dicenet_bf16_blocks (cout, groups);
  g_autofree DicenetBf16 *weight = random_bf16 (dicenet_bf16_weights (cin, cout, groups, kernel));
  g_autofree float *bias = random_floats (cout), *slope = random_floats (cout);
  Tensor gate = tensor_new (cout, 1, 1, TRUE);
  const DicenetConv conv = { .bias = random_int (0, 3) ? bias : NULL,
                             .slope = slope,
                             .kernel = kernel,
                             .stride = stride,
                             .groups = groups,
                             .activation = (DicenetActivation) random_int (0, 3),
                             .gate = random_int (0, 1) ? &gate.planes : NULL,
                             .bf16 = weight };
  Tensor x = tensor_new (cin, h, w, TRUE), y = tensor_new (cout, oh, ow, FALSE), z = tensor_like (&y);
  const gsize n_scratch = vector        ? cin
                          : kernel == 1 ? dicenet_bf16_pointwise_scratch (cin, groups)
                                        : dicenet_bf16_full_scratch (cin, groups, ow, stride);
  g_autofree float *scratch = guarded_scratch (n_scratch);
  g_autofree char *shape =
      g_strdup_printf ("%u to %u in %u groups, %u x %u, %ux%u by %u, activation %d, %s", cin, cout, groups, h, w,
                       kernel, kernel, stride, conv.activation, conv.bias ? "bias" : "no bias");
  const float size = 100 * sqrtf ((float) cin / groups * kernel * kernel) * (conv.gate ? 100 : 1);

  clear_odd_weights (weight, cin, cout, groups, kernel);
  if (kernel > 1) {
    const guint begin = random_int (0, oh - 1), end = random_int (begin + 1, oh);
    dicenet_bf16_ref_conv_full (&x.planes, &y.planes, &conv, begin, end, NULL);
    tested->conv_full (&x.planes, &z.planes, &conv, begin, end, scratch);
  } else if (vector) {
    const guint begin = random_int (0, blocks - 1), end = random_int (begin + 1, blocks);
    dicenet_bf16_ref_conv_vector (&x.planes, &y.planes, &conv, begin, end, NULL);
    tested->conv_vector (&x.planes, &z.planes, &conv, begin, end, scratch);
  } else {
    DicenetPart part = { .first_block = random_int (0, blocks - 1), .first_pixel = random_int (0, oh * ow - 1) };
    part.end_block = random_int (part.first_block + 1, blocks);
    part.end_pixel = random_int (0, 1) ? oh * ow : random_int ((guint) part.first_pixel + 1, oh * ow);
    dicenet_bf16_ref_conv_pointwise (&x.planes, &y.planes, &conv, &part, NULL);
    tested->conv_pointwise (&x.planes, &z.planes, &conv, &part, scratch);
  }
  compare_tensors (vector ? "conv_vector" : kernel > 1 ? "conv_full" : "conv_pointwise", &y, &z, size, shape);
  check_guard (scratch, n_scratch, shape);
  tensor_free (&x);
  tensor_free (&y);
  tensor_free (&z);
  tensor_free (&gate);
}

static void
test_dice (void)
{
  const guint c = random_int (1, 3), h = random_size (30), w = random_size (70), channel = random_int (0, c - 1);
  const gsize stride = dicenet_padded_stride (w), rows = h * stride;
  g_autofree float *p0 = random_padded (h, w), *p1 = random_padded (h, w), *p2 = random_padded (h, w);
  g_autofree float *depth = random_floats (9), *height = random_floats (9 * h), *width = random_floats (9 * stride);
  g_autofree float *b1 = random_floats (rows), *b2 = random_floats (rows), *per_branch = random_floats (12 * c),
                   *per_channel = random_floats (2 * c);
  const DicenetFusion fusion = { per_branch,         per_branch + 3 * c, per_branch + 6 * c,
                                 per_branch + 9 * c, per_channel,        per_channel + c };
  const gboolean has_height = random_int (0, 1), has_width = random_int (0, 1);
  const DicenetDice dice = { { p0, p1, p2 },  h, w, depth, has_height ? height : NULL, has_width ? width : NULL,
                             { NULL, b1, b2 } };
  const DicenetDice branches = { { p0, p1, p2 }, h, w, depth, height, width, { NULL } };
  Tensor y = tensor_new (c, h, w, FALSE), z = tensor_like (&y);
  g_autofree char *shape = g_strdup_printf ("%u x %u, height %d, width %d", h, w, has_height, has_width);
  g_autofree float *expected = g_new0 (float, rows), *found = g_new0 (float, rows);

  Tensor plane = tensor_new (1, h, w, TRUE);
  g_autofree float *padded = g_new0 (float, dicenet_padded_floats (h, w)),
                   *copy = g_new0 (float, dicenet_padded_floats (h, w));
  ref->pad (dicenet_plane (&plane.planes, 0), h, w, padded);
  tested->pad (dicenet_plane (&plane.planes, 0), h, w, copy);
  compare ("pad", padded, copy, dicenet_padded_floats (h, w), 0, shape);
  tensor_free (&plane);
  ref->dice (&dice, &y.planes, &fusion, channel);
  tested->dice (&dice, &z.planes, &fusion, channel);
  compare_tensors ("dice", &y, &z, 1e5f, shape); /* three products of values up to 100 */
  ref->dimconv_height (&branches, expected);
  tested->dimconv_height (&branches, found);
  for (guint i = 0; i < h; i++)
    compare ("dimconv_height", expected + i * stride, found + i * stride, w, 1e3f, shape);
  tensor_free (&y);
  tensor_free (&z);
}

/* Rows and transposed planes as the DiCE unit scales them: rows padded to whole registers. */
static void
test_rows_between (void)
{
  const guint h = random_size (40), w = random_size (70), out = random_size (50);
  const gsize stride = dicenet_padded_stride (w), turned = dicenet_padded_stride (h);
  g_autoptr (GHashTable) cache = dicenet_axis_cache_new ();
  const DicenetAxis *rows = dicenet_axis_get (cache, h, out, h < out ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN);
  g_autofree float *x = random_floats (h * stride), *expected = g_new0 (float, out *stride),
                   *found = g_new0 (float, out *stride);
  g_autofree float *y = g_new0 (float, w *turned), *z = g_new0 (float, w *turned);
  g_autofree char *shape = g_strdup_printf ("%u x %u to %u rows", h, w, out);

  ref->resample_rows (x, expected, w, rows);
  tested->resample_rows (x, found, w, rows);
  for (guint i = 0; i < out; i++)
    compare ("resample_rows", expected + i * stride, found + i * stride, w, 100, shape);
  ref->transpose (x, y, h, w);
  tested->transpose (x, z, h, w);
  for (guint j = 0; j < w; j++) /* the last register's end may be zeros or left alone */
    compare ("transpose", y + j * turned, z + j * turned, (h + 3) / 4 * 4, 0, shape);
}

static void
test_planes (void)
{
  const guint c = random_int (1, 9), h = random_size (40), w = random_size (70), oh = (h - 1) / 2 + 1,
              ow = (w - 1) / 2 + 1;
  const guint begin = random_int (0, c - 1), end = random_int (begin + 1, c);
  Tensor x = tensor_new (c, h, w, TRUE), half = tensor_new (c, oh, ow, FALSE), one = tensor_new (c, 1, 1, FALSE);
  g_autofree char *shape = g_strdup_printf ("%u x %u x %u", c, h, w);

#define CHECK(kernel, like, size, ...)                                                                                 \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    Tensor y = tensor_like (&like), z = tensor_like (&like);                                                           \
    const DicenetPlanes *out = &y.planes;                                                                              \
    ref->kernel (__VA_ARGS__);                                                                                         \
    out = &z.planes;                                                                                                   \
    tested->kernel (__VA_ARGS__);                                                                                      \
    compare_tensors (#kernel, &y, &z, size, shape);                                                                    \
    tensor_free (&y);                                                                                                  \
    tensor_free (&z);                                                                                                  \
  }                                                                                                                    \
  G_STMT_END
  CHECK (max_pool, half, 0, &x.planes, out, begin, end);
  CHECK (avg_pool, half, 100, &x.planes, out, begin, end);
  CHECK (mean, one, 10, &x.planes, out, begin, end);
#undef CHECK
  g_autofree float *expected = g_new0 (float, (gsize) c *h *w), *found = g_new0 (float, (gsize) c *h *w);
  ref->rows (&x.planes, expected, begin % h, h);
  tested->rows (&x.planes, found, begin % h, h);
  compare ("rows", expected, found, (gsize) c * h * w, 0, shape);
  tensor_free (&x);
  tensor_free (&half);
  tensor_free (&one);
}

static void
test_resize (void)
{
  const guint h = random_size (60), w = random_size (70), oh = random_int (0, 3) ? random_size (60) : h,
              ow = random_int (0, 3) ? random_size (70) : w;
  const DicenetResize mode = random_int (0, 1) ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN;
  g_autoptr (GHashTable) cache = dicenet_axis_cache_new ();
  const DicenetAxis *rows = dicenet_axis_get (cache, h, oh, mode), *columns = dicenet_axis_get (cache, w, ow, mode);
  g_autofree float *scratch = random_floats (dicenet_resize_scratch (rows, columns));
  Tensor x = tensor_new (1, h, w, TRUE), y = tensor_new (1, oh, ow, FALSE), z = tensor_like (&y);
  g_autofree char *shape =
      g_strdup_printf ("%u x %u to %u x %u, %s", h, w, oh, ow, mode == DICENET_RESIZE_UP ? "up" : "down");

  ref->resize (dicenet_plane (&x.planes, 0), w, dicenet_plane (&y.planes, 0), ow, rows, columns, scratch);
  tested->resize (dicenet_plane (&x.planes, 0), w, dicenet_plane (&z.planes, 0), ow, rows, columns, scratch);
  compare_tensors ("resize", &y, &z, 100, shape);
  tensor_free (&x);
  tensor_free (&y);
  tensor_free (&z);
}

static void
test_merge (void)
{
  const guint c = random_int (1, 5), h = random_size (40), w = random_size (70), begin = random_int (0, c - 1),
              end = random_int (begin + 1, c);
  const guint coarse_h = random_int (0, 3) ? random_size (h) : h, coarse_w = random_int (0, 3) ? random_size (w) : w;
  g_autoptr (GHashTable) cache = dicenet_axis_cache_new ();
  g_autofree float *per_channel = small_floats (3 * c), *scratch = random_floats (3 * w);
  Tensor gate = small_tensor (c, 1, 1);
  const DicenetMerge merge = { dicenet_axis_get (cache, coarse_h, h, DICENET_RESIZE_UP),
                               dicenet_axis_get (cache, coarse_w, w, DICENET_RESIZE_UP),
                               &gate.planes,
                               per_channel,
                               per_channel + c,
                               per_channel + 2 * c };
  Tensor x0 = small_tensor (c, coarse_h, coarse_w), x1 = small_tensor (c, h, w), y = tensor_new (c, h, w, FALSE),
         z = tensor_like (&y);
  g_autofree char *shape = g_strdup_printf ("%u x %u x %u to %u x %u", c, coarse_h, coarse_w, h, w);

  ref->merge (&x0.planes, &x1.planes, &y.planes, &merge, begin, end, scratch);
  tested->merge (&x0.planes, &x1.planes, &z.planes, &merge, begin, end, scratch);
  compare_tensors ("merge", &y, &z, 10, shape);
  tensor_free (&gate);
  tensor_free (&x0);
  tensor_free (&x1);
  tensor_free (&y);
  tensor_free (&z);
}

static void
fill_scales (DicenetPyramid *p, guint h, guint w, GHashTable *cache)
{
  static const gdouble ratios[DICENET_SCALES] = { 2.0, 1.5, 1.0, 0.5, 0.1 };

  for (guint k = 0; k < DICENET_SCALES; k++) {
    const guint sh = MAX (5, (guint) ceil (h * ratios[k])), sw = MAX (5, (guint) ceil (w * ratios[k]));
    const gboolean up = k < DICENET_SCALE_OWN;
    const DicenetResize there = up ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN,
                        back = up ? DICENET_RESIZE_DOWN : DICENET_RESIZE_UP;
    p->scales[k] = (DicenetScale){ k == DICENET_SCALE_OWN ? h : sh,
                                   k == DICENET_SCALE_OWN ? w : sw,
                                   dicenet_axis_get (cache, h, sh, there),
                                   dicenet_axis_get (cache, w, sw, there),
                                   dicenet_axis_get (cache, sh, h, back),
                                   dicenet_axis_get (cache, sw, w, back),
                                   up ? dicenet_trip_get (cache, h, sh) : NULL,
                                   up ? dicenet_trip_get (cache, w, sw) : NULL };
  }
}

static void
test_pyramid (void)
{
  const guint c = random_int (1, 3), h = random_size (50), w = random_size (70), begin = random_int (0, c - 1),
              end = random_int (begin + 1, c);
  g_autoptr (GHashTable) cache = dicenet_axis_cache_new ();
  g_autofree float *weight = small_floats (45 * c), *merge = small_floats (45 * c), *rest = small_floats (12 * c);
  DicenetPyramid p = {
    { { 0 } }, weight, rest, rest + 5 * c, merge, rest + 10 * c, rest + 11 * c,
  };
  fill_scales (&p, h, w, cache);
  g_autofree float *scratch = random_floats (dicenet_pyramid_scratch (h, w, p.scales));
  Tensor x = small_tensor (c, h, w), y = tensor_new (c, h, w, FALSE), z = tensor_like (&y);
  g_autofree char *shape = g_strdup_printf ("%u x %u x %u", c, h, w);

  ref->pyramid (&x.planes, &y.planes, &p, begin, end, scratch);
  tested->pyramid (&x.planes, &z.planes, &p, begin, end, scratch);
  compare_tensors ("pyramid", &y, &z, 100, shape);
  tensor_free (&x);
  tensor_free (&y);
  tensor_free (&z);
}

/* What the tables mean, by the definition: align_corners, and cells from floor to ceiling. */
static void
test_axis (void)
{
  const guint in = random_size (300), out = random_size (300);
  g_autoptr (GHashTable) cache = dicenet_axis_cache_new ();
  const DicenetAxis *up = dicenet_axis_get (cache, in, out, DICENET_RESIZE_UP),
                    *down = dicenet_axis_get (cache, in, out, DICENET_RESIZE_DOWN);

  checks++;
  for (guint i = 0; i < out; i++) {
    double position = 0, mean = 0, weights = 0;
    for (guint t = 0; t < up->taps; t++)
      position += (double) up->weight[t * out + i] * (up->start[i] + (int) t);
    const guint begin = (guint) ((guint64) i * in / out), end = (guint) (((guint64) (i + 1) * in + out - 1) / out);
    for (guint t = 0; t < down->taps; t++) {
      mean += (double) down->weight[t * out + i] * (down->start[i] + (int) t);
      weights += (double) down->weight[t * out + i];
    }
    const double wanted = out > 1 ? (double) i * (in - 1) / (out - 1) : 0;
    if (fabs (position - wanted) > 1e-4 || fabs (mean - (begin + end - 1) / 2.0) > 1e-3 || fabs (weights - 1) > 1e-5 ||
        down->start[i] + (int) down->taps > (int) in || up->start[i] + (int) up->taps > (int) in) {
      if (failures++ < 20)
        printf ("FAIL axis %u to %u at %u: %g for %g, %g for %g\n", in, out, i, position, wanted, mean,
                (begin + end - 1) / 2.0);
      return;
    }
  }
}

static void
test_isa (guint rounds)
{
  for (guint i = 0; i < rounds; i++) {
    test_conv ();
    test_winograd ();
    test_vector ();
    test_dice ();
    test_rows_between ();
    test_planes ();
    test_resize ();
    test_merge ();
    test_pyramid ();
    test_axis ();
  }
}

/* --- time --- */

typedef struct {
  const char *name;
  double flops, bytes; /* per run */
  Tensor x, y;
  DicenetConv conv;
  DicenetDice dice;
  DicenetFusion fusion;
  const DicenetAxis *rows, *columns;
  DicenetPyramid pyramid;
  DicenetMerge merge;
  Tensor fine, gate;
  float *scratch;
} Bench;

static void
bench_run (const Bench *b, const DicenetKernels *k)
{
  const guint groups = MAX (b->conv.groups, 1), channels = b->y.planes.c;
  const guint blocks =
      groups * (k == &bf16 ? dicenet_bf16_blocks (channels, groups) : dicenet_conv_blocks (channels, groups));
  const DicenetPart part = { 0, blocks, 0, (gsize) b->y.planes.h * b->y.planes.w };

  if (g_str_has_prefix (b->name, "conv_pointwise"))
    k->conv_pointwise (&b->x.planes, &b->y.planes, &b->conv, &part, b->scratch);
  else if (g_str_has_prefix (b->name, "conv_full"))
    k->conv_full (&b->x.planes, &b->y.planes, &b->conv, 0, b->y.planes.h, b->scratch);
  else if (g_str_has_prefix (b->name, "conv_winograd"))
    k->conv_winograd (&b->x.planes, &b->y.planes, &b->conv, 0, (b->y.planes.h + 1) / 2, b->scratch);
  else if (g_str_has_prefix (b->name, "conv_vector"))
    k->conv_vector (&b->x.planes, &b->y.planes, &b->conv, 0, blocks, b->scratch);
  else if (g_str_has_prefix (b->name, "conv_sparse"))
    k->conv_sparse (&b->x.planes, &b->y.planes, &b->conv, 0, b->y.planes.c, b->scratch);
  else if (g_str_has_prefix (b->name, "dice"))
    for (guint c = 0; c < b->y.planes.c; c++)
      k->dice (&b->dice, &b->y.planes, &b->fusion, c);
  else if (g_str_has_prefix (b->name, "pyramid"))
    k->pyramid (&b->x.planes, &b->y.planes, &b->pyramid, 0, b->y.planes.c, b->scratch);
  else if (g_str_has_prefix (b->name, "merge")) {
    DicenetMerge merge = b->merge;
    merge.gate = &b->gate.planes;
    k->merge (&b->x.planes, &b->fine.planes, &b->y.planes, &merge, 0, b->y.planes.c, b->scratch);
  } else if (g_str_has_prefix (b->name, "max_pool"))
    k->max_pool (&b->x.planes, &b->y.planes, 0, b->y.planes.c);
  else if (g_str_has_prefix (b->name, "avg_pool"))
    k->avg_pool (&b->x.planes, &b->y.planes, 0, b->y.planes.c);
  else if (g_str_has_prefix (b->name, "mean"))
    k->mean (&b->x.planes, &b->y.planes, 0, b->y.planes.c);
  else
    for (guint c = 0; c < b->y.planes.c; c++)
      k->resize (dicenet_plane (&b->x.planes, c), b->x.planes.w, dicenet_plane (&b->y.planes, c), b->y.planes.w,
                 b->rows, b->columns, b->scratch);
}

/* The best of several trials. */
static double
seconds_per_run (const Bench *b, const DicenetKernels *k)
{
  double best = G_MAXDOUBLE;

  for (int trial = 0; trial < 8; trial++) {
    const double begin = thread_seconds ();
    guint runs = 0;
    double seconds;
    do {
      bench_run (b, k);
      runs++;
      seconds = thread_seconds () - begin;
    } while (seconds < 0.02);
    best = MIN (best, seconds / runs);
  }
  return best;
}

static Bench
bench_conv (const char *name, guint cin, guint cout, guint h, guint w, guint kernel, guint stride, guint groups)
{
  const guint oh = (h - 1) / stride + 1, ow = (w - 1) / stride + 1;
  Bench b = { .name = name, .x = tensor_new (cin, h, w, TRUE), .y = tensor_new (cout, oh, ow, FALSE) };
  const gsize n = MAX (16 * blocked_floats (cin, cout, groups, 1), (gsize) cout * cin / groups * 9);
  b.conv = (DicenetConv){ .weight = random_floats (n),
                          .bias = random_floats (cout),
                          .slope = random_floats (cout),
                          .kernel = kernel,
                          .stride = stride,
                          .groups = groups,
                          .activation = DICENET_ACTIVATION_PRELU };
  if (dicenet_conv_is_dense (cout, groups, kernel))
    b.conv.bf16 = random_bf16 (dicenet_bf16_weights (cin, cout, groups, kernel));
  b.scratch = random_floats (
      MAX (MAX (dicenet_conv_pointwise_scratch (cin, groups), dicenet_conv_sparse_scratch (cin, groups, h, w)),
           MAX (dicenet_conv_full_scratch (cin, groups, ow, stride), dicenet_conv_winograd_scratch (cin, groups, ow))) +
      dicenet_bf16_pointwise_scratch (cin, groups) + dicenet_bf16_full_scratch (cin, groups, ow, stride));
  b.flops = 2.0 * cout * oh * ow * cin / groups * kernel * kernel;
  b.bytes = 4.0 * ((double) cin * h * w + (double) cout * oh * ow + (double) cout * cin / groups * kernel * kernel);
  return b;
}

static Bench
bench_dice (const char *name, guint c, guint size)
{
  Bench b = { .name = name, .x = tensor_new (1, 1, 1, TRUE), .y = tensor_new (c, size, size, FALSE) };
  float *per = random_floats (14 * c);
  b.dice = (DicenetDice){ { random_padded (size, size), random_padded (size, size), random_padded (size, size) },
                          size,
                          size,
                          random_floats (9),
                          random_floats (9 * size),
                          random_floats (9 * dicenet_padded_stride (size)),
                          { NULL } };
  b.fusion = (DicenetFusion){ per, per + 3 * c, per + 6 * c, per + 9 * c, per + 12 * c, per + 13 * c };
  b.flops = 2.0 * 30 * c * size * size;
  b.bytes = 8.0 * c * size * size;
  return b;
}

static Bench
bench_resize (const char *name, guint c, guint in, guint out, DicenetResize mode, GHashTable *cache)
{
  Bench b = { .name = name, .x = tensor_new (c, in, in, TRUE), .y = tensor_new (c, out, out, FALSE) };
  b.rows = b.columns = dicenet_axis_get (cache, in, out, mode);
  b.scratch = random_floats (dicenet_resize_scratch (b.rows, b.columns));
  b.flops = 2.0 * c * ((double) in * out + (double) out * out) * b.rows->taps;
  b.bytes = 4.0 * c * ((double) in * in + (double) out * out);
  return b;
}

/* A pyramid pool; its multiply-adds as the definition has them, at each scale's size. */
static Bench
bench_pyramid (const char *name, guint c, guint size, GHashTable *cache)
{
  Bench b = { .name = name, .x = tensor_new (c, size, size, TRUE), .y = tensor_new (c, size, size, FALSE) };
  float *rest = random_floats (102 * c);
  b.pyramid = (DicenetPyramid){
    { { 0 } }, rest, rest + 45 * c, rest + 50 * c, rest + 55 * c, rest + 100 * c, rest + 101 * c,
  };
  fill_scales (&b.pyramid, size, size, cache);
  b.scratch = random_floats (dicenet_pyramid_scratch (size, size, b.pyramid.scales));
  b.flops = 2.0 * 45 * c * size * size;
  for (guint k = 0; k < DICENET_SCALES; k++)
    b.flops += 2.0 * 9 * c * b.pyramid.scales[k].h * b.pyramid.scales[k].w;
  b.bytes = 8.0 * c * size * size;
  return b;
}

static Bench
bench_merge (const char *name, guint c, guint in, guint out, GHashTable *cache)
{
  Bench b = { .name = name, .x = tensor_new (c, in, in, TRUE), .y = tensor_new (c, out, out, FALSE) };
  float *rest = random_floats (3 * c);
  b.fine = tensor_new (c, out, out, TRUE);
  b.gate = tensor_new (c, 1, 1, TRUE);
  b.merge = (DicenetMerge){ dicenet_axis_get (cache, in, out, DICENET_RESIZE_UP),
                            dicenet_axis_get (cache, in, out, DICENET_RESIZE_UP),
                            NULL,
                            rest,
                            rest + c,
                            rest + 2 * c };
  b.scratch = random_floats (3 * out);
  b.flops = 2.0 * c * (2.0 * in * out + 4.0 * out * out);
  b.bytes = 4.0 * c * ((double) in * in + 2.0 * out * out);
  return b;
}

static Bench
bench_planes (const char *name, guint c, guint in, guint out)
{
  Bench b = { .name = name, .x = tensor_new (c, in, in, TRUE), .y = tensor_new (c, out, out, FALSE) };
  b.flops = (double) c * in * in;
  b.bytes = 4.0 * c * ((double) in * in + (double) out * out);
  return b;
}

typedef struct {
  double gflops[DICENET_CPU_ALL + 1]; /* by instruction set */
} Roof;

/* Prints what it finds, a line each: kind, instruction set or bytes, figure, unit. */
static void
measure_roof (Roof *roof)
{
  for (guint mask = DICENET_CPU_BASELINE; mask <= DICENET_CPU_AVX512; mask *= 2) {
    const char *name;
    if (dicenet_kernels_get (mask, &name) == ref)
      continue;
    roof->gflops[mask] = roof_gflops (mask);
    printf ("roof %-10s %8.1f GFLOP/s\n", name, roof->gflops[mask]);
  }
  for (gsize bytes = 1 << 15; bytes <= 1 << 27; bytes *= 4)
    printf ("copy %-10zu %8.1f GB/s\n", bytes, roof_copy (bytes));
}

/* The share of the roof is that of the least possible time, which is the longer of the multiply-adds' at the measured
 * peak and the bytes' at the speed at which as many are copied. */
static void
bench_print (const Bench *b, const char *set, double seconds, double roof, double copy_seconds)
{
  const double least = MAX (b->flops / roof / 1e9, copy_seconds);
  printf ("%-44s %-9s %10.1f %10.1f %10.1f %8.0f %%\n", b->name, set, seconds * 1e6, b->flops / seconds / 1e9,
          b->bytes / seconds / 1e9, 100 * least / seconds);
}

static int
bench (void)
{
  const gboolean has_bf16 = dicenet_bf16_is_there (DICENET_CPU_ALL);
  g_autoptr (GHashTable) cache = dicenet_axis_cache_new ();
  const Bench benches[] = {
    bench_conv ("conv_pointwise 139 to 139, 28 x 28", 139, 139, 28, 28, 1, 1, 1),
    bench_conv ("conv_pointwise 278 to 278, 14 x 14", 278, 278, 14, 14, 1, 1, 1),
    bench_conv ("conv_pointwise 556 to 556, 7 x 7", 556, 556, 7, 7, 1, 1, 1),
    bench_conv ("conv_pointwise 32 to 10, 192 x 192", 32, 10, 192, 192, 1, 1, 1),
    bench_conv ("conv_full 210 to 64 in 2, 48 x 48", 210, 64, 48, 48, 3, 1, 2),
    bench_conv ("conv_winograd 210 to 64 in 2, 48 x 48", 210, 64, 48, 48, 3, 1, 2),
    bench_conv ("conv_full 3 to 24, 224 x 224 by 2", 3, 24, 224, 224, 3, 2, 1),
    bench_conv ("conv_vector 1280 to 1000", 1280, 1000, 1, 1, 1, 1, 1),
    bench_conv ("conv_sparse depthwise 139, 28 x 28", 139, 139, 28, 28, 3, 1, 139),
    bench_conv ("conv_sparse depthwise 278, 28 x 28 by 2", 278, 278, 28, 28, 3, 2, 278),
    bench_conv ("conv_sparse depthwise 24, 48 x 48", 24, 24, 48, 48, 3, 1, 24),
    bench_conv ("conv_sparse depthwise 278, 14 x 14", 278, 278, 14, 14, 3, 1, 278),
    bench_conv ("conv_sparse depthwise 556, 7 x 7", 556, 556, 7, 7, 3, 1, 556),
    bench_conv ("conv_sparse depthwise 278, 19 x 19", 278, 278, 19, 19, 3, 1, 278),
    bench_conv ("conv_sparse depthwise 1112, 10 x 10 by 2", 1112, 1112, 10, 10, 3, 2, 1112),
    bench_conv ("conv_sparse 50 to 10 in 10, 192 x 192", 50, 10, 192, 192, 3, 1, 10),
    bench_conv ("conv_sparse 24 to 32 in 8, 192 x 192", 24, 32, 192, 192, 3, 1, 8),
    bench_dice ("dice 139, 28 x 28", 139, 28),
    bench_dice ("dice 278, 14 x 14", 278, 14),
    bench_dice ("dice 556, 7 x 7", 556, 7),
    bench_dice ("dice 210, 24 x 24", 210, 24),
    bench_dice ("dice 210, 19 x 19", 210, 19),
    bench_resize ("resize up 10, 192 to 384", 10, 192, 384, DICENET_RESIZE_UP, cache),
    bench_resize ("resize down 10, 384 to 192", 10, 384, 192, DICENET_RESIZE_DOWN, cache),
    bench_resize ("resize up 1112, 10 to 19", 1112, 10, 19, DICENET_RESIZE_UP, cache),
    bench_pyramid ("pyramid 10, 192 x 192", 10, 192, cache),
    bench_pyramid ("pyramid 10, 48 x 48", 10, 48, cache),
    bench_pyramid ("pyramid 111, 19 x 19", 111, 19, cache),
    bench_merge ("merge 32, 96 to 192", 32, 96, 192, cache),
    bench_planes ("max_pool 24, 192 to 96", 24, 192, 96),
    bench_planes ("avg_pool 210, 48 to 24", 210, 48, 24),
    bench_planes ("avg_pool 556, 19 to 10", 556, 19, 10),
    bench_planes ("mean 210, 24 x 24", 210, 24, 1),
  };

  dicenet_denormals_flush ();
  Roof roof;
  measure_roof (&roof);
  printf ("\n%-44s %-9s %10s %10s %10s %10s\n", "kernel", "set", "us", "GFLOP/s", "GB/s", "of roof");
  for (guint i = 0; i < G_N_ELEMENTS (benches); i++) {
    const double copy_seconds = benches[i].bytes / roof_copy ((gsize) benches[i].bytes) / 1e9;
    for (guint mask = DICENET_CPU_BASELINE; mask <= DICENET_CPU_AVX512; mask *= 2) {
      const char *name;
      const DicenetKernels *k = dicenet_kernels_get (mask, &name);
      if (k == ref)
        continue;
      bench_print (&benches[i], name, seconds_per_run (&benches[i], k), roof.gflops[mask], copy_seconds);
    }
    /* Its instruction does two multiply-adds where float's does one, where both are as often. */
    if (has_bf16 && benches[i].conv.bf16 && !g_str_has_prefix (benches[i].name, "conv_winograd"))
      bench_print (&benches[i], "bf16", seconds_per_run (&benches[i], &bf16), 2 * roof.gflops[DICENET_CPU_AVX512],
                   copy_seconds);
  }
  return 0;
}

int
main (int argc, char **argv)
{
  const gboolean is_bench = argc > 1 && g_str_equal (argv[1], "--bench"),
                 is_roof = argc > 1 && g_str_equal (argv[1], "--roof");
  const guint32 given = argc > 1 && !is_bench && !is_roof ? (guint32) g_ascii_strtoull (argv[1], NULL, 10) : 0,
                seed = given ? given : g_random_int ();
  const guint rounds = argc > 2 ? (guint) g_ascii_strtoull (argv[2], NULL, 10) : ROUNDS;

  rand_ = g_rand_new_with_seed (seed);
  if (dicenet_bf16_is_there (DICENET_CPU_ALL))
    dicenet_bf16_take (&bf16);
  if (is_bench)
    return bench ();
  if (is_roof) {
    Roof roof;
    measure_roof (&roof);
    return 0;
  }
  printf ("seed %u\n", seed);
  for (guint mask = DICENET_CPU_BASELINE; mask <= DICENET_CPU_AVX512; mask *= 2) {
    tested = dicenet_kernels_get (mask, &isa);
    if (tested == ref) {
      printf ("set %u: this processor has it not\n", mask);
      continue;
    }
    const guint before = checks;
    test_isa (rounds);
    printf ("%s: %u checks\n", isa, checks - before);
  }
  tested = &bf16;
  isa = "avx512bf16";
  for (guint i = 0; dicenet_bf16_is_there (DICENET_CPU_ALL) && i < rounds; i++)
    test_bf16 ();
  if (!dicenet_bf16_is_there (DICENET_CPU_ALL))
    printf ("set %u: this processor has it not\n", DICENET_CPU_AVX512_BF16);
  g_rand_free (rand_);
  printf ("%u checks, %u failures\n", checks, failures);
  return failures || !checks ? 1 : 0;
}
