/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* CUDA's convolutions, DiCE unit (fused, and kernel by kernel) and gate against the C reference, on random shapes,
 * groups, batches and sizes. The same program times the DiCE unit both ways:
 *
 *     test-units [SEED [ROUNDS]]     a seed of 0 is a random one
 *     test-units --bench
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../cuda/branches.h"
#include "common.h"
#include "unfused.h"

/* Sums of products in another order, relative to their terms, which are below 1. */
#define TOLERANCE 2e-6f

static const DicenetKernels *ref = &dicenet_kernels_ref;

/* --- convolutions --- */

typedef struct {
  DicenetConv host;
  DicenetCudaConv device;
  float *weight, *bias, *slope;
} Conv;

static gsize
weight_floats (guint cin, guint cout, guint groups, guint kernel)
{
  const gsize inputs = (gsize) cin / groups * kernel * kernel;
  if (!dicenet_conv_is_dense (cout, groups, kernel))
    return cout * inputs;
  return (gsize) groups * dicenet_conv_blocks (cout, groups) * inputs * DICENET_BLOCK;
}

static Conv
conv_new (const Tensor *x, const Tensor *y, guint kernel, guint stride, guint groups, gboolean has_bias)
{
  const guint cin = x->device.c, cout = y->device.c;
  Conv c = { .host = { .kernel = kernel,
                       .stride = stride,
                       .groups = groups,
                       .activation = (DicenetActivation) random_int (0, 3) },
             .device = { .x = x->device, .y = y->device, .kernel = kernel, .stride = stride, .groups = groups } };

  c.device.activation = c.host.activation;
  c.weight = random_floats (weight_floats (cin, cout, groups, kernel), &c.device.weight);
  c.bias = random_floats (cout, &c.device.bias);
  c.slope = random_floats (cout, &c.device.slope);
  c.host.weight = c.weight;
  c.host.bias = has_bias ? c.bias : NULL;
  c.device.bias = has_bias ? c.device.bias : NULL;
  c.host.slope = c.slope;
  return c;
}

static void
conv_free (Conv *c)
{
  g_free (c->weight);
  g_free (c->bias);
  g_free (c->slope);
}

static void
expect_conv (Conv *c, const Tensor *x, const Tensor *y, const Tensor *gate)
{
  for (guint n = 0; n < x->device.n; n++) {
    const DicenetPlanes in = tensor_picture (x, n), out = tensor_picture (y, n);
    DicenetPlanes factors;
    if (gate) {
      factors = tensor_picture (gate, n);
      c->host.gate = &factors;
    }
    const DicenetTile tile = { 0, dicenet_conv_blocks (out.c, c->host.groups) * c->host.groups, 0,
                               (size_t) out.h * out.w };
    if (c->host.kernel == 1)
      ref->conv_pointwise (&in, &out, &c->host, &tile, NULL);
    else if (dicenet_conv_is_dense (out.c, c->host.groups, 3))
      ref->conv_dense3x3 (&in, &out, &c->host, 0, out.h, NULL);
    else
      ref->conv_grouped (&in, &out, &c->host, 0, out.c, NULL);
  }
}

static void
test_conv (guint kernel, gboolean is_vector)
{
  const guint groups = random_int (0, 1) ? 1 : random_int (1, 5), n = random_int (1, 3);
  const guint cin = groups * random_size (is_vector ? 200 : 70), cout = groups * random_size (90);
  const guint h = is_vector ? 1 : random_size (40), w = is_vector ? 1 : random_size (40);
  const guint stride = kernel == 3 ? random_int (1, 2) : 1;
  Tensor x = tensor_new (n, cin, h, w, TRUE),
         y = tensor_new (n, cout, (h + stride - 1) / stride, (w + stride - 1) / stride, FALSE),
         gate = tensor_new (n, cout, 1, 1, TRUE);
  const gboolean has_gate = random_int (0, 1);
  Conv c = conv_new (&x, &y, kernel, stride, groups, random_int (0, 3) > 0);
  g_autofree char *what = g_strdup_printf ("%u x %u x %u x %u to %u, kernel %u, groups %u, stride %u, activation %u", n,
                                           cin, h, w, cout, kernel, groups, stride, c.host.activation);

  if (has_gate)
    c.device.gate = gate.device;
  expect_conv (&c, &x, &y, has_gate ? &gate : NULL);
  check_cuda (is_vector     ? dicenet_cuda_gemv (&c.device, stream)
              : kernel == 1 ? dicenet_cuda_conv_pointwise (&c.device, random_device (), stream)
                            : dicenet_cuda_conv_direct (&c.device, stream),
              what);
  tensor_compare (&y, TOLERANCE * (float) (cin / groups * kernel), what);
  conv_free (&c);
  tensor_free (&x);
  tensor_free (&y);
  tensor_free (&gate);
}

