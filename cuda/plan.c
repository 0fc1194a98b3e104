/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan.h"

#include <string.h>
#include "branches.h"
#include "error.h"

/* Offsets in the tables, in bytes; NO_TABLE if there is none. */
typedef struct {
  guint in, out, taps;
  gsize start, weight;
} Axis;

typedef struct {
  guint n, taps;
  gsize start, weight;
} Branch;

typedef struct {
  guint taps;
  gint first;
  gsize weight;
} ComposedAxis;

/* Properties of a step in addition to those in the layout. */
typedef struct {
  Branch height, width; /* DICE */
  gsize sums;           /* DICE, and the GLOBAL_AVG_POOL after it: offset of its sums in floats; NO_TABLE if there
                         * are none */
  guint n_matrices;     /* GLOBAL_AVG_POOL: number of following steps (matrices) that its kernel includes */
  gboolean is_done;     /* included in an earlier step's kernel */
  Axis rows, columns;   /* UPSAMPLE, UPSAMPLE_ADD */
  Axis branches[DICENET_EPP_BRANCHES][4];
  ComposedAxis composed[DICENET_EPP_IDENTITY][2];
} Step;

struct _CudaPlan {
  const DicenetNetwork *program;
  const CudaWeights *weights;
  const DicenetCudaDevice *device;
  const DicenetSize *size;
  const DicenetPlan *layout; /* the plan in @size */
  guint batch;
  Step *steps;
  GByteArray *host;             /* tables until they are uploaded */
  GHashTable *placed;           /* tables in @host: pointer to the source -> offset + 1 */
  gsize *planes;                /* offsets of plane lists, by view */
  guint8 *tables;               /* on the device */
  gsize sums_floats;            /* per picture; stored behind the activations */
  Axis mask_rows, mask_columns; /* segmentation */
  gsize priors;                 /* detection */
};

#define NO_TABLE G_MAXSIZE
/* Aligned for warps, whose threads read neighbouring entries. */
#define TABLE_ALIGNMENT 128

/* Maximum number of weights of a matrix for the gate's kernel, which uses one thread block. */
#define GATE_WEIGHTS (1u << 17)

/* --- tables --- */

static gsize
add_table (CudaPlan *self, gconstpointer data, gsize bytes)
{
  static const guint8 zeros[TABLE_ALIGNMENT] = { 0 };
  const gsize at = self->host->len;

  g_byte_array_append (self->host, data, (guint) bytes);
  g_byte_array_append (self->host, zeros, (guint) (-self->host->len % TABLE_ALIGNMENT));
  return at;
}

/* Adds a table unless it was added before; @data must stay valid until all tables are complete. */
static gsize
share_table (CudaPlan *self, gconstpointer data, gsize bytes)
{
  gpointer found = g_hash_table_lookup (self->placed, data);

  if (found == NULL) {
    found = GSIZE_TO_POINTER (add_table (self, data, bytes) + 1);
    g_hash_table_insert (self->placed, (gpointer) data, found);
  }
  return GPOINTER_TO_SIZE (found) - 1;
}

static Axis
add_axis (CudaPlan *self, const DicenetAxis *axis)
{
  return (Axis){ axis->in, axis->out, axis->taps, share_table (self, axis->start, axis->out * sizeof *axis->start),
                 share_table (self, axis->weight, (gsize) axis->taps * axis->out * sizeof *axis->weight) };
}

static ComposedAxis
add_composed (CudaPlan *self, const DicenetComposedAxis *composed)
{
  const gsize bytes = 3 * composed->taps * dicenet_composed_stride (composed->n) * sizeof *composed->weight;
  return (ComposedAxis){ composed->taps, composed->first, share_table (self, composed->weight, bytes) };
}

static Branch
add_branch (CudaPlan *self, const gfloat *kernels, guint n_kernels, guint n, GHashTable *axes)
{
  CudaBranch *branch = cuda_branch_new (kernels, n_kernels, n, axes);
  const Branch out = { n, branch->taps, add_table (self, branch->start, n * sizeof *branch->start),
                       add_table (self, branch->weight, (gsize) n * branch->taps * 9 * sizeof *branch->weight) };

  cuda_branch_free (branch);
  return out;
}

