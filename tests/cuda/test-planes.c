/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* CUDA's pooling, scaling and EPP unit against the C reference, on random shapes and batches.
 *
 *     test-planes [SEED [ROUNDS]]     a seed of 0 is a random one */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../dicenet-core/backend/axis.h"
#include "../../dicenet-core/graph/graph.h"
#include "common.h"

/* Sums of about ten products in another order, relative to their terms, which are below 1. */
#define TOLERANCE 5e-6f

static const DicenetKernels *ref = &dicenet_kernels_ref;

/* --- planes --- */

static void
test_pools (guint n, guint c, guint h, guint w)
{
  Tensor x = tensor_new (n, c, h, w, TRUE), most = tensor_new (n, c, (h + 1) / 2, (w + 1) / 2, FALSE),
         mean = tensor_new (n, c, (h + 1) / 2, (w + 1) / 2, FALSE);
  g_autofree char *what = g_strdup_printf ("pools of %u x %u x %u x %u", n, c, h, w);

  for (guint k = 0; k < n; k++) {
    const DicenetPlanes in = tensor_picture (&x, k), out = tensor_picture (&most, k),
                        out_mean = tensor_picture (&mean, k);
    ref->max_pool (&in, &out, 0, c);
    ref->avg_pool (&in, &out_mean, 0, c);
  }
  check_cuda (dicenet_cuda_max_pool (&x.device, &most.device, stream), what);
  tensor_compare (&most, 0, what);
  check_cuda (dicenet_cuda_avg_pool (&x.device, &mean.device, stream), what);
  tensor_compare (&mean, TOLERANCE, what);
  tensor_free (&x);
  tensor_free (&most);
  tensor_free (&mean);
}

static void
test_global_avg_pool (guint n, guint c, guint h, guint w)
{
  Tensor x = tensor_new (n, c, h, w, TRUE), y = tensor_new (n, c, 1, 1, FALSE);
  g_autofree char *what = g_strdup_printf ("mean of %u x %u x %u x %u", n, c, h, w);

  for (guint k = 0; k < n; k++) {
    const DicenetPlanes in = tensor_picture (&x, k), out = tensor_picture (&y, k);
    ref->global_avg_pool (&in, &out, 0, c);
  }
  check_cuda (dicenet_cuda_global_avg_pool (&x.device, &y.device, stream), what);
  tensor_compare (&y, 1e-6f, what);
  tensor_free (&x);
  tensor_free (&y);
}

static void
test_resize (void)
{
  const guint n = random_int (1, 3), c = random_size (20), h = random_size (50), w = random_size (50);
  const guint oh = random_int (0, 3) ? random_size (60) : h, ow = random_int (0, 3) ? random_size (70) : w;
  const DicenetResize mode = random_int (0, 1) ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN;
  g_autoptr (GHashTable) axes = dicenet_axis_cache_new ();
  const DicenetAxis *rows = dicenet_axis_get (axes, h, oh, mode), *columns = dicenet_axis_get (axes, w, ow, mode);
  const DicenetCudaAxis device_rows = upload_axis (rows), device_columns = upload_axis (columns);
  Tensor x = tensor_new (n, c, h, w, TRUE), y = tensor_new (n, c, oh, ow, FALSE);
  g_autofree char *what = g_strdup_printf ("%u x %u x %u x %u to %u x %u, %s", n, c, h, w, oh, ow,
                                           mode == DICENET_RESIZE_UP ? "up" : "down");

  for (guint k = 0; k < n; k++) {
    const DicenetPlanes in = tensor_picture (&x, k), out = tensor_picture (&y, k);
    for (guint i = 0; i < c; i++)
      ref->resize (dicenet_plane (&in, i), w, dicenet_plane (&out, i), ow, rows, columns, NULL);
  }
  check_cuda (dicenet_cuda_resize (&x.device, &y.device, &device_rows, &device_columns, stream), what);
  tensor_compare (&y, TOLERANCE, what);
  tensor_free (&x);
  tensor_free (&y);
}

