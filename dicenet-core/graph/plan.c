/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan.h"

#include "../base/memory-error.h"

/* A block of the arena, in use from step @first to step @last, both inclusive. */
typedef struct {
  gsize size; /* floats */
  gsize offset;
  guint first, last;
} Block;

typedef struct {
  const DicenetGraph *graph;
  const DicenetShape *shapes;
  DicenetPlan *plan;
  GArray *blocks;      /* Block */
  guint *block_of;     /* node -> its block, DICENET_NONE for views */
  guint *scratch_of;   /* node -> its scratch block */
  gsize *first;        /* node -> its first entry in the arrays of all nodes' channels */
  gsize n_channels;    /* of all nodes */
  guint *sources;      /* channel -> the node whose memory contains it */
  guint *source_plane; /* channel -> its plane in that memory */
} Planner;

/* Distance between the planes of a node, in floats. The input and the outputs are packed, as the caller's tensors
 * are. */
static gsize
plane_floats (const Planner *p, guint i)
{
  const gsize n = (gsize) p->shapes[i].h * p->shapes[i].w;

  if (dicenet_graph_node (p->graph, i)->op == DICENET_OP_INPUT)
    return n;
  for (guint k = 0; k < p->graph->n_outputs; k++)
    if (p->graph->outputs[k].node == i)
      return n;
  /* An odd number of cache lines, so that the same pixel of neighbouring planes, which pointwise kernels read together,
   * maps to different sets of the first-level cache even if a plane's size is a power of two. */
  return dicenet_align_floats (n) | DICENET_ALIGNMENT;
}

/* Finds the memory of each channel of a node: its own or, for views, that of their inputs. */
static void
trace_channels (Planner *p, guint i)
{
  const DicenetNode *node = dicenet_graph_node (p->graph, i);
  guint *source = p->sources + p->first[i], *plane = p->source_plane + p->first[i];

  for (guint c = 0, input = 0, begin = 0; c < node->channels; c++) {
    guint from = node->inputs[0], channel = c;
    switch (node->op) {
    case DICENET_OP_CONCAT:
      while (c - begin >= dicenet_node_channels (p->graph, node->inputs[input]))
        begin += dicenet_node_channels (p->graph, node->inputs[input++]);
      from = node->inputs[input];
      channel = c - begin;
      break;
    case DICENET_OP_SHUFFLE:
      channel = c % node->groups * (node->channels / node->groups) + c / node->groups;
      break;
    case DICENET_OP_SLICE:
      channel = node->first + c;
      break;
    default:
      source[c] = i;
      plane[c] = c;
      continue;
    }
    source[c] = p->sources[p->first[from] + channel];
    plane[c] = p->source_plane[p->first[from] + channel];
  }
}

static guint
add_block (Planner *p, gsize size, guint first, guint last)
{
  g_array_append_val (p->blocks, ((Block){ .size = dicenet_align_floats (size), .first = first, .last = last }));
  return p->blocks->len - 1;
}

static void
keep_until (Planner *p, guint node, guint step)
{
  for (guint c = 0; c < dicenet_node_channels (p->graph, node); c++) {
    Block *block = &g_array_index (p->blocks, Block, p->block_of[p->sources[p->first[node] + c]]);
    block->last = MAX (block->last, step);
  }
}

/* Time is measured in node indices: memory lives from the node that writes it to the last one that reads it. */
static void
find_lifetimes (Planner *p, DicenetScratchFunc scratch, gpointer data)
{
  const guint n = p->graph->nodes->len;

  for (guint i = 0; i < n; i++) {
    const DicenetNode *node = dicenet_graph_node (p->graph, i);
    trace_channels (p, i);
    p->block_of[i] = p->scratch_of[i] = DICENET_NONE;
    if (dicenet_op_is_view (node->op))
      continue;
    p->block_of[i] = add_block (p, p->shapes[i].c * plane_floats (p, i), i, i);
    for (guint k = 0; k < node->n_inputs; k++)
      keep_until (p, node->inputs[k], i);
    const gsize extra =
        node->n_inputs > 0 && scratch ? scratch (node, p->shapes[node->inputs[0]], p->shapes[i], data) : 0;
    if (extra > 0)
      p->scratch_of[i] = add_block (p, extra, i, i);
  }
  for (guint k = 0; k < p->graph->n_outputs; k++)
    keep_until (p, p->graph->outputs[k].node, n);
}

static int
compare_size (gconstpointer a, gconstpointer b)
{
  const Block *x = *(Block *const *) a, *y = *(Block *const *) b;
  if (x->size != y->size)
    return x->size < y->size ? 1 : -1;
  return x->first < y->first ? -1 : x->first > y->first;
}

/* The lowest offset at which @block overlaps no placed block with an overlapping lifetime. */
static gsize
lowest_fit (const Block *block, GPtrArray *placed)
{
  gsize at = 0;
  for (guint i = 0; i < placed->len; i++) { /* sorted by offset */
    const Block *other = placed->pdata[i];
    if (other->last < block->first || other->first > block->last)
      continue;
    if (other->offset >= at + block->size)
      break;
    at = MAX (at, other->offset + other->size);
  }
  return at;
}