/* Tensor cores: comparing with products of rounded values would require repeating their rounding, so compare within
 * their precision. */
static void
test_tensor (void)
{
  static const float precision[] = {
    [DICENET_CUDA_TF32] = 1.0f / 1024, [DICENET_CUDA_FLOAT16] = 1.0f / 1024, [DICENET_CUDA_BFLOAT16] = 1.0f / 128
  };
  const DicenetCudaComputeType compute_type =
      (DicenetCudaComputeType) random_int (DICENET_CUDA_TF32, DICENET_CUDA_BFLOAT16);
  const guint groups = random_int (1, 2), cin = groups * random_size (70), cout = groups * random_size (90);
  Tensor x = tensor_new (2, cin, random_size (20), 17, TRUE), y = tensor_new (2, cout, x.device.h, 17, FALSE);
  Conv c = conv_new (&x, &y, 1, 1, groups, TRUE);
  g_autofree char *what =
      g_strdup_printf ("numbers %u: %u x %u x 17 to %u, groups %u", compute_type, cin, x.device.h, cout, groups);

  c.device.compute_type = compute_type;
  expect_conv (&c, &x, &y, NULL);
  check_cuda (dicenet_cuda_conv_pointwise (&c.device, random_device (), stream), what);
  tensor_compare (&y, precision[compute_type] * sqrtf ((float) (cin / groups)), what);
  conv_free (&c);
  tensor_free (&x);
  tensor_free (&y);
}

/* --- the DiCE unit --- */

typedef struct {
  guint h0, w0;
  float *depth, *height, *width; /* [..][3][3] */
  float *scale, *bias, *slope, *fuse, *fuse_bias, *fuse_slope;
} Unit;

/* d[c,h,w] of docs and paper, with scaling as in PyTorch: scale planes, apply the branch, scale back. */
static float *
scaled (const float *x, guint c, const DicenetAxis *rows, const DicenetAxis *columns)
{
  float *y = g_new (float, (gsize) c * rows->out * columns->out);

  for (guint i = 0; i < c; i++)
    ref->resize (x + (gsize) i * rows->in * columns->in, columns->in, y + (gsize) i * rows->out * columns->out,
                 columns->out, rows, columns, NULL);
  return y;
}

/* y[c,i,j] = sum over d, e of k[at][d][e] * x[c + d, i or i + e, j + e or j] */
static float *
branch (const float *x, guint c, guint h, guint w, const float *kernels, gboolean is_height)
{
  float *y = g_new (float, (gsize) c *h *w);

  for (guint p = 0; p < c * h * w; p++) {
    const gint channel = (gint) (p / w / h), i = (gint) (p / w % h), j = (gint) (p % w);
    float sum = 0;
    for (gint d = -1; d <= 1; d++) {
      for (gint e = -1; e <= 1; e++) {
        const gint cc = channel + d, ii = is_height ? i : i + e, jj = is_height ? j + e : j;
        if (cc >= 0 && cc < (gint) c && ii >= 0 && ii < (gint) h && jj >= 0 && jj < (gint) w)
          sum += kernels[9 * (is_height ? i : j) + 3 * (d + 1) + e + 1] *
                 x[((gsize) cc * h + (gsize) ii) * w + (gsize) jj];
      }
    }
    y[p] = sum;
  }
  return y;
}

