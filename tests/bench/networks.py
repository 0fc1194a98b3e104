#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures the networks of docs/performance.md, and how near they are to what the processor can do.

    networks.py [--build DIR] [--threads 1,2] [--networks TEXT,...] [--seconds S] [--rounds N] [--cpu-time] ...

All are measured in turn in short rounds, because the speed of machines varies; the output is the median over rounds.
Models are created if they are missing; their weights are random. Needs numpy. peers.py compares with other engines.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

try:
    import numpy  # noqa: F401
except ImportError:
    sys.exit("error: numpy is missing: install python3-numpy (apt) or numpy (pip), or use a Python that has it")

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.append(os.path.join(TESTS, "reference"))
import costs  # noqa: E402
import random_model  # noqa: E402
import tensorfile  # noqa: E402

NETWORKS = {
    "classify 0.2 @224": dict(task="classify", scale=0.2, classes=1000, size=(224, 224)),
    "classify 1.0 @224": dict(task="classify", scale=1.0, classes=1000, size=(224, 224)),
    "classify 2.4 @224": dict(task="classify", scale=2.4, classes=1000, size=(224, 224)),
    "ssd300 2.4 VOC, pyramid": dict(task="detect", scale=2.4, classes=21, size=(300, 300), pyramid=True),
    "segment 1.0 @256 VOC": dict(task="segment", scale=1.0, classes=21, size=(256, 256)),
    "segment 1.75 @384 VOC": dict(task="segment", scale=1.75, classes=21, size=(384, 384)),
    "segment 1.0 @1024x512 city": dict(task="segment", scale=1.0, classes=20, size=(1024, 512)),
}
DEFAULT_MODELS = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "dicenet-bench")


