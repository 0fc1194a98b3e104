/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "packing.h"

#include <string.h>
#include "../base/memory.h"

float *
dicenet_packing_take (DicenetPacking *self, gsize n, const float **place)
{
  const gsize at = self->n_floats;

  *place = NULL;
  self->n_floats += dicenet_align_floats (n);
  if (self->block == NULL || n == 0)
    return NULL;
  *place = self->base + at;
  return self->block + at;
}

const float *
dicenet_packing_copy (DicenetPacking *self, const DicenetArray *array)
{
  const float *place;
  float *to = dicenet_packing_take (self, array->n, &place);

  if (to != NULL)
    memcpy (to, array->values, array->n * sizeof *to);
  return place;
}

gsize
dicenet_packing_measure (const DicenetGraph *graph, DicenetPackNode pack, gpointer data)
{
  DicenetPacking self = { .block = NULL };

  for (guint i = 0; i < graph->nodes->len; i++) {
    DicenetNodeWeights w;
    dicenet_node_weights_measure (&w, graph, i);
    pack (&self, graph, i, &w, data);
  }
  return self.n_floats;
}

gboolean
dicenet_packing_fill (DicenetPacking *self, DicenetWeights *weights, const DicenetGraph *graph, DicenetPackNode pack,
                      gpointer data, GError **error)
{
  for (guint i = 0; i < graph->nodes->len; i++) {
    g_auto (DicenetNodeWeights) w = { .block = NULL };
    if (!dicenet_weights_fold (weights, i, &w, error))
      return FALSE;
    pack (self, graph, i, &w, data);
  }
  return TRUE;
}
