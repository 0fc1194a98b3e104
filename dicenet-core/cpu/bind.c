/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bind.h"

#include <string.h>
#include "../base/memory.h"

/* Binding determines each step's kernel, its arguments, and how it is divided among threads. Every output float is
 * computed by one thread, in an order that does not depend on the others. */

/* Chunks are multiples of this many pixels, a cache line, so that threads never write to the same line. */
#define PIXELS 16
/* With fewer pixels per thread than this, there are few panels, and the last one is partly empty. */
#define MIN_PIXELS 192

static gsize
divide (gsize n, gsize by)
{
  return (n + by - 1) / by;
}

/* --- convolutions --- */

/* Kernels for convolutions, by shape. */
typedef enum {
  CONV_POINTWISE,
  GEMV,
  CONV_GROUPED,
  CONV_DENSE3X3,
  CONV_WINOGRAD,
} ConvKind;

static ConvKind
conv_kind (const DicenetCpuPrecision *precision, const DicenetNode *node, DicenetShape input)
{
  if (node->kernel == 1)
    return precision->has_gemv && input.h * input.w == 1 ? GEMV : CONV_POINTWISE;
  if (!dicenet_conv_is_dense (node->channels, node->groups, node->kernel))
    return CONV_GROUPED;
  return precision->has_winograd &&
                 dicenet_conv_is_winograd (input.c, node->channels, node->groups, node->kernel, node->stride)
             ? CONV_WINOGRAD
             : CONV_DENSE3X3;
}

static gsize
conv_scratch (const DicenetCpuPrecision *precision, const DicenetNode *node, DicenetShape input, DicenetShape output)
{
  const guint c = input.c, groups = node->groups;

  switch (conv_kind (precision, node, input)) {
  case CONV_POINTWISE:
    return precision->pointwise_scratch (c, groups);
  case GEMV:
    return c;
  case CONV_GROUPED:
    return dicenet_conv_grouped_scratch (c, groups, input.h, input.w);
  case CONV_DENSE3X3:
    return precision->dense3x3_scratch (c, groups, output.w, node->stride);
  default:
    return dicenet_conv_winograd_scratch (c, groups, output.w);
  }
}

static void
conv_task (const DicenetCpuStep *s, gsize begin, gsize n, gfloat *scratch)
{
  s->conv.kernel (&s->x[0], &s->y, &s->conv.conv, (unsigned) begin, (unsigned) (begin + n), scratch);
}

static void
pixels_task (const DicenetCpuStep *s, gsize begin, gsize n, gfloat *scratch)
{
  const DicenetTile tile = { 0, s->conv.n_blocks, begin, begin + n };
  s->kernels->conv_pointwise (&s->x[0], &s->y, &s->conv.conv, &tile, scratch);
}

static void
blocks_task (const DicenetCpuStep *s, gsize begin, gsize n, gfloat *scratch)
{
  const DicenetTile tile = { (unsigned) begin, (unsigned) (begin + n), 0, (size_t) s->y.h * s->y.w };
  s->kernels->conv_pointwise (&s->x[0], &s->y, &s->conv.conv, &tile, scratch);
}

/* Pointwise convolutions are divided by pixels if there are enough, so that inputs are packed only once. */
static void
bind_pointwise (DicenetCpuStep *s, const DicenetCpuBinding *b)
{
  const gsize pixels = (gsize) s->y.h * s->y.w;

  if (pixels >= MIN_PIXELS * b->cpu->n_threads) {
    s->task = pixels_task;
    s->n = pixels;
    s->chunk = divide (divide (pixels, PIXELS), b->cpu->n_threads) * PIXELS;
  } else {
    s->task = blocks_task;
    s->n = s->conv.n_blocks;
  }
}

/* Divides a convolution into ranges of the kernel's unit. */
static void
bind_kernel (DicenetCpuStep *s, DicenetConvKernel kernel, gsize n)
{
  s->task = conv_task;
  s->conv.kernel = kernel;
  s->n = n;
}

/* Dense 3 x 3 convolutions are divided by rows, for the same reason as pointwise ones are by pixels. */
static void
bind_conv_kind (DicenetCpuStep *s, const DicenetCpuBinding *b)
{
  switch (conv_kind (b->precision, b->node, (DicenetShape){ s->x[0].c, s->x[0].h, s->x[0].w })) {
  case CONV_POINTWISE:
    bind_pointwise (s, b);
    break;
  case GEMV:
    bind_kernel (s, s->kernels->gemv, s->conv.n_blocks);
    break;
  case CONV_GROUPED:
    bind_kernel (s, s->kernels->conv_grouped, s->y.c);
    break;
  case CONV_DENSE3X3:
    bind_kernel (s, s->kernels->conv_dense3x3, s->y.h);
    break;
  case CONV_WINOGRAD:
    bind_kernel (s, s->kernels->conv_winograd, divide (s->y.h, 2));
    break;
  }
}

