/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools.h"

#include "../cpu/bind.h"
#include "../file/find.h"
#include "../file/json.h"
#include "../graph/cost.h"
#include "../graph/fold.h"
#include "../tasks/tasks.h"
#include "json-out.h"

typedef struct {
  GPtrArray *tensors; /* Tensor, those in its file */
  guint64 n_parameters;
} Layer;

typedef struct {
  char *name;
  GArray *dims; /* guint64 */
} Tensor;

typedef struct {
  char *path;
  DicenetDescription description;
  DicenetGraph *graph;
  Layer *layers; /* by node */
  guint64 n_parameters;
  DicenetShape *shapes; /* by node, at the requested size */
  guint width, height;
  guint64 total, macs[DICENET_N_COSTS];
  gsize arena_bytes;
} Info;

static void
tensor_free (gpointer data)
{
  Tensor *tensor = data;

  g_array_unref (tensor->dims);
  g_free (tensor->name);
  g_free (tensor);
}

static void
info_clear (Info *info)
{
  for (guint i = 0; info->layers && i < info->graph->nodes->len; i++)
    g_ptr_array_unref (info->layers[i].tensors);
  g_free (info->layers);
  g_free (info->shapes);
  dicenet_graph_free (info->graph);
  dicenet_description_clear (&info->description);
  g_free (info->path);
}

static void
add_tensor (guint node, const char *name, const guint64 *dims, guint n_dims, gboolean is_trained, gpointer data)
{
  Info *info = data;
  Layer *layer = &info->layers[node];
  Tensor *tensor = g_new (Tensor, 1);
  guint64 n = is_trained ? 1 : 0;

  *tensor = (Tensor){ g_strdup (name), g_array_new (FALSE, FALSE, sizeof *dims) };
  g_array_append_vals (tensor->dims, dims, n_dims);
  g_ptr_array_add (layer->tensors, tensor);
  for (guint i = 0; i < n_dims; i++)
    n *= dims[i];
  layer->n_parameters += n;
  info->n_parameters += n;
}

/* Reads the description; whether the tensors match it is not checked. */
static gboolean
read_description (Info *info, GError **error)
{
  g_autoptr (DicenetSafetensors) file = dicenet_safetensors_open (info->path, error);

  if (file == NULL || !dicenet_task_read (&info->description, file, error))
    return FALSE;
  info->graph = dicenet_task_build (&info->description);
  if (!dicenet_cpu_check_int8 (&info->description, info->graph, info->path, error))
    return FALSE;
  info->layers = g_new0 (Layer, info->graph->nodes->len);
  for (guint i = 0; i < info->graph->nodes->len; i++)
    info->layers[i].tensors = g_ptr_array_new_with_free_func (tensor_free);
  return dicenet_graph_list_tensors (info->graph, add_tensor, info, error);
}

static gsize
weight_bytes (const Info *info, DicenetPrecision precision)
{
  return dicenet_cpu_weight_bytes (info->graph, dicenet_cpu_precision (precision));
}

static const char *
has_precision (DicenetPrecision precision)
{
  return dicenet_cpu_precision_there (precision, dicenet_cpu_mask ()) ? "this CPU has" : "this CPU lacks";
}

static void
add_size (DicenetJsonOut *out, const char *name, guint width, guint height)
{
  dicenet_json_out_open (out, name, '{');
  dicenet_json_out_number (out, "width", width);
  dicenet_json_out_number (out, "height", height);
  dicenet_json_out_close (out, '}');
}

static void
add_fact (DicenetJsonOut *out, const DicenetFact *fact)
{
  switch (fact->kind) {
  case DICENET_FACT_BOOLEAN:
    dicenet_json_out_boolean (out, fact->name, fact->is_true);
    break;
  case DICENET_FACT_NUMBER:
    dicenet_json_out_number (out, fact->name, fact->number);
    break;
  case DICENET_FACT_NUMBERS:
    dicenet_json_out_open (out, fact->name, '[');
    for (guint i = 0; i < fact->n_numbers; i++)
      dicenet_json_out_number (out, NULL, fact->numbers[i]);
    dicenet_json_out_close (out, ']');
    break;
  case DICENET_FACT_TEXT:
    dicenet_json_out_string (out, fact->name, fact->text);
    break;
  }
}

