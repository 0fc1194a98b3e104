/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list in kernels.h makes the list of timings: a kernel without run_NAME() and at least one row in rows_NAME[] does
 * not compile. */

#include <glib.h>
#include <stdio.h>
#include "backend/axis.h"
#include "base/threads.h"
#include "bench.h"
#include "common.h"
#include "roof.h"

/* Operands of a kernel; each uses some of them. */
typedef struct {
  double flops, bytes; /* per run */
  Tensor x, y, fine, gate;
  DicenetConv conv;
  guint blocks, bf16_blocks, int8_blocks;
  DicenetInt8Input input;
  DicenetDice dice;
  DicenetFusion fusion;
  const DicenetAxis *rows, *columns;
  DicenetEpp epp;
  DicenetUpsampleAdd merge;
  float *out, *scratch;
} Bench;

/* One timing of a kernel. */
typedef struct {
  const char *label;
  void (*prepare) (Bench *b, const guint *size);
  guint size[7];
} Row;

static DicenetKernels bf16, int8; /* if the CPU supports them */
static GHashTable *axes;

/* --- operands; there are few, and they are never freed --- */

static void
prepare_rounded (Bench *b, const DicenetDense *conv)
{
  g_autofree float *plain = random_floats ((gsize) conv->cout * conv->cin / conv->groups * conv->kernel * conv->kernel);

  b->conv.bf16 = random_bf16 (dicenet_bf16_weights (conv->cin, conv->cout, conv->groups, conv->kernel));
  b->input = dicenet_int8_input (-1, 1);
  b->conv.input = &b->input;
  b->int8_blocks = conv->groups * dicenet_int8_blocks (conv->cout, conv->groups);
  b->conv.int8 = int8_weights (conv, plain);
}

/* Channels in and out, height, width, kernel, stride, groups. */
static void
prepare_conv (Bench *b, const guint *size)
{
  const guint cin = size[0], cout = size[1], h = size[2], w = size[3], kernel = size[4], stride = size[5],
              groups = size[6];
  const guint oh = (h - 1) / stride + 1, ow = (w - 1) / stride + 1;
  const gsize n = MAX (16 * blocked_floats (cin, cout, groups, 1), (gsize) cout * cin / groups * 9);

  b->x = tensor_new (cin, h, w, TRUE);
  b->y = tensor_new (cout, oh, ow, FALSE);
  b->conv = (DicenetConv){ .weight = random_floats (n),
                           .bias = random_floats (cout),
                           .slope = random_floats (cout),
                           .kernel = kernel,
                           .stride = stride,
                           .groups = groups,
                           .activation = DICENET_ACTIVATION_PRELU };
  b->blocks = groups * dicenet_conv_blocks (cout, groups);
  b->bf16_blocks = groups * dicenet_bf16_blocks (cout, groups);
  if (dicenet_conv_is_dense (cout, groups, kernel))
    prepare_rounded (b, &(DicenetDense){ cin, cout, groups, kernel, stride });
  b->scratch = random_floats (
      MAX (MAX (dicenet_conv_pointwise_scratch (cin, groups), dicenet_conv_grouped_scratch (cin, groups, h, w)),
           MAX (dicenet_conv_dense3x3_scratch (cin, groups, ow, stride),
                dicenet_conv_winograd_scratch (cin, groups, ow))) +
      dicenet_bf16_pointwise_scratch (cin, groups) + dicenet_bf16_dense3x3_scratch (cin, groups, ow, stride) +
      dicenet_int8_pointwise_scratch (cin, groups) + dicenet_int8_dense3x3_scratch (cin, groups, ow, stride));
  b->flops = 2.0 * cout * oh * ow * cin / groups * kernel * kernel;
  b->bytes = 4.0 * ((double) cin * h * w + (double) cout * oh * ow + (double) cout * cin / groups * kernel * kernel);
}

