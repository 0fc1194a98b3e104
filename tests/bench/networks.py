#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures the networks of docs/performance.md: ours, and the fastest variant in ONNX Runtime if it is installed.

    networks.py [--build DIR] [--threads 1,2] [--networks TEXT,...] [--seconds S] [--rounds N] [--own | --pytorch] ...

Both are measured alternately in short rounds, because the speed of machines varies; the output is the median over
rounds of each time and of their ratio. Models and ONNX files are created if they are missing; models are random.

Requires numpy; for comparisons also onnx, onnxruntime, PyTorch and torchvision, for example in a virtual environment:

    apt install python3-torch python3-torchvision
    /usr/bin/python3 -m venv --system-site-packages venv && venv/bin/pip install onnx onnxruntime 'numpy<2'
"""

import argparse
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
except ImportError:
    sys.exit("error: numpy is missing: install python3-numpy (apt) or numpy (pip), or use a Python that has it")

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.append(os.path.join(TESTS, "reference"))
import costs  # noqa: E402
import random_model  # noqa: E402
import safetensors  # noqa: E402

NETWORKS = {
    "classify 0.2 @224": dict(task="classify", scale=0.2, classes=1000, size=(224, 224)),
    "classify 1.0 @224": dict(task="classify", scale=1.0, classes=1000, size=(224, 224)),
    "classify 2.4 @224": dict(task="classify", scale=2.4, classes=1000, size=(224, 224)),
    "ssd300 2.4 VOC, pyramid": dict(task="detect", scale=2.4, classes=21, size=(300, 300), pyramid=True),
    "segment 1.0 @256 VOC": dict(task="segment", scale=1.0, classes=21, size=(256, 256)),
    "segment 1.75 @384 VOC": dict(task="segment", scale=1.75, classes=21, size=(384, 384)),
    "segment 1.0 @1024x512 city": dict(task="segment", scale=1.0, classes=20, size=(1024, 512)),
}
OTHERS = {"MobileNetV2 1.0 @224": "mobilenet_v2", "ShuffleNetV2 2.0x @224": "shufflenet_v2_x2_0"}
OURS, THEIRS = "classify 2.4 @224", "MobileNetV2 1.0 @224"
# Random networks amplify rounding errors; the outputs of a different network would differ by about their maximum.
SAME = 1e-2
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
            safetensors.write(source, {"input": x})
            self.call("run", model, source, target)
            found = safetensors.read(target)[0]
            return found["logits"] if "logits" in found else found["confidences"]


def program_of(build, cpu_time):
    return Program(os.path.join(build, "dicenet-core", "tools", "dicenet"), cpu_time)


class Row:
    """A network with a number of threads: ours, ONNX Runtime's, or both."""

    def __init__(self, name, threads):
        self.name, self.threads = name, threads
        self.model = self.rival = None
        self.ours, self.theirs = [], []
        self.pytorch = None

    def measure(self, program, seconds):
        if self.rival:
            self.theirs.append(self.rival.measure(seconds))
        if self.model:
            self.ours.append(program.milliseconds(self.model, self.threads, seconds))

    def result(self, least):
        return {
            "network": self.name,
            "threads": self.threads,
            "multiply_adds": self.multiply_adds,
            "onnxruntime_ms": typical(self.theirs, least),
            "onnxruntime_form": self.rival.form if self.rival else None,
            "pytorch_ms": self.pytorch,
            "ours_ms": typical(self.ours, least),
            "ratio": ratio(self.theirs, self.ours, least),
        }


def typical(times, least):
    """The median, or the minimum: the CPU time that other programs add by using the caches is never negative."""
    return (min if least else statistics.median)(times) if times else None


def ratio(over, under, least):
    if not over or not under:
        return None
    return min(over) / min(under) if least else statistics.median(a / b for a, b in zip(over, under))


def prepare(options, program, rival):
    """The rows, with their models created and the fastest variants found."""
    os.makedirs(options.models, exist_ok=True)
    names = [*NETWORKS, *(OTHERS if rival else ())]
    names = [name for name in names if any(part.lower() in name.lower() for part in options.networks.split(","))]
    if not names:
        sys.exit(f"error: --networks {options.networks}: expected part of one of {', '.join([*NETWORKS, *OTHERS])}")
    rows = []
    for name in names:
        model = make_model(options.models, name) if name in NETWORKS else None
        for threads in options.threads:
            print(f"{name}, {threads} thread{'s' * (threads > 1)} ...", file=sys.stderr)
            row = Row(name, threads)
            row.model = model
            if rival:
                row.rival = make_rival(rival, options, name, model, threads)
            if model:
                row.multiply_adds = program.multiply_adds(model)
                if rival:
                    check_same(name, program.output(model, row.rival.input), row.rival.output)
            else:
                row.multiply_adds = row.rival.multiply_adds
            rows.append(row)
    return rows


