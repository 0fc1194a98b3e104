# SPDX-License-Identifier: LGPL-2.1-or-later
"""Photos with annotations from COCO files, VOC folders, folders with a folder per class, and packed shards.

A source is a path below the data's root, with `@LIST` for a list of names that selects photos of a folder:

    train.json                     COCO: boxes, and polygons as masks
    VOC2012@train                  VOC: Annotations/*.xml, SegmentationClass/*.png, ImageSets/Main/train.txt
    voc@segment_train.txt          the same with images/ and masks/, and a list anywhere below the root
    flowers                        one folder of photos for each class

If pack.py wrote the root, the same texts name the sources that were packed.
"""

import functools
import glob
import gzip
import io
import json
import os
import xml.etree.ElementTree
import zipfile
import zlib
from dataclasses import asdict, dataclass, field

from errors import ModelError

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
SHARDS = "shard-*.zip"
INSIDE = "::"  # between a shard and the name of an entry


@dataclass
class Record:
    """A photo. Classes are given by name, boxes as x0, y0, x1, y1 in pixels."""

    photo: str
    boxes: list = None  # of (name, x0, y0, x1, y1) and, if it is uncertain, a score from 0 to 1; None as a name
    # marks a region to ignore
    labelled: list = None  # names of the classes that are annotated completely; None: all classes
    label: str = None
    mask: str = None  # a picture with the class of each pixel, 255 if it is unknown
    polygons: list = field(default=None)  # of (name, [x, y, x, y, ...]); None as a name: unknown
    soft: list = None  # from a teacher: (name, x0, y0, x1, y1, score) in fractions of the photo


def read_bytes(ref):
    """Reads a file, or an entry of a shard."""
    shard, inside, name = ref.partition(INSIDE)
    if not inside:
        with open(ref, "rb") as file:
            return file.read()
    return _shard(shard).read(name)


@functools.lru_cache(maxsize=None)
def _shard(path):
    with open(path, "rb") as file:
        return zipfile.ZipFile(io.BytesIO(file.read()))  # in memory, so that threads can share it


def read(sources, root):
    """Records of all `sources`, each photo once, and the class names; ModelError."""
    merged, names = {}, []
    for source in sources:
        records, found = read_one(source, root)
        if not records:
            raise ModelError(f"{source}: no photos in it")
        names += [name for name in found if name not in names]
        for record in records:
            merged[record.photo] = merge(merged[record.photo], record) if record.photo in merged else record
    return list(merged.values()), names


def merge(a, b):
    """Merges the annotations of a photo from two sources; the first one has priority."""
    return Record(*(x if x is not None else y for x, y in zip(vars(a).values(), vars(b).values())))