class Program:
    def __init__(self, path, cpu_time):
        self.path, self.figure = path, "cpu_ms" if cpu_time else "median_ms"

    def call(self, *arguments):
        try:
            done = subprocess.run([self.path, *map(str, arguments)], capture_output=True, text=True)
        except OSError as error:
            sys.exit(f"error: {self.path}: cannot be run: {error.strerror}; build it, or say where with --build")
        if done.returncode:
            sys.exit(f"error: {self.path} {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def milliseconds(self, model, threads, seconds, *more):
        text = self.call("bench", model, "--threads", threads, "--seconds", seconds, *more, "--json")
        return json.loads(text)[self.figure]

    def multiply_adds(self, model):
        return json.loads(self.call("info", model, "--json"))["multiply_adds"]["total"]

    def output(self, model, x):
        with tempfile.TemporaryDirectory() as folder:
            source, target = os.path.join(folder, "in.safetensors"), os.path.join(folder, "out.safetensors")
            tensorfile.write(source, {"input": x})
            self.call("run", model, source, target)
            found = tensorfile.read(target)[0]
            return found["logits"] if "logits" in found else found["confidences"]


def program_of(build, cpu_time):
    return Program(os.path.join(build, "dicenet-core", "tools", "dicenet"), cpu_time)


class Row:
    """A network with a number of threads."""

    def __init__(self, name, model, multiply_adds, threads):
        self.name, self.threads, self.model, self.multiply_adds = name, threads, model, multiply_adds
        self.times = []

    def measure(self, program, seconds):
        self.times.append(program.milliseconds(self.model, self.threads, seconds))

    def result(self, least):
        return {
            "network": self.name,
            "threads": self.threads,
            "multiply_adds": self.multiply_adds,
            "ms": typical(self.times, least),
        }


def typical(times, least):
    """The median, or the minimum: the CPU time that other programs add by using the caches is never negative."""
    return (min if least else statistics.median)(times)


def prepare(options, program):
    """The rows, with their models created."""
    os.makedirs(options.models, exist_ok=True)
    names = [name for name in NETWORKS if any(part.lower() in name.lower() for part in options.networks.split(","))]
    if not names:
        sys.exit(f"error: --networks {options.networks}: expected part of one of {', '.join(NETWORKS)}")
    models = [make_model(options.models, name) for name in names]
    costs_of = [program.multiply_adds(model) for model in models]
    return [Row(*each, threads) for each in zip(names, models, costs_of) for threads in options.threads]


def file_name(folder, name, ending):
    return os.path.join(folder, re.sub(r"[^a-z0-9.]+", "-", name.lower()) + ending)


def make_model(folder, name):
    path = file_name(folder, name, ".safetensors")
    if not os.path.exists(path):
        tensorfile.write(path + ".part", *random_model.make(**NETWORKS[name]))
        os.replace(path + ".part", path)
    return path


def print_times(results):
    rows = [[r["network"], f"{r['multiply_adds'] / 1e6:.0f}", str(r["threads"]), number(r["ms"])] for r in results]
    print_table(["network", "M multiply-adds", "threads", "ms"], rows)


def read_roof(build):
    """Peak (GFLOP/s) of the widest instructions, and copy bandwidth (GB/s) by number of bytes; None without the
    program."""
    path = os.path.join(build, "tests", "kernels", "test-kernels")
    if not os.path.exists(path):
        return None
    lines = [line.split() for line in Program(path, False).call("--roof").splitlines()]
    peaks = [(float(line[2]), line[1]) for line in lines if line[0] == "roof"]
    return max(peaks), {int(line[1]): float(line[2]) for line in lines if line[0] == "copy"}


def floor(name, peak, copies):
    """Lower bounds in milliseconds for one thread: all multiply-adds at the peak, all bytes, and the sum over passes of
    the larger one."""
    options = dict(NETWORKS[name])
    width, height = options.pop("size")
    convs = costs.count(random_model.network_of(**options), width, height)
    arithmetic = memory = longer = 0.0
    parts = list(costs.passes(convs))
    if name.startswith("segment"):
        parts.append((0, 4 * options["classes"] * width * height))  # upscaling of the logits
    for macs, moved in parts:
        speed = next((s for size, s in sorted(copies.items()) if size >= moved), copies[max(copies)])
        times = 2e-6 * macs / peak, 1e-6 * moved / speed
        arithmetic, memory, longer = arithmetic + times[0], memory + times[1], longer + max(times)
    return arithmetic, memory, longer


def print_floors(results, roof):
    (peak, name), copies = roof
    at = {32768: "32 KiB", 2097152: "2 MiB", 134217728: "128 MiB"}
    speeds = ", ".join(f"{text} at {copies[size]:.0f} GB/s" for size, text in at.items())
    print(f"\nOne core multiplies and adds {peak:.0f} GFLOP/s ({name}), and copies {speeds}.\n")
    times = {r["network"]: r["ms"] for r in results if r["threads"] == 1}
    rows = []
    for network, time in times.items():
        arithmetic, memory, longer = floor(network, peak, copies)
        rows.append([network, *(f"{ms:.2f}" for ms in (arithmetic, memory, longer, time)), f"{longer / time:.0%}"])
    print_table(["network, 1 thread", "multiply-adds (ms)", "bytes (ms)", "floor (ms)", "ms", "reached"], rows)


def number(value):
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def print_table(head, rows):
    """Markdown with aligned columns."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")


def parse_threads(text):
    if not re.fullmatch(r"[1-9]\d{0,2}(,[1-9]\d{0,2})*", text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers like 1,2")
    return [int(part) for part in text.split(",")]


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog=__doc__.split("\n\n", 2)[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--build", default=os.path.join(TESTS, "..", "build"), help="where the project was built (build)"
    )
    parser.add_argument("--threads", type=parse_threads, default=[1, 2], metavar="N,...", help="(1,2)")
    parser.add_argument(
        "--networks", default="", metavar="TEXT,...", help="those with one of these in their names (all)"
    )
    parser.add_argument("--seconds", type=float, default=0.3, help="per network and round (0.3)")
    parser.add_argument("--rounds", type=int, default=5, help="(5)")
    parser.add_argument(
        "--models",
        default=DEFAULT_MODELS,
        metavar="DIR",
        help="for models (~/.cache/dicenet-bench)",
    )
    parser.add_argument(
        "--cpu-time", action="store_true", help="least processor time of all rounds, for --threads 1 on a busy machine"
    )
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    if options.cpu_time and options.threads != [1]:
        parser.error("--cpu-time adds up all threads': use it with --threads 1")
    if options.rounds < 1 or not 0 < options.seconds <= 60:
        parser.error("expected --rounds of at least 1, and --seconds up to 60")
    return options


def main():
    options = parse_arguments()
    program = program_of(options.build, options.cpu_time)
    rows = prepare(options, program)
    for i in range(options.rounds):
        print(f"round {i + 1} of {options.rounds} ...", file=sys.stderr)
        for row in rows:
            row.measure(program, options.seconds)
    results = [row.result(options.cpu_time) for row in rows]
    print_times(results)
    roof = read_roof(options.build) if 1 in options.threads else None
    if roof:
        print_floors(results, roof)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
