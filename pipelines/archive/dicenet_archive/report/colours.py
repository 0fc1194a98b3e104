# SPDX-License-Identifier: LGPL-2.1-or-later
"""A class has the same colour in every report. There are more classes than colours that everybody tells apart, so names
always stand beside them."""

import zlib

# Okabe and Ito's, which people with any colour vision tell apart (https://jfly.uni-koeln.de/color/), and two shades of
# grey; those on a light page are darker where the original has less contrast than 3 to 1 with white.
PALETTE = (  # on a light page, on a dark page and on pictures
    ("#0072b2", "#3fa7e6"),  # blue
    ("#d55e00", "#f07f2e"),  # vermilion
    ("#00875f", "#12b886"),  # bluish green
    ("#b8578f", "#dd8fbe"),  # reddish purple
    ("#a87900", "#e69f00"),  # orange
    ("#3c93c4", "#8ccdf2"),  # sky blue
    ("#8a8400", "#f0e442"),  # yellow
    ("#5c6166", "#b9bec4"),  # grey
)
# Those that recordings have most of are told apart, and the first two share their colours with none.
FREQUENT = ("person", "car", "dog", "bicycle", "bus", "boat", "motorbike", "train")
OWN = 2


def colour_of(name):
    """An index of PALETTE."""
    return FREQUENT.index(name) if name in FREQUENT else OWN + zlib.crc32(name.encode()) % (len(PALETTE) - OWN)
