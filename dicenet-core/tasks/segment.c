/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include "../backend/axis.h"
#include "../base/memory-error.h"
#include "../graph/builder.h"
#include "../prepost/decode.h"
#include "tasks.h"

/* Semantic segmentation: ESPNetv2's decoder on levels 1 to 4 (paper 7.2). The network's last step, scaling the logits
 * to the input's size, is not in the graph: readers of the result do it row by row (prepost/mask.h), which avoids the
 * largest tensor of all. */

/* --- the model file --- */

static gboolean
read_keys (const DicenetMetadata *m, DicenetDescription *d)
{
  gint decoder = 16;

  if (!dicenet_metadata_read_int (m, "background", -1, (gint) d->n_classes - 1, FALSE, &d->background) ||
      !dicenet_metadata_read_int (m, "decoder_width", 1, 256, FALSE, &decoder))
    return FALSE;
  d->decoder_width = (guint) decoder;
  return TRUE;
}

/* --- the network --- */

/* One decoder step: d = BR(up(d) + weighting(e)). Efficient weighting multiplies an expansion of the encoder's map e by
 * a gate, which is computed from the means of e. The means are computed after the expansion, which saves waiting for a
 * map that is no longer in the caches. */
static guint
build_upsample_add (DicenetGraph *g, const char *stage, guint d, guint e)
{
  const guint cin = dicenet_node_channels (g, e), cout = dicenet_node_channels (g, d);
  g_autofree char *proj = g_strconcat ("proj_enc_", stage, NULL),
                  *expansion = g_strconcat (proj, ".expansion_layer", NULL),
                  *weight = g_strconcat (proj, ".wt_layer.1", NULL);
  g_autofree char *norm = g_strdup_printf ("bu_br_%s.0", stage), *prelu = g_strdup_printf ("bu_br_%s.1", stage);

  const guint expanded = dicenet_build_cbr (g, expansion, e, cout, 3, 1, dicenet_common_groups (cin, cout));
  guint gate = dicenet_build_simple (g, DICENET_OP_GLOBAL_AVG_POOL, proj, e);
  gate = dicenet_build_fully_connected (g, weight, gate, cout, 1, FALSE, DICENET_ACTIVATION_SIGMOID);
  return dicenet_build_upsample_add (g, norm, prelu, d, expanded, gate);
}

static void
build (DicenetGraph *g, const DicenetDescription *d)
{
  const guint b = d->decoder_width, p = MIN (d->n_classes / 2, b);
  guint level[5];
  dicenet_build_backbone (g, d, "base_net.", 4, level);

  guint x = dicenet_build_epp (g, "eff_pool_16x16", level[3], p, 4 * b, FALSE);
  x = build_upsample_add (g, "32x32", x, level[2]);
  x = dicenet_build_epp (g, "eff_pool_32x32", x, p, 3 * b, FALSE);
  x = build_upsample_add (g, "64x64", x, level[1]);
  x = dicenet_build_epp (g, "eff_pool_64x64", x, p, 2 * b, FALSE);
  x = build_upsample_add (g, "128x128", x, level[0]);
  x = dicenet_build_epp (g, "eff_pool_128x128", x, p, d->n_classes, TRUE);
  g->outputs[g->n_outputs++] = (DicenetGraphOutput){ "logits", x, .is_scaled = TRUE };
}

/* --- results --- */

static gboolean
prepare (DicenetSize *self, const DicenetNetwork *program, GError **error)
{
  const DicenetTensorRef *logits = dicenet_size_output (self, program->graph, 0);

  self->rows = dicenet_axis_get (self->axes, logits->h, self->height, DICENET_RESIZE_UP);
  self->columns = dicenet_axis_get (self->axes, logits->w, self->width, DICENET_RESIZE_UP);
  self->classes = dicenet_axis_get (self->axes, logits->c, logits->c, DICENET_RESIZE_UP);
  return TRUE;
}

/* From the size of the logits to the picture's. */
static DicenetUpsample
upsample (const DicenetDecoder *self, const DicenetSize *size)
{
  return (DicenetUpsample){ self->kernels, self->pixels, size->rows, size->columns, size->classes };
}

static gboolean
reserve (DicenetDecoder *self, const DicenetSize *size, GError **error)
{
  const DicenetUpsample scale = upsample (self, size);
  const gsize n = self->executor->ops->n_threads (self->executor) * dicenet_upsample_scratch (&scale);

  if (n <= self->scratch_floats)
    return TRUE;
  gfloat *scratch = g_try_realloc_n (self->scratch, n, sizeof (gfloat));
  if (scratch == NULL)
    return dicenet_no_memory (error, n * sizeof (gfloat), "room to make results in",
                              "choose a smaller inference size or fewer threads");
  self->scratch = scratch;
  self->scratch_floats = n;
  return TRUE;
}

/* A mask whose rows are computed by several threads. */
typedef struct {
  DicenetUpsample scale;
  const gfloat *logits;
  gfloat *scratch;
  guint8 *mask;
  guint n_parts;
} MaskJob;

static void
decode_part (gpointer data, guint i, guint seat)
{
  const MaskJob *job = data;
  const DicenetUpsample *scale = &job->scale;
  const guint rows = scale->rows->out;

  dicenet_decode_mask (scale, job->logits, rows * i / job->n_parts, rows * (i + 1) / job->n_parts, job->mask,
                       scale->columns->out, job->scratch + seat * dicenet_upsample_scratch (scale));
}

static gboolean
make_mask (const DicenetDecoding *d, guint8 *mask, GError **error)
{
  DicenetExecutor *executor = d->decoder->executor;

  if (!reserve (d->decoder, d->job->size, error))
    return FALSE;
  MaskJob job = { .scale = upsample (d->decoder, d->job->size),
                  .logits = dicenet_decoding_output (d, 0),
                  .scratch = d->decoder->scratch,
                  .mask = mask,
                  .n_parts = executor->ops->n_threads (executor) };
  if (executor->ops->share)
    executor->ops->share (executor, job.n_parts, decode_part, &job);
  else
    for (guint i = 0; i < job.n_parts; i++)
      decode_part (&job, i, 0);
  return TRUE;
}

static gboolean
decode (const DicenetDecoding *d, DicenetDecoded *out, GError **error)
{
  const gsize n = (gsize) d->job->size->width * d->job->size->height;
  g_autofree guint8 *mask = g_try_malloc (n);

  if (mask == NULL)
    return dicenet_no_memory (error, n, "a mask", "choose a smaller inference size or batch");
  if (d->found->masks)
    memcpy (mask, d->found->masks + d->picture * n, n);
  else if (!make_mask (d, mask, error))
    return FALSE;
  out->mask = g_bytes_new_take (g_steal_pointer (&mask), n);
  return TRUE;
}

/* --- task --- */

static guint
describe (const DicenetDescription *d, DicenetFact facts[DICENET_MAX_FACTS])
{
  facts[0] = (DicenetFact){ DICENET_FACT_NUMBER, "decoder_width", .number = d->decoder_width };
  return 1;
}

const DicenetTaskOps dicenet_task_segment = {
  .keys = { .task = DICENET_TASK_SEGMENT,
            .name = "segment",
            .min_classes = 2,
            .max_classes = 256, /* a mask has 8 bits per pixel */
            .read = read_keys },
  .build = build,
  .prepare = prepare,
  .reserve = reserve,
  .decode = decode,
  .describe = describe,
};
