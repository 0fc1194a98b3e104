# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lists of photos with ground truth, and the ways to fit a photo to a network's input.

docs/evaluation.md describes the lists. An invalid list raises a ModelError that says where the error is.
"""

import json
import os
from dataclasses import dataclass

import numpy as np
from PIL import Image

from errors import ModelError
from metrics import ANY, IGNORE, Found, Objects
from network import MAX_SIZE, MIN_SIZE
from readfile import read_bytes, regular

IGNORED_CATEGORY = 0
MAX_LIST_BYTES = 1 << 30
MAX_COORDINATE = 1e6  # pixels
PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
# Folders of photos and masks relative to a list of ids: those of a hand-made folder, and VOC's.
MASK_FOLDERS = (
    ("images", "masks"),
    (os.path.join("voc", "images"), os.path.join("voc", "masks")),
    (os.path.join("..", "..", "JPEGImages"), os.path.join("..", "..", "SegmentationClass")),
)


@dataclass
class Picture:
    """A photo on disk and its ground truth: `objects`, the file of its mask, or its class."""

    path: str
    objects: Objects = None
    mask_path: str = None
    label: int = None

    def load(self, n_classes, shape=None):
        """Loads the photo and its ground truth: Objects, a mask or a class. If `shape`, an aspect ratio (width /
        height), is given, only the middle of the photo in this shape."""
        photo = _open(self.path).convert("RGB")
        edges = (0, 0, *photo.size) if shape is None else middle(photo.size, shape)
        if self.mask_path:
            truth = self.mask(n_classes)
            if truth.shape != photo.size[::-1]:
                raise ModelError(
                    f"{self.mask_path}: expected the size of {self.path}, {photo.width}x{photo.height}, found "
                    f"{truth.shape[1]}x{truth.shape[0]}"
                )
            truth = truth[edges[1] : edges[3], edges[0] : edges[2]]
        elif self.objects and shape is not None:
            truth = cut(self.objects, edges)
        else:
            truth = self.objects or self.label
        return photo.crop(edges), truth

    def mask(self, n_classes):
        """The class of each pixel, 255 if it is unknown."""
        image = _open(self.mask_path)
        if image.mode not in ("P", "L"):
            raise ModelError(
                f"{self.mask_path}: expected a PNG with a palette or in grey, a class per pixel, found {image.mode}"
            )
        mask = np.asarray(image)
        wrong = np.unique(mask[(mask != IGNORE) & (mask >= n_classes)])
        if len(wrong):
            raise ModelError(
                f"{self.mask_path}: expected classes from 0 to {n_classes - 1} and 255 to ignore, found {wrong[0]}"
            )
        return mask


def _open(path):
    try:
        with open(path, "rb", opener=regular) as file:
            image = Image.open(file)
            image.load()
        return image
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises these for damaged files
        raise ModelError(f"{path}: cannot be read as a picture: {error}") from None


# Lists


def read_list(path, task, labels):
    """Reads the pictures of a list; classes are indices into `labels`, the model's."""
    if os.path.isdir(path):
        pictures, expected = read_folders(path, labels), "classify"
    elif path.endswith(".json"):
        pictures, expected = read_coco(path, labels), "detect"
    else:
        pictures, expected = read_ids(path), "segment"
    if task != expected and (task, expected) != ("classify", "detect"):
        raise ModelError(
            f"{path}: the model is made to {task}, which takes "
            + {
                "classify": "a folder with a folder of photos for each class, or a .json in COCO's layout",
                "detect": "a .json in COCO's layout",
                "segment": "a text file with a photo's id per line, beside folders images and masks",
            }[task]
        )
    if not pictures:
        raise ModelError(f"{path}: there are no photos in it")
    return pictures


