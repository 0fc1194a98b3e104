/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "backend.h"

G_BEGIN_DECLS

/* Everything that is specific to a task. Each task has a file in tasks/. */

/* A property from a description, for display. */
typedef enum {
  DICENET_FACT_BOOLEAN,
  DICENET_FACT_NUMBER,
  DICENET_FACT_NUMBERS,
  DICENET_FACT_TEXT,
} DicenetFactKind;

typedef struct {
  DicenetFactKind kind;
  const char *name;  /* name of the key in the model file */
  const char *words; /* in short texts: shown if a boolean is true, before a number, before numbers, which are then one
                      * per class, or instead of a text; NULL: not shown */
  gboolean is_true;
  gdouble number;
  const gfloat *numbers; /* owned by the description */
  guint n_numbers;
  const char *text; /* constant */
} DicenetFact;

#define DICENET_MAX_FACTS 4

/* State for decoding the results of a session, one at a time. */
typedef struct {
  DicenetExecutor *executor;
  const DicenetKernels *kernels;
  const DicenetPixelKernels *pixels;
  gfloat *scratch; /* used by the task; freed with the session */
  gsize scratch_floats;
} DicenetDecoder;

/* One picture of a completed job. */
typedef struct {
  DicenetDecoder *decoder;
  DicenetJob *job;
  const DicenetFound *found;
  const DicenetRequest *request;
  guint picture;
} DicenetDecoding;

/* Decoded results; NULL for those of other tasks. */
typedef struct {
  GArray *classes; /* DicenetClass */
  GArray *boxes;   /* DicenetBox */
  GBytes *mask;
} DicenetDecoded;

struct _DicenetTaskOps {
  DicenetTaskKeys keys;
  /* Builds the whole network and names its outputs. */
  void (*build) (DicenetGraph *graph, const DicenetDescription *d);
  /* Values of the task's own keys; returns their number. */
  guint (*describe) (const DicenetDescription *d, DicenetFact facts[DICENET_MAX_FACTS]);
  /* Adds the tables for decoding to a size whose plan exists. FALSE with @error set (NO_MEMORY). NULL: there are
   * none. */
  gboolean (*prepare) (DicenetSize *size, const DicenetNetwork *program, GError **error);
  /* Allocates in advance what decode() needs at a size. FALSE with @error set (NO_MEMORY). NULL: it needs nothing. */
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
