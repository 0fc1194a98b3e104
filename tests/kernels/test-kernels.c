/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every kernel of every instruction set that this processor has, against the readable reference: random shapes and
 * those around register widths, random parts, special values, and bands around outputs that must stay as they were. The
 * same program times them:
 *
 *     test-kernels [SEED [ROUNDS]]     a seed of 0 is a random one
 *     test-kernels --bench
 *     test-kernels --roof     only what the machine can do, for scripts
 *
 * The lists of kernels.h, bf16.h and int8.h make the list of tests: without a test_NAME() of its own, a kernel doesn't
 * build.
 */

#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "backend/axis.h"
#include "bench.h"
#include "common.h"

#define ROUNDS 100
/* A sum of n products in a different order differs by rounding, in proportion to its terms: 1e-5 of them. */
#define TOLERANCE 2e-5f

static const DicenetKernels *ref = &dicenet_kernels_ref, *tested;
static const char *isa, *kernel; /* currently tested, for messages */
static float tolerance = TOLERANCE;
static guint failures, checks;

/* Compares the whole memory: kernels must not write where the reference does not. */
static void
compare (const float *expected, const float *found, gsize n, float size, const char *shape)
{
  checks++;
  for (gsize i = 0; i < n; i++) {
    const float bound = expected[i] == GUARD_VALUE ? 0 : tolerance * (size + fabsf (expected[i]));
    if (!(fabsf (expected[i] - found[i]) <= bound)) {
      if (failures++ < 20)
        printf ("FAIL %s, %s, %s: float %zu: expected %g, found %g\n", kernel, isa, shape, i, (double) expected[i],
                (double) found[i]);
      return;
    }
  }
}

static void
compare_tensors (const Tensor *a, const Tensor *b, float size, const char *shape)
{
  compare (a->planes.base, b->planes.base, a->n, size, shape);
}

/* Scratch memory with a guard at its end. */
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
        printf ("FAIL %s, %s, %s: wrote beyond its scratch\n", kernel, isa, shape);
      return;
    }
  }
}

/* A convolution with random values: the reference's output in @y, the tested kernel's in @z. */
typedef struct {
  guint cin, cout, h, w, out_h, out_w;
  DicenetConv conv;
  Tensor x, y, z, gate;
  float *weight, *bias, *slope, *scratch;
  DicenetBf16 *bf16;
  DicenetInt8Input input;
  float *int8;
  gsize n_scratch;
  char *shape;
} Case;

/* @group_in, @group_out: channels per group. */
static Case *
case_new (guint kernel_size, guint stride, guint groups, guint group_in, guint group_out, guint h, guint w)
{
  Case *c = g_new0 (Case, 1);

  c->cin = groups * group_in, c->cout = groups * group_out, c->h = h, c->w = w;
  c->out_h = (h - 1) / stride + 1, c->out_w = (w - 1) / stride + 1;
  c->bias = random_floats (c->cout), c->slope = random_floats (c->cout);
  c->gate = tensor_new (c->cout, 1, 1, TRUE);
  c->x = tensor_new (c->cin, h, w, TRUE), c->y = tensor_new (c->cout, c->out_h, c->out_w, FALSE);
  c->z = tensor_like (&c->y);
  c->conv = (DicenetConv){ .bias = random_int (0, 3) ? c->bias : NULL,
                           .slope = c->slope,
                           .kernel = kernel_size,
                           .stride = stride,
                           .groups = groups,
                           .activation = (DicenetActivation) random_int (0, 3),
                           .gate = random_int (0, 1) ? &c->gate.planes : NULL };
  c->shape = g_strdup_printf ("%u x %u x %u to %u, %u x %u by %u in %u groups, activation %d%s%s", c->cin, h, w,
                              c->cout, kernel_size, kernel_size, stride, groups, (int) c->conv.activation,
                              c->conv.bias ? ", bias" : "", c->conv.gate ? ", gate" : "");
  return c;
}

static Case *
case_weights (Case *c, gsize n_weights, gsize n_scratch)
{
  c->conv.weight = c->weight = random_floats (n_weights);
  c->n_scratch = n_scratch;
  c->scratch = guarded_scratch (n_scratch);
  return c;
}

/* @terms of a sum, each with products up to @largest. */
static void
case_end (Case *c, guint terms, float largest)
{
  compare_tensors (&c->y, &c->z, sqrtf ((float) terms) * largest * (c->conv.gate ? 100 : 1), c->shape);
  check_guard (c->scratch, c->n_scratch, c->shape);
  tensor_free (&c->x);
  tensor_free (&c->y);
  tensor_free (&c->z);
  tensor_free (&c->gate);
  g_free (c->weight);
  g_free (c->bias);
  g_free (c->slope);
  g_free (c->scratch);
  g_free (c->bf16);
  g_free (c->int8);
  g_free (c->shape);
  g_free (c);
}

/* A non-empty part of 0 to @n - 1. */
static void
random_range (guint n, guint *begin, guint *end)
{
  *begin = random_int (0, n - 1);
  *end = random_int (*begin + 1, n);
}

