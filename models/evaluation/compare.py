#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares detectors by accuracy and time, beside the teachers: other detectors, in ONNX Runtime.

    compare.py LIST MODEL[@WxH]... [--teachers DIR] [--output DIR]
    meson devenv -C build -w . models/evaluation/compare.py LIST MODEL...    # the plugin in the build folder

Our models run in a pipeline, on photos squeezed to their size, or to WxH; teachers run as their script does. Times are
those of the network on one thread, medians of rounds in which all take turns: processor time, which other programs
change little. --precision auto,float32 shows what the elements do unless told otherwise, and single precision. Writes
detectors.csv and detectors.svg; docs/evaluation.md says what a folder of teachers needs.
"""

import argparse
import contextlib
import csv
import os
import time
from html import escape
from statistics import median
from types import SimpleNamespace

import evaluate  # reports missing packages; adds models/ to the module path
import metrics
import numpy as np
import outfile
from errors import ModelError
from teachers import FOLDER, TEACHERS, Teachers

TITLES = {"yolox": "YOLOX-nano", "nanodet": "NanoDet-Plus-m", "picodet": "PicoDet-S"}
PRECISIONS = "auto", "float32", "bfloat16", "int8"
KEPT = 0.01  # minimum score of what counts, as in evaluate.py
LEFT, TOP, WIDTH, HEIGHT, RIGHT, BOTTOM = 50, 34, 560, 320, 110, 44  # of the plot
LETTER, LINE = 7.5, 16  # size of a letter of a name
FONT = 'font-family="sans-serif" font-size="13"'
COLUMNS = ("detector", "size", "precision", "ms", "AP50", "AP50:95")


class Ours:
    def __init__(self, text, precision, options):
        self.model, _, size = text.partition("@")
        properties = [("precision", precision)]
        self.plugin, self.pictures, kind = evaluate.begin(self.model, options.list, options.limit, 1, properties)
        if kind != "detect":
            raise ModelError(f"{self.model}: expected a detector")
        self.size = evaluate.parse_size(size) if size else self.plugin.size
        self.name = os.path.splitext(os.path.basename(self.plugin.path))[0]
        self.session = self.open(precision)
        self.precision = self.session.get_precision().value_nick

    def judge(self):
        view = SimpleNamespace(shape=None, size=self.size, fit="squeeze", border=None)
        with contextlib.closing(self.plugin):
            found, truths = evaluate.run(self.plugin, self.pictures, view, len(self.plugin.labels))
        return metrics.detection(found, truths, len(self.plugin.labels))

    def open(self, precision):
        from gi.repository import Dicenet

        options = Dicenet.Options.new()
        options.set_threads(1)
        options.set_precision(getattr(Dicenet.Precision, precision.upper()))
        return Dicenet.Session.new(Dicenet.Model.load(self.plugin.path), options)

    def network(self):
        from gi.repository import Dicenet, GLib

        request = Dicenet.Request.new()
        request.set_size(*self.size)
        request.set_decode(False)
        pixels = GLib.Bytes.new(np.random.default_rng(1).bytes(4 * self.size[0] * self.size[1]))
        given = pixels, Dicenet.PixelFormat.RGBX, *self.size, request
        return lambda: self.session.run_bytes(*given)


class Theirs:
    precision = "float32"

    def __init__(self, name, teachers, pictures, labels):
        self.name, self.teachers, self.pictures, self.labels = TITLES[name], teachers, pictures, labels
        self.detector = teachers.all[name]
        self.input = self.detector.s.get_inputs()[0]
        self.size = tuple(self.input.shape[:1:-1])
        self.classes = np.array([labels.index(label) for label in teachers.labels])

    def judge(self):
        found, truths = [], []
        for picture in self.pictures:
            photo, truth = picture.load(len(self.labels), None)
            boxes, labels, scores = self.teachers.module.nms(*self.detector(np.asarray(photo)[..., ::-1].copy()), KEPT)
            order = np.argsort(-scores, kind="stable")[:100]
            found.append(metrics.Found(boxes[order], self.classes[labels[order]], scores[order]))
            truths.append(truth)
        return metrics.detection(found, truths, len(self.labels))

    def network(self):
        picture = np.random.default_rng(1).random((1, 3, *self.size[::-1]), np.float32)
        return lambda: self.detector.s.run(None, {self.input.name: picture})


def measure_times(detectors, rounds):
    """Median processor time of each network in milliseconds."""
    networks = [detector.network() for detector in detectors]
    times = [[] for _ in networks]
    for i in range(rounds + 2):
        for network, found in zip(networks, times):
            start = time.process_time()
            network()
            if i >= 2:
                found.append(1000 * (time.process_time() - start))
    return [median(found) for found in times]


def row_of(detector, figures, ms):
    there = figures["objects"] > 0
    mean = {key: 100 * float(figures[key][there].mean()) for key in ("ap50", "ap")}
    size = "{} x {}".format(*detector.size)
    figures = round(ms, 1), round(mean["ap50"], 1), round(mean["ap"], 1)
    return dict(zip(COLUMNS, (detector.name, size, detector.precision, *figures)))


def plot(rows):
    """SVG with AP50 over time."""
    most, span = max(row["ms"] for row in rows) * 1.25, max(row["AP50"] for row in rows) * 1.15
    step_x, step_y = (next(n for n in (1, 2, 5, 10, 20, 50, 100, 1000) if limit / n <= 8) for limit in (most, span))

    def place(ms, ap50):
        return LEFT + WIDTH * ms / most, TOP + HEIGHT * (1 - ap50 / span)

    parts = [f'<rect width="{LEFT + WIDTH + RIGHT}" height="{TOP + HEIGHT + BOTTOM}" fill="white"/>']
    for n in range(0, int(most) + 1, step_x):
        x, y = place(n, 0)
        parts.append(f'<path d="M{x:.1f} {TOP}V{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{n}</text>')
    for n in range(0, int(span) + 1, step_y):
        x, y = place(0, n)
        parts.append(f'<path d="M{x:.1f} {y:.1f}H{LEFT + WIDTH}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{n}</text>')
    right, below = LEFT + WIDTH, TOP + HEIGHT + 34
    parts.append(f'<text x="{right}" y="{below}" text-anchor="end">ms per picture, one thread</text>')
    parts.append(f'<text x="{LEFT - 30}" y="{TOP - 12}">AP50, %</text>')
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in (place(row["ms"], row["AP50"]) for row in rows)]
    for name, precision in dict.fromkeys((row["detector"], row["precision"]) for row in rows):
        mine = [row for row in rows if (row["detector"], row["precision"]) == (name, precision)]
        mine.sort(key=lambda row: row["ms"])
        points = [place(row["ms"], row["AP50"]) for row in mine]
        colour = "#777" if name in TITLES.values() else "#0b6e4f"
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in points]
        title = name if name in TITLES.values() else f"{name}, {precision}"
        left, top = free_place(points[-1], LETTER * len(title), taken)
        taken.append((left, top, left + LETTER * len(title), top + LINE))
        parts.append(f'<text x="{left:.1f}" y="{top + 12:.1f}" fill="{colour}">{escape(title)}</text>')
    box = f"0 0 {LEFT + WIDTH + RIGHT} {TOP + HEIGHT + BOTTOM}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" {FONT}>{"".join(parts)}</svg>\n'


def free_place(point, width, taken):
    """Left and top of a text of this width near a point, where no other thing is: beside it, or above or below."""
    x, y = point
    places = [(x + 8, y - LINE / 2)]
    for k in range(20):
        above, below = y - 8 - LINE * (k + 1), y + 8 + LINE * k
        places += [(left, top) for top in (above, below) for left in (x - width / 2, x - width + 8, x - 4)]
    for left, top in places:
        right, bottom = left + width, top + LINE
        inside = left >= LEFT - 5 and right <= LEFT + WIDTH + RIGHT and 0 <= top and bottom <= TOP + HEIGHT
        if inside and all(right <= a or c <= left or bottom <= b or d <= top for a, b, c, d in taken):
            return left, top
    return places[0]


def compare(options):
    detectors = [Ours(text, precision, options) for precision in options.precision for text in options.models]
    teachers = Teachers(options.teachers)
    teachers.load()
    first = detectors[0]
    absent = [label for label in teachers.labels if label not in first.plugin.labels]
    if absent:
        raise ModelError(f"{first.model}: expected a detector of the teachers' classes, it has no {', '.join(absent)}")
    detectors += [Theirs(name, teachers, first.pictures, first.plugin.labels) for name in TEACHERS]
    times = measure_times(detectors, options.rounds)
    rows = [row_of(detector, detector.judge(), ms) for detector, ms in zip(detectors, times)]
    evaluate.print_rows([list(COLUMNS)] + [[str(value) for value in row.values()] for row in rows])
    with outfile.open_whole(os.path.join(options.output, "detectors.csv"), "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with outfile.open_whole(os.path.join(options.output, "detectors.svg"), "w", encoding="utf-8") as file:
        file.write(plot(rows))


def parse_precisions(text):
    unknown = [name for name in text.split(",") if name not in PRECISIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"'{unknown[0]}': expected some of {', '.join(PRECISIONS)}")
    return text.split(",")


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", metavar="LIST", help="photos and the truth about them, as in evaluate.py")
    parser.add_argument("models", nargs="+", metavar="MODEL[@WxH]", help="a detector, and a size other than its own")
    parser.add_argument("--teachers", default=FOLDER, metavar="DIR", help="their folder (../shared/teachers)")
    parser.add_argument(
        "--precision", type=parse_precisions, default=["auto"], metavar="P[,P...]", help="of ours, each in turn (auto)"
    )
    parser.add_argument("--rounds", type=int, default=30, metavar="N", help="of measuring times (30)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N photos")
    parser.add_argument("--output", default=".", metavar="DIR")
    return parser.parse_args(argv)


def main(argv=None):
    try:
        compare(parse(argv))
    except ModelError as error:
        return f"error: {error}"
    return 0


if __name__ == "__main__":
    outfile.run(main)
