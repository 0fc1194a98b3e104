#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/evaluation/thresholds.py, and evaluate.py and card.py at a model's thresholds: the truth is what a random model
finds from known thresholds on. test_metrics.py has how thresholds are chosen."""

import json
import os
import sys
import unittest

import common
import numpy as np
import test_evaluate  # prints "skipped" if the plugin or a package is missing
from plugin import Plugin

import metrics
import modelfile

# The truth: what a model finds from here on.
TRUE = (0, 0.2, 0.5, 0.3)


class TestCase(test_evaluate.TestCase):
    def thresholds(self, *arguments):
        return common.run_script(os.path.join("evaluation", "thresholds.py"), *arguments, timeout=300)

    def detector(self, *options):
        names = ("--classes", "4", "--labels", "background,a,b,c", "--objects", "60")
        return self.model("detect", *names, *options)

    def tagger(self, *options):
        names = ",".join(f"class {i}" for i in range(7))
        return self.model("classify", "--multi-label", "--classes", "7", "--labels", names, *options)

    def list_of(self, model, name, select=None, least=TRUE):
        """A list of the photos that `select` says, with what `model` finds in them."""
        photos = self.photos()
        found, labels = self.truth(model, photos)
        if not isinstance(found[0], metrics.Found):
            boxes = np.array([(2.0, 2, 60, 45)] * len(labels))
            found = [metrics.Found(boxes, np.arange(len(labels)), f) for f in found]
        kept = [f.scores >= np.array(least)[f.labels % len(least)] for f in found]
        found = [metrics.Found(f.boxes[k], f.labels[k], f.scores[k]) for f, k in zip(found, kept)]
        with open(self.coco(photos, found, labels), encoding="utf-8") as file:
            content = json.load(file)
        select = range(len(photos)) if select is None else select
        content["images"] = [image for image in content["images"] if image["id"] in select]
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] in select]
        return self.write(name, content)

    def file_of(self, model):
        arrays, metadata = modelfile.read(model)
        return {name: array.tobytes() for name, array in arrays.items()}, metadata


class Choose(TestCase):
    def check_written(self, model, listed):
        """Only the thresholds change, and they are what elements use from now on."""
        arrays, metadata = self.file_of(model)
        process = self.thresholds(model, listed, "--fit", "squeeze")
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertTrue(self.file_of(model) == (arrays, metadata))
        process = self.thresholds(model, listed, "--fit", "squeeze", "--write")
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn(f"written to {model}", process.stdout)
        now, described = self.file_of(model)
        thresholds = json.loads(described.pop("thresholds"))
        metadata.pop("thresholds", None)
        self.assertEqual(described, metadata)
        self.assertTrue(now == arrays)  # too long to be shown
        self.assertEqual([name for name in os.listdir(self.path()) if name.startswith(".")], [])
        plugin = Plugin(model)
        plugin.close()
        np.testing.assert_allclose(plugin.thresholds, thresholds, atol=1e-6)
        shown = process.stdout.splitlines()[-2].split()
        report, _ = self.evaluate(model, listed)
        self.assertEqual(shown[0], "overall")
        self.assertAlmostEqual(100 * report["overall"]["overall f1"], float(shown[-1]), delta=0.006)
        return thresholds, float(shown[-2]), float(shown[-1])

    def test_detect(self):
        model = self.detector("--threshold", "0.9")
        listed = self.list_of(model, "all.json")
        (background, *thresholds), before, after = self.check_written(model, listed)
        self.assertGreater(after, before)
        self.assertEqual(len(thresholds), 3)
        # Between the best of all classes, which the background has, too, and the class's own.
        for threshold, true in zip(thresholds, TRUE[1:]):
            self.assertLessEqual(abs(threshold - true), abs(background - true) + 0.05)
        # Written again, they are the same.
        self.assertEqual(self.check_written(model, listed)[0], [background, *thresholds])

    def test_tags(self):
        model = self.tagger()
        thresholds, before, after = self.check_written(model, self.list_of(model, "all.json", least=(0.8, 0.3, 0.7)))
        self.assertEqual(len(thresholds), 7)
        self.assertGreaterEqual(after, before)

    def test_pooled(self):
        """Several lists are as one with all of their photos."""
        model = self.detector()
        lists = [self.list_of(model, f"{i}.json", select) for i, select in enumerate(((0, 1, 2), (3,)))]
        all_photos = self.list_of(model, "all.json")
        pooled, together, one = (self.thresholds(model, *given).stdout for given in (lists, [all_photos], lists[:1]))
        self.assertEqual(pooled, together)
        self.assertNotEqual(pooled, one)

    def test_name(self):
        """A model's name, as elsewhere, and a model beside others."""
        model = self.detector()
        listed = self.list_of(model, "all.json")
        process = common.run_script(
            os.path.join("evaluation", "thresholds.py"),
            "model",
            listed,
            "--write",
            env={"DICENET_MODEL_PATH": self.path()},
        )
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("thresholds", modelfile.read(model)[1])

    def test_refused(self):
        """What can't have thresholds, and lists that say nothing about them; the file stays as it is."""
        model = self.detector()
        before = self.file_of(model)
        nothing = self.write("nothing.json", {"images": [{"id": 0, "file_name": "0.png"}], "annotations": [],
                                              "categories": [{"id": 1, "name": "a"}]})  # fmt: skip
        self.photos()
        self.assert_failed(self.thresholds(model, nothing, "--write"), "nothing.json", "finds nothing of what is there")
        self.assert_failed(self.thresholds(model, self.path("none.json"), "--write"), "none.json")
        self.assert_failed(self.thresholds(self.path("none.safetensors"), nothing), "none.safetensors")
        self.assertTrue(self.file_of(model) == before)
        folder = self.path("folder")
        os.makedirs(os.path.join(folder, "class 1"))
        os.rename(self.path("0.png"), os.path.join(folder, "class 1", "0.png"))
        model = self.model("classify", "--classes", "7")
        self.assert_failed(
            self.thresholds(model, folder, "--write"), "expected a detector, or a multi-label classifier"
        )
        model = self.tagger()
        listed = self.list_of(model, "all.json")
        self.assert_failed(self.thresholds(model, listed, folder, "--write"), "folder: expected a .json")
        self.assertNotIn("thresholds", modelfile.read(model)[1])


