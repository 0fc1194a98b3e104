/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures how much time is saved by caching the tables for parts of a frame: 1,000 runs on four parts and inference
 * sizes of an NV12 frame of 1920 x 1080. Compares complete runs of a session, which caches them; preprocessing with
 * cached tables and with new ones; and planning for a size that is not cached. Variants take turns; results are
 * medians.
 *
 *     bench-rectangles MODEL [RUNS] */

#include <dicenet/dicenet.h>
#include <stdlib.h>
#include "kernels/kernels.h"
#include "prepost/preprocess-layout.h"
#include "prepost/preprocess.h"

#define WIDTH  1920
#define HEIGHT 1080

typedef struct {
  guint x, y, width, height, size;
} Part;

static const Part parts[] = {
  { 101, 55, 160, 320, 224 }, { 801, 301, 321, 240, 192 }, { 1200, 500, 96, 97, 128 }, { 0, 0, 640, 480, 256 }
};

typedef struct {
  DicenetSession *session, *other;
  DicenetRequest *requests[G_N_ELEMENTS (parts)];
  DicenetImage frame, images[G_N_ELEMENTS (parts)];
  DicenetPreprocess *kept[G_N_ELEMENTS (parts)];
  gfloat *tensor;
} Bench;

static gdouble
since (gint64 begin)
{
  return (gdouble) (g_get_monotonic_time () - begin);
}

static DicenetPreprocess *
make_tables (const Bench *b, guint k)
{
  static const gfloat mean[] = { 0, 0, 0 }, std[] = { 1, 1, 1 };

  return dicenet_preprocess_new (&b->images[k], parts[k].size, parts[k].size, mean, std, 1, dicenet_cpu_mask (), NULL);
}

static gdouble
run_session (const Bench *b, guint k)
{
  const gint64 begin = g_get_monotonic_time ();
  g_autoptr (DicenetResult) result = dicenet_session_run_image (b->session, &b->frame, b->requests[k], NULL);

  if (result == NULL)
    g_error ("a run failed");
  return since (begin);
}

static gdouble
with_kept (const Bench *b, guint k)
{
  const gint64 begin = g_get_monotonic_time ();

  dicenet_preprocess_run (b->kept[k], &b->images[k], b->tensor);
  return since (begin);
}

static gdouble
with_new (const Bench *b, guint k)
{
  const gint64 begin = g_get_monotonic_time ();
  DicenetPreprocess *preprocess = make_tables (b, k);

  dicenet_preprocess_run (preprocess, &b->images[k], b->tensor);
  dicenet_preprocess_free (preprocess);
  return since (begin);
}

/* Cycles through more sizes than are cached. */
static gdouble
new_plan (const Bench *b, guint k)
{
  static guint next;
  const guint width = 128 + 16 * (next++ % 12);
  const gint64 begin = g_get_monotonic_time ();

  if (!dicenet_session_prepare (b->other, width, parts[k].size, 1, NULL))
    g_error ("a size failed");
  return since (begin);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const gdouble x = *(const gdouble *) a, y = *(const gdouble *) b;
  return x < y ? -1 : x > y;
}

static gdouble
median (GArray *times)
{
  g_array_sort (times, compare);
  return g_array_index (times, gdouble, times->len / 2);
}

static void
init (Bench *b, DicenetModel *model, guint8 *pixels)
{
  g_autoptr (DicenetOptions) options = dicenet_options_new ();

  dicenet_options_set_backend (options, DICENET_BACKEND_CPU);
  dicenet_options_set_threads (options, 1);
  b->session = dicenet_session_new (model, options, NULL);
  b->other = dicenet_session_new (model, options, NULL);
  b->frame = (DicenetImage){ .format = DICENET_PIXEL_FORMAT_NV12,
                             .width = WIDTH,
                             .height = HEIGHT,
                             .planes = { pixels, pixels + WIDTH * HEIGHT },
                             .strides = { WIDTH, WIDTH } };
  b->tensor = g_new (gfloat, 3 * 256 * 256);
  for (guint k = 0; k < G_N_ELEMENTS (parts); k++) {
    b->requests[k] = dicenet_request_new ();
    dicenet_request_set_size (b->requests[k], parts[k].size, parts[k].size);
    dicenet_request_set_rectangle (b->requests[k], parts[k].x, parts[k].y, parts[k].width, parts[k].height);
    dicenet_image_part (&b->images[k], &b->frame, b->requests[k], NULL);
    b->kept[k] = make_tables (b, k);
  }
}

static void
clear (Bench *b)
{
  for (guint k = 0; k < G_N_ELEMENTS (parts); k++) {
    dicenet_request_free (b->requests[k]);
    dicenet_preprocess_free (b->kept[k]);
  }
  g_object_unref (b->session);
  g_object_unref (b->other);
  g_free (b->tensor);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DicenetModel) model = argc > 1 ? dicenet_model_load (argv[1], &error) : NULL;
  const guint runs = argc > 2 ? (guint) atoi (argv[2]) : 1000;
  g_autofree guint8 *pixels = g_malloc (WIDTH * HEIGHT * 3 / 2);
  static gdouble (*const functions[]) (const Bench *, guint) = { run_session, with_kept, with_new, new_plan };
  GArray *times[G_N_ELEMENTS (functions)];
  Bench b;

  if (model == NULL) {
    g_printerr ("bench-rectangles: %s\n", error ? error->message : "usage: bench-rectangles MODEL [RUNS]");
    return 1;
  }
  for (guint i = 0; i < WIDTH * HEIGHT * 3 / 2; i++)
    pixels[i] = (guint8) (i * 7 + i / 1001);
  init (&b, model, pixels);
  for (guint f = 0; f < G_N_ELEMENTS (functions); f++)
    times[f] = g_array_new (FALSE, FALSE, sizeof (gdouble));
  for (guint i = 0; i < runs; i++) {
    const guint k = i % G_N_ELEMENTS (parts), turn = i / G_N_ELEMENTS (parts) % 2;
    for (guint f = 0; f < G_N_ELEMENTS (functions); f++) {
      const guint at = f == 1 || f == 2 ? 1 + (f + turn) % 2 : f; /* the second one finds the frame in the CPU cache */
      const gdouble time = functions[at](&b, k);
      g_array_append_val (times[at], time);
    }
  }
  g_print (
      "%u runs over 4 parts and sizes, us each: in a session %.0f; the input alone with tables that are kept %.1f, "
      "with new ones %.1f; the plan of a size that is not kept %.0f\n",
      runs, median (times[0]), median (times[1]), median (times[2]), median (times[3]));
  for (guint f = 0; f < G_N_ELEMENTS (functions); f++)
    g_array_unref (times[f]);
  clear (&b);
  return 0;
}
