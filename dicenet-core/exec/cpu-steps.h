/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <pthreadpool.h>
#include "../graph/plan.h"
#include "../graph/weights.h"
#include "../kernels/kernels.h"

/* What steps compute with. */
typedef struct {
  const DicenetKernels *kernels;
  pthreadpool_t pool;
  guint n_threads;
} DicenetCpu;

/* Runs one step of a plan in @arena. */
void dicenet_cpu_step (const DicenetCpu *cpu, const DicenetNode *node, const DicenetNodeWeights *weights,
                       const DicenetStep *step, gfloat *arena);

/* DicenetScratchFunc of this backend; @data is the DicenetCpu. */
gsize dicenet_cpu_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data);
