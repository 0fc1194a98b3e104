/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tests of CUDA's kernels have in common. Device memory is taken from CUDA's runtime and filled through it, so
 * that the same tests run in the emulator and on a GPU. */

#include <glib.h>
#include "../../cuda/kernels.h"
#include "../../dicenet-core/backend/axis.h"

/* A random number of the test's own sequence, which the first argument on the command line seeds. */
void random_begin (int argc, char **argv);
guint random_int (guint low, guint high);
/* Sizes at which warps, tiles and blocks end, as often as any other. */
guint random_size (guint most);
float random_value (void);

/* The device that computes here, or what a smaller or a larger one says: kernels cut their work otherwise then, and
 * must compute the same. */
const DicenetCudaDevice *random_device (void);
const DicenetCudaDevice *this_device (void);

/* Pictures' tensors on the host, and the same on the device. Planes are shuffled, and stand in bands of numbers that
 * must stay as they are. */
typedef struct {
  DicenetCudaTensor device;
  float *host; /* n * device.stride */
  gsize *planes;
} Tensor;

Tensor tensor_new (guint n, guint c, guint h, guint w, gboolean fill);
void tensor_free (Tensor *t);
/* Picture @n of the host's, as the C kernels take it. */
DicenetPlanes tensor_picture (const Tensor *t, guint n);
/* The device's numbers beside those that the C kernels left on the host; counts what differs by more than @tolerance of
 * the larger, or of 1, and what is changed around planes. */
void tensor_compare (const Tensor *t, float tolerance, const char *what);

/* @n numbers: random ones on the host (g_free()), and, in @device, a copy of them. */
float *random_floats (gsize n, const float **device);
/* A copy on the device of anything. */
gconstpointer upload (gconstpointer data, gsize bytes);
DicenetCudaAxis upload_axis (const DicenetAxis *axis);

extern cudaStream_t stream;

/* A failed check says what; the test's status is whether any did. */
void check_cuda (cudaError_t result, const char *what);
int checks_end (void);