static DicenetTile
random_tile (guint blocks, gsize pixels)
{
  DicenetTile tile = { .first_pixel = random_int (0, (guint) pixels - 1) };

  random_range (blocks, &tile.first_block, &tile.end_block);
  tile.end_pixel = random_int (0, 1) ? pixels : random_int ((guint) tile.first_pixel + 1, (guint) pixels);
  return tile;
}

/* Input channels per group, often 1. */
static guint
random_inputs (void)
{
  return random_int (0, 3) ? random_size (40) : 1;
}

static void
test_conv_pointwise (void)
{
  const guint groups = random_int (1, 3), group_in = random_inputs ();
  Case *c = case_new (1, 1, groups, group_in, random_size (40), random_size (20), random_size (70));
  const DicenetTile tile = random_tile (groups * dicenet_conv_blocks (c->cout, groups), (gsize) c->out_h * c->out_w);

  case_weights (c, blocked_floats (c->cin, c->cout, groups, 1), dicenet_conv_pointwise_scratch (c->cin, groups));
  ref->conv_pointwise (&c->x.planes, &c->y.planes, &c->conv, &tile, c->scratch);
  tested->conv_pointwise (&c->x.planes, &c->z.planes, &c->conv, &tile, c->scratch);
  case_end (c, group_in, 20);
}

static void
test_conv_dense3x3 (void)
{
  const guint groups = random_int (1, 3), stride = random_int (1, 2), group_in = random_inputs (),
              group_out = random_size (40);
  Case *c = case_new (3, stride, groups, group_in, MAX (DICENET_BLOCK, group_out), random_size (20), random_size (70));
  guint begin, end;

  random_range (c->out_h, &begin, &end);
  case_weights (c, blocked_floats (c->cin, c->cout, groups, 3),
                dicenet_conv_dense3x3_scratch (c->cin, groups, c->out_w, stride));
  ref->conv_dense3x3 (&c->x.planes, &c->y.planes, &c->conv, begin, end, c->scratch);
  tested->conv_dense3x3 (&c->x.planes, &c->z.planes, &c->conv, begin, end, c->scratch);
  case_end (c, 9 * group_in, 20);
}

/* Winograd uses 16 weights for nine. */
static void
test_conv_winograd (void)
{
  const guint groups = random_int (1, 3), group_in = random_int (1, 40);
  Case *c = case_new (3, 1, groups, group_in, random_int (8, 30), random_size (20), random_size (110));
  guint begin, end;

  random_range ((c->h + 1) / 2, &begin, &end);
  case_weights (c, 16 * blocked_floats (c->cin, c->cout, groups, 1),
                dicenet_conv_winograd_scratch (c->cin, groups, c->w));
  ref->conv_winograd (&c->x.planes, &c->y.planes, &c->conv, begin, end, c->scratch);
  tested->conv_winograd (&c->x.planes, &c->z.planes, &c->conv, begin, end, c->scratch);
  case_end (c, 16 * group_in, 400);
}

static void
test_gemv (void)
{
  const guint groups = random_int (1, 4), group_in = random_size (150);
  Case *c = case_new (1, 1, groups, group_in, random_size (60), 1, 1);
  guint begin, end;

  random_range (groups * dicenet_conv_blocks (c->cout, groups), &begin, &end);
  case_weights (c, blocked_floats (c->cin, c->cout, groups, 1), c->cin);
  ref->gemv (&c->x.planes, &c->y.planes, &c->conv, begin, end, c->scratch);
  tested->gemv (&c->x.planes, &c->z.planes, &c->conv, begin, end, c->scratch);
  case_end (c, c->cin, 20);
}

static void
test_conv_grouped (void)
{
  const guint groups = random_int (1, 3), stride = random_int (1, 2), group_in = random_inputs ();
  Case *c =
      case_new (3, stride, groups, group_in, random_int (1, DICENET_BLOCK - 1), random_size (20), random_size (70));
  guint begin, end;

  random_range (c->cout, &begin, &end);
  case_weights (c, (gsize) c->cout * group_in * 9, dicenet_conv_grouped_scratch (c->cin, groups, c->h, c->w));
  ref->conv_grouped (&c->x.planes, &c->y.planes, &c->conv, begin, end, c->scratch);
  tested->conv_grouped (&c->x.planes, &c->z.planes, &c->conv, begin, end, c->scratch);
  case_end (c, 9 * group_in, 20);
}

static void
clear_odd_weights (DicenetBf16 *weight, guint cin, guint cout, guint groups, guint size)
{
  const gsize pairs = dicenet_bf16_pairs (cin, groups, size), taps = (gsize) size * size;

  if (cin / groups % 2 == 0)
    return;
  for (gsize block = 0; block < (gsize) groups * dicenet_bf16_blocks (cout, groups); block++)
    for (gsize pair = pairs - taps; pair < pairs; pair++)
      for (gsize c = 0; c < DICENET_BF16_BLOCK; c++)
        weight[((block * pairs + pair) * DICENET_BF16_BLOCK + c) * 2 + 1] = 0;
}

static Case *
bf16_case (guint kernel_size, guint stride, guint groups, guint h, guint w)
{
  Case *c = case_new (kernel_size, stride, groups, random_size (40), random_size (70), h, w);

  c->bf16 = random_bf16 (dicenet_bf16_weights (c->cin, c->cout, groups, kernel_size));
  clear_odd_weights (c->bf16, c->cin, c->cout, groups, kernel_size);
  c->conv.bf16 = c->bf16;
  return c;
}

