/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "request-private.h"

#include <dicenet/error.h>
#include <dicenet/image.h>
#include <math.h>

G_DEFINE_BOXED_TYPE (DicenetRequest, dicenet_request, dicenet_request_copy, dicenet_request_free)

/* The limits of detection are those of the published evaluation, but for cross_class_iou_threshold, which was chosen on
 * photos (docs/evaluation.md). */
static const DicenetRequest initial = {
  .decode = TRUE,
  .top_k = 5,
  .detect = { .threshold = -1,
              .iou_threshold = 0.45f,
              .cross_class_iou_threshold = 0.8f,
              .max_per_class = 200,
              .max_detections = 100 },
};

DicenetRequest *
dicenet_request_new (void)
{
  return dicenet_request_copy (&initial);
}

DicenetRequest *
dicenet_request_copy (const DicenetRequest *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  DicenetRequest *copy = g_memdup2 (self, sizeof *self);
  copy->detect.class_thresholds =
      g_memdup2 (self->detect.class_thresholds, self->n_class_thresholds * sizeof *self->detect.class_thresholds);
  return copy;
}

void
dicenet_request_free (DicenetRequest *self)
{
  if (self == NULL)
    return;
  g_free ((gpointer) self->detect.class_thresholds);
  g_free (self);
}

void
dicenet_request_set_size (DicenetRequest *self, guint width, guint height)
{
  g_return_if_fail (self != NULL);
  self->width = width;
  self->height = height;
}

void
dicenet_request_set_rectangle (DicenetRequest *self, guint x, guint y, guint width, guint height)
{
  g_return_if_fail (self != NULL);
  self->part.x = x;
  self->part.y = y;
  self->part.width = width;
  self->part.height = height;
}

void
dicenet_request_set_decode (DicenetRequest *self, gboolean decode)
{
  g_return_if_fail (self != NULL);
  self->decode = decode;
}

void
dicenet_request_set_outputs (DicenetRequest *self, gboolean outputs)
{
  g_return_if_fail (self != NULL);
  self->outputs = outputs;
}

void
dicenet_request_set_threshold (DicenetRequest *self, gfloat threshold)
{
  g_return_if_fail (self != NULL);
  self->detect.threshold = threshold;
}

void
dicenet_request_set_top_k (DicenetRequest *self, guint top_k)
{
  g_return_if_fail (self != NULL);
  self->top_k = top_k;
}

void
dicenet_request_set_class_thresholds (DicenetRequest *self, const gfloat *thresholds, gsize n)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (thresholds != NULL || n == 0);

  gfloat *copy = g_memdup2 (thresholds, n * sizeof *thresholds);
  g_free ((gpointer) self->detect.class_thresholds);
  self->detect.class_thresholds = copy;
  self->n_class_thresholds = n;
}

void
dicenet_request_set_iou_threshold (DicenetRequest *self, gfloat iou_threshold)
{
  g_return_if_fail (self != NULL);
  self->detect.iou_threshold = iou_threshold;
}

void
dicenet_request_set_cross_class_iou_threshold (DicenetRequest *self, gfloat iou_threshold)
{
  g_return_if_fail (self != NULL);
  self->detect.cross_class_iou_threshold = iou_threshold;
}

void
dicenet_request_set_max_detections (DicenetRequest *self, guint max_detections)
{
  g_return_if_fail (self != NULL);
  self->detect.max_detections = max_detections;
}

void
dicenet_request_set_max_per_class (DicenetRequest *self, guint max_per_class)
{
  g_return_if_fail (self != NULL);
  self->detect.max_per_class = max_per_class;
}

gboolean
dicenet_request_check_size (guint width, guint height, GError **error)
{
  if (MIN (width, height) >= DICENET_MIN_SIZE && MAX (width, height) <= DICENET_MAX_SIZE)
    return TRUE;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
               "an inference size from %dx%d to %dx%d is possible, %ux%u was asked for", DICENET_MIN_SIZE,
               DICENET_MIN_SIZE, DICENET_MAX_SIZE, DICENET_MAX_SIZE, width, height);
  return FALSE;
}

static gboolean
check_numbers (const DicenetRequest *self, GError **error)
{
  gboolean are_numbers = !isnan (self->detect.threshold) && !isnan (self->detect.iou_threshold) &&
                         !isnan (self->detect.cross_class_iou_threshold);

  for (gsize i = 0; i < self->n_class_thresholds; i++)
    are_numbers = are_numbers && !isnan (self->detect.class_thresholds[i]);
  if (!are_numbers)
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "a threshold is NaN: expected numbers from 0 to 1");
  return are_numbers;
}

static gboolean
check_thresholds (const DicenetRequest *self, guint n_classes, GError **error)
{
  if (self->n_class_thresholds == 0 || self->n_class_thresholds == n_classes)
    return TRUE;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
               "expected a threshold for each of the model's %u classes, found %" G_GSIZE_FORMAT, n_classes,
               self->n_class_thresholds);
  return FALSE;
}

/* What the request says of class @c, then what it says of all classes, then what the model says. */
static gfloat
choose_threshold (const DicenetRequest *self, const DicenetDescription *d, guint c)
{
  if (self->detect.class_thresholds != NULL && self->detect.class_thresholds[c] >= 0)
    return self->detect.class_thresholds[c];
  if (self->detect.threshold >= 0)
    return self->detect.threshold;
  return d->thresholds ? d->thresholds[c] : d->threshold;
}

/* Replaces thresholds that are not set. All have been checked. */
static void
complete_thresholds (DicenetRequest *self, const DicenetDescription *d)
{
  if (self->detect.class_thresholds != NULL || (self->detect.threshold < 0 && d->thresholds != NULL)) {
    g_autofree gfloat *chosen = g_new (gfloat, d->n_classes);
    for (guint c = 0; c < d->n_classes; c++)
      chosen[c] = choose_threshold (self, d, c);
    dicenet_request_set_class_thresholds (self, chosen, d->n_classes);
  }
  if (self->detect.threshold < 0)
    self->detect.threshold = d->threshold;
}

DicenetRequest *
dicenet_request_resolve (const DicenetRequest *self, const DicenetDescription *d, GError **error)
{
  g_autoptr (DicenetRequest) copy = dicenet_request_copy (self ? self : &initial);

  if (copy->width == 0 && copy->height == 0) {
    copy->width = d->width;
    copy->height = d->height;
  }
  if (!dicenet_request_check_size (copy->width, copy->height, error) || !check_numbers (copy, error) ||
      !check_thresholds (copy, d->n_classes, error))
    return NULL;
  complete_thresholds (copy, d);
  return g_steal_pointer (&copy);
}
