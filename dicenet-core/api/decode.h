/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "result-private.h"

/* Makes results of what jobs found; used by one thread at a time, the one that waits. */
typedef struct {
  DicenetModel *model;
  DicenetExecutor *executor;
  const DicenetKernels *kernels;
  const DicenetPixelKernels *pixels;
  gfloat *scratch; /* segmentation */
  gsize scratch_floats;
} DicenetDecoder;

/* Room for a size, which decoding makes by itself. FALSE with @error set (NO_MEMORY). */
gboolean dicenet_decoder_prepare (DicenetDecoder *self, const DicenetSize *size, GError **error);

/* NULL with @error set (NO_MEMORY). */
DicenetResult *dicenet_decoder_run (DicenetDecoder *self, DicenetJob *job, const DicenetFound *found,
                                    const DicenetRequest *request, GError **error);