static void
test_bf16_conv_pointwise (void)
{
  const guint groups = random_int (1, 3);
  Case *c = bf16_case (1, 1, groups, random_size (20), random_size (130));
  const DicenetTile tile = random_tile (groups * dicenet_bf16_blocks (c->cout, groups), (gsize) c->out_h * c->out_w);

  case_weights (c, 0, dicenet_bf16_pointwise_scratch (c->cin, groups));
  dicenet_bf16_ref_conv_pointwise (&c->x.planes, &c->y.planes, &c->conv, &tile, NULL);
  tested->conv_pointwise (&c->x.planes, &c->z.planes, &c->conv, &tile, c->scratch);
  case_end (c, c->cin / groups, 100);
}

static void
test_bf16_conv_dense3x3 (void)
{
  const guint groups = random_int (1, 3), stride = random_int (1, 2);
  Case *c = bf16_case (3, stride, groups, random_size (20), random_size (130));
  guint begin, end;

  random_range (c->out_h, &begin, &end);
  case_weights (c, 0, dicenet_bf16_dense3x3_scratch (c->cin, groups, c->out_w, stride));
  dicenet_bf16_ref_conv_dense3x3 (&c->x.planes, &c->y.planes, &c->conv, begin, end, NULL);
  tested->conv_dense3x3 (&c->x.planes, &c->z.planes, &c->conv, begin, end, c->scratch);
  case_end (c, 9 * c->cin / groups, 100);
}

static void
test_bf16_gemv (void)
{
  const guint groups = random_int (1, 3);
  Case *c = bf16_case (1, 1, groups, 1, 1);
  guint begin, end;

  random_range (groups * dicenet_bf16_blocks (c->cout, groups), &begin, &end);
  case_weights (c, 0, c->cin);
  dicenet_bf16_ref_gemv (&c->x.planes, &c->y.planes, &c->conv, begin, end, NULL);
  tested->gemv (&c->x.planes, &c->z.planes, &c->conv, begin, end, c->scratch);
  case_end (c, c->cin / groups, 100);
}

/* The range of a tensor, or another one, which limits values. */
static DicenetInt8Input
random_input (const Tensor *x)
{
  float range[2];

  ref->range (&x->planes, 0, x->planes.c, range);
  if (random_int (0, 2) == 0)
    range[0] = random_int (0, 1) ? 0 : (float) g_rand_double_range (random_, -3, 0);
  if (random_int (0, 2) == 0)
    range[1] = random_int (0, 1) ? 0 : (float) g_rand_double_range (random_, 0, 3);
  return dicenet_int8_input (range[0], range[1]);
}

/* Largest products: inputs are 255 beyond the zero point, or all of it below, weights all 127 or -127. */
static void
make_extreme (Case *c, float *plain, gsize n)
{
  const float in = random_int (0, 1) ? 50 : -50, weight = random_int (0, 1) ? 2 : -2;

  for (guint k = 0; k < c->cin; k++)
    for (gsize i = 0; i < (gsize) c->h * c->w; i++)
      dicenet_plane (&c->x.planes, k)[i] = in;
  for (gsize i = 0; i < n; i++)
    plain[i] = weight;
}

static Case *
int8_case (guint kernel_size, guint stride, guint groups, guint h, guint w)
{
  Case *c = case_new (kernel_size, stride, groups, random_size (50), random_size (70), h, w);
  const DicenetDense conv = { c->cin, c->cout, groups, kernel_size, stride };
  const gsize n = (gsize) c->cout * (c->cin / groups) * kernel_size * kernel_size;
  g_autofree float *plain = random_floats (n);

  if (random_int (0, 9) == 0)
    make_extreme (c, plain, n);
  c->input = random_input (&c->x);
  c->conv.input = &c->input;
  c->int8 = int8_weights (&conv, plain);
  c->conv.int8 = c->int8;
  return c;
}

static void
test_int8_conv_pointwise (void)
{
  const guint groups = random_int (1, 3);
  Case *c = int8_case (1, 1, groups, random_size (12), random_size (100));
  const DicenetTile tile = random_tile (groups * dicenet_int8_blocks (c->cout, groups), (gsize) c->out_h * c->out_w);

  case_weights (c, 0, dicenet_int8_pointwise_scratch (c->cin, groups));
  dicenet_int8_ref_conv_pointwise (&c->x.planes, &c->y.planes, &c->conv, &tile, NULL);
  tested->conv_pointwise (&c->x.planes, &c->z.planes, &c->conv, &tile, c->scratch);
  case_end (c, 1, 0);
}

static void
test_int8_conv_dense3x3 (void)
{
  const guint groups = random_int (1, 3), stride = random_int (1, 2);
  Case *c = int8_case (3, stride, groups, random_size (8), random_size (100));
  guint begin, end;

  random_range (c->out_h, &begin, &end);
  case_weights (c, 0, dicenet_int8_dense3x3_scratch (c->cin, groups, c->out_w, stride));
  dicenet_int8_ref_conv_dense3x3 (&c->x.planes, &c->y.planes, &c->conv, begin, end, NULL);
  tested->conv_dense3x3 (&c->x.planes, &c->z.planes, &c->conv, begin, end, c->scratch);
  case_end (c, 1, 0);
}

