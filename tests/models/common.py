# SPDX-License-Identifier: LGPL-2.1-or-later
"""Common code of the tests of the scripts in models/."""

import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy as np

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(TESTS)
MODELS = os.path.join(ROOT, "models")
SHARED = os.environ.get("DICENET_SHARED") or os.path.join(os.path.dirname(ROOT), "shared")
SKIPPED = 77

sys.path.insert(0, MODELS)
sys.path.insert(0, os.path.join(TESTS, "reference"))
import costs  # noqa: E402, F401
import reference  # noqa: E402, F401
import tensorfile  # noqa: E402, F401
from random_model import network_of  # noqa: E402, F401

import network  # noqa: E402  of models/

sys.path.remove(os.path.join(TESTS, "reference"))


def run_script(name, *arguments, env=None, timeout=300):
    """Runs models/NAME; returns the completed process, with text output."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
    return subprocess.run(
        [sys.executable, os.path.join(MODELS, name), *map(str, arguments)],
        env=environment,
        text=True,
        capture_output=True,
        timeout=timeout,
    )


def random_arrays(*description, seed=1):
    """Random float32 weights for the network of these arguments of network_of()."""
    random = np.random.default_rng(seed)
    shapes = network.tensors(network_of(*description))
    return {name: random.uniform(0.1, 1, shape).astype("<f4") for name, shape in shapes}


def read_model(path):
    """Arrays by name, metadata and length of the raw header of a safetensors file, whose layout is checked."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__")
    data = content[8 + length :]
    arrays, end = {}, 0
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        assert start == end, f"{name}: a gap or an overlap before it"
        kind = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}[entry["dtype"]]
        assert start % kind.itemsize == 0, f"{name}: not aligned"
        arrays[name] = np.frombuffer(data[start:stop], kind).reshape(entry["shape"])
        end = stop
    assert end == len(data), "bytes after the last tensor"
    assert (8 + length) % 64 == 0, "data not aligned"
    return arrays, metadata


# Which tests run: "short" or "long", or all. Only the short ones are in Meson's setup "default".
PART = os.environ.get("DICENET_TEST_PART", "")


def long_test(function):
    """A decorator for tests that take many seconds, of what other tests cover in part."""
    function.is_long = True
    return function


class TestCase(unittest.TestCase):
    """A test with its own temporary folder."""

    def setUp(self):
        if PART and (PART == "long") != hasattr(getattr(self, self._testMethodName), "is_long"):
            self.skipTest(f"only the {PART} tests")
        folder = tempfile.TemporaryDirectory(prefix="dicenet-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def file(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)
        return self.path(name)

    def fifo(self, name):
        """A FIFO without a writer: reading it blocks, here until a signal ends the test."""
        os.mkfifo(self.path(name))
        signal.alarm(60)
        self.addCleanup(signal.alarm, 0)
        return self.path(name)

    def assert_failed(self, process, *parts):
        """Checks that a script failed with a single line that contains all of `parts`."""
        self.assertNotEqual(process.returncode, 0, process.stdout)
        self.assertNotIn("Traceback", process.stderr)
        last = process.stderr.strip().splitlines()[-1]
        self.assertRegex(last, "^error: ")
        for part in parts:
            self.assertIn(part, last)
