/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "graph.h"

/* Of SSD's default boxes, the priors. */
#define DICENET_BOXES_PER_CELL 6

/* Priors of a detector whose description has @sizes, for an input of width x height pixels whose feature maps have
 * @maps' sizes. Four numbers each: centre x, centre y, width, height, as fractions of the picture, clipped to 0..1.
 * Returns how many priors there are; @priors (4 floats each) may be NULL to only count them. */
guint dicenet_priors (const DicenetShape maps[DICENET_N_MAPS], const gfloat sizes[DICENET_N_MAPS + 1], guint width,
                      guint height, gfloat *priors);
