/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../base/request.h"
#include "../file/description.h"

/* A copy in which defaults are replaced by the model's values; NULL with @error set if a value is invalid for the
 * model. @self may be NULL. */
DicenetRequest *dicenet_request_resolve (const DicenetRequest *self, const DicenetDescription *d, GError **error);

gboolean dicenet_request_check_size (guint width, guint height, GError **error);
