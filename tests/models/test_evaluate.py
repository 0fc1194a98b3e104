#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/evaluation/evaluate.py: results of a random model serve as the ground truth, so that all metrics are known.

Requires the plugin and its introspection data. With the photos and checkpoints of ../shared, where those are, there is one
test more.
"""

import csv
import itertools
import json
import os
import subprocess
import sys
import unittest
import xml.etree.ElementTree

import common
import numpy as np

EVALUATION = os.path.join(common.MODELS, "evaluation")
sys.path.append(EVALUATION)
sys.path.append(os.path.join(common.TESTS, "golden"))
import material  # noqa: E402

try:
    from PIL import Image
    from plugin import Dicenet, GLib, Plugin
except (ImportError, SystemExit) as error:
    print(f"SKIP: {error}")
    sys.exit(common.SKIPPED)
try:
    import torch

    TORCH = torch.__version__
except ImportError:
    TORCH = None

import metrics  # noqa: E402
import pictures  # noqa: E402
from errors import ModelError  # noqa: E402

AGAINST = ["--against-pytorch"] if TORCH else []
SIZES = ((64, 48), (96, 80), (50, 70), (81, 33))
DATA = os.path.join(common.SHARED, "data")
CHECKPOINT = os.path.join(common.SHARED, "models", "edgenets", "dicenet_s_0.5_pascal_384x384.pth")
# Tolerance of the elements, in percent of IoU, relative to the same network in PyTorch.
IOU_MARGIN = 0.3


def photo(seed, size):
    """Coloured blobs."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


class TestCase(common.TestCase):
    def model(self, task, *options):
        path = self.path("model.safetensors")
        script = os.path.join(common.TESTS, "reference", "random_model.py")
        subprocess.run([sys.executable, script, path, "--task", task, "--size", "64x48", *options], check=True)
        return path

    def photos(self, folder=""):
        os.makedirs(self.path(folder), exist_ok=True)
        for i, size in enumerate(SIZES):
            photo(i, size).save(self.path(folder, f"{i}.png"))
        return [photo(i, size) for i, size in enumerate(SIZES)]

    def truth(self, path, photos, size=(64, 48), precision="auto"):
        plugin = Plugin(path, properties=[("precision", precision)])
        found = [plugin.run(p, size) for p in photos]
        plugin.close()
        return found, plugin.labels

    def evaluate(self, *arguments, precision="auto"):
        report = self.path("report.json")
        options = "--set", f"precision={precision}", "--json", report, "--force"
        process = common.run_script(os.path.join("evaluation", "evaluate.py"), *arguments, *options, timeout=300)
        self.assertEqual(process.returncode, 0, process.stderr)
        with open(report, encoding="utf-8") as file:
            return json.load(file), process.stdout

    def refused(self, *arguments):
        return common.run_script(os.path.join("evaluation", "evaluate.py"), *arguments)

    def coco(self, photos, found, labels, threshold=0.0, labelled=None):
        annotations = []
        for image, f in enumerate(found):
            for box, label, score in zip(*f):
                bbox = [*box[:2], *(box[2:] - box[:2])]
                if score >= threshold:
                    annotations.append({"image_id": image, "category_id": int(label), "bbox": list(map(float, bbox))})
        images = [{"id": i, "file_name": f"{i}.png"} for i in range(len(photos))]
        for image in images:
            image.update({} if labelled is None else {"labelled": labelled})
        categories = [{"id": i, "name": name} for i, name in enumerate(labels) if i]
        return self.write("list.json", {"images": images, "annotations": annotations, "categories": categories})

    def write(self, name, content):
        return self.file(name, json.dumps(content).encode())


# Teachers of a's and b's alone, that find one a in the corner of each photo.
SCRIPT = """
from types import SimpleNamespace
import numpy as np
VOC = ["b", "a"]
class Teacher:
    s = SimpleNamespace(get_inputs=lambda: [SimpleNamespace(name="x", shape=[1, 3, 32, 48])], run=lambda *given: None)
    def __call__(self, bgr):
        assert bgr.dtype == np.uint8 and bgr.shape[2] == 3
        return np.array([[0, 0, 10, 10.0]]), np.array([[0, 0.9]])
Yolox = Nanodet = Picodet = Teacher
def nms(boxes, scores, floor):
    return boxes, scores.argmax(1), scores.max(1)
"""


