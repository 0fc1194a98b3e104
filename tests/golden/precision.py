#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Effect of bfloat16 or int8 on results: the same photos in float32 and in it.

    precision.py PROJECT_ROOT [PHOTOS [PRECISION [included]]]

For the included segmenter and classifier, and without "included" every checkpoint among the test material
($DICENET_SHARED, else ../shared beside the project): pixels of the mask that change, and, over photos with a known mask,
the mean intersection over union in both; photos whose likeliest class changes; boxes that change. PHOTOS limits how many
are looked at (0 for all; 30): the test material's, or the project's own pictures. PRECISION is bfloat16 (the default) or
int8. Fails where more changes than tolerances.py allows; skipped where bindings or the precision are missing.
docs/numerics.md has the figures.
"""

import glob
import os
import subprocess
import sys
import tempfile

SKIPPED = 77

try:
    import gi

    gi.require_version("Dicenet", "1.0")
    from gi.repository import Dicenet, GLib
    import numpy as np
    from PIL import Image
except (ImportError, ValueError) as error:
    print(f"SKIP: {error}")
    sys.exit(SKIPPED)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))

import tolerances  # noqa: E402
from photos import find_photos  # noqa: E402

INCLUDED = ("dicenet-segment", "dicenet-classify")
UNKNOWN = 255  # in masks: pixels that do not count


def main(root, limit=30, precision="bfloat16", networks="all"):
    shared = os.environ.get("DICENET_SHARED") or os.path.join(root, "..", "shared")
    checkpoints = sorted(glob.glob(os.path.join(shared, "models", "*", "*.pth"))) if networks == "all" else []
    known = known_masks(os.path.join(shared, "data"))
    photos = [(path, None) for path in find_photos()] + known
    photos = photos[: int(limit) or None]
    print(f"{len(photos)} photos, {sum(mask is not None for _, mask in photos)} of them with known masks")
    with tempfile.TemporaryDirectory() as folder:
        for name in INCLUDED:
            model = Dicenet.Model.load(os.path.join(root, "models", name + ".safetensors"))
            if not compare(model, photos, precision):
                print(f"SKIP: this processor has no {precision}")
                return SKIPPED
        for checkpoint in checkpoints:
            model = os.path.join(folder, os.path.basename(checkpoint)[:-4] + ".safetensors")
            script = os.path.join(root, "models", "convert.py")
            subprocess.run([sys.executable, script, checkpoint, model], check=True, stdout=subprocess.DEVNULL)
            compare(Dicenet.Model.load(model), photos, precision)
    return 0


def known_masks(folder):
    """Photos of PASCAL VOC's validation set with their masks."""
    names = os.path.join(folder, "segment_val.txt")
    if not os.path.exists(names):
        return []
    with open(names) as lines:
        ids = lines.read().split()
    return [(f"{folder}/voc/images/{name}.jpg", f"{folder}/voc/masks/{name}.png") for name in ids]


def session_of(model, precision):
    options = Dicenet.Options()
    options.set_backend(Dicenet.Backend.CPU)
    options.set_precision(precision)
    return Dicenet.Session.new(model, options)


def request_of(size):
    request = Dicenet.Request()
    request.set_size(*size)
    request.set_outputs(True)
    request.set_threshold(0.3)
    request.set_max_per_class(0)
    request.set_max_detections(0)
    return request


def compare(model, photos, precision):
    """Returns False without the precision."""
    sessions = [session_of(model, getattr(Dicenet.Precision, name.upper())) for name in ("float32", precision)]
    if sessions[1].get_precision() == Dicenet.Precision.FLOAT32:
        return False
    task = {Dicenet.Task.SEGMENT: Masks, Dicenet.Task.CLASSIFY: Classes, Dicenet.Task.DETECT: Boxes}[model.get_task()]
    result = task(model)
    for path, mask in photos:
        image = Image.open(path).convert("RGB")
        size = model.fit_size(image.width / image.height)
        pixels, request = GLib.Bytes(image.tobytes()), request_of(size)
        found = [s.run_bytes(pixels, Dicenet.PixelFormat.RGB, image.width, image.height, request) for s in sessions]
        result.add(*found, size, mask)
    result.report(model.get_name(), precision)
    return True


