# SPDX-License-Identifier: LGPL-2.1-or-later
"""The output folder of dicenet-archive, as the report sees it: archive.json and the summaries."""

import contextlib
import dataclasses
import datetime
import glob
import heapq
import itertools
import math
import os

from .. import settings as settings_of
from ..errors import ArchiveError
from ..files import WORK, is_held
from .fields import Fields, Wrong, check_thumbnail, is_number, printable, read_json

FORMAT = 1
MAX_FILE = 4 << 20  # bytes; four thumbnails and 240 bins of a hundred classes take a tenth of it
MAX_FILES = 200_000
MAX_CLASSES = 512  # of a recording
MAX_BINS = 240
MAX_MOMENTS = 4
MAX_BOXES = 50
MAX_SHAPES = 64  # lines, and zones: as dicenetcount
THUMBNAIL = 256
MAX_WARNINGS = 20  # of a recording
MAX_TOLD = 200  # of all that is wrong
NAME, PATH, TEXT = 80, 1000, 2000  # characters


@dataclasses.dataclass(slots=True)
class Sighting:
    """A class in a recording. `timeline`: its greatest number, score or share of the picture in each bin."""

    task: str
    name: str
    frames: int
    objects: int
    tracks: int | None
    area: float | None
    best: float
    first: float
    last: float
    timeline: list

    @property
    def key(self):
        return f"{self.task}:{self.name}"


@dataclasses.dataclass(slots=True)
class Moment:
    """`width` x `height`: of the picture as drawn, THUMBNAIL the longer one; `boxes`: class, score and corners as fractions
    of it."""

    time: float
    task: str
    name: str
    score: float
    boxes: list
    thumbnail: str | None
    width: int
    height: int


@dataclasses.dataclass(slots=True)
class Recording:
    """`began` is None if nobody knows, and an estimate if `estimated`. `bin` is in seconds. `warnings` are those of the run,
    `complaints` what is wrong with the summary."""

    path: str
    source: str
    state: str
    error: str
    kind: str
    size: int
    width: int
    height: int
    duration: float
    frames: int
    seconds: float
    bin: float
    began: datetime.datetime | None
    estimated: bool
    sightings: list
    moments: list
    lines: list
    zones: list
    warnings: list
    complaints: list


@dataclasses.dataclass
class Archive:
    folder: str
    settings: dict
    recordings: list
    warnings: "Warnings"
    left_out: int  # thumbnails beyond the budget
    unfinished: bool  # a run is at work


class Warnings:
    """The first ones; how many more there were."""

    def __init__(self):
        self.texts, self.more = [], 0

    def add(self, text):
        if len(self.texts) < MAX_TOLD:
            self.texts.append(text)
        else:
            self.more += 1


class Budget:
    """Keeps the thumbnails within a number of bytes: first each recording's strongest, then the second ones, and so on;
    among those of the same rank, those with higher scores."""

    def __init__(self, limit):
        self.limit, self.used, self.left_out = limit, 0, 0
        self.kept = []  # a heap: the least important first
        self.order = itertools.count()  # tells equals apart

    def add(self, rank, moment):
        self.used += len(moment.thumbnail)
        heapq.heappush(self.kept, (-rank, moment.score, -next(self.order), moment))
        while self.used > self.limit:
            *_, least = heapq.heappop(self.kept)
            self.used -= len(least.thumbnail)
            least.thumbnail = None
            self.left_out += 1


def read_archive(folder, zone, picture_bytes):
    """Reads all summaries that are there now. Raises ArchiveError if the folder is not a run's."""
    warnings = Warnings()
    settings = read_settings(folder, warnings)
    interval = Fields(settings, warnings.add).number("interval", 1)
    budget = Budget(picture_bytes)
    recordings = []
    for path in summary_files(os.path.join(folder, "summaries"), warnings):
        name = printable(os.path.relpath(path, folder), PATH)
        try:
            recording = take_recording(read_json(path, MAX_FILE), zone)
            join_bins(recording, interval)
        except FileNotFoundError:
            continue  # renamed or done again meanwhile
        except (Wrong, OSError) as error:
            warnings.add(f"{name}: {error.strerror if isinstance(error, OSError) else error}: skipped")
            continue
        for text in recording.complaints[:MAX_WARNINGS]:
            warnings.add(f"{name}: {text}")
        for rank, moment in enumerate(recording.moments):
            if moment.thumbnail is not None:
                budget.add(rank, moment)
        recordings.append(recording)
    return Archive(folder, settings, unique(recordings, warnings), warnings, budget.left_out, is_at_work(folder))


def is_at_work(folder):
    """Whether a run holds one of the locks in its folder for work."""
    for name in glob.glob(os.path.join(glob.escape(folder), WORK, "*.lock")):
        with contextlib.suppress(OSError):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if is_held(descriptor):
                    return True
            finally:
                os.close(descriptor)
    return False


def read_settings(folder, warnings):
    path = os.path.join(folder, settings_of.NAME)
    try:
        return read_json(path, MAX_FILE)
    except (FileNotFoundError, NotADirectoryError):
        raise ArchiveError(
            f"{folder}: expected the output folder of dicenet-archive, but there is no archive.json in it: give the "
            "folder that was its --output"
        ) from None
    except Wrong as error:
        warnings.add(f"archive.json: {error}: the settings are not shown")
        return {}
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}") from None


def summary_files(folder, warnings):
    """Sorted, so that the same folder makes the same report."""

    def unreadable(error):
        if not isinstance(error, FileNotFoundError):
            warnings.add(f"{printable(str(error.filename), PATH)}: {error.strerror}: skipped")

    found = 0
    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".json") and not name.startswith(".dicenet-"):
                found += 1
                if found > MAX_FILES:
                    warnings.add(f"there are more than {MAX_FILES} summaries: the others are not in this report")
                    return
                yield os.path.join(parent, name)


