/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * dicenet_get_version:
 *
 * Gets the version of the library that runs.
 *
 * Returns: the version of the library in use at run time, for example "1.2.3". pkg-config has the version at compile
 *   time
 */
DICENET_API const char *dicenet_get_version (void);

G_END_DECLS
