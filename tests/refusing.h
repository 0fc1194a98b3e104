/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <glib.h>
#include <stdlib.h>

/* Replaces the C library's allocator by one that fails if is_refused(), which the including program defines, returns
 * TRUE. Include it once per program. Not for builds with sanitizers, which have their own allocators. */

static gboolean is_refused (size_t n);

static gboolean
refuse (size_t n)
{
  if (!is_refused (n))
    return FALSE;
  errno = ENOMEM;
  return TRUE;
}

extern void *__libc_malloc (size_t n);
extern void *__libc_calloc (size_t n, size_t size);
extern void *__libc_realloc (void *p, size_t n);
extern void *__libc_memalign (size_t alignment, size_t n);
void *malloc (size_t n);
void *calloc (size_t n, size_t size);
void *realloc (void *p, size_t n);
void *aligned_alloc (size_t alignment, size_t n);
int posix_memalign (void **p, size_t alignment, size_t n);

void *
malloc (size_t n)
{
  return refuse (n) ? NULL : __libc_malloc (n);
}

void *
calloc (size_t n, size_t size)
{
  return refuse (n * size) ? NULL : __libc_calloc (n, size);
}

void *
realloc (void *p, size_t n)
{
  return refuse (n) ? NULL : __libc_realloc (p, n);
}

void *
aligned_alloc (size_t alignment, size_t n)
{
  return refuse (n) ? NULL : __libc_memalign (alignment, n);
}

int
posix_memalign (void **p, size_t alignment, size_t n)
{
  *p = refuse (n) ? NULL : __libc_memalign (alignment, n);
  return *p ? 0 : ENOMEM;
}
