/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Finds a model file by path or by name: see dicenet_model_load(). Free with g_free(); NULL with @error set
 * (DICENET_ERROR_NOT_FOUND) if there is none. */
char *dicenet_find_model (const char *path_or_name, GError **error);

/* A folder below the library's install prefix. Installations may be moved or unpacked anywhere: if this code is in a
 * library or program folder, the prefix is derived from its path. Free with g_free(). */
char *dicenet_installed (const char *folder);
