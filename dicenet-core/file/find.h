/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The file of a model, by its path or by its name: see dicenet_model_load(). To be freed with g_free(); NULL with
 * @error set (DICENET_ERROR_NOT_FOUND) if there is none. */
char *dicenet_find_model (const char *path_or_name, GError **error);

/* A folder below the prefix that this library is installed in. An installation may have been moved, or unpacked
 * anywhere: where this code lies in a library or program folder, the prefix is what is before that. Free with g_free().
 */
char *dicenet_installed (const char *folder);