/* Channels, side, and multiply-adds per pixel. */
static void
prepare_dice (Bench *b, const guint *size)
{
  const guint c = size[0], side = size[1];

  b->y = tensor_new (c, side, side, FALSE);
  b->dice =
      (DicenetDice){ .around = { random_padded (side, side), random_padded (side, side), random_padded (side, side) },
                     .h = side,
                     .w = side,
                     .depth = random_floats (9),
                     .height = random_floats (9 * side),
                     .width = random_floats (9 * dicenet_padded_stride (side)),
                     .tall = random_floats (side * dicenet_padded_stride (side)),
                     .wide = random_floats (side * dicenet_padded_stride (side)) };
  b->fusion = (DicenetFusion){ { 0, 1, 2 }, { 1, 2, 3 }, { 3, 2, 1 }, 1, 0.5f };
  b->out = random_floats (side * dicenet_padded_stride (side));
  b->flops = 2.0 * size[2] * c * side * side;
  b->bytes = 8.0 * c * side * side;
}

/* Channels, and side before and after. */
static void
prepare_resize (Bench *b, const guint *size)
{
  const guint c = size[0], in = size[1], out = size[2];

  b->x = tensor_new (c, in, in, TRUE);
  b->y = tensor_new (c, out, out, FALSE);
  b->rows = b->columns = dicenet_axis_get (axes, in, out, in < out ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN);
  b->scratch = random_floats (dicenet_resize_scratch (b->rows, b->columns));
  b->flops = 2.0 * c * ((double) in * out + (double) out * out) * b->rows->taps;
  b->bytes = 4.0 * c * ((double) in * in + (double) out * out);
}

/* Channels, rows before and after, width. */
static void
prepare_rows (Bench *b, const guint *size)
{
  const guint c = size[0], in = size[1], out = size[2], w = size[3];

  b->y = tensor_new (c, out, w, FALSE);
  b->rows = dicenet_axis_get (axes, in, out, in < out ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN);
  b->scratch = random_floats (in * dicenet_padded_stride (w));
  b->out = random_floats (out * dicenet_padded_stride (w));
  b->flops = 2.0 * c * out * w * b->rows->taps;
  b->bytes = 4.0 * c * w * (in + out);
}

/* Channels and side. Multiply-adds are those of the definition, at each branch's size. */
static void
prepare_epp (Bench *b, const guint *size)
{
  const guint c = size[0], side = size[1];
  float *rest = random_floats (102 * c);

  b->x = tensor_new (c, side, side, TRUE);
  b->y = tensor_new (c, side, side, FALSE);
  b->epp = (DicenetEpp){
    { { 0 } }, rest, rest + 45 * c, rest + 50 * c, rest + 55 * c, rest + 100 * c, rest + 101 * c,
  };
  fill_branches (&b->epp, side, side, axes);
  b->scratch = random_floats (dicenet_epp_scratch (side, side, b->epp.branches));
  b->flops = 2.0 * 45 * c * side * side;
  for (guint k = 0; k < DICENET_EPP_BRANCHES; k++)
    b->flops += 2.0 * 9 * c * b->epp.branches[k].h * b->epp.branches[k].w;
  b->bytes = 8.0 * c * side * side;
}

/* Channels, and the sides of the coarse and the fine map. */
static void
prepare_upsample_add (Bench *b, const guint *size)
{
  const guint c = size[0], in = size[1], out = size[2];
  float *rest = random_floats (3 * c);

  b->x = tensor_new (c, in, in, TRUE);
  b->y = tensor_new (c, out, out, FALSE);
  b->fine = tensor_new (c, out, out, TRUE);
  b->gate = tensor_new (c, 1, 1, TRUE);
  b->merge = (DicenetUpsampleAdd){ dicenet_axis_get (axes, in, out, DICENET_RESIZE_UP),
                                   dicenet_axis_get (axes, in, out, DICENET_RESIZE_UP),
                                   &b->gate.planes,
                                   rest,
                                   rest + c,
                                   rest + 2 * c };
  b->scratch = random_floats (dicenet_scale_up_scratch (out));
  b->flops = 2.0 * c * (2.0 * in * out + 4.0 * out * out);
  b->bytes = 4.0 * c * ((double) in * in + 2.0 * out * out);
}

