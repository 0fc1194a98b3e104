/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../dicenet-core/backend/backend.h"

#include <dicenet/error.h>
#include <pthread.h>
#include <string.h>
#include "backend.h"
#include "error.h"
#include "plan.h"
#include "reader.h"
#include "../dicenet-core/prepost/decode.h"

/* The CUDA backend. When a job is submitted, all of its work is enqueued in the executor's stream: copying the picture
 * (or tensors) to the device, preprocessing, the network, as a CUDA graph that was captured for its size, decoding
 * masks or boxes, and copying results back. Each job has its own page-locked memory and events, so that several can be
 * in flight. Device memory is shared, because jobs run one after the other. Each executor has its own stream, allocates
 * memory in the stream's order, and only waits for that stream, so that other executors and other programs can use the
 * device concurrently. Everything that belongs to a CUDA context (streams, graphs, weights) is created in the caller's
 * context, if there is one, because addresses of its pictures are invalid in others. */

/* The size's @bound. */
typedef struct {
  CudaPlan *plan;
  cudaGraphExec_t graph; /* NULL until captured, and after the arena, whose address it contains, was reallocated */
} Captured;

/* Page-locked host memory. */
typedef struct {
  guint8 *at;
  gsize bytes;
} Locked;

typedef struct {
  DicenetJob parent;
  gboolean is_enqueued, has_outputs, has_masks, has_boxes;
  Locked input, output;
  gsize outputs_at[DICENET_MAX_OUTPUTS], masks_at, boxes_at; /* offsets in @output */
  gsize boxes_bytes;                                         /* per picture */
  cudaEvent_t begin, end, done;                              /* before and after the network; after everything */
} CudaJob;

typedef struct {
  DicenetExecutor parent;
  int device;
  char *description; /* description of the device */
  DicenetCudaDevice limits;
  gpointer context; /* the caller's, current in all calls; NULL: the device's primary context */
  cudaStream_t stream;
  CudaWeights *weights;
  DicenetCudaComputeType compute_type;
  GPtrArray *readers; /* CudaReader, most recently used last */
  gfloat *arena;      /* on the device */
  gsize arena_bytes;
  pthread_mutex_t lock;
  GPtrArray *spare;       /* CudaJob; protected by @lock */
  cudaEvent_t begin, end; /* before and after a step, for measuring */
} CudaExecutor;

/* --- opening --- */

/* Sets the error for an unusable driver or device, for users. */
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

/* Must be called before any CUDA function: the runtime uses the thread's current context. */
static gboolean
enter_context (const CudaExecutor *self, GError **error)
{
  return self->context != NULL || cuda_check (cudaSetDevice (self->device), "choosing the GPU", error);
}

static gboolean
choose_device (CudaExecutor *self, gint device, GError **error)
{
  int count = 0;
  const cudaError_t result = cudaGetDeviceCount (&count);

  if (result != cudaSuccess || count == 0) {
    set_no_device (result != cudaSuccess ? result : cudaErrorNoDevice, error);
    return FALSE;
  }
  if (self->context != NULL)
    return cuda_check (cudaGetDevice (&self->device), "finding the GPU of a CUDA context", error);
  self->device = MAX (device, 0);
  if (self->device < count)
    return enter_context (self, error);
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_BACKEND, "GPU %d was asked for; there are GPUs 0 to %d", device,
               count - 1);
  return FALSE;
}

/* Tensor cores support float16 from compute capability 7.5 on, which is the minimum for builds, and the other formats
 * from 8.0 on. */
