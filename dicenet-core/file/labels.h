/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "description.h"

/* Implements dicenet_model_load_labels() for the model with this description at @model_path. */
char **dicenet_labels_read (const char *path, const DicenetDescription *d, const char *model_path, GError **error);
