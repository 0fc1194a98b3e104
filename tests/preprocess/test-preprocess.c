/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <dicenet/error.h>

#include "kernels/kernels.h"
#include "prepost/preprocess.h"

#include "pictures.h"
#include "reference.h"

/* With these, the tensor holds the bytes before normalisation. */
static const gfloat no_mean[3] = { 0, 0, 0 };
static const gfloat byte_std[3] = { 1 / 255.f, 1 / 255.f, 1 / 255.f };

#define GUARD      64
#define GUARD_BYTE 0xa5

static GRand *rng;

/* The three planes of the tensor, as bytes. */
static guint8 *
run (const DicenetImage *image, guint width, guint height)
{
  GError *error = NULL;
  gsize n = 3 * (gsize) width * height;
  gsize size = n * sizeof (gfloat);
  g_autofree guint8 *memory = g_malloc (size + 2 * GUARD);
  gfloat *tensor = (gfloat *) (memory + GUARD);
  guint8 *bytes = g_malloc (n);
  guint n_bands = 1 + (image->width + width + height) % 5; /* results must not depend on it */
  DicenetPreprocess *preprocess =
      dicenet_preprocess_new (image, width, height, no_mean, byte_std, n_bands, dicenet_cpu_mask (), &error);

  ck_assert_msg (preprocess != NULL, "%s", error ? error->message : "no error set");
  memset (memory, GUARD_BYTE, size + 2 * GUARD);
  dicenet_preprocess_run (preprocess, image, tensor);
  dicenet_preprocess_free (preprocess);
  for (guint i = 0; i < GUARD; i++)
    if (memory[i] != GUARD_BYTE || memory[GUARD + size + i] != GUARD_BYTE)
      ck_abort_msg ("wrote outside the tensor");
  for (gsize i = 0; i < n; i++) {
    if (fabsf (tensor[i] - roundf (tensor[i])) > 1e-3f)
      ck_abort_msg ("%g is no normalised byte", (double) tensor[i]);
    bytes[i] = (guint8) lrintf (tensor[i]);
  }
  return bytes;
}

static void
assert_close (const guint8 *got, const guint8 *expected, const Picture *picture, guint width, guint height,
              int tolerance)
{
  for (gsize i = 0; i < 3 * (gsize) width * height; i++)
    if (abs (got[i] - expected[i]) > tolerance)
      ck_abort_msg ("%s %ux%u -> %ux%u: %d instead of %d in plane %d, row %d, column %d",
                    format_name (picture->image.format), picture->image.width, picture->image.height, width, height,
                    got[i], expected[i], (int) (i / width / height), (int) (i / width % height), (int) (i % width));
}

/* Colours are from a run without scaling, already rounded, so that the rest of the comparison is exact. If the picture
 * is too large for that, they are the reference's, which may be rounded differently. */
static void
check_scaling (DicenetPixelFormat format, guint from_width, guint from_height, guint width, guint height,
               RowOrder order)
{
  g_autoptr (Picture) picture = picture_new (format, from_width, from_height, order, rng);
  gboolean is_rgb = !format_is_yuv (format) && format != DICENET_PIXEL_FORMAT_GRAY8;
  gboolean is_large = MAX (from_width, from_height) > DICENET_MAX_SIZE;
  g_autofree guint8 *rgb =
      is_rgb || is_large ? reference_rgb (picture) : run (&picture->image, from_width, from_height);
  g_autofree guint8 *got = run (&picture->image, width, height);
  g_autofree guint8 *expected = reference_scale (rgb, from_width, from_height, width, height);

  assert_close (got, expected, picture, width, height, is_large && !is_rgb ? 1 : 0);
}

/* Results of Pillow 9.4 for small pictures with Image.resize (size, Image.BILINEAR); byte i of a picture is (7 * i * i
 * + 31 * i) >> 2. */
