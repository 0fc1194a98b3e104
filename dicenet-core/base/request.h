/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/request.h>

G_BEGIN_DECLS

/* Parameters of decoding raw confidences and locations to boxes. */
typedef struct {
  gfloat threshold, iou_threshold, cross_class_iou_threshold;
  guint max_per_class, max_detections;
  const gfloat *class_thresholds; /* one per class, instead of @threshold; or NULL */
} DicenetDetectParams;

struct _DicenetRequest {
  guint width, height; /* 0: the model's default */
  struct {
    guint x, y, width, height; /* width and height 0: the whole picture */
  } part;
  gboolean decode, outputs;
  guint top_k;
  /* Thresholds are used for classification as well. One below 0 is not set: a class then has the threshold of all
   * classes, and these the model's. */
  DicenetDetectParams detect;
  gsize n_class_thresholds;
};

G_END_DECLS
