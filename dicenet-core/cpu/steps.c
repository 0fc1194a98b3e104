/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "steps.h"

#include <string.h>
#include "../backend/axis.h"

/* One step: which kernel, on what, shared among the threads. Every output float is computed by one thread, in an order
 * that does not depend on the others. */

typedef struct _Step Step;

/* Computes [begin, begin + n) of what the step is shared by: channels, blocks or pixels. */
typedef void (*Task) (Step *step, gsize begin, gsize n);

/* The kernels that convolutions are for, by shape. */
typedef enum {
  CONV_NONE, /* the step is none */
  CONV_POINTWISE,
  CONV_VECTOR,
  CONV_SPARSE,
  CONV_FULL,
  CONV_WINOGRAD,
} ConvKind;

struct _Step {
  const DicenetCpu *cpu;
  const DicenetNode *node;
  const DicenetCpuWeights *w;
  const DicenetStep *step;
  const DicenetStepTables *tables;
  gfloat *arena;
  Task task;
  ConvKind conv;
  gsize n;     /* what is shared out */
  gsize piece; /* how much of it is one piece */
  gboolean by_pixels;
  gfloat *scratch; /* of the thread that computes a piece */
  DicenetPlanes x[DICENET_MAX_INPUTS], y;
};

static DicenetPlanes
planes_of (const DicenetView *view, gfloat *arena)
{
  return (DicenetPlanes){ arena, view->planes, view->c, view->h, view->w };
}

/* --- convolutions --- */

static ConvKind
conv_kind (const DicenetNode *node, DicenetShape input)
{
  if (node->op != DICENET_OP_CONV)
    return CONV_NONE;
  if (node->kernel == 1)
    return input.h * input.w == 1 ? CONV_VECTOR : CONV_POINTWISE;
  if (!dicenet_conv_is_dense (node->channels, node->groups, node->kernel))
    return CONV_SPARSE;
  return dicenet_conv_is_winograd (input.c, node->channels, node->groups, node->kernel, node->stride) ? CONV_WINOGRAD
                                                                                                      : CONV_FULL;
}

static DicenetConv
conv_of (const Step *s)
{
  const DicenetNode *node = s->node;
  DicenetConv conv = { .weight = s->w->weight,
                       .bias = s->w->bias,
                       .slope = s->w->slope,
                       .kernel = node->kernel,
                       .stride = node->stride,
                       .groups = node->groups,
                       .activation = node->activation,
                       .gate = s->step->n_inputs > 1 ? &s->x[1] : NULL };

  if (s->w->dense)
    s->cpu->precision->set (&conv, s->w->dense);
  return conv;
}

static gsize
conv_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output)
{
  const guint c = input.c, groups = node->groups, stride = node->stride;

  switch (conv_kind (node, input)) {
  case CONV_POINTWISE:
    return MAX (dicenet_conv_pointwise_scratch (c, groups), dicenet_bf16_pointwise_scratch (c, groups));
  case CONV_VECTOR:
    return c;
  case CONV_SPARSE:
    return dicenet_conv_sparse_scratch (c, groups, input.h, input.w);
  case CONV_FULL:
    return MAX (dicenet_conv_full_scratch (c, groups, output.w, stride),
                dicenet_bf16_full_scratch (c, groups, output.w, stride));
  case CONV_WINOGRAD: /* or, in bfloat16, full */
    return MAX (dicenet_conv_winograd_scratch (c, groups, output.w),
                dicenet_bf16_full_scratch (c, groups, output.w, stride));
  default:
    return 0;
  }
}

/* Of channels, by which dense convolutions are shared out. */
static guint
n_blocks (const Step *s)
{
  const guint groups = s->node->groups;
  return groups * s->cpu->precision->blocks (s->y.c, groups);
}