def read_coco(path, labels):
    """COCO's layout with two extensions: `labelled` of an image lists the categories annotated in it (all if absent),
    and category 0 marks regions in which nothing is known."""
    try:
        content = json.loads(read_bytes(path, MAX_LIST_BYTES))
        names = {c["id"]: c["name"] for c in content["categories"] if c["id"] != IGNORED_CATEGORY}
        ids = {category: labels.index(name) for category, name in names.items() if name in labels}
        annotations = {image["id"]: [] for image in content["images"]}
        if len(annotations) < len(content["images"]):
            raise ValueError("several images have one id")
        for annotation in content["annotations"]:
            annotations[annotation["image_id"]].append(annotation)
        folder = os.path.dirname(path)
        pictures = [
            Picture(
                os.path.join(folder, image["file_name"]),
                objects=_objects(annotations[image["id"]], image.get("labelled", list(names)), ids),
            )
            for image in content["images"]
        ]
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    except KeyError as error:
        raise ModelError(f"{path}: expected COCO's layout, but found no {error} where one is needed") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: expected COCO's layout: {error}") from None
    if not ids:
        raise ModelError(
            f"{path}: none of its categories ({', '.join(map(str, names.values()))}) is a label of the model "
            f"({', '.join(labels[:25])})"
        )
    return pictures


def _objects(annotations, labelled, ids):
    """Categories without a label in the model are skipped."""
    objects, ignored = [], []
    for annotation in annotations:
        box = _box(annotation["bbox"])
        category = annotation["category_id"]
        if category == IGNORED_CATEGORY:
            ignored.append((box, ANY))
        elif category in ids:
            (ignored if annotation.get("iscrowd") else objects).append((box, ids[category]))
    return Objects(*_columns(objects), *_columns(ignored), frozenset(ids[c] for c in labelled if c in ids))


def _box(numbers):
    """Corners of a box, which may extend beyond the photo."""
    x, y, w, h = map(float, numbers)
    if not (w >= 0 and h >= 0 and all(abs(v) <= MAX_COORDINATE for v in (x, y, w, h))):
        raise ValueError(f"a bbox [x, y, width, height] of pixels, but found {numbers}")
    return x, y, x + w, y + h


def _columns(pairs):
    boxes = np.array([box for box, _ in pairs], np.float64).reshape(-1, 4)
    return boxes, np.array([label for _, label in pairs], np.int64)


def read_ids(path):
    """One photo id per line; images/ID.jpg and masks/ID.png."""
    try:
        ids = [line.split()[0] for line in read_bytes(path, MAX_LIST_BYTES).decode().split("\n") if line.strip()]
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ModelError(f"{path}: expected a text file with a photo's id per line") from None
    folder = os.path.dirname(path)
    for images, masks in MASK_FOLDERS:
        pictures = [
            Picture(os.path.join(folder, images, f"{i}.jpg"), mask_path=os.path.join(folder, masks, f"{i}.png"))
            for i in ids
        ]
        if pictures and os.path.exists(pictures[0].path):
            return pictures
    if not ids:
        return []
    looked = ", ".join(os.path.join(folder, images) for images, _ in MASK_FOLDERS)
    raise ModelError(f"{path}: there is no photo {ids[0]}.jpg in {looked}")


def read_folders(path, labels):
    """One folder of photos per class, named by its label or its number."""
    pictures = []
    for name in sorted(os.listdir(path)):
        folder = os.path.join(path, name)
        if not os.path.isdir(folder):
            continue
        if name in labels:
            label = labels.index(name)
        elif name.isdecimal() and int(name) < len(labels):
            label = int(name)
        else:
            raise ModelError(
                f"{folder}: expected a folder named by a label of the model ({', '.join(labels[:25])}) or its number "
                f"below {len(labels)}"
            )
        photos = (f for f in sorted(os.listdir(folder)) if f.lower().endswith(PHOTO_ENDINGS))
        pictures += [Picture(os.path.join(folder, f), label=label) for f in photos]
    return pictures


# Cropping to other shapes

