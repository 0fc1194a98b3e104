#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/convert.py and models/fetch.py on published checkpoints: that in published/, and all of ../shared where it is."""

import glob
import io
import json
import os
import pickle
import struct
import unittest
import zipfile
from collections import OrderedDict

import common
import numpy as np

INCLUDED = os.path.join(common.TESTS, "models", "published")
MORE = sorted(glob.glob(os.path.join(common.SHARED, "models", "*", "*.pth")))
CHECKPOINTS = MORE or sorted(glob.glob(os.path.join(INCLUDED, "*.pth")))
EDGENETS = os.path.join(common.SHARED, "models", "edgenets") if MORE else INCLUDED

# Known properties of each file: task, scale, classes, size, background, number of labels; pyramid or decoder width.
EXPECTED = {
    "dicenet_s_0.2_pascal_256x256": ("segment", "0.2", "21", "256x256", "0", 21, "16"),
    "dicenet_s_0.5_pascal_384x384": ("segment", "0.5", "21", "384x384", "0", 21, "16"),
    "dicenet_s_1.0_city_1024x512": ("segment", "1.0", "20", "1024x512", "19", 20, "16"),
    "dicenet_s_1.0_pascal_256x256": ("segment", "1.0", "21", "256x256", "0", 21, "16"),
    "dicenet_s_1.0_pascal_384x384": ("segment", "1.0", "21", "384x384", "0", 21, "16"),
    "dicenet_s_1.75_city_1024x512": ("segment", "1.75", "20", "1024x512", "19", 20, "16"),
    "dicenet_s_1.75_pascal_384x384": ("segment", "1.75", "21", "384x384", "0", 21, "16"),
    "dicenet_0.2_random_legacy": ("classify", "0.2", "1000", "224x224", "-1", 0, "false"),
    "dicenet_1.0_random_zip": ("classify", "1.0", "1000", "224x224", "-1", 0, "false"),
    "ssd300_0.5_voc_pyramid": ("detect", "0.5", "21", "300x300", "0", 21, "true"),
    "ssd512_0.5_voc_plain": ("detect", "0.5", "21", "512x512", "0", 21, "false"),
}

# Trained parameters in millions, as published.
PARAMETERS = {
    ("classify", "0.2"): 1.131,
    ("classify", "1.0"): 1.806,
    ("segment", "0.2"): 0.047,
    ("segment", "0.5"): 0.076,
    ("segment", "1.0"): 0.283,
    ("segment", "1.75"): 0.808,
}


class Unpickler(pickle.Unpickler):
    """Python's unpickler, for trusted files, as another reader to compare with."""

    def find_class(self, module, name):
        return {"OrderedDict": OrderedDict, "_rebuild_tensor_v2": lambda *arguments: arguments[:4]}.get(name, name)

    def persistent_load(self, identity):
        return identity


def trusted_read(path):
    """Arrays of a checkpoint by name. Every tensor of these files is contiguous and has its own storage."""
    kinds = {"FloatStorage": "<f4", "LongStorage": "<i8"}
    if zipfile.is_zipfile(path):
        archive = zipfile.ZipFile(path)
        program = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        state = Unpickler(io.BytesIO(archive.read(program))).load()
        contents = {v[0][2]: archive.read(program[:-8] + "data/" + v[0][2]) for v in state.values()}
    else:
        with open(path, "rb") as file:
            for _ in range(3):
                Unpickler(file).load()
            state = Unpickler(file).load()
            sizes = {v[0][2]: np.dtype(kinds[v[0][1]]).itemsize for v in state.values()}
            contents = {
                key: file.read(sizes[key] * struct.unpack("<q", file.read(8))[0]) for key in Unpickler(file).load()
            }
    return {name: np.frombuffer(contents[v[0][2]], kinds[v[0][1]]).reshape(v[2]) for name, v in state.items()}


class Published(common.TestCase):
    def test_every_checkpoint(self):
        self.assertTrue(CHECKPOINTS)
        if MORE:
            self.assertLessEqual(set(EXPECTED), {os.path.basename(path)[:-4] for path in MORE})
        for path in CHECKPOINTS:
            stem = os.path.basename(path)[:-4]
            with self.subTest(stem):
                target = self.path(stem + ".safetensors")
                process = common.run_script("convert.py", path, target)
                self.assertEqual((process.returncode, process.stderr), (0, ""))
                arrays, metadata = common.read_model(target)
                self.check_arrays(arrays, trusted_read(path))
                self.check_description(arrays, metadata, EXPECTED.get(stem))

    def check_arrays(self, found, expected):
        expected = {name: array for name, array in expected.items() if not name.endswith("num_batches_tracked")}
        self.assertEqual(set(found), set(expected))
        for name, array in expected.items():
            self.assertEqual((found[name].shape, found[name].tobytes()), (array.shape, array.tobytes()), name)

    def check_description(self, arrays, metadata, expected):
        labels = json.loads(metadata.get("labels", "[]"))
        if expected:
            last = {"segment": "decoder_width", "detect": "pyramid", "classify": "multi_label"}[metadata["task"]]
            keys = ("task", "scale", "classes", "size", "background")
            self.assertEqual((*(metadata[key] for key in keys), len(labels), metadata[last]), expected)
        self.assertEqual(metadata["kernel_size"], "224x224")
        count = sum(array.size for name, array in arrays.items() if "running_" not in name)
        published = PARAMETERS.get((metadata["task"], metadata["scale"]))
        if published and metadata["classes"] in ("21", "1000"):
            self.assertEqual(round(count / 1e6, 3), published)

    def test_fetch_from_a_folder(self):
        # Their names there and here, and the number of the background.
        wanted = [("segment-0.2-voc-256", "dicenet_s_0.2_pascal_256x256", 0)]
        if MORE:
            wanted.append(("dicenet_s_1.75_city_1024x512", "dicenet_s_1.75_city_1024x512", 19))
        names, stems, backgrounds = zip(*wanted)
        process = common.run_script("fetch.py", "--mirror", EDGENETS, "--output", self.folder, *names)
        paths = [self.path(stem + ".safetensors") for stem in stems]
        self.assertEqual((process.returncode, process.stderr, process.stdout.split()), (0, "", paths))
        for path, background in zip(paths, backgrounds):
            _, metadata = common.read_model(path)
            self.assertEqual(json.loads(metadata["labels"])[background], "background")
            self.assertTrue(metadata["source"].endswith(".pth"))

    def test_manifest_has_their_checksums(self):
        from fetch import Manifest

        manifest = Manifest(os.path.join(common.MODELS, "manifest.json"))
        for path in glob.glob(os.path.join(EDGENETS, "*.pth")):
            entry = manifest.find(os.path.basename(path))
            self.assertIsNone(entry.flaw(path))
            self.assertTrue(entry.sha256 and entry.size)


if __name__ == "__main__":
    unittest.main()