static void
conv_task (Step *s, gsize begin, gsize n)
{
  const DicenetKernels *k = s->cpu->kernels;
  const DicenetConv conv = conv_of (s);
  const unsigned first = (unsigned) begin, end = (unsigned) (begin + n);
  const DicenetPart part = s->by_pixels ? (DicenetPart){ 0, n_blocks (s), begin, begin + n }
                                        : (DicenetPart){ first, end, 0, (size_t) s->y.h * s->y.w };

  if (s->conv == CONV_POINTWISE)
    k->conv_pointwise (&s->x[0], &s->y, &conv, &part, s->scratch);
  else if (s->conv == CONV_VECTOR)
    k->conv_vector (&s->x[0], &s->y, &conv, first, end, s->scratch);
  else if (s->conv == CONV_SPARSE)
    k->conv_sparse (&s->x[0], &s->y, &conv, first, end, s->scratch);
  else if (s->conv == CONV_FULL)
    k->conv_full (&s->x[0], &s->y, &conv, first, end, s->scratch);
  else
    k->conv_winograd (&s->x[0], &s->y, &conv, first, end, s->scratch);
}

/* --- between convolutions --- */

static void
pool_task (Step *s, gsize begin, gsize n)
{
  if (s->node->op == DICENET_OP_MAX_POOL)
    s->cpu->kernels->max_pool (&s->x[0], &s->y, (unsigned) begin, (unsigned) (begin + n));
  else
    s->cpu->kernels->avg_pool (&s->x[0], &s->y, (unsigned) begin, (unsigned) (begin + n));
}

static void
mean_task (Step *s, gsize begin, gsize n)
{
  s->cpu->kernels->mean (&s->x[0], &s->y, (unsigned) begin, (unsigned) (begin + n));
}

static void
merge_task (Step *s, gsize begin, gsize n)
{
  const DicenetMerge merge = { s->tables->rows, s->tables->columns, &s->x[2], s->w->scale, s->w->bias, s->w->slope };
  s->cpu->kernels->merge (&s->x[0], &s->x[1], &s->y, &merge, (unsigned) begin, (unsigned) (begin + n), s->scratch);
}

static void
pyramid_task (Step *s, gsize begin, gsize n)
{
  DicenetPyramid p = { .weight = s->w->weight,
                       .bias = s->w->bias,
                       .slope = s->w->branch_slope,
                       .merge_weight = s->w->fuse_weight,
                       .merge_bias = s->w->fuse_bias,
                       .merge_slope = s->w->slope };

  memcpy (p.scales, s->tables->scales, sizeof p.scales);
  s->cpu->kernels->pyramid (&s->x[0], &s->y, &p, (unsigned) begin, (unsigned) (begin + n), s->scratch);
}

static void
resize_task (Step *s, gsize begin, gsize n)
{
  for (unsigned c = (unsigned) begin; c < begin + n; c++)
    s->cpu->kernels->resize (dicenet_plane (&s->x[0], c), s->x[0].w, dicenet_plane (&s->y, c), s->y.w, s->tables->rows,
                             s->tables->columns, s->scratch);
}

/* Shared by maps, whose rows follow each other. */
static void
rows_task (Step *s, gsize begin, gsize n)
{
  gfloat *out = dicenet_plane (&s->y, 0);

  for (size_t k = 0; k < begin + n; k++) {
    const DicenetPlanes *x = &s->x[k];
    if (k >= begin)
      s->cpu->kernels->rows (x, out, 0, x->h);
    out += (gsize) x->c * x->h * x->w;
  }
}

/* --- the DiCE unit --- */

/* One thread's scratch: padded planes of three neighbouring channels and one of zeros; as they are, scaled to the
 * height kernels' rows, and transposed and scaled to the width kernels' columns (where sizes differ: dynamic scaling,
 * paper 3.3). Transposed, columns are scaled and convolved like rows, which needs no gathering. Then a branch before it
 * is scaled back, a transposed plane, and the two branches. */
typedef struct {
  gfloat *center[4], *tall[4], *wide[4];
  gfloat *unscaled, *transposed, *branch[3];
  gsize zeroed; /* how much from the start has to be zeros */
} DiceScratch;

