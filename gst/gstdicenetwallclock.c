/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gstdicenetwallclock.h"

/* From 1900, where NTP's time begins, to 1970. */
#define NTP_TO_UNIX (G_GUINT64_CONSTANT (2208988800) * GST_SECOND)

/* What a meta says, 0 if it is no time of day. */
static guint64
time_of_meta (const GstReferenceTimestampMeta *meta)
{
  const gchar *reference =
      gst_caps_is_fixed (meta->reference) ? gst_structure_get_name (gst_caps_get_structure (meta->reference, 0)) : NULL;

  if (!reference || !GST_CLOCK_TIME_IS_VALID (meta->timestamp))
    return 0;
  if (g_str_equal (reference, "timestamp/x-unix"))
    return meta->timestamp;
  if (g_str_equal (reference, "timestamp/x-ntp") && meta->timestamp >= NTP_TO_UNIX)
    return meta->timestamp - NTP_TO_UNIX;
  return 0;
}

/* The running time as a time of day. */
static guint64
time_of_clock (GstElement *element, GstClockTime running_time)
{
  const GstClockTime base = gst_element_get_base_time (element);
  GstClock *clock = gst_element_get_clock (element);

  if (!clock)
    return 0;
  const GstClockTime now = gst_clock_get_time (clock);
  const gint64 today = g_get_real_time () * 1000;
  gst_object_unref (clock);
  if (!GST_CLOCK_TIME_IS_VALID (base) || now > G_MAXINT64 || base > now || running_time > G_MAXINT64)
    return 0;
  const GstClockTimeDiff ago = (GstClockTimeDiff) (now - base) - (GstClockTimeDiff) running_time;
  return ago < today && ago > today - G_MAXINT64 ? (guint64) (today - ago) : 0;
}

guint64
gst_dicenet_wall_clock_time (GstElement *element, gboolean live, const GstSegment *segment, GstBuffer *frame)
{
  gpointer state = NULL;
  GstMeta *meta;

  while ((meta = gst_buffer_iterate_meta_filtered (frame, &state, GST_REFERENCE_TIMESTAMP_META_API_TYPE))) {
    const guint64 time = time_of_meta ((GstReferenceTimestampMeta *) meta);
    if (time != 0)
      return time;
  }
  if (!live || segment->format != GST_FORMAT_TIME)
    return 0;
  const GstClockTime running_time = gst_segment_to_running_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (frame));
  return GST_CLOCK_TIME_IS_VALID (running_time) ? time_of_clock (element, running_time) : 0;
}

gchar *
gst_dicenet_wall_clock_format (guint64 time)
{
  GDateTime *date = g_date_time_new_from_unix_utc ((gint64) (time / GST_SECOND));
  g_autofree gchar *seconds = g_date_time_format (date, "%Y-%m-%dT%H:%M:%S");

  g_date_time_unref (date);
  return g_strdup_printf ("%s.%03uZ", seconds, (guint) (time % GST_SECOND / GST_MSECOND));
}
