/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cuda_runtime_api.h>
#include <glib.h>

/* TRUE if @result is none; else FALSE with @error set to what it means to the user, @doing being what was tried. */
gboolean cuda_check (cudaError_t result, const char *doing, GError **error);

/* Memory on the current device in the order of @stream; free with cudaFreeAsync(). @what is it for: a plural noun. */
gboolean cuda_allocate (gpointer *out, gsize bytes, const char *what, cudaStream_t stream, GError **error);
