/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The GPU's kernels for pixels, masks and boxes against the CPU's functions with their reference kernels: random
 * shapes, ties, extremes, several pictures at a time, guards around outputs, launched directly and from a captured
 * graph:
 *
 *     test-cuda-pixels [SEED] */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../cuda/tables.h"
#include "backend/axis.h"
#include "prepost/decode.h"
#include "prepost/preprocess.h"
#include "../preprocess/pictures.h"

#define GUARD 64 /* numbers */

static GRand *rand_;
static cudaStream_t stream;
static guint failures, checks;

static guint
random_int (guint low, guint high)
{
  return (guint) g_rand_int_range (rand_, (gint) low, (gint) high + 1);
}

static gboolean
one_in (guint n)
{
  return random_int (1, n) == 1;
}

static gfloat
random_float (gfloat low, gfloat high)
{
  return (gfloat) g_rand_double_range (rand_, (gdouble) low, (gdouble) high);
}

/* A sum of uniform numbers approximates a normal distribution. */
static gfloat
random_normal (void)
{
  gfloat sum = 0;
  for (guint i = 0; i < 4; i++)
    sum += random_float (-1, 1);
  return sum;
}

static void
must (cudaError_t error)
{
  if (error != cudaSuccess)
    g_error ("CUDA: %s", cudaGetErrorString (error));
}

/* --- the device's memory --- */

static gpointer
device_new (gsize size)
{
  gpointer memory;
  must (cudaMallocAsync (&memory, size, stream));
  return memory;
}

static gpointer
device_copy (gconstpointer from, gsize size)
{
  gpointer memory = device_new (size);
  must (cudaMemcpyAsync (memory, from, size, cudaMemcpyHostToDevice, stream));
  must (cudaStreamSynchronize (stream)); /* the caller may free it */
  return memory;
}

static void
device_free (gconstpointer memory)
{
  must (cudaFreeAsync ((gpointer) memory, stream));
}

/* Expected and actual output; both are initialised with the same noise. */
typedef struct {
  gpointer expected, device;
  gsize size;
} Output;

static Output
output_new (gsize size)
{
  Output o = { .expected = g_malloc (size), .size = size };
  for (gsize i = 0; i < size; i++)
    ((guint8 *) o.expected)[i] = (guint8) g_rand_int (rand_);
  o.device = device_copy (o.expected, size);
  return o;
}

static gpointer
output_read (const Output *o)
{
  gpointer found = g_malloc (o->size);
  must (cudaMemcpyAsync (found, o->device, o->size, cudaMemcpyDeviceToHost, stream));
  must (cudaStreamSynchronize (stream));
  return found;
}

static void
output_free (Output *o)
{
  g_free (o->expected);
  device_free (o->device);
}

static void
check (gboolean same, const char *what)
{
  checks++;
  if (!same && failures++ < 20)
    printf ("FAIL %s\n", what);
}

static void
check_output (const Output *o, const char *what)
{
  g_autofree guint8 *found = output_read (o);
  const guint8 *expected = o->expected;
  gsize at = 0;

  while (at < o->size && found[at] == expected[at])
    at++;
  g_autofree char *text = g_strdup_printf ("%s: byte %zu of %zu", what, at, o->size);
  check (at == o->size, text);
}

/* Tensors with gaps between their planes. */
typedef struct {
  guint planes[256];
  gsize stride;
} Arena;

static Arena
arena_new (guint c, guint size)
{
  Arena arena;
  guint at = GUARD;

  for (guint k = 0; k < c; k++) {
    arena.planes[k] = at;
    at += size + random_int (0, 9);
  }
  arena.stride = at + random_int (0, 70);
  return arena;
}

static DicenetCudaTensor
arena_tensor (const Arena *arena, gpointer base, guint c, guint h, guint w, guint n)
{
  return (DicenetCudaTensor){ base, device_copy (arena->planes, c * sizeof (guint)), c, h, w, n, arena->stride };
}

/* Runs something directly, or captures and launches it twice, to detect state left over from the first time. */
typedef cudaError_t (*Enqueue) (gconstpointer data);

static void
run (Enqueue enqueue, gconstpointer data)
{
  cudaGraph_t graph;
  cudaGraphExec_t exec;

  if (one_in (2)) {
    must (enqueue (data));
    return;
  }
  must (cudaStreamBeginCapture (stream, cudaStreamCaptureModeThreadLocal));
  must (enqueue (data));
  must (cudaStreamEndCapture (stream, &graph));
  must (cudaGraphInstantiate (&exec, graph, 0));
  must (cudaGraphLaunch (exec, stream));
  must (cudaGraphLaunch (exec, stream));
  must (cudaStreamSynchronize (stream));
  must (cudaGraphExecDestroy (exec));
  must (cudaGraphDestroy (graph));
}

