/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include "block.h"

G_BEGIN_DECLS

/* Alignment of weights and activations in floats: a cache line, which is also the widest vector register. The network's
 * input and outputs are packed. */
#define DICENET_ALIGNMENT 16

static inline gsize
dicenet_align_floats (gsize n)
{
  return (n + DICENET_ALIGNMENT - 1) / DICENET_ALIGNMENT * DICENET_ALIGNMENT;
}

G_END_DECLS
