/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory-error.h"

#include <dicenet/error.h>

/* clang-format takes the hyphen for a minus. */
/* clang-format off */
G_DEFINE_QUARK (dicenet-error-quark, dicenet_error)
/* clang-format on */

gboolean
dicenet_no_memory (GError **error, gsize bytes, const char *what, const char *remedy)
{
  const gsize mebibytes = bytes / (1 << 20) + (bytes % (1 << 20) != 0);

  g_set_error (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY, "no memory for %" G_GSIZE_FORMAT " MiB of %s: %s",
               mebibytes, what, remedy);
  return FALSE;
}
