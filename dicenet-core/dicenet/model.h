/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * DicenetTask:
 * @DICENET_TASK_CLASSIFY: classification of the whole picture: one logit per class
 * @DICENET_TASK_DETECT: object detection: a class and a box per object
 * @DICENET_TASK_SEGMENT: semantic segmentation: a mask with one class per pixel
 *
 * What a network computes.
 */
typedef enum {
  DICENET_TASK_CLASSIFY,
  DICENET_TASK_DETECT,
  DICENET_TASK_SEGMENT,
} DicenetTask;

/**
 * DicenetHead:
 * @DICENET_HEAD_SSD: six boxes for each cell of six feature maps, relative to priors
 * @DICENET_HEAD_ANCHOR_FREE: one box for each cell of four feature maps
 *
 * The form of a detector, which says what its raw outputs are: see dicenet_result_get_output().
 */
typedef enum {
  DICENET_HEAD_SSD,
  DICENET_HEAD_ANCHOR_FREE,
} DicenetHead;

/**
 * DicenetModel:
 *
 * A network loaded from a file: its validated description and weights. Models are immutable, so any number of sessions
 * and threads may share one.
 */
#define DICENET_TYPE_MODEL (dicenet_model_get_type ())
DICENET_API
G_DECLARE_FINAL_TYPE (DicenetModel, dicenet_model, DICENET, MODEL, GObject)

/**
 * dicenet_model_load:
 * @path: (type filename): a safetensors file as described in docs/model-format.md, or a model's name
 * @error: return location for a #GError of domain %DICENET_ERROR
 *
 * Loads a model. A @path without a slash that does not end in ".safetensors" is a name: NAME.safetensors is searched
 * for in the folders of the environment variable DICENET_MODEL_PATH (separated by colons), then where this library's
 * models are installed, PREFIX/share/dicenet/models. If there is no such file, the error is %DICENET_ERROR_NOT_FOUND
 * and lists the folders that were searched.
 *
 * If the process still holds a model loaded from the same unchanged file, that model is returned and the file is not
 * read again. Thread-safe.
 *
 * Returns: (transfer full): the model, or %NULL with @error set
 */
DICENET_API DicenetModel *dicenet_model_load (const char *path, GError **error);

/**
 * dicenet_model_get_path:
 * @self: a model
 *
 * Gets the file that the model was loaded from.
 *
 * Returns: (type filename): the path that the model was loaded from
 */
DICENET_API const char *dicenet_model_get_path (DicenetModel *self);

/**
 * dicenet_model_get_name:
 * @self: a model
 *
 * Gets the model's name.
 *
 * Returns: the file name without folder and extension, which identifies the model in results. UTF-8; invalid bytes
 *   become U+FFFD.
 */
DICENET_API const char *dicenet_model_get_name (DicenetModel *self);

/**
 * dicenet_model_get_task:
 * @self: a model
 *
 * Gets what the network computes.
 *
 * Returns: the model's task
 */
DICENET_API DicenetTask dicenet_model_get_task (DicenetModel *self);

/**
 * dicenet_model_get_scale:
 * @self: a model
 *
 * Gets the factor on the network's channels.
 *
 * Returns: width multiplier: s of the paper's Table VIII, or of another backbone's table (docs/networks.md)
 */
DICENET_API gdouble dicenet_model_get_scale (DicenetModel *self);

/**
 * dicenet_model_get_n_classes:
 * @self: a model
 *
 * Gets the number of classes.
 *
 * Returns: number of classes; for detection, including the background (class 0).
 */
DICENET_API guint dicenet_model_get_n_classes (DicenetModel *self);

/**
 * dicenet_model_get_multi_label:
 * @self: a model
 *
 * Tells whether a picture may have several classes, or none.
 *
 * Returns: %TRUE if classes are independent (sigmoid per class), %FALSE if they exclude each other (softmax). Only
 *   classification can be multi-label.
 */
DICENET_API gboolean dicenet_model_get_multi_label (DicenetModel *self);

/**
 * dicenet_model_get_threshold:
 * @self: a model
 *
 * Gets the confidence from which results are reported by default.
 *
 * Returns: default minimum confidence of reported classes and objects, from 0 to 1, unless the model has
 *   dicenet_model_get_thresholds(): `threshold` of the model file; otherwise 0.5 for objects and tags (multi-label),
 *   and 0 for classes that exclude each other. 0 for segmentation, whose masks have no confidences.
 */
