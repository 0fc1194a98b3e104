/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <stdlib.h>

/* After the first run at a size, further runs allocate only the result and what holds the request, nothing for the
 * network. This program replaces malloc() to count. */

/* Submission, request, result, its list, and its contents. */
#define MOST 12

static gint counting, count;

static void
note (void)
{
  if (g_atomic_int_get (&counting))
    g_atomic_int_inc (&count);
}

extern void *__libc_malloc (size_t n);
extern void *__libc_calloc (size_t n, size_t size);
extern void *__libc_realloc (void *p, size_t n);
extern void *__libc_memalign (size_t alignment, size_t n);
void *malloc (size_t n);
void *calloc (size_t n, size_t size);
void *realloc (void *p, size_t n);
void *aligned_alloc (size_t alignment, size_t n);

void *
malloc (size_t n)
{
  note ();
  return __libc_malloc (n);
}

void *
calloc (size_t n, size_t size)
{
  note ();
  return __libc_calloc (n, size);
}

void *
realloc (void *p, size_t n)
{
  note ();
  return __libc_realloc (p, n);
}

void *
aligned_alloc (size_t alignment, size_t n)
{
  note ();
  return __libc_memalign (alignment, n);
}

START_TEST (runs_allocate_results)
{
  static const char *const models[] = { "anchor-free", "classify", "detect", "pyramid", "segment" };
  guint8 pixels[70 * 90 * 3] = { 0 };
  const DicenetImage image = {
    .format = DICENET_PIXEL_FORMAT_RGB, .width = 70, .height = 90, .planes = { pixels }, .strides = { 210 }
  };

  for (guint m = 0; m < 2 * G_N_ELEMENTS (models); m++) {
    const DicenetPrecision precision = m % 2 ? DICENET_PRECISION_AUTO : DICENET_PRECISION_FLOAT32;
    g_autoptr (DicenetModel) model = test_model_load (models[m / 2]);
    g_autoptr (DicenetSession) session = test_open (model, DICENET_BACKEND_CPU, precision, 2);
    g_autoptr (DicenetRequest) request = dicenet_request_new ();
    dicenet_request_set_size (request, 64, 48);
    dicenet_request_set_decode (request, FALSE);
    dicenet_result_unref (dicenet_session_run_image (session, &image, request, NULL));
    g_atomic_int_set (&count, 0);
    g_atomic_int_set (&counting, 1);
    g_autoptr (DicenetResult) result = dicenet_session_run_image (session, &image, request, NULL);
    g_atomic_int_set (&counting, 0);
    ck_assert_ptr_nonnull (result);
    ck_assert_msg (g_atomic_int_get (&count) <= MOST, "%s: %d allocations", models[m / 2], g_atomic_int_get (&count));
  }

  /* Check that the counter works. */
  g_atomic_int_set (&counting, 1);
  g_free (g_malloc (100));
  g_atomic_int_set (&counting, 0);
  ck_assert_int_ge (g_atomic_int_get (&count), 1);
}
END_TEST

TEST_MAIN ("allocations", runs_allocate_results)