class Compare(TestCase):
    def call(self, *arguments):
        script = os.path.join("evaluation", "compare.py")
        return common.run_script(script, *arguments, "--rounds", "2", "--output", self.folder, timeout=300)

    def check_names(self):
        """In the plot; none is drawn over another."""
        texts = xml.etree.ElementTree.parse(self.path("detectors.svg")).findall(".//{*}text[@fill]")
        self.assertEqual(len(texts), 5)
        boxes = [(float(t.get("x")), float(t.get("y")), 7 * len(t.text)) for t in texts]
        for (left, y, width), (other, height, further) in itertools.combinations(boxes, 2):
            beside = left + width <= other or other + further <= left
            self.assertTrue(beside or abs(y - height) >= 12, [t.text for t in texts])

    def test_compare(self):
        model = self.model("detect", "--classes", "3", "--labels", "background,a,b", "--objects", "60")
        photos = self.photos()
        found, labels = self.truth(model, photos)
        listed = self.coco(photos, found, labels)
        self.file("run_teacher.py", SCRIPT.encode())
        teachers = ("--teachers", self.folder)
        process = self.call(listed, model, model + "@32x32", *teachers)
        self.assertEqual(process.returncode, 0, process.stderr)
        with open(self.path("detectors.csv"), encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        name = os.path.splitext(os.path.basename(model))[0]
        expected = [name, name, "YOLOX-nano", "NanoDet-Plus-m", "PicoDet-S"]
        self.assertEqual([row["detector"] for row in rows], expected)
        self.assertEqual({row["precision"] for row in rows[2:]}, {"float32"})
        self.assertEqual([row["size"] for row in rows], ["64 x 48", "32 x 32", *["48 x 32"] * 3])
        self.assertEqual((rows[0]["AP50"], rows[0]["AP50:95"]), ("100.0", "100.0"))
        self.assertLess(float(rows[1]["AP50"]), 100)
        self.assertEqual(rows[2]["AP50"], "0.0")  # nothing is there
        self.assertTrue(all(float(row["ms"]) >= 0 for row in rows))
        # An a in the corner of each photo is found by the teachers.
        corner = [metrics.Found(np.array([[0, 0, 10, 10.0]]), np.array([1]), np.ones(1)) for _ in photos]
        process = self.call(self.coco(photos, corner, labels), model, "--precision", "int8,float32", *teachers)
        self.assertEqual(process.returncode, 0, process.stderr)
        with open(self.path("detectors.csv"), encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["AP50"] for row in rows][2:], ["100.0"] * 3)
        self.assertEqual([row["precision"] for row in rows][:2], ["int8", "float32"])
        points = xml.etree.ElementTree.parse(self.path("detectors.svg")).findall(".//{*}circle")
        self.assertEqual(len(points), 5)
        self.check_names()
        other = self.model("detect", "--classes", "2", "--labels", "background,a")
        self.assert_failed(self.call(listed, other, *teachers), "expected a detector of the teachers' classes, it has no b")
        self.assert_failed(self.call(listed, model, "--teachers", self.path("none")), "found no run_teacher.py")
        process = self.call(listed, model, "--precision", "float33", *teachers)
        self.assertEqual(process.returncode, 2)
        self.assertIn("'float33': expected some of auto, float32", process.stderr)
        tags = self.model("classify", "--classes", "3", "--labels", "a,b,c", "--multi-label")
        self.assert_failed(self.call(listed, tags, *teachers), "expected a detector")