DICENET_API gfloat dicenet_model_get_threshold (DicenetModel *self);

/**
 * dicenet_model_get_thresholds:
 * @self: a model
 * @n: (out) (optional): number of thresholds: dicenet_model_get_n_classes(), or 0 if there are none
 *
 * Gets the confidence from which results of each class are reported by default.
 *
 * Returns: (transfer none) (nullable) (array length=n): default minimum confidence of each class, from 0 to 1, in the
 *   order of labels: `thresholds` of the model file. A detector's first is that of the background, which is never
 *   reported. %NULL if the file has none: dicenet_model_get_threshold() is then that of all classes. The model owns
 *   them.
 */
DICENET_API const gfloat *dicenet_model_get_thresholds (DicenetModel *self, gsize *n);

/**
 * dicenet_model_get_head:
 * @self: a model
 *
 * Gets the kind of detection head.
 *
 * Returns: form of a detector; %DICENET_HEAD_SSD for other tasks.
 */
DICENET_API DicenetHead dicenet_model_get_head (DicenetModel *self);

/**
 * dicenet_model_get_pyramid:
 * @self: a model
 *
 * Tells whether an SSD head has a feature pyramid.
 *
 * Returns: %TRUE for a detector with SSD's head and the feature pyramid.
 */
DICENET_API gboolean dicenet_model_get_pyramid (DicenetModel *self);

/**
 * dicenet_model_get_background:
 * @self: a model
 *
 * Gets the class that stands for none of the others.
 *
 * Returns: index of the background class (segmentation, detection), or -1 if there is none.
 */
DICENET_API gint dicenet_model_get_background (DicenetModel *self);

/**
 * dicenet_model_get_size:
 * @self: a model
 * @width: (out) (optional): width
 * @height: (out) (optional): height
 *
 * The model's default inference size in pixels (not the size that its DimConv kernels were trained at).
 */
DICENET_API void dicenet_model_get_size (DicenetModel *self, guint *width, guint *height);

/**
 * dicenet_model_get_n_parameters:
 * @self: a model
 *
 * Gets the number of parameters.
 *
 * Returns: number of trained parameters: convolution weights and biases, BatchNorm's weight and bias, PReLU slopes.
 */
DICENET_API guint64 dicenet_model_get_n_parameters (DicenetModel *self);

/**
 * dicenet_model_get_weight_bytes:
 * @self: a model
 *
 * Gets the size of the weights in memory.
 *
 * Returns: bytes of memory that the weights take on the CPU in single precision. They are allocated once per process,
 *   by the first session. In bfloat16 they take about half of that; if sessions of both precisions are opened, both
 *   sets are kept.
 */
DICENET_API gsize dicenet_model_get_weight_bytes (DicenetModel *self);

/**
 * dicenet_model_get_labels:
 * @self: a model
 *
 * Gets the names of the classes.
 *
 * Returns: (transfer none) (array zero-terminated=1): dicenet_model_get_n_classes() names, in the order of the classes.
 *   Owned by the model. If the file has no labels, they are "class 0", "class 1", ...
 */
DICENET_API const char *const *dicenet_model_get_labels (DicenetModel *self);

/**
 * dicenet_model_load_labels:
 * @self: a model
 * @path: (type filename): text file, UTF-8, one label per line; empty lines at the end are ignored
 * @error: return location for a #GError
 *
 * Reads labels to use instead of the model's own, and checks that there is one per class. For a detector, the
 * background's label may be left out.
 *
 * Returns: (transfer full) (array zero-terminated=1): the labels; free with g_strfreev(). %NULL with @error set on
 *   failure
 */
DICENET_API char **dicenet_model_load_labels (DicenetModel *self, const char *path, GError **error);

/**
 * dicenet_model_fit_size:
 * @self: a model
 * @aspect: display aspect ratio of the picture: width divided by height
 * @width: (out): inference width in pixels
 * @height: (out): inference height in pixels
 *
 * Computes the inference size that keeps the picture's aspect ratio. Its short side is the short side of the model's
 * default size. Because the DiCE unit scales its dimensions, pictures need neither be letterboxed nor squeezed. Beyond
 * an aspect ratio of 4:1 the short side is reduced, so that there are no more pixels than at 4:1. Both sides are within
 * %DICENET_MIN_SIZE and %DICENET_MAX_SIZE.
 */
DICENET_API void dicenet_model_fit_size (DicenetModel *self, gdouble aspect, guint *width, guint *height);

G_END_DECLS
