#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The shipped models: each has the task in its name, labels and a card, and is installed."""

import glob
import json
import os
import subprocess
import sys
import unittest

import common

LIMIT = 25_000_000  # bytes
PATHS = sorted(glob.glob(os.path.join(glob.escape(common.MODELS), "dicenet-*.safetensors")))
OBJECTS = 20  # VOC's classes


if not PATHS:
    print(f"skipped: no {common.MODELS}/dicenet-*.safetensors")
    sys.exit(common.SKIPPED)


def name_of(path):
    return os.path.basename(path).removesuffix(".safetensors")


class Shipped(common.TestCase):
    def test_contents(self):
        with open(os.path.join(common.MODELS, "labels", "voc.txt"), encoding="utf-8") as file:
            voc = file.read().split()
        for path in PATHS:
            with self.subTest(name_of(path)):
                self.assertLess(os.path.getsize(path), LIMIT)
                text = subprocess.run([os.environ["DICENET"], "info", "--json", path], check=True, capture_output=True).stdout
                about = json.loads(text)
                self.assertEqual(about["task"], name_of(path).split("-")[1])
                if about["task"] == "classify":
                    self.assertTrue(about["multi_label"])
                    self.assertEqual(about["labels"], voc[-OBJECTS:])
                else:
                    self.assertEqual((about["labels"], about["background"]), (voc, 0))

    def test_cards(self):
        for path in PATHS:
            with self.subTest(name_of(path)):
                with open(path.removesuffix("safetensors") + "md", encoding="utf-8") as file:
                    self.assertGreater(len(file.read()), 1000, "a card tells more than that")

    def test_installed(self):
        with open(os.path.join(common.MODELS, "meson.build"), encoding="utf-8") as file:
            build = file.read()
        for path in PATHS:
            self.assertIn(f"'{name_of(path)}'", build)


if __name__ == "__main__":
    unittest.main()
