/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../graph/graph.h"

/* SSD's default boxes: 6 per cell of 6 feature maps. */
#define DICENET_N_MAPS         6
#define DICENET_BOXES_PER_CELL 6

/* Priors of a detector trained at @size x @size pixels for an input of width x height pixels whose feature maps have
 * @maps' sizes. Four numbers each: centre x, centre y, width, height, as fractions of the picture, clipped to 0..1.
 * Returns how many priors there are; @priors (4 floats each) may be NULL to only count them. */
guint dicenet_priors (const DicenetShape maps[DICENET_N_MAPS], guint size, guint width, guint height, gfloat *priors);