/* Greedy by size: the largest tensors first, each at its lowest free offset (Pisarchyk and Lee, "Efficient memory
 * management for deep neural net inference", 2020). */
static void
place_blocks (Planner *p)
{
  g_autoptr (GPtrArray) order = g_ptr_array_new (), placed = g_ptr_array_new ();

  for (guint i = 0; i < p->blocks->len; i++)
    g_ptr_array_add (order, &g_array_index (p->blocks, Block, i));
  g_ptr_array_sort (order, compare_size);
  for (guint i = 0; i < order->len; i++) {
    Block *block = order->pdata[i];
    block->offset = lowest_fit (block, placed);
    p->plan->arena_floats = MAX (p->plan->arena_floats, block->offset + block->size);
    guint at = 0;
    while (at < placed->len && ((Block *) placed->pdata[at])->offset <= block->offset)
      at++;
    g_ptr_array_insert (placed, (gint) at, block);
  }
}

static void
make_view (Planner *p, guint i)
{
  DicenetTensorRef *view = &p->plan->views[i];
  const DicenetShape shape = p->shapes[i];
  const guint channels = dicenet_graph_node (p->graph, i)->channels;

  *view = (DicenetTensorRef){ shape.c, shape.h, shape.w, p->plan->planes + p->first[i] };
  for (guint c = 0; c < channels; c++) {
    const gsize at = p->first[i] + c;
    const guint source = p->sources[at];
    view->planes[c] =
        g_array_index (p->blocks, Block, p->block_of[source]).offset + p->source_plane[at] * plane_floats (p, source);
  }
}

static void
make_steps (Planner *p)
{
  DicenetPlan *plan = p->plan;

  plan->steps = g_new0 (DicenetStep, p->graph->nodes->len);
  for (guint i = 0; i < p->graph->nodes->len; i++) {
    const DicenetNode *node = dicenet_graph_node (p->graph, i);
    make_view (p, i);
    if (dicenet_op_is_view (node->op) || node->op == DICENET_OP_INPUT)
      continue;
    DicenetStep *step = &plan->steps[plan->n_steps++];
    *step = (DicenetStep){ .node = i, .n_inputs = node->n_inputs, .output = &plan->views[i] };
    for (guint k = 0; k < node->n_inputs; k++)
      step->inputs[k] = &plan->views[node->inputs[k]];
    if (p->scratch_of[i] != DICENET_NONE)
      step->scratch = g_array_index (p->blocks, Block, p->scratch_of[i]).offset;
  }
}

/* The arrays of all nodes' channels can be large, since a detector has channels for each class. FALSE with @error
 * set. */
static gboolean
planner_allocate (Planner *p, GError **error)
{
  const guint n = p->graph->nodes->len;

  p->blocks = g_array_new (FALSE, TRUE, sizeof (Block));
  p->block_of = g_new (guint, n);
  p->scratch_of = g_new (guint, n);
  p->first = g_new (gsize, n);
  for (guint i = 0; i < n; i++) {
    p->first[i] = p->n_channels;
    p->n_channels += dicenet_node_channels (p->graph, i);
  }
  p->sources = g_try_new (guint, p->n_channels);
  p->source_plane = g_try_new (guint, p->n_channels);
  p->plan->planes = g_try_new (gsize, p->n_channels);
  return (p->sources && p->source_plane && p->plan->planes) ||
         dicenet_no_memory (error, p->n_channels * (2 * sizeof (guint) + sizeof (gsize)), "plan", DICENET_MORE_MEMORY);
}

static void
planner_clear (Planner *p)
{
  g_free (p->first);
  g_free (p->sources);
  g_free (p->source_plane);
  g_free (p->block_of);
  g_free (p->scratch_of);
  g_array_unref (p->blocks);
}

DicenetPlan *
dicenet_plan_new (const DicenetGraph *graph, guint width, guint height, DicenetScratchFunc scratch, gpointer data,
                  GError **error)
{
  const guint n = graph->nodes->len;
  g_autofree DicenetShape *shapes = dicenet_shapes (graph, width, height);
  DicenetPlan *plan = g_new0 (DicenetPlan, 1);
  Planner p = { .graph = graph, .shapes = shapes, .plan = plan };

  plan->width = width;
  plan->height = height;
  plan->n_views = n;
  plan->views = g_new0 (DicenetTensorRef, n);
  if (planner_allocate (&p, error)) {
    find_lifetimes (&p, scratch, data);
    place_blocks (&p);
    make_steps (&p);
  } else {
    g_clear_pointer (&plan, dicenet_plan_free);
  }
  planner_clear (&p);
  return plan;
}

void
dicenet_plan_free (DicenetPlan *self)
{
  if (self == NULL)
    return;
  g_free (self->planes);
  g_free (self->views);
  g_free (self->steps);
  g_free (self);
}
