/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every kernel for pixels of every instruction set that this processor has, against the readable reference: random
 * widths and those around register widths, rows that end where memory does, extremes, and bands around outputs. The
 * same program times them:
 *
 *     test-pixels [SEED]
 *     test-pixels --bench
 *
 * The list of pixels.h makes the lists of tests and timings: without a test_NAME(), a run_NAME() and at least a row in
 * rows_NAME[], a kernel doesn't build. */

#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "kernels/kernels.h"
#include "kernels/pixels.h"
#include "prepost/preprocess-filter.h"

#define GUARD  64
#define ROUNDS 400

static GRand *rand_;
static const DicenetPixelKernels *ref = &dicenet_pixel_kernels_ref, *tested;
static const char *isa, *kernel; /* currently tested, for messages */
static guint failures, checks;

static guint
random_int (guint low, guint high)
{
  return (guint) g_rand_int_range (rand_, (gint) low, (gint) high + 1);
}

static guint
random_width (void)
{
  static const guint special[] = { 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 127, 128, 129, 511, 513 };
  return random_int (0, 1) ? special[random_int (0, G_N_ELEMENTS (special) - 1)] : random_int (1, 700);
}

/* Noise, or random values of both extremes. */
static void
fill_bytes (guint8 *bytes, gsize n)
{
  const gboolean extremes = random_int (0, 3) == 0;
  for (gsize i = 0; i < n; i++)
    bytes[i] = extremes ? (random_int (0, 1) ? 255 : 0) : (guint8) random_int (0, 255);
}

/* Bytes followed by an inaccessible page, like the last row of a picture. */
typedef struct {
  guint8 *memory, *bytes;
  gsize size;
} Row;

