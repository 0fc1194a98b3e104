/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options-private.h"

G_DEFINE_BOXED_TYPE (DicenetOptions, dicenet_options, dicenet_options_copy, dicenet_options_free)

const DicenetOptions dicenet_options_default = { .backend = DICENET_BACKEND_AUTO,
                                                 .target = { .device = -1, .precision = DICENET_PRECISION_FLOAT32 } };

DicenetOptions *
dicenet_options_new (void)
{
  return dicenet_options_copy (&dicenet_options_default);
}

DicenetOptions *
dicenet_options_copy (const DicenetOptions *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return g_memdup2 (self, sizeof *self);
}

void
dicenet_options_free (DicenetOptions *self)
{
  g_free (self);
}

void
dicenet_options_set_backend (DicenetOptions *self, DicenetBackend backend)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (backend <= DICENET_BACKEND_CUDA);
  self->backend = backend;
}

void
dicenet_options_set_device (DicenetOptions *self, gint device)
{
  g_return_if_fail (self != NULL);
  self->target.device = device;
}

void
dicenet_options_set_context (DicenetOptions *self, gpointer context)
{
  g_return_if_fail (self != NULL);
  self->target.context = context;
}

void
dicenet_options_set_precision (DicenetOptions *self, DicenetPrecision precision)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (precision <= DICENET_PRECISION_INT8);
  self->target.precision = precision;
}

void
dicenet_options_set_threads (DicenetOptions *self, guint n_threads)
{
  g_return_if_fail (self != NULL);
  self->target.n_threads = n_threads;
}

void
dicenet_options_set_worker (DicenetOptions *self, gboolean worker)
{
  g_return_if_fail (self != NULL);
  self->worker = worker;
}
