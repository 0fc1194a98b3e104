/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/error.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "../base/memory.h"
#include "../base/memory-error.h"
#include "../prepost/preprocess.h"
#include "../backend/axis.h"
#include "../backend/backend.h"
#include "bind.h"

/* The CPU backend: executes a plan with the kernel table and a thread pool. Submitting a job computes its input,
 * waiting for it runs the network. One arena serves all sizes, because only one job runs at a time. A batch runs
 * picture by picture, so that a picture's activations stay in the caches. */

/* Maximum number of input buffers kept for reuse. */
#define MAX_SPARE 2

/* The size's @bound. */
typedef struct {
  DicenetCpuStep *steps;
  guint n_steps;
  gfloat *arena; /* the arena that the steps point into */
} Bound;

typedef struct {
  DicenetJob parent;
  gfloat *input; /* of all pictures of the batch */
  gsize input_bytes;
} CpuJob;

typedef struct {
  DicenetExecutor parent;
  DicenetKernels dense_kernels;
  guint cpu_mask;
  /* Used by the thread that submits. */
  GPtrArray *kinds; /* DicenetPreprocess, most recently used last */
  DicenetThreads *readers;
  /* Used by the thread that waits. */
  DicenetCpu cpu;
  gfloat *arena;
  gsize arena_bytes;
  gfloat *batch_outputs; /* see DicenetFound; unused for a batch of 1 */
  gsize batch_bytes;
  /* Used by both, protected by @lock. */
  pthread_mutex_t lock;
  GPtrArray *spare; /* CpuJob */
} CpuExecutor;

static gsize
cpu_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data)
{
  CpuExecutor *self = data;
  return dicenet_cpu_scratch (node, input, output, &self->cpu);
}

static gpointer
cpu_bind (DicenetExecutor *executor, const DicenetSize *size, GError **error)
{
  CpuExecutor *self = (CpuExecutor *) executor;
  Bound *bound = g_new0 (Bound, 1);

  bound->steps = dicenet_cpu_bind (&self->cpu, executor->program.graph, size->plan, size->axes);
  bound->n_steps = size->plan->n_steps;
  return bound;
}

static void
cpu_unbind (DicenetExecutor *executor, gpointer data)
{
  Bound *bound = data;

  g_free (bound->steps);
  g_free (bound);
}

/* Why a precision is not there. */
static const char *
why_lacking (DicenetPrecision precision)
{
  if (precision == DICENET_PRECISION_INT8)
    return "int8 was asked for, but there are kernels for it only on x86-64 and 64-bit ARM: computing in float32";
  if (precision != DICENET_PRECISION_BFLOAT16)
    return "float16 and tf32 are for GPUs (backend=cuda): computing in float32 on the processor, which may have "
           "bfloat16";
  return dicenet_cpu_precision_there (precision, DICENET_CPU_ALL)
             ? "bfloat16 was asked for, but DICENET_CPU_MASK (--cpu-mask) leaves out AVX512-BF16, which it needs (4 "
               "and 8): computing in float32"
             : "bfloat16 was asked for, but this processor lacks AVX512-BF16, which it needs: computing in float32";
}

/* The requested precision, or float32 with a warning. "auto" means the fastest one that needs no ranges of the
 * model. */
static const DicenetCpuPrecision *
choose_precision (CpuExecutor *self, DicenetPrecision precision)
{
  const gboolean is_auto = precision == DICENET_PRECISION_AUTO;
  const DicenetCpuPrecision *wanted =
      dicenet_cpu_precision_there (is_auto ? DICENET_PRECISION_BFLOAT16 : precision, self->cpu_mask);

  if (wanted != NULL)
    return wanted;
  if (!is_auto)
    self->parent.warning = why_lacking (precision);
  return dicenet_cpu_precision (DICENET_PRECISION_FLOAT32);
}