static Row
row_new (gsize n)
{
  const gsize page = (gsize) sysconf (_SC_PAGESIZE), used = (n + page - 1) / page * page;
  Row row = { .size = used + page };

  row.memory = mmap (NULL, row.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  g_assert (row.memory != MAP_FAILED);
  g_assert (mprotect (row.memory + used, page, PROT_NONE) == 0);
  row.bytes = row.memory + used - n;
  fill_bytes (row.bytes, n);
  return row;
}

static void
row_free (Row *row)
{
  munmap (row->memory, row->size);
}

/* Rows of 16-bit samples with noise in their padding and around them. */
static guint16 *
samples_new (gsize n, gboolean bytes)
{
  guint16 *samples = g_new (guint16, n);
  for (gsize i = 0; i < n; i++)
    samples[i] = (guint16) (bytes ? random_int (0, 255) : random_int (0, 65535));
  if (bytes && random_int (0, 3) == 0)
    for (gsize i = 0; i < n; i++)
      samples[i] = random_int (0, 1) ? 255 : 0;
  return samples;
}

static void
check (gboolean same, const char *shape)
{
  checks++;
  if (!same && failures++ < 20)
    printf ("FAIL %s, %s: %s\n", kernel, isa, shape);
}

/* Compares @n samples of each of @rows, @stride apart; the next @pad samples may have any value, and those before and
 * after must be unchanged. Both start GUARD samples into their memory. */
static gboolean
same_rows (const guint16 *a, const guint16 *b, gsize rows, gsize stride, gsize n)
{
  if (memcmp (a, b, GUARD * sizeof *a) != 0 ||
      memcmp (a + GUARD + rows * stride, b + GUARD + rows * stride, GUARD * sizeof *a) != 0)
    return FALSE;
  for (gsize r = 0; r < rows; r++)
    if (memcmp (a + GUARD + r * stride, b + GUARD + r * stride, n * sizeof *a) != 0)
      return FALSE;
  return TRUE;
}

typedef struct {
  guint16 *expected, *found; /* initialised with the same noise */
  gsize n;
} Output;

static Output
output_new (gsize n)
{
  const gsize all = n + 2 * GUARD;
  guint16 *noise = samples_new (all, FALSE);
  return (Output){ noise, g_memdup2 (noise, all * sizeof *noise), all };
}

static void
output_free (Output *o)
{
  g_free (o->expected);
  g_free (o->found);
}

/* A row of @n pairs of chroma samples, plus one sample. */
static void
check_chroma (Output *out, gsize room, gsize n)
{
  g_autofree char *shape = g_strdup_printf ("%zu pairs", n);

  check (same_rows (out->expected, out->found, 1, room, 2 * n + 2), shape);
  output_free (out);
}

static void
test_chroma_semiplanar (void)
{
  const gsize n = (random_width () + 1) / 2, room = 2 * n + 2 + DICENET_PIXEL_PAD;
  Row near = row_new (2 * n), far = row_new (2 * n);
  Output out = output_new (room);

  ref->chroma_semiplanar (near.bytes, far.bytes, (gint16 *) out.expected + GUARD, n);
  tested->chroma_semiplanar (near.bytes, far.bytes, (gint16 *) out.found + GUARD, n);
  check_chroma (&out, room, n);
  row_free (&near);
  row_free (&far);
}

static void
test_chroma_planar (void)
{
  const gsize n = (random_width () + 1) / 2, room = 2 * n + 2 + DICENET_PIXEL_PAD;
  Row near = row_new (2 * n), far = row_new (2 * n);
  const guint8 *near_planes[2] = { near.bytes + n, near.bytes }, *far_planes[2] = { far.bytes, far.bytes + n };
  Output out = output_new (room);

  ref->chroma_planar (near_planes, far_planes, (gint16 *) out.expected + GUARD, n);
  tested->chroma_planar (near_planes, far_planes, (gint16 *) out.found + GUARD, n);
  check_chroma (&out, room, n);
  row_free (&near);
  row_free (&far);
}

static void
test_chroma_packed (void)
{
  const gsize n = (random_width () + 1) / 2, room = 2 * n + 2 + DICENET_PIXEL_PAD;
  const DicenetLuma luma = random_int (0, 1) ? DICENET_LUMA_EVEN : DICENET_LUMA_ODD;
  Row packed = row_new (4 * n);
  Output out = output_new (room);

  ref->chroma_packed (packed.bytes, luma, (gint16 *) out.expected + GUARD, n);
  tested->chroma_packed (packed.bytes, luma, (gint16 *) out.found + GUARD, n);
  check_chroma (&out, room, n);
  row_free (&packed);
}

static gint16
random_factor (guint bits)
{
  return (gint16) ((gint) random_int (0, 2u << bits) - (gint) (1u << bits));
}

static void
test_yuv (void)
{
  const guint width = random_width ();
  const gsize stride = dicenet_pixel_stride (width), n_chroma = 2 * (gsize) ((width + 1) / 2) + 2;
  const DicenetLuma where = (DicenetLuma) random_int (0, 2);
  const DicenetYuv yuv = { random_factor (14),
                           random_factor (14),
                           { random_factor (12), random_factor (12) },
                           { random_factor (12), random_factor (12) },
                           { random_factor (12), random_factor (12) } };
  Row luma = row_new ((where == DICENET_LUMA_PLANAR ? 1 : 2) * (gsize) width);
  g_autofree gint16 *chroma = g_new (gint16, n_chroma + DICENET_PIXEL_PAD);
  Output out = output_new (3 * stride);
  g_autofree char *shape = g_strdup_printf ("%u pixels, luma %d", width, (int) where);

  for (gsize i = 0; i < n_chroma + DICENET_PIXEL_PAD; i++)
    chroma[i] = (gint16) ((gint) random_int (0, 1020) - 512);
  ref->yuv (&yuv, luma.bytes, where, chroma, out.expected + GUARD, width);
  tested->yuv (&yuv, luma.bytes, where, chroma, out.found + GUARD, width);
  check (same_rows (out.expected, out.found, 3, stride, width), shape);
  output_free (&out);
  row_free (&luma);
}

static void
test_rgb (void)
{
  static const guint8 orders[6][4] = { { 3, 0, 1, 2 }, { 3, 2, 1, 0 }, { 4, 0, 1, 2 },
                                       { 4, 2, 1, 0 }, { 4, 1, 2, 3 }, { 4, 3, 2, 1 } };
  const guint width = random_width ();
  const gsize stride = dicenet_pixel_stride (width);
  const guint8 *order = orders[random_int (0, 5)];
  Row pixels = row_new (order[0] * width);
  Output out = output_new (3 * stride);
  g_autofree char *shape =
      g_strdup_printf ("%u pixels of %u bytes %u %u %u", width, order[0], order[1], order[2], order[3]);

  ref->rgb (pixels.bytes, order[0], order + 1, out.expected + GUARD, width);
  tested->rgb (pixels.bytes, order[0], order + 1, out.found + GUARD, width);
  check (same_rows (out.expected, out.found, 3, stride, width), shape);
  output_free (&out);
  row_free (&pixels);
}

static void
test_resize_horizontal (void)
{
  const guint in = random_width (), width = random_int (0, 2) ? random_width () : random_int (1, 8);
  const gsize stride = dicenet_pixel_stride (in);
  g_autofree guint16 *src = samples_new (3 * stride, TRUE);
  Output out = output_new (3 * dicenet_pixel_stride (width));
  DicenetFilter filter;
  g_autofree char *shape = g_strdup_printf ("%u to %u", in, width);

  dicenet_filter_init (&filter, in, width);
  ref->resize_horizontal (&filter.taps, src, stride, out.expected + GUARD);
  tested->resize_horizontal (&filter.taps, src, stride, out.found + GUARD);
  check (same_rows (out.expected, out.found, 3, dicenet_pixel_stride (width), width), shape);
  dicenet_filter_clear (&filter);
  output_free (&out);
}

static void
test_resize_vertical_normalise (void)
{
  const guint in = random_int (1, 40), height = random_int (1, 40), width = random_width ();
  const gsize stride = dicenet_pixel_stride (width);
  g_autofree guint16 *samples = samples_new (in * stride, TRUE);
  g_autofree gfloat *expected = g_new (gfloat, width + 2 * GUARD), *found = NULL;
  gfloat table[256];
  DicenetFilter filter;
  g_autofree char *shape = g_strdup_printf ("%u pixels of %u rows to %u", width, in, height);

  for (guint i = 0; i < 256; i++)
    table[i] = (gfloat) g_rand_double (rand_);
  for (guint i = 0; i < width + 2 * GUARD; i++)
    expected[i] = (gfloat) i;
  found = g_memdup2 (expected, (width + 2 * GUARD) * sizeof (gfloat));
  dicenet_filter_init (&filter, in, height);
  const guint row = random_int (0, height - 1), n = 2 * filter.taps.pairs;
  g_autofree const guint16 **rows = g_new (const guint16 *, n);
  for (guint t = 0; t < n; t++)
    rows[t] = samples + ((guint) filter.taps.start[row] + t) % in * stride;
  ref->resize_vertical_normalise (&filter.taps, row, rows, table, expected + GUARD, width);
  tested->resize_vertical_normalise (&filter.taps, row, rows, table, found + GUARD, width);
  check (memcmp (expected, found, (width + 2 * GUARD) * sizeof (gfloat)) == 0, shape);
  dicenet_filter_clear (&filter);
}

/* If two classes are nearly equal, rounding decides. */
static gboolean
same_classes (const gfloat *a, const gfloat *b, gsize stride, const float weight[2], const guint8 *expected,
              const guint8 *found, guint width)
{
  for (guint i = 0; i < width; i++) {
    const gsize e = expected[i] * stride + i, f = found[i] * stride + i;
    const float difference = weight[0] * (a[e] - a[f]) + weight[1] * (b[e] - b[f]);
    if (!(fabsf (difference) < 1e-5f))
      return FALSE;
  }
  return TRUE;
}

static void
test_argmax (void)
{
  const guint width = random_width (), classes = random_int (0, 3) ? random_int (1, 25) : random_int (1, 256);
  const gsize stride = (width + 15) / 16 * 16, n = classes * stride;
  const float second = (float) g_rand_double (rand_), weight[2] = { 1 - second, second };
  g_autofree gfloat *a = g_new (gfloat, n), *b = g_new (gfloat, n);
  g_autofree guint8 *expected = g_malloc (width + 2 * GUARD), *found = NULL;
  g_autofree char *shape = g_strdup_printf ("%u pixels, %u classes", width, classes);

  for (gsize i = 0; i < n; i++) {
    a[i] = random_int (0, 9) ? (gfloat) g_rand_double_range (rand_, -9, 9) : 9; /* many ties: the first one counts */
    b[i] = a[i] == 9 ? 9 : (gfloat) g_rand_double_range (rand_, -9, 9);
  }
  fill_bytes (expected, width + 2 * GUARD);
  found = g_memdup2 (expected, width + 2 * GUARD);
  ref->argmax (a, b, stride, weight, classes, expected + GUARD, width);
  tested->argmax (a, b, stride, weight, classes, found + GUARD, width);
  check (same_classes (a, b, stride, weight, expected + GUARD, found + GUARD, width) &&
             memcmp (expected, found, GUARD) == 0 &&
             memcmp (expected + GUARD + width, found + GUARD + width, GUARD) == 0,
         shape);
  /* With weights that need no rounding, the results are equal. */
  const float whole[2] = { 1, 0 };
  ref->argmax (a, b, stride, whole, classes, expected + GUARD, width);
  tested->argmax (a, b, stride, whole, classes, found + GUARD, width);
  check (memcmp (expected, found, width + 2 * GUARD) == 0, shape);
}

static void
test_select_candidates (void)
{
  const gboolean has_background = random_int (0, 1);
  const guint classes = random_int (1 + has_background, 100), n = random_int (1, 40);
  const float least = random_int (0, 3) ? (float) g_rand_double_range (rand_, -3, 3) : -INFINITY;
  Row memory = row_new ((gsize) n * classes * sizeof (float)); /* the last row ends at the end of its memory */
  float *x = (float *) memory.bytes;
  guint32 expected[40 + GUARD], found[40 + GUARD];
  guint n_expected, n_found;
  g_autofree char *shape =
      g_strdup_printf ("%u x %u%s, %g", n, classes, has_background ? " with the background" : "", (double) least);

  for (guint i = 0; i < n * classes; i++)
    x[i] = random_int (0, 50)
               ? (float) g_rand_double_range (rand_, -9, 9) + (has_background && i % classes == 0 ? 9 : 0)
               : (random_int (0, 1) ? NAN : -INFINITY);
  ref->select_candidates (x, classes, has_background, n, least, expected, &n_expected);
  tested->select_candidates (x, classes, has_background, n, least, found, &n_found);
  /* Rows with NaN may count or not: their softmax is NaN as well. */
  check (least == -INFINITY || (n_expected == n_found && memcmp (expected, found, n_found * sizeof (guint32)) == 0),
         shape);
  row_free (&memory);
}

static void
test_softmax (void)
{
  const guint n = random_int (1, 130);
  Row memory = row_new (n * sizeof (float));
  float *x = (float *) memory.bytes, expected[160], found[160];
  const double range = random_int (0, 3) ? 10 : 1000;
  g_autofree char *shape = g_strdup_printf ("%u numbers up to %g", n, range);
  gboolean same = TRUE;

  for (guint i = 0; i < n; i++)
    x[i] = (float) g_rand_double_range (rand_, -range, range);
  for (guint i = 0; i < G_N_ELEMENTS (found); i++)
    found[i] = 12345;
  ref->softmax (x, n, expected);
  tested->softmax (x, n, found);
  for (guint i = 0; i < n; i++)
    same &= fabsf (expected[i] - found[i]) <= 1e-6f * expected[i] + 1e-30f;
  for (guint i = (n + 15) / 16 * 16; i < G_N_ELEMENTS (found); i++)
    same &= found[i] == 12345;
  check (same, shape);
  row_free (&memory);
}

static void
random_box (float *box, gsize stride)
{
  const float x = (float) g_rand_double (rand_), y = (float) g_rand_double (rand_);
  box[0] = x;
  box[stride] = y;
  box[2 * stride] = x + (float) g_rand_double_range (rand_, -0.1, 0.6);
  box[3 * stride] = y + (float) g_rand_double_range (rand_, -0.1, 0.6);
}

static void
test_iou_above (void)
{
  const guint n = random_int (0, 40);
  const gsize stride = n + 16 + random_int (0, 3);
  const float iou = (float) g_rand_double_range (rand_, 0.2, 1);
  g_autofree float *others = g_new (float, 5 * stride);
  float box[4];
  int expected, found;
  g_autofree char *shape = g_strdup_printf ("%u boxes, %g", n, (double) iou);

  random_box (box, 1);
  for (gsize i = 0; i < stride; i++) {
    random_box (others + i, stride);
    if (i >= n) /* values that must not count */
      for (guint k = 0; k < 4; k++)
        others[k * stride + i] = box[k];
    others[4 * stride + i] = (others[2 * stride + i] - others[i]) * (others[3 * stride + i] - others[stride + i]);
  }
  ref->iou_above (box, others, stride, n, iou, &expected);
  tested->iou_above (box, others, stride, n, iou, &found);
  check (!expected == !found, shape);
}

typedef struct {
  const char *kernel;
  void (*test) (void);
} Test;

static const Test tests[] = {
#define K(name, arguments) { #name, test_##name },
  DICENET_PIXEL_KERNELS (K)
#undef K
};

static void
test_isa (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++) {
    const guint before = checks;
    kernel = tests[i].kernel;
    for (guint round = 0; round < ROUNDS; round++)
      tests[i].test ();
    if (checks == before && failures++ < 20)
      printf ("FAIL %s, %s: its test compares nothing\n", kernel, isa);
  }
}