static void
test_upsample_add (void)
{
  const guint n = random_int (1, 3), c = random_size (20), h = random_size (40), w = random_size (50);
  const guint coarse_h = random_int (0, 3) ? random_size (h) : h, coarse_w = random_int (0, 3) ? random_size (w) : w;
  g_autoptr (GHashTable) axes = dicenet_axis_cache_new ();
  const DicenetAxis *rows = dicenet_axis_get (axes, coarse_h, h, DICENET_RESIZE_UP),
                    *columns = dicenet_axis_get (axes, coarse_w, w, DICENET_RESIZE_UP);
  Tensor x0 = tensor_new (n, c, coarse_h, coarse_w, TRUE), x1 = tensor_new (n, c, h, w, TRUE),
         gate = tensor_new (n, c, 1, 1, TRUE), y = tensor_new (n, c, h, w, FALSE);
  DicenetCudaUpsampleAdd merge = {
    .x0 = x0.device, .x1 = x1.device, .y = y.device, .rows = upload_axis (rows), .columns = upload_axis (columns)
  };
  const gboolean has_gate = random_int (0, 1), has_norm = random_int (0, 1), has_slope = random_int (0, 1);
  g_autofree float *scale = has_norm ? random_floats (c, &merge.scale) : NULL,
                   *bias = has_norm ? random_floats (c, &merge.bias) : NULL,
                   *slope = has_slope ? random_floats (c, &merge.slope) : NULL;
  g_autofree char *what = g_strdup_printf ("merge of %u x %u x %u x %u into %u x %u", n, c, coarse_h, coarse_w, h, w);

  if (has_gate)
    merge.gate = gate.device;

  for (guint k = 0; k < n; k++) {
    const DicenetPlanes coarse = tensor_picture (&x0, k), fine = tensor_picture (&x1, k),
                        factors = tensor_picture (&gate, k), out = tensor_picture (&y, k);
    const DicenetUpsampleAdd m = { rows, columns, has_gate ? &factors : NULL, scale, bias, slope };
    ref->upsample_add (&coarse, &fine, &out, &m, 0, c, NULL);
  }
  check_cuda (dicenet_cuda_upsample_add (&merge, stream), what);
  tensor_compare (&y, TOLERANCE, what);
  tensor_free (&x0);
  tensor_free (&x1);
  tensor_free (&gate);
  tensor_free (&y);
}

static void
test_flatten (void)
{
  const guint n = random_int (1, 3), n_maps = random_int (1, 6);
  Tensor maps[6];
  DicenetCudaTensor devices[6];
  guint floats = 0;
  g_autofree char *what = g_strdup_printf ("rows of %u x %u maps", n, n_maps);

  for (guint m = 0; m < n_maps; m++) {
    maps[m] = tensor_new (n, random_size (70), random_size (12), random_size (12), TRUE);
    devices[m] = maps[m].device;
    floats += maps[m].device.c * maps[m].device.h * maps[m].device.w;
  }
  Tensor y = tensor_new (n, 1, floats, 1, FALSE);
  for (guint k = 0; k < n; k++) {
    const DicenetPlanes all = tensor_picture (&y, k);
    float *out = dicenet_plane (&all, 0);
    for (guint m = 0; m < n_maps; m++) {
      const DicenetPlanes map = tensor_picture (&maps[m], k);
      ref->flatten (&map, out, 0, map.h);
      out += map.c * map.h * map.w;
    }
  }
  check_cuda (dicenet_cuda_flatten (devices, n_maps, &y.device, stream), what);
  tensor_compare (&y, 0, what);
  for (guint m = 0; m < n_maps; m++)
    tensor_free (&maps[m]);
  tensor_free (&y);
}

/* --- the EPP unit --- */

static DicenetCudaComposedAxis
upload_composed (const DicenetComposedAxis *t)
{
  return (DicenetCudaComposedAxis){
    t->taps, t->first, upload (t->weight, 3 * t->taps * dicenet_composed_stride (t->n) * sizeof *t->weight)
  };
}

static void
fill_branch (DicenetEpp *p, DicenetCudaEpp *device, guint k, GHashTable *axes)
{
  const guint h = device->x.h, w = device->x.w, sh = dicenet_epp_size (h, k), sw = dicenet_epp_size (w, k);
  const gboolean is_above = k < DICENET_EPP_IDENTITY;
  const DicenetResize there = is_above ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN,
                      back = is_above ? DICENET_RESIZE_DOWN : DICENET_RESIZE_UP;
  DicenetEppBranch *s = &p->branches[k];

  device->branches[k].h = s->h = sh;
  device->branches[k].w = s->w = sw;
  if (k == DICENET_EPP_IDENTITY)
    return;
  s->rows = dicenet_axis_get (axes, h, sh, there);
  s->columns = dicenet_axis_get (axes, w, sw, there);
  s->rows_back = dicenet_axis_get (axes, sh, h, back);
  s->columns_back = dicenet_axis_get (axes, sw, w, back);
  if (is_above) {
    device->branches[k].composed_rows = upload_composed (dicenet_composed_axis_get (axes, h, sh));
    device->branches[k].composed_columns = upload_composed (dicenet_composed_axis_get (axes, w, sw));
  } else {
    device->branches[k].rows = upload_axis (s->rows);
    device->branches[k].columns = upload_axis (s->columns);
    device->branches[k].rows_back = upload_axis (s->rows_back);
    device->branches[k].columns_back = upload_axis (s->columns_back);
  }
}

