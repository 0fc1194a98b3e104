/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/block.h"

static const gsize sizes[] = { 0, 1, 100, 131071, 131072, 400000, 2097151, 2097152, 2097153, 5000000 };

/* All bytes of a block are writable, and blocks do not overlap. */
START_TEST (can_be_written)
{
  guint8 *held[G_N_ELEMENTS (sizes)];

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    held[i] = dicenet_block_new (sizes[i]);
    ck_assert_ptr_nonnull (held[i]);
    ck_assert_uint_eq ((gsize) held[i] % 64, 0);
    memset (held[i], (int) i, sizes[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    for (gsize at = 0; at < sizes[i]; at += 64)
      ck_assert_uint_eq (held[i][at], i);
    dicenet_block_free (held[i], sizes[i]);
  }
  dicenet_block_free (NULL, 100);
  dicenet_block_free (NULL, 5000000);
}
END_TEST

START_TEST (no_memory)
{
  ck_assert_ptr_null (dicenet_block_new (G_MAXSIZE));
  ck_assert_ptr_null (dicenet_block_new (G_MAXSIZE / 2));
  ck_assert_ptr_null (dicenet_block_new (G_MAXSIZE / 4));
}
END_TEST

static gsize
resident_bytes (void)
{
  FILE *file = fopen ("/proc/self/statm", "r");
  gsize all, resident;

  ck_assert_ptr_nonnull (file);
  ck_assert_int_eq (fscanf (file, "%zu %zu", &all, &resident), 2);
  fclose (file);
  return resident * (gsize) sysconf (_SC_PAGESIZE);
}

/* Large blocks are returned to the system even if a small block is allocated behind each, because long-running
 * processes create many pipelines. The C library only returns the first ones. */
START_TEST (given_back)
{
  enum { N = 32, BYTES = 1 << 20 };
  void *blocks[N], *small[2 * N];
  const gsize before = resident_bytes ();

  for (guint round = 0; round < 2; round++) {
    for (guint i = 0; i < N; i++) {
      blocks[i] = dicenet_block_new (BYTES);
      memset (blocks[i], 1, BYTES);
      small[round * N + i] = g_malloc (2000);
    }
    ck_assert_uint_gt (resident_bytes () - before, N / 2 * (gsize) BYTES);
    for (guint i = 0; i < N; i++)
      dicenet_block_free (blocks[i], BYTES);
  }
  ck_assert_uint_lt (resident_bytes () - before, N / 8 * (gsize) BYTES);
  for (guint i = 0; i < G_N_ELEMENTS (small); i++)
    g_free (small[i]);
}
END_TEST

TEST_MAIN ("block", can_be_written, no_memory, given_back)