/* --- time: a 1080p frame on its way to 683 x 384, one row each --- */

typedef struct {
  guint8 bytes[2][4 * 1920];
  gint16 chroma[1922 + DICENET_PIXEL_PAD];
  guint16 in[3 * 2048], out[3 * 2048];
  gfloat floats[2][21 * 384], table[256], result[683];
  guint8 classes[384];
  guint32 found[99];
  guint n_found;
  int overlaps;
  DicenetFilter across, more, down;
} Data;

typedef struct {
  const char *label;
  gsize pixels, bytes; /* per run */
} Timing;

static void
run_chroma_semiplanar (const DicenetPixelKernels *k, Data *d, guint which)
{
  k->chroma_semiplanar (d->bytes[0], d->bytes[1], d->chroma, 960);
}

static const Timing rows_chroma_semiplanar[] = { { "1920, NV12", 1920, 1920 * 2 + 1920 * 2 } };

static void
run_chroma_planar (const DicenetPixelKernels *k, Data *d, guint which)
{
  const guint8 *planes[3] = { d->bytes[0], d->bytes[0] + 960, d->bytes[1] };
  k->chroma_planar (planes, planes + 1, d->chroma, 960);
}

static const Timing rows_chroma_planar[] = { { "1920, I420", 1920, 1920 * 2 + 1920 * 2 } };

