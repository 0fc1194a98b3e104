/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../backend/task.h"

struct _DicenetResult {
  gint n_refs;
  DicenetModel *model;
  const DicenetGraph *graph; /* the model's */
  const DicenetKernels *kernels;
  guint width, height, n_pictures;
  DicenetDecoded *decoded; /* by picture; NULL where it was not asked for */
  /* By output of the graph: of all pictures, one after the other; NULL where they were not asked for. */
  gfloat *outputs[DICENET_MAX_OUTPUTS];
  DicenetShape shapes[DICENET_MAX_OUTPUTS];
  gfloat *priors;
  gsize n_priors; /* floats */
};

/* With one reference, and nothing in it. */
DicenetResult *dicenet_result_new (DicenetModel *model, const DicenetSize *size, const DicenetKernels *kernels);
