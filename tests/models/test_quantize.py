#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/quantize.py, and `dicenet inputs`, which it uses."""

import json
import os
import re
import subprocess
import sys
import unittest

import common
import numpy as np
import random_model  # common.py has loaded it

try:
    from PIL import Image
except ImportError:
    print("SKIP: Pillow is missing: install python3-pil")
    sys.exit(common.SKIPPED)

import quantize
from errors import ModelError

DICENET = os.environ["DICENET"]
MEAN, STD = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))


def histogram_of(values):
    """As the program makes it."""
    values = np.asarray(values, np.float32)
    bins, counts = np.unique(values.view(np.uint32) >> 18, return_counts=True)
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    return {
        "name": "x",
        "bits": 14,
        "low": low,
        "high": high,
        "bins": bins.tolist(),
        "counts": counts.tolist(),
        "means": [],
    }


def squared_error(values, low, high):
    """Of rounding to 256 values."""
    scale = (high - low) / 255 or 1.0
    zero = np.floor(-low / scale + 0.5)
    return np.sum((np.clip(np.round(values / scale), -zero, 255 - zero) * scale - values) ** 2)


class TestCase(common.TestCase):
    def photos(self, n=4):
        """Smooth colours in several shapes, of the height at which models run."""
        random = np.random.default_rng(1)
        folder = self.path("photos")
        os.makedirs(folder)
        for i in range(n):
            small = Image.fromarray(random.integers(0, 256, (3, 4, 3), np.uint8))
            small.resize((80 + 16 * i, 64), Image.Resampling.BILINEAR).save(os.path.join(folder, f"{i}.png"))
        self.file("photos/notes.txt", b"not a photo")
        return folder

    def model(self, task="segment", **options):
        path = self.path("model.safetensors")
        tensors, metadata = random_model.make(task, **options)
        common.tensorfile.write(path, tensors, metadata)
        return path

    def quantize(self, *arguments, **options):
        return common.run_script("quantize.py", *arguments, **options)

    def inputs(self, model, text):
        return subprocess.run([DICENET, "inputs", model], input=text, capture_output=True, timeout=100)


class Ranges(unittest.TestCase):
    def test_least_error(self):
        """Not worse than other ranges, on real values."""
        random = np.random.default_rng(1)
        normal = random.normal(size=20000)
        for name, values in {
            "normal": normal,
            "PReLU": np.where(normal < 0, 0.1 * normal, normal),
            "outlier": np.append(normal, 300.0),
            "heavy tails": normal**3,
            "uniform": random.uniform(-1, 2, 20000),
            "small": normal * 1e-6,
            "only negative": -np.abs(normal),
        }.items():
            with self.subTest(name):
                low, high = quantize.best_range(histogram_of(values))
                self.assertTrue(values.min() * 1.0001 <= low <= 0 <= high <= values.max() * 1.0001 or high == 0)
                found = squared_error(values, low, high)
                for share in (1, 0.99999, 0.9999, 0.999, 0.99):
                    other = np.quantile(values, (1 - share, share))
                    self.assertLess(found, 1.03 * squared_error(values, min(0, other[0]), max(0, other[1])), share)

    def test_outliers_are_limited(self):
        values = np.append(np.random.default_rng(1).normal(size=20000), 300.0)
        self.assertLess(quantize.best_range(histogram_of(values))[1], 295)
        low, high = quantize.best_range(histogram_of(np.random.default_rng(1).uniform(-1, 2, 20000)))
        self.assertTrue(low < -0.98 and high > 1.95, (low, high))

    def test_zeros(self):
        """Inputs of nothing but zeros, or what counts as such."""
        for values in (np.zeros(9), np.full(9, 1e-40), -np.zeros(9)):
            low, high = quantize.best_range(histogram_of(values))
            self.assertTrue(-1e-39 < low <= 0 <= high < 1e-39)
        # Zeros are exact in any range, and don't count.
        few = np.array([0.5, 1, 1.5, 60.0])
        self.assertEqual(
            quantize.best_range(histogram_of(few)), quantize.best_range(histogram_of(np.append(few, np.zeros(10**5))))
        )

    def test_beyond(self):
        for values in ([np.inf], [3e38], [-2e30, 1], [np.nan, 1]):
            histogram = histogram_of(values)
            with self.assertRaisesRegex(ModelError, "^x: its input has values beyond 1e\\+30"):
                quantize.best_range(histogram)