static void
run_chroma_packed (const DicenetPixelKernels *k, Data *d, guint which)
{
  k->chroma_packed (d->bytes[0], DICENET_LUMA_EVEN, d->chroma, 960);
}

static const Timing rows_chroma_packed[] = { { "1920, YUY2", 1920, 1920 * 2 + 1920 * 2 } };

static void
run_yuv (const DicenetPixelKernels *k, Data *d, guint which)
{
  static const DicenetYuv yuv = { 19077, -18565, { 0, 3672 }, { -437, -1092 }, { 4327, 0 } };
  k->yuv (&yuv, d->bytes[0], which ? DICENET_LUMA_EVEN : DICENET_LUMA_PLANAR, d->chroma, d->out, 1920);
}

static const Timing rows_yuv[] = {
  { "1920, NV12", 1920, 1920 * (1 + 2 + 6) },
  { "1920, YUY2", 1920, 1920 * (2 + 2 + 6) },
};

static void
run_rgb (const DicenetPixelKernels *k, Data *d, guint which)
{
  static const guint8 rgb[3] = { 0, 1, 2 }, bgr[3] = { 2, 1, 0 };
  k->rgb (d->bytes[0], which ? 4 : 3, which ? bgr : rgb, d->out, 1920);
}

static const Timing rows_rgb[] = {
  { "1920, RGB", 1920, 1920 * (3 + 6) },
  { "1920, BGRx", 1920, 1920 * (4 + 6) },
};