/* Channels, side before and after. */
static void
prepare_planes (Bench *b, const guint *size)
{
  const guint c = size[0], in = size[1], out = size[2];

  b->x = tensor_new (c, in, in, TRUE);
  b->y = tensor_new (c, out, out, FALSE);
  b->out = random_floats (2);
  b->flops = (double) c * in * in;
  b->bytes = 4.0 * c * ((double) in * in + (double) out * out);
}

/* Channels and side; for kernels that only copy. */
static void
prepare_copy (Bench *b, const guint *size)
{
  const guint c = size[0], side = size[1];

  b->x = tensor_new (c, side, side, TRUE);
  b->y = tensor_new (1, 1, 1, FALSE);
  b->scratch = random_floats (dicenet_padded_floats (side, side));
  b->out = random_floats (MAX (dicenet_padded_floats (side, side), (gsize) c * side * side));
  b->bytes = 8.0 * c * side * side;
}

/* --- all kernels: how to run them, and their rows --- */

static guint
blocks_of (const Bench *b, const DicenetKernels *k)
{
  return k == &bf16 ? b->bf16_blocks : k == &int8 ? b->int8_blocks : b->blocks;
}

static void
run_conv_pointwise (const Bench *b, const DicenetKernels *k)
{
  const DicenetTile tile = { 0, blocks_of (b, k), 0, (gsize) b->y.planes.h * b->y.planes.w };
  k->conv_pointwise (&b->x.planes, &b->y.planes, &b->conv, &tile, b->scratch);
}

static const Row rows_conv_pointwise[] = {
  { "139 to 139, 28 x 28", prepare_conv, { 139, 139, 28, 28, 1, 1, 1 } },
  { "278 to 278, 14 x 14", prepare_conv, { 278, 278, 14, 14, 1, 1, 1 } },
  { "556 to 556, 7 x 7", prepare_conv, { 556, 556, 7, 7, 1, 1, 1 } },
  { "32 to 10, 192 x 192", prepare_conv, { 32, 10, 192, 192, 1, 1, 1 } },
};

static void
run_conv_dense3x3 (const Bench *b, const DicenetKernels *k)
{
  k->conv_dense3x3 (&b->x.planes, &b->y.planes, &b->conv, 0, b->y.planes.h, b->scratch);
}

static const Row rows_conv_dense3x3[] = {
  { "210 to 64 in 2, 48 x 48", prepare_conv, { 210, 64, 48, 48, 3, 1, 2 } },
  { "3 to 24, 224 x 224 by 2", prepare_conv, { 3, 24, 224, 224, 3, 2, 1 } },
};

static void
run_conv_winograd (const Bench *b, const DicenetKernels *k)
{
  k->conv_winograd (&b->x.planes, &b->y.planes, &b->conv, 0, (b->y.planes.h + 1) / 2, b->scratch);
}

static const Row rows_conv_winograd[] = {
  { "210 to 64 in 2, 48 x 48", prepare_conv, { 210, 64, 48, 48, 3, 1, 2 } },
};

static void
run_gemv (const Bench *b, const DicenetKernels *k)
{
  k->gemv (&b->x.planes, &b->y.planes, &b->conv, 0, blocks_of (b, k), b->scratch);
}

static const Row rows_gemv[] = {
  { "1280 to 1000", prepare_conv, { 1280, 1000, 1, 1, 1, 1, 1 } },
};

static void
run_conv_grouped (const Bench *b, const DicenetKernels *k)
{
  k->conv_grouped (&b->x.planes, &b->y.planes, &b->conv, 0, b->y.planes.c, b->scratch);
}

