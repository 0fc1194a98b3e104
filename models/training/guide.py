#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a guide for training a detector with the anchor-free head: what a trained detector says of fixed views of the
photos.

    guide.py CONFIG --data DIR --detector PICODET.onnx --output FOLDER [--rounds N] [--train SOURCE...]
    train.py CONFIG --data DIR --set 'guide = "FOLDER"'

The detector is a PicoDet of COCO's classes, exported to ONNX without its post-processing; it has the cells of the
anchor-free head (boxes.py). It sees N views of each photo, drawn as CONFIG says, which are all that the training sees,
though in other sizes and colours. Needs onnxruntime. docs/training.md says what a guide is good for.
"""

import argparse
import functools
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace
from zipfile import BadZipFile

import numpy as np
import torch

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import augment  # noqa: E402
import boxes  # noqa: E402
import config as configs  # noqa: E402
import data  # noqa: E402
import outfile  # noqa: E402
from errors import ModelError  # noqa: E402
from progress import Progress  # noqa: E402

SIDE = 416  # of the views that the detector sees
LEAST = 0.03  # minimum score of a cell to be kept
CHUNK = 64  # photos per task
BINS = 8  # PicoDet's distances are the means of distributions over 0..7 strides
# COCO's names where ours, which are VOC's, differ.
COCO = {"aeroplane": "airplane", "diningtable": "dining table", "motorbike": "motorcycle"}
COCO |= {"pottedplant": "potted plant", "sofa": "couch", "tvmonitor": "tv"}
ABOUT = "guide.json"


# Making one


class PicoDet:
    """Scores (C x classes) and boxes (C x 4, fractions) at all cells of a view."""

    def __init__(self, path, names):
        try:
            import onnxruntime
        except ImportError:
            raise ModelError("onnxruntime is missing: pip install onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no common class of its errors
            raise ModelError(f"{path}: cannot be loaded: {error}") from None
        self.input = self.session.get_inputs()[0].name
        coco = configs.read_names("coco.txt")[1:]
        unknown = [name for name in names if COCO.get(name, name) not in coco]
        if unknown:
            raise ModelError(f"{', '.join(unknown)}: the detector knows COCO's classes only (models/labels/coco.txt)")
        self.classes = [coco.index(COCO.get(name, name)) for name in names]
        self.cells = boxes.cells(SIDE, SIDE).numpy()
        self.check(path, len(coco))

    def run(self, view):
        return self.session.run(None, {self.input: view[None]})

    def check(self, path, classes):
        counts = [(-(-SIDE // stride)) ** 2 for stride in boxes.STRIDES]
        expected = [(1, count, values) for values in (classes, 4 * BINS) for count in counts]
        try:
            shapes = [x.shape for x in self.run(np.zeros((3, SIDE, SIDE), np.float32))]
        except Exception as error:  # as above
            raise ModelError(f"{path}: expected a PicoDet for {SIDE} x {SIDE} pixels: {error}") from None
        if shapes != expected:
            raise ModelError(f"{path}: expected a PicoDet with outputs of {expected}, found {shapes}")

    def __call__(self, view):
        found = self.run(view)
        scores = np.concatenate([x[0] for x in found[: len(found) // 2]])[:, self.classes]
        spread = np.concatenate([x[0] for x in found[len(found) // 2 :]]).reshape(-1, 4, BINS)
        spread = np.exp(spread - spread.max(-1, keepdims=True))
        distances = (spread / spread.sum(-1, keepdims=True)) @ np.arange(BINS, dtype=np.float32)
        centres, strides = self.cells[:, :2], self.cells[:, 2:]
        edges = centres - strides * distances[:, :2], centres + strides * distances[:, 2:]
        return scores, np.concatenate(edges, 1)


worker = None  # of a process of the pool


class Worker:
    def __init__(self, detector, photos, seed, recipe):
        torch.set_num_threads(1)
        self.detector = PicoDet(detector, photos.names)
        self.photos, self.seed, self.recipe = photos, seed, recipe
        photos.start_threads()

    def look(self, indices, round_number):
        """Windows, flips, and cells with their scores and boxes, of these photos."""
        torch.manual_seed((self.seed * 1000 + round_number) * 1_000_003 + int(indices[0]))
        batch = self.photos.batch(torch.from_numpy(indices))
        windows = augment.draw_windows(batch, SIDE, SIDE, self.recipe)
        flips = augment.draw_flips(len(indices), self.recipe)
        views, _ = augment.seen_pixels(batch, windows, flips, None, SIDE, SIDE)
        found = [self.keep(*self.detector(view)) for view in views.numpy()]
        return windows.numpy(), flips.numpy(), found

    @staticmethod
    def keep(scores, edges):
        cells = np.flatnonzero(scores.max(1) >= LEAST)
        return cells.astype(np.int16), (255 * scores[cells]).round().astype(np.uint8), edges[cells].astype(np.float16)


def begin(*arguments):
    global worker
    worker = Worker(*arguments)


def look(indices, round_number):
    return worker.look(indices, round_number)


def make(config, arguments):
    import tasks  # imports this module
    import train  # the same

    if config.task != "detect":
        raise ModelError(f"task = {config.task!r}: expected detect: guides are for detectors")
    records, _, names = train.read_data(config, arguments.data)
    names = tasks.make(config, names).data_names
    photos = data.Photos(records, names, config.photo_side, torch.device("cpu"), streamed=True)
    recipe = SimpleNamespace(**{key: getattr(config, key) for key in ("zoom", "stretch", "focus", "flip")})
    PicoDet(arguments.detector, names)  # its errors, before the work begins
    os.makedirs(arguments.output, exist_ok=True)
    about = os.path.join(arguments.output, ABOUT)
    if os.path.exists(about):
        raise ModelError(f"{about} exists: name another folder")
    parts = np.array_split(np.arange(len(records)), -(-len(records) // CHUNK))
    progress = Progress()
    given = (arguments.detector, photos, config.seed, recipe)
    photos.pool = photos.ahead = None  # threads do not go to another process
    with ProcessPoolExecutor(arguments.processes, initializer=begin, initargs=given) as pool:
        for k in range(arguments.rounds):
            made = []
            for done in pool.map(look, parts, [k] * len(parts)):
                made.append(done)
                fraction = (k + len(made) / len(parts)) / arguments.rounds
                progress.show(fraction, f"round {k + 1} of {arguments.rounds}")
            write(os.path.join(arguments.output, f"round-{k}.npz"), made)
    known = [of_photo(r, arguments.data) for r in records]
    with outfile.open_whole(about, "w", encoding="utf-8") as file:
        json.dump({"photos": known, "names": names, "rounds": arguments.rounds}, file)


def of_photo(record, root):
    return os.path.relpath(record.photo, root)


def write(path, made):
    windows, flips, found = zip(*made)
    cells, scores, edges = zip(*(photo for part in found for photo in part))
    starts = np.cumsum([0] + [len(c) for c in cells])
    parts = dict(windows=windows, flips=flips, cells=cells, scores=scores, edges=edges)
    arrays = {key: np.concatenate(part) for key, part in parts.items()}
    with outfile.open_whole(path) as file:
        np.savez(file, starts=starts, **arrays)


# Using it


def check_round(found, photos, classes):
    """ValueError if the arrays of a round are not those of so many photos and classes."""
    kept = len(found["cells"])
    expected = dict(windows=(photos, 4), flips=(photos,), starts=(photos + 1,), scores=(kept, classes), edges=(kept, 4))
    shapes = {key: found[key].shape for key in expected}
    if shapes != expected:
        raise ValueError(f"expected arrays of {expected}, found {shapes}")
    starts, cells = found["starts"], found["cells"]
    if (np.diff(starts) < 0).any() or starts[0] != 0 or starts[-1] != kept:
        raise ValueError("starts are out of order")
    if kept and not 0 <= cells.min() <= cells.max() < len(boxes.cells(SIDE, SIDE)):
        raise ValueError("cells are out of range")


class Guide:
    """What guide.py made in `folder`, for the photos of `records` below `root`."""

    def __init__(self, folder, records, root, names):
        try:
            with open(os.path.join(folder, ABOUT), encoding="utf-8") as file:
                about = json.load(file)
            self.rounds = [dict(np.load(os.path.join(folder, f"round-{k}.npz"))) for k in range(about["rounds"])]
            place = {name: i for i, name in enumerate(about["photos"])}
            theirs = ", ".join(about["names"])
            for found in self.rounds:
                check_round(found, len(place), len(about["names"]))
        except OSError as error:
            text = f"{error.filename or folder}: cannot be read ({error.strerror}): guide.py makes a guide"
            raise ModelError(text) from None
        except (ValueError, KeyError, TypeError, IndexError, EOFError, BadZipFile) as error:
            text = f"{folder}: expected what guide.py makes, and could not make sense of it: {error!r}"
            raise ModelError(text) from None
        if not self.rounds:
            raise ModelError(f"{folder}: expected at least one round of views, found none")
        if about["names"] != names:
            raise ModelError(f"{folder}: expected a guide for {', '.join(names)}, found one for {theirs}")
        photos = [of_photo(r, root) for r in records]
        absent = [photo for photo in photos if photo not in place]
        if absent:
            text = f"{len(absent)} photos are not in it, {absent[0]} the first: make it for these sources"
            raise ModelError(f"{folder}: {text}")
        self.place = torch.tensor([place[photo] for photo in photos])
        self.classes = len(names)

    def draw(self, indices, device):
        """Random views of photos: their windows (N x 4), flips (N), on `device`, and for at() what they are."""
        rounds = torch.randint(len(self.rounds), (len(indices),)).tolist()
        drawn = [(self.rounds[k], i) for k, i in zip(rounds, self.place[indices].tolist())]
        stacked = (np.stack([table[key][i] for table, i in drawn]) for key in ("windows", "flips"))
        return *(torch.from_numpy(x).to(device) for x in stacked), drawn

    def at(self, drawn, width, height):
        """Scores (N x C x classes) and boxes (N x C x 4) at the cells of a network of this size: those of the
        detector's nearest cell of the same stride."""
        index = nearest(height, width)
        count = len(boxes.cells(SIDE, SIDE))
        scores, edges = (np.zeros((len(drawn), count, n), np.float32) for n in (self.classes, 4))
        for n, (table, i) in enumerate(drawn):
            kept = slice(*table["starts"][i : i + 2])
            cells = table["cells"][kept]
            scores[n, cells] = table["scores"][kept] / np.float32(255)
            edges[n, cells] = table["edges"][kept]
        return torch.from_numpy(scores)[:, index], torch.from_numpy(edges)[:, index]