# If a crop leaves less than this share of an object, it is undefined whether it should be found.
VISIBLE = 0.25


def middle(size, shape):
    """Edges of the largest centred part of a photo with the given aspect ratio."""
    w, h = size
    part_w, part_h = max(min(w, round(h * shape)), 1), max(min(h, round(w / shape)), 1)
    left, top = (w - part_w) // 2, (h - part_h) // 2
    return left, top, left + part_w, top + part_h


def cut(objects, edges):
    """The Objects of a part of the photo."""

    def clip(boxes):
        low, high = np.array(edges[:2] * 2), np.array(edges[2:] * 2)
        return np.clip(boxes, low, high) - low

    whole = np.prod(objects.boxes[:, 2:] - objects.boxes[:, :2], axis=1)
    boxes, ignored = clip(objects.boxes), clip(objects.ignored)
    left = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    kept, doubtful = left >= VISIBLE * whole, (left > 0) & (left < VISIBLE * whole)
    return Objects(
        boxes[kept],
        objects.labels[kept],
        np.concatenate((ignored, boxes[doubtful])),
        np.concatenate((objects.ignored_labels, objects.labels[doubtful])),
        objects.known,
    )


# Fitting a photo to a network

CENTRE = 224 / 256  # of the short side: the usual crop for evaluating classification
FITS = ("squeeze", "shape", "area", "letterbox", "centre", "native")
BLACK = (0, 0, 0)  # like the borders that videoscale adds


@dataclass(frozen=True)
class View:
    """The part of a photo that the network sees, in whole pixels (beyond the photo if there are borders), and the
    inference size. They correspond to the frame and the inference size of a pipeline."""

    left: int
    top: int
    right: int
    bottom: int
    size: tuple
    border: tuple = BLACK

    def frame(self, photo):
        """The picture for the pipeline, with `border` as the colour outside of the photo."""
        frame = Image.new("RGB", (self.right - self.left, self.bottom - self.top), self.border)
        frame.paste(photo, (-self.left, -self.top))
        return frame

    def on_photo(self, found, photo_size):
        """Converts results from pixels of the frame to pixels of the photo."""
        w, h = photo_size
        if isinstance(found, Found):
            shift = np.array((self.left, self.top) * 2)
            boxes = np.clip(found.boxes + shift, 0, (w, h, w, h))
            seen = np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
            return Found(boxes[seen], found.labels[seen], found.scores[seen])
        if found.ndim == 2:
            return found[-self.top : h - self.top, -self.left : w - self.left]
        return found


def view(photo_size, size, fit, border=BLACK):
    """squeeze: the whole photo at `size`, whatever its shape. shape: the whole photo in its own shape, with the short
    side of `size`. area: likewise, with as many pixels as `size`. letterbox: the whole photo in its own shape, with
    borders up to `size` in the colour `border`. centre: the centre of the photo in the shape of `size`. native:
    unscaled."""
    w, h = photo_size
    aspect = size[0] / size[1]
    if fit == "letterbox":
        return _around(w, h, max(w, round(h * aspect)), max(h, round(w / aspect)), size, border)
    if fit == "centre":
        part_w, part_h = (round(CENTRE * n) for n in (min(w, h * aspect), min(h, w / aspect)))
        return _around(w, h, max(part_w, 1), max(part_h, 1), size)
    if fit == "shape":
        factor = min(size) / min(w, h)
        size = (factor * w, factor * h)
    elif fit == "area":
        size = ((w / h * size[0] * size[1]) ** 0.5, (h / w * size[0] * size[1]) ** 0.5)
    elif fit == "native":
        size = (w, h)
    return View(0, 0, w, h, tuple(min(max(round(n), MIN_SIZE), MAX_SIZE) for n in size))


def _around(w, h, view_w, view_h, size, border=BLACK):
    left, top = (w - view_w) // 2, (h - view_h) // 2
    return View(left, top, left + view_w, top + view_h, size, border)
