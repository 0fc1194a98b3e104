/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Weights and activations begin on a cache line, which is also the widest vector register: so many floats. (The
 * network's input and its outputs are packed.) */
#define DICENET_ALIGNMENT 16

static inline gsize
dicenet_align_floats (gsize n)
{
  return (n + DICENET_ALIGNMENT - 1) / DICENET_ALIGNMENT * DICENET_ALIGNMENT;
}

/* A block for weights or activations, uninitialised, to be freed with free(); NULL if there is no memory. Large ones
 * are in huge pages where the system has them: of ordinary ones a model touches ten thousand when it is loaded, which
 * takes as long as a frame, and processors know the places of a few thousand. */
float *dicenet_block_new (gsize bytes);

G_END_DECLS
