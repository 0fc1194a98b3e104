#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares dicenetclassify with GStreamer's own onnxinference and classifiertensordecoder: the same network, the same
clip, as fast as each can.

    onnxinference.py MODEL.safetensors MODEL.onnx CLIP [--build DIR] [--rounds N]
    models/training/export_onnx.py models/dicenet-classify.safetensors classify.onnx --size 288x288

Each pipeline has its turn in every round, in a process of its own. Columns, medians over the rounds: frames per second
and processor time per frame (with decoding and scaling) from the first result to the last, the process's memory, and
the time from its start to the first result. Both use all processors. onnxinference takes one size only, so the frames are
scaled to it; its graph optimisations are all on.

Requires GStreamer 1.28 with its bad plugins built with ONNX Runtime (Debian's after 13 are), python3-gi, and the plugin
in --build, by default build.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

try:
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
except (ImportError, ValueError) as error:
    sys.exit(f"error: {error}: install python3-gi and gir1.2-gstreamer-1.0")

sys.path.append(os.path.join(ROOT, "models"))
import modelfile  # noqa: E402
from errors import ModelError  # noqa: E402
from plugin import use_build  # noqa: E402
from turns import measure, quoted  # noqa: E402

ELEMENTS = ("onnxinference", "classifiertensordecoder", "dicenetclassify")
# Scores before softmax, which is what the decoder computes; the input's pixels from 0 to 255 become the ranges.
MODELINFO = """[modelinfo]
version=1.0
group-id=classification-generic-out

[input]
type=float32
dims=1,3,{height},{width}
dir=input
ranges={ranges}

[logits]
id=classification-generic-out
type=float32
dims=1,{classes}
dir=output
"""


def prepare(arguments, folder):
    """Both pipelines by name; puts what onnxinference needs in `folder`."""
    metadata = modelfile.read(arguments.model)[1]
    width, height = map(int, metadata["size"].split("x"))
    values = zip(json.loads(metadata["mean"]), json.loads(metadata["std"]))
    ranges = ";".join(f"{-mean / std:.6f},{(1 - mean) / std:.6f}" for mean, std in values)
    model, labels = os.path.join(folder, "model.onnx"), os.path.join(folder, "labels.txt")
    os.symlink(os.path.abspath(arguments.onnx), model)
    with open(model + ".modelinfo", "w", encoding="utf-8") as file:
        file.write(MODELINFO.format(width=width, height=height, ranges=ranges, classes=metadata["classes"]))
    with open(labels, "w", encoding="utf-8") as file:
        file.write("\n".join(json.loads(metadata["labels"])) + "\n")
    source = f"filesrc location={quoted(os.path.abspath(arguments.clip))} ! decodebin"
    scaled = f"videoconvertscale ! video/x-raw,format=RGB,width={width},height={height}"
    theirs = f"onnxinference optimization-level=enable-all model-file={quoted(model)}"
    decoder = f"classifiertensordecoder class-confidence-threshold=0 labels-file={quoted(labels)}"
    sink = "fakesink name=sink sync=false"
    ours = f"dicenetclassify model={quoted(os.path.abspath(arguments.model))} precision=float32"
    return {
        "onnxinference": f"{source} ! {scaled} ! {theirs} ! {decoder} ! {sink}",
        "dicenetclassify": f"{source} ! {ours} ! {sink}",
    }


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("model")
    parser.add_argument("onnx")
    parser.add_argument("clip")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    options = parser.parse_args()
    for path in (options.model, options.onnx, options.clip):
        if not os.path.isfile(path):
            parser.error(f"{path}: no such file")
    if options.rounds < 1:
        parser.error("expected --rounds of at least 1")
    return options


def main():
    arguments = parse_arguments()
    use_build(arguments.build)
    Gst.init(None)
    missing = [name for name in ELEMENTS if not Gst.ElementFactory.find(name)]
    if missing:
        sys.exit(f"error: GStreamer has no {', '.join(missing)}: --help says what is needed")
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        pipelines = prepare(arguments, folder)
        for _ in range(arguments.rounds):
            rounds.append({name: measure(description) for name, description in pipelines.items()})
    columns = list(rounds[0]["onnxinference"])
    middle = {name: [statistics.median(r[name][c] for r in rounds) for c in columns] for name in pipelines}
    print(Gst.version_string(), *(f"{name:>10}" for name in columns), sep="  ")
    for name, values in middle.items():
        print(f"{name:{len(Gst.version_string())}}", *(f"{value:10.1f}" for value in values), sep="  ")
    ratios = (statistics.median(r["dicenetclassify"][c] / r["onnxinference"][c] for r in rounds) for c in columns)
    print(f"{'ratio':{len(Gst.version_string())}}", *(f"{value:10.2f}" for value in ratios), sep="  ")


if __name__ == "__main__":
    try:
        main()
    except ModelError as error:
        sys.exit(f"error: {error}")
