/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../backend/backend.h"

struct _DicenetOptions {
  DicenetBackend backend;
  DicenetDeviceOptions target; /* without the fields that the session sets */
  gboolean worker;
};

/* The defaults, for NULL. */
extern const DicenetOptions dicenet_options_default;
