/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Frames in memory:CUDAMemory: GStreamer's CUDA library and the CUDA backend, on an emulated driver and an emulated GPU
 * (tests/cuda/emulator). */

#include "common.h"

#if GST_CHECK_VERSION(1, 24, 0)
#include <gst/cuda/gstcuda.h>
#else
#include <gst/cuda/gstcudabufferpool.h>
#include <gst/cuda/gstcudacontext.h>
#include <gst/cuda/gstcudamemory.h>
#include <gst/cuda/gstcudautils.h>
#endif

int emulated_copies (void);

#define CUDA_CAPS "video/x-raw(memory:CUDAMemory),format=%s,width=%d,height=%d,framerate=30/1"
#define WIDTH     99
#define HEIGHT    66 /* for I420 with an odd height, GStreamer 1.22 does not copy V to the GPU */

static void
be (const gchar *gpu)
{
  g_setenv ("DICENET_EMULATED_GPU", gpu, TRUE);
}

static GstCudaContext *
context_new (void)
{
  fail_unless (gst_cuda_load_library ());
  gst_cuda_memory_init_once ();
  GstCudaContext *context = gst_cuda_context_new (0);
  fail_unless (context != NULL);
  return context;
}

static void
set_cuda_caps (GstHarness *h, const gchar *format, gint width, gint height)
{
  gchar *caps = g_strdup_printf (CUDA_CAPS, format, width, height);

  gst_harness_set_src_caps_str (h, caps);
  g_free (caps);
}

static GstHarness *
cuda_harness_new (const gchar *element, const gchar *extra, GstCudaContext *context)
{
  gchar *line = launch_line (element, extra);
  GstHarness *h = harness_for (line);

  g_free (line);
  if (context) {
    GstContext *given = gst_context_new_cuda_context (context);
    gst_element_set_context (h->element, given);
    gst_context_unref (given);
  }
  set_cuda_caps (h, "NV12", WIDTH, HEIGHT);
  return h;
}

/* Copies @from to GPU memory, in the state in which a decoder leaves it: access from system memory requires a copy. */
static GstBuffer *
on_gpu (GstCudaContext *context, GstBuffer *from, const gchar *format, gint width, gint height)
{
  GstBufferPool *pool = gst_cuda_buffer_pool_new (context);
  GstStructure *config = gst_buffer_pool_get_config (pool);
  gchar *text = video_caps (format, width, height);
  GstCaps *caps = gst_caps_from_string (text);
  GstBuffer *buffer = NULL;
  GstVideoFrame in, out;
  GstVideoInfo info;

  fail_unless (gst_video_info_from_caps (&info, caps));
  gst_buffer_pool_config_set_params (config, caps, (guint) info.size, 0, 0);
  gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  fail_unless (gst_buffer_pool_set_config (pool, config) && gst_buffer_pool_set_active (pool, TRUE));
  fail_unless (gst_buffer_pool_acquire_buffer (pool, &buffer, NULL) == GST_FLOW_OK);
  fail_unless (gst_video_frame_map (&in, &info, from, GST_MAP_READ) &&
               gst_video_frame_map (&out, &info, buffer, GST_MAP_WRITE));
  fail_unless (gst_video_frame_copy (&out, &in));
  gst_video_frame_unmap (&in);
  gst_video_frame_unmap (&out);
  fail_unless (gst_cuda_context_push (context) &&
               gst_video_frame_map (&out, &info, buffer, (GstMapFlags) (GST_MAP_READWRITE | GST_MAP_CUDA)));
  gst_video_frame_unmap (&out);
  gst_cuda_context_pop (NULL);
  GST_BUFFER_PTS (buffer) = GST_BUFFER_PTS (from);
  gst_buffer_pool_set_active (pool, FALSE);
  gst_object_unref (pool);
  gst_caps_unref (caps);
  g_free (text);
  return buffer;
}

static GstBuffer *
frame_on_gpu (GstCudaContext *context, const gchar *format, guint seed)
{
  GstBuffer *frame = frame_new (format, WIDTH, HEIGHT, LAYOUT_TIGHT, seed, seed);
  GstBuffer *buffer = on_gpu (context, frame, format, WIDTH, HEIGHT);

  gst_buffer_unref (frame);
  return buffer;
}

