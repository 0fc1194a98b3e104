/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * DicenetRequest:
 *
 * What is asked of a run: at which size, of which part of the picture, and what is made of the network's outputs. A new
 * request asks for what most want: all of the picture, at the size that the model is meant for, and what reaches the
 * model's threshold. Runs copy what they need of it, so that it can be changed and used again.
 */
typedef struct _DicenetRequest DicenetRequest;

#define DICENET_TYPE_REQUEST (dicenet_request_get_type ())
DICENET_API GType dicenet_request_get_type (void);

/**
 * dicenet_request_new:
 *
 * Returns: (transfer full): a request; free with dicenet_request_free()
 */
DICENET_API DicenetRequest *dicenet_request_new (void);

/**
 * dicenet_request_copy:
 * @self: a request
 *
 * Returns: (transfer full): a copy
 */
DICENET_API DicenetRequest *dicenet_request_copy (const DicenetRequest *self);

/**
 * dicenet_request_free:
 * @self: a request
 */
DICENET_API void dicenet_request_free (DicenetRequest *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetRequest, dicenet_request_free)

/**
 * dicenet_request_set_size:
 * @self: a request
 * @width: inference width in pixels, %DICENET_MIN_SIZE to %DICENET_MAX_SIZE; 0, the default, for the model's
 * @height: inference height in pixels, likewise
 *
 * The size that the picture, or the part of it, is scaled to, and that the network runs at.
 */
DICENET_API void dicenet_request_set_size (DicenetRequest *self, guint width, guint height);

/**
 * dicenet_request_set_rectangle:
 * @self: a request
 * @x: first column, in pixels of the picture
 * @y: first row
 * @width: columns; 0, the default, for the whole picture
 * @height: rows; likewise
 *
 * Runs on a part of the picture, as if it were all there is: results are relative to it. It must lie inside the
 * picture. Of chroma that pixels share, the part has what its first pixels have: at odd places that is shifted by a
 * pixel, as in a copy that GStreamer's videocrop makes. Tensors have no parts.
 */
DICENET_API void dicenet_request_set_rectangle (DicenetRequest *self, guint x, guint y, guint width, guint height);

/**
 * dicenet_request_set_decode:
 * @self: a request
 * @decode: whether classes, boxes or a mask are made of the outputs; %TRUE by default
 */
DICENET_API void dicenet_request_set_decode (DicenetRequest *self, gboolean decode);

/**
 * dicenet_request_set_outputs:
 * @self: a request
 * @outputs: whether the result has the network's raw outputs as well; %FALSE by default
 */
DICENET_API void dicenet_request_set_outputs (DicenetRequest *self, gboolean outputs);

/**
 * dicenet_request_set_threshold:
 * @self: a request
 * @threshold: classes and boxes have at least this confidence; below 0, the default: dicenet_model_get_threshold()
 */
DICENET_API void dicenet_request_set_threshold (DicenetRequest *self, gfloat threshold);

/**
 * dicenet_request_set_top_k:
 * @self: a request
 * @top_k: classification: how many classes at most, the most confident ones; 0 for all. 5 by default
 */
DICENET_API void dicenet_request_set_top_k (DicenetRequest *self, guint top_k);

/**
 * dicenet_request_set_class_thresholds:
 * @self: a request
 * @thresholds: (nullable) (array length=n): detection: a threshold for each class of the model, in place of
 *   dicenet_request_set_threshold(). One above 1 leaves the class out. %NULL, the default, for none. They are copied
 * @n: how many, dicenet_model_get_n_classes()
 */
DICENET_API void dicenet_request_set_class_thresholds (DicenetRequest *self, const gfloat *thresholds, gsize n);

/**
 * dicenet_request_set_iou_threshold:
 * @self: a request
 * @iou_threshold: detection: of two boxes of one class that overlap by more than this (intersection over union), the
 *   weaker goes. 0.45 by default
 */
DICENET_API void dicenet_request_set_iou_threshold (DicenetRequest *self, gfloat iou_threshold);

/**
 * dicenet_request_set_max_detections:
 * @self: a request
 * @max_detections: detection: boxes in all, the most confident ones; %DICENET_MAX_BOXES at most, and for 0. 100 by
 *   default
 */
DICENET_API void dicenet_request_set_max_detections (DicenetRequest *self, guint max_detections);

/**
 * dicenet_request_set_max_per_class:
 * @self: a request
 * @max_per_class: detection: boxes of each class after suppression; 0 for no limit. 200 by default
 */
DICENET_API void dicenet_request_set_max_per_class (DicenetRequest *self, guint max_per_class);

G_END_DECLS
