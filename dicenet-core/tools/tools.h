/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/dicenet.h>

/* The commands of the program `dicenet`. Each parses its own arguments (argv[0] is the command's name) and returns
 * whether it worked; an error is printed by main(). */
gboolean dicenet_tool_info (int argc, char **argv, GError **error);
gboolean dicenet_tool_run (int argc, char **argv, GError **error);
gboolean dicenet_tool_bench (int argc, char **argv, GError **error);

/* Parses options with @entries into their variables, and leaves exactly @n_positional arguments in argv[1..]. */
gboolean dicenet_tool_parse (int *argc, char ***argv, const GOptionEntry *entries, const char *usage, int n_positional,
                             GError **error);

/* "WxH"; NULL means the size that the model is meant for. */
gboolean dicenet_tool_parse_size (const char *text, DicenetModel *model, guint *width, guint *height, GError **error);

/* @backend: "auto", "cpu" or "cuda"; NULL means auto. @precision: "float32", "bfloat16", "float16", "tf32" or "auto";
 * NULL means float32. */
gboolean dicenet_tool_parse_options (DicenetOptions *options, const char *backend, const char *precision,
                                     GError **error);

/* A session, and a line on stderr for what about it is not as it was asked for. */
DicenetSession *dicenet_tool_open (DicenetModel *model, const DicenetOptions *options, GError **error);

/* A run on tensors, of which nothing is kept. */
gboolean dicenet_tool_run_tensor (DicenetSession *session, const gfloat *input, guint batch, guint width, guint height,
                                  GError **error);

/* Runs @input for so many seconds and prints what each kind of step of the network takes. */
gboolean dicenet_tool_time_steps (DicenetSession *session, const gfloat *input, guint width, guint height,
                                  double seconds, GError **error);

/* An enum value's name as users write it. */
const char *dicenet_tool_nick (GType type, int value);

/* --cpu-mask, which is the environment variable DICENET_CPU_MASK by another way. */
gboolean dicenet_tool_set_cpu_mask (const char *option, const char *value, gpointer data, GError **error);

#define DICENET_TOOL_CPU_MASK_ENTRY                                                                                    \
  {                                                                                                                    \
    "cpu-mask", 0, 0, G_OPTION_ARG_CALLBACK, (gpointer) dicenet_tool_set_cpu_mask,                                     \
        "instruction sets that may be used: 1 baseline, 2 AVX2, 4 AVX-512, 8 AVX512-BF16, added up; 0 the reference "  \
        "(15)",                                                                                                        \
        "M"                                                                                                            \
  }
