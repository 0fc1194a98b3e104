# SPDX-License-Identifier: LGPL-2.1-or-later
"""Made output folders of dicenet-archive, in which everything is known.

made.py DIR [COUNT]     makes one of COUNT recordings, to look at its report
"""

import base64
import datetime
import io
import json
import math
import os
import random
import sys

from PIL import Image, ImageDraw

SHARED = os.environ.get("DICENET_SHARED", os.path.join(os.path.dirname(__file__), "..", "..", "..", "shared"))
BEGIN = datetime.datetime(2026, 11, 2, tzinfo=datetime.timezone.utc)
CLASSES = {"person": 0.5, "car": 0.35, "bicycle": 0.12, "dog": 0.08, "bus": 0.05}  # and how many recordings have it


def uri_of(picture):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=75)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def photos():
    """Thumbnails of photos; without these, of painted ones. No two are alike."""
    folder = os.path.join(SHARED, "images")
    if os.path.isdir(folder):
        for name in sorted(os.listdir(folder)):
            picture = Image.open(os.path.join(folder, name)).convert("RGB")
            picture.thumbnail((256, 256))
            yield picture
    for hue in range(0, 360, 30):
        picture = Image.linear_gradient("L").resize((256, 144)).convert("RGB")
        ImageDraw.Draw(picture).ellipse((60, 40, 160, 130), fill=f"hsl({hue}, 60%, 50%)")
        yield picture


def thumbnails(count, seed=1):
    """As many, each another part of a photo: they take as much room as real ones."""
    source, random_ = list(photos()), random.Random(seed)
    for i in range(count):
        picture = source[i % len(source)]
        width, height = picture.size
        left, top = random_.randrange(1 + width // 8), random_.randrange(1 + height // 8)
        part = picture.crop((left, top, left + 7 * width // 8, top + 7 * height // 8))
        yield uri_of(part.resize((256, max(16, min(256, 256 * height // width)))))


def timeline_of(random_, bins, most):
    """Somebody comes and goes."""
    values, now = [], 0
    for _ in range(bins):
        if random_.random() < 0.15:
            now = random_.choice([0, 0, 1, 1, 2, most])
        values.append(now)
    values[random_.randrange(bins)] = most
    return values


def hour_of_day(random_):
    """Most happens in the middle of the day."""
    return min(23, max(0, round(random_.gauss(13, 4))))


def summary(path, began, duration, classes, **more):
    """`classes`: task:class -> timeline of whole numbers."""
    bins = max([len(timeline) for timeline in classes.values()] or [1])
    seen = {}
    for key, timeline in classes.items():
        at = [i for i, value in enumerate(timeline) if value]
        seen[key] = {
            "source": key.split(":")[0],
            "frames": 25 * len(at),
            "objects": max(timeline),
            "best": 0.9,
            "first": duration * at[0] / bins,
            "last": duration * at[-1] / bins,
        }
    return {
        "format": 1,
        "source": "/recordings/" + path,
        "path": path,
        "size": 1_000_000,
        "modified": (began + datetime.timedelta(seconds=duration)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "started": began.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "state": "done",
        "error": None,
        "kind": "video",
        "width": 1280,
        "height": 720,
        "duration": duration,
        "frames": int(25 * duration),
        "seconds": duration / 8,
        "networks": ["dicenet-detect"],
        "classes": seen,
        "bin": duration / bins,
        "timeline": classes,
        "counts": None,
        "moments": [],
        "warnings": [],
        **more,
    }


def moment(time, name, score, boxes, thumbnail):
    found = [{"class": label, "score": confidence, "box": list(box)} for label, confidence, box in boxes]
    return {"time": time, "frame": int(25 * time), "task": "detect", "class": name, "score": score, "boxes": found, "thumbnail": thumbnail}  # fmt: skip


def random_recording(i, random_, pictures):
    began = BEGIN + datetime.timedelta(days=i // 70, hours=hour_of_day(random_), seconds=random_.randrange(3600))
    duration = random_.choice([60.0, 300.0, 600.0, 2400.5])
    most = {name: random_.randint(1, 6) for name, share in CLASSES.items() if random_.random() < share}
    bins = min(240, math.ceil(duration))
    classes = {f"detect:{name}": timeline_of(random_, bins, number) for name, number in most.items()}
    moments = []
    for k, name in enumerate([*most, *most][:4]):
        boxes = []
        for _ in range(random_.randint(1, 3)):
            x, y = random_.uniform(0, 0.6), random_.uniform(0, 0.5)
            boxes.append(
                (name, random_.uniform(0.5, 0.99), (x, y, x + random_.uniform(0.1, 0.4), y + random_.uniform(0.2, 0.5)))
            )
        moments.append(moment(duration * (k + 0.5) / 4, name, max(box[1] for box in boxes), boxes, next(pictures)))
    camera = ("north", "south", "gate", "yard")[i % 4]
    counts = {"lines": [{"name": "door", "forward": 3, "backward": 1, "classes": [{"label": "person", "forward": 3, "backward": 1}]}],
              "zones": [{"name": "till", "entered": 2, "left": 2, "inside": 0, "mean_dwell": 1000, "classes": []}]}  # fmt: skip
    name = f"{camera}/{began:%Y-%m-%d}/{camera}-{i:05}.mp4"
    more = {"counts": counts if i % 4 == 0 else None, "moments": moments}
    if i % 40 == 7:
        more["started"] = None
    return summary(name, began, duration, classes, **more)


def write(folder, summaries, settings=None):
    """The output folder of a run; `summaries`: objects, or bytes to be written as they are."""
    os.makedirs(os.path.join(folder, "summaries"), exist_ok=True)
    if settings is None:
        settings = {
            "version": "0.1",
            "networks": [{"element": "dicenetdetect", "model": "dicenet-detect"}],
            "interval": 1,
        }
    with open(os.path.join(folder, "archive.json"), "w", encoding="utf-8") as file:
        json.dump(settings, file)
    for i, each in enumerate(summaries):
        name = each["path"] if isinstance(each, dict) and isinstance(each.get("path"), str) else ""
        plain = 0 < len(name) < 200 and all(c.isalnum() or c in "-_./" for c in name)
        path = os.path.join(folder, "summaries", (name if plain else f"odd-{i}") + ".json")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(each if isinstance(each, bytes) else json.dumps(each).encode())


def many(count):
    random_ = random.Random(7)
    pictures = thumbnails(4 * count)
    for i in range(count):
        made = random_recording(i, random_, pictures)
        if i % 250 == 100:
            made.update(
                state="failed",
                error="expected a video, but it has audio only: leave it out",
                classes={},
                timeline={},
                moments=[],
            )
        yield made


if __name__ == "__main__":
    write(sys.argv[1], many(int(sys.argv[2]) if len(sys.argv) > 2 else 2000))
