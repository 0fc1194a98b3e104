/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Frames in memory:CUDAMemory (GStreamer's CUDA library) and their CUDA contexts. A context is a GstCudaContext; this
 * header uses GstObject, so that no other file includes that library's headers, whose API is not stable. If the plugin
 * is built without the library, there are no such frames and no contexts, and the functions below do nothing. */

#define GST_DICENET_CUDA_MEMORY "memory:CUDAMemory"

/** Formats that GStreamer's CUDA memory supports (from 1.22 on) and the core can read. */
#define GST_DICENET_CUDA_FORMATS "{ NV12, NV21, I420, YV12, RGBA, BGRA, RGBx, BGRx, ARGB, ABGR, RGB, BGR }"

/** Whether the plugin was built with GStreamer's CUDA library. */
gboolean gst_dicenet_cuda_is_built (void);

/**
 * gst_dicenet_cuda_ensure_context:
 * @element: an element
 * @device_id: index of the GPU; -1: any
 * @context: (inout): left unchanged if it is already set
 *
 * Gets a context from neighbouring elements or the application, or creates one.
 *
 * Returns: whether there is a context
 */
gboolean gst_dicenet_cuda_ensure_context (GstElement *element, gint device_id, GstObject **context);
/** Call this from the element's set_context(). */
void gst_dicenet_cuda_set_context (GstElement *element, GstContext *given, gint device_id, GstObject **context);
/** Answers a CONTEXT query for @context. */
gboolean gst_dicenet_cuda_answer (GstElement *element, GstQuery *query, GstObject *context);

/** Returns the CUcontext. */
gpointer gst_dicenet_cuda_get_handle (GstObject *context);
/** Makes a context current on this thread until gst_dicenet_cuda_leave(). Returns %FALSE if CUDA fails. */
gboolean gst_dicenet_cuda_enter (GstObject *context);
void gst_dicenet_cuda_leave (void);

/**
 * gst_dicenet_cuda_buffer_context:
 * @buffer: a frame
 * @device_id: index of the required GPU; -1: any
 *
 * Returns: (transfer none) (nullable): the context of the frame's memory, or %NULL if the frame is not in the memory of
 * that GPU
 */
GstObject *gst_dicenet_cuda_buffer_context (GstBuffer *buffer, gint device_id);
/**
 * Like gst_video_frame_map() for reading, for frames in CUDA memory: the addresses are device addresses. Waits for
 * pending writes to the frame. The frame's context must be current.
 */
gboolean gst_dicenet_cuda_map (GstVideoFrame *frame, const GstVideoInfo *info, GstBuffer *buffer);
/** Allocates a frame of zeros in the context's memory; %NULL if there is not enough memory. */
GstBuffer *gst_dicenet_cuda_blank_frame (GstObject *context, const GstVideoInfo *info);

G_END_DECLS
