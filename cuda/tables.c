/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tables.h"

#include <string.h>

#include "../dicenet-core/prepost/decode.h"

/* Tables are contiguous words of 4 bytes. */
static gsize
filter_words (const DicenetFilter *filter)
{
  return (gsize) filter->taps.out * (1 + filter->most);
}

gsize
dicenet_cuda_preprocess_size (const DicenetPreprocessPlan *plan)
{
  return (filter_words (&plan->horizontal) + filter_words (&plan->vertical)) * sizeof (guint32) +
         sizeof plan->normalise;
}

static guint32
coefficient (const DicenetTaps *taps, guint i, guint t)
{
  const gsize at = (gsize) (t / 2) * taps->stride + i;
  const guint shift = t % 2 * 16;

  return (taps->high[at] >> shift & 0xffff) << DICENET_TAPS_SPLIT | (taps->low[at] >> shift & 0xffff);
}

/* Returns the number of words written. */
static gsize
fill_filter (const DicenetFilter *filter, guint32 *host, const guint32 *device, guint in, DicenetCudaFilter *out)
{
  const DicenetTaps *taps = &filter->taps;

  *out = (DicenetCudaFilter){ in, taps->out, filter->most, (const gint32 *) device, device + taps->out };
  memcpy (host, taps->start, taps->out * sizeof *host);
  for (guint t = 0; t < filter->most; t++)
    for (guint i = 0; i < taps->out; i++)
      host[(gsize) (1 + t) * taps->out + i] = coefficient (taps, i, t);
  return filter_words (filter);
}

static DicenetCudaColour
colour_of (const DicenetPixelLayout *layout)
{
  if (layout->step > 0)
    return DICENET_CUDA_RGB;
  if (layout->chroma == DICENET_CHROMA_NONE)
    return DICENET_CUDA_GREY;
  return layout->chroma == DICENET_CHROMA_PACKED ? DICENET_CUDA_422 : DICENET_CUDA_420;
}

/* Component @c, 1 or 2, of chroma. */
static DicenetCudaSamples
chroma_samples (const DicenetPixelLayout *layout, guint c)
{
  switch (layout->chroma) {
  case DICENET_CHROMA_PAIRS:
    return (DicenetCudaSamples){ 1, c - 1, 2 };
  case DICENET_CHROMA_PLANES:
    return (DicenetCudaSamples){ c, 0, 1 };
  case DICENET_CHROMA_PACKED:
    return (DicenetCudaSamples){ 1, 2 * (c - 1) + (layout->luma == DICENET_LUMA_EVEN), 4 };
  default:
    return (DicenetCudaSamples){ 0 };
  }
}

static DicenetCudaSamples
samples_of (const DicenetPixelLayout *layout, guint c)
{
  if (layout->step > 0)
    return (DicenetCudaSamples){ 0, layout->at[c], layout->step };
  if (c > 0)
    return chroma_samples (layout, c);
  return (DicenetCudaSamples){ 0, layout->luma == DICENET_LUMA_ODD, layout->luma == DICENET_LUMA_PLANAR ? 1 : 2 };
}

void
dicenet_cuda_preprocess_fill (const DicenetPreprocessPlan *plan, gpointer host, gconstpointer device,
                              DicenetCudaPreprocess *out)
{
  guint32 *words = host;
  const guint32 *there = device;
  gsize at;

  *out = (DicenetCudaPreprocess){ .colour = colour_of (plan->layout), .yuv = plan->yuv };
  for (guint c = 0; c < 3; c++)
    out->samples[c] = samples_of (plan->layout, c);
  at = fill_filter (&plan->horizontal, words, there, plan->image.width, &out->horizontal);
  at += fill_filter (&plan->vertical, words + at, there + at, plan->image.height, &out->vertical);
  memcpy (words + at, plan->normalise, sizeof plan->normalise);
  out->normalise = (const gfloat *) (there + at);
}

DicenetCudaPicture
dicenet_cuda_picture (const DicenetImage *image)
{
  DicenetCudaPicture picture;

  for (guint plane = 0; plane < G_N_ELEMENTS (picture.planes); plane++) {
    picture.planes[plane] = image->planes[plane];
    picture.strides[plane] = image->strides[plane];
  }
  if (image->planes[1] == NULL) { /* packed formats: chroma is in the only plane, except for parts of pictures, which
                                   * set planes[1] */
    picture.planes[1] = image->planes[0];
    picture.strides[1] = image->strides[0];
  }
  return picture;
}

void
dicenet_cuda_detect_params (const DicenetDetectParams *params, guint n_classes, DicenetCudaDetectParams *out,
                            gfloat *thresholds)
{
  *out = (DicenetCudaDetectParams){ params->iou_threshold, dicenet_least_lead (params, n_classes),
                                    params->max_per_class, params->max_detections };
  for (guint c = 0; c < n_classes; c++)
    thresholds[c] = dicenet_class_threshold (params, c);
}

/* The structures must be identical, so that boxes can be copied. */
G_STATIC_ASSERT (sizeof (DicenetCudaBox) == sizeof (DicenetBox));
G_STATIC_ASSERT (G_STRUCT_OFFSET (DicenetCudaBox, label_id) == G_STRUCT_OFFSET (DicenetBox, label_id));
G_STATIC_ASSERT (G_STRUCT_OFFSET (DicenetCudaBox, confidence) == G_STRUCT_OFFSET (DicenetBox, confidence));
