# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a recording's lines of JSON say, in short. Whatever they say, this stays small."""

import dataclasses

from .moments import Moments

BINS = 240
FIRST_BIN = 0.25  # seconds
MOST_CLASSES = 512
MOST_TIMELINES = 64
MOST_TRACKS = 100_000  # that are told apart, per class
MOST_WARNINGS, LONGEST_WARNING = 20, 500
BACKGROUND = "background"


class Timeline:
    """The largest value in each of at most 240 bins. Bins are joined in pairs when the time goes on beyond them."""

    def __init__(self):
        self.bin, self.values, self.last = FIRST_BIN, {}, 0

    def add(self, time, values):
        while time >= BINS * self.bin:
            self.bin *= 2
            self.values = {key: self._halved(bins) for key, bins in self.values.items()}
            self.last //= 2
        place = int(time / self.bin)
        self.last = max(self.last, place)
        for key, value in values.items():
            bins = self.values.setdefault(key, {})
            bins[place] = max(bins.get(place, 0), value)

    @staticmethod
    def _halved(bins):
        result = {}
        for place, value in bins.items():
            result[place // 2] = max(result.get(place // 2, 0), value)
        return result

    def lists(self, keys):
        return {key: [bins.get(i, 0) for i in range(self.last + 1)] for key in keys if (bins := self.values.get(key))}


@dataclasses.dataclass
class Class:
    source: str
    frames: int = 0
    objects: int = 0
    best: float = 0.0
    first: float = 0.0
    last: float = 0.0
    area: float = 0.0  # the sum of shares
    tracks: set = dataclasses.field(default_factory=set)

    def add(self, time, score, objects, tracks):
        if self.frames == 0:
            self.first = time
        self.frames += 1
        self.last = time
        self.objects = max(self.objects, objects)
        self.best = max(self.best, score)
        self.area += score
        if len(self.tracks) < MOST_TRACKS:
            self.tracks.update(tracks)

    def as_json(self, tracking):
        result = {"source": self.source, "frames": self.frames, "best": rounded(self.best),
                  "first": rounded(self.first), "last": rounded(self.last)}  # fmt: skip
        if self.source == "detect":
            result["objects"] = self.objects
            if tracking:
                result["tracks"] = len(self.tracks)
        if self.source == "segment":
            result["area"] = rounded(self.area / self.frames)
        return result


def rounded(value):
    return round(value, 4)


def number(value):
    return float(value) if isinstance(value, (int, float)) else 0.0


class Summary:
    """Takes lines of JSON as dicenetjson writes them, one after the other."""

    def __init__(self, tracking=False):
        self.tracking = tracking
        self.frames, self.width, self.height = 0, 0, 0
        self.end, self.last_time = 0.0, None
        self.classes, self.timeline, self.moments = {}, Timeline(), Moments()
        self.counts = None
        self.warnings = []

    def warn(self, text):
        text = text if len(text) <= LONGEST_WARNING else text[: LONGEST_WARNING - 3] + "..."
        if text not in self.warnings and len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(text)

    def add(self, line, duration, thumbnail):
        """Adds a frame's line, a dict; `duration` of the frame in seconds, or 0; thumbnail() makes a small picture of
        it, or None."""
        time = self._time(line, duration)
        if self.frames == 0:
            size = line.get("resolution", {})
            self.width, self.height = size.get("width", 0), size.get("height", 0)
        self.frames += 1
        self.end = max(self.end, time + duration)
        seen = list(findings(line))
        values = {}
        for key, (score, objects, tracks) in grouped(seen).items():
            if key in self.classes or len(self.classes) < MOST_CLASSES:
                self.classes.setdefault(key, Class(key.split(":", 1)[0])).add(time, score, objects, tracks)
                self._consider(key, time, score, seen, thumbnail)
                values[key] = objects if key.startswith("detect:") else rounded(score)
        self.timeline.add(time, values)
        self._count(line)

    def _time(self, line, duration):
        """Of frames without a time, as far from the last one as that lasts."""
        if "timestamp" in line:
            time = number(line["timestamp"]) / 1e9
        elif self.last_time is not None:
            time = self.last_time + duration
        else:
            time = 0.0
        self.last_time = time
        return time

    def _consider(self, key, time, score, seen, thumbnail):
        task, label = key.split(":", 1)
        if self.moments.wants(key, time, score):
            boxes = [{"class": f.label, "score": rounded(f.score), "box": f.box} for f in seen if f.task == "detect"]
            self.moments.add(key, {"time": rounded(time), "frame": self.frames - 1, "task": task, "class": label,
                                   "score": rounded(score), "boxes": boxes[:20],
                                   "thumbnail": thumbnail()})  # fmt: skip

    def _count(self, line):
        if "lines" in line or "zones" in line:
            self.counts = {"lines": line.get("lines", []),
                           "zones": [{k: v for k, v in zone.items() if k != "objects"} for zone in line.get("zones", [])]}  # fmt: skip

    def as_json(self):
        strongest = sorted(self.classes, key=lambda key: -self.classes[key].frames)[:MOST_TIMELINES]
        return {
            "width": self.width,
            "height": self.height,
            "duration": rounded(self.end),
            "frames": self.frames,
            "classes": {key: found.as_json(self.tracking) for key, found in self.classes.items()},
            "bin": self.timeline.bin,
            "timeline": self.timeline.lists(strongest),
            "counts": self.counts,
            "moments": self.moments.strongest(),
            "warnings": self.warnings,
        }


@dataclasses.dataclass
class Finding:
    task: str
    label: str
    score: float
    track: int | None = None
    box: list | None = None


def findings(line):
    """What networks found on this very frame: older results, which frames between inferences carry, were counted."""
    for found in line.get("objects", ()):
        detection, classes = found.get("detection"), found.get("classification")
        if detection and not detection.get("age"):
            edges = detection.get("bounding_box", {})
            box = [number(edges.get(edge)) for edge in ("x_min", "y_min", "x_max", "y_max")]
            yield Finding(
                "detect", detection.get("label", ""), number(detection.get("confidence")), found.get("id"), box
            )
        elif classes and not detection and not classes.get("age"):
            for each in classes.get("classes", ()):
                yield Finding("classify", each.get("label", ""), number(each.get("confidence")))
    masks = line.get("segmentation", {})
    if not masks.get("age"):
        for each in masks.get("classes", ()):
            if each.get("label") != BACKGROUND:
                yield Finding("segment", each.get("label", ""), number(each.get("share")))


def grouped(seen):
    """task:class -> the best score, how many there are, and their tracks' numbers."""
    result = {}
    for found in seen:
        key = f"{found.task}:{found.label}"
        score, objects, tracks = result.get(key, (0.0, 0, []))
        more = [found.track] if found.track is not None else []
        result[key] = max(score, found.score), objects + 1, tracks + more
    return result