START_TEST (test_pillow)
{
  /* clang-format off */
  static const struct {
    guint from_width, from_height, width, height;
    guint8 expected[45];
  } cases[] = {
    { 7, 5, 4, 3, { 85, 79, 72, 133, 116, 142, 137, 168, 134, 203, 58, 107, 98, 206, 142, 103, 144, 166, 148, 124, 125,
      168, 104, 96, 126, 205, 152, 129, 126, 167, 218, 106, 166, 150, 107, 108 } },
    { 2, 2, 3, 5, { 0, 9, 22, 20, 34, 52, 39, 59, 82, 11, 22, 37, 34, 50, 58, 56, 78, 78, 55, 75, 98, 90, 115, 80, 125,
      156, 62, 98, 127, 159, 146, 180, 102, 194, 233, 45, 109, 140, 174, 160, 196, 108, 211, 252, 41 } },
    { 9, 4, 3, 4, { 68, 91, 85, 167, 133, 131, 185, 105, 93, 116, 137, 161, 140, 144, 123, 64, 175, 161, 154, 142, 101,
      134, 175, 163, 190, 139, 156, 121, 171, 129, 176, 84, 167, 147, 95, 111 } },
    { 5, 9, 5, 2, { 94, 110, 136, 105, 143, 119, 159, 138, 118, 169, 104, 105, 149, 160, 163, 89, 116, 142, 114, 130,
      109, 149, 74, 175, 172, 162, 119, 79, 183, 133 } },
  };
  /* clang-format on */

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    guint w = cases[i].width, h = cases[i].height;
    g_autoptr (Picture) picture =
        picture_new (DICENET_PIXEL_FORMAT_RGB, cases[i].from_width, cases[i].from_height, ROWS_TIGHT, NULL);
    g_autofree guint8 *got = NULL;

    for (guint j = 0; j < 3 * cases[i].from_width * cases[i].from_height; j++)
      picture->memory[0][j] = (guint8) ((7 * j * j + 31 * j) >> 2);
    got = run (&picture->image, w, h);
    for (guint j = 0; j < 3 * w * h; j++)
      ck_assert_int_eq (got[j % 3 * w * h + j / 3], cases[i].expected[j]);
  }
}
END_TEST

/* Down, up, both, neither, one dimension only; primes and ones. */
static const guint16 sizes[][4] = {
  { 1, 1, 1, 1 },    { 1, 1, 33, 32 },   { 2, 3, 1, 1 },     { 5, 1, 32, 7 },     { 1, 9, 3, 4 },     { 3, 3, 3, 3 },
  { 16, 9, 16, 9 },  { 17, 31, 17, 8 },  { 31, 17, 8, 17 },  { 64, 48, 32, 32 },  { 37, 53, 32, 61 }, { 7, 5, 100, 41 },
  { 127, 3, 32, 2 }, { 40, 30, 39, 31 }, { 300, 20, 33, 5 }, { 23, 200, 257, 7 },
};

START_TEST (test_sizes)
{
  const guint16 *s = sizes[_i];

  for (guint f = 0; f < G_N_ELEMENTS (all_formats); f++)
    for (RowOrder order = ROWS_TIGHT; order <= ROWS_BACKWARD; order++)
      check_scaling (all_formats[f], s[0], s[1], s[2], s[3], order);
}
END_TEST

START_TEST (test_random_sizes)
{
  for (guint i = 0; i < 60; i++) {
    DicenetPixelFormat format = all_formats[g_rand_int_range (rng, 0, G_N_ELEMENTS (all_formats))];

    check_scaling (format, (guint) g_rand_int_range (rng, 1, 150), (guint) g_rand_int_range (rng, 1, 150),
                   (guint) g_rand_int_range (rng, 1, 150), (guint) g_rand_int_range (rng, 1, 150),
                   (RowOrder) g_rand_int_range (rng, 0, 3));
  }
}
END_TEST

START_TEST (test_extreme_sizes)
{
  static const guint16 extremes[][4] = {
    { 32767, 2, 32, 32 }, { 2, 32767, 32, 32 }, { 32767, 1, 1021, 1 }, { 1, 32767, 1, 515 },
    { 32767, 1, 1, 1 },   { 3, 2, 4096, 3 },    { 2, 3, 3, 4096 },     { 7001, 1, 4096, 2 },
  };
  const guint16 *s = extremes[_i];

  check_scaling (DICENET_PIXEL_FORMAT_BGR, s[0], s[1], s[2], s[3], ROWS_TIGHT);
  check_scaling (DICENET_PIXEL_FORMAT_NV12, s[0], s[1], s[2], s[3], ROWS_TIGHT);
}
END_TEST

