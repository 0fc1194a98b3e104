/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preprocess.h"

#include <dicenet/error.h>
#include <math.h>
#include <string.h>

#include "../kernels/kernels.h"
#include "preprocess-filter.h"
#include "preprocess-layout.h"

#define MAX_PICTURE_SIZE 32767

/* What a band writes to besides the tensor. Everything else only gets read. */
typedef struct {
  gint16 *chroma;       /* a source row's, pairs */
  guint16 *pixels;      /* a source row, R, G, B; NULL where it need not be scaled across */
  guint16 *ring;        /* the scaled rows that the next output row may need: source row i is in slot i % n_slots */
  const guint16 **rows; /* those of them that the current output row is made of */
} Work;

struct _DicenetPreprocess {
  DicenetImage image; /* what the pictures are like; its planes and strides mean nothing */
  guint width, height;
  const DicenetPixelKernels *kernels;
  const DicenetPixelLayout *layout;
  DicenetYuv yuv;
  DicenetFilter horizontal, vertical;
  gfloat normalise[3][256];
  guint n_bands;
  Work *bands;
};

/* Samples from one slot of the ring to the next. */
static gsize
slot_size (const DicenetPreprocess *self)
{
  return 3 * dicenet_pixel_stride (self->width);
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
init_yuv (DicenetYuv *yuv, const DicenetImage *image, gboolean v_first)
{
  gboolean limited = image->range == DICENET_COLOR_RANGE_LIMITED;
  double kr = image->matrix == DICENET_COLOR_MATRIX_BT709 ? 0.2126 : 0.299;
  double kb = image->matrix == DICENET_COLOR_MATRIX_BT709 ? 0.0722 : 0.114;
  double kg = 1 - kr - kb;
  double luma = limited ? 255. / 219 : 1;
  double chroma = limited ? 255. / 224 : 1;
  guint u = v_first, v = !v_first;

  *yuv = (DicenetYuv){ .y = fixed_point (luma, DICENET_YUV_BITS) };
  yuv->bias = (1 << (DICENET_YUV_BITS - 1)) / 16 - (limited ? yuv->y : 0);
  yuv->r[v] = fixed_point (chroma * 2 * (1 - kr), DICENET_YUV_BITS - 3);
  yuv->g[u] = fixed_point (chroma * -2 * (1 - kb) * kb / kg, DICENET_YUV_BITS - 3);
  yuv->g[v] = fixed_point (chroma * -2 * (1 - kr) * kr / kg, DICENET_YUV_BITS - 3);
  yuv->b[u] = fixed_point (chroma * 2 * (1 - kb), DICENET_YUV_BITS - 3);
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
  gsize n = self->vertical.most * slot_size (self);

  if (self->width != self->image.width)
    work->pixels = g_new0 (guint16, 3 * dicenet_pixel_stride (self->image.width));
  work->rows = g_new (const guint16 *, 2 * (gsize) self->vertical.taps.pairs);
  /* Stays so, neutral, where there is no chroma. */
  if (self->layout->step == 0)
    work->chroma = g_new0 (gint16, 2 * chroma_width (self) + 2 + DICENET_PIXEL_PAD);
  /* As many rows as the picture has, if it is shrunk to next to nothing. */
  work->ring = g_try_new0 (guint16, n);
  if (work->ring)
    return TRUE;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY,
               "no memory for %" G_GSIZE_FORMAT " bytes to scale %u x %u pixels to %u x %u", n * sizeof *work->ring,
               self->image.width, self->image.height, self->width, self->height);
  return FALSE;
}

static void
work_clear (Work *work)
{
  g_free (work->chroma);
  g_free (work->pixels);
  g_free (work->ring);
  g_free (work->rows);
}

DicenetPreprocess *
dicenet_preprocess_new (const DicenetImage *image, guint width, guint height, const gfloat mean[3], const gfloat std[3],
                        guint n_bands, GError **error)
{
  DicenetPreprocess *self;
  const char *set;

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
  self->kernels = dicenet_pixel_kernels_get (dicenet_cpu_mask (), &set);
  init_yuv (&self->yuv, image, self->layout->v_first);
  init_normalise (self->normalise, mean, std);
  dicenet_filter_init (&self->horizontal, image->width, width);
  dicenet_filter_init (&self->vertical, image->height, height);
  self->n_bands = CLAMP (n_bands, 1, height);
  self->bands = g_new0 (Work, self->n_bands);
  for (guint i = 0; self && i < self->n_bands; i++)
    if (!work_init (&self->bands[i], self, error))
      g_clear_pointer (&self, dicenet_preprocess_free);
  return self;
}