/* Weight k of output channel @i: [cin / groups][kernel][kernel]. */
static int
packed_weight (const DicenetDense *conv, const float *packed, guint i, gsize k)
{
  const guint group_out = conv->cout / conv->groups, taps = conv->kernel * conv->kernel;
  const gsize blocks = dicenet_int8_blocks (conv->cout, conv->groups), channel = k / taps,
              units = dicenet_int8_units (conv->cin, conv->groups, conv->kernel),
              block = i / group_out * blocks + i % group_out / DICENET_INT8_BLOCK,
              unit = block * units + channel / DICENET_INT8_QUAD * taps + k % taps;
  const int8_t *weights = (const int8_t *) (packed + 2 * conv->groups * blocks * DICENET_INT8_BLOCK);

  return weights[(unit * DICENET_INT8_BLOCK + i % group_out % DICENET_INT8_BLOCK) * DICENET_INT8_QUAD +
                 channel % DICENET_INT8_QUAD];
}

/* The nearest multiples of the scale, which the largest weight is 127 of; and their sum. */
static void
test_int8_pack (void)
{
  const guint groups = random_int (1, 3);
  const DicenetDense conv = { groups * random_size (20), groups * random_size (40), groups, random_int (0, 1) ? 1 : 3,
                              1 };
  const gsize terms = (gsize) conv.cin / groups * conv.kernel * conv.kernel,
              padded = (gsize) groups * dicenet_int8_blocks (conv.cout, groups) * DICENET_INT8_BLOCK;
  const guint group_out = conv.cout / groups;
  g_autofree float *plain = random_floats (conv.cout * terms), *packed = NULL;

  plain[0] = 1; /* the first channel is not only zeros */
  packed = int8_weights (&conv, plain);
  for (guint i = 0; i < conv.cout; i++) {
    const gsize at = i / group_out * (padded / groups) + i % group_out;
    const float scale = packed[at];
    int32_t sum = 0, largest = 0;
    checks++;
    for (gsize k = 0; k < terms; k++) {
      const int w = packed_weight (&conv, packed, i, k);
      sum += w;
      largest = MAX (largest, ABS (w));
      if (fabsf ((float) w * scale - plain[i * terms + k]) > 0.501f * scale + 1e-30f && failures++ < 20)
        printf ("FAIL %s: %g became %d x %g\n", kernel, (double) plain[i * terms + k], w, (double) scale);
    }
    if ((sum != ((const int32_t *) packed)[padded + at] || largest != (scale > 0 ? 127 : 0)) && failures++ < 20)
      printf ("FAIL %s: the sum is %d, the largest %d\n", kernel, sum, largest);
  }
}

/* Quantised products are as near to those of floats as half a step of each operand allows. */
static void
test_int8_is_near_float (void)
{
  const guint groups = random_int (1, 3), size = random_int (0, 1) ? 1 : 3, stride = size == 3 ? random_int (1, 2) : 1;
  Case *c = case_new (size, stride, groups, random_size (40), random_int (DICENET_BLOCK, 40), random_size (12),
                      random_size (40));
  const DicenetDense conv = { c->cin, c->cout, groups, size, stride };
  const gsize terms = (gsize) c->cin / groups * size * size;
  g_autofree float *plain = random_floats (c->cout * terms);
  float range[2], largest = 0;

  for (gsize i = 0; i < c->cout * terms; i++)
    largest = MAX (largest, fabsf (plain[i]));
  c->conv.activation = DICENET_ACTIVATION_NONE;
  c->conv.gate = NULL;
  ref->range (&c->x.planes, 0, c->cin, range);
  c->input = dicenet_int8_input (range[0], range[1]);
  c->conv.input = &c->input;
  c->int8 = int8_weights (&conv, plain);
  c->conv.int8 = c->int8;
  case_weights (c, dicenet_blocks_floats (&conv), 0);
  dicenet_pack_blocks (&conv, plain, c->weight);
  ref->conv_dense3x3 (&c->x.planes, &c->y.planes, &c->conv, 0, c->out_h, c->scratch);
  dicenet_int8_ref_conv_dense3x3 (&c->x.planes, &c->z.planes, &c->conv, 0, c->out_h, NULL);
  const float weight_step = largest / 127, most = MAX (-range[0], range[1]),
              each = largest * c->input.scale + (most + c->input.scale) * weight_step / 2;
  tolerance = 1;
  compare_tensors (&c->y, &c->z, each * (float) terms * 1.01f, c->shape);
  tolerance = TOLERANCE;
  case_end (c, 1, INFINITY);
}

