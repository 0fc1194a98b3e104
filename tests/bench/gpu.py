#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures networks on a GPU: ours, the same ones in PyTorch's fastest mode, and torchvision's (the paper's Table V).

    gpu.py [--build DIR] [--batches 1,32,64] [--networks TEXT,...] [--seconds S] [--rounds N] [--modes eager,graph,compile]

Times are for the device only, without copies to and from it, as medians in milliseconds; ours and PyTorch's are
measured alternately. PyTorch runs in eager mode, as a CUDA graph, and compiled (max-autotune), in single and half
precision; the fastest counts. Requires PyTorch with CUDA, torchvision for its networks, and `dicenet` built with
-Dcuda=enabled.
"""

import argparse
import json
import os
import statistics
import sys

try:
    import torch
except ImportError:
    sys.exit("error: PyTorch is missing: pip install torch torchvision, or run with a Python that has it")

import networks as cpu

sys.path.append(os.path.join(cpu.TESTS, "..", "models", "training"))

NETWORKS = ("classify 2.4 @224", "ssd300 2.4 VOC, pyramid", "segment 1.75 @384 VOC")
OTHERS = ("mobilenet_v2", "mobilenet_v3_large", "shufflenet_v2_x2_0")
PRECISIONS = {"float32": torch.float32, "float16": torch.float16}
DEVICE = "cuda"


def of_device(function, seconds):
    """Median milliseconds between two events around a call."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    times, spent = [], 0.0
    while len(times) < 10 or spent < seconds:
        begin.record()
        function()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
        spent += times[-1] / 1000
    return statistics.median(times)


def graphed(net, x):
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            net(x)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        net(x)
    return graph.replay


def compiled(net, x):
    fast = torch.compile(net, mode="max-autotune")
    for _ in range(3):
        fast(x)
    return lambda: fast(x)


MODES = {"eager": lambda net, x: lambda: net(x), "graph": graphed, "compile": compiled}


class PyTorch:
    """A network in all modes that can run it."""

    def __init__(self, net, size, batch, precision, modes):
        dtype = PRECISIONS[precision]
        net = net.to(DEVICE, dtype).eval()
        x = torch.empty(batch, 3, size[1], size[0], device=DEVICE, dtype=dtype).uniform_(-2, 2)
        self.calls = {}
        for mode in modes:
            try:
                call = MODES[mode](net, x)
                for _ in range(3):
                    call()
                torch.cuda.synchronize()
                self.calls[mode] = call
            except Exception as error:  # report and skip modes that can't run this network
                print(f"  PyTorch, {mode}: {str(error).splitlines()[0]}", file=sys.stderr)

    def measure(self, seconds):
        """Milliseconds of the fastest mode, and its name."""
        return min((of_device(call, seconds), mode) for mode, call in self.calls.items())


def ours(program, model, batch, precision, seconds):
    text = program.call(
        "bench", model, "--backend", "cuda", "--batch", batch, "--precision", precision, "--seconds", seconds, "--json"
    )
    found = json.loads(text)
    return found["device_ms"], found["median_ms"]


def rows(options, program):
    for name in NETWORKS + OTHERS:
        if not any(part in name for part in options.networks.split(",")):
            continue
        for batch in options.batches:
            for precision in PRECISIONS:
                yield measure(options, program, name, batch, precision)


def measure(options, program, name, batch, precision):
    print(f"{name}, batch {batch}, {precision} ...", file=sys.stderr)
    model = cpu.make_model(options.models, name) if name in NETWORKS else None
    size = cpu.NETWORKS[name]["size"] if model else (224, 224)
    with torch.no_grad():
        theirs = PyTorch(network(name, model), size, batch, precision, options.modes)
        found, own = [], []
        for _ in range(options.rounds):
            found.append(theirs.measure(options.seconds))
            if model:
                own.append(ours(program, model, batch, precision, options.seconds))
    row = {"network": name, "batch": batch, "precision": precision}
    row["pytorch_ms"], row["mode"] = statistics.median([ms for ms, _ in found]), min(found)[1]
    if own:
        row["ours_ms"] = statistics.median(ms for ms, _ in own)
        row["with_copies_ms"] = statistics.median(ms for _, ms in own)
        row["ratio"] = statistics.median(a / b for (a, _), (b, _) in zip(found, own))
    return row


def network(name, model):
    if model:
        import dicenet

        return dicenet.load(model)
    import torchvision

    return getattr(torchvision.models, name)()


def show(found):
    columns = ("network", "batch", "precision", "pytorch_ms", "mode", "ours_ms", "with_copies_ms", "ratio")
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for row in found:
        cells = (row.get(c, "") for c in columns)
        print("| " + " | ".join(f"{c:.3g}" if isinstance(c, float) else str(c) for c in cells) + " |")


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--build", default="build", metavar="DIR")
    add("--models", default=os.path.join("build", "tests", "bench"), metavar="DIR", help="where random models are kept")
    add("--batches", type=lambda t: [int(n) for n in t.split(",")], default=[1, 32, 64], metavar="N,...")
    add("--networks", default="", metavar="TEXT,...", help="those with one of these in their names")
    add("--modes", type=lambda t: t.split(","), default=list(MODES), metavar="MODE,...", help=", ".join(MODES))
    add("--seconds", type=float, default=0.5, help="of each measurement")
    add("--rounds", type=int, default=3)
    add("--json", metavar="FILE")
    options = parser.parse_args(argv)
    if unknown := set(options.modes) - set(MODES):
        parser.error(f"--modes: expected some of {', '.join(MODES)}, found {', '.join(unknown)}")
    return options


def main(argv=None):
    options = parse(argv)
    if not torch.cuda.is_available():
        sys.exit("error: PyTorch finds no GPU here")
    os.makedirs(options.models, exist_ok=True)
    torch.backends.cudnn.benchmark = True
    program = cpu.Program(os.path.join(options.build, "dicenet-core", "tools", "dicenet"), False)
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}\n", flush=True)
    found = []
    for row in rows(options, program):
        found.append(row)
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(found, file, indent=1)
    show(found)


if __name__ == "__main__":
    main()
