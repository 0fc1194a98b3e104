/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Threads that share small chunks of work. A network is a few hundred steps of some ten microseconds, so handing one
 * out must cost next to nothing, and a worker that the system has not scheduled must not be waited for: other threads
 * of a pipeline want the processors too. Chunks are claimed one by one by whoever is awake, the caller among them, and
 * the caller waits for claimed chunks only. Workers look for work for some microseconds and then sleep.
 *
 * pthreadpool and OpenMP wait for every thread at every step, spinning: with a decoder on the same two processors that
 * was 60 times slower than one thread (docs/architecture.md).
 *
 * All sessions of a process have their workers in common, no more than there are processors for (unless one session
 * asks for more), and workers rest while enough callers are busy by themselves: each caller then computes alone, which
 * takes less in total than sharing every step.
 *
 * After fork() the child has no workers: it must not use or close what was opened before, but may open its own after
 * exec() only. */

/* One caller's part in it: a session's. */
typedef struct _DicenetThreads DicenetThreads;

#define DICENET_MAX_THREADS 1024
#define DICENET_MAX_CHUNKS  4095

/* Computes chunk @i of a job as thread @thread_index, which nobody else has at the same time: the caller's is 0,
 * workers' are below the number of threads that the caller has. */
typedef void (*DicenetChunkFunc) (gpointer job, guint i, guint thread_index);

/* Processors that this process may use: affinity and control groups (containers) taken into account. */
guint dicenet_processors (void);
/* The second part of it, rounded up; G_MAXUINT where there is no limit. @root is "/", but for tests. */
guint dicenet_processor_quota (const char *root);

/* For a caller with @n threads, itself among them. NULL with @error set if they can't be started. */
DicenetThreads *dicenet_threads_new (guint n, GError **error);
void dicenet_threads_free (DicenetThreads *self);

/* Between these the caller counts as busy; they are for a whole frame, since workers come and go with them. */
void dicenet_threads_begin (DicenetThreads *self);
void dicenet_threads_end (DicenetThreads *self);

/* Runs chunks 0 .. n - 1, n <= DICENET_MAX_CHUNKS, and returns when all are done. One caller at a time for each @self,
 * any number of them beside each other. */
void dicenet_threads_run (DicenetThreads *self, guint n, DicenetChunkFunc func, gpointer job);

/* Denormals count as zero until dicenet_denormals_restore() gets what this returned; workers always do so. Activations
 * of the published networks run into them, where processors are a hundred times slower. */
guint64 dicenet_denormals_flush (void);
void dicenet_denormals_restore (guint64 state);

G_END_DECLS