static void
set_precision (CudaExecutor *self, DicenetPrecision precision)
{
  static const DicenetCudaComputeType compute_type[] = {
    [DICENET_PRECISION_AUTO] = DICENET_CUDA_FLOAT16,      [DICENET_PRECISION_FLOAT32] = DICENET_CUDA_FLOAT32,
    [DICENET_PRECISION_BFLOAT16] = DICENET_CUDA_BFLOAT16, [DICENET_PRECISION_FLOAT16] = DICENET_CUDA_FLOAT16,
    [DICENET_PRECISION_TF32] = DICENET_CUDA_TF32,         [DICENET_PRECISION_INT8] = DICENET_CUDA_FLOAT32,
  };
  int major = 0;

  self->compute_type = compute_type[precision];
  self->parent.precision = precision == DICENET_PRECISION_AUTO ? DICENET_PRECISION_FLOAT16 : precision;
  if (precision == DICENET_PRECISION_INT8) {
    self->parent.precision = DICENET_PRECISION_FLOAT32;
    self->parent.warning = "int8 is for processors (backend=cpu): computing in float32 on the GPU, which has float16";
    return;
  }
  cudaDeviceGetAttribute (&major, cudaDevAttrComputeCapabilityMajor, self->device);
  if (major >= 8 || (self->compute_type != DICENET_CUDA_TF32 && self->compute_type != DICENET_CUDA_BFLOAT16))
    return;
  self->compute_type = DICENET_CUDA_FLOAT32;
  self->parent.precision = DICENET_PRECISION_FLOAT32;
  self->parent.warning =
      "tf32 and bfloat16 need a GPU of compute capability 8.0 or higher (float16 works on this one): "
      "computing in float32";
}

static gboolean
describe_device (CudaExecutor *self, GError **error)
{
  struct cudaDeviceProp properties;

  if (!cuda_check (cudaGetDeviceProperties (&properties, self->device), "asking what GPU it is", error))
    return FALSE;
  self->description = g_strdup_printf ("%s (GPU %d, compute capability %d.%d)", properties.name, self->device,
                                       properties.major, properties.minor);
  self->parent.device = self->description;
  return TRUE;
}