/* --- preprocessing --- */

#define MOST_PICTURES 3

typedef struct {
  DicenetCudaPreprocess preprocess;
  DicenetCudaTensor y;
  const DicenetCudaPicture *pictures;
  gpointer scratch;
} PreprocessRun;

static cudaError_t
enqueue_preprocess (gconstpointer data)
{
  const PreprocessRun *r = data;
  return dicenet_cuda_preprocess (&r->preprocess, r->pictures, &r->y, r->scratch, stream);
}

/* Copies @picture's planes to the device; the copies are to be freed. */
static DicenetCudaPicture
upload_picture (const Picture *picture, gpointer copies[3])
{
  DicenetImage image = picture->image;

  for (guint plane = 0; plane < picture->n_planes; plane++) {
    const gsize stride = (gsize) ABS (image.strides[plane]),
                size = (picture->rows[plane] - 1) * stride + picture->row_bytes[plane];
    copies[plane] = device_copy (picture->memory[plane], size);
    image.planes[plane] = (guint8 *) copies[plane] + (image.planes[plane] - picture->memory[plane]);
  }
  return dicenet_cuda_picture (&image);
}

static const gfloat mean[3] = { 0.485f, 0.456f, 0.406f }, std[3] = { 0.229f, 0.224f, 0.225f };

static void
expect_tensor (const Picture *picture, guint w, guint h, gfloat *arena, const guint *planes)
{
  g_autofree gfloat *tensor = g_new (gfloat, 3 * (gsize) w * h);
  DicenetPreprocess *cpu = dicenet_preprocess_new (&picture->image, w, h, mean, std, 1, dicenet_cpu_mask (), NULL);

  dicenet_preprocess_run (cpu, &picture->image, tensor);
  for (guint c = 0; c < 3; c++)
    memcpy (arena + planes[c], tensor + (gsize) c * w * h, (gsize) w * h * sizeof (gfloat));
  dicenet_preprocess_free (cpu);
}

static DicenetCudaPreprocess
upload_plan (const DicenetImage *image, guint w, guint h, gpointer *tables)
{
  DicenetPreprocessPlan plan;
  DicenetCudaPreprocess preprocess;

  g_assert_true (dicenet_preprocess_plan_init (&plan, image, w, h, mean, std, NULL));
  const gsize size = dicenet_cuda_preprocess_size (&plan);
  g_autofree gpointer host = g_malloc (size);
  *tables = device_new (size);
  dicenet_cuda_preprocess_fill (&plan, host, *tables, &preprocess);
  must (cudaMemcpyAsync (*tables, host, size, cudaMemcpyHostToDevice, stream));
  must (cudaStreamSynchronize (stream));
  dicenet_preprocess_plan_clear (&plan);
  return preprocess;
}

static void
test_preprocess (DicenetPixelFormat format, guint from_w, guint from_h, guint w, guint h, guint n)
{
  const DicenetColorMatrix matrix = one_in (2) ? DICENET_COLOR_MATRIX_BT601 : DICENET_COLOR_MATRIX_BT709;
  const DicenetColorRange range = one_in (2) ? DICENET_COLOR_RANGE_FULL : DICENET_COLOR_RANGE_LIMITED;
  const Arena arena = arena_new (3, w * h);
  Output out = output_new (n * arena.stride * sizeof (gfloat));
  DicenetCudaPicture pictures[MOST_PICTURES];
  gpointer copies[MOST_PICTURES][3] = { { NULL } }, tables = NULL;
  PreprocessRun r = { .y = arena_tensor (&arena, out.device, 3, h, w, n) };

  for (guint i = 0; i < n; i++) {
    g_autoptr (Picture) picture = picture_new (format, from_w, from_h, (RowOrder) random_int (0, 2), rand_);
    picture->image.matrix = matrix;
    picture->image.range = range;
    pictures[i] = upload_picture (picture, copies[i]);
    expect_tensor (picture, w, h, (gfloat *) out.expected + i * arena.stride, arena.planes);
    if (i == 0)
      r.preprocess = upload_plan (&picture->image, w, h, &tables);
  }
  r.pictures = device_copy (pictures, n * sizeof *pictures);
  r.scratch = device_new (dicenet_cuda_preprocess_scratch (&r.preprocess, n));
  run (enqueue_preprocess, &r);
  g_autofree char *what =
      g_strdup_printf ("%s %u x %u to %u x %u, %u pictures", format_name (format), from_w, from_h, w, h, n);
  check_output (&out, what);

  for (guint i = 0; i < n; i++)
    for (guint plane = 0; plane < 3; plane++)
      device_free (copies[i][plane]);
  device_free (tables);
  device_free (r.pictures);
  device_free (r.scratch);
  device_free (r.y.planes);
  output_free (&out);
}

