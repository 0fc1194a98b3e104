/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include "decode.h"

/* SSD's variances (network.md, "Decode"): what locations were divided by in training. */
#define CENTER_VARIANCE 0.1f
#define SIZE_VARIANCE   0.2f

typedef struct {
  guint prior;
  gfloat confidence;
} Candidate;

typedef struct {
  const gfloat *confidences, *locations, *priors;
  guint n_priors, n_classes;
  const DicenetDetectParams *params;
  GArray **candidates; /* per class, Candidate */
} Decoder;

static gfloat
class_threshold (const DicenetDetectParams *params, guint c)
{
  return params->class_thresholds ? params->class_thresholds[c] : params->threshold;
}

static gfloat
lowest_threshold (const Decoder *d)
{
  gfloat lowest = INFINITY;
  for (guint c = 1; c < d->n_classes; c++)
    lowest = MIN (lowest, class_threshold (d->params, c));
  return lowest;
}

/* One prior's softmax. Most priors are background, so what can't reach a threshold is left before its exponentials: a
 * class at least log (1 / t - 1) below another has less than t. */
static void
collect_prior (Decoder *d, guint prior, gfloat cutoff)
{
  const gfloat *x = d->confidences + (gsize) prior * d->n_classes;
  gfloat largest = x[0], foreground = -INFINITY;
  gdouble sum = 0;

  for (guint c = 1; c < d->n_classes; c++)
    foreground = MAX (foreground, x[c]);
  if (!(foreground - x[0] >= cutoff))
    return;
  largest = MAX (largest, foreground);
  for (guint c = 0; c < d->n_classes; c++)
    sum += expf (x[c] - largest);
  for (guint c = 1; c < d->n_classes; c++) {
    const gfloat p = (gfloat) (expf (x[c] - largest) / sum);
    if (p >= class_threshold (d->params, c))
      g_array_append_val (d->candidates[c], ((Candidate){ prior, p }));
  }
}

static DicenetBox
decode_box (const Decoder *d, const Candidate *candidate, guint c)
{
  const gfloat *p = d->priors + 4 * (gsize) candidate->prior, *l = d->locations + 4 * (gsize) candidate->prior;
  const gfloat cx = p[0] + CENTER_VARIANCE * l[0] * p[2], cy = p[1] + CENTER_VARIANCE * l[1] * p[3];
  const gfloat w = p[2] * expf (SIZE_VARIANCE * l[2]), h = p[3] * expf (SIZE_VARIANCE * l[3]);
  return (DicenetBox){ cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, c, candidate->confidence };
}

static gboolean
overlaps (const DicenetBox *a, const DicenetBox *b, gfloat iou_threshold)
{
  const gfloat w = MIN (a->x1, b->x1) - MAX (a->x0, b->x0), h = MIN (a->y1, b->y1) - MAX (a->y0, b->y0);
  if (w <= 0 || h <= 0)
    return FALSE;
  const gfloat both = w * h;
  return both > iou_threshold * ((a->x1 - a->x0) * (a->y1 - a->y0) + (b->x1 - b->x0) * (b->y1 - b->y0) - both);
}

static int
compare_candidates (gconstpointer a, gconstpointer b)
{
  const Candidate *x = a, *y = b;
  if (x->confidence != y->confidence)
    return x->confidence < y->confidence ? 1 : -1;
  return x->prior < y->prior ? -1 : x->prior > y->prior;
}

/* Greedy suppression: strongest first, each unless it overlaps one that was kept. */
static void
suppress (const Decoder *d, guint c, GArray *out)
{
  const guint first = out->len, limit = d->params->max_per_class;
  GArray *candidates = d->candidates[c];

  g_array_sort (candidates, compare_candidates);
  for (guint i = 0; i < candidates->len && (limit == 0 || out->len - first < limit); i++) {
    const DicenetBox box = decode_box (d, &g_array_index (candidates, Candidate, i), c);
    gboolean keep = isfinite (box.x0) && isfinite (box.y0) && isfinite (box.x1) && isfinite (box.y1);
    for (guint k = first; keep && k < out->len; k++)
      keep = !overlaps (&box, &g_array_index (out, DicenetBox, k), d->params->iou_threshold);
    if (keep)
      g_array_append_val (out, box);
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
  Decoder d = { confidences, locations, priors, n_priors, n_classes, params, g_new (GArray *, n_classes) };
  GArray *out = g_array_new (FALSE, FALSE, sizeof (DicenetBox));
  const gfloat lowest = lowest_threshold (&d);
  const gfloat cutoff = lowest > 0 && lowest < 1 ? logf (lowest / (1 - lowest)) - 1e-3f : lowest >= 1 ? 0 : -INFINITY;

  for (guint c = 0; c < n_classes; c++)
    d.candidates[c] = g_array_new (FALSE, FALSE, sizeof (Candidate));
  for (guint i = 0; i < n_priors; i++)
    collect_prior (&d, i, cutoff);
  for (guint c = 0; c < n_classes; c++) {
    suppress (&d, c, out);
    g_array_unref (d.candidates[c]);
  }
  g_free (d.candidates);
  g_array_sort (out, compare_boxes);
  if (params->max_detections > 0 && out->len > params->max_detections)
    g_array_set_size (out, params->max_detections);
  return out;
}
