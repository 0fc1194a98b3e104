/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "graph.h"

/* Number of SSD default boxes (priors) per cell. */
#define DICENET_BOXES_PER_CELL 6

/* Computes the priors of a detector whose description has @sizes, for an input of width x height pixels with feature
 * maps of the sizes @maps. Each has four numbers: centre x, centre y, width and height, as fractions of the picture,
 * clipped to 0..1. Returns the number of priors; @priors (4 floats each) may be NULL to only count them. */
guint dicenet_priors (const DicenetShape maps[DICENET_N_MAPS], const gfloat sizes[DICENET_N_MAPS + 1], guint width,
                      guint height, gfloat *priors);

/* Computes the cells of an anchor-free detector in the same form: the centre of a cell, and the stride of its map as
 * fractions of the picture. Not clipped: a cell at the edge may have its centre outside. */
guint dicenet_cells (const DicenetShape maps[DICENET_N_CELL_MAPS], guint width, guint height, gfloat *cells);
