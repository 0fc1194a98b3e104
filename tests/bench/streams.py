#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures elements that run at once in one process, each on a stream of its own.

    streams.py [--streams 1,2,4,8,16] [--threads N] [--rounds N] [--seconds S] [--element E] [--model M] [--json] ...

A stream is one picture of videotestsrc that imagefreeze repeats as fast as the element takes it, so that hardly anything
else needs the processors. Each number of streams gets its turn in every round, in a process of its own. Columns, all of
them medians over the rounds:

    frames/s    of all streams, and by those of the best row
    slowest     the slowest and the fastest stream's frames per second, by those of the average stream
    CPU ms      processor time per frame
    resident    memory of the process in megabytes
    further     memory of each further stream, compared with one stream

Requires python3-gi, gir1.2-gstreamer-1.0, GStreamer's base and good plugins, and the plugin in --build, by default build.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MAX_STREAMS = 256
PATIENCE = 60  # seconds until each stream must have had its first frame

try:
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import GLib, Gst
except (ImportError, ValueError) as error:
    sys.exit(f"error: {error}: install python3-gi and gir1.2-gstreamer-1.0")

from plugin import use_build
from turns import quoted


def numbers_of_streams(text):
    numbers = [int(word) if word.isascii() and word.isdigit() else 0 for word in text.split(",")]
    if not all(1 <= number <= MAX_STREAMS for number in numbers):
        raise argparse.ArgumentTypeError(f'expected numbers from 1 to {MAX_STREAMS}, 1,2,4 say, found "{text}"')
    return numbers


def size_of_frames(text):
    width, _, height = text.partition("x")
    if not all(side.isascii() and side.isdigit() and 1 <= int(side) <= 8192 for side in (width, height)):
        raise argparse.ArgumentTypeError(f'expected WxH up to 8192x8192, found "{text}"')
    return int(width), int(height)


def setting(text):
    if "=" not in text:
        raise argparse.ArgumentTypeError(f'expected PROPERTY=VALUE, found "{text}"')
    return text


