/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * dicenet_get_version:
 *
 * Returns: the version of the library that runs, "1.2.3" say, as pkg-config has it of the one that is compiled against
 */
DICENET_API const char *dicenet_get_version (void);

G_END_DECLS
