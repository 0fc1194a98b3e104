/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The file of a model, by its path or by its name: see dicenet_model_load(). To be freed with g_free(); NULL with
 * @error set (DICENET_ERROR_NOT_FOUND) if there is none. */
char *dicenet_find_model (const char *path_or_name, GError **error);