@functools.lru_cache(maxsize=64)
def nearest(height, width):
    """For each cell of a network of this size the index of the detector's."""
    found, first, theirs = [], 0, 0
    cells = boxes.cells(height, width)
    for stride in boxes.STRIDES:
        count, across = -(-height // stride) * -(-width // stride), -(-SIDE // stride)
        x, y = (cells[first : first + count, :2] * (SIDE / stride)).long().clamp(max=across - 1).t()
        found.append(theirs + y * across + x)
        first, theirs = first + count, theirs + across**2
    return torch.cat(found)


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    configs.add_arguments(add)
    add("--detector", required=True, metavar="ONNX", help="a PicoDet")
    add("--output", required=True, metavar="FOLDER")
    add("--rounds", type=int, default=3, metavar="N", help="views of each photo (3)")
    add("--processes", type=int, default=os.cpu_count(), metavar="N", help="(one for each processor)")
    arguments = parser.parse_args(argv)
    for name in ("rounds", "processes"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name}: expected 1 or more, found {getattr(arguments, name)}")
    return arguments


def main(argv=None):
    arguments = parse(argv)
    given = {key: getattr(arguments, key) for key in ("train", "validate", "classes")}
    try:
        make(configs.read(arguments.config, [*arguments.set, 'guide = ""'], **given), arguments)
    except (ModelError, OSError) as error:
        return f"error: {error}"
    return 0


if __name__ == "__main__":
    outfile.run(main)
