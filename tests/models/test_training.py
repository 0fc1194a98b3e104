#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""models/training on generated photos of discs and squares: all layouts, all tasks, resuming, packing, export.

    test_training.py [DICENET]      DICENET: the program, to compare its outputs with PyTorch's

Skipped without PyTorch or Pillow.
"""

import contextlib
import copy
import csv
import glob
import gzip
import json
import os
import subprocess
import sys
import unittest
from unittest import mock

import common
import numpy as np
from common import reference

try:
    import torch
    from PIL import Image, ImageDraw
except ImportError as error:
    print(f"skipped: {error.name} is missing (apt install python3-torch python3-pil, or pip install torch pillow)")
    sys.exit(common.SKIPPED)

TRAINING = os.path.join(common.MODELS, "training")
sys.path.append(TRAINING)
import anchorfree  # noqa: E402
import augment  # noqa: E402
import boxes  # noqa: E402
import config as configs  # noqa: E402
import data  # noqa: E402
import dicenet  # noqa: E402
import fused  # noqa: E402
import guide  # noqa: E402
import judging  # noqa: E402
import losses  # noqa: E402
import optimise  # noqa: E402
import parallel  # noqa: E402
import sources  # noqa: E402
import start  # noqa: E402
import tasks  # noqa: E402
import train  # noqa: E402

import modelfile  # noqa: E402  of models/
from errors import ModelError  # noqa: E402
from network import Network  # noqa: E402

DICENET = None
torch.set_num_threads(1)
NAMES = ["disc", "square"]
PRIOR_SIZES = (7, 17, 27, 37, 47, 57, 68)  # SSD's at 64 pixels
COLOURS = {"disc": (220, 40, 40), "square": (40, 60, 220)}
XML = "<annotation>{}</annotation>"
OBJECT = (
    "<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin>"
    "<xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)

# Small enough for a busy CPU.
SMALL = ["scale = '0.1'", "size = [64, 64]", "kernel_size = 64", "batch = 8", "lr = 0.01", "weight_decay = 1e-3"]
SMALL += ["zoom = [0.9, 1.1]", "stretch = 1.05", "aspects = [1.0, 1.0]", "sides = [1.0, 1.0]", "ema = 0.9"]
SMALL += ["evaluations = 2"]


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def shapes(random, count, side=64):
    """Names and boxes, in whole pixels, of objects that do not overlap: one in each half of the picture."""
    found = []
    for i in range(count):
        size = int(random.integers(20, 30))
        x = int(random.integers(0, side // 2 - size + 1)) + i * side // 2
        y = int(random.integers(0, side - size + 1))
        found.append((NAMES[int(random.integers(2))], x, y, x + size, y + size))
    return found


def draw(random, found, side=64):
    """Returns photo and mask."""
    photo = Image.fromarray(random.integers(90, 140, (side, side, 3)).astype(np.uint8))
    mask = Image.new("P", (side, side))
    mask.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    for name, x0, y0, x1, y1 in found:
        for picture, ink in ((photo, COLOURS[name]), (mask, 1 + NAMES.index(name))):
            pen = ImageDraw.Draw(picture)
            (pen.ellipse if name == "disc" else pen.rectangle)((x0, y0, x1 - 1, y1 - 1), fill=ink)
    return photo, mask


def make_sets(root, count=32):
    """The same photos in VOC's layout and, by reference, in COCO's; other photos in a folder per class."""
    random = np.random.default_rng(1)
    ids, images, annotations = [], [], []
    for folder in ("JPEGImages", "SegmentationClass"):
        os.makedirs(os.path.join(root, "voc", folder))
    for i in range(count):
        found = shapes(random, 1 + i % 2)
        photo, mask = draw(random, found)
        ids.append(f"photo{i}")
        photo.save(os.path.join(root, "voc", "JPEGImages", ids[-1] + ".jpg"), quality=95)
        mask.save(os.path.join(root, "voc", "SegmentationClass", ids[-1] + ".png"))
        objects = "".join(OBJECT.format(n, 0, x0 + 1, y0 + 1, x1, y1) for n, x0, y0, x1, y1 in found)
        write(os.path.join(root, "voc", "Annotations", ids[-1] + ".xml"), XML.format(objects))
        images.append({"id": i, "file_name": f"voc/JPEGImages/{ids[-1]}.jpg", "width": 64, "height": 64})
        for n, x0, y0, x1, y1 in found:
            ring = [x0, y0, x1, y0, x1, y1, x0, y1]
            box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "category_id": 1 + NAMES.index(n)}
            annotations.append({"id": len(annotations), "image_id": i, "segmentation": [ring], **box})
    categories = [{"id": 0, "name": "_ignore_"}] + [{"id": 1 + i, "name": n} for i, n in enumerate(NAMES)]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    write(os.path.join(root, "boxes.json"), json.dumps(coco))
    write(os.path.join(root, "voc", "ImageSets", "Main", "train.txt"), "\n".join(ids[:-4]))
    write(os.path.join(root, "voc", "ImageSets", "Main", "val.txt"), "\n".join(ids[-4:]))
    for i in range(count):
        name = NAMES[i % 2]
        os.makedirs(os.path.join(root, "folder", name), exist_ok=True)
        found = [(name, *shapes(random, 1)[0][1:])]
        draw(random, found)[0].save(os.path.join(root, "folder", name, f"{i}.png"))


@contextlib.contextmanager
def pool_of_this_process(_, initializer, initargs):
    initializer(*initargs)
    yield mock.Mock(map=map)


class Training(common.TestCase):
    def setUp(self):
        super().setUp()
        make_sets(self.folder)

    def run_script(self, script, *arguments):
        command = [sys.executable, os.path.join(TRAINING, script), *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=600)

    def train(self, config, output, *arguments, settings=()):
        changes = [part for setting in (*SMALL, *settings) for part in ("--set", setting)]
        places = ("--data", self.folder, "--output", self.path(output))
        process = self.run_script("train.py", config, *places, "--device", "cpu", *changes, *arguments)
        self.assertEqual(process.returncode, 0, process.stderr)
        return process

    def rows(self, output):
        with open(self.path(output, "history.csv"), encoding="utf-8") as file:
            return [{key: float(x or "nan") for key, x in row.items()} for row in csv.DictReader(file)]

    def metrics(self, output):
        with open(self.path(output, "metrics.json"), encoding="utf-8") as file:
            return next(iter(json.load(file).values()))

    def learned(self, output):
        rows = self.rows(output)
        self.assertLess(rows[-1]["loss"], 0.6 * rows[0]["loss"])
        with open(self.path(output, "history.svg"), encoding="utf-8") as file:
            self.assertIn("polyline", file.read())

    def compare_with_program(self, output, tolerance=2e-3, prior_sizes=None):
        """The program's outputs for the exported model equal PyTorch's."""
        if DICENET is None:
            return
        path = self.path(output, "model.safetensors")
        photo = Image.open(self.path("voc", "JPEGImages", "photo1.jpg")).convert("RGB")
        x = augment.normalise(torch.from_numpy(np.asarray(photo).transpose(2, 0, 1).copy())[None].float())
        modelfile.write(self.path("in.safetensors"), {"input": x.numpy()}, {})
        command = [DICENET, "run", path, self.path("in.safetensors"), self.path("out.safetensors")]
        ran = subprocess.run(command, text=True, capture_output=True, timeout=60)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        found = read_outputs(self.path("out.safetensors"))
        with torch.no_grad():
            expected = dicenet.load(path)(x)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for name, y in zip(("logits",) if len(expected) == 1 else ("confidences", "locations"), expected):
            y = y.numpy()
            self.assertLess(np.abs(found[name].reshape(y.shape) - y).max(), tolerance * np.abs(y).max(), name)
        if prior_sizes:
            priors = boxes.priors(photo.height, photo.width, prior_sizes).numpy()
            np.testing.assert_allclose(found["priors"].reshape(-1, 4), priors, atol=1e-6)

    # All tasks and layouts

    @common.long_test
    def test_classify_folders(self):
        self.train("classify", "out", "--train", "folder", "--epochs", 25, "--onnx", settings=["label_smoothing = 0"])
        self.learned("out")
        self.assertEqual(self.metrics("out")["top1"], 1.0)
        _, metadata = modelfile.read(self.path("out", "model.safetensors"))
        self.assertEqual(json.loads(metadata["labels"]), NAMES)
        self.assertEqual(json.loads(metadata["metrics"])["a tenth"]["top1"], 1.0)
        self.assertGreater(os.path.getsize(self.path("out", "model.onnx")), 10000)
        self.compare_with_program("out")

    def test_tags_coco(self):
        self.train("tags", "out", "--train", "boxes.json", "--validate", "voc@val", "--epochs", 30)
        self.learned("out")
        self.assertGreater(self.metrics("out")["f1"], 0.7)
        _, metadata = modelfile.read(self.path("out", "model.safetensors"))
        self.assertEqual(metadata["multi_label"], "true")
        own = self.metrics("out")["thresholds"]
        self.assertEqual(json.loads(metadata["thresholds"]), [own[name] for name in json.loads(metadata["labels"])])

    @common.long_test
    def test_detect_voc_and_judge(self):
        # It memorises a few photos, which are then evaluated under another name of their folder.
        few = "\n".join(f"photo{i}" for i in range(8))
        write(self.path("few.txt"), few)
        os.symlink("voc", self.path("same"))
        lists = ("--train", "voc@few.txt", "--validate", "same@few.txt")
        sizes = (9, 16, 24, 32, 42, 54, 68)
        settings = ["head = 'ssd'", f"prior_sizes = {list(sizes)}"]
        self.train("detect", "out", *lists, "--epochs", 70, settings=settings)
        self.learned("out")
        found = self.metrics("out")["ap50"]
        self.assertGreater(found, 0.6)
        self.compare_with_program("out", prior_sizes=sizes)
        _, metadata = modelfile.read(self.path("out", "model.safetensors"))
        common, own = self.metrics("out")["best_threshold"], self.metrics("out")["thresholds"]
        self.assertEqual(float(metadata["threshold"]), common)
        names = json.loads(metadata["labels"])
        self.assertEqual(names[0], "background")
        self.assertEqual(sorted(names[1:]), sorted(own))
        self.assertEqual(json.loads(metadata["thresholds"]), [common] + [own[name] for name in names[1:]])
        self.assertGreater(self.metrics("out")["best_f1"], 0.6)
        # The exported model is as accurate, and has its own class names.
        judged = ("--evaluate", self.path("out", "model.safetensors"))
        process = self.train("detect", "other", *lists, *judged, settings=settings)
        self.assertAlmostEqual(json.loads(process.stdout)["same@few.txt"]["ap50"], found, delta=0.05)

    @common.long_test
    def test_detect_anchor_free_and_guided(self):
        few = "\n".join(f"photo{i}" for i in range(8))
        write(self.path("few.txt"), few)
        os.symlink("voc", self.path("same"))
        lists = ("--train", "voc@few.txt", "--validate", "same@few.txt")
        settings = ["head_width = 16", "context_width = 24"]
        self.train("detect", "out", *lists, "--epochs", 70, settings=settings)
        self.learned("out")
        self.assertGreater(self.metrics("out")["ap50"], 0.6)
        self.compare_with_program("out")
        _, metadata = modelfile.read(self.path("out", "model.safetensors"))
        self.assertEqual(metadata["head"], "anchor-free")
        # The model says what it is and its size.
        judged = ("--evaluate", self.path("out", "model.safetensors"))
        process = self.run_script("train.py", "detect", "--data", self.folder, "--device", "cpu", *lists, *judged)
        self.assertEqual(process.returncode, 0, process.stderr)
        found = json.loads(process.stdout)["same@few.txt"]["ap50"]
        self.assertAlmostEqual(found, self.metrics("out")["ap50"], delta=0.05)
        # A guide that knows where the objects are makes up for annotations that say nothing.
        photos = sources.read(["voc@few.txt"], self.path())[0]
        self.make_guide(photos)
        settings += [f"guide = '{self.path('guide')}'"]
        self.train("detect", "guided", *lists, "--epochs", 40, settings=settings)
        self.assertGreater(self.metrics("guided")["ap50"], 0.6)

    def test_priors_are_of_ssd_only(self):
        """Those of a configuration, or of the first model, mean nothing to another head."""
        model = self.path("ssd.safetensors")
        arrays = common.random_arrays("detect", 0.1, 3, "dicenet", (64, 64), False, 16, "ssd")
        modelfile.write(model, arrays, {"size": "64x64", "prior_sizes": json.dumps(PRIOR_SIZES)})
        settings = ["head = 'anchor-free'", "head_width = 8", "context_width = 8"]
        self.make_guide(sources.read(["voc"], self.path())[0])
        settings += [f"guide = '{self.path('guide')}/'"]
        options = ("--train", "voc@train", "--validate", "voc@val", "--epochs", 1, "--init", model)
        self.train("detect", "out", *options, settings=settings)
        _, metadata = modelfile.read(self.path("out", "model.safetensors"))
        self.assertEqual(metadata["head"], "anchor-free")
        self.assertNotIn("prior_sizes", metadata)
        used = json.loads(metadata["training"])["config"]
        self.assertEqual((used["guide"], used["init"]), ("guide", "ssd.safetensors"))  # without folders

    def make_guide(self, records, names=NAMES):
        """Writes what a perfect detector would say of the whole photos."""
        photos = data.Photos(records, names, 64, torch.device("cpu"))
        cells, made = boxes.cells(guide.SIDE, guide.SIDE), []
        for i in range(len(records)):
            batch = photos.batch(torch.tensor([i]))
            scores, edges = np.zeros((len(cells), len(names)), np.float32), np.zeros((len(cells), 4), np.float32)
            for box, label in zip(batch.boxes[0], batch.classes[0]):
                inside = anchorfree.near(cells, box[None])[:, 0] & (cells[:, 2] * 2 < (box[2] - box[0]))
                scores[inside, label], edges[inside] = 0.9, box.numpy()
            window = np.array([[0, 0, 64, 64]], np.float32)
            made.append((window, np.array([False]), [guide.Worker.keep(scores, edges)]))
        os.makedirs(self.path("guide"), exist_ok=True)
        guide.write(self.path("guide", "round-0.npz"), made)
        named = [guide.of_photo(r, self.folder) for r in records]
        write(self.path("guide", guide.ABOUT), json.dumps({"photos": named, "names": names, "rounds": 1}))

    def test_guides_that_cannot_be_used(self):
        photos = sources.read(["voc@train"], self.path())[0]
        self.make_guide(photos[:-1])
        with self.assertRaisesRegex(ModelError, "1 photos are not in it, .*: make it for these sources"):
            guide.Guide(self.path("guide"), photos, self.folder, NAMES)
        with self.assertRaisesRegex(ModelError, "expected a guide for square, disc, found one for disc, square"):
            guide.Guide(self.path("guide"), photos[:-1], self.folder, NAMES[::-1])
        with self.assertRaisesRegex(ModelError, "none/guide.json: cannot be read .*: guide.py makes a guide"):
            guide.Guide(self.path("none"), photos, self.folder, NAMES)
        write(self.path("guide", guide.ABOUT), "[]")
        with self.assertRaisesRegex(ModelError, "could not make sense of it"):
            guide.Guide(self.path("guide"), photos, self.folder, NAMES)
        self.make_guide(photos)
        made = guide.Guide(self.path("guide"), photos, self.folder, NAMES)
        windows, flips, _ = made.draw(torch.tensor([0, 1]), torch.device("meta"))  # where the photos are
        self.assertEqual((windows.device.type, flips.device.type), ("meta", "meta"))
        round_0 = self.path("guide", "round-0.npz")
        good = dict(np.load(round_0))
        for key, value in (
            ("windows", good["windows"][1:]),
            ("scores", good["scores"][:, :1]),
            ("starts", good["starts"] + 1),
            ("cells", good["cells"] + 4000),
        ):
            np.savez(round_0, **{**good, key: value})
            with self.assertRaisesRegex(ModelError, "could not make sense of it"):
                guide.Guide(self.path("guide"), photos, self.folder, NAMES)
        for text in ("", "no archive"):
            write(round_0, text)
            with self.assertRaisesRegex(ModelError, "could not make sense of it"):
                guide.Guide(self.path("guide"), photos, self.folder, NAMES)
        write(self.path("guide", guide.ABOUT), json.dumps({"photos": [], "names": NAMES, "rounds": 0}))
        with self.assertRaisesRegex(ModelError, "at least one round"):
            guide.Guide(self.path("guide"), photos, self.folder, NAMES)
        for settings, said in (
            (["guide = 'x'", "head = 'ssd'"], "guide = 'x': expected none but for detect with the anchor-free head"),
            (["head = 'yolo'"], "head = 'yolo': expected one of ssd, anchor-free"),
            (["head_width = 0"], "head_width = 0: expected 1 to"),
        ):
            with self.assertRaisesRegex(ModelError, said):
                configs.read("detect", [*settings, "train = ['boxes.json']"])

    def test_guides_that_cannot_be_made(self):
        def fails(said, config="detect", arguments=()):
            given = ("--data", self.folder, "--train", "boxes.json", "--detector", "x.onnx")
            process = self.run_script("guide.py", config, *given, "--output", self.path("made"), *arguments)
            self.assertIn(process.returncode, (1, 2))
            self.assertRegex(process.stderr.splitlines()[-1], said)
            self.assertNotIn("Traceback", process.stderr)

        fails("error: --rounds: expected 1 or more, found 0", arguments=("--rounds", 0))
        fails("error: --processes: expected 1 or more, found -1", arguments=("--processes", -1))
        fails("^error: task = 'classify': expected detect", config="tags")
        fails("^error: (onnxruntime is missing|x.onnx: cannot be loaded)")
        self.assertFalse(os.path.exists(self.path("made")))

    def test_guides_by_detectors(self):
        """The detector's classes, without the background, and its outputs are checked."""
        shapes = [(1, n, values) for values in (80, 32) for n in (2704, 676, 169, 49)]
        session = mock.Mock(run=lambda _, __: [np.zeros(shape, np.float32) for shape in shapes])
        session.get_inputs.return_value = [mock.Mock()]
        onnxruntime = mock.Mock(InferenceSession=lambda *_, **__: session)
        settings = ["train = ['voc']", "classes = ['background', 'sheep', 'sofa']", "photo_side = 64"]
        config = configs.read("detect", settings)
        with mock.patch.dict(sys.modules, onnxruntime=onnxruntime):
            with mock.patch.object(guide, "ProcessPoolExecutor", pool_of_this_process):
                given = ["detect", "--data", self.folder, "--detector", "x", "--output", self.path("made")]
                guide.make(config, guide.parse([*given, "--rounds", "1"]))
            photos = sources.read(["voc@val"], self.path())[0]
            made = guide.Guide(self.path("made"), photos, self.folder, ["sheep", "sofa"])
            self.assertEqual(made.classes, 2)
            shapes.pop()
            with self.assertRaisesRegex(ModelError, "x.onnx: expected a PicoDet with outputs of .*, found"):
                guide.PicoDet("x.onnx", ["sheep"])
            session.run = mock.Mock(side_effect=RuntimeError("the input has 320 pixels"))
            with self.assertRaisesRegex(ModelError, "a PicoDet for 416 x 416 pixels: the input has 320 pixels"):
                guide.PicoDet("x.onnx", ["sheep"])

    @common.long_test
    def test_segment_masks_and_teacher(self):
        names = ("--classes", "background,disc,square")
        self.train("segment", "teacher", "--train", "voc@train", "--validate", "voc@val", "--epochs", 35, *names)
        self.learned("teacher")
        self.assertGreater(self.metrics("teacher")["miou"], 0.45)
        self.compare_with_program("teacher")
        # Distillation without masks, with batches of different sizes, starting from the teacher's encoder.
        teacher = self.path("teacher", "model.safetensors")
        options = ("--teacher", teacher, "--init", teacher, "--epochs", "2", *names)
        lists = ("--train", "folder", "--validate", "voc@val")
        self.train("segment", "pupil", *lists, *options, settings=["sides = [0.5, 2.0]"])
        self.assertGreater(self.metrics("pupil")["miou"], 0.45)

    @common.long_test
    def test_frozen_parts_stay(self):
        options = ("--train", "boxes.json", "--validate", "voc@val", "--epochs", "1")
        self.train("tags", "first", *options, settings=["dtype = 'f32'"])
        first = self.path("first", "model.safetensors")
        init = (*options, "--init", first)
        self.train("tags", "levels", *init, settings=["dtype = 'f32'", "frozen_levels = 3"])
        self.train("tags", "norm", *init, settings=["dtype = 'f32'", "frozen_norm = true"])
        began, levels, norm = (
            modelfile.read(self.path(output, "model.safetensors"))[0] for output in ("first", "levels", "norm")
        )
        for name, array in began.items():
            is_frozen = name.startswith(("level1.", "level2.", "level3."))
            is_statistic = name.endswith((".running_mean", ".running_var"))
            # The average of equal numbers is rounded.
            self.assertEqual(np.allclose(array, levels[name], rtol=1e-5), is_frozen, name)
            self.assertEqual(np.allclose(array, norm[name], rtol=1e-5), is_statistic, name)
        self.check_average("levels", "norm")

    def check_average(self, *runs):
        folders = [self.path(run) for run in runs]
        last = os.path.join(folders[-1], "model.safetensors")
        arrays, metadata = modelfile.read(last)
        modelfile.write(last, arrays, {**metadata, "int8_ranges": "[]", "int8_means": "[]"})
        process = self.run_script("average.py", *folders, "--output", self.path("mean"))
        self.assertEqual(process.returncode, 0, process.stderr)
        mean, metadata = modelfile.read(process.stdout.strip())
        each = [modelfile.read(os.path.join(folder, "model.safetensors"))[0] for folder in folders]
        for name, array in mean.items():
            np.testing.assert_allclose(array, (each[0][name] + each[1][name]) / 2, rtol=1e-5, atol=1e-7)
        self.assertFalse({"metrics", "int8_ranges", "int8_means"} & set(metadata), "what belongs to a single run")
        self.assertEqual(json.loads(metadata["training"])["averaged"], 2)
        weights = torch.load(self.path("mean", "weights.pth"), weights_only=True)
        np.testing.assert_array_equal(weights["level1.cbr.0.weight"].numpy(), mean["level1.cbr.0.weight"])
        process = self.run_script("average.py", *folders, self.path("voc"), "--output", self.path("other"))
        self.assert_failed(process, "weights.pth is not there", "a run of train.py")
        self.assert_failed(self.run_script("average.py", *folders, "--output", self.path("mean")), "--force")
        os.symlink(runs[0], self.path("link"))
        process = self.run_script("average.py", *folders, "--output", self.path("link"), "--force")
        self.assert_failed(process, "is read")
        for name, array in modelfile.read(os.path.join(folders[0], "model.safetensors"))[0].items():
            np.testing.assert_array_equal(array, each[0][name])

    @common.long_test
    def test_outputs_of_others_stay(self):
        """Files with the names of a run's outputs that do not belong to a run, and the initial model of a run, are not
        overwritten."""
        options = ("--data", self.folder, "--train", "folder", "--epochs", "1", "--device", "cpu")
        for name in "model.safetensors", "history.csv":
            os.makedirs(self.path(name + ".d"))
            write(self.path(name + ".d", name), "mine")
            for more in (), ("--resume",):
                output = ("--output", self.path(name + ".d"))
                self.assert_failed(self.run_script("train.py", "classify", *options, *output, *more), name + " exists")
            self.assertEqual(os.listdir(self.path(name + ".d")), [name])
        out = self.path("out")
        os.makedirs(out)
        write(os.path.join(out, "checkpoint.pt"), "")
        arrays = common.random_arrays("classify", 0.1, 2, "dicenet", (64, 64))
        modelfile.write(os.path.join(out, "model.safetensors"), arrays, {})
        init = ("--init", os.path.join(out, "model.safetensors"), "--output", out, "--resume")
        self.assert_failed(self.run_script("train.py", "classify", *options, *init), "is read")

    @common.long_test
    def test_resume_is_exact(self):
        options = ("--train", "boxes.json", "--validate", "voc@val", "--epochs", "3")
        settings = ["sides = [0.5, 1.5]", "dropout = 0.3", "batch = 4", "accumulate = 2"]
        settings += ["optimizer = 'muon'"]
        self.train("tags", "whole", *options, settings=settings)
        self.train("tags", "parts", *options, "--stop-after", "1e-9", settings=settings)
        for _ in range(20):
            if os.path.exists(self.path("parts", "model.safetensors")):
                break
            self.train("tags", "parts", *options, "--resume", "--stop-after", "0.03", settings=settings)
        losses = [[row["loss"] for row in self.rows(output)] for output in ("whole", "parts")]
        self.assertEqual(*losses)
        whole, parts = (modelfile.read(self.path(output, "model.safetensors"))[0] for output in ("whole", "parts"))
        for name, array in whole.items():
            np.testing.assert_array_equal(array, parts[name], name)

    @common.long_test
    def test_processes(self):
        """Two processes give the same result as one with two parts per batch, and resuming is exact."""
        plain = ["zoom = [1.0, 1.0]", "stretch = 1.0", "focus = 0.0", "flip = false", "colour = 0.0", "batch = 8"]
        options = ("--train", "boxes.json", "--validate", "voc@val", "--epochs", "2")
        runs = {"one": ["accumulate = 2"], "two": ["processes = 2"], "parts": ["processes = 2"]}
        for output, settings in runs.items():
            stop = ("--stop-after", "1e-9") if output == "parts" else ()
            self.train("detect", output, *options, *stop, settings=plain + settings)
        self.train("detect", "parts", *options, "--resume", settings=plain + runs["parts"])
        one, two, parts = (torch.load(self.path(run, "weights.pth"), weights_only=True) for run in runs)
        for name, weight in one.items():
            self.assertTrue(torch.equal(two[name], parts[name]), name)
            if "running" not in name:  # statistics are from the first process's part
                torch.testing.assert_close(two[name], weight, rtol=1e-2, atol=1e-3, msg=name)

    def test_process_is_lost(self):
        """If any process is lost, the others end with an error instead of waiting forever."""
        for lost in (1, 2):
            net = torch.nn.Linear(3, 1)
            team = parallel.Team(net, 3)
            if team.rank == lost:
                os._exit(1)
            try:
                net(torch.ones(2, 3)).sum().backward()
                self.assertRaisesRegex(ModelError, "is gone", team.add_up, 0.5)
            finally:
                if team.rank:
                    os._exit(2)  # if it had continued
            team.end()

    def test_processes_want_a_processor(self):
        places = ("--data", self.folder, "--train", "boxes.json", "--output", self.path("none"))
        process = self.run_script("train.py", "detect", *places, "--device", "meta", "--set", "processes = 2")
        self.assert_failed(process, "processes = 2", "--device cpu")

    # Components

    def test_layouts_agree(self):
        voc, names = sources.read(["voc"], self.folder)
        coco, coco_names = sources.read(["boxes.json"], self.folder)
        self.assertEqual(sorted(coco_names), names)
        self.assertEqual({r.photo: r.boxes for r in voc}, {r.photo: [tuple(b) for b in r.boxes] for r in coco})
        both, _ = sources.read(["voc@train", "boxes.json"], self.folder)
        self.assertEqual(len(both), len(voc))
        self.assertTrue(all(r.mask or r.polygons for r in both))

    def test_packed_is_the_same(self):
        places = ("--data", self.folder, "--output", self.path("packed"), "--limit", 0.02)
        process = self.run_script("pack.py", *places, "voc@train", "boxes.json", "folder")
        self.assertEqual(process.returncode, 0, process.stderr)
        shards = glob.glob(self.path("packed", "*"))
        self.assertGreater(len(shards), 2)
        self.assertLess(max(map(os.path.getsize, shards)), 0.03 * 2**20)
        names = ["background", *NAMES]
        for source in ("voc@train", "boxes.json"):
            loaded = []
            for root in (self.folder, self.path("packed")):
                records, found = sources.read([source], root)
                records.sort(key=lambda r: os.path.basename(r.photo))
                loaded.append((data.Photos(records, names, 64, torch.device("cpu"), masks=True), found))
            (a, a_names), (b, b_names) = loaded
            self.assertEqual(a_names, b_names)
            for x, y in zip(vars(a.memory).values(), vars(b.memory).values()):
                self.assertTrue((x is None and y is None) or torch.equal(x, y))
        with self.assertRaisesRegex(ModelError, "nothing packed as other; it has boxes.json, folder, voc@train"):
            sources.read(["other"], self.path("packed"))
        self.check_packing_again(shards)

    def check_packing_again(self, shards):
        """Existing shards are replaced with --force only, all of them, and never if they are inputs."""
        places = ("--data", self.folder, "--output", self.path("packed"))
        self.assert_failed(self.run_script("pack.py", *places, "voc@train"), "--force")
        packed = ("--data", self.path("packed"), "--output", self.path("packed", "."), "--force")
        self.assert_failed(self.run_script("pack.py", *packed, "voc@train"), "are read")
        photo = self.path("voc", "JPEGImages", "photo1.jpg")
        os.rename(photo, photo + ".away")
        os.makedirs(photo)  # unreadable, after others were packed
        self.assert_failed(self.run_script("pack.py", *places, "voc@train", "--force"), "photo1.jpg")
        self.assertEqual(sorted(glob.glob(self.path("packed", "*"))), sorted(shards))
        os.rmdir(photo)
        os.rename(photo + ".away", photo)
        self.assertEqual(self.run_script("pack.py", *places, "voc@train", "--force").returncode, 0)
        self.assertEqual(os.listdir(self.path("packed")), ["shard-000.zip"])

    def soft_set(self, labels, labelled=(2,), extra=()):
        """A list with a photo of a square, and soft labels for it; returns the names of both files."""
        with open(os.path.join(self.folder, "boxes.json"), encoding="utf-8") as file:
            coco = json.load(file)
        image = {**coco["images"][0], "file_name": os.path.join(self.folder, coco["images"][0]["file_name"])}
        square = {"id": 1, "image_id": 0, "category_id": 2, "bbox": [8, 8, 16, 16]}
        coco = {**coco, "images": [{**image, "labelled": list(labelled)}], "annotations": [square, *extra]}
        write(self.path("one.json"), json.dumps(coco))
        content = {"images": {image["file_name"]: labels}}
        with gzip.open(self.path("soft.json.gz"), "wt") as file:
            json.dump(content, file)
        return sources.read(["one.json"], self.path())[0]

    def test_soft_labels_fill_in_what_is_not_labelled(self):
        disc, weak, absent = [1, 0.6, 0.5, 0.5, 1, 1], [1, 0.2, 0, 0, 0.25, 0.25], [1, 0.1, 0, 0, 1, 1]
        square = [2, 0.9, 0, 0, 0.5, 0.5]  # annotated square
        records = self.soft_set([disc, weak, absent, square])
        sources.add_soft(records, "soft.json.gz", self.path(), NAMES, (0.15, 0.35))
        batch = data.Photos(records, NAMES, 64, torch.device("cpu")).batch(torch.tensor([0]))
        self.assertEqual(batch.classes.tolist(), [[1, 0, data.IGNORE]])
        expected = [[0.125, 0.125, 0.375, 0.375], [0.5, 0.5, 1, 1], [0, 0, 0.25, 0.25]]
        np.testing.assert_allclose(batch.boxes[0].numpy(), expected)
        np.testing.assert_allclose(batch.scores[0].numpy(), [1, 0.6, 0.2])
        self.assertEqual(batch.labelled.tolist(), [[True, True]])

    def test_scores_of_annotations(self):
        disc = {"id": 2, "image_id": 0, "category_id": 1, "bbox": [0, 0, 8, 8], "score": 0.5}
        records = self.soft_set([], extra=[disc])
        batch = data.Photos(records, NAMES, 64, torch.device("cpu")).batch(torch.tensor([0]))
        self.assertEqual(batch.scores.tolist(), [[1, 0.5]])
        with self.assertRaisesRegex(ModelError, "expected a score from 0 to 1, found 7"):
            self.soft_set([], extra=[{**disc, "score": 7}])

    def test_soft_labels_that_cannot_be_used(self):
        for labels, labelled, said in (
            ([[3, 0.6, 0, 0, 1, 1]], (2,), "expected a category from 1 to 2, a score and a box, found"),
            ([[1, 60, 0, 0, 1, 1]], (2,), "expected a score from 0 to 1, found 60"),
            ([[1, 0.6, 0, 0]], (2,), "expected a category from 1 to 2, a score and a box, found"),
            ([["disc"]], (2,), "could not make sense"),
            ([[1, 0.6, 0, 0, 1, 1]], (1, 2), "none of the 1 photos to train on is in it"),
        ):
            records = self.soft_set(labels, labelled)
            with self.assertRaisesRegex(ModelError, said):
                sources.add_soft(records, "soft.json.gz", self.path(), NAMES, (0.15, 0.35))
        write(self.path("plain.json.gz"), "{}")
        for name, said in (("none.json", "No such file"), ("plain.json.gz", "Not a gzipped file")):
            with self.assertRaisesRegex(ModelError, said):
                sources.add_soft(records, name, self.path(), NAMES, (0.15, 0.35))
        for value in ("[0.5, 0.2]", "[0.1]", "['a', 'b']", "[0.1, 2]"):
            with self.assertRaisesRegex(ModelError, "soft_range"):
                configs.read("dicenet-detect", [f"soft_range = {value}"])
        with self.assertRaisesRegex(ModelError, "soft = .*: expected none but for detect and multi_label"):
            configs.read("classify", ["soft = 'soft.json'", "train = ['boxes.json']"])

    def test_streamed_is_the_same(self):
        records, _ = sources.read(["voc"], self.folder)
        order = [torch.tensor([3, 1]), torch.tensor([0, 2])]
        batches = [
            list(data.Photos(records, ["background", *NAMES], 64, torch.device("cpu"), True, streamed).batches(order))
            for streamed in (False, True)
        ]
        for a, b in zip(*batches):
            for x, y in zip(vars(a).values(), vars(b).values()):
                self.assertTrue(torch.equal(x, y))

    @common.long_test
    def test_errors(self):
        def fails(*parts, config="detect", arguments=("--train", "voc")):
            self.assert_failed(self.run_script("train.py", config, "--data", self.folder, *arguments), *parts)

        fails("nonsense", "is no setting", arguments=("--train", "voc", "--set", "nonsense = 1"))
        fails("lr", "expected float", arguments=("--train", "voc", "--set", "lr = 'high'"))
        fails("scale", "expected one of", arguments=("--train", "voc", "--set", "scale = '3'"))
        fails("zoom", "expected numbers", arguments=("--train", "voc", "--set", "zoom = ['a', 1]"))
        fails("often", "expected numbers from 1 on", arguments=("--train", "voc", "--set", "often = {voc = 0.5}"))
        for sizes in ("[1, 2, 3, 4, 5, 5, 6]", "[1, 2, 3, 4, 5, 6, 8193]"):
            fails("prior_sizes", "expected seven", arguments=("--train", "voc", "--set", f"prior_sizes = {sizes}"))
        fails("frozen_levels = 4: expected --init", arguments=("--train", "voc", "--set", "frozen_levels = 4"))
        for key in ("frozen_norm", "frozen_encoder_norm"):
            fails(f"{key} = true: expected --init", arguments=("--train", "voc", "--set", f"{key} = true"))
        fails("nowhere", "expected a TOML file or one of", config="nowhere")
        fails("at least one source", arguments=())
        fails("none.json", "cannot be read", arguments=("--train", "none.json"))
        fails("expected boxes", arguments=("--train", "folder"))
        fails("expected masks", config="segment", arguments=("--train", "folder"))
        write(self.path("bad.json"), "{}")
        fails("bad.json", "could not make sense", arguments=("--train", "bad.json"))
        write(self.path("folder", "disc", "1.png"), "no picture")
        fails("1.png", "cannot be read as a picture", config="classify", arguments=("--train", "folder"))

    def test_the_first_model_says_what_the_network_is(self):
        arrays = common.random_arrays("detect", 0.2, 4, "dicenet", (64, 64), False, 16, "anchor-free", 9, 13)
        model = self.path("detector.safetensors")
        modelfile.write(model, arrays, {"size": "96x64"})
        given = {"init": model, "train": ["boxes.json"]}
        found = configs.read("detect", [], **given)
        self.assertEqual((found.scale, found.head, found.size), ("0.2", "anchor-free", [96, 64]))
        self.assertEqual((found.head_width, found.context_width, found.kernel_size), (9, 13, 64))
        found = configs.read("detect", ["scale = '0.5'", "head = 'ssd'"], **given)
        self.assertEqual((found.scale, found.head), ("0.5", "ssd"))
        found = configs.read("tags", [], **given)
        self.assertEqual((found.scale, found.size), ("0.2", [224, 224]))  # another task's size means nothing
        self.assertEqual(configs.read("detect", [], init="dicenet-detect", train=["a"]).scale, "1.75")
        with self.assertRaisesRegex(ModelError, "none.safetensors: cannot be read: No such file"):
            configs.read("detect", [], init="none.safetensors", train=["a"])

    def test_the_rate_of_a_given_backbone(self):
        """Lower than that of the head, which is given, too."""
        arrays = common.random_arrays("detect", 0.1, 4, "dicenet", (64, 64), False, 16, "anchor-free", 9, 13)
        model = self.path("slow.safetensors")
        modelfile.write(model, arrays, {"size": "64x64"})
        config = configs.read("detect", ["init_lr = 0.25", "lr = 1e-2"], init=model, train=["a"])
        run = train.Run(config, tasks.make(config, ["background", "a", "b", "c"]), torch.device("cpu"))
        rates = {id(w): group["initial_lr"] for group in run.optimizer.param_groups for w in group["params"]}
        for name, weight in run.net.named_parameters():
            self.assertAlmostEqual(rates[id(weight)], 2.5e-3 if "base_net.level" in name else 1e-2, msg=name)

    @common.long_test
    def test_what_is_judged(self):
        """The model says what the network is, in whatever the configuration differs."""
        arrays = common.random_arrays("detect", 0.2, 4, "dicenet", (64, 64), False, 16, "ssd")
        model, lists = self.path("ssd.safetensors"), {"train": ["boxes.json"]}
        modelfile.write(model, arrays, {"size": "96x64"})
        for name in ("detect", "dicenet-detect"):
            found = configs.read(name, [], model, **lists)
            self.assertEqual((found.scale, found.size, found.prior_sizes), ("0.2", [96, 64], None))
        self.assertFalse(found.pyramid)
        self.assertEqual(configs.read("detect", ["size = [64, 64]"], model, **lists).size, [64, 64])
        modelfile.write(model, arrays, {"size": "96x64", "prior_sizes": json.dumps(PRIOR_SIZES)})
        self.assertEqual(configs.read("dicenet-detect", [], model, **lists).prior_sizes, list(PRIOR_SIZES))

        def fails(config, *parts, data="boxes.json"):
            arguments = ("--data", self.folder, "--train", data, "--evaluate", model)
            self.assert_failed(self.run_script("train.py", config, *arguments), *parts)

        fails("classify", "ssd.safetensors: expected a classify network, found a detect network", data="folder")
        fails("detect", "ssd.safetensors: expected 3 classes, found 4")
        for key, text, said in (
            ("size", "large", "size: expected WIDTHxHEIGHT, found 'large'"),
            ("prior_sizes", "[1", "prior_sizes: expected JSON"),
            ("prior_sizes", "5", "prior_sizes: expected list, found 5"),
            ("labels", "[", "labels: expected JSON"),
        ):
            modelfile.write(model, arrays, {"size": "96x64", key: text})
            fails("detect", "ssd.safetensors", said)

    def test_backbone_of_any_network(self):
        """The backbone's tensors have other names in other networks."""
        cells = ("detect", 0.1, 4, "dicenet", (64, 64), False, 16, "anchor-free", 9, 13)
        nets = {"segment": ("segment", 0.1, 5, "dicenet", (64, 64)), "ssd": ("detect", 0.1, 3, "dicenet", (64, 64))}
        for name, given in {**nets, "anchor-free": cells}.items():
            with self.subTest(name):
                path = self.path(name + ".safetensors")
                arrays = common.random_arrays(*given)
                modelfile.write(path, arrays, {})
                net = dicenet.build(common.network_of(*cells))
                copied = start.initialise_from(net, "detect", path)
                state = {key: x for key, x in net.state_dict().items() if not key.endswith("num_batches_tracked")}
                levels = {key for key in state if key.startswith("base_net.level")}
                self.assertEqual(copied, set(state) if name == "anchor-free" else levels)
                theirs = {"ssd": "base_net.basenet."}.get(name, "base_net.")
                for key in levels:
                    np.testing.assert_array_equal(state[key], arrays[key.replace("base_net.", theirs)])

    def test_head_of_another_scale(self):
        """All but the backbone, and the first layers on it, whose channels differ."""
        cells = ("detect", 0.1, 4, "dicenet", (64, 64), False, 16, "anchor-free", 9, 13)
        path = self.path("head.safetensors")
        arrays = common.random_arrays("detect", 0.2, *cells[2:])
        modelfile.write(path, arrays, {})
        net = dicenet.build(common.network_of(*cells))
        copied = start.initialise_head_from(net, "detect", path)
        state = {key: x for key, x in net.state_dict().items() if not key.endswith("num_batches_tracked")}
        parts = {key.split(".")[0] for key in state} - {"base_net", "lateral"}
        self.assertEqual({key.split(".")[0] for key in copied} - {"lateral"}, parts)
        self.assertNotIn("lateral.0.cbr.0.weight", copied)
        self.assertLessEqual({key for key in state if key.startswith(("cls", "loc"))}, copied)
        for key in copied:
            np.testing.assert_array_equal(state[key], arrays[key])
        modelfile.write(path, common.random_arrays("segment", 0.1, 5, "dicenet", (64, 64)), {})
        with self.assertRaisesRegex(ModelError, "head.safetensors: nothing of it fits: expected a detect network"):
            start.initialise_head_from(net, "detect", path)


