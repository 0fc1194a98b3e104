#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures the time that an element takes per object (inference-region=objects), compared with `dicenet bench` for its
network at the same size.

    regions.py [MODEL] [--build DIR] [--objects 1,10,50] [--size WxH] [--frames N] [--rounds N]
    regions.py models/dicenet-classify.safetensors

Frames of 1920 x 1080 in NV12 have objects of 48 to 256 pixels a side, each at another place in each frame. Times are
processor time of one thread, so that other programs on the machine matter less, from the arrival of a frame at the
element's sink pad to its departure: finding the objects, scaling, network, reading and attaching the results. Both are
measured alternately in short rounds; the output is the median over rounds of each time and of their ratio.

Requires python3-gi, gir1.2-gstreamer-1.0 and gir1.2-gst-plugins-base-1.0, and the plugin in --build, by default build.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
WIDTH, HEIGHT = 1920, 1080

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstApp", "1.0")
    gi.require_version("GstVideo", "1.0")
    from gi.repository import Gst, GstApp, GstVideo  # noqa: F401
except (ImportError, ValueError) as error:
    sys.exit(f"error: {error}: install python3-gi, gir1.2-gstreamer-1.0 and gir1.2-gst-plugins-base-1.0")

from stopwatch import Stopwatch


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default=os.path.join(ROOT, "models", "dicenet-classify.safetensors"))
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--objects", default="1,10,50", help="numbers of objects on a frame; 1,10,50 by default")
    parser.add_argument("--size", help="inference size of each object; the model's by default")
    parser.add_argument("--frames", type=int, default=5, help="per round; 5 by default")
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


def add_objects(frame, count, rng):
    for _ in range(count):
        width, height = rng.randint(48, 256), rng.randint(48, 256)
        x, y = rng.randint(0, WIDTH - width), rng.randint(0, HEIGHT - height)
        GstVideo.buffer_add_video_region_of_interest_meta(frame, "object", x, y, width, height)


def run_element(element, model, size, picture, frames, rng):
    """Median milliseconds per object. @frames: for each frame, its number of objects. The first two are warm-up."""
    caps = f"video/x-raw,format=NV12,width={WIDTH},height={HEIGHT},framerate=25/1"
    pipeline = Gst.parse_launch(
        f"appsrc name=source format=time caps={caps} ! {element} name=net model={model} threads=1 inference-size={size} "
        f"inference-region=objects max-objects=1000 ! fakesink sync=false"
    )
    source, stopwatch = pipeline.get_by_name("source"), Stopwatch(pipeline.get_by_name("net"), time.thread_time_ns)
    pipeline.set_state(Gst.State.PLAYING)
    for i, count in enumerate(frames):
        frame = Gst.Buffer.new_wrapped(picture)
        frame.pts = i * Gst.SECOND // 25
        add_objects(frame, count, rng)
        source.emit("push-buffer", frame)
    source.emit("end-of-stream")
    message = pipeline.get_bus().timed_pop_filtered(300 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if message is None or message.type == Gst.MessageType.ERROR:
        sys.exit(f"error: {message.parse_error()[0].message if message else 'the pipeline did not end in 5 minutes'}")
    return statistics.median(t / n for t, n in list(zip(stopwatch.milliseconds, frames))[2:])


def run_bench(program, model, size):
    command = [program, "bench", model, "--precision", "auto", "--size", size, "--threads", "1", "--seconds", "0.5", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {done.stderr.strip()}")
    return json.loads(done.stdout)["cpu_ms"]


def main():
    options = parse_arguments()
    program = os.path.join(options.build, "dicenet-core", "tools", "dicenet")
    if not os.path.exists(program):
        sys.exit(f"error: there is no {program}: build it, or say where with --build")
    os.environ["GST_PLUGIN_PATH"] = os.path.join(options.build, "gst")
    Gst.init(None)
    info = json.loads(subprocess.run([program, "info", options.model, "--json"], capture_output=True, check=True).stdout)
    size = options.size or f"{info['trained_size']['width']}x{info['trained_size']['height']}"
    element = "dicenet" + info["task"]
    rng = random.Random(1)
    picture = rng.randbytes(WIDTH * HEIGHT * 3 // 2)
    print(f"{element} on objects, {size}, 1 thread, milliseconds of processor time")
    print(f"{'objects':>7} {'per object':>11} {'network':>8} {'ratio':>6}")
    for count in map(int, options.objects.split(",")):
        rounds = []
        frames = [count] * (options.frames + 2)
        for _ in range(options.rounds):
            ours = run_element(element, options.model, size, picture, frames, rng)
            rounds.append((ours, run_bench(program, options.model, size)))
        ours, bench = (statistics.median(column) for column in zip(*rounds))
        print(f"{count:7} {ours:11.2f} {bench:8.2f} {statistics.median(a / b for a, b in rounds):6.2f}")


if __name__ == "__main__":
    main()
