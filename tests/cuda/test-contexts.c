/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../core/common.h"

#include <gmodule.h>
#include <string.h>
#include "sessions.h"

/* Sessions in CUDA contexts that others created with the driver, as GStreamer's decoders do, and pictures in their
 * memory. Runs on a GPU, or on the emulated driver and GPU; skipped without either. */

typedef struct CUctx_st *CUcontext;
typedef guint64 CUdeviceptr;

static struct {
  int (*init) (unsigned flags);
  int (*create) (CUcontext *context, unsigned flags, int device);
  int (*destroy) (CUcontext context);
  int (*push) (CUcontext context);
  int (*pop) (CUcontext *context);
  int (*get_current) (CUcontext *context);
  int (*allocate) (CUdeviceptr *memory, gsize size);
  int (*release) (CUdeviceptr memory);
  int (*upload) (CUdeviceptr to, const void *from, gsize size);
} cu;

static gboolean
find_driver (void)
{
  const struct {
    const char *name;
    gpointer function;
  } functions[] = {
    { "cuInit", &cu.init },
    { "cuCtxCreate_v2", &cu.create },
    { "cuCtxDestroy_v2", &cu.destroy },
    { "cuCtxPushCurrent_v2", &cu.push },
    { "cuCtxPopCurrent_v2", &cu.pop },
    { "cuCtxGetCurrent", &cu.get_current },
    { "cuMemAlloc_v2", &cu.allocate },
    { "cuMemFree_v2", &cu.release },
    { "cuMemcpyHtoD_v2", &cu.upload },
  };
  GModule *driver = g_module_open ("libcuda.so.1", 0);

  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    if (driver == NULL || !g_module_symbol (driver, functions[i].name, functions[i].function))
      return FALSE;
  return TRUE;
}

static CUcontext
context_new (void)
{
  CUcontext context;

  ck_assert_int_eq (cu.init (0), 0);
  ck_assert_int_eq (cu.create (&context, 0, 0), 0);
  return context;
}

static DicenetSession *
open_session (DicenetModel *model, DicenetBackend backend, CUcontext context)
{
  g_autoptr (DicenetOptions) options = test_options (backend, DICENET_PRECISION_FLOAT32, 1);
  g_autoptr (GError) error = NULL;

  dicenet_options_set_context (options, context);
  DicenetSession *session = dicenet_session_new (model, options, &error);
  assert_no_error (error);
  return session;
}

/* --- pictures --- */

typedef struct {
  DicenetImage image, on_device;
} Picture;

/* NV12 or YUY2 with strides that say something else than the width. */
static void
picture_init (Picture *self, DicenetPixelFormat format, guint seed, guint width, guint height, gint stride)
{
  self->image = (DicenetImage){ .format = format, .width = width, .height = height };
  self->on_device = self->image;
  self->on_device.memory = DICENET_MEMORY_DEVICE;
  for (guint i = 0; i < (format == DICENET_PIXEL_FORMAT_NV12 ? 2 : 1); i++) {
    const guint size = (guint) stride * (i == 0 ? height : (height + 1) / 2);
    guint8 *plane = g_malloc (size);
    CUdeviceptr copy;
    for (guint k = 0; k < size; k++)
      plane[k] = (guint8) ((k * 7 + k / 91) ^ seed);
    ck_assert_int_eq (cu.allocate (&copy, size), 0);
    ck_assert_int_eq (cu.upload (copy, plane, size), 0);
    self->image.planes[i] = plane;
    self->on_device.planes[i] = (const guint8 *) (gsize) copy;
    self->image.strides[i] = self->on_device.strides[i] = stride;
  }
}

static void
picture_clear (Picture *self)
{
  for (guint i = 0; i < 2 && self->image.planes[i]; i++) {
    g_free ((gpointer) self->image.planes[i]);
    cu.release ((CUdeviceptr) (gsize) self->on_device.planes[i]);
  }
}

/* Frames move from one buffer of a pool to another, change their stride, their size, their format and where they are;
 * and there are parts of them. */
START_TEST (pictures_are_read_where_they_lie)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, NULL);
  CUcontext context = context_new ();
  DicenetSession *gpu = open_session (model, DICENET_BACKEND_CUDA, context);
  g_autoptr (DicenetRequest) request = test_request (64, 48);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 8; i++) {
    Picture picture;
    picture_init (&picture, i % 4 == 3 ? DICENET_PIXEL_FORMAT_YUY2 : DICENET_PIXEL_FORMAT_NV12, i, i < 4 ? 101 : 60, 80,
                  256 + 64 * (i % 2));
    dicenet_request_set_rectangle (request, 3 * (i % 2), 5 * (i % 2), i % 2 ? 41 : 0, i % 2 ? 33 : 0);
    g_autoptr (DicenetResult) expected = dicenet_session_run_image (cpu, &picture.image, request, &error);
    /* The picture may be freed after submission. */
    g_autoptr (DicenetSubmission) submission =
        dicenet_session_submit_image (gpu, i == 6 ? &picture.image : &picture.on_device, request, &error);
    assert_no_error (error);
    picture_clear (&picture);
    g_autoptr (DicenetResult) found = dicenet_submission_wait (submission, &error);
    assert_no_error (error);
    ck_assert (difference (found, expected, 0, 0) < 1e-4f);
  }
  g_object_unref (gpu);
  cu.pop (NULL);
  cu.destroy (context);
}
END_TEST

/* Sessions of one model in two contexts and the primary one, in one thread: each has its own resources. */
START_TEST (contexts_do_not_mix)
{
  g_autoptr (DicenetModel) model = test_model_load ("detect");
  g_autoptr (DicenetSession) cpu = open_session (model, DICENET_BACKEND_CPU, NULL);
  g_autofree gfloat *input = test_noise (3 * 64 * 48, 1);
  DicenetSession *sessions[3];
  CUcontext contexts[3] = { NULL };
  g_autoptr (DicenetResult) expected = test_run_tensor (cpu, input, 1, 64, 48);

  for (guint i = 0; i < 3; i++) {
    contexts[i] = i > 0 ? context_new () : NULL;
    sessions[i] = open_session (model, DICENET_BACKEND_CUDA, contexts[i]);
    if (i > 0)
      cu.pop (NULL);
  }
  for (guint round = 0; round < 2; round++)
    for (guint i = 0; i < 3; i++) {
      CUcontext now;
      if (i > 0)
        cu.push (contexts[i]);
      g_autoptr (DicenetResult) found = test_run_tensor (sessions[i], input, 1, 64, 48);
      ck_assert (difference (found, expected, 0, 0) < 1e-4f);
      cu.get_current (&now);
      if (i > 0) {
        ck_assert_ptr_eq (now, contexts[i]); /* a session restores the current context */
        cu.pop (NULL);
      }
    }
  for (guint i = 0; i < 3; i++) {
    if (i > 0)
      cu.push (contexts[i]);
    g_object_unref (sessions[i]);
    if (i > 0) {
      cu.pop (NULL);
      cu.destroy (contexts[i]);
    }
  }
}
END_TEST

int
main (void)
{
  const TTest *const tests[] = { pictures_are_read_where_they_lie, contexts_do_not_mix };

  if (!find_driver ())
    return 77;
  return test_run ("cuda-contexts", tests, G_N_ELEMENTS (tests));
}
