/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../dicenet-core/backend/backend.h"

#include <dicenet/error.h>
#include <string.h>
#include "backend.h"
#include "error.h"
#include "plan.h"
#include "reader.h"

/* The CUDA backend. A frame is one CUDA graph, captured for its size: the copy of the picture (or tensors) to the
 * device, what makes the network's input of it, the network, and for segmentation the masks and their copy back. Boxes,
 * whose thresholds may be other ones each time, and raw outputs follow when they are asked for. Each executor has a
 * stream of its own, takes memory in its order, and waits for that stream only, so that executors and other programs'
 * work on the device go on beside it. What belongs to a CUDA context (streams, graphs, weights) is made in the caller's
 * where there is one: its pictures' addresses mean nothing in another. */

/* What one size needs beside its plan. */
typedef struct {
  CudaPlan *plan;
  cudaGraphExec_t graph;  /* NULL until captured, and again when what it holds the addresses of has moved */
  gboolean takes_picture; /* else tensors */
} Captured;

typedef struct {
  DicenetExecutor parent;
  int device;
  gpointer context; /* the caller's, current in every call; NULL: the device's primary one */
  cudaStream_t stream;
  CudaWeights *weights;
  DicenetCudaNumbers numbers;
  CudaReader *reader; /* of the pictures that come at present, or NULL */
  gfloat *arena;      /* on the device */
  gsize arena_bytes;
  guint8 *staging; /* on the host, where the device reads and writes it: tensors, outputs, results */
  gsize staging_bytes;
  guint has_output;       /* bits: outputs of the run that are in the staging memory */
  cudaEvent_t begin, end; /* around the kernels of a frame, or of a step, where its time is asked for */
} CudaExecutor;

/* --- opening --- */

/* What is wrong with the driver or the devices, for users. */
static void
set_no_device (cudaError_t result, GError **error)
{
  int driver = 0, runtime = 0;

  cudaGetLastError ();
  cudaDriverGetVersion (&driver);
  cudaRuntimeGetVersion (&runtime);
  if (driver == 0)
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_BACKEND,
                 "no NVIDIA driver was found: install one (Debian: nvidia-driver), or use backend=cpu; in a container, "
                 "start it with the GPU (docker run --gpus all)");
  else if (result == cudaErrorInsufficientDriver)
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_BACKEND,
                 "the NVIDIA driver is too old: it supports CUDA %d.%d, and this build needs %d.%d: update the driver, "
                 "or use backend=cpu",
                 driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
  else
    g_set_error (
        error, DICENET_ERROR, DICENET_ERROR_BACKEND,
        "there is no NVIDIA GPU that this process may use (%s): see nvidia-smi and CUDA_VISIBLE_DEVICES, or use "
        "backend=cpu",
        cudaGetErrorString (result));
}

/* To be called before anything else of CUDA: the runtime works in the context that is current to the thread. */
static gboolean
enter_context (const CudaExecutor *self, GError **error)
{
  return self->context != NULL || cuda_check (cudaSetDevice (self->device), "choosing the GPU", error);
}

static gboolean
choose_device (CudaExecutor *self, gint device_id, GError **error)
{
  int count = 0;
  const cudaError_t result = cudaGetDeviceCount (&count);

  if (result != cudaSuccess || count == 0) {
    set_no_device (result != cudaSuccess ? result : cudaErrorNoDevice, error);
    return FALSE;
  }
  if (self->context != NULL)
    return cuda_check (cudaGetDevice (&self->device), "finding the GPU of a CUDA context", error);
  self->device = MAX (device_id, 0);
  if (self->device < count)
    return enter_context (self, error);
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_BACKEND, "GPU %d was asked for; there are GPUs 0 to %d", device_id,
               count - 1);
  return FALSE;
}

