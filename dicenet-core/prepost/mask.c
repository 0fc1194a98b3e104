/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode.h"

/* Pixels of a row at a time, so that everything lives on the stack. */
#define CHUNK 256

typedef struct {
  guint low;
  gfloat fraction;
} Position;

/* Where output index i of n lies between m inputs when the corners are aligned; low + 1 is within the inputs if m > 1.
 */
static Position
position (guint i, guint n, guint m)
{
  if (m < 2 || n < 2)
    return (Position){ 0, 0 };
  const gdouble at = (gdouble) i * (m - 1) / (n - 1);
  const guint low = MIN ((guint) at, m - 2);
  return (Position){ low, (gfloat) (at - low) };
}

/* One class's logits of @n pixels of output row @row, from column @first. */
static void
scale_chunk (const gfloat *plane, guint h, guint w, guint height, guint row, const Position *columns, guint n,
             gfloat *out)
{
  const Position r = position (row, height, h);
  const gfloat *top = plane + (gsize) r.low * w, *bottom = h > 1 ? top + w : top;
  const guint next = w > 1 ? 1 : 0;

  for (guint j = 0; j < n; j++) {
    const guint c = columns[j].low;
    const gfloat a = top[c] + columns[j].fraction * (top[c + next] - top[c]);
    const gfloat b = bottom[c] + columns[j].fraction * (bottom[c + next] - bottom[c]);
    out[j] = a + r.fraction * (b - a);
  }
}

static guint
find_columns (Position columns[CHUNK], guint first, guint width, guint w)
{
  const guint n = MIN (CHUNK, width - first);
  for (guint j = 0; j < n; j++)
    columns[j] = position (first + j, width, w);
  return n;
}

void
dicenet_decode_logits (const gfloat *logits, guint n_classes, guint h, guint w, gfloat *out, guint height, guint width)
{
  Position columns[CHUNK];

  for (guint first = 0; first < width; first += CHUNK) {
    const guint n = find_columns (columns, first, width, w);
    for (guint c = 0; c < n_classes; c++)
      for (guint row = 0; row < height; row++)
        scale_chunk (logits + (gsize) c * h * w, h, w, height, row, columns, n,
                     out + ((gsize) c * height + row) * width + first);
  }
}

void
dicenet_decode_mask (const gfloat *logits, guint n_classes, guint h, guint w, guint8 *mask, guint height, guint width,
                     gsize stride)
{
  Position columns[CHUNK];
  gfloat best[CHUNK], value[CHUNK];

  for (guint first = 0; first < width; first += CHUNK) {
    const guint n = find_columns (columns, first, width, w);
    for (guint row = 0; row < height; row++) {
      guint8 *out = mask + row * stride + first;
      scale_chunk (logits, h, w, height, row, columns, n, best);
      for (guint j = 0; j < n; j++)
        out[j] = 0;
      for (guint c = 1; c < n_classes; c++) {
        scale_chunk (logits + (gsize) c * h * w, h, w, height, row, columns, n, value);
        for (guint j = 0; j < n; j++) {
          if (value[j] > best[j]) {
            best[j] = value[j];
            out[j] = (guint8) c;
          }
        }
      }
    }
  }
}