/* Where inputs are their means, nothing is left of the rounding of weights: only that of floats. */
static void
test_int8_correction (void)
{
  const guint groups = random_int (1, 3);
  Case *c =
      case_new (1, 1, groups, random_size (40), random_int (DICENET_BLOCK, 40), random_size (12), random_size (40));
  const DicenetDense conv = { c->cin, c->cout, groups, 1, 1 };
  const gsize terms = c->cin / groups, pixels = (gsize) c->x.planes.h * c->x.planes.w;
  g_autofree float *plain = random_floats (c->cout * terms), *means = g_new (float, c->cin),
                   *bias = random_floats (c->cout), *corrected = g_memdup2 (bias, c->cout * sizeof *bias);

  for (guint i = 0; i < c->cin; i++) {
    means[i] = (float) random_int (0, 255); /* exact in the range from 0 to 255 */
    for (gsize p = 0; p < pixels; p++)
      dicenet_plane (&c->x.planes, i)[p] = means[i];
  }
  c->input = dicenet_int8_input (0, 255);
  c->conv.activation = DICENET_ACTIVATION_NONE;
  c->conv.gate = NULL;
  c->conv.input = &c->input;
  c->int8 = int8_weights (&conv, plain);
  c->conv.int8 = c->int8;
  dicenet_correct_int8 (&conv, plain, means, corrected);
  c->conv.bias = corrected;
  dicenet_int8_ref_conv_dense3x3 (&c->x.planes, &c->z.planes, &c->conv, 0, c->out_h, NULL);
  case_weights (c, dicenet_blocks_floats (&conv), 0);
  dicenet_pack_blocks (&conv, plain, c->weight);
  c->conv.bias = bias;
  ref->conv_dense3x3 (&c->x.planes, &c->y.planes, &c->conv, 0, c->out_h, c->scratch);
  tolerance = 1;
  compare_tensors (&c->y, &c->z, (float) terms * 255 * 4e-6f, c->shape);
  tolerance = TOLERANCE;
  case_end (c, 1, INFINITY);
}

static void
test_pad (void)
{
  const guint h = random_size (30), w = random_size (70);
  const gsize n = dicenet_padded_floats (h, w);
  Tensor plane = tensor_new (1, h, w, TRUE);
  g_autofree float *expected = g_new0 (float, n), *found = g_new0 (float, n);
  g_autofree char *shape = g_strdup_printf ("%u x %u", h, w);

  ref->pad (dicenet_plane (&plane.planes, 0), h, w, expected);
  tested->pad (dicenet_plane (&plane.planes, 0), h, w, found);
  compare (expected, found, n, 0, shape);
  tensor_free (&plane);
}

static void
test_branch (void (*expected) (const DicenetDice *, float *), void (*found) (const DicenetDice *, float *))
{
  const guint h = random_size (30), w = random_size (70);
  const gsize stride = dicenet_padded_stride (w);
  g_autofree float *p0 = random_padded (h, w), *p1 = random_padded (h, w), *p2 = random_padded (h, w);
  g_autofree float *height = random_floats (9 * h), *width = random_floats (9 * stride);
  g_autofree float *y = g_new0 (float, h *stride), *z = g_new0 (float, h *stride);
  const DicenetDice dice = { .around = { p0, p1, p2 }, .h = h, .w = w, .height = height, .width = width };
  g_autofree char *shape = g_strdup_printf ("%u x %u", h, w);

  expected (&dice, y);
  found (&dice, z);
  for (guint i = 0; i < h; i++)
    compare (y + i * stride, z + i * stride, w, 1e3f, shape);
}

static void
test_dimconv_height (void)
{
  test_branch (ref->dimconv_height, tested->dimconv_height);
}

static void
test_dimconv_width (void)
{
  test_branch (ref->dimconv_width, tested->dimconv_width);
}

static void
test_dice (void)
{
  const guint c = random_int (1, 3), h = random_size (30), w = random_size (70), channel = random_int (0, c - 1);
  const guint tall_h = random_size (30);
  const gsize stride = dicenet_padded_stride (w);
  g_autoptr (GHashTable) cache = dicenet_axis_cache_new ();
  const DicenetAxis *rows = dicenet_axis_get (cache, tall_h, h, tall_h < h ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN);
  g_autofree float *plane = random_padded (h, w), *depth = random_floats (9);
  g_autofree float *tall = random_floats (MAX (tall_h, h) * stride), *wide = random_floats (h * stride),
                   *fusion = random_floats (sizeof (DicenetFusion) / sizeof (float));
  const gboolean is_scaled = random_int (0, 1);
  const DicenetDice dice = { .around = { NULL, plane, NULL },
                             .h = h,
                             .w = w,
                             .depth = depth,
                             .tall = tall,
                             .wide = wide,
                             .rows = is_scaled ? rows : NULL };
  Tensor y = tensor_new (c, h, w, FALSE), z = tensor_like (&y);
  g_autofree char *shape = g_strdup_printf ("%u x %u from %u rows", h, w, is_scaled ? tall_h : h);

  ref->dice (&dice, &y.planes, (gconstpointer) fusion, channel);
  tested->dice (&dice, &z.planes, (gconstpointer) fusion, channel);
  compare_tensors (&y, &z, 1e5f, shape); /* three products of values up to 100 */
  tensor_free (&y);
  tensor_free (&z);
}