/* Tensor cores multiply float16 from compute capability 7.5 on, the lowest that is built for, the others from 8.0. */
static void
set_precision (CudaExecutor *self, DicenetPrecision precision)
{
  static const DicenetCudaNumbers numbers[] = {
    [DICENET_PRECISION_AUTO] = DICENET_CUDA_FLOAT16,      [DICENET_PRECISION_FLOAT32] = DICENET_CUDA_FLOAT32,
    [DICENET_PRECISION_BFLOAT16] = DICENET_CUDA_BFLOAT16, [DICENET_PRECISION_FLOAT16] = DICENET_CUDA_FLOAT16,
    [DICENET_PRECISION_TF32] = DICENET_CUDA_TF32,
  };
  int major = 0;

  self->numbers = numbers[precision];
  self->parent.precision = precision == DICENET_PRECISION_AUTO ? DICENET_PRECISION_FLOAT16 : precision;
  cudaDeviceGetAttribute (&major, cudaDevAttrComputeCapabilityMajor, self->device);
  if (major >= 8 || (self->numbers != DICENET_CUDA_TF32 && self->numbers != DICENET_CUDA_BFLOAT16))
    return;
  self->numbers = DICENET_CUDA_FLOAT32;
  self->parent.precision = DICENET_PRECISION_FLOAT32;
  self->parent.warning =
      "tf32 and bfloat16 need a GPU of compute capability 8.0 or higher (float16 works on this one): "
      "computing in float32";
}

static DicenetExecutor *
cuda_open (const DicenetProgram *program, const DicenetTarget *target, GError **error)
{
  CudaExecutor *self = g_new0 (CudaExecutor, 1);

  dicenet_executor_init (&self->parent, &dicenet_cuda_backend, program);
  self->context = target->cuda_context;
  if (choose_device (self, target->device_id, error) &&
      cuda_check (cudaStreamCreateWithFlags (&self->stream, cudaStreamNonBlocking), "opening a stream", error) &&
      cuda_check (cudaEventCreate (&self->begin), "opening a stream", error) &&
      cuda_check (cudaEventCreate (&self->end), "opening a stream", error) &&
      (self->weights = cuda_weights_ref (program, self->device, self->context, self->stream, error)) != NULL) {
    set_precision (self, target->precision);
    return &self->parent;
  }
  dicenet_executor_close (&self->parent);
  return NULL;
}

/* --- memory --- */

static void
forget_graph (Captured *captured)
{
  if (captured->graph)
    cudaGraphExecDestroy (captured->graph);
  captured->graph = NULL;
}

static void
cuda_unbind (DicenetExecutor *executor, gpointer bound)
{
  CudaExecutor *self = (CudaExecutor *) executor;
  Captured *captured = bound;

  enter_context (self, NULL);
  forget_graph (captured);
  cuda_plan_free (captured->plan, self->stream);
  g_free (captured);
}

static void
cuda_close (DicenetExecutor *executor)
{
  CudaExecutor *self = (CudaExecutor *) executor;

  enter_context (self, NULL);
  if (self->stream) {
    cuda_reader_free (self->reader, self->stream);
    cuda_weights_unref (self->weights, self->stream);
    cudaFreeAsync (self->arena, self->stream);
    cudaStreamSynchronize (self->stream);
    cudaStreamDestroy (self->stream);
  }
  cudaFreeHost (self->staging);
  if (self->begin)
    cudaEventDestroy (self->begin);
  if (self->end)
    cudaEventDestroy (self->end);
  g_free (self);
}

/* Captured graphs hold addresses. */
static void
forget_graphs (CudaExecutor *self)
{
  for (guint i = 0; i < self->parent.sizes->len; i++) {
    const DicenetSize *size = self->parent.sizes->pdata[i];
    forget_graph (size->bound);
  }
}

static gboolean
grow_arena (CudaExecutor *self, gsize bytes, GError **error)
{
  if (self->arena_bytes >= bytes)
    return TRUE;
  forget_graphs (self);
  cudaFreeAsync (self->arena, self->stream);
  self->arena_bytes = 0;
  if (!cuda_allocate ((gpointer *) &self->arena, bytes, "activations", self->stream, error))
    return FALSE;
  self->arena_bytes = bytes;
  return TRUE;
}

static gboolean
grow_staging (CudaExecutor *self, gsize bytes, GError **error)
{
  if (self->staging_bytes >= bytes)
    return TRUE;
  forget_graphs (self);
  cudaFreeHost (self->staging);
  self->staging = NULL;
  self->staging_bytes = 0;
  if (!cuda_check (cudaMallocHost ((void **) &self->staging, bytes), "taking memory that the GPU can read", error))
    return FALSE;
  self->staging_bytes = bytes;
  return TRUE;
}

