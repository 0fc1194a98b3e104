/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "result-private.h"

/* Allocates in advance what decoding needs at a size; optional. FALSE with @error set (NO_MEMORY). */
gboolean dicenet_decoder_prepare (DicenetDecoder *decoder, const DicenetSize *size, GError **error);

/* Makes a result from the outputs of a job of @model. NULL with @error set (NO_MEMORY). */
DicenetResult *dicenet_decode (DicenetDecoder *decoder, DicenetModel *model, DicenetJob *job, const DicenetFound *found,
                               const DicenetRequest *request, GError **error);
