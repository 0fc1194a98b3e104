#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the generated parts of a model's card: description, training settings, accuracy in a pipeline, cost.

    card.py MODEL LIST... [OPTION...]
    meson devenv -C build -w . models/evaluation/card.py MODEL LIST...  # the plugin and the program in the build folder

The card is MODEL with the extension .md. Data, licences and weaknesses are written by hand: this program only replaces
the text between the lines <!-- generated: ... --> and <!-- end --> (docs/evaluation.md). Lists are those of
evaluate.py.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import evaluate  # reports missing packages; adds models/ to the module path
import checkpoint
import modelfile
import numpy as np
from errors import ModelError
from generated import fill, table

TASKS = {
    "detect": "finds objects with their boxes",
    "segment": "gives each pixel a class",
    "classify": "says which class a picture shows",
    "tags": "says which classes are in a picture, any number of them",
}
BACKBONES = {"dicenet": "DiCENet", "mobilenet": "MobileNet with DiCE units", "resnet": "ResNet with DiCE units"}
# Settings that the card does not list, because they appear elsewhere in it or only concern how files are read and
# written.
OF_DETECTORS = ("head", "head_width", "context_width")
LEFT_OUT = ("task", "scale", "backbone", "size", "classes", "labels", "license", "description", "evaluations", "dtype")
FITS = {"squeeze": "squeezed", "centre": "their middle", "shape": "in their own shape, as the elements do by default"}


# Description and training


def describe(model, arrays, metadata, options):
    width, height = metadata["size"].split("x")
    kinds = sorted({array.dtype.name for array in arrays.values() if array.ndim > 1})
    task = "tags" if metadata.get("multi_label") == "true" else metadata["task"]
    labels = json.loads(metadata.get("labels", "[]"))
    background = int(metadata.get("background", -1))
    seen = [name for i, name in enumerate(labels) if i != background and not name.startswith("unused ")]
    head = ", feature pyramid" if metadata.get("pyramid") == "true" else ""
    head = ", anchor-free head" if metadata.get("head") == "anchor-free" else head
    info = dicenet("info", model)
    rows = [
        ("task", f"{metadata['task']}: {TASKS[task]}"),
        ("classes", ", ".join(seen) or f"{metadata['classes']}, without names"),
        ("network", f"{BACKBONES[metadata.get('backbone', 'dicenet')]}, s = {metadata['scale']}{head}"),
        ("trained size", f"{width} x {height}; it runs at any other"),
        ("parameters", f"{info['parameters'] / 1e6:.2f} million"),
        ("multiply-adds", f"{info['multiply_adds']['total'] / 1e6:.0f} million at {width} x {height}"),
        ("file", f"{os.path.getsize(model) / 1e6:.2f} MB, convolutions in {' and '.join(kinds)}"),
    ]
    if info.get("threshold"):
        rows.append(("reports by default", f"what it is confident of by {info['threshold']:g} or more"))
    if info.get("thresholds"):
        own = (f"{name} {number:g}" for name, number in zip(info["labels"], info["thresholds"]) if name in seen)
        rows.append(("reports by default", f"what it is confident of by this or more: {', '.join(own)}"))
    rows += [(key, metadata[key]) for key in ("license", "description") if metadata.get(key)]
    cost = "\n\nWhat the network costs per frame, in milliseconds; the elements choose the fastest of these precisions:\n\n"
    heads = ["processor", "precision", "threads", "size", "median", "processor time"]
    return table(["", ""], rows, left=2) + cost + table(heads, costs(model, options), left=2)


def costs(model, options):
    """A row of results of `dicenet bench` on this machine for each number of threads, and the elements' precision, if that
    is another."""
    given = [f"--seconds={options.bench_seconds}"]
    for count in options.bench_threads:
        found = [dicenet("bench", model, f"--threads={count}", f"--precision={p}", *given) for p in ("float32", "auto")]
        for one in found if found[1]["precision"] != "float32" else found[:1]:
            size = f"{one['width']} x {one['height']}"
            times = f"{one['median_ms']:.1f}", f"{one['cpu_ms']:.1f}"
            yield (processor(), one["precision"], one["threads"], size, *times)


def dicenet(command, model, *arguments):
    """Output of the program, parsed from JSON."""
    program = os.environ.get("DICENET") or shutil.which("dicenet")
    if not program:
        raise ModelError("dicenet: not found: install it, or run this with: meson devenv -C build")
    done = subprocess.run([program, command, model, "--json", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise ModelError(f"dicenet {command} {model}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def processor():
    """The system's name of the processor, and its widest vectors, because the names of virtual machines say little."""
    found = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in file)}
    except OSError:
        pass
    flags = found.get("flags", "").split()
    vectors = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "")
    return ", ".join(filter(None, (found.get("model name", os.uname().machine), vectors)))


def training(metadata):
    if "training" not in metadata:
        return "The model file does not say."
    run = json.loads(metadata["training"])
    config = run["config"]
    left_out = LEFT_OUT if config["task"] == "detect" else LEFT_OUT + OF_DETECTORS
    rows = [
        (key, described(value))
        for key, value in config.items()
        if key not in left_out and value not in ("", None, 0, 0.0, False, [], {})
    ]
    how = f"{run['photos']} photos, {run['steps']} steps; settings of `models/training/train.py`:"
    if run.get("averaged", 1) > 1:
        how = f"The mean of the weights of {run['averaged']} runs; of the last one: {how}"
    return f"{how}\n\n{table(['setting', 'value'], rows, left=2)}"


