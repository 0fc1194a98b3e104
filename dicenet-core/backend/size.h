/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../graph/plan.h"
#include "../graph/program.h"
#include "axis.h"

G_BEGIN_DECLS

/* A program at one size, independent of the backend: its plan, and tables for decoding. */
typedef struct {
  gint n_refs;
  guint width, height, batch;
  DicenetPlan *plan;
  GHashTable *axes; /* all tables of this size */
  /* Tables for decoding, as far as the task has them. A backend may use the priors to make boxes, and the axes to make
   * masks. 4 floats per prior. */
  gfloat *priors;
  guint n_priors;
  /* From the logits' size to the picture's; classes are not scaled. */
  const DicenetAxis *rows, *columns, *classes;
  gpointer bound; /* created by the backend's bind() */
} DicenetSize;

/* The result has one reference; NULL with @error set (NO_MEMORY). @scratch and @data: as in dicenet_plan_new(). */
DicenetSize *dicenet_size_new (const DicenetNetwork *program, guint width, guint height, guint batch,
                               DicenetScratchFunc scratch, gpointer data, GError **error);
/* Does not free @bound, which belongs to the backend. */
void dicenet_size_free (DicenetSize *self);

/* The tensor of output @k of the graph. */
const DicenetTensorRef *dicenet_size_output (const DicenetSize *self, const DicenetGraph *graph, guint k);

static inline gsize
dicenet_view_floats (const DicenetTensorRef *view)
{
  return (gsize) view->c * view->h * view->w;
}

G_END_DECLS
