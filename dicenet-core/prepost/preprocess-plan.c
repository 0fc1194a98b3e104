/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preprocess-plan.h"

#include <dicenet/error.h>
#include <math.h>

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

/* The inverse of the definition of Y'CbCr. Chroma is scaled by 8, so its factors have three fractional bits less. */
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

gboolean
dicenet_preprocess_plan_init (DicenetPreprocessPlan *self, const DicenetImage *image, guint width, guint height,
                              const gfloat mean[3], const gfloat std[3], GError **error)
{
  if (!image || !mean || !std) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT,
                 "no %s given: expected three arguments that are not NULL",
                 !image  ? "picture"
                 : !mean ? "mean"
                         : "standard deviation");
    return FALSE;
  }
  if (!dicenet_image_check (image, error) || !check_tensor (width, height, mean, std, error))
    return FALSE;

  *self = (DicenetPreprocessPlan){ .image = *image, .width = width, .height = height };
  self->layout = dicenet_pixel_layout_get (image->format);
  init_yuv (&self->yuv, image, self->layout->v_first);
  init_normalise (self->normalise, mean, std);
  dicenet_filter_init (&self->horizontal, image->width, width);
  dicenet_filter_init (&self->vertical, image->height, height);
  return TRUE;
}

void
dicenet_preprocess_plan_clear (DicenetPreprocessPlan *self)
{
  dicenet_filter_clear (&self->horizontal);
  dicenet_filter_clear (&self->vertical);
}

gboolean
dicenet_preprocess_plan_fits (const DicenetPreprocessPlan *self, const DicenetImage *image, guint width, guint height)
{
  return image->format == self->image.format && image->width == self->image.width &&
         image->height == self->image.height && width == self->width && height == self->height &&
         (self->layout->chroma == DICENET_CHROMA_NONE || image->matrix == self->image.matrix) &&
         (self->layout->step != 0 || image->range == self->image.range);
}