static const Row rows_conv_grouped[] = {
  { "depthwise 139, 28 x 28", prepare_conv, { 139, 139, 28, 28, 3, 1, 139 } },
  { "depthwise 278, 28 x 28 by 2", prepare_conv, { 278, 278, 28, 28, 3, 2, 278 } },
  { "depthwise 24, 48 x 48", prepare_conv, { 24, 24, 48, 48, 3, 1, 24 } },
  { "depthwise 278, 14 x 14", prepare_conv, { 278, 278, 14, 14, 3, 1, 278 } },
  { "depthwise 556, 7 x 7", prepare_conv, { 556, 556, 7, 7, 3, 1, 556 } },
  { "depthwise 278, 19 x 19", prepare_conv, { 278, 278, 19, 19, 3, 1, 278 } },
  { "depthwise 1112, 10 x 10 by 2", prepare_conv, { 1112, 1112, 10, 10, 3, 2, 1112 } },
  { "50 to 10 in 10, 192 x 192", prepare_conv, { 50, 10, 192, 192, 3, 1, 10 } },
  { "24 to 32 in 8, 192 x 192", prepare_conv, { 24, 32, 192, 192, 3, 1, 8 } },
};

static void
run_pad (const Bench *b, const DicenetKernels *k)
{
  for (guint c = 0; c < b->x.planes.c; c++)
    k->pad (dicenet_plane (&b->x.planes, c), b->x.planes.h, b->x.planes.w, b->out);
}

static const Row rows_pad[] = {
  { "139, 28 x 28", prepare_copy, { 139, 28 } },
};

static void
run_dimconv_height (const Bench *b, const DicenetKernels *k)
{
  for (guint c = 0; c < b->y.planes.c; c++)
    k->dimconv_height (&b->dice, b->out);
}

static const Row rows_dimconv_height[] = {
  { "139, 28 x 28", prepare_dice, { 139, 28, 9 } },
};

static void
run_dimconv_width (const Bench *b, const DicenetKernels *k)
{
  for (guint c = 0; c < b->y.planes.c; c++)
    k->dimconv_width (&b->dice, b->out);
}

static const Row rows_dimconv_width[] = {
  { "139, 28 x 28", prepare_dice, { 139, 28, 9 } },
};

static void
run_resize_rows (const Bench *b, const DicenetKernels *k)
{
  for (guint c = 0; c < b->y.planes.c; c++)
    k->resize_rows (b->scratch, b->out, b->y.planes.w, b->rows);
}

static const Row rows_resize_rows[] = {
  { "up 105, 24 to 28, 24", prepare_rows, { 105, 24, 28, 24 } },
  { "down 105, 48 to 28, 48", prepare_rows, { 105, 48, 28, 48 } },
};

static void
run_transpose (const Bench *b, const DicenetKernels *k)
{
  for (guint c = 0; c < b->x.planes.c; c++)
    k->transpose (b->scratch, b->out, b->x.planes.h, b->x.planes.w);
}

static const Row rows_transpose[] = {
  { "105, 48 x 48", prepare_copy, { 105, 48 } },
};

static void
run_dice (const Bench *b, const DicenetKernels *k)
{
  for (guint c = 0; c < b->y.planes.c; c++)
    k->dice (&b->dice, &b->y.planes, &b->fusion, c);
}

static const Row rows_dice[] = {
  { "139, 28 x 28", prepare_dice, { 139, 28, 12 } }, { "278, 14 x 14", prepare_dice, { 278, 14, 12 } },
  { "556, 7 x 7", prepare_dice, { 556, 7, 12 } },    { "210, 24 x 24", prepare_dice, { 210, 24, 12 } },
  { "210, 19 x 19", prepare_dice, { 210, 19, 12 } },
};

static void
run_max_pool (const Bench *b, const DicenetKernels *k)
{
  k->max_pool (&b->x.planes, &b->y.planes, 0, b->y.planes.c);
}

static const Row rows_max_pool[] = {
  { "24, 192 to 96", prepare_planes, { 24, 192, 96 } },
};

static void
run_avg_pool (const Bench *b, const DicenetKernels *k)
{
  k->avg_pool (&b->x.planes, &b->y.planes, 0, b->y.planes.c);
}

