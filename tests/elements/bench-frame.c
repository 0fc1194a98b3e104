/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures the cost of a 1080p frame without the network, on one thread, as the fastest of several runs: picture to
 * tensor, logits to mask, drawing of mask and legend, a detector's outputs to boxes. DICENET_CPU_MASK selects the
 * kernels.
 *
 *     bench-frame [RUNS] */

#include "backend/axis.h"
#include "compose.h"
#include "prepost/decode.h"
#include "prepost/preprocess.h"
#include "graph/priors.h"
#include <gst/dicenet/gstdicenetmeta.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WIDTH     1920
#define HEIGHT    1080
#define N_CLASSES 21

static guint n_runs = 30;

typedef void (*Work) (gpointer data);

/* CPU time of this thread in ms, because of other load on the machine. */
static double
milliseconds (void)
{
  struct timespec t;
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &t);
  return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static double
fastest (Work work, gpointer data)
{
  double best = INFINITY;

  for (guint i = 0; i < n_runs; i++) {
    const double start = milliseconds ();
    work (data);
    best = MIN (best, milliseconds () - start);
  }
  return best;
}

static void
report (const char *what, double ms)
{
  printf ("%-64s %8.2f ms\n", what, ms);
}

/* --- picture to tensor --- */

typedef struct {
  DicenetPreprocess *preprocess;
  DicenetImage image;
  gfloat *tensor;
} ToTensor;

static void
to_tensor (gpointer data)
{
  ToTensor *t = data;
  dicenet_preprocess_run (t->preprocess, &t->image, t->tensor);
}

static void
bench_preprocess (const char *name, DicenetPixelFormat format, guint bytes_per_pixel, guint width, guint height)
{
  static const gfloat mean[3] = { 0.485f, 0.456f, 0.406f }, std[3] = { 0.229f, 0.224f, 0.225f };
  const gsize n = (gsize) WIDTH * HEIGHT;
  g_autofree guint8 *pixels = g_malloc (4 * n);
  g_autofree gfloat *tensor = g_new0 (gfloat, 3 * (gsize) width * height);
  g_autofree gchar *what = g_strdup_printf ("%s %d x %d to %u x %u", name, WIDTH, HEIGHT, width, height);
  ToTensor t = { .image = { .format = format,
                            .matrix = DICENET_COLOR_MATRIX_BT709,
                            .range = DICENET_COLOR_RANGE_LIMITED,
                            .width = WIDTH,
                            .height = HEIGHT,
                            .planes = { pixels, pixels + n, pixels + n + n / 4 },
                            .strides = { (gint) bytes_per_pixel * WIDTH,
                                         format == DICENET_PIXEL_FORMAT_I420 ? WIDTH / 2 : WIDTH, WIDTH / 2 } },
                 .tensor = tensor };

  for (gsize i = 0; i < 4 * n; i++)
    pixels[i] = (guint8) (i * 7 + i / WIDTH * 3);
  t.preprocess = dicenet_preprocess_new (&t.image, width, height, mean, std, 1, dicenet_cpu_mask (), NULL);
  report (what, fastest (to_tensor, &t));
  dicenet_preprocess_free (t.preprocess);
}

/* --- logits to mask, mask to frame --- */

typedef struct {
  DicenetUpsample scale;
  gfloat *logits, *scratch;
  guint8 *mask;
} ToMask;

static void
to_mask (gpointer data)
{
  ToMask *t = data;
  dicenet_decode_mask (&t->scale, t->logits, 0, t->scale.rows->out, t->mask, t->scale.columns->out, t->scratch);
}

/* Logits with objects: round hills, one per class. */
static void
fill_logits (gfloat *logits, guint h, guint w)
{
  for (guint c = 0; c < N_CLASSES; c++)
    for (guint i = 0; i < h; i++)
      for (guint j = 0; j < w; j++)
        *logits++ =
            c == 0 ? 0 : 8 - 0.4f * hypotf ((gfloat) i - (gfloat) (c * 37 % h), (gfloat) j - (gfloat) (c * 89 % w));
}

