/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preprocess.h"

#include <string.h>

#include "../kernels/kernels.h"
#include "../base/memory-error.h"
#include "preprocess-plan.h"

/* What a band writes, apart from the tensor. Everything else is read-only. */
typedef struct {
  gint16 *chroma;       /* chroma of a source row, in pairs */
  guint16 *pixels;      /* R, G, B of a source row; NULL if it is not scaled horizontally */
  guint16 *ring;        /* scaled rows that the next output rows may need: source row i is in slot i % n_slots */
  const guint16 **rows; /* the rows of the ring for the current output row */
} Work;

struct _DicenetPreprocess {
  DicenetPreprocessPlan plan;
  const DicenetPixelKernels *kernels;
  guint n_bands;
  Work *bands;
};

/* Size of a slot of the ring, in samples. */
static gsize
slot_size (const DicenetPreprocess *self)
{
  return 3 * dicenet_pixel_stride (self->plan.width);
}

static gsize
chroma_width (const DicenetPreprocess *self)
{
  return (self->plan.image.width + 1) / 2;
}

static gboolean
work_init (Work *work, const DicenetPreprocess *self, GError **error)
{
  gsize n = self->plan.vertical.most * slot_size (self);

  if (self->plan.width != self->plan.image.width)
    work->pixels = g_new0 (guint16, 3 * dicenet_pixel_stride (self->plan.image.width));
  work->rows = g_new (const guint16 *, 2 * (gsize) self->plan.vertical.taps.pairs);
  /* Remains neutral if there is no chroma. */
  if (self->plan.layout->step == 0)
    work->chroma = g_new0 (gint16, 2 * chroma_width (self) + 2 + DICENET_PIXEL_PAD);
  /* May be all rows of the picture, if it is shrunk to very few. */
  work->ring = g_try_new0 (guint16, n);
  if (work->ring)
    return TRUE;
  g_autofree char *what = g_strdup_printf ("room to scale %u x %u pixels to %u x %u", self->plan.image.width,
                                           self->plan.image.height, self->plan.width, self->plan.height);
  return dicenet_no_memory (error, n * sizeof *work->ring, what,
                            "choose an inference size nearer to the picture's, or fewer threads");
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
                        guint n_bands, guint cpu_mask, GError **error)
{
  DicenetPreprocess *self = g_new0 (DicenetPreprocess, 1);
  const char *set;

  if (!dicenet_preprocess_plan_init (&self->plan, image, width, height, mean, std, error)) {
    g_free (self);
    return NULL;
  }
  self->kernels = dicenet_pixel_kernels_get (cpu_mask, &set);
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
  dicenet_preprocess_plan_clear (&self->plan);
  g_free (self);
}

gboolean
dicenet_preprocess_fits (const DicenetPreprocess *self, const DicenetImage *image, guint width, guint height)
{
  g_return_val_if_fail (self && image, FALSE);

  return dicenet_preprocess_plan_fits (&self->plan, image, width, height);
}

static const guint8 *
plane_row (const DicenetImage *image, guint plane, guint row)
{
  return image->planes[plane] + (gssize) row * image->strides[plane];
}

/* Chroma rows of 4:2:0 are located between two rows of luma, so a luma row's chroma is interpolated from the two
 * nearest chroma rows, with a weight of one quarter for the more distant one. */
static void
unpack_chroma (const DicenetPreprocess *self, Work *work, const DicenetImage *image, guint row)
{
  const DicenetPixelKernels *k = self->kernels;
  gsize n = chroma_width (self);
  guint near = row / 2, far = row % 2 ? MIN (near + 1, (image->height - 1) / 2) : MAX (near, 1) - 1;

  switch (self->plan.layout->chroma) {
  case DICENET_CHROMA_NONE:
    break;
  case DICENET_CHROMA_PAIRS:
    k->chroma_semiplanar (plane_row (image, 1, near), plane_row (image, 1, far), work->chroma, n);
    break;
  case DICENET_CHROMA_PLANES:
    k->chroma_planar ((const guint8 *[]){ plane_row (image, 1, near), plane_row (image, 2, near) },
                      (const guint8 *[]){ plane_row (image, 1, far), plane_row (image, 2, far) }, work->chroma, n);
    break;
  case DICENET_CHROMA_PACKED:
    /* Set for parts of pictures, see dicenet_image_part(). */
    k->chroma_packed (plane_row (image, image->planes[1] ? 1 : 0, row), self->plan.layout->luma, work->chroma, n);
    break;
  }
}

static void
unpack_row (const DicenetPreprocess *self, Work *work, const DicenetImage *image, guint row, guint16 *out)
{
  const DicenetPixelLayout *layout = self->plan.layout;
  const guint8 *src = plane_row (image, 0, row);

  if (layout->step > 0) {
    self->kernels->rgb (src, layout->step, layout->at, out, image->width);
    return;
  }
  unpack_chroma (self, work, image, row);
  self->kernels->yuv (&self->plan.yuv, src, layout->luma, work->chroma, out, image->width);
}

static guint16 *
slot (const DicenetPreprocess *self, const Work *work, guint row)
{
  return work->ring + row % self->plan.vertical.most * slot_size (self);
}

static void
read_row (const DicenetPreprocess *self, Work *work, const DicenetImage *image, guint row)
{
  if (!work->pixels) {
    unpack_row (self, work, image, row, slot (self, work, row));
    return;
  }
  unpack_row (self, work, image, row, work->pixels);
  self->kernels->resize_horizontal (&self->plan.horizontal.taps, work->pixels, dicenet_pixel_stride (image->width),
                                    slot (self, work, row));
}

static void
write_row (const DicenetPreprocess *self, Work *work, gfloat *tensor, guint y)
{
  const DicenetTaps *taps = &self->plan.vertical.taps;
  gsize plane_size = (gsize) self->plan.width * self->plan.height;
  guint first = (guint) taps->start[y];

  for (guint c = 0; c < 3; c++) {
    /* Rows beyond the last tap have coefficients of 0, but they are read. */
    for (guint t = 0; t < 2 * taps->pairs; t++)
      work->rows[t] = slot (self, work, first + t) + c * dicenet_pixel_stride (self->plan.width);
    self->kernels->resize_vertical_normalise (taps, y, work->rows, self->plan.normalise[c],
                                              tensor + c * plane_size + (gsize) y * self->plan.width, self->plan.width);
  }
}

guint
dicenet_preprocess_get_n_bands (const DicenetPreprocess *self)
{
  return self->n_bands;
}

/* Each source row is read and scaled once, and dropped when no output row of the band needs it any more. */
void
dicenet_preprocess_run_band (DicenetPreprocess *self, const DicenetImage *image, gfloat *tensor, guint band)
{
  g_return_if_fail (self && image && tensor && band < self->n_bands);
  g_return_if_fail (dicenet_preprocess_fits (self, image, self->plan.width, self->plan.height));
  for (guint plane = 0; plane < self->plan.layout->n_planes; plane++)
    g_return_if_fail (image->planes[plane]);

  const DicenetFilter *vertical = &self->plan.vertical;
  Work *work = &self->bands[band];
  const guint from = (guint) ((guint64) self->plan.height * band / self->n_bands),
              end = (guint) ((guint64) self->plan.height * (band + 1) / self->n_bands);
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
