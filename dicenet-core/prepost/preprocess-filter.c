/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preprocess-filter.h"

#include <math.h>

/* The networks were trained on pictures scaled by Pillow, so the results must be bit-identical to Pillow's. Besides the
 * formula, this determines the order of the double-precision operations below, the rounding of the window's ends, and
 * that weights are divided by their sum before they are converted to integers. */

typedef struct {
  double centre;  /* position of the output sample on the input's axis, on which sample j covers j .. j + 1 */
  double support; /* half width: inputs further away have no weight */
} Window;

static double
triangle (double x)
{
  x = fabs (x);
  return x < 1 ? 1 - x : 0;
}

/* Fills @weights with the window's weights, normalised to a sum of 1, and returns their number. */
static guint
weigh_window (const Window *window, guint in, gint32 *start, double *weights)
{
  gint first = MAX ((gint) (window->centre - window->support + 0.5), 0);
  gint end = MIN ((gint) (window->centre + window->support + 0.5), (gint) in);
  double reciprocal = 1 / window->support;
  double sum = 0;
  guint n = (guint) (end - first);

  for (guint t = 0; t < n; t++) {
    weights[t] = triangle (((gint) t + first - window->centre + 0.5) * reciprocal);
    sum += weights[t];
  }
  for (guint t = 0; t < n; t++)
    weights[t] /= sum;
  *start = first;
  return n;
}

/* Converts weights to fixed point. Zeros at both ends of the window are removed: this saves work, turns scaling to the
 * same size into a copy, and lets rows be released as early as possible. */
static guint
quantise (const double *weights, guint n, gint32 *start, guint32 *coefficients)
{
  guint first = 0;

  for (guint t = 0; t < n; t++)
    coefficients[t] = (guint32) (0.5 + weights[t] * (1 << DICENET_TAPS_BITS));
  while (n > 1 && coefficients[n - 1] == 0)
    n--;
  while (first + 1 < n && coefficients[first] == 0)
    first++;
  for (guint t = first; t < n; t++)
    coefficients[t - first] = coefficients[t];
  *start += (gint32) first;
  return n - first;
}

/* Stores the @coefficient of input start[i] + t in two parts; the tables are initialised with zeros. */
static void
put_coefficient (const DicenetTaps *taps, guint32 *high, guint32 *low, guint i, guint t, guint32 coefficient)
{
  const gsize at = (gsize) (t / 2) * taps->stride + i;
  const guint shift = t % 2 * 16;

  high[at] |= coefficient >> DICENET_TAPS_SPLIT << shift;
  low[at] |= (coefficient & ((1u << DICENET_TAPS_SPLIT) - 1)) << shift;
}

/* Near the end, windows narrower than @most begin earlier, with zeros, so that at most one number past the last input
 * is read. @coefficients: @capacity for each output. */
static void
fill_taps (DicenetFilter *self, guint in, gint32 *start, const guint32 *coefficients, guint capacity)
{
  const guint out = self->taps.out, pairs = (self->most + 1) / 2;
  guint32 *high = g_new0 (guint32, (gsize) pairs * self->taps.stride),
          *low = g_new0 (guint32, (gsize) pairs * self->taps.stride);

  self->taps.pairs = pairs;
  self->taps.high = high;
  self->taps.low = low;
  for (guint i = 0; i < out; i++) {
    const guint first = MIN ((guint) start[i], in - self->most), shift = (guint) start[i] - first;

    for (guint t = 0; t < self->n[i]; t++)
      put_coefficient (&self->taps, high, low, i, t + shift, coefficients[(gsize) i * capacity + t]);
    start[i] = (gint32) first;
    self->n[i] += shift;
  }
  for (guint i = out; i < self->taps.stride; i++)
    start[i] = start[out - 1];
}

void
dicenet_filter_init (DicenetFilter *self, guint in, guint out)
{
  const double scale = (double) in / out, support = MAX (scale, 1);
  const guint capacity = MIN (2 * (guint) ceil (support) + 1, in);
  const guint stride = (out + DICENET_TAPS_STRIDE - 1) / DICENET_TAPS_STRIDE * DICENET_TAPS_STRIDE;
  g_autofree double *weights = g_new (double, capacity);
  g_autofree guint32 *coefficients = g_new (guint32, (gsize) out * capacity);
  gint32 *start = g_new (gint32, stride);

  *self = (DicenetFilter){ { .out = out, .stride = stride, .start = start }, g_new (guint, out), 0 };
  for (guint i = 0; i < out; i++) {
    const Window window = { (i + 0.5) * scale, support };
    const guint n = weigh_window (&window, in, &start[i], weights);

    self->n[i] = quantise (weights, n, &start[i], coefficients + (gsize) i * capacity);
    self->most = MAX (self->most, self->n[i]);
  }
  fill_taps (self, in, start, coefficients, capacity);
}

void
dicenet_filter_clear (DicenetFilter *self)
{
  g_free ((gpointer) self->taps.start);
  g_free ((gpointer) self->taps.high);
  g_free ((gpointer) self->taps.low);
  g_free (self->n);
  *self = (DicenetFilter){ 0 };
}