class Arithmetic(unittest.TestCase):
    def test_frozen_norm(self):
        """Which BatchNorm layers keep their statistics."""
        sizes = {"kernel_width": 64, "kernel_height": 64, "head_width": 8, "context_width": 8}
        net = dicenet.build(Network("detect", "0.2", classes=3, head="anchor-free", **sizes))
        encoder = ("base_net.level1.", "base_net.level2.", "base_net.level3.", "base_net.level4.")
        for settings, frozen in (
            ({}, ()),
            ({"frozen_levels": 2}, encoder[:2]),
            ({"frozen_levels": 2, "frozen_encoder_norm": True}, encoder),
            ({"frozen_norm": True}, ("",)),
        ):
            net.train()
            train.freeze_norm(net, configs.Config(task="detect", **settings))
            for name, module in net.named_modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    self.assertEqual(module.training, not name.startswith(frozen), (settings, name))

    def test_generalised_iou(self):
        unit = [0.0, 0.0, 1.0, 1.0]
        others = torch.tensor([unit, [0.5, 0, 1.5, 1], [0, 0, 0.5, 0.5], [2, 0, 3, 1]])
        _, found = boxes.aligned_ious(torch.tensor([unit]).expand(4, 4), others)
        # Hull 1.5, fully covered; one inside the other; a gap as large as each.
        np.testing.assert_allclose(found.numpy(), [1, 1 / 3, 0.25, -1 / 3], atol=1e-6)

    def test_boxes_are_learnt_by_near_priors(self):
        priors = boxes.priors(64, 64, PRIOR_SIZES)
        object_ = torch.tensor([[[0.2, 0.3, 0.6, 0.9]]])
        nothing = torch.zeros(1, len(priors), 3)
        locations = torch.zeros(1, len(priors), 4, requires_grad=True)
        given = priors, object_, torch.tensor([[1]]), torch.tensor([[True, True]])
        overlap = boxes.iou(object_[0], boxes.corners(priors))[0]
        near = overlap >= boxes.NEAR
        optimizer = torch.optim.Adam([locations], 0.05)
        for _ in range(300):
            optimizer.zero_grad()
            losses.ssd(nothing, locations, *given)[1].backward()
            self.assertTrue((locations.grad[0].abs().sum(1) > 0).equal(near))
            optimizer.step()
        found = boxes.decode(locations[0].detach(), priors)
        self.assertGreater(boxes.iou(object_[0], found[near]).min(), 0.9)

    def test_scores_say_how_well_boxes_fit(self):
        priors = boxes.priors(64, 64, PRIOR_SIZES)
        objects = torch.tensor([[[0.1, 0.1, 0.5, 0.5], [0.55, 0.5, 0.95, 0.98]]])
        locations = torch.zeros(1, len(priors), 4)  # so that the boxes equal the priors
        confidences = torch.zeros(1, len(priors), 3, requires_grad=True)
        optimizer = torch.optim.Adam([confidences], 0.1)
        for _ in range(500):
            optimizer.zero_grad()
            labelled = torch.tensor([[True, True]])
            losses.ssd(confidences, locations, priors, objects, torch.tensor([[0, 1]]), labelled)[0].backward()
            optimizer.step()
        scores = confidences[0].detach().softmax(1)
        for which, overlap in enumerate(boxes.iou(objects[0], boxes.corners(priors))):
            score = scores[overlap >= boxes.NEAR, 1 + which]
            overlap = overlap[overlap >= boxes.NEAR]
            np.testing.assert_allclose(score, overlap**2 / overlap.max(), atol=0.01)
            self.assertGreater(len(score), 3)
        near = (boxes.iou(objects[0], boxes.corners(priors)) >= boxes.NEAR).any(0)
        self.assertGreater(scores[~near, 0].min(), 0.5)

    def test_soft_objects_are_learnt_by_their_scores(self):
        priors = boxes.priors(64, 64, PRIOR_SIZES)
        object_ = torch.tensor([[[0.1, 0.1, 0.5, 0.5]]])
        known = object_, torch.tensor([[0]]), torch.tensor([[True, True]]), torch.tensor([[0.5]])
        locations = torch.zeros(1, len(priors), 4)
        confidences = torch.zeros(1, len(priors), 3, requires_grad=True)
        optimizer = torch.optim.Adam([confidences], 0.1)
        for _ in range(500):
            optimizer.zero_grad()
            losses.ssd(confidences, locations, priors, *known)[0].backward()
            optimizer.step()
        overlap = boxes.iou(object_[0], boxes.corners(priors))[0]
        near = overlap >= boxes.NEAR
        wanted = 0.5 * overlap[near] ** 2 / overlap.max()
        np.testing.assert_allclose(confidences[0].detach().softmax(1)[near, 1], wanted, atol=0.01)

    def test_nms(self):
        random = np.random.default_rng(1)
        corner = random.uniform(0, 0.6, (60, 2))
        found = np.concatenate((corner, corner + random.uniform(0.1, 0.4, (60, 2))), 1)
        scores = np.sort(random.uniform(0.1, 1, 60))[::-1].copy()
        expected = np.sort(reference.nms(found, scores, 0.45, 10))
        found, scores = torch.from_numpy(found), torch.from_numpy(scores)
        for load in (fused.load, lambda: False):  # with and without the C library
            with mock.patch.object(fused, "load", load):
                kept = boxes.nms(found, scores, 0.45)
                np.testing.assert_array_equal(np.sort(kept[:10]), expected)
                back = boxes.nms(found.flip(0), scores.flip(0), 0.45)
                np.testing.assert_array_equal(59 - back, kept)

    def test_detections(self):
        priors = boxes.priors(64, 64, PRIOR_SIZES)
        random = np.random.default_rng(2)
        confidences = 3 * random.standard_normal((2, len(priors), 4))
        locations = random.standard_normal((2, len(priors), 4))
        tensors = (torch.from_numpy(x).float() for x in (confidences, locations))
        tensors = list(tensors)
        found = boxes.detections(*tensors, priors, threshold=0.3, most=len(priors))
        few = boxes.detections(*tensors, priors, threshold=0.3, most=7)
        self.assertTrue(all((mine[2][:7] == least[2]).all() for mine, least in zip(found, few)))
        for c, l, mine in zip(confidences, locations, found):
            expected = reference.detections(c, l, priors.numpy(), 0.3, max_per_class=len(priors))
            order = np.argsort(-mine[2], kind="stable")
            self.assertEqual(len(order), len(expected[0]))
            np.testing.assert_allclose(mine[0][order], expected[0], atol=1e-4)
            np.testing.assert_array_equal(mine[1][order] + 1, expected[1])
            np.testing.assert_allclose(mine[2][order], expected[2], atol=1e-5)

    def learn_cells(self, *known, guided=None, steps=300):
        """Scores and boxes of cells that have learnt one photo."""
        cells = boxes.cells(96, 64)
        torch.manual_seed(1)
        logits = torch.full((1, len(cells), 2), -2.0, requires_grad=True)
        locations = torch.zeros(1, len(cells), 4, requires_grad=True)
        optimizer = torch.optim.Adam([logits, locations], 0.05)
        for _ in range(steps):
            optimizer.zero_grad()
            sum(anchorfree.loss(logits, locations, cells, *known, guided)).backward()
            optimizer.step()
        return cells, logits[0].detach().sigmoid(), boxes.decode_cells(locations[0].detach(), cells)

    def test_cells_learn_the_objects_around_them(self):
        objects = torch.tensor([[[0.1, 0.1, 0.5, 0.5], [0.55, 0.5, 0.95, 0.98], [0.79, 0.11, 0.83, 0.14], [0, 0, 0, 0]]])
        classes = torch.tensor([[0, 1, 0, data.NO_BOX]])
        labelled, sure = torch.tensor([[True, True]]), torch.tensor([[1.0, 0.5, 1.0, 1.0]])
        cells, scores, found = self.learn_cells(objects, classes, labelled, sure)
        overlap = boxes.iou(found, objects[0, :3])
        for i, (label, worth) in enumerate(((0, 1), (1, 0.5), (0, 1))):
            best = (scores[:, label] * (overlap[:, i] > 0.5)).argmax()
            self.assertGreater(overlap[best, i], 0.85)
            self.assertAlmostEqual(scores[best, label].item(), worth * overlap[best, i].item(), delta=0.1)
        away = ~anchorfree.near(cells, objects[0, :3]).any(1)
        self.assertGreater(away.sum(), 50)
        self.assertLess(scores[away].max(), 0.1)

    def test_what_cells_do_not_learn(self):
        # A region to ignore, and a class that is not annotated: their scores stay as they are.
        objects = torch.tensor([[[0.0, 0.0, 0.5, 0.5]]])
        ignored = objects, torch.tensor([[data.IGNORE]]), torch.tensor([[True, False]]), torch.tensor([[1.0]])
        cells, scores, _ = self.learn_cells(*ignored)
        inside = anchorfree.inside(cells[:, :2], objects[0])[:, 0]
        start = torch.tensor(-2.0).sigmoid()
        np.testing.assert_allclose(scores[inside], start, atol=1e-6)
        np.testing.assert_allclose(scores[:, 1], start, atol=1e-6)
        self.assertLess(scores[~inside, 0].max(), 0.05)

    def test_guides_say_what_is_elsewhere(self):
        cells = boxes.cells(96, 64)
        said, edges = torch.zeros(1, len(cells), 2), torch.zeros(1, len(cells), 4)
        said[0, 10], edges[0, 10] = torch.tensor([0.3, 0.6]), torch.tensor([0.1, 0.1, 0.4, 0.4])
        nothing = torch.zeros(1, 1, 4), torch.full((1, 1), data.NO_BOX), torch.tensor([[True, False]]), torch.ones(1, 1)
        _, scores, found = self.learn_cells(*nothing, guided=(said, edges))
        self.assertAlmostEqual(scores[10, 1].item(), 0.6, delta=0.02)
        self.assertLess(scores[10, 0].item(), 0.05)  # it is known to be absent
        np.testing.assert_allclose(found[10], edges[0, 10], atol=0.02)

    def test_nearest_cells_of_a_guide(self):
        for width, height in ((guide.SIDE, guide.SIDE), (64, 96), (320, 352)):
            mine, theirs = boxes.cells(height, width), boxes.cells(guide.SIDE, guide.SIDE)
            chosen = theirs[guide.nearest(height, width)]
            stride = (mine[:, 2] * width).round()
            self.assertTrue(((chosen[:, 2] * guide.SIDE).round() == stride).all())
            self.assertTrue(((chosen[:, :2] - mine[:, :2]).abs() <= chosen[:, 2:]).all())
            if width == guide.SIDE:
                self.assertTrue((chosen == mine).all())

    def test_tags_are_as_certain_as_the_objects(self):
        classes = torch.tensor([[0, 1, 1, data.NO_BOX], [data.IGNORE, 0, 0, 0]])
        scores = torch.tensor([[1.0, 0.2, 0.6, 1.0], [1.0, 0.1, 0.3, 0.2]])
        found = losses.present_classes(classes, 3, scores)
        np.testing.assert_allclose(found, [[1, 0.6, 0], [0.3, 0, 0]])

    def test_detections_of_cells(self):
        for width, height in ((64, 64), (33, 130), (320, 32)):
            cells = boxes.cells(height, width)
            np.testing.assert_allclose(cells, reference.cells(width, height), rtol=1e-6)
            random = np.random.default_rng(width)
            confidences = 3 * random.standard_normal((1, len(cells), 4)) - 2
            locations = 3 * random.standard_normal((1, len(cells), 4))
            tensors = (torch.from_numpy(x).float() for x in (confidences, locations))
            (mine,) = boxes.cell_detections(*tensors, cells, threshold=0.3, most=4 * len(cells))
            expected = reference.detections(
                confidences[0], locations[0], cells.numpy(), 0.3, max_per_class=len(cells), head="anchor-free"
            )
            self.assertGreater(len(expected[0]), 3)
            np.testing.assert_allclose(mine[0], expected[0], atol=1e-4)
            np.testing.assert_array_equal(mine[1] + 1, expected[1])
            np.testing.assert_allclose(mine[2], expected[2], atol=1e-5)

    def test_every_object_is_matched(self):
        priors = boxes.priors(64, 64, PRIOR_SIZES)
        found = torch.tensor([[[0.01, 0.01, 0.03, 0.03], [0.5, 0.5, 0.9, 0.9], [0.0, 0.6, 0.4, 1.0], [0, 0, 0, 0]]])
        classes = torch.tensor([[4, 2, data.IGNORE, data.NO_BOX]])
        target, which = boxes.match(priors, found, classes)
        self.assertEqual(set(target.unique().tolist()), {boxes.EXCLUDED, 0, 3, 5})
        for label, box in ((5, 0), (3, 1)):
            self.assertTrue((which[target == label] == box).all())
        # Priors near an object or in a region to ignore are not background.
        overlap = boxes.iou(found[0, :2], boxes.corners(priors)).max(0).values
        self.assertTrue((target[0, overlap >= boxes.NEAR] > 0).all())
        excluded = boxes.corners(priors)[target[0] == boxes.EXCLUDED]
        self.assertTrue((excluded[:, 0] < 0.4).all() and (excluded[:, 3] > 0.6).all())

    def test_unlabelled_classes_are_no_negatives(self):
        torch.manual_seed(1)
        priors = boxes.priors(64, 64, PRIOR_SIZES)
        confidences = torch.randn(1, len(priors), 4, requires_grad=True)
        locations = torch.zeros(1, len(priors), 4)
        nothing = torch.zeros(1, 1, 4), torch.full((1, 1), data.NO_BOX)

        def gradient(labelled):
            confidences.grad = None
            loss, _ = losses.ssd(confidences, locations, priors, *nothing, torch.tensor([labelled]))
            loss.backward()
            return loss.item(), confidences.grad[0]

        loss, slope = gradient([False, False, False])
        self.assertAlmostEqual(loss, 0, places=4)
        self.assertLess(slope.abs().max().item(), 1e-6)
        _, slope = gradient([True, False, True])
        hard = slope[slope.abs().sum(1) > 0]
        self.assertEqual(len(hard), losses.LEAST_NEGATIVES)
        self.assertTrue((hard[:, [1, 3]] > 0).all())  # absent: probability decreases
        self.assertTrue((hard[:, 2] < 0).all())  # unknown: equivalent to background

    def test_views_move_boxes_with_pixels(self):
        torch.manual_seed(2)
        canvas = torch.zeros(16, 3, 96, 96, dtype=torch.uint8)
        canvas[:, :, 20:50, 30:70] = 255  # in photos of 90 x 60
        sizes = torch.tensor([[90.0, 60.0]]).repeat(16, 1)
        box = (torch.tensor([30, 20, 70, 50]) / torch.tensor([90.0, 60, 90, 60])).repeat(16, 1, 1)
        batch = data.Batch(canvas, sizes, canvas[:, 0] // 255, box, torch.zeros(16, 1, dtype=torch.int64))
        recipe = configs.Config(zoom=[0.5, 2.0], stretch=1.5, colour=0.0)
        view = augment.views(batch, 128, 96, recipe)
        self.assertTrue((view.batch.classes == 0).any())
        for mask, found, inside in zip(view.batch.masks, view.batch.boxes, view.inside):
            rows, columns = torch.nonzero(mask == 1, as_tuple=True)
            seen = [columns.min() / 128, rows.min() / 96, (columns.max() + 1) / 128, (rows.max() + 1) / 96]
            np.testing.assert_allclose(found[0].numpy(), np.array(seen, np.float32), atol=0.021)
            self.assertTrue(((mask == data.UNKNOWN) == ~inside).all())
        white = augment.normalise(torch.full((3, 1, 1), 255.0))
        middle = view.batch.masks == 1
        bright = (view.x - white).abs().amax(1)[middle]
        self.assertGreater((bright < 0.01).float().mean().item(), 0.9)
        self.assertTrue((view.x.abs().amax(1)[~view.inside] == 0).all())

    def test_muon(self):
        torch.manual_seed(1)
        for shape in (20, 96), (96, 20):
            matrix = torch.randn(*shape) * torch.logspace(0, 2, shape[1])  # columns of very different sizes
            made = optimise.orthogonal(matrix)
            values = torch.linalg.svdvals(made)
            self.assertTrue(0.6 < values.min() and values.max() < 1.3, values)
            u, _, v = torch.linalg.svd(matrix, full_matrices=False)
            self.assertGreater(torch.nn.functional.cosine_similarity(made.flatten(), (u @ v).flatten(), 0), 0.97)
        # Its steps are as large as AdamW's, and all that is no matrix takes AdamW's.
        net = torch.nn.Sequential(torch.nn.Conv2d(32, 24, 1), torch.nn.Conv2d(24, 24, 3))
        groups = [{"params": list(net.parameters()), "lr": 1e-2, "weight_decay": 0.1}]
        other = copy.deepcopy(net)
        mine, theirs = optimise.Muon(groups), torch.optim.AdamW(other.parameters(), 1e-2, weight_decay=0.1)
        before = net[0].weight.clone()
        for _ in range(3):
            x = torch.randn(2, 32, 5, 5)
            for optimizer, of in (mine, net), (theirs, other):
                optimizer.zero_grad()
                of[1](x[:, :24]).square().sum().backward()
                of[0](x).square().sum().backward()
                optimizer.step()
        for a, b in zip(net[1].parameters(), other[1].parameters()):
            np.testing.assert_allclose(a.detach(), b.detach(), atol=1e-6)
        steps = [(of[0].weight - before).square().mean().sqrt().item() for of in (net, other)]
        self.assertGreater(steps[0], 0.1 * steps[1])
        self.assertLess(steps[0], steps[1])

    def test_average_precision(self):
        truth = np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]])
        found = np.array([[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0.5, 0.5, 1, 1]])
        photo = (found, np.array([0, 0, 0]), np.array([0.9, 0.8, 0.7]), truth, np.array([0, 0]), np.array([True]))
        figures = judging.average_precision([photo], ["a"])
        self.assertAlmostEqual(figures["ap50"], (1 + 2 / 3) / 2)
        # Two of two objects, and one more detection, up to 0.7; from 0.81 to 0.9 one of two, which is as good if what is
        # wrong counts twice: the middle of all that.
        self.assertEqual((figures["best_f1"], figures["best_threshold"]), (4 / 5, 0.43))
        self.assertEqual(figures["thresholds"], {"a": 0.43})
        ignored = (*photo[:3], np.vstack((truth, found[1:2])), np.array([0, 0, data.IGNORE]), photo[5])
        self.assertAlmostEqual(judging.average_precision([ignored], ["a"])["ap50"], 1)
        unknown = (*photo[:5], np.array([False]))
        self.assertEqual(judging.average_precision([unknown], ["a"])["classes"], {})

    def test_schedule(self):
        rates = [optimise.rate(f, 0.1, 0.01) for f in np.linspace(0, 1, 101)]
        self.assertEqual(int(np.argmax(rates)), 10)
        self.assertAlmostEqual(rates[-1], 0.01)
        self.assertAlmostEqual(max(rates), 1)

    def test_configurations(self):
        for path in glob.glob(os.path.join(TRAINING, "configs", "*.toml")):
            given = {} if os.path.basename(path)[:5] in ("dicen", "paper") else {"train": ["x"]}
            self.assertIn(configs.read(path, [], **given).task, ("classify", "segment", "detect"))
        self.assertEqual(configs.read("paper-150", []).batch, 512)
        recipe = configs.read("paper-300", [])
        self.assertEqual((recipe.epochs, recipe.batch, recipe.accumulate, recipe.label_smoothing), (300, 2048, 4, 0.1))

    def test_some_photos_are_seen_more_often(self):
        records = [sources.Record(f"{i // 50}/{i}", [("rare" if i == 0 else "common", 0, 0, 1, 1)]) for i in range(100)]
        photos = type("Photos", (), {"records": records})
        times = train.repeats(photos, 0.04, {})
        self.assertAlmostEqual(times[0].item(), 2, places=5)
        self.assertTrue((times[1:] == 1).all())
        times = train.repeats(photos, 0.0, {"1/": 3, "/99": 1.5})
        self.assertEqual(times.tolist(), 50 * [1] + 49 * [3] + [4.5])


def read_outputs(path):
    """Float tensors of the program's output; others, which modelfile does not support, are skipped."""
    with open(path, "rb") as file:
        content = file.read()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    return {
        name: np.frombuffer(content[end + entry["data_offsets"][0] : end + entry["data_offsets"][1]], "<f4")
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-") and os.path.exists(sys.argv[1]):
        DICENET = sys.argv.pop(1)
    unittest.main()
