/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "result-private.h"

/* Makes room for a size, which decoding does by itself. FALSE with @error set (NO_MEMORY). */
gboolean dicenet_decoder_prepare (DicenetDecoder *decoder, const DicenetSize *size, GError **error);

/* Makes a result of what a job of @model found. NULL with @error set (NO_MEMORY). */
DicenetResult *dicenet_decode (DicenetDecoder *decoder, DicenetModel *model, DicenetJob *job, const DicenetFound *found,
                               const DicenetRequest *request, GError **error);
