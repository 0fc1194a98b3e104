/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/error.h>
#include "../dicenet-core/exec/backend.h"

/* Stands in for the CUDA backend where it is not built, so that callers need no conditions. */

static DicenetExecutor *
stub_open (const DicenetProgram *program, gint device_id, DicenetPrecision precision, guint n_threads, GError **error)
{
  g_set_error_literal (
      error, DICENET_ERROR, DICENET_ERROR_BACKEND,
      "this build has no CUDA backend: use backend=cpu, or backend=auto, which takes the CPU by itself");
  return NULL;
}

const DicenetBackendOps dicenet_backend_cuda = { .kind = DICENET_BACKEND_CUDA, .name = "cuda", .open = stub_open };
