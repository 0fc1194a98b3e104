/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Allocates a block for weights, activations or a file: uninitialised, aligned to a cache line; NULL if out of memory.
 * Large blocks are returned to the system as soon as they are freed, and use huge pages where available: with ordinary
 * pages, loading a model causes ten thousand page faults, which take as long as a frame, and TLBs hold only a few
 * thousand entries. */
void *dicenet_block_new (gsize bytes);
/* @bytes: the size passed to dicenet_block_new(); @block may be NULL. */
void dicenet_block_free (void *block, gsize bytes);

G_END_DECLS