/* Sums of rounded coefficients can exceed 1: white must stay white, and black must stay black. */
START_TEST (test_flat_pictures)
{
  static const guint8 values[] = { 0, 1, 127, 128, 254, 255 };

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    for (guint s = 0; s < G_N_ELEMENTS (sizes); s++) {
      g_autoptr (Picture) picture = picture_new (DICENET_PIXEL_FORMAT_RGB, sizes[s][0], sizes[s][1], ROWS_TIGHT, NULL);
      g_autofree guint8 *got = NULL;

      memset (picture->memory[0], values[i], 3 * (gsize) sizes[s][0] * sizes[s][1]);
      got = run (&picture->image, sizes[s][2], sizes[s][3]);
      for (guint j = 0; j < 3u * sizes[s][2] * sizes[s][3]; j++)
        if (got[j] != values[i])
          ck_abort_msg ("%d became %d", values[i], got[j]);
    }
}
END_TEST

START_TEST (test_same_size_is_a_copy)
{
  for (guint f = 0; f < G_N_ELEMENTS (all_formats); f++) {
    g_autoptr (Picture) picture = picture_new (all_formats[f], 61, 43, ROWS_PADDED, rng);
    g_autofree guint8 *got = NULL;
    g_autofree guint8 *expected = NULL;

    if (format_is_yuv (all_formats[f]))
      continue;
    picture->image.range = DICENET_COLOR_RANGE_FULL;
    got = run (&picture->image, 61, 43);
    expected = reference_rgb (picture);
    assert_close (got, expected, picture, 61, 43, 0);
  }
}
END_TEST

/* The formula in floating point, with chroma also interpolated in floating point, against a run without scaling. Half
 * of the tolerance is for the rounding of the result, the rest for that of the fixed-point factors (0.5435 in all is
 * the maximum over all Y, Cb and Cr). */
#define COLOUR_TOLERANCE 0.55

static void
check_colours (Picture *picture)
{
  guint w = picture->image.width, h = picture->image.height;
  g_autofree guint8 *got = run (&picture->image, w, h);

  for (guint y = 0; y < h; y++)
    for (guint x = 0; x < w; x++) {
      double expected[3];

      reference_colour (picture, x, y, expected);
      for (guint c = 0; c < 3; c++)
        if (fabs (got[(c * h + y) * w + x] - expected[c]) > COLOUR_TOLERANCE)
          ck_abort_msg ("%s %ux%u, matrix %d, range %d: %d instead of %g in plane %u, row %u, column %u",
                        format_name (picture->image.format), w, h, (int) picture->image.matrix,
                        (int) picture->image.range, got[(c * h + y) * w + x], expected[c], c, y, x);
    }
}

/* _i: matrix and range */
START_TEST (test_colours)
{
  static const guint colour_sizes[][2] = { { 1, 1 }, { 2, 1 }, { 1, 2 }, { 3, 3 }, { 16, 16 }, { 35, 21 }, { 64, 5 } };

  for (guint f = 0; f < G_N_ELEMENTS (all_formats); f++)
    for (guint s = 0; s < G_N_ELEMENTS (colour_sizes); s++)
      for (RowOrder order = ROWS_TIGHT; order <= ROWS_BACKWARD; order++) {
        g_autoptr (Picture) picture = picture_new (all_formats[f], colour_sizes[s][0], colour_sizes[s][1], order, rng);

        picture->image.matrix = (DicenetColorMatrix) (_i / 2);
        picture->image.range = (DicenetColorRange) (_i % 2);
        check_colours (picture);
      }
}
END_TEST

/* All values of luma with the full range of chroma: 4:2:2, whose even columns have their own chroma. */
START_TEST (test_all_colours)
{
  const guint step = 15, n = 255 / step + 1;
  g_autoptr (Picture) picture = picture_new (DICENET_PIXEL_FORMAT_YUY2, 512, n * n, ROWS_TIGHT, NULL);

  for (guint row = 0; row < n * n; row++)
    for (guint column = 0; column < 512; column++) {
      *picture_sample (picture, 0, column, row) = (guint8) (column / 2);
      *picture_sample (picture, 1, column / 2, row) = (guint8) (row / n * step);
      *picture_sample (picture, 2, column / 2, row) = (guint8) (row % n * step);
    }
  picture->image.matrix = (DicenetColorMatrix) (_i / 2);
  picture->image.range = (DicenetColorRange) (_i % 2);
  check_colours (picture);
}
END_TEST