static void
bind_range (DicenetCpuStep *s, const DicenetCpuBinding *b)
{
  s->conv.conv.input = &s->conv.input;
  if (b->range != NULL)
    s->conv.input = dicenet_int8_input (b->range->low, b->range->high);
  else
    s->n_range_chunks = b->cpu->n_threads;
}

static void
bind_conv (DicenetCpuStep *s, const DicenetCpuBinding *b)
{
  const DicenetNode *node = b->node;

  s->conv.conv = (DicenetConv){ .weight = b->w->weight,
                                .bias = b->w->bias,
                                .slope = b->w->slope,
                                .kernel = node->kernel,
                                .stride = node->stride,
                                .groups = node->groups,
                                .activation = node->activation,
                                .gate = s->n_inputs > 1 ? &s->x[1] : NULL };
  if (b->w->dense)
    b->precision->set (&s->conv.conv, b->w->dense);
  s->conv.n_blocks = node->groups * b->precision->blocks (s->y.c, node->groups);
  if (b->precision->needs_range)
    bind_range (s, b);
  bind_conv_kind (s, b);
}

/* --- between convolutions --- */

static void
pool_task (const DicenetCpuStep *s, gsize begin, gsize n, gfloat *scratch)
{
  s->pool (&s->x[0], &s->y, (unsigned) begin, (unsigned) (begin + n));
}

static void
bind_pool (DicenetCpuStep *s, DicenetPoolKernel kernel)
{
  s->task = pool_task;
  s->pool = kernel;
  s->n = s->y.c;
}

static void
bind_max_pool (DicenetCpuStep *s, const DicenetCpuBinding *b)
{
  bind_pool (s, s->kernels->max_pool);
}

static void
bind_avg_pool (DicenetCpuStep *s, const DicenetCpuBinding *b)
{
  bind_pool (s, s->kernels->avg_pool);
}

static void
bind_global_avg_pool (DicenetCpuStep *s, const DicenetCpuBinding *b)
{
  bind_pool (s, s->kernels->global_avg_pool);
}

static void
upsample_add_task (const DicenetCpuStep *s, gsize begin, gsize n, gfloat *scratch)
{
  s->kernels->upsample_add (&s->x[0], &s->x[1], &s->y, &s->merge, (unsigned) begin, (unsigned) (begin + n), scratch);
}

static void
bind_upsample_add (DicenetCpuStep *s, const DicenetCpuBinding *b)
{
  s->task = upsample_add_task;
  s->n = s->y.c;
  s->merge = (DicenetUpsampleAdd){ dicenet_axis_get (b->axes, s->x[0].h, s->y.h, DICENET_RESIZE_UP),
                                   dicenet_axis_get (b->axes, s->x[0].w, s->y.w, DICENET_RESIZE_UP),
                                   s->n_inputs > 2 ? &s->x[2] : NULL,
                                   b->w->scale,
                                   b->w->bias,
                                   b->w->slope };
}

static void
upsample_task (const DicenetCpuStep *s, gsize begin, gsize n, gfloat *scratch)
{
  for (unsigned c = (unsigned) begin; c < begin + n; c++)
    s->kernels->resize (dicenet_plane (&s->x[0], c), s->x[0].w, dicenet_plane (&s->y, c), s->y.w, s->up.rows,
                        s->up.columns, scratch);
}

static void
bind_upsample (DicenetCpuStep *s, const DicenetCpuBinding *b)
{
  s->task = upsample_task;
  s->n = s->y.c;
  s->up.rows = dicenet_axis_get (b->axes, s->x[0].h, s->y.h, DICENET_RESIZE_UP);
  s->up.columns = dicenet_axis_get (b->axes, s->x[0].w, s->y.w, DICENET_RESIZE_UP);
}

static void
epp_task (const DicenetCpuStep *s, gsize begin, gsize n, gfloat *scratch)
{
  s->kernels->epp (&s->x[0], &s->y, &s->epp, (unsigned) begin, (unsigned) (begin + n), scratch);
}

static DicenetEppBranch
epp_branch (guint h, guint w, guint k, GHashTable *axes)
{
  const guint sh = dicenet_epp_size (h, k), sw = dicenet_epp_size (w, k);
  const gboolean up = k < DICENET_EPP_IDENTITY;
  const DicenetResize there = up ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN,
                      back = up ? DICENET_RESIZE_DOWN : DICENET_RESIZE_UP;

  return (DicenetEppBranch){ sh,
                             sw,
                             dicenet_axis_get (axes, h, sh, there),
                             dicenet_axis_get (axes, w, sw, there),
                             dicenet_axis_get (axes, sh, h, back),
                             dicenet_axis_get (axes, sw, w, back),
                             up ? dicenet_composed_axis_get (axes, h, sh) : NULL,
                             up ? dicenet_composed_axis_get (axes, w, sw) : NULL };
}

