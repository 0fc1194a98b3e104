/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <dicenet/model.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * DicenetClass:
 * @label_id: index of the class
 * @confidence: 0 to 1: softmax over the classes, or the class's own sigmoid for a multi-label model
 *
 * A class that a picture shows.
 */
typedef struct {
  guint label_id;
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
 * @label_id: index of the class, never the background
 * @confidence: 0 to 1
 *
 * A detected object. Edges are fractions of the width and height of the picture, or of its requested part
 * (dicenet_request_set_rectangle()). They are not clipped: an object that extends beyond the picture has edges below 0
 * or above 1.
 */
typedef struct {
  gfloat x0, y0, x1, y1;
  guint label_id;
  gfloat confidence;
} DicenetBox;

#define DICENET_TYPE_BOX (dicenet_box_get_type ())
DICENET_API GType dicenet_box_get_type (void);

/**
 * DICENET_MAX_BOXES:
 *
 * Maximum number of boxes of a picture.
 */
#define DICENET_MAX_BOXES 16384

/**
 * DicenetResult:
 *
 * The result of a run, for each picture of its batch: classes, boxes or a mask, and the raw outputs if requested.
 * Results are immutable and independent of their session: any number can be alive, any threads may read them, and they
 * may outlive the session. What a result's functions return is valid as long as the result.
 */
typedef struct _DicenetResult DicenetResult;

#define DICENET_TYPE_RESULT (dicenet_result_get_type ())
DICENET_API GType dicenet_result_get_type (void);

/**
 * dicenet_result_ref: (skip)
 * @self: a result
 *
 * Takes a reference.
 *
 * Returns: (transfer full): the result, with another reference
 */
DICENET_API DicenetResult *dicenet_result_ref (DicenetResult *self);

/**
 * dicenet_result_unref: (skip)
 * @self: (transfer full): a result
 *
 * Drops a reference.
 */
DICENET_API void dicenet_result_unref (DicenetResult *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DicenetResult, dicenet_result_unref)

/**
 * dicenet_result_get_model:
 * @self: a result
 *
 * Gets the model that found this.
 *
 * Returns: (transfer none): the model of the session that produced the result
 */
DICENET_API DicenetModel *dicenet_result_get_model (DicenetResult *self);

/**
 * dicenet_result_get_n_pictures:
 * @self: a result
 *
 * Gets the number of pictures of the run.
 *
 * Returns: number of pictures in the batch; always 1 except for tensors
 */
DICENET_API guint dicenet_result_get_n_pictures (DicenetResult *self);

/**
 * dicenet_result_get_size:
 * @self: a result
 * @width: (out) (optional): inference width in pixels
 * @height: (out) (optional): inference height in pixels
 *
 * Gets the size that the network ran at.
 */
DICENET_API void dicenet_result_get_size (DicenetResult *self, guint *width, guint *height);

/**
 * dicenet_result_get_classes: (skip)
 * @self: a classification result, of a request with decoding
 * @picture: index in the batch
 * @n: (out): number of elements, may be 0
 *
 * Gets the classes that were found.
 *
 * Returns: (transfer none) (array length=n) (nullable): classes, most confident first
 */
DICENET_API const DicenetClass *dicenet_result_get_classes (DicenetResult *self, guint picture, guint *n);

/**
 * dicenet_result_dup_classes: (rename-to dicenet_result_get_classes)
 * @self: a classification result, of a request with decoding
 * @picture: index in the batch
 *
 * Copies the classes that were found, for other languages.
 *
 * Returns: (transfer full) (element-type DicenetClass): copies of dicenet_result_get_classes()
 */
DICENET_API GList *dicenet_result_dup_classes (DicenetResult *self, guint picture);

/**
 * dicenet_result_get_boxes: (skip)
 * @self: a detection result, of a request with decoding
 * @picture: index in the batch
 * @n: (out): number of elements, may be 0
 *
 * Gets the boxes that were found.
 *
 * Returns: (transfer none) (array length=n) (nullable): boxes, most confident first
 */
DICENET_API const DicenetBox *dicenet_result_get_boxes (DicenetResult *self, guint picture, guint *n);

/**
 * dicenet_result_dup_boxes: (rename-to dicenet_result_get_boxes)
 * @self: a detection result, of a request with decoding
 * @picture: index in the batch
 *
 * Copies the boxes that were found, for other languages.
 *
 * Returns: (transfer full) (element-type DicenetBox): copies of dicenet_result_get_boxes()
 */
DICENET_API GList *dicenet_result_dup_boxes (DicenetResult *self, guint picture);

/**
 * dicenet_result_get_mask:
 * @self: a segmentation result, of a request with decoding
 * @picture: index in the batch
 *
 * Gets the class of each pixel.
 *
 * Returns: (transfer none): the most likely class of each pixel: inference width x inference height bytes
 */
DICENET_API GBytes *dicenet_result_get_mask (DicenetResult *self, guint picture);

/**
 * dicenet_result_get_output:
 * @self: a result
 * @name: classification: "logits" (classes); segmentation: "logits" (classes x h x w at half the inference size,
 *   rounded up; dicenet_result_scale_logits() scales them to the inference size); detection (SSD): "confidences"
 * (priors x classes, before softmax) and "locations" (priors x 4); anchor-free: "confidences" (cells x (classes - 1),
 * before a sigmoid each, without the background) and "locations" (cells x 4)
 * @picture: index in the batch
 * @n: (out) (optional): number of floats
 *
 * Gets a raw output of the network.
 *
 * Returns: (transfer none) (nullable) (array length=n): a raw output, or %NULL if there is none of this name or outputs
 *   were not requested
 */
DICENET_API const gfloat *dicenet_result_get_output (DicenetResult *self, const char *name, guint picture, gsize *n);

/**
 * dicenet_result_get_priors:
 * @self: a detection result with outputs
 * @n: (out): number of floats, 4 per prior
 *
 * What "locations" are relative to. For %DICENET_HEAD_SSD, the prior boxes, clipped to the picture's size. For
 * %DICENET_HEAD_ANCHOR_FREE, the cells of the feature maps, which may be larger than the picture, or beyond its edge: a
 * box reaches from (x - w exp (t0), y - h exp (t1)) to (x + w exp (t2), y + h exp (t3)), with t clamped to -6..6.
 *
 * Returns: (transfer none) (nullable) (array length=n): the priors: centre x, centre y, width and height as fractions
 *   of the picture; %NULL if the model is not a detector or outputs were not requested
 */
DICENET_API const gfloat *dicenet_result_get_priors (DicenetResult *self, gsize *n);

/**
 * dicenet_result_scale_logits: (skip)
 * @self: a segmentation result with outputs
 * @picture: index in the batch
 * @logits: (out caller-allocates): classes x height x width floats at the inference size
 * @error: return location for a #GError
 *
 * Scales the logits to the inference size. dicenet_result_get_mask() is their argmax over the classes.
 *
 * Returns: %TRUE on success, %FALSE with @error set (%DICENET_ERROR_NO_MEMORY) if out of memory
 */
DICENET_API gboolean dicenet_result_scale_logits (DicenetResult *self, guint picture, gfloat *logits, GError **error);

G_END_DECLS
