/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * DicenetTask:
 * @DICENET_TASK_CLASSIFY: the whole picture: one logit per class
 * @DICENET_TASK_DETECT: boxes: one class and one place per object (SSD)
 * @DICENET_TASK_SEGMENT: a mask: one class per pixel
 */
typedef enum {
  DICENET_TASK_CLASSIFY,
  DICENET_TASK_DETECT,
  DICENET_TASK_SEGMENT,
} DicenetTask;

/**
 * DicenetModel:
 *
 * A network read from a file: its description and its weights, checked, ready to run. It never changes after it was
 * loaded, so any number of sessions and threads may share one.
 */
#define DICENET_TYPE_MODEL (dicenet_model_get_type ())
DICENET_API
G_DECLARE_FINAL_TYPE (DicenetModel, dicenet_model, DICENET, MODEL, GObject)

/**
 * dicenet_model_load:
 * @path: (type filename): a safetensors file as described in docs/model-format.md, or a model's name
 * @error: return location for a #GError of domain %DICENET_ERROR
 *
 * Loads a model. What has no slash and does not end in ".safetensors" is a name: the file NAME.safetensors is looked
 * for in the folders of the environment variable DICENET_MODEL_PATH (separated by colons), then where this library's
 * models were installed, PREFIX/share/dicenet/models. %DICENET_ERROR_NOT_FOUND says that there is no such file, and
 * which folders were searched.
 *
 * While a model that was loaded from the same unchanged file is alive anywhere in the process, that one
 * is returned and the file is not read again. Thread-safe.
 *
 * Returns: (transfer full): the model, or %NULL with @error set
 */
DICENET_API DicenetModel *dicenet_model_load (const char *path, GError **error);

/**
 * dicenet_model_get_path:
 * @self: a model
 *
 * Returns: (type filename): the path that it was loaded from
 */
DICENET_API const char *dicenet_model_get_path (DicenetModel *self);

/**
 * dicenet_model_get_name:
 * @self: a model
 *
 * Returns: file name without folder and ending: what results name the model by. UTF-8: what is not becomes U+FFFD.
 */
DICENET_API const char *dicenet_model_get_name (DicenetModel *self);

/**
 * dicenet_model_get_task:
 * @self: a model
 *
 * Returns: what it does
 */
DICENET_API DicenetTask dicenet_model_get_task (DicenetModel *self);

/**
 * dicenet_model_get_scale:
 * @self: a model
 *
 * Returns: width multiplier: s of the paper's Table VIII, or of another backbone's table (docs/networks.md)
 */
DICENET_API gdouble dicenet_model_get_scale (DicenetModel *self);

/**
 * dicenet_model_get_n_classes:
 * @self: a model
 *
 * Returns: number of classes, the background among them for detection (class 0).
 */
DICENET_API guint dicenet_model_get_n_classes (DicenetModel *self);

/**
 * dicenet_model_get_multi_label:
 * @self: a model
 *
 * Returns: whether classes exclude each other (softmax) or not (sigmoid per class). Only classification can be
 *   multi-label.
 */
DICENET_API gboolean dicenet_model_get_multi_label (DicenetModel *self);

/**
 * dicenet_model_get_threshold:
 * @self: a model
 *
 * Returns: confidence from which on a class or an object is worth reporting, from 0 to 1: `threshold` of the model
 * file, else 0.5 for objects and tags (multi-label) and 0 for classes that exclude each other. 0 for segmentation,
 * whose masks have no confidences.
 */
DICENET_API gfloat dicenet_model_get_threshold (DicenetModel *self);

/**
 * dicenet_model_get_pyramid:
 * @self: a model
 *
 * Returns: whether a detector has the feature pyramid.
 */
DICENET_API gboolean dicenet_model_get_pyramid (DicenetModel *self);

/**
 * dicenet_model_get_background:
 * @self: a model
 *
 * Returns: index of the class that stands for "nothing" (segmentation, detection), or -1 where there is none.
 */
DICENET_API gint dicenet_model_get_background (DicenetModel *self);

/**
 * dicenet_model_get_size:
 * @self: a model
 * @width: (out) (optional): width
 * @height: (out) (optional): height
 *
 * Size in pixels that the model is meant to run at (not the size its DimConv kernels were made for).
 */
DICENET_API void dicenet_model_get_size (DicenetModel *self, guint *width, guint *height);

/**
 * dicenet_model_get_n_parameters:
 * @self: a model
 *
 * Returns: number of trained parameters: convolution weights and biases, BatchNorm's weight and bias, PReLU slopes.
 */
DICENET_API guint64 dicenet_model_get_n_parameters (DicenetModel *self);

/**
 * dicenet_model_get_weight_bytes:
 * @self: a model
 *
 * Returns: bytes of memory that the weights take on the processor in single precision, once per process, from the first
 *   session on. In bfloat16 they take about half of that; where sessions of both are opened, each takes its own.
 */
DICENET_API gsize dicenet_model_get_weight_bytes (DicenetModel *self);

/**
 * dicenet_model_get_labels:
 * @self: a model
 *
 * Returns: (transfer none) (array zero-terminated=1): dicenet_model_get_n_classes() names, in the order of the classes.
 *   Owned by the model. A file without labels gets "class 0", "class 1", ...
 */
DICENET_API const char *const *dicenet_model_get_labels (DicenetModel *self);

/**
 * dicenet_model_load_labels:
 * @self: a model
 * @path: (type filename): text file, UTF-8, one label per line; empty lines at the end are ignored
 * @error: return location for a #GError
 *
 * Reads labels to use in place of the model's own, and checks that they are as many as the model has classes. For a
 * detector, a file that leaves out the background is accepted as well.
 *
 * Returns: (transfer full) (array zero-terminated=1): the labels, to be freed with g_strfreev(), or %NULL with @error
 * set
 */
DICENET_API char **dicenet_model_load_labels (DicenetModel *self, const char *path, GError **error);

/**
 * dicenet_model_fit_size:
 * @self: a model
 * @aspect: the picture's width divided by its height as it is displayed
 * @width: (out): inference width in pixels
 * @height: (out): inference height in pixels
 *
 * The inference size that keeps the picture's shape, its short side at the short side of the size that the model is
 * meant for: no letterbox and no squeeze, because the DiCE unit scales its dimensions. Of pictures more than 4 times as
 * long as wide the short side gives way, so that there are no more pixels than at 4:1. Both are within
 * %DICENET_MIN_SIZE and %DICENET_MAX_SIZE.
 */
DICENET_API void dicenet_model_fit_size (DicenetModel *self, gdouble aspect, guint *width, guint *height);

G_END_DECLS