/* FALSE with @error set if the weights could not be packed. */
static gboolean
set_precision (CpuExecutor *self, DicenetPrecision precision, GError **error)
{
  const DicenetCpuPrecision *in = choose_precision (self, precision);

  self->parent.precision = in->precision;
  self->cpu.precision = in;
  if (self->parent.program.description->int8_ranges != NULL)
    self->cpu.ranges = (const DicenetRange *) (gpointer) self->parent.program.description->int8_ranges->data;
  if (in->needs_range && self->cpu.ranges == NULL)
    self->parent.warning = "the model's file has no ranges for int8, which are then taken from each picture anew; "
                           "models/quantize.py MODEL PHOTOS -o OUT adds them";
  in->take (&self->dense_kernels, self->cpu_mask);
  self->cpu.weights = dicenet_cpu_weights (&self->parent.program, in, error);
  return self->cpu.weights != NULL;
}

static gboolean
kind_fits (gconstpointer kind, const DicenetRun *run)
{
  return dicenet_preprocess_fits (kind, run->image, run->request->width, run->request->height);
}

static gpointer
make_kind (DicenetExecutor *executor, const DicenetRun *run, GError **error)
{
  CpuExecutor *self = (CpuExecutor *) executor;
  const DicenetDescription *d = executor->program.description;

  return dicenet_preprocess_new (run->image, run->request->width, run->request->height, d->mean, d->std,
                                 self->cpu.n_threads, self->cpu_mask, error);
}

static void
free_kind (DicenetExecutor *executor, gpointer kind)
{
  dicenet_preprocess_free (kind);
}

static const DicenetReaderOps kind_ops = { kind_fits, make_kind, free_kind };

static void
job_free (gpointer data)
{
  CpuJob *job = data;

  dicenet_block_free (job->input, job->input_bytes);
  g_free (job);
}

static gboolean
start_threads (CpuExecutor *self, guint n_threads, GError **error)
{
  self->cpu.n_threads = n_threads > 0 ? n_threads : dicenet_processors ();
  self->cpu.threads = dicenet_threads_new (self->cpu.n_threads, error);
  if (self->cpu.threads)
    self->readers = dicenet_threads_new (self->cpu.n_threads, error);
  return self->readers != NULL;
}

static DicenetExecutor *
cpu_open (const DicenetNetwork *program, const DicenetDeviceOptions *target, GError **error)
{
  if (target->context != NULL) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_BACKEND,
                 "the processor has no contexts: open the session on the device that the context is of");
    return NULL;
  }
  CpuExecutor *self = g_new0 (CpuExecutor, 1);

  dicenet_executor_init (&self->parent, &dicenet_backend_cpu, program);
  self->cpu_mask = target->cpu_mask;
  self->cpu.graph = program->graph;
  self->cpu.kernels = dicenet_kernels_get (self->cpu_mask, &self->parent.device);
  self->dense_kernels = *self->cpu.kernels;
  self->cpu.dense_kernels = &self->dense_kernels;
  self->kinds = g_ptr_array_new ();
  self->spare = g_ptr_array_new_with_free_func (job_free);
  pthread_mutex_init (&self->lock, NULL);
  dicenet_log (G_LOG_LEVEL_DEBUG, "kernels: %s", self->parent.device);
  if (!start_threads (self, target->n_threads, error) || !set_precision (self, target->precision, error)) {
    dicenet_executor_close (&self->parent);
    return NULL;
  }
  return &self->parent;
}

static void
cpu_close (DicenetExecutor *executor)
{
  CpuExecutor *self = (CpuExecutor *) executor;

  dicenet_readers_clear (self->kinds, &kind_ops, executor);
  g_ptr_array_unref (self->kinds);
  g_ptr_array_unref (self->spare);
  dicenet_block_free (self->arena, self->arena_bytes);
  dicenet_block_free (self->batch_outputs, self->batch_bytes);
  dicenet_threads_free (self->cpu.threads);
  dicenet_threads_free (self->readers);
  pthread_mutex_destroy (&self->lock);
  g_free (self);
}

static gboolean
grow (gfloat **block, gsize *have, gsize want, GError **error)
{
  if (*have >= want)
    return TRUE;
  dicenet_block_free (*block, *have);
  *have = 0;
  *block = dicenet_block_new (want);
  if (*block == NULL)
    return dicenet_no_memory (error, want, "activations", "choose a smaller inference size");
  *have = want;
  return TRUE;
}

/* --- submitting --- */

typedef struct {
  DicenetPreprocess *kind;
  const DicenetImage *image;
  gfloat *tensor;
} Picture;

static void
read_band (gpointer job, guint i, guint thread_index)
{
  const Picture *picture = job;
  dicenet_preprocess_run_band (picture->kind, picture->image, picture->tensor, i);
}