class Inputs(TestCase):
    def ppm(self, colour, size=(40, 50)):
        return b"P6\n%d %d\n255\n" % size + bytes(colour) * (size[0] * size[1])

    def test_counts(self):
        """The network's input is known."""
        model = self.model(size=(64, 64))
        colours = np.array([(0, 0, 0), (255, 255, 255), (10, 120, 230)], np.uint8)
        found = self.inputs(model, b"".join(map(self.ppm, colours)))
        self.assertEqual((found.returncode, found.stderr), (0, b""))
        report = json.loads(found.stdout)
        self.assertEqual((report["model"], report["pictures"]), (model, 3))
        first = report["convolutions"][0]
        expected = ((colours / 255.0 - MEAN) / STD).astype(np.float32)
        self.assertEqual(first["name"], "base_net.level1")
        np.testing.assert_allclose([first["low"], first["high"]], [expected.min(), expected.max()], rtol=1e-5)
        bins, counts = np.unique(np.repeat(expected, 64 * 80).view(np.uint32) >> 18, return_counts=True)
        self.assertEqual(first["bins"], bins.tolist())
        self.assertEqual(first["counts"], counts.tolist())
        np.testing.assert_allclose(first["means"], expected.mean(axis=0), atol=1e-5)
        for other in report["convolutions"]:
            middle = np.mean(other["means"])
            self.assertTrue(other["low"] <= middle <= other["high"], other["name"])
            self.assertTrue(other["low"] <= 0 <= other["high"])
            self.assertEqual(len(other["bins"]), len(other["counts"]))
        # Whatever the order, and with comments.
        again = self.inputs(model, b"".join(self.ppm(c).replace(b"P6\n", b"P6 # a comment\n") for c in colours[::-1]))
        self.assertEqual(json.loads(again.stdout), report)

    def test_refused(self):
        model = self.model()
        good = self.ppm((1, 2, 3))
        for number, text, says in (
            (0, b"", "found nothing"),
            (0, b"P5\n2 2\n255\n1234", "found something else"),
            (0, b"P6\n0 2\n255\n", "found something else"),
            (0, b"P6\n32768 2\n255\n", "found something else"),
            (0, b"P6\n99999999999999999999 2\n255\n", "found something else"),
            (0, b"P6\n-2 2\n255\n", "found something else"),
            (0, b"P6\n2 2\n65535\n" + bytes(24), "found something else"),
            (0, b"P6\n2", "found something else"),
            (0, b"P6 # no end", "found something else"),
            (1, good + good[:-1], "found its end before the last pixel"),
            (1, good + b"\n", "found something else"),
        ):
            with self.subTest(text[:30]):
                found = self.inputs(model, text)
                self.assertEqual((found.returncode, found.stdout), (1, b""))
                error = found.stderr.decode()
                self.assertIn(f"picture {number} on standard input, counted from 0: expected binary PPM (P6)", error)
                self.assertIn(says, error)


