# SPDX-License-Identifier: LGPL-2.1-or-later
"""SSD's priors (default boxes), to which a detector's outputs are relative. Used by training, evaluation and the tests'
reference; the library has its own in dicenet-core/graph/priors.c."""

from math import ceil

import numpy as np

MAPS = 6
RATIOS = (2.0, 3.0)


def prior_sizes(trained_size):
    """Sides of the priors in pixels, from the first map to the last, and the next one of the sequence, as in the paper.
    """
    first, last = ceil(0.1 * trained_size), ceil(1.05 * trained_size)
    return [int(first + (last - first) * k / MAPS) for k in range(MAPS + 1)]


def map_sizes(width, height):
    """Columns and rows of the feature maps for an input of this size: 1/8, 1/16 and so on, and a single cell."""
    return [(-(-width // 2**k), -(-height // 2**k)) for k in range(3, 2 + MAPS)] + [(1, 1)]


def priors(width, height, sizes):
    """Centre x, centre y, width and height of all priors as fractions of an input of this size, P x 4, in the order
    map, row, column, box. `sizes`: seven values, as from prior_sizes()."""
    found = []
    for k, (columns, rows) in enumerate(map_sizes(width, height)):
        step_x, step_y = (2 ** (3 + k) / width, 2 ** (3 + k) / height) if k < 4 else (1 / columns, 1 / rows)
        x, y = np.meshgrid((np.arange(columns) + 0.5) * step_x, (np.arange(rows) + 0.5) * step_y)
        side, mean = sizes[k], np.sqrt(sizes[k] * sizes[k + 1])
        shapes = [(side, side), (mean, mean)]
        for ratio in np.sqrt(RATIOS):
            shapes += [(side * ratio, side / ratio), (side / ratio, side * ratio)]
        boxes = np.broadcast_to(np.array(shapes) / (width, height), (rows, columns, len(shapes), 2))
        centres = np.broadcast_to(np.stack((x, y), -1)[:, :, None], boxes.shape)
        found.append(np.concatenate((centres, boxes), -1).reshape(-1, 4))
    return np.clip(np.concatenate(found), 0.0, 1.0)
