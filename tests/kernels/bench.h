/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Prints the time of every kernel in kernels.h at sizes of real networks, on one core, relative to the machine's
 * limits. */
void bench (void);

/* Prints the machine's limits, one per line: kind, instruction set or bytes, value, unit. */
void bench_roof (void);