static float *
scaled_branch (const float *x, guint c, guint h, guint w, const float *kernels, guint n_kernels, gboolean is_height,
               GHashTable *axes)
{
  const guint n = is_height ? h : w;
  const DicenetResize there = n < n_kernels ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN,
                      back = n < n_kernels ? DICENET_RESIZE_DOWN : DICENET_RESIZE_UP;
  const guint th = is_height ? n_kernels : h, tw = is_height ? w : n_kernels;
  g_autofree float *tall = scaled (x, c, dicenet_axis_get (axes, h, th, there), dicenet_axis_get (axes, w, tw, there));
  g_autofree float *convolved = branch (tall, c, th, tw, kernels, is_height);
  return scaled (convolved, c, dicenet_axis_get (axes, th, h, back), dicenet_axis_get (axes, tw, w, back));
}

static float
prelu (float x, float slope)
{
  return x > 0 ? x : slope * x;
}

static float
depth_at (const float *x, const float *kernel, guint h, guint w, guint p)
{
  const gint i = (gint) (p / w), j = (gint) (p % w);
  float sum = 0;

  for (gint a = -1; a <= 1; a++)
    for (gint b = -1; b <= 1; b++)
      if (i + a >= 0 && i + a < (gint) h && j + b >= 0 && j + b < (gint) w)
        sum += kernel[3 * (a + 1) + b + 1] * x[(i + a) * (gint) w + j + b];
  return sum;
}

static void
expect_dice (const Unit *u, const Tensor *x, const Tensor *y, guint picture, GHashTable *axes)
{
  const guint c = x->device.c, h = x->device.h, w = x->device.w, n = h * w;
  const DicenetPlanes in = tensor_picture (x, picture), out = tensor_picture (y, picture);
  g_autofree float *packed = g_new (float, (gsize) c *n);

  for (guint i = 0; i < c; i++)
    memcpy (packed + (gsize) i * n, dicenet_plane (&in, i), n * sizeof (float));
  g_autofree float *height = scaled_branch (packed, c, h, w, u->height, u->h0, TRUE, axes);
  g_autofree float *width = scaled_branch (packed, c, h, w, u->width, u->w0, FALSE, axes);
  for (guint p = 0; p < c * n; p++) {
    const guint channel = p / n;
    const float branches[3] = { depth_at (packed + (gsize) channel * n, u->depth + 9 * channel, h, w, p % n), height[p],
                                width[p] };
    float sum = u->fuse_bias[channel];
    for (guint b = 0; b < 3; b++)
      sum += u->fuse[b * c + channel] *
             prelu (u->scale[b * c + channel] * branches[b] + u->bias[b * c + channel], u->slope[b * c + channel]);
    dicenet_plane (&out, channel)[p % n] = prelu (sum, u->fuse_slope[channel]);
  }
}

static DicenetCudaBranch
upload_branch (const float *kernels, guint n_kernels, guint n, GHashTable *axes)
{
  CudaBranch *b = cuda_branch_new (kernels, n_kernels, n, axes);
  const DicenetCudaBranch out = { n, b->taps, upload (b->start, n * sizeof *b->start),
                                  upload (b->weight, (gsize) n * b->taps * 9 * sizeof *b->weight) };
  cuda_branch_free (b);
  return out;
}

/* The gate from the sums that the unit computed, against one from the pixels. */
static void
test_gate (const Tensor *x, const float *sums)
{
  const guint c = x->device.c, n = x->device.n;
  const guint middle = MAX (1, c / 4), cout = random_size (60);
  Tensor mean = tensor_new (n, c, 1, 1, FALSE), hidden = tensor_new (n, middle, 1, 1, FALSE),
         y = tensor_new (n, cout, 1, 1, FALSE);
  Conv first = conv_new (&mean, &hidden, 1, 1, 1, FALSE), second = conv_new (&hidden, &y, 1, 1, 1, TRUE);
  DicenetCudaGate gate = {
    x->device, y.device, sums, dicenet_cuda_dice_parts (x->device.h, x->device.w), 2, { { 0 } }
  };

  first.host.activation = DICENET_ACTIVATION_RELU;
  second.host.activation = DICENET_ACTIVATION_SIGMOID;
  for (guint i = 0; i < n; i++) {
    const DicenetPlanes in = tensor_picture (x, i), out = tensor_picture (&mean, i);
    ref->global_avg_pool (&in, &out, 0, c);
  }
  expect_conv (&first, &mean, &hidden, NULL);
  expect_conv (&second, &hidden, &y, NULL);
  gate.matrices[0].weight = first.device.weight;
  gate.matrices[0].channels = middle;
  gate.matrices[0].groups = gate.matrices[1].groups = 1;
  gate.matrices[0].activation = DICENET_ACTIVATION_RELU;
  gate.matrices[1].weight = second.device.weight;
  gate.matrices[1].bias = second.device.bias;
  gate.matrices[1].channels = cout;
  gate.matrices[1].activation = DICENET_ACTIVATION_SIGMOID;
  check_cuda (dicenet_cuda_gate (&gate, stream), "gate");
  tensor_compare (&y, 1e-5f, sums ? "gate from sums" : "gate from pixels");
  conv_free (&first);
  conv_free (&second);
  tensor_free (&mean);
  tensor_free (&hidden);
  tensor_free (&y);
}

