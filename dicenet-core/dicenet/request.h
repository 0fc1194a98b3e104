/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * DicenetRequest:
 *
 * Parameters of a run: the inference size, the part of the picture, and how the network's outputs are decoded. The
 * defaults are the whole picture, the model's default size and the model's own thresholds:
 * dicenet_model_get_thresholds(), or if it has none, dicenet_model_get_threshold(). A run copies what it needs, so that
 * a request can be changed and used again.
 */
typedef struct _DicenetRequest DicenetRequest;

#define DICENET_TYPE_REQUEST (dicenet_request_get_type ())
DICENET_API GType dicenet_request_get_type (void);

/**
 * dicenet_request_new:
 *
 * Creates a request for the defaults.
 *
 * Returns: (transfer full): a request; free with dicenet_request_free()
 */
DICENET_API DicenetRequest *dicenet_request_new (void);

/**
 * dicenet_request_copy: (skip)
 * @self: a request
 *
 * Copies a request.
 *
 * Returns: (transfer full): a copy
 */
DICENET_API DicenetRequest *dicenet_request_copy (const DicenetRequest *self);

/**
 * dicenet_request_free: (skip)
 * @self: (transfer full): a request
 *
 * Frees a request.
 */
DICENET_API void dicenet_request_free (DicenetRequest *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetRequest, dicenet_request_free)

/**
 * dicenet_request_set_size:
 * @self: a request
 * @width: inference width in pixels, %DICENET_MIN_SIZE to %DICENET_MAX_SIZE; 0, the default, for the model's default
 * @height: inference height in pixels, likewise
 *
 * Sets the size that the picture, or the selected part of it, is scaled to, and that the network runs at.
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
 * Runs on a part of the picture as on a picture of its own: results are relative to it. It must lie inside the picture.
 * In formats with subsampled chroma, a part at an odd position begins with the chroma sample of its first pixel, which
 * shifts chroma by a pixel, as GStreamer's videocrop does. Not supported for tensors.
 */
DICENET_API void dicenet_request_set_rectangle (DicenetRequest *self, guint x, guint y, guint width, guint height);

/**
 * dicenet_request_set_decode:
 * @self: a request
 * @decode: whether outputs are decoded to classes, boxes or a mask; %TRUE by default
 *
 * Sets whether raw outputs are made into classes, boxes or a mask.
 */
DICENET_API void dicenet_request_set_decode (DicenetRequest *self, gboolean decode);

/**
 * dicenet_request_set_outputs:
 * @self: a request
 * @outputs: whether the result contains the network's raw outputs; %FALSE by default
 *
 * Sets whether the result has the network's raw outputs.
 */
DICENET_API void dicenet_request_set_outputs (DicenetRequest *self, gboolean outputs);

/**
 * dicenet_request_set_threshold:
 * @self: a request
 * @threshold: minimum confidence of classes and boxes, for all classes; below 0, the default, for the model's own
 *   thresholds
 *
 * Sets the confidence from which results are reported.
 */
DICENET_API void dicenet_request_set_threshold (DicenetRequest *self, gfloat threshold);

/**
 * dicenet_request_set_top_k:
 * @self: a request
 * @top_k: classification: maximum number of classes, most confident first; 0 for all. 5 by default
 *
 * Sets the maximum number of classes of a picture.
 */
DICENET_API void dicenet_request_set_top_k (DicenetRequest *self, guint top_k);

/**
 * dicenet_request_set_class_thresholds:
 * @self: a request
 * @thresholds: (nullable) (array length=n): classification, detection: a threshold for each class of the model, instead
 *   of dicenet_request_set_threshold(). Below 0 leaves that one, or the model's own, to the class; above 1 excludes
 *   it. %NULL, the default, for none. The array is copied
 * @n: number of thresholds, dicenet_model_get_n_classes()
 *
 * Sets a confidence for each class from which its results are reported.
 */
DICENET_API void dicenet_request_set_class_thresholds (DicenetRequest *self, const gfloat *thresholds, gsize n);

/**
 * dicenet_request_set_iou_threshold:
 * @self: a request
 * @iou_threshold: detection: of two boxes of a class whose intersection over union exceeds this, the one with lower
 *   confidence is suppressed. 0.45 by default
 *
 * Sets how far boxes of one class may overlap.
 */
DICENET_API void dicenet_request_set_iou_threshold (DicenetRequest *self, gfloat iou_threshold);

/**
 * dicenet_request_set_cross_class_iou_threshold:
 * @self: a request
 * @iou_threshold: detection: of two boxes of different classes whose intersection over union in the picture exceeds this,
 *   the one with lower confidence is suppressed; 1 keeps both. 0.8 by default
 *
 * Sets how far boxes of different classes may overlap: what seems to be a dog and a cat is one of them. Applied to the
 * boxes that are left within the limits of their number.
 */
DICENET_API void dicenet_request_set_cross_class_iou_threshold (DicenetRequest *self, gfloat iou_threshold);

/**
 * dicenet_request_set_max_detections:
 * @self: a request
 * @max_detections: detection: maximum number of boxes of a picture, most confident first, up to %DICENET_MAX_BOXES; 0
 *   means %DICENET_MAX_BOXES. 100 by default
 *
 * Sets the maximum number of boxes in a picture.
 */
DICENET_API void dicenet_request_set_max_detections (DicenetRequest *self, guint max_detections);

/**
 * dicenet_request_set_max_per_class:
 * @self: a request
 * @max_per_class: detection: maximum number of boxes of each class after suppression; 0 for no limit. 200 by default
 *
 * Sets the maximum number of boxes of a class.
 */
DICENET_API void dicenet_request_set_max_per_class (DicenetRequest *self, guint max_per_class);

G_END_DECLS
