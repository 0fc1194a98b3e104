/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/dicenet.h>

/* The subcommands of the program `dicenet`. Each parses its own arguments (argv[0] is its name). FALSE with @error set,
 * which main() prints. */
gboolean dicenet_tool_info (int argc, char **argv, GError **error);
gboolean dicenet_tool_run (int argc, char **argv, GError **error);
gboolean dicenet_tool_bench (int argc, char **argv, GError **error);
gboolean dicenet_tool_inputs (int argc, char **argv, GError **error);

/* Parses options with @entries into their variables, and leaves exactly @n_positional arguments in argv[1..]. */
gboolean dicenet_tool_parse (int *argc, char ***argv, const GOptionEntry *entries, const char *usage, int n_positional,
                             GError **error);

/* "WxH"; NULL means the model's default size. */
gboolean dicenet_tool_parse_size (const char *text, DicenetModel *model, guint *width, guint *height, GError **error);

/* @backend: "auto", "cpu" or "cuda"; NULL means auto. @precision: "float32", "bfloat16", "int8", "float16", "tf32" or
 * "auto"; NULL means float32. */
gboolean dicenet_tool_parse_options (DicenetOptions *options, const char *backend, const char *precision,
                                     GError **error);

/* Creates a session, and prints its warning on stderr, if any. */
DicenetSession *dicenet_tool_open (DicenetModel *model, const DicenetOptions *options, GError **error);

/* A run on tensors whose result is discarded. */
gboolean dicenet_tool_run_tensor (DicenetSession *session, const gfloat *input, guint batch, guint width, guint height,
                                  GError **error);

/* @n numbers: reproducible noise with the statistics of a normalised photo. NULL with @error set if there is no memory;
 * free with g_free(). */
gfloat *dicenet_tool_make_input (gsize n, GError **error);

/* Processor time of all threads of the process in milliseconds; on a busy machine it says more than wall time. */
double dicenet_tool_cpu_ms (void);

/* Runs @input for the given time in seconds, and prints the time of each kind of step. */
gboolean dicenet_tool_time_steps (DicenetSession *session, const gfloat *input, guint width, guint height,
                                  double seconds, GError **error);

/* Nick of an enum value, as used on the command line. */
const char *dicenet_tool_nick (GType type, int value);

/* The option --cpu-mask, which sets the environment variable DICENET_CPU_MASK. */
gboolean dicenet_tool_set_cpu_mask (const char *option, const char *value, gpointer data, GError **error);

#define DICENET_TOOL_CPU_MASK_ENTRY                                                                                    \
  {                                                                                                                    \
    "cpu-mask", 0, 0, G_OPTION_ARG_CALLBACK, (gpointer) dicenet_tool_set_cpu_mask,                                     \
        "instruction sets that may be used: 1 baseline, 2 AVX2, 4 AVX-512, 8 AVX512-BF16, 16 AVX512-VNNI, 32 "         \
        "AVX-VNNI, 64 DotProd of ARM, added up; 0 the reference (127)",                                                \
        "M"                                                                                                            \
  }
