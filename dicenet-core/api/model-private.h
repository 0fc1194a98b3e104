/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <dicenet/model.h>
#include "../graph/program.h"

/* What sessions and tools need of a model beyond its public face. Lives as long as the model. */
const DicenetNetwork *dicenet_model_get_program (DicenetModel *self);
