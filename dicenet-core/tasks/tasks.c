/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tasks.h"

static const DicenetTaskOps *const tasks[] = {
  [DICENET_TASK_CLASSIFY] = &dicenet_task_classify,
  [DICENET_TASK_DETECT] = &dicenet_task_detect,
  [DICENET_TASK_SEGMENT] = &dicenet_task_segment,
};

const DicenetTaskOps *
dicenet_task_get (DicenetTask task)
{
  return tasks[task];
}

gboolean
dicenet_task_read (DicenetDescription *out, const DicenetSafetensors *file, GError **error)
{
  const DicenetTaskKeys *keys[G_N_ELEMENTS (tasks)];

  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    keys[i] = &tasks[i]->keys;
  return dicenet_description_read (out, file, keys, G_N_ELEMENTS (keys), error);
}

DicenetFact
dicenet_threshold_fact (const DicenetDescription *d)
{
  if (d->thresholds == NULL)
    return (DicenetFact){ DICENET_FACT_NUMBER, "threshold", "threshold", .number = d->threshold };
  return (DicenetFact){ DICENET_FACT_NUMBERS, "thresholds", "thresholds", .numbers = d->thresholds,
                        .n_numbers = d->n_classes };
}

DicenetGraph *
dicenet_task_build (const DicenetDescription *d)
{
  DicenetGraph *graph = dicenet_graph_new ();

  dicenet_task_get (d->task)->build (graph, d);
  return graph;
}
