/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

G_BEGIN_DECLS

/** Whether @n bytes can be allocated now. Used before calling libraries that abort the process when they run out of
 * memory. */
static inline gboolean
gst_dicenet_has_memory (gsize n)
{
#if defined(__linux__)
  /* Pages that nobody writes to cost nothing; some C libraries, or those for finding faults, fill all of a block. */
  gpointer block = mmap (NULL, MAX (n, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (block == MAP_FAILED)
    return FALSE;
  munmap (block, MAX (n, 1));
  return TRUE;
#else
  gpointer block = g_try_malloc (n);

  g_free (block);
  return block != NULL;
#endif
}

/** Likewise for a picture of @n bytes that GStreamer allocates, with some margin. */
static inline gboolean
gst_dicenet_has_memory_for_picture (gsize n)
{
  return gst_dicenet_has_memory (n + n / 4);
}

G_END_DECLS
