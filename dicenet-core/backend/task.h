/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

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

/* What a session makes results with, one at a time. */
typedef struct {
  DicenetExecutor *executor;
  const DicenetKernels *kernels;
  const DicenetPixelKernels *pixels;
  gfloat *scratch; /* the task's, as long as the session */
  gsize scratch_floats;
} DicenetDecoder;

/* One picture of what a job found. */
typedef struct {
  DicenetDecoder *decoder;
  DicenetJob *job;
  const DicenetFound *found;
  const DicenetRequest *request;
  guint picture;
} DicenetDecoding;

/* What it shows; NULL where that is another task's. */
typedef struct {
  GArray *classes; /* DicenetClass */
  GArray *boxes;   /* DicenetBox */
  GBytes *mask;
} DicenetDecoded;

struct _DicenetTaskOps {
  DicenetTaskKeys keys;
  /* Adds the network, whole, and names its outputs. */
  void (*build) (DicenetGraph *graph, const DicenetDescription *d);
  /* The values of the task's own keys; returns how many. */
  guint (*describe) (const DicenetDescription *d, DicenetFact facts[DICENET_MAX_FACTS]);
  /* Adds to a size, whose plan is made, what results are made with. FALSE with @error set (NO_MEMORY). NULL: nothing.
   */
  gboolean (*prepare) (DicenetSize *size, const DicenetNetwork *program, GError **error);
  /* Makes room for what decode() needs at a size, which it does by itself. FALSE with @error set (NO_MEMORY). NULL:
   * nothing. */
  gboolean (*reserve) (DicenetDecoder *self, const DicenetSize *size, GError **error);
  /* FALSE with @error set (NO_MEMORY). */
  gboolean (*decode) (const DicenetDecoding *d, DicenetDecoded *out, GError **error);
};

static inline const DicenetDescription *
dicenet_decoding_description (const DicenetDecoding *d)
{
  return d->decoder->executor->program.description;
}

/* Output @k of the graph. */
static inline const gfloat *
dicenet_decoding_output (const DicenetDecoding *d, guint k)
{
  const DicenetTensorRef *view = dicenet_size_output (d->job->size, d->decoder->executor->program.graph, k);
  return d->found->outputs[k] + d->picture * dicenet_view_floats (view);
}

G_END_DECLS