static void
bind_epp (DicenetCpuStep *s, const DicenetCpuBinding *b)
{
  s->task = epp_task;
  s->n = s->y.c;
  s->epp = (DicenetEpp){ .weight = b->w->weight,
                         .bias = b->w->bias,
                         .slope = b->w->branch_slope,
                         .merge_weight = b->w->fuse_weight,
                         .merge_bias = b->w->fuse_bias,
                         .merge_slope = b->w->slope };
  for (guint k = 0; k < DICENET_EPP_BRANCHES; k++)
    s->epp.branches[k] = epp_branch (s->x[0].h, s->x[0].w, k, b->axes);
}

/* Divided by rows, counted over all maps. */
static void
flatten_task (const DicenetCpuStep *s, gsize begin, gsize n, gfloat *scratch)
{
  gfloat *out = dicenet_plane (&s->y, 0);

  for (size_t k = 0; k < begin + n; k++) {
    const DicenetPlanes *x = &s->x[k];
    if (k >= begin)
      s->kernels->flatten (x, out, 0, x->h);
    out += (gsize) x->c * x->h * x->w;
  }
}

static void
bind_flatten (DicenetCpuStep *s, const DicenetCpuBinding *b)
{
  s->task = flatten_task;
  s->n = s->n_inputs;
}

/* --- all --- */

typedef void (*Binder) (DicenetCpuStep *s, const DicenetCpuBinding *b);

static const Binder binders[DICENET_N_OPS] = {
  [DICENET_OP_CONV] = bind_conv,
  [DICENET_OP_DICE] = dicenet_cpu_bind_dice,
  [DICENET_OP_MAX_POOL] = bind_max_pool,
  [DICENET_OP_AVG_POOL] = bind_avg_pool,
  [DICENET_OP_GLOBAL_AVG_POOL] = bind_global_avg_pool,
  [DICENET_OP_UPSAMPLE] = bind_upsample,
  [DICENET_OP_EPP] = bind_epp,
  [DICENET_OP_UPSAMPLE_ADD] = bind_upsample_add,
  [DICENET_OP_FLATTEN] = bind_flatten,
};

gboolean
dicenet_cpu_supports (DicenetOp op)
{
  return binders[op] != NULL;
}

static gsize
epp_scratch (guint h, guint w)
{
  DicenetEppBranch branches[DICENET_EPP_BRANCHES] = { { 0 } };

  for (guint k = 0; k < DICENET_EPP_BRANCHES; k++)
    branches[k] = (DicenetEppBranch){ .h = dicenet_epp_size (h, k), .w = dicenet_epp_size (w, k) };
  return dicenet_epp_scratch (h, w, branches);
}

/* Scratch of one thread. */
static gsize
chunk_scratch (const DicenetCpuPrecision *precision, const DicenetNode *node, DicenetShape input, DicenetShape output)
{
  switch (node->op) {
  case DICENET_OP_CONV:
    return dicenet_align_floats (conv_scratch (precision, node, input, output));
  case DICENET_OP_DICE:
    return dicenet_cpu_dice_scratch (node, input.h, input.w);
  case DICENET_OP_UPSAMPLE:
  case DICENET_OP_UPSAMPLE_ADD:
    return dicenet_align_floats (dicenet_scale_up_scratch (MAX (input.w, output.w)));
  case DICENET_OP_EPP:
    return dicenet_align_floats (epp_scratch (input.h, input.w));
  default:
    return 0;
  }
}

gsize
dicenet_cpu_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data)
{
  const DicenetCpu *cpu = data;
  return cpu->n_threads *
         chunk_scratch (dicenet_cpu_precision_of (cpu->precision, cpu->graph, node), node, input, output);
}

static DicenetPlanes
planes_of (const DicenetTensorRef *view)
{
  return (DicenetPlanes){ NULL, view->planes, view->c, view->h, view->w };
}

static DicenetShape
shape_of (const DicenetTensorRef *view)
{
  return (DicenetShape){ view->c, view->h, view->w };
}

/* One chunk per thread, because each chunk has overhead: packing, bands of rows, neighbouring channels of a DiCE
 * unit. */
static void
bind_step (DicenetCpuStep *s, const DicenetCpuBinding *b, const DicenetStep *step)
{
  s->kernels = b->precision == b->cpu->precision ? b->cpu->dense_kernels : b->cpu->kernels;
  s->n_inputs = step->n_inputs;
  for (guint i = 0; i < step->n_inputs; i++) {
    s->x[i] = planes_of (step->inputs[i]);
    s->from_job |= (guint) (step->inputs[i] == b->input) << i;
  }
  s->y = planes_of (step->output);
  s->scratch_at = step->scratch;
  s->scratch_floats = chunk_scratch (b->precision, b->node, shape_of (step->inputs[0]), shape_of (step->output));
  binders[b->node->op](s, b);
  if (s->chunk == 0)
    s->chunk = divide (s->n, b->cpu->n_threads);
  s->n_chunks = (guint) divide (s->n, s->chunk);
}

