/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "block.h"

#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#define CACHE_LINE 64
#define HUGE_PAGE  ((gsize) 2 << 20)

/* AddressSanitizer detects accesses beyond an allocation, but not beyond a mapping. */
#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif

#if defined(MAP_ANONYMOUS) && !defined(HAVE_ASAN)

/* The same as the C library's default mmap threshold. That threshold, however, grows each time a mapping is freed, and
 * blocks then come from the heap, where small allocations keep the holes of freed blocks from being released. */
#define LARGE ((gsize) 128 << 10)

/* Blocks with huge pages end on a huge page boundary, too. */
static gsize
mapped_bytes (gsize bytes)
{
  return bytes < HUGE_PAGE ? bytes : (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static void *
map (gsize bytes)
{
  void *block = mmap (NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  return block == MAP_FAILED ? NULL : block;
}

static void *
map_huge (gsize bytes)
{
  const gsize n = mapped_bytes (bytes);
  char *all = map (n + HUGE_PAGE);

  if (all == NULL)
    return NULL;
  const gsize before = (HUGE_PAGE - (gsize) all % HUGE_PAGE) % HUGE_PAGE;
  if (before > 0)
    munmap (all, before);
  munmap (all + before + n, HUGE_PAGE - before);
#if defined(MADV_HUGEPAGE)
  /* Whole huge pages only. Failure is harmless: the block then has ordinary pages. */
  madvise (all + before, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
  return all + before;
}

static void *
large_new (gsize bytes)
{
  return bytes < HUGE_PAGE ? map (bytes) : map_huge (bytes);
}

static void
large_free (void *block, gsize bytes)
{
  munmap (block, mapped_bytes (bytes));
}

#else

#define LARGE            G_MAXSIZE
#define large_new(n)     NULL
#define large_free(b, n) (void) 0

#endif

void *
dicenet_block_new (gsize bytes)
{
  void *block;

  if (bytes > G_MAXSSIZE) /* rounding up would overflow */
    return NULL;
  if (bytes >= LARGE)
    return large_new (bytes);
  return posix_memalign (&block, CACHE_LINE, MAX (bytes, 1)) == 0 ? block : NULL;
}

void
dicenet_block_free (void *block, gsize bytes)
{
  if (block != NULL && bytes >= LARGE)
    large_free (block, bytes);
  else
    free (block);
}
