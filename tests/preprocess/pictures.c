/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pictures.h"

/* Position of component c of a pixel: plane, first byte, bytes to the next. Written from GStreamer's description of the
 * formats, independently of the tested code. */
typedef struct {
  const char *name;
  guint n_planes;
  gboolean yuv;
  gboolean half_rows; /* of chroma */
  struct {
    guint plane, offset, step;
  } c[3];
} Format;

/* clang-format off */
static const Format formats[] = {
  [DICENET_PIXEL_FORMAT_RGB]   = { "RGB",   1, FALSE, FALSE, { { 0, 0, 3 }, { 0, 1, 3 }, { 0, 2, 3 } } },
  [DICENET_PIXEL_FORMAT_BGR]   = { "BGR",   1, FALSE, FALSE, { { 0, 2, 3 }, { 0, 1, 3 }, { 0, 0, 3 } } },
  [DICENET_PIXEL_FORMAT_RGBX]  = { "RGBx",  1, FALSE, FALSE, { { 0, 0, 4 }, { 0, 1, 4 }, { 0, 2, 4 } } },
  [DICENET_PIXEL_FORMAT_BGRX]  = { "BGRx",  1, FALSE, FALSE, { { 0, 2, 4 }, { 0, 1, 4 }, { 0, 0, 4 } } },
  [DICENET_PIXEL_FORMAT_XRGB]  = { "xRGB",  1, FALSE, FALSE, { { 0, 1, 4 }, { 0, 2, 4 }, { 0, 3, 4 } } },
  [DICENET_PIXEL_FORMAT_XBGR]  = { "xBGR",  1, FALSE, FALSE, { { 0, 3, 4 }, { 0, 2, 4 }, { 0, 1, 4 } } },
  [DICENET_PIXEL_FORMAT_RGBA]  = { "RGBA",  1, FALSE, FALSE, { { 0, 0, 4 }, { 0, 1, 4 }, { 0, 2, 4 } } },
  [DICENET_PIXEL_FORMAT_BGRA]  = { "BGRA",  1, FALSE, FALSE, { { 0, 2, 4 }, { 0, 1, 4 }, { 0, 0, 4 } } },
  [DICENET_PIXEL_FORMAT_ARGB]  = { "ARGB",  1, FALSE, FALSE, { { 0, 1, 4 }, { 0, 2, 4 }, { 0, 3, 4 } } },
  [DICENET_PIXEL_FORMAT_ABGR]  = { "ABGR",  1, FALSE, FALSE, { { 0, 3, 4 }, { 0, 2, 4 }, { 0, 1, 4 } } },
  [DICENET_PIXEL_FORMAT_GRAY8] = { "GRAY8", 1, FALSE, FALSE, { { 0, 0, 1 }, { 0, 0, 1 }, { 0, 0, 1 } } },
  [DICENET_PIXEL_FORMAT_NV12]  = { "NV12",  2, TRUE,  TRUE,  { { 0, 0, 1 }, { 1, 0, 2 }, { 1, 1, 2 } } },
  [DICENET_PIXEL_FORMAT_NV21]  = { "NV21",  2, TRUE,  TRUE,  { { 0, 0, 1 }, { 1, 1, 2 }, { 1, 0, 2 } } },
  [DICENET_PIXEL_FORMAT_I420]  = { "I420",  3, TRUE,  TRUE,  { { 0, 0, 1 }, { 1, 0, 1 }, { 2, 0, 1 } } },
  [DICENET_PIXEL_FORMAT_YV12]  = { "YV12",  3, TRUE,  TRUE,  { { 0, 0, 1 }, { 2, 0, 1 }, { 1, 0, 1 } } },
  [DICENET_PIXEL_FORMAT_YUY2]  = { "YUY2",  1, TRUE,  FALSE, { { 0, 0, 2 }, { 0, 1, 4 }, { 0, 3, 4 } } },
  [DICENET_PIXEL_FORMAT_UYVY]  = { "UYVY",  1, TRUE,  FALSE, { { 0, 1, 2 }, { 0, 0, 4 }, { 0, 2, 4 } } },
};
/* clang-format on */

