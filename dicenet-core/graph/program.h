/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fold.h"

G_BEGIN_DECLS

typedef struct _DicenetTaskOps DicenetTaskOps; /* backend/task.h */

/* What a backend runs; owned by the model, which outlives all executors. */
typedef struct {
  const DicenetDescription *description;
  const DicenetGraph *graph;
  DicenetWeights *weights;
  const DicenetTaskOps *task;
} DicenetNetwork;

G_END_DECLS
