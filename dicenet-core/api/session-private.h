/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../backend/backend.h"

/* The session's executor, which it owns. For the program `dicenet`. */
DicenetExecutor *dicenet_session_get_executor (DicenetSession *self);