static void
add_views (CudaPlan *self)
{
  self->planes = g_new (gsize, self->layout->n_views);
  for (guint i = 0; i < self->layout->n_views; i++) {
    const DicenetTensorRef *view = &self->layout->views[i];
    g_autofree guint32 *planes = g_new (guint32, view->c);
    for (guint c = 0; c < view->c; c++)
      planes[c] = (guint32) view->planes[c];
    self->planes[i] = add_table (self, planes, view->c * sizeof *planes);
  }
}

/* --- steps --- */

static const DicenetNode *
node_of (const CudaPlan *self, guint step)
{
  return dicenet_graph_node (self->program->graph, self->layout->steps[step].node);
}

static guint
count_readers (const CudaPlan *self, guint node)
{
  guint n = 0;
  for (guint i = 0; i < self->program->graph->nodes->len; i++) {
    const DicenetNode *reader = dicenet_graph_node (self->program->graph, i);
    for (guint k = 0; k < reader->n_inputs; k++)
      n += reader->inputs[k] == node;
  }
  for (guint k = 0; k < self->program->graph->n_outputs; k++)
    n += self->program->graph->outputs[k].node == node;
  return n;
}

/* Whether @step is a matrix whose input is only used by it and comes from the previous step, and that is small enough
 * for the gate's kernel. */
static gboolean
is_matrix_after (const CudaPlan *self, guint step)
{
  if (step >= self->layout->n_steps)
    return FALSE;
  const DicenetNode *node = node_of (self, step);
  const guint before = self->layout->steps[step - 1].node;
  const guint inputs = dicenet_node_channels (self->program->graph, before);
  return node->op == DICENET_OP_CONV && node->is_fully_connected && node->n_inputs == 1 && node->inputs[0] == before &&
         count_readers (self, before) == 1 && node->activation != DICENET_ACTIVATION_PRELU &&
         MAX (inputs, node->channels) <= DICENET_CUDA_GATE_CHANNELS &&
         (gsize) inputs / node->groups * node->channels <= GATE_WEIGHTS;
}

/* Merges the matrices after a mean into its step. If its input comes from a DiCE unit, that unit computes the sums. */
static void
prepare_mean (CudaPlan *self, guint k)
{
  Step *step = &self->steps[k];

  while (step->n_matrices < 2 && is_matrix_after (self, k + 1 + step->n_matrices)) {
    step->n_matrices++;
    self->steps[k + step->n_matrices].is_done = TRUE;
  }
  for (guint i = 0; step->n_matrices > 0 && i < k; i++)
    if (self->layout->steps[i].node == node_of (self, k)->inputs[0] && node_of (self, i)->op == DICENET_OP_DICE) {
      const DicenetTensorRef *view = self->layout->steps[i].output;
      step->sums = self->steps[i].sums = self->sums_floats;
      self->sums_floats += (gsize) view->c * dicenet_cuda_dice_parts (view->h, view->w);
    }
}

static void
prepare_scales (CudaPlan *self, Step *step, guint h, guint w, GHashTable *axes)
{
  for (guint k = 0; k < DICENET_EPP_BRANCHES; k++) {
    const guint sh = dicenet_epp_size (h, k), sw = dicenet_epp_size (w, k);
    if (k < DICENET_EPP_IDENTITY) {
      step->composed[k][0] = add_composed (self, dicenet_composed_axis_get (axes, h, sh));
      step->composed[k][1] = add_composed (self, dicenet_composed_axis_get (axes, w, sw));
    } else if (k > DICENET_EPP_IDENTITY) {
      step->branches[k][0] = add_axis (self, dicenet_axis_get (axes, h, sh, DICENET_RESIZE_DOWN));
      step->branches[k][1] = add_axis (self, dicenet_axis_get (axes, w, sw, DICENET_RESIZE_DOWN));
      step->branches[k][2] = add_axis (self, dicenet_axis_get (axes, sh, h, DICENET_RESIZE_UP));
      step->branches[k][3] = add_axis (self, dicenet_axis_get (axes, sw, w, DICENET_RESIZE_UP));
    }
  }
}