static void
add_description (DicenetJsonOut *out, const Info *info)
{
  const DicenetDescription *d = &info->description;
  DicenetFact facts[DICENET_MAX_FACTS];

  dicenet_json_out_string (out, "model", info->path);
  dicenet_json_out_string (out, "task", dicenet_task_get (d->task)->keys.name);
  dicenet_json_out_string (out, "backbone", dicenet_backbone_names[d->backbone]);
  dicenet_json_out_number (out, "scale", d->widths.scale);
  dicenet_json_out_number (out, "classes", d->n_classes);
  dicenet_json_out_open (out, "labels", '[');
  for (guint i = 0; i < d->n_classes; i++)
    dicenet_json_out_string (out, NULL, d->labels[i]);
  dicenet_json_out_close (out, ']');
  dicenet_json_out_number (out, "background", d->background);
  const guint n = dicenet_task_get (d->task)->describe (d, facts);
  for (guint i = 0; i < n; i++)
    add_fact (out, &facts[i]);
  dicenet_json_out_boolean (out, "int8_ranges", d->int8_ranges != NULL);
  add_size (out, "trained_size", d->width, d->height);
  add_size (out, "kernel_size", d->kernel_width, d->kernel_height);
}

static void
add_layer (DicenetJsonOut *out, const Info *info, guint node)
{
  const DicenetShape *shape = &info->shapes[node];
  const guint64 output[] = { shape->c, shape->h, shape->w };
  const Layer *layer = &info->layers[node];

  dicenet_json_out_open (out, NULL, '{');
  dicenet_json_out_string (out, "name", dicenet_graph_node (info->graph, node)->name);
  dicenet_json_out_string (out, "operation", dicenet_op_names[dicenet_graph_node (info->graph, node)->op]);
  dicenet_json_out_numbers (out, "output", output, G_N_ELEMENTS (output));
  dicenet_json_out_number (out, "multiply_adds", dicenet_node_cost (info->graph, info->shapes, node));
  dicenet_json_out_number (out, "parameters", (double) layer->n_parameters);
  dicenet_json_out_open (out, "tensors", '{');
  for (guint i = 0; i < layer->tensors->len; i++) {
    const Tensor *tensor = layer->tensors->pdata[i];
    dicenet_json_out_numbers (out, tensor->name, (const guint64 *) tensor->dims->data, tensor->dims->len);
  }
  dicenet_json_out_close (out, '}');
  dicenet_json_out_close (out, '}');
}

static void
print_json (const Info *info, gboolean with_layers)
{
  DicenetJsonOut out = DICENET_JSON_OUT_INIT;

  dicenet_json_out_open (&out, NULL, '{');
  add_description (&out, info);
  add_size (&out, "size", info->width, info->height);
  dicenet_json_out_number (&out, "parameters", (double) info->n_parameters);
  dicenet_json_out_open (&out, "multiply_adds", '{');
  dicenet_json_out_number (&out, "total", (double) info->total);
  for (guint k = 0; k < DICENET_N_COSTS; k++)
    dicenet_json_out_number (&out, dicenet_cost_names[k], (double) info->macs[k]);
  dicenet_json_out_close (&out, '}');
  dicenet_json_out_open (&out, "memory", '{');
  dicenet_json_out_number (&out, "weights", (double) weight_bytes (info, DICENET_PRECISION_FLOAT32));
  dicenet_json_out_number (&out, "bfloat16_weights", (double) weight_bytes (info, DICENET_PRECISION_BFLOAT16));
  dicenet_json_out_number (&out, "int8_weights", (double) weight_bytes (info, DICENET_PRECISION_INT8));
  dicenet_json_out_number (&out, "activations", (double) info->arena_bytes);
  dicenet_json_out_close (&out, '}');
  if (with_layers) {
    dicenet_json_out_open (&out, "layers", '[');
    for (guint i = 0; i < info->graph->nodes->len; i++)
      add_layer (&out, info, i);
    dicenet_json_out_close (&out, ']');
  }
  dicenet_json_out_close (&out, '}');
  dicenet_json_out_print (&out);
}

