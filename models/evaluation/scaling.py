#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures the benefit of dynamic scaling: evaluates models on frames of several shapes and sizes, inferred in their
own shape, squeezed, and letterboxed.

    scaling.py MODEL LIST [MODEL LIST...] [--output DIR]
    meson devenv -C build -w . models/evaluation/scaling.py MODEL LIST...    # the plugin in the build folder

Writes scaling.csv and scaling.svg with all results to the output folder, and tables for the trained size to scaling.md,
where they replace earlier tables and leave other text unchanged. Lists, pipeline and metrics are those of evaluate.py;
docs/scaling.md describes the comparison.
"""

import argparse
import contextlib
import csv
import os
import sys
from html import escape
from math import ceil, floor, log2
from types import SimpleNamespace

import evaluate  # reports missing packages; adds models/ to the module path
import numpy as np
import outfile
from errors import ModelError
from generated import fill, table

SHAPES = ("photo", "16:9", "4:3", "9:16")
FACTORS = (0.5, 1.0, 2.0)  # relative to the trained size
FITS = {"area": "own shape", "squeeze": "squeezed", "letterbox": "letterboxed"}
# The mean of ImageNet's pixels, which is zero after normalisation: our networks were trained with it around photos.
GREY = "124,116,104"


# Measuring


def measure_model(model, listed, options):
    """Metrics by (shape, factor, fit), from 0 to 1, and the name of the metric."""
    plugin, pictures, kind = evaluate.begin(model, listed, options.limit, options.threads)
    figures = {}
    with contextlib.closing(plugin):
        for shape in SHAPES:
            for factor in FACTORS:
                for fit in FITS:
                    size = tuple(max(evaluate.MIN_SIZE, round(factor * side)) for side in plugin.size)
                    view = SimpleNamespace(
                        shape=None if shape == "photo" else evaluate.parse_shape(shape),
                        size=size,
                        fit=fit,
                        border=options.border,
                    )
                    found, truths = evaluate.run(plugin, pictures, view, len(plugin.labels))
                    figures[shape, factor, fit] = evaluate.measure(kind, found, truths, plugin.thresholds)
            print(f"{os.path.basename(model)}: {shape} done", file=sys.stderr)
    counted = common_classes(kind, figures, options.least)
    key, name = evaluate.MAIN[kind]
    return {
        "model": os.path.splitext(os.path.basename(model))[0],
        "list": os.path.basename(listed),
        "photos": len(pictures),
        "size": plugin.size,
        "figure": name,
        "classes": [plugin.labels[i] for i in np.flatnonzero(counted)],
        "values": {view: evaluate.summarise(kind, f, counted)[key] for view, f in figures.items()},
    }


def common_classes(kind, figures, least):
    """The classes that are frequent enough in every shape, so that all averages are over the same classes."""
    count = evaluate.COLUMNS[kind][0]
    counted = np.all([f[count] >= least for f in figures.values()], axis=0)
    if not counted.any():
        raise ModelError(f"no class has {least} {count} or more in every shape; --least takes fewer")
    return counted


# Writing


def write_csv(path, results):
    with outfile.open_whole(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["model", "list", "photos", "figure", "shape", "size", "seen", "value"])
        for r in results:
            for (shape, factor, fit), value in r["values"].items():
                row = [r[key] for key in ("model", "list", "photos", "figure")]
                writer.writerow([*row, shape, f"{factor:g}", FITS[fit], f"{value:.4f}"])


def tables(results):
    parts = []
    for r in results:
        width, height = r["size"]
        parts.append(
            f"**{r['model']}**, {r['figure']} in per cent, {r['photos']} photos of {r['list']}, trained at "
            f"{width} x {height}. Classes: {', '.join(r['classes'])}."
        )
        parts.append(table(["frame", *FITS.values()], rows(r["values"])))
    return "\n\n".join(parts)


def rows(values):
    """A row for each shape at the trained size, the best value in bold."""
    for shape in SHAPES:
        cells = [f"{100 * values[shape, 1.0, fit]:.2f}" for fit in FITS]
        best = max(cells, key=float)
        yield [shape, *(f"**{cell}**" if cell == best else cell for cell in cells)]


COLOURS = ("#1f77b4", "#d62728", "#ff9f1c")
WIDTH, HEIGHT, LEFT, TOP, GAP = 150, 150, 56, 72, 72


def plot(results):
    """A panel per model (vertical) and shape (horizontal), each with a curve over sizes for each way to fit a frame."""
    parts = []
    for i, colour in enumerate(COLOURS):
        x = LEFT + 130 * i
        parts.append(f'<path d="M{x} 14h20" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 26}" y="18">{list(FITS.values())[i]}</text>')
    for row, result in enumerate(results):
        top = TOP + row * (HEIGHT + GAP)
        values = [100 * v for v in result["values"].values()]
        span = 5 * floor(min(values) / 5), 5 * max(ceil(max(values) / 5), floor(min(values) / 5) + 1)
        parts.append(f'<text x="{LEFT}" y="{top - 26}">{escape(result["model"])}, {result["figure"]}</text>')
        for column, shape in enumerate(SHAPES):
            parts.append(panel(result["values"], shape, LEFT + column * (WIDTH + 16), top, span, not column))
    width, height = LEFT + len(SHAPES) * (WIDTH + 16), TOP + len(results) * (HEIGHT + GAP) - GAP // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def panel(values, shape, left, top, span, scale):
    low, high = span
    bottom, step = top + HEIGHT, 5 if high - low <= 25 else 10

    def place(factor, value):
        across = 0.5 + log2(factor) / (log2(FACTORS[-1]) - log2(FACTORS[0])) * 0.8
        return left + WIDTH * across, bottom - HEIGHT * (100 * value - low) / (high - low)

    parts = [f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#888"/>']
    parts.append(f'<text x="{left + WIDTH / 2}" y="{top - 7}" text-anchor="middle" fill="#555">{shape}</text>')
    for tick in range(low, high + 1, step):
        y = place(1, tick / 100)[1]
        parts.append(f'<path d="M{left} {y:.1f}h{WIDTH}" stroke="#ddd"/>')
        if scale:
            parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{tick} %</text>')
    for factor in FACTORS:
        x = place(factor, 0)[0]
        parts.append(f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{factor:g}x</text>')
    for fit, colour in zip(reversed(FITS), reversed(COLOURS)):
        points = [place(factor, values[shape, factor, fit]) for factor in FACTORS]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    return "".join(parts)


# Command line


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("pairs", nargs="+", metavar="MODEL LIST", help="models, each with its list as in evaluate.py")
    parser.add_argument("--output", default=os.path.join("output", "scaling"), metavar="DIR", help="(output/scaling)")
    parser.add_argument(
        "--least",
        type=evaluate.parse_count,
        default=5,
        metavar="N",
        help="classes with fewer objects (segment, classify: photos) in one of the shapes don't count in averages (5)",
    )
    parser.add_argument(
        "--border",
        type=evaluate.parse_colour,
        default=GREY,
        metavar="R,G,B",
        help=f"colour of the letterbox ({GREY}, the mean of ImageNet's pixels)",
    )
    parser.add_argument("--limit", type=evaluate.parse_count, metavar="N", help="the first N photos only")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="threads to compute with; 0: all (0)")
    options = parser.parse_args(argv)
    if len(options.pairs) % 2:
        parser.error(f"expected a list after each model, found {len(options.pairs)} names")
    return options


def main(argv=None):
    options = parse(argv)
    try:
        os.makedirs(options.output, exist_ok=True)
        pairs = zip(options.pairs[::2], options.pairs[1::2])
        results = [measure_model(model, listed, options) for model, listed in pairs]
        write_csv(os.path.join(options.output, "scaling.csv"), results)
        with outfile.open_whole(os.path.join(options.output, "scaling.svg"), "w", encoding="utf-8") as file:
            file.write(plot(results))
        text = tables(results)
        fill(os.path.join(options.output, "scaling.md"), {"figures": text})
        print(text)
    except ModelError as error:
        return f"error: {error}"
    except OSError as error:
        return f"error: {error.filename}: {error.strerror}"
    return 0


if __name__ == "__main__":
    sys.exit(main())