static gboolean
read_image (CpuExecutor *self, const DicenetRun *run, gfloat *input, GError **error)
{
  Picture picture = { dicenet_readers_get (self->kinds, &kind_ops, &self->parent, run, error), run->image, input };

  if (picture.kind == NULL)
    return FALSE;
  dicenet_threads_begin (self->readers);
  dicenet_threads_run (self->readers, dicenet_preprocess_get_n_bands (picture.kind), read_band, &picture);
  dicenet_threads_end (self->readers);
  return TRUE;
}

static gsize
input_floats (const DicenetSize *size)
{
  return dicenet_view_floats (&size->plan->views[0]);
}

static gboolean
grow_input (CpuJob *job, const DicenetSize *size, GError **error)
{
  return grow (&job->input, &job->input_bytes,
               dicenet_align_floats (size->batch * input_floats (size)) * sizeof (gfloat), error);
}

static CpuJob *
take_spare (CpuExecutor *self)
{
  pthread_mutex_lock (&self->lock);
  CpuJob *job = self->spare->len ? g_ptr_array_steal_index (self->spare, self->spare->len - 1) : NULL;
  pthread_mutex_unlock (&self->lock);
  return job ? job : g_new0 (CpuJob, 1);
}

static void
cpu_release (DicenetExecutor *executor, DicenetJob *job)
{
  CpuExecutor *self = (CpuExecutor *) executor;

  pthread_mutex_lock (&self->lock);
  const gboolean is_kept = self->spare->len < MAX_SPARE;
  if (is_kept)
    g_ptr_array_add (self->spare, job);
  pthread_mutex_unlock (&self->lock);
  if (!is_kept)
    job_free (job);
}

static DicenetJob *
cpu_submit (DicenetExecutor *executor, DicenetSize *size, const DicenetRun *run, GError **error)
{
  CpuExecutor *self = (CpuExecutor *) executor;
  CpuJob *job = take_spare (self);
  gboolean is_read = grow_input (job, size, error);

  if (is_read && run->image)
    is_read = read_image (self, run, job->input, error);
  else if (is_read)
    memcpy (job->input, run->tensor, size->batch * input_floats (size) * sizeof (gfloat));
  if (is_read)
    return &job->parent;
  cpu_release (executor, &job->parent);
  return NULL;
}

/* --- running --- */

static const DicenetTensorRef *
output_view (const CpuExecutor *self, const DicenetSize *size, guint k)
{
  return dicenet_size_output (size, self->parent.program.graph, k);
}

static gsize
all_output_floats (const CpuExecutor *self, const DicenetSize *size)
{
  gsize n = 0;
  for (guint k = 0; k < self->parent.program.graph->n_outputs; k++)
    n += dicenet_view_floats (output_view (self, size, k));
  return n;
}

/* Allocates the arena, and the outputs of a batch. */
static gboolean
make_room (CpuExecutor *self, const DicenetSize *size, GError **error)
{
  Bound *bound = size->bound;

  if (!grow (&self->arena, &self->arena_bytes, size->plan->arena_floats * sizeof (gfloat), error) ||
      (size->batch > 1 && !grow (&self->batch_outputs, &self->batch_bytes,
                                 size->batch * all_output_floats (self, size) * sizeof (gfloat), error)))
    return FALSE;
  if (bound->arena != self->arena) {
    dicenet_cpu_place (bound->steps, bound->n_steps, self->arena);
    bound->arena = self->arena;
  }
  return TRUE;
}

static gboolean
cpu_prepare (DicenetExecutor *executor, DicenetSize *size, GError **error)
{
  CpuExecutor *self = (CpuExecutor *) executor;
  CpuJob *job = take_spare (self);
  const gboolean is_ready = make_room (self, size, error) && grow_input (job, size, error);

  cpu_release (executor, &job->parent);
  return is_ready;
}

/* Sets the outputs of @found: in the arena or, for a batch, in @batch_outputs. */
static void
find_outputs (CpuExecutor *self, const DicenetSize *size, DicenetFound *found)
{
  const gfloat *kept = self->batch_outputs;

  for (guint k = 0; k < self->parent.program.graph->n_outputs; k++) {
    const DicenetTensorRef *view = output_view (self, size, k);
    if (size->batch == 1) {
      found->outputs[k] = self->arena + view->planes[0];
      continue;
    }
    found->outputs[k] = kept;
    kept += size->batch * dicenet_view_floats (view);
  }
}

