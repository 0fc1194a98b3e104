/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fold.h"

G_BEGIN_DECLS

/* What a backend runs; owned by the model, which outlives every executor. */
typedef struct {
  const DicenetDescription *description;
  const DicenetGraph *graph;
  DicenetWeights *weights;
} DicenetProgram;

G_END_DECLS
