/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../graph/builder.h"
#include "../prepost/decode.h"
#include "tasks.h"

/* Classification of the whole picture: global average pooling and fully connected layers on any backbone. */

/* --- the model file --- */

static gboolean
read_keys (const DicenetMetadata *m, DicenetDescription *d)
{
  if (!dicenet_metadata_read_boolean (m, "multi_label", &d->multi_label))
    return FALSE;
  /* Tags are independent, so each needs a threshold. Of classes that exclude each other, the first is always
   * reported. */
  return dicenet_description_read_thresholds (d, m, d->multi_label ? 0.5f : 0);
}

/* --- the network --- */

static guint
build_features (DicenetGraph *g, const DicenetDescription *d)
{
  guint level[5];

  if (d->backbone == DICENET_BACKBONE_MOBILENET)
    return dicenet_build_mobilenet (g, d);
  if (d->backbone == DICENET_BACKBONE_RESNET)
    return dicenet_build_resnet (g, d);
  dicenet_build_backbone (g, d, "", 5, level);
  return level[4];
}

/* DiCENet's grouped layer has c5 outputs. No activation follows. */
static void
build (DicenetGraph *g, const DicenetDescription *d)
{
  guint x = dicenet_build_simple (g, DICENET_OP_GLOBAL_AVG_POOL, "global_pool", build_features (g, d));
  if (d->widths.c5 > 0)
    x = dicenet_build_fully_connected (g, "classifier.0", x, d->widths.c5, 4, FALSE, DICENET_ACTIVATION_NONE);
  x = dicenet_build_fully_connected (g, "classifier.2", x, d->n_classes, 1, TRUE, DICENET_ACTIVATION_NONE);
  g->outputs[g->n_outputs++] = (DicenetGraphOutput){ .name = "logits", .node = x };
}

/* --- results --- */

static gboolean
decode (const DicenetDecoding *decoding, DicenetDecoded *out, GError **error)
{
  const DicenetDescription *d = dicenet_decoding_description (decoding);

  out->classes = dicenet_decode_classes (dicenet_decoding_output (decoding, 0), d->n_classes, d->multi_label,
                                         decoding->request->top_k, &decoding->request->detect);
  return TRUE;
}

/* --- task --- */

static guint
describe (const DicenetDescription *d, DicenetFact facts[DICENET_MAX_FACTS])
{
  facts[0] = (DicenetFact){ DICENET_FACT_BOOLEAN, "multi_label", "multi-label", .is_true = d->multi_label };
  facts[1] = dicenet_threshold_fact (d);
  return 2;
}

const DicenetTaskOps dicenet_task_classify = {
  .keys = { .task = DICENET_TASK_CLASSIFY,
            .name = "classify",
            .min_classes = 1,
            .max_classes = DICENET_MAX_CLASSES,
            .has_backbones = TRUE,
            .read = read_keys },
  .build = build,
  .decode = decode,
  .describe = describe,
};