static void
test_pictures (void)
{
  static const guint16 sizes[][4] = {
    { 1, 1, 1, 1 }, { 1, 1, 33, 32 },   { 2, 3, 1, 1 },       { 5, 1, 32, 7 },  { 1, 9, 3, 4 },
    { 3, 3, 3, 3 }, { 129, 9, 129, 9 }, { 128, 24, 256, 48 }, { 31, 17, 8, 7 }, { 1031, 4, 1, 3 },
  };
  static const guint16 large[][4] = {
    { 32767, 1, 2, 1 },
    { 2, 32767, 2, 1 },
    { 5001, 2, 300, 2 },
    { 641, 361, 130, 75 },
  };

  for (guint f = 0; f < G_N_ELEMENTS (all_formats); f++)
    for (guint s = 0; s < G_N_ELEMENTS (sizes); s++)
      test_preprocess (all_formats[f], sizes[s][0], sizes[s][1], sizes[s][2], sizes[s][3], 1);
  for (guint s = 0; s < G_N_ELEMENTS (large); s++)
    test_preprocess (DICENET_PIXEL_FORMAT_NV12, large[s][0], large[s][1], large[s][2], large[s][3], 1);
  for (guint i = 0; i < 150; i++)
    test_preprocess (all_formats[random_int (0, G_N_ELEMENTS (all_formats) - 1)], random_int (1, 300),
                     random_int (1, 60), random_int (1, 300), random_int (1, 60), random_int (1, MOST_PICTURES));
}

/* --- masks --- */

static cudaError_t
enqueue_mask (gconstpointer data)
{
  return dicenet_cuda_mask (data, stream);
}

static DicenetCudaAxis
upload_axis (const DicenetAxis *axis)
{
  return (DicenetCudaAxis){ axis->in, axis->out, axis->taps, device_copy (axis->start, axis->out * sizeof (gint)),
                            device_copy (axis->weight, (gsize) axis->taps * axis->out * sizeof (gfloat)) };
}

static void
axis_free (const DicenetCudaAxis *axis)
{
  device_free (axis->start);
  device_free (axis->weight);
}

/* Noise; few distinct values, for many ties; or noise with NaN and infinities. */
static void
fill_logits (gfloat *x, gsize n)
{
  const guint kind = random_int (0, 3);

  for (gsize i = 0; i < n; i++) {
    x[i] = kind == 0 ? (gfloat) random_int (0, 2) : random_normal ();
    if (kind == 1 && one_in (20))
      x[i] = one_in (2) ? NAN : one_in (2) ? INFINITY : -INFINITY;
  }
}

static void
expect_mask (const DicenetUpsample *scale, const gfloat *arena, const guint *planes, guint8 *mask, gsize stride)
{
  const gsize size = (gsize) scale->rows->in * scale->columns->in;
  g_autofree gfloat *logits = g_new (gfloat, scale->classes->in * size),
                    *scratch = g_new (gfloat, dicenet_upsample_scratch (scale));

  for (guint c = 0; c < scale->classes->in; c++)
    memcpy (logits + c * size, arena + planes[c], size * sizeof (gfloat));
  dicenet_decode_mask (scale, logits, 0, scale->rows->out, mask, stride, scratch);
}

