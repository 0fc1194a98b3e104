/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

static DicenetLogFunc log_func; /* atomic */

void
dicenet_set_log_func (DicenetLogFunc func)
{
  g_atomic_pointer_set (&log_func, func);
}

void
dicenet_log (GLogLevelFlags level, const char *format, ...)
{
  const DicenetLogFunc func = g_atomic_pointer_get (&log_func);
  va_list arguments;

  va_start (arguments, format);
  if (func) {
    g_autofree char *message = g_strdup_vprintf (format, arguments);
    func (level, message);
  } else {
    g_logv (G_LOG_DOMAIN, level, format, arguments);
  }
  va_end (arguments);
}