class Evaluate(TestCase):
    def test_segment(self):
        model = self.model("segment", "--classes", "5")
        photos = self.photos("images")
        masks, labels = self.truth(model, photos, precision="float32")
        for i, (p, mask) in enumerate(zip(photos, masks)):
            os.makedirs(self.path("masks"), exist_ok=True)
            p.save(self.path("images", f"{i}.jpg"), format="PNG")  # lossless
            Image.fromarray(mask).save(self.path("masks", f"{i}.png"))
        listed = self.file("list.txt", b"0\n1\n2\n3\n")
        report, text = self.evaluate(model, listed, "--min-photos", "1", *AGAINST, precision="float32")
        self.assertAlmostEqual(report["overall"]["iou"], 1)
        self.assertIn("IoU", text)
        if TORCH:
            self.assertGreater(report["agreement"]["equal pixels"], 0.999)
        report, _ = self.evaluate(model, listed, "--min-photos", "1", precision="bfloat16")
        self.assertGreater(report["overall"]["iou"], 0.5)
        # Half of one mask gets another class, and a strip of it becomes unknown.
        wrong = masks[1].copy()
        wrong[:, :48] = (wrong[:, :48] + 1) % 5
        wrong[:7] = 255
        Image.fromarray(wrong).save(self.path("masks", "1.png"))
        expected = metrics.segmentation(masks, [masks[0], wrong, *masks[2:]], 5)["iou"]
        report, _ = self.evaluate(model, listed, "--min-photos", "1", precision="float32")
        for label, figures in report["classes"].items():
            self.assertAlmostEqual(figures["iou"], expected[labels.index(label)])
        self.assertLess(report["overall"]["iou"], 1)

    def test_fits(self):
        """Photos with different inference sizes keep their own ground truth."""
        model = self.model("segment", "--classes", "5")
        photos = self.photos("images")
        os.makedirs(self.path("masks"))
        listed = self.file("list.txt", b"0\n1\n2\n3\n")
        for fit in ("shape", "letterbox"):
            for i, p in enumerate(photos):
                view = pictures.view(p.size, (64, 48), fit)
                (mask,), _ = self.truth(model, [view.frame(p)], view.size)
                p.save(self.path("images", f"{i}.jpg"), format="PNG")
                Image.fromarray(view.on_photo(mask, p.size)).save(self.path("masks", f"{i}.png"))
            report, _ = self.evaluate(model, listed, "--min-photos", "1", "--fit", fit)
            self.assertAlmostEqual(report["overall"]["iou"], 1)
        report, _ = self.evaluate(model, listed, "--min-photos", "1", "--shape", "1:1")
        self.assertLess(report["overall"]["iou"], 1)

    def test_detect(self):
        model = self.model("detect", "--classes", "4", "--labels", "background,a,b,c", "--objects", "60")
        photos = self.photos()
        found, labels = self.truth(model, photos, precision="float32")
        self.assertGreater(min(len(f.boxes) for f in found), 0)
        listed = self.coco(photos, found, labels)
        report, _ = self.evaluate(model, listed, *AGAINST, precision="float32")
        self.assertAlmostEqual(report["overall"]["ap50"], 1)
        self.assertAlmostEqual(report["overall"]["ap"], 1)
        if TORCH:
            self.assertGreater(report["agreement"]["detections that the other has too"], 0.98)
        # A class that is annotated nowhere is not measured, and an excluded class is not in the mean.
        report, _ = self.evaluate(model, self.coco(photos, found, labels, labelled=[1]), precision="float32")
        self.assertEqual(list(report["classes"]), ["a"])
        listed = self.coco(photos, [f._replace(labels=np.minimum(f.labels, 2)) for f in found], labels)
        report, text = self.evaluate(model, listed, "--classes", "a", precision="float32")
        self.assertAlmostEqual(report["overall"]["ap50"], 1)
        self.assertIn("not in the mean", text)

    def test_classify(self):
        model = self.model("classify", "--classes", "7")
        photos = self.photos()
        for i, p in enumerate(photos):
            (scores,), _ = self.truth(model, [pictures.view(p.size, (64, 48), "centre").frame(p)])
            self.assertAlmostEqual(scores.sum(), 1, places=5)
            # The label of the first photo is the least likely of seven classes.
            folder = self.path("photos", str(scores.argmax()) if i else f"class {scores.argmin()}")
            os.makedirs(folder, exist_ok=True)
            p.save(os.path.join(folder, f"{i}.png"))
        report, _ = self.evaluate(model, self.path("photos"))
        self.assertEqual(report["overall"], {"top1": 0.75, "top5": 0.75})

    def test_several_labels(self):
        model = self.model("classify", "--classes", "7", "--multi-label")
        photos = self.photos()
        found, labels = self.truth(model, photos, precision="float32")
        self.assertGreater(max(f[1:].max() for f in found), 0.5)
        # Category 0 marks regions to ignore, so no photo has the first class.
        boxes = np.array([(0.0, 0, 9, 9)] * 6)
        listed = self.coco(photos, [metrics.Found(boxes, range(1, 7), f[1:]) for f in found], labels, threshold=0.5)
        report, text = self.evaluate(model, listed, *AGAINST, precision="float32")
        self.assertAlmostEqual(report["overall"]["overall f1"], 1)
        self.assertAlmostEqual(report["overall"]["f1"], 1)
        self.assertIn("overall F1: 100.00", text)
        if TORCH:
            self.assertLess(report["agreement"]["largest difference in confidence"], 1e-3)

    def test_library(self):
        """The element's results equal the library's."""
        model = self.model("segment", "--classes", "5")
        p = photo(3, (90, 60))
        (mask,), _ = self.truth(model, [p], (90, 60))
        options = Dicenet.Options()
        options.set_backend(Dicenet.Backend.CPU)
        options.set_precision(Dicenet.Precision.AUTO)
        request = Dicenet.Request()
        request.set_size(*p.size)
        session = Dicenet.Session.new(Dicenet.Model.load(model), options)
        result = session.run_bytes(GLib.Bytes(p.tobytes()), Dicenet.PixelFormat.RGB, *p.size, request)
        np.testing.assert_array_equal(mask.ravel(), np.frombuffer(result.get_mask(0).get_data(), np.uint8))


