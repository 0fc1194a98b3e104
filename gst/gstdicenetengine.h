/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/dicenet.h>
#include <gst/video/video.h>
#include "meta/gstdicenetmeta.h"

G_BEGIN_DECLS

/** What to open, as the properties of the same names say. */
typedef struct {
  gchar *model; /* NULL for the task's default */
  gchar *labels_file;
  DicenetBackend backend;
  gint device_id;
  DicenetPrecision precision;
  guint threads;
  gchar *inference_size;
} GstDicenetSettings;

void gst_dicenet_settings_copy (GstDicenetSettings *to, const GstDicenetSettings *from);
void gst_dicenet_settings_clear (GstDicenetSettings *self);

typedef enum {
  GST_DICENET_SIZE_AUTO,
  GST_DICENET_SIZE_MODEL,
  GST_DICENET_SIZE_NATIVE,
  GST_DICENET_SIZE_FIXED,
} GstDicenetSizeMode;

/** A model that is open and can run. All zero where none is. */
typedef struct {
  DicenetModel *model;
  DicenetSession *session;
  gchar **labels;
  GstDicenetSizeMode size_mode;
  guint fixed_width, fixed_height;
} GstDicenetEngine;

/** Name of the model that is taken for a task if none is set, as dicenet_model_load() finds it. */
const gchar *gst_dicenet_engine_default_model (GstDicenetTask task);

/**
 * gst_dicenet_engine_open:
 * @self: (out caller-allocates): gets what was opened; left all zero on error
 * @settings: what to open
 * @task: what the model must do
 * @error: return location for a #GError of domain %GST_RESOURCE_ERROR that tells what to do about it
 *
 * Returns: whether it worked
 */
gboolean gst_dicenet_engine_open (GstDicenetEngine *self, const GstDicenetSettings *settings, GstDicenetTask task,
                                  GError **error);
void gst_dicenet_engine_close (GstDicenetEngine *self);

/**
 * gst_dicenet_engine_choose_size:
 * @self: an open engine
 * @info: format of the frames
 * @width: (out): inference width
 * @height: (out): inference height
 * @error: return location for a #GError of domain %GST_STREAM_ERROR
 *
 * Returns: %FALSE with @error set if frames of this size can't be inferred at the size that the settings ask for
 */
gboolean gst_dicenet_engine_choose_size (const GstDicenetEngine *self, const GstVideoInfo *info, guint *width,
                                         guint *height, GError **error);

/**
 * gst_dicenet_post_error:
 * @element: an element
 * @error: (transfer full): an error of the core or of GStreamer
 *
 * Posts @error on the bus. Errors of the core become %GST_RESOURCE_ERROR.
 */
void gst_dicenet_post_error (GstElement *element, GError *error);

G_END_DECLS