const DicenetPixelFormat all_formats[17] = {
  DICENET_PIXEL_FORMAT_RGB,  DICENET_PIXEL_FORMAT_BGR,  DICENET_PIXEL_FORMAT_RGBX,  DICENET_PIXEL_FORMAT_BGRX,
  DICENET_PIXEL_FORMAT_XRGB, DICENET_PIXEL_FORMAT_XBGR, DICENET_PIXEL_FORMAT_RGBA,  DICENET_PIXEL_FORMAT_BGRA,
  DICENET_PIXEL_FORMAT_ARGB, DICENET_PIXEL_FORMAT_ABGR, DICENET_PIXEL_FORMAT_GRAY8, DICENET_PIXEL_FORMAT_NV12,
  DICENET_PIXEL_FORMAT_NV21, DICENET_PIXEL_FORMAT_I420, DICENET_PIXEL_FORMAT_YV12,  DICENET_PIXEL_FORMAT_YUY2,
  DICENET_PIXEL_FORMAT_UYVY,
};

const char *
format_name (DicenetPixelFormat format)
{
  return formats[format].name;
}

gboolean
format_is_yuv (DicenetPixelFormat format)
{
  return formats[format].yuv;
}

DicenetPixelFormat
format_from_name (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (all_formats); i++)
    if (g_str_equal (name, format_name (all_formats[i])))
      return all_formats[i];
  return DICENET_PIXEL_FORMAT_UNKNOWN;
}

void
picture_component_size (const Picture *self, guint c, guint *columns, guint *rows)
{
  const Format *format = &formats[self->image.format];
  gboolean chroma = format->yuv && c > 0;

  *columns = chroma ? (self->image.width + 1) / 2 : self->image.width;
  *rows = chroma && format->half_rows ? (self->image.height + 1) / 2 : self->image.height;
}

static void
measure_plane (Picture *self, guint plane)
{
  const Format *format = &formats[self->image.format];

  for (guint c = 0; c < 3; c++) {
    guint columns, rows;

    if (format->c[c].plane != plane)
      continue;
    picture_component_size (self, c, &columns, &rows);
    self->rows[plane] = rows;
    self->row_bytes[plane] = MAX (self->row_bytes[plane], columns * format->c[c].step);
  }
}

Picture *
picture_new (DicenetPixelFormat format, guint width, guint height, RowOrder order, GRand *random)
{
  Picture *self = g_new0 (Picture, 1);

  self->image.format = format;
  self->image.range = DICENET_COLOR_RANGE_LIMITED;
  self->image.width = width;
  self->image.height = height;
  self->n_planes = formats[format].n_planes;
  for (guint plane = 0; plane < self->n_planes; plane++) {
    gsize stride, size;

    measure_plane (self, plane);
    stride = self->row_bytes[plane] + (order == ROWS_TIGHT ? 0 : 5 + plane);
    size = (self->rows[plane] - 1) * stride + self->row_bytes[plane];
    self->memory[plane] = g_malloc (size);
    for (gsize i = 0; random && i < size; i++)
      self->memory[plane][i] = (guint8) g_rand_int (random);
    self->image.strides[plane] = order == ROWS_BACKWARD ? -(gint) stride : (gint) stride;
    self->image.planes[plane] = self->memory[plane] + (order == ROWS_BACKWARD ? (self->rows[plane] - 1) * stride : 0);
  }
  return self;
}

void
picture_free (Picture *self)
{
  for (guint plane = 0; plane < self->n_planes; plane++)
    g_free (self->memory[plane]);
  g_free (self);
}

guint8 *
picture_sample (Picture *self, guint c, guint column, guint row)
{
  const Format *format = &formats[self->image.format];
  guint plane = format->c[c].plane;
  gssize first = self->image.planes[plane] - self->memory[plane];

  return self->memory[plane] + first + (gssize) row * self->image.strides[plane] + format->c[c].offset +
         column * format->c[c].step;
}

Picture *
picture_crop (Picture *self, guint x, guint y, guint width, guint height)
{
  const Format *format = &formats[self->image.format];
  Picture *out = picture_new (self->image.format, width, height, ROWS_TIGHT, NULL);

  out->image.matrix = self->image.matrix;
  out->image.range = self->image.range;
  for (guint c = 0; c < 3; c++) {
    const gboolean chroma = format->yuv && c > 0;
    const guint first = chroma ? x / 2 : x, top = chroma && format->half_rows ? y / 2 : y;
    guint columns, rows;
    picture_component_size (out, c, &columns, &rows);
    for (guint row = 0; row < rows; row++)
      for (guint column = 0; column < columns; column++)
        *picture_sample (out, c, column, row) = *picture_sample (self, c, first + column, top + row);
  }
  return out;
}
