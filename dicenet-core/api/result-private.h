/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../backend/task.h"

struct _DicenetResult {
  gint n_refs;
  DicenetModel *model;
  const DicenetGraph *graph; /* owned by the model */
  const DicenetKernels *kernels;
  guint width, height, n_pictures;
  DicenetDecoded *decoded; /* by picture; NULL if not requested */
  /* By output of the graph, for all pictures one after the other; NULL if not requested. */
  gfloat *outputs[DICENET_MAX_OUTPUTS];
  DicenetShape shapes[DICENET_MAX_OUTPUTS];
  gfloat *priors;
  gsize n_priors; /* number of floats */
};

/* An empty result with one reference. */
DicenetResult *dicenet_result_new (DicenetModel *model, const DicenetSize *size, const DicenetKernels *kernels);
