# SPDX-License-Identifier: LGPL-2.1-or-later
"""ONNX Runtime for comparison: networks exported from PyTorch, the fastest of several graphs, denormals flushed.

Importing this requires onnx and onnxruntime. Exporting requires PyTorch, and torchvision for its networks."""

import os
import subprocess
import sys
import time

import numpy as np
import onnx
import onnxruntime

import forms

TRAINING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models", "training")
VERSION = onnxruntime.__version__
TORCHVISION = """
import sys, torchvision, export_onnx
export_onnx.export(getattr(torchvision.models, sys.argv[1])(), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
"""
# The variants of a graph compute the same sums in another order.
TOLERANCE = 1e-4


def export(path, width, height, source):
    """Exports to `path` unless it exists; `source` is a model file, or the name of one of torchvision's networks. Runs
    in a separate process, because module names would collide. Raises RuntimeError on failure."""
    if os.path.exists(path):
        return
    if source.endswith(".safetensors"):
        command = [os.path.join(TRAINING, "export_onnx.py"), source, path, "--size", f"{width}x{height}"]
    else:
        command = ["-c", TORCHVISION, source, path, str(width), str(height)]
    environment = {**os.environ, "PYTHONPATH": TRAINING}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it failed"])[-1])


class Rival:
    """A network with a number of threads, in its fastest variant."""

    def __init__(self, path, threads, clock):
        self.clock = clock
        model = onnx.load(path)
        shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
        self.input = np.random.default_rng(1).uniform(-2, 2, shape).astype(np.float32)
        self.multiply_adds = multiply_adds(model, {"input": self.input})
        sessions = {name: session(graph, threads) for name, graph in forms.forms(model).items()}
        self.output = self.check(sessions)
        times = {name: [] for name in sessions}
        for _ in range(3 if len(sessions) > 1 else 0):
            for name, candidate in sessions.items():
                times[name].append(self.time(candidate, 0.1))
        self.form = min(sessions, key=lambda name: min(times[name], default=0))
        self.session = sessions[self.form]

    def check(self, sessions):
        """Checks the first output, which must be equal for all variants."""
        outputs = {name: s.run(None, {"input": self.input})[0] for name, s in sessions.items()}
        expected = outputs["as exported"]
        for name, found in outputs.items():
            error = np.abs(found - expected).max() / np.abs(expected).max()
            if not error <= TOLERANCE:
                raise AssertionError(f"{name}: differs by {error:.1e} of the largest output; at most {TOLERANCE}")
        return expected

    def time(self, candidate, seconds):
        """Median milliseconds of a run."""
        times, begin = [], time.perf_counter()
        while len(times) < 3 or time.perf_counter() - begin < seconds:
            start = self.clock()
            candidate.run(None, {"input": self.input})
            times.append(1e3 * (self.clock() - start))
        return float(np.median(times))

    def measure(self, seconds):
        return self.time(self.session, seconds)


def session(graph, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def multiply_adds(model, inputs):
    """Multiply-adds of convolutions and dense layers. Sizes are taken from a run, since the graph does not state all of
    them."""
    weights = {constant.name: constant.dims for constant in model.graph.initializer}
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=node.output[0]) for node in layers)
    outputs = session(watched, 1).run(None, inputs)
    return sum(int(np.prod(weights[node.input[1]])) * y[0, 0].size for node, y in zip(layers, outputs))
