/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preprocess.h"

#include <dicenet/error.h>
#include <math.h>
#include <string.h>

#include "preprocess-kernels.h"

#define MAX_PICTURE_SIZE 32767

/* What a run writes to besides the tensor. Everything else only gets read: with a Work for each, several threads could
 * make bands of one tensor. */
typedef struct {
  guint16 *u, *v;      /* a source row's chroma */
  guint32 *pixels;     /* a source row */
  guint8 *ring;        /* the scaled rows that the next output row may need: source row i is in slot i % n_slots */
  const guint8 **rows; /* those of them that the current output row is made of */
} Work;

struct _DicenetPreprocess {
  DicenetImage image; /* what the pictures are like; its planes and strides mean nothing */
  guint width, height;
  const DicenetPixelLayout *layout;
  DicenetScaleRowFunc scale_row;
  DicenetFinishRowFunc finish_row;
  DicenetYuvFactors factors;
  DicenetFilter horizontal, vertical;
  gfloat normalise[3][256];
  Work work;
};

/* Bytes from one slot of the ring to the next. */
static gsize
slot_size (const DicenetPreprocess *self)
{
  return 3 * (gsize) self->width;
}

static gsize
chroma_width (const DicenetPreprocess *self)
{
  return (self->image.width + 1) / 2;
}

static gboolean
check_picture (const DicenetImage *image, GError **error)
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
  if (layout->upsample_chroma && image->matrix != DICENET_COLOR_MATRIX_BT601 &&
      image->matrix != DICENET_COLOR_MATRIX_BT709) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "unknown colour matrix %d: expected BT.601 or BT.709",
                 (int) image->matrix);
    return FALSE;
  }
  if (layout->unpack_yuv && image->range != DICENET_COLOR_RANGE_LIMITED && image->range != DICENET_COLOR_RANGE_FULL) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "unknown sample range %d: expected limited or full",
                 (int) image->range);
    return FALSE;
  }
  return TRUE;
}

static gboolean
check_tensor (guint width, guint height, const gfloat mean[3], const gfloat std[3], GError **error)
{
  if (width < 1 || width > DICENET_MAX_SIZE || height < 1 || height > DICENET_MAX_SIZE) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "an input of %u x %u pixels cannot be made: width and height have to be 1 to %d", width, height,
                 DICENET_MAX_SIZE);
    return FALSE;
  }
  for (guint c = 0; c < 3; c++) {
    if (isfinite (mean[c]) && isfinite (std[c]) && std[c] > 0)
      continue;
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "channel %u cannot be normalised with mean %g and standard deviation %g: expected finite numbers, the "
                 "deviation above 0",
                 c, (double) mean[c], (double) std[c]);
    return FALSE;
  }
  return TRUE;
}

static gint16
fixed_point (double value, guint bits)
{
  return (gint) lrint (ldexp (value, (int) bits));
}

/* The definition of Y'CbCr, inverted. Chroma comes 8 times as large, hence three bits less in its factors. */
static void
init_factors (DicenetYuvFactors *factors, DicenetColorMatrix matrix, DicenetColorRange range)
{
  gboolean limited = range == DICENET_COLOR_RANGE_LIMITED;
  double kr = matrix == DICENET_COLOR_MATRIX_BT709 ? 0.2126 : 0.299;
  double kb = matrix == DICENET_COLOR_MATRIX_BT709 ? 0.0722 : 0.114;
  double kg = 1 - kr - kb;
  double luma = limited ? 255. / 219 : 1;
  double chroma = limited ? 255. / 224 : 1;

  factors->y_offset = limited ? 16 : 0;
  factors->y = fixed_point (luma, DICENET_YUV_BITS);
  factors->r_v = fixed_point (chroma * 2 * (1 - kr), DICENET_YUV_BITS - 3);
  factors->g_u = fixed_point (chroma * -2 * (1 - kb) * kb / kg, DICENET_YUV_BITS - 3);
  factors->g_v = fixed_point (chroma * -2 * (1 - kr) * kr / kg, DICENET_YUV_BITS - 3);
  factors->b_u = fixed_point (chroma * 2 * (1 - kb), DICENET_YUV_BITS - 3);
}

static void
init_normalise (gfloat table[3][256], const gfloat mean[3], const gfloat std[3])
{
  for (guint c = 0; c < 3; c++)
    for (guint v = 0; v < 256; v++)
      table[c][v] = (gfloat) ((v / 255. - (double) mean[c]) / (double) std[c]);
}

static gboolean
work_init (Work *work, const DicenetPreprocess *self, GError **error)
{
  gsize n_slots = self->vertical.n_taps;

  work->pixels = g_malloc (4 * (gsize) self->image.width);
  work->rows = g_new (const guint8 *, n_slots);
  if (self->layout->unpack_yuv) {
    gsize n = 2 * chroma_width (self);

    work->u = g_new (guint16, n);
    work->v = g_new (guint16, n);
    /* Stays so where there is no chroma. */
    for (gsize i = 0; i < n; i++)
      work->u[i] = work->v[i] = DICENET_NEUTRAL_CHROMA;
  }
  /* As many rows as the picture has, if it is shrunk to next to nothing. */
  work->ring = g_try_malloc (n_slots * slot_size (self));
  if (work->ring)
    return TRUE;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY,
               "no memory for %" G_GSIZE_FORMAT " bytes to scale %u x %u pixels to %u x %u", n_slots * slot_size (self),
               self->image.width, self->image.height, self->width, self->height);
  return FALSE;
}