static void
prepare_step (CudaPlan *self, guint k, GHashTable *axes)
{
  const DicenetStep *s = &self->layout->steps[k];
  const DicenetNode *node = node_of (self, k);
  const CudaNodeWeights *w = cuda_weights_node (self->weights, s->node);
  Step *step = &self->steps[k];

  if (node->op == DICENET_OP_DICE) {
    step->height = add_branch (self, w->height, node->kernel_height, s->output->h, axes);
    step->width = add_branch (self, w->width, node->kernel_width, s->output->w, axes);
  } else if (node->op == DICENET_OP_UPSAMPLE || node->op == DICENET_OP_UPSAMPLE_ADD) {
    step->rows = add_axis (self, dicenet_axis_get (axes, s->inputs[0]->h, s->output->h, DICENET_RESIZE_UP));
    step->columns = add_axis (self, dicenet_axis_get (axes, s->inputs[0]->w, s->output->w, DICENET_RESIZE_UP));
  } else if (node->op == DICENET_OP_EPP)
    prepare_scales (self, step, s->output->h, s->output->w, axes);
  else if (node->op == DICENET_OP_GLOBAL_AVG_POOL)
    prepare_mean (self, k);
}

static const DicenetTensorRef *
output_view (const CudaPlan *self, guint k)
{
  return &self->layout->views[self->program->graph->outputs[k].node];
}

static void
prepare_results (CudaPlan *self)
{
  const DicenetSize *size = self->size;

  if (size->rows) {
    self->mask_rows = add_axis (self, size->rows);
    self->mask_columns = add_axis (self, size->columns);
  }
  if (size->priors)
    self->priors = add_table (self, size->priors, 4 * (gsize) size->n_priors * sizeof *size->priors);
}

static gboolean
upload_tables (CudaPlan *self, cudaStream_t stream, GError **error)
{
  return cuda_allocate ((gpointer *) &self->tables, self->host->len, "tables", stream, error) &&
         cuda_check (cudaMemcpyAsync (self->tables, self->host->data, self->host->len, cudaMemcpyHostToDevice, stream),
                     "copying tables", error) &&
         cuda_check (cudaStreamSynchronize (stream), "copying tables", error);
}

gsize
cuda_plan_scratch (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data)
{
  return node->op == DICENET_OP_EPP ? dicenet_cuda_epp_scratch (input.c, input.h, input.w) : 0;
}

CudaPlan *
cuda_plan_new (const DicenetNetwork *program, const CudaWeights *weights, const DicenetSize *size,
               const DicenetCudaDevice *device, cudaStream_t stream, GError **error)
{
  CudaPlan *self = g_new0 (CudaPlan, 1);

  self->program = program;
  self->weights = weights;
  self->device = device;
  self->size = size;
  self->layout = size->plan;
  self->batch = size->batch;
  self->steps = g_new0 (Step, self->layout->n_steps);
  self->host = g_byte_array_new ();
  self->placed = g_hash_table_new (NULL, NULL);
  add_views (self);
  for (guint k = 0; k < self->layout->n_steps; k++)
    self->steps[k].sums = NO_TABLE;
  for (guint k = 0; k < self->layout->n_steps; k++)
    prepare_step (self, k, size->axes);
  prepare_results (self);
  const gboolean is_there = upload_tables (self, stream, error);
  g_clear_pointer (&self->host, g_byte_array_unref);
  g_clear_pointer (&self->placed, g_hash_table_unref);
  if (is_there)
    return self;
  cuda_plan_free (self, stream);
  return NULL;
}

void
cuda_plan_free (CudaPlan *self, cudaStream_t stream)
{
  cudaFreeAsync (self->tables, stream);
  g_free (self->planes);
  g_free (self->steps);
  g_free (self);
}

/* Results follow the sums. */
static gsize
results_place (const CudaPlan *self)
{
  return dicenet_align_floats (self->batch * (self->layout->arena_floats + self->sums_floats)) * sizeof (gfloat);
}

static gsize
mask_bytes (const CudaPlan *self)
{
  return (gsize) self->layout->width * self->layout->height;
}

gsize
cuda_plan_get_boxes_bytes (const CudaPlan *self)
{
  return sizeof (CudaBoxes) + self->program->description->n_classes * sizeof (gfloat);
}

/* The scratch for boxes follows them. */
static gsize
boxes_place (const CudaPlan *self)
{
  return dicenet_align_floats (cuda_plan_get_boxes_bytes (self)) * sizeof (gfloat);
}