/* Neutral chroma is grey, whatever the matrix, and GRAY8 is luma with neutral chroma. */
START_TEST (test_gray)
{
  g_autoptr (Picture) gray = picture_new (DICENET_PIXEL_FORMAT_GRAY8, 256, 1, ROWS_TIGHT, NULL);
  g_autoptr (Picture) yuv = picture_new (DICENET_PIXEL_FORMAT_I420, 256, 1, ROWS_TIGHT, NULL);
  g_autofree guint8 *from_gray = NULL;
  g_autofree guint8 *from_yuv = NULL;

  for (guint i = 0; i < 256; i++)
    gray->memory[0][i] = yuv->memory[0][i] = (guint8) i;
  memset (yuv->memory[1], 128, 128);
  memset (yuv->memory[2], 128, 128);
  yuv->image.matrix = (DicenetColorMatrix) (_i / 2);
  gray->image.range = yuv->image.range = (DicenetColorRange) (_i % 2);
  from_gray = run (&gray->image, 256, 1);
  from_yuv = run (&yuv->image, 256, 1);
  for (guint i = 0; i < 3 * 256; i++) {
    gint v = (gint) i % 256;
    gint limited = (gint) lrint ((v - 16) * 255 / 219.);

    ck_assert_int_eq (from_gray[i], _i % 2 == DICENET_COLOR_RANGE_FULL ? v : CLAMP (limited, 0, 255));
    ck_assert_int_eq (from_gray[i], from_yuv[i]);
  }
}
END_TEST

/* A smooth picture in RGB and in every other format, at the target's size: the loss by chroma at half the resolution
 * and by 8-bit samples. */
#define FORMAT_TOLERANCE_MAX  4
#define FORMAT_TOLERANCE_MEAN 0.8

static void
smooth_colour (guint x, guint y, double rgb[3])
{
  rgb[0] = 127.5 + 100 * sin (x / 29.) * cos (y / 31.);
  rgb[1] = 127.5 + 100 * cos (x / 37. + 1) * cos (y / 23.);
  rgb[2] = 255. * (x + y) / (200 + 150);
}

static void
check_loss (const guint8 *got, const guint8 *expected, gsize n, const Picture *picture)
{
  const char *name = format_name (picture->image.format);
  int largest = 0;
  double sum = 0;

  for (gsize i = 0; i < n; i++) {
    largest = MAX (largest, abs (got[i] - expected[i]));
    sum += abs (got[i] - expected[i]);
  }
  ck_assert_msg (largest <= FORMAT_TOLERANCE_MAX, "%s: differs by up to %d", name, largest);
  ck_assert_msg (sum / n <= FORMAT_TOLERANCE_MEAN, "%s: differs by %g in the mean", name, sum / n);
}

START_TEST (test_formats_agree)
{
  g_autoptr (Picture) rgb = picture_new (DICENET_PIXEL_FORMAT_RGB, 200, 150, ROWS_TIGHT, NULL);
  g_autofree guint8 *expected = NULL;

  reference_paint (rgb, smooth_colour);
  expected = run (&rgb->image, 91, 67);
  for (guint f = 0; f < G_N_ELEMENTS (all_formats); f++) {
    g_autoptr (Picture) picture = picture_new (all_formats[f], 200, 150, ROWS_BACKWARD, rng);
    g_autofree guint8 *got = NULL;

    if (all_formats[f] == DICENET_PIXEL_FORMAT_GRAY8)
      continue;
    picture->image.matrix = (DicenetColorMatrix) (_i / 2);
    picture->image.range = (DicenetColorRange) (_i % 2);
    reference_paint (picture, smooth_colour);
    got = run (&picture->image, 91, 67);
    check_loss (got, expected, 3 * 91 * 67, picture);
  }
}
END_TEST