/* The mask that dicenetsegment computes on the CPU for the same picture. */
static GBytes *
expected_mask (const gchar *format, guint seed)
{
  GstHarness *h = harness_new ("dicenetsegment", "backend=cpu", format, WIDTH, HEIGHT);
  GstBuffer *out = gst_harness_push_and_pull (h, frame_new (format, WIDTH, HEIGHT, LAYOUT_TIGHT, seed, 0));
  GBytes *mask = gst_dicenet_meta_get_mask (result_of (out, GST_DICENET_TASK_SEGMENT), 0, 0);

  fail_unless (count_labels (mask) > 1);
  gst_buffer_unref (out);
  harness_free (h);
  return mask;
}

/* Sums in a different order may change the class of one or two pixels. */
static void
expect_mask (GstBuffer *out, const gchar *format, guint seed)
{
  GBytes *expected = expected_mask (format, seed),
         *found = gst_dicenet_meta_get_mask (result_of (out, GST_DICENET_TASK_SEGMENT), 0, 0);
  const guint8 *a = g_bytes_get_data (expected, NULL), *b = g_bytes_get_data (found, NULL);
  guint different = 0;

  fail_unless_equals_int (g_bytes_get_size (expected), g_bytes_get_size (found));
  for (gsize i = 0; i < g_bytes_get_size (found); i++)
    different += a[i] != b[i];
  fail_unless (different <= WIDTH * HEIGHT / 500, "%u pixels differ", different);
  g_bytes_unref (expected);
  g_bytes_unref (found);
}

/* Pushes a frame; returns the number of copies. Checks that the output buffer is the input buffer. */
static guint
push_and_check (GstHarness *h, GstCudaContext *context, const gchar *format, guint seed)
{
  GstBuffer *in = frame_on_gpu (context, format, seed);
  GstMemory *memory = gst_buffer_peek_memory (in, 0);
  const int before = emulated_copies ();
  GstBuffer *out = gst_harness_push_and_pull (h, in);

  fail_unless (out != NULL);
  const int copies = emulated_copies () - before;
  fail_unless (gst_buffer_peek_memory (out, 0) == memory, "the frame was replaced");
  expect_mask (out, format, seed);
  gst_buffer_unref (out);
  return (guint) copies;
}

static const gchar *const FORMATS[] = { "NV12", "NV21", "I420", "YV12", "RGBA", "BGRA",
                                        "RGBx", "BGRx", "ARGB", "ABGR", "RGB",  "BGR" };

GST_START_TEST (test_read_where_they_lie)
{
  const gchar *format = FORMATS[__i__];
  GstCudaContext *context = context_new ();
  GstHarness *h = cuda_harness_new ("dicenetsegment", "backend=cuda", context);

  set_cuda_caps (h, format, WIDTH, HEIGHT);
  fail_unless_equals_int (push_and_check (h, context, format, (guint) __i__), 0);
  harness_free (h);
  gst_object_unref (context);
}
GST_END_TEST;

/* Frames have a context that was not announced, and later another one; some frames are in system memory. */
GST_START_TEST (test_contexts_come_with_frames)
{
  GstCudaContext *one = context_new (), *other = context_new ();
  GstHarness *h = cuda_harness_new ("dicenetsegment", "backend=cuda", NULL);

  fail_unless_equals_int (push_and_check (h, one, "NV12", 1), 0);
  fail_unless_equals_int (push_and_check (h, other, "NV12", 2), 0);
  set_caps (h, "NV12", WIDTH, HEIGHT);
  GstBuffer *out = gst_harness_push_and_pull (h, frame_new ("NV12", WIDTH, HEIGHT, LAYOUT_PADDED, 3, 3));
  expect_mask (out, "NV12", 3);
  gst_buffer_unref (out);
  set_cuda_caps (h, "NV12", WIDTH, HEIGHT);
  fail_unless_equals_int (push_and_check (h, one, "NV12", 4), 0);
  harness_free (h);
  gst_object_unref (one);
  gst_object_unref (other);
}
GST_END_TEST;

/* Same caps, without a GPU for inference: frames are copied. */
GST_START_TEST (test_processor)
{
  GstCudaContext *context = context_new ();
  GstHarness *h = cuda_harness_new ("dicenetsegment", "backend=cpu", context);

  for (guint i = 0; i < 2; i++)
    fail_unless (push_and_check (h, context, "NV12", i) > 0);
  harness_free (h);
  gst_object_unref (context);
}
GST_END_TEST;

