/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetcuda.h"

#ifdef HAVE_GST_CUDA

#include <gmodule.h>
#if GST_CHECK_VERSION(1, 24, 0)
#include <gst/cuda/gstcuda.h>
#else
#include <gst/cuda/gstcudabufferpool.h>
#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudamemory.h>
#include <gst/cuda/gstcudautils.h>
#endif

/* The library is opened on demand instead of linked, because the plugin must also load on machines without it. There,
 * no frame is in CUDA memory: an element that produces such frames depends on the library itself. */

#define FILE_NAME "libgstcuda-1.0.so.0"

GST_DEBUG_CATEGORY_STATIC (gst_dicenet_cuda_debug);
#define GST_CAT_DEFAULT gst_dicenet_cuda_debug

#define COMMON_FUNCTIONS(one)                                                                                          \
  one (load_library) one (ensure_element_context) one (handle_set_context) one (handle_context_query)                  \
      one (context_get_handle) one (context_push) one (context_pop) one (memory_init_once) one (buffer_pool_new)
#if GST_CHECK_VERSION(1, 24, 0)
#define FUNCTIONS(one) COMMON_FUNCTIONS (one) one (memory_sync)
#else
#define FUNCTIONS(one) COMMON_FUNCTIONS (one)
#endif

#define POINTER(name) __typeof__ (gst_cuda_##name) *name;
typedef struct {
  FUNCTIONS (POINTER)
} Cuda;

static gboolean
find (GModule *module, const gchar *symbol, gpointer *function)
{
  if (g_module_symbol (module, symbol, function))
    return TRUE;
  GST_WARNING ("%s has no %s: it is older than the one that this plugin was built with", FILE_NAME, symbol);
  return FALSE;
}

static gpointer
open_library (gpointer unused)
{
  static Cuda cuda;
  GModule *module = g_module_open (FILE_NAME, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);

  GST_DEBUG_CATEGORY_INIT (gst_dicenet_cuda_debug, "dicenetcuda", 0, "frames in the memory of NVIDIA's GPUs");
  if (!module) {
    GST_INFO ("no frames in CUDA's memory: %s", g_module_error ());
    return NULL;
  }
  g_module_make_resident (module); /* it registers types */
#define FIND(name) &&find (module, "gst_cuda_" #name, (gpointer *) &cuda.name)
  const gboolean ok = TRUE FUNCTIONS (FIND);
  g_module_close (module);
  return ok ? &cuda : NULL;
}

/* NULL if the library is missing. */
static const Cuda *
get_cuda (void)
{
  static GOnce once = G_ONCE_INIT;
  return g_once (&once, open_library, NULL);
}

gboolean
gst_dicenet_cuda_is_built (void)
{
  return TRUE;
}

gboolean
gst_dicenet_cuda_ensure_context (GstElement *element, gint device_id, GstObject **context)
{
  const Cuda *cuda = get_cuda ();
  return cuda && cuda->load_library () &&
         cuda->ensure_element_context (element, device_id, (GstCudaContext **) context);
}

void
gst_dicenet_cuda_set_context (GstElement *element, GstContext *given, gint device_id, GstObject **context)
{
  const Cuda *cuda = given && gst_context_has_context_type (given, GST_CUDA_CONTEXT_TYPE) ? get_cuda () : NULL;

  if (cuda)
    cuda->handle_set_context (element, given, device_id, (GstCudaContext **) context);
}

gboolean
gst_dicenet_cuda_answer (GstElement *element, GstQuery *query, GstObject *context)
{
  return context && get_cuda ()->handle_context_query (element, query, (GstCudaContext *) context);
}

gpointer
gst_dicenet_cuda_get_handle (GstObject *context)
{
  return get_cuda ()->context_get_handle ((GstCudaContext *) context);
}

gboolean
gst_dicenet_cuda_enter (GstObject *context)
{
  return get_cuda ()->context_push ((GstCudaContext *) context);
}

void
gst_dicenet_cuda_leave (void)
{
  get_cuda ()->context_pop (NULL);
}

/* Does not need the library, since most frames are in system memory. */
static gboolean
is_cuda_memory (GstMemory *memory)
{
  return gst_memory_is_type (memory, GST_CUDA_MEMORY_TYPE_NAME);
}

GstObject *
gst_dicenet_cuda_buffer_context (GstBuffer *buffer, gint device_id)
{
  GstMemory *memory = gst_buffer_n_memory (buffer) > 0 ? gst_buffer_peek_memory (buffer, 0) : NULL;
  guint id = 0;

  if (!memory || !is_cuda_memory (memory) || !get_cuda ())
    return NULL;
  GstCudaContext *context = GST_CUDA_MEMORY_CAST (memory)->context;
  g_object_get (context, "cuda-device-id", &id, NULL);
  return device_id < 0 || (guint) device_id == id ? GST_OBJECT_CAST (context) : NULL;
}

/* Before GStreamer 1.24, the element that fills a frame synchronises before pushing it. */
static void
wait_for_writers (GstBuffer *buffer)
{
#if GST_CHECK_VERSION(1, 24, 0)
  for (guint i = 0; i < gst_buffer_n_memory (buffer); i++) {
    GstMemory *memory = gst_buffer_peek_memory (buffer, i);
    if (is_cuda_memory (memory))
      get_cuda ()->memory_sync (GST_CUDA_MEMORY_CAST (memory));
  }
#endif
}

gboolean
gst_dicenet_cuda_map (GstVideoFrame *frame, const GstVideoInfo *info, GstBuffer *buffer)
{
  if (!gst_video_frame_map (frame, info, buffer, (GstMapFlags) (GST_MAP_READ | GST_MAP_CUDA)))
    return FALSE;
  /* Mapping may have started an upload of data that was written in system memory. */
  wait_for_writers (buffer);
  return TRUE;
}

GstBuffer *
gst_dicenet_cuda_blank_frame (GstObject *context, const GstVideoInfo *info)
{
  get_cuda ()->memory_init_once (); /* before 1.24, pools require this */
  GstBufferPool *pool = get_cuda ()->buffer_pool_new ((GstCudaContext *) context);
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