class Names(TestCase):
    def test_names(self):
        """Models are found by name in DICENET_MODEL_PATH, then in models/."""
        self.photos("images")
        os.makedirs(self.path("masks"))
        for i, size in enumerate(SIZES):
            os.rename(self.path("images", f"{i}.png"), self.path("images", f"{i}.jpg"))
            Image.fromarray(np.zeros(size[::-1], np.uint8)).save(self.path("masks", f"{i}.png"))
        listed = self.file("list.txt", b"0\n1\n")
        os.rename(self.model("segment", "--classes", "5"), self.path("my-model.safetensors"))
        script = os.path.join("evaluation", "evaluate.py")
        own = {"DICENET_MODEL_PATH": self.folder}
        process = common.run_script(script, "my-model", listed, "--min-photos", "1", env=own)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("my-model.safetensors on 2 photos", process.stdout)
        process = common.run_script(script, "none", listed, env=own)
        self.assert_failed(process, "'none'", f"{self.folder}, {common.MODELS}", "DICENET_MODEL_PATH")


class Errors(TestCase):
    @common.long_test
    def test_arguments(self):
        model = self.model("segment", "--classes", "5")
        self.photos("images")
        listed = self.file("list.txt", b"0\n")
        for arguments, parts in (
            (("none.safetensors", listed), ("none.safetensors",)),
            ((model, self.path("none.txt")), ("none.txt", "cannot be read")),
            ((model, self.path("images")), ("segment", "text file")),
            ((model, self.file("empty.txt", b"")), ("empty.txt", "no photos")),
            ((model, listed), ("no photo 0.jpg", "images")),
            ((model, self.write("list.json", {"images": []})), ("list.json", "categories")),
            ((model, self.file("broken.json", b"{")), ("broken.json", "COCO")),
        ):
            self.assert_failed(self.refused(*arguments), *parts)
        photo(1, (64, 48)).save(self.path("images", "0.jpg"))
        os.makedirs(self.path("masks"))
        Image.fromarray(np.zeros((48, 64), np.uint8)).save(self.path("masks", "0.png"))
        process = self.refused(model, listed, "--set", "labels-file=/none.txt")
        self.assert_failed(process, "/none.txt", "cannot be opened")
        self.assertNotIn("CRITICAL", process.stderr)
        for wrong in ("speed=high", "precision=high"):
            self.assert_failed(self.refused(model, listed, "--set", wrong), "dicenetsegment", wrong.partition("=")[0])
        for place in model, listed:
            self.assert_failed(self.refused(model, listed, "--json", place, "--force"), "is read")
        self.assert_failed(self.refused(model, listed, "--json", self.file("mine.json", b"mine")), "--force")
        for arguments in (
            ("--size", "20x20"),
            ("--set", "speed"),
            ("--shape", "16"),
            ("--fit", "stretch"),
            ("--border", "0,0,256"),
            ("--limit", "0"),
        ):
            process = self.refused(model, listed, *arguments)
            self.assertEqual(process.returncode, 2)
            self.assertIn(arguments[0], process.stderr)

    def test_masks(self):
        model = self.model("segment", "--classes", "5")
        os.makedirs(self.path("masks"))
        os.makedirs(self.path("images"))
        photo(1, (64, 48)).save(self.path("images", "a.jpg"))
        listed = self.file("list.txt", b"a\n")
        for mask, parts in (
            (np.full((48, 64), 5, np.uint8), ("found 5",)),
            (np.zeros((48, 63), np.uint8), ("64x48", "63x48")),
            (np.zeros((48, 64, 3), np.uint8), ("palette", "RGB")),
        ):
            Image.fromarray(mask).save(self.path("masks", "a.png"))
            self.assert_failed(self.refused(model, listed), "a.png", *parts)
        self.file(os.path.join("masks", "a.png"), b"no picture")
        self.assert_failed(self.refused(model, listed), "a.png", "cannot be read as a picture")

    @common.long_test
    def test_lists(self):
        model = self.model("detect", "--classes", "4", "--labels", "background,a,b,c")
        content = {
            "images": [{"id": 1, "file_name": "0.png"}],
            "annotations": [],
            "categories": [{"id": 1, "name": "x"}],
        }
        self.assert_failed(self.refused(model, self.write("l.json", content)), "none of its categories", "(x)", "a, b")
        content["categories"][0]["name"] = "a"
        listed = self.write("l.json", content)
        self.assert_failed(self.refused(model, listed), "0.png")
        self.photos()
        self.assert_failed(self.refused(model, listed), "often enough")
        self.assert_failed(self.refused(model, listed, "--classes", "z"), "z is no label")
        self.assert_failed(self.refused(model, listed, "--fit", "centre"), "single label")
        content["annotations"] = [{"image_id": 2, "category_id": 1, "bbox": [0, 0, 1, 1]}]
        self.assert_failed(self.refused(model, self.write("l.json", content)), "l.json", "2")
        for bad in ([0, 0, -1, 1], [0, float("nan"), 1, 1], [1e308, 0, 1, 1], [0, 0, 1]):
            content["annotations"] = [{"image_id": 1, "category_id": 1, "bbox": bad}]
            self.assert_failed(self.refused(model, self.write("l.json", content)), "l.json", "COCO")
        content["images"] *= 2
        self.assert_failed(self.refused(model, self.write("l.json", content)), "l.json", "one id")
        del content["images"][1]
        model = self.model("classify", "--classes", "7")
        content["categories"][0]["name"] = "class 1"
        content["annotations"] = []
        self.assert_failed(self.refused(model, self.write("l.json", content)), "gives one label")


    def test_what_is_no_file(self):
        """A FIFO does not block, and an endless file is not read."""
        fifo = self.fifo("fifo")
        detect = self.model("detect", "--classes", "3")
        os.symlink("/dev/zero", self.path("zero.json"))
        os.symlink(fifo, self.path("fifo.json"))
        os.symlink(fifo, self.path("0.png"))
        photos = {
            "images": [{"id": 1, "file_name": "0.png"}],
            "annotations": [],
            "categories": [{"id": 1, "name": "class 1"}],
        }
        for listed in self.path("zero.json"), self.path("fifo.json"):
            self.assert_failed(self.refused(detect, listed), listed, "not a regular file")
        self.assert_failed(self.refused(detect, self.write("l.json", photos)), "0.png", "not a regular file")
        self.assert_failed(self.refused(fifo, self.folder), "not a regular file")
        os.mkdir(self.path("photos"))
        os.mkdir(self.path("photos", "class 1"))
        os.symlink(fifo, self.path("photos", "class 1", "a.png"))
        self.assert_failed(self.refused(self.model("classify", "--classes", "3"), self.path("photos")), "a.png", "not a regular file")


