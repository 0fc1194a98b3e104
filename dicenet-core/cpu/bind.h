/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../backend/axis.h"
#include "../backend/backend.h"
#include "../base/threads.h"
#include "../graph/plan.h"
#include "pack.h"

G_BEGIN_DECLS

/* What the steps of an executor share. */
typedef struct {
  const DicenetGraph *graph;
  const DicenetKernels *kernels;        /* in float32 */
  const DicenetKernels *dense_kernels;  /* with those of @precision */
  const DicenetCpuPrecision *precision; /* also of @weights */
  const DicenetRange *ranges;           /* the model's int8_ranges, or NULL */
  const DicenetCpuWeights *weights;     /* by node */
  DicenetThreads *threads;
  guint n_threads;
} DicenetCpu;

typedef struct _DicenetCpuStep DicenetCpuStep;

/* Computes items [begin, begin + n) of the step: channels, blocks, rows or pixels. */
typedef void (*DicenetCpuTask) (const DicenetCpuStep *step, gsize begin, gsize n, gfloat *scratch);

/* Kernels with the same signature. */
typedef void (*DicenetConvKernel) (const DicenetPlanes *x, const DicenetPlanes *y, const DicenetConv *conv,
                                   unsigned begin, unsigned end, float *scratch);
typedef void (*DicenetPoolKernel) (const DicenetPlanes *x, const DicenetPlanes *y, unsigned begin, unsigned end);

typedef struct {
  DicenetConv conv;
  DicenetConvKernel kernel; /* unused for pointwise convolutions */
  guint n_blocks;           /* blocks of output channels */
  DicenetInt8Input input;   /* set before each run if the step has n_range_chunks */
} DicenetCpuConv;

typedef struct {
  guint h0, w0; /* number of kernels: rows and columns at the trained size */
  const float *depth, *height, *width;
  const DicenetFusion *fusion; /* by channel */
  /* From the input's size to the trained size, and back; NULL if they are equal. */
  const DicenetAxis *rows, *columns, *rows_back, *columns_back;
  const DicenetAxis *same_rows; /* while columns are scaled */
} DicenetCpuDice;

/* One step of a plan with all its parameters. */
struct _DicenetCpuStep {
  DicenetCpuTask task;
  gsize n;     /* number of items */
  gsize chunk; /* items per chunk */
  guint n_chunks;
  guint n_range_chunks; /* of a pass over the input before the task, which finds its range; 0: none */
  const DicenetKernels *kernels;
  guint n_inputs;
  DicenetPlanes x[DICENET_MAX_INPUTS], y;
  guint from_job;       /* bit mask of those @x that are the network's input, whose memory belongs to the job */
  gsize scratch_at;     /* offset in the arena */
  gsize scratch_floats; /* per thread */
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

/* Context for binding a step. */
typedef struct {
  const DicenetCpu *cpu;
  const DicenetCpuPrecision *precision; /* of this step */
  const DicenetNode *node;
  const DicenetCpuWeights *w;
  GHashTable *axes; /* backend/axis.h */
  const DicenetTensorRef *input;
  const DicenetRange *range; /* of this step's input, for int8; NULL: each run finds it */
} DicenetCpuBinding;

/* Whether dicenet_cpu_bind() supports the operation. */
gboolean dicenet_cpu_supports (DicenetOp op);

/* Binds all steps of @plan, which must outlive them, as must @axes; free with g_free(). The addresses of the arena and
 * of a picture's input are set before a run. */
DicenetCpuStep *dicenet_cpu_bind (const DicenetCpu *cpu, const DicenetGraph *graph, const DicenetPlan *plan,
                                  GHashTable *axes);
void dicenet_cpu_place (DicenetCpuStep *steps, guint n_steps, gfloat *arena);
void dicenet_cpu_place_input (DicenetCpuStep *steps, guint n_steps, const gfloat *input);

/* Adds the step's first input. */
void dicenet_cpu_count (const DicenetCpuStep *step, DicenetHistogram *histogram);

/* Runs one step. */
void dicenet_cpu_run (DicenetCpuStep *step, DicenetThreads *threads);

/* This backend's DicenetScratchFunc; @data is a DicenetCpu. */
gsize dicenet_cpu_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data);

/* DiCE units, implemented in dice.c. */
void dicenet_cpu_bind_dice (DicenetCpuStep *step, const DicenetCpuBinding *b);
gsize dicenet_cpu_dice_scratch (const DicenetNode *node, guint h, guint w);

G_END_DECLS
