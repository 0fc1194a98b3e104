/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../kernels/bf16.h"
#include "weights.h"

G_BEGIN_DECLS

/* The weights of a network's dense convolutions once more, as bfloat16 (kernels/bf16.h): half the size of those that
 * they are rounded from, which stay. */

/* One pointer per node of @graph, NULL for what is no dense convolution. Made by the first call and kept as long as
 * @self; any thread may call. NULL with @error set where there is no memory. */
const DicenetBf16 *const *dicenet_weights_bf16 (const DicenetWeights *self, const DicenetGraph *graph, GError **error);

/* How many bytes they take, or would take. */
gsize dicenet_weights_bf16_bytes (const DicenetGraph *graph);

G_END_DECLS