static void
fill_axis (guint n, guint n_kernels, GHashTable *axes, DicenetCudaAxis *there, DicenetCudaAxis *back)
{
  if (n == n_kernels)
    return;
  *there = upload_axis (dicenet_axis_get (axes, n, n_kernels, n < n_kernels ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN));
  *back = upload_axis (dicenet_axis_get (axes, n_kernels, n, n < n_kernels ? DICENET_RESIZE_DOWN : DICENET_RESIZE_UP));
}

/* A unit with random weights, for the fused kernel and for the separate ones. */
typedef struct {
  Unit host;
  DicenetCudaDice fused;
  DicenetCudaUnfused unfused;
} Both;

static Both
both_new (const Tensor *x, const Tensor *y, guint h0, guint w0, GHashTable *axes)
{
  const guint n = x->device.n, c = x->device.c, h = x->device.h, w = x->device.w;
  Both b = { .host = { .h0 = h0, .w0 = w0 },
             .fused = { .x = x->device, .y = y->device },
             .unfused = { .x = x->device, .y = y->device } };
  Unit *u = &b.host;
  DicenetCudaDice *f = &b.fused;

  u->depth = random_floats (9 * (gsize) c, &f->depth);
  u->height = random_floats (9 * (gsize) h0, &b.unfused.height);
  u->width = random_floats (9 * (gsize) w0, &b.unfused.width);
  u->scale = random_floats (3 * (gsize) c, &f->branch_scale);
  u->bias = random_floats (3 * (gsize) c, &f->branch_bias);
  u->slope = random_floats (3 * (gsize) c, &f->branch_slope);
  u->fuse = random_floats (3 * (gsize) c, &f->fuse_weight);
  u->fuse_bias = random_floats (c, &f->fuse_bias);
  u->fuse_slope = random_floats (c, &f->fuse_slope);
  f->height = upload_branch (u->height, h0, h, axes);
  f->width = upload_branch (u->width, w0, w, axes);
  g_free (random_floats ((gsize) n * c * dicenet_cuda_dice_parts (h, w), (const float **) &f->sums));
  b.unfused.depth = f->depth;
  b.unfused.branch_scale = f->branch_scale;
  b.unfused.branch_bias = f->branch_bias;
  b.unfused.branch_slope = f->branch_slope;
  b.unfused.fuse_weight = f->fuse_weight;
  b.unfused.fuse_bias = f->fuse_bias;
  b.unfused.fuse_slope = f->fuse_slope;
  fill_axis (h, h0, axes, &b.unfused.rows, &b.unfused.rows_back);
  fill_axis (w, w0, axes, &b.unfused.columns, &b.unfused.columns_back);
  g_free (random_floats (dicenet_cuda_unfused_scratch (n, c, h, w, h0, w0), (const float **) &b.unfused.scratch));
  return b;
}

static void
both_free (Both *b)
{
  Unit *u = &b->host;
  for (guint i = 0; i < 9; i++)
    g_free (((float *[]){ u->depth, u->height, u->width, u->scale, u->bias, u->slope, u->fuse, u->fuse_bias,
                          u->fuse_slope })[i]);
}

