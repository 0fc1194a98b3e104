/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Prints the time of every kernel in kernels.h at sizes of real networks, on one core, beside what the machine can do.
 */
void bench (void);

/* Prints what the machine can do, a line each: kind, instruction set or bytes, figure, unit. */
void bench_roof (void);