static const Row rows_avg_pool[] = {
  { "210, 48 to 24", prepare_planes, { 210, 48, 24 } },
  { "556, 19 to 10", prepare_planes, { 556, 19, 10 } },
};

static void
run_global_avg_pool (const Bench *b, const DicenetKernels *k)
{
  k->global_avg_pool (&b->x.planes, &b->y.planes, 0, b->y.planes.c);
}

static const Row rows_global_avg_pool[] = {
  { "210, 24 x 24", prepare_planes, { 210, 24, 1 } },
};

static void
run_range (const Bench *b, const DicenetKernels *k)
{
  k->range (&b->x.planes, 0, b->x.planes.c, b->out);
}

static const Row rows_range[] = {
  { "210, 24 x 24", prepare_planes, { 210, 24, 1 } },
};

static void
run_upsample_add (const Bench *b, const DicenetKernels *k)
{
  k->upsample_add (&b->x.planes, &b->fine.planes, &b->y.planes, &b->merge, 0, b->y.planes.c, b->scratch);
}

static const Row rows_upsample_add[] = {
  { "32, 96 to 192", prepare_upsample_add, { 32, 96, 192 } },
};

static void
run_resize (const Bench *b, const DicenetKernels *k)
{
  for (guint c = 0; c < b->y.planes.c; c++)
    k->resize (dicenet_plane (&b->x.planes, c), b->x.planes.w, dicenet_plane (&b->y.planes, c), b->y.planes.w, b->rows,
               b->columns, b->scratch);
}

static const Row rows_resize[] = {
  { "up 10, 192 to 384", prepare_resize, { 10, 192, 384 } },
  { "down 10, 384 to 192", prepare_resize, { 10, 384, 192 } },
  { "up 1112, 10 to 19", prepare_resize, { 1112, 10, 19 } },
};

static void
run_epp (const Bench *b, const DicenetKernels *k)
{
  k->epp (&b->x.planes, &b->y.planes, &b->epp, 0, b->y.planes.c, b->scratch);
}

static const Row rows_epp[] = {
  { "10, 192 x 192", prepare_epp, { 10, 192 } },
  { "10, 48 x 48", prepare_epp, { 10, 48 } },
  { "111, 19 x 19", prepare_epp, { 111, 19 } },
};

static void
run_flatten (const Bench *b, const DicenetKernels *k)
{
  k->flatten (&b->x.planes, b->out, 0, b->x.planes.h);
}

static const Row rows_flatten[] = {
  { "486, 38 x 38", prepare_copy, { 486, 38 } },
};

static const struct {
  const char *name;
  void (*run) (const Bench *b, const DicenetKernels *k);
  const Row *rows;
  guint n_rows;
} kernels[] = {
#define K(name, arguments) { #name, run_##name, rows_##name, G_N_ELEMENTS (rows_##name) },
  DICENET_KERNELS (K)
#undef K
};

#define K(name, arguments) G_STATIC_ASSERT (G_N_ELEMENTS (rows_##name) > 0);
DICENET_KERNELS (K)
#undef K

static const char *const bf16_names[] = {
#define K(name, arguments) #name,
  DICENET_BF16_KERNELS (K)
#undef K
      NULL
};

static const char *const int8_names[] = {
#define K(name, arguments) #name,
  DICENET_INT8_KERNELS (K)
#undef K
      NULL
};

/* --- time --- */

/* The best of several trials. */
static double
seconds_per_run (guint kernel, const Bench *b, const DicenetKernels *k)
{
  double best = G_MAXDOUBLE;

  for (int trial = 0; trial < 8; trial++) {
    const double begin = thread_seconds ();
    guint runs = 0;
    double seconds;
    do {
      kernels[kernel].run (b, k);
      runs++;
      seconds = thread_seconds () - begin;
    } while (seconds < 0.02);
    best = MIN (best, seconds / runs);
  }
  return best;
}

