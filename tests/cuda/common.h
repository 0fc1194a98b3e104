/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Common code of the tests of CUDA kernels. Device memory is allocated and filled with CUDA's runtime, so that the same
 * tests run in the emulator and on a GPU. */

#include <glib.h>
#include "../../cuda/kernels.h"
#include "../../dicenet-core/backend/axis.h"

/* Random numbers from the test's own generator, seeded by the first command-line argument. */
void random_begin (int argc, char **argv);
guint random_int (guint low, guint high);
/* Random sizes, often at the limits of warps, tiles and blocks. */
guint random_size (guint most);
float random_value (void);

/* The device in use, or a smaller or larger one: kernels split their work differently, and must compute the same. */
const DicenetCudaDevice *random_device (void);
const DicenetCudaDevice *this_device (void);

/* Tensors of several pictures on the host and the device. Planes are shuffled, and surrounded by guard values that must
 * not change. */
typedef struct {
  DicenetCudaTensor device;
  float *host; /* n * device.stride */
  gsize *planes;
} Tensor;

Tensor tensor_new (guint n, guint c, guint h, guint w, gboolean fill);
void tensor_free (Tensor *t);
/* Picture @n on the host, for the C kernels. */
DicenetPlanes tensor_picture (const Tensor *t, guint n);
/* Compares the device's values with those on the host; counts differences of more than @tolerance, relative to the
 * larger value if that exceeds 1, and changed guard values. */
void tensor_compare (const Tensor *t, float tolerance, const char *what);

/* @n random floats on the host (g_free()), with a copy in @device. */
float *random_floats (gsize n, const float **device);
/* Copies data to the device. */
gconstpointer upload (gconstpointer data, gsize bytes);
DicenetCudaAxis upload_axis (const DicenetAxis *axis);

extern cudaStream_t stream;

/* Reports failed checks; the test's exit status is whether there were any. */
void check_cuda (cudaError_t result, const char *what);
int checks_end (void);