static void
test_mask (guint classes, guint from_w, guint from_h, guint w, guint h, guint n)
{
  GHashTable *axes = dicenet_axis_cache_new ();
  const DicenetUpsample scale = {
    &dicenet_kernels_ref,
    &dicenet_pixel_kernels_ref,
    dicenet_axis_get (axes, from_h, h, DICENET_RESIZE_UP),
    dicenet_axis_get (axes, from_w, w, DICENET_RESIZE_UP),
    dicenet_axis_get (axes, classes, classes, DICENET_RESIZE_UP),
  };
  const Arena arena = arena_new (classes, from_w * from_h);
  g_autofree gfloat *x = g_new (gfloat, n * arena.stride);
  const gsize row_stride = w + random_int (0, 5), picture_stride = h * row_stride + random_int (0, 9);
  Output out = output_new (n * picture_stride + GUARD);

  fill_logits (x, n * arena.stride);
  gpointer base = device_copy (x, n * arena.stride * sizeof (gfloat));
  const DicenetCudaMask m = {
    arena_tensor (&arena, base, classes, from_h, from_w, n),
    upload_axis (scale.rows),
    upload_axis (scale.columns),
    out.device,
    row_stride,
    picture_stride,
  };
  for (guint i = 0; i < n; i++)
    expect_mask (&scale, x + i * arena.stride, arena.planes, (guint8 *) out.expected + i * picture_stride, row_stride);
  run (enqueue_mask, &m);
  g_autofree char *what =
      g_strdup_printf ("mask of %u classes, %u x %u to %u x %u, %u pictures", classes, from_w, from_h, w, h, n);
  check_output (&out, what);

  axis_free (&m.rows);
  axis_free (&m.columns);
  device_free (m.logits.planes);
  device_free (base);
  output_free (&out);
  g_hash_table_unref (axes);
}

static void
test_masks (void)
{
  test_mask (1, 1, 1, 1, 1, 1);
  test_mask (21, 1, 1, 40, 40, 1);
  test_mask (256, 3, 5, 7, 11, 2);
  test_mask (21, 48, 32, 48, 32, 1);
  test_mask (21, 48, 31, 96, 31, 1);
  test_mask (21, 31, 48, 31, 96, 1);
  test_mask (5, 2, 2, 130, 129, 1);
  test_mask (7, 40, 41, 13, 9, 1);
  for (guint i = 0; i < 100; i++) {
    const guint w = random_int (1, 40), h = random_int (1, 40);
    test_mask (random_int (1, 30), w, h, w + random_int (0, 2 * w), h + random_int (0, 2 * h),
               random_int (1, MOST_PICTURES));
  }
}

/* --- boxes --- */

static cudaError_t
enqueue_detect (gconstpointer data)
{
  return dicenet_cuda_detect (data, stream);
}

typedef struct {
  DicenetHead head;
  guint n_priors, n_classes, n, capacity;
  gfloat background;    /* average distance of its logits above the others */
  guint ties, nonsense; /* one in this number of logits is an integer, or not a number; 0: none */
  gfloat size;          /* size of boxes: many overlap if it is large */
  DicenetDetectParams params;
} Scene;

static gfloat
nonsense (void)
{
  static const gfloat numbers[] = { NAN, INFINITY, -INFINITY, 1e30f, -1e30f };
  return numbers[random_int (0, G_N_ELEMENTS (numbers) - 1)];
}

/* Floats of a prior's confidences. */
static guint
row_floats (const Scene *s)
{
  return s->head == DICENET_HEAD_SSD ? s->n_classes : s->n_classes - 1;
}

static gfloat
background_of (const Scene *s, gsize i)
{
  if (s->head == DICENET_HEAD_ANCHOR_FREE)
    return -s->background;
  return i % s->n_classes == 0 ? s->background : 0;
}

static void
fill_scene (const Scene *s, gfloat *confidences, gfloat *locations)
{
  for (gsize i = 0; i < (gsize) s->n_priors * row_floats (s); i++) {
    confidences[i] = 2 * random_normal () + background_of (s, i);
    if (s->ties > 0 && one_in (s->ties))
      confidences[i] = rintf (confidences[i]);
    if (s->nonsense > 0 && one_in (4 * s->nonsense))
      confidences[i] = nonsense ();
  }
  for (gsize i = 0; i < 4 * (gsize) s->n_priors; i++)
    locations[i] = s->nonsense > 0 && one_in (s->nonsense) ? nonsense () : random_normal ();
}

static gfloat *
make_priors (const Scene *s)
{
  gfloat *priors = g_new (gfloat, 4 * (gsize) s->n_priors);

  for (gsize i = 0; i < 2 * (gsize) s->n_priors; i++) {
    priors[i / 2 * 4 + i % 2] = random_float (0, 1);
    priors[i / 2 * 4 + 2 + i % 2] = random_float (0.1f, 1) * s->size;
  }
  return priors;
}

/* A GPU's exponentials differ from the C library's in the last bits, and so may the order of nearly equal values and
 * which boxes are suppressed. The emulator uses the C library's. */
