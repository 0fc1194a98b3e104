/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/error.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "../base/memory.h"
#include "../base/memory-error.h"
#include "../prepost/preprocess.h"
#include "../backend/axis.h"
#include "../backend/backend.h"
#include "bind.h"

/* The CPU backend: walks a plan with the kernel table and a thread pool. One arena serves all sizes, because only one
 * runs at a time; a batch runs picture by picture in it, since a picture's activations then stay in the caches. */

/* What this backend makes of a size. */
typedef struct {
  DicenetCpuStep *steps;
  guint n_steps;
  gfloat *arena; /* that they were told */
} Bound;

typedef struct {
  DicenetExecutor parent;
  DicenetKernels kernels;
  DicenetCpu cpu;
  DicenetPreprocess *preprocess;
  gfloat *arena;
  gsize arena_bytes;
  gfloat *batch_outputs; /* outputs of pictures 0 .. batch - 1, one after the other; unused for a batch of 1 */
  gsize batch_bytes;
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

/* The one asked for, or float32 with a warning. */
static const DicenetCpuPrecision *
choose_precision (CpuExecutor *self, DicenetPrecision precision)
{
  const gboolean is_auto = precision == DICENET_PRECISION_AUTO;
  const DicenetCpuPrecision *wanted = dicenet_cpu_precision (is_auto ? DICENET_PRECISION_BFLOAT16 : precision);

  if (wanted != NULL && wanted->is_there (dicenet_cpu_mask ()))
    return wanted;
  if (wanted == NULL)
    self->parent.warning = "float16 and tf32 are for GPUs (backend=cuda): computing in float32 on the processor, which "
                           "may have bfloat16";
  else if (!is_auto)
    self->parent.warning = wanted->is_there (DICENET_CPU_ALL)
                               ? "bfloat16 was asked for, but DICENET_CPU_MASK (--cpu-mask) leaves out AVX512-BF16, "
                                 "which it needs (4 and 8): computing in float32"
                               : "bfloat16 was asked for, but this processor lacks AVX512-BF16, which it needs: "
                                 "computing in float32";
  return dicenet_cpu_precision (DICENET_PRECISION_FLOAT32);
}

/* FALSE with @error set where there are no weights for it. */
static gboolean
set_precision (CpuExecutor *self, DicenetPrecision precision, GError **error)
{
  const DicenetCpuPrecision *in = choose_precision (self, precision);

  self->parent.precision = in->precision;
  self->cpu.precision = in;
  in->take (&self->kernels);
  self->cpu.weights = dicenet_cpu_weights (&self->parent.program, in, error);
  return self->cpu.weights != NULL;
}

static DicenetExecutor *
cpu_open (const DicenetProgram *program, const DicenetTarget *target, GError **error)
{
  CpuExecutor *self = g_new0 (CpuExecutor, 1);
  const char *kernels;

  dicenet_executor_init (&self->parent, &dicenet_backend_cpu, program);
  self->kernels = *dicenet_kernels_get (dicenet_cpu_mask (), &kernels);
  self->cpu.kernels = &self->kernels;
  g_debug ("kernels: %s", kernels);
  self->cpu.n_threads = target->n_threads > 0 ? target->n_threads : dicenet_processors ();
  self->cpu.threads = dicenet_threads_new (self->cpu.n_threads, error);
  if (self->cpu.threads == NULL || !set_precision (self, target->precision, error)) {
    dicenet_executor_close (&self->parent);
    return NULL;
  }
  return &self->parent;
}

static void
cpu_close (DicenetExecutor *executor)
{
  CpuExecutor *self = (CpuExecutor *) executor;

  dicenet_preprocess_free (self->preprocess);
  dicenet_block_free (self->arena, self->arena_bytes);
  dicenet_block_free (self->batch_outputs, self->batch_bytes);
  dicenet_threads_free (self->cpu.threads);
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

static const DicenetView *
output_view (const CpuExecutor *self, guint k)
{
  return dicenet_size_output (self->parent.size, self->parent.program.graph, k);
}

static gsize
all_output_floats (const CpuExecutor *self)
{
  gsize n = 0;
  for (guint k = 0; k < self->parent.program.graph->n_outputs; k++)
    n += dicenet_view_floats (output_view (self, k));
  return n;
}

static gboolean
cpu_prepare (DicenetExecutor *executor, GError **error)
{
  CpuExecutor *self = (CpuExecutor *) executor;
  const DicenetSize *size = executor->size;
  Bound *bound = size->bound;

  if (!grow (&self->arena, &self->arena_bytes, size->plan->arena_floats * sizeof (gfloat), error) ||
      (size->batch > 1 && !grow (&self->batch_outputs, &self->batch_bytes,
                                 size->batch * all_output_floats (self) * sizeof (gfloat), error)))
    return FALSE;
  if (bound->arena != self->arena) {
    dicenet_cpu_place (bound->steps, bound->n_steps, self->arena);
    bound->arena = self->arena;
  }
  return TRUE;
}

static gboolean
ensure_preprocess (CpuExecutor *self, const DicenetRun *run, GError **error)
{
  const DicenetDescription *d = self->parent.program.description;

  if (self->preprocess != NULL && dicenet_preprocess_fits (self->preprocess, run->image, run->width, run->height))
    return TRUE;
  dicenet_preprocess_free (self->preprocess);
  self->preprocess =
      dicenet_preprocess_new (run->image, run->width, run->height, d->mean, d->std, self->cpu.n_threads, error);
  return self->preprocess != NULL;
}

typedef struct {
  DicenetPreprocess *preprocess;
  const DicenetImage *image;
  gfloat *tensor;
} Picture;

static void
read_band (gpointer job, guint i, guint seat)
{
  const Picture *picture = job;
  dicenet_preprocess_run_band (picture->preprocess, picture->image, picture->tensor, i);
}

/* The input's or an output's one piece of memory. */
static gfloat *
packed (const CpuExecutor *self, const DicenetView *view)
{
  return self->arena + view->planes[0];
}

static gfloat *
input_of (const CpuExecutor *self)
{
  return packed (self, &self->parent.size->plan->views[0]);
}

static void
read_image (CpuExecutor *self, const DicenetImage *image)
{
  Picture picture = { self->preprocess, image, input_of (self) };
  dicenet_threads_run (self->cpu.threads, dicenet_preprocess_get_n_bands (self->preprocess), read_band, &picture);
}

static void
keep_outputs (CpuExecutor *self, guint image)
{
  gfloat *out = self->batch_outputs + image * all_output_floats (self);
  for (guint k = 0; k < self->parent.program.graph->n_outputs; k++) {
    const DicenetView *view = output_view (self, k);
    memcpy (out, packed (self, view), dicenet_view_floats (view) * sizeof (gfloat));
    out += dicenet_view_floats (view);
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
run_step (CpuExecutor *self, guint k)
{
  const DicenetSize *size = self->parent.size;
  Bound *bound = size->bound;
  gdouble *seconds = self->parent.step_seconds ? &self->parent.step_seconds[size->plan->steps[k].node] : NULL;
  const gdouble begin = seconds ? seconds_now () : 0;

  dicenet_cpu_run (&bound->steps[k], self->cpu.threads);
  if (seconds)
    *seconds = MIN (*seconds, seconds_now () - begin);
}

static void
run_steps (CpuExecutor *self)
{
  const guint64 denormals = dicenet_denormals_flush ();

  for (guint k = 0; k < self->parent.size->plan->n_steps; k++)
    run_step (self, k);
  dicenet_denormals_restore (denormals);
}

static gboolean
cpu_run (DicenetExecutor *executor, const DicenetRun *run, GError **error)
{
  CpuExecutor *self = (CpuExecutor *) executor;
  const gsize n_input = 3 * (gsize) run->width * run->height;

  if (run->image && !ensure_preprocess (self, run, error))
    return FALSE;
  dicenet_threads_begin (self->cpu.threads);
  for (guint i = 0; i < run->batch; i++) {
    if (run->image)
      read_image (self, run->image);
    else
      memcpy (input_of (self), run->tensor + i * n_input, n_input * sizeof (gfloat));
    run_steps (self);
    if (run->batch > 1)
      keep_outputs (self, i);
  }
  dicenet_threads_end (self->cpu.threads);
  return TRUE;
}

static const gfloat *
cpu_output (DicenetExecutor *executor, guint k, guint image)
{
  CpuExecutor *self = (CpuExecutor *) executor;

  if (executor->size->batch == 1)
    return packed (self, output_view (self, k));
  const gfloat *at = self->batch_outputs + image * all_output_floats (self);
  for (guint i = 0; i < k; i++)
    at += dicenet_view_floats (output_view (self, i));
  return at;
}

static void
cpu_share (DicenetExecutor *executor, guint n, DicenetPieceFunc func, gpointer job)
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
  .run = cpu_run,
  .output = cpu_output,
  .share = cpu_share,
  .arena_bytes = cpu_arena_bytes,
  .n_threads = cpu_n_threads,
};
