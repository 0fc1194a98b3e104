/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preprocess-layout.h"

#include <dicenet/error.h>

/* clang-format off */
#define RGB_LAYOUT(step, r, g, b)      { 1, step, { r, g, b }, DICENET_LUMA_PLANAR, DICENET_CHROMA_NONE, FALSE }
#define YUV_LAYOUT(n, luma, chroma, v_first) { n, 0, { 0 }, DICENET_LUMA_##luma, DICENET_CHROMA_##chroma, v_first }

static const DicenetPixelLayout layouts[] = {
  [DICENET_PIXEL_FORMAT_RGB] = RGB_LAYOUT (3, 0, 1, 2),
  [DICENET_PIXEL_FORMAT_BGR] = RGB_LAYOUT (3, 2, 1, 0),
  [DICENET_PIXEL_FORMAT_RGBX] = RGB_LAYOUT (4, 0, 1, 2),
  [DICENET_PIXEL_FORMAT_BGRX] = RGB_LAYOUT (4, 2, 1, 0),
  [DICENET_PIXEL_FORMAT_XRGB] = RGB_LAYOUT (4, 1, 2, 3),
  [DICENET_PIXEL_FORMAT_XBGR] = RGB_LAYOUT (4, 3, 2, 1),
  [DICENET_PIXEL_FORMAT_RGBA] = RGB_LAYOUT (4, 0, 1, 2),
  [DICENET_PIXEL_FORMAT_BGRA] = RGB_LAYOUT (4, 2, 1, 0),
  [DICENET_PIXEL_FORMAT_ARGB] = RGB_LAYOUT (4, 1, 2, 3),
  [DICENET_PIXEL_FORMAT_ABGR] = RGB_LAYOUT (4, 3, 2, 1),
  [DICENET_PIXEL_FORMAT_GRAY8] = YUV_LAYOUT (1, PLANAR, NONE, FALSE),
  [DICENET_PIXEL_FORMAT_NV12] = YUV_LAYOUT (2, PLANAR, PAIRS, FALSE),
  [DICENET_PIXEL_FORMAT_NV21] = YUV_LAYOUT (2, PLANAR, PAIRS, TRUE),
  [DICENET_PIXEL_FORMAT_I420] = YUV_LAYOUT (3, PLANAR, PLANES, FALSE),
  [DICENET_PIXEL_FORMAT_YV12] = YUV_LAYOUT (3, PLANAR, PLANES, TRUE),
  [DICENET_PIXEL_FORMAT_YUY2] = YUV_LAYOUT (1, EVEN, PACKED, FALSE),
  [DICENET_PIXEL_FORMAT_UYVY] = YUV_LAYOUT (1, ODD, PACKED, FALSE),
};
/* clang-format on */

const DicenetPixelLayout *
dicenet_pixel_layout_get (DicenetPixelFormat format)
{
  if ((guint) format >= G_N_ELEMENTS (layouts) || layouts[format].n_planes == 0)
    return NULL;
  return &layouts[format];
}

#define MAX_PICTURE_SIZE 32767

gboolean
dicenet_image_check (const DicenetImage *image, GError **error)
{
  const DicenetPixelLayout *layout = dicenet_pixel_layout_get (image->format);

  if (!layout) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "unknown pixel format %d: expected one of the formats in dicenet/image.h", (int) image->format);
    return FALSE;
  }
  if (image->width < 1 || image->width > MAX_PICTURE_SIZE || image->height < 1 || image->height > MAX_PICTURE_SIZE) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "a picture of %u x %u pixels cannot be handled: width and height have to be 1 to %d", image->width,
                 image->height, MAX_PICTURE_SIZE);
    return FALSE;
  }
  if (layout->chroma != DICENET_CHROMA_NONE && image->matrix != DICENET_COLOR_MATRIX_BT601 &&
      image->matrix != DICENET_COLOR_MATRIX_BT709) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "unknown colour matrix %d: expected BT.601 or BT.709",
                 (int) image->matrix);
    return FALSE;
  }
  if (layout->step == 0 && image->range != DICENET_COLOR_RANGE_LIMITED && image->range != DICENET_COLOR_RANGE_FULL) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "unknown sample range %d: expected limited or full",
                 (int) image->range);
    return FALSE;
  }
  return TRUE;
}

/* Offset in bytes of column @x within a row of a plane. */
static gsize
bytes_before (const DicenetPixelLayout *layout, guint plane, guint x)
{
  if (plane == 0)
    return layout->step > 0 ? (gsize) x * layout->step : layout->luma == DICENET_LUMA_PLANAR ? x : 2 * (gsize) x;
  switch (layout->chroma) {
  case DICENET_CHROMA_PACKED:
    return 4 * (gsize) (x / 2);
  case DICENET_CHROMA_PAIRS:
    return 2 * (gsize) (x / 2);
  default:
    return x / 2;
  }
}

static void
move_plane (DicenetImage *image, const DicenetPixelLayout *layout, guint plane, guint x, guint y)
{
  const gboolean is_halved = plane > 0 && layout->chroma != DICENET_CHROMA_PACKED;

  image->planes[plane] +=
      (gssize) (is_halved ? y / 2 : y) * image->strides[plane] + (gssize) bytes_before (layout, plane, x);
}

static gboolean
check_planes (const DicenetImage *image, guint n, GError **error)
{
  for (guint i = 0; i < n; i++) {
    if (image->planes[i] != NULL)
      continue;
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "plane %u of the picture is NULL: its format has %u", i,
                 n);
    return FALSE;
  }
  return TRUE;
}

static gboolean
check_part (const DicenetImage *image, const DicenetRequest *r, GError **error)
{
  const guint64 right = (guint64) r->part.x + r->part.width, bottom = (guint64) r->part.y + r->part.height;

  if (r->part.width > 0 && r->part.height > 0 && right <= image->width && bottom <= image->height)
    return TRUE;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
               "the rectangle of %u x %u pixels at %u, %u is not inside the picture, which has %u x %u: cut off what "
               "reaches out of it",
               r->part.width, r->part.height, r->part.x, r->part.y, image->width, image->height);
  return FALSE;
}

gboolean
dicenet_image_part (DicenetImage *part, const DicenetImage *image, const DicenetRequest *request, GError **error)
{
  const gboolean is_whole = request->part.width == 0 && request->part.height == 0;
  guint n_planes;

  if (!dicenet_image_check (image, error))
    return FALSE;
  const DicenetPixelLayout *layout = dicenet_pixel_layout_get (image->format);
  if (!check_planes (image, layout->n_planes, error) || (!is_whole && !check_part (image, request, error)))
    return FALSE;
  *part = *image;
  n_planes = layout->n_planes;
  if (layout->chroma == DICENET_CHROMA_PACKED) {
    part->planes[n_planes] = image->planes[0];
    part->strides[n_planes++] = image->strides[0];
  }
  if (is_whole)
    return TRUE;
  part->width = request->part.width;
  part->height = request->part.height;
  for (guint i = 0; i < n_planes; i++)
    move_plane (part, layout, i, request->part.x, request->part.y);
  return TRUE;
}
