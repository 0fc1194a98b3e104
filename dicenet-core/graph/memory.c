/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory.h"

#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#define HUGE_PAGE ((gsize) 2 << 20)

float *
dicenet_block_new (gsize bytes)
{
  const gboolean large = bytes >= HUGE_PAGE;
  void *block;

  if (posix_memalign (&block, large ? HUGE_PAGE : DICENET_ALIGNMENT * sizeof (float), bytes) != 0)
    return NULL;
#if defined(MADV_HUGEPAGE)
  if (large) /* whole ones only; a system without them says no, and nothing is lost */
    madvise (block, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
  return block;
}