static gfloat *
take (gfloat **at, gsize *n, gsize size)
{
  gfloat *here = *at ? *at + *n : NULL;
  *n += dicenet_align_floats (size);
  return here;
}

/* Lays it out at @at, which may be NULL; returns its size in floats. */
static gsize
lay_out_dice (const DicenetNode *node, guint h, guint w, gfloat *at, DiceScratch *out)
{
  const guint h0 = node->kernel_height, w0 = node->kernel_width;
  const gsize center = dicenet_padded_floats (h, w);
  const gsize tall = h != h0 ? dicenet_padded_floats (h0, w) : 0, wide = w != w0 ? dicenet_padded_floats (w0, h) : 0;
  gsize n = 0;

  for (guint i = 0; i < 4; i++) {
    out->center[i] = take (&at, &n, center);
    out->tall[i] = take (&at, &n, tall);
    out->wide[i] = take (&at, &n, wide);
  }
  out->zeroed = n;
  out->unscaled = take (&at, &n, MAX (tall, wide));
  out->transposed = take (&at, &n, wide ? dicenet_padded_floats (w, h) : 0);
  out->branch[0] = NULL;
  out->branch[1] = take (&at, &n, tall ? center : 0);
  out->branch[2] = take (&at, &n, wide ? center : 0);
  return n;
}

/* Copies and scales channel @c into its place among three, unless there is no such channel. */
static void
enter_channel (const Step *s, const DiceScratch *scratch, guint c)
{
  const DicenetPlanes *x = &s->x[0];
  const DicenetStepTables *a = s->tables;

  if (c >= x->c)
    return;
  const DicenetKernels *k = s->cpu->kernels;
  gfloat *center = scratch->center[c % 3];
  k->pad (dicenet_plane (x, c), x->h, x->w, center);
  center = dicenet_padded_origin (center, x->w);
  if (a->rows)
    k->resample_rows (center, dicenet_padded_origin (scratch->tall[c % 3], x->w), x->w, a->rows);
  if (a->columns) {
    k->transpose (center, scratch->transposed, x->h, x->w);
    k->resample_rows (scratch->transposed, dicenet_padded_origin (scratch->wide[c % 3], x->h), x->h, a->columns);
  }
}

/* The planes of channels c - 1, c and c + 1; the fourth, of zeros, where there is none. */
static void
neighbours (gfloat *const planes[4], guint c, guint n_channels, const gfloat *out[3])
{
  for (guint i = 0; i < 3; i++) {
    const guint channel = c + i - 1; /* wraps below 0 */
    out[i] = planes[channel < n_channels ? channel % 3 : 3];
  }
}

static void
dice_channel (const Step *s, const DiceScratch *scratch, guint c)
{
  const DicenetKernels *k = s->cpu->kernels;
  const DicenetPlanes *x = &s->x[0];
  const DicenetStepTables *a = s->tables;
  const guint h0 = s->node->kernel_height, w0 = s->node->kernel_width;
  const DicenetFusion fusion = { s->w->branch_scale, s->w->branch_bias, s->w->branch_slope,
                                 s->w->fuse_weight,  s->w->fuse_bias,   s->w->slope };
  DicenetDice d = { .h = x->h, .w = x->w, .depth = s->w->weight + 9 * (gsize) c };

  if (a->rows) {
    DicenetDice tall = { .h = h0, .w = x->w, .height = s->w->height };
    neighbours (scratch->tall, c, x->c, tall.around);
    k->dimconv_height (&tall, scratch->unscaled);
    k->resample_rows (scratch->unscaled, scratch->branch[1], x->w, a->rows_back);
    d.branch[1] = scratch->branch[1];
  } else
    d.height = s->w->height;
  if (a->columns) {
    DicenetDice wide = { .h = w0, .w = x->h, .height = s->w->width_rows };
    neighbours (scratch->wide, c, x->c, wide.around);
    k->dimconv_height (&wide, scratch->unscaled);
    k->resample_rows (scratch->unscaled, scratch->transposed, x->h, a->columns_back);
    k->transpose (scratch->transposed, scratch->branch[2], x->w, x->h);
    d.branch[2] = scratch->branch[2];
  } else
    d.width = s->w->width;
  neighbours (scratch->center, c, x->c, d.around);
  k->dice (&d, &s->y, &fusion, c);
}

