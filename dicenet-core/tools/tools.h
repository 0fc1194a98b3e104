/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/dicenet.h>

/* The commands of the program `dicenet`. Each parses its own arguments (argv[0] is the command's name) and returns the
 * exit status; an error is printed by main(). */
gboolean dicenet_tool_info (int argc, char **argv, GError **error);
gboolean dicenet_tool_run (int argc, char **argv, GError **error);
gboolean dicenet_tool_bench (int argc, char **argv, GError **error);

/* Parses options with @entries into their variables, and leaves exactly @n_positional arguments in argv[1..]. */
gboolean dicenet_tool_parse (int *argc, char ***argv, const GOptionEntry *entries, const char *usage, int n_positional,
                             GError **error);

/* "WxH"; NULL means the size that the model is meant for. */
gboolean dicenet_tool_parse_size (const char *text, DicenetModel *model, guint *width, guint *height, GError **error);

/* "auto", "cpu" or "cuda"; NULL means auto. */
gboolean dicenet_tool_parse_backend (const char *text, DicenetBackend *backend, GError **error);
