/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reader.h"

#include <string.h>
#include "error.h"

/* Rows of a plane, contiguous. */
typedef struct {
  gsize row, at; /* bytes per row; offset of the plane */
  guint rows;
} Plane;

struct _CudaReader {
  DicenetPreprocessPlan plan;
  Plane planes[3];
  gsize frame_bytes; /* 0: frames are already in device memory */
  guint8 *device;    /* tables, description of the picture, scratch and frame */
  gpointer scratch;  /* in @device, like the next two */
  const DicenetCudaPicture *picture;
  guint8 *device_input; /* the part that changes between frames: the frame or its description */
  gsize input_bytes;
  DicenetCudaPreprocess preprocess;
};

#define ALIGNMENT 256

static gsize
aligned (gsize n)
{
  return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static gboolean
is_on_device (const CudaReader *self)
{
  return self->plan.image.memory == DICENET_MEMORY_DEVICE;
}

static void
lay_out (CudaReader *self)
{
  const DicenetPixelLayout *layout = self->plan.layout;
  const guint w = self->plan.image.width, h = self->plan.image.height, half_w = (w + 1) / 2, half_h = (h + 1) / 2;
  gsize first = w;

  if (is_on_device (self))
    return;
  if (layout->step > 0)
    first = (gsize) w * layout->step;
  else if (layout->chroma == DICENET_CHROMA_PACKED)
    first = 4 * (gsize) half_w;
  self->planes[0] = (Plane){ first, 0, h };
  self->frame_bytes = aligned (first * h);
  for (guint i = 1; i < layout->n_planes; i++) {
    const gsize row = layout->chroma == DICENET_CHROMA_PAIRS ? 2 * (gsize) half_w : half_w;
    self->planes[i] = (Plane){ row, self->frame_bytes, half_h };
    self->frame_bytes += aligned (row * half_h);
  }
}

/* Uploads the tables, and the description of the frame, which is only constant if frames are copied to @device. */
static gboolean
upload (CudaReader *self, cudaStream_t stream, GError **error)
{
  const gsize tables = aligned (dicenet_cuda_preprocess_size (&self->plan)), picture = aligned (sizeof *self->picture);
  g_autofree guint8 *host = g_malloc0 (tables + picture);
  DicenetImage image = self->plan.image;

  image.planes[1] = NULL; /* packed formats only */
  /* A first call, because the size of the scratch only depends on sizes. */
  dicenet_cuda_preprocess_fill (&self->plan, host, host, &self->preprocess);
  const gsize scratch = aligned (dicenet_cuda_preprocess_scratch (&self->preprocess, 1));
  if (!cuda_allocate ((gpointer *) &self->device, tables + picture + scratch + self->frame_bytes, "frames", stream,
                      error))
    return FALSE;
  guint8 *described_at = self->device + tables, *frame = described_at + picture + scratch;
  self->picture = (const DicenetCudaPicture *) described_at;
  self->scratch = described_at + picture;
  self->device_input = is_on_device (self) ? described_at : frame;
  for (guint i = 0; i < self->plan.layout->n_planes; i++) {
    image.planes[i] = frame + self->planes[i].at;
    image.strides[i] = (gint) self->planes[i].row;
  }
  dicenet_cuda_preprocess_fill (&self->plan, host, self->device, &self->preprocess);
  const DicenetCudaPicture described = dicenet_cuda_picture (&image);
  memcpy (host + tables, &described, sizeof described);
  return cuda_check (cudaMemcpyAsync (self->device, host, tables + picture, cudaMemcpyHostToDevice, stream),
                     "copying tables", error) &&
         cuda_check (cudaStreamSynchronize (stream), "copying tables", error);
}

CudaReader *
cuda_reader_new (const DicenetImage *image, guint width, guint height, const gfloat mean[3], const gfloat std[3],
                 cudaStream_t stream, GError **error)
{
  CudaReader *self = g_new0 (CudaReader, 1);

  if (!dicenet_preprocess_plan_init (&self->plan, image, width, height, mean, std, error)) {
    g_free (self);
    return NULL;
  }
  lay_out (self);
  self->input_bytes = is_on_device (self) ? sizeof *self->picture : self->frame_bytes;
  if (upload (self, stream, error))
    return self;
  cuda_reader_free (self, stream);
  return NULL;
}

void
cuda_reader_free (CudaReader *self, cudaStream_t stream)
{
  if (self == NULL)
    return;
  cudaFreeAsync (self->device, stream);
  dicenet_preprocess_plan_clear (&self->plan);
  g_free (self);
}

gboolean
cuda_reader_fits (const CudaReader *self, const DicenetImage *image, guint width, guint height)
{
  return image->memory == self->plan.image.memory && dicenet_preprocess_plan_fits (&self->plan, image, width, height);
}

gsize
cuda_reader_get_bytes (const CudaReader *self)
{
  return self->input_bytes;
}

static void
copy_plane (guint8 *to, const Plane *plane, const guint8 *from, gint stride)
{
  if (stride == (gint) plane->row) {
    memcpy (to, from, plane->row * plane->rows);
    return;
  }
  for (guint row = 0; row < plane->rows; row++)
    memcpy (to + row * plane->row, from + (gssize) row * stride, plane->row);
}

/* Packed formats: if a part begins at an odd column, its luma begins two bytes after its chroma. */
static void
move_luma (const CudaReader *self, const DicenetImage *image, guint8 *to)
{
  const guint first = self->plan.layout->luma == DICENET_LUMA_ODD;

  for (guint row = 0; row < image->height; row++) {
    const guint8 *from = image->planes[0] + (gssize) row * image->strides[0];
    guint8 *out = to + row * self->planes[0].row;
    for (guint i = first; i < 2 * image->width; i += 2)
      out[i] = from[i];
  }
}

void
cuda_reader_take (const CudaReader *self, const DicenetImage *image, guint8 *input)
{
  const gboolean is_packed = self->plan.layout->chroma == DICENET_CHROMA_PACKED && image->planes[1] != NULL;

  if (is_on_device (self)) {
    const DicenetCudaPicture described = dicenet_cuda_picture (image);
    memcpy (input, &described, sizeof described);
    return;
  }
  for (guint i = 0; i < self->plan.layout->n_planes; i++)
    copy_plane (input + self->planes[i].at, &self->planes[i], image->planes[is_packed ? 1 : i], image->strides[i]);
  if (is_packed && image->planes[1] != image->planes[0])
    move_luma (self, image, input);
}

gboolean
cuda_reader_enqueue (const CudaReader *self, const guint8 *input, const DicenetCudaTensor *y, cudaStream_t stream,
                     GError **error)
{
  return cuda_check (cudaMemcpyAsync (self->device_input, input, self->input_bytes, cudaMemcpyHostToDevice, stream),
                     "copying a frame", error) &&
         cuda_check (dicenet_cuda_preprocess (&self->preprocess, self->picture, y, self->scratch, stream),
                     "reading a frame", error);
}