static guint8 *
bench_mask (guint width, guint height)
{
  const guint h = height / 2, w = (width + 1) / 2;
  g_autoptr (GHashTable) axes = dicenet_axis_cache_new ();
  const char *set;
  g_autofree gfloat *logits = g_new (gfloat, (gsize) N_CLASSES * h * w), *scratch = NULL;
  g_autofree gchar *what = g_strdup_printf ("mask %u x %u, %d classes", width, height, N_CLASSES);
  ToMask t = { .scale = { dicenet_kernels_get (dicenet_cpu_mask (), &set),
                          dicenet_pixel_kernels_get (dicenet_cpu_mask (), &set),
                          dicenet_axis_get (axes, h, height, DICENET_RESIZE_UP),
                          dicenet_axis_get (axes, w, width, DICENET_RESIZE_UP),
                          dicenet_axis_get (axes, N_CLASSES, N_CLASSES, DICENET_RESIZE_UP) },
               .logits = logits,
               .mask = g_malloc ((gsize) width * height) };

  fill_logits (logits, h, w);
  t.scratch = scratch = g_new (gfloat, dicenet_upsample_scratch (&t.scale));
  report (what, fastest (to_mask, &t));
  return t.mask;
}

typedef struct {
  GstDicenetRenderer *renderer;
  GstVideoInfo info;
  GstBuffer *buffer;
  gdouble opacity;
} ToFrame;

static void
to_frame (gpointer data)
{
  ToFrame *t = data;
  g_autoptr (GPtrArray) layers = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_dicenet_layer_free);
  GstVideoFrame frame;

  t->opacity += 1e-6; /* a different picture each time */
  GstVideoOverlayComposition *composition = compose_all (t->renderer, t->buffer, &t->info, t->opacity, layers);
  gst_video_frame_map (&frame, &t->info, t->buffer, GST_MAP_READWRITE);
  for (guint i = 0; i < layers->len; i++)
    gst_dicenet_layer_blend (g_ptr_array_index (layers, i), &frame);
  gst_video_overlay_composition_blend (composition, &frame);
  gst_video_frame_unmap (&frame);
  gst_video_overlay_composition_unref (composition);
}

static void
bench_overlay (GstVideoFormat format, GBytes *mask, guint width, guint height, gint background)
{
  static const gchar *labels[N_CLASSES + 1] = {
    "background", "plane", "bicycle", "bird", "boat",   "bottle", "bus",   "car",  "cat",   "chair",  "cow",
    "table",      "dog",   "horse",   "bike", "person", "plant",  "sheep", "sofa", "train", "monitor"
  };
  GstDicenetResult *result = gst_dicenet_result_new (GST_DICENET_TASK_SEGMENT, "segment", labels, background);
  ToFrame t = { .renderer = gst_dicenet_renderer_new (), .opacity = 0.5 };
  g_autofree gchar *what = g_strdup_printf ("mask and legend on %s %d x %d, %s", gst_video_format_to_string (format),
                                            WIDTH, HEIGHT, background < 0 ? "every pixel" : "objects");

  gst_video_info_set_format (&t.info, format, WIDTH, HEIGHT);
  t.buffer = gst_buffer_new_allocate (NULL, t.info.size, NULL);
  gst_buffer_memset (t.buffer, 0, 0x60, t.info.size);
  gst_dicenet_result_set_mask (result, mask, width, height);
  gst_buffer_add_dicenet_meta (t.buffer, result, WIDTH, HEIGHT, NULL, 0);
  report (what, fastest (to_frame, &t));
  gst_buffer_unref (t.buffer);
  gst_dicenet_renderer_free (t.renderer);
  gst_dicenet_result_unref (result);
}

/* --- a detector's outputs to boxes --- */

#define COCO 81

typedef struct {
  gfloat *confidences, *locations, *priors;
  guint n;
  DicenetDetectParams params;
} ToBoxes;

