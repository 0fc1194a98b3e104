#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures what a frame costs from the file to the metadata, part by part, with the elements' defaults.

    frames.py CLIP [--build DIR] [--elements NAME,...] [--rounds N] [--set PROPERTY=VALUE]...

A part's cost is the processor time per frame with it less that without it: the decoder, to NV12; the element; the
overlay, drawn on the frame; a line of JSON. The network's is that of `dicenet bench` at the same size, with one thread.
Each pipeline has its turn in every round, in a process of its own; medians, in milliseconds, and the share of one
processor at 30 frames per second. A clip of 1920 x 1080 is made of another one so:

    gst-launch-1.0 filesrc location=CLIP ! decodebin ! videoconvertscale ! videorate !
      video/x-raw,format=I420,width=1920,height=1080,framerate=30/1 ! x264enc bitrate=6000 ! mp4mux !
      filesink location=1080p30.mp4

Requires python3-gi, gir1.2-gstreamer-1.0, GStreamer's base, good and libav plugins, and the plugin in --build, by
default build.
"""

import argparse
import json
import os
import statistics
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

try:
    from turns import Gst, measure, quoted
except (ImportError, ValueError) as error:
    sys.exit(f"error: {error}: install python3-gi and gir1.2-gstreamer-1.0")

import elements
from networks import print_table, program_of
from plugin import use_build

RATE = 30
ELEMENTS = ("dicenetclassify", "dicenetdetect", "dicenetsegment")
PARTS = ("decoder", "network", "element besides", "overlay", "JSON")


def pipelines(clip, element, settings):
    """Descriptions, each with one part more."""
    element = " ".join((element, *settings))
    chain = [f"filesrc location={quoted(clip)} ! decodebin ! videoconvert ! video/x-raw,format=NV12", element]
    chain += ["dicenetoverlay", "dicenetjson"]
    return [" ! ".join((*chain[: n + 1], "fakesink name=sink sync=false")) for n in range(len(chain))]


def cost(arguments, program, element):
    """What it is of, and the medians of all parts."""
    model = os.path.join(ROOT, "models", element.replace("dicenet", "dicenet-") + ".safetensors")
    caps, _ = elements.decode(arguments.clip, 1)
    size = elements.inference_size(caps, json.loads(program.call("info", model, "--json")))
    settings = [f"model={quoted(model)}", f"inference-size={size}", *arguments.set]
    rounds = []
    for _ in range(arguments.rounds):
        totals = [measure(pipeline)["CPU ms"] for pipeline in pipelines(arguments.clip, element, settings)]
        network = program.milliseconds(model, 1, 0.5, "--precision", "auto", "--size", size)
        decoder, inferred, drawn, written = totals
        rounds.append((decoder, network, inferred - decoder - network, drawn - inferred, written - drawn))
    return f"{element}, {size}", [statistics.median(part) for part in zip(*rounds)]


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog=__doc__.split("\n\n", 2)[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clip")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--elements", default=",".join(ELEMENTS), metavar="NAME,...", help="(all three)")
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument("--set", action="append", default=[], metavar="PROPERTY=VALUE", help="of the elements")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    arguments.elements = arguments.elements.split(",")
    unknown = [name for name in arguments.elements if name not in ELEMENTS]
    if unknown:
        parser.error(f"--elements {unknown[0]}: expected {', '.join(ELEMENTS)}")
    if arguments.rounds < 1:
        parser.error("expected --rounds of at least 1")
    if not os.path.isfile(arguments.clip):
        parser.error(f"{arguments.clip}: no such file")
    return arguments


def main():
    arguments = parse_arguments()
    use_build(arguments.build)
    Gst.init(None)
    program = program_of(arguments.build, True)
    found = dict(cost(arguments, program, element) for element in arguments.elements)
    if arguments.json:
        print(json.dumps({name: dict(zip(PARTS, parts)) for name, parts in found.items()}))
        return
    rows = []
    for name, parts in found.items():
        cells = [f"{ms:.2f} ({ms * RATE / 1000:.1%})" for ms in (*parts, sum(parts))]
        rows.append([name, *cells])
    print_table(["element, inference size", *(f"{part} (ms)" for part in PARTS), "all"], rows)


if __name__ == "__main__":
    main()
