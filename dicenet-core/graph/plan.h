/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../base/memory.h"
#include "graph.h"

G_BEGIN_DECLS

/* A graph at one input size: which operations run in which order, and where in one arena every tensor's planes lie. It
 * holds integers only and never touches an activation, so that every backend can execute it.
 *
 * Concatenation, shuffle and split are not steps: a tensor is a list of planes that may lie anywhere, and those three
 * only say which planes. */

/* A tensor in the arena. Rows follow each other without gap. */
typedef struct {
  guint c, h, w;
  gsize *planes; /* c offsets from the arena's start, in floats */
} DicenetTensorRef;

typedef struct {
  guint node;
  guint n_inputs;
  const DicenetTensorRef *inputs[DICENET_MAX_INPUTS];
  const DicenetTensorRef *output;
  gsize scratch; /* offset in floats of memory that only this step uses */
} DicenetStep;

typedef struct {
  guint width, height;
  DicenetTensorRef *views; /* one per node */
  guint n_views;
  DicenetStep *steps;
  guint n_steps;
  gsize *planes;      /* what all views' point into */
  gsize arena_floats; /* for one picture */
} DicenetPlan;

/* How many floats of scratch an operation wants on top of its output. */
typedef gsize (*DicenetScratchFunc) (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data);

/* NULL with @error set (NO_MEMORY) if there is no memory for it. */
DicenetPlan *dicenet_plan_new (const DicenetGraph *graph, guint width, guint height, DicenetScratchFunc scratch,
                               gpointer data, GError **error);
void dicenet_plan_free (DicenetPlan *self);

G_END_DECLS