static void
to_boxes (gpointer data)
{
  const ToBoxes *t = data;
  const char *set;
  GArray *boxes = dicenet_decode_boxes (DICENET_HEAD_SSD, t->confidences, t->locations, t->priors, t->n, COCO,
                                        &t->params, dicenet_pixel_kernels_get (dicenet_cpu_mask (), &set));
  g_array_unref (boxes);
}

/* As from a trained detector, which is certain of background nearly everywhere, and uncertain around objects: logits a
 * few units wide, with the background far above them except for @found of the priors. */
static void
fill_detections (ToBoxes *t, guint found)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (1);

  for (gsize i = 0; i < (gsize) t->n * COCO; i++)
    t->confidences[i] = (gfloat) g_rand_double_range (random, -3, 1) + (i % COCO == 0 ? 9 : 0);
  for (gsize i = 0; i < 4 * (gsize) t->n; i++)
    t->locations[i] = (gfloat) g_rand_double_range (random, -1, 1);
  for (guint i = 0; i < found; i++) {
    const gsize prior = (gsize) g_rand_int_range (random, 0, (gint) t->n);
    t->confidences[prior * COCO + 1 + prior % 5] = (gfloat) g_rand_double_range (random, 11, 14);
  }
}

static void
bench_boxes (guint found)
{
  static const DicenetShape maps[] = { { 0, 64, 64 }, { 0, 32, 32 }, { 0, 16, 16 },
                                       { 0, 8, 8 },   { 0, 4, 4 },   { 0, 2, 2 } };
  static const gfloat sizes[] = { 52, 133, 214, 295, 376, 457, 538 };
  const guint n = dicenet_priors (maps, sizes, 512, 512, NULL);
  g_autofree gfloat *priors = g_new (gfloat, 4 * n), *locations = g_new (gfloat, 4 * n),
                    *confidences = g_new (gfloat, (gsize) n * COCO);
  ToBoxes t = {
    confidences, locations, priors, n, { .threshold = 0.5f, .iou_threshold = 0.45f, .max_per_class = 200 }
  };
  g_autofree gchar *what = g_strdup_printf ("boxes of %u priors, %d classes, %u above 0.5", n, COCO, found);

  dicenet_priors (maps, sizes, 512, 512, priors);
  fill_detections (&t, found);
  report (what, fastest (to_boxes, &t));
}

int
main (int argc, char **argv)
{
  static const GstVideoFormat formats[] = { GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_BGRx };
  const char *set;

  gst_init (&argc, &argv);
  if (argc > 1)
    n_runs = (guint) CLAMP (atoi (argv[1]), 1, 100000);
  if (dicenet_cpu_mask_fault ()) {
    g_printerr ("DICENET_CPU_MASK: expected a number from 0 to %d\n", DICENET_CPU_ALL);
    return 1;
  }
  dicenet_pixel_kernels_get (dicenet_cpu_mask (), &set);
  printf ("kernels: %s\n", set);
  bench_preprocess ("NV12", DICENET_PIXEL_FORMAT_NV12, 1, 683, 384);
  bench_preprocess ("I420", DICENET_PIXEL_FORMAT_I420, 1, 683, 384);
  bench_preprocess ("YUY2", DICENET_PIXEL_FORMAT_YUY2, 2, 683, 384);
  bench_preprocess ("RGB", DICENET_PIXEL_FORMAT_RGB, 3, 683, 384);
  bench_preprocess ("BGRx", DICENET_PIXEL_FORMAT_BGRX, 4, 683, 384);
  bench_preprocess ("NV12", DICENET_PIXEL_FORMAT_NV12, 1, 224, 224);
  g_free (bench_mask (384, 384));
  g_autoptr (GBytes) mask = g_bytes_new_take (bench_mask (683, 384), 683 * 384);
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    bench_overlay (formats[i], mask, 683, 384, 0);
    bench_overlay (formats[i], mask, 683, 384, -1);
  }
  bench_boxes (20);
  bench_boxes (1000);
  bench_boxes (10000);
  return 0;
}
