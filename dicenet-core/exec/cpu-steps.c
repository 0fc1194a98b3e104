/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cpu-steps.h"

/* One step: which kernel, on what, shared among the threads by output channels. */

typedef struct {
  const DicenetCpu *cpu;
  const DicenetNode *node;
  const DicenetNodeWeights *w;
  const DicenetStep *step;
  gfloat *arena;
  guint piece; /* channels that one thread takes */
  DicenetPlanes x[DICENET_MAX_INPUTS], y;
} Step;

/* Computes output channels [begin, begin + n). */
typedef void (*Task) (void *step, size_t begin, size_t n);

static DicenetPlanes
planes_of (const DicenetView *view, gfloat *arena)
{
  return (DicenetPlanes){ arena, view->planes, view->c, view->h, view->w };
}

/* A piece per thread: channels of one step all cost the same. */
static void
share (Step *s, Task task, guint n)
{
  s->piece = (n + s->cpu->n_threads - 1) / s->cpu->n_threads;
  pthreadpool_parallelize_1d_tile_1d (s->cpu->pool, task, s, n, s->piece,
                                      PTHREADPOOL_FLAG_DISABLE_DENORMALS | PTHREADPOOL_FLAG_YIELD_WORKERS);
}

static void
conv_task (void *data, size_t begin, size_t n)
{
  Step *s = data;
  const DicenetNode *node = s->node;
  const DicenetConv conv = { s->w->weight, s->w->bias,   s->w->slope,           node->kernel,
                             node->stride, node->groups, (int) node->activation };

  if (node->kernel == 1 && node->groups == 1 && node->stride == 1)
    s->cpu->kernels->conv_pointwise (&s->x[0], &s->y, &conv, (unsigned) begin, (unsigned) (begin + n));
  else
    s->cpu->kernels->conv (&s->x[0], &s->y, &conv, (unsigned) begin, (unsigned) (begin + n));
}

static void
pool_task (void *data, size_t begin, size_t n)
{
  Step *s = data;
  if (s->node->op == DICENET_OP_MAX_POOL)
    s->cpu->kernels->max_pool (&s->x[0], &s->y, (unsigned) begin, (unsigned) (begin + n));
  else
    s->cpu->kernels->avg_pool (&s->x[0], &s->y, (unsigned) begin, (unsigned) (begin + n));
}

static void
mean_task (void *data, size_t begin, size_t n)
{
  Step *s = data;
  s->cpu->kernels->mean (&s->x[0], &s->y, (unsigned) begin, (unsigned) (begin + n));
}

static void
gate_task (void *data, size_t begin, size_t n)
{
  Step *s = data;
  s->cpu->kernels->gate (&s->x[0], &s->x[1], &s->y, (unsigned) begin, (unsigned) (begin + n));
}

static void
norm_task (void *data, size_t begin, size_t n)
{
  Step *s = data;
  s->cpu->kernels->norm (&s->x[0], s->step->n_inputs > 1 ? &s->x[1] : NULL, &s->y, s->w->scale, s->w->bias, s->w->slope,
                         (unsigned) begin, (unsigned) (begin + n));
}

static void
resize_task (void *data, size_t begin, size_t n)
{
  Step *s = data;
  const DicenetPlanes *x = &s->x[0], *y = &s->y;

  for (unsigned c = (unsigned) begin; c < begin + n; c++) {
    if (s->node->op == DICENET_OP_UP)
      s->cpu->kernels->up (dicenet_plane (x, c), x->h, x->w, dicenet_plane (y, c), y->h, y->w);
    else
      s->cpu->kernels->down (dicenet_plane (x, c), x->h, x->w, dicenet_plane (y, c), y->h, y->w);
  }
}

/* Shared by maps, whose rows follow each other. */
static void
rows_task (void *data, size_t begin, size_t n)
{
  Step *s = data;
  gfloat *out = dicenet_plane (&s->y, 0);

  for (size_t k = 0; k < begin + n; k++) {
    const DicenetPlanes *x = &s->x[k];
    if (k >= begin)
      s->cpu->kernels->rows (x, out, 0, x->h);
    out += (gsize) x->c * x->h * x->w;
  }
}

/* DimConv's scratch, one per thread: the planes of three neighbouring channels scaled to the height kernels' rows and
 * to the width kernels' columns (where sizes differ: dynamic scaling, paper 3.3), the three branches at the map's size,
 * and one branch at its kernels' size. */
typedef struct {
  gfloat *tall[3], *wide[3]; /* H0 x w, h x W0 */
  gfloat *branch[3];         /* h x w */
  gfloat *unscaled;
} DiceScratch;

/* Lays it out at @at; returns its size in floats. */
static gsize
lay_out_scratch (const DicenetNode *node, guint h, guint w, gfloat *at, DiceScratch *out)
{
  const gsize tall = h != node->kernel_height ? (gsize) node->kernel_height * w : 0;
  const gsize wide = w != node->kernel_width ? (gsize) h * node->kernel_width : 0, map = (gsize) h * w;
  const gsize sizes[] = { tall, tall, tall, wide, wide, wide, map, map, map, MAX (tall, wide) };
  gfloat **const pointers[] = { &out->tall[0], &out->tall[1],   &out->tall[2],   &out->wide[0],   &out->wide[1],
                                &out->wide[2], &out->branch[0], &out->branch[1], &out->branch[2], &out->unscaled };
  gsize n = 0;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    *pointers[i] = at ? at + n : NULL;
    n += (sizes[i] + DICENET_PLANE_ALIGNMENT - 1) / DICENET_PLANE_ALIGNMENT * DICENET_PLANE_ALIGNMENT;
  }
  return n;
}