static void
run_resize_horizontal (const DicenetPixelKernels *k, Data *d, guint which)
{
  k->resize_horizontal (which ? &d->more.taps : &d->across.taps, d->in, dicenet_pixel_stride (1920), d->out);
}

static const Timing rows_resize_horizontal[] = {
  { "1920 to 683", 1920, (1920 + 683) * 6 },
  { "1920 to 224", 1920, (1920 + 224) * 6 },
};

static void
run_resize_vertical_normalise (const DicenetPixelKernels *k, Data *d, guint which)
{
  const guint16 *rows[6] = { d->in, d->in + 1, d->in + 2, d->in + 3, d->in + 4, d->in + 5 };
  k->resize_vertical_normalise (&d->down.taps, 192, rows, d->table, d->result, 683);
}

static const Timing rows_resize_vertical_normalise[] = { { "6 rows of 683", 683, 683 * (6 * 2 + 4) } };

static void
run_argmax (const DicenetPixelKernels *k, Data *d, guint which)
{
  static const float weight[2] = { 0.25f, 0.75f };
  k->argmax (d->floats[0], d->floats[1], 384, weight, 21, d->classes, 384);
}

static const Timing rows_argmax[] = { { "384, 21 classes", 384, 384 * (2 * 21 * 4 + 1) } };

static void
run_select_candidates (const DicenetPixelKernels *k, Data *d, guint which)
{
  k->select_candidates (d->floats[0], 81, TRUE, 99, 2, d->found, &d->n_found);
}

static const Timing rows_select_candidates[] = { { "99 of 81", 99 * 81, 99 * 81 * 4 } };

static void
run_softmax (const DicenetPixelKernels *k, Data *d, guint which)
{
  k->softmax (d->floats[0], 81, d->result);
}

