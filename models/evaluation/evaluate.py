#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Evaluates a model: runs it on a list of photos in a GStreamer pipeline and compares its results with the ground
truth.

    evaluate.py MODEL LIST [OPTION...]
    meson devenv -C build -w . models/evaluation/evaluate.py MODEL LIST     # the plugin in the build folder

LIST is, for detection and multi-label classification, a .json in COCO's layout; for segmentation, a text file with one
photo id per line, next to folders images (ID.jpg) and masks (ID.png); for classification, a folder with one folder of
photos per class. docs/evaluation.md describes the lists and the metrics.
"""

import argparse
import contextlib
import json
import math
import os
import sys

try:
    import numpy as np
    from PIL import Image
except ImportError as error:
    sys.exit(f"error: {error.name} is missing: apt install python3-numpy python3-pil, or use a Python that has them")

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import metrics  # noqa: E402
import outfile  # noqa: E402
from errors import ModelError  # noqa: E402
from network import MAX_SIZE, MIN_SIZE  # noqa: E402
from pictures import BLACK, FITS, middle, read_list, view  # noqa: E402
from progress import Progress  # noqa: E402
from readfile import regular  # noqa: E402

# For each kind of ground truth: name of the count per class, metrics, and whether the main metric is a mean over
# classes.
COLUMNS = {
    "detect": ("objects", ("ap50", "ap", "precision", "recall", "f1")),
    "segment": ("photos", ("iou",)),
    "classify": ("photos", ("top1", "top5")),
    "multi-label": ("photos", ("precision", "recall", "f1")),
}
# The main metric of each kind: its name in summarise(), and its usual name.
MAIN = {
    "detect": ("ap50", "AP50"),
    "segment": ("iou", "mean IoU"),
    "classify": ("top1", "top-1"),
    "multi-label": ("overall f1", "overall F1"),
}
NAMES = {"ap50": "AP50", "ap": "AP50:95", "iou": "IoU", "top1": "top-1", "top5": "top-5", "f1": "F1"}


# Inference


def run(engine, pictures, options, n_classes):
    """Results of `engine` and ground truth for each picture, in pixels of the photo, or with --shape of the part of it.
    """
    views = [view_of(picture, options) for picture in pictures]
    found, truths = [None] * len(pictures), [None] * len(pictures)
    # Sorted by inference size, because the pipeline stops for each change of it.
    with Progress(engine.name, "photos") as progress:
        for n, i in enumerate(sorted(range(len(pictures)), key=lambda i: views[i].size), 1):
            photo, truths[i] = pictures[i].load(n_classes, options.shape)
            found[i] = views[i].on_photo(engine.run(views[i].frame(photo), views[i].size), photo.size)
            progress.show(n / len(pictures), count=n)
    return found, truths


def view_of(picture, options):
    try:
        with open(picture.path, "rb", opener=regular) as file, Image.open(file) as image:
            size = image.size
    except OSError as error:
        raise ModelError(f"{picture.path}: cannot be read as a picture: {error}") from None
    if options.shape is not None:
        left, top, right, bottom = middle(size, options.shape)
        size = (right - left, bottom - top)
    return view(size, options.size, options.fit, options.border)


# Metrics


def kind_of(task, truth):
    return "multi-label" if task == "classify" and isinstance(truth, metrics.Objects) else task


def measure(kind, found, truths, thresholds):
    """The metrics of one kind of ground truth, as arrays with one number per class, by name. `thresholds`: the model's, a
    number per class."""
    n_classes = len(thresholds)
    if kind == "segment":
        return metrics.segmentation(found, truths, n_classes)
    if kind == "classify":
        return metrics.single_label(np.array(found), np.array(truths), n_classes)
    if kind == "detect":
        figures = metrics.detection(found, truths, n_classes)
    else:
        decisions = multi_label(found, truths, n_classes)
        figures = {"photos": decisions.there, "decisions": decisions}
    return {**figures, **metrics.rates(figures["decisions"], thresholds)}


def multi_label(scores, truths, n_classes):
    """Which classes the photos were said to show."""
    present, known = (np.zeros((len(truths), n_classes), bool) for _ in range(2))
    for i, truth in enumerate(truths):
        present[i, truth.labels] = True
        known[i, list(truth.known)] = True
        # A region to ignore may contain objects of any class, or of one class.
        known[i, slice(None) if metrics.ANY in truth.ignored_labels else truth.ignored_labels] = False
        known[i, truth.labels] = True
    return metrics.multi_label(np.array(scores), present, known)


def summarise(kind, figures, counted):
    """Averages: over photos for top-1 and top-5, over all decisions for "overall ...", otherwise over classes."""
    count, names = COLUMNS[kind]
    if kind == "classify":
        weights = np.where(counted, figures[count], 0)
        return {name: float(np.nansum(figures[name] * weights) / weights.sum()) for name in names}
    summary = {name: float(np.mean(figures[name][counted])) for name in names}
    summary.update({f"overall {name}": value for name, value in figures.get("overall", {}).items()})
    return summary


def classes_that_count(kind, figures, labels, options):
    """The classes that are averaged: the requested ones, if they are frequent enough."""
    enough = options.min_photos if kind == "segment" else 1
    counted = figures[COLUMNS[kind][0]] >= enough
    if options.classes:
        unknown = [name for name in options.classes if name not in labels]
        if unknown:
            raise ModelError(f"--classes: {unknown[0]} is no label of the model; it has {', '.join(labels[:25])}")
        counted &= np.array([label in options.classes for label in labels])
    if not counted.any():
        raise ModelError(f"no class of the model is in the list often enough ({enough}) to be measured")
    return counted


# Agreement of two engines


def agreement(kind, found, others):
    """How far the results of two engines on the same photos agree, as a text and numbers."""
    if kind == "segment":
        shares = [float(np.mean(a == b)) for a, b in zip(found, others)]
        return {"equal pixels": float(np.mean(shares)), "equal pixels in the worst photo": min(shares)}
    if kind == "detect":
        nearest = [n for a, b in zip(found, others) for n in nearest_confidences(a, b)]
        there = [n for n in nearest if not math.isnan(n)]
        return {
            "detections that the other has too": len(there) / max(len(nearest), 1),
            "largest difference in confidence": max(there, default=0.0),
        }
    return {"largest difference in confidence": float(np.max(np.abs(np.array(found) - np.array(others))))}


def nearest_confidences(found, others):
    """For each detection, the difference in confidence to the nearest one of the same class at nearly the same
    position."""
    same = (metrics.overlaps(found.boxes, others.boxes) >= 0.9) & (found.labels[:, None] == others.labels[None])
    differences = np.where(same, np.abs(found.scores[:, None] - others.scores[None]), np.inf)
    nearest = np.min(differences, axis=1, initial=np.inf)
    return np.where(np.isinf(nearest), np.nan, nearest).tolist()


# Report


def report_of(kind, labels, figures, counted):
    count, names = COLUMNS[kind]
    classes = {}
    for i in np.flatnonzero(np.isfinite([figures[name] for name in names]).any(axis=0) | (figures[count] > 0)):
        classes[labels[i]] = {count: int(figures[count][i]), "counted": bool(counted[i])}
        classes[labels[i]].update({n: None if np.isnan(figures[n][i]) else float(figures[n][i]) for n in names})
    return {"overall": summarise(kind, figures, counted), "classes": classes}


def percent(value):
    return "-" if value is None else f"{100 * value:.2f}"


def print_rows(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print(row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:])), sep="  ")


def print_table(kind, report):
    count, names = COLUMNS[kind]
    other = report.get("pytorch")
    heads = ["class", count] + [NAMES.get(name, name) for name in names]
    heads += [f"{head} in PyTorch" for head in heads[2:]] if other else []
    rows = []
    for label, figures in report["classes"].items():
        row = [label + ("" if figures["counted"] else " *"), str(figures[count])]
        row += [percent(figures[name]) for name in names]
        row += [percent(other["classes"].get(label, {}).get(name)) for name in names] if other else []
        rows.append(row)
    averages = ["all photos" if kind == "classify" else "mean", ""] + [percent(report["overall"][n]) for n in names]
    averages += [percent(other["overall"][name]) for name in names] if other else []
    print_rows([heads] + rows + [averages])
    if not all(figures["counted"] for figures in report["classes"].values()):
        print("* not in the mean")
    for name, value in report["overall"].items():
        if name.startswith("overall "):
            name = f"overall {NAMES.get(name[8:], name[8:])}"
            print(f"{name}: {percent(value)}")
    for name, value in report.get("agreement", {}).items():
        print(f"{name}: {value:.3g}" if "difference" in name else f"{name}: {100 * value:.3f} %")


# Command line


def parse_size(text):
    width, x, height = text.partition("x")
    if not (x and all(n.isdecimal() and MIN_SIZE <= int(n) <= MAX_SIZE for n in (width, height))):
        raise argparse.ArgumentTypeError(f"{text!r}: expected WIDTHxHEIGHT, each {MIN_SIZE} to {MAX_SIZE}")
    return int(width), int(height)


def parse_shape(text):
    width, colon, height = text.partition(":")
    if not (colon and all(n.isdecimal() and 0 < int(n) < 1000 for n in (width, height))):
        raise argparse.ArgumentTypeError(f"{text!r}: expected WIDTH:HEIGHT, 16:9 say")
    return int(width) / int(height)


def parse_colour(text):
    parts = text.split(",")
    if not (len(parts) == 3 and all(n.isdecimal() and int(n) < 256 for n in parts)):
        raise argparse.ArgumentTypeError(f"{text!r}: expected RED,GREEN,BLUE, each 0 to 255")
    return tuple(map(int, parts))


def parse_count(text):
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1")
    return int(text)


def parse_property(text):
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r}: expected PROPERTY=VALUE")
    return name, value


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", metavar="MODEL", help=".safetensors, or the name of one")
    parser.add_argument("list", metavar="LIST", help="photos and the truth about them")
    parser.add_argument("--size", type=parse_size, metavar="WxH", help="inference size (the model's own)")
    parser.add_argument(
        "--fit",
        choices=FITS,
        help="how a photo is brought to that size: squeeze (the default), shape (keeps the photo's shape, its short side "
        "at the size's), area (the same with as many pixels as the size), letterbox, centre (the default where a photo has "
        "one label), native (the photo's own size)",
    )
    parser.add_argument(
        "--border", type=parse_colour, default=BLACK, metavar="R,G,B", help="colour of the letterbox (0,0,0)"
    )
    parser.add_argument(
        "--shape", type=parse_shape, metavar="W:H", help="evaluate on the middle of each photo, 16:9 say"
    )
    parser.add_argument(
        "--classes",
        type=lambda text: text.split(","),
        metavar="A,B,...",
        help="which classes go into the averages (all that the list has)",
    )
    parser.add_argument(
        "--min-photos",
        type=parse_count,
        default=5,
        metavar="N",
        help="segmentation: in how many photos a class has to be to go into the mean (5)",
    )
    parser.add_argument("--limit", type=parse_count, metavar="N", help="the first N photos only")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="threads to compute with; 0: all (0)")
    parser.add_argument(
        "--set",
        type=parse_property,
        action="append",
        default=[],
        metavar="PROPERTY=VALUE",
        help="a property of the element: precision=bfloat16, say",
    )
    parser.add_argument("--json", metavar="OUT", help="write the figures to this file, too")
    parser.add_argument("--force", action="store_true", help="overwrite OUT if it is there")
    parser.add_argument(
        "--against-pytorch", action="store_true", help="run the model in PyTorch, too, and show how far both agree"
    )
    return parser.parse_args(argv)


def begin(model, listed, limit=None, threads=0, properties=()):
    """Creates a pipeline with the model; also returns the first photos of the list and their kind of ground truth."""
    from plugin import Plugin

    plugin = Plugin(model, threads, properties)
    pictures = read_list(listed, plugin.task, plugin.labels)[:limit]
    kind = kind_of(plugin.task, pictures[0].objects)
    if kind == "multi-label" and not plugin.multi_label:
        raise ModelError(f"{model}: gives one label, but {listed} has several: take a folder of photos")
    return plugin, pictures, kind


def evaluate(options):
    """Runs an evaluation with the given options; returns the report, as written to --json."""
    plugin, pictures, kind = begin(options.model, options.list, options.limit, options.threads, options.set)
    if options.json:
        outfile.check(options.json, (plugin.path,), force=True)  # `model` may be a name
    options.size = options.size or plugin.size
    options.fit = options.fit or ("centre" if kind == "classify" else "squeeze")
    if options.fit == "centre" and kind != "classify":
        raise ModelError(
            "--fit centre is for a single label per photo: what is beside it would be missing from the results"
        )

    engines = [plugin]
    if options.against_pytorch:
        from inpytorch import PyTorch

        engines.append(PyTorch(plugin.path, options.threads))
    labels, found, reports = plugin.labels, [], []
    for engine in engines:
        with contextlib.closing(engine):
            results, truths = run(engine, pictures, options, len(labels))
        figures = measure(kind, results, truths, plugin.thresholds)
        found.append(results)
        reports.append(report_of(kind, labels, figures, classes_that_count(kind, figures, labels, options)))
    report = {"model": os.path.basename(plugin.path), "list": os.path.basename(options.list), "kind": kind}
    report.update(photos=len(pictures), size=list(options.size), fit=options.fit, **reports[0])
    if options.against_pytorch:
        report.update(pytorch=reports[1], agreement=agreement(kind, *found))
    return report


def main(argv=None):
    options = parse(argv)
    try:
        if options.json:
            outfile.check(options.json, (options.model, options.list), options.force)
        report = evaluate(options)
        if options.json:
            with outfile.open_whole(options.json, "w", encoding="utf-8") as file:
                json.dump(report, file, indent=1)
                file.write("\n")
    except ModelError as error:
        return f"error: {error}"
    except OSError as error:
        return f"error: {error.filename}: {error.strerror}"
    width, height = report["size"]
    at = "at their own size" if report["fit"] == "native" else f"at {width}x{height}, fit: {report['fit']}"
    print(f"{report['model']} on {report['photos']} photos of {report['list']}, {at}; in per cent")
    print_table(report["kind"], report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