static void
work_clear (Work *work)
{
  g_free (work->u);
  g_free (work->v);
  g_free (work->pixels);
  g_free (work->ring);
  g_free (work->rows);
}

DicenetPreprocess *
dicenet_preprocess_new (const DicenetImage *image, guint width, guint height, const gfloat mean[3], const gfloat std[3],
                        GError **error)
{
  DicenetPreprocess *self;

  if (!image || !mean || !std) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "no %s given: expected three arguments that are not NULL",
                 !image  ? "picture"
                 : !mean ? "mean"
                         : "standard deviation");
    return NULL;
  }
  if (!check_picture (image, error) || !check_tensor (width, height, mean, std, error))
    return NULL;

  self = g_new0 (DicenetPreprocess, 1);
  self->image = *image;
  self->width = width;
  self->height = height;
  self->layout = dicenet_pixel_layout_get (image->format);
  self->scale_row = width == image->width ? dicenet_split_row_c : dicenet_scale_row_c;
  self->finish_row = dicenet_finish_row_c;
  init_factors (&self->factors, image->matrix, image->range);
  init_normalise (self->normalise, mean, std);
  dicenet_filter_init (&self->horizontal, image->width, width);
  dicenet_filter_init (&self->vertical, image->height, height);
  if (!work_init (&self->work, self, error))
    g_clear_pointer (&self, dicenet_preprocess_free);
  return self;
}

void
dicenet_preprocess_free (DicenetPreprocess *self)
{
  if (!self)
    return;
  work_clear (&self->work);
  dicenet_filter_clear (&self->horizontal);
  dicenet_filter_clear (&self->vertical);
  g_free (self);
}

gboolean
dicenet_preprocess_fits (const DicenetPreprocess *self, const DicenetImage *image, guint width, guint height)
{
  g_return_val_if_fail (self && image, FALSE);

  return image->format == self->image.format && image->width == self->image.width &&
         image->height == self->image.height && width == self->width && height == self->height &&
         (!self->layout->upsample_chroma || image->matrix == self->image.matrix) &&
         (!self->layout->unpack_yuv || image->range == self->image.range);
}

static const guint8 *
plane_row (const DicenetImage *image, guint plane, guint row)
{
  return image->planes[plane] + (gssize) row * image->strides[plane];
}

/* Chroma rows of 4:2:0 lie between two rows of luma, so that a quarter of a luma row's chroma comes from the further of
 * its two neighbours. With 4:2:2 both are the same. */
static void
upsample_chroma (const DicenetPreprocess *self, Work *work, const DicenetImage *image, guint row)
{
  const DicenetPixelLayout *layout = self->layout;
  guint n = chroma_width (self);
  guint near = row >> layout->chroma_shift;
  guint far = near;

  if (layout->chroma_shift && row % 2 == 0)
    far = near > 0 ? near - 1 : 0;
  else if (layout->chroma_shift)
    far = MIN (near + 1, (image->height - 1) / 2);

  layout->upsample_chroma (plane_row (image, layout->u.plane, near) + layout->u.offset,
                           plane_row (image, layout->u.plane, far) + layout->u.offset, work->u, n);
  layout->upsample_chroma (plane_row (image, layout->v.plane, near) + layout->v.offset,
                           plane_row (image, layout->v.plane, far) + layout->v.offset, work->v, n);
}

static void
unpack_row (const DicenetPreprocess *self, Work *work, const DicenetImage *image, guint row)
{
  const DicenetPixelLayout *layout = self->layout;
  const guint8 *src = plane_row (image, 0, row);

  if (layout->unpack_rgb) {
    layout->unpack_rgb (src, work->pixels, image->width);
    return;
  }
  if (layout->upsample_chroma)
    upsample_chroma (self, work, image, row);
  layout->unpack_yuv (&self->factors, src + layout->y_offset, work->u, work->v, work->pixels, image->width);
}

static guint8 *
slot (const DicenetPreprocess *self, const Work *work, guint row)
{
  return work->ring + row % self->vertical.n_taps * slot_size (self);
}

/* Output rows @from to @end - 1. Each source row is read and scaled once, and forgotten when no output row needs it. */
static void
run_band (const DicenetPreprocess *self, Work *work, const DicenetImage *image, gfloat *tensor, guint from, guint end)
{
  const DicenetFilter *vertical = &self->vertical;
  gsize plane_size = (gsize) self->width * self->height;
  guint next = 0;

  for (guint y = from; y < end; y++) {
    guint start = vertical->start[y], n = vertical->n[y];

    for (next = MAX (next, start); next < start + n; next++) {
      unpack_row (self, work, image, next);
      self->scale_row (&self->horizontal, work->pixels, slot (self, work, next), self->width);
    }
    for (guint t = 0; t < n; t++)
      work->rows[t] = slot (self, work, start + t);
    for (guint c = 0; c < 3; c++)
      self->finish_row (work->rows, c * (gsize) self->width, vertical->coefficients + (gsize) y * vertical->n_taps, n,
                        self->normalise[c], tensor + c * plane_size + (gsize) y * self->width, self->width);
  }
}

void
dicenet_preprocess_run (DicenetPreprocess *self, const DicenetImage *image, gfloat *tensor)
{
  g_return_if_fail (self && image && tensor);
  g_return_if_fail (dicenet_preprocess_fits (self, image, self->width, self->height));
  for (guint plane = 0; plane < self->layout->n_planes; plane++)
    g_return_if_fail (image->planes[plane]);

  run_band (self, &self->work, image, tensor, 0, self->height);
}
