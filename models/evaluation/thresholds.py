#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Chooses the thresholds of a detector or a multi-label classifier: for each class that with the best F1, in a
GStreamer pipeline, on the photos of all lists together.

    thresholds.py MODEL LIST... [--write]
    meson devenv -C build -w . models/evaluation/thresholds.py MODEL LIST...     # the plugin in the build folder

With --write they become the model's own, which elements use by default; nothing else in its file changes. Lists are
those of evaluate.py. docs/training.md says how thresholds are chosen. Photos that the model was trained on give
thresholds that are too high for others.
"""

import argparse
import contextlib
import json

import evaluate  # reports missing packages; adds models/ to the module path
import metrics
import modelfile
import numpy as np
import outfile
from errors import ModelError
from pictures import BLACK, FITS, read_list


def judge(options):
    """What the model says about the photos of all lists; also its Plugin, closed, and the name of what was counted."""
    plugin, pictures, kind = evaluate.begin(options.model, options.lists[0], options.limit, options.threads)
    with contextlib.closing(plugin):
        if kind not in ("detect", "multi-label"):
            raise ModelError(f"{options.model}: expected a detector, or a multi-label classifier and .json lists")
        for listed in options.lists[1:]:
            more = read_list(listed, plugin.task, plugin.labels)[: options.limit]
            if evaluate.kind_of(plugin.task, more[0].objects) != kind:
                raise ModelError(f"{listed}: expected a .json in COCO's layout, as {options.lists[0]}")
            pictures += more
        options.size = options.size or plugin.size
        found, truths = evaluate.run(plugin, pictures, options, len(plugin.labels))
    figures = evaluate.measure(kind, found, truths, plugin.thresholds)
    return figures["decisions"], plugin, evaluate.COLUMNS[kind][0]


def choose(decisions, plugin, lists):
    if not metrics.best_threshold(decisions)[1]:
        raise ModelError(
            f"{', '.join(lists)}: the model finds nothing of what is there, so that no threshold is better than another"
        )
    return metrics.chosen_thresholds(decisions, metrics.WRONG if plugin.task == "detect" else 1).tolist()


def print_choice(decisions, plugin, chosen, count):
    before, after = (metrics.rates(decisions, thresholds) for thresholds in (plugin.thresholds, np.array(chosen)))
    rows = [["class", count, "threshold", "F1", "chosen", "F1"]]
    for i in np.flatnonzero(decisions.there):
        f1 = [evaluate.percent(figures["f1"][i]) for figures in (before, after)]
        rows.append([plugin.labels[i], f"{decisions.there[i]}", f"{plugin.thresholds[i]:.2f}", f1[0]])
        rows[-1] += [f"{chosen[i]:.2f}", f1[1]]
    f1 = [evaluate.percent(figures["overall"]["f1"]) for figures in (before, after)]
    rows.append(["overall", f"{decisions.there.sum()}", "", f1[0], "", f1[1]])
    evaluate.print_rows(rows)


def write(path, thresholds):
    arrays, metadata = modelfile.read(path)
    modelfile.write(path, arrays, {**metadata, "thresholds": json.dumps(thresholds)})


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", metavar="MODEL", help=".safetensors, or the name of one")
    parser.add_argument("lists", nargs="+", metavar="LIST", help="photos and the truth about them, as in evaluate.py")
    parser.add_argument("--write", action="store_true", help="write the thresholds into MODEL")
    parser.add_argument("--size", type=evaluate.parse_size, metavar="WxH", help="inference size (the model's own)")
    parser.add_argument(
        "--fit",
        choices=[fit for fit in FITS if fit != "centre"],
        default="shape",
        help="as in evaluate.py (shape, as the elements do by default)",
    )
    parser.add_argument("--limit", type=evaluate.parse_count, metavar="N", help="the first N photos of each list only")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="threads to compute with; 0: all (0)")
    parser.set_defaults(shape=None, border=BLACK)
    return parser.parse_args(argv)


def main(argv=None):
    options = parse(argv)
    try:
        decisions, plugin, count = judge(options)
        chosen = choose(decisions, plugin, options.lists)
        print_choice(decisions, plugin, chosen, count)
        if options.write:
            write(plugin.path, chosen)
            print(f"written to {plugin.path}")
    except ModelError as error:
        return f"error: {error}"
    return 0


if __name__ == "__main__":
    outfile.run(main)
