/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../backend/axis.h"
#include "../base/threads.h"
#include "../graph/plan.h"
#include "pack.h"

G_BEGIN_DECLS

/* What steps compute with. */
typedef struct {
  const DicenetKernels *kernels;
  const DicenetCpuPrecision *precision; /* which @kernels and @weights are of */
  const DicenetCpuWeights *weights;     /* of every node */
  DicenetThreads *threads;
  guint n_threads;
} DicenetCpu;

typedef struct _DicenetCpuStep DicenetCpuStep;

/* Computes [begin, begin + n) of what the step is shared by: channels, blocks, rows or pixels. */
typedef void (*DicenetCpuTask) (const DicenetCpuStep *step, gsize begin, gsize n, gfloat *scratch);

/* The kernels whose arguments are alike. */
typedef void (*DicenetConvKernel) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,
                                   unsigned begin, unsigned end, float *scratch);
typedef void (*DicenetPoolKernel) (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end);

typedef struct {
  DicenetConv conv;
  DicenetConvKernel kernel; /* of all but pointwise ones */
  guint n_blocks;           /* of output channels */
} DicenetCpuConv;

typedef struct {
  guint h0, w0; /* the kernels' rows and columns */
  const float *depth, *height, *width, *width_rows;
  DicenetFusion fusion;
  /* To the height kernels' rows and the width kernels' columns, and back; NULL where sizes are the same. */
  const DicenetAxis *rows, *columns, *rows_back, *columns_back;
} DicenetCpuDice;

/* One step of a plan, all that it does decided. */
struct _DicenetCpuStep {
  DicenetCpuTask task;
  gsize n;     /* what is shared out */
  gsize chunk; /* how much of it is one chunk */
  guint n_chunks;
  const DicenetKernels *kernels;
  guint n_inputs;
  DicenetPlanes x[DICENET_MAX_INPUTS], y;
  guint from_job;       /* bits: which of @x are the network's input, which lies where a job has it */
  gsize scratch_at;     /* in the arena */
  gsize scratch_floats; /* of each thread */
  union {
    DicenetCpuConv conv;
    DicenetCpuDice dice;
    DicenetPoolKernel pool;
    DicenetUpsampleAdd merge;
    DicenetEpp epp;
    struct {
      const DicenetAxis *rows, *columns;
    } up;
  };
};

/* What a step is bound from. */
typedef struct {
  const DicenetCpu *cpu;
  const DicenetNode *node;
  const DicenetCpuWeights *w;
  GHashTable *axes; /* backend/axis.h */
  const DicenetTensorRef *input;
} DicenetCpuBinding;

/* Whether dicenet_cpu_bind() can. */
gboolean dicenet_cpu_supports (DicenetOp op);

/* Binds all steps of @plan, which points into @axes then; free with g_free(). The arena's place, and that of a
 * picture's input, are told before a run. */
DicenetCpuStep *dicenet_cpu_bind (const DicenetCpu *cpu, const DicenetGraph *graph, const DicenetPlan *plan,
                                  GHashTable *axes);
void dicenet_cpu_place (DicenetCpuStep *steps, guint n_steps, gfloat *arena);
void dicenet_cpu_place_input (DicenetCpuStep *steps, guint n_steps, const gfloat *input);

/* Runs one. */
void dicenet_cpu_run (DicenetCpuStep *step, DicenetThreads *threads);

/* DicenetScratchFunc of this backend; @data is the DicenetCpu. */
gsize dicenet_cpu_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data);

/* DiCE units: dice.c. */
void dicenet_cpu_bind_dice (DicenetCpuStep *step, const DicenetCpuBinding *b);
gsize dicenet_cpu_dice_scratch (const DicenetNode *node, guint h, guint w);

G_END_DECLS