static const Timing rows_softmax[] = { { "81", 81, 81 * 8 } };

static void
run_iou_above (const DicenetPixelKernels *k, Data *d, guint which)
{
  k->iou_above ((const float[]){ 0.1f, 0.1f, 0.2f, 0.2f }, d->floats[0], 256, 200, 2, &d->overlaps);
}

static const Timing rows_iou_above[] = { { "with 200", 200, 200 * 20 } };

static const struct {
  const char *name;
  void (*run) (const DicenetPixelKernels *k, Data *d, guint which);
  const Timing *rows;
  guint n_rows;
} timed[] = {
#define K(name, arguments) { #name, run_##name, rows_##name, G_N_ELEMENTS (rows_##name) },
  DICENET_PIXEL_KERNELS (K)
#undef K
};

#define K(name, arguments) G_STATIC_ASSERT (G_N_ELEMENTS (rows_##name) > 0);
DICENET_PIXEL_KERNELS (K)
#undef K

/* Seconds per run: the fastest of several batches, because of other load on the machine. */
static double
seconds_per_run (const DicenetPixelKernels *k, guint i, guint which, Data *d)
{
  const guint batch = 200;
  double best = INFINITY;

  for (guint trial = 0; trial < 50; trial++) {
    const gint64 start = g_get_monotonic_time ();
    for (guint run = 0; run < batch; run++)
      timed[i].run (k, d, which);
    best = MIN (best, (double) (g_get_monotonic_time () - start) / 1e6 / batch);
  }
  return best;
}

static void
bench_row (guint i, guint which, Data *d)
{
  const Timing *row = &timed[i].rows[which];
  g_autofree char *label = g_strdup_printf ("%s %s", timed[i].name, row->label);

  for (guint mask = DICENET_CPU_BASELINE; mask <= DICENET_CPU_AVX512; mask *= 2) {
    const char *name;
    const DicenetPixelKernels *k = dicenet_pixel_kernels_get (mask, &name);
    if (k == ref)
      continue;
    const double seconds = seconds_per_run (k, i, which, d);
    printf ("%-28s %-9s %10.2f %10.3f %10.1f\n", label, name, seconds * 1e6, seconds * 1e9 / row->pixels,
            row->bytes / seconds / 1e9);
  }
}

static int
bench (void)
{
  g_autofree Data *d = g_new0 (Data, 1);

  for (gsize i = 0; i < G_N_ELEMENTS (d->in); i++)
    d->in[i] = (guint16) random_int (0, 255);
  fill_bytes (d->bytes[0], sizeof d->bytes);
  for (gsize i = 0; i < G_N_ELEMENTS (d->floats[0]); i++) {
    d->floats[0][i] = (gfloat) g_rand_double (rand_);
    d->floats[1][i] = (gfloat) g_rand_double (rand_);
  }
  dicenet_filter_init (&d->across, 1920, 683);
  dicenet_filter_init (&d->more, 1920, 224);
  dicenet_filter_init (&d->down, 1080, 384);
  printf ("%-28s %-9s %10s %10s %10s\n", "kernel", "set", "us", "ns/pixel", "GB/s");
  for (guint i = 0; i < G_N_ELEMENTS (timed); i++)
    for (guint which = 0; which < timed[i].n_rows; which++)
      bench_row (i, which, d);
  dicenet_filter_clear (&d->across);
  dicenet_filter_clear (&d->more);
  dicenet_filter_clear (&d->down);
  return 0;
}

int
main (int argc, char **argv)
{
  const gboolean is_bench = argc > 1 && g_str_equal (argv[1], "--bench");
  const guint32 seed = argc > 1 && !is_bench ? (guint32) g_ascii_strtoull (argv[1], NULL, 10) : g_random_int ();

  rand_ = g_rand_new_with_seed (seed);
  if (is_bench)
    return bench ();
  printf ("seed %u\n", seed);
  for (guint mask = DICENET_CPU_BASELINE; mask <= DICENET_CPU_AVX512; mask *= 2) {
    tested = dicenet_pixel_kernels_get (mask, &isa);
    if (tested == ref) {
      printf ("set %u: this processor has it not\n", mask);
      continue;
    }
    const guint before = checks;
    test_isa ();
    printf ("%s: %u checks\n", isa, checks - before);
  }
  g_rand_free (rand_);
  printf ("%u checks, %u failures\n", checks, failures);
  return failures || !checks ? 1 : 0;
}
