/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backend.h"

/* The reason for not using a faster backend is the same for all sessions. */
static void
say_once (const char *reason)
{
  static gsize is_said = 0;

  if (g_once_init_enter (&is_said)) {
    dicenet_log (G_LOG_LEVEL_INFO, "backend=auto computes on the processor: %s", reason);
    g_once_init_leave (&is_said, 1);
  }
}

DicenetExecutor *
dicenet_executor_open (DicenetBackend backend, const DicenetNetwork *program, const DicenetDeviceOptions *target,
                       GError **error)
{
  static const DicenetBackendOps *const backends[] = { &dicenet_backend_cuda,
                                                       &dicenet_backend_cpu }; /* fastest first */

  for (guint i = 0; i < G_N_ELEMENTS (backends); i++) {
    if (backend == backends[i]->kind)
      return backends[i]->open (program, target, error);
  }
  for (guint i = 0; i < G_N_ELEMENTS (backends); i++) {
    g_autoptr (GError) reason = NULL;
    DicenetExecutor *executor = backends[i]->open (program, target, &reason);
    if (executor != NULL)
      return executor;
    if (i == G_N_ELEMENTS (backends) - 1)
      g_propagate_error (error, g_steal_pointer (&reason));
    else
      say_once (reason->message);
  }
  return NULL;
}