class Views(unittest.TestCase):
    def test_sizes(self):
        for fit, expected in (
            ("squeeze", (0, 0, 320, 200, (96, 64))),
            ("shape", (0, 0, 320, 200, (102, 64))),
            ("area", (0, 0, 320, 200, (99, 62))),
            ("letterbox", (0, -7, 320, 206, (96, 64))),
            ("centre", (29, 12, 291, 187, (96, 64))),
            ("native", (0, 0, 320, 200, (320, 200))),
        ):
            found = pictures.view((320, 200), (96, 64), fit)
            self.assertEqual((found.left, found.top, found.right, found.bottom, found.size), expected, fit)

    def test_letterbox(self):
        """Results on the frame are moved to the photo and clipped to it."""
        found = pictures.view((100, 40), (64, 64), "letterbox")
        frame = found.frame(photo(1, (100, 40)))
        self.assertEqual(frame.size, (100, 100))
        self.assertEqual(frame.getpixel((50, 29)), (0, 0, 0))
        self.assertEqual(frame.getpixel((50, 30)), photo(1, (100, 40)).getpixel((50, 0)))
        coloured = pictures.view((100, 40), (64, 64), "letterbox", (1, 2, 3)).frame(photo(1, (100, 40)))
        self.assertEqual(coloured.getpixel((50, 29)), (1, 2, 3))
        boxes = metrics.Found(np.array([(10.0, 20, 50, 60), (0, 0, 10, 25)]), np.array([1, 2]), np.array([0.9, 0.8]))
        moved = found.on_photo(boxes, (100, 40))
        np.testing.assert_array_equal(moved.boxes, [(10, 0, 50, 30)])
        self.assertEqual((list(moved.labels), list(moved.scores)), ([1], [0.9]))
        mask = np.arange(100, dtype=np.uint8)[:, None].repeat(100, axis=1)
        np.testing.assert_array_equal(found.on_photo(mask, (100, 40)), mask[30:70])

    def test_cut(self):
        """The centre of a photo in another shape, and the visible part of its objects."""
        edges = pictures.middle((320, 200), 1.0)
        self.assertEqual(edges, (60, 0, 260, 200))
        boxes = np.array([(0.0, 0, 50, 50), (50, 0, 70, 50), (0, 0, 65, 50), (100, 10, 200, 100)])
        none = np.zeros((0, 4)), np.zeros(0, np.int64)
        objects = metrics.Objects(boxes, np.array([1, 2, 3, 4]), *none, frozenset((1, 2, 3, 4)))
        found = pictures.cut(objects, edges)
        np.testing.assert_array_equal(found.boxes, [(0, 0, 10, 50), (40, 10, 140, 100)])
        np.testing.assert_array_equal(found.labels, [2, 4])
        np.testing.assert_array_equal(found.ignored, [(0, 0, 5, 50)])
        np.testing.assert_array_equal(found.ignored_labels, [3])


