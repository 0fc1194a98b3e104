/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/**
 * GstDicenetRate:
 *
 * How often per second something happens, such as inferences: over the last second or longer. Start with zeros. Times
 * are those of g_get_monotonic_time(). Not thread-safe.
 */
typedef struct {
  gboolean started;
  gint64 begin; /* of the second under way */
  guint n;      /* what happened since */
  gdouble last; /* of the second before; 0 in the first one */
} GstDicenetRate;

/** It happens at @now. */
static inline void
gst_dicenet_rate_add (GstDicenetRate *self, gint64 now)
{
  if (!self->started) {
    self->started = TRUE;
    self->begin = now;
    return;
  }
  self->n++;
  if (now - self->begin >= G_USEC_PER_SEC) {
    self->last = self->n * (gdouble) G_USEC_PER_SEC / (gdouble) (now - self->begin);
    self->begin = now;
    self->n = 0;
  }
}

/** Returns the rate at @now; 0 where it is not known yet, or where nothing has happened for long. */
static inline gdouble
gst_dicenet_rate_get (const GstDicenetRate *self, gint64 now)
{
  const gdouble seconds = (gdouble) (now - self->begin) / G_USEC_PER_SEC;

  /* What happens every five seconds is not late after two. */
  if (self->last > 0 && seconds <= 2 * MAX (1, 1 / self->last))
    return self->last;
  return self->n > 0 && seconds > 0 ? self->n / seconds : 0;
}
