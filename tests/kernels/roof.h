/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What one core of this machine can do at most, by measurement: times of kernels are read against it. */

/* Multiply-adds of registers that touch no memory, two operations each, in GFLOP/s: with the instructions of the set
 * @mask (DICENET_CPU_*), which this processor must have. Takes about 50 ms. */
double roof_gflops (guint mask);

/* Copying half of @bytes to the other half, in GB/s, both counted. Takes about 50 ms, and more where @bytes are many.
 */
double roof_copy (gsize bytes);

/* The time that this thread has had a processor for: what other programs take away does not count. */
double thread_seconds (void);
