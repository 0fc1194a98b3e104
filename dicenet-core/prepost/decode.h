/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/results.h>
#include "../base/request.h"
#include "../kernels/kernels.h"
#include "../kernels/pixels.h"

/* From raw outputs to results. Pure functions; arrays are the caller's unless they are returned. */

/* Confidences of a classifier: softmax, or a sigmoid each for a multi-label one. At most @top_k (0: all) of at least
 * @threshold, strongest first. Returns (element-type DicenetClass). */
GArray *dicenet_decode_classes (const gfloat *logits, guint n_classes, gboolean multi_label, guint top_k,
                                gfloat threshold);

/* SSD: softmax over n_classes (0 is the background), boxes from priors, non-maximum suppression per class.
 * @confidences: n_priors x n_classes, @locations and @priors: n_priors x 4. Returns (element-type DicenetBox); NULL if
 * there is no memory for all that reaches a threshold. */
GArray *dicenet_decode_boxes (const gfloat *confidences, const gfloat *locations, const gfloat *priors, guint n_priors,
                              guint n_classes, const DicenetDetectParams *params, const DicenetPixelKernels *kernels);

/* Boxes in all, at most. */
guint dicenet_most_boxes (const DicenetDetectParams *params);
/* What a class must reach. */
gfloat dicenet_class_threshold (const DicenetDetectParams *params, guint c);
/* How far above the background's logit one of the others must be for any of them to reach its threshold; a little less,
 * for what is rounded. */
gfloat dicenet_least_lead (const DicenetDetectParams *params, guint n_classes);

/* Segmentation's last step, bilinear scaling to the size that was asked for: how, and with what. */
typedef struct {
  const DicenetKernels *kernels;
  const DicenetPixelKernels *pixels;
  const DicenetAxis *rows, *columns;
  const DicenetAxis *classes; /* as many as there are, to as many */
} DicenetUpsample;

/* Floats of scratch that both of the following want. */
gsize dicenet_upsample_scratch (const DicenetUpsample *scale);

/* Logits of classes->in x rows->in x columns->in to @out, classes->in x rows->out x columns->out. */
void dicenet_decode_logits (const DicenetUpsample *scale, const gfloat *logits, gfloat *out, gfloat *scratch);

/* The same scaling, but only the class with the largest logit of each pixel is kept; the first of equals. @stride: from
 * row to row of @mask. Rows [begin, end) of it, so that threads can share it; the scratch is each one's own. */
void dicenet_decode_mask (const DicenetUpsample *scale, const gfloat *logits, guint begin, guint end, guint8 *mask,
                          gsize stride, gfloat *scratch);
