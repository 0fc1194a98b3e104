/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <string.h>
#include "graph/plan.h"
#include "api/model-private.h"

/* Records the last writer of each float of the arena. */
static void
mark (guint *owner, const DicenetTensorRef *view, guint node)
{
  for (guint c = 0; c < view->c; c++)
    for (gsize i = 0; i < (gsize) view->h * view->w; i++)
      owner[view->planes[c] + i] = node;
}

/* Checks that every float of @view was last written by a node that @node's view consists of, as recorded. */
static void
assert_intact (const guint *owner, const DicenetTensorRef *view, const guint *expected)
{
  gsize wrong = 0;
  for (guint c = 0; c < view->c; c++)
    for (gsize i = 0; i < (gsize) view->h * view->w; i++)
      wrong += owner[view->planes[c] + i] != expected[c];
  ck_assert_uint_eq (wrong, 0);
}

/* The node from which a channel of a view comes, derived from the graph's definition. */
static guint
source_of (const DicenetGraph *g, guint i, guint c)
{
  const DicenetNode *node = dicenet_graph_node (g, i);
  guint k = 0;
  switch (node->op) {
  case DICENET_OP_CONCAT:
    for (; c >= dicenet_node_channels (g, node->inputs[k]); k++)
      c -= dicenet_node_channels (g, node->inputs[k]);
    return source_of (g, node->inputs[k], c);
  case DICENET_OP_SHUFFLE: /* output channel a * groups + b is input channel b * (C / groups) + a */
    return source_of (g, node->inputs[0], c % node->groups * (node->channels / node->groups) + c / node->groups);
  case DICENET_OP_SLICE:
    return source_of (g, node->inputs[0], node->first + c);
  default:
    return i;
  }
}

static void
assert_view (const DicenetGraph *g, const DicenetPlan *plan, const guint *owner, guint node)
{
  const DicenetTensorRef *view = &plan->views[node];
  g_autofree guint *expected = g_new (guint, view->c);
  for (guint c = 0; c < view->c; c++)
    expected[c] = source_of (g, node, c);
  assert_intact (owner, view, expected);
}

static gsize
scratch (const DicenetNode *node, DicenetShape input, DicenetShape output, gpointer data)
{
  return node->op == DICENET_OP_DICE ? 3 * (gsize) input.h * input.w : 0;
}

/* Simulates a plan: no step finds its inputs overwritten by outputs or scratch memory, and the outputs are intact at
 * the end. */
static void
play (const DicenetGraph *g, guint width, guint height)
{
  DicenetPlan *plan = dicenet_plan_new (g, width, height, scratch, NULL, NULL);
  g_autofree guint *owner = g_new0 (guint, plan->arena_floats);

  mark (owner, &plan->views[0], 0);
  for (guint s = 0; s < plan->n_steps; s++) {
    const DicenetStep *step = &plan->steps[s];
    const DicenetNode *node = dicenet_graph_node (g, step->node);
    const gsize extra =
        scratch (node, (DicenetShape){ 0, step->inputs[0]->h, step->inputs[0]->w }, (DicenetShape){ 0 }, NULL);
    ck_assert_uint_le (step->scratch + extra, plan->arena_floats);
    for (gsize i = 0; i < extra; i++)
      owner[step->scratch + i] = G_MAXUINT;
    mark (owner, step->output, step->node);
    for (guint k = 0; k < step->n_inputs; k++)
      assert_view (g, plan, owner, node->inputs[k]);
    gsize overwritten = 0;
    for (gsize i = 0; i < extra; i++)
      overwritten += owner[step->scratch + i] != G_MAXUINT;
    ck_assert_uint_eq (overwritten, 0);
  }
  for (guint k = 0; k < g->n_outputs; k++)
    assert_view (g, plan, owner, g->outputs[k].node);
  dicenet_plan_free (plan);
}

START_TEST (memory_is_never_shared_too_early)
{
  static const char *const models[] = {
    "anchor-free", "classify", "detect", "mobilenet", "pyramid", "resnet", "segment"
  };
  static const guint sizes[][2] = { { 32, 32 }, { 64, 48 }, { 161, 97 } };

  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (DicenetModel) model = test_model_load (models[m]);
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
      play (dicenet_model_get_program (model)->graph, sizes[i][0], sizes[i][1]);
  }
}
END_TEST

/* A level of the backbone needs little more memory than its input and output: memory must be reused. */
START_TEST (memory_is_used_again)
{
  g_autoptr (DicenetModel) model = test_model_load ("segment");
  const DicenetGraph *g = dicenet_model_get_program (model)->graph;
  DicenetPlan *plan = dicenet_plan_new (g, 256, 256, NULL, NULL, NULL);
  gsize all = 0;

  for (guint s = 0; s < plan->n_steps; s++)
    all += (gsize) plan->steps[s].output->c * plan->steps[s].output->h * plan->steps[s].output->w;
  ck_assert_uint_lt (plan->arena_floats, all / 2);
  dicenet_plan_free (plan);
}
END_TEST

TEST_MAIN ("plan", memory_is_never_shared_too_early, memory_is_used_again)
