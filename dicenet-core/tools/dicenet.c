/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include "../kernels/kernels.h"

static const struct {
  const char *name;
  gboolean (*main) (int argc, char **argv, GError **error);
  const char *help;
} commands[] = {
  { "info", dicenet_tool_info,
    "info MODEL [--size WxH] [--layers] [--no-weights] [--json]\n      what a model is and what it costs" },
  { "run", dicenet_tool_run,
    "run MODEL IN.safetensors OUT.safetensors [--backend auto|cpu|cuda] [--precision "
    "float32|bfloat16|int8|float16|tf32|auto] "
    "[--threads N] [--threshold T] [--force]\n      a model's raw outputs for tensors or pixels" },
  { "bench", dicenet_tool_bench,
    "bench MODEL [--size WxH] [--batch N] [--threads N] [--streams N[,N...]] [--backend auto|cpu|cuda] [--precision "
    "float32|bfloat16|int8|float16|tf32|auto] "
    "[--seconds S] [--json]\n      how long a model takes, in one session or several at once" },
  { "inputs", dicenet_tool_inputs,
    "inputs MODEL < PICTURES.ppm\n      histograms of the inputs of the convolutions that int8 computes, for "
    "models/quantize.py" },
};

gboolean
dicenet_tool_parse (int *argc, char ***argv, const GOptionEntry *entries, const char *usage, int n_positional,
                    GError **error)
{
  g_autoptr (GOptionContext) context = g_option_context_new (usage);
  g_autoptr (GError) reason = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, argc, argv, &reason)) {
    g_autofree char *shown = dicenet_text_excerpt (reason->message);
    g_set_error_literal (error, reason->domain, reason->code, shown);
    return FALSE;
  }
  if (*argc != n_positional + 1) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                 "expected %d arguments (%s), found %d: see dicenet %s --help", n_positional, usage, *argc - 1,
                 (*argv)[0]);
    return FALSE;
  }
  return TRUE;
}

gboolean
dicenet_tool_parse_size (const char *text, DicenetModel *model, guint *width, guint *height, GError **error)
{
  if (text == NULL) {
    dicenet_model_get_size (model, width, height);
    return TRUE;
  }
  if (dicenet_parse_size (text, width, height))
    return TRUE;
  g_autofree char *shown = dicenet_text_excerpt (text);
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "--size: expected WxH from %dx%d to %dx%d, found \"%s\"",
               DICENET_MIN_SIZE, DICENET_MIN_SIZE, DICENET_MAX_SIZE, DICENET_MAX_SIZE, shown);
  return FALSE;
}

/* FALSE with @error set if no value of @type has this nick. */
static gboolean
parse_enum (GType type, const char *text, const char *expected, int *value, GError **error)
{
  g_autoptr (GEnumClass) names = g_type_class_ref (type);
  const GEnumValue *found = g_enum_get_value_by_nick (names, text);

  if (found != NULL) {
    *value = found->value;
    return TRUE;
  }
  g_autofree char *shown = dicenet_text_excerpt (text);
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "%s, found \"%s\"", expected, shown);
  return FALSE;
}

gboolean
dicenet_tool_parse_options (DicenetOptions *options, const char *backend, const char *precision, GError **error)
{
  int value;

  if (backend) {
    if (!parse_enum (DICENET_TYPE_BACKEND, backend, "--backend: expected auto, cpu or cuda", &value, error))
      return FALSE;
    dicenet_options_set_backend (options, (DicenetBackend) value);
  }
  if (precision) {
    if (!parse_enum (DICENET_TYPE_PRECISION, precision,
                     "--precision: expected float32, bfloat16, int8, float16, tf32 or auto", &value, error))
      return FALSE;
    dicenet_options_set_precision (options, (DicenetPrecision) value);
  }
  return TRUE;
}

DicenetSession *
dicenet_tool_open (DicenetModel *model, const DicenetOptions *options, GError **error)
{
  DicenetSession *session = dicenet_session_new (model, options, error);

  if (session != NULL && dicenet_session_get_warning (session) != NULL)
    fprintf (stderr, "dicenet: %s\n", dicenet_session_get_warning (session));
  return session;
}

gboolean
dicenet_tool_run_tensor (DicenetSession *session, const gfloat *input, guint batch, guint width, guint height,
                         GError **error)
{
  g_autoptr (DicenetRequest) request = dicenet_request_new ();

  dicenet_request_set_size (request, width, height);
  dicenet_request_set_decode (request, FALSE);
  g_autoptr (DicenetResult) result =
      dicenet_session_run_tensor (session, input, 3 * (gsize) batch * width * height, batch, request, error);
  return result != NULL;
}

gboolean
dicenet_tool_set_cpu_mask (const char *option, const char *value, gpointer data, GError **error)
{
  g_setenv ("DICENET_CPU_MASK", value, TRUE);
  if (*value != '\0' && dicenet_cpu_mask_fault () == NULL)
    return TRUE;
  g_autofree char *shown = dicenet_text_excerpt (value);
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "--cpu-mask: expected a number from 0 to %d, found \"%s\"",
               DICENET_CPU_ALL, shown);
  return FALSE;
}

const char *
dicenet_tool_nick (GType type, int value)
{
  g_autoptr (GEnumClass) names = g_type_class_ref (type);
  return g_enum_get_value (names, value)->value_nick; /* static: valid after the class is unreferenced */
}

static int
usage (FILE *to, int status)
{
  fprintf (to, "usage: dicenet COMMAND ...\n       dicenet --version\n\n");
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    fprintf (to, "  %s\n", commands[i].help);
  fprintf (to,
           "\nMODEL is a safetensors file, or the name of one that is installed or in a folder of DICENET_MODEL_PATH: "
           "dicenet-detect, say.\nmodels/fetch.py gets published ones, models/convert.py makes them from PyTorch "
           "checkpoints.\n");
  return status;
}

/* Fails if the disk is full or standard output is closed. */
static gboolean
is_all_written (GError **error)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return TRUE;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_OPEN, "standard output cannot be written: %s", g_strerror (errno));
  return FALSE;
}

static int
print_version (void)
{
  g_autoptr (GError) error = NULL;

  printf ("dicenet %s\n", dicenet_get_version ());
  if (is_all_written (&error))
    return 0;
  fprintf (stderr, "dicenet: %s\n", error->message);
  return 1;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  setlocale (LC_CTYPE, ""); /* for file names; numbers keep the C locale */
  if (argc < 2)
    return usage (stderr, 2);
  if (g_str_equal (argv[1], "--help") || g_str_equal (argv[1], "-h") || g_str_equal (argv[1], "help"))
    return usage (stdout, 0);
  if (g_str_equal (argv[1], "--version"))
    return print_version ();
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++) {
    if (!g_str_equal (argv[1], commands[i].name))
      continue;
    if (commands[i].main (argc - 1, argv + 1, &error) && is_all_written (&error))
      return 0;
    fprintf (stderr, "dicenet %s: %s\n", argv[1], error->message);
    return error->domain == G_OPTION_ERROR ? 2 : 1;
  }
  g_autofree char *shown = dicenet_text_excerpt (argv[1]);
  fprintf (stderr, "dicenet: there is no command \"%s\"\n\n", shown);
  return usage (stderr, 2);
}
