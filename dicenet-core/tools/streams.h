/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/dicenet.h>

/* dicenet bench --streams: sessions of one model that run at the same time, each in a thread of its own. */

typedef struct {
  const char *counts; /* numbers of streams: "4", or "1,2,4" */
  guint threads;      /* of each session; 0 to divide the processors among the streams, at least one for each */
  guint batch, width, height;
  double seconds; /* of each number of streams */
  gboolean json;
} DicenetStreams;

/* Measures all numbers of streams in turn, and prints a table or JSON. Sets the number of threads in @options. */
gboolean dicenet_tool_time_streams (DicenetModel *model, DicenetOptions *options, const DicenetStreams *what,
                                    GError **error);
