/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <dicenet/visibility.h>

G_BEGIN_DECLS

/**
 * DicenetLogFunc:
 * @level: %G_LOG_LEVEL_WARNING, %G_LOG_LEVEL_INFO or %G_LOG_LEVEL_DEBUG
 * @message: one line of UTF-8, without a line end
 *
 * Takes a message of the library. Any thread calls it, several at once.
 */
typedef void (*DicenetLogFunc) (GLogLevelFlags level, const char *message);

/**
 * dicenet_set_log_func: (skip)
 * @func: (nullable): a function that stays loaded as long as the process runs; %NULL for GLib's log
 *
 * Where the library's messages go. At first they go to GLib's log, in the domain "dicenet", which shows information and
 * debugging messages with G_MESSAGES_DEBUG=dicenet. A process has one function: the GStreamer elements set theirs,
 * which writes to GStreamer's log, when the first one of them opens a model. Thread-safe.
 */
DICENET_API void dicenet_set_log_func (DicenetLogFunc func);

G_END_DECLS
