/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A block for weights, activations or a file: uninitialised, beginning on a cache line; NULL if there is no memory.
 * Large ones are the system's again as soon as they are freed, and in huge pages where it has them: of ordinary ones a
 * model touches ten thousand when it is loaded, which takes as long as a frame, and processors know the places of a few
 * thousand. */
void *dicenet_block_new (gsize bytes);
/* @bytes is what it was made with; @block may be NULL. */
void dicenet_block_free (void *block, gsize bytes);

G_END_DECLS
