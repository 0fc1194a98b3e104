#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The comparison with other engines: what is wrong is said, and with ONNX Runtime and PyTorch installed a network is
measured in both.

test_peers.py BUILD
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
from types import SimpleNamespace

import peers

FOLDER = os.path.dirname(os.path.abspath(__file__))
BUILD = sys.argv[-1]  # the engines' processes read it, too
MISSING = [name for name in ("onnx", "onnxruntime", "torch", "torchvision") if not importlib.util.find_spec(name)]


def run_script(script, *arguments):
    command = [sys.executable, os.path.join(FOLDER, script), *arguments]
    return subprocess.run(command, text=True, capture_output=True)


class Peers(unittest.TestCase):
    def test_mistakes(self):
        for arguments, message in (
            (("--engines", "tensorrt"), "'tensorrt': expected onnxruntime, openvino, ncnn, litert"),
            (("--threads", "2", "--cpu-time"), "use it with --threads 1"),
            (("--rounds", "0"), "expected --rounds and --threads of at least 1"),
            (("--onnx", "/none.onnx"), "/none.onnx: no such file"),
            (("--networks", "nothing", "--build", BUILD), "no network has this in its name"),
            (("--build", "/none"), "cannot be run"),
        ):
            done = run_script("peers.py", *arguments)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(message, done.stderr)
            self.assertNotIn("Traceback", done.stderr)

    @unittest.skipUnless(importlib.util.find_spec("gi"), "without python3-gi")
    def test_mistakes_with_elements(self):
        model = os.path.join(FOLDER, "../../models/dicenet-classify.safetensors")
        for arguments, message in (
            (("onnxinference.py", model, "/none.onnx", model), "/none.onnx: no such file"),
            (("onnxinference.py", model, model, model, "--rounds", "0"), "expected --rounds of at least 1"),
            (("onnxinference.py", model, model, model, "--build", "/none"), "there is no plugin in /none"),
            (("frames.py", model, "--elements", "dicenetjson"), "expected dicenetclassify, dicenetdetect"),
            (("frames.py", "/none.mp4"), "/none.mp4: no such file"),
            (("frames.py", model, "--build", "/none"), "there is no plugin in /none"),
        ):
            done = run_script(*arguments)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(message, done.stderr)
            self.assertNotIn("Traceback", done.stderr)

    @unittest.skipIf(MISSING, f"without {', '.join(MISSING)}")
    def test_table(self):
        with tempfile.TemporaryDirectory() as folder:
            figures = os.path.join(folder, "figures.json")
            options = ("--engines", "onnxruntime", "--networks", "classify 0.2", "--rounds", "2", "--seconds", "0.01")
            done = run_script("peers.py", "--build", BUILD, "--models", folder, *options, "--json", figures)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(figures, encoding="utf-8") as file:
                times = json.load(file)["classify 0.2 @224"]
        self.assertEqual(set(times), {"dicenet float32", "dicenet bfloat16", "dicenet int8", "onnxruntime float32"})
        for figures in times.values():
            self.assertEqual([ms > 0 for ms in figures], [True, True])
        rows = [line for line in done.stdout.splitlines() if line.startswith("| classify 0.2 @224")]
        self.assertEqual(len(rows), 2, done.stdout)  # all engines, the best one
        self.assertRegex(rows[0], r"\| \d+\.\d+ \(\d+\.\d+\) *\|$")

    @unittest.skipIf(MISSING, f"without {', '.join(MISSING)}")
    def test_crash(self):
        peer = peers.Peer("onnxruntime", SimpleNamespace(threads=1, cpu_time=False))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "net.onnx")
            peers.export(path, None, ["-c", peers.TORCHVISION], "mobilenet_v2", path)
            given = "onnxruntime", path, None, "float32"
            expected = peer.call(peers.output, *given)
            with contextlib.suppress(peers.BrokenProcessPool):
                peer.pool.submit(os.abort).result()
            with self.assertRaisesRegex(RuntimeError, "^it crashed$"):
                peer.call(peers.output, *given)
            self.assertTrue((peer.call(peers.output, *given) == expected).all())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:-1])
