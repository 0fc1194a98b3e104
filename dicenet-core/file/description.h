/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/model.h>
#include "metadata.h"

G_BEGIN_DECLS

/* The network that a classifier stands on; detection and segmentation have DiCENet. */
typedef enum {
  DICENET_BACKBONE_DICENET, /* ShuffleNetV2 with the DiCE unit (paper, Table VIII) */
  DICENET_BACKBONE_MOBILENET,
  DICENET_BACKBONE_RESNET, /* the other two with it (docs/networks.md) */
  DICENET_N_BACKBONES,
} DicenetBackbone;

/* "dicenet", "mobilenet", "resnet" */
extern const char *const dicenet_backbone_names[DICENET_N_BACKBONES];

/* Channels of a backbone's levels, of which level k + 1 has 1 / 2^(k + 1) of the input's size, for a width multiplier.
 * c5 is the classifier's own; 0 where it has none. */
typedef struct {
  gdouble scale;
  guint c0, c1, c2, c3, c4, c5;
} DicenetWidths;

/* NULL if the backbone's table has no such row. */
const DicenetWidths *dicenet_widths_find (DicenetBackbone backbone, gdouble scale);

/* SSD's default boxes stand on six maps. */
#define DICENET_N_MAPS 6

#define DICENET_MAX_CLASSES 65535

/* Of a class's name: it stands in every frame's results. */
#define DICENET_MAX_LABEL_BYTES 4096

/* What a model file's __metadata__ says of the network (docs/model-format.md). */
typedef struct {
  DicenetTask task;
  DicenetBackbone backbone;
  DicenetWidths widths;
  guint n_classes;
  gint background;
  gboolean background_is_implied; /* detect: a file of labels may leave it out */
  char **labels;                  /* n_classes names, NULL-terminated */
  gfloat mean[3], std[3];
  guint width, height;               /* meant to run at */
  guint kernel_width, kernel_height; /* input size that the DimConv kernels were trained for */
  gboolean pyramid;                  /* detect */
  /* detect: sides of the default boxes of each map, in pixels, growing; the last is what a seventh map would have */
  gfloat prior_sizes[DICENET_N_MAPS + 1];
  guint decoder_width;  /* segment: b of the decoder's 4b, 3b, 2b planes */
  gboolean multi_label; /* classify */
  gfloat threshold;     /* classify, detect: confidence from which a result is worth reporting */
} DicenetDescription;

/* What is particular to a task in a model file. */
typedef struct {
  DicenetTask task;
  const char *name; /* as the key "task" has it */
  gint min_classes, max_classes;
  gboolean has_backbones; /* others than DiCENet's */
  /* Reads and checks the task's own keys, after those that all have. FALSE with the error set. */
  gboolean (*read) (const DicenetMetadata *metadata, DicenetDescription *d);
} DicenetTaskKeys;

/* Reads and checks the metadata of a model of one of the tasks. FALSE with @error set; @out is then cleared. */
gboolean dicenet_description_read (DicenetDescription *out, const DicenetSafetensors *file,
                                   const DicenetTaskKeys *const *tasks, guint n_tasks, GError **error);
void dicenet_description_clear (DicenetDescription *self);

G_END_DECLS
