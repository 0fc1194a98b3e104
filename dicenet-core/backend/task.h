/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../graph/graph.h"

G_BEGIN_DECLS

/* What is particular to a task, all of it: tasks/ has a file for each. */

/* A piece of what a description says, for whoever shows it. */
typedef enum {
  DICENET_FACT_BOOLEAN,
  DICENET_FACT_NUMBER,
  DICENET_FACT_NUMBERS,
} DicenetFactKind;

typedef struct {
  DicenetFactKind kind;
  const char *name;  /* as in the model file */
  const char *words; /* what a short text has: of what is true, or before a number; NULL: it leaves the fact out */
  gboolean is_true;
  gdouble number;
  const gfloat *numbers; /* the description's */
  guint n_numbers;
} DicenetFact;

#define DICENET_MAX_FACTS 4

typedef struct {
  DicenetTaskKeys keys;
  /* Adds the network, whole, and names its outputs. */
  void (*build) (DicenetGraph *graph, const DicenetDescription *d);
  /* The values of the task's own keys; returns how many. */
  guint (*describe) (const DicenetDescription *d, DicenetFact facts[DICENET_MAX_FACTS]);
} DicenetTaskOps;

G_END_DECLS
