/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Measures the limits of one core of this machine, to which times of kernels are compared. */

/* Peak of multiply-adds on registers, two operations each, in GFLOP/s, with the instruction set @mask (DICENET_CPU_*),
 * which the CPU must support. Takes about 50 ms. */
double roof_gflops (guint mask);

/* Bandwidth of copying one half of @bytes to the other, in GB/s, reads and writes counted. Takes about 50 ms, or more
 * for large @bytes. */
double roof_copy (gsize bytes);

/* CPU time of this thread, which excludes time taken by other programs. */
double thread_seconds (void);
