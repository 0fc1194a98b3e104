/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/results.h>

/* From raw outputs to results. Pure functions; arrays are the caller's unless they are returned. */

/* Confidences of a classifier: softmax, or a sigmoid each for a multi-label one. At most @top_k (0: all) of at least
 * @threshold, strongest first. Returns (element-type DicenetClass). */
GArray *dicenet_decode_classes (const gfloat *logits, guint n_classes, gboolean multi_label, guint top_k,
                                gfloat threshold);

/* SSD: softmax over n_classes (0 is the background), boxes from priors, non-maximum suppression per class.
 * @confidences: n_priors x n_classes, @locations and @priors: n_priors x 4. Returns (element-type DicenetBox). */
GArray *dicenet_decode_boxes (const gfloat *confidences, const gfloat *locations, const gfloat *priors, guint n_priors,
                              guint n_classes, const DicenetDetectParams *params);

/* Segmentation's last step: logits of n_classes x h x w scaled to height x width (bilinear, align_corners). @out gets
 * n_classes x height x width floats. */
void dicenet_decode_logits (const gfloat *logits, guint n_classes, guint h, guint w, gfloat *out, guint height,
                            guint width);

/* The same scaling, but only the class with the largest logit of each pixel is kept; the first of equals. */
void dicenet_decode_mask (const gfloat *logits, guint n_classes, guint h, guint w, guint8 *mask, guint height,
                          guint width, gsize stride);
