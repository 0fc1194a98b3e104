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
 * Receives a log message of the library. Called from any thread, and from several threads at once.
 */
typedef void (*DicenetLogFunc) (GLogLevelFlags level, const char *message);

/**
 * dicenet_set_log_func: (skip)
 * @func: (nullable): a function that stays loaded until the process ends; %NULL for GLib's log
 *
 * Sets the function that receives the library's log messages. By default they go to GLib's log, in the domain
 * "dicenet"; G_MESSAGES_DEBUG=dicenet shows information and debug messages. There is one function per process: when the
 * first GStreamer element opens a model, the elements set theirs, which writes to GStreamer's log. Thread-safe.
 */
DICENET_API void dicenet_set_log_func (DicenetLogFunc func);

G_END_DECLS
