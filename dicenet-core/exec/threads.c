/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "threads.h"

#include <dicenet/error.h>
#include <stdatomic.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* How long a helper looks for work before it sleeps: longer than the gaps between steps, shorter than anybody would
 * notice in a processor's load. */
#define SPIN_MICROSECONDS   40
#define SPINS_BETWEEN_CLOCK 64

/* The job at hand in one word, so that claiming a piece also says which job it belongs to: number of the job, its
 * pieces, the next one. */
#define STATE(job, n, next) ((guint64) (job) << 32 | (guint64) (n) << 16 | (next))
#define STATE_JOB(s)        ((guint32) ((s) >> 32))
#define STATE_N(s)          ((guint) ((s) >> 16 & 0xffff))
#define STATE_NEXT(s)       ((guint) ((s) &0xffff))

struct _DicenetThreads {
  /* On cache lines of their own: one is written by all threads, the other by those that finish. */
  _Alignas(64) _Atomic guint64 state;
  _Alignas(64) _Atomic guint done;
  /* Of the job at hand: written before @state announces it, read by whoever claimed a piece of it. */
  _Alignas(64) DicenetPieceFunc func;
  gpointer job;

  GThread **helpers;
  guint n_helpers;
  GMutex lock;
  GCond wake;
  _Atomic guint n_started, n_asleep;
  _Atomic gboolean quit;
};

static void
relax (void)
{
#if defined(__x86_64__)
  _mm_pause ();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
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

/* Claims and runs pieces of the job in @state until none is left; FALSE if there was none. */
static gboolean
work (DicenetThreads *self, guint64 state)
{
  gboolean worked = FALSE;

  while (STATE_NEXT (state) < STATE_N (state)) {
    if (!atomic_compare_exchange_weak_explicit (&self->state, &state, state + 1, memory_order_acq_rel,
                                                memory_order_acquire))
      continue;
    self->func (self->job, STATE_NEXT (state));
    atomic_fetch_add_explicit (&self->done, 1, memory_order_release);
    worked = TRUE;
    state = atomic_load_explicit (&self->state, memory_order_acquire);
  }
  return worked;
}

static void
sleep_until_job (DicenetThreads *self)
{
  g_mutex_lock (&self->lock);
  /* Announced before the last look: a job that is missed here sees the sleeper. */
  atomic_fetch_add (&self->n_asleep, 1);
  for (;;) {
    const guint64 state = atomic_load (&self->state);
    if (STATE_NEXT (state) < STATE_N (state) || atomic_load (&self->quit))
      break;
    g_cond_wait (&self->wake, &self->lock);
  }
  atomic_fetch_sub (&self->n_asleep, 1);
  g_mutex_unlock (&self->lock);
}

static gpointer
help (gpointer data)
{
  DicenetThreads *self = data;
  gint64 idle_since = g_get_monotonic_time ();

  dicenet_denormals_flush ();
  atomic_fetch_add (&self->n_started, 1);
  while (!atomic_load_explicit (&self->quit, memory_order_acquire)) {
    for (guint i = 0; i < SPINS_BETWEEN_CLOCK; i++) {
      if (work (self, atomic_load_explicit (&self->state, memory_order_acquire))) {
        idle_since = g_get_monotonic_time ();
        break;
      }
      relax ();
    }
    if (g_get_monotonic_time () - idle_since > SPIN_MICROSECONDS) {
      sleep_until_job (self);
      idle_since = g_get_monotonic_time ();
    }
  }
  return NULL;
}

void
dicenet_threads_run (DicenetThreads *self, guint n, DicenetPieceFunc func, gpointer job)
{
  if (n == 1 || self->n_helpers == 0) {
    for (guint i = 0; i < n; i++)
      func (job, i);
    return;
  }
  self->func = func;
  self->job = job;
  atomic_store_explicit (&self->done, 0, memory_order_relaxed);
  const guint64 last = atomic_load_explicit (&self->state, memory_order_relaxed),
                state = STATE (STATE_JOB (last) + 1, n, 0);
  atomic_store (&self->state, state);
  if (atomic_load (&self->n_asleep) > 0) {
    g_mutex_lock (&self->lock);
    g_cond_broadcast (&self->wake);
    g_mutex_unlock (&self->lock);
  }
  work (self, state);
  /* Pieces that others have claimed. Theirs may have lost its processor: let it have this one. */
  for (guint i = 0; atomic_load_explicit (&self->done, memory_order_acquire) < n; i++) {
    if (i < 10000)
      relax ();
    else
      g_thread_yield ();
  }
}

DicenetThreads *
dicenet_threads_new (guint n, GError **error)
{
  DicenetThreads *self = aligned_alloc (64, sizeof *self);

  if (self == NULL) {
    g_set_error_literal (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY, "no memory for threads");
    return NULL;
  }
  *self = (DicenetThreads){ .helpers = g_new0 (GThread *, n) };
  g_mutex_init (&self->lock);
  g_cond_init (&self->wake);
  for (guint i = 0; i + 1 < n; i++) {
    self->helpers[i] = g_thread_try_new ("dicenet", help, self, NULL);
    if (self->helpers[i] == NULL) {
      g_set_error (error, DICENET_ERROR, DICENET_ERROR_NO_MEMORY,
                   "only %u of %u threads could be started: ask for fewer", i + 1, n);
      dicenet_threads_free (self);
      return NULL;
    }
    self->n_helpers++;
  }
  /* A thread allocates when it starts; nobody waits for helpers later, and then it would do so beside a frame. */
  while (atomic_load (&self->n_started) < self->n_helpers)
    g_thread_yield ();
  return self;
}

void
dicenet_threads_free (DicenetThreads *self)
{
  if (self == NULL)
    return;
  atomic_store (&self->quit, TRUE);
  g_mutex_lock (&self->lock);
  g_cond_broadcast (&self->wake);
  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < self->n_helpers; i++)
    g_thread_join (self->helpers[i]);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->wake);
  g_free (self->helpers);
  free (self);
}
