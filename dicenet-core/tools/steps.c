/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools.h"

#include <math.h>
#include "../api/session-private.h"
#include "../api/model-private.h"
#include "../kernels/kernels.h"

/* Measures how the run time of a network is divided among kinds of steps. */

typedef enum {
  POINTWISE,
  DENSE,
  GROUPED,
  FULLY_CONNECTED,
  DICE,
  EPP,
  UPSAMPLE_ADD,
  POOLS,
  UPSAMPLE,
  LAYOUT,
  N_KINDS,
} Kind;

static const char *const names[N_KINDS] = {
  [POINTWISE] = "pointwise",
  [DENSE] = "dense 3 x 3",
  [GROUPED] = "grouped 3 x 3",
  [FULLY_CONNECTED] = "fully connected (GEMV)",
  [DICE] = "DimConv and local fusion",
  [EPP] = "EPP units",
  [UPSAMPLE_ADD] = "upsampling and adding",
  [POOLS] = "pooling",
  [UPSAMPLE] = "upsampling",
  [LAYOUT] = "layout",
};

static Kind
kind_of (const DicenetNode *node, const DicenetShape *shape)
{
  switch (node->op) {
  case DICENET_OP_CONV:
    if (shape->h * shape->w == 1 && node->kernel == 1)
      return FULLY_CONNECTED;
    if (node->kernel == 1)
      return POINTWISE;
    return dicenet_conv_is_dense (node->channels, node->groups, node->kernel) ? DENSE : GROUPED;
  case DICENET_OP_DICE:
    return DICE;
  case DICENET_OP_EPP:
    return EPP;
  case DICENET_OP_UPSAMPLE_ADD:
    return UPSAMPLE_ADD;
  case DICENET_OP_UPSAMPLE:
    return UPSAMPLE;
  case DICENET_OP_FLATTEN:
    return LAYOUT;
  default:
    return POOLS;
  }
}

static double
multiply_adds (const DicenetGraph *graph, const DicenetNode *node, const DicenetShape *shape)
{
  if (node->op != DICENET_OP_CONV)
    return 0;
  return (double) shape->c * shape->h * shape->w * dicenet_node_channels (graph, node->inputs[0]) / node->groups *
         node->kernel * node->kernel;
}

static void
print_kinds (const DicenetGraph *graph, const DicenetShape *shapes, const gdouble *seconds)
{
  double time[N_KINDS] = { 0 }, work[N_KINDS] = { 0 }, total = 0;
  guint count[N_KINDS] = { 0 };

  for (guint i = 0; i < graph->nodes->len; i++) {
    const DicenetNode *node = dicenet_graph_node (graph, i);
    if (isinf (seconds[i])) /* not a step */
      continue;
    const Kind kind = kind_of (node, &shapes[i]);
    time[kind] += seconds[i];
    work[kind] += multiply_adds (graph, node, &shapes[i]);
    count[kind]++;
    total += seconds[i];
  }
  g_print ("%-32s %6s %9s %7s %9s\n", "steps, the least that each took", "number", "ms", "share", "GFLOP/s");
  for (guint k = 0; k < N_KINDS; k++) {
    if (count[k] == 0)
      continue;
    g_print ("%-32s %6u %9.3f %5.1f %%", names[k], count[k], time[k] * 1e3, 100 * time[k] / total);
    if (work[k] > 0)
      g_print (" %9.1f", 2 * work[k] / time[k] / 1e9);
    g_print ("\n");
  }
  g_print ("%-32s %6s %9.3f\n", "all", "", total * 1e3);
}

gboolean
dicenet_tool_time_steps (DicenetSession *session, const gfloat *input, guint width, guint height, double seconds,
                         GError **error)
{
  const DicenetGraph *graph = dicenet_model_get_program (dicenet_session_get_model (session))->graph;
  DicenetExecutor *executor = dicenet_session_get_executor (session);
  g_autofree DicenetShape *shapes = dicenet_shapes (graph, width, height);
  g_autofree gdouble *least = g_new (gdouble, graph->nodes->len);
  const gint64 begin = g_get_monotonic_time ();
  gboolean ok;

  for (guint i = 0; i < graph->nodes->len; i++)
    least[i] = INFINITY;
  executor->step_seconds = least;
  do {
    ok = dicenet_tool_run_tensor (session, input, 1, width, height, error);
  } while (ok && (double) (g_get_monotonic_time () - begin) < seconds * 1e6);
  executor->step_seconds = NULL;
  if (ok)
    print_kinds (graph, shapes, least);
  return ok;
}
