/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** Whether there are so many bytes now. What libraries allocate in an element's name, and end the process without, is
 * tried by this before. */
static inline gboolean
gst_dicenet_has_memory (gsize n)
{
  gpointer block = g_try_malloc (n);

  g_free (block);
  return block != NULL;
}

/** The same for a picture of @n bytes that GStreamer allocates, and some more. */
static inline gboolean
gst_dicenet_has_memory_for_picture (gsize n)
{
  return gst_dicenet_has_memory (n + n / 4);
}

G_END_DECLS
