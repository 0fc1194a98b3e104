/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools.h"

#include <json-glib/json-glib.h>
#include "../exec/cpu-steps.h"
#include "../graph/cost.h"
#include "../graph/weights-bf16.h"
#include "../model/model-private.h"

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

static void
add_size (JsonBuilder *b, const char *name, guint width, guint height)
{
  json_builder_set_member_name (b, name);
  json_builder_begin_object (b);
  json_builder_set_member_name (b, "width");
  json_builder_add_int_value (b, width);
  json_builder_set_member_name (b, "height");
  json_builder_add_int_value (b, height);
  json_builder_end_object (b);
}

static void
add_int (JsonBuilder *b, const char *name, guint64 value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_int_value (b, (gint64) value);
}

static void
add_description (JsonBuilder *b, const Info *info)
{
  const DicenetDescription *d = dicenet_model_get_program (info->model)->description;

  json_builder_set_member_name (b, "model");
  json_builder_add_string_value (b, dicenet_model_get_path (info->model));
  json_builder_set_member_name (b, "task");
  json_builder_add_string_value (b, task_name (info->model));
  json_builder_set_member_name (b, "backbone");
  json_builder_add_string_value (b, dicenet_backbone_names[d->backbone]);
  json_builder_set_member_name (b, "scale");
  json_builder_add_double_value (b, d->widths.scale);
  add_int (b, "classes", d->n_classes);
  json_builder_set_member_name (b, "labels");
  json_builder_begin_array (b);
  for (guint i = 0; i < d->n_classes; i++)
    json_builder_add_string_value (b, d->labels[i]);
  json_builder_end_array (b);
  json_builder_set_member_name (b, "background");
  json_builder_add_int_value (b, d->background);
  if (d->task == DICENET_TASK_CLASSIFY) {
    json_builder_set_member_name (b, "multi_label");
    json_builder_add_boolean_value (b, d->multi_label);
  } else if (d->task == DICENET_TASK_DETECT) {
    json_builder_set_member_name (b, "pyramid");
    json_builder_add_boolean_value (b, d->pyramid);
    json_builder_set_member_name (b, "prior_sizes");
    json_builder_begin_array (b);
    for (guint k = 0; k < G_N_ELEMENTS (d->prior_sizes); k++)
      json_builder_add_double_value (b, d->prior_sizes[k]);
    json_builder_end_array (b);
  } else {
    add_int (b, "decoder_width", d->decoder_width);
  }
  if (d->task != DICENET_TASK_SEGMENT) {
    json_builder_set_member_name (b, "threshold");
    json_builder_add_double_value (b, d->threshold);
  }
  add_size (b, "trained_size", d->width, d->height);
  add_size (b, "kernel_size", d->kernel_width, d->kernel_height);
}

static void
print_json (const Info *info)
{
  g_autoptr (JsonBuilder) b = json_builder_new_immutable ();

  json_builder_begin_object (b);
  add_description (b, info);
  add_size (b, "size", info->width, info->height);
  add_int (b, "parameters", dicenet_model_get_n_parameters (info->model));
  json_builder_set_member_name (b, "multiply_adds");
  json_builder_begin_object (b);
  add_int (b, "total", info->total);
  for (guint k = 0; k < DICENET_N_COSTS; k++)
    add_int (b, dicenet_cost_names[k], info->macs[k]);
  json_builder_end_object (b);
  json_builder_set_member_name (b, "memory");
  json_builder_begin_object (b);
  add_int (b, "weights", dicenet_model_get_weight_bytes (info->model));
  add_int (b, "bfloat16_weights", dicenet_weights_bf16_bytes (dicenet_model_get_program (info->model)->graph));
  add_int (b, "activations", info->arena_bytes);
  json_builder_end_object (b);
  json_builder_end_object (b);
  g_autoptr (JsonNode) root = json_builder_get_root (b);
  g_autofree char *text = json_to_string (root, TRUE);
  g_print ("%s\n", text);
}

static void
print_labels (const DicenetDescription *d)
{
  const guint shown = MIN (d->n_classes, 25);
  g_print ("labels         ");
  for (guint i = 0; i < shown; i++)
    g_print ("%s%s", d->labels[i], i + 1 < shown ? ", " : "");
  g_print ("%s\n", shown < d->n_classes ? ", ..." : "");
}

static void
print_text (const Info *info)
{
  const DicenetDescription *d = dicenet_model_get_program (info->model)->description;

  g_print ("model          %s\n", dicenet_model_get_path (info->model));
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
  g_print ("memory         %10.2f MB for weights, once per process\n",
           (double) dicenet_model_get_weight_bytes (info->model) / 1e6);
  g_print ("               %10.2f MB more for weights in bfloat16, which %s\n",
           (double) dicenet_weights_bf16_bytes (dicenet_model_get_program (info->model)->graph) / 1e6,
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
  DicenetPlan *plan =
      dicenet_plan_new (dicenet_model_get_program (model)->graph, info.width, info.height, dicenet_cpu_scratch, &cpu);
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
