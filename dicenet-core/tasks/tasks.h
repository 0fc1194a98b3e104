/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../backend/task.h"

G_BEGIN_DECLS

extern const DicenetTaskOps dicenet_task_classify, dicenet_task_detect, dicenet_task_segment;

const DicenetTaskOps *dicenet_task_get (DicenetTask task);

/* dicenet_description_read() with all tasks. */
gboolean dicenet_task_read (DicenetDescription *out, const DicenetSafetensors *file, GError **error);

/* "threshold", or "thresholds" if there are those of classes. */
DicenetFact dicenet_threshold_fact (const DicenetDescription *d);

/* Builds the network described by @d. */
DicenetGraph *dicenet_task_build (const DicenetDescription *d);

G_END_DECLS
