/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reference.h"

#include <math.h>
#include <string.h>

typedef struct {
  double kr, kg, kb;
  double luma_offset, luma_span, chroma_span;
} Colorimetry;

static Colorimetry
colorimetry_of (const DicenetImage *image)
{
  Colorimetry c;
  gboolean limited = image->range == DICENET_COLOR_RANGE_LIMITED;
  gboolean bt709 = image->matrix == DICENET_COLOR_MATRIX_BT709;

  c.kr = bt709 ? 0.2126 : 0.299;
  c.kb = bt709 ? 0.0722 : 0.114;
  c.kg = 1 - c.kr - c.kb;
  c.luma_offset = limited ? 16 : 0;
  c.luma_span = limited ? 219 : 255;
  c.chroma_span = limited ? 224 : 255;
  return c;
}

static double
chroma_at (Picture *picture, guint c, double column, double row)
{
  guint columns, rows;
  guint x0, y0, x1, y1;
  double fx, fy;

  picture_component_size (picture, c, &columns, &rows);
  column = CLAMP (column, 0, columns - 1.);
  row = CLAMP (row, 0, rows - 1.);
  x0 = (guint) column;
  y0 = (guint) row;
  x1 = MIN (x0 + 1, columns - 1);
  y1 = MIN (y0 + 1, rows - 1);
  fx = column - x0;
  fy = row - y0;
  return (1 - fy) * ((1 - fx) * *picture_sample (picture, c, x0, y0) + fx * *picture_sample (picture, c, x1, y0)) +
         fy * ((1 - fx) * *picture_sample (picture, c, x0, y1) + fx * *picture_sample (picture, c, x1, y1));
}

void
reference_colour (Picture *picture, guint x, guint y, double rgb[3])
{
  Colorimetry k = colorimetry_of (&picture->image);
  double luma, pb = 0, pr = 0;
  guint columns, rows;

  if (!format_is_yuv (picture->image.format) && picture->image.format != DICENET_PIXEL_FORMAT_GRAY8) {
    for (guint c = 0; c < 3; c++)
      rgb[c] = *picture_sample (picture, c, x, y);
    return;
  }
  luma = (*picture_sample (picture, 0, x, y) - k.luma_offset) / k.luma_span;
  if (format_is_yuv (picture->image.format)) {
    picture_component_size (picture, 1, &columns, &rows);
    double row = rows == picture->image.height ? y : (y - 0.5) / 2;

    pb = (chroma_at (picture, 1, x / 2., row) - 128) / k.chroma_span;
    pr = (chroma_at (picture, 2, x / 2., row) - 128) / k.chroma_span;
  }
  rgb[0] = luma + 2 * (1 - k.kr) * pr;
  rgb[2] = luma + 2 * (1 - k.kb) * pb;
  rgb[1] = (luma - k.kr * rgb[0] - k.kb * rgb[2]) / k.kg;
  for (guint c = 0; c < 3; c++)
    rgb[c] = CLAMP (255 * rgb[c], 0, 255);
}

guint8 *
reference_rgb (Picture *picture)
{
  guint w = picture->image.width, h = picture->image.height;
  guint8 *planes = g_malloc (3 * (gsize) w * h);

  for (guint y = 0; y < h; y++)
    for (guint x = 0; x < w; x++) {
      double rgb[3];

      reference_colour (picture, x, y, rgb);
      for (guint c = 0; c < 3; c++)
        planes[((gsize) c * h + y) * w + x] = (guint8) lrint (rgb[c]);
    }
  return planes;
}

/* Weights of all @in inputs for output @i; those outside of @first to @end - 1 are 0. */
static void
weigh (gint64 *fixed, guint in, guint out, guint i, guint *first, guint *end)
{
  g_autofree double *weights = g_new (double, in);
  double scale = (double) in / out;
  double reciprocal = 1 / MAX (scale, 1);
  double centre = (i + 0.5) * scale;
  double sum = 0;

  for (guint j = 0; j < in; j++) {
    weights[j] = MAX (1 - fabs ((j - centre + 0.5) * reciprocal), 0);
    sum += weights[j];
  }
  for (guint j = 0; j < in; j++)
    fixed[j] = (gint64) floor (weights[j] / sum * 4194304 + 0.5);
  for (*first = 0; fixed[*first] == 0;)
    ++*first;
  for (*end = in; fixed[*end - 1] == 0;)
    --*end;
}

/* Scales one dimension of a plane: @n_lines lines of @in samples. */
static guint8 *
scale_lines (const guint8 *plane, guint in, guint out, guint n_lines, gboolean vertical)
{
  g_autofree gint64 *weights = g_new (gint64, in);
  guint8 *result = g_malloc ((gsize) out * n_lines);

  for (guint i = 0; i < out; i++) {
    guint first, end;

    weigh (weights, in, out, i, &first, &end);
    for (guint line = 0; line < n_lines; line++) {
      gint64 sum = 0;

      for (guint j = first; j < end; j++)
        sum += weights[j] * plane[vertical ? (gsize) j * n_lines + line : (gsize) line * in + j];
      sum = (sum + 2097152) / 4194304;
      result[vertical ? (gsize) i * n_lines + line : (gsize) line * out + i] = (guint8) MIN (sum, 255);
    }
  }
  return result;
}

guint8 *
reference_scale (const guint8 *planes, guint from_width, guint from_height, guint width, guint height)
{
  g_autofree guint8 *wide = scale_lines (planes, from_width, width, 3 * from_height, FALSE);
  guint8 *result = g_malloc (3 * (gsize) width * height);

  for (gsize c = 0; c < 3; c++) {
    g_autofree guint8 *plane = scale_lines (wide + c * width * from_height, from_height, height, width, TRUE);

    memcpy (result + c * width * height, plane, (gsize) width * height);
  }
  return result;
}

static void
to_yuv (const Colorimetry *k, const double rgb[3], double yuv[3])
{
  double luma = k->kr * rgb[0] + k->kg * rgb[1] + k->kb * rgb[2];

  yuv[0] = k->luma_offset + luma / 255 * k->luma_span;
  yuv[1] = 128 + (rgb[2] - luma) / (2 * (1 - k->kb)) / 255 * k->chroma_span;
  yuv[2] = 128 + (rgb[0] - luma) / (2 * (1 - k->kr)) / 255 * k->chroma_span;
}

void
reference_paint (Picture *picture, ReferenceColourFunc colour)
{
  Colorimetry k = colorimetry_of (&picture->image);
  gboolean yuv = format_is_yuv (picture->image.format);

  for (guint c = 0; c < 3; c++) {
    guint columns, rows;

    picture_component_size (picture, c, &columns, &rows);
    for (guint row = 0; row < rows; row++)
      for (guint column = 0; column < columns; column++) {
        double rgb[3], samples[3];
        guint x_step = yuv && c > 0 ? 2 : 1;
        guint y_step = rows < picture->image.height ? 2 : 1;

        colour (column * x_step, row * y_step, rgb);
        to_yuv (&k, rgb, samples);
        *picture_sample (picture, c, column, row) = (guint8) lrint (yuv ? samples[c] : rgb[c]);
      }
  }
}
