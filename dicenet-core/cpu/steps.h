/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../graph/plan.h"
#include "pack.h"
#include "../base/threads.h"

/* What steps compute with. */
typedef struct {
  const DicenetKernels *kernels;
  const DicenetCpuPrecision *precision; /* which @kernels and @weights are of */
  const DicenetCpuWeights *weights;     /* of every node */
  DicenetThreads *threads;
  guint n_threads;
} DicenetCpu;

/* What is known of a step once its sizes are: resampling tables, where sizes differ (UP and MERGE use the first two; a
 * DiCE unit's branches go there and back; NULL where nothing is resampled), and floats of scratch for each thread.
 */
typedef struct {
  const DicenetAxis *rows, *columns; /* DICE: to the height kernels' rows, to the width kernels' columns */
  const DicenetAxis *rows_back, *columns_back;
  DicenetScale scales[DICENET_SCALES]; /* PYRAMID */
  gsize scratch;
} DicenetStepTables;

/* Makes or finds the tables that a step needs. */
DicenetStepTables dicenet_cpu_tables (const DicenetNode *node, const DicenetStep *step, GHashTable *cache);

/* Runs one step of a plan in @arena. */
void dicenet_cpu_step (const DicenetCpu *cpu, const DicenetNode *node, const DicenetStep *step,
                       const DicenetStepTables *tables, gfloat *arena);

/* DicenetScratchFunc of this backend; @data is the DicenetCpu. */
gsize dicenet_cpu_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data);
