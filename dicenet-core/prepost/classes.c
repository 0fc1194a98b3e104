/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include "decode.h"

static int
compare_confidence (gconstpointer a, gconstpointer b)
{
  const DicenetClass *x = a, *y = b;
  if (x->confidence != y->confidence)
    return x->confidence < y->confidence ? 1 : -1;
  return x->label_id < y->label_id ? -1 : x->label_id > y->label_id;
}

GArray *
dicenet_decode_classes (const gfloat *logits, guint n_classes, gboolean multi_label, guint top_k,
                        const DicenetDetectParams *params)
{
  GArray *out = g_array_new (FALSE, FALSE, sizeof (DicenetClass));
  gdouble largest = -INFINITY, sum = 0;

  for (guint c = 0; c < n_classes; c++)
    largest = MAX (largest, logits[c]);
  for (guint c = 0; c < n_classes; c++)
    sum += exp (logits[c] - largest);
  for (guint c = 0; c < n_classes; c++) {
    const gdouble p = multi_label ? 1 / (1 + exp (-(gdouble) logits[c])) : exp (logits[c] - largest) / sum;
    if (p >= dicenet_class_threshold (params, c))
      g_array_append_val (out, ((DicenetClass){ c, (gfloat) p }));
  }
  g_array_sort (out, compare_confidence);
  if (top_k > 0 && out->len > top_k)
    g_array_set_size (out, top_k);
  return out;
}
