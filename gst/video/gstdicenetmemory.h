/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** Whether @n bytes can be allocated now. Used before calling libraries that abort the process when they run out of
 * memory. */
static inline gboolean
gst_dicenet_has_memory (gsize n)
{
  gpointer block = g_try_malloc (n);

  g_free (block);
  return block != NULL;
}

/** Likewise for a picture of @n bytes that GStreamer allocates, with some margin. */
static inline gboolean
gst_dicenet_has_memory_for_picture (gsize n)
{
  return gst_dicenet_has_memory (n + n / 4);
}

G_END_DECLS
