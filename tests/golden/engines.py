# SPDX-License-Identifier: LGPL-2.1-or-later
"""Engines that run a model in these tests: the command-line program, or the numpy reference."""

import json
import os
import subprocess
import sys
import tempfile

SKIPPED = 77
OPTIONS = {"threshold": "--threshold", "iou_threshold": "--iou", "max_per_class": "--max-per-class"}

try:
    import numpy as np
except ImportError:
    print("SKIP: numpy is missing: install python3-numpy")
    sys.exit(SKIPPED)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))

import reference  # noqa: E402
import tensorfile  # noqa: E402


class Program:
    """`dicenet run`, through files. DICENET_TEST_BACKEND selects another backend than the CPU."""

    def __init__(self, path, precision="float32"):
        self.path = path
        self.precision = precision

    def call(self, *arguments):
        done = subprocess.run([self.path, *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"dicenet {' '.join(arguments)}\nexited {done.returncode}\n{done.stdout}{done.stderr}")
        if "computing in float32" in done.stderr:
            print(f"SKIP: {done.stderr.strip()}")
            sys.exit(SKIPPED)
        return done.stdout

    def run(self, model, inputs, suppression=None):
        """Outputs by name; with `suppression` (arguments of reference.detections()) also the boxes of the first
        picture."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = os.path.join(folder, "in.safetensors"), os.path.join(folder, "out.safetensors")
            tensorfile.write(source, inputs)
            options = [text for key, value in (suppression or {}).items() for text in (OPTIONS[key], str(value))]
            backend = os.environ.get("DICENET_TEST_BACKEND", "cpu")
            self.call("run", model, source, target, "--backend", backend, "--precision", self.precision, *options)
            return tensorfile.read(target)[0]

    def info(self, model, width, height, *options):
        return json.loads(self.call("info", model, "--size", f"{width}x{height}", "--json", *options))


class Reference:
    """reference.py, with the same outputs."""

    precision = "float64"

    def run(self, model, inputs, suppression=None):
        tensors, metadata = tensorfile.read(model)
        x = inputs["input"] if "input" in inputs else reference.normalise(inputs["pixels"], metadata)
        outputs = reference.run(tensors, metadata, x)
        if suppression:
            raw = (outputs["confidences"][0], outputs["locations"][0], outputs["priors"])
            found = reference.detections(*raw, **suppression, head=metadata.get("head", "ssd"))
            outputs.update(zip(("boxes", "box_labels", "box_scores"), found))
        return outputs


def engine(path, precision="float32"):
    """The program at `path`; the reference for "numpy"."""
    return Reference() if path == "numpy" else Program(path, precision)