/* --- one size --- */

static Captured *
current (const CudaExecutor *self)
{
  return self->parent.size->bound;
}

static const DicenetPlan *
layout_of (const CudaExecutor *self)
{
  return self->parent.size->plan;
}

static guint
batch_of (const CudaExecutor *self)
{
  return self->parent.size->batch;
}

static const DicenetView *
output_view (const CudaExecutor *self, guint k)
{
  return dicenet_size_output (self->parent.size, self->parent.program.graph, k);
}

/* What the staging memory holds, one after the other: the tensors, the outputs, masks or boxes. */
static gsize
tensors_bytes (const CudaExecutor *self)
{
  return batch_of (self) * dicenet_view_floats (&layout_of (self)->views[0]) * sizeof (gfloat);
}

/* Before output @k of picture @image; k may be the number of outputs. */
static gsize
output_place (const CudaExecutor *self, guint k, guint image)
{
  const guint batch = batch_of (self);
  gsize n = 0;

  for (guint i = 0; i < self->parent.program.graph->n_outputs; i++)
    n += (i < k ? batch : i == k ? image : 0) * dicenet_view_floats (output_view (self, i));
  return tensors_bytes (self) + n * sizeof (gfloat);
}

static guint8 *
staged_results (const CudaExecutor *self)
{
  return self->staging + output_place (self, self->parent.program.graph->n_outputs, 0);
}

static gsize
masks_bytes (const CudaExecutor *self)
{
  const DicenetPlan *layout = layout_of (self);
  return batch_of (self) * (gsize) layout->width * layout->height;
}

static gsize
results_bytes (const CudaExecutor *self)
{
  switch (self->parent.program.description->task) {
  case DICENET_TASK_SEGMENT:
    return masks_bytes (self);
  case DICENET_TASK_DETECT:
    return cuda_plan_get_boxes_bytes (current (self)->plan);
  default:
    return 0;
  }
}