gsize
cuda_plan_get_bytes (const CudaPlan *self)
{
  const guint classes = self->program->description->n_classes;

  if (self->size->rows)
    return results_place (self) + self->batch * mask_bytes (self);
  if (self->size->priors)
    return results_place (self) + boxes_place (self) + dicenet_cuda_detect_scratch (self->size->n_priors, classes, 1);
  return results_place (self);
}

/* --- arguments of kernels --- */

/* Arguments for enqueuing a step. */
typedef struct {
  const CudaPlan *plan;
  const DicenetStep *layout;
  const Step *step;
  const DicenetNode *node;
  const CudaNodeWeights *w;
  gfloat *arena;
  DicenetCudaComputeType compute_type;
  cudaStream_t stream;
} Call;

static DicenetCudaTensor
tensor_of (const Call *call, const DicenetTensorRef *view)
{
  const CudaPlan *plan = call->plan;
  return (DicenetCudaTensor){ .base = call->arena,
                              .planes = (const unsigned *) (plan->tables + plan->planes[view - plan->layout->views]),
                              .c = view->c,
                              .h = view->h,
                              .w = view->w,
                              .n = plan->batch,
                              .stride = plan->layout->arena_floats };
}

DicenetCudaTensor
cuda_plan_get_input (const CudaPlan *self, gfloat *arena)
{
  const Call call = { .plan = self, .arena = arena };
  return tensor_of (&call, &self->layout->views[0]);
}

static DicenetCudaAxis
axis_of (const Call *call, const Axis *a)
{
  const guint8 *tables = call->plan->tables;
  return (DicenetCudaAxis){ a->in, a->out, a->taps, (const int *) (tables + a->start),
                            (const float *) (tables + a->weight) };
}

static DicenetCudaComposedAxis
composed_of (const Call *call, const ComposedAxis *t)
{
  return (DicenetCudaComposedAxis){ t->taps, t->first, (const float *) (call->plan->tables + t->weight) };
}

static DicenetCudaBranch
branch_of (const Call *call, const Branch *b)
{
  const guint8 *tables = call->plan->tables;
  return (DicenetCudaBranch){ b->n, b->taps, (const int *) (tables + b->start), (const float *) (tables + b->weight) };
}

/* Sums follow all pictures' activations. */
static float *
sums_of (const Call *call)
{
  const CudaPlan *plan = call->plan;
  if (call->step->sums == NO_TABLE)
    return NULL;
  return call->arena + plan->batch * (plan->layout->arena_floats + call->step->sums);
}

static cudaError_t
enqueue_conv (const Call *call)
{
  DicenetCudaConv conv = {
    .x = tensor_of (call, call->layout->inputs[0]),
    .y = tensor_of (call, call->layout->output),
    .weight = call->w->weight,
    .bias = call->w->bias,
    .slope = call->w->slope,
    .kernel = call->node->kernel,
    .stride = call->node->stride,
    .groups = call->node->groups,
    .activation = call->node->activation,
    .compute_type = call->compute_type,
  };

  if (call->layout->n_inputs > 1)
    conv.gate = tensor_of (call, call->layout->inputs[1]);
  if (conv.kernel == 3)
    return dicenet_cuda_conv_direct (&conv, call->stream);
  if (conv.x.h * conv.x.w == 1 && conv.x.c <= DICENET_CUDA_GEMV_INPUTS)
    return dicenet_cuda_gemv (&conv, call->stream);
  return dicenet_cuda_conv_pointwise (&conv, call->plan->device, call->stream);
}

static cudaError_t
enqueue_dice (const Call *call)
{
  const DicenetCudaDice dice = {
    .x = tensor_of (call, call->layout->inputs[0]),
    .y = tensor_of (call, call->layout->output),
    .depth = call->w->weight,
    .height = branch_of (call, &call->step->height),
    .width = branch_of (call, &call->step->width),
    .branch_scale = call->w->branch_scale,
    .branch_bias = call->w->branch_bias,
    .branch_slope = call->w->branch_slope,
    .fuse_weight = call->w->fuse_weight,
    .fuse_bias = call->w->fuse_bias,
    .fuse_slope = call->w->slope,
    .sums = sums_of (call),
  };
  return dicenet_cuda_dice (&dice, call->plan->device, call->stream);
}

