/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstdicenetsettings.h"
#include <gst/video/video.h>

G_BEGIN_DECLS

#define GST_TYPE_DICENET_ENGINE (gst_dicenet_engine_get_type ())
/**
 * GstDicenetEngine:
 *
 * An open model with a session. The session may compute in a CUDA context of the pipeline, and can move to another one:
 * use it only between gst_dicenet_engine_enter() and gst_dicenet_engine_leave(), and from one thread at a time, as
 * these functions. Model, labels and device never change; any thread that holds a reference may read them.
 */
G_DECLARE_FINAL_TYPE (GstDicenetEngine, gst_dicenet_engine, GST, DICENET_ENGINE, GObject)

/** What a task is called. */
typedef struct {
  const gchar *noun;    /* "detection" */
  const gchar *element; /* "dicenetdetect" */
  const gchar *name;    /* "dicenet-detect": its messages, and the model that is taken if none is set */
} GstDicenetTaskNames;

const GstDicenetTaskNames *gst_dicenet_task_get_names (GstDicenetTask task);

/**
 * gst_dicenet_engine_new:
 * @settings: what to open
 * @task: required task of the model
 * @error: return location for a #GError of domain %GST_RESOURCE_ERROR, whose message says what to do
 *
 * Returns: (transfer full) (nullable): an engine, or %NULL with @error set
 */
GstDicenetEngine *gst_dicenet_engine_new (const GstDicenetSettings *settings, GstDicenetTask task, GError **error);

DicenetModel *gst_dicenet_engine_get_model (const GstDicenetEngine *self);
/** The current session; gst_dicenet_engine_use_context() may replace it. */
DicenetSession *gst_dicenet_engine_get_session (const GstDicenetEngine *self);
/** Class names: those of the labels file if the settings name one, otherwise the model's. */
const gchar *const *gst_dicenet_engine_get_labels (const GstDicenetEngine *self);
/** Index of the GPU from the settings. */
gint gst_dicenet_engine_get_device_id (const GstDicenetEngine *self);

/**
 * gst_dicenet_engine_choose_size:
 * @self: an engine
 * @info: format of the frames
 * @width: (out): inference width
 * @height: (out): inference height
 * @error: return location for a #GError of domain %GST_STREAM_ERROR
 *
 * Returns: %FALSE with @error set if frames of this size can't be inferred at the size in the settings
 */
gboolean gst_dicenet_engine_choose_size (const GstDicenetEngine *self, const GstVideoInfo *info, guint *width,
                                         guint *height, GError **error);

/**
 * gst_dicenet_engine_choose_region_size:
 * @self: an engine
 * @info: format of the frames
 * @region: a part of a frame
 * @width: (out): inference width
 * @height: (out): inference height
 *
 * Chooses a size for the region. If the size in the settings is "auto", it has as many pixels as the model's size, and
 * one of seven shapes, the nearest to the region's: a session keeps what it prepared for eight sizes.
 */
void gst_dicenet_engine_choose_region_size (const GstDicenetEngine *self, const GstVideoInfo *info,
                                            const GstVideoRectangle *region, guint *width, guint *height);

/**
 * gst_dicenet_engine_check_regions:
 * @self: an engine
 * @error: return location for a #GError of domain %GST_RESOURCE_ERROR
 *
 * Returns: %FALSE with @error set if the settings do not fit inference on parts of frames
 */
gboolean gst_dicenet_engine_check_regions (const GstDicenetEngine *self, GError **error);

/**
 * gst_dicenet_engine_use_context:
 * @self: an engine, not entered
 * @context: (nullable): CUDA context of the next frames; %NULL for frames in system memory
 * @error: return location for a #GError of domain %GST_RESOURCE_ERROR
 *
 * Moves a session on a GPU to the context of the frames, so that it can read them without a copy: if it computes in
 * another context, it is opened again. With backend=auto, frames that can't be read there for any reason go through
 * system memory from then on.
 *
 * Returns: %FALSE with @error set if this failed
 */
gboolean gst_dicenet_engine_use_context (GstDicenetEngine *self, GstObject *context, GError **error);

gboolean gst_dicenet_engine_enter (const GstDicenetEngine *self, GError **error);
void gst_dicenet_engine_leave (const GstDicenetEngine *self);

/** A frame that is mapped for the session. */
typedef struct {
  GstVideoFrame frame;
  DicenetImage image;
} GstDicenetPicture;

/**
 * gst_dicenet_engine_map:
 * @self: an engine, entered
 * @picture: (out caller-allocates): the picture; unmap with gst_video_frame_unmap() before gst_dicenet_engine_leave()
 * @buffer: a frame
 * @info: its format
 * @error: return location for a #GError
 *
 * Maps a frame, without copying it to system memory if the session can read its memory.
 *
 * Returns: %FALSE with @error set if this failed
 */
gboolean gst_dicenet_engine_map (const GstDicenetEngine *self, GstDicenetPicture *picture, GstBuffer *buffer,
                                 const GstVideoInfo *info, GError **error);

/**
 * gst_dicenet_engine_submit:
 * @self: an engine, entered
 * @buffer: a frame
 * @info: its format
 * @request: the request
 * @error: return location for a #GError
 *
 * Submits a frame, mapped by gst_dicenet_engine_map(). The frame is not needed after this function returns.
 *
 * Returns: (transfer full): the submission, to be waited for between gst_dicenet_engine_enter() and
 * gst_dicenet_engine_leave(), or %NULL with @error set
 */
DicenetSubmission *gst_dicenet_engine_submit (const GstDicenetEngine *self, GstBuffer *buffer, const GstVideoInfo *info,
                                              const DicenetRequest *request, GError **error);

/**
 * gst_dicenet_post_error:
 * @element: an element
 * @error: (transfer full): an error of the core or of GStreamer
 *
 * Posts @error on the bus. Errors of the core become %GST_RESOURCE_ERROR.
 */
void gst_dicenet_post_error (GstElement *element, GError *error);

G_END_DECLS