DicenetCpuStep *
dicenet_cpu_bind (const DicenetCpu *cpu, const DicenetGraph *graph, const DicenetPlan *plan, GHashTable *axes)
{
  DicenetCpuStep *steps = g_new0 (DicenetCpuStep, plan->n_steps);

  for (guint i = 0; i < plan->n_steps; i++) {
    const guint node = plan->steps[i].node;
    const DicenetNode *of = dicenet_graph_node (graph, node);
    const DicenetCpuBinding b = { .cpu = cpu,
                                  .precision = dicenet_cpu_precision_of (cpu->precision, graph, of),
                                  .node = of,
                                  .w = &cpu->weights[node],
                                  .axes = axes,
                                  .input = &plan->views[0],
                                  .range = cpu->ranges ? &cpu->ranges[dicenet_cpu_n_int8 (graph, node)] : NULL };
    bind_step (&steps[i], &b, &plan->steps[i]);
  }
  return steps;
}

void
dicenet_cpu_place (DicenetCpuStep *steps, guint n_steps, gfloat *arena)
{
  for (guint i = 0; i < n_steps; i++) {
    steps[i].y.base = arena;
    for (guint k = 0; k < steps[i].n_inputs; k++)
      steps[i].x[k].base = arena;
  }
}

/* Steps read the input directly, never through a view. Its planes are relative to the arena's start. */
void
dicenet_cpu_place_input (DicenetCpuStep *steps, guint n_steps, const gfloat *input)
{
  for (guint i = 0; i < n_steps; i++)
    for (guint k = 0; k < steps[i].n_inputs && steps[i].from_job != 0; k++)
      if (steps[i].from_job & 1u << k)
        steps[i].x[k].base = (gfloat *) input - steps[i].x[k].planes[0];
}

static gfloat *
scratch_of (const DicenetCpuStep *s, guint i)
{
  return s->y.base + s->scratch_at + i * s->scratch_floats;
}

/* Channels per chunk of a pass over the input. */
static guint
range_chunk (const DicenetCpuStep *s)
{
  return (guint) divide (s->x[0].c, s->n_range_chunks);
}

/* Each chunk has a thread's scratch for its result. */
static void
run_range_chunk (gpointer job, guint i, guint thread_index)
{
  const DicenetCpuStep *s = job;
  const guint chunk = range_chunk (s), begin = MIN (i * chunk, s->x[0].c);

  s->kernels->range (&s->x[0], begin, MIN (begin + chunk, s->x[0].c), scratch_of (s, i));
}

/* Minimum and maximum don't depend on how the input is divided. */
static void
find_range (DicenetCpuStep *s, DicenetThreads *threads)
{
  gfloat low = 0, high = 0;

  dicenet_threads_run (threads, s->n_range_chunks, run_range_chunk, s);
  for (guint i = 0; i < s->n_range_chunks; i++) {
    low = MIN (low, scratch_of (s, i)[0]);
    high = MAX (high, scratch_of (s, i)[1]);
  }
  s->conv.input = dicenet_int8_input (low, high);
}

static void
run_chunk (gpointer job, guint i, guint thread_index)
{
  const DicenetCpuStep *s = job;
  const gsize begin = i * s->chunk;

  s->task (s, begin, MIN (s->chunk, s->n - begin), scratch_of (s, thread_index));
}

static void
count_value (DicenetHistogram *histogram, gfloat value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  histogram->counts[bits >> (32 - DICENET_HISTOGRAM_BITS)]++;
  histogram->low = MIN (histogram->low, value);
  histogram->high = MAX (histogram->high, value);
}

void
dicenet_cpu_count (const DicenetCpuStep *step, DicenetHistogram *histogram)
{
  const DicenetPlanes *x = &step->x[0];

  for (guint c = 0; c < x->c; c++) {
    gdouble sum = 0;
    for (gsize i = 0; i < (gsize) x->h * x->w; i++) {
      count_value (histogram, dicenet_plane (x, c)[i]);
      sum += (gdouble) dicenet_plane (x, c)[i];
    }
    if (histogram->sums != NULL)
      histogram->sums[c] += sum;
  }
}

void
dicenet_cpu_run (DicenetCpuStep *step, DicenetThreads *threads)
{
  if (step->n_range_chunks > 0)
    find_range (step, threads);
  dicenet_threads_run (threads, step->n_chunks, run_chunk, step);
}