/* All three tasks; boxes are selected on the GPU after the network. */
GST_START_TEST (test_all_tasks)
{
  static const struct {
    const gchar *element, *extra;
    GstDicenetTask task;
  } cases[] = { { "dicenetclassify", "", GST_DICENET_TASK_CLASSIFY },
                { "dicenetdetect", "threshold=0.1", GST_DICENET_TASK_DETECT },
                { "dicenetsegment", "", GST_DICENET_TASK_SEGMENT } };
  GstCudaContext *context = context_new ();

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    gchar *extra = g_strconcat ("backend=cuda ", cases[i].extra, NULL);
    GstHarness *gpu = cuda_harness_new (cases[i].element, extra, context),
               *cpu = harness_new (cases[i].element, cases[i].extra, "NV12", WIDTH, HEIGHT);
    GstBuffer *a = gst_harness_push_and_pull (gpu, frame_on_gpu (context, "NV12", 5)),
              *b = gst_harness_push_and_pull (cpu, frame_new ("NV12", WIDTH, HEIGHT, LAYOUT_TIGHT, 5, 5));
    GstDicenetMeta *found = result_of (a, cases[i].task), *expected = result_of (b, cases[i].task);
    fail_unless_equals_int (gst_dicenet_meta_get_n_detections (found), gst_dicenet_meta_get_n_detections (expected));
    fail_unless_equals_int (cases[i].task == GST_DICENET_TASK_DETECT, gst_dicenet_meta_get_n_detections (found) > 0);
    gst_buffer_unref (a);
    gst_buffer_unref (b);
    harness_free (gpu);
    harness_free (cpu);
    g_free (extra);
  }
  gst_object_unref (context);
}
GST_END_TEST;

/* The element answers context queries of other elements. */
GST_START_TEST (test_context_query)
{
  GstCudaContext *context = context_new ();
  GstHarness *h = cuda_harness_new ("dicenetdetect", "backend=cuda", context);
  GstQuery *query = gst_query_new_context (GST_CUDA_CONTEXT_TYPE);
  GstCudaContext *told = NULL;
  GstContext *answer;

  /* Caps are processed with the first frame. */
  gst_buffer_unref (gst_harness_push_and_pull (h, frame_on_gpu (context, "NV12", 0)));
  fail_unless (gst_pad_peer_query (h->srcpad, query));
  gst_query_parse_context (query, &answer);
  gst_structure_get (gst_context_get_structure (answer), GST_CUDA_CONTEXT_TYPE, GST_TYPE_CUDA_CONTEXT, &told, NULL);
  fail_unless (told == context);
  gst_object_unref (told);
  gst_query_unref (query);
  harness_free (h);
  gst_object_unref (context);
}
GST_END_TEST;

/* Before a frame is taken, and while it is computed: an error either way, never a frame on which nothing was found. */
GST_START_TEST (test_lost_device)
{
  static const gchar *const elements[] = { "dicenetclassify", "dicenetdetect", "dicenetsegment" };
  static const gchar *const fates[] = { "lost", "dies" };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (elements); i++) {
    GstHarness *h = harness_new (elements[i / 2], "backend=cuda inference-size=64x64", "NV12", WIDTH, HEIGHT);
    gst_buffer_unref (gst_harness_push_and_pull (h, frame_new ("NV12", WIDTH, HEIGHT, LAYOUT_TIGHT, 0, 0)));
    be (fates[i % 2]);
    fail_unless (gst_harness_push (h, frame_new ("NV12", WIDTH, HEIGHT, LAYOUT_TIGHT, 1, 1)) == GST_FLOW_ERROR);
    expect_message (bus_of (h), GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "the GPU failed",
                    "backend=cpu");
    harness_free (h);
    be ("");
  }
}
GST_END_TEST;

