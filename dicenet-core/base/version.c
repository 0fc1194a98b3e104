/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dicenet/version.h>

const char *
dicenet_get_version (void)
{
  return DICENET_VERSION;
}
