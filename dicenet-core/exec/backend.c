/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend.h"

DicenetExecutor *
dicenet_executor_open (DicenetBackend backend, const DicenetProgram *program, gint device_id,
                       DicenetPrecision precision, guint n_threads, GError **error)
{
  static const DicenetBackendOps *const backends[] = { &dicenet_backend_cuda,
                                                       &dicenet_backend_cpu }; /* fastest first */

  for (guint i = 0; i < G_N_ELEMENTS (backends); i++) {
    if (backend == backends[i]->kind)
      return backends[i]->open (program, device_id, precision, n_threads, error);
  }
  for (guint i = 0; i < G_N_ELEMENTS (backends); i++) {
    g_autoptr (GError) reason = NULL;
    DicenetExecutor *executor = backends[i]->open (program, device_id, precision, n_threads, &reason);
    if (executor != NULL)
      return executor;
    if (i == G_N_ELEMENTS (backends) - 1)
      g_propagate_error (error, g_steal_pointer (&reason));
    else
      g_debug ("backend=auto: %s", reason->message);
  }
  return NULL;
}

void
dicenet_executor_close (DicenetExecutor *self)
{
  if (self != NULL)
    self->ops->close (self);
}
