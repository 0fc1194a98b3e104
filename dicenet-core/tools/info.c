/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools.h"

#include "../cpu/bind.h"
#include "../graph/cost.h"
#include "../file/json.h"
#include "../api/model-private.h"
#include "json-out.h"

typedef struct {
  DicenetModel *model;
  guint width, height;
  guint64 total, macs[DICENET_N_COSTS];
  gsize arena_bytes;
} Info;

static const char *
task_name (DicenetModel *model)
{
  return dicenet_tool_nick (DICENET_TYPE_TASK, (int) dicenet_model_get_task (model));
}

static gsize
weight_bytes (const Info *info, DicenetPrecision precision)
{
  return dicenet_cpu_weight_bytes (dicenet_model_get_program (info->model)->graph, dicenet_cpu_precision (precision));
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
add_description (DicenetJsonOut *out, const Info *info)
{
  const DicenetDescription *d = dicenet_model_get_program (info->model)->description;

  dicenet_json_out_string (out, "model", dicenet_model_get_path (info->model));
  dicenet_json_out_string (out, "task", task_name (info->model));
  dicenet_json_out_string (out, "backbone", dicenet_backbone_names[d->backbone]);
  dicenet_json_out_number (out, "scale", d->widths.scale);
  dicenet_json_out_number (out, "classes", d->n_classes);
  dicenet_json_out_open (out, "labels", '[');
  for (guint i = 0; i < d->n_classes; i++)
    dicenet_json_out_string (out, NULL, d->labels[i]);
  dicenet_json_out_close (out, ']');
  dicenet_json_out_number (out, "background", d->background);
  if (d->task == DICENET_TASK_CLASSIFY) {
    dicenet_json_out_boolean (out, "multi_label", d->multi_label);
  } else if (d->task == DICENET_TASK_DETECT) {
    dicenet_json_out_boolean (out, "pyramid", d->pyramid);
    dicenet_json_out_open (out, "prior_sizes", '[');
    for (guint k = 0; k < G_N_ELEMENTS (d->prior_sizes); k++)
      dicenet_json_out_number (out, NULL, d->prior_sizes[k]);
    dicenet_json_out_close (out, ']');
  } else {
    dicenet_json_out_number (out, "decoder_width", d->decoder_width);
  }
  if (d->task != DICENET_TASK_SEGMENT)
    dicenet_json_out_number (out, "threshold", d->threshold);
  add_size (out, "trained_size", d->width, d->height);
  add_size (out, "kernel_size", d->kernel_width, d->kernel_height);
}

static void
print_json (const Info *info)
{
  DicenetJsonOut out = DICENET_JSON_OUT_INIT;

  dicenet_json_out_open (&out, NULL, '{');
  add_description (&out, info);
  add_size (&out, "size", info->width, info->height);
  dicenet_json_out_number (&out, "parameters", (double) dicenet_model_get_n_parameters (info->model));
  dicenet_json_out_open (&out, "multiply_adds", '{');
  dicenet_json_out_number (&out, "total", (double) info->total);
  for (guint k = 0; k < DICENET_N_COSTS; k++)
    dicenet_json_out_number (&out, dicenet_cost_names[k], (double) info->macs[k]);
  dicenet_json_out_close (&out, '}');
  dicenet_json_out_open (&out, "memory", '{');
  dicenet_json_out_number (&out, "weights", (double) weight_bytes (info, DICENET_PRECISION_FLOAT32));
  dicenet_json_out_number (&out, "bfloat16_weights", (double) weight_bytes (info, DICENET_PRECISION_BFLOAT16));
  dicenet_json_out_number (&out, "activations", (double) info->arena_bytes);
  dicenet_json_out_close (&out, '}');
  dicenet_json_out_close (&out, '}');
  dicenet_json_out_print (&out);
}

static void
print_labels (const DicenetDescription *d)
{
  const guint shown = MIN (d->n_classes, 25);
  g_print ("labels         ");
  for (guint i = 0; i < shown; i++) {
    g_autofree char *label = dicenet_text_excerpt (d->labels[i]);
    g_print ("%s%s", label, i + 1 < shown ? ", " : "");
  }
  g_print ("%s\n", shown < d->n_classes ? ", ..." : "");
}

static void
print_text (const Info *info)
{
  const DicenetDescription *d = dicenet_model_get_program (info->model)->description;

  g_autofree char *path = dicenet_path_excerpt (dicenet_model_get_path (info->model));
  g_print ("model          %s\n", path);
  g_print ("task           %s%s\n", task_name (info->model),
           d->multi_label ? ", multi-label"
           : d->pyramid   ? ", with feature pyramid"
                          : "");
  g_print ("backbone       %s, scale %g\n", dicenet_backbone_names[d->backbone], d->widths.scale);
  g_print ("classes        %u\n", d->n_classes);
  print_labels (d);
  if (d->task != DICENET_TASK_SEGMENT)
    g_print ("threshold      %g\n", d->threshold);
  g_print ("trained size   %u x %u (DimConv kernels for %u x %u)\n", d->width, d->height, d->kernel_width,
           d->kernel_height);
  g_print ("parameters     %.3f M\n", (double) dicenet_model_get_n_parameters (info->model) / 1e6);
  g_print ("\nat %u x %u:\n", info->width, info->height);
  g_print ("multiply-adds  %10.2f M\n", (double) info->total / 1e6);
  for (guint k = 0; k < DICENET_N_COSTS; k++)
    g_print ("  %-14s %8.2f M\n", dicenet_cost_names[k], (double) info->macs[k] / 1e6);
  g_print ("memory         %10.2f MB for weights, once per process, in float32\n",
           (double) weight_bytes (info, DICENET_PRECISION_FLOAT32) / 1e6);
  g_print ("               %10.2f MB for weights in bfloat16, which %s\n",
           (double) weight_bytes (info, DICENET_PRECISION_BFLOAT16) / 1e6,
           dicenet_bf16_is_there (DICENET_CPU_ALL) ? "this CPU has" : "this CPU lacks");
  g_print ("               %10.2f MB for activations, per session on this CPU (%u threads)\n",
           (double) info->arena_bytes / 1e6, dicenet_processors ());
}

gboolean
dicenet_tool_info (int argc, char **argv, GError **error)
{
  g_autofree char *size = NULL;
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "size", 's', 0, G_OPTION_ARG_STRING, &size, "inference size; the model's own by default", "WxH" },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL },
    G_OPTION_ENTRY_NULL,
  };
  Info info = { 0 };

  if (!dicenet_tool_parse (&argc, &argv, entries, "MODEL", 1, error))
    return FALSE;
  g_autoptr (DicenetModel) model = dicenet_model_load (argv[1], error);
  if (model == NULL || !dicenet_tool_parse_size (size, model, &info.width, &info.height, error))
    return FALSE;
  /* The plan's own figure, without touching memory: a session would allocate it. */
  DicenetCpu cpu = { .n_threads = dicenet_processors () };
  DicenetPlan *plan = dicenet_plan_new (dicenet_model_get_program (model)->graph, info.width, info.height,
                                        dicenet_cpu_scratch, &cpu, error);
  if (plan == NULL)
    return FALSE;
  info.model = model;
  info.total = dicenet_cost (dicenet_model_get_program (model)->graph, info.width, info.height, info.macs);
  info.arena_bytes = plan->arena_floats * sizeof (gfloat);
  dicenet_plan_free (plan);
  if (json)
    print_json (&info);
  else
    print_text (&info);
  return TRUE;
}
