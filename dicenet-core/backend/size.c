/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "size.h"

#include "../base/memory-error.h"
#include "../graph/priors.h"

const DicenetView *
dicenet_size_output (const DicenetSize *self, const DicenetGraph *graph, guint k)
{
  return &self->plan->views[graph->outputs[k].node];
}

static gboolean
make_priors (DicenetSize *self, const DicenetProgram *program, GError **error)
{
  const gfloat *sizes = program->description->prior_sizes;
  DicenetShape maps[DICENET_N_MAPS];

  for (guint k = 0; k < DICENET_N_MAPS; k++) {
    const DicenetView *view = &self->plan->views[program->graph->maps[k]];
    maps[k] = (DicenetShape){ view->c, view->h, view->w };
  }
  self->n_priors = dicenet_priors (maps, sizes, self->width, self->height, NULL);
  self->priors = g_try_new (gfloat, 4 * (gsize) self->n_priors);
  if (self->priors == NULL)
    return dicenet_no_memory (error, 4 * self->n_priors * sizeof (gfloat), "room to make results in",
                              "choose a smaller inference size");
  dicenet_priors (maps, sizes, self->width, self->height, self->priors);
  return TRUE;
}

static void
make_upscale (DicenetSize *self, const DicenetProgram *program)
{
  const DicenetView *logits = dicenet_size_output (self, program->graph, 0);

  self->rows = dicenet_axis_get (self->axes, logits->h, self->height, DICENET_RESIZE_UP);
  self->columns = dicenet_axis_get (self->axes, logits->w, self->width, DICENET_RESIZE_UP);
  self->classes = dicenet_axis_get (self->axes, logits->c, logits->c, DICENET_RESIZE_UP);
}

DicenetSize *
dicenet_size_new (const DicenetProgram *program, guint width, guint height, guint batch, DicenetScratchFunc scratch,
                  gpointer data, GError **error)
{
  const DicenetTask task = program->description->task;
  DicenetPlan *plan = dicenet_plan_new (program->graph, width, height, scratch, data, error);

  if (plan == NULL)
    return NULL;
  DicenetSize *self = g_new0 (DicenetSize, 1);
  *self = (DicenetSize){
    .width = width, .height = height, .batch = batch, .plan = plan, .axes = dicenet_axis_cache_new ()
  };
  g_atomic_ref_count_init (&self->n_refs);
  if (task == DICENET_TASK_SEGMENT)
    make_upscale (self, program);
  if (task == DICENET_TASK_DETECT && !make_priors (self, program, error))
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
