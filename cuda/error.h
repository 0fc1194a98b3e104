/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <cuda_runtime_api.h>
#include <glib.h>

/* TRUE if @result is success; otherwise FALSE with @error set to a message for users. @doing: the operation that was
 * attempted. */
gboolean cuda_check (cudaError_t result, const char *doing, GError **error);

/* Allocates memory on the current device, ordered by @stream; free with cudaFreeAsync(). @what: its purpose, as a
 * plural noun. */
gboolean cuda_allocate (gpointer *out, gsize bytes, const char *what, cudaStream_t stream, GError **error);
