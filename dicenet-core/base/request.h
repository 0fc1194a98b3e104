/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/request.h>

G_BEGIN_DECLS

/* How raw confidences and locations become boxes. */
typedef struct {
  gfloat threshold, iou_threshold;
  guint max_per_class, max_detections;
  const gfloat *class_thresholds; /* one per class in place of @threshold; or NULL */
} DicenetDetectParams;

struct _DicenetRequest {
  guint width, height; /* 0: the model's */
  struct {
    guint x, y, width, height; /* width and height 0: the whole picture */
  } part;
  gboolean decode, outputs;
  guint top_k;
  DicenetDetectParams detect; /* its threshold is classification's as well; below 0: the model's */
  gsize n_class_thresholds;
};

G_END_DECLS
