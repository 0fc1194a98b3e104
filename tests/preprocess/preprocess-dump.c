/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "prepost/preprocess.h"

#include "pictures.h"

/* preprocess-dump FORMAT bt601|bt709 limited|full WIDTH HEIGHT TO-WIDTH TO-HEIGHT [RUNS] < frame > planes
 * Reads one frame without padding and writes the scaled picture before normalisation: planes R, G, B of bytes. With
 * RUNS, does it as often and says how long one run took. */

static gboolean
read_picture (Picture *picture)
{
  for (guint plane = 0; plane < picture->n_planes; plane++) {
    gsize size = (gsize) picture->rows[plane] * picture->row_bytes[plane];

    if (fread (picture->memory[plane], 1, size, stdin) != size)
      return FALSE;
  }
  return getchar () == EOF;
}

static int
compare_times (gconstpointer a, gconstpointer b)
{
  return *(const gint64 *) a < *(const gint64 *) b ? -1 : 1;
}

static void
time_runs (DicenetPreprocess *preprocess, const DicenetImage *image, gfloat *tensor, guint n_runs)
{
  g_autofree gint64 *times = g_new (gint64, n_runs);

  for (guint i = 0; i < n_runs; i++) {
    gint64 start = g_get_monotonic_time ();

    dicenet_preprocess_run (preprocess, image, tensor);
    times[i] = g_get_monotonic_time () - start;
  }
  qsort (times, n_runs, sizeof *times, compare_times);
  fprintf (stderr, "%u runs: fastest %.2f ms, median %.2f ms\n", n_runs, times[0] / 1e3, times[n_runs / 2] / 1e3);
}

static gboolean
write_planes (const DicenetImage *image, guint width, guint height, guint n_runs, GError **error)
{
  static const gfloat mean[3] = { 0, 0, 0 }, std[3] = { 1 / 255.f, 1 / 255.f, 1 / 255.f };
  gsize n = 3 * (gsize) width * height;
  DicenetPreprocess *preprocess =
      dicenet_preprocess_new (image, width, height, mean, std, 1, dicenet_cpu_mask (), error);
  g_autofree gfloat *tensor = NULL;

  if (!preprocess)
    return FALSE;
  tensor = g_new (gfloat, n);
  dicenet_preprocess_run (preprocess, image, tensor);
  if (n_runs > 0)
    time_runs (preprocess, image, tensor, n_runs);
  dicenet_preprocess_free (preprocess);
  for (gsize i = 0; i < n; i++)
    putchar ((int) (tensor[i] + 0.5f));
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (Picture) picture = NULL;
  g_autoptr (GError) error = NULL;
  guint sizes[4];
  guint n_runs;

  if (argc < 8 || argc > 9 || format_from_name (argv[1]) == DICENET_PIXEL_FORMAT_UNKNOWN) {
    fprintf (stderr,
             "usage: %s FORMAT bt601|bt709 limited|full WIDTH HEIGHT TO-WIDTH TO-HEIGHT [RUNS] < frame > planes\n"
             "FORMAT is GStreamer's name of it: NV12, RGB, ...\n",
             argv[0]);
    return EXIT_FAILURE;
  }
  if (dicenet_cpu_mask_fault ()) {
    fprintf (stderr, "%s: DICENET_CPU_MASK: expected a number from 0 to %d\n", argv[0], DICENET_CPU_ALL);
    return EXIT_FAILURE;
  }
  for (guint i = 0; i < 4; i++)
    sizes[i] = (guint) CLAMP (atoi (argv[4 + i]), 1, 32767);
  n_runs = argc > 8 ? (guint) CLAMP (atoi (argv[8]), 1, 100000) : 0;
  picture = picture_new (format_from_name (argv[1]), sizes[0], sizes[1], ROWS_TIGHT, NULL);
  picture->image.matrix = strcmp (argv[2], "bt709") == 0 ? DICENET_COLOR_MATRIX_BT709 : DICENET_COLOR_MATRIX_BT601;
  picture->image.range = strcmp (argv[3], "full") == 0 ? DICENET_COLOR_RANGE_FULL : DICENET_COLOR_RANGE_LIMITED;
  if (!read_picture (picture)) {
    fprintf (stderr, "%s: standard input is not one %s frame of %u x %u\n", argv[0], argv[1], sizes[0], sizes[1]);
    return EXIT_FAILURE;
  }
  if (!write_planes (&picture->image, sizes[2], sizes[3], n_runs, &error)) {
    fprintf (stderr, "%s: %s\n", argv[0], error->message);
    return EXIT_FAILURE;
  }
  return fflush (stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
