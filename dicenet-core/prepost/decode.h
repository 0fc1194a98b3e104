/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/model.h>
#include <dicenet/results.h>
#include "../base/request.h"
#include "../kernels/kernels.h"
#include "../kernels/pixels.h"

/* Decoding of raw outputs. Pure functions; arrays belong to the caller unless they are returned. */

/* Confidences of a classifier: softmax, or sigmoids if multi-label. At most @top_k (0: all) classes with at least
 * its threshold in @params, most confident first. Returns (element-type DicenetClass). */
GArray *dicenet_decode_classes (const gfloat *logits, guint n_classes, gboolean multi_label, guint top_k,
                                const DicenetDetectParams *params);

/* SSD: softmax over n_classes (0 is the background), boxes from priors, non-maximum suppression per class. Anchor-free:
 * a sigmoid for each of n_classes - 1, boxes from cells (docs/networks.md), clipped to 0..1; the same suppression.
 * @confidences: n_priors rows of n_classes, or n_classes - 1; @locations and @priors: n_priors x 4. Returns
 * (element-type DicenetBox); NULL if there is not enough memory for all boxes that reach a threshold. */
GArray *dicenet_decode_boxes (DicenetHead head, const gfloat *confidences, const gfloat *locations,
                              const gfloat *priors, guint n_priors, guint n_classes, const DicenetDetectParams *params,
                              const DicenetPixelKernels *kernels);

/* Intersection over union of the parts that are in the picture; 0 if one has none. */
gfloat dicenet_iou_inside (const DicenetBox *first, const DicenetBox *second);

/* Maximum number of boxes of a picture. */
guint dicenet_most_boxes (const DicenetDetectParams *params);
/* Minimum confidence of a class. */
gfloat dicenet_class_threshold (const DicenetDetectParams *params, guint c);
/* That of the class with the lowest one, without the background. */
gfloat dicenet_lowest_threshold (const DicenetDetectParams *params, guint n_classes);
/* How much the logit of some class must exceed the background's for it to reach its threshold; slightly reduced, to
 * allow for rounding. */
gfloat dicenet_least_lead (const DicenetDetectParams *params, guint n_classes);

/* Segmentation's last step, bilinear scaling to the inference size: kernels and tables. */
typedef struct {
  const DicenetKernels *kernels;
  const DicenetPixelKernels *pixels;
  const DicenetAxis *rows, *columns;
  const DicenetAxis *classes; /* from the number of classes to the same number */
} DicenetUpsample;

/* Floats of scratch for each of the following functions. */
gsize dicenet_upsample_scratch (const DicenetUpsample *scale);

/* Scales logits of classes->in x rows->in x columns->in to @out, classes->in x rows->out x columns->out. */
void dicenet_decode_logits (const DicenetUpsample *scale, const gfloat *logits, gfloat *out, gfloat *scratch);

/* The same scaling, but only the class with the largest logit of each pixel is stored; the first if equal. @stride:
 * distance of rows of @mask. Only rows [begin, end) are written, so that threads can share a mask; each needs its own
 * scratch. */
void dicenet_decode_mask (const DicenetUpsample *scale, const gfloat *logits, guint begin, guint end, guint8 *mask,
                          gsize stride, gfloat *scratch);
