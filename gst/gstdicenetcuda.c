/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetcuda.h"

#ifdef HAVE_GST_CUDA

#if GST_CHECK_VERSION(1, 24, 0)
#include <gst/cuda/gstcuda.h>
#else
#include <gst/cuda/gstcudabufferpool.h>
#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudamemory.h>
#include <gst/cuda/gstcudautils.h>
#endif

gboolean
gst_dicenet_cuda_is_built (void)
{
  return TRUE;
}

gboolean
gst_dicenet_cuda_ensure_context (GstElement *element, gint device_id, GstObject **context)
{
  return gst_cuda_load_library () && gst_cuda_ensure_element_context (element, device_id, (GstCudaContext **) context);
}

void
gst_dicenet_cuda_set_context (GstElement *element, GstContext *given, gint device_id, GstObject **context)
{
  gst_cuda_handle_set_context (element, given, device_id, (GstCudaContext **) context);
}

gboolean
gst_dicenet_cuda_answer (GstElement *element, GstQuery *query, GstObject *context)
{
  return context && gst_cuda_handle_context_query (element, query, GST_CUDA_CONTEXT (context));
}

gpointer
gst_dicenet_cuda_get_handle (GstObject *context)
{
  return gst_cuda_context_get_handle (GST_CUDA_CONTEXT (context));
}

gboolean
gst_dicenet_cuda_enter (GstObject *context)
{
  return gst_cuda_context_push (GST_CUDA_CONTEXT (context));
}

void
gst_dicenet_cuda_leave (void)
{
  gst_cuda_context_pop (NULL);
}

GstObject *
gst_dicenet_cuda_buffer_context (GstBuffer *buffer, gint device_id)
{
  GstMemory *memory = gst_buffer_n_memory (buffer) > 0 ? gst_buffer_peek_memory (buffer, 0) : NULL;
  guint id = 0;

  if (!memory || !gst_is_cuda_memory (memory))
    return NULL;
  GstCudaContext *context = GST_CUDA_MEMORY_CAST (memory)->context;
  g_object_get (context, "cuda-device-id", &id, NULL);
  return device_id < 0 || (guint) device_id == id ? GST_OBJECT_CAST (context) : NULL;
}

/* Before 1.24, whoever fills a frame waits before it passes it on. */
static void
wait_for_writers (GstBuffer *buffer)
{
#if GST_CHECK_VERSION(1, 24, 0)
  for (guint i = 0; i < gst_buffer_n_memory (buffer); i++) {
    GstMemory *memory = gst_buffer_peek_memory (buffer, i);
    if (gst_is_cuda_memory (memory))
      gst_cuda_memory_sync (GST_CUDA_MEMORY_CAST (memory));
  }
#endif
}

gboolean
gst_dicenet_cuda_map (GstVideoFrame *frame, const GstVideoInfo *info, GstBuffer *buffer)
{
  if (!gst_video_frame_map (frame, info, buffer, (GstMapFlags) (GST_MAP_READ | GST_MAP_CUDA)))
    return FALSE;
  /* Mapping may itself have begun to copy what was written in system memory. */
  wait_for_writers (buffer);
  return TRUE;
}

GstBuffer *
gst_dicenet_cuda_blank_frame (GstObject *context, const GstVideoInfo *info)
{
  gst_cuda_memory_init_once (); /* pools need it before 1.24 */
  GstBufferPool *pool = gst_cuda_buffer_pool_new (GST_CUDA_CONTEXT (context));
  GstStructure *config = gst_buffer_pool_get_config (pool);
  GstCaps *caps = gst_video_info_to_caps (info);
  GstBuffer *buffer = NULL;

  gst_buffer_pool_config_set_params (config, caps, (guint) GST_VIDEO_INFO_SIZE (info), 0, 0);
  gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  gst_caps_unref (caps);
  if (gst_buffer_pool_set_config (pool, config) && gst_buffer_pool_set_active (pool, TRUE) &&
      gst_buffer_pool_acquire_buffer (pool, &buffer, NULL) == GST_FLOW_OK)
    gst_buffer_memset (buffer, 0, 0, gst_buffer_get_size (buffer));
  gst_buffer_pool_set_active (pool, FALSE);
  gst_object_unref (pool);
  return buffer;
}

#else

gboolean
gst_dicenet_cuda_is_built (void)
{
  return FALSE;
}

gboolean
gst_dicenet_cuda_ensure_context (GstElement *element, gint device_id, GstObject **context)
{
  return FALSE;
}

void
gst_dicenet_cuda_set_context (GstElement *element, GstContext *given, gint device_id, GstObject **context)
{
}

gboolean
gst_dicenet_cuda_answer (GstElement *element, GstQuery *query, GstObject *context)
{
  return FALSE;
}

gpointer
gst_dicenet_cuda_get_handle (GstObject *context)
{
  return NULL;
}

gboolean
gst_dicenet_cuda_enter (GstObject *context)
{
  return FALSE;
}

void
gst_dicenet_cuda_leave (void)
{
}

GstObject *
gst_dicenet_cuda_buffer_context (GstBuffer *buffer, gint device_id)
{
  return NULL;
}

gboolean
gst_dicenet_cuda_map (GstVideoFrame *frame, const GstVideoInfo *info, GstBuffer *buffer)
{
  return FALSE;
}

GstBuffer *
gst_dicenet_cuda_blank_frame (GstObject *context, const GstVideoInfo *info)
{
  return NULL;
}

#endif