/* As the DiCE unit scales branches: rows padded to whole registers. */
static void
test_resize_rows (void)
{
  const guint h = random_size (40), w = random_size (70), out = random_size (50);
  const gsize stride = dicenet_padded_stride (w);
  g_autoptr (GHashTable) cache = dicenet_axis_cache_new ();
  const DicenetAxis *rows = dicenet_axis_get (cache, h, out, h < out ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN);
  g_autofree float *x = random_floats (h * stride), *expected = g_new0 (float, out *stride),
                   *found = g_new0 (float, out *stride);
  g_autofree char *shape = g_strdup_printf ("%u x %u to %u rows", h, w, out);

  ref->resize_rows (x, expected, w, rows);
  tested->resize_rows (x, found, w, rows);
  for (guint i = 0; i < out; i++)
    compare (expected + i * stride, found + i * stride, w, 100, shape);
}

static void
test_transpose (void)
{
  const guint h = random_size (40), w = random_size (70);
  const gsize turned = dicenet_padded_stride (h);
  g_autofree float *x = random_floats (h * dicenet_padded_stride (w)), *y = g_new0 (float, w *turned),
                   *z = g_new0 (float, w *turned);
  g_autofree char *shape = g_strdup_printf ("%u x %u", h, w);

  ref->transpose (x, y, h, w);
  tested->transpose (x, z, h, w);
  for (guint j = 0; j < w; j++) /* the rest of the last register may be zeros or unchanged */
    compare (y + j * turned, z + j * turned, (h + 3) / 4 * 4, 0, shape);
}

/* Tests a kernel that makes planes of half the size, or of one pixel. */
static void
test_planes (void (*expected) (const DicenetPlanes *, const DicenetPlanes *, unsigned, unsigned),
             void (*found) (const DicenetPlanes *, const DicenetPlanes *, unsigned, unsigned), gboolean to_one,
             float size)
{
  const guint c = random_int (1, 9), h = random_size (40), w = random_size (70);
  Tensor x = tensor_new (c, h, w, TRUE),
         y = tensor_new (c, to_one ? 1 : (h - 1) / 2 + 1, to_one ? 1 : (w - 1) / 2 + 1, FALSE), z = tensor_like (&y);
  g_autofree char *shape = g_strdup_printf ("%u x %u x %u", c, h, w);
  guint begin, end;

  random_range (c, &begin, &end);
  expected (&x.planes, &y.planes, begin, end);
  found (&x.planes, &z.planes, begin, end);
  compare_tensors (&y, &z, size, shape);
  tensor_free (&x);
  tensor_free (&y);
  tensor_free (&z);
}

static void
test_max_pool (void)
{
  test_planes (ref->max_pool, tested->max_pool, FALSE, 0);
}

static void
test_avg_pool (void)
{
  test_planes (ref->avg_pool, tested->avg_pool, FALSE, 100);
}

static void
test_global_avg_pool (void)
{
  test_planes (ref->global_avg_pool, tested->global_avg_pool, TRUE, 10);
}

/* Also of a part, and with NaN, which doesn't count. */
static void
test_range (void)
{
  const guint c = random_int (1, 9), h = random_size (40), w = random_size (70);
  Tensor x = tensor_new (c, h, w, TRUE);
  g_autofree char *shape = g_strdup_printf ("%u x %u x %u", c, h, w);
  float expected[2], found[2];
  guint begin, end;

  random_range (c, &begin, &end);
  if (random_int (0, 3) == 0)
    dicenet_plane (&x.planes, begin)[random_int (0, h * w - 1)] = NAN;
  ref->range (&x.planes, begin, end, expected);
  tested->range (&x.planes, begin, end, found);
  compare (expected, found, 2, 0, shape);
  tensor_free (&x);
}

static void
test_flatten (void)
{
  const guint c = random_int (1, 9), h = random_size (40), w = random_size (70);
  const gsize n = (gsize) c * h * w;
  Tensor x = tensor_new (c, h, w, TRUE);
  g_autofree float *expected = g_new0 (float, n), *found = g_new0 (float, n);
  g_autofree char *shape = g_strdup_printf ("%u x %u x %u", c, h, w);
  guint begin, end;

  random_range (h, &begin, &end);
  ref->flatten (&x.planes, expected, begin, end);
  tested->flatten (&x.planes, found, begin, end);
  compare (expected, found, n, 0, shape);
  tensor_free (&x);
}

static void
test_resize (void)
{
  const guint h = random_size (60), w = random_size (70), oh = random_int (0, 3) ? random_size (60) : h,
              ow = random_int (0, 3) ? random_size (70) : w;
  const DicenetResize mode = random_int (0, 1) ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN;
  g_autoptr (GHashTable) cache = dicenet_axis_cache_new ();
  const DicenetAxis *rows = dicenet_axis_get (cache, h, oh, mode), *columns = dicenet_axis_get (cache, w, ow, mode);
  const gsize n_scratch = dicenet_resize_scratch (rows, columns);
  g_autofree float *scratch = guarded_scratch (n_scratch);
  Tensor x = tensor_new (1, h, w, TRUE), y = tensor_new (1, oh, ow, FALSE), z = tensor_like (&y);
  g_autofree char *shape =
      g_strdup_printf ("%u x %u to %u x %u, %s", h, w, oh, ow, mode == DICENET_RESIZE_UP ? "up" : "down");

  ref->resize (dicenet_plane (&x.planes, 0), w, dicenet_plane (&y.planes, 0), ow, rows, columns, scratch);
  tested->resize (dicenet_plane (&x.planes, 0), w, dicenet_plane (&z.planes, 0), ow, rows, columns, scratch);
  check_guard (scratch, n_scratch, shape);
  compare_tensors (&y, &z, 100, shape);
  tensor_free (&x);
  tensor_free (&y);
  tensor_free (&z);
}

