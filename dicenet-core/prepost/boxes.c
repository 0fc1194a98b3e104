/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include "decode.h"

/* Priors looked at together: their numbers stay on the stack. */
#define CHUNK 1024

typedef struct {
  guint class_id, prior;
  gfloat confidence;
} Candidate;

typedef struct {
  const gfloat *confidences, *locations, *priors;
  guint n_priors, n_classes;
  const DicenetDetectParams *params;
  const DicenetPixelKernels *kernels;
  GArray *candidates; /* Candidate */
} Decoder;

gfloat
dicenet_class_threshold (const DicenetDetectParams *params, guint c)
{
  return params->class_thresholds ? params->class_thresholds[c] : params->threshold;
}

static gfloat
lowest_threshold (const DicenetDetectParams *params, guint n_classes)
{
  gfloat lowest = INFINITY;
  for (guint c = 1; c < n_classes; c++)
    lowest = MIN (lowest, dicenet_class_threshold (params, c));
  return lowest;
}

/* One at least log (1 / t - 1) below another has less than t. */
gfloat
dicenet_least_lead (const DicenetDetectParams *params, guint n_classes)
{
  const gfloat threshold = lowest_threshold (params, n_classes);
  if (threshold <= 0)
    return -INFINITY;
  return threshold < 1 ? logf (threshold / (1 - threshold)) - 1e-3f : 0;
}

static void
collect_prior (Decoder *d, guint prior, gfloat *p)
{
  d->kernels->softmax (d->confidences + (gsize) prior * d->n_classes, d->n_classes, p);
  for (guint c = 1; c < d->n_classes; c++)
    if (p[c] >= dicenet_class_threshold (d->params, c))
      g_array_append_val (d->candidates, ((Candidate){ c, prior, p[c] }));
}

/* Most priors are background: what can't reach a threshold is left before its exponentials. */
static void
collect (Decoder *d)
{
  const gfloat least = dicenet_least_lead (d->params, d->n_classes);
  g_autofree gfloat *p = g_new (gfloat, d->n_classes + 16);
  guint32 found[CHUNK];

  for (guint first = 0; first < d->n_priors; first += CHUNK) {
    guint n;
    d->kernels->foreground (d->confidences + (gsize) first * d->n_classes, d->n_classes,
                            MIN (CHUNK, d->n_priors - first), least, found, &n);
    for (guint i = 0; i < n; i++)
      collect_prior (d, first + found[i], p);
  }
}

static DicenetBox
decode_box (const Decoder *d, const Candidate *candidate)
{
  const gfloat *p = d->priors + 4 * (gsize) candidate->prior, *l = d->locations + 4 * (gsize) candidate->prior;
  const gfloat cx = p[0] + DICENET_CENTER_VARIANCE * l[0] * p[2], cy = p[1] + DICENET_CENTER_VARIANCE * l[1] * p[3];
  const gfloat w = p[2] * expf (DICENET_SIZE_VARIANCE * l[2]), h = p[3] * expf (DICENET_SIZE_VARIANCE * l[3]);
  return (DicenetBox){ cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, candidate->class_id, candidate->confidence };
}

static int
compare_candidates (gconstpointer a, gconstpointer b)
{
  const Candidate *x = a, *y = b;
  if (x->class_id != y->class_id)
    return x->class_id < y->class_id ? -1 : 1;
  if (x->confidence != y->confidence)
    return x->confidence < y->confidence ? 1 : -1;
  return x->prior < y->prior ? -1 : x->prior > y->prior;
}

static void
keep_place (gfloat *kept, gsize stride, guint i, const DicenetBox *box)
{
  kept[i] = box->x0;
  kept[stride + i] = box->y0;
  kept[2 * stride + i] = box->x1;
  kept[3 * stride + i] = box->y1;
  kept[4 * stride + i] = (box->x1 - box->x0) * (box->y1 - box->y0);
}

/* Greedy suppression among candidates @begin to @end - 1, which are of one class: strongest first, each unless it
 * overlaps one that was kept. @kept: room for the places of those, five rows of @stride. */
static void
suppress (const Decoder *d, guint begin, guint end, gfloat *kept, gsize stride, GArray *out)
{
  const guint limit = d->params->max_per_class > 0 ? d->params->max_per_class : G_MAXUINT;
  guint n = 0;

  for (guint i = begin; i < end && n < limit; i++) {
    const DicenetBox box = decode_box (d, &g_array_index (d->candidates, Candidate, i));
    const gfloat place[4] = { box.x0, box.y0, box.x1, box.y1 };
    int overlaps = !(isfinite (box.x0) && isfinite (box.y0) && isfinite (box.x1) && isfinite (box.y1));
    if (!overlaps)
      d->kernels->overlap (place, kept, stride, n, d->params->iou_threshold, &overlaps);
    if (overlaps)
      continue;
    keep_place (kept, stride, n++, &box);
    g_array_append_val (out, box);
  }
}

static void
suppress_all (const Decoder *d, GArray *out)
{
  const Candidate *candidates = (const Candidate *) d->candidates->data;
  const gsize stride = (gsize) d->candidates->len + 16;
  g_autofree gfloat *kept = g_new (gfloat, 5 * stride);
  guint end;

  g_array_sort (d->candidates, compare_candidates);
  for (guint begin = 0; begin < d->candidates->len; begin = end) {
    for (end = begin + 1; end < d->candidates->len && candidates[end].class_id == candidates[begin].class_id;)
      end++;
    suppress (d, begin, end, kept, stride, out);
  }
}

static int
compare_boxes (gconstpointer a, gconstpointer b)
{
  const DicenetBox *x = a, *y = b;
  if (x->confidence != y->confidence)
    return x->confidence < y->confidence ? 1 : -1;
  return x->class_id < y->class_id ? -1 : x->class_id > y->class_id;
}

GArray *
dicenet_decode_boxes (const gfloat *confidences, const gfloat *locations, const gfloat *priors, guint n_priors,
                      guint n_classes, const DicenetDetectParams *params)
{
  const char *set;
  Decoder d = {
    confidences,
    locations,
    priors,
    n_priors,
    n_classes,
    params,
    dicenet_pixel_kernels_get (dicenet_cpu_mask (), &set),
    g_array_new (FALSE, FALSE, sizeof (Candidate)),
  };
  GArray *out = g_array_new (FALSE, FALSE, sizeof (DicenetBox));

  collect (&d);
  suppress_all (&d, out);
  g_array_unref (d.candidates);
  g_array_sort (out, compare_boxes);
  if (params->max_detections > 0 && out->len > params->max_detections)
    g_array_set_size (out, params->max_detections);
  return out;
}