static cudaError_t
enqueue_global_avg_pool (const Call *call)
{
  const DicenetStep *last = call->layout + call->step->n_matrices;
  const DicenetCudaTensor x = tensor_of (call, call->layout->inputs[0]), y = tensor_of (call, last->output);
  DicenetCudaGate gate = {
    x, y, sums_of (call), dicenet_cuda_dice_parts (x.h, x.w), call->step->n_matrices, { { 0 } }
  };

  if (gate.n_matrices == 0)
    return dicenet_cuda_global_avg_pool (&x, &y, call->stream);
  for (guint i = 0; i < gate.n_matrices; i++) {
    const guint index = call->layout[i + 1].node;
    const DicenetNode *node = dicenet_graph_node (call->plan->program->graph, index);
    const CudaNodeWeights *w = cuda_weights_node (call->plan->weights, index);
    gate.matrices[i].weight = w->weight;
    gate.matrices[i].bias = w->bias;
    gate.matrices[i].channels = node->channels;
    gate.matrices[i].groups = node->groups;
    gate.matrices[i].activation = node->activation;
  }
  return dicenet_cuda_gate (&gate, call->stream);
}

static cudaError_t
enqueue_upsample (const Call *call)
{
  const DicenetCudaTensor x = tensor_of (call, call->layout->inputs[0]), y = tensor_of (call, call->layout->output);
  const DicenetCudaAxis rows = axis_of (call, &call->step->rows), columns = axis_of (call, &call->step->columns);
  return dicenet_cuda_resize (&x, &y, &rows, &columns, call->stream);
}

static cudaError_t
enqueue_upsample_add (const Call *call)
{
  DicenetCudaUpsampleAdd merge = {
    .x0 = tensor_of (call, call->layout->inputs[0]),
    .x1 = tensor_of (call, call->layout->inputs[1]),
    .y = tensor_of (call, call->layout->output),
    .rows = axis_of (call, &call->step->rows),
    .columns = axis_of (call, &call->step->columns),
    .scale = call->w->scale,
    .bias = call->w->bias,
    .slope = call->w->slope,
  };

  if (call->layout->n_inputs > 2)
    merge.gate = tensor_of (call, call->layout->inputs[2]);
  return dicenet_cuda_upsample_add (&merge, call->stream);
}

static cudaError_t
enqueue_epp (const Call *call)
{
  DicenetCudaEpp p = {
    .x = tensor_of (call, call->layout->inputs[0]),
    .y = tensor_of (call, call->layout->output),
    .weight = call->w->weight,
    .bias = call->w->bias,
    .slope = call->w->branch_slope,
    .merge_weight = call->w->fuse_weight,
    .merge_bias = call->w->fuse_bias,
    .merge_slope = call->w->slope,
    .scratch = call->arena + call->layout->scratch,
  };

  for (guint k = 0; k < DICENET_EPP_BRANCHES; k++) {
    p.branches[k].h = dicenet_epp_size (p.x.h, k);
    p.branches[k].w = dicenet_epp_size (p.x.w, k);
    if (k < DICENET_EPP_IDENTITY) {
      p.branches[k].composed_rows = composed_of (call, &call->step->composed[k][0]);
      p.branches[k].composed_columns = composed_of (call, &call->step->composed[k][1]);
    } else if (k > DICENET_EPP_IDENTITY) {
      p.branches[k].rows = axis_of (call, &call->step->branches[k][0]);
      p.branches[k].columns = axis_of (call, &call->step->branches[k][1]);
      p.branches[k].rows_back = axis_of (call, &call->step->branches[k][2]);
      p.branches[k].columns_back = axis_of (call, &call->step->branches[k][3]);
    }
  }
  return dicenet_cuda_epp (&p, call->plan->device, call->stream);
}

static cudaError_t
enqueue_flatten (const Call *call)
{
  DicenetCudaTensor maps[DICENET_MAX_INPUTS];
  const DicenetCudaTensor y = tensor_of (call, call->layout->output);

  for (guint k = 0; k < call->layout->n_inputs; k++)
    maps[k] = tensor_of (call, call->layout->inputs[k]);
  return dicenet_cuda_flatten (maps, call->layout->n_inputs, &y, call->stream);
}

