/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD       40
#define GUARD_VALUE 12345.678f
#define SKIPPED     77

cudaStream_t stream;
static GRand *rand_;
static guint failures, checks;
static GPtrArray *uploaded; /* freed at the end */
/* This device; a single processor; 40 as in a T4, 128 as in an RTX 4090, 132 as in an H200; more than any device. */
static DicenetCudaDevice devices[] = { { 0 }, { 1, 1024 }, { 40, 1024 }, { 128, 1536 }, { 132, 2048 }, { 4096, 4096 } };

void
random_begin (int argc, char **argv)
{
  const guint seed = argc > 1 ? (guint) g_ascii_strtoull (argv[1], NULL, 10) : 1;
  int count = 0;

  if (cudaGetDeviceCount (&count) != cudaSuccess || count == 0) {
    printf ("SKIP: no GPU\n");
    exit (SKIPPED);
  }
  rand_ = g_rand_new_with_seed (seed ? seed : g_random_int ());
  uploaded = g_ptr_array_new ();
  check_cuda (cudaStreamCreateWithFlags (&stream, cudaStreamNonBlocking), "stream");
  check_cuda (dicenet_cuda_device_read (&devices[0], 0), "device");
}

const DicenetCudaDevice *
this_device (void)
{
  return &devices[0];
}

const DicenetCudaDevice *
random_device (void)
{
  return &devices[random_int (0, G_N_ELEMENTS (devices) - 1)];
}

guint
random_int (guint low, guint high)
{
  return (guint) g_rand_int_range (rand_, (gint) low, (gint) high + 1);
}

guint
random_size (guint most)
{
  static const guint special[] = { 1, 2, 3, 4, 7, 8, 9, 11, 12, 13, 15, 16, 17, 31, 32, 33, 63, 64, 65 };
  const guint size = random_int (0, 1) ? special[random_int (0, G_N_ELEMENTS (special) - 1)] : random_int (1, most);
  return MIN (size, most);
}

float
random_value (void)
{
  return random_int (0, 20) == 0 ? 0 : (float) g_rand_double_range (rand_, -1, 1);
}

void
check_cuda (cudaError_t result, const char *what)
{
  if (result == cudaSuccess)
    return;
  printf ("%s: %s\n", what, cudaGetErrorString (result));
  exit (1);
}

static void
copy (gpointer to, gconstpointer from, gsize bytes, enum cudaMemcpyKind kind)
{
  check_cuda (cudaMemcpyAsync (to, from, bytes, kind, stream), "copy");
  check_cuda (cudaStreamSynchronize (stream), "copy");
}

gconstpointer
upload (gconstpointer data, gsize bytes)
{
  gpointer device;

  check_cuda (cudaMallocAsync (&device, MAX (bytes, 1), stream), "memory");
  copy (device, data, bytes, cudaMemcpyHostToDevice);
  g_ptr_array_add (uploaded, device);
  return device;
}

DicenetCudaAxis
upload_axis (const DicenetAxis *a)
{
  return (DicenetCudaAxis){ a->in, a->out, a->taps, upload (a->start, a->out * sizeof *a->start),
                            upload (a->weight, (gsize) a->taps * a->out * sizeof *a->weight) };
}

float *
random_floats (gsize n, const float **device)
{
  float *x = g_new (float, n + 1);

  for (gsize i = 0; i < n; i++)
    x[i] = random_value ();
  *device = upload (x, n * sizeof *x);
  return x;
}

static void
shuffle (gsize *values, guint n)
{
  for (guint i = n; i > 1; i--) {
    const guint k = random_int (0, i - 1);
    const gsize swap = values[i - 1];
    values[i - 1] = values[k];
    values[k] = swap;
  }
}

Tensor
tensor_new (guint n, guint c, guint h, guint w, gboolean fill)
{
  const gsize plane = (gsize) h * w, step = plane + GUARD;
  Tensor t = { .device = { .c = c, .h = h, .w = w, .n = n, .stride = c * step + GUARD }, .planes = g_new (gsize, c) };
  g_autofree unsigned *planes = g_new (unsigned, c);

  for (guint i = 0; i < c; i++)
    t.planes[i] = GUARD + i * step;
  shuffle (t.planes, c);
  t.host = g_new (float, n *t.device.stride);
  for (gsize i = 0; i < n * t.device.stride; i++)
    t.host[i] = GUARD_VALUE;
  for (guint i = 0; i < c; i++) {
    planes[i] = (unsigned) t.planes[i];
    for (gsize k = 0; fill && k < n * plane; k++)
      t.host[k / plane * t.device.stride + t.planes[i] + k % plane] = random_value ();
  }
  t.device.planes = upload (planes, c * sizeof *planes);
  t.device.base = (float *) upload (t.host, n * t.device.stride * sizeof (float));
  return t;
}

void
tensor_free (Tensor *t)
{
  g_free (t->host);
  g_free (t->planes);
}

DicenetPlanes
tensor_picture (const Tensor *t, guint n)
{
  return (DicenetPlanes){ t->host + n * t->device.stride, t->planes, t->device.c, t->device.h, t->device.w };
}

void
tensor_compare (const Tensor *t, float tolerance, const char *what)
{
  const gsize n = t->device.n * t->device.stride;
  g_autofree float *found = g_new (float, n);

  checks++;
  check_cuda (cudaStreamSynchronize (stream), what);
  copy (found, t->device.base, n * sizeof (float), cudaMemcpyDeviceToHost);
  for (gsize i = 0; i < n; i++) {
    const float wanted = t->host[i], size = MAX (1, MAX (fabsf (wanted), fabsf (found[i])));
    const gboolean is_same = wanted == found[i] || fabsf (wanted - found[i]) <= tolerance * size;
    if (is_same && (wanted != GUARD_VALUE || found[i] == GUARD_VALUE))
      continue;
    failures++;
    printf ("%s: element %" G_GSIZE_FORMAT ": expected %.9g, found %.9g\n", what, i, (double) wanted,
            (double) found[i]);
    return;
  }
}

int
checks_end (void)
{
  for (guint i = 0; i < uploaded->len; i++)
    cudaFreeAsync (uploaded->pdata[i], stream);
  cudaStreamDestroy (stream);
  g_ptr_array_unref (uploaded);
  g_rand_free (rand_);
  printf ("%u of %u checks failed\n", failures, checks);
  return failures > 0 || checks == 0;
}