static void
dice_task (Step *s, gsize begin, gsize n)
{
  DiceScratch scratch;
  gfloat *at = s->scratch;

  lay_out_dice (s->node, s->x[0].h, s->x[0].w, at, &scratch);
  memset (at, 0, scratch.zeroed * sizeof *at);
  enter_channel (s, &scratch, (guint) begin - 1); /* wraps below 0: no such channel */
  enter_channel (s, &scratch, (guint) begin);
  for (guint c = (guint) begin; c < begin + n; c++) {
    enter_channel (s, &scratch, c + 1);
    dice_channel (s, &scratch, c);
  }
}

/* --- what the plan needs to know --- */

static gsize
pyramid_scratch (guint h, guint w)
{
  DicenetScale scales[DICENET_SCALES] = { { 0 } };

  for (guint k = 0; k < DICENET_SCALES; k++)
    scales[k] = (DicenetScale){ .h = dicenet_pyramid_size (h, k), .w = dicenet_pyramid_size (w, k) };
  return dicenet_pyramid_scratch (h, w, scales);
}

static gsize
piece_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output)
{
  DiceScratch scratch;

  switch (node->op) {
  case DICENET_OP_CONV:
    return dicenet_align_floats (conv_scratch (node, input, output));
  case DICENET_OP_DICE:
    return lay_out_dice (node, input.h, input.w, NULL, &scratch);
  case DICENET_OP_UP:
  case DICENET_OP_MERGE:
    return dicenet_align_floats (MAX (input.w, 3 * (gsize) output.w)); /* see dicenet_resize_scratch() */
  case DICENET_OP_PYRAMID:
    return dicenet_align_floats (pyramid_scratch (input.h, input.w));
  default:
    return 0;
  }
}

gsize
dicenet_cpu_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data)
{
  const DicenetCpu *cpu = data;
  return cpu->n_threads * piece_scratch (node, input, output);
}

static DicenetScale
pyramid_scale (guint h, guint w, guint k, GHashTable *cache)
{
  const guint sh = dicenet_pyramid_size (h, k), sw = dicenet_pyramid_size (w, k);
  const gboolean up = k < DICENET_SCALE_OWN;
  const DicenetResize there = up ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN,
                      back = up ? DICENET_RESIZE_DOWN : DICENET_RESIZE_UP;

  return (DicenetScale){ sh,
                         sw,
                         dicenet_axis_get (cache, h, sh, there),
                         dicenet_axis_get (cache, w, sw, there),
                         dicenet_axis_get (cache, sh, h, back),
                         dicenet_axis_get (cache, sw, w, back),
                         up ? dicenet_trip_get (cache, h, sh) : NULL,
                         up ? dicenet_trip_get (cache, w, sw) : NULL };
}

DicenetStepTables
dicenet_cpu_tables (const DicenetNode *node, const DicenetStep *step, GHashTable *cache)
{
  const guint h = step->inputs[0]->h, w = step->inputs[0]->w;
  const DicenetShape input = { step->inputs[0]->c, h, w };
  const DicenetShape output = { step->output->c, step->output->h, step->output->w };
  DicenetStepTables a = { .scratch = piece_scratch (node, input, output) };

  if (node->op == DICENET_OP_UP || node->op == DICENET_OP_MERGE) {
    a.rows = dicenet_axis_get (cache, h, step->output->h, DICENET_RESIZE_UP);
    a.columns = dicenet_axis_get (cache, w, step->output->w, DICENET_RESIZE_UP);
  } else if (node->op == DICENET_OP_PYRAMID) {
    for (guint k = 0; k < DICENET_SCALES; k++)
      a.scales[k] = pyramid_scale (h, w, k, cache);
  } else if (node->op == DICENET_OP_DICE) {
    const guint h0 = node->kernel_height, w0 = node->kernel_width;
    if (h != h0) {
      a.rows = dicenet_axis_get (cache, h, h0, h < h0 ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN);
      a.rows_back = dicenet_axis_get (cache, h0, h, h < h0 ? DICENET_RESIZE_DOWN : DICENET_RESIZE_UP);
    }
    if (w != w0) {
      a.columns = dicenet_axis_get (cache, w, w0, w < w0 ? DICENET_RESIZE_UP : DICENET_RESIZE_DOWN);
      a.columns_back = dicenet_axis_get (cache, w0, w, w < w0 ? DICENET_RESIZE_DOWN : DICENET_RESIZE_UP);
    }
  }
  return a;
}

