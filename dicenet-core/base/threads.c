/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* for sched_getcpu() */
#include "threads.h"

#include <dicenet/error.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* How long a thread spins before it sleeps: longer than the gaps between steps, but short enough not to be noticeable
 * as CPU load. */
#define SPIN_MICROSECONDS   40
#define SPINS_BETWEEN_CLOCK 64

/* When the processors are busy with other work, a caller is faster without workers, so it computes alone for some time.
 * There are two triggers: a worker finds itself on the caller's processor, because no other was free; or a worker is
 * preempted while it has a chunk, so that the caller waits for milliseconds. A wait counts as the latter if it exceeds
 * STALL_MICROSECONDS plus twice the time that the caller's own chunks took. */
#define ALONE_MICROSECONDS 10000
#define STALL_MICROSECONDS 500
#define ALONE_PER_STALL    8

/* The current job in one word, so that claiming a chunk also determines the job and the thread index: number of the job
 * (30 bits), workers that have joined it (10), number of chunks (12), next chunk (12). */
#define STATE(job, n)    ((guint64) (job) << 34 | (guint64) (n) << 12)
#define STATE_JOB(s)     ((s) >> 34)
#define STATE_WORKERS(s) ((guint) ((s) >> 24 & 0x3ff))
#define STATE_N(s)       ((guint) ((s) >> 12 & 0xfff))
#define STATE_NEXT(s)    ((guint) ((s) &0xfff))
#define STATE_OPEN(s)    (STATE_NEXT (s) < STATE_N (s))
#define STATE_ONE_CHUNK  ((guint64) 1)
#define STATE_ONE_WORKER ((guint64) 1 << 24)

/* Stays in the list as long as there are workers, since they may read it at any time; new callers reuse free ones. */
struct _DicenetThreads {
  /* On separate cache lines: @state is written by all threads, @done by those that finish a chunk. */
  _Alignas(64) _Atomic guint64 state;
  _Alignas(64) _Atomic guint done;
  _Atomic gboolean is_waited_for; /* the caller sleeps until all chunks are done */
  pthread_cond_t all_done;
  /* The current job: written before @state publishes it, read by threads that have claimed one of its chunks. */
  _Alignas(64) DicenetChunkFunc func;
  gpointer job;
  _Atomic int processor;      /* processor that the caller last ran on */
  _Atomic gint64 alone_until; /* monotonic time */
  _Atomic guint n_threads;    /* 0: free */
  DicenetThreads *next;
};

/* The workers and their callers. Locks are pthread's because sanitizers support them. */
static struct {
  pthread_mutex_t opening;
  guint n_open;       /* number of open callers; workers exist while it is not 0 */
  GPtrArray *threads; /* GThread */

  DicenetThreads *_Atomic clients; /* only grows while there are workers */
  _Atomic guint n_workers, n_busy /* callers in a frame */, limit /* of threads that compute at a time */;
  _Atomic gboolean quit;

  pthread_mutex_t sleeping;
  pthread_cond_t wake;
  guint n_woken;          /* workers that were signalled but have not woken up yet; protected by @sleeping */
  _Atomic guint n_asleep; /* excluding those; written with @sleeping held */
} pool = { .opening = PTHREAD_MUTEX_INITIALIZER,
           .sleeping = PTHREAD_MUTEX_INITIALIZER,
           .wake = PTHREAD_COND_INITIALIZER };

static void
relax (void)
{
#if defined(__x86_64__)
  _mm_pause ();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* -1 if unknown. */
static int
this_processor (void)
{
#if defined(__linux__)
  return sched_getcpu ();
#else
  return -1;
#endif
}

guint64
dicenet_denormals_flush (void)
{
#if defined(__x86_64__)
  const unsigned state = _mm_getcsr ();
  _mm_setcsr (state | 0x8040); /* FTZ, DAZ */
  return state;
#elif defined(__aarch64__)
  guint64 state;
  __asm__ volatile("mrs %0, fpcr" : "=r"(state));
  __asm__ volatile("msr fpcr, %0" : : "r"(state | 1u << 24)); /* FZ */
  return state;
#else
  return 0;
#endif
}

void
dicenet_denormals_restore (guint64 state)
{
#if defined(__x86_64__)
  _mm_setcsr ((unsigned) state);
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(state));
#endif
}

/* --- chunks --- */

