/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Sets the error for a failed allocation: "@bytes, in MiB, of @what: @remedy". Allocations that a file, a stream or a
 * caller can make larger than 1 MiB use functions that can fail, and report failure with this function. All others use
 * GLib's, which abort. Always returns %FALSE, with @error set (%DICENET_ERROR_NO_MEMORY). */
gboolean dicenet_no_memory (GError **error, gsize bytes, const char *what, const char *remedy);

/* @remedy where the size depends on the file. */
#define DICENET_MORE_MEMORY "stop other programs, or raise this one's limit of memory"

G_END_DECLS