class AtThresholds(TestCase):
    """evaluate.py measures what elements report by default."""

    def reported(self, model, photos):
        """What the element reports by its own default: class and confidence, by photo."""
        plugin = Plugin(model, properties=(("threshold", "-1"),))
        found = [plugin.run(photo, (64, 48)) for photo in photos]
        plugin.close()
        return found

    def test_detect(self):
        model = self.detector("--thresholds", ",".join(map(str, TRUE)))
        report, text = self.evaluate(model, self.list_of(model, "all.json"))
        self.assertAlmostEqual(report["overall"]["overall f1"], 1)
        self.assertEqual([report["classes"][name]["f1"] for name in "abc"], [1, 1, 1])
        self.assertIn("overall F1: 100.00", text)
        # With other thresholds, those that the element leaves out are missed.
        strict = (0, 0.3, 0.5, 0.6)
        listed = self.list_of(model, "all.json")
        model = self.detector("--thresholds", ",".join(map(str, strict)))
        report, _ = self.evaluate(model, listed)
        counts = np.bincount(np.concatenate([f.labels for f in self.reported(model, self.photos())]), minlength=4)
        for label, name in ((1, "a"), (2, "b"), (3, "c")):
            figures = report["classes"][name]
            self.assertAlmostEqual(figures["recall"], counts[label] / figures["objects"])
            self.assertEqual(figures["precision"], 1)
        self.assertLess(report["overall"]["overall recall"], 1)

    def test_tags(self):
        """One threshold for all that is not 0.5, and one for each class."""
        for option, least in (("--threshold", (0.3,)), ("--thresholds", (0.8, 0.3, 0.7, 0.2, 0.9, 0.5, 0.1))):
            with self.subTest(option):
                model = self.tagger(option, ",".join(map(str, least)))
                report, _ = self.evaluate(model, self.list_of(model, "all.json", least=least))
                self.assertAlmostEqual(report["overall"]["overall f1"], 1)
                found = self.reported(model, self.photos())
                said = sum(int((f > 0).sum()) for f in found)
                self.assertEqual(said, sum(f["photos"] for f in report["classes"].values()) + self.of_first(found))

    @staticmethod
    def of_first(found):
        """Category 0 marks regions to ignore, so no photo has the first class."""
        return sum(int(f[0] > 0) for f in found)

    def test_card(self):
        model = self.detector("--thresholds", ",".join(map(str, TRUE)))
        listed = self.list_of(model, "all.json")
        quick = ("--bench-seconds", "0.01", "--bench-threads", "1")
        process = common.run_script(os.path.join("evaluation", "card.py"), model, listed, *quick, timeout=300)
        self.assertEqual(process.returncode, 0, process.stderr)
        with open(process.stdout.strip(), encoding="utf-8") as file:
            text = file.read()
        self.assertIn("| reports by default | what it is confident of by this or more: a 0.2, b 0.5, c 0.3 |", text)
        self.assertIn("| **overall**, photos squeezed |  | - | - | 100.00 | 100.00 | 100.00 |", text)


if __name__ == "__main__":
    unittest.main()