class Photos(TestCase):
    def test_included(self):
        """The elements see in a real picture what the reference saw, pixel by pixel."""
        golden, metadata = material.read(material.find("segment-voc"), self.folder)
        height, width = golden["argmax_2"].shape
        os.makedirs(self.path("images"))
        os.makedirs(self.path("masks"))
        Image.fromarray(golden["pixels_2"]).save(self.path("images", "0.jpg"), "PNG")
        Image.fromarray(golden["argmax_2"]).save(self.path("masks", "0.png"))
        model, listed = material.model_of(metadata, self.folder), self.file("list.txt", b"0\n")
        report, _ = self.evaluate(model, listed, "--min-photos", "1", "--size", f"{width}x{height}")
        seen = {name: entry["iou"] for name, entry in report["classes"].items() if entry["iou"] is not None}
        self.assertLessEqual({"background", "person"}, set(seen))
        self.assertGreater(min(seen.values()), 0.99, seen)


class MorePhotos(TestCase):
    def test_published(self):
        listed = os.path.join(DATA, "segment_val.txt")
        model = self.path("model.safetensors")
        self.assertEqual(common.run_script("convert.py", CHECKPOINT, model).returncode, 0)
        options = "--limit", "6", "--min-photos", "2", "--size", "256x256"
        report, text = self.evaluate(model, listed, *options, *AGAINST, precision="float32")
        print(text)
        self.assertGreater(report["classes"]["background"]["iou"], 0.7)
        if TORCH:
            difference = 100 * (report["overall"]["iou"] - report["pytorch"]["overall"]["iou"])
            self.assertLess(abs(difference), IOU_MARGIN)


if not os.path.exists(CHECKPOINT) or not os.path.exists(DATA):
    del MorePhotos

if __name__ == "__main__":
    unittest.main()
