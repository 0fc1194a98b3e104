/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/log.h>

G_BEGIN_DECLS

/* Logs a message: see dicenet_set_log_func(). */
typedef void (*DicenetLog) (GLogLevelFlags level, const char *format, ...) G_GNUC_PRINTF (2, 3);

void dicenet_log (GLogLevelFlags level, const char *format, ...) G_GNUC_PRINTF (2, 3);

G_END_DECLS