gsize
dicenet_cpu_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data)
{
  const DicenetCpu *cpu = data;
  DiceScratch scratch;
  return node->op == DICENET_OP_DICE ? cpu->n_threads * lay_out_scratch (node, input.h, input.w, NULL, &scratch) : 0;
}

static void
scale_plane (const DicenetKernels *k, const gfloat *x, guint h, guint w, gfloat *y, guint oh, guint ow)
{
  if (oh > h || ow > w)
    k->up (x, h, w, y, oh, ow);
  else
    k->down (x, h, w, y, oh, ow);
}

/* Scales channel @c into its place among three, unless there is no such channel or nothing to scale. */
static void
enter_channel (const Step *s, const DiceScratch *scratch, guint c)
{
  const DicenetPlanes *x = &s->x[0];
  const guint h0 = s->node->kernel_height, w0 = s->node->kernel_width;

  if (c >= x->c)
    return;
  if (h0 != x->h)
    scale_plane (s->cpu->kernels, dicenet_plane (x, c), x->h, x->w, scratch->tall[c % 3], h0, x->w);
  if (w0 != x->w)
    scale_plane (s->cpu->kernels, dicenet_plane (x, c), x->h, x->w, scratch->wide[c % 3], x->h, w0);
}

/* The planes of channels c - 1, c and c + 1, NULL outside; @scaled as enter_channel() left them, or NULL for the input
 * itself. */
static void
neighbours (const DicenetPlanes *x, gfloat *const scaled[3], guint c, const gfloat *out[3])
{
  for (guint i = 0; i < 3; i++) {
    const guint channel = c + i - 1; /* wraps below 0 */
    out[i] = channel >= x->c ? NULL : scaled ? scaled[channel % 3] : dicenet_plane (x, channel);
  }
}

static void
dice_channel (const Step *s, const DiceScratch *scratch, guint c)
{
  const DicenetKernels *k = s->cpu->kernels;
  const DicenetPlanes *x = &s->x[0];
  const guint h0 = s->node->kernel_height, w0 = s->node->kernel_width;
  const gboolean scale_height = h0 != x->h, scale_width = w0 != x->w;
  const DicenetFusion fusion = { s->w->branch_scale, s->w->branch_bias, s->w->branch_slope,
                                 s->w->fuse_weight,  s->w->fuse_bias,   s->w->slope };
  const gfloat *around[3];

  k->dimconv_depth (dicenet_plane (x, c), x->h, x->w, s->w->weight + 9 * (gsize) c, scratch->branch[0]);

  neighbours (x, scale_height ? scratch->tall : NULL, c, around);
  k->dimconv_height (around, h0, x->w, s->w->height, scale_height ? scratch->unscaled : scratch->branch[1]);
  if (scale_height)
    scale_plane (k, scratch->unscaled, h0, x->w, scratch->branch[1], x->h, x->w);

  neighbours (x, scale_width ? scratch->wide : NULL, c, around);
  k->dimconv_width (around, x->h, w0, s->w->width, scale_width ? scratch->unscaled : scratch->branch[2]);
  if (scale_width)
    scale_plane (k, scratch->unscaled, x->h, w0, scratch->branch[2], x->h, x->w);

  k->local_fusion ((const gfloat *const *) scratch->branch, &s->y, &fusion, c);
}

static void
dice_task (void *data, size_t begin, size_t n)
{
  Step *s = data;
  DiceScratch scratch;
  const gsize per_thread = lay_out_scratch (s->node, s->x[0].h, s->x[0].w, NULL, &scratch);

  lay_out_scratch (s->node, s->x[0].h, s->x[0].w, s->arena + s->step->scratch + begin / s->piece * per_thread,
                   &scratch);
  enter_channel (s, &scratch, (guint) begin - 1); /* wraps below 0: no such channel */
  enter_channel (s, &scratch, (guint) begin);
  for (guint c = (guint) begin; c < begin + n; c++) {
    enter_channel (s, &scratch, c + 1);
    dice_channel (s, &scratch, c);
  }
}

void
dicenet_cpu_step (const DicenetCpu *cpu, const DicenetNode *node, const DicenetNodeWeights *weights,
                  const DicenetStep *step, gfloat *arena)
{
  static const Task tasks[] = {
    [DICENET_OP_CONV] = conv_task,     [DICENET_OP_DICE] = dice_task,   [DICENET_OP_MAX_POOL] = pool_task,
    [DICENET_OP_AVG_POOL] = pool_task, [DICENET_OP_MEAN] = mean_task,   [DICENET_OP_GATE] = gate_task,
    [DICENET_OP_UP] = resize_task,     [DICENET_OP_DOWN] = resize_task, [DICENET_OP_NORM] = norm_task,
    [DICENET_OP_ROWS] = rows_task,
  };
  Step s = {
    .cpu = cpu, .node = node, .w = weights, .step = step, .arena = arena, .y = planes_of (step->output, arena)
  };

  for (guint i = 0; i < step->n_inputs; i++)
    s.x[i] = planes_of (step->inputs[i], arena);
  share (&s, tasks[node->op], node->op == DICENET_OP_ROWS ? step->n_inputs : s.y.c);
}