def described(value):
    """Replaces a path by the part of it that is meaningful on other machines."""
    if isinstance(value, list):
        return ", ".join(map(described, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}: {described(x)}" for key, x in value.items())
    if isinstance(value, str):
        return os.path.basename(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


# Accuracy


def evaluation(model, listed, options, fit=None):
    arguments = [model, listed, "--threads", str(options.threads)]
    arguments += ["--limit", str(options.limit)] if options.limit else []
    arguments += ["--fit", fit] if fit else []
    return evaluate.evaluate(evaluate.parse(arguments))


def accuracy(reports, options):
    """A table per list: first averages for each way to fit a photo, then the classes."""
    parts = []
    for by_fit in reports:
        first = next(iter(by_fit.values()))
        count, names = evaluate.COLUMNS[first["kind"]]
        classes = first["classes"]
        rows = [row for fit, report in by_fit.items() for row in averages(report, names, f"photos {FITS[fit]}")]
        rows += means(classes, names, options.mean_of)
        rows += [
            (label + ("" if c["counted"] else " \\*"), c[count], *(evaluate.percent(c[name]) for name in names))
            for label, c in classes.items()
        ]
        parts.append(f"On the {first['photos']} photos of {first['list']}, in per cent:")
        parts.append(table(["", count, *(evaluate.NAMES.get(name, name) for name in names)], rows))
        if not all(c["counted"] for c in classes.values()):
            parts.append("\\* in too few photos to be in the mean")
    return "\n\n".join(parts)


def averages(report, names, how):
    overall = report["overall"]
    what = "all photos" if report["kind"] == "classify" else "mean of the classes"
    yield (f"**{what}**, {how}", "", *(evaluate.percent(overall[name]) for name in names))
    if "overall f1" in overall:
        yield (f"**overall**, {how}", "", *(evaluate.percent(overall.get("overall " + name)) for name in names))


def means(classes, names, groups):
    """A row for each group of classes that are all in the list."""
    for group in groups:
        if all(label in classes for label in group):
            values = [np.mean([classes[label][name] for label in group]) for name in names]
            yield (f"mean of {', '.join(group)}", "", *map(evaluate.percent, values))


def storage(model, weights, listed, before, options):
    """Accuracy of the model file compared with the same model with all of `weights` in float32."""
    arrays, metadata = modelfile.read(model)
    found = checkpoint.read(weights)
    missing = [name for name in arrays if name not in found.tensors]
    if missing:
        raise ModelError(f"{weights}: expected the weights that {model} was made of, but it has no {missing[0]}")
    with tempfile.TemporaryDirectory() as folder:
        exact = os.path.join(folder, os.path.basename(model))
        modelfile.write(exact, {name: found.array(name).astype(np.float32) for name in arrays}, metadata)
        report = evaluation(exact, listed, options)
    key, name = evaluate.MAIN[report["kind"]]
    stored, full = before["overall"][key], report["overall"][key]
    return (
        f"{name} on {report['list']} with the weights as they are stored: {evaluate.percent(stored)}; with all of them "
        f"in float32: {evaluate.percent(full)}; a difference of {100 * (stored - full):+.2f} points."
    )


# Command line


def parse_threads(text):
    counts = text.split(",")
    if not all(n.isdecimal() for n in counts):
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers of threads, 1,2 say; 0 for all")
    return [int(n) for n in counts]


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", metavar="MODEL", help=".safetensors, or the name of one")
    parser.add_argument("lists", nargs="+", metavar="LIST", help="photos and the truth about them, as in evaluate.py")
    parser.add_argument("--card", metavar="FILE", help="(MODEL's name with .md)")
    parser.add_argument("--float32", metavar="WEIGHTS.pth", help="what the model was made of: shows what float16 costs")
    parser.add_argument(
        "--mean-of",
        type=lambda text: text.split(","),
        action="append",
        default=[],
        metavar="A,B,...",
        help="a further mean, of these classes",
    )
    parser.add_argument("--bench-threads", type=parse_threads, default=[1, 0], metavar="N,N,...", help="(1,0)")
    parser.add_argument("--bench-seconds", type=float, default=3, metavar="S", help="for each of them (3)")
    parser.add_argument("--limit", type=evaluate.parse_count, metavar="N", help="the first N photos only")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="threads to evaluate with; 0: all (0)")
    return parser.parse_args(argv)


def blocks(options):
    arrays, metadata = modelfile.read(options.model)
    found = {"model": describe(options.model, arrays, metadata, options), "training": training(metadata)}
    reports = []
    for listed in options.lists:
        by_fit = [evaluation(options.model, listed, options), evaluation(options.model, listed, options, "shape")]
        reports.append({report["fit"]: report for report in by_fit})
    found["accuracy"] = accuracy(reports, options)
    if options.float32:
        before = next(iter(reports[0].values()))
        found["accuracy"] += "\n\n" + storage(options.model, options.float32, options.lists[0], before, options)
    return found


def main(argv=None):
    options = parse(argv)
    try:
        from plugin import load

        options.model = load(options.model).get_path()
        options.card = options.card or os.path.splitext(options.model)[0] + ".md"
        fill(options.card, blocks(options))
    except ModelError as error:
        return f"error: {error}"
    except OSError as error:
        return f"error: {error.filename}: {error.strerror}"
    print(options.card)
    return 0


if __name__ == "__main__":
    sys.exit(main())
