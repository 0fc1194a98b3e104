/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetworker.h"
#include <gst/gst.h>

struct _GstDicenetWorker {
  const GstDicenetWorkerFuncs *funcs;
  gpointer user_data;
  GThread *thread;

  GMutex lock;
  /* Protected by the lock. */
  GCond changed;
  gpointer job;     /* given, but not begun */
  gboolean is_busy; /* from a job's start to its end */
  gboolean is_wanted, is_publishing, is_closing;
  gpointer outcome;
};

/* Called with the lock held. */
static void
drop_outcome (GstDicenetWorker *self)
{
  g_clear_pointer (&self->outcome, self->funcs->free);
}

/* Called with the lock held, which is released while the job runs. */
static void
run_job (GstDicenetWorker *self)
{
  gpointer job = g_steal_pointer (&self->job);

  g_mutex_unlock (&self->lock);
  gpointer outcome = self->funcs->run (job, self->user_data);
  g_mutex_lock (&self->lock);
  if (self->is_wanted) {
    self->is_publishing = TRUE;
    g_mutex_unlock (&self->lock);
    self->funcs->publish (outcome, self->user_data);
    g_mutex_lock (&self->lock);
    self->is_publishing = FALSE;
  }
  drop_outcome (self);
  if (self->is_wanted)
    self->outcome = outcome;
  else
    self->funcs->free (outcome);
  self->is_busy = FALSE;
  g_cond_broadcast (&self->changed);
}

static gpointer
work (gpointer data)
{
  GstDicenetWorker *self = data;

  g_mutex_lock (&self->lock);
  while (self->job || !self->is_closing) {
    if (self->job)
      run_job (self);
    else
      g_cond_wait (&self->changed, &self->lock);
  }
  g_mutex_unlock (&self->lock);
  return NULL;
}

GstDicenetWorker *
gst_dicenet_worker_new (const GstDicenetWorkerFuncs *funcs, gpointer user_data, GError **error)
{
  GstDicenetWorker *self = g_new0 (GstDicenetWorker, 1);
  GError *reason = NULL;

  self->funcs = funcs;
  self->user_data = user_data;
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->thread = g_thread_try_new ("dicenet-newest", work, self, &reason);
  if (self->thread)
    return self;
  g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
               "the thread of inference-mode=newest can't be started: raise the limit of processes (ulimit -u, or the "
               "container's): %s",
               reason->message);
  g_error_free (reason);
  gst_dicenet_worker_free (self);
  return NULL;
}

void
gst_dicenet_worker_free (GstDicenetWorker *self)
{
  if (self->thread) {
    gst_dicenet_worker_forget (self);
    g_mutex_lock (&self->lock);
    self->is_closing = TRUE;
    g_cond_broadcast (&self->changed);
    g_mutex_unlock (&self->lock);
    g_thread_join (self->thread);
  }
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self);
}

gboolean
gst_dicenet_worker_is_free (GstDicenetWorker *self)
{
  g_mutex_lock (&self->lock);
  const gboolean is_free = !self->is_busy;
  g_mutex_unlock (&self->lock);
  return is_free;
}

void
gst_dicenet_worker_start (GstDicenetWorker *self, gpointer job)
{
  g_mutex_lock (&self->lock);
  self->job = job;
  self->is_busy = self->is_wanted = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

gpointer
gst_dicenet_worker_take (GstDicenetWorker *self)
{
  g_mutex_lock (&self->lock);
  gpointer outcome = g_steal_pointer (&self->outcome);
  g_mutex_unlock (&self->lock);
  return outcome;
}

void
gst_dicenet_worker_forget (GstDicenetWorker *self)
{
  g_mutex_lock (&self->lock);
  self->is_wanted = FALSE;
  drop_outcome (self);
  while (self->is_publishing && g_thread_self () != self->thread)
    g_cond_wait (&self->changed, &self->lock);
  g_mutex_unlock (&self->lock);
}

void
gst_dicenet_worker_wait (GstDicenetWorker *self)
{
  g_mutex_lock (&self->lock);
  while (self->is_busy && g_thread_self () != self->thread)
    g_cond_wait (&self->changed, &self->lock);
  g_mutex_unlock (&self->lock);
}
