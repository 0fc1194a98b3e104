/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Thread pool for small chunks of work. A network has a few hundred steps of some ten microseconds each. Distributing a
 * step must therefore cost next to nothing, and a worker that has not been scheduled must not be waited for, as other
 * threads of a pipeline also need the processors. Threads that are awake, including the caller, claim chunks one by
 * one, and the caller only waits for claimed chunks. Workers spin for some microseconds, then sleep.
 *
 * pthreadpool and OpenMP wait for every thread at every step, spinning: with a decoder on the same two processors, that
 * was 60 times slower than one thread (docs/architecture.md).
 *
 * All sessions of a process share the workers. There are no more threads than processors, unless a session asks for
 * more. Workers sleep while enough callers are busy: each caller then computes alone, which takes less time in total
 * than sharing every step.
 *
 * After fork() the child has no workers. It must not use or close what was opened before the fork, and may open its own
 * only after exec(). */

/* A caller of the pool: one per session. */
typedef struct _DicenetThreads DicenetThreads;

#define DICENET_MAX_THREADS 1024
#define DICENET_MAX_CHUNKS  4095

/* Computes chunk @i of a job. @thread_index is unique among the threads that work on the job: 0 for the caller, below
 * the caller's number of threads for workers. */
typedef void (*DicenetChunkFunc) (gpointer job, guint i, guint thread_index);

/* Number of processors that this process may use, according to affinity and control groups (containers). */
guint dicenet_processors (void);
/* The limit of control groups alone, rounded up; G_MAXUINT if there is none. @root is "/", except in tests. */
guint dicenet_processor_quota (const char *root);

/* For a caller with @n threads, including itself. NULL with @error set if they can't be started. */
DicenetThreads *dicenet_threads_new (guint n, GError **error);
void dicenet_threads_free (DicenetThreads *self);

/* The caller counts as busy between these calls. They enclose a whole frame, as they wake workers and let them
 * sleep. */
void dicenet_threads_begin (DicenetThreads *self);
void dicenet_threads_end (DicenetThreads *self);

/* Runs chunks 0 .. n - 1, n <= DICENET_MAX_CHUNKS, and returns when all are done. One call at a time per @self;
 * different callers run concurrently. */
void dicenet_threads_run (DicenetThreads *self, guint n, DicenetChunkFunc func, gpointer job);

/* Treats denormals as zero until dicenet_denormals_restore(), which takes the returned state; workers always do.
 * Activations of the published networks contain denormals, which are a hundred times slower. */
guint64 dicenet_denormals_flush (void);
void dicenet_denormals_restore (guint64 state);

G_END_DECLS
