/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * DICENET_ERROR:
 *
 * Domain of every #GError that this library returns. The codes are #DicenetError.
 */
#define DICENET_ERROR (dicenet_error_quark ())

/**
 * DicenetError:
 * @DICENET_ERROR_OPEN: a file cannot be read, or labels are missing
 * @DICENET_ERROR_INVALID_MODEL: a model file is damaged, or its tensors are not those of the network it describes
 * @DICENET_ERROR_UNSUPPORTED: the file is well formed, but uses a feature that this version does not support
 * @DICENET_ERROR_LABELS: a labels file does not fit the model
 * @DICENET_ERROR_BACKEND: the requested backend or device cannot be used on this machine
 * @DICENET_ERROR_ARGUMENT: a size, format or value is outside what the call accepts
 * @DICENET_ERROR_NO_MEMORY: memory for weights or activations could not be allocated
 * @DICENET_ERROR_DEVICE: the device failed during a run
 * @DICENET_ERROR_NOT_FOUND: there is no model of this name or path
 *
 * Messages name the file and the tensor, and say what was expected, what was found and how to fix it.
 */
typedef enum {
  DICENET_ERROR_OPEN,
  DICENET_ERROR_INVALID_MODEL,
  DICENET_ERROR_UNSUPPORTED,
  DICENET_ERROR_LABELS,
  DICENET_ERROR_BACKEND,
  DICENET_ERROR_ARGUMENT,
  DICENET_ERROR_NO_MEMORY,
  DICENET_ERROR_DEVICE,
  DICENET_ERROR_NOT_FOUND,
} DicenetError;

/**
 * dicenet_error_quark:
 *
 * Gets the domain of the library's errors.
 *
 * Returns: the domain, which is %DICENET_ERROR
 */
DICENET_API GQuark dicenet_error_quark (void);

G_END_DECLS
