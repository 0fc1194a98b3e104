/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../graph/plan.h"
#include "../graph/program.h"
#include "axis.h"

G_BEGIN_DECLS

/* What a program is at one size, whatever it runs on: its plan, and what results are made with. */
typedef struct {
  gint n_refs;
  guint width, height, batch;
  DicenetPlan *plan;
  GHashTable *axes; /* all tables of this size */
  /* What results are made with, where the task has it: a backend may make boxes of outputs with priors, and masks with
   * axes. 4 floats each. */
  gfloat *priors;
  guint n_priors;
  /* From the logits' size to the picture's; classes to as many. */
  const DicenetAxis *rows, *columns, *classes;
  gpointer bound; /* what the backend made of it */
} DicenetSize;

/* With one reference; NULL with @error set (NO_MEMORY). @scratch and @data: as dicenet_plan_new(). */
DicenetSize *dicenet_size_new (const DicenetNetwork *program, guint width, guint height, guint batch,
                               DicenetScratchFunc scratch, gpointer data, GError **error);
/* @bound is the backend's to free. */
void dicenet_size_free (DicenetSize *self);

/* Of output @k of the graph. */
const DicenetTensorRef *dicenet_size_output (const DicenetSize *self, const DicenetGraph *graph, guint k);

static inline gsize
dicenet_view_floats (const DicenetTensorRef *view)
{
  return (gsize) view->c * view->h * view->w;
}

G_END_DECLS