START_TEST (test_normalisation)
{
  static const gfloat mean[3] = { 0.485f, 0.456f, 0.406f }, std[3] = { 0.229f, 0.224f, 0.225f };
  g_autoptr (Picture) picture = picture_new (DICENET_PIXEL_FORMAT_RGB, 256, 1, ROWS_TIGHT, NULL);
  DicenetPreprocess *preprocess =
      dicenet_preprocess_new (&picture->image, 256, 1, mean, std, 1, dicenet_cpu_mask (), NULL);
  gfloat tensor[3 * 256];

  for (guint i = 0; i < 3 * 256; i++)
    picture->memory[0][i] = (guint8) (i / 3);
  dicenet_preprocess_run (preprocess, &picture->image, tensor);
  for (guint c = 0; c < 3; c++)
    for (guint v = 0; v < 256; v++)
      ck_assert_float_eq_tol (tensor[256 * c + v], (v / 255.f - mean[c]) / std[c], 1e-6f);
  dicenet_preprocess_free (preprocess);
}
END_TEST

/* Cached rows of a picture must not be used for the next one. */
START_TEST (test_reuse)
{
  g_autoptr (Picture) first = picture_new (DICENET_PIXEL_FORMAT_NV12, 75, 64, ROWS_TIGHT, rng);
  g_autoptr (Picture) second = picture_new (DICENET_PIXEL_FORMAT_NV12, 75, 64, ROWS_BACKWARD, rng);
  DicenetPreprocess *preprocess =
      dicenet_preprocess_new (&first->image, 40, 33, no_mean, byte_std, 3, dicenet_cpu_mask (), NULL);
  gfloat tensor[3 * 40 * 33];
  g_autofree guint8 *expected = run (&second->image, 40, 33);

  dicenet_preprocess_run (preprocess, &first->image, tensor);
  ck_assert (dicenet_preprocess_fits (preprocess, &second->image, 40, 33));
  dicenet_preprocess_run (preprocess, &second->image, tensor);
  for (guint i = 0; i < 3 * 40 * 33; i++)
    ck_assert_int_eq (lrintf (tensor[i]), expected[i]);
  dicenet_preprocess_free (preprocess);
}
END_TEST

static void
assert_fits (const DicenetImage *made_for, const DicenetImage *image, guint width, guint height, gboolean expected)
{
  DicenetPreprocess *preprocess =
      dicenet_preprocess_new (made_for, 50, 40, no_mean, byte_std, 1, dicenet_cpu_mask (), NULL);

  ck_assert_int_eq (dicenet_preprocess_fits (preprocess, image, width, height), expected);
  dicenet_preprocess_free (preprocess);
}

START_TEST (test_fits)
{
  for (guint f = 0; f < G_N_ELEMENTS (all_formats); f++) {
    DicenetPixelFormat format = all_formats[f];
    DicenetImage image = { .format = format, .width = 64, .height = 48 };
    DicenetImage other = image;

    other.strides[0] = -12;
    assert_fits (&image, &other, 50, 40, TRUE);
    assert_fits (&image, &other, 51, 40, FALSE);
    assert_fits (&image, &other, 50, 41, FALSE);
    other.width++;
    assert_fits (&image, &other, 50, 40, FALSE);
    other = image;
    other.height--;
    assert_fits (&image, &other, 50, 40, FALSE);
    other = image;
    other.format = all_formats[(f + 1) % G_N_ELEMENTS (all_formats)];
    assert_fits (&image, &other, 50, 40, FALSE);
    other = image;
    other.matrix = DICENET_COLOR_MATRIX_BT709;
    assert_fits (&image, &other, 50, 40, !format_is_yuv (format));
    other = image;
    other.range = DICENET_COLOR_RANGE_FULL;
    assert_fits (&image, &other, 50, 40, !format_is_yuv (format) && format != DICENET_PIXEL_FORMAT_GRAY8);
  }
}
END_TEST

static void
assert_refused (const DicenetImage *image, guint width, guint height, const gfloat *mean, const gfloat *std,
                const char *about)
{
  GError *error = NULL;
  DicenetPreprocess *preprocess =
      dicenet_preprocess_new (image, width, height, mean, std, 1, dicenet_cpu_mask (), &error);

  ck_assert_msg (preprocess == NULL, "accepted, though it should be refused for its %s", about);
  ck_assert (g_error_matches (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT));
  ck_assert_msg (strstr (error->message, about) != NULL, "\"%s\" does not mention %s", error->message, about);
  g_clear_error (&error);
  ck_assert (dicenet_preprocess_new (image, width, height, mean, std, 1, dicenet_cpu_mask (), NULL) == NULL);
}

