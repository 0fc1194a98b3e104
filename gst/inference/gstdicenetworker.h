/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * GstDicenetWorker:
 *
 * A thread that runs one job at a time and keeps the outcome of the last one until it is taken. All functions but those
 * of #GstDicenetWorkerFuncs are called by one thread, the streaming thread.
 */
typedef struct _GstDicenetWorker GstDicenetWorker;

/**
 * GstDicenetWorkerFuncs:
 * @run: runs a job, which it takes, in the worker's thread. Returns the outcome
 * @publish: called in the worker's thread with the outcome before it can be taken, unless it was forgotten meanwhile
 * @free: frees an outcome
 */
typedef struct {
  gpointer (*run) (gpointer job, gpointer user_data);
  void (*publish) (gpointer outcome, gpointer user_data);
  GDestroyNotify free;
} GstDicenetWorkerFuncs;

/**
 * gst_dicenet_worker_new:
 * @funcs: what the worker does; borrowed
 * @user_data: for @funcs
 * @error: return location for a #GError of domain %GST_RESOURCE_ERROR
 *
 * Returns: (transfer full): a worker with its thread, or %NULL with @error set; free with gst_dicenet_worker_free()
 */
GstDicenetWorker *gst_dicenet_worker_new (const GstDicenetWorkerFuncs *funcs, gpointer user_data, GError **error);
/** Waits for the running job. */
void gst_dicenet_worker_free (GstDicenetWorker *self);

/** Whether no job runs. */
gboolean gst_dicenet_worker_is_free (GstDicenetWorker *self);
/** Runs @job, which the worker takes. Requires that no job runs. An outcome that was not taken is freed later. */
void gst_dicenet_worker_start (GstDicenetWorker *self, gpointer job);
/** (transfer full) (nullable): the outcome, if a job has ended since the last call. Does not wait. */
gpointer gst_dicenet_worker_take (GstDicenetWorker *self);
/** Drops the outcome, and that of a running job: neither is published after this call. Does not wait for the job, but
 * for @publish if it has begun. May be called by @publish. */
void gst_dicenet_worker_forget (GstDicenetWorker *self);
/** Waits until no job runs. */
void gst_dicenet_worker_wait (GstDicenetWorker *self);

G_END_DECLS
