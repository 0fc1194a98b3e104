/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode.h"

#include <string.h>
#include "../base/memory-error.h"

#define SMALLER "choose a smaller inference size or batch"

/* NULL with @error set if out of memory. */
static gfloat *
copy_floats (const gfloat *from, gsize n, GError **error)
{
  gfloat *copy = g_try_new (gfloat, MAX (n, 1));

  if (copy != NULL)
    memcpy (copy, from, n * sizeof (gfloat));
  else
    dicenet_no_memory (error, n * sizeof (gfloat), "raw outputs", SMALLER);
  return copy;
}

static gboolean
keep_outputs (DicenetResult *result, const DicenetSize *size, const DicenetFound *found, GError **error)
{
  for (guint k = 0; k < result->graph->n_outputs; k++) {
    const gsize n = size->batch * dicenet_view_floats (dicenet_size_output (size, result->graph, k));
    if ((result->outputs[k] = copy_floats (found->outputs[k], n, error)) == NULL)
      return FALSE;
  }
  if (size->priors == NULL)
    return TRUE;
  result->n_priors = 4 * (gsize) size->n_priors;
  result->priors = copy_floats (size->priors, result->n_priors, error);
  return result->priors != NULL;
}

static gboolean
decode (DicenetResult *result, DicenetDecoding *d, GError **error)
{
  const DicenetTaskOps *task = d->decoder->executor->program.task;

  result->decoded = g_new0 (DicenetDecoded, result->n_pictures);
  for (d->picture = 0; d->picture < result->n_pictures; d->picture++)
    if (!task->decode (d, &result->decoded[d->picture], error))
      return FALSE;
  return TRUE;
}

gboolean
dicenet_decoder_prepare (DicenetDecoder *decoder, const DicenetSize *size, GError **error)
{
  const DicenetTaskOps *task = decoder->executor->program.task;

  return task->reserve == NULL || task->reserve (decoder, size, error);
}

DicenetResult *
dicenet_decode (DicenetDecoder *decoder, DicenetModel *model, DicenetJob *job, const DicenetFound *found,
                const DicenetRequest *request, GError **error)
{
  g_autoptr (DicenetResult) result = dicenet_result_new (model, job->size, decoder->kernels);
  DicenetDecoding d = { .decoder = decoder, .job = job, .found = found, .request = request };

  if ((request->outputs && !keep_outputs (result, job->size, found, error)) ||
      (request->decode && !decode (result, &d, error)))
    return NULL;
  return g_steal_pointer (&result);
}