def file_name(folder, name, ending):
    return os.path.join(folder, re.sub(r"[^a-z0-9.]+", "-", name.lower()) + ending)


def make_model(folder, name):
    path = file_name(folder, name, ".safetensors")
    if not os.path.exists(path):
        safetensors.write(path + ".part", *random_model.make(**NETWORKS[name]))
        os.replace(path + ".part", path)
    return path


def make_rival(rival, options, name, model, threads):
    path = file_name(options.models, name, ".onnx")
    size = NETWORKS[name]["size"] if model else (224, 224)
    try:
        rival.export(path, *size, model or OTHERS[name])
    except RuntimeError as error:
        sys.exit(f"error: {path} can't be made: {error}\nIt is needed to compare; --own leaves ONNX Runtime out")
    return rival.Rival(path, threads, time.process_time if options.cpu_time else time.perf_counter)


def time_pytorch(row, seconds):
    """Once, not in rounds, because it takes seconds to start."""
    width, height = NETWORKS[row.name]["size"] if row.model else (224, 224)
    script = os.path.join(TESTS, "bench", "pytorch.py")
    arguments = (row.model or OTHERS[row.name], width, height, row.threads, seconds)
    return float(Program(sys.executable, False).call(script, *arguments))


def check_same(name, found, expected):
    error = np.abs(found - expected).max() / np.abs(expected).max()
    if found.shape != expected.shape or not error <= SAME:
        sys.exit(f"error: {name}: ONNX Runtime's output is another one, by {error:.1e} of the largest")


def print_times(results, rival):
    columns = {"network": lambda r: r["network"], "M multiply-adds": lambda r: f"{r['multiply_adds'] / 1e6:.0f}"}
    columns["threads"] = lambda r: str(r["threads"])
    if rival:
        columns[f"ONNX Runtime {rival.VERSION} (ms)"] = lambda r: number(r["onnxruntime_ms"])
        columns["its form"] = lambda r: r["onnxruntime_form"]
    if any(r["pytorch_ms"] for r in results):
        columns["PyTorch (ms)"] = lambda r: number(r["pytorch_ms"])
    columns["ours (ms)"] = lambda r: number(r["ours_ms"])
    if rival:
        columns["ratio"] = lambda r: number(r["ratio"])
    print_table(list(columns), [[column(r) for column in columns.values()] for r in results])


def print_mobile(rows, least):
    """Compares ours with another network of the same cost in ONNX Runtime."""
    found = {(row.name, row.threads): row for row in rows}
    for (name, threads), row in found.items():
        theirs = found.get((THEIRS, threads))
        if name == OURS and theirs:
            share = ratio(row.ours, theirs.theirs, least)
            print(f"{OURS}, ours, takes {share:.2f} of the time of {THEIRS} in ONNX Runtime ({threads} threads)")


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
    times = {r["network"]: r["ours_ms"] for r in results if r["threads"] == 1 and r["ours_ms"]}
    rows = []
    for network, ours in times.items():
        arithmetic, memory, longer = floor(network, peak, copies)
        rows.append([network, *(f"{ms:.2f}" for ms in (arithmetic, memory, longer, ours)), f"{longer / ours:.0%}"])
    print_table(["network, 1 thread", "multiply-adds (ms)", "bytes (ms)", "floor (ms)", "ours (ms)", "reached"], rows)


def number(value):
    return "" if value is None else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def print_table(head, rows):
    """Markdown with aligned columns."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")


def import_rival():
    missing = [name for name in ("onnx", "onnxruntime", "torch", "torchvision") if not importlib.util.find_spec(name)]
    if missing:
        print(f"Without ONNX Runtime, to compare with: {sys.executable} has no {', '.join(missing)}", file=sys.stderr)
        return None
    import rival

    return rival


def parse_threads(text):
    if not re.fullmatch(r"[1-9]\d{0,2}(,[1-9]\d{0,2})*", text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers like 1,2")
    return [int(part) for part in text.split(",")]


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog=__doc__.split("\n\n", 3)[3],
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
    parser.add_argument("--own", action="store_true", help="without ONNX Runtime")
    parser.add_argument("--pytorch", action="store_true", help="PyTorch as well, as it is or traced")
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
    rival = None if options.own else import_rival()
    rows = prepare(options, program, rival)
    for i in range(options.rounds):
        print(f"round {i + 1} of {options.rounds} ...", file=sys.stderr)
        for row in rows:
            row.measure(program, options.seconds)
    for row in rows if options.pytorch else ():
        row.pytorch = time_pytorch(row, options.seconds)
    results = [row.result(options.cpu_time) for row in rows]
    print_times(results, rival)
    if rival:
        print_mobile(rows, options.cpu_time)
    roof = read_roof(options.build) if 1 in options.threads else None
    if roof:
        print_floors(results, roof)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