#ifdef DICENET_CUDA_EMULATED
#define NEAR            0.0f
#define REACH           0
#define MOST_WRONG(all) 0
#else
#define NEAR            4e-6f
#define REACH           8 /* maximum distance of a box from its expected position */
#define MOST_WRONG(all) (1 + (all) / 50)
#endif

static gboolean
is_near (gfloat a, gfloat b, gfloat size)
{
  return fabsf (a - b) <= NEAR * (1 + fabsf (size));
}

static gboolean
same_box (const DicenetBox *a, const DicenetBox *b)
{
  const gfloat w = a->x1 - a->x0, h = a->y1 - a->y0;

  return a->label_id == b->label_id && is_near (a->confidence, b->confidence, 0) && is_near (a->x0, b->x0, w) &&
         is_near (a->y0, b->y0, h) && is_near (a->x1, b->x1, w) && is_near (a->y1, b->y1, h);
}

static gboolean
is_found (const DicenetBox *box, guint at, const DicenetBox *found, guint n)
{
  for (guint i = MAX (at, REACH) - REACH; i < MIN (at + REACH + 1, n); i++)
    if (same_box (box, &found[i]))
      return TRUE;
  return FALSE;
}

static void
check_boxes (const GArray *expected, guint n, const DicenetBox *found, guint capacity, const char *what)
{
  const guint there = MIN (MIN (n, expected->len), capacity), most = MOST_WRONG (expected->len);
  guint wrong = 0;

  for (guint i = 0; i < there; i++)
    wrong += !is_found (&g_array_index (expected, DicenetBox, i), i, found, there);
  g_autofree char *text = g_strdup_printf ("%s: %u boxes, not %u; %u are wrong", what, n, expected->len, wrong);
  check (MAX (n, expected->len) - MIN (n, expected->len) <= most && wrong <= most, text);
}

static DicenetCudaDetect
upload_scene (const Scene *s, const gfloat *x, const Arena arenas[2], const gfloat *priors)
{
  const gsize split = s->n * arenas[0].stride, all = split + s->n * arenas[1].stride;
  gfloat *base = device_copy (x, all * sizeof (gfloat));
  g_autofree gfloat *thresholds = g_new (gfloat, s->n_classes);
  DicenetCudaDetectParams params;

  dicenet_cuda_detect_params (&s->params, s->n_classes, &params, thresholds);
  return (DicenetCudaDetect){
    .confidences = arena_tensor (&arenas[0], base, 1, s->n_priors, row_floats (s), s->n),
    .locations = arena_tensor (&arenas[1], base + split, 1, s->n_priors, 4, s->n),
    .priors = device_copy (priors, 4 * (gsize) s->n_priors * sizeof *priors),
    .n_priors = s->n_priors,
    .n_classes = s->n_classes,
    .is_anchor_free = s->head == DICENET_HEAD_ANCHOR_FREE,
    .params = device_copy (&params, sizeof params),
    .thresholds = device_copy (thresholds, s->n_classes * sizeof *thresholds),
    .n_boxes = device_new (s->n * sizeof (guint)),
    .capacity = s->capacity,
    .scratch = device_new (dicenet_cuda_detect_scratch (s->n_priors, s->n_classes, s->n)),
  };
}

static void
detect_free (const DicenetCudaDetect *d)
{
  device_free (d->confidences.base);
  device_free (d->confidences.planes);
  device_free (d->locations.planes);
  device_free (d->priors);
  device_free (d->params);
  device_free (d->thresholds);
  device_free (d->n_boxes);
  device_free (d->scratch);
}

static void
check_scene (const Scene *s, const DicenetCudaDetect *d, const Output *out, const gfloat *x, const Arena arenas[2],
             const gfloat *priors)
{
  g_autofree char *what =
      g_strdup_printf ("head %u, %u priors, %u classes, threshold %g, overlap %g, at most %u of %u per class", s->head,
                       s->n_priors, s->n_classes, (double) s->params.threshold, (double) s->params.iou_threshold,
                       s->params.max_detections, s->params.max_per_class);
  g_autofree DicenetBox *found = output_read (out);
  g_autofree guint *n_found = g_new (guint, s->n);
  const char *set;

  must (cudaMemcpyAsync (n_found, d->n_boxes, s->n * sizeof (guint), cudaMemcpyDeviceToHost, stream));
  must (cudaStreamSynchronize (stream));
  for (guint i = 0; i < s->n; i++) {
    const gfloat *locations = x + s->n * arenas[0].stride + i * arenas[1].stride + arenas[1].planes[0];
    const guint there = MIN (n_found[i], s->capacity);
    g_autoptr (GArray) expected =
        dicenet_decode_boxes (s->head, x + i * arenas[0].stride + arenas[0].planes[0], locations, priors, s->n_priors,
                              s->n_classes, &s->params, dicenet_pixel_kernels_get (dicenet_cpu_mask (), &set));
    check_boxes (expected, n_found[i], found + i * s->capacity, s->capacity, what);
    check (memcmp (found + i * s->capacity + there, (DicenetBox *) out->expected + i * s->capacity + there,
                   (s->capacity - there) * sizeof (DicenetBox)) == 0,
           "memory behind the boxes changed");
  }
}