/* Runs the chunk that was claimed by replacing @state. */
static void
run_claimed (DicenetThreads *self, guint64 state, guint thread_index)
{
  self->func (self->job, STATE_NEXT (state), thread_index);
  /* The caller sets @is_waited_for before its last check of @done. */
  if (atomic_fetch_add (&self->done, 1) + 1 == STATE_N (state) && atomic_load (&self->is_waited_for)) {
    pthread_mutex_lock (&pool.sleeping);
    pthread_cond_signal (&self->all_done);
    pthread_mutex_unlock (&pool.sleeping);
  }
}

/* Claims and runs chunks of the job in @state until none is left. */
static void
work (DicenetThreads *self, guint64 state, guint thread_index)
{
  const guint64 job = STATE_JOB (state);

  while (STATE_JOB (state) == job && STATE_OPEN (state)) {
    if (!atomic_compare_exchange_weak_explicit (&self->state, &state, state + STATE_ONE_CHUNK, memory_order_acq_rel,
                                                memory_order_acquire))
      continue;
    run_claimed (self, state, thread_index);
    state = atomic_load_explicit (&self->state, memory_order_acquire);
  }
}

/* --- workers --- */

static gboolean
wants_help (DicenetThreads *client, guint64 state)
{
  return STATE_OPEN (state) &&
         STATE_WORKERS (state) + 1 < atomic_load_explicit (&client->n_threads, memory_order_relaxed);
}

/* FALSE if there was nothing to do. */
static gboolean
help_client (DicenetThreads *client)
{
  guint64 state = atomic_load_explicit (&client->state, memory_order_acquire);

  while (wants_help (client, state)) {
    const guint64 joined = state + STATE_ONE_CHUNK + STATE_ONE_WORKER;
    if (!atomic_compare_exchange_weak_explicit (&client->state, &state, joined, memory_order_acq_rel,
                                                memory_order_acquire))
      continue;
    const guint thread_index = STATE_WORKERS (joined);
    run_claimed (client, state, thread_index);
    const guint64 now = atomic_load_explicit (&client->state, memory_order_acquire);
    if (STATE_JOB (now) == STATE_JOB (joined))
      work (client, now, thread_index);
    return TRUE;
  }
  return FALSE;
}

/* The scheduler has put this worker on the caller's processor: only one of them can run. */
static gboolean
is_in_the_way (DicenetThreads *client)
{
  const int processor = this_processor ();

  if (processor < 0 || processor != atomic_load_explicit (&client->processor, memory_order_relaxed))
    return FALSE;
  atomic_store (&client->alone_until, g_get_monotonic_time () + ALONE_MICROSECONDS);
  return TRUE;
}

/* A caller that has work for another thread, or NULL. */
static DicenetThreads *
find_client (void)
{
  DicenetThreads *client = atomic_load_explicit (&pool.clients, memory_order_acquire);

  while (client && (!wants_help (client, atomic_load (&client->state)) || is_in_the_way (client)))
    client = client->next;
  return client;
}

/* Number of additional threads that may compute. */
static guint
room (void)
{
  const guint awake = atomic_load (&pool.n_workers) - atomic_load (&pool.n_asleep),
              working = atomic_load (&pool.n_busy) + awake, limit = atomic_load (&pool.limit);
  return working < limit ? limit - working : 0;
}

/* Including the calling thread. */
static gboolean
is_crowded (void)
{
  const guint awake = atomic_load (&pool.n_workers) - atomic_load (&pool.n_asleep);
  return atomic_load (&pool.n_busy) + awake > atomic_load (&pool.limit);
}

static void
sleep_until_job (void)
{
  pthread_mutex_lock (&pool.sleeping);
  /* Counted before the last check, so that a job that this check misses will wake the worker. */
  atomic_fetch_add (&pool.n_asleep, 1);
  if (!atomic_load (&pool.quit) && (room () == 0 || find_client () == NULL)) {
    while (pool.n_woken == 0 && !atomic_load (&pool.quit))
      pthread_cond_wait (&pool.wake, &pool.sleeping);
  }
  if (pool.n_woken > 0)
    pool.n_woken--; /* was counted by the thread that woke it */
  else
    atomic_fetch_sub (&pool.n_asleep, 1);
  pthread_mutex_unlock (&pool.sleeping);
}