static gboolean
copy_pictures (CudaExecutor *self, guint8 *staged, const DicenetView *view, enum cudaMemcpyKind kind, GError **error)
{
  const gsize n = dicenet_view_floats (view);
  gfloat *host = (gfloat *) staged;

  for (guint i = 0; i < batch_of (self); i++) {
    gfloat *on_host = host + i * n, *on_device = self->arena + i * layout_of (self)->arena_floats + view->planes[0];
    const gboolean is_input = kind == cudaMemcpyHostToDevice;
    if (!cuda_check (cudaMemcpyAsync (is_input ? on_device : on_host, is_input ? on_host : on_device,
                                      n * sizeof (gfloat), kind, self->stream),
                     "copying pictures", error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
enqueue_step (CudaExecutor *self, guint k, GError **error)
{
  return cuda_plan_enqueue (current (self)->plan, k, self->arena, self->numbers, self->stream, error);
}

static gboolean
record (CudaExecutor *self, cudaEvent_t event, GError **error)
{
  return cuda_check (cudaEventRecord (event, self->stream), "timing", error);
}

/* Waits for the device; @seconds: between the two events. */
static gboolean
wait_and_time (CudaExecutor *self, gdouble *seconds, GError **error)
{
  gfloat milliseconds;

  if (!cuda_check (cudaStreamSynchronize (self->stream), "computing", error) ||
      !cuda_check (cudaEventElapsedTime (&milliseconds, self->begin, self->end), "timing", error))
    return FALSE;
  *seconds = (gdouble) milliseconds / 1000;
  return TRUE;
}

/* The network's input, from what is staged: in the reader, or as tensors. */
static gboolean
enqueue_input (CudaExecutor *self, gboolean is_picture, GError **error)
{
  const DicenetCudaTensor input = cuda_plan_get_input (current (self)->plan, self->arena);

  if (is_picture)
    return cuda_reader_enqueue (self->reader, &input, self->stream, error);
  return copy_pictures (self, self->staging, &layout_of (self)->views[0], cudaMemcpyHostToDevice, error);
}

static gboolean
enqueue_masks (CudaExecutor *self, GError **error)
{
  const CudaPlan *plan = current (self)->plan;

  if (self->parent.program.description->task != DICENET_TASK_SEGMENT)
    return TRUE;
  return cuda_plan_enqueue_masks (plan, self->arena, self->stream, error) &&
         cuda_check (cudaMemcpyAsync (staged_results (self), cuda_plan_get_masks (plan, self->arena),
                                      masks_bytes (self), cudaMemcpyDeviceToHost, self->stream),
                     "copying masks", error);
}

static gboolean
enqueue_all (CudaExecutor *self, gboolean is_picture, GError **error)
{
  if (!enqueue_input (self, is_picture, error) || !record (self, self->begin, error))
    return FALSE;
  for (guint k = 0; k < layout_of (self)->n_steps; k++)
    if (!enqueue_step (self, k, error))
      return FALSE;
  return record (self, self->end, error) && enqueue_masks (self, error);
}

static gboolean
capture (CudaExecutor *self, gboolean is_picture, GError **error)
{
  cudaGraph_t graph = NULL;

  if (current (self)->graph && current (self)->takes_picture == is_picture)
    return TRUE;
  forget_graph (current (self));
  current (self)->takes_picture = is_picture;

  /* Other threads may do what they like meanwhile. */
  if (!cuda_check (cudaStreamBeginCapture (self->stream, cudaStreamCaptureModeThreadLocal), "recording a frame", error))
    return FALSE;
  const gboolean is_enqueued = enqueue_all (self, is_picture, error);
  const gboolean is_ended =
      cuda_check (cudaStreamEndCapture (self->stream, &graph), "recording a frame", is_enqueued ? error : NULL);
  const gboolean is_ready =
      is_enqueued && is_ended &&
      cuda_check (cudaGraphInstantiate (&current (self)->graph, graph, 0), "preparing a frame", error);
  if (graph)
    cudaGraphDestroy (graph);
  return is_ready;
}

static gpointer
cuda_bind (DicenetExecutor *executor, const DicenetSize *size, GError **error)
{
  CudaExecutor *self = (CudaExecutor *) executor;
  CudaPlan *plan = NULL;

  if (enter_context (self, error))
    plan = cuda_plan_new (&executor->program, self->weights, size, self->stream, error);
  if (plan == NULL)
    return NULL;
  Captured *captured = g_new0 (Captured, 1);
  captured->plan = plan;
  return captured;
}

static gboolean
cuda_prepare (DicenetExecutor *executor, GError **error)
{
  CudaExecutor *self = (CudaExecutor *) executor;
  const gsize staged = output_place (self, executor->program.graph->n_outputs, 0) + results_bytes (self);

  return enter_context (self, error) && grow_arena (self, cuda_plan_get_bytes (current (self)->plan), error) &&
         grow_staging (self, staged, error);
}

/* --- a frame --- */

static gboolean
take_picture (CudaExecutor *self, const DicenetRun *run, GError **error)
{
  const DicenetDescription *d = self->parent.program.description;

  if (self->reader == NULL || !cuda_reader_fits (self->reader, run->image, run->width, run->height)) {
    forget_graphs (self);
    cuda_reader_free (self->reader, self->stream);
    self->reader = cuda_reader_new (run->image, run->width, run->height, d->mean, d->std, self->stream, error);
  }
  if (self->reader == NULL)
    return FALSE;
  cuda_reader_take (self->reader, run->image);
  return TRUE;
}

static gboolean
take_input (CudaExecutor *self, const DicenetRun *run, GError **error)
{
  if (run->image)
    return take_picture (self, run, error);
  memcpy (self->staging, run->tensor, tensors_bytes (self));
  return TRUE;
}

/* Step by step, with the time that each took on the device. */
static gboolean
run_timed (CudaExecutor *self, gboolean is_picture, GError **error)
{
  const DicenetPlan *layout = layout_of (self);

  if (!enqueue_input (self, is_picture, error))
    return FALSE;
  for (guint k = 0; k < layout->n_steps; k++) {
    gdouble *seconds = &self->parent.step_seconds[layout->steps[k].node];
    gdouble found;
    if (!record (self, self->begin, error) || !enqueue_step (self, k, error) || !record (self, self->end, error) ||
        !wait_and_time (self, &found, error))
      return FALSE;
    *seconds = MIN (*seconds, found);
  }
  return enqueue_masks (self, error) && cuda_check (cudaStreamSynchronize (self->stream), "computing", error);
}

static gboolean
cuda_run (DicenetExecutor *executor, const DicenetRun *run, GError **error)
{
  CudaExecutor *self = (CudaExecutor *) executor;
  const gboolean is_picture = run->image != NULL;

  self->has_output = 0;
  if (!take_input (self, run, error))
    return FALSE;
  if (self->parent.step_seconds)
    return run_timed (self, is_picture, error);
  return capture (self, is_picture, error) &&
         cuda_check (cudaGraphLaunch (current (self)->graph, self->stream), "starting a frame", error) &&
         wait_and_time (self, &self->parent.device_seconds, error);
}

/* --- results --- */

/* Where the device is lost between a run and its results, the next run says so to the user. */
static void
warn (GError *error)
{
  g_warning ("results of the GPU are missing: %s", error->message);
  g_error_free (error);
}

static const gfloat *
cuda_output (DicenetExecutor *executor, guint k, guint image)
{
  CudaExecutor *self = (CudaExecutor *) executor;
  guint8 *staged = self->staging + output_place (self, k, 0);
  GError *error = NULL;

  if (!(self->has_output & 1u << k) &&
      (!enter_context (self, &error) ||
       !copy_pictures (self, staged, output_view (self, k), cudaMemcpyDeviceToHost, &error) ||
       !cuda_check (cudaStreamSynchronize (self->stream), "copying outputs", &error))) {
    memset (staged, 0, output_place (self, k + 1, 0) - output_place (self, k, 0));
    warn (error);
  }
  self->has_output |= 1u << k;
  return (const gfloat *) (self->staging + output_place (self, k, image));
}

static void
cuda_mask (DicenetExecutor *executor, guint image, guint8 *mask, gsize stride)
{
  const CudaExecutor *self = (CudaExecutor *) executor;
  const DicenetPlan *layout = layout_of (self);
  const guint8 *from = staged_results (self) + image * (gsize) layout->width * layout->height;

  for (guint row = 0; row < layout->height; row++)
    memcpy (mask + row * stride, from + (gsize) row * layout->width, layout->width);
}

static GArray *
cuda_boxes (DicenetExecutor *executor, guint image, const DicenetDetectParams *params)
{
  CudaExecutor *self = (CudaExecutor *) executor;
  CudaBoxes *boxes = (CudaBoxes *) staged_results (self);
  GError *error = NULL;

  dicenet_cuda_detect_params (params, self->parent.program.description->n_classes, &boxes->params, boxes->thresholds);
  if (!enter_context (self, &error) ||
      !cuda_plan_enqueue_boxes (current (self)->plan, self->arena, image, boxes, self->stream, &error) ||
      !cuda_check (cudaStreamSynchronize (self->stream), "finding boxes", &error)) {
    warn (error);
    return g_array_new (FALSE, FALSE, sizeof (DicenetBox));
  }
  if (boxes->n_boxes > CUDA_ROOM) /* no limit was set, and few things are left out: the CPU has the room */
    return NULL;
  GArray *out = g_array_sized_new (FALSE, FALSE, sizeof (DicenetBox), boxes->n_boxes);
  return g_array_append_vals (out, boxes->boxes, boxes->n_boxes);
}

static gsize
cuda_arena_bytes (DicenetExecutor *executor)
{
  return ((CudaExecutor *) executor)->arena_bytes;
}

/* The caller's, which waits. */
static guint
cuda_n_threads (DicenetExecutor *executor)
{
  return 1;
}

const DicenetBackendOps dicenet_cuda_backend = {
  .version = DICENET_BACKEND_VERSION,
  .kind = DICENET_BACKEND_CUDA,
  .name = "cuda",
  .open = cuda_open,
  .close = cuda_close,
  .supports = cuda_plan_supports,
  .scratch = cuda_plan_scratch,
  .bind = cuda_bind,
  .unbind = cuda_unbind,
  .prepare = cuda_prepare,
  .run = cuda_run,
  .output = cuda_output,
  .mask = cuda_mask,
  .boxes = cuda_boxes,
  .arena_bytes = cuda_arena_bytes,
  .n_threads = cuda_n_threads,
};
