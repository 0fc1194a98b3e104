/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetlateness.h"

GST_DEBUG_CATEGORY_EXTERN (gst_dicenet_inference_debug);
#define GST_CAT_DEFAULT gst_dicenet_inference_debug

/* A short delay is caught up with, and start-up takes less time than this; if inference is slower than the source,
 * lateness keeps growing. Windows are in clock time, because a second of the stream may take a minute. */
#define WINDOW    (2 * GST_SECOND)
#define N_WINDOWS 3
#define ENOUGH    ((GstClockTimeDiff) GST_SECOND)

void
gst_dicenet_lateness_reset (GstDicenetLateness *self)
{
  *self = (GstDicenetLateness){ .least = G_MAXINT64, .before = G_MAXINT64, .window = GST_CLOCK_TIME_NONE };
}

static void
tell (GstElement *element, GstClockTime lateness, gboolean waits)
{
  const gdouble seconds = (gdouble) lateness / GST_SECOND;
  const gchar *name = GST_OBJECT_NAME (element);

  if (waits)
    GST_ELEMENT_WARNING (element, RESOURCE, BUSY,
                         ("Inference can't keep up with the source: frames leave %.1f s late, and the delay grows. Set "
                          "inference-mode=newest on '%s', so that frames don't wait for it; or raise "
                          "inference-interval, lower inference-size, or give it more threads.",
                          seconds, name),
                         (NULL));
  else
    GST_ELEMENT_WARNING (element, RESOURCE, BUSY,
                         ("The pipeline can't keep up with the source: frames leave '%s' %.1f s late, and the delay "
                          "grows, though they don't wait for inference (inference-mode=newest). Lower their size or "
                          "rate before it, or give it fewer threads.",
                          name, seconds),
                         (NULL));
  GstStructure *what = gst_structure_new ("dicenet-late", "lateness", G_TYPE_UINT64, lateness, NULL);
  gst_element_post_message (element, gst_message_new_element (GST_OBJECT (element), what));
}

static void
end_window (GstDicenetLateness *self, GstElement *element, gboolean waits)
{
  const gboolean grown = self->before != G_MAXINT64 && self->least > self->before;

  GST_DEBUG_OBJECT (element, "frames left %.3f s after they were due, or later", (gdouble) self->least / GST_SECOND);
  self->n_grown = grown ? self->n_grown + 1 : 0;
  if (self->least <= 0)
    self->told = FALSE;
  if (!self->told && self->n_grown >= N_WINDOWS && self->least > ENOUGH) {
    self->told = TRUE;
    tell (element, self->least, waits);
  }
  self->before = self->least;
  self->least = G_MAXINT64;
}

void
gst_dicenet_lateness_watch (GstDicenetLateness *self, GstElement *element, const GstSegment *segment, GstClockTime pts,
                            GstClockTime allowed, gboolean waits)
{
  GstClock *clock = segment->format == GST_FORMAT_TIME && GST_STATE (element) == GST_STATE_PLAYING
                        ? gst_element_get_clock (element)
                        : NULL;
  if (!clock)
    return;
  const GstClockTime base = gst_element_get_base_time (element), now = gst_clock_get_time (clock) - base;
  const GstClockTime due = gst_segment_to_running_time (segment, GST_FORMAT_TIME, pts);
  gst_object_unref (clock);
  if (!GST_CLOCK_TIME_IS_VALID (due) || !GST_CLOCK_TIME_IS_VALID (base))
    return;
  self->least = MIN (self->least, GST_CLOCK_DIFF (due + allowed, now));
  if (!GST_CLOCK_TIME_IS_VALID (self->window)) {
    self->window = now;
  } else if (now >= self->window + WINDOW) {
    end_window (self, element, waits);
    self->window = now;
  }
}