static void
test_upsample_add (void)
{
  const guint c = random_int (1, 5), h = random_size (40), w = random_size (70), begin = random_int (0, c - 1),
              end = random_int (begin + 1, c);
  const guint coarse_h = random_int (0, 3) ? random_size (h) : h, coarse_w = random_int (0, 3) ? random_size (w) : w;
  g_autoptr (GHashTable) cache = dicenet_axis_cache_new ();
  g_autofree float *per_channel = small_floats (3 * c), *scratch = guarded_scratch (dicenet_scale_up_scratch (w));
  Tensor gate = small_tensor (c, 1, 1);
  const gboolean has_norm = random_int (0, 1);
  const DicenetUpsampleAdd merge = { dicenet_axis_get (cache, coarse_h, h, DICENET_RESIZE_UP),
                                     dicenet_axis_get (cache, coarse_w, w, DICENET_RESIZE_UP),
                                     random_int (0, 1) ? &gate.planes : NULL,
                                     has_norm ? per_channel : NULL,
                                     has_norm ? per_channel + c : NULL,
                                     random_int (0, 1) ? per_channel + 2 * c : NULL };
  Tensor x0 = small_tensor (c, coarse_h, coarse_w), x1 = small_tensor (c, h, w), y = tensor_new (c, h, w, FALSE),
         z = tensor_like (&y);
  g_autofree char *shape = g_strdup_printf ("%u x %u x %u to %u x %u", c, coarse_h, coarse_w, h, w);

  ref->upsample_add (&x0.planes, &x1.planes, &y.planes, &merge, begin, end, scratch);
  tested->upsample_add (&x0.planes, &x1.planes, &z.planes, &merge, begin, end, scratch);
  check_guard (scratch, dicenet_scale_up_scratch (w), shape);
  compare_tensors (&y, &z, 10, shape);
  tensor_free (&gate);
  tensor_free (&x0);
  tensor_free (&x1);
  tensor_free (&y);
  tensor_free (&z);
}

static void
test_epp (void)
{
  const guint c = random_int (1, 3), h = random_size (50), w = random_size (70), begin = random_int (0, c - 1),
              end = random_int (begin + 1, c);
  g_autoptr (GHashTable) cache = dicenet_axis_cache_new ();
  g_autofree float *weight = small_floats (45 * c), *merge = small_floats (45 * c), *rest = small_floats (12 * c);
  DicenetEpp p = {
    { { 0 } }, weight, rest, rest + 5 * c, merge, rest + 10 * c, rest + 11 * c,
  };
  fill_branches (&p, h, w, cache);
  const gsize n_scratch = dicenet_epp_scratch (h, w, p.branches);
  g_autofree float *scratch = guarded_scratch (n_scratch);
  Tensor x = small_tensor (c, h, w), y = tensor_new (c, h, w, FALSE), z = tensor_like (&y);
  g_autofree char *shape = g_strdup_printf ("%u x %u x %u", c, h, w);

  ref->epp (&x.planes, &y.planes, &p, begin, end, scratch);
  tested->epp (&x.planes, &z.planes, &p, begin, end, scratch);
  check_guard (scratch, n_scratch, shape);
  compare_tensors (&y, &z, 100, shape);
  tensor_free (&x);
  tensor_free (&y);
  tensor_free (&z);
}

/* What the branches' parameters mean, and what they become for the kernels. */
static void
test_pack_fusion (void)
{
  const guint c = random_int (1, 3), channel = random_int (0, c - 1);
  g_autofree float *per = random_floats (14 * c);
  const DicenetBranches plain = { per, per + 3 * c, per + 6 * c, per + 9 * c, per + 12 * c, per + 13 * c };
  DicenetFusion packed[3];
  double wanted = (double) plain.fuse_bias[channel], size = fabs (wanted);

  if (random_int (0, 3) == 0) /* BatchNorm may have learnt to ignore a branch */
    per[random_int (0, 2) * c + channel] = 0;
  dicenet_pack_fusion (c, &plain, packed);
  double found = (double) packed[channel].bias;
  for (guint b = 0; b < 3; b++) {
    const guint at = b * c + channel;
    const double x = random_int (0, 1000) / 5.0 - 100, t = x + (double) packed[channel].offset[b];
    const double z = (double) plain.branch_scale[at] * x + (double) plain.branch_bias[at];
    const double part = (double) plain.fuse_weight[at] * (z > 0 ? z : z * (double) plain.branch_slope[at]);
    wanted += part;
    size += fabs (part) + fabs ((double) plain.fuse_weight[at] * (double) plain.branch_bias[at]);
    found += t * (double) (t < 0 ? packed[channel].negative[b] : packed[channel].positive[b]);
  }
  checks++;
  if (fabs (found - wanted) > 1e-4 * size + 1e-6 && failures++ < 20)
    printf ("FAIL fusion of %u channels: %g for %g\n", c, found, wanted);
}