static void
wake_workers (guint n)
{
  n = MIN (n, room ());
  if (n == 0 || atomic_load (&pool.n_asleep) == 0)
    return;
  pthread_mutex_lock (&pool.sleeping);
  for (n = MIN (n, atomic_load (&pool.n_asleep)); n > 0; n--) {
    atomic_fetch_sub (&pool.n_asleep, 1);
    pool.n_woken++;
    pthread_cond_signal (&pool.wake);
  }
  pthread_mutex_unlock (&pool.sleeping);
}

/* Spins for a moment; TRUE if work was found. */
static gboolean
look_for_work (void)
{
  for (guint i = 0; i < SPINS_BETWEEN_CLOCK && !is_crowded (); i++) {
    DicenetThreads *client = find_client ();
    if (client && help_client (client))
      return TRUE;
    relax ();
  }
  return FALSE;
}

static gpointer
help (gpointer data)
{
  _Atomic guint *n_started = data;
  gint64 idle_since = g_get_monotonic_time ();

  dicenet_denormals_flush ();
  atomic_fetch_add (n_started, 1);
  while (!atomic_load_explicit (&pool.quit, memory_order_acquire)) {
    if (look_for_work ()) {
      idle_since = g_get_monotonic_time ();
    } else if (is_crowded () || g_get_monotonic_time () - idle_since > SPIN_MICROSECONDS) {
      sleep_until_job ();
      idle_since = g_get_monotonic_time ();
    }
  }
  return NULL;
}

/* --- callers --- */

static gboolean
spin_until_done (DicenetThreads *self, guint n, gint64 begin)
{
  do {
    for (guint i = 0; i < SPINS_BETWEEN_CLOCK; i++) {
      if (atomic_load_explicit (&self->done, memory_order_acquire) == n)
        return TRUE;
      relax ();
    }
  } while (g_get_monotonic_time () - begin < SPIN_MICROSECONDS);
  return FALSE;
}

/* Waits for chunks that other threads have claimed, until all @n are done. The caller computed its own from @started
 * until now. */
static void
wait_for_others (DicenetThreads *self, guint n, gint64 started)
{
  const gint64 begin = g_get_monotonic_time ();

  if (spin_until_done (self, n, begin))
    return;
  pthread_mutex_lock (&pool.sleeping);
  atomic_store (&self->is_waited_for, TRUE);
  while (atomic_load (&self->done) < n)
    pthread_cond_wait (&self->all_done, &pool.sleeping);
  atomic_store (&self->is_waited_for, FALSE);
  pthread_mutex_unlock (&pool.sleeping);

  const gint64 now = g_get_monotonic_time (), stall = now - begin;
  if (stall > STALL_MICROSECONDS + 2 * (begin - started))
    atomic_store (&self->alone_until, now + ALONE_PER_STALL * stall);
}

void
dicenet_threads_begin (DicenetThreads *self)
{
  atomic_fetch_add (&pool.n_busy, 1);
}

void
dicenet_threads_end (DicenetThreads *self)
{
  atomic_fetch_sub (&pool.n_busy, 1);
}

void
dicenet_threads_run (DicenetThreads *self, guint n, DicenetChunkFunc func, gpointer job)
{
  const guint n_threads = atomic_load_explicit (&self->n_threads, memory_order_relaxed);
  const gint64 now = n > 1 && n_threads > 1 ? g_get_monotonic_time () : 0;

  if (n == 1 || n_threads == 1 || now < atomic_load (&self->alone_until)) {
    for (guint i = 0; i < n; i++)
      func (job, i, 0);
    return;
  }
  self->func = func;
  self->job = job;
  atomic_store_explicit (&self->processor, this_processor (), memory_order_relaxed);
  atomic_store_explicit (&self->done, 0, memory_order_relaxed);
  const guint64 last = atomic_load_explicit (&self->state, memory_order_relaxed),
                state = STATE (STATE_JOB (last) + 1, n);
  atomic_store (&self->state, state);
  if (atomic_load (&pool.n_asleep) > 0)
    wake_workers (MIN (n, n_threads) - 1);
  work (self, state, 0);
  if (atomic_load_explicit (&self->done, memory_order_acquire) < n)
    wait_for_others (self, n, now);
}

/* --- opening and closing, one at a time --- */

/* Each caller gets the threads that it asked for, up to the number of processors; a caller that asks for more than that
 * gets them. */
