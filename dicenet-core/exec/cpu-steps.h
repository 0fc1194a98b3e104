/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../graph/plan.h"
#include "../graph/weights.h"
#include "../kernels/kernels.h"
#include "threads.h"

/* What steps compute with. */
typedef struct {
  const DicenetKernels *kernels;
  DicenetThreads *threads;
  guint n_threads;
} DicenetCpu;

/* Resampling tables of one step, where sizes differ: UP and DOWN use the first two; a DiCE unit's branches go there and
 * back. NULL where nothing is resampled. */
typedef struct {
  const DicenetAxis *rows, *columns; /* DICE: to the height kernels' rows, to the width kernels' columns */
  const DicenetAxis *rows_back, *columns_back;
  const DicenetAxis *same_rows, *same_columns; /* DICE: no change of the other axis */
} DicenetStepAxes;

/* Makes or finds the tables that a step needs. */
DicenetStepAxes dicenet_cpu_axes (const DicenetNode *node, const DicenetStep *step, GHashTable *cache);

/* Runs one step of a plan in @arena. */
void dicenet_cpu_step (const DicenetCpu *cpu, const DicenetNode *node, const DicenetNodeWeights *weights,
                       const DicenetStep *step, const DicenetStepAxes *axes, gfloat *arena);

/* DicenetScratchFunc of this backend; @data is the DicenetCpu. */
gsize dicenet_cpu_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data);
