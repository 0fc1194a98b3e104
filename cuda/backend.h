/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../dicenet-core/backend/backend.h"

/* The module's only exported symbol, DICENET_BACKEND_SYMBOL. */
__attribute__ ((visibility ("default"))) extern const DicenetBackendOps dicenet_cuda_backend;
