/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

/** Sets @live to whether what is before @sinkpad is a live source. Returns FALSE, with @live FALSE, if nothing there
 * knows. */
static inline gboolean
gst_dicenet_pad_is_live (GstPad *sinkpad, gboolean *live)
{
  GstQuery *query = gst_query_new_latency ();
  const gboolean is_known = gst_pad_peer_query (sinkpad, query);

  *live = FALSE;
  if (is_known)
    gst_query_parse_latency (query, live, NULL, NULL);
  gst_query_unref (query);
  return is_known;
}
