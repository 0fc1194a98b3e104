# SPDX-License-Identifier: LGPL-2.1-or-later
"""Timelines and boxes as SVG has them: paths and places."""

from . import hours as when
from .colours import colour_of
from .fields import printable

MAX_LABELS = 8  # of boxes in a picture
LINE, LETTER = 11, 7  # of the labels' text, in pixels of a thumbnail
STRIP = 60  # bins of the small timeline in a row


def boxes(moment):
    """Colour, corner and size of each box in pixels of its thumbnail, and the label: the best one last, on top."""
    drawn, taken = [], []
    for name, score, (x0, y0, x1, y1) in sorted(moment.boxes, key=lambda box: -box[1]):
        x, y = x0 * moment.width, y0 * moment.height
        at = [round(number, 1) for number in (x, y, (x1 - x0) * moment.width, (y1 - y0) * moment.height)]
        label = f"{printable(name, 24)} {100 * score:.0f} %"
        place = label_place(moment, label, at, taken) if len(taken) < MAX_LABELS else None
        drawn.append({"colour": colour_of(name), "at": at, "label": label, "place": place})
    return drawn[::-1]


def label_place(moment, label, box, taken):
    """Where the label's text begins: above its box or, where another label is, one or two lines below. None: no room."""
    width = LETTER * len(label)
    x = max(2, min(box[0] + 2, moment.width - width))
    above = max(LINE - 1, box[1] - 3)
    for y in (above, above + LINE, above + 2 * LINE):
        if y < moment.height and all(
            abs(y - there[1]) >= LINE or x + width < there[0] or there[2] < x for there in taken
        ):
            taken.append((x, y, x + width))
            return round(x, 1), round(y, 1)
    return None


def strip_path(recording, timeline, top):
    """Rectangles of 3 high where there was something; bins are those of a whole, STRIP wide."""
    runs, whole = [], recording.duration or len(timeline)
    scale = STRIP / whole if whole else 0
    for begin, end in (
        when.stretches(recording, timeline) if recording.duration and recording.bin else runs_of(timeline)
    ):
        x0, x1 = int(begin * scale), max(int(begin * scale) + 1, round(end * scale))
        if runs and x0 <= runs[-1][1]:
            runs[-1][1] = max(runs[-1][1], x1)
        else:
            runs.append([x0, x1])
    return "".join(f"M{x0} {top}h{x1 - x0}v3h{x0 - x1}z" for x0, x1 in runs)


def runs_of(timeline):
    return ((i, i + 1) for i, value in enumerate(timeline) if value > 0)


def step_path(values):
    """The outline of bars of these heights (0 to 1), in a space of 100, upside down as SVG is."""
    parts, last = ["M0 100"], 100
    for i, value in enumerate(values):
        top = round(100 - 100 * min(1, value))
        if top != last:
            parts.append(f"H{i}V{top}")
            last = top
    return "".join([*parts, f"H{len(values)}V100z"]) if len(parts) > 1 else ""
