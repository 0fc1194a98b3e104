/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * DicenetClass:
 * @class_id: index of the class
 * @confidence: 0 to 1: softmax over the classes, or the class's own sigmoid for a multi-label model
 */
typedef struct {
  guint class_id;
  gfloat confidence;
} DicenetClass;

#define DICENET_TYPE_CLASS (dicenet_class_get_type ())
DICENET_API GType dicenet_class_get_type (void);

/**
 * DicenetBox:
 * @x0: left edge
 * @y0: top edge
 * @x1: right edge
 * @y1: bottom edge
 * @class_id: index of the class, never the background
 * @confidence: 0 to 1
 *
 * A detected object. Edges are fractions of the picture's width and height; they are not clipped, so that an object
 * that reaches out of the picture has edges below 0 or above 1.
 */
typedef struct {
  gfloat x0, y0, x1, y1;
  guint class_id;
  gfloat confidence;
} DicenetBox;

#define DICENET_TYPE_BOX (dicenet_box_get_type ())
DICENET_API GType dicenet_box_get_type (void);

/* Boxes of a picture, at most. */
#define DICENET_MAX_BOXES 16384

/**
 * DicenetDetectParams:
 * @threshold: keep boxes with at least this confidence
 * @iou_threshold: of two boxes of one class that overlap by more than this (intersection over union), the weaker goes
 * @max_per_class: boxes kept per class after suppression; 0 for no limit
 * @max_detections: boxes kept in all, strongest first; %DICENET_MAX_BOXES at most, and for 0
 * @class_thresholds: (nullable): one threshold per class of the model, or %NULL to use @threshold for all. A threshold
 *   above 1 leaves the class out
 *
 * How raw confidences and locations become boxes. Borrowed for the length of a call.
 */
typedef struct {
  gfloat threshold;
  gfloat iou_threshold;
  guint max_per_class;
  guint max_detections;
  const gfloat *class_thresholds;
} DicenetDetectParams;

G_END_DECLS
