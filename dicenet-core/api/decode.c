/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode.h"

#include <dicenet/error.h>
#include <string.h>
#include "../base/memory-error.h"
#include "../prepost/decode.h"
#include "model-private.h"

/* One job on its way to a result. */
typedef struct {
  DicenetDecoder *decoder;
  DicenetJob *job;
  const DicenetFound *found;
  const DicenetRequest *request;
  DicenetResult *result;
} Decoding;

#define SMALLER "choose a smaller inference size or batch"

static gsize
output_floats (const Decoding *d, guint k)
{
  return dicenet_view_floats (dicenet_size_output (d->job->size, d->result->graph, k));
}

static const gfloat *
output (const Decoding *d, guint k, guint picture)
{
  return d->found->outputs[k] + picture * output_floats (d, k);
}

static const DicenetDescription *
description (const Decoding *d)
{
  return d->decoder->executor->program.description;
}

/* --- raw outputs --- */

/* NULL with @error set where there is no memory. */
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
keep_outputs (const Decoding *d, GError **error)
{
  const DicenetSize *size = d->job->size;
  DicenetResult *result = d->result;

  for (guint k = 0; k < result->graph->n_outputs; k++)
    if ((result->outputs[k] = copy_floats (d->found->outputs[k], size->batch * output_floats (d, k), error)) == NULL)
      return FALSE;
  if (size->priors == NULL)
    return TRUE;
  result->n_priors = 4 * (gsize) size->n_priors;
  result->priors = copy_floats (size->priors, result->n_priors, error);
  return result->priors != NULL;
}

/* --- classes --- */

static gboolean
decode_classes (const Decoding *d, guint picture, GError **error)
{
  d->result->found[picture] =
      dicenet_decode_classes (output (d, 0, picture), description (d)->n_classes, description (d)->multi_label,
                              d->request->top_k, d->request->detect.threshold);
  return TRUE;
}

/* --- boxes --- */

static gboolean
decode_boxes (const Decoding *d, guint picture, GError **error)
{
  const DicenetBackendOps *ops = d->decoder->executor->ops;
  const DicenetDetectParams *params = &d->request->detect;
  const DicenetSize *size = d->job->size;
  const DicenetBox *made;
  GArray *boxes;
  guint n;

  if (ops->boxes && ops->boxes (d->job, picture, &made, &n))
    boxes = g_array_append_vals (g_array_sized_new (FALSE, FALSE, sizeof (DicenetBox), n), made, n);
  else
    boxes = dicenet_decode_boxes (output (d, 0, picture), output (d, 1, picture), size->priors, size->n_priors,
                                  description (d)->n_classes, params, d->decoder->pixels);
  d->result->found[picture] = boxes;
  if (boxes != NULL)
    return TRUE;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY,
               "no memory for all boxes that reach the threshold of %g: choose a higher one, or a smaller inference "
               "size",
               (gdouble) params->threshold);
  return FALSE;
}

/* --- masks --- */

/* From the size of the logits to the picture's. FALSE with @error set where there is no memory. */
static gboolean
make_upscale (DicenetDecoder *self, const DicenetSize *size, DicenetUpscale *scale, GError **error)
{
  *scale = (DicenetUpscale){ self->kernels, self->pixels, size->rows, size->columns, size->classes };
  const gsize n = self->executor->ops->n_threads (self->executor) * dicenet_upscale_scratch (scale);
  if (n <= self->scratch_floats)
    return TRUE;
  gfloat *scratch = g_try_realloc_n (self->scratch, n, sizeof (gfloat));
  if (scratch == NULL)
    return dicenet_no_memory (error, n * sizeof (gfloat), "room to make results in",
                              "choose a smaller inference size or fewer threads");
  self->scratch = scratch;
  self->scratch_floats = n;
  return TRUE;
}

gboolean
dicenet_decoder_prepare (DicenetDecoder *self, const DicenetSize *size, GError **error)
{
  DicenetUpscale scale;

  return dicenet_model_get_task (self->model) != DICENET_TASK_SEGMENT || make_upscale (self, size, &scale, error);
}

/* A mask that threads share: each makes some rows. */
typedef struct {
  DicenetUpscale scale;
  const gfloat *logits;
  gfloat *scratch;
  guint8 *mask;
  guint n_parts;
} MaskJob;

static void
decode_part (gpointer data, guint i, guint seat)
{
  const MaskJob *job = data;
  const DicenetUpscale *scale = &job->scale;
  const guint rows = scale->rows->out;

  dicenet_decode_mask (scale, job->logits, rows * i / job->n_parts, rows * (i + 1) / job->n_parts, job->mask,
                       scale->columns->out, job->scratch + seat * dicenet_upscale_scratch (scale));
}

static gboolean
make_mask (const Decoding *d, guint picture, guint8 *mask, GError **error)
{
  DicenetExecutor *executor = d->decoder->executor;
  MaskJob job = { .logits = output (d, 0, picture), .mask = mask, .n_parts = executor->ops->n_threads (executor) };

  if (!make_upscale (d->decoder, d->job->size, &job.scale, error))
    return FALSE;
  job.scratch = d->decoder->scratch;
  if (executor->ops->share)
    executor->ops->share (executor, job.n_parts, decode_part, &job);
  else
    for (guint i = 0; i < job.n_parts; i++)
      decode_part (&job, i, 0);
  return TRUE;
}

static gboolean
decode_mask (const Decoding *d, guint picture, GError **error)
{
  const gsize n = (gsize) d->result->width * d->result->height;
  g_autofree guint8 *mask = g_try_malloc (n);

  if (mask == NULL)
    return dicenet_no_memory (error, n, "a mask", SMALLER);
  if (d->found->masks)
    memcpy (mask, d->found->masks + picture * n, n);
  else if (!make_mask (d, picture, mask, error))
    return FALSE;
  d->result->masks[picture] = g_bytes_new_take (g_steal_pointer (&mask), n);
  return TRUE;
}

/* --- all --- */

static gboolean
decode (const Decoding *d, GError **error)
{
  static gboolean (*const functions[]) (const Decoding *, guint, GError **) = {
    [DICENET_TASK_CLASSIFY] = decode_classes,
    [DICENET_TASK_DETECT] = decode_boxes,
    [DICENET_TASK_SEGMENT] = decode_mask,
  };
  DicenetResult *result = d->result;

  if (result->task == DICENET_TASK_SEGMENT)
    result->masks = g_new0 (GBytes *, result->n_pictures);
  else
    result->found = g_new0 (GArray *, result->n_pictures);
  for (guint i = 0; i < result->n_pictures; i++)
    if (!functions[result->task](d, i, error))
      return FALSE;
  return TRUE;
}

DicenetResult *
dicenet_decoder_run (DicenetDecoder *self, DicenetJob *job, const DicenetFound *found, const DicenetRequest *request,
                     GError **error)
{
  g_autoptr (DicenetResult) result = dicenet_result_new (self->model, job->size, self->kernels);
  const Decoding d = { self, job, found, request, result };

  if ((request->outputs && !keep_outputs (&d, error)) || (request->decode && !decode (&d, error)))
    return NULL;
  return g_steal_pointer (&result);
}