static void
keep_outputs (CpuExecutor *self, const DicenetSize *size, const DicenetFound *found, guint picture)
{
  for (guint k = 0; k < self->parent.program.graph->n_outputs; k++) {
    const DicenetTensorRef *view = output_view (self, size, k);
    const gsize n = dicenet_view_floats (view);
    memcpy ((gfloat *) found->outputs[k] + picture * n, self->arena + view->planes[0], n * sizeof (gfloat));
  }
}

static gdouble
seconds_now (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (gdouble) t.tv_sec + (gdouble) t.tv_nsec / 1e9;
}

static void
count_input (CpuExecutor *self, const DicenetCpuStep *step, guint node)
{
  const DicenetGraph *graph = self->parent.program.graph;

  if (dicenet_cpu_is_int8 (graph, dicenet_graph_node (graph, node)))
    dicenet_cpu_count (step, &self->parent.histograms[dicenet_cpu_n_int8 (graph, node)]);
}

static void
run_step (CpuExecutor *self, const DicenetSize *size, guint k)
{
  Bound *bound = size->bound;

  if (self->parent.histograms != NULL)
    count_input (self, &bound->steps[k], size->plan->steps[k].node);
  gdouble *seconds = self->parent.step_seconds ? &self->parent.step_seconds[size->plan->steps[k].node] : NULL;
  const gdouble begin = seconds ? seconds_now () : 0;

  dicenet_cpu_run (&bound->steps[k], self->cpu.threads);
  if (seconds)
    *seconds = MIN (*seconds, seconds_now () - begin);
}

static void
run_steps (CpuExecutor *self, const DicenetSize *size, const gfloat *input)
{
  const guint64 denormals = dicenet_denormals_flush ();
  Bound *bound = size->bound;

  dicenet_cpu_place_input (bound->steps, bound->n_steps, input);
  for (guint k = 0; k < size->plan->n_steps; k++)
    run_step (self, size, k);
  dicenet_denormals_restore (denormals);
}

static gboolean
cpu_wait (DicenetExecutor *executor, DicenetJob *parent, DicenetFound *found, GError **error)
{
  CpuExecutor *self = (CpuExecutor *) executor;
  const CpuJob *job = (CpuJob *) parent;
  const DicenetSize *size = parent->size;

  if (!make_room (self, size, error))
    return FALSE;
  find_outputs (self, size, found);
  dicenet_threads_begin (self->cpu.threads);
  for (guint i = 0; i < size->batch; i++) {
    run_steps (self, size, job->input + i * input_floats (size));
    if (size->batch > 1)
      keep_outputs (self, size, found, i);
  }
  dicenet_threads_end (self->cpu.threads);
  return TRUE;
}

static void
cpu_share (DicenetExecutor *executor, guint n, DicenetChunkFunc func, gpointer job)
{
  DicenetThreads *threads = ((CpuExecutor *) executor)->cpu.threads;

  dicenet_threads_begin (threads);
  dicenet_threads_run (threads, n, func, job);
  dicenet_threads_end (threads);
}

static gsize
cpu_arena_bytes (DicenetExecutor *executor)
{
  CpuExecutor *self = (CpuExecutor *) executor;
  return self->arena_bytes + self->batch_bytes;
}

static guint
cpu_n_threads (DicenetExecutor *executor)
{
  return ((CpuExecutor *) executor)->cpu.n_threads;
}

const DicenetBackendOps dicenet_backend_cpu = {
  .version = DICENET_BACKEND_VERSION,
  .kind = DICENET_BACKEND_CPU,
  .name = "cpu",
  .open = cpu_open,
  .close = cpu_close,
  .supports = dicenet_cpu_supports,
  .scratch = cpu_scratch,
  .bind = cpu_bind,
  .unbind = cpu_unbind,
  .prepare = cpu_prepare,
  .submit = cpu_submit,
  .wait = cpu_wait,
  .release = cpu_release,
  .share = cpu_share,
  .arena_bytes = cpu_arena_bytes,
  .n_threads = cpu_n_threads,
};
