/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Frames in memory:CUDAMemory (GStreamer's library for CUDA), and the CUDA contexts that they belong to. A context is a
 * GstCudaContext; it is a GstObject here, so that no other file needs that library, whose interface is not stable.
 * Where the plugin is built without it, no frame is in such memory, there are no contexts, and the functions below do
 * nothing. */

#define GST_DICENET_CUDA_MEMORY "memory:CUDAMemory"

/** What GStreamer's CUDA memory can hold (from 1.22 on) and the core can read. */
#define GST_DICENET_CUDA_FORMATS "{ NV12, NV21, I420, YV12, RGBA, BGRA, RGBx, BGRx, ARGB, ABGR, RGB, BGR }"

/** Whether the plugin was built with it. */
gboolean gst_dicenet_cuda_is_built (void);

/**
 * gst_dicenet_cuda_ensure_context:
 * @element: an element
 * @device_id: the GPU; -1: any
 * @context: (inout): kept as it is if it is set
 *
 * Finds the context of the elements around or of the application, and makes one where nobody has any.
 *
 * Returns: whether there is one
 */
gboolean gst_dicenet_cuda_ensure_context (GstElement *element, gint device_id, GstObject **context);
/** To be called by the element's set_context(). */
void gst_dicenet_cuda_set_context (GstElement *element, GstContext *given, gint device_id, GstObject **context);
/** Answers a CONTEXT query if it asks for @context. */
gboolean gst_dicenet_cuda_answer (GstElement *element, GstQuery *query, GstObject *context);

/** The CUcontext. */
gpointer gst_dicenet_cuda_get_handle (GstObject *context);
/** Makes a context current to this thread until gst_dicenet_cuda_leave(); %FALSE where CUDA fails. */
gboolean gst_dicenet_cuda_enter (GstObject *context);
void gst_dicenet_cuda_leave (void);

/**
 * gst_dicenet_cuda_buffer_context:
 * @buffer: a frame
 * @device_id: the GPU that it has to be on; -1: any
 *
 * Returns: (transfer none) (nullable): the context of the frame's memory, if it is in a GPU's
 */
GstObject *gst_dicenet_cuda_buffer_context (GstBuffer *buffer, gint device_id);
/**
 * gst_video_frame_map() of such a frame for reading, with addresses in the GPU's memory. Waits for what still writes
 * there. Its context has to be current.
 */
gboolean gst_dicenet_cuda_map (GstVideoFrame *frame, const GstVideoInfo *info, GstBuffer *buffer);
/** A frame of zeros in the context's memory; %NULL where there is none left. */
GstBuffer *gst_dicenet_cuda_blank_frame (GstObject *context, const GstVideoInfo *info);

G_END_DECLS
