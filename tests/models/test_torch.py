#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks of models/training: against numpy and the program on random models of all kinds, against the golden outputs,
and as ONNX.

Skipped without PyTorch. The golden outputs are those of tests/golden/data, and of ../shared where that is. DICENET in the
environment is the program.
"""

import glob
import os
import subprocess
import sys
import unittest

import common
import numpy as np
from common import reference, tensorfile

try:
    import torch
except ImportError:
    print("skipped: PyTorch is missing (apt install python3-torch, or pip install torch)")
    sys.exit(common.SKIPPED)

sys.path.append(os.path.join(common.MODELS, "training"))
sys.path.append(os.path.join(common.TESTS, "golden"))
import dicenet  # noqa: E402
import material  # noqa: E402

import modelfile  # noqa: E402  of models/, as dicenet.py finds it
from errors import ModelError  # noqa: E402

RANDOM_MODEL = os.path.join(common.TESTS, "reference", "random_model.py")

# Double precision against double precision stored as single.
TOLERANCE = 1e-6
# The program uses single precision.
PROGRAM_TOLERANCE = 1e-4
GOLDEN = os.path.join(common.SHARED, "golden")

RANDOM_MODELS = {
    "classify": ("--classes", "7", "--kernel-size", "96x64"),
    "mobilenet": ("--classes", "7", "--kernel-size", "64x96", "--backbone", "mobilenet", "--scale", "0.3"),
    "resnet": ("--classes", "7", "--kernel-size", "64x96", "--backbone", "resnet", "--scale", "0.16"),
    "segment": ("--classes", "5", "--decoder-width", "32"),
    "pyramid": ("--classes", "3", "--pyramid"),
    "plain": ("--classes", "3"),
    "anchor-free": ("--classes", "6", "--head", "anchor-free", "--kernel-size", "96x64"),
}

TASKS = {name: name for name in ("classify", "segment")}
TASKS.update(mobilenet="classify", resnet="classify", pyramid="detect", plain="detect")
TASKS["anchor-free"] = "detect"


def run_program(folder, model, x):
    """The program's logits for a single-precision input."""
    source, target = os.path.join(folder, "in.safetensors"), os.path.join(folder, "out.safetensors")
    tensorfile.write(source, {"input": x})
    subprocess.run([os.environ["DICENET"], "run", model, source, target, "--force"], check=True)
    return tensorfile.read(target)[0]["logits"]


def random_model(path, task, *options):
    subprocess.run([sys.executable, RANDOM_MODEL, path, "--task", task, "--size", "64x64", *options], check=True)


def run(net, x):
    """Outputs in double precision, as arrays."""
    with torch.no_grad():
        found = net.double()(torch.from_numpy(np.asarray(x, np.float64)))
    return [y.numpy() for y in (found if isinstance(found, tuple) else (found,))]