/* With inference-mode=newest, the frame has left by then: a later one fails, and the error comes once. */
GST_START_TEST (test_lost_device_in_the_worker)
{
  static const gchar *const fates[] = { "lost", "dies" };

  for (guint i = 0; i < G_N_ELEMENTS (fates); i++) {
    GstHarness *h =
        harness_new ("dicenetdetect", "backend=cuda inference-size=64x64 inference-mode=newest", "NV12", WIDTH, HEIGHT);
    GstFlowReturn ret = GST_FLOW_OK;
    gst_buffer_unref (gst_harness_push_and_pull (h, frame_new ("NV12", WIDTH, HEIGHT, LAYOUT_TIGHT, 0, 0)));
    be (fates[i]);
    for (guint n = 1; n < 10000 && ret == GST_FLOW_OK; n++) {
      g_usleep (2000);
      ret = gst_harness_push (h, frame_new ("NV12", WIDTH, HEIGHT, LAYOUT_TIGHT, n, n));
    }
    fail_unless_equals_int (ret, GST_FLOW_ERROR);
    expect_message (bus_of (h), GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "the GPU failed",
                    "backend=cpu");
    fail_unless (next_message (bus_of (h), GST_MESSAGE_ERROR) == NULL);
    harness_free (h);
    be ("");
  }
}
GST_END_TEST;

/* Frames of two contexts, one after the other, while the worker is busy with those of the first: each is read where it
 * is, and results are those of frames that wait. */
GST_START_TEST (test_newest_in_contexts)
{
  GstCudaContext *contexts[] = { context_new (), context_new () };
  GstHarness *h =
      cuda_harness_new ("dicenetdetect", "backend=cuda inference-size=64x64 inference-mode=newest", contexts[0]);
  GstHarness *waiting = cuda_harness_new ("dicenetdetect", "backend=cuda inference-size=64x64", contexts[0]);
  guint n_results = 0;

  for (guint i = 0; i < 2000 && n_results < 20; i++) {
    GstBuffer *out = gst_harness_push_and_pull (h, frame_on_gpu (contexts[i / 5 % 2], "NV12", 7));
    const GstDicenetMeta *meta = gst_buffer_get_dicenet_meta (out, GST_DICENET_TASK_DETECT);
    if (meta) {
      GstBuffer *own = gst_harness_push_and_pull (waiting, frame_on_gpu (contexts[0], "NV12", 7));
      fail_unless_equals_int (gst_dicenet_meta_get_n_detections (meta),
                              gst_dicenet_meta_get_n_detections (result_of (own, GST_DICENET_TASK_DETECT)));
      gst_buffer_unref (own);
      n_results++;
    }
    gst_buffer_unref (out);
    g_usleep (2000);
  }
  fail_unless_equals_int (n_results, 20);
  harness_free (waiting);
  harness_free (h);
  gst_object_unref (contexts[0]);
  gst_object_unref (contexts[1]);
}
GST_END_TEST;

static GstHarness *
objects_new (const gchar *backend, GstCudaContext *context)
{
  g_autofree gchar *extra = g_strdup_printf ("inference-region=objects inference-size=32x32 backend=%s", backend);

  return context ? cuda_harness_new ("dicenetclassify", extra, context)
                 : harness_new ("dicenetclassify", extra, "NV12", WIDTH, HEIGHT);
}

/* More objects than the session takes submissions at a time. Returns @frame. */
static GstBuffer *
with_objects (GstBuffer *frame)
{
  static const gchar *const names[] = { "background", "person", NULL };
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_DETECT, "det", names, 0);
  GstDicenetDetection objects[10];

  for (guint i = 0; i < G_N_ELEMENTS (objects); i++)
    objects[i] = (GstDicenetDetection){
      .label_id = 1, .confidence = 0.5, .x = 3 * i, .y = 2 * i, .w = 10 + i, .h = 30 - i % 7 * 4
    };
  gst_buffer_add_dicenet_meta_from_array (frame, result, WIDTH, HEIGHT, objects, G_N_ELEMENTS (objects), 0);
  gst_dicenet_result_unref (result);
  return frame;
}

