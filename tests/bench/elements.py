#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures the time that an element takes per frame, compared with `dicenet bench` for its network at the same size.

    elements.py MODEL CLIP [--build DIR] [--threads 1,2] [--frames N] [--rounds N] [--set PROPERTY=VALUE]...
    elements.py models/dicenet_s_1.75_pascal_384x384.safetensors clip.mp4

The clip is decoded first, so that nothing else uses the CPU. An element's time is from the arrival of a frame at its
sink pad to its departure at the source pad: conversion, scaling, network, reading and attaching the results. Both are
measured alternately in short rounds; the output is the median over rounds of each time and of their ratio.

Requires python3-gi, gir1.2-gstreamer-1.0, gir1.2-gst-plugins-base-1.0, GStreamer's base, good and libav plugins, and
the plugin in --build, by default build.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstApp", "1.0")
    from gi.repository import Gst, GstApp  # noqa: F401
except (ImportError, ValueError) as error:
    sys.exit(f"error: {error}: install python3-gi, gir1.2-gstreamer-1.0 and gir1.2-gst-plugins-base-1.0")

from stopwatch import Stopwatch


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("clip")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--threads", default="1,2", help="1,2 by default")
    parser.add_argument("--frames", type=int, default=60, help="decoded and used again in each round; 60 by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="PROPERTY=VALUE", help="of the element")
    return parser.parse_args()


def decode(clip, frames):
    """The first frames of the clip: caps and buffers."""
    pipeline = Gst.parse_launch("filesrc name=file ! decodebin ! appsink name=sink sync=false max-buffers=8")
    pipeline.get_by_name("file").set_property("location", clip)
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    samples = []
    while len(samples) < frames:
        sample = sink.try_pull_sample(20 * Gst.SECOND)
        if sample is None:
            break
        samples.append(sample)
    failure = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if failure:
        sys.exit(f"error: {clip}: {failure.parse_error()[0].message}")
    if not samples:
        sys.exit(f"error: {clip}: no frames came out of it: is it a video?")
    caps = samples[0].get_caps()
    return caps, [sample.get_buffer().copy_deep() for sample in samples]


def run_element(element, properties, caps, frames):
    """Median milliseconds per frame, after three frames of warm-up, and the inference size."""
    words = " ".join(f"{name}={value}" for name, value in properties.items())
    pipeline = Gst.parse_launch(f"appsrc name=source format=time ! {element} name=net {words} ! fakesink name=end sync=false")
    source, network = pipeline.get_by_name("source"), pipeline.get_by_name("net")
    source.set_property("caps", caps)
    stopwatch = Stopwatch(network, time.monotonic_ns)
    pipeline.set_state(Gst.State.PLAYING)
    for i, frame in enumerate(frames):
        frame = frame.copy()
        frame.pts = i * Gst.SECOND // 25
        source.emit("push-buffer", frame)
    source.emit("end-of-stream")
    message = pipeline.get_bus().timed_pop_filtered(
        300 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR
    )
    pipeline.set_state(Gst.State.NULL)
    if message is None or message.type == Gst.MessageType.ERROR:
        sys.exit(f"error: {message.parse_error()[0].message if message else 'the pipeline did not end in 5 minutes'}")
    return statistics.median(stopwatch.milliseconds[3:])


def run_bench(program, model, size, threads, seconds):
    command = [program, "bench", model, "--precision", "auto", "--size", size, "--threads", str(threads)]
    command += ["--seconds", f"{seconds:.1f}", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {done.stderr.strip()}")
    return json.loads(done.stdout)["median_ms"]


def inference_size(caps, info):
    """The size for inference-size=auto: the frame's aspect ratio with the model's short side (see the element's
    documentation)."""
    frame = caps.get_structure(0)
    width, height = frame.get_value("width"), frame.get_value("height")
    short = min(info["trained_size"].values())
    scale = short / min(width, height)
    return f"{round(width * scale)}x{round(height * scale)}"


def main():
    options = parse_arguments()
    program = os.path.join(options.build, "dicenet-core", "tools", "dicenet")
    if not os.path.exists(program):
        sys.exit(f"error: there is no {program}: build it, or say where with --build")
    if not os.path.exists(os.path.join(options.build, "gst", "libgstdicenet.so")):
        sys.exit(f"error: there is no plugin in {options.build}/gst: build it, or say where with --build")
    os.environ["GST_PLUGIN_PATH"] = os.path.join(options.build, "gst")
    Gst.init(None)
    info = json.loads(subprocess.run([program, "info", options.model, "--json"], capture_output=True, check=True).stdout)
    caps, frames = decode(options.clip, options.frames + 3)
    size = inference_size(caps, info)
    element = "dicenet" + info["task"]
    print(f"{element}, {size}, {len(frames)} frames of {caps.to_string().split(', framerate')[0]}")
    print(f"{'threads':>7} {'element ms':>11} {'network ms':>11} {'ratio':>6}")
    for threads in map(int, options.threads.split(",")):
        properties = {"model": options.model, "threads": threads, "inference-size": size}
        properties.update(item.split("=", 1) for item in options.set)
        rounds = []
        for _ in range(options.rounds):
            ours = run_element(element, properties, caps, frames)
            rounds.append((ours, run_bench(program, options.model, size, threads, 0.5)))
        ours, bench = (statistics.median(column) for column in zip(*rounds))
        print(f"{threads:7} {ours:11.2f} {bench:11.2f} {statistics.median(a / b for a, b in rounds):6.2f}")


if __name__ == "__main__":
    main()
