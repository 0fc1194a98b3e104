# SPDX-License-Identifier: LGPL-2.1-or-later
"""A contact sheet: frames of clips with what a model says of them and what the teachers do."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, COLUMNS, GAP = 480, 4, 8
LINE = 18  # height of a line of text
STRETCHES, MOST_STRETCHES = 8, 64  # of a clip; of all clips together
BACK, TEXT = (24, 24, 24), (235, 235, 235)
# Of the model's answers, by verdict.
COLOURS = {1: (70, 220, 90), 0: (255, 70, 70), -1: (150, 160, 255)}
TEACHERS, UNSURE = (255, 255, 255), (255, 200, 60)
LEGEND = (
    (COLOURS[1], "right"),
    (COLOURS[0], "wrong"),
    (COLOURS[-1], "not counted"),
    (TEACHERS, "dashed: the teachers' objects"),
    (UNSURE, "dashed: the teachers are not sure"),
)


def font_of(size):
    for name in ("DejaVuSans.ttf", "Arial.ttf"):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            pass
    return ImageFont.load_default()


class Sheet:
    """Collects frames, drawn small, of `n_clips` clips: of each clip's stretches the middle one, and the one with most
    mistakes. If `tags`, answers are classes without boxes."""

    def __init__(self, n_clips, tags):
        self.tags = tags
        self.stretches = max(1, min(STRETCHES, MOST_STRETCHES // n_clips))
        self.clips = []

    def begin(self, title, n_frames, labels):
        """The next clip, of which `n_frames` will be added."""
        self.clips.append(ClipSheet(title, n_frames, min(self.stretches, n_frames), labels, self.tags))
        return self.clips[-1]

    def draw(self):
        parts = [legend()]
        for clip in self.clips:
            parts.append(heading(clip.title + ": evenly spread frames"))
            parts += rows_of(clip.even)
            if worst := clip.worst_others():
                parts.append(heading(clip.title + ": the worst frames of parts of it, where others than these"))
                parts += rows_of(worst)
        sheet = Image.new("RGB", (sheet_width(), sum(part.height for part in parts)), BACK)
        y = 0
        for part in parts:
            sheet.paste(part, (0, y))
            y += part.height
        return sheet


class ClipSheet:
    """The cells of one clip."""

    def __init__(self, title, n_frames, stretches, labels, tags):
        self.title, self.n_frames, self.stretches, self.labels, self.tags = title, n_frames, stretches, labels, tags
        self.even, self.worst, self._most, self._added = [], {}, {}, 0

    def add(self, number, pixels, answers, wrong, missed):
        """The next frame: `pixels()` are its bytes, `answers` what the model says, verdicts on that, and the truth."""
        stretch = self._added * self.stretches // self.n_frames
        first, last = (-(-s * self.n_frames // self.stretches) for s in (stretch, stretch + 1))
        middle = self._added == (first + last - 1) // 2
        worst = wrong + missed > self._most.get(stretch, 0)
        self._added += 1
        if not (middle or worst):
            return
        cell = cell_of(pixels(), answers, f"frame {number}: {wrong} wrong, {missed} missed", self.labels, self.tags)
        if middle:
            self.even.append(cell)
        if worst:
            self._most[stretch] = wrong + missed
            self.worst[stretch] = cell

    def worst_others(self):
        """The worst frames that are not among the evenly spread ones."""
        return [cell for _, cell in sorted(self.worst.items()) if not any(cell is other for other in self.even)]


def sheet_width():
    return COLUMNS * (WIDTH + GAP) + GAP


def heading(text):
    return text_line([(TEXT, text)], 16)


def legend():
    return text_line(LEGEND, 14)


def text_line(parts, size):
    line = Image.new("RGB", (sheet_width(), LINE + 12), BACK)
    draw, font, x = ImageDraw.Draw(line), font_of(size), GAP
    for colour, text in parts:
        draw.text((x, 6), text, colour, font)
        x += int(draw.textlength(text, font)) + 24
    return line


def rows_of(cells):
    for i in range(0, len(cells), COLUMNS):
        row = cells[i : i + COLUMNS]
        image = Image.new("RGB", (sheet_width(), max(cell.height for cell in row) + GAP), BACK)
        for k, cell in enumerate(row):
            image.paste(cell, (GAP + k * (WIDTH + GAP), 0))
        yield image


def cell_of(bgr, answers, caption, labels, tags):
    """A small picture of a frame, with its caption below."""
    found, verdicts, truth = answers
    height, width = bgr.shape[:2]
    scale = WIDTH / max(width, height)
    size = tuple(max(1, round(n * scale)) for n in (width, height))
    cell = Image.new("RGB", (WIDTH, size[1] + LINE + 4), BACK)
    cell.paste(Image.fromarray(bgr[:, :, ::-1]).resize(size, Image.Resampling.BILINEAR), (0, 0))
    draw, font, small = ImageDraw.Draw(cell), font_of(12), font_of(10)
    for boxes, classes, colour in (
        (truth.ignored, truth.ignored_labels, UNSURE),
        (truth.boxes, truth.labels, TEACHERS),
    ):
        for box, label in zip(boxes * scale, classes):
            dashed(draw, box, colour)
            name_inside(draw, box, labels[label], colour, small)
    taken = []
    for i in range(len(found.labels)):
        colour = COLOURS[int(verdicts[i])]
        text = f"{labels[found.labels[i]]} {found.scores[i]:.2f}"
        box = found.boxes[i] * scale
        if tags:
            box = np.array([4, 4 + LINE * i] * 2)
        else:
            draw.rectangle(tuple(box), outline=colour, width=2)
        name(draw, box[:2], size[1], text, colour, font, taken)
    draw.text((2, size[1] + 2), caption, TEXT, font)
    return cell


def name(draw, corner, bottom, text, colour, font, taken):
    """A label on a ground of its own: above the corner of a box if there is room, and below those in `taken`; none in a
    crowd that leaves no room above `bottom`."""
    width, height = draw.textlength(text, font) + 4, LINE - 3
    x = max(0, min(corner[0], WIDTH - width))
    y = corner[1] - height if corner[1] >= height else corner[1]
    while hit := [other for other in taken if abs(other[1] - y) < height and x < other[2] and other[0] < x + width]:
        y = max(other[1] for other in hit) + height
    if y + height > bottom:
        return
    taken.append((x, y, x + width))
    draw.rectangle((x, y, x + width, y + height - 1), fill=colour)
    draw.text((x + 2, y), text, (0, 0, 0), font)


def name_inside(draw, box, text, colour, font):
    """A label at the lower edge of a box, if it is wide enough."""
    if box[2] - box[0] > draw.textlength(text, font) + 4:
        draw.text((box[0] + 3, box[3] - 14), text, colour, font, stroke_width=1, stroke_fill=(0, 0, 0))


def dashed(draw, box, colour, dash=6):
    """A box of dashes, on a dark line so that it is seen on light ground."""
    x0, y0, x1, y1 = box
    draw.rectangle((x0, y0, x1, y1), outline=(0, 0, 0), width=1)
    for x in np.arange(x0, x1, 2 * dash):
        end = min(x + dash, x1)
        draw.line((x, y0, end, y0), colour)
        draw.line((x, y1, end, y1), colour)
    for y in np.arange(y0, y1, 2 * dash):
        end = min(y + dash, y1)
        draw.line((x0, y, x0, end), colour)
        draw.line((x1, y, x1, end), colour)