static void
test_detect (const Scene *s)
{
  const Arena arenas[2] = { arena_new (1, s->n_priors * row_floats (s)), arena_new (1, 4 * s->n_priors) };
  g_autofree gfloat *x = g_new0 (gfloat, s->n * (arenas[0].stride + arenas[1].stride)), *priors = make_priors (s);
  Output out = output_new ((gsize) s->n * s->capacity * sizeof (DicenetBox));

  for (guint i = 0; i < s->n; i++)
    fill_scene (s, x + i * arenas[0].stride + arenas[0].planes[0],
                x + s->n * arenas[0].stride + i * arenas[1].stride + arenas[1].planes[0]);
  DicenetCudaDetect d = upload_scene (s, x, arenas, priors);
  d.boxes = out.device;
  run (enqueue_detect, &d);
  check_scene (s, &d, &out, x, arenas, priors);
  detect_free (&d);
  output_free (&out);
}

/* Every prior is a candidate for every class, more than fit in shared memory. */
static void
test_all_candidates (void)
{
  const guint limits[] = { 0, 300 };

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    test_detect (&(Scene){ .head = i == 0 ? DICENET_HEAD_ANCHOR_FREE : DICENET_HEAD_SSD,
                           .n_priors = 4500,
                           .n_classes = 3,
                           .n = 1,
                           .capacity = 9000,
                           .size = i == 0 ? 0.02f : 0.5f,
                           .ties = 2,
                           .params = { .threshold = 0, .iou_threshold = 0.45f, .max_per_class = limits[i] } });
}

static void
test_scenes (void)
{
  static const gfloat thresholds[] = { 0.01f, 0.3f, 0.5f, 0, 1, 2 };
  gfloat by_class[90];

  for (guint i = 0; i < 60; i++) {
    const gboolean many = one_in (4);
    const Scene s = {
      .head = one_in (2) ? DICENET_HEAD_ANCHOR_FREE : DICENET_HEAD_SSD,
      .n_priors = random_int (1, many ? 2600 : 300),
      .n_classes = one_in (10) ? random_int (32, 90) : random_int (2, many ? 4 : 21),
      .n = random_int (1, MOST_PICTURES),
      .capacity = one_in (4) ? random_int (1, 20) : 2000,
      .background = many ? 0 : 5,
      .ties = random_int (0, 2),
      .nonsense = one_in (3) ? random_int (5, 50) : 0,
      .size = random_float (0.05f, 1),
      .params = { .threshold = thresholds[random_int (0, G_N_ELEMENTS (thresholds) - 1)],
                  .iou_threshold = one_in (5) ? (gfloat) random_int (0, 1) : random_float (0, 1),
                  .max_per_class = one_in (2) ? 0 : random_int (1, 300),
                  .max_detections = one_in (2) ? 0 : random_int (1, 200),
                  .class_thresholds = one_in (3) ? by_class : NULL },
    };
    for (guint c = 0; c < s.n_classes; c++)
      by_class[c] = one_in (5) ? 2 : random_float (0, 0.5f);
    test_detect (&s);
  }
}

int
main (int argc, char **argv)
{
  const guint32 seed = argc > 1 ? (guint32) strtoul (argv[1], NULL, 0) : 1;
  int n_devices;

  if (cudaGetDeviceCount (&n_devices) != cudaSuccess || n_devices == 0) {
    puts ("no GPU: skipped");
    return 77;
  }
  g_setenv ("DICENET_CPU_MASK", "0", TRUE); /* the reference kernels */
  rand_ = g_rand_new_with_seed (seed);
  must (cudaStreamCreateWithFlags (&stream, cudaStreamNonBlocking));
  test_pictures ();
  test_masks ();
  test_scenes ();
  test_all_candidates ();
  must (cudaStreamDestroy (stream));
  g_rand_free (rand_);
  printf ("%u checks, %u failures, seed %u\n", checks, failures, seed);
  return failures > 0;
}
