/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../base/request.h"
#include "../file/description.h"

/* A copy with a model's own numbers in the place of defaults; NULL with @error set where it asks for what cannot be.
 * @self may be NULL. */
DicenetRequest *dicenet_request_resolve (const DicenetRequest *self, const DicenetDescription *d, GError **error);

gboolean dicenet_request_check_size (guint width, guint height, GError **error);