def unique(recordings, warnings):
    """A path that two summaries claim is told apart by nobody."""
    seen, kept = set(), []
    for recording in recordings:
        if recording.path in seen:
            warnings.add(f"{recording.path}: a second summary of it: skipped")
        else:
            seen.add(recording.path)
            kept.append(recording)
    return kept


def take_recording(members, zone):
    if members.get("format") != FORMAT:
        came = printable(str(members.get("format")), 20)
        raise Wrong(f"expected a summary of format {FORMAT}, not {came}: made by another version of dicenet-archive?")
    complaints = []
    fields = Fields(members, lambda text: complaints.append(printable(text, 200)))
    path = fields.text("path", PATH)
    if not path:
        raise Wrong("it has no path")
    duration = fields.number("duration", high=1e8)
    started, modified = fields.time("started", zone), fields.time("modified", zone)
    began = started
    if not started and modified:
        began = (modified - datetime.timedelta(seconds=duration)).astimezone(zone)
    return Recording(
        path=path,
        source=fields.text("source", PATH),
        state=fields.choice("state", ("done", "failed"), "failed"),
        error=fields.text("error", TEXT),
        kind=fields.choice("kind", ("video", "pictures"), "video"),
        size=fields.count("size"),
        width=fields.count("width"),
        height=fields.count("height"),
        duration=duration,
        frames=fields.count("frames"),
        seconds=fields.number("seconds"),
        bin=fields.number("bin"),
        began=began,
        estimated=began is not None and not started,
        sightings=take_sightings(fields),
        moments=take_moments(fields),
        lines=take_shapes(fields, "lines", ("forward", "backward")),
        zones=take_shapes(fields, "zones", ("entered", "left")),
        warnings=fields.texts("warnings", MAX_WARNINGS, TEXT),
        complaints=complaints,
    )


def join_bins(recording, interval):
    """With an inference in each `interval` frames only, a short bin may have none, and its 0 says nothing: makes bins so
    long that each has one."""
    seconds = interval * recording.duration / recording.frames if recording.frames else 0
    if 0 < recording.bin < seconds:
        together = math.ceil(min(seconds / recording.bin, MAX_BINS) - 1e-6)
        recording.bin *= together
        for seen in recording.sightings:
            seen.timeline = [max(seen.timeline[i : i + together]) for i in range(0, len(seen.timeline), together)]


def take_sightings(fields):
    """Of the classes that were seen, those with the most frames first."""
    timelines = fields.object("timeline", MAX_CLASSES)
    sightings = []
    for key, members in fields.object("classes", MAX_CLASSES).items():
        task, colon, name = key.partition(":")
        if task not in settings_of.TASKS or not colon or not name or not isinstance(members, dict):
            fields.complain(f"classes: expected task:class and an object, not {printable(key, NAME)}")
            continue
        found = Fields(members, lambda text, key=key: fields.complain(f"{key}: {text}"))
        sightings.append(
            Sighting(
                task=task,
                name=printable(name, NAME),
                frames=found.count("frames"),
                objects=found.count("objects"),
                tracks=None if members.get("tracks") is None else found.count("tracks"),
                area=None if members.get("area") is None else found.number("area", high=1),
                best=found.number("best", high=1),
                first=found.number("first"),
                last=found.number("last"),
                timeline=take_timeline(fields, key, timelines.get(key, [])),
            )
        )
    return sorted(sightings, key=lambda seen: (-seen.frames, seen.name))


def take_timeline(fields, key, values):
    if isinstance(values, list) and all(map(is_number, values)):
        return fields.bounded(f"timeline of {key}", values, MAX_BINS)
    fields.complain(f"timeline of {key}: expected a list of numbers from 0: left out")
    return []


def take_moments(fields):
    moments = []
    for found in fields.objects("moments", MAX_MOMENTS):
        thumbnail = found.take("thumbnail", lambda value: isinstance(value, str), "a text", "")
        size = 0, 0
        try:
            size = check_thumbnail(thumbnail) if thumbnail else size
        except Wrong as error:
            fields.complain(f"thumbnail: {error}: left out")
            thumbnail = ""
        task, name = found.choice("task", settings_of.TASKS, "detect"), found.text("class", NAME)
        size = [THUMBNAIL * side / max(*size, 1) for side in size]
        moments.append(
            Moment(
                found.number("time"),
                task,
                name,
                found.number("score", high=1),
                take_boxes(found),
                thumbnail or None,
                *size,
            )
        )
    return moments


def take_boxes(fields):
    boxes = []
    for found in fields.objects("boxes", MAX_BOXES):
        corners = found.items("box", 4)
        if len(corners) != 4 or not all(is_number(corner, -1e6, 1e6) for corner in corners):
            fields.complain("box: expected four numbers: left out")
            continue
        x0, y0, x1, y1 = (min(max(corner, 0.0), 1.0) for corner in corners)
        if x0 < x1 and y0 < y1:
            boxes.append((found.text("class", NAME), found.number("score", high=1), (x0, y0, x1, y1)))
    return boxes


def take_shapes(fields, kind, directions):
    """Name, class and counts: in total (class is None) and for each class."""
    shapes = []
    counts = Fields(fields.object("counts", 16), fields.complain)
    for shape in counts.objects(kind, MAX_SHAPES):
        name = shape.text("name", NAME)
        shapes.append((name, None, [shape.count(direction) for direction in directions]))
        for each in shape.objects("classes", MAX_CLASSES):
            shapes.append((name, each.text("label", NAME), [each.count(direction) for direction in directions]))
    return shapes
