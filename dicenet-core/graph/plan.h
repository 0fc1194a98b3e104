/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../base/memory.h"
#include "graph.h"

G_BEGIN_DECLS

/* A graph at one input size: the order of operations, and the position of every tensor's planes in one arena. It
 * contains only integers and is independent of the backend.
 *
 * Concatenation, shuffle and slice are not steps: a tensor is a list of planes at any positions, and these three only
 * select planes. */

/* A tensor in the arena. Rows are contiguous. */
typedef struct {
  guint c, h, w;
  gsize *planes; /* c offsets from the arena's start, in floats */
} DicenetTensorRef;

typedef struct {
  guint node;
  guint n_inputs;
  const DicenetTensorRef *inputs[DICENET_MAX_INPUTS];
  const DicenetTensorRef *output;
  gsize scratch; /* offset in floats of memory used by this step only */
} DicenetStep;

typedef struct {
  guint width, height;
  DicenetTensorRef *views; /* one per node */
  guint n_views;
  DicenetStep *steps;
  guint n_steps;
  gsize *planes;      /* storage of the views' @planes */
  gsize arena_floats; /* for one picture */
} DicenetPlan;

/* Returns how many floats of scratch an operation needs in addition to its output. */
typedef gsize (*DicenetScratchFunc) (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data);

/* NULL with @error set (NO_MEMORY) if out of memory. */
DicenetPlan *dicenet_plan_new (const DicenetGraph *graph, guint width, guint height, DicenetScratchFunc scratch,
                               gpointer data, GError **error);
void dicenet_plan_free (DicenetPlan *self);

G_END_DECLS