static cudaError_t
enqueue_pool (const Call *call)
{
  const DicenetCudaTensor x = tensor_of (call, call->layout->inputs[0]), y = tensor_of (call, call->layout->output);
  return call->node->op == DICENET_OP_MAX_POOL ? dicenet_cuda_max_pool (&x, &y, call->stream)
                                               : dicenet_cuda_avg_pool (&x, &y, call->stream);
}

static cudaError_t (*const functions[DICENET_N_OPS]) (const Call *) = {
  [DICENET_OP_CONV] = enqueue_conv,
  [DICENET_OP_DICE] = enqueue_dice,
  [DICENET_OP_MAX_POOL] = enqueue_pool,
  [DICENET_OP_AVG_POOL] = enqueue_pool,
  [DICENET_OP_GLOBAL_AVG_POOL] = enqueue_global_avg_pool,
  [DICENET_OP_UPSAMPLE] = enqueue_upsample,
  [DICENET_OP_EPP] = enqueue_epp,
  [DICENET_OP_UPSAMPLE_ADD] = enqueue_upsample_add,
  [DICENET_OP_FLATTEN] = enqueue_flatten,
};

gboolean
cuda_plan_supports (DicenetOp op)
{
  return functions[op] != NULL;
}

gboolean
cuda_plan_enqueue (const CudaPlan *self, guint step, gfloat *arena, DicenetCudaComputeType compute_type,
                   cudaStream_t stream, GError **error)
{
  const DicenetStep *layout = &self->layout->steps[step];
  const Call call = { self,
                      layout,
                      &self->steps[step],
                      node_of (self, step),
                      cuda_weights_node (self->weights, layout->node),
                      arena,
                      compute_type,
                      stream };

  return self->steps[step].is_done || cuda_check (functions[call.node->op](&call), call.node->name, error);
}

/* --- results --- */

gboolean
cuda_plan_enqueue_masks (const CudaPlan *self, gfloat *arena, cudaStream_t stream, GError **error)
{
  const Call call = { .plan = self, .arena = arena };
  const DicenetCudaMask mask = { .logits = tensor_of (&call, output_view (self, 0)),
                                 .rows = axis_of (&call, &self->mask_rows),
                                 .columns = axis_of (&call, &self->mask_columns),
                                 .masks = (guint8 *) cuda_plan_get_masks (self, arena),
                                 .row_stride = self->layout->width,
                                 .picture_stride = mask_bytes (self) };
  return cuda_check (dicenet_cuda_mask (&mask, stream), "making masks", error);
}

const guint8 *
cuda_plan_get_masks (const CudaPlan *self, const gfloat *arena)
{
  return (const guint8 *) arena + results_place (self);
}

/* Output @k of one picture. */
static DicenetCudaTensor
picture_of (const Call *call, guint k, guint image)
{
  DicenetCudaTensor t = tensor_of (call, output_view (call->plan, k));

  t.base += image * t.stride;
  t.n = 1;
  return t;
}

gboolean
cuda_plan_enqueue_boxes (const CudaPlan *self, gfloat *arena, guint image, CudaBoxes *host, cudaStream_t stream,
                         GError **error)
{
  const Call call = { .plan = self, .arena = arena };
  guint8 *results = (guint8 *) arena + results_place (self);
  CudaBoxes *device = (CudaBoxes *) results;
  const gsize bytes = cuda_plan_get_boxes_bytes (self);
  const DicenetCudaDetect detect = { .confidences = picture_of (&call, 0, image),
                                     .locations = picture_of (&call, 1, image),
                                     .priors = (const float *) (self->tables + self->priors),
                                     .n_priors = self->size->n_priors,
                                     .n_classes = self->program->description->n_classes,
                                     .is_anchor_free = self->program->description->head == DICENET_HEAD_ANCHOR_FREE,
                                     .params = &device->params,
                                     .thresholds = device->thresholds,
                                     .n_boxes = &device->n_boxes,
                                     .boxes = device->boxes,
                                     .capacity = CUDA_MAX_BOXES,
                                     .scratch = results + boxes_place (self) };

  return cuda_check (cudaMemcpyAsync (device, host, bytes, cudaMemcpyHostToDevice, stream), "finding boxes", error) &&
         cuda_check (dicenet_cuda_detect (&detect, stream), "finding boxes", error) &&
         cuda_check (cudaMemcpyAsync (host, device, bytes, cudaMemcpyDeviceToHost, stream), "finding boxes", error);
}