/* Classes, in texts. */
#define MAX_SHOWN 25

static void
print_labels (const DicenetDescription *d)
{
  const guint shown = MIN (d->n_classes, MAX_SHOWN);
  g_print ("labels         ");
  for (guint i = 0; i < shown; i++) {
    g_autofree char *label = dicenet_text_excerpt (d->labels[i]);
    g_print ("%s%s", label, i + 1 < shown ? ", " : "");
  }
  g_print ("%s\n", shown < d->n_classes ? ", ..." : "");
}

static void
print_by_class (const DicenetDescription *d, const DicenetFact *fact)
{
  const guint shown = MIN (fact->n_numbers, MAX_SHOWN);
  const guint first = d->background == 0 ? 1 : 0; /* a detector never reports it */

  g_print ("%-14s ", fact->words);
  for (guint i = first; i < shown; i++) {
    g_autofree char *label = dicenet_text_excerpt (d->labels[i]);
    g_print ("%s %g%s", label, (double) fact->numbers[i], i + 1 < shown ? ", " : "");
  }
  g_print ("%s\n", shown < fact->n_numbers ? ", ..." : "");
}

static void
print_text (const Info *info)
{
  const DicenetDescription *d = &info->description;
  DicenetFact facts[DICENET_MAX_FACTS];
  const guint n = dicenet_task_get (d->task)->describe (d, facts);

  g_autofree char *path = dicenet_path_excerpt (info->path);
  g_print ("model          %s\n", path);
  g_print ("task           %s", dicenet_task_get (d->task)->keys.name);
  for (guint i = 0; i < n; i++) {
    const gboolean is_said = facts[i].kind == DICENET_FACT_TEXT || facts[i].is_true;
    if (is_said && facts[i].words)
      g_print (", %s", facts[i].words);
  }
  g_print ("\nbackbone       %s, scale %g\n", dicenet_backbone_names[d->backbone], d->widths.scale);
  g_print ("classes        %u\n", d->n_classes);
  print_labels (d);
  for (guint i = 0; i < n; i++)
    if (facts[i].kind == DICENET_FACT_NUMBER && facts[i].words)
      g_print ("%-14s %g\n", facts[i].words, facts[i].number);
    else if (facts[i].kind == DICENET_FACT_NUMBERS && facts[i].words)
      print_by_class (d, &facts[i]);
  g_print ("trained size   %u x %u (DimConv kernels for %u x %u)\n", d->width, d->height, d->kernel_width,
           d->kernel_height);
  g_print ("parameters     %.3f M\n", (double) info->n_parameters / 1e6);
  g_print ("\nat %u x %u:\n", info->width, info->height);
  g_print ("multiply-adds  %10.2f M\n", (double) info->total / 1e6);
  for (guint k = 0; k < DICENET_N_COSTS; k++)
    g_print ("  %-14s %8.2f M\n", dicenet_cost_names[k], (double) info->macs[k] / 1e6);
  g_print ("memory         %10.2f MB for weights, once per process, in float32\n",
           (double) weight_bytes (info, DICENET_PRECISION_FLOAT32) / 1e6);
  g_print ("               %10.2f MB for weights in bfloat16, which %s\n",
           (double) weight_bytes (info, DICENET_PRECISION_BFLOAT16) / 1e6, has_precision (DICENET_PRECISION_BFLOAT16));
  g_print ("               %10.2f MB for weights in int8, which %s; the file has %s\n",
           (double) weight_bytes (info, DICENET_PRECISION_INT8) / 1e6, has_precision (DICENET_PRECISION_INT8),
           d->int8_ranges ? "its ranges" : "no ranges for it (models/quantize.py)");
  g_print ("               %10.2f MB for activations, per session on this CPU (%u threads)\n",
           (double) info->arena_bytes / 1e6, dicenet_processors ());
}