class Torch(common.TestCase):
    def close(self, found, expected, tolerance=TOLERANCE):
        self.assertEqual(found.shape, expected.shape)
        largest = np.abs(expected).max()
        self.assertLessEqual(np.abs(found - expected).max(), tolerance * largest)

    def test_random_models(self):
        random = np.random.default_rng(1)
        for name, options in RANDOM_MODELS.items():
            path = self.path(name + ".safetensors")
            random_model(path, TASKS[name], *options)
            arrays, metadata = modelfile.read(path)
            for height, width in ((64, 64), (96, 64), (33, 47), (230, 100)):
                with self.subTest(name, height=height, width=width):
                    x = random.normal(size=(2, 3, height, width))
                    expected = reference.run(arrays, metadata, x)
                    outputs = run(dicenet.load(path), x)
                    for key, found in zip(("confidences", "locations") if len(outputs) > 1 else ("logits",), outputs):
                        self.close(found, expected[key])

    @unittest.skipUnless("DICENET" in os.environ, "DICENET is not set: run the tests through meson")
    def test_program(self):
        """The trained size, smaller, larger, mixed."""
        random = np.random.default_rng(2)
        for name in ("classify", "mobilenet", "resnet"):
            path = self.path(name + ".safetensors")
            random_model(path, "classify", *RANDOM_MODELS[name])
            for height, width in ((96, 64), (64, 96), (47, 33), (160, 230)):
                with self.subTest(name, height=height, width=width):
                    x = random.normal(size=(2, 3, height, width)).astype(np.float32)
                    self.close(run_program(self.folder, path, x), run(dicenet.load(path), x)[0], PROGRAM_TOLERANCE)

    def test_golden(self):
        paths = sorted(glob.glob(os.path.join(GOLDEN, "**", "*.safetensors"), recursive=True))
        for path in [*map(material.find, material.included()), *paths]:
            with self.subTest(os.path.basename(path)):
                self.check_golden(*material.read(path, self.folder))

    def check_golden(self, golden, metadata):
        net = dicenet.load(material.model_of(metadata, self.folder))
        normal = {"mean": "[0.485, 0.456, 0.406]", "std": "[0.229, 0.224, 0.225]"}
        for name in golden:
            kind, _, case = name.partition("_")
            case = "_" + case if case else ""
            if kind not in ("input", "pixels"):
                continue
            outputs = run(net, golden[name] if kind == "input" else reference.normalise(golden[name], normal))
            if "argmax" + case in golden:
                self.check_segment(outputs[0], golden, case, metadata)
            for key, found in zip(("confidences", "locations") if len(outputs) > 1 else ("logits",), outputs):
                if key + case in golden:
                    self.close(found, golden[key + case])

    def check_segment(self, logits, golden, case, metadata):
        if "logits_half" + case in golden:
            half = golden["logits_half" + case].astype(np.float64)
            self.close(logits, reference.up(half, *golden["argmax" + case].shape))
        elif "logits_sparse" + case in golden:
            expected = golden["logits_sparse" + case]
            step = -(-logits.shape[2] // expected.shape[2])
            self.close(logits[..., ::step, ::step], expected)
        elif "max_abs_logit" in metadata:
            self.close(np.abs(logits).max(), np.array(float(metadata["max_abs_logit"])))
        self.assertGreater(np.mean(logits[0].argmax(axis=0) == golden["argmax" + case]), 0.9999)

    @common.long_test
    def test_onnx(self):
        for name in ("segment", "mobilenet", "resnet", "anchor-free"):
            with self.subTest(name):
                self.check_onnx(TASKS[name], *RANDOM_MODELS[name])
        self.check_refused(self.path("model.safetensors"), self.path("model.onnx"))

    def check_onnx(self, task, *options):
        model, target = self.path("model.safetensors"), self.path("model.onnx")
        random_model(model, task, *options)
        process = common.run_script(
            os.path.join("training", "export_onnx.py"), model, target, "--size", "100x230", "--force"
        )
        self.assertEqual((process.returncode, process.stderr), (0, ""))
        self.assertEqual(sorted(os.listdir(self.folder)), ["model.onnx", "model.safetensors"])
        try:
            import onnxruntime
        except ImportError:
            return  # export itself succeeded
        x = np.random.default_rng(1).normal(size=(1, 3, 230, 100)).astype(np.float32)
        session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
        outputs, wanted = session.run(None, {"input": x}), run(dicenet.load(model), x)
        self.assertEqual(len(outputs), len(wanted))
        for found, expected in zip(outputs, wanted):
            self.assertLessEqual(np.abs(found - expected).max(), 1e-4 * np.abs(expected).max())

    def check_refused(self, model, target):
        """Existing files are not overwritten, nor are inputs even with --force."""
        again = common.run_script(os.path.join("training", "export_onnx.py"), model, target)
        self.assert_failed(again, "already there", "--force")
        onto = common.run_script(os.path.join("training", "export_onnx.py"), model, model, "--force")
        self.assert_failed(onto, "is read")

    @common.long_test
    def test_mistakes(self):
        for arguments, message in (
            ((self.path("none.pth"), self.path("o.onnx")), "cannot be read"),
            ((self.path("none.pth"), self.path("o.onnx"), "--size", "20x20"), "expected WIDTHxHEIGHT"),
        ):
            process = common.run_script(os.path.join("training", "export_onnx.py"), *arguments)
            self.assertNotEqual(process.returncode, 0)
            self.assertIn(message, process.stderr)
            self.assertNotIn("Traceback", process.stderr)

    def test_wrong_files(self):
        for content in (b"", b"12345678", b"\2\0\0\0\0\0\0\0[]", b"\x0c\0\0\0\0\0\0\0" + b'{"a":{"b":1}'):
            with self.assertRaisesRegex(ModelError, "is no model file"):
                dicenet.load(self.file("wrong.safetensors", content))
        with self.assertRaisesRegex(ModelError, "cannot be read"):
            dicenet.load(self.path("none.safetensors"))


if __name__ == "__main__":
    unittest.main()
