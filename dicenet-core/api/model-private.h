/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/model.h>
#include "../graph/program.h"

/* The model's network, for sessions and tools; owned by the model. */
const DicenetNetwork *dicenet_model_get_program (DicenetModel *self);

/* FALSE for one that was made by g_object_new(), which language bindings may call. */
gboolean dicenet_model_is_loaded (DicenetModel *self);
