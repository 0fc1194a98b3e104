/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../backend/backend.h"

struct _DicenetOptions {
  DicenetBackend backend;
  DicenetDeviceOptions target; /* but for what a session adds */
  gboolean worker;
};

/* What NULL stands for. */
extern const DicenetOptions dicenet_options_default;