/* Regions are read where the frame is, several at a time, and each object gets its own result. */
GST_START_TEST (test_objects)
{
  GstCudaContext *context = context_new ();
  GstHarness *cpu = objects_new ("cpu", NULL), *gpu = objects_new ("cuda", context);
  GstBuffer *expected =
      gst_harness_push_and_pull (cpu, with_objects (frame_new ("NV12", WIDTH, HEIGHT, LAYOUT_TIGHT, 3, 3)));
  GstBuffer *frame = with_objects (frame_on_gpu (context, "NV12", 3));
  const int before = emulated_copies ();
  GstBuffer *found = gst_harness_push_and_pull (gpu, frame);
  const GstDicenetMeta *a = result_of (expected, GST_DICENET_TASK_DETECT),
                       *b = result_of (found, GST_DICENET_TASK_DETECT);

  fail_unless_equals_int (emulated_copies () - before, 0);
  fail_unless_equals_int (gst_dicenet_meta_get_n_detections (b), 10);
  for (guint i = 0; i < 10; i++) {
    const GstDicenetDetection *x = gst_dicenet_meta_get_detection (a, i), *y = gst_dicenet_meta_get_detection (b, i);
    fail_unless_equals_int (gst_dicenet_detection_get_n_results (y), 1);
    const GstDicenetClass *first = gst_dicenet_result_get_class (gst_dicenet_detection_get_result (x, 0), 0);
    const GstDicenetClass *same = gst_dicenet_result_get_class (gst_dicenet_detection_get_result (y, 0), 0);
    fail_unless (ABS (first->confidence - same->confidence) < 1e-3, "object %u: %g, and %g on the GPU", i,
                 first->confidence, same->confidence);
  }
  gst_buffer_unref (expected);
  gst_buffer_unref (found);
  harness_free (gpu);
  harness_free (cpu);
  gst_object_unref (context);
}
GST_END_TEST;

/* A GPU that fails while several regions are on their way. */
GST_START_TEST (test_lost_device_with_objects)
{
  static const gchar *const fates[] = { "lost", "dies" };

  for (guint i = 0; i < G_N_ELEMENTS (fates); i++) {
    GstHarness *h = objects_new ("cuda", NULL);
    gst_buffer_unref (
        gst_harness_push_and_pull (h, with_objects (frame_new ("NV12", WIDTH, HEIGHT, LAYOUT_TIGHT, 3, 3))));
    be (fates[i]);
    fail_unless (gst_harness_push (h, with_objects (frame_new ("NV12", WIDTH, HEIGHT, LAYOUT_TIGHT, 1, 1))) ==
                 GST_FLOW_ERROR);
    expect_message (bus_of (h), GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "the GPU failed",
                    "backend=cpu");
    fail_unless (next_message (bus_of (h), GST_MESSAGE_ERROR) == NULL);
    harness_free (h);
    be ("");
  }
}
GST_END_TEST;

/* The GPU has memory for what was opened first, and none for a second copy of the weights in the frames' context. */
GST_START_TEST (test_no_memory_in_the_context)
{
  GstCudaContext *context = context_new ();
  GstHarness *strict = cuda_harness_new ("dicenetsegment", "backend=cuda", NULL),
             *lenient = cuda_harness_new ("dicenetsegment", "backend=auto", NULL);

  be ("memory=1000");
  fail_unless (gst_harness_push (strict, frame_on_gpu (context, "NV12", 1)) == GST_FLOW_ERROR);
  expect_message (bus_of (strict), GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "weights",
                  "no memory left");
  be ("");
  harness_free (strict);
  gst_buffer_unref (gst_harness_push_and_pull (lenient, frame_on_gpu (context, "NV12", 1)));
  harness_free (lenient);
  gst_object_unref (context);
}
GST_END_TEST;

GST_START_TEST (test_auto_copies_where_a_context_cannot_be_used)
{
  GstCudaContext *context = context_new ();
  GstHarness *h = cuda_harness_new ("dicenetsegment", "backend=auto inference-size=64x64", NULL);

  set_caps (h, "NV12", WIDTH, HEIGHT);
  gst_buffer_unref (
      gst_harness_push_and_pull (h, frame_new ("NV12", WIDTH, HEIGHT, LAYOUT_TIGHT, 0, 0))); /* all allocated */
  be ("memory=1000");
  set_cuda_caps (h, "NV12", WIDTH, HEIGHT);
  GstBuffer *in = frame_on_gpu (context, "NV12", 1);
  const int before = emulated_copies ();
  GstBuffer *out = gst_harness_push_and_pull (h, in);
  fail_unless (out != NULL && emulated_copies () > before);
  fail_unless (result_of (out, GST_DICENET_TASK_SEGMENT) != NULL);
  gst_buffer_unref (out);
  be ("");
  harness_free (h);
  gst_object_unref (context);
}
GST_END_TEST;