static guint
workers_wanted (guint *limit)
{
  const guint processors = dicenet_processors ();
  guint most = 1, sum = 0;

  for (DicenetThreads *client = atomic_load (&pool.clients); client; client = client->next) {
    const guint n = atomic_load (&client->n_threads);
    most = MAX (most, n);
    sum += n > 0 ? n - 1 : 0;
  }
  *limit = MAX (most, processors);
  return MIN (sum, *limit - 1);
}

/* Workers are kept until the last caller closes, even if fewer would be enough: while asleep they cost nothing. */
static gboolean
fit_workers (GError **error)
{
  guint limit;
  const guint wanted = workers_wanted (&limit), before = pool.threads->len;
  _Atomic guint n_started = 0;

  atomic_store (&pool.limit, limit);
  for (guint i = before; i < wanted; i++) {
    atomic_fetch_add (&pool.n_workers, 1); /* before it counts itself as asleep */
    GThread *thread = g_thread_try_new ("dicenet", help, &n_started, NULL);
    if (thread == NULL) {
      atomic_fetch_sub (&pool.n_workers, 1);
      break;
    }
    g_ptr_array_add (pool.threads, thread);
  }
  /* Threads allocate when they start. Workers are not waited for later, so without this wait they could start during a
   * frame. */
  while (atomic_load (&n_started) + before < pool.threads->len)
    g_thread_yield ();
  if (pool.threads->len >= wanted)
    return TRUE;
  g_set_error (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY,
               "only %u of %u threads could be started: ask for fewer, or raise the limit of processes (ulimit -u, or "
               "the container's)",
               pool.threads->len + 1, wanted + 1);
  return FALSE;
}

static DicenetThreads *
new_client (GError **error)
{
  for (DicenetThreads *client = atomic_load (&pool.clients); client; client = client->next)
    if (atomic_load (&client->n_threads) == 0)
      return client;
  DicenetThreads *client = aligned_alloc (64, sizeof *client);
  if (client == NULL) {
    g_set_error_literal (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY, "no memory for threads");
    return NULL;
  }
  *client = (DicenetThreads){ .next = atomic_load (&pool.clients) };
  pthread_cond_init (&client->all_done, NULL);
  atomic_store (&pool.clients, client);
  return client;
}

static void
end_workers (void)
{
  atomic_store (&pool.quit, TRUE);
  pthread_mutex_lock (&pool.sleeping);
  pthread_cond_broadcast (&pool.wake);
  pthread_mutex_unlock (&pool.sleeping);
  for (guint i = 0; i < pool.threads->len; i++)
    g_thread_join (pool.threads->pdata[i]);
  g_clear_pointer (&pool.threads, g_ptr_array_unref);
  for (DicenetThreads *client = atomic_load (&pool.clients), *next; client; client = next) {
    next = client->next;
    pthread_cond_destroy (&client->all_done);
    free (client);
  }
  atomic_store (&pool.clients, NULL);
  atomic_store (&pool.n_workers, 0);
  atomic_store (&pool.n_asleep, 0);
  pool.n_woken = 0;
  atomic_store (&pool.quit, FALSE);
}

static void
close_client (DicenetThreads *self)
{
  guint limit;

  if (self)
    atomic_store (&self->n_threads, 0);
  if (--pool.n_open == 0) {
    end_workers ();
    return;
  }
  workers_wanted (&limit);
  atomic_store (&pool.limit, limit);
}

DicenetThreads *
dicenet_threads_new (guint n, GError **error)
{
  if (n < 1 || n > DICENET_MAX_THREADS) {
    g_set_error (error, DICENET_ERROR, DICENET_ERROR_ARGUMENT, "expected 1 to %d threads, %u were asked for",
                 DICENET_MAX_THREADS, n);
    return NULL;
  }
  pthread_mutex_lock (&pool.opening);
  if (pool.threads == NULL)
    pool.threads = g_ptr_array_new ();
  pool.n_open++;
  DicenetThreads *self = new_client (error);
  if (self) {
    atomic_store (&self->alone_until, 0);
    atomic_store (&self->n_threads, n);
  }
  if (self == NULL || !fit_workers (error)) {
    close_client (self);
    self = NULL;
  }
  pthread_mutex_unlock (&pool.opening);
  return self;
}

void
dicenet_threads_free (DicenetThreads *self)
{
  if (self == NULL)
    return;
  pthread_mutex_lock (&pool.opening);
  close_client (self);
  pthread_mutex_unlock (&pool.opening);
}