/* Pictures leave scratch memory in sequence, each with the rest of its stride unchanged. */
static void
check_scratch (const float *before, const DicenetCudaEpp *p, const char *what)
{
  const gsize used = dicenet_cuda_epp_scratch (p->x.c, p->x.h, p->x.w), bytes = p->x.n * p->x.stride * sizeof (float);
  g_autofree float *after = g_malloc (bytes);

  check_cuda (cudaMemcpyAsync (after, p->scratch, bytes, cudaMemcpyDeviceToHost, stream), what);
  check_cuda (cudaStreamSynchronize (stream), what);
  for (guint k = 0; k < p->x.n; k++) {
    const gsize rest = k * p->x.stride + used;
    if (memcmp (before + rest, after + rest, (p->x.stride - used) * sizeof (float)) != 0) {
      printf ("%s: wrote beyond its scratch\n", what);
      exit (1);
    }
  }
}

static void
test_epp (guint n, guint c, guint h, guint w, const DicenetCudaDevice *limits)
{
  const gsize scratch_floats = dicenet_cuda_epp_scratch (c, h, w);
  Tensor x = tensor_new (n, c, h, w, TRUE), y = tensor_new (n, c, h, w, FALSE);
  g_autoptr (GHashTable) axes = dicenet_axis_cache_new ();
  g_autofree char *what = g_strdup_printf ("EPP unit of %u x %u x %u x %u", n, c, h, w);

  if (x.device.stride < scratch_floats) { /* does not fit between such small pictures */
    tensor_free (&x);
    x = tensor_new (n, c + (guint) (scratch_floats / (h * w)), h, w, TRUE);
    x.device.c = c;
  }
  DicenetEpp p = { 0 };
  DicenetCudaEpp device = { .x = x.device, .y = y.device };
  for (guint k = 0; k < DICENET_EPP_BRANCHES; k++)
    fill_branch (&p, &device, k, axes);
  g_autofree float *weight = random_floats (45 * (gsize) c, &device.weight),
                   *bias = random_floats (5 * (gsize) c, &device.bias),
                   *slope = random_floats (5 * (gsize) c, &device.slope),
                   *merge_weight = random_floats (45 * (gsize) c, &device.merge_weight),
                   *merge_bias = random_floats (c, &device.merge_bias),
                   *merge_slope = random_floats (c, &device.merge_slope),
                   *scratch = random_floats (n * x.device.stride, (const float **) &device.scratch),
                   *plane = g_new (float, dicenet_epp_scratch (h, w, p.branches));
  p.weight = weight;
  p.bias = bias;
  p.slope = slope;
  p.merge_weight = merge_weight;
  p.merge_bias = merge_bias;
  p.merge_slope = merge_slope;
  for (guint k = 0; k < n; k++) {
    const DicenetPlanes out = tensor_picture (&y, k);
    const DicenetPlanes in = tensor_picture (&x, k);
    ref->epp (&in, &out, &p, 0, c, plane);
  }
  check_cuda (dicenet_cuda_epp (&device, limits, stream), what);
  tensor_compare (&y, TOLERANCE, what);
  check_scratch (scratch, &device, what);
  tensor_free (&x);
  tensor_free (&y);
}

/* Cases that random shapes rarely or never contain: a single row or column, means over many warps, and strips of a
 * pyramid pool as long as on a busy device, which the smallest device soon is. */
static void
test_extremes (void)
{
  static const guint shapes[][4] = {
    { 1, 1, 1, 1 }, { 3, 2, 1, 1 }, { 2, 2, 1, 70 }, { 1, 3, 70, 1 }, { 2, 1, 5, 300 }
  };
  static const DicenetCudaDevice small = { 1, 1024 };

  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++) {
    test_pools (shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]);
    test_global_avg_pool (shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]);
    test_epp (shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3], this_device ());
  }
  test_global_avg_pool (1, 2, 150, 130);
  test_epp (2, 9, 13, 5, &small);
  test_epp (2, 9, 70, 2, &small);
}

int
main (int argc, char **argv)
{
  const guint rounds = argc > 2 ? (guint) atoi (argv[2]) : 60;

  random_begin (argc, argv);
  test_extremes ();
  for (guint i = 0; i < rounds; i++) {
    test_pools (random_int (1, 3), random_size (20), random_size (40), random_size (70));
    test_global_avg_pool (random_int (1, 3), random_size (9), random_size (40), random_size (40));
    test_resize ();
    test_upsample_add ();
    test_flatten ();
    test_epp (random_int (1, 2), random_size (9), random_size (45), random_size (70), random_device ());
  }
  return checks_end ();
}