class Quantize(TestCase):
    def int8(self, model):
        """The outputs in int8, and what the program says on stderr."""
        source, target = self.path("in.safetensors"), self.path("out.safetensors")
        pixels = np.asarray(Image.open(self.path("photos", "1.png")).convert("RGB"))
        common.tensorfile.write(source, {"pixels": pixels})
        command = [DICENET, "run", model, source, target, "--force", "--backend", "cpu", "--precision"]
        found = []
        for precision in ("float32", "int8"):
            done = subprocess.run([*command, precision], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            (name,) = {"logits", "confidences"} & set(common.tensorfile.read(target)[0])
            found.append(common.tensorfile.read(target)[0][name])
        return np.abs(found[1] - found[0]).max() / np.abs(found[0]).max(), done.stderr

    def test_ranges(self):
        """The copy has ranges, and only these are new; with them int8 is about as near to float32 as without."""
        photos = self.photos()
        kinds = ({"task": "segment"}, {"task": "classify"}, {"task": "detect", "classes": 4, "dtype": "f16"})
        for kind in (*kinds, {"task": "detect", "classes": 4, "head": "anchor-free"}):
            with self.subTest(kind):
                model, out = self.model(**kind), self.path("quantized.safetensors")
                done = self.quantize(model, photos, "-o", out, "--force")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stdout, "quantized.safetensors: ranges of [0-9]+ convolutions from 4 photos\n$")
                self.assertIn("4 photos", done.stderr)
                arrays, metadata = common.read_model(model)
                theirs, described = common.read_model(out)
                self.assertEqual([self.info(path)["int8_ranges"] for path in (model, out)], [False, True])
                ranges, means = (json.loads(described.pop(key)) for key in ("int8_ranges", "int8_means"))
                self.assertEqual(described, metadata)
                self.assertEqual(set(theirs), set(arrays))
                for name, array in arrays.items():
                    self.assertTrue(array.dtype == theirs[name].dtype and np.array_equal(array, theirs[name]), name)
                self.assertTrue(all(low <= 0 <= high and high - low > 0 for low, high in ranges), ranges)
                self.assertEqual(len(means), len(ranges))
                without, said = self.int8(model)
                error, silence = self.int8(out)
                if "computing in float32" in said:
                    self.skipTest("there is no int8 on this processor")
                self.assertIn("models/quantize.py MODEL PHOTOS -o OUT", said)
                self.assertEqual(silence, "")
                self.assertTrue(0 < error < max(3 * without, 0.1), (without, error))

    def info(self, model):
        """What `dicenet info` says, as JSON."""
        return json.loads(subprocess.check_output([DICENET, "info", model, "--json"]))

    def test_info(self):
        """Size of the weights, and whether there are ranges."""
        model, out = self.model(scale=1.0, fill="zeros"), self.path("out.safetensors")
        self.assertEqual(self.quantize(model, self.photos(1), "-o", out).returncode, 0)
        for path, says in (model, "the file has no ranges for it (models/quantize.py)"), (
            out,
            "the file has its ranges",
        ):
            text = subprocess.check_output([DICENET, "info", path], text=True)
            self.assertRegex(
                text, r"(?m) [0-9.]+ MB for weights in int8, which this CPU (has|lacks); " + re.escape(says)
            )
        memory = self.info(model)["memory"]
        self.assertLess(memory["int8_weights"], 0.6 * memory["weights"])

    def test_again(self):
        """Ranges are replaced; the same photos give the same; a name instead of a path; a part of the photos."""
        photos, model = self.photos(), self.model()
        one, two, three = (self.path(f"{name}.safetensors") for name in ("one", "two", "three"))
        self.assertEqual(self.quantize(model, photos, "-o", one, "--limit", "2").returncode, 0)
        files = [os.path.join(photos, f"{i}.png") for i in (0, 2)]
        found = self.quantize("one", *files, "-o", two, env={"DICENET_MODEL_PATH": self.folder})
        self.assertIn("from 2 photos", found.stdout)
        self.assertEqual(common.read_model(one)[1], common.read_model(two)[1])
        self.assertEqual(self.quantize(one, photos, "-o", three).returncode, 0)
        self.assertNotEqual(common.read_model(one)[1], common.read_model(three)[1])
        # Those of another network, with which the program refuses the file.
        arrays, metadata = common.read_model(one)
        common.tensorfile.write(model, arrays, {**metadata, "int8_ranges": "[[0, 1]]"})
        self.assertEqual(subprocess.run([DICENET, "info", model], capture_output=True).returncode, 1)
        self.assertEqual(self.quantize(model, photos, "-o", two, "--limit", "2", "--force").returncode, 0)
        self.assertEqual(common.read_model(one)[1], common.read_model(two)[1])

    def test_refused(self):
        """Nothing is written then."""
        photos, model, out = self.photos(), self.model(), self.path("out.safetensors")
        os.makedirs(self.path("empty"))
        damaged = self.path("damaged.png")
        with open(os.path.join(photos, "0.png"), "rb") as file:
            self.file("damaged.png", file.read()[:-200])
        wrong = self.file("wrong.safetensors", b"nothing of the kind")
        wide = self.path("wide.png")
        Image.new("RGB", (32768, 1)).save(wide)
        for arguments, says in (
            ((model, self.path("empty")), ("empty: there are no photos in it", ".jpg")),
            ((model, self.path("none.png")), ("none.png: cannot be read as a picture", "No such file")),
            ((model, photos, damaged), ("damaged.png: cannot be read as a picture",)),
            ((model, self.path("photos", "notes.txt")), ("notes.txt: cannot be read as a picture", "Pillow knows no")),
            ((model, self.fifo("pipe.png")), ("pipe.png: cannot be read as a picture", "not a regular file")),
            ((model, wide), ("wide.png: expected at most 32767 pixels a side, found 32768x1",)),
            ((wrong, photos), ("wrong.safetensors",)),
            ((self.path("none.safetensors"), photos), ("none.safetensors",)),
            (("nobody", photos), ("nobody.safetensors", "DICENET_MODEL_PATH")),
        ):
            with self.subTest(arguments):
                self.assert_failed(self.quantize(*arguments, "-o", out), *says)
                self.assertFalse(os.path.exists(out))

    def test_outputs(self):
        """Inputs and other files stay as they are."""
        photos, model = self.photos(), self.model()
        other = self.file("other.safetensors", b"somebody's")
        self.assert_failed(self.quantize(model, photos, "-o", model, "--force"), "is read", "name another output")
        self.assert_failed(
            self.quantize("model", photos, "-o", model, "--force", env={"DICENET_MODEL_PATH": self.folder}), "is read"
        )
        self.assert_failed(self.quantize(model, photos, "-o", other), "is already there", "--force")
        with open(other, "rb") as file:
            self.assertEqual(file.read(), b"somebody's")
        self.assertNotIn("int8_ranges", common.read_model(model)[1])
        nowhere = self.path("nowhere", "x.safetensors")
        self.assert_failed(self.quantize(model, photos, "-o", nowhere), "nowhere", "cannot be written")
        done = self.quantize(model, photos, "-o", self.path("x.bin"))
        self.assertIn("expected a name that ends in .safetensors", done.stderr)
        done = self.quantize(model, photos, "-o", other, "--limit", "0")
        self.assertIn("expected a whole number from 1", done.stderr)

    def test_program(self):
        """Without the program, and with one that ends early."""
        photos, model, out = self.photos(), self.model(), self.path("out.safetensors")
        found = self.quantize(model, photos, "-o", out, env={"DICENET": "", "PATH": "/nowhere"})
        self.assert_failed(found, "dicenet: not found", "meson devenv")
        script = self.file("dicenet", b'#!/bin/sh\n[ $1 = info ] && exec "$REAL" "$@"\necho gone >&2\nexit 3\n')
        os.chmod(script, 0o755)
        found = self.quantize(model, photos, "-o", out, env={"DICENET": script, "REAL": DICENET})
        self.assert_failed(found, "gone")
        self.assertFalse(os.path.exists(out))


if __name__ == "__main__":
    unittest.main()