def bounded(kind, least, most):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise argparse.ArgumentTypeError(f'expected a number from {least} to {most}, found "{text}"')
        return value

    return parse


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--build", default=os.path.join(ROOT, "build"))
    add("--element", default="dicenetclassify")
    add("--model", default=os.path.join(ROOT, "models", "dicenet-classify.safetensors"))
    add("--set", type=setting, action="append", default=[], metavar="PROPERTY=VALUE", help="of the elements")
    add("--streams", type=numbers_of_streams, default="1,2,4,8,16", metavar="N,N...", help="1,2,4,8,16 by default")
    add("--threads", type=bounded(int, 0, 1024), metavar="N",
        help="of each element; by default its share of the processors, at least 1")  # fmt: skip
    add("--rounds", type=bounded(int, 1, 1000), default=5, help="5 by default")
    add("--seconds", type=bounded(float, 0, 3600), default=2, metavar="S", help="of each turn, 2 by default")
    add("--size", type=size_of_frames, default="1280x720", metavar="WxH", help="of the frames, 1280x720 by default")
    add("--json", action="store_true", help="print JSON")
    add("--turn", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


# --- a turn, in a process of its own ---


def build_pipeline(arguments, streams):
    threads = arguments.threads
    if threads is None:
        threads = max(1, len(os.sched_getaffinity(0)) // streams)
    settings = [f"model={arguments.model}", f"threads={threads}", *arguments.set]
    words = " ".join(f"{name}={quoted(value)}" for name, _, value in (item.partition("=") for item in settings))
    width, height = arguments.size
    source = f"videotestsrc num-buffers=1 ! video/x-raw,format=NV12,width={width},height={height},framerate=30/1"
    try:
        pipeline = Gst.parse_launch(
            "".join(
                f"{source} ! imagefreeze ! {arguments.element} name=net{i} {words} ! fakesink sync=false async=false "
                for i in range(streams)
            )
        )
    except GLib.Error as error:
        sys.exit(f"error: {error.message}")
    networks = [pipeline.get_by_name(f"net{i}") for i in range(streams)]
    if networks[0].find_property("stats") is None:
        sys.exit(f"error: {arguments.element} does not count inferences: expected an element like dicenetclassify")
    return pipeline, networks


def inferred(networks):
    return [network.get_property("stats").get_value("inferred") for network in networks]


def check(pipeline):
    message = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    if message:
        sys.exit(f"error: {message.parse_error()[0].message}")


def wait_for_all(pipeline, networks):
    """Until each stream has had its first frame."""
    end = time.monotonic() + PATIENCE
    while min(inferred(networks)) == 0:
        check(pipeline)
        if time.monotonic() > end:
            sys.exit(f"error: a stream had no frame in {PATIENCE} seconds")
        time.sleep(0.02)


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def measure(pipeline, networks, seconds):
    if pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
        check(pipeline)
        sys.exit("error: the pipeline does not start")
    wait_for_all(pipeline, networks)
    before, begin, cpu = inferred(networks), time.monotonic(), time.process_time()
    time.sleep(seconds)
    while min(now - then for now, then in zip(inferred(networks), before)) == 0:  # on a busy machine
        check(pipeline)
        time.sleep(0.02)
    after, end = inferred(networks), time.monotonic()
    cpu, memory = time.process_time() - cpu, resident_bytes()
    check(pipeline)
    frames = [now - then for now, then in zip(after, before)]
    return {
        "threads": networks[0].get_property("threads"),
        "frames_per_second": sum(frames) / (end - begin),
        "slowest": min(frames) * len(frames) / sum(frames),
        "fastest": max(frames) * len(frames) / sum(frames),
        "cpu_ms": 1e3 * cpu / sum(frames),
        "resident_bytes": memory,
    }


def take_turn(arguments, streams):
    """Runs the streams in this process."""
    Gst.init(None)
    pipeline, networks = build_pipeline(arguments, streams)
    try:
        return measure(pipeline, networks, arguments.seconds)
    finally:
        pipeline.set_state(Gst.State.NULL)


# --- all turns ---


def start_turn(arguments, streams):
    command = [sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--turn", "--streams", str(streams)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr.strip() or f"error: {streams} streams ended with status {done.returncode}")
    return json.loads(done.stdout)


def add_up(turns):
    """The rows: medians over the rounds of each number of streams."""
    rows = [
        {"streams": streams, **{name: statistics.median(turn[name] for turn in measured) for name in measured[0]}}
        for streams, measured in turns.items()
    ]
    best = max(row["frames_per_second"] for row in rows)
    one = next((row["resident_bytes"] for row in rows if row["streams"] == 1), None)
    for row in rows:
        further = row["streams"] - 1
        row["of_best"] = row["frames_per_second"] / best
        row["further_bytes"] = (row["resident_bytes"] - one) / further if further and one is not None else None
    return rows


def print_table(rows):
    print("| streams | threads | frames/s | of best | slowest; fastest | CPU ms | resident, MB | further, MB |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        further = "-" if row["further_bytes"] is None else f"{row['further_bytes'] / 1e6:.1f}"
        print(
            f"| {row['streams']} | {row['threads']:.0f} | {row['frames_per_second']:.1f} | {100 * row['of_best']:.1f} % "
            f"| {100 * row['slowest']:.1f} %; {100 * row['fastest']:.1f} % | {row['cpu_ms']:.2f} "
            f"| {row['resident_bytes'] / 1e6:.1f} | {further} |"
        )


def main():
    arguments = parse_arguments()
    use_build(arguments.build)
    if arguments.turn:
        print(json.dumps(take_turn(arguments, arguments.streams[0])))
        return
    turns = {streams: [] for streams in arguments.streams}
    for _ in range(arguments.rounds):
        for streams, measured in turns.items():
            measured.append(start_turn(arguments, streams))
    rows = add_up(turns)
    if arguments.json:
        print(json.dumps({"element": arguments.element, "rows": rows}, indent=2))
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