typedef struct {
  double gflops[DICENET_CPU_ALL + 1]; /* by instruction set */
} Roof;

static Roof
measure_roof (void)
{
  Roof roof = { { 0 } };

  for (guint mask = DICENET_CPU_BASELINE; mask <= DICENET_CPU_AVX512; mask *= 2) {
    const char *name;
    if (dicenet_kernels_get (mask, &name) == &dicenet_kernels_ref)
      continue;
    roof.gflops[mask] = roof_gflops (mask);
    printf ("roof %-10s %8.1f GFLOP/s\n", name, roof.gflops[mask]);
  }
  for (gsize bytes = 1 << 15; bytes <= 1 << 27; bytes *= 4)
    printf ("copy %-10zu %8.1f GB/s\n", bytes, roof_copy (bytes));
  return roof;
}

void
bench_roof (void)
{
  measure_roof ();
}

/* The share of the roof is relative to the minimum time: the larger of multiply-adds at the measured peak and bytes at
 * the measured copy bandwidth for that size. */
static void
print_row (guint kernel, const Row *row, const Bench *b, const char *set, const DicenetKernels *k, double roof)
{
  const double seconds = seconds_per_run (kernel, b, k), copy_seconds = b->bytes / roof_copy ((gsize) b->bytes) / 1e9,
               least = MAX (b->flops / roof / 1e9, copy_seconds);
  g_autofree char *name = g_strdup_printf ("%s %s", kernels[kernel].name, row->label);

  printf ("%-44s %-13s %10.1f %10.1f %10.1f %8.0f %%\n", name, set, seconds * 1e6, b->flops / seconds / 1e9,
          b->bytes / seconds / 1e9, 100 * least / seconds);
}

/* Relative to the roof of VPDPBUSD, which does four multiply-adds instead of one; without it, other instructions are
 * needed for its additions. */
static void
print_int8_rows (guint kernel, const Row *row, const Bench *b, const Roof *roof)
{
  for (guint i = 0; i < N_INT8_SETS; i++)
    if (g_strcmp0 (dicenet_int8_take (&int8, int8_sets[i].mask), int8_sets[i].name) == 0)
      print_row (kernel, row, b, int8_sets[i].name, &int8, 4 * roof->gflops[int8_sets[i].float_mask]);
}

static void
bench_row (guint kernel, const Row *row, const Roof *roof)
{
  /* Not freed: the process ends soon. */
  Bench *b = g_new0 (Bench, 1);

  row->prepare (b, row->size);
  for (guint mask = DICENET_CPU_BASELINE; mask <= DICENET_CPU_AVX512; mask *= 2) {
    const char *name;
    const DicenetKernels *k = dicenet_kernels_get (mask, &name);
    if (k != &dicenet_kernels_ref)
      print_row (kernel, row, b, name, k, roof->gflops[mask]);
  }
  /* The instruction does two multiply-adds instead of one, at the same throughput. */
  if (dicenet_bf16_is_there (DICENET_CPU_ALL) && g_strv_contains (bf16_names, kernels[kernel].name))
    print_row (kernel, row, b, "bf16", &bf16, 2 * roof->gflops[DICENET_CPU_AVX512]);
  if (g_strv_contains (int8_names, kernels[kernel].name))
    print_int8_rows (kernel, row, b, roof);
}

void
bench (void)
{
  dicenet_denormals_flush ();
  axes = dicenet_axis_cache_new ();
  if (dicenet_bf16_is_there (DICENET_CPU_ALL))
    dicenet_bf16_take (&bf16);

  const Roof roof = measure_roof ();
  printf ("\n%-44s %-13s %10s %10s %10s %10s\n", "kernel", "set", "us", "GFLOP/s", "GB/s", "of roof");
  for (guint kernel = 0; kernel < G_N_ELEMENTS (kernels); kernel++)
    for (guint row = 0; row < kernels[kernel].n_rows; row++)
      bench_row (kernel, &kernels[kernel].rows[row], &roof);
}