static DicenetExecutor *
cuda_open (const DicenetNetwork *program, const DicenetDeviceOptions *target, GError **error)
{
  CudaExecutor *self = g_new0 (CudaExecutor, 1);

  dicenet_executor_init (&self->parent, &dicenet_cuda_backend, program);
  self->context = target->context;
  self->readers = g_ptr_array_new ();
  self->spare = g_ptr_array_new ();
  pthread_mutex_init (&self->lock, NULL);
  if (choose_device (self, target->device, error) && describe_device (self, error) &&
      cuda_check (dicenet_cuda_device_read (&self->limits, self->device), "asking the GPU for its size", error) &&
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

static gboolean
reader_fits (gconstpointer reader, const DicenetRun *run)
{
  return cuda_reader_fits (reader, run->image, run->request->width, run->request->height);
}

static gpointer
make_reader (DicenetExecutor *executor, const DicenetRun *run, GError **error)
{
  const DicenetDescription *d = executor->program.description;

  return cuda_reader_new (run->image, run->request->width, run->request->height, d->mean, d->std,
                          ((CudaExecutor *) executor)->stream, error);
}

static void
free_reader (DicenetExecutor *executor, gpointer reader)
{
  cuda_reader_free (reader, ((CudaExecutor *) executor)->stream);
}

static const DicenetReaderOps reader_ops = { reader_fits, make_reader, free_reader };

static void
job_free (CudaJob *job)
{
  cudaFreeHost (job->input.at);
  cudaFreeHost (job->output.at);
  if (job->begin)
    cudaEventDestroy (job->begin);
  if (job->end)
    cudaEventDestroy (job->end);
  if (job->done)
    cudaEventDestroy (job->done);
  g_free (job);
}

static void
cuda_close (DicenetExecutor *executor)
{
  CudaExecutor *self = (CudaExecutor *) executor;

  enter_context (self, NULL);
  if (self->stream) {
    dicenet_readers_clear (self->readers, &reader_ops, executor);
    cuda_weights_unref (self->weights, self->stream);
    cudaFreeAsync (self->arena, self->stream);
    cudaStreamSynchronize (self->stream);
    cudaStreamDestroy (self->stream);
  }
  for (guint i = 0; i < self->spare->len; i++)
    job_free (self->spare->pdata[i]);
  if (self->begin)
    cudaEventDestroy (self->begin);
  if (self->end)
    cudaEventDestroy (self->end);
  g_ptr_array_unref (self->readers);
  g_ptr_array_unref (self->spare);
  pthread_mutex_destroy (&self->lock);
  g_free (self->description);
  g_free (self);
}

/* Captured graphs contain the arena's address. */
static gboolean
grow_arena (CudaExecutor *self, gsize bytes, GError **error)
{
  if (self->arena_bytes >= bytes)
    return TRUE;
  for (guint i = 0; i < self->parent.sizes->len; i++) {
    const DicenetSize *size = self->parent.sizes->pdata[i];
    forget_graph (size->bound);
  }
  cudaFreeAsync (self->arena, self->stream);
  self->arena_bytes = 0;
  if (!cuda_allocate ((gpointer *) &self->arena, bytes, "activations", self->stream, error))
    return FALSE;
  self->arena_bytes = bytes;
  return TRUE;
}

static gboolean
grow (Locked *block, gsize bytes, GError **error)
{
  if (block->bytes >= bytes)
    return TRUE;
  cudaFreeHost (block->at);
  *block = (Locked){ NULL, 0 };
  if (!cuda_check (cudaMallocHost ((void **) &block->at, bytes), "taking memory that the GPU can read", error))
    return FALSE;
  block->bytes = bytes;
  return TRUE;
}

/* --- the network --- */

static gboolean
record (CudaExecutor *self, cudaEvent_t event, GError **error)
{
  return cuda_check (cudaEventRecord (event, self->stream), "timing", error);
}

static gboolean
enqueue_step (CudaExecutor *self, const DicenetSize *size, guint k, GError **error)
{
  const Captured *captured = size->bound;

  return cuda_plan_enqueue (captured->plan, k, self->arena, self->compute_type, self->stream, error);
}

static gboolean
enqueue_steps (CudaExecutor *self, const DicenetSize *size, GError **error)
{
  for (guint k = 0; k < size->plan->n_steps; k++)
    if (!enqueue_step (self, size, k, error))
      return FALSE;
  return TRUE;
}

static gboolean
capture (CudaExecutor *self, const DicenetSize *size, GError **error)
{
  Captured *captured = size->bound;
  cudaGraph_t graph = NULL;

  if (captured->graph)
    return TRUE;
  /* Other threads may use CUDA during the capture. */
  if (!cuda_check (cudaStreamBeginCapture (self->stream, cudaStreamCaptureModeThreadLocal), "recording a frame", error))
    return FALSE;
  const gboolean is_enqueued = enqueue_steps (self, size, error);
  const gboolean is_ended =
      cuda_check (cudaStreamEndCapture (self->stream, &graph), "recording a frame", is_enqueued ? error : NULL);
  const gboolean is_ready = is_enqueued && is_ended &&
                            cuda_check (cudaGraphInstantiate (&captured->graph, graph, 0), "preparing a frame", error);
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
    plan = cuda_plan_new (&executor->program, self->weights, size, &self->limits, self->stream, error);
  if (plan == NULL)
    return NULL;
  Captured *captured = g_new0 (Captured, 1);
  captured->plan = plan;
  return captured;
}

static gboolean
cuda_prepare (DicenetExecutor *executor, DicenetSize *size, GError **error)
{
  CudaExecutor *self = (CudaExecutor *) executor;
  const Captured *captured = size->bound;

  return enter_context (self, error) && grow_arena (self, cuda_plan_get_bytes (captured->plan), error) &&
         capture (self, size, error);
}

/* Time between two completed events. */
static gboolean
measure (cudaEvent_t begin, cudaEvent_t end, gdouble *seconds, GError **error)
{
  gfloat milliseconds;

  if (!cuda_check (cudaEventElapsedTime (&milliseconds, begin, end), "timing", error))
    return FALSE;
  *seconds = (gdouble) milliseconds / 1000;
  return TRUE;
}

/* Runs step by step and measures each step's time on the device. */
static gboolean
run_timed (CudaExecutor *self, const DicenetSize *size, GError **error)
{
  const DicenetPlan *layout = size->plan;

  for (guint k = 0; k < layout->n_steps; k++) {
    gdouble *seconds = &self->parent.step_seconds[layout->steps[k].node];
    gdouble found;
    if (!record (self, self->begin, error) || !enqueue_step (self, size, k, error) ||
        !record (self, self->end, error) || !cuda_check (cudaStreamSynchronize (self->stream), "computing", error) ||
        !measure (self->begin, self->end, &found, error))
      return FALSE;
    *seconds = MIN (*seconds, found);
  }
  return TRUE;
}

static gboolean
enqueue_network (CudaExecutor *self, CudaJob *job, const DicenetSize *size, GError **error)
{
  const Captured *captured = size->bound;

  return record (self, job->begin, error) &&
         (self->parent.step_seconds
              ? run_timed (self, size, error)
              : cuda_check (cudaGraphLaunch (captured->graph, self->stream), "starting a frame", error)) &&
         record (self, job->end, error);
}

/* --- its input --- */

static gboolean
copy (CudaExecutor *self, gpointer to, gconstpointer from, gsize bytes, enum cudaMemcpyKind kind, GError **error)
{
  return cuda_check (cudaMemcpyAsync (to, from, bytes, kind, self->stream), "copying pictures", error);
}

/* Address of one picture's part of a tensor. */
static gfloat *
on_device (const CudaExecutor *self, const DicenetSize *size, const DicenetTensorRef *view, guint picture)
{
  return self->arena + picture * size->plan->arena_floats + view->planes[0];
}

static gboolean
enqueue_tensors (CudaExecutor *self, CudaJob *job, const DicenetSize *size, const gfloat *tensors, GError **error)
{
  const DicenetTensorRef *view = &size->plan->views[0];
  const gsize bytes = dicenet_view_floats (view) * sizeof (gfloat);

  if (!grow (&job->input, size->batch * bytes, error))
    return FALSE;
  memcpy (job->input.at, tensors, size->batch * bytes);
  for (guint i = 0; i < size->batch; i++)
    if (!copy (self, on_device (self, size, view, i), job->input.at + i * bytes, bytes, cudaMemcpyHostToDevice, error))
      return FALSE;
  return TRUE;
}

static gboolean
enqueue_picture (CudaExecutor *self, CudaJob *job, const DicenetSize *size, const DicenetRun *run, GError **error)
{
  const Captured *captured = size->bound;
  const DicenetCudaTensor input = cuda_plan_get_input (captured->plan, self->arena);
  const CudaReader *reader = dicenet_readers_get (self->readers, &reader_ops, &self->parent, run, error);

  if (reader == NULL || !grow (&job->input, cuda_reader_get_bytes (reader), error))
    return FALSE;
  cuda_reader_take (reader, run->image, job->input.at);
  return cuda_reader_enqueue (reader, job->input.at, &input, self->stream, error);
}

/* --- its results --- */

/* Masks and boxes are decoded on the device, if the size has the tables. Outputs are copied if they were requested, or
 * if the CPU decodes them: in all other cases, and if there may be more boxes than the device has room for. */
static void
decide (CudaJob *job, const DicenetSize *size, const DicenetRequest *request)
{
  job->has_masks = request->decode && size->rows;
  job->has_boxes = request->decode && size->priors;
  job->has_outputs = request->outputs || (request->decode && !job->has_masks && !job->has_boxes) ||
                     (job->has_boxes && dicenet_most_boxes (&request->detect) > CUDA_MAX_BOXES);
}

static gsize
take_place (gsize *n, gsize bytes)
{
  const gsize at = *n;

  *n += dicenet_align_floats ((bytes + sizeof (gfloat) - 1) / sizeof (gfloat)) * sizeof (gfloat);
  return at;
}

static const DicenetTensorRef *
output_view (const CudaExecutor *self, const DicenetSize *size, guint k)
{
  return dicenet_size_output (size, self->parent.program.graph, k);
}

static gsize
masks_bytes (const DicenetSize *size)
{
  return size->batch * (gsize) size->width * size->height;
}

/* Determines the layout of the job's output memory and allocates it. */
static gboolean
lay_out (CudaExecutor *self, CudaJob *job, const DicenetSize *size, const DicenetRequest *request, GError **error)
{
  const Captured *captured = size->bound;
  gsize n = 0;

  decide (job, size, request);
  for (guint k = 0; job->has_outputs && k < self->parent.program.graph->n_outputs; k++)
    job->outputs_at[k] =
        take_place (&n, size->batch * dicenet_view_floats (output_view (self, size, k)) * sizeof (gfloat));
  if (job->has_masks)
    job->masks_at = take_place (&n, masks_bytes (size));
  if (job->has_boxes) {
    gsize stride = 0;
    take_place (&stride, cuda_plan_get_boxes_bytes (captured->plan));
    job->boxes_bytes = stride;
    job->boxes_at = take_place (&n, size->batch * stride);
  }
  return grow (&job->output, n, error);
}

static gboolean
enqueue_output (CudaExecutor *self, CudaJob *job, const DicenetSize *size, guint k, GError **error)
{
  const DicenetTensorRef *view = output_view (self, size, k);
  const gsize bytes = dicenet_view_floats (view) * sizeof (gfloat);

  for (guint i = 0; i < size->batch; i++)
    if (!copy (self, job->output.at + job->outputs_at[k] + i * bytes, on_device (self, size, view, i), bytes,
               cudaMemcpyDeviceToHost, error))
      return FALSE;
  return TRUE;
}

static CudaBoxes *
boxes_of (const CudaJob *job, guint picture)
{
  return (CudaBoxes *) (job->output.at + job->boxes_at + picture * job->boxes_bytes);
}

static gboolean
enqueue_boxes (CudaExecutor *self, CudaJob *job, const DicenetSize *size, guint picture,
               const DicenetDetectParams *params, GError **error)
{
  const Captured *captured = size->bound;
  CudaBoxes *boxes = boxes_of (job, picture);

  dicenet_cuda_detect_params (params, self->parent.program.description->n_classes, &boxes->params, boxes->thresholds);
  return cuda_plan_enqueue_boxes (captured->plan, self->arena, picture, boxes, self->stream, error);
}

static gboolean
enqueue_masks (CudaExecutor *self, CudaJob *job, const DicenetSize *size, GError **error)
{
  const Captured *captured = size->bound;

  return cuda_plan_enqueue_masks (captured->plan, self->arena, self->stream, error) &&
         copy (self, job->output.at + job->masks_at, cuda_plan_get_masks (captured->plan, self->arena),
               masks_bytes (size), cudaMemcpyDeviceToHost, error);
}

static gboolean
enqueue_results (CudaExecutor *self, CudaJob *job, const DicenetSize *size, const DicenetRequest *request,
                 GError **error)
{
  for (guint k = 0; job->has_outputs && k < self->parent.program.graph->n_outputs; k++)
    if (!enqueue_output (self, job, size, k, error))
      return FALSE;
  for (guint i = 0; job->has_boxes && i < size->batch; i++)
    if (!enqueue_boxes (self, job, size, i, &request->detect, error))
      return FALSE;
  return (!job->has_masks || enqueue_masks (self, job, size, error)) && record (self, job->done, error);
}

/* --- jobs --- */

static CudaJob *
take_spare (CudaExecutor *self)
{
  pthread_mutex_lock (&self->lock);
  CudaJob *job = self->spare->len ? g_ptr_array_steal_index (self->spare, self->spare->len - 1) : NULL;
  pthread_mutex_unlock (&self->lock);
  return job;
}

/* NULL with @error set. */
static CudaJob *
take_job (CudaExecutor *self, GError **error)
{
  CudaJob *job = take_spare (self);

  if (job != NULL)
    return job;
  job = g_new0 (CudaJob, 1);
  if (cuda_check (cudaEventCreate (&job->begin), "making an event", error) &&
      cuda_check (cudaEventCreate (&job->end), "making an event", error) &&
      cuda_check (cudaEventCreate (&job->done), "making an event", error))
    return job;
  job_free (job);
  return NULL;
}

/* The device may use the job's memory until it is done. */
static void
cuda_release (DicenetExecutor *executor, DicenetJob *parent)
{
  CudaExecutor *self = (CudaExecutor *) executor;
  CudaJob *job = (CudaJob *) parent;

  enter_context (self, NULL);
  if (job->is_enqueued)
    cudaEventSynchronize (job->done);
  job->is_enqueued = FALSE;
  pthread_mutex_lock (&self->lock);
  g_ptr_array_add (self->spare, job);
  pthread_mutex_unlock (&self->lock);
}

/* A picture in device memory must not be used any more when this returns: waits until preprocessing is done. */
static gboolean
wait_until_read (CudaJob *job, const DicenetRun *run, GError **error)
{
  if (run->image == NULL || run->image->memory == DICENET_MEMORY_SYSTEM)
    return TRUE;
  return cuda_check (cudaEventSynchronize (job->begin), "reading a frame", error);
}

static gboolean
enqueue_job (CudaExecutor *self, CudaJob *job, DicenetSize *size, const DicenetRun *run, GError **error)
{
  return cuda_prepare (&self->parent, size, error) && lay_out (self, job, size, run->request, error) &&
         (run->image ? enqueue_picture (self, job, size, run, error)
                     : enqueue_tensors (self, job, size, run->tensor, error)) &&
         enqueue_network (self, job, size, error) && enqueue_results (self, job, size, run->request, error) &&
         wait_until_read (job, run, error);
}

static DicenetJob *
cuda_submit (DicenetExecutor *executor, DicenetSize *size, const DicenetRun *run, GError **error)
{
  CudaExecutor *self = (CudaExecutor *) executor;
  CudaJob *job = enter_context (self, error) ? take_job (self, error) : NULL;

  if (job == NULL)
    return NULL;
  job->is_enqueued = enqueue_job (self, job, size, run, error);
  if (job->is_enqueued)
    return &job->parent;
  cudaStreamSynchronize (self->stream); /* work that was already enqueued may use the job's memory */
  cuda_release (executor, &job->parent);
  return NULL;
}

static gboolean
cuda_wait (DicenetExecutor *executor, DicenetJob *parent, DicenetFound *found, GError **error)
{
  CudaExecutor *self = (CudaExecutor *) executor;
  CudaJob *job = (CudaJob *) parent;

  if (!enter_context (self, error) || !cuda_check (cudaEventSynchronize (job->done), "computing", error) ||
      !measure (job->begin, job->end, &executor->device_seconds, error))
    return FALSE;
  for (guint k = 0; job->has_outputs && k < executor->program.graph->n_outputs; k++)
    found->outputs[k] = (const gfloat *) (job->output.at + job->outputs_at[k]);
  if (job->has_masks)
    found->masks = job->output.at + job->masks_at;
  return TRUE;
}

static gboolean
cuda_boxes (DicenetJob *parent, guint picture, const DicenetBox **boxes, guint *n)
{
  const CudaBoxes *found = boxes_of ((CudaJob *) parent, picture);

  *boxes = (const DicenetBox *) found->boxes;
  *n = found->n_boxes;
  return *n <= CUDA_MAX_BOXES; /* otherwise the CPU decodes the boxes */
}

static gsize
cuda_arena_bytes (DicenetExecutor *executor)
{
  return ((CudaExecutor *) executor)->arena_bytes;
}

/* The thread that waits. */
static guint
cuda_n_threads (DicenetExecutor *executor)
{
  return 1;
}

const DicenetBackendOps dicenet_cuda_backend = {
  .version = DICENET_BACKEND_VERSION,
  .kind = DICENET_BACKEND_CUDA,
  .name = "cuda",
  .is_asynchronous = TRUE,
  .open = cuda_open,
  .close = cuda_close,
  .supports = cuda_plan_supports,
  .scratch = cuda_plan_scratch,
  .bind = cuda_bind,
  .unbind = cuda_unbind,
  .prepare = cuda_prepare,
  .submit = cuda_submit,
  .wait = cuda_wait,
  .boxes = cuda_boxes,
  .release = cuda_release,
  .arena_bytes = cuda_arena_bytes,
  .n_threads = cuda_n_threads,
};