static void
print_layers (const Info *info)
{
  g_print ("\n%-14s %20s %12s %15s  %s\n", "operation", "output", "parameters", "multiply-adds", "layer");
  for (guint i = 0; i < info->graph->nodes->len; i++) {
    const DicenetNode *node = dicenet_graph_node (info->graph, i);
    const DicenetShape *shape = &info->shapes[i];
    g_autofree char *output = g_strdup_printf ("%u x %u x %u", shape->c, shape->h, shape->w);
    g_print ("%-14s %20s %12" G_GUINT64_FORMAT " %13.3f M  %s\n", dicenet_op_names[node->op], output,
             info->layers[i].n_parameters, dicenet_node_cost (info->graph, info->shapes, i) / 1e6, node->name);
  }
}

/* The arena size is computed from the plan, because a session would allocate the memory. */
static gboolean
measure (Info *info, GError **error)
{
  DicenetCpu cpu = { .graph = info->graph,
                     .precision = dicenet_cpu_precision (DICENET_PRECISION_FLOAT32),
                     .n_threads = dicenet_processors () };
  DicenetPlan *plan = dicenet_plan_new (info->graph, info->width, info->height, dicenet_cpu_scratch, &cpu, error);

  if (plan == NULL)
    return FALSE;
  info->arena_bytes = plan->arena_floats * sizeof (gfloat);
  dicenet_plan_free (plan);
  info->shapes = dicenet_shapes (info->graph, info->width, info->height);
  info->total = dicenet_cost (info->graph, info->width, info->height, info->macs);
  return TRUE;
}

/* Loads the model to check its tensors, too. */
static gboolean
check_tensors (const char *path, GError **error)
{
  g_autoptr (DicenetModel) model = dicenet_model_load (path, error);

  return model != NULL;
}

static gboolean
read_info (Info *info, const char *model, const char *size, gboolean no_weights, GError **error)
{
  info->path = dicenet_find_model (model, error);
  if (info->path == NULL || (!no_weights && !check_tensors (model, error)) || !read_description (info, error))
    return FALSE;
  info->width = info->description.width;
  info->height = info->description.height;
  return (size == NULL || dicenet_tool_parse_size (size, NULL, &info->width, &info->height, error)) &&
         measure (info, error);
}

gboolean
dicenet_tool_info (int argc, char **argv, GError **error)
{
  g_autofree char *size = NULL;
  gboolean json = FALSE, layers = FALSE, no_weights = FALSE;
  const GOptionEntry entries[] = {
    { "size", 's', 0, G_OPTION_ARG_STRING, &size, "inference size; the model's own by default", "WxH" },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL },
    { "layers", 'l', 0, G_OPTION_ARG_NONE, &layers,
      "also print what each layer is, in the order of computation: its output (channels x height x width), parameters "
      "and multiply-adds, and with --json names and shapes of its tensors in the model file",
      NULL },
    { "no-weights", 0, 0, G_OPTION_ARG_NONE, &no_weights,
      "go by the file's description alone: tensors may be missing, or be others", NULL },
    G_OPTION_ENTRY_NULL,
  };
  Info info = { 0 };
  gboolean ok = dicenet_tool_parse (&argc, &argv, entries, "MODEL", 1, error) &&
                read_info (&info, argv[1], size, no_weights, error);

  if (ok && json)
    print_json (&info, layers);
  if (ok && !json)
    print_text (&info);
  if (ok && !json && layers)
    print_layers (&info);
  info_clear (&info);
  return ok;
}
