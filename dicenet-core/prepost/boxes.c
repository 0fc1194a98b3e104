/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "decode.h"

/* Priors per call of select_candidates(); the indices are stored on the stack. */
#define CHUNK 1024

typedef struct {
  guint label_id, prior;
  gfloat confidence;
} Candidate;

/* May have an element for each class of each prior, for which memory can run out. */
typedef struct {
  gpointer data;
  gsize n, capacity;
  gboolean is_full; /* out of memory */
} List;

typedef struct {
  DicenetHead head;
  const gfloat *confidences, *locations, *priors;
  guint n_priors, n_classes;
  const DicenetDetectParams *params;
  const DicenetPixelKernels *kernels;
  List candidates; /* Candidate */
  List boxes;      /* DicenetBox */
} Decoder;

static void
add (List *list, gconstpointer item, gsize size)
{
  if (list->n == list->capacity) {
    const gsize capacity = MAX (64, 2 * list->capacity);
    gpointer data = list->is_full ? NULL : g_try_realloc_n (list->data, capacity, size);
    list->is_full = data == NULL;
    if (list->is_full)
      return;
    list->data = data;
    list->capacity = capacity;
  }
  memcpy ((char *) list->data + list->n++ * size, item, size);
}

static void
sort (List *list, gsize size, GCompareFunc compare)
{
  if (list->n > 1)
    qsort (list->data, list->n, size, compare);
}

gfloat
dicenet_class_threshold (const DicenetDetectParams *params, guint c)
{
  return params->class_thresholds ? params->class_thresholds[c] : params->threshold;
}

gfloat
dicenet_lowest_threshold (const DicenetDetectParams *params, guint n_classes)
{
  gfloat lowest = INFINITY;
  for (guint c = 1; c < n_classes; c++)
    lowest = MIN (lowest, dicenet_class_threshold (params, c));
  return lowest;
}

/* To reach confidence t, a class's logit must exceed any other by at least log (t / (1 - t)). A sigmoid is the softmax
 * of a class and a background whose logit is 0. */
gfloat
dicenet_least_lead (const DicenetDetectParams *params, guint n_classes)
{
  const gfloat threshold = dicenet_lowest_threshold (params, n_classes);
  if (threshold <= 0)
    return -INFINITY;
  return threshold < 1 ? logf (threshold / (1 - threshold)) - 1e-3f : 0;
}

/* Values of a prior's confidences. The anchor-free head has none for the background. */
static guint
row_floats (const Decoder *d)
{
  return d->head == DICENET_HEAD_SSD ? d->n_classes : d->n_classes - 1;
}

/* Most classes of a cell cannot reach a threshold either. */
static void
sigmoids (const gfloat *x, guint n, gfloat least, gfloat *p)
{
  for (guint c = 0; c < n; c++)
    p[c] = x[c] >= least ? 1 / (1 + expf (-x[c])) : -1;
}

static void
collect_prior (Decoder *d, guint prior, gfloat least, gfloat *p)
{
  const gfloat *x = d->confidences + (gsize) prior * row_floats (d);

  if (d->head == DICENET_HEAD_SSD)
    d->kernels->softmax (x, d->n_classes, p);
  else
    sigmoids (x, d->n_classes - 1, least, p + 1);
  for (guint c = 1; c < d->n_classes; c++)
    if (p[c] >= dicenet_class_threshold (d->params, c))
      add (&d->candidates, &(Candidate){ c, prior, p[c] }, sizeof (Candidate));
}

/* Most priors are background: those that cannot reach a threshold are skipped before the exponentials are computed. */
static void
collect (Decoder *d)
{
  const gfloat least = dicenet_least_lead (d->params, d->n_classes);
  const guint row = row_floats (d);
  g_autofree gfloat *p = g_new (gfloat, d->n_classes + 16);
  guint32 found[CHUNK];

  for (guint first = 0; first < d->n_priors && !d->candidates.is_full; first += CHUNK) {
    guint n;
    d->kernels->select_candidates (d->confidences + (gsize) first * row, row, d->head == DICENET_HEAD_SSD,
                                   MIN (CHUNK, d->n_priors - first), least, found, &n);
    for (guint i = 0; i < n; i++)
      collect_prior (d, first + found[i], least, p);
  }
}

/* Of a cell: how far one side lies from its centre, in parts of the picture. */
static gfloat
distance (gfloat stride, gfloat location)
{
  return stride * expf (CLAMP (location, -DICENET_MOST_LOCATION, DICENET_MOST_LOCATION));
}

static gfloat
clip (gfloat x)
{
  return CLAMP (x, 0, 1); /* leaves what is not a number */
}

static DicenetBox
decode_box (const Decoder *d, const Candidate *candidate)
{
  const gfloat *p = d->priors + 4 * (gsize) candidate->prior, *l = d->locations + 4 * (gsize) candidate->prior;

  if (d->head == DICENET_HEAD_ANCHOR_FREE)
    return (DicenetBox){ clip (p[0] - distance (p[2], l[0])),
                         clip (p[1] - distance (p[3], l[1])),
                         clip (p[0] + distance (p[2], l[2])),
                         clip (p[1] + distance (p[3], l[3])),
                         candidate->label_id,
                         candidate->confidence };
  const gfloat cx = p[0] + DICENET_CENTER_VARIANCE * l[0] * p[2], cy = p[1] + DICENET_CENTER_VARIANCE * l[1] * p[3];
  const gfloat w = p[2] * expf (DICENET_SIZE_VARIANCE * l[2]), h = p[3] * expf (DICENET_SIZE_VARIANCE * l[3]);
  return (DicenetBox){ cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, candidate->label_id, candidate->confidence };
}