/* These frames can't be drawn on; a composition can be attached if downstream draws it. */
GST_START_TEST (test_overlay)
{
  GstCudaContext *context = context_new ();
  GstHarness *h = cuda_harness_new ("dicenetsegment", "backend=cuda overlay=true", context);

  gst_harness_add_propose_allocation_meta (h, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  gst_harness_set_sink_caps_str (h, "video/x-raw(memory:CUDAMemory,meta:GstVideoOverlayComposition)");
  GstBuffer *out = gst_harness_push_and_pull (h, frame_on_gpu (context, "NV12", 0));
  fail_unless_equals_int (count_metas (out, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE), 1);
  gst_buffer_unref (out);
  harness_free (h);

  h = cuda_harness_new ("dicenetsegment", "backend=cuda overlay=true", context);
  gst_harness_set_sink_caps_str (h, "video/x-raw(memory:CUDAMemory)");
  fail_unless (gst_harness_push (h, frame_on_gpu (context, "NV12", 0)) != GST_FLOW_OK);
  expect_message (bus_of (h), GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "cudadownload",
                  "overlay=false");
  harness_free (h);
  gst_object_unref (context);
}
GST_END_TEST;

static guint frames_in_gpu_memory;

static void
count_frame (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  GstDicenetMeta *boxes = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_DETECT),
                 *mask = gst_buffer_get_dicenet_meta (buffer, GST_DICENET_TASK_SEGMENT);

  fail_unless (boxes && gst_dicenet_meta_get_n_detections (boxes) > 0 && mask);
  frames_in_gpu_memory += gst_is_cuda_memory (gst_buffer_peek_memory (buffer, 0));
}

/* A realistic pipeline with GStreamer's elements for CUDA. Frames are copied to the GPU only once. */
GST_START_TEST (test_pipeline)
{
  gchar *detect = launch_line ("dicenetdetect", "backend=cuda threshold=0.1"),
        *segment = launch_line ("dicenetsegment", "backend=cuda");
  gchar *line =
      g_strdup_printf ("videotestsrc num-buffers=6 ! video/x-raw,format=NV12,width=160,height=120 ! cudaupload ! "
                       "video/x-raw(memory:CUDAMemory) ! %s ! queue ! %s ! fakesink name=sink signal-handoffs=true",
                       detect, segment);
  const int before = emulated_copies ();
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);

  fail_unless (pipeline && !error, "%s", error ? error->message : "");
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_signal_connect (sink, "handoff", G_CALLBACK (count_frame), NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 50 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  fail_unless (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS, "no EOS");
  fail_unless_equals_int (frames_in_gpu_memory, 6);
  fail_unless_equals_int (emulated_copies () - before, 6 * 2); /* NV12 has two planes */
  gst_message_unref (message);
  gst_object_unref (bus);
  gst_object_unref (sink);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  g_free (line);
  g_free (detect);
  g_free (segment);
}
GST_END_TEST;

/* With the argument "pipeline": the test that requires GStreamer's elements; skipped if its nvcodec plugin has none. */
int
main (int argc, char **argv)
{
  TCase *tests = tcase_create ("cuda-memory");

  gst_init (&argc, &argv);
  if (argc > 1 && g_str_equal (argv[1], "pipeline")) {
    if (!gst_registry_check_feature_version (gst_registry_get (), "cudaupload", 1, 0, 0))
      return 77;
    tcase_add_test (tests, test_pipeline);
  } else {
    tcase_add_loop_test (tests, test_read_where_they_lie, 0, G_N_ELEMENTS (FORMATS));
    tcase_add_test (tests, test_contexts_come_with_frames);
    tcase_add_test (tests, test_processor);
    tcase_add_test (tests, test_all_tasks);
    tcase_add_test (tests, test_context_query);
    tcase_add_test (tests, test_no_memory_in_the_context);
    tcase_add_test (tests, test_lost_device);
    tcase_add_test (tests, test_lost_device_in_the_worker);
    tcase_add_test (tests, test_newest_in_contexts);
    tcase_add_test (tests, test_objects);
    tcase_add_test (tests, test_lost_device_with_objects);
    tcase_add_test (tests, test_auto_copies_where_a_context_cannot_be_used);
    tcase_add_test (tests, test_overlay);
  }
  return run_tests (argc, argv, "cuda-memory", tests);
}