static void
test_dice (void)
{
  const guint c = random_size (40), h = random_size (40), w = random_size (40), n = random_int (1, 2);
  const gboolean is_static = random_int (0, 2) == 0;
  const guint h0 = is_static ? h : random_size (50), w0 = is_static || random_int (0, 3) == 0 ? w : random_size (50);
  Tensor x = tensor_new (n, c, h, w, TRUE), y = tensor_new (n, c, h, w, FALSE), z = tensor_new (n, c, h, w, FALSE);
  g_autoptr (GHashTable) axes = dicenet_axis_cache_new ();
  Both b = both_new (&x, &y, h0, w0, axes);
  g_autofree char *what = g_strdup_printf ("DiCE unit %u x %u x %u, kernels for %u x %u", c, h, w, h0, w0);

  b.unfused.y = z.device;
  for (guint i = 0; i < n; i++) {
    expect_dice (&b.host, &x, &y, i, axes);
    expect_dice (&b.host, &x, &z, i, axes);
  }
  check_cuda (dicenet_cuda_dice (&b.fused, random_device (), stream), what);
  tensor_compare (&y, 1e-5f, what);
  check_cuda (dicenet_cuda_unfused (&b.unfused, stream), what);
  tensor_compare (&z, 1e-5f, what);
  test_gate (&y, b.fused.sums);
  test_gate (&x, NULL);
  both_free (&b);
  tensor_free (&x);
  tensor_free (&y);
  tensor_free (&z);
}

/* --- times --- */

#define LAUNCHES 200

/* Microseconds per launch, of many. */
static double
time_dice (const Both *b, gboolean is_fused)
{
  cudaEvent_t begin, end;
  float milliseconds;

  check_cuda (cudaEventCreate (&begin), "event");
  check_cuda (cudaEventCreate (&end), "event");
  for (guint i = 0; i < 2 * LAUNCHES; i++) {
    if (i == LAUNCHES)
      check_cuda (cudaEventRecord (begin, stream), "event");
    check_cuda (is_fused ? dicenet_cuda_dice (&b->fused, this_device (), stream)
                         : dicenet_cuda_unfused (&b->unfused, stream),
                "unit");
  }
  check_cuda (cudaEventRecord (end, stream), "event");
  check_cuda (cudaStreamSynchronize (stream), "unit");
  check_cuda (cudaEventElapsedTime (&milliseconds, begin, end), "event");
  cudaEventDestroy (begin);
  cudaEventDestroy (end);
  return (double) milliseconds * 1000 / LAUNCHES;
}

static void
bench (guint n, guint c, guint side, guint kernels)
{
  Tensor x = tensor_new (n, c, side, side, TRUE), y = tensor_new (n, c, side, side, FALSE);
  g_autoptr (GHashTable) axes = dicenet_axis_cache_new ();
  Both b = both_new (&x, &y, kernels, kernels, axes);
  const double one = time_dice (&b, TRUE), several = time_dice (&b, FALSE);
  const double bytes = 2.0 * sizeof (float) * n * c * side * side;

  printf ("%5u %8u %4u x %-4u %8u %10.2f %12.2f %7.2f %10.0f\n", n, c, side, side, kernels, one, several, several / one,
          bytes / one / 1e3);
  both_free (&b);
  tensor_free (&x);
  tensor_free (&y);
}

/* The units of classify 2.4 at 224 x 224, and those of its level 3 at other sizes. */
static void
bench_all (void)
{
  static const guint batches[] = { 1, 32, 64 }, shapes[][3] = {
    { 139, 28, 28 }, { 278, 14, 14 }, { 556, 7, 7 }, { 139, 48, 28 }, { 139, 20, 28 }
  };

  printf ("batch channels      size  kernels   fused us   unfused us   ratio  fused GB/s (input read and output "
          "written once)\n");
  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++)
    for (guint k = 0; k < G_N_ELEMENTS (batches); k++)
      bench (batches[k], shapes[i][0], shapes[i][1], shapes[i][2]);
}

int
main (int argc, char **argv)
{
  const gboolean is_bench = argc > 1 && g_str_equal (argv[1], "--bench");
  const guint rounds = argc > 2 ? (guint) atoi (argv[2]) : 60;

  random_begin (is_bench ? 0 : argc, argv);
  if (is_bench) {
    bench_all ();
    return 0;
  }
  for (guint i = 0; i < rounds; i++) {
    test_conv (1, FALSE);
    test_conv (1, TRUE);
    test_conv (3, FALSE);
    test_tensor ();
    test_dice ();
  }
  return checks_end ();
}