START_TEST (test_errors)
{
  static const gfloat bad_std[3] = { 1, 0, 1 }, bad_mean[3] = { 0, 0, NAN };
  const DicenetImage good = { .format = DICENET_PIXEL_FORMAT_NV12, .width = 64, .height = 48 };
  DicenetImage image = good;

  assert_refused (NULL, 32, 32, no_mean, byte_std, "picture");
  assert_refused (&good, 32, 32, NULL, byte_std, "mean");
  assert_refused (&good, 32, 32, no_mean, NULL, "standard deviation");
  assert_refused (&good, 32, 32, no_mean, bad_std, "channel 1");
  assert_refused (&good, 32, 32, bad_mean, byte_std, "channel 2");
  assert_refused (&good, 0, 32, no_mean, byte_std, "0 x 32");
  assert_refused (&good, 32, 0, no_mean, byte_std, "32 x 0");
  assert_refused (&good, 4097, 32, no_mean, byte_std, "4097 x 32");
  assert_refused (&good, 32, G_MAXUINT, no_mean, byte_std, "4096");

  image.format = DICENET_PIXEL_FORMAT_UNKNOWN;
  assert_refused (&image, 32, 32, no_mean, byte_std, "format 0");
  image.format = (DicenetPixelFormat) (DICENET_PIXEL_FORMAT_UYVY + 1);
  assert_refused (&image, 32, 32, no_mean, byte_std, "format");
  image.format = (DicenetPixelFormat) -1;
  assert_refused (&image, 32, 32, no_mean, byte_std, "format");
  image = good;
  image.matrix = (DicenetColorMatrix) 2;
  assert_refused (&image, 32, 32, no_mean, byte_std, "matrix 2");
  image = good;
  image.range = (DicenetColorRange) 2;
  assert_refused (&image, 32, 32, no_mean, byte_std, "range 2");
  image = good;
  image.width = 0;
  assert_refused (&image, 32, 32, no_mean, byte_std, "0 x 48");
  image.width = 32768;
  assert_refused (&image, 32, 32, no_mean, byte_std, "32768 x 48");
  image = good;
  image.height = 0;
  assert_refused (&image, 32, 32, no_mean, byte_std, "64 x 0");
  image.height = G_MAXUINT;
  assert_refused (&image, 32, 32, no_mean, byte_std, "32767");
}
END_TEST

static Suite *
make_suite (void)
{
  Suite *suite = suite_create ("preprocess");
  TCase *tcase = tcase_create ("scaling");

  tcase_set_timeout (tcase, 120);
  tcase_add_test (tcase, test_pillow);
  tcase_add_loop_test (tcase, test_sizes, 0, G_N_ELEMENTS (sizes));
  tcase_add_test (tcase, test_random_sizes);
  tcase_add_loop_test (tcase, test_extreme_sizes, 0, 8);
  tcase_add_test (tcase, test_flat_pictures);
  tcase_add_test (tcase, test_same_size_is_a_copy);
  suite_add_tcase (suite, tcase);

  tcase = tcase_create ("colour");
  tcase_set_timeout (tcase, 120);
  tcase_add_loop_test (tcase, test_colours, 0, 4);
  tcase_add_loop_test (tcase, test_all_colours, 0, 4);
  tcase_add_loop_test (tcase, test_gray, 0, 4);
  tcase_add_loop_test (tcase, test_formats_agree, 0, 4);
  tcase_add_test (tcase, test_normalisation);
  suite_add_tcase (suite, tcase);

  tcase = tcase_create ("interface");
  tcase_add_test (tcase, test_reuse);
  tcase_add_test (tcase, test_fits);
  tcase_add_test (tcase, test_errors);
  suite_add_tcase (suite, tcase);
  return suite;
}

int
main (void)
{
  const char *seed_text = g_getenv ("DICENET_TEST_SEED");
  guint32 seed = seed_text ? (guint32) g_ascii_strtoull (seed_text, NULL, 10) : g_random_int ();
  SRunner *runner = srunner_create (make_suite ());
  int n_failed;

  g_print ("random pictures and sizes: DICENET_TEST_SEED=%u\n", seed);
  rng = g_rand_new_with_seed (seed);
  srunner_run_all (runner, CK_ENV);
  n_failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  g_rand_free (rng);
  return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
