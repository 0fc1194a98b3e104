/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/model.h>
#include "metadata.h"

G_BEGIN_DECLS

/* A classifier's backbone; detection and segmentation always use DiCENet. */
typedef enum {
  DICENET_BACKBONE_DICENET, /* ShuffleNetV2 with the DiCE unit (paper, Table VIII) */
  DICENET_BACKBONE_MOBILENET,
  DICENET_BACKBONE_RESNET, /* MobileNet and ResNet with the DiCE unit (docs/networks.md) */
  DICENET_N_BACKBONES,
} DicenetBackbone;

/* "dicenet", "mobilenet", "resnet" */
extern const char *const dicenet_backbone_names[DICENET_N_BACKBONES];

/* Channels of a backbone's levels for a width multiplier. Level k + 1 has 1 / 2^(k + 1) of the input's size. c5 is only
 * used by classifiers; 0 if there is none. */
typedef struct {
  gdouble scale;
  guint c0, c1, c2, c3, c4, c5;
} DicenetWidths;

/* Number of feature maps that SSD's default boxes are placed on, and of those of the anchor-free head. */
#define DICENET_N_MAPS      6
#define DICENET_N_CELL_MAPS 4

/* Maximum number of channels of the anchor-free head. */
#define DICENET_MAX_HEAD_WIDTH 1024

#define DICENET_MAX_CLASSES 65535

/* Maximum number of ranges; a file has no more tensors. */
#define DICENET_MAX_RANGES 4096
/* Maximum number of means. */
#define DICENET_MAX_MEANS 262144

/* Maximum length of a label, which is repeated in every frame's results. */
#define DICENET_MAX_LABEL_BYTES 4096

/* The network as described by a model file's __metadata__ (docs/model-format.md). */
typedef struct {
  DicenetTask task;
  DicenetBackbone backbone;
  DicenetWidths widths;
  guint n_classes;
  gint background;
  gboolean background_is_implied; /* detect: a labels file may leave out the background */
  char **labels;                  /* n_classes names, NULL-terminated */
  gfloat mean[3], std[3];
  guint width, height;               /* default inference size */
  guint kernel_width, kernel_height; /* input size that the DimConv kernels were trained for */
  DicenetHead head;                  /* detect */
  guint head_width, context_width;   /* detect, anchor-free: channels */
  gboolean pyramid;                  /* detect, SSD */
  /* detect, SSD: sides of each map's default boxes in pixels, ascending; the last is that of a hypothetical seventh map
   */
  gfloat prior_sizes[DICENET_N_MAPS + 1];
  guint decoder_width;  /* segment: b of the decoder's 4b, 3b, 2b planes */
  gboolean multi_label; /* classify */
  gfloat threshold;     /* classify, detect: default minimum confidence of reported results */
  gfloat *thresholds;   /* instead of it, one per class; NULL for none */
  /* For the inputs of the convolutions that int8 computes, in the graph's order; NULL for none. The reader doesn't
   * check how many there are: dicenet_cpu_check_int8() does. */
  GArray *int8_ranges;   /* DicenetRange */
  GPtrArray *int8_means; /* GArray of gfloat: the mean of each channel */
} DicenetDescription;

/* The task-specific part of reading a model file. */
typedef struct {
  DicenetTask task;
  const char *name; /* value of the key "task" */
  gint min_classes, max_classes;
  gboolean has_backbones; /* supports backbones other than DiCENet */
  /* Reads and checks the task's own keys, after the common ones. FALSE with the error set. */
  gboolean (*read) (const DicenetMetadata *metadata, DicenetDescription *d);
} DicenetTaskKeys;

/* Reads and checks the metadata of a model of any task. FALSE with @error set; @out is then cleared. */
gboolean dicenet_description_read (DicenetDescription *out, const DicenetSafetensors *file,
                                   const DicenetTaskKeys *const *tasks, guint n_tasks, GError **error);
void dicenet_description_clear (DicenetDescription *self);

/* For tasks whose results have confidences: reads the keys "threshold", which is @fallback if absent, and "thresholds".
 * Needs n_classes. */
gboolean dicenet_description_read_thresholds (DicenetDescription *self, const DicenetMetadata *m, gfloat fallback);

G_END_DECLS
