/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../backend/task.h"

G_BEGIN_DECLS

/* Everything in which the forms of detectors differ but the decoding of their outputs, which is in prepost/boxes.c.
 * Each has a file. */
typedef struct {
  const char *name;  /* value of the key "head" */
  const char *words; /* in short texts; NULL for what is not mentioned */
  /* Reads and checks the form's own keys. FALSE with the error set. */
  gboolean (*read) (const DicenetMetadata *m, DicenetDescription *d);
  /* Values of these keys; returns their number. */
  guint (*describe) (const DicenetDescription *d, DicenetFact *facts);
  /* Builds the whole network, with the outputs "confidences" and "locations", and sets the graph's maps. */
  void (*build) (DicenetGraph *g, const DicenetDescription *d);
  /* What locations are relative to, four numbers each, for an input of width x height pixels with feature maps of the
   * sizes @maps. Returns their number; @priors may be NULL to only count them. */
  guint (*place) (const DicenetDescription *d, const DicenetShape maps[DICENET_N_MAPS], guint width, guint height,
                  gfloat *priors);
} DicenetHeadOps;

extern const DicenetHeadOps dicenet_head_ssd, dicenet_head_anchor_free;

G_END_DECLS