class Masks:
    def __init__(self, model):
        self.shares = []
        self.n_classes = model.get_n_classes()
        # Annotated pixels per class: right, predicted, present; for both precisions.
        self.right, self.found, self.there = np.zeros((3, 2, self.n_classes), np.int64)

    def add(self, single, half, size, known):
        masks = [
            np.frombuffer(found.get_mask(0).get_data(), np.uint8).reshape(size[1], size[0])
            for found in (single, half)
        ]
        self.shares.append(np.mean(masks[0] != masks[1]))
        if known is None or self.n_classes != 21:
            return
        truth = np.asarray(Image.open(known))
        for k, mask in enumerate(masks):
            mask = np.asarray(Image.fromarray(mask).resize(truth.shape[::-1], Image.Resampling.NEAREST))
            counts = truth != UNKNOWN
            self.right[k] += np.bincount(truth[counts & (mask == truth)], minlength=self.n_classes)
            self.found[k] += np.bincount(mask[counts], minlength=self.n_classes)
            self.there[k] += np.bincount(truth[counts], minlength=self.n_classes)

    def report(self, name, precision):
        mean, most = np.mean(self.shares), np.max(self.shares)
        text = f"{name}: {mean:.3%} of the pixels change, {most:.2%} of a photo at most"
        union = self.found + self.there - self.right
        if union.sum():
            seen = self.there[0] > 0
            single, half = (self.right / np.maximum(union, 1))[:, seen].mean(axis=1)
            text += f"; mean IoU {single:.2%} in float32, {half:.2%} in {precision}"
        print(text)
        limit = {"bfloat16": tolerances.BFLOAT16_PIXELS, "int8": tolerances.INT8_PIXELS}[precision]
        assert mean <= limit, f"{name}: at most {limit:.1%} of the pixels"


class Classes:
    def __init__(self, model):
        self.changed, self.errors, self.margins = [], [], []

    def add(self, single, half, size, known):
        a, b = (np.array(found.get_output("logits", 0)) for found in (single, half))
        self.changed.append(a.argmax() != b.argmax())
        self.errors.append(np.abs(a - b).max() / np.abs(a).max())
        first, second = np.sort(a)[-1:-3:-1]
        self.margins.append((first - second) / np.abs(a).max())

    def report(self, name, precision):
        print(
            f"{name}: {sum(self.changed)} of {len(self.changed)} photos change their likeliest class; logits are off by "
            f"{np.mean(self.errors):.1e} of the largest on average, the first is {np.mean(self.margins):.1e} above the second"
        )
        share = np.mean(self.changed)
        limit = {"bfloat16": tolerances.BFLOAT16_CLASSES, "int8": tolerances.INT8_CLASSES}[precision]
        assert share <= limit, f"{name}: {share:.1%}, at most {limit:.0%}"


class Boxes:
    def __init__(self, model):
        self.n, self.again, self.errors = 0, 0, []

    def add(self, single, half, size, known):
        a, b = (np.array(found.get_output("confidences", 0)) for found in (single, half))
        self.errors.append(np.abs(a - b).max() / np.abs(a).max())
        found, other = (
            [(box.label_id, box.x0, box.y0, box.x1, box.y1) for box in result.get_boxes(0)] for result in (single, half)
        )
        self.n += len(found)
        self.again += sum(any(same_box(one, two) for two in other) for one in found)

    def report(self, name, precision):
        print(
            f"{name}: {self.again} of {self.n} boxes are found again; confidences are off by {np.mean(self.errors):.1e} "
            "of the largest on average"
        )


def same_box(a, b):
    return a[0] == b[0] and max(abs(p - q) for p, q in zip(a[1:], b[1:])) < 0.02


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
