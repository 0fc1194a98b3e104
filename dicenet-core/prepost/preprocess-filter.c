/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preprocess-filter.h"

#include <math.h>

/* The networks saw pictures that Pillow had scaled, so the same bits must come out here. That fixes more than the
 * formula: the order of the double operations below, where the window's ends are rounded, and that weights are divided
 * by their sum before they become integers. */

typedef struct {
  double centre;  /* of the output sample, on the input's axis, where sample j covers j .. j + 1 */
  double support; /* inputs further away than this have no weight */
} Window;

static double
triangle (double x)
{
  x = fabs (x);
  return x < 1 ? 1 - x : 0;
}

/* Fills @weights with the window's weights, which sum up to 1, and returns how many there are. */
static guint
weigh_window (const Window *window, guint in, guint *start, double *weights)
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
  *start = (guint) first;
  return n;
}

/* Weights to fixed point. Those at the window's ends that come to nothing are left out: it saves work, makes a copy of
 * scaling to the same size, and keeps a window's rows in memory no longer than they count. */
static guint
quantise (const double *weights, guint n, guint *start, guint32 *coefficients)
{
  guint first = 0;

  for (guint t = 0; t < n; t++)
    coefficients[t] = (guint32) (0.5 + weights[t] * (1 << DICENET_FILTER_BITS));
  while (n > 1 && coefficients[n - 1] == 0)
    n--;
  while (first + 1 < n && coefficients[first] == 0)
    first++;
  for (guint t = first; t < n; t++)
    coefficients[t - first] = coefficients[t];
  *start += first;
  return n - first;
}

void
dicenet_filter_init (DicenetFilter *self, guint in, guint out)
{
  double scale = (double) in / out;
  double support = MAX (scale, 1);
  guint n_taps = MIN (2 * (guint) ceil (support) + 1, in);
  g_autofree double *weights = g_new (double, n_taps);

  self->start = g_new (guint, out);
  self->n = g_new (guint, out);
  self->coefficients = g_new0 (guint32, (gsize) out * n_taps);
  self->n_taps = 1;
  for (guint i = 0; i < out; i++) {
    Window window = { (i + 0.5) * scale, support };
    guint n = weigh_window (&window, in, &self->start[i], weights);

    self->n[i] = quantise (weights, n, &self->start[i], self->coefficients + (gsize) i * n_taps);
    self->n_taps = MAX (self->n_taps, self->n[i]);
  }
  /* Close the gaps that the trimmed ends left: rows move towards the front, one after the other. */
  for (guint i = 0; i < out; i++)
    for (guint t = 0; t < self->n_taps; t++)
      self->coefficients[(gsize) i * self->n_taps + t] = self->coefficients[(gsize) i * n_taps + t];
}

void
dicenet_filter_clear (DicenetFilter *self)
{
  g_clear_pointer (&self->start, g_free);
  g_clear_pointer (&self->n, g_free);
  g_clear_pointer (&self->coefficients, g_free);
}
