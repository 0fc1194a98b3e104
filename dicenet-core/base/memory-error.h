/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whatever a file, a stream or a caller can make larger than a mebibyte is allocated by functions that can fail, and
 * that failure is told by this: "@bytes, in MiB, of @what: @remedy". The rest is GLib's to allocate, which ends the
 * process where there is not even memory for that. Always %FALSE, with @error set (%DICENET_ERROR_NO_MEMORY). */
gboolean dicenet_no_memory (GError **error, gsize bytes, const char *what, const char *remedy);

/* A remedy where the size is the file's. */
#define DICENET_MORE_MEMORY "stop other programs, or raise this one's limit of memory"

G_END_DECLS