/* The tables by their definition: align_corners, and cells from floor to ceiling. */
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

typedef struct {
  const char *kernel;
  void (*test) (void);
} Test;

static const Test tests[] = {
#define K(name, arguments) { #name, test_##name },
  DICENET_KERNELS (K)
#undef K
};

static const Test bf16_tests[] = {
#define K(name, arguments) { #name, test_bf16_##name },
  DICENET_BF16_KERNELS (K)
#undef K
};

static const Test int8_tests[] = {
#define K(name, arguments) { #name, test_int8_##name },
  DICENET_INT8_KERNELS (K)
#undef K
};

static const Test int8_ref_tests[] = { { "pack_int8", test_int8_pack },
                                       { "int8", test_int8_is_near_float },
                                       { "correct_int8", test_int8_correction } };

static void
run_tests (const Test *list, guint n, guint rounds)
{
  const guint before = checks;

  for (guint i = 0; i < n; i++) {
    const guint before_kernel = checks;
    kernel = list[i].kernel;
    for (guint round = 0; round < rounds; round++)
      list[i].test ();
    if (checks == before_kernel && rounds > 0 && failures++ < 20)
      printf ("FAIL %s, %s: its test compares nothing\n", kernel, isa);
  }
  printf ("%s: %u kernels, %u checks\n", isa, n, checks - before);
}

static void
test_float32 (guint rounds)
{
  for (guint mask = DICENET_CPU_BASELINE; mask <= DICENET_CPU_AVX512; mask *= 2) {
    tested = dicenet_kernels_get (mask, &isa);
    if (tested == ref)
      printf ("set %u: this processor has it not\n", mask);
    else
      run_tests (tests, G_N_ELEMENTS (tests), rounds);
  }
}

static void
test_bf16 (guint rounds)
{
  DicenetKernels bf16 = { 0 };

  if (!dicenet_bf16_is_there (DICENET_CPU_ALL)) {
    printf ("set %u: this processor has it not\n", DICENET_CPU_AVX512_BF16);
    return;
  }
  dicenet_bf16_take (&bf16);
  tested = &bf16;
  isa = "avx512bf16";
  run_tests (bf16_tests, G_N_ELEMENTS (bf16_tests), rounds);
}

#ifdef HAVE_EVEX
#define K(name, arguments) void dicenet_int8_evex_##name arguments;
DICENET_INT8_KERNELS (K)
#undef K

/* The kernels for AVX-VNNI in AVX-512's encoding. */
static void
test_other_encoding (DicenetKernels *kernels, guint rounds)
{
  isa = "int8-avxvnni, as AVX512-VNNI";
  if (!__builtin_cpu_supports ("avx512vl") || !__builtin_cpu_supports ("avx512vnni")) {
    printf ("%s: this processor has it not\n", isa);
    return;
  }
#define K(name, arguments) kernels->name = dicenet_int8_evex_##name;
  DICENET_INT8_KERNELS (K)
#undef K
  run_tests (int8_tests, G_N_ELEMENTS (int8_tests), rounds);
}
#endif

/* Results are equal to the last bit. */
static void
test_int8 (guint rounds)
{
  static DicenetKernels kernels;

  tested = ref;
  isa = "int8-ref";
  run_tests (int8_ref_tests, G_N_ELEMENTS (int8_ref_tests), rounds);
  tested = &kernels;
  tolerance = 0;
  for (guint i = 0; i < N_INT8_SETS; i++) {
    isa = int8_sets[i].name;
    if (g_strcmp0 (dicenet_int8_take (&kernels, int8_sets[i].mask), isa) != 0)
      printf ("%s: this processor has it not\n", isa);
    else
      run_tests (int8_tests, G_N_ELEMENTS (int8_tests), rounds);
  }
#ifdef HAVE_EVEX
  test_other_encoding (&kernels, rounds);
#endif
  tolerance = TOLERANCE;
}

static void
test_all (guint rounds)
{
  for (guint i = 0; i < rounds; i++) {
    test_axis ();
    test_pack_fusion ();
  }
  test_float32 (rounds);
  test_bf16 (rounds);
  test_int8 (rounds);
}

int
main (int argc, char **argv)
{
  const gboolean is_bench = argc > 1 && g_str_equal (argv[1], "--bench"),
                 is_roof = argc > 1 && g_str_equal (argv[1], "--roof");
  const guint32 given = argc > 1 && !is_bench && !is_roof ? (guint32) g_ascii_strtoull (argv[1], NULL, 10) : 0,
                seed = given ? given : g_random_int ();

  random_ = g_rand_new_with_seed (seed);
  if (is_bench || is_roof) {
    if (is_bench)
      bench ();
    else
      bench_roof ();
    return 0;
  }
  printf ("seed %u\n", seed);
  test_all (argc > 2 ? (guint) g_ascii_strtoull (argv[2], NULL, 10) : ROUNDS);
  g_rand_free (random_);
  printf ("%u checks, %u failures\n", checks, failures);
  return failures || !checks ? 1 : 0;
}
