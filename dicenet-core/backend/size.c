/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "size.h"

#include "task.h"

const DicenetTensorRef *
dicenet_size_output (const DicenetSize *self, const DicenetGraph *graph, guint k)
{
  return &self->plan->views[graph->outputs[k].node];
}

DicenetSize *
dicenet_size_new (const DicenetNetwork *program, guint width, guint height, guint batch, DicenetScratchFunc scratch,
                  gpointer data, GError **error)
{
  DicenetPlan *plan = dicenet_plan_new (program->graph, width, height, scratch, data, error);

  if (plan == NULL)
    return NULL;
  DicenetSize *self = g_new0 (DicenetSize, 1);
  *self = (DicenetSize){
    .width = width, .height = height, .batch = batch, .plan = plan, .axes = dicenet_axis_cache_new ()
  };
  self->n_refs = 1;
  if (program->task->prepare && !program->task->prepare (self, program, error))
    g_clear_pointer (&self, dicenet_size_free);
  return self;
}

void
dicenet_size_free (DicenetSize *self)
{
  dicenet_plan_free (self->plan);
  g_hash_table_unref (self->axes);
  g_free (self->priors);
  g_free (self);
}
