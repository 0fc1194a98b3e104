/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Threads that share small pieces of work. A network is a few hundred steps of some ten microseconds, so handing one
 * out must cost next to nothing, and a helper that the system has not scheduled must not be waited for: other threads
 * of a pipeline want the processors too. Pieces are claimed one by one by whoever is awake, the caller among them, and
 * the caller waits for claimed pieces only. Helpers look for work for some microseconds and then sleep.
 *
 * pthreadpool and OpenMP wait for every thread at every step, spinning: with a decoder on the same two processors that
 * was 60 times slower than one thread (docs/performance.md). */

typedef struct _DicenetThreads DicenetThreads;

/* Computes piece @i of a job. */
typedef void (*DicenetPieceFunc) (gpointer job, guint i);

/* @n threads, the caller of dicenet_threads_run() among them. NULL with @error set if they can't be started. */
DicenetThreads *dicenet_threads_new (guint n, GError **error);
void dicenet_threads_free (DicenetThreads *self);

/* Runs pieces 0 .. n - 1, n <= 65535, and returns when all are done. One caller at a time. */
void dicenet_threads_run (DicenetThreads *self, guint n, DicenetPieceFunc func, gpointer job);

/* Denormals count as zero until dicenet_denormals_restore() gets what this returned; helpers always do so. Activations
 * of the published networks run into them, where processors are a hundred times slower. */
guint64 dicenet_denormals_flush (void);
void dicenet_denormals_restore (guint64 state);

G_END_DECLS