void
dicenet_preprocess_free (DicenetPreprocess *self)
{
  if (!self)
    return;
  for (guint i = 0; i < self->n_bands; i++)
    work_clear (&self->bands[i]);
  g_free (self->bands);
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
         (self->layout->chroma == DICENET_CHROMA_NONE || image->matrix == self->image.matrix) &&
         (self->layout->step != 0 || image->range == self->image.range);
}

static const guint8 *
plane_row (const DicenetImage *image, guint plane, guint row)
{
  return image->planes[plane] + (gssize) row * image->strides[plane];
}

/* Chroma rows of 4:2:0 lie between two rows of luma, so that a quarter of a luma row's chroma comes from the further of
 * its two neighbours. */
static void
unpack_chroma (const DicenetPreprocess *self, Work *work, const DicenetImage *image, guint row)
{
  const DicenetPixelKernels *k = self->kernels;
  gsize n = chroma_width (self);
  guint near = row / 2, far = row % 2 ? MIN (near + 1, (image->height - 1) / 2) : MAX (near, 1) - 1;

  switch (self->layout->chroma) {
  case DICENET_CHROMA_NONE:
    break;
  case DICENET_CHROMA_PAIRS:
    k->chroma_pairs (plane_row (image, 1, near), plane_row (image, 1, far), work->chroma, n);
    break;
  case DICENET_CHROMA_PLANES:
    k->chroma_planes ((const guint8 *[]){ plane_row (image, 1, near), plane_row (image, 2, near) },
                      (const guint8 *[]){ plane_row (image, 1, far), plane_row (image, 2, far) }, work->chroma, n);
    break;
  case DICENET_CHROMA_PACKED:
    k->chroma_packed (plane_row (image, 0, row), self->layout->luma, work->chroma, n);
    break;
  }
}

static void
unpack_row (const DicenetPreprocess *self, Work *work, const DicenetImage *image, guint row, guint16 *out)
{
  const DicenetPixelLayout *layout = self->layout;
  const guint8 *src = plane_row (image, 0, row);

  if (layout->step > 0) {
    self->kernels->rgb (src, layout->step, layout->at, out, image->width);
    return;
  }
  unpack_chroma (self, work, image, row);
  self->kernels->yuv (&self->yuv, src, layout->luma, work->chroma, out, image->width);
}

static guint16 *
slot (const DicenetPreprocess *self, const Work *work, guint row)
{
  return work->ring + row % self->vertical.most * slot_size (self);
}

static void
read_row (const DicenetPreprocess *self, Work *work, const DicenetImage *image, guint row)
{
  if (!work->pixels) {
    unpack_row (self, work, image, row, slot (self, work, row));
    return;
  }
  unpack_row (self, work, image, row, work->pixels);
  self->kernels->shrink (&self->horizontal.taps, work->pixels, dicenet_pixel_stride (image->width),
                         slot (self, work, row));
}

static void
write_row (const DicenetPreprocess *self, Work *work, gfloat *tensor, guint y)
{
  const DicenetTaps *taps = &self->vertical.taps;
  gsize plane_size = (gsize) self->width * self->height;
  guint first = (guint) taps->start[y];

  for (guint c = 0; c < 3; c++) {
    /* Rows beyond those that count have coefficients of 0, but they are read. */
    for (guint t = 0; t < 2 * taps->pairs; t++)
      work->rows[t] = slot (self, work, first + t) + c * dicenet_pixel_stride (self->width);
    self->kernels->finish (taps, y, work->rows, self->normalise[c], tensor + c * plane_size + (gsize) y * self->width,
                           self->width);
  }
}

guint
dicenet_preprocess_get_n_bands (const DicenetPreprocess *self)
{
  return self->n_bands;
}

/* Each source row is read and scaled once, and forgotten when no output row of the band needs it. */
void
dicenet_preprocess_run_band (DicenetPreprocess *self, const DicenetImage *image, gfloat *tensor, guint band)
{
  g_return_if_fail (self && image && tensor && band < self->n_bands);
  g_return_if_fail (dicenet_preprocess_fits (self, image, self->width, self->height));
  for (guint plane = 0; plane < self->layout->n_planes; plane++)
    g_return_if_fail (image->planes[plane]);

  const DicenetFilter *vertical = &self->vertical;
  Work *work = &self->bands[band];
  const guint from = (guint) ((guint64) self->height * band / self->n_bands),
              end = (guint) ((guint64) self->height * (band + 1) / self->n_bands);
  guint next = 0;

  for (guint y = from; y < end; y++) {
    const guint start = (guint) vertical->taps.start[y];
    for (next = MAX (next, start); next < start + vertical->n[y]; next++)
      read_row (self, work, image, next);
    write_row (self, work, tensor, y);
  }
}

void
dicenet_preprocess_run (DicenetPreprocess *self, const DicenetImage *image, gfloat *tensor)
{
  for (guint band = 0; band < self->n_bands; band++)
    dicenet_preprocess_run_band (self, image, tensor, band);
}
