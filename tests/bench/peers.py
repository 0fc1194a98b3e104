#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares this engine with others on the same networks, and its networks with others' in the engine that is best at
them.

    peers.py [--build DIR] [--engines NAME,...] [--networks TEXT,...] [--onnx FILE]... [--threads N] [--rounds N]

Each network is measured in every engine and precision in turn, in short rounds; a cell is the median of the rounds in
milliseconds and, in parentheses, the median over rounds of its ratio to this engine in float32. Benchmark networks have
random weights; the models in models/ are measured, too, and two networks of torchvision, and those of --onnx. Whether
an engine computes the same in float32 is checked. Engines that are not installed are left out, and what one cannot run
says so.

Requires numpy, onnx, PyTorch and torchvision to export networks, and the engines, in a virtual environment of 7 GB:

    python3 -m venv venv
    venv/bin/pip install torch torchvision onnx onnxruntime openvino nncf ncnn pnnx litert-torch
"""

import argparse
import glob
import importlib.util
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import networks
import numpy as np
from engines import ENGINES, close, made_since, random_input, shape_of, with_training

ROOT = os.path.join(networks.TESTS, "..")
TRAINING = os.path.join(ROOT, "models", "training")
OTHERS = {"MobileNetV2 1.0 @224": "mobilenet_v2", "ShuffleNetV2 1.0x @224": "shufflenet_v2_x1_0"}
OURS, FIRST = "dicenet", "float32"
PRECISIONS = (FIRST, "bfloat16", "int8")
# Random networks amplify rounding errors; the outputs of a different network would differ by about their maximum.
SAME = 2e-2
TORCHVISION = """
import sys, torch, torchvision, export_onnx
torch.manual_seed(1)  # as for other formats
export_onnx.export(getattr(torchvision.models, sys.argv[1])(), sys.argv[2], 224, 224)
"""


# In an engine's own process: they bring thread pools of their own, and one that crashes takes nothing else with it.

loaded = {}


def clock_of(cpu_time):
    return time.process_time if cpu_time else time.perf_counter


def net_of(engine, path, source, precision, threads, cpu_time):
    key = path, precision
    if key not in loaded:
        loaded[key] = net = ENGINES[engine](path, source, precision, threads, clock_of(cpu_time))
        net.first = net.output(random_input(path))
    return loaded[key]


def output(*given):
    return net_of(*given).first


def measure(seconds, *given):
    """Median milliseconds of a run."""
    net, clock, times, begin = net_of(*given), clock_of(given[-1]), [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - begin < seconds:
        start = clock()
        net.run()
        times.append(1e3 * (clock() - start))
    return statistics.median(times)


# In the main process


class Peer:
    """An engine in a process of its own."""

    def __init__(self, name, options):
        self.name, self.options = name, options
        self.engine = ENGINES[name]
        self.version = self.engine.version()
        self.start()

    def start(self):
        self.pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

    def call(self, function, *arguments):
        """What the function returns; RuntimeError if it, or its process, failed."""
        options = self.options
        try:
            return self.pool.submit(function, *arguments, options.threads, options.cpu_time).result()
        except BrokenProcessPool:
            self.start()
            raise RuntimeError("it crashed") from None
        except Exception as error:  # each engine has its own
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise RuntimeError(lines[-1]) from None


class Own:
    """This engine: a process for each measurement."""

    def __init__(self, options):
        self.program = networks.program_of(options.build, options.cpu_time)
        self.options = options

    def measure(self, model, precision):
        return self.program.milliseconds(model, self.options.threads, self.options.seconds, "--precision", precision)


class Network:
    """A network, and what was measured: for each engine and precision a time per round, or why there is none."""

    def __init__(self, name, onnx, model=None, source=None):
        self.name, self.onnx, self.model, self.source = name, onnx, model, source
        self.times, self.failures = {}, {}

    def prepare(self, peers, own):
        expected = own.program.output(self.model, random_input(self.onnx)) if self.model else None
        for peer in peers.values():
            for precision in peer.engine.precisions:
                found = self.try_call(peer, precision, output)
                if found is None:
                    continue
                expected = found if expected is None else expected
                if not np.isfinite(found).all() or precision == FIRST and not close(found, expected, SAME):
                    self.failures[peer.name, precision] = "computes something else"
                else:
                    self.times[peer.name, precision] = []
        if self.model:
            self.times.update({(OURS, precision): [] for precision in PRECISIONS})

    def try_call(self, peer, precision, function, *arguments):
        """None if the engine cannot."""
        try:
            return peer.call(function, *arguments, peer.name, self.onnx, self.source, precision)
        except RuntimeError as error:
            self.failures[peer.name, precision] = str(error)
            return None

    def round(self, peers, own):
        for (name, precision), times in self.times.items():
            if name == OURS:
                times.append(own.measure(self.model, precision))
            elif (name, precision) not in self.failures:
                times.append(self.try_call(peers[name], precision, measure, own.options.seconds))

    def best(self):
        """Engine, precision and milliseconds."""
        measured = self.times.keys() - self.failures.keys()
        found = {key: statistics.median(self.times[key]) for key in measured}
        key = min(found, key=found.get)
        return *key, found[key]

    def cell(self, key):
        if key in self.failures:
            return "fails"
        if key not in self.times:
            return ""
        times, ours = self.times[key], self.times.get((OURS, FIRST))
        text = networks.number(statistics.median(times))
        if ours and key != (OURS, FIRST):
            text += f" ({statistics.median(t / o for t, o in zip(times, ours)):.2f})"
        return text


def export(path, model, script, *arguments):
    """Exports a network, unless it is there and no older than the model."""
    if not importlib.util.find_spec("onnx"):
        sys.exit(f"error: {sys.executable} has no onnx: --help says what is needed")
    if not made_since(path, model):
        command = [sys.executable, *script, *arguments]
        done = subprocess.run(command, env=with_training(), capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"error: {path} can't be made: {(done.stderr.strip().splitlines() or ['it failed'])[-1]}")


def find_networks(options, own):
    """All networks whose name --networks has, exported."""
    sized = {name: (networks.make_model, settings["size"]) for name, settings in networks.NETWORKS.items()}
    for path in sorted(glob.glob(os.path.join(ROOT, "models", "*.safetensors"))):
        name = os.path.basename(path).removesuffix(".safetensors")
        size = json.loads(own.program.call("info", path, "--json"))["size"]
        size = size["width"], size["height"]
        sized[f"{name} @{size[0]}x{size[1]}"] = (lambda *_, path=path: path, size)
    found = []
    for name, (make, size) in sized.items():
        if wanted(name, options):
            model, onnx = make(options.models, name), networks.file_name(options.models, name, ".onnx")
            script = os.path.join(TRAINING, "export_onnx.py")
            export(onnx, model, [script], model, onnx, "--force", "--size", f"{size[0]}x{size[1]}")
            found.append(Network(name, onnx, model, model))
    for name, function in OTHERS.items():
        if wanted(name, options):
            onnx = networks.file_name(options.models, name, ".onnx")
            export(onnx, None, ["-c", TORCHVISION], function, onnx)
            found.append(Network(name, onnx, source=function))
    for path in options.onnx:
        *_, height, width = shape_of(path)
        copy = os.path.join(options.models, os.path.basename(path))  # what engines make of it is kept beside it
        if not made_since(copy, path):
            shutil.copy(path, copy)
        found.append(Network(f"{os.path.basename(path).removesuffix('.onnx')} @{width}x{height}", copy))
    return found or sys.exit(f"error: --networks {options.networks}: no network has this in its name")


def wanted(name, options):
    return any(part.lower() in name.lower() for part in options.networks.split(","))


def available(options):
    peers = {}
    for name in options.engines:
        try:
            peers[name] = Peer(name, options)
        except ImportError as error:
            print(f"Without {name}: {error}", file=sys.stderr)
    return peers


def print_results(found, peers):
    keys = [(OURS, precision) for precision in PRECISIONS]
    keys += [(peer.name, precision) for peer in peers.values() for precision in peer.engine.precisions]
    titles = {OURS: OURS, **{name: f"{peer.engine.name} {peer.version}" for name, peer in peers.items()}}
    head = ["network", *(f"{titles[name]} {precision}" for name, precision in keys)]
    networks.print_table(head, [[net.name, *map(net.cell, keys)] for net in found])
    print("\nIn the best engine:\n")
    rows = []
    for net in sorted(found, key=lambda net: net.best()[2]):
        name, precision, time = net.best()
        rows.append([net.name, networks.number(time), titles[name], precision])
    networks.print_table(["network", "ms", "engine", "precision"], rows)
    for net in found:
        for (name, precision), why in net.failures.items():
            print(f"{net.name}: {titles[name]}, {precision}: {why}")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog=__doc__.split("\n\n", 2)[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--build", default=os.path.join(ROOT, "build"), help="where the project was built (build)")
    add("--engines", type=parse_engines, default=list(ENGINES), metavar="NAME,...", help=f"({','.join(ENGINES)})")
    add("--networks", default="", metavar="TEXT,...", help="those with one of these in their names (all)")
    add("--onnx", action="append", default=[], metavar="FILE", help="another network, for engines other than this")
    add("--threads", type=int, default=1, help="(1)")
    add("--seconds", type=float, default=0.3, help="per network and round (0.3)")
    add("--rounds", type=int, default=5, help="(5)")
    add("--models", default=networks.DEFAULT_MODELS, metavar="DIR", help="for models (~/.cache/dicenet-bench)")
    add("--cpu-time", action="store_true", help="processor time, for a busy machine; with --threads 1")
    add("--json", metavar="FILE", help="write the times of all rounds there, too")
    options = parser.parse_args()
    if options.cpu_time and options.threads != 1:
        parser.error("--cpu-time adds up all threads': use it with --threads 1")
    if options.rounds < 1 or options.threads < 1 or not 0 < options.seconds <= 60:
        parser.error("expected --rounds and --threads of at least 1, and --seconds up to 60")
    for path in options.onnx:
        if not os.path.isfile(path):
            parser.error(f"--onnx {path}: no such file")
    return options


def parse_engines(text):
    names = text.split(",")
    for name in names:
        if name not in ENGINES:
            raise argparse.ArgumentTypeError(f"{name!r}: expected {', '.join(ENGINES)}")
    return names


def main():
    options = parse_arguments()
    own, peers = Own(options), available(options)
    os.makedirs(options.models, exist_ok=True)
    found = find_networks(options, own)
    for net in found:
        print(f"{net.name} ...", file=sys.stderr)
        net.prepare(peers, own)
    for i in range(options.rounds):
        print(f"round {i + 1} of {options.rounds} ...", file=sys.stderr)
        for net in found:
            net.round(peers, own)
    print_results(found, peers)
    if options.json:
        times = {
            net.name: {" ".join(key): ms for key, ms in net.times.items() if key not in net.failures} for net in found
        }
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(times, file, indent=1)


if __name__ == "__main__":
    main()
