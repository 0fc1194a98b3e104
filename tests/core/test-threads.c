/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* sched_setaffinity() */
#include "common.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/threads.h"

/* Shared workers: each chunk runs once, thread indices are unique, there are no more threads than processors, no caller
 * waits for the work of another, and idle workers sleep. */

#define MAX_SEATS 8

static DicenetThreads *
open_threads (guint n)
{
  g_autoptr (GError) error = NULL;
  DicenetThreads *threads = dicenet_threads_new (n, &error);
  assert_no_error (error);
  return threads;
}

/* --- workers of this process --- */

typedef void (*HelperFunc) (const char *task, gpointer data);

/* Calls @func for each worker, found by thread name. Returns FALSE if the system does not support this. */
static gboolean
for_each_worker (HelperFunc func, gpointer data)
{
  g_autoptr (GDir) tasks = g_dir_open ("/proc/self/task", 0, NULL);
  const char *task;

  while (tasks && (task = g_dir_read_name (tasks)) != NULL) {
    g_autofree char *path = g_build_filename ("/proc/self/task", task, "comm", NULL), *name = NULL;
    if (g_file_get_contents (path, &name, NULL, NULL) && g_str_equal (name, "dicenet\n"))
      func (task, data);
  }
  return tasks != NULL;
}

typedef struct {
  guint all, running;
} Helpers;

static void
count_worker (const char *task, gpointer data)
{
  Helpers *workers = data;
  g_autofree char *path = g_build_filename ("/proc/self/task", task, "stat", NULL), *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return; /* it has ended meanwhile */
  const char *state = strrchr (text, ')');
  workers->running += state && state[2] == 'R';
  workers->all++;
}

static gboolean
can_count_workers (void)
{
  Helpers workers = { 0 };
  return for_each_worker (count_worker, &workers);
}

/* Checks that there are @n workers and that all are asleep; ended threads may take a moment to disappear. */
static void
assert_workers (guint n)
{
  Helpers workers = { 0 };

  for (guint i = 0; can_count_workers () && i < 20000; i++) { /* until the test times out */
    workers = (Helpers){ 0 };
    for_each_worker (count_worker, &workers);
    if (workers.all == n && workers.running == 0)
      return;
    g_usleep (1000);
  }
  if (can_count_workers ())
    ck_abort_msg ("expected %u helpers, all asleep; there are %u, of which %u run", n, workers.all, workers.running);
}

#if defined(__linux__)
static void
move_worker (const char *task, gpointer processors)
{
  sched_setaffinity (atoi (task), sizeof (cpu_set_t), processors);
}
#endif

/* A worker does not run on the processor of its caller: binds this thread to one processor, all workers to another.
 * Returns FALSE if there is only one. */
static gboolean
keep_workers_apart (void)
{
#if defined(__linux__)
  cpu_set_t all, mine, theirs;
  int n = 0;

  CPU_ZERO (&mine);
  CPU_ZERO (&theirs);
  if (sched_getaffinity (0, sizeof all, &all) != 0 || CPU_COUNT (&all) < 2)
    return FALSE;
  for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
    if (CPU_ISSET (i, &all))
      CPU_SET (i, n++ == 0 ? &mine : &theirs);
  for_each_worker (move_worker, &theirs);
  return sched_setaffinity (0, sizeof mine, &mine) == 0;
#else
  return FALSE;
#endif
}

/* --- jobs --- */

typedef struct {
  guint n_threads;
  _Atomic guint times[DICENET_MAX_CHUNKS];
  _Atomic gboolean taken[MAX_SEATS];
  _Atomic guint wrong;
} Count;

static void
count_chunk (gpointer job, guint i, guint thread_index)
{
  Count *c = job;

  if (thread_index >= c->n_threads || atomic_exchange (&c->taken[thread_index], TRUE))
    atomic_fetch_add (&c->wrong, 1);
  else {
    for (volatile guint k = 0; k < 50; k++)
      ;
    atomic_store (&c->taken[thread_index], FALSE);
  }
  atomic_fetch_add (&c->times[i], 1);
}

static void
run_counted (DicenetThreads *threads, Count *count, guint n)
{
  for (guint i = 0; i < n; i++)
    atomic_store (&count->times[i], 0);
  dicenet_threads_run (threads, n, count_chunk, count);
  for (guint i = 0; i < n; i++)
    ck_assert_uint_eq (atomic_load (&count->times[i]), 1);
  ck_assert_uint_eq (atomic_load (&count->wrong), 0);
}

START_TEST (every_chunk_once)
{
  static const guint sizes[] = { 1, 2, 3, 7, 64, 1000, DICENET_MAX_CHUNKS };

  for (guint n_threads = 1; n_threads <= MAX_SEATS; n_threads++) {
    DicenetThreads *threads = open_threads (n_threads);
    g_autofree Count *count = g_new0 (Count, 1);
    count->n_threads = n_threads;
    for (guint round = 0; round < 20; round++)
      for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
        run_counted (threads, count, sizes[i]);
    dicenet_threads_free (threads);
  }
}
END_TEST

static gpointer
open_run_close (gpointer data)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (GPOINTER_TO_UINT (data));
  g_autofree Count *count = g_new0 (Count, 1);

  for (guint round = 0; round < 10; round++) {
    count->n_threads = (guint) g_rand_int_range (rand, 1, MAX_SEATS + 1);
    DicenetThreads *threads = open_threads (count->n_threads);
    for (guint frame = 0; frame < 5; frame++) {
      dicenet_threads_begin (threads);
      for (guint step = 0; step < 40; step++)
        run_counted (threads, count, (guint) g_rand_int_range (rand, 1, 20));
      dicenet_threads_end (threads);
    }
    dicenet_threads_free (threads);
  }
  return NULL;
}

