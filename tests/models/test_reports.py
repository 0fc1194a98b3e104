#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/evaluation/scaling.py and card.py: their results are those of evaluate.py, and hand-written text is unchanged.
"""

import csv
import json
import os
import sys
import unittest
import xml.etree.ElementTree

import common
import numpy as np
import test_evaluate  # prints "skipped" if the plugin or a package is missing
import torchfile
from PIL import Image

import generated  # of models/evaluation
import metrics
import modelfile
import pictures
from errors import ModelError
from test_evaluate import photo

SVG = "{http://www.w3.org/2000/svg}"
SIZES = ((96, 64), (64, 96), (90, 90), (120, 50))
COLOUR = "10,20,30"
NAMES = ",".join(f"class {i}" for i in range(7))


class TestCase(test_evaluate.TestCase):
    def script(self, name, *arguments, env=None):
        return common.run_script(os.path.join("evaluation", name), *arguments, env=env, timeout=300)

    def photos(self, folder=""):
        os.makedirs(self.path(folder), exist_ok=True)
        for i, size in enumerate(SIZES):
            photo(i, size).save(self.path(folder, f"{i}.png"))
        return [photo(i, size) for i, size in enumerate(SIZES)]

    def tags(self):
        """A multi-label model, and a list of photos with its results on squeezed photos as labels."""
        model = self.model("classify", "--multi-label", "--classes", "7", "--labels", NAMES)
        photos = self.photos()
        found, labels = self.truth(model, photos)
        boxes = np.array([(2.0, 2, 60, 45)] * 6)
        found = [metrics.Found(boxes, range(1, 7), f[1:]) for f in found]
        return model, self.coco(photos, found, labels, threshold=0.5)

    def masks(self):
        """A segmentation model, and a list of photos with its results in their own shape as masks."""
        model = self.model("segment", "--classes", "5")
        os.makedirs(self.path("masks"))
        for i, p in enumerate(self.photos("images")):
            (mask,), _ = self.truth(model, [p], pictures.view(p.size, (64, 48), "area").size)
            p.save(self.path("images", f"{i}.jpg"), format="PNG")  # lossless
            Image.fromarray(mask).save(self.path("masks", f"{i}.png"))
        return model, self.file("list.txt", b"0\n1\n2\n3\n")

    def with_metadata(self, model, **further):
        arrays, metadata = modelfile.read(model)
        modelfile.write(model, arrays, {**metadata, **further})
        return arrays


class Scaling(TestCase):
    def values(self, folder):
        with open(os.path.join(folder, "scaling.csv"), encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual({row["figure"] for row in rows}, {"mean IoU"})
        return {(row["shape"], row["size"], row["seen"]): float(row["value"]) for row in rows}

    def test_segment(self):
        model, listed = self.masks()
        folder = self.path("scaling")
        options = ("--output", folder, "--least", "1", "--border", COLOUR)
        process = self.script("scaling.py", model, listed, *options)
        self.assertEqual(process.returncode, 0, process.stderr)
        values = self.values(folder)
        self.assertEqual(len(values), 4 * 3 * 3)
        self.assertEqual([view for view, value in values.items() if value == 1], [("photo", "1", "own shape")])
        # Equals the output of the program for each fit separately, with the same classes.
        classes = process.stdout.partition("Classes: ")[2].partition(".\n")[0].replace(", ", ",")
        for view, arguments in (
            (("photo", "1", "squeezed"), ()),
            (("16:9", "2", "letterboxed"), ("--shape", "16:9", "--size", "128x96", "--fit", "letterbox")),
            (("9:16", "2", "own shape"), ("--shape", "9:16", "--size", "128x96", "--fit", "area")),
        ):
            count = ("--min-photos", "1", "--classes", classes, "--border", COLOUR)
            report, _ = self.evaluate(model, listed, *arguments, *count)
            self.assertAlmostEqual(report["overall"]["iou"], values[view], places=4)

    def test_written(self):
        """A plot of all results, tables for the trained size, and text that a second run does not change."""
        model, listed = self.tags()
        folder = self.path("scaling")
        os.makedirs(folder)
        document = self.path("scaling", "scaling.md")
        self.file(document, b"Before.\n\n<!-- generated: figures -->\n<!-- end -->\n\nAfter.\n")
        for _ in range(2):
            process = self.script("scaling.py", model, listed, model, listed, "--output", folder, "--least", "1")
            self.assertEqual(process.returncode, 0, process.stderr)
        with open(document, encoding="utf-8") as file:
            text = file.read()
        self.assertTrue(text.startswith("Before.\n") and text.endswith("\nAfter.\n"), text)
        self.assertEqual(text.count("overall F1 in per cent"), 2)
        self.assertEqual(text.count("| photo | "), 2)
        self.assertIn("| photo | ", [line[:10] for line in text.splitlines() if "**100.00**" in line])
        svg = xml.etree.ElementTree.parse(self.path("scaling", "scaling.svg"))
        self.assertEqual(len(svg.findall(f"{SVG}polyline")), 2 * 4 * 3)

    def test_errors(self):
        model, listed = self.masks()
        out = ("--output", self.path("out"))
        self.assert_failed(self.script("scaling.py", model, listed, "--least", "9", *out), "no class has 9 photos")
        self.assert_failed(self.script("scaling.py", model, "none.txt", *out), "none.txt")
        process = self.script("scaling.py", model)
        self.assertEqual(process.returncode, 2)
        self.assertIn("a list after each model", process.stderr)


class Card(TestCase):
    def card(self, model, *arguments):
        process = self.script("card.py", model, *arguments, "--bench-seconds", "0.01", "--bench-threads", "1")
        self.assertEqual(process.returncode, 0, process.stderr)
        with open(process.stdout.strip(), encoding="utf-8") as file:
            return file.read()

    def test_all_there(self):
        model, listed = self.tags()
        config = {
            "task": "classify",
            "train": ["a.json"],
            "init": "/somewhere/first.pth",
            "lr": 0.001,
            "pyramid": False,
        }
        run = {"photos": 123, "steps": 45, "config": config, "averaged": 2}
        arrays = self.with_metadata(model, training=json.dumps(run), license="free", description="Sees blobs.")
        weights = self.file("weights.pth", torchfile.zipped(torchfile.state_dict(arrays)))
        text = self.card(model, listed, "--float32", weights, "--mean-of", "class 1,class 2", "--mean-of", "class 0")
        for part in (
            "any number of them",
            "class 0, class 1",
            "| license | free |",
            "Sees blobs.",
            "64 x 48",
            "in float32 |",
            "| float32 | 1 | 64 x 48 |",
            "mean of the weights of 2 runs; of the last one: 123 photos, 45 steps",
            "| init | first.pth |",
            "| lr | 0.001 |",
            "| **overall**, photos squeezed |  | 100.00 | 100.00 | 100.00 |",
            "own shape",
            "a difference of +0.00 points",
        ):
            self.assertIn(part, text)
        self.assertNotIn("/somewhere", text)
        self.assertNotIn("pyramid", text)
        self.assertNotIn("mean of class 0", text)  # it does not occur
        report, _ = self.evaluate(model, listed)
        for label, figures in report["classes"].items():
            row = [figures["photos"], *(f"{100 * figures[name]:.2f}" for name in ("precision", "recall", "f1"))]
            self.assertIn(f"| {label} | " + " | ".join(map(str, row)) + " |", text)

    def test_float16(self):
        """A model whose stored weights give different results from the original ones."""
        model, listed = self.tags()
        arrays = dict(modelfile.read(model)[0])
        name = next(name for name in arrays if name.startswith("classifier") and name.endswith(".weight"))
        arrays[name] = -arrays[name]
        weights = self.file("weights.pth", torchfile.zipped(torchfile.state_dict(arrays)))
        text = self.card(model, listed, "--float32", weights)
        self.assertIn("as they are stored: 100.00", text)
        self.assertNotIn("in float32: 100.00", text)
        other = self.file("other.pth", torchfile.zipped(torchfile.state_dict({"x": np.zeros(3, "<f4")})))
        process = self.script("card.py", model, listed, "--float32", other, "--bench-seconds", "0.01")
        self.assert_failed(process, "other.pth", "was made of", "has no")

    def test_of_this_project(self):
        """The cards of the shipped models have all generated blocks, and other text is preserved."""
        for task in ("classify", "detect", "segment"):
            with open(os.path.join(common.MODELS, f"dicenet-{task}.md"), encoding="utf-8") as file:
                before = file.read()
            card = self.file("card.md", before.encode())
            blocks = {"model": "A", "training": "B", "accuracy": "C"}
            generated.fill(card, blocks)
            with open(card, encoding="utf-8") as file:
                filled = file.read()
            self.assertIn("Sachin Mehta", filled)
            self.assertIn("Known weaknesses", filled)
            for name, content in blocks.items():
                self.assertIn(f"<!-- generated: {name} -->\n\n{content}\n\n<!-- end -->", filled)

    def test_errors(self):
        model, listed = self.tags()
        card = self.file("card.md", b"<!-- generated: model -->\n<!-- end -->\n")
        quick = ("--bench-seconds", "0.01", "--bench-threads", "1")
        process = self.script("card.py", model, listed, "--card", card, *quick)
        self.assert_failed(process, "card.md", "generated: training", "found none")
        process = self.script("card.py", model, listed, env={"DICENET": "", "PATH": "/nowhere"})
        self.assert_failed(process, "dicenet: not found")
        self.assert_failed(self.script("card.py", self.path("none.safetensors"), listed), "none.safetensors")


class Generated(common.TestCase):
    def test_twice(self):
        document = self.file("a.md", b"<!-- generated: x -->\n<!-- end -->\n<!-- generated: x -->\n<!-- end -->\n")
        with self.assertRaisesRegex(ModelError, "found 2"):
            generated.fill(document, {"x": "text"})

    def test_no_text(self):
        """The card's name may be a model's, for instance."""
        with self.assertRaisesRegex(ModelError, "expected a text"):
            generated.fill(self.file("model", b"\xff\xfe"), {"x": "text"})

    def test_any_text(self):
        """Inserted text is not interpreted as a pattern."""
        path = self.path("new.md")
        generated.fill(path, {"x": "first", "y": "second"})
        generated.fill(path, {"x": r"a \1 \g<0> $", "y": "b"})
        with open(path, encoding="utf-8") as file:
            self.assertEqual(
                file.read(),
                "<!-- generated: x -->\n\na \\1 \\g<0> $\n\n<!-- end -->\n\n<!-- generated: y -->\n\nb\n\n<!-- end -->\n",
            )


if __name__ == "__main__":
    unittest.main()