static int
compare_candidates (gconstpointer a, gconstpointer b)
{
  const Candidate *x = a, *y = b;
  if (x->label_id != y->label_id)
    return x->label_id < y->label_id ? -1 : 1;
  if (x->confidence != y->confidence)
    return x->confidence < y->confidence ? 1 : -1;
  return x->prior < y->prior ? -1 : x->prior > y->prior;
}

static gfloat
area (const DicenetBox *box)
{
  return (box->x1 - box->x0) * (box->y1 - box->y0);
}

static void
keep_place (gfloat *kept, gsize stride, guint i, const DicenetBox *box)
{
  kept[i] = box->x0;
  kept[stride + i] = box->y0;
  kept[2 * stride + i] = box->x1;
  kept[3 * stride + i] = box->y1;
  kept[4 * stride + i] = area (box);
}

static DicenetBox
inside (const DicenetBox *box)
{
  return (DicenetBox){ clip (box->x0), clip (box->y0), clip (box->x1), clip (box->y1), 0, 0 };
}

gfloat
dicenet_iou_inside (const DicenetBox *first, const DicenetBox *second)
{
  const DicenetBox parts[2] = { inside (first), inside (second) }, *a = &parts[0], *b = &parts[1];
  const gfloat w = MIN (a->x1, b->x1) - MAX (a->x0, b->x0), h = MIN (a->y1, b->y1) - MAX (a->y0, b->y0);
  const gfloat common = MAX (w, 0) * MAX (h, 0);
  return common > 0 ? common / (area (a) + area (b) - common) : 0;
}

guint
dicenet_most_boxes (const DicenetDetectParams *params)
{
  return params->max_detections > 0 ? MIN (params->max_detections, DICENET_MAX_BOXES) : DICENET_MAX_BOXES;
}

/* Maximum number per class: the strongest detections overall are among the strongest max_detections of each class. */
static gsize
most_kept (const Decoder *d)
{
  const gsize most = MIN (dicenet_most_boxes (d->params), d->candidates.n);
  return d->params->max_per_class > 0 ? MIN (d->params->max_per_class, most) : most;
}

/* Greedy suppression among candidates @begin to @end - 1, which are of one class: strongest first, each is kept unless
 * it overlaps one that was kept before. @kept: room for the kept boxes' coordinates and areas, five rows of @stride. */
static void
nms (Decoder *d, gsize begin, gsize end, gfloat *kept, gsize stride)
{
  const gsize limit = most_kept (d);
  guint n = 0;

  for (gsize i = begin; i < end && n < limit; i++) {
    const DicenetBox box = decode_box (d, (const Candidate *) d->candidates.data + i);
    const gfloat place[4] = { box.x0, box.y0, box.x1, box.y1 };
    int overlaps = !(isfinite (box.x0) && isfinite (box.y0) && isfinite (box.x1) && isfinite (box.y1));
    if (!overlaps)
      d->kernels->iou_above (place, kept, stride, n, d->params->iou_threshold, &overlaps);
    if (overlaps)
      continue;
    keep_place (kept, stride, n++, &box);
    add (&d->boxes, &box, sizeof box);
  }
}

static void
nms_all (Decoder *d)
{
  const Candidate *candidates = d->candidates.data;
  const gsize n = d->candidates.n, stride = most_kept (d) + 16;
  g_autofree gfloat *kept = g_try_new (gfloat, 5 * stride);
  gsize end;

  d->boxes.is_full = kept == NULL;
  sort (&d->candidates, sizeof (Candidate), compare_candidates);
  for (gsize begin = 0; begin < n && !d->boxes.is_full; begin = end) {
    for (end = begin + 1; end < n && candidates[end].label_id == candidates[begin].label_id;)
      end++;
    nms (d, begin, end, kept, stride);
  }
}

static int
compare_boxes (gconstpointer a, gconstpointer b)
{
  const DicenetBox *x = a, *y = b;
  if (x->confidence != y->confidence)
    return x->confidence < y->confidence ? 1 : -1;
  return x->label_id < y->label_id ? -1 : x->label_id > y->label_id;
}

GArray *
dicenet_decode_boxes (DicenetHead head, const gfloat *confidences, const gfloat *locations, const gfloat *priors,
                      guint n_priors, guint n_classes, const DicenetDetectParams *params,
                      const DicenetPixelKernels *kernels)
{
  Decoder d = { head, confidences, locations, priors, n_priors, n_classes, params, kernels, { 0 }, { 0 } };
  GArray *out = NULL;

  collect (&d);
  if (!d.candidates.is_full)
    nms_all (&d);
  if (!d.candidates.is_full && !d.boxes.is_full) {
    const guint n = (guint) MIN (d.boxes.n, dicenet_most_boxes (params));
    sort (&d.boxes, sizeof (DicenetBox), compare_boxes);
    out = g_array_append_vals (g_array_sized_new (FALSE, FALSE, sizeof (DicenetBox), n), d.boxes.data, n);
  }
  g_free (d.candidates.data);
  g_free (d.boxes.data);
  return out;
}
