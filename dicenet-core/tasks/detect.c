/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/error.h>
#include <dicenet/image.h>
#include "../base/memory-error.h"
#include "../prepost/decode.h"
#include "head.h"
#include "tasks.h"

/* Object detection. Detectors have one of several heads, which differ in their network. */

static const DicenetHeadOps *const heads[] = {
  [DICENET_HEAD_SSD] = &dicenet_head_ssd,
  [DICENET_HEAD_ANCHOR_FREE] = &dicenet_head_anchor_free,
};

/* --- the model file --- */

static gboolean
read_head (const DicenetMetadata *m, DicenetDescription *d)
{
  const char *text = dicenet_metadata_get (m, "head");

  for (guint i = 0; text && i < G_N_ELEMENTS (heads); i++)
    if (g_str_equal (text, heads[i]->name))
      d->head = (DicenetHead) i;
  return text == NULL || g_str_equal (text, heads[d->head]->name) ||
         dicenet_metadata_refuse (m, "head", "ssd or anchor-free", text);
}

static gboolean
read_keys (const DicenetMetadata *m, DicenetDescription *d)
{
  d->background = 0;
  d->background_is_implied = TRUE;
  return read_head (m, d) && heads[d->head]->read (m, d) && dicenet_description_read_thresholds (d, m, 0.5f);
}

/* --- the network --- */

static void
build (DicenetGraph *g, const DicenetDescription *d)
{
  heads[d->head]->build (g, d);
}

/* --- results --- */

static gboolean
prepare (DicenetSize *self, const DicenetNetwork *program, GError **error)
{
  const DicenetDescription *d = program->description;
  const DicenetHeadOps *head = heads[d->head];
  DicenetShape maps[DICENET_N_MAPS];

  for (guint k = 0; k < DICENET_N_MAPS; k++) {
    const DicenetTensorRef *view = &self->plan->views[program->graph->maps[k]];
    maps[k] = (DicenetShape){ view->c, view->h, view->w };
  }
  self->n_priors = head->place (d, maps, self->width, self->height, NULL);
  self->priors = g_try_new (gfloat, 4 * (gsize) self->n_priors);
  if (self->priors == NULL)
    return dicenet_no_memory (error, 4 * self->n_priors * sizeof (gfloat), "room to make results in",
                              "choose a smaller inference size");
  head->place (d, maps, self->width, self->height, self->priors);
  return TRUE;
}

static GArray *
decode_boxes (const DicenetDecoding *d)
{
  const DicenetDescription *description = dicenet_decoding_description (d);
  const DicenetSize *size = d->job->size;

  return dicenet_decode_boxes (description->head, dicenet_decoding_output (d, 0), dicenet_decoding_output (d, 1),
                               size->priors, size->n_priors, description->n_classes, &d->request->detect,
                               d->decoder->pixels);
}

static gboolean
is_known_as_another (const DicenetBox *box, const DicenetBox *stronger, guint n, gfloat iou_threshold)
{
  for (guint i = 0; i < n; i++)
    if (stronger[i].label_id != box->label_id && dicenet_iou_inside (&stronger[i], box) > iou_threshold)
      return TRUE;
  return FALSE;
}

/* Of the same object, only what it is with the highest confidence stays. @boxes: strongest first. */
static void
drop_known_as_another (GArray *boxes, gfloat iou_threshold)
{
  DicenetBox *box = (DicenetBox *) (void *) boxes->data;
  guint n = 0;

  for (guint i = 0; i < boxes->len; i++)
    if (!is_known_as_another (&box[i], box, n, iou_threshold))
      box[n++] = box[i];
  g_array_set_size (boxes, n);
}

static gboolean
decode (const DicenetDecoding *d, DicenetDecoded *out, GError **error)
{
  const DicenetBackendOps *ops = d->decoder->executor->ops;
  const DicenetBox *made;
  guint n;

  if (ops->boxes && ops->boxes (d->job, d->picture, &made, &n))
    out->boxes = g_array_append_vals (g_array_sized_new (FALSE, FALSE, sizeof (DicenetBox), n), made, n);
  else
    out->boxes = decode_boxes (d);
  if (out->boxes != NULL) {
    if (d->request->detect.cross_class_iou_threshold < 1)
      drop_known_as_another (out->boxes, d->request->detect.cross_class_iou_threshold);
    return TRUE;
  }
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY,
               "no memory for all boxes that reach the threshold of %g: choose a higher one, or a smaller inference "
               "size",
               (gdouble) dicenet_lowest_threshold (&d->request->detect, dicenet_decoding_description (d)->n_classes));
  return FALSE;
}

/* --- task --- */

static guint
describe (const DicenetDescription *d, DicenetFact facts[DICENET_MAX_FACTS])
{
  guint n = 0;

  facts[n++] = (DicenetFact){ DICENET_FACT_TEXT, "head", heads[d->head]->words, .text = heads[d->head]->name };
  n += heads[d->head]->describe (d, facts + n);
  facts[n++] = dicenet_threshold_fact (d);
  return n;
}

const DicenetTaskOps dicenet_task_detect = {
  .keys = { .task = DICENET_TASK_DETECT,
            .name = "detect",
            .min_classes = 2, /* an object and the background */
            .max_classes = DICENET_MAX_CLASSES,
            .read = read_keys },
  .build = build,
  .prepare = prepare,
  .decode = decode,
  .describe = describe,
};