def read_one(source, root):
    if glob.glob(os.path.join(root, SHARDS)):
        return packed(root, source)
    path, _, chosen = source.partition("@")
    path = os.path.join(root, path)
    try:
        if path.endswith(".json"):
            return coco(path)
        if not os.path.isdir(path):
            raise ModelError(f"{path}: expected a .json file or a folder; --data DIR says below which folder")
        if any(os.path.isdir(os.path.join(path, name)) for name in ("Annotations", "SegmentationClass", "masks")):
            return voc(path, chosen, root)
        return folders(path)
    except OSError as error:
        raise ModelError(f"{error.filename or path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, xml.etree.ElementTree.ParseError) as error:
        raise ModelError(f"{path}: expected annotations, and could not make sense of them: {error!r}") from None


def coco(path):
    """Category 0 and crowds are regions to ignore; `labelled` of an image lists the categories annotated in it, `score`
    of an annotation is its confidence."""
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    categories = {c["id"]: c["name"] for c in sorted(content["categories"], key=lambda c: c["id"]) if c["id"] != 0}
    folder, records = os.path.dirname(path), {}
    for image in content["images"]:
        labelled = [categories[id] for id in image["labelled"]] if "labelled" in image else None
        photo = os.path.normpath(os.path.join(folder, image["file_name"]))
        records[image["id"]] = Record(photo, [], labelled)
    for a in content["annotations"]:
        record = records[a["image_id"]]
        name = None if a.get("iscrowd") else categories.get(a["category_id"])
        x, y, w, h = a["bbox"]
        score = (score_of(a["score"]),) if "score" in a and name else ()
        record.boxes.append((name, x, y, x + w, y + h, *score))
        if "segmentation" in a:
            shape = a["segmentation"]
            rings = shape if isinstance(shape, list) else [[x, y, x + w, y, x + w, y + h, x, y + h]]
            known = name if isinstance(shape, list) else None  # run lengths mark crowds: unknown as a whole
            record.polygons = (record.polygons or []) + [(known, ring) for ring in rings]
    if any(record.polygons for record in records.values()):
        for record in records.values():
            record.polygons = record.polygons or []
    return list(records.values()), list(categories.values())


def score_of(value):
    if not 0 <= value <= 1:
        raise ValueError(f"expected a score from 0 to 1, found {value}")
    return value


def add_soft(records, path, root, names, limits):
    """Adds soft labels to `records` for classes that are not labelled in them: a score from limits[1] on makes an
    object, one from limits[0] on a region to ignore. All classes are labelled then. ModelError.

    The file is JSON, possibly compressed (.gz): {"images": {photo below `root`: [[category, score, x0, y0, x1, y1],
    ...]}}, where category k is the k-th of `names`, from 1, and boxes are fractions of the photo.
    """
    path = os.path.join(root, path)
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8") as file:
            images = json.load(file)["images"]
        named = {os.path.normpath(os.path.join(root, name)): found for name, found in images.items()}
        count = sum(soften(record, named[record.photo], names, limits) for record in records if record.photo in named)
    except (OSError, EOFError, zlib.error) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelError(f"{path}: expected soft labels, and could not make sense of them: {error!r}") from None
    if not count:
        raise ModelError(f"{path}: none of the {len(records)} photos to train on is in it, with a class to fill in")


def soften(record, found, names, limits):
    """Returns whether there was a class to add."""
    if record.boxes is not None and record.labelled is None:
        return False
    known = set(record.labelled or ()) if record.boxes is not None else set()
    record.soft = []
    for category, score, *box in found:
        if not 1 <= category <= len(names) or len(box) != 4:
            found = [category, score, *box]
            raise ValueError(f"expected a category from 1 to {len(names)}, a score and a box, found {found}")
        name = names[category - 1]
        if score_of(score) >= limits[0] and name not in known:
            record.soft.append((name if score >= limits[1] else None, *box, score))
    record.boxes, record.labelled = record.boxes or [], None
    return bool(set(names) - known)


def voc(path, chosen, root):
    photos = next((p for p in ("JPEGImages", "images") if os.path.isdir(os.path.join(path, p))), None)
    if photos is None:
        raise ModelError(f"{path}: expected a folder JPEGImages or images in it")
    files = {os.path.splitext(name)[0]: name for name in sorted(os.listdir(os.path.join(path, photos)))}
    ids = voc_list(path, chosen, root) if chosen else [id for id in files if has_annotation(path, id)]
    records = []
    for id in ids:
        if id not in files:
            raise ModelError(f"{path}: the list {chosen} names {id}, and {photos} has no such photo")
        record = Record(os.path.normpath(os.path.join(path, photos, files[id])))
        if os.path.exists(os.path.join(path, "Annotations", id + ".xml")):
            record.boxes = voc_boxes(os.path.join(path, "Annotations", id + ".xml"))
        record.mask = next((m for m in voc_masks(path, id) if os.path.exists(m)), None)
        records.append(record)
    names = sorted({box[0] for record in records for box in record.boxes or () if box[0]})
    return records, names


def voc_list(path, chosen, root):
    places = [os.path.join(path, "ImageSets", kind, chosen + ".txt") for kind in ("Main", "Segmentation")]
    places += [os.path.join(folder, chosen) for folder in (path, root)]
    place = next((p for p in places if os.path.isfile(p)), None)
    if place is None:
        raise ModelError(f"{path}: expected a list of photos in one of {', '.join(places)}")
    with open(place, encoding="utf-8") as file:
        return [line.split()[0] for line in file if line.strip()]


def voc_masks(path, id):
    return (os.path.join(path, folder, id + ".png") for folder in ("SegmentationClass", "masks"))


def has_annotation(path, id):
    return any(os.path.exists(p) for p in (os.path.join(path, "Annotations", id + ".xml"), *voc_masks(path, id)))


def voc_boxes(path):
    boxes = []
    for found in xml.etree.ElementTree.parse(path).iter("object"):
        box = found.find("bndbox")
        x0, y0, x1, y1 = (float(box.find(side).text) for side in ("xmin", "ymin", "xmax", "ymax"))
        name = None if found.findtext("difficult", "0").strip() == "1" else found.find("name").text.strip()
        boxes.append((name, x0 - 1, y0 - 1, x1, y1))  # VOC counts pixels from 1, and the last one is inside the box
    return boxes


def folders(path):
    names = sorted(name for name in os.listdir(path) if os.path.isdir(os.path.join(path, name)))
    records = []
    for name in names:
        for file in sorted(os.listdir(os.path.join(path, name))):
            if file.lower().endswith(PICTURES):
                records.append(Record(os.path.normpath(os.path.join(path, name, file)), label=name))
    if not records:
        raise ModelError(f"{path}: expected a folder of photos for each class, or a VOC layout (see --help)")
    return records, names


def packed(root, source):
    records, names, lists = [], [], set()
    for shard in sorted(glob.glob(os.path.join(root, SHARDS))):
        index = json.loads(_shard(shard).read("index.json"))
        lists |= set(index["lists"])
        found = index["lists"].get(source)
        if found:
            names = found["names"]
            records += [localise(Record(**r), shard) for r in found["records"]]
    if source not in lists:
        raise ModelError(f"{root}: has nothing packed as {source}; it has {', '.join(sorted(lists))}")
    return records, names


def localise(record, shard):
    record.photo = shard + INSIDE + record.photo
    record.mask = record.mask and shard + INSIDE + record.mask
    return record


def as_dict(record):
    return {key: value for key, value in asdict(record).items() if value is not None}