/* --- sharing --- */

/* Pixels of a piece are a multiple of this: a cache line, so that no two threads write to the same one. */
#define PIXELS 16

static const Task tasks[] = {
  [DICENET_OP_CONV] = conv_task,       [DICENET_OP_DICE] = dice_task,   [DICENET_OP_MAX_POOL] = pool_task,
  [DICENET_OP_AVG_POOL] = pool_task,   [DICENET_OP_MEAN] = mean_task,   [DICENET_OP_UP] = resize_task,
  [DICENET_OP_PYRAMID] = pyramid_task, [DICENET_OP_MERGE] = merge_task, [DICENET_OP_ROWS] = rows_task,
};

static gsize
divide (gsize n, gsize by)
{
  return (n + by - 1) / by;
}

/* Fewer pixels for a thread than this are few panels, of which the last is not full. */
#define MIN_PIXELS 192

/* By output channels; point-wise products by pixels where there are enough, so that inputs are packed once only; dense
 * 3 x 3 by rows for the same reason. One piece for each thread, because a piece has costs of its own: packing, bands of
 * rows, neighbours in a DiCE unit. */
static void
choose_pieces (Step *s)
{
  const gsize threads = s->cpu->n_threads, pixels = (gsize) s->y.h * s->y.w;

  if (s->conv == CONV_POINTWISE && pixels >= MIN_PIXELS * threads) {
    s->by_pixels = TRUE;
    s->n = pixels;
    s->piece = divide (divide (pixels, PIXELS), threads) * PIXELS;
    return;
  }
  if (s->conv == CONV_FULL)
    s->n = s->y.h;
  else if (s->conv == CONV_WINOGRAD)
    s->n = divide (s->y.h, 2);
  else if (s->conv == CONV_POINTWISE || s->conv == CONV_VECTOR)
    s->n = n_blocks (s);
  else
    s->n = s->node->op == DICENET_OP_ROWS ? s->step->n_inputs : s->y.c;
  s->piece = divide (s->n, threads);
}

static void
run_piece (gpointer job, guint i, guint seat)
{
  Step s = *(const Step *) job;
  const gsize begin = i * s.piece;

  s.scratch = s.arena + s.step->scratch + seat * s.tables->scratch;
  s.task (&s, begin, MIN (s.piece, s.n - begin));
}

void
dicenet_cpu_step (const DicenetCpu *cpu, const DicenetNode *node, const DicenetStep *step,
                  const DicenetStepTables *tables, gfloat *arena)
{
  Step s = { .cpu = cpu, .node = node, .w = &cpu->weights[step->node], .step = step, .tables = tables, .arena = arena };

  s.y = planes_of (step->output, arena);
  for (guint i = 0; i < step->n_inputs; i++)
    s.x[i] = planes_of (step->inputs[i], arena);
  s.task = tasks[node->op];
  s.conv = conv_kind (node, (DicenetShape){ s.x[0].c, s.x[0].h, s.x[0].w });
  if (s.conv == CONV_WINOGRAD && !cpu->precision->has_winograd)
    s.conv = CONV_FULL;
  choose_pieces (&s);
  dicenet_threads_run (cpu->threads, (guint) divide (s.n, s.piece), run_piece, &s);
}