START_TEST (callers_beside_each_other)
{
  GThread *clients[6];

  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    clients[i] = g_thread_new ("caller", open_run_close, GUINT_TO_POINTER (i));
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    g_thread_join (clients[i]);
  assert_workers (0);
}
END_TEST

START_TEST (workers_in_common)
{
  const guint processors = dicenet_processors (), least = MIN (processors, 4);
  DicenetThreads *four[4], *alone = open_threads (1);

  assert_workers (0);
  for (guint i = 0; i < G_N_ELEMENTS (four); i++)
    four[i] = open_threads (2);
  assert_workers (CLAMP (processors - 1, 1, 4));

  /* A caller that requests more threads than processors gets them, but no further ones are started. */
  DicenetThreads *many = open_threads (processors + 3);
  assert_workers (processors + 2);
  DicenetThreads *as_many = open_threads (processors + 3);
  assert_workers (processors + 2);
  dicenet_threads_free (many);
  dicenet_threads_free (as_many);
  dicenet_threads_free (alone);
  for (guint i = 0; i < G_N_ELEMENTS (four); i++)
    dicenet_threads_free (four[i]);
  assert_workers (0);

  four[0] = open_threads (least);
  assert_workers (least - 1);
  dicenet_threads_free (four[0]);
  assert_workers (0);
}
END_TEST

/* --- waiting --- */

/* Two chunks that wait for each other: a worker must run one of them. */
typedef struct {
  _Atomic guint arrived;
  _Atomic gboolean release;
  float denormal[2];
} Meeting;

static void
meet (gpointer job, guint i, guint thread_index)
{
  Meeting *m = job;
  volatile float tiny = 2e-38f;

  m->denormal[i] = tiny / 1000;
  atomic_fetch_add (&m->arrived, 1);
  while (atomic_load (&m->arrived) < 2 || !atomic_load (&m->release))
    g_thread_yield ();
}

/* Returns only after its release, unless workers can't be kept apart. */
static gpointer
run_meeting (gpointer data)
{
  DicenetThreads *threads = open_threads (2);
  const guint64 denormals = dicenet_denormals_flush ();
  const gboolean possible = keep_workers_apart ();

  if (possible)
    dicenet_threads_run (threads, 2, meet, data);
  else
    atomic_store (&((Meeting *) data)->arrived, 2);
  dicenet_denormals_restore (denormals);
  dicenet_threads_free (threads);
  return GINT_TO_POINTER (possible);
}

START_TEST (workers_flush_denormals)
{
  Meeting m = { .release = TRUE, .denormal = { 1, 1 } };
  volatile float tiny = 2e-38f, smaller;

  if (run_meeting (&m))
    ck_assert (m.denormal[0] == 0 && m.denormal[1] == 0);
  smaller = tiny / 1000;
  ck_assert (smaller != 0);
}
END_TEST

START_TEST (nobody_waits_for_another_caller)
{
  Meeting m = { 0 };
  GThread *other = g_thread_new ("caller", run_meeting, &m);
  g_autofree Count *count = g_new0 (Count, 1);

  while (atomic_load (&m.arrived) < 2)
    g_usleep (100);
  DicenetThreads *mine = open_threads (2);
  count->n_threads = 2; /* while the other caller and its worker are blocked */
  for (guint i = 0; i < 1000; i++)
    run_counted (mine, count, 1 + i % 9);
  atomic_store (&m.release, TRUE);
  g_thread_join (other);
  dicenet_threads_free (mine);
}
END_TEST

static void
note_worker (gpointer job, guint i, guint thread_index)
{
  if (thread_index != 0)
    atomic_fetch_add ((_Atomic guint *) job, 1);
}

/* With as many callers as processors, each computes alone. */
START_TEST (workers_rest_while_callers_are_busy)
{
  const guint n = MAX (dicenet_processors (), 2);
  g_autofree DicenetThreads **clients = g_new (DicenetThreads *, n);
  _Atomic guint helped = 0;

  for (guint i = 0; i < n; i++)
    clients[i] = open_threads (2);
  assert_workers (n - 1); /* until they sleep */
  for (guint i = 0; i < n; i++)
    dicenet_threads_begin (clients[i]);
  for (guint i = 0; i < 2000; i++)
    dicenet_threads_run (clients[i % n], 4, note_worker, &helped);
  for (guint i = 0; i < n; i++)
    dicenet_threads_end (clients[i]);
  if (can_count_workers ())
    ck_assert_uint_eq (atomic_load (&helped), 0);
  for (guint i = 0; i < n; i++)
    dicenet_threads_free (clients[i]);
}
END_TEST

START_TEST (too_many_are_refused)
{
  g_autoptr (GError) error = NULL;

  ck_assert_ptr_null (dicenet_threads_new (0, &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "1 to 1024", "0 were");
  ck_assert_ptr_null (dicenet_threads_new (DICENET_MAX_THREADS + 1, &error));
  assert_error (error, DICENET_ERROR_ARGUMENT, "1 to 1024", "1025 were");
  assert_workers (0);
}
END_TEST

TEST_MAIN ("threads", every_chunk_once, callers_beside_each_other, workers_in_common, workers_flush_denormals,
           nobody_waits_for_another_caller, workers_rest_while_callers_are_busy, too_many_are_refused)
